"""Kaplan-Meier columns of a study, read as step functions; names of end points; reported medians."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.endpoints import ENDPOINTS, outcome
from tumorsim.figures.base import FigureError, StudyView
from tumorsim.figures.planned import planned_infusions
from tumorsim.units import MONTH
from tumorsim.variables import TrialData

FloatArray = NDArray[np.float64]
ROUNDING = 1e-9  # of a month
_LABELS = {endpoint.name: endpoint.label for endpoint in ENDPOINTS}
MOST_STEPS = 20_000  # of a stored curve
MOST_DRAWN = 1_000  # of a drawn one: a figure has fewer points
PRIMARY = {"adjuvant": "rfs", "advanced": "os"}


def survival_columns(data: TrialData, endpoints: Iterable[str]) -> dict[str, dict[str, dict[str, NDArray[Any]]]]:
    """Kaplan-Meier columns of a trial as `tumorsim.store.write` keeps them.

    Returns
    -------
    dict
        By end point and arm name: ``time`` (months, every distinct time of an event or a
        censoring, 0 first), ``survival``, ``lower``, ``upper`` (just after; the 95% interval
        is NaN once survival is 0), ``at_risk`` (just before), ``events``, ``censored``.
        Shape ``[step]`` each. Of more than `MOST_STEPS` times some are kept, see `kept_steps`;
        the counts are then those since the time before.
    """
    arms = range(len(data.arms))
    return {name: {data.arms[arm]: _columns(*outcome(data, name, arm).analysed) for arm in arms} for name in endpoints}


def _columns(days: FloatArray, event: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    from tumorsim.statistics import kaplan_meier

    months = days / MONTH
    found = kaplan_meier(months, event)
    time = np.unique(np.append(months, 0.0))
    time = time[kept_steps(time, MOST_STEPS)]
    place = np.searchsorted(found.times, time, side="right")
    lower, upper = found.band()
    ends = np.searchsorted(time, months)
    return {
        "time": time,
        "survival": np.append(1.0, found.survival)[place],
        "lower": np.append(1.0, lower)[place],
        "upper": np.append(1.0, upper)[place],
        "at_risk": months.size - np.searchsorted(np.sort(months), time),
        "events": np.bincount(ends[event == 1], minlength=time.size),
        "censored": np.bincount(ends[event != 1], minlength=time.size),
    }


def kept_steps(time: FloatArray, most: int) -> NDArray[np.int64]:
    """Places of the steps that stand for a curve of too many: every so manieth, and the first from each whole month on.

    Numbers at risk at whole months are read off the latter, and stay exact.

    Parameters
    ----------
    time
        Months, ascending. Shape ``[step]``.
    most
        Steps beside those of whole months; all are kept where there are no more.
    """
    if time.size <= most:
        return np.arange(time.size)
    even = np.linspace(0, time.size - 1, most).astype(np.int64)
    months = np.searchsorted(time, np.arange(np.floor(time[-1]) + 1.0) - ROUNDING)
    return np.unique(np.concatenate([even, months]))


def study_view(
    data: TrialData,
    summary: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    scenario_text: str = "",
) -> StudyView:
    """What figures and the report read, from the parts of a stored result or of a trial just finished.

    Parameters
    ----------
    data, summary
        The trial and its summary.
    curves
        Stored Kaplan-Meier columns; computed for the end points of the summary when not given.
    scenario_text
        The resolved scenario, for the times of the planned infusions.
    """
    if not curves:
        curves = survival_columns(data, summary["arms"][0]["endpoints"] if summary["arms"] else ())
    horizon = float(data.time[-1]) if data.time.size else 0.0
    return StudyView(data, summary, curves, planned_infusions(scenario_text, horizon))


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier estimate of one arm; every array of shape ``[step]``, the first step at 0.

    Attributes
    ----------
    time
        Months at which something happened.
    survival, lower, upper
        Estimate just after each time and its pointwise 95% interval.
    at_risk
        Patients at risk just before each time.
    censored
        Patients censored since the step before, up to each time.
    """

    time: FloatArray
    survival: FloatArray
    lower: FloatArray
    upper: FloatArray
    at_risk: NDArray[np.int64]
    censored: NDArray[np.int64]

    def at(self, months: FloatArray, line: str = "survival") -> FloatArray:
        """Value of a line at given months; constant after the last step."""
        index = np.searchsorted(self.time, months, side="right") - 1
        return np.asarray(getattr(self, line)[np.maximum(index, 0)], dtype=np.float64)

    def at_risk_at(self, months: FloatArray) -> NDArray[np.int64]:
        """Patients still under observation just before given months."""
        index = np.searchsorted(self.time, np.asarray(months) - ROUNDING)
        return np.append(self.at_risk, 0)[index]


def curve(view: StudyView, endpoint: str, arm: int) -> Curve:
    """The stored columns of one end point and arm, starting at month 0."""
    columns: Mapping[str, Any] = view.curves[endpoint][view.data.arms[arm]]
    read = {name: np.asarray(columns[name]) for name in ("time", "survival", "lower", "upper", "at_risk", "censored")}
    if not read["time"].size or read["time"][0] > 0:
        everyone = read["at_risk"][0] if read["at_risk"].size else 0
        start = {"time": 0.0, "survival": 1.0, "lower": 1.0, "upper": 1.0, "at_risk": everyone, "censored": 0}
        read = {name: np.concatenate([[start[name]], values]) for name, values in read.items()}
    kept = kept_steps(read["time"], MOST_DRAWN)
    time, survival, lower, upper = (
        read[name][kept].astype(np.float64) for name in ("time", "survival", "lower", "upper")
    )
    censored = np.diff(np.cumsum(read["censored"].astype(np.int64))[kept], prepend=0)
    return Curve(time, survival, lower, upper, read["at_risk"][kept].astype(np.int64), censored)


def endpoint_title(endpoint: str) -> str:
    """``Recurrence-free survival`` for ``rfs``."""
    return _LABELS.get(endpoint, endpoint)


def pick_endpoint(view: StudyView, endpoint: str | None) -> str:
    """The end point asked for, or the primary one of the setting.

    Raises
    ------
    FigureError
        The study does not hold it; the message lists those it holds.
    """
    if not view.curves:
        raise FigureError("this study holds no time-to-event end point; name some under `endpoints:` in the scenario")
    if endpoint is None:
        primary = PRIMARY.get(view.data.setting, "")
        return primary if primary in view.curves else next(iter(view.curves))
    if endpoint not in view.curves:
        raise FigureError(f"endpoint: {endpoint!r} is not in this study; it has: {', '.join(view.curves)}")
    return endpoint


def reported_medians(view: StudyView, endpoint: str) -> dict[str, list[tuple[float, tuple[float, float] | None]]]:
    """Reported medians of an end point by arm: (months, interval or range, or None)."""
    found: dict[str, list[tuple[float, tuple[float, float] | None]]] = {}
    for target in view.summary.get("targets", []):
        if target["quantity"] != f"{endpoint}.median" or target.get("reported") is None:
            continue
        low, high = target.get("reported_ci") or target.get("reported_range") or (None, None)
        interval = None if low is None or high is None else (float(low), float(high))
        found.setdefault(target["arm"], []).append((float(target["reported"]), interval))
    return found
