"""Kaplan-Meier, restricted mean survival time and person-time rates of one arm.

Times keep the unit they are given in. A result that the data cannot give is None:
a median that is not reached, a survival beyond the last observation.

Sources: Kaplan & Meier 1958 JASA 53:457; Greenwood 1926; Brookmeyer & Crowley 1982
Biometrics 38:29; Royston & Parmar 2013 BMC Med Res Methodol 13:152; Garwood 1936
Biometrika 28:437. Formulas: docs/theory/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tumorsim.endpoints.survival import EVENT, FloatArray, IntArray

Interval = tuple[float | None, float | None]
Transform = Literal["log-log", "plain"]

_TIE = 1e-12  # a product of fractions that should be 1/2 may miss it by rounding


def normal_quantile(level: float) -> float:
    """Half-width of a two-sided normal interval, in standard errors.

    Raises
    ------
    ValueError
        A level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: {level:g} must lie between 0 and 1, e.g. 0.95")
    return NormalDist().inv_cdf(0.5 + level / 2.0)


def checked(time: ArrayLike, event: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Times and codes as kernels take them.

    Raises
    ------
    ValueError
        Different lengths, a negative or missing time, an unknown code.
    """
    times, codes = np.asarray(time, dtype=np.float64).ravel(), np.asarray(event).ravel().astype(np.int64)
    if times.size != codes.size:
        raise ValueError(f"time and event differ in length: {times.size} and {codes.size}")
    bad = np.flatnonzero(~(np.isfinite(times) & (times >= 0.0)))
    if bad.size:
        raise ValueError(f"time[{bad[0]}]: {times[bad[0]]:g} must be a number >= 0")
    if codes.size and not 0 <= codes.min() <= codes.max() <= 2:
        raise ValueError("event: codes are 0 (censored), 1 (event) and 2 (competing event)")
    return times, codes


def known(value: float) -> float | None:
    """The number, or None if it is NaN or infinite."""
    number = float(value)
    return number if np.isfinite(number) else None


@dataclass(frozen=True)
class RestrictedMean:
    """Mean event-free time up to a horizon; None where the data end before it.

    Attributes
    ----------
    horizon, mean, se, ci
        In the unit of the times; ``ci`` is normal.
    """

    horizon: float
    mean: float | None
    se: float | None
    ci: Interval


@dataclass(frozen=True)
class KaplanMeier:
    """Kaplan-Meier estimate of one arm.

    Attributes
    ----------
    times
        Distinct times with an event, ascending. Shape (k,).
    survival, greenwood
        Just after each time; ``Var S = S^2 greenwood``. Shape (k,).
    at_risk, events
        Just before and at each time. Shape (k,).
    observed
        All times, ascending. Shape (n,).
    """

    times: FloatArray
    survival: FloatArray
    greenwood: FloatArray
    at_risk: FloatArray
    events: FloatArray
    observed: FloatArray = field(repr=False)

    @property
    def n(self) -> int:
        """Patients."""
        return int(self.observed.size)

    @property
    def last(self) -> float:
        """Last time under observation; 0 without patients."""
        return float(self.observed[-1]) if self.n else 0.0

    def number_at_risk(self, when: float) -> int:
        """Patients still under observation just before ``when``."""
        return int(self.n - np.searchsorted(self.observed, when, side="left"))

    def at(self, when: float) -> float | None:
        """Survival at a time; None beyond the last observation while some survive."""
        place = int(np.searchsorted(self.times, when, side="right")) - 1
        value = float(self.survival[place]) if place >= 0 else 1.0
        return None if self.n == 0 or (when > self.last and value > 0.0) else value

    def band(self, level: float = 0.95, transform: Transform = "log-log") -> tuple[FloatArray, FloatArray]:
        """Pointwise interval just after each event time; NaN where it is undefined."""
        z = normal_quantile(level)
        with np.errstate(divide="ignore", invalid="ignore"):
            if transform == "plain":
                half = z * self.survival * np.sqrt(self.greenwood)
                return np.maximum(self.survival - half, 0.0), np.minimum(self.survival + half, 1.0)
            if transform != "log-log":
                raise ValueError(f'transform: {transform!r} must be "log-log" or "plain"')
            spread = z * np.sqrt(self.greenwood) / np.abs(np.log(self.survival))
            lower, upper = self.survival ** np.exp(spread), self.survival ** np.exp(-spread)
        nobody = self.survival <= 0.0
        return np.where(nobody, np.nan, lower), np.where(nobody, np.nan, upper)

    def interval(self, when: float, level: float = 0.95, transform: Transform = "log-log") -> Interval:
        """Interval of the survival at a time; (None, None) before the first event."""
        place = int(np.searchsorted(self.times, when, side="right")) - 1
        if place < 0 or self.at(when) is None:
            return None, None
        lower, upper = self.band(level, transform)
        return known(lower[place]), known(upper[place])

    def quantile(self, level: float = 0.5) -> float | None:
        """First event time at which survival is at or below ``level``; None if never."""
        return _first(self.times, self.survival <= level + _TIE)

    @property
    def median(self) -> float | None:
        """Median survival time; None if survival stays above one half."""
        return self.quantile(0.5)

    def median_interval(self, level: float = 0.95, transform: Transform = "log-log") -> Interval:
        """Brookmeyer-Crowley: where the band crosses one half; None for an end not reached."""
        lower, upper = self.band(level, transform)
        return _first(self.times, lower <= 0.5 + _TIE), _first(self.times, upper <= 0.5 + _TIE)

    def restricted_mean(self, horizon: float, level: float = 0.95) -> RestrictedMean:
        """Area under the curve up to ``horizon``, with its standard error.

        ``Var = sum over event times of (area beyond)^2 d / (r (r - d))``.
        """
        if not horizon > 0.0:
            raise ValueError(f"horizon: {horizon:g} must be > 0")
        if self.at(horizon) is None:
            return RestrictedMean(horizon, None, None, (None, None))
        inside = self.times <= horizon
        steps = np.concatenate([[0.0], self.times[inside], [horizon]])
        heights = np.concatenate([[1.0], self.survival[inside]])
        areas = heights * np.diff(steps)
        beyond = areas[::-1].cumsum()[::-1][1:]  # from each event time to the horizon
        r, d = self.at_risk[inside], self.events[inside]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(r > d, beyond**2 * d / (r * (r - d)), 0.0)  # when all die, nothing lies beyond
        mean, se = float(areas.sum()), float(np.sqrt(terms.sum()))
        half = normal_quantile(level) * se
        return RestrictedMean(horizon, mean, se, (mean - half, mean + half))


def _first(times: FloatArray, hit: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float | None:
    places = np.flatnonzero(hit)
    return float(times[places[0]]) if places.size else None


def kaplan_meier(time: ArrayLike, event: ArrayLike) -> KaplanMeier:
    """Kaplan-Meier estimate with Greenwood's variance.

    Parameters
    ----------
    time, event
        Shape (n,); code 1 is an event, 0 and 2 are censored. A patient censored at
        the time of an event is still at risk of it.
    """
    from tumorsim.kernels import survival as kernels

    times, codes = checked(time, event)
    order = np.argsort(times, kind="stable")
    times, codes = times[order], codes[order]
    distinct, at_risk, events = kernels.tabulate_risk(times, codes, np.zeros(codes.size, np.int64))
    survival, greenwood = kernels.product_limit(at_risk[0], events[0])
    return KaplanMeier(distinct, survival, greenwood, at_risk[0], events[0], times)


@dataclass(frozen=True)
class EventRate:
    """Events by person-time with the exact Poisson interval; per unit of time."""

    events: int
    person_time: float
    rate: float | None
    ci: Interval


def event_rate(time: ArrayLike, event: ArrayLike, level: float = 0.95) -> EventRate:
    """Events per unit of time under observation (Garwood's exact interval)."""
    from scipy.special import gammaincinv

    times, codes = checked(time, event)
    k, total = int((codes == EVENT).sum()), float(times.sum())
    if total <= 0.0:
        return EventRate(k, total, None, (None, None))
    normal_quantile(level)
    tail = (1.0 - level) / 2.0
    low = float(gammaincinv(k, tail)) if k else 0.0
    return EventRate(k, total, k / total, (low / total, float(gammaincinv(k + 1, 1.0 - tail)) / total))
