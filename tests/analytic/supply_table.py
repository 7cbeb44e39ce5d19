"""How old may oxygen be? Errors of fields solved every so many hours while cells turn over and vessels grow.

``python tests/analytic/supply_table.py [SIDE]``; prints the rows of docs/numerics/fields.md.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "kernels"))

import numpy as np
import supply_cases as cases

from tumorsim.kernels.lattice import DEAD, STROMA, TUMOUR, VESSEL, Fields, State
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.supply import Supply

BED = {
    "vessel_exchange": 50.0 * cases.PER_DAY,
    "tumour_uptake": 10.0 * cases.PER_DAY,
    "diffusivity": 2800.0 * cases.PER_DAY,
}
SPACING = 5  # voxels between vessels
TURNOVER, GROWTH, CLEARANCE = 0.02, 0.02, 0.5  # 1/day: deaths a cell, births beyond them, of dead cells
SPROUTS, PRUNED = 0.02, 0.01  # 1/day a vessel voxel


def bed(side: int, seed: int = 1) -> tuple[State, int]:
    """A ball of tumour cells, nine in ten voxels, in a bed of straight vessels that are a little out of line."""
    rng, grid = np.random.default_rng(seed), cases.grid_of((side, side, side))
    state = cases.blank(grid, 2 * side * (side // SPACING + 1) ** 2)
    z, y, x = np.indices((side, side, side)).reshape(3, -1) - 0.5 * (side - 1)
    inside = np.sqrt(z**2 + y**2 + x**2) < 0.44 * side
    state.voxels.kind[inside & (rng.random(inside.size) < 0.9)] = TUMOUR
    starts = np.arange(SPACING // 2, side, SPACING)
    places = set()
    for row in starts:
        for column in starts:
            dy, dx = rng.integers(-1, 2, 2)
            places |= {(k * side + min(side - 1, row + dy)) * side + min(side - 1, column + dx) for k in range(side)}
    return state, cases.put_vessels(state, sorted(places))


def an_hour(state: State, vessels: int, rng: np.random.Generator) -> int:
    """Deaths, clearance, births into free voxels, vessels that sprout and that go. Returns the vessels now."""
    kind, dt, places = state.voxels.kind, 1.0 / 24.0, state.vessels.voxel
    side = state.grid.nx
    cells, dead = np.flatnonzero(kind == TUMOUR), np.flatnonzero(kind == DEAD)
    kind[dead[rng.random(dead.size) < CLEARANCE * dt]] = STROMA
    kind[cells[rng.random(cells.size) < TURNOVER * dt]] = DEAD
    steps = np.array([1, -1, side, -side, side * side, -side * side])

    def beside(parents: np.ndarray) -> np.ndarray:
        near = np.clip(parents + rng.choice(steps, parents.size), 0, kind.size - 1)
        return np.unique(near[kind[near] == STROMA])

    for _ in range(20):  # until as many have found room
        missing = int((TURNOVER + GROWTH) * dt * cells.size / 20)
        kind[beside(rng.choice(cells, missing * 3))[:missing]] = TUMOUR
    gone = rng.random(vessels) < PRUNED * dt
    kind[places[:vessels][gone]] = STROMA
    kept = places[:vessels][~gone]
    new = beside(kept[rng.random(kept.size) < SPROUTS * dt])
    kind[new] = VESSEL
    count = kept.size + new.size
    places[:count] = np.concatenate([kept, new])
    state.vessels.maturity[:count] = 0.3
    return count


def copied(fields: Fields) -> Fields:
    return Fields(*(array.copy() for array in fields))


PLANS = ((1, 1e-2), (1, 3e-3), (1, 1e-3), (3, 1e-2), (3, 3e-3), (6, 3e-3), (12, 3e-3))  # hours, tolerance


def ages(side: int, hours: int = 24, plans: tuple[tuple[int, float], ...] = PLANS) -> list[np.ndarray]:
    """A plan each: (hour, 5) mean, largest and 99.9 % error in mmHg, cycles, seconds."""
    state, vessels = bed(side)
    rng, rules = np.random.default_rng(2), cases.make_rules(oxygen=BED)
    with Crew(2) as crew:
        exact = Supply(state.grid, rules, crew, 1e-8)
        exact.solve_oxygen(state, vessels)
        tumour = state.voxels.kind == TUMOUR
        print(
            f"{tumour.sum()} cells, {vessels} vessels, oxygen of tumour {state.fields.oxygen[tumour].mean():.1f} mmHg"
        )
        tries = [(Supply(state.grid, rules, crew, tolerance), copied(state.fields)) for _, tolerance in plans]
        found: list[list[tuple[float, ...]]] = [[] for _ in plans]
        for hour in range(1, hours + 1):
            vessels = an_hour(state, vessels, rng)
            exact.solve_oxygen(state, vessels)
            for (every, _), (supply, fields), kept in zip(plans, tries, found, strict=True):
                cycles, spent = 0, 0.0
                if hour % every == 0:
                    start = time.perf_counter()
                    cycles = supply.solve_oxygen(state._replace(fields=fields), vessels).cycles
                    spent = time.perf_counter() - start
                error = np.abs(fields.oxygen - state.fields.oxygen)
                kept.append((error.mean(), error.max(), np.quantile(error, 0.999), cycles, spent))
    return [np.array(kept) for kept in found]


def text(plans: tuple[tuple[int, float], ...], found: list[np.ndarray]) -> str:
    """Rows of the table."""
    rows = []
    for (every, tolerance), kept in zip(plans, found, strict=True):
        mean, largest, tail, cycles, spent = kept.T
        rows.append(
            f"every {every:2d} h to {tolerance:g}: mean error {mean.mean():.3f} (worst hour {mean.max():.3f}), "
            f"99.9 % below {tail.max():.2f}, largest {largest.max():.1f} mmHg; {int(cycles.sum())} cycles, "
            f"{1e3 * spent.sum() / max(1, np.count_nonzero(spent)):.0f} ms a solve, {1e3 * spent.mean():.0f} ms an hour"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(text(PLANS, ages(int(sys.argv[1]) if len(sys.argv) > 1 else 72)))
