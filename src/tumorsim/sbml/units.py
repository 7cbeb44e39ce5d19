"""The units of the model, as SBML defines them, and numbers with a unit in formulas."""

from __future__ import annotations

# units as in `tumorsim.units`: (SBML's base unit, exponent, power of ten, multiplier) each
_DAY = ("second", 1, 0, 86400.0)
_PER_DAY = ("second", -1, 0, 86400.0)
_CELL = ("item", 1, 0, 1.0)
_PER_CELL = ("item", -1, 0, 1.0)
_PER_ML = ("litre", -1, -3, 1.0)
_PER_L = ("litre", -1, 0, 1.0)
_MG = ("gram", 1, -3, 1.0)
_PG = ("gram", 1, -12, 1.0)
UNITS: dict[str, tuple[str, tuple[tuple[str, int, int, float], ...]]] = {
    "1": ("dimensionless", ()),
    "day": ("day", (_DAY,)),
    "1/day": ("per_day", (_PER_DAY,)),
    "cell": ("cell", (_CELL,)),
    "cell/day": ("cell_per_day", (_CELL, _PER_DAY)),
    "cell/mL": ("cell_per_mL", (_CELL, _PER_ML)),
    "mL": ("mL", (("litre", 1, -3, 1.0),)),
    "1/day/mL": ("per_day_per_mL", (_PER_DAY, _PER_ML)),
    "mm": ("mm", (("metre", 1, -3, 1.0),)),
    "mg": ("mg", (_MG,)),
    "mg/day": ("mg_per_day", (_MG, _PER_DAY)),
    "mg/L": ("mg_per_L", (_MG, _PER_L)),
    "L": ("L", (("litre", 1, 0, 1.0),)),
    "L/day": ("L_per_day", (("litre", 1, 0, 1.0), _PER_DAY)),
    "nmol/L": ("nmol_per_L", (("mole", 1, -9, 1.0), _PER_L)),
    "nmol/mmol": ("nmol_per_mmol_unit", (("mole", 1, -9, 1.0), ("mole", -1, -3, 1.0))),
    "g/mol": ("g_per_mol", (("gram", 1, 0, 1.0), ("mole", -1, 0, 1.0))),
    "pg/mL": ("pg_per_mL", (_PG, _PER_ML)),
    "pg/cell/day": ("pg_per_cell_per_day", (_PG, _PER_CELL, _PER_DAY)),
}


def number(value: float, unit: str = "1") -> str:
    """A number in a formula, to the last bit, with its unit."""
    return repr(float(value)) if unit == "1" else f"{float(value)!r} {UNITS[unit][0]}"


def positive(formula: str, unit: str = "1") -> str:
    """The formula, but zero below zero."""
    return f"piecewise({number(0.0, unit)}, ({formula}) < {number(0.0, unit)}, {formula})"
