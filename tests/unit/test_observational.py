"""An observational cohort: who is treated, who is counted as treated, and the matched analysis."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toy_trial import make_trial
from tumorsim import summary
from tumorsim.api import simulate
from tumorsim.cohort.assignment import TERMS, meant_for_treatment, probabilities, terms
from tumorsim.cohort.covariates import covariates
from tumorsim.endpoints import outcome
from tumorsim.params.design import COVARIATE_LABELS, Assignment, LogOdds, Matching
from tumorsim.params.subgroups import read_subgroup
from tumorsim.params.targets import Target
from tumorsim.plan import plan, plan_text
from tumorsim.scenario import Scenario, load, read_resolved
from tumorsim.statistics import hazard_ratio
from tumorsim.statistics.matching import match_pairs, propensity_logit
from tumorsim.statistics.observational import MatchedSampler, matched, restricted
from tumorsim.statistics.subgroups import subgroup_effects
from tumorsim.targets import Reader, evaluate_targets
from tumorsim.variables import PATIENTS, TRAJECTORIES, VISITS, TrialData

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

RWD = "scenarios/hcc_adjuvant_cik_rwd.yaml"
N = 120
MATCHING = Matching(covariates=("multiple_tumours", "diameter", "cirrhosis"))
# a long wait, so that some recur before it ends
WAIT = "arms.cik.treatments.0.manufacture.culture=[14 day, 200 day]"
EARLY = "disease.burden.residual_deposits=3"  # so that many recur while they wait


def cohort(n: int = 400, seed: int = 0, **log_odds: float) -> TrialData:
    """A toy trial whose arms are chosen by covariates instead of in turn."""
    data = make_trial(n=n, seed=seed, allocation="randomised")
    chance = terms(data.arrays, list(log_odds)) @ np.array(list(log_odds.values()))
    chance = 1.0 / (1.0 + np.exp(-(chance - np.median(chance))))
    treated = np.random.default_rng(seed + 1).random(n) < chance
    arrays = {**data.arrays, "assigned": np.stack([~treated, treated]).astype(np.int8)}
    return replace(data, arrays=arrays, allocation="observational")


def target(**keys: object) -> Target:
    return Target.model_validate({"id": "W-8", "kind": "SOFT", "source": "a paper", **keys})


# who is meant for treatment


@pytest.fixture(scope="module")
def shipped() -> Scenario:
    return load(RWD, [WAIT, EARLY], N)


def known_of(scenario: Scenario, n: int = 20_000, seed: int = 77) -> dict[str, np.ndarray]:
    return covariates(scenario.population, np.arange(n), seed)


@pytest.mark.parametrize("share", [0.05, 0.44, 0.9])
def test_the_share_is_kept_whatever_the_choice_depends_on(shipped, share):
    assignment = Assignment(arm="cik", share=share, log_odds=LogOdds(diameter=1.5, cirrhosis=-2.0, age=0.3))
    found = probabilities(shipped.population, assignment, known_of(shipped))
    assert found.mean() == pytest.approx(share, abs=0.01)
    assert found.std() > 0.03


def test_log_odds_are_differences_of_the_logit():
    assert set(LogOdds.model_fields) == set(TERMS) == set(COVARIATE_LABELS)
    scenario = load(RWD)
    known = {name: values[:2].copy() for name, values in known_of(scenario, 10).items()}
    steps = {"multiple_tumours": ("index_number", (1, 3)), "diameter": ("index_diameter", (20.0, 30.0)),
             "cirrhosis": ("cirrhosis", (0, 1)), "hbv": ("hbv", (0, 1)), "platelets": ("platelets", (100.0, 150.0)),
             "age": ("age", (50.0, 60.0)), "male": ("male", (0, 1)), "ablation": ("modality", (1, 3))}  # fmt: skip
    assert set(steps) == set(TERMS)
    for name, (column, pair) in steps.items():
        two = {key: np.full(2, values[0]) for key, values in known.items()} | {column: np.array(pair)}
        p = probabilities(scenario.population, Assignment(arm="cik", share=0.4, log_odds={name: 0.7}), two)
        logit = np.log(p / (1.0 - p))
        assert logit[1] - logit[0] == pytest.approx(0.7), name


def test_without_log_odds_the_choice_is_by_lot(shipped):
    p = probabilities(shipped.population, Assignment(arm="cik", share=0.3), known_of(shipped, 50))
    np.testing.assert_allclose(p, 0.3, rtol=1e-12)


def test_a_patient_is_meant_for_an_arm_whoever_else_is_simulated(shipped):
    assignment, numbers = shipped.trial.assignment, np.array([7, 3, 90, 41])
    whole = meant_for_treatment(shipped.population, assignment, known_of(shipped, 100, 5), np.arange(100), 5)
    known = covariates(shipped.population, numbers, 5)
    np.testing.assert_array_equal(
        meant_for_treatment(shipped.population, assignment, known, numbers, 5), whole[numbers]
    )
    assert 10 < whole.sum() < 80


def test_the_arms_of_the_shipped_cohort_have_the_reported_tumours():
    """W-2 and W-3: 26.3 and 6.1 % multiple, 2.5 and 2.0 cm. Those who are never treated are too few to matter."""
    scenario = load(RWD)
    known = known_of(scenario, 40_000)
    numbers = np.arange(40_000)
    meant = meant_for_treatment(scenario.population, scenario.trial.assignment, known, numbers, 77)
    multiple, diameter = known["index_number"] > 1, known["index_diameter"] / 10.0
    assert multiple[meant].mean() == pytest.approx(0.263, abs=0.02)
    assert multiple[~meant].mean() == pytest.approx(0.061, abs=0.02)
    assert np.median(diameter[meant]) == pytest.approx(2.5, abs=0.06)
    assert np.median(diameter[~meant]) == pytest.approx(2.0, abs=0.06)


# who is counted as treated


@pytest.fixture(scope="module")
def observed(shipped) -> TrialData:
    return simulate(shipped, threads=2)


@pytest.fixture(scope="module")
def twins(shipped) -> TrialData:
    """The same patients, each treated and not."""
    raw = shipped.model_copy(update={"trial": shipped.trial.model_copy(
        update={"allocation": "twins", "assignment": None, "matching": None})})  # fmt: skip
    return simulate(raw, threads=2)


def test_every_patient_is_in_one_arm_with_the_course_of_that_arm(observed, twins):
    assigned = observed["assigned"] == 1
    assert (assigned.sum(axis=0) == 1).all()
    assert observed.allocation == "observational"
    for variable in (*PATIENTS, *VISITS):
        if variable.dims[:2] != ("arm", "patient") or variable.name == "assigned":
            continue
        ours, theirs = (data[variable.name][assigned] for data in (observed, twins))
        np.testing.assert_array_equal(ours, theirs, err_msg=variable.name)


def test_trajectories_are_those_of_the_arm_a_patient_is_in(observed, twins):
    inside = (observed["assigned"] == 1)[:, observed.trace]
    for variable in TRAJECTORIES:
        np.testing.assert_array_equal(observed[variable.name][inside], twins[variable.name][inside])
        assert np.isnan(observed[variable.name][~inside]).all()


def test_nothing_is_left_of_an_arm_that_a_patient_is_not_in(observed):
    outside = observed["assigned"] == 0
    assert np.isnan(observed["death_time"][outside]).all()
    assert np.isnan(observed["visit_time"][outside]).all()
    assert (observed["infusions"][outside] == 0).all()


def test_whoever_was_never_infused_is_a_control(shipped, observed, twins):
    known = {name: np.asarray(observed[name]) for name in ("index_number", "index_diameter", "cirrhosis", "hbv",
             "platelets", "age", "male", "modality")}  # fmt: skip
    meant = meant_for_treatment(shipped.population, shipped.trial.assignment, known, observed.patient, shipped.seed)
    treated = observed["assigned"][1] == 1
    assert not treated[~meant].any()
    moved = meant & ~treated
    assert moved.sum() >= 3, "nobody left or recurred while waiting: the test shows nothing"
    assert (observed["infusions"][1][treated] > 0).all()
    # what kept him from it came no later than the longest wait
    end = np.fmin(np.fmin(twins["progression_time"][0], twins["death_time"][0]), twins["censor_time"][0])
    assert (end[moved] <= 28.0 + 200.0).all()
    early = np.fmin(twins["progression_time"][1], twins["death_time"][1]) < 28.0 + 14.0
    assert not treated[early].any()


def test_whoever_left_before_the_first_infusion_is_a_control():
    leaving = simulate(load(RWD, ['trial.dropout_rate="0.01 1/day"'], N), threads=2)
    early = leaving["censor_time"][0] < 28.0 + 14.0
    assert early.sum() > 20
    assert (leaving["assigned"][0][early] == 1).all()
    assert leaving["assigned"][1].sum() > 5


def test_intended_membership_keeps_them_in_their_arm(shipped, observed):
    intended = simulate(load(RWD, [WAIT, EARLY, "trial.assignment.membership=intended"], N), threads=2)
    before, after = intended["assigned"][1] == 1, observed["assigned"][1] == 1
    assert (before | ~after).all()
    assert before.sum() > after.sum()
    assert (intended["infusions"][1][before & ~after] == 0).any()


def test_the_order_and_number_of_patients_change_no_arm(shipped, observed):
    from tumorsim.api import study_of
    from tumorsim.trial import run_trial

    numbers = np.array([40, 3, 17, 88, 2, 61], dtype=np.int64)
    few = run_trial(study_of(shipped), numbers=numbers)
    for name in ("assigned", "progression_time", "death_time", "infusions"):
        np.testing.assert_array_equal(few[name], observed[name][:, numbers])


@pytest.mark.medium
def test_progress_counts_the_courses_that_are_simulated_again(shipped, observed):
    seen: list[tuple[int, int]] = []
    simulate(shipped, threads=1, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert N < seen[-1][1] <= 2 * N


def test_the_plan_and_the_resolved_scenario_know_the_cohort(shipped):
    assert "each in one arm, not randomised" in plan_text(plan(shipped))
    assert read_resolved(shipped.resolved_text) == shipped


# the matched analysis


def test_the_matched_trial_holds_the_pairs_of_the_score():
    data = cohort(diameter=1.5, multiple_tumours=1.0)
    found = matched(data, MATCHING)
    treated = data["assigned"][1] == 1
    score = propensity_logit(terms(data.arrays, MATCHING.covariates), treated)
    np.testing.assert_array_equal(found.pairs, match_pairs(score, treated, 0.2))
    assert found.patients == (treated.sum(), (~treated).sum())
    kept = found.data["assigned"] == 1
    assert kept[1].sum() == kept[0].sum() == len(found.pairs) > 50
    assert not (kept & (data["assigned"] == 0)).any()
    assert (np.asarray(data["assigned"]).sum(axis=0) == 1).all(), "the trial itself is left as it was"
    worst = max(abs(row.before) for row in found.balance)
    assert max(abs(row.after) for row in found.balance) < 0.15 < worst


@pytest.mark.parametrize("data", [make_trial(n=30), make_trial(n=30, arms=3, allocation="randomised")])
def test_a_trial_of_the_same_patients_or_of_three_arms_cannot_be_matched(data):
    with pytest.raises(ValueError, match="two arms of different patients"):
        matched(data, MATCHING)


def test_the_summary_tells_before_and_after():
    data = cohort(diameter=1.5, multiple_tumours=1.0)
    told = summary.build(data, "toy", "A toy", 1, ["rfs", "os"], matching=MATCHING)["matching"]
    found = matched(data, MATCHING)
    assert told["pairs"] == len(found.pairs)
    assert [row["covariate"] for row in told["balance"]] == list(MATCHING.covariates)
    assert [row["endpoint"] for row in told["endpoints"]] == ["rfs", "os"]
    for side, trial in (("before", data), ("after", found.data)):
        expected = hazard_ratio(outcome(trial, "rfs", 1), outcome(trial, "rfs", 0))
        assert told["endpoints"][0][side]["hr"] == pytest.approx(expected.hr, rel=1e-12)
        assert told["endpoints"][0][side]["n"] == list(expected.n)
    assert told["largest_difference"]["after"] < told["largest_difference"]["before"]
    assert summary.build(data, "toy", "A toy", 1)["matching"] is None


def test_a_cohort_that_cannot_be_matched_has_no_pairs_and_a_reason():
    data = make_trial(n=40, allocation="randomised")
    treated = np.asarray(data["index_diameter"]) > np.median(data["index_diameter"])
    apart = replace(data, arrays={**data.arrays, "assigned": np.stack([~treated, treated]).astype(np.int8)})
    told = summary.build(apart, "toy", "A toy", 1, ["rfs"], matching=Matching(covariates=("diameter",)))["matching"]
    assert told["pairs"] == 0
    assert told["endpoints"][0]["after"]["hr"] is None
    assert told["endpoints"][0]["after"]["reason"]


def test_drawn_studies_are_matched_one_by_one():
    data = cohort(diameter=1.5)
    reader = Reader(data, 3, 20, MATCHING).view("matched", None)
    sampler = reader.sampler
    assert isinstance(sampler, MatchedSampler)
    sizes = (70, 60)
    one, other = sampler.draws([1, 0], sizes)
    whole = [sampler.draw(1, sizes[0]), sampler.draw(0, sizes[1])]
    for study in (0, 7, 19):
        places = np.concatenate([whole[0][study], whole[1][study]])
        treated = np.arange(130) < 70
        score = propensity_logit(terms(data.arrays, MATCHING.covariates)[places], treated)
        # the sampler stacks the reference first; the pairs are the same people
        pairs = places[match_pairs(score, treated, 0.2)]
        belongs = data["assigned"][1][one[study]] == 1
        assert sorted(one[study][belongs]) == sorted(pairs[:, 0])
        assert sorted(other[study][data["assigned"][0][other[study]] == 1]) == sorted(pairs[:, 1])
    np.testing.assert_array_equal(sampler.draws([0, 1], sizes[::-1])[1], one)
    np.testing.assert_array_equal(sampler.draws([1], sizes)[0], one)


def test_a_matched_target_is_read_from_the_pairs():
    data = cohort(diameter=1.5, multiple_tumours=1.0)
    n = {"n": [120, 130], "analysis": "matched"}
    wanted = [
        target(quantity="rfs.hr", arm="cik", reported=0.64, **n),
        target(quantity="rfs.median", arm="control", reported="65 month", **n),
        target(quantity="matching.pairs", arm="cik", reported=80, **n),
        target(quantity="follow_up.median", arm="cik", reported="65 month", **n),
        target(quantity="rfs.hr", arm="cik", reported=0.69, n=[120, 130]),
    ]
    rows = evaluate_targets(wanted, data, 1, resamples=60, matching=MATCHING)
    found = matched(data, MATCHING)
    pair = [outcome(found.data, "rfs", arm) for arm in (1, 0)]
    assert rows[0]["simulated"] == pytest.approx(hazard_ratio(*pair).hr, rel=1e-9)
    assert rows[0]["interval"][0] < rows[0]["simulated"] < rows[0]["interval"][1]
    assert rows[2]["simulated"] == pytest.approx(len(found.pairs) * 120 / (data["assigned"][1] == 1).sum())
    assert rows[2]["interval"][0] <= 120
    time = np.minimum(data["censor_time"][1], np.fmin(data["death_time"][1], np.inf))
    inside = found.data["assigned"][1] == 1
    assert rows[3]["simulated"] == pytest.approx(np.median(time[inside]) / (365.25 / 12))
    assert rows[4]["analysis"] == "whole"
    assert rows[4]["simulated"] != rows[0]["simulated"]
    with pytest.raises(ValueError, match=r"needs trial\.matching"):
        evaluate_targets(wanted[:1], data, 1)


def test_matching_takes_away_what_the_choice_brought_in():
    """On twins' courses a choice by tumour size, of which the outcome knows, is undone by matching."""
    rng = np.random.default_rng(3)
    n = 3000
    data = cohort(n=n, seed=3, diameter=2.0)
    onset = rng.exponential(size=n) * 1000.0 / np.exp(1.2 * (np.asarray(data["index_diameter"]) - 21.0) / 10.0)
    end = np.asarray(data["censor_time"][0])
    when = np.where(onset <= end, onset, np.nan)
    arrays = {"progression_time": np.stack([when] * 2), "death_time": np.full((2, n), np.nan)}
    data = replace(data, arrays={**data.arrays, **arrays, "censor_time": np.stack([end] * 2)})
    whole = hazard_ratio(*(outcome(data, "rfs", arm) for arm in (1, 0)))
    after = matched(data, Matching(covariates=("diameter",))).data
    pairs = hazard_ratio(*(outcome(after, "rfs", arm) for arm in (1, 0)))
    assert whole.log_hr > 4.0 * whole.se, "the choice does not confound: the test shows nothing"
    assert abs(pairs.log_hr) < 3.0 * pairs.se
    blind = matched(data, Matching(covariates=("cirrhosis",))).data
    unmeasured = hazard_ratio(*(outcome(blind, "rfs", arm) for arm in (1, 0)))
    assert unmeasured.log_hr > 4.0 * unmeasured.se


def test_the_results_on_the_theory_page_are_of_the_present_parameters():
    path = Path(__file__).parents[2] / "docs" / "_ext" / "misfit.py"
    spec = importlib.util.spec_from_file_location("docs_misfit", path)
    assert spec is not None
    assert spec.loader is not None
    misfit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(misfit)
    page = (path.parents[1] / "theory" / "observational.md").read_text(encoding="utf-8")
    now = misfit.fingerprint(load(RWD))[:16]
    assert f"`{RWD}`, fingerprint `{now}`" in page, "run: python docs/_ext/observational.py"


# subgroups


@pytest.mark.parametrize(
    ("text", "name", "limit"),
    [
        ("cirrhosis = yes", "cirrhosis", 1.0),
        ("platelets < 150 1e3/uL", "platelets", 150.0),
        ("platelets>=150 10^9/L", "platelets", 150.0),
        ("index_diameter > 2 cm", "index_diameter", 20.0),
        ("index_number > 1", "index_number", 1.0),
        ("modality = RFA", "modality", 2.0),
    ],
)
def test_a_subgroup_is_a_covariate_a_sign_and_a_limit(text, name, limit):
    found = read_subgroup(text)
    assert (found.name, found.limit) == (name, pytest.approx(limit))
    values = np.array([limit - 0.5, limit, limit + 0.5])
    expected = {"=": [False, True, False], "<": [True, False, False], ">": [False, False, True],
                ">=": [False, True, True]}[found.sign]  # fmt: skip
    assert found.members({name: values}).tolist() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cirrhosis", "is no subgroup"),
        ("cirhosis = yes", 'is no covariate .did you mean "cirrhosis"'),
        ("cirrhosis = perhaps", "is no level; there are no, yes"),
        ("cirrhosis > yes", "has levels and no order"),
        ("platelets < 150", "platelets: "),
        ("x" * 200, "is no subgroup"),
    ],
)
def test_a_subgroup_that_cannot_be_read_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        read_subgroup(text)


@pytest.mark.parametrize("allocation", ["twins", "randomised"])
def test_a_target_of_a_subgroup_is_that_of_its_patients_alone(allocation):
    data = make_trial(n=300, allocation=allocation, seed=4)
    chosen = np.asarray(data["cirrhosis"]) == 1
    keys = {"quantity": "rfs.hr", "arm": "cik", "reported": 0.66, "n": [100, 100]}
    inside, whole = evaluate_targets([target(**keys, subgroup="cirrhosis = yes"), target(**keys)], data, 1)
    pair = [outcome(restricted(data, chosen), "rfs", arm) for arm in (1, 0)]
    assert inside["simulated"] == pytest.approx(hazard_ratio(*pair).hr, rel=1e-9)
    widths = [np.log(row["interval"][1] / row["interval"][0]) for row in (inside, whole)]
    assert widths[0] > widths[1]
    listed = {(row.factor, row.level): row for row in subgroup_effects(data, "rfs", 1, 0)}
    assert listed["Cirrhosis", "yes"].ratio.hr == pytest.approx(inside["simulated"], rel=1e-9)


def test_the_summary_lists_the_subgroups():
    told = summary.build(make_trial(n=200, arms=3), "toy", "A toy", 1, ["os", "rfs"])["subgroups"]
    assert {row["endpoint"] for row in told} == {"os"}
    assert {row["arm"] for row in told} == {"cik", "cik_high"}
    assert next(row["factor"] for row in told if row["arm"] == "cik") == "All patients"


def test_counts_and_medians_of_the_patients():
    data = cohort(diameter=1.0)
    inside = data["assigned"][1] == 1
    rows = evaluate_targets(
        [target(quantity="multiple.fraction", arm="cik", reported="26.3 %", n=251),
         target(quantity="diameter.median", arm="cik", reported="2.5 cm", n=251)],
        data, 1, resamples=50,
    )  # fmt: skip
    assert rows[0]["simulated"] == pytest.approx((np.asarray(data["index_number"])[inside] > 1).mean())
    assert rows[1]["simulated"] == pytest.approx(np.median(np.asarray(data["index_diameter"])[inside]))
    assert rows[1]["unit"] == "mm"
    assert rows[1]["reported"] == pytest.approx(25.0)
