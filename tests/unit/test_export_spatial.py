"""A spatial result as tables: nothing lost, nothing made up, nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest

from toy_spatial import SUMMARY, make_spatial, write_toy_spatial
from tumorsim.export import to_csv
from tumorsim.spatial_tables import TABLES
from tumorsim.spatial_variables import FATES, LINEAGE
from tumorsim.store import ResultError


@pytest.fixture
def data():
    return make_spatial(arms=3)


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_files(data, tmp_path):
    paths = to_csv(write_toy_spatial(tmp_path / "a.h5", data), tmp_path / "out")
    names = [*(f"{table.name}.csv" for table in TABLES), "variables.csv", "summary.json"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8")) == SUMMARY


@pytest.mark.parametrize("table", TABLES[:-1], ids=lambda table: table.name)
def test_every_value_is_there_to_the_bit(data, tmp_path, table):
    to_csv(write_toy_spatial(tmp_path / "a.h5", data), tmp_path / "out")
    found = rows(tmp_path / "out" / f"{table.name}.csv")
    axes = {"arm": data.arms, "product": data.products, "fate": FATES}
    for row in found:
        index = tuple(
            axes[axis].index(row[axis]) if axis in axes else getattr(data, axis).tolist().index(float(row[axis]))
            for axis in table.axes
        )
        for variable in table.variables:
            value, cell = data[variable.name][index], row[variable.name]
            if (variable.count and value < 0) or value != value:
                assert cell == ""
            else:
                assert float(cell) == value
    assert len(found) == data[table.variables[0].name].size


def test_the_lineage(data, tmp_path):
    to_csv(write_toy_spatial(tmp_path / "a.h5", data), tmp_path / "out")
    found = rows(tmp_path / "out" / "lineage.csv")
    assert len(found) == sum(cells["parent"].size for cells in data.lineage.values())
    for row in found:
        cells, cell = data.lineage[row["arm"]], int(row["cell"])
        assert row["parent"] == ("" if cells["parent"][cell] < 0 else str(cells["parent"][cell]))
        assert row["clone"] == LINEAGE[1].labels[cells["clone"][cell]]
        death = cells["death"][cell]
        assert row["death"] == "" if np.isnan(death) else float(row["death"]) == death


def test_the_sidecar_explains_every_column(data, tmp_path):
    to_csv(write_toy_spatial(tmp_path / "a.h5", data), tmp_path / "out")
    explained = {(row["table"], row["column"]): row for row in rows(tmp_path / "out" / "variables.csv")}
    for table in TABLES:
        with open(tmp_path / "out" / f"{table.name}.csv", newline="") as file:
            for column in next(csv.reader(file)):
                assert explained[f"{table.name}.csv", column]["unit"]
                assert explained[f"{table.name}.csv", column]["meaning"]
    assert explained["series.csv", "vegf"]["unit"] == "pg/mL"


def test_a_study_without_lineage_or_snapshots_has_empty_tables(tmp_path):
    to_csv(write_toy_spatial(tmp_path / "a.h5", make_spatial(shots=0, cells=0)), tmp_path / "out")
    for name in ("lineage", "measures", "depths", "distances"):
        assert rows(tmp_path / "out" / f"{name}.csv") == []
    assert rows(tmp_path / "out" / "series.csv")


def test_no_name_becomes_a_formula(tmp_path):
    data = dataclasses.replace(make_spatial(arms=1, shots=0, cells=0), products=("=1+1", "memory_cd8"))
    to_csv(write_toy_spatial(tmp_path / "a.h5", data), tmp_path / "out")
    assert {row["product"] for row in rows(tmp_path / "out" / "effectors.csv")} == {"'=1+1", "memory_cd8"}


def test_nothing_is_overwritten_without_force(data, tmp_path):
    path = write_toy_spatial(tmp_path / "a.h5", data)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deaths.csv").write_text("precious")
    with pytest.raises(ResultError, match=r"deaths\.csv: exists already"):
        to_csv(path, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["deaths.csv"]
    to_csv(path, tmp_path / "out", force=True)
    assert (tmp_path / "out" / "deaths.csv").read_text() != "precious"
