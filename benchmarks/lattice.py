"""A lattice full of tumour, hour by hour: time by phase, memory, and months of simulated time a minute.

``python -m benchmarks.lattice [--quick]``
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure, line, seconds
from benchmarks.machine import machine, peak_memory
from tumorsim.experiment import Task, tasks_of
from tumorsim.kernels import lattice
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.state import LYMPHOCYTE_TYPES, arrays_of, size_of
from tumorsim.models.spatial import SpatialModel
from tumorsim.spatial_api import experiment_of
from tumorsim.spatial_scenario import load_spatial

STUDY = Path(__file__).with_name("lattice.yaml")
SPACING = 20  # um
EFFECTORS = 10_000  # infused ones on the lattice when measuring starts
PHASES = {
    "_give_doses": "doses", "_advance_body": "body", "_update_fields": "fields", "_recruit": "recruit",
    "_move": "move", "_engage": "engage", "_turn_over": "cells", "_change_vessels": "vessels",
}  # fmt: skip
MONTH, QUARTER = 30.0, 90.0  # days
WARM_STEPS = 6  # a first solve of the fields and its echo in the vessels are no everyday work


def task_of(side: int) -> Task:
    """The study on a cube of ``side`` voxels."""
    study = load_spatial(STUDY, (f"lattice.extent={side * SPACING} um",))
    return next(iter(tasks_of(experiment_of(study))))


class Stopwatch:
    """Seconds of every phase of a model, step by step."""

    def __init__(self, model: SpatialModel) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)
        for method, phase in PHASES.items():
            setattr(model, method, self._timed(getattr(model, method), phase))

    def _timed(self, work: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = work(*arguments, **named)
            self.spent[phase].append(time.perf_counter() - start)
            return found

        return timed

    def per_step(self) -> dict[str, float]:
        """Seconds a step by phase: the mean over steps, since fields are solved in some of them only."""
        return {phase: statistics.fmean(times) for phase, times in self.spent.items()}


def settled(side: int, crew: Crew) -> SpatialModel:
    """The lattice with `EFFECTORS` effectors on it, some hours after the start."""
    task = task_of(side)
    model = SpatialModel(task.plan, task.doses, task.seed, crew)
    bring_in(model, EFFECTORS)
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


def steps(side: int, threads: int, days: int) -> list[Figure]:
    """Some days of a full lattice, a clock on every phase."""
    with Crew(threads) as crew:
        model = settled(side, crew)
        cells = int(np.count_nonzero(model.state.voxels.kind == lattice.TUMOUR))
        watch, hours = Stopwatch(model), []
        for _ in range(days * 24):
            hours.append(seconds(model.advance))
        looks = [seconds(model.series), seconds(model.snapshot)]
    phases = watch.per_step()
    day = statistics.median(sum(hours[24 * i : 24 * (i + 1)]) for i in range(days))
    name = f"{side}³, {threads} thread{'s' if threads > 1 else ''}"
    figures = [
        Figure(f"{name}: living cells, effectors", float(cells), f"cells, {model.used['lymphocytes']:,} effectors"),
        Figure(f"{name}: a step, mean of the median day", 1e3 * day / 24, "ms"),
    ]
    for phase, spent in phases.items():
        share = spent / sum(phases.values())
        figures.append(Figure(f"{name}: {phase}", 1e3 * spent, f"ms a step, {share:.0%}"))
    figures += [
        Figure(f"{name}: numbers of the series, once", 1e3 * looks[0], "ms"),
        Figure(f"{name}: a snapshot, once", 1e3 * looks[1], "ms"),
        Figure(f"{name}: simulated time", 60.0 / day / MONTH, "months/minute"),
        Figure(f"{name}: {QUARTER:g} days", day * QUARTER / 60.0, "minutes"),
        Figure(f"{name}: a voxel and step", 1e9 * day / 24 / side**3, "ns"),
    ]
    return figures


def memory(side: int) -> list[Figure]:
    """What a lattice holds, by what it is proportional to."""
    with Crew(1) as crew:
        model = settled(side, crew)
        voxels, found = size_of(model.state.grid), arrays_of(model.state, model.used)
        on_lattice = sum(a.nbytes for name, a in found.items() if name.startswith(("voxels.", "fields.")))
        scratch = sum(a.nbytes for a in (model._fates, model._winners, model._killed, model._bids.first))
        lineage = sum(a.nbytes for name, a in found.items() if name.startswith("lineage."))
        kept = on_lattice + scratch + model.supply.bytes_kept()
    each = sum(np.dtype(kind).itemsize for kind in LYMPHOCYTE_TYPES)
    return [
        Figure(f"{side}³: kept", kept / voxels, "bytes/voxel"),
        Figure("lineage", lineage / model.used["lineage"], "bytes for every cell that ever was"),
        Figure("lymphocytes", float(each), "bytes each"),
    ]


def lattices(quick: bool) -> list[Figure]:
    """All figures of the lattice."""
    figures = memory(32)
    task = task_of(8)
    with Crew(1) as crew:  # compile or load
        model = SpatialModel(task.plan, task.doses, task.seed, crew)
        model.advance()
    for side, days in ((64, 2),) if quick else ((64, 5), (100, 5)):
        for threads in (1, 2):
            figures += steps(side, threads, days)
            figures.append(Figure(f"peak memory up to {side}³, {threads} threads", peak_memory(), "MiB"))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lattice", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64³ alone, for two days")
    found = machine()
    print(f"{found['cpu']}, {found['cores']} cores at hand, load {found['load']} at the start")
    for figure in lattices(parser.parse_args().quick):
        print(line(figure))
    print(f"load {machine()['load']} at the end")


if __name__ == "__main__":
    main()
