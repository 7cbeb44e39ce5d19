"""Spatial studies from Python: dispatch by the file, tables, arrays, figures, replay, progress, going on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tumorsim as ts
from lattice_examples import BUSY
from toy_spatial import make_spatial, write_toy_spatial
from tumorsim import executor, experiment, starter
from tumorsim.common_api import identity_of
from tumorsim.figures.base import FigureError
from tumorsim.figures.spatial import FIGURES
from tumorsim.provenance import machine
from tumorsim.spatial_numbers import CLONES
from tumorsim.spatial_scenario import load_spatial
from tumorsim.spatial_tables import TABLES
from tumorsim.spatial_variables import FATES, LINEAGE, MEASURES, SERIES
from tumorsim.store import ResultError, write_checkpoint

ADJUVANT = "scenarios/hcc_adjuvant_cik_rct.yaml"
SHORT = ("lattice.duration=1.25 day", "output.snapshots=[0 day, 1 day]")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ts.SpatialResult:
    """A real study: two arms, two replicates, 30 steps."""
    return ts.run(BUSY, overrides=SHORT, seed=3, threads=1, out=tmp_path_factory.mktemp("spatial") / "r.h5")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ts.SpatialResult:
    """Made-up numbers with gaps everywhere."""
    return ts.open_result(write_toy_spatial(tmp_path_factory.mktemp("toy") / "toy.h5", make_spatial(arms=3)))


# --- which kind it is --------------------------------------------------------------


def test_the_file_decides_what_comes_back(result: ts.SpatialResult) -> None:
    assert isinstance(result, ts.SpatialResult)
    again = ts.open_result(result.path)
    assert isinstance(again, ts.SpatialResult)
    assert again.digest == result.digest
    assert again.scenario.seed == 3
    assert again.as_dict["seed"] == 3
    assert isinstance(ts.load(BUSY, replicates=1), ts.SpatialScenario)
    assert isinstance(ts.load(ADJUVANT, patients=7), ts.Scenario)


def test_a_loaded_scenario_gives_the_same_bits_in_memory(result: ts.SpatialResult) -> None:
    data = ts.simulate(ts.load(BUSY, SHORT, seed=3), threads=1)
    np.testing.assert_array_equal(data["kills"], result.data["kills"])


@pytest.mark.parametrize("verb", [ts.run, ts.load])
def test_options_of_the_other_kind_are_refused(verb) -> None:
    with pytest.raises(ValueError, match=r"busy_lattice\.yaml: patients=3 .* spatial scenario; it has replicates"):
        verb(BUSY, patients=3)
    with pytest.raises(ValueError, match=r"rct\.yaml: replicates=3 .* trial; it has patients"):
        verb(ADJUVANT, replicates=3)


def test_a_loaded_scenario_takes_no_overrides() -> None:
    with pytest.raises(ValueError, match="give its path instead"):
        ts.run(load_spatial(BUSY), replicates=3)
    with pytest.raises(ValueError, match="this scenario: patients=3 does not fit"):
        ts.run(load_spatial(BUSY), patients=3)


def test_looking_at_results_imports_no_compiler() -> None:
    code = "import sys, tumorsim.api; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numba", "h5py", "matplotlib", "pandas"} & set(done.stdout.split())


# --- tables, arrays, figures --------------------------------------------------------


def test_summary_is_a_table_of_quantities(result: ts.SpatialResult) -> None:
    table = result.summary().set_index(["quantity", "arm"])
    cells = sum(result.data[name][1, :, -1] for name in CLONES)
    row = table.loc["tumour_cells", "everything"]
    assert row["n"] == 2
    assert row["mean"] == pytest.approx(cells.mean())
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["difference"] == pytest.approx(row["mean"] - table.loc["tumour_cells", "nothing"]["mean"])
    assert np.isnan(table.loc["tumour_cells", "nothing"]["difference"])


def test_every_variable_stands_in_one_table() -> None:
    names = [variable.name for table in TABLES for variable in table.variables]
    assert sorted(names) == sorted(variable.name for variable in (*SERIES, *MEASURES, *LINEAGE))


@pytest.mark.parametrize("table", [table for table in TABLES if table.name != "lineage"], ids=lambda table: table.name)
def test_a_row_for_each_place(toy: ts.SpatialResult, table) -> None:
    frame = toy.to_frame(table.name)
    assert list(frame.columns) == [*table.axes, *(variable.name for variable in table.variables)]
    for variable in table.variables:
        stored, column = toy.data[variable.name].ravel(), frame[variable.name]
        gaps = stored < 0 if variable.count else np.isnan(stored)
        np.testing.assert_array_equal(column.isna().to_numpy(), gaps, err_msg=variable.name)
        np.testing.assert_array_equal(column[~gaps].to_numpy(dtype=stored.dtype), stored[~gaps])
    # one place looked up by its names, not by the order of rows
    place = frame.iloc[len(frame) // 2]
    index = tuple(int(np.flatnonzero(_axis(toy, name) == place[name])[0]) for name in table.axes)
    for variable in table.variables:
        stored = toy.data[variable.name][index]
        assert place[variable.name] == stored or (stored != stored or stored < 0)


def _axis(toy: ts.SpatialResult, name: str):
    named = {"arm": toy.data.arms, "product": toy.data.products, "fate": FATES}
    return np.array(named.get(name, getattr(toy.data, name, ())))


def test_the_lineage_is_arm_below_arm_with_words_for_codes(toy: ts.SpatialResult) -> None:
    frame = toy.to_frame("lineage")
    for arm in toy.data.arms:
        rows, cells = frame[frame["arm"] == arm], toy.data.lineage[arm]
        assert rows["cell"].tolist() == list(range(cells["parent"].size))
        founders = cells["parent"] < 0
        assert rows["parent"].isna().tolist() == founders.tolist()
        assert rows["parent"].dropna().tolist() == cells["parent"][~founders].tolist()
        assert rows["clone"].tolist() == [LINEAGE[1].labels[code] for code in cells["clone"]]


def test_an_unknown_table_or_group_lists_those_there_are(toy: ts.SpatialResult) -> None:
    with pytest.raises(KeyError, match="there are series, effectors, deaths, measures"):
        toy.to_frame("patients")
    with pytest.raises(KeyError, match="it has series, measures, snapshots, lineage/control"):
        toy.to_xarray("patients")


def test_xarray_opens_voxels_series_and_lineage(toy: ts.SpatialResult) -> None:
    voxels = toy.to_xarray()
    np.testing.assert_array_equal(voxels["cik_oxygen"].to_numpy(), toy.data.snapshots["cik"]["oxygen"])
    assert voxels["cik_oxygen"].dims == ("shot", "z", "y", "x")
    assert {"shot", "z", "y", "x"} <= set(voxels.coords)
    series = toy.to_xarray("series")
    assert series["kills"].dims == ("arm", "replicate", "product", "time")
    assert toy.to_xarray("lineage/cik").sizes["cell"] == toy.data.lineage["cik"]["parent"].size


@pytest.mark.parametrize("kind", [figure.name for figure in FIGURES])
def test_every_figure_can_be_drawn(result: ts.SpatialResult, kind: str) -> None:
    assert result.plot(kind).axes


def test_a_figure_of_a_trial_is_refused(result: ts.SpatialResult) -> None:
    with pytest.raises(FigureError, match="those are: lattice"):
        result.plot("km")


# --- replay ---------------------------------------------------------------------------


@pytest.mark.medium
def test_replay_is_equal_and_finds_a_change(result: ts.SpatialResult, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ts.replay(result.path, threads=1) == []
    monkeypatch.setattr(experiment, "replicate_seed", lambda seed, replicate: 7 + replicate)
    assert any("sensitive" in line for line in ts.replay(result.path, threads=1))


# --- progress and going on ------------------------------------------------------------------


def test_progress_tells_steps_of_lattices_that_still_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads in place of processes: the file of the counts does not care."""
    monkeypatch.setattr(executor, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(experiment, "open_executor", lambda where, workers: executor.Executor(workers))
    told: list[tuple[int, int]] = []
    study = ts.load(BUSY, SHORT)
    ts.simulate(study, threads=2, progress=lambda done, total: told.append((done, total)))
    steps = [done for done, _ in told]
    assert {total for _, total in told} == {4 * 30}
    assert steps == sorted(steps)
    assert steps[-1] == 4 * 30
    assert any(done % 30 for done in steps), "nothing was told between finished lattices"


def test_one_lattice_at_a_time_tells_every_step() -> None:
    told: list[int] = []
    ts.simulate(ts.load(BUSY, SHORT, replicates=1), threads=1, progress=lambda done, total: told.append(done))
    assert told == list(range(1, 61))


def test_checkpoints_of_another_run_are_refused_in_one_message(tmp_path: Path) -> None:
    folder = tmp_path / "r.h5.partial"
    folder.mkdir()
    write_checkpoint(folder / "nothing-0.checkpoint", {"a": np.zeros(3)}, {"identity": "other"})
    with pytest.raises(ResultError, match=r"of another scenario.*Delete the folder r\.h5\.partial"):
        ts.run(BUSY, overrides=SHORT, threads=1, out=tmp_path / "r.h5")
    assert list(folder.iterdir()), "they are not ours to delete"


def test_what_an_ended_process_left_half_written_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "r.h5.partial"

    def ended(*_: object, **__: object) -> None:
        (folder / ".nothing-0.checkpoint.1-ab.part").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run_experiment", ended)
    with pytest.raises(KeyboardInterrupt):
        ts.run(BUSY, overrides=SHORT, threads=1, out=tmp_path / "r.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_belongs_to_scenario_source_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    first = identity_of(ts.load(BUSY))
    assert first == identity_of(ts.load(BUSY))
    assert first != identity_of(ts.load(BUSY, seed=11))
    now = machine()
    monkeypatch.setattr("tumorsim.provenance.machine", lambda: now | {"numba": "0.0"})
    assert first != identity_of(ts.load(BUSY))


def test_a_study_without_snapshots_has_no_measures(tmp_path: Path) -> None:
    made = ts.run(BUSY, overrides=[SHORT[0], "output.snapshots=[]"], replicates=1, threads=1, out=tmp_path / "r.h5")
    assert made.data["clusters"].shape == (2, 1, 0)
    assert made.data.snapshots == {}
    assert len(made.to_frame("depths")) == 0
    assert len(made.to_frame("series")) == 2 * made.data.time.size
    with pytest.raises(KeyError, match="it has series, measures, lineage/nothing"):
        made.to_xarray()


# --- the starter ------------------------------------------------------------------------------


def test_the_starter_loads_and_explains_itself(tmp_path: Path) -> None:
    text = starter.text("My lattice", "spatial")
    assert text.startswith("# yaml-language-server: $schema=")
    assert text.count("#") > 20
    (tmp_path / "a.yaml").write_text(text)
    study = ts.load(tmp_path / "a.yaml")
    assert study.name == "my_lattice"
    assert [arm.name for arm in study.arms] == ["control", "sorafenib", "sorafenib_cik"]
    assert starter.text("Ω", "spatial").count("name: my_lattice\n") == 1


@pytest.mark.slow
def test_the_starter_runs_and_its_arms_differ(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(starter.text("a", "spatial"))
    table = ts.run(tmp_path / "a.yaml", threads=2).summary().set_index(["quantity", "arm"])
    assert table.loc["maturity"].loc["sorafenib", "difference_low"] > 0
    assert table.loc["kills"].loc["sorafenib_cik", "difference_low"] > 0
    assert table.loc["tumour_cells"].loc["sorafenib_cik", "difference_high"] < 0
