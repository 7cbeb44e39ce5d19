"""What the stages of a calibration share: its objective, its log, and where people are told how it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim.calibration.config import Calibration
from tumorsim.calibration.log import Log
from tumorsim.calibration.objective import Evaluation, Measured, Objective
from tumorsim.calibration.simulator import FloatArray, Simulated
from tumorsim.journal import numbers, written

StageProgress = Callable[[str, int, int], None]
Notify = Callable[[str], None]
_ARRAYS = ("simulated", "sd", "low", "high")


@dataclass
class Work:
    """What the stages share.

    Attributes
    ----------
    made, objective, digest
        The calibration, its objective, and what identifies both.
    log
        Every simulation so far.
    folder
        Output folder.
    threads
        Kernel threads of an evaluation.
    cluster
        None, ``local:N`` or the address of a Dask scheduler, for the posterior and recovery.
    progress, notify
        Called with (stage, done, total) and with lines for people.
    """

    made: Calibration
    objective: Objective
    digest: str
    log: Log
    folder: Path
    threads: int
    cluster: str | None
    progress: StageProgress
    notify: Notify

    @property
    def patients(self) -> list[int]:
        """Virtual patients of each study in one evaluation of the search."""
        return [study.patients for study in self.made.studies]

    def evaluate(
        self, stage: str, index: int, latent: FloatArray, seed: int, patients: Sequence[int],
        objective: Objective | None = None,
    ) -> Evaluation:  # fmt: skip
        """One evaluation; what was simulated comes from the log if it is there."""
        objective, point = objective or self.objective, [float(z) for z in latent]
        held = self.log.get(stage, index, point)
        fresh = held is None or held["seed"] != seed or held["patients"] != list(patients)
        if held is None or fresh:
            found = objective.measure(np.array(point), seed, patients, self.threads)
            arrays = {name: written(getattr(found, name)) for name in _ARRAYS}
            line = {"latent": point, "seed": seed, "patients": list(patients), **arrays, "failure": found.failure}
            held = self.log.append(stage, index, line)
        made = objective.compared(np.array(point), measured(held))
        if fresh and made.failure:
            self.notify(f"{stage} {index}: recorded as failed, {made.failure}")
        return made

    def recorded(self, stage: str, index: int, latent: FloatArray) -> FloatArray | None:
        """Figures of a study of the published size that was simulated before."""
        held = self.log.get(stage, index, [float(z) for z in latent])
        return None if held is None or held["failure"] else np.array(numbers(held["working"]))

    def record(self, one: Simulated) -> None:
        """Log a study of the published size."""
        working = None if one.summaries is None else written(one.summaries)
        latent = [float(z) for z in one.latent]
        self.log.append(one.stage, one.index, {"latent": latent, "working": working, "failure": one.failure or ""})


def measured(line: Mapping[str, Any]) -> Measured:
    """What a line of the log says was simulated."""
    return Measured(**{name: np.array(numbers(line[name])) for name in _ARRAYS}, failure=line["failure"])
