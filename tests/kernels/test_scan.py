"""Bytes found sixteen at a time: those that NumPy finds, in order, and nothing is written beyond the room."""

from __future__ import annotations

import numpy as np
import pytest

from tumorsim.kernels import _jit, scan

UNTOUCHED = 77


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize(("low", "high"), [(1, 1), (0, 0), (1, 255), (3, 200), (255, 255), (2, 1)])
def test_the_numbers_found_are_those_of_numpy(share: float, low: int, high: int) -> None:
    rng = np.random.default_rng(4)
    for size in (0, 1, 15, 16, 17, 31, 64, 200):
        row = (rng.integers(0, 256, size) * (rng.random(size) < share)).astype(np.uint8)
        row[rng.random(size) < share / 2] = high
        for first in (0, 3, size // 2):
            expected = first + np.flatnonzero((row[first:] >= low) & (row[first:] <= high))
            found = np.full(expected.size + scan.SIXTEEN + 5, UNTOUCHED, np.int32)
            number = scan.numbers_of(row, low, high, min(first, size), size, found)
            assert list(found[:number]) == list(expected)
            assert (found[number + scan.SIXTEEN :] == UNTOUCHED).all()
            after = found[number : number + scan.SIXTEEN]
            assert (((after >= 0) & (after < max(size, 1))) | (after == UNTOUCHED)).all()


def test_the_plain_code_packs_the_same() -> None:
    """What runs without compilation, and where the compiler has no such instruction."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        row, found = rng.integers(0, 4, 16).astype(np.uint8), np.zeros(40, np.int32)
        number = _jit.packed_one_by_one(row, 1, 2, 0, found, 3)
        assert list(found[3:number]) == list(np.flatnonzero((row == 1) | (row == 2)))
