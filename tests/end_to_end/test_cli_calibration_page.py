"""``tumorsim report`` and ``tumorsim plot`` on the folder of a calibration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toy_calibration import write_outcome
from tumorsim.cli import app
from unit.page_examples import leave_figures_out


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


@pytest.fixture
def folder(tmp_path):
    return write_outcome(tmp_path / "hcc_adjuvant")


@pytest.fixture
def undrawn(monkeypatch):
    """Pages of words alone, where the figures do not matter."""
    leave_figures_out(monkeypatch)


@pytest.mark.usefixtures("undrawn")
def test_report_writes_one_page_into_the_folder(folder):
    done = call("report", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(folder / "report.html")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Adjuvant CIK after curative treatment of HCC" in text
    assert f"-o {folder}</pre>" in text
    assert text.count("data:image/svg+xml;base64,") > 5
    assert call("report", folder).exit_code == 0, "its own page may be replaced"


@pytest.mark.usefixtures("undrawn")
def test_report_takes_the_file_alone_under_any_name(folder, tmp_path):
    sent = tmp_path / "sent.json"
    sent.write_bytes((folder / "outcome.json").read_bytes())
    assert call("report", sent).stdout.strip() == str(tmp_path / "sent-report.html")
    assert call("report", folder / "outcome.json", "-o", tmp_path / "mine.html").exit_code == 0
    again = call("report", folder, "-o", tmp_path / "mine.html")
    assert again.exit_code == 2
    assert "--force" in again.stderr


def test_plot_draws_from_the_folder_with_options(folder, tmp_path):
    done = call("plot", "calibration-progress", folder, "--set", "width=single")
    assert done.exit_code == 0, done.stderr
    assert Path(done.stdout.strip()) == folder / "calibration-progress.png"
    assert call("plot", "calibration-widths", folder / "outcome.json", "-o", tmp_path / "w.svg").exit_code == 0
    assert (tmp_path / "w.svg").read_bytes().startswith(b"<?xml")


def test_plot_list_and_help_name_calibrations():
    listed = call("plot", "list").stdout
    assert "calibration-posterior" in listed
    assert "particles=adjusted|accepted" in listed
    assert "tumorsim report results/hcc_adjuvant_cik\n" in call("report", "--help").output
    assert "tumorsim plot calibration-posterior results/hcc_adjuvant_cik\n" in call("plot", "--help").output


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("km", "folder", "km is drawn from a result file; a calibration has calibration-targets"),
        ("calibration-targets", "x.h5", "calibration-targets is drawn from a calibration; give its folder"),
        ("calibration-targets", None, "give a calibration as well"),
        ("calibration-map", "folder", "'calibration-map' is no figure of a calibration"),
    ],
)
def test_the_wrong_source_is_told_with_the_right_one(folder, tmp_path, kind, source, message):
    place = {"folder": folder, None: None}.get(source, tmp_path / str(source))
    done = call("plot", kind, *([place] if place else []))
    assert done.exit_code == 2
    assert message in done.stderr
    assert "failed unexpectedly" not in done.stderr


@pytest.mark.usefixtures("undrawn")
def test_a_stage_that_was_not_run_has_no_figure_but_a_page(tmp_path):
    bare = write_outcome(tmp_path / "bare", posterior=None, rivals=None)
    done = call("plot", "calibration-posterior", bare)
    assert done.exit_code == 2
    assert "this calibration has no posterior" in done.stderr
    assert call("report", bare).exit_code == 0
    assert "no posterior: the stage was not run" in (bare / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", 'format: must be "tumorsim calibration"'),
        ('{"format": "tumor', "is not JSON"),
        (json.dumps({"format": "tumorsim calibration", "layout": 1, "name": "x"}), "parameters: is missing"),
    ],
)
def test_a_damaged_or_foreign_file_is_bad_input_and_writes_nothing(tmp_path, content, message):
    (tmp_path / "outcome.json").write_text(content)
    for arguments in (("report", tmp_path), ("plot", "calibration-widths", tmp_path)):
        done = call(*arguments)
        assert done.exit_code == 2
        assert message in done.stderr
        assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]


def test_a_folder_without_an_outcome_is_told(tmp_path):
    done = call("report", tmp_path)
    assert done.exit_code == 2
    assert "the folder holds no outcome.json" in done.stderr
