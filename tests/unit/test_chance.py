"""From rates to events: the laws of kernels/chance.py against their closed forms (docs/theory/lattice-cells.md).

Chi-squared tests hold a family-wise level of 1e-3 by Bonferroni's bound; figures are printed with ``-s``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tumorsim.kernels import chance
from tumorsim.kernels.random import STREAM_REPLICATE, pair_uniforms

LEVEL = 1e-3
MANY = 40_000
GRID = (np.arange(MANY) + 0.5) / MANY  # every uniform draw once


def draws(number: int) -> np.ndarray:
    rows = np.arange(number)
    return pair_uniforms(20, STREAM_REPLICATE, rows, 0, rows % 7)


@pytest.mark.parametrize(("rate", "dt"), [(0.0, 1.0), (1e-12, 1 / 24), (0.02, 1 / 24), (3.0, 1.0), (1e9, 1.0)])
def test_probability_of_an_event(rate: float, dt: float) -> None:
    found = chance.hazard_to_probability(rate, dt)
    assert found == pytest.approx(1.0 - math.exp(-rate * dt), rel=1e-12, abs=1e-16)
    assert 0.0 <= found <= 1.0
    assert found <= rate * dt  # what lets `first_event` do without the exponential


def test_two_half_steps_are_one_step() -> None:
    half, whole = chance.hazard_to_probability(0.7, 0.5), chance.hazard_to_probability(0.7, 1.0)
    assert 1.0 - (1.0 - half) ** 2 == pytest.approx(whole)


RATES = [(0.3, 0.0, 1.2, 0.5), (0.0, 0.0), (5.0,), (0.0, 2.0, 0.0), (1e-3, 1e-3, 1e-3, 1e-3, 1e-3)]


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("dt", [0.04, 1.0])
def test_first_event_has_the_shares_of_competing_hazards(rates: tuple[float, ...], dt: float) -> None:
    total = sum(rates)
    found = np.array([chance.first_event(u, rates, dt) for u in GRID])
    for event, rate in enumerate(rates):
        expected = rate / total * -math.expm1(-total * dt) if total else 0.0
        assert (found == event).mean() == pytest.approx(expected, abs=1.01 / MANY)
    assert (found == -1).mean() == pytest.approx(math.exp(-total * dt), abs=1.01 / MANY)


def test_first_event_of_random_draws() -> None:
    u = draws(MANY)
    smallest = 1.0
    for rates in RATES[:1] + RATES[2:]:
        total = sum(rates)
        found = np.array([chance.first_event(value, rates, 0.5) for value in u])
        shares = [rate / total * -math.expm1(-total * 0.5) for rate in rates] + [math.exp(-total * 0.5)]
        counts = np.array([(found == event).sum() for event in [*range(len(rates)), -1]])
        possible = np.array(shares) > 0.0
        assert not counts[~possible].any()
        smallest = min(smallest, stats.chisquare(counts[possible], MANY * np.array(shares)[possible]).pvalue)
    print(f"first event: smallest p of {len(RATES) - 1} chi-squared tests {smallest:.3f}")
    assert smallest > LEVEL / (len(RATES) - 1)


def test_the_last_event_takes_what_rounding_leaves() -> None:
    highest = 1.0 - 2.0**-53
    assert chance.first_event(highest, (1e3, 1e3, 0.0), 1.0) == 1
    assert chance.first_event(2.0**-53, (0.0, 1e3), 1.0) == 1


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.3, 2.0, 17.5, 64.0])
def test_small_poisson_counts_are_the_quantiles(mean: float) -> None:
    u = np.concatenate([GRID[::20], [2.0**-53, 1.0 - 2.0**-53]])
    found = np.array([chance.poisson_count(value, mean) for value in u])
    expected = stats.poisson.ppf(u, mean) if mean else np.zeros(u.size)
    np.testing.assert_array_equal(found[:-1], expected[:-1])
    assert found[-1] <= mean + 12.0 * math.sqrt(mean) + 20.0  # the last possible draw ends the sum, too


@pytest.mark.parametrize("mean", [65.0, 400.0, 1e6])
def test_large_poisson_counts_have_mean_and_spread(mean: float) -> None:
    found = np.array([chance.poisson_count(value, mean) for value in GRID])
    assert found.mean() == pytest.approx(mean, abs=0.01 * math.sqrt(mean))
    assert found.var() == pytest.approx(mean + 1 / 12, rel=3e-3)
    counts = np.arange(int(mean - 6 * math.sqrt(mean)), int(mean + 6 * math.sqrt(mean)))
    distance = np.abs(np.searchsorted(found, counts, side="right") / MANY - stats.poisson.cdf(counts, mean)).max()
    print(f"Poisson {mean:g}: mean {found.mean() / mean - 1:+.1e}, variance {found.var() / mean - 1:+.1e} of it, "
          f"largest distance of the distribution {distance:.1e}")  # fmt: skip
    assert distance < 0.1 / math.sqrt(mean) + 4.5e-4  # the skewness left out, and the error of the quantile


def test_normal_quantile_is_as_close_as_it_says() -> None:
    u = np.concatenate([GRID, 10.0 ** np.arange(-15, -4), 1.0 - 10.0 ** np.arange(-15.0, -4)])
    found = np.array([chance.standard_normal_quantile(value) for value in u])
    error = np.abs(found - stats.norm.ppf(u)).max()
    print(f"normal quantile: largest error {error:.2e}")
    assert error < 4.5e-4
