"""Trials, one call away from Python; `tumorsim.api` leads here by the file given."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from tumorsim.plan import block_size, check_memory
from tumorsim.scenario import Scenario, load, read_resolved
from tumorsim.variables import TrialData, Variable

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from tumorsim.store import StoredResult
    from tumorsim.trial import Study

STATISTICS_FOLLOW = "all patients are simulated; statistics follow, some four minutes for a million patients"


@dataclass(frozen=True)
class Result(OpenedResult[TrialData]):
    """A stored run: opened by `open_result`, returned by `run`.

    Attributes
    ----------
    stored
        What the file holds (`tumorsim.store.StoredResult`).
    """

    stored: StoredResult = field(repr=False)

    @property
    def scenario(self) -> Scenario:
        """The scenario that made it, as stored."""
        return read_resolved(self.stored.scenario_text)

    def summary(self) -> pd.DataFrame:
        """Table of the simulated beside the reported figures; one row a target."""
        import pandas as pd

        return pd.DataFrame(self.stored.summary["targets"])

    def survival(self, endpoint: str) -> dict[str, dict[str, Any]]:
        """Kaplan-Meier columns of an end point by arm: time (months), survival, lower, upper, at_risk ...

        Raises
        ------
        KeyError
            No such end point in this result; the message lists those there are.
        """
        if endpoint not in self.stored.curves:
            raise KeyError(f"{endpoint!r} is not in this result; it has {', '.join(self.stored.curves)}")
        return self.stored.curves[endpoint]

    def plot(self, kind: str, endpoint: str | None = None, **options: Any) -> Figure:
        """One figure, as a matplotlib Figure; ``tumorsim plot list`` names the kinds."""
        from tumorsim.figures import figure
        from tumorsim.figures.curves import study_view

        if endpoint is not None:
            options["endpoint"] = endpoint
        view = study_view(self.stored.data, self.stored.summary, self.stored.curves, self.stored.scenario_text)
        drawn = figure(kind).draw(view, **options)
        assert isinstance(drawn, _figure_class())
        return drawn

    def to_xarray(self, group: str) -> xr.Dataset:
        """A group of the file (``patients``, ``visits``, ``trajectories``) as an xarray Dataset."""
        import xarray as xr

        return xr.load_dataset(self.path, group=group, engine="h5netcdf")

    def to_frame(self, group: str = "patients") -> pd.DataFrame:
        """A group as a pandas table, one row for each arm and patient (and visit, or time)."""
        import numpy as np
        import pandas as pd

        declared = [v for v in _group(group) if v.name in self.data.arrays]  # an older layout lacks some
        dims = max((v.dims for v in declared), key=len)
        axes = self._axes()
        index = pd.MultiIndex.from_product([axes[name] for name in dims], names=dims)
        shape = tuple(len(axes[name]) for name in dims)
        columns = {
            v.name: np.broadcast_to(_aligned(np.asarray(self.data[v.name]), v.dims, dims), shape).reshape(-1)
            for v in declared
        }
        return pd.DataFrame(columns, index=index).reset_index()

    def _axes(self) -> dict[str, list[Any]]:
        data = self.data
        return {
            "arm": list(data.arms),
            "patient": data.patient.tolist(),
            "visit": list(range(data["visit_time"].shape[2])),
            "trace": data.trace.tolist(),
            "time": data.time.tolist(),
        }


def _figure_class() -> type:
    from matplotlib.figure import Figure

    return Figure


def _group(group: str) -> tuple[Variable, ...]:
    from tumorsim.variables import VARIABLES

    declared = tuple(v for v in VARIABLES if v.group == group)
    if not declared:
        raise KeyError(f"{group!r} is no group; there are patients, visits, trajectories")
    return declared


def _aligned(array: Any, own: tuple[str, ...], dims: tuple[str, ...]) -> Any:
    """Array with an axis of length one wherever it lacks a dimension."""
    return array.reshape([array.shape[own.index(name)] if name in own else 1 for name in dims])


def study_of(scenario: Scenario) -> Study:
    """The blocks of a scenario that `tumorsim.trial.run_trial` needs."""
    from tumorsim.trial import Study

    return Study(
        scenario.disease, scenario.population, scenario.trial, scenario.arms,
        scenario.after_progression, scenario.output, scenario.seed,
    )  # fmt: skip


def simulate_trial(
    scenario: Scenario,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> TrialData:
    """Simulate a trial in memory; parameters as in `tumorsim.api.simulate`."""
    from tumorsim.trial import failures_text, run_trial

    study, cores = study_of(scenario), threads or default_threads()
    prepare(study, notify, cores)
    data = run_trial(study, threads=cores, progress=progress)
    trouble = failures_text(data)
    if trouble and notify is not None:
        notify(trouble)
    return data


def prepare(study: Study, notify: Notify | None = None, threads: int = 1) -> None:
    """Compile the kernels, or load them from the cache, before anything is timed.

    Parameters
    ----------
    study
        Any of those that will be simulated.
    notify
        Called with a line of text when there is something to compile.
    threads
        With more than one a second process helps to compile.
    """
    from tumorsim.compiling import is_cold, said
    from tumorsim.trial import TRIAL, warm_up

    if notify is not None and is_cold(TRIAL):
        notify(said("", threads))
    warm_up(study, threads)


def run_study(
    source: str | Path | Scenario,
    *,
    patients: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    block: int | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Result:
    """Simulate a trial and write one result file; parameters and errors as in `tumorsim.api.run`."""
    from tumorsim import store, summary
    from tumorsim.figures.curves import survival_columns

    scenario = as_scenario(source, Scenario, load, overrides, patients=patients, seed=seed)
    target = target_of(out, scenario.name, force)
    started = time.perf_counter()
    count, size = threads or default_threads(), _block_size(scenario, block)
    check_memory(scenario, size)
    with partial_work(target if size < scenario.population.patients else None) as folder:
        if folder is None:
            data = simulate_trial(scenario, threads=count, progress=progress, notify=notify)
        else:
            data = _simulate_blocks(scenario, folder, size, count, progress, notify)
            if notify is not None:
                notify(STATISTICS_FOLLOW)
        told = summary.build(
            data, scenario.name, scenario.title, scenario.seed, scenario.endpoints, scenario.targets,
            scenario.trial.matching,
        )  # fmt: skip
        curves = survival_columns(data, scenario.endpoints)
        path = store.write(
            target, data, told, scenario.resolved_text, scenario.source_text, made_with(scenario, count, started),
            curves, force,
        )  # fmt: skip
    return Result(store.read(path))


def _block_size(scenario: Scenario, block: int | None) -> int:
    """Patients of a block: those asked for, or as many as suit the machine.

    Raises
    ------
    ValueError
        Fewer than one.
    """
    if block is not None and block < 1:
        raise ValueError(f"block={block}: at least one patient is simulated at a time, e.g. block=10000")
    return block_size(scenario) if block is None else block


def _simulate_blocks(
    scenario: Scenario, folder: Path, size: int, threads: int, progress: Progress | None, notify: Notify | None
) -> TrialData:
    from tumorsim.blocks import run_blocks
    from tumorsim.trial import failures_text

    study = study_of(scenario)
    prepare(study, notify, threads)
    data = run_blocks(
        study, folder, size, threads=threads, identity=identity_of(scenario), progress=progress, notify=notify
    )
    trouble = failures_text(data)
    if trouble and notify is not None:
        notify(trouble)
    return data


def replay_study(
    path: str | Path,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> list[str]:
    """Run a stored trial again and compare bit for bit, as `tumorsim.api.replay`."""
    from tumorsim import store
    from tumorsim.blocks import simulated_blocks

    held = store.read(path)
    scenario = read_resolved(held.scenario_text)
    study = study_of(scenario)
    prepare(study, notify, threads or default_threads())
    blocks = simulated_blocks(study, _block_size(scenario, None), threads or default_threads(), progress)
    return told_apart(held, store.compare_blocks(held.data, blocks))
