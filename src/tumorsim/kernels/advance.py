"""One patient from now to the next event, watching for what happens on the way."""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.derivatives import body_width, lesion_width
from tumorsim.kernels.integrate import (
    RESTART_STEP,
    SAFETY,
    SHRINK_MOST,
    SMALLEST_STEP,
    all_finite,
    error_norm,
    first_slopes,
    follow_clearance,
    interpolate,
    interpolate_all,
    step_factor,
    take_step,
)
from tumorsim.kernels.lanes import (
    CONTROL,
    DAY,
    ERROR,
    LAST_ERROR,
    LIMITS,
    REGROWTH,
    STEP,
    STEPS,
    TAKEOVER,
    TRACE_DAY,
    UNTIL,
)
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAUSE_NONE,
    CAUSE_TUMOUR,
    CLONES,
    DRUG_STATES,
    EXTINCTION,
    LANES,
    PRODUCT_STATES,
    STATUS_MANY_STEPS,
    STATUS_NOT_FINITE,
    STATUS_SMALL_STEP,
)
from tumorsim.kernels.lesions import distance_to_change, settle_small_lesions
from tumorsim.kernels.observe import record
from tumorsim.kernels.quiet import LEAST_DRUG, LEAST_EFFECTORS, LEAST_ERROR

BISECTIONS = 50
CHANGE_SLACK = 1e-9  # a change of regime is met when it is due by this much, so that rounding does not undo it


@kernel(borrows=True)
def crossing(h, y, y_new, k, state, limit):
    """Fraction of the step at which a rising state reaches ``limit``."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if interpolate(middle, h, y, y_new, k, state) < limit:
            low = middle
        else:
            high = middle
    return high


@kernel(borrows=True)
def first_death(h, work, patient):
    """Earliest death inside the step (eq. H4): (fraction of the step, cause); fraction 2 when there is none."""
    y, y_new, memo = work.y, work.y_new, work.memo
    hazards = body_width(patient) - BODY_TAIL + 2
    earliest, cause = 2.0, CAUSE_NONE
    for c in range(3):
        limit = memo.limits[c]
        if y_new[hazards + c] >= limit:
            theta = crossing(h, y, y_new, work.k, hazards + c, limit)
            if theta < earliest:
                earliest, cause = theta, CAUSE_TUMOUR + c
    return earliest, cause


@kernel(borrows=True)
def distance_inside(theta, h, slot, work, patient):
    """`distance_to_change` of a lesion inside the step."""
    y, y_new, k = work.y, work.y_new, work.k
    base = body_width(patient) + slot * lesion_width(patient)
    cells = 0.0
    for clone in range(CLONES):
        cells += interpolate(theta, h, y, y_new, k, base + clone)
    return distance_to_change(cells, interpolate(theta, h, y, y_new, k, base + EXTINCTION), slot, patient)


@kernel(borrows=True)
def first_change(h, lesions, work, patient):
    """Fraction of the step at which a lesion first enters or leaves the small regime or dies out; 2 if none does."""
    earliest = 2.0
    for slot in range(lesions):
        low, high = 0.0, min(earliest, 1.0)
        if distance_inside(high, h, slot, work, patient) >= -CHANGE_SLACK:
            continue
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            if distance_inside(middle, h, slot, work, patient) >= -CHANGE_SLACK:
                low = middle
            else:
                high = middle
        earliest = high
    return earliest


@kernel(borrows=True)
def resistant_excess(theta, h, sensitive, fixed, lesions, work, patient):
    """Drug-resistant cells inside the step, less ``sensitive`` times the sensitive ones and a ``fixed`` number."""
    body, width = body_width(patient), lesion_width(patient)
    excess = -fixed
    for slot in range(lesions):
        base = body + slot * width
        for clone in range(CLONES):
            sign = 1.0 if clone % 2 == 1 else -sensitive
            excess += sign * interpolate(theta, h, work.y, work.y_new, work.k, base + clone)
    return excess


@kernel(borrows=True)
def first_excess(h, share, sensitive, fixed, lesions, work, patient):
    """Fraction of the step at which `resistant_excess` turns positive, in its first ``share``; NaN if it does not."""
    if resistant_excess(share, h, sensitive, fixed, lesions, work, patient) <= 0.0:
        return math.nan
    low, high = 0.0, share
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if resistant_excess(middle, h, sensitive, fixed, lesions, work, patient) <= 0.0:
            low = middle
        else:
            high = middle
    return high


@kernel(borrows=True)
def watch_resistance(t, h, share, lesions, work, patient, out):
    """Phase: note when resistant cells first outnumber sensitive ones, and half the cells of entry (eq. R4)."""
    if lesions == 0:
        return
    if np.isnan(out.resistant_time):
        out.resistant_time = t + h * first_excess(h, share, 1.0, 0.0, lesions, work, patient)
    if np.isnan(out.resistant_regrowth_time) and work.memo.regrown > 0.0:
        out.resistant_regrowth_time = t + h * first_excess(h, share, 0.0, work.memo.regrown, lesions, work, patient)


@kernel(borrows=True)
def store_trace(t, h, share, n, lesions, work, patient, trace_time, trace):
    """Phase: points of the stored trajectory in the first ``share`` of the step, by interpolation.

    The solution is not disturbed: a traced patient has the bits of an untraced one. Overwrites the errors in ``k[1]``.
    """
    memo, lanes = work.memo, work.lanes
    point, until = memo.traced, t + share * h
    while point < trace.shape[0] and trace_time[point] <= until:
        theta = (trace_time[point] - t) / h
        interpolate_all(theta, h, n, lanes.numbers[lanes.at_k + lanes.states * LANES :], work)
        record(work.k[1], lesions, patient, trace[point])
        point += 1
    memo.traced = point


@kernel(borrows=True)
def clear_traces_of_treatment(work, patient):
    """Phase: a hundredth of an effector, or a vanishing amount of drug, is none. Returns whether anything changed."""
    y = work.y
    changed = False
    drugs = patient.drugs.shape[0]
    for d in range(drugs):
        total = y[DRUG_STATES * d] + y[DRUG_STATES * d + 1]
        if total != 0.0 and patient.intake[d].rate == 0.0 and total < LEAST_DRUG:
            y[DRUG_STATES * d : DRUG_STATES * d + DRUG_STATES] = 0.0
            changed = True
    for i in range(patient.products.shape[0]):
        at = DRUG_STATES * drugs + PRODUCT_STATES * i
        total = y[at] + y[at + 1] + y[at + 2] + y[at + 3]
        if total != 0.0 and total < LEAST_EFFECTORS:
            y[at : at + PRODUCT_STATES] = 0.0
            changed = True
    return changed


@kernel(borrows=True)
def fail(t, status, out):
    """A failed integration is kept with its time and reason, never hidden."""
    out.status, out.failure_time = status, t


@kernel(borrows=True)
def reject(error, h, t, y, out):
    """Smaller step after a rejected one; marks failure when there is none."""
    shrunk = h * (max(SHRINK_MOST, SAFETY * error**-0.2) if error < math.inf else SHRINK_MOST)
    if shrunk < SMALLEST_STEP:
        fail(t, STATUS_SMALL_STEP if all_finite(y) and error < math.inf else STATUS_NOT_FINITE, out)
    return shrunk


@kernel(borrows=True)
def step_of_one(lesions, lanes):
    """`take_step` of a lane alone."""
    take_step(lesions, lanes, 1)


@kernel(borrows=True)
def step_alone(t, h, lesions, work):
    """One step of this lane only, from day ``t``."""
    lanes = work.lanes
    clock = lanes.numbers[lanes.at_clock :]
    clock[DAY * LANES], clock[STEP * LANES] = t, h
    step_of_one(lesions, lanes)


@kernel(borrows=True)
def swap_in(n, work):
    """Accept a step: its end becomes the start of the next."""
    y, y_new, k, k_new = work.y, work.y_new, work.k[0], work.k[6]
    for i in range(n):
        y[i], k[i] = y_new[i], k_new[i]


@kernel(borrows=True)
def states_of(lesions, patient):
    """States of a patient in use."""
    return body_width(patient) + lesions * lesion_width(patient)


@kernel(borrows=True)
def is_treated(y, patient):
    """Whether a drug or effectors are in the body; what lesions take of them changes, and with it good modes."""
    treated = False
    for i in range(body_width(patient) - BODY_TAIL):
        treated = treated or y[i] != 0.0
    return treated


@kernel(borrows=True)
def set_out(t, t_end, restart, lesions, work, patient, policy, trace_time, trace, out):
    """Begin a course from ``t`` to ``t_end``; returns the lesions present.

    ``restart`` says that an event changed the state, so that the step size starts small again.
    """
    clock = work.lanes.numbers[work.lanes.at_clock :]
    lesions, moved = settle_small_lesions(lesions, work, patient, policy.seed, out)
    if restart or moved or is_treated(work.y, patient):
        first_slopes(t, lesions, work, patient)
    if restart:
        clock[CONTROL * LANES] = min(clock[CONTROL * LANES], RESTART_STEP)
    clock[UNTIL * LANES] = t_end
    set_step(t, work, trace_time, trace, out)
    return lesions


@kernel(borrows=True)
def set_step(t, work, trace_time, trace, out):
    """Day and length of the next step, to the clock: that of the controller, or what is left; and what to look for."""
    memo, clock = work.memo, work.lanes.numbers[work.lanes.at_clock :]
    left, control = clock[UNTIL * LANES] - t, clock[CONTROL * LANES]
    clock[DAY * LANES], clock[STEP * LANES] = t, left if control >= left else control
    for c in range(3):
        clock[(LIMITS + c) * LANES] = memo.limits[c]
    point = memo.traced
    clock[TRACE_DAY * LANES] = trace_time[point] if point < trace.shape[0] else math.inf
    clock[TAKEOVER * LANES] = 1.0 if np.isnan(out.resistant_time) else math.inf
    watched = np.isnan(out.resistant_regrowth_time) and memo.regrown > 0.0
    clock[REGROWTH * LANES] = memo.regrown if watched else math.inf


@kernel(borrows=True)
def come_in(lesions, work, patient, policy, trace_time, trace, out):
    """Accept or reject the step that was taken, and set the next one. Returns (day, lesions).

    At the end of the course the day is its end; death or failure is noted in ``out``.
    """
    memo, clock = work.memo, work.lanes.numbers[work.lanes.at_clock :]
    t, step, error, control = clock[DAY * LANES], clock[STEP * LANES], clock[ERROR * LANES], clock[CONTROL * LANES]
    n = states_of(lesions, patient)
    if not error <= 1.0:
        memo.rejected += 1.0
        clock[CONTROL * LANES] = reject(error, step, t, work.y[:n], out)
        set_step(t, work, trace_time, trace, out)
        return t, lesions
    clock[STEPS * LANES] += 1.0
    out.steps = clock[STEPS * LANES]
    if out.steps >= policy.max_steps:
        fail(t, STATUS_MANY_STEPS, out)
        return t, lesions
    until = clock[UNTIL * LANES]
    reaching = control >= until - t
    theta, cause = first_death(step, work, patient)
    change = first_change(step, lesions, work, patient)
    cut = change < min(theta, 1.0)
    if cut:
        step, theta = change * step, 2.0
        step_alone(t, step, lesions, work)
    watch_resistance(t, step, min(theta, 1.0), lesions, work, patient, out)
    store_trace(t, step, min(theta, 1.0), n, lesions, work, patient, trace_time, trace)
    if theta <= 1.0:
        step = theta * step
        step_alone(t, step, lesions, work)
        swap_in(n, work)
        out.death_time, out.death_cause = t + step, cause
        return t + step, lesions
    factor = step_factor(error, clock[LAST_ERROR * LANES])
    clock[LAST_ERROR * LANES] = max(error, LEAST_ERROR)
    clock[CONTROL * LANES] = max(control, step * factor) if reaching or cut else control * factor
    t = until if reaching and not cut else t + step
    swap_in(n, work)
    lesions, moved = settle_small_lesions(lesions, work, patient, policy.seed, out)
    cleared = clear_traces_of_treatment(work, patient)
    if moved or cleared:
        first_slopes(t, lesions, work, patient)
    elif t < until:
        follow_clearance(t, work, patient)
    set_step(t, work, trace_time, trace, out)
    return t, lesions


@kernel(borrows=True)
def advance(t, t_end, lesions, restart, work, patient, policy, trace_time, trace, out):
    """Integrate one patient to ``t_end``, or to death or failure before it. Returns (day, lesions)."""
    lesions = set_out(t, t_end, restart, lesions, work, patient, policy, trace_time, trace, out)
    while t < t_end and np.isnan(out.death_time) and out.status == 0.0:
        step_of_one(lesions, work.lanes)
        error_norm(lesions, work.lanes, 1, policy.relative_tolerance)
        t, lesions = come_in(lesions, work, patient, policy, trace_time, trace, out)
    return t, lesions
