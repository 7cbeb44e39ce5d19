"""Lymphocytes on the lattice against closed forms: walks, drift, waiting times, and killing in a stirred lattice.

Seeds are fixed. A family of tests holds a family-wise level of 1e-3 by Bonferroni's bound; z are printed with ``-s``.
"""

from __future__ import annotations

import math

import lymphocyte_twins as twins
import numpy as np
import pytest
from scipy import stats

from tumorsim.kernels import lattice, motility
from tumorsim.lattice import phases

LEVEL = 1e-3  # family-wise
HOUR = 1.0 / 24.0
COEFFICIENT = 3e4  # um2/day
SIDE = 24  # voxels along the stirred lattice
NOTHING = {"engagement_rate": 0.0, "release_rate": 0.0, "memory_kill_rate": 0.0, "memory_death_rate": 0.0}
IMMORTAL = {"exhaustion_rate": 0.0, "tumour_death_rate": 0.0, "kill_rate": 0.0}


@pytest.fixture(params=[1, pytest.param(10, marks=pytest.mark.slow)])
def more(request: pytest.FixtureRequest) -> int:
    """Times as many lymphocytes or steps."""
    return int(request.param)


def bound(tests: int) -> float:
    """Largest |z| that a family of so many tests may show."""
    return float(stats.norm.isf(LEVEL / 2 / tests))


def z_of_mean(sample: np.ndarray, expected: float) -> float:
    return float((sample.mean() - expected) / (sample.std(ddof=1) / math.sqrt(sample.size)))


# --- walks -----------------------------------------------------------------------------


def walkers(flat: bool, count: int, substeps: int, rng: np.random.Generator) -> lattice.State:
    """Free lymphocytes strewn so thinly that nobody is in the way, too far from the margin to reach it."""
    inner = math.ceil((2.0 * count) ** 0.5 if flat else (3.0 * count) ** (1.0 / 3.0))
    side = inner + 2 * substeps + 4
    grid = twins.grid_of(1 if flat else side, side, side)
    state = twins.empty(grid, count)
    place = rng.integers(substeps + 2, substeps + 2 + inner, (3, count))
    place[0] *= not flat
    state.lymphocytes.voxel[:] = (place[0] * grid.ny + place[1]) * grid.nx + place[2]
    state.lymphocytes.ident[:] = rng.permutation(count)
    state.voxels.load[:] = np.bincount(state.lymphocytes.voxel, minlength=state.voxels.load.size)
    return state


def walk(state: lattice.State, by: lattice.Rules, substeps: int, dt: float, seed: int) -> np.ndarray:
    """Displacements after one step of so many sub-steps, um; (lymphocyte, 3)."""
    count, grid = state.lymphocytes.ident.size, state.grid
    start = np.stack(np.unravel_index(state.lymphocytes.voxel, (grid.nz, grid.ny, grid.nx)), axis=1)
    bids = twins.scratch(state)
    for substep in range(substeps):
        phases.move_lymphocytes(state, count, substep, substeps, bids, twins.clock_at(3, seed, dt), by)
    end = np.stack(np.unravel_index(state.lymphocytes.voxel, (grid.nz, grid.ny, grid.nx)), axis=1)
    return (end - start) * grid.spacing


def spread_of_a_persistent_walk(q: float, p: float, n: int, square: float) -> float:
    """Mean squared displacement after ``n`` sub-steps with a jump in each with probability ``p`` (eq. Y3's walk)."""
    return square * (n * p * (1 + q) / (1 - q) - 2 * q * (1 - (1 - p * (1 - q)) ** n) / (1 - q) ** 2)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("persistence", [0.0, 0.7])
def test_free_motility_diffuses_with_its_coefficient(flat: bool, persistence: float, more: int) -> None:
    rng, n, dim = np.random.default_rng(1), 40, 2 if flat else 3
    by = twins.rules(motility={"coefficient": COEFFICIENT, "persistence": persistence, "chemotaxis": 5.0})
    state = walkers(flat, 20_000 * more, n, rng)
    dt = 0.6 * n / motility.jump_probability(by.tissue.motility, state.grid, 1.0)
    moves = walk(state, by, n, dt, 5)
    squared = (moves**2).sum(axis=1)
    square = (1.2 if flat else 27 / 19) * 400.0
    z = {"spread": z_of_mean(squared, spread_of_a_persistent_walk(persistence, 0.6, n, square))}
    late = spread_of_a_persistent_walk(persistence, 0.6, 10**7, square) / (1e7 * dt / n)
    assert late == pytest.approx(2 * dim * COEFFICIENT, rel=1e-5)
    axes = moves[:, 1:] if flat else moves
    z |= {f"mean {i}": z_of_mean(axes[:, i], 0.0) for i in range(dim)}
    for i in range(dim):
        j = (i + 1) % dim
        z[f"x{i}x{j}"] = z_of_mean(axes[:, i] * axes[:, j], 0.0)
        z[f"x{i}2-x{j}2"] = z_of_mean(axes[:, i] ** 2 - axes[:, j] ** 2, 0.0)
        z[f"x{i}4-3x{i}2x{j}2"] = z_of_mean(axes[:, i] ** 4 - 3 * axes[:, i] ** 2 * axes[:, j] ** 2, 0.0)
    ratio = squared.mean() / (2 * dim * COEFFICIENT * dt)
    print(
        f"\n{dim}-D, persistence {persistence}: spread / 2 dim D t {ratio:.4f}; z",
        {k: f"{v:.2f}" for k, v in z.items()},
    )
    assert max(map(abs, z.values())) < bound(4 * 13)
    if persistence == 0.0:
        assert ratio == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("persistence", [0.0, 0.5])
@pytest.mark.parametrize("chemotaxis", [0.5, 4.0])
def test_drift_up_a_gradient(flat: bool, persistence: float, chemotaxis: float, more: int) -> None:
    """In a chemokine that grows by the same factor from block to block, every jump has the same bias."""
    rng, n = np.random.default_rng(2), 30
    by = twins.rules(motility={"coefficient": COEFFICIENT, "persistence": persistence, "chemotaxis": chemotaxis})
    state = walkers(flat, 5_000 * more, n, rng)
    grid, growth = state.grid, np.array([0.0 if flat else 0.05, 0.2, -0.1])  # logarithm per block along z, y, x
    z, y, x = np.indices((grid.bz, grid.by, grid.bx))
    state.fields.chemokine[:] = 1e9 * np.exp(growth[0] * z + growth[1] * y + growth[2] * x).ravel()
    dt = 0.8 * n / motility.jump_probability(by.tissue.motility, grid, 1.0)
    moves = walk(state, by, n, dt, 6)
    felt = np.sinh(growth) / grid.factor
    felt /= 1.0 + np.linalg.norm(felt)
    ahead, back = np.exp(chemotaxis * felt) / 4.0, np.exp(-chemotaxis * felt) / 4.0
    if flat:
        ahead[0] = back[0] = 0.0
    total = np.prod(1.0 + ahead + back)
    drift = 0.8 * n * 20.0 * (ahead - back) * total / (1.0 + ahead + back) / (total - 1.0)
    z_values = [z_of_mean(moves[:, i], drift[i]) for i in range(1 if flat else 0, 3)]
    weak = 2.0 * COEFFICIENT * dt * (1 - persistence) / (1 + persistence) * chemotaxis * felt / 20.0
    print(
        f"\n{2 if flat else 3}-D, chemotaxis {chemotaxis}, persistence {persistence}: drift"
        f" {moves.mean(axis=0).round(2)} um, closed form {drift.round(2)}, weak-gradient law {weak.round(2)},"
        f" z {np.round(z_values, 2)}"
    )
    assert max(map(abs, z_values)) < bound(8 * 3)
    assert moves[:, 1].mean() > 0.0 > moves[:, 2].mean()
    if chemotaxis < 1.0:
        np.testing.assert_allclose(drift, weak, rtol=0.02, atol=1e-12)


def test_tumour_that_is_entered_slowly_holds_fewer(more: int) -> None:
    """Jumps out are as quick as in stroma, so the share inside is that of detailed balance."""
    rng, entry, count = np.random.default_rng(3), 0.5, 4_000 * more
    side = int(math.sqrt(1000 * count))
    state = twins.empty(twins.grid_of(1, side, side), count)
    state.voxels.kind[:] = np.where(rng.random(side**2) < 0.5, lattice.TUMOUR, lattice.STROMA)
    state.lymphocytes.voxel[:] = rng.choice(side**2, count, replace=False)
    state.lymphocytes.ident[:] = np.arange(count)
    state.voxels.load[state.lymphocytes.voxel] = 1
    by = twins.rules(motility={"coefficient": COEFFICIENT, "persistence": 0.0, "tumour_entry": entry})
    dt = 60 * 0.9 / motility.jump_probability(by.tissue.motility, state.grid, 1.0)
    walk(state, by, 60, dt, 7)
    inside = state.voxels.kind[state.lymphocytes.voxel] == lattice.TUMOUR
    share = entry * (state.voxels.kind == lattice.TUMOUR).mean()
    z = z_of_mean(inside.astype(float), share / (share + 1.0 - (state.voxels.kind == lattice.TUMOUR).mean()))
    print(f"\nentry {entry}: share in tumour {inside.mean():.4f}, z {z:.2f}")
    assert abs(z) < bound(1)


# --- waiting times ---------------------------------------------------------------------


def pairs(count: int, engaged: bool) -> lattice.State:
    """So many lymphocytes, each beside a cell of its own."""
    state = twins.empty(twins.grid_of(1, 1, 3 * count), count)
    state.voxels.kind[::3], state.voxels.load[1::3] = lattice.TUMOUR, 1
    table = state.lymphocytes
    table.voxel[:], table.ident[:] = 3 * np.arange(count) + 1, np.arange(count) * 977
    if engaged:
        table.state[:], table.target[:], state.voxels.held[::3] = lattice.ENGAGED, 3 * np.arange(count), 1
    return state


def first_changes(state: lattice.State, by: lattice.Rules, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Step of each lymphocyte's first event, from 1, and what it was: new state, or -1 for a kill."""
    count, start = state.lymphocytes.ident.size, state.lymphocytes.state.copy()
    when, what = np.zeros(count, np.int64), np.zeros(count, np.int64)
    bids, killed = twins.scratch(state), np.zeros(state.voxels.kind.size, np.uint8)
    for step in range(1, 5000):
        phases.engage_and_kill(state, count, killed, np.zeros(2, np.int64), bids, twins.clock_at(step, seed), by)
        table = state.lymphocytes
        new = (when == 0) & ((table.state != start) | (table.kills > 0))
        when[new], what[new] = step, np.where(table.kills[new] > 0, -1, table.state[new].astype(int))
        killed[:] = lattice.ALIVE
        if np.all(when):
            break
    assert np.all(when)
    return when, what


def within_the_step(steps: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Times of events known to the step: exponential if, and only if, the steps are as they should be."""
    u = rng.random(steps.size)
    return (steps - 1) * HOUR - np.log1p(-u * -np.expm1(-rate * HOUR)) / rate


WAITS = {
    "let go": ({}, {"release_rate": 2.0}, True, 2.0),
    "exhaust": ({"exhaustion_rate": 3.0}, {}, True, 3.0),
    "die engaged": ({"tumour_death_rate": 1.5}, {}, True, 1.5),
    "die free": ({"tumour_death_rate": 1.5}, {}, False, 1.5),
    "engage": ({}, {"engagement_rate": 10.0}, False, 10.0),
    "kill": ({"kill_rate": 6.0, "half_e_to_t": 2.0}, {}, True, math.nan),
}


@pytest.mark.parametrize("name", WAITS)
def test_waiting_times_are_exponential(name: str, more: int) -> None:
    product, rates, engaged, rate = WAITS[name]
    by = twins.rules(twins.patient(({**IMMORTAL, **product},)), contact={**NOTHING, **rates})
    state = pairs(3_000 * more, engaged)
    if name == "kill":
        rate = twins.hazard(0, 0, state, by)
    when, _ = first_changes(state, by, 8)
    times = within_the_step(when, rate, np.random.default_rng(9))
    p = stats.kstest(times, "expon", args=(0.0, 1.0 / rate)).pvalue
    z = z_of_mean(times, 1.0 / rate)
    print(f"\n{name}: mean wait {times.mean():.4f} days, law {1 / rate:.4f}, z {z:.2f}, KS p {p:.3f}")
    assert p > LEVEL / len(WAITS)
    assert abs(z) < bound(len(WAITS))


def test_events_compete_by_their_rates(more: int) -> None:
    by = twins.rules(
        twins.patient(({"exhaustion_rate": 1.0, "tumour_death_rate": 0.5, "kill_rate": 3.0},)),
        contact={**NOTHING, "release_rate": 2.0},
    )
    state = pairs(5_000 * more, True)
    rates = np.array([twins.hazard(0, 0, state, by), 2.0, 1.0, 0.5])
    when, what = first_changes(state, by, 10)
    codes = (-1, lattice.FREE, lattice.EXHAUSTED, lattice.GONE)
    found = np.array([np.count_nonzero(what == code) for code in codes])
    times = within_the_step(when, rates.sum(), np.random.default_rng(11))
    shares = stats.chisquare(found, when.size * rates / rates.sum()).pvalue
    waits = stats.kstest(times, "expon", args=(0.0, 1.0 / rates.sum())).pvalue
    late = np.array([np.count_nonzero((what == code) & (when > np.median(when))) for code in codes])
    same = stats.chi2_contingency([late, found - late]).pvalue  # which event says nothing about when
    print(f"\ncompeting events {found}, chi2 p {shares:.3f}, KS p {waits:.3f}, independence p {same:.3f}")
    assert min(shares, waits, same) > LEVEL / 3


def test_arrivals_are_poisson(more: int) -> None:
    by, vessels = twins.rules(), 4_000 * more
    state = twins.empty(twins.grid_of(1, 1, vessels), 6 * vessels, vessels)
    state.voxels.kind[:], state.vessels.voxel[:], state.vessels.ident[:] = (
        lattice.VESSEL,
        np.arange(vessels),
        np.arange(vessels),
    )
    state.vessels.maturity[:], state.fields.vegf[:] = 0.6, 500.0
    blood = 1.2 / (twins.vessel_uptake(0, state, by) * HOUR)
    entered = np.zeros(2, np.int64)
    count = phases.recruit_lymphocytes(
        state, vessels, 0, np.array([blood, 0.5 * blood]), entered, twins.clock_at(2), by
    )
    assert count == entered.sum()
    z, p = [], []
    for product, mean in enumerate((1.2, 0.6)):
        table = state.lymphocytes
        here = np.bincount(table.voxel[:count][table.product[:count] == product], minlength=vessels)
        z.append(z_of_mean(here.astype(float), mean))
        pmf = stats.poisson.pmf(np.arange(4), mean)
        p.append(
            stats.chisquare(
                np.bincount(np.minimum(here, 4), minlength=5), vessels * np.append(pmf, 1 - pmf.sum())
            ).pvalue
        )
    print(f"\narrivals {entered}, z {np.round(z, 2)}, Poisson p {np.round(p, 3)}")
    assert max(map(abs, z)) < bound(2)
    assert min(p) > LEVEL / 2


# --- a stirred lattice -----------------------------------------------------------------


def stir(state: lattice.State, cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cells and free effectors to new places at random; whoever holds a cell goes on holding it. Places of cells."""
    table, voxels = state.lymphocytes, state.voxels
    moved = rng.choice(voxels.kind.size, cells.size, replace=False, shuffle=False)
    rng.shuffle(moved)
    engaged = np.flatnonzero(table.state == lattice.ENGAGED)
    order = np.argsort(cells)
    table.target[engaged] = moved[order[np.searchsorted(cells, table.target[engaged], sorter=order)]]
    voxels.kind[cells], voxels.held[cells] = lattice.STROMA, 0
    voxels.kind[moved] = lattice.TUMOUR
    np.add.at(voxels.held, table.target[engaged], np.uint8(1))
    free = np.flatnonzero(table.state == lattice.FREE)
    table.voxel[free] = rng.integers(0, voxels.kind.size, free.size)
    return moved


def stirred(
    effectors: int, cells: int, by: lattice.Rules, steps: int, burn: int = 20
) -> tuple[np.ndarray, float, float]:
    """Kills in each step, mean number engaged, and the probability of a kill by one that holds, per step.

    Cells are replaced as they die, so that numbers are constant; nobody tires or dies.
    """
    rng, state = np.random.default_rng(12), twins.empty(twins.grid_of(SIDE, SIDE, SIDE), effectors)
    state.lymphocytes.ident[:] = np.arange(effectors)
    place = np.arange(cells)
    state.voxels.kind[place] = lattice.TUMOUR
    each = -math.expm1(-twins.hazard(0, 0, state, by) * HOUR)
    killed, bids, kills = np.zeros(SIDE**3, np.uint8), twins.scratch(state), np.zeros((burn + steps, 2), np.int64)
    holding = 0
    for step in range(burn + steps):
        place = stir(state, place, rng)
        holding += np.count_nonzero(state.lymphocytes.state == lattice.ENGAGED) * (step >= burn)
        phases.engage_and_kill(state, effectors, killed, kills[step], bids, twins.clock_at(step), by)
        killed[:] = lattice.ALIVE
    return kills[burn:, 0].astype(float), holding / steps, each


def z_of_batches(kills: np.ndarray, expected: float) -> float:
    """Kills of neighbouring steps may be correlated, so the error is that of 50 batches."""
    return z_of_mean(kills[: kills.size // 50 * 50].reshape(50, -1).mean(axis=1), expected)


@pytest.mark.parametrize("half", [1.0, 3.0])
@pytest.mark.slow
def test_a_stirred_lattice_kills_as_the_patient_model_where_one_side_is_scarce(half: float, more: int) -> None:
    """Both limits of the double saturation of eq. K2; between them the lattice kills up to twice as many.

    With quick engagement every effector holds a cell as long as there are cells to hold, so the lattice kills
    (kappa / h) min(E, h N) a day. The law, kappa E N / (E + h N), is lower by 1 + min(x, 1 / x), x = E / (h N).
    """
    z_values = []
    for x, cells, rate, steps in (
        (0.005, 4000, 4.0, 500), (0.1, 2000, 1.0, 150), (1.0, 1000, 0.4, 100), (10.0, 300, 0.4, 150),
        (100.0, 100, 0.4, 400),
    ):  # fmt: skip
        product = {**IMMORTAL, "kill_rate": rate * half if x < 1.0 else rate, "half_e_to_t": half}
        by = twins.rules(twins.patient((product,)), contact={**NOTHING, "engagement_rate": 1e6})
        effectors = round(x * half * cells)
        scarce = x in (0.005, 100.0)
        kills, _, each = stirred(effectors, cells, by, steps * (more if scarce else 1))
        law = each * effectors * half * cells / (effectors + half * cells)
        most = each * min(effectors, half * cells)
        z = z_of_batches(kills, law)
        print(
            f"\nh {half}, E/hT {x}: kills an hour {kills.mean():.3f}, K2 {law:.3f}, z {z:.2f}, {kills.sum():.0f} kills;"
            f" over K2 {kills.mean() / law:.3f}, over the least of both {kills.mean() / most:.3f}"
        )
        if scarce:
            z_values.append(z)
        else:
            assert z > 0.0
            assert z_of_batches(kills, most) < bound(6)
    assert max(map(abs, z_values)) < bound(4)


@pytest.mark.parametrize(("cells", "engagement"), [(30, 24.0), (120, 24.0), (600, 6.0)])
def test_search_slows_killing_where_contacts_are_rare(cells: int, engagement: float, more: int) -> None:
    """Few effectors, thrown anew until they land beside a cell and take hold: an alternating renewal process."""
    by = twins.rules(
        twins.patient(({**IMMORTAL, "kill_rate": 4.0},)), contact={**NOTHING, "engagement_rate": engagement}
    )
    effectors = max(2, cells // 40)
    kills, holding, each = stirred(effectors, cells, by, 4000 * more, burn=100)
    line = np.full(SIDE, 3)
    line[[0, -1]] = 2
    reach = np.einsum("i,j,k->ijk", line, line, line)
    beside = 1.0 - ((1.0 - (cells - holding) / SIDE**3) ** reach).mean()
    found = beside * -math.expm1(-engagement * HOUR)
    expected = effectors * each * found / (found * (1.0 - each) + each)
    z = z_of_batches(kills, expected)
    law = effectors * each * cells / (effectors + cells)
    print(
        f"\n{cells} cells in {SIDE**3} voxels: kills an hour {kills.mean():.4f}, closed form {expected:.4f}, z {z:.2f};"
        f" K2 {law:.4f}"
    )
    assert abs(z) < bound(3)
    assert kills.mean() < 0.9 * law
