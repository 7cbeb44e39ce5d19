"""Time-to-event end points, patient by patient, on hand-made trials."""

import dataclasses
import math

import numpy as np
import pytest

from toy_trial import make_trial
from tumorsim.endpoints import ENDPOINTS, endpoint, endpoints_of, observed_deaths, outcome, progressions
from tumorsim.endpoints.survival import follow_up, last_assessment
from tumorsim.params.targets import ENDPOINT_SETTINGS

NAN = math.nan
TUMOUR, LIVER, OTHER = 1, 2, 3


def trial(setting="adjuvant", **columns):
    """A one-arm trial of patients given by columns; visits every 100 d to the end of observation."""
    n = len(next(iter(columns.values())))
    given = {
        "censor_time": [1000.0] * n,
        "death_time": [NAN] * n,
        "death_cause": [0] * n,
        "progression_time": [NAN] * n,
        "mrecist_progression_time": [NAN] * n,
        "resistant_time": [NAN] * n,
        "resistant_regrowth_time": [NAN] * n,
        "failure_time": [NAN] * n,
        "assigned": [1] * n,
    } | columns
    arrays = {name: np.array([values]) for name, values in given.items()}
    visits = np.arange(1, 13) * 100.0
    stop = np.fmin(arrays["censor_time"], arrays["death_time"])[0]
    arrays["visit_time"] = np.where(visits <= stop[:, None], visits, NAN)[None]
    base = make_trial(n=n, arms=1, setting=setting)
    return dataclasses.replace(base, arrays=base.arrays | arrays)


def read(data, name, censoring="last_assessment"):
    found = outcome(data, name, 0, censoring)
    return found.time.tolist(), found.event.tolist(), found.included.tolist()


# recurrence then death; death alone; recurrence alone; nothing; recurrence and death after drop-out
FIVE = trial(
    censor_time=[1000.0, 1000.0, 1000.0, 950.0, 350.0],
    death_time=[800.0, 640.0, NAN, NAN, 700.0],
    death_cause=[TUMOUR, OTHER, 0, 0, TUMOUR],
    progression_time=[300.0, NAN, 500.0, NAN, 400.0],
)


def test_overall_survival():
    assert read(FIVE, "os") == ([800, 640, 1000, 950, 350], [1, 1, 0, 0, 0], [True] * 5)


def test_cancer_specific_survival_other_deaths_compete():
    assert read(FIVE, "css") == ([800, 640, 1000, 950, 350], [1, 2, 0, 0, 0], [True] * 5)


def test_recurrence_free_survival_censors_at_the_last_assessment():
    assert read(FIVE, "rfs") == ([300, 640, 500, 900, 300], [1, 1, 1, 0, 0], [True] * 5)


def test_the_alternative_censors_at_the_end_of_follow_up():
    assert read(FIVE, "rfs", "follow_up") == ([300, 640, 500, 950, 350], [1, 1, 1, 0, 0], [True] * 5)
    assert read(FIVE, "os", "follow_up") == read(FIVE, "os")


def test_time_to_recurrence_death_competes():
    assert read(FIVE, "ttr") == ([300, 640, 500, 900, 300], [1, 2, 1, 0, 0], [True] * 5)


def test_the_papers_time_to_recurrence_leaves_out_who_died_without_recurrence():
    assert read(FIVE, "ttr_paper")[2] == [True, False, True, True, True]
    analysed = outcome(FIVE, "ttr_paper", 0).analysed
    assert analysed[0].tolist() == [300, 500, 900, 300]
    assert analysed[1].tolist() == [1, 1, 0, 0]


def test_the_papers_exclusion_needs_a_death_within_follow_up():
    data = trial(censor_time=[350.0, 900.0], death_time=[700.0, 700.0], death_cause=[OTHER, OTHER])
    assert read(data, "ttr_paper")[2] == [True, False]


@pytest.mark.parametrize(
    ("rule", "column", "names"),
    [("", "progression_time", ("pfs", "ttp")), ("m", "mrecist_progression_time", ("pfs_mrecist", "ttp_mrecist"))],
)
def test_progression_end_points_read_their_own_criteria(rule, column, names):
    other = {"progression_time", "mrecist_progression_time"} - {column}
    columns = {column: [300.0, NAN], other.pop(): [100.0, 100.0]}
    data = trial("advanced", death_time=[NAN, 640.0], death_cause=[0, LIVER], **columns)
    assert read(data, names[0])[:2] == ([300, 640], [1, 1])
    assert read(data, names[1])[:2] == ([300, 640], [1, 2])


def test_an_event_at_the_very_end_of_follow_up_counts_and_a_later_one_does_not():
    data = trial(
        censor_time=[500.0, 499.0], death_time=[500.0, 500.0], death_cause=[TUMOUR] * 2, progression_time=[500.0] * 2
    )
    assert read(data, "os")[:2] == ([500, 499], [1, 0])
    assert read(data, "rfs")[:2] == ([500, 400], [1, 0])


def test_recurrence_and_death_on_one_day_is_a_recurrence():
    data = trial(death_time=[400.0], death_cause=[TUMOUR], progression_time=[400.0])
    assert read(data, "ttr")[:2] == ([400], [1])


def test_never_assessed_is_censored_at_randomisation():
    data = trial(censor_time=[60.0])
    assert read(data, "rfs")[:2] == ([0], [0])
    assert read(data, "os")[:2] == ([60], [0])


def test_a_failed_integration_ends_observation():
    data = trial(failure_time=[420.0], death_time=[600.0], death_cause=[OTHER], progression_time=[500.0])
    assert read(data, "rfs")[:2] == ([400], [0])
    assert read(data, "os")[:2] == ([420], [0])


def test_patients_of_another_arm_are_left_out():
    data = trial(assigned=[1, 0], death_time=[100.0, 100.0], death_cause=[OTHER] * 2)
    found = outcome(data, "os", 0)
    assert found.included.tolist() == [True, False]
    assert (found.n, found.events) == (1, 1)
    assert found.coded[1].tolist() == [1, -1]
    assert observed_deaths(data, 0).tolist() == [OTHER, 0]


def test_resistance_is_read_from_the_state_and_death_competes():
    data = trial(resistant_time=[250.0, 700.0, NAN], death_time=[NAN, 640.0, NAN], death_cause=[0, TUMOUR, 0])
    assert read(data, "resistance")[:2] == ([250, 640, 1000], [1, 2, 0])


def test_resistant_regrowth_is_read_from_the_state_and_death_competes():
    known = {"resistant_time": [1.0] * 5, "death_cause": [0, TUMOUR, 0, 0, 0]}
    data = trial(
        setting="advanced",
        resistant_regrowth_time=[250.0, 700.0, NAN, 1200.0, 1e-20],
        death_time=[NAN, 640.0, NAN, NAN, NAN],
        **known,
    )
    assert read(data, "resistant_regrowth")[:2] == ([250, 640, 1000, 1000, 1e-20], [1, 2, 0, 0, 1])
    with pytest.raises(ValueError, match="no end point of an adjuvant trial"):
        outcome(FIVE, "resistant_regrowth", 0)


def test_counts_are_those_seen():
    assert progressions(FIVE, 0).tolist() == [True, False, True, False, False]
    assert observed_deaths(FIVE, 0).tolist() == [TUMOUR, OTHER, 0, 0, 0]


def test_follow_up_and_last_assessment():
    end, included = follow_up(FIVE, 0)
    assert end.tolist() == [1000, 1000, 1000, 950, 350]
    assert included.all()
    assert last_assessment(FIVE, 0, np.full(5, 350.0)).tolist() == [300] * 5
    assert last_assessment(FIVE, 0, np.full(5, 300.0)).tolist() == [300] * 5  # a visit on the day itself counts
    assert last_assessment(FIVE, 0, np.full(5, 99.0)).tolist() == [0] * 5


def test_a_window_keeps_who_is_still_observed():
    found = outcome(FIVE, "rfs", 0).window(300.0, 600.0)
    assert found.included.tolist() == [False, True, True, True, False]
    assert found.time[found.included].tolist() == [600, 500, 600]
    assert found.event[found.included].tolist() == [0, 1, 0]
    at_the_end = outcome(FIVE, "rfs", 0).window(300.0, 500.0)
    assert at_the_end.event[at_the_end.included].tolist() == [0, 1, 0]  # an event at the end of a window is in it
    assert outcome(FIVE, "rfs", 0).window(0.0).included.all()


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
@pytest.mark.parametrize("allocation", ["twins", "randomised"])
def test_every_end_point_holds_its_promises_on_a_toy_trial(setting, allocation):
    data = make_trial(n=120, arms=3, setting=setting, seed=4, allocation=allocation)
    for declared in endpoints_of(setting):
        for arm in range(3):
            found = outcome(data, declared.name, arm)
            time, event = found.analysed
            assert np.isfinite(time).all()
            assert (time >= 0).all()
            assert (time <= data["censor_time"][arm][found.included]).all()
            assert set(event.tolist()) <= {0, 1, 2}
            assert found.n <= (120 if allocation == "twins" else 40)
            assert (found.included <= (data["assigned"][arm] == 1)).all()
            follow = outcome(data, declared.name, arm, "follow_up")
            assert (follow.time >= found.time).all()
            assert (follow.event == found.event).all()


def test_composite_end_points_are_ordered():
    data = make_trial(n=200, seed=9)
    for arm in range(2):
        rfs, ttr, os = (outcome(data, name, arm) for name in ("rfs", "ttr", "os"))
        assert rfs.events == ttr.events + int((ttr.event == 2).sum())
        assert (rfs.time[rfs.event == 1] <= os.time[rfs.event == 1]).all()


def test_declarations():
    assert tuple(declared.name for declared in ENDPOINTS) == tuple(ENDPOINT_SETTINGS)
    assert all(declared.settings and declared.description.endswith(".") for declared in ENDPOINTS)
    assert endpoint("rfs").label == "Recurrence-free survival"


def test_wrong_names_are_explained():
    data = make_trial(n=4)
    with pytest.raises(KeyError, match="'rsf' is no end point; known: os, css, rfs"):
        outcome(data, "rsf", 0)
    with pytest.raises(KeyError, match="'placebo' is no arm; the arms are control, cik"):
        outcome(data, "rfs", "placebo")
    with pytest.raises(ValueError, match="pfs is no end point of an adjuvant trial; those are os, css, rfs"):
        outcome(data, "pfs", 0)
    assert outcome(data, "rfs", "cik").n == 4


def test_times_that_a_rounding_error_keeps_apart_are_one():
    """Twins in two arms who die of the same cause: neither may go first by the last digit."""
    days = [272.2491493595261, 272.2491493595255, 272.2491513]
    found = outcome(trial(death_time=days, death_cause=[OTHER] * 3), "os", 0)
    assert found.time[0] == found.time[1] < found.time[2]
