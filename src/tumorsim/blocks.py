"""A trial of very many patients, block by block: each is simulated, sealed on disk, and read back where it is needed.

A virtual patient's bits depend on its number alone, so that blocks of any size, simulated in any order and by any
number of processes in turn, hold the bits of a trial simulated in one piece. Memory is that of one block, and of the
arrays that have one number a patient and arm; what was measured at visits stays on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import AXIS, RowArray
from tumorsim.store.checkpoint import Place, open_checkpoint, write_checkpoint
from tumorsim.store.errors import ResultError
from tumorsim.threads import Progress
from tumorsim.trial import Study, check_failures, simulate_patients
from tumorsim.variables import EACH, TRACE, VARIABLES, VISIT, TrialData

SUFFIX: Final = ".block"


@dataclass(frozen=True)
class Block:
    """Patients on disk.

    Attributes
    ----------
    first, last
        Numbers of the first patient, and of the one after the last.
    path
        The file.
    places
        Its arrays.
    """

    first: int
    last: int
    path: Path
    places: dict[str, Place] = field(repr=False)


def cut(first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
    """Patients ``first`` to ``last`` in runs of ``size``."""
    for start in range(first, last, size):
        yield start, min(start + size, last)


def run_blocks(
    study: Study,
    folder: Path,
    size: int,
    *,
    threads: int = 1,
    identity: str = "",
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> TrialData:
    """Simulate every patient of a trial, as `tumorsim.trial.run_trial`, with the memory of a block.

    Parameters
    ----------
    study, threads, progress
        As of `run_trial`; blocks found finished count as done.
    folder
        Where blocks are kept, and must stay as long as the trial is used. Those of an earlier call are gone on from,
        whatever their size.
    size
        Patients of a block.
    identity
        Of all that decides a bit; blocks of another one are refused.
    notify
        Called with a line of text when blocks are found, whole or damaged.

    Raises
    ------
    SimulationError
        Every patient failed.
    ResultError
        Blocks of another run, or the disk refuses the write.
    """
    patients = study.population.patients
    held = _held(folder, patients, identity, notify)
    if held and notify is not None:
        done = sum(block.last - block.first for block in held)
        notify(f"going on from {folder}: {done:,} of {patients:,} patients are there")
    for first, last in list(_missing(held, patients, size)):
        done = sum(block.last - block.first for block in held)
        data = _simulate(study, first, last, done, threads, progress)
        held.append(_write(folder, data, first, last, identity))
    data = gather(study, sorted(held, key=lambda block: block.first))
    check_failures(data)
    return data


def simulated_blocks(
    study: Study, size: int, threads: int = 1, progress: Progress | None = None
) -> Iterator[TrialData]:
    """Every patient of a trial in blocks of ``size``, one after another; nothing is kept."""
    for first, last in cut(0, study.population.patients, size):
        yield _simulate(study, first, last, first, threads, progress)


def _simulate(study: Study, first: int, last: int, done: int, threads: int, progress: Progress | None) -> TrialData:
    """Patients ``first`` to ``last``, when ``done`` are finished; progress counts courses of the whole trial."""
    courses = len(study.arms) if study.design.allocation == "twins" else 1
    due, total = courses * (last - first), courses * study.population.patients

    def tell(count: int, of: int) -> None:
        # those who change arms are simulated twice
        assert progress is not None
        progress(courses * done + (due * count) // max(of, 1), total)

    numbers = np.arange(first, last, dtype=np.int64)
    return simulate_patients(study, numbers, threads, progress=tell if progress is not None else None)


def _missing(held: Sequence[Block], patients: int, size: int) -> Iterator[tuple[int, int]]:
    """Blocks still to be simulated."""
    at = 0
    for block in sorted(held, key=lambda block: block.first):
        yield from cut(at, block.first, size)
        at = block.last
    yield from cut(at, patients, size)


def _held(folder: Path, patients: int, identity: str, notify: Callable[[str], None] | None) -> list[Block]:
    """Whole blocks of this run; damaged ones, and those that overlap, are deleted and done again."""
    found: list[Block] = []
    at = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            places, header = open_checkpoint(path)
        except ResultError as error:
            if notify is not None:
                notify(f"{path.name} {error.rule}: its patients are simulated again")
            path.unlink()
            continue
        if header.get("identity") != identity:
            rule = "holds patients of another scenario, or of another version of tumorsim"
            advice = f"Delete the folder {folder.name}, or give the result another name with --out"
            raise ResultError(folder, "file", rule, advice)
        first, last = int(header["first"]), int(header["last"])
        if first < at or last > patients:
            path.unlink()
            continue
        found.append(Block(first, last, path, places))
        at = last
    return found


def _write(folder: Path, data: TrialData, first: int, last: int, identity: str) -> Block:
    path = folder / f"{first:010d}-{last:010d}{SUFFIX}"
    header = {"identity": identity, "first": first, "last": last}
    write_checkpoint(path, {**data.arrays, "axis trace": data.trace, "axis time": data.time}, header)
    return Block(first, last, path, open_checkpoint(path)[0])


def gather(study: Study, blocks: Sequence[Block]) -> TrialData:
    """The trial whose patients lie in these blocks, which follow one another; what visits measured stays there."""
    arrays: dict[str, Any] = {}
    for variable in VARIABLES:
        places = [block.places[variable.name] for block in blocks]
        if variable.dims == VISIT:
            arms, _, *rest = places[0].shape
            shape = (arms, blocks[-1].last, *rest)
            arrays[variable.name] = RowArray(shape, variable.dtype, _Reader(variable.name, tuple(blocks)))
        else:
            arrays[variable.name] = np.concatenate(
                [place.read() for place in places], axis=AXIS if variable.dims in (EACH, TRACE) else 0
            )
    return TrialData(
        arms=tuple(arm.name for arm in study.arms),
        labels=tuple(arm.title for arm in study.arms),
        arrays=arrays,
        patient=np.arange(blocks[-1].last, dtype=np.int64),
        trace=np.concatenate([block.places["axis trace"].read() for block in blocks]),
        time=blocks[0].places["axis time"].read(),
        setting=study.population.setting,
        allocation=study.design.allocation,
    )


@dataclass(frozen=True)
class _Reader:
    """Patients of one array, from the blocks that hold them."""

    name: str
    blocks: tuple[Block, ...] = field(repr=False)

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        parts = [
            block.places[self.name].read()[:, max(start - block.first, 0) : max(stop - block.first, 0)]
            for block in self.blocks
            if block.first < stop and start < block.last
        ]
        if not parts:
            return self.blocks[0].places[self.name].read()[:, :0]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=AXIS)
