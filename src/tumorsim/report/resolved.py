"""What the page takes from the resolved scenario: parameters by status, settings, arms in words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tumorsim.figures.style import scientific
from tumorsim.units import MONTH, YEAR

STATUSES = ("fitted", "measured", "assumed")
# source that `tumorsim.params.base.quantity` gives an effect nobody asked for
ABSENT = "default: the effect is absent"
# parts of a scenario whose bare numbers are settings of the study
STUDY_PARTS = ("population", "trial", "after_progression")
# keys of a mapping whose entry is a definition of the library, known by its own name
_DEFINITIONS = ("drug", "infusion", "tace", "resection", "ablation")


class ReportError(ValueError):
    """A page that cannot be made; the message says why."""


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of the resolved scenario.

    Attributes
    ----------
    path
        Where it stands, e.g. ``growth.growth_rate`` or ``sorafenib.clearance``.
    place
        The whole path in the scenario.
    value, range, interval
        With units; range and 90% interval may be empty.
    cv
        Coefficient of variation between patients in percent; may be empty.
    source, status, note
        As declared.
    """

    path: str
    place: str
    value: str
    range: str
    interval: str
    cv: str
    source: str
    status: str
    note: str


def read_scenario(text: str) -> dict[str, Any]:
    """The resolved scenario as plain mappings; empty when there is no text.

    Raises
    ------
    ReportError
        The text is no JSON mapping.
    """
    if not text.strip():
        return {}
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise ReportError(
            "the resolved scenario is no JSON mapping; it is the text at scenario/resolved of a result file"
        )
    return plain


def parameters(scenario: Mapping[str, Any]) -> list[ParameterRow]:
    """Every parameter once: those of the disease, of the treatments, of the rest.

    A definition that several treatments share is listed under its own name; where two
    of the same name differ, each stands at its whole path.
    """
    rows: dict[str, ParameterRow] = {}
    order = [*(key for key in ("disease", "arms") if key in scenario), *scenario]
    for key in dict.fromkeys(order):
        for row in _walk(scenario[key], key, ""):
            seen = rows.get(row.path)
            if seen is not None and replace(seen, place="") != replace(row, place=""):
                row = replace(row, path=row.place)
            rows.setdefault(row.path, row)
    return list(rows.values())


def _walk(node: Any, place: str, short: str) -> Iterator[ParameterRow]:
    if isinstance(node, dict):
        if {"value", "source", "status"} <= set(node):
            yield _row(short or place, place, node)
            return
        for key, child in node.items():
            named = child.get("name") if key in _DEFINITIONS and isinstance(child, dict) else None
            inner = str(named) if named else f"{short}.{key}" if short else ""
            if place == "disease":
                inner = str(key)
            yield from _walk(child, f"{place}.{key}", inner)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _walk(child, f"{place}[{index}]", f"{short}[{index}]" if short else "")


def _row(path: str, place: str, found: dict[str, Any]) -> ParameterRow:
    cv = found.get("cv") or 0.0
    return ParameterRow(
        path=path,
        place=place,
        value=tidy(found["value"]),
        range=between(found.get("range") or [], found["value"]),
        interval=between(found.get("interval") or [], found["value"]),
        cv=f"{100.0 * float(cv):.0f}%" if isinstance(cv, int | float) and cv else "",
        source=str(found["source"]),
        status=str(found["status"]),
        note=str(found.get("note") or ""),
    )


def settings(scenario: Mapping[str, Any], parts: Sequence[str] = STUDY_PARTS) -> list[tuple[str, str]]:
    """Settings of the study that are no parameters: who the patients are, how the trial was made."""
    return [pair for part in parts for pair in _settings(scenario.get(part), part)]


def _settings(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if {"value", "source", "status"} <= set(node):
            return
        for key, child in node.items():
            yield from _settings(child, f"{path}.{key}")
    elif isinstance(node, list):
        if node:
            yield path, ", ".join(duration(one) for one in node)
    elif node not in (None, ""):
        yield path, duration(node)


def tidy(quantity: object) -> str:
    """A quantity as people write it: ``0.0085 1/day``, ``2.06 × 10⁸ cell/mL``, ``21 mm``; other texts as they are."""
    number, unit = _split(quantity)
    if number is None:
        return str(quantity)
    if unit == "um" and abs(number) >= 1000.0:
        number, unit = number / 1000.0, "mm"
    return f"{scientific(number, 4)} {unit}".strip()


def duration(quantity: object) -> str:
    """A duration in months once it is longer than two: ``30 months`` for ``913.125 day``."""
    number, unit = _split(quantity)
    if number is None or unit != "day":
        return tidy(quantity)
    if abs(number) < 2.0 * MONTH:
        return f"{number:.4g} {'day' if number == 1.0 else 'days'}"
    return f"{number / MONTH:.4g} months"


def between(ends: Sequence[object], value: object) -> str:
    """A range; the unit is left out where it is that of the value: ``0.0023–0.06``."""
    shown, (_, unit) = [tidy(end) for end in ends], _split(value)
    if all(_split(end)[1] == unit for end in ends):
        last = tidy(value).rpartition(" ")[2] if unit else ""
        shown = [text.removesuffix(last).strip() for text in shown]
    return "–".join(shown)


def _split(quantity: object) -> tuple[float | None, str]:
    """Number and unit of a resolved quantity; no number for other texts."""
    if isinstance(quantity, bool):
        return None, ""
    text, _, unit = str(quantity).partition(" ")
    try:
        number = float(text)
    except ValueError:
        return None, ""
    return (number, unit) if math.isfinite(number) else (None, "")


def yearly(rate: object) -> str:
    """A hazard such as ``2.7e-05 1/day`` as the share it takes in a year: ``1.0% a year``."""
    text, _, unit = str(rate).partition(" ")
    if unit != "1/day":
        return str(rate)
    return f"{-100.0 * math.expm1(-YEAR * float(text)):.1f}% a year"


_UNITS = {"d": "day", "w": "week", "mo": "month", "y": "year"}
_REPEATED = re.compile(r"\b(?:(?P<count>\d+) x )?q(?P<every>\d*)(?P<unit>mo|d|w|y)\b(?: x (?P<after>\d+))?")


def in_words(text: str) -> str:
    """A schedule without its shorthand: ``4 x q2w`` is ``4 times every 2 weeks``."""

    def spoken(match: re.Match[str]) -> str:
        count, every, unit = match["count"] or match["after"], match["every"] or "1", _UNITS[match["unit"]]
        when = f"every {unit}" if every == "1" else f"every {every} {unit}s"
        return f"{count} times {when}" if count else when

    return _REPEATED.sub(spoken, text)


def treatments(scenario: Mapping[str, Any], arm: str) -> list[str]:
    """One line a treatment of an arm, as the command line says it, schedules spelt out."""
    for declared in scenario.get("arms") or []:
        if isinstance(declared, dict) and declared.get("name") == arm:
            return [_describe(raw) for raw in declared.get("treatments") or []] or ["no treatment in the trial"]
    return ["not described in the scenario"]


def _describe(raw: Any) -> str:
    from pydantic import TypeAdapter, ValidationError

    from tumorsim.interventions.treatment import Treatment

    try:
        return in_words(TypeAdapter(Treatment).validate_python(raw).describe())
    except (ValidationError, ValueError):
        # a treatment that this version no longer knows: the mapping in words
        return _plain_description(raw)


def _plain_description(raw: Any) -> str:
    if not isinstance(raw, dict):
        return str(raw)
    parts = []
    for key, value in raw.items():
        if isinstance(value, dict):
            value = value.get("label") or value.get("name") or value.get("value") or "…"
        if not isinstance(value, list) and value not in (None, ""):
            parts.append(f"{key.replace('_', ' ')}: {value}")
    return ", ".join(parts)
