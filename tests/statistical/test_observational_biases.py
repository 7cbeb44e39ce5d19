"""What each bias of the observational cohort does to its hazard ratio, with the cells and with inert ones.

Inert cells do nothing, so whatever is then seen is bias. Log hazard ratios are averaged over re-drawn
allocations of the same courses (docs/_ext/observational.py), which leaves the error of the patients alone.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PATIENTS = 1200


@cache
def module() -> Any:
    path = ROOT / "docs" / "_ext" / "observational.py"
    spec = importlib.util.spec_from_file_location("docs_observational", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # its dataclass looks itself up
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def courses() -> Any:
    return module().courses(PATIENTS, threads=2)


@pytest.fixture(scope="module")
def log_hr(courses: Any) -> dict[str, dict[str, float]]:
    found = module().decomposition(courses, allocations=50, matched=12)
    for name, one in found.items():
        print(f"{name}: HR {np.exp(one['cells']):.3f}, with inert cells {np.exp(one['inert']):.3f}")
    return found


@pytest.mark.slow
def test_by_lot_inert_cells_do_nothing_and_living_ones_help(log_hr):
    assert abs(log_hr["randomised"]["inert"]) < 0.03
    assert log_hr["randomised"]["cells"] < -0.05


@pytest.mark.slow
def test_choosing_large_and_multiple_tumours_runs_against_the_cells(log_hr):
    assert log_hr["confounded only"]["inert"] > 0.0
    assert log_hr["confounded only"]["inert"] > log_hr["randomised"]["inert"] + 0.01
    assert log_hr["confounded only"]["cells"] > log_hr["randomised"]["cells"]


@pytest.mark.slow
def test_immortal_time_favours_the_cells_even_inert_ones(log_hr, courses):
    assert 0.002 < 1.0 - courses.received.mean() < 0.2
    for key in ("cells", "inert"):
        assert log_hr["immortal time only"][key] < log_hr["randomised"][key] - 0.005
        assert log_hr["both"][key] < log_hr["confounded only"][key] - 0.005
    assert log_hr["immortal time only"]["inert"] < 0.0


@pytest.mark.slow
def test_matching_undoes_the_choice_and_not_the_immortal_time(log_hr):
    inert = {name: one["inert"] for name, one in log_hr.items()}
    assert abs(inert["confounded, matched"]) < 0.6 * inert["confounded only"]
    assert inert["both, matched"] < inert["both"]
    assert inert["both, matched"] < inert["confounded, matched"] - 0.005
    assert log_hr["both, matched"]["cells"] < log_hr["both"]["cells"]


@pytest.mark.slow
def test_a_longer_wait_makes_more_immortal_time():
    made = module()
    waits = ("[14 day, 15 day]", "[14 day, 154 day]")
    short, long = (made.courses(500, f"arms.cik.treatments.0.manufacture.culture={wait}", threads=2) for wait in waits)
    assert (short.received | ~long.received).mean() > 0.995  # whoever waits longer loses, but for other luck
    assert short.received.sum() > long.received.sum() + 5
    by_wait = [
        made.decomposition(one, allocations=40, matched=1)["immortal time only"]["inert"] for one in (short, long)
    ]
    assert by_wait[1] < by_wait[0] - 0.01
