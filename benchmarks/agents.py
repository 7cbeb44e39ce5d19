"""The agent step: tumour cells of a lattice divide, mutate, switch and die; one and two threads, and beside Mesa."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.lattice import task_of
from benchmarks.timing import in_turn, own_seconds, ratio
from tumorsim.kernels import lattice
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.random import STREAM_TUMOUR_CELL, philox
from tumorsim.lattice.crew import Crew
from tumorsim.models.spatial import SpatialModel

MILLION = 1_000_000
BIG, SMALL = 144, 72  # voxels a side
PEER_SIDE = {True: 14, False: 20}  # by whether it is the quick tier; Mesa needs kilobytes a voxel
SHARE = 0.362  # of the voxels that no vessel takes: a million cells in 144³
WARM = 3
AIM_OF_MESA = 50.0
AIM_OF_TWO_THREADS = 1.8, 1.9
LIVELY_STEPS = 36
NEW_SEED = 1000


def model_of(side: int, crew: Crew, cell_fraction: float = SHARE, **laws: float) -> SpatialModel:
    """A cube with cells in it; ``laws`` replace rates of growth and resistance by name. Nothing is given."""
    task = task_of(side, cell_fraction)
    plan = replace(task.plan, traits=task.plan.traits.copy())
    for name, value in laws.items():
        part = "growth" if name in plan.traits.dtype["growth"].names else "resistance"
        plan.traits[part][name] = value
    return SpatialModel(plan, task.doses, task.seed, crew)


def living(model: SpatialModel) -> int:
    """Living tumour cells."""
    return int(np.count_nonzero(model.state.voxels.kind == lattice.TUMOUR))


def turn_over(model: SpatialModel) -> None:
    """The agent step alone."""
    model._turn_over()
    model.step += 1


@kernel(entry=True)
def blocks_of_words(count):
    """So many blocks of random words, and nothing done with them: the floor of a step of so many cells."""
    found = np.uint64(0)
    for cell in range(count):
        found ^= philox(np.uint64(1), STREAM_TUMOUR_CELL, cell, 1, 0)[0]
    return found


def agents(quick: bool, repeats: int) -> list[Figure]:
    """Cell-steps a second over the size of the lattice, two threads, and the random numbers alone."""
    figures = []
    for side in (SMALL,) if quick else (32, SMALL, BIG):
        with Crew(1) as one, Crew(2) as two:
            model = model_of(side, one)
            cells = living(model)
            for _ in range(WARM):
                turn_over(model)

            def on(crew: Crew, model: SpatialModel = model) -> None:
                model.crew = crew
                turn_over(model)

            works: dict[str, Any] = {"one": lambda: on(one), "two": lambda: on(two)}
            blocks_of_words(1)
            alone: dict[str, Any] = {"one": works["one"], "words": lambda cells=cells: blocks_of_words(cells)}
            times, own = in_turn(works, 3 * repeats), in_turn(alone, repeats, own_seconds)
        found, name = statistics.median(own["one"]), f"agent step, {cells:,} cells in {side}³"
        floor, rough = ratio(own["words"], own["one"])
        faster, noise = ratio(times["one"], times["two"])
        figures.append(
            Figure(
                name, cells / found / 1e6, "M cell-steps/s", None, "its random numbers alone", floor,
                noise=rough, kernel="cell step", per_second=cells / found,
            )
        )  # fmt: skip
        if side >= SMALL:
            rate = cells / statistics.median(times["two"]) / 1e6
            goal, stretch = AIM_OF_TWO_THREADS
            figures.append(
                Figure(f"{name}, 2 threads", rate, "M cell-steps/s", None, "1 thread", faster, goal, stretch,
                       noise=noise)
            )  # fmt: skip
    return figures


def against_mesa(quick: bool, repeats: int) -> list[Figure]:
    """The same rules from the same cells: cell-steps a second, and the population both come to."""
    from benchmarks.mesa_peer import Tissue

    side = PEER_SIDE[quick]
    with Crew(1) as crew:
        big, small = model_of(SMALL if quick else BIG, crew), model_of(side, crew)
        theirs = Tissue(small, seed=1)
        counts = {"big": living(big), "small": living(small), "mesa": theirs.living()}
        works: dict[str, Any] = {"big": lambda: turn_over(big), "small": lambda: turn_over(small), "mesa": theirs.step}
        for work in works.values():
            work()
        times = in_turn(works, 3 * repeats, own_seconds)
        each = {name: [t / counts[name] for t in taken] for name, taken in times.items()}
        outcome = populations(side, crew, 4 if quick else 12)
    figures = []
    for name, what in (("big", f"{counts['big']:,} cells"), ("small", f"{counts['small']:,} cells, as many as Mesa")):
        found, noise = ratio(each["mesa"], each[name])
        goal = AIM_OF_MESA if name == "big" else None
        figures.append(
            Figure(
                f"agent step, {what}", 1e-6 / statistics.median(each[name]), "M cell-steps/s", outcome.relative,
                f"Mesa, {counts['mesa']:,} cells", found, goal, noise=noise,
            )
        )  # fmt: skip
    figures += [
        Figure("Mesa, the same rules", 1e-6 / statistics.median(each["mesa"]), "M cell-steps/s"),
        Figure(f"living after {LIVELY_STEPS} lively steps, of {outcome.start:,}", outcome.ours, "cells"),
        Figure("the same by Mesa", outcome.mesa, "cells"),
        Figure("their difference, in standard errors", abs(outcome.score), "standard errors"),
    ]
    return figures


class Outcome:
    """Mean populations of replicates, and how far apart they are."""

    def __init__(self, start: int, ours: Sequence[float], mesa: Sequence[float]) -> None:
        self.start, self.ours, self.mesa = start, statistics.fmean(ours), statistics.fmean(mesa)
        error = math.sqrt(statistics.variance(ours) / len(ours) + statistics.variance(mesa) / len(mesa))
        self.score = (self.mesa - self.ours) / error
        self.relative = abs(self.mesa / self.ours - 1.0)


def populations(side: int, crew: Crew, replicates: int) -> Outcome:
    """Living cells after some steps in which a third divides and a quarter dies, from one start; ours ten times."""
    from benchmarks.mesa_peer import Tissue

    lively = {"growth_rate": 0.6, "turnover_rate": 0.2, "dead_clearance_rate": 0.5, "mutation_probability": 0.01}
    model = model_of(side, crew, **lively, switch_off_rate=0.1)
    begin, start = model.checkpoint(), living(model)
    mesa = []
    for replicate in range(replicates):
        tissue = Tissue(model, seed=replicate)
        for _ in range(LIVELY_STEPS):
            tissue.step()
        mesa.append(float(tissue.living()))
    ours = []
    for replicate in range(10 * replicates):
        model.restore(*begin)
        model.seed = NEW_SEED + replicate
        for _ in range(LIVELY_STEPS):
            turn_over(model)
        ours.append(float(living(model)))
    return Outcome(start, ours, mesa)
