"""Predictive intervals: what is drawn, how it is keyed, and what undefined studies do."""

import numpy as np
import pytest
from scipy import stats

from tumorsim.endpoints import Survival
from tumorsim.statistics import StudySampler, median_monte_carlo_error, predictive_interval, resampled_log_hazard_ratio
from tumorsim.statistics.resampling import rare_count_limit


def sampler(n=30, twins=True, seed=1, resamples=200):
    members = (np.arange(n), np.arange(n)) if twins else (np.arange(0, n, 2), np.arange(1, n, 2))
    return StudySampler(members, twins, seed, resamples)


def test_draws_depend_on_the_seed_alone():
    one, again = sampler(), sampler()
    again.draw(1, 7)  # in another order, and beside other draws
    assert (one.draw(0, 20) == again.draw(0, 20)).all()
    assert (one.draw(1, 20) == again.draw(1, 20)).all()
    assert (one.draw(0, 20) != sampler(seed=2).draw(0, 20)).any()


def test_a_larger_study_begins_with_the_smaller_one():
    drawn = sampler()
    assert (drawn.draw(0, 20)[:, :12] == drawn.draw(0, 12)).all()


def test_arms_are_drawn_apart_and_randomised_arms_from_their_own_patients():
    drawn = sampler()
    assert (drawn.draw(0, 20) != drawn.draw(1, 20)).any()
    apart = sampler(twins=False)
    assert set(np.unique(apart.draw(0, 40))) <= set(range(0, 30, 2))
    assert set(np.unique(apart.draw(1, 40))) <= set(range(1, 30, 2))


def test_every_patient_is_drawn_equally_often():
    drawn = StudySampler((np.arange(10),), True, 3, 4000).draw(0, 25)
    counts = np.bincount(drawn.ravel(), minlength=10)
    # two-stage draws: Var = R (m^2 (1 - 1/n)/n + ...) per patient; 6 of its standard errors
    per_study = np.array([np.bincount(row, minlength=10) for row in drawn])
    se = per_study.std(axis=0, ddof=1) * np.sqrt(4000)
    assert (np.abs(counts - 10_000) < 6 * se).all()


@pytest.mark.parametrize("n", [20, 60, 400])
def test_the_variance_of_a_drawn_mean_holds_both_errors(n):
    """sigma^2 (1/n + 1/m), less the share that n - 1 degrees of freedom take: (1/n)(1 - 1/n) + ..."""
    m, resamples = 40, 20_000
    value = np.random.default_rng(n).normal(size=n)
    drawn = StudySampler((np.arange(n),), True, 5, resamples).draw(0, m)
    spread = value[drawn].mean(axis=1).var()
    # redrawn population: its mean varies by s^2/n, and within it s^2 (1 - 1/n)/m remains
    expected = value.var() * (1 / n + (1 - 1 / n) / m)
    assert spread == pytest.approx(expected, rel=5 * np.sqrt(2 / resamples))


def test_twins_share_the_redrawn_population():
    """Both arms of a patient are redrawn together, so the error of the population cancels in a comparison."""
    n, m, resamples = 25, 400, 4000
    value = np.random.default_rng(0).normal(size=n)
    twins = StudySampler((np.arange(n), np.arange(n)), True, 5, resamples)
    apart = StudySampler((np.arange(n), np.arange(n)), False, 5, resamples)
    spread = [np.var(value[s.draw(1, m)].mean(axis=1) - value[s.draw(0, m)].mean(axis=1)) for s in (twins, apart)]
    assert spread[0] == pytest.approx(value.var() * (1 - 1 / n) * 2 / m, rel=0.15)
    assert spread[1] == pytest.approx(value.var() * (2 / n + (1 - 1 / n) * 2 / m), rel=0.15)


def test_interval_is_made_of_values_that_occurred():
    assert predictive_interval(np.arange(101.0), 0.9) == (5.0, 95.0)
    assert predictive_interval(np.array([3.0]), 0.9) == (3.0, 3.0)
    assert predictive_interval(np.array([0.0, 1.0] * 50), 0.9) == (0.0, 1.0)


def test_interval_with_medians_not_reached_is_open():
    values = np.concatenate([np.arange(80.0), np.full(20, np.inf)])
    assert predictive_interval(values, 0.9) == (4.0, np.inf)
    assert predictive_interval(np.full(10, np.inf), 0.9) == (np.inf, np.inf)


def test_interval_with_undefined_studies():
    values = np.arange(100.0)
    values[:5] = np.nan
    assert predictive_interval(values, 0.9) == (9.0, 95.0)
    values[:6] = np.nan
    assert predictive_interval(values, 0.9) is None
    assert predictive_interval(np.array([]), 0.9) is None
    with pytest.raises(ValueError, match="level: 90 must lie"):
        predictive_interval(values, 90)


@pytest.mark.parametrize(("n", "m", "level"), [(300, 299, 0.9), (5, 114, 0.9), (60, 60, 0.5), (1, 1, 0.99)])
def test_limit_of_a_count_never_seen_is_beta_binomial(n, m, level):
    assert rare_count_limit(n, m, level) == stats.betabinom.ppf(1 - (1 - level) / 2, m, 0.5, n + 0.5)


def test_a_study_without_events_in_an_arm_has_an_infinite_log_ratio():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 0, 0])
    one = Survival(time, event, np.ones(4, bool))
    late, early = np.array([[2, 3]]), np.array([[0, 1]])
    assert resampled_log_hazard_ratio(one, one, [late, early])[0] == -np.inf
    assert resampled_log_hazard_ratio(one, one, [early, late])[0] == np.inf
    assert np.isnan(resampled_log_hazard_ratio(one, one, [late, late])[0])


def test_patients_outside_the_analysis_set_are_drawn_but_not_analysed():
    rng = np.random.default_rng(0)
    time, event, included = rng.exponential(size=50), np.ones(50, int), rng.random(50) < 0.7
    one = Survival(time, event, included)
    draws = rng.integers(0, 50, (1, 40))
    kept = draws[0][included[draws[0]]]
    other = Survival(time[::-1].copy(), event, np.ones(50, bool))
    found = resampled_log_hazard_ratio(one, other, [draws, draws])[0]
    plain = Survival(time, event, np.ones(50, bool))
    assert found == pytest.approx(resampled_log_hazard_ratio(plain, other, [kept[None], draws])[0], abs=1e-12)


def test_error_of_a_median():
    rng = np.random.default_rng(0)
    n = 900
    one = Survival(rng.exponential(10.0, n), np.ones(n, int), np.ones(n, bool))
    # asymptotically 1/(2 f(median) sqrt(n)) = 10/sqrt(n)
    assert median_monte_carlo_error(one, 1) == pytest.approx(10 / 30, rel=0.25)
    assert median_monte_carlo_error(one, 1) == median_monte_carlo_error(one, 1)
    never = Survival(one.time, np.zeros(n, int), one.included)
    assert median_monte_carlo_error(never, 1) is None
    assert median_monte_carlo_error(Survival(one.time, one.event, np.arange(n) < 1), 1) is None


def test_an_empty_arm_cannot_be_drawn_from():
    with pytest.raises(ValueError, match="arm 0 has no patients"):
        StudySampler((np.arange(0),), True, 1).draw(0, 5)


def test_how_many_resamples_are_drawn_at_a_time_changes_no_bit(monkeypatch):
    rng = np.random.default_rng(3)
    one = Survival(rng.exponential(10.0, 90), rng.integers(0, 2, 90), rng.random(90) < 0.8)
    found = median_monte_carlo_error(one, 1)
    for at_once in (1, 7 * one.n, 10**9):
        monkeypatch.setattr("tumorsim.statistics.resampling.MOST_DRAWN", at_once)
        assert median_monte_carlo_error(one, 1) == found
