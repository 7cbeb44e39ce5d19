"""Quantities with units, in one internal system: day, um, cell, nmol/L, mg, and mmHg of oxygen.

``parse_quantity("0.8 1/h", "rate")`` gives 19.2 (per day). Text must match
``number unit`` before anything looks at it, and the unit a small grammar of names,
``*``, ``/`` and powers up to 9, so that no arithmetic of a stranger is evaluated.
Factors are exact fractions and a quantity is rounded once: ``2.1 cm`` and
``21 mm`` are the same bits. A name that the table below does not hold is looked
up in pint, one bare name at a time; pint is imported only then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final


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
        Dimension("rate", "1/day", "0.01 1/day"),
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
        Dimension("body_surface", "m**2", "1.73 m**2"),
        Dimension("diffusivity", "um**2/day", "2000 um**2/s"),
        Dimension("pressure", "mmHg", "40 mmHg"),
        Dimension("pressure_rate", "mmHg/day", "15 mmHg/s"),
        Dimension("dimensionless", "1", "0.48"),
    )
}

# Exponents of (time, length, mass, amount, cell); base units day, um, mg, nmol, cell.
_Powers = tuple[int, int, int, int, int]
_NONE: Final[_Powers] = (0, 0, 0, 0, 0)
_TIME: Final[_Powers] = (1, 0, 0, 0, 0)
_LENGTH: Final[_Powers] = (0, 1, 0, 0, 0)
_MASS: Final[_Powers] = (0, 0, 1, 0, 0)
_AMOUNT: Final[_Powers] = (0, 0, 0, 1, 0)
_CELL: Final[_Powers] = (0, 0, 0, 0, 1)
_VOLUME: Final[_Powers] = (0, 3, 0, 0, 0)
_MOLAR: Final[_Powers] = (0, -3, 0, 1, 0)
_PRESSURE: Final[_Powers] = (-2, -1, 1, 0, 0)

YEAR: Final = 365.25  # days
MONTH: Final = YEAR / 12.0
MAX_POWER: Final = 9
MAX_TEXT: Final = 80


@dataclass(frozen=True)
class _Unit:
    """A unit: how many base units it is, exactly, and the powers of the base.

    ``named`` tells mg/kg, where the powers cancel, from a plain number or percentage.
    """

    factor: Fraction
    powers: _Powers
    named: bool = True

    @property
    def kind(self) -> tuple[_Powers, bool]:
        """What must be equal for two units to measure one kind of thing."""
        return self.powers, self.named

    def times(self, other: _Unit, power: int = 1) -> _Unit:
        """Product of this unit with ``other ** power``."""
        time, length, mass, amount, cell = (x + power * y for x, y in zip(self.powers, other.powers, strict=True))
        powers = (time, length, mass, amount, cell)
        return _Unit(self.factor * other.factor**power, powers, self.named or other.named)


_ONE: Final = _Unit(Fraction(1), _NONE, named=False)


def _with_prefixes(names: str, prefixes: dict[str, str], powers: _Powers) -> dict[str, _Unit]:
    """Units for every prefix and every name; factors as text of exact numbers."""
    return {prefix + name: _Unit(Fraction(size), powers) for prefix, size in prefixes.items() for name in names.split()}


def _table() -> dict[str, _Unit]:
    units: dict[str, _Unit] = {}
    times = {
        "s sec second seconds": "1/86400",
        "min minute minutes": "1/1440",
        "h hr hrs hour hours": "1/24",
        "d day days": "1",
        "w wk wks week weeks": "7",
        "mo month months": "1461/48",  # 365.25/12 days
        "y yr yrs year years": "1461/4",  # 365.25 days
    }
    for names, size in times.items():
        units |= _with_prefixes(names, {"": size}, _TIME)
    units |= _with_prefixes("m", {"": "1e6", "d": "1e5", "c": "1e4", "m": "1e3", "u": "1", "n": "1e-3"}, _LENGTH)
    units |= _with_prefixes("g", {"k": "1e6", "": "1e3", "m": "1", "u": "1e-3", "n": "1e-6", "p": "1e-9"}, _MASS)
    amounts = {"": "1e9", "m": "1e6", "u": "1e3", "n": "1", "p": "1e-3", "f": "1e-6"}
    units |= _with_prefixes("mol", amounts, _AMOUNT)
    # mol/L = 1e9 nmol / 1e15 um^3
    molar = {prefix: f"{Fraction(size) / 10**15}" for prefix, size in amounts.items()}
    units |= _with_prefixes("M", molar, _MOLAR)
    litres = {"": "1e15", "d": "1e14", "m": "1e12", "u": "1e9", "n": "1e6", "p": "1e3", "f": "1"}
    units |= _with_prefixes("L l", litres, _VOLUME)
    units |= _with_prefixes("cell cells", {"": "1"}, _CELL)
    pascal = Fraction(86400**2)  # kg/(m s^2) in mg/(um day^2)
    units |= _with_prefixes("Pa", {"": f"{pascal}", "k": f"{1000 * pascal}"}, _PRESSURE)
    units["mmHg"] = _Unit(Fraction("133.322387415") * pascal, _PRESSURE)
    units["%"] = _Unit(Fraction(1, 100), _NONE, named=False)
    return units


_UNITS: Final = _table()

# Typed by hand in many ways; the micro sign and the Greek letter look alike.
_SPELLINGS: Final = str.maketrans("µμ·−⁻¹²³×\u00a0\u202f", "uu*--123x  ")
_SUPERSCRIPT: Final = re.compile(r"(?<=[A-Za-z])(⁻?[¹²³])")

_NUMBER: Final = r"[+-]?(?:\d{1,25}(?:\.\d{0,25})?|\.\d{1,25})(?:[eE][+-]?\d{1,3})?"
_QUANTITY: Final = re.compile(
    rf"^\s*(?P<number>{_NUMBER})(?:\s*x\s*10\^(?P<power>[+-]?\d{{1,2}}))?"
    r"\s*(?P<unit>[%A-Za-z0-9/(][%A-Za-z0-9*/^()\s.+-]{0,60})?\s*$",
    re.ASCII,
)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<name>[A-Za-z]{1,24}|%)|(?P<number>\d{1,9}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?)|(?P<sign>\*\*|[*/^()]))"
)
_POWER: Final = re.compile(r"\s*(?P<power>[+-]?\d{1,60})")
_TIGHT_POWER: Final = re.compile(r"(?P<power>[+-]?\d{1,60})")


@cache
def _pint_unit(name: str) -> _Unit | None:
    """Unit that pint knows by a bare name, in base units; None if it has none.

    The import costs about half a second, so only names outside `_UNITS` come here.
    """
    import pint

    try:
        one = pint.application_registry.Quantity(1.0, name).to_base_units()
        held = dict(one.dimensionality)
    except Exception:  # pint raises many kinds for names that are no plain unit
        return None
    if not held or set(held) - {"[time]", "[length]", "[mass]", "[substance]"}:
        return None  # degC has an offset, dB is a logarithm, pi a constant; ampere has no place here
    exponents = [held.get(key, 0) for key in ("[time]", "[length]", "[mass]", "[substance]")]
    if any(float(e) != int(e) or abs(e) > MAX_POWER for e in exponents):
        return None
    unit = _Unit(Fraction(f"{float(one.magnitude):.15g}"), _NONE)
    # pint's base units: second, metre, kilogram (or gram), mole
    for base, exponent in zip(("s", "m", "kg" if "kilogram" in str(one.units) else "g", "mol"), exponents, strict=True):
        unit = unit.times(_UNITS[base], int(exponent))
    return unit


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _UNITS, n=1, cutoff=0.5)
    folded = [known for known in _UNITS if known.lower() == name.lower()]
    best = (folded or close or [""])[0]
    return f' (did you mean "{best}"?)' if best else ""


class _UnitParser:
    """Recursive descent over ``term {(* | /) term}``; a term is a name, number or group, with a power."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parse(self) -> _Unit:
        unit = self._product()
        if self.text[self.at :].strip():
            raise UnitError(f'has "{self.text[self.at :].strip()}", which does not belong in a unit')
        return unit

    def _next(self) -> re.Match[str] | None:
        return _TOKEN.match(self.text, self.at)

    def _take(self, sign: str) -> bool:
        token = self._next()
        if token is None or token["sign"] != sign:
            return False
        self.at = token.end()
        return True

    def _product(self) -> _Unit:
        # "/uL" is a reciprocal: nothing before the bar means one
        unit = _ONE if (token := self._next()) and token["sign"] == "/" else self._term()
        divided = False
        while True:
            if self._take("*"):
                unit = unit.times(self._term())
            elif self._take("/"):
                unit, divided = unit.times(self._term(), -1), True
            elif (token := self._next()) and (token["name"] or token["number"]):
                if divided:  # "mg/kg day" may mean either
                    raise UnitError(f'is ambiguous, write "*" or "/" before "{token[0].strip()}"')
                unit = unit.times(self._term())
            else:
                return unit

    def _term(self) -> _Unit:
        token = self._next()
        if token is None or token["sign"] not in (None, "("):
            raise UnitError("lacks the name of a unit")
        self.at = token.end()
        if token["sign"] == "(":
            unit = self._product()
            if not self._take(")"):
                raise UnitError('lacks a ")"')
        elif token["number"]:
            unit = _Unit(Fraction(token["number"]), _NONE, named=False)
            if not unit.factor:
                raise UnitError("has a unit of zero")
        else:
            unit = self._named(token["name"])
        return self._powered(unit, tight=bool(token["name"]))

    def _named(self, name: str) -> _Unit:
        unit = _UNITS.get(name) or _pint_unit(name)
        if unit is None:
            raise UnitError(f'has an unknown unit "{name}"{_nearest(name)}')
        return unit

    def _powered(self, unit: _Unit, *, tight: bool) -> _Unit:
        """``unit`` to the power that follows; "m2" and "day-1" count as powers when ``tight``."""
        explicit = self._take("**") or self._take("^")
        if not explicit and not tight:
            return unit
        match = (_POWER if explicit else _TIGHT_POWER).match(self.text, self.at)
        if match is None:
            if explicit:
                raise UnitError("has a power that is no whole number")
            return unit
        self.at = match.end()
        if len(match["power"]) > 2 or abs(int(match["power"])) > MAX_POWER:
            raise UnitError(f"has a power above {MAX_POWER}")
        if (token := self._next()) and token["sign"] in ("**", "^"):
            raise UnitError("has a power of a power")
        return _ONE.times(unit, int(match["power"]))


@lru_cache(maxsize=2048)
def _unit(text: str) -> _Unit:
    """The unit that ``text`` spells."""
    return _UNITS.get(text) or _UnitParser(text).parse()


@lru_cache(maxsize=2048)
def _factor(text: str, dimension: str) -> Fraction:
    """Exact factor from the unit ``text`` to the internal unit of ``dimension``."""
    kind = DIMENSIONS[dimension]
    unit, internal = _unit(text), _unit(kind.internal)
    if unit.kind != internal.kind:
        raise UnitError(f"{_described(unit)} where {_article(kind)} is due")
    return unit.factor / internal.factor


def _article(kind: Dimension) -> str:
    name = kind.name.replace("_", " ")
    return "a number without unit" if kind.internal == "1" else f"a {name} ({kind.internal})"


def _described(unit: _Unit) -> str:
    for kind in DIMENSIONS.values():
        if _unit(kind.internal).kind == unit.kind:
            return f"is {_article(kind)}"
    return "has another dimension"


def parse_quantity(text: object, dimension: str) -> float:
    """Number of ``text`` in the internal unit of ``dimension``.

    Parameters
    ----------
    text
        ``"0.8 1/h"``; a bare number only where the dimension is dimensionless.
    dimension
        A key of `DIMENSIONS`.

    Returns
    -------
    float
        Correctly rounded: two spellings of one quantity give the same bits.

    Raises
    ------
    UnitError
        No unit where one is due, an unknown unit, or a wrong dimension.
    """
    kind = DIMENSIONS[dimension]
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _bare_number(text, kind)
    if not isinstance(text, str):
        raise UnitError(f'must be a quantity, e.g. "{kind.example}"')
    return _read_text(text, dimension)


# A study is validated twice, and the library gives the same texts to every study.
@lru_cache(maxsize=8192)
def _read_text(text: str, dimension: str) -> float:
    example = f'e.g. "{DIMENSIONS[dimension].example}"'
    match = _QUANTITY.match(_plain_spelling(text)) if len(text) <= MAX_TEXT else None
    if match is None:
        raise UnitError(f"{shown(text)} is not a number and a unit, write {example}")
    unit = (match["unit"] or "").strip()
    if not unit and dimension != "dimensionless":
        raise UnitError(f"{shown(text)} has no unit, write {example}")
    try:
        return _scaled(match, _factor(unit, dimension) if unit else Fraction(1))
    except UnitError as error:
        raise UnitError(f"{shown(text)} {error}, {example}") from None


def split_quantity(text: str) -> tuple[float, str] | None:
    """Number and unit as written: ``0.8 1/h`` gives 0.8 and ``1/h``; None for words, and schedules like ``4 x q1w``."""
    match = _QUANTITY.match(_plain_spelling(text)) if len(text) <= MAX_TEXT else None
    if match is None:
        return None
    unit = (match["unit"] or "").strip()
    try:
        if unit:
            _unit(unit)
        return _scaled(match, Fraction(1)), unit
    except UnitError:
        return None


def _plain_spelling(text: str) -> str:
    return _SUPERSCRIPT.sub(lambda power: "^" + power[0], text).translate(_SPELLINGS)


def _bare_number(number: float, kind: Dimension) -> float:
    if kind.internal != "1":
        raise UnitError(f'{number!r:.40} has no unit, write e.g. "{kind.example}"')
    try:
        value = float(number)
    except OverflowError:
        raise UnitError(f'the number is too large, e.g. "{kind.example}"') from None
    if value != value or value in (float("inf"), float("-inf")):
        raise UnitError(f'{number} is not a finite number, e.g. "{kind.example}"')
    return value


def _scaled(match: re.Match[str], factor: Fraction) -> float:
    """The product, rounded once; a negative zero stays as written."""
    exact = Fraction(match["number"]) * Fraction(10) ** int(match["power"] or 0) * factor
    try:
        value = float(exact) if exact else float(match["number"])
    except OverflowError:
        value = float("inf")
    if value in (float("inf"), float("-inf")):
        raise UnitError("is too large a number")
    if exact and not value:
        raise UnitError("is too small a number")
    return value


def shown(text: object) -> str:
    """``text`` in quotes, cut to what a message can hold, without control characters."""
    plain = "".join(c if c.isprintable() else "?" for c in str(text)[:41])
    return f'"{plain}"' if len(plain) <= 40 else f'"{plain[:37]}..."'


def format_quantity(value: float, dimension: str) -> str:
    """Text that `parse_quantity` reads back to the same bits."""
    internal = DIMENSIONS[dimension].internal
    return repr(float(value)) if internal == "1" else f"{float(value)!r} {internal}"
