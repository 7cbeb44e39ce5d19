"""The right-hand side of one patient: a sum of named laws (docs/theory/patient-model.md).

Order of phases: drugs dispose -> effectors circulate -> every lesion (supply,
recruit, kill, grow and mutate, vessels, clear) -> memory -> liver and hazards.
"""

from __future__ import annotations

from tumorsim.kernels import effectors, growth, killing, liver, pharmacology, resistance, vessels
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAPACITY,
    DEAD,
    DRUG_STATES,
    EMBOLISED,
    EXTINCTION,
    LESION_HEAD,
    MATURITY,
    PRODUCT_STATES,
    VEGF_PULSE,
)


@kernel(borrows=True)
def body_width(patient):
    """Number of states before the first lesion."""
    return DRUG_STATES * patient.drugs.shape[0] + PRODUCT_STATES * patient.products.shape[0] + BODY_TAIL


@kernel(borrows=True)
def lesion_width(patient):
    """Number of states of one lesion."""
    return LESION_HEAD + 2 * patient.products.shape[0]


@kernel(borrows=True)
def viable_cells(y, base):
    """Cells of all clones of the lesion whose states start at ``base``."""
    return y[base] + y[base + 1] + y[base + 2] + y[base + 3]


@kernel(borrows=True)
def lesion_supply(y, base, patient):
    """Perfusion, oxygenation, VEGF (pg/mL) and volume (mL) of a lesion."""
    v = patient.traits.vessels
    cells = viable_cells(y, base)
    total = cells + y[base + DEAD]
    density = vessels.vascular_density(cells, y[base + CAPACITY])
    flow = vessels.perfusion(density, y[base + MATURITY], y[base + EMBOLISED], v)
    oxygen = vessels.oxygenation(flow, v)
    secreted = vessels.secreted_vegf(cells / (total + killing.ONE_CELL), oxygen, patient.traits.growth.cell_density, v)
    return flow, oxygen, secreted + y[base + VEGF_PULSE], growth.volume_ml(total, patient.traits.growth.cell_density)


@kernel(borrows=True, inline=True)
def recruit_and_engage(y, dy, base, supply, effects, patient):
    """Phase: effectors enter, exhaust and die (eq. E3).

    Returns what kills clones S, R, A and RA and what stops their division, in 1/day (eqs K7, M2).
    """
    flow, oxygen, vegf, volume = supply
    cells = viable_cells(y, base)
    taken = effectors.recruitment_rate(
        volume, flow, y[base + MATURITY], vegf, patient.traits.vessels.baseline_maturity, patient.traits.trafficking
    )
    filters = killing.permitted(oxygen, vegf, patient.traits.vessels.vegf_half_effect, 1.0, patient.traits.suppression)
    permitted = filters * killing.access(volume, patient.traits.trafficking)
    first = DRUG_STATES * patient.drugs.shape[0]
    kill_s, kill_r, kill_a, kill_ra = 0.0, 0.0, 0.0, 0.0
    halt_s, halt_r, halt_a, halt_ra = 0.0, 0.0, 0.0, 0.0
    for i in range(patient.products.shape[0]):
        p = patient.products[i]
        blood = first + PRODUCT_STATES * i
        active = base + LESION_HEAD + 2 * i
        entering = taken * y[blood]
        exhausting = p.exhaustion_rate * killing.contact(y[active], cells, p.half_e_to_t) * y[active]
        dy[blood] -= entering
        dy[active] = entering - exhausting - p.tumour_death_rate * y[active]
        dy[active + 1] = exhausting - p.tumour_death_rate * y[active + 1]
        reached = killing.engagement(y[active], cells, p.half_e_to_t) * permitted * (1.0 - effects.effectors)
        s, r, a, ra = killing.action(reached, effects.opsonisation, p)
        halting, lethal = p.cytostatic_share, 1.0 - p.cytostatic_share
        kill_s, kill_r = kill_s + lethal * s, kill_r + lethal * r
        kill_a, kill_ra = kill_a + lethal * a, kill_ra + lethal * ra
        halt_s, halt_r = halt_s + halting * s, halt_r + halting * r
        halt_a, halt_ra = halt_a + halting * a, halt_ra + halting * ra
    first_tail = first + PRODUCT_STATES * patient.products.shape[0]
    m = patient.traits.memory
    cytotoxic_t = m.kill_rate * m.mhc_positive_fraction * y[first_tail] * permitted
    return (kill_s + cytotoxic_t, kill_r + cytotoxic_t, kill_a, kill_ra), (halt_s, halt_r, halt_a, halt_ra)


@kernel(borrows=True, inline=True)
def grow_lesion(y, dy, base, slot, effects, patient):
    """Phase: one lesion (eqs G6, R3, K8, V7). Returns its volume (mL) and the antigen it releases (cells/day)."""
    g, r = patient.traits.growth, patient.traits.resistance
    supply = lesion_supply(y, base, patient)
    _flow, oxygen, vegf, volume = supply
    cells = viable_cells(y, base)
    s, res, a, ra = y[base], y[base + 1], y[base + 2], y[base + 3]
    kills, halts = recruit_and_engage(y, dy, base, supply, effects, patient)
    kill_s, kill_r, kill_a, kill_ra = kills

    normal = vessels.oxygenation(1.0, patient.traits.vessels)
    factor = growth.hypoxic_birth_factor(oxygen, normal, g.hypoxia_half_effect)
    rate = patient.slots[slot].rate
    sensitive = growth.birth_rate(rate, factor, effects.births_sensitive)
    resistant = growth.birth_rate(rate * (1.0 - r.fitness_cost), factor, effects.births_resistant)
    birth_s, birth_r = killing.births_left(sensitive, halts[0]), killing.births_left(resistant, halts[1])
    birth_a, birth_ra = killing.births_left(sensitive, halts[2]), killing.births_left(resistant, halts[3])
    crowding = growth.crowding_rate(rate, cells, y[base + CAPACITY])
    loss_s = crowding + effects.killing_sensitive + kill_s
    loss_r = crowding + effects.killing_resistant + kill_r
    loss_a = crowding + effects.killing_sensitive + kill_a
    loss_ra = crowding + effects.killing_resistant + kill_ra

    divisions_s, divisions_r, off = birth_s + g.turnover_rate, birth_r + g.turnover_rate, r.switch_off_rate
    stress = resistance.drug_stress(effects)
    on_s = resistance.to_resistant_rate(divisions_s, stress, r)
    on_a = resistance.to_resistant_rate(birth_a + g.turnover_rate, stress, r)
    escape_s, escape_r = r.antigen_loss_probability * divisions_s, r.antigen_loss_probability * divisions_r
    dy[base] = (birth_s - loss_s - on_s - escape_s) * s + off * res
    dy[base + 1] = (birth_r - loss_r - off - escape_r) * res + on_s * s
    dy[base + 2] = (birth_a - loss_a - on_a) * a + off * ra + escape_s * s
    dy[base + 3] = (birth_ra - loss_ra - off) * ra + on_a * a + escape_r * res

    died = loss_s * s + loss_r * res + loss_a * a + loss_ra * ra
    released = g.dead_clearance_rate * y[base + DEAD]
    dy[base + DEAD] = died - released
    supplied = (s + a) * (1.0 - effects.sprouting_sensitive) + (res + ra) * (1.0 - effects.sprouting_resistant)
    embolised = y[base + EMBOLISED]
    v = patient.traits.vessels
    viable_volume = growth.volume_ml(cells, g.cell_density)
    dy[base + CAPACITY] = vessels.capacity_change(supplied, y[base + CAPACITY], viable_volume, vegf, embolised, v)
    dy[base + MATURITY] = vessels.maturity_change(y[base + MATURITY], effects.sprouting_sensitive, v)
    dy[base + EMBOLISED] = -v.recanalisation_rate * embolised
    dy[base + VEGF_PULSE] = -v.vegf_pulse_decay_rate * y[base + VEGF_PULSE]
    dy[base + EXTINCTION] = growth.extinction_integrand(
        g.turnover_rate + died / cells, patient.slots[slot].small, cells
    )
    return volume, released


@kernel(borrows=True)
def derivatives(t, y, dy, lesions, patient):
    """Time derivative of every state of one patient, per day.

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
    pharmacology.dispose(t, y, dy, patient)
    effectors.circulate(y, dy, patient)
    effects = pharmacology.drug_effects(y, 1.0, patient)
    body, width = body_width(patient), lesion_width(patient)
    volume, antigen = 0.0, 0.0
    for slot in range(lesions):
        lesion_volume, released = grow_lesion(y, dy, body + slot * width, slot, effects, patient)
        volume += lesion_volume
        antigen += released
    tail, traits = body - BODY_TAIL, patient.traits
    dy[tail] = effectors.memory_change(y[tail], antigen, effectors.helpers(y, patient), traits.memory)
    dy[tail + 1] = liver.reserve_change(y[tail + 1], traits.cirrhosis, volume, traits.liver)
    failure = liver.liver_hazard(y[tail + 1], traits.hazards)
    background = liver.background_reserve(t, traits.reserve, traits.cirrhosis, traits.liver)
    excess = liver.excess_hazard(failure, background, traits.hazards)
    dy[tail + 2] = liver.tumour_hazard(volume, traits.hazards) + excess
    dy[tail + 3] = failure - excess
    dy[tail + 4] = traits.hazards.other_rate * liver.age_factor(traits.age, traits.hazards)
