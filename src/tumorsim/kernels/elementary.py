"""Exponential, logarithm and powers that a compiler can work out for several patients at once (docs/numerics/lanes.md).

The compiler takes a loop over patients side by side only if nothing in it is called. The functions here are made of
sums, products and the bits of a number, without fused operations, so that their bits are the same in a loop and alone.
Source of the reductions: Muller 2016, Elementary Functions, 3rd ed., chapter 11.
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels._jit import as_bits, as_double, kernel

LARGEST_EXPONENT = 708.0  # exp of more is not a double; of less than its negative, not a normal one
TO_WHOLE = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest whole number in the low bits
LOG2_E = 1.4426950408889634
LN2_UPPER, LN2_LOWER = 0.6931471803691238, 1.9082149292705877e-10  # of ln 2, the first with 21 zeros at its end
EXPONENT_BITS = 52
THIRD = 1.0 / 3.0
ROOT_GUESS = np.int64(0x553EF0FF289DD794)  # bits of a number from which a third of the bits of x guesses its root
ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # bits of sqrt(1/2)


@kernel(inline=True)
def exp(x):
    """``e**x``; beyond 708 either way that of 708."""
    x = LARGEST_EXPONENT if x > LARGEST_EXPONENT else x
    x = -LARGEST_EXPONENT if x < -LARGEST_EXPONENT else x
    shifted = x * LOG2_E + TO_WHOLE
    n = shifted - TO_WHOLE
    r = (x - n * LN2_UPPER) - n * LN2_LOWER
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r * r + r + 1.0
    return as_double(as_bits(p) + (as_bits(shifted) << EXPONENT_BITS))


@kernel(inline=True)
def log(x):
    """Natural logarithm of a positive normal number."""
    bits = as_bits(x)
    exponent = (bits - ROOT_HALF) >> EXPONENT_BITS
    m = as_double(bits - (exponent << EXPONENT_BITS))
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    p = 1.0 / 21.0
    p = p * q + 1.0 / 19.0
    p = p * q + 1.0 / 17.0
    p = p * q + 1.0 / 15.0
    p = p * q + 1.0 / 13.0
    p = p * q + 1.0 / 11.0
    p = p * q + 1.0 / 9.0
    p = p * q + 1.0 / 7.0
    p = p * q + 1.0 / 5.0
    p = p * q + 1.0 / 3.0
    p = p * q
    return float(exponent) * LN2_UPPER + (2.0 * s * p + float(exponent) * LN2_LOWER + 2.0 * s)


@kernel(inline=True)
def inverse_cube_root(x):
    """``x**(-1/3)`` of a positive normal number: a guess from its bits, then Newton's steps of higher order."""
    r = as_double(ROOT_GUESS - np.int64(float(as_bits(x)) * THIRD))
    e = 1.0 - x * r * r * r
    r = r + r * e * (THIRD + e * (2.0 / 9.0 + e * (14.0 / 81.0)))
    e = 1.0 - x * r * r * r
    r = r + r * e * (THIRD + e * (2.0 / 9.0 + e * (14.0 / 81.0)))
    e = 1.0 - x * r * r * r
    return r + r * e * THIRD


@kernel(inline=True)
def cube_root(x):
    """Cube root of ``x`` not below zero, NaN below it."""
    r = inverse_cube_root(x if x > 0.0 else 1.0)
    found = x * r * r if x > 0.0 else 0.0
    return found if x >= 0.0 else math.nan


@kernel(inline=True)
def two_thirds_power(x):
    """``x**(2/3)`` of ``x`` not below zero, NaN below it."""
    r = inverse_cube_root(x if x > 0.0 else 1.0)
    found = x * r if x > 0.0 else 0.0
    return found if x >= 0.0 else math.nan


@kernel(inline=True)
def power(x, exponent):
    """``x**exponent`` for ``x`` not below zero, NaN below it."""
    found = exp(exponent * log(x if x > 0.0 else 1.0))
    found = found if x > 0.0 else 0.0
    return found if x >= 0.0 else math.nan
