"""Steady state of one field: laws, and the linear system of each Newton step (docs/numerics/fields.md).

`kernels/multigrid.py` solves the system; its coefficients are made here on every level.

Source: Trottenberg, Oosterlee & Schüller 2001, Multigrid, ch. 5 (Newton's method with one cycle a step).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import half_saturation, positive_part
from tumorsim.kernels.multigrid import (
    STRIP,
    X,
    Y,
    Z,
    average_rows,
    balance_rows,
    boxed,
    lines_of,
    open_level,
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


class Rows(NamedTuple):
    """Some rows of voxels of a `Tissue`, all its parts added up; arrays are (strip, x)."""

    loss: Floats
    gain: Floats
    highest: Floats
    half: float


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
def take_rows(rows, values, start, count):
    """So many rows of an array over voxels, the first of which begins with voxel ``start``; zeros of an empty one."""
    if values.size == 0:
        rows[:count] = 0.0
        return
    nx = rows.shape[1]
    for i in range(count):
        row = values[start + i * nx : start + (i + 1) * nx]
        for x in range(nx):
            rows[i, x] = row[x]


@kernel(borrows=True)
def fill_rows(rows, tissue, start, count, vessel):
    """Loss, gain and uptake of so many rows, from all parts of the tissue; the first begins with voxel ``start``.

    ``vessel`` is the first vessel of the list in or after these rows; returns the first one after them.
    """
    loss, gain, highest = rows.loss, rows.gain, rows.highest
    kinds, uptake, place, exchange = tissue.kinds, tissue.uptake, tissue.place, tissue.exchange
    nx = loss.shape[1]
    take_rows(loss, tissue.loss, start, count)
    take_rows(gain, tissue.gain, start, count)
    take_rows(highest, tissue.highest, start, count)
    if kinds.size > 0:
        for i in range(count):
            row = kinds[start + i * nx : start + (i + 1) * nx]
            for x in range(nx):
                highest[i, x] += uptake[row[x]]
    while vessel < place.size and place[vessel] < start + count * nx:
        i, x = (place[vessel] - start) // nx, (place[vessel] - start) % nx
        loss[i, x] += exchange[vessel]
        gain[i, x] += exchange[vessel] * tissue.source
        vessel += 1
    return vessel


@kernel(borrows=True)
def linearise_rows(at, sink, saturation, rows, z, first, last):
    """Right-hand side and loss of some rows for saturable uptake about the values of ``at`` (eq. F12).

    ``sink`` is (strip, x), ``saturation`` (x,). One result a loop here and below: the compiler gives up on
    vector code where too many arrays may overlap.
    """
    loss, gain, highest, half = rows.loss, rows.gain, rows.highest, rows.half
    value, right, nx = at.value, at.right, saturation.size
    for y in range(first, last):
        i = y - first
        for x in range(nx):
            saturation[x] = half_saturation(positive_part(value[z, y, x]), half)
        for x in range(nx):
            right[z, y, x] = gain[i, x] - uptake_beyond(saturation[x], highest[i, x])
        for x in range(nx):
            sink[i, x] = loss[i, x] + uptake_slope(saturation[x], half, highest[i, x])


@kernel(borrows=True)
def supply_rows(right, gain, z, first, last, inflow):
    """Add what fixed faces bring to the right-hand side, and to ``gain`` (strip, x): all supply."""
    inflow_x, inflow_y, inflow_z = inflow.x, inflow.y, inflow.z
    nx = inflow_x.size
    for y in range(first, last):
        others = inflow_y[y] + inflow_z[z]
        for x in range(nx):
            right[z, y, x] += inflow_x[x] + others
        for x in range(nx):
            gain[y - first, x] = gain[y - first, x] + (inflow_x[x] + others)


@kernel(borrows=True)
def invert_rows(inverse, z, first, last, diagonal, sink, own):
    """Diagonals of some rows and their reciprocals; then ``sink`` as a coarser lattice feels it (eq. F16)."""
    own_x, own_y, own_z = own.x, own.y, own.z
    nx = own_x.size
    for y in range(first, last):
        i, others = y - first, own_y[y] + own_z[z]
        for x in range(nx):
            diagonal[i, x] = (own_x[x] + others) + sink[i, x]
        for x in range(nx):
            inverse[z, y, x] = reciprocal(diagonal[i, x])
        for x in range(nx):
            sink[i, x] = held_loss(sink[i, x], own_x[x] + others)


@kernel(borrows=True)
def add_squares(sums, rows, count):
    """Add squares voxel by voxel, row after row, so that one plane makes one sum."""
    for i in range(count):
        for x in range(sums.size):
            sums[x] += rows[i, x] * rows[i, x]


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
    at, target = open_level(c, h, 0), boxed(h.sink, h.shape, 1, 0)
    value, right = at.value, at.right
    nz, ny, nx = value.shape
    rows = Rows(np.empty((STRIP, nx)), np.empty((STRIP, nx)), np.empty((STRIP, nx)), tissue.half)
    vessel = first_from(tissue.place, 2 * first * ny * nx)
    fill, own = lines_of(h.fill, h.edge, h.shape, 0), lines_of(h.own, h.edge, h.shape, 0)
    inflow = lines_of(h.inflow, h.edge, h.shape, 0)
    sink, diagonal, out = np.empty((STRIP, nx)), np.empty((STRIP, nx)), np.empty((STRIP, nx))
    saturation, rest, supplied = np.empty(nx), np.empty(nx), np.empty(nx)
    target[first:last] = 0.0
    norms[first:last] = 0.0
    for z in range(2 * first, min(2 * last, nz)):
        rest[:] = 0.0
        supplied[:] = 0.0
        for south in range(0, ny, STRIP):
            north = min(south + STRIP, ny)
            vessel = fill_rows(rows, tissue, (z * ny + south) * nx, north - south, vessel)
            linearise_rows(at, sink, saturation, rows, z, south, north)
            supply_rows(right, rows.gain, z, south, north, inflow)
            invert_rows(at.inverse, z, south, north, diagonal, sink, own)
            balance_rows(out, at, z, south, north)
            for y in range(south, north):
                for x in range(nx):
                    out[y - south, x] = out[y - south, x] - diagonal[y - south, x] * value[z, y, x]
            add_squares(rest, out, north - south)
            add_squares(supplied, rows.gain, north - south)
            average_rows(target, z, south, north, sink, fill)
        norms[z // 2, 0] += total(rest)
        norms[z // 2, 1] += total(supplied)


@kernel(entry=True)
def coarsen(h, level, first, last):
    """Phase: reciprocal diagonals of ``level`` from its mean losses, and the mean losses of the next (eq. F16).

    ``first`` and ``last`` are planes of the next level.
    """
    shape, start = h.shape, h.offset[1]
    inverse = boxed(h.inverse, shape, level, h.offset[level])
    sink = boxed(h.sink, shape, level, h.offset[level] - start)
    target = boxed(h.sink, shape, level + 1, h.offset[level + 1] - start)
    nz, ny, nx = sink.shape
    fill, own = lines_of(h.fill, h.edge, shape, level), lines_of(h.own, h.edge, shape, level)
    diagonal, held = np.empty((STRIP, nx)), np.empty((STRIP, nx))
    target[first:last] = 0.0
    for z in range(2 * first, min(2 * last, nz)):
        for south in range(0, ny, STRIP):
            north = min(south + STRIP, ny)
            for y in range(south, north):
                for x in range(nx):
                    held[y - south, x] = sink[z, y, x]
            invert_rows(inverse, z, south, north, diagonal, held, own)
            average_rows(target, z, south, north, held, fill)


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
