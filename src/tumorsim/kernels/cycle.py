"""Division, death, switching and clearance of tumour cells on the lattice (docs/theory/lattice-cells.md).

Order within a step: `decide_cells` -> `place_daughters` -> `settle_daughters` -> `settle_cells`. The first two
only propose; a voxel that two cells want goes to the one with the higher keyed priority. One block of random
words serves a living cell for a step.
"""

from __future__ import annotations

import numpy as np

from tumorsim.kernels import growth, pharmacology, resistance, vessels
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.chance import first_event, hazard_to_probability
from tumorsim.kernels.lattice import (
    ALIVE,
    ANTIGEN_LOW,
    BY_PRODUCT,
    BY_TURNOVER,
    DEAD,
    DIRECTIONS,
    DX,
    DY,
    DZ,
    FATES,
    MHC_LOW,
    NO_WAY,
    NOBODY,
    RESISTANT,
    ROOM_BESIDE_TUMOUR,
    STROMA,
    TUMOUR,
    block_of,
    neighbour,
    place_of,
)
from tumorsim.kernels.layout import DrugEffects
from tumorsim.kernels.random import (
    STREAM_CLEARANCE,
    STREAM_MUTATION,
    STREAM_TUMOUR_CELL,
    philox,
    philox_by_halves,
    to_unit,
)
from tumorsim.kernels.scan import SIXTEEN, numbers_of

# Voxels whose cells draw at a time: what they draw stays in the second-level cache, and loops are long.
BATCH = 4096
LANES = 8  # numbers worked out side by side at most
# Words of a living cell's block.
EVENT_WORD, WAY_WORD, CHANGE_WORD, PRIORITY_WORD = 0, 1, 2, 3
# Events that compete for a cell; the deaths among them have the numbers of `lattice.FATES`.
DIVISION = 0
# What `fates` says of a cell that lives on and changes; larger than any fate.
SWITCHES, REGAINS_MHC = 64, 65
MOST = 255  # that a byte holds
# Column of the tally after those of `lattice.FATES`.
CLEARED = len(FATES)

# Direction back from a neighbour.
OPPOSITE = np.array(
    [next(j for j in range(DIRECTIONS) if (DZ[j], DY[j], DX[j]) == (-DZ[i], -DY[i], -DX[i])) for i in range(DIRECTIONS)]
)


# --- laws -------------------------------------------------------------------------
@kernel(borrows=True)
def effects_at(effects, block):
    """What the drugs do in a block, from the (block, 8) array of `lattice.Fields`."""
    return DrugEffects(
        effects[block, 0],
        effects[block, 1],
        effects[block, 2],
        effects[block, 3],
        effects[block, 4],
        effects[block, 5],
        effects[block, 6],
        effects[block, 7],
    )


@kernel(borrows=True)
def oxygen_factor(oxygen, normal_oxygen, host):
    """Births against those at normal oxygen (eq. S4), both oxygens in mmHg; ``host`` is the patient's record TRAITS."""
    local = vessels.oxygenation(oxygen / normal_oxygen, host.vessels)
    normal = vessels.oxygenation(1.0, host.vessels)
    return growth.hypoxic_birth_factor(local, normal, host.growth.hypoxia_half_effect)


@kernel(borrows=True)
def event_rates(traits, oxygen, level, effects, host, tissue, depot):
    """Rates (1/day) of division and of death by turnover, drug, hypoxia and depot (eqs S5 and S6).

    Parameters
    ----------
    traits
        Bits of the cell.
    oxygen
        mmHg in its voxel.
    level
        nmol/L of the drug of TACE in its block.
    effects
        What systemic drugs do in its block (`layout.DrugEffects`).
    host, tissue
        Records TRAITS of the patient and TISSUE.
    depot
        Record DEPOT: what the drug of TACE does.
    """
    g, o2 = host.growth, tissue.oxygen
    rate, inhibition, drug = g.growth_rate, effects.births_sensitive, effects.killing_sensitive
    if traits & RESISTANT:
        rate *= 1.0 - host.resistance.fitness_cost
        inhibition, drug = effects.births_resistant, effects.killing_resistant
    division = growth.birth_rate(rate, oxygen_factor(oxygen, o2.normal_oxygen, host), inhibition) + g.turnover_rate
    hypoxia = o2.necrosis_rate if oxygen < o2.necrosis_oxygen else 0.0
    return division, g.turnover_rate, drug, hypoxia, pharmacology.emax(depot.kill_rate, level, depot.ec50)


@kernel(borrows=True)
def change_rates(traits, interferon, effects, host, tissue):
    """Rates (1/day) of switching between sensitive and resistant and of regaining MHC-I (eq. S7)."""
    r, s = host.resistance, tissue.signals
    switching = r.switch_off_rate
    if not traits & RESISTANT:
        switching = resistance.to_resistant_rate(0.0, resistance.drug_stress(effects), r)
    regained = 0.0
    if traits & MHC_LOW:
        regained = s.mhc_restoration_rate * growth.half_saturation(interferon, s.interferon_half_effect)
    return switching, regained


@kernel(borrows=True)
def most_events(effects, host, tissue, depot):
    """What `event_rates` nowhere exceed in sum, 1/day, under these (block, 8) effects, where oxygen suffices.

    Where it does not, necrosis comes on top.
    """
    g, normal = host.growth, vessels.oxygenation(1.0, host.vessels)
    plenty = growth.hypoxic_birth_factor(1.0, normal, g.hypoxia_half_effect)  # oxygenation ends at one
    dying = g.turnover_rate + depot.kill_rate
    strongest = 0.0
    for block in range(effects.shape[0]):
        here = effects_at(effects, block)
        strongest = max(strongest, here.killing_sensitive, here.killing_resistant)
    return growth.birth_rate(g.growth_rate, plenty, 0.0) + g.turnover_rate + dying + strongest


@kernel(borrows=True)
def most_switching(host):
    """What switching between sensitive and resistant in `change_rates` never exceeds, 1/day.

    In cells without MHC-I its restoration comes on top.
    """
    return max(host.resistance.switch_off_rate, resistance.to_resistant_rate(0.0, 1.0, host.resistance))


@kernel
def changed(traits, change):
    """Traits of a cell after `SWITCHES` or `REGAINS_MHC`."""
    return traits ^ (RESISTANT if change == SWITCHES else MHC_LOW)


@kernel(borrows=True)
def traits_of_daughter(mother, child, clock, resistance):
    """Traits of a new cell: its mother's and what the division adds (eq. S8); ``child`` is its id."""
    words = philox(clock.seed, STREAM_MUTATION, child, clock.step, 0)
    traits = mother
    if to_unit(words[0]) < resistance.mutation_probability:
        traits |= RESISTANT
    if to_unit(words[1]) < resistance.antigen_loss_probability:
        traits |= ANTIGEN_LOW
    return traits


# --- room -------------------------------------------------------------------------
@kernel
def is_free(kind, load):
    """Whether a daughter can be placed in a voxel of this kind with so many lymphocytes."""
    return kind == STROMA and load <= ROOM_BESIDE_TUMOUR


@kernel(borrows=True)
def free_way(u, z, y, x, kind, load, grid):
    """One of the free neighbours by a uniform draw, as 1 + direction (eq. S9); NO_WAY if there is none."""
    free = 0
    for direction in range(DIRECTIONS):
        there = neighbour(z, y, x, direction, grid)
        if there != NOBODY and is_free(kind[there], load[there]):
            free += 1
    chosen = int(u * free)
    for direction in range(DIRECTIONS):
        there = neighbour(z, y, x, direction, grid)
        if there != NOBODY and is_free(kind[there], load[there]):
            if chosen == 0:
                return 1 + direction
            chosen -= 1
    return NO_WAY


@kernel(borrows=True)
def goes_first(one, other, clock):
    """Whether the cell with id ``one`` comes before ``other`` where both want a voxel (eq. S9)."""
    a = philox(clock.seed, STREAM_TUMOUR_CELL, one, clock.step, 0)[PRIORITY_WORD]
    b = philox(clock.seed, STREAM_TUMOUR_CELL, other, clock.step, 0)[PRIORITY_WORD]
    return a > b or (a == b and one < other)


# --- phases -----------------------------------------------------------------------
# Events are rare. Rows in which there is none are recognised eight or more voxels at a time and left out.


@kernel(borrows=True)
def any_set(row):
    """Whether any byte of a row is not zero."""
    found = 0
    for i in range(row.size):
        found |= row[i]
    return found != 0


@kernel(borrows=True)
def count_living(kinds):
    """Tumour cells among these voxels."""
    alive = 0
    for kind in kinds:
        alive += int(kind == TUMOUR)
    return alive


@kernel(borrows=True)
def draw_for(idents, clock, event_draws, change_draws):
    """The draws of so many cells, by which they end or divide, and change; several side by side."""
    for i in range(idents.size):
        words = philox_by_halves(clock.seed, STREAM_TUMOUR_CELL, idents[i], clock.step, 0)
        event_draws[i], change_draws[i] = to_unit(words[EVENT_WORD]), to_unit(words[CHANGE_WORD])


@kernel(entry=True)
def decide_cells(state, clock, rules, killed, fates, first, last):
    """Phase: what each living cell of planes ``first`` to ``last`` (exclusive) does in this step (eqs S2, S5-S7).

    Parameters
    ----------
    state
        `lattice.State`; ``voxels.intent`` becomes 1 + direction where a cell divides, else NO_WAY.
    clock
        `lattice.Clock`.
    rules
        `lattice.Rules`.
    killed
        (voxel,) uint8, not zero where a lymphocyte kills the cell in this step: it does not divide in it.
    fates
        (voxel,) uint8, filled: a fate of `lattice.FATES`, or SWITCHES or REGAINS_MHC of a cell that lives on.
    """
    # Bound outside of the loop: a tuple with arrays costs a count of references for each array and use.
    grid, voxels, host, tissue, depot = state.grid, state.voxels, rules.patient.traits, rules.tissue, rules.depot
    kind, load, traits, ident = voxels.kind, voxels.load, voxels.traits, voxels.ident
    oxygen, levels, interferon = state.fields.oxygen, state.fields.depot, state.fields.interferon
    local_effects, intent, plane = state.fields.effects, voxels.intent, grid.ny * grid.nx
    sheet = grid.by * grid.bx
    own_blocks = local_effects[first // grid.factor * sheet : ((last - 1) // grid.factor + 1) * sheet]
    events, changes = most_events(own_blocks, host, tissue, depot), most_switching(host)
    necrosis_oxygen = tissue.oxygen.necrosis_oxygen
    ends, ends_hypoxic = events * clock.dt, (events + tissue.oxygen.necrosis_rate) * clock.dt
    switches, regains = changes * clock.dt, (changes + tissue.signals.mhc_restoration_rate) * clock.dt
    intent[first * plane : last * plane] = NO_WAY
    fates[first * plane : last * plane] = ALIVE
    cells, busy = np.zeros(BATCH + SIXTEEN, np.int32), np.empty(BATCH + SIXTEEN, np.int32)
    left = np.empty(BATCH, np.int32)
    marks, idents = np.empty(BATCH + SIXTEEN, np.uint8), np.empty(BATCH + SIXTEEN, np.uint32)
    event_draws, change_draws = np.empty(BATCH + SIXTEEN), np.empty(BATCH + SIXTEEN)
    for begin in range(first * plane, last * plane, BATCH):
        living = numbers_of(kind, TUMOUR, TUMOUR, begin, min(begin + BATCH, last * plane), cells)
        drawing = (living + LANES - 1) // LANES * LANES  # the last ones are drawn in vain, but as fast as the others
        for i in range(drawing):
            idents[i] = ident[cells[i]]
        draw_for(idents[:drawing], clock, event_draws, change_draws)
        # nothing happens to most cells, whatever their rates, their oxygen and their traits
        for i in range(drawing):
            marks[i] = int(event_draws[i] < ends_hypoxic) | int(change_draws[i] < regains)
        number = 0
        for place in busy[: numbers_of(marks, 1, 1, 0, living, busy)]:  # no branch: nobody can guess who is left
            event_draw, change_draw, voxel = event_draws[place], change_draws[place], cells[place]
            starves = (event_draw < ends_hypoxic) & (oxygen[voxel] < necrosis_oxygen)
            restored = (change_draw < regains) & (traits[voxel] & MHC_LOW != 0)
            left[number] = place
            number += int((event_draw < ends) | starves | (change_draw < switches) | restored)
        for place in left[:number]:
            event_draw, change_draw, voxel = event_draws[place], change_draws[place], cells[place]
            z, y, x = place_of(voxel, grid)
            block = block_of(z, y, x, grid)
            effects, own = effects_at(local_effects, block), traits[voxel]
            rates = event_rates(own, oxygen[voxel], levels[block], effects, host, tissue, depot)
            event = first_event(event_draw, rates, clock.dt)
            if event > DIVISION:
                fates[voxel] = event
                continue
            if event == DIVISION and killed[voxel] == ALIVE:
                words = philox(clock.seed, STREAM_TUMOUR_CELL, ident[voxel], clock.step, 0)
                intent[voxel] = free_way(to_unit(words[WAY_WORD]), z, y, x, kind, load, grid)
            rates_of_change = change_rates(own, interferon[block], effects, host, tissue)
            change = first_event(change_draw, rates_of_change, clock.dt)
            if change >= 0:
                fates[voxel] = SWITCHES + change


@kernel(entry=True, borrows=True)
def place_daughters(voxels, grid, clock, winners, counts, first, last):
    """Phase: which proposal each voxel of planes ``first`` to ``last`` takes (eq. S9).

    Reads the intents of one plane more on either side; writes only to its own planes.

    Parameters
    ----------
    voxels, grid, clock
        `lattice.Voxels`, `lattice.Grid`, `lattice.Clock`.
    winners
        (voxel,) uint8, filled: 1 + direction towards the mother, or NO_WAY.
    counts
        (nz,) int64, filled: births of each plane.
    """
    intent, ident, plane = voxels.intent, voxels.ident, grid.ny * grid.nx
    winners[first * plane : last * plane] = NO_WAY
    counts[first:last] = 0
    # Going through the few that propose costs a twentieth of asking 26 neighbours of every free voxel.
    for start in range(max(first - 1, 0) * plane, min(last + 1, grid.nz) * plane, grid.nx):
        if not any_set(intent[start : start + grid.nx]):
            continue
        for voxel in range(start, start + grid.nx):
            if intent[voxel] == NO_WAY:
                continue
            z, y, x = place_of(voxel, grid)
            way = int(intent[voxel]) - 1
            aimed = z + DZ[way]
            if aimed < first or aimed >= last:
                continue
            target = neighbour(z, y, x, way, grid)
            if winners[target] == NO_WAY:
                counts[aimed] += 1
                winners[target] = 1 + OPPOSITE[way]
            else:
                rival = neighbour(aimed, y + DY[way], x + DX[way], int(winners[target]) - 1, grid)
                if goes_first(ident[voxel], ident[rival], clock):
                    winners[target] = 1 + OPPOSITE[way]


@kernel(entry=True, borrows=True)
def settle_daughters(voxels, lineage, grid, clock, resistance, winners, offsets, first, last):
    """Phase: daughters enter the voxels of planes ``first`` to ``last`` and the lineage (eq. S8).

    Parameters
    ----------
    voxels, lineage, grid, clock
        `lattice.Voxels`, `lattice.Lineage`, which must have room for all births, `lattice.Grid`, `lattice.Clock`.
    resistance
        Record of `layout.Resistance`.
    winners
        (voxel,) from `place_daughters`.
    offsets
        (nz,) int64: id of the first daughter of each plane.
    """
    plane = grid.ny * grid.nx
    kind, traits, ident = voxels.kind, voxels.traits, voxels.ident
    parent, clone, birth = lineage.parent, lineage.clone, lineage.birth
    death, fate, last_clone = lineage.death, lineage.fate, lineage.last_clone
    for z in range(first, last):
        child = offsets[z]
        for start in range(z * plane, (z + 1) * plane, grid.nx):
            if not any_set(winners[start : start + grid.nx]):
                continue
            for voxel in range(start, start + grid.nx):
                if winners[voxel] == NO_WAY:
                    continue
                _, y, x = place_of(voxel, grid)
                mother = neighbour(z, y, x, int(winners[voxel]) - 1, grid)
                born = traits_of_daughter(traits[mother], child, clock, resistance)
                kind[voxel], traits[voxel], ident[voxel] = TUMOUR, born, child
                parent[child], clone[child], birth[child] = ident[mother], born, clock.step
                death[child], fate[child], last_clone[child] = NOBODY, ALIVE, born
                child += 1


@kernel(entry=True)
def settle_cells(voxels, lineage, grid, clock, clearance_rate, fates, killed, tally, first, last):
    """Phase: deaths and changes of this step, then clearance of those dead before it (eq. S10).

    Parameters
    ----------
    voxels, lineage, grid, clock
        `lattice.Voxels`, `lattice.Lineage`, `lattice.Grid`, `lattice.Clock`.
    clearance_rate
        Of the dead, 1/day.
    fates
        (voxel,) from `decide_cells`.
    killed
        (voxel,) uint8: BY_MEMORY, or BY_PRODUCT + number of the product, or 0; goes before any other fate.
    tally
        (nz, len(FATES) + 1) int64, filled for each plane: living cells afterwards, deaths by fate, voxels cleared.
    """
    plane = grid.ny * grid.nx
    kind, traits, ident = voxels.kind, voxels.traits, voxels.ident
    death, fate, last_clone = lineage.death, lineage.fate, lineage.last_clone
    cleared = hazard_to_probability(clearance_rate, clock.dt)
    tally[first:last] = 0
    ended, dead = np.empty(2 * plane + SIXTEEN, np.int32), np.empty(plane + SIXTEEN, np.int32)
    draws = np.empty(plane)
    for z in range(first, last):
        begin, end = z * plane, (z + 1) * plane
        tally[z, ALIVE] = count_living(kind[begin:end])
        number = numbers_of(killed, 1, MOST, begin, end, ended)  # before those who would have met another fate
        number += numbers_of(fates, 1, MOST, begin, end, ended[number:])
        old = dead[: numbers_of(kind, DEAD, DEAD, begin, end, dead)]  # before others join them
        for voxel in ended[:number]:
            if kind[voxel] != TUMOUR:
                continue
            end_of_cell, cell = (
                min(int(killed[voxel]), BY_PRODUCT) if killed[voxel] else int(fates[voxel]),
                ident[voxel],
            )
            if end_of_cell >= SWITCHES:
                traits[voxel] = changed(traits[voxel], end_of_cell)
                last_clone[cell] = traits[voxel]
            else:
                # who dies in turnover is gone within hours, and leaves no dead in the patient model either
                kind[voxel] = STROMA if end_of_cell == BY_TURNOVER else DEAD
                death[cell], fate[cell], last_clone[cell] = clock.step, end_of_cell, traits[voxel]
                tally[z, ALIVE] -= 1
                tally[z, end_of_cell] += 1
        for i in range(old.size):
            draws[i] = to_unit(philox_by_halves(clock.seed, STREAM_CLEARANCE, old[i], clock.step, 0)[0])
        for i in range(old.size):
            if draws[i] < cleared:
                kind[old[i]] = STROMA
                tally[z, CLEARED] += 1
