"""A fresh process up to the first simulated patient and the first hours of a lattice, with kernels compiled or not."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.timing import spread

ROOT = Path(__file__).parents[1]
AIM_OF_FIRST_CALL, AIM_OF_COMPILATION = (1.0, 0.5), (40.0, 20.0)
SIDE, EFFECTORS = 8, 20
WHAT = {
    "load": "importing, and reading the scenario",
    "patient": "first patient",
    "lattice": "first hours of a lattice",
}


def stopwatch() -> dict[str, float]:
    """Seconds of each part, in the process that calls this first."""
    times, begun = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal begun
        times[name], begun = time.perf_counter() - begun, time.perf_counter()

    from benchmarks.lattice import bring_in, study_of, task_of
    from benchmarks.patient import study
    from tumorsim.common_api import default_threads
    from tumorsim.compiling import is_cold
    from tumorsim.experiment import LATTICE
    from tumorsim.experiment import warm_up as warm_up_lattice
    from tumorsim.lattice.crew import Crew
    from tumorsim.models.spatial import SpatialModel
    from tumorsim.trial import warm_up

    work, task, cores = study(1), task_of(SIDE), default_threads()
    lap("load")
    warm_up(work, cores)
    lap("patient")
    if is_cold(LATTICE):  # as `run_experiment` does
        warm_up_lattice(study_of(SIDE), cores)
    with Crew(1) as crew:
        model = SpatialModel(task.plan, task.doses, task.seed, crew)
        bring_in(model, EFFECTORS)
        for _ in range(3):
            model.advance()
    lap("lattice")
    return times


def fresh(cache: Path | None) -> dict[str, float]:
    """`stopwatch` in a new process, its compiled kernels in ``cache``, or where they always are."""
    own = {} if cache is None else {"TUMORSIM_CACHE_DIR": str(cache)}
    code = "import json; from benchmarks.start import stopwatch; print(json.dumps(stopwatch()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | own, cwd=ROOT, capture_output=True, check=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def start_up(quick: bool, repeats: int) -> list[Figure]:
    """Cold once, in the full tier alone; with a warm cache several times."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        cache = None if quick else Path(folder)
        if not quick:
            cold = fresh(cache)
            compiling = cold["patient"] + cold["lattice"]
            goal, stretch = AIM_OF_COMPILATION
            figures += [
                Figure("all compilation, cold", compiling, "s", goal=goal, stretch=stretch, at_most=True),
                Figure("cold: first patient", cold["patient"], "s"),
                Figure("cold: first hours of a lattice", cold["lattice"], "s"),
            ]
        else:
            fresh(None)
        laps = [fresh(cache) for _ in range(repeats)]
    for name, what in WHAT.items():
        times = [lap[name] for lap in laps]
        goal, stretch = AIM_OF_FIRST_CALL if name == "patient" else (None, None)
        figures.append(
            Figure(f"warm cache: {what}", statistics.median(times), "s", goal=goal, stretch=stretch, at_most=True,
                   noise=spread(times))
        )  # fmt: skip
    return figures
