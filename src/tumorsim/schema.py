"""JSON Schemas of scenario files, for editors: completion, descriptions, units, examples.

Generated from the blocks, then brought from what the models hold to what people
write: quantities as text, library names, ``base``, ``extends`` and protocols.
It is looser than `tumorsim.scenario.load` where a file may leave out what another
gives (``extends``), and never stricter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from tumorsim import library
from tumorsim.fields import LIBRARY, bounds_of, is_block, options, unit_of
from tumorsim.interventions.base import Intervention
from tumorsim.params.base import Process, Unit, example_quantity, quantity_schema
from tumorsim.params.targets import ENDPOINT_SETTINGS
from tumorsim.scenario import Scenario
from tumorsim.spatial_scenario import SpatialScenario
from tumorsim.study import Arm, Study
from tumorsim.units import DIMENSIONS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]


def json_schema() -> Json:
    """JSON Schema (Draft 2020-12) that every valid scenario file of a trial keeps."""
    schema = _schema_of(Scenario)
    schema["properties"]["endpoints"]["items"] = {"type": "string", "enum": list(ENDPOINT_SETTINGS)}
    return _root(schema, Scenario, "tumorsim scenario")


def spatial_json_schema() -> Json:
    """JSON Schema (Draft 2020-12) that every valid spatial scenario file keeps."""
    return _root(_schema_of(SpatialScenario), SpatialScenario, "tumorsim spatial scenario")


def _schema_of(root: type[Study]) -> Json:
    schema = root.model_json_schema(mode="validation")
    definitions: dict[str, Json] = schema["$defs"]
    inside_lists = {block.__name__ for block in _blocks_in_lists(root)}
    blocks: set[type[BaseModel]] = {root, *_blocks(root)}
    for block in blocks:
        target = schema if block is root else definitions.get(block.__name__)
        if target is None:  # a block that another schema replaces
            continue
        _describe(block, target)
        if block.__name__ not in inside_lists or block in LIBRARY or issubclass(block, Process):
            target.pop("required", None)
    named = {unit_of(field) for block in blocks for field in block.model_fields.values()}
    definitions |= {
        f"{dimension}_parameter": _parameter_of(dimension) for dimension in DIMENSIONS if dimension in named
    }
    definitions["protocol"] = _protocol()
    treatments = definitions[Arm.__name__]["properties"]["treatments"]
    treatments["items"] = {"anyOf": [*_members(treatments["items"]), {"$ref": "#/$defs/protocol"}]}
    return schema


def _root(schema: Json, root: type[Study], title: str) -> Json:
    files = {"type": "string", "pattern": r"\.ya?ml$"}
    schema["properties"]["extends"] = {
        "description": "Files, relative to this one, that this file is laid over.",
        "anyOf": [files, {"type": "array", "items": files}],
        "examples": ["parts/design.yaml"],
    }
    required = [name for name, field in root.model_fields.items() if field.is_required()]
    schema["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    return {"$schema": DRAFT, "title": title, **{k: v for k, v in schema.items() if k != "title"}}


def _members(items: Json) -> list[Json]:
    """Schemas of the treatments, whichever way the union was written."""
    return list(items.get("oneOf") or items.get("anyOf") or [items])


def _protocol() -> Json:
    return {
        "type": "object",
        "description": "A treatment of the library; other keys change it.",
        "properties": {"protocol": {"type": "string", "enum": list(library.names("protocols"))}},
        "required": ["protocol"],
    }


# --- walking the blocks -----------------------------------------------------------


def _blocks(block: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Every block class beneath ``block``."""
    for field in block.model_fields.values():
        for child in _classes(field.annotation):
            yield child
            yield from _blocks(child)


def _blocks_in_lists(block: type[BaseModel], inside: bool = False) -> Iterator[type[BaseModel]]:
    """Block classes that stand in a list: a list is replaced as a whole, so its items are complete."""
    for field in block.model_fields.values():
        listed = inside or any(option not in (None,) and not is_block(option) for option in options(field.annotation))
        for child in _classes(field.annotation):
            if listed:
                yield child
            yield from _blocks_in_lists(child, listed)


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    import typing

    for option in options(annotation):
        if is_block(option):
            yield option
        else:
            for argument in typing.get_args(option):
                if argument is not Ellipsis:
                    yield from _classes(argument)


# --- one block --------------------------------------------------------------------


def _describe(block: type[BaseModel], target: Json) -> None:
    """Bring the properties of a block to what people write."""
    for name, field in block.model_fields.items():
        shown: Json = target["properties"][name]
        shown.pop("title", None)
        dimension = unit_of(field)
        if issubclass(block, Process) and name in block.names():
            target["properties"][name] = _parameter(field)
        elif dimension is not None:
            shown |= {"examples": field.examples or [_example(dimension, bounds_of(field))]}
            shown["description"] = f"{shown.get('description', '')} Unit: {DIMENSIONS[dimension].internal}.".strip()
            if isinstance(shown.get("default"), float):
                shown["default"] = Unit(dimension).write(shown["default"])
        kind = next((LIBRARY[option] for option in options(field.annotation) if option in LIBRARY), None)
        if kind is not None:
            target["properties"][name] = _entry(kind, shown)
    if block in LIBRARY:
        target["properties"]["base"] = {"description": "Entry to start from.", **_names(LIBRARY[block])}
    if issubclass(block, Intervention):
        target["required"] = [key for key in target.get("required", []) if key in block.model_fields]


def _example(dimension: str, bounds: Json) -> Any:
    text = example_quantity(dimension, bounds)
    return float(text) if dimension == "dimensionless" else text


def _names(kind: str) -> Json:
    return {"type": "string", "enum": list(library.names(kind))}


def _entry(kind: str, shown: Json) -> Json:
    """A name of the library, or the entry written out or changed in place."""
    members = shown.pop("anyOf", None) or [{"$ref": shown.pop("$ref")}]
    return {"anyOf": [_names(kind), *members], **shown}


def _parameter(field: Any) -> Json:
    extra = field.json_schema_extra
    dimension = extra["dimension"]
    return {
        "description": f"{field.description} Symbol {extra['symbol']}, unit {DIMENSIONS[dimension].internal}.",
        "examples": [_example(dimension, bounds_of(field))],
        "$ref": f"#/$defs/{dimension}_parameter",
    }


def _parameter_of(dimension: str) -> Json:
    """A quantity, or a mapping with value, range, cv, source and status."""
    number = quantity_schema(dimension)
    ends: Json = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    keys: Json = {
        "value": number,
        "range": {"anyOf": [ends, {"type": "null"}], "description": "Plausible values, the lower end first."},
        "interval": {"anyOf": [ends, {"type": "null"}], "description": "90 % posterior interval of a fitted value."},
        "cv": {**quantity_schema("dimensionless"), "description": "Coefficient of variation between patients."},
        "source": {"type": "string", "description": "Where the value stands."},
        "status": {"enum": ["measured", "fitted", "assumed"]},
        "note": {"type": "string"},
    }
    return {"anyOf": [number, {"type": "object", "properties": keys, "additionalProperties": False}]}
