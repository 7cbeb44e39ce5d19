"""The fields of the lattice: a step in time, and steady oxygen from the field of an hour ago."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.limits import update
from benchmarks.timing import in_turn, own_seconds, ratio, seconds, spread
from tumorsim.kernels import multigrid, steady
from tumorsim.kernels.steady import Tissue
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import Diffusion, Lattice, SteadyField, slabs

SPACING = 20.0  # um
OXYGEN = 2.4e8  # um2/day, 2.8e-5 cm2/s
VEGF_HOUR = 261.0  # diffusivity x 1 h / spacing², VEGF
BLOOD, HALF = 60.0, 1.5  # mmHg
UPTAKE = 8e5  # mmHg/day in plenty: oxygen reaches some 100 um from a vessel
SWEEPS_AT_MOST = 400


def step(side: int, rounds: int) -> list[Figure]:
    """Implicit step of one field with loss and gain that differ from voxel to voxel.

    Beside it one reading and one writing of the same field by a loop that does nothing else: what the third-level
    cache allows, measured in the same rounds.
    """
    lattice, rng = Lattice(side, side, side, SPACING), np.random.default_rng(1)
    n = lattice.voxels
    c, loss, gain, moved = rng.random(n), rng.random(n), rng.random(n), rng.random(n)
    none, stepper = np.zeros(n), Diffusion(lattice, VEGF_HOUR * SPACING**2, 1.0)
    with Crew(1) as alone, Crew(2) as pair:
        works: dict[str, Any] = {
            "one": lambda: stepper.step(c, loss, gain, alone),
            "two": lambda: stepper.step(c, loss, gain, pair),
        }
        beside: dict[str, Any] = {"one": works["one"], "moved": lambda: update(moved, 0.0, 1)}
        for work in (*works.values(), *beside.values()):
            work()
        times, own = in_turn(works, rounds), in_turn(beside, rounds, own_seconds)
        before = math.fsum(c)
        for _ in range(20):
            stepper.step(c, none, none, alone)
        drift = abs(math.fsum(c) / before - 1.0)
    name, one = f"diffusion step, {side}³", statistics.median(own["one"])
    share, rough = ratio(own["moved"], own["one"])
    faster, noise = ratio(times["one"], times["two"])
    return [
        Figure(
            name, n / one / 1e6, "M voxels/s", drift, "reading and writing the field once", share, 0.25, 0.4,
            noise=rough, kernel="diffusion step", per_second=n / one,
        ),
        Figure(f"{name}, best of {rounds}", n / min(own["one"]) / 1e6, "M voxels/s"),
        Figure(
            f"{name}, 2 threads", n / statistics.median(times["two"]) / 1e6, "M voxels/s", drift, "1 thread",
            faster, 1.8, 1.9, noise=noise,
        ),
    ]  # fmt: skip


def tissue_of(lattice: Lattice, supply: np.ndarray, cells: np.ndarray) -> Tissue:
    """Vessel voxels exchange with blood, cells take up."""
    return Tissue(supply, BLOOD * supply, UPTAKE * cells, HALF)


def hours(lattice: Lattice) -> tuple[Tissue, Tissue]:
    """Tissue before and after an hour: one voxel in fifty a vessel; one cell in fifty gone, one vessel in a hundred."""
    rng = np.random.default_rng(2)
    supply = 2.0 * OXYGEN / SPACING**2 * (rng.random(lattice.voxels) < 0.02)
    cells = 0.5 + rng.random(lattice.voxels)
    later = supply * (rng.random(lattice.voxels) > 0.01), cells * (rng.random(lattice.voxels) > 0.02)
    return tissue_of(lattice, supply, cells), tissue_of(lattice, *later)


def oxygen(side: int, repeats: int) -> list[Figure]:
    """Steady oxygen from the field of an hour ago: time and mean error of one to three cycles, and of sweeps alone."""
    lattice = Lattice(side, side, side, SPACING)
    before, after = hours(lattice)
    solver, start = SteadyField(lattice, OXYGEN), np.zeros(lattice.voxels)
    figures = []
    with Crew(1) as alone, Crew(2) as pair:
        solver.solve(start, before, pair, 1e-10)
        exact = start.copy()
        solver.solve(exact, after, pair, 1e-11)

        def solved(cycles: int, crew: Crew) -> tuple[float, np.ndarray]:
            c = start.copy()
            return seconds(lambda: solver.solve(c, after, crew, 0.0, cycles_at_most=cycles)), c

        aged = mean_error(start, exact)
        for cycles in (1, 2, 3):
            one, two = [], []
            for _ in range(repeats):
                time, c = solved(cycles, alone)
                one.append(time)
                two.append(solved(cycles, pair)[0])
            name, took = (
                f"oxygen, {side}³, an hour old, {cycles} cycle{'s' if cycles > 1 else ''}",
                statistics.median(one),
            )
            faster, noise = ratio(one, two)
            error = mean_error(c, exact)
            figures += [
                Figure(name, took, "s", error, error_unit="mmHg mean", noise=spread(one)),
                Figure(f"{name}, 2 threads", statistics.median(two), "s", error, "1 thread", faster, noise=noise,
                       error_unit="mmHg mean"),
            ]  # fmt: skip
            if cycles == 1:
                figures += sweeps_alone(solver, start.copy(), after, exact, error, took)
    return [Figure(f"oxygen, {side}³, the field of an hour ago", aged, "mmHg off in the mean"), *figures]


def sweeps_alone(
    solver: SteadyField, c: np.ndarray, tissue: Tissue, exact: np.ndarray, error: float, ours: float
) -> list[Figure]:
    """Red-black sweeps of the same kernel without coarse lattices, to the error of one cycle."""
    h, norms = solver.hierarchy, np.zeros((int(solver.hierarchy.shape[1, 2]), 2))
    pieces = slabs(solver.lattice.nz)
    spent, sweeps, swept = 0.0, 0, 0.0
    while mean_error(c, exact) > error and sweeps < SWEEPS_AT_MOST:
        spent += seconds(lambda: steady.linearise(c, h, tissue, norms, 0, norms.shape[0]))
        for _ in range(10):
            swept += seconds(lambda: multigrid.traverse(c, h, 0, multigrid.SWEEP, 0, 0, pieces))
            sweeps += 1
    rate = sweeps * solver.lattice.voxels / swept if swept else 0.0
    return [
        Figure(
            f"the same error by {sweeps} sweeps alone", spent + swept, "s", mean_error(c, exact),
            error_unit="mmHg mean", kernel="smoothing sweep" if sweeps else None, per_second=rate,
        ),
        Figure("one cycle against sweeps alone", ours, "s", error, "sweeps alone", (spent + swept) / ours,
               error_unit="mmHg mean"),
    ]  # fmt: skip


def mean_error(c: np.ndarray, exact: np.ndarray) -> float:
    """Mean absolute error, in the unit of the field."""
    return float(np.mean(np.abs(c - exact)))


def fields(quick: bool, repeats: int) -> list[Figure]:
    """All figures of the fields."""
    return step(100, 5 * repeats) + oxygen(64 if quick else 144, repeats)
