"""Quantities: what is read, to which bits, and how refusals read."""

import math
import subprocess
import sys
from fractions import Fraction

import pytest

from tumorsim.units import DIMENSIONS, UnitError, format_quantity, parse_quantity, split_quantity

MONTH = 365.25 / 12


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("14 day", "duration", 14.0),
        ("14 days", "duration", 14.0),
        ("14d", "duration", 14.0),
        ("2 week", "duration", 14.0),
        ("2 wk", "duration", 14.0),
        ("2 w", "duration", 14.0),
        ("1 month", "duration", MONTH),
        ("24 months", "duration", 24 * MONTH),
        ("3 mo", "duration", 3 * MONTH),
        ("1 year", "duration", 365.25),
        ("9 y", "duration", 9 * 365.25),
        ("12 h", "duration", 0.5),
        ("90 min", "duration", 0.0625),
        ("0.8 1/h", "rate", 19.2),
        ("0.8 /h", "rate", 19.2),
        ("0.1 d-1", "rate", 0.1),
        ("0.1 d⁻¹", "rate", 0.1),
        ("5 %/year", "rate", 0.05 / 365.25),
        ("21 mm", "length", 21000.0),
        ("2.1 cm", "length", 21000.0),
        ("17 um", "length", 17.0),
        ("40 mmHg", "pressure", 40.0),
        ("133.322387415 Pa", "pressure", 1.0),
        ("4 kPa", "pressure", 4000 / 133.322387415),
        ("15 mmHg/s", "pressure_rate", 15.0 * 86400),
        ("2000 um**2/s", "diffusivity", 2000.0 * 86400),
        ("2.8e-5 cm²/s", "diffusivity", 2800.0 * 86400),
        ("10 um2/min", "diffusivity", 14400.0),
        ("1.73 m2", "body_surface", 1.73),
        ("17 µm", "length", 17.0),
        ("17 μm", "length", 17.0),
        ("6.4e9 cells", "cells", 6.4e9),
        ("1 cell", "cells", 1.0),
        ("6.4×10^9 cells", "cells", 6.4e9),
        ("6.4 x 10^9 cells", "cells", 6.4e9),
        ("2.06e8 cells/mL", "cell_density", 2.06e8),
        ("1 cell/uL", "cell_density", 1e3),
        ("400 mg", "mass", 400.0),
        ("0.4 g", "mass", 400.0),
        ("50 mg/m²", "mass_per_area", 50.0),
        ("50 mg/m2", "mass_per_area", 50.0),
        ("50 mg/m**2", "mass_per_area", 50.0),
        ("50 mg/m^2", "mass_per_area", 50.0),
        ("8.6 mL/h", "clearance", 0.2064),
        ("90 nM", "concentration", 90.0),
        ("6.3 uM", "concentration", 6300.0),
        ("6.3 µmol/L", "concentration", 6300.0),
        ("76 ng/mL", "mass_concentration", 0.076),
        ("8.92 mg/l", "mass_concentration", 8.92),
        ("150 1e3/uL", "platelet_count", 150.0),
        ("150e3 1/uL", "platelet_count", 150.0),
        ("150e3/µL", "platelet_count", 150.0),
        ("150 10^9/L", "platelet_count", 150.0),
        ("150 × 10^9/L", "platelet_count", 150.0),
        ("40 %", "dimensionless", 0.4),
        ("0.48", "dimensionless", 0.48),
        (0.48, "dimensionless", 0.48),
        (3, "dimensionless", 3.0),
        ("1 lb", "body_weight", 0.45359237),
        ("2 fortnight", "duration", 28.0),
    ],
)
def test_spellings(text, dimension, value):
    assert parse_quantity(text, dimension) == value


def test_two_spellings_of_one_quantity_are_the_same_bits():
    # 0.8 * 24 is 19.200000000000003 in floating point; the exact product rounds to 19.2
    assert parse_quantity("0.8 1/h", "rate") == parse_quantity("19.2 1/day", "rate") == 19.2
    assert parse_quantity("0.07 week", "duration") == parse_quantity("0.49 day", "duration")
    assert parse_quantity("3 month", "duration") == float(Fraction(3 * 1461, 48))


@pytest.mark.parametrize("kind", DIMENSIONS.values(), ids=lambda kind: kind.name)
def test_every_example_parses_and_every_format_reads_back(kind):
    value = parse_quantity(kind.example, kind.name)
    assert value > 0
    for number in (value, 0.0, -0.0, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789012345.6):
        read = parse_quantity(format_quantity(number, kind.name), kind.name)
        assert (read, math.copysign(1.0, read)) == (number, math.copysign(1.0, number))


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        (24, "duration", '24 has no unit, write e.g. "14 day"'),
        ("24", "duration", '"24" has no unit, write e.g. "14 day"'),
        (True, "dimensionless", 'must be a quantity, e.g. "0.48"'),
        (None, "duration", 'must be a quantity, e.g. "14 day"'),
        ([1], "duration", 'must be a quantity, e.g. "14 day"'),
        ("5 mg", "duration", '"5 mg" is a mass (mg) where a duration (day) is due, e.g. "14 day"'),
        ("5 mg", "dimensionless", '"5 mg" is a mass (mg) where a number without unit is due, e.g. "0.48"'),
        (
            "15 mmHg",
            "pressure_rate",
            '"15 mmHg" is a pressure (mmHg) where a pressure rate (mmHg/day) is due, e.g. "15 mmHg/s"',
        ),
        ("40 mmhg", "pressure", '"40 mmhg" has an unknown unit "mmhg" (did you mean "mmHg"?), e.g. "40 mmHg"'),
        (
            "2000 um2",
            "diffusivity",
            '"2000 um2" is a body surface (m**2) where a diffusivity (um**2/day) is due, e.g. "2000 um**2/s"',
        ),
        ("40 %", "duration", '"40 %" is a number without unit where a duration (day) is due, e.g. "14 day"'),
        (
            "40 %",
            "mass_per_weight",
            '"40 %" is a number without unit where a mass per weight (mg/kg) is due, e.g. "15 mg/kg"',
        ),
        (
            "5 mg/kg",
            "dimensionless",
            '"5 mg/kg" is a mass per weight (mg/kg) where a number without unit is due, e.g. "0.48"',
        ),
        ("14 dya", "duration", '"14 dya" has an unknown unit "dya" (did you mean "day"?), e.g. "14 day"'),
        ("14 Days", "duration", '"14 Days" has an unknown unit "Days" (did you mean "days"?), e.g. "14 day"'),
        ("37 degC", "duration", '"37 degC" has an unknown unit "degC", e.g. "14 day"'),
        ("2 pi", "dimensionless", '"2 pi" has an unknown unit "pi" (did you mean "pl"?), e.g. "0.48"'),
        ("9**9**9 mg", "mass", '"9**9**9 mg" is not a number and a unit, write e.g. "400 mg"'),
        ("9 mg**99", "mass", '"9 mg**99" has a power above 9, e.g. "400 mg"'),
        ("9 mg^10", "mass", '"9 mg^10" has a power above 9, e.g. "400 mg"'),
        ("9 m**2**2", "length", '"9 m**2**2" has a power of a power, e.g. "21 mm"'),
        ("9 mg**x", "mass", '"9 mg**x" has a power that is no whole number, e.g. "400 mg"'),
        ("1 mg/kg day", "elimination", '"1 mg/kg day" is ambiguous, write "*" or "/" before "day", e.g. "8.81 mg/day"'),
        ("5 1/0 d", "duration", '"5 1/0 d" has a unit of zero, e.g. "14 day"'),
        ("5 (mg", "mass", '"5 (mg" lacks a ")", e.g. "400 mg"'),
        ("5 mg)", "mass", '"5 mg)" has ")", which does not belong in a unit, e.g. "400 mg"'),
        ("5 mg/", "mass", '"5 mg/" lacks the name of a unit, e.g. "400 mg"'),
        ("1e999 day", "duration", '"1e999 day" is too large a number, e.g. "14 day"'),
        ("1e-999 day", "duration", '"1e-999 day" is too small a number, e.g. "14 day"'),
        ("inf day", "duration", '"inf day" is not a number and a unit, write e.g. "14 day"'),
        (float("nan"), "dimensionless", 'nan is not a finite number, e.g. "0.48"'),
        (10**400, "dimensionless", 'the number is too large, e.g. "0.48"'),
        ("٣ day", "duration", '"٣ day" is not a number and a unit, write e.g. "14 day"'),
    ],
)
def test_refusals_say_the_rule_and_an_example(text, dimension, message):
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, dimension)
    assert str(caught.value) == message


def test_a_long_text_is_cut_in_the_message():
    with pytest.raises(UnitError) as caught:
        parse_quantity("x" * 100_000, "mass")
    assert len(str(caught.value)) < 120


def test_common_units_do_not_import_pint():
    code = (
        "import sys\n"
        "from tumorsim.units import DIMENSIONS, parse_quantity\n"
        "for kind in DIMENSIONS.values(): parse_quantity(kind.example, kind.name)\n"
        "parse_quantity('3 month', 'duration')\n"
        "assert 'pint' not in sys.modules\n"
        "parse_quantity('3 lb', 'mass')\n"
        "assert 'pint' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_table_agrees_with_pint():
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    for unit in ("min", "hour", "week", "year", "cm", "kg", "ug", "dL", "uL", "pmol"):
        dimension = (
            next(
                name
                for name, base in (("duration", "day"), ("length", "um"), ("mass", "mg"), ("volume", "L"))
                if registry.Quantity(1, unit).is_compatible_with(base)
            )
            if unit != "pmol"
            else "amount"
        )
        if dimension == "amount":
            assert parse_quantity("1 pmol/L", "concentration") == pytest.approx(1e-3, rel=1e-15)
            continue
        internal = DIMENSIONS[dimension].internal
        expected = registry.Quantity(1.0, unit).to(internal).magnitude
        assert parse_quantity(f"1 {unit}", dimension) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.1 1/day", (0.1, "1/day")),
        ("6.4 × 10^9 cells", (6.4e9, "cells")),
        ("150 1e3/uL", (150.0, "1e3/uL")),
        ("30 %", (30.0, "%")),
        ("3", (3.0, "")),
        ("4 x q1w", None),
        ("q8w", None),
        ("", None),
    ],
)
def test_numbers_and_units_are_told_apart_from_words(text, found):
    assert split_quantity(text) == found
