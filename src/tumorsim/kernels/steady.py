"""Steady state of one field: laws, and the linear system of each Newton step (docs/numerics/fields.md).

`kernels/multigrid.py` solves the system; its coefficients are made here on every level.

Source: Trottenberg, Oosterlee & Schüller 2001, Multigrid, ch. 5 (Newton's method with one cycle a step).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._eight import from_east, from_west, put, take
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import half_saturation, positive_part
from tumorsim.kernels.multigrid import (
    EIGHT,
    SHORT,
    X,
    Y,
    Z,
    average_row,
    balance_eight,
    balance_one,
    lines_of,
    open_level,
    open_row,
    part,
    reciprocal,
)

Floats = NDArray[np.float64]

REACH = 2.5  # see `held_loss`


NOTHING = np.zeros(0)
NO_KINDS = np.zeros(0, dtype=np.uint8)
NO_VESSELS = np.zeros(0, dtype=np.int32)


class Tissue(NamedTuple):
    """What a steady field is balanced against (eq. F10); its parts add up, and an empty array is none.

    Loss, gain and uptake may be given voxel by voxel, or, in less memory, by the kind of each voxel and
    a list of vessels.
    """

    loss: Floats = NOTHING  # (voxel,) 1/day
    gain: Floats = NOTHING  # (voxel,) concentration/day
    highest: Floats = NOTHING  # (voxel,) saturable uptake in plenty, concentration/day; zero where there is none
    half: float = 1.0  # concentration of half uptake
    kinds: NDArray[np.uint8] = NO_KINDS  # (voxel,) number in `uptake`
    uptake: Floats = NOTHING  # (kind,) saturable uptake in plenty of each kind, concentration/day
    place: NDArray[np.int32] = NO_VESSELS  # (vessel,) voxel, ascending
    exchange: Floats = NOTHING  # (vessel,) exchange with blood, 1/day
    source: float = 0.0  # concentration in blood


class Work(NamedTuple):
    """Room for one row (x,) on the way from tissue to coefficients."""

    loss: Floats  # of the tissue, with its vessels
    gain: Floats
    highest: Floats
    supply: Floats
    sink: Floats
    diagonal: Floats
    out: Floats
    rest: Floats  # sums of squares of a plane: of what is left of the balance, and of all supply
    supplied: Floats


class Target(NamedTuple):
    """Mean losses of level 1, and how voxels lie in it."""

    sink: Floats
    fill: Floats
    nx: int
    ny: int


# --- laws ---------------------------------------------------------------------------


@kernel
def uptake_slope(saturation, half, highest):
    """Derivative of saturable uptake by concentration, 1/day (eq. F11) at this saturation."""
    return highest * ((1.0 - saturation) * (1.0 - saturation)) * (1.0 / half)


@kernel
def uptake_beyond(saturation, highest):
    """Saturable uptake less its slope times the concentration, concentration/day (eq. F11)."""
    return highest * (saturation * saturation)


@kernel
def held_loss(loss, coupling):
    """Loss of a voxel as a coarser lattice feels it, 1/day (eq. F16): no more than its neighbours can bring.

    Without the limit one strong vessel would hold the whole of a coarse voxel.
    """
    reach = REACH * coupling
    return loss * reach / (loss + reach) if reach > 0.0 else loss


# --- coefficients ---------------------------------------------------------------------


@kernel(borrows=True)
def first_from(places, voxel):
    """First entry of an ascending list of voxels that is no less than ``voxel`` (NumPy's costs a second to compile)."""
    low, high = 0, places.size
    while low < high:
        middle = (low + high) // 2
        if places[middle] < voxel:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(borrows=True)
def total(values):
    """Sum from the first to the last: NumPy's own has another order with the compiler than without."""
    found = 0.0
    for i in range(values.size):
        found += values[i]
    return found


@kernel(borrows=True)
def take_row(row, values, start):
    """A row of an array over voxels that begins with voxel ``start``; zeros of an empty one."""
    if values.size == 0:
        row[:] = 0.0
        return
    given = values[start : start + row.size]
    for x in range(row.size):
        row[x] = given[x]


@kernel(borrows=True)
def fill_row(work, tissue, start, vessel):
    """Loss, gain and uptake of a row that begins with voxel ``start``, from all parts of the tissue.

    ``vessel`` is the first vessel of the list in or after this row; returns the first one after it.
    """
    loss, gain, highest = work.loss, work.gain, work.highest
    kinds, uptake, place, exchange = tissue.kinds, tissue.uptake, tissue.place, tissue.exchange
    nx = loss.size
    take_row(loss, tissue.loss, start)
    take_row(gain, tissue.gain, start)
    take_row(highest, tissue.highest, start)
    if kinds.size > 0:
        given = kinds[start : start + nx]
        for x in range(nx):
            highest[x] += uptake[given[x]]
    while vessel < place.size and place[vessel] < start + nx:
        x = place[vessel] - start
        loss[x] += exchange[vessel]
        gain[x] += exchange[vessel] * tissue.source
        vessel += 1
    return vessel


@kernel(borrows=True, apart=True)
def linearise_row(value, right, work, half, inflow, others):
    """Right-hand side, loss and supply of a row for saturable uptake about its values (eq. F12).

    ``inflow`` (x,) is what fixed faces bring along the row, ``others`` across it.
    """
    loss, gain, highest, sink, supply = work.loss, work.gain, work.highest, work.sink, work.supply
    for x in range(value.size):
        saturation = half_saturation(positive_part(value[x]), half)
        brought = inflow[x] + others
        right[x] = (gain[x] - uptake_beyond(saturation, highest[x])) + brought
        sink[x] = loss[x] + uptake_slope(saturation, half, highest[x])
        supply[x] = gain[x] + brought


@kernel(borrows=True, apart=True)
def invert_row(inverse, diagonal, sink, own, others):
    """Diagonals of a row and their reciprocals; then ``sink`` as a coarser lattice feels it (eq. F16).

    ``own`` are couplings along the row, ``others`` those across it.
    """
    for x in range(inverse.size):
        coupling, loss = own[x] + others, sink[x]
        diagonal[x] = coupling + loss
        inverse[x] = reciprocal(coupling + loss)
        sink[x] = held_loss(loss, coupling)


@kernel(borrows=True, inline=True)
def left_over(at, row, diagonal, out):
    """What is left of the balance in the voxels of a row (eq. F10)."""
    value, here, nx = at.value, row.here, at.nx
    if nx < SHORT:
        for x in range(nx):
            out[x] = balance_one(at, row, x) - diagonal[x] * value[here + x]
        return
    end = nx - EIGHT
    old = take(value, here, end)
    given = balance_eight(at, row, end, take(value, here, end - 1), from_east(old))
    put(out, 0, end, given - take(diagonal, 0, end) * old)
    before = from_west(take(value, here, 0))
    for x in range(0, end, EIGHT):
        given = balance_eight(at, row, x, before, take(value, here, x + 1))
        put(out, 0, x, given - take(diagonal, 0, x) * take(value, here, x))
        before = take(value, here, min(x + EIGHT, end) - 1)


@kernel(borrows=True, apart=True)
def add_squares(sums, row):
    """Add squares voxel by voxel, row after row, so that one plane makes one sum."""
    for x in range(sums.size):
        sums[x] += row[x] * row[x]


@kernel(borrows=True)
def linearise_plane(at, z, tissue, vessel, work, lines, target):
    """Coefficients of one plane of level 0; ``lines`` are couplings and inflow along the axes.

    ``vessel`` as for `fill_row`; returns the first one after the plane.
    """
    own, inflow = lines
    fill, nx, half = target.fill, at.nx, tissue.half
    for y in range(at.ny):
        row = open_row(at, z, y)
        here, beyond = row.here, row.here + nx
        vessel = fill_row(work, tissue, here, vessel)
        linearise_row(at.value[here:beyond], at.right[here:beyond], work, half, inflow.x, inflow.y[y] + inflow.z[z])
        invert_row(at.inverse[here:beyond], work.diagonal, work.sink, own.x, own.y[y] + own.z[z])
        left_over(at, row, work.diagonal, work.out)
        add_squares(work.rest, work.out)
        add_squares(work.supplied, work.supply)
        coarse = ((z // 2) * target.ny + y // 2) * target.nx
        average_row(target.sink, coarse, fill, at.x, fill[at.y + y] * fill[at.z + z], work.sink, nx)
    return vessel


@kernel(entry=True)
def linearise(c, h, tissue, norms, first, last):
    """Phase: coefficients of level 0 about ``c``, mean losses of level 1, and what is left of the balance.

    Parameters
    ----------
    c
        (voxel,) concentration.
    h
        `Hierarchy`; ``right`` and ``inverse`` of level 0 and ``sink`` of level 1 are filled.
    tissue
        `Tissue`.
    norms
        (coarse plane, 2) sum of squares of the residual and of all supply, one row a plane of level 1, so
        that their sum does not depend on who worked it out.
    first, last
        Range of planes of level 1.
    """
    at, shape, edge = open_level(c, h, 0), h.shape, h.edge
    target = Target(part(h.sink, shape, 1, 0), h.fill, shape[1, X], shape[1, Y])
    lines = lines_of(h.own, edge, shape, 0), lines_of(h.inflow, edge, shape, 0)
    rows = np.empty((9, at.nx))
    work = Work(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8])
    vessel = first_from(tissue.place, 2 * first * at.ny * at.nx)
    plane = target.nx * target.ny
    sink, rest, supplied = target.sink, work.rest, work.supplied
    sink[first * plane : last * plane] = 0.0
    norms[first:last] = 0.0
    for z in range(2 * first, min(2 * last, at.nz)):
        rest[:] = 0.0
        supplied[:] = 0.0
        vessel = linearise_plane(at, z, tissue, vessel, work, lines, target)
        norms[z // 2, 0] += total(rest)
        norms[z // 2, 1] += total(supplied)


@kernel(entry=True)
def coarsen(h, level, first, last):
    """Phase: reciprocal diagonals of ``level`` from its mean losses, and the mean losses of the next (eq. F16).

    ``first`` and ``last`` are planes of the next level.
    """
    shape, start, edge = h.shape, h.offset[1], h.edge
    inverse = part(h.inverse, shape, level, h.offset[level])
    sink = part(h.sink, shape, level, h.offset[level] - start)
    target = part(h.sink, shape, level + 1, h.offset[level + 1] - start)
    nx, ny, nz = shape[level, X], shape[level, Y], shape[level, Z]
    wide, plane = shape[level + 1, X], shape[level + 1, X] * shape[level + 1, Y]
    own, fill = lines_of(h.own, edge, shape, level), h.fill
    diagonal, held = np.empty(nx), np.empty(nx)
    target[first * plane : last * plane] = 0.0
    for z in range(2 * first, min(2 * last, nz)):
        for y in range(ny):
            here = (z * ny + y) * nx
            take_row(held, sink, here)
            invert_row(inverse[here : here + nx], diagonal, held, own.x, own.y[y] + own.z[z])
            weight = fill[edge[level, Y] + y] * fill[edge[level, Z] + z]
            average_row(target, (z // 2) * plane + (y // 2) * wide, fill, edge[level, X], weight, held, nx)


@kernel(entry=True, borrows=True)
def coarsen_below(h, level):
    """Coefficients of ``level`` and of all levels below it."""
    deepest = h.shape.shape[0] - 1
    for lower in range(level, deepest):
        coarsen(h, lower, 0, h.shape[lower + 1, Z])
    inverse = h.inverse
    last = h.offset[deepest]
    coupling = h.own[h.edge[deepest, X]] + h.own[h.edge[deepest, Y]] + h.own[h.edge[deepest, Z]]
    inverse[last] = reciprocal(coupling + h.sink[last - h.offset[1]])
