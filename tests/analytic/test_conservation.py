"""Cells infused are cells somewhere or cells that died, over whole courses with every kind of event."""

from __future__ import annotations

import numpy as np
import pytest
from event_driver import Bench, bench, ours, run_patient

from tumorsim.api import study_of
from tumorsim.kernels import layout
from tumorsim.scenario import load

SCENARIOS = ("scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml")
PATIENTS = 5
YEARS = 3.0


def made(path: str, death: float) -> Bench:
    """The cell arm with TACE besides, every effector dying at one rate wherever it is, and no lesion ever gone."""
    study = study_of(load(path, [f"population.patients={PATIENTS}", "disease.burden.residual_size=1e7 cells"]))
    out = bench(study, 1, np.arange(PATIENTS), [(45.5, layout.EVENT_TACE, 0, 0.0)] if study.salvage.tace else [])
    out.cohort.products["death_rate"] = out.cohort.products["tumour_death_rate"] = death
    out.cohort.products["kill_rate"] *= 0.1
    out.cohort.products["until_progression"] = 0.0
    out.policy["curative_at_most"] = -1  # a resection takes effectors with it
    return out


def effectors(state: np.ndarray, drugs: int, products: int) -> float:
    """Cells of all products in blood, lung, liver, rest and lesions, exhausted ones included."""
    body = layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * products
    lesions = state[body + layout.BODY_TAIL :].reshape(-1, layout.LESION_HEAD + 2 * products)
    return float(state[layout.DRUG_STATES * drugs : body].sum() + lesions[:, layout.LESION_HEAD :].sum())


@pytest.mark.parametrize("path", SCENARIOS)
@pytest.mark.parametrize(("death", "agreement"), [(0.0, 1e-6), (0.03, 2e-6)])
def test_infused_cells_are_somewhere_or_dead(path: str, death: float, agreement: float) -> None:
    """With one rate of death everywhere the total is known at any time, however the cells move: a sum of exponentials.

    Not to rounding: what lesions take from blood is integrated by different weights on its two sides, each within
    the tolerance (docs/numerics/integrator.md).
    """
    arm = made(path, death)
    worst, checked = 0.0, 0
    for i in range(PATIENTS):
        cohort = arm.cohort
        events = cohort.events[cohort.event_offset[i] : cohort.event_offset[i + 1]]
        given = events[events["kind"] == layout.EVENT_INFUSION]
        days, states, _ = run_patient(arm, i, ours, YEARS * 365.25)
        for day, state in zip(days, states, strict=True):
            before = given[given["time"] < day]
            expected = float((before["value"] * np.exp(-death * (day - before["time"]))).sum())
            if expected < 1e6:
                continue
            found = effectors(state, cohort.drugs.shape[1], cohort.products.shape[1])
            worst, checked = max(worst, abs(found / expected - 1.0)), checked + 1
    print(f"\neffectors conserved at {checked} times, largest relative difference {worst:.1e}")
    assert checked > 100
    assert worst < agreement
