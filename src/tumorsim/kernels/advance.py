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
    fill_absolute_tolerances,
    first_slopes,
    interpolate,
    interpolate_all,
    step_factor,
    take_step,
)
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAUSE_NONE,
    CAUSE_TUMOUR,
    CLONES,
    DRUG_STATES,
    EXTINCTION,
    PRODUCT_STATES,
    STATUS_MANY_STEPS,
    STATUS_NOT_FINITE,
    STATUS_SMALL_STEP,
)
from tumorsim.kernels.lesions import distance_to_change, settle_small_lesions
from tumorsim.kernels.observe import record

BISECTIONS = 50
CHANGE_SLACK = 1e-9  # a change of regime is met when it is due by this much, so that rounding does not undo it
LEAST_EFFECTORS = 0.01  # cells in the whole body below which a product is gone
LEAST_DRUG = 1e-6  # mg below which a drug that is no longer given is gone


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
def first_death(h, n, work, patient):
    """Earliest death inside the step (eq. H4): (fraction of the step, cause); fraction 2 when there is none."""
    y, y_new, memo = work.y, work.y_new, work.memo
    hazards = body_width(patient) - BODY_TAIL + 2
    earliest, cause = 2.0, CAUSE_NONE
    for c in range(3):
        limit = memo.limits[c]
        if y_new[hazards + c] >= limit:
            theta = crossing(h, y[:n], y_new[:n], work.k, hazards + c, limit)
            if theta < earliest:
                earliest, cause = theta, CAUSE_TUMOUR + c
    return earliest, cause


@kernel(borrows=True)
def distance_inside(theta, h, slot, work, patient, seed):
    """`distance_to_change` of a lesion inside the step."""
    y, y_new, k = work.y, work.y_new, work.k
    base = body_width(patient) + slot * lesion_width(patient)
    cells = 0.0
    for clone in range(CLONES):
        cells += interpolate(theta, h, y, y_new, k, base + clone)
    return distance_to_change(cells, interpolate(theta, h, y, y_new, k, base + EXTINCTION), slot, work, patient, seed)


@kernel(borrows=True)
def first_change(h, lesions, work, patient, seed):
    """Fraction of the step at which a lesion first enters or leaves the small regime or dies out; 2 if none does."""
    earliest = 2.0
    for slot in range(lesions):
        low, high = 0.0, min(earliest, 1.0)
        if distance_inside(high, h, slot, work, patient, seed) >= -CHANGE_SLACK:
            continue
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            if distance_inside(middle, h, slot, work, patient, seed) >= -CHANGE_SLACK:
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


@kernel
def store_trace(t, h, share, n, lesions, work, patient, trace_time, trace):
    """Phase: points of the stored trajectory in the first ``share`` of the step, by interpolation.

    The solution is not disturbed: a traced patient has the bits of an untraced one.
    """
    memo = work.memo
    point, until = memo.traced, t + share * h
    if point >= trace.shape[0] or trace_time[point] > until:
        return
    inside = np.empty(n)
    while point < trace.shape[0] and trace_time[point] <= until:
        theta = (trace_time[point] - t) / h
        interpolate_all(theta, h, work.y[:n], work.y_new[:n], work.k, inside, patient)
        record(inside, lesions, patient, trace[point])
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
def die_within(t, h, theta, cause, n, lesions, work, patient, out):
    """Move the state to the moment of death by a step of just that length; returns the time."""
    y, y_new = work.y[:n], work.y_new[:n]
    take_step(t, theta * h, y, work.k, y_new, lesions, patient)
    for i in range(n):
        y[i] = y_new[i]
    out.death_time, out.death_cause = t + theta * h, cause
    return t + theta * h


@kernel(borrows=True)
def advance(t, t_end, lesions, restart, work, patient, policy, trace_time, trace, out):
    """Integrate to ``t_end``, or to death or failure before it. Returns (time, lesions).

    ``restart`` says that an event changed the state, so that the step size starts small again.
    """
    memo = work.memo
    lesions, _moved = settle_small_lesions(lesions, work, patient, policy.seed, out)
    n = body_width(patient) + lesions * lesion_width(patient)
    fill_absolute_tolerances(work.atol[:n], lesions, patient)
    first_slopes(t, work.y[:n], work.k, work.y_new[:n], lesions, patient)
    h = min(memo.step, RESTART_STEP) if restart else memo.step
    while t < t_end:
        reaching = h >= t_end - t
        step = t_end - t if reaching else h
        take_step(t, step, work.y[:n], work.k, work.y_new[:n], lesions, patient)
        error = error_norm(work.y[:n], work.y_new[:n], work.k, work.atol[:n], policy.relative_tolerance)
        if not error <= 1.0:
            memo.rejected += 1.0
            h = reject(error, step, t, work.y[:n], out)
            if out.status != 0.0:
                return t, lesions
            continue
        out.steps += 1.0
        if out.steps >= policy.max_steps:
            fail(t, STATUS_MANY_STEPS, out)
            return t, lesions
        theta, cause = first_death(step, n, work, patient)
        change = first_change(step, lesions, work, patient, policy.seed)
        cut = change < min(theta, 1.0)
        if cut:
            step, theta = change * step, 2.0
            take_step(t, step, work.y[:n], work.k, work.y_new[:n], lesions, patient)
        share = min(theta, 1.0)
        watch_resistance(t, step, share, lesions, work, patient, out)
        store_trace(t, step, share, n, lesions, work, patient, trace_time, trace)
        if theta <= 1.0:
            return die_within(t, step, theta, cause, n, lesions, work, patient, out), lesions
        factor = step_factor(error, memo.error)
        memo.error = max(error, 1e-4)
        h = max(h, step * factor) if reaching or cut else h * factor
        t = t_end if reaching and not cut else t + step
        swap_in(n, work)
        lesions, moved = settle_small_lesions(lesions, work, patient, policy.seed, out)
        cleared = clear_traces_of_treatment(work, patient)
        if moved or cleared:
            n = body_width(patient) + lesions * lesion_width(patient)
            fill_absolute_tolerances(work.atol[:n], lesions, patient)
            first_slopes(t, work.y[:n], work.k, work.y_new[:n], lesions, patient)
    memo.step = h
    return t, lesions


@kernel(borrows=True)
def swap_in(n, work):
    """Accept a step: its end becomes the start of the next."""
    y, y_new, k = work.y, work.y_new, work.k
    for i in range(n):
        y[i] = y_new[i]
        k[0, i] = k[6, i]
