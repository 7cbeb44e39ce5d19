"""From a finished spatial study to the bytes of an HDF5 file for netCDF-4 readers and for VTK."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tumorsim.spatial_variables import FATES, LINEAGE, SpatialData
from tumorsim.store.guard import is_bomb
from tumorsim.store.layout import SPATIAL_FORMAT
from tumorsim.store.parts import (
    CHUNK_BYTES,
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
from tumorsim.store.spatial_layout import (
    AXES,
    CELLS,
    GROUP_AXES,
    LAYOUT_VERSION,
    OFFSETS,
    STEPS,
    TABLES,
    VTK,
    VTK_TYPE,
    axis_values,
    middles,
    twins,
    voxel_names,
    vtk_attributes,
    vtk_steps,
)
from tumorsim.variables import NOTICE


def encode(
    data: SpatialData,
    summary: Mapping[str, Any],
    texts: tuple[str, str],
    provenance: Mapping[str, Any],
    digest: str,
) -> memoryview:
    """The HDF5 file of a spatial study.

    Parameters
    ----------
    data, summary, provenance
        As `tumorsim.store.write_spatial`, already checked.
    texts
        Resolved scenario and scenario as given.
    digest
        `tumorsim.store.spatial_identity.spatial_digest` of the study.
    """
    content = _encode(data, summary, texts, provenance, digest, 1)
    if is_bomb(_claimed(data), len(content)):
        # Fields without any structure shrink so far that the guard would take the file for a bomb.
        content = _encode(data, summary, texts, provenance, digest, 0)
    return content


def _claimed(data: SpatialData) -> int:
    """Bytes that `tumorsim.store.guard` will count, but for axes and texts."""
    voxels = sum(array.nbytes for arrays in data.snapshots.values() for array in arrays.values())
    tables = [data.arrays, *data.lineage.values()]
    return voxels + 8 * sum(array.size for arrays in tables for array in arrays.values())


def _encode(
    data: SpatialData,
    summary: Mapping[str, Any],
    texts: tuple[str, str],
    provenance: Mapping[str, Any],
    digest: str,
    level: int,
) -> memoryview:
    buffer = io.BytesIO()  # see `tumorsim.store.encoding.encode`
    with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=True) as file:
        head = {"title": summary.get("title") or summary.get("spatial") or "", "format": SPATIAL_FORMAT}
        head |= {"layout_version": LAYOUT_VERSION, "notice": NOTICE, "data_sha256": digest}
        head |= {"arms": dump_json(data.arms, None), "arm_labels": dump_json(data.labels, None)}
        head |= {"products": dump_json(data.products, None), "spacing": np.float64(data.spacing)}
        put_attributes(file, head | {"shape": np.array(data.shape, dtype=np.int64)})
        put_scenario(file, *texts)
        put_provenance(file, provenance)
        put_summary(file, summary)
        _put_tables(file, data)
        _put_lineage(new_group(file, "lineage"), data)
        if data.snapshots:
            _put_voxels(file, data, level)
    return buffer.getbuffer()


def _put_tables(file: h5py.Group, data: SpatialData) -> None:
    axes: dict[str, Any] = {"arm": data.arms, "product": data.products, "fate": FATES} | axis_values(data)
    for name, dims in GROUP_AXES.items():
        group = new_group(file, name)
        for axis in dims:
            put_axis(group, axis, axes[axis], AXES)
        put_names(group, "arm_label", data.labels, ("arm",), {"long_name": "What people call the arm."})
    for variable in TABLES.values():
        put_variable(file[variable.group], variable, data.arrays[variable.name])


def _put_lineage(lineage: h5py.Group, data: SpatialData) -> None:
    for arm, arrays in data.lineage.items():
        group = new_group(lineage, arm)
        if arrays:
            put_axis(group, "cell", np.arange(arrays["parent"].size, dtype=np.int64), AXES)
            for variable in LINEAGE:
                put_variable(group, variable, arrays[variable.name])


def _put_voxels(file: h5py.Group, data: SpatialData, level: int) -> None:
    """Voxels once, with a name for VTK and another, beside the axes, for xarray."""
    vtk, cells = new_group(file, VTK), new_group(file, CELLS)
    steps, offsets = new_group(file, STEPS), new_group(file, OFFSETS)
    days, rows = vtk_steps(data.shot)
    for place, attributes in vtk_attributes(data.shape, data.spacing, days.size).items():
        put_attributes(file[place], attributes)
    vtk.attrs.create("Type", VTK_TYPE, dtype=h5py.string_dtype("ascii", len(VTK_TYPE)))
    put_axis(vtk, "shot", data.shot, AXES)
    for axis, voxels in zip(("z", "y", "x"), data.shape, strict=True):
        put_axis(vtk, axis, middles(voxels, data.spacing), AXES)
    # VTK's own tables: each is its own axis, so that netCDF readers do not stumble over it.
    put(steps, "Values", days.astype(np.float64), ("Values",), {"units": "day", "long_name": AXES["shot"][1]})
    for name, (arm, variable) in voxel_names(data.arms).items():
        array = data.snapshots[arm][variable.name]
        put_variable(cells, variable, array, name, vtk, _chunk(array), level)
        put(offsets, name, rows, (name,), {"units": "1"})
    group = new_group(file, "snapshots")
    for ours, theirs in twins(data.arms).items():
        group[ours.rsplit("/", 1)[1]] = file[theirs]


def _chunk(array: NDArray[Any]) -> tuple[int, ...]:
    """Planes of one snapshot, at most about 1 MiB: a reader of one plane or one day reads little else."""
    _, nz, ny, nx = array.shape
    planes = max(1, min(nz, CHUNK_BYTES // max(1, ny * nx * array.itemsize)))
    return (1, planes, ny, nx)
