"""What the library claims about its numbers: sources, status, ranges, and how each is worded."""

import re
from pathlib import Path

import pytest

from tumorsim import library
from tumorsim.library import Row
from tumorsim.units import parse_quantity

ENTRIES = [(kind, name) for kind in library.KINDS if kind != "protocols" for name in library.names(kind)]
ABSENT = "default: the effect is absent"
YEAR = re.compile(r"\b(19[5-9]\d|20[0-4]\d)\b")
# words of which an assumed value needs one: they say what it rests on instead of a measurement
NOT_MEASURED = re.compile(
    r"no (usable )?(measurement|number)|not measured|set (low |as )?(by hand|for)|assum|chosen|choice|prior"
    r"|derived by hand|recalled|parameter file|general radiological experience|reversible on a scale|which disagree"
)
# words that no measured value may have
DOUBT = re.compile(r"no measurement|not measured|recalled|not read|by hand|assum|prior\b|guess|to be fitted")


def rows() -> list[tuple[str, Row]]:
    """Every value that an entry gives, with a name for messages."""
    return [
        (f"{kind}/{name}: {row.path}", row)
        for kind, name in ENTRIES
        for row in library.entry(f"{kind}/{name}").rows
        if row.source != ABSENT
    ]


def quantity_of(kind: str, name: str, path: str) -> str:
    """Dimension of a parameter."""
    from tumorsim.fields import LIBRARY, parameters_of

    block = next(cls for cls, folder in LIBRARY.items() if folder == kind)
    return str(dict(parameters_of(block))[path].json_schema_extra["dimension"])


def test_there_is_something_to_read():
    assert {"hcc", "sorafenib", "cik", "ctace"} <= {name for _, name in ENTRIES}
    assert len(rows()) > 100


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_value_lies_within_its_range_and_has_one(kind, name):
    for row in library.entry(f"{kind}/{name}").rows:
        if row.source == ABSENT or row.path == "molar_mass":  # a molar mass has no spread
            continue
        dimension = quantity_of(kind, name, row.path)
        assert len(row.range) == 2, f"{name}: {row.path} has no range"
        low, high = (parse_quantity(end, dimension) for end in row.range)
        assert low <= parse_quantity(row.value, dimension) <= high, f"{name}: {row.path}"
        assert low < high, f"{name}: {row.path}"


@pytest.mark.parametrize("row", [row for _, row in rows()], ids=[place for place, _ in rows()])
def test_the_wording_of_a_source_agrees_with_its_status(row):
    assert row.status in ("measured", "fitted", "assumed")
    if row.status == "measured":
        assert YEAR.search(row.source) or row.source.startswith("chemical formula"), "a measurement names its paper"
        assert not DOUBT.search(row.source), "this reads like an assumption"
    elif row.status == "assumed":
        assert NOT_MEASURED.search(row.source), "this reads like a measurement; say what the value rests on"


def test_what_is_fitted_names_its_calibration():
    """`test_shipped_calibrations.py` looks the other way: from each calibration to the value shipped."""
    fitted = [(place, row) for place, row in rows() if row.status == "fitted"]
    assert fitted
    for place, row in fitted:
        named = re.search(r"scenarios/calibrations/\w+\.yaml", row.source)
        assert named, f"{place}: a fitted value names its calibration"
        assert (Path(__file__).parents[2] / named[0]).is_file(), place


def test_most_values_are_assumed_and_say_so():
    measured = [place for place, row in rows() if row.status == "measured"]
    assert len(measured) < 0.15 * len(rows()), measured


@pytest.mark.parametrize(
    ("source", "status", "accepted"),
    [
        ("Huang 2012 PNAS 109:17561, about twice as many T cells", "assumed", False),
        ("prior: about twice as many T cells (Huang 2012)", "assumed", True),
        ("no measurement", "measured", False),
        ("Wang D 2010 J Magn Reson Imaging 31:1106", "measured", True),
        ("from the same three points", "measured", False),
    ],
)
def test_the_rule_tells_the_two_apart(source, status, accepted):
    row = Row("x", "1", "1", (), (), 0.0, source, status, "", "x", "")
    if accepted:
        test_the_wording_of_a_source_agrees_with_its_status(row)
    else:
        with pytest.raises(AssertionError):
            test_the_wording_of_a_source_agrees_with_its_status(row)


def test_what_kills_is_the_living_effector_and_its_share_is_in_the_scenario():
    """A dose counts all cells; the product must not take the share a second time."""
    assert not any("fraction" in row.path for row in library.entry("cik").rows if row.path != "cd16_fraction")
