"""Does a study of the published size fall into its 90% predictive interval 90% of the time?

Whole chains are repeated: simulate n virtual twins, form the interval, then draw a
fresh study of m patients an arm from the true law. Family-wise level 1e-3; a margin
of 0.02 for the discreteness of medians and counts. The last test shows that the
obvious alternatives fail.
"""

import math

import numpy as np
import pytest

from toy_twins import critical, study, twins
from tumorsim.kernels import survival as kernels
from tumorsim.statistics import StudySampler, hazard_ratio, kaplan_meier, predictive_interval
from tumorsim.statistics.resampling import resampled_curve, resampled_log_hazard_ratio

M = 60
RESAMPLES = 400
STATISTICS = ("log hazard ratio", "median", "survival at 40", "events")
MARGIN = 0.02


def simulated(arms, draws):
    one, other = arms
    yield resampled_log_hazard_ratio(one, other, draws)
    yield resampled_curve(one, draws[0], kernels.MEDIAN)
    yield resampled_curve(one, draws[0], kernels.LANDMARK, 40.0)
    yield (one.event == 1)[draws[0]].sum(axis=1).astype(float)


def published(arms):
    one, other = arms
    curve = kaplan_meier(*one.analysed)
    return hazard_ratio(one, other).log_hr, curve.median or math.inf, curve.at(40.0), one.events


def coverage(n, repeats, draw, seed=1):
    """Share of fresh studies inside their interval, by statistic."""
    rng = np.random.default_rng(seed)
    hits = np.zeros((repeats, len(STATISTICS)))
    for repeat in range(repeats):
        arms = twins(rng, n, visit=3.0)
        draws = draw(n, repeat)
        fresh = published(study(rng, M, M, visit=3.0))
        for place, (values, value) in enumerate(zip(simulated(arms, draws), fresh, strict=True)):
            ends = predictive_interval(values)
            hits[repeat, place] = np.nan if ends is None else ends[0] <= value <= ends[1]
    return np.nanmean(hits, axis=0)


def two_stage(n, repeat):
    everyone = np.arange(n)
    sampler = StudySampler((everyone, everyone), True, repeat, RESAMPLES)
    return sampler.draw(0, M), sampler.draw(1, M)


def one_stage(n, repeat):
    rng = np.random.default_rng(repeat)
    return rng.integers(0, n, (RESAMPLES, M)), rng.integers(0, n, (RESAMPLES, M))


def disjoint(n, repeat):
    rng = np.random.default_rng(repeat)
    order = np.array([rng.permutation(n) for _ in range(RESAMPLES)])
    return order[:, :M], order[:, M : 2 * M]


def check(n, repeats):
    found = coverage(n, repeats, two_stage)
    se = math.sqrt(0.9 * 0.1 / repeats)
    for name, rate in zip(STATISTICS, found, strict=True):
        assert abs(rate - 0.9) < critical(len(STATISTICS)) * se + MARGIN, (name, rate)


def test_as_many_virtual_patients_as_the_study_has():
    check(n=M, repeats=150)


@pytest.mark.slow
@pytest.mark.parametrize("n", [M // 2, M, 2 * M, 4 * M])
def test_from_half_to_four_times_the_study(n):
    check(n, repeats=2000)


@pytest.mark.slow
def test_drawing_without_the_population_step_or_without_replacement_is_too_narrow():
    """What the two stages are for: with n = 2 m the alternatives miss far more than one in ten."""
    assert coverage(2 * M, 300, disjoint)[1:].max() < 0.83
    assert coverage(M, 300, one_stage)[1:].max() < 0.84
