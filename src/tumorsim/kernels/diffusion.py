"""Diffusion and reaction of one field in time: implicit, one axis after another (docs/numerics/fields.md).

A field lives on a regular lattice of ``nz`` x ``ny`` x ``nx`` voxels and is stored flat, x fastest; one
slice (``nz = 1``) is two-dimensional. A step takes the reaction, then x and y within each plane, then z
within columns of rows, each solved exactly. Every voxel is worked out from the same numbers in the same
order however the planes and rows are shared out, so that threads change no bit.

Lines lie side by side in eights (`kernels/_eight.py`). Those along x are turned in registers, eight rows and eight
voxels at a time, and solved in a tile.

Source: Yanenko 1971, The Method of Fractional Steps (locally one-dimensional splitting).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._eight import from_lane, put, take, transposed
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import positive_part

Floats = NDArray[np.float64]

EIGHT = 8
LANES = 4 * EIGHT  # lines solved side by side: four chains hide each other's latency
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


@kernel(inline=True)
def gather_one(own, before, inflow, passed):
    """Elimination of one voxel (eq. F8)."""
    return (own + inflow) + passed * before


@kernel(inline=True)
def settle_one(own, after, kept, passed):
    """Substitution of one voxel (eq. F9)."""
    return kept * own + passed * after


@kernel(borrows=True)
def solve_together(c, axis, first, stride):
    """Solve `LANES` neighbouring lines in place; the voxel at ``k`` of the first is ``first + k * stride``."""
    passed, kept, inflow = axis.passed, axis.kept, axis.inflow
    last = passed.size - 1
    p, q, r, s = take(c, first, 0), take(c, first, 8), take(c, first, 16), take(c, first, 24)
    share, i = 0.0, first
    for k in range(last + 1):
        i, brought = first + k * stride, inflow[k]
        p, q = gather_one(take(c, i, 0), p, brought, share), gather_one(take(c, i, 8), q, brought, share)
        r, s = gather_one(take(c, i, 16), r, brought, share), gather_one(take(c, i, 24), s, brought, share)
        put(c, i, 0, p)
        put(c, i, 8, q)
        put(c, i, 16, r)
        put(c, i, 24, s)
        share = passed[k]
    share = 0.0
    for k in range(last, -1, -1):
        i, left = first + k * stride, kept[k]
        p, q = settle_one(take(c, i, 0), p, left, share), settle_one(take(c, i, 8), q, left, share)
        r, s = settle_one(take(c, i, 16), r, left, share), settle_one(take(c, i, 24), s, left, share)
        put(c, i, 0, p)
        put(c, i, 8, q)
        put(c, i, 16, r)
        put(c, i, 24, s)
        share = passed[max(k - 1, 0)]


@kernel(borrows=True)
def solve_eight(c, axis, first, stride, lane):
    """`solve_together` of eight lines, of which those before ``lane`` are solved already and stay as they are."""
    passed, kept, inflow = axis.passed, axis.kept, axis.inflow
    last = passed.size - 1
    p, share = take(c, first, 0), 0.0
    for k in range(last + 1):
        own = take(c, first, k * stride)
        p = gather_one(own, p, inflow[k], share)
        put(c, first, k * stride, from_lane(lane, p, own))
        share = passed[k]
    share = 0.0
    for k in range(last, -1, -1):
        own = take(c, first, k * stride)
        p = settle_one(own, p, kept[k], share)
        put(c, first, k * stride, from_lane(lane, p, own))
        share = passed[max(k - 1, 0)]


@kernel(borrows=True, apart=True)
def gather(row, before, inflow, passed):
    """Elimination of one row of voxels, side by side."""
    for i in range(row.size):
        row[i] = gather_one(row[i], before[i], inflow, passed)


@kernel(borrows=True, apart=True)
def settle(row, after, kept, passed):
    """Substitution of one row of voxels, side by side."""
    for i in range(row.size):
        row[i] = settle_one(row[i], after[i], kept, passed)


@kernel(borrows=True)
def solve_few(c, axis, stride, width):
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
def solve_lines(c, axis, stride, width):
    """`solve_few` of any number of lines, as many together as can be."""
    if width < EIGHT:
        solve_few(c, axis, stride, width)
        return
    together = width // LANES * LANES
    for first in range(0, together, LANES):
        solve_together(c, axis, first, stride)
    for following in range(together, width, EIGHT):
        first = min(following, width - EIGHT)
        solve_eight(c, axis, first, stride, following - first)


@kernel(borrows=True)
def starts_of(lane, rows, nx):
    """First voxels of eight rows; where fewer are left, the last one is solved several times."""
    end = rows - 1
    return (
        min(lane, end) * nx, min(lane + 1, end) * nx, min(lane + 2, end) * nx, min(lane + 3, end) * nx,
        min(lane + 4, end) * nx, min(lane + 5, end) * nx, min(lane + 6, end) * nx, min(lane + 7, end) * nx,
    )  # fmt: skip


@kernel(borrows=True, inline=True)
def take_eight(array, starts, x):
    """Eight times eight numbers of an array."""
    return (
        take(array, starts[0], x), take(array, starts[1], x), take(array, starts[2], x), take(array, starts[3], x),
        take(array, starts[4], x), take(array, starts[5], x), take(array, starts[6], x), take(array, starts[7], x),
    )  # fmt: skip


@kernel(borrows=True, inline=True)
def put_eight(array, starts, x, eights):
    """Write what `take_eight` takes."""
    put(array, starts[0], x, eights[0])
    put(array, starts[1], x, eights[1])
    put(array, starts[2], x, eights[2])
    put(array, starts[3], x, eights[3])
    put(array, starts[4], x, eights[4])
    put(array, starts[5], x, eights[5])
    put(array, starts[6], x, eights[6])
    put(array, starts[7], x, eights[7])


@kernel(borrows=True)
def turn_rows(tile, c, nx, back):
    """Some neighbouring rows into a tile in which they lie side by side, or back from there.

    Eight rows and eight voxels at a time; the last eight of a row may overlap with those before.
    """
    rows = c.size // nx
    columns = starts_of(0, EIGHT, LANES)
    for lane in range(0, rows, EIGHT):
        starts = starts_of(lane, rows, nx)
        for following in range(0, nx, EIGHT):
            x = min(following, nx - EIGHT)
            if back == 1:
                put_eight(c, starts, x, transposed(take_eight(tile, columns, x * LANES + lane)))
            else:
                put_eight(tile, columns, x * LANES + lane, transposed(take_eight(c, starts, x)))


# --- phases of a step -----------------------------------------------------------------


@kernel(borrows=True, apart=True)
def react_voxels(c, loss, gain, dt):
    """Reaction in every voxel given (eq. F5)."""
    for i in range(c.size):
        c[i] = react(c[i], loss[i], gain[i], dt)


@kernel(borrows=True)
def solve_rows(c, axis, tile):
    """The lines along x of some neighbouring rows, as many as `LANES` at most."""
    nx = axis.passed.size
    if nx < EIGHT:
        for i in range(0, c.size, nx):
            solve_few(c[i : i + nx], axis, 1, 1)
        return
    turn_rows(tile, c, nx, 0)
    lanes = (c.size // nx + EIGHT - 1) // EIGHT * EIGHT
    if lanes == LANES:
        solve_together(tile, axis, 0, LANES)
    else:
        for lane in range(0, lanes, EIGHT):
            solve_eight(tile, axis, lane, LANES, 0)
    turn_rows(tile, c, nx, 1)


@kernel(borrows=True)
def sweep_plane(c, loss, gain, dt, axes, tile):
    """Reaction, then diffusion along x and y, of one plane."""
    nx, ny = axes.x.passed.size, axes.y.passed.size
    react_voxels(c, loss, gain, dt)
    for y in range(0, ny, LANES):
        begin, end = y * nx, min(y + LANES, ny) * nx
        solve_rows(c[begin:end], axes.x, tile)
    solve_lines(c, axes.y, nx, nx)


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
    tile = np.empty(nx * LANES)
    for z in range(first, last):
        begin, end = z * ny * nx, (z + 1) * ny * nx
        sweep_plane(c[begin:end], loss[begin:end], gain[begin:end], dt, axes, tile)


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
        solve_few(c[y * nx :], axes.z, nx * ny, (min(y + block, last) - y) * nx)
