"""Chance in interventions against theory: adherence, holds, doses and manufacture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tumorsim.interventions.base import Context, Pauses
from tumorsim.interventions.events import build_events, roster_of
from unit.interventions_examples import CIK, TABLET, patients, treatment

N = 20_000


def context(people, horizon=3650.0, seed=11, identity="drug:tablet"):
    return Context(people, seed, horizon, 0, identity, 0, Pauses.none(people.size))


def close_to(sample, mean, errors=4.5):
    """Whether the sample mean is within Monte-Carlo error; 4.5 standard errors fail once in 150,000."""
    return abs(sample.mean() - mean) <= errors * sample.std(ddof=1) / math.sqrt(sample.size)


def table_of(raw, people, horizon=365.0):
    course = treatment(**raw)
    return build_events([course], roster_of([[course]]), people, 11, horizon)


# --- adherence --------------------------------------------------------------------
@pytest.mark.parametrize(("mean", "sd"), [(0.9, 0.1), (0.5, 0.2), (0.97, 0.05), (0.2, 0.01)])
def test_adherence_is_beta_with_the_stated_mean_and_spread(mean, sd):
    course = treatment(drug=TABLET, dose="1 mg", adherence={"mean": mean, "sd": sd})
    drawn = course.adherence.sample(context(patients(N)))
    size = mean * (1 - mean) / sd**2 - 1
    assert stats.kstest(drawn, stats.beta(mean * size, (1 - mean) * size).cdf).pvalue > 1e-4
    assert close_to(drawn, mean)
    assert close_to((drawn - mean) ** 2, sd**2)
    assert drawn.min() >= 0.0
    assert drawn.max() <= 1.0


# --- holds ------------------------------------------------------------------------
RATE, DURATION = 0.03, 20.0
HELD = {"drug": TABLET, "dose": "1 mg", "hold": {"rate": "0.03 1/day", "duration": "20 day"}}


def test_times_on_the_drug_between_holds_are_exponential():
    holds = treatment(**HELD).hold.sample(context(patients(N)), 30.0, 3650.0)
    first = holds.start[:, 0] - 30.0
    second = holds.start[:, 1] - holds.end[:, 0]
    for waits in (first, second):
        assert stats.kstest(waits, stats.expon(scale=1 / RATE).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / math.sqrt(N)
    finite = np.isfinite(holds.start)
    np.testing.assert_allclose(holds.end[finite] - holds.start[finite], DURATION, rtol=0, atol=1e-9)
    assert holds.start[finite].max() < 3650.0


def off_fraction(rate, duration, span, steps=40_000):
    """Expected share of [0, span] on hold: 1 - mean of A, where A' = -rate·A(t) + rate·A(t - duration), A(0) = 1."""
    dt = span / steps
    lag = round(duration / dt)
    on = np.empty(steps + 1)
    on[0] = 1.0
    for i in range(steps):
        before = on[i - lag] if i >= lag else 0.0
        after = on[i + 1 - lag] if i + 1 >= lag else 0.0
        on[i + 1] = (on[i] * (1 - rate * dt / 2) + rate * dt * (before + after) / 2) / (1 + rate * dt / 2)
    return 1.0 - np.trapezoid(on, dx=dt) / span


@pytest.mark.parametrize("span", [100.0, 1000.0])
def test_share_of_time_off_the_drug_against_renewal_theory(span):
    table = table_of(HELD, patients(N), horizon=span)
    rows = table.rows()
    until = np.append(rows.time[1:], span)
    until[table.offset[1:] - 1] = span
    off = np.bincount(rows.patient, weights=(rows.value == 0.0) * (until - rows.time), minlength=N) / span
    assert close_to(off, off_fraction(RATE, DURATION, span))
    if span == 1000.0:  # in the long run λD/(1 + λD), less the start on the drug
        limit = RATE * DURATION / (1 + RATE * DURATION)
        assert off.mean() == pytest.approx(limit, abs=0.02)
        assert off.mean() < limit


# --- doses ------------------------------------------------------------------------
def test_doses_vary_within_and_between_patients_as_stated():
    course = {
        "infusion": CIK,
        "dose": "6.4e9 cells",
        "schedule": "16 x q1w",
        "cv_between_infusions": 0.3,
        "cv_between_patients": 0.2,
    }
    doses = table_of(course, patients(N)).value.reshape(N, 16)
    assert close_to(doses.mean(axis=1), 6.4e9)
    within, between = math.log1p(0.3**2), math.log1p(0.2**2)
    logs = np.log(doses)
    assert close_to(logs.var(axis=1, ddof=1), within)
    means = logs.mean(axis=1)
    assert close_to((means - means.mean()) ** 2, between + within / 16)
    assert stats.kstest((logs[:, 5] - logs[:, 5].mean()) / math.sqrt(within + between), "norm").pvalue > 1e-4


def test_reported_spread_of_the_dose():
    # 6.4e9 with SD 2.1e9, as the trial reports it
    course = {"infusion": CIK, "dose": "6.4e9 cells", "schedule": "once", "cv_between_infusions": 2.1 / 6.4}
    doses = table_of(course, patients(N)).value
    assert close_to(doses, 6.4e9)
    assert close_to((doses - 6.4e9) ** 2, 2.1e9**2)


# --- manufacture ------------------------------------------------------------------
def made(people=None, start="0 day", schedule="4 x q1w", dose="1e9 cells", horizon=365.0, **manufacture):
    people = people or patients(N)
    table = table_of(
        {"infusion": CIK, "dose": dose, "schedule": schedule, "start": start, "manufacture": manufacture},
        people,
        horizon,
    )
    infusions = np.diff(table.offset)
    first = np.full(people.size, np.inf)
    first[infusions > 0] = table.time[table.offset[:-1][infusions > 0]]
    return table, infusions, first


def test_nothing_is_given_before_the_product_is_ready():
    table, infusions, first = made(culture=["14 day", "21 day"], logistics="2 day", start="5 day")
    assert np.all(infusions == 4)
    assert first.min() >= 5 + 2 + 14
    assert first.max() <= 5 + 2 + 21
    assert stats.kstest(first, stats.uniform(21, 7).cdf).pvalue > 1e-4
    np.testing.assert_allclose(np.diff(table.time.reshape(N, 4), axis=1), 7.0, rtol=0, atol=1e-9)


def test_failures_within_monte_carlo_error():
    _, infusions, _ = made(culture="14 day", failure_probability=0.2)
    assert set(infusions) == {0, 4}
    assert close_to((infusions == 0).astype(float), 0.2)


def test_another_attempt_after_a_failure_takes_another_culture():
    _, infusions, first = made(culture=["14 day", "21 day"], logistics="3 day", failure_probability=0.2, attempts=3)
    assert close_to((infusions == 0).astype(float), 0.2**3)
    once = first <= 24.0
    twice = (first >= 34.0) & (first <= 48.0)
    thrice = (first >= 51.0) & np.isfinite(first)
    assert np.all(once | twice | thrice | (infusions == 0))
    assert close_to(once.astype(float), 0.8)
    assert close_to(twice.astype(float), 0.2 * 0.8)
    assert stats.kstest(first[once], stats.uniform(17, 7).cdf).pvalue > 1e-4


def test_source_figures_of_the_gmp_protocol():
    # culture of 2-3 weeks, 0.80 of the products released, median of 30 days from enrolment to infusion
    _, infusions, first = made(culture=["14 day", "21 day"], logistics="12.5 day", failure_probability=0.2)
    assert close_to((infusions > 0).astype(float), 0.8)
    assert np.median(first[infusions > 0]) == pytest.approx(30.0, abs=0.15)


def test_an_infusion_that_would_come_after_the_end_is_not_given():
    _, infusions, _ = made(culture="20 day", schedule="q1w", horizon=40.0)
    assert np.all(infusions == 3)  # days 20, 27 and 34
    _, infusions, _ = made(culture="20 day", horizon=20.0)
    assert np.all(infusions == 0)


def test_the_harvest_scales_with_the_collected_lymphocytes_and_limits_the_dose():
    people = patients(4, weight=60.0, factor=[0.1, 0.5, 1.0, 2.0])
    harvest = {"collected": "1e7 cells", "expansion": 50}
    table, _, _ = made(people, schedule="once", dose="harvest", culture="14 day", harvest=harvest)
    assert table.value.tolist() == [5e7, 2.5e8, 5e8, 1e9]
    table, _, _ = made(people, schedule="once", dose="4e8 cells", culture="14 day", harvest=harvest)
    assert table.value.tolist() == [5e7, 2.5e8, 4e8, 4e8]


def test_a_harvest_below_the_threshold_is_not_released():
    people = patients(4, weight=[60.0, 60.0, 60.0, 130.0], factor=[0.1, 0.4, 1.0, 0.4])
    harvest = {"collected": "1e7 cells", "expansion": 50, "release_threshold": "2.5e6 cells/kg"}
    _, infusions, _ = made(people, schedule="once", dose="harvest", culture="14 day", harvest=harvest)
    assert infusions.tolist() == [
        0,
        1,
        1,
        0,
    ]  # needed: 1.5e8 at 60 kg and 3.25e8 at 130 kg; there are 5e7, 2e8, 5e8, 2e8


def test_release_by_expansion_follows_the_lognormal_law():
    cv, needed, mean = 0.8, 3.0e8, 5.0e8
    harvest = {"collected": "1e7 cells", "expansion": 50, "expansion_cv": cv, "release_threshold": "3e8 cells"}
    table, infusions, _ = made(schedule="once", dose="harvest", culture="14 day", harvest=harvest)
    sigma = math.sqrt(math.log1p(cv**2))
    law = stats.lognorm(sigma, scale=mean * math.exp(-(sigma**2) / 2))
    assert close_to((infusions > 0).astype(float), law.sf(needed))
    assert table.value.min() >= needed
    tail = stats.kstest(table.value, lambda x: (law.cdf(x) - law.cdf(needed)) / law.sf(needed))
    assert tail.pvalue > 1e-4
    _, twice, _ = made(schedule="once", dose="harvest", culture="14 day", harvest=harvest, attempts=2)
    assert close_to((twice > 0).astype(float), 1 - law.cdf(needed) ** 2)
