"""A lattice from the command line: run, every verb on its result, interruption and going on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tumorsim as ts
from tumorsim.cli import app

ROOT = Path(__file__).parents[2]
BUSY = ROOT / "tests" / "busy_lattice.yaml"
SHORT = ("--set", "lattice.duration=1.5 day", "--set", "output.snapshots=[0 day, 1 day]", "--replicates", 2)
LONG = ("--set", "lattice.duration=2.5 day", "--set", "output.snapshots=[]", "--replicates", 3)


def command(*arguments):
    return [sys.executable, "-m", "tumorsim", *map(str, arguments)]


def shell(*arguments):
    """A command line in a process of its own, away from any terminal."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL, timeout=300
    )


def here(*arguments):
    """The same in this process, which has everything imported already."""
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One short run in worker processes: what was printed, and the result."""
    out = tmp_path_factory.mktemp("lattice") / "busy.h5"
    done = shell("run", BUSY, *SHORT, "--threads", 2, "-o", out)
    assert done.returncode == 0, done.stderr
    return done, out


def test_run_prints_what_a_newcomer_needs(made):
    done, out = made
    for part in ("mean of 2 replicates", "nothing", "everything", "Living tumour cells", f"Result: {out}"):
        assert part in done.stdout
    assert f"tumorsim report {out}" in done.stdout
    assert f"tumorsim plot lattice {out}" in done.stdout
    assert "n.r." not in done.stdout, "not reached is said of medians"
    assert done.stdout.rstrip().endswith("not for clinical use.")
    assert "4 lattices of 33 x 13 x 5 voxels, 36 steps, seed 10, 2 threads" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "Warning" not in done.stderr
    assert list(out.parent.iterdir()) == [out], "checkpoints go when the result is there"


def test_json_is_the_summary_and_one_thread_gives_the_same_bits(made, tmp_path):
    _, out = made
    done = here("run", BUSY, *SHORT, "--threads", 1, "-o", tmp_path / "again.h5", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told.pop("result") == str(tmp_path / "again.h5")
    again = ts.open_result(tmp_path / "again.h5")
    assert again.as_dict == told
    assert again.digest == ts.open_result(out).digest


@pytest.mark.slow
def test_a_plain_script_needs_no_main_guard(made, tmp_path):
    """Worker processes would otherwise run the script again, each starting others."""
    script = tmp_path / "script.py"
    options = f"overrides={list(SHORT[1:4:2])}, replicates=2, threads=2"
    script.write_text(f"import tumorsim as ts\nprint(ts.run({str(BUSY)!r}, {options}).digest)\n", encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [ts.open_result(made[1]).digest]


def test_check_says_what_it_would_cost():
    done = here("check", BUSY, "--replicates", 3)
    assert done.exit_code == 0
    assert "6 lattices" in done.stdout
    assert json.loads(here("check", BUSY, "--json").stdout)["replicates"] == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", BUSY, "--patients", 5), "--replicates"),
        (("run", ROOT / "scenarios" / "hcc_adjuvant_cik_rct.yaml", "--replicates", 5), "--patients"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(arguments, named):
    done = here(*arguments)
    assert done.exit_code == 2
    assert named in done.stderr


def test_verify_and_a_flipped_byte(made, tmp_path):
    _, out = made
    assert here("verify", out).exit_code == 0
    bad = bytearray(out.read_bytes())
    bad[len(bad) // 2] ^= 1
    (tmp_path / "bad.h5").write_bytes(bad)
    assert here("verify", tmp_path / "bad.h5").exit_code == 2


@pytest.mark.medium
def test_replay_is_equal_and_finds_a_change(made, monkeypatch):
    _, out = made
    done = here("replay", out, "--threads", 1)
    assert done.exit_code == 0, done.stdout
    assert "bit for bit" in done.stdout
    # another seed stands for a fault in the simulator
    monkeypatch.setattr("tumorsim.experiment.replicate_seed", lambda seed, replicate: 7 + replicate)
    done = here("replay", out, "--threads", 1, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert not told["equal"]
    assert any("sensitive" in line for line in told["differences"])


@pytest.mark.medium
def test_report(made, tmp_path):
    _, out = made
    page = tmp_path / "page.html"
    done = here("report", out, "-o", page)
    assert done.exit_code == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert "Everything at once" in text


@pytest.mark.parametrize("kind", ["lattice", "series", "window"])
def test_plot(made, tmp_path, kind):
    _, out = made
    figure = tmp_path / "figure.svg"
    done = here("plot", kind, out, "-o", figure)
    assert done.exit_code == 0, done.stderr
    assert "<svg" in figure.read_text(encoding="utf-8")


def test_a_figure_of_a_trial_is_refused(made):
    done = here("plot", "km", made[1])
    assert done.exit_code == 2
    assert "lattice" in done.stderr


def test_export_writes_tables_and_says_where_voxels_are(made, tmp_path):
    _, out = made
    done = here("export", out, "-o", tmp_path / "tables")
    assert done.exit_code == 0, done.stderr
    assert "xarray" in done.stderr
    result = ts.open_result(out)
    with open(tmp_path / "tables" / "effectors.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == result.data["kills"].size
    assert [int(row["kills"]) for row in rows] == result.data["kills"].ravel().tolist()
    assert sum(int(row["kills"]) for row in rows) > 0


def test_init_writes_a_lattice_that_check_accepts(tmp_path):
    done = here("init", "--setting", "spatial", tmp_path / "mine")
    assert done.exit_code == 0
    planned = here("check", tmp_path / "mine.yaml", "--json")
    assert planned.exit_code == 0, planned.stderr
    arms = json.loads(planned.stdout)["arms"]
    assert [arm["name"] for arm in arms] == ["control", "sorafenib", "sorafenib_cik"]


def start(out, *options):
    """A run under way, which a signal reaches as it would in a terminal."""
    # pytest-xdist workers may ignore SIGINT, and a child inherits that
    return subprocess.Popen(
        command("run", BUSY, *options, "-o", out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


@pytest.mark.usefixtures("made")  # kernels in the cache: a signal waits while LLVM compiles a function
@pytest.mark.parametrize(
    ("sent", "threads"), [(signal.SIGINT, 2), pytest.param(signal.SIGTERM, 1, marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on_and_gives_the_same_bits(sent, threads, tmp_path):
    out, folder = tmp_path / "r.h5", tmp_path / "r.h5.partial"
    task = start(out, *LONG, "--threads", threads)
    until = time.monotonic() + 120
    while not list(folder.glob("*.checkpoint")) and task.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    task.send_signal(sent)
    printed, said = task.communicate(timeout=60)
    assert task.returncode == 130, said
    assert "the same command goes on" in said
    assert str(folder) in said
    assert "Traceback" not in said
    assert printed == ""
    finished = sorted(file.name for file in folder.iterdir())
    assert 1 <= len(finished) < 6
    assert all(name.endswith(".checkpoint") for name in finished)
    assert not out.exists()

    other = here("run", BUSY, *LONG, "--seed", 3, "--threads", 1, "-o", out)
    assert other.exit_code == 2, "checkpoints of another run are not used"
    assert "Delete the folder r.h5.partial" in other.stderr

    again = here("run", BUSY, *LONG, "--threads", 1, "-o", out)
    assert again.exit_code == 0, again.stderr
    assert f"going on from {folder}" in again.stderr
    assert os.listdir(tmp_path) == ["r.h5"]
    whole = ts.run(BUSY, overrides=LONG[1:4:2], replicates=3, threads=1)
    assert ts.open_result(out).digest == whole.digest


@pytest.mark.slow
def test_the_sample_of_the_quick_start_is_what_a_run_prints(tmp_path):
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    sample = text.split("<!-- lattice -->\n```text\n")[1].split("```")[0]
    assert here("init", "--setting", "spatial", tmp_path / "my_lattice.yaml").exit_code == 0
    done = shell("run", tmp_path / "my_lattice.yaml", "-o", tmp_path / "r.h5")
    printed = {line.rstrip() for line in done.stdout.splitlines()}
    shown = [line.rstrip() for line in sample.splitlines() if line.strip() and line.strip() != "..."]
    assert len(shown) > 8
    assert [line for line in shown if line not in printed] == []


def test_an_interruption_before_anything_is_done_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tumorsim.experiment.run_experiment", interrupted)
    done = here("run", BUSY, *SHORT, "-o", tmp_path / "r.h5")
    assert done.exit_code == 130
    assert "nothing is left" in done.stderr
    assert "output.checkpoint" in done.stderr
    assert list(tmp_path.iterdir()) == []
