"""A reported figure to compare with: what it is, how large the study was, how much it weighs.

``quantity`` names what is compared: ``rfs.median``, ``os.hr``, ``rfs.hr(0 month,
24 month)``, ``rfs.crude_survival(9 y)``, ``deaths.other_fraction``,
``response.recist.dcr_best`` ... (docs/theory/endpoints.md lists them all). It is
read when the scenario is loaded, so that a slip is reported with its line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema, field_serializer, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from tumorsim.params.base import Block
from tumorsim.params.subgroups import read_subgroup
from tumorsim.units import UnitError, format_quantity, parse_quantity

# Which settings an end point belongs to; `tumorsim.endpoints.ENDPOINTS` has the same names.
ENDPOINT_SETTINGS: dict[str, tuple[str, ...]] = {
    "os": ("adjuvant", "advanced"),
    "css": ("adjuvant", "advanced"),
    "rfs": ("adjuvant",),
    "ttr": ("adjuvant",),
    "ttr_paper": ("adjuvant",),
    "pfs": ("advanced",),
    "ttp": ("advanced",),
    "pfs_mrecist": ("advanced",),
    "ttp_mrecist": ("advanced",),
    "resistance": ("adjuvant", "advanced"),
    "resistant_regrowth": ("advanced",),
}
RESPONSE_STATISTICS = ("orr", "dcr_best", "dcr_confirmed", "cr", "pr", "sd", "pd", "ne")

Scope = Literal["arm", "pooled", "comparison"]


@dataclass(frozen=True)
class Rule:
    """What a statistic is: dimension, whom it is about, how many times it takes.

    ``scope``: ``arm`` needs an arm, ``pooled`` may also be taken over all arms,
    ``comparison`` sets an arm against a reference. ``count``: scales with the
    number of patients. ``fraction``: lies between 0 and 1. ``signed``: may be
    negative.
    """

    dimension: str
    scope: Scope
    times: tuple[int, int] = (0, 0)
    count: bool = False
    fraction: bool = False
    signed: bool = False


ENDPOINT_STATISTICS: dict[str, Rule] = {
    "median": Rule("duration", "arm"),
    "rmst": Rule("duration", "arm", (1, 1)),
    "km_survival": Rule("dimensionless", "arm", (1, 1), fraction=True),
    "crude_survival": Rule("dimensionless", "arm", (1, 1), fraction=True),
    "cumulative_incidence": Rule("dimensionless", "arm", (1, 1), fraction=True),
    "events": Rule("dimensionless", "pooled", count=True),
    "rate": Rule("rate", "pooled"),
    "hr": Rule("dimensionless", "comparison", (0, 2)),
    "rmst_difference": Rule("duration", "comparison", (1, 1), signed=True),
}
OTHER_QUANTITIES: dict[str, Rule] = {
    "deaths": Rule("dimensionless", "pooled", count=True),
    "deaths.tumour": Rule("dimensionless", "pooled", count=True),
    "deaths.other": Rule("dimensionless", "pooled", count=True),
    "deaths.other_fraction": Rule("dimensionless", "pooled", fraction=True),
    "recurrences": Rule("dimensionless", "pooled", count=True),
    "follow_up.median": Rule("duration", "pooled"),
    "infusions.mean": Rule("dimensionless", "arm"),
    "cells.mean": Rule("cells", "arm"),
    "multiple.fraction": Rule("dimensionless", "pooled", fraction=True),
    "diameter.median": Rule("length", "pooled"),
    "matching.pairs": Rule("dimensionless", "arm", count=True),
} | {
    f"response.{criteria}.{name}": Rule("dimensionless", "arm", fraction=True)
    for criteria in ("recist", "mrecist")
    for name in RESPONSE_STATISTICS
}

_QUANTITY = re.compile(r"^(?P<name>[a-z_]+(?:\.[a-z_]+){0,2})(?:\((?P<times>[^()]{0,60})\))?$")


@dataclass(frozen=True)
class Quantity:
    """A quantity read from its text.

    Attributes
    ----------
    subject
        An end point, or the whole name for the others.
    statistic
        A key of `ENDPOINT_STATISTICS`; empty for the others.
    times
        The times in brackets, in days.
    rule
        Dimension, scope, count.
    """

    subject: str
    statistic: str
    times: tuple[float, ...]
    rule: Rule


@lru_cache(maxsize=512)
def read_quantity(text: str) -> Quantity:
    """Quantity that ``text`` names.

    Raises
    ------
    ValueError
        Unknown name, wrong number of times, or a time without unit.
    """
    match = _QUANTITY.match(text.strip()) if len(text) <= 120 else None
    if match is None:
        raise ValueError(f'"{text[:40]}" is not a quantity, e.g. "rfs.median", "rfs.crude_survival(9 y)", "os.hr"')
    name = match["name"]
    if name in OTHER_QUANTITIES:
        subject, statistic, rule = name, "", OTHER_QUANTITIES[name]
    else:
        subject, _, statistic = name.partition(".")
        rule = _endpoint_rule(subject, statistic)
    return Quantity(subject, statistic, _read_times(name, rule, match["times"]), rule)


def _endpoint_rule(subject: str, statistic: str) -> Rule:
    if subject in ENDPOINT_SETTINGS:
        if statistic in ENDPOINT_STATISTICS:
            return ENDPOINT_STATISTICS[statistic]
        hint = _nearest(statistic, ENDPOINT_STATISTICS)
        said = f'the statistic "{statistic}"' if statistic else "no statistic"
        known = ", ".join(ENDPOINT_STATISTICS)
        raise ValueError(f'has {said}; {subject} takes {known}{hint}, e.g. "{subject}.median"')
    whole = f"{subject}.{statistic}" if statistic else subject
    names = [*OTHER_QUANTITIES, *(f"{name}.{kind}" for name in ENDPOINT_SETTINGS for kind in ENDPOINT_STATISTICS)]
    said = f'"{whole}" is unknown{_nearest(whole, names)}'
    raise ValueError(f'{said}; end points are {", ".join(ENDPOINT_SETTINGS)}, e.g. "rfs.median"')


def _nearest(name: str, known: Sequence[str] | dict[str, Rule]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _read_times(name: str, rule: Rule, text: str | None) -> tuple[float, ...]:
    low, high = rule.times
    parts = [part.strip() for part in text.split(",")] if text and text.strip() else []
    if not low <= len(parts) <= high:
        due = {(0, 0): "takes no time", (1, 1): "takes one time", (0, 2): "takes a window or nothing"}[rule.times]
        example = {(0, 0): name, (1, 1): f"{name}(5 y)", (0, 2): f"{name}(0 month, 24 month)"}[rule.times]
        raise ValueError(f'{name} {due}, e.g. "{example}"')
    try:
        times = tuple(parse_quantity(part, "duration") for part in parts)
    except UnitError as error:
        raise ValueError(f"{name}: {error}") from error
    if any(time < 0 for time in times) or (rule.times == (1, 1) and times[0] <= 0):
        raise ValueError(f'{name}: a time must be > 0, e.g. "{name}(5 y)"')
    if len(times) == 2 and times[1] <= times[0]:
        raise ValueError(f'{name}: the window must end after it begins, e.g. "{name}(0 month, 24 month)"')
    return times


_Reported = Annotated[float, WithJsonSchema({"type": ["string", "number"], "examples": ["44 month", 0.72, "25.4 %"]})]


class Target(Block):
    """One reported figure.

    Times are held in days, fractions as fractions, counts as counts; in YAML
    ``44 month``, ``25.4 %``, ``83``.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,31}$", description="Number of the figure, e.g. R-1.")
    quantity: str = Field(description="What is compared, e.g. rfs.median, os.hr, rfs.crude_survival(9 y).")
    arm: str | None = Field(None, max_length=64, description="The arm; in a comparison, the one treated.")
    reference: str | None = Field(None, max_length=64, description="The other arm of a comparison; else the first.")
    reported: _Reported = Field(description="The reported value, with its unit.")
    reported_ci: tuple[_Reported, _Reported] | None = Field(None, description="Reported confidence interval.")
    reported_range: tuple[_Reported, _Reported] | None = Field(None, description="Range that the source gives.")
    tolerance: _Reported | None = Field(None, description="Distance from the reported value that is agreement.")
    analysis: Literal["whole", "matched"] = Field(
        "whole", description="All patients, or the pairs of trial.matching (observational cohorts)."
    )
    subgroup: str | None = Field(
        None, max_length=80, description="Patients it is about.", examples=["platelets < 150 1e3/uL", "cirrhosis = yes"]
    )
    n: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] | None = Field(
        None,
        description="Patients of the study before matching and subgroups: of the arm, then of the reference; of every "
        "arm if none is named. A matched analysis needs both arms.",
    )
    kind: Literal["CAL", "SOFT", "CON", "IN", "Q"] = Field(
        description="Fitted (CAL), fitted loosely (SOFT), shown only (CON), set (IN) or qualitative (Q)."
    )
    weight: Literal["high", "medium", "low"] = Field("medium", description="Evidential weight of the source.")
    source: str = Field(min_length=1, max_length=400, description="Where the figure stands.")
    note: str = Field("", max_length=800)

    @field_validator("quantity")
    @classmethod
    def _check_quantity(cls, text: str) -> str:
        read_quantity(text)
        return text

    @field_validator("subgroup")
    @classmethod
    def _check_subgroup(cls, text: str | None) -> str | None:
        if text is not None:
            read_subgroup(text)
        return text

    @field_validator("n", mode="before", json_schema_input_type=int | list[int] | None)
    @classmethod
    def _one_or_many(cls, raw: object) -> object:
        return (raw,) if isinstance(raw, int) and not isinstance(raw, bool) else raw

    @field_validator("reported", "tolerance", mode="before")
    @classmethod
    def _read_one(cls, raw: object, info: ValidationInfo) -> object:
        return None if raw is None else _in_unit_of(raw, info)

    @field_validator("reported_ci", "reported_range", mode="before")
    @classmethod
    def _read_two(cls, raw: object, info: ValidationInfo) -> object:
        if raw is None:
            return None
        if not isinstance(raw, list | tuple) or len(raw) != 2:
            raise ValueError("must be two values, e.g. [0.54, 0.97]")
        low, high = (_in_unit_of(end, info) for end in raw)
        if not low <= high:
            raise ValueError("the first value must not exceed the second, e.g. [0.54, 0.97]")
        return (low, high)

    @field_serializer("reported", "reported_ci", "reported_range", "tolerance")
    def _write(self, value: Any) -> Any:
        """Text that reads back to the same bits."""
        if value is None:
            return None
        dimension = self.parsed.rule.dimension
        if isinstance(value, tuple):
            return [format_quantity(end, dimension) for end in value]
        return format_quantity(value, dimension)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in _conflicts(self):
            raise ValueError(problem)
        return self

    @property
    def parsed(self) -> Quantity:
        """The quantity, read."""
        return read_quantity(self.quantity)


def _in_unit_of(raw: object, info: ValidationInfo) -> float:
    quantity = info.data.get("quantity")
    if quantity is None:  # its own error is reported already; without it there is no unit to ask for
        return 0.0
    rule = read_quantity(quantity).rule
    try:
        value = parse_quantity(raw, rule.dimension)
    except UnitError as error:
        raise ValueError(str(error)) from error
    if rule.fraction and not 0.0 <= value <= 1.0:
        raise ValueError(f'{value:g} must lie between 0 and 1; a percentage carries its sign, e.g. "25.4 %"')
    if value < 0.0 and not rule.signed:
        raise ValueError(f"{value:g} must not be negative")
    return value


def _conflicts(target: Target) -> list[str]:
    """What is wrong between the keys of one target."""
    rule, name = target.parsed.rule, target.quantity
    problems = []
    if target.arm is None and rule.scope != "pooled":
        problems.append(f'{name} needs an arm, e.g. "arm: cik"')
    if target.reference is not None and rule.scope != "comparison":
        problems.append(f"{name} concerns no reference arm; leave `reference` out")
    if target.arm is not None and target.arm == target.reference:
        problems.append("`arm` and `reference` must be two arms")
    size, matched = len(target.n or ()), target.analysis == "matched"
    if matched and target.n is not None and size != 2:
        problems.append(f"n: matching draws both arms; write the patients of {target.arm or 'each'} and of the other, "
                        "before matching, e.g. [251, 326]")  # fmt: skip
        return problems
    if name == "matching.pairs" and not matched:
        problems.append("matching.pairs belongs to a matched analysis; write `analysis: matched`")
    if target.n is not None and rule.scope == "comparison" and size != 2:
        problems.append(f"n: {name} compares two arms, write the arm's number and the reference's, e.g. [114, 112]")
    if target.n is not None and rule.scope != "comparison" and target.arm is not None and size != 1 and not matched:
        problems.append(f"n: {name} of arm {target.arm} concerns one arm, write one number, e.g. 114")
    if target.n is None and rule.count:
        problems.append(f'n: {name} is a count; write the number of patients it was counted in, e.g. "n: 114"')
    if target.parsed.statistic == "hr" and target.reported <= 0:
        problems.append("reported: a hazard ratio must be > 0, e.g. 0.72")
    for key in ("reported_ci", "reported_range"):
        ends = getattr(target, key)
        if ends is not None and not ends[0] <= target.reported <= ends[1]:
            problems.append(f"{key}: the reported value must lie inside it; one of the three figures is a slip")
    return problems


def target_problems(
    targets: Sequence[Target], arms: Sequence[str], setting: str | None = None
) -> list[tuple[int, str, str]]:
    """What is wrong between targets and the arms of their scenario.

    Parameters
    ----------
    arms
        Arm names; the first is the default reference.
    setting
        ``adjuvant`` or ``advanced``; None skips that check.

    Returns
    -------
    list of (place in ``targets``, key, message)
    """
    found: list[tuple[int, str, str]] = []
    seen: dict[tuple[str | None, ...], int] = {}
    for i, target in enumerate(targets):
        for key in ("arm", "reference"):
            name = getattr(target, key)
            if name is not None and name not in arms:
                hint = _nearest(name, list(arms))
                found.append((i, key, f'"{name}" is no arm{hint}; the arms are {", ".join(arms)}'))
        if target.parsed.rule.scope == "comparison" and target.reference is None and arms and target.arm == arms[0]:
            others = ", ".join(arms[1:])
            found.append((i, "arm", f'"{target.arm}" is the reference; compare another arm with it: {others}'))
        if target.arm is None and target.n is not None and len(target.n) != len(arms):
            found.append((i, "n", f"{target.quantity} over all arms needs one number an arm ({', '.join(arms)})"))
        settings = ENDPOINT_SETTINGS.get(target.parsed.subject)
        if setting is not None and settings is not None and setting not in settings:
            fitting = ", ".join(name for name, where in ENDPOINT_SETTINGS.items() if setting in where)
            found.append((i, "quantity", f"{target.parsed.subject} is no {setting} end point; those are {fitting}"))
        key_of = (target.id, target.quantity, target.arm, target.analysis, target.subgroup)
        if key_of in seen:
            found.append((i, "id", f"{target.id} with this quantity and arm stands already at targets[{seen[key_of]}]"))
        seen.setdefault(key_of, i)
    return found
