"""What the library ships is what the committed calibrations found, and the issue's figures hold for it."""

import importlib.util
import json
import math
from pathlib import Path

import pytest

from tumorsim import library
from tumorsim.calibration.config import load_calibration
from tumorsim.calibration.objective import Objective
from tumorsim.calibration.outcome import read_outcome
from tumorsim.calibration.parameters import digest_of
from tumorsim.units import parse_quantity

ROOT = Path(__file__).parents[2]
HOME = ROOT / "scenarios" / "calibrations"
NAMES = sorted(path.name.removesuffix(".outcome.json") for path in HOME.glob("*.outcome.json"))


def outcome(name):
    return json.loads((HOME / f"{name}.outcome.json").read_text())


def simulated(name, target, arm=None):
    found = [t for t in outcome(name)["targets"] if t["id"] == target and (arm is None or t["arm"] == arm)]
    assert len(found) == 1
    return found[0]["simulated"]


def test_every_calibration_has_its_outcome():
    assert NAMES
    assert sorted(path.stem for path in HOME.glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_is_of_the_present_file_scenario_and_library(name):
    """A change of anything that decides an evaluation asks for a new calibration."""
    assert read_outcome(HOME / f"{name}.outcome.json")["name"] == name
    assert outcome(name)["config_digest"] == digest_of(load_calibration(HOME / f"{name}.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_the_library_ships_what_was_found(name):
    """Value to three digits, interval, status, and the calibration as its source."""
    made = load_calibration(HOME / f"{name}.yaml")
    for parameter, told in zip(Objective.of(made).parameters, outcome(name)["parameters"], strict=True):
        row = shipped(parameter.declared.path)
        assert parse_quantity(row.value, parameter.dimension) == pytest.approx(told["best"], rel=6e-3), told["path"]
        assert row.status == "fitted"
        assert f"calibrations/{name}.yaml" in row.source
        if told["interval"] is not None:
            ends = [parse_quantity(end, parameter.dimension) for end in row.interval]
            assert ends == pytest.approx(told["interval"], rel=6e-3)


def shipped(path):
    """The row of the library that a path of a calibration means."""
    kind, _, rest = path.partition(".")
    entry, key = ("hcc", rest) if kind == "disease" else rest.split(".", 1)
    return next(row for row in library.entry(entry).rows if row.path == key)


@pytest.mark.parametrize("name", NAMES)
def test_no_more_is_free_than_was_allowed(name):
    free = {told["path"] for told in outcome("hcc_adjuvant_cik")["parameters"]}
    assert len(free) <= 7
    more = {told["path"] for other in NAMES for told in outcome(other)["parameters"]} - free
    assert len(more) <= 4


ADJUVANT = {
    ("R-1", "cik"): (36.0, 52.0),
    ("R-2", "control"): (24.0, 36.0),
    ("R-3", "cik"): (0.62, 0.84),
    ("R-7", "cik"): (37.7, 53.7),
    ("R-7", "control"): (24.6, 36.6),
    ("R-9", "cik"): (75.0, 91.0),
    ("R-9", "control"): (79.0, 95.0),
    ("R-12", "cik"): (21.0, 35.0),
    ("R-12", "control"): (32.0, 46.0),
    ("R-13", "cik"): (0.54, 0.90),
    ("R-15", "cik"): (0.0, 0.80),
}


@pytest.mark.parametrize(("target", "arm"), ADJUVANT)
def test_adjuvant_figures(target, arm):
    low, high = ADJUVANT[target, arm]
    assert low <= simulated("hcc_adjuvant_cik", target, arm) <= high


def test_every_adjuvant_figure_for_calibration_lies_in_its_predictive_interval():
    for told in outcome("hcc_adjuvant_cik")["targets"]:
        if told["kind"] == "CAL":
            low, high = (math.inf if end is None else end for end in told["interval"])
            assert low <= told["reported"] <= high, (told["id"], told["arm"])


ADVANCED = {
    ("S-1", "combination"): (13.0, 16.0),
    ("S-2", "sorafenib"): (10.0, 12.0),
    ("S-3", "combination"): (0.62, 0.80),
    ("S-4", "combination"): (0.70, 0.80),
    ("S-5", "sorafenib"): (0.55, 0.65),
}


@pytest.mark.parametrize(("target", "arm"), ADVANCED)
def test_advanced_figures(target, arm):
    low, high = ADVANCED[target, arm]
    assert low <= simulated("hcc_sorafenib_cik", target, arm) <= high


def test_survival_without_treatment():
    assert 6.4 <= simulated("hcc_sorafenib", "SHARP-5", "placebo") <= 9.4


def test_the_page_shows_these_outcomes():
    path = ROOT / "docs" / "_ext" / "calibrated.py"
    spec = importlib.util.spec_from_file_location("docs_calibrated", path)
    calibrated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(calibrated)
    shown = (ROOT / "docs" / "credibility" / "calibrated.md").read_text(encoding="utf-8")
    assert shown == calibrated.page(), "run: python docs/_ext/calibrated.py"
