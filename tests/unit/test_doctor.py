"""The self-test finds what is broken."""

import json

import numpy as np
import pytest

from tumorsim import doctor


def test_random_numbers_pass_and_fail(monkeypatch):
    passed, detail = doctor._check_random()
    assert passed
    assert "Philox" in detail
    from tumorsim.kernels import random

    monkeypatch.setattr(random, "philox", lambda *_: (1, 2, 3, 4))
    passed, detail = doctor._check_random()
    assert not passed
    assert "clear the cache" in detail


def test_whatever_breaks_is_the_diagnosis():
    def broken():
        raise OSError("no space left on device")

    found = doctor._timed("cache", broken)
    assert not found.passed
    assert found.detail == "OSError: no space left on device"


@pytest.fixture
def trials():
    from toy_trial import make_trial

    return [make_trial(n=6, trace=2)]


def test_result_file_check(trials, monkeypatch):
    assert doctor._check_file([]) == (False, "no trial to write, see above")
    passed, detail = doctor._check_file(trials)
    assert passed, detail
    from tumorsim import store

    monkeypatch.setattr(store, "compare", lambda *_: ["age: differs"])
    assert not doctor._check_file(trials)[0]


def test_threads_check_sees_a_difference(monkeypatch):
    from dataclasses import replace

    from toy_trial import make_trial
    from tumorsim import api

    trial = make_trial(n=6, trace=2)
    other = replace(trial, arrays=trial.arrays | {"age": np.nextafter(trial["age"], 100.0)})
    answers = iter((trial, trial, trial, other))
    monkeypatch.setattr(api, "simulate", lambda *_, **__: next(answers))
    assert doctor._check_threads([], None)[0]
    passed, detail = doctor._check_threads([], None)
    assert not passed
    assert "differ" in detail


def test_diagnosis_reads_and_serialises():
    bad = doctor.Check("random numbers", False, "not those of numpy", 0.1)
    cache = {"folder": "somewhere", "writable": False, "files": 0, "bytes": 0}
    found = doctor.Diagnosis({"python": "3.11"}, doctor._versions(), 2, cache, (bad,))
    assert not found.healthy
    assert "NOT WRITABLE" in str(found)
    assert "FAILED       random numbers: not those of numpy" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["healthy"] is False
    assert found.versions["numpy"] == np.__version__
