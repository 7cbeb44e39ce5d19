"""Loading a spatial scenario: what is resolved, what comes from where, what is refused."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tumorsim import library, spatial_scenario, starter
from tumorsim.overlay import is_spatial
from tumorsim.params.lattice_design import SpatialOutput, whole
from tumorsim.scenario import ScenarioError, load
from tumorsim.spatial_rules import RULES
from tumorsim.spatial_scenario import SpatialScenario, load_spatial, read_resolved_spatial
from tumorsim.study import resolve
from tumorsim.yamlio import Node, parse
from unit.spatial_examples import FOLDER, GOOD, SHIPPED, written


@pytest.fixture
def study(tmp_path):
    return written(tmp_path)


def problems_of(path, *overrides, **options):
    with pytest.raises(ScenarioError) as caught:
        load_spatial(path, overrides, **options)
    return [str(problem).replace(path.as_posix(), path.name) for problem in caught.value.problems]


# --- reading back ---------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_spatial_scenarios_load_and_read_back(path):
    scenario = load_spatial(path)
    again = read_resolved_spatial(scenario.resolved_text)
    assert again == scenario
    assert again.resolved_text == scenario.resolved_text
    assert scenario.name == path.stem
    assert scenario.source_text == path.read_text(encoding="utf-8")
    assert is_spatial(path)


def test_there_is_a_small_variant_of_each():
    names = {path.name for path in SHIPPED if path.parent == FOLDER}
    assert names == {"spatial_normalisation_window.yaml", "spatial_resistance.yaml", "spatial_tace_nk.yaml"}
    assert {path.name for path in SHIPPED if path.parent.name == "small"} == names
    for name in names:
        large, small = load_spatial(FOLDER / name), load_spatial(FOLDER / "small" / name)
        assert set(small.arm_names) <= set(large.arm_names)
        assert large.lattice.replicates >= 10
        assert small.lattice.voxels * small.lattice.steps < large.lattice.voxels * large.lattice.steps / 10
        assert (small.disease, small.tissue) == (large.disease, large.tissue)


def test_the_example_of_the_documentation_is_valid(tmp_path):
    page = (FOLDER.parent / "docs" / "scenario-files.md").read_text(encoding="utf-8")
    path = tmp_path / "example.yaml"
    path.write_text(re.search(r"```yaml\n(spatial: 1\n.+?)```", page, re.DOTALL)[1])
    lattice = load_spatial(path).lattice
    text = path.read_text()
    for line in ("spacing", "step", "fields_every", "replicates"):  # said to be what holds when left out
        text = re.sub(rf"(?m)^  {line}: .*\n", "", text)
    path.write_text(text)
    assert load_spatial(path).lattice == lattice


def test_the_digest_depends_on_meaning_only(study, tmp_path):
    digest = load_spatial(study).digest
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "all.yaml").write_text(GOOD)
    other = tmp_path / "other.yaml"
    other.write_text("extends: parts/all.yaml\nlattice: {duration: 720 h, extent: [1000 um, 0.8 mm, 0.06 mm]}\n")
    assert load_spatial(other).digest == digest
    assert load_spatial(study, ["lattice.replicates=3"]).digest != digest
    assert load_spatial(study, ["tissue.motility.coefficient=9 um**2/min"]).digest != digest


def test_the_resolved_text_needs_no_library(study, monkeypatch):
    scenario = load_spatial(study)
    assert '"base"' not in scenario.resolved_text

    def closed(*_):
        raise AssertionError("the library was read")

    monkeypatch.setattr(library, "tree", closed)
    monkeypatch.setattr(library, "names", closed)
    assert read_resolved_spatial(scenario.resolved_text) == scenario


def test_a_trial_and_a_lattice_are_never_equal(study, tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(starter.text("trial"))
    assert load(path) != load_spatial(study)
    with pytest.raises(ScenarioError):
        read_resolved_spatial(load(path).resolved_text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain["lattice"].update(duration="30"), "lattice.duration"),
        (lambda plain: plain["lattice"].update(extent=["1 mm", "1010 um", "20 um"]), "no whole number of voxels"),
        (lambda plain: plain["start"].pop("resistant_fraction"), "start.resistant_fraction: is missing"),
        (lambda plain: plain.update(populations={}), "is no key here"),
    ],
)
def test_a_forged_resolved_text_is_refused(study, change, message):
    plain = json.loads(load_spatial(study).resolved_text)
    change(plain)
    with pytest.raises(ScenarioError, match=message):
        read_resolved_spatial(json.dumps(plain))


def test_a_resolved_text_that_is_none_is_refused():
    for text in ("", "[]", '{"spatial": 1, "spatial": 1}', '{"seed": NaN}', " " * (8 * 1024**2 + 1), "[" * 100_000):
        with pytest.raises(ScenarioError):
            read_resolved_spatial(text)


# --- what is where --------------------------------------------------------------------


def test_numbers_are_in_internal_units(study):
    scenario = load_spatial(study, ["output.checkpoint=5 day", "start.lesion_volume=0.005 L"])
    lattice, start = scenario.lattice, scenario.start
    assert lattice.extent == (1000.0, 800.0, 60.0)
    assert lattice.shape == (3, 40, 50)  # z, y, x
    assert (lattice.voxels, lattice.steps, lattice.fields_stride) == (6000, 720, 6)
    assert lattice.step == pytest.approx(1 / 24, abs=1e-15)
    assert (start.tumour, start.diameter, start.lesion_volume, start.memory) == ("sphere", 600.0, 5.0, 0.0)
    assert (scenario.output.interval, scenario.output.checkpoint) == (1.0, 5.0)
    assert scenario.shots == (0.0, 7.0, 14.0, 21.0, 28.0)


def test_one_length_is_a_cube(study):
    assert load_spatial(study, ["lattice.extent=1 mm"]).lattice.shape == (50, 50, 50)


def test_what_the_start_leaves_out_comes_from_disease_tissue_and_weight(study):
    scenario = load_spatial(study)
    start, burden, anatomy = scenario.start, scenario.disease.burden, scenario.tissue.anatomy
    assert start.resistant_fraction == burden.initial_resistant_fraction.value == 0.02
    assert start.antigen_low_fraction == burden.initial_antigen_low_fraction.value == 0.01
    assert start.vessel_spacing == anatomy.vessel_spacing.value == 141.0
    assert start.vessel_spacing_inside == anatomy.vessel_spacing_inside.value
    assert start.body_surface == pytest.approx(math.sqrt(168 * 65 / 3600), abs=1e-3)
    changed = load_spatial(
        study,
        [
            "disease.burden.initial_resistant_fraction=30 %",
            "tissue.anatomy.vessel_spacing_inside=200 um",
            "start.body_weight=80 kg",
        ],
    ).start
    assert (changed.resistant_fraction, changed.antigen_low_fraction) == (0.3, 0.01)
    assert (changed.vessel_spacing, changed.vessel_spacing_inside) == (141.0, 200.0)
    assert changed.body_surface == pytest.approx(math.sqrt(168 * 80 / 3600), abs=1e-3)


def test_null_is_left_out(study):
    settings = ["start.resistant_fraction=null", "start.vessel_spacing=null", "start.body_surface=null"]
    assert load_spatial(study, settings) == load_spatial(study)


def test_what_the_start_says_wins(study):
    start = load_spatial(study, ["start.resistant_fraction=0", "start.vessel_spacing=0.2 mm"]).start
    assert start.resistant_fraction == 0.0
    assert (start.vessel_spacing, start.vessel_spacing_inside) == (200.0, 200.0)  # inside as outside
    both = load_spatial(study, ["start.vessel_spacing=200 um", "start.vessel_spacing_inside=100 um"]).start
    assert (both.vessel_spacing, both.vessel_spacing_inside) == (200.0, 100.0)


def test_snapshots_are_days_or_a_rhythm(study):
    assert load_spatial(study, ["output.snapshots=[0 day, 30 day]"]).shots == (0.0, 30.0)
    assert load_spatial(study, ["output.snapshots={every: 10 day}"]).shots == (0.0, 10.0, 20.0, 30.0)
    assert load_spatial(study, ["output.snapshots=[]"]).shots == ()
    hourly = SpatialOutput.model_validate({"snapshots": {"every": "1 h"}})
    assert len(hourly.shots(3.0)) == 73  # a third of an hour lost to rounding would lose the last


def test_replicates_and_seed_of_the_command_line(study):
    scenario = load_spatial(study, replicates=5, seed=0)
    assert (scenario.lattice.replicates, scenario.seed) == (5, 0)


def test_products_and_drugs_of_the_library_can_be_changed_in_place(study):
    scenario = load_spatial(study, ["arms.cik.treatments.0.infusion={base: cik, name: blind, resistant_activity: 0}"])
    (given,) = scenario.arm("cik").treatments
    assert (given.name, given.infusion.resistant_activity.value) == ("blind", 0.0)
    with pytest.raises(KeyError, match="the arms are control, cik"):
        scenario.arm("nk")


@pytest.mark.parametrize(
    ("amount", "unit", "number"),
    [
        (2000.0, 20.0, 100),
        (2010.0, 20.0, None),
        (30.0, 1 / 24, 720),
        (30.01, 1 / 24, None),
        (0.7, 0.1, 7),
        (0.0, 1.0, 0),
    ],
)
def test_whole_numbers_despite_rounding(amount, unit, number):
    assert whole(amount, unit) == number


# --- which files are spatial ------------------------------------------------------------


def test_spatial_files_are_told_from_trials(study, tmp_path):
    assert is_spatial(study)
    trial = tmp_path / "trial.yaml"
    trial.write_text(starter.text("trial") + "# spatial\n")
    assert not is_spatial(trial)
    child = tmp_path / "child.yaml"
    child.write_text("extends: study.yaml\nseed: 3\n")
    assert is_spatial(child)
    assert load_spatial(child).seed == 3


@pytest.mark.parametrize(
    "text", ["", "spatial: [", "- spatial", "spatial: &a 1\nx: *a\n", "a: {spatial: 1}\n", "\0spatial"]
)
def test_what_cannot_be_read_is_not_spatial(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    assert not is_spatial(path)


def test_what_is_not_there_is_not_spatial(tmp_path):
    assert not is_spatial(tmp_path / "none.yaml")
    assert not is_spatial(tmp_path)


def test_telling_a_trial_reads_no_yaml(tmp_path, monkeypatch):
    path = tmp_path / "trial.yaml"
    path.write_text(starter.text("trial"))

    def closed(*_):
        raise AssertionError("the file was parsed")

    monkeypatch.setattr("tumorsim.overlay.read_tree", closed)
    assert not is_spatial(path)


def test_loading_imports_nothing_heavy(study):
    code = (
        "import sys\n"
        "from tumorsim.spatial_scenario import load_spatial\n"
        "from tumorsim.spatial_plan import spatial_plan\n"
        f"spatial_plan(load_spatial({str(study)!r}))\n"
        "heavy = {'numba', 'scipy', 'pandas', 'h5py', 'pint', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what is refused ---------------------------------------------------------------------


def test_every_problem_is_reported_at_once(study):
    problems = problems_of(
        study, "lattice.step=2 h", "lattice.fields_every=3 h", "start.diameter=2 mm", "tissue=hhc", "output.interval=1"
    )
    assert set(problems) == {
        '--set lattice.fields_every: 0.125 day is no whole number of steps of 2 h (lattice.step), e.g. "4 h"',
        '--set output.interval: 1 has no unit, write e.g. "14 day"',
        "--set start.diameter: the diameter of the sphere, 2000 um, is more than the lattice has along x or y, "
        '800 um, e.g. "0.48 mm"',
        '--set tissue: "hhc" is no tissue of the library (did you mean "hcc"?); it has hcc',
    }


def test_a_step_that_divides_nothing_names_a_better_one(study):
    (first, *_) = problems_of(study, "lattice.step=7 min")
    assert first.endswith(
        "lattice.fields_every: 0.25 day is no whole number of steps of 0.116667 h (lattice.step), "
        'which the usual "1 h" divides'
    )


def test_a_faulty_disease_does_not_also_fault_the_start(study):
    for fault in ("disease=hhc", "disease.burden.initial_resistant_fraction=[1]", "start.body_weight=65"):
        problems = problems_of(study, fault)
        assert len(problems) == 1, problems
        assert fault.split("=")[0] in problems[0]


def test_a_spacing_taken_over_is_reported_once(study):
    assert problems_of(study, "start.vessel_spacing=20 um") == [
        '--set start.vessel_spacing: 20 um must be at least two voxels of 20 um, e.g. "150 um"'
    ]


@pytest.mark.parametrize(
    "odd",
    ["null", "true", "-1", "1e999", "[]", "[[1]]", "{a: {b: 1}}", "nan", '""', "[1 mm, 1 mm, x]", "1 day", "40 mmHg"],
)
@pytest.mark.parametrize(
    "path",
    [
        "disease", "disease.burden", "disease.burden.initial_resistant_fraction", "tissue", "tissue.anatomy",
        "tissue.anatomy.vessel_spacing", "tissue.motility", "tissue.oxygen.blood_oxygen", "lattice", "lattice.extent",
        "lattice.spacing", "lattice.step", "lattice.duration", "lattice.fields_every", "start", "start.tumour",
        "start.diameter", "start.vessel_spacing", "start.body_weight", "start.body_surface", "arms", "arms.0",
        "arms.cik.treatments", "arms.cik.treatments.0.infusion", "output", "output.snapshots", "output.interval",
        "output.checkpoint", "seed", "name",
    ],
)  # fmt: skip
def test_no_slip_ends_in_anything_but_its_message(tmp_path, path, odd):
    """Whatever stands at a key, the file loads or every problem has a place and a message."""
    root = parse(GOOD, "study.yaml")
    value = parse(f"x: {odd}", "study.yaml").value["x"]
    parts = path.split(".")
    root = _with(root, parts, value)
    try:
        scenario = resolve(root, SpatialScenario, spatial_scenario._check, spatial_scenario._with_defaults)
    except ScenarioError as error:
        problems = error.problems
    else:
        problems = []
        assert read_resolved_spatial(scenario.resolved_text) == scenario
    assert all(len(problem.message) > 8 for problem in problems)


def _with(node, parts, value):
    if not parts:
        return value
    if node.is_list:
        names = [str(item.get("name").value) for item in node.value] if not parts[0].isdigit() else []
        place = names.index(parts[0]) if names else int(parts[0])
        items = [_with(item, parts[1:], value) if i == place else item for i, item in enumerate(node.value)]
        return Node(items, node.mark, node.key)
    held = node.value if node.is_mapping else {"base": node}
    child = held.get(parts[0], Node({}, node.mark, node.key))
    return Node({**held, parts[0]: _with(child, parts[1:], value)}, node.mark, node.key)


def test_a_trial_treatment_has_no_place(study):
    (problem,) = problems_of(study, "arms.cik.treatments=[{resection: curative}]")
    assert "resection removes whole lesions" in problem


def test_an_infusion_that_is_made_first_is_fine(study):
    scenario = load_spatial(
        study,
        ["arms.cik.treatments=[{infusion: cik, dose: 1e9 cells, schedule: once, manufacture: {culture: 14 day}}]"],
    )
    assert scenario.arms[1].treatments[0].manufacture.culture == (14.0, 14.0)


def test_each_rule_has_a_broken_file():
    """Deleting a rule turns a file of ``tests/hostile/broken_spatial`` red; here: that all of them are used."""
    names = {rule.__name__ for rule in RULES}
    assert len(names) == len(RULES) == 13
    broken = Path(__file__).parents[1] / "hostile" / "broken_spatial"
    assert len(list(broken.glob("*.yaml"))) >= 45
