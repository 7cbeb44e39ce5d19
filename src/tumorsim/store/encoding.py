"""From a finished trial to the bytes of an HDF5 file that netCDF-4 readers open.

The file is built in memory, so that a full disk is met by plain writes and never
by the HDF5 library in the middle of closing a file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

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


def encode(
    data: TrialData,
    summary: Mapping[str, Any],
    texts: tuple[str, str],
    provenance: Mapping[str, Any],
    curves: Curves,
    digest: str,
) -> bytes:
    """The HDF5 file of a result.

    Parameters
    ----------
    data, summary, provenance, curves
        As `tumorsim.store.write`, already checked.
    texts
        Resolved scenario and scenario as given.
    digest
        `tumorsim.store.identity.data_digest` of the trial.
    """
    buffer = io.BytesIO()  # `get_file_image` of HDF5 < 2.0 leaves a superblock whose checksum is wrong
    with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=True) as file:
        head = {"title": summary.get("title") or summary.get("scenario") or "", "format": FORMAT}
        head |= {"layout_version": LAYOUT_VERSION, "notice": NOTICE, "data_sha256": digest}
        head |= {"setting": data.setting, "allocation": data.allocation}
        head |= {"arms": dump_json(data.arms, None), "arm_labels": dump_json(data.labels, None)}
        put_attributes(file, head)
        put_scenario(file, *texts)
        put_provenance(file, provenance)
        put_summary(file, summary)
        _put_trial(file, data)
        _put_curves(new_group(file, "statistics"), curves, data.arms)
        _put_targets(new_group(file, "targets"), summary.get("targets") or [])
    return buffer.getvalue()


def _put_trial(file: h5py.Group, data: TrialData) -> None:
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
