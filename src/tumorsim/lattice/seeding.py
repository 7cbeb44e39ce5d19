"""The tissue at the start: which voxels hold tumour cells, and of which clone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import lattice, random
from tumorsim.kernels.lattice import State
from tumorsim.lattice.state import enlarged, size_of

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

# items of a voxel's draws
_CELL, _CLONE, _ANTIGEN, _MHC, _CENTRE = range(5)


@dataclass(frozen=True)
class Tumour:
    """What to seed.

    Attributes
    ----------
    shape
        ``sphere`` (a disc in one slice), ``slab`` (from the low x face inwards) or ``filled``.
    diameter
        Of the sphere, or thickness of the slab, um.
    cell_fraction
        Share of the voxels inside that hold a cell.
    resistant_fraction, resistant_clusters
        Share of resistant cells, and in how many compact groups they lie; 0 scatters them.
    antigen_low_fraction, mhc_positive_fraction
        Shares of cells, scattered.
    """

    shape: str
    diameter: float
    cell_fraction: float
    resistant_fraction: float
    resistant_clusters: int
    antigen_low_fraction: float
    mhc_positive_fraction: float


def inside(state: State, tumour: Tumour) -> Mask:
    """Voxels inside the tumour's margin. Shape (voxel,)."""
    g = state.grid
    if tumour.shape == "filled":
        return np.ones(size_of(g), np.bool_)
    middles = [(np.arange(n) + 0.5) * g.spacing for n in (g.nz, g.ny, g.nx)]
    z, y, x = np.meshgrid(*middles, indexing="ij")
    if tumour.shape == "slab":
        return np.asarray(x < tumour.diameter).ravel()
    far = sum((axis - 0.5 * n * g.spacing) ** 2 for axis, n in ((z, g.nz), (y, g.ny), (x, g.nx)) if n > 1)
    return np.asarray(far <= (0.5 * tumour.diameter) ** 2).ravel()


def seed_tumour(state: State, tumour: Tumour, seed: int) -> State:
    """Fill stroma inside the margin with founder cells; vessels stay. Ids follow the voxels.

    Returns
    -------
    State
        The same voxels, with a lineage that has room for the founders.
    """
    kind, traits, ident = state.voxels.kind, state.voxels.traits, state.voxels.ident
    within = np.flatnonzero(inside(state, tumour) & (kind == lattice.STROMA))
    cells = within[_draws(seed, within, _CELL) < tumour.cell_fraction]
    kind[cells] = lattice.TUMOUR
    ident[cells] = np.arange(cells.size, dtype=np.uint32)
    found = np.zeros(cells.size, np.uint8)
    found[_resistant(state, tumour, cells, seed)] |= lattice.RESISTANT
    found[_draws(seed, cells, _ANTIGEN) < tumour.antigen_low_fraction] |= lattice.ANTIGEN_LOW
    found[_draws(seed, cells, _MHC) >= tumour.mhc_positive_fraction] |= lattice.MHC_LOW
    traits[cells] = found
    lineage = enlarged(state.lineage, cells.size)
    lineage.parent[: cells.size] = lattice.NOBODY
    lineage.clone[: cells.size] = lineage.last_clone[: cells.size] = found
    lineage.birth[: cells.size] = 0
    lineage.death[: cells.size] = lattice.NOBODY
    lineage.fate[: cells.size] = lattice.ALIVE
    return state._replace(lineage=lineage)


def _draws(seed: int, voxels: Ints, item: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = random.uniforms(
        np.uint64(seed), random.STREAM_SEEDING, voxels.astype(np.int64), 0, item
    )
    return found


def _resistant(state: State, tumour: Tumour, cells: Ints, seed: int) -> Ints:
    """Rows of ``cells`` that start resistant."""
    u = _draws(seed, cells, _CLONE)
    wanted = round(tumour.resistant_fraction * cells.size)
    if tumour.resistant_clusters == 0 or wanted == 0:
        return np.asarray(np.flatnonzero(u < tumour.resistant_fraction), dtype=np.int64)
    clusters = min(tumour.resistant_clusters, wanted)
    centres = cells[np.argsort(_draws(seed, cells, _CENTRE), kind="stable")[:clusters]]
    g = state.grid
    distance = np.full(cells.size, np.inf)
    for centre in centres:
        gap = [(_along(cells, g, axis) - _along(centre, g, axis)).astype(float) ** 2 for axis in range(3)]
        distance = np.minimum(distance, gap[0] + gap[1] + gap[2])
    return np.asarray(np.lexsort((u, distance))[:wanted], dtype=np.int64)


def _along(voxels: Ints, g: lattice.Grid, axis: int) -> Ints:
    """Index along z, y or x."""
    return np.asarray((voxels // (g.ny * g.nx), voxels // g.nx % g.ny, voxels % g.nx)[axis])
