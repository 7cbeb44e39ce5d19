"""Type I error, power and coverage of the statistics, by simulation.

Family-wise level 1e-3 over the comparisons of each test: a correct program fails
about once in a thousand seeds, and the seeds are fixed. Asymptotic intervals get a
stated margin besides.
"""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from toy_twins import critical, exponential_arms, observe
from tumorsim.statistics import (
    cumulative_incidence,
    event_rate,
    hazard_ratio,
    kaplan_meier,
    proportion,
    proportional_hazards_p,
    restricted_mean_difference,
)

MARGIN = 0.01  # what "asymptotically 95%" may miss at these sizes


def coverage_z(hits, level, margin=MARGIN):
    """Standard errors by which a coverage lies outside ``level`` plus or minus the margin."""
    rate, n = np.mean(hits), len(hits)
    outside = max(abs(rate - level) - margin, 0.0)
    return outside / math.sqrt(level * (1.0 - level) / n)


@pytest.mark.parametrize("visit", [6.0, pytest.param(0.0, marks=pytest.mark.slow)])
def test_type_one_error_without_an_effect(visit):
    rng = np.random.default_rng(1)
    rows = [hazard_ratio(*exponential_arms(rng, 100, visit=visit)) for _ in range(2000)]
    for name in ("p_wald", "p_score", "p_likelihood_ratio", "p_logrank"):
        rejected = np.array([getattr(row, name) <= 0.05 for row in rows])
        z = (rejected.mean() - 0.05) / math.sqrt(0.05 * 0.95 / rejected.size)
        assert abs(z) < critical(8), (name, rejected.mean())


@pytest.mark.slow
def test_p_values_are_uniform_without_an_effect():
    rng = np.random.default_rng(2)
    pairs = [exponential_arms(rng, 120) for _ in range(2000)]
    logrank = [hazard_ratio(*pair).p_logrank for pair in pairs]
    trend = [proportional_hazards_p(*pair) for pair in pairs]
    for values in (logrank, trend):
        assert stats.kstest(values, "uniform").pvalue > 1e-3 / 2


@pytest.mark.parametrize("hr", [0.72, pytest.param(0.6, marks=pytest.mark.slow)])
def test_power_follows_schoenfelds_formula(hr):
    rng = np.random.default_rng(3)
    rows = [hazard_ratio(*exponential_arms(rng, 113, hr)) for _ in range(2000)]
    power = np.mean([row.p_logrank <= 0.05 for row in rows])
    events = np.mean([sum(row.events) for row in rows])
    normal = NormalDist()
    expected = normal.cdf(abs(math.log(hr)) * math.sqrt(events / 4.0) - normal.inv_cdf(0.975))
    se = math.sqrt(expected * (1 - expected) / 2000)
    assert abs(power - expected) < critical(2) * se + 0.015  # the formula is a first-order one


def test_the_hazard_ratio_and_its_interval():
    rng = np.random.default_rng(4)
    rows = [hazard_ratio(*exponential_arms(rng, 113, 0.72)) for _ in range(1500)]
    log_hr = np.array([row.log_hr for row in rows])
    assert abs(log_hr.mean() - math.log(0.72)) < critical(3) * log_hr.std() / math.sqrt(1500) + 0.005
    ratio = np.mean([row.se for row in rows]) / log_hr.std(ddof=1)
    assert abs(ratio - 1.0) < critical(3) / math.sqrt(2 * 1500) + 0.01
    hits = [row.ci[0] <= 0.72 <= row.ci[1] for row in rows]
    assert coverage_z(hits, 0.95) < critical(3)


@pytest.mark.parametrize("transform", ["log-log", pytest.param("plain", marks=pytest.mark.slow)])
def test_intervals_of_one_arm_cover(transform):
    rng = np.random.default_rng(5)
    survival, median = [], []
    for _ in range(3000):
        curve = kaplan_meier(*exponential_arms(rng, 112)[0].analysed)
        low, high = curve.interval(40.0, transform=transform)
        survival.append(low <= 0.5 ** (40 / 30) <= high)
        low, high = curve.median_interval(transform=transform)
        median.append(low <= 30.0 <= (high or math.inf))
    assert coverage_z(survival, 0.95) < critical(4)
    assert coverage_z(median, 0.95) < critical(4)


def test_restricted_means_and_their_difference_cover():
    rng = np.random.default_rng(6)
    rate = math.log(2.0) / 30.0
    truth = [(1 - math.exp(-rate * factor * 60)) / (rate * factor) for factor in (0.7, 1.0)]
    one, both = [], []
    for _ in range(3000):
        arms = exponential_arms(rng, 112, 0.7)
        low, high = kaplan_meier(*arms[1].analysed).restricted_mean(60.0).ci
        one.append(low <= truth[1] <= high)
        low, high = restricted_mean_difference(*arms, 60.0).ci
        both.append(low <= truth[0] - truth[1] <= high)
    assert coverage_z(one, 0.95) < critical(2)
    assert coverage_z(both, 0.95) < critical(2)


def test_cumulative_incidence_is_unbiased_and_covers():
    rng = np.random.default_rng(7)
    truth = 0.4 * (1 - math.exp(-40 / 50))  # hazards 0.4/50 and 0.6/50
    values, hits = [], []
    for _ in range(2000):
        drawn = observe(rng.exponential(50.0, 112), rng.uniform(10, 120, 112))
        kind = np.where(rng.random(112) < 0.4, 1, 2)
        found = cumulative_incidence(drawn.time, np.where(drawn.event == 1, kind, 0))
        low, high = found.interval(40.0)
        values.append(found.at(40.0))
        hits.append(low <= truth <= high)
    assert abs(np.mean(values) - truth) < critical(2) * np.std(values) / math.sqrt(2000)
    assert coverage_z(hits, 0.95) < critical(2)


@pytest.mark.parametrize("n", [5, 40, 114])
def test_the_exact_interval_of_a_proportion_never_undercovers(n):
    intervals = [proportion(k, n).ci for k in range(n + 1)]
    for p in np.linspace(0.01, 0.99, 99):
        inside = [low <= p <= high for low, high in intervals]
        assert stats.binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95 - 1e-12


def test_the_exact_interval_of_a_rate_never_undercovers():
    intervals = [event_rate([100.0], [1]).ci if k == 1 else _rate_of(k) for k in range(80)]
    for mean in np.linspace(0.2, 30.0, 60):
        inside = [low <= mean / 100.0 <= high for low, high in intervals]
        assert stats.poisson.pmf(np.arange(80), mean)[inside].sum() >= 0.95 - 1e-9


def _rate_of(k):
    return event_rate([100.0 / max(k, 1)] * max(k, 1), [int(k > 0)] * max(k, 1)).ci
