"""Adaptive integration of one patient between two events.

Dormand-Prince 5(4) with a proportional-integral step-size controller and the free
fourth-order interpolant; drugs and effectors in the body, which leave their compartments
within hours, are carried by way of their modes (`decay`). Sources: Dormand & Prince 1980,
J Comput Appl Math 6:19; Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I,
2nd ed., sections II.4 (controller), II.5 (table 5.2) and II.6 (interpolant).
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels import effectors, pharmacology
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.decay import (
    FROM_MODES,
    NOW,
    RATE,
    STAGES,
    carry_modes,
    exchange,
    feed,
    find_modes,
    into_modes,
    isolate,
    leave_over,
    mode_error,
    mode_inside,
    out_of_modes,
)
from tumorsim.kernels.derivatives import body_width, derivatives, lesion_width
from tumorsim.kernels.growth import positive_part
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAPACITY,
    DEAD,
    DRUG_STATES,
    EMBOLISED,
    EXTINCTION,
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


@kernel(borrows=True)
def fill_absolute_tolerances(atol, lesions, patient):
    """Write the absolute tolerance of every state, scaled for a relative tolerance of 1e-6."""
    body, width = body_width(patient), lesion_width(patient)
    drugs = DRUG_STATES * patient.drugs.shape[0]
    atol[:drugs] = ATOL_DRUG
    atol[drugs : body - BODY_TAIL] = ATOL_EFFECTORS
    atol[body - BODY_TAIL : body] = ATOL_FRACTION
    for slot in range(lesions):
        base = body + slot * width
        atol[base : base + DEAD] = ATOL_CLONE
        atol[base + DEAD : base + CAPACITY + 1] = ATOL_CELLS
        atol[base + CAPACITY + 1 : base + EMBOLISED + 1] = ATOL_FRACTION
        atol[base + VEGF_PULSE] = ATOL_VEGF
        atol[base + EXTINCTION] = ATOL_EXTINCTION
        atol[base + LESION_HEAD : base + width] = ATOL_LESION_EFFECTORS


@kernel(borrows=True)
def drug_modes(at, days_on_drug, drug, k):
    """Modes of a drug between its two volumes, at the clearance of the day."""
    central, peripheral = pharmacology.exit_rates(days_on_drug, drug)
    isolate(at, DRUG_STATES, k)
    k[FROM_MODES, at], k[FROM_MODES + 1, at + 1] = -central, -peripheral
    exchange(at, 1, drug.intercompartmental_clearance / drug.volume, peripheral, k)
    find_modes(at, DRUG_STATES, k)


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
def first_slopes(t, y, k, spare, lesions, patient):
    """Slopes at the start of a course between two events, and the modes for all of it. Overwrites ``spare``.

    What lesions take up is read off the right-hand side, which is linear in the effectors of the blood.
    """
    products, first = patient.products.shape[0], DRUG_STATES * patient.drugs.shape[0]
    tail = body_width(patient) - BODY_TAIL
    rate, slopes = k[RATE], k[0]
    for i in range(y.size):
        rate[i], spare[i] = -1.0, y[i]
    some = False
    for i in range(first, tail):
        some = some or y[i] != 0.0
    if some:
        for i in range(products):
            spare[first + PRODUCT_STATES * i] += y[first + PRODUCT_STATES * i] + 1.0
        derivatives(t, spare, k[1], lesions, patient)
    derivatives(t, y, slopes, lesions, patient)
    for d in range(patient.drugs.shape[0]):
        at = DRUG_STATES * d
        if y[at] != 0.0 or y[at + 1] != 0.0 or slopes[at] != 0.0:
            drug_modes(at, t - patient.intake[d].start, patient.drugs[d], k)
            into_modes(y, at, DRUG_STATES, k, NOW)
            leave_over(0, at, DRUG_STATES, k)
    for i in range(products):
        at = first + PRODUCT_STATES * i
        if y[at] != 0.0 or y[at + 1] != 0.0 or y[at + 2] != 0.0 or y[at + 3] != 0.0:
            leaving = (slopes[at] - k[1, at]) / (y[at] + 1.0)
            taken = positive_part(leaving - effectors.exit_rates(patient.products[i])[0])
            product_modes(at, taken, patient.products[i], k)
            into_modes(y, at, PRODUCT_STATES, k, NOW)
            leave_over(0, at, PRODUCT_STATES, k)


@kernel(borrows=True)
def compartments_from(at, patient):
    """Number of compartments of the drug or product whose first state is ``at``."""
    return DRUG_STATES if at < DRUG_STATES * patient.drugs.shape[0] else PRODUCT_STATES


@kernel(borrows=True)
def carry_compartments(stage, h, y, k, y_new, patient):
    """Phase: drugs and effectors in the body at a stage."""
    at, tail = 0, body_width(patient) - BODY_TAIL
    while at < tail:
        width = compartments_from(at, patient)
        if k[RATE, at] >= 0.0:
            carry_modes(stage, NODES[stage], h, y, y_new, at, width, k)
        at += width


@kernel(borrows=True)
def keep_what_is_left(stage, k, patient):
    """Phase: slopes of drugs and effectors in the body at a stage, less the decay of their modes."""
    at, tail = 0, body_width(patient) - BODY_TAIL
    while at < tail:
        width = compartments_from(at, patient)
        if k[RATE, at] >= 0.0:
            leave_over(stage, at, width, k)
        at += width


@kernel(borrows=True)
def estimate_errors(h, k, states, patient):
    """Embedded estimate of the error of every state, in ``k[1]``, which is of no further use."""
    k1, k3, k4, k5, k6, k7, error = k[0], k[2], k[3], k[4], k[5], k[6], k[1]
    for i in range(states):
        slope = 71.0 / 57600.0 * k1[i] - 71.0 / 16695.0 * k3[i] + 71.0 / 1920.0 * k4[i]
        error[i] = h * (slope - 17253.0 / 339200.0 * k5[i] + 22.0 / 525.0 * k6[i] - 1.0 / 40.0 * k7[i])
    at, tail = 0, body_width(patient) - BODY_TAIL
    while at < tail:
        width = compartments_from(at, patient)
        if k[RATE, at] >= 0.0:
            for i in range(at, at + width):
                k[NOW, i] = mode_error(h, k, i)
            out_of_modes(error, at, width, k)
        at += width


@kernel(borrows=True)
def combine(stage, h, y, k, y_new):
    """State at which a stage evaluates the right-hand side (Butcher tableau); that of the last is the solution."""
    k1, k2, k3, k4, k5, k6 = k[0], k[1], k[2], k[3], k[4], k[5]
    if stage == 1:
        for i in range(y.size):
            y_new[i] = y[i] + h * (1 / 5 * k1[i])
    elif stage == 2:
        for i in range(y.size):
            y_new[i] = y[i] + h * (3 / 40 * k1[i] + 9 / 40 * k2[i])
    elif stage == 3:
        for i in range(y.size):
            y_new[i] = y[i] + h * (44 / 45 * k1[i] - 56 / 15 * k2[i] + 32 / 9 * k3[i])
    elif stage == 4:
        for i in range(y.size):
            slope = 19372 / 6561 * k1[i] - 25360 / 2187 * k2[i] + 64448 / 6561 * k3[i] - 212 / 729 * k4[i]
            y_new[i] = y[i] + h * slope
    elif stage == 5:
        for i in range(y.size):
            slope = 9017 / 3168 * k1[i] - 355 / 33 * k2[i] + 46732 / 5247 * k3[i] + 49 / 176 * k4[i]
            y_new[i] = y[i] + h * (slope - 5103 / 18656 * k5[i])
    else:
        for i in range(y.size):
            slope = 35 / 384 * k1[i] + 500 / 1113 * k3[i] + 125 / 192 * k4[i] - 2187 / 6784 * k5[i]
            y_new[i] = y[i] + h * (slope + 11 / 84 * k6[i])


@kernel(borrows=True)
def take_step(t, h, y, k, y_new, lesions, patient):
    """One Dormand-Prince step from ``y``; ``k`` begins as `first_slopes` or the step before left it.

    Fills ``y_new`` and ``k`` (shape (ROWS, states)): the slopes, ``k[6]`` at ``y_new``, and in ``k[1]`` the errors.
    A loop over the stages, so that the right-hand side is compiled in one place.
    """
    for stage in range(1, STAGES):
        combine(stage, h, y, k, y_new)
        carry_compartments(stage, h, y, k, y_new, patient)
        derivatives(t + h * NODES[stage], y_new, k[stage], lesions, patient)
        keep_what_is_left(stage, k, patient)
    estimate_errors(h, k, y.size, patient)


@kernel(borrows=True)
def error_norm(y, y_new, k, atol, relative_tolerance):
    """Largest local error over its tolerance; at most one for a step to be accepted, infinite if one is not a number.

    Errors stand in ``k[1]`` (`estimate_errors`) and are overwritten. Absolute tolerances scale with the relative one,
    so that both fall together.
    """
    scale = relative_tolerance / 1e-6
    ratio = k[1]
    for i in range(y.size):
        ratio[i] = abs(ratio[i]) / (atol[i] * scale + relative_tolerance * max(abs(y[i]), abs(y_new[i])))
    worst, total = 0.0, 0.0
    for i in range(y.size):
        worst = max(worst, ratio[i])
        total += ratio[i]
    # NaN compares as false and would be lost in a maximum; not in a sum
    return worst if total < math.inf else math.inf


@kernel(borrows=True)
def step_factor(error, last_error):
    """Factor for the next step size from this error and the last accepted one."""
    if error == 0.0:
        return GROW_MOST
    factor = SAFETY * error**-PROPORTIONAL_GAIN * last_error**INTEGRAL_GAIN
    return min(GROW_MOST, max(SHRINK_MOST, factor))


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
def interpolate_all(theta, h, y, y_new, k, inside, patient):
    """Every state at ``t + theta * h`` inside an accepted step."""
    for i in range(y.size):
        inside[i] = interpolate(theta, h, y, y_new, k, i)
    at, tail = 0, body_width(patient) - BODY_TAIL
    while at < tail:
        width = compartments_from(at, patient)
        if k[RATE, at] >= 0.0:
            for i in range(at, at + width):
                k[NOW, i] = mode_inside(theta, h, k, i)
            out_of_modes(inside, at, width, k)
        at += width


@kernel(borrows=True)
def all_finite(y):
    """Whether every state is a number."""
    for i in range(y.size):
        if not np.isfinite(y[i]):
            return False
    return True
