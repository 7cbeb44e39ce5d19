"""What is read off a lattice: counts and means of a moment, and whole pictures of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import lattice
from tumorsim.kernels.exchange import VesselList, list_vessels
from tumorsim.kernels.lattice import Grid, State
from tumorsim.kernels.layout import Records
from tumorsim.lattice.state import clones
from tumorsim.spatial_variables import HYPOXIA

SIGNALS = ("vegf", "drug", "depot", "interferon", "chemokine", "suppressors")
_FIRST_VESSEL = 6  # code of an open vessel among the contents of a voxel


def on_voxels(values: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """A field on blocks, spread over their voxels. Shape (nz, ny, nx)."""
    box = values.reshape(grid.bz, grid.by, grid.bx)
    for axis in range(3):
        box = np.repeat(box, grid.factor, axis=axis)
    return box[: grid.nz, : grid.ny, : grid.nx]


def contents(state: State, vessels: int) -> NDArray[np.uint8]:
    """Code of what each voxel holds, see `spatial_variables.CONTENTS`. Shape (nz, ny, nx)."""
    g, kind = state.grid, state.voxels.kind
    found = np.zeros(kind.size, np.uint8)
    alive = kind == lattice.TUMOUR
    found[alive] = 1 + (state.voxels.traits[alive] & lattice.CLONE_BITS)
    found[kind == lattice.DEAD] = 5
    rows = slice(0, vessels)
    found[state.vessels.voxel[rows]] = _FIRST_VESSEL + state.vessels.state[rows]
    return found.reshape(g.nz, g.ny, g.nx)


def snapshot(state: State, vessels: int) -> dict[str, NDArray[Any]]:
    """Pictures of `spatial_variables.SNAPSHOTS`, each (nz, ny, nx)."""
    g, f = state.grid, state.fields
    box = (g.nz, g.ny, g.nx)
    found: dict[str, NDArray[Any]] = {"content": contents(state, vessels)}
    found["lymphocytes"] = state.voxels.load.reshape(box).copy()
    found["oxygen"] = f.oxygen.reshape(box).astype(np.float32)
    for name in SIGNALS:
        found[name] = on_voxels(getattr(f, name), g).astype(np.float32)
    return found


def tissue_means(state: State, vessels: int, law: Records) -> dict[str, float]:
    """Numbers of `spatial_variables.SERIES` that depend on voxels and vessels alone.

    Parameters
    ----------
    state
        `State`.
    vessels
        Vessel rows in use.
    law
        Record of `layout.Vessels`.
    """
    g, f = state.grid, state.fields
    alive = np.flatnonzero(state.voxels.kind == lattice.TUMOUR)
    oxygen = f.oxygen[alive]
    names = ("sensitive", "resistant", "antigen_low", "resistant_antigen_low", "mhc_low")
    found: dict[str, float] = dict(zip(names, clones(state).tolist(), strict=True))
    found["dead_cells"] = int(np.count_nonzero(state.voxels.kind == lattice.DEAD))
    maturity, way = state.vessels.maturity[:vessels], state.vessels.state[:vessels]
    flowing = way == lattice.OPEN
    found["open_vessels"], found["embolised_vessels"] = int(flowing.sum()), int((way == lattice.EMBOLISED).sum())
    found["maturity"] = float(maturity[flowing].mean()) if flowing.any() else np.nan
    listed = VesselList(np.empty(vessels, np.int32), np.empty(vessels), np.empty(vessels))
    list_vessels(listed, np.arange(vessels), state.vessels, law)
    flow = listed.flow[flowing]
    found["perfusion"] = float(flow.sum() / vessels) if vessels else np.nan
    found["oxygen"] = float(oxygen.mean()) if alive.size else np.nan
    found["hypoxic_fraction"] = float((oxygen < HYPOXIA).mean()) if alive.size else np.nan
    found["vegf"], found["interferon"] = float(f.vegf.mean()), float(f.interferon.mean())
    reached = on_voxels(f.drug, g).ravel()[alive]
    found["drug_penetration"] = float(reached.mean()) if alive.size else np.nan
    return found


def by_product(state: State, count: int, products: int) -> dict[str, NDArray[np.int64]]:
    """Living, engaged and exhausted effectors of each product, memory CD8 last. Each (products + 1,)."""
    product, way = state.lymphocytes.product[:count], state.lymphocytes.state[:count]
    kinds = {"engaged": way == lattice.ENGAGED, "exhausted": way == lattice.EXHAUSTED}
    kinds["lymphocytes"] = way != lattice.GONE
    return {name: np.bincount(product[chosen], minlength=products + 1) for name, chosen in kinds.items()}
