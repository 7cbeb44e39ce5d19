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
from tumorsim.kernels.motility import bid, bids_ahead

EFFECTORS = DrugEffects._fields.index("effectors")
OPSONISATION = DrugEffects._fields.index("opsonisation")
MEMORY_HOLDERS = 1  # memory CD8 T cells that hold one cell
SEEK, FATE = 0, 1  # items of a lymphocyte's draws in a step
KILL, LET_GO, EXHAUST, DIE = 0, 1, 2, 3  # events, in the order of their rates


# --- laws ------------------------------------------------------------------------------


@kernel
def holders_at_most(product, products):
    """Lymphocytes that may hold one tumour cell when another of this product comes (eq. Y7)."""
    if product == products.shape[0]:
        return MEMORY_HOLDERS
    return max(1, math.floor(products[product].half_e_to_t + 0.5))


@kernel
def attacks(product, traits, products):
    """Whether a tumour cell of these traits is one that this product attacks at all."""
    if product == products.shape[0]:
        return traits & MHC_LOW == 0
    p = products[product]
    spared = (traits & RESISTANT != 0 and p.resistant_activity <= 0.0) or (
        traits & ANTIGEN_LOW != 0 and p.antigen_low_activity <= 0.0
    )
    return not spared


@kernel
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


@kernel
def weariness(product, contact, products):
    """Rates of exhaustion, while a cell is held, and of death of a lymphocyte, 1/day (eq. Y10)."""
    if product == products.shape[0]:
        return 0.0, contact.memory_death_rate
    return products[product].exhaustion_rate, products[product].tumour_death_rate


# --- engaging --------------------------------------------------------------------------


@kernel
def release(row, becomes, states, targets, held):
    """Let go of the tumour cell held, if any, and change state."""
    if targets[row] != NOBODY:
        held[targets[row]] -= 1
        targets[row] = NOBODY
    states[row] = becomes


@kernel
def find_targets(voxel, product, found, cells, grid, products):
    """Tumour cells in reach that a lymphocyte of this product can attack and may hold, into ``found``; how many."""
    kinds, traits, held = cells
    number, at_most = 0, holders_at_most(product, products)
    z, y, x = place_of(voxel, grid)
    for direction in range(-1, DIRECTIONS):
        at = int(voxel) if direction < 0 else neighbour(z, y, x, direction, grid)
        if at == NOBODY or kinds[at] != TUMOUR or held[at] >= at_most:
            continue
        if attacks(product, int(traits[at]), products):
            found[number] = at
            number += 1
    return number


@kernel
def engage(state, count, bids, clock, rules):
    """Free lymphocytes next to a tumour cell take hold of it (eq. Y6)."""
    people, grid, found = state.lymphocytes, state.grid, np.empty(DIRECTIONS + 1, np.int64)
    products, held = rules.patient.products, state.voxels.held
    cells = state.voxels.kind, state.voxels.traits, held
    states, targets, first, goal, way = people.state, people.target, bids.first, bids.goal, bids.way
    probability = hazard_to_probability(rules.tissue.contact.engagement_rate, clock.dt)
    for row in range(count):
        goal[row] = NOBODY
        if states[row] != FREE:
            continue
        number = find_targets(people.voxel[row], people.product[row], found, cells, grid, products)
        if number > 0:
            words = random.philox(clock.seed, random.STREAM_CONTACT, people.ident[row], clock.step, SEEK)
            if random.to_unit(words[0]) < probability:
                bid(row, found[int(random.to_unit(words[1]) * number)], words[2], bids)
    for row in range(count):
        if goal[row] != NOBODY:
            ahead = int(held[goal[row]]) + bids_ahead(row, people.ident, bids)
            way[row] = NO_WAY if ahead >= holders_at_most(people.product[row], products) else 1
    for row in range(count):
        if goal[row] == NOBODY:
            continue
        first[goal[row]] = NOBODY
        if way[row] != NO_WAY:
            states[row], targets[row] = ENGAGED, goal[row]
            held[goal[row]] += 1


# --- killing ---------------------------------------------------------------------------


@kernel
def meet_fates(state, count, bids, clock, rules):
    """Every lymphocyte's first event within the step (eq. Y10); those who kill bid for the credit."""
    people, fields, grid, load, goal = state.lymphocytes, state.fields, state.grid, state.voxels.load, bids.goal
    states, targets, held, bits = people.state, people.target, state.voxels.held, state.voxels.traits
    tissue, patient = rules.tissue, rules.patient
    for row in range(count):
        goal[row] = NOBODY
        if states[row] == GONE:
            continue
        exhaustion, death = weariness(people.product[row], tissue.contact, patient.products)
        rates = (0.0, 0.0, 0.0, death)
        if states[row] == ENGAGED:
            voxel = targets[row]
            z, y, x = place_of(voxel, grid)
            at = block_of(z, y, x, grid)
            drugs = fields.effects[at, EFFECTORS], fields.effects[at, OPSONISATION]
            around = (fields.oxygen[voxel], fields.vegf[at], fields.suppressors[at], *drugs)
            kill = killing_rate(people.product[row], int(bits[voxel]), around, tissue, patient)
            rates = (kill, tissue.contact.release_rate, exhaustion, death)
        words = random.philox(clock.seed, random.STREAM_CONTACT, people.ident[row], clock.step, FATE)
        event = first_event(random.to_unit(words[0]), rates, clock.dt)
        if event == KILL:
            bid(row, targets[row], words[1], bids)
        elif event == LET_GO:
            release(row, FREE, states, targets, held)
        elif event == EXHAUST:
            release(row, EXHAUSTED, states, targets, held)
        elif event == DIE:
            release(row, GONE, states, targets, held)
            load[people.voxel[row]] -= 1


@kernel
def settle_kills(state, count, killed, kills, bids, rules):
    """One of those who kill the same cell has the credit; all who hold it are free."""
    people, memory = state.lymphocytes, rules.patient.products.shape[0]
    states, targets, held = people.state, people.target, state.voxels.held
    own, first, goal = people.kills, bids.first, bids.goal
    for row in range(count):
        if goal[row] != NOBODY and bids_ahead(row, people.ident, bids) == 0:
            product = people.product[row]
            killed[goal[row]] = BY_MEMORY if product == memory else BY_PRODUCT + product
            kills[product] += 1
            own[row] += 1
    for row in range(count):
        if goal[row] != NOBODY:
            first[goal[row]] = NOBODY
        if states[row] == ENGAGED and killed[targets[row]] != ALIVE:
            release(row, FREE, states, targets, held)


@kernel(entry=True)
def engage_and_kill(state, count, killed, kills, bids, clock, rules):
    """Phase: lymphocytes take hold of tumour cells, kill them, let go, exhaust and die.

    In this order: whoever holds a cell that has died is free; free ones engage; everybody's first event
    within the step. Whoever engages can thus kill within the same step, once.

    Parameters
    ----------
    state, clock, rules
        `lattice.State`, `lattice.Clock`, `lattice.Rules`. The dead stay in the table as GONE and are no
        longer counted in ``voxels.load``.
    count
        Rows in use.
    killed
        (voxel,) uint8, ALIVE throughout; BY_MEMORY, or BY_PRODUCT + number of the product, where a cell
        is killed. Its voxel is left as it is.
    kills
        (product + 1,) int64, memory CD8 T cells last; kills are added.
    bids
        `motility.Bids` of at least so many rows.
    """
    states, targets, held = state.lymphocytes.state, state.lymphocytes.target, state.voxels.held
    for row in range(count):
        if states[row] == ENGAGED and state.voxels.kind[targets[row]] != TUMOUR:
            release(row, FREE, states, targets, held)
    engage(state, count, bids, clock, rules)
    meet_fates(state, count, bids, clock, rules)
    settle_kills(state, count, killed, kills, bids, rules)


@kernel(entry=True)
def close_up(state, count):
    """Phase: take the rows of the dead out of the table of lymphocytes, order kept. Returns the rows in use."""
    people, last = state.lymphocytes, 0
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
