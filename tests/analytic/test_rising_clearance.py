"""A drug whose clearance rises during half a year without events: its modes are found anew on the way."""

from __future__ import annotations

import numpy as np
import pytest
from made_cohorts import run, typical
from scipy.integrate import solve_ivp

from tumorsim.kernels import layout, pharmacology
from tumorsim.trial import RELATIVE_TOLERANCE

DAYS = 300.0
LOOKS = np.arange(10.0, DAYS, 10.0)
INTAKE = 800.0  # mg/day
LESION = {"cells": (1e9, 1e3, 0.0, 0.0), "capacity": 1e10, "rate": 0.02}


def concentrations(changes: dict[str, float]) -> np.ndarray:
    """In plasma on the days of `LOOKS`, by SciPy."""
    drug = typical().cohort.drugs[0, :1].copy()
    for name, value in changes.items():
        drug[name] = value

    def slopes(day: float, y: np.ndarray) -> tuple[float, float]:
        return pharmacology.disposition(y[0], y[1], INTAKE, day, drug[0])

    solved = solve_ivp(slopes, (0.0, DAYS), (0.0, 0.0), "Radau", LOOKS, rtol=1e-11, atol=1e-9)
    return np.array([pharmacology.concentration(amount, drug[0]) for amount in solved.y[0]])


# with the modes of the first day alone: 69, 363 and 558 steps, and 4.8e-6 off in the last
@pytest.mark.parametrize(("quicker", "rise", "most"), [(1.0, 0.0, 75), (1.0, 1.0, 150), (3.0, 0.7, 220)])
def test_a_clearance_that_rises_costs_neither_accuracy_nor_many_steps(quicker: float, rise: float, most: int) -> None:
    usual = float(typical().cohort.drugs["clearance"][0, 0])
    changes = {"clearance": quicker * usual, "clearance_rise": rise, "clearance_rise_time": 90.0}
    made = run(
        1, DAYS, lesions=[LESION], events=[(0.0, layout.EVENT_DRUG_RATE, 0, INTAKE)], drug=changes,
        times=LOOKS, tolerance=RELATIVE_TOLERANCE,
    )  # fmt: skip
    error = np.max(np.abs(made.trace["drug_concentration"][0] / concentrations(changes) - 1.0))
    steps = made.event["steps"][0]
    print(f"\nclearance times {1.0 + rise:g}: {error:.1e} off, {steps:.0f} steps")
    assert error < 10.0 * RELATIVE_TOLERANCE
    assert steps < most
