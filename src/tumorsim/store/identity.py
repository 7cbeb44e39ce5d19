"""When two results are the same: one hash of the data, and where they differ.

The hash covers every declared array, the axes, the resolved scenario and the
seed, in one order and one byte layout. Provenance, compression, chunks and the
integer width on file have no part in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import AXIS, RowArray, spans
from tumorsim.store.layout import Array
from tumorsim.variables import VARIABLES, TrialData

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


def add_array(hashed: Hash, name: str, array: Array, kind: str) -> None:
    """Take one array into a hash: its name, kind and shape, and its elements as little-endian ``kind``."""
    hashed.update(f"\n{name} {kind} {list(array.shape)}\n".encode())
    for piece in _canonical(array, np.dtype(f"<{kind}")):
        hashed.update(piece)


def _everything(data: TrialData) -> Iterator[tuple[str, Array]]:
    yield from (("axis patient", data.patient), ("axis trace", data.trace), ("axis time", data.time))
    for name in sorted(data.arrays):
        yield name, data.arrays[name]


def _canonical(array: Array, kind: np.dtype[Any]) -> Iterator[bytes]:
    """The elements in C order, NaN bits kept."""
    if isinstance(array, RowArray):
        for arm in range(array.shape[0]):
            for rows in spans(array):
                yield from _canonical(array[arm, rows], kind)
        return
    flat = np.ascontiguousarray(array).reshape(-1)
    for start in range(0, flat.size, _SLICE):
        with np.errstate(invalid="ignore"):  # widening a signalling NaN
            yield flat[start : start + _SLICE].astype(kind).tobytes()


_WORDS = ("arms", "labels", "setting", "allocation")


def compare(a: TrialData, b: TrialData) -> list[Difference]:
    """Arrays and axes in which two trials differ, bit for bit.

    Missing values are equal when their bits are; 0.0 and -0.0 differ. The width
    of integers does not count.
    """
    return differences(a, b, _WORDS, dict(_everything(a)), dict(_everything(b)))


def compare_blocks(a: TrialData, blocks: Iterable[TrialData]) -> list[Difference]:
    """`compare` with a trial that comes in blocks of patients, in their order, and is never there as a whole.

    Arrays that ``a`` lacks, since it is of an older layout, are not compared.
    """
    gaps: dict[str, Gap] = {}
    found: list[Difference] = []
    patient = trace = 0
    for block in blocks:
        here = slice(patient, patient + block.size)
        traced = slice(trace, trace + block.trace.size)
        ours = {"axis patient": a.patient[here], "axis trace": a.trace[traced], "axis time": a.time}
        theirs = {"axis patient": block.patient, "axis trace": block.trace, "axis time": block.time}
        where = {"axis patient": (0, patient), "axis trace": (0, trace), "axis time": (0, 0)}
        for v in VARIABLES:
            if v.name in a.arrays:
                axis = next(k for k, dim in enumerate(v.dims) if dim in ("patient", "trace"))
                rows, start = (here, patient) if v.dims[axis] == "patient" else (traced, trace)
                ours[v.name] = a.arrays[v.name][(slice(None),) * axis + (rows,)]
                theirs[v.name], where[v.name] = block.arrays[v.name], (axis, start)
        if not patient:
            found += _other_words(a, block, _WORDS)
        for name, array in ours.items():
            gap = gaps.setdefault(name, Gap(name))
            gap.add(array, theirs[name], *where[name])
        patient, trace = here.stop, traced.stop
    for name, there, known in (("axis patient", patient, a.patient.size), ("axis trace", trace, a.trace.size)):
        if there != known:
            gaps[name].reason = f"shape {(known,)} against {(there,)}"
    return found + [gap.difference for gap in gaps.values() if gap.difference is not None]


def differences(
    a: Any, b: Any, words: Sequence[str], ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> list[Difference]:
    """Attributes named in ``words``, and arrays by name, in which two sets of data differ."""
    found = _other_words(a, b, words)
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in ours or name not in theirs:
            found.append(Difference(name, f"only in the {'second' if name in theirs else 'first'}"))
            continue
        gap = Gap(name)
        gap.compare(ours[name], theirs[name])
        if gap.difference is not None:
            found.append(gap.difference)
    return found


def _other_words(a: Any, b: Any, words: Sequence[str]) -> list[Difference]:
    return [
        Difference(name, f"{getattr(a, name)!r} against {getattr(b, name)!r}")
        for name in words
        if getattr(a, name) != getattr(b, name)
    ]


@dataclass
class Gap:
    """How two arrays differ that are looked at piece by piece.

    Attributes
    ----------
    name
        Of the arrays.
    reason
        Why they cannot be compared; empty as long as they can.
    index, shown, largest, count, size
        First element that differs and both its values, largest difference, elements that differ, and all.
    """

    name: str
    reason: str = ""
    index: tuple[int, ...] | None = None
    shown: str = ""
    largest: float = 0.0
    count: int = 0
    size: int = 0

    def compare(self, a: Array, b: Array) -> None:
        """Compare whole arrays, in runs of patients where one of them is on disk."""
        on_disk = next((one for one in (a, b) if isinstance(one, RowArray)), None)
        if on_disk is None or a.shape != b.shape:
            self.add(a, b)
            return
        for rows in spans(on_disk):
            self.add(a[:, rows], b[:, rows], AXIS, rows.start)

    def add(self, a: Array, b: Array, axis: int = 0, start: int = 0) -> None:
        """Compare pieces that begin at ``start`` of ``axis``."""
        if a.shape != b.shape:
            self.reason = self.reason or f"shape {a.shape} against {b.shape}"
            return
        floats = a.dtype.kind == "f"
        if floats != (b.dtype.kind == "f"):
            self.reason = f"type {a.dtype.name} against {b.dtype.name}"
            return
        wide = np.dtype("f8") if floats else np.dtype("i8")
        with np.errstate(invalid="ignore"):  # widening a signalling NaN
            left, right = np.ascontiguousarray(a, wide), np.ascontiguousarray(b, wide)
        self.size += left.size
        unequal = left.view("i8") != right.view("i8")
        if not unequal.any():
            return
        self.count += int(unequal.sum())
        self.largest = max(self.largest, _largest(left[unequal], right[unequal]))
        inside = np.unravel_index(int(unequal.argmax()), unequal.shape)
        index = tuple(int(i) + start * (k == axis) for k, i in enumerate(inside))
        # the first in C order may come with a later piece, of an earlier arm
        if self.index is None or index < self.index:
            self.index, self.shown = index, f"{left[inside]!r} against {right[inside]!r}"

    @property
    def difference(self) -> Difference | None:
        """What was found; None where every bit is equal."""
        if self.reason:
            return Difference(self.name, self.reason)
        if self.index is None:
            return None
        reason = (
            f"{self.count} of {self.size} elements differ, first at {list(self.index)}: {self.shown}; "
            f"largest difference {self.largest:g}"
        )
        return Difference(self.name, reason, self.index, self.largest, self.count)


def _largest(left: NDArray[Any], right: NDArray[Any]) -> float:
    """Largest difference; infinite where one of both is missing."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(left.astype(float) - right.astype(float))
    one_missing, both_missing = np.isnan(left) != np.isnan(right), np.isnan(left) & np.isnan(right)
    return float(np.where(one_missing, np.inf, np.where(both_missing, 0.0, gap)).max())
