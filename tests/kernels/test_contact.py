"""Lymphocytes that hold and kill: each phase equals its plain twin, in any order of rows, and the tables stay whole."""

from __future__ import annotations

import copy
import itertools

import lymphocyte_twins as twins
import numpy as np
import pytest

from tumorsim.kernels import contact, lattice
from tumorsim.kernels.lattice import Clock
from tumorsim.lattice import phases

SHAPES = [(1, 9, 11), (6, 5, 7), (2, 8, 3)]
CLOCK = twins.clock_at(977, seed=12345)
EAGER = {"half_e_to_t": 3.0, "resistant_activity": 0.0, "cd16_fraction": 0.4, "car_gain": 1.5, "kill_rate": 40.0}


@pytest.fixture(scope="module")
def by() -> lattice.Rules:
    """Two products, one of them quick and blind to resistant cells; half of it stops division instead of killing."""
    return twins.rules(twins.patient(({"exhaustion_rate": 2.0}, {**EAGER, "cytostatic_share": 0.3})))


def act(state: lattice.State, count: int, by: lattice.Rules, clock: Clock = CLOCK) -> tuple[dict[int, int], np.ndarray]:
    killed, kills = np.zeros(state.voxels.kind.size, np.uint8), np.zeros(3, np.int64)
    bids = twins.scratch(state)
    phases.engage_and_kill(state, count, killed, kills, bids, clock, by)
    assert np.all(bids.first == lattice.NOBODY)
    return {int(v): int(killed[v]) for v in np.flatnonzero(killed)}, kills


def bury(state: lattice.State, killed: dict[int, int]) -> None:
    for voxel in killed:
        state.voxels.kind[voxel] = lattice.DEAD


# --- laws ------------------------------------------------------------------------------


def test_the_killing_rate_equals_its_twin(by: lattice.Rules) -> None:
    state, _, _ = twins.some((6, 6, 6), 0)
    for voxel in range(0, 216, 5):
        for product in range(3):
            expected = twins.hazard(product, voxel, state, by)
            f, at = state.fields, twins.block(voxel, state.grid)
            around = (f.oxygen[voxel], f.vegf[at], f.suppressors[at], f.effects[at, 6], f.effects[at, 7])
            found = contact.killing_rate(product, int(state.voxels.traits[voxel]), around, by.tissue, by.patient)
            assert found == pytest.approx(expected, rel=1e-12)


def test_the_ceilings_are_above_all_rates(by: lattice.Rules) -> None:
    """What spares most lymphocytes their rates must not cut off any of them."""
    rng, closest, products = np.random.default_rng(6), 0.0, by.patient.products
    limits = contact.event_limits(by.tissue, products, CLOCK.dt)
    for product, traits, _ in itertools.product(range(3), range(8), range(200)):
        rare = rng.random(4) * (rng.random(4) < 0.6)  # VEGF, suppressors and drugs at none among them
        around = (rng.choice([1.0, 40.0, 1e9]), 1e3 * rare[0], rare[1], rare[2], rng.choice([rare[3], 1.0]))
        exhaustion, death = contact.weariness(product, by.tissue.contact, products)
        kill = contact.killing_rate(product, traits, around, by.tissue, by.patient)
        share = (kill + by.tissue.contact.release_rate + exhaustion + death) * CLOCK.dt / limits[2 * product + 1]
        assert share <= 1.0
        assert death * CLOCK.dt <= limits[2 * product]
        closest = max(closest, share)
    assert closest > 0.99, "a ceiling far above the rates spares nobody"


def test_who_is_attacked_and_by_how_many(by: lattice.Rules) -> None:
    for product in range(3):
        assert (
            contact.holders_at_most(product, by.patient.products) == (1, 3, 1)[product] == twins.limit_of(product, by)
        )
        for traits in range(8):
            assert bool(contact.attacks(product, traits, by.patient.products)) == twins.can_attack(product, traits, by)
    assert contact.attacks(
        2, lattice.RESISTANT | lattice.ANTIGEN_LOW, by.patient.products
    )  # memory asks for MHC-I alone
    assert not contact.attacks(2, lattice.MHC_LOW, by.patient.products)
    assert contact.attacks(0, lattice.MHC_LOW, by.patient.products)  # and infused cells never do


@pytest.mark.parametrize(("half", "limit"), [(0.1, 1), (1.0, 1), (1.49, 1), (1.5, 2), (2.5, 3), (4.0, 4)])
def test_holders_are_the_rounded_ratio(half: float, limit: int) -> None:
    assert contact.holders_at_most(0, twins.patient(({"half_e_to_t": half},)).products) == limit


# --- a step ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_a_step_equals_its_twin(shape: tuple[int, int, int], seed: int, by: lattice.Rules) -> None:
    state, count, _ = twins.some(shape, seed, people=120)
    expected = copy.deepcopy(state)
    total = 0
    for step in range(4):
        clock = CLOCK._replace(step=step)
        killed, kills = act(state, count, by, clock)
        twin_killed, twin_kills = twins.engage_and_kill(expected, count, clock, by)
        assert killed == twin_killed
        np.testing.assert_array_equal(kills, twin_kills)
        assert twins.by_ident(state, count) == twins.by_ident(expected, count)
        np.testing.assert_array_equal(state.voxels.held, expected.voxels.held)
        np.testing.assert_array_equal(state.voxels.load, expected.voxels.load)
        twins.assert_consistent(state, count)
        total += len(killed)
        bury(state, killed)
        bury(expected, killed)
    assert total > 3


def test_all_who_hold_a_killed_cell_are_free_and_one_has_the_credit() -> None:
    """Three hold each cell, and kill it almost surely in the same step."""
    by = twins.rules(twins.patient(({**EAGER, "kill_rate": 1e4},)), contact={"engagement_rate": 0.0})
    state = twins.empty(twins.grid_of(1, 1, 12), 12)
    for cell in range(4):
        state.voxels.kind[3 * cell] = lattice.TUMOUR
        state.voxels.held[3 * cell] = 3
        rows = slice(3 * cell, 3 * cell + 3)
        state.lymphocytes.voxel[rows] = 3 * cell + 1
        state.lymphocytes.target[rows] = 3 * cell
    state.lymphocytes.state[:] = lattice.ENGAGED
    state.lymphocytes.ident[:] = np.arange(12) * 7
    state.voxels.load[1::3] = 3
    killed, kills = act(state, 12, by)
    assert killed == dict.fromkeys((0, 3, 6, 9), lattice.BY_PRODUCT)
    assert kills[0] == state.lymphocytes.kills.sum() == 4
    assert np.all(state.lymphocytes.kills.reshape(4, 3).sum(axis=1) == 1)
    winners = state.lymphocytes.kills.reshape(4, 3).argmax(axis=1)
    assert len(set(winners)) > 1  # not simply the first row
    assert not state.voxels.held.any()
    assert np.all(state.lymphocytes.state == lattice.FREE)
    twins.assert_consistent(state, 12)


def test_whoever_holds_a_cell_that_died_otherwise_is_free(by: lattice.Rules) -> None:
    still = twins.rules(by.patient, contact={"engagement_rate": 0.0, "release_rate": 0.0, "memory_kill_rate": 0.0})
    state = twins.empty(twins.grid_of(1, 1, 4), 2)
    state.voxels.kind[:] = (lattice.STROMA, lattice.TUMOUR, lattice.STROMA, lattice.DEAD)
    state.voxels.held[:], state.voxels.load[:] = (0, 1, 0, 1), (1, 0, 1, 0)
    table = state.lymphocytes
    table.ident[:], table.product[:], table.voxel[:], table.target[:] = (1, 2), 2, (0, 2), (1, 3)
    table.state[:] = lattice.ENGAGED
    act(state, 2, still)
    assert table.state.tolist() == [lattice.ENGAGED, lattice.FREE]
    assert table.target.tolist() == [1, lattice.NOBODY]
    twins.assert_consistent(state, 2)


def test_absent_killing_kills_nobody_and_suppression_is_only_for_the_infused() -> None:
    state, count, _ = twins.some((5, 5, 5), 3, people=150)
    state.fields.effects[:, contact.EFFECTORS] = 1.0
    quick = twins.rules(
        twins.patient((EAGER, EAGER)),
        contact={"memory_kill_rate": 400.0, "memory_death_rate": 0.0, "release_rate": 0.0},
    )
    killed, kills = act(copy.deepcopy(state), count, quick)
    assert kills[0] == kills[1] == 0
    assert kills[2] > 0
    assert set(killed.values()) == {lattice.BY_MEMORY}
    state.fields.effects[:, contact.EFFECTORS] = 0.0
    halting = {**EAGER, "cytostatic_share": 1.0}
    assert act(state, count, twins.rules(twins.patient((halting, {**EAGER, "kill_rate": 0.0}))))[1][:2].sum() == 0


def test_the_exhausted_hold_nobody_and_never_recover() -> None:
    by = twins.rules(
        twins.patient(({"exhaustion_rate": 1e4, "kill_rate": 0.0}, EAGER)), contact={"engagement_rate": 1e4}
    )
    state, count, _ = twins.some((5, 5, 5), 5, people=150)
    table = state.lymphocytes
    table.product[:] = 0
    for step in range(5):
        act(state, count, by, CLOCK._replace(step=step))
    alive = table.state[:count] != lattice.GONE
    assert np.count_nonzero(table.state[:count] == lattice.EXHAUSTED) > 50
    assert not np.any(table.state[:count] == lattice.ENGAGED)
    assert not state.voxels.held.any()
    memory = copy.deepcopy(state)
    memory.lymphocytes.product[:] = 2
    memory.lymphocytes.state[:count][alive] = lattice.FREE
    for step in range(5):
        act(memory, count, by, CLOCK._replace(step=step))
    assert not np.any(memory.lymphocytes.state[:count] == lattice.EXHAUSTED)


def test_the_dead_leave_the_table_in_order(by: lattice.Rules) -> None:
    deadly = twins.rules(twins.patient(({"tumour_death_rate": 20.0}, EAGER)))
    state, count, _ = twins.some((5, 5, 5), 6, people=150)
    act(state, count, deadly)
    table, alive = state.lymphocytes, state.lymphocytes.state[:count] != lattice.GONE
    assert 10 < np.count_nonzero(alive) < count - 10
    expected = [column[:count][alive].copy() for column in table]
    held, load = state.voxels.held.copy(), state.voxels.load.copy()
    now = contact.close_up(state.lymphocytes, count)
    assert now == np.count_nonzero(alive)
    for column, kept in zip(table, expected, strict=True):
        np.testing.assert_array_equal(column[:now], kept)
    np.testing.assert_array_equal(state.voxels.held, held)
    np.testing.assert_array_equal(state.voxels.load, load)
    twins.assert_consistent(state, now)
    assert contact.close_up(state.lymphocytes, now) == now


def test_the_order_of_rows_changes_nothing() -> None:
    """A hundred hours of entering, moving, killing and dying, with the rows in four different orders."""
    by = twins.rules(twins.patient(({"exhaustion_rate": 2.0}, EAGER)), contact={"memory_death_rate": 1.0})
    found = []
    for order in range(4):
        state, count, vessels = twins.some((6, 7, 8), 11, people=150, spare=3000)
        if order:
            state = twins.shuffled(state, count, vessels, order)
        bids, fates, kills = twins.scratch(state), [], np.zeros(3, np.int64)
        for step in range(100):
            clock = CLOCK._replace(step=step)
            blood = np.array([4e9, 4e9, 1e9])
            count = phases.recruit_lymphocytes(state, vessels, count, blood, np.zeros(3, np.int64), clock, by)
            for substep in range(2):
                phases.move_lymphocytes(state, count, substep, 2, bids, clock, by)
            killed = np.zeros(state.voxels.kind.size, np.uint8)
            phases.engage_and_kill(state, count, killed, kills, bids, clock, by)
            fates.append(killed.tobytes())
            state.voxels.kind[killed > 0] = lattice.DEAD
            count = contact.close_up(state.lymphocytes, count)
            twins.assert_consistent(state, count)
            if order:
                state = twins.shuffled(state, count, vessels, 100 * order + step)
        kinds = state.voxels
        found.append((twins.by_ident(state, count), kinds.load.tobytes(), kinds.held.tobytes(), kills.tolist(), fates))
    assert min(found[0][3]) > 0
    assert sum(found[0][3]) > 50
    assert all(other == found[0] for other in found)
