"""Best overall response and disease control, one rule a patient."""

import dataclasses
import warnings

import numpy as np
import pytest

from toy_trial import make_trial
from tumorsim.endpoints import response

NE, CR, PR, SD, PD = range(5)

# (times, categories) -> best response, disease control, confirmed control
CASES = {
    "stable then progression": ([42, 84, 126], [SD, SD, PD], SD, True, True),
    "stable once": ([42, 84], [SD, PD], SD, True, False),
    "stable too early to count": ([20, 84], [SD, PD], PD, False, False),
    "stable on the last day that is too early": ([34.9], [SD], NE, False, False),
    "stable on the first day that counts": ([35.0], [SD], SD, True, False),
    "early partial response needs no minimum": ([20, 84], [PR, PD], PR, True, False),
    "best is the best, not the last": ([42, 84, 126, 168], [PR, CR, PR, SD], CR, True, True),
    "nothing after progression counts": ([42, 84, 126], [PD, PR, CR], PD, False, False),
    "progression ends control": ([42, 84, 126], [SD, PD, SD], SD, True, False),
    "not evaluable is skipped": ([42, 84, 126], [SD, NE, SD], SD, True, True),
    "never assessed": ([np.nan, np.nan], [NE, NE], NE, False, False),
    "only not evaluable": ([42, 84], [NE, NE], NE, False, False),
    "two assessments 27 days apart": ([42, 69], [SD, SD], SD, True, False),
    "two assessments 28 days apart": ([42, 70], [SD, SD], SD, True, True),
    "confirmed, but before control may count": ([3, 33, 84], [SD, SD, PD], PD, False, False),
    "baseline is no assessment": ([0, 42], [SD, SD], SD, True, False),
    "nothing after the end of observation counts": ([42, 600], [SD, CR], SD, True, False),
    "progression after the end of observation is not seen": ([42, 84, 600], [SD, SD, PD], SD, True, True),
}


def trial(cases, criteria="recist"):
    width = max(len(times) for times, *_ in cases)
    pad = [
        (list(times) + [np.nan] * (width - len(times)), list(codes) + [NE] * (width - len(codes)))
        for times, codes, *_ in cases
    ]
    base = make_trial(n=len(cases), arms=1, setting="advanced")
    arrays = {
        "visit_time": np.array([[times for times, _ in pad]], dtype=float),
        f"response_{criteria}": np.array([[codes for _, codes in pad]]),
        "censor_time": np.full((1, len(cases)), 500.0),
        "failure_time": np.full((1, len(cases)), np.nan),
    }
    return dataclasses.replace(base, arrays=base.arrays | arrays)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("criteria", ["recist", "mrecist"])
def test_rules(name, criteria):
    *_, best, controlled, confirmed = CASES[name]
    found = response(trial([CASES[name]], criteria), 0, criteria)
    assert (found.best[0], found.controlled[0], found.confirmed[0]) == (best, controlled, confirmed)


def test_all_cases_together_count_the_not_evaluable_in_the_denominator():
    found = response(trial(list(CASES.values())), 0)
    assert found.included.sum() == len(CASES)
    assert sum(found.has(code).sum() for code in range(5)) == len(CASES)
    assert found.has(NE).sum() == 3
    assert found.responded.sum() == 2
    assert (found.confirmed <= found.controlled).all()


def test_codes_stored_as_floats_with_missing_visits_read_the_same():
    data = trial(list(CASES.values()))
    code = data["response_recist"].astype(float)
    code[~np.isfinite(data["visit_time"])] = np.nan
    stored = dataclasses.replace(data, arrays=data.arrays | {"response_recist": code})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (response(stored, 0).best == response(data, 0).best).all()


def test_the_order_of_visits_does_not_matter():
    data = trial(list(CASES.values()))
    order = np.random.default_rng(0).permutation(data["visit_time"].shape[2])
    shuffled = {name: data[name][:, :, order] for name in ("visit_time", "response_recist")}
    mixed = dataclasses.replace(data, arrays=data.arrays | shuffled)
    for name in ("best", "controlled", "confirmed"):
        assert (getattr(response(mixed, 0), name) == getattr(response(data, 0), name)).all()


def test_intervals_can_be_set():
    data = trial([CASES["stable once"]])
    assert response(data, 0, minimum_stable=43.0).best[0] == PD
    assert response(trial([CASES["two assessments 27 days apart"]]), 0, confirmation=27.0).confirmed[0]


def test_patients_of_another_arm_are_left_out():
    data = make_trial(n=60, arms=2, setting="advanced", allocation="randomised")
    found = response(data, 1)
    assert found.included.sum() == 30
    assert not (found.controlled & ~found.included).any()
    assert not (found.confirmed & ~found.included).any()


def test_an_adjuvant_trial_has_no_response():
    with pytest.raises(ValueError, match="no measurable disease"):
        response(make_trial(n=3), 0)
