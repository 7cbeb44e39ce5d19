"""Lymphocytes enter the lattice and move on it (docs/theory/lattice-lymphocytes.md).

Who gets into a voxel is settled in three rounds: everybody bids, bids are ranked by keyed priority against the
state before the round, the winners go. The order of rows decides nothing.

What is called for every row takes single arrays and records: handing over the whole state, with a reference
count for each of its forty arrays, takes ten times longer than what is done with it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import effectors, random, vessels
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.chance import poisson_count
from tumorsim.kernels.lattice import (
    DEAD,
    DIRECTIONS,
    DX,
    DY,
    DZ,
    EXHAUSTED,
    FREE,
    NO_WAY,
    NOBODY,
    OPEN,
    ROOM,
    TUMOUR,
    Bytes,
    Numbers,
    block_of,
    block_place,
    lymphocyte_ident,
    neighbour,
    place_of,
    room,
)
from tumorsim.kernels.scan import SIXTEEN, numbers_of

SIDE_WEIGHT = 0.25  # of one step along an axis, against none: second and fourth moments are isotropic
CHEMOKINE_FLOOR = 0.01  # against solid tumour; far below it nobody feels a gradient


class Bids(NamedTuple):
    """Scratch in which lymphocytes bid for voxels; ``first`` holds NOBODY wherever no phase is under way."""

    first: Numbers  # (voxel,) row of the latest bid for the voxel, or NOBODY
    before: Numbers  # (row,) row of the bid before it for the same voxel, or NOBODY
    goal: Numbers  # (row,) voxel bid for, or NOBODY
    way: Bytes  # (row,) 1 + number of the direction there; NO_WAY once the bid is lost
    priority: NDArray[np.uint64]  # (row,)


@kernel(borrows=True)
def enter_bids(bidders, bids, contested):
    """Chain the bids of the rows in ``bidders``, in this order, to the voxels they are for.

    Rows that find another bid for their voxel are listed in ``contested``; returns how many there are.
    """
    first, before, goal, number = bids.first, bids.before, bids.goal, 0
    for row in bidders:
        other = first[goal[row]]
        before[row], first[goal[row]] = other, row
        contested[number] = row
        number += int(other != NOBODY)
    return number


@kernel(borrows=True)
def bids_ahead(row, ident, bids):
    """Number of bids for the same voxel that come before this one: higher priority, then lower id."""
    priority, ahead = bids.priority, 0
    other = bids.first[bids.goal[row]]
    while other != NOBODY:
        tied = priority[other] == priority[row] and ident[other] < ident[row]
        if priority[other] > priority[row] or tied:
            ahead += 1
        other = bids.before[other]
    return ahead


@kernel
def words_for(idents, rows, stream, clock, item):
    """The four random words of the lymphocytes in ``rows``, drawn side by side. Each (row,)."""
    keys = np.empty(rows.size, np.int64)
    for i in range(rows.size):
        keys[i] = idents[rows[i]]
    return random.all_words(clock.seed, stream, keys, clock.step, item)


# --- entering --------------------------------------------------------------------------


@kernel(borrows=True)
def uptake_per_vessel(maturity, vegf, tissue, traits):
    """Share of the cells in blood that one open vessel voxel takes up per day (eq. Y1)."""
    volume = tissue.network.cells_per_vessel / traits.growth.cell_density
    flow = vessels.perfusion(1.0, maturity, 0.0, traits.vessels)
    baseline = traits.vessels.baseline_maturity
    return effectors.recruitment_rate(volume, flow, maturity, vegf, baseline, traits.trafficking)


@kernel(borrows=True)
def most_uptake(tissue, traits):
    """What `uptake_per_vessel` never exceeds, 1/day: it is linear in maturity where it is not zero."""
    volume = tissue.network.cells_per_vessel / traits.growth.cell_density
    v, t, baseline = traits.vessels, traits.trafficking, traits.vessels.baseline_maturity
    flow = max(vessels.perfusion(1.0, 0.0, 0.0, v), vessels.perfusion(1.0, 1.0, 0.0, v))
    ends = (
        effectors.recruitment_rate(volume, flow, 0.0, 0.0, baseline, t),
        effectors.recruitment_rate(volume, flow, 1.0, 0.0, baseline, t),
    )
    return max(ends)


@kernel(borrows=True)
def enter(row, ident, product, voxel, people, load, step):
    """Fill a new row of the table; beyond its end only what needs no row happens."""
    if row >= people.ident.shape[0]:
        return
    idents, products, places, headings = people.ident, people.product, people.voxel, people.heading
    states, targets, born, kills = people.state, people.target, people.born, people.kills
    idents[row], products[row], places[row], headings[row] = ident, product, voxel, NO_WAY
    states[row], targets[row], born[row], kills[row] = FREE, NOBODY, step, 0
    load[voxel] += 1


@kernel(entry=True)
def draw_arrivals(arriving, state, blood, clock, rules, first, last):
    """Phase: lymphocytes that would leave blood at the vessels of rows ``first`` to ``last`` (exclusive) (eq. Y1).

    Parameters
    ----------
    arriving
        (vessel, product + 1) uint8, filled in place: of each product; no more than any voxel has room for.
    state, clock, rules
        `lattice.State`, `lattice.Clock`, `lattice.Rules`.
    blood
        (product + 1,) cells in the blood of the body; memory CD8 T cells come last.
    first, last
        Range of rows of the table of vessels.
    """
    pipes, grid, vegf = state.vessels, state.grid, state.fields.vegf
    flow, places, idents, maturity = pipes.state, pipes.voxel, pipes.ident, pipes.maturity
    most, rows = most_uptake(rules.tissue, rules.patient.traits), np.empty(last - first + 1, np.int32)
    arriving[first:last] = 0
    for product in range(blood.size):
        none = 1.0 - blood[product] * most * clock.dt  # the probability of no arrival is nowhere below it
        if none >= 1.0:
            continue
        words, _ = random.even_words(clock.seed, random.STREAM_RECRUITMENT, idents[first:last], clock.step, product)
        number = 0
        for row in range(first, last):
            rows[number] = row
            number += int(random.to_unit(words[row - first]) > none)
        for row in rows[:number]:
            if flow[row] != OPEN:
                continue
            z, y, x = place_of(places[row], grid)
            here = vegf[block_of(z, y, x, grid)]
            rate = uptake_per_vessel(maturity[row], here, rules.tissue, rules.patient.traits)
            drawn = poisson_count(random.to_unit(words[row - first]), blood[product] * rate * clock.dt)
            arriving[row, product] = min(drawn, ROOM)


@kernel(entry=True)
def let_in(people, voxels, pipes, count, arriving, recruited, step):
    """Phase: lymphocytes enter at open vessel voxels as far as there is room.

    Parameters
    ----------
    people, voxels, pipes
        `lattice.Lymphocytes`, `lattice.Voxels`, `lattice.Vessels`.
    count
        Rows in use of the table of lymphocytes.
    arriving
        (vessel, product + 1) from `draw_arrivals`, of all vessels in use.
    recruited
        (product + 1,) int64; those who entered are added. Who finds no room stays in blood.
    step
        Number of this step.

    Returns
    -------
    int
        Rows in use now. If the table is too short: ``-1 - needed``, and nothing has changed.
    """
    places, idents, needed = pipes.voxel, pipes.ident, count
    load, kinds, kinds_of_cell = voxels.load, voxels.kind, arriving.shape[1]
    each = arriving.reshape(arriving.size)
    found = np.empty(each.size + SIXTEEN, np.int32)
    before, left, number = NOBODY, 0, 0
    for at in found[: numbers_of(each, 1, ROOM, 0, each.size, found)]:  # few vessels let anybody in
        row = at // kinds_of_cell
        if row != before:
            before, left, number = row, room(kinds[places[row]]) - int(load[places[row]]), 0
        for _ in range(min(int(each[at]), left - number)):
            ident = lymphocyte_ident(idents[row], step, number)
            enter(needed, ident, at - row * kinds_of_cell, places[row], people, load, step)
            needed, number = needed + 1, number + 1
    rows, entered, products = people.ident.shape[0], people.voxel, people.product
    for row in range(count, min(needed, rows)):
        if needed > rows:
            load[entered[row]] -= 1
        else:
            recruited[products[row]] += 1
    return -1 - needed if needed > rows else needed


# --- moving ----------------------------------------------------------------------------


@kernel(borrows=True)
def mean_square_step(dimensions):
    """Mean square length of one jump without bias, in voxels (eq. Y2)."""
    axis = 1.0 + 2.0 * SIDE_WEIGHT
    return dimensions * 2.0 * SIDE_WEIGHT * axis ** (dimensions - 1) / (axis**dimensions - 1.0)


@kernel(borrows=True)
def jump_probability(motility, grid, dt):
    """Probability of a jump within ``dt`` days that makes free motility diffuse with its coefficient (eq. Y3).

    Above one if ``dt`` is too long: see `motility_steps`.
    """
    dimensions = 2.0 if grid.nz == 1 else 3.0
    straight = (1.0 + motility.persistence) / (1.0 - motility.persistence)
    square = mean_square_step(dimensions) * grid.spacing**2 * straight
    return 2.0 * dimensions * motility.coefficient * dt / square


@kernel(entry=True, borrows=True)
def motility_steps(motility, grid, dt):
    """Sub-steps into which ``dt`` days must be cut so that nobody would jump more than once in each (eq. Y4)."""
    return max(1, math.ceil(jump_probability(motility, grid, dt)))


@kernel
def slope(field, at, index, size, stride):
    """Change of a field from block to block along one axis; one-sided at the margin, zero across one block."""
    low, high = min(index, 1), min(size - 1 - index, 1)
    if low + high == 0:
        return 0.0
    return (field[at + high * stride] - field[at - low * stride]) / (low + high)


@kernel(borrows=True)
def felt_gradient(z, y, x, chemokine, grid):
    """Relative change of the chemokine over one voxel along z, y and x, saturating below one (eq. Y5)."""
    bz, by, bx = block_place(z, y, x, grid)
    at = (bz * grid.by + by) * grid.bx + bx
    scale = 1.0 / (grid.factor * (chemokine[at] + CHEMOKINE_FLOOR))
    gz = slope(chemokine, at, bz, grid.bz, grid.by * grid.bx) * scale
    gy = slope(chemokine, at, by, grid.by, grid.bx) * scale
    gx = slope(chemokine, at, bx, grid.bx, 1) * scale
    felt = 1.0 / (1.0 + math.sqrt(gz * gz + gy * gy + gx * gx))
    return gz * felt, gy * felt, gx * felt


@kernel
def axis_weights(bias):
    """Weights of one step back, none and one ahead along an axis (eq. Y2)."""
    return SIDE_WEIGHT * math.exp(-bias), 1.0, SIDE_WEIGHT * math.exp(bias)


@kernel(borrows=True)
def choose_direction(u, bias_z, bias_y, bias_x, grid):
    """Direction of a jump by one uniform draw: weights of the axes multiplied (eq. Y2)."""
    along_y, along_x = axis_weights(bias_y), axis_weights(bias_x)
    along_z = axis_weights(bias_z) if grid.nz > 1 else (0.0, 1.0, 0.0)
    total = (along_z[0] + 1.0 + along_z[2]) * (along_y[0] + 1.0 + along_y[2]) * (along_x[0] + 1.0 + along_x[2])
    left, last = u * (total - 1.0), 0
    for direction in range(DIRECTIONS):
        weight = along_z[1 + DZ[direction]] * along_y[1 + DY[direction]] * along_x[1 + DX[direction]]
        if weight > 0.0:
            last = direction
            if left < weight:
                return direction
        left -= weight
    return last


@kernel(entry=True)
def propose_moves(state, substep, substeps, bids, clock, rules, first, last):
    """Phase: whether and where to those of rows ``first`` to ``last`` (exclusive) want to go who hold nobody.

    Who runs against the margin of the lattice, or into a voxel without room, loses its heading.

    Parameters
    ----------
    state, clock, rules
        `lattice.State`, `lattice.Clock`, `lattice.Rules`.
    substep, substeps
        Number of this sub-step, from 0, and how many there are in a step (`motility_steps`).
    bids
        `Bids` of at least so many rows; goals, ways and priorities are filled.
    first, last
        Range of rows.
    """
    people, grid, kinds, chemokine = state.lymphocytes, state.grid, state.voxels.kind, state.fields.chemokine
    headings, states, places, idents = people.heading, people.state, people.voxel, people.ident
    goal, way, priority, motility = bids.goal, bids.way, bids.priority, rules.tissue.motility
    load, chi, jump = state.voxels.load, motility.chemotaxis, jump_probability(motility, grid, clock.dt / substeps)
    goal[first:last] = NOBODY
    way[first:last] = NO_WAY
    rows = np.empty(last - first + 2 * SIXTEEN, np.int32)
    free = numbers_of(states, FREE, FREE, first, last, rows)
    movers = free + numbers_of(states, EXHAUSTED, EXHAUSTED, first, last, rows[free:])
    drawn = words_for(idents, rows[:movers], random.STREAM_MOTION, clock, substep)
    for i in range(movers):
        row, draw = rows[i], random.to_unit(drawn[0][i])
        if draw >= jump:
            continue
        z, y, x = place_of(places[row], grid)
        heading = int(headings[row])
        if heading == NO_WAY or random.to_unit(drawn[1][i]) >= motility.persistence:
            gz, gy, gx = felt_gradient(z, y, x, chemokine, grid)
            heading = 1 + choose_direction(random.to_unit(drawn[2][i]), chi * gz, chi * gy, chi * gx, grid)
        target = neighbour(z, y, x, heading - 1, grid)
        if target == NOBODY:
            headings[row] = NO_WAY
            continue
        slow = motility.tumour_entry if kinds[target] in (TUMOUR, DEAD) else 1.0
        if draw >= jump * slow:
            continue
        if load[target] >= room(kinds[target]):  # whoever is there now counts as staying
            headings[row] = NO_WAY
        else:
            way[row], goal[row], priority[row] = heading, target, drawn[3][i]


@kernel(entry=True)
def settle_moves(people, voxels, count, bids):
    """Phase: those whose bids win jump.

    Parameters
    ----------
    people, voxels
        `lattice.Lymphocytes`, `lattice.Voxels`.
    count
        Rows in use.
    bids
        `Bids`, filled by `propose_moves`.
    """
    kinds, load, places, headings = voxels.kind, voxels.load, people.voxel, people.heading
    first, before, goal, way = bids.first, bids.before, bids.goal, bids.way
    bidders, contested = np.empty(count + SIXTEEN, np.int32), np.empty(count + 1, np.int32)
    number = numbers_of(way, 1, DIRECTIONS, 0, count, bidders)
    for row in contested[: enter_bids(bidders[:number], bids, contested)]:  # nearly all are alone, and win
        left = room(kinds[goal[row]]) - int(load[goal[row]])
        other = before[row]
        if before[other] == NOBODY and bids_ahead(other, people.ident, bids) >= left:  # it found nobody
            way[other] = NO_WAY
        if bids_ahead(row, people.ident, bids) >= left:
            way[row] = NO_WAY
    for row in bidders[:number]:
        first[goal[row]] = NOBODY
        headings[row] = way[row]  # a jump that is blocked costs the heading
        if way[row] != NO_WAY:
            load[places[row]] -= 1
            load[goal[row]] += 1
            places[row] = goal[row]
