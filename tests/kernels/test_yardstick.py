"""The plain C of the benchmarks does what our kernels do; without gcc its tests are skipped, with the reason."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks import yardstick
from benchmarks.figure import Figure, Skip

from tumorsim.kernels import lattice, layout
from tumorsim.lattice.crew import Crew

SIDE = 24
PATIENTS = 12
STEPS = 4


@pytest.fixture
def _gcc() -> None:
    try:
        yardstick.compiler()
    except Skip as why:
        pytest.skip(str(why))


def test_without_a_compiler_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for suite in (yardstick.c_patient, yardstick.c_agents):
        with pytest.raises(Skip, match=r"need gcc.*apt install gcc"):
            suite(True, 1)


def test_records_are_declared_in_c_with_every_field() -> None:
    header = yardstick.layout_header()
    for name, record in yardstick.RECORDS.items():
        assert f"}} {name};" in header
        for field in record.names:
            assert f" {field};" in header
    assert header.count("} Growth;") == 1


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
def test_agents_agree_bit_for_bit() -> None:
    with Crew(1) as alone:
        model = yardstick.lively(SIDE, alone, SIDE**3 // 20)
        # enough must happen within a few steps: mutation, hypoxia, switching and kills are rare
        traits = model.plan.traits["resistance"]
        traits["mutation_probability"], traits["antigen_loss_probability"] = 0.2, 0.1
        model.state.voxels.traits[::7] |= lattice.MHC_LOW
        model.state.fields.interferon[:] = 1.0
        model.state.fields.oxygen[:: SIDE // 3] = 0.5 * model.plan.tissue[0]["oxygen"]["necrosis_oxygen"]
        model.rules.patient.products["kill_rate"] = 20.0
        before, births = model.kills.sum(), model.births
        deaths = model.deaths.copy()
        theirs = yardstick.AgentsC(model)
        for _ in range(STEPS):
            for work, ours in zip(
                theirs.phases(model.clock).values(), (model._move, model._engage, model._turn_over), strict=True
            ):
                ours()
                work()
            model.step += 1
            assert theirs.differing(model) == 0
    died = model.deaths - deaths
    assert model.births > births
    assert model.kills.sum() > before
    assert min(died[lattice.BY_TURNOVER], died[lattice.BY_HYPOXIA], died[lattice.BY_PRODUCT]) > 0
    assert (model.state.lymphocytes.state[: model.used["lymphocytes"]] == lattice.ENGAGED).any()


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
@pytest.mark.parametrize("side", [3, 13, 40])
def test_fields_agree_to_rounding(side: int) -> None:
    for figure in (*yardstick.diffusion(side, 1), *yardstick.oxygen(side, 1)):
        assert figure.error is not None
        assert 0.0 <= figure.error < 1e-12


@pytest.fixture(scope="module")
def given() -> yardstick.Courses:
    return yardstick.courses(PATIENTS, 0)


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
@pytest.mark.parametrize("lanes", [1, 4, 8])
def test_patients_come_to_the_same_states(given: yardstick.Courses, lanes: int) -> None:
    made = given.made
    program = yardstick.PatientC(given, lanes)
    program()
    assert np.max(yardstick.from_ours(given, program.end)) < yardstick.AGREE
    moved = np.abs(given.end - given.start) > 1e-6
    assert moved.mean() > 0.1
    outcomes = yardstick.empty(made)
    made.policy["relative_tolerance"] = yardstick.RELATIVE_TOLERANCE
    yardstick.simulate_batch(made.cohort, made.policy, outcomes, np.arange(given.patients), np.zeros(1, np.int64))
    # C finds the modes of a drug anew more often while its clearance rises, which saves steps; nothing else differs
    ours = outcomes.event["steps"].sum()
    assert 0.96 * ours < program.steps < 1.005 * ours
    undrugged = ~given.intake["rate"].any(1) & ~given.start[:, : layout.DRUG_STATES].any(1)
    assert undrugged.mean() > 0.5
    assert np.median(yardstick.from_ours(given, program.end)[undrugged]) < 1e-12


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
def test_a_patient_in_c_does_not_depend_on_the_other_lanes(given: yardstick.Courses) -> None:
    first = yardstick.PatientC(given, 4)
    first()
    # many lesions and few in turn: slots stand empty and come into use again for the sake of others
    ranks = list(dict.fromkeys(given.segments["patient"].tolist()))
    in_turn = [patient for pair in zip(ranks, reversed(ranks), strict=True) for patient in pair][: len(ranks)]
    place = np.argsort(in_turn)[given.segments["patient"]]
    order = np.lexsort((np.arange(place.size), place))
    arrays = {
        name: np.ascontiguousarray(getattr(given, name)[order]) for name in ("segments", "start", "rates", "intake")
    }
    second = yardstick.PatientC(replace(given, **arrays), 4)
    second()
    assert second.steps == first.steps
    assert np.array_equal(second.end, first.end[order])


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
def test_nothing_is_timed_that_comes_to_other_states(given: yardstick.Courses, monkeypatch: pytest.MonkeyPatch) -> None:
    end = given.end.copy()
    end[0, np.argmax(end[0] > 1.0)] *= 1.0 + 2.0 * yardstick.AGREE
    monkeypatch.setattr(yardstick, "courses", lambda patients, checked: replace(given, end=end, truth={0: end[0]}))
    with pytest.raises(RuntimeError, match=r"one by one: 1 of \d+ stretches end elsewhere than ours, by \d\.\de-07 at"):
        yardstick.c_patient(True, 1)


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
@pytest.mark.parametrize("suite", [yardstick.c_patient, yardstick.c_fields, yardstick.c_agents])
def test_every_suite_runs_and_compares(suite: Callable[[bool, int], list[Figure]]) -> None:
    figures = suite(True, 1)
    assert any(figure.peer is not None for figure in figures)
    for figure in figures:
        assert figure.rate > 0.0
        assert figure.error is not None
        assert figure.error < 1e-5
        assert (figure.ratio is None) == (figure.peer is None)


@pytest.mark.medium
@pytest.mark.usefixtures("_gcc")
def test_limits_are_those_of_a_processor() -> None:
    found = yardstick.limits(True)
    assert list(found) == ["fma", "L1", "L2", "L3", "triad"]
    assert found["fma"] > 1e9
    assert min(found.values()) > 1e8
