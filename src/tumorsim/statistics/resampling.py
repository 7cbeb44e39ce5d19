"""What a published study of its own size would have shown: predictive intervals.

A study of ``m`` patients an arm is drawn many times from the ``n`` virtual patients
and read with the study's own estimator. Each draw first redraws the virtual
population with replacement, then the arms from it, independently of one another.
The first step carries the error of having only ``n`` virtual patients, the second
that of the study; together ``Var = sigma^2 (1/n + 1/m)``. Drawing without
replacement would give ``sigma^2 (1/m - 1/n)``, nothing at all when n = m.

Source: the predictive form of Efron's bootstrap; docs/theory/statistics.md has the
argument, tests/statistical the measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tumorsim.endpoints.survival import FloatArray, IntArray, Survival

# items of STREAM_RESAMPLING: one number a purpose
ITEM_POPULATION = 0  # the redrawn virtual population; arms of twins share it
ITEM_MEDIAN_ERROR = 1
ITEM_ARM_POPULATION = 1_000  # plus the arm, when arms hold different patients
ITEM_ARM = 2_000  # plus the arm
RESAMPLES = 1_000
LEVEL = 0.90
MOST_DRAWN = 2_000_000  # patients drawn at a time where each resample is as large as the trial
_MOST_UNDEFINED = 0.05


@dataclass
class StudySampler:
    """Draws studies of a given size from virtual arms, the same ones each time.

    Attributes
    ----------
    members
        Of each arm, the places of its patients on the patient axis.
    twins
        Whether every virtual patient enters every arm.
    seed
        Seed of the scenario; draws are keyed by it and by nothing else.
    resamples
        Number of studies drawn.
    """

    members: tuple[NDArray[np.int64], ...]
    twins: bool
    seed: int
    resamples: int = RESAMPLES
    _drawn: dict[tuple[int, int], IntArray] = field(default_factory=dict, repr=False)

    def draw(self, arm: int, size: int) -> IntArray:
        """Places on the patient axis of each study's patients. Shape (resamples, size)."""
        from tumorsim.kernels import survival as kernels

        if (arm, size) not in self._drawn:
            members, key = self.members[arm], np.uint64(self.seed)
            if members.size == 0:
                raise ValueError(f"arm {arm} has no patients to draw from")
            population = ITEM_POPULATION if self.twins else ITEM_ARM_POPULATION + arm
            places = kernels.draw_patients(key, ITEM_ARM + arm, 0, self.resamples, members.size, size)
            self._drawn[arm, size] = members[kernels.redraw_patients(key, population, places, members.size)]
        return self._drawn[arm, size]

    def draws(self, arms: Sequence[int], sizes: Sequence[int]) -> list[IntArray]:
        """`draw` for each of several arms."""
        return [self.draw(arm, size) for arm, size in zip(arms, sizes, strict=True)]

    def everyone(self, arm: int) -> IntArray:
        """All virtual patients of an arm, once: one study of everybody. Shape (1, n)."""
        return self.members[arm][None, :]


def predictive_interval(values: FloatArray, level: float = LEVEL) -> tuple[float, float] | None:
    """Central interval of resampled values; ends may be infinite.

    Uses order statistics, the outer ones, so that an end is a value that occurred
    and an infinite value (a median not reached) does no harm. None when more than
    5% of the values are undefined.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: {level:g} must lie between 0 and 1, e.g. 0.9")
    fine = np.sort(values[~np.isnan(values)])
    if values.size == 0 or fine.size < (1.0 - _MOST_UNDEFINED) * values.size:
        return None
    tail = (1.0 - level) / 2.0 * (fine.size - 1)
    # a whole number of places may come out a rounding error short of itself
    return float(fine[int(np.floor(tail + 1e-9))]), float(fine[int(np.ceil(fine.size - 1 - tail - 1e-9))])


def rare_count_limit(n: int, m: int, level: float = LEVEL) -> int:
    """Upper end of the predictive interval of a count that none of ``n`` patients showed.

    Redrawing patients in whom nothing happened shows nothing, however few they are.
    Here the count among ``m`` further patients is beta-binomial with Jeffreys' prior.
    """
    a, b = 0.5, n + 0.5
    total, limit = 0.0, 1.0 - (1.0 - level) / 2.0
    norm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.lgamma(m + a + b)
    for k in range(m + 1):
        choose = math.lgamma(m + 1) - math.lgamma(k + 1) - math.lgamma(m - k + 1)
        total += math.exp(choose + math.lgamma(k + a) + math.lgamma(m - k + b) + norm)
        if total >= limit:
            return k
    return m


def resampled_curve(one: Survival, draws: IntArray, statistic: int, argument: float = 0.0) -> FloatArray:
    """Median, survival or restricted mean of each drawn arm. Shape (resamples,).

    Parameters
    ----------
    draws
        Places on the patient axis, shape (resamples, size).
    statistic
        ``MEDIAN``, ``LANDMARK`` or ``RESTRICTED_MEAN`` of `kernels.survival`.
    argument
        Time of the landmark or horizon of the mean.
    """
    from tumorsim.kernels import survival as kernels

    time, event = one.coded
    order, place = _ascending(time)
    return np.asarray(kernels.resample_curve(time[order], event[order], place[draws], statistic, float(argument)))


def resampled_log_hazard_ratio(arm: Survival, reference: Survival, draws: Sequence[IntArray]) -> FloatArray:
    """Log hazard ratio of each drawn study; infinite where its likelihood is monotone."""
    from tumorsim.kernels import survival as kernels

    time, event = (np.concatenate(pair) for pair in zip(arm.coded, reference.coded, strict=True))
    group = np.repeat(np.array([1, 0], np.int64), [arm.time.size, reference.time.size])
    order, place = _ascending(time)
    pooled = np.concatenate([draws[0], draws[1] + arm.time.size], axis=1)
    return np.asarray(kernels.resample_log_hazard_ratio(time[order], event[order], group[order], place[pooled]))


def _ascending(time: FloatArray) -> tuple[IntArray, IntArray]:
    """Order that sorts the times, and the place of each in it."""
    order = np.argsort(time, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return order, place


def median_monte_carlo_error(one: Survival, seed: int, resamples: int = 200) -> float | None:
    """Standard error of the median over repetitions of the simulation (bootstrap).

    None when the median is not reached in more than 5% of the resamples.
    """
    from tumorsim.kernels import survival as kernels

    members = np.flatnonzero(one.included)
    if members.size < 2:
        return None
    n, at_once = members.size, max(1, MOST_DRAWN // members.size)
    time, event = one.coded
    order, place = _ascending(time)
    time, event, place = time[order], event[order], place[members]
    medians = np.empty(resamples)
    for first in range(0, resamples, at_once):
        some = slice(first, min(first + at_once, resamples))
        draws = kernels.draw_patients(np.uint64(seed), ITEM_MEDIAN_ERROR, first, some.stop - first, n, n)
        medians[some] = kernels.resample_curve(time, event, place[draws], kernels.MEDIAN, 0.0)
    reached = medians[np.isfinite(medians)]
    return None if reached.size < (1.0 - _MOST_UNDEFINED) * resamples else float(reached.std(ddof=1))
