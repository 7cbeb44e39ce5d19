"""Orders of the field solver in space and time, and its errors: the tables of docs/numerics/fields.md.

``python tests/analytic/fields_table.py`` prints them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

from tumorsim.kernels.steady import Tissue
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import Diffusion, Lattice, SteadyField, Walls

SIDE = 300.0  # um
DIFFUSIVITY = 2.4e8  # um2/day, oxygen
HALF, HIGHEST = 2.0, 3e5  # mmHg, mmHg/day
LOSS = 4e4  # 1/day
SOLVED = 1e-11


@dataclass(frozen=True)
class Order:
    """Errors against spacing (um) or time step (day), and the slope of their logarithms."""

    what: str
    steps: tuple[float, ...]
    errors: tuple[float, ...]
    slope: float


def order(what: str, steps: list[float], errors: list[float]) -> Order:
    slope = float(np.polyfit(np.log(steps), np.log(errors), 1)[0])
    return Order(what, tuple(steps), tuple(errors), slope)


def root_mean_square(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x * x)))


# --- a made-up solution: cosines meet faces without flux, a sine along the last axis meets fixed ones ---


@dataclass(frozen=True)
class Made:
    """Solution, its Laplacian, and tissue that differs from voxel to voxel."""

    c: np.ndarray
    laplacian: np.ndarray
    loss: np.ndarray
    highest: np.ndarray


def lattice_of(dimensions: int, n: int) -> Lattice:
    return Lattice(n if dimensions == 3 else 1, n, n, SIDE / n)


def walls_of(dimensions: int) -> Walls:
    return Walls(z_low=20.0, z_high=20.0) if dimensions == 3 else Walls(y_low=20.0, y_high=20.0)


def made(lattice: Lattice, dimensions: int, amplitude: float = 1.0) -> Made:
    """20 + cos(2 pi x/L) cos(pi y/L) sin(pi z/L), in 2-D without the middle factor, at the centres of voxels."""
    z, y, x = ((i + 0.5) * lattice.spacing / SIDE for i in np.indices((lattice.nz, lattice.ny, lattice.nx)))
    between, flat = (z, np.cos(math.pi * y)) if dimensions == 3 else (y, 1.0)
    wave = 10.0 * amplitude * np.cos(2.0 * math.pi * x) * flat * np.sin(math.pi * between)
    number = (2.0**2 + 1.0 + (1.0 if dimensions == 3 else 0.0)) * (math.pi / SIDE) ** 2
    loss = LOSS * (1.0 + np.sin(5.0 * x + 2.0 * y) ** 2)
    highest = HIGHEST * (1.0 + np.cos(3.0 * x - y) ** 2)
    return Made((20.0 + wave).ravel(), (-number * wave).ravel(), loss.ravel(), highest.ravel())


def steady_error(dimensions: int, n: int) -> float:
    """Root mean square error of the steady state with loss and saturable uptake that vary in space."""
    lattice = lattice_of(dimensions, n)
    known = made(lattice, dimensions)
    gain = known.loss * known.c + known.highest * known.c / (known.c + HALF) - DIFFUSIVITY * known.laplacian
    c = np.full(lattice.voxels, 20.0)
    with Crew() as crew:
        ended = SteadyField(lattice, DIFFUSIVITY, walls_of(dimensions)).solve(
            c, Tissue(known.loss, gain, known.highest, HALF), crew, SOLVED
        )
    assert ended.converged
    return root_mean_square(c - known.c)


def transient_error(dimensions: int, n: int, steps: int) -> float:
    """The same solution with an amplitude of exp(-t/tau), at the end of a tenth of the time diffusion takes.

    The gain is that of the end of each step, where the implicit reaction is taken.
    """
    lattice = lattice_of(dimensions, n)
    one = made(lattice, dimensions)
    end = 0.1 * SIDE**2 / (DIFFUSIVITY * math.pi**2)
    rate, dt = 3.0 / end, end / steps
    wave, loss = one.c - 20.0, one.loss
    c = one.c.copy()
    with Crew() as crew:
        stepper = Diffusion(lattice, DIFFUSIVITY, dt, walls_of(dimensions))
        for k in range(1, steps + 1):
            fading = math.exp(-rate * k * dt)
            gain = loss * (20.0 + fading * wave) - fading * (rate * wave + DIFFUSIVITY * one.laplacian)
            stepper.step(c, loss, gain, crew)
    return root_mean_square(c - (20.0 + math.exp(-rate * end) * wave))


def space_orders(sizes: dict[int, tuple[int, ...]]) -> list[Order]:
    """Order in space, steady and in time; in time the step falls with the square of the spacing."""
    rows = []
    for dimensions, along in sizes.items():
        spacings = [SIDE / n for n in along]
        rows.append(order(f"steady, {dimensions}-D, spacing", spacings, [steady_error(dimensions, n) for n in along]))
        errors = [transient_error(dimensions, n, n * n // 4) for n in along]
        rows.append(order(f"in time, {dimensions}-D, spacing, step ~ spacing²", spacings, errors))
    return rows


# --- order in time on one lattice ---


def time_order(dimensions: int, n: int, counts: tuple[int, ...]) -> Order:
    """Against the exact solution in time of the same lattice, by the exponential of its matrix."""
    from field_twins import operator

    lattice = lattice_of(dimensions, n)
    rng = np.random.default_rng(8)
    loss, c0 = LOSS * rng.random(lattice.voxels), 40.0 * rng.random(lattice.voxels)
    gain = loss * 40.0 * rng.random(lattice.voxels)
    walls = walls_of(dimensions)
    matrix, inflow = operator(lattice, DIFFUSIVITY, walls)
    whole = sparse.csr_array(matrix - sparse.diags_array(loss))
    end = 0.05 * SIDE**2 / (DIFFUSIVITY * math.pi**2)
    # the constant supply as one more unknown, so that one exponential gives all
    supply = sparse.csr_array((gain + inflow)[:, None])
    grown = sparse.csr_array(sparse.bmat([[whole, supply], [None, sparse.csr_array((1, 1))]]))
    exact = expm_multiply(grown * end, np.append(c0, 1.0), traceA=end * grown.diagonal().sum())[:-1]
    errors = []
    with Crew() as crew:
        for count in counts:
            stepper, c = Diffusion(lattice, DIFFUSIVITY, end / count, walls), c0.copy()
            for _ in range(count):
                stepper.step(c, loss, gain, crew)
            errors.append(root_mean_square(c - exact))
    return order(f"in time, {dimensions}-D, {n} voxels a side, step", [end / count for count in counts], errors)


# --- decay around sources ---


def plane_source(spacing: float, reach: float = 120.0, voxels: int = 4096) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, solution and exp(-|x|/reach) around one voxel that secretes, on a line."""
    n = voxels + 1
    lattice = Lattice(1, 1, n, spacing)
    loss = np.full(n, DIFFUSIVITY / reach**2)
    gain, c, none = np.zeros(n), np.zeros(n), np.zeros(n)
    gain[n // 2] = 2.0 * DIFFUSIVITY / reach / spacing  # flux that makes the peak one
    with Crew() as crew:
        SteadyField(lattice, DIFFUSIVITY).solve(c, Tissue(loss, gain, none, 1.0), crew, 1e-13)
    distance = np.abs(np.arange(n) - n // 2) * spacing
    return distance, c, np.exp(-distance / reach)


def point_source(n: int, spacing: float, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, solution and reach exp(-r/reach) / r around the middle voxel of a cube."""
    lattice = Lattice(n, n, n, spacing)
    loss = np.full(lattice.voxels, DIFFUSIVITY / reach**2)
    gain, c, none = (np.zeros(lattice.voxels) for _ in range(3))
    middle = (n // 2 * n + n // 2) * n + n // 2
    gain[middle] = 4.0 * math.pi * DIFFUSIVITY * reach / spacing**3
    with Crew() as crew:
        SteadyField(lattice, DIFFUSIVITY).solve(c, Tissue(loss, gain, none, 1.0), crew, 1e-12)
    z, y, x = np.indices((n, n, n)) - n // 2
    distance = spacing * np.sqrt(x * x + y * y + z * z).ravel()
    with np.errstate(divide="ignore"):
        return distance, c, reach * np.exp(-distance / reach) / distance


# --- mass ---


def mass_drift(kind: str, steps: int, ratio: float = 261.0, shape: tuple[int, int, int] = (20, 22, 24)) -> float:
    """Largest relative change of the sum over the run, without flux or sinks; 261 is VEGF over an hour."""
    lattice = Lattice(*shape, 20.0)
    n = lattice.voxels
    c = {"random": np.random.default_rng(2).random(n), "flat": np.full(n, 0.7), "point": np.eye(1, n, n // 3)[0]}[kind]
    c, none = c.copy(), np.zeros(n)
    before, worst = math.fsum(c), 0.0
    with Crew() as crew:
        stepper = Diffusion(lattice, ratio * 400.0, 1.0)
        for _ in range(steps):
            stepper.step(c, none, none, crew)
            worst = max(worst, abs(math.fsum(c) / before - 1.0))
    return worst


def text(rows: list[Order]) -> str:
    """Rows of a Markdown table."""
    return "\n".join(f"| {row.what} | {', '.join(f'{e:.2g}' for e in row.errors)} | {row.slope:.3f} |" for row in rows)


def main() -> None:
    rows = space_orders({2: (16, 32, 64, 128), 3: (16, 32, 64)})
    rows += [time_order(2, 24, (64, 128, 256, 512)), time_order(3, 12, (64, 128, 256, 512))]
    print("| what falls | errors | order |\n| --- | --- | --- |\n" + text(rows))
    for kind in ("random", "flat", "point"):
        print(f"mass, {kind}: largest relative drift in 1,000 steps {mass_drift(kind, 1000):.1e}")
    for spacing in (20.0, 10.0):
        distance, c, exact = plane_source(spacing)
        near = distance <= 600.0
        print(f"plane source, spacing {spacing:g}: largest error {np.max(np.abs(c - exact)[near]):.1e} of the peak")
    for n, spacing in ((49, 20.0), (97, 10.0)):
        distance, c, exact = point_source(n, spacing, 60.0)
        for low, high in ((60.0, 120.0), (120.0, 240.0)):
            at = (distance >= low) & (distance < high)
            worst = np.max(np.abs(c / exact - 1.0)[at])
            print(f"point source, spacing {spacing:g}: {worst:.1%} at {low:g}-{high:g} um")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.append(str(Path(__file__).parents[1] / "kernels"))
    main()
