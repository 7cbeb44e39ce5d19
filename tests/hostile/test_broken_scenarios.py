"""Scenario files that break one rule each; the first line says what must be reported."""

from pathlib import Path

import pytest

from tumorsim.scenario import ScenarioError, load
from tumorsim.spatial_scenario import load_spatial

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.yaml"))
SPATIAL_FOLDER = Path(__file__).parent / "broken_spatial"
SPATIAL_FILES = sorted(SPATIAL_FOLDER.glob("*.yaml"))


def expected(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# expect: ") for line in lines[:2] if line.startswith("# expect: "))


def test_there_is_a_file_for_each_rule():
    assert len(FILES) >= 40
    assert len({expected(path) for path in FILES}) == len(FILES)
    assert len(SPATIAL_FILES) >= 45
    assert len({expected(path) for path in SPATIAL_FILES}) == len(SPATIAL_FILES)


def test_the_base_of_the_broken_files_is_valid():
    assert load(FOLDER / "base" / "good.yaml").name == "good"
    assert load_spatial(SPATIAL_FOLDER / "base" / "good.yaml").name == "good"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_with_place_rule_and_example(path, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ScenarioError) as caught:
        load(path.name)
    check_refusal(caught, path)


@pytest.mark.parametrize("path", SPATIAL_FILES, ids=lambda path: path.stem)
def test_a_broken_spatial_file_is_refused_with_place_rule_and_example(path, monkeypatch):
    monkeypatch.chdir(SPATIAL_FOLDER)
    with pytest.raises(ScenarioError) as caught:
        load_spatial(path.name)
    check_refusal(caught, path)


def check_refusal(caught, path):
    """One problem, worded and placed as the file says."""
    assert len(caught.value.problems) == 1, str(caught.value)
    assert str(caught.value).removeprefix(f"{path.name}:") == expected(path)
    assert caught.value.problems[0].line > 0
    assert caught.value.problems[0].column > 0
