"""A damaged file is a clear error or the same file: never another result, a crash or a hang."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hdf5_mutants import HDF5, KINDS
from supervised import supervised

SCRIPT = Path(__file__).with_name("hdf5_mutants.py")


def report(kind: str, mode: str, outcomes: Counter[str]) -> None:
    mutated = sum(outcomes.values()) - outcomes["unchanged"]
    figures = ", ".join(f"{name} {outcomes[name]}" for name in ("refused", "harmless", "WRONG", "crash", "hang"))
    print(f"\n{kind}, {mode}: mutated {mutated}, {figures}")


@pytest.mark.parametrize(
    ("kind", "mode", "count"),
    [
        *((kind, "plain", 60 if kind == "spatial" else 40) for kind in KINDS),
        *((kind, "resealed", 60 if kind == "spatial" else 40) for kind in HDF5),
    ],
)
def test_damaged_files(kind, mode, count, tmp_path):
    outcomes, bad = supervised(SCRIPT, (kind, tmp_path, mode, 1), count)
    report(kind, mode, outcomes)
    assert bad == []
    assert outcomes["refused"] > 0.5 * count


@pytest.mark.slow
@pytest.mark.parametrize("kind", HDF5)
@pytest.mark.parametrize(("mode", "count"), [("plain", 600), ("resealed", 1500)])
def test_many_damaged_results(kind, mode, count, tmp_path):
    outcomes, bad = supervised(SCRIPT, (kind, tmp_path, mode, 2), count)
    report(kind, mode, outcomes)
    assert bad == []
    assert outcomes["refused"] > 0.5 * count
