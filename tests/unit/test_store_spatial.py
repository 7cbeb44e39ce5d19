"""The result of a spatial study: what goes in comes out, and xarray and VTK read the same file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from toy_result import PROVENANCE, SCENARIO, SEED, SOURCE, write_toy
from toy_spatial import SUMMARY, make_spatial, write_toy_spatial
from tumorsim import store
from tumorsim.spatial_variables import BOX, LINEAGE, MEASURES, SERIES, SNAPSHOTS, SpatialData
from tumorsim.store import (
    ResultError,
    compare_spatial,
    kind_of,
    read,
    read_spatial,
    spatial_digest,
    write_spatial,
)
from tumorsim.store.sealing import SEAL_SIZE
from tumorsim.verify import verify


@pytest.fixture(scope="module")
def data() -> SpatialData:
    return make_spatial()


@pytest.fixture(scope="module")
def path(data: SpatialData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_spatial(tmp_path_factory.mktemp("spatial") / "toy.h5", data)


def arrays_of(data: SpatialData) -> dict[str, np.ndarray]:
    """Every array by a name of its own."""
    found = {f"axis {n}": getattr(data, n) for n in ("replicate", "time", "shot", "depth", "radius")} | data.arrays
    for kind in ("snapshots", "lineage"):
        for arm, arrays in getattr(data, kind).items():
            found |= {f"{kind}/{arm}/{name}": array for name, array in arrays.items()}
    return found


def replaced(data: SpatialData, place: str, array: np.ndarray) -> SpatialData:
    """The study with another array at ``kind/arm/name``, or under a plain name."""
    kind, _, rest = place.rpartition("/")
    if not kind:
        return dataclasses.replace(data, arrays=data.arrays | {rest: array})
    field, arm = kind.split("/")
    tables = getattr(data, field)
    return dataclasses.replace(data, **{field: tables | {arm: tables[arm] | {rest: array}}})


# --- round trip ----------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"arms": 1, "replicates": 1, "box": (1, 7, 3)},
        {"arms": 3, "shots": 0},
        {"cells": 0},
        {"shots": 0, "cells": 0, "times": 0},
        {"shots": 1},
    ],
    ids=str,
)
def test_a_study_comes_back_bit_for_bit_and_type_for_type(options, tmp_path):
    written = make_spatial(**options)
    back = read_spatial(write_toy_spatial(tmp_path / "a.h5", written)).data
    ours, theirs = arrays_of(written), arrays_of(back)
    assert list(theirs) == list(ours) or set(theirs) == set(ours)
    for name, array in ours.items():
        assert theirs[name].dtype == array.dtype, name
        assert theirs[name].shape == array.shape, name
        assert theirs[name].tobytes() == array.tobytes(), name
    for name in ("arms", "labels", "products", "shape", "spacing"):
        assert getattr(back, name) == getattr(written, name)
    assert compare_spatial(written, back) == []
    assert verify(tmp_path / "a.h5").ok


def test_everything_beside_the_arrays_comes_back(path, data):
    back = read_spatial(path)
    assert back.summary == SUMMARY
    assert (back.scenario_text, back.scenario_source) == (SCENARIO, SOURCE)
    assert back.provenance == {key: value for key, value in PROVENANCE.items() if value is not None}
    assert back.layout_version == 1
    assert back.digest == spatial_digest(data, SCENARIO, SEED)


@pytest.mark.slow
def test_a_lineage_of_one_arm_only_an_empty_one_and_no_cells_are_three_things(tmp_path, data):
    for lineage in (
        {},
        {"cik": data.lineage["cik"]},
        {"cik": {}},
        {"cik": {v.name: data.lineage["cik"][v.name][:0] for v in LINEAGE}},
    ):
        written = dataclasses.replace(data, lineage=lineage)
        back = read_spatial(write_toy_spatial(tmp_path / "a.h5", written, force=True)).data.lineage
        assert {arm: {n: a.tobytes() for n, a in t.items()} for arm, t in back.items()} == {
            arm: {n: a.tobytes() for n, a in t.items()} for arm, t in lineage.items()
        }
        assert verify(tmp_path / "a.h5").ok


def test_odd_bits_of_single_floats_survive(tmp_path, data):
    odd = data.snapshots["cik"]["oxygen"].copy()
    odd.reshape(-1)[:6] = [np.nan, -np.nan, np.inf, -np.inf, -0.0, 1e-45]
    odd.reshape(-1)[:1].view(np.uint32)[0] |= 0xBEEF
    written = replaced(data, "snapshots/cik/oxygen", odd)
    assert read_spatial(write_toy_spatial(tmp_path / "a.h5", written)).data.snapshots["cik"]["oxygen"].tobytes() == (
        odd.tobytes()
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_eight_bits_of_voxels_come_back(dtype, tmp_path, data):
    load = data.snapshots["cik"]["lymphocytes"].astype(dtype)
    load[0, 0, 0, 0] = np.iinfo(dtype).max
    back = read_spatial(write_toy_spatial(tmp_path / "a.h5", replaced(data, "snapshots/cik/lymphocytes", load)))
    np.testing.assert_array_equal(back.data.snapshots["cik"]["lymphocytes"], load, strict=True)


def test_a_box_without_any_structure_is_still_read(tmp_path, monkeypatch):
    """Zeros shrink a thousandfold: packed as usual, the file would look like a bomb to the guard."""
    monkeypatch.setattr("tumorsim.store.guard.FREE_CLAIM", 1 << 20)
    monkeypatch.setattr("tumorsim.store.guard.MAX_RATIO", 10)
    blank = make_spatial(arms=1, shots=2, box=(40, 40, 40), cells=0)
    zeros = {name: np.zeros_like(array) for name, array in blank.snapshots["control"].items()}
    blank = dataclasses.replace(blank, snapshots={"control": zeros})
    path = write_toy_spatial(tmp_path / "a.h5", blank)
    assert compare_spatial(read_spatial(path).data, blank) == []
    assert path.stat().st_size > 2 * 30 * 40**3  # as they are in memory
    with monkeypatch.context() as patched:
        patched.setattr("tumorsim.store.spatial_encoding.is_bomb", lambda *_: False)
        path = write_toy_spatial(tmp_path / "b.h5", blank)
    with pytest.raises(ResultError, match="bytes of data in"):
        read_spatial(path)


# --- kinds of result -------------------------------------------------------------


def test_the_kind_of_a_file_is_known_and_neither_is_read_as_the_other(path, tmp_path):
    trial = write_toy(tmp_path / "trial.h5")
    assert (kind_of(path), kind_of(trial)) == ("spatial", "trial")
    with pytest.raises(ResultError, match=r"is a tumorsim spatial result, not a tumorsim result\."):
        read(path)
    with pytest.raises(ResultError, match=r"is a tumorsim result, not a tumorsim spatial result\."):
        read_spatial(trial)
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ResultError, match="no seal"):
        kind_of(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(3)
    content = (tmp_path / "other.h5").read_bytes()
    (tmp_path / "other.h5").write_bytes(content + store.sealing.seal(hashlib.sha256(content).hexdigest()))
    for reader in (kind_of, read_spatial):
        with pytest.raises(ResultError, match="no tumorsim result"):
            reader(tmp_path / "other.h5")


def test_verify_reports_a_whole_spatial_file(path, data):
    report = verify(path)
    assert report.ok, str(report)
    assert (report.digest, report.layout_version) == (spatial_digest(data, SCENARIO, SEED), 1)
    voxels = len(data.arms) * len(SNAPSHOTS)  # counted once, though they have two names
    assert report.datasets == 5 + 6 + 6 + len(SERIES) + len(MEASURES) + 2 * (1 + len(LINEAGE)) + 5 + 2 * voxels


# --- the hash of the data ---------------------------------------------------------


def test_the_hash_is_the_one_that_the_docs_describe(data):
    """An independent reading of docs/result-file.md, "The hash of a spatial study"."""
    head = [list(data.arms), list(data.labels), list(data.products), list(data.shape), data.spacing]
    head += [[True, True], [True, True], SEED, SCENARIO]
    content = b"tumorsim spatial data, layout of the hash 1\n" + json.dumps(head).encode("ascii")
    parts = {f"axis {n}": getattr(data, n) for n in ("replicate", "time", "shot", "depth", "radius")}
    parts |= dict(sorted(data.arrays.items()))
    for kind in ("snapshots", "lineage"):
        for arm in data.arms:
            parts |= {f"{kind}/{arm}/{n}": a for n, a in sorted(getattr(data, kind)[arm].items())}
    for name, array in parts.items():
        wide = {"f": "f8"}.get(array.dtype.kind, "i8")
        kind = {"f": "f4"}.get(array.dtype.kind, "u1") if name.startswith("snapshots/") else wide
        content += f"\n{name} {kind} {list(array.shape)}\n".encode() + array.astype(f"<{kind}").tobytes()
    assert spatial_digest(data, SCENARIO, SEED) == hashlib.sha256(content).hexdigest()


def test_every_single_change_changes_the_hash(data):
    changed = [
        dataclasses.replace(data, **change)
        for change in (
            {"arms": ("control", "x")},
            {"labels": ("a", "b")},
            {"products": ("a", "b")},
            {"shape": (4, 6, 5)},
            {"spacing": 10.0},
            {"snapshots": {}},
            {"lineage": {}},
            {"lineage": {"cik": data.lineage["cik"]}},
            {"lineage": data.lineage | {"cik": {}}},
            {"lineage": {"cik": {}}},
            {"lineage": {"control": {}}},
            {"snapshots": {"control": data.snapshots["cik"], "cik": data.snapshots["control"]}},
        )
    ]
    for place, array in arrays_of(data).items():
        bumped = array.copy()
        last = bumped.reshape(-1)[-1:]
        if array.dtype.kind == "f":
            last[:] = np.nextafter(last, np.float32(1e30)) if not np.isnan(last[0]) else 1.0
        else:
            last[:] = 1 - last
        axis = place.removeprefix("axis ")
        changed.append(dataclasses.replace(data, **{axis: bumped}) if axis != place else replaced(data, place, bumped))
    seen = {spatial_digest(study, SCENARIO, SEED) for study in changed}
    seen |= {spatial_digest(data, SCENARIO, SEED), spatial_digest(data, "x", SEED), spatial_digest(data, SCENARIO, 1)}
    assert len(seen) == len(changed) + 3


def test_compare_names_the_voxel(data):
    other = data.snapshots["cik"]["vegf"].copy()
    other[1, 2, 3, 4] += 1.0
    (found,) = compare_spatial(data, replaced(data, "snapshots/cik/vegf", other))
    assert (found.name, found.index, found.count) == ("snapshots/cik/vegf", (1, 2, 3, 4), 1)
    names = [d.name for d in compare_spatial(data, dataclasses.replace(data, spacing=1.0, shot=data.shot + 1.0))]
    assert names == ["spacing", "axis shot"]


# --- what is refused before it is written --------------------------------------------


def doubled(data: SpatialData) -> SpatialData:
    return replaced(data, "snapshots/cik/oxygen", data.snapshots["cik"]["oxygen"].astype(float))


REFUSED: dict[str, tuple[Any, str]] = {
    "a field of doubles": (doubled, "snapshots/cik/oxygen is float64, expected float32"),
    "wide codes": (
        lambda d: replaced(d, "snapshots/cik/content", d.snapshots["cik"]["content"].astype(int)),
        "snapshots/cik/content is int64, expected 8-bit integers from 0",
    ),
    "a negative count": (
        lambda d: replaced(d, "snapshots/cik/lymphocytes", -d.snapshots["cik"]["lymphocytes"].astype("i1")),
        "expected 8-bit integers from 0",
    ),
    "a code that is none": (
        lambda d: replaced(d, "snapshots/cik/content", d.snapshots["cik"]["content"] + np.uint8(8)),
        "holds a code outside 0..7",
    ),
    "another box": (lambda d: dataclasses.replace(d, shape=(4, 6, 5)), "has shape (3, 4, 5, 6), expected (3, 4, 6, 5)"),
    "no box": (lambda d: dataclasses.replace(d, shape=(4, 0, 5)), "not three whole numbers of voxels from 1"),
    "no spacing": (lambda d: dataclasses.replace(d, spacing=math.nan), "spacing is nan, not a length above 0"),
    "a missing array": (
        lambda d: dataclasses.replace(d, arrays={k: v for k, v in d.arrays.items() if k != "births"}),
        "births is missing",
    ),
    "a foreign array": (
        lambda d: replaced(d, "extra", np.zeros(3)),
        "extra is not declared in tumorsim.spatial_variables",
    ),
    "snapshots of one arm": (
        lambda d: dataclasses.replace(d, snapshots={"cik": d.snapshots["cik"]}),
        "are of some arms and not of others",
    ),
    "snapshots of no shot": (
        lambda d: dataclasses.replace(make_spatial(shots=0), snapshots=d.snapshots),
        "snapshots are of no shot",
    ),
    "a lineage of no arm": (
        lambda d: dataclasses.replace(d, lineage={"x": d.lineage["cik"]}),
        "lineage/x is of no arm",
    ),
    "a mother out of the table": (
        lambda d: replaced(d, "lineage/cik/parent", d.lineage["cik"]["parent"] + 30),
        "names a cell that is not in the table",
    ),
    "columns of other lengths": (
        lambda d: replaced(d, "lineage/cik/birth", d.lineage["cik"]["birth"][1:]),
        "lineage/cik/birth has shape (20,), expected (21,)",
    ),
    "shots that fall": (lambda d: dataclasses.replace(d, shot=d.shot[::-1]), "shot must be finite and rising"),
    "an arm with a slash": (
        lambda d: dataclasses.replace(make_spatial(), arms=("a/b", "cik"), snapshots={}, lineage={}),
        "'a/b' cannot name a dataset",
    ),
    "two products of one name": (
        lambda d: dataclasses.replace(d, products=("a", "a")),
        "product needs different names",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_study_that_does_not_fit_is_refused_with_a_sentence(name, data, tmp_path):
    change, message = REFUSED[name]
    with pytest.raises(ResultError) as caught:
        write_toy_spatial(tmp_path / "a.h5", change(data))
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_unless_forced_and_the_seed_must_be_one(tmp_path, data):
    path = write_toy_spatial(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(ResultError, match="exists already"):
        write_toy_spatial(path)
    with pytest.raises(ResultError, match="seed is None"):
        write_spatial(path, data, {}, SCENARIO, SOURCE, PROVENANCE, force=True)
    assert path.read_bytes() == before
    write_toy_spatial(path, make_spatial(seed=1), force=True)
    assert path.read_bytes() != before


# --- the file as others see it --------------------------------------------------


def test_voxels_are_on_file_once_small_packed_and_checksummed(path, data):
    with h5py.File(path) as file:
        for arm in data.arms:
            for variable in SNAPSHOTS:
                name = f"{arm}_{variable.name}"
                item = file[f"VTKHDF/CellData/{name}"]
                assert h5py.h5o.get_info(item.id).addr == h5py.h5o.get_info(file[f"snapshots/{name}"].id).addr
                assert (item.compression, item.shuffle, item.fletcher32) == ("gzip", True, True)
                assert item.dtype == (np.int8 if variable.labels or variable.count else np.float32)
                assert item.chunks == (1, 4, 5, 6)  # one shot: whole planes
                assert item.attrs["units"].decode() == variable.unit


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_every_group_without_us(engine, path, data):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4" if engine == "netcdf4" else "h5netcdf")
    for group, variables in (("series", SERIES), ("measures", MEASURES)):
        with xarray.open_dataset(path, group=group, engine=engine) as opened:
            for variable in variables:
                assert opened[variable.name].dims == variable.dims
                np.testing.assert_array_equal(opened[variable.name].values, data[variable.name])
                assert opened[variable.name].attrs["units"] == variable.unit
            assert opened["arm"].values.tolist() == list(data.arms)
            np.testing.assert_array_equal(opened["replicate"].values, data.replicate)
    with xarray.open_dataset(path, group="series", engine=engine) as opened:
        np.testing.assert_array_equal(
            opened["kills"].sel(arm="cik", product="memory_cd8").values, data["kills"][1, :, 1]
        )
        np.testing.assert_array_equal(opened["deaths"].sel(fate="hypoxia").values, data["deaths"][:, :, 3])
        np.testing.assert_array_equal(opened["time"].values, data.time)
    with xarray.open_dataset(path, group="snapshots", engine=engine) as opened:
        assert dict(opened.sizes) == {"shot": 3, "z": 4, "y": 5, "x": 6}
        np.testing.assert_array_equal(opened["shot"].values, [0.0, 7.0, 14.0])
        np.testing.assert_array_equal(opened["x"].values, [10.0, 30.0, 50.0, 70.0, 90.0, 110.0])
        assert (opened["x"].attrs["units"], opened["shot"].attrs["units"]) == ("um", "day")
        for arm in data.arms:
            for variable in SNAPSHOTS:
                found = opened[f"{arm}_{variable.name}"]
                assert (found.dims, found.attrs["units"]) == (BOX, variable.unit)
                np.testing.assert_array_equal(found.values, data.snapshots[arm][variable.name])
        # A place in space and time by its coordinates, not by its indices.
        value = opened["cik_oxygen"].sel(shot=7.0, z=30.0, y=50.0, x=110.0)
        assert float(value) == float(data.snapshots["cik"]["oxygen"][1, 1, 2, 5])
    with xarray.open_dataset(path, group="VTKHDF/CellData", engine=engine) as opened:
        assert opened["cik_vegf"].dims == BOX  # without coordinates, which VTK would take for voxels
        np.testing.assert_array_equal(opened["cik_vegf"].values, data.snapshots["cik"]["vegf"])
    with xarray.open_dataset(path, group="lineage/cik", engine=engine) as opened:
        for variable in LINEAGE:
            np.testing.assert_array_equal(opened[variable.name].values, data.lineage["cik"][variable.name])
        assert opened["fate"].attrs["flag_meanings"].split()[6] == "product"


def test_the_header_is_that_of_a_temporal_image_of_vtkhdf(path, data):
    """Literally, from the specification of VTKHDF 2.0: it must hold where no VTK is at hand to read the file."""
    with h5py.File(path) as file:
        root, steps = file["VTKHDF"], file["VTKHDF/Steps"]
        assert root.attrs["Version"].tolist() == [2, 0]
        kind = root.attrs.get_id("Type").get_type()
        assert (kind.get_cset(), kind.is_variable_str(), kind.get_size()) == (h5py.h5t.CSET_ASCII, False, 9)
        assert root.attrs["Type"] == b"ImageData"
        assert root.attrs["WholeExtent"].tolist() == [0, 6, 0, 5, 0, 4]  # x, y, z
        assert root.attrs["Origin"].tolist() == [0.0, 0.0, 0.0]
        assert root.attrs["Spacing"].tolist() == [20.0, 20.0, 20.0]
        assert root.attrs["Direction"].tolist() == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        assert steps.attrs["NSteps"] == 3
        assert steps["Values"][:].tolist() == [0.0, 7.0, 14.0]
        assert set(steps["CellDataOffsets"]) == set(file["VTKHDF/CellData"])
        for name, offsets in steps["CellDataOffsets"].items():
            assert offsets[:].tolist() == [0, 1, 2]
            assert file["VTKHDF/CellData"][name].shape == (3, 4, 5, 6)


def test_a_single_shot_is_shown_twice(tmp_path):
    """VTK takes an image of one step for one without time, and then fails on its first axis."""
    path = write_toy_spatial(tmp_path / "a.h5", dataclasses.replace(make_spatial(shots=1), shot=np.array([28.0])))
    with h5py.File(path) as file:
        assert file["VTKHDF/Steps"].attrs["NSteps"] == 2
        assert file["VTKHDF/Steps/Values"][:].tolist() == [28.0, 28.0]
        assert file["VTKHDF/Steps/CellDataOffsets/cik_vegf"][:].tolist() == [0, 0]
        assert file["VTKHDF/CellData/cik_vegf"].shape == (1, 4, 5, 6)


@pytest.mark.parametrize(("shots", "box"), [(3, (4, 5, 6)), (1, (1, 7, 3))])
def test_vtk_reads_the_same_voxels(shots, box, tmp_path):
    """`pip install vtk` (9.3 or later) for this one."""
    pytest.importorskip("vtk", minversion="9.3")
    from vtk.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
    from vtkmodules.vtkIOHDF import vtkHDFReader

    data = make_spatial(shots=shots, box=box)
    path = write_toy_spatial(tmp_path / "a.h5", data)
    reader = vtkHDFReader()
    assert reader.CanReadFile(str(path))
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    found = reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
    assert list(found) == (data.shot.tolist() if shots > 1 else [0.0, 0.0])
    for step in range(shots - 1, -1, -1):
        reader.UpdateTimeStep(float(data.shot[step]))
        image = reader.GetOutputDataObject(0)
        assert image.IsA("vtkImageData")
        assert image.GetDimensions() == tuple(n + 1 for n in box[::-1])  # corners along x, y, z
        assert image.GetSpacing() == (20.0, 20.0, 20.0)
        cells = image.GetCellData()
        names = {cells.GetArrayName(i) for i in range(cells.GetNumberOfArrays())}
        assert names == {f"{arm}_{v.name}" for arm in data.arms for v in SNAPSHOTS}
        for arm in data.arms:
            for name, array in data.snapshots[arm].items():
                seen = vtk_to_numpy(cells.GetArray(f"{arm}_{name}")).reshape(data.shape)
                np.testing.assert_array_equal(seen, array[step])


# --- damage -----------------------------------------------------------------------


def test_every_bit_and_every_cut_counts(path, tmp_path):
    """The seal: one hundred bits and one hundred cuts, wherever they fall."""
    content, luck, damaged = path.read_bytes(), random.Random(5), tmp_path / "damaged.h5"
    places = [luck.randrange(len(content)) for _ in range(98)] + [0, len(content) - 1]
    for at in places:
        damaged.write_bytes(content[:at] + bytes([content[at] ^ (1 << luck.randrange(8))]) + content[at + 1 :])
        with pytest.raises(ResultError, match=r"is damaged|no seal"):
            read_spatial(damaged)
    for size in [luck.randrange(len(content)) for _ in range(97)] + [0, SEAL_SIZE, len(content) - 1]:
        damaged.write_bytes(content[:size])
        with pytest.raises(ResultError, match=r"no seal|is no result|only \d+ bytes"):
            read_spatial(damaged)
    damaged.write_bytes(content)
    assert compare_spatial(read_spatial(damaged).data, read_spatial(path).data) == []
