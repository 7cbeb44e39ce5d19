"""The procedures of the library: what their values mean together, what patients and the lattice see of them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.optimize import brentq

from lattice_examples import BUSY
from tumorsim import api, library
from tumorsim.experiment import Task, tasks_of
from tumorsim.kernels import lattice
from tumorsim.lattice.crew import Crew
from tumorsim.models.spatial import SpatialModel
from tumorsim.params.packing import no_depot, procedure
from tumorsim.params.tace import Depot, TaceModel
from tumorsim.scenario import load
from tumorsim.spatial_api import experiment_of
from tumorsim.spatial_scenario import load_spatial, read_resolved_spatial
from tumorsim.study import canonical_json
from tumorsim.trial import run_trial

NAMES = ("ctace", "deb_tace", "tae")


def model(name: str, **changes: object) -> TaceModel:
    return TaceModel.model_validate({**library.tree("procedures", name).plain(), **changes})


def depot(name: str) -> Depot:
    found = model(name).depot
    assert found is not None
    return found


# --- values -----------------------------------------------------------------------------
def test_fall_rates_follow_from_what_their_sources_say() -> None:
    beads = math.log(5.0 / 0.65) / (34 - 8 / 24)  # umol/L at 8 h and after 32 to 36 days
    assert depot("deb_tace").fall_rate.value == pytest.approx(beads, rel=0.02)
    k = depot("deb_tace").fall_rate.value
    released = 5.06 / 6.89 * k * math.exp(-k)  # of the dose a day, 24 h after lipiodol, from plasma
    fast = brentq(lambda rate: rate * math.exp(-rate) - released, 1.0, 20.0)
    assert depot("ctace").fall_rate.value == pytest.approx(fast, rel=0.02)


def test_bland_embolisation_leaves_no_drug() -> None:
    assert model("tae").depot is None
    assert "depot" not in model("tae").model_dump(mode="json")
    packed = procedure(model("tae"))["depot"]
    assert packed["concentration"] == packed["kill_rate"] == 0.0
    assert packed == no_depot()
    assert packed["ec50"] > 0.0, "nothing is divided by zero"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"concentration": "-1 nmol/L"}, "must be >= 0 nmol/L"),
        ({"fall_rate": "-1 1/day"}, "must be >= 0 1/day"),
        ({"kill_rate": "30 1/day"}, "must be <= 24 1/day"),
        ({"ec50": "0 nmol/L"}, "must be > 0 nmol/L"),
        ({"half_life": "3 h"}, "half_life"),
    ],
)
def test_bounds_hold(changes: dict[str, str], message: str) -> None:
    plain = library.tree("procedures", "ctace").plain()["depot"]
    with pytest.raises(ValueError, match=message):
        model("ctace", depot={**plain, **changes})


@pytest.mark.parametrize("missing", Depot.names())
def test_a_depot_is_given_in_full(missing: str) -> None:
    plain = library.tree("procedures", "ctace").plain()["depot"]
    del plain[missing]
    with pytest.raises(ValueError, match=f"{missing}\n.*required"):
        model("ctace", depot=plain)


# --- patients -----------------------------------------------------------------------------
def test_patients_see_the_three_alike() -> None:
    """Only by assumption, and to the bit; the depot is for the lattice."""
    changes = (
        "population.patients=30", "trial.cutoff=300 day", "trial.accrual=1 day",
        "disease.growth.growth_rate=0.03 1/day", "after_progression.curative_probability=0",
    )  # fmt: skip
    found = []
    for name in NAMES:
        path = "scenarios/hcc_adjuvant_cik_rct.yaml"
        found.append(run_trial(api.study_of(load(path, [*changes, f"after_progression.tace={name}"]))))
    assert (found[0]["salvage"] == 2).sum() > 0, "somebody had TACE"
    for other in found[1:]:
        assert found[0].arrays.keys() == other.arrays.keys()
        for key in found[0].arrays:
            np.testing.assert_array_equal(found[0][key], other[key], err_msg=key)


# --- the lattice --------------------------------------------------------------------------
def tasks(*treatments: str) -> list[Task]:
    """The first replicate of one arm a text of treatments."""
    arms = ", ".join(f"{{name: a{i}, treatments: [{text}]}}" for i, text in enumerate(treatments))
    study = load_spatial(BUSY, [f"arms=[{arms}]", "lattice.replicates=1"])
    return list(tasks_of(experiment_of(study)))


def session(name: str, day: float = 1.0) -> str:
    return f"{{tace: {name}, schedule: once, start: {day} day}}"


def models(*treatments: str) -> list[SpatialModel]:
    """Lattices at their end, three days on."""
    found = []
    for task in tasks(*treatments):
        with Crew(1) as crew:
            run = SpatialModel(task.plan, task.doses, task.seed, crew)
            while not run.done:
                run.advance()
            found.append(run)
    return found


def test_arms_of_one_run_get_the_depot_of_their_own_procedure() -> None:
    found = dict(zip(NAMES, models(*map(session, NAMES)), strict=True))
    closed = {name: run._embolised() for name, run in found.items()}
    assert closed["ctace"] > 0, "some vessels are closed still"
    days = 3.0 - 1.0 - 1.0 / 24.0  # at the beginning of the last step
    for name, run in found.items():
        left = run.state.fields.depot
        by_drug = run.deaths[lattice.BY_DEPOT]
        if name == "tae":
            assert not left.any()
            assert by_drug == 0
            assert run.rules.depot["concentration"] == 0.0
            continue
        drug = depot(name)
        level = drug.concentration.value * math.exp(-drug.fall_rate.value * days)
        assert run.rules.depot["concentration"] == drug.concentration.value
        assert 0.0 < left.max() <= level * (1.0 + 1e-9)
        assert left.max() > 0.3 * level
        assert by_drug > 0
    assert found["deb_tace"].deaths[lattice.BY_DEPOT] > found["ctace"].deaths[lattice.BY_DEPOT]


def test_a_session_without_a_drug_takes_nothing_from_an_earlier_one() -> None:
    twice = f"{session('deb_tace')}, {session('tae', 2.0)}"
    other = f"{session('deb_tace')}, {session('ctace', 2.0)}"
    kept, replaced = models(twice, other)
    assert (kept.sessions, kept.depot_day) == (2, 1.0)
    assert kept.rules.depot["fall_rate"] == depot("deb_tace").fall_rate.value
    assert kept.state.fields.depot.max() > 1000.0
    assert (replaced.sessions, replaced.depot_day) == (2, 2.0)
    assert replaced.rules.depot["fall_rate"] == depot("ctace").fall_rate.value


def test_a_checkpoint_keeps_the_depot() -> None:
    (task,) = tasks(f"{session('deb_tace')}, {session('tae', 2.0)}")
    with Crew(1) as crew:
        first = SpatialModel(task.plan, task.doses, task.seed, crew)
        while first.day < 2.5:
            first.advance()
        second = SpatialModel(task.plan, task.doses, task.seed, crew)
        second.restore(*first.checkpoint())
        assert second.rules.depot["kill_rate"] == second.supply.rules.depot["kill_rate"] == 1.0
        for run in (first, second):
            while not run.done:
                run.advance()
    assert first.deaths.tolist() == second.deaths.tolist()
    assert first.state.fields.depot.tobytes() == second.state.fields.depot.tobytes()
    assert first.deaths[lattice.BY_DEPOT] > 0


def test_an_older_text_is_read_as_the_study_that_it_was() -> None:
    """From when the depot stood in the tissue and territories were built in."""
    study = load_spatial(BUSY)
    plain = json.loads(study.resolved_text)
    of_procedure = plain["arms"][1]["treatments"][3]["tace"].pop("depot")
    plain["tissue"]["penetration"] |= {f"depot_{name}": value for name, value in of_procedure.items()}
    del plain["tissue"]["anatomy"]["territory"]
    again = read_resolved_spatial(canonical_json(plain))
    assert again.arms == study.arms
    assert again.tissue.penetration == study.tissue.penetration
    assert again.tissue.anatomy.territory.value == study.tissue.anatomy.territory.value == 300.0
