"""Propensity score, pairs and balance: by hand, against every possible matching, and on a law that is known."""

import itertools

import numpy as np
import pytest
import statsmodels.api as sm

from tumorsim.statistics import matching
from tumorsim.statistics.matching import balance, match_pairs, propensity_logit, standardised_difference


def cohort(n, seed, effect=1.0):
    """Covariates, and who is treated: by the first two of them."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.random(n) < 0.3, rng.normal(size=n)]).astype(float)
    return x, rng.random(n) < 1.0 / (1.0 + np.exp(-effect * (x[:, 0] + x[:, 1] - 0.5)))


# the score


def test_the_score_of_one_binary_covariate_is_its_log_odds():
    x = np.repeat([0.0, 1.0], [50, 40])[:, None]
    treated = np.concatenate([np.arange(50) < 10, np.arange(40) < 30])
    found = propensity_logit(x, treated)
    assert found is not None
    np.testing.assert_allclose(found[:50], np.log(10 / 40))
    np.testing.assert_allclose(found[50:], np.log(30 / 10))


def test_the_score_is_the_linear_part_of_a_logistic_regression():
    x, treated = cohort(400, 1)
    x = x * [3.0, 1.0, 1e-3] + [100.0, 0.0, 5.0]  # scales and offsets are no matter
    fitted = sm.Logit(treated.astype(float), sm.add_constant(x)).fit(disp=0, maxiter=200)
    expected = sm.add_constant(x) @ fitted.params
    np.testing.assert_allclose(propensity_logit(x, treated), expected, rtol=1e-6, atol=1e-6)


def test_a_covariate_without_spread_changes_nothing():
    x, treated = cohort(200, 2)
    constant = np.column_stack([x, np.full(200, 7.0)])
    np.testing.assert_array_equal(propensity_logit(constant, treated), propensity_logit(x, treated))


@pytest.mark.parametrize("treated", [np.zeros(20, bool), np.ones(20, bool), np.arange(20) < 10])
def test_no_score_without_both_kinds_or_when_a_covariate_tells_them_apart(treated):
    assert propensity_logit(np.arange(20.0)[:, None], treated) is None


# pairs


def best_by_trying(score, treated, width):
    """Number of pairs and total distance of the best matching, by trying all."""
    ones, others = np.flatnonzero(treated), np.flatnonzero(~treated)
    best = (0, 0.0)
    for size in range(1, min(ones.size, others.size) + 1):
        for some in itertools.combinations(ones, size):
            for partners in itertools.permutations(others, size):
                distances = [abs(score[a] - score[b]) for a, b in zip(some, partners, strict=True)]
                if max(distances) <= width and (size, -sum(distances)) > (best[0], -best[1]):
                    best = (size, sum(distances))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_pairs_are_as_many_as_can_be_at_the_least_distance(seed):
    rng = np.random.default_rng(seed)
    score, treated = rng.normal(size=9), np.arange(9) < rng.integers(2, 5)
    caliper = rng.choice([0.2, 0.6, 2.0])
    width = caliper * np.sqrt(0.5 * (score[treated].var(ddof=1) + score[~treated].var(ddof=1)))
    pairs = match_pairs(score, treated, caliper)
    number, total = best_by_trying(score, treated, width)
    assert len(pairs) == number
    assert np.abs(np.subtract(*score[pairs].T)).sum() == pytest.approx(total, abs=1e-12)


def test_nearest_neighbours_in_turn_would_lose_a_pair():
    # 0.5 is nearest to 0.6, which would leave nobody within the caliper for 0.9
    score = np.array([0.5, 0.9, 0.6, 0.1])
    pairs = match_pairs(score, np.array([True, True, False, False]), 1.4)
    assert pairs.tolist() == [[0, 3], [1, 2]]


def test_pairs_keep_the_caliper_and_nobody_is_used_twice():
    x, treated = cohort(600, 3, effect=2.0)
    score = propensity_logit(x, treated)
    pairs = match_pairs(score, treated, 0.2)
    width = 0.2 * np.sqrt(0.5 * (score[treated].var(ddof=1) + score[~treated].var(ddof=1)))
    assert 100 < len(pairs) < treated.sum()
    assert treated[pairs[:, 0]].all()
    assert not treated[pairs[:, 1]].any()
    assert np.unique(pairs).size == pairs.size
    assert np.abs(np.subtract(*score[pairs].T)).max() <= width
    assert (np.diff(pairs[:, 0]) > 0).all()


def test_equal_patients_give_equal_pairs():
    x, treated = cohort(300, 4)
    score = propensity_logit(x, treated)
    np.testing.assert_array_equal(match_pairs(score, treated), match_pairs(score.copy(), treated.copy()))


def test_a_large_cohort_is_matched_in_runs(monkeypatch):
    x, treated = cohort(800, 5)
    score = propensity_logit(x, treated)
    whole = match_pairs(score, treated)
    monkeypatch.setattr(matching, "MOST_CELLS", 5000)
    runs = match_pairs(score, treated)
    width = 0.2 * np.sqrt(0.5 * (score[treated].var(ddof=1) + score[~treated].var(ddof=1)))
    assert np.unique(runs).size == runs.size
    assert np.abs(np.subtract(*score[runs].T)).max() <= width
    assert 0.9 * len(whole) < len(runs) <= len(whole)


@pytest.mark.parametrize("treated", [[], [True], [True, True], [False]])
def test_nobody_to_pair_with(treated):
    assert match_pairs(np.zeros(len(treated)), np.array(treated, dtype=bool)).shape == (0, 2)


# balance


def test_the_standardised_difference_by_hand():
    one, other = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0])
    assert standardised_difference(one, other) == 0.0
    assert standardised_difference(one + 1.0, other) == pytest.approx(1.0 / np.sqrt((1.0 + 4.0) / 2.0))
    assert standardised_difference(one + 1.0, other, 2.0) == 0.5
    assert standardised_difference(np.ones(3), np.ones(3)) is None
    assert standardised_difference(np.ones(1), np.zeros(1)) is None


def test_balance_after_matching_is_divided_by_the_spread_of_before():
    values = np.array([1.0, 5.0, 9.0, 1.0, 2.0])
    treated = np.array([True, True, True, False, False])
    found = balance("diameter", values, treated, np.array([[0, 3], [1, 4]]))
    spread = np.sqrt((16.0 + 0.5) / 2.0)
    assert found.before == pytest.approx((5.0 - 1.5) / spread)
    assert found.after == pytest.approx((3.0 - 1.5) / spread)
    assert found.means_before == (5.0, 1.5)
    assert found.means_after == (3.0, 1.5)


@pytest.mark.parametrize("seed", range(3))
def test_matching_removes_the_confounding_of_a_known_law(seed):
    """Treatment does nothing, and follows what raises the outcome."""
    x, treated = cohort(3000, 10 + seed)
    outcome = 2.0 * x[:, 0] + x[:, 1] + np.random.default_rng(seed).normal(size=3000)
    error = np.sqrt(outcome.var() * 4 / 3000)
    assert outcome[treated].mean() - outcome[~treated].mean() > 10 * error
    pairs = match_pairs(propensity_logit(x, treated), treated)
    matched = outcome[pairs[:, 0]] - outcome[pairs[:, 1]]
    assert abs(matched.mean()) < 4 * matched.std() / np.sqrt(len(pairs)) + 0.02
    for k in range(3):
        rows = balance(str(k), x[:, k], treated, pairs)
        assert abs(rows.after) < 0.1
    assert balance("0", x[:, 0], treated, pairs).before > 0.4


def test_an_unmeasured_cause_stays():
    x, treated = cohort(3000, 20)
    outcome = 2.0 * x[:, 0]
    pairs = match_pairs(propensity_logit(x[:, 1:], treated), treated)
    assert (outcome[pairs[:, 0]] - outcome[pairs[:, 1]]).mean() > 0.5
