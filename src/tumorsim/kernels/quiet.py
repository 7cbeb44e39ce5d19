"""Steps in which nothing happens, of patients side by side: accepted together, nine in ten of all.

A lane is quiet if its step is accepted, does not reach the end of its course, no death, change of a small lesion or
take-over by resistant cells falls into it, no point is to be stored, no treatment wears off and no clearance has
changed much. The others are looked after one by one (`advance.come_in`), by the same laws.
"""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.decay import STAGES
from tumorsim.kernels.derivatives import count_body, count_lesion, count_states
from tumorsim.kernels.elementary import exp, log
from tumorsim.kernels.integrate import is_stale, step_factor
from tumorsim.kernels.lanes import (
    CLEARANCE_FOUND,
    CONTROL,
    DAY,
    DRAW,
    DRUG_ROWS,
    DRUGS,
    ERROR,
    INTAKE_START,
    LAST_ERROR,
    LIMITS,
    PRESENT,
    QUIET,
    REGROWTH,
    SLOT_ROWS,
    SMALL,
    STEP,
    STEPS,
    TAKEOVER,
    TRACE_DAY,
    UNTIL,
    drug_of,
    first_slot,
    growth_of,
)
from tumorsim.kernels.layout import BODY_TAIL, DRUG_STATES, EXTINCTION, LANES, PRODUCT_STATES

LEAST_EFFECTORS = 0.01  # cells in the whole body below which a product is gone
LEAST_DRUG = 1e-6  # mg below which a drug that is no longer given is gone
LEAVE_SMALL = 2.0  # times the extinction size; above the way in, so that a lesion does not flicker
CLOSE = 1e-6  # relative: closer to a change than this, a lesion is looked at by itself
LEAST_ERROR = 1e-4  # that the controller remembers

# Rows of Lanes.scratch, which the right-hand side has done with.
SENSITIVE, RESISTANT = 0, 1


@kernel(borrows=True, apart=True, inline=True)
def judge(clock, hazards, most_steps):
    """Phase: lanes whose step is accepted, does not reach the end, and in which nobody dies. ``hazards`` at its end."""
    for i in range(LANES):
        day, step = clock[DAY * LANES + i], clock[STEP * LANES + i]
        quiet = 1.0 if clock[ERROR * LANES + i] <= 1.0 else 0.0  # not if it is NaN
        quiet = 0.0 if clock[CONTROL * LANES + i] >= clock[UNTIL * LANES + i] - day else quiet
        quiet = 0.0 if day + step >= clock[TRACE_DAY * LANES + i] else quiet
        quiet = 0.0 if clock[STEPS * LANES + i] + 1.0 >= most_steps else quiet
        quiet = 0.0 if hazards[i] >= clock[LIMITS * LANES + i] else quiet
        quiet = 0.0 if hazards[LANES + i] >= clock[(LIMITS + 1) * LANES + i] else quiet
        quiet = 0.0 if hazards[2 * LANES + i] >= clock[(LIMITS + 2) * LANES + i] else quiet
        clock[QUIET * LANES + i] = quiet


@kernel(borrows=True, apart=True, inline=True)
def judge_drug(y, par, clock):
    """Phase: not a lane in which a drug vanishes, or is cleared otherwise than when its modes were found."""
    for i in range(LANES):
        total = y[i] + y[LANES + i]
        gone = total if total != 0.0 else 1.0
        days = clock[DAY * LANES + i] + clock[STEP * LANES + i] - par[INTAKE_START * LANES + i]
        busy = gone < LEAST_DRUG or is_stale(par[CLEARANCE_FOUND * LANES + i], days, drug_of(par, i))
        quiet = clock[QUIET * LANES + i]
        clock[QUIET * LANES + i] = 0.0 if busy else quiet


@kernel(borrows=True, apart=True, inline=True)
def judge_product(y, clock):
    """Phase: not a lane in which a product vanishes."""
    for i in range(LANES):
        total = y[i] + y[LANES + i] + y[2 * LANES + i] + y[3 * LANES + i]
        gone = total if total != 0.0 else 1.0
        quiet = clock[QUIET * LANES + i]
        clock[QUIET * LANES + i] = 0.0 if gone < LEAST_EFFECTORS else quiet


@kernel(borrows=True, apart=True, inline=True)
def count_none(scratch):
    """No cells are counted yet."""
    for i in range(LANES):
        scratch[SENSITIVE * LANES + i] = 0.0
        scratch[RESISTANT * LANES + i] = 0.0


@kernel(borrows=True, apart=True, inline=True)
def judge_lesion(y, place, par, clock, scratch):
    """Phase: not a lane in which this lesion enters or leaves the small regime or dies out. Counts its cells."""
    for i in range(LANES):
        present, limit = place[PRESENT * LANES + i] > 0.0, growth_of(par, i).extinction_size
        sensitive, resistant = y[i] + y[2 * LANES + i], y[LANES + i] + y[3 * LANES + i]
        cells, small, integral = sensitive + resistant, place[SMALL * LANES + i], y[EXTINCTION * LANES + i]
        over = integral if integral > 0.0 else 1.0
        alive = 1.0 - exp(-small * log(1.0 + 1.0 / over))
        alive = alive if integral > 0.0 else 1.0
        stays = alive > place[DRAW * LANES + i] + CLOSE and cells < (1.0 - CLOSE) * LEAVE_SMALL * limit * alive
        large = cells > (1.0 + CLOSE) * limit
        still = large if small == 0.0 else stays
        quiet = clock[QUIET * LANES + i]
        clock[QUIET * LANES + i] = quiet if still or not present else 0.0
        scratch[SENSITIVE * LANES + i] += sensitive if present else 0.0
        scratch[RESISTANT * LANES + i] += resistant if present else 0.0


@kernel(borrows=True, apart=True, inline=True)
def judge_resistance(clock, scratch):
    """Phase: not a lane in which resistant cells take over or have regrown, as far as that is not yet noted."""
    for i in range(LANES):
        sensitive, resistant = scratch[SENSITIVE * LANES + i], scratch[RESISTANT * LANES + i]
        quiet = clock[QUIET * LANES + i]
        quiet = 0.0 if resistant > (1.0 - CLOSE) * clock[TAKEOVER * LANES + i] * sensitive else quiet
        clock[QUIET * LANES + i] = 0.0 if resistant > (1.0 - CLOSE) * clock[REGROWTH * LANES + i] else quiet


@kernel(borrows=True, apart=True, inline=True)
def accept(rows, y, y_new, k, k_end, clock):
    """Phase: in quiet lanes the end of the step becomes the start of the next.

    Both numbers are read before one is chosen: a compiler may not read what is not asked for, and would choose lane
    by lane, five times as slowly.
    """
    for row in range(rows):
        for i in range(LANES):
            quiet = clock[QUIET * LANES + i] > 0.0
            state, slope = y[row * LANES + i], k[row * LANES + i]
            new_state, new_slope = y_new[row * LANES + i], k_end[row * LANES + i]
            y[row * LANES + i] = new_state if quiet else state
            k[row * LANES + i] = new_slope if quiet else slope


@kernel(borrows=True, apart=True, inline=True)
def go_ahead(clock):
    """Phase: day and length of the next step of quiet lanes."""
    for i in range(LANES):
        quiet, error, step = clock[QUIET * LANES + i] > 0.0, clock[ERROR * LANES + i], clock[STEP * LANES + i]
        control = clock[CONTROL * LANES + i] * step_factor(error, clock[LAST_ERROR * LANES + i])
        day = clock[DAY * LANES + i] + step
        left = clock[UNTIL * LANES + i] - day
        clock[CONTROL * LANES + i] = control if quiet else clock[CONTROL * LANES + i]
        clock[DAY * LANES + i] = day if quiet else clock[DAY * LANES + i]
        clock[STEP * LANES + i] = (left if control >= left else control) if quiet else step
        remembered = error if error > LEAST_ERROR else LEAST_ERROR
        clock[LAST_ERROR * LANES + i] = remembered if quiet else clock[LAST_ERROR * LANES + i]
        clock[STEPS * LANES + i] += 1.0 if quiet else 0.0


@kernel(borrows=True, inline=True)
def pass_quietly(slots, lanes, most_steps):
    """Accept the step of every quiet lane; ``clock[QUIET]`` says which they are."""
    drugs, products, numbers = lanes.drugs, lanes.products, lanes.numbers
    clock, y = numbers[lanes.at_clock :], numbers[lanes.at_y_new :]
    scratch, par = numbers[lanes.at_scratch :], numbers[lanes.at_par :]
    body, width = count_body(drugs, products), count_lesion(products)
    judge(clock, y[(body - BODY_TAIL + 2) * LANES :], most_steps)
    for d in range(drugs):
        judge_drug(y[DRUG_STATES * d * LANES :], par[(DRUGS + d * DRUG_ROWS) * LANES :], clock)
    for i in range(products):
        judge_product(y[(DRUG_STATES * drugs + PRODUCT_STATES * i) * LANES :], clock)
    count_none(scratch)
    first = first_slot(drugs, products)
    for slot in range(slots):
        place = par[(first + slot * SLOT_ROWS) * LANES :]
        judge_lesion(y[(body + slot * width) * LANES :], place, par, clock, scratch)
    judge_resistance(clock, scratch)
    k, last = numbers[lanes.at_k :], (STAGES - 1) * lanes.states * LANES
    accept(count_states(slots, drugs, products), numbers[lanes.at_y :], y, k, k[last:], clock)
    go_ahead(clock)
