"""``python -m benchmarks.cluster``: what a point of a sweep costs, what a task costs, and what 10^9 patients would.

A scheduler and two workers on this machine take tasks that do nothing and tasks of a millisecond, through the same
executor as a sweep. Costs of a run are CPU seconds, which a loaded machine stretches less than the clock.
"""

from __future__ import annotations

import argparse
import math
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from benchmarks.machine import machine
from loopback import Loopback
from tumorsim.cluster import Kept
from tumorsim.executor import open_executor
from tumorsim.sweep.config import Sweep, load_sweep
from tumorsim.sweep.runs import Asked, Runs, warm_up

SWEEP = "scenarios/small/sweep_dose_timing.yaml"
SIZES = (12, 400)  # patients of a run
STUDY = 1_000  # patients of a run of the large sweep
PATIENTS = 1_000_000_000
CORES = 1_000
PRICE = 0.04  # US dollars a core-hour: assumed, of the order of an hourly rented virtual core
SHARE = 0.01  # of the time that may go to overhead
MILLISECOND = 1e-3
THREADS = 50  # of each of two workers, where the scheduler itself is measured


def task_seconds(function: Callable[[float], object], argument: float, tasks: int, threads: int) -> float:
    """Wall seconds a task, on a scheduler with two workers of so many threads."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Loopback(Path(folder), threads=threads) as cluster,
        open_executor(cluster.address) as executor,
    ):
        list(executor.run(function, repeat(argument, 200)))
        begun = time.perf_counter()
        done = sum(outcome.failure is None for outcome in executor.run(function, repeat(argument, tasks)))
        taken = time.perf_counter() - begun
    assert done == tasks
    return taken / tasks


def run_seconds(made: Sweep, repeats: int) -> float:
    """CPU seconds of one run, its scenario composed and its outputs read."""
    runs = Runs.of(made.base, made.read_outputs)
    batch = [Asked(k, (), made.base.seed + k) for k in range(repeats)]
    runs(batch[:1])
    begun = time.process_time()
    rows = runs(batch)
    taken = time.process_time() - begun
    assert all(not row.failure for row in rows)
    return taken / repeats


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks that do nothing; a tenth of 1 ms")
    parser.add_argument("--repeats", type=int, default=8, help="runs of each size")
    chosen = parser.parse_args()
    found = machine()
    print(f"{found['cpu']}, {found['cores']} cores at hand, load {found['load']} at the start")
    few, many = (load_sweep(SWEEP, patients=patients) for patients in SIZES)
    warm_up(few.base)
    low, high = run_seconds(few, chosen.repeats), run_seconds(many, chosen.repeats)
    patient = (high - low) / (SIZES[1] - SIZES[0])
    fixed = max(low - SIZES[0] * patient, 0.0)
    arms = len(few.base.study.arms)
    print(f"a run of {few.base.study.name}, {arms} arms, {SIZES[0]} patients: {low:.3f} core-seconds")
    print(f"a run of {few.base.study.name}, {arms} arms, {SIZES[1]} patients: {high:.3f} core-seconds")
    print(f"so {1e3 * fixed:.0f} core-ms a run and {1e3 * patient:.2f} core-ms a virtual patient in all {arms} arms")
    runs = Runs.of(few.base, few.read_outputs)
    settings = tuple(setting for factor in few.read_factors for setting in factor.set(factor.texts[0]))
    small = len(pickle.dumps((Kept("0" * 64), [Asked(k, settings, k) for k in range(10)])))
    print(f"sent once a worker: {len(pickle.dumps(runs)):,} bytes; with every task of ten runs: {small:,} bytes")
    central = task_seconds(abs, 0.0, chosen.tasks, THREADS)
    print(f"{chosen.tasks:,} tasks that do nothing, {2 * THREADS} threads ask for them: {1e3 * central:.2f} ms a task")
    short = max(chosen.tasks // 10, 100)
    busy = task_seconds(time.sleep, MILLISECOND, short, 1)
    between = max(2.0 * busy - MILLISECOND, 0.0)
    print(f"{short:,} tasks of 1 ms on 2 workers: {1e3 * busy:.2f} ms a task, {1e3 * between:.2f} ms lost between two")
    each = fixed + STUDY * patient
    least = between / SHARE
    print(f"overhead below {SHARE:.0%}: tasks of {least:.2f} s, {math.ceil(least / each)} runs of {STUDY:,} patients")
    longer = CORES * central
    print(f"one scheduler feeds {CORES:,} workers with tasks of {longer:.1f} s or longer")
    size = math.ceil(max(least, longer) / each)
    hours = PATIENTS / STUDY * each / 3600.0 * (1.0 + SHARE)
    print(
        f"{PATIENTS:,} virtual patients as {PATIENTS // STUDY:,} runs of {STUDY:,}, batches of {size}: "
        f"{hours:,.0f} core-hours, {hours / CORES:.1f} h on {CORES:,} cores, "
        f"{hours * PRICE:,.0f} US dollars at {PRICE} a core-hour (assumed)"
    )


if __name__ == "__main__":
    main()
