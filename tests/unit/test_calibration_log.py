"""The log of a calibration: nothing torn or damaged is ever used, nothing whole is lost."""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorsim.calibration.log import Log
from tumorsim.journal import JournalError, numbers, written


def fill(path, count=5):
    with Log.open(path, "digest", {"name": "toy"}) as log:
        for k in range(count):
            log.append("optimise", k, {"latent": [0.1 * k], "simulated": k / 3})
        return log.digest()


def test_what_is_written_is_read(tmp_path):
    digest = fill(tmp_path / "log.jsonl")
    with Log.open(tmp_path / "log.jsonl", "digest", {}) as log:
        assert len(log.stage("optimise")) == 5
        assert log.get("optimise", 2)["simulated"] == 2 / 3
        assert log.get("optimise", 2, [0.2]) is not None
        assert log.get("optimise", 2, [0.3]) is None
        assert log.digest() == digest
        assert log.dropped == 0
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        assert "crc" in json.loads(line)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of one log."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    fill(path)
    return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_truncation_loses_only_the_torn_line(tmp_path_factory, whole, data):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = max(whole[:cut].count(b"\n") - 1, 0)
    with Log.open(path, "digest", {}) as log:
        assert len(log.stage("optimise")) == kept
        log.append("optimise", kept, {"latent": [0.0], "loss": 0.0})
    with Log.open(path, "digest", {}) as log:
        assert len(log.stage("optimise")) == kept + 1
        assert log.dropped == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_flipped_bit_is_believed(tmp_path_factory, whole, data):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_bytes(whole)
    held = {(r["stage"], r["index"]): r for r in Log.open(path, "digest", {}).stage("optimise")}
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        log = Log.open(path, "digest", {})
    except JournalError:
        return
    for record in log.stage("optimise"):
        assert held[record["stage"], record["index"]] == record


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "belongs to another configuration"), (b"hello\nworld\n", "is no log of a calibration")],
)
def test_a_foreign_log_is_refused(tmp_path, content, told):
    path = tmp_path / "log.jsonl"
    if content is None:
        fill(path)
    else:
        path.write_bytes(content)
    with pytest.raises(JournalError, match=told):
        Log.open(path, "another", {})


def test_the_digest_is_of_the_work_and_not_of_the_clock(tmp_path):
    with Log.open(tmp_path / "a", "d", {}) as a, Log.open(tmp_path / "b", "d", {"name": "x"}) as b:
        a.append("optimise", 0, {"loss": 1.0})
        a.append("optimise", 1, {"loss": 2.0})
        b.append("optimise", 1, {"loss": 2.0})
        b.append("optimise", 0, {"loss": 1.0})
        assert a.digest() == b.digest()


@given(st.lists(st.floats(allow_nan=False)))
def test_numbers_come_back_as_they_were(values):
    """Infinities too: a median that is never reached is a figure, no number is none."""
    assert numbers(json.loads(json.dumps(written(values), allow_nan=False))) == values


def test_no_number_stays_none():
    assert written([math.nan, -math.inf]) == [None, "-inf"]
    assert np.isnan(numbers([None])[0])


def test_the_time_of_a_stage_is_that_of_every_process(tmp_path):
    spent = 0.0
    for k in range(2):
        with Log.open(tmp_path / "log.jsonl", "digest", {}) as log:
            log.start_clock()
            began = time.perf_counter()
            time.sleep(0.02)
            log.append("optimise", k, {})
            spent += time.perf_counter() - began
            told = log.seconds()
    assert list(told) == ["optimise"]
    assert 0.039 <= told["optimise"] <= spent + 0.001
