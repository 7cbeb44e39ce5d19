"""Whether resistant cells take the tumour over, when, and under which treatment."""

from __future__ import annotations

from typing import Any

import numpy as np

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.findings.chance import ALONE, change, first_days, in_replicates, value
from tumorsim.figures.spatial.looks import labels
from tumorsim.spatial_numbers import FloatArray, resistant_cells, share, tumour_cells


def takeover(view: SpatialView, **_: Any) -> list[str]:
    """By arm: in how many replicates resistant cells became the majority and when; and the arms against each other."""
    data = view.data
    marked, living = resistant_cells(data), tumour_cells(data)
    if not data.time.size:
        return []
    if not np.nansum(marked) > 0:
        return ["No resistant cell lived in any replicate, so there is nothing that could take over."]
    said = [ALONE] if len(data.replicate) == 1 else []
    said += [_majority(view, marked, living), _course(view, 100.0 * share(marked, living)), _gone(view, living)]
    return [text for text in said if text] + _against(view, 100.0 * share(marked, living)[..., -1])


def _majority(view: SpatialView, marked: FloatArray, living: FloatArray) -> str:
    """In how many replicates resistant cells became more than half, when, and of how many cells."""
    parts, never = [], []
    for arm, label in enumerate(labels(view)):
        majority = 2.0 * marked[arm] > living[arm]
        days = first_days(majority, view.data.time)
        there = np.flatnonzero(np.isfinite(days))
        if not there.size:
            never.append(label)
            continue
        cells = living[arm][there, majority[there].argmax(axis=1)]
        low, high = int(cells.min()), int(cells.max())
        left = f"{low:,} to {high:,} tumour cells" if high > low else f"{low:,} tumour cell{'s' if low != 1 else ''}"
        parts.append(f"{label}: in {in_replicates(days)}, when {left} lived")
    if not parts:
        return "Resistant cells became the majority in no replicate of any arm."
    none = f" In no replicate: {'; '.join(never)}." if never else ""
    return f"Resistant cells became the majority: {'; '.join(parts)}.{none}"


def _course(view: SpatialView, part: FloatArray) -> str:
    """Share at the start and at the end of arms that have cells left."""
    parts = [
        f"{label} {value(part[arm, :, 0])}, then {value(part[arm, :, -1])}, change "
        f"{change(part[arm, :, -1] - part[arm, :, 0])}"
        for arm, label in enumerate(labels(view))
        if np.isfinite(part[arm, :, -1]).any()
    ]
    return f"Resistant share of living cells at the start and at the end, %: {'; '.join(parts)}." if parts else ""


def _gone(view: SpatialView, living: FloatArray) -> str:
    found = [first_days(one == 0, view.data.time) for one in living]
    parts = [
        f"{label}: in {in_replicates(days)}"
        for label, days in zip(labels(view), found, strict=True)
        if np.isfinite(days).any()
    ]
    return f"No tumour cell was left: {'; '.join(parts)}." if parts else ""


def _against(view: SpatialView, last: FloatArray) -> list[str]:
    """Share at the end of each arm with a drug less the first such arm."""
    names = labels(view)
    drugged = [arm for arm, name in enumerate(view.data.arms) if view.courses.get(name) and view.courses[name].drugs]
    if len(drugged) < 2:
        return []
    first, *others = drugged
    parts = [f"{names[arm]} {_apart(last[arm] - last[first])}" for arm in others]
    return [f"Resistant share at the end, %, against that of {names[first]}: {'; '.join(parts)}."]


def _apart(away: FloatArray) -> str:
    if not np.isfinite(away).any():
        return "cannot be compared, since in no replicate both have cells left"
    return change(away)
