"""Our integrator against SciPy's LSODA at 1e-10, over patients with every kind of event.

    python tests/analytic/integrator_table.py [PATIENTS]

prints the largest relative difference over all states at all event times, by tolerance.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from event_driver import Bench, bench, lsoda, ours, run_patient

from tumorsim.api import study_of
from tumorsim.kernels import integrate, layout
from tumorsim.scenario import load

REFERENCE = 1e-10
TOLERANCES = (1e-4, 1e-5, 1e-6, 5e-7, 1e-7, 1e-8)
YEARS_ADJUVANT, YEARS_ADVANCED = 5.0, 2.0
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


def text(rows: list[Row]) -> str:
    """The table as lines."""
    lines = ["relative tolerance   largest difference   median of patients   mean accepted steps"]
    lines += [f"{r.tolerance:18.0e} {r.largest:20.2e} {r.median:20.2e} {r.steps:21.0f}" for r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(text(table(int(sys.argv[1]) if len(sys.argv) > 1 else 50)))
    print(f"method of order {integrate.ORDER}; reference SciPy LSODA at {REFERENCE:g}")
