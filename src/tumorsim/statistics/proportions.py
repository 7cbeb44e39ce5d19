"""Proportions with exact intervals, and crude survival as k/n.

Source: Clopper & Pearson 1934 Biometrika 26:404.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from tumorsim.endpoints.survival import EVENT
from tumorsim.statistics.survival import Interval, checked, normal_quantile


@dataclass(frozen=True)
class Proportion:
    """``k`` of ``n`` with the exact interval; None without patients."""

    k: int
    n: int
    value: float | None
    ci: Interval


def proportion(k: int, n: int, level: float = 0.95) -> Proportion:
    """Proportion with the Clopper-Pearson interval, which covers at least ``level``.

    Raises
    ------
    ValueError
        ``k`` outside 0..n.
    """
    from scipy.special import betaincinv

    k, n = int(k), int(n)
    if not 0 <= k <= n:
        raise ValueError(f"k: {k} must lie between 0 and n = {n}")
    normal_quantile(level)
    if n == 0:
        return Proportion(k, n, None, (None, None))
    tail = (1.0 - level) / 2.0
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1.0 - tail)) if k < n else 1.0
    return Proportion(k, n, k / n, (low, high))


def crude_survival(time: ArrayLike, event: ArrayLike, when: float, level: float = 0.95) -> Proportion:
    """Share of all patients in whom no event was seen by ``when``, censored or not.

    What the adjuvant CIK trial prints as its 9-year rates (29/114, 18/112 ...). It
    overstates survival, since a patient lost early counts as event-free to the end;
    use `kaplan_meier` for an estimate.
    """
    times, codes = checked(time, event)
    events = int(((codes == EVENT) & (times <= when)).sum())
    return proportion(codes.size - events, codes.size, level)
