"""What HDF5 files of every kind are put together from.

Everything that HDF5 can checksum is checksummed: chunks by Fletcher-32, object
headers and indexes by the 1.10 file format. Texts in attributes are of fixed
length, which keeps them inside those headers and makes them plain characters in
netCDF.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import AXIS, SPAN_BYTES, RowArray
from tumorsim.store.layout import AXES, MISSING_CODE, Array, file_dtype, to_file
from tumorsim.variables import Variable

CHUNK_BYTES = 1 << 20


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


def put_provenance(file: h5py.Group, provenance: Mapping[str, Any]) -> None:
    """Store the provenance as attributes of its group."""
    put_attributes(new_group(file, "provenance"), _flat(provenance))


def put_summary(file: h5py.Group, summary: Mapping[str, Any]) -> None:
    """Store the summary as JSON."""
    _put_text(_with_text_axis(new_group(file, "summary")), "json", dump_json(summary), "The summary, as JSON.")


def _flat(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings and lists as JSON texts, with the names of those in the attribute ``json``."""
    known = {name: value for name, value in provenance.items() if value is not None}
    nested = sorted(name for name, value in known.items() if isinstance(value, Mapping | list | tuple))
    flat = {name: dump_json(value, None) if name in nested else value for name, value in known.items()}
    return flat | {"json": " ".join(nested)}


def new_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Make a group that keeps the order of what it holds."""
    return parent.create_group(name, track_order=True)


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Chunk of at most about 1 MiB, halving the longest axis until it fits."""
    chunk = list(shape)
    while math.prod(chunk) * itemsize > CHUNK_BYTES and max(chunk) > 1:
        longest = chunk.index(max(chunk))
        chunk[longest] = (chunk[longest] + 1) // 2
    return tuple(chunk)


def put(
    group: h5py.Group,
    name: str,
    values: NDArray[Any],
    dims: Sequence[str],
    attributes: Mapping[str, Any],
    scales: h5py.Group | None = None,
    chunks: tuple[int, ...] | None = None,
    level: int = 1,
) -> h5py.Dataset:
    """Store an array of numbers.

    Parameters
    ----------
    group, name
        Where.
    values
        As they are to be on file.
    dims
        Names of its axes; a dataset named like its only axis becomes that axis.
    attributes
        ``memory_dtype`` is added unless it is given.
    scales
        Group that holds the axes; by default ``group``.
    chunks
        Shape of a chunk; by default at most about 1 MiB.
    level
        Of gzip; 0 stores as it is.
    """
    options = _storage(values.shape, values.dtype, chunks, level)
    dataset = group.create_dataset(name, data=values, **options)
    memory = {} if values.dtype.kind == "S" else {"memory_dtype": values.dtype.name}
    _dress(dataset, dims, {**memory, **attributes}, scales)
    return dataset


def _storage(
    shape: tuple[int, ...], dtype: np.dtype[Any], chunks: tuple[int, ...] | None, level: int
) -> dict[str, Any]:
    """How an array is stored: chunked, shuffled, compressed and checksummed unless it is empty."""
    options: dict[str, Any] = {}
    if 0 not in shape:
        options = {"chunks": chunks or _chunks(shape, dtype.itemsize), "compression": "gzip"}
        options |= {"compression_opts": level, "shuffle": True, "fletcher32": True}
    if dtype.kind == "f":
        options["fillvalue"] = np.nan
    return options


def _put_rows(
    group: h5py.Group, name: str, array: RowArray, dtype: np.dtype[Any], codes: bool, dims: Sequence[str],
    attributes: Mapping[str, Any],
) -> h5py.Dataset:  # fmt: skip
    """Store an array that lies on disk, in runs of whole chunks: each is compressed once, and few are in memory."""
    options = _storage(array.shape, dtype, None, 1)
    dataset = group.create_dataset(name, shape=array.shape, dtype=dtype, **options)
    step = max(1, SPAN_BYTES // CHUNK_BYTES) * options.get("chunks", array.shape)[AXIS]
    for start in range(0, array.shape[AXIS] if array.size else 0, step):
        rows = slice(start, min(start + step, array.shape[AXIS]))
        piece = array[:, rows]
        dataset[:, rows] = piece.astype(dtype) if dtype.kind == "f" else to_file(piece, codes).astype(dtype)
    _dress(dataset, dims, attributes)
    return dataset


def put_names(
    group: h5py.Group, name: str, texts: Sequence[str], dims: Sequence[str], attributes: Mapping[str, Any]
) -> None:
    """Short texts of any length, which every reader gives back as text.

    HDF5 keeps them in a heap without checksum, and a damaged heap can hang the
    library: `tumorsim.store.read` takes names from attributes instead, and only
    the inspecting process of verify looks here.
    """
    dataset = group.create_dataset(name, data=list(texts), shape=(len(texts),), dtype=h5py.string_dtype())
    _dress(dataset, dims, attributes)


def _dress(
    dataset: h5py.Dataset, dims: Sequence[str], attributes: Mapping[str, Any], scales: h5py.Group | None = None
) -> None:
    for axis, dim in enumerate(dims):
        if dim == dataset.name.rsplit("/", 1)[1]:
            dataset.make_scale(dim)
        else:
            dataset.dims[axis].attach_scale((scales or dataset.parent)[dim])
    if dataset.dtype.kind == "f":
        dataset.attrs.create("_FillValue", np.array([np.nan], dtype=dataset.dtype))
    put_attributes(dataset, attributes)


def put_axis(
    group: h5py.Group, axis: str, values: Sequence[str] | NDArray[Any], meanings: Mapping[str, tuple[str, str]]
) -> None:
    """Store an axis; ``meanings`` gives unit and sentence of each."""
    unit, doc = meanings[axis]
    attributes = {"long_name": doc, "units": unit}
    if isinstance(values, np.ndarray):
        wide = values if values.dtype.kind == "f" else values.astype(np.int64)
        put(group, axis, wide, (axis,), attributes | {"memory_dtype": values.dtype.name})
    else:
        put_names(group, axis, values, (axis,), {"long_name": doc})


def _put_text(group: h5py.Group, name: str, text: str, doc: str) -> None:
    raw = text.encode()
    values = np.array([raw], dtype=f"S{max(1, len(raw))}").astype(h5py.string_dtype("utf-8", max(1, len(raw))))
    put(group, name, values, ("text",), {"long_name": doc, "sha256": hashlib.sha256(raw).hexdigest()})


def _with_text_axis(group: h5py.Group) -> h5py.Group:
    put_axis(group, "text", np.zeros(1, dtype=np.int64), AXES)
    return group


def put_scenario(file: h5py.Group, resolved: str, source: str) -> None:
    """Store both texts of the scenario."""
    group = _with_text_axis(new_group(file, "scenario"))
    _put_text(group, "resolved", resolved, "The scenario with every library value and default filled in, as YAML.")
    _put_text(group, "source", source, "The scenario file as it was given.")


def put_variable(
    group: h5py.Group,
    variable: Variable,
    array: Array,
    name: str | None = None,
    scales: h5py.Group | None = None,
    chunks: tuple[int, ...] | None = None,
    level: int = 1,
) -> h5py.Dataset:
    """Store a declared array with unit, meaning and codes; the rest as `put`."""
    codes, on_disk = bool(variable.labels), isinstance(array, RowArray)
    stored = np.empty(0, file_dtype(array, codes)) if on_disk else to_file(np.asarray(array), codes)
    dtype = stored.dtype
    attributes: dict[str, Any] = {"long_name": variable.doc, "units": variable.unit, "memory_dtype": array.dtype.name}
    if variable.labels:
        attributes["flag_values"] = np.arange(len(variable.labels), dtype=dtype)
        attributes["flag_meanings"] = " ".join(label.replace(" ", "_") for label in variable.labels)
    if array.dtype.kind == "f" and dtype.kind != "f":
        attributes["_FillValue"] = np.array([MISSING_CODE], dtype=dtype)
    if isinstance(array, RowArray):  # `stored` is empty
        return _put_rows(group, name or variable.name, array, dtype, codes, variable.dims, attributes)
    return put(group, name or variable.name, stored, variable.dims, attributes, scales, chunks, level)
