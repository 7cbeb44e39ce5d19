"""Spatial studies, one call away from Python; `tumorsim.api` leads here by the file given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorsim.common_api import (
    Notify,
    OpenedResult,
    Progress,
    as_scenario,
    default_threads,
    identity_of,
    made_with,
    partial_work,
    target_of,
    told_apart,
)
from tumorsim.spatial_scenario import SpatialScenario, load_spatial, read_resolved_spatial
from tumorsim.spatial_variables import SpatialData

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from tumorsim.experiment import Experiment
    from tumorsim.store import StoredSpatial


@dataclass(frozen=True)
class SpatialResult(OpenedResult[SpatialData]):
    """A stored spatial study: opened by `tumorsim.open_result`, returned by `tumorsim.run`.

    Attributes
    ----------
    stored
        What the file holds (`tumorsim.store.StoredSpatial`).
    """

    stored: StoredSpatial = field(repr=False)

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
    """Simulate a spatial scenario in memory; other parameters as in `tumorsim.api.simulate`.

    Parameters
    ----------
    folder
        Where checkpoints lie; None keeps none.
    """
    from tumorsim.compiling import is_cold, said
    from tumorsim.experiment import LATTICE, run_experiment

    study, cores = experiment_of(scenario), threads or default_threads()
    if notify is not None and is_cold(LATTICE):
        notify(said(" of the lattice", cores))
    return run_experiment(study, threads=cores, folder=folder, identity=identity_of(scenario), progress=progress)


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
    """Simulate a spatial scenario and write one result file; parameters and errors as in `tumorsim.api.run`."""
    from tumorsim import store
    from tumorsim.spatial_summary import summarise

    scenario = as_scenario(source, SpatialScenario, load_spatial, overrides, replicates=replicates, seed=seed)
    target = target_of(out, scenario.name, force)
    with partial_work(None if out is None else target, _going_on(identity_of(scenario), notify)) as folder:
        started = time.perf_counter()
        data = simulate_spatial(scenario, threads=threads, folder=folder, progress=progress, notify=notify)
        told = summarise(data, scenario.name, scenario.title, scenario.seed)
        made = made_with(scenario, threads or default_threads(), started)
        path = store.write_spatial(target, data, told, scenario.resolved_text, scenario.source_text, made, force)
    return SpatialResult(store.read_spatial(path))


def _going_on(identity: str, notify: Notify | None) -> Callable[[Path], None]:
    """What is done with a folder of checkpoints before the run goes on from there."""

    def look(folder: Path) -> None:
        held = sorted(folder.glob("*.checkpoint"))
        if held:
            _check_identity(held[0], identity)
            if notify is not None:
                notify(f"going on from {folder}")

    return look


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
    from tumorsim import store

    held = store.read_spatial(path)
    scenario = read_resolved_spatial(held.scenario_text)
    again = simulate_spatial(scenario, threads=threads, progress=progress, notify=notify)
    return told_apart(held, store.compare_spatial(held.data, again))
