"""One arm: Kaplan-Meier, medians, restricted means, rates, proportions, against other libraries and by hand."""

import warnings

import lifelines
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.utils import median_survival_times, restricted_mean_survival_time
from scipy import stats

from tumorsim.statistics import crude_survival, event_rate, kaplan_meier, proportion

# Freireich et al. 1963 (Blood 21:699), remission in weeks; 0 = still in remission
SIX_MP = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
SIX_MP_EVENT = [1] * 9 + [0] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

heavy_ties = st.lists(st.tuples(st.integers(0, 8), st.sampled_from([0, 1, 1])), min_size=1, max_size=40)


def split(rows):
    time, event = np.array(rows, dtype=float).T
    return time, event.astype(int)


def test_published_remission_data():
    # Kalbfleisch & Prentice 2002, table 1.2 and example 1.4
    curve = kaplan_meier(SIX_MP, SIX_MP_EVENT)
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    np.testing.assert_allclose(curve.survival, [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], atol=5e-5)
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.median == 23.0
    assert kaplan_meier(PLACEBO, [1] * 21).median == 8.0


@settings(max_examples=80, deadline=None)
@given(heavy_ties)
def test_equals_lifelines_with_heavy_ties(rows):
    time, event = split(rows)
    time = time + 1.0  # lifelines skips time 0 when it looks for the median
    curve = kaplan_meier(time, event)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = lifelines.KaplanMeierFitter().fit(time, event)
    for when in range(10):
        value = curve.at(when)
        if value is not None:
            assert value == pytest.approx(float(other.predict(when)), abs=1e-8)
    if (np.abs(curve.survival - 0.5) > 1e-9).all():  # lifelines misses a survival of exactly one half by rounding
        assert (curve.median or np.inf) == other.median_survival_time_


@settings(max_examples=60, deadline=None)
@given(heavy_ties)
def test_band_and_median_interval_equal_lifelines(rows):
    time, event = split(rows)
    time = time + 1.0
    curve = kaplan_meier(time, event)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = lifelines.KaplanMeierFitter().fit(time, event)
        band = other.confidence_interval_
        low, high = median_survival_times(band).to_numpy().ravel()
    rows_of = band.reindex(curve.times).to_numpy()
    inside = (curve.survival > 0) & (curve.survival < 1)
    ours = np.column_stack(curve.band())
    np.testing.assert_allclose(ours[inside], rows_of[inside], atol=1e-8, rtol=0)
    at_half = np.isclose(ours, 0.5, rtol=0, atol=1e-9).any()
    if (
        curve.survival > 0
    ).all() and not at_half:  # where all have died lifelines closes the band at zero; it is undefined there
        assert [end or np.inf for end in curve.median_interval()] == [low, high]


def test_plain_band_is_greenwood_cut_to_the_unit_interval():
    curve = kaplan_meier(SIX_MP, SIX_MP_EVENT)
    lower, upper = curve.band(0.95, "plain")
    se = curve.survival * np.sqrt(np.cumsum(curve.events / (curve.at_risk * (curve.at_risk - curve.events))))
    np.testing.assert_allclose(lower, np.maximum(curve.survival - 1.959963985 * se, 0), atol=1e-9)
    np.testing.assert_allclose(upper, np.minimum(curve.survival + 1.959963985 * se, 1), atol=1e-9)
    assert upper[0] == 1.0  # 0.857 + 1.96 x 0.076 exceeds 1
    assert curve.interval(6.0, 0.95, "plain") == (lower[0], 1.0)


@settings(max_examples=60, deadline=None)
@given(heavy_ties, st.floats(0.5, 8.0))
def test_restricted_mean_equals_lifelines(rows, horizon):
    time, event = split(rows)
    found = kaplan_meier(time, event).restricted_mean(horizon)
    if found.mean is None:
        assert horizon > time.max()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = lifelines.KaplanMeierFitter().fit(time, event)
        mean = restricted_mean_survival_time(other, t=horizon)
    assert found.mean == pytest.approx(float(mean), abs=1e-8)


def test_restricted_mean_without_censoring_is_the_mean_of_the_cut_times():
    time = np.array([1.0, 2.0, 2.0, 5.0, 9.0, 14.0])
    found = kaplan_meier(time, np.ones(6, int)).restricted_mean(10.0)
    cut = np.minimum(time, 10.0)
    assert found.mean == pytest.approx(cut.mean(), abs=1e-12)
    # Greenwood's form then is the variance of a mean
    assert found.se == pytest.approx(cut.std() / np.sqrt(6), abs=1e-12)


def test_median_at_exactly_one_half_is_the_first_such_time():
    assert kaplan_meier([1, 2, 3, 4], [1, 1, 1, 1]).median == 2.0
    # 0.7 x 0.714... = 0.5 only up to rounding
    assert kaplan_meier([1.0] * 3 + [2.0] * 2 + [9.0] * 5, [1] * 5 + [0] * 5).median == 2.0


def test_landmarks_and_numbers_at_risk():
    curve = kaplan_meier([5, 10, 10, 20], [1, 0, 1, 0])
    assert [curve.number_at_risk(t) for t in (0, 5, 5.1, 10, 10.1, 20, 21)] == [4, 4, 3, 3, 1, 1, 0]
    assert curve.at(4.9) == 1.0
    assert curve.at(10) == pytest.approx(0.75 * 2 / 3)
    assert curve.at(20) == pytest.approx(0.5)
    assert curve.at(20.1) is None  # the last patient was censored alive: nobody knows
    assert curve.interval(20.1) == (None, None)
    assert curve.interval(1.0) == (None, None)
    assert kaplan_meier([5, 10], [1, 1]).at(50) == 0.0  # all have died: that is known


@pytest.mark.parametrize(
    ("time", "event"), [([], []), ([3.0], [0]), ([3.0, 4.0], [0, 0]), ([3.0], [1]), ([2.0] * 5, [1] * 5), ([0.0], [1])]
)
def test_degenerate_arms_give_none_and_never_nan(time, event):
    curve = kaplan_meier(time, event)
    died = sum(event) > 0
    assert curve.median == (time[0] if died else None)
    assert curve.median_interval() == (None, None)
    assert curve.at(1e9) == (0.0 if died else None)
    mean = curve.restricted_mean(1e9)
    assert mean.mean == (pytest.approx(time[0]) if died else None)
    assert mean.se == (0.0 if died else None)
    if time:
        assert curve.restricted_mean(1.0).mean is not None


def test_competing_code_is_censored_by_kaplan_meier():
    assert kaplan_meier([1, 2, 3], [2, 1, 0]).survival.tolist() == kaplan_meier([1, 2, 3], [0, 1, 0]).survival.tolist()


@pytest.mark.parametrize(
    ("time", "event", "message"),
    [
        ([1, np.nan], [1, 1], r"time\[1\]: nan must be a number >= 0"),
        ([1, -2], [1, 1], r"time\[1\]: -2 must be"),
        ([1, np.inf], [1, 1], r"time\[1\]: inf must be"),
        ([1], [1, 0], "differ in length: 1 and 2"),
        ([1], [3], "codes are 0"),
    ],
)
def test_bad_input_is_refused(time, event, message):
    with pytest.raises(ValueError, match=message):
        kaplan_meier(time, event)


def test_levels_and_transforms_are_checked():
    curve = kaplan_meier([1, 2], [1, 0])
    with pytest.raises(ValueError, match="level: 95 must lie between 0 and 1"):
        curve.interval(1, level=95)
    with pytest.raises(ValueError, match='must be "log-log" or "plain"'):
        curve.band(0.95, "logit")
    with pytest.raises(ValueError, match="horizon: 0 must be > 0"):
        curve.restricted_mean(0.0)


@pytest.mark.parametrize("k", [0, 1, 7, 29, 113, 114])
def test_exact_interval_equals_scipy(k):
    found = proportion(k, 114)
    expected = stats.binomtest(k, 114).proportion_ci(0.95, "exact")
    assert found.value == k / 114
    np.testing.assert_allclose(found.ci, [expected.low, expected.high], atol=1e-10)


def test_exact_interval_of_the_manufacturing_successes():
    # 4 of 5 products released: 0.28 to 0.995
    np.testing.assert_allclose(proportion(4, 5).ci, [0.2836, 0.9949], atol=5e-5)


def test_proportion_of_nobody_and_of_too_many():
    assert proportion(0, 0).value is None
    assert proportion(0, 0).ci == (None, None)
    with pytest.raises(ValueError, match="k: 6 must lie between 0 and n = 5"):
        proportion(6, 5)


def test_crude_survival_counts_the_lost_as_event_free():
    time, event = [1.0, 2.0, 3.0, 10.0], [0, 1, 0, 1]
    assert (crude_survival(time, event, 9.0).k, crude_survival(time, event, 9.0).n) == (3, 4)
    assert kaplan_meier(time, event).at(9.0) == pytest.approx(2 / 3)  # and so overstates survival
    assert crude_survival(time, event, 10.0).k == 2  # an event at the very time counts


def test_event_rate_with_the_exact_poisson_interval():
    found = event_rate([10.0] * 8, [1, 1, 1, 0, 2, 0, 0, 0])
    assert (found.events, found.person_time, found.rate) == (3, 80.0, 3 / 80)
    np.testing.assert_allclose(found.ci, [stats.chi2.ppf(0.025, 6) / 160, stats.chi2.ppf(0.975, 8) / 160], rtol=1e-10)
    assert event_rate([5.0], [0]).ci[0] == 0.0
    assert event_rate([0.0], [1]).rate is None
