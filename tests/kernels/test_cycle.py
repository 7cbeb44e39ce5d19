"""Phases of tumour cells on the lattice against their twins, bit for bit, and what they must never do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cell_twins import WAYS, Run, Twin, blank_state, found, make_rules, random_state

from tumorsim.kernels import cycle
from tumorsim.kernels.lattice import DEAD, DX, DY, DZ, MHC_LOW, STROMA, TUMOUR, Clock, State

# Rates at which most of what can happen does happen within a few steps of a day.
LIVELY = {
    "growth": {"growth_rate": 1.5, "turnover_rate": 0.1, "dead_clearance_rate": 0.5},
    "resistance": {"mutation_probability": 0.3, "switch_on_rate": 0.5, "switch_off_rate": 0.4, "fitness_cost": 0.2,
                   "antigen_loss_probability": 0.2},
}  # fmt: skip
QUIET = {
    "growth": {"growth_rate": 0.0, "turnover_rate": 0.0, "dead_clearance_rate": 0.0},
    "resistance": {"switch_on_rate": 0.0, "switch_off_rate": 0.0},
    "oxygen": {"necrosis_rate": 0.0},
    "signals": {"mhc_restoration_rate": 0.0},
    "depot": {"kill_rate": 0.0},
}
SHAPES = [(1, 9, 7), (4, 5, 6), (7, 3, 5), (3, 1, 8)]


def killed_at_random(state: State, seed: int, share: float = 0.1) -> np.ndarray:
    """Some tumour cells killed, by memory or by one of four products."""
    rng = np.random.default_rng(seed)
    killed = rng.integers(5, 10, state.voxels.kind.size).astype(np.uint8)
    return killed * (rng.random(killed.size) < share) * (state.voxels.kind == TUMOUR)


def assert_same(state: State, twin: Twin) -> None:
    for name, ours, theirs in zip(state.voxels._fields, state.voxels, twin.voxels, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    for name, ours, theirs in zip(state.lineage._fields, state.lineage, twin.lineage, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_phase_is_its_twin(shape: tuple[int, int, int]) -> None:
    rules, happened = make_rules(**LIVELY), np.zeros(8, np.int64)
    size = int(np.prod(shape))
    for seed in range(6):
        run = Run(random_state(shape, seed, size // 3), rules, size // 3, pieces=min(2, shape[0]))
        if seed % 2:
            run.state.fields.effects[:, 2:4] *= 0.1  # a drug that kills few
        for step in range(4):
            clock = Clock(11 + seed, step, 0.5)
            run.killed[:] = killed_at_random(run.state, 100 * seed + step)
            twin, before = Twin(run.state, clock, rules, run.killed), run.cells
            run.step(clock)
            np.testing.assert_array_equal(run.fates, twin.decide())
            winners, counts = twin.place_daughters()
            np.testing.assert_array_equal(run.winners, winners)
            np.testing.assert_array_equal(run.counts, counts)
            twin.settle_daughters(winners, before)
            np.testing.assert_array_equal(run.tally, twin.settle(run.fates))
            assert_same(run.state, twin)
            happened += run.tally.sum(axis=0)
        happened[0] += 1000 * (run.cells - size // 3)  # births
    print(f"{shape}: births {happened[0] // 1000}, deaths {happened[1:7]}, cleared {happened[7]}")
    assert happened[0] >= 3000
    assert (happened[1:] > 0).all()


def test_order_of_directions_is_that_of_the_twin() -> None:
    assert list(zip(DZ, DY, DX, strict=True)) == WAYS
    for i, j in enumerate(cycle.OPPOSITE):
        assert tuple(-d for d in WAYS[i]) == WAYS[j]


def whole_history(pieces: int, shape: tuple[int, int, int]) -> list[bytes]:
    size = int(np.prod(shape))
    run = Run(random_state(shape, 3, size // 2, 40 * size), make_rules(**LIVELY), size // 2, pieces)
    found_bytes = []
    for step in range(30):
        run.killed[:] = killed_at_random(run.state, step)
        run.step(Clock(5, step, 0.3))
        arrays = (*run.state.voxels, *run.state.lineage, run.tally, run.counts, run.winners)
        found_bytes.append(b"".join(array.tobytes() for array in arrays))
    assert run.cells > 2 * (size // 2)
    return found_bytes


@pytest.mark.parametrize("pieces", [2, 3, 7])
def test_ranges_of_planes_change_no_bit(pieces: int) -> None:
    assert whole_history(pieces, (7, 8, 9)) == whole_history(1, (7, 8, 9))


def test_one_range_leaves_the_planes_of_others_alone() -> None:
    rules, clock = make_rules(**LIVELY), Clock(2, 0, 1.0)
    run = Run(random_state((6, 8, 8), 1, 128), rules, 128)
    run.step(clock)
    own = np.zeros((6, 64), bool)
    own[2:4] = True
    run.killed[:] = killed_at_random(run.state, 0)
    written = (*run.state.voxels, run.fates, run.winners, run.counts, run.tally)
    before = [array.copy() for array in written]
    run.ranges = [(2, 4)]
    run.step(clock._replace(step=1))
    changed = 0
    for now, then in zip(written, before, strict=True):
        rows = own.ravel() if now.shape == (384,) else own.any(axis=1)
        np.testing.assert_array_equal(now[~rows], then[~rows])
        changed += int((now[rows] != then[rows]).sum())
    assert changed > 20


def test_where_the_rates_are_zero_nothing_changes() -> None:
    state = random_state((4, 6, 6), 8, 60)
    state.fields.effects[:] = 0.0
    before = [array.copy() for array in (*state.voxels, *state.lineage)]
    run = Run(state, make_rules(**QUIET), 60)
    for step in range(50):
        run.step(Clock(3, step, 10.0))
    for now, then in zip((*state.voxels, *state.lineage), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_full_lattice_does_not_divide() -> None:
    state = blank_state(5, 5, 5, 1000)
    rules = make_rules(growth={"growth_rate": 1e6, "turnover_rate": 0.0})
    run = Run(state, rules, found(state, np.arange(125)))
    run.step(Clock(1, 0, 1.0))
    assert run.cells == 125
    state.voxels.kind[62] = STROMA  # the middle one
    run.step(Clock(1, 1, 1.0))
    assert (run.cells, state.voxels.kind[62]) == (126, TUMOUR)
    ring = {62 + 25 * dz + 5 * dy + dx for dz, dy, dx in WAYS}
    assert state.lineage.parent[125] in ring


def test_daughters_enter_beside_one_lymphocyte_and_not_among_more() -> None:
    state = blank_state(1, 1, 3, 100)
    rules = make_rules(growth={"growth_rate": 1e6, "turnover_rate": 0.0})
    run = Run(state, rules, found(state, [1]))
    state.voxels.load[:] = [2, 0, 1]
    for step in range(3):
        run.step(Clock(1, step, 1.0))
    assert list(state.voxels.kind) == [STROMA, TUMOUR, TUMOUR]
    assert list(state.voxels.load) == [2, 0, 1]


def test_killing_goes_before_other_fates_and_the_newly_dead_stay() -> None:
    state = blank_state(1, 2, 4, 100)
    rules = make_rules(
        growth={"growth_rate": 0.0, "turnover_rate": 0.0, "dead_clearance_rate": 1e6}, oxygen={"necrosis_rate": 1e6}
    )
    run = Run(state, rules, found(state, np.arange(6), [0, 1, 2, 3, 4, 5]))
    state.fields.oxygen[:] = 0.0
    state.fields.oxygen[5] = 1.0  # not below the limit
    run.killed[:] = [0, 5, 6, 7, 200, 0, 0, 0]
    run.step(Clock(1, 7, 1.0))
    assert list(state.voxels.kind) == [DEAD] * 5 + [TUMOUR, STROMA, STROMA]
    assert list(state.lineage.fate[:6]) == [3, 5, 6, 6, 6, 0]
    assert list(state.lineage.death[:6]) == [7] * 5 + [-1]
    assert list(state.lineage.last_clone[:6]) == [0, 1, 2, 3, 4, 5]
    assert list(run.tally[0]) == [1, 0, 0, 1, 0, 1, 3, 0]
    run.killed[:] = 0
    run.step(Clock(1, 8, 1.0))
    assert list(state.voxels.kind) == [STROMA] * 5 + [TUMOUR, STROMA, STROMA]
    assert list(run.tally[0]) == [1, 0, 0, 0, 0, 0, 0, 5]


def test_every_cell_is_living_dead_or_cleared() -> None:
    size = 12**3
    state = random_state((12, 12, 12), 4, size // 4, 60_000)
    state.fields.effects[:] *= 0.05
    run = Run(state, make_rules(**LIVELY), size // 4, pieces=3)
    old, deaths = int((state.voxels.kind == DEAD).sum()), np.zeros(8, np.int64)
    for step in range(200):
        run.killed[:] = killed_at_random(state, step, 0.005)
        run.step(Clock(9, step, 1 / 24))
        deaths += run.tally.sum(axis=0)
        living, dead = (int((state.voxels.kind == kind).sum()) for kind in (TUMOUR, DEAD))
        assert living == run.tally[:, 0].sum()
        assert living + dead + deaths[7] + deaths[1] == run.cells + old, "turnover leaves no dead cell"
        assert living + deaths[1:7].sum() == run.cells
    lineage, rows = state.lineage, np.arange(run.cells)
    alive = lineage.death[: run.cells] == -1
    assert set(rows[alive]) == set(state.voxels.ident[state.voxels.kind == TUMOUR])
    assert ((lineage.fate[: run.cells] == 0) == alive).all()
    born = rows[size // 4 :]
    assert (lineage.parent[born] < born).all()
    mothers = lineage.parent[born]
    dead_before = ~alive[mothers] & (lineage.death[mothers] < lineage.birth[born])
    assert not dead_before.any()
    print(f"founders {size // 4}, births {born.size}, deaths {deaths[1:7]}, cleared {deaths[7]}")
    assert born.size > 500


def test_the_ceilings_are_above_all_rates() -> None:
    """What spares most cells their rates must not cut off any of them."""
    rng, closest = np.random.default_rng(5), 0.0
    rules = make_rules(**LIVELY)
    host, tissue, depot = rules.patient.traits, rules.tissue, rules.depot
    for traits, _ in itertools.product(range(8), range(200)):
        effects = rng.random((3, 8)) * (rng.random((3, 1)) < 0.7)
        oxygen, level, interferon = rng.choice([0.0, 0.5, 40.0, 1e9]), rng.choice([0.0, 1e9]), rng.choice([0.0, 1e9])
        most = cycle.most_events(effects, host, tissue, depot)
        if oxygen < tissue.oxygen.necrosis_oxygen:
            most += tissue.oxygen.necrosis_rate
        for row in effects:
            local = cycle.effects_at(row.reshape(1, 8), 0)
            share = sum(cycle.event_rates(traits, oxygen, level, local, host, tissue, depot)) / most
            assert share <= 1.0
            closest = max(closest, share)
            changes = cycle.change_rates(traits, interferon, local, host, tissue)
            restored = tissue.signals.mhc_restoration_rate if traits & MHC_LOW else 0.0
            assert sum(changes) <= (cycle.most_switching(host) + restored) * (1 + 1e-15)
    print(f"largest share of the ceiling: {closest:.3f}")
