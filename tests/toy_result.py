"""A small result file of a toy trial, and ways to forge one.

For tests of whatever reads a result file: ``write_toy`` makes a whole one;
``forge`` edits one with h5py and seals it again, as somebody with intent would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from toy_trial import make_trial
from tumorsim.store import write
from tumorsim.store.sealing import SEAL_SIZE, seal
from tumorsim.variables import TrialData

SCENARIO = "scenario: 1\nname: toy\nseed: 7\n"
SOURCE = "# a toy\nscenario: 1\nname: toy × é\n"
SEED = 7
PROVENANCE = {
    "seed": SEED,
    "threads": 1,
    "cpu": "made up",
    "wall_time": 1.5,
    "inputs": {"toy.yaml": "00ff"},
    "gone": None,
}


def toy_summary() -> dict[str, Any]:
    target = {
        "id": "R-1", "quantity": "rfs.median", "arm": "cik", "reported": 44.0, "reported_ci": [33.7, None],
        "simulated": 41.2, "interval": [30.0, 50.0], "kind": "fitted", "within": True, "unit": "month",
        "weight": "high", "source": "made up", "note": "",
    }  # fmt: skip
    missing = dict.fromkeys(target) | {"id": "R-2", "quantity": "os.hr", "arm": "cik"}
    head = {"scenario": "toy", "title": "A toy × é", "seed": SEED}
    return head | {"arms": [], "comparisons": [], "targets": [target, missing]}


def toy_curves(data: TrialData) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Two end points, arms of different length, one of them empty in the second."""

    def one(steps: int) -> dict[str, np.ndarray]:
        survival = np.linspace(1.0, 0.2, steps)
        counts = np.arange(steps, 0, -1)
        return {"time": np.arange(float(steps)), "survival": survival, "at_risk": counts, "events": counts // 2}

    return {
        "rfs": {arm: one(5 + 3 * i) for i, arm in enumerate(data.arms)},
        "os": {arm: one(4 if i else 0) for i, arm in enumerate(data.arms)},
    }


def write_toy(path: Path, data: TrialData | None = None, force: bool = False) -> Path:
    """A whole result file; six patients unless a trial is given."""
    data = make_trial(n=6, trace=2) if data is None else data
    return write(path, data, toy_summary(), SCENARIO, SOURCE, PROVENANCE, toy_curves(data), force=force)


def reseal(path: Path) -> None:
    """Give the bytes as they are a valid seal."""
    content = path.read_bytes()
    path.write_bytes(content + seal(hashlib.sha256(content).hexdigest()))


def forge(path: Path, edit: Callable[[h5py.File], object]) -> Path:
    """Edit a result with h5py and seal it again."""
    path.write_bytes(path.read_bytes()[:-SEAL_SIZE])
    with h5py.File(path, "r+") as file:
        edit(file)
    reseal(path)
    return path
