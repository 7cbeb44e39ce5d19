"""What ``check`` says of a spatial scenario before it runs, and the schema of its files for editors."""

import json
import re

import numpy as np
import pytest

from tumorsim.params.lattice_design import LatticeDesign
from tumorsim.spatial_plan import BYTES_PER_VOXEL, expected_cells, expected_vessels, spatial_plan, spatial_plan_text
from tumorsim.spatial_rules import tumour_volume
from tumorsim.spatial_scenario import SpatialScenario, load_spatial
from tumorsim.yamlio import parse
from unit.spatial_examples import SHIPPED, written


@pytest.fixture
def study(tmp_path):
    return written(tmp_path)


# --- the plan -----------------------------------------------------------------------------


def test_the_plan_says_what_a_run_does(study):
    planned = spatial_plan(load_spatial(study), threads=2)
    assert (planned["shape"], planned["voxels"], planned["steps"], planned["lattices"]) == ([50, 40, 3], 6000, 720, 4)
    assert planned["voxel_steps"] == 4 * 6000 * 720
    (dose,) = planned["arms"][1]["treatments"]
    assert (dose["doses"], dose["total"], dose["unit"]) == (4, 2.56e10, "cells")
    assert planned["memory"] > 6000 * BYTES_PER_VOXEL
    assert planned["bytes"] > 2 * 5 * 6000 * 30
    text = spatial_plan_text(planned)
    assert "1 x 0.8 x 0.06 mm: 50 x 40 x 3 = 6,000 voxels of 20 um" in text
    assert "30 days in 720 steps; 5 snapshots, days 0 to 28" in text
    assert "    - nothing" in text
    assert json.loads(json.dumps(planned)) == planned


def test_more_threads_and_fewer_snapshots_cost_less(study):
    scenario = load_spatial(study)
    assert spatial_plan(scenario, 4)["seconds"] < spatial_plan(scenario, 1)["seconds"]
    bare = load_spatial(study, ["output.snapshots=[]", "output.lineage=false"])
    assert spatial_plan(bare)["bytes"] < spatial_plan(scenario)["bytes"] / 3
    assert "no snapshots" in spatial_plan_text(spatial_plan(bare))


@pytest.mark.parametrize(
    ("tumour", "extent", "diameter"),
    [
        ("sphere", "[1 mm, 1 mm, 20 um]", "0.7 mm"),
        ("sphere", "[1 mm, 1 mm, 0.4 mm]", "0.7 mm"),
        ("sphere", "1 mm", "0.7 mm"),
        ("slab", "[1 mm, 0.6 mm, 0.4 mm]", "0.3 mm"),
        ("filled", "[1 mm, 0.6 mm, 0.4 mm]", "0 mm"),
    ],
)
def test_volume_and_cells_are_those_of_the_seeded_lattice(study, tumour, extent, diameter):
    from tumorsim.lattice.network import first_network
    from tumorsim.lattice.seeding import Tumour, inside
    from tumorsim.lattice.state import blank, grid_of

    scenario = load_spatial(study, [f"lattice.extent={extent}", f"start.tumour={tumour}", f"start.diameter={diameter}"])
    lattice, start = scenario.lattice, scenario.start
    state = blank(grid_of(lattice.shape, lattice.spacing))
    seeded = Tumour(start.tumour, start.diameter, start.cell_fraction, 0.0, 0, 0.0, 1.0)
    within = inside(state, seeded)
    assert tumour_volume(lattice, start) == pytest.approx(within.sum() * lattice.spacing**3, rel=0.03)
    vessels = first_network(state, start.vessel_spacing, start.vessel_spacing_inside, within, 1, 300.0)
    assert expected_vessels(lattice, start) == pytest.approx(vessels.ident.size, rel=0.15)
    stroma = np.count_nonzero(within & (state.voxels.kind == 0))
    assert expected_cells(lattice, start) == pytest.approx(start.cell_fraction * stroma, rel=0.03)


def test_design_blocks_stand_on_their_own():
    design = LatticeDesign.model_validate({"extent": "0.2 mm", "duration": "1 day", "step": "30 min"})
    assert (design.shape, design.steps, design.replicates) == ((10, 10, 10), 48, 10)


def test_the_class_lists_its_keys_in_order():
    keys = ["spatial", "name", "title", "description", "seed", "disease", "tissue"]
    keys += ["lattice", "start", "arms", "output"]
    assert list(SpatialScenario.model_fields) == keys


# --- the schema for editors ------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    from tumorsim.schema import spatial_json_schema

    schema = spatial_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_spatial_scenarios_keep_the_schema(validator, path):
    from tumorsim.overlay import read_tree

    assert [e.json_path for e in validator.iter_errors(read_tree(path).plain())] == []
    resolved = json.loads(load_spatial(path).resolved_text)
    assert [e.json_path for e in validator.iter_errors(resolved)] == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("lattice: {extent: 20}", "$.lattice.extent"),
        ("lattice: {duration: 60}", "$.lattice.duration"),
        ("lattice: {replicates: 0}", "$.lattice.replicates"),
        ("start: {tumour: ball}", "$.start.tumour"),
        ("tissue: hhc", "$.tissue"),
        ("tissue: {base: hcc, oxygen: {blood_oxygen: 40}}", "$.tissue"),
        ("output: {snapshots: 3}", "$.output.snapshots"),
        ("endpoints: [os]", "$"),
    ],
)
def test_the_schema_finds_slips(validator, text, place):
    errors = [e.json_path for e in validator.iter_errors(parse(f"extends: a.yaml\n{text}\n", "f").plain())]
    assert errors == [place]


def test_the_schema_shows_examples_as_people_write_them(validator):
    shown = validator.schema["$defs"]["LatticeDesign"]["properties"]
    assert shown["step"]["examples"] == ["1 h"]
    assert re.search(r"Unit: day\.$", shown["step"]["description"])
