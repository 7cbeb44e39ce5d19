"""Lymphocytes that enter and move: each phase equals its plain twin, in any order of rows, and never overfills."""

from __future__ import annotations

import copy
import math

import lymphocyte_twins as twins
import numpy as np
import pytest

from tumorsim.kernels import lattice, motility
from tumorsim.lattice import phases

SHAPES = [(1, 9, 11), (6, 5, 7), (2, 8, 3), (1, 1, 12)]
CLOCK = twins.clock_at(41)
BLOOD = np.array([4e9, 0.0, 1e9])


@pytest.fixture(scope="module")
def by() -> lattice.Rules:
    return twins.rules(twins.patient(({}, {"half_e_to_t": 3.0})))


def recruit(
    state: lattice.State, vessels: int, count: int, blood: np.ndarray, by: lattice.Rules
) -> tuple[int, np.ndarray]:
    entered = np.zeros(3, np.int64)
    return phases.recruit_lymphocytes(state, vessels, count, blood, entered, CLOCK, by), entered


# --- entering --------------------------------------------------------------------------


@pytest.mark.parametrize("gains", [(1.5, 2.0), (-0.8, 0.5), (0.7, -3.0), (0.0, 0.0)])
def test_the_ceiling_is_above_all_uptake(gains: tuple[float, float]) -> None:
    """What spares most vessels their rate must not keep anybody out."""
    flow, entry = gains
    by = twins.rules(twins.patient(vessels={"maturity_perfusion_gain": flow}, trafficking={"maturity_gain": entry}))
    rng, traits = np.random.default_rng(3), by.patient.traits
    most = motility.most_uptake(by.tissue, traits)
    for maturity in [0.0, 1.0, *rng.random(50)]:
        for vegf in (0.0, 1e-9, 300.0 * rng.random()):
            assert motility.uptake_per_vessel(maturity, vegf, by.tissue, traits) <= most
    if flow * entry > 0.0 or flow == 0.0:
        ends = [motility.uptake_per_vessel(end, 0.0, by.tissue, traits) for end in (0.0, 1.0)]
        assert max(ends) == most, "a ceiling far above the rates spares nobody"


@pytest.mark.parametrize("shape", SHAPES[:3])
@pytest.mark.parametrize("seed", range(3))
def test_recruitment_equals_its_twin(shape: tuple[int, int, int], seed: int, by: lattice.Rules) -> None:
    state, count, vessels = twins.some(shape, seed)
    before = twins.by_ident(state, count)
    expected = twins.recruit(state, vessels, count, 300.0 * BLOOD, CLOCK, by)
    assert expected
    now, entered = recruit(state, vessels, count, 300.0 * BLOOD, by)
    assert twins.by_ident(state, now) == sorted(before + expected)
    np.testing.assert_array_equal(entered, np.bincount([row[1] for row in expected], minlength=3))
    twins.assert_consistent(state, now)


def test_nobody_comes_without_blood_without_flow_or_without_room(by: lattice.Rules) -> None:
    state, count, vessels = twins.some((4, 8, 8), 4, spare=400)
    assert recruit(state, vessels, count, np.zeros(3), by)[0] == count
    closed = copy.deepcopy(state)
    closed.vessels.state[closed.vessels.state == lattice.OPEN] = lattice.EMBOLISED
    assert recruit(closed, vessels, count, 1e6 * BLOOD, by)[0] == count
    bare = copy.deepcopy(state)
    bare.vessels.maturity[:] = -1.0  # pruned so far that nothing flows
    assert recruit(bare, vessels, count, 1e6 * BLOOD, by)[0] == count
    now, _ = recruit(state, vessels, count, 1e6 * BLOOD, by)
    flowing = state.vessels.voxel[state.vessels.state == lattice.OPEN]
    assert now > count
    assert np.all(state.voxels.load[flowing] == lattice.ROOM)


def test_a_table_that_is_too_short_changes_nothing_and_says_how_long_it_must_be(by: lattice.Rules) -> None:
    state, count, vessels = twins.some((4, 8, 8), 5)
    short = copy.deepcopy(state)
    short = short._replace(
        lymphocytes=lattice.Lymphocytes(*(column[: count + 3].copy() for column in state.lymphocytes))
    )
    loads, rows = short.voxels.load.copy(), twins.by_ident(short, count)
    now, entered = recruit(state, vessels, count, 300.0 * BLOOD, by)
    answer, none = recruit(short, vessels, count, 300.0 * BLOOD, by)
    assert now > count + 3
    assert answer == -1 - now
    assert not none.any()
    np.testing.assert_array_equal(short.voxels.load, loads)
    assert twins.by_ident(short, count) == rows
    grown = short._replace(lymphocytes=lattice.Lymphocytes(*(np.resize(column, now) for column in short.lymphocytes)))
    again, counted = recruit(grown, vessels, count, 300.0 * BLOOD, by)
    assert twins.by_ident(grown, again) == twins.by_ident(state, now)
    np.testing.assert_array_equal(counted, entered)


# --- laws of motion --------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 9, 9), (9, 9, 9)])
def test_jumps_are_those_of_the_diffusion_coefficient(shape: tuple[int, int, int], by: lattice.Rules) -> None:
    grid = twins.grid_of(*shape)
    probability = motility.jump_probability(by.tissue.motility, grid, 0.001)
    assert probability == pytest.approx(twins.jump(by, grid, 0.001), rel=1e-12)
    for dt in (1e-5, 0.01, 1.0 / 24.0):
        n = motility.motility_steps(by.tissue.motility, grid, dt)
        assert n == max(1, math.ceil(twins.jump(by, grid, dt)))
        assert motility.jump_probability(by.tissue.motility, grid, dt / n) <= 1.0


def test_weights_are_isotropic_to_the_fourth_moment() -> None:
    for flat in (True, False):
        steps = np.array([s for s in twins.steps() if not (flat and s[0])])
        w = 4.0 ** -np.abs(steps).sum(axis=1)
        assert motility.mean_square_step(2.0 if flat else 3.0) == pytest.approx(
            (w * (steps**2).sum(axis=1)).sum() / w.sum(), rel=1e-15
        )
        assert (w * steps[:, 2] ** 4).sum() == pytest.approx(3.0 * (w * steps[:, 2] ** 2 * steps[:, 1] ** 2).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_felt_and_the_direction_chosen_equal_their_twins(
    shape: tuple[int, int, int], by: lattice.Rules
) -> None:
    state, _, _ = twins.some(shape, 6)
    rng = np.random.default_rng(7)
    for voxel in rng.integers(0, state.voxels.kind.size, 20):
        place = twins.at(int(voxel), state.grid)
        felt = motility.felt_gradient(*place, state.fields.chemokine, state.grid)
        np.testing.assert_allclose(felt, twins.gradient(int(voxel), state), rtol=1e-12, atol=1e-15)
        assert np.linalg.norm(felt) < 1.0
        bounds = np.cumsum(twins.direction_chances(int(voxel), state, by))
        for u in rng.random(20):
            bias = by.tissue.motility.chemotaxis * np.array(felt)
            assert motility.choose_direction(u, *bias, state.grid) == np.searchsorted(bounds, u)


def test_rounding_never_sends_anybody_out_of_a_flat_lattice() -> None:
    """A draw that rounding puts beyond all weights takes the last direction that has one."""
    state, _, _ = twins.some((1, 9, 11), 1)
    for u in (1.0, 1.0 + 1e-12):
        way = motility.choose_direction(u, 0.0, 0.3, -0.2, state.grid)
        assert (lattice.DZ[way], lattice.DY[way], lattice.DX[way]) == (0, 1, 1)


def test_a_chemokine_far_below_the_floor_is_not_felt() -> None:
    """A tail that falls by half every block would be as strong a signal as the tumour itself without the floor."""
    state = twins.empty(twins.grid_of(1, 2, 40), 0)
    tail = 0.5 ** np.arange(20.0)
    state.fields.chemokine[:] = tail
    near, far = (motility.felt_gradient(0, 0, x, state.fields.chemokine, state.grid)[2] for x in (4, 36))
    assert near < -0.2
    assert -1e-3 < far < 0.0


# --- moving ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_a_sub_step_equals_its_twin(shape: tuple[int, int, int], seed: int, by: lattice.Rules) -> None:
    state, count, _ = twins.some(shape, seed, people=150 if shape[1] > 1 else 40)
    expected, bids, before = copy.deepcopy(state), twins.scratch(state), state.lymphocytes.voxel.copy()
    for substep in range(3):
        twins.move(expected, count, substep, 3, CLOCK, by)
        phases.move_lymphocytes(state, count, substep, 3, bids, CLOCK, by)
        assert twins.by_ident(state, count) == twins.by_ident(expected, count)
        np.testing.assert_array_equal(state.voxels.load, expected.voxels.load)
        twins.assert_consistent(state, count)
        assert np.all(bids.first == lattice.NOBODY)
    assert np.any(state.lymphocytes.voxel != before)


def test_those_who_hold_somebody_and_the_dead_stay(by: lattice.Rules) -> None:
    state, count, _ = twins.some((5, 5, 5), 8)
    state.lymphocytes.state[0] = lattice.GONE
    before = state.lymphocytes.voxel.copy()
    holding = np.isin(state.lymphocytes.state, (lattice.ENGAGED, lattice.GONE))
    for step in range(20):
        phases.move_lymphocytes(state, count, 0, 1, twins.scratch(state), CLOCK._replace(step=step), by)
    np.testing.assert_array_equal(state.lymphocytes.voxel[holding], before[holding])
    assert np.any(state.lymphocytes.voxel[:count] != before[:count])


def test_a_rush_for_one_voxel_fills_it_to_the_brim(by: lattice.Rules) -> None:
    """Everybody around a free voxel heads for it; the highest priorities get in, tumour takes one."""
    for kind, limit in ((lattice.STROMA, 8), (lattice.TUMOUR, 1), (lattice.DEAD, 1), (lattice.VESSEL, 8)):
        grid = twins.grid_of(1, 3, 3)
        state = twins.empty(grid, 64)
        state.voxels.kind[4] = kind
        rushing = twins.rules(motility={"persistence": 0.999, "coefficient": 1e9, "tumour_entry": 1.0})
        row = 0
        for way, step in enumerate(twins.steps()):
            start = twins.moved(4, (-step[0], -step[1], -step[2]), grid)
            if start is not None:
                for _ in range(8):
                    state.lymphocytes.voxel[row], state.lymphocytes.heading[row] = start, 1 + way
                    state.lymphocytes.ident[row] = 100 - row
                    state.voxels.load[start] += 1
                    row += 1
        assert row == 64
        expected = copy.deepcopy(state)
        twins.move(expected, row, 0, 1, CLOCK, rushing)
        phases.move_lymphocytes(state, row, 0, 1, twins.scratch(state), CLOCK, rushing)
        assert state.voxels.load[4] == limit
        assert twins.by_ident(state, row) == twins.by_ident(expected, row)
        twins.assert_consistent(state, row)


def test_the_order_of_rows_changes_nothing(by: lattice.Rules) -> None:
    found = []
    for order in range(4):
        state, count, vessels = twins.some((5, 6, 7), 9, people=150, spare=1500)
        if order:
            state = twins.shuffled(state, count, vessels, order)
        bids = twins.scratch(state)
        for step in range(8):
            clock = CLOCK._replace(step=step)
            count = phases.recruit_lymphocytes(state, vessels, count, 40.0 * BLOOD, np.zeros(3, np.int64), clock, by)
            for substep in range(3):
                phases.move_lymphocytes(state, count, substep, 3, bids, clock, by)
        twins.assert_consistent(state, count)
        found.append((twins.by_ident(state, count), state.voxels.load.tobytes()))
    assert len(found[0][0]) > 160
    assert all(other == found[0] for other in found)
