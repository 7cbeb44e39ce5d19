"""Sweep files: what is read, and how each slip is told, before anything runs."""

from functools import lru_cache

import numpy as np
import pytest

import toy_sweep
from tumorsim.scenario import ScenarioError
from tumorsim.sweep import config
from tumorsim.sweep.base import Base, read_base
from tumorsim.sweep.config import load_sweep

LATTICE = toy_sweep.SCENARIOS / "small" / "spatial_resistance.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(autouse=True)
def _scenario_read_once(monkeypatch, folder):
    """The same scenario with the same settings is read once; everything else goes the usual way."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(config, "read_base", _read)
    monkeypatch.setattr(Base, "at", _composed)


AT, COMPOSED = Base.at, {}


def _composed(base, settings, seed=None):
    key = (id(base), *settings)
    if key not in COMPOSED:
        COMPOSED[key] = (base, AT(base, settings))  # the base too, so that its number stays its own
    return COMPOSED[key][1]


@lru_cache
def _held(path, *given):
    return read_base(path, config.parse(path.read_text(encoding="utf-8"), "sweep.yaml"), *given)


def _read(path, root, scenario, settings, overrides, patients, seed):
    try:
        return _held(path, scenario, tuple(settings), tuple(overrides), patients, seed)
    except ScenarioError:
        return read_base(path, root, scenario, settings, overrides, patients, seed)


def slip(folder, *pairs, **options):
    """What is told of the tiny sweep with other text in it."""
    text = toy_sweep.TEXT
    for good, bad in pairs:
        assert text.count(good) == 1
        text = text.replace(good, bad)
    with pytest.raises(ScenarioError) as told:
        load_sweep(toy_sweep.write(folder, text), **options)
    return str(told.value)


def test_what_is_read(folder):
    made = load_sweep(toy_sweep.write(folder))
    dose, kill_rate = made.read_factors
    assert dose.settings == ("arms.combination.treatments.1.dose",)
    assert kill_rate.settings == ("arms.combination.treatments.1.infusion.kill_rate",)
    assert (dose.title, dose.unit, dose.numbers, dose.texts) == ("Cells", "cells", (0.0, 6e9), ("0 cells", "6e9 cells"))
    assert kill_rate.title == "kill_rate"
    assert kill_rate.texts == ("0.1 1/day", "10 1/day")
    months, deaths, ratio = made.read_outputs
    assert (months.arms, months.unit) == ((1,), "day")
    assert (deaths.arms, deaths.unit) == ((0, 1), "1")
    assert ratio.arms == (1, 0)
    assert ratio.title == "os.hr, combination"
    assert made.base.seed == 5
    assert made.base.study.population.patients == 2
    assert made.text == toy_sweep.TEXT


def test_the_command_line_has_the_last_word(folder):
    path = toy_sweep.write(folder)
    made = load_sweep(path, seed=9, patients=7, replicates=3, overrides=["trial.cutoff=7 month"])
    assert (made.base.seed, made.base.study.population.patients, made.replicates) == (9, 7, 3)
    assert made.base.study.trial.cutoff == pytest.approx(7 * 365.25 / 12)
    assert made.base.repeat(["a.b=1 day"], 10) == [
        "run", "hcc_sorafenib_cik.yaml", "--set", "trial.cutoff=6 month", "--set", "trial.accrual=1 month",
        "--set", "trial.cutoff=7 month", "--patients", "7", "--set", "a.b=1 day", "--seed", "10",
    ]  # fmt: skip


DOSE = "values: [0 cells, 6e9 cells]"
RANGE = "low: 0.1 1/day\n    high: 10 1/day\n    points: 2\n    scale: log"
HR = "{name: hr, quantity: os.hr, arm: combination}"
SLIPS = {
    "a key that there is not": ("seed: 5", "seeed: 5", "sweep.yaml:7", '"seeed" is no key here (did you mean "seed"?)'),
    "no such path": (
        "infusion.cik.kill_rate", "infusion.cik.kil_rate", "factors[1]", '"infusion.cik.kil_rate" is nothing',
    ),
    "no such path of an arm": (
        "arms.combination.treatments", "arms.combinaton.treatments", 'did you mean "combination"',
        "arms has sorafenib, combination",
    ),
    "nothing to sweep": ("infusion.cik.kill_rate", "seed", '"seed" is nothing to sweep', "replicates: 4"),
    "decided by the sweep": ("infusion.cik.kill_rate", "output.interval", "is nothing to sweep"),
    "a value that does not fit": (DOSE, "values: [0 mL, 6 mL, 7 mL]", "0 mL does not fit", "treatments[1].dose",
                                  "e.g.", "nor do 6 mL, 7 mL"),
    "an end that does not fit": ("low: 0.1 1/day\n    high: 10 1/day", "low: 1 mL\n    high: 2 mL", "does not fit"),
    "values in two units": (DOSE, "values: [1 day, 1 month]", 'one unit, not "day" and "month"', "[0 day, 7 day]"),
    "ends in two units": ("high: 10 1/day", "high: 10 1/h", 'one unit, not "1/day" and "1/h"'),
    "ends without a number": ("low: 0.1 1/day", "low: some", "numbers with a unit", "e.g. low: 1e9 cells"),
    "ends the wrong way round": ("low: 0.1 1/day", "low: 11 1/day", "low must be below high"),
    "a log scale from zero": ("low: 0.1 1/day", "low: 0 1/day", "a log scale needs low > 0"),
    "values that do not change": (DOSE, "values: [6e9 cells, 6e9 cells]", "a factor must change"),
    "values and ends": (DOSE, DOSE + "\n    low: 0 cells\n    high: 1 cells", "either values or low and high"),
    "one end": ("    high: 10 1/day\n", "", "either values or low and high"),
    "neither": (RANGE, "label: none", "either values or low and high", "e.g. values:"),
    "values with points": (DOSE, DOSE + "\n    points: 3", "points and scale belong to low and high"),
    "a grid without points": ("    points: 2\n", "", "a grid needs the number of values", "e.g. points: 5"),
    "more points than whole numbers": (
        f"infusion.cik.kill_rate\n    {RANGE}", "population.patients\n    low: 4\n    high: 6\n    points: 5",
        "has no 5 different values between 4 and 6",
    ),
    "a list of ranges": ("design: grid", "design: list", "a list needs values, one a point"),
    "samples of values": ("design: grid", "design: sobol\nsamples: 4", "takes values between two ends"),
    "points of samples": ("design: grid", "design: sobol\nsamples: 4", "factors[1].points", "belongs to a grid"),
    "no samples": ("design: grid", "design: latin_hypercube", "samples: needed by latin_hypercube and sobol"),
    "samples of a grid": ("design: grid", "design: grid\nsamples: 3", "samples: needed by"),
    "no such design": ("design: grid", "design: gird", "design", "grid, list, latin_hypercube"),
    "a name twice": ("name: deaths", "name: dose", 'the name "dose" stands at factors[0] too'),
    "a name of the result": ("name: dose", "name: status", '"status" is a name that the result uses itself'),
    "a name of the codes": ("name: dose", "name: dose_code", "is a name that the result uses itself"),
    "a way out": ("../hcc_sorafenib", "../../hcc_sorafenib", "stays in the folder", "e.g. ../hcc_sorafenib_cik.yaml"),
    "an absolute path": ("../hcc_sorafenib", "/tmp/hcc_sorafenib", "must be a relative path"),
    "no such file": ("../hcc_sorafenib", "../hcc_serafenib", "sweep.yaml:4", "there is no file ../hcc_serafenib"),
    "a setting of all runs": ("trial.accrual=1 month", "trial.acrual=1 month", "sweep.yaml:5", '"acrual" is no key'),
    "no such quantity": ("deaths}", "deeths}", '"deeths" is unknown', 'did you mean "deaths"'),
    "an end point of the other setting": ("os.rmst(5 month)", "rfs.median", "rfs is no advanced end point"),
    "a matched analysis": ("os.rmst(5 month)", "matching.pairs", "which a sweep does not do"),
    "no arm": ("os.rmst(5 month), arm: combination", "os.rmst(5 month)", "needs an arm, e.g. arm: combination"),
    "no such arm": ("os.rmst(5 month), arm: combination", "os.median, arm: cik", '"cik" is no arm; the arms are'),
    "the reference itself": (HR, HR.replace("combination", "sorafenib"), "sorafenib is the reference"),
    "a reference for nothing": ("deaths}", "deaths, reference: sorafenib}", "concerns no reference arm"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_told_with_place_and_rule(name, folder):
    good, bad, *parts = SLIPS[name]
    told = slip(folder, (good, bad))
    assert "sweep.yaml" in told
    for part in parts:
        assert part in told


def test_two_factors_cannot_change_one_place(folder):
    dose = ("infusion.cik.kill_rate", "arms.combination.treatments.1.dose")
    told = slip(folder, dose, ("low: 0.1 1/day", "low: 1 cells"), ("high: 10 1/day", "high: 10 cells"))
    assert "dose and kill_rate both change arms.combination.treatments.1.dose" in told


def test_lists_of_different_length(folder):
    told = slip(folder, ("design: grid", "design: list"), (RANGE, "values: [0.1 1/day, 1 1/day, 2 1/day]"))
    assert "sweep.yaml:11" in told
    assert "every factor needs as many values; here they have [2, 3]" in told


def test_more_runs_than_can_be_kept(folder):
    told = slip(folder, ("points: 2", "points: 10000"), replicates=100)
    assert "20,000 points x 100 replicates are more than 1,000,000 runs" in told


def test_every_slip_is_told_at_once(folder):
    told = slip(
        folder, ("infusion.cik.kill_rate", "infusion.cik.kil_rate"), (DOSE, "values: [1 day, 1 month]"),
        ("deaths}", "deeths}"), ("name: hr", "name: dose"), ("os.rmst(5 month)", "rfs.median"),
    )  # fmt: skip
    for place in ("factors[0]", "factors[1]", "outputs[0]", "outputs[1]", "outputs[2]"):
        assert place in told
    told = slip(folder, ("../hcc_sorafenib", "../hcc_serafenib"), ("name: hr", "name: dose"))
    assert "there is no file" in told
    assert 'the name "dose" stands at' in told


def test_a_sensitivity_analysis_needs_ends(folder):
    assert "a sensitivity analysis takes values between two ends" in slip(folder, sampled=True)


def test_no_mapping(folder):
    with pytest.raises(ScenarioError, match="a sweep must be a mapping"):
        load_sweep(toy_sweep.write(folder, "- sweep\n"))


def test_a_lattice_has_no_patients(folder):
    (folder / "lattice.yaml").write_bytes(LATTICE.read_bytes())
    text = """\
sweep: 1
name: lattice
title: Lattice
scenario: ../lattice.yaml
patients: 4
factors: [{name: seed_size, path: start.diameter, values: [0.3 mm, 0.4 mm]}]
outputs: [{name: cells, quantity: tumour_cells, arm: tki}]
"""
    with pytest.raises(ScenarioError, match="is a lattice, which has no patients"):
        load_sweep(toy_sweep.write(folder, text))
    made = load_sweep(toy_sweep.write(folder, text.replace("patients: 4\n", "")))
    assert made.base.spatial
    assert made.base.repeat([], 2)[:4] == ["run", "lattice.yaml", "--replicates", "1"]
    for good, bad, told in (
        ("tumour_cells", "tumor_cells", "is no quantity"),
        ("arm: tki", "arm: tkj", "is no arm"),
        ("start.diameter", "lattice.replicates", "nothing to sweep"),
    ):
        with pytest.raises(ScenarioError, match=told):
            load_sweep(toy_sweep.write(folder, text.replace("patients: 4\n", "").replace(good, bad)))


def test_texts_and_truths_are_values_too(folder):
    schedules = "values: [once, 4 x q1w]"
    text = toy_sweep.TEXT.replace(DOSE, schedules).replace("1.dose", "1.schedule")
    factor = load_sweep(toy_sweep.write(folder, text)).read_factors[0]
    assert not factor.numeric
    assert factor.texts == ("once", "4 x q1w")
    assert factor.set("4 x q1w") == ["arms.combination.treatments.1.schedule=4 x q1w"]
    assert np.isnan(factor.numbers).all()


def test_numbers_of_schedules_are_no_quantities(folder):
    text = toy_sweep.TEXT.replace(DOSE, "values: [2 x q1w, 4 x q1w]").replace("1.dose", "1.schedule")
    assert not load_sweep(toy_sweep.write(folder, text)).read_factors[0].numeric
