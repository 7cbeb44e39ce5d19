"""A real run from the command line, and every verb on its result."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tumorsim as ts
from tumorsim.cli import app

ROOT = Path(__file__).parents[2]
SCENARIOS = ("hcc_adjuvant_cik_rct", "hcc_sorafenib_cik")
PATIENTS = 24


def tumorsim(*arguments, cwd=ROOT, **environment):
    """A command line in a process of its own, away from any terminal."""
    command = [sys.executable, "-m", "tumorsim", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def here(*arguments):
    """The same in this process, which has everything imported already."""
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


@pytest.fixture(scope="module", params=[SCENARIOS[0], pytest.param(SCENARIOS[1], marks=pytest.mark.slow)])
def made(request, tmp_path_factory):
    """One short run: what was printed, and the result."""
    out = tmp_path_factory.mktemp("run") / f"{request.param}.h5"
    done = tumorsim("run", f"scenarios/{request.param}.yaml", "--patients", PATIENTS, "-o", out, FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    return request.param, done, out


def test_run_prints_what_a_newcomer_needs(made):
    name, done, out = made
    for part in ("End points", "HR", "MC", "Beside the reported figures", "inside", f"Result: {out}"):
        assert part in done.stdout
    assert f"tumorsim report {out}" in done.stdout
    assert f"tumorsim plot km {out}" in done.stdout
    assert done.stdout.rstrip().endswith("not for clinical use.")
    assert name in done.stderr
    assert f"{PATIENTS} virtual patients" in done.stderr
    assert "seed 1" in done.stderr
    assert "thread" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "Warning" not in done.stderr


def test_table_says_what_the_file_holds(made):
    _, done, out = made
    told = ts.open_result(out).as_dict
    for row in told["comparisons"]:
        if row["hr"] is not None:
            assert f"{row['hr']:.2f} ({row['ci'][0]:.2f}–" in done.stdout
    for target in told["targets"]:
        assert target["id"] in done.stdout


def test_json_is_one_object_with_the_promised_keys(made, tmp_path):
    name, _, out = made
    scenario = ROOT / "scenarios" / f"{name}.yaml"
    done = here("run", scenario, "--patients", PATIENTS, "-o", tmp_path / "again.h5", "--json", "-q", "--threads", 1)
    assert done.exit_code == 0
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert {"scenario", "seed", "arms", "comparisons", "targets"} <= told.keys()
    assert told["scenario"] == name
    assert all({"endpoint", "hr", "ci", "mc_se", "p_logrank"} <= row.keys() for row in told["comparisons"])
    wanted = {"id", "quantity", "arm", "reported", "reported_ci", "simulated", "interval", "kind", "within"}
    assert told["targets"]
    assert all(wanted <= row.keys() for row in told["targets"])
    assert told["result"] == str(tmp_path / "again.h5")
    same = ts.open_result(tmp_path / "again.h5")
    assert same.digest == ts.open_result(out).digest, "one thread and all threads differ"
    assert same.as_dict == {key: value for key, value in told.items() if key != "result"}


def test_verify_replay_plot_export(made, tmp_path):
    _, _, out = made
    assert here("verify", out).exit_code == 0
    replayed = here("replay", out)
    assert replayed.exit_code == 0, replayed.stdout
    assert "bit for bit" in replayed.stdout
    figure = tmp_path / "km.svg"
    assert here("plot", "km", out, "-o", figure).exit_code == 0
    assert "<svg" in figure.read_text(encoding="utf-8")
    assert here("export", out, "-o", tmp_path / "tables").exit_code == 0
    rows = (tmp_path / "tables" / "patients.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 2 * PATIENTS


@pytest.mark.medium
def test_report(made, tmp_path):
    _, _, out = made
    page = tmp_path / "page.html"
    assert here("report", out, "-o", page).exit_code == 0
    text = page.read_text(encoding="utf-8").lower()
    assert text.lstrip().startswith("<!doctype html>")
    assert text.count("data:image/svg+xml;base64,") > 5


def test_replay_of_a_changed_result_fails_and_names_the_array(made, tmp_path):
    from toy_result import forge

    _, _, out = made
    copy = tmp_path / "changed.h5"
    copy.write_bytes(out.read_bytes())
    held = ts.open_result(copy)

    def edit(file):
        file["patients/death_time"][0, 0] = 1.0 if math.isnan(held.data["death_time"][0, 0]) else np.nan

    forge(copy, edit)
    done = here("replay", copy)
    assert done.exit_code in {1, 2}
    assert "Traceback" not in done.stderr


def test_default_name_is_the_next_free_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenario = ROOT / "scenarios" / f"{SCENARIOS[0]}.yaml"
    paths = [
        json.loads(here("run", scenario, "--patients", 4, "--seed", 0, "--json").stdout)["result"] for _ in range(2)
    ]
    assert paths == [f"results/{SCENARIOS[0]}-seed0.h5", f"results/{SCENARIOS[0]}-seed0-2.h5"]
    assert all(Path(path).exists() for path in paths)


@pytest.mark.medium
@pytest.mark.usefixtures("made")  # kernels in the cache: a signal waits while LLVM compiles a function
@pytest.mark.parametrize("made", SCENARIOS[:1], indirect=True)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interruption_exits_130_and_leaves_nothing_half_written(sent, tmp_path):
    command = [sys.executable, "-m", "tumorsim", "run", str(ROOT / "scenarios" / f"{SCENARIOS[0]}.yaml")]
    command += ["--patients", "20000", "-o", str(tmp_path / "r.h5")]
    # pytest-xdist workers may ignore SIGINT, and a child inherits that
    task = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert task.stderr is not None
    for line in task.stderr:
        if "virtual patients" in line:
            break
    time.sleep(2.5)
    assert task.poll() is None, "the run was over before it could be interrupted"
    task.send_signal(sent)
    started = time.monotonic()
    out, err = task.communicate(timeout=60)
    assert task.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - started < 20.0


def test_python_interface_of_the_readme():
    result = ts.run(ROOT / "scenarios" / f"{SCENARIOS[0]}.yaml", patients=PATIENTS, seed=1, threads=1)
    assert {"id", "reported", "simulated"} <= set(result.summary().columns)
    curve = result.survival("rfs")["cik"]
    assert curve["survival"][0] == 1.0
    assert np.all(np.diff(curve["survival"]) <= 0)
    assert len(result.plot("km", "rfs").axes) >= 1
    assert result.to_xarray("visits").sizes["patient"] == PATIENTS
    frame = result.to_frame("patients")
    assert len(frame) == 2 * PATIENTS
    assert {"arm", "patient", "death_time"} <= set(frame.columns)


@pytest.mark.slow
def test_the_sample_of_the_readme_is_what_a_run_prints(tmp_path):
    sample = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- sample -->\n```text\n")[1].split("```")[0]
    done = tumorsim("run", f"scenarios/{SCENARIOS[0]}.yaml", "-o", tmp_path / "r.h5")
    printed = {line.rstrip() for line in done.stdout.splitlines()}
    shown = [line.rstrip() for line in sample.splitlines() if line.strip() and line.strip() != "..."]
    assert len(shown) > 15
    assert [line for line in shown if line not in printed] == []
