"""The page: complete, safe with a stranger's text, and loading nothing."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from tumorsim import report
from tumorsim.figures import FigureError
from tumorsim.report import words
from tumorsim.report.resolved import (
    ReportError,
    between,
    duration,
    in_words,
    parameters,
    read_scenario,
    settings,
    tidy,
    treatments,
    yearly,
)
from tumorsim.scenario import load
from tumorsim.starter import text as starter
from unit.figures_examples import PAGE, PAPER, fit_to, relabelled, view_of
from unit.page_examples import BLANK, Page, leave_figures_out, refuse_to_load

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

PROVENANCE = {
    "tumorsim": "9.8.7",
    "seed": 7,
    "wall_time": 12.345,
    "git_changed": False,
    "inputs": {"toy.yaml": "ab" * 32},
}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """Resolved text of both starter scenarios."""
    folder = tmp_path_factory.mktemp("scenarios")
    texts = {}
    for setting in ("adjuvant", "advanced"):
        path = folder / f"{setting}.yaml"
        path.write_text(starter(setting, setting))
        texts[setting] = load(path).resolved_text
    return texts


def whole_page(setting: str, resolved: dict[str, str]) -> str:
    return report.render(view_of(setting), PROVENANCE, resolved[setting], digest="cd" * 32, result="x/toy.h5")


@pytest.fixture(scope="module")
def pages(resolved):
    """Both settings, every figure drawn in the first."""
    drawn = whole_page("adjuvant", resolved)
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_out(patch)
        return {"adjuvant": drawn, "advanced": whole_page("advanced", resolved)}


@pytest.fixture
def undrawn(monkeypatch):
    """Pages of words alone, where the figures do not matter."""
    leave_figures_out(monkeypatch)


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_the_page_is_balanced_and_named(pages, setting):
    found = Page(pages[setting])
    assert found.wrong == []
    assert found.open == []
    assert pages[setting].startswith("<!DOCTYPE html>")
    assert found.tags["h1"] == 1
    assert ("html", "lang", "en-GB") in found.attributes
    ids = found.values("id")
    assert len(set(ids)) == len(ids)
    anchors = [value for value in found.values("href") if value.startswith("#")]
    assert len(anchors) > 8
    assert {anchor[1:] for anchor in anchors} <= set(ids)
    assert set(found.values("aria-labelledby")) <= set(ids)


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_the_page_loads_nothing_and_runs_nothing(pages, setting):
    refuse_to_load(pages[setting], "svg+xml")
    found = Page(pages[setting])
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    style = files("tumorsim.report").joinpath("page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [
        value for tag, name, value in found.attributes if tag == "meta" and name == "content" and "default-src" in value
    ]
    assert policy.startswith("default-src 'none'; img-src data:")


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_figures_are_whole_and_described(pages, setting):
    found = Page(pages[setting])
    images = [value for tag, name, value in found.attributes if tag == "img" and name == "src"]
    alternatives = [value for tag, name, value in found.attributes if tag == "img" and name == "alt"]
    assert len(images) == len(alternatives) == found.tags["img"] >= 9
    for uri in images:
        assert base64.b64decode(uri.partition(",")[2]).rstrip().endswith(b"</svg>")
    assert all(len(alternative) > 40 for alternative in alternatives)
    assert any("median 28.3" in alternative or "median 10.7" in alternative for alternative in alternatives)


@pytest.mark.slow
def test_drawn_figures_are_all_that_a_page_of_advanced_disease_lacks(pages, resolved):
    drawn = whole_page("advanced", resolved)
    images = [value for tag, name, value in Page(drawn).attributes if tag == "img" and name == "src"]
    assert len(set(images)) == len(images) >= 9
    assert BLANK not in drawn
    assert re.sub(r"data:image/svg\+xml;base64,[^\"\s]*", BLANK, drawn) == pages["advanced"]


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_every_reported_figure_stands_in_the_page(pages, setting):
    view, found = view_of(setting), Page(pages[setting])
    for target in view.summary["targets"]:
        assert f">{target['id']}</th>" in pages[setting]
    assert (PAPER if setting == "adjuvant" else PAGE) in found.text
    assert f"; weight: {'high' if setting == 'adjuvant' else 'low'})" in found.text
    if setting == "adjuvant":
        (ratio,) = [t for t in view.summary["targets"] if t["id"] == "R-3"]
        assert "0.72 (0.54–0.97)" in found.text
        assert f"{ratio['simulated']:.2f} ({ratio['interval'][0]:.2f}–{ratio['interval'][1]:.2f})" in found.text
        assert "contradicts the deaths" in found.text
        assert ">shown only</td>" in pages[setting]
    else:
        assert "14.5 (13.0–16.0)" in found.text
        assert 'class="disagrees">disagrees</td>' in pages[setting]


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_results_provenance_and_the_warning_stand_in_the_page(pages, setting):
    view, found = view_of(setting), Page(pages[setting])
    for row in view.summary["comparisons"]:
        assert f"{row['hr']:.2f} ({row['ci'][0]:.2f}–{row['ci'][1]:.2f})" in found.text
        assert f"{row['mc_se']:.3f}" in found.text
    for arm in view.summary["arms"]:
        assert arm["label"] in found.text
        assert f"{arm['deaths']['tumour']:,}" in found.text
    assert found.text.count("not for clinical use") >= 2
    assert "tumorsim replay toy.h5" in found.text
    for said in ("cd" * 32, "ab" * 32, "9.8.7", "12.35", "Source changed since the commit", "seed 7"):
        assert said in found.text, said
    assert ("Disease control by best response" in found.text) == (setting == "advanced")
    assert "All 80 courses (patients × arms) were integrated to the end." in found.text


def test_the_arms_and_their_parameters_stand_in_the_page(pages, resolved):
    found = Page(pages["adjuvant"])
    assert (
        "6.4e9 cells, 4 times every week, 4 times every 2 weeks, 4 times every 4 weeks, 4 times every 8 weeks"
        in found.text
    )
    assert "138 months after the first enrolment" in found.text
    for row in parameters(json.loads(resolved["adjuvant"])):
        assert row.path in found.text, row.path
    assert "0.0085 1/day" in found.text
    fitted = sum(row.status == "fitted" for row in parameters(json.loads(resolved["adjuvant"])))
    assert fitted >= 7
    assert f"{fitted} parameters of this scenario were fitted." in found.text


def test_tables_have_captions_and_headers(pages):
    html = pages["advanced"]
    tables = re.findall(r"<table>.*?</table>", html, flags=re.S)
    assert len(tables) > 8
    for table in tables:
        assert re.search(r"<caption><span>[^<]{4,}</span></caption>", table)
        assert '<th scope="col"' in table
        head = table.count('<th scope="col"')
        for row in re.findall(r"<tbody>.*</tbody>", table, flags=re.S)[0].split("<tr")[1:]:
            assert row.count('<th scope="row">') == 1
            assert row.count("<t") == head


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_words_have_contrast_in_light_and_dark(theme):
    style = files("tumorsim.report").joinpath("page.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, flags=re.S)[theme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    pairs = [(ink, paper) for ink in ("ink", "muted", "link", "agrees", "disagrees") for paper in ("paper", "panel")]
    for ink, paper in [*pairs, ("notice-ink", "notice-paper")]:
        one, other = sorted((luminance(colours[ink]), luminance(colours[paper])))
        assert (other + 0.05) / (one + 0.05) >= 4.5, f"{ink} on {paper}"


HOSTILE = '"><script>alert(1)</script><img src=http://example.invalid/x onerror=alert(1)>'


def test_hostile_text_stays_text(undrawn, resolved):
    scenario = json.loads(resolved["adjuvant"])
    scenario["description"] = HOSTILE
    scenario["disease"]["growth"]["growth_rate"]["source"] = HOSTILE
    scenario["disease"]["growth"]["growth_rate"]["note"] = HOSTILE
    scenario["trial"]["visits"]["schedule"] = HOSTILE
    scenario[HOSTILE] = {"value": HOSTILE, "source": HOSTILE, "status": HOSTILE, "range": [HOSTILE, HOSTILE]}
    view = view_of()
    targets = [
        t | {"note": HOSTILE, "source": HOSTILE, "id": HOSTILE, "quantity": HOSTILE} for t in view.summary["targets"]
    ]
    targets += [t | {"unit": HOSTILE, "kind": HOSTILE, "weight": HOSTILE} for t in targets]
    view = relabelled(view, (HOSTILE, HOSTILE + "b"), title=HOSTILE, scenario=HOSTILE, targets=targets)
    provenance = {"tumorsim": HOSTILE, HOSTILE: HOSTILE, "inputs": {HOSTILE: HOSTILE}}
    html = report.render(view, provenance, json.dumps(scenario), digest=HOSTILE, result=HOSTILE)
    found = Page(html)
    clean = Page(report.render(view_of(), PROVENANCE, resolved["adjuvant"]))
    assert found.wrong == [] == found.open
    assert found.tags["script"] == 0
    assert found.tags["img"] == clean.tags["img"]
    assert {(tag, name) for tag, name, _ in found.attributes} == {(tag, name) for tag, name, _ in clean.attributes}
    assert "<script" not in html
    assert HOSTILE in found.text


def test_a_matched_study_shows_its_pairs_and_their_balance(undrawn, resolved):
    view = fit_to(view_of(), "balance")
    html = report.render(view, PROVENANCE, resolved["adjuvant"])
    found = Page(html)
    assert found.wrong == [] == found.open
    assert 'href="#matching"' in html
    for text in ("Before and after matching", "Largest tumour, cm", "0.60 (0.50–0.80)", "no events", "154 pairs"):
        assert text in found.text
    assert "#matching" not in report.render(view_of(), PROVENANCE, resolved["adjuvant"])


def test_a_small_study_makes_a_page_too(undrawn):
    html = report.render(view_of(arms=1), {}, "")
    found = Page(html)
    assert found.wrong == [] == found.open
    assert "#ratios" not in html
    assert "#reported" not in html
    assert "not described in the scenario" in found.text
    assert report.render(replace(view_of(), curves={}), {}, "").count("<h1>") == 1


def test_the_page_is_written_whole(undrawn, tmp_path):
    path = report.save(tmp_path / "page.html", view_of(), PROVENANCE, "")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FigureError, match="does not exist"):
        report.save(tmp_path / "none" / "page.html", view_of(), PROVENANCE, "")


# words


def test_failed_patients_are_counted():
    view = view_of()
    status = np.array(view.data["status"])
    status[1, :3] = 2
    broken = replace(view, data=replace(view.data, arrays={**view.data.arrays, "status": status}))
    assert words.failures(broken).startswith("3 of 80 courses (patients × arms) could not be integrated")


def test_agreement_is_counted_and_fits_are_admitted():
    assert words.agreement(view_of().summary["targets"]).endswith("; 1 more are shown only.")
    assert "agreement with them is no test" in words.fitted_statement(3)
    assert words.fitted_statement(1).startswith("1 parameter of this scenario was fitted.")
    assert "No parameter" in words.fitted_statement(0)


def test_the_short_answer_is_that_of_the_summary():
    view = view_of()
    said = " ".join(words.in_short(view))
    (row,) = [c for c in view.summary["comparisons"] if c["endpoint"] == "rfs"]
    assert f"hazard ratio {row['hr']:.2f} (95% CI {row['ci'][0]:.2f}–{row['ci'][1]:.2f})" in said
    assert f"Monte-Carlo standard error {row['mc_se']:.3f}" in said
    for arm in view.summary["arms"]:
        assert f"{arm['endpoints']['rfs']['median']:.1f} months with {arm['label']}" in said
    none = [{**c, "hr": None, "reason": "no events in either arm"} for c in view.summary["comparisons"]]
    assert "no hazard ratio, no events in either arm." in " ".join(
        words.in_short(replace(view, summary={**view.summary, "comparisons": none}))
    )


# the resolved scenario


def test_quantities_are_written_for_people():
    assert tidy("10000.0 um") == "10 mm"
    assert tidy("206000000.0 cell/mL") == "2.06 × 10⁸ cell/mL"
    assert tidy("0.0085 1/day") == "0.0085 1/day"
    assert tidy(True) == "True"
    assert tidy("q3mo x 8") == "q3mo x 8"
    assert [duration(x) for x in ("913.125 day", "14.0 day", "1.0 day", "2 mg")] == [
        "30 months",
        "14 days",
        "1 day",
        "2 mg",
    ]
    assert between(["0.0023 1/day", "0.06 1/day"], "0.0085 1/day") == "0.0023–0.06"
    assert between(["0.1", "0.2 1/day"], "0.0085 1/day") == "0.1–0.2 1/day"
    assert yearly("2.7378507871321012e-05 1/day") == "1.0% a year"
    assert in_words("4 x q1w, 4 x q2w, q3mo x 8, then q6mo") == (
        "4 times every week, 4 times every 2 weeks, 8 times every 3 months, then every 6 months"
    )
    assert in_words("3 consecutive days every 6 weeks x 8") == "3 consecutive days every 6 weeks x 8"


def test_parameters_are_listed_once_and_apart_where_they_differ(resolved):
    scenario = json.loads(resolved["advanced"])
    rows = {row.path: row for row in parameters(scenario)}
    assert rows["growth.growth_rate"].cv == "87%"
    assert rows["sorafenib.clearance"].status == "measured"
    assert not [path for path in rows if path.startswith("arms[")], "both arms share one definition of the drug"
    drug = next(t for t in scenario["arms"][1]["treatments"] if "drug" in t)["drug"]
    drug["clearance"] = {**drug["clearance"], "value": "1.0 L/day"}
    changed = {row.path: row.value for row in parameters(scenario)}
    assert changed["sorafenib.clearance"] == rows["sorafenib.clearance"].value
    (other,) = [path for path in changed if path.startswith("arms[")]
    assert other == "arms[1].treatments[0].drug.clearance"
    assert changed[other] == "1 L/day"


def test_settings_hold_what_has_no_status(resolved):
    found = dict(settings(json.loads(resolved["adjuvant"])))
    assert found["population.hbv"] == "0.81"
    assert found["trial.accrual"] == "30 months"
    assert found["trial.imaging.detection_diameter"] == "10 mm"
    assert not [path for path in found if "clearance" in path]


def test_treatments_are_in_words_even_when_unknown():
    strange = {"arms": [{"name": "a", "treatments": [{"laser": {"name": "red"}, "dose": "2 J", "until": None}]}]}
    assert treatments(strange, "a") == ["laser: red, dose: 2 J"]
    assert treatments({"arms": [{"name": "a", "treatments": []}]}, "a") == ["no treatment in the trial"]
    assert treatments(strange, "b") == ["not described in the scenario"]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '"text"', "[" * 100_000])
def test_a_scenario_that_is_no_mapping_is_refused(text):
    with pytest.raises(ReportError, match="the resolved scenario is no JSON mapping"):
        read_scenario(text)
    assert read_scenario("") == {}
