"""One run of a sweep, and a batch of them, wherever they are sent."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from tumorsim.provenance import DECIDING, machine
from tumorsim.spatial_scenario import SpatialScenario
from tumorsim.sweep.base import Base, Output
from tumorsim.sweep.outputs import of_lattice, of_trial
from tumorsim.yamlio import ScenarioError

TRIES = 2
MAX_MESSAGE = 1000


@dataclass(frozen=True)
class Asked:
    """One run to be done.

    Attributes
    ----------
    number
        Of the run: point times replicates plus replicate.
    settings
        ``key=value`` of its point.
    seed
        Of its replicate.
    """

    number: int
    settings: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Row:
    """What came of one run.

    Attributes
    ----------
    number
        Of the run.
    values
        Every output; empty if it failed.
    failure
        Why there is nothing; empty if there is.
    remark
        What was wrong with some of its patients; empty if nothing was.
    """

    number: int
    values: tuple[float, ...]
    failure: str = ""
    remark: str = ""


class WorkerError(RuntimeError):
    """A worker that cannot do the runs of this sweep."""


@dataclass(frozen=True)
class Runs:
    """The task of a worker: a batch of runs.

    Attributes
    ----------
    payload
        Scenario and outputs, pickled; each worker unpickles them once and keeps them.
    surroundings
        Software and CPU here, pickled; compared first, since other versions may not be able to read the payload.
    """

    payload: bytes
    surroundings: bytes

    @classmethod
    def of(cls, base: Base, outputs: Sequence[Output]) -> Self:
        """Task for a sweep."""
        return cls(pickle.dumps((base, tuple(outputs))), pickle.dumps(surroundings()))

    def __call__(self, batch: Sequence[Asked]) -> list[Row]:
        """What came of each run of a batch; a run that breaks is tried twice, and then says why."""
        base, outputs = _held(self.payload, self.surroundings)
        return [_one(base, outputs, asked) for asked in batch]


def surroundings() -> dict[str, Any]:
    """All outside a sweep that can change a bit of its numbers."""
    found = machine()
    return {name: found.get(name) for name in DECIDING}


@lru_cache(maxsize=4)
def _held(payload: bytes, theirs: bytes) -> tuple[Base, tuple[Output, ...]]:
    ours = surroundings()
    for name, value in pickle.loads(theirs).items():  # from this program's own parent process, as is the rest
        if ours.get(name) != value:
            raise WorkerError(f"this worker has {name} {ours.get(name)}, the sweep runs with {value}: {_advice(name)}")
    base, outputs = pickle.loads(payload)
    return base, outputs


def _advice(name: str) -> str:
    if name == "cpu_class":
        return "bits are equal within one class of CPU, so start the sweep, and every worker, on machines of one class"
    return "install the same on every machine"


def _one(base: Base, outputs: Sequence[Output], asked: Asked) -> Row:
    for attempt in range(1, TRIES + 1):
        try:
            return _run(base, outputs, asked)
        except ScenarioError as error:  # values that do not go together will not do so a moment later
            return failed(asked.number, error)
        except Exception as error:
            if attempt == TRIES:
                return failed(asked.number, error)
    raise AssertionError


def failed(number: int, error: Exception) -> Row:
    """The row of a run that failed; its message is never empty, since that would stand for success."""
    text = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return Row(number, (), text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 4] + " ...")


def _run(base: Base, outputs: Sequence[Output], asked: Asked) -> Row:
    study = base.at(asked.settings, asked.seed)
    if isinstance(study, SpatialScenario):
        from tumorsim.experiment import run_experiment
        from tumorsim.spatial_api import experiment_of

        lattice = run_experiment(experiment_of(study), threads=1)
        return Row(asked.number, tuple(of_lattice(lattice, outputs)))
    from tumorsim.trial import failures_text, run_trial
    from tumorsim.trial_api import study_of

    data = run_trial(study_of(study), threads=1)
    return Row(asked.number, tuple(of_trial(data, outputs, study.seed)), remark=failures_text(data))


def warm_up(base: Base, threads: int = 1) -> None:
    """Compile the kernels, or load them, before workers start: each of them would compile the same."""
    study = base.study
    if isinstance(study, SpatialScenario):
        from tumorsim.experiment import warm_up as warm
        from tumorsim.spatial_api import experiment_of

        warm(experiment_of(study), threads)
    else:
        from tumorsim.trial import warm_up as warm_trial
        from tumorsim.trial_api import study_of

        warm_trial(study_of(study), threads)


def identity_of(parts: Sequence[Any]) -> str:
    """SHA-256 of what decides the numbers of a sweep: its meaning, and all else that can change a bit."""
    from tumorsim.study import canonical_json

    return hashlib.sha256(canonical_json([*parts, list(surroundings().values())]).encode()).hexdigest()
