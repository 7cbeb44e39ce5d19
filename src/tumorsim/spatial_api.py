"""Spatial studies, one call away from Python; `tumorsim.api` leads here by the file given."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorsim.spatial_scenario import SpatialScenario, load_spatial, read_resolved_spatial
from tumorsim.spatial_variables import SpatialData

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from tumorsim.experiment import Experiment
    from tumorsim.store import StoredSpatial

Progress = Callable[[int, int], None]
Notify = Callable[[str], None]
PARTIAL = ".partial"  # folder of the checkpoints, beside the result and named after it


@dataclass(frozen=True)
class SpatialResult:
    """A stored spatial study: opened by `tumorsim.open_result`, returned by `tumorsim.run`.

    Attributes
    ----------
    stored
        What the file holds (`tumorsim.store.StoredSpatial`).
    """

    stored: StoredSpatial = field(repr=False)

    @property
    def path(self) -> Path:
        """The file."""
        return self.stored.path

    @property
    def data(self) -> SpatialData:
        """Every array, by its declared name: ``result.data["hypoxic_fraction"]``."""
        return self.stored.data

    @property
    def digest(self) -> str:
        """SHA-256 of the data: equal digests are equal bits."""
        return self.stored.digest

    @property
    def as_dict(self) -> dict[str, Any]:
        """The summary as one JSON-able mapping (what ``tumorsim run --json`` prints)."""
        return self.stored.summary

    @property
    def scenario(self) -> SpatialScenario:
        """The scenario that made it, as stored."""
        return read_resolved_spatial(self.stored.scenario_text)

    def summary(self) -> pd.DataFrame:
        """Table of what each arm came to; one row a quantity and arm.

        Columns: quantity, title, unit, arm, n (replicates), mean with its 95 % interval (low, high), and the
        difference from the first arm, replicate by replicate, with its own (difference, difference_low,
        difference_high).
        """
        from tumorsim.spatial_tables import summary_frame

        return summary_frame(self.stored.summary)

    def plot(self, kind: str, **options: Any) -> Figure:
        """One figure, as a matplotlib Figure; ``tumorsim plot list`` names the kinds and their options.

        Raises
        ------
        tumorsim.figures.base.FigureError
            No such figure or option, or the result lacks what it is drawn from.
        """
        from tumorsim.figures.spatial import spatial_figure, spatial_view

        return spatial_figure(kind).draw(spatial_view(self.stored), **options)

    def to_xarray(self, group: str = "snapshots") -> xr.Dataset:
        """A group of the file as an xarray Dataset.

        Parameters
        ----------
        group
            ``snapshots`` (voxels of the first replicate), ``series``, ``measures``, or ``lineage/ARM``.

        Raises
        ------
        KeyError
            The file has no such group.
        """
        import xarray as xr

        try:
            return xr.load_dataset(self.path, group=group, engine="h5netcdf")
        except OSError as error:  # what h5netcdf makes of a group that is not there
            there = ["series", "measures", *(["snapshots"] if self.data.snapshots else [])]
            there += [f"lineage/{arm}" for arm in self.data.lineage]
            raise KeyError(f"{group!r} is not in this result; it has {', '.join(there)}") from error

    def to_frame(self, table: str = "series") -> pd.DataFrame:
        """A tidy pandas table: one row an observation, codes as words, missing as NaN or NA.

        Parameters
        ----------
        table
            ``series`` (a row for each arm, replicate and time), ``effectors`` (and product), ``deaths`` (and
            cause), ``measures`` (arm, replicate and snapshot), ``depths`` (and depth below the margin),
            ``distances`` (and distance between cells), ``lineage`` (arm and tumour cell, first replicate).

        Raises
        ------
        KeyError
            No such table.
        """
        from tumorsim.spatial_tables import frame

        return frame(self.data, table)


def experiment_of(scenario: SpatialScenario) -> Experiment:
    """The blocks of a scenario that `tumorsim.experiment.run_experiment` needs."""
    from tumorsim.experiment import Experiment

    return Experiment(
        scenario.disease, scenario.tissue, scenario.lattice, scenario.start, scenario.arms, scenario.output,
        scenario.seed,
    )  # fmt: skip


def simulate_spatial(
    scenario: SpatialScenario,
    *,
    threads: int | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> SpatialData:
    """Simulate a spatial scenario in memory.

    Parameters
    ----------
    scenario
        From `load_spatial`.
    threads
        Cores; all of them by default. The result does not depend on it.
    folder
        Where checkpoints lie; None keeps none.
    progress
        Called with (steps done, steps to do) of all lattices.
    notify
        Called with a line of text when something takes long.
    """
    from tumorsim.experiment import run_experiment
    from tumorsim.trial_api import default_threads

    if notify is not None and not _compiled():
        notify("compiling the kernels of the lattice, once for this version: about a minute")
    study, cores = experiment_of(scenario), threads or default_threads()
    return run_experiment(study, threads=cores, folder=folder, identity=_identity(scenario), progress=progress)


def _identity(scenario: SpatialScenario) -> str:
    """What a checkpoint must agree with: the scenario, and all else that can change a bit."""
    from tumorsim.provenance import DECIDING, machine

    found = machine()
    return hashlib.sha256(json.dumps([scenario.digest, *(found[name] for name in DECIDING)]).encode()).hexdigest()


def _compiled() -> bool:
    """Whether compiled kernels of this version lie in the cache."""
    from tumorsim.kernels._jit import cache_directory

    return any(cache_directory().rglob("*settle_cells*.nbc"))


def run_spatial(
    source: str | Path | SpatialScenario,
    *,
    replicates: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> SpatialResult:
    """Simulate a spatial scenario and write one result file.

    Finished lattices, and checkpoints where the scenario asks for them, lie in a folder beside the result until it
    is written: after an interruption the same call goes on from there.

    Parameters
    ----------
    source
        Path of a scenario file, or a scenario from `load_spatial`.
    replicates, seed, overrides
        Instead of the file's; overrides read ``key=value``. Only with a path.
    threads
        Cores; all of them by default. The result does not depend on it.
    out
        Result file; a temporary file that lives as long as the process by default.
    force
        Replace an existing file.
    progress, notify
        As in `simulate_spatial`.

    Raises
    ------
    tumorsim.yamlio.ScenarioError
        A fault in the scenario, with its place.
    tumorsim.store.ResultError
        The target exists or cannot be written, or a checkpoint is damaged or of another run.
    tumorsim.experiment.ExperimentError
        A lattice failed.
    """
    from tumorsim import provenance, store
    from tumorsim.spatial_summary import summarise
    from tumorsim.trial_api import default_threads, temporary

    if isinstance(source, SpatialScenario):
        if replicates is not None or seed is not None or overrides:
            raise ValueError("replicates, seed and overrides change a file: give its path instead of a scenario")
        scenario = source
    else:
        scenario = load_spatial(source, overrides, replicates, seed)
    target = store.check_target(temporary(scenario.name) if out is None else Path(out), force)
    with _checkpoints(None if out is None else target, _identity(scenario), notify) as folder:
        started = time.perf_counter()
        data = simulate_spatial(scenario, threads=threads, folder=folder, progress=progress, notify=notify)
        told = summarise(data, scenario.name, scenario.title, scenario.seed)
        inputs = {"scenario": scenario.source_text, "resolved": scenario.resolved_text}
        spent = time.perf_counter() - started
        made = provenance.collect(scenario.seed, threads or default_threads(), inputs, wall_time=spent)
        path = store.write_spatial(target, data, told, scenario.resolved_text, scenario.source_text, made, force)
    return SpatialResult(store.read_spatial(path))


def partial_folder(result: Path) -> Path:
    """Where the checkpoints of a run lie until its result is written."""
    return result.with_name(result.name + PARTIAL)


@contextmanager
def _checkpoints(result: Path | None, identity: str, notify: Notify | None) -> Iterator[Path | None]:
    """Folder of the checkpoints: gone once the result is there, and also if a run that ends early put nothing in."""
    if result is None:
        yield None
        return
    folder = partial_folder(result)
    held = sorted(folder.glob("*.checkpoint"))
    if held:
        _check_identity(held[0], identity)
        if notify is not None:
            notify(f"going on from {folder}")
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    except BaseException:
        for stray in folder.glob(".*.part"):  # of a worker process that was ended while it wrote
            stray.unlink(missing_ok=True)
        with suppress(OSError):  # the folder is not empty: there is something to go on from
            folder.rmdir()
        raise
    shutil.rmtree(folder)


def _check_identity(checkpoint: Path, identity: str) -> None:
    """Refuse the checkpoints of another run at once, all of them in one message."""
    from tumorsim.store import ResultError, read_checkpoint

    if read_checkpoint(checkpoint)[1].get("identity") != identity:
        rule = "holds checkpoints of another scenario, or of another version of tumorsim"
        advice = f"Delete the folder {checkpoint.parent.name}, or give the result another name with --out"
        raise ResultError(checkpoint.parent, "file", rule, advice)


def replay_spatial(
    path: str | Path,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> list[str]:
    """Run a stored spatial study again and compare bit for bit, as `tumorsim.api.replay`."""
    from tumorsim import provenance, store

    held = store.read_spatial(path)
    scenario = read_resolved_spatial(held.scenario_text)
    again = simulate_spatial(scenario, threads=threads, progress=progress, notify=notify)
    differing = [str(found) for found in store.compare_spatial(held.data, again)]
    return [*provenance.differences(held.provenance), *differing] if differing else []
