"""A run half done, on disk: arrays bit for bit, to go on from.

Plain bytes behind a table of contents, since a checkpoint is written often and read by the same code on the same
machine: nothing is compressed, no library stands between. The seal at the end is the SHA-256 of everything before.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tumorsim.store.errors import ResultError
from tumorsim.store.sealing import SEAL_SIZE, check_seal, commit, read_sealed

_MAGIC = b"tumorsim checkpoint 1\n"
_SIZE = struct.Struct("<Q")
_ALIGNMENT = 64
_MAX_CONTENTS = 1 << 24
_LONGEST_HEAD = _MAX_CONTENTS + 64
_DTYPES = {
    np.dtype(name).newbyteorder("<").str: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float32", "float64"),
    )
}
_OURS = "This is a fault of the program, not of the disk"
_AGAIN = "Delete it; the run then starts from its beginning"
_GONE = "Leave the folder alone until the run has ended"


def write_checkpoint(path: Path | str, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> None:
    """Write a checkpoint whole, in place of an earlier one.

    Parameters
    ----------
    path
        The file; it is replaced in one step, so that a kill leaves the earlier one or the new one.
    arrays
        Booleans, integers and floats of any shape.
    header
        What JSON can hold. Put into it what a run must have in common with this one to go on from it, see
        ``expected`` of `read_checkpoint`.

    Raises
    ------
    ResultError
        An array or the header is of a kind that cannot be kept, or the disk refuses the write.
    """
    path = Path(path)
    # An array of no dimensions would become one of one: `ascontiguousarray` promises at least one.
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    table = []
    for name, array in plain.items():
        kind = array.dtype.newbyteorder("<").str
        if kind not in _DTYPES:
            raise ResultError(path, str(name), f"has type {array.dtype}, which a checkpoint cannot hold", _OURS)
        table.append([str(name), kind, list(array.shape)])
    try:
        contents = json.dumps({"header": dict(header), "arrays": table}, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultError(path, "header", f"cannot be written as JSON ({error})", _OURS) from error
    if len(contents) > _MAX_CONTENTS or json.loads(contents)["header"] != dict(header):
        raise ResultError(path, "header", "is too large, or JSON does not give it back as it is", _OURS)
    content = bytearray(_MAGIC + _SIZE.pack(len(contents)) + contents)
    for array in plain.values():
        content.extend(bytes(-len(content) % _ALIGNMENT))
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        content.extend(little.reshape(-1).view(np.uint8).data)
    commit(path, content, force=True)


def read_checkpoint(
    path: Path | str, expected: Mapping[str, Any] | None = None
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read a checkpoint.

    Parameters
    ----------
    path
        The file.
    expected
        What its header must say; a checkpoint that says otherwise belongs to another run. For a resumed run to
        be the same run: the hash of the resolved scenario and the seed, the hash of the source, and the versions
        that can change a bit.

    Returns
    -------
    tuple
        The arrays, writable, and the header.

    Raises
    ------
    ResultError
        The file is missing, damaged, no checkpoint, or one of another run.
    """
    path = Path(path)
    content = read_sealed(path)
    header, table, start = _contents(path, content[:_LONGEST_HEAD], expected)
    arrays = {}
    for name, dtype, shape, place in _places(path, len(content), start, table):
        arrays[name] = np.ndarray(shape, dtype, content, place).astype(dtype.newbyteorder("="))
    return arrays, header


def open_checkpoint(
    path: Path | str, expected: Mapping[str, Any] | None = None
) -> tuple[dict[str, Place], dict[str, Any]]:
    """Where the arrays of a checkpoint lie, for those that are read in part; arguments and errors as above.

    Returns
    -------
    tuple
        `Place` by name, and the header. The bytes of the whole file have been compared with the seal.
    """
    path = Path(path)
    size = check_seal(path).st_size - SEAL_SIZE
    with open(path, "rb") as file:
        head = memoryview(file.read(min(size, _LONGEST_HEAD)))
    header, table, start = _contents(path, head, expected)
    places = {name: Place(path, dtype, shape, at) for name, dtype, shape, at in _places(path, size, start, table)}
    return places, header


@dataclass(frozen=True)
class Place:
    """An array within a checkpoint.

    Attributes
    ----------
    path
        The checkpoint.
    dtype, shape
        Of the array.
    start
        Its first byte.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int

    def read(self) -> NDArray[Any]:
        """The array.

        Raises
        ------
        ResultError
            The file is gone, or shorter than it was.
        """
        count = int(np.prod(self.shape, dtype=object))
        try:
            flat = np.fromfile(self.path, self.dtype, count, offset=self.start)
        except OSError as error:
            raise ResultError(self.path, "file", f"cannot be read ({error.strerror or error})", _GONE) from error
        if flat.size != count:
            _refuse(self.path, "file", "was cut short since it was opened")
        return flat.astype(self.dtype.newbyteorder("="), copy=False).reshape(self.shape)


def _contents(
    path: Path, head: memoryview, expected: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[tuple[str, str, tuple[int, ...]]], int]:
    """Header and table of contents, and where the arrays begin."""
    start = len(_MAGIC) + _SIZE.size
    if head[: len(_MAGIC)] != _MAGIC or len(head) < start:
        _refuse(path, "file", "is no checkpoint of this version of tumorsim")
    (size,) = _SIZE.unpack(head[len(_MAGIC) : start])
    try:
        found = json.loads(bytes(head[start : start + min(size, _MAX_CONTENTS)]))
        header, table = dict(found["header"]), [(str(n), str(k), tuple(map(int, s))) for n, k, s in found["arrays"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        _refuse(path, "header", f"cannot be read ({type(error).__name__})")
    for name, value in (expected or {}).items():
        if name not in header or header[name] != value:
            rule = f"is {header.get(name)!r}, this run has {value!r}: the checkpoint is of another run"
            _refuse(path, f"header {name}", rule)
    return header, table, start + size


def _places(
    path: Path, end: int, start: int, table: list[tuple[str, str, tuple[int, ...]]]
) -> Iterator[tuple[str, np.dtype[Any], tuple[int, ...], int]]:
    """Name, type, shape and first byte of every array, one after another until ``end``."""
    names = set()
    for name, kind, shape in table:
        start += -start % _ALIGNMENT
        if kind not in _DTYPES or name in names or any(n < 0 for n in shape):
            _refuse(path, name, "is no array of a checkpoint")
        names.add(name)
        dtype = _DTYPES[kind]
        stop = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if stop > end:
            _refuse(path, name, "claims more bytes than there are")
        yield name, dtype, shape, start
        start = stop
    if start != end:
        _refuse(path, "file", "holds more than its arrays")


def _refuse(path: Path, place: str, rule: str) -> NoReturn:
    raise ResultError(path, place, rule, _AGAIN)
