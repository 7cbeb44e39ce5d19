"""Results of every layout version ever released stay readable, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumorsim.api import Result
from tumorsim.endpoints import outcome
from tumorsim.export import to_csv
from tumorsim.store import LAYOUT_VERSION, read, read_spatial, read_sweep
from tumorsim.store.spatial_layout import LAYOUT_VERSION as SPATIAL_VERSION
from tumorsim.store.sweep import LAYOUT_VERSION as SWEEP_VERSION
from tumorsim.variables import VARIABLES
from tumorsim.verify import verify

HERE = Path(__file__).resolve().parent
GOLDEN = sorted(HERE.glob("result_layout_*.h5"))
SPATIAL = sorted(HERE.glob("spatial_layout_*.h5"))
SWEEPS = sorted(HERE.glob("sweep_layout_*.h5"))


def test_there_is_a_golden_result_of_every_layout():
    assert [path.stem for path in GOLDEN] == [f"result_layout_{version}" for version in range(1, LAYOUT_VERSION + 1)]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_result_stays_readable(path):
    known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    stored = read(path)
    assert stored.digest == known["digest"]
    assert stored.layout_version == known["layout_version"]
    assert list(stored.data.arms) == known["arms"]
    assert sorted(stored.data.arrays) == known["variables"]
    assert [float(value).hex() for value in stored.data["age"]] == known["age"]
    assert stored.data["death_cause"].tolist() == known["death_cause"]
    assert {endpoint: sorted(arms) for endpoint, arms in stored.curves.items()} == known["curves"]
    assert stored.summary == known["summary"]
    assert stored.scenario_text == known["scenario"]
    assert stored.provenance == known["provenance"]
    assert path.stat().st_size <= 100_000


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_result_gives_tables_of_what_it_holds(path, tmp_path):
    stored = read(path)
    result = Result(stored)
    to_csv(path, tmp_path)
    for group in ("patients", "visits", "trajectories"):
        header = (tmp_path / f"{group}.csv").read_text(encoding="utf-8").partition("\n")[0].split(",")
        held = {v.name for v in VARIABLES if v.group == group} & set(stored.data.arrays)
        assert held
        assert held <= set(header)
        assert held <= set(result.to_frame(group).columns)
        assert set(header) - held <= {"arm", "patient", "visit", "time"}


def test_what_an_older_result_lacks_is_named_with_advice():
    old = read(GOLDEN[0]).data
    assert outcome(old, "resistance", 0).n == 3
    with pytest.raises(KeyError, match=r"'resistant_regrowth_time' is not in this trial.*older layout.*again"):
        old["resistant_regrowth_time"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_result_is_verified(path):
    report = verify(path)
    assert report.ok, str(report)


def test_there_is_a_golden_spatial_result_of_every_layout():
    assert [path.stem for path in SPATIAL] == [f"spatial_layout_{version}" for version in range(1, SPATIAL_VERSION + 1)]


@pytest.mark.parametrize("path", SPATIAL, ids=lambda path: path.stem)
def test_a_golden_spatial_result_stays_readable(path):
    known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    stored = read_spatial(path)
    data = stored.data
    assert stored.digest == known["digest"]
    assert stored.layout_version == known["layout_version"]
    assert list(data.arms) == known["arms"]
    assert sorted(data.arrays) == known["variables"]
    assert [float(value).hex() for value in data["oxygen"].ravel()] == known["oxygen"]
    assert {arm: sorted(pictures) for arm, pictures in data.snapshots.items()} == known["pictures"]
    assert {arm: held["content"].ravel().tolist() for arm, held in data.snapshots.items()} == known["content"]
    assert {arm: cells["parent"].tolist() for arm, cells in data.lineage.items()} == known["parent"]
    assert stored.summary == known["summary"]
    assert stored.scenario_text == known["scenario"]
    assert stored.provenance == known["provenance"]
    assert path.stat().st_size <= 200_000
    assert verify(path).ok


def test_there_is_a_golden_sweep_of_every_layout():
    assert [path.stem for path in SWEEPS] == [f"sweep_layout_{version}" for version in range(1, SWEEP_VERSION + 1)]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_golden_sweep_stays_readable(path):
    known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    stored = read_sweep(path)
    data = stored.data
    assert stored.digest == known["digest"]
    assert stored.layout_version == known["layout_version"]
    assert [one.name for one in (*data.factors, *data.outputs)] == known["columns"]
    assert [data.factor("schedule").text(point) for point in range(data.points)] == known["schedule"]
    assert [value.hex() for value in data.output("hr").values.ravel().tolist()] == known["hr"]
    assert data.status.tolist() == known["status"]
    assert data.seeds.tolist() == known["seeds"]
    assert stored.summary == known["summary"]
    assert stored.scenario_text == known["scenario"]
    assert stored.scenario_source == known["sweep"]
    assert stored.provenance == known["provenance"]
    assert path.stat().st_size <= 100_000
    assert verify(path).ok
