"""The page of a calibration: every section, stages that were not run, nothing loaded, nothing of a stranger's run."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest

from toy_calibration import PAPER, make_outcome
from tumorsim.calibration.shape import OUTCOME
from tumorsim.figures import FigureError
from tumorsim.report import calibration
from tumorsim.report.calibration import tables, words
from unit.page_examples import Page, leave_figures_out, refuse_to_load, section

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

SECTIONS = (
    *("short", "figures", "fit", "parameters", "together", "posterior", "screening", "search", "recovery"),
    *("predictions", "residuals", "limitations", "repeat"),
)
STAGES = {
    "screening": "no screening: the stage was not run",
    "optimise": "no search: the stage was not run",
    "posterior": "no posterior: the stage was not run",
    "recovery": "no recovery on synthetic studies: the stage was not run",
    "rivals": "no rival mechanisms: the stage was not run",
}


def read(**changed: Any) -> dict[str, Any]:
    found = OUTCOME.read(make_outcome(**changed), "")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def html():
    """The page with every figure drawn."""
    return calibration.render(read(), folder="results/hcc_adjuvant")


@pytest.fixture
def undrawn(monkeypatch):
    """Pages of words alone."""
    leave_figures_out(monkeypatch)


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
    refuse_to_load(html, "svg+xml")
    assert "url(" not in files("tumorsim.report").joinpath("page.css").read_text()


def test_every_figure_stands_in_its_section(html):
    held = {name: section(html, name).count("<figure") for name in SECTIONS}
    assert held == dict.fromkeys(SECTIONS, 0) | {
        "fit": 1, "parameters": 1, "posterior": 1, "screening": 1, "search": 2, "recovery": 1, "predictions": 1,
    }  # fmt: skip
    assert all(len(text) > 40 for text in Page(html).values("alt"))
    assert len(html) < 3_000_000


def test_tables_have_captions_headers_and_even_rows(html):
    made = re.findall(r"<table>.*?</table>", html, flags=re.S)
    assert len(made) >= 12
    for table in made:
        assert re.search(r"<caption><span>[^<]{4,}</span></caption>", table)
        head = table.count('<th scope="col"')
        for row in re.findall(r"<tbody>.*</tbody>", table, flags=re.S)[0].split("<tr")[1:]:
            assert row.count("<th") + row.count("<td") == head, table[:200]


def test_figures_are_told_with_their_part_in_the_fit(html):
    outcome = read()
    text = section(html, "figures")
    for target in outcome["targets"]:
        assert f">{target['id']}</" in text
    assert PAPER in text
    assert text.count(">fitted, 1</td>") == 9
    assert ">fitted, 0.5</td>" in text
    assert "could be fitted and was left out: a check on the fit" in text
    assert "not fitted: contradicts other figures of its source" in text
    assert "equals 73/114 and contradicts 28 deaths" in text
    assert "0.72 (0.54–0.97)" in text
    assert "44.0 months" in text
    assert "25.4%" in text
    # of 114 patients the toy's median has a log error of 0.17, its count one of 4.8
    assert "×/÷ 1.19" in text
    assert "±4.8" in text


def test_the_fit_stands_beside_the_reported_figures(html):
    first = read()["targets"][0]
    text = section(html, "fit")
    low, high = first["interval"]
    assert f"{first['simulated']:.1f} ({low:.1f}–{high:.1f})" in text
    assert f"{first['interval_posterior'][0]:.1f}–{first['interval_posterior'][1]:.1f}" in text
    assert "yes (±8.0)" in text
    assert text.count(">agrees</td>") == 11
    assert text.count(">shown only</td>") == 1


def test_parameters_are_judged_by_the_stated_rule(html):
    text = section(html, "parameters")
    assert "at most 50% of its prior&#39;s (shrinkage of 50% or more)" in text
    assert text.count('class="agrees">identifiable</td>') == 1
    assert text.count(">weakly</td>") == 4
    assert text.count('class="disagrees">not identifiable</td>') == 1
    for row in read()["parameters"]:
        assert row["path"] in text
        assert row["prior"]["text"] in text
    assert "2.48 (1.41–4.38)" in text


def test_what_is_only_a_product_is_said(html):
    text = section(html, "together")
    assert "CIK kill rate and CIK recruitment are known together only, as a product" in text
    assert "left open by the figures" in text
    assert "CIK kill rate ↑ 0.71, CIK recruitment ↓ 0.71" in text


def test_predictions_name_the_windows_of_every_model(html):
    text = section(html, "predictions")
    assert "Nothing in this section was fitted." in text
    for window in ("0–24 months", "24–60 months", "after 60 months"):
        assert f"Recurrence-free survival, {window}" in text
    for ratio in ("0.93 (0.44–1.95) [0.030]", "1.02 (0.49–2.14) [0.030]", "1.15 (0.55–2.41) [0.030]"):
        assert ratio in text
    assert "Memory off (at the values of the fit): farthest is R-15" in text
    assert "Halts growth, does not clear (fitted again)" in text
    assert "+3.67" in text


def test_the_page_says_how_to_repeat_it_and_what_it_cost(html):
    text = section(html, "repeat")
    assert "tumorsim calibrate hcc_adjuvant.yaml -o results/hcc_adjuvant" in text
    for said in ("ab" * 32, "cd" * 32, "12" * 32, "9.8.7", "2.5 h", "5,365", "36 min", "1.30 s"):
        assert said in text, said
    assert "SimulationError: 12 of 400 courses failed" in text
    assert "calibration: 1" in text
    assert Page(html).text.lower().count("not for clinical use") >= 2


def test_the_short_answer_counts(html):
    text = section(html, "short")
    assert "6 free parameters, 10 fitted figures of 1 study." in text
    assert (
        "Of 10 fitted figures, 10 agree; of 1 figure left out of the fit, 1 agrees; 1 more is shown and never" in text
    )
    assert "Identifiable: other deaths; weakly: deposits left behind, new lesions, CIK kill rate" in text


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_was_not_run_is_one_line(undrawn, stage):
    made = calibration.render(read(**{stage: None}))
    assert f"This calibration has {STAGES[stage]}." in made
    found = Page(made)
    assert found.wrong == [] == found.open
    assert tuple(name for name in found.values("id") if not name.startswith("h-")) == SECTIONS


def test_a_page_of_almost_nothing_is_whole():
    least = {
        "format": "tumorsim calibration", "layout": 1, "name": "bare", "targets": [],
        "parameters": [{"name": "rate", "prior": {"distribution": "lognormal"}}],
    }  # fmt: skip
    made = calibration.render(OUTCOME.read(least, ""))
    found = Page(made)
    assert found.wrong == [] == found.open
    assert made.count("the stage was not run") >= 6
    assert "No hazard ratios by window were predicted." in made
    assert "No reported figure is compared." in made


HOSTILE = '"><script>alert(1)</script><img src=http://example.invalid/x onerror=alert(1)>'


def test_hostile_text_stays_text(undrawn):
    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [poison(one, key) for one in value]
        return HOSTILE if isinstance(value, str) and key not in ("format", "distribution") else value

    outcome = read()
    poisoned = poison(outcome)
    for place, row in enumerate(poisoned["parameters"]):
        row["name"] = f"{place}{HOSTILE}"
    html = calibration.render(poisoned, folder=HOSTILE)
    found, clean = Page(html), Page(calibration.render(outcome))
    assert found.wrong == [] == found.open
    assert "<script" not in html
    assert found.tags["img"] == clean.tags["img"]
    assert {(tag, name) for tag, name, _ in found.attributes} <= {(tag, name) for tag, name, _ in clean.attributes}
    assert HOSTILE in found.text


def test_the_page_is_written_whole(undrawn, tmp_path):
    path = calibration.save(tmp_path / "page.html", read())
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FigureError, match="does not exist"):
        calibration.save(tmp_path / "none" / "page.html", read())


# words


def test_disagreement_is_counted_with_the_fit_and_without():
    outcome = read()
    for row in outcome["targets"][:3]:
        row["within"] = False
    assert words.agreement(outcome["targets"]).startswith("Of 10 fitted figures, 7 agree; of 1 figure left out")
    assert words.agreement([]) == "No reported figure is compared."


def test_a_ratio_and_a_combination_are_not_called_a_product():
    outcome = read()
    names = [one["name"] for one in outcome["parameters"]]

    def told(**weights: float) -> list[str]:
        held = {name: weights.get(name, 0.0) for name in names}
        across = {name: abs(weights.get(name, 0.0)) for name in names}
        rows = [{"shrinkage": known, "weights": across}, {"shrinkage": 0.05, "weights": held}]
        outcome["posterior"]["directions"] = rows
        return words.together(outcome)

    known = 0.7

    assert told(deposits=-0.7, kill_rate=-0.7)[0].endswith("as a ratio: they can make up for each other.")
    assert "as a combination" in told(deposits=0.6, kill_rate=0.6, new_lesions=-0.5)[0]
    assert "as a combination" in told(deposits=0.7, other_deaths=-0.7)[0], "a uniform prior has no product"
    assert told(deposits=1.0) == []
    assert words.directions(outcome)[1] == ("Deposits left behind ↑ 1.00", 0.05, words.OPEN)
    known = 0.1
    assert told(deposits=-0.7, kill_rate=-0.7) == [], "nothing of either is known, so neither is their ratio"


def test_coverage_that_is_off_is_named():
    outcome = read()
    assert "by more than chance" in words.recovered(outcome)
    outcome["recovery"]["parameters"][3] |= {"coverage": 0.5, "coverage_ci": [0.4, 0.6]}
    assert words.recovered(outcome).endswith("do not hold what they promise for CIK kill rate.")


def test_a_rival_that_misses_is_told_with_how_much():
    outcome = read()
    outcome["rivals"][0]["z"] = [-5.0, *[2.0] * 3, *[0.0] * 8]
    (first, _) = words.rival_sentences(outcome)
    assert "farthest is R-1, RFS median, CIK, 16 infusions, 5.0 sampling errors below" in first
    assert "4 of 10 fitted figures outside the 90% band" in first


def test_the_search_is_told_with_its_failures():
    outcome = read()
    assert words.search(outcome) == (
        "300 evaluations of CMA-ES, each generation with common random numbers of its own, "
        "30 generations of 10, 2 failed. "
        "The loss is 14.20 at the start and 3.10 at the end; on 3 fresh seeds it is 3.00, 3.40 and 3.30."
    )


def test_times_are_written_for_people():
    assert [words.spent(x) for x in (12.3, 89, 91, 3600, 5399, 5400, 9000)] == [
        "12 s", "89 s", "2 min", "60 min", "90 min", "1.5 h", "2.5 h",
    ]  # fmt: skip


def test_many_failures_are_counted_and_cut():
    outcome = read(failures=[{"stage": "optimise", "index": k, "message": "NaN"} for k in range(50)])
    table = tables.failures_table(outcome)
    assert table is not None
    assert table.caption == "Failed evaluations: 50"
    assert len(table.rows) == tables.MOST_FAILURES
    assert table.note == "The first 12 of 50."
