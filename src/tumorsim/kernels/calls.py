"""How dense the vessels of the lattice are, and the calls they hear (docs/theory/lattice-vessels.md)."""

from __future__ import annotations

import numpy as np

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.lattice import OPEN, TUMOUR, place_of
from tumorsim.kernels.layout import DrugEffects

SPROUTING_SENSITIVE = DrugEffects._fields.index("sprouting_sensitive")
SPROUTING_RESISTANT = DrugEffects._fields.index("sprouting_resistant")
CALL_CUBE = 8  # voxels along a cube of calls, whole blocks; a call is heard in its cube and the 26 around it


@kernel
def local_density(cells, fed):
    """Vessel density against that where vessels feed just as many cells as there are (eqs N3, V1); at most 2."""
    return fed / cells if fed < 2.0 * cells else 2.0


@kernel(entry=True)
def count_cells(cells, kind, traits, effects, grid, first, last):
    """Phase: tumour cells, and those with a free VEGF axis, of the layers of cubes from ``first`` to ``last``.

    Vessels that age do not change them, so one count serves ageing and sprouting.

    Parameters
    ----------
    cells
        (cz, cy, cx, 2) of cubes, filled in place.
    kind, traits, effects, grid
        Of `lattice.Voxels`, of `lattice.Fields`; `lattice.Grid`.
    first, last
        Range of layers, ``last`` exclusive.
    """
    f, above = grid.factor, CALL_CUBE // grid.factor  # voxels along a block, blocks along a cube
    alive, resistant = np.empty(grid.bx * f, np.uint8), np.empty(grid.bx * f, np.uint8)  # whole blocks
    cells[first:last] = 0.0
    for z in range(first * above, min(last * above, grid.bz)):
        for y in range(grid.by):
            alive[:] = 0
            resistant[:] = 0
            for plane in range(z * f, min((z + 1) * f, grid.nz)):
                for row in range(y * f, min((y + 1) * f, grid.ny)):
                    start = (plane * grid.ny + row) * grid.nx
                    add_row(alive, resistant, kind[start : start + grid.nx], traits[start : start + grid.nx])
            add_calls(cells[z // above, y // above], alive, resistant, effects, (z * grid.by + y) * grid.bx, f)


@kernel(borrows=True)
def add_row(alive, resistant, kinds, traits):
    """Add the tumour cells of one row of voxels, and the resistant ones among them."""
    for x in range(kinds.size):
        alive[x] += int(kinds[x] == TUMOUR)
    for x in range(kinds.size):
        resistant[x] += int(kinds[x] == TUMOUR) & int(traits[x])  # RESISTANT is the lowest bit


@kernel(borrows=True)
def add_calls(counts, alive, resistant, effects, block, factor):
    """Add the cells of a row of blocks, of which ``block`` is the first, to ``counts`` (cx, 2) of its cubes."""
    blocks, along = alive.size // factor, CALL_CUBE // factor
    for cube in range(counts.shape[0]):
        here, calling = counts[cube, 0], counts[cube, 1]
        for b in range(cube * along, min((cube + 1) * along, blocks)):
            cells, resists = 0, 0
            for x in range(b * factor, (b + 1) * factor):
                cells += int(alive[x])
                resists += int(resistant[x])
            here += cells
            calling += (cells - resists) * (1.0 - effects[block + b, SPROUTING_SENSITIVE]) + resists * (
                1.0 - effects[block + b, SPROUTING_RESISTANT]
            )
        counts[cube, 0], counts[cube, 1] = here, calling


@kernel(borrows=True)
def count_open(vessels, table, count, grid, first, last):
    """Count the open vessels of every cube of the layers from ``first`` to ``last`` into ``vessels`` (cz, cy, cx)."""
    flow, voxel = table.state, table.voxel
    layer = CALL_CUBE * grid.ny * grid.nx
    for row in range(count):
        if first * layer <= voxel[row] < last * layer and flow[row] == OPEN:
            z, y, x = place_of(voxel[row], grid)
            vessels[z // CALL_CUBE, y // CALL_CUBE, x // CALL_CUBE] += 1.0


@kernel(borrows=True)
def sums_around(cells, vessels, z, y, x):
    """Cells, those that call, and vessels of a cube and of those around it."""
    cz, cy, cx, _ = cells.shape
    alive, calling, here = 0.0, 0.0, 0.0
    for i in range(max(z - 1, 0), min(z + 2, cz)):
        for j in range(max(y - 1, 0), min(y + 2, cy)):
            for k in range(max(x - 1, 0), min(x + 2, cx)):
                alive += cells[i, j, k, 0]
                calling += cells[i, j, k, 1]
                here += vessels[i, j, k]
    return alive, calling, here


@kernel(entry=True)
def hear_calls(calls, cells, table, count, grid, cells_per_vessel, first, last):
    """Phase: density of vessels about a cube, and calls that each of them hears (eqs N3, N5).

    Parameters
    ----------
    calls
        (cz, cy, cx, 2) of cubes, filled in place.
    cells
        What `count_cells` filled.
    table, count
        `lattice.Vessels`; the open among the first ``count`` rows are counted here.
    grid
        `lattice.Grid`.
    cells_per_vessel
        Cells that one vessel feeds.
    first, last
        Range of layers of cubes, ``last`` exclusive.
    """
    cz, cy, cx, _ = cells.shape
    vessels = np.zeros((cz, cy, cx))
    count_open(vessels, table, count, grid, max(first - 1, 0), min(last + 1, cz))
    for z in range(first, last):
        for y in range(cy):
            for x in range(cx):
                alive, calling, here = sums_around(cells, vessels, z, y, x)
                fed = here * cells_per_vessel
                calls[z, y, x, 0] = local_density(alive, fed)
                calls[z, y, x, 1] = calling / fed if fed > 0.0 else 0.0
