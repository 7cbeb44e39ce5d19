"""A sweep from its file to its table: what is missing is done, what is done is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

import numpy as np

from tumorsim import provenance, store
from tumorsim.executor import DIED, Executor, open_executor
from tumorsim.params.targets import Quantity
from tumorsim.spatial_scenario import SpatialScenario
from tumorsim.store import ResultError
from tumorsim.store.sweep import StoredSweep, read_sweep, sweep_digest, write_sweep
from tumorsim.sweep.base import Factor, Output
from tumorsim.sweep.config import Sweep, load_sweep, plain_of
from tumorsim.sweep.design import Points, points_of
from tumorsim.sweep.runs import MAX_MESSAGE, Asked, Row, Runs, identity_of, warm_up
from tumorsim.sweep.shards import CONFIGURATION, TABLE, Shards, batches, open_folder
from tumorsim.sweep_data import STATUS, FactorColumn, OutputColumn, SweepData

SECONDS: Final = 2.0  # of work in a batch, about; a shard costs some milliseconds
SECONDS_READING: Final = 0.1  # to compose and check the scenario of a point
MAX_BATCH: Final = 1000  # runs, so that a shard holds the message of each
PATIENCE: Final = 100  # deaths in a row: neighbours in a grid may all be too large for the memory
WAVES: Final = 8  # batches a worker at least, so that all end at about the same time
Progress = Callable[[int, int], None]
Notify = Callable[[str], None]


class SweepError(RuntimeError):
    """A sweep that cannot begin or end; the message says why and what to do."""


@dataclass(frozen=True)
class Finished:
    """What a call of `sweep` came to.

    Attributes
    ----------
    folder
        Output folder.
    total, held, done, failed
        Runs of the sweep; on disk before; done now; failed in all.
    damaged
        Shards that could not be trusted, in words; their runs were done again.
    result
        The table; None while runs of other jobs are missing.
    seconds
        Wall time of the runs.
    """

    folder: Path
    total: int
    held: int
    done: int
    failed: int
    damaged: tuple[str, ...]
    result: StoredSweep | None
    seconds: float


class How(TypedDict, total=False):
    """How the runs of a sweep are done; no number depends on it.

    Attributes
    ----------
    workers
        Processes; every core by default.
    cluster
        ``local:N`` or the address of a Dask scheduler instead.
    batch
        Runs of a task and a shard; by default about two seconds of work.
    shard
        (i, N): only the i-th of N parts, for job arrays that share the folder.
    retry
        Do again what failed before.
    force
        Begin anew in a folder that holds another sweep.
    progress, notify
        Called with (runs done, runs to do), and with lines of text.
    """

    workers: int | None
    cluster: str | None
    batch: int | None
    shard: tuple[int, int] | None
    retry: bool
    force: bool
    progress: Progress | None
    notify: Notify | None


def sweep(source: str | Path | Sweep, out: str | Path | None = None, **how: Unpack[How]) -> Finished:
    """Do every run of a sweep that is not on disk yet, and write the table.

    Parameters
    ----------
    source
        A sweep file, or what `tumorsim.sweep.config.load_sweep` gave.
    out
        Output folder, made if it is not there; ``results/NAME`` if None. The same call on it goes on after any
        interruption.
    how
        Keywords of `How`, e.g. ``workers=2``.

    Raises
    ------
    ScenarioError
        A fault in the sweep file or its scenario, with its place.
    JournalError
        The folder holds another sweep, or other files.
    ResultError
        The disk is full or refuses a write; what was done before is kept.
    ExecutorError
        Workers die again and again, or the cluster is lost.
    """
    made = source if isinstance(source, Sweep) else load_sweep(source)
    points = points_of(made.read_factors, made.design, made.samples, made.base.seed)
    folder = default_folder(made) if out is None else Path(out)
    return run_points(made, points, folder, plain_of(made), made.design, **how)


def default_folder(made: Sweep) -> Path:
    """Where a sweep goes if nothing is said."""
    return Path("results") / made.name


def run_points(
    made: Sweep,
    points: Points,
    folder: Path,
    meaning: dict[str, Any],
    design: str,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    batch: int | None = None,
    shard: tuple[int, int] | None = None,
    retry: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Finished:
    """Do the runs of given points, as `sweep` does those of its design.

    Parameters
    ----------
    made
        The sweep.
    points
        Its points.
    folder
        Output folder.
    meaning
        What identifies the points beside the scenario, the seed and the program.
    design
        What the table calls them.
    workers, cluster, batch, shard, retry, force, progress, notify
        Of `How`.
    """
    tell, say = progress or _silent, notify or _mute
    if shard is not None and force:
        raise SweepError("--force would delete what other jobs did: with --shard, delete the folder before they start")
    total = len(points) * made.replicates
    identity = identity_of([_meaning(meaning), made.base.study.digest, made.base.seed])
    mine = _part(total, shard)
    open_folder(folder, force)
    part = "" if shard is None else f"-{shard[0]}-of-{shard[1]}"
    outputs = len(made.read_outputs)
    head = {"name": made.name, "runs": total, "outputs": outputs, "tumorsim": provenance.machine().get("tumorsim", "")}
    with Shards(folder, identity, head, part) as shards:
        store.commit(folder / CONFIGURATION, made.text.encode(), force=True, sealed=False)
        found = shards.read(total, outputs)
        for line in found.damaged:
            say(f"{line}; its runs are done again")
        rows = {n: row for n, row in found.rows.items() if not (retry and row.failure)}
        held = len(rows)
        missing = [number for number in mine if number not in rows]
        if held:
            say(f"{held:,} of {total:,} runs are on disk already")
        started = time.perf_counter()
        if missing:
            done = 0
            for fresh in _rows(made, points, missing, workers, cluster, batch, say):
                shards.write(fresh, outputs)
                rows |= {row.number: row for row in fresh}
                done += len(fresh)
                tell(done, len(missing))
        seconds = time.perf_counter() - started
        if shard is not None:  # other jobs have gone on meanwhile; the last one writes the table
            rows = shards.read(total, outputs).rows | rows
    failed = sum(bool(row.failure) for row in rows.values())
    result = None
    if len(rows) == total:
        result = _table(made, points, rows, folder / TABLE, identity, design, seconds, workers)
    return Finished(folder, total, held, len(missing), failed, tuple(found.damaged), result, seconds)


def _part(total: int, shard: tuple[int, int] | None) -> range:
    """Runs of one of several jobs."""
    if shard is None:
        return range(total)
    i, n = shard
    if not 1 <= i <= n:
        raise SweepError(f"--shard {i}/{n}: must be i/N with 1 <= i <= N, e.g. --shard 3/20")
    return range(total * (i - 1) // n, total * i // n)


def _meaning(meaning: dict[str, Any]) -> dict[str, Any]:
    """What of a sweep file decides numbers: without words for people, and without what is in the scenario's digest."""
    words = {"title", "description", "label", "scenario", "set", "patients", "sensitivity"}

    def kept(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key: kept(child) for key, child in tree.items() if key not in words}
        return [kept(child) for child in tree] if isinstance(tree, list | tuple) else tree

    found: dict[str, Any] = kept(meaning)
    return found


def _asked(made: Sweep, points: Points, number: int) -> Asked:
    point, replicate = divmod(number, made.replicates)
    settings = tuple(points.settings(made.read_factors, point))
    return Asked(number, settings, made.base.seed + replicate)


def _rows(
    made: Sweep,
    points: Points,
    missing: Sequence[int],
    workers: int | None,
    cluster: str | None,
    batch: int | None,
    say: Notify,
) -> Iterator[list[Row]]:
    """Rows of batches as they are done."""
    from tumorsim.common_api import default_threads

    count = min(workers or default_threads(), len(missing))
    say_compiling(made, say, count)
    warm_up(made.base, count)
    runs = Runs.of(made.base, made.read_outputs)
    with open_executor(cluster or "processes", count) as executor:
        size = min(batch, MAX_BATCH) if batch else batch_size(made, len(missing), executor.workers)
        yield from _outcomes(executor, runs, list(batches(missing, size)), partial(_asked, made, points))


def say_compiling(made: Sweep, say: Notify, threads: int) -> None:
    """One line before a wait, if there is anything to compile."""
    from tumorsim.compiling import is_cold, said
    from tumorsim.experiment import LATTICE
    from tumorsim.trial import TRIAL

    if is_cold(LATTICE if made.base.spatial else TRIAL):
        say(said("", threads))


def _outcomes(
    executor: Executor, runs: Runs, tasks: Sequence[list[int]], asked: Callable[[int], Asked]
) -> Iterator[list[Row]]:
    """Rows of every batch; a batch that kills its worker is done run by run, and the guilty run recorded.

    A run whose worker died may have been a bystander: it is done again at the end, alone.
    """
    executor.patience = PATIENCE
    again: list[int] = []
    for outcome in executor.run(runs, ([asked(number) for number in task] for task in tasks)):
        task = tasks[outcome.index]
        if outcome.value is not None:
            yield outcome.value
        elif outcome.failure is not None and outcome.failure.startswith("WorkerError"):
            raise SweepError(outcome.failure)
        elif outcome.failure is None or not outcome.failure.startswith(DIED):
            yield [_lost(number, outcome.failure) for number in task]
        else:
            again += task
    for outcome in executor.run(runs, ([asked(number)] for number in again)):
        value = outcome.value
        yield value if value is not None else [_lost(again[outcome.index], outcome.failure)]


def _lost(number: int, failure: str | None) -> Row:
    """The row of a run that its worker did not give back."""
    return Row(number, (), (failure or "nothing came back")[:MAX_MESSAGE])


def batch_size(made: Sweep, runs: int, workers: int) -> int:
    """Runs of a batch: about two seconds of work, and several batches a worker."""
    return max(1, min(int(SECONDS / max(seconds_of(made), 1e-3)), runs // (WAVES * workers), MAX_BATCH))


def seconds_of(made: Sweep) -> float:
    """Estimated seconds of one run on one core, once a worker has started."""
    from tumorsim.plan import SECONDS_BASE, plan
    from tumorsim.spatial_plan import spatial_plan

    study = made.base.at([])
    if isinstance(study, SpatialScenario):
        return float(spatial_plan(study, 1)["seconds"])
    return float(plan(study, 1)["seconds"]) - SECONDS_BASE + SECONDS_READING


def _table(
    made: Sweep, points: Points, rows: dict[int, Row], path: Path, identity: str, design: str, seconds: float,
    workers: int | None,
) -> StoredSweep:  # fmt: skip
    """The table of all runs: the one on disk if it says the same, else written, and read back."""
    data = table_of(made, points, rows, design)
    text = made.base.study.resolved_text
    with suppress(ResultError):
        there = read_sweep(path)
        if (there.digest, there.scenario_source) == (sweep_digest(data, text, made.base.seed), made.text):
            return there
    summary = {
        "sweep": made.name,
        "title": made.title,
        "seed": made.base.seed,
        "identity": identity,
        "points": data.points,
        "replicates": data.replicates,
        "failures": [_told(made, points, row) for row in _in_order(rows) if row.failure],
        "remarks": [_told(made, points, row) for row in _in_order(rows) if row.remark],
    }
    inputs = {"sweep": made.text, "resolved": text}
    origin = provenance.collect(made.base.seed, workers or os.cpu_count() or 1, inputs, wall_time=seconds)
    write_sweep(path, data, summary, text, made.text, origin, force=True)
    return read_sweep(path)


def _in_order(rows: dict[int, Row]) -> list[Row]:
    return [rows[number] for number in sorted(rows)]


def _told(made: Sweep, points: Points, row: Row) -> dict[str, Any]:
    """A failure or remark, with all that it takes to see it again."""
    point, replicate = divmod(row.number, made.replicates)
    settings = points.settings(made.read_factors, point)
    return {
        "run": row.number, "point": point, "replicate": replicate, "seed": made.base.seed + replicate,
        "settings": settings, "message": row.failure or row.remark,
        "repeat": made.base.repeat(settings, made.base.seed + replicate),
    }  # fmt: skip


def table_of(made: Sweep, points: Points, rows: dict[int, Row], design: str) -> SweepData:
    """Every run as one set of arrays."""
    shape = (len(points), made.replicates)
    values = np.full((len(made.read_outputs), *shape), np.nan)
    status = np.zeros(shape, np.int8)
    for number, row in rows.items():
        place = divmod(number, made.replicates)
        if row.values:
            values[(slice(None), *place)] = row.values
        status[place] = STATUS.index("failed" if row.failure else "partial" if row.remark else "done")
    seeds = made.base.seed + np.arange(made.replicates, dtype=np.int64)
    factors = tuple(_column(factor, points, k) for k, factor in enumerate(made.read_factors))
    outputs = tuple(
        OutputColumn(one.name, one.title, one.unit, values[k], _ratio(one)) for k, one in enumerate(made.read_outputs)
    )
    return SweepData(made.name, made.title, design, factors, outputs, status, seeds)


def _column(factor: Factor, points: Points, place: int) -> FactorColumn:
    if factor.numeric:
        return FactorColumn(factor.name, factor.title, factor.unit, points.numbers[:, place], (), factor.logarithmic)
    texts = [row[place] for row in points.texts]
    labels = tuple(dict.fromkeys(texts))
    return FactorColumn(factor.name, factor.title, "", np.array([float(labels.index(text)) for text in texts]), labels)


def _ratio(one: Output) -> bool:
    return isinstance(one.quantity, Quantity) and one.quantity.statistic == "hr"


def _silent(done: int, total: int) -> None:
    pass


def _mute(text: str) -> None:
    pass
