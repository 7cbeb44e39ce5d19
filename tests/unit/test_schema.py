"""The JSON Schema for editors: valid itself, true of every scenario that loads, and helpful."""

import json
from pathlib import Path

import pytest

from tumorsim import library, starter
from tumorsim.overlay import read_tree
from tumorsim.scenario import load
from tumorsim.schema import json_schema
from tumorsim.yamlio import parse

jsonschema = pytest.importorskip("jsonschema")
SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").glob("hcc_*.yaml"))


@pytest.fixture(scope="module")
def schema():
    return json_schema()


@pytest.fixture(scope="module")
def validator(schema):
    return jsonschema.Draft202012Validator(schema)


def errors(validator, text):
    return [error.json_path for error in validator.iter_errors(parse(text, "f").plain())]


def test_it_is_a_valid_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert len(json.dumps(schema)) < 100_000


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_keep_it(validator, path):
    assert errors(validator, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_starters_keep_it(validator, setting):
    assert errors(validator, starter.text("study", setting)) == []


def test_library_entries_keep_their_part_of_it(schema):
    for block, kind in (
        ("Disease", "diseases"),
        ("DrugModel", "drugs"),
        ("CellModel", "cells"),
        ("TaceModel", "procedures"),
    ):
        part = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{block}", "$defs": schema["$defs"]})
        for name in library.names(kind):
            assert list(part.iter_errors(library.tree(kind, name).plain())) == []


def test_a_resolved_scenario_keeps_it(validator, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(starter.text("study", "advanced"))
    assert list(validator.iter_errors(json.loads(load(path).resolved_text))) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("extends: a.yaml\nseeed: 3", "$"),
        ("extends: a.txt", "$.extends"),
        ("extends: a.yaml\ndisease: hhc", "$.disease"),
        ("extends: a.yaml\ndisease: {base: hhc}", "$.disease"),
        ("extends: a.yaml\ndisease: {base: hcc, growth: {growth_rate: 0.01}}", "$.disease"),
        ("extends: a.yaml\ntrial: {accrual: 24}", "$.trial.accrual"),
        ("extends: a.yaml\ntrial: {accrual: '24'}", "$.trial.accrual"),
        ("extends: a.yaml\ntrial: {visits: {jiter: 3 day}}", "$.trial.visits"),
        ("extends: a.yaml\nendpoints: [os, rsf]", "$.endpoints[1]"),
        ("extends: a.yaml\narms: [{name: a, treatments: [{drug: sorafenib}]}]", "$.arms[0].treatments[0]"),
        ("extends: a.yaml\narms: [{treatments: []}]", "$.arms[0]"),
        ("name: a", "$"),
    ],
)
def test_it_points_at_slips(validator, text, place):
    assert errors(validator, text) == [place]


@pytest.mark.parametrize(
    "text",
    [
        "extends: [a.yaml, b.yaml]",
        "extends: a.yaml\ntrial: {cutoff: 5 year}",
        "extends: a.yaml\ndisease: {base: hcc, growth: {growth_rate: 0.01 1/day}}",
        "extends: a.yaml\ndisease: {growth: {growth_rate: {value: 0.01 1/day, cv: 0}}}",
        "extends: a.yaml\npopulation: {male: 83 %, hbv: 0.8}",
        "extends: a.yaml\narms: [{name: a, treatments: [{drug: {base: sorafenib, vessel_emax: 0}, dose: 400 mg}]}]",
    ],
)
def test_it_lets_a_file_be_a_part(validator, text):
    assert errors(validator, text) == []


def test_editors_get_units_examples_and_names(schema):
    trial = schema["$defs"]["Design"]["properties"]
    assert trial["accrual"]["description"] == "Enrolment period; entry times are uniform in it. Unit: day."
    assert trial["accrual"]["examples"] == ["14 day"]
    rate = schema["$defs"]["Growth"]["properties"]["growth_rate"]
    assert rate["description"].endswith("Symbol r, unit 1/day.")
    assert rate["examples"] == ["0.01 1/day"]
    assert schema["properties"]["disease"]["anyOf"][0]["enum"] == list(library.names("diseases"))
    assert schema["$defs"]["Output"]["properties"]["interval"]["default"] == "14.0 day"


def test_every_broken_part_the_schema_passes_is_still_refused_by_load(tmp_path):
    # the schema is looser than the loader: a lone part passes the one and not the other
    path = tmp_path / "part.yaml"
    path.write_text("trial: {cutoff: 5 year}\n")
    assert read_tree(path).plain() == {"trial": {"cutoff": "5 year"}}
    with pytest.raises(ValueError, match="disease: is missing"):
        load(path)
