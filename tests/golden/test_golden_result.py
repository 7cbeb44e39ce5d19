"""Results of every layout version ever released stay readable, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumorsim.store import LAYOUT_VERSION, read
from tumorsim.verify import verify

HERE = Path(__file__).resolve().parent
GOLDEN = sorted(HERE.glob("result_layout_*.h5"))


def test_there_is_a_golden_result_of_every_layout():
    assert [path.stem for path in GOLDEN] == [f"result_layout_{version}" for version in range(1, LAYOUT_VERSION + 1)]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_result_stays_readable(path):
    known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    stored = read(path)
    assert stored.digest == known["digest"]
    assert stored.layout_version == known["layout_version"]
    assert list(stored.data.arms) == known["arms"]
    assert sorted(stored.data.arrays) == known["variables"]
    assert [float(value).hex() for value in stored.data["age"]] == known["age"]
    assert stored.data["death_cause"].tolist() == known["death_cause"]
    assert {endpoint: sorted(arms) for endpoint, arms in stored.curves.items()} == known["curves"]
    assert stored.summary == known["summary"]
    assert stored.scenario_text == known["scenario"]
    assert stored.provenance == known["provenance"]
    assert path.stat().st_size <= 100_000


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_result_is_verified(path):
    report = verify(path)
    assert report.ok, str(report)
