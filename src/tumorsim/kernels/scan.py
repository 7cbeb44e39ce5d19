"""The few bytes of a row with which something is to be done, found sixteen at a time and without a branch."""

from __future__ import annotations

from tumorsim.kernels._jit import SIXTEEN as SIXTEEN
from tumorsim.kernels._jit import kernel, packed


@kernel(borrows=True)
def numbers_of(row, low, high, first, last, found):
    """Which of the bytes of ``row`` from ``first`` to ``last`` (exclusive) lie between ``low`` and ``high``, in order.

    Parameters
    ----------
    row
        uint8.
    low, high
        Both inclusive.
    first, last
        Range.
    found
        int32, filled; longer by `SIXTEEN` than the numbers can be. What follows them may be changed to zero or to
        another number of the range.

    Returns
    -------
    int
        How many there are.
    """
    number, whole = 0, first + (last - first) // SIXTEEN * SIXTEEN
    for at in range(first, whole, SIXTEEN):
        number = packed(row, low, high, at, found, number)
    for at in range(whole, last):
        found[number] = at
        number += int(low <= row[at] <= high)
    return number
