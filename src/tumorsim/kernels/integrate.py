"""Adaptive integration of one patient between two events.

Dormand-Prince 5(4) with a proportional-integral step-size controller and the free
fourth-order interpolant; drugs and effectors in the body, which leave their compartments
within hours, are carried by way of their modes (`decay`). Sources: Dormand & Prince 1980,
J Comput Appl Math 6:19; Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I,
2nd ed., sections II.4 (controller), II.5 (table 5.2) and II.6 (interpolant).
"""

from __future__ import annotations

import numpy as np

from tumorsim.kernels import effectors, pharmacology
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.decay import (
    FROM_MODES,
    NOW,
    RATE,
    ROWS,
    SPARE_ROWS,
    STAGES,
    START,
    carry_modes,
    errors_of_modes,
    exchange,
    fall_of_modes,
    feed,
    find_modes,
    into_modes,
    isolate,
    leave_over,
    some_modes,
)
from tumorsim.kernels.derivatives import (
    SCRATCH_ROWS,
    UPTAKE,
    body_width,
    count_body,
    count_lesion,
    count_states,
    lesion_width,
    slopes,
    slopes_of_one,
)
from tumorsim.kernels.elementary import exp, log
from tumorsim.kernels.lanes import (
    CLEARANCE_FOUND,
    DAY,
    DRUG_ROWS,
    DRUGS,
    ERROR,
    PRESENT,
    SLOT_ROWS,
    STAGE_DAY,
    STEP,
    empty_lanes,
    first_slot,
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
    PRODUCT_STATES,
    VEGF_PULSE,
)

ORDER = 5
SAFETY = 0.9
SHRINK_MOST = 0.2
GROW_MOST = 8.0
INTEGRAL_GAIN = 0.04
PROPORTIONAL_GAIN = 1.0 / ORDER - 0.75 * INTEGRAL_GAIN
SMALLEST_STEP = 1e-9  # day
RESTART_STEP = 0.05  # day, after an event that changed the state

# Nodes of the tableau; the last two stages stand at the end of the step.
NODES = np.array([0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0])

# Absolute tolerances at a relative one of 1e-6. Clones are held to 1e-6 of one cell: what a lesion grows into
# years after a treatment left a few cells is decided by the error of those few.
ATOL_DRUG = 1e-5  # mg
ATOL_EFFECTORS = 0.01  # cells in the body
ATOL_LESION_EFFECTORS = 1e-5  # cells in a lesion
ATOL_CLONE = 1e-6  # cells
ATOL_CELLS = 1e-5  # dead cells, capacity
ATOL_FRACTION = 1e-12  # memory, reserve, hazards, maturity, embolised fraction
ATOL_VEGF = 1e-5  # pg/mL
ATOL_EXTINCTION = 1e-6

STALE = 0.05  # share of a clearance by which it may change before the modes of the drug are found anew

SPARE = SCRATCH_ROWS * LANES  # of Lanes.scratch, where modes are multiplied


@kernel
def lanes_for(slots, drugs, products):
    """Empty lanes for patients with up to so many lesions at a time."""
    lanes = empty_lanes(count_states(slots, drugs, products), slots, ROWS, SCRATCH_ROWS + SPARE_ROWS, drugs, products)
    fill_absolute_tolerances(lanes.numbers[lanes.at_atol :], slots, drugs, products)
    fill_rows(lanes.numbers[lanes.at_y :], count_body(drugs, products), lanes.states, 1.0)
    return lanes


@kernel(borrows=True)
def fill_rows(out, first, last, value):
    """Write a number to some rows of all lanes."""
    for i in range(first * LANES, last * LANES):
        out[i] = value


@kernel(borrows=True)
def fill_absolute_tolerances(atol, slots, drugs, products):
    """Write the absolute tolerance of every state, scaled for a relative tolerance of 1e-6, to all lanes."""
    body, width = count_body(drugs, products), count_lesion(products)
    fill_rows(atol, 0, DRUG_STATES * drugs, ATOL_DRUG)
    fill_rows(atol, DRUG_STATES * drugs, body - BODY_TAIL, ATOL_EFFECTORS)
    fill_rows(atol, body - BODY_TAIL, body, ATOL_FRACTION)
    for slot in range(slots):
        base = body + slot * width
        fill_rows(atol, base, base + DEAD, ATOL_CLONE)
        fill_rows(atol, base + DEAD, base + CAPACITY + 1, ATOL_CELLS)
        fill_rows(atol, base + CAPACITY + 1, base + EMBOLISED + 1, ATOL_FRACTION)
        fill_rows(atol, base + VEGF_PULSE, base + VEGF_PULSE + 1, ATOL_VEGF)
        fill_rows(atol, base + EXTINCTION, base + EXTINCTION + 1, ATOL_EXTINCTION)
        fill_rows(atol, base + LESION_HEAD, base + width, ATOL_LESION_EFFECTORS)


@kernel(borrows=True)
def drug_modes(at, days_on_drug, drug, k):
    """Modes of a drug between its two volumes, at the clearance of the day."""
    central, peripheral = pharmacology.exit_rates(days_on_drug, drug)
    isolate(at, DRUG_STATES, k)
    k[FROM_MODES, at], k[FROM_MODES + 1, at + 1] = -central, -peripheral
    exchange(at, 1, drug.intercompartmental_clearance / drug.volume, peripheral, k)
    find_modes(at, DRUG_STATES, k)


@kernel(inline=True)
def is_stale(found, days_on_drug, drug):
    """Whether a clearance is no longer what it was when the modes of the drug were found."""
    return abs(pharmacology.clearance_now(days_on_drug, drug) - found) > STALE * found


@kernel(borrows=True)
def start_modes_of_drug(t, d, work, patient):
    """`drug_modes` of the day, and the clearance at which they were found."""
    lanes, days = work.lanes, t - patient.intake[d].start
    par = lanes.numbers[lanes.at_par :]
    par[(DRUGS + d * DRUG_ROWS + CLEARANCE_FOUND) * LANES] = pharmacology.clearance_now(days, patient.drugs[d])
    drug_modes(DRUG_STATES * d, days, patient.drugs[d], work.k)


@kernel(borrows=True)
def follow_clearance(t, work, patient):
    """Find the modes of drugs anew whose clearance has changed since they were found.

    What it has changed by is left over, and as quick as the modes themselves: steps fall to the edge of stability.
    """
    y, k, lanes = work.y, work.k, work.lanes
    par, cell = lanes.numbers[lanes.at_par :], lanes.states * LANES
    for d in range(patient.drugs.shape[0]):
        at, drug, intake = DRUG_STATES * d, patient.drugs[d], patient.intake[d]
        if is_stale(par[(DRUGS + d * DRUG_ROWS + CLEARANCE_FOUND) * LANES], t - intake.start, drug):
            k[0, at], k[0, at + 1] = pharmacology.disposition(y[at], y[at + 1], intake.rate, t - intake.start, drug)
            start_modes_of_drug(t, d, work, patient)
            here, spare = lanes.numbers[lanes.at_k + at * LANES :], lanes.numbers[lanes.at_scratch + SPARE :]
            into_modes(lanes.numbers[lanes.at_y + at * LANES :], DRUG_STATES, here, cell, NOW, 1)
            leave_over(0, DRUG_STATES, here, cell, spare, 1)


@kernel(borrows=True)
def product_modes(at, taken, p, k):
    """Modes of effectors in blood, lung, liver and rest while lesions take a share ``taken`` of those in blood."""
    blood, lung, liver, rest = effectors.exit_rates(p)
    isolate(at, PRODUCT_STATES, k)
    k[FROM_MODES, at], k[FROM_MODES + 1, at + 1] = -blood - taken, -lung
    k[FROM_MODES + 2, at + 2], k[FROM_MODES + 3, at + 3] = -liver, -rest
    exchange(at, 2, p.liver_uptake_rate, p.liver_return_rate, k)
    exchange(at, 3, p.rest_uptake_rate, p.rest_return_rate, k)
    find_modes(at, PRODUCT_STATES, k)
    feed(at, 1, p.lung_release_rate, PRODUCT_STATES, k)


@kernel(borrows=True)
def rest(lesions, work, patient):
    """Rows of slots that have lost their lesion: one everywhere, and at rest; those of other empty slots are so."""
    y, slopes_now, lanes = work.y, work.k[0], work.lanes
    places = lanes.numbers[lanes.at_par + first_slot(lanes.drugs, lanes.products) * LANES :]
    body, width = body_width(patient), lesion_width(patient)
    for slot in range(lesions, patient.slots.shape[0]):
        if places[(slot * SLOT_ROWS + PRESENT) * LANES] > 0.0:
            for i in range(body + slot * width, body + (slot + 1) * width):
                y[i], slopes_now[i] = 1.0, 0.0


@kernel(borrows=True)
def first_slopes(t, lesions, work, patient):
    """Slopes at the start of a course between two events, and the modes for all of it."""
    y, k, lanes = work.y, work.k, work.lanes
    clock, rate = lanes.numbers[lanes.at_clock :], k[RATE]
    products, first = patient.products.shape[0], DRUG_STATES * patient.drugs.shape[0]
    tail = body_width(patient) - BODY_TAIL
    rest(lesions, work, patient)
    write_parameters(lanes.numbers[lanes.at_par :], lesions, patient)
    clock[DAY * LANES] = clock[STAGE_DAY * LANES] = t
    for i in range(tail):
        rate[i] = -1.0
    slopes_of_one(lanes.numbers[lanes.at_y :], lanes.numbers[lanes.at_k :], lesions, lanes)
    for d in range(patient.drugs.shape[0]):
        at = DRUG_STATES * d
        if y[at] != 0.0 or y[at + 1] != 0.0 or k[0, at] != 0.0:
            start_modes_of_drug(t, d, work, patient)
    for i in range(products):
        at = first + PRODUCT_STATES * i
        if y[at] != 0.0 or y[at + 1] != 0.0 or y[at + 2] != 0.0 or y[at + 3] != 0.0:
            product_modes(at, lanes.numbers[lanes.at_scratch + UPTAKE * LANES], patient.products[i], k)
    enter_modes(NOW, lanes, 1)
    keep_what_is_left(0, lanes, 1)


@kernel(borrows=True, inline=True)
def compartments_from(at, lanes):
    """Number of compartments of the drug or product whose first state is ``at``."""
    return DRUG_STATES if at < DRUG_STATES * lanes.drugs else PRODUCT_STATES


@kernel(borrows=True, inline=True)
def enter_modes(row, lanes, count):
    """Write the modes of drugs and effectors in the body into a row of ``k``; at the start also what a step leaves."""
    at, tail, cell = 0, count_body(lanes.drugs, lanes.products) - BODY_TAIL, lanes.states * LANES
    while at < tail:
        width, k = compartments_from(at, lanes), lanes.numbers[lanes.at_k + at * LANES :]
        if some_modes(k, cell, count):
            into_modes(lanes.numbers[lanes.at_y + at * LANES :], width, k, cell, row, count)
            if row == START:
                fall_of_modes(width, k, cell, lanes.numbers[lanes.at_clock :], count)
        at += width


@kernel(borrows=True, inline=True)
def carry_compartments(stage, share, state, lanes, count):
    """Phase: drugs and effectors in the body at a stage; at stage 6, at ``share`` of a step that is known."""
    at, tail, cell = 0, count_body(lanes.drugs, lanes.products) - BODY_TAIL, lanes.states * LANES
    while at < tail:
        width, k = compartments_from(at, lanes), lanes.numbers[lanes.at_k + at * LANES :]
        if some_modes(k, cell, count):
            carry_modes(
                stage, share, state[at * LANES :], width, k, cell, lanes.numbers[lanes.at_clock :],
                lanes.numbers[lanes.at_scratch + SPARE :], count,
            )  # fmt: skip
        at += width


@kernel(borrows=True, inline=True)
def keep_what_is_left(stage, lanes, count):
    """Phase: slopes of drugs and effectors in the body at a stage, less the decay of their modes."""
    at, tail, cell = 0, count_body(lanes.drugs, lanes.products) - BODY_TAIL, lanes.states * LANES
    while at < tail:
        width, k = compartments_from(at, lanes), lanes.numbers[lanes.at_k + at * LANES :]
        if some_modes(k, cell, count):
            leave_over(stage, width, k, cell, lanes.numbers[lanes.at_scratch + SPARE :], count)
        at += width


@kernel(borrows=True, inline=True)
def estimate_errors(rows, lanes, count):
    """Embedded estimate of the error of every state, in ``k[1]``, which is of no further use."""
    cell, k, clock = lanes.states * LANES, lanes.numbers[lanes.at_k :], lanes.numbers[lanes.at_clock :]
    step = clock[STEP * LANES :]
    plain_errors(
        rows, k[cell:], step, k, k[2 * cell :], k[3 * cell :], k[4 * cell :], k[5 * cell :], k[6 * cell :], count
    )
    at, tail = 0, count_body(lanes.drugs, lanes.products) - BODY_TAIL
    while at < tail:
        width, here = compartments_from(at, lanes), k[at * LANES :]
        if some_modes(here, cell, count):
            errors_of_modes(here[cell:], width, here, cell, clock, lanes.numbers[lanes.at_scratch + SPARE :], count)
        at += width


@kernel(borrows=True, apart=True, inline=True)
def plain_errors(rows, error, h, k1, k3, k4, k5, k6, k7, count):
    """Embedded estimate of the error of every state."""
    for row in range(rows):
        for i in range(count):
            early = (
                71.0 / 57600.0 * k1[row * LANES + i]
                - 71.0 / 16695.0 * k3[row * LANES + i]
                + 71.0 / 1920.0 * k4[row * LANES + i]
            )
            late = early - 17253.0 / 339200.0 * k5[row * LANES + i] + 22.0 / 525.0 * k6[row * LANES + i]
            error[row * LANES + i] = h[i] * (late - 1.0 / 40.0 * k7[row * LANES + i])


@kernel(borrows=True, inline=True)
def combine(stage, rows, lanes, count):
    """State at which a stage evaluates the right-hand side; that of the last is the solution."""
    cell, numbers = lanes.states * LANES, lanes.numbers
    y, y_new, k, step = (
        numbers[lanes.at_y :],
        numbers[lanes.at_y_new :],
        numbers[lanes.at_k :],
        numbers[lanes.at_clock + STEP * LANES :],
    )
    add_slopes(
        stage, rows, step, y, k, k[cell:], k[2 * cell :], k[3 * cell :], k[4 * cell :], k[5 * cell :], y_new, count
    )  # fmt: skip


@kernel(borrows=True, apart=True, inline=True)
def add_slopes(stage, rows, h, y, k1, k2, k3, k4, k5, k6, y_new, count):
    """One row of the Butcher tableau."""
    for row in range(rows):
        if stage == 1:
            for i in range(count):
                y_new[row * LANES + i] = y[row * LANES + i] + h[i] * (1 / 5 * k1[row * LANES + i])
        elif stage == 2:
            for i in range(count):
                y_new[row * LANES + i] = y[row * LANES + i] + h[i] * (
                    3 / 40 * k1[row * LANES + i] + 9 / 40 * k2[row * LANES + i]
                )
        elif stage == 3:
            for i in range(count):
                y_new[row * LANES + i] = y[row * LANES + i] + h[i] * (
                    44 / 45 * k1[row * LANES + i] - 56 / 15 * k2[row * LANES + i] + 32 / 9 * k3[row * LANES + i]
                )
        elif stage == 4:
            for i in range(count):
                slope = (
                    19372 / 6561 * k1[row * LANES + i]
                    - 25360 / 2187 * k2[row * LANES + i]
                    + 64448 / 6561 * k3[row * LANES + i]
                )
                y_new[row * LANES + i] = y[row * LANES + i] + h[i] * (slope - 212 / 729 * k4[row * LANES + i])
        elif stage == 5:
            for i in range(count):
                slope = (
                    9017 / 3168 * k1[row * LANES + i]
                    - 355 / 33 * k2[row * LANES + i]
                    + 46732 / 5247 * k3[row * LANES + i]
                    + 49 / 176 * k4[row * LANES + i]
                )
                y_new[row * LANES + i] = y[row * LANES + i] + h[i] * (slope - 5103 / 18656 * k5[row * LANES + i])
        else:
            for i in range(count):
                slope = (
                    35 / 384 * k1[row * LANES + i]
                    + 500 / 1113 * k3[row * LANES + i]
                    + 125 / 192 * k4[row * LANES + i]
                    - 2187 / 6784 * k5[row * LANES + i]
                )
                y_new[row * LANES + i] = y[row * LANES + i] + h[i] * (slope + 11 / 84 * k6[row * LANES + i])


@kernel(borrows=True, apart=True, inline=True)
def set_stage(node, clock, count):
    """Day of a stage."""
    for i in range(count):
        clock[STAGE_DAY * LANES + i] = clock[DAY * LANES + i] + clock[STEP * LANES + i] * node


@kernel(borrows=True, inline=True)
def take_step(slots, lanes, count):
    """One Dormand-Prince step of the first lanes; ``k`` begins as `first_slopes` or the step before left it.

    The days and steps stand in the clock. Fills ``y_new`` and ``k``: the slopes, ``k[6]`` at ``y_new``, and in ``k[1]``
    the errors. A loop over the stages, so that the right-hand side is compiled in one place.

    Parameters
    ----------
    slots
        Slots for lesions in use in any of the lanes.
    lanes
        `layout.Lanes`.
    count
        Lanes.
    """
    rows = count_states(slots, lanes.drugs, lanes.products)
    clock, y_new, k = lanes.numbers[lanes.at_clock :], lanes.numbers[lanes.at_y_new :], lanes.numbers[lanes.at_k :]
    enter_modes(START, lanes, count)
    for stage in range(1, STAGES):
        combine(stage, rows, lanes, count)
        carry_compartments(stage, NODES[stage], y_new, lanes, count)
        set_stage(NODES[stage], clock, count)
        slopes(y_new, k[stage * lanes.states * LANES :], slots, lanes, count)
        keep_what_is_left(stage, lanes, count)
    estimate_errors(rows, lanes, count)


@kernel(borrows=True, apart=True, inline=True)
def worst_errors(rows, error, y, y_new, atol, relative_tolerance, worst, count):
    """Largest error of a lane over its tolerance; NaN if one is not a number."""
    scale = relative_tolerance / 1e-6
    for i in range(count):
        worst[i] = 0.0
    for row in range(rows):
        for i in range(count):
            a, b = abs(y[row * LANES + i]), abs(y_new[row * LANES + i])
            ratio = abs(error[row * LANES + i]) / (
                atol[row * LANES + i] * scale + relative_tolerance * (a if a > b else b)
            )
            worst[i] = ratio if ratio > worst[i] or ratio != ratio else worst[i]  # once NaN, for good


@kernel(borrows=True, inline=True)
def error_norm(slots, lanes, count, relative_tolerance):
    """Largest local error over its tolerance, to the clock; at most one for a step to be accepted.

    Errors stand in ``k[1]`` (`estimate_errors`). Absolute tolerances scale with the relative one, so that both fall
    together.
    """
    numbers = lanes.numbers
    worst_errors(
        count_states(slots, lanes.drugs, lanes.products), numbers[lanes.at_k + lanes.states * LANES :],
        numbers[lanes.at_y :], numbers[lanes.at_y_new :], numbers[lanes.at_atol :], relative_tolerance,
        numbers[lanes.at_clock + ERROR * LANES :], count,
    )  # fmt: skip


@kernel(inline=True)
def step_factor(error, last_error):
    """Factor for the next step size from this error and the last accepted one."""
    least = 1e-30  # below it the factor has long reached its bound
    factor = SAFETY * exp(INTEGRAL_GAIN * log(last_error) - PROPORTIONAL_GAIN * log(error if error > least else least))
    factor = factor if factor > SHRINK_MOST else SHRINK_MOST
    return factor if factor < GROW_MOST else GROW_MOST


@kernel(borrows=True)
def interpolate(theta, h, y, y_new, k, i):
    """State ``i`` at ``t + theta * h`` inside an accepted step, fourth order."""
    if theta == 1.0:
        return y_new[i]
    rest = 1.0 - theta
    rise = y_new[i] - y[i]
    bulge = h * k[0, i] - rise
    bend = rise - h * k[6, i] - bulge
    tail = h * (
        -12715105075.0 / 11282082432.0 * k[0, i]
        + 87487479700.0 / 32700410799.0 * k[2, i]
        - 10690763975.0 / 1880347072.0 * k[3, i]
        + 701980252875.0 / 199316789632.0 * k[4, i]
        - 1453857185.0 / 822651844.0 * k[5, i]
        + 69997945.0 / 29380423.0 * k[6, i]
    )
    return y[i] + theta * (rise + rest * (bulge + theta * (bend + rest * tail)))


@kernel(borrows=True)
def interpolate_all(theta, h, n, inside, work):
    """Every state at ``theta`` of an accepted step ``h``. ``inside`` is the first lane of rows, one a state."""
    lanes = work.lanes
    for i in range(n):
        inside[i * LANES] = interpolate(theta, h, work.y, work.y_new, work.k, i)
    carry_compartments(STAGES - 1, theta, inside, lanes, 1)


@kernel(borrows=True)
def all_finite(y):
    """Whether every state is a number."""
    for i in range(y.size):
        if not np.isfinite(y[i]):
            return False
    return True
