"""The page of a spatial study, and its figures and page from the command line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from typer.testing import CliRunner

from toy_result import write_toy
from toy_tissue import ARMS, LABELS, PROVENANCE, SCENARIO, SUMMARY, make_tissue, scenario_text
from tumorsim import store
from tumorsim.cli import app
from tumorsim.figures import FigureError
from tumorsim.figures.spatial import FIGURES, SpatialView, solid
from tumorsim.figures.spatial.looks import shown
from tumorsim.report import spatial
from tumorsim.report.resolved import ReportError
from tumorsim.report.spatial import page, tables, words
from tumorsim.spatial_numbers import QUANTITIES, differences, interval, quantity
from unit.page_examples import Page, leave_figures_out, refuse_to_load, section

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

SECTIONS = (
    *("short", "study", "lattice", "compared", "series", "infiltration", "fields", "clones", "assumptions"),
    *("limitations", "provenance"),
)


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="tumorsim")


@pytest.fixture(scope="module", autouse=True)
def _coarse():
    """Solids of few pixels: quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solid, "PIXELS", 40)
        yield


@pytest.fixture(scope="module")
def view():
    return SpatialView(make_tissue(), SUMMARY)


@pytest.fixture(scope="module")
def html(view):
    """The page with every figure drawn."""
    return spatial.render(view, PROVENANCE, scenario_text(), digest="ab" * 32, result="results/toy.h5")


@pytest.fixture
def undrawn(monkeypatch):
    """Pages of words alone."""
    leave_figures_out(monkeypatch)
    monkeypatch.setattr(page, "_animation", lambda *_: None)


# --- the page -----------------------------------------------------------------------


def test_the_page_is_balanced_and_every_section_is_in_the_contents(html):
    found = Page(html)
    assert found.wrong == [] == found.open
    ids = found.values("id")
    assert len(set(ids)) == len(ids)
    assert tuple(name for name in ids if not name.startswith("h-")) == SECTIONS
    assert tuple(value[1:] for value in found.values("href")) == ("short", *SECTIONS)
    assert set(found.values("aria-labelledby")) <= set(ids)
    assert found.tags["h1"] == 1


def test_the_page_loads_nothing_and_runs_nothing(html):
    refuse_to_load(html, "svg+xml", "gif")
    assert "names tbody th" in files("tumorsim.report").joinpath("page.css").read_text()


def test_every_figure_stands_in_its_section(html):
    held = {name: section(html, name).count("<figure") for name in SECTIONS}
    assert held == dict.fromkeys(SECTIONS, 0) | {
        "lattice": 2, "compared": 1, "series": 1, "infiltration": 1, "fields": 1, "clones": 2,
    }  # fmt: skip
    assert all(len(text) > 40 for text in Page(html).values("alt"))
    assert len(html) < 3_000_000


def test_the_page_says_what_it_is_and_that_it_is_not_for_clinical_use(html):
    assert "Infusion day against the window of normalisation" in html
    assert html.count("not for clinical use") >= 2
    assert "30 × 30 × 30 voxels of 20 µm (0.6 × 0.6 × 0.6 mm)" in section(html, "short")
    assert "3 arms, each in 3 replicates" in section(html, "short")
    assert "tumorsim replay toy.h5" in section(html, "provenance")
    assert "ab" * 32 in section(html, "provenance")
    for text in words.LIMITATIONS:
        assert text.replace("'", "&#39;") in section(html, "limitations")


def test_parameters_stand_with_their_sources(html):
    held = section(html, "assumptions")
    assert "growth.growth_rate" in held
    assert "Example 2026 J Examples 1:2" in held
    assert "0.0023–0.06" in held
    assert "Of 1 parameter 1 measured" in held
    assert "lattice.spacing" in held


@pytest.mark.usefixtures("undrawn")
def test_parameters_of_a_patient_are_left_out(view):
    scenario = json.loads(scenario_text())
    scenario["disease"]["hazards"] = {"tumour_rate": scenario["disease"]["growth"]["growth_rate"]}
    held = section(spatial.render(view, {}, json.dumps(scenario)), "assumptions")
    assert "hazards.tumour_rate" not in held
    assert "Of 1 parameter" in held


@pytest.mark.usefixtures("undrawn")
def test_texts_of_strangers_are_escaped(view):
    bad = '<script>alert("1")</script>'
    scenario = json.loads(scenario_text()) | {"description": bad}
    data = replace(view.data, labels=(bad, *LABELS[1:]))
    made = spatial.render(
        SpatialView(data, {"title": bad, "spatial": bad, "seed": 1}), {bad: bad}, json.dumps(scenario)
    )
    assert "<script" not in made
    assert Page(made).wrong == []
    with pytest.raises(ReportError, match="no JSON mapping"):
        spatial.render(view, {}, "no: json")


def test_tables_hold_means_intervals_and_paired_differences(view):
    values, apart = tables.compared(view)
    assert values.head == ("Quantity", *LABELS)
    assert apart.head == ("Quantity", *LABELS[1:])
    assert apart.caption == "Less Sorafenib alone"
    row = next(row for row in values.rows if row[0] == "Tumour cells killed by effectors, in all (cells)")
    one = quantity("kills")
    found = interval(one.of(view.data), axis=1)
    assert row[1] == "0"
    assert row[2] == f"{shown(found.mean[1])} ({shown(found.low[1])} to {shown(found.high[1])})"
    row = next(row for row in apart.rows if row[0] == "Living tumour cells (cells)")
    away = interval(differences(quantity("tumour_cells").of(view.data)), axis=1)
    assert row[1].startswith("−")
    assert row[1] == f"−{-away.mean[1]:,.0f} (−{-away.low[1]:,.0f} to −{-away.high[1]:,.0f})"
    assert len(values.rows) == len(apart.rows) <= len(QUANTITIES)


def test_words_in_short_give_means_and_differences(view):
    said = words.in_short(view)
    cells = interval(quantity("tumour_cells").of(view.data), axis=1)
    assert f"{cells.mean[0]:,.0f} (" in said[1]
    assert said[1].startswith("Living tumour cells at the end: ")
    assert said[2].startswith("Tumour cells killed by effectors: 0 with Sorafenib alone, ")
    assert said[3].startswith(
        "Living tumour cells less those of Sorafenib alone, replicate by replicate: NK cells on day 3: −"
    )


@pytest.mark.parametrize(
    "made", [{"arms": 1}, {"replicates": 1}, {"flat": True}, {"lineage": False}, {"shots": 1}], ids=str
)
@pytest.mark.usefixtures("undrawn")
def test_smaller_studies_have_a_page(made):
    other = spatial.render(SpatialView(make_tissue(n=24, **made), SUMMARY), {}, scenario_text())
    assert Page(other).wrong == []
    assert ("Less Sorafenib alone" in other) == ("arms" not in made)


def test_a_tumour_that_is_gone_is_said_to_be(view):
    gone = {name: view.data[name] * 0 for name in ("sensitive", "resistant", "antigen_low", "resistant_antigen_low")}
    empty = SpatialView(replace(view.data, arrays={**view.data.arrays, **gone}), SUMMARY)
    assert "Living tumour cells at the end: none in any arm." in words.in_short(empty)
    assert not any("replicate by replicate" in text for text in words.in_short(empty))
    assert tables.compared(empty)[0].rows[0] == ("Living tumour cells (cells)", "0", "0", "0")


@pytest.mark.slow
def test_a_study_without_snapshots_has_no_pictures_of_the_lattice(view):
    bare = replace(make_tissue(n=24), snapshots={arm: {} for arm in ARMS}, lineage={arm: {} for arm in ARMS})
    made = spatial.render(SpatialView(bare, SUMMARY), {}, "")
    assert Page(made).wrong == []
    assert 'id="lattice"' not in made
    assert 'id="fields"' not in made
    assert '"#lattice"' not in made
    assert section(made, "clones").count("<figure") == 1
    assert "names no parameter" in made


def test_a_page_needs_its_folder(view, tmp_path, undrawn):
    with pytest.raises(FigureError, match="does not exist; make it first"):
        spatial.save(tmp_path / "none" / "x.html", view, {}, "")
    assert spatial.save(tmp_path / "x.html", view, {}, "").read_text().startswith("<!DOCTYPE html>")


# --- from the command line ----------------------------------------------------------


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A stored spatial study; fields of snapshots as the store keeps them."""
    data = make_tissue(n=24)
    snapshots = {
        arm: {
            name: found.astype(np.float32 if found.dtype == np.float64 else np.int8 if name == "content" else np.uint8)
            for name, found in held.items()
        }
        for arm, held in data.snapshots.items()
    }
    path = tmp_path_factory.mktemp("spatial") / "toy.h5"
    return store.write_spatial(
        path, replace(data, snapshots=snapshots), SUMMARY, json.dumps(SCENARIO), "name: toy_tissue\n", PROVENANCE
    )


@pytest.mark.parametrize(
    "declared",
    [pytest.param(f, marks=[] if f.name in ("muller", "animation") else pytest.mark.slow) for f in FIGURES],
    ids=lambda declared: declared.name,
)
def test_plot_draws_every_figure_of_a_spatial_result(declared, result, tmp_path):
    out = tmp_path / f"x.{declared.suffixes[0]}"
    done = call("plot", declared.name, result, "-o", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert out.read_bytes()[:4] in (b"\x89PNG", b"GIF8")


def test_plot_names_its_own_file_after_the_kind(result):
    assert call("plot", "animation", result).stdout.strip() == str(result.with_name("toy-animation.gif"))
    assert call("plot", "window", result, "--set", "quantities=kills").stdout.strip().endswith("toy-window.png")


def test_report_writes_the_page_of_a_spatial_result(result, undrawn):
    done = call("report", result)
    assert done.exit_code == 0, done.stderr
    text = result.with_suffix(".html").read_text(encoding="utf-8")
    assert "Spatial study <code>toy_tissue</code>" in text
    assert store.read_spatial(result).digest in text


def test_a_figure_of_the_other_kind_names_those_that_fit(result, tmp_path):
    done = call("plot", "km", result)
    assert done.exit_code == 2
    assert "km is drawn from the result of a trial, and this is the result of a spatial study" in done.stderr
    assert "which has lattice, fields, muller" in done.stderr
    trial = write_toy(tmp_path / "trial.h5")
    done = call("plot", "lattice", trial)
    assert done.exit_code == 2
    assert "lattice is drawn from the result of a spatial study, and this is the result of a trial" in done.stderr
    assert "which has km, targets" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["trial.h5"]


def test_a_slip_is_told_before_the_result_is_read():
    assert "of a spatial study: lattice, fields" in call("plot", "latice", "no.h5").stderr
    assert "plane: 'w' is none of z, y, x" in call("plot", "lattice", "no.h5", "--set", "plane=w").stderr
    assert "give a result as well" in call("plot", "muller").stderr
    assert call("plot", "lattice", "no.h5").exit_code == 2


def test_an_animation_as_a_picture_is_refused(result, tmp_path):
    done = call("plot", "animation", result, "-o", tmp_path / "x.png")
    assert done.exit_code == 2
    assert 'an animation ends in .gif or .mp4, e.g. "x.gif"' in done.stderr


def test_the_list_says_what_each_figure_is_drawn_from():
    listed = call("plot", "list").stdout
    for name in ("lattice", "animation", "window"):
        assert re.search(rf"^ ?{name} +spatial ", listed, flags=re.M), name
    assert re.search(r"^ ?km +trial ", listed, flags=re.M)
    assert "tumorsim plot lattice results/spatial_tace_nk-seed1.h5" in call("plot", "--help").output
