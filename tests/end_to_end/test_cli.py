"""The command line without a simulation: help, errors, exit codes, files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

import tumorsim
from toy_result import write_toy
from tumorsim.cli import app

ROOT = Path(__file__).parents[2]
VERBS = (
    *("init", "check", "run", "sweep", "sensitivity", "calibrate", "replay", "verify"),
    *("report", "plot", "export", "library", "schema", "doctor"),
)
SCENARIOS = sorted(path.name for path in (ROOT / "scenarios").glob("hcc_*.yaml"))
SPATIAL = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "scenarios").rglob("spatial_*.yaml"))


def call(*arguments, **options):
    """The verb in this process, at the project's root."""
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim", **options)


def shell(command: str, **environment) -> subprocess.CompletedProcess:
    """A command line in a shell, as a user types it; ``tumorsim`` is this interpreter's."""
    defined = f'set -o pipefail; tumorsim() {{ "{sys.executable}" -m tumorsim "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", defined], capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, timeout=120
    )


@pytest.fixture
def result(tmp_path):
    return write_toy(tmp_path / "toy.h5")


def test_help_lists_every_verb_in_order():
    listed = re.findall(r"^  ([a-z]+)  +\S", call("--help").output.split("Commands:")[1], re.MULTILINE)
    assert tuple(listed) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_shows_an_example(verb):
    shown = call(verb, "--help")
    assert shown.exit_code == 0
    assert re.search(rf"Examples?:\n +tumorsim {verb}\b", shown.output)
    assert "\x08" not in shown.output


def test_summary_lines_are_not_cut():
    assert "..." not in call("--help").output.split("Commands:")[1]


def test_version():
    assert call("--version").output == f"tumorsim {tumorsim.__version__}\n"


def test_no_arguments_shows_help():
    assert "Usage:" in call().output


def test_unknown_verb_and_option_are_bad_input():
    assert call("simulate").exit_code == 2
    assert call("run").exit_code == 2
    assert call("run", "x.yaml", "--patients", "0").exit_code == 2
    shown = call("run", "x.yaml", "--pateints", "5")
    assert shown.exit_code == 2
    assert "--patients" in shown.output


def test_init_check_round_trip(tmp_path):
    path = tmp_path / "my trial.yaml"
    made = call("init", path)
    assert made.exit_code == 0
    assert made.stdout.strip() == str(path)
    assert yaml.safe_load(path.read_text())["name"] == "my_trial"
    checked = call("check", path)
    assert checked.exit_code == 0, checked.output
    assert "my_trial" in checked.stdout
    again = call("init", path)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert call("init", path, "--force").exit_code == 0


def test_init_needs_a_name():
    done = call("init", "")
    assert done.exit_code == 2
    assert "my_trial.yaml" in done.stderr


def test_errors_cannot_drive_the_terminal(tmp_path):
    path = tmp_path / "hostile.yaml"
    path.write_text('scenario: 1\nname: "\\e[2J"\n"\\e]0;x": 1\n')
    done = call("check", path)
    assert done.exit_code == 2
    assert "\x1b" not in done.stderr


def test_init_adds_the_suffix_and_takes_a_setting(tmp_path):
    assert call("init", tmp_path / "advanced.v2", "--setting", "advanced").exit_code == 0
    made = yaml.safe_load((tmp_path / "advanced.v2.yaml").read_text())
    assert made["population"]["setting"] == "advanced"


@pytest.mark.parametrize("name", SCENARIOS)
def test_check_of_shipped_scenarios_as_json(name):
    done = call("check", ROOT / "scenarios" / name, "--patients", "7", "--seed", "0", "--json")
    planned = json.loads(done.stdout)
    assert planned["patients"] == 7
    assert planned["seed"] == 0
    assert len(planned["arms"]) >= 2


@pytest.mark.parametrize("name", SPATIAL)
def test_check_of_shipped_spatial_scenarios(name):
    done = call("check", ROOT / name, "--replicates", "3", "--seed", "0", "--json")
    planned = json.loads(done.stdout)
    assert (planned["replicates"], planned["seed"]) == (3, 0)
    assert planned["lattices"] == 3 * len(planned["arms"]) >= 12
    shown = call("check", ROOT / name)
    assert shown.exit_code == 0
    assert all(f"  arm {arm['name']}: " in shown.stdout for arm in planned["arms"])


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        (SPATIAL[0], "--patients", "--patients is an option of a trial"),
        ("scenarios/hcc_sorafenib_cik.yaml", "--replicates", "--replicates is an option of a spatial scenario"),
    ],
)
def test_check_refuses_the_other_kinds_option(name, option, message):
    done = call("check", ROOT / name, option, "3")
    assert done.exit_code == 2
    assert message in done.stderr


def test_every_error_of_a_scenario_is_shown_with_its_place(tmp_path):
    path = tmp_path / "broken.yaml"
    call("init", path)
    path.write_text(path.read_text().replace("accrual: 30 month", "accrual: 30").replace("seed: 1", "sede: 1"))
    done = call("check", path)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert len(re.findall(r"broken\.yaml:\d+:\d+ ", done.stderr)) >= 2
    assert "30 month" in done.stderr or "e.g." in done.stderr
    assert "seed" in done.stderr


def test_dry_run_writes_nothing(tmp_path):
    out = tmp_path / "r.h5"
    done = call("run", ROOT / "scenarios" / SCENARIOS[0], "--dry-run", "-o", out)
    assert done.exit_code == 0
    assert "patients" in done.stdout
    assert not out.exists()


def test_dry_run_of_very_many_patients_says_memory_and_blocks():
    asked = ("run", ROOT / "scenarios" / SCENARIOS[0], "--dry-run", "--patients", "1000000", "--block", "5000")
    told = call(*asked).stdout
    assert "200 of 5,000 patients, each kept as soon as it is done" in told
    assert "of memory" in told
    planned = json.loads(call(*asked, "--json").stdout)
    assert planned["block"] == 5000
    assert 0 < planned["memory"] < planned["bytes"], "what visits measured stays on disk"


def test_blocks_are_of_patients():
    done = call("run", ROOT / "scenarios" / "small" / "spatial_tace_nk.yaml", "--block", "5")
    assert done.exit_code == 2
    assert "--block is an option of a trial" in done.stderr


def test_run_looks_at_its_target_before_it_simulates(tmp_path):
    out = tmp_path / "r.h5"
    out.write_text("mine")
    done = call("run", ROOT / "scenarios" / SCENARIOS[0], "-o", out)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert out.read_text() == "mine"


def test_verify(result):
    assert call("verify", result).exit_code == 0
    held = json.loads(call("verify", result, "--json").stdout)
    assert held["ok"] is True
    assert re.fullmatch(r"[0-9a-f]{64}", held["sha256"])
    content = bytearray(result.read_bytes())
    content[len(content) // 2] ^= 1
    result.write_bytes(content)
    broken = call("verify", result)
    assert broken.exit_code == 2
    assert broken.stdout == ""
    assert "problem" in broken.stderr
    told = json.loads(call("verify", result, "--json").stdout)
    assert told["ok"] is False
    assert told["problems"]


def test_export_writes_tables_and_protects_them(result):
    done = call("export", result)
    assert done.exit_code == 0
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert {path.name for path in paths} >= {"patients.csv", "visits.csv", "trajectories.csv"}
    assert all(path.stat().st_size for path in paths)
    assert call("export", result).exit_code == 2
    assert call("export", result, "--force").exit_code == 0


def test_plot_slips_are_told_before_the_result_is_read(tmp_path):
    missing = tmp_path / "missing.h5"
    assert "figures are: km" in call("plot", "kmm", missing).stderr
    assert "endpoint" in call("plot", "km", missing, "--set", "enpoint=os").stderr
    assert "KEY=VALUE" in call("plot", "km", missing, "--set", "endpoint").stderr
    assert "give a result" in call("plot", "km").stderr
    assert call("plot", "km", missing).exit_code == 2


def test_plot_list():
    assert "waterfall" in call("plot", "list").stdout


def test_a_page_cannot_take_the_name_of_a_result(result):
    before = result.read_bytes()
    page = call("report", result, "-o", result, "--force")
    assert page.exit_code == 2
    assert "must end in .html" in page.stderr
    figure = call("plot", "km", result, "-o", result, "--force")
    assert figure.exit_code == 2
    assert ".png, .svg, .pdf" in figure.stderr
    assert result.read_bytes() == before


def test_a_name_that_was_given_is_not_overwritten(result, tmp_path):
    for verb, name in (("report", "mine.html"), ("plot km", "mine.svg")):
        mine = tmp_path / name
        mine.write_text("mine")
        done = call(*verb.split(), result, "-o", mine)
        assert done.exit_code == 2
        assert "--force" in done.stderr
        assert mine.read_text() == "mine"


def test_library_as_json():
    listed = json.loads(call("library", "--json").stdout)
    assert {"hcc", "sorafenib", "cik"} <= listed.keys()
    entry = json.loads(call("library", "sorafenib", "--json").stdout)
    assert all(row["status"] in {"measured", "fitted", "assumed"} for row in entry["rows"])
    assert "did you mean" in call("library", "sorafenb").stderr


def test_schema_is_one_and_accepts_the_starter(tmp_path):
    schema = json.loads(call("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    call("init", tmp_path / "a.yaml")
    jsonschema.validate(yaml.safe_load((tmp_path / "a.yaml").read_text()), schema)
    assert call("schema", "-o", tmp_path / "s.json").exit_code == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema


def test_reader_that_goes_away_is_no_error():
    """``tumorsim schema | head``, with the reader gone before the first byte."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "tumorsim", "schema"], stdout=write, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == b""


def test_signs_that_the_terminal_cannot_write_are_replaced(tmp_path):
    call("init", tmp_path / "a.yaml")
    text = (tmp_path / "a.yaml").read_text()
    (tmp_path / "a.yaml").write_text(re.sub("(?m)^title:.*", "title: 4 – 4", text), encoding="utf-8")
    done = shell(f"tumorsim check {tmp_path}/a.yaml", PYTHONIOENCODING="iso8859-1")
    assert done.returncode == 0, done.stderr
    assert "4 ? 4" in done.stdout


def test_no_cursor_codes_in_a_log_under_force_color():
    done = shell("tumorsim library hcc", FORCE_COLOR="1")
    assert "\x1b" not in done.stdout + done.stderr


def test_quiet_says_nothing_on_stderr():
    done = shell(f"tumorsim check scenarios/{SCENARIOS[0]} -q")
    assert done.stderr == ""
    assert done.stdout
