"""A sweep, one call away from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tumorsim.sweep.config import load_sweep
from tumorsim.sweep.run import Notify, Progress, sweep
from tumorsim.sweep_api import SweepResult

_TEMPORARY: list[tempfile.TemporaryDirectory[str]] = []


def run_sweep(
    source: str | Path,
    *,
    seed: int | None = None,
    patients: int | None = None,
    replicates: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    retry: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> SweepResult:
    """Run a scenario at many points of its values, as ``tumorsim sweep`` does.

    Every finished run lies in the folder at once: after an interruption the same call goes on, to the same bits.

    Parameters
    ----------
    source
        Path of a sweep file.
    seed, patients, replicates, overrides
        Instead of the file's; overrides read ``key=value`` and change the scenario in every run.
    workers
        Processes; every core by default. No number depends on it.
    cluster
        ``local:N`` or the address of a Dask scheduler instead.
    out
        Output folder; a temporary one that lives as long as the process by default.
    retry
        Do again what failed before.
    force
        Begin anew in a folder that holds another sweep.
    progress, notify
        Called with (runs done, runs to do), and with lines of text.

    Returns
    -------
    SweepResult
        Reads from the table written. Runs that failed are in it, with their messages.

    Raises
    ------
    tumorsim.ScenarioError
        A fault in the sweep file or its scenario, with its place.
    tumorsim.journal.JournalError
        The folder holds another sweep, or other files.
    tumorsim.store.ResultError
        The disk is full or refuses a write; what was done before is kept.
    tumorsim.executor.ExecutorError
        Workers die again and again, or the cluster is lost.
    """
    made = load_sweep(source, seed=seed, patients=patients, replicates=replicates, overrides=list(overrides))
    if out is None:
        _TEMPORARY.append(tempfile.TemporaryDirectory(prefix="tumorsim-"))
        out = Path(_TEMPORARY[-1].name) / made.name
    finished = sweep(
        made, out, workers=workers, cluster=cluster, retry=retry, force=force, progress=progress, notify=notify
    )
    assert finished.result is not None  # only one of several jobs can end without a table
    return SweepResult(finished.result)
