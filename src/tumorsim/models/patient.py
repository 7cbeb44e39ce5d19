"""The patient-level model: from an event table to visits, death and trajectories.

Patients are integrated side by side, each at its own day and step; one who is done leaves the lane to the next.

The loop of one patient, in order: integrate to the next event (exactly to it; on
the way watch for death, extinction of small lesions, the take-over and the regrowth by
resistant cells, and store the trajectory), then what is due at that time: a lesion arrives,
a row of the event table (drug, infusion, TACE, resection, visit), salvage treatment.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tumorsim.kernels import layout, random
from tumorsim.kernels._jit import kernel, take_one
from tumorsim.kernels.advance import come_in, set_out
from tumorsim.kernels.decay import ROWS
from tumorsim.kernels.derivatives import body_width
from tumorsim.kernels.integrate import RESTART_STEP, error_norm, lanes_for, take_step
from tumorsim.kernels.lanes import CONTROL, LAST_ERROR, QUIET, STEP, STEPS, UNTIL
from tumorsim.kernels.layout import LANES
from tumorsim.kernels.lesions import add_lesion
from tumorsim.kernels.observe import assess, record
from tumorsim.kernels.quiet import LEAST_ERROR, pass_quietly
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


@kernel(borrows=True)
def start(work, patient, policy):
    """Set a patient's clocks, liver reserve and the draws that decide the day of death."""
    y, memo, limits, clock = work.y, work.memo, work.memo.limits, work.lanes.numbers[work.lanes.at_clock :]
    y[: body_width(patient)] = 0.0
    y[body_width(patient) - layout.BODY_TAIL + 1] = patient.traits.reserve
    memo.due, memo.baseline = math.inf, -1.0
    clock[CONTROL * LANES], clock[LAST_ERROR * LANES], clock[STEPS * LANES] = (
        RESTART_STEP,
        LEAST_ERROR,
        0.0,
    )
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


class Crew(NamedTuple):
    """Who is in the lanes, and what they need besides `layout.Lanes`."""

    row: layout.Ints  # (LANES,) of the batch, -1 = nobody
    lesions: layout.Ints  # (LANES,) present
    lesion: layout.Ints  # (LANES,) next to arrive
    event: layout.Ints  # (LANES,) next row of the event table
    day: layout.Floats  # (LANES,)
    k: layout.Floats  # (decay.ROWS, states, LANES) a view of Lanes.k
    intake: layout.Records  # (LANES, drug) INTAKE
    slots: layout.Records  # (LANES, slot) SLOT
    marks: layout.Records  # (LANES, slot) MARK
    stopped: layout.Ints  # (LANES, drug + product)


@kernel
def crew_for(slots, lanes):
    """Lanes in which nobody is."""
    given, k = lanes.drugs + lanes.products, lanes.numbers[lanes.at_k : lanes.at_atol]
    return Crew(
        np.full(LANES, -1), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64),
        np.zeros(LANES, np.int64), np.zeros(LANES), k.reshape((ROWS, lanes.states, LANES)),
        np.zeros((LANES, lanes.drugs), INTAKE), np.zeros((LANES, slots), SLOT),
        np.zeros((LANES, slots), MARK), np.zeros((LANES, given), np.int64),
    )  # fmt: skip


@kernel(borrows=True)
def board(lane, i, crew, work, patient, cohort, policy, outcomes):
    """Patient row ``i`` of the batch takes lane ``lane``."""
    intake, slots, marks, stopped = patient.intake, patient.slots, work.marks, work.stopped
    for d in range(intake.size):
        one = intake[d]
        one.rate, one.start = 0.0, math.inf
    for slot in range(slots.size):
        mark, place = marks[slot], slots[slot]
        mark.seen, mark.target, mark.entries = 0, 0, 0
        place.rate, place.small = 0.0, 0.0
    stopped[:] = 0
    clear_outcome(outcomes.event[i], outcomes.visit[i])
    start(work, patient, policy)
    memo = work.memo
    if policy.adjuvant == 0:
        memo.regrown = half_the_cells_at_entry(i, cohort)
    row, present, lesion, event, day = crew.row, crew.lesions, crew.lesion, crew.event, crew.day
    row[lane], present[lane], lesion[lane], event[lane], day[lane] = i, 0, 0, cohort.event_offset[i], 0.0


@kernel(borrows=True)
def do_what_is_due(lane, crew, work, patient, cohort, policy, rows, out):
    """Arrivals, rows of the event table and salvage treatment of the day. Returns whether the state changed."""
    i, t, memo, changed = crew.row[lane], crew.day[lane], work.memo, False
    present, to_arrive, coming = crew.lesions, crew.lesion, crew.event
    first, lesions, lesion, event = cohort.lesion_offset[i], crew.lesions[lane], crew.lesion[lane], crew.event[lane]
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
    present[lane], to_arrive[lane], coming[lane] = lesions, lesion, event
    return changed


@kernel(borrows=True)
def go_on(lane, restart, crew, work, patient, cohort, policy, outcomes, trace):
    """Courses of the patient in a lane until there is one to integrate. Returns whether there is; if not, all is done.

    ``restart`` says that the patient has just come.
    """
    i, memo, end, present = crew.row[lane], work.memo, patient.traits.end, crew.lesions
    out = outcomes.event[i]
    while True:
        changed = do_what_is_due(lane, crew, work, patient, cohort, policy, outcomes.visit[i], out) or restart
        restart = False
        t = crew.day[lane]
        if t >= end or not np.isnan(out.death_time) or out.status != 0.0:
            return False
        if memo.traced < trace.size and outcomes.trace_time[memo.traced] <= t:
            record(work.y, crew.lesions[lane], patient, trace[memo.traced])
            memo.traced += 1
        target = next_stop(crew.lesion[lane], crew.event[lane], i, cohort.lesion_offset[i], cohort, memo, end)
        present[lane] = set_out(
            t, target, changed, present[lane], work, patient, policy, outcomes.trace_time, trace, out
        )
        if t < target:
            return True


@kernel(borrows=True)
def look_after(lane, taken, rows, lanes, crew, cohort, policy, outcomes):
    """One lane after a step: accept it, do what is due, let the next patient in.

    The tuples are built here, not in a helper: one that holds a record, or part of an array, can be passed on but not
    returned.
    """
    fresh, day, present, numbers = crew.row[lane] < 0, crew.day, crew.lesions, lanes.numbers
    wide = lanes.states * LANES
    while True:
        if fresh:
            place = take_one(taken)
            if place >= rows.size:
                leave(lane, lanes, crew)
                return
            i = rows[place]
        else:
            i = crew.row[lane]
        patient = layout.Patient(
            cohort.traits[i], cohort.drugs[i], cohort.products[i], cohort.procedures,
            crew.intake[lane], crew.slots[lane],
        )  # fmt: skip
        alone = layout.Lanes(
            numbers[lane:], lanes.states, lanes.drugs, lanes.products, lanes.at_y, lanes.at_y_new, lanes.at_k,
            lanes.at_atol, lanes.at_par, lanes.at_clock, lanes.at_scratch,
        )  # fmt: skip
        work = layout.Work(
            numbers[lanes.at_y + lane : lanes.at_y + wide : LANES],
            numbers[lanes.at_y_new + lane : lanes.at_y_new + wide : LANES], crew.k[:, :, lane], alone,
            outcomes.memo[i], crew.marks[lane], crew.stopped[lane],
        )  # fmt: skip
        traced = outcomes.trace_row[i]
        trace = outcomes.trace[traced] if traced >= 0 else outcomes.trace[0, :0]
        if fresh:
            board(lane, i, crew, work, patient, cohort, policy, outcomes)
        else:
            out = outcomes.event[i]
            day[lane], present[lane] = come_in(present[lane], work, patient, policy, outcomes.trace_time, trace, out)
            if (
                day[lane] < numbers[lanes.at_clock + UNTIL * LANES + lane]
                and np.isnan(out.death_time)
                and out.status == 0.0
            ):
                return
        if go_on(lane, fresh, crew, work, patient, cohort, policy, outcomes, trace):
            return
        fresh = True


@kernel(borrows=True)
def leave(lane, lanes, crew):
    """Nobody is left for this lane: it stands still."""
    clock, row, present = lanes.numbers[lanes.at_clock :], crew.row, crew.lesions
    row[lane], present[lane], clock[STEP * LANES + lane] = -1, 0, 0.0


@kernel(entry=True)
def simulate_batch(cohort, policies, outcomes, rows, taken):
    """Run some patients of the batch, without the interpreter's lock.

    Patients share nothing, so several threads may run rows of the same batch at once, in any order, and cannot change
    a bit: they share ``rows`` and ``taken``, and whoever has an empty lane takes the next row. (A ``prange`` loop does
    the same for a third more compilation, and its threading layer is not safe to call from Python threads.) It is
    quickest where those with the most lesions come first: lanes then have about as many.

    Parameters
    ----------
    cohort
        `layout.Cohort`.
    policies
        Array of one `layout.POLICY` record.
    outcomes
        `layout.Outcomes`, filled in place.
    rows
        Rows of patients, int64.
    taken : (1,)
        How many of ``rows`` were taken so far, int64; from ``rows.size`` on no lane takes another.
    """
    slots, policy = 1, policies[0]
    for i in rows:
        slots = max(slots, cohort.lesion_offset[i + 1] - cohort.lesion_offset[i])
    lanes = lanes_for(slots, cohort.drugs.shape[1], cohort.products.shape[1])
    crew, quiet = crew_for(slots, lanes), lanes.at_clock + QUIET * LANES
    for lane in range(LANES):
        look_after(lane, taken, rows, lanes, crew, cohort, policy, outcomes)
    while True:
        used, some = 0, False
        for lane in range(LANES):
            used, some = max(used, crew.lesions[lane]), some or crew.row[lane] >= 0
        if not some:
            break
        take_step(used, lanes, LANES)
        error_norm(used, lanes, LANES, policy.relative_tolerance)
        pass_quietly(used, lanes, policy.max_steps)
        for lane in range(LANES):
            if crew.row[lane] >= 0 and lanes.numbers[quiet + lane] == 0.0:
                look_after(lane, taken, rows, lanes, crew, cohort, policy, outcomes)
