"""Each survival kernel against its plain-Python twin, written from the definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorsim.kernels import survival as kernels
from tumorsim.kernels.random import STREAM_RESAMPLING

patients = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([-1, 0, 1, 1, 2]), st.integers(0, 1)), min_size=1, max_size=30
)


def ascending(drawn):
    time, event, group = np.array(sorted(drawn), dtype=np.int64).T
    return time.astype(float), event.copy(), group.copy()


def plain_table(time, event, group):
    times = sorted({t for t, e in zip(time, event, strict=True) if e == 1})
    rows = list(zip(time, event, group, strict=True))
    at_risk = [[sum(t >= now and e != -1 and g == side for t, e, g in rows) for now in times] for side in (0, 1)]
    events = [[sum(t == now and e == 1 and g == side for t, e, g in rows) for now in times] for side in (0, 1)]
    return times, at_risk, events


def plain_likelihood(log_hr, at_risk, events):
    """Efron's sum written out over every tied death."""
    total = 0.0
    for r0, r1, d0, d1 in zip(*at_risk, *events, strict=True):
        total += log_hr * d1
        for m in range(int(d0 + d1)):
            share = m / (d0 + d1)
            total -= math.log(r0 - share * d0 + (r1 - share * d1) * math.exp(log_hr))
    return total


def test_the_table_equals_counting():
    time, event, group = ascending([(2, 1, 0), (2, 0, 1), (2, 1, 1), (3, -1, 0), (5, 2, 0), (5, 1, 1), (9, 0, 0)])
    times, at_risk, events = kernels.tabulate_risk(time, event, group)
    assert times.tolist() == [2, 5]
    assert at_risk.tolist() == [[3, 2], [3, 1]]  # the one left out is never at risk, the censored at 2 still is
    assert events.tolist() == [[1, 0], [1, 1]]


@settings(max_examples=150, deadline=None)
@given(patients)
def test_tabulate_risk(drawn):
    rows = ascending(drawn)
    for found, expected in zip(kernels.tabulate_risk(*rows), plain_table(*rows), strict=True):
        assert found.tolist() == (expected if found.ndim == 1 else [list(side) for side in expected])


@settings(max_examples=80, deadline=None)
@given(patients, st.floats(-2, 2))
def test_likelihood_score_and_information_are_one_function_and_its_slopes(drawn, log_hr):
    _, at_risk, events = kernels.tabulate_risk(*ascending(drawn))
    value, score, information = kernels.partial_likelihood(log_hr, at_risk, events)
    assert value == pytest.approx(plain_likelihood(log_hr, at_risk, events), abs=1e-10)
    h = 1e-4
    near = [plain_likelihood(log_hr + k * h, at_risk, events) for k in (-2, -1, 0, 1, 2)]
    assert score == pytest.approx((near[0] - 8 * near[1] + 8 * near[3] - near[4]) / (12 * h), abs=1e-7)
    curvature = (-near[0] + 16 * near[1] - 30 * near[2] + 16 * near[3] - near[4]) / (12 * h * h)
    assert information == pytest.approx(-curvature, abs=1e-4)


@settings(max_examples=80, deadline=None)
@given(patients)
def test_the_fit_is_the_maximum(drawn):
    _, at_risk, events = kernels.tabulate_risk(*ascending(drawn))
    log_hr, status = kernels.fit_log_hazard_ratio(at_risk, events)
    if status == kernels.FITTED:
        best = plain_likelihood(log_hr, at_risk, events)
        assert all(best >= plain_likelihood(log_hr + step, at_risk, events) for step in (-0.5, -1e-3, 1e-3, 0.5))
    else:
        assert {1: math.isnan, 2: lambda x: x == -math.inf, 3: lambda x: x == math.inf, 4: math.isnan}[status](log_hr)


@settings(max_examples=80, deadline=None)
@given(patients)
def test_logrank_sums(drawn):
    _, at_risk, events = kernels.tabulate_risk(*ascending(drawn))
    excess = variance = 0.0
    for r0, r1, d0, d1 in zip(*at_risk, *events, strict=True):
        r, d = r0 + r1, d0 + d1
        excess += d1 - d * r1 / r
        variance += 0.0 if r == 1 else d * r1 * r0 * (r - d) / (r * r * (r - 1))
    found = kernels.logrank_sums(at_risk, events)
    assert found == pytest.approx((excess, variance), abs=1e-10)


@settings(max_examples=80, deadline=None)
@given(patients, st.floats(-1, 1))
def test_score_residuals_sum_to_the_score_and_spare_those_left_out(drawn, log_hr):
    time, event, group = ascending(drawn)
    _, at_risk, events = kernels.tabulate_risk(time, event, group)
    found = kernels.score_residuals(time, event, group, log_hr)
    assert found.sum() == pytest.approx(kernels.partial_likelihood(log_hr, at_risk, events)[1], abs=1e-10)
    assert (found[event == -1] == 0.0).all()


def test_a_score_residual_is_the_pull_of_one_patient():
    """Without ties it is the derivative of the score in the weight of the patient."""
    rng = np.random.default_rng(0)
    time = np.sort(rng.exponential(size=12))
    event, group = (rng.random(12) < 0.8).astype(np.int64), rng.integers(0, 2, 12)
    log_hr = 0.3

    def score(weight):
        total = 0.0
        for i in np.flatnonzero(event == 1):
            risk = weight[i:] * np.exp(log_hr * group[i:])
            total += weight[i] * (group[i] - (risk * group[i:]).sum() / risk.sum())
        return total

    expected = []
    for i in range(12):
        up, down = np.ones(12), np.ones(12)
        up[i], down[i] = 1 + 1e-6, 1 - 1e-6
        expected.append((score(up) - score(down)) / 2e-6)
    np.testing.assert_allclose(kernels.score_residuals(time, event, group, log_hr), expected, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(patients, st.floats(0.5, 7.0))
def test_curve_kernels(drawn, when):
    time, event, _ = ascending(drawn)
    kept = event != -1
    if not kept.any():
        return
    times, at_risk, events = kernels.tabulate_risk(time, event, np.zeros(time.size, np.int64))
    survival, _ = kernels.product_limit(at_risk[0], events[0])
    alive = 1.0
    for place, now in enumerate(times):
        alive *= 1 - (time[event == 1] == now).sum() / (time[kept] >= now).sum()
        assert survival[place] == pytest.approx(alive, abs=1e-12)
    last = time[kept].max()
    value = kernels.survival_at(times, survival, last, when)
    left = survival[times <= when]
    expected = left[-1] if left.size else 1.0
    assert np.isnan(value) if when > last and expected > 0 else value == expected
    grid = np.arange(0.0, when, 1e-3)
    step = np.array([1.0, *survival])[np.searchsorted(times, grid, side="right")]
    area = kernels.restricted_mean(times, survival, last, when)
    assert np.isnan(area) if np.isnan(value) else area == pytest.approx(step.mean() * when, abs=0.02)


@pytest.mark.parametrize(
    ("survival", "median"),
    [
        ([0.6, 0.5], 2.0),
        ([0.6, 0.5 + 1e-15], 2.0),
        ([0.6, 0.5 + 1e-9], math.inf),
        ([0.4, 0.2], 1.0),
        ([0.9, 0.8], math.inf),
    ],
)
def test_quantile_time_takes_a_half_that_rounding_missed(survival, median):
    assert kernels.quantile_time(np.array([1.0, 2.0]), np.array(survival), 0.5) == median


def test_survival_at_an_event_time_is_that_after_it():
    times, survival = np.array([1.0, 2.0]), np.array([0.6, 0.3])
    assert [kernels.survival_at(times, survival, 5.0, t) for t in (0.9, 1.0, 1.9, 2.0, 5.0)] == [
        1.0,
        0.6,
        0.6,
        0.3,
        0.3,
    ]
    assert math.isnan(kernels.survival_at(times, survival, 5.0, 5.1))
    assert kernels.survival_at(times, np.array([0.6, 0.0]), 2.0, 5.1) == 0.0


@pytest.mark.parametrize("reference", [11, 1_000, 1_000_000])
def test_the_fit_converges_where_plain_newton_steps_diverge(reference):
    """One event in one treated patient, one in many of the reference, all at one time."""
    at_risk, events = np.array([[float(reference)], [1.0]]), np.array([[1.0], [1.0]])
    log_hr, status = kernels.fit_log_hazard_ratio(at_risk, events)
    assert status == kernels.FITTED
    _, score, information = kernels.partial_likelihood(log_hr, at_risk, events)
    assert abs(score) < 1e-12
    assert information > 0.0
    # with ratio c R and R large the score is c/(1 + c) + (c/2)/(1 + c/2) - 1, zero at c = sqrt(2)
    assert log_hr == pytest.approx(0.5 * math.log(2.0) + math.log(reference), abs=2.0 / reference)


def test_draws_are_the_keyed_words_of_numpys_philox():
    found = kernels.draw_patients(np.uint64(7), 2001, 0, 3, 50, 4)
    for r in range(3):
        for k in range(4):
            key, counter = np.array([7, STREAM_RESAMPLING], np.uint64), np.array([k, r, 2001, 0], np.uint64)
            word = np.random.Philox(key=key, counter=counter).random_raw()
            assert found[r, k] == int(((int(word) >> 11) + 0.5) / 2**53 * 50)


def test_redrawn_populations_are_shared_by_item_and_resample():
    places = np.tile(np.arange(20), (2, 1))
    first = kernels.redraw_patients(np.uint64(1), 0, places, 20)
    assert (first == kernels.redraw_patients(np.uint64(1), 0, places, 20)).all()
    assert (first[0] != first[1]).any()  # another resample redraws
    assert (first != kernels.redraw_patients(np.uint64(1), 1, places, 20)).any()  # another item too
    assert (first[:, 5] == kernels.redraw_patients(np.uint64(1), 0, places[:, 5:6], 20)[:, 0]).all()


def test_resampled_statistics_equal_those_of_the_drawn_patients():
    rng = np.random.default_rng(3)
    time = np.sort(rng.integers(1, 12, 40)).astype(float)
    event, group = rng.choice([-1, 0, 1, 1, 2], 40), rng.integers(0, 2, 40)
    draws = rng.integers(0, 40, (25, 30))
    log_hr = kernels.resample_log_hazard_ratio(time, event, group, draws)
    curves = {s: kernels.resample_curve(time, event, draws, s, 6.0) for s in (0, 1, 2)}
    nobody = np.zeros(30, np.int64)
    for r, drawn in enumerate(np.sort(draws, axis=1)):
        t, e, g = time[drawn], event[drawn], group[drawn]
        _, at_risk, events = kernels.tabulate_risk(t, e, g)
        assert log_hr[r] == pytest.approx(kernels.fit_log_hazard_ratio(at_risk, events)[0], abs=1e-12, nan_ok=True)
        times, at_risk, events = kernels.tabulate_risk(t, e, nobody)
        survival, _ = kernels.product_limit(at_risk[0], events[0])
        last = t[e != -1].max()
        assert curves[kernels.MEDIAN][r] == kernels.quantile_time(times, survival, 0.5)
        assert curves[kernels.LANDMARK][r] == kernels.survival_at(times, survival, last, 6.0)
        assert curves[kernels.RESTRICTED_MEAN][r] == pytest.approx(kernels.restricted_mean(times, survival, last, 6.0))
