"""Tumour cells on the lattice against laws with a closed form: waiting times, extinction, frequencies, radial growth.

Seeds are fixed. The tests of one family hold a level of 1e-3 together by Bonferroni's bound; z and p are printed
with ``-s``.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
import pytest
from cell_twins import TUMOUR, WAYS, Run, blank_state, found, make_rules
from scipy import stats

from tumorsim.kernels import cycle
from tumorsim.kernels.growth import survival_of_small_lesion
from tumorsim.kernels.lattice import ANTIGEN_LOW, DEAD, MHC_LOW, RESISTANT, Clock, Rules, State

LEVEL = 1e-3  # family-wise
HOUR = 1.0 / 24.0


def bound(tests: int) -> float:
    """Largest |z| that a family of so many tests may show."""
    return float(stats.norm.isf(LEVEL / 2 / tests))


def z_of_share(successes: int, of: int, expected: float) -> float:
    return float((successes - of * expected) / math.sqrt(of * expected * (1.0 - expected)))


def apart(state: State, distance: int) -> Any:
    """Voxels on a regular lattice, so far apart."""
    axes = [np.arange(distance // 2, n, distance) if n > 1 else np.zeros(1, int) for n in state.grid[:3]]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return ((z * state.grid.ny + y) * state.grid.nx + x).ravel()


def only_growth(rate: float, turnover: float = 0.0, **more: dict[str, float]) -> Rules:
    growth = {"growth_rate": rate, "turnover_rate": turnover, "dead_clearance_rate": 1e9}
    return make_rules(growth=growth, **more)


# --- waiting times ----------------------------------------------------------------
def steps_to_division(rules: Rules, traits: int, oxygen: float, births: tuple[float, float], steps: int) -> Any:
    """Step of each lonely cell's first division, -1 for none; cells stay where they are."""
    state = blank_state(48, 48, 48, 5000)
    voxels = apart(state, 3)
    run = Run(state, rules, found(state, voxels, traits))
    state.fields.oxygen[:] = oxygen
    state.fields.effects[:, :2] = births
    first = np.full(voxels.size, -1)
    for step in range(steps):
        run.phase(cycle.decide_cells, state, Clock(31, step, HOUR), rules, run.killed, run.fates)
        divides = (state.voxels.intent[voxels] > 0) & (first < 0)
        first[divides] = step
    return first


def test_time_to_the_first_division_is_exponential() -> None:
    """Kolmogorov and Smirnov at the ends of the steps, which a discrete law makes stricter than its level."""
    cost, half, p50, growth = 0.3, 0.1, 0.3, 1.2
    rules = only_growth(growth, resistance={"fitness_cost": cost})
    supply, normal = (flow / (flow + p50) for flow in (4.0 / 40.0, 1.0))
    hypoxic = supply / (supply + half) * (normal + half) / normal
    cases = {
        "normal oxygen": (0, 40.0, (0.0, 0.0), growth),
        "hypoxic": (0, 4.0, (0.0, 0.0), growth * hypoxic),
        "resistant": (RESISTANT, 40.0, (0.9, 0.0), growth * (1.0 - cost)),
        "resistant under a drug": (RESISTANT, 40.0, (0.9, 0.5), growth * (1.0 - cost) * 0.5),
    }
    for name, (traits, oxygen, births, rate) in cases.items():
        steps = 150
        first = steps_to_division(rules, traits, oxygen, births, steps)
        ends = np.arange(1, steps + 1) * HOUR
        reached = np.searchsorted(np.sort(first[first >= 0]), np.arange(steps), side="right") / first.size
        distance = np.abs(reached + np.expm1(-rate * ends)).max()
        p = stats.kstwo.sf(distance, first.size)
        print(f"{name}: rate {rate:.3f}/day, n = {first.size}, D = {distance:.4f}, p = {p:.3f}")
        assert p > LEVEL / len(cases)


@pytest.mark.medium
def test_competing_deaths_have_their_shares() -> None:
    rules = make_rules(
        growth={"growth_rate": 0.0, "turnover_rate": 0.2}, oxygen={"necrosis_rate": 0.5},
        depot={"kill_rate": 0.4, "ec50": 100.0},
    )  # fmt: skip
    state = blank_state(30, 30, 30, 60_000)
    state.fields.oxygen[:], state.fields.depot[:] = 0.5, 300.0
    state.fields.effects[:, 2:4] = 0.7, 0.1
    cells = found(state, np.arange(27_000), RESISTANT)
    run = Run(state, rules, cells)
    dt = 0.5
    run.step(Clock(8, 0, dt))  # a full lattice: divisions find no room
    hazards = {"turnover": 0.2, "drug": 0.1, "hypoxia": 0.5, "depot": 0.4 * 300.0 / 400.0}
    total = sum(hazards.values()) + 0.2  # divisions
    for fate, (name, hazard) in enumerate(hazards.items(), start=1):
        z = z_of_share(int(run.tally[:, fate].sum()), cells, hazard / total * -math.expm1(-total * dt))
        print(f"deaths by {name}: {run.tally[:, fate].sum()} of {cells}, z = {z:+.2f}")
        assert abs(z) < bound(len(hazards))


# --- birth, death and extinction ----------------------------------------------------
EXTINCTION = {  # births, deaths (1/day) and days
    "critical": (1.0, 1.0, 2.0),
    "growing": (1.2, 0.8, 2.0),
    "shrinking": (0.6, 1.0, 3.0),
}


def kendall(birth: float, death: float, time: float) -> float:
    """Probability that the clone of one founder is alive, by the law of the patient model (eq. G5)."""
    net = birth - death
    integral = death * time if net == 0.0 else death * -math.expm1(-net * time) / net
    return float(survival_of_small_lesion(integral, 1.0))


def galton_watson(birth: float, death: float, dt: float, steps: int) -> float:
    """Survival of one founder where at most one thing happens to a cell in a step."""
    happens = -math.expm1(-(birth + death) * dt)
    extinct = 0.0
    for _ in range(steps):
        born = happens * birth / (birth + death)
        extinct = happens - born + (1.0 - happens) * extinct + born * extinct**2
    return 1.0 - extinct


def clone_sizes(birth: float, death: float, time: float, dt: float, edge: int, seed: int) -> tuple[Any, float]:
    """Living cells of each founder's clone, and the share of divisions that came to nothing."""
    state = blank_state(edge, edge, edge, 60_000)
    voxels = apart(state, 6)
    turnover = min(birth, death)
    run = Run(state, only_growth(birth - turnover, turnover), found(state, voxels))
    state.fields.effects[:, 2] = death - turnover
    wanted = 0
    for step in range(round(time / dt)):
        run.step(Clock(seed, step, dt))
        wanted += int((state.voxels.intent > 0).sum())
    root = np.arange(run.cells)
    for child in range(voxels.size, run.cells):
        root[child] = root[state.lineage.parent[child]]
    alive = state.lineage.death[: run.cells] == -1
    births = run.cells - voxels.size
    return np.bincount(root[alive], minlength=voxels.size), 1.0 - births / wanted


@pytest.mark.parametrize(("edge", "dt"), [(60, 0.01), pytest.param(120, 0.004, marks=pytest.mark.slow)])
def test_extinction_of_clones_is_that_of_a_birth_death_process(edge: int, dt: float) -> None:
    """Founders with room around them; steps so short that what they leave out is a quarter of the error at most."""
    for name, (birth, death, time) in EXTINCTION.items():
        sizes, lost = clone_sizes(birth, death, time, dt, edge, 77)
        expected, mean = kendall(birth, death, time), math.exp((birth - death) * time)
        variance = 2.0 * birth * time if birth == death else (birth + death) / (birth - death) * mean * (mean - 1.0)
        z = z_of_share(int((sizes > 0).sum()), sizes.size, expected)
        z_mean = (sizes.mean() - mean) / math.sqrt(variance / sizes.size)
        stepped = galton_watson(birth, death, dt, round(time / dt))
        print(
            f"{name}: alive {(sizes > 0).mean():.4f} of {sizes.size}, closed form {expected:.4f} (in these steps "
            f"{stepped:.4f}), z = {z:+.2f}; mean {sizes.mean():.3f}, expected {mean:.3f}, z = {z_mean:+.2f}; "
            f"proposals lost to conflicts {lost:.1e}"
        )
        assert abs(stepped - expected) < 0.25 * math.sqrt(expected * (1.0 - expected) / sizes.size)
        assert max(abs(z), abs(z_mean)) < bound(2 * len(EXTINCTION))


# --- frequencies ------------------------------------------------------------------
def test_mutations_have_their_probabilities() -> None:
    state = blank_state(60, 60, 60, 20_000)
    probabilities = {"mutation_probability": 0.07, "antigen_loss_probability": 0.2}
    run = Run(state, only_growth(1e6, resistance=probabilities), found(state, apart(state, 3), MHC_LOW))
    founders = run.cells
    run.step(Clock(4, 0, 1.0))
    clones = state.lineage.clone[founders : run.cells]
    assert (run.cells, (clones & MHC_LOW > 0).all()) == (2 * founders, True)
    shares = {
        "resistant": (RESISTANT, 0.07),
        "antigen-low": (ANTIGEN_LOW, 0.2),
        "both": (RESISTANT | ANTIGEN_LOW, 0.014),
    }
    for name, (bits, probability) in shares.items():
        z = z_of_share(int((clones & bits == bits).sum()), clones.size, probability)
        print(f"{name}: {(clones & bits == bits).sum()} of {clones.size} daughters, z = {z:+.2f}")
        assert abs(z) < bound(len(shares))


def test_switching_and_restoration_have_their_rates() -> None:
    dt, cells = 0.5, 20_000
    rules = make_rules(
        growth={"growth_rate": 0.0, "turnover_rate": 0.0}, resistance={"switch_on_rate": 0.4, "switch_off_rate": 0.9},
        signals={"mhc_restoration_rate": 0.6, "interferon_half_effect": 0.05},
    )  # fmt: skip
    stress, restored = 0.4 * (1.0 - (1.0 - 0.5) * (1.0 - 0.3)), 0.6 * 0.2 / 0.25
    cases = {
        (0, "resistant"): (stress, stress),
        (RESISTANT, "sensitive"): (0.9, 0.9),
        (MHC_LOW, "with MHC-I"): (restored, restored + stress),
        (MHC_LOW | RESISTANT, "with MHC-I"): (restored, restored + 0.9),
    }
    for (traits, name), (rate, total) in cases.items():
        state = blank_state(1, 100, 200, cells)
        run = Run(state, rules, found(state, np.arange(cells), traits))
        state.fields.effects[:, 0], state.fields.effects[:, 4], state.fields.interferon[:] = 0.5, 0.3, 0.2
        run.step(Clock(13, 2, dt))
        bit = MHC_LOW if traits & MHC_LOW else RESISTANT
        changed = int((state.voxels.traits & bit != traits & bit).sum())
        z = z_of_share(changed, cells, rate / total * -math.expm1(-total * dt))
        print(f"{traits} becomes {name}: {changed} of {cells}, z = {z:+.2f}")
        assert abs(z) < bound(len(cases))
        assert (state.lineage.last_clone[:cells] == state.voxels.traits[state.voxels.ident.argsort()]).all()


def test_clearance_directions_and_conflicts_are_fair() -> None:
    state = blank_state(20, 30, 40, 10)
    state.voxels.kind[:] = DEAD
    run = Run(state, make_rules(growth={"dead_clearance_rate": 0.3}), 0)
    run.step(Clock(3, 0, 1.0))
    z = z_of_share(int(run.tally[:, 7].sum()), 24_000, -math.expm1(-0.3))
    state = blank_state(60, 60, 60, 20_000)
    rules = only_growth(1e6)
    run = Run(state, rules, found(state, apart(state, 3)))
    run.phase(cycle.decide_cells, state, Clock(5, 0, 1.0), rules, run.killed, run.fates)
    ways = np.bincount(state.voxels.intent[state.voxels.intent > 0], minlength=27)[1:]
    p = stats.chisquare(ways).pvalue
    state = blank_state(1, 1, 20_000, 20_000)  # pairs with one voxel between and none beside them: x.x x.x
    state.voxels.load[:] = 8
    left = np.arange(0, 20_000 - 4, 4)
    state.voxels.load[left + 1] = 0
    run = Run(state, rules, found(state, np.sort(np.concatenate([left, left + 2]))))
    run.step(Clock(6, 0, 1.0))
    won = int((run.winners[left + 1] == 1 + WAYS.index((0, 0, -1))).sum())
    z_won = z_of_share(won, left.size, 0.5)
    assert run.counts[0] == left.size
    print(f"cleared z = {z:+.2f}; 26 directions p = {p:.3f}; won by the left one of {left.size} pairs z = {z_won:+.2f}")
    assert max(abs(z), abs(z_won)) < bound(3)
    assert p > LEVEL / 3


# --- radial growth ------------------------------------------------------------------
def grown(shape: tuple[int, int, int], rate: float, stops: Any, seed: int) -> Any:
    """Cells after each of these numbers of steps of an hour, from one founder in the middle."""
    state = blank_state(*shape, 2_000_000 if min(shape) > 100 else 200_000)
    middle = np.ravel_multi_index([n // 2 for n in shape], shape)
    run = Run(state, only_growth(rate), found(state, [middle]))
    cells = []
    for step in range(stops[-1]):
        run.step(Clock(seed, step, HOUR))
        if step + 1 in stops:
            cells.append(run.cells)
    edge = state.voxels.kind.reshape(shape)
    assert not any(edge.take(side, axis).any() for axis, n in enumerate(shape) if n > 1 for side in (0, -1))
    return np.array(cells)


def radius(cells: Any, dimension: int) -> Any:
    return np.sqrt(cells / math.pi) if dimension == 2 else np.cbrt(3.0 * cells / 4.0 / math.pi)


def event_driven(rate: float, until: Any, seed: int) -> list[int]:
    """Cells of the same rule in continuous time and one slice (Gillespie 1976): each cell divides on its own clock."""
    rng = np.random.default_rng(seed)
    ways = [way[1:] for way in WAYS if way[0] == 0]
    taken = {(0, 0)}
    waiting = [(rng.exponential(1.0 / rate), (0, 0))]
    cells = []
    for stop in until:
        while waiting[0][0] <= stop:
            now, (y, x) = heapq.heappop(waiting)
            free = [(y + dy, x + dx) for dy, dx in ways if (y + dy, x + dx) not in taken]
            if not free:
                continue  # nothing dies: it never divides again
            daughter = free[rng.integers(len(free))]
            taken.add(daughter)
            for cell in ((y, x), daughter):
                heapq.heappush(waiting, (now + rng.exponential(1.0 / rate), cell))
        cells.append(len(taken))
    return cells


def test_a_row_of_cells_grows_at_its_ends_by_a_poisson_process() -> None:
    """In one dimension the speed is exact: both ends advance by the division rate."""
    rate, dt, steps, rows = 0.6, 0.05, 800, 100
    state = blank_state(1, 2 * rows, 201, 20_000)
    state.voxels.load.reshape(2 * rows, 201)[1::2] = 8  # no daughter can leave its row
    middle = np.arange(rows)[:, None] * 402 + np.array([99, 100, 101])
    run = Run(state, only_growth(rate), found(state, middle.ravel()))
    for step in range(steps):
        run.step(Clock(101, step, dt))
    births, expected = run.cells - 3 * rows, 2.0 * rows * steps * -math.expm1(-rate * dt)
    z = (births - expected) / math.sqrt(expected * math.exp(-rate * dt))
    print(f"one dimension: {births} births, {expected:.0f} expected, z = {z:+.2f}")
    assert abs(z) < bound(1)


@pytest.mark.parametrize("replicates", [6, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_disc_grows_as_fast_as_in_continuous_time(replicates: int) -> None:
    """Speed of the radius against an event-driven simulation of the same rule, at two rates; and proven bounds."""
    times = np.array([9.0, 18.0, 27.0])  # in mean division times
    other = np.array([radius(np.array(event_driven(1.0, times, seed)), 2) for seed in range(replicates)])
    exact = (other[:, 2] - other[:, 0]) / (times[2] - times[0])
    for rate in (0.3, 0.9):
        stops = [round(time / rate / HOUR) for time in times]
        ours = np.array([radius(grown((1, 129, 129), rate, stops, seed), 2) for seed in range(replicates)])
        speeds = (ours[:, 2] - ours[:, 0]) / (times[2] - times[0])
        error = math.sqrt((speeds.var(ddof=1) + exact.var(ddof=1)) / replicates)
        difference = speeds.mean() - exact.mean()
        print(
            f"disc, {rate}/day: speed {speeds.mean():.4f} voxels a division time, continuous time {exact.mean():.4f}, "
            f"difference {difference / exact.mean():+.2%}, z = {difference / error:+.2f}"
        )
        # A newborn waits for the end of its step, and two cells may want one voxel: a loss in proportion to the step.
        assert -2.0 * rate * HOUR * exact.mean() - bound(2) * error < difference < bound(2) * error
        # Richardson's model with a seventh of the rate on every pair of neighbours grows more slowly (2.47 times that
        # rate along an axis of the square lattice, Alm & Deijfen 2015); a daughter is at most one voxel further out
        # than its mother, so that no lineage gains more than e voxels a division time (Kingman 1975).
        assert 2.47 / 7.0 < speeds.mean() < math.e


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ((1, 161, 161), np.linspace(12.0, 40.0, 8)),
        ((73, 73, 73), np.linspace(12.0, 21.0, 8)),
        pytest.param((161, 161, 161), np.linspace(14.0, 42.0, 8), marks=pytest.mark.slow),
    ],
)
@pytest.mark.medium
def test_radius_grows_linearly(shape: tuple[int, int, int], times: Any) -> None:
    """As of an Eden cluster (Eden 1961): only cells with room divide. ``times`` in mean division times."""
    dimension, rate = 2 if shape[0] == 1 else 3, 0.9
    stops = [round(time / rate / HOUR) for time in times]
    cells = grown(shape, rate, stops, 5)
    r = radius(cells, dimension)
    fit, exponential = stats.linregress(times, r), stats.linregress(times, np.log(cells))
    halves = [stats.linregress(times[part], r[part]).slope for part in (slice(0, 4), slice(4, 8))]
    print(
        f"{dimension}-D: radius {r[0]:.1f} to {r[-1]:.1f} voxels, speed {fit.slope:.3f} voxels a division time, "
        f"1 - r2 = {1 - fit.rvalue**2:.1e} (of an exponential {1 - exponential.rvalue**2:.1e}), "
        f"second half against first {halves[1] / halves[0]:.3f}"
    )
    assert 1.0 - fit.rvalue**2 < 2e-3
    assert 1.0 - fit.rvalue**2 < 0.1 * (1.0 - exponential.rvalue**2)
    assert halves[1] / halves[0] == pytest.approx(1.0, abs=0.12)


def test_a_ball_keeps_its_shape() -> None:
    """No axis is favoured beyond what 26 neighbours do to an Eden cluster."""
    shape = (61, 61, 61)
    state = blank_state(*shape, 200_000)
    run = Run(state, only_growth(0.9), found(state, [np.ravel_multi_index((30, 30, 30), shape)]))
    for step in range(400):
        run.step(Clock(2, step, HOUR))
    places = np.argwhere(state.voxels.kind.reshape(shape) == TUMOUR) - 30.0
    spread = places.var(axis=0)
    along = {}
    for name, way in (("face", (1, 0, 0)), ("edge", (1, 1, 0)), ("corner", (1, 1, 1))):
        unit = np.array([other for other in WAYS if sum(map(abs, other)) == sum(way)]) / math.sqrt(sum(way))
        along[name] = float(np.mean([(places @ u).max() for u in unit]))
    print(f"ball of {run.cells}: variances {spread.round(2)}, extent by direction {along}")
    assert spread.max() / spread.min() < 1.15
    assert np.abs(places.mean(axis=0)).max() < 1.0
    assert max(along.values()) / min(along.values()) < 1.1
