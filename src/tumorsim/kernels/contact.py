"""Lymphocytes hold tumour cells and kill them (docs/theory/lattice-lymphocytes.md).

As in `motility`: everybody bids, bids are ranked by keyed priority, the winners hold.
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels import killing, random, vessels
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.chance import first_event, hazard_to_probability
from tumorsim.kernels.lattice import (
    ALIVE,
    ANTIGEN_LOW,
    BY_MEMORY,
    BY_PRODUCT,
    CLONE_BITS,
    DIRECTIONS,
    DX,
    DY,
    DZ,
    ENGAGED,
    EXHAUSTED,
    FREE,
    GONE,
    MHC_LOW,
    NO_WAY,
    NOBODY,
    RESISTANT,
    TUMOUR,
    block_of,
    neighbour,
    place_of,
)
from tumorsim.kernels.layout import DrugEffects
from tumorsim.kernels.motility import bids_ahead, enter_bids, words_for
from tumorsim.kernels.scan import SIXTEEN, numbers_of

EFFECTORS = DrugEffects._fields.index("effectors")
OPSONISATION = DrugEffects._fields.index("opsonisation")
MEMORY_HOLDERS = 1  # memory CD8 T cells that hold one cell
SEEK, FATE = 0, 1  # items of a lymphocyte's draws in a step
KILL, LET_GO, EXHAUST, DIE = 0, 1, 2, 3  # events, in the order of their rates


# --- laws ------------------------------------------------------------------------------


@kernel(borrows=True)
def holders_at_most(product, products):
    """Lymphocytes that may hold one tumour cell when another of this product comes (eq. Y7)."""
    if product == products.shape[0]:
        return MEMORY_HOLDERS
    return max(1, math.floor(products[product].half_e_to_t + 0.5))


@kernel(borrows=True)
def attacks(product, traits, products):
    """Whether a tumour cell of these traits is one that this product attacks at all."""
    if product == products.shape[0]:
        return traits & MHC_LOW == 0
    p = products[product]
    spared = (traits & RESISTANT != 0 and p.resistant_activity <= 0.0) or (
        traits & ANTIGEN_LOW != 0 and p.antigen_low_activity <= 0.0
    )
    return not spared


@kernel(borrows=True)
def killing_rate(product, cell, around, tissue, patient):
    """Hazard of a tumour cell from one lymphocyte that holds it, 1/day (eqs Y8 and Y9).

    Parameters
    ----------
    product
        Number of the product; that of memory CD8 T cells is the number of products.
    cell
        Traits of the tumour cell.
    around
        Where the cell is: oxygen (mmHg), VEGF (pg/mL), suppressors, and of the drugs' effects the
        suppression of effectors and opsonisation.
    tissue, patient
        Parameters.
    """
    traits, v = patient.traits, patient.traits.vessels
    oxygen = vessels.oxygenation(around[0] / tissue.oxygen.normal_oxygen, v)
    filters = killing.permitted(oxygen, around[1], v.vegf_half_effect, around[2], traits.suppression)
    if product == patient.products.shape[0]:
        return 0.0 if cell & MHC_LOW else tissue.contact.memory_kill_rate * filters
    p = patient.products[product]
    hazards = killing.action(filters * (1.0 - around[3]) / p.half_e_to_t, around[4], p)
    return (1.0 - p.cytostatic_share) * hazards[cell & CLONE_BITS]


@kernel(borrows=True)
def most_killing(product, tissue, products):
    """What `killing_rate` never exceeds, 1/day: filters and effects of drugs are shares."""
    if product == products.shape[0]:
        return tissue.contact.memory_kill_rate
    p = products[product]
    return (1.0 - p.cytostatic_share) * max(killing.action(1.0 / p.half_e_to_t, 1.0, p))


@kernel(borrows=True)
def weariness(product, contact, products):
    """Rates of exhaustion, while a cell is held, and of death of a lymphocyte, 1/day (eq. Y10)."""
    if product == products.shape[0]:
        return 0.0, contact.memory_death_rate
    return products[product].exhaustion_rate, products[product].tumour_death_rate


# --- engaging --------------------------------------------------------------------------


@kernel(borrows=True)
def release(row, becomes, states, targets, held):
    """Let go of the tumour cell held, if any, and change state."""
    if targets[row] != NOBODY:
        held[targets[row]] -= 1
        targets[row] = NOBODY
    states[row] = becomes


@kernel
def steps_around(grid):
    """How far on in memory the voxel itself and its neighbours lie, in order of directions."""
    steps = np.zeros(DIRECTIONS + 1, np.int64)
    for direction in range(DIRECTIONS):
        steps[1 + direction] = (DZ[direction] * grid.ny + DY[direction]) * grid.nx + DX[direction]
    return steps


@kernel(borrows=True)
def within_reach(voxel, found, kinds, steps, grid):
    """Tumour cells in a voxel and around it, in order of directions, into ``found``; how many."""
    z, y, x = place_of(voxel, grid)
    number = 0
    if 0 < z < grid.nz - 1 and 0 < y < grid.ny - 1 and 0 < x < grid.nx - 1:
        for step in steps:  # no branch: nobody can guess which of them are tumour
            found[number] = voxel + step
            number += int(kinds[voxel + step] == TUMOUR)
        return number
    for direction in range(-1, DIRECTIONS):
        at = int(voxel) if direction < 0 else neighbour(z, y, x, direction, grid)
        if at != NOBODY and kinds[at] == TUMOUR:
            found[number] = at
            number += 1
    return number


@kernel(borrows=True)
def find_targets(product, found, number, traits, held, products):
    """Leave those of the ``number`` tumour cells that this product can attack and one more may hold; how many."""
    left, at_most = 0, holders_at_most(product, products)
    for at in found[:number]:
        found[left] = at
        left += int(held[at] < at_most and attacks(product, int(traits[at]), products))
    return left


@kernel(entry=True)
def let_go_of_the_dead(people, voxels, count):
    """Phase: whoever holds a cell that has died is free. `lattice.Lymphocytes`, `lattice.Voxels`, rows in use."""
    states, targets, kinds, held = people.state, people.target, voxels.kind, voxels.held
    rows = np.empty(count + SIXTEEN, np.int32)
    for row in rows[: numbers_of(states, ENGAGED, ENGAGED, 0, count, rows)]:
        if kinds[targets[row]] != TUMOUR:
            release(row, FREE, states, targets, held)


@kernel(entry=True)
def seek(people, voxels, grid, bids, clock, engagement_rate, products, first, last):
    """Phase: free lymphocytes of rows ``first`` to ``last`` (exclusive) bid for a tumour cell in reach (eq. Y6).

    Parameters
    ----------
    people, voxels, grid, clock
        `lattice.Lymphocytes`, `lattice.Voxels`, `lattice.Grid`, `lattice.Clock`.
    bids
        `motility.Bids` of at least so many rows; goals, ways and priorities are filled.
    engagement_rate
        1/day.
    products
        Records of `layout.PRODUCT`.
    first, last
        Range of rows.
    """
    kinds, traits, held = voxels.kind, voxels.traits, voxels.held
    states, places, product, idents = people.state, people.voxel, people.product, people.ident
    goal, way, priority = bids.goal, bids.way, bids.priority
    probability = hazard_to_probability(engagement_rate, clock.dt)
    goal[first:last] = NOBODY
    way[first:last] = NO_WAY
    rows, found, steps = (
        np.empty(last - first + SIXTEEN, np.int32),
        np.empty(DIRECTIONS + 2, np.int64),
        steps_around(grid),
    )
    free = numbers_of(states, FREE, FREE, first, last, rows)
    drawn = words_for(idents, rows[:free], random.STREAM_CONTACT, clock, SEEK)
    for i in range(free):
        if random.to_unit(drawn[0][i]) >= probability:
            continue
        row = rows[i]
        number = within_reach(places[row], found, kinds, steps, grid)
        number = find_targets(product[row], found, number, traits, held, products)
        if number > 0:
            goal[row], priority[row] = found[int(random.to_unit(drawn[1][i]) * number)], drawn[2][i]
            way[row] = 1


@kernel(entry=True)
def take_hold(people, voxels, count, bids, products):
    """Phase: those whose bids win hold their cells. Arguments as in `seek`; rows in use; records PRODUCT."""
    states, targets, held, kinds = people.state, people.target, voxels.held, people.product
    first, before, goal, way = bids.first, bids.before, bids.goal, bids.way
    bidders, contested = np.empty(count + SIXTEEN, np.int32), np.empty(count + 1, np.int32)
    number = numbers_of(way, 1, 1, 0, count, bidders)
    enter_bids(bidders[:number], bids, contested)
    for row in bidders[:number]:
        ahead = int(held[goal[row]])
        if first[goal[row]] != row or before[row] != NOBODY:  # not the only bid
            ahead += bids_ahead(row, people.ident, bids)
        way[row] = NO_WAY if ahead >= holders_at_most(kinds[row], products) else 1
    for row in bidders[:number]:
        first[goal[row]] = NOBODY
        if way[row] != NO_WAY:
            states[row], targets[row] = ENGAGED, goal[row]
            held[goal[row]] += 1


# --- killing ---------------------------------------------------------------------------


@kernel
def event_limits(tissue, products, dt):
    """What rates of `meet_fates` times ``dt`` never exceed, of free lymphocytes and engaged ones of each product."""
    limits = np.empty(2 * (products.shape[0] + 1))
    for product in range(products.shape[0] + 1):
        exhaustion, death = weariness(product, tissue.contact, products)
        limits[2 * product] = death * dt
        # summed in the order of the rates, so that rounding puts none above it
        limits[2 * product + 1] = (
            most_killing(product, tissue, products) + tissue.contact.release_rate + exhaustion + death
        ) * dt
    return limits


@kernel(entry=True)
def meet_fates(state, bids, clock, rules, first, last):
    """Phase: first event within the step of the lymphocytes of rows ``first`` to ``last`` (exclusive) (eq. Y10).

    Parameters
    ----------
    state, clock, rules
        `lattice.State`, `lattice.Clock`, `lattice.Rules`.
    bids
        `motility.Bids`; ``way`` becomes 1 + number of the event, NO_WAY if there is none, and those who kill bid
        for the credit.
    first, last
        Range of rows.
    """
    people, fields, grid, goal, way = state.lymphocytes, state.fields, state.grid, bids.goal, bids.way
    states, targets, kinds, idents = people.state, people.target, people.product, people.ident
    bits, priority = state.voxels.traits, bids.priority
    oxygen, vegf, suppressors, effects = fields.oxygen, fields.vegf, fields.suppressors, fields.effects
    tissue, patient = rules.tissue, rules.patient
    goal[first:last] = NOBODY
    way[first:last] = NO_WAY
    event_words, _ = random.even_words(clock.seed, random.STREAM_CONTACT, idents[first:last], clock.step, FATE)
    limits = event_limits(tissue, patient.products, clock.dt)
    number, rows = 0, np.empty(last - first + 1, np.int32)
    for row in range(first, last):  # nothing happens to most, wherever they are
        rows[number] = row
        number += int(random.to_unit(event_words[row - first]) < limits[2 * kinds[row] + int(states[row] == ENGAGED)])
    for row in rows[:number]:
        if states[row] == GONE:
            continue
        exhaustion, death = weariness(kinds[row], tissue.contact, patient.products)
        rates = (0.0, 0.0, 0.0, death)
        if states[row] == ENGAGED:
            voxel = targets[row]
            z, y, x = place_of(voxel, grid)
            at = block_of(z, y, x, grid)
            around = (oxygen[voxel], vegf[at], suppressors[at], effects[at, EFFECTORS], effects[at, OPSONISATION])
            kill = killing_rate(kinds[row], int(bits[voxel]), around, tissue, patient)
            rates = (kill, tissue.contact.release_rate, exhaustion, death)
        event = first_event(random.to_unit(event_words[row - first]), rates, clock.dt)
        way[row] = 1 + event
        if event == KILL:
            words = random.philox(clock.seed, random.STREAM_CONTACT, idents[row], clock.step, FATE)
            goal[row], priority[row] = targets[row], words[1]


@kernel(entry=True)
def settle_fates(people, voxels, count, killed, kills, bids):
    """Phase: lymphocytes let go, exhaust and die; one of those who kill a cell has the credit, its holders are free.

    Parameters
    ----------
    people, voxels
        `lattice.Lymphocytes`, `lattice.Voxels`. The dead stay in the table as GONE and are no longer counted in
        ``voxels.load``.
    count
        Rows in use.
    killed
        (voxel,) uint8, ALIVE throughout; BY_MEMORY, or BY_PRODUCT + number of the product, where a cell
        is killed. Its voxel is left as it is.
    kills
        (product + 1,) int64, memory CD8 T cells last; kills are added.
    bids
        `motility.Bids`, filled by `meet_fates`.
    """
    memory, load, held = kills.size - 1, voxels.load, voxels.held
    states, targets, places, kinds = people.state, people.target, people.voxel, people.product
    own, first, goal, way = people.kills, bids.first, bids.goal, bids.way
    rows, contested = np.empty(count + SIXTEEN, np.int32), np.empty(count + 1, np.int32)
    for row in rows[: numbers_of(way, 1 + LET_GO, 1 + DIE, 0, count, rows)]:
        event = int(way[row]) - 1
        if event == LET_GO:
            release(row, FREE, states, targets, held)
        elif event == EXHAUST:
            release(row, EXHAUSTED, states, targets, held)
        else:
            release(row, GONE, states, targets, held)
            load[places[row]] -= 1
    killers = numbers_of(way, 1 + KILL, 1 + KILL, 0, count, rows)
    enter_bids(rows[:killers], bids, contested)
    for row in rows[:killers]:
        if bids_ahead(row, people.ident, bids) == 0:
            product = kinds[row]
            killed[goal[row]] = BY_MEMORY if product == memory else BY_PRODUCT + product
            kills[product] += 1
            own[row] += 1
    for row in rows[:killers]:
        first[goal[row]] = NOBODY
    for row in rows[: numbers_of(states, ENGAGED, ENGAGED, 0, count, rows)]:
        if killed[targets[row]] != ALIVE:
            release(row, FREE, states, targets, held)


@kernel(entry=True, borrows=True)
def close_up(people, count):
    """Phase: take the rows of the dead out of the table of lymphocytes, order kept. Returns the rows in use."""
    last = 0
    idents, products, places, headings = people.ident, people.product, people.voxel, people.heading
    states, targets, born, kills = people.state, people.target, people.born, people.kills
    for row in range(count):
        if states[row] == GONE:
            continue
        idents[last], products[last], places[last] = idents[row], products[row], places[row]
        headings[last], states[last], targets[last] = headings[row], states[row], targets[row]
        born[last], kills[last] = born[row], kills[row]
        last += 1
    return last
