"""A multigrid cycle: smooth, take what is left to a lattice of half the resolution, correct (docs/numerics/fields.md).

Neighbours along an axis are told apart by coefficients and not by branches: a missing one has
coefficient zero. Sweeps are red-black, so that a voxel depends on the other colour alone and neither
the order of voxels nor the number of threads changes a bit. The coefficients are made in
`kernels/steady.py`.

Sources: Trottenberg, Oosterlee & Schüller 2001, Multigrid, ch. 2; Khalil & Wesseling 1992, J Comput
Phys 98:1 (cells rather than nodes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RED = 0  # parity of x + y + z, smoothed before the other
X, Y, Z = 0, 1, 2
STRIP = 8  # rows an inner kernel takes at once, an even number: each call counts references to all of its arrays


class Hierarchy(NamedTuple):
    """Lattices from fine to coarse, packed one after another; level 0 is the field's own."""

    shape: Ints  # (level, 3) voxels along x, y, z
    offset: Ints  # (level,) first voxel of a level in `right` and `inverse`
    value: Floats  # corrections of the levels from 1 on; level 0 is the field itself
    right: Floats  # right-hand sides, concentration/day
    inverse: Floats  # reciprocal diagonals, day
    sink: Floats  # mean loss with the slope of saturable uptake, levels from 1 on, 1/day
    edge: Ints  # (level, 3) first entry of an axis in the arrays below
    below: Floats  # coupling to the neighbour below, 1/day; zero in the first voxel
    above: Floats  # coupling to the neighbour above, 1/day; zero in the last voxel
    own: Floats  # both couplings and the one to a fixed value at the face, 1/day
    inflow: Floats  # supply by a fixed value at the face, concentration/day; level 0 alone
    fill: Floats  # share of a voxel's width in that of the coarse voxel it belongs to
    other: Ints  # second coarse voxel that a correction is interpolated from
    near: Floats  # weight of the coarse voxel it belongs to
    far: Floats  # weight of the second


class Level(NamedTuple):
    """What one level is smoothed with: arrays over (z, y, x), and couplings along each axis."""

    value: Floats
    right: Floats
    inverse: Floats
    west: Floats
    east: Floats
    south: Floats
    north: Floats
    down: Floats
    up: Floats


class Lines(NamedTuple):
    """One number for each step along each axis of a level."""

    x: Floats
    y: Floats
    z: Floats


# --- one level ----------------------------------------------------------------------


@kernel
def reciprocal(x):
    """One over ``x``, and zero for zero: a voxel that exchanges with nothing is left as it is."""
    return 1.0 / x if x > 0.0 else 0.0


# Views are made from the arrays they need: to hand over all fifteen of a `Hierarchy` is a hundred arguments to compile.


@kernel
def boxed(packed, shape, level, first):
    """The part of a packed array from ``first`` on that belongs to one level, as an array over z, y, x.

    Loops over x in such an array compile to vector code; flat ones with computed indices do not.
    """
    nx, ny, nz = shape[level, X], shape[level, Y], shape[level, Z]
    return packed[first : first + nx * ny * nz].reshape(nz, ny, nx)


@kernel
def values_of(c, value, offset, shape, level):
    """Values of one level, the field itself or the correction, over z, y, x."""
    if level == 0:
        return boxed(c, shape, 0, 0)
    return boxed(value, shape, level, offset[level] - offset[1])


@kernel
def along(packed, edge, shape, level, axis):
    """The part of a packed line that belongs to one axis of one level."""
    first = edge[level, axis]
    return packed[first : first + shape[level, axis]]


@kernel
def lines_of(packed, edge, shape, level):
    """The parts of a packed line that belong to the axes of one level."""
    return Lines(
        along(packed, edge, shape, level, X), along(packed, edge, shape, level, Y), along(packed, edge, shape, level, Z)
    )


@kernel
def open_level(c, h, level):
    """`Level` with the arrays of one level."""
    shape, edge, first = h.shape, h.edge, h.offset[level]
    below, above = lines_of(h.below, edge, shape, level), lines_of(h.above, edge, shape, level)
    return Level(
        values_of(c, h.value, h.offset, shape, level),
        boxed(h.right, shape, level, first), boxed(h.inverse, shape, level, first),
        below.x, above.x, below.y, above.y, below.z, above.z,
    )  # fmt: skip


@kernel(borrows=True)
def balance_rows(out, at, z, first, last):
    """Right-hand side with what the six neighbours give, for rows from ``first`` to ``last`` (exclusive) (eq. F10).

    ``out`` (strip, x) in concentration/day begins with row ``first``.
    """
    value, right, west, east = at.value, at.right, at.west, at.east
    nz, ny, nx = value.shape
    down, up, to_down, to_up = at.down[z], at.up[z], max(z - 1, 0), min(z + 1, nz - 1)
    for y in range(first, last):
        south, north, to_south, to_north = at.south[y], at.north[y], max(y - 1, 0), min(y + 1, ny - 1)
        i = y - first
        for x in range(nx):
            out[i, x] = right[z, y, x] + (
                (south * value[z, to_south, x] + north * value[z, to_north, x])
                + (down * value[to_down, y, x] + up * value[to_up, y, x])
            )
        for x in range(1, nx - 1):
            out[i, x] = out[i, x] + (west[x] * value[z, y, x - 1] + east[x] * value[z, y, x + 1])
        if nx > 1:
            out[i, 0] = out[i, 0] + east[0] * value[z, y, 1]
            out[i, nx - 1] = out[i, nx - 1] + west[nx - 1] * value[z, y, nx - 2]


@kernel(borrows=True)
def smooth_plane(at, colour, z, out):
    """Gauss-Seidel step of the voxels of one colour in one plane (eq. F13); ``out`` is (strip, x)."""
    value, inverse = at.value, at.inverse
    ny, nx = value.shape[1], value.shape[2]
    for first in range(0, ny, STRIP):
        last = min(first + STRIP, ny)
        balance_rows(out, at, z, first, last)
        for y in range(first, last):
            odd, i = (colour + y + z) & 1, y - first
            for x in range(nx):
                value[z, y, x] = out[i, x] * inverse[z, y, x] if (x & 1) == odd else value[z, y, x]


@kernel(entry=True)
def smooth(c, h, level, first, last):
    """Phase: one red-black sweep of the planes from ``first`` to ``last`` (exclusive) (eq. F13).

    Black follows one plane behind, while the planes are in the cache. It leaves out the planes
    next to another piece, whose red voxels may not be done: `smooth_seams` takes them.
    """
    at = open_level(c, h, level)
    nz = at.value.shape[0]
    out = np.empty((STRIP, at.value.shape[2]))
    for z in range(first, last + 1):
        if z < last:
            smooth_plane(at, RED, z, out)
        behind = z - 1
        if behind >= first and (behind > first or first == 0) and (behind < last - 1 or last == nz):
            smooth_plane(at, 1 - RED, behind, out)


@kernel(entry=True)
def smooth_seams(c, h, level, first, last):
    """Phase: what `smooth` left out, in the same pieces."""
    at = open_level(c, h, level)
    out = np.empty((STRIP, at.value.shape[2]))
    if first > 0:
        smooth_plane(at, 1 - RED, first, out)
    if last < at.value.shape[0] and (last - 1 > first or first == 0):
        smooth_plane(at, 1 - RED, last - 1, out)


# --- between levels -------------------------------------------------------------------


@kernel(borrows=True)
def average_rows(coarse, z, first, last, rows, fill):
    """Add rows from ``first`` to ``last`` of plane ``z`` to the coarse ones they belong to, by volume (eq. F14).

    ``rows`` (strip, x) begins with row ``first``; ``fill`` are the `Lines` of the level that is averaged.
    """
    nx, fill_x, fill_y, fill_z = rows.shape[1], fill.x, fill.y, fill.z
    pairs, deep = nx // 2, z // 2
    for y in range(first, last):
        i, wide, weight = y - first, y // 2, fill_y[y] * fill_z[z]
        for x in range(pairs):
            coarse[deep, wide, x] += weight * (fill_x[2 * x] * rows[i, 2 * x] + fill_x[2 * x + 1] * rows[i, 2 * x + 1])
        if nx % 2 == 1:
            coarse[deep, wide, pairs] += weight * (fill_x[nx - 1] * rows[i, nx - 1])


@kernel(entry=True)
def restrict(c, h, level, first, last):
    """Phase: residuals of ``level`` to the right-hand side of the next, whose planes ``first`` to ``last`` are filled.

    The correction there starts from zero.
    """
    at, correction = open_level(c, h, level), values_of(c, h.value, h.offset, h.shape, level + 1)
    value, inverse, target = at.value, at.inverse, boxed(h.right, h.shape, level + 1, h.offset[level + 1])
    nz, ny, nx = value.shape
    fill = lines_of(h.fill, h.edge, h.shape, level)
    out = np.empty((STRIP, nx))
    target[first:last] = 0.0
    correction[first:last] = 0.0
    for z in range(2 * first, min(2 * last, nz)):
        for south in range(0, ny, STRIP):
            north = min(south + STRIP, ny)
            balance_rows(out, at, z, south, north)
            for y in range(south, north):
                for x in range(nx):
                    out[y - south, x] = out[y - south, x] - value[z, y, x] * reciprocal(inverse[z, y, x])
            average_rows(target, z, south, north, out, fill)


@kernel(entry=True)
def correct(c, h, level, first, last):
    """Phase: the correction of the next level, interpolated to the planes ``first`` to ``last`` (eq. F15)."""
    edge, shape = h.edge, h.shape
    value, below = values_of(c, h.value, h.offset, shape, level), values_of(c, h.value, h.offset, shape, level + 1)
    ny, nx = value.shape[1], value.shape[2]
    near, far = lines_of(h.near, edge, shape, level), lines_of(h.far, edge, shape, level)
    near_x, near_y, near_z, far_x, far_y, far_z = near.x, near.y, near.z, far.x, far.y, far.z
    other_x, other_y = along(h.other, edge, shape, level, X), along(h.other, edge, shape, level, Y)
    other_z = along(h.other, edge, shape, level, Z)
    mixed = np.empty(below.shape[2])
    for z in range(first, last):
        deep, deeper = z // 2, other_z[z]
        for y in range(ny):
            wide, wider = y // 2, other_y[y]
            a, b = near_z[z] * near_y[y], near_z[z] * far_y[y]
            d, e = far_z[z] * near_y[y], far_z[z] * far_y[y]
            for x in range(mixed.size):
                mixed[x] = (a * below[deep, wide, x] + b * below[deep, wider, x]) + (
                    d * below[deeper, wide, x] + e * below[deeper, wider, x]
                )
            for x in range(nx):
                value[z, y, x] += near_x[x] * mixed[x // 2] + far_x[x] * mixed[other_x[x]]


# --- the whole cycle ----------------------------------------------------------------


@kernel(entry=True, borrows=True)
def cycle_below(c, h, level, sweeps):
    """One V-cycle from ``level`` down to the deepest, a single voxel, and back."""
    deepest = h.shape.shape[0] - 1
    turn = deepest - level
    for k in range(2 * turn + 1):  # one call of each phase: the compiler makes them part of this kernel, call by call
        here = level + k if k <= turn else deepest - (k - turn)
        if k > turn:
            correct(c, h, here, 0, h.shape[here, Z])
        for _ in range(sweeps if here < deepest else 1):
            smooth(c, h, here, 0, h.shape[here, Z])
        if k < turn:
            restrict(c, h, here, 0, h.shape[here + 1, Z])
