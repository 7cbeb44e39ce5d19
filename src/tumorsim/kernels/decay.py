"""Compartments of the body, carried through a step by their exponentials (docs/numerics/integrator.md).

A drug and a product of cells move between compartments at constant rates, quicker than anything else. In the
coordinates in which those rates do not mix, the modes, each has ``z' = -rate*z + g`` and is ``exp(-rate*h)*z`` plus
the integral of ``g`` against the same exponential. What the rates leave over, ``g``, is small and slow: a clearance
that rises, a lesion that takes up more or less than when the modes were found. It is taken through the stages of the
integrator, and any modes are right; good ones leave little over. At a rate of zero every weight tends to that of
Dormand & Prince. Source of the idea: Hochbruck & Ostermann 2010, "Exponential integrators", Acta Numerica 19:209.
"""

from __future__ import annotations

import math

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.elementary import exp
from tumorsim.kernels.lanes import STEP
from tumorsim.kernels.layout import LANES

# Rows of the work array. The first seven are slopes; of compartments, what is left of the slopes of the modes.
STAGES = 7
RATE = STAGES  # decay of each mode, 1/day; negative where a state is carried in the plain way
START, NOW = STAGES + 1, STAGES + 2  # modes at the start of the step, and at the stage in hand
MOST = 4  # compartments of one substance
TO_MODES, FROM_MODES = STAGES + 3, STAGES + 3 + MOST  # matrices, a row each
LEFT = STAGES + 3 + 2 * MOST  # what is left of each mode at the five nodes after the start
PER = LEFT + 5  # one over the exponent of the whole step
ROWS = PER + 1
SPARE_ROWS = MOST  # of Lanes.scratch

SWEEPS = 8  # of Jacobi's rotations, which converge in four
NOTHING = 1e-17  # share of two rates below which what is left of their exchange is rounding
APART = 0.05  # two rates closer than this share of their sum are not told apart
CAUTION = 300.0  # the fifth order of the plain states lies as far below their estimate; that of the modes does not
SERIES = 0.1  # exponent below which a series is more exact than differences of exponentials
A52, A62, A65 = -25360 / 2187, -355 / 33, -5103 / 18656  # Dormand & Prince


@kernel(borrows=True)
def isolate(at, width, k):
    """Compartments that exchange nothing yet; `lose` and `exchange` say what they do, `find_modes` ends it."""
    for i in range(width):
        for j in range(width):
            k[TO_MODES + i, at + j] = 1.0 if i == j else 0.0
            k[FROM_MODES + i, at + j] = 0.0
        k[NOW, at + i] = 1.0  # scale in which the exchange is symmetric


@kernel(borrows=True)
def exchange(at, outer, out, back, k):
    """The first compartment and an outer one exchange at two rates, 1/day; not if one of them is zero."""
    if out > 0.0 and back > 0.0:
        k[FROM_MODES, at + outer] = k[FROM_MODES + outer, at] = math.sqrt(out * back)
        k[NOW, at + outer] = math.sqrt(out / back)


@kernel(borrows=True)
def rotate(p, q, at, width, k):
    """One rotation of Jacobi's: a matrix without the exchange of two compartments (Golub & Van Loan, section 8.5)."""
    mixed, one, other = k[FROM_MODES + p, at + q], k[FROM_MODES + p, at + p], k[FROM_MODES + q, at + q]
    if abs(mixed) <= NOTHING * (abs(one) + abs(other)):
        return
    ratio = (other - one) / (2.0 * mixed)
    tangent = (1.0 if ratio >= 0.0 else -1.0) / (abs(ratio) + math.sqrt(ratio * ratio + 1.0))
    cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
    sine = tangent * cosine
    for i in range(width):
        a, b = k[FROM_MODES + i, at + p], k[FROM_MODES + i, at + q]
        k[FROM_MODES + i, at + p], k[FROM_MODES + i, at + q] = cosine * a - sine * b, sine * a + cosine * b
    for i in range(width):
        a, b = k[FROM_MODES + p, at + i], k[FROM_MODES + q, at + i]
        k[FROM_MODES + p, at + i], k[FROM_MODES + q, at + i] = cosine * a - sine * b, sine * a + cosine * b
        a, b = k[TO_MODES + p, at + i], k[TO_MODES + q, at + i]
        k[TO_MODES + p, at + i], k[TO_MODES + q, at + i] = cosine * a - sine * b, sine * a + cosine * b
    k[FROM_MODES + p, at + q] = k[FROM_MODES + q, at + p] = 0.0


@kernel(borrows=True)
def find_modes(at, width, k):
    """Modes of compartments around a first one: their rates, and the matrices to and from them."""
    for _ in range(SWEEPS):
        for p in range(width):
            for q in range(p + 1, width):
                rotate(p, q, at, width, k)
    for i in range(width):
        k[RATE, at + i] = max(0.0, -k[FROM_MODES + i, at + i])
    for i in range(width):
        for j in range(width):
            scale = k[NOW, at + j]
            k[FROM_MODES + j, at + i] = scale * k[TO_MODES + i, at + j]
            k[TO_MODES + i, at + j] /= scale


@kernel(borrows=True)
def feed(at, source, release, width, k):
    """A compartment that only empties into the first, at a rate of ``release``, becomes part of all modes."""
    leaving = k[RATE, at + source]
    for mode in range(width):
        gap = k[RATE, at + mode] - leaving
        if mode != source and abs(gap) > APART * (k[RATE, at + mode] + leaving):
            share = k[TO_MODES + mode, at] * release / gap
            k[TO_MODES + mode, at + source] = -share
            for i in range(width):
                if i != source:
                    k[FROM_MODES + i, at + source] += k[FROM_MODES + i, at + mode] * share


@kernel(inline=True)
def phi_functions(w, left, scale):
    """``exp(w)`` for ``w <= 0``, and the integrals over s in (0, 1) of exp(w*(1 - s)) * s**j / j! for j = 0 to 4.

    ``left`` is ``exp(w)`` and ``scale`` is ``1/w``; neither matters where a series takes their place.
    """
    near = w > -SERIES
    v = w if near else 0.0
    q5 = 1 / 120 + v * (1 / 720 + v * (1 / 5040 + v * (1 / 40320 + v * (1 / 362880 + v * (1 / 3628800)))))
    q4 = v * q5 + 1.0 / 24.0
    q3 = v * q4 + 1.0 / 6.0
    q2 = v * q3 + 0.5
    q1 = v * q2 + 1.0
    p1 = (left - 1.0) * scale
    p2 = (p1 - 1.0) * scale
    p3 = (p2 - 0.5) * scale
    p4 = (p3 - 1.0 / 6.0) * scale
    p5 = (p4 - 1.0 / 24.0) * scale
    return (
        v * q1 + 1.0 if near else left,
        q1 if near else p1,
        q2 if near else p2,
        q3 if near else p3,
        q4 if near else p4,
        q5 if near else p5,
    )


@kernel(inline=True)
def moments(x, share, left, per):
    """What is left of a mode at ``share`` of a step, and the integrals of its decay against 1, s and s squared.

    ``x`` is the exponent of the whole step, ``per`` one over it.
    """
    left, p1, p2, p3, _p4, _p5 = phi_functions(x * share, left, per * (1.0 / share))
    return left, share * p1, share * share * p2, 2.0 * share * share * share * p3, p2, p3


@kernel(borrows=True, apart=True, inline=True)
def fall(rate, step, at_second, at_third, at_fourth, at_fifth, at_end, per, count):
    """Phase: what is left of one mode at the nodes of a step: all but one are powers of the same exponential."""
    for i in range(count):
        x = -rate[i] * step[i]
        x = x if x < 0.0 else 0.0  # a state that is carried in the plain way
        tenth = exp(0.1 * x)
        square = tenth * tenth
        fourth = square * square
        eighth = fourth * fourth
        at_second[i], at_third[i], at_fourth[i] = square, square * tenth, eighth
        at_fifth[i], at_end[i] = exp(8.0 / 9.0 * x), eighth * square
        per[i] = 1.0 / (x if x < -SERIES else -1.0)


@kernel(borrows=True, inline=True)
def fall_of_modes(width, k, cell, clock, count):
    """Phase: what is left of the modes of compartments at the nodes of a step."""
    for i in range(width):
        at = k[i * LANES :]
        rows = at[LEFT * cell :]
        fall(
            at[RATE * cell :], clock[STEP * LANES :], rows, rows[cell:], rows[2 * cell :], rows[3 * cell :],
            rows[4 * cell :], at[PER * cell :], count,
        )  # fmt: skip


@kernel(borrows=True, apart=True, inline=True)
def fall_to(share, rate, step, left, count):
    """What is left of one mode at ``share`` of a step."""
    for i in range(count):
        left[i] = exp(-rate[i] * step[i] * share)


@kernel(borrows=True, apart=True, inline=True)
def mode_at_stage(stage, share, now, start, rate, step, fallen, per, k1, k2, k3, k4, k5, count):
    """One mode at an inner stage, which stands at ``share`` of the step, in every lane. ``fallen`` is left of it.

    The weights integrate parabolas exactly (stage 2 straight lines, stage 1 constants) and tend to the tableau.
    """
    if stage == 1:
        for i in range(count):
            left, m0, _m1, _m2, _p2, _p3 = moments(-rate[i] * step[i], share, fallen[i], per[i])
            now[i] = left * start[i] + step[i] * m0 * k1[i]
    elif stage == 2:
        for i in range(count):
            left, m0, m1, _m2, _p2, _p3 = moments(-rate[i] * step[i], share, fallen[i], per[i])
            a2 = 5.0 * m1
            now[i] = left * start[i] + step[i] * ((m0 - a2) * k1[i] + a2 * k2[i])
    elif stage == 3:
        for i in range(count):
            left, m0, m1, m2, _p2, _p3 = moments(-rate[i] * step[i], share, fallen[i], per[i])
            a3 = 100 / 3 * m2 - 20 / 3 * m1
            a2 = 5.0 * m1 - 1.5 * a3
            now[i] = left * start[i] + step[i] * ((m0 - a2 - a3) * k1[i] + a2 * k2[i] + a3 * k3[i])
    else:
        # what parabolas leave open: the weights of the second and the fifth stage, which fall off with the rate such
        # that the errors of the second still cancel in the solution to fifth order
        second, fifth = (A52, 0.0) if stage == 4 else (A62, A65)
        for i in range(count):
            left, m0, m1, m2, p2, p3 = moments(-rate[i] * step[i], share, fallen[i], per[i])
            a2 = (13.932 * p3 - 2.644 * p2) * second
            a5 = m0 * fifth  # the fifth stands at the end of the step
            m1 = m1 - 0.2 * a2 - 8.0 / 9.0 * a5
            m2 = m2 - 0.04 * a2 - 64.0 / 81.0 * a5
            a4 = 2.5 * m2 - 0.75 * m1
            a3 = 10 / 3 * m1 - 8 / 3 * a4
            slope = (m0 - a2 - a3 - a4 - a5) * k1[i] + a2 * k2[i] + a3 * k3[i] + a4 * k4[i]
            now[i] = left * start[i] + step[i] * (slope + a5 * k5[i])


@kernel(borrows=True, apart=True, inline=True)
def mode_inside(share, now, start, rate, step, fallen, per, k1, k3, k4, k5, k6, count):
    """One mode at ``share`` of a step whose stages are known: exact where what is left over is of fourth degree."""
    square = share * share
    for i in range(count):
        x = -rate[i] * step[i]
        left, p1, p2, p3, p4, p5 = phi_functions(x * share, fallen[i], per[i] * (1.0 / share))
        m0, m1, m2 = share * p1, square * p2, 2.0 * square * share * p3
        m3, m4 = 6.0 * square * square * p4, 24.0 * square * square * share * p5
        # Lagrange's polynomials through the nodes 0, 3/10, 4/5, 8/9 and 1
        b1 = m0 - 161 / 24 * m1 + 481 / 32 * m2 - 1345 / 96 * m3 + 75 / 16 * m4
        b3 = 12800 / 1113 * m1 - 14400 / 371 * m2 + 48400 / 1113 * m3 - 6000 / 371 * m4
        b4 = -75 / 2 * m1 + 3275 / 16 * m2 - 4925 / 16 * m3 + 1125 / 8 * m4
        b5 = 19683 / 424 * m1 - 439587 / 1696 * m2 + 688905 / 1696 * m3 - 164025 / 848 * m4
        b6 = -96 / 7 * m1 + 548 / 7 * m2 - 895 / 7 * m3 + 450 / 7 * m4
        slope = b1 * k1[i] + b3 * k3[i] + b4 * k4[i] + b5 * k5[i] + b6 * k6[i]
        now[i] = left * start[i] + step[i] * slope


@kernel(borrows=True, apart=True, inline=True)
def mode_error(now, rate, step, fallen, per, k1, k3, k4, k5, k6, k7, count):
    """Embedded estimate of the error of one mode: of its slope, as far as it outlives the step."""
    for i in range(count):
        error = 71.0 / 57600.0 * k1[i] - 71.0 / 16695.0 * k3[i] + 71.0 / 1920.0 * k4[i]
        error = error - 17253.0 / 339200.0 * k5[i] + 22.0 / 525.0 * k6[i] - 1.0 / 40.0 * k7[i]
        now[i] = CAUTION * phi_functions(-rate[i] * step[i], fallen[i], per[i])[1] * step[i] * error


@kernel(borrows=True, apart=True, inline=True)
def add_two(out, a, b, u, v, count):
    """``out = a*u + b*v`` in every lane."""
    for i in range(count):
        out[i] = a[i] * u[i] + b[i] * v[i]


@kernel(borrows=True, apart=True, inline=True)
def add_four(out, a, b, c, d, of, count):
    """``out = a*x + b*y + c*z + d*w`` in every lane, of four rows that follow one another."""
    for i in range(count):
        out[i] = a[i] * of[i] + b[i] * of[LANES + i] + c[i] * of[2 * LANES + i] + d[i] * of[3 * LANES + i]


@kernel(borrows=True, inline=True)
def multiply(out, matrix, of, width, k, cell, count):
    """``out``, rows that follow one another, is a matrix of `find_modes` times the rows ``of``, in every lane.

    ``k`` begins with the first compartment, and ``cell`` is how far its rows lie apart.
    """
    for i in range(width):
        row = k[(matrix + i) * cell :]
        if width == MOST:
            add_four(out[i * LANES :], row, row[LANES:], row[2 * LANES :], row[3 * LANES :], of, count)
        else:
            add_two(out[i * LANES :], row, row[LANES:], of, of[LANES:], count)


@kernel(borrows=True, inline=True)
def into_modes(state, width, k, cell, row, count):
    """Write the modes of compartments, whose first is the first of ``state`` and ``k``, into a row of ``k``."""
    multiply(k[row * cell :], TO_MODES, state, width, k, cell, count)


@kernel(borrows=True, apart=True, inline=True)
def choose(state, other, rate, width, count):
    """Take over compartments that have modes; the others are carried in the plain way."""
    for one in range(width):
        row, found = state[one * LANES :], other[one * LANES :]
        for i in range(count):
            plain, by_modes = row[i], found[i]
            row[i] = by_modes if rate[i] >= 0.0 else plain


@kernel(borrows=True, inline=True)
def out_of_modes(state, width, k, cell, spare, count):
    """Write the compartments whose modes are those in hand; not where there are none. Overwrites ``spare``."""
    multiply(spare, FROM_MODES, k[NOW * cell :], width, k, cell, count)
    choose(state, spare, k[RATE * cell :], width, count)


@kernel(borrows=True, inline=True)
def some_modes(k, cell, count):
    """Whether compartments have modes in any lane."""
    some = False
    for i in range(count):
        some = some or k[RATE * cell + i] >= 0.0
    return some


@kernel(borrows=True, inline=True)
def carry_modes(stage, share, state, width, k, cell, clock, spare, count):
    """Compartments at a stage, or inside a step that is known (stage 6), by way of their modes."""
    step = clock[STEP * LANES :]
    for i in range(width):
        at = k[i * LANES :]
        now, start, rate, per = at[NOW * cell :], at[START * cell :], at[RATE * cell :], at[PER * cell :]
        if stage < STAGES - 1:
            fallen = at[(LEFT + stage - 1) * cell :]
            fifth = at[4 * cell :] if stage == 5 else at  # not yet known before, and not used
            mode_at_stage(
                stage, share, now, start, rate, step, fallen, per, at, at[cell:], at[2 * cell :], at[3 * cell :],
                fifth, count,
            )  # fmt: skip
        else:
            fallen = at[(LEFT + 4) * cell :]
            if share < 1.0:
                fall_to(share, rate, step, fallen, count)
            mode_inside(
                share, now, start, rate, step, fallen, per, at, at[2 * cell :], at[3 * cell :], at[4 * cell :],
                at[5 * cell :], count,
            )  # fmt: skip
    out_of_modes(state, width, k, cell, spare, count)


@kernel(borrows=True, apart=True, inline=True)
def leave_over(stage, width, k, cell, spare, count):
    """Of the slopes of compartments at a stage keep what the decay of their modes, which are in hand, leaves over."""
    dy, rate, now = k[stage * cell :], k[RATE * cell :], k[NOW * cell :]
    multiply(spare, TO_MODES, dy, width, k, cell, count)
    for one in range(width):
        slope, found, falls, mode = dy[one * LANES :], spare[one * LANES :], rate[one * LANES :], now[one * LANES :]
        for i in range(count):
            plain, left = slope[i], found[i] + falls[i] * mode[i]
            slope[i] = left if rate[i] >= 0.0 else plain


@kernel(borrows=True, inline=True)
def errors_of_modes(error, width, k, cell, clock, spare, count):
    """Errors of compartments from those of their modes."""
    for i in range(width):
        at = k[i * LANES :]
        mode_error(
            at[NOW * cell :], at[RATE * cell :], clock[STEP * LANES :], at[(LEFT + 4) * cell :], at[PER * cell :], at,
            at[2 * cell :], at[3 * cell :], at[4 * cell :], at[5 * cell :], at[6 * cell :], count,
        )  # fmt: skip
    out_of_modes(error, width, k, cell, spare, count)
