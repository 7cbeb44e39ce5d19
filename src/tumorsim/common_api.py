"""What running and opening have in common, of a trial and of a spatial study."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tumorsim.study import Study

if TYPE_CHECKING:
    from tumorsim.store import Stored

Progress = Callable[[int, int], None]
Notify = Callable[[str], None]
PARTIAL = ".partial"  # folder of work half done, beside the result and named after it
D = TypeVar("D")
S = TypeVar("S", bound=Study)


@dataclass(frozen=True)
class OpenedResult(Generic[D]):
    """A stored run of any kind.

    Attributes
    ----------
    stored
        What the file holds (`tumorsim.store.Stored`).
    """

    stored: Stored[D] = field(repr=False)

    @property
    def path(self) -> Path:
        """The file."""
        return self.stored.path

    @property
    def data(self) -> D:
        """Every array, by its declared name: ``result.data["death_time"]``."""
        return self.stored.data

    @property
    def digest(self) -> str:
        """SHA-256 of the data: equal digests are equal bits."""
        return self.stored.digest

    @property
    def as_dict(self) -> dict[str, Any]:
        """The summary as one JSON-able mapping (what ``tumorsim run --json`` prints); times of a trial in months."""
        return self.stored.summary


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def as_scenario(
    source: str | Path | S, kind: type[S], load: Callable[..., S], overrides: Sequence[str], **numbers: int | None
) -> S:
    """A loaded scenario as it is, or that of a file with its changes.

    Parameters
    ----------
    source
        Path of a scenario file, or a scenario.
    kind, load
        Class of the scenario, and what reads it from a file.
    overrides, **numbers
        Changes, as ``load`` takes them.

    Raises
    ------
    ValueError
        Changes to a loaded scenario.
    """
    if not isinstance(source, kind):
        assert isinstance(source, str | Path)
        return load(source, overrides, **numbers)
    if overrides or any(number is not None for number in numbers.values()):
        names = ", ".join(numbers)
        raise ValueError(f"{names} and overrides change a file: give its path instead of a loaded scenario")
    return source


_TEMPORARY: list[tempfile.TemporaryDirectory[str]] = []


def target_of(out: str | Path | None, name: str, force: bool) -> Path:
    """Where the result goes, checked; without ``out`` a file that is removed when the process ends."""
    from tumorsim.store import check_target

    if out is not None:
        return check_target(Path(out), force)
    folder = tempfile.TemporaryDirectory(prefix="tumorsim-")
    _TEMPORARY.append(folder)
    return check_target(Path(folder.name) / f"{name}.h5", force)


def identity_of(scenario: Study) -> str:
    """What work half done must agree with to be gone on from: the scenario, and all else that can change a bit."""
    from tumorsim.provenance import DECIDING, machine

    found = machine()
    return hashlib.sha256(json.dumps([scenario.digest, *(found[name] for name in DECIDING)]).encode()).hexdigest()


def partial_folder(result: Path) -> Path:
    """Where the work of a run lies until its result is written."""
    return result.with_name(result.name + PARTIAL)


@contextmanager
def partial_work(result: Path | None, look: Callable[[Path], None] | None = None) -> Iterator[Path | None]:
    """Folder of work half done: gone once the result is there, and also if a run that ends early put nothing in.

    Parameters
    ----------
    result
        Where the result will be; None keeps nothing.
    look
        Called with the folder before anything is made.
    """
    if result is None:
        yield None
        return
    folder = partial_folder(result)
    if look is not None:
        look(folder)
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    except BaseException:
        for stray in folder.glob(".*.part"):  # of a process that was ended while it wrote
            stray.unlink(missing_ok=True)
        with suppress(OSError):  # the folder is not empty: there is something to go on from
            folder.rmdir()
        raise
    shutil.rmtree(folder)


def made_with(scenario: Study, threads: int, started: float) -> dict[str, Any]:
    """Provenance of a run that began at ``started`` on the clock of `time.perf_counter`."""
    from tumorsim import provenance

    inputs = {"scenario": scenario.source_text, "resolved": scenario.resolved_text}
    return provenance.collect(scenario.seed, threads, inputs, wall_time=time.perf_counter() - started)


def told_apart(held: Stored[Any], differing: Iterable[object]) -> list[str]:
    """What a replay differs in, and before it what versions and CPU differ in; nothing where all bits are equal."""
    from tumorsim import provenance

    lines = [str(found) for found in differing]
    return [*provenance.differences(held.provenance), *lines] if lines else []
