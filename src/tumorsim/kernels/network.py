"""Vessels of the lattice: they age, sprout, are embolised and reopen (docs/theory/lattice-vessels.md).

What a vessel does by itself is shared out over threads; one of them settles which sprouts win. Nothing depends on
the order of the table.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import vessels
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.calls import CALL_CUBE, SPROUTING_SENSITIVE
from tumorsim.kernels.chance import hazard_to_probability
from tumorsim.kernels.growth import positive_part
from tumorsim.kernels.lattice import (
    DIRECTIONS,
    DX,
    DY,
    DZ,
    EMBOLISED,
    LENGTHS,
    LOST,
    NOBODY,
    OPEN,
    STROMA,
    VESSEL,
    block_of,
    neighbour,
    place_of,
    room,
)
from tumorsim.kernels.random import (
    STREAM_EMBOLISATION,
    STREAM_SPROUTING,
    STREAM_VESSEL,
    even_words,
    philox,
    to_unit,
    uniform,
)

LOSS, REOPENING = 0, 1  # items of STREAM_VESSEL, numbered by vessel and by segment


# --- laws ---------------------------------------------------------------------------


@kernel(borrows=True)
def aged_maturity(maturity, occupancy, dt, p):
    """Maturity after ``dt`` days at this occupancy, exactly (eq. N1); pruning takes vessels, not maturity."""
    change = vessels.maturation(maturity, occupancy, p) - vessels.maturity_return(maturity, p)
    at_none = vessels.maturation(0.0, occupancy, p) - vessels.maturity_return(0.0, p)
    at_full = vessels.maturation(1.0, occupancy, p) - vessels.maturity_return(1.0, p)
    rate = at_none - at_full  # the laws are linear in maturity
    if rate == 0.0:
        return maturity
    aged = maturity + change / rate * hazard_to_probability(rate, dt)
    return 1.0 if aged > 1.0 else positive_part(aged)


@kernel
def living_on_tumour(density):
    """Share of vessels that live on the VEGF of tumour (eq. N2): all where it is short of vessels, none without it."""
    return 1.0 if density < 1.0 else 2.0 - density


@kernel(borrows=True)
def regression_rate(volume, p):
    """Regression of capacity, 1/day (eq. V5), in a tumour of ``volume`` mL: the same for all its vessels."""
    return -vessels.capacity_change(0.0, 1.0, volume, 0.0, 0.0, p)


@kernel(borrows=True)
def loss_rate(occupancy, embolised, density, regressing, p):
    """Hazard of a vessel voxel, 1/day (eq. N2): pruning, and the regression of capacity (eq. V5) at this density.

    ``embolised`` is 0 or 1, ``regressing`` is the `regression_rate`.
    """
    regression = regressing * 0.5 * (2.0 - density)
    closed = -vessels.capacity_change(0.0, 1.0, 0.0, 0.0, embolised, p)
    pruning = p.pruning_rate * vessels.pruning_excess(occupancy, p) * living_on_tumour(density)
    return pruning + regression + closed


@kernel(borrows=True)
def sprouting_rate(heard, density, vegf, p):
    """Sprouts per open vessel voxel and day (eq. N6).

    ``heard`` are the cells with a free VEGF axis that call, for each cell that the vessel feeds. Capacity adds the
    less to density the more of it there is (eq. V1).
    """
    return vessels.capacity_change(heard * 0.5 * (2.0 - density) ** 2, 0.0, 0.0, vegf, 0.0, p)


# --- ageing -------------------------------------------------------------------------


@kernel(entry=True)
def age_vessels(table, kind, effects, grid, calls, volume, clock, p, first, last):
    """Phase: vessels of rows ``first`` to ``last`` mature, are pruned, regress, reopen after embolisation (eqs N1-N4).

    Parameters
    ----------
    table
        `lattice.Vessels`; rows of lost vessels become LOST.
    kind, effects, grid
        Of `lattice.Voxels`, in which the voxels of lost vessels become STROMA; of `lattice.Fields`; `lattice.Grid`.
    calls
        From `calls.hear_calls`.
    volume
        Volume of the tumour that the lattice stands for, mL.
    clock, p
        `lattice.Clock`, record of `layout.Vessels`.
    first, last
        Range of rows, ``last`` exclusive.
    """
    voxel, maturity, flow = table.voxel, table.maturity, table.state
    ident, segment = table.ident, table.segment
    reopening, regressing = hazard_to_probability(p.recanalisation_rate, clock.dt), regression_rate(volume, p)
    words, _ = even_words(clock.seed, STREAM_VESSEL, ident[first:last], clock.step, LOSS)
    occupancies = np.empty(last - first)
    for row in range(first, last):  # a loop of its own: many cache lines are then waited for at a time
        z, y, x = place_of(voxel[row], grid)
        occupancies[row - first] = effects[block_of(z, y, x, grid), SPROUTING_SENSITIVE]
    for row in range(first, last):
        if flow[row] == LOST:
            continue
        z, y, x = place_of(voxel[row], grid)
        occupancy = occupancies[row - first]
        maturity[row] = aged_maturity(maturity[row], occupancy, clock.dt, p)
        embolised = 1.0 if flow[row] == EMBOLISED else 0.0
        density = calls[z // CALL_CUBE, y // CALL_CUBE, x // CALL_CUBE, 0]
        rate = loss_rate(occupancy, embolised, density, regressing, p)
        draw = to_unit(words[row - first])
        if draw < rate * clock.dt and draw < hazard_to_probability(rate, clock.dt):  # the former is the larger
            flow[row] = LOST
            kind[voxel[row]] = STROMA
        elif (
            flow[row] == EMBOLISED
            and uniform(clock.seed, STREAM_VESSEL, segment[row], clock.step, REOPENING) < reopening
        ):
            flow[row] = OPEN


# --- where a sprout goes ------------------------------------------------------------


@kernel
def along(a, b):
    """Scalar product of two directions, in voxels squared."""
    return DZ[a] * DZ[b] + DY[a] * DY[b] + DX[a] * DX[b]


@kernel
def straight_on(z, y, x, segment, segment_at, grid):
    """Whether a vessel voxel is an end of its segment, and the direction straight on from there.

    It is an end when no two of its neighbours in the segment are more than a right angle apart. Straight on is
    away from them; NOBODY where there are none.
    """
    beside = np.empty(DIRECTIONS, dtype=np.int64)
    found = 0
    for direction in range(DIRECTIONS):
        other = neighbour(z, y, x, direction, grid)
        if other != NOBODY and segment_at[other] == segment:
            for i in range(found):
                if along(beside[i], direction) < 0:
                    return False, NOBODY
            beside[found] = direction
            found += 1
    best, ahead = 0.0, NOBODY
    for direction in range(DIRECTIONS):
        away = 0
        for i in range(found):
            away -= along(beside[i], direction)
        if away / LENGTHS[direction] > best:
            best, ahead = away / LENGTHS[direction], direction
    return True, ahead


@kernel(borrows=True)
def uphill(signal, z, y, x, grid):
    """Unit vector (z, y, x) towards more of a signal of blocks; zeros where it is level."""
    bz, by, bx = z // grid.factor, y // grid.factor, x // grid.factor
    z0, z1, y0, y1 = max(bz - 1, 0), min(bz + 1, grid.bz - 1), max(by - 1, 0), min(by + 1, grid.by - 1)
    x0, x1 = max(bx - 1, 0), min(bx + 1, grid.bx - 1)
    up = (signal[(z1 * grid.by + by) * grid.bx + bx] - signal[(z0 * grid.by + by) * grid.bx + bx]) / max(z1 - z0, 1)
    back = (signal[(bz * grid.by + y1) * grid.bx + bx] - signal[(bz * grid.by + y0) * grid.bx + bx]) / max(y1 - y0, 1)
    right = (signal[(bz * grid.by + by) * grid.bx + x1] - signal[(bz * grid.by + by) * grid.bx + x0]) / max(x1 - x0, 1)
    length = math.sqrt(up * up + back * back + right * right)
    if length == 0.0:
        return 0.0, 0.0, 0.0
    return up / length, back / length, right / length


@kernel(borrows=True)
def is_free(voxel, voxels):
    """Whether a vessel may grow into a voxel: stroma whose lymphocytes find room there."""
    return voxel != NOBODY and voxels.kind[voxel] == STROMA and voxels.load[voxel] <= room(VESSEL)


@kernel
def sprout_target(z, y, x, ahead, draws, state, persistence):
    """Voxel that a sprout takes (eq. N7), or NOBODY.

    ``draws`` decide whether it goes straight on (``ahead``) and, if not, which way.
    """
    grid = state.grid
    if ahead != NOBODY and draws[0] < persistence:
        target = neighbour(z, y, x, ahead, grid)
        if is_free(target, state.voxels):
            return target
    up, back, right = uphill(state.fields.vegf, z, y, x, grid)
    weights, total = np.zeros(DIRECTIONS), 0.0
    for direction in range(DIRECTIONS):
        if is_free(neighbour(z, y, x, direction, grid), state.voxels):
            climb = (DZ[direction] * up + DY[direction] * back + DX[direction] * right) / LENGTHS[direction]
            weights[direction] = positive_part(1.0 + climb) / LENGTHS[direction] ** 2
            total += weights[direction]
    left, chosen = draws[1] * total, NOBODY
    for direction in range(DIRECTIONS):
        if weights[direction] > 0.0:
            chosen = direction
            if left < weights[direction]:
                break
            left -= weights[direction]
    return neighbour(z, y, x, chosen, grid) if chosen != NOBODY else NOBODY


# --- sprouting ----------------------------------------------------------------------


class Sprouts(NamedTuple):
    """What the vessels propose that sprout; all (sprout,)."""

    row: NDArray[np.int64]  # of the vessel
    wanted: NDArray[np.int32]  # voxel, or NOBODY
    priority: NDArray[np.uint64]
    branches: NDArray[np.uint8]  # 1: the sprout begins a segment of its own


@kernel(entry=True)
def draw_sprouts(begins, table, vegf, grid, calls, clock, p, first, last):
    """Phase: which of the vessels of rows ``first`` to ``last`` (exclusive) sprout (eq. N6).

    Parameters
    ----------
    begins
        (row,) uint8, filled: 1 where a vessel sprouts.
    table, vegf, grid
        `lattice.Vessels`, of `lattice.Fields`, `lattice.Grid`.
    calls
        From `calls.hear_calls`.
    clock, p
        `lattice.Clock`, record of `layout.Vessels`.
    first, last
        Range of rows.
    """
    voxel, flow = table.voxel, table.state
    words, _ = even_words(clock.seed, STREAM_SPROUTING, table.ident[first:last], clock.step, 0)
    for row in range(first, last):
        begins[row] = 0
        if flow[row] != OPEN:
            continue
        z, y, x = place_of(voxel[row], grid)
        cz, cy, cx = z // CALL_CUBE, y // CALL_CUBE, x // CALL_CUBE
        rate = sprouting_rate(calls[cz, cy, cx, 1], calls[cz, cy, cx, 0], vegf[block_of(z, y, x, grid)], p)
        draw = to_unit(words[row - first])
        if draw < rate * clock.dt and draw < hazard_to_probability(rate, clock.dt):  # the former is the larger
            begins[row] = 1


@kernel(entry=True, borrows=True)
def mark_segments(marks, table, called, present, first, last):
    """Phase: write the segments that are ``called`` into ``marks`` (voxel,), or NOBODY, where not ``present``.

    Of the vessels of rows ``first`` to ``last`` (exclusive) of ``table``, `lattice.Vessels`; ``called`` (segment,) is
    uint8, not zero where somebody will ask for the segment.
    """
    voxel, segment, flow = table.voxel, table.segment, table.state
    for row in range(first, last):
        if called[segment[row]] != 0 and flow[row] != LOST:
            marks[voxel[row]] = segment[row] if present else NOBODY


@kernel(entry=True)
def aim_sprouts(sprouts, state, segment_at, clock, persistence, first, last):
    """Phase: where to the sprouts from ``first`` to ``last`` (exclusive) want to grow (eq. N7).

    Parameters
    ----------
    sprouts
        `Sprouts`, filled in place; rows are there.
    state
        `lattice.State`.
    segment_at
        (voxel,) segment of the vessel in each voxel, as far as segments of these vessels go, otherwise NOBODY.
    clock
        `lattice.Clock`.
    persistence
        Probability with which a tip goes straight on.
    first, last
        Range of sprouts.
    """
    grid, voxel, segment, ident = state.grid, state.vessels.voxel, state.vessels.segment, state.vessels.ident
    rows, wanted, priority, branches = sprouts.row, sprouts.wanted, sprouts.priority, sprouts.branches
    for i in range(first, last):
        row = rows[i]
        z, y, x = place_of(voxel[row], grid)
        words = philox(clock.seed, STREAM_SPROUTING, ident[row], clock.step, 0)
        end, ahead = straight_on(z, y, x, segment[row], segment_at, grid)
        wanted[i] = sprout_target(z, y, x, ahead, (to_unit(words[1]), to_unit(words[2])), state, persistence)
        priority[i], branches[i] = words[3], 0 if end else 1


@kernel(borrows=True)
def order_by(keys, rows):
    """Sort rows by their keys in place (Shell sort: NumPy's costs seconds of compilation)."""
    gap = 1
    while gap < rows.size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, rows.size):
            row, j = rows[i], i
            while j >= gap and keys[rows[j - gap]] > keys[row]:
                rows[j] = rows[j - gap]
                j -= gap
            rows[j] = row
        gap //= 3


@kernel
def winning(sprouts, ident):
    """Sprouts that win, ordered by the voxel wanted: the highest priority, then the lowest ident of the vessel."""
    source, wanted, priority = sprouts.row, sprouts.wanted, sprouts.priority
    found, proposals = np.empty(wanted.size, dtype=np.int64), 0
    for sprout in range(wanted.size):
        if wanted[sprout] != NOBODY:
            found[proposals] = sprout
            proposals += 1
    winners, n = np.empty(proposals, dtype=np.int64), 0
    order_by(wanted, found[:proposals])
    for sprout in found[:proposals]:
        if n > 0 and wanted[sprout] == wanted[winners[n - 1]]:
            best = winners[n - 1]
            if priority[sprout] > priority[best] or (
                priority[sprout] == priority[best] and ident[source[sprout]] < ident[source[best]]
            ):
                winners[n - 1] = sprout
        else:
            winners[n] = sprout
            n += 1
    return winners[:n]


@kernel(entry=True)
def settle_sprouts(table, kind, count, next_ident, next_segment, sprouts, maturity_of_new, step):
    """Phase: of the sprouts that want a voxel one grows into it (eq. N7).

    Parameters
    ----------
    table
        `lattice.Vessels`; new ones follow row ``count``, in order of voxel.
    kind
        Of `lattice.Voxels`; their voxels become VESSEL.
    count
        Rows of vessels in use.
    next_ident, next_segment
        Numbers of the next vessel and of the next segment.
    sprouts
        `Sprouts`, filled by `aim_sprouts`.
    maturity_of_new
        0-1.
    step
        Number of this step.

    Returns
    -------
    tuple of int
        New count, next ident, next segment. A count below zero: the arrays are too short, minus count rows are
        needed, and nothing has changed.
    """
    rows, wanted, branches = sprouts.row, sprouts.wanted, sprouts.branches
    winners = winning(sprouts, table.ident)
    if count + winners.size > table.ident.size:
        return -(count + winners.size), next_ident, next_segment
    ident, segment, voxel = table.ident, table.segment, table.voxel
    maturity, flow, born = table.maturity, table.state, table.born
    for i in winners:
        ident[count], voxel[count], born[count] = next_ident, wanted[i], step
        segment[count] = next_segment if branches[i] else segment[rows[i]]
        maturity[count], flow[count] = maturity_of_new, OPEN
        kind[wanted[i]] = VESSEL
        next_segment += int(branches[i])
        next_ident += 1
        count += 1
    return count, next_ident, next_segment


# --- embolisation and housekeeping --------------------------------------------------


@kernel(entry=True, borrows=True)
def embolise(state, count, session, fraction, clock):
    """A TACE session closes each open segment with probability ``fraction`` (eq. N8); returns the rows closed."""
    segment, flow = state.vessels.segment, state.vessels.state
    closed = 0
    for row in range(count):
        if flow[row] == OPEN and uniform(clock.seed, STREAM_EMBOLISATION, segment[row], session, 0) < fraction:
            flow[row] = EMBOLISED
            closed += 1
    return closed


@kernel(entry=True, borrows=True)
def close_up_vessels(table, count):
    """Phase: drop the rows of lost vessels, keeping the order of the others; returns the new count."""
    ident, segment, voxel = table.ident, table.segment, table.voxel
    maturity, flow, born = table.maturity, table.state, table.born
    kept = 0
    for row in range(count):
        if flow[row] != LOST:
            ident[kept], segment[kept], voxel[kept] = ident[row], segment[row], voxel[row]
            maturity[kept], flow[kept], born[kept] = maturity[row], flow[row], born[row]
            kept += 1
    return kept
