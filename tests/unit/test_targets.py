"""Targets: their grammar, their checks, and what is set beside them."""

import dataclasses
import json
import math

import numpy as np
import pytest
from pydantic import ValidationError

from toy_trial import make_trial
from tumorsim.endpoints import observed_deaths, outcome, response
from tumorsim.params.targets import ENDPOINT_STATISTICS, OTHER_QUANTITIES, Target, read_quantity, target_problems
from tumorsim.statistics import crude_survival, cumulative_incidence, event_rate, hazard_ratio, kaplan_meier
from tumorsim.statistics.resampling import rare_count_limit
from tumorsim.targets import evaluate_targets

MONTH = 365.25 / 12


def target(**keys):
    return Target(**({"id": "R-1", "kind": "CAL", "source": "a paper"} | keys))


MEDIAN = {"quantity": "rfs.median", "arm": "cik", "reported": "44 month", "n": 114}
RATIO = {"quantity": "rfs.hr", "arm": "cik", "reported": 0.72, "n": [114, 112]}


def message(**keys):
    with pytest.raises(ValidationError) as caught:
        target(**keys)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"].removeprefix("Value error, ")


# --- the block -----------------------------------------------------------------


def test_values_are_internal_and_written_text_reads_back():
    read = target(**MEDIAN, tolerance="8 month", reported_ci=["30 month", "5 y"])
    assert read.reported == 44 * MONTH
    assert read.tolerance == 8 * MONTH
    assert read.reported_ci == (30 * MONTH, 5 * 365.25)
    assert read.n == (114,)
    written = read.model_dump(mode="json")
    assert written["reported"] == "1339.25 day"
    assert Target(**json.loads(json.dumps(written))) == read


def test_fractions_rates_and_counts():
    assert target(quantity="rfs.crude_survival(9 y)", arm="cik", reported="25.4 %", n=114).reported == 0.254
    assert target(quantity="deaths", arm="cik", reported=28, n=114).reported == 28.0
    assert target(quantity="os.rate", reported="0.018 1/y", n=[114, 112]).reported == pytest.approx(0.018 / 365.25)
    assert target(quantity="os.rmst_difference(5 y)", arm="cik", reported="-2 month").reported == -2 * MONTH


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("rfs.crude_survival(9 y)", (9 * 365.25,)),
        ("rfs.hr", ()),
        ("rfs.hr(24 month)", (24 * MONTH,)),
        ("rfs.hr( 0 month , 24 month )", (0.0, 24 * MONTH)),
        ("response.mrecist.dcr_best", ()),
    ],
)
def test_quantities_are_read(text, times):
    assert read_quantity(text).times == pytest.approx(times)


@pytest.mark.parametrize(
    ("keys", "place", "said"),
    [
        (MEDIAN | {"quantity": "rfs.medain"}, "quantity", 'did you mean "median"?'),
        (MEDIAN | {"quantity": "rsf.median"}, "quantity", 'did you mean "rfs.median"?'),
        (MEDIAN | {"quantity": "rfs"}, "quantity", "has no statistic; rfs takes median"),
        (MEDIAN | {"quantity": "__import__('os')"}, "quantity", '"__import__" is unknown'),
        (MEDIAN | {"quantity": "a" * 5000}, "quantity", "is not a quantity"),
        (MEDIAN | {"quantity": "rfs.crude_survival"}, "quantity", 'takes one time, e.g. "rfs.crude_survival(5 y)"'),
        (MEDIAN | {"quantity": "rfs.median(5 y)"}, "quantity", "takes no time"),
        (MEDIAN | {"quantity": "rfs.hr(1 y, 2 y, 3 y)"}, "quantity", "takes a window or nothing"),
        (MEDIAN | {"quantity": "rfs.km_survival(9)"}, "quantity", '"9" has no unit'),
        (MEDIAN | {"quantity": "rfs.km_survival(0 y)"}, "quantity", "a time must be > 0"),
        (MEDIAN | {"quantity": "rfs.hr(5 y, 2 y)"}, "quantity", "must end after it begins"),
        (MEDIAN | {"quantity": "response.recist.dcr"}, "quantity", 'did you mean "response.recist.cr"?'),
        (MEDIAN | {"reported": 44}, "reported", "44 has no unit"),
        (MEDIAN | {"reported": "44 mg"}, "reported", '"44 mg"'),
        (MEDIAN | {"reported": "-4 month"}, "reported", "must not be negative"),
        (MEDIAN | {"tolerance": 8}, "tolerance", "8 has no unit"),
        (MEDIAN | {"reported_ci": ["5 y", "3 y"]}, "reported_ci", "must not exceed the second"),
        (MEDIAN | {"reported_ci": "5 y"}, "reported_ci", "must be two values"),
        (MEDIAN | {"reported_range": ["5 y"]}, "reported_range", "must be two values"),
        (MEDIAN | {"quantity": "rfs.km_survival(9 y)", "reported": 25.4}, "reported", "a percentage carries its sign"),
        (MEDIAN | {"n": [114, 112]}, "", "concerns one arm, write one number, e.g. 114"),
        (MEDIAN | {"n": 0}, "n.0", "greater than or equal to 1"),
        (MEDIAN | {"arm": None}, "", 'rfs.median needs an arm, e.g. "arm: cik"'),
        (MEDIAN | {"reference": "control"}, "", "concerns no reference arm"),
        (RATIO | {"n": 226}, "", "compares two arms"),
        (RATIO | {"reference": "cik"}, "", "must be two arms"),
        (RATIO | {"reported": 0}, "", "a hazard ratio must be > 0"),
        (RATIO | {"quantity": "rfs.hr(2 y)", "reported": 0}, "", "a hazard ratio must be > 0"),
        (RATIO | {"reported_ci": [0.75, 0.97]}, "", "reported_ci: the reported value must lie inside it"),
        (RATIO | {"reported_range": [0.5, 0.7]}, "", "reported_range: the reported value must lie inside it"),
        (RATIO | {"quantity": "deaths", "n": None}, "", "is a count; write the number of patients"),
        (RATIO | {"kind": "FIT"}, "kind", "'CAL', 'SOFT', 'CON', 'IN' or 'Q'"),
        (RATIO | {"id": "R 1"}, "id", "should match pattern"),
        (RATIO | {"wieght": "low"}, "wieght", "Extra inputs"),
    ],
)
def test_slips_are_explained_once(keys, place, said):
    where, text = message(**keys)
    assert where == place
    assert said in text


def test_targets_against_their_scenario():
    arms = ("control", "cik")
    targets = [
        target(**MEDIAN),
        target(**(MEDIAN | {"arm": "cki"})),
        target(**(RATIO | {"arm": "control"})),
        target(**MEDIAN),
        target(**(MEDIAN | {"quantity": "pfs.median"})),
        target(quantity="deaths", reported=67, n=[1, 2, 3]),
        target(**(RATIO | {"id": "R-3", "arm": "control", "reference": "cik"})),
    ]
    found = target_problems(targets, arms, "adjuvant")
    assert [(i, key) for i, key, _ in found] == [(1, "arm"), (2, "arm"), (3, "id"), (4, "quantity"), (5, "n")]
    assert 'did you mean "cik"?' in found[0][2]
    assert "is the reference; compare another arm with it: cik" in found[1][2]
    assert "targets[0]" in found[2][2]
    assert "no adjuvant end point; those are os, css, rfs" in found[3][2]
    assert target_problems(targets[:1], arms, "adjuvant") == []


def test_reading_the_grammar_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from tumorsim.params.targets import Target;"
        "Target(id='a', quantity='rfs.crude_survival(9 y)', arm='x', reported='25 %', kind='CAL', source='s');"
        "print([m for m in ('numba','scipy','pandas','matplotlib','statsmodels','pint') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# --- evaluation ----------------------------------------------------------------


def evaluate(data, **keys):
    resamples = keys.pop("resamples", 200)
    (row,) = evaluate_targets([target(**keys)], data, 1, resamples=resamples)
    return row


@pytest.fixture(scope="module")
def adjuvant():
    return make_trial(n=240, seed=3)


@pytest.fixture(scope="module")
def advanced():
    return make_trial(n=200, seed=3, setting="advanced")


def test_every_quantity_can_be_evaluated(adjuvant, advanced):
    for setting, data in (("adjuvant", adjuvant), ("advanced", advanced)):
        biomarkers = ("resistance", "resistant_regrowth")
        subjects = ("rfs", "ttr_paper") if setting == "adjuvant" else ("pfs_mrecist", *biomarkers)
        names = [f"{one}.{statistic}" for one in subjects for statistic in ENDPOINT_STATISTICS]
        names += [name for name in OTHER_QUANTITIES if setting == "advanced" or not name.startswith("response")]
        names.remove("matching.pairs")  # of a matched analysis: test_observational.py
        for name in names:
            rule = read_quantity_rule(name)
            text = f"{name}(12 month)" if rule.times[0] else name
            values = {"duration": "10 month", "rate": "0.1 1/y", "cells": "1e9 cells", "length": "2 cm"}
            value = values.get(rule.dimension, 0.5)
            n = [90, 80] if rule.scope == "comparison" else 90
            row = evaluate(data, quantity=text, arm=data.arms[1], reported=value, n=n)
            assert row["simulated"] is not None, text
            low, high = row["interval"]
            assert low <= row["simulated"], text
            assert high is None or high >= row["simulated"], text
            json.dumps(row, allow_nan=False)


def read_quantity_rule(name):
    return OTHER_QUANTITIES.get(name) or ENDPOINT_STATISTICS[name.partition(".")[2]]


def test_simulated_values_are_those_of_the_statistics(adjuvant):
    one, other = (outcome(adjuvant, "rfs", arm) for arm in ("cik", "control"))
    time, event = one.analysed
    year = 365.25
    cases = {
        "rfs.median": (kaplan_meier(time, event).median / MONTH, "44 month"),
        "rfs.km_survival(5 y)": (kaplan_meier(time, event).at(5 * year), 0.5),
        "rfs.rmst(5 y)": (kaplan_meier(time, event).restricted_mean(5 * year).mean / MONTH, "44 month"),
        "rfs.crude_survival(9 y)": (crude_survival(time, event, 9 * year).value, 0.5),
        "rfs.rate": (event_rate(time, event).rate * year, "0.1 1/y"),
        "css.cumulative_incidence(5 y)": (
            cumulative_incidence(*outcome(adjuvant, "css", 1).analysed).at(5 * year),
            0.1,
        ),
        "infusions.mean": (float(adjuvant["infusions"][1].mean()), 10),
        "cells.mean": (float(adjuvant["cells_infused"][1].mean()), "1e10 cells"),
        "follow_up.median": (float(np.median(outcome(adjuvant, "os", 1).time)) / MONTH, "118 month"),
        "deaths.other_fraction": (
            float((observed_deaths(adjuvant, 1) > 1).sum() / (observed_deaths(adjuvant, 1) > 0).sum()),
            0.5,
        ),
    }
    for text, (expected, reported) in cases.items():
        row = evaluate(adjuvant, quantity=text, arm="cik", reported=reported, n=114)
        assert row["simulated"] == pytest.approx(expected, rel=1e-12), text
    ratio = evaluate(adjuvant, **RATIO)
    assert ratio["simulated"] == pytest.approx(hazard_ratio(one, other).hr, rel=1e-12)
    late = evaluate(adjuvant, **(RATIO | {"quantity": "rfs.hr(24 month)"}))
    assert late["simulated"] == pytest.approx(
        hazard_ratio(one.window(24 * MONTH), other.window(24 * MONTH)).hr, rel=1e-12
    )


def test_responses_are_those_of_the_end_point(advanced):
    found = response(advanced, 1, "mrecist")
    expected = {
        "dcr_best": found.controlled,
        "dcr_confirmed": found.confirmed,
        "orr": found.responded,
        "pd": found.best == 4,
    }
    for name, hit in expected.items():
        row = evaluate(advanced, quantity=f"response.mrecist.{name}", arm="combination", reported=0.5, n=60)
        assert row["simulated"] == hit.mean()


def test_counts_scale_to_the_size_of_the_study(adjuvant):
    deaths = int((observed_deaths(adjuvant, 1) > 0).sum())
    row = evaluate(adjuvant, quantity="deaths", arm="cik", reported=28, n=114)
    assert row["simulated"] == pytest.approx(deaths * 114 / 240)
    assert row["unit"] == "patient"
    assert row["interval"][1] <= 114
    both = evaluate(adjuvant, quantity="deaths", reported=67, n=[112, 114])
    control = int((observed_deaths(adjuvant, 0) > 0).sum())
    assert both["simulated"] == pytest.approx(deaths * 114 / 240 + control * 112 / 240)


def test_the_interval_of_a_count_is_about_binomial(adjuvant):
    share = (observed_deaths(adjuvant, 1) > 0).mean()
    low, high = evaluate(adjuvant, quantity="deaths", arm="cik", reported=28, n=114, resamples=2000)["interval"]
    sd = math.sqrt(share * (1 - share) * 114 * (1 + 114 / 240))
    assert high - low == pytest.approx(2 * 1.645 * sd, rel=0.12)


def test_within_and_tolerance(adjuvant):
    row = evaluate(adjuvant, **MEDIAN)
    value, (low, high) = row["simulated"], row["interval"]
    assert row["within_tolerance"] is None
    for reported in (low, high):
        assert evaluate(adjuvant, **(MEDIAN | {"reported": f"{reported!r} month"}))["within"] is True
    for reported in (low - 0.01, high + 0.01):
        assert evaluate(adjuvant, **(MEDIAN | {"reported": f"{reported!r} month"}))["within"] is False
    near = MEDIAN | {"reported": f"{value + 5!r} month"}
    assert evaluate(adjuvant, **near, tolerance="5.01 month")["within_tolerance"] is True
    assert evaluate(adjuvant, **near, tolerance="4.99 month")["within_tolerance"] is False


def test_a_reported_range(adjuvant):
    row = evaluate(adjuvant, **MEDIAN)
    value, (_, high) = row["simulated"], row["interval"]

    def ranged(start, stop):
        reported = {
            "reported": f"{(start + stop) / 2!r} month",
            "reported_range": [f"{start!r} month", f"{stop!r} month"],
        }
        return evaluate(adjuvant, **(MEDIAN | reported))

    assert (ranged(high - 1, high + 9)["within"], ranged(high - 1, high + 9)["within_tolerance"]) == (True, False)
    assert ranged(high + 1, high + 9)["within"] is False
    assert ranged(value - 1, value + 1)["within_tolerance"] is True
    assert ranged(value - 1, value + 1)["reported_range"] == pytest.approx([value - 1, value + 1])


def test_without_the_size_of_the_study_there_is_no_interval(adjuvant):
    row = evaluate(adjuvant, **(MEDIAN | {"n": None}), tolerance="1000 month")
    assert row["interval"] is None
    assert row["within"] is None
    assert row["within_tolerance"] is True


def test_what_nobody_or_everybody_showed_keeps_an_interval(advanced):
    """Redrawing 200 patients without a complete response never shows one; a study might."""
    code = np.where(advanced["response_recist"] == 1, 2, advanced["response_recist"])
    partial = dataclasses.replace(advanced, arrays=advanced.arrays | {"response_recist": code})
    row = evaluate(partial, quantity="response.recist.cr", arm="combination", reported="2 %", n=299)
    assert row["simulated"] == 0.0
    assert row["interval"] == [0.0, rare_count_limit(200, 299) / 299]
    always = evaluate(advanced, quantity="os.crude_survival(1 day)", arm="combination", reported="99 %", n=100)
    assert always["interval"] == [1.0 - rare_count_limit(200, 100) / 100, 1.0]
    never = evaluate(advanced, quantity="os.crude_survival(20 y)", arm="combination", reported="0 %", n=100)
    assert never["interval"][0] < never["interval"][1]


def test_a_count_nobody_showed(adjuvant):
    alive = {"death_time": np.full((2, 240), np.nan), "death_cause": np.zeros((2, 240))}
    data = dataclasses.replace(adjuvant, arrays=adjuvant.arrays | alive)
    row = evaluate(data, quantity="deaths", arm="cik", reported=1, n=114)
    assert row["interval"] == [0.0, rare_count_limit(240, 114)]
    assert row["within"] is True


def test_a_median_not_reached_is_open():
    data = make_trial(n=240, effect=0.27, seed=1)
    row = evaluate(data, **(MEDIAN | {"reported": "500 month"}))
    assert row["interval"][0] > 24
    assert row["interval"][1] is None
    assert row["within"] is True  # beyond the lower end, and the upper end is open
    assert evaluate(data, **(MEDIAN | {"reported": "24 month"}))["within"] is False
    never = evaluate(data, quantity="css.median", arm="cik", reported="100 month", n=114)
    assert (never["simulated"], never["interval"], never["within"]) == (None, [None, None], False)


def test_rows_are_reproducible_and_independent_of_their_neighbours(adjuvant):
    targets = [target(**MEDIAN), target(**RATIO), target(quantity="deaths", arm="cik", reported=28, n=114)]
    together = evaluate_targets(targets, adjuvant, 5, resamples=300)
    apart = [evaluate_targets([one], adjuvant, 5, resamples=300)[0] for one in reversed(targets)]
    assert together == apart[::-1]
    assert evaluate_targets(targets, adjuvant, 6, resamples=300) != together


def test_a_seed_of_sixty_four_bits(adjuvant):
    assert evaluate_targets([target(**RATIO)], adjuvant, 2**64 - 1, resamples=20)[0]["interval"][0] > 0


def test_arms_that_do_not_exist_and_arms_without_patients(adjuvant):
    with pytest.raises(ValueError, match="R-1: 'cki' is no arm; the arms are control, cik"):
        evaluate(adjuvant, **(MEDIAN | {"arm": "cki"}))
    with pytest.raises(ValueError, match="is the reference"):
        evaluate(adjuvant, **(RATIO | {"arm": "control"}))
    empty = make_trial(n=1, allocation="randomised")
    row = evaluate(empty, **MEDIAN)
    assert (row["simulated"], row["interval"], row["within"]) == (None, None, None)


def test_the_reference_can_be_named():
    data = make_trial(n=100, arms=3, effect=0.5)
    row = evaluate(data, **(RATIO | {"reference": "cik_high"}))
    pair = [outcome(data, "rfs", arm) for arm in ("cik", "cik_high")]
    assert row["simulated"] == pytest.approx(hazard_ratio(*pair).hr)


def test_randomised_arms_are_read_from_their_own_patients():
    data = make_trial(n=200, allocation="randomised", seed=2)
    row = evaluate(data, **RATIO)
    pair = [outcome(data, "rfs", arm) for arm in ("cik", "control")]
    assert row["simulated"] == pytest.approx(hazard_ratio(*pair).hr)
    assert row["interval"][0] < row["simulated"] < row["interval"][1]
