"""The benchmark suite measures something."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))


@pytest.mark.slow
def test_every_figure_is_a_positive_number() -> None:
    from benchmarks import fields, lattice, machine, patient

    figures = [*patient.cohort(2, 1), *patient.kernel(2, 1), *patient.against_lsoda(1, 1)]
    figures += [*fields.step(20, 1), *fields.oxygen(20, 1), *fields.memory(20)]
    figures += [*lattice.steps(32, 1, 1), *lattice.memory(16)]
    for figure in figures:
        assert figure.work
        assert figure.unit
        assert math.isfinite(figure.rate)
        assert figure.rate >= 0.0
    assert machine.peak_memory() > 10.0
    assert machine.machine()["cpu"]
    solved = next(figure for figure in figures if figure.peer is not None and figure.error is not None)
    assert solved.error < 1e-5
