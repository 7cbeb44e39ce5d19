"""The benchmark suite: its frame on made-up figures, and that it measures something."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks import counts, saved, suites, table, timing
from benchmarks.__main__ import main
from benchmarks.figure import Figure, Skip
from benchmarks.saved import Run

MACHINE = {"cpu": "made up", "cores": 2, "load": 0.5, "date": "2026-01-01", "python": "3.11", "versions": {}}
LIMITS = {"fma": 40e9, "L1": 100e9, "L2": 60e9, "L3": 20e9, "triad": 8e9}
FIGURES = [
    Figure("fast", 100.0, "M voxels/s", 1e-6, "a peer", 2.0, 1.5, 1.9, noise=0.01, kernel="diffusion step",
           per_second=1e8, suite="fields"),
    Figure("slow", 5.0, "s", goal=4.0, stretch=2.0, at_most=True, suite="jobs"),
    Figure("counted", 7.0, "cells", suite="jobs"),
]  # fmt: skip


def made(figures: list[Figure] | None = None, **changes: Any) -> Run:
    return replace(Run(MACHINE, LIMITS, FIGURES if figures is None else figures), **changes)


# --- goals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("a", 1.0, "1/s", ratio=2.0, goal=2.0), True),
        (Figure("a", 9.0, "1/s", ratio=1.9, goal=2.0), False),  # the ratio is judged, not the rate
        (Figure("a", 3.0, "s", goal=4.0, at_most=True), True),
        (Figure("a", 5.0, "s", goal=4.0, at_most=True), False),
        (Figure("a", 3.0, "s", goal=4.0), False),
        (Figure("a", 3.0, "s"), None),
    ],
)
def test_a_goal_is_for_the_ratio_or_the_rate_and_may_be_a_ceiling(figure: Figure, met: bool | None) -> None:
    assert figure.met is met
    assert figure.as_dict()["met"] is met


@pytest.mark.parametrize(
    ("unit", "better"), [("patients/s", 1), ("1/s", 1), ("s", -1), ("bytes/voxel", -1), ("cells", 0), ("%", 0)]
)
def test_of_a_rate_more_is_better_and_of_a_time_less(unit: str, better: int) -> None:
    assert Figure("a", 1.0, unit).better == better
    assert Figure("a", 1.0, unit, ratio=1.0).better == 1


# --- times ------------------------------------------------------------------------------


def test_works_take_turns_in_alternating_order() -> None:
    order: list[str] = []
    times = timing.in_turn({name: lambda name=name: order.append(name) for name in "ab"}, 3)
    assert "".join(order) == "abbaab"
    assert [len(found) for found in times.values()] == [3, 3]


def test_a_ratio_is_the_median_over_rounds_with_its_error() -> None:
    ratio, noise = timing.ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert (ratio, noise) == (2.0, pytest.approx(timing.RANGE_ERROR * 0.5))
    ratio, noise = timing.ratio([2.0, 2.0, 1.0, 3.0, 2.0, 9.0, 2.0], [1.0] * 7)
    assert ratio == 2.0
    assert noise == pytest.approx(timing.MEDIAN_ERROR * 0.5 / math.sqrt(7) / 2.0)
    assert timing.ratio([2.0], [1.0]) == (2.0, None)


# --- a saved run ------------------------------------------------------------------------


def test_a_run_comes_back_from_its_file(tmp_path: Path) -> None:
    run = made(skipped={"mesa": "not here"}, quick=True)
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run
    listed = json.loads((tmp_path / "run.json").read_text())
    assert {"work", "rate", "unit", "error", "peer", "ratio", "goal", "met"} <= listed["figures"][0].keys()
    assert {"cpu", "versions", "load", "date"} <= listed["machine"].keys()


@pytest.mark.parametrize("text", ["", "[]", '{"layout": 99}', '{"layout": 1}'])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"run\.json"):
        Run.read(path)


def changed(**values: Any) -> list[saved.Change]:
    """Changes since `FIGURES` when the first of them has other values."""
    return saved.compare(made(), made([replace(FIGURES[0], **values), *FIGURES[1:]]))


def test_what_got_slower_beyond_noise_is_told() -> None:
    ratio, error, slow = changed(ratio=1.0)
    assert (ratio.what, ratio.times, ratio.worse) == ("ratio", 2.0, True)
    assert not error.worse
    assert not slow.worse
    assert "2.00× slower: fast" in table.comparison([ratio, error, slow])
    assert changed(ratio=4.0)[0].better


def test_differences_within_noise_are_none() -> None:
    assert not changed(ratio=1.9)[0].worse  # a twentieth
    assert not changed(ratio=1.4, noise=0.2)[0].worse  # 1.43 times, and 3 x 0.2 may be noise
    busy = replace(made([replace(FIGURES[0], ratio=1.0)]), machine=MACHINE | {"load": 24.0})
    assert not saved.compare(made(), busy)[0].worse  # twelve for each core
    assert not changed(rate=1.0)[0].worse  # where there is a ratio it counts alone
    assert changed(error=3e-6)[1].worse


def test_bare_rates_are_compared_on_the_same_machine_and_tier_alone() -> None:
    slower = made([FIGURES[0], replace(FIGURES[1], rate=50.0), FIGURES[2]])
    assert [change.work for change in saved.compare(made(), slower) if change.worse] == ["slow"]
    assert saved.in_one_alone(made(), made(FIGURES[1:])) == ["fast"]
    other = replace(slower, machine=MACHINE | {"cpu": "another"})
    assert not any(change.work == "slow" for change in saved.compare(made(), other))
    assert not any(change.work == "slow" for change in saved.compare(made(quick=True), slower))


# --- the frame --------------------------------------------------------------------------


def measured(quick: bool, repeats: int) -> list[Figure]:
    return [Figure("made up", float(repeats), "1/s", goal=5.0)]


def broken(quick: bool, repeats: int) -> list[Figure]:
    raise RuntimeError("it broke")


def absent(quick: bool, repeats: int) -> list[Figure]:
    raise Skip("it is not installed")


@pytest.fixture
def suites_made_up(monkeypatch: pytest.MonkeyPatch) -> tuple[suites.Suite, ...]:
    monkeypatch.setitem(sys.modules, "made_up_suites", sys.modules[__name__])
    found = tuple(
        suites.Suite(name, name.title(), f"made_up_suites:{name}", quick=name != "broken")
        for name in ("measured", "absent", "broken")
    )
    found += (suites.Suite("nowhere", "Nowhere", "benchmarks.no_such_module:run"),)
    monkeypatch.setattr(suites, "SUITES", found)
    monkeypatch.setattr("benchmarks.limits.measured", lambda quick: LIMITS)
    monkeypatch.setitem(sys.modules, "benchmarks.yardstick", None)
    return found


def test_a_suite_that_fails_or_is_absent_does_not_end_the_others(suites_made_up: tuple[suites.Suite, ...]) -> None:
    told: list[str] = []
    found = suites.run(suites_made_up[::-1], True, told.append)
    assert [(figure.work, figure.suite, figure.rate) for figure in found.figures] == [("made up", "measured", 3.0)]
    assert found.skipped == {"nowhere": "benchmarks/no_such_module.py is not there", "absent": "it is not installed"}
    assert found.failed == {"broken": "RuntimeError: it broke"}
    assert [line for line in told if line.startswith("measured:")]


def test_the_quick_tier_leaves_out_what_takes_long_unless_it_is_named(suites_made_up: tuple[suites.Suite, ...]) -> None:
    def names(only: list[str], quick: bool) -> list[str]:
        return [suite.name for suite in suites.chosen_of(suites_made_up, only, quick)]

    assert names([], quick=True) == ["measured", "absent", "nowhere"]
    assert names([], quick=False) == ["measured", "absent", "broken", "nowhere"]
    assert names(["broken"], quick=True) == ["broken"]
    with pytest.raises(Skip, match="no suite is called wrong; there are measured"):
        names(["wrong"], quick=True)


def test_the_command_measures_saves_draws_and_compares(
    suites_made_up: tuple[suites.Suite, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old, picture, page = (str(tmp_path / name) for name in ("new.json", "old.json", "run.png", "speed.md"))
    assert main(["--quick", "--only", "measured", "--json", new, "--figure", picture, "--page", page]) == 0
    out, told = capsys.readouterr()
    assert "made up" in out
    assert "≥ 5 MISSED" in out
    assert "0 of 1 goals met" in out
    assert "measured: measured" in told
    assert Path(picture).stat().st_size > 10_000
    assert "no reason is known yet" in Path(page).read_text()
    run = Run.read(Path(new))
    replace(run, figures=[replace(run.figures[0], rate=30.0)]).write(Path(old))
    assert main(["--saved", new, "--against", old]) == 0
    assert "in one of the runs" not in capsys.readouterr().out
    assert main(["--saved", new, "--against", old, "--strict"]) == 1
    assert "10.00× slower: made up" in capsys.readouterr().out
    assert main(["--only", "broken"]) == 1
    assert main(["--only", "wrong"]) == 2
    assert main(["--saved", str(tmp_path / "none.json")]) == 2


def test_suites_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(suite.name in listed for suite in suites.SUITES)


# --- words and pictures -----------------------------------------------------------------


def test_the_table_says_goals_errors_and_limits() -> None:
    text = table.text(made(skipped={"mesa": "not here"}))
    for said in (
        "2× ±2% a peer", "1.0e-06", "≥ 1.5 met, and ≥ 1.9", "≤ 4 MISSED", "left out: mesa, not here",
        "1 of 2 goals met", "diffusion step: 2.30 Gflop/s, 0.24 of the 9.58 that L3 allows",
    ):  # fmt: skip
        assert said in text


def test_a_kernel_stands_beside_the_lower_of_arithmetic_and_traffic() -> None:
    step = counts.KERNELS["diffusion step"]
    found = counts.share("diffusion step", 1e8, LIMITS)
    assert (found.by, found.allowed) == ("L3", step.intensity * LIMITS["L3"])
    assert found.of_limit == pytest.approx(1e8 * step.bytes / LIMITS["L3"])
    assert counts.share("diffusion step", 1e8, LIMITS | {"L3": 1e12}).by == "fma"


def test_pictures_are_drawn_from_made_up_figures(tmp_path: Path) -> None:
    from benchmarks.drawing import achieved, save

    extreme = [*FIGURES, Figure("nothing", 0.0, "mmHg", goal=0.1, at_most=True, suite="lattice")]
    written = save(made(extreme), tmp_path / "run.png")
    assert [path.name for path in written] == ["run.png", "run-roofline.png"]
    assert all(path.stat().st_size > 10_000 for path in written)
    assert save(made([FIGURES[2]]), tmp_path / "none.png") == []
    assert [achieved(figure) for figure in extreme if figure.goal] == [pytest.approx(4 / 3), 0.8, math.inf]


def test_the_page_has_every_figure_and_why_goals_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.REASONS, "slow", "it was made up so.")
    page = table.page(made())
    assert page.startswith("# Speed\n")
    assert "- *slow*: it was made up so." in page
    assert all(f"| {figure.work} |" in page for figure in FIGURES)


# --- for real -----------------------------------------------------------------------------


@pytest.mark.medium
def test_the_quick_tier_of_one_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", "fields", "--json", str(tmp_path / "run.json")]) == 0
    run = Run.read(tmp_path / "run.json")
    step = run.figures[0]
    assert step.work == "diffusion step, 100³"
    assert step.error is not None
    assert step.error < 1e-12
    assert all(run.limits[name] > 1e8 for name in LIMITS)
    assert "Kernels beside these limits" in capsys.readouterr().out


@pytest.mark.slow
def test_every_figure_is_a_positive_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import agents, fields, lattice, limits, lsoda, machine, patient

    monkeypatch.setattr(agents, "SMALL", 32)
    monkeypatch.setitem(lattice.SIDES, True, (32,))
    monkeypatch.setattr(lsoda, "YEARS", 1.0)
    solver = lsoda.beside(lsoda.course(2, 1), lsoda.lsoda, "LSODA", 1, None)
    figures = [*patient.cohort(2, 1), *patient.kernel(2, 1), *solver]
    figures += limits.two_threads(True, 1)
    figures += [*fields.step(20, 1), *fields.oxygen(20, 1), *lattice.days(True, 1), *agents.agents(True, 1)]
    for figure in figures:
        assert figure.work
        assert math.isfinite(figure.rate)
        assert figure.rate >= 0.0
    assert machine.peak_memory() > 10.0
    assert machine.machine()["cpu"]
    assert solver[0].error is not None
    assert solver[0].error < 1e-5


@pytest.mark.slow
def test_mesa_comes_to_the_same_population() -> None:
    pytest.importorskip("mesa")
    from benchmarks.agents import populations

    from tumorsim.lattice.crew import Crew

    with Crew(1) as crew:
        found = populations(10, crew, 6)
    assert found.ours > 1.2 * found.start  # they do live
    assert abs(found.score) < 4.0


def test_the_peak_of_a_job_is_its_own_and_not_that_of_who_starts_it() -> None:
    from benchmarks.jobs import tumorsim

    large = np.ones(50_000_000)  # 400 MB
    job = tumorsim("--version")
    assert 5.0 < job.peak_mib < 0.5 * large.nbytes / 2**20
    assert job.seconds > 0.0
    with pytest.raises(RuntimeError, match="no-such-thing"):
        tumorsim("no-such-thing")


def test_events_for_amici_read_no_rule_and_mean_the_same() -> None:
    libsbml = pytest.importorskip("libsbml")
    from benchmarks.amici_peer import without_rules

    text = """<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model>
    <listOfParameters><parameter id="x" value="3" constant="false"/><parameter id="a" constant="false"/>
    <parameter id="b" constant="false"/></listOfParameters>
    <listOfRules><assignmentRule variable="b"><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><times/><ci>a</ci><ci>a</ci></apply></math></assignmentRule>
    <assignmentRule variable="a"><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><plus/><ci>x</ci><cn>1</cn></apply></math></assignmentRule></listOfRules>
    <listOfEvents><event useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true">
    <math xmlns="http://www.w3.org/1998/Math/MathML"><apply><gt/><ci>b</ci><cn>20</cn></apply></math></trigger>
    <listOfEventAssignments><eventAssignment variable="x"><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><minus/><ci>b</ci><ci>a</ci></apply></math></eventAssignment></listOfEventAssignments></event>
    </listOfEvents></model></sbml>"""
    model = libsbml.readSBMLFromString(without_rules(text)).getModel()
    event = model.getEvent(0)
    assert libsbml.formulaToL3String(event.getEventAssignment(0).getMath()) == "(x + 1) * (x + 1) - (x + 1)"
    assert libsbml.formulaToL3String(event.getTrigger().getMath()) == "b > 20"
    assert model.getNumRules() == 2
