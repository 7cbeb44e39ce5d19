"""End points: what a trial reports, read from the arrays of a finished trial.

`ENDPOINTS` is the list. To add one, write its function and put its declaration
here (docs/how-to/add-an-endpoint.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tumorsim.endpoints.biomarkers import time_to_resistance, treatment_received
from tumorsim.endpoints.response import Response, response
from tumorsim.endpoints.survival import (
    Censoring,
    Survival,
    cancer_specific_survival,
    first_of_progression_and_death,
    observed_deaths,
    observed_time,
    overall_survival,
    progressions,
    time_to_progression,
    time_to_recurrence_of_paper,
)
from tumorsim.params.targets import ENDPOINT_SETTINGS
from tumorsim.variables import TrialData

__all__ = [
    "ENDPOINTS",
    "Endpoint",
    "Response",
    "Survival",
    "endpoint",
    "endpoints_of",
    "observed_deaths",
    "observed_time",
    "outcome",
    "progressions",
    "response",
    "treatment_received",
]


@dataclass(frozen=True)
class Endpoint:
    """Declaration of one time-to-event end point.

    Attributes
    ----------
    name
        Key in scenarios and results.
    label
        Axis label.
    unit
        Unit of its time in reports.
    description
        One sentence: event, competing event, censoring.
    settings
        Trial settings that can show it.
    compute
        ``compute(data, arm, censoring) -> Survival``.
    """

    name: str
    label: str
    unit: str
    description: str
    settings: tuple[str, ...]
    compute: Callable[..., Survival] = field(repr=False)


def _declare(name: str, label: str, description: str, compute: Callable[..., Survival]) -> Endpoint:
    return Endpoint(name, label, "month", description, ENDPOINT_SETTINGS[name], compute)


_MRECIST: dict[str, Any] = {"progression": "mrecist_progression_time"}

ENDPOINTS: tuple[Endpoint, ...] = (
    _declare("os", "Overall survival", "Death from any cause.", overall_survival),
    _declare(
        "css",
        "Cancer-specific survival",
        "Death from the tumour, by way of the liver too; liver failure without it and other causes compete and are"
        " censored.",
        cancer_specific_survival,
    ),
    _declare(
        "rfs",
        "Recurrence-free survival",
        "Recurrence or death from any cause; others censored at the last tumour assessment.",
        first_of_progression_and_death,
    ),
    _declare(
        "ttr",
        "Time to recurrence",
        "Recurrence; death without recurrence competes and is censored at death.",
        time_to_progression,
    ),
    _declare(
        "ttr_paper",
        "Time to recurrence (paper's definition)",
        "Recurrence, after leaving out the patients who died without recurrence.",
        time_to_recurrence_of_paper,
    ),
    _declare(
        "pfs",
        "Progression-free survival",
        "RECIST 1.1 progression or death from any cause; others censored at the last tumour assessment.",
        first_of_progression_and_death,
    ),
    _declare(
        "ttp",
        "Time to progression",
        "RECIST 1.1 progression; death without progression competes and is censored at death.",
        time_to_progression,
    ),
    _declare(
        "pfs_mrecist",
        "Progression-free survival (mRECIST)",
        "mRECIST progression or death from any cause; others censored at the last tumour assessment.",
        partial(first_of_progression_and_death, **_MRECIST),
    ),
    _declare(
        "ttp_mrecist",
        "Time to progression (mRECIST)",
        "mRECIST progression; death without progression competes and is censored at death.",
        partial(time_to_progression, **_MRECIST),
    ),
    _declare(
        "resistance",
        "Freedom from resistance",
        "Drug-resistant cells become the majority (known to the simulation only); death before it competes.",
        time_to_resistance,
    ),
    _declare(
        "resistant_regrowth",
        "Freedom from resistant regrowth",
        "Drug-resistant cells exceed half the viable cells at entry (known to the simulation only); death before it"
        " competes.",
        partial(time_to_resistance, crossing="resistant_regrowth_time"),
    ),
)

_BY_NAME = {declared.name: declared for declared in ENDPOINTS}
if tuple(_BY_NAME) != tuple(ENDPOINT_SETTINGS):
    raise TypeError("params.targets.ENDPOINT_SETTINGS and endpoints.ENDPOINTS name different end points")


def endpoint(name: str) -> Endpoint:
    """The declaration of one end point.

    Raises
    ------
    KeyError
        No such end point; the message lists the names.
    """
    if name not in _BY_NAME:
        raise KeyError(f"{name!r} is no end point; known: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def endpoints_of(setting: str) -> tuple[Endpoint, ...]:
    """End points that a trial of this setting can show."""
    return tuple(declared for declared in ENDPOINTS if setting in declared.settings)


def outcome(data: TrialData, name: str, arm: str | int, censoring: Censoring = "last_assessment") -> Survival:
    """One end point of one arm.

    Parameters
    ----------
    name
        A name of `ENDPOINTS`.
    arm
        Arm name or its place.
    censoring
        Of patients free of recurrence or progression: at their ``last_assessment``
        (usual) or at the end of ``follow_up``. Deaths are not assessed at visits, so
        os, css, resistance and resistant_regrowth do not depend on it.

    Raises
    ------
    KeyError
        No such end point or arm.
    ValueError
        The setting of the trial cannot show it.
    """
    declared = endpoint(name)
    if data.setting not in declared.settings:
        fitting = ", ".join(other.name for other in endpoints_of(data.setting))
        raise ValueError(f"{name} is no end point of an {data.setting} trial; those are {fitting}")
    if isinstance(arm, str):
        if arm not in data.arms:
            raise KeyError(f"{arm!r} is no arm; the arms are {', '.join(data.arms)}")
        arm = data.arms.index(arm)
    return declared.compute(data, arm, censoring)
