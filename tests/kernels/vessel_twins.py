"""Vessels of the lattice a second time: plain Python written from docs/theory/lattice-vessels.md, and states to try."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from cell_twins import make_rules

from tumorsim.kernels.calls import count_cells
from tumorsim.kernels.lattice import Clock, Rules, State
from tumorsim.lattice.state import blank, callers_for, grid_of

# What stands on the page, in its own numbers.
STROMA, TUMOUR, DEAD, VESSEL = 0, 1, 2, 3
OPEN, EMBOLISED, LOST = 0, 1, 2
AXES = (4, 5)  # columns of the effects: VEGF axis of sensitive and of resistant cells
SPROUTING, AGEING, EMBOLISATION = 32, 33, 34
CUBE = 8
WAYS = sorted(
    (d for d in itertools.product((-1, 0, 1), repeat=3) if any(d)), key=lambda d: (sum(abs(i) for i in d), d)
)  # faces, edges, corners, each in the order of z, y, x
Place = tuple[int, int, int]
Row = dict[str, Any]

__all__ = ["make_rules"]  # of the same kind for cells and vessels


# --- states -----------------------------------------------------------------------
def vessel_state(shape: Place, seed: int, vessels: int, spare: int = 600, segments: int = 4) -> State:
    """A mixture of everything at random; vessels of few segments, so that many lie beside their own."""
    rng = np.random.default_rng(seed)
    state = blank(grid_of(shape, 20.0), vessels=vessels + spare)
    size, fields, table = math.prod(shape), state.fields, state.vessels
    state.voxels.kind[:] = rng.choice([STROMA, TUMOUR, DEAD], size, p=[0.55, 0.4, 0.05])
    state.voxels.traits[:] = rng.integers(0, 8, size)
    state.voxels.load[:] = rng.integers(0, 9, size)
    fields.vegf[:] = rng.uniform(0.0, 5000.0, fields.vegf.size)
    fields.effects[:] = rng.uniform(0.0, 1.0, fields.effects.shape)
    put_vessels(state, rng.choice(size, vessels, replace=False))
    table.ident[:vessels] = rng.permutation(5 * vessels)[:vessels]
    table.segment[:vessels] = rng.integers(0, segments, vessels)
    table.maturity[:vessels], table.born[:vessels] = rng.random(vessels), rng.integers(0, 7, vessels)
    closed = np.arange(segments) % 3 == 2
    table.state[:vessels] = np.where(closed[table.segment[:vessels]], EMBOLISED, OPEN)
    return state


def put_vessels(state: State, voxels: Any, maturity: float = 0.3) -> int:
    """Open vessels in these voxels, each a segment of its own. Returns how many."""
    n, table = len(voxels), state.vessels
    state.voxels.kind[voxels] = VESSEL
    table.ident[:n] = table.segment[:n] = np.arange(n)
    table.voxel[:n], table.maturity[:n], table.state[:n] = voxels, maturity, OPEN
    return n


def rows_of(state: State, count: int) -> dict[int, Row]:
    """Vessels by ident."""
    table = state.vessels
    names = [name for name in table._fields if name != "ident"]
    return {int(table.ident[i]): {name: getattr(table, name)[i].item() for name in names} for i in range(count)}


def shuffled(state: State, count: int, seed: int) -> State:
    """A copy of a state whose vessels come in another order."""
    order = np.arange(state.vessels.ident.size)
    order[:count] = np.random.default_rng(seed).permutation(count)
    copy = copied(state)
    return copy._replace(vessels=type(state.vessels)(*(array[order] for array in state.vessels)))


def copied(state: State) -> State:
    """A copy of every array."""
    return State(state.grid, *(type(part)(*(array.copy() for array in part)) for part in state[1:]))


def callers(state: State) -> np.ndarray:
    """What the model counts once a step: tumour cells, and those that call, of every cube."""
    cells = callers_for(state.grid)
    count_cells(cells, state.voxels.kind, state.voxels.traits, state.fields.effects, state.grid, 0, len(cells))
    return cells


# --- twins ------------------------------------------------------------------------
def draws(clock: Clock, stream: int, number: int, occasion: int, item: int) -> list[Any]:
    """Four uniform draws, and the last one again as the integer that it came from."""
    generator = np.random.Philox(key=[clock.seed, stream], counter=[number, occasion, item, 0])
    raw = [int(word) for word in generator.random_raw(4)]
    return [((word >> 12) + 0.5) / 2.0**52 for word in raw] + [raw[3]]


def place(state: State, voxel: int) -> Place:
    z, y, x = np.unravel_index(voxel, (state.grid.nz, state.grid.ny, state.grid.nx))
    return int(z), int(y), int(x)


def block(state: State, where: Place) -> int:
    z, y, x = (i // state.grid.factor for i in where)
    return (z * state.grid.by + y) * state.grid.bx + x


def beside(state: State, where: Place, way: Place) -> int | None:
    """Voxel next to a place, None outside."""
    shape = (state.grid.nz, state.grid.ny, state.grid.nx)
    there = tuple(i + d for i, d in zip(where, way, strict=True))
    if not all(0 <= i < n for i, n in zip(there, shape, strict=True)):
        return None
    return int(np.ravel_multi_index(there, shape))


def age(state: State, count: int, volume: float, clock: Clock, rules: Rules) -> tuple[dict[int, Row], Any]:
    """Rows and kinds of voxels after a step of ageing (eqs N1-N4)."""
    p, kind, rows = rules.patient.traits.vessels, state.voxels.kind.copy(), rows_of(state, count)
    heard = calls(state, count, rules)
    for ident, row in rows.items():
        occupancy = state.fields.effects[block(state, place(state, row["voxel"])), AXES[0]]
        k = p.maturation_rate * occupancy + p.maturity_relaxation_rate
        steady = (p.maturation_rate * occupancy + p.maturity_relaxation_rate * p.baseline_maturity) / k
        row["maturity"] = steady + (row["maturity"] - steady) * math.exp(-k * clock.dt)
        excess = occupancy**4 / (occupancy**4 + p.pruning_occupancy**4)
        hazard = p.pruning_rate * excess * min(1.0, 2.0 - heard[ident][0])
        hazard += p.capacity_loss_rate * volume ** (2 / 3) * (1.0 - heard[ident][0] / 2.0)
        hazard += p.embolised_loss_rate if row["state"] == EMBOLISED else 0.0
        if draws(clock, AGEING, ident, clock.step, 0)[0] < 1.0 - math.exp(-hazard * clock.dt):
            row["state"], kind[row["voxel"]] = LOST, STROMA
        elif row["state"] == EMBOLISED:
            u = draws(clock, AGEING, row["segment"], clock.step, 1)[0]
            row["state"] = OPEN if u < 1.0 - math.exp(-p.recanalisation_rate * clock.dt) else EMBOLISED
    return rows, kind


def touching(a: Place, b: Place) -> bool:
    """Whether calls of one cube are heard in the other."""
    return max(abs(i - j) for i, j in zip(a, b, strict=True)) <= 1


def calls(state: State, count: int, rules: Rules) -> dict[int, tuple[float, float]]:
    """Density about each vessel and calls that it hears, by ident (eqs N3, N5)."""
    cells: dict[Place, list[float]] = {}
    for voxel in np.flatnonzero(state.voxels.kind == TUMOUR):
        where = place(state, voxel)
        axis = AXES[1] if state.voxels.traits[voxel] % 2 else AXES[0]
        z, y, x = (i // CUBE for i in where)
        cells.setdefault((z, y, x), []).append(1.0 - state.fields.effects[block(state, where), axis])
    cubes, rows = {}, rows_of(state, count)
    for ident, row in rows.items():
        z, y, x = (i // CUBE for i in place(state, row["voxel"]))
        cubes[ident] = (z, y, x)
    per_vessel = rules.tissue.network.cells_per_vessel
    found = {}
    for ident, own in cubes.items():
        near = [share for cube, free in cells.items() if touching(cube, own) for share in free]
        fed = per_vessel * sum(rows[i]["state"] == OPEN for i, cube in cubes.items() if touching(cube, own))
        found[ident] = (min(2.0, fed / len(near)) if near else 2.0, sum(near) / fed if fed else 0.0)
    return found


def slope(state: State, where: Place) -> list[float]:
    """Direction of steepest rise of VEGF between blocks, of length 1, or 0."""
    g = state.grid
    field = state.fields.vegf.reshape(g.bz, g.by, g.bx)
    found = []
    for axis in range(3):
        low, high = [i // g.factor for i in where], [i // g.factor for i in where]
        low[axis], high[axis] = max(low[axis] - 1, 0), min(high[axis] + 1, field.shape[axis] - 1)
        found.append((field[tuple(high)] - field[tuple(low)]) / max(high[axis] - low[axis], 1))
    length = math.sqrt(sum(rise**2 for rise in found))
    return [rise / length if length > 0.0 else 0.0 for rise in found]


def product(a: Any, b: Any) -> float:
    return sum(i * j for i, j in zip(a, b, strict=True))


def target(state: State, where: Place, own: list[Place], u: list[Any], persistence: float) -> int | None:
    """Voxel of a sprout; ``own`` are the directions of neighbours of its segment (eq. N7)."""
    free = {}
    for way in WAYS:
        voxel = beside(state, where, way)
        if voxel is not None and state.voxels.kind[voxel] == STROMA and state.voxels.load[voxel] <= 8:
            free[way] = voxel
    if is_end(own) and own and u[1] < persistence:
        away = [-sum(way[axis] for way in own) for axis in range(3)]
        # written as products one by one, so that directions as good as each other stay so
        ahead = max(WAYS, key=lambda way: product(away, way) / math.sqrt(product(way, way)))
        if ahead in free:
            return free[ahead]
    rise = slope(state, where)
    weights = []
    for way in free:
        length = math.sqrt(product(way, way))
        weights.append(max(0.0, 1.0 + product(way, rise) / length) / length**2)
    if not free or sum(weights) == 0.0:
        return None
    edges = np.cumsum(weights)
    return list(free.values())[int(np.searchsorted(edges, u[2] * edges[-1], side="right"))]


def is_end(own: list[Place]) -> bool:
    """No two neighbours of the segment more than a right angle apart."""
    return all(product(a, b) >= 0 for a, b in itertools.combinations(own, 2))


def sprout(
    state: State, count: int, ident: int, segment: int, clock: Clock, rules: Rules
) -> tuple[dict[int, Row], Any, dict[str, int]]:
    """Rows and kinds of voxels after a step of sprouting (eqs N6-N7), and how often what happened."""
    p, rows, kind = rules.patient.traits.vessels, rows_of(state, count), state.voxels.kind.copy()
    own_segment = {row["voxel"]: row["segment"] for row in rows.values() if row["state"] != LOST}
    wishes: dict[int, list[tuple[int, int, int, bool]]] = {}
    for parent, (density, s) in calls(state, count, rules).items():
        row = rows[parent]
        if row["state"] != OPEN:
            continue
        where = place(state, row["voxel"])
        vegf = state.fields.vegf[block(state, where)]
        rate = p.capacity_growth_rate * s * (2.0 - density) ** 2 / 2.0 * vegf / (vegf + p.vegf_half_effect)
        u = draws(clock, SPROUTING, parent, clock.step, 0)
        if u[0] >= 1.0 - math.exp(-rate * clock.dt):
            continue
        own = [way for way in WAYS if own_segment.get(beside(state, where, way)) == row["segment"]]
        voxel = target(state, where, own, u, rules.tissue.network.tip_persistence)
        if voxel is not None:
            wishes.setdefault(voxel, []).append((u[4], -parent, row["segment"], is_end(own)))
    happened = {"sprouts": len(wishes), "branches": 0, "lost": sum(len(w) - 1 for w in wishes.values())}
    for voxel in sorted(wishes):
        _, _, parent_segment, end = max(wishes[voxel])
        rows[ident] = {
            "segment": parent_segment if end else segment, "voxel": voxel, "maturity": p.baseline_maturity,
            "state": OPEN, "born": clock.step,
        }  # fmt: skip
        kind[voxel] = VESSEL
        ident, segment, happened["branches"] = ident + 1, segment + (not end), happened["branches"] + (not end)
    return rows, kind, happened | {"ident": ident, "segment": segment}


def embolise(state: State, count: int, session: int, fraction: float, clock: Clock) -> dict[int, Row]:
    """Rows after a session of TACE (eq. N8)."""
    rows = rows_of(state, count)
    for row in rows.values():
        if row["state"] == OPEN and draws(clock, EMBOLISATION, row["segment"], session, 0)[0] < fraction:
            row["state"] = EMBOLISED
    return rows
