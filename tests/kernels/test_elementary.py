"""Exponential, logarithm and powers of lanes: how exact, where they end, and the same bits however compiled."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal, localcontext

import numba
import numpy as np
import pytest

from tumorsim.kernels import elementary

EPSILON = 2.0**-52
DIGITS = 40
RNG = np.random.default_rng(7)
EXPONENTS = (1.0 / 3.0, 0.5, 1.0, 1.7, 3.0)  # of the library: cube roots, and the hazard by tumour

# the bodies of loops that a compiler may take side by side
LOOPS = numba.njit(error_model="numpy")


@LOOPS
def all_exp(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        out[i] = elementary.exp(x[i])


@LOOPS
def all_log(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        out[i] = elementary.log(x[i])


@LOOPS
def all_power(x, exponent, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        out[i] = elementary.power(x[i], exponent)


@LOOPS
def all_roots(x, root, square):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        root[i], square[i] = elementary.cube_root(x[i]), elementary.two_thirds_power(x[i])


def side_by_side(x: np.ndarray) -> np.ndarray:
    """Exponentials of ``log x``, logarithms, cube roots, their squares, and powers by `EXPONENTS`. Shape (9, n)."""
    found = np.zeros((4 + len(EXPONENTS), x.size))
    all_log(x, found[1])
    all_exp(found[1].copy(), found[0])
    all_roots(x, found[2], found[3])
    for row, exponent in zip(found[4:], EXPONENTS, strict=True):
        all_power(x, exponent, row)
    return found


def one_by_one(x: np.ndarray) -> np.ndarray:
    """The same, a number at a time."""
    logs = [elementary.log(v) for v in x]
    powers = [[elementary.power(v, exponent) for v in x] for exponent in EXPONENTS]
    roots = [[law(v) for v in x] for law in (elementary.cube_root, elementary.two_thirds_power)]
    return np.array([[elementary.exp(v) for v in logs], logs, *roots, *powers])


def sample(n: int) -> np.ndarray:
    """Positive numbers of every size, those around one, and the ends of the reductions."""
    root = math.sqrt(0.5)
    ends = [1.0, root, math.nextafter(root, 0.0), math.nextafter(root, 1.0), math.sqrt(2.0), 2.0**-1022, 1e308]
    rng = np.random.default_rng(3)
    return np.concatenate([np.exp(rng.uniform(-690.0, 690.0, n)), rng.uniform(0.5, 2.0, n), ends])


def in_units_of_the_last_place(found: np.ndarray, exact: list[Decimal]) -> float:
    """Largest difference, relative, in `EPSILON`."""
    with localcontext(prec=DIGITS):
        return max(
            float(abs((Decimal(float(f)) - e) / e)) / EPSILON for f, e in zip(found, exact, strict=True) if e != 0
        )


def exactly(x: np.ndarray, law: Callable[[Decimal], Decimal]) -> list[Decimal]:
    with localcontext(prec=DIGITS):
        return [law(Decimal(float(v))) for v in x]


def test_exponentials_are_exact_to_the_last_place() -> None:
    x = np.concatenate([RNG.uniform(-708.0, 708.0, 1500), RNG.uniform(-1.0, 1.0, 1500), [-708.0, 708.0, 0.0, 1e-300]])
    found = np.zeros(x.size)
    all_exp(x, found)
    worst = in_units_of_the_last_place(found, exactly(x, Decimal.exp))
    print(f"\nexp: {worst:.2f} of 2**-52")
    assert worst < 1.0
    assert found[-2] == 1.0


def test_logarithms_are_exact_to_two_places() -> None:
    x = sample(1500)
    found = np.zeros(x.size)
    all_log(x, found)
    worst = in_units_of_the_last_place(found, exactly(x, Decimal.ln))
    print(f"\nlog: {worst:.2f} of 2**-52")
    assert worst < 2.0
    assert found[x == 1.0] == 0.0


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_are_as_exact_as_the_logarithm_allows(exponent: float) -> None:
    """An error of the exponent is one of the power: it grows with the logarithm of the result."""
    x = np.exp(RNG.uniform(-30.0, 30.0, 2000) / max(exponent, 1.0))
    found = np.zeros(x.size)
    all_power(x, exponent, found)
    worst = in_units_of_the_last_place(found, exactly(x, lambda v: (Decimal(exponent) * v.ln()).exp()))
    print(f"\npower {exponent:.3g}: {worst:.2f} of 2**-52")
    # the exponent of e is below 2**5: rounding it costs up to 8, and the logarithm about as much
    assert worst < 16.0


def test_cube_roots_are_exact_to_a_few_places() -> None:
    x = sample(1500)
    root, square = np.zeros((2, x.size))
    all_roots(x, root, square)
    third = [in_units_of_the_last_place(found, exactly(x, lambda v, p=power: (p * v.ln() / 3).exp()))
             for found, power in ((root, 1), (square, 2))]  # fmt: skip
    print(f"\ncube root: {third[0]:.2f}, its square: {third[1]:.2f} of 2**-52")
    assert max(third) < 4.0


@pytest.mark.parametrize("law", [elementary.cube_root, elementary.two_thirds_power])
def test_cube_roots_of_nothing_and_of_less(law: Callable[[float], float]) -> None:
    assert law(0.0) == law(-0.0) == 0.0
    for bad in (-1.0, -5e-324, -math.inf, math.nan):
        assert math.isnan(law(bad))


def test_beyond_its_range_the_exponential_is_that_of_its_end() -> None:
    low, high = elementary.exp(-708.0), elementary.exp(708.0)
    assert (low, high) == pytest.approx((math.exp(-708.0), math.exp(708.0)), rel=1e-15)
    for beyond in (709.0, 1e300, math.inf):
        assert elementary.exp(beyond) == high
        assert elementary.exp(-beyond) == low
    assert low >= sys.float_info.min


def test_it_rises_across_the_joints_of_the_reduction() -> None:
    """Where the whole part of ``x / ln 2`` changes, nothing falls."""
    joints = (np.arange(-40, 40) + 0.5) * math.log(2.0)
    x = np.sort(np.concatenate([joints + step * 1e-13 for step in range(-4, 5)]))
    found = np.zeros(x.size)
    all_exp(x, found)
    assert (np.diff(found) > 0.0).all()


def test_what_is_not_a_number_stays_so() -> None:
    assert math.isnan(elementary.exp(math.nan))
    assert math.isnan(elementary.power(math.nan, 0.5))


def test_powers_of_nothing_and_of_less() -> None:
    for exponent in EXPONENTS:
        assert elementary.power(0.0, exponent) == 0.0
        assert elementary.power(-0.0, exponent) == 0.0
        for negative in (-1.0, -5e-324, -math.inf):
            assert math.isnan(elementary.power(negative, exponent))
        assert elementary.power(1.0, exponent) == 1.0
        assert elementary.power(sys.float_info.min, exponent) >= 0.0
    assert elementary.power(2.0, 0.0) == 1.0


def test_a_number_alone_has_the_bits_of_one_in_a_row() -> None:
    """Rows of every length: the compiler takes what is left over at their end by another loop."""
    x = sample(50)
    together = side_by_side(x)
    assert one_by_one(x).tobytes() == together.tobytes()
    for n in (1, 3, 8, 15, 16, 17):
        assert side_by_side(x[:n].copy()).tobytes() == together[:, :n].tobytes()


def test_plain_python_has_the_same_bits() -> None:
    x = sample(50)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; from {__name__.rpartition('.')[2]} import *; "
         "print(side_by_side(sample(50)).tobytes().hex())"],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == side_by_side(x).tobytes().hex()
