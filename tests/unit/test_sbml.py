"""A patient as SBML: whole, sound, and of the course that the patient really has."""

from __future__ import annotations

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from toy_result import write_toy
from tumorsim import extras
from tumorsim.cli import app
from tumorsim.sbml.happenings import add_deeds
from tumorsim.sbml.model import names_of, state_ids
from tumorsim.sbml.system import SbmlError, System, identifier
from tumorsim.sbml_api import patient_sbml, to_sbml, trial_of
from tumorsim.scenario import load
from tumorsim.trial import run_trial, study_roster
from tumorsim.trial_api import study_of

libsbml = pytest.importorskip("libsbml")
from tumorsim.sbml.document import findings, sbml_text  # noqa: E402

ADJUVANT, ADVANCED = "scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml"
# infusions, a lesion that dies out, one that arrives, sessions of TACE after recurrence, alive at the cut-off
PATIENT = 3


@pytest.fixture(scope="module")
def scenario():
    return load(ADJUVANT)


@pytest.fixture(scope="module")
def exported(scenario):
    return patient_sbml(scenario, "cik", PATIENT)


@pytest.fixture(scope="module")
def model(exported):
    document = libsbml.readSBMLFromString(exported[0])
    return document, document.getModel()


def test_libsbml_finds_nothing_to_say_units_included(exported):
    assert findings(exported[0]) == []


def test_every_state_has_a_rate_rule_and_every_law_a_name(scenario, exported, model):
    walk, sbml = exported[1].walk, model[1]
    rules = [sbml.getRule(i) for i in range(sbml.getNumRules())]
    rated = {rule.getVariable() for rule in rules if rule.isRate()}
    lesions = range(walk.arrivals.size)
    assert rated == set(state_ids(names_of(study_roster(study_of(scenario))), lesions))
    assert len(rated) == walk.work.y.size
    assert all(sbml.getParameter(rule.getVariable()).getName() for rule in rules)


def test_every_parameter_of_the_library_tells_its_unit_source_and_status(scenario, model):
    sbml = model[1]
    for process in ("growth", "memory", "hazards"):
        block = getattr(scenario.disease, process)
        for name in block.names():
            parameter = sbml.getParameter(f"{process}_{name}")
            notes = " ".join(re.sub(r"<[^>]+>", " ", parameter.getNotesString()).split())
            assert f"status {getattr(block, name).status}" in notes
            assert "source:" in notes
            assert "Unit " in notes
            assert parameter.getUnits()


def test_what_was_done_is_dated_and_told(exported, model):
    walk, sbml = exported[1].walk, model[1]
    events = [sbml.getEvent(i) for i in range(sbml.getNumEvents())]
    dated = [one for one in events if one.getId().startswith("day")]
    assert len(dated) == len({deed.day for deed in walk.deeds if deed.day > 0.0})
    told = " ".join(one.getName() for one in dated)
    assert told.count("infusion of") == walk.out["infusions"] == 16
    assert told.count("session of ctace") == walk.work.memo["sessions"] > 0
    assert "lesion2 arrives" in told
    given = sum(deed.value for deed in walk.deeds if deed.kind == "infusion")
    assert given == pytest.approx(float(walk.out["cells_infused"]), rel=1e-14)
    for lesion in range(1, walk.arrivals.size + 1):
        for end in ("becomes_small", "dies_out", "is_safe"):
            assert sbml.getEvent(f"lesion{lesion}_{end}") is not None


@pytest.mark.parametrize(("path", "arm", "patient"), [(ADJUVANT, 1, PATIENT), (ADVANCED, 1, 1), (ADVANCED, 0, 2)])
def test_the_course_taken_apart_is_the_course_of_the_run(path, arm, patient):
    from tumorsim.course import Inputs, Walk
    from tumorsim.trial import RELATIVE_TOLERANCE, arm_inputs

    study = study_of(load(path, ["output.traced_patients=0"]))
    numbers = np.array([patient])
    data = run_trial(study, numbers=numbers)
    walk = Walk(Inputs(*arm_inputs(study, arm, numbers)), 0, RELATIVE_TOLERANCE)
    for _ in walk.stops(float(walk.patient.traits["end"])):
        pass
    for name in ("death_time", "death_cause", "progression_time", "salvage", "infusions", "lesions_extinct", "steps"):
        np.testing.assert_array_equal(data[name][arm, 0], walk.out[name], err_msg=name)


def test_the_same_bits_again(scenario, exported):
    assert patient_sbml(scenario, "cik", PATIENT)[0] == exported[0]


def test_two_things_done_to_a_lesion_on_one_day_follow_each_other():
    from tumorsim.course import Deed
    from tumorsim.sbml.body import Names

    system = System()
    deeds = [Deed(5.0, "tace", 0, survivors={0: 0.25}), Deed(5.0, "resection", 0, survivors={0: 0.5})]
    add_deeds(system, deeds, Names([], [], ["ctace"]), np.zeros(1), 0.5)
    changes = system.events["day1"].changes
    assert changes["lesion1_sensitive"] == "residual_fraction * (0.25 * lesion1_sensitive)"
    assert changes["lesion1_dead"] == "0.0 cell"


def test_an_identifier_used_twice_is_refused():
    system = System()
    system.constant("a", "one", "1", 1.0)
    with pytest.raises(SbmlError, match="a would be needed twice"):
        system.law("a", "again", "1", "1")


@pytest.mark.parametrize(("name", "sid"), [("cik", "cik"), ("car-nk 2", "car_nk_2"), ("5-FU", "_5_FU"), ("é", "_")])
def test_names_of_the_library_become_identifiers(name, sid):
    assert identifier(name) == sid
    assert libsbml.SyntaxChecker.isValidSBMLSId(sid)


def test_a_number_that_is_none_is_refused():
    system = System()
    system.constant("a", "one", "1", float("nan"))
    with pytest.raises(SbmlError, match="a is nan"):
        sbml_text(system, "m", "m", [])


@pytest.mark.parametrize(
    ("arm", "patient", "message"),
    [
        (None, 0, "no arm given: hcc_adjuvant_cik_rct has control, cik, e.g. --arm cik"),
        ("CIK", 0, "no arm CIK: hcc_adjuvant_cik_rct has control, cik"),
        ("cik", 10**6, "has patients 0 to"),
    ],
)
def test_wrong_arm_or_patient(scenario, arm, patient, message):
    with pytest.raises(SbmlError, match=re.escape(message)):
        patient_sbml(scenario, arm, patient)


def test_a_lattice_or_a_changed_result_is_refused(tmp_path):
    with pytest.raises(SbmlError, match="this is a spatial scenario"):
        to_sbml("scenarios/small/spatial_tace_nk.yaml", tmp_path / "a.xml")
    with pytest.raises(SbmlError, match="--set and --seed change a scenario"):
        trial_of(write_toy(tmp_path / "toy.h5"), ["seed=2"])


def test_without_the_library_the_extra_is_named(scenario, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(extras.MissingLibraryError, match=r'library python-libsbml: .*"tumorsim\[sbml\]"'):
        patient_sbml(scenario, "cik", 0)


def test_from_the_command_line(tmp_path):
    def call(*arguments):
        return CliRunner().invoke(app, ["export", *map(str, arguments)], prog_name="tumorsim")

    path = tmp_path / "one.xml"
    done = call(ADJUVANT, "--to", "sbml", "--arm", "control", "-o", path, "--set", "population.patients=2")
    assert done.exit_code == 0, done.output
    assert findings(path.read_text()) == []
    again = call(ADJUVANT, "--to", "sbml", "--arm", "control", "-o", path)
    assert again.exit_code == 2
    assert "--force" in again.output
    tables = call(ADJUVANT)
    assert tables.exit_code == 2
    assert re.search(rf"run it first: .*tumorsim run {ADJUVANT}", tables.output)
    odd = call(tmp_path / "toy.h5", "--arm", "cik")
    assert odd.exit_code == 2
    assert "belong to --to sbml" in odd.output
