"""Many vessels on the lattice against the laws of the patient model; the first network against what was asked for.

Seeds are fixed. All z together hold a family-wise level of 1e-3 by Bonferroni's bound, each in errors of its own
sample; the figures are printed with ``-s``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import vessel_twins as twins
from scipy import stats
from scipy.integrate import solve_ivp
from scipy.ndimage import distance_transform_edt
from vessel_twins import EMBOLISED, LOST, OPEN, TUMOUR, VESSEL, make_rules

from tumorsim.kernels import lattice, network, vessels
from tumorsim.kernels.lattice import Clock, State
from tumorsim.lattice import phases
from tumorsim.lattice.network import first_network
from tumorsim.lattice.state import blank, enlarged, grid_of, size_of

LEVEL, TESTS = 1e-3, 12
BOUND = float(stats.norm.isf(LEVEL / 2 / TESTS))
HOUR = 1.0 / 24.0


def sparse(shape: tuple[int, int, int], count: int, cells: int, occupancy: float, seed: int, room: int = 0) -> State:
    """Vessels, each a segment of its own, and tumour cells, half of them resistant, all at random in stroma."""
    state = blank(grid_of(shape, 20.0), vessels=count + room)
    order = np.random.default_rng(seed).permutation(size_of(state.grid))
    twins.put_vessels(state, order[:count])
    state.voxels.kind[order[count : count + cells]] = TUMOUR
    state.voxels.traits[order[count : count + cells]] = np.arange(cells) % 2
    state.fields.effects[:, 4] = occupancy
    return state


def z_of_count(found: int, of: int, share: float) -> float:
    return float((found - of * share) / math.sqrt(of * share * (1.0 - share)))


# --- ageing -----------------------------------------------------------------------
@pytest.mark.parametrize("occupancy", [0.0, 0.5, 0.95])
def test_maturity_follows_the_patient_model_without_pruning(occupancy: float) -> None:
    rules = make_rules(vessels={"pruning_rate": 0.0, "capacity_loss_rate": 0.0})
    p = rules.patient.traits.vessels
    count, days = 1000, 30.0
    state = sparse((1, 100, 100), count, 0, occupancy, 1)
    start = np.random.default_rng(0).random(count)
    state.vessels.maturity[:count] = start
    callers = twins.callers(state)
    for step in range(round(days / HOUR)):
        phases.age_vessels(state, count, callers, 1.0, Clock(1, step, HOUR), rules)
    path = solve_ivp(lambda _, m: [vessels.maturity_change(m[0], occupancy, p)], (0.0, days), [start.mean()],
                     rtol=1e-10, atol=1e-12)  # fmt: skip
    error = abs(state.vessels.maturity[:count].mean() / path.y[0, -1] - 1.0)
    print(f"occupancy {occupancy}: mean maturity {path.y[0, -1]:.4f}, relative error {error:.1e}")
    assert error < 1e-9
    assert np.count_nonzero(state.voxels.kind == VESSEL) == count


@pytest.mark.parametrize("count", [4_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_embolised_segments_reopen_at_their_rate(count: int) -> None:
    rules = make_rules(vessels={"embolised_loss_rate": 0.0, "capacity_loss_rate": 0.0})
    rate = rules.patient.traits.vessels.recanalisation_rate
    state = sparse((30, 40, 50), count, 0, 0.0, 2)
    state.vessels.segment[:count] //= 4
    closed = network.embolise(state, count, 0, 1.0, Clock(3, 0, HOUR))
    assert closed == count
    zs = []
    callers = twins.callers(state)
    for step in range(30 * 24):
        phases.age_vessels(state, count, callers, 1.0, Clock(3, step, HOUR), rules)
        if (step + 1) % (10 * 24) == 0:
            flow = state.vessels.state[:count].reshape(-1, 4)
            assert (flow == flow[:, :1]).all()  # segments reopen as a whole
            shut = int(np.count_nonzero(flow[:, 0] == EMBOLISED))
            zs.append(z_of_count(shut, count // 4, math.exp(-rate * (step + 1) * HOUR)))
            print(f"day {(step + 1) // 24}: {shut} of {count // 4} segments closed, z {zs[-1]:+.2f}")
    assert max(map(abs, zs)) < BOUND


@pytest.mark.parametrize(
    ("occupancy", "embolised", "cells"), [(0.95, False, 2_000), (0.5, False, 2_000), (0.95, False, 0), (0.0, True, 0)]
)
def test_vessels_are_lost_at_their_rate(occupancy: float, embolised: bool, cells: int) -> None:
    """Pruning where tumour is short of vessels, none of it in tissue without tumour; loss when embolised (eq. N2)."""
    rules = make_rules(vessels={"recanalisation_rate": 0.0}, network={"cells_per_vessel": 1e-3})
    p, volume, count, days = rules.patient.traits.vessels, 0.0, 20_000, 10
    state = sparse((30, 40, 50), count, cells, occupancy, 4)
    if embolised:
        network.embolise(state, count, 0, 1.0, Clock(5, 0, HOUR))
    callers = twins.callers(state)
    for step in range(days * 24):
        phases.age_vessels(state, count, callers, volume, Clock(5, step, HOUR), rules)
    left = network.close_up_vessels(state.vessels, count)
    pruning = p.pruning_rate * occupancy**4 / (occupancy**4 + p.pruning_occupancy**4)
    rate = (pruning if cells else 0.0) + (p.embolised_loss_rate if embolised else 0.0)
    if rate == 0.0:
        assert left == count
        return
    z = z_of_count(left, count, math.exp(-rate * days))
    print(f"occupancy {occupancy}, embolised {embolised}: {left} of {count} left after {days} days, z {z:+.2f}")
    assert abs(z) < BOUND
    assert np.count_nonzero(state.voxels.kind == VESSEL) == left


# --- sprouting --------------------------------------------------------------------
def advance(state: State, numbers: tuple[int, int, int], volume: float, clock: Clock, rules: Any) -> Any:
    """One step of everything; returns the state and its numbers."""
    callers = twins.callers(state)
    phases.age_vessels(state, numbers[0], callers, volume, clock, rules)
    answer = phases.sprout_vessels(state, *numbers, callers, clock, rules)
    if answer[0] < 0:
        state = state._replace(vessels=enlarged(state.vessels, -answer[0]))
        answer = phases.sprout_vessels(state, *numbers, callers, clock, rules)
    return state, (network.close_up_vessels(state.vessels, answer[0]), *answer[1:])


@pytest.mark.slow
def test_the_density_of_vessels_follows_the_patient_model() -> None:
    """Well mixed: cells and vessels scattered through stroma, all fields uniform, as many cells as vessels feed."""
    fed, count, cells, volume, days = 2.5, 20_000, 50_000, 192.0, 6
    rules = make_rules(network={"cells_per_vessel": fed}, vessels={"pruning_rate": 0.0})
    p = rules.patient.traits.vessels
    state = sparse((64, 64, 64), count, cells, 0.4, 6)
    state.fields.effects[:, 5], state.fields.vegf[:] = 0.1, 2410.0
    numbers = (count, count, count)
    for step in range(days * 24):
        state, numbers = advance(state, numbers, volume, Clock(7, step, HOUR), rules)
    free, unit = 0.5 * (0.6 + 0.9), cells / fed

    def rates(n: float) -> tuple[float, float]:
        gain = network.sprouting_rate(free * unit / n, n / unit, 2410.0, p)
        return n * gain, n * network.loss_rate(0.0, 0.0, n / unit, network.regression_rate(volume, p), p)

    def change(_: float, y: Any) -> list[float]:
        """Capacity of the patient model; variance of the number of vessels about it (van Kampen's expansion)."""
        n = unit * vessels.vascular_density(cells, y[0])
        (up, down), (up1, down1) = rates(n), rates(n + 0.1)
        slope = (up1 - down1 - up + down) / 0.1
        return [vessels.capacity_change(free * cells, y[0], volume, 2410.0, 0.0, p), 2.0 * slope * y[1] + up + down]

    path = solve_ivp(change, (0.0, days), [float(cells), 0.0], rtol=1e-8)
    expected = unit * vessels.vascular_density(cells, path.y[0, -1])
    z = (numbers[0] - expected) / math.sqrt(path.y[1, -1])
    print(f"{numbers[1] - count} sprouts; {numbers[0]} vessels, patient model {expected:.1f}, z {z:+.2f}")
    assert abs(z) < BOUND


@pytest.mark.slow
def test_where_tumour_outgrows_its_vessels_they_sprout_the_faster() -> None:
    """Ten times more cells than vessels feed; half of the calls are blocked."""
    rules, count = make_rules(network={"cells_per_vessel": 2.0, "tip_persistence": 0.0}), 2000
    p = rules.patient.traits.vessels
    state = sparse((64, 64, 64), count, 20 * count, 0.5, 8, room=count)
    state.fields.effects[:, 5], state.fields.vegf[:] = 0.5, 2410.0
    sprouts, asked = 0, 0
    callers = twins.callers(state)
    for step in range(50):  # each time the same vessels
        trial = twins.copied(state)
        sprouts += phases.sprout_vessels(trial, count, count, count, callers, Clock(9, step, HOUR), rules)[0] - count
        asked += count
    rate = 0.5 * p.capacity_growth_rate * 0.5 * 10.0 * (2.0 - 0.1) ** 2 / 2.0
    z = z_of_count(sprouts, asked, -math.expm1(-rate * HOUR))
    print(f"{sprouts} sprouts, z {z:+.2f}")
    assert abs(z) < BOUND


def lonely(pair: bool) -> tuple[State, int]:
    """Vessels of one or two voxels (along x), far from each other, beside tumour cells that call."""
    state = blank(grid_of((40, 60, 120), 20.0), vessels=20_000)
    z, y, x = (
        i.ravel() for i in np.meshgrid(np.arange(2, 40, 5), np.arange(2, 60, 5), np.arange(2, 115, 6), indexing="ij")
    )
    voxels = (z * 60 + y) * 120 + x
    count = twins.put_vessels(state, np.concatenate([voxels, voxels + 1]) if pair else voxels)
    state.vessels.segment[:count] = np.arange(count) % voxels.size
    if pair:  # the second voxel alone sprouts, away from the first
        state.vessels.state[: voxels.size] = EMBOLISED
    state.voxels.kind[(voxels + 4)[voxels % 120 + 4 < 120]] = TUMOUR
    return state, count


def ways_taken(state: State, count: int, rules: Any, repeats: int) -> np.ndarray:
    """How often sprouts went which way from their parent, in the order of `twins.WAYS`."""
    offsets = (lattice.DZ * 60 + lattice.DY) * 120 + lattice.DX
    found = np.zeros(26, np.int64)
    callers = twins.callers(state)
    for step in range(repeats):
        trial = twins.copied(state)
        after = phases.sprout_vessels(trial, count, count, count, callers, Clock(13, step, 400.0), rules)[0]
        asked = trial.vessels.state[:count] == OPEN
        parent = dict(zip(trial.vessels.segment[:count][asked], trial.vessels.voxel[:count][asked], strict=True))
        for segment, voxel in zip(trial.vessels.segment[count:after], trial.vessels.voxel[count:after], strict=True):
            found[np.flatnonzero(offsets == voxel - parent[segment])] += 1
    return found


@pytest.mark.medium
def test_sprouts_go_up_the_gradient_by_their_weights() -> None:
    state, count = lonely(pair=False)
    g = state.grid
    z, y, x = np.unravel_index(np.arange(state.fields.vegf.size), (g.bz, g.by, g.bx))
    rise = np.array([1.0, 2.0, 3.0])
    state.fields.vegf[:] = 1000.0 + rise[0] * z + rise[1] * y + rise[2] * x
    found = ways_taken(state, count, make_rules(network={"cells_per_vessel": 1.0}), 5)
    length = np.sqrt((np.array(twins.WAYS) ** 2).sum(axis=1))
    weights = (1.0 + np.array(twins.WAYS) @ rise / np.linalg.norm(rise) / length) / length**2
    p_value = stats.chisquare(found, found.sum() * weights / weights.sum()).pvalue
    print(f"{found.sum()} sprouts in 26 directions, p {p_value:.3f}")
    assert found.sum() > 4000
    assert p_value > LEVEL / TESTS


@pytest.mark.medium
def test_tips_go_straight_on_with_their_persistence() -> None:
    persistence = 0.6
    state, count = lonely(pair=True)
    state.fields.vegf[:] = 1000.0  # level: weights are 1 / length^2
    rules = make_rules(network={"cells_per_vessel": 1.0, "tip_persistence": persistence})
    found = ways_taken(state, count, rules, 3)
    length = np.sqrt((np.array(twins.WAYS) ** 2).sum(axis=1))
    back, ahead = twins.WAYS.index((0, 0, -1)), twins.WAYS.index((0, 0, 1))
    others = 1.0 / length**2
    others[back] = 0.0  # where the vessel comes from
    z = z_of_count(found[ahead], found.sum(), persistence + (1.0 - persistence) * others[ahead] / others.sum())
    print(f"{found[ahead]} of {found.sum()} sprouts straight on, z {z:+.2f}")
    assert found.sum() > 2000
    assert found[back] == 0
    assert abs(z) < BOUND


# --- the window -------------------------------------------------------------------
def supply(state: State, count: int, rules: Any) -> float:
    """Perfusion summed over vessels, in untreated open ones."""
    flow = state.vessels.state[:count] == OPEN
    p = rules.patient.traits.vessels
    rise = (state.vessels.maturity[:count] - p.baseline_maturity) / (1.0 - p.baseline_maturity)
    return float((np.maximum(1.0 + p.maturity_perfusion_gain * rise, 0.0) * flow).sum())


def supply_over_time(occupancy: float, days: int) -> np.ndarray:
    """Total perfusion a day against the start, with values of the library but for the cells a vessel feeds."""
    count, cells, steps = 20_000, 50_000, 6
    rules = make_rules(network={"cells_per_vessel": 2.5})
    state = sparse((64, 64, 64), count, cells, occupancy, 10)
    state.fields.effects[:, 5], state.fields.vegf[:] = occupancy, 5000.0
    numbers, found = (count, count, count), [supply(state, count, rules)]
    for step in range(days * steps):
        state, numbers = advance(state, numbers, 0.002, Clock(14, step, 1.0 / steps), rules)
        if (step + 1) % steps == 0:
            found.append(supply(state, numbers[0], rules))
    return np.array(found) / found[0]


@pytest.mark.slow
def test_the_window_closes_at_high_occupancy_and_stays_open_at_half() -> None:
    days, count = 20, 20_000
    high, half = supply_over_time(0.95, days), supply_over_time(0.5, days)
    for name, path in (("0.95", high), ("0.5", half)):
        print(f"occupancy {name}: perfusion at most {path.max():.3f} on day {path.argmax()}; "
              + ", ".join(f"day {day} {path[day]:.3f}" for day in (1, 2, 5, 10, 20)))  # fmt: skip
    peak = int(high.argmax())
    # of the vessels that the peak has lost, to see it apart from chance
    error = math.sqrt(0.06 * max(peak, 1) / count)
    print(f"peak against the start: {(high[peak] - 1.0) / error:.1f} errors")
    assert 0 < peak < 10
    assert high[peak] - 1.0 > BOUND * error
    assert high[-1] < 0.7
    assert (half[1:] > 1.05 * half[0]).sum() >= days - 3
    assert half[-1] > 1.2


# --- embolisation -----------------------------------------------------------------
def test_sessions_close_their_share_each_for_itself() -> None:
    fraction, count = 0.6, 20_000
    closed = []
    for session in range(2):
        state = sparse((30, 40, 50), count, 0, 0.0, 11)
        network.embolise(state, count, session, fraction, Clock(21, 0, HOUR))
        closed.append(state.vessels.state[:count] == EMBOLISED)
    zs = [z_of_count(int(c.sum()), count, fraction) for c in closed]
    both = z_of_count(int((closed[0] & closed[1]).sum()), count, fraction**2)
    print(f"z of two sessions {zs[0]:+.2f}, {zs[1]:+.2f}, of both {both:+.2f}")
    assert max(abs(z) for z in (*zs, both)) < BOUND


# --- the first network ------------------------------------------------------------
TERRITORY = 300.0  # um
NETWORKS = [((1, 150, 150), 141.0), ((1, 150, 150), 80.0), ((60, 60, 60), 100.0), ((40, 60, 80), 141.0)]


def laid(shape: tuple[int, int, int], spacing: float, inside: float, seed: int) -> tuple[State, Any, np.ndarray]:
    """State, vessels and the mask of a tumour in the middle half."""
    state = blank(grid_of(shape, 20.0))
    within = np.zeros(shape, np.bool_)
    within[tuple(slice(n // 4, n - n // 4) for n in shape)] = True
    return state, first_network(state, spacing, inside, within.ravel(), seed, TERRITORY), within.ravel()


@pytest.mark.parametrize(("shape", "spacing"), NETWORKS)
def test_the_first_network_is_as_dense_and_as_even_as_asked_for(shape: tuple[int, int, int], spacing: float) -> None:
    state, found, _ = laid(shape, spacing, spacing, 5)
    marked = (state.voxels.kind == VESSEL).reshape(shape)
    distance = 20.0 * distance_transform_edt(~marked)[~marked]
    share, wanted = marked.mean(), (20.0 / spacing) ** 2
    print(f"{shape}, {spacing:g} um: share {share:.4f} of {wanted:.4f}; nearest vessel {distance.mean():.1f} um on "
          f"average ({distance.mean() / spacing:.2f} of the spacing), at most {distance.max():.0f} um")  # fmt: skip
    assert share == pytest.approx(wanted, rel=0.01)
    # 0.38 in a square array of parallel tubes, 0.50 of tubes at random
    assert 0.38 * spacing < distance.mean() < 0.48 * spacing
    np.testing.assert_array_equal(found.voxel, np.flatnonzero(marked))
    assert (found.state == OPEN).all()
    assert found.ident.tolist() == list(range(found.voxel.size))


@pytest.mark.parametrize("shape", [(1, 150, 150), (50, 50, 50)])
def test_territories_are_of_the_size_asked_for(shape: tuple[int, int, int]) -> None:
    state, found, _ = laid(shape, 80.0, 80.0, 6)
    segments = found.segment.max() + 1
    expected = np.prod([max(1, round(n * 20.0 / TERRITORY)) for n in shape])
    points = np.stack(np.unravel_index(found.voxel, shape), axis=1) * 20.0
    spread = [np.ptp(points[found.segment == s], axis=0).max() for s in range(segments)]
    size = np.bincount(found.segment).mean()
    print(f"{shape}: {segments} segments of {size:.0f} voxels, {np.mean(spread):.0f} um across")
    assert 0.95 * expected <= segments <= expected
    assert TERRITORY * 0.7 < np.mean(spread) < TERRITORY * 2.0
    assert state.vessels.ident.size == 1024  # the table of the state is the caller's to replace


@pytest.mark.parametrize("shape", [(1, 200, 200), pytest.param((50, 50, 50), marks=pytest.mark.slow)])
@pytest.mark.slow
def test_fewer_vessels_inside(shape: tuple[int, int, int]) -> None:
    state, _, within = laid(shape, 80.0, 160.0, 7)
    marked = state.voxels.kind == VESSEL
    inner, outer = marked[within].mean(), marked[~within].mean()
    print(f"{shape}: share inside {inner:.4f}, outside {outer:.4f}")
    assert inner == pytest.approx((20.0 / 160.0) ** 2, rel=0.2)
    assert outer == pytest.approx((20.0 / 80.0) ** 2, rel=0.05)


def test_the_first_network_is_the_seed_s_and_spares_what_is_not_stroma() -> None:
    def same(a: Any, b: Any) -> bool:
        return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))

    first = laid((30, 30, 30), 100.0, 100.0, 1)[1]
    assert same(first, laid((30, 30, 30), 100.0, 100.0, 1)[1])
    assert not np.array_equal(first.voxel, laid((30, 30, 30), 100.0, 100.0, 2)[1].voxel)
    state = blank(grid_of((30, 30, 30), 20.0))
    state.voxels.kind[::2] = TUMOUR
    found = first_network(state, 100.0, 100.0, np.zeros(27_000, np.bool_), 1, TERRITORY)
    assert set(found.voxel.tolist()) == {voxel for voxel in first.voxel.tolist() if voxel % 2}
    assert np.count_nonzero(state.voxels.kind == TUMOUR) == 13_500
    with pytest.raises(ValueError, match="at least two voxels"):
        laid((30, 30, 30), 39.0, 100.0, 1)
    assert LOST not in found.state
