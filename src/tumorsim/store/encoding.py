"""From a finished trial to the bytes of an HDF5 file that netCDF-4 readers open.

The file is built in memory, so that a full disk is met by plain writes and never
by the HDF5 library in the middle of closing a file. Everything that HDF5 can
checksum is checksummed: chunks by Fletcher-32, object headers and indexes by the
1.10 file format. Texts in attributes are of fixed length, which keeps them inside
those headers and makes them plain characters in netCDF.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
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
    MISSING_CODE,
    NOTICE,
    TARGET_COLUMNS,
    axis_sizes,
    to_file,
    variables_of,
)
from tumorsim.variables import TrialData, Variable

CHUNK_BYTES = 1 << 20

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
        _put_scenario(file, *texts)
        put_attributes(_group(file, "provenance"), _flat(provenance))
        _put_text(_with_text_axis(_group(file, "summary")), "json", dump_json(summary), "The summary, as JSON.")
        _put_trial(file, data)
        _put_curves(_group(file, "statistics"), curves, data.arms)
        _put_targets(_group(file, "targets"), summary.get("targets") or [])
    return buffer.getvalue()


def dump_json(value: Any, indent: int | None = 1) -> str:
    """JSON without NaN or infinity: both become null."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def put_attributes(item: h5py.Group | h5py.Dataset, values: Mapping[str, Any]) -> None:
    """Store texts, numbers and number arrays as attributes."""
    for name, value in values.items():
        if isinstance(value, str):
            raw = value.encode()
            item.attrs.create(name, np.array(raw, dtype=h5py.string_dtype("utf-8", max(1, len(raw)))))
        elif isinstance(value, bool):
            item.attrs.create(name, np.int8(value))
        elif isinstance(value, int):
            item.attrs.create(name, np.int64(value) if value < 1 << 63 else np.uint64(value))
        else:
            item.attrs.create(name, value)


def _flat(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings and lists as JSON texts, with the names of those in the attribute ``json``."""
    known = {name: value for name, value in provenance.items() if value is not None}
    nested = sorted(name for name, value in known.items() if isinstance(value, Mapping | list | tuple))
    flat = {name: dump_json(value, None) if name in nested else value for name, value in known.items()}
    return flat | {"json": " ".join(nested)}


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    return parent.create_group(name, track_order=True)


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Chunk of at most about 1 MiB, halving the longest axis until it fits."""
    chunk = list(shape)
    while math.prod(chunk) * itemsize > CHUNK_BYTES and max(chunk) > 1:
        longest = chunk.index(max(chunk))
        chunk[longest] = (chunk[longest] + 1) // 2
    return tuple(chunk)


def _put(
    group: h5py.Group, name: str, values: NDArray[Any], dims: Sequence[str], attributes: Mapping[str, Any]
) -> None:
    options: dict[str, Any] = {}
    if values.size:
        options = {"chunks": _chunks(values.shape, values.dtype.itemsize), "compression": "gzip"}
        options |= {"compression_opts": 1, "shuffle": True, "fletcher32": True}
    if values.dtype.kind == "f":
        options["fillvalue"] = np.nan
    dataset = group.create_dataset(name, data=values, **options)
    memory = {} if values.dtype.kind == "S" else {"memory_dtype": values.dtype.name}
    _dress(dataset, dims, {**memory, **attributes})


def _put_names(
    group: h5py.Group, name: str, texts: Sequence[str], dims: Sequence[str], attributes: Mapping[str, Any]
) -> None:
    """Short texts of any length, which every reader gives back as text.

    HDF5 keeps them in a heap without checksum, and a damaged heap can hang the
    library: `tumorsim.store.read` takes names from attributes instead, and only
    the inspecting process of verify looks here.
    """
    dataset = group.create_dataset(name, data=list(texts), shape=(len(texts),), dtype=h5py.string_dtype())
    _dress(dataset, dims, attributes)


def _dress(dataset: h5py.Dataset, dims: Sequence[str], attributes: Mapping[str, Any]) -> None:
    for axis, dim in enumerate(dims):
        if dim == dataset.name.rsplit("/", 1)[1]:
            dataset.make_scale(dim)
        else:
            dataset.dims[axis].attach_scale(dataset.parent[dim])
    if dataset.dtype.kind == "f":
        dataset.attrs.create("_FillValue", np.array([np.nan], dtype=dataset.dtype))
    put_attributes(dataset, attributes)


def _put_axis(group: h5py.Group, axis: str, values: Sequence[str] | NDArray[Any]) -> None:
    unit, doc = AXES[axis]
    attributes = {"long_name": doc, "units": unit}
    if isinstance(values, np.ndarray):
        wide = values if values.dtype.kind == "f" else values.astype(np.int64)
        _put(group, axis, wide, (axis,), attributes | {"memory_dtype": values.dtype.name})
    else:
        _put_names(group, axis, values, (axis,), {"long_name": doc})


def _put_text(group: h5py.Group, name: str, text: str, doc: str) -> None:
    raw = text.encode()
    values = np.array([raw], dtype=f"S{max(1, len(raw))}").astype(h5py.string_dtype("utf-8", max(1, len(raw))))
    _put(group, name, values, ("text",), {"long_name": doc, "sha256": hashlib.sha256(raw).hexdigest()})


def _with_text_axis(group: h5py.Group) -> h5py.Group:
    _put_axis(group, "text", np.zeros(1, dtype=np.int64))
    return group


def _put_scenario(file: h5py.Group, resolved: str, source: str) -> None:
    group = _with_text_axis(_group(file, "scenario"))
    _put_text(group, "resolved", resolved, "The scenario with every library value and default filled in, as YAML.")
    _put_text(group, "source", source, "The scenario file as it was given.")


def _put_trial(file: h5py.Group, data: TrialData) -> None:
    axes: dict[str, Any] = {"arm": data.arms, "patient": data.patient, "trace": data.trace, "time": data.time}
    axes["visit"] = np.arange(axis_sizes(data)["visit"], dtype=np.int64)
    for name, dims in GROUP_AXES.items():
        group = _group(file, name)
        for axis in dims:
            _put_axis(group, axis, axes[axis])
        if name == "patients":
            _put_names(group, "arm_label", data.labels, ("arm",), {"long_name": "What people call the arm."})
    for variable in variables_of(LAYOUT_VERSION).values():
        _put_variable(file[variable.group], variable, data.arrays[variable.name])


def _put_variable(group: h5py.Group, variable: Variable, array: NDArray[np.generic]) -> None:
    stored = to_file(array, codes=bool(variable.labels))
    attributes: dict[str, Any] = {"long_name": variable.doc, "units": variable.unit, "memory_dtype": array.dtype.name}
    if variable.labels:
        attributes["flag_values"] = np.arange(len(variable.labels), dtype=stored.dtype)
        attributes["flag_meanings"] = " ".join(label.replace(" ", "_") for label in variable.labels)
    if array.dtype.kind == "f" and stored.dtype.kind != "f":
        attributes["_FillValue"] = np.array([MISSING_CODE], dtype=stored.dtype)
    _put(group, variable.name, stored, variable.dims, attributes)


def _put_curves(statistics: h5py.Group, curves: Curves, arms: Sequence[str]) -> None:
    """One group an end point; arms side by side, padded to the longest with NaN or -1."""
    for endpoint, by_arm in curves.items():
        group = _group(statistics, endpoint)
        columns = {arm: {name: np.asarray(c) for name, c in by_arm[arm].items()} for arm in arms}
        lengths = np.array([columns[arm]["time"].size for arm in arms], dtype=np.int32)
        _put_axis(group, "arm", arms)
        _put_axis(group, "step", np.arange(int(lengths.max()), dtype=np.int64))
        _put(
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
            _put(group, name, padded, ("arm", "step"), attributes | {"memory_dtype": columns[arms[0]][name].dtype.name})


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
    _put_axis(group, "target", np.arange(len(targets), dtype=np.int64))
    for key, kind in TARGET_COLUMNS.items():
        values = [target.get(key) for target in targets]
        doc = {"long_name": f"{key} of the reported figure."}
        if kind == "text":
            _put_names(group, key, ["" if v is None else str(v) for v in values], ("target",), doc)
        elif kind == "flag":
            flags = np.array([-1 if v is None else int(bool(v)) for v in values], dtype=np.int8)
            meaning = {"flag_values": np.array([-1, 0, 1], dtype=np.int8), "flag_meanings": "unknown no yes"}
            _put(group, key, flags, ("target",), doc | meaning)
        elif kind == "number":
            _put(group, key, _numbers(values), ("target",), doc)
        else:
            pairs = [v if v is not None else (None, None) for v in values]
            for end, suffix in enumerate(("low", "high")):
                _put(group, f"{key}_{suffix}", _numbers([pair[end] for pair in pairs]), ("target",), doc)


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
