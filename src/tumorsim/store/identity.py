"""When two results are the same: one hash of the data, and where they differ.

The hash covers every declared array, the axes, the resolved scenario and the
seed, in one order and one byte layout. Provenance, compression, chunks and the
integer width on file have no part in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.variables import TrialData

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_SLICE = 1 << 20


@dataclass(frozen=True)
class Difference:
    """One array that differs between two trials.

    Attributes
    ----------
    name
        Array or axis.
    reason
        In words.
    index
        First differing element; None when shapes or kinds differ.
    max_difference
        Largest absolute difference; inf where one side is missing (NaN) and the
        other is not; NaN when it cannot be told.
    count
        Elements that differ.
    """

    name: str
    reason: str
    index: tuple[int, ...] | None = None
    max_difference: float = float("nan")
    count: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def data_digest(data: TrialData, scenario_text: str, seed: int) -> str:
    """SHA-256 of the data, 64 hexadecimal digits."""
    hashed = hashlib.sha256(b"tumorsim data, layout of the hash 1\n")
    head = [list(data.arms), list(data.labels), data.setting, data.allocation, int(seed), scenario_text]
    hashed.update(json.dumps(head, ensure_ascii=True).encode())
    for name, array in _everything(data):
        add_array(hashed, name, array, "f8" if array.dtype.kind == "f" else "i8")
    return hashed.hexdigest()


def add_array(hashed: Hash, name: str, array: NDArray[np.generic], kind: str) -> None:
    """Take one array into a hash: its name, kind and shape, and its elements as little-endian ``kind``."""
    hashed.update(f"\n{name} {kind} {list(array.shape)}\n".encode())
    for piece in _canonical(array, np.dtype(f"<{kind}")):
        hashed.update(piece)


def _everything(data: TrialData) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield from (("axis patient", data.patient), ("axis trace", data.trace), ("axis time", data.time))
    for name in sorted(data.arrays):
        yield name, data.arrays[name]


def _canonical(array: NDArray[np.generic], kind: np.dtype[Any]) -> Iterator[bytes]:
    """The elements in C order, NaN bits kept."""
    flat = np.ascontiguousarray(array).reshape(-1)
    for start in range(0, flat.size, _SLICE):
        with np.errstate(invalid="ignore"):  # widening a signalling NaN
            yield flat[start : start + _SLICE].astype(kind).tobytes()


def compare(a: TrialData, b: TrialData) -> list[Difference]:
    """Arrays and axes in which two trials differ, bit for bit.

    Missing values are equal when their bits are; 0.0 and -0.0 differ. The width
    of integers does not count.
    """
    words = ("arms", "labels", "setting", "allocation")
    return differences(a, b, words, dict(_everything(a)), dict(_everything(b)))


def differences(
    a: Any, b: Any, words: Sequence[str], ours: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]]
) -> list[Difference]:
    """Attributes named in ``words``, and arrays by name, in which two sets of data differ."""
    found = [
        Difference(name, f"{getattr(a, name)!r} against {getattr(b, name)!r}")
        for name in words
        if getattr(a, name) != getattr(b, name)
    ]
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in ours or name not in theirs:
            found.append(Difference(name, f"only in the {'second' if name in theirs else 'first'}"))
            continue
        difference = _difference(name, ours[name], theirs[name])
        if difference is not None:
            found.append(difference)
    return found


def _difference(name: str, a: NDArray[Any], b: NDArray[Any]) -> Difference | None:
    if a.shape != b.shape:
        return Difference(name, f"shape {a.shape} against {b.shape}")
    floats = a.dtype.kind == "f"
    if floats != (b.dtype.kind == "f"):
        return Difference(name, f"type {a.dtype.name} against {b.dtype.name}")
    wide = np.dtype("f8") if floats else np.dtype("i8")
    with np.errstate(invalid="ignore"):  # widening a signalling NaN
        left, right = np.ascontiguousarray(a, wide), np.ascontiguousarray(b, wide)
    unequal = left.view("i8") != right.view("i8")
    if not unequal.any():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(unequal.argmax()), unequal.shape))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(left[unequal].astype(float) - right[unequal].astype(float))
    if floats:
        one_missing = np.isnan(left[unequal]) != np.isnan(right[unequal])
        both_missing = np.isnan(left[unequal]) & np.isnan(right[unequal])
        gap = np.where(one_missing, np.inf, np.where(both_missing, 0.0, gap))
    count, largest = int(unequal.sum()), float(gap.max())
    reason = (
        f"{count} of {unequal.size} elements differ, first at {list(index)}: "
        f"{left[index]!r} against {right[index]!r}; largest difference {largest:g}"
    )
    return Difference(name, reason, index, largest, count)
