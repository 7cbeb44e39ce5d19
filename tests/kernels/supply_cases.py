"""Lattices to supply, and what is exchanged a second time: plain NumPy from docs/theory/lattice-fields.md."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tumorsim import library
from tumorsim.kernels import layout
from tumorsim.kernels.lattice import (
    EMBOLISED,
    ENGAGED,
    EXHAUSTED,
    FREE,
    LOST,
    OPEN,
    STROMA,
    TISSUE,
    TUMOUR,
    VESSEL,
    Fields,
    Grid,
    Lineage,
    Lymphocytes,
    Rules,
    State,
    Vessels,
    Voxels,
)
from tumorsim.params.disease import Disease
from tumorsim.params.drug import DrugModel

PER_DAY = 86400.0
OXYGEN = {
    "diffusivity": 2000.0 * PER_DAY, "blood_oxygen": 40.0, "normal_oxygen": 30.0, "vessel_exchange": 20.0 * PER_DAY,
    "tumour_uptake": 15.0 * PER_DAY, "stroma_uptake": 5.0 * PER_DAY, "half_uptake": 1.0,
}  # fmt: skip
SIGNALS = {
    "vegf_diffusivity": 29.0 * PER_DAY, "interferon_diffusivity": 10.0 * PER_DAY, "interferon_decay_rate": 5.6,
    "interferon_half_effect": 0.01, "chemokine_diffusivity": 20.0 * PER_DAY, "chemokine_decay_rate": 14.0,
    "chemokine_basal": 0.2, "suppressor_diffusivity": 26.0 * PER_DAY, "suppressor_decay_rate": 14.0,
}  # fmt: skip
PENETRATION = {
    "drug_diffusivity": 100.0 * PER_DAY, "drug_exchange": 3000.0, "drug_loss_rate": 40.0,
    "depot_diffusivity": 10.0 * PER_DAY, "depot_loss_rate": 24.0,
}  # fmt: skip
DEPOT = layout.Depot(concentration=5000.0, fall_rate=0.055, kill_rate=1.0, ec50=1000.0)


def grid_of(shape: tuple[int, int, int], factor: int = 2, spacing: float = 20.0) -> Grid:
    return Grid(*shape, spacing, factor, *(-(-n // factor) for n in shape))


def make_rules(drugs: int = 1, **changes: dict[str, float]) -> Rules:
    """HCC and sorafenib of the library, and the tissue above; changed as in ``penetration={"drug_loss_rate": 0.0}``."""
    disease = Disease.model_validate(library.tree("diseases", "hcc").plain())
    drug = DrugModel.model_validate(library.tree("drugs", "sorafenib").plain())
    traits, tissue, records = np.zeros(1, layout.TRAITS), np.zeros(1, TISSUE), np.zeros(drugs, layout.DRUG)
    for name in ("growth", "resistance", "vessels", "trafficking", "suppression"):
        traits[name][0] = tuple(getattr(disease, name).values())
    for name, value in zip(drug.KERNEL._fields, drug.values(), strict=True):
        records[name] = value
    tables = {"oxygen": OXYGEN, "signals": SIGNALS, "penetration": PENETRATION}
    for process, values in (*tables.items(), *changes.items()):
        owner = tissue if process in (TISSUE.names or ()) else traits
        for name, value in values.items():
            owner[process][name] = value
    return Rules(
        tissue[0],
        layout.Patient(
            traits[0],
            records,
            np.zeros(0, layout.PRODUCT),
            np.zeros(0, layout.PROCEDURE),
            np.zeros(drugs, layout.INTAKE),
            np.zeros(0, layout.SLOT),
        ),
        np.array([DEPOT], layout.DEPOT)[0],
    )


def blank(grid: Grid, vessels: int = 0, lymphocytes: int = 0) -> State:
    voxels, blocks = grid.nz * grid.ny * grid.nx, grid.bz * grid.by * grid.bx

    def table(kind: Any, rows: int, types: tuple[str, ...]) -> Any:
        return kind(*(np.zeros(rows, t) for t in types))

    bytes_ = [np.zeros(voxels, np.uint8) for _ in range(5)]
    return State(
        grid,
        Voxels(bytes_[0], bytes_[1], np.zeros(voxels, np.uint32), *bytes_[2:]),
        Fields(np.zeros(voxels), *(np.zeros(blocks) for _ in range(6)), np.full((blocks, 8), np.nan)),
        table(Lymphocytes, lymphocytes, ("i8", "i4", "i4", "u1", "u1", "i4", "i4", "i4")),
        table(Vessels, vessels, ("i8", "i4", "i4", "f8", "u1", "i4")),
        table(Lineage, 0, ("i8", "u1", "i4", "i4", "u1", "u1")),
    )


def put_vessels(state: State, voxels: Any, maturity: Any = None, status: Any = OPEN, baseline: float = 0.3) -> int:
    """Vessels into these voxels, the first rows of the table. Returns how many."""
    count = len(voxels)
    state.voxels.kind[voxels] = VESSEL
    state.vessels.voxel[:count] = voxels
    state.vessels.maturity[:count] = baseline if maturity is None else maturity
    state.vessels.state[:count] = status
    return count


def random_state(
    shape: tuple[int, int, int], seed: int = 0, factor: int = 2, share: float = 0.04
) -> tuple[State, int, int]:
    """Tumour, dead cells, vessels of all states and lymphocytes at random; rows beyond those in use are traps."""
    rng, grid = np.random.default_rng(seed), grid_of(shape, factor)
    n = math.prod(shape)
    vessels, effectors = max(1, int(share * n)), max(4, n // 10)
    state = blank(grid, vessels + 3, effectors + 3)
    state.voxels.kind[:] = rng.choice([STROMA, TUMOUR, 2], n, p=[0.3, 0.6, 0.1])
    places = rng.permutation(n)[:vessels]
    put_vessels(state, places, rng.random(vessels), rng.choice([OPEN, EMBOLISED, LOST], vessels, p=[0.7, 0.2, 0.1]))
    state.voxels.kind[places[state.vessels.state[:vessels] == LOST]] = STROMA
    cells = state.lymphocytes
    cells.voxel[:] = rng.integers(0, n, cells.voxel.size)
    cells.state[:effectors] = rng.choice([FREE, ENGAGED, EXHAUSTED], effectors)
    cells.state[effectors:] = ENGAGED
    state.fields.oxygen[:] = 40.0 * rng.random(n)
    return state, vessels, effectors


def shuffled(state: State, vessels: int, lymphocytes: int, seed: int) -> State:
    """The same lattice with the rows in use of both tables in another order."""
    rng = np.random.default_rng(seed)
    found = []
    for table, count in ((state.lymphocytes, lymphocytes), (state.vessels, vessels)):
        order = np.concatenate([rng.permutation(count), np.arange(count, table[0].size)])
        found.append(type(table)(*(array[order] for array in table)))
    return state._replace(lymphocytes=found[0], vessels=found[1])


def copied(state: State) -> State:
    return state._replace(fields=Fields(*(array.copy() for array in state.fields)))


# --- a second time ----------------------------------------------------------------------


def flows(state: State, count: int, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """Perfusion of open vessels and number of embolised ones, voxel by voxel."""
    v = rules.patient.traits["vessels"]
    flow, closed = np.zeros(state.voxels.kind.size), np.zeros(state.voxels.kind.size)
    for row in range(count):
        voxel, status = state.vessels.voxel[row], state.vessels.state[row]
        if status == OPEN:
            above = (state.vessels.maturity[row] - v["baseline_maturity"]) / (1 - v["baseline_maturity"])
            flow[voxel] = max(0.0, 1 + v["maturity_perfusion_gain"] * above)
        closed[voxel] = status == EMBOLISED
    return flow, closed


def block_mean(values: np.ndarray, grid: Grid) -> np.ndarray:
    """Means over the voxels of each block, of which edge blocks hold fewer."""
    f, box = grid.factor, values.reshape(grid.nz, grid.ny, grid.nx)
    return np.array([
        box[z * f : z * f + f, y * f : y * f + f, x * f : x * f + f].mean()
        for z in range(grid.bz) for y in range(grid.by) for x in range(grid.bx)
    ])  # fmt: skip


def block_volume(grid: Grid) -> np.ndarray:
    """Voxels of each block."""
    f = grid.factor
    sides = [[min(f, n - f * b) for b in range(blocks)] for n, blocks in zip(grid[:3], grid[5:], strict=True)]
    return np.einsum("i,j,k->ijk", *sides).ravel().astype(float)


def contents(state: State, vessels: int, lymphocytes: int, rules: Rules) -> dict[str, np.ndarray]:
    """`Contents` from the page."""
    v, grid = rules.patient.traits["vessels"], state.grid
    tumour = (state.voxels.kind == TUMOUR).astype(float)
    relative = np.maximum(state.fields.oxygen, 0.0) / rules.tissue["oxygen"]["normal_oxygen"]
    oxygen = relative / (relative + v["half_perfusion"])
    flow, closed = flows(state, vessels, rules)
    engaged = np.zeros(tumour.size)
    for row in range(lymphocytes):
        engaged[state.lymphocytes.voxel[row]] += state.lymphocytes.state[row] == ENGAGED
    found = {
        "cells": tumour,
        "secretion": tumour * (1 + v["hypoxic_vegf_gain"] * (1 - oxygen)),
        "flow": flow,
        "closed": closed,
        "engaged": engaged,
    }
    return {name: block_mean(values, grid) for name, values in found.items()}
