"""The bitwise matrix: tiny versions of every kind of shipped scenario, by threads, processes, order and resumption."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from faults import Measured
from studies import ROOT

import small_sweep
from tumorsim.executor import open_executor
from tumorsim.experiment import _collect, run_experiment, run_lattice, tasks_of
from tumorsim.scenario import load
from tumorsim.spatial_api import experiment_of
from tumorsim.spatial_scenario import load_spatial
from tumorsim.store.identity import data_digest
from tumorsim.store.spatial_identity import spatial_digest
from tumorsim.sweep.run import sweep
from tumorsim.trial import run_trial
from tumorsim.trial_api import study_of
from tumorsim.variables import TrialData

PATIENTS = 12
TRIALS = tuple(sorted(path.stem for path in (ROOT / "scenarios").glob("hcc_*.yaml")))
SMALL = sorted((ROOT / "scenarios" / "small").glob("spatial_*.yaml"))
LATTICES = {path.stem: path for path in (ROOT / "tests" / "busy_lattice.yaml", *SMALL)}
SHORT = ("lattice.duration=1 day", "output.snapshots=[0 day, 1 day]", "output.interval=1 day", "lattice.replicates=1")


class Stop(Exception):
    """Ends a run where a test wants it."""


def matrix(folder: Path) -> Measured:
    """Every kind against its own first run on one thread of this process."""
    measured = Measured({"scenarios": 0, "runs": 0, "equal SHA-256": 0})
    kinds: dict[str, Callable[[Path], dict[str, str]]] = {}
    kinds |= {name: lambda folder, name=name: trial_digests(name) for name in TRIALS}
    kinds |= {name: lambda folder, name=name: lattice_digests(name, folder) for name in LATTICES}
    kinds["sweep"] = sweep_digests
    for name, digests in kinds.items():
        (folder / name).mkdir(parents=True)
        found = digests(folder / name)
        first = next(iter(found.values()))
        measured.figures["scenarios"] += 1
        measured.figures["runs"] += len(found)
        measured.figures["equal SHA-256"] += sum(digest == first for digest in found.values())
        measured.bad += [f"{name}: {how} gives another digest" for how, digest in found.items() if digest != first]
    return measured


def trial_digest(task: tuple[str, int, int | None]) -> str:
    """Of a trial by name, on so many threads, its patients shuffled by a seed or in order."""
    name, threads, shuffled = task
    settings = [f"population.patients={PATIENTS}", "output.traced_patients=0"]
    study = load(ROOT / "scenarios" / f"{name}.yaml", settings)
    numbers = np.arange(PATIENTS)
    if shuffled is not None:
        numbers = np.random.default_rng(shuffled).permutation(PATIENTS)
    data = run_trial(study_of(study), threads=threads, numbers=numbers)
    return data_digest(in_order(data), study.resolved_text, study.seed)


def in_order(data: TrialData) -> TrialData:
    """The same trial with its patients by number."""
    order = np.argsort(data.patient)

    def sorted_by_patient(array: np.ndarray) -> np.ndarray:
        for axis, size in enumerate(array.shape):
            if size == data.size and (axis > 0 or array.ndim == 1):
                return np.take(array, order, axis)
        return array

    arrays = {name: sorted_by_patient(array) for name, array in data.arrays.items()}
    return replace(data, arrays=arrays, patient=data.patient[order])


def trial_digests(name: str) -> dict[str, str]:
    """By how it was run."""
    found = {"1 thread": trial_digest((name, 1, None)), "2 threads": trial_digest((name, 2, None))}
    found["shuffled, 2 threads"] = trial_digest((name, 2, 5))
    with open_executor("processes", 2) as executor:
        tasks = [(name, 1, None), (name, 1, 7)]
        for how, outcome in zip(("a worker", "a worker, shuffled"), executor.map(trial_digest, tasks), strict=True):
            found[how] = str(outcome.value or outcome.failure)
    return found


def short(path: Path) -> list[str]:
    """Settings for a day of a lattice, all of its treatments begun at once."""
    arms = load_spatial(path).arms
    return [*SHORT] + [
        f"arms.{arm.name}.treatments.{k}.start=0 day" for arm in arms for k in range(len(arm.treatments))
    ]


def lattice_digests(name: str, folder: Path) -> dict[str, str]:
    """By how it was run; resumed after every sixth step, from a checkpoint of every fourth."""
    path = LATTICES[name]
    scenario = load_spatial(path, short(path))
    study = experiment_of(scenario)

    def digest(data: object) -> str:
        return str(spatial_digest(data, scenario.resolved_text, scenario.seed))  # type: ignore[arg-type]

    found = {"1 thread": digest(run_experiment(study, threads=1))}
    for how, threads, turned in (("2 threads", 2, False), ("last lattice first", 1, True)):
        tasks = list(tasks_of(study, threads=threads))
        made = {(task.arm, task.replicate): run_lattice(task) for task in (tasks[::-1] if turned else tasks)}
        found[how] = digest(_collect(study, made))
    found["2 processes"] = digest(run_experiment(study, threads=2))
    kept = experiment_of(load_spatial(path, [*short(path), "output.checkpoint=4 hour"]))
    while True:
        seen: list[int] = []

        def progress(_done: int, _total: int, seen: list[int] = seen) -> None:
            seen.append(1)
            if len(seen) == 6:
                raise Stop

        try:
            found["resumed"] = digest(run_experiment(kept, folder=folder, identity="matrix", progress=progress))
            return found
        except Stop:
            continue


def sweep_digests(folder: Path) -> dict[str, str]:
    """By workers, batches, order of the parts, and a stop after every k-th shard."""
    path = small_sweep.write(folder)
    found: dict[str, str] = {}

    def note(how: str, out: str, **options: object) -> None:
        result = sweep(path, folder / out, **options).result  # type: ignore[arg-type]
        found[how] = result.digest if result is not None else "none"

    note("1 process", "one", workers=1)
    note("2 processes, a shard a run", "two", workers=2, batch=1)
    parts = list(range(1, 4))
    random.Random(2).shuffle(parts)
    for part in parts:
        sweep(path, folder / "parts", workers=1, batch=3, shard=(part, 3))
    note("three parts in another order", "parts", workers=1)
    for k in (2, 5):
        done = 0
        while done < small_sweep.RUNS:
            limit = done + 2 * k

            def progress(so_far: int, _total: int, held: int = done, limit: int = limit) -> None:
                if held + so_far >= limit:
                    raise Stop

            try:
                sweep(path, folder / f"after-{k}", workers=1, batch=2, progress=progress)
                break
            except Stop:
                done = limit
        note(f"stopped after every {k} shards", f"after-{k}", workers=1)
    return found
