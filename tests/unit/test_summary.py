"""The summary: its shape, its numbers, and its calm about what cannot be estimated."""

import dataclasses
import json

import numpy as np
import pytest

from toy_trial import make_trial
from tumorsim.endpoints import endpoints_of, outcome, response
from tumorsim.params.targets import Target
from tumorsim.statistics import hazard_ratio, kaplan_meier, median_monte_carlo_error, proportion
from tumorsim.summary import build

MONTH = 365.25 / 12
TARGET = Target(id="R-1", quantity="rfs.median", arm="cik", reported="44 month", n=114, kind="CAL", source="a paper")


def no_nan(text):
    raise AssertionError(f"{text} is no JSON")


def strict(summary):
    """Through JSON and back, NaN refused."""
    return json.loads(json.dumps(summary, allow_nan=False), parse_constant=no_nan)


@pytest.fixture(scope="module")
def adjuvant():
    data = make_trial(n=150, seed=1)
    return data, build(data, "toy", "A toy", 7, ["rfs", "os", "css", "ttr_paper"], [TARGET])


def test_shape_of_the_contract(adjuvant):
    _, summary = adjuvant
    assert strict(summary) == summary
    head = {key: summary[key] for key in ("scenario", "title", "seed", "patients", "allocation", "setting")}
    assert head == {
        "scenario": "toy", "title": "A toy", "seed": 7, "patients": 150, "allocation": "twins", "setting": "adjuvant",
    }  # fmt: skip
    assert set(summary) == {*head, "arms", "comparisons", "subgroups", "matching", "targets"}
    arm = summary["arms"][1]
    assert {
        "name",
        "label",
        "n",
        "endpoints",
        "deaths",
        "recurrences",
        "response",
        "infusions_mean",
        "cells_mean",
    } == set(arm)
    assert list(arm["endpoints"]) == ["rfs", "os", "css", "ttr_paper"]
    named = {"events", "median", "median_ci", "rmst", "rmst_ci", "rmst_horizon", "landmarks"}
    assert all(named <= set(found) for found in arm["endpoints"].values())
    assert {"time", "survival", "ci", "at_risk"} == set(arm["endpoints"]["rfs"]["landmarks"][0])
    assert [row["endpoint"] for row in summary["comparisons"]] == ["rfs", "os", "css", "ttr_paper"]
    assert {"endpoint", "arm", "reference", "hr", "ci", "mc_se", "p_logrank"} <= set(summary["comparisons"][0])
    assert [row["id"] for row in summary["targets"]] == ["R-1"]


def test_numbers_are_those_of_the_statistics_in_months(adjuvant):
    data, summary = adjuvant
    one, other = (outcome(data, "rfs", arm) for arm in (1, 0))
    curve = kaplan_meier(one.analysed[0] / MONTH, one.analysed[1])
    found = summary["arms"][1]["endpoints"]["rfs"]
    assert found["n"] == 150
    assert found["events"] == one.events
    assert found["median"] == curve.median
    assert found["median_ci"] == list(curve.median_interval())
    assert found["median_mc_se"] == pytest.approx(median_monte_carlo_error(one, 7) / MONTH)
    assert found["rmst"] == curve.restricted_mean(108.0).mean
    assert found["rmst_horizon"] == 108.0
    five_years = found["landmarks"][3]
    assert five_years["time"] == 60.0
    assert five_years["survival"] == curve.at(60.0)
    assert five_years["at_risk"] == curve.number_at_risk(60.0)
    ratio, row = hazard_ratio(one, other), summary["comparisons"][0]
    assert (row["arm"], row["reference"]) == ("cik", "control")
    assert row["hr"] == pytest.approx(ratio.hr, rel=1e-12)
    assert row["p_logrank"] == pytest.approx(ratio.p_logrank, rel=1e-9)
    assert row["mc_se"] == pytest.approx(ratio.hr * ratio.mc_se, rel=1e-9)  # on the scale of the hazard ratio
    assert row["mc_se_log_hr"] == pytest.approx(ratio.mc_se, rel=1e-9)
    assert row["mc_ci"] == pytest.approx(list(ratio.monte_carlo_interval()), rel=1e-9)
    assert [window["from"] for window in row["windows"]] == [0.0, 24.0, 60.0]
    assert row["windows"][2]["to"] is None
    assert sum(window["events"][0] for window in row["windows"]) == one.events


def test_counts_add_up(adjuvant):
    data, summary = adjuvant
    for arm, found in enumerate(summary["arms"]):
        assert sum(found["deaths"].values()) == outcome(data, "os", arm).events
        assert found["deaths"]["tumour"] == outcome(data, "css", arm).events
        assert found["recurrences"] == outcome(data, "ttr", arm).events
        died_without = outcome(data, "rfs", arm).events - found["recurrences"]
        assert found["endpoints"]["ttr_paper"]["n"] == 150 - died_without


def test_competing_events_bring_the_cumulative_incidence(adjuvant):
    _, summary = adjuvant
    mark = summary["arms"][0]["endpoints"]["css"]["landmarks"][3]
    assert mark["incidence_ci"][0] < mark["incidence"] < mark["incidence_ci"][1]
    assert mark["incidence"] <= 1 - mark["survival"]


def test_advanced_trials_show_responses_with_exact_intervals():
    data = make_trial(n=90, setting="advanced", seed=2)
    summary = strict(build(data, "toy", "A toy", 1))
    assert list(summary["arms"][0]["endpoints"]) == [declared.name for declared in endpoints_of("advanced")]
    for criteria in ("recist", "mrecist"):
        found, expected = summary["arms"][1]["response"][criteria], response(data, 1, criteria)
        assert sum(found[name] for name in ("CR", "PR", "SD", "PD", "NE")) == 90
        assert found["dcr_best"] == (found["CR"] + found["PR"] + found["SD"]) / 90
        assert found["dcr_best_ci"] == list(proportion(int(expected.controlled.sum()), 90).ci)
        assert found["dcr_confirmed"] == expected.confirmed.mean()
        assert found["orr"] == (found["CR"] + found["PR"]) / 90


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("allocation", ["twins", "randomised"])
def test_a_handful_of_patients(setting, n, allocation):
    strict(build(make_trial(n=n, setting=setting, allocation=allocation), "toy", "A toy", 1))


def test_nobody_has_an_event():
    data = make_trial(n=20)
    nothing = {name: np.full((2, 20), np.nan) for name in ("death_time", "progression_time", "resistant_time")}
    quiet = dataclasses.replace(data, arrays=data.arrays | nothing | {"death_cause": np.zeros((2, 20), np.int8)})
    summary = strict(build(quiet, "toy", "A toy", 1))
    row = summary["comparisons"][0]
    assert (row["hr"], row["mc_se"], row["p_logrank"]) == (None, None, None)
    assert row["reason"] == "no events in either arm"
    found = summary["arms"][0]["endpoints"]["os"]
    assert (found["events"], found["median"], found["median_ci"]) == (0, None, [None, None])
    assert found["landmarks"][0]["survival"] == 1.0


def test_the_horizon_of_restricted_means_is_as_far_as_every_arm_was_observed():
    data = make_trial(n=60)
    early = data["censor_time"].copy()
    early[1] = np.minimum(early[1], 50 * MONTH)
    summary = build(dataclasses.replace(data, arrays=data.arrays | {"censor_time": early}), "toy", "A toy", 1, ["os"])
    found = [arm["endpoints"]["os"] for arm in summary["arms"]]
    assert [one["rmst_horizon"] for one in found] == [50.0, 50.0]
    assert summary["comparisons"][0]["rmst_difference"] == pytest.approx(found[1]["rmst"] - found[0]["rmst"])


def test_one_arm_has_no_comparisons():
    assert build(make_trial(n=10, arms=1), "toy", "A toy", 1)["comparisons"] == []


def test_same_seed_same_summary():
    data = make_trial(n=60)
    assert build(data, "toy", "A toy", 1, ["rfs"], [TARGET]) == build(data, "toy", "A toy", 1, ["rfs"], [TARGET])


def test_wrong_end_points_are_explained():
    with pytest.raises(ValueError, match="pfs is no end point of an adjuvant trial"):
        build(make_trial(n=5), "toy", "A toy", 1, ["pfs"])
