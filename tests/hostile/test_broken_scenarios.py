"""Scenario files that break one rule each; the first line says what must be reported."""

from pathlib import Path

import pytest

from tumorsim.scenario import ScenarioError, load

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.yaml"))


def expected(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# expect: ") for line in lines[:2] if line.startswith("# expect: "))


def test_there_is_a_file_for_each_rule():
    assert len(FILES) >= 40
    assert len({expected(path) for path in FILES}) == len(FILES)


def test_the_base_of_the_broken_files_is_valid():
    assert load(FOLDER / "base" / "good.yaml").name == "good"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_with_place_rule_and_example(path, monkeypatch):
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ScenarioError) as caught:
        load(path.name)
    assert len(caught.value.problems) == 1, str(caught.value)
    assert str(caught.value).removeprefix(f"{path.name}:") == expected(path)
    assert caught.value.problems[0].line > 0
    assert caught.value.problems[0].column > 0
