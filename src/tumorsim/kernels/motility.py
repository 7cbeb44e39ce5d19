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
    TUMOUR,
    Bytes,
    Numbers,
    block_of,
    lymphocyte_ident,
    neighbour,
    place_of,
    room,
)

SIDE_WEIGHT = 0.25  # of one step along an axis, against none: second and fourth moments are isotropic
CHEMOKINE_FLOOR = 0.01  # against solid tumour; far below it nobody feels a gradient


class Bids(NamedTuple):
    """Scratch in which lymphocytes bid for voxels; ``first`` holds NOBODY wherever no phase is under way."""

    first: Numbers  # (voxel,) row of the latest bid for the voxel, or NOBODY
    before: Numbers  # (row,) row of the bid before it for the same voxel, or NOBODY
    goal: Numbers  # (row,) voxel bid for, or NOBODY
    way: Bytes  # (row,) 1 + number of the direction there; NO_WAY once the bid is lost
    priority: NDArray[np.uint64]  # (row,)


@kernel
def bid(row, voxel, priority, bids):
    """Enter the bid of a row for a voxel."""
    first, before, goal, priorities = bids.first, bids.before, bids.goal, bids.priority
    goal[row] = voxel
    priorities[row] = priority
    before[row] = first[voxel]
    first[voxel] = row


@kernel
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


# --- entering --------------------------------------------------------------------------


@kernel
def uptake_per_vessel(maturity, vegf, tissue, traits):
    """Share of the cells in blood that one open vessel voxel takes up per day (eq. Y1)."""
    volume = tissue.network.cells_per_vessel / traits.growth.cell_density
    flow = vessels.perfusion(1.0, maturity, 0.0, traits.vessels)
    baseline = traits.vessels.baseline_maturity
    return effectors.recruitment_rate(volume, flow, maturity, vegf, baseline, traits.trafficking)


@kernel
def enter(row, ident, product, voxel, state, clock):
    """Fill a new row of the table; beyond its end only what needs no row happens."""
    people = state.lymphocytes
    if row >= people.ident.shape[0]:
        return
    idents, products, places, headings = people.ident, people.product, people.voxel, people.heading
    states, targets, born, kills = people.state, people.target, people.born, people.kills
    load = state.voxels.load
    idents[row], products[row], places[row], headings[row] = ident, product, voxel, NO_WAY
    states[row], targets[row], born[row], kills[row] = FREE, NOBODY, clock.step, 0
    load[voxel] += 1


@kernel(entry=True)
def recruit_lymphocytes(state, vessels_count, count, blood, recruited, clock, rules):
    """Phase: lymphocytes enter at open vessel voxels, a Poisson number of each product (eq. Y1).

    Parameters
    ----------
    state, clock, rules
        `lattice.State`, `lattice.Clock`, `lattice.Rules`.
    vessels_count, count
        Rows in use of the tables of vessels and of lymphocytes.
    blood
        (product + 1,) cells in the blood of the body; memory CD8 T cells come last.
    recruited
        (product + 1,) int64; those who entered are added. Who finds no room stays in blood.
    clock, rules
        Which step; parameters.

    Returns
    -------
    int
        Rows in use now. If the table is too short: ``-1 - needed``, and nothing has changed.
    """
    pipes, load, grid, needed = state.vessels, state.voxels.load, state.grid, count
    for row in range(vessels_count):
        if pipes.state[row] != OPEN:
            continue
        voxel, vessel, number = pipes.voxel[row], pipes.ident[row], 0
        z, y, x = place_of(voxel, grid)
        vegf = state.fields.vegf[block_of(z, y, x, grid)]
        rate = uptake_per_vessel(pipes.maturity[row], vegf, rules.tissue, rules.patient.traits)
        left = room(state.voxels.kind[voxel]) - int(load[voxel])
        for product in range(blood.size):
            words = random.philox(clock.seed, random.STREAM_RECRUITMENT, vessel, clock.step, product)
            arriving = poisson_count(random.to_unit(words[0]), blood[product] * rate * clock.dt)
            for _ in range(min(arriving, left - number)):
                enter(needed, lymphocyte_ident(vessel, clock.step, number), product, voxel, state, clock)
                needed, number = needed + 1, number + 1
    rows, entered = state.lymphocytes.ident.shape[0], state.lymphocytes.voxel
    for row in range(count, min(needed, rows)):
        if needed > rows:
            load[entered[row]] -= 1
        else:
            recruited[state.lymphocytes.product[row]] += 1
    return -1 - needed if needed > rows else needed


# --- moving ----------------------------------------------------------------------------


@kernel
def mean_square_step(dimensions):
    """Mean square length of one jump without bias, in voxels (eq. Y2)."""
    axis = 1.0 + 2.0 * SIDE_WEIGHT
    return dimensions * 2.0 * SIDE_WEIGHT * axis ** (dimensions - 1) / (axis**dimensions - 1.0)


@kernel
def jump_probability(motility, grid, dt):
    """Probability of a jump within ``dt`` days that makes free motility diffuse with its coefficient (eq. Y3).

    Above one if ``dt`` is too long: see `motility_steps`.
    """
    dimensions = 2.0 if grid.nz == 1 else 3.0
    straight = (1.0 + motility.persistence) / (1.0 - motility.persistence)
    square = mean_square_step(dimensions) * grid.spacing**2 * straight
    return 2.0 * dimensions * motility.coefficient * dt / square


@kernel(entry=True)
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


@kernel
def felt_gradient(z, y, x, chemokine, grid):
    """Relative change of the chemokine over one voxel along z, y and x, saturating below one (eq. Y5)."""
    f, at = grid.factor, block_of(z, y, x, grid)
    scale = 1.0 / (f * (chemokine[at] + CHEMOKINE_FLOOR))
    gz = slope(chemokine, at, z // f, grid.bz, grid.by * grid.bx) * scale
    gy = slope(chemokine, at, y // f, grid.by, grid.bx) * scale
    gx = slope(chemokine, at, x // f, grid.bx, 1) * scale
    felt = 1.0 / (1.0 + math.sqrt(gz * gz + gy * gy + gx * gx))
    return gz * felt, gy * felt, gx * felt


@kernel
def axis_weights(bias):
    """Weights of one step back, none and one ahead along an axis (eq. Y2)."""
    return SIDE_WEIGHT * math.exp(-bias), 1.0, SIDE_WEIGHT * math.exp(bias)


@kernel
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


@kernel
def bid_to_move(state, count, substep, jump, bids, clock, motility):
    """Whether and where everybody wants to go. Who runs against the margin of the lattice loses its heading."""
    people, grid, kinds, chemokine = state.lymphocytes, state.grid, state.voxels.kind, state.fields.chemokine
    headings, goal, way = people.heading, bids.goal, bids.way
    chi = motility.chemotaxis
    for row in range(count):
        goal[row] = NOBODY
        if people.state[row] != FREE and people.state[row] != EXHAUSTED:
            continue
        words = random.philox(clock.seed, random.STREAM_MOTION, people.ident[row], clock.step, substep)
        if random.to_unit(words[0]) >= jump:
            continue
        z, y, x = place_of(people.voxel[row], grid)
        heading = int(headings[row])
        if heading == NO_WAY or random.to_unit(words[1]) >= motility.persistence:
            gz, gy, gx = felt_gradient(z, y, x, chemokine, grid)
            heading = 1 + choose_direction(random.to_unit(words[2]), chi * gz, chi * gy, chi * gx, grid)
        target = neighbour(z, y, x, heading - 1, grid)
        if target == NOBODY:
            headings[row] = NO_WAY
            continue
        slow = motility.tumour_entry if kinds[target] in (TUMOUR, DEAD) else 1.0
        if random.to_unit(words[0]) < jump * slow:
            way[row] = heading
            bid(row, target, words[3], bids)


@kernel(entry=True)
def move_lymphocytes(state, count, substep, substeps, bids, clock, rules):
    """Phase: one sub-step of motility of all lymphocytes that hold nobody.

    Parameters
    ----------
    state, clock, rules
        `lattice.State`, `lattice.Clock`, `lattice.Rules`.
    count
        Rows in use.
    substep, substeps
        Number of this sub-step, from 0, and how many there are in a step (`motility_steps`).
    bids
        `Bids` of at least so many rows.
    """
    motility, people = rules.tissue.motility, state.lymphocytes
    kinds, load, places, headings = state.voxels.kind, state.voxels.load, people.voxel, people.heading
    first, goal, way = bids.first, bids.goal, bids.way
    jump = jump_probability(motility, state.grid, clock.dt / substeps)
    bid_to_move(state, count, substep, jump, bids, clock, motility)
    for row in range(count):  # whoever is there now counts as staying
        if goal[row] != NOBODY:
            left = room(kinds[goal[row]]) - int(load[goal[row]])
            if bids_ahead(row, people.ident, bids) >= left:
                way[row] = NO_WAY
    for row in range(count):
        if goal[row] == NOBODY:
            continue
        first[goal[row]] = NOBODY
        headings[row] = way[row]  # a jump that is blocked costs the heading
        if way[row] != NO_WAY:
            load[places[row]] -= 1
            load[goal[row]] += 1
            places[row] = goal[row]
