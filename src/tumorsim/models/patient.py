"""The patient-level model: from an event table to visits, death and trajectories.

The loop of one patient, in order: integrate to the next event (exactly to it; on
the way watch for death, extinction of small lesions, the take-over and the regrowth by
resistant cells, and store the trajectory), then what is due at that time: a lesion arrives,
a row of the event table (drug, infusion, TACE, resection, visit), salvage treatment.
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels import layout, random
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.advance import advance
from tumorsim.kernels.decay import ROWS
from tumorsim.kernels.derivatives import body_width
from tumorsim.kernels.integrate import RESTART_STEP
from tumorsim.kernels.lesions import add_lesion
from tumorsim.kernels.observe import assess, record
from tumorsim.kernels.treat import (
    any_visible,
    chemoembolise,
    give,
    plan_salvage,
    resect,
    salvage,
    stop_at_progression,
)

INTAKE, SLOT, MARK = layout.INTAKE, layout.SLOT, layout.MARK


@kernel
def no_intake(drugs):
    """Nothing taken yet. Records INTAKE, shape (drugs,)."""
    intake = np.zeros(drugs, INTAKE)
    for d in range(drugs):
        intake[d].start = math.inf
    return intake


@kernel(borrows=True)
def count_states(slots, drugs, products):
    """Length of the state vector with every slot in use."""
    body = layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * products + layout.BODY_TAIL
    return body + slots * (layout.LESION_HEAD + 2 * products)


@kernel(borrows=True)
def start(work, patient, policy):
    """Set a patient's clocks, liver reserve and the draws that decide the day of death."""
    y, memo, limits = work.y, work.memo, work.memo.limits
    y[body_width(patient) - layout.BODY_TAIL + 1] = patient.traits.reserve
    memo.step, memo.error, memo.due, memo.baseline = RESTART_STEP, 1e-4, math.inf, -1.0
    for c in range(3):
        limits[c] = random.exponential(policy.seed, random.STREAM_DEATH, patient.traits.number, c, 0)


@kernel(borrows=True)
def half_the_cells_at_entry(i, cohort):
    """Half the viable cells of the lesions present before any treatment."""
    cells = 0.0
    for lesion in range(cohort.lesion_offset[i], cohort.lesion_offset[i + 1]):
        if cohort.lesions[lesion].arrival <= 0.0:
            for clone in range(layout.CLONES):
                cells += cohort.lesions[lesion].cells[clone]
    return 0.5 * cells


@kernel(borrows=True)
def clear_outcome(out, rows):
    """Outcome and visit rows of a patient to whom nothing has happened yet."""
    out.death_time, out.progression_time, out.mrecist_progression_time = math.nan, math.nan, math.nan
    out.resistant_time, out.resistant_regrowth_time, out.failure_time = math.nan, math.nan, math.nan
    out.death_cause, out.salvage, out.infusions, out.cells_infused = 0.0, 0.0, 0.0, 0.0
    out.lesions_extinct, out.steps, out.status = 0.0, 0.0, 0.0
    for v in range(rows.size):
        row = rows[v]
        row.visit_time, row.sum_diameters, row.sum_viable_diameters = math.nan, math.nan, math.nan
        row.lesions_seen, row.new_lesion, row.response_recist, row.response_mrecist = 0.0, 0.0, 0.0, 0.0


@kernel(borrows=True)
def arrive(lesion, lesions, work, patient, cohort, first):
    """Phase: a de novo lesion establishes itself unless memory prevents it (eq. M3). Returns the lesions present."""
    memory = layout.DRUG_STATES * patient.drugs.shape[0] + layout.PRODUCT_STATES * patient.products.shape[0]
    protection = patient.traits.memory.de_novo_protection * work.y[memory]
    if cohort.lesions[first + lesion].mark < protection:
        return lesions
    return add_lesion(lesion, lesions, work, patient, cohort, first)


@kernel(borrows=True)
def visit(t, index, lesions, work, patient, policy, rows, out):
    """Phase: a tumour assessment and what follows from it. Returns whether study treatment stopped."""
    first = assess(t, index, lesions, work, patient, policy, rows[index], out)
    if first:
        stop_at_progression(work, patient)
    if first or (policy.adjuvant == 1 and rows[index].lesions_seen > 0.0):
        plan_salvage(t, work, policy)
    return first


@kernel(borrows=True)
def scheduled_tace(t, procedure, limit, lesions, work, patient, policy, out):
    """Phase: TACE of the protocol; with a limit only while viable tumour is visible. Returns whether it was done."""
    if limit > 0.0 and (work.memo.sessions >= limit or not any_visible(lesions, work, patient)):
        return False
    chemoembolise(t, procedure, lesions, work, patient, policy, out)
    return True


@kernel(borrows=True)
def apply_event(t, event, lesions, work, patient, policy, rows, out):
    """Phase: one row of the event table. Returns whether the state changed."""
    if event.kind == layout.EVENT_VISIT:
        return visit(t, event.index, lesions, work, patient, policy, rows, out)
    if event.kind == layout.EVENT_TACE:
        return scheduled_tace(t, event.index, event.value, lesions, work, patient, policy, out)
    if event.kind == layout.EVENT_RESECTION:
        return resect(lesions, policy.residual_fraction, work, patient) > 0
    give(t, event.kind, event.index, event.value, work, patient, out)
    return True


@kernel(borrows=True)
def next_stop(lesion, event, i, first, cohort, memo, end):
    """Day of whatever comes next: cut-off, salvage, arrival of a lesion, or a row of the event table."""
    target = min(end, memo.due)
    if first + lesion < cohort.lesion_offset[i + 1]:
        target = min(target, cohort.lesions[first + lesion].arrival)
    if event < cohort.event_offset[i + 1]:
        target = min(target, cohort.events[event].time)
    return target


@kernel
def simulate_patient(i, cohort, policies, outcomes):
    """Run patient row ``i`` of the batch from randomisation to death, data cut-off or failure."""
    policy, out, rows = policies[0], outcomes.event[i], outcomes.visit[i]
    clear_outcome(out, rows)
    traced = outcomes.trace_row[i]
    trace = outcomes.trace[traced] if traced >= 0 else outcomes.trace[0, :0]
    first = cohort.lesion_offset[i]
    slots = max(cohort.lesion_offset[i + 1] - first, 1)
    drugs, products = cohort.drugs.shape[1], cohort.products.shape[1]
    states = count_states(slots, drugs, products)
    # Built here, not in a helper: a tuple that holds a record can be passed on but not returned.
    # A record does not keep its array alive, so every record belongs to an array of the caller.
    memo = outcomes.memo[i]
    patient = layout.Patient(
        cohort.traits[i], cohort.drugs[i], cohort.products[i], cohort.procedures,
        no_intake(drugs), np.zeros(slots, SLOT),
    )  # fmt: skip
    work = layout.Work(
        np.zeros(states), np.zeros(states), np.zeros((ROWS, states)), np.zeros(states),
        memo, np.zeros(slots, MARK), np.zeros(drugs + products, np.int64),
    )  # fmt: skip
    start(work, patient, policy)
    if policy.adjuvant == 0:
        memo.regrown = half_the_cells_at_entry(i, cohort)
    lesions, lesion, event = 0, 0, cohort.event_offset[i]
    t, end, changed = 0.0, patient.traits.end, True
    while True:
        while first + lesion < cohort.lesion_offset[i + 1] and cohort.lesions[first + lesion].arrival <= t:
            before = lesions
            lesions = arrive(lesion, lesions, work, patient, cohort, first)
            changed = changed or lesions > before
            lesion += 1
        while event < cohort.event_offset[i + 1] and cohort.events[event].time <= t and np.isnan(out.death_time):
            did = apply_event(t, cohort.events[event], lesions, work, patient, policy, rows, out)
            changed = changed or did
            event += 1
        if memo.due <= t and np.isnan(out.death_time):
            salvage(t, lesions, work, patient, policy, out)
            changed = True
        if t >= end or not np.isnan(out.death_time) or out.status != 0.0:
            break
        if memo.traced < trace.size and outcomes.trace_time[memo.traced] <= t:
            record(work.y, lesions, patient, trace[memo.traced])
            memo.traced += 1
        target = next_stop(lesion, event, i, first, cohort, memo, end)
        t, lesions = advance(t, target, lesions, changed, work, patient, policy, outcomes.trace_time, trace, out)
        changed = False


@kernel(entry=True)
def simulate_batch(cohort, policies, outcomes, first, last):
    """Run patient rows ``first`` to ``last`` (exclusive) of the batch, without the interpreter's lock.

    Patients share nothing, so several threads may run ranges of the same batch at
    once and cannot change a bit. (A ``prange`` loop does the same for a third more
    compilation, and its threading layer is not safe to call from Python threads.)

    Parameters
    ----------
    cohort
        `layout.Cohort`.
    policies
        Array of one `layout.POLICY` record.
    outcomes
        `layout.Outcomes`, filled in place.
    first, last
        Range of rows.
    """
    for i in range(first, last):
        simulate_patient(i, cohort, policies, outcomes)
