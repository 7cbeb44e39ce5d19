"""The arrays of a lattice: made, enlarged, taken apart for a checkpoint and put together again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import lattice
from tumorsim.kernels.calls import CALL_CUBE
from tumorsim.kernels.lattice import Fields, Grid, Lineage, Lymphocytes, State, Vessels, Voxels
from tumorsim.kernels.layout import DrugEffects
from tumorsim.kernels.motility import Bids

FACTOR = 2  # voxels along a block: signals reach hundreds of um
GROWTH = 1.5  # of a table that has become too small
EFFECTS = len(DrugEffects._fields)
LYMPHOCYTE_TYPES = ("i8", "i4", "i4", "u1", "u1", "i4", "i4", "i4")
VESSEL_TYPES = ("i8", "i4", "i4", "f8", "u1", "i4")
LINEAGE_TYPES = ("i8", "u1", "i4", "i4", "u1", "u1")


def grid_of(shape: tuple[int, int, int], spacing: float, factor: int = FACTOR) -> Grid:
    """Grid of ``shape`` voxels along z, y, x, ``spacing`` um apart; ``factor`` divides `CALL_CUBE`."""
    if CALL_CUBE % factor != 0:
        raise ValueError(f"a block of {factor} voxels does not fit a cube of {CALL_CUBE}: take 1, 2, 4 or 8")
    nz, ny, nx = shape
    blocks = [-(-n // factor) for n in shape]
    return Grid(nz, ny, nx, float(spacing), factor, *blocks)


def size_of(grid: Grid) -> int:
    """Number of voxels."""
    return grid.nz * grid.ny * grid.nx


def blocks_of(grid: Grid) -> int:
    """Number of blocks."""
    return grid.bz * grid.by * grid.bx


def table(kind: type[Any], types: tuple[str, ...], rows: int) -> Any:
    """An empty table of lymphocytes, vessels or cells."""
    return kind(*(np.zeros(rows, dtype) for dtype in types))


def blank(grid: Grid, lymphocytes: int = 1024, vessels: int = 1024, cells: int = 1024) -> State:
    """A lattice of stroma: no cell, no vessel, every field zero."""
    voxels, blocks = size_of(grid), blocks_of(grid)
    byte = [np.zeros(voxels, np.uint8) for _ in range(5)]
    signals = [np.zeros(blocks) for _ in range(6)]
    return State(
        grid,
        Voxels(byte[0], byte[1], np.zeros(voxels, np.uint32), *byte[2:]),
        Fields._make([np.zeros(voxels), *signals, np.zeros((blocks, EFFECTS))]),
        table(Lymphocytes, LYMPHOCYTE_TYPES, lymphocytes),
        table(Vessels, VESSEL_TYPES, vessels),
        table(Lineage, LINEAGE_TYPES, cells),
    )


def enlarged(rows: Any, needed: int) -> Any:
    """The same table with room for ``needed`` rows; itself if it has that."""
    if rows[0].size >= needed:
        return rows
    size = max(needed, int(GROWTH * rows[0].size))
    return type(rows)(*(np.concatenate([a, np.zeros(size - a.size, a.dtype)]) for a in rows))


def bids_for(first: NDArray[np.int32], rows: int) -> Bids:
    """Scratch for so many lymphocytes to bid in; ``first`` is (voxel,)."""
    first.fill(lattice.NOBODY)
    before, goal = (np.full(rows, lattice.NOBODY, np.int32) for _ in range(2))
    return Bids(first, before, goal, np.zeros(rows, np.uint8), np.zeros(rows, np.uint64))


def callers_for(grid: Grid) -> NDArray[np.float64]:
    """Room for what `calls.count_cells` counts. Shape (cz, cy, cx, 2) of cubes."""
    cz, cy, cx = (-(-n // CALL_CUBE) for n in (grid.nz, grid.ny, grid.nx))
    return np.zeros((cz, cy, cx, 2))


def arrays_of(state: State, used: dict[str, int]) -> dict[str, NDArray[Any]]:
    """Every array by name; of tables the rows in ``used`` (``lymphocytes``, ``vessels``, ``lineage``)."""
    found: dict[str, NDArray[Any]] = {}
    for part in ("voxels", "fields", "lymphocytes", "vessels", "lineage"):
        values = getattr(state, part)
        for name in values._fields:
            array = getattr(values, name)
            found[f"{part}.{name}"] = array[: used[part]] if part in used else array
    return found


def state_from(grid: Grid, arrays: dict[str, NDArray[Any]]) -> State:
    """The inverse of `arrays_of`."""
    parts: dict[str, Any] = {
        "voxels": Voxels,
        "fields": Fields,
        "lymphocytes": Lymphocytes,
        "vessels": Vessels,
        "lineage": Lineage,
    }
    made = {
        part: kind(*(np.ascontiguousarray(arrays[f"{part}.{name}"]).copy() for name in kind._fields))
        for part, kind in parts.items()
    }
    return State(grid, *(made[part] for part in parts))


def clones(state: State) -> NDArray[np.int64]:
    """Living cells of clones S, R, A, RA and those without MHC-I. Shape (5,)."""
    traits = state.voxels.traits[state.voxels.kind == lattice.TUMOUR]
    counts = np.bincount(traits, minlength=8)
    return np.array([counts[c] + counts[c + lattice.MHC_LOW] for c in range(4)] + [counts[4:8].sum()], dtype=np.int64)
