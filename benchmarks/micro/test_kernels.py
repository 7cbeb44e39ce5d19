"""Single kernels on small work, for whoever changes one: ``python -m pytest benchmarks/micro --benchmark-only``.

Compiled before they are timed. With ``--benchmark-autosave`` and ``--benchmark-compare`` pytest-benchmark says what
a change did. Nothing is asserted about time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("pytest_benchmark")

from benchmarks.agents import blocks_of_words, model_of, turn_over
from benchmarks.fields import OXYGEN, SPACING, VEGF_HOUR, hours
from benchmarks.lsoda import course, ours

from tumorsim.kernels import multigrid
from tumorsim.kernels.layout import LANES
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import Diffusion, Lattice, SteadyField, slabs

SIDE = 32
WORDS = 10_000


def test_random_words(benchmark: Any) -> None:
    """Blocks of four random words."""
    blocks_of_words(1)
    benchmark(blocks_of_words, WORDS)


def test_full_lanes(benchmark: Any) -> None:
    """Five years of as many patients as there are lanes, with events."""
    given = course(LANES, 0)
    ours(given)
    assert benchmark(ours, given).event["steps"][0] > 0.0


def test_diffusion_step(benchmark: Any) -> None:
    """One field in time."""
    lattice, rng = Lattice(SIDE, SIDE, SIDE, SPACING), np.random.default_rng(1)
    c, loss, gain = (rng.random(lattice.voxels) for _ in range(3))
    stepper = Diffusion(lattice, VEGF_HOUR * SPACING**2, 1.0)
    with Crew(1) as crew:
        stepper.step(c, loss, gain, crew)
        benchmark(stepper.step, c, loss, gain, crew)
    assert np.isfinite(c).all()


@pytest.fixture
def solved() -> tuple[SteadyField, np.ndarray, Any, Crew]:
    """Steady oxygen, and the tissue of an hour later."""
    lattice = Lattice(SIDE, SIDE, SIDE, SPACING)
    before, after = hours(lattice)
    solver, c = SteadyField(lattice, OXYGEN), np.zeros(lattice.voxels)
    crew = Crew(1)
    solver.solve(c, before, crew, 1e-6)
    return solver, c, after, crew


def test_smoothing_sweep(benchmark: Any, solved: tuple[SteadyField, np.ndarray, Any, Crew]) -> None:
    """One sweep over red and black voxels."""
    solver, c, _, _ = solved
    benchmark(multigrid.traverse, c, solver.hierarchy, 0, multigrid.SWEEP, 0, 0, slabs(SIDE))


def test_one_cycle(benchmark: Any, solved: tuple[SteadyField, np.ndarray, Any, Crew]) -> None:
    """Coefficients, one multigrid cycle, and a look at what is left."""
    solver, c, after, crew = solved
    benchmark(lambda: solver.solve(c.copy(), after, crew, 0.0, cycles_at_most=1))


def test_agent_step(benchmark: Any) -> None:
    """Cells decide, divide and settle."""
    with Crew(1) as crew:
        model = model_of(SIDE, crew)
        turn_over(model)
        benchmark(turn_over, model)
    assert model.births > 0
