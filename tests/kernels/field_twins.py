"""Fields a second time, in plain NumPy and SciPy: full matrices, one voxel and one colour at a time."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from tumorsim.lattice.fields import NO_FLUX, Lattice, Walls

Floats = np.ndarray


def faces(walls: Walls) -> list[list[float | None]]:
    """Low and high face of z, y, x, the order of array axes."""
    return [[walls.z_low, walls.z_high], [walls.y_low, walls.y_high], [walls.x_low, walls.x_high]]


def line_matrix(n: int, pair: list[float | None]) -> Floats:
    """Second differences of one axis, in units of the spacing; a fixed value lies half a spacing away."""
    matrix = np.zeros((n, n))
    for i in range(n):
        for j in (i - 1, i + 1):
            if 0 <= j < n:
                matrix[i, j] += 1.0
                matrix[i, i] -= 1.0
            elif pair[0 if j < i else 1] is not None:
                matrix[i, i] -= 2.0
    return matrix


def line_inflow(n: int, pair: list[float | None]) -> Floats:
    inflow = np.zeros(n)
    inflow[0] += 2.0 * (pair[0] or 0.0)
    inflow[-1] += 2.0 * (pair[1] or 0.0)
    return inflow


def spread(inflow: Floats, axis: int) -> Floats:
    return inflow.reshape([-1 if a == axis else 1 for a in range(3)])


def step(
    c: Floats, loss: Floats, gain: Floats, dt: float, lattice: Lattice, diffusivity: float, walls: Walls
) -> Floats:
    """One time step: reaction, then a full solve along x, y and z."""
    shape = (lattice.nz, lattice.ny, lattice.nx)
    ratio = diffusivity * dt / lattice.spacing**2
    field = ((c + dt * gain) / (1.0 + dt * loss)).reshape(shape)
    for axis in (2, 1, 0):
        n, pair = shape[axis], faces(walls)[axis]
        matrix = np.eye(n) - ratio * line_matrix(n, pair)
        field = field + ratio * spread(line_inflow(n, pair), axis)
        field = np.moveaxis(np.linalg.solve(matrix, np.moveaxis(field, axis, 0).reshape(n, -1)).reshape(
            [n, *(shape[a] for a in range(3) if a != axis)]), 0, axis)  # fmt: skip
    return field.ravel()


def operator(lattice: Lattice, diffusivity: float, walls: Walls = NO_FLUX) -> tuple[sparse.csr_array, Floats]:
    """Diffusion as a sparse matrix, 1/day, and what fixed faces bring, concentration/day."""
    shape = (lattice.nz, lattice.ny, lattice.nx)
    strength = diffusivity / lattice.spacing**2
    matrix = sparse.csr_array((lattice.voxels, lattice.voxels))
    inflow = np.zeros(shape)
    for axis in range(3):
        factors = [sparse.eye_array(n) for n in shape]
        factors[axis] = sparse.csr_array(line_matrix(shape[axis], faces(walls)[axis]))
        matrix = matrix + strength * sparse.kron(sparse.kron(factors[0], factors[1]), factors[2])
        inflow = inflow + strength * spread(line_inflow(shape[axis], faces(walls)[axis]), axis)
    return sparse.csr_array(matrix), inflow.ravel()


def steady(lattice: Lattice, diffusivity: float, loss: Floats, gain: Floats, walls: Walls = NO_FLUX) -> Floats:
    """Steady state by a direct solve."""
    matrix, inflow = operator(lattice, diffusivity, walls)
    return spsolve(sparse.csc_array(sparse.diags_array(loss) - matrix), gain + inflow)


def steady_with_uptake(
    lattice: Lattice, diffusivity: float, loss: Floats, gain: Floats, highest: Floats, half: float,
    walls: Walls = NO_FLUX,
) -> Floats:  # fmt: skip
    """Steady state with saturable uptake by brute force: the rate of the last iterate, a direct solve, again."""
    c = np.full(lattice.voxels, 1e3)
    for _ in range(2000):
        before, c = c, steady(lattice, diffusivity, loss + highest / (c + half), gain, walls)
        if np.max(np.abs(c - before)) < 1e-13 * np.max(c):
            return c
    raise AssertionError("the brute-force solution did not settle")


# --- the parts of a multigrid cycle -----------------------------------------------------


def level_matrix(hierarchy, level: int) -> sparse.csr_array:
    """Off-diagonal couplings of one level, from its packed lines."""
    along = [int(n) for n in hierarchy.shape[level]]
    lines = []
    for axis, n in enumerate(along):
        at = hierarchy.edge[level, axis]
        below, above = hierarchy.below[at : at + n], hierarchy.above[at : at + n]
        lines.append(sparse.diags_array([below[1:], above[:-1]], offsets=[-1, 1], shape=(n, n)))
    x, y, z = (sparse.eye_array(n) for n in along)
    return sparse.csr_array(
        sparse.kron(sparse.kron(z, y), lines[0])
        + sparse.kron(sparse.kron(z, lines[1]), x)
        + sparse.kron(sparse.kron(lines[2], y), x)
    )


def per_voxel(hierarchy, level: int, name: str) -> Floats:
    """Sum over the axes of a packed line, for each voxel of a level."""
    along = [int(n) for n in hierarchy.shape[level]]
    total = np.zeros(along[::-1])
    for axis, n in enumerate(along):
        at = hierarchy.edge[level, axis]
        total = total + spread(getattr(hierarchy, name)[at : at + n], 2 - axis)
    return total.ravel()


def parity(hierarchy, level: int) -> Floats:
    nx, ny, nz = (int(n) for n in hierarchy.shape[level])
    z, y, x = np.indices((nz, ny, nx))
    return ((x + y + z) % 2).ravel()


def smoothed(value: Floats, right: Floats, inverse: Floats, hierarchy, level: int) -> Floats:
    """One red-black sweep."""
    matrix, colour, value = level_matrix(hierarchy, level), parity(hierarchy, level), value.copy()
    for now in (0, 1):
        value = np.where(colour == now, inverse * (right + matrix @ value), value)
    return value


def averaging(hierarchy, level: int) -> sparse.csr_array:
    """Means over the fine voxels of each coarse one, by volume."""
    along = [int(n) for n in hierarchy.shape[level]]
    factors = []
    for axis, n in enumerate(along):
        at = hierarchy.edge[level, axis]
        fill = hierarchy.fill[at : at + n]
        factors.append(sparse.csr_array((fill, (np.arange(n) // 2, np.arange(n))), shape=((n + 1) // 2, n)))
    return sparse.csr_array(sparse.kron(sparse.kron(factors[2], factors[1]), factors[0]))


def centres(n: int, level: int) -> tuple[Floats, Floats]:
    """Centres and widths of the voxels of one level along an axis of ``n`` voxels, in fine spacings."""
    edges = np.minimum(np.arange(0, n + 2**level, 2**level), n).astype(float)
    edges = edges[: np.searchsorted(edges, n) + 1]
    return 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)


def interpolation(along: tuple[int, int, int], level: int, walls: Walls) -> sparse.csr_array:
    """Linear between centres, level by axis; to zero at a fixed face, flat at one without flux."""
    factors = []
    for axis, n in enumerate(along):
        fine, coarse = centres(n, level)[0], centres(n, level + 1)[0]
        pair = faces(walls)[2 - axis]
        points = np.concatenate([[0.0] if pair[0] is not None else [], coarse, [n] if pair[1] is not None else []])
        columns = []
        for j in range(coarse.size):
            values = np.zeros(points.size)
            values[j + (pair[0] is not None)] = 1.0
            columns.append(np.interp(fine, points, values))
        factors.append(sparse.csr_array(np.stack(columns, axis=1)))
    return sparse.csr_array(sparse.kron(sparse.kron(factors[2], factors[1]), factors[0]))
