"""What a sweep reads off a run is what the run itself says of it."""

import math

import numpy as np
import pytest

import toy_sweep
import tumorsim as ts
from tumorsim.sweep.config import load_sweep
from tumorsim.sweep.design import points_of
from tumorsim.sweep.runs import Asked, Runs, WorkerError, _held, failed, surroundings

OUTPUTS = """\
outputs:
  - {name: os_median, quantity: os.median, arm: combination}
  - {name: os_events, quantity: os.events, arm: sorafenib}
  - {name: os_hr, quantity: os.hr, arm: combination}
  - {name: pfs_hr, quantity: pfs.hr, arm: sorafenib, reference: combination}
  - {name: deaths, quantity: deaths, arm: sorafenib}
  - {name: all_deaths, quantity: deaths}
  - {name: tumour, quantity: deaths.tumour, arm: combination}
  - {name: dcr, quantity: response.recist.dcr_best, arm: combination}
  - {name: orr, quantity: response.mrecist.orr, arm: sorafenib}
  - {name: infusions, quantity: infusions.mean, arm: combination}
  - {name: cells, quantity: cells.mean, arm: combination}
"""
MONTH = 365.25 / 12


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A run of a sweep, and the same run alone, by the arguments that the sweep gives for it."""
    text = toy_sweep.TEXT.partition("outputs:")[0].replace("patients: 2", "patients: 16").replace("6 month", "12 month")
    made = load_sweep(toy_sweep.write(tmp_path_factory.mktemp("outputs"), text + OUTPUTS))
    points = points_of(made.read_factors, made.design, made.samples, made.base.seed)
    settings = points.settings(made.read_factors, 3)
    (row,) = Runs.of(made.base, made.read_outputs)([Asked(7, tuple(settings), 6)])
    assert (row.number, row.failure, row.remark) == (7, "", "")
    alone = ts.run(**arguments(made.base.repeat(settings, 6)), threads=1).as_dict
    return dict(zip([one.name for one in made.read_outputs], row.values, strict=True)), alone


def arguments(command):
    """What `tumorsim.run` takes of a command line."""
    verb, source, *options = command
    assert verb == "run"
    given = {"source": source, "overrides": []}
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option == "--set":
            given["overrides"].append(value)
        else:
            given[option.removeprefix("--")] = int(value)
    return given


def test_outputs_of_a_trial_are_those_of_the_same_run_alone(trial):
    found, alone = trial
    sorafenib, combination = alone["arms"]
    ratios = {(one["endpoint"], one["arm"]): one["hr"] for one in alone["comparisons"]}
    deaths = [sum(arm["deaths"].values()) for arm in (sorafenib, combination)]
    assert deaths[0] > 0
    expected = {
        "os_median": combination["endpoints"]["os"]["median"] and combination["endpoints"]["os"]["median"] * MONTH,
        "os_events": sorafenib["endpoints"]["os"]["events"],
        "os_hr": ratios["os", "combination"],
        "pfs_hr": 1 / ratios["pfs", "combination"],
        "deaths": deaths[0],
        "all_deaths": sum(deaths),
        "tumour": combination["deaths"]["tumour"],
        "dcr": combination["response"]["recist"]["dcr_best"],
        "orr": sorafenib["response"]["mrecist"]["orr"],
        "infusions": combination["infusions_mean"],
        "cells": combination["cells_mean"],
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert math.isnan(found[name]), name
        else:
            assert found[name] == pytest.approx(value, rel=1e-6), name
    assert found["infusions"] > 0


@pytest.fixture(scope="module")
def lattice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lattice")
    busy = (toy_sweep.SCENARIOS.parent / "tests" / "busy_lattice.yaml").read_bytes()
    (folder / "busy.yaml").write_bytes(busy)
    (folder / "sweep.yaml").write_text("""\
sweep: 1
name: lattice
title: Lattice
scenario: busy.yaml
set: ["lattice.duration=1.5 day", "output.snapshots=[0 day, 1 day]"]
factors: [{name: resistant, path: start.resistant_fraction, values: [10 %, 30 %]}]
outputs:
  - {name: cells, quantity: tumour_cells, arm: everything}
  - {name: less, quantity: tumour_cells, arm: everything, reference: nothing}
""")
    made = load_sweep(folder / "sweep.yaml")
    settings = ["start.resistant_fraction=30 %"]
    (row,) = Runs.of(made.base, made.read_outputs)([Asked(0, tuple(settings), 4)])
    assert row.failure == ""
    return row.values, ts.run(**arguments(made.base.repeat(settings, 4)), threads=1)


def test_outputs_of_a_lattice_are_those_of_one_replicate_alone(lattice):
    (cells, less), alone = lattice
    table = alone.summary()
    means = table[table["quantity"] == "tumour_cells"].set_index("arm")["mean"]
    assert cells == means["everything"]
    assert less == means["everything"] - means["nothing"]
    assert less != 0


# --- runs that fail ---------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    return load_sweep(toy_sweep.write(tmp_path))


def test_values_that_do_not_go_together_are_a_failure_and_no_end(small):
    asked = [Asked(0, ("trial.cutoff=3 month", "trial.accrual=5 month"), 5), Asked(1, (), 5)]
    broken, whole = Runs.of(small.base, small.read_outputs)(asked)
    assert broken.failure.startswith("ScenarioError: ")
    assert "accrual" in broken.failure
    assert broken.values == ()
    assert whole.failure == ""
    assert len(whole.values) == 3


def test_a_run_that_breaks_is_tried_twice(small, monkeypatch):
    calls = []

    def breaking(base, outputs, asked):
        calls.append(asked.number)
        if asked.number == 0 or len(calls) == 3:
            raise RuntimeError("broke")
        return toy_sweep.made_up(asked)

    monkeypatch.setattr("tumorsim.sweep.runs._run", breaking)
    rows = Runs.of(small.base, small.read_outputs)([Asked(0, (), 5), Asked(1, (), 5)])
    assert calls == [0, 0, 1, 1]
    assert [row.failure for row in rows] == ["RuntimeError: broke", ""]


@pytest.mark.parametrize("error", [ValueError(""), ValueError("x" * 5000), ValueError("\ud800 and \0")])
def test_the_message_of_a_failure_is_short_and_never_empty(error):
    text = failed(1, error).failure
    assert 0 < len(text) <= 1000
    text.encode()


@pytest.mark.parametrize(
    ("name", "said"),
    [("numpy", r"numpy 0\.1.*install the same on every machine"), ("cpu_class", r"cpu_class 0\.1.* of one class$")],
)
def test_a_worker_with_other_software_or_cpu_refuses(small, monkeypatch, name, said):
    runs, here = Runs.of(small.base, small.read_outputs), surroundings()
    monkeypatch.setattr("tumorsim.sweep.runs.surroundings", lambda: here | {name: "0.1"})
    _held.cache_clear()
    with pytest.raises(WorkerError, match=said):
        runs([Asked(0, (), 5)])


def test_what_cannot_be_estimated_is_missing_and_no_failure(small):
    (row,) = Runs.of(small.base, small.read_outputs)([Asked(0, ("trial.cutoff=4 month",), 5)])
    assert row.failure == ""
    assert np.isnan(row.values).any()
