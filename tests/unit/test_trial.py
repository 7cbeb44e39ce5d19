"""A whole small trial: arrays, allocation, protocol rules and failures."""

from __future__ import annotations

import numpy as np
import pytest

from tumorsim.api import simulate, study_of
from tumorsim.kernels.layout import OUTCOME_NAMES, TRACE_NAMES, VISIT_NAMES
from tumorsim.scenario import Scenario, load
from tumorsim.trial import SimulationError, failures_text, run_trial
from tumorsim.variables import TRAJECTORIES, VARIABLES, VISITS, TrialData

ADJUVANT, ADVANCED = "scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml"
N = 60


def scenario(path: str, *overrides: str, patients: int = N) -> Scenario:
    return load(path, overrides, patients)


@pytest.fixture(scope="module")
def adjuvant() -> TrialData:
    return simulate(scenario(ADJUVANT), threads=2)


@pytest.fixture(scope="module")
def advanced() -> TrialData:
    return simulate(scenario(ADVANCED), threads=2)


@pytest.mark.parametrize("name", ["adjuvant", "advanced"])
def test_every_declared_array_has_its_shape(name: str, request: pytest.FixtureRequest) -> None:
    data: TrialData = request.getfixturevalue(name)
    sizes = {"arm": 2, "patient": N, "visit": data["visit_time"].shape[2], "trace": 24, "time": data.time.size}
    for variable in VARIABLES:
        assert data[variable.name].shape == tuple(sizes[dim] for dim in variable.dims), variable.name
    assert (data["status"] == 0).all()


def test_the_kernel_and_the_declarations_name_the_same_columns() -> None:
    declared = {v.name for v in VARIABLES}
    assert set(OUTCOME_NAMES) <= declared
    assert set(VISIT_NAMES) == {v.name for v in VISITS}
    assert set(TRACE_NAMES) == {v.name for v in TRAJECTORIES}


def test_visits_happen_in_their_windows_and_end_with_death(adjuvant: TrialData) -> None:
    design = scenario(ADJUVANT).trial
    planned = design.visits.schedule.visits(design.horizon)
    time = adjuvant["visit_time"]
    happened = ~np.isnan(time)
    off = np.abs(time - planned)[happened]
    assert off.max() <= design.visits.jitter
    assert off.max() > 0.8 * design.visits.jitter
    death = np.where(np.isnan(adjuvant["death_time"]), np.inf, adjuvant["death_time"])
    assert (time[happened] <= np.broadcast_to(death[:, :, None], time.shape)[happened]).all()
    dead_before = np.broadcast_to(death[:, :, None], time.shape) < planned - design.visits.jitter
    assert not happened[dead_before].any()


def test_recurrence_is_the_first_visit_that_sees_a_lesion(adjuvant: TrialData) -> None:
    seen = adjuvant["lesions_seen"] > 0
    first = np.where(seen.any(axis=2), seen.argmax(axis=2), -1)
    expected = np.where(first >= 0, np.take_along_axis(adjuvant["visit_time"], first[:, :, None], 2)[:, :, 0], np.nan)
    np.testing.assert_array_equal(adjuvant["progression_time"], expected)


def test_infusions_stop_at_recurrence(adjuvant: TrialData) -> None:
    infusion = scenario(ADJUVANT).arm("cik").treatments[0]
    days = infusion.start + infusion.schedule.days(1000.0)
    ends = np.fmin(np.fmin(adjuvant["progression_time"][1], adjuvant["death_time"][1]), np.inf)
    expected = [(days < end).sum() for end in ends]
    np.testing.assert_array_equal(adjuvant["infusions"][1], expected)
    assert (adjuvant["infusions"][0] == 0).all()


def test_progression_follows_recist_from_the_recorded_sums(advanced: TrialData) -> None:
    """An independent reading of the visits gives the same first progression."""
    for arm in range(2):
        for i in range(N):
            sums, new = advanced["sum_diameters"][arm, i], advanced["new_lesion"][arm, i]
            time, nadir, found = advanced["visit_time"][arm, i], np.inf, np.nan
            for v in range(sums.size):
                if np.isnan(time[v]):
                    break
                if v > 0 and (new[v] == 1 or (sums[v] >= 1.2 * nadir and sums[v] - nadir >= 5.0)):
                    found = time[v]
                    break
                nadir = min(nadir, sums[v])
            np.testing.assert_equal(advanced["progression_time"][arm, i], found)


def test_arms_share_patients_and_luck(adjuvant: TrialData) -> None:
    other = adjuvant["death_cause"] == 3
    both = other[0] & other[1]
    assert both.any()
    # competing death has its own draw: it strikes the twins on the same day
    np.testing.assert_allclose(adjuvant["death_time"][0, both], adjuvant["death_time"][1, both], rtol=1e-9)


@pytest.mark.parametrize("patients", [100, pytest.param(400, marks=pytest.mark.slow)])
def test_randomised_patients_enter_one_arm(patients: int) -> None:
    allocation = ("trial.allocation=randomised", "trial.ratio=[1, 3]")
    data = simulate(scenario(ADJUVANT, *allocation, patients=patients), threads=2)
    assigned = data["assigned"]
    assert (assigned.sum(axis=0) == 1).all()
    assert abs(assigned[1].mean() - 0.75) < 4.0 * np.sqrt(0.75 * 0.25 / patients)
    absent = assigned == 0
    assert np.isnan(data["death_time"][absent]).all()
    assert (data["infusions"][absent] == 0).all()
    assert np.isnan(data["visit_time"][absent]).all()


def test_randomised_patients_have_the_bits_of_their_twins() -> None:
    twins = simulate(scenario(ADJUVANT), threads=1)
    split = simulate(scenario(ADJUVANT, "trial.allocation=randomised"), threads=1)
    here = split["assigned"] == 1
    for name in ("death_time", "progression_time", "cells_infused", "steps"):
        np.testing.assert_array_equal(twins[name][here], split[name][here])


@pytest.mark.parametrize("patients", [100, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.medium
def test_salvage_takes_its_shares(patients: int) -> None:
    """Half of the recurrences are treated with curative intent, to 4 standard errors; twins share their luck."""
    data = simulate(scenario(ADJUVANT, patients=patients), threads=2)
    recurred = ~np.isnan(data["progression_time"])
    kind = data["salvage"]
    # treated after the delay, unless death or cut-off came first
    cutoff = 138 * 30.4375 - data["enrolment_time"]
    last = np.fmin(data["death_time"], cutoff)
    treated = recurred & (data["progression_time"] + 30.0 < last)
    curative = (kind[treated] == 1).mean()
    assert abs(curative - 0.5) < 4.0 * np.sqrt(0.25 / treated.any(axis=0).sum())
    assert (kind[~recurred] == 0).all()
    none = simulate(scenario(ADJUVANT, "after_progression.curative_probability=0", patients=20), threads=2)
    assert not (none["salvage"] == 1).any()


def test_progress_counts_every_course() -> None:
    calls: list[tuple[int, int]] = []
    run_trial(study_of(scenario(ADJUVANT)), threads=2, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (2 * N, 2 * N)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_interruption_stops_soon_and_loses_the_run_cleanly() -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(study_of(scenario(ADJUVANT)), threads=2, progress=stop)


def test_a_failed_integration_is_reported_by_patient_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tumorsim.trial.MAX_STEPS", 2)
    with pytest.raises(SimulationError, match=r"patient \d+ of arm control: too many steps at day"):
        run_trial(study_of(scenario(ADJUVANT, "population.patients=3")), threads=1)
    monkeypatch.setattr("tumorsim.trial.MAX_STEPS", 400)
    told: list[str] = []
    data = simulate(scenario(ADJUVANT, "population.patients=10"), threads=1, notify=told.append)
    assert (data["status"] > 0).any()
    assert "integrations failed" in failures_text(data)
    assert any("too many steps" in line for line in told)
