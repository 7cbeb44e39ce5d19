"""Arms compared: which has most, and where infusions are timed against a drug, whether there is a peak and a fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.courses import Drug
from tumorsim.figures.spatial.findings.chance import ALONE, change, side, small, value
from tumorsim.figures.spatial.looks import chosen_quantities, labels, unit_of
from tumorsim.spatial_numbers import FloatArray, Quantity, interval


@dataclass(frozen=True)
class Timed:
    """An arm with one infusion and one drug; ``lag`` is the day of the infusion, counted from the start of the drug."""

    arm: int
    lag: float
    drug: Drug

    @property
    def when(self) -> str:
        """The lag in words."""
        if self.lag == 0:
            return f"on the first day of {small(self.drug.name)}"
        days = f"{abs(self.lag):g} day{'s' if abs(self.lag) != 1 else ''}"
        return f"{days} {'before' if self.lag < 0 else 'after'} the start of {small(self.drug.name)}"


@dataclass(frozen=True)
class Sweep:
    """Arms that time one infusion of cells against one drug.

    Attributes
    ----------
    without
        The arm with the infusion and no drug, if there is one.
    timed
        Arms at the dose that most arms have (the lower one of two), by lag.
    higher
        Arms at higher doses.
    """

    without: int | None
    timed: tuple[Timed, ...]
    higher: tuple[Timed, ...]


def sweep(view: SpatialView) -> Sweep | None:
    """The arms that time an infusion against a drug; None where fewer than two do."""
    given = [view.courses.get(arm) for arm in view.data.arms]
    found = [
        Timed(arm, course.infusions[0] - course.drugs[0].first, course.drugs[0])
        for arm, course in enumerate(given)
        if course and len(course.infusions) == 1 and len(course.drugs) == 1 and not course.sessions
    ]
    if len({(one.lag, one.drug.daily) for one in found}) < 2 or len({one.drug.name for one in found}) > 1:
        return None
    doses = [one.drug.daily for one in found]
    usual = min(set(doses), key=lambda dose: (-doses.count(dose), dose))
    alone = [
        arm
        for arm, course in enumerate(given)
        if course and len(course.infusions) == 1 and not course.drugs and not course.sessions
    ]
    timed = sorted((one for one in found if one.drug.daily == usual), key=lambda one: one.lag)
    higher = sorted((one for one in found if one.drug.daily > usual), key=lambda one: (one.drug.daily, one.lag))
    return Sweep(alone[0] if alone else None, tuple(timed), tuple(higher))


def compared(view: SpatialView, quantities: str, **_: Any) -> list[str]:
    """For each quantity the arm with most against the first, or the peak of a sweep, and what comes after it."""
    chosen = chosen_quantities(quantities)
    found = sweep(view)
    said = [ALONE] if len(view.data.replicate) == 1 else []
    for one in chosen:
        samples = one.of(view.data)
        if not np.nansum(np.abs(samples)) > 0:
            said.append(f"{one.title}: none in any arm.")
        elif found is None:
            said.append(_largest(view, one, samples))
        else:
            said.append(_peak(view, one, samples, found))
    return said


def _largest(view: SpatialView, one: Quantity, samples: FloatArray) -> str:
    names = labels(view)
    mean = interval(samples, axis=1).mean
    best = int(np.nanargmax(mean))
    said = f"{one.title}: largest with {names[best]}, {value(samples[best], unit_of(one))}"
    if best:
        return f"{said}; against {names[0]} {change(samples[best] - samples[0])}."
    below = [f"{names[arm]} {change(samples[arm] - samples[0])}" for arm in range(1, len(names))]
    return f"{said}; against it: {'; '.join(below)}."


def _peak(view: SpatialView, one: Quantity, samples: FloatArray, found: Sweep) -> str:
    names = labels(view)
    mean = interval(samples, axis=1).mean
    known = [timed for timed in found.timed if np.isfinite(mean[timed.arm])]
    if not known:
        return f"{one.title}: not known in any arm with {small(found.timed[0].drug.name)}."
    peak = max(known, key=lambda timed: float(mean[timed.arm]))
    top = samples[peak.arm]
    said = [f"{one.title}: most with infusion {peak.when} at {peak.drug.dose}, {value(top, unit_of(one))}"]
    if found.without is None:
        said.append(f"no arm had the infusion without {small(peak.drug.name)} to compare with")
    else:
        said.append(f"against {names[found.without]} {change(top - samples[found.without])}")
    said.append(_after(samples, peak, known))
    said += [_dose(names, samples, other, found) for other in found.higher]
    return "; ".join(said) + "."


def _after(samples: FloatArray, peak: Timed, known: list[Timed]) -> str:
    """Whether infusions after the peak bring less than the peak."""
    later = [timed for timed in known if timed.lag > peak.lag]
    if not later:
        return "that is the latest infusion at this dose, so a fall after it cannot show"
    away = [samples[timed.arm] - samples[peak.arm] for timed in later]
    falls = [timed for timed, one in zip(later, away, strict=True) if side(one) < 0]
    parts = [f"{timed.when} {change(one)}" for timed, one in zip(later, away, strict=True)]
    judged = any(np.isfinite(one).sum() > 1 for one in away)
    head = "a fall after the peak" if falls else "no fall after the peak" if judged else "after the peak"
    return f"{head}: {', '.join(parts)}"


def _dose(names: list[str], samples: FloatArray, other: Timed, found: Sweep) -> str:
    """A higher dose against the usual one on the same day, and against no drug."""
    parts = [
        f"against {usual.drug.dose} on that day {change(samples[other.arm] - samples[usual.arm])}"
        for usual in found.timed
        if usual.lag == other.lag
    ]
    if found.without is not None:
        parts.append(f"against {names[found.without]} {change(samples[other.arm] - samples[found.without])}")
    return f"{other.drug.dose}, {other.when}: {', '.join(parts) or 'no arm to compare with'}"
