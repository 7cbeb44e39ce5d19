"""The plan that `check` prints, and the starters that `init` writes."""

import json
import math

import pytest

from tumorsim import run, starter
from tumorsim.plan import (
    FEWEST_IN_BLOCK,
    MONTH,
    MOST_IN_BLOCK,
    PlanError,
    block_size,
    check_memory,
    plan,
    plan_text,
)
from tumorsim.scenario import load


def study(tmp_path, setting="adjuvant", *overrides, **options):
    path = tmp_path / "study.yaml"
    path.write_text(starter.text("study", setting))
    return load(path, overrides, **options)


def test_the_plan_counts_what_the_scenario_says(tmp_path):
    planned = plan(study(tmp_path, patients=100), threads=2)
    assert json.loads(json.dumps(planned, allow_nan=False)) == planned
    assert [arm["name"] for arm in planned["arms"]] == ["control", "cik"]
    assert planned["arms"][0]["treatments"] == []
    (cik,) = planned["arms"][1]["treatments"]
    assert (cik["kind"], cik["name"], cik["doses"], cik["unit"]) == ("infusion", "cik", 16, "cells")
    assert cik["total"] == 16 * 6.4e9
    assert planned["follow_up"] == {"shortest": 108.0, "longest": 138.0}
    # every 3 months for 2 years, then every 6 until month 138
    assert planned["visits"] == 8 + (138 - 24) // 6
    assert planned["patient_years"] == pytest.approx(2 * 100 * 123 / 12)


def test_the_estimate_grows_with_the_work(tmp_path):
    scenario = study(tmp_path)
    few, many = plan(study(tmp_path, patients=100), 1), plan(study(tmp_path, patients=10_000), 1)
    assert many["patient_years"] == pytest.approx(100 * few["patient_years"])
    assert many["seconds"] > few["seconds"]
    assert plan(scenario, 4)["seconds"] < plan(scenario, 1)["seconds"]
    assert 10 * few["bytes"] < many["bytes"] < 100 * few["bytes"]


def test_randomised_patients_enter_one_arm(tmp_path):
    twins = plan(study(tmp_path))
    randomised = plan(study(tmp_path, "adjuvant", "trial.allocation=randomised"))
    assert twins["patient_years"] == 2 * randomised["patient_years"]
    assert "randomised to one arm each" in plan_text(randomised)


def test_the_size_counts_every_declared_array(tmp_path):
    from tumorsim.variables import VARIABLES

    small = plan(study(tmp_path, "adjuvant", "output.traced_patients=0", patients=1))
    per_patient = sum(
        {("patient",): 1, ("arm", "patient"): 2}.get(v.dims, 2 * (small["visits"] + 1) if "visit" in v.dims else 0)
        for v in VARIABLES
    )
    assert small["bytes"] == 8 * per_patient


def test_doses_that_manufacture_decides_have_no_total(tmp_path):
    treatment = (
        "{infusion: cik, dose: harvest, schedule: 4 x q2w, "
        "manufacture: {culture: 14 d, harvest: {collected: 1e8 cells, expansion: 60}}}"
    )
    planned = plan(study(tmp_path, "adjuvant", f"arms.1.treatments=[{treatment}]"))
    assert planned["arms"][1]["treatments"][0]["total"] is None
    assert "(at most 4 infusions)" in plan_text(planned)


def test_the_text_reads_well(tmp_path):
    text = plan_text(plan(study(tmp_path, patients=226), threads=1))
    assert "226 virtual patients, each in every arm, seed 1" in text
    assert "108 to 138 months, 27 visits at most" in text
    assert "(at most 16 infusions, 1.02e+11 cells)" in text
    assert "    - nothing" in text
    assert max(len(line) for line in text.splitlines()) < 200


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_starters_load_and_explain_themselves(tmp_path, setting):
    text = starter.text("study", setting)
    assert text.startswith("# yaml-language-server: $schema=")
    assert text.count("#") > 15
    scenario = study(tmp_path, setting)
    assert scenario.population.setting == setting
    assert len(scenario.arms) == 2
    assert scenario.trial.cutoff > 2 * MONTH


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my_trial", "my_trial"),
        ("My Trial (v2)", "my_trial_v2"),
        ("Ω", "my_trial"),
        ("x" * 100, "x" * 64),
        ("_a-", "a"),
    ],
)
def test_a_starter_takes_any_file_name(tmp_path, name, expected):
    path = tmp_path / "study.yaml"
    path.write_text(starter.text(name))
    assert load(path).name == expected


def test_blocks_suit_the_machine_and_cost_little_when_killed(tmp_path, monkeypatch):
    scenario = study(tmp_path, patients=1_000_000)
    assert block_size(scenario) <= MOST_IN_BLOCK
    monkeypatch.setattr("tumorsim.plan.machine_memory", lambda: 1 << 30)
    assert FEWEST_IN_BLOCK < block_size(scenario) < MOST_IN_BLOCK
    monkeypatch.setattr("tumorsim.plan.machine_memory", lambda: 0.0)
    assert block_size(scenario) == FEWEST_IN_BLOCK
    monkeypatch.setattr("tumorsim.plan.machine_memory", lambda: math.inf)
    assert block_size(scenario) == MOST_IN_BLOCK


def test_a_million_patients_are_planned_below_two_gibibytes(tmp_path):
    planned = plan(study(tmp_path, patients=1_000_000))
    assert planned["memory"] < 2 << 30
    assert planned["memory"] > plan(study(tmp_path, patients=100_000))["memory"]
    text = plan_text(planned)
    assert "100 of 10,000 patients, each kept as soon as it is done" in text
    assert "GB of memory" in text
    assert "each kept" not in plan_text(plan(study(tmp_path, patients=10_000)))


def test_more_patients_than_the_memory_holds_are_refused_before_anything_is_simulated(tmp_path, monkeypatch):
    scenario = study(tmp_path, patients=1_000_000)
    check_memory(scenario, 10_000)
    monkeypatch.setattr("tumorsim.plan.machine_memory", lambda: 1e9)
    with pytest.raises(PlanError, match=r"1,000,000 patients in 2 arms need about .* GB .* this machine has 1 GB"):
        check_memory(scenario, 10_000)
    with pytest.raises(PlanError):
        run(scenario, out=tmp_path / "a.h5")
    assert not list(tmp_path.glob("a.h5*"))
