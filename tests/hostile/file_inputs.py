"""Build results and outcomes wrong, seal them and read them; run as a script by `supervised`.

    python file_inputs.py FOLDER SEED START STOP

One line an input: number, what was done, outcome. HDF5 files get wrong types, shapes, names, links, attributes,
storage and claims; JSON files other leaves and branches. All have a valid seal or checksum, so that the layers behind
it must see what is wrong. Other data under the digest of the original are an error of the reader.
"""

from __future__ import annotations

import json
import os
import random
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hdf5_mutants import HDF5, KINDS, Kind
from supervised import leave, limited, ring, say
from trees import anything, leaf, reshape, routes
from yaml_inputs import HANG, outcome

from toy_result import forge
from tumorsim.json_file import sealed_text

HUGE = 1 << 40
TYPES = ("i1", "u8", "i4", "f2", "f4", "f8", "c16", "S5", "V7", "?", ">f8", "<i8")
STRINGS = ("", "x", "\x1b[2J", "é" * 70, "a" * 70_000, "{}", "[]", "null", "1e9999", "NaN", '{"columns": 3}', "../a")


def _names(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return found


def _place(luck: random.Random, file: h5py.File, kind: type | None = None) -> str:
    """An object, most often a dataset."""
    names = [name for name in _names(file) if kind is None or isinstance(file.get(name), kind)]
    return luck.choice(names) if names else "new"


def _replaced(file: h5py.File, place: str, make: Callable[[], Any]) -> None:
    """Another object of the same name and attributes."""
    kept = dict(file[place].attrs) if place in file else {}
    if place in file:
        del file[place]
    made = make()
    for name, value in kept.items():
        if not name.isupper():
            made.attrs[name] = value


def _array(luck: random.Random, like: h5py.Dataset) -> Any:
    """An array that is another: type, shape or numbers."""
    shape, turn = like.shape or (), luck.randrange(6)
    if turn == 0:
        shape = (*shape, luck.choice((1, 2)))
    elif turn == 1:
        shape = shape[:-1]
    elif turn == 2:
        shape = tuple(max(0, n + luck.choice((-1, 1))) for n in shape)
    elif turn == 3:
        shape = shape[::-1]
    dtype = luck.choice(TYPES) if luck.random() < 0.5 or like.dtype.kind not in "fiu" else like.dtype
    held = np.zeros(shape, dtype)
    if held.dtype.kind in "fiu" and held.size:
        fill = luck.choice([0, 1, -1, 7, 127]) if held.dtype.kind != "f" else luck.choice([np.nan, np.inf, -1.0, 6e4])
        held[...] = np.array(fill).astype(held.dtype)
    return held


def retyped(luck: random.Random, file: h5py.File) -> None:
    place = _place(luck, file, h5py.Dataset)
    held = _array(luck, file[place])
    checked = {"compression": "gzip", "shuffle": True, "fletcher32": True} if held.ndim and held.size else {}
    _replaced(file, place, lambda: file.create_dataset(place, data=held, **(checked if luck.random() < 0.7 else {})))


def worded(luck: random.Random, file: h5py.File) -> None:
    place, text = _place(luck, file, h5py.Dataset), luck.choice(STRINGS)
    data = luck.choice([text.replace("\x00", ""), [text] * 3, np.bytes_(b"\xff\xfe"), h5py.Empty("f8")])
    _replaced(file, place, lambda: file.create_dataset(place, data=data))


def told_otherwise(luck: random.Random, file: h5py.File) -> None:
    """A text of JSON with leaves and branches changed."""
    places = [name for name in _names(file) if isinstance(file[name], h5py.Dataset) and name.endswith("json")]
    if not places:
        return worded(luck, file)
    place = luck.choice(places)
    tree = json.loads(file[place][()])
    for _ in range(luck.choice((1, 2, 5))):
        tree = luck.choice([leaf, reshape])(luck, tree, ["columns", "name", "labels", "seed", "factors"])
    text = json.dumps(tree).encode()
    _replaced(file, place, lambda: file.create_dataset(place, data=text.decode()))
    return None


def dropped(luck: random.Random, file: h5py.File) -> None:
    del file[_place(luck, file)]


def moved(luck: random.Random, file: h5py.File) -> None:
    place = _place(luck, file)
    file.move(place, luck.choice([f"{place}_", "stray", f"{place.split('/')[0]}/stray", "a/b/c/d"]))


def added(luck: random.Random, file: h5py.File) -> None:
    group = file[luck.choice(["/", *(n for n in _names(file) if isinstance(file[n], h5py.Group))])]
    if luck.random() < 0.5:
        group.create_dataset("stray", data=luck.choice([1.0, "x", np.arange(9), b"\x00"]))
        return
    for k in range(luck.choice((1, 40, 300))):
        inner = group.create_group(f"g{k}")
        group = inner if k < 120 else group


def swapped(luck: random.Random, file: h5py.File) -> None:
    """A group where a dataset was, or the other way."""
    place = _place(luck, file)
    group = isinstance(file[place], h5py.Group)
    _replaced(file, place, lambda: file.create_dataset(place, data=1.0) if group else file.create_group(place))


def linked(luck: random.Random, file: h5py.File) -> None:
    place, other = _place(luck, file), _place(luck, file)
    links = [h5py.SoftLink(f"/{other}"), h5py.SoftLink(f"/{place}"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/")]
    links += [h5py.ExternalLink("other.h5", "a"), h5py.ExternalLink("/etc/passwd", "/"), file[other], file["/"]]
    link = luck.choice(links)
    if isinstance(link, h5py.HLObject) and link.name in (f"/{place}", "/") and luck.random() < 0.5:
        link = file["/"]
    if luck.random() < 0.7:
        del file[place]
        if not isinstance(link, h5py.HLObject) or link:
            file[place] = link
    else:
        file[f"{place}_again"] = link


def attributed(luck: random.Random, file: h5py.File) -> None:
    there = file[luck.choice(["/", "/", _place(luck, file)])]
    names = [name for name in there.attrs if not name.isupper()] or ["units"]
    name = luck.choice([*names, "stray", "memory_dtype", "format", "layout_version", "data_sha256"])
    values = [
        None,
        0,
        -1,
        2**63 - 1,
        1.5,
        np.nan,
        "",
        "x",
        "\x1b]0;x\x07",
        np.bytes_(b"\xff"),
        np.arange(5),
        ["a", "b"],
    ]
    values += [np.zeros((0,)), h5py.Empty("f8"), there.ref, np.zeros(3, "V3"), "a" * 60_000, np.array([["a"]], "S1")]
    value = values[luck.randrange(len(values))]
    if value is None:
        there.attrs.pop(name, None)
    else:
        there.attrs[name] = value


def claimed(luck: random.Random, file: h5py.File) -> None:
    """Terabytes in nothing."""
    place = _place(luck, file, h5py.Dataset)
    rank = max(1, file[place].ndim)
    shape = luck.choice([(HUGE,) * 1, (1 << 20,) * rank, (HUGE,) + (1,) * (rank - 1), (2**62,)])
    how: dict[str, Any] = luck.choice(
        [{}, {"chunks": True}, {"chunks": (1024,) * len(shape), "compression": "gzip", "fletcher32": True},
         {"maxshape": (None,) * len(shape)}]
    )  # fmt: skip
    dtype = luck.choice(["f8", "u1", "i8", "S8", "S1000000"])
    try:
        _replaced(file, place, lambda: file.create_dataset(place, shape=shape, dtype=dtype, **how))
    except (ValueError, OverflowError, TypeError):  # the library itself will not
        file.attrs["stray"] = 1


def stored(luck: random.Random, file: h5py.File) -> None:
    """Other storage: filters, virtual, external, a type of its own."""
    place = _place(luck, file, h5py.Dataset)
    held = file[place][()] if file[place].shape is not None else 0.0
    flat = isinstance(held, np.ndarray) and held.dtype.kind in "fiu" and held.ndim and held.size
    turn = luck.randrange(5) if flat else 4
    if turn == 0:
        _replaced(file, place, lambda: file.create_dataset(place, data=held, compression="lzf", shuffle=True))
    elif turn == 1:
        _replaced(file, place, lambda: file.create_dataset(place, data=held, external=[("x.bin", 0, 1 << 20)]))
    elif turn == 2:
        layout = h5py.VirtualLayout(shape=held.shape, dtype=held.dtype)
        layout[...] = h5py.VirtualSource("other.h5", "a", shape=held.shape)
        _replaced(file, place, lambda: file.create_virtual_dataset(place, layout))
    elif turn == 3:
        _replaced(file, place, lambda: file.create_dataset(place, data=held, scaleoffset=2, chunks=True))
    else:
        del file[place]
        file[place] = np.dtype(luck.choice(["f8", "i4"]))


EDITS = (
    retyped,
    worded,
    told_otherwise,
    dropped,
    moved,
    added,
    swapped,
    linked,
    attributed,
    attributed,
    claimed,
    stored,
)


def forged(luck: random.Random, file: h5py.File, done: list[str]) -> None:
    """One to three edits; one that the library will not make is left out."""
    for _ in range(luck.choice((1, 1, 2, 3))):
        edit = luck.choice(EDITS)
        done.append(edit.__name__)
        try:
            edit(luck, file)
        except Exception:  # whatever h5py says
            file.attrs["left_out"] = edit.__name__


def read_as(kind: Kind, original: Any, path: Path, hdf5: bool) -> None:
    """Read; an assertion if an HDF5 file gives other data under the same digest."""
    found = kind.read(path)
    if hdf5 and found.digest == original.digest:
        from hdf5_mutants import arrays as of_sweep
        from hdf5_mutants import compare, compare_spatial, same_arrays

        if hasattr(original.data, "points"):
            same = same_arrays(of_sweep(original.data), of_sweep(found.data))
        else:
            same = not (compare_spatial if hasattr(original.data, "snapshots") else compare)(original.data, found.data)
        if not same:
            raise AssertionError("WRONG: other data under the same digest")


def main(folder: Path, seed: int, start: int, stop: int) -> None:
    limited()
    folder = folder.resolve()
    os.chdir(folder)  # what external storage names lies here
    warnings.simplefilter("error", RuntimeWarning)
    originals = {}
    for name in (*HDF5, "outcome", "sensitivity"):
        source = folder / f"{name}.{KINDS[name].suffix}"
        if not source.exists():
            KINDS[name].write(source)
        originals[name] = (source.read_bytes(), KINDS[name].read(source))
    for number in range(start, stop):
        luck = random.Random(f"{seed} {number}")
        name = luck.choice([*HDF5, *HDF5, "outcome", "sensitivity"])
        kind, (content, original), done = KINDS[name], originals[name], []
        path = folder / f"mutant.{kind.suffix}"
        if name in HDF5:
            path.write_bytes(content)
            if luck.random() < 0.93:
                forge(path, partial(lambda file, luck, done: forged(luck, file, done), luck=luck, done=done))
        else:
            path.write_text(_json(luck, json.loads(content), done), encoding="utf-8", errors="surrogatepass")
        ring(HANG)
        say(number, f"{name}-{'-'.join(done) or 'whole'}",
            outcome(partial(read_as, kind, original, path, name in HDF5), kind.error, must_load=not done))  # fmt: skip
    leave()


def _json(luck: random.Random, tree: dict[str, Any], done: list[str]) -> str:
    words = sorted({str(route[-1]) for route in routes(tree) if route})
    if luck.random() < 0.07:
        return sealed_text(tree)
    for _ in range(luck.choice((1, 1, 2, 3, 9))):
        edit = luck.choice([leaf, leaf, reshape])
        done.append(edit.__name__)
        tree = edit(luck, tree, words)
        if not isinstance(tree, dict):
            return json.dumps(tree)
    tree["extra"] = anything(luck) if luck.random() < 0.1 else None
    if tree["extra"] is None:
        del tree["extra"]
    try:
        return sealed_text(tree)
    except ValueError:  # no checksum goes over what JSON does not know
        return json.dumps(tree)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
