"""What stands where in a scenario: the class and the field that a path leads to.

Error messages, library names and the JSON Schema all walk the same declarations:
the annotations of the blocks. Nothing here is a second list of keys.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tumorsim.interventions.base import Intervention
from tumorsim.params.base import Process, Unit, example_quantity
from tumorsim.params.cell_product import CellModel
from tumorsim.params.disease import Disease
from tumorsim.params.drug import DrugModel
from tumorsim.params.tace import TaceModel
from tumorsim.params.tissue import TissueModel

LIBRARY: dict[type[BaseModel], str] = {
    Disease: "diseases",
    TissueModel: "tissues",
    DrugModel: "drugs",
    CellModel: "cells",
    TaceModel: "procedures",
}
"""Classes that the library holds, and the folder of each."""


MAX_ITEMS = 500
"""Most items of a list whose declaration sets no limit."""


@dataclass(frozen=True)
class Place:
    """A place in a scenario.

    Attributes
    ----------
    annotation
        Type declared there, without ``Annotated``; None where nothing is declared.
    field
        The field, if the place is a key of a block.
    owner
        The block that has the field.
    """

    annotation: Any
    field: FieldInfo | None = None
    owner: type[BaseModel] | None = None

    @property
    def blocks(self) -> tuple[type[BaseModel], ...]:
        """Block classes that may stand here."""
        return _blocks(self.annotation)

    def block_for(self, raw: object) -> type[BaseModel] | None:
        """Class that ``raw`` means: the only one, or the treatment whose key it has."""
        found = self.blocks
        if len(found) > 1 and isinstance(raw, Mapping):
            found = tuple(b for b in found if issubclass(b, Intervention) and b.KEY in raw)
        return found[0] if len(found) == 1 else None

    def child(self, part: str | int, raw: object) -> Place:
        """Place of a key or item, given what stands here."""
        if isinstance(part, int):
            return Place(_item(self.annotation))
        block = self.block_for(raw)
        place = None if block is None else _keys(block).get(part)
        return Place(_map_value(self.annotation)) if place is None else place


def is_block(annotation: Any) -> bool:
    """Whether an annotation is a class of a scenario."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def options(annotation: Any) -> tuple[Any, ...]:
    """Members of a union, ``Annotated`` taken off; the annotation itself if it is none."""
    return _options(annotation)


# The same few hundred annotations are asked for at every value of a file.
@cache
def _options(annotation: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(option for member in typing.get_args(annotation) for option in _options(member))
    return () if annotation is type(None) else (annotation,)


@cache
def _keys(block: type[BaseModel]) -> dict[str, Place]:
    return {name: Place(field.annotation, field, block) for name, field in block.model_fields.items()}


@cache
def _blocks(annotation: Any) -> tuple[type[BaseModel], ...]:
    return tuple(option for option in _options(annotation) if is_block(option))


def _item(annotation: Any) -> Any:
    for option in options(annotation):
        if typing.get_origin(option) in (list, tuple):
            return typing.get_args(option)[0]
    return None


def _map_value(annotation: Any) -> Any:
    for option in options(annotation):
        if typing.get_origin(option) is dict:
            return typing.get_args(option)[1]
    return None


def place_of(root: type[BaseModel], raw: object, path: tuple[str | int, ...]) -> Place:
    """Declaration at ``path``, where ``raw`` is the plain tree of the scenario."""
    place = Place(root)
    for part in path:
        place = place.child(part, raw)
        raw = value_at(raw, part)
    return place


def longest_list(place: Place) -> int:
    """Most items that a list at ``place`` may have."""
    for option in options(place.annotation):
        items = typing.get_args(option) if typing.get_origin(option) is tuple else ()
        if items and Ellipsis not in items:
            return len(items)
    marks = place.field.metadata if place.field is not None else []
    return next((int(mark.max_length) for mark in marks if hasattr(mark, "max_length")), MAX_ITEMS)


def has(raw: object, part: str | int) -> bool:
    """Whether a plain tree has a key or an item."""
    if isinstance(raw, dict):
        return part in raw
    return isinstance(raw, list) and isinstance(part, int) and 0 <= part < len(raw)


def value_at(raw: Any, *path: str | int) -> Any:
    """What stands at ``path`` in a plain tree; None where there is nothing."""
    for part in path:
        if not has(raw, part):
            return None
        raw = raw[part]
    return raw


def unit_of(field: FieldInfo) -> str | None:
    """Dimension of a quantity; None for a field that is none."""
    for mark in field.metadata:
        if isinstance(mark, Unit):
            return mark.dimension
    extra = field.json_schema_extra
    return str(extra["dimension"]) if isinstance(extra, dict) and "dimension" in extra else None


def bounds_of(field: FieldInfo) -> dict[str, Any]:
    """Bounds ``gt``, ``ge``, ``lt``, ``le`` in internal units."""
    extra = field.json_schema_extra
    found = dict(extra) if isinstance(extra, dict) and "dimension" in extra else {}
    for key in ("gt", "ge", "lt", "le"):
        for mark in field.metadata:
            if getattr(mark, key, None) is not None:
                found[key] = getattr(mark, key)
    return found


def example_of(place: Place) -> str:
    """A text that may stand at ``place``, as it is written in YAML; empty if none is known."""
    field = place.field
    if field is not None:
        dimension = unit_of(field)
        if dimension is not None:
            return _written(field.examples[0]) if field.examples else example_quantity(dimension, bounds_of(field))
        for mark in field.metadata:
            shown = getattr(mark, "json_schema", None)
            if isinstance(shown, dict) and shown.get("examples"):
                return str(shown["examples"][0])
        if field.examples:
            return _written(field.examples[0])
    return _example_of_type(place)


def _example_of_type(place: Place) -> str:
    from tumorsim import library

    for option in options(place.annotation):
        if option in LIBRARY:
            return library.EXAMPLE[LIBRARY[option]]
        if typing.get_origin(option) is Literal:
            return _written(typing.get_args(option)[0])
        if option is bool:
            return "true"
        if option in (int, float):
            return _example_number(place.field, option)
    return ""


def _example_number(field: FieldInfo | None, kind: type) -> str:
    if field is None:
        return "1"
    if isinstance(field.default, kind) and not isinstance(field.default, bool):
        return f"{field.default:g}"
    bounds = bounds_of(field)
    low = bounds.get("ge", bounds.get("gt", 0) + 1 if "gt" in bounds else None)
    return f"{low:g}" if low is not None else "1"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def description_of(place: Place) -> str:
    """One sentence on what stands at ``place``; empty if there is none."""
    return (place.field.description or "") if place.field is not None else ""


def parameters_of(block: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every parameter of a block and the blocks in it, with its dotted path, in order."""
    for name, field in block.model_fields.items():
        for option in options(field.annotation):
            if is_block(option) and issubclass(block, Process) and name in block.names():
                yield prefix + name, field
            elif is_block(option):
                yield from parameters_of(option, f"{prefix}{name}.")
