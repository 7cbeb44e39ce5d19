"""Files of spatial studies made with intent; every one has a valid seal, so that the guard behind it must refuse."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from toy_result import forge, write_toy
from toy_spatial import make_spatial, write_toy_spatial
from tumorsim.store import ResultError, read, read_spatial
from tumorsim.store.guard import survey
from tumorsim.store.spatial_decoding import SpatialReader
from tumorsim.verify import verify

CELLS = "VTKHDF/CellData"
CHECKED = {"compression": "gzip", "shuffle": True, "fletcher32": True}
OTHER = "is not the same dataset as"
FOREIGN = "is no part of layout 1"

Edit = Callable[[h5py.File], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_toy_spatial(
        tmp_path_factory.mktemp("whole") / "a.h5", make_spatial(box=(2, 3, 4), cells=5)
    ).read_bytes()


@pytest.fixture
def path(whole: bytes, tmp_path: Path) -> Path:
    (tmp_path / "a.h5").write_bytes(whole)
    return tmp_path / "a.h5"


def copied(place: str) -> Edit:
    """A dataset of its own in place of the second name."""

    def edit(file: h5py.File) -> None:
        values, kept = file[place][...], dict(file[place].attrs)
        del file[place]
        dataset = file.create_dataset(place, data=values, chunks=values.shape, **CHECKED)
        dataset.attrs.update({name: kept[name] for name in ("units", "memory_dtype") if name in kept})

    return edit


def both(name: str, values: np.ndarray, **options: object) -> Edit:
    """Other voxels under both names."""

    def edit(file: h5py.File) -> None:
        kept = dict(file[f"{CELLS}/{name}"].attrs)
        del file[f"{CELLS}/{name}"], file[f"snapshots/{name}"]
        dataset = file.create_dataset(f"{CELLS}/{name}", data=values, **({"chunks": values.shape} | CHECKED | options))
        dataset.attrs.update({key: kept[key] for key in ("units", "memory_dtype")})
        file[f"snapshots/{name}"] = dataset

    return edit


def linked(place: str, link: object) -> Edit:
    def edit(file: h5py.File) -> None:
        del file[place]
        file[place] = link

    return edit


def crossed(file: h5py.File) -> None:
    """xarray would show one arm under the name of the other."""
    del file["snapshots/cik_oxygen"]
    file["snapshots/cik_oxygen"] = file[f"{CELLS}/control_oxygen"]


def turned(file: h5py.File) -> None:
    """Both second names point at the other arm's."""
    ours, theirs = file[f"{CELLS}/cik_oxygen"], file[f"{CELLS}/control_oxygen"]
    del file["snapshots/cik_oxygen"], file["snapshots/control_oxygen"]
    file["snapshots/cik_oxygen"], file["snapshots/control_oxygen"] = theirs, ours


def nested(file: h5py.File) -> None:
    """A group under two names that a dataset may have."""
    del file["snapshots/x"], file["VTKHDF/x"]
    file["VTKHDF/x"] = file.create_group("snapshots/x")


def cycle(file: h5py.File) -> None:
    del file["snapshots/x"]
    file["snapshots/x"] = file["VTKHDF"]


def marked(place: str, name: str, value: object) -> Edit:
    return lambda file: file[place].attrs.__setitem__(name, value)


def changed(place: str, index: object, value: object) -> Edit:
    return lambda file: file[place].__setitem__(index, value)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(3, 2, 3, 4), dtype="f4")
    layout[:] = h5py.VirtualSource("secret.h5", "x", shape=(3, 2, 3, 4))
    del file[f"{CELLS}/cik_oxygen"], file["snapshots/cik_oxygen"]
    file.create_virtual_dataset(f"{CELLS}/cik_oxygen", layout)
    file["snapshots/cik_oxygen"] = file[f"{CELLS}/cik_oxygen"]


def bomb(file: h5py.File) -> None:
    """1.2 GB of zeros in about 1 MB, well formed in every other respect."""
    del file[f"{CELLS}/cik_oxygen"], file["snapshots/cik_oxygen"]
    options = CHECKED | {"chunks": (1, 1, 1000, 1000), "compression_opts": 9, "dtype": "f4"}
    dataset = file.create_dataset(f"{CELLS}/cik_oxygen", shape=(3, 100, 1000, 1000), **options)
    dataset[0, 0] = 0.0
    raw = dataset.id.read_direct_chunk((0, 0, 0, 0))[1]
    for place in np.ndindex(3, 100):
        dataset.id.write_direct_chunk((*place, 0, 0), raw)
    file["snapshots/cik_oxygen"] = dataset


FORGERIES: dict[str, tuple[Edit, str]] = {
    "voxels for xarray that VTK does not see": (copied("snapshots/cik_oxygen"), OTHER),
    "an axis for xarray that VTK does not see": (copied("snapshots/x"), OTHER),
    "one arm under the name of the other": (crossed, "is a second name of another object"),
    "two arms exchanged": (turned, "is a second name of another object"),
    "a group for an axis, twice": (nested, "is a second name of another object"),
    "a cycle": (cycle, "is a second name of another object"),
    "no second name": (lambda f: f.__delitem__("snapshots/cik_vegf"), OTHER),
    "neither name": (
        lambda f: (f.__delitem__("snapshots/cik_vegf"), f.__delitem__(f"{CELLS}/cik_vegf")),
        f"{CELLS}/cik_vegf: is missing",
    ),
    "an external link": (linked(f"{CELLS}/cik_vegf", h5py.ExternalLink("secret.h5", "x")), "external or foreign link"),
    "a soft link for the second name": (
        linked("snapshots/cik_vegf", h5py.SoftLink(f"/{CELLS}/cik_vegf")),
        "is a soft, external or foreign link",
    ),
    "a virtual dataset": (virtual, "is a virtual dataset"),
    "voxels that only VTK sees": (
        lambda f: f.create_dataset(f"{CELLS}/extra", data=np.ones((3, 2, 3, 4), "f4"), chunks=(3, 2, 3, 4), **CHECKED),
        f"{CELLS}/extra: {FOREIGN}",
    ),
    "points that only VTK sees": (lambda f: f.create_group("VTKHDF/PointData"), FOREIGN),
    "no steps": (lambda f: f.__delitem__("VTKHDF/Steps"), "VTKHDF/Steps: is missing"),
    "no VTK at all, but snapshots": (lambda f: f.__delitem__("VTKHDF"), OTHER),
    "five dimensions": (both("cik_oxygen", np.ones((1, 3, 2, 3, 4), "f4")), "no plain, fixed shape of 1 to 4"),
    "doubles for voxels": (both("cik_oxygen", np.ones((3, 2, 3, 4))), "is not the hash of the data"),
    "another box of one array": (both("cik_oxygen", np.ones((3, 2, 4, 3), "f4")), "has shape (3, 2, 4, 3), expected"),
    "voxels without checksum": (
        both("cik_oxygen", np.ones((3, 2, 3, 4), "f4"), fletcher32=False),
        "needs filters other than",
    ),
    "a bomb of voxels": (bomb, "bytes of data in"),
    "one other voxel": (changed(f"{CELLS}/cik_oxygen", (0, 0, 0, 0), 1.0), "is not the hash of the data"),
    "a content that is none": (changed(f"{CELLS}/cik_content", (0, 0, 0, 0), 9), "a code outside 0..7"),
    "voxels that would grow eightfold in memory": (
        marked(f"{CELLS}/cik_content", "memory_dtype", np.bytes_("int64")),
        "memory_dtype: is none of float32, uint8, int8",
    ),
    "another unit": (marked(f"{CELLS}/cik_oxygen", "units", np.bytes_("kPa")), "is 'kPa', expected 'mmHg'"),
    "another box for VTK": (
        marked("VTKHDF", "WholeExtent", np.array([0, 4, 0, 3, 0, 1])),
        "VTKHDF@WholeExtent: is not [0, 4, 0, 3, 0, 2]",
    ),
    "another spacing for VTK": (marked("VTKHDF", "Spacing", np.full(3, 10.0)), "VTKHDF@Spacing: is not [20.0"),
    "another corner for VTK": (marked("VTKHDF", "Origin", np.ones(3)), "VTKHDF@Origin"),
    "a mirrored box for VTK": (marked("VTKHDF", "Direction", -np.eye(3).ravel()), "VTKHDF@Direction"),
    "another version for VTK": (marked("VTKHDF", "Version", np.array([9, 0])), "VTKHDF@Version"),
    "another type for VTK": (marked("VTKHDF", "Type", np.bytes_("PolyData")), "VTKHDF@Type"),
    "fewer steps for VTK": (marked("VTKHDF/Steps", "NSteps", 2), "VTKHDF/Steps@NSteps"),
    "no number of steps": (lambda f: f["VTKHDF/Steps"].attrs.__delitem__("NSteps"), "VTKHDF/Steps@NSteps"),
    "other times for VTK": (changed("VTKHDF/Steps/Values", 1, 8.0), "VTKHDF/Steps/Values: does not fit the data"),
    "shots exchanged for VTK": (
        changed("VTKHDF/Steps/CellDataOffsets/cik_oxygen", 0, 1),
        "CellDataOffsets/cik_oxygen: does not fit the data",
    ),
    "other places for xarray": (changed("VTKHDF/x", 0, 0.0), "VTKHDF/x: does not fit the data"),
    "other shots for xarray": (changed("VTKHDF/shot", 0, -1.0), "VTKHDF/shot: does not fit the data"),
    "other shots of the measures": (changed("measures/shot", 0, -1.0), "VTKHDF/shot: does not fit the data"),
    "other replicates of the measures": (changed("measures/replicate", 0, 9), "differs from series/replicate"),
    "another shape": (marked("/", "shape", np.array([3, 2, 4])), "has shape (3, 2, 3, 4), expected (3, 3, 2, 4)"),
    "a shape of one number": (marked("/", "shape", 3), "file@shape: is not three whole numbers"),
    "a spacing in words": (marked("/", "spacing", np.bytes_("20")), "file@spacing: is not a number"),
    "arms that are not there": (marked("/", "arms", np.bytes_('["control", "x"]')), "is a second name|is no part of"),
    "an arm with a slash": (marked("/", "arms", np.bytes_('["a/b", "cik"]')), "is a second name|is no part of"),
    "arms that are no list": (marked("/", "arms", np.bytes_("1")), "no JSON list of texts"),
    "another product": (marked("/", "products", np.bytes_('["a", "b"]')), "is not the hash of the data"),
    "a lineage of no arm": (lambda f: f.create_group("lineage/x"), "lineage/x: is of no arm"),
    "a lineage that is an array": (
        lambda f: f.create_dataset("lineage/x", data=np.ones(3), chunks=(3,), **CHECKED),
        "is a group where a dataset is due",
    ),
    "half a lineage": (lambda f: f.__delitem__("lineage/cik/birth"), "lineage/cik/birth: is missing"),
    "a mother out of the table": (changed("lineage/cik/parent", 1, 77), "names a cell that is not in the table"),
    "cells in another order": (changed("lineage/cik/cell", 0, 3), "does not count the cells from 0"),
    "no lineage": (lambda f: f.__delitem__("lineage"), "lineage: is missing"),
    "a format of numbers": (marked("/", "format", np.ones(3)), "no tumorsim result"),
    "a newer layout": (marked("/", "layout_version", 2), "has layout 2; this tumorsim reads up to 1"),
    "another scenario": (changed("scenario/resolved", 0, b"scenario: 2"), "is not the text whose hash is stored"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_file_is_refused_quickly(name, path):
    edit, message = FORGERIES[name]
    forge(path, edit)
    started = time.process_time()
    with pytest.raises(ResultError) as caught:
        read_spatial(path)
    assert any(part in str(caught.value) for part in message.split("|"))
    assert caught.value.advice
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("name", ["voxels for xarray that VTK does not see", "a bomb of voxels", "one other voxel"])
def test_verify_refuses_them_too(name, path):
    edit, message = FORGERIES[name]
    report = verify(forge(path, edit))
    assert not report.ok
    assert message in str(report)


def test_a_file_that_claims_to_be_of_the_other_kind_is_refused(path, tmp_path):
    forge(path, marked("/", "format", np.bytes_("tumorsim result")))
    with pytest.raises(ResultError):
        read(path)
    assert not verify(path).ok
    trial = forge(write_toy(tmp_path / "b.h5"), marked("/", "format", np.bytes_("tumorsim spatial result")))
    with pytest.raises(ResultError):
        read_spatial(trial)
    assert not verify(trial).ok


def test_verify_sees_what_read_does_not_need(path):
    """Axes and their names serve other tools; a forger may turn them round."""

    def detach(file: h5py.File) -> None:
        file["series/births"].dims[2].detach_scale(file["series/time"])
        file[f"{CELLS}/cik_oxygen"].dims[3].detach_scale(file["VTKHDF/x"])
        file["lineage/cik/birth"].dims[0].detach_scale(file["lineage/cik/cell"])
        for place in ("series/arm", "measures/arm_label", "series/product", "series/fate"):
            file[place][0] = "x"

    forge(path, detach)
    read_spatial(path)
    rules = {str(problem).split(". ")[0] for problem in verify(path).problems}
    assert rules == {
        "series/births: its axis time is not attached",
        f"{CELLS}/cik_oxygen: its axis x is not attached",
        "lineage/cik/birth: its axis cell is not attached",
        "series/arm: differs from the attribute arms of the file",
        "measures/arm_label: differs from the attribute arm_labels of the file",
        "series/product: differs from the attribute products of the file",
        "series/fate: is not alive, turnover, drug, hypoxia, depot, memory, product",
    }


def test_verify_names_the_damaged_voxels(path):
    """One flipped bit inside a chunk: the seal says that, the checksum of the chunk says where."""
    with h5py.File(path) as file:
        chunk = file[f"{CELLS}/cik_vegf"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 9] ^= 16
    path.write_bytes(content)
    assert [problem.place for problem in verify(path).problems] == ["file", f"{CELLS}/cik_vegf"]


def test_what_a_file_claims_is_what_it_takes_in_memory(path):
    """Voxels as on file, every other number as eight bytes, nothing twice."""
    with h5py.File(path) as file:
        entries = SpatialReader(file, path).entries
        assert entries[f"{CELLS}/cik_content"].claimed == 3 * 2 * 3 * 4
        assert entries[f"{CELLS}/cik_oxygen"].claimed == 4 * 3 * 2 * 3 * 4
        assert file["series/kills"].dtype.itemsize < 8
        assert entries["series/kills"].claimed == 8 * file["series/kills"].size
        first = [place for place, entry in entries.items() if entry and not entry.same_as]
        assert len(first) == len({h5py.h5o.get_info(file[place].id).addr for place in first})
        with pytest.raises(ResultError, match="is a second name"):
            survey(file, path, rank=4)


def test_more_than_the_machine_has_is_refused(path, monkeypatch):
    """Counted once, the toy needs about 30 kB; its second names must not double that."""
    with h5py.File(path) as file:
        needed = sum(e.claimed for e in SpatialReader(file, path).entries.values() if e and not e.same_as)
    monkeypatch.setattr("tumorsim.store.guard.machine_memory", lambda: needed / 0.8 + 1)
    read_spatial(path)
    monkeypatch.setattr("tumorsim.store.guard.machine_memory", lambda: needed / 0.8 - 1)
    with pytest.raises(ResultError, match=r"GB of memory; this machine has"):
        read_spatial(path)
