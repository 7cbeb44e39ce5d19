"""Diffusion and reaction of one field in time: implicit, one axis after another (docs/numerics/fields.md).

A field lives on a regular lattice of ``nz`` x ``ny`` x ``nx`` voxels and is stored flat, x fastest; one
slice (``nz = 1``) is two-dimensional. A step takes the reaction, then x and y within each plane, then z
within columns of rows, each solved exactly. Every voxel is worked out from the same numbers in the same
order however the planes and rows are shared out, so that threads change no bit.

Source: Yanenko 1971, The Method of Fractional Steps (locally one-dimensional splitting).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import positive_part

Floats = NDArray[np.float64]

LANES = 128  # rows solved side by side along x at most: their tile stays in the second-level cache
COLUMN_VOXELS = 32768  # voxels of a block of rows through all planes: stays in the second-level cache


class Axis(NamedTuple):
    """Factored system of one axis (eq. F6), the same for every line along it; filled by `factor_axis`."""

    passed: Floats  # (n,) share of what has gathered in a voxel that goes on to the next; zero in the last
    kept: Floats  # (n,) concentration left in a voxel per amount gathered there
    inflow: Floats  # (n,) what a fixed value at a face adds in one step; zero elsewhere


class Axes(NamedTuple):
    """Factored systems of the three axes for one field and one time step."""

    x: Axis
    y: Axis
    z: Axis


class Exchange(NamedTuple):
    """What tissue does to a field (eq. F1)."""

    uptake: Floats  # (voxel,) 1/day
    supply: Floats  # (voxel,) exchange with blood, 1/day
    secretion: Floats  # (voxel,) concentration/day
    decay: float  # 1/day
    source: float  # concentration in blood


# --- laws ---------------------------------------------------------------------------


@kernel
def uptake_rate(c, half, highest):
    """Saturable uptake per concentration, 1/day (eq. F2): ``highest / (c + half)``; none is below zero.

    ``highest`` in concentration/day, ``half`` the concentration of half uptake.
    Source: Michaelis & Menten 1913, Biochem Z 49:333.
    """
    return highest / (positive_part(c) + half)


@kernel
def react(c, loss, gain, dt):
    """Concentration after an implicit step of reaction alone (eq. F5)."""
    return (c + dt * gain) / (1.0 + dt * loss)


@kernel(entry=True, borrows=True)
def fill_uptake(uptake, c, half, highest, first, last):
    """Uptake of each voxel from ``first`` to ``last`` (exclusive), linearised about ``c`` (eq. F2).

    Parameters
    ----------
    uptake
        (voxel,) 1/day, filled in place.
    c
        (voxel,) concentration.
    half
        Concentration of half uptake.
    highest
        (voxel,) uptake in plenty, concentration/day.
    first, last
        Range of voxels.
    """
    rates, values, most = uptake[first:last], c[first:last], highest[first:last]
    for i in range(rates.size):
        rates[i] = uptake_rate(values[i], half, most[i])


@kernel(entry=True, borrows=True)
def fill_reaction(loss, gain, exchange, first, last):
    """Loss (1/day) and gain (concentration/day) of the voxels from ``first`` to ``last`` (eq. F3).

    Parameters
    ----------
    loss, gain
        (voxel,), filled in place.
    exchange
        `Exchange`.
    first, last
        Range of voxels.
    """
    losses, gains = loss[first:last], gain[first:last]
    uptake, supply, secretion = exchange.uptake[first:last], exchange.supply[first:last], exchange.secretion[first:last]
    for i in range(losses.size):
        losses[i] = exchange.decay + uptake[i] + supply[i]
        gains[i] = secretion[i] + supply[i] * exchange.source


# --- one axis -----------------------------------------------------------------------


@kernel(entry=True, borrows=True)
def factor_axis(axis, ratio, wall, value):
    """Factor the implicit system of one axis (eqs. F6 and F7).

    Mass is kept only if the shares that are passed on and kept add up to one in every voxel, to the last
    digits. So nothing is subtracted but ``passed`` from one, and ``kept`` is worked out from ``passed`` as it
    was rounded. The textbook recurrence, which subtracts nearly equal numbers, loses mass in every step.

    Source: Grassmann, Taksar & Heyman 1985, Oper Res 33:1107 (elimination without subtraction).

    Parameters
    ----------
    axis
        `Axis`, filled in place.
    ratio
        Diffusivity x time step / spacing squared.
    wall
        (2,) conductance of the low and the high face against that between two voxels: 0 no flux, 2 a
        value fixed at the face itself.
    value
        (2,) the values fixed there.
    """
    passed, kept, inflow = axis.passed, axis.kept, axis.inflow
    n = passed.size
    gathered, before = 0.0, 0.0  # amount that gathers in a voxel when each holds one
    for i in range(n):
        low = wall[0] if i == 0 else 0.0
        high = wall[1] if i == n - 1 else 0.0
        inflow[i] = ratio * (low * value[0] + high * value[1])
        gathered = 1.0 + ratio * (low + high) + before * gathered
        before = ratio / (gathered + ratio) if i < n - 1 else 0.0
        passed[i] = before
        kept[i] = (1.0 - before) / gathered


@kernel(borrows=True)
def gather(row, before, inflow, passed):
    """Elimination of one row of voxels, side by side (eq. F8)."""
    for i in range(row.size):
        row[i] = (row[i] + inflow) + passed * before[i]


@kernel(borrows=True)
def settle(row, after, kept, passed):
    """Substitution of one row of voxels, side by side (eq. F9)."""
    for i in range(row.size):
        row[i] = kept * row[i] + passed * after[i]


@kernel(borrows=True)
def solve_lines(c, axis, stride, width):
    """Solve ``width`` neighbouring lines along one axis in place; ``c`` begins with their first voxels."""
    passed, kept, inflow = axis.passed, axis.kept, axis.inflow
    n = passed.size
    gather(c[:width], c[:width], inflow[0], 0.0)
    for k in range(1, n):
        start = k * stride
        gather(c[start : start + width], c[start - stride : start - stride + width], inflow[k], passed[k - 1])
    start = (n - 1) * stride
    settle(c[start : start + width], c[start : start + width], kept[n - 1], 0.0)
    for k in range(n - 1):
        start -= stride
        settle(c[start : start + width], c[start + stride : start + stride + width], kept[n - 2 - k], passed[n - 2 - k])


@kernel(borrows=True)
def solve_rows(rows, axis, tile):
    """Solve the lines along x of some neighbouring rows, by way of a tile in which they lie side by side."""
    nx = axis.passed.size
    lanes = rows.size // nx
    for x in range(nx):
        column = tile[x * lanes : (x + 1) * lanes]
        for lane in range(lanes):
            column[lane] = rows[lane * nx + x]
    solve_lines(tile, axis, lanes, lanes)
    for lane in range(lanes):
        row = rows[lane * nx : (lane + 1) * nx]
        for x in range(nx):
            row[x] = tile[x * lanes + lane]


# --- phases of a step -----------------------------------------------------------------


@kernel(borrows=True)
def react_voxels(c, loss, gain, dt):
    """Reaction in every voxel given (eq. F5)."""
    for i in range(c.size):
        c[i] = react(c[i], loss[i], gain[i], dt)


@kernel(entry=True)
def sweep_planes(c, loss, gain, dt, axes, first, last):
    """Phase: reaction, then diffusion along x and y, of the planes from ``first`` to ``last`` (exclusive).

    Parameters
    ----------
    c
        (voxel,) concentration, changed in place.
    loss, gain
        (voxel,) 1/day and concentration/day, see `fill_reaction`.
    dt
        Time step, day.
    axes
        `Axes` factored for ``dt``.
    first, last
        Range of planes; planes share nothing, so threads may take ranges of their own.
    """
    nx, ny = axes.x.passed.size, axes.y.passed.size
    plane = nx * ny
    pieces = (ny + LANES - 1) // LANES
    tile = np.empty(nx * min(ny, LANES))
    for z in range(first, last):
        values = c[z * plane : (z + 1) * plane]
        react_voxels(values, loss[z * plane : (z + 1) * plane], gain[z * plane : (z + 1) * plane], dt)
        for piece in range(pieces):  # of equal size, but for one row
            solve_rows(values[ny * piece // pieces * nx : ny * (piece + 1) // pieces * nx], axes.x, tile)
        solve_lines(values, axes.y, nx, nx)


@kernel(entry=True, borrows=True)
def sweep_columns(c, axes, first, last):
    """Phase: diffusion along z of the rows from ``first`` to ``last`` (exclusive) of every plane.

    Parameters
    ----------
    c
        (voxel,) concentration, changed in place.
    axes
        `Axes`.
    first, last
        Range of rows along y; rows share nothing.
    """
    nx, ny, nz = axes.x.passed.size, axes.y.passed.size, axes.z.passed.size
    block = max(1, COLUMN_VOXELS // (nx * nz))
    for y in range(first, last, block):
        solve_lines(c[y * nx :], axes.z, nx * ny, (min(y + block, last) - y) * nx)
