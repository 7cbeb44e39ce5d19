"""Quantities with units, in one internal system: day, um, cell, nmol/L, mg.

``parse_quantity("0.8 1/h", "rate")`` gives 19.2 (per day). The text must match
``number unit`` before anything else looks at it, so that hostile arithmetic never
reaches the unit library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any


class UnitError(ValueError):
    """A quantity that cannot be read; the message names rule and example."""


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity.

    Attributes
    ----------
    name
        Name used in error messages and the schema.
    internal
        Unit of the numbers handed to the models.
    example
        A text that parses.
    """

    name: str
    internal: str
    example: str


DIMENSIONS: dict[str, Dimension] = {
    d.name: d
    for d in (
        Dimension("duration", "day", "14 day"),
        Dimension("rate", "1/day", "0.8 1/h"),
        Dimension("length", "um", "21 mm"),
        Dimension("cells", "cell", "6.4e9 cells"),
        Dimension("cell_flux", "cell/day", "1e4 cells/day"),
        Dimension("cell_density", "cell/mL", "2.06e8 cells/mL"),
        Dimension("mass", "mg", "400 mg"),
        Dimension("volume", "L", "213 L"),
        Dimension("tissue_volume", "mL", "500 mL"),
        Dimension("tissue_rate", "1/day/mL", "0.05 1/day/mL"),
        Dimension("clearance", "L/day", "8.13 L/h"),
        Dimension("elimination", "mg/day", "8.81 mg/day"),
        Dimension("concentration", "nmol/L", "90 nmol/L"),
        Dimension("mass_concentration", "mg/L", "8.92 mg/L"),
        Dimension("secretion", "pg/cell/day", "1.1e-4 pg/cell/day"),
        Dimension("vegf", "pg/mL", "2410 pg/mL"),
        Dimension("molar_mass", "g/mol", "464.8 g/mol"),
        Dimension("body_weight", "kg", "65 kg"),
        Dimension("mass_per_weight", "mg/kg", "15 mg/kg"),
        Dimension("mass_per_area", "mg/m**2", "50 mg/m**2"),
        Dimension("cells_per_weight", "cell/kg", "4.65e6 cells/kg"),
        Dimension("platelet_count", "1e3/uL", "150 1e3/uL"),
        Dimension("dimensionless", "1", "0.48"),
    )
}

_QUANTITY = re.compile(
    r"^\s*(?P<number>[+-]?(?:\d{1,15}(?:\.\d{0,17})?|\.\d{1,17})(?:[eE][+-]?\d{1,2})?)"
    r"\s*(?P<unit>%|[A-Za-zµ0-9][A-Za-z0-9µ*/^()\s.]{0,40})?\s*$"
)


@cache
def _registry() -> Any:
    import pint

    registry = pint.UnitRegistry()
    registry.define("cell = [cell]")
    registry.define("@alias cell = cells")
    return registry


@cache
def _factor(unit: str, internal: str) -> float:
    """Factor from ``unit`` to ``internal``; raises UnitError when incompatible."""
    if unit == internal:
        return 1.0
    registry = _registry()
    try:
        return float(registry.Quantity(1.0, unit).to(internal).magnitude)
    except Exception as error:
        raise UnitError(str(error)) from error


def parse_quantity(text: object, dimension: str) -> float:
    """Number of ``text`` in the internal unit of ``dimension``.

    Parameters
    ----------
    text
        ``"0.8 1/h"``; a bare number only where the dimension is dimensionless.
    dimension
        A key of `DIMENSIONS`.

    Raises
    ------
    UnitError
        No unit where one is due, an unknown unit, or a wrong dimension.
    """
    kind = DIMENSIONS[dimension]
    if isinstance(text, bool):
        raise UnitError(f'must be a quantity, e.g. "{kind.example}"')
    if isinstance(text, int | float):
        if dimension == "dimensionless":
            return float(text)
        raise UnitError(f'{text} has no unit, write e.g. "{kind.example}"')
    if not isinstance(text, str) or len(text) > 80:
        raise UnitError(f'must be a quantity, e.g. "{kind.example}"')
    match = _QUANTITY.match(text)
    if match is None:
        raise UnitError(f'"{text[:40]}" is not a number and a unit, write e.g. "{kind.example}"')
    number, unit = float(match["number"]), (match["unit"] or "").strip()
    if not unit:
        if dimension == "dimensionless":
            return number
        raise UnitError(f'"{text}" has no unit, write e.g. "{kind.example}"')
    if unit == "%":
        if dimension == "dimensionless":
            return number / 100.0
        raise UnitError(f'"{text}" is a percentage where {kind.internal} is due, e.g. "{kind.example}"')
    try:
        return number * _factor(unit, kind.internal)
    except UnitError as error:
        raise UnitError(f'"{text}" cannot be read as {kind.name} ({kind.internal}), e.g. "{kind.example}"') from error


def format_quantity(value: float, dimension: str) -> str:
    """Text that `parse_quantity` reads back to the same bits."""
    internal = DIMENSIONS[dimension].internal
    return repr(float(value)) if internal == "1" else f"{float(value)!r} {internal}"
