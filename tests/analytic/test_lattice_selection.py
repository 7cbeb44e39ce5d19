"""Selection where only the dead make room, against the bounds of docs/theory/lattice-cells.md ("Selection").

A slice is packed from the start, with the holes of its balance; seeds are fixed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from cell_twins import RESISTANT, TUMOUR, Run, blank_state, found, make_rules
from scipy import stats

from tumorsim.kernels.lattice import Clock

EDGE = 150
PREVENTED = 0.5  # births of sensitive cells that the drug prevents
HELD = {"fitness_cost": 0.0, "switch_on_rate": 0.0, "switch_off_rate": 0.0, "mutation_probability": 0.0}


def births(growth: float, turnover: float) -> tuple[float, float]:
    """Rates of division by eq. S5 of sensitive and resistant cells at normal oxygen, 1/day."""
    return growth * (1.0 - PREVENTED) + turnover, growth + turnover


def packed(growth: float, turnover: float, resistant: Any, days: float, dt: float, seed: int) -> Any:
    """Resistant and sensitive cells at the beginning of every step, (step, 2); ``resistant`` marks voxels."""
    state = blank_state(1, EDGE, EDGE, 400_000)
    state.fields.effects[:, 0] = PREVENTED
    filled_at = 8.0 * np.mean(births(growth, turnover))
    holes = turnover / (turnover + filled_at)
    voxels = np.flatnonzero(np.random.default_rng(seed).random(EDGE**2) > holes)
    rules = make_rules(growth={"growth_rate": growth, "turnover_rate": turnover}, resistance=HELD)
    run = Run(state, rules, found(state, voxels, np.where(resistant[voxels], RESISTANT, 0)))
    cells = []
    for step in range(round(days / dt)):
        alive = state.voxels.kind == TUMOUR
        marked = int((alive & (state.voxels.traits & RESISTANT > 0)).sum())
        cells.append((marked, int(alive.sum()) - marked))
        run.step(Clock(seed, step, dt))
    return np.array(cells, dtype=float)


def mixed(growth: float, turnover: float, share: float) -> float:
    """Selection (1/day) of well mixed cells whose divisions find room as often as cells die."""
    sensitive, resistant = births(growth, turnover)
    return (resistant - sensitive) * turnover / (share * resistant + (1.0 - share) * sensitive)


@pytest.mark.medium
@pytest.mark.parametrize(("turnover", "days"), [(0.2, 2.0), (0.05, 6.0)])
def test_selection_goes_with_the_room_that_the_dead_leave(turnover: float, days: float) -> None:
    """Scattered cells: a little less than mixed ones, since none competes with itself, and far less than with room."""
    growth, share, dt = 0.5, 0.3, 1.0 / 24.0
    scattered = np.random.default_rng(5).random(EDGE**2) < share
    found_rates = []
    for seed in range(6):
        cells = packed(growth, turnover, scattered, days, dt, seed)
        odds = np.log(cells[:, 0] / cells[:, 1])
        found_rates.append((odds[-1] - odds[0]) / (dt * (odds.size - 1)))
    mean, error = np.mean(found_rates), np.std(found_rates, ddof=1) / math.sqrt(6)
    law, with_room = mixed(growth, turnover, share), growth * PREVENTED
    print(f"turnover {turnover}: {mean:.4f} ± {error:.4f} 1/day, mixed {law:.4f}, with room {with_room:.3f}")
    away = float(stats.t.isf(1e-3, 5)) * error
    assert mean + away < law < 0.5 * with_room
    assert mean - away > 0.5 * law


def test_a_front_of_resistant_cells_is_slower_than_a_wave_of_mixed_ones() -> None:
    """Fisher's speed with the growth of mixed cells bounds that of a front, whose cells compete with their like."""
    growth, turnover, days, dt = 0.5, 0.2, 30.0, 1.0 / 8.0
    band = np.arange(EDGE**2) % EDGE < EDGE // 2
    speeds = []
    for seed in range(4):
        cells = packed(growth, turnover, band, days, dt, seed)
        place = EDGE * cells[:, 0] / cells.sum(axis=1)
        settled = round(6.0 / dt)
        speeds.append((place[-1] - place[settled]) / (dt * (place.size - 1 - settled)))
    mean, error = np.mean(speeds), np.std(speeds, ddof=1) / 2.0
    bound = 2.0 * math.sqrt(mixed(growth, turnover, 0.5) * 0.375 * turnover)
    print(f"front {mean:.4f} ± {error:.4f} voxels a day, Fisher {bound:.4f}")
    away = float(stats.t.isf(1e-2, 3)) * error
    assert mean - away > 0.0
    assert mean + away < bound
