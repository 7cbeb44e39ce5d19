"""The simulation's own error against repeated whole simulations.

Each comparison repeats a toy simulation some thousand times and sets the spread of
its log hazard ratio (or median) beside the error that one run reports. Family-wise
level 1e-3.
"""

import math

import numpy as np
import pytest

from toy_twins import critical, study, twins
from tumorsim.statistics import hazard_ratio, kaplan_meier, median_monte_carlo_error

SETTINGS = {
    "twins, ties at visits": {"n": 200, "visit": 6.0},
    "twins": {"n": 200},
    "few twins": {"n": 60},
    "twins without an effect": {"n": 200, "hr": 1.0, "spread": 0.5},
    "little in common": {"n": 200, "shared": 0.2},
}


def spread_and_claim(make, repeats):
    """Spread of the log hazard ratio, claimed error, error of a trial, relative error of the spread."""
    rows = [hazard_ratio(*make()) for _ in range(repeats)]
    log_hr = np.array([row.log_hr for row in rows])
    claimed = math.sqrt(np.mean([row.mc_se**2 for row in rows]))
    trial = math.sqrt(np.mean([row.se**2 for row in rows]))
    # standard error of a standard deviation, from the fourth moment
    centred = log_hr - log_hr.mean()
    relative = math.sqrt((np.mean(centred**4) / np.mean(centred**2) ** 2 - 1.0) / (4.0 * repeats))
    return log_hr.std(ddof=1), claimed, trial, relative


def check_twins(name, repeats):
    law = dict(SETTINGS[name])
    n, rng = law.pop("n"), np.random.default_rng(len(name))
    spread, claimed, trial, relative = spread_and_claim(lambda: twins(rng, n, **law), repeats)
    bias = 0.04 if n < 100 else 0.02  # first-order error of the infinitesimal jackknife
    assert abs(claimed / spread - 1.0) < critical(len(SETTINGS)) * relative + bias
    if law.get("shared", 0.9) > 0.5:
        assert trial > 1.25 * spread  # the error of a trial is another and larger one


def test_error_of_the_log_hazard_ratio_of_twins():
    check_twins("twins, ties at visits", 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_error_of_the_log_hazard_ratio_in_every_setting(name):
    check_twins(name, 4000)


@pytest.mark.slow
def test_error_of_randomised_arms_is_that_of_a_trial():
    rng = np.random.default_rng(9)

    def apart():
        one, other = study(rng, 150, 150, spread=0.0)
        return padded(one, 0), padded(other, 150)

    def padded(arm, start):
        place = np.zeros(300, bool)
        place[start : start + 150] = True
        time, event = np.zeros(300), np.zeros(300, np.int64)
        time[place], event[place] = arm.time, arm.event
        return type(arm)(time, event, place)

    spread, claimed, trial, relative = spread_and_claim(apart, 2000)
    assert abs(claimed / spread - 1.0) < critical(1) * relative + 0.02
    assert abs(trial / claimed - 1.0) < 0.06  # frailty makes hazards not quite proportional


@pytest.mark.slow
def test_error_of_the_median():
    rng = np.random.default_rng(10)
    medians, claimed = [], []
    for repeat in range(400):
        one, _ = twins(rng, 300)
        medians.append(kaplan_meier(*one.analysed).median)
        if repeat < 100:
            claimed.append(median_monte_carlo_error(one, repeat))
    ratio = math.sqrt(np.mean(np.square(claimed))) / np.std(medians, ddof=1)
    # the bootstrap of a median is wide by a few per cent at this size
    assert abs(ratio - 1.0) < critical(1) / math.sqrt(2 * 400) + 0.08
