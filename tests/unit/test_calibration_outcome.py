"""Reading `outcome.json`: a whole one is read, a damaged or foreign one is told where and why."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from toy_calibration import make_outcome, write_outcome
from tumorsim import json_file
from tumorsim.calibration.outcome import OutcomeError, is_calibration, outcome_file, read_outcome
from tumorsim.calibration.shape import OUTCOME
from tumorsim.figures.calibration import FIGURES, fitting
from tumorsim.report import calibration
from unit.page_examples import leave_figures_out


def put(found: Any, path: str, value: Any) -> Any:
    """The outcome with one value changed; ``path`` is ``a.b[2].c``."""
    *parents, last = path.replace("[", ".").replace("]", "").split(".")
    node = found
    for part in parents:
        node = node[int(part)] if part.isdigit() else node[part]
    node[int(last) if last.isdigit() else last] = value
    return found


@pytest.fixture
def written(tmp_path):
    def write(content: bytes | str | dict[str, Any]):
        path = tmp_path / "outcome.json"
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_a_whole_outcome_is_read_from_file_and_folder(tmp_path):
    folder = write_outcome(tmp_path / "run")
    found = read_outcome(folder)
    assert found == read_outcome(folder / "outcome.json")
    assert found["targets"][0]["reported"] == 44.0
    assert found["posterior"]["draws"] is None, "a key that the file lacks is null"
    assert found["provenance"] == make_outcome()["provenance"]


def test_what_is_a_calibration(tmp_path):
    assert is_calibration(tmp_path)
    assert is_calibration(tmp_path / "a.JSON")
    assert not is_calibration(tmp_path / "a.h5")
    assert outcome_file(tmp_path) == tmp_path / "outcome.json"
    assert outcome_file(tmp_path / "a.json") == tmp_path / "a.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"line 1, column 1: is not JSON \(Expecting value\)"),
        ('{"format": "tumorsim calib', "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        ("[1, 2]", 'format: must be "tumorsim calibration"; this JSON file holds something else'),
        ('{"scenario": 1}', "this JSON file holds something else"),
        ('{"format": "tumorsim calibration"}', "layout: must be 1"),
        ('{"format": "tumorsim calibration", "layout": 2}', "written by another version"),
        ('{"format": "tumorsim calibration", "layout": 1}', "name: is missing"),
        ('{"a": NaN}', "NaN is no number of JSON; write null"),
        ("[" * 100, "must not be nested more than 16 deep"),
        ("[" * 1_000_000, "must not be nested more than 16 deep"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON"),
    ],
)
def test_damaged_and_foreign_files_are_told(written, content, message):
    with pytest.raises(OutcomeError, match=message):
        read_outcome(written(content))


def test_brackets_inside_texts_are_no_depth(written):
    found = make_outcome(description='[[[[{{{{"[[[[\\' * 40)
    assert read_outcome(written(found))["description"] == found["description"]


def test_too_large_a_file_is_not_read(written, monkeypatch):
    monkeypatch.setattr(json_file, "MAX_BYTES", 2**20)
    with pytest.raises(OutcomeError, match="must not be larger than 1 MB"):
        read_outcome(written(" " * (2**20 + 1)))
    assert read_outcome(written(json.dumps(make_outcome()).ljust(2**20)[: 2**20]))


def test_a_file_that_is_not_there_and_one_that_is_no_file(tmp_path):
    with pytest.raises(OutcomeError, match=r"the folder holds no outcome\.json; give a calibration's folder"):
        read_outcome(tmp_path)
    with pytest.raises(OutcomeError, match="there is no such file"):
        read_outcome(tmp_path / "a.json")
    (tmp_path / "outcome.json").mkdir()
    with pytest.raises((OutcomeError, IsADirectoryError)):
        read_outcome(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "outcome.json")
    with pytest.raises(OutcomeError, match="must be a plain file"):
        read_outcome(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("targets[3].reported", "much", r"targets\[3\].reported: must be a finite number or null, e.g. 0.72"),
        ("targets[3].reported", True, "must be a finite number"),
        ("targets[3].reported", 1e200, "must be a finite number"),
        ("targets[3].interval", [1.0], r"targets\[3\].interval: must have 2 entries, not 1"),
        ("targets[3].interval", {}, "must be a list or null"),
        ("targets[3].within", 1, "must be true, false or null"),
        ("targets[3].n", [1.5], r"targets\[3\].n\[0\]: must be a whole number, e.g. 40"),
        ("targets[3].kind", None, r"targets\[3\].kind: is missing"),
        ("targets[3].id", ["R-1"], r"targets\[3\].id: must be a text of at most 200 signs"),
        ("targets[3].id", "x" * 201, "must be a text of at most 200 signs"),
        ("parameters", [], "parameters: must have 1 to 64 entries, not 0"),
        ("parameters[0].prior", None, r"parameters\[0\].prior: is missing"),
        ("parameters[1].name", "deposits", "parameters: must have different names"),
        ("parameters[0]", None, r"parameters\[0\]: must be a mapping and not null"),
        ("posterior", 3, "posterior: must be a mapping or null"),
        ("posterior.weights", [1.0], "posterior.weights: must have one entry for each particle: 200, not 1"),
        ("posterior.particles[7]", [1.0], r"particles\[7\]: must have one entry for each parameter: 6, not 1"),
        ("posterior.particles[7]", None, r"particles\[7\]: must be a list and not null"),
        ("posterior.correlation", [[1.0]], "correlation: must have one entry for each parameter: 6, not 1"),
        ("posterior.summaries[0]", [1.0], r"summaries\[0\]: must have one entry for each target: 12, not 1"),
        ("screening.mu_star", [[1.0] * 6], "screening.mu_star: must have one entry for each output: 13, not 1"),
        ("screening.sigma[2]", [1.0] * 5, r"sigma\[2\]: must have one entry for each parameter: 6, not 5"),
        ("optimise.evaluations[4].values", [], r"evaluations\[4\].values: must have one entry for each parameter"),
        ("rivals[1].targets", [1.0], r"rivals\[1\].targets: must have one entry for each target: 12, not 1"),
        ("windows[0].from", None, r"windows\[0\].from: is missing"),
        ("seconds", [1], "seconds: must be a mapping of at most 200 entries"),
        ("provenance", {"a": {"b": {"c": {"d": {"e": 1}}}}}, "must be a text, a number, or a mapping of them"),
    ],
)
def test_a_value_in_the_wrong_place_is_told_with_its_place(written, path, value, message):
    with pytest.raises(OutcomeError, match=message):
        read_outcome(written(put(make_outcome(), path, value)))


def test_a_place_cannot_drive_the_terminal(written):
    found = make_outcome(seconds={"\x1b]0;x\x07": "long"})
    with pytest.raises(OutcomeError) as told:
        read_outcome(written(found))
    assert "\x1b" not in str(told.value)


def test_a_changed_digit_is_seen(tmp_path):
    file = write_outcome(tmp_path) / "outcome.json"
    text = file.read_text(encoding="utf-8")
    assert text.count('"reported": 44.0') == 1
    file.write_text(text.replace('"reported": 44.0', '"reported": 45.0'), encoding="utf-8")
    with pytest.raises(OutcomeError, match="sha256: is not the checksum of the rest: the file is damaged"):
        read_outcome(tmp_path)


def test_a_checksum_does_not_depend_on_spaces_or_order(written):
    sealed = json.loads(json_file.sealed_text(make_outcome()))
    turned = dict(reversed(sealed.items()))
    assert read_outcome(written(turned)) == read_outcome(written(make_outcome())), "and a file may have none"


def test_what_the_layout_does_not_name_is_left_out(written):
    found = read_outcome(written(make_outcome() | {"extra": [[[[1]]]]}))
    assert "extra" not in found
    assert OUTCOME.read(found, "") == found


NULLED = (
    "parameters[0].best", "parameters[0].interval", "parameters[0].prior_interval", "parameters[0].shrinkage",
    "parameters[0].prior.low", "parameters[0].prior.median", "parameters[0].prior.distribution",
    "targets[0].interval", "targets[0].simulated", "targets[0].reported", "targets[0].study", "targets[0].source",
    "targets[0].n", "targets[0].unit", "screening.mu_star[0][0]", "screening.mu_star_ci", "screening.sigma",
    "screening.outputs[0]", "optimise.evaluations[3].loss", "optimise.evaluations[3].values",
    "optimise.evaluations[3].values[2]", "posterior.weights", "posterior.adjusted", "posterior.correlation",
    "posterior.directions", "posterior.directions[0].shrinkage", "posterior.populations",
    "posterior.populations[0].epsilon", "posterior.particles[0][0]", "posterior.adjusted[0][0]",
    "posterior.weights[0]", "recovery.level", "recovery.parameters[0].ranks", "recovery.parameters[0].coverage",
    "recovery.parameters[0].coverage_ci", "rivals[0].targets", "rivals[0].windows", "rivals[0].loss",
    "rivals[0].settings", "windows[0].hr", "windows[0].interval", "windows[0].ci", "windows[0].arm",
    "loss.fresh", "loss", "studies", "studies[0].arms", "seconds", "evaluations", "provenance", "failures",
    "residuals", "config_text", "title",
)  # fmt: skip


@pytest.mark.parametrize("path", NULLED)
@pytest.mark.slow
def test_any_number_may_be_missing_and_the_page_still_stands(written, path, monkeypatch):
    found = read_outcome(written(put(make_outcome(particles=20), path, None)))
    leave_figures_out(monkeypatch)
    assert calibration.render(found).rstrip().endswith("</html>")
    for declared in FIGURES:
        if declared.name in fitting(found) and path.partition(".")[0].partition("[")[0] in _sources(declared.needs):
            declared.draw(found)


def _sources(needs: str) -> set[str]:
    """Parts of an outcome that a figure reads closely."""
    return {needs, "parameters", "loss", "studies", "windows", "title"} if needs else {"parameters", "title"}
