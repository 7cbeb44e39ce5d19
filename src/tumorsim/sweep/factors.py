"""Factors: paths and values of a sweep file against the scenario they change."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.fields import value_at
from tumorsim.places import routes, setting_path
from tumorsim.sweep.base import Base, Factor
from tumorsim.units import split_quantity
from tumorsim.yamlio import ScenarioError

if TYPE_CHECKING:
    from tumorsim.sweep.config import FactorChoice

TRIED = 24  # values of a list that are tried one by one before anything runs
# what the sweep itself decides, and what no output is read from
NOTHING = ("seed", "name", "title", "description", "targets", "lattice.replicates", "output")
_MUST_QUOTE = ("[", "{", '"', "'")


def read_factor(choice: FactorChoice, base: Base) -> Factor:
    """A factor as the scenario takes it; each value, or both ends, tried in the scenario.

    Raises
    ------
    ValueError
        A path that the scenario does not have, a value that does not fit there, ends in two units.
    """
    plain = json.loads(base.study.resolved_text)
    settings = tuple(path for one in choice.paths for path in _settings(plain, one))
    factor = _with_ends(choice, settings, plain) if choice.values is None else _with_values(choice, settings)
    _try(factor, base)
    return factor


def _settings(plain: dict[str, Any], path: str) -> list[str]:
    """Every place that a path means, as ``--set`` takes it."""
    if any(overlap(path, one) for one in NOTHING):
        raise ValueError(f'"{path}" is nothing to sweep; for other luck give replicates, e.g. replicates: 4')
    bare = path.removesuffix(".value")
    found = [setting_path(plain, route) for route in routes(plain, bare)]
    if not found:
        raise ValueError(f'"{path}" is nothing that the scenario has{_nearest(plain, bare)}')
    return found


def overlap(a: str, b: str) -> bool:
    """Whether one path is the other, or leads into it."""
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


def _nearest(plain: Any, path: str) -> str:
    """Where a path goes astray, and what stands there."""
    here, parts = plain, path.split(".")
    for k, part in enumerate(parts):
        children = _children(here)
        if part in children:
            here = children[part]
            continue
        close = difflib.get_close_matches(part, children, n=1, cutoff=0.5)
        hint = f' (did you mean "{close[0]}"?)' if close else ""
        where = ".".join(parts[:k]) or "the scenario"
        return f"{hint}; {where} has {', '.join(list(children)[:20]) or 'no further keys'}"
    return ""


def _children(here: Any) -> dict[str, Any]:
    """What a part of a path may name: keys, or items by name and by number."""
    if isinstance(here, dict):
        return here
    items = here if isinstance(here, list) else []
    named = {item["name"]: item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
    return named | {str(i): item for i, item in enumerate(items)}


def _with_values(choice: FactorChoice, settings: tuple[str, ...]) -> Factor:
    values = [_text(value) for value in choice.values or ()]
    if len(values) > 1 and len(set(values)) == 1:
        raise ValueError(f"every value is {values[0]}; a factor must change")
    read = [split_quantity(value) for value in values]
    found = [one for one in read if one is not None]
    if len(found) < len(values):
        return Factor(choice.name, choice.title, settings, "", (math.nan,) * len(values), tuple(values))
    units = list(dict.fromkeys(unit for _, unit in found))
    if len(units) > 1:
        told = " and ".join(f'"{unit}"' for unit in units)
        raise ValueError(f"values must be written in one unit, not {told}, e.g. [0 day, 7 day]")
    return Factor(choice.name, choice.title, settings, units[0], tuple(number for number, _ in found), tuple(values))


def _text(value: Any) -> str:
    """A value of a list as the command line takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in _MUST_QUOTE:
        return json.dumps(value)
    return value if isinstance(value, str) else repr(value)


def _with_ends(choice: FactorChoice, settings: tuple[str, ...], plain: Any) -> Factor:
    ends = [split_quantity(_text(end)) for end in (choice.low, choice.high)]
    if ends[0] is None or ends[1] is None:
        raise ValueError("low and high must be numbers with a unit, e.g. low: 1e9 cells")
    (low, unit), (high, other) = ends[0], ends[1]
    if unit != other:
        raise ValueError(f'low and high must be written in one unit, not "{unit}" and "{other}"')
    logarithmic = choice.scale == "log"
    if not low < high:
        raise ValueError(f"low must be below high, not {choice.low} and {choice.high}")
    if logarithmic and low <= 0.0:
        raise ValueError(f"a log scale needs low > 0, not {choice.low}")
    route = routes(plain, settings[0])[0]
    present = value_at(plain, *route)
    whole = isinstance(present, int) and not isinstance(present, bool) and low.is_integer() and high.is_integer()
    factor = Factor(choice.name, choice.title, settings, unit, (), (), (low, high), logarithmic, whole)
    if choice.points is None:
        return factor
    numbers = factor.between(np.linspace(0.0, 1.0, choice.points))
    numbers = np.array([float(f"{x:.12g}") for x in numbers])
    if np.unique(numbers).size < choice.points:
        raise ValueError(f"has no {choice.points} different values between {choice.low} and {choice.high}")
    texts = tuple(factor.text(x) for x in numbers)
    return replace(factor, numbers=tuple(map(float, numbers)), texts=texts)


def _try(factor: Factor, base: Base) -> None:
    """Put values into the scenario one by one, so that a slip is told before anything runs."""
    texts = [factor.text(end) for end in factor.ends] if factor.ends is not None else _some(factor.texts)
    refused: dict[str, str] = {}
    for text in texts:
        try:
            base.at(factor.set(text))
        except ScenarioError as error:
            first = error.problems[0]
            refused[text] = f"{text} does not fit: {first.path or first.file}: {first.message}"
    if refused:
        first_text, *more = refused
        nor = f"; nor {'does' if len(more) == 1 else 'do'} {', '.join(more[:5])}" if more else ""
        raise ValueError(refused[first_text] + nor)


def _some(texts: tuple[str, ...]) -> list[str]:
    distinct = list(dict.fromkeys(texts))
    if len(distinct) <= TRIED:
        return distinct
    return [distinct[round(k)] for k in np.linspace(0, len(distinct) - 1, TRIED)]
