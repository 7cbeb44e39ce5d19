"""The Python API: run, open, tables, arrays, replay."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tumorsim as ts
from tumorsim.api import default_threads, replay, run
from tumorsim.scenario import load
from tumorsim.trial import simulate_patients

ADJUVANT = "scenarios/hcc_adjuvant_cik_rct.yaml"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ts.Result:
    return run(ADJUVANT, patients=40, seed=3, threads=2, out=tmp_path_factory.mktemp("api") / "r.h5")


def test_run_writes_what_open_reads(result: ts.Result) -> None:
    again = ts.open_result(result.path)
    assert again.digest == result.digest
    assert again.as_dict["seed"] == 3
    assert again.as_dict["patients"] == 40
    assert again.scenario.population.patients == 40


def test_summary_is_a_table_of_targets(result: ts.Result) -> None:
    table = result.summary()
    assert {"R-1", "R-3", "R-12"} <= set(table["id"])
    assert table["simulated"].notna().any()


def test_survival_gives_arrays_and_names_what_there_is(result: ts.Result) -> None:
    curve = result.survival("rfs")["cik"]
    assert curve["survival"][0] == 1.0
    assert (np.diff(curve["survival"]) <= 0).all()
    with pytest.raises(KeyError, match="it has rfs, ttr, ttr_paper, os, css"):
        result.survival("pfs")


@pytest.mark.parametrize(("group", "rows"), [("patients", 2 * 40), ("visits", None), ("trajectories", None)])
def test_frames_have_one_row_for_each_place(result: ts.Result, group: str, rows: int | None) -> None:
    frame = result.to_frame(group)
    if rows is None:
        largest = {"visits": "visit_time", "trajectories": "memory"}[group]
        rows = result.data[largest].size
        np.testing.assert_array_equal(frame[largest].to_numpy(), result.data[largest].ravel())
    assert len(frame) == rows
    if group == "patients":
        cik = frame[frame["arm"] == "cik"]
        np.testing.assert_array_equal(cik["age"].to_numpy(), result.data["age"])
        np.testing.assert_array_equal(cik["death_time"].to_numpy(), result.data["death_time"][1])


def test_unknown_group_lists_the_groups(result: ts.Result) -> None:
    with pytest.raises(KeyError, match="patients, visits, trajectories"):
        result.to_frame("patient")


def test_xarray_opens_a_group(result: ts.Result) -> None:
    visits = result.to_xarray("visits")
    np.testing.assert_array_equal(visits["visit_time"].to_numpy(), result.data["visit_time"])
    assert visits["visit_time"].attrs["units"]


def test_plot_gives_a_figure(result: ts.Result) -> None:
    assert result.plot("km", "os").axes


def test_replay_is_equal_and_finds_a_change(result: ts.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay(result.path, threads=1) == []
    loose = partial(simulate_patients, relative_tolerance=1e-5)
    monkeypatch.setattr("tumorsim.blocks.simulate_patients", loose)
    assert any("death_time" in line for line in replay(result.path, threads=1))


def test_a_result_of_an_older_layout_is_compared_in_what_it_holds(
    result: ts.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {name: array for name, array in result.data.arrays.items() if name != "resistant_regrowth_time"}
    older = replace(result.stored, data=replace(result.data, arrays=arrays))
    monkeypatch.setattr("tumorsim.store.read", lambda path: older)
    assert replay(result.path, threads=1) == []
    arrays["death_time"] = arrays["death_time"] + 1.0
    assert any("death_time" in line for line in replay(result.path, threads=1))


def test_a_loaded_scenario_takes_no_overrides() -> None:
    with pytest.raises(ValueError, match="give its path instead"):
        run(load(ADJUVANT), patients=5)


def test_a_result_without_a_name_is_temporary(tmp_path: Path) -> None:
    made = run(ADJUVANT, patients=4, threads=1)
    assert made.path.exists()
    assert made.path.parent.name.startswith("tumorsim-")


def test_threads_default_to_the_cores_at_hand() -> None:
    assert default_threads() >= 1
