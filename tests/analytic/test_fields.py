"""Fields against what is known of them: made-up solutions, decay around sources, mass, bounds, symmetry, oxygen."""

from __future__ import annotations

import math

import field_twins as twins
import fields_table as tables
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorsim.kernels import diffusion
from tumorsim.kernels.diffusion import Exchange
from tumorsim.kernels.steady import Tissue
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import NO_FLUX, Diffusion, Lattice, SteadyField, Walls

OXYGEN = tables.DIFFUSIVITY
STRENGTH = OXYGEN / 400.0  # 1/day between voxels of 20 um
ALONE = Crew()


# --- order ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        {2: (16, 32, 64)},
        {3: (8, 16, 32)},
        pytest.param({2: (16, 32, 64, 128), 3: (16, 32, 64)}, marks=pytest.mark.slow),
    ],
)
def test_order_in_space_is_two(sizes: dict[int, tuple[int, ...]]) -> None:
    rows = tables.space_orders(sizes)
    print("\n" + tables.text(rows))
    for row in rows:
        assert row.slope == pytest.approx(2.0, abs=0.1), row.what


@pytest.mark.parametrize(("dimensions", "voxels"), [(2, 20), (3, 10)])
def test_order_in_time_is_one(dimensions: int, voxels: int) -> None:
    row = tables.time_order(dimensions, voxels, (64, 128, 256))
    print("\n" + tables.text([row]))
    assert row.slope == pytest.approx(1.0, abs=0.1)


# --- decay around a source -----------------------------------------------------------------


@pytest.mark.parametrize("spacing", [20.0, 10.0])
def test_a_plane_source_decays_exponentially(spacing: float) -> None:
    """On the lattice the fall from voxel to voxel is that of a difference equation; it nears exp(-h/reach)."""
    reach = 120.0
    distance, c, exact = tables.plane_source(spacing, reach)
    middle = c.size // 2
    beyond = c[middle + 1 : middle + 80] / c[middle : middle + 79]
    expected = math.exp(-2.0 * math.asinh(spacing / (2.0 * reach)))
    np.testing.assert_allclose(beyond, expected, rtol=1e-9)
    near = distance <= 5.0 * reach
    worst = np.max(np.abs(c - exact)[near])
    print(f"\nplane source, spacing {spacing:g} um: largest error {worst:.2e} of the peak")
    assert worst < (spacing / reach) ** 2 / 8.0 * 1.01  # the peak's own, 1 / sqrt(1 + h²/4 reach²), is the largest


def test_a_point_source_decays_as_the_field_of_a_point() -> None:
    """exp(-r/reach)/r outside the nearest voxels; the error falls with the square of the spacing over r."""
    reach = 60.0
    found = []
    for n, spacing in ((31, 20.0), (61, 10.0)):
        distance, c, exact = tables.point_source(n, spacing, reach)
        for low in (60.0, 90.0, 120.0):
            at = (distance >= low) & (distance < low + 30.0)
            worst = float(np.max(np.abs(c / exact - 1.0)[at]))
            print(f"point source, spacing {spacing:g} um, {low:g} um away: {worst:.1%}")
            found.append(worst)
    coarse, fine = np.array(found[:3]), np.array(found[3:])
    assert coarse[0] < 0.10
    assert fine[0] < 0.025
    assert np.all(coarse / fine > 3.3)


# --- mass ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["random", "flat", "point"])
def test_mass_does_not_drift(kind: str) -> None:
    drift = tables.mass_drift(kind, 1000, shape=(10, 11, 25))
    print(f"\nmass, {kind}: largest relative drift in 1,000 steps {drift:.1e}")
    assert drift <= 1e-12


def test_what_a_steady_field_gains_it_loses() -> None:
    lattice, rng = Lattice(9, 20, 21, 20.0), np.random.default_rng(1)
    loss, gain, none = STRENGTH * rng.random(lattice.voxels), STRENGTH * rng.random(lattice.voxels), np.zeros(3780)
    c = none.copy()
    SteadyField(lattice, OXYGEN).solve(c, Tissue(loss, gain, none, 1.0), ALONE, 1e-13)
    assert math.fsum(loss * c) == pytest.approx(math.fsum(gain), rel=1e-12)


# --- bounds -------------------------------------------------------------------------------

SIDES = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 27))
FACE = st.one_of(st.none(), st.floats(0.0, 50.0))
WALLS = st.builds(Walls, FACE, FACE, FACE, FACE, FACE, FACE)


def fixed(walls: Walls) -> list[float]:
    return [face for pair in twins.faces(walls) for face in pair if face is not None]


@given(SIDES, WALLS, st.integers(0, 10**6), st.floats(-9.0, 9.0), st.floats(-6.0, 6.0))
@settings(max_examples=150, deadline=None)
def test_no_step_leaves_its_bounds(sides, walls: Walls, seed: int, ratio: float, strength: float) -> None:
    """Between the extremes of the start, of what tissue and blood pull to, and of the fixed faces; at any step size."""
    lattice, rng = Lattice(*sides, 20.0), np.random.default_rng(seed)
    n = lattice.voxels
    c, source = 30.0 * rng.random(n), 50.0 * rng.random(n)
    loss = 10.0**strength * rng.random(n) * rng.integers(0, 2, n)
    low = min([c.min(), *source[loss > 0.0], *fixed(walls)])
    high = max([c.max(), *source[loss > 0.0], *fixed(walls)])
    stepper = Diffusion(lattice, 400.0 * 10.0**ratio, 1.0, walls)
    for _ in range(3):
        stepper.step(c, loss, loss * source, ALONE)
        slack = 1e-13 * high
        assert c.min() >= low - slack
        assert c.max() <= high + slack


@given(SIDES, st.integers(0, 10**6), st.floats(-6.0, 6.0), st.booleans())
@settings(max_examples=100, deadline=None)
def test_secretion_and_uptake_keep_a_field_positive(sides, seed: int, strength: float, fast: bool) -> None:
    """No tolerance: not one voxel below zero, whatever is taken up."""
    lattice, rng = Lattice(*sides, 20.0), np.random.default_rng(seed)
    n = lattice.voxels
    c = rng.random(n) * rng.integers(0, 2, n)
    loss, gain = 10.0**strength * rng.random(n), rng.random(n) * rng.integers(0, 2, n)
    stepper = Diffusion(lattice, 400.0 * (1e6 if fast else 1e-3), 1.0, Walls(x_low=0.0, z_high=0.0))
    for _ in range(3):
        stepper.step(c, loss, gain, ALONE)
        assert c.min() >= 0.0


@given(SIDES, WALLS, st.integers(0, 10**6), st.floats(-3.0, 3.0))
@settings(max_examples=60, deadline=None)
def test_a_steady_field_keeps_its_bounds(sides, walls: Walls, seed: int, strength: float) -> None:
    """To the tolerance of the solve."""
    lattice, rng = Lattice(*sides, 20.0), np.random.default_rng(seed)
    n = lattice.voxels
    loss, source = STRENGTH * 10.0**strength * (0.1 + rng.random(n)), 50.0 * rng.random(n)
    c = np.zeros(n)
    ended = SteadyField(lattice, OXYGEN, walls).solve(c, Tissue(loss, loss * source, np.zeros(n), 1.0), ALONE, 1e-12)
    assert ended.converged
    assert c.min() >= min([source.min(), *fixed(walls)]) - 1e-7
    assert c.max() <= max([source.max(), *fixed(walls)]) + 1e-7


def test_a_step_of_any_size_is_stable() -> None:
    """A year at once takes a field to its mean; tissue that takes up takes it to its balance."""
    lattice, rng = Lattice(12, 13, 14, 20.0), np.random.default_rng(3)
    c, none = rng.random(lattice.voxels), np.zeros(lattice.voxels)
    mean = c.mean()
    Diffusion(lattice, OXYGEN, 365.0).step(c, none, none, ALONE)
    np.testing.assert_allclose(c, mean, rtol=1e-6)
    Diffusion(lattice, OXYGEN, 365.0).step(c, none + 1e9, none + 3e9, ALONE)
    np.testing.assert_allclose(c, 3.0, rtol=1e-9)


# --- symmetry -------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("flip", [None, 0, 1, 2])
def test_mirrored_and_turned_tissue_gives_mirrored_and_turned_fields(axes: tuple[int, int, int], flip) -> None:
    lattice, rng = Lattice(10, 11, 12, 20.0), np.random.default_rng(4)
    names = ("c", "loss", "gain", "highest")
    arrays = {name: rng.random((10, 11, 12)) for name in names}

    def moved(field: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((field if flip is None else np.flip(field, flip)).transpose(axes))

    def solved(given_arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        shape = given_arrays["c"].shape
        flat = {name: array.ravel() * (1.0 if name == "c" else STRENGTH) for name, array in given_arrays.items()}
        stepped, steady = flat["c"].copy(), flat["c"].copy()
        Diffusion(Lattice(*shape, 20.0), OXYGEN, 1e-5).step(stepped, flat["loss"], flat["gain"], ALONE)
        tissue = Tissue(flat["loss"], flat["gain"], flat["highest"], 1.0)
        SteadyField(Lattice(*shape, 20.0), OXYGEN).solve(steady, tissue, ALONE, 1e-13)
        return stepped.reshape(shape), steady.reshape(shape)

    assert lattice.voxels == arrays["c"].size
    here = solved(arrays)
    there = solved({name: moved(array) for name, array in arrays.items()})
    np.testing.assert_allclose(there[0], moved(here[0]), rtol=1e-13)
    np.testing.assert_allclose(there[1], moved(here[1]), rtol=1e-9)


def test_equal_slices_are_one_slice() -> None:
    flat, deep, rng = Lattice(1, 21, 30, 20.0), Lattice(6, 21, 30, 20.0), np.random.default_rng(5)
    arrays = [rng.random(flat.voxels) * scale for scale in (1.0, STRENGTH, STRENGTH, STRENGTH)]
    walls = Walls(x_low=0.3, y_high=1.0)

    def solved(lattice: Lattice, c, loss, gain, highest) -> tuple[np.ndarray, np.ndarray]:
        stepped, steady = c.copy(), c.copy()
        Diffusion(lattice, OXYGEN, 1e-5, walls).step(stepped, loss, gain, ALONE)
        SteadyField(lattice, OXYGEN, walls).solve(steady, Tissue(loss, gain, highest, 1.0), ALONE, 1e-13)
        return stepped, steady

    one, many = solved(flat, *arrays), solved(deep, *(np.tile(array, 6) for array in arrays))
    np.testing.assert_allclose(many[0], np.tile(one[0], 6), rtol=1e-13)
    np.testing.assert_allclose(many[1], np.tile(one[1], 6), rtol=1e-10)


# --- oxygen ---------------------------------------------------------------------------------


def oxygen(lattice: Lattice, seed: int = 0, vessels: float = 0.01) -> Tissue:
    """Tissue around few vessels: 60 mmHg in blood, uptake that leaves parts of it without oxygen."""
    rng = np.random.default_rng(seed)
    supply = 2.0 * STRENGTH * (rng.random(lattice.voxels) < vessels)
    supply[0] = STRENGTH
    return Tissue(supply, 60.0 * supply, 8e5 * (0.5 + rng.random(lattice.voxels)), 1.5)


@pytest.mark.parametrize("shape", [(1, 24, 25), (9, 10, 11)])
@pytest.mark.parametrize("start", [0.0, 60.0, 1e4])
def test_oxygen_is_that_of_brute_force(shape: tuple[int, int, int], start: float) -> None:
    lattice = Lattice(*shape, 20.0)
    tissue = oxygen(lattice)
    exact = twins.steady_with_uptake(lattice, OXYGEN, tissue.loss, tissue.gain, tissue.highest, tissue.half)
    assert exact.min() < tissue.half < exact.max()  # from starved to fed
    c = np.full(lattice.voxels, start)
    ended = SteadyField(lattice, OXYGEN).solve(c, tissue, ALONE, 1e-11)
    print(f"\noxygen from {start:g} mmHg: {ended.cycles} cycles, {np.max(np.abs(c - exact)):.1e} mmHg")
    assert ended.converged
    assert np.max(np.abs(c - exact)) < 1e-7


def test_oxygen_in_time_goes_to_its_steady_state() -> None:
    """Uptake about the last iterate in small steps: what stays is the splitting, which falls with the step."""
    lattice = Lattice(1, 16, 17, 20.0)
    tissue = oxygen(lattice, 2, 0.03)
    steady = np.zeros(lattice.voxels)
    SteadyField(lattice, OXYGEN).solve(steady, tissue, ALONE, 1e-12)
    uptake, loss, gain, none = (np.zeros(lattice.voxels) for _ in range(4))
    errors = []
    for dt in (4e-7, 2e-7):
        c, stepper = steady.copy(), Diffusion(lattice, OXYGEN, dt)
        for _ in range(round(4e-4 / dt)):
            diffusion.fill_uptake(uptake, c, tissue.half, tissue.highest, 0, c.size)
            diffusion.fill_reaction(loss, gain, Exchange(uptake, tissue.loss, none, 0.0, 60.0), 0, c.size)
            stepper.step(c, loss, gain, ALONE)
        errors.append(np.max(np.abs(c - steady)))
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.15)


def test_no_uptake_and_uptake_of_zero_are_the_same_bits() -> None:
    lattice = Lattice(5, 6, 7, 20.0)
    tissue = oxygen(lattice)
    none = np.zeros(lattice.voxels)
    a, b = none.copy(), none.copy()
    SteadyField(lattice, OXYGEN, NO_FLUX).solve(a, tissue._replace(highest=none, half=1.5), ALONE)
    SteadyField(lattice, OXYGEN, NO_FLUX).solve(b, tissue._replace(highest=none, half=900.0), ALONE)
    np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_moved_vessel_takes_few_cycles(capsys: pytest.CaptureFixture[str]) -> None:
    """At 96³, from the field of an hour ago: the error after one, two and three cycles."""
    lattice = Lattice(96, 96, 96, 20.0)
    before, rng = oxygen(lattice, 3, 0.02), np.random.default_rng(6)
    solver, c = SteadyField(lattice, OXYGEN), np.zeros(lattice.voxels)
    solver.solve(c, before, ALONE, 1e-9)
    cells = before.highest * (rng.random(lattice.voxels) > 0.02)  # one cell in fifty died or moved
    supply = before.loss * (rng.random(lattice.voxels) > 0.01)
    after = Tissue(supply, 60.0 * supply, cells, before.half)
    exact = c.copy()
    assert solver.solve(exact, after, ALONE, 1e-11).converged
    errors = [np.mean(np.abs(c - exact))]
    for _ in range(3):
        solver.solve(c, after, ALONE, 0.0, cycles_at_most=1)
        errors.append(np.mean(np.abs(c - exact)))
    with capsys.disabled():
        print("\nmean error in mmHg after 0, 1, 2, 3 cycles: " + ", ".join(f"{error:.2g}" for error in errors))
    assert errors[1] < 0.1
    assert errors[2] < 0.3 * errors[1]
