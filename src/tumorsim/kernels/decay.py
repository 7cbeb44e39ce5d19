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

# Rows of the work array. The first seven are slopes; of compartments, what is left of the slopes of the modes.
STAGES = 7
RATE = STAGES  # decay of each mode, 1/day; negative where a state is carried in the plain way
START, NOW = STAGES + 1, STAGES + 2  # modes at the start of the step, and at the stage in hand
MOST = 4  # compartments of one substance
TO_MODES, FROM_MODES = STAGES + 3, STAGES + 3 + MOST  # matrices, a row each
ROWS = STAGES + 3 + 2 * MOST

SWEEPS = 8  # of Jacobi's rotations, which converge in four
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
    mixed = k[FROM_MODES + p, at + q]
    if mixed == 0.0:
        return
    ratio = (k[FROM_MODES + q, at + q] - k[FROM_MODES + p, at + p]) / (2.0 * mixed)
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
def phi_functions(w):
    """``exp(w)`` for ``w <= 0``, and the integrals over s in (0, 1) of exp(w*(1 - s)) * s**j / j! for j = 0 to 4."""
    if w > -SERIES:
        p5 = 1 / 120 + w * (1 / 720 + w * (1 / 5040 + w * (1 / 40320 + w * (1 / 362880 + w * (1 / 3628800)))))
        p4 = w * p5 + 1.0 / 24.0
        p3 = w * p4 + 1.0 / 6.0
        p2 = w * p3 + 0.5
        p1 = w * p2 + 1.0
        return w * p1 + 1.0, p1, p2, p3, p4, p5
    left, scale = math.exp(w), 1.0 / w
    p1 = (left - 1.0) * scale
    p2 = (p1 - 1.0) * scale
    p3 = (p2 - 0.5) * scale
    p4 = (p3 - 1.0 / 6.0) * scale
    return left, p1, p2, p3, p4, (p4 - 1.0 / 24.0) * scale


@kernel(borrows=True, inline=True)
def mode_at_stage(stage, share, h, k, i):
    """Mode ``i`` at an inner stage, which stands at ``share`` of the step.

    The weights integrate parabolas exactly (stage 2 straight lines, stage 1 constants) and tend to the tableau.
    """
    left, p1, p2, p3, _p4, _p5 = phi_functions(-k[RATE, i] * h * share)
    m0, m1, m2 = share * p1, share * share * p2, 2.0 * share * share * share * p3
    start = left * k[START, i]
    if stage == 1:
        return start + h * m0 * k[0, i]
    if stage == 2:
        a2 = 5.0 * m1
        return start + h * ((m0 - a2) * k[0, i] + a2 * k[1, i])
    if stage == 3:
        a3 = 100 / 3 * m2 - 20 / 3 * m1
        a2 = 5.0 * m1 - 1.5 * a3
        return start + h * ((m0 - a2 - a3) * k[0, i] + a2 * k[1, i] + a3 * k[2, i])
    # what parabolas leave open: the weights of the second and the fifth stage, which fall off with the rate such
    # that the errors of the second still cancel in the solution to fifth order
    a2 = (13.932 * p3 - 2.644 * p2) * (A52 if stage == 4 else A62)
    a5 = p1 * A65 if stage == 5 else 0.0
    m1 -= 0.2 * a2 + 8.0 / 9.0 * a5
    m2 -= 0.04 * a2 + 64.0 / 81.0 * a5
    a4 = 2.5 * m2 - 0.75 * m1
    a3 = 10 / 3 * m1 - 8 / 3 * a4
    slope = (m0 - a2 - a3 - a4 - a5) * k[0, i] + a2 * k[1, i] + a3 * k[2, i] + a4 * k[3, i]
    return start + h * (slope + a5 * k[4, i] if stage == 5 else slope)


@kernel(borrows=True, inline=True)
def mode_inside(share, h, k, i):
    """Mode ``i`` at ``share`` of a step whose stages are known: exact where what is left over is of fourth degree."""
    left, p1, p2, p3, p4, p5 = phi_functions(-k[RATE, i] * h * share)
    square = share * share
    m0, m1, m2 = share * p1, square * p2, 2.0 * square * share * p3
    m3, m4 = 6.0 * square * square * p4, 24.0 * square * square * share * p5
    # Lagrange's polynomials through the nodes 0, 3/10, 4/5, 8/9 and 1
    b1 = m0 - 161 / 24 * m1 + 481 / 32 * m2 - 1345 / 96 * m3 + 75 / 16 * m4
    b3 = 12800 / 1113 * m1 - 14400 / 371 * m2 + 48400 / 1113 * m3 - 6000 / 371 * m4
    b4 = -75 / 2 * m1 + 3275 / 16 * m2 - 4925 / 16 * m3 + 1125 / 8 * m4
    b5 = 19683 / 424 * m1 - 439587 / 1696 * m2 + 688905 / 1696 * m3 - 164025 / 848 * m4
    b6 = -96 / 7 * m1 + 548 / 7 * m2 - 895 / 7 * m3 + 450 / 7 * m4
    slope = b1 * k[0, i] + b3 * k[2, i] + b4 * k[3, i] + b5 * k[4, i] + b6 * k[5, i]
    return left * k[START, i] + h * slope


@kernel(borrows=True)
def mode_error(h, k, i):
    """Embedded estimate of the error of mode ``i``: of its slope, as far as it outlives the step."""
    error = 71.0 / 57600.0 * k[0, i] - 71.0 / 16695.0 * k[2, i] + 71.0 / 1920.0 * k[3, i]
    error = error - 17253.0 / 339200.0 * k[4, i] + 22.0 / 525.0 * k[5, i] - 1.0 / 40.0 * k[6, i]
    return CAUTION * phi_functions(-k[RATE, i] * h)[1] * h * error


@kernel(borrows=True, inline=True)
def into_modes(state, at, width, k, row):
    """Write the modes of compartments into a row of the work array."""
    for i in range(width):
        total = 0.0
        for j in range(width):
            total += k[TO_MODES + i, at + j] * state[at + j]
        k[row, at + i] = total


@kernel(borrows=True, inline=True)
def out_of_modes(state, at, width, k):
    """Write the compartments whose modes are those in hand."""
    for i in range(width):
        total = 0.0
        for j in range(width):
            total += k[FROM_MODES + i, at + j] * k[NOW, at + j]
        state[at + i] = total


@kernel(borrows=True, inline=True)
def carry_modes(stage, share, h, y, y_new, at, width, k):
    """Compartments at a stage, by way of their modes."""
    if stage == 1:
        into_modes(y, at, width, k, START)
    for i in range(at, at + width):
        k[NOW, i] = mode_at_stage(stage, share, h, k, i) if stage < STAGES - 1 else mode_inside(1.0, h, k, i)
    out_of_modes(y_new, at, width, k)


@kernel(borrows=True, inline=True)
def leave_over(stage, at, width, k):
    """Of the slopes of compartments at a stage keep what the decay of their modes, which are in hand, leaves over."""
    slopes = k[stage]
    first, second = slopes[at], slopes[at + 1]
    third, fourth = (slopes[at + 2], slopes[at + 3]) if width == MOST else (0.0, 0.0)
    for i in range(width):
        to = k[TO_MODES + i]
        total = to[at] * first + to[at + 1] * second
        if width == MOST:
            total += to[at + 2] * third + to[at + 3] * fourth
        slopes[at + i] = total + k[RATE, at + i] * k[NOW, at + i]
