"""Eight numbers side by side: the same bits as NumPy's arrays, which stand for them without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tumorsim.kernels import _eight, _jit
from tumorsim.kernels._eight import (
    every_other,
    from_east,
    from_lane,
    from_west,
    pair_sums,
    put,
    quotient,
    take,
    transposed,
    where_positive,
    zipped,
)

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 5e-324, 1e308, 0.1, 3.0, -1e-300, 7.0, 0.3, 2.0, -9.0]
)
RESULTS = 24


def law(a, b):
    """Of numbers and of eights."""
    return ((2.0 * a + b) * 0.1 - (a - 3.0) * b) / (a * b + 0.5)


def all_of(out, x, first):
    """Everything an eight can do, with the eights of ``x`` from ``first`` on."""
    a, b = take(x, first, 0), take(x, 0, first + 8)
    one, two = zipped(a, b)
    put(out, 0, 0, a + b)
    put(out, 8, 0, a - b)
    put(out, 0, 16, a * b)
    put(out, 0, 24, quotient(a, b))
    put(out, 0, 32, where_positive(a, b, 0.5))
    put(out, 0, 40, every_other(0, a, b))
    put(out, 0, 48, every_other(1, a, b))
    put(out, 0, 56, from_west(a))
    put(out, 0, 64, from_east(a))
    put(out, 0, 72, pair_sums(a, b))
    put(out, 80, 0, one)
    put(out, 80, 8, two)
    put(out, 96, 0, law(a, b))
    for lane in range(3):
        put(out, 168, 8 * lane, from_lane(4 * lane, a, b))
    lines = transposed((a, b, one, two, b, a, two, one))
    for k in range(8):
        put(out, 104, 8 * k, lines[k])


def numbers(out, x, first):
    """The same with NumPy and with numbers alone."""
    a, b = x[first : first + 8], x[first + 8 : first + 16]
    both, even = np.stack([a, b], axis=1).ravel(), np.arange(8) % 2 == 0
    pairs = np.concatenate([a, b]).reshape(8, 2)
    rows = [
        a + b, a - b, a * b, a / b, np.where(a > 0.0, b, 0.5), np.where(even, a, b), np.where(even, b, a),
        [0.0, *a[:7]], [*a[1:], 0.0], pairs[:, 0] + pairs[:, 1], both[:8], both[8:],
        [law(*pair) for pair in zip(a, b, strict=True)],
        np.stack([a, b, both[:8], both[8:], b, a, both[8:], both[:8]]).T.ravel(),
        a, [*b[:4], *a[4:]], b,
    ]  # fmt: skip
    out[:] = np.concatenate(rows)


def bits(work, x, first):
    out = np.full(8 * RESULTS, 1.5)
    with np.errstate(all="ignore"):
        work(out, x, first)
    return np.where(np.isnan(out), np.nan, out).view(np.uint64)  # of no number the sign is open


@pytest.mark.parametrize("seed", range(4))
def test_compiled_and_plain_have_the_bits_of_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    compiled = _in_turn()
    x = np.concatenate([rng.permutation(SPECIAL), rng.standard_normal(9)])
    for first in (0, 3, 9):
        expected = bits(numbers, x, first)
        np.testing.assert_array_equal(bits(compiled, x, first), expected)


def _in_turn():
    """`all_of` compiled, with `law` as a kernel of eights."""
    space = dict(all_of.__globals__) | {"law": _jit.kernel(law, inline=True)}
    work = type(all_of)(all_of.__code__, space, "all_of")
    return _jit.numba.njit(error_model="numpy")(work)


def test_plain_eights_have_the_bits_of_numbers() -> None:
    """What stands for them without the compiler, also where it is on."""
    done = subprocess.run(
        [sys.executable, "-c", "import test_eight as t; t.test_compiled_and_plain_have_the_bits_of_numbers(1)"],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, cwd=Path(__file__).parent, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
@pytest.mark.parametrize("work", ["take(x, 3, 6)", "take(x, -1, 0)", "put(x, 0, 9, take(x, 0, 0))"])
def test_an_eight_that_reaches_beyond_is_told(how: str, work: str, tmp_path: Path) -> None:
    script = (
        "import numpy as np; from numba import njit; from tumorsim.kernels._eight import put, take\n"
        f"@njit\ndef f(x):\n    {work}\n"
        "f(np.ones(16))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {how: "1", "TUMORSIM_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "IndexError" in done.stderr


def test_a_number_and_an_eight_are_told_apart() -> None:
    if _jit.numba.config.DISABLE_JIT:
        pytest.skip("nothing is typed")
    assert str(_eight.EIGHT) == "eight"
    with pytest.raises(_jit.numba.core.errors.TypingError):
        _jit.numba.njit(lambda x: take(x, 0, 0) + 1)(np.ones(8))  # a whole number is none of its kind
