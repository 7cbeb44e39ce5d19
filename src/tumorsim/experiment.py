"""A spatial study: arms x replicates of one lattice, with common random numbers.

A replicate has the same first tissue and the same luck in every arm; arms differ only where treatment makes them
differ. Replicates share nothing, so that each runs where there is room, and each can be taken up again from its
own checkpoint. Imports nothing of the scenario: it receives the blocks it needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import setitem
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tumorsim.compiling import helped, is_cold
from tumorsim.executor import Executor, open_executor
from tumorsim.interventions.base import Intervention, Recipients
from tumorsim.interventions.events import Roster, build_events, roster_of
from tumorsim.kernels import layout, random, tissue
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import FieldError
from tumorsim.lattice.seeding import Tumour
from tumorsim.lattice_notes import Notes
from tumorsim.measures import bins
from tumorsim.models.spatial import Doses, LatticeError, Plan, SpatialModel
from tumorsim.params.base import Process
from tumorsim.params.disease import KERNEL_PROCESSES, Disease
from tumorsim.params.lattice_design import LatticeDesign, SpatialOutput, Start
from tumorsim.params.packing import procedures, typical
from tumorsim.params.tissue import TISSUE_PROCESSES, TissueModel
from tumorsim.spatial_variables import MEASURES, SERIES, SpatialData
from tumorsim.steps import new_steps, open_steps
from tumorsim.store.checkpoint import read_checkpoint, write_checkpoint

MEMORY = "memory_cd8"
LATTICE = "lattice"  # all kernels that a spatial study calls
RESERVE = 0.9  # liver reserve of the body; nothing on the lattice depends on it
SMALL = 8  # voxels a side of the lattice on which kernels are compiled
SPROUTING = 1e9  # capacity growth rate, 1/day, of its vessels, which sprout for sure
_ROUNDING = 1e-6  # of a step: days of the series and of snapshots fall on steps
Progress = Callable[[int, int], None]
Arrays = dict[str, NDArray[Any]]


class Arm(Protocol):
    """What the study needs to know of an arm."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def treatments(self) -> Sequence[Intervention]: ...


@dataclass(frozen=True)
class Experiment:
    """The blocks that define a spatial study."""

    disease: Disease
    tissue: TissueModel
    design: LatticeDesign
    start: Start
    arms: Sequence[Arm]
    output: SpatialOutput
    seed: int


@dataclass(frozen=True)
class Task:
    """One lattice to be run; can be sent to another process.

    Attributes
    ----------
    arm, replicate
        Places in the study.
    plan, doses, seed
        As `SpatialModel` takes them.
    series, shots
        Steps at which the series and the measures are taken.
    keep
        Whether pictures and lineage are kept.
    lineage
        Whether the lineage is kept where pictures are.
    checkpoint, every
        File of the checkpoint, or None, and steps between two; with 0 only the end is kept.
    identity
        What a checkpoint must agree with: scenario and code.
    threads
        Of this lattice.
    """

    arm: int
    replicate: int
    plan: Plan = field(repr=False)
    doses: Doses = field(repr=False)
    seed: int
    series: NDArray[np.int64] = field(repr=False)
    shots: NDArray[np.int64] = field(repr=False)
    keep: bool
    lineage: bool
    checkpoint: Path | None = None
    every: int = 0
    identity: str = ""
    threads: int = 1


class ExperimentError(RuntimeError):
    """A lattice failed; the message names arm and replicate, and says what to do."""


def replicate_seed(seed: int, replicate: int) -> int:
    """Seed of one replicate, the same in every arm."""
    words = random.philox(np.uint64(seed), random.STREAM_REPLICATE, replicate, 0, 0)
    return int(words[0])


def plan_of(study: Experiment, roster: Roster) -> Plan:
    """What every lattice of the study starts from."""
    disease, start, design = study.disease, study.start, study.design
    traits = np.zeros(1, layout.TRAITS)
    for name in KERNEL_PROCESSES:
        _fill(traits[name], getattr(disease, name))
    traits["end"], traits["reserve"] = design.duration, RESERVE
    packed = np.zeros(1, tissue.TISSUE)
    for name in TISSUE_PROCESSES:
        _fill(packed[name], getattr(study.tissue, name))
    tumour = Tumour(
        start.tumour, start.diameter, start.cell_fraction, start.resistant_fraction, start.resistant_clusters,
        start.antigen_low_fraction, disease.memory.mhc_positive_fraction.value,
    )  # fmt: skip
    return Plan(
        shape=design.shape, spacing=design.spacing, dt=design.step, steps=design.steps,
        fields_every=design.fields_stride, tissue=packed, traits=traits,
        drugs=typical(layout.DRUG, roster.drugs), products=typical(layout.PRODUCT, roster.products),
        procedures=procedures(roster.procedures), tumour=tumour, vessel_spacing=start.vessel_spacing,
        vessel_spacing_inside=start.vessel_spacing_inside,
        territory=study.tissue.anatomy.territory.value, lesion_volume=start.lesion_volume, memory=start.memory,
    )  # fmt: skip


def _fill(record: Any, process: Process) -> None:
    for name, value in zip(process.names(), process.values(), strict=True):
        record[name] = value


def doses_of(study: Experiment, arm: Arm, roster: Roster, replicate: int) -> Doses:
    """What one replicate of an arm is given; the luck of a manufacture is that of the replicate."""
    one, start = np.ones(1), study.start
    recipient = Recipients(
        np.array([replicate], np.int64), start.body_weight * one, start.body_surface * one,
        start.lymphocyte_factor * one,
    )  # fmt: skip
    table = build_events(arm.treatments, roster, recipient, study.seed, study.design.duration)
    return Doses(table.time, table.kind, table.index, table.value)


def steps_of(study: Experiment) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps at which the series and at which the measures are taken; both end with the last step at the latest."""
    step, last = study.design.step, study.design.steps
    series = np.arange(0.0, study.design.duration + _ROUNDING * step, study.output.interval)
    shots = np.asarray(study.output.shots(study.design.duration), dtype=float)
    return _nearest(series, step, last), _nearest(shots, step, last)


def _nearest(days: NDArray[np.float64], step: float, last: int) -> NDArray[np.int64]:
    return np.unique(np.minimum(np.rint(days / step).astype(np.int64), last))


def tasks_of(study: Experiment, folder: Path | None = None, identity: str = "", threads: int = 1) -> Iterator[Task]:
    """Every lattice of the study, replicate by replicate."""
    roster = roster_of([arm.treatments for arm in study.arms])
    plan = plan_of(study, roster)
    series, shots = steps_of(study)
    interval = study.output.checkpoint
    every = max(1, round(interval / study.design.step)) if interval is not None else 0
    for replicate in range(study.design.replicates):
        for place, arm in enumerate(study.arms):
            yield Task(
                arm=place, replicate=replicate, plan=plan, doses=doses_of(study, arm, roster, replicate),
                seed=replicate_seed(study.seed, replicate), series=series, shots=shots, keep=replicate == 0,
                lineage=study.output.lineage,
                checkpoint=folder / f"{arm.name}-{replicate}.checkpoint" if folder is not None else None,
                every=every, identity=identity, threads=threads,
            )  # fmt: skip


def run_experiment(
    study: Experiment,
    *,
    threads: int = 1,
    folder: Path | None = None,
    identity: str = "",
    progress: Progress | None = None,
) -> SpatialData:
    """Simulate every lattice of every arm.

    Parameters
    ----------
    study
        Blocks of the scenario.
    threads
        Cores to use: so many lattices at a time, or, where there are fewer lattices, threads within each. The
        result does not depend on it.
    folder
        Where checkpoints lie and finished lattices wait; None keeps nothing. Calling again with the same study
        and folder goes on from there.
    identity
        Digest of scenario and code; a checkpoint of another one is refused.
    progress
        Called with (steps done, steps to do) of all lattices.

    Raises
    ------
    ExperimentError
        A lattice failed.
    ExecutorError
        Worker processes die again and again.
    """
    lattices = len(study.arms) * study.design.replicates
    workers = min(threads, lattices)
    tasks = list(tasks_of(study, folder, identity, max(1, threads // workers)))
    if workers > 1 or is_cold(LATTICE):
        warm_up(study, threads)
    total, done = lattices * study.design.steps, 0
    found: dict[tuple[int, int], Arrays] = {}
    if workers == 1:
        for task in tasks:
            tell = None if progress is None else _offset(progress, done, total)
            found[task.arm, task.replicate] = _named(task, study, tell)
            done += study.design.steps
    else:
        with open_executor("processes", workers) as executor:
            for task, arrays in _run_on(executor, tasks, study, progress):
                found[task.arm, task.replicate] = arrays
    return _collect(study, found)


def warm_up(study: Experiment, threads: int = 1) -> None:
    """Compile the kernels, or load them from the cache, on a lattice of a few voxels with everything in it.

    Done before worker processes start: each of them would compile the same. With more than one thread a second process
    compiles half of them.
    """
    work = partial(_first_steps, study)
    with helped(LATTICE, work, threads):
        work()


def _first_steps(study: Experiment) -> None:
    roster = roster_of([arm.treatments for arm in study.arms])
    plan = plan_of(study, roster)
    depth = 1 if plan.shape[0] == 1 else SMALL
    tumour = dataclasses.replace(plan.tumour, shape="filled", cell_fraction=0.5)
    plan = dataclasses.replace(plan, shape=(depth, SMALL, SMALL), tumour=tumour, memory=1.0)
    plan = dataclasses.replace(plan, vessel_spacing=3.0 * plan.spacing, vessel_spacing_inside=3.0 * plan.spacing)
    plan.traits["vessels"]["capacity_growth_rate"], plan.tissue["network"]["cells_per_vessel"] = SPROUTING, 1.0
    session = np.zeros(min(1, plan.procedures.size), np.int64)  # one of TACE in the second step, if there are any
    doses = Doses(session + plan.dt, session + layout.EVENT_TACE, session, 0.0 * session)
    with Crew(1) as crew:
        model = SpatialModel(plan, doses, study.seed, crew)
        model.intake["rate"], model.y[:] = 1.0, 1e9  # blood so full of everything that somebody enters and moves
        for _ in range(2):
            model.advance()


def _offset(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda step: progress(done + step, total)


def _named(task: Task, study: Experiment, tell: Callable[[int], None] | None) -> Arrays:
    """Run one lattice here; an error says which."""
    try:
        return run_lattice(task, tell)
    except (LatticeError, ValueError, ArithmeticError, FieldError) as error:
        raise _failed(task, study, f"{type(error).__name__}: {error}") from error


def _failed(task: Task, study: Experiment, reason: str | None) -> ExperimentError:
    return ExperimentError(f"arm {study.arms[task.arm].name}, replicate {task.replicate}: {reason}")


def _run_on(
    executor: Executor, tasks: Sequence[Task], study: Experiment, progress: Progress | None
) -> Iterator[tuple[Task, Arrays]]:
    """Run lattices in processes; each counts its steps where this process sees them while it waits."""
    each = study.design.steps
    with TemporaryDirectory(prefix="tumorsim-") as folder:
        file = Path(folder) / "steps"
        steps = new_steps(file, len(tasks))

        def tell() -> None:
            done = int(steps.sum())
            if progress is not None and done:  # the rate is measured from the first word on
                progress(done, each * len(tasks))

        for outcome in executor.run(_counted, [(task, file, row) for row, task in enumerate(tasks)], tell):
            task = tasks[outcome.index]
            if outcome.value is None:
                raise _failed(task, study, outcome.failure)
            steps[outcome.index] = each
            tell()
            yield task, outcome.value


def _counted(job: tuple[Task, Path, int]) -> Arrays:
    """Run one lattice in a worker process, counting its steps in its row of the file."""
    task, file, row = job
    return run_lattice(task, partial(setitem, open_steps(file), row))


# --- one lattice ----------------------------------------------------------------------


def run_lattice(task: Task, tell: Callable[[int], None] | None = None) -> Arrays:
    """Run one lattice to its end, from its checkpoint if there is one.

    Returns
    -------
    dict
        Arrays by name, see `Notes.arrays`.
    """
    held = _held(task)
    if held is not None and held[1]["done"]:
        return held[0]
    with Crew(task.threads) as crew:
        model = SpatialModel(task.plan, task.doses, task.seed, crew)
        notes = Notes(task)
        if held is not None:
            arrays, header = held
            model.restore(arrays, header["numbers"])
            notes.restore(arrays)
        else:
            notes.take(model)
        while not model.done:
            model.advance()
            notes.take(model)
            if tell is not None:
                tell(model.step)
            if task.checkpoint is not None and not model.done and task.every and model.step % task.every == 0:
                arrays, numbers = model.checkpoint()
                write_checkpoint(task.checkpoint, arrays | notes.so_far(), _header(task, done=False, numbers=numbers))
        found = notes.arrays(model)
    if task.checkpoint is not None:
        write_checkpoint(task.checkpoint, found, _header(task, done=True))
    return found


def _header(task: Task, *, done: bool, numbers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"identity": task.identity, "seed": task.seed, "done": done, "numbers": numbers or {}}


def _held(task: Task) -> tuple[Arrays, dict[str, Any]] | None:
    """Arrays and header of the checkpoint of this lattice; None if there is none."""
    if task.checkpoint is None or not task.checkpoint.exists():
        return None
    return read_checkpoint(task.checkpoint, {"identity": task.identity, "seed": task.seed})


# --- all lattices -----------------------------------------------------------------------


def _collect(study: Experiment, found: dict[tuple[int, int], Arrays]) -> SpatialData:
    """The study as one set of arrays."""
    arms, replicates = range(len(study.arms)), range(study.design.replicates)
    series, shots = steps_of(study)
    at = bins(study.design.shape, study.design.spacing)
    sizes = {"shot": shots.size, "depth": at.depths.size, "radius": at.radii.size}
    arrays: Arrays = {}
    for v in (*SERIES, *MEASURES):
        if v.group == "measures" and not shots.size:
            arrays[v.name] = np.zeros((len(arms), len(replicates), *(sizes[axis] for axis in v.dims[2:])), v.dtype)
            continue
        stacked = np.stack([np.stack([found[a, r][f"{v.group}.{v.name}"] for r in replicates]) for a in arms])
        arrays[v.name] = np.ascontiguousarray(stacked, dtype=v.dtype)
    roster = roster_of([arm.treatments for arm in study.arms])
    return SpatialData(
        arms=tuple(arm.name for arm in study.arms),
        labels=tuple(arm.title for arm in study.arms),
        products=(*(product.name for product in roster.products), MEMORY),
        replicate=np.arange(study.design.replicates, dtype=np.int64),
        time=np.asarray(series * study.design.step, dtype=np.float64),
        shot=np.asarray(shots * study.design.step, dtype=np.float64),
        depth=at.depths,
        radius=at.radii,
        shape=study.design.shape,
        spacing=study.design.spacing,
        arrays=arrays,
        snapshots={arm.name: _part(found[a, 0], "pictures") for a, arm in enumerate(study.arms) if shots.size},
        lineage={arm.name: _part(found[a, 0], "lineage") for a, arm in enumerate(study.arms) if study.output.lineage},
    )


def _part(arrays: Arrays, part: str) -> Arrays:
    return {name.partition(".")[2]: values for name, values in arrays.items() if name.startswith(f"{part}.")}


__all__ = ["Experiment", "ExperimentError", "LatticeError", "Task", "run_experiment", "run_lattice", "tasks_of"]
