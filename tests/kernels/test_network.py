"""Kernels of the vessels: each equals its plain twin, whatever the order of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vessel_twins as twins
from vessel_twins import EMBOLISED, LOST, OPEN, STROMA, TUMOUR, VESSEL, Row, make_rules

from tumorsim.kernels import calls, network, vessels
from tumorsim.kernels.lattice import Clock, State
from tumorsim.lattice import phases
from tumorsim.lattice.state import blank, enlarged, grid_of

SHAPES = [(9, 18, 11), (1, 40, 35), (5, 5, 40)]
VESSELS = 300
VOLUME = 64.0  # mL
CHANGES: dict[str, dict[str, float]] = {
    "network": {"cells_per_vessel": 2.0, "tip_persistence": 0.6},
    "vessels": {"capacity_growth_rate": 3.0},
}


def some(shape: tuple[int, int, int], seed: int) -> tuple[State, Clock, Any]:
    """A random state; a step so long that much happens."""
    return twins.vessel_state(shape, seed, VESSELS), Clock(1000 + seed, 7 + seed, 3.0), make_rules(**CHANGES)


def assert_same(found: dict[int, Row], expected: dict[int, Row]) -> None:
    assert found.keys() == expected.keys()
    for ident, row in expected.items():
        assert found[ident]["maturity"] == pytest.approx(row["maturity"], rel=1e-13)
        assert found[ident] | {"maturity": 0.0} == row | {"maturity": 0.0}


def assert_voxels(state: State, count: int) -> None:
    """Vessel voxels are those of rows in use."""
    live = state.vessels.voxel[:count][state.vessels.state[:count] != LOST]
    np.testing.assert_array_equal(np.sort(live), np.flatnonzero(state.voxels.kind == VESSEL))


# --- twins ------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", SHAPES)
def test_vessels_age_as_their_twin(shape: tuple[int, int, int], seed: int) -> None:
    state, clock, rules = some(shape, seed)
    expected, kind = twins.age(state, VESSELS, VOLUME, clock, rules)
    before = state.vessels.state[:VESSELS].copy()
    load = state.voxels.load.copy()
    phases.age_vessels(state, VESSELS, twins.callers(state), VOLUME, clock, rules)
    assert_same(twins.rows_of(state, VESSELS), expected)
    np.testing.assert_array_equal(state.voxels.kind, kind)
    np.testing.assert_array_equal(state.voxels.load, load)  # lymphocytes stay where a vessel is lost
    after = state.vessels.state[:VESSELS]
    assert 10 < np.count_nonzero(after == LOST) < 290
    assert_voxels(state, VESSELS)
    for segment in np.unique(state.vessels.segment[:VESSELS]):  # a segment reopens as a whole
        closed = (state.vessels.segment[:VESSELS] == segment) & (before == EMBOLISED) & (after != LOST)
        assert np.unique(after[closed]).size <= 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", SHAPES)
def test_vessels_sprout_as_their_twin(shape: tuple[int, int, int], seed: int) -> None:
    state, clock, rules = some(shape, seed)
    state.vessels.state[:20] = LOST
    state.voxels.kind[state.vessels.voxel[:20]] = STROMA
    expected, kind, happened = twins.sprout(state, VESSELS, 5000, 70, clock, rules)
    count, ident, segment = phases.sprout_vessels(state, VESSELS, 5000, 70, twins.callers(state), clock, rules)
    assert (count, ident, segment) == (VESSELS + happened["sprouts"], happened["ident"], happened["segment"])
    assert happened["sprouts"] > 5
    assert_same(twins.rows_of(state, count), expected)
    np.testing.assert_array_equal(state.voxels.kind, kind)
    assert_voxels(state, count)


def test_sprouts_of_the_twin_branch_go_on_and_compete() -> None:
    """What the comparison above covers."""
    total = {"sprouts": 0, "branches": 0, "lost": 0}
    for shape in SHAPES:
        for seed in range(4):
            state, clock, rules = some(shape, seed)
            happened = twins.sprout(state, VESSELS, 5000, 70, clock, rules)[2]
            total = {name: total[name] + happened[name] for name in total}
    print(total)
    assert total["branches"] > 10
    assert total["lost"] > 5
    assert total["sprouts"] > total["branches"] + 10


@pytest.mark.parametrize("seed", range(3))
def test_vessels_close_as_their_twin(seed: int) -> None:
    state, clock, _ = some(SHAPES[0], seed)
    expected = twins.embolise(state, VESSELS, 2, 0.6, clock)
    before = np.count_nonzero(state.vessels.state[:VESSELS] == EMBOLISED)
    closed = network.embolise(state, VESSELS, 2, 0.6, clock)
    assert_same(twins.rows_of(state, VESSELS), expected)
    assert closed == np.count_nonzero(state.vessels.state[:VESSELS] == EMBOLISED) - before > 0


def test_closing_up_drops_the_lost_and_nothing_else() -> None:
    state, _, _ = some(SHAPES[0], 0)
    state.vessels.state[:VESSELS:3] = LOST
    expected = {ident: row for ident, row in twins.rows_of(state, VESSELS).items() if row["state"] != LOST}
    count = network.close_up_vessels(state.vessels, VESSELS)
    assert count == 200
    found = twins.rows_of(state, count)
    assert found == expected
    assert list(found) == list(expected)  # in the same order


# --- order, room, nothing ---------------------------------------------------------
def lived(state: State, steps: int) -> tuple[dict[int, Row], State, tuple[int, int, int]]:
    """Vessels after some steps of everything."""
    rules, numbers = make_rules(**CHANGES), (VESSELS, 5000, 70)
    for step in range(steps):
        clock = Clock(11, step, 0.25)
        if step % 5 == 0:
            network.embolise(state, numbers[0], step // 5, 0.4, clock)
        cells = twins.callers(state)
        phases.age_vessels(state, numbers[0], cells, VOLUME, clock, rules)
        numbers = phases.sprout_vessels(state, *numbers, cells, clock, rules)
        numbers = (network.close_up_vessels(state.vessels, numbers[0]), *numbers[1:])
    return twins.rows_of(state, numbers[0]), state, numbers


def test_the_order_of_the_table_changes_no_bit() -> None:
    for seed in range(3):
        state = twins.vessel_state(SHAPES[0], seed, VESSELS)
        others = [twins.shuffled(state, VESSELS, order) for order in range(3)]
        assert list(twins.rows_of(others[0], VESSELS)) != list(twins.rows_of(state, VESSELS))
        expected, end, numbers = lived(twins.copied(state), 20)
        assert numbers[1] > 5030  # much has sprouted
        for other in others:
            found, found_end, found_numbers = lived(other, 20)
            assert found == expected
            assert found_numbers == numbers
            assert found_end.voxels.kind.tobytes() == end.voxels.kind.tobytes()


def test_without_room_in_the_table_nothing_changes_until_there_is() -> None:
    state, clock, rules = some(SHAPES[0], 1)
    tight = twins.copied(state)
    tight = tight._replace(vessels=type(state.vessels)(*(array[: VESSELS + 3] for array in tight.vessels)))
    kept = twins.copied(tight)
    expected = phases.sprout_vessels(state, VESSELS, 5000, 70, twins.callers(state), clock, rules)
    answer = phases.sprout_vessels(tight, VESSELS, 5000, 70, twins.callers(tight), clock, rules)
    assert answer == (-expected[0], 5000, 70)
    for part, before in zip(tight[1:], kept[1:], strict=True):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(part, before, strict=True))
    tight = tight._replace(vessels=enlarged(tight.vessels, -answer[0]))
    assert phases.sprout_vessels(tight, VESSELS, 5000, 70, twins.callers(tight), clock, rules) == expected
    assert twins.rows_of(tight, expected[0]) == twins.rows_of(state, expected[0])


def test_zero_rates_change_nothing() -> None:
    none = ("capacity_growth_rate", "capacity_loss_rate", "embolised_loss_rate", "maturation_rate", "pruning_rate",
            "maturity_relaxation_rate", "recanalisation_rate")  # fmt: skip
    rules = make_rules(vessels=dict.fromkeys(none, 0.0), network=CHANGES["network"])
    state, clock, _ = some(SHAPES[0], 0)
    kept = twins.copied(state)
    phases.age_vessels(state, VESSELS, twins.callers(state), 1e4, clock, rules)
    assert phases.sprout_vessels(state, VESSELS, 5000, 70, twins.callers(state), clock, rules) == (VESSELS, 5000, 70)
    assert network.embolise(state, VESSELS, 0, 0.0, clock) == 0
    assert network.close_up_vessels(state.vessels, VESSELS) == VESSELS
    for part, before in zip(state[1:], kept[1:], strict=True):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(part, before, strict=True))


def test_without_vessels_nothing_happens() -> None:
    state = blank(grid_of((3, 4, 5), 20.0), vessels=0)
    state.voxels.kind[:30] = TUMOUR
    clock, rules = Clock(1, 0, 1.0), make_rules()
    phases.age_vessels(state, 0, twins.callers(state), 1.0, clock, rules)
    assert phases.sprout_vessels(state, 0, 0, 0, twins.callers(state), clock, rules) == (0, 0, 0)
    assert network.embolise(state, 0, 0, 1.0, clock) == network.close_up_vessels(state.vessels, 0) == 0


# --- laws -------------------------------------------------------------------------
def test_maturity_stays_between_nothing_and_one() -> None:
    for change in ({}, {"maturity_relaxation_rate": 0.0}, {"maturation_rate": 0.0}, {"baseline_maturity": 1.0}):
        p = make_rules(vessels=change).patient.traits.vessels
        for maturity in (0.0, 0.3, 1.0):
            for occupancy in (0.0, 0.5, 1.0):
                for dt in (0.0, 1.0 / 24.0, 10.0, 1e6):
                    assert 0.0 <= network.aged_maturity(maturity, occupancy, dt, p) <= 1.0
        assert network.aged_maturity(0.37, 0.6, 0.0, p) == 0.37
        assert np.isnan(network.aged_maturity(float("nan"), 0.5, 1.0, p))


def test_cells_are_counted_and_call_on_vessels_nearby_alone() -> None:
    state, _, rules = some((20, 40, 30), 3)
    cells = twins.callers(state)
    vessels_in = np.zeros(cells.shape[:3])
    calls.count_open(vessels_in, state.vessels, VESSELS, state.grid, 0, len(cells))
    assert cells[..., 0].sum() == np.count_nonzero(state.voxels.kind == TUMOUR)
    assert vessels_in.sum() == np.count_nonzero(state.vessels.state[:VESSELS] == OPEN)
    heard = np.full_like(cells, np.nan)
    for layer in reversed(range(len(cells))):
        calls.hear_calls(heard, cells, state.vessels, VESSELS, state.grid, 2.0, layer, layer + 1)
    rules.tissue["network"]["cells_per_vessel"] = 2.0
    assert heard.tobytes() == phases.heard_calls(state, VESSELS, cells, rules).tobytes()
    fed = 2.0 * vessels_in[:2, :2, :2].sum()
    assert heard[0, 0, 0].tolist() == pytest.approx(
        [fed / cells[:2, :2, :2, 0].sum(), cells[:2, :2, :2, 1].sum() / fed]
    )
    middle = 2.0 * vessels_in[:3, 1:4, :3].sum()
    assert heard[1, 2, 1, 1] == pytest.approx(cells[:3, 1:4, :3, 1].sum() / middle)


@pytest.mark.parametrize("shape", [(20, 40, 30), *SHAPES])
def test_one_count_of_cells_serves_ageing_and_sprouting(shape: tuple[int, int, int]) -> None:
    """Whatever the pieces in which it is taken, and whatever was there before; ageing leaves it as it is."""
    state, clock, rules = some(shape, 3)
    whole = twins.callers(state)
    pieces = np.full_like(whole, np.nan)
    for layer in reversed(range(len(whole))):
        cells = state.voxels
        calls.count_cells(pieces, cells.kind, cells.traits, state.fields.effects, state.grid, layer, layer + 1)
    assert pieces.tobytes() == whole.tobytes()
    phases.age_vessels(state, VESSELS, whole, VOLUME, clock, rules)
    assert (state.vessels.state[:VESSELS] == LOST).any()
    assert whole.tobytes() == pieces.tobytes() == twins.callers(state).tobytes()


def test_each_clone_calls_with_its_own_axis() -> None:
    for traits, column in ((0, 4), (1, 5), (2, 4), (3, 5), (4, 4), (7, 5)):
        state = blank(grid_of((2, 4, 4), 20.0))
        state.voxels.kind[5], state.voxels.traits[5] = TUMOUR, traits
        state.fields.effects[:, column] = 0.75
        assert twins.callers(state)[0, 0, 0].tolist() == [1.0, 0.25]


def test_capacity_acts_through_the_density_of_the_patient_model() -> None:
    """Eqs N2, N6: what V5 does to K, V1 does to the density; at most 2, and there nothing changes it."""
    p, volume = make_rules().patient.traits.vessels, 30.0
    regressing = network.regression_rate(volume, p)
    for capacity in (0.1, 0.5, 1.0, 4.0, 50.0):  # of one cell
        density = vessels.vascular_density(1.0, capacity)
        change = vessels.capacity_change(0.7, capacity, volume, 2000.0, 0.0, p)
        ahead = vessels.vascular_density(1.0, capacity + 1e-6 * change)
        gain = network.sprouting_rate(0.7 / density, density, 2000.0, p)
        loss = network.loss_rate(0.0, 0.0, density, regressing, p)
        assert density * (gain - loss) == pytest.approx((ahead - density) / 1e-6, rel=1e-4)
    for cells, fed, expected in ((0.0, 0.0, 2.0), (0.0, 5.0, 2.0), (1.0, 5.0, 2.0), (4.0, 5.0, 1.25), (4.0, 0.0, 0.0)):
        assert calls.local_density(cells, fed) == expected
    assert network.sprouting_rate(3.0, 2.0, 2000.0, p) == 0.0
    assert network.loss_rate(0.0, 0.0, 2.0, regressing, p) == 0.0
    assert network.loss_rate(0.0, 1.0, 2.0, regressing, p) == pytest.approx(p.embolised_loss_rate)
    assert network.loss_rate(1.0, 0.0, 2.0, regressing, p) == 0.0, "vessels that live on no tumour are not pruned"
    assert [network.living_on_tumour(density) for density in (0.0, 0.9, 1.0, 1.5, 2.0)] == [1.0, 1.0, 1.0, 0.5, 0.0]
