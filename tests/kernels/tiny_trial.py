"""Two tiny trials with every phase of the patient kernel, as one line of text; run as a script by the tests.

python tests/kernels/tiny_trial.py DAYS [SCENARIO]
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

from tumorsim.api import study_of
from tumorsim.scenario import load
from tumorsim.store import digest
from tumorsim.trial import run_trial

SCENARIOS = {
    "scenarios/hcc_adjuvant_cik_rct.yaml": ["after_progression.curative_at_most=9"],
    "scenarios/hcc_sorafenib_cik.yaml": ["arms.combination.treatments.1.manufacture.culture=[7 day, 10 day]"],
}
# deposits near the size at which they die out, dangerous procedures, and visits that see early
CHANGES = (
    "population.patients=3", "output.traced_patients=1", "trial.accrual=1 day", "trial.imaging.detection_diameter=1 mm",
    "disease.burden.residual_deposits=4", "disease.burden.residual_size=1e3 cells",
    "disease.burden.de_novo_rate=0.02 1/day",
    "disease.growth.growth_rate=0.05 1/day", "trial.visits.schedule=q21d", "after_progression.delay=3 day",
    "after_progression.tace=ctace", "after_progression.tace_interval=10 day", "after_progression.tace_at_most=2",
)  # fmt: skip


def tiny_trials(days: float) -> str:
    """SHA-256 of both trials."""
    found = []
    for path, more in SCENARIOS.items():
        study = study_of(load(path, [*CHANGES, *more, f"trial.cutoff={days} day"]))
        found.append(digest(run_trial(study), "", 0))
    return " ".join(found)


if __name__ == "__main__":
    with warnings.catch_warnings():
        # words of Philox wrap around; outside compiled code numpy says so
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        np.seterr(over="ignore")
        print(tiny_trials(float(sys.argv[1])))
