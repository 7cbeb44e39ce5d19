"""The spatial model as a whole: what must hold at every step, and what a study makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lattice_examples import BUSY, busy_task
from tumorsim import experiment, spatial_api
from tumorsim.experiment import ExperimentError, replicate_seed, run_experiment, run_lattice
from tumorsim.kernels import lattice
from tumorsim.lattice.crew import Crew
from tumorsim.models.spatial import SpatialModel
from tumorsim.spatial_scenario import load_spatial


@pytest.fixture(scope="module")
def stepped() -> SpatialModel:
    """A busy lattice, checked at every step."""
    task = busy_task()
    with Crew(1) as crew:
        model = SpatialModel(task.plan, task.doses, task.seed, crew)
        founders = model.used["lineage"]
        while not model.done:
            model.advance()
            check(model, founders)
        return model


def check(model: SpatialModel, founders: int) -> None:
    state, used = model.state, model.used
    kind = state.voxels.kind
    rows = slice(0, used["lymphocytes"])
    people = state.lymphocytes
    assert (np.bincount(people.voxel[rows], minlength=kind.size) == state.voxels.load).all()
    held = people.target[rows][people.target[rows] != lattice.NOBODY]
    assert (np.bincount(held, minlength=kind.size) == state.voxels.held).all()
    assert (people.state[rows] != lattice.GONE).all()
    assert state.voxels.load.max() <= lattice.ROOM
    vessels = state.vessels.voxel[: used["vessels"]]
    assert np.unique(vessels).size == vessels.size
    assert (np.flatnonzero(kind == lattice.VESSEL) == np.sort(vessels)).all()
    living = np.sort(state.voxels.ident[kind == lattice.TUMOUR])
    alive = np.flatnonzero(state.lineage.death[: used["lineage"]] == lattice.NOBODY)
    assert (living == alive).all(), "the living of the lattice are the living of the lineage"
    assert founders + model.births == used["lineage"] == living.size + model.deaths.sum()
    assert model.kills.sum() == model.deaths[lattice.BY_PRODUCT] + model.deaths[lattice.BY_MEMORY]
    gone = model.recruited.sum() - used["lymphocytes"]
    assert gone >= 0
    assert (state.fields.oxygen >= 0.0).all()
    assert (model.y >= 0.0).all()


def test_counts_agree_at_every_step(stepped):
    assert stepped.done
    assert np.isfinite(stepped.state.fields.oxygen).all()


def test_the_series_has_every_declared_number(stepped):
    from tumorsim.spatial_variables import SERIES, SNAPSHOTS

    assert set(stepped.series()) == {v.name for v in SERIES}
    picture = stepped.snapshot()
    assert set(picture) == {v.name for v in SNAPSHOTS}
    counts = np.bincount(picture["content"].ravel(), minlength=8)
    series = stepped.series()
    shown = [series[name] for name in ("sensitive", "dead_cells", "open_vessels", "embolised_vessels")]
    assert [counts[code] for code in (1, 5, 6, 7)] == shown


def test_the_lineage_is_a_tree(stepped):
    found = stepped.lineage()
    rows = np.arange(found["parent"].size)
    born = found["parent"] >= 0
    assert (found["parent"][born] < rows[born]).all(), "mothers come before daughters"
    assert (found["birth"][born] >= found["birth"][found["parent"][born]]).all()
    dead = np.isfinite(found["death"])
    assert (found["fate"] > 0).tolist() == dead.tolist()
    alive_mother = ~(found["death"][found["parent"][born]] < found["birth"][born])
    assert alive_mother.all(), "nobody divides after death"


def test_arms_share_their_start_and_a_dose_of_nothing_changes_no_bit():
    amounts = ("0.dose=0 mg", "1.dose=0 cells", "2.dose=0 cells/kg", "3.tace.embolised_fraction=0")
    zero = [f"arms.everything.treatments.{amount}" for amount in amounts]
    nothing, off = busy_task(*zero, arm=0), busy_task(*zero, arm=1)
    assert nothing.seed == off.seed == replicate_seed(10, 0)
    first, second = run_lattice(nothing), run_lattice(off)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_oxygen_comes_into_balance_after_vessels_close_far_above_it():
    """Saturated uptake has no slope: from plenty the multigrid cycles alone stand still on this lattice."""
    task = busy_task("seed=12")
    with Crew(1) as crew:
        model = SpatialModel(task.plan, task.doses, task.seed, crew)
        while model.step < 30:
            model.advance()
        model.state.fields.oxygen[:] = 40.0
        assert model.supply.solve_oxygen(model.state, model.used["vessels"]).converged


def study() -> experiment.Experiment:
    return spatial_api.experiment_of(load_spatial(BUSY, ["output.checkpoint=12 h"]))


def equal(a, b) -> bool:
    pairs = [(a.arrays, b.arrays), *zip(a.snapshots.values(), b.snapshots.values(), strict=True)]
    pairs += zip(a.lineage.values(), b.lineage.values(), strict=True)
    return all(x.keys() == y.keys() and all(np.array_equal(x[n], y[n], equal_nan=True) for n in x) for x, y in pairs)


@pytest.mark.medium
def test_an_interrupted_study_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = run_experiment(study())
    steps = 0
    advance = SpatialModel.advance

    def interrupted(self: SpatialModel) -> None:
        nonlocal steps
        steps += 1
        if steps == 130:  # in the second lattice, between two of its checkpoints
            raise KeyboardInterrupt
        advance(self)

    monkeypatch.setattr(SpatialModel, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(study(), folder=tmp_path, identity="one")
    assert {file.name for file in tmp_path.iterdir()} == {"nothing-0.checkpoint", "everything-0.checkpoint"}
    monkeypatch.setattr(SpatialModel, "advance", advance)
    assert equal(run_experiment(study(), folder=tmp_path, identity="one"), whole)
    with pytest.raises(ExperimentError, match="another run"):
        run_experiment(study(), folder=tmp_path, identity="two")


@pytest.mark.slow
def test_processes_change_no_bit(tmp_path):
    assert equal(run_experiment(study(), threads=2), run_experiment(study()))


def test_a_lattice_that_fails_is_named(monkeypatch):
    def broken(*_: object) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(experiment, "run_lattice", broken)
    with pytest.raises(ExperimentError, match="arm nothing, replicate 0: ValueError: no such thing"):
        run_experiment(study())


def test_a_study_from_file_to_file(tmp_path: Path):
    result = spatial_api.run_spatial(BUSY, replicates=1, threads=1, out=tmp_path / "busy.h5")
    assert list(tmp_path.iterdir()) == [tmp_path / "busy.h5"], "checkpoints go when the result is there"
    assert result.data.arms == ("nothing", "everything")
    assert result.data["kills"][1, 0, :, -1].sum() > 0
    assert result.data["kills"][0, :, :-1].sum() == 0, "only memory cells kill where nothing is given"
    rows = {(row["quantity"], row["arm"]): row for row in result.as_dict["rows"]}
    assert rows["tumour_cells", "everything"]["difference"] < 0
    frame = result.to_xarray("series")
    assert frame["sensitive"].dims == ("arm", "replicate", "time")
