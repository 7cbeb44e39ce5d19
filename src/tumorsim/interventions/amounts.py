"""How much, and until when: doses of drugs and of cells, and the end of a course."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from tumorsim.interventions.base import Floats, Recipients
from tumorsim.units import format_quantity, parse_quantity

Per = Literal["patient", "kg", "m2"]
DRUG_EXAMPLES = ("400 mg", "15 mg/kg", "50 mg/m2")
CELL_EXAMPLES = ("6.4e9 cells", "4.65e6 cells/kg")


@dataclass(frozen=True)
class _Kind:
    """One way to say a dose: its dimension, its unit for people, and the most that is believed."""

    dimension: str
    unit: str
    most: float


# The ceilings are far beyond any dose given to a person; they stop a slip of the unit.
_DRUG: dict[Per, _Kind] = {
    "patient": _Kind("mass", "mg", 1e5),
    "kg": _Kind("mass_per_weight", "mg/kg", 1e3),
    "m2": _Kind("mass_per_area", "mg/m2", 1e4),
}
_CELL: dict[Per, _Kind] = {
    "patient": _Kind("cells", "cells", 1e13),
    "kg": _Kind("cells_per_weight", "cells/kg", 1e11),
}


@dataclass(frozen=True)
class Dose:
    """An amount, flat or by size of the patient; equal when the amounts are equal.

    Attributes
    ----------
    amount
        mg or cells, per patient, kg or m².
    per
        What it is multiplied by.
    unit
        Unit of ``amount`` for people: ``mg``, ``mg/kg``, ``mg/m2``, ``cells`` or ``cells/kg``.
    text
        What the user wrote; kept for the round trip.
    """

    amount: float
    per: Per
    unit: str
    text: str = field(compare=False)

    def for_each(self, patients: Recipients) -> Floats:
        """Amount for each patient in mg or cells. Shape (n,)."""
        if self.per == "kg":
            return self.amount * patients.weight
        if self.per == "m2":
            return self.amount * patients.body_surface
        return np.full(patients.size, self.amount)


def _read_dose(raw: object, kinds: dict[Per, _Kind], examples: tuple[str, ...]) -> Dose:
    if isinstance(raw, Dose):
        return raw
    advice = "e.g. " + " or ".join(f'"{example}"' for example in examples)
    if not isinstance(raw, str) or len(raw) > 80:
        raise ValueError(f"a dose must be a number with a unit, {advice}")
    # spellings that the unit library lacks, or that would make it load for nothing
    text = re.sub(r"/ ?m ?(?:2|²|\^2|\*\*2)$", "/m**2", raw.strip()).replace("cells", "cell")
    per: Per = "kg" if re.search(r"/ ?kg$", text) else "m2" if text.endswith("/m**2") else "patient"
    kind = kinds.get(per)
    if kind is None:
        raise ValueError(f'"{raw[:40]}" is no dose of this kind, write {advice}')
    try:
        amount = parse_quantity(text, kind.dimension)
    except ValueError as error:
        raise ValueError(f'"{raw[:40]}" is no dose: a dose must be a number with a unit, {advice}') from error
    if not 0.0 <= amount <= kind.most:
        raise ValueError(f'"{raw[:40]}" must lie between 0 and {kind.most:g} {kind.unit}, {advice}')
    return Dose(amount, per, kind.unit, raw)


def read_drug_dose(raw: object) -> Dose:
    """Read ``400 mg``, ``15 mg/kg`` or ``50 mg/m2``.

    Raises
    ------
    ValueError
        Anything else, a negative or an absurdly large dose.
    """
    return _read_dose(raw, _DRUG, DRUG_EXAMPLES)


def read_cell_dose(raw: object) -> Dose:
    """Read ``6.4e9 cells`` or ``4.65e6 cells/kg``.

    Raises
    ------
    ValueError
        Anything else, a negative or an absurdly large dose.
    """
    return _read_dose(raw, _CELL, CELL_EXAMPLES)


def read_cell_dose_or_harvest(raw: object) -> Dose | Literal["harvest"]:
    """Read a dose of cells, or ``harvest`` for all that the manufacture yields.

    Raises
    ------
    ValueError
        As `read_cell_dose`.
    """
    return "harvest" if raw == "harvest" else read_cell_dose(raw)


Until = float | Literal["progression", "end"]


def read_until(raw: object) -> Until:
    """Read ``progression``, ``end`` or a duration, in days.

    Raises
    ------
    ValueError
        Anything else, or a duration that is not above zero.
    """
    if raw == "progression" or raw == "end":
        return raw
    examples = 'write "progression", "end" or how long from its start, e.g. "60 week"'
    if isinstance(raw, float) and math.isfinite(raw) and raw > 0.0:  # a default, or an already read value
        return raw
    if not isinstance(raw, str):
        raise ValueError(f"the end of a treatment cannot be read: {examples}")
    try:
        days = parse_quantity(raw, "duration")
    except ValueError as error:
        raise ValueError(f'"{raw[:40]}" is no end of a treatment: {examples}') from error
    if not days > 0.0:
        raise ValueError(f'"{raw[:40]}" must be above zero: {examples}')
    return days


def _until_text(until: Until) -> str:
    return until if isinstance(until, str) else format_quantity(until, "duration")


def last_day(start: float, until: Until, horizon: float) -> float:
    """Day from randomisation on which a course ends at the latest, progression apart."""
    return min(horizon, start + until) if isinstance(until, float) else horizon


def _text(read: Dose | Literal["harvest"]) -> str:
    return read if isinstance(read, str) else read.text


def _schema(description: str, examples: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, "examples": list(examples)})


DrugDose = Annotated[
    Dose,
    PlainValidator(read_drug_dose, json_schema_input_type=str),
    PlainSerializer(_text, return_type=str),
    _schema("One dose, flat, per kg or per m².", DRUG_EXAMPLES),
]
CellDose = Annotated[
    Dose,
    PlainValidator(read_cell_dose, json_schema_input_type=str),
    PlainSerializer(_text, return_type=str),
    _schema("Number of cells, flat or per kg.", CELL_EXAMPLES),
]
InfusedDose = Annotated[
    Dose | Literal["harvest"],
    PlainValidator(read_cell_dose_or_harvest, json_schema_input_type=str),
    PlainSerializer(_text, return_type=str),
    _schema("Cells of one infusion, flat or per kg, or `harvest` for all that was made.", (*CELL_EXAMPLES, "harvest")),
]
CourseEnd = Annotated[
    Until,
    PlainValidator(read_until, json_schema_input_type=str),
    PlainSerializer(_until_text, return_type=str),
    _schema("`progression`, `end` (of the study) or how long from its start.", ("progression", "end", "60 week")),
]
