"""Simulation-based calibration on a toy whose posterior is known: right intervals pass, wrong ones are caught."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from toy_simulator import LinearStudy
from tumorsim.calibration.adjustment import Adjusted, adjust, epanechnikov, normalised
from tumorsim.calibration.recovery import (
    Bank,
    RecoveryError,
    Settings,
    bank_posterior,
    prior_draw,
    rank_tests,
    recover,
    simulate_bank,
)
from tumorsim.calibration.simulator import weakening
from tumorsim.executor import open_executor

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

TOY = LinearStudy()
SETTINGS = Settings(simulations=3_000, datasets=500, share=0.1, seed=2)


def made(toy, n, seed):
    """A bank, without any executor."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(n, 3))
    return Bank(latent, toy.many(latent, generator), weakening(latent, toy.weights), 0, [])


@pytest.fixture(scope="module")
def bank():
    return made(TOY, SETTINGS.simulations, 8)


@pytest.fixture(scope="module")
def recovery(bank):
    return recover(TOY, bank, SETTINGS)


def plain(widened=1.0, slope=1.0):
    """Regression adjustment with the spread or the slope wrong."""

    def adjuster(latent, shifts, far, weights, bandwidth):
        w = normalised(weights * epanechnikov(far, bandwidth))
        root = np.sqrt(w)[:, None]
        design = np.column_stack([np.ones(len(latent)), shifts])
        coefficients = np.linalg.lstsq(root * design, root * latent, rcond=None)[0]
        moved = latent - slope * shifts @ coefficients[1:]
        centre = w @ moved
        return Adjusted(centre + widened * (moved - centre), w)

    return adjuster


# --- what is right passes --------------------------------------------------------
@pytest.mark.medium
def test_intervals_cover_and_ranks_are_uniform(recovery):
    for one in recovery.parameters:
        print(
            f"{one.name}: coverage {one.coverage:.3f} {one.coverage_ci}, ranks p {one.rank_p:.3f} {one.rank_ks_p:.3f}"
        )
        assert one.coverage_ci[0] <= 0.9 <= one.coverage_ci[1]
        assert min(one.rank_p, one.rank_ks_p) > 0.001
        assert abs(one.bias) < 0.1
    assert (recovery.datasets, recovery.unadjusted) == (500, 0)


def test_shrinkage_is_that_of_the_known_posterior(recovery):
    _, covariance = TOY.exact()
    np.testing.assert_allclose(
        [one.shrinkage for one in recovery.parameters], 1 - np.sqrt(np.diag(covariance)), atol=0.03
    )


def test_cross_check_is_the_known_posterior(recovery):
    mean, covariance = TOY.exact()
    sd = np.sqrt(np.diag(covariance))
    error = 3.0 / np.sqrt(recovery.posterior.effective)
    np.testing.assert_array_less(np.abs(recovery.posterior.mean - mean) / sd, error)
    np.testing.assert_allclose(recovery.posterior.sd, sd, rtol=error)


def test_coverage_has_the_exact_interval(recovery):
    one = recovery.parameters[0]
    k, n = round(one.coverage * 500), 500
    np.testing.assert_allclose(one.coverage_ci, [beta.ppf(0.025, k, n - k + 1), beta.ppf(0.975, k + 1, n - k)])


def test_another_level_is_covered_too(bank):
    for one in recover(TOY, bank, replace(SETTINGS, level=0.5)).parameters:
        assert one.coverage_ci[0] <= 0.5 <= one.coverage_ci[1]


def test_datasets_like_the_published_study_are_covered_too(bank, recovery):
    found = recover(TOY, bank, replace(SETTINGS, near=0.25))
    for one, wide in zip(found.parameters, recovery.parameters, strict=True):
        assert one.coverage_ci[0] <= 0.9 <= one.coverage_ci[1]
        assert not np.array_equal(one.ranks, wide.ranks)
    assert "the 25% of prior studies nearest" in found.as_json()["method"]


@pytest.mark.medium
def test_figures_of_lower_weight_are_worth_less_and_still_covered():
    """A figure of weight w counts as one with 1/w the sampling variance, in the posterior and in its check."""
    toy = LinearStudy(weights=np.array([1.0, 1.0, 0.25, 0.25, 0.25]))
    found = recover(toy, made(toy, SETTINGS.simulations, 8), SETTINGS)
    for one in found.parameters:
        assert one.coverage_ci[0] <= 0.9 <= one.coverage_ci[1]
        assert min(one.rank_p, one.rank_ks_p) > 0.001
    _, covariance = replace(toy, scale=toy.scale / np.sqrt(toy.weights)).exact()
    shrinkage = [one.shrinkage for one in found.parameters]
    np.testing.assert_allclose(shrinkage, 1 - np.sqrt(np.diag(covariance)), atol=0.04)


def test_a_dataset_is_as_noisy_as_the_studies_it_is_compared_with():
    """Where the telling figures have a low weight, a dataset without that noise would be covered too often."""
    toy = LinearStudy(weights=np.array([0.25, 0.25, 1.0, 0.25, 0.25]))
    for one in recover(toy, made(toy, SETTINGS.simulations, 8), SETTINGS).parameters:
        assert 0.88 < one.coverage < 0.95
        assert min(one.rank_p, one.rank_ks_p) > 0.01


# --- what is wrong is caught -----------------------------------------------------
@pytest.mark.parametrize(
    ("adjuster", "covers"),
    [
        pytest.param(plain(widened=0.6), "too little", id="too narrow"),
        pytest.param(plain(widened=1.6), "too much", id="too wide"),
        pytest.param(plain(slope=-1.0), "too much", id="wrong sign"),
        pytest.param(plain(slope=0.0), "too much", id="no adjustment"),
    ],
)
def test_a_wrong_adjustment_is_caught(bank, adjuster, covers):
    for one in recover(TOY, bank, SETTINGS, adjuster).parameters[:2]:
        low, high = one.coverage_ci
        assert high < 0.9 if covers == "too little" else low > 0.9
        assert min(one.rank_p, one.rank_ks_p) < 0.01


def test_a_shifted_posterior_is_caught(bank):
    def shifted(latent, shifts, far, weights, bandwidth):
        found = adjust(latent, shifts, far, weights, bandwidth)
        return replace(found, latent=found.latent + 0.2)

    for one in recover(TOY, bank, SETTINGS, shifted).parameters[:2]:
        assert one.rank_ks_p < 1e-6
        assert one.bias == pytest.approx(0.2, abs=0.05)


def test_leaving_the_study_in_its_own_bank_would_be_seen(bank):
    """A dataset must not be found again in the bank: distance 0 would give the truth away."""
    inside = bank_posterior(replace(TOY, observed=bank.summaries[7]), bank, 0.005)
    outside = bank_posterior(TOY, bank, 0.005, place=7)
    assert (inside.latent == bank.latent[7]).all(axis=1).any()
    assert not (outside.latent == bank.latent[7]).all(axis=1).any()


def test_rank_tests_tell_uniform_from_skewed_and_humped():
    generator = np.random.default_rng(9)
    uniform = generator.integers(0, 100, 1_000)
    assert min(rank_tests(uniform, 99)) > 0.01
    assert rank_tests(generator.binomial(99, generator.beta(2, 2, 1_000)), 99)[0] < 1e-6
    assert rank_tests(generator.binomial(99, generator.beta(1.3, 1, 1_000)), 99)[1] < 1e-3


@pytest.mark.medium
def test_false_alarms_are_as_rare_as_they_should_be():
    generator = np.random.default_rng(10)
    found = np.array([rank_tests(generator.integers(0, 100, 200), 99) for _ in range(1_000)])
    alarms = (found < 0.05).mean(axis=0)
    np.testing.assert_allclose(alarms, 0.05, atol=0.02)


# --- the bank --------------------------------------------------------------------
FEW = replace(SETTINGS, simulations=60, datasets=20, share=0.5)


def simulated(toy=TOY, where="threads", settings=FEW, **options):
    with open_executor(where, 2) as executor:
        return simulate_bank(toy, settings, executor, **options)


@pytest.mark.medium
@pytest.mark.parametrize("where", ["processes", "local:2"])
def test_the_bank_is_the_same_wherever_it_was_simulated(where):
    one, other = simulated(), simulated(where=where)
    np.testing.assert_array_equal(one.latent, other.latent)
    np.testing.assert_array_equal(one.summaries, other.summaries)


def test_a_larger_bank_begins_with_the_smaller():
    np.testing.assert_array_equal(simulated(settings=replace(FEW, simulations=80)).latent[:60], simulated().latent)
    draws = np.array([prior_draw(1, i, 3) for i in range(4_000)])
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(np.cov(draws.T), np.eye(3), atol=0.08)


def test_what_is_recorded_is_not_simulated_again():
    kept, told = {}, []
    whole = simulated(record=lambda one: kept.setdefault(one.index, one))
    assert sorted(kept) == list(range(60))
    held = {index: kept[index] for index in range(0, 60, 2)}

    def recorded(stage, index, latent):
        assert stage == "recovery"
        if index in held:
            np.testing.assert_array_equal(held[index].latent, latent)
            return held[index].summaries
        return None

    again = []
    found = simulated(recorded=recorded, record=again.append, progress=lambda *now: told.append(now))
    assert sorted(one.index for one in again) == list(range(1, 60, 2))
    assert told[-1][:2] == (60, 60)
    np.testing.assert_array_equal(found.summaries, whole.summaries)


def test_failed_and_undefined_studies_are_counted_and_left_out():
    kept = []
    found = simulated(LinearStudy(fails_above=1.0, undefined_above=0.5), record=kept.append)
    failed = [one for one in kept if one.failure]
    undefined = [one for one in kept if not one.failure and np.isinf(one.distance)]
    assert (len(found.failures), found.unread) == (len(failed), len(undefined))
    assert min(len(failed), len(undefined)) > 0
    assert len(found.latent) == 60 - len(failed) - len(undefined)
    assert found.latent[:, 0].max() <= 0.5


def test_a_bank_that_cannot_be_read_says_why():
    toy = LinearStudy(fails_above=-np.inf)
    with pytest.raises(RecoveryError, match=r"only 0 of 60 .* first failure being: ValueError: the first parameter"):
        recover(toy, simulated(toy), FEW)


def test_the_outcome_is_json_and_repeats(bank, recovery):
    text = json.dumps(recovery.as_json(), allow_nan=False)
    assert text == json.dumps(recover(TOY, bank, SETTINGS).as_json(), allow_nan=False)
    told = json.loads(text)
    assert set(told["parameters"][0]) >= {"name", "coverage", "coverage_ci", "rank_p", "ranks", "shrinkage"}
    assert all(0 <= rank <= told["draws"] for rank in told["parameters"][0]["ranks"])
