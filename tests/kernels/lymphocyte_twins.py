"""Lymphocytes a second time, in plain Python from docs/theory/lattice-lymphocytes.md; small lattices to try them on.

A twin looks at everybody before anybody changes, gathers bids in dictionaries and sorts them.
"""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
from scipy.stats import poisson

from tumorsim import library
from tumorsim.kernels import lattice, layout, motility
from tumorsim.kernels import random as streams
from tumorsim.params.cell_product import CellModel
from tumorsim.params.disease import Disease
from tumorsim.params.packing import no_depot

Array = np.ndarray
HCC = Disease.model_validate(library.tree("diseases", "hcc").plain())
CIK = CellModel.model_validate(library.tree("cells", "cik").plain())
PROCESSES = ("growth", "resistance", "vessels", "trafficking", "suppression", "memory", "liver", "hazards")
TISSUE = {
    "oxygen": {"normal_oxygen": 40.0},
    "motility": {"coefficient": 2e4, "persistence": 0.4, "chemotaxis": 2.0, "tumour_entry": 0.5},
    "contact": {
        "engagement_rate": 12.0, "release_rate": 2.0, "memory_cells": 1e8, "memory_kill_rate": 3.0,
        "memory_death_rate": 0.5,
    },
    "network": {"cells_per_vessel": 40.0},
}  # fmt: skip


# --- small lattices --------------------------------------------------------------------
def zeroed(count: int, kind: np.dtype) -> np.recarray:
    return np.zeros(count, kind).view(np.recarray)


def patient(products: tuple[dict[str, float], ...] = ({},), **traits: dict[str, float]) -> layout.Patient:
    """Typical patient of the library; products are CIK but for what is given."""
    rows = zeroed(1, layout.TRAITS)
    for process in PROCESSES:
        block = getattr(HCC, process)
        for name, value in {**dict(zip(block.names(), block.values(), strict=True)), **traits.get(process, {})}.items():
            rows[process][name] = value
    given = zeroed(len(products), layout.PRODUCT)
    for i, changes in enumerate(products):
        for name, value in {**dict(zip(CIK.KERNEL._fields, CIK.values(), strict=True)), **changes}.items():
            given[name][i] = value
    none = [zeroed(0, kind) for kind in (layout.DRUG, layout.PROCEDURE, layout.INTAKE, layout.SLOT)]
    return layout.Patient(rows[0], none[0], given, none[1], none[2], none[3])


def rules(who: layout.Patient | None = None, **changes: dict[str, float]) -> lattice.Rules:
    """Rules with the tissue above but for what is given."""
    rows = zeroed(1, lattice.TISSUE)
    for process in lattice.TISSUE.names or ():
        for name, value in {**TISSUE.get(process, {}), **changes.get(process, {})}.items():
            rows[process][name] = value
    return lattice.Rules(rows[0], who or patient(), no_depot()[0])


def clock_at(step: int, seed: int = 2**63 + 11, dt: float = 1.0 / 24.0) -> lattice.Clock:
    """A seed of one type whatever its size: a Python int below 2**63 would be another type to compiled code."""
    return lattice.Clock(np.uint64(seed), step, dt)  # type: ignore[arg-type]


def grid_of(nz: int, ny: int, nx: int, factor: int = 2) -> lattice.Grid:
    return lattice.Grid(nz, ny, nx, 20.0, factor, -(-nz // factor), -(-ny // factor), -(-nx // factor))


def empty(grid: lattice.Grid, people: int, vessels: int = 0) -> lattice.State:
    """Stroma, tables of so many rows, fields of which none does anything."""
    n, blocks = grid.nz * grid.ny * grid.nx, grid.bz * grid.by * grid.bx
    voxels = lattice.Voxels(*(np.zeros(n, kind) for kind in ("u1", "u1", "u4", "u1", "u1", "u1")))
    fields = lattice.Fields(np.full(n, 40.0), *(np.zeros(blocks) for _ in range(6)), np.zeros((blocks, 8)))
    table = lattice.Lymphocytes(*(np.zeros(people, kind) for kind in ("i8", "i4", "i4", "u1", "u1", "i4", "i4", "i4")))
    table.target[:] = lattice.NOBODY
    pipes = lattice.Vessels(*(np.zeros(vessels, kind) for kind in ("i8", "i4", "i4", "f8", "u1", "i4")))
    lineage = lattice.Lineage(*(np.zeros(0, kind) for kind in ("i8", "u1", "i4", "i4", "u1", "u1")))
    return lattice.State(grid, voxels, fields, table, pipes, lineage)


def some(shape: tuple[int, int, int], seed: int, people: int = 60, spare: int = 200) -> tuple[lattice.State, int, int]:
    """A crowded random lattice; with it the numbers of lymphocytes and of vessels."""
    rng, grid = np.random.default_rng(seed), grid_of(*shape)
    n = grid.nz * grid.ny * grid.nx
    v = max(2, n // 8)
    state = empty(grid, people + spare, v)
    state.voxels.kind[:] = rng.choice(3, n, p=(0.4, 0.45, 0.15))
    state.voxels.traits[:] = rng.integers(0, 8, n)
    places = rng.permutation(n)[:v]
    state.voxels.kind[places] = lattice.VESSEL
    for field, scale in zip(state.fields, (60.0, 3e3, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5), strict=True):
        field[:] = scale * rng.random(field.shape)
    state.vessels.ident[:] = rng.permutation(10 * v)[:v]
    state.vessels.voxel[:] = places
    state.vessels.maturity[:] = rng.random(v)
    state.vessels.state[:] = rng.choice(3, v, p=(0.8, 0.1, 0.1))
    table, load, held = state.lymphocytes, state.voxels.load, state.voxels.held
    count = 0
    for voxel in rng.choice(n, 20 * people):
        if count < people and load[voxel] < lattice.room(state.voxels.kind[voxel]):
            table.voxel[count] = voxel
            load[voxel] += 1
            count += 1
    table.ident[:count] = rng.permutation(1000 * people)[:count]
    table.product[:count] = rng.integers(0, 3, count)
    table.heading[:count] = rng.choice([0, 1 + 10, 1 + 3], count)
    table.state[:count] = rng.choice(3, count, p=(0.6, 0.3, 0.1))
    table.kills[:count] = rng.integers(0, 5, count)
    for row in np.flatnonzero(table.state[:count] == lattice.ENGAGED):
        near = reach(int(table.voxel[row]), grid)
        table.target[row] = next((at for at in near if state.voxels.kind[at] != lattice.STROMA), near[0])
        held[table.target[row]] += 1
    return state, count, v


def scratch(state: lattice.State) -> motility.Bids:
    rows, n = state.lymphocytes.ident.size, state.voxels.kind.size
    kinds = ("i4", "i4", "u1", "u8")
    return motility.Bids(np.full(n, lattice.NOBODY, "i4"), *(np.zeros(rows, kind) for kind in kinds))


def shuffled(state: lattice.State, count: int, vessels: int, seed: int = 0) -> lattice.State:
    """The same with the rows of both tables in another order."""
    state, rng = copy.deepcopy(state), np.random.default_rng(seed)
    for table, rows in ((state.lymphocytes, count), (state.vessels, vessels)):
        order = rng.permutation(rows)
        for column in table:
            column[:rows] = column[order]
    return state


def by_ident(state: lattice.State, count: int) -> list[tuple[int, ...]]:
    return sorted(tuple(int(column[row]) for column in state.lymphocytes) for row in range(count))


def assert_consistent(state: lattice.State, count: int) -> None:
    """Loads and holders are those of the table, nobody is over room, who holds is engaged."""
    table, n = state.lymphocytes, state.voxels.kind.size
    alive = table.state[:count] != lattice.GONE
    np.testing.assert_array_equal(state.voxels.load, np.bincount(table.voxel[:count][alive], minlength=n))
    engaged = table.state[:count] == lattice.ENGAGED
    np.testing.assert_array_equal(engaged, table.target[:count] != lattice.NOBODY)
    np.testing.assert_array_equal(state.voxels.held, np.bincount(table.target[:count][engaged], minlength=n))
    limit = np.where(np.isin(state.voxels.kind, (lattice.TUMOUR, lattice.DEAD)), 1, 8)
    assert np.all(state.voxels.load <= limit)


# --- draws and geometry ----------------------------------------------------------------
def words(clock: lattice.Clock, stream: int, ident: int, item: int) -> list[int]:
    """One block of NumPy's own Philox."""
    counter = np.array([ident, clock.step, item, 0], np.uint64)
    made = np.random.Philox(key=np.array([int(clock.seed), stream], np.uint64), counter=counter)
    return [int(word) for word in made.random_raw(4)]


def unit(word: int) -> float:
    return ((word >> 12) + 0.5) / 2.0**52


def at(voxel: int, grid: lattice.Grid) -> tuple[int, int, int]:
    z, y, x = np.unravel_index(voxel, (grid.nz, grid.ny, grid.nx))
    return int(z), int(y), int(x)


def moved(voxel: int, step: tuple[int, int, int], grid: lattice.Grid) -> int | None:
    place = [a + b for a, b in zip(at(voxel, grid), step, strict=True)]
    if all(0 <= a < n for a, n in zip(place, (grid.nz, grid.ny, grid.nx), strict=True)):
        return int(np.ravel_multi_index(place, (grid.nz, grid.ny, grid.nx)))
    return None


def steps() -> list[tuple[int, int, int]]:
    """The 26 steps: faces, edges, corners."""
    every = [s for s in itertools.product((-1, 0, 1), repeat=3) if s != (0, 0, 0)]
    return sorted(every, key=lambda s: (sum(map(abs, s)), s))


def reach(voxel: int, grid: lattice.Grid) -> list[int]:
    """The voxel and its neighbours."""
    near = [moved(voxel, step, grid) for step in [(0, 0, 0), *steps()]]
    return [v for v in near if v is not None]


def block(voxel: int, grid: lattice.Grid) -> int:
    z, y, x = (a // grid.factor for a in at(voxel, grid))
    return int(np.ravel_multi_index((z, y, x), (grid.bz, grid.by, grid.bx)))


# --- entering --------------------------------------------------------------------------
def vessel_uptake(row: int, state: lattice.State, by: lattice.Rules) -> float:
    """Share of the blood's cells that one vessel takes per day."""
    t, maturity = by.patient.traits, state.vessels.maturity[row]
    v, q = t["vessels"], t["trafficking"]
    m0 = v["baseline_maturity"]
    flow = max(0.0, 1.0 + v["maturity_perfusion_gain"] * (maturity - m0) / (1.0 - m0))
    vegf = state.fields.vegf[block(int(state.vessels.voxel[row]), state.grid)]
    adhesion = q["vegf_adhesion_half"] / (q["vegf_adhesion_half"] + vegf)
    volume = by.tissue["network"]["cells_per_vessel"] / t["growth"]["cell_density"]
    return float(q["recruitment"] * volume * flow * max(0.0, 1.0 + q["maturity_gain"] * (maturity - m0)) * adhesion)


def recruit(
    state: lattice.State, vessels: int, count: int, blood: Array, clock: lattice.Clock, by: lattice.Rules
) -> list[tuple[int, ...]]:
    """Rows that are appended."""
    new = []
    for row in range(vessels):
        if state.vessels.state[row] != lattice.OPEN:
            continue
        voxel, vessel, arrivals = int(state.vessels.voxel[row]), int(state.vessels.ident[row]), []
        for product, cells in enumerate(blood):
            u = unit(words(clock, streams.STREAM_RECRUITMENT, vessel, product)[0])
            arrivals += [product] * int(poisson.ppf(u, cells * vessel_uptake(row, state, by) * clock.dt))
        for number, product in enumerate(arrivals[: 8 - int(state.voxels.load[voxel])]):
            ident = vessel * 2**36 + clock.step * 2**16 + number
            new.append((ident, product, voxel, 0, lattice.FREE, lattice.NOBODY, clock.step, 0))
    return new


# --- moving ----------------------------------------------------------------------------
def jump(by: lattice.Rules, grid: lattice.Grid, dt: float) -> float:
    m = by.tissue["motility"]
    flat = grid.nz == 1
    chosen = [s for s in steps() if not (flat and s[0])]
    weights = [4.0 ** -sum(map(abs, s)) for s in chosen]
    square = sum(w * sum(map(abs, s)) for w, s in zip(weights, chosen, strict=True)) / sum(weights) * grid.spacing**2
    d, q = m["coefficient"], m["persistence"]
    return float(2 * (2 if flat else 3) * d * dt / square * (1 - q) / (1 + q))


def gradient(voxel: int, state: lattice.State) -> list[float]:
    """Relative change of the chemokine per voxel, saturating."""
    grid = state.grid
    field = state.fields.chemokine.reshape(grid.bz, grid.by, grid.bx)
    here, found = tuple(a // grid.factor for a in at(voxel, grid)), []
    for axis in range(3):
        low, high = list(here), list(here)
        low[axis], high[axis] = max(here[axis] - 1, 0), min(here[axis] + 1, field.shape[axis] - 1)
        apart = high[axis] - low[axis]
        found.append((field[tuple(high)] - field[tuple(low)]) / (grid.factor * apart) if apart else 0.0)
    relative = np.array(found) / (field[here] + 0.01)
    return list(relative / (1.0 + np.linalg.norm(relative)))


def direction_chances(voxel: int, state: lattice.State, by: lattice.Rules) -> Array:
    """Chance of each of the 26 directions when one is chosen afresh."""
    bias = by.tissue["motility"]["chemotaxis"] * np.array(gradient(voxel, state))
    weights = np.array([4.0 ** -sum(map(abs, s)) * math.exp(np.dot(bias, s)) for s in steps()])
    if state.grid.nz == 1:
        weights[[s[0] != 0 for s in steps()]] = 0.0
    return weights / weights.sum()


def move(
    state: lattice.State, count: int, substep: int, substeps: int, clock: lattice.Clock, by: lattice.Rules
) -> None:
    """One sub-step, in place."""
    table, m, grid = state.lymphocytes, by.tissue["motility"], state.grid
    p = jump(by, grid, clock.dt / substeps)
    wishes: dict[int, list[tuple[int, int, int, int]]] = {}
    for row in range(count):
        if table.state[row] not in (lattice.FREE, lattice.EXHAUSTED):
            continue
        w = words(clock, streams.STREAM_MOTION, int(table.ident[row]), substep)
        if unit(w[0]) >= p:
            continue
        way = int(table.heading[row]) - 1
        if way < 0 or unit(w[1]) >= m["persistence"]:
            way = int(np.searchsorted(np.cumsum(direction_chances(int(table.voxel[row]), state, by)), unit(w[2])))
        target = moved(int(table.voxel[row]), steps()[way], grid)
        if target is None:
            table.heading[row] = 0
            continue
        slow = m["tumour_entry"] if state.voxels.kind[target] in (lattice.TUMOUR, lattice.DEAD) else 1.0
        if unit(w[0]) < p * slow:
            wishes.setdefault(target, []).append((-w[3], int(table.ident[row]), row, way))
    before = state.voxels.load.copy()
    for target, those in wishes.items():
        limit = 1 if state.voxels.kind[target] in (lattice.TUMOUR, lattice.DEAD) else 8
        for place, (_, _, row, way) in enumerate(sorted(those)):
            goes = place < limit - int(before[target])
            table.heading[row] = 1 + way if goes else 0
            if goes:
                state.voxels.load[table.voxel[row]] -= 1
                state.voxels.load[target] += 1
                table.voxel[row] = target


# --- holding and killing ---------------------------------------------------------------
def hazard(product: int, voxel: int, state: lattice.State, by: lattice.Rules) -> float:
    """Hazard of a cell that one lymphocyte holds, 1/day."""
    t, fields = by.patient.traits, state.fields
    here, bits = block(voxel, state.grid), int(state.voxels.traits[voxel])
    resistant, antigen_low, mhc_low = bits % 2, bits // 2 % 2, bits // 4 % 2
    sup, v = t["suppression"], t["vessels"]
    relative = fields.oxygen[voxel] / by.tissue["oxygen"]["normal_oxygen"]
    oxygen = relative / (relative + v["half_perfusion"])
    share = (1 - sup["baseline"] * fields.suppressors[here]) * (1 - sup["hypoxic"] * (1 - oxygen))
    share *= 1 - sup["vegf"] * fields.vegf[here] / (fields.vegf[here] + v["vegf_half_effect"])
    if product == len(by.patient.products):
        return float((1 - mhc_low) * by.tissue["contact"]["memory_kill_rate"] * share)
    p, (drug, bound) = by.patient.products[product], fields.effects[here, 6:]
    rate = p["kill_rate"] / p["half_e_to_t"] * share * (1 - drug) * (1 - p["cytostatic_share"])
    rate *= p["resistant_activity"] if resistant else 1.0
    if antigen_low:
        return float(rate * p["antigen_low_activity"])
    return float(rate * (1.0 + p["adcc_gain"] * p["cd16_fraction"] * bound + p["car_gain"]))


def limit_of(product: int, by: lattice.Rules) -> int:
    if product == len(by.patient.products):
        return 1
    return max(1, math.floor(by.patient.products[product]["half_e_to_t"] + 0.5))


def can_attack(product: int, bits: int, by: lattice.Rules) -> bool:
    if product == len(by.patient.products):
        return bits // 4 % 2 == 0
    p = by.patient.products[product]
    factor = (p["resistant_activity"] if bits % 2 else 1.0) * (p["antigen_low_activity"] if bits // 2 % 2 else 1.0)
    return bool(factor > 0.0)


def free(row: int, becomes: int, state: lattice.State) -> None:
    table = state.lymphocytes
    state.voxels.held[table.target[row]] -= table.target[row] >= 0
    table.target[row], table.state[row] = lattice.NOBODY, becomes


def take_hold(state: lattice.State, count: int, clock: lattice.Clock, by: lattice.Rules) -> None:
    table, voxels = state.lymphocytes, state.voxels
    wishes: dict[int, list[tuple[int, int, int]]] = {}
    for row in range(count):
        if table.state[row] != lattice.FREE:
            continue
        product = int(table.product[row])
        targets = [
            v
            for v in reach(int(table.voxel[row]), state.grid)
            if voxels.kind[v] == lattice.TUMOUR
            and voxels.held[v] < limit_of(product, by)
            and can_attack(product, int(voxels.traits[v]), by)
        ]
        w = words(clock, streams.STREAM_CONTACT, int(table.ident[row]), 0)
        if targets and unit(w[0]) < 1 - math.exp(-by.tissue["contact"]["engagement_rate"] * clock.dt):
            chosen = targets[int(unit(w[1]) * len(targets))]
            wishes.setdefault(chosen, []).append((-w[2], int(table.ident[row]), row))
    for target, those in wishes.items():
        before = int(voxels.held[target])
        for place, (_, _, row) in enumerate(sorted(those)):
            if before + place < limit_of(int(table.product[row]), by):
                table.state[row], table.target[row] = lattice.ENGAGED, target
                voxels.held[target] += 1


def engage_and_kill(
    state: lattice.State, count: int, clock: lattice.Clock, by: lattice.Rules
) -> tuple[dict[int, int], Array]:
    """One step, in place; voxels killed and by whom, and kills by product."""
    table, memory = state.lymphocytes, len(by.patient.products)
    for row in range(count):
        if table.target[row] >= 0 and state.voxels.kind[table.target[row]] != lattice.TUMOUR:
            free(row, lattice.FREE, state)
    take_hold(state, count, clock, by)
    killers: dict[int, list[tuple[int, int, int]]] = {}
    for row in range(count):
        product, state_now = int(table.product[row]), int(table.state[row])
        if state_now == lattice.GONE:
            continue
        c = by.tissue["contact"]
        die = c["memory_death_rate"] if product == memory else by.patient.products[product]["tumour_death_rate"]
        rates = [0.0, 0.0, 0.0, float(die)]
        if state_now == lattice.ENGAGED:
            tire = 0.0 if product == memory else by.patient.products[product]["exhaustion_rate"]
            rates[:3] = [hazard(product, int(table.target[row]), state, by), c["release_rate"], tire]
        w = words(clock, streams.STREAM_CONTACT, int(table.ident[row]), 1)
        bounds = np.cumsum(rates) / sum(rates) * (1 - math.exp(-sum(rates) * clock.dt)) if sum(rates) else np.zeros(4)
        event = int(np.searchsorted(bounds, unit(w[0]), side="right"))
        if event == 0:
            killers.setdefault(int(table.target[row]), []).append((-w[1], int(table.ident[row]), row))
        elif event < 4:
            free(row, (lattice.FREE, lattice.EXHAUSTED, lattice.GONE)[event - 1], state)
            state.voxels.load[table.voxel[row]] -= event == 3
    killed, kills = {}, np.zeros(memory + 1, np.int64)
    for target, those in killers.items():
        row = min(those)[2]
        product = int(table.product[row])
        killed[target] = lattice.BY_MEMORY if product == memory else lattice.BY_PRODUCT + product
        kills[product] += 1
        table.kills[row] += 1
    for row in range(count):
        if table.target[row] in killed:
            free(row, lattice.FREE, state)
    return killed, kills
