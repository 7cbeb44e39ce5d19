"""Planned days of cell infusions, read from the resolved scenario for the marks above the effectors."""

from __future__ import annotations

import json
from typing import Any

from tumorsim.units import MONTH


def planned_infusions(scenario_text: str, horizon: float) -> dict[str, tuple[float, ...]]:
    """Months of the planned infusions by arm name.

    A product that is made for each patient is ready on a day of its own and has no common
    times; such courses are left out. So is a treatment that this version cannot read.

    Parameters
    ----------
    scenario_text
        The resolved scenario, JSON; empty gives nothing.
    horizon
        Days from randomisation after which nothing is given.
    """
    try:
        scenario = json.loads(scenario_text) if scenario_text.strip() else {}
    except (ValueError, RecursionError):
        return {}
    arms = scenario.get("arms") if isinstance(scenario, dict) else None
    found = {}
    for arm in arms if isinstance(arms, list) else []:
        months = [month for raw in arm.get("treatments") or [] for month in _course(raw, horizon)]
        if months:
            found[str(arm.get("name"))] = tuple(sorted(months))
    return found


def _course(raw: Any, horizon: float) -> list[float]:
    from pydantic import TypeAdapter, ValidationError

    from tumorsim.interventions.amounts import last_day
    from tumorsim.interventions.infusion import CellInfusion

    if not isinstance(raw, dict) or CellInfusion.KEY not in raw:
        return []
    try:
        course = TypeAdapter(CellInfusion).validate_python(raw)
    except (ValidationError, ValueError):
        return []
    if course.manufacture is not None:
        return []
    span = last_day(course.start, course.until, horizon) - course.start
    return [float(course.start + day) / MONTH for day in course.schedule.days(span)]
