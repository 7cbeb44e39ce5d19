"""A calibration that runs in seconds: two years of the adjuvant trial, few patients, three parameters."""

from pathlib import Path

SCENARIOS = Path(__file__).parents[1] / "scenarios"
TEXT = """\
calibration: 1
name: small
title: Two years of the adjuvant trial
seed: 3
studies:
  - scenario: ../hcc_adjuvant_cik_rct.yaml
    patients: 20
    set: ["trial.cutoff=40 month", "output.traced_patients=0"]
    fit: {R-2: 1, R-9: 1, R-12: 0.5}
parameters:
  - name: residual_deposits
    path: disease.burden.residual_deposits
    prior: {law: lognormal, median: 1, spread: 0.6, low: 0.2, high: 4}
  - name: kill_rate
    path: infusion.cik.kill_rate
    prior: {law: loguniform, low: 0.1 1/day, high: 6 1/day}
  - name: other_rate
    path: disease.hazards.other_rate
    prior: {law: uniform, low: 1e-5 1/day, high: 7e-5 1/day}
predictions: ["rfs.hr(0 month, 24 month)"]
screening: {trajectories: 2, levels: 4, patients: 20}
optimise: {evaluations: 10, population: 4, sigma: 0.5}
winner: {patients: 40, seeds: 2}
rivals:
  - name: no_cells
    label: No cells
    set: ["arms.cik.treatments.0.infusion.kill_rate=0 1/day", "arms.cik.treatments.0.dose=0 cells"]
    refit: 0
"""


def write(folder: Path, text: str = TEXT, name: str = "small.yaml") -> Path:
    """The file beside copies of the shipped scenarios."""
    for shipped in SCENARIOS.glob("*.yaml"):
        (folder / shipped.name).write_text(shipped.read_text())
    path = folder / "calibrations" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path
