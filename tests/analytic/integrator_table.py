"""Our integrator against SciPy's LSODA at 1e-10, over patients with every kind of event.

    python tests/analytic/integrator_table.py [PATIENTS]

prints the largest relative difference over all states at all event times, by tolerance;
then the same for patients whom nothing is given, where the steps are as long as their
error allows. Elsewhere effectors that leave blood hold the steps of an explicit method
short at any tolerance, and the number of steps says little about the order.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from event_driver import Bench, bench, lsoda, ours, run_patient, scipy_solver

from tumorsim.api import study_of
from tumorsim.kernels import integrate, layout
from tumorsim.scenario import load

REFERENCE = 1e-10
TOLERANCES = (1e-4, 1e-5, 1e-6, 3e-7, 1e-7, 1e-8)
QUIET_TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
QUIET_DAYS = 1800.0
YEARS_ADJUVANT, YEARS_ADVANCED = 9.0, 4.0
# Below these amounts a relative difference says nothing: no law can tell them from nothing.
FLOORS = {"drug": 1.0, "effectors": 1e4, "lesion_effectors": 1.0, "clone": 1.0, "cells": 1.0, "vegf": 1.0}
FRACTION_FLOOR = 1e-6
# An effector-to-target ratio that kills 2 of 10,000 cells a day, a fortieth of their growth.
RATIO_FLOOR = 1e-4


@dataclass(frozen=True)
class Row:
    """One tolerance: largest and median-over-patients relative difference, mean accepted steps."""

    tolerance: float
    largest: float
    median: float
    steps: float


def floors(state: np.ndarray, drugs: int, products: int) -> np.ndarray:
    """Amount of each state below which it does not matter."""
    n = state.size
    body = layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * products + layout.BODY_TAIL
    width = layout.LESION_HEAD + 2 * products
    out = np.full(n, FRACTION_FLOOR)
    out[: layout.DRUG_STATES * drugs] = FLOORS["drug"]
    out[layout.DRUG_STATES * drugs : body - layout.BODY_TAIL] = FLOORS["effectors"]
    for base in range(body, n, width):
        out[base : base + layout.CLONES] = FLOORS["clone"]
        out[base + layout.DEAD : base + layout.CAPACITY + 1] = FLOORS["cells"]
        out[base + layout.VEGF_PULSE] = FLOORS["vegf"]
        cells = state[base : base + layout.CLONES].sum()
        out[base + layout.LESION_HEAD : base + width] = max(FLOORS["lesion_effectors"], RATIO_FLOOR * cells)
    return out


def benches(patients: int) -> list[tuple[Bench, int, float]]:
    """Half of the patients from each scenario; everybody also gets TACE, a bolus course and a resection."""
    half = patients // 2
    made = []
    for path, product, years in (
        ("scenarios/hcc_adjuvant_cik_rct.yaml", "arms.cik.treatments.0", YEARS_ADJUVANT),
        ("scenarios/hcc_sorafenib_cik.yaml", "arms.combination.treatments.1", YEARS_ADVANCED),
    ):
        # lesions stay well above one cell, where LSODA and we solve the same equations
        changes = [
            "after_progression.tace=ctace", "after_progression.residual_fraction=1e-3",
            "disease.burden.residual_size=1e7 cells", f"{product}.infusion.kill_rate=0.3 1/day",
        ]  # fmt: skip
        study = study_of(load(path, [*changes, f"population.patients={half}"]))
        extra = [
            (100.25, layout.EVENT_TACE, 0, 0.0), (160.5, layout.EVENT_DRUG_BOLUS, 0, 200.0),
            (220.75, layout.EVENT_RESECTION, 1, 0.0), (300.0, layout.EVENT_DRUG_RATE, 0, 400.0),
            (330.0, layout.EVENT_DRUG_RATE, 0, 0.0),
        ]  # fmt: skip
        made.append((bench(study, 1, np.arange(half), extra), half, years * 365.25))
    return made


def table(patients: int, tolerances: tuple[float, ...] = TOLERANCES) -> list[Row]:
    """Differences from LSODA by tolerance."""
    rows: dict[float, list[tuple[float, float]]] = {tolerance: [] for tolerance in tolerances}
    for made, count, until in benches(patients):
        drugs, products = made.cohort.drugs.shape[1], made.cohort.products.shape[1]
        for i in range(count):
            days, truth, _ = run_patient(made, i, lsoda(REFERENCE), until)
            for tolerance in tolerances:
                again, states, steps = run_patient(made, i, ours, until, tolerance)
                assert again == days
                worst = 0.0
                for a, b in zip(states, truth, strict=True):
                    assert a.size == b.size
                    scale = np.maximum(np.abs(b), floors(b, drugs, products))
                    worst = max(worst, float(np.max(np.abs(a - b) / scale)))
                rows[tolerance].append((worst, steps))
    return [
        Row(
            tolerance,
            max(w for w, _ in found),
            float(np.median([w for w, _ in found])),
            float(np.mean([s for _, s in found])),
        )
        for tolerance, found in rows.items()
    ]


def quiet_bench(patients: int) -> Bench:
    """Patients of the adjuvant scenario to whom nothing is given and whom nobody looks at."""
    changes = ["disease.burden.residual_size=1e7 cells", f"population.patients={patients}"]
    made = bench(study_of(load("scenarios/hcc_adjuvant_cik_rct.yaml", changes)), 0, np.arange(patients), [])
    return Bench(made.cohort._replace(event_offset=np.zeros(patients + 1, np.int64)), made.policy, made.visits)


def quiet_table(patients: int, tolerances: tuple[float, ...] = QUIET_TOLERANCES) -> list[Row]:
    """Differences from SciPy's DOP853 at 1e-13, in patients whose steps only their error limits."""
    made = quiet_bench(patients)
    drugs, products = made.cohort.drugs.shape[1], made.cohort.products.shape[1]
    truth = [run_patient(made, i, scipy_solver("DOP853", 1e-13), QUIET_DAYS)[1] for i in range(patients)]
    rows = []
    for tolerance in tolerances:
        worst, steps = [], []
        for i in range(patients):
            _, states, taken = run_patient(made, i, ours, QUIET_DAYS, tolerance)
            pairs = zip(states, truth[i], strict=True)
            worst.append(
                max(np.max(np.abs(a - b) / np.maximum(np.abs(b), floors(b, drugs, products))) for a, b in pairs)
            )
            steps.append(taken)
        rows.append(Row(tolerance, float(max(worst)), float(np.median(worst)), float(np.mean(steps))))
    return rows


def slopes(rows: list[Row]) -> tuple[float, float]:
    """Powers with which the median error follows the tolerance and the number of steps."""
    tolerance, error, steps = (
        np.log([getattr(row, name) for row in rows]) for name in ("tolerance", "median", "steps")
    )
    return float(np.polyfit(tolerance, error, 1)[0]), float(np.polyfit(steps, error, 1)[0])


def text(rows: list[Row]) -> str:
    """The table as lines."""
    lines = ["relative tolerance   largest difference   median of patients   mean accepted steps"]
    lines += [f"{r.tolerance:18.0e} {r.largest:20.2e} {r.median:20.2e} {r.steps:21.0f}" for r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"{number} patients with every kind of event, against SciPy LSODA at {REFERENCE:g}")
    print(text(table(number)))
    print(f"\n{number} patients to whom nothing is given, against SciPy DOP853 at 1e-13")
    quiet = quiet_table(number)
    print(text(quiet))
    print(f"method of order {integrate.ORDER}; the error follows the tolerance with power {slopes(quiet)[0]:.2f}")
    print(f"and the number of steps with power {slopes(quiet[-3:])[1]:.2f} (last three rows)")
