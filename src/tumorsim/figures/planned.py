"""Treatments of the resolved scenario, and the planned days of cell infusions for the marks above the effectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tumorsim.units import MONTH

if TYPE_CHECKING:
    from tumorsim.interventions.base import Intervention
    from tumorsim.interventions.infusion import CellInfusion


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
    from tumorsim.interventions.infusion import CellInfusion

    found = {}
    for arm, treatments in planned_treatments(scenario_text).items():
        courses = [one for one in treatments if isinstance(one, CellInfusion)]
        months = [day / MONTH for course in courses for day in infusion_days(course, horizon)]
        if months:
            found[arm] = tuple(sorted(months))
    return found


def infusion_days(course: CellInfusion, horizon: float) -> list[float]:
    """Days of the infusions of a course; none where a product is made for each patient."""
    from tumorsim.interventions.amounts import last_day

    if course.manufacture is not None:
        return []
    span = last_day(course.start, course.until, horizon) - course.start
    return [float(course.start + day) for day in course.schedule.days(span)]


def planned_treatments(scenario_text: str) -> dict[str, list[Intervention]]:
    """Treatments by arm name; what this version cannot read is left out.

    Parameters
    ----------
    scenario_text
        The resolved scenario, JSON; empty gives nothing.
    """
    try:
        scenario = json.loads(scenario_text) if scenario_text.strip() else {}
    except (ValueError, RecursionError):
        return {}
    arms = scenario.get("arms") if isinstance(scenario, dict) else None
    return {
        str(arm.get("name")): [one for raw in arm.get("treatments") or [] if (one := _read(raw)) is not None]
        for arm in (arms if isinstance(arms, list) else [])
        if isinstance(arm, dict)
    }


def _read(raw: Any) -> Intervention | None:
    from pydantic import TypeAdapter, ValidationError

    from tumorsim.interventions.treatment import Treatment

    try:
        found: Intervention = TypeAdapter(Treatment).validate_python(raw)
    except (ValidationError, ValueError):
        return None
    return found
