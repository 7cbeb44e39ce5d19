"""A multigrid cycle: smooth, take what is left to a lattice of half the resolution, correct (docs/numerics/fields.md).

Sweeps are red-black, so that a voxel depends on the other colour alone and neither the order of voxels nor the number
of threads changes a bit. A level passes through the caches twice a cycle: on the way down and on the way up
(`pass_planes`). The coefficients are made in `kernels/steady.py`.

Sources: Trottenberg, Oosterlee & Schüller 2001, Multigrid, ch. 2; Khalil & Wesseling 1992, J Comput
Phys 98:1 (cells rather than nodes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._eight import (
    every_other,
    from_east,
    from_west,
    pair_sums,
    put,
    quotient,
    take,
    where_positive,
    zipped,
)
from tumorsim.kernels._jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RED = 0  # parity of x + y + z, smoothed before the other
X, Y, Z = 0, 1, 2
DOWN, UP, SWEEP = 0, 1, 2  # a sweep and what it leaves; a correction and a sweep; a sweep alone
SLAB = 4  # planes of a level that stay with one thread: so many that two seams never touch the same
EIGHT = 8
SHORT = EIGHT + 1  # voxels of a row from which on not both of its ends lie in eight neighbours


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
    """What one level is smoothed with; arrays are flat, x fastest."""

    value: Floats
    right: Floats
    inverse: Floats
    below: Floats  # of all levels and axes, as in `Hierarchy`
    above: Floats
    nx: int
    ny: int
    nz: int
    x: int  # first entry of an axis in the lines
    y: int
    z: int


class Coarser(NamedTuple):
    """The next level, as far as the one above it knows it."""

    value: Floats
    right: Floats
    fill: Floats  # of all levels and axes, as in `Hierarchy`
    other: Ints
    near: Floats
    far: Floats
    nx: int
    ny: int


class Row(NamedTuple):
    """First voxels of a row and of its four neighbours, and the couplings to these."""

    here: int
    to_south: int
    to_north: int
    to_down: int
    to_up: int
    south: float
    north: float
    down: float
    up: float


class Lines(NamedTuple):
    """One number for each step along each axis of a level."""

    x: Floats
    y: Floats
    z: Floats


# --- laws, of numbers and of eights ---------------------------------------------------


@kernel
def reciprocal(x):
    """One over ``x``, and zero for zero: a voxel that exchanges with nothing is left as it is."""
    return 1.0 / x if x > 0.0 else 0.0


@kernel
def reciprocals(x):
    """`reciprocal` of eight."""
    return where_positive(x, quotient(1.0, x), 0.0)


@kernel(inline=True)
def balance(right, row, south, north, down, up):
    """Right-hand side with what the neighbours along y and z give (eq. F10)."""
    return right + ((row.south * south + row.north * north) + (row.down * down + row.up * up))


@kernel(inline=True)
def mixture(corners, a, b, d, e):
    """Value between four rows of the coarser level (eq. F15)."""
    return (corners[0] * a + corners[1] * b) + (corners[2] * d + corners[3] * e)


# --- one level ------------------------------------------------------------------------


# Views are made from the arrays they need: to hand over all fifteen of a `Hierarchy` is a hundred arguments to compile.


@kernel
def part(packed, shape, level, first):
    """The part of a packed array from ``first`` on that belongs to one level."""
    return packed[first : first + shape[level, X] * shape[level, Y] * shape[level, Z]]


@kernel
def values_of(c, value, offset, shape, level):
    """Values of one level, the field itself or the correction."""
    if level == 0:
        return c
    return part(value, shape, level, offset[level] - offset[1])


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
    return Level(
        values_of(c, h.value, h.offset, shape, level),
        part(h.right, shape, level, first), part(h.inverse, shape, level, first), h.below, h.above,
        shape[level, X], shape[level, Y], shape[level, Z], edge[level, X], edge[level, Y], edge[level, Z],
    )  # fmt: skip


@kernel
def open_coarser(h, level):
    """`Coarser` of one level."""
    shape, first = h.shape, h.offset[level + 1]
    return Coarser(
        part(h.value, shape, level + 1, first - h.offset[1]), part(h.right, shape, level + 1, first),
        h.fill, h.other, h.near, h.far, shape[level + 1, X], shape[level + 1, Y],
    )  # fmt: skip


@kernel(borrows=True, inline=True)
def open_row(at, z, y):
    """`Row` of one row; where there is no neighbour its coupling is zero, and the row stands for it."""
    nx, plane, below, above = at.nx, at.nx * at.ny, at.below, at.above
    here = (z * at.ny + y) * nx
    return Row(
        here,
        here - nx if y > 0 else here, here + nx if y < at.ny - 1 else here,
        here - plane if z > 0 else here, here + plane if z < at.nz - 1 else here,
        below[at.y + y], above[at.y + y], below[at.z + z], above[at.z + z],
    )  # fmt: skip


@kernel(borrows=True)
def balance_one(at, row, x):
    """Right-hand side with what the neighbours give, of one voxel of a row (eq. F10)."""
    value, right = at.value, at.right
    given = balance(
        right[row.here + x], row,
        value[row.to_south + x], value[row.to_north + x], value[row.to_down + x], value[row.to_up + x],
    )  # fmt: skip
    west, east, i = at.below[at.x + x], at.above[at.x + x], row.here + x
    if 0 < x < at.nx - 1:
        return given + (west * value[i - 1] + east * value[i + 1])
    if x > 0:
        return given + west * value[i - 1]
    return given + east * value[i + 1] if at.nx > 1 else given


@kernel(borrows=True, inline=True)
def balance_eight(at, row, x, before, after):
    """`balance_one` of eight voxels from ``x`` on, with their western and eastern neighbours.

    Beyond an end of the row a zero stands for a neighbour: what it adds is zero, which changes no bit.
    """
    value, right, below, above = at.value, at.right, at.below, at.above
    given = balance(
        take(right, row.here, x), row, take(value, row.to_south, x), take(value, row.to_north, x),
        take(value, row.to_down, x), take(value, row.to_up, x),
    )  # fmt: skip
    return given + (take(below, at.x, x) * before + take(above, at.x, x) * after)


@kernel(borrows=True, inline=True)
def smooth_row(at, row, odd):
    """Gauss-Seidel step of every second voxel of a row (eq. F13), from the first or, where ``odd`` is one, the second.

    Eight at a time, of which four are dropped. The last eight may overlap with others: what is done twice comes out
    the same, for it hangs on the other colour. Western neighbours are loaded before they are half written: a load that
    straddles a store waits for it.
    """
    value, inverse, here, nx = at.value, at.inverse, row.here, at.nx
    if nx < SHORT:
        for x in range(odd, nx, 2):
            value[here + x] = balance_one(at, row, x) * inverse[here + x]
        return
    end = nx - EIGHT
    before = from_west(take(value, here, 0))
    for x in range(0, end, EIGHT):
        old = take(value, here, x)
        new = balance_eight(at, row, x, before, take(value, here, x + 1)) * take(inverse, here, x)
        before = take(value, here, min(x + EIGHT, end) - 1)
        put(value, here, x, every_other(odd, new, old))
    old = take(value, here, end)
    new = balance_eight(at, row, end, before, from_east(old)) * take(inverse, here, end)
    put(value, here, end, every_other((nx ^ odd) & 1, new, old))


@kernel(borrows=True)
def smooth_plane(at, colour, z):
    """Gauss-Seidel step of the voxels of one colour in one plane (eq. F13)."""
    for y in range(at.ny):
        smooth_row(at, open_row(at, z, y), (colour + y + z) & 1)


# --- between levels -------------------------------------------------------------------


@kernel(borrows=True, inline=True)
def average_row(coarse, first, fill, along, weight, row, nx):
    """Add a row to the coarse one from ``first`` on that it belongs to, by volume (eq. F14).

    ``fill`` from ``along`` on are shares along the row, ``weight`` that across it.
    """
    eights = (nx // 2) // EIGHT * EIGHT
    for k in range(0, eights, EIGHT):
        x = 2 * k
        low = take(fill, along, x) * take(row, 0, x)
        high = take(fill, along + EIGHT, x) * take(row, EIGHT, x)
        put(coarse, first, k, take(coarse, first, k) + weight * pair_sums(low, high))
    for k in range(eights, nx // 2):
        x = 2 * k
        coarse[first + k] += weight * (fill[along + x] * row[x] + fill[along + x + 1] * row[x + 1])
    if nx & 1 == 1:
        coarse[first + nx // 2] += weight * (fill[along + nx - 1] * row[nx - 1])


@kernel(borrows=True, inline=True)
def residual_row(at, row, out):
    """What is left of the balance in the voxels of a row (eq. F10)."""
    value, inverse, here, nx = at.value, at.inverse, row.here, at.nx
    if nx < SHORT:
        for x in range(nx):
            out[x] = balance_one(at, row, x) - value[here + x] * reciprocal(inverse[here + x])
        return
    end = nx - EIGHT
    before = from_west(take(value, here, 0))
    for x in range(0, end, EIGHT):
        given = balance_eight(at, row, x, before, take(value, here, x + 1))
        put(out, 0, x, given - take(value, here, x) * reciprocals(take(inverse, here, x)))
        before = take(value, here, min(x + EIGHT, end) - 1)
    old = take(value, here, end)
    given = balance_eight(at, row, end, before, from_east(old))
    put(out, 0, end, given - old * reciprocals(take(inverse, here, end)))


@kernel(borrows=True)
def residual_plane(at, coarser, z, out):
    """Residuals of one plane to the right-hand side of the next level, where the correction starts from zero."""
    value, right, fill = coarser.value, coarser.right, coarser.fill
    plane = coarser.nx * coarser.ny
    first = (z // 2) * plane
    if z & 1 == 0:
        for i in range(first, first + plane):
            value[i] = 0.0
            right[i] = 0.0
    for y in range(at.ny):
        residual_row(at, open_row(at, z, y), out)
        weight = fill[at.y + y] * fill[at.z + z]
        average_row(right, first + (y // 2) * coarser.nx, fill, at.x, weight, out, at.nx)


@kernel(borrows=True, inline=True)
def mix_rows(mixed, coarse, rows, corners, n):
    """A row between four rows of the coarser level, with its end voxels once more beyond the ends."""
    a, b, d, e = rows
    if n >= EIGHT:
        for following in range(0, n, EIGHT):
            k = min(following, n - EIGHT)
            near, far = (take(coarse, a, k), take(coarse, b, k)), (take(coarse, d, k), take(coarse, e, k))
            put(mixed, 1, k, mixture(corners, near[0], near[1], far[0], far[1]))
    else:
        for k in range(n):
            mixed[1 + k] = mixture(corners, coarse[a + k], coarse[b + k], coarse[d + k], coarse[e + k])
    mixed[0] = mixed[1]
    mixed[n + 1] = mixed[n]


@kernel(borrows=True, inline=True)
def correct_row(at, here, coarser, mixed):
    """The correction of a row from the one between coarse rows, `mix_rows` (eq. F15)."""
    value, near, far, other, nx = at.value, coarser.near, coarser.far, coarser.other, at.nx
    eights = nx // (2 * EIGHT) * EIGHT
    for k in range(0, eights, EIGHT):
        own, beside = take(mixed, 1, k), zipped(take(mixed, 0, k), take(mixed, 2, k))
        both, x = zipped(own, own), 2 * k
        put(value, here, x, take(value, here, x) + (take(near, at.x, x) * both[0] + take(far, at.x, x) * beside[0]))
        x += EIGHT
        put(value, here, x, take(value, here, x) + (take(near, at.x, x) * both[1] + take(far, at.x, x) * beside[1]))
    for k in range(2 * eights, nx):
        x = at.x + k
        value[here + k] += near[x] * mixed[1 + k // 2] + far[x] * mixed[1 + other[x]]


@kernel(borrows=True)
def correct_plane(at, coarser, z, mixed):
    """The correction of the next level, interpolated to one plane (eq. F15)."""
    near, far, other, n = coarser.near, coarser.far, coarser.other, coarser.nx
    along_z = at.z + z
    deep, deeper = (z // 2) * coarser.ny, other[along_z] * coarser.ny
    for y in range(at.ny):
        along_y = at.y + y
        wide, wider = y // 2, other[along_y]
        rows = (deep + wide) * n, (deep + wider) * n, (deeper + wide) * n, (deeper + wider) * n
        corners = (
            near[along_z] * near[along_y], near[along_z] * far[along_y],
            far[along_z] * near[along_y], far[along_z] * far[along_y],
        )  # fmt: skip
        mix_rows(mixed, coarser.value, rows, corners, n)
        correct_row(at, (z * at.ny + y) * at.nx, coarser, mixed)


# --- one pass through a level ---------------------------------------------------------


@kernel(borrows=True)
def planes_of(margin, begin, end, nz, seam):
    """First plane, and the one after the last, of a phase that needs ``margin`` more planes done by earlier phases.

    A piece from ``begin`` to ``end`` leaves the margin to the seams with its neighbours; the one at ``end`` is its own.
    """
    if seam:
        return end - margin, min(end + margin, nz)
    return begin + margin if begin > 0 else 0, end - margin if end < nz else nz


@kernel(borrows=True)
def pass_planes(at, coarser, way, ranges, scratch):
    """All phases of one pass, each a plane behind the one before, while the planes are in the cache."""
    correct, red, black, residual = ranges
    for z in range(min(correct[0], black[0], residual[0]), max(correct[1], black[1], residual[1]) + 3):
        if way == UP and correct[0] <= z < correct[1]:
            correct_plane(at, coarser, z, scratch)
        if red[0] <= z - 1 < red[1]:
            smooth_plane(at, RED, z - 1)
        if black[0] <= z - 2 < black[1]:
            smooth_plane(at, 1 - RED, z - 2)
        if way == DOWN and residual[0] <= z - 3 < residual[1]:
            residual_plane(at, coarser, z - 3, scratch)


@kernel(entry=True)
def traverse(c, h, level, way, seam, first, last):
    """Phase: one pass through a level (eqs. F13 to F15).

    Parameters
    ----------
    c
        (voxel,) concentration.
    h
        `Hierarchy`.
    level
        Number of the level.
    way
        `DOWN`: one red-black sweep, and what it leaves to the right-hand side of the next level, where the correction
        starts from zero. `UP`: the correction of the next level, and one sweep. `SWEEP`: one sweep.
    seam
        0: all that this piece can do without its neighbours. 1: afterwards, in the same pieces, what was left out.
    first, last
        Range in slabs of so many planes (`SLAB`) of the level.
    """
    at, coarser = open_level(c, h, level), open_coarser(h, min(level, h.shape.shape[0] - 2))
    begin, end = SLAB * first, min(SLAB * last, at.nz)
    if seam == 1 and end == at.nz:
        return
    lead = 1 if way == UP else 0
    ranges = (
        planes_of(0, begin, end, at.nz, seam == 1), planes_of(lead, begin, end, at.nz, seam == 1),
        planes_of(lead + 1, begin, end, at.nz, seam == 1), planes_of(lead + 2, begin, end, at.nz, seam == 1),
    )  # fmt: skip
    pass_planes(at, coarser, way, ranges, np.empty(at.nx + 2 * EIGHT))


# --- the whole cycle ----------------------------------------------------------------


@kernel(entry=True, borrows=True)
def cycle_below(c, h, level, sweeps):
    """One V-cycle from ``level`` down to the deepest, a single voxel, and back."""
    deepest = h.shape.shape[0] - 1
    turn = deepest - level
    for k in range(2 * turn + 1):
        here = level + k if k <= turn else deepest - (k - turn)
        for i in range(sweeps if here < deepest else 1):
            way = SWEEP
            if k < turn and i == sweeps - 1:
                way = DOWN
            if k > turn and i == 0:
                way = UP
            traverse(c, h, here, way, 0, 0, (h.shape[here, Z] + SLAB - 1) // SLAB)
