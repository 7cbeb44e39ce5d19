"""A sweep that runs in seconds: three months of the combination, few patients, cheap points."""

from pathlib import Path

from small_calibration import SCENARIOS

TEXT = """\
sweep: 1
name: small
title: Dose and start, few patients
scenario: ../hcc_sorafenib_cik.yaml
set: ["trial.cutoff=7 month", "trial.accrual=1 month"]
patients: 4
seed: 3
replicates: 2
factors:
  - {name: dose, path: arms.combination.treatments.1.dose, low: 1e8 cells, high: 1e10 cells, points: 3, scale: log}
  - {name: start, path: arms.combination.treatments.1.start, low: 0 day, high: 60 day, points: 4}
outputs:
  - {name: deaths, quantity: deaths, arm: combination}
  - {name: gain, quantity: os.rmst_difference(6 month), arm: combination}
"""
RUNS = 24


def write(folder: Path, text: str = TEXT, name: str = "small.yaml") -> Path:
    """The file beside a copy of its scenario."""
    shipped = SCENARIOS / "hcc_sorafenib_cik.yaml"
    (folder / shipped.name).write_text(shipped.read_text())
    path = folder / "small" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path
