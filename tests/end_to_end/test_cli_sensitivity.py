"""`tumorsim sensitivity` from file to figure: plan, runs in parts, the table, going on, and what is refused."""

import json
import shutil
from pathlib import Path

import h5py
import pytest
from typer.testing import CliRunner

from tumorsim.cli import app
from tumorsim.executor import open_executor
from tumorsim.sensitivity_data import read_sensitivity
from tumorsim.sweep import run
from tumorsim.sweep.sensitivity import sensitivity

ROOT = Path(__file__).parents[2]
TEXT = """\
sweep: 1
name: tiny
title: Dose and start, in few patients
scenario: scenario.yaml
set: ["trial.cutoff=6 month", "trial.accrual=1 month"]
patients: 4
seed: 5
factors:
  - name: dose
    label: Cells of one infusion
    path: arms.combination.treatments.1.dose
    low: 1e8 cells
    high: 1e10 cells
    scale: log
  - {name: start, label: Start of CIK, path: arms.combination.treatments.1.start, low: 0 day, high: 60 day}
outputs:
  - {name: gain, quantity: os.rmst_difference(5 month), arm: combination, label: Gain in mean survival}
  - {name: cells, quantity: cells.mean, arm: combination, label: Cells infused}
sensitivity: {method: morris, samples: 3, levels: 4, resamples: 100}
"""


def here(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


@pytest.fixture(scope="module", autouse=True)
def _in_this_process():
    """Runs in threads: processes are tried with `sweep`, and each takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_executor", lambda where, workers: open_executor("threads", workers))
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sensitivity")
    shutil.copy(ROOT / "scenarios" / "hcc_sorafenib_cik.yaml", folder / "scenario.yaml")
    (folder / "tiny.yaml").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def done(place):
    """All of it, in two parts of a job array and a last call."""
    out = place / "out"
    first = here("sensitivity", place / "tiny.yaml", "-o", out, "--shard", "1/2", "--workers", 1)
    second = here("sensitivity", place / "tiny.yaml", "-o", out, "--workers", 1)
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    return out, first, second


def test_the_plan_says_how_many_runs(place):
    told = json.loads(here("sensitivity", place / "tiny.yaml", "--dry-run", "--json").stdout)
    assert (told["design"], told["points"], told["runs"]) == ("morris", 9, 9)
    shown = here("sensitivity", place / "tiny.yaml", "-n", "--method", "sobol", "--samples", 8)
    assert "32 points (sobol) x 1 seeds = 32 runs" in shown.stdout
    assert sorted(path.name for path in place.iterdir() if path.name != "out") == ["scenario.yaml", "tiny.yaml"]


def test_parts_come_together_and_the_indices_are_printed_and_kept(done):
    out, first, second = done
    assert f"4 of 9 runs are in {out}" in first.stdout
    assert "the same command without --shard does what is missing and the indices" in first.stdout
    assert "4 of 9 runs are on disk already" in second.stderr
    assert second.stdout.rstrip().endswith("not for clinical use.")
    for part in ("Cells of one infusion (log)", "1e+08 cells", "µ*", "95 %", "σ", f"plot tornado {out}"):
        assert part in second.stdout
    held = read_sensitivity(out)
    assert (held.runs, held.failed, held.samples, held.levels, held.method) == (9, 0, 3, 4, "morris")
    assert [one.used for one in held.outputs] == [3, 3]
    cells = held.output("cells").indices["mu_star"].value
    assert cells[0] > 0.0, "more cells of an infusion are more cells"
    with h5py.File(out / "sweep.h5") as file:
        assert file.attrs["data_sha256"].decode() == held.sweep_sha256


def test_the_same_command_does_nothing_and_gives_the_same(done, place):
    out, _, _ = done
    before = (out / "sensitivity.json").read_bytes()
    told = json.loads(here("sensitivity", place / "tiny.yaml", "-o", out, "--json").stdout)
    assert (told["held"], told["done"]) == (9, 0)
    after = read_sensitivity(out)
    assert told["sensitivity"]["outputs"] == json.loads(before)["outputs"]
    again = sensitivity(place / "tiny.yaml", out)
    assert again.outcome is not None
    assert again.outcome.outputs == after.outputs


def test_another_number_of_samples_is_another_analysis(done, place):
    out, _, _ = done
    refused = here("sensitivity", place / "tiny.yaml", "-o", out, "--samples", 4)
    assert refused.exit_code == 2
    assert "belongs to another configuration" in refused.stderr


def test_its_figures_and_what_it_has_not(done):
    out, _, _ = done
    assert here("plot", "tornado", out, "--set", "output=cells").stdout.strip() == str(out / "tornado.png")
    assert here("plot", "sweep", out / "sweep.h5").stdout.strip() == str(out / "sweep.png")
    assert here("plot", "sweep", out, "-o", out / "again.png").stdout.strip() == str(out / "again.png")
    for arguments, message in (
        (("report", out), "is a sensitivity analysis, which has no page; draw it"),
        (("report", out / "sweep.h5"), "is the table of a sweep, which has no page; draw it"),
        (("plot", "km", out / "sweep.h5"), "km is drawn from the result of a trial, and this is the table of a sweep"),
        (("plot", "tornado", out / "sweep.h5"), "tornado is drawn from a sensitivity analysis; give its folder"),
        (("plot", "tornado", out.parent), "the folder holds no sensitivity.json"),
        (("plot", "tornado"), "tumorsim plot tornado results/my_sweep-morris"),
        (("plot", "sweep"), "tumorsim plot sweep results/my_sweep/sweep.h5"),
        (("plot", "calibration-targets", out), "and this is a sensitivity analysis, which has tornado"),
    ):
        refused = here(*arguments)
        assert refused.exit_code == 2, arguments
        assert message in refused.stderr


def test_what_cannot_be_sampled_is_told(place):
    odd = here("sensitivity", place / "tiny.yaml", "--method", "sobol", "--samples", 12)
    assert (odd.exit_code, "samples: 12 must be a power of 2" in odd.stderr) == (2, True)
    (place / "listed.yaml").write_text(TEXT.replace("low: 0 day, high: 60 day", "values: [0 day, 60 day]"))
    listed = here("sensitivity", place / "listed.yaml", "-n")
    assert listed.exit_code == 2
    assert "listed.yaml:" in listed.stderr
    assert "a sensitivity analysis takes values between two ends: give low and high" in listed.stderr


def test_with_too_few_samples_there_is_an_error_and_the_runs_are_kept(place):
    # so few die in three months that no run reaches the median
    text = TEXT[: TEXT.index("outputs:")].replace("cutoff=6 month", "cutoff=3 month")
    text += "outputs:\n  - {name: median, quantity: os.median, arm: combination}\n"
    text += "sensitivity: {samples: 2, levels: 4, resamples: 100}\n"
    (place / "none.yaml").write_text(text)
    refused = here("sensitivity", place / "none.yaml", "-o", place / "none", "--workers", 1)
    assert refused.exit_code == 2, refused.output
    assert "only 0 of 2 trajectories are without a failed run or a missing number, and 2 are needed" in refused.stderr
    assert read_sensitivity(place / "none").outputs[0].left_out == 2
