"""Kernels of the fields: each equals its plain twin, at any number of threads, with and without the compiler."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import field_twins as twins
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorsim.kernels import diffusion, multigrid, steady
from tumorsim.kernels.diffusion import Axis, Exchange
from tumorsim.kernels.steady import Tissue
from tumorsim.lattice import crew as crews
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import NO_FLUX, Diffusion, FieldError, Lattice, SteadyField, Walls, slabs

EXACT = 1e-12
OXYGEN = 2.4e8  # um2/day
MIXED = Walls(x_low=1.5, y_high=0.0, z_low=3.0)
SHAPES = [(1, 1, 5), (2, 131, 3), (1, 27, 30), (5, 6, 7), (26, 2, 49), (3, 50, 1), (1, 1, 1)]


def some(lattice: Lattice, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Concentration, loss, gain and highest uptake of random tissue with a few strong vessels."""
    rng = np.random.default_rng(seed)
    n, strength = lattice.voxels, OXYGEN / lattice.spacing**2
    vessels = strength * 3.0 * (rng.random(n) < 0.05)
    loss = 0.01 * strength * rng.random(n) + vessels
    return 40.0 * rng.random(n), loss, 40.0 * vessels + strength * rng.random(n), strength * rng.random(n)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected)) / max(np.max(np.abs(expected)), 1e-300))


# --- laws -------------------------------------------------------------------------------


def test_uptake_and_its_tangent() -> None:
    c, half, highest = 3.0, 2.0, 7.0
    uptake = highest * c / (c + half)
    assert diffusion.uptake_rate(c, half, highest) * c == pytest.approx(uptake, rel=1e-15)
    saturation = c / (c + half)
    slope = steady.uptake_slope(saturation, half, highest)
    ahead, back = (highest * (c + h) / (c + h + half) for h in (1e-5, -1e-5))
    assert slope == pytest.approx((ahead - back) / 2e-5, rel=1e-9)
    assert steady.uptake_beyond(saturation, highest) == pytest.approx(uptake - slope * c, rel=1e-14)
    # below zero the law goes on as its tangent at zero
    assert diffusion.uptake_rate(-5.0, half, highest) == steady.uptake_slope(0.0, half, highest) == 3.5
    assert steady.uptake_beyond(0.0, highest) == 0.0


def test_a_strong_loss_is_held_by_what_neighbours_can_bring() -> None:
    assert steady.held_loss(1e-9, 1.0) == pytest.approx(1e-9, rel=1e-8)
    assert steady.held_loss(1e12, 1.0) == pytest.approx(steady.REACH, rel=1e-8)
    assert steady.held_loss(5.0, 0.0) == 5.0  # a lattice of one voxel has no neighbours


def test_exchange_fills_loss_and_gain() -> None:
    rng = np.random.default_rng(1)
    uptake, supply, secretion, c, highest = rng.random((5, 40))
    loss, gain = np.full(40, -1.0), np.full(40, -1.0)
    diffusion.fill_reaction(loss, gain, Exchange(uptake, supply, secretion, 0.3, 95.0), 0, 17)
    diffusion.fill_reaction(loss, gain, Exchange(uptake, supply, secretion, 0.3, 95.0), 17, 40)
    np.testing.assert_allclose(loss, 0.3 + uptake + supply, rtol=EXACT)
    np.testing.assert_allclose(gain, secretion + supply * 95.0, rtol=EXACT)
    rate = np.full(40, -1.0)
    diffusion.fill_uptake(rate, c, 0.7, highest, 0, 39)
    np.testing.assert_allclose(rate[:39], (highest / (c + 0.7))[:39], rtol=EXACT)
    assert rate[39] == -1.0


# --- a step in time -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("walls", [NO_FLUX, MIXED])
@pytest.mark.parametrize("dt", [1e-7, 1e-3])
def test_a_step_equals_its_twin(shape: tuple[int, int, int], walls: Walls, dt: float) -> None:
    lattice = Lattice(*shape, 20.0)
    c, loss, gain, _ = some(lattice)
    expected = twins.step(c, loss, gain, dt, lattice, OXYGEN, walls)
    with Crew() as crew:
        Diffusion(lattice, OXYGEN, dt, walls).step(c, loss, gain, crew)
    assert relative(c, expected) < EXACT


@pytest.mark.parametrize("ratio", [1e-3, 1.0, 261.0, 1e6])
@pytest.mark.parametrize("wall", [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0)])
def test_factors_are_exact_and_keep_every_bit_of_mass(ratio: float, wall: tuple[float, float]) -> None:
    """In exact fractions, with the rounded share that is passed on: what is kept makes up for the rest."""
    n = 150
    axis = Axis(np.empty(n), np.empty(n), np.empty(n))
    diffusion.factor_axis(axis, ratio, np.array(wall), np.array([5.0, 7.0]))
    matrix = np.diag(1.0 - ratio * np.diag(twins.line_matrix(n, [0.0 if w else None for w in wall])))
    assert axis.inflow[0] == ratio * wall[0] * 5.0
    assert axis.inflow[-1] == ratio * wall[1] * 7.0
    gathered, before, worst = Fraction(0), Fraction(0), 0.0
    diagonal = np.diag(matrix)
    pivot = 0.0
    for i in range(n):
        pivot = diagonal[i] - (ratio**2 / pivot if i else 0.0)
        assert axis.kept[i] == pytest.approx(1.0 / pivot, rel=2e-9 if ratio > 1e3 else EXACT)  # the plain way cancels
        own = 1 + Fraction(ratio) * Fraction((wall[0] if i == 0 else 0.0) + (wall[1] if i == n - 1 else 0.0))
        gathered = own + before * gathered
        before = Fraction(float(axis.passed[i]))
        worst = max(worst, abs(float(gathered * Fraction(float(axis.kept[i])) / (1 - before) - 1)))
    assert axis.passed[-1] == 0.0
    assert worst < 4 * np.finfo(float).eps


# --- parts of a multigrid cycle -------------------------------------------------------------


def started(shape: tuple[int, int, int], walls: Walls = MIXED) -> tuple[SteadyField, np.ndarray, Tissue, Crew]:
    lattice = Lattice(*shape, 20.0)
    c, loss, gain, highest = some(lattice, 3)
    return SteadyField(lattice, OXYGEN, walls), c, Tissue(loss, gain, highest, 2.0), Crew()


@pytest.mark.parametrize("shape", SHAPES)
def test_couplings_are_those_of_finite_volumes(shape: tuple[int, int, int]) -> None:
    """Conductance between centres over the volume; half a voxel to a fixed face."""
    solver, *_ = started(shape)
    h, strength = solver.hierarchy, OXYGEN / 400.0
    for level in range(h.shape.shape[0]):
        for axis, n in enumerate(shape[::-1]):
            middle, width = twins.centres(n, level)
            at = h.edge[level, axis]
            line = slice(at, at + h.shape[level, axis])
            assert h.shape[level, axis] == middle.size
            np.testing.assert_allclose(h.above[line][:-1], strength / np.diff(middle) / width[:-1], rtol=EXACT)
            np.testing.assert_allclose(h.below[line][1:], strength / np.diff(middle) / width[1:], rtol=EXACT)
            assert h.below[line][0] == h.above[line][-1] == 0.0
            low, high = twins.faces(MIXED)[2 - axis]
            wall = np.zeros(middle.size)
            wall[0] += 0.0 if low is None else strength / (0.5 * width[0]) / width[0]
            wall[-1] += 0.0 if high is None else strength / (0.5 * width[-1]) / width[-1]
            np.testing.assert_allclose(h.own[line], h.below[line] + h.above[line] + wall, rtol=EXACT)
    matrix, inflow = twins.operator(solver.lattice, OXYGEN, MIXED)
    fine = twins.level_matrix(h, 0)
    np.testing.assert_allclose((fine - matrix).diagonal(), twins.per_voxel(h, 0, "own"), rtol=EXACT)
    np.testing.assert_allclose(twins.per_voxel(h, 0, "inflow"), inflow, rtol=EXACT)


@pytest.mark.parametrize("shape", SHAPES)
def test_coefficients_equal_their_twins(shape: tuple[int, int, int]) -> None:
    solver, c, tissue, crew = started(shape)
    h, sizes = solver.hierarchy, solver.hierarchy.shape.prod(axis=1)
    residual = solver._linearise(c, tissue, crew)
    rate = tissue.highest / (c + tissue.half)
    slope = rate * tissue.half / (c + tissue.half)
    _, inflow = twins.operator(solver.lattice, OXYGEN, MIXED)
    right = tissue.gain + inflow - (rate - slope) * c
    assert relative(h.right[: sizes[0]], right) < EXACT
    sink = tissue.loss + slope
    for level in range(sizes.size):
        own = twins.per_voxel(h, level, "own")
        inverse = h.inverse[h.offset[level] :][: sizes[level]]
        assert relative(inverse, 1.0 / (own + sink)) < EXACT
        reach = steady.REACH * own
        with np.errstate(invalid="ignore"):
            sink = twins.averaging(h, level) @ np.where(reach > 0.0, sink * reach / (sink + reach), sink)
    matrix, _ = twins.operator(solver.lattice, OXYGEN, MIXED)
    left = tissue.gain + inflow + matrix @ c - (tissue.loss + rate) * c
    assert residual == pytest.approx(np.linalg.norm(left) / np.linalg.norm(tissue.gain + inflow), rel=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_parts_of_a_cycle_equal_their_twins(shape: tuple[int, int, int]) -> None:
    solver, c, tissue, crew = started(shape)
    h, sizes = solver.hierarchy, solver.hierarchy.shape.prod(axis=1)
    solver._linearise(c, tissue, crew)
    rng = np.random.default_rng(4)
    for level in range(sizes.size - 1):
        value = multigrid.values_of(c, h.value, h.offset, h.shape, level)  # a view
        value[:] = rng.random(sizes[level])
        right = h.right[h.offset[level] :][: sizes[level]]
        right[:] = OXYGEN / 400.0 * rng.random(sizes[level])
        inverse = h.inverse[h.offset[level] :][: sizes[level]]
        expected = twins.smoothed(value, right, inverse, h, level)
        pieces = slabs(int(h.shape[level, 2]))
        multigrid.traverse(c, h, level, multigrid.SWEEP, 0, 0, pieces)
        assert relative(value, expected) < EXACT

        expected = twins.smoothed(value, right, inverse, h, level)
        below = multigrid.values_of(c, h.value, h.offset, h.shape, level + 1)
        below[:] = np.nan
        multigrid.traverse(c, h, level, multigrid.DOWN, 0, 0, pieces)
        assert relative(value, expected) < EXACT
        left = right + twins.level_matrix(h, level) @ value - value / inverse
        target = h.right[h.offset[level + 1] :][: sizes[level + 1]]
        scale = np.max(np.abs(value / inverse))
        assert np.max(np.abs(target - twins.averaging(h, level) @ left)) < EXACT * scale
        assert not below.any()

        below[:] = rng.random(sizes[level + 1])
        expected = value + twins.interpolation(shape[::-1], level, MIXED) @ below
        multigrid.traverse(c, h, level, multigrid.UP, 0, 0, pieces)
        assert relative(value, twins.smoothed(expected, right, inverse, h, level)) < EXACT


def test_a_cycle_is_its_parts_in_order() -> None:
    """Down: smooth, restrict; the deepest exactly; up: correct, smooth. In matrices, on linear tissue."""
    solver, c, tissue, crew = started((5, 6, 7))
    h, along = solver.hierarchy, (7, 6, 5)
    tissue = tissue._replace(highest=np.zeros(c.size))
    solver._linearise(c, tissue, crew)
    sizes = h.shape.prod(axis=1)

    def cycle(value: np.ndarray, right: np.ndarray, level: int) -> np.ndarray:
        inverse = h.inverse[h.offset[level] :][: sizes[level]]
        if level == sizes.size - 1:
            return inverse * right
        value = twins.smoothed(value, right, inverse, h, level)
        left = right + twins.level_matrix(h, level) @ value - value / inverse
        below = cycle(np.zeros(sizes[level + 1]), twins.averaging(h, level) @ left, level + 1)
        value = value + twins.interpolation(along, level, MIXED) @ below
        return twins.smoothed(value, right, inverse, h, level)

    expected = cycle(c, h.right[: sizes[0]].copy(), 0)
    solver._cycle(c, crew)
    assert relative(c, expected) < EXACT


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("walls", [NO_FLUX, MIXED])
def test_the_steady_state_is_that_of_a_direct_solve(shape: tuple[int, int, int], walls: Walls) -> None:
    lattice = Lattice(*shape, 20.0)
    c, loss, gain, _ = some(lattice, 5)
    loss += OXYGEN / 400.0 * 1e-3
    with Crew() as crew:
        ended = SteadyField(lattice, OXYGEN, walls).solve(
            c, Tissue(loss, gain, np.zeros(c.size), 1.0), crew, tolerance=1e-12
        )
    assert ended.converged
    assert ended.residual <= 1e-12
    assert relative(c, twins.steady(lattice, OXYGEN, loss, gain, walls)) < 1e-9


@pytest.mark.parametrize("strength", [0.1, 1.0, 1e4])
@pytest.mark.parametrize("shape", [(1, 45, 52), (20, 21, 23)])
def test_vessels_of_any_strength_converge(shape: tuple[int, int, int], strength: float) -> None:
    """One voxel in fifty is a vessel; at 1e4 its oxygen is fixed in all but name."""
    lattice = Lattice(*shape, 20.0)
    rng = np.random.default_rng(6)
    vessels = strength * OXYGEN / 400.0 * (rng.random(lattice.voxels) < 0.02)
    c = np.zeros(lattice.voxels)
    with Crew() as crew:
        ended = SteadyField(lattice, OXYGEN).solve(
            c, Tissue(vessels, 40.0 * vessels, np.full(c.size, OXYGEN / 400.0), 1.0), crew, tolerance=1e-8
        )
    print(f"\n{shape}, vessels {strength:g}: {ended.cycles} cycles to {ended.residual:.1e}")
    assert ended.converged
    assert ended.cycles <= 25
    assert c.min() > -1e-3
    assert c.max() <= 40.0 + 1e-6


# --- what holds a solve back ---------------------------------------------------------------


def test_a_start_from_the_solution_takes_no_cycle() -> None:
    solver, c, tissue, crew = started((6, 7, 8))
    assert solver.solve(c, tissue, crew, tolerance=1e-9).cycles > 1
    before = c.copy()
    again = solver.solve(c, tissue, crew, tolerance=1e-9)
    assert again.cycles == 0
    np.testing.assert_array_equal(c, before)


def test_too_few_cycles_are_told() -> None:
    solver, c, tissue, crew = started((6, 7, 8))
    ended = solver.solve(c, tissue, crew, tolerance=1e-9, cycles_at_most=1)
    assert not ended.converged
    assert ended.cycles == 1
    assert ended.residual > 1e-9


def test_no_tissue_at_all_is_in_balance() -> None:
    lattice = Lattice(4, 4, 4, 20.0)
    none, c = np.zeros(64), np.zeros(64)
    assert SteadyField(lattice, OXYGEN).solve(c, Tissue(none, none, none, 1.0), Crew()).converged
    assert not c.any()


def test_without_supply_a_field_vanishes() -> None:
    solver, c, tissue, crew = started((4, 5, 6), NO_FLUX)
    ended = solver.solve(c, tissue._replace(gain=np.zeros(c.size)), crew)
    assert ended.converged
    assert np.max(np.abs(c)) < 1e-9


@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 1, 1)])
def test_where_nothing_takes_up_a_field_evens_out_or_does_not_converge(shape: tuple[int, int, int]) -> None:
    solver, c, tissue, crew = started(shape, NO_FLUX)
    none, mean = np.zeros(c.size), c.mean()
    tissue = tissue._replace(loss=none, gain=none, highest=none)
    assert solver.solve(c, tissue, crew).converged
    np.testing.assert_allclose(c, c[0], rtol=1e-9)
    assert 0.5 * mean < c[0] < 2.0 * mean
    ended = solver.solve(c, tissue._replace(gain=none + 1.0), crew)
    assert not ended.converged
    assert np.isfinite(c).all()


def test_a_field_without_a_number_is_an_error() -> None:
    solver, c, tissue, crew = started((4, 5, 6))
    tissue.gain[17] = math.nan
    with pytest.raises(FieldError, match="not a number"):
        solver.solve(c, tissue, crew)


def test_wrong_arrays_and_numbers_are_refused() -> None:
    lattice = Lattice(2, 3, 4, 20.0)
    good = np.zeros(24)
    with pytest.raises(ValueError, match=r"gain is float64 \(23,\)"):
        Diffusion(lattice, 1.0, 1.0).step(good, good, good[:23], Crew())
    with pytest.raises(ValueError, match="loss is float32"):
        Diffusion(lattice, 1.0, 1.0).step(good, good.astype(np.float32), good, Crew())
    with pytest.raises(ValueError, match="c is float64"):
        SteadyField(lattice, 1.0).solve(np.zeros(48)[::2], Tissue(good, good, good, 1.0), Crew())
    with pytest.raises(ValueError, match="half uptake"):
        SteadyField(lattice, 1.0).solve(good, Tissue(good, good, good, 0.0), Crew())
    with pytest.raises(ValueError, match="at least one voxel"):
        Lattice(0, 3, 4, 20.0)
    with pytest.raises(ValueError, match="time step"):
        Diffusion(lattice, 1.0, math.nan)
    with pytest.raises(ValueError, match="diffusivity"):
        SteadyField(lattice, 0.0)


# --- the same bits -------------------------------------------------------------------------


def bits(shape: tuple[int, int, int], threads: int, walls: Walls = MIXED) -> str:
    """Digest of some steps and a steady state."""
    lattice = Lattice(*shape, 20.0)
    c, loss, gain, highest = some(lattice, 7)
    digest = hashlib.sha256()
    with Crew(threads) as crew:
        stepper = Diffusion(lattice, OXYGEN, 1e-5, walls)
        for _ in range(2):
            stepper.step(c, loss, gain, crew)
        digest.update(c.tobytes())
        ended = SteadyField(lattice, OXYGEN, walls, sweeps=2).solve(c, Tissue(loss, gain, highest, 2.0), crew, 1e-6)
    digest.update(c.tobytes())
    return digest.hexdigest() + f" {ended.cycles} {ended.residual.hex()}"


@pytest.mark.parametrize("shape", [(7, 26, 25), (2, 30, 31), (33, 6, 5), (1, 40, 40)])
def test_threads_change_no_bit(shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = bits(shape, 1)
    monkeypatch.setattr(crews, "ALONE", 0)
    monkeypatch.setattr("tumorsim.lattice.fields.SHARED_LEVEL", 8)
    assert [bits(shape, threads) for threads in (1, 2, 3, 8)] == [alone] * 4


@given(
    st.sampled_from([multigrid.DOWN, multigrid.UP, multigrid.SWEEP]), st.integers(1, 21),
    st.lists(st.integers(0, 5), max_size=6),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_pieces_of_a_pass_are_one_pass(way: int, planes: int, cuts: list[int]) -> None:
    """Down to pieces of one slab, and to a slab of one plane; whichever is done first."""
    solver, c, tissue, crew = started((planes, 5, 6))
    solver._linearise(c, tissue, crew)
    h, count, rng = solver.hierarchy, slabs(planes), np.random.default_rng(8)
    corrections, right = rng.random(h.value.size), h.right.copy()

    def passed(bounds: list[int]) -> bytes:
        mine = c.copy()
        h.value[:], h.right[:] = corrections, right
        for seam in (0, 1):
            for first, last in zip(bounds[-2::-1], bounds[:0:-1], strict=True):  # last piece first
                multigrid.traverse(mine, h, 0, way, seam, first, last)
        return mine.tobytes() + h.value.tobytes() + h.right.tobytes()

    assert passed(sorted({0, count, *(cut for cut in cuts if cut < count)})) == passed([0, count])


def test_a_failing_piece_is_an_error() -> None:
    def phase(first: int, last: int) -> None:
        if first > 0:
            raise ArithmeticError("in a thread")

    with Crew(2) as crew, pytest.raises(ArithmeticError, match="in a thread"):
        crew.run(phase, 4)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_without_the_compiler_and_with_bounds_checked_the_bits_are_the_same(how: str, tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    script = f"import sys; sys.path.insert(0, {here!r}); import test_diffusion as t; print(t.bits((4, 5, 27), 1))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {how: "1", "TUMORSIM_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == bits((4, 5, 27), 1)
