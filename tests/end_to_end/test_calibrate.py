"""``tumorsim calibrate`` from the command line: outcome, resumption, faults."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import small_calibration
from tumorsim.calibration.folder import FILES
from tumorsim.calibration.objective import Objective
from tumorsim.calibration.run import calibrate
from tumorsim.cli import app
from tumorsim.targets import MONTH

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One whole run: its file, its folder and what it printed."""
    folder = tmp_path_factory.mktemp("scenarios")
    path = small_calibration.write(folder)
    out = folder / "out"
    printed = call("calibrate", path, "-o", out, "--threads", 2)
    assert printed.exit_code == 0, printed.output
    return path, out, printed.output


def told(out):
    return json.loads((out / "outcome.json").read_text())


def logged(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_the_outcome_tells_what_was_done(done):
    _, out, printed = done
    outcome = told(out)
    assert outcome["evaluations"] == {
        "screening": 8,
        "optimise": 10,
        "start": 1,
        "winner": 2,
        "rival no_cells fresh": 2,
    }
    rows = outcome["optimise"]["evaluations"]
    assert [one["generation"] for one in rows] == [0, *[1] * 4, *[2] * 4, 3]
    assert outcome["loss"]["best"] == rows[-1]["loss"]
    assert rows[-1]["values"] == [p["best"] for p in outcome["parameters"]]
    assert [p["name"] for p in outcome["parameters"]] == ["residual_deposits", "kill_rate", "other_rate"]
    assert "kill_rate" in printed
    assert "Fitted values" in printed
    for target in outcome["targets"]:
        assert (target["fit_weight"] > 0) == (target["id"] in ("R-2", "R-9", "R-12"))
    place, median = next((k, t) for k, t in enumerate(outcome["targets"]) if t["id"] == "R-2")
    assert median["fit_weight"] == 1.0
    winners = [line for line in logged(out) if line["stage"] == "winner"]
    z = [np.log(line["simulated"][place] / (30.0 * MONTH)) / line["sd"][place] for line in winners]
    assert median["z"] == pytest.approx(np.mean(z), rel=1e-9)
    assert outcome["windows"][0]["endpoint"] == "rfs"


def test_without_cells_there_is_no_effect(done):
    """The rival infuses nothing, so that both arms of twins are the same patients: hazard ratio 1."""
    _, out, _ = done
    outcome = told(out)
    place = next(k for k, t in enumerate(outcome["targets"]) if t["id"] == "R-3")
    rival = outcome["rivals"][0]
    assert rival["targets"][place] == pytest.approx(1.0, abs=1e-9)
    assert "kill_rate" not in rival["values"]
    assert rival["windows"][0]["hr"] == pytest.approx(1.0, abs=1e-9)


def test_fitted_values_can_be_set_again(done):
    path, out, _ = done
    lines = [line.split('"')[1] for line in (out / "fitted.yaml").read_text().splitlines() if line.startswith("  - ")]
    assert len(lines) == 3
    settings = [word for line in lines for word in ("--set", line)]
    checked = call("check", path.parent.parent / "hcc_adjuvant_cik_rct.yaml", *settings, "--json")
    assert checked.exit_code == 0, checked.output


def test_a_second_call_simulates_nothing(done):
    path, out, _ = done
    before = (out / "log.jsonl").read_bytes()
    again = call("calibrate", path, "-o", out, "--threads", 1)
    assert again.exit_code == 0
    assert (out / "log.jsonl").read_bytes() == before


@pytest.mark.slow
def test_another_effort_of_the_winner_measures_every_distance_anew(done, tmp_path):
    """The errors that distances are measured in come from the winner's size: nothing that hangs on them may be kept."""
    _, out, _ = done
    again = tmp_path / "again"
    again.mkdir()
    for name in ("log.jsonl", "calibration.yaml"):
        (again / name).write_bytes((out / name).read_bytes())
    other = small_calibration.write(tmp_path, small_calibration.TEXT.replace("patients: 40", "patients: 60"))
    resumed, fresh = calibrate(other, again), calibrate(other, tmp_path / "fresh")
    assert resumed["loss"] == fresh["loss"] != told(out)["loss"]
    assert resumed["optimise"]["evaluations"] == fresh["optimise"]["evaluations"]
    assert resumed["log_digest"] == fresh["log_digest"]


@pytest.mark.slow
def test_begun_anew_nothing_old_is_left(done, tmp_path):
    path, _, _ = done
    out = tmp_path / "out"
    out.mkdir()
    for name in FILES:
        (out / name).write_text("old")
    calibrate(path, out, stages=("winner",), force=True)
    assert all((out / name).read_text() != "old" for name in FILES if (out / name).exists())
    assert (out / "short.json").exists()


def test_another_configuration_is_not_mixed_in(done, tmp_path):
    path, out, _ = done
    path.write_text(small_calibration.TEXT.replace("R-9: 1", "R-9: 2"))
    refused = call("calibrate", path, "-o", out)
    path.write_text(small_calibration.TEXT)
    assert refused.exit_code == 2
    assert "belongs to another configuration" in refused.output


@pytest.mark.slow
def test_interrupted_and_called_again_it_ends_the_same(done, tmp_path):
    """Ctrl-C after eleven simulations, a torn last line, then the same call."""
    _, whole, _ = done
    path, out = small_calibration.write(tmp_path), tmp_path / "out"

    def stop(stage, done_so_far, _total):
        if (stage, done_so_far) == ("optimise", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(path, out, threads=2, progress=stop)
    content = (out / "log.jsonl").read_bytes()
    (out / "log.jsonl").write_bytes(content[:-7])
    assert calibrate(path, out, threads=1)["log_digest"] == told(whole)["log_digest"]


@pytest.mark.slow
@pytest.mark.parametrize("lines", [2, 11])
def test_killed_and_called_again_it_ends_the_same(done, tmp_path, lines):
    """kill -9 in the middle of the screening and of the search; then the same command."""
    _, whole, _ = done
    path, out = small_calibration.write(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "tumorsim", "calibrate", str(path), "-o", str(out), "--threads", "1"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    log = out / "log.jsonl"
    while not (log.exists() and log.read_bytes().count(b"\n") > lines) and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (out / "outcome.json").exists()
    content = log.read_bytes()
    log.write_bytes(content[:-7])  # the line under way when the power went
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert told(out)["log_digest"] == told(whole)["log_digest"]
    assert told(out)["parameters"] == told(whole)["parameters"]


@pytest.mark.medium
def test_a_failed_evaluation_is_recorded_and_the_search_goes_on(tmp_path, monkeypatch):
    path, out = small_calibration.write(tmp_path), tmp_path / "out"
    honest, calls = Objective.measure, [0]

    def sometimes(self, *arguments):
        calls[0] += 1
        found = honest(self, *arguments)
        return replace(found, failure="made to fail") if calls[0] % 4 == 0 else found

    monkeypatch.setattr(Objective, "measure", sometimes)
    outcome = calibrate(path, out, stages=("optimise", "winner"))
    assert [one["message"] for one in outcome["failures"]] == ["made to fail"] * len(outcome["failures"])
    assert 2 <= len(outcome["failures"]) <= 5
    assert outcome["loss"]["best"] < 1e3
    failed = [one for one in outcome["optimise"]["evaluations"] if one["failed"]]
    assert all(one["loss"] == 1e6 for one in failed)


def test_dry_run_names_the_stages(done):
    path, _, _ = done
    planned = call("calibrate", path, "--dry-run", "--json")
    assert planned.exit_code == 0
    stages = json.loads(planned.output)["stages"]
    assert stages["screening"]["simulations"] == 8
    assert stages["optimise"]["simulations"] == 10


def test_bad_input_is_told_with_its_place(done):
    path, _, _ = done
    path.write_text(small_calibration.TEXT.replace("seed: 3", "seed: -3"))
    refused = call("calibrate", path)
    path.write_text(small_calibration.TEXT)
    assert refused.exit_code == 2
    assert "small.yaml:4:" in refused.output
    stage = call("calibrate", path, "--stages", "serch")
    assert stage.exit_code == 2
    assert "stages are screening" in stage.output
