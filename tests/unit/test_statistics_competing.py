"""Cumulative incidence against statsmodels, and in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import CumIncidenceRight

from tumorsim.statistics import cumulative_incidence, kaplan_meier

rows = st.lists(st.tuples(st.integers(1, 8), st.sampled_from([0, 1, 2])), min_size=2, max_size=40)


@settings(max_examples=80, deadline=None)
@given(rows)
def test_equals_statsmodels_with_heavy_ties(drawn):
    time, event = np.array(drawn, dtype=float)[:, 0], np.array(drawn)[:, 1]
    if not {1, 2} <= set(event):
        return
    found = cumulative_incidence(time, event)
    with np.errstate(all="ignore"):
        other = CumIncidenceRight(time, event)
    places = np.searchsorted(other.times, found.times)
    np.testing.assert_allclose(found.incidence, other.cinc[0][places], atol=1e-8)
    theirs = other.cinc_se[0][places]
    fine = np.isfinite(theirs)
    np.testing.assert_allclose(np.sqrt(found.variance[fine]), theirs[fine], atol=1e-8)


def test_without_censoring_it_is_a_binomial_proportion():
    time = np.arange(1.0, 21.0)
    event = np.tile([1, 2, 2, 1], 5)
    found = cumulative_incidence(time, event)
    share = np.cumsum(event == 1) / 20
    np.testing.assert_allclose(found.incidence, share, atol=1e-12)
    np.testing.assert_allclose(found.variance, share * (1 - share) / 20, atol=1e-12)


def test_without_competing_events_it_is_one_minus_kaplan_meier():
    time, event = np.array([1.0, 2, 2, 3, 5, 8]), np.array([1, 0, 1, 1, 0, 0])
    found, curve = cumulative_incidence(time, event), kaplan_meier(time, event)
    np.testing.assert_allclose(found.incidence, 1 - curve.survival, atol=1e-12)
    np.testing.assert_allclose(found.variance, curve.survival**2 * curve.greenwood, atol=1e-12)


def test_censoring_the_competing_events_would_overstate_it():
    time, event = np.array([1.0, 2, 3, 4]), np.array([2, 1, 2, 1])
    assert cumulative_incidence(time, event).at(4.0) == pytest.approx(0.5)
    assert 1 - kaplan_meier(time, event).at(4.0) == pytest.approx(1.0)


def test_times_before_between_and_beyond():
    found = cumulative_incidence([2.0, 4.0, 6.0], [1, 2, 0])
    assert found.at(1.0) == 0.0
    assert found.at(3.0) == pytest.approx(1 / 3)
    assert found.at(6.0) == pytest.approx(1 / 3)
    assert found.at(6.1) is None
    assert found.interval(6.1) == (None, None)
    assert found.interval(1.0) == (None, None)
    low, high = found.interval(3.0)
    assert 0.0 < low < 1 / 3 < high < 1.0


@pytest.mark.parametrize(
    ("time", "event", "value"), [([], [], None), ([3.0], [0], None), ([3.0], [1], 1.0), ([3.0], [2], 0.0)]
)
def test_degenerate_arms(time, event, value):
    found = cumulative_incidence(time, event)
    assert found.at(100.0) == value
    assert found.interval(100.0) == (None, None)
