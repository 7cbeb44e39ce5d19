"""Tables of the command line, from a toy trial whose numbers are known."""

import io
import re

import pytest
from rich.console import Console

from toy_trial import make_trial
from tumorsim import library, summary
from tumorsim.cli import printing
from tumorsim.params.design import Matching
from tumorsim.params.targets import Target

NARROW_TERMINAL = 80


def shown(table, width=200) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False, emoji=False, highlight=False, force_terminal=False).print(table)
    return stream.getvalue()


@pytest.fixture(scope="module")
def adjuvant():
    trial = make_trial(n=120)
    where = {"source": "A journal", "kind": "CAL"}
    targets = [
        Target(id="R-1", quantity="rfs.median", arm="cik", reported="44 month", n=114, weight="high", **where),
        Target(id="R-3", quantity="rfs.hr", arm="cik", reported=0.72, reported_ci=(0.54, 0.97), n=(114, 112), **where),
        Target(
            id="R-4", quantity="rfs.crude_survival(9 y)", arm="cik", reported="25.4 %", tolerance="5 %", n=114, **where
        ),
        Target(id="R-9", quantity="recurrences", arm="cik", reported=83, n=114, **where),
    ]
    return summary.build(trial, "toy", "A toy", 1, targets=targets)


@pytest.fixture(scope="module")
def advanced():
    return summary.build(make_trial(n=60, setting="advanced"), "toy", "A toy", 1)


def test_every_end_point_has_both_arms_and_both_errors(adjuvant):
    text = shown(printing.endpoints_table(adjuvant))
    row = next(r for r in adjuvant["comparisons"] if r["endpoint"] == "rfs")
    arm = adjuvant["arms"][1]["endpoints"]["rfs"]
    line = text[text.index("RFS") :].splitlines()[2]
    assert f"{arm['events']}/{arm['n']}" in line
    assert f"{row['hr']:.2f} ({row['ci'][0]:.2f}–{row['ci'][1]:.2f})" in line
    assert f"±{row['mc_se']:.3f}" in line
    assert text.count("reference") == len(adjuvant["arms"][0]["endpoints"])


def test_deaths_add_up(adjuvant):
    lines = shown(printing.counts_table(adjuvant)).splitlines()
    for arm in adjuvant["arms"]:
        line = next(text for text in lines if arm["label"] in text)
        recurrences, deaths, *causes = map(int, re.findall(r"\b\d+\b", line.split(arm["label"])[1])[:5])
        assert recurrences == arm["recurrences"]
        assert deaths == sum(causes) == sum(arm["deaths"].values())


def test_response_only_where_lesions_were_measured(adjuvant, advanced):
    assert printing.response_table(adjuvant) is None
    text = shown(printing.response_table(advanced))
    rates = advanced["arms"][1]["response"]["mrecist"]
    assert "RECIST 1.1" in text
    assert f"{100 * rates['dcr_best']:.1f} ({100 * rates['dcr_best_ci'][0]:.1f}–" in text
    assert f"{100 * rates['dcr_confirmed']:.1f}" in text


def test_a_matched_study_prints_both_analyses_and_the_balance(adjuvant):
    assert printing.matching_table(adjuvant) is None
    assert printing.balance_table(adjuvant) is None
    trial = make_trial(n=160, allocation="randomised", seed=2)
    matching = Matching(covariates=("diameter", "cirrhosis"), caliper=0.5)
    told = summary.build(trial, "toy", "A toy", 1, ["rfs"], matching=matching)
    lines = shown(printing.matching_table(told)).splitlines()
    for side, name in (("before", "all patients"), ("after", f"{told['matching']['pairs']} pairs")):
        found = told["matching"]["endpoints"][0][side]
        line = next(text for text in lines if name in text)
        assert f"{found['hr']:.2f} ({found['ci'][0]:.2f}–{found['ci'][1]:.2f})" in line
        assert f"{found['n'][0]} and {found['n'][1]}" in line
    row = told["matching"]["balance"][0]
    line = next(text for text in shown(printing.balance_table(told)).splitlines() if "Largest tumour" in text)
    assert line.split()[-2:] == [f"{row['before']:.2f}", f"{row['after']:.2f}"]


def test_a_target_says_its_analysis_and_its_subgroup(adjuvant):
    target = adjuvant["targets"][1] | {"analysis": "matched", "subgroup": "cirrhosis = yes"}
    assert "[cik, matched, cirrhosis = yes]" in shown(printing.targets_table([target]))


def test_targets_show_reported_simulated_and_verdicts(adjuvant):
    lines = shown(printing.targets_table(adjuvant["targets"])).splitlines()
    median = next(line for line in lines if "R-1" in line)
    ratio = next(line for line in lines if "R-3" in line)
    crude = next(line for line in lines if "R-4" in line)
    assert "[cik, months]" in median
    assert "44.0" in median
    assert "0.72 (0.54–0.97)" in ratio
    assert "[cik, %]" in crude
    assert "25.4" in crude
    count = next(line for line in lines if "R-9" in line)
    assert re.search(r"patients\] +83 +\d+ \(\d+–\d+\) ", count), "patients are whole"
    wanted = "yes" if adjuvant["targets"][2]["within_tolerance"] else "no"
    assert crude.split()[-2] == wanted


def test_sources_are_grouped_with_their_weight(adjuvant):
    assert printing.sources(adjuvant["targets"]) == [
        "R-1 (weight high): A journal",
        "R-3, R-4, R-9 (weight medium): A journal",
    ]


@pytest.mark.parametrize("which", ["adjuvant", "advanced"])
def test_tables_fit_a_small_terminal(which, request):
    told = request.getfixturevalue(which)
    tables = [
        printing.endpoints_table(told, True),
        printing.counts_table(told, True),
        printing.response_table(told, True),
    ]
    tables.append(printing.targets_table(told["targets"], True))
    for table in filter(None, tables):
        text = shown(table, NARROW_TERMINAL)
        assert max(map(len, text.splitlines())) <= NARROW_TERMINAL
        assert "…" not in text, "a number was cut"


def test_missing_values_are_dashes_not_nan():
    assert printing.number(None) == printing.number(float("nan")) == "–"
    assert printing.with_interval(None, (12.0, None)) == "n.r. (12.0–n.r.)"
    assert printing.with_interval(3.0, (None, None)) == "3.0"
    assert printing.interval((-0.5, 0.5)) == "-0.5 to 0.5"
    assert printing.p_value(0.0004) == "<0.001"
    assert [printing.significant(x) for x in (0.7249, 9.996, 44.04, 113.6)] == ["0.72", "10.0", "44.0", "114"]


def test_hostile_labels_stay_text(adjuvant):
    arms = [adjuvant["arms"][0] | {"label": "[red]x[/red]\x1b[2J"}, adjuvant["arms"][1]]
    text = shown(printing.counts_table(adjuvant | {"arms": arms}))
    assert "[red]x[/red]�[2J" in text
    assert "\x1b" not in text


def test_no_colour_and_no_cut_in_a_pipe(adjuvant, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    printing.print_study(adjuvant)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "inside:" in text


def test_library_entry_shows_status_and_sources(capsys):
    entry = library.entry("sorafenib")
    printing.print_entry(entry)
    text = capsys.readouterr().out
    for row in entry.rows:
        assert row.path in text
        assert row.value in text
    numbered = re.findall(r"^\[(\d+)\] (.+)$", text, re.MULTILINE)
    assert [source for _, source in numbered] == list(dict.fromkeys(row.source for row in entry.rows if row.source))


def test_library_counts_statuses(capsys):
    entry = library.entry("hcc")
    printing.print_library([entry])
    line = next(text for text in capsys.readouterr().out.splitlines() if "hcc" in text)
    assert sum(map(int, re.findall(r"\b\d+\b", line.split(entry.label)[1]))) == len(entry.rows)


def test_figures_are_listed_with_options(capsys):
    from tumorsim.figures import FIGURES

    printing.print_figures(FIGURES)
    text = capsys.readouterr().out
    for figure in FIGURES:
        assert figure.name in text
        for option in figure.options:
            assert f"{option.name}=" in text
