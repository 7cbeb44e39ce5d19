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
    alive, resistant = np.empty(grid.nx, np.uint8), np.empty(grid.nx, np.uint8)
    f, above = grid.factor, CALL_CUBE // grid.factor  # voxels along a block, blocks along a cube
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
    for x in range(alive.size):
        alive[x] += int(kinds[x] == TUMOUR)
    for x in range(alive.size):
        resistant[x] += int(kinds[x] == TUMOUR) & int(traits[x])  # RESISTANT is the lowest bit


@kernel(borrows=True)
def add_calls(counts, alive, resistant, effects, block, factor):
    """Add the cells of a row of blocks, of which ``block`` is the first, to ``counts`` (cx, 2) of its cubes."""
    for x in range(0, alive.size, factor):
        cells, resists = 0, 0
        for i in range(x, min(x + factor, alive.size)):
            cells += int(alive[i])
            resists += int(resistant[i])
        counts[x // CALL_CUBE, 0] += cells
        counts[x // CALL_CUBE, 1] += (cells - resists) * (1.0 - effects[block, SPROUTING_SENSITIVE]) + resists * (
            1.0 - effects[block, SPROUTING_RESISTANT]
        )
        block += 1


@kernel
def count_open(table, count, cubes, grid):
    """Open vessels of every cube; ``cubes`` are those along z, y and x. Shape (cz, cy, cx, 1)."""
    flow, voxel = table.state, table.voxel
    vessels = np.zeros((cubes[0], cubes[1], cubes[2], 1))
    for row in range(count):
        if flow[row] == OPEN:
            z, y, x = place_of(voxel[row], grid)
            vessels[z // CALL_CUBE, y // CALL_CUBE, x // CALL_CUBE, 0] += 1.0
    return vessels


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
                here += vessels[i, j, k, 0]
    return alive, calling, here


@kernel(entry=True)
def heard_calls(cells, table, count, grid, cells_per_vessel):
    """Density of vessels about a cube, and calls that each of them hears (eqs N3, N5). Shape (cz, cy, cx, 2).

    ``cells`` is what `count_cells` filled; the open among the first ``count`` rows of ``table``, `lattice.Vessels`,
    are counted here.
    """
    cz, cy, cx, _ = cells.shape
    vessels = count_open(table, count, (cz, cy, cx), grid)
    calls = np.zeros((cz, cy, cx, 2))
    for z in range(cz):
        for y in range(cy):
            for x in range(cx):
                alive, calling, here = sums_around(cells, vessels, z, y, x)
                fed = here * cells_per_vessel
                calls[z, y, x, 0] = local_density(alive, fed)
                if fed > 0.0:
                    calls[z, y, x, 1] = calling / fed
    return calls
