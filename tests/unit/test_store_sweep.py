"""The table of a sweep: what goes in comes out, xarray reads the same file, damage is told."""

import csv
import dataclasses
import json

import h5py
import numpy as np
import pytest

import tumorsim as ts
from toy_result import PROVENANCE, SCENARIO, forge, write_toy
from toy_spatial import write_toy_spatial
from toy_sweep import SOURCE, SUMMARY, make_sweep, write_toy_sweep
from tumorsim.export import to_csv
from tumorsim.store import ResultError, kind_of, read, read_spatial, read_sweep, sweep_digest
from tumorsim.sweep_data import CODE, STATUS
from tumorsim.verify import verify


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_toy_sweep(tmp_path_factory.mktemp("sweep") / "toy.h5")


def replaced(**changes):
    return dataclasses.replace(make_sweep(), **changes)


@pytest.mark.parametrize("options", [{}, {"points": 1, "replicates": 1}, {"points": 300, "replicates": 2}], ids=str)
def test_a_sweep_comes_back_bit_for_bit(options, tmp_path):
    written = make_sweep(**options)
    back = read_sweep(write_toy_sweep(tmp_path / "a.h5", written)).data
    assert (back.name, back.title, back.design) == (written.name, written.title, written.design)
    for ours, theirs in zip((*written.factors, *written.outputs), (*back.factors, *back.outputs), strict=True):
        assert dataclasses.replace(ours, values=None) == dataclasses.replace(theirs, values=None)
        assert theirs.values.dtype == np.float64
        assert theirs.values.tobytes() == ours.values.tobytes()
    assert back.status.dtype == np.int8
    assert back.status.tobytes() == written.status.tobytes()
    assert back.seeds.tolist() == written.seeds.tolist()
    assert verify(tmp_path / "a.h5").ok


def test_everything_beside_the_arrays_comes_back(path):
    back = read_sweep(path)
    assert {key: back.summary[key] for key in SUMMARY} == SUMMARY
    assert (back.scenario_text, back.scenario_source) == (SCENARIO, SOURCE)
    assert back.provenance == {key: value for key, value in PROVENANCE.items() if value is not None}
    assert back.layout_version == 1
    assert back.digest == sweep_digest(make_sweep(), SCENARIO, 7)
    assert kind_of(path) == "sweep"


def test_the_digest_knows_every_value():
    data = make_sweep()
    values = data.outputs[0].values.copy()
    values[0, 0] = np.nextafter(values[0, 0], 1)
    changed = [
        replaced(outputs=(dataclasses.replace(data.outputs[0], values=values), data.outputs[1])),
        replaced(status=np.zeros_like(data.status)),
        replaced(seeds=data.seeds + 1),
        replaced(factors=data.factors[:2]),
        replaced(factors=(dataclasses.replace(data.factors[0], unit="1"), *data.factors[1:])),
    ]
    digests = [sweep_digest(one, SCENARIO, 7) for one in (data, *changed)] + [sweep_digest(data, SCENARIO, 8)]
    assert len(set(digests)) == len(digests)


def test_xarray_reads_numbers_texts_units_and_codes(path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    data = make_sweep()
    with xarray.open_dataset(path, group="runs", engine="h5netcdf") as held:
        assert held["hr"].dims == ("point", "replicate")
        np.testing.assert_array_equal(held["hr"], data.output("hr").values)
        np.testing.assert_array_equal(held["dose"], data.factor("dose").values)
        assert held["dose"].attrs["units"] == "cells"
        assert held["gain"].attrs["long_name"] == "Gain, combination"
        texts = [text.decode() if isinstance(text, bytes) else str(text) for text in held["schedule"].values]
        assert texts == [data.factor("schedule").text(point) for point in range(data.points)]
        assert held["status"].attrs["flag_meanings"].split() == list(STATUS)
        assert held["seed"].values.tolist() == data.seeds.tolist()
    assert ts.open_result(path).to_xarray()["hr"].shape == (6, 3)


def test_frame_and_tables_have_a_row_for_every_run(path, tmp_path):
    frame = ts.open_result(path).to_frame()
    assert list(frame) == ["point", "replicate", "seed", "dose", "start", "schedule", "hr", "gain", "status"]
    assert len(frame) == 18
    last = frame.iloc[-1]
    assert (last["point"], last["replicate"], last["seed"], last["status"]) == (5, 2, 9, "failed")
    assert frame.attrs["units"]["dose"] == "cells"
    assert ts.open_result(path).failures()["message"].tolist() == ["ScenarioError: no × luck"]
    to_csv(path, tmp_path)
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(frame)
    assert [float(row["hr"] or "nan").hex() for row in rows] == [value.hex() for value in frame["hr"]]
    assert [row["schedule"] for row in rows] == frame["schedule"].tolist()
    with (tmp_path / "failures.csv").open(encoding="utf-8", newline="") as file:
        (failure,) = csv.DictReader(file)
    assert (failure["point"], failure["seed"]) == ("5", "9")
    assert json.loads(failure["settings"]) == ["arms.a.dose=1e10 cells"]
    with (tmp_path / "variables.csv").open(encoding="utf-8", newline="") as file:
        meant = {row["column"]: row for row in csv.DictReader(file)}
    assert set(meant) == set(frame)
    assert meant["schedule"]["values"] == "4 x q1w | 4 x q2w"


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": np.arange(2)},
        {"status": np.full((6, 3), 3, np.int8)},
        {"outputs": (make_sweep().outputs[0], make_sweep().outputs[0])},
        {"outputs": (dataclasses.replace(make_sweep().outputs[0], name="seed"),)},
        {"outputs": (dataclasses.replace(make_sweep().outputs[0], name="schedule" + CODE),)},
        {"outputs": (dataclasses.replace(make_sweep().outputs[0], values=np.zeros((2, 3))),)},
        {"factors": (dataclasses.replace(make_sweep().factors[0], values=np.full(6, np.nan)),)},
        {"factors": (dataclasses.replace(make_sweep().factors[2], values=np.full(6, 2.0)),)},
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_not_written(changes, tmp_path):
    with pytest.raises(ResultError, match="arrays"):
        write_toy_sweep(tmp_path / "a.h5", replaced(**changes))
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_byte_is_told(path, tmp_path):
    content = path.read_bytes()
    for place in np.random.default_rng(1).integers(0, len(content), 60):
        broken = bytearray(content)
        broken[place] ^= 16
        (tmp_path / "a.h5").write_bytes(broken)
        with pytest.raises(ResultError):
            read_sweep(tmp_path / "a.h5")


def told_otherwise(change):
    def edit(file):
        held = json.loads(file["summary/json"][0])
        change(held["columns"])
        attributes = dict(file["summary/json"].attrs)
        del file["summary/json"]
        kind = h5py.string_dtype("utf-8", len(json.dumps(held)))
        file["summary"].create_dataset("json", data=np.array([json.dumps(held).encode()], kind)).attrs.update(
            attributes
        )

    return edit


FORGED = {
    "a value": lambda file: file["runs/hr"].__setitem__((0, 0), 0.5),
    "a status": lambda file: file["runs/status"].__setitem__((0, 0), 2),
    "a code": lambda file: file["runs/schedule_code"].__setitem__(0, 5),
    "a column gone": lambda file: file["runs"].__delitem__("hr"),
    "a column more": lambda file: file["runs"].create_dataset("more", data=[1.0]),
    "a group more": lambda file: file.create_group("more"),
    "no summary": lambda file: file["summary"].__delitem__("json"),
    "another title": told_otherwise(lambda columns: columns.update(title="Another")),
    "no columns": told_otherwise(dict.clear),
    "columns of another form": told_otherwise(lambda columns: columns.update(outputs=[1])),
    "a column that is not there": told_otherwise(lambda columns: columns["outputs"][0].update(name="../x")),
    "another unit": told_otherwise(lambda columns: columns["outputs"][0].update(unit="month")),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_table_is_refused(name, path, tmp_path):
    forged = tmp_path / "a.h5"
    forged.write_bytes(path.read_bytes())
    forge(forged, FORGED[name])
    with pytest.raises(ResultError) as told:
        read_sweep(forged)
    assert "read_sweep" not in str(told.value)


def test_other_kinds_are_refused_with_the_right_advice(path, tmp_path):
    trial, lattice = write_toy(tmp_path / "trial.h5"), write_toy_spatial(tmp_path / "lattice.h5")
    for reader, file, name in (
        (read, path, "read_sweep"),
        (read_spatial, path, "read_sweep"),
        (read_sweep, trial, "read"),
        (read_sweep, lattice, "read_spatial"),
    ):
        with pytest.raises(ResultError, match=rf"tumorsim\.store\.{name}\.$"):
            reader(file)


def test_a_sweep_is_not_replayed_as_a_whole(path):
    with pytest.raises(ResultError, match=r"is the table of a sweep.*Repeat one run"):
        ts.replay(path)


def test_names_that_are_not_there_are_told_with_those_that_are():
    with pytest.raises(KeyError, match="factors are dose, start, schedule"):
        make_sweep().factor("hr")
    with pytest.raises(KeyError, match="outputs are hr, gain"):
        make_sweep().output("dose")
