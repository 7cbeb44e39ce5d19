"""The fields of the lattice: a step in time, and steady oxygen from the field of an hour ago.

``python -m benchmarks.fields [--quick]``; also part of ``python -m benchmarks``.
"""

from __future__ import annotations

import argparse
import math
import statistics

import numpy as np

from benchmarks.figure import Figure, line, seconds
from benchmarks.machine import machine, peak_memory
from tumorsim.kernels import multigrid, steady
from tumorsim.kernels.steady import Tissue
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import Diffusion, Lattice, SteadyField

SPACING = 20.0  # um
OXYGEN = 2.4e8  # um2/day, 2.8e-5 cm2/s
VEGF_HOUR = 261.0  # diffusivity x 1 h / spacing², VEGF
BLOOD, HALF = 60.0, 1.5  # mmHg
UPTAKE = 8e5  # mmHg/day in plenty: oxygen reaches some 100 um from a vessel
SWEEPS_AT_MOST = 400


def step(side: int, repeats: int) -> list[Figure]:
    """Implicit step of one field with loss and gain that differ from voxel to voxel; a copy of it beside."""
    lattice, rng = Lattice(side, side, side, SPACING), np.random.default_rng(1)
    n = lattice.voxels
    c, loss, gain, copy = rng.random(n), rng.random(n), rng.random(n), np.zeros(n)
    none, stepper = np.zeros(n), Diffusion(lattice, VEGF_HOUR * SPACING**2, 1.0)
    one, two, moved = [], [], []
    with Crew(1) as alone, Crew(2) as pair:
        stepper.step(c, loss, gain, alone)  # warm
        for _ in range(repeats):
            one.append(seconds(lambda: stepper.step(c, loss, gain, alone)))
            two.append(seconds(lambda: stepper.step(c, loss, gain, pair)))
            moved.append(seconds(lambda: np.copyto(copy, c)))
        before = math.fsum(c)
        for _ in range(20):
            stepper.step(c, none, none, alone)
        drift = abs(math.fsum(c) / before - 1.0)
    rate = n / statistics.median(one) / 1e6
    share = statistics.median(a / b for a, b in zip(moved, one, strict=True))
    faster = statistics.median(a / b for a, b in zip(one, two, strict=True))
    return [
        Figure(f"implicit step, {side}³, best of {repeats}", n / min(one) / 1e6, "M voxels/s", drift),
        Figure(f"implicit step, {side}³, median", rate, "M voxels/s", drift, "copying the field once", share, 0.25),
        Figure(f"implicit step, {side}³, 2 threads", n / statistics.median(two) / 1e6, "M voxels/s", drift,
               "1 thread", faster, 1.8),
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
    """Steady oxygen from the field of an hour ago: time and error after one and more cycles, and by sweeps alone."""
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

        figures.append(Figure(f"oxygen {side}³, an hour old: mean error", mean_error(start, exact), "mmHg"))
        for cycles in (1, 2, 3):
            one, two = [], []
            for _ in range(repeats):
                time, c = solved(cycles, alone)
                one.append(time)
                two.append(solved(cycles, pair)[0])
            name, best = f"oxygen {side}³, {cycles} cycles", statistics.median(one)
            faster = statistics.median(a / b for a, b in zip(one, two, strict=True))
            figures += [
                Figure(f"{name}, median", best, "s"),
                Figure(f"{name}, best", min(one), "s"),
                Figure(f"{name}, 2 threads", statistics.median(two), "s", None, "1 thread", faster, 1.8),
                Figure(f"{name}: mean error", mean_error(c, exact), "mmHg"),
                Figure(f"{name}: largest error", float(np.max(np.abs(c - exact))), "mmHg"),
            ]
            if cycles == 1:
                figures += sweeps_alone(solver, start.copy(), after, exact, mean_error(c, exact), best)
    return figures


def sweeps_alone(
    solver: SteadyField, c: np.ndarray, tissue: Tissue, exact: np.ndarray, error: float, ours: float
) -> list[Figure]:
    """Red-black sweeps of the same kernel without coarse lattices, to the error of one cycle."""
    h, norms, planes = solver.hierarchy, np.zeros((int(solver.hierarchy.shape[1, 2]), 2)), solver.lattice.nz
    spent, sweeps = 0.0, 0
    while mean_error(c, exact) > error and sweeps < SWEEPS_AT_MOST:
        spent += seconds(lambda: steady.linearise(c, h, tissue, norms, 0, norms.shape[0]))
        for _ in range(10):
            spent += seconds(lambda: multigrid.smooth(c, h, 0, 0, planes))
        sweeps += 10
    peer = "one cycle, 1 thread"
    return [
        Figure("the same error by sweeps alone", spent, "s", None, peer, ours / spent),
        Figure("sweeps for it", float(sweeps), "sweeps"),
    ]


def mean_error(c: np.ndarray, exact: np.ndarray) -> float:
    """Mean absolute error, in the unit of the field."""
    return float(np.mean(np.abs(c - exact)))


def memory(side: int) -> list[Figure]:
    """What the steady solver keeps between solves."""
    lattice = Lattice(side, side, side, SPACING)
    kept = sum(array.nbytes for array in SteadyField(lattice, OXYGEN).hierarchy)
    return [Figure("kept by the steady solver", kept / lattice.voxels, "bytes/voxel")]


def fields(quick: bool) -> list[Figure]:
    """All figures of the fields."""
    repeats = 5 if quick else 15
    return step(100, 3 * repeats) + oxygen(72 if quick else 144, repeats) + memory(48)


def main() -> None:
    """Measure the fields alone and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fields", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller lattice and fewer repeats")
    found = machine()
    print(f"{found['cpu']}, {found['cores']} cores at hand, load {found['load']} at the start")
    for figure in fields(parser.parse_args().quick):
        print(line(figure))
    print(line(Figure("peak memory of this process", peak_memory(), "MiB")))


if __name__ == "__main__":
    main()
