"""The right-hand side of patients side by side: a sum of named laws (docs/theory/patient-model.md).

Order of phases: drugs dispose and act -> effectors circulate -> every lesion (supply, recruit and kill, grow and
mutate, vessels, clear) -> memory -> liver and hazards. Every phase is a loop over lanes that the compiler takes
several at a time; no lane looks at another (docs/numerics/lanes.md).
"""

from __future__ import annotations

from tumorsim.kernels import effectors, growth, killing, liver, pharmacology, resistance, vessels
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.lanes import (
    CIRRHOSIS,
    DRUG_ROWS,
    DRUGS,
    INTAKE_RATE,
    INTAKE_START,
    OTHER,
    PRESENT,
    PRODUCT_ROWS,
    RATE,
    RESERVE,
    SLOT_ROWS,
    SMALL,
    STAGE_DAY,
    drug_of,
    empty_lanes,
    first_slot,
    growth_of,
    hazards_of,
    liver_of,
    memory_of,
    product_of,
    resistance_of,
    suppression_of,
    trafficking_of,
    vessels_of,
    write_parameters,
)
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAPACITY,
    DEAD,
    DRUG_STATES,
    EMBOLISED,
    EXTINCTION,
    LANES,
    LESION_HEAD,
    MATURITY,
    PRODUCT_STATES,
    VEGF_PULSE,
    DrugEffects,
)

# Rows of Lanes.scratch while slopes are worked out: what drugs have left, what a lesion gets, hazards of clones S, R, A
# and RA by effectors in 1/day (eqs K7, M2) and what stops their division, sums over lesions and products.
OXYGEN, VEGF, VOLUME, TAKEN, PERMITTED = 8, 9, 10, 11, 12
KILLS, HALTS = 13, 17
TUMOUR, ANTIGEN, HELPERS, UPTAKE = 21, 22, 23, 24
SCRATCH_ROWS = 25


@kernel(inline=True)
def count_body(drugs, products):
    """Number of states before the first lesion."""
    return DRUG_STATES * drugs + PRODUCT_STATES * products + BODY_TAIL


@kernel(inline=True)
def count_lesion(products):
    """Number of states of one lesion."""
    return LESION_HEAD + 2 * products


@kernel
def count_states(lesions, drugs, products):
    """Length of the state vector with so many lesions."""
    return count_body(drugs, products) + lesions * count_lesion(products)


@kernel(borrows=True)
def body_width(patient):
    """Number of states before the first lesion."""
    return count_body(patient.drugs.shape[0], patient.products.shape[0])


@kernel(borrows=True)
def lesion_width(patient):
    """Number of states of one lesion."""
    return count_lesion(patient.products.shape[0])


@kernel(borrows=True)
def viable_cells(y, base):
    """Cells of all clones of the lesion whose states start at ``base``."""
    return y[base] + y[base + 1] + y[base + 2] + y[base + 3]


@kernel(inline=True)
def supplied(cells, dead, capacity, maturity, embolised, pulse, cell_density, v):
    """Perfusion, oxygenation, VEGF (pg/mL) and volume (mL) of a lesion."""
    total = cells + dead
    flow = vessels.perfusion(vessels.vascular_density(cells, capacity), maturity, embolised, v)
    oxygen = vessels.oxygenation(flow, v)
    secreted = vessels.secreted_vegf(cells / (total + killing.ONE_CELL), oxygen, cell_density, v)
    return flow, oxygen, secreted + pulse, growth.volume_ml(total, cell_density)


@kernel(borrows=True)
def lesion_supply(y, base, patient):
    """`supplied` of the lesion whose states start at ``base``."""
    return supplied(
        viable_cells(y, base), y[base + DEAD], y[base + CAPACITY], y[base + MATURITY], y[base + EMBOLISED],
        y[base + VEGF_PULSE], patient.traits.growth.cell_density, patient.traits.vessels,
    )  # fmt: skip


@kernel(inline=True)
def left_of(scratch, i):
    """What drugs have left, of lane ``i``."""
    return DrugEffects(
        scratch[i], scratch[LANES + i], scratch[2 * LANES + i], scratch[3 * LANES + i],
        scratch[4 * LANES + i], scratch[5 * LANES + i], scratch[6 * LANES + i], scratch[7 * LANES + i],
    )  # fmt: skip


@kernel(inline=True)
def keep_left(scratch, i, left):
    """Keep what `left_of` reads."""
    scratch[i], scratch[LANES + i] = left.births_sensitive, left.births_resistant
    scratch[2 * LANES + i], scratch[3 * LANES + i] = left.killing_sensitive, left.killing_resistant
    scratch[4 * LANES + i], scratch[5 * LANES + i] = left.sprouting_sensitive, left.sprouting_resistant
    scratch[6 * LANES + i], scratch[7 * LANES + i] = left.effectors, left.opsonisation


@kernel(borrows=True, apart=True, inline=True)
def begin(scratch, count):
    """Nothing has acted and nothing is summed up yet."""
    for i in range(count):
        keep_left(scratch, i, pharmacology.UNTOUCHED)
        scratch[TUMOUR * LANES + i] = 0.0
        scratch[ANTIGEN * LANES + i] = 0.0
        scratch[HELPERS * LANES + i] = 0.0
        scratch[UPTAKE * LANES + i] = 0.0


@kernel(borrows=True, apart=True)
def dispose(y, dy, par, clock, scratch, count):
    """Phase: one drug disposes, and acts. Arrays begin with its first row."""
    for i in range(count):
        drug = drug_of(par, i)
        on_drug = clock[STAGE_DAY * LANES + i] - par[INTAKE_START * LANES + i]
        central, peripheral = pharmacology.disposition(
            y[i], y[LANES + i], par[INTAKE_RATE * LANES + i], on_drug, drug
        )  # fmt: skip
        dy[i], dy[LANES + i] = central, peripheral
        keep_left(scratch, i, pharmacology.with_drug(left_of(scratch, i), pharmacology.concentration(y[i], drug), drug))


@kernel(borrows=True, apart=True, inline=True)
def circulate(y, dy, par, scratch, count):
    """Phase: one product circulates. Arrays begin with its first row; lesions then draw from blood."""
    for i in range(count):
        liver_cells, rest_cells = y[2 * LANES + i], y[3 * LANES + i]
        blood, lung, liver_change, rest = effectors.circulation(
            y[i], y[LANES + i], liver_cells, rest_cells, product_of(par, i)
        )  # fmt: skip
        dy[i], dy[LANES + i], dy[2 * LANES + i], dy[3 * LANES + i] = blood, lung, liver_change, rest
        scratch[HELPERS * LANES + i] += liver_cells + rest_cells


@kernel(borrows=True, apart=True, inline=True)
def supply(y, par, scratch, count):
    """Phase: what a lesion gets, and how much of it effectors may do (eqs E2, K4, K6). ``y`` begins with its rows."""
    for i in range(count):
        v, g, suppression, trafficking = (
            vessels_of(par, i),
            growth_of(par, i),
            suppression_of(par, i),
            trafficking_of(par, i),
        )
        cells = y[i] + y[LANES + i] + y[2 * LANES + i] + y[3 * LANES + i]
        maturity = y[MATURITY * LANES + i]
        flow, oxygen, vegf, volume = supplied(
            cells, y[DEAD * LANES + i], y[CAPACITY * LANES + i], maturity, y[EMBOLISED * LANES + i],
            y[VEGF_PULSE * LANES + i], g.cell_density, v,
        )  # fmt: skip
        filters = killing.permitted(oxygen, vegf, v.vegf_half_effect, 1.0, suppression)
        scratch[OXYGEN * LANES + i], scratch[VEGF * LANES + i], scratch[VOLUME * LANES + i] = oxygen, vegf, volume
        scratch[PERMITTED * LANES + i] = filters * killing.access(volume, trafficking)
        scratch[TAKEN * LANES + i] = effectors.recruitment_rate(
            volume, flow, maturity, vegf, v.baseline_maturity, trafficking
        )  # fmt: skip


@kernel(borrows=True, apart=True, inline=True)
def immunity(par, memory, scratch, count):
    """Phase: what the patient's own cytotoxic T cells kill (eq. M2), before any product."""
    for i in range(count):
        m = memory_of(par, i)
        by_t = m.kill_rate * m.mhc_positive_fraction * memory[i] * scratch[PERMITTED * LANES + i]
        scratch[KILLS * LANES + i], scratch[(KILLS + 1) * LANES + i] = by_t, by_t
        scratch[(KILLS + 2) * LANES + i], scratch[(KILLS + 3) * LANES + i] = 0.0, 0.0
        scratch[HALTS * LANES + i], scratch[(HALTS + 1) * LANES + i] = 0.0, 0.0
        scratch[(HALTS + 2) * LANES + i], scratch[(HALTS + 3) * LANES + i] = 0.0, 0.0


@kernel(borrows=True, apart=True, inline=True)
def recruit_and_engage(y, held, d_held, blood, d_blood, par, place, scratch, count):
    """Phase: effectors of one product enter, exhaust and die (eq. E3), and kill or halt (eqs K1, K2, K7).

    ``y`` begins with the rows of the lesion, ``held`` with those of the product in it, ``blood`` with its row in blood.
    """
    for i in range(count):
        p, present = product_of(par, i), place[PRESENT * LANES + i] > 0.0
        cells = y[i] + y[LANES + i] + y[2 * LANES + i] + y[3 * LANES + i]
        active, exhausted = held[i], held[LANES + i]
        entering = scratch[TAKEN * LANES + i] * blood[i]
        exhausting = p.exhaustion_rate * killing.contact(active, cells, p.half_e_to_t) * active
        d_blood[i] -= entering if present else 0.0
        d_held[i] = entering - exhausting - p.tumour_death_rate * active if present else 0.0
        d_held[LANES + i] = exhausting - p.tumour_death_rate * exhausted if present else 0.0
        effects = pharmacology.effects_of(left_of(scratch, i))
        reached = killing.engagement(active, cells, p.half_e_to_t) * scratch[PERMITTED * LANES + i]
        s, r, a, ra = killing.action(reached * (1.0 - effects.effectors), effects.opsonisation, p)
        halting, lethal = p.cytostatic_share, 1.0 - p.cytostatic_share
        scratch[KILLS * LANES + i] += lethal * s
        scratch[(KILLS + 1) * LANES + i] += lethal * r
        scratch[(KILLS + 2) * LANES + i] += lethal * a
        scratch[(KILLS + 3) * LANES + i] += lethal * ra
        scratch[HALTS * LANES + i] += halting * s
        scratch[(HALTS + 1) * LANES + i] += halting * r
        scratch[(HALTS + 2) * LANES + i] += halting * a
        scratch[(HALTS + 3) * LANES + i] += halting * ra


@kernel(borrows=True, apart=True, inline=True)
def grow_lesion(y, dy, par, place, scratch, count):
    """Phase: one lesion (eqs G6, R3, K8, V7). ``y`` begins with its rows; adds its volume and the antigen it sheds."""
    for i in range(count):
        g, r, v, present = (
            growth_of(par, i),
            resistance_of(par, i),
            vessels_of(par, i),
            place[PRESENT * LANES + i] > 0.0,
        )
        effects = pharmacology.effects_of(left_of(scratch, i))
        oxygen, vegf = scratch[OXYGEN * LANES + i], scratch[VEGF * LANES + i]
        s, res, a, ra = y[i], y[LANES + i], y[2 * LANES + i], y[3 * LANES + i]
        cells, capacity = s + res + a + ra, y[CAPACITY * LANES + i]

        normal = vessels.oxygenation(1.0, v)
        factor = growth.hypoxic_birth_factor(oxygen, normal, g.hypoxia_half_effect)
        rate = place[RATE * LANES + i]
        sensitive = growth.birth_rate(rate, factor, effects.births_sensitive)
        resistant = growth.birth_rate(rate * (1.0 - r.fitness_cost), factor, effects.births_resistant)
        birth_s = killing.births_left(sensitive, scratch[HALTS * LANES + i])
        birth_r = killing.births_left(resistant, scratch[(HALTS + 1) * LANES + i])
        birth_a = killing.births_left(sensitive, scratch[(HALTS + 2) * LANES + i])
        birth_ra = killing.births_left(resistant, scratch[(HALTS + 3) * LANES + i])
        crowding = growth.crowding_rate(rate, cells, capacity)
        loss_s = crowding + effects.killing_sensitive + scratch[KILLS * LANES + i]
        loss_r = crowding + effects.killing_resistant + scratch[(KILLS + 1) * LANES + i]
        loss_a = crowding + effects.killing_sensitive + scratch[(KILLS + 2) * LANES + i]
        loss_ra = crowding + effects.killing_resistant + scratch[(KILLS + 3) * LANES + i]

        divisions_s, divisions_r, off = birth_s + g.turnover_rate, birth_r + g.turnover_rate, r.switch_off_rate
        stress = resistance.drug_stress(effects)
        on_s = resistance.to_resistant_rate(divisions_s, stress, r)
        on_a = resistance.to_resistant_rate(birth_a + g.turnover_rate, stress, r)
        escape_s, escape_r = r.antigen_loss_probability * divisions_s, r.antigen_loss_probability * divisions_r
        d_s = (birth_s - loss_s - on_s - escape_s) * s + off * res
        d_r = (birth_r - loss_r - off - escape_r) * res + on_s * s
        d_a = (birth_a - loss_a - on_a) * a + off * ra + escape_s * s
        d_ra = (birth_ra - loss_ra - off) * ra + on_a * a + escape_r * res

        died = loss_s * s + loss_r * res + loss_a * a + loss_ra * ra
        released = g.dead_clearance_rate * y[DEAD * LANES + i]
        calling = (s + a) * (1.0 - effects.sprouting_sensitive) + (res + ra) * (1.0 - effects.sprouting_resistant)
        embolised, maturity = y[EMBOLISED * LANES + i], y[MATURITY * LANES + i]
        viable = growth.volume_ml(cells, g.cell_density)
        d_capacity = vessels.capacity_change(calling, capacity, viable, vegf, embolised, v)
        d_maturity = vessels.maturity_change(maturity, effects.sprouting_sensitive, v)
        lost = growth.extinction_integrand(g.turnover_rate + died / cells, place[SMALL * LANES + i], cells)

        dy[i], dy[LANES + i] = d_s if present else 0.0, d_r if present else 0.0
        dy[2 * LANES + i], dy[3 * LANES + i] = d_a if present else 0.0, d_ra if present else 0.0
        dy[DEAD * LANES + i] = died - released if present else 0.0
        dy[CAPACITY * LANES + i] = d_capacity if present else 0.0
        dy[MATURITY * LANES + i] = d_maturity if present else 0.0
        dy[EMBOLISED * LANES + i] = -v.recanalisation_rate * embolised if present else 0.0
        dy[VEGF_PULSE * LANES + i] = -v.vegf_pulse_decay_rate * y[VEGF_PULSE * LANES + i] if present else 0.0
        dy[EXTINCTION * LANES + i] = lost if present else 0.0
        scratch[TUMOUR * LANES + i] += scratch[VOLUME * LANES + i] if present else 0.0
        scratch[ANTIGEN * LANES + i] += released if present else 0.0
        taken = scratch[TAKEN * LANES + i]
        scratch[UPTAKE * LANES + i] += taken if present else 0.0


@kernel(borrows=True, apart=True, inline=True)
def remember_and_fail(y, dy, par, clock, scratch, count):
    """Phase: memory, liver reserve, and hazards by tumour, liver and other causes. Rows are those of the tail."""
    for i in range(count):
        memory, organ, hazards = memory_of(par, i), liver_of(par, i), hazards_of(par, i)
        volume, cirrhosis, reserve = scratch[TUMOUR * LANES + i], par[CIRRHOSIS * LANES + i], y[LANES + i]
        dy[i] = effectors.memory_change(
            y[i], scratch[ANTIGEN * LANES + i], scratch[HELPERS * LANES + i], memory
        )  # fmt: skip
        dy[LANES + i] = liver.reserve_change(reserve, cirrhosis, volume, organ)
        failure = liver.liver_hazard(reserve, hazards)
        entry = par[RESERVE * LANES + i]
        background = liver.background_reserve(clock[STAGE_DAY * LANES + i], entry, cirrhosis, organ)
        excess = liver.excess_hazard(failure, background, hazards)
        dy[2 * LANES + i] = liver.tumour_hazard(volume, hazards) + excess
        dy[3 * LANES + i] = failure - excess
        dy[4 * LANES + i] = par[OTHER * LANES + i]


@kernel(borrows=True, inline=True)
def slopes(y, dy, slots, lanes, count):
    """Time derivative of every state, per day, in the first ``count`` lanes.

    Parameters
    ----------
    y, dy
        States and their derivatives, rows of lanes.
    slots
        Slots for lesions that are looked at; beyond them ``dy`` stays as it is.
    lanes
        `layout.Lanes`; parameters and the day of the stage are read, scratch is overwritten.
    count
        Lanes.
    """
    par, clock, scratch = (
        lanes.numbers[lanes.at_par :],
        lanes.numbers[lanes.at_clock :],
        lanes.numbers[lanes.at_scratch :],
    )
    drugs, products = lanes.drugs, lanes.products
    body, width = count_body(drugs, products), count_lesion(products)
    begin(scratch, count)
    for d in range(drugs):
        at = DRUG_STATES * d * LANES
        dispose(y[at:], dy[at:], par[(DRUGS + d * DRUG_ROWS) * LANES :], clock, scratch, count)
    first, first_product = DRUG_STATES * drugs * LANES, (DRUGS + drugs * DRUG_ROWS) * LANES
    for i in range(products):
        at = first + PRODUCT_STATES * i * LANES
        circulate(y[at:], dy[at:], par[first_product + i * PRODUCT_ROWS * LANES :], scratch, count)
    tail, at_slots = (body - BODY_TAIL) * LANES, first_slot(drugs, products)
    for slot in range(slots):
        base = (body + slot * width) * LANES
        lesion, d_lesion, place = y[base:], dy[base:], par[(at_slots + slot * SLOT_ROWS) * LANES :]
        supply(lesion, par, scratch, count)
        immunity(par, y[tail:], scratch, count)
        for i in range(products):
            held, blood = base + (LESION_HEAD + 2 * i) * LANES, first + PRODUCT_STATES * i * LANES
            part = par[first_product + i * PRODUCT_ROWS * LANES :]
            recruit_and_engage(
                lesion, y[held:], dy[held:], y[blood:], dy[blood:], part, place, scratch, count
            )  # fmt: skip
        grow_lesion(lesion, d_lesion, par, place, scratch, count)
    remember_and_fail(y[tail:], dy[tail:], par, clock, scratch, count)


@kernel(borrows=True)
def slopes_of_one(y, dy, slots, lanes):
    """`slopes` of a lane alone."""
    slopes(y, dy, slots, lanes, 1)


@kernel(borrows=True)
def slopes_alone(t, y, dy, lesions, lanes):
    """`slopes` of a lane alone whose parameters are written, for solvers that know no lanes.

    Parameters
    ----------
    t
        Days from randomisation.
    y, dy
        State and its derivative, shape (body_width + lesions * lesion_width,).
    lesions
        Lesions present.
    lanes
        `layout.Lanes`; ``y_new``, the first rows of ``k`` and scratch are overwritten.
    """
    numbers = lanes.numbers
    clock, state, slope = numbers[lanes.at_clock :], numbers[lanes.at_y_new :], numbers[lanes.at_k :]
    clock[STAGE_DAY * LANES] = t
    for i in range(y.size):
        state[i * LANES] = y[i]
    slopes_of_one(state, slope, lesions, lanes)
    for i in range(y.size):
        dy[i] = slope[i * LANES]


@kernel
def derivatives(t, y, dy, lesions, patient):
    """Time derivative of every state of one patient, per day, without lanes made beforehand: for tests.

    Parameters
    ----------
    t
        Days from randomisation.
    y, dy
        State and its derivative, shape (body_width + lesions * lesion_width,).
    lesions
        Lesions present.
    patient
        Constants since the last event (`layout.Patient`).
    """
    slots = patient.slots.shape[0]
    drugs, products = patient.drugs.shape[0], patient.products.shape[0]
    lanes = empty_lanes(count_states(slots, drugs, products), slots, 1, SCRATCH_ROWS, drugs, products)
    write_parameters(lanes.numbers[lanes.at_par :], lesions, patient)
    slopes_alone(t, y, dy, lesions, lanes)
