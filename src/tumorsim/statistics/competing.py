"""Cumulative incidence with competing events (Aalen-Johansen).

Sources: Aalen & Johansen 1978 Scand J Stat 5:141; variance by the delta method,
Marubini & Valsecchi 1995, "Analysing Survival Data", section 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tumorsim.endpoints.survival import EVENT, FloatArray
from tumorsim.statistics.survival import Interval, checked, known, normal_quantile


@dataclass(frozen=True)
class CumulativeIncidence:
    """Probability of the event of interest by a time, competing events permitting.

    Attributes
    ----------
    times
        Distinct times with any event, ascending. Shape (k,).
    incidence, variance
        Just after each time. Shape (k,).
    event_free
        Probability of neither event just after each time. Shape (k,).
    last
        Last time under observation.
    """

    times: FloatArray
    incidence: FloatArray
    variance: FloatArray
    event_free: FloatArray
    last: float

    def at(self, when: float) -> float | None:
        """Incidence by a time; None beyond the last observation while some are event-free."""
        place = int(np.searchsorted(self.times, when, side="right")) - 1
        free = float(self.event_free[place]) if place >= 0 else 1.0
        if when > self.last and free > 0.0:
            return None
        return float(self.incidence[place]) if place >= 0 else 0.0

    def interval(self, when: float, level: float = 0.95) -> Interval:
        """Interval on the scale of log(-log(incidence)); None where there is none."""
        value = self.at(when)
        if value is None or not 0.0 < value < 1.0:
            return None, None
        place = int(np.searchsorted(self.times, when, side="right")) - 1
        spread = normal_quantile(level) * np.sqrt(self.variance[place]) / (value * abs(np.log(value)))
        return known(value ** np.exp(spread)), known(value ** np.exp(-spread))


def cumulative_incidence(time: ArrayLike, event: ArrayLike) -> CumulativeIncidence:
    """Aalen-Johansen estimate of the cumulative incidence of code 1 beside code 2.

    One minus Kaplan-Meier with the competing events censored would answer another
    question (a world without them) and is never smaller.
    """
    times, codes = checked(time, event)
    observed = np.sort(times)
    distinct = np.unique(times[codes > 0])
    r = (observed.size - np.searchsorted(observed, distinct, side="left")).astype(float)
    ends = np.searchsorted(distinct, times[codes > 0])
    d = np.bincount(ends, minlength=distinct.size).astype(float)
    of_interest = np.searchsorted(distinct, times[codes == EVENT])
    d1 = np.bincount(of_interest, minlength=distinct.size).astype(float)
    free = np.cumprod((r - d) / r)
    before = np.concatenate([[1.0], free[:-1]])
    incidence = np.cumsum(before * d1 / r)
    last = float(observed[-1]) if observed.size else 0.0
    return CumulativeIncidence(distinct, incidence, _variance(incidence, before, r, d, d1), free, last)


def _variance(incidence: FloatArray, before: FloatArray, r: FloatArray, d: FloatArray, d1: FloatArray) -> FloatArray:
    """Delta-method variance, by running sums of 1, F_j and F_j^2 against each weight.

    ``Var F(t) = sum (F - F_j)^2 a_j + sum S_j^2 b_j - 2 sum (F - F_j) S_j c_j`` with
    ``a = d/(r(r-d)), b = d1(r-d1)/r^3, c = d1/r^2``, S_j just before t_j.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(r > d, d / (r * (r - d)), 0.0)  # at the last such time F - F_j is 0 anyway
    b, c = before**2 * d1 * (r - d1) / r**3, before * d1 / r**2
    spread = incidence**2 * a.cumsum() - 2.0 * incidence * (a * incidence).cumsum() + (a * incidence**2).cumsum()
    crossed = incidence * c.cumsum() - (c * incidence).cumsum()
    return np.asarray(np.maximum(spread + b.cumsum() - 2.0 * crossed, 0.0))
