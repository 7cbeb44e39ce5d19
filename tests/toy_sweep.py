"""A sweep that runs in seconds: two patients for half a year, two values, two seeds."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim.store import write_sweep
from tumorsim.sweep.runs import Asked, Row
from tumorsim.sweep_data import FactorColumn, OutputColumn, SweepData

SCENARIOS = Path(__file__).parents[1] / "scenarios"
TEXT = """\
sweep: 1
name: tiny
title: Tiny sweep × é
scenario: ../hcc_sorafenib_cik.yaml
set: ["trial.cutoff=6 month", "trial.accrual=1 month"]
patients: 2
seed: 5
replicates: 2
design: grid
factors:
  - name: dose
    label: Cells
    path: arms.combination.treatments.1.dose
    values: [0 cells, 6e9 cells]
  - name: kill_rate
    path: infusion.cik.kill_rate
    low: 0.1 1/day
    high: 10 1/day
    points: 2
    scale: log
outputs:
  - {name: months, quantity: os.rmst(5 month), arm: combination}
  - {name: deaths, quantity: deaths}
  - {name: hr, quantity: os.hr, arm: combination}
"""
CLASH = """\
factors:
  - {name: accrual, path: trial.accrual, values: [1 month, 5 month]}
  - {name: cutoff, path: trial.cutoff, values: [6 month, 3 month]}
"""
"""Values that fit alone: but no trial ends three months after its beginning if patients enter for five."""


def write(folder: Path, text: str = TEXT, name: str = "sweep.yaml") -> Path:
    """The file in a folder below a copy of the scenario."""
    shipped = SCENARIOS / "hcc_sorafenib_cik.yaml"
    (folder / shipped.name).write_bytes(shipped.read_bytes())
    path = folder / "sweeps" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def conflicting() -> str:
    """The tiny sweep with one point of four whose values do not go together."""
    head, _, rest = TEXT.partition("factors:\n")
    return head + CLASH + "outputs:\n" + rest.partition("outputs:\n")[2]


def made_up(asked: Asked) -> Row:
    """A row without any simulation, that depends on what was asked alone."""
    random = np.random.default_rng([asked.number, asked.seed])
    return Row(asked.number, tuple(random.random(3).tolist()))


def make_sweep(points: int = 6, replicates: int = 3, seed: int = 1) -> SweepData:
    """A finished sweep with every kind of column and outcome."""
    random = np.random.default_rng(seed)
    dose = FactorColumn("dose", "Dose × é", "cells", np.geomspace(1e8, 1e10, points), (), True)
    start = FactorColumn("start", "Start", "", np.linspace(0.0, 1.0, points))
    schedule = FactorColumn("schedule", "Schedule", "", np.arange(float(points)) % 2, ("4 x q1w", "4 x q2w"))
    status = random.integers(0, 2, (points, replicates)).astype(np.int8)
    status[-1, -1] = 2
    values = random.normal(size=(2, points, replicates))
    values[:, status == 2] = np.nan
    outputs = (
        OutputColumn("hr", "Hazard ratio", "1", values[0], True),
        OutputColumn("gain", "Gain, combination", "day", values[1]),
    )
    seeds = np.arange(7, 7 + replicates, dtype=np.int64)
    return SweepData("toy", "A toy × é", "grid", (dose, start, schedule), outputs, status, seeds)


SUMMARY: dict[str, Any] = {
    "sweep": "toy", "title": "A toy × é", "seed": 7, "identity": "00ff", "points": 6, "replicates": 3,
    "failures": [
        {"run": 17, "point": 5, "replicate": 2, "seed": 9, "settings": ["arms.a.dose=1e10 cells"],
         "message": "ScenarioError: no × luck", "repeat": ["run", "toy.yaml", "--seed", "9"]},
    ],
    "remarks": [],
}  # fmt: skip
SOURCE = "# a toy\nsweep: 1\nname: toy\n"


def write_toy_sweep(path: Path, data: SweepData | None = None, force: bool = False) -> Path:
    """A whole table."""
    from toy_result import PROVENANCE, SCENARIO

    return write_sweep(path, data or make_sweep(), SUMMARY, SCENARIO, SOURCE, PROVENANCE, force=force)


@dataclass(frozen=True)
class Poisonous:
    """In place of `tumorsim.sweep.runs.Runs`: some runs take their worker with them."""

    numbers: frozenset[int]

    def __call__(self, batch: Sequence[Asked]) -> list[Row]:
        for asked in batch:
            if asked.number in self.numbers:
                os.kill(os.getpid(), signal.SIGKILL)
        return [made_up(asked) for asked in batch]
