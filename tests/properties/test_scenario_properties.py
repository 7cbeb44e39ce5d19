"""Arbitrary input gives a value or a refusal of ours, never another exception; what is written reads back."""

import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tumorsim import starter
from tumorsim.overlay import merge
from tumorsim.scenario import Scenario, ScenarioError, load, read_resolved
from tumorsim.units import DIMENSIONS, UnitError, format_quantity, parse_quantity
from tumorsim.yamlio import Mark, Node, parse

DIMENSION = st.sampled_from(sorted(DIMENSIONS))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PIECES_OF_UNITS = (
    "day",
    "h",
    "month",
    "mg",
    "cells",
    "cell/mL",
    "1/h",
    "/h",
    "um",
    "%",
    "1e3/uL",
    "m**2",
    "^2",
    "(",
    ")",
    "*",
    "/",
    "9**9",
)
UNITS = st.lists(st.sampled_from(PIECES_OF_UNITS), max_size=6).map(" ".join)


def attempt(call, *arguments):
    """What ``call`` gives, or how it refuses; any other exception fails the test."""
    try:
        return call(*arguments), None
    except (UnitError, ScenarioError) as error:
        return None, error


@given(FINITE, DIMENSION)
@settings(deadline=None)
def test_a_quantity_reads_back_to_the_same_bits(value, dimension):
    read = parse_quantity(format_quantity(value, dimension), dimension)
    assert (read, math.copysign(1.0, read)) == (value, math.copysign(1.0, value))


@given(st.one_of(st.text(max_size=100), UNITS, st.integers(), FINITE, st.none()), DIMENSION)
@example("9" * 80, "mass")
@example("1e999 mg", "mass")
@example("1 mg" + "^9" * 38, "mass")
@example("1 " + "(" * 60, "mass")
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_number_or_a_unit_error(text, dimension):
    value, error = attempt(parse_quantity, text, dimension)
    if error is None:
        assert math.isfinite(value)
    else:
        assert "e.g." in str(error)
        assert len(str(error)) < 250


@given(st.floats(1e-6, 1e6), st.sampled_from([("h", 24), ("min", 1440), ("s", 86400)]))
def test_a_rate_in_other_units_is_within_one_rounding(value, unit):
    name, per_day = unit
    assert parse_quantity(f"{value!r} 1/{name}", "rate") == pytest.approx(value * per_day, rel=3e-16)


@given(st.text(max_size=300))
@example("a: &a [*a]")
@example("? ? ? ? a")
@example("{[]: 1}")
@example("--- !x\n...\n")
@example("a: |+2\n   \n\n")
@example("\ufeffa: 1")
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_tree_or_a_refusal(text):
    tree, error = attempt(parse, text, "f.yaml")
    if error is None:
        assert isinstance(tree, Node)
    else:
        assert len(error.problems) == 1
        assert str(error).startswith("f.yaml:")


PIECES_OF_YAML = (
    *(
        "a",
        "disease",
        "hcc",
        "arms",
        ":",
        ": ",
        "- ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        '"',
        "#",
        "|",
        ">",
        "&x",
        "*x",
    ),
    *(
        "!t",
        "%",
        "?",
        "? ",
        "---\n",
        "...\n",
        "1",
        "-",
        "\t",
        "\\",
        "@",
        "`",
        "~",
        "<<",
        "null",
        "1e5",
        "é",
        "0x",
        "extends",
    ),
)
YAML = st.lists(st.sampled_from(PIECES_OF_YAML), max_size=40).map("".join)


@given(YAML)
@settings(max_examples=300, deadline=None)
def test_any_pieces_of_yaml_are_a_tree_or_a_refusal(text):
    _, error = attempt(parse, text, "f.yaml")
    assert error is None or len(error.problems) == 1


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(starter.text("study"))
    return folder


def loaded(folder, text):
    """The scenario, or None where it is refused."""
    path = folder / "case.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    scenario, error = attempt(load, path)
    assert error is None or (error.problems and all(problem.message for problem in error.problems))
    return scenario


SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
WORDS = ("hcc", "cik", "sorafenib", "14 day", "400 mg", "6e9 cells", "q3w", "40 %", "os", "base", "control")
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), FINITE, st.text(max_size=12), st.sampled_from(WORDS))
INNER_KEYS = ("base", "growth", "growth_rate", "treatments", "drug", "infusion", "tace", "dose", "schedule", "value")
KEYS = st.sampled_from(sorted({*Scenario.model_fields, *INNER_KEYS}))
TREE = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=12
)


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200), YAML))
@settings(max_examples=100, **SLOW)
def test_any_file_is_a_scenario_or_a_scenario_error(study, text):
    loaded(study, text)


@given(st.sampled_from(sorted(set(Scenario.model_fields) - {"scenario"})), TREE)
@settings(max_examples=60, **SLOW)
@pytest.mark.slow
def test_any_value_of_any_block_is_a_scenario_or_a_scenario_error(study, key, tree):
    scenario = loaded(study, "extends: study.yaml\n" + json.dumps({key: tree})[1:-1] + "\n")
    if scenario is not None:
        assert read_resolved(scenario.resolved_text) == scenario


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.text(st.characters(codec="utf-8"), max_size=30))
@settings(max_examples=30, **SLOW)
def test_any_setting_is_a_scenario_or_a_scenario_error(study, key, value):
    for setting in (f"{key}={value}", f"population.{key}={value}", f"title={value}"):
        scenario, error = attempt(load, study / "study.yaml", [setting])
        assert (scenario is None) == (error is not None and bool(error.problems))


def nodes(tree):
    if isinstance(tree, dict):
        return Node({key: nodes(child) for key, child in tree.items()}, Mark("f"))
    return Node([nodes(child) for child in tree] if isinstance(tree, list) else tree, Mark("f"))


@given(TREE, TREE)
@settings(deadline=None)
def test_laying_a_tree_over_another_twice_changes_nothing_more(under, over):
    once = merge(nodes(under), nodes(over))
    if not (isinstance(over, dict) and "value" in str(under)):  # a parameter notes what was changed, each time
        assert merge(once, nodes(over)).plain() == once.plain()


@given(TREE)
@settings(deadline=None)
def test_a_tree_over_nothing_is_itself(tree):
    assert merge(nodes({"a": None}), nodes({"a": tree})).plain() == {"a": tree}
