"""What treatments do to a patient's state: infusion, drugs, TACE, resection, salvage."""

from __future__ import annotations

import math

from tumorsim.kernels import random
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.derivatives import body_width, lesion_width
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAUSE_LIVER,
    CLONES,
    DEAD,
    DRUG_STATES,
    EMBOLISED,
    EVENT_DRUG_BOLUS,
    EVENT_DRUG_RATE,
    EVENT_INFUSION,
    LESION_HEAD,
    LINE_NONE,
    LINE_RESCUE,
    LINE_SUPPORTIVE,
    LINE_TACE,
    PRODUCT_STATES,
    SALVAGE_CURATIVE,
    SALVAGE_NONE,
    SALVAGE_SUPPORTIVE,
    SALVAGE_TACE,
    SALVAGE_TKI,
    VEGF_PULSE,
)
from tumorsim.kernels.observe import lesion_diameters
from tumorsim.kernels.tace import table_quantile
from tumorsim.kernels.vessels import secreted_vegf

WHOLE_SESSION = 1 << 62  # key of a draw for the session rather than for a lesion


@kernel(borrows=True)
def give(t, kind, index, value, work, patient, out):
    """Phase: a drug or a cell infusion, unless it was stopped at progression."""
    y, stopped = work.y, work.stopped
    drugs = patient.drugs.shape[0]
    if kind == EVENT_DRUG_RATE and stopped[index] == 0:
        set_drug_rate(t, index, value, patient)
    elif kind == EVENT_DRUG_BOLUS and stopped[index] == 0:
        start_clock(t, index, patient)
        y[DRUG_STATES * index] += value
    elif kind == EVENT_INFUSION and stopped[drugs + index] == 0:
        y[DRUG_STATES * drugs + PRODUCT_STATES * index + 1] += value
        out.infusions += 1.0
        out.cells_infused += value


@kernel(borrows=True)
def start_clock(t, drug, patient):
    """The first dose starts the clock of the rising clearance."""
    intake = patient.intake[drug]
    intake.start = min(intake.start, t)


@kernel(borrows=True)
def set_drug_rate(t, drug, rate, patient):
    """Oral intake in mg/day from now on."""
    intake = patient.intake[drug]
    intake.rate = rate
    if rate > 0.0:
        start_clock(t, drug, patient)


@kernel(borrows=True)
def stop_at_progression(work, patient):
    """Phase: study treatment that is given until progression ends."""
    stopped = work.stopped
    drugs = patient.drugs.shape[0]
    for d in range(drugs):
        if patient.drugs[d].until_progression == 1.0:
            stopped[d] = 1
            set_drug_rate(0.0, d, 0.0, patient)
    for i in range(patient.products.shape[0]):
        if patient.products[i].until_progression == 1.0:
            stopped[drugs + i] = 1


@kernel(borrows=True)
def necrose(base, killed, work):
    """Kill a fraction of every clone of a lesion; the dead stay until cleared."""
    y = work.y
    for clone in range(CLONES):
        y[base + DEAD] += killed * y[base + clone]
        y[base + clone] *= 1.0 - killed


@kernel(borrows=True)
def visible(slot, work, patient):
    """Whether viable tumour of this lesion would show on imaging."""
    _total, viable = lesion_diameters(work.y, body_width(patient) + slot * lesion_width(patient), patient)
    return viable >= patient.slots[slot].threshold


@kernel(borrows=True)
def any_visible(lesions, work, patient):
    """Whether any lesion has viable tumour to see."""
    for slot in range(lesions):
        if visible(slot, work, patient):
            return True
    return False


@kernel(borrows=True)
def chemoembolise(t, procedure, lesions, work, patient, policy, out):
    """Phase: one session of TACE on every visible lesion (docs/theory/tace.md, eqs T1, T3)."""
    y, memo = work.y, work.memo
    number, p, session = patient.traits.number, patient.procedures[procedure], memo.sessions
    memo.sessions += 1
    body, width = body_width(patient), lesion_width(patient)
    for slot in range(lesions):
        if not visible(slot, work, patient):
            continue
        base = body + slot * width
        key = patient.slots[slot].key
        complete = random.uniform(policy.seed, random.STREAM_TACE, number, 2 * session, key)
        if complete < p.complete_probability:
            necrose(base, 1.0 - p.complete_survival, work)
        else:
            draw = random.uniform(policy.seed, random.STREAM_TACE, number, 2 * session + 1, key)
            necrose(base, table_quantile(draw, p.necrosis_quantiles), work)
        y[base + EMBOLISED] += p.embolised_fraction * (1.0 - y[base + EMBOLISED])
        y[base + VEGF_PULSE] += p.vegf_pulse * secreted_vegf(
            1.0, 1.0, patient.traits.growth.cell_density, patient.traits.vessels
        )
    reserve = body - BODY_TAIL + 1
    y[reserve] = max(0.0, y[reserve] - p.liver_cost)
    if random.uniform(policy.seed, random.STREAM_TACE, number, 2 * session, WHOLE_SESSION) < p.mortality:
        out.death_time, out.death_cause = t, CAUSE_LIVER


@kernel(borrows=True)
def resect(lesions, residual, work, patient):
    """Phase: curative treatment of every lesion seen; what survives is a residual fraction. Returns lesions treated."""
    y = work.y
    body, width = body_width(patient), lesion_width(patient)
    treated = 0
    for slot in range(lesions):
        mark = work.marks[patient.slots[slot].lesion]
        if mark.seen == 0:
            continue
        base = body + slot * width
        for clone in range(CLONES):
            y[base + clone] *= residual
        y[base + DEAD] = 0.0
        for i in range(base + LESION_HEAD, base + width):
            y[i] *= residual
        mark.seen = 0
        treated += 1
    return treated


@kernel(borrows=True)
def lesions_in_sight(work):
    """Lesions seen so far and not treated away."""
    count = 0
    for i in range(work.marks.size):
        count += work.marks[i].seen
    return count


@kernel(borrows=True)
def plan_salvage(t, work, policy):
    """Phase: a recurrence or progression is seen; treatment follows after the usual delay."""
    memo = work.memo
    if memo.line == LINE_NONE and memo.due == math.inf:
        memo.due = t + policy.salvage_delay


@kernel(borrows=True)
def note_salvage(kind, out):
    """Keep the first treatment after progression."""
    if out.salvage == SALVAGE_NONE:
        out.salvage = kind


@kernel(borrows=True)
def last_line(t, work, patient, policy, out):
    """Local treatment is exhausted: the rescue drug, or supportive care."""
    memo = work.memo
    memo.due = math.inf
    if policy.rescue_drug >= 0:
        set_drug_rate(t, policy.rescue_drug, policy.rescue_rate, patient)
        memo.line = LINE_RESCUE
        note_salvage(SALVAGE_TKI, out)
    else:
        memo.line = LINE_SUPPORTIVE
        note_salvage(SALVAGE_SUPPORTIVE, out)


@kernel(borrows=True)
def salvage(t, lesions, work, patient, policy, out):
    """Phase: the treatment that was due: curative if eligible, else TACE on demand, else the last line."""
    memo = work.memo
    decision = memo.decisions
    memo.decisions += 1
    in_sight = lesions_in_sight(work)
    if memo.line == LINE_NONE and in_sight <= policy.curative_at_most:
        draw = random.uniform(policy.seed, random.STREAM_SALVAGE, patient.traits.number, decision, 0)
        if draw < policy.curative_probability:
            resect(lesions, policy.residual_fraction, work, patient)
            note_salvage(SALVAGE_CURATIVE, out)
            memo.due = math.inf
            return
    if memo.line == LINE_TACE and not any_visible(lesions, work, patient):
        memo.line, memo.due = LINE_NONE, math.inf
        return
    if memo.sessions < policy.tace_at_most:
        chemoembolise(t, policy.tace, lesions, work, patient, policy, out)
        note_salvage(SALVAGE_TACE, out)
        memo.line, memo.due = LINE_TACE, t + policy.tace_interval
        return
    last_line(t, work, patient, policy, out)
