"""Everything the command line does, one call away from Python: for trials and for spatial studies.

>>> import tumorsim as ts
>>> result = ts.run("scenarios/hcc_adjuvant_cik_rct.yaml", patients=500, seed=1)  # doctest: +SKIP
>>> result.survival("rfs")["cik"]["time"]  # doctest: +SKIP
>>> ts.run("scenarios/small/spatial_tace_nk.yaml").plot("lattice")  # doctest: +SKIP

The file given decides which it is; what a function returns then is that kind's, and is annotated ``Any`` where only
the caller can know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tumorsim.common_api import Notify, Progress, default_threads
from tumorsim.overlay import is_spatial
from tumorsim.scenario import Scenario
from tumorsim.scenario import load as load_trial
from tumorsim.spatial_api import SpatialResult, replay_spatial, run_spatial, simulate_spatial
from tumorsim.spatial_scenario import SpatialScenario, load_spatial
from tumorsim.sweep_api import SweepResult
from tumorsim.trial_api import Result, prepare, replay_study, run_study, simulate_trial, study_of

__all__ = [
    "Result",
    "SpatialResult",
    "SweepResult",
    "default_threads",
    "load",
    "open_result",
    "prepare",
    "replay",
    "run",
    "simulate",
    "study_of",
]


def load(
    source: str | Path,
    overrides: Sequence[str] = (),
    patients: int | None = None,
    seed: int | None = None,
    *,
    replicates: int | None = None,
    root: str | Path | None = None,
) -> Any:
    """Read, check and resolve a scenario file, of a trial or a spatial study.

    Parameters
    ----------
    source
        Path of a YAML file.
    overrides
        ``key=value`` as on the command line, applied in order.
    patients, replicates, seed
        Virtual patients (of a trial), lattices in an arm (of a spatial study) and seed, instead of the file's.
    root
        Folder that ``extends`` may not leave; the folder of ``source`` if None.

    Returns
    -------
    Scenario or SpatialScenario
        By what the file is.

    Raises
    ------
    ScenarioError
        Everything that is wrong, each problem with its place.
    ValueError
        ``patients`` with a spatial scenario, or ``replicates`` with a trial.
    """
    if is_spatial(source, root):
        _refuse(source, patients=patients, instead="replicates", kind="spatial scenario")
        return load_spatial(source, overrides, replicates, seed, root=root)
    _refuse(source, replicates=replicates, instead="patients", kind="trial")
    return load_trial(source, overrides, patients, seed, root=root)


def _refuse(source: object, *, instead: str, kind: str, **given: int | None) -> None:
    """Refuse an option that the scenario at hand has no use for."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{source}: {name}={value} does not fit, since this is a {kind}; it has {instead}")


def simulate(
    scenario: Scenario | SpatialScenario,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Any:
    """Simulate a scenario in memory; nothing is written.

    Parameters
    ----------
    scenario
        From `tumorsim.load`.
    threads
        Kernel threads; every core by default. The result does not depend on it.
    progress
        Called with (patient courses or steps of lattices done, to do).
    notify
        Called with a line of text when something takes long (compilation) or failed for some patients.

    Returns
    -------
    TrialData or SpatialData
        `tumorsim.variables.TrialData` or `tumorsim.spatial_variables.SpatialData`.
    """
    if isinstance(scenario, SpatialScenario):
        return simulate_spatial(scenario, threads=threads, progress=progress, notify=notify)
    return simulate_trial(scenario, threads=threads, progress=progress, notify=notify)


def run(
    source: str | Path | Scenario | SpatialScenario,
    *,
    patients: int | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    block: int | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Any:
    """Simulate a scenario and write one result file.

    Finished lattices of a spatial scenario, and finished blocks of a trial of many patients, lie in the folder
    ``OUT.partial`` until the result is written: after an interruption the same call goes on from there.

    Parameters
    ----------
    source
        Path of a scenario file, or a scenario from `tumorsim.load`.
    patients, replicates, seed, overrides
        Instead of the file's: virtual patients of a trial, lattices in an arm of a spatial study; overrides read
        ``key=value``. Only with a path.
    threads
        Cores; all of them by default. The result does not depend on it.
    block
        Patients of a trial that are simulated, and kept on disk, at a time; at most 10,000, and fewer on a machine
        of little memory, by default. A trial of no more is simulated in memory. The result does not depend on it.
    out
        Result file; a temporary file that lives as long as the process by default.
    force
        Replace an existing file.
    progress, notify
        As in `simulate`.

    Returns
    -------
    Result or SpatialResult
        Reads from the file written.

    Raises
    ------
    tumorsim.scenario.ScenarioError
        A fault in the scenario, with its place.
    ValueError
        An option that does not fit what the file is, or that would change a loaded scenario.
    tumorsim.store.ResultError
        The target exists or cannot be written, or checkpoints are of another run.
    tumorsim.plan.PlanError
        The statistics of so many patients do not fit into the memory of this machine.
    tumorsim.trial.SimulationError
        No patient could be integrated.
    tumorsim.experiment.ExperimentError
        A lattice failed.
    """
    common: dict[str, Any] = {
        "seed": seed, "threads": threads, "out": out, "overrides": overrides, "force": force, "progress": progress,
        "notify": notify,
    }  # fmt: skip
    shown = "this scenario" if isinstance(source, Scenario | SpatialScenario) else source
    if isinstance(source, SpatialScenario) or (not isinstance(source, Scenario) and is_spatial(source)):
        _refuse(shown, patients=patients, instead="replicates", kind="spatial scenario")
        _refuse(shown, block=block, instead="threads", kind="spatial scenario")
        return run_spatial(source, replicates=replicates, **common)
    _refuse(shown, replicates=replicates, instead="patients", kind="trial")
    return run_study(source, patients=patients, block=block, **common)


def open_result(path: str | Path) -> Any:
    """Open a stored result.

    Returns
    -------
    Result, SpatialResult or SweepResult
        By what the file holds.

    Raises
    ------
    tumorsim.store.ResultError
        The file is damaged, hostile, or of a newer layout.
    """
    from tumorsim import store

    kind = store.kind_of(path)
    if kind == "spatial":
        return SpatialResult(store.read_spatial(path))
    return SweepResult(store.read_sweep(path)) if kind == "sweep" else Result(store.read(path))


def replay(
    path: str | Path,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> list[str]:
    """Run a stored result again and compare bit for bit.

    Parameters
    ----------
    path
        A result file.
    threads, progress, notify
        As in `simulate`.

    Returns
    -------
    list of str
        One line for each array that differs; what differs in versions or CPU stands
        first, since it explains the rest. Empty when every bit is equal.

    Raises
    ------
    tumorsim.store.ResultError
        The file cannot be read, or is the table of a sweep.
    """
    from tumorsim import store

    kind = store.kind_of(path)
    if kind == "sweep":
        rule = "is the table of a sweep, which is not replayed as a whole"
        advice = "Repeat one run (docs/how-to/run-a-sweep.md), or do the sweep again and compare data_sha256"
        raise store.ResultError(Path(path), "file", rule, advice)
    again = replay_spatial if kind == "spatial" else replay_study
    return again(path, threads=threads, progress=progress, notify=notify)
