"""Two arms: Cox, log-rank, windows, restricted means, proportional hazards, Monte-Carlo error."""

import math
import warnings

import lifelines
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.statistics import logrank_test, proportional_hazard_test
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg

from tumorsim.endpoints import Survival
from tumorsim.statistics import (
    hazard_ratio,
    kaplan_meier,
    logrank,
    monte_carlo_error,
    proportional_hazards_p,
    restricted_mean_difference,
    windowed_hazard_ratios,
)

SIX_MP = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
SIX_MP_EVENT = [1] * 9 + [0] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def arm(time, event, included=None):
    time = np.asarray(time, dtype=float)
    mask = np.ones(time.size, bool) if included is None else np.asarray(included, bool)
    return Survival(time, np.asarray(event, dtype=np.int64), mask)


def random_arms(seed, n=60, ties=6.0, hr=0.6):
    """Two arms of n patients; event times in steps of ``ties`` (0: no ties)."""
    rng = np.random.default_rng(seed)
    out = []
    for scale in (40.0 / hr, 40.0):
        event, censor = rng.exponential(scale, n), rng.uniform(5.0, 120.0, n)
        time = np.minimum(event, censor)
        out.append(arm(np.ceil(time / ties) * ties if ties else time, event <= censor))
    return out


def table(one, other):
    size = [one.n, other.n]
    return pd.DataFrame(
        {
            "time": np.concatenate([one.analysed[0], other.analysed[0]]),
            "event": np.concatenate([one.analysed[1], other.analysed[1]]) == 1,
            "arm": np.repeat([1.0, 0.0], size),
            "patient": np.concatenate([np.flatnonzero(one.included), np.flatnonzero(other.included)]),
        }
    )


def fit_lifelines(frame, **options):
    tight = {"precision": 1e-14, "r_precision": 1e-16, "max_steps": 500, "step_size": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lifelines.CoxPHFitter().fit(frame, "time", "event", fit_options=tight, **options)


def test_published_remission_data():
    # R survival 3.5: coxph(ties="efron") 1.5721 (0.4124), survdiff chi-square 16.79
    placebo, drug = arm(PLACEBO, [1] * 21), arm(SIX_MP, SIX_MP_EVENT)
    found = hazard_ratio(placebo, drug)
    assert found.log_hr == pytest.approx(1.5721, abs=5e-5)
    assert found.se == pytest.approx(0.4124, abs=5e-5)
    assert logrank(placebo, drug).chi_square == pytest.approx(16.79, abs=5e-3)
    assert found.events == (21, 9)
    assert found.ci[0] == pytest.approx(math.exp(1.5721 - 1.96 * 0.4124), rel=1e-3)


rows = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0, 1, 2])), min_size=1, max_size=25)


@settings(max_examples=120, deadline=None)
@given(rows, rows)
def test_equals_statsmodels_efron_with_heavy_ties(first, second):
    one, other = (arm(*np.array(drawn).T) for drawn in (first, second))
    size = max(one.n, other.n)
    one, other = (arm(np.resize(a.time, size), np.resize(a.event, size), np.arange(size) < a.n) for a in (one, other))
    found = hazard_ratio(one, other)
    if found.hr is None:
        return
    frame = table(one, other)
    model = PHReg(frame.time.to_numpy(), frame[["arm"]].to_numpy(), status=frame.event.astype(int), ties="efron")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # its Newton steps diverge for extreme ratios, so it starts near the maximum, but not at it
        other_fit = model.fit(start_params=np.array([found.log_hr + 0.1]), disp=0, tol=1e-14)
    assert found.log_hr == pytest.approx(float(other_fit.params[0]), abs=1e-8)
    assert found.se == pytest.approx(float(other_fit.bse[0]), abs=1e-8)


@pytest.mark.parametrize("ties", [0.0, 6.0, 40.0])
def test_equals_lifelines(ties):
    one, other = random_arms(11, ties=ties)
    found, frame = hazard_ratio(one, other), table(one, other)
    fit = fit_lifelines(frame[["time", "event", "arm"]])
    assert found.log_hr == pytest.approx(fit.params_["arm"], abs=1e-8)
    assert found.se == pytest.approx(fit.standard_errors_["arm"], abs=1e-8)
    np.testing.assert_allclose(found.ci, np.exp(fit.confidence_intervals_.loc["arm"]), atol=1e-8)
    # lifelines stops when its likelihood no longer changes, which leaves the P value a few 1e-8 open
    assert found.p_wald == pytest.approx(fit.summary.loc["arm", "p"], abs=1e-7)
    assert found.p_likelihood_ratio == pytest.approx(fit.log_likelihood_ratio_test().p_value, abs=1e-8)


@settings(max_examples=80, deadline=None)
@given(rows, rows)
def test_logrank_equals_lifelines_with_heavy_ties(first, second):
    one, other = (arm(*np.array(drawn).T) for drawn in (first, second))
    found = logrank(one, other)
    if found.p is None:
        return
    expected = logrank_test(one.time, other.time, one.event == 1, other.event == 1)
    assert found.chi_square == pytest.approx(expected.test_statistic, abs=1e-8)
    assert found.p == pytest.approx(expected.p_value, abs=1e-8)


def test_without_ties_the_score_test_is_the_logrank_test():
    one, other = random_arms(5, ties=0.0)
    found = hazard_ratio(one, other)
    assert found.p_score == pytest.approx(found.p_logrank, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_swapping_the_arms_inverts_the_hazard_ratio(seed):
    one, other = random_arms(seed)
    there, back = hazard_ratio(one, other), hazard_ratio(other, one)
    assert there.log_hr == pytest.approx(-back.log_hr, abs=1e-11)
    assert there.se == pytest.approx(back.se, abs=1e-11)
    assert there.mc_se == pytest.approx(back.mc_se, abs=1e-11)
    assert there.p_logrank == pytest.approx(back.p_logrank, abs=1e-12)


def test_only_the_order_of_times_matters():
    one, other = random_arms(3)
    stretched = [arm(np.exp(a.time / 30.0), a.event) for a in (one, other)]
    assert hazard_ratio(one, other).log_hr == pytest.approx(hazard_ratio(*stretched).log_hr, abs=1e-12)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (arm([3, 4], [0, 0]), arm([5, 6], [0, 0]), "no events in either arm"),
        (arm([9, 9], [0, 0]), arm([5, 6], [1, 1]), "no event in the arm"),
        (arm([5, 6], [1, 1]), arm([9, 9], [0, 0]), "no event in the reference"),
        # events, but none of the arm's while the reference is at risk
        (arm([7, 8], [1, 1]), arm([5, 6], [1, 0]), "no event in the arm while the reference was at risk"),
        (arm([7, 8], [1, 1]), arm([5, 6], [0, 0]), "no event while both arms were at risk"),
        (arm([], []), arm([], []), "no events in either arm"),
    ],
)
def test_monotone_likelihood_is_none_with_a_reason(one, other, reason):
    found = hazard_ratio(one, other)
    assert (found.hr, found.log_hr, found.se, found.mc_se) == (None, None, None, None)
    assert found.ci == (None, None)
    assert found.monte_carlo_interval() == (None, None)
    assert reason in found.reason
    assert monte_carlo_error(one, other) is None


def test_a_log_rank_p_survives_a_monotone_likelihood():
    found = hazard_ratio(arm([9] * 10, [0] * 10), arm([1, 2, 3, 4, 5, 6, 7, 8, 8, 8], [1] * 10))
    assert found.hr is None
    assert found.p_logrank < 0.001


@settings(max_examples=150, deadline=None)
@given(rows, rows)
def test_a_ratio_is_given_exactly_when_the_likelihood_has_a_maximum(first, second):
    """The score of a concave likelihood changes sign if and only if there is a finite maximum."""
    from tumorsim.kernels import survival as kernels

    one, other = (arm(*np.array(drawn).T) for drawn in (first, second))
    time = np.concatenate([one.time, other.time])
    group = np.repeat(np.array([1, 0]), [one.n, other.n])
    order = np.argsort(time, kind="stable")
    event = np.concatenate([one.event, other.event])
    _, at_risk, events = kernels.tabulate_risk(time[order], event[order], group[order])
    _, low, _ = kernels.partial_likelihood(-30.0, at_risk, events)
    _, high, _ = kernels.partial_likelihood(30.0, at_risk, events)
    size = max(one.n, other.n)
    pair = [arm(np.resize(a.time, size), np.resize(a.event, size), np.arange(size) < a.n) for a in (one, other)]
    found = hazard_ratio(*pair)
    assert (found.hr is not None) == (low > 1e-9 and high < -1e-9)
    if found.log_hr is not None:
        assert abs(kernels.partial_likelihood(found.log_hr, at_risk, events)[1]) < 1e-9


def test_one_patient_an_arm_and_all_events_at_once():
    alone = hazard_ratio(arm([4], [1]), arm([4], [1]))
    assert alone.hr == pytest.approx(1.0)
    assert hazard_ratio(arm([4], [1]), arm([5], [1])).hr is None
    together = hazard_ratio(arm([4] * 8, [1] * 8), arm([4] * 8, [1] * 8, [True] * 5 + [False] * 3))
    assert together.hr == pytest.approx(1.0)
    assert together.p_logrank is None  # no variance once everybody has the event


def test_a_near_monotone_likelihood_still_converges():
    one = arm([1.0, *([100.0] * 400)], [1] + [0] * 400)
    other = arm(np.arange(401) * 0.1 + 0.5, [1] * 401)
    found = hazard_ratio(one, other)
    model = PHReg(table(one, other).time, table(one, other)[["arm"]], status=table(one, other).event * 1, ties="efron")
    assert found.log_hr == pytest.approx(float(model.fit(disp=0, tol=1e-14).params[0]), abs=1e-7)
    assert found.hr < 0.01


def test_windows_partition_the_events_and_the_first_holds_time_zero():
    one, other = random_arms(8)
    one.time[0] = 0.0
    found = windowed_hazard_ratios(one, other, [0, 24, 60, math.inf])
    assert [(a, b) for a, b, _ in found] == [(0, 24), (24, 60), (60, math.inf)]
    assert sum(ratio.events[0] for *_, ratio in found) == one.events
    assert sum(ratio.events[1] for *_, ratio in found) == other.events
    assert found[0][2].n == (60, 60)
    assert found[1][2].n == tuple(int((a.time > 24).sum()) for a in (one, other))
    with pytest.raises(ValueError, match="windows must ascend"):
        windowed_hazard_ratios(one, other, [0, 24, 24])


def test_a_window_is_cox_with_late_entry():
    one, other = random_arms(8)
    frame = table(one, other)
    late = frame[frame.time > 24].assign(
        event=lambda f: f.event & (f.time <= 60), time=lambda f: f.time.clip(upper=60), entry=24.0
    )
    fit = fit_lifelines(late[["time", "event", "arm", "entry"]], entry_col="entry")
    _, _, found = windowed_hazard_ratios(one, other, [24, 60])[0]
    assert found.log_hr == pytest.approx(fit.params_["arm"], abs=1e-8)
    assert found.se == pytest.approx(fit.standard_errors_["arm"], abs=1e-8)


def test_restricted_mean_difference_adds_the_variances():
    one, other = random_arms(2, ties=0.0)
    found = restricted_mean_difference(one, other, 60.0)
    a, b = (kaplan_meier(*side.analysed).restricted_mean(60.0) for side in (one, other))
    assert found.difference == pytest.approx(a.mean - b.mean)
    assert found.se == pytest.approx(math.hypot(a.se, b.se))
    assert found.ci[0] < found.difference < found.ci[1]
    assert restricted_mean_difference(one, other, 1e4).difference is None


@pytest.mark.parametrize("transform", ["rank", "identity"])
def test_proportional_hazards_test_equals_lifelines(transform):
    one, other = random_arms(21, ties=0.0)
    fit = fit_lifelines(table(one, other)[["time", "event", "arm"]])
    expected = proportional_hazard_test(fit, table(one, other)[["time", "event", "arm"]], time_transform=transform)
    assert proportional_hazards_p(one, other, transform) == pytest.approx(float(expected.p_value[0]), abs=1e-7)


def test_proportional_hazards_test_gives_tied_events_their_mean_rank():
    one, other = random_arms(21, ties=12.0)
    frame = table(one, other)
    log_hr = hazard_ratio(one, other).log_hr
    residuals, times, information = [], [], 0.0
    for now in np.unique(frame.time[frame.event]):
        at_risk, died = frame[frame.time >= now], frame[(frame.time == now) & frame.event]
        weight = np.exp(log_hr * at_risk.arm)
        gone = np.exp(log_hr * died.arm)
        for m in range(len(died)):
            share = m / len(died)
            total = weight.sum() - share * gone.sum()
            mean = ((weight * at_risk.arm).sum() - share * (gone * died.arm).sum()) / total
            residuals.append(died.arm.mean() - mean)  # the order among ties is unknown
            times.append(now)
            information += mean * (1 - mean)
    rank = stats.rankdata(times)
    centred = rank - rank.mean()
    statistic = (centred @ residuals) ** 2 * len(times) / (information * (centred**2).sum())
    assert proportional_hazards_p(one, other) == pytest.approx(stats.chi2.sf(statistic, 1), abs=1e-10)


def test_proportional_hazards_test_with_too_little_data():
    assert proportional_hazards_p(arm([4], [1]), arm([4], [1])) is None
    assert proportional_hazards_p(arm([4], [0]), arm([4], [0])) is None


def test_monte_carlo_error_equals_the_clustered_sandwich_of_lifelines():
    one, other = random_arms(4, n=200, ties=0.0)
    fit = fit_lifelines(table(one, other), cluster_col="patient")
    assert monte_carlo_error(one, other) * math.sqrt(199 / 200) == pytest.approx(fit.standard_errors_["arm"], abs=1e-8)


@pytest.mark.parametrize("ties", [0.0, 12.0])
def test_monte_carlo_error_is_close_to_leaving_out_one_virtual_patient_at_a_time(ties):
    one, other = random_arms(6, n=150, ties=ties)
    left_out = []
    for i in range(150):
        keep = np.arange(150) != i
        left_out.append(hazard_ratio(arm(one.time, one.event, keep), arm(other.time, other.event, keep)).log_hr)
    jackknife = math.sqrt(149 / 150 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert monte_carlo_error(one, other) == pytest.approx(jackknife, rel=0.02)


def test_twins_with_equal_fates_have_no_monte_carlo_error():
    one, _ = random_arms(1)
    found = hazard_ratio(one, one)
    assert found.log_hr == pytest.approx(0.0, abs=1e-12)
    assert found.mc_se == pytest.approx(0.0, abs=1e-12)  # while the interval of a trial stays wide
    assert found.ci[1] > 1.3
    np.testing.assert_allclose(found.monte_carlo_interval(), [1.0, 1.0], atol=1e-9)


def test_arms_on_different_patient_axes_are_refused():
    with pytest.raises(ValueError, match="different patient axes: 3 and 2"):
        hazard_ratio(arm([1, 2, 3], [1, 1, 1]), arm([1, 2], [1, 1]))
