"""The same patient enters every arm: same biology, same luck, and nobody's luck depends on who else is there."""

from __future__ import annotations

import numpy as np
import pytest
from made_cohorts import run

from tumorsim.api import study_of
from tumorsim.cohort import draw
from tumorsim.interventions.base import Recipients
from tumorsim.interventions.events import build_events
from tumorsim.kernels import layout
from tumorsim.models.patient import simulate_batch
from tumorsim.scenario import load
from tumorsim.trial import Study, _cohort, _outcomes, _policy, run_trial, study_roster

SCENARIOS = ("scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml")
N = 24


def study(path: str, *changes: str) -> Study:
    return study_of(load(path, [f"population.patients={N}", "output.traced_patients=0", *changes]))


def inputs(made: Study) -> list[tuple[layout.Cohort, np.ndarray]]:
    """What the kernel is given for each arm, with the limits of the hazards that it then draws."""
    numbers = np.arange(N)
    patients = draw(made.disease, made.population, made.design, numbers, made.seed)
    roster, known = study_roster(made), patients.covariates
    people = Recipients(numbers, known["weight"], patients.body_surface, known["lymphocyte_factor"])
    found = []
    for arm in made.arms:
        events = build_events(arm.treatments, roster, people, made.seed, made.design.horizon)
        cohort = _cohort(made, arm, patients, roster, events)
        outcomes = _outcomes(numbers, np.ones(N), 0, 0, np.zeros(0))
        simulate_batch(cohort, _policy(made, roster, 1e-4), outcomes, numbers, np.zeros(1, np.int64))
        found.append((cohort, outcomes.memo["limits"]))
    return found


@pytest.mark.parametrize("path", SCENARIOS)
def test_arms_start_from_the_same_patients(path: str) -> None:
    """Traits, lesions and their thresholds, pharmacokinetics, and the hazards at which each cause kills."""
    (first, limits), (second, same_limits) = inputs(study(path))
    for name in ("traits", "lesion_offset", "lesions", "procedures"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    for name, fields in (("drugs", layout.Drug._fields), ("products", layout.CellProduct._fields)):
        for field in fields:
            np.testing.assert_array_equal(getattr(first, name)[field], getattr(second, name)[field], err_msg=field)
    np.testing.assert_array_equal(limits, same_limits)
    assert (np.unique(limits).size, limits.shape) == (3 * N, (N, 3))
    assert np.unique(first.traits["growth"]["growth_rate"]).size == N


def test_a_drug_meets_the_same_adherence_and_toxicity_in_both_arms() -> None:
    (alone, _), (combined, _) = inputs(study(SCENARIOS[1]))
    rates = [cohort.events[cohort.events["kind"] == layout.EVENT_DRUG_RATE] for cohort in (alone, combined)]
    assert rates[0].size > N
    assert rates[0].tobytes() == rates[1].tobytes()
    assert combined.events.size > alone.events.size


def test_death_from_other_causes_comes_on_the_same_day_in_every_arm() -> None:
    changes = [
        "disease.hazards.other_rate=5e-4 1/day",
        "disease.hazards.tumour_rate=0 1/day",
        "disease.hazards.liver_rate=0 1/day",
    ]
    data = run_trial(study(SCENARIOS[0], *changes, "after_progression.tace_at_most=0"))
    died = np.isfinite(data["death_time"])
    assert died[0].sum() > N / 2
    np.testing.assert_array_equal(died[0], died[1])
    np.testing.assert_allclose(data["death_time"][0, died[0]], data["death_time"][1, died[0]], rtol=1e-9)


def test_a_new_arm_in_front_of_the_others_leaves_them_alone() -> None:
    """It brings a drug of its own, so every drug and product of the roster moves up by one."""
    two = study(SCENARIOS[1])
    base = load(SCENARIOS[1])
    first = base.arm("sorafenib")
    other = first.treatments[0].model_copy(update={"drug": first.treatments[0].drug.replace(clearance=100.0)})
    extra = first.model_copy(update={"name": "extra", "treatments": (other,)})
    three = Study(two.disease, two.population, two.design, (extra, *two.arms), two.salvage, two.output, two.seed)
    assert len(study_roster(three).drugs) == len(study_roster(two).drugs) + 1
    before, after = run_trial(two), run_trial(three)
    for name in layout.OUTCOME_NAMES:
        np.testing.assert_array_equal(after[name][1:], before[name], err_msg=name)
    assert not np.array_equal(after["death_time"][0], after["death_time"][1], equal_nan=True)


def test_a_lesion_keeps_its_luck_when_others_come_and_go() -> None:
    """Its draws are keyed by its own number: another lesion, before or behind it, does not shift them."""
    small = {"cells": (6.0, 0.0, 0.0, 0.0), "rate": 0.003, "key": 7}
    large = {"cells": (1e7, 0.0, 0.0, 0.0), "rate": 1e-4, "key": 8}
    quiet = {"memory": {"kill_rate": 0.0}}
    fates = [
        run(400, 600.0, lesions=lesions, traits=quiet).event["lesions_extinct"]
        for lesions in ([small], [large, small], [small, large], [small | {"key": 9}])
    ]
    assert 0.1 < fates[0].mean() < 0.9
    np.testing.assert_array_equal(fates[0], fates[1])
    np.testing.assert_array_equal(fates[0], fates[2])
    assert not np.array_equal(fates[0], fates[3])


@pytest.mark.slow
def test_several_lesions_at_index_treatment_bring_recurrence_to_those_patients_alone() -> None:
    """`residual_multiple_ratio` leaves every patient with one lesion as he was, to the last bit."""
    one, three = (
        run_trial(study(SCENARIOS[0], "population.patients=400", f"disease.burden.residual_multiple_ratio={ratio}"))
        for ratio in (1, 3)
    )
    several = one["index_number"] > 1
    assert 20 < several.sum() < 200
    for name in (*layout.OUTCOME_NAMES, *layout.VISIT_NAMES):
        np.testing.assert_array_equal(one[name][:, ~several], three[name][:, ~several], err_msg=name)
    early = [(data["progression_time"][0, several] < 2.0 * 365.25).sum() for data in (one, three)]
    assert early[1] > 1.2 * early[0]
