"""A sweep from the command line: plan, run, resume, failures, parts, and every verb on what it leaves."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import toy_sweep
import tumorsim as ts
from tumorsim.cli import app
from tumorsim.executor import Executor

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "scenarios" / "small" / "sweep_dose_timing.yaml"


@pytest.fixture(autouse=True)
def _workers_are_threads(monkeypatch):
    """Starting a process and loading the kernels takes seconds; one test below does it."""
    monkeypatch.setattr("tumorsim.sweep.run.open_executor", lambda _, workers: Executor(workers))


@pytest.fixture
def made_up(monkeypatch):
    """Runs without a simulation, where only what is kept of them matters."""
    monkeypatch.setattr("tumorsim.sweep.runs._run", lambda base, outputs, asked: toy_sweep.made_up(asked))


def tumorsim(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


def told(done):
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return toy_sweep.write(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    """The tiny sweep, done in worker processes."""
    folder = tmp_path_factory.mktemp("out") / "tiny"
    command = [sys.executable, "-m", "tumorsim", "sweep", str(file), "-o", str(folder), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done


def digest(folder):
    return ts.open_result(folder / "sweep.h5").digest


def test_it_says_what_came_of_it_and_what_to_do_next(whole):
    folder, done = whole
    for part in ("4 points, 2 seeds each", "lowest", "highest", "dose", "sweep.h5", "clinical use"):
        assert part in done.stdout
    assert f"tumorsim plot sweep {folder / 'sweep.h5'}" in done.stdout
    assert "8 runs in" in done.stderr
    assert (folder / "sweep.yaml").read_text(encoding="utf-8") == toy_sweep.TEXT
    assert not list(folder.rglob("*.part"))


def test_the_table_has_every_run(whole):
    result = ts.open_result(whole[0] / "sweep.h5")
    assert result.plot().axes
    frame = result.to_frame()
    assert frame["seed"].tolist() == [5, 6] * 4
    assert frame["dose"].tolist() == [0.0] * 4 + [6e9] * 4
    assert frame["kill_rate"].tolist() == [0.1, 0.1, 10.0, 10.0] * 2
    assert set(frame["status"]) == {"done"}
    assert frame["months"].notna().all()
    # without cells their power to kill cannot matter: the same patients, the same luck
    without = frame[frame["dose"] == 0]
    assert (
        without[without["kill_rate"] == 0.1]["months"].tolist()
        == without[without["kill_rate"] == 10]["months"].tolist()
    )


def test_the_plan_runs_nothing(file, tmp_path):
    done = tumorsim("sweep", file, "--dry-run", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "4 points (grid) x 2 seeds = 8 runs" in done.stdout
    assert "arms.combination.treatments.1.dose" in done.stdout
    assert not (tmp_path / "out").exists()
    planned = told(tumorsim("sweep", file, "-n", "--json", "--seed", 9, "--replicates", 3))
    assert (planned["runs"], planned["seeds"], planned["kind"]) == (12, [9, 11], "trial")


def test_check_shows_the_plan_too_and_run_says_which_verb(file):
    done = tumorsim("check", file)
    assert "8 runs" in done.stdout
    assert f"tumorsim sweep {file}" in done.stderr
    done = tumorsim("run", file)
    assert done.exit_code == 2
    assert "is a sweep file; write" in done.stderr
    assert f"tumorsim sweep {file}" in done.stderr


def test_the_same_command_again_does_nothing_and_keeps_the_table(file, whole):
    folder, _ = whole
    before = (folder / "sweep.h5").read_bytes()
    again = told(tumorsim("sweep", file, "-o", folder, "--json"))
    assert (again["held"], again["done"], again["failed"]) == (8, 0, 0)
    assert again["sha256"] == digest(folder)
    assert (folder / "sweep.h5").read_bytes() == before


def test_after_shards_are_lost_or_damaged_the_same_command_gives_the_same_bits(file, whole, tmp_path):
    folder, _ = whole
    expected = digest(folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "shards").mkdir()
    for path in (*folder.glob("*.*"), *folder.glob("shards/*")):
        (copy / path.relative_to(folder)).write_bytes(path.read_bytes())
    first, second, *_ = sorted((copy / "shards").glob("*.shard"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    (copy / "sweep.h5").unlink()
    done = tumorsim("verify", copy)
    assert done.exit_code == 2
    assert "6 shards whole, 2 problems; 6 of 8 runs" in done.stderr
    done = tumorsim("sweep", file, "-o", copy, "--json", "--workers", 1, "--batch", 2)
    found = told(done)
    assert (found["held"], found["done"], len(found["damaged"])) == (6, 2, 2)
    assert found["sha256"] == expected
    assert "its runs are done again" in done.stderr
    verified = told(tumorsim("verify", copy, "--json"))
    assert (verified["ok"], verified["runs"], verified["sha256"]) == (True, 8, expected)


def test_parts_make_the_whole(file, whole, tmp_path):
    first = tumorsim("sweep", file, "-o", tmp_path / "out", "--shard", "1/2")
    assert first.exit_code == 0
    assert "4 of 8 runs are in" in first.stdout
    assert not (tmp_path / "out" / "sweep.h5").exists()
    second = told(tumorsim("sweep", file, "-o", tmp_path / "out", "--shard", "2/2", "--json"))
    assert second["done"] == 4
    assert second["sha256"] == digest(whole[0])
    for part in ("0/2", "3/2", "1", "a/b"):
        assert "must be i/N" in tumorsim("sweep", file, "-o", tmp_path / "out", "--shard", part).stderr
    done = tumorsim("sweep", file, "-o", tmp_path / "out", "--shard", "1/2", "--force")
    assert done.exit_code == 2
    assert "would delete what other jobs did" in done.stderr


@pytest.mark.usefixtures("made_up")
def test_another_seed_is_another_sweep(file, whole, tmp_path):
    done = tumorsim("sweep", file, "-o", whole[0], "--seed", 6)
    assert done.exit_code == 2
    assert "belongs to another configuration" in done.stderr
    assert digest(whole[0])
    options = ("--seed", 6, "--replicates", 1, "--set", "infusion.cik.none=1")
    assert "none" in tumorsim("sweep", file, "-o", tmp_path / "out", *options).stderr
    options = ("--seed", 6, "--replicates", 1, "--set", "trial.dropout_rate=0 1/day")
    made = told(tumorsim("sweep", file, "-o", tmp_path / "out", "--json", *options))
    assert made["runs"] == 4
    frame = ts.open_result(tmp_path / "out" / "sweep.h5").to_frame()
    assert set(frame["seed"]) == {6}


@pytest.mark.usefixtures("made_up")
def test_force_begins_anew(file, tmp_path):
    text = toy_sweep.TEXT.replace("replicates: 2", "replicates: 1").replace("points: 2", "points: 3")
    one = toy_sweep.write(tmp_path, text)
    assert told(tumorsim("sweep", one, "-o", tmp_path / "out", "--json"))["done"] == 6
    assert tumorsim("sweep", file, "-o", tmp_path / "out").exit_code == 2
    made = told(
        tumorsim("sweep", one, "-o", tmp_path / "out", "--json", "--force", "--set", "trial.dropout_rate=0 1/day")
    )
    assert (made["held"], made["done"]) == (0, 6)


# --- failures ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def partly(tmp_path_factory):
    """A sweep with one point of four whose values do not go together."""
    folder = tmp_path_factory.mktemp("partly")
    return toy_sweep.write(folder, toy_sweep.conflicting()), folder / "out"


def test_failures_are_recorded_with_point_seed_and_message_and_the_rest_stands(partly):
    file, folder = partly
    done = tumorsim("sweep", file, "-o", folder)
    assert done.exit_code == 3
    assert "point 3, seed 5 failed (trial.accrual=5 month, trial.cutoff=3 month): ScenarioError" in done.stderr
    assert "partial result: 2 of 8 runs failed; --retry does them again" in done.stderr
    result = ts.open_result(folder / "sweep.h5")
    frame = result.to_frame()
    assert frame["status"].tolist() == ["done"] * 6 + ["failed"] * 2
    assert frame["deaths"].notna().tolist() == [True] * 6 + [False] * 2
    failures = result.failures()
    assert failures[["point", "seed"]].values.tolist() == [[3, 5], [3, 6]]
    # the line that repeats it gives the same message
    line = next(line for line in done.stderr.splitlines() if line.startswith("To see the first alone"))
    alone = tumorsim(*shlex.split(line.partition(" tumorsim ")[2]), "-o", folder / "alone.h5")
    assert alone.exit_code == 2
    assert "trial" in alone.stderr
    verified = tumorsim("verify", folder)
    assert verified.exit_code == 0
    assert "2 of them failed" in verified.stdout


def test_what_failed_is_done_again_only_when_asked(partly, monkeypatch):
    file, folder = partly
    tumorsim("sweep", file, "-o", folder)
    again = tumorsim("sweep", file, "-o", folder, "--json")
    assert again.exit_code == 3
    assert told(again)["done"] == 0
    monkeypatch.setattr("tumorsim.sweep.runs._run", lambda base, outputs, asked: toy_sweep.made_up(asked))
    retried = tumorsim("sweep", file, "-o", folder, "--json", "--retry")
    assert retried.exit_code == 0
    assert (told(retried)["done"], told(retried)["failed"]) == (2, 0)
    later = told(tumorsim("sweep", file, "-o", folder, "--json"))
    assert (later["done"], later["failed"], later["sha256"]) == (0, 0, told(retried)["sha256"])


# --- other verbs -----------------------------------------------------------------------------


def test_tables(whole, tmp_path):
    done = tumorsim("export", whole[0] / "sweep.h5", "-o", tmp_path / "csv")
    assert done.exit_code == 0
    rows = (tmp_path / "csv" / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "point,replicate,seed,dose,kill_rate,months,deaths,hr,status"
    assert len(rows) == 9


@pytest.mark.parametrize("verb", ["replay", "report"])
def test_verbs_that_a_sweep_has_no_use_for_say_so(verb, whole):
    done = tumorsim(verb, whole[0] / "sweep.h5")
    assert done.exit_code == 2
    assert "sweep" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("made_up")
def test_from_python(file, whole):
    seen = []
    result = ts.run_sweep(file, workers=1, out=whole[0].with_name("python"), progress=lambda *told: seen.append(told))
    again = ts.run_sweep(file, workers=1)
    assert result.digest == again.digest != digest(whole[0])
    assert again.path.parent.parent != result.path.parent.parent
    assert seen[-1] == (8, 8)
    assert result.data.output("months").values.shape == (4, 2)


def test_starter_and_schema_agree(tmp_path, monkeypatch):
    jsonschema = pytest.importorskip("jsonschema")
    from tumorsim.sweep.schema import sweep_json_schema
    from tumorsim.yamlio import parse

    monkeypatch.chdir(tmp_path)
    assert tumorsim("init").exit_code == 0
    assert tumorsim("init", "--setting", "sweep", "my_sweep.yaml").exit_code == 0
    done = tumorsim("check", "my_sweep.yaml")
    assert done.exit_code == 0, done.stderr
    assert "9 points (grid) x 2 seeds = 18 runs" in done.stdout
    schema = json.loads(tumorsim("schema", "--sweep").stdout)
    assert schema == json.loads(json.dumps(sweep_json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in (
        toy_sweep.TEXT,
        toy_sweep.conflicting(),
        SHIPPED.read_text(encoding="utf-8"),
        Path("my_sweep.yaml").read_text(),
    ):
        assert list(validator.iter_errors(parse(text, "f").plain())) == []
    for good, bad in (("seed: 5", "seeed: 5"), ("design: grid", "design: gird"), ("    points: 2", "    points: x"),
                      ("    low: 0.1 1/day\n", "")):  # fmt: skip
        assert list(validator.iter_errors(parse(toy_sweep.TEXT.replace(good, bad), "f").plain()))
    assert tumorsim("schema", "--sweep", "--spatial").exit_code == 2


def test_a_shipped_sweep_is_planned():
    planned = told(tumorsim("check", SHIPPED, "--json"))
    assert (planned["points"], planned["runs"]) == (100, 200)


def test_calibrations_are_checked_too():
    path = ROOT / "scenarios" / "calibrations" / "hcc_sorafenib.yaml"
    done = tumorsim("check", path)
    assert done.exit_code == 0
    assert "free parameter" in done.stdout
    assert f"tumorsim calibrate {path}" in done.stderr
    assert "is an option of a scenario" in tumorsim("check", path, "--patients", 3).stderr
    assert f"tumorsim calibrate {path}" in tumorsim("run", path).stderr
