"""How dense the vessels of the lattice are, and the calls they hear (docs/theory/lattice-vessels.md)."""

from __future__ import annotations

import numpy as np

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.lattice import OPEN, TUMOUR, block_of, place_of
from tumorsim.kernels.layout import DrugEffects

SPROUTING_SENSITIVE = DrugEffects._fields.index("sprouting_sensitive")
SPROUTING_RESISTANT = DrugEffects._fields.index("sprouting_resistant")
CALL_CUBE = 8  # voxels along a cube of calls; a call is heard in its cube and the 26 around it


@kernel
def local_density(cells, fed):
    """Vessel density against that where vessels feed just as many cells as there are (eqs N3, V1); at most 2."""
    return fed / cells if fed < 2.0 * cells else 2.0


@kernel(entry=True)
def count_cells(cells, state, first, last):
    """Phase: tumour cells, and those with a free VEGF axis, of the layers of cubes from ``first`` to ``last``.

    Vessels that age do not change them, so one count serves ageing and sprouting.

    Parameters
    ----------
    cells
        (cz, cy, cx, 2) of cubes, filled in place.
    state
        `lattice.State`.
    first, last
        Range of layers, ``last`` exclusive.
    """
    grid = state.grid
    cells[first:last] = 0.0
    for z in range(first * CALL_CUBE, min(last * CALL_CUBE, grid.nz)):
        for y in range(grid.ny):
            count_row(cells, z, y, state.voxels.kind, state.voxels.traits, state.fields.effects, grid)


@kernel
def count_row(counts, z, y, kind, traits, effects, grid):
    """Add the tumour cells of one row of voxels to its cubes."""
    above, beside, start = z // CALL_CUBE, y // CALL_CUBE, (z * grid.ny + y) * grid.nx
    block, within, resistant, sensitive = block_of(z, y, 0, grid), 0, 0, 0
    for cube in range(counts.shape[2]):
        cells, calls, last = 0, 0.0, start + min((cube + 1) * CALL_CUBE, grid.nx)
        for voxel in range(start + cube * CALL_CUBE, last):
            alive = int(kind[voxel] == TUMOUR)  # no branch: it would be guessed wrong too often
            resists = alive & int(traits[voxel])  # RESISTANT is the lowest bit
            resistant += resists
            sensitive += alive - resists
            within += 1
            if within == grid.factor or voxel == last - 1:  # whole numbers first: sums of doubles wait for each other
                cells += sensitive + resistant
                calls += sensitive * (1.0 - effects[block, SPROUTING_SENSITIVE])
                calls += resistant * (1.0 - effects[block, SPROUTING_RESISTANT])
                resistant, sensitive = 0, 0
            if within == grid.factor:
                block, within = block + 1, 0
        counts[above, beside, cube, 0] += cells
        counts[above, beside, cube, 1] += calls


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


@kernel
def sum_around(counts, z, y, x, column):
    """Sum of a column over a cube and those around it."""
    cz, cy, cx, _ = counts.shape
    total = 0.0
    for i in range(max(z - 1, 0), min(z + 2, cz)):
        for j in range(max(y - 1, 0), min(y + 2, cy)):
            for k in range(max(x - 1, 0), min(x + 2, cx)):
                total += counts[i, j, k, column]
    return total


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
                fed = sum_around(vessels, z, y, x, 0) * cells_per_vessel
                calls[z, y, x, 0] = local_density(sum_around(cells, z, y, x, 0), fed)
                if fed > 0.0:
                    calls[z, y, x, 1] = sum_around(cells, z, y, x, 1) / fed
    return calls
