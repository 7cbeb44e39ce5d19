"""What is looked at before anything of a file is read.

A result may come from a stranger. Its objects must be where the layout puts
them, hold themselves what they claim to hold, and fit the machine: no link that
leaves the file, no storage in other files, no filter beyond the three that the
store writes, no size that the bytes present cannot fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tumorsim.memory import machine_memory
from tumorsim.store.errors import ResultError

MAX_DEPTH = 3
MAX_OBJECTS = 5000
MAX_CHUNK = 1 << 26
MAX_ATTRIBUTE = 1 << 16
# A patient costs about 100 bytes on file that no compression removes (covariates and
# event times), and claims some 10 kB: far below this ratio, which a bomb needs to pass.
MAX_RATIO = 400
FREE_CLAIM = 1 << 26
VARIABLE_TEXT = 16  # bytes on file of a text of any length: its size and where it lies
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_STRANGER = "Do not use this file: tumorsim does not write such; ask whoever made it for a plain result"


@dataclass(frozen=True)
class Entry:
    """A dataset that passed.

    Attributes
    ----------
    shape
        Its extent.
    itemsize
        Bytes of one element on file.
    kind
        ``i``, ``f``, ``S`` (text of fixed length) or ``O`` (text of any length).
    same_as
        The object's first name, if this is a second one.
    least
        Bytes that an element counts for in memory, however few it has on file.
    """

    shape: tuple[int, ...]
    itemsize: int
    kind: str
    same_as: str = ""
    least: int = 8

    @property
    def claimed(self) -> int:
        """Bytes in memory."""
        return int(np.prod(self.shape, dtype=object)) * max(self.least, self.itemsize)


def survey(
    file: h5py.File,
    path: Path,
    rank: int = 3,
    twins: Mapping[str, str] | None = None,
    lean: str | None = None,
    on_disk: str | None = None,
) -> dict[str, Entry | None]:
    """Every object by its path: None for a group, the entry of a dataset.

    Parameters
    ----------
    file, path
        The open file.
    rank
        Dimensions that a dataset may have.
    twins
        Datasets that have a second name, by either; every one that is found must have both.
    lean
        Group whose arrays are in memory as on file; elsewhere every number may become one of eight bytes.
    on_disk
        Group whose arrays may be larger than the memory, since they are read in parts.

    Raises
    ------
    ResultError
        At the first thing that no result may hold.
    """
    found: dict[str, Entry | None] = {}
    first: dict[Any, str] = {}
    pairs = dict(twins or {}) | {b: a for a, b in (twins or {}).items()}
    for place, parent, name in _walk(file.id, "", 0, path):
        if len(found) >= MAX_OBJECTS:
            raise ResultError(path, place, f"is one of more than {MAX_OBJECTS} objects", _STRANGER)
        info = h5py.h5o.get_info(parent, name)
        known = first.setdefault((info.fileno, info.addr), place)
        entry = found.get(known)
        if known != place and (entry is None or pairs.get(place) != known):
            raise ResultError(path, place, "is a second name of another object", _STRANGER)
        if known == place and info.type != h5py.h5o.TYPE_GROUP:
            entry = _entry(parent, name, info.type, place, path, rank)
            entry = replace(entry, least=1) if place.rpartition("/")[0] == lean else entry
        found[place] = replace(entry, same_as=known) if entry and known != place else entry
    _check_twins(found, twins or {}, path)
    _check_total(found, path, on_disk)
    return found


def _check_twins(found: Mapping[str, Entry | None], twins: Mapping[str, str], path: Path) -> None:
    """Two names that ought to be of one dataset, and are not."""
    for pair in twins.items():
        present = [entry for place in pair if (entry := found.get(place))]
        if present and not any(entry.same_as for entry in present):
            raise ResultError(path, pair[0], f"is not the same dataset as {pair[1]}", _STRANGER)


def _walk(group: Any, prefix: str, depth: int, path: Path) -> Iterator[tuple[str, Any, bytes]]:
    """Names below a group, parents first; every link is looked at before it is followed."""
    if depth > MAX_DEPTH or group.get_num_objs() > MAX_OBJECTS:
        raise ResultError(path, prefix or "file", "is too deep or holds too many objects", _STRANGER)
    for name in list(group):
        place = f"{prefix}{name.decode('utf-8', 'replace')}"
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise ResultError(path, place, "is a soft, external or foreign link", _STRANGER)
        yield place, group, name
        if h5py.h5o.get_info(group, name).type == h5py.h5o.TYPE_GROUP:
            yield from _walk(h5py.h5g.open(group, name), f"{place}/", depth + 1, path)


def _entry(parent: Any, name: bytes, kind: int, place: str, path: Path, rank: int) -> Entry:
    if kind != h5py.h5o.TYPE_DATASET:
        raise ResultError(path, place, "is neither a group nor a dataset", _STRANGER)
    dataset = h5py.h5d.open(parent, name)
    settings = dataset.get_create_plist()
    layout = settings.get_layout()
    if settings.get_external_count():
        raise ResultError(path, place, "keeps its data in another file (external storage)", _STRANGER)
    if layout not in (h5py.h5d.CHUNKED, h5py.h5d.CONTIGUOUS):
        raise ResultError(path, place, "is a virtual dataset or of an unknown storage", _STRANGER)
    space = dataset.get_space()
    shape = space.get_simple_extent_dims() if space.get_simple_extent_type() == h5py.h5s.SIMPLE else None
    if shape is None or not 1 <= len(shape) <= rank or space.get_simple_extent_dims(True) != shape:
        raise ResultError(path, place, f"has no plain, fixed shape of 1 to {rank} dimensions", _STRANGER)
    entry = Entry(tuple(int(n) for n in shape), *_type_of(dataset.get_type(), place, path))
    _check_storage(dataset, settings, layout, entry, place, path)
    return entry


def _type_of(kind: Any, place: str, path: Path) -> tuple[int, str]:
    size = int(kind.get_size())
    if isinstance(kind, h5py.h5t.TypeIntegerID) and size <= 8:
        return size, "i"
    if isinstance(kind, h5py.h5t.TypeFloatID) and size in (4, 8):
        return size, "f"
    if isinstance(kind, h5py.h5t.TypeStringID):
        return (VARIABLE_TEXT, "O") if kind.is_variable_str() else (size, "S")
    raise ResultError(path, place, "has a type that no result holds", _STRANGER)


def _check_storage(dataset: Any, settings: Any, layout: int, entry: Entry, place: str, path: Path) -> None:
    size = int(np.prod(entry.shape, dtype=object)) * entry.itemsize
    stored = int(dataset.get_storage_size())
    if layout == h5py.h5d.CONTIGUOUS:
        if stored != size:
            raise ResultError(path, place, f"claims {size} bytes and holds {stored}", _STRANGER)
        if size and entry.kind != "O":
            raise ResultError(path, place, "is not chunked and has no checksum", _STRANGER)
        return
    filters = {settings.get_filter(i)[0] for i in range(settings.get_nfilters())}
    if filters != _FILTERS:
        raise ResultError(path, place, "needs filters other than shuffle, gzip and fletcher32", _STRANGER)
    chunk = settings.get_chunk()
    if int(np.prod(chunk, dtype=object)) * entry.itemsize > MAX_CHUNK:
        raise ResultError(path, place, f"has chunks above {MAX_CHUNK} bytes", _STRANGER)
    chunks = int(np.prod([-(-n // c) for n, c in zip(entry.shape, chunk, strict=True)], dtype=object))
    if chunks > max(stored, 1) or dataset.get_num_chunks() != chunks:
        raise ResultError(path, place, f"claims {chunks} chunks and lacks some of them", _STRANGER)


def _check_total(found: dict[str, Entry | None], path: Path, on_disk: str | None) -> None:
    claimed = sum(entry.claimed for entry in found.values() if entry and not entry.same_as)
    present = path.stat().st_size
    if is_bomb(claimed, present):
        raise ResultError(path, "file", f"claims {claimed:.3g} bytes of data in {present}", _STRANGER)
    memory = machine_memory()
    claimed -= sum(entry.claimed for place, entry in found.items() if entry and place.partition("/")[0] == on_disk)
    if claimed > 0.8 * memory:
        rule = f"needs {claimed / 1e9:.1f} GB of memory; this machine has {memory / 1e9:.1f} GB"
        raise ResultError(path, "file", rule, "Read single groups with xarray.open_dataset instead")


def is_bomb(claimed: int, present: int) -> bool:
    """Whether a file of so many bytes claims more data than any honest one."""
    return claimed > FREE_CLAIM + MAX_RATIO * present


def attribute(item: h5py.Group | h5py.Dataset, name: str, path: Path) -> Any:
    """One attribute: text, number or number array; None if there is none.

    Raises
    ------
    ResultError
        A type or size that no result holds.
    """
    raw = name.encode()
    if not h5py.h5a.exists(item.id, raw):
        return None
    place = f"{item.name}@{name}".lstrip("/")
    found = h5py.h5a.open(item.id, raw)
    kind = found.get_type()
    plain = isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID | h5py.h5t.TypeStringID)
    if not plain or found.get_storage_size() > MAX_ATTRIBUTE:
        raise ResultError(path, place, "is no plain attribute of at most 64 KiB", _STRANGER)
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        raise ResultError(path, place, "is a text of unknown length", _STRANGER)
    value = item.attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value
