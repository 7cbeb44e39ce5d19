"""From a finished trial to the bytes of an HDF5 file that netCDF-4 readers open.

The file is built in memory, so that a full disk is met by plain writes and never
by the HDF5 library in the middle of closing a file; one too large for that is written
through a `Sink`, which keeps the library from ever meeting an error.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorsim.store.layout import (
    AXES,
    CURVE_COLUMNS,
    FORMAT,
    GROUP_AXES,
    LAYOUT_VERSION,
    TARGET_COLUMNS,
    axis_sizes,
    to_file,
    variables_of,
)
from tumorsim.store.parts import (
    dump_json,
    new_group,
    put,
    put_attributes,
    put_axis,
    put_names,
    put_provenance,
    put_scenario,
    put_summary,
    put_variable,
)
from tumorsim.variables import NOTICE, TrialData

Curves = Mapping[str, Mapping[str, Mapping[str, ArrayLike]]]


class Sink(io.RawIOBase):
    """A file for the HDF5 library that takes everything and keeps the first error to itself.

    An error in the middle of the library's own bookkeeping can leave it unable to close the file, or crash it.

    Attributes
    ----------
    error
        What went wrong first; nothing is written after it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = self._end = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file; counted here, since a file may write what it holds back."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        """As of a file."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As of a file; zeros after an error."""
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        self._try(lambda: self._file.readinto(view))  # type: ignore[attr-defined]
        self._at += len(view)
        return len(view)

    def write(self, content: Any) -> int:
        """As of a file; nothing after an error."""
        view = memoryview(content).cast("B")
        self._try(lambda: self._file.write(view))
        self._at += len(view)
        self._end = max(self._end, self._at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """As of a file; nothing after an error."""
        self._end = self._at if size is None else size
        self._try(lambda: self._file.truncate(self._end))
        return self._end

    def flush(self) -> None:
        """As of a file; nothing after an error."""
        self._try(self._file.flush)

    def _try(self, action: Callable[[], object]) -> None:
        if self.error is None:
            try:
                self._file.seek(self._at)
                action()
            except OSError as error:
                self.error = error

    def check(self) -> None:
        """Raise what went wrong, where it does no harm."""
        if self.error is not None:
            raise self.error


def encode(
    file: BinaryIO | Sink,
    data: TrialData,
    summary: Mapping[str, Any],
    texts: tuple[str, str],
    provenance: Mapping[str, Any],
    curves: Curves,
    digest: str,
) -> None:
    """Write the HDF5 file of a result.

    Parameters
    ----------
    file
        Where to; empty, and open for reading and writing.
    data, summary, provenance, curves
        As `tumorsim.store.write`, already checked.
    texts
        Resolved scenario and scenario as given.
    digest
        `tumorsim.store.identity.data_digest` of the trial.
    """
    check = file.check if isinstance(file, Sink) else lambda: None
    # `get_file_image` of HDF5 < 2.0 leaves a superblock whose checksum is wrong: hence a file, in memory or not
    with h5py.File(file, "w", libver=("v110", "v110"), track_order=True) as laid:
        head = {"title": summary.get("title") or summary.get("scenario") or "", "format": FORMAT}
        head |= {"layout_version": LAYOUT_VERSION, "notice": NOTICE, "data_sha256": digest}
        head |= {"setting": data.setting, "allocation": data.allocation}
        head |= {"arms": dump_json(data.arms, None), "arm_labels": dump_json(data.labels, None)}
        put_attributes(laid, head)
        put_scenario(laid, *texts)
        put_provenance(laid, provenance)
        put_summary(laid, summary)
        _put_trial(laid, data, check)
        _put_curves(new_group(laid, "statistics"), curves, data.arms)
        _put_targets(new_group(laid, "targets"), summary.get("targets") or [])
    check()


def _put_trial(file: h5py.Group, data: TrialData, check: Callable[[], None]) -> None:
    axes: dict[str, Any] = {"arm": data.arms, "patient": data.patient, "trace": data.trace, "time": data.time}
    axes["visit"] = np.arange(axis_sizes(data)["visit"], dtype=np.int64)
    for name, dims in GROUP_AXES.items():
        group = new_group(file, name)
        for axis in dims:
            put_axis(group, axis, axes[axis], AXES)
        if name == "patients":
            put_names(group, "arm_label", data.labels, ("arm",), {"long_name": "What people call the arm."})
    for variable in variables_of(LAYOUT_VERSION).values():
        put_variable(file[variable.group], variable, data.arrays[variable.name])
        check()


def _put_curves(statistics: h5py.Group, curves: Curves, arms: Sequence[str]) -> None:
    """One group an end point; arms side by side, padded to the longest with NaN or -1."""
    for endpoint, by_arm in curves.items():
        group = new_group(statistics, endpoint)
        columns = {arm: {name: np.asarray(c) for name, c in by_arm[arm].items()} for arm in arms}
        lengths = np.array([columns[arm]["time"].size for arm in arms], dtype=np.int32)
        put_axis(group, "arm", arms, AXES)
        put_axis(group, "step", np.arange(int(lengths.max()), dtype=np.int64), AXES)
        put(
            group,
            "length",
            lengths,
            ("arm",),
            {"long_name": "Steps of this arm's curve.", "units": "1", "memory_dtype": "int32"},
        )
        for name in columns[arms[0]]:
            padded = _padded([columns[arm][name] for arm in arms])
            unit, doc = CURVE_COLUMNS[name]
            attributes = {"long_name": doc, "units": unit}
            put(group, name, padded, ("arm", "step"), attributes | {"memory_dtype": columns[arms[0]][name].dtype.name})


def _padded(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    floats = rows[0].dtype.kind == "f"
    out = np.full((len(rows), max(row.size for row in rows)), np.nan if floats else -1, dtype=rows[0].dtype)
    for line, row in zip(out, rows, strict=True):
        line[: row.size] = row
    return to_file(out, codes=False)


def _put_targets(group: h5py.Group, targets: Sequence[Mapping[str, Any]]) -> None:
    """The reported figures as a table for other tools; the summary holds the same in JSON."""
    if not targets:
        return
    put_axis(group, "target", np.arange(len(targets), dtype=np.int64), AXES)
    for key, kind in TARGET_COLUMNS.items():
        values = [target.get(key) for target in targets]
        doc = {"long_name": f"{key} of the reported figure."}
        if kind == "text":
            put_names(group, key, ["" if v is None else str(v) for v in values], ("target",), doc)
        elif kind == "flag":
            flags = np.array([-1 if v is None else int(bool(v)) for v in values], dtype=np.int8)
            meaning = {"flag_values": np.array([-1, 0, 1], dtype=np.int8), "flag_meanings": "unknown no yes"}
            put(group, key, flags, ("target",), doc | meaning)
        elif kind == "number":
            put(group, key, _numbers(values), ("target",), doc)
        else:
            pairs = [v if v is not None else (None, None) for v in values]
            for end, suffix in enumerate(("low", "high")):
                put(group, f"{key}_{suffix}", _numbers([pair[end] for pair in pairs]), ("target",), doc)


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
