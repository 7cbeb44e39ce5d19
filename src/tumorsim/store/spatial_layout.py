"""Layout of the result of a spatial study, version 1, and what a study must be to fit.

The arrays are declared in `tumorsim.spatial_variables`. Voxels lie where VTK wants them (``VTKHDF/CellData``) and
have a second name in ``snapshots``, beside their axes: VTK takes every dataset of ``CellData`` for voxels, so that
axes cannot lie there, and xarray gives coordinates only to what lies beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.spatial_variables import BOX, FATES, LINEAGE, MEASURES, SERIES, SNAPSHOTS, SpatialData
from tumorsim.store.layout import (
    FREE_AXES,
    MAX_NAME,
    arm_problems,
    array_problem,
    number_problems,
    rising_problems,
)
from tumorsim.variables import Variable

LAYOUT_VERSION = 1

# axis: unit, doc
AXES: dict[str, tuple[str, str]] = FREE_AXES | {
    "replicate": ("1", "Number of the replicate."),
    "product": ("1", "Name of the effector; memory CD8 T cells come last."),
    "fate": ("1", "Why a tumour cell died."),
    "time": ("day", "Time from the start."),
    "shot": ("day", "Time of the snapshot from the start."),
    "depth": ("um", "Middle of a bin of depth below the margin of the tumour; outside is negative."),
    "radius": ("um", "Middle of a bin of distance."),
    "z": ("um", "Middle of the voxel."),
    "y": ("um", "Middle of the voxel."),
    "x": ("um", "Middle of the voxel."),
    "cell": ("1", "Id of the tumour cell."),
}
GROUP_AXES: dict[str, tuple[str, ...]] = {
    "series": ("arm", "replicate", "product", "fate", "time"),
    "measures": ("arm", "replicate", "shot", "depth", "radius"),
}
TABLES: dict[str, Variable] = {v.name: v for v in (*SERIES, *MEASURES)}
RANK = 4  # dimensions of the largest arrays

VTK = "VTKHDF"
CELLS = f"{VTK}/CellData"
STEPS = f"{VTK}/Steps"
OFFSETS = f"{STEPS}/CellDataOffsets"
# Readers of VTK 9.3 and later know temporal images, which came with version 2.0 of the format.
VTK_VERSION = (2, 0)
VTK_TYPE = b"ImageData"

VOXEL_INTEGERS = ("uint8", "int8")
VOXEL_TYPES = ("float32", *VOXEL_INTEGERS)


def voxel_names(arms: tuple[str, ...]) -> dict[str, tuple[str, Variable]]:
    """Name on file of every array of voxels -> arm and variable."""
    return {f"{arm}_{variable.name}": (arm, variable) for arm in arms for variable in SNAPSHOTS}


def twins(arms: tuple[str, ...]) -> dict[str, str]:
    """Places of datasets with two names: the one that xarray looks for -> the one that VTK looks for."""
    return {f"snapshots/{axis}": f"{VTK}/{axis}" for axis in BOX} | {
        f"snapshots/{name}": f"{CELLS}/{name}" for name in voxel_names(arms)
    }


def middles(voxels: int, spacing: float) -> NDArray[np.float64]:
    """Coordinates of voxels along one axis, um."""
    return (np.arange(voxels, dtype=np.float64) + 0.5) * spacing


def vtk_steps(shot: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Times that VTK shows, and the row of the arrays that belongs to each.

    VTK takes an image of one step for one without time and then fails on its first axis: a single one is shown twice.
    """
    rows = np.arange(shot.size) if shot.size > 1 else np.zeros(2, dtype=np.int64)
    return shot[rows], rows


def vtk_attributes(shape: tuple[int, int, int], spacing: float, steps: int) -> dict[str, dict[str, Any]]:
    """Attributes of the groups that VTK reads: a box of cells with its corner at 0, lengths in um."""
    nz, ny, nx = shape
    return {
        VTK: {
            "Version": np.array(VTK_VERSION, dtype=np.int64),
            "WholeExtent": np.array([0, nx, 0, ny, 0, nz], dtype=np.int64),
            "Origin": np.zeros(3),
            "Spacing": np.full(3, spacing),
            "Direction": np.eye(3).reshape(-1),
        },
        STEPS: {"NSteps": np.int64(steps)},
    }


def axis_values(data: SpatialData) -> dict[str, NDArray[Any]]:
    """Axes of numbers, without voxels and cells."""
    return {name: getattr(data, name) for name in ("replicate", "time", "shot", "depth", "radius")}


def problems(data: SpatialData) -> Iterator[tuple[str, str]]:
    """Everything that keeps a study out of a result file, as (place, rule)."""
    yield from _axis_problems(data)
    sizes = {name: int(np.size(axis)) for name, axis in axis_values(data).items()}
    sizes |= {"arm": len(data.arms), "product": len(data.products), "fate": len(FATES)}
    yield from _table_problems(data.arrays, TABLES, sizes, "")
    for kind, tables in (("snapshots", data.snapshots), ("lineage", data.lineage)):
        for arm in sorted(set(tables) - set(data.arms)):
            yield f"{kind}/{arm}", "is of no arm"
    if data.snapshots and set(data.snapshots) != set(data.arms):
        yield "snapshots", "are of some arms and not of others"
    if data.snapshots and not np.size(data.shot):
        yield "snapshots", "are of no shot; leave them out"
    if not list(_box_problems(data)):
        sizes |= dict(zip(("z", "y", "x"), data.shape, strict=True))
        for arm, arrays in data.snapshots.items():
            yield from _voxel_problems(arm, arrays, sizes)
    for arm, arrays in data.lineage.items():
        yield from _lineage_problems(arm, arrays)


def _axis_problems(data: SpatialData) -> Iterator[tuple[str, str]]:
    yield from arm_problems(data.arms, data.labels)
    for arm in data.arms:
        if "/" in arm or arm != arm.strip() or not arm.strip("."):
            yield "arm", f"{arm[:40]!r} cannot name a dataset: no slash, no space at an end, not only dots"
    if not data.products or len(set(data.products)) != len(data.products):
        yield "product", f"needs different names: {data.products[:4]}"
    for text in data.products:
        if not text.isprintable() or not 1 <= len(text) <= MAX_NAME:
            yield "product", f"{text[:40]!r} is not a name: 1 to {MAX_NAME} printable characters"
    yield from number_problems("replicate", data.replicate)
    for name in ("time", "shot", "depth", "radius"):
        yield from rising_problems(name, getattr(data, name), "days" if AXES[name][0] == "day" else "um")
    yield from _box_problems(data)


def _box_problems(data: SpatialData) -> Iterator[tuple[str, str]]:
    whole = len(data.shape) == 3 and all(isinstance(n, int) and 1 <= n < 1 << 20 for n in data.shape)
    if not whole:
        yield "shape", f"is {data.shape}, not three whole numbers of voxels from 1"
    if not np.isfinite(data.spacing) or data.spacing <= 0.0:
        yield "spacing", f"is {data.spacing}, not a length above 0 um"


def _table_problems(
    arrays: Mapping[str, NDArray[Any]], declared: Mapping[str, Variable], sizes: Mapping[str, int], prefix: str
) -> Iterator[tuple[str, str]]:
    """Arrays that are missing, foreign or of another shape."""
    for name in sorted(set(arrays) - set(declared)):
        yield f"{prefix}{name}", "is not declared in tumorsim.spatial_variables"
    for name, variable in declared.items():
        if name not in arrays:
            yield f"{prefix}{name}", "is missing"
            continue
        rule = array_problem(arrays[name], variable, tuple(sizes[axis] for axis in variable.dims))
        if rule:
            yield f"{prefix}{name}", rule


def _voxel_problems(
    arm: str, arrays: Mapping[str, NDArray[Any]], sizes: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    prefix = f"snapshots/{arm}/"
    yield from _table_problems(arrays, {v.name: v for v in SNAPSHOTS}, sizes, prefix)
    for variable in SNAPSHOTS:
        array = arrays.get(variable.name)
        if array is None:
            continue
        if variable.labels or variable.count:
            if array.dtype.name not in VOXEL_INTEGERS or (array.size and int(array.min()) < 0):
                yield f"{prefix}{variable.name}", f"is {array.dtype.name}, expected 8-bit integers from 0"
        elif array.dtype != np.float32:
            yield f"{prefix}{variable.name}", f"is {array.dtype.name}, expected float32"


def _lineage_problems(arm: str, arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    if not arrays:
        return
    prefix = f"lineage/{arm}/"
    parent = arrays.get("parent", np.empty(0, np.int64))
    yield from _table_problems(arrays, {v.name: v for v in LINEAGE}, {"cell": int(parent.size)}, prefix)
    if parent.size and (parent.dtype.kind not in "iu" or int(parent.min()) < -1 or int(parent.max()) >= parent.size):
        yield f"{prefix}parent", "names a cell that is not in the table"
