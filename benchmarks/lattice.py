"""A day of a lattice, hour by hour: seconds, oxygen's error, threads, growth with size, time by phase, memory."""

from __future__ import annotations

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.timing import in_turn, ratio, spread
from tumorsim.experiment import Experiment, Task, tasks_of
from tumorsim.kernels import lattice
from tumorsim.lattice.crew import ALONE, Crew
from tumorsim.lattice.state import LYMPHOCYTE_TYPES, arrays_of, size_of
from tumorsim.lattice.supply import Supply
from tumorsim.models.spatial import SpatialModel
from tumorsim.spatial_api import experiment_of
from tumorsim.spatial_scenario import load_spatial

STUDY = Path(__file__).with_name("lattice.yaml")
SPACING = 20  # um
EFFECTORS = 10_000  # infused ones on a million cells when measuring starts
BIG, SHARE = 144, 0.362  # voxels a side, and the share of those without a vessel that makes a million living cells
SIDES = {True: (32, 64), False: (32, 64, 100, BIG)}  # by whether it is the quick tier
HOURS = 24
AIM_OF_DAY, AIM_OF_ERROR, AIM_OF_TWO_THREADS = (2.0, 1.0), 0.1, (1.8, 1.9)
EXACT = 1e-8  # residual of oxygen against supply
LOOK_EVERY = 3  # hours
VOXEL_BYTES, CELL_BYTES = 40.0, 64.0
PHASES = {
    "_give_doses": "doses", "_advance_body": "body", "_update_fields": "fields", "_recruit": "recruit",
    "_move": "move", "_engage": "engage", "_turn_over": "cells", "_change_vessels": "vessels",
}  # fmt: skip
WARM_STEPS = 6  # a first solve of the fields and its echo in the vessels are no everyday work


def study_of(side: int, cell_fraction: float | None = None) -> Experiment:
    """The study on a cube of ``side`` voxels, and so many of them with a cell."""
    filled = () if cell_fraction is None else (f"start.cell_fraction={cell_fraction}",)
    return experiment_of(load_spatial(STUDY, (f"lattice.extent={side * SPACING} um", *filled)))


def task_of(side: int, cell_fraction: float | None = None) -> Task:
    """The first lattice of `study_of`."""
    return next(iter(tasks_of(study_of(side, cell_fraction))))


class WatchedCrew(Crew):
    """A crew that knows how much longer than its caller the longest piece of a phase had a processor."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.beyond = 0.0

    def run(self, phase: Callable[..., None], count: int, *arguments: Any, voxels: int = ALONE) -> None:
        """As `Crew.run`."""
        caller, others = threading.get_ident(), [0.0]

        def timed(*given: Any) -> None:
            start = time.thread_time()
            phase(*given)
            if threading.get_ident() != caller:
                others.append(time.thread_time() - start)

        start = time.thread_time()
        super().run(timed, count, *arguments, voxels=voxels)
        self.beyond += max(0.0, max(others) - (time.thread_time() - start))


class Stopwatch:
    """Seconds that every phase would take if each thread had a core, step by step.

    Processor time: of the caller, and of the longest piece of what is shared out where that is longer. On a busy
    machine it says more than the clock on the wall.
    """

    def __init__(self, model: SpatialModel, crew: WatchedCrew) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)
        self.crew = crew
        self._undo = {method: getattr(model, method) for method in PHASES}
        for method, phase in PHASES.items():
            setattr(model, method, self._timed(self._undo[method], phase))

    def _timed(self, work: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time() + self.crew.beyond
            found = work(*arguments, **named)
            self.spent[phase].append(time.thread_time() + self.crew.beyond - start)
            return found

        return timed

    def leave(self, model: SpatialModel) -> None:
        """Measure no longer."""
        for method, plain in self._undo.items():
            setattr(model, method, plain)

    def per_step(self) -> dict[str, float]:
        """Seconds a step by phase: the mean over steps, since fields are solved in some of them only."""
        return {phase: statistics.fmean(times) for phase, times in self.spent.items()}


def settled(side: int, crew: Crew) -> SpatialModel:
    """A lattice with effectors on it, some hours after the start; as full of cells as `BIG` with a million."""
    task = task_of(side, SHARE)
    model = SpatialModel(task.plan, task.doses, task.seed, crew)
    bring_in(model, round(EFFECTORS * (side / BIG) ** 3))
    for _ in range(WARM_STEPS):
        model.advance()
    return model


def bring_in(model: SpatialModel, number: int) -> None:
    """Place free effectors in stroma, one a voxel, chosen by lot."""
    state = model.state
    stroma = np.flatnonzero(state.voxels.kind == lattice.STROMA)
    chosen = np.sort(np.random.default_rng(1).permutation(stroma)[:number])
    model._enlarge_lymphocytes(2 * number)
    people = model.state.lymphocytes
    people.ident[: chosen.size] = np.arange(chosen.size)  # below every id that recruiting gives
    people.voxel[: chosen.size] = chosen
    people.target[: chosen.size] = lattice.NOBODY
    state.voxels.load[chosen] += 1
    model.used["lymphocytes"] = chosen.size


def days(quick: bool, repeats: int) -> list[Figure]:
    """A day of lattices of several sizes."""
    figures = []
    for side in SIDES[quick]:
        figures += day(side, repeats, last=side == SIDES[quick][-1])
    return figures


def day(side: int, repeats: int, last: bool) -> list[Figure]:
    """A day of one lattice on one and two threads; of the largest also its error, phases and memory."""
    with Crew(1) as one, Crew(2) as two:
        model = settled(side, one)
        cells, every = living(model), model.plan.fields_every
        # fields are solved in some hours alone, so the unit is from one solve to the next
        works = {"one": lambda: some_hours(model, one, every), "two": lambda: some_hours(model, two, every)}
        times = in_turn(works, repeats)
        error, worst = oxygen_error(model, HOURS) if last else (None, 0.0)
        phases = {threads: phases_of(model, every, threads) for threads in (1, 2)} if last else {}
    taken = {name: HOURS / every * statistics.median(found) for name, found in times.items()}
    faster, noise = ratio(times["one"], times["two"])
    name, whole = f"a day of {cells:,} cells in {side}³", side == BIG
    goal, stretch = AIM_OF_DAY if whole else (None, None)
    figures = [
        Figure(f"{name}, 2 threads", taken["two"], "s", error, goal=goal, stretch=stretch, at_most=True,
               noise=spread(times["two"]), error_unit="mmHg O2 mean"),
        Figure(f"{name}, 1 thread", taken["one"], "s", noise=spread(times["one"])),
        Figure(f"lattice of {side}³, 2 threads", 1e-6 * HOURS * side**3 / taken["two"], "M voxel-hours/s", None,
               "1 thread", faster, *(AIM_OF_TWO_THREADS if last else (None, None)), noise=noise),
    ]  # fmt: skip
    if error is not None:
        figures.append(Figure("oxygen off in the mean, a day", error, "mmHg", goal=AIM_OF_ERROR, at_most=True))
        figures.append(Figure("oxygen off in the mean, the worst hour looked at", worst, "mmHg"))
    for threads, spent in phases.items():
        total, title = sum(spent.values()), f"{side}³, {threads} thread{'s' if threads > 1 else ''}, a core each"
        figures.append(Figure(f"{title}: a step", 1e3 * total, "ms of processor time"))
        figures += [Figure(f"{title}: {name}", 1e3 * each, f"ms, {each / total:.0%}") for name, each in spent.items()]
    return figures + (held(model, side, cells) if last else [])


def living(model: SpatialModel) -> int:
    """Living tumour cells."""
    return int(np.count_nonzero(model.state.voxels.kind == lattice.TUMOUR))


def some_hours(model: SpatialModel, crew: Crew, hours: int) -> None:
    """Go on for so many hours on these threads."""
    model.crew = model.supply.crew = crew
    for _ in range(hours):
        model.advance()


def oxygen_error(model: SpatialModel, hours: int) -> tuple[float, float]:
    """Mean error of the oxygen that cells feel against a converged field: over hours looked at, and the worst."""
    exact = Supply(model.state.grid, model.rules, model.crew, oxygen_tolerance=EXACT)
    found = []
    decide = model._turn_over

    def look() -> None:
        if model.step % LOOK_EVERY == LOOK_EVERY - 1:  # the hour before a solve among them
            truth = model.state._replace(fields=model.state.fields._replace(oxygen=model.state.fields.oxygen.copy()))
            exact.solve_oxygen(truth, model.used["vessels"])
            found.append(float(np.mean(np.abs(truth.fields.oxygen - model.state.fields.oxygen))))
        decide()

    model._turn_over = look  # type: ignore[method-assign]
    for _ in range(hours):
        model.advance()
    model._turn_over = decide  # type: ignore[method-assign]
    return statistics.fmean(found), max(found)


def phases_of(model: SpatialModel, hours: int, threads: int) -> dict[str, float]:
    """Processor seconds a step by phase, as `Stopwatch` has them."""
    with WatchedCrew(threads) as crew:
        watch = Stopwatch(model, crew)
        some_hours(model, crew, hours)
        watch.leave(model)
    return watch.per_step()


def held(model: SpatialModel, side: int, cells: int) -> list[Figure]:
    """Bytes that a lattice holds, by what they are proportional to, and all of them against the allowance."""
    voxels, found = size_of(model.state.grid), arrays_of(model.state, model.used)
    scratch = model.supply.beside(model._fates, model._winners, model._killed, model._bids.first)
    on_lattice = sum(a.nbytes for name, a in found.items() if name.startswith(("voxels.", "fields.")))
    on_lattice += scratch + model.supply.bytes_kept()
    tables = sum(a.nbytes for name, a in found.items() if not name.startswith(("voxels.", "fields.")))
    lineage = sum(a.nbytes for name, a in found.items() if name.startswith("lineage."))
    each = sum(np.dtype(kind).itemsize for kind in LYMPHOCYTE_TYPES)
    allowed = VOXEL_BYTES * voxels + CELL_BYTES * cells
    return [
        Figure(f"{side}³: contents, fields, scratch and solver", on_lattice / voxels, "bytes/voxel"),
        Figure("lineage", lineage / model.used["lineage"], "bytes/cell that ever was"),
        Figure("lymphocytes", float(each), "bytes/lymphocyte"),
        Figure(
            f"{side}³: all it holds over {VOXEL_BYTES:.0f} bytes a voxel and {CELL_BYTES:.0f} a cell",
            (on_lattice + tables) / allowed, "", goal=1.0, at_most=True,
        ),
    ]  # fmt: skip
