"""What the validation says, in our words: place, rule, example.

No sentence of pydantic reaches a user. Errors that one slip causes many times (a
mapping that should have named a library entry, the members of a union) become one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from tumorsim import library
from tumorsim.fields import Place, description_of, example_of, has, is_block, options, place_of, unit_of, value_at
from tumorsim.references import library_kind
from tumorsim.units import DIMENSIONS
from tumorsim.yamlio import Node, Problem, Route, problem_at

Details = Mapping[str, Any]

# so that a file full of slips costs no more than one with many
MAX_PROBLEMS: Final = 200


def problems_of(error: ValidationError, root: Node, cls: type[BaseModel]) -> list[Problem]:
    """One problem for each place that the validation refused.

    Parameters
    ----------
    error
        What validating the plain tree of ``root`` as ``cls`` raised.
    root
        Tree with places.
    cls
        Class of the scenario.
    """
    plain = root.plain()
    found: dict[Route, Details] = {}
    for each in error.errors(include_url=False):
        details: Details = dict(each)
        route = _route(details, plain)
        if details["type"] == "too_short" and value_at(plain, *route):
            continue  # items are there; the faulty ones are reported and were not counted
        found.setdefault(route, details)
    found = _without_repeats(found, plain, cls)
    problems = []
    for route, details in islice(found.items(), MAX_PROBLEMS):
        message = _message(details, route, plain, cls)
        problems.append(problem_at(root, route, message, at_key=details["type"] in ("extra_forbidden", "no_key")))
    return problems


def _route(details: Details, plain: object) -> Route:
    """The location as a path of the file: without the names of union members and treatments."""
    route: list[str | int] = []
    location = details["loc"]
    for place, part in enumerate(location):
        last = place == len(location) - 1
        if has(plain, part):
            plain = value_at(plain, part)
        elif not (last and details["type"] == "missing"):
            continue
        route.append(part)
    return tuple(route)


def _without_repeats(found: dict[Route, Details], plain: object, cls: type[BaseModel]) -> dict[Route, Details]:
    """Many missing keys of a block that the library could give become one error."""
    kept: dict[Route, Details] = {}
    lacking: dict[Route, list[str]] = {}
    for route, details in found.items():
        home = _library_home(route, plain, cls) if details["type"] == "missing" else None
        if home is None:
            kept[route] = details
        else:
            lacking.setdefault(home, []).append(".".join(str(part) for part in route[len(home) :]))
    for home, keys in lacking.items():
        kept[home] = {"type": "lacking", "ctx": {"keys": keys}}
    return kept


def _library_home(route: Route, plain: object, cls: type[BaseModel]) -> Route | None:
    for size in range(len(route) - 1, 0, -1):
        if library_kind(place_of(cls, plain, route[:size])) is not None:
            return route[:size]
    return None


def _message(details: Details, route: Route, plain: object, cls: type[BaseModel]) -> str:
    kind = details["type"]
    place = place_of(cls, plain, route)
    context = details.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown_key(str(route[-1]), place_of(cls, plain, route[:-1]), value_at(plain, *route[:-1]), cls)
    if details.get("loc", ())[-1:] == ("[key]",):
        return _unknown_of(str(route[-1]), "key", _literals(context.get("expected", "")))
    if kind == "lacking":
        return _lacking(context["keys"], library_kind(place) or "")
    if kind in _BOUNDS:
        return _out_of_bounds(kind, context, value_at(plain, *route), place)
    for start, say in _SAYINGS:
        if kind.startswith(start):
            return say(place, context, value_at(plain, *route))
    return f"cannot be read{_hint(place)}"


# --- single messages ---------------------------------------------------------------


def _hint(place: Place) -> str:
    """Description and example of a place, to end a message with."""
    example, description = example_of(place), description_of(place).rstrip(".")
    said = f" ({description})" if description else ""
    return f'{said}, e.g. "{example}"' if example else said


def _shown(raw: object) -> str:
    text = str(raw)[:41]
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _keys(block: type[BaseModel] | None) -> list[str]:
    return list(block.model_fields) if block is not None else []


def _unknown_key(key: str, parent: Place, raw: object, cls: type[BaseModel]) -> str:
    known = _keys(parent.block_for(raw))
    if library_kind(parent) is not None:
        known = ["base", *known]
    if parent.annotation is cls:
        known = [*known, "extends"] if getattr(cls, "EXTENDS", True) else known
        elsewhere = getattr(cls, "ELSEWHERE", {}).get(key)
        if elsewhere is not None:
            return f'"{key}" belongs to {elsewhere}; valid here are {", ".join(known)}'
    homes = [f"{path}.{key}" for path, block in _blocks(cls) if key in block.model_fields]
    if homes and not library.suggestion(key, known, cutoff=0.8):
        return f'"{_shown(key)}" is no key here (did you mean {homes[0]}?); valid are {", ".join(known)}'
    return _unknown_of(key, "key", known)


def _blocks(cls: type[BaseModel], prefix: str = "", depth: int = 2) -> Iterable[tuple[str, type[BaseModel]]]:
    for name, field in cls.model_fields.items():
        for option in options(field.annotation):
            if is_block(option):
                yield prefix + name, option
                if depth > 1:
                    yield from _blocks(option, f"{prefix}{name}.", depth - 1)


def _unknown_of(key: str, what: str, known: list[str]) -> str:
    near = library.suggestion(key, known)
    return f'"{_shown(key)}" is no {what} here{near}; valid are {", ".join(known)}'


def _literals(expected: str) -> list[str]:
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]


def _lacking(keys: list[str], kind: str) -> str:
    shown = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
    example = library.EXAMPLE.get(kind, "")
    start = f"; start from a {library.SINGULAR[kind]} of the library with base: {example}" if example else ""
    return f"lacks {shown}{start}"


_BOUNDS = {"greater_than": ("gt", ">"), "greater_than_equal": ("ge", ">="), "less_than": ("lt", "<")}
_BOUNDS["less_than_equal"] = ("le", "<=")


def _out_of_bounds(kind: str, context: Details, raw: object, place: Place) -> str:
    key, sign = _BOUNDS[kind]
    bound = context[key]
    dimension = unit_of(place.field) if place.field is not None else None
    unit = DIMENSIONS[dimension].internal if dimension else "1"
    limit = f"{bound:g}" if unit == "1" or not bound else f"{bound:g} {unit}"
    example = example_of(place)
    if dimension == "dimensionless" and sign == "<=" and bound == 1 and isinstance(raw, int | float) and 1 < raw <= 100:
        example = f"{raw:g} %"
    return f"{_shown(raw)} must be {sign} {limit}" + (f', e.g. "{example}"' if example else "")


def _missing(place: Place, context: Details, raw: object) -> str:
    return f"is missing{_hint(place)}"


def _text(place: Place, context: Details, raw: object) -> str:
    if isinstance(raw, bool | int | float):
        return f'must be a text; put it in quotes, e.g. "{_shown(raw)}"'
    return f"must be a text{_hint(place)}"


def _whole(place: Place, context: Details, raw: object) -> str:
    return f"{_shown(raw)} must be a whole number, e.g. {example_of(place) or 1}"


def _number(place: Place, context: Details, raw: object) -> str:
    return f"{_shown(raw)} must be a number, e.g. {example_of(place) or 1}"


def _truth(place: Place, context: Details, raw: object) -> str:
    return f"{_shown(raw)} must be true or false"


def _list(place: Place, context: Details, raw: object) -> str:
    said, example = description_of(place).rstrip("."), example_of(place)
    shown = f", e.g. {example if example.startswith('-') else f'[{example}]'}" if example else ""
    return "must be a list" + (f" ({said})" if said else "") + shown


def _mapping(place: Place, context: Details, raw: object) -> str:
    kind = library_kind(place)
    if kind is not None:
        return f"must be the name of a {library.SINGULAR[kind]} or a mapping with base{_hint(place)}"
    keys = _keys(place.blocks[0] if len(place.blocks) == 1 else None)
    return "must be a mapping" + (f" with the keys {', '.join(keys)}" if keys else "")


def _choice(place: Place, context: Details, raw: object) -> str:
    known = _literals(str(context.get("expected", "")))
    near = library.suggestion(str(raw), known)
    return f"{_shown(raw)} must be one of {', '.join(known)}{near}"


def _too_few(place: Place, context: Details, raw: object) -> str:
    return f"must have at least {context.get('min_length', 1)} item{_s(context.get('min_length', 1))}{_hint(place)}"


def _too_many(place: Place, context: Details, raw: object) -> str:
    return f"must have at most {context.get('max_length', '?')} items"


def _s(number: object) -> str:
    return "" if number == 1 else "s"


def _too_long(place: Place, context: Details, raw: object) -> str:
    return f"must have at most {context.get('max_length', '?')} characters{_hint(place)}"


def _too_short(place: Place, context: Details, raw: object) -> str:
    return f"must not be empty{_hint(place)}"


def _pattern(place: Place, context: Details, raw: object) -> str:
    return f'"{_shown(raw)}" does not have the form {context.get("pattern", "")}{_hint(place)}'


_SAYINGS: tuple[tuple[str, Callable[[Place, Details, object], str]], ...] = (
    ("missing", _missing),
    ("string_too_long", _too_long),
    ("string_too_short", _too_short),
    ("string_pattern", _pattern),
    ("string", _text),
    ("int", _whole),
    ("float", _number),
    ("finite", _number),
    ("bool", _truth),
    ("list", _list),
    ("tuple", _list),
    ("too_short", _too_few),
    ("too_long", _too_many),
    ("literal", _choice),
    ("model", _mapping),
    ("dict", _mapping),
    ("mapping", _mapping),
)
