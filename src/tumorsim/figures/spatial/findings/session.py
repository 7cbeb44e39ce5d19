"""What a session of TACE does: death, hypoxia, VEGF, closed vessels, and where cells survive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.findings.chance import change, median, side, value
from tumorsim.figures.spatial.looks import day_label, labels
from tumorsim.spatial_numbers import FloatArray, share, tumour_cells, values
from tumorsim.spatial_variables import FATES

SOON, LATER = 3.0, 7.0  # days after a session
CAUSES = {
    "turnover": "turnover",
    "drug": "drug in plasma",
    "hypoxia": "lack of oxygen",
    "depot": "drug in closed vessels",
    "memory": "memory T cells",
    "product": "infused cells",
}


@dataclass(frozen=True)
class _Session:
    """The first session of an arm: its day, the last day that belongs to it, and the arm."""

    arm: int
    day: float
    end: float
    time: FloatArray

    def before(self) -> int:
        """Last moment up to the session."""
        return int(np.searchsorted(self.time, self.day, side="right")) - 1

    def after(self, days: float) -> int | None:
        """First moment so many days after it; None beyond the study or the next session."""
        place = int(np.searchsorted(self.time, self.day + max(days, 1e-6) - 1e-9))
        return place if place < self.time.size and self.time[place] <= self.end else None


def session(view: SpatialView) -> list[str]:
    """What the first session did in the first arm that has one, without infused cells if there is such an arm."""
    data = view.data
    found = [(arm, view.courses[name]) for arm, name in enumerate(data.arms) if name in view.courses]
    treated = [(arm, course) for arm, course in found if course.sessions]
    if not treated:
        return []
    arm, course = min(treated, key=lambda one: (bool(one[1].infusions), one[0]))
    end = course.sessions[1] if len(course.sessions) > 1 else np.inf
    one = _Session(arm, course.sessions[0], float(end), np.asarray(data.time, dtype=np.float64))
    if one.before() < 0 or one.after(0.0) is None:
        return []
    parts = (_deaths, _hypoxia, _vegf, _closed, _distances)
    return [f"{labels(view)[arm]}: {text}" for part in parts if (text := part(view, one))]


def _deaths(view: SpatialView, one: _Session) -> str:
    at = one.after(SOON)
    living = tumour_cells(view.data)[one.arm]
    before = living[:, one.before()]
    if at is None or not np.nansum(before) > 0:
        return ""
    dead = values(view.data, "deaths")[one.arm]
    part = 100.0 * share(dead[:, :, at] - dead[:, :, one.before()], np.repeat(before[:, None], len(FATES), axis=1))
    causes = [
        f"{CAUSES[fate]} {value(part[:, code], '%')}"
        for code, fate in enumerate(FATES)
        if fate in CAUSES and np.nanmean(part[:, code]) >= 0.5
    ]
    days = f"{one.time[at] - one.day:g} days"
    said = f"{value(part.sum(axis=1), '%')} of the cells living before the session (day {one.day:g}) died within {days}"
    return said + (f", by cause: {', '.join(causes)}." if causes else ".")


def _hypoxia(view: SpatialView, one: _Session) -> str:
    part = 100.0 * values(view.data, "hypoxic_fraction")[one.arm]
    before = part[:, one.before()]
    said = []
    for at in dict.fromkeys((one.after(1.0), one.after(LATER), _last(one))):
        if at is not None and np.isfinite(part[:, at]).any():
            when = day_label(one.time[at])
            said.append(f"{value(part[:, at], '%')} on {when}, {change(part[:, at] - before)}")
    return f"living cells below 10 mmHg {value(before, '%')} before; {'; '.join(said)}." if said else ""


def _vegf(view: SpatialView, one: _Session) -> str:
    tissue = values(view.data, "vegf")[one.arm]
    each = share(tissue, tumour_cells(view.data)[one.arm])
    base, own = tissue[:, one.before()], each[:, one.before()]
    moments = [at for at in (one.after(1.0), one.after(LATER)) if at is not None]
    if not moments or not np.nansum(base) > 0:
        return ""
    cell = [100.0 * share(each[:, at] - own, own) for at in moments]
    whole = [tissue[:, at] - base for at in moments]
    days = [day_label(one.time[at]) for at in moments]
    return (
        f"VEGF per living cell against before, %: {_over(days, cell)}: {_rebound(cell)}. "
        f"VEGF of the tissue {value(base, 'pg/mL')} before; change by {_over(days, whole)}: {_rebound(whole)}."
    )


def _over(days: list[str], samples: list[FloatArray]) -> str:
    return "; ".join(
        f"{day} {change(one)}" if np.isfinite(one).any() else f"{day} no living cell"
        for day, one in zip(days, samples, strict=True)
    )


def _rebound(samples: list[FloatArray]) -> str:
    if any(side(one) > 0 for one in samples):
        return "a rebound"
    return "it falls" if any(side(one) < 0 for one in samples) else "no rebound beyond chance"


def _closed(view: SpatialView, one: _Session) -> str:
    first, last = one.after(0.0), _last(one)
    closed = values(view.data, "embolised_vessels")[one.arm]
    if first is None or last is None or not np.nansum(closed[:, first : last + 1]) > 0:
        return "no vessel was closed."
    shut = closed[:, first : last + 1]
    peak = shut.argmax(axis=1)
    most = shut.max(axis=1)
    later = np.arange(shut.shape[1]) >= peak[:, None]
    half = later & (shut <= 0.5 * most[:, None]) & (most > 0)[:, None]
    days = np.where(half.any(axis=1), one.time[first + half.argmax(axis=1)] - one.day, np.inf)
    there = days[np.isfinite(days)]
    said = (
        f"vessel voxels closed at most {value(most)}; half of them were no longer closed in {there.size} of {days.size}"
    )
    if not there.size:
        return f"{said} replicates."
    middle = median(days)
    span = f"{there.min():g} to {there.max():g}"
    return f"{said} replicates, " + (
        f"after a median of {middle:g} days ({span})."
        if np.isfinite(middle)
        else f"after {span} days; median not reached."
    )


def _distances(view: SpatialView, one: _Session) -> str:
    shots = np.asarray(view.data.shot, dtype=np.float64)
    places = np.flatnonzero((shots > one.day) & (shots < one.end))
    if not places.size:
        return ""
    near, far = (values(view.data, name)[one.arm] for name in ("rim_distance", "dead_distance"))
    both = [place for place in places if (np.isfinite(near[:, place]) & np.isfinite(far[:, place])).any()]
    if not both:
        return "no snapshot after the session has both living and dead cells, so no rim can be measured."
    at = min(both, key=lambda place: abs(shots[place] - one.day - LATER))
    away = far[:, at] - near[:, at]
    head = {1: "a rim survives at open vessels", -1: "the dead lie nearer to open vessels", 0: "no rim beyond chance"}
    return (
        f"to the nearest open vessel on {day_label(shots[at])}, living cells {value(near[:, at], 'µm')}, dead cells "
        f"{value(far[:, at], 'µm')}, dead less living {change(away)}: {head[side(away)]}."
    )


def _last(one: _Session) -> int | None:
    """Last moment before the next session, or of the study."""
    place = int(np.searchsorted(one.time, one.end, side="right")) - 1
    return place if place > one.before() else None
