"""What a posterior and its check need of a simulator, and how far a simulated study is from the published one.

Source: docs/theory/posterior.md.
"""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_WEAKENING = 3  # first word of the key of its draws


class Simulator(Protocol):
    """Simulates studies; picklable, cheap to pickle, building what it needs lazily where it runs."""

    @property
    def names(self) -> tuple[str, ...]:
        """Free parameters; their latent coordinates are standard normal a priori."""

    @property
    def observed(self) -> FloatArray:
        """Reported figures on the working scale, shape (t,)."""

    @property
    def scale(self) -> FloatArray:
        """Sampling standard deviation of each figure at the fitted point, shape (t,)."""

    @property
    def weights(self) -> FloatArray:
        """Weight of each figure in the distance, shape (t,); 0 is shown only."""

    def simulate(self, latent: FloatArray, seed: int, threads: int = 1) -> FloatArray:
        """One simulated study of the published size, shape (t,); NaN where a figure is undefined."""


@dataclass(frozen=True)
class Simulated:
    """One simulated study, as recorded.

    Attributes
    ----------
    stage
        ``posterior`` or ``recovery``.
    index
        Number within the stage.
    latent
        Latent parameters, shape (d,).
    summaries
        Figures on the working scale, shape (t,); None when the simulation failed.
    distance
        From the published figures (eq. Z2); infinite when a figure with weight is undefined.
    failure
        What went wrong, in words; None when nothing did.
    """

    stage: str
    index: int
    latent: FloatArray
    summaries: FloatArray | None
    distance: float
    failure: str | None = None


Record = Callable[[Simulated], None]
Recorded = Callable[[str, int, FloatArray], "FloatArray | None"]


def study_seed(seed: int, latent: FloatArray) -> int:
    """Seed of the study of one particle: the same parameters always give the same study.

    Parameters
    ----------
    seed
        Seed of the calibration.
    latent : (d,)
        Latent parameters; their bits are the key.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(latent, dtype=np.float64).tobytes(), digest_size=8)
    digest.update(int(seed).to_bytes(16, "little", signed=True))
    return int.from_bytes(digest.digest(), "little") >> 2  # below 2**62: fits every signed integer


def distances(summaries: FloatArray, observed: FloatArray, scale: FloatArray, weights: FloatArray) -> FloatArray:
    """Distances of simulated studies from observed figures (eq. Z2); infinite where one with weight is undefined.

    Parameters
    ----------
    summaries : (n, t)
        Figures of simulated studies.
    observed, scale, weights : (t,)
        Observed figures, their sampling standard deviations and weights.
    """
    used = weights > 0
    shifts = (np.atleast_2d(summaries)[:, used] - observed[used]) / scale[used]
    squares = np.where(np.isfinite(shifts), shifts, math.inf) ** 2
    return np.asarray(np.sqrt(squares @ weights[used] / weights[used].sum()))


def weakening(latent: FloatArray, weights: FloatArray) -> FloatArray:
    """Noise that makes figures of lower weight worth less to a regression, in units of their sampling sd (eq. Z4).

    A likelihood to the power w is, for a normal figure, that of a figure with sampling variance 1/w. The
    heaviest figures get none. Keyed by the parameters. Shape (n, t), for the figures with weight.

    Parameters
    ----------
    latent : (n, d)
        Latent parameters of the studies.
    weights : (t,)
        Of the figures.
    """
    kept = weights[weights > 0]
    spread = np.sqrt(kept.max() / kept - 1.0)
    noise = [np.random.default_rng((_WEAKENING, study_seed(0, row))).standard_normal(kept.size) for row in latent]
    return np.asarray(spread * np.array(noise).reshape(len(latent), kept.size))


@dataclass(frozen=True)
class Studies:
    """The task of a worker: simulate the study of one particle, or pass on a known one.

    Attributes
    ----------
    payload
        The simulator, pickled; each worker unpickles it once and keeps it.
    seed
        Seed of the calibration.
    """

    payload: bytes
    seed: int

    @classmethod
    def of(cls, simulator: Simulator, seed: int) -> Self:
        """Task for a simulator."""
        return cls(pickle.dumps(simulator), seed)

    def __call__(self, task: tuple[FloatArray, FloatArray | None]) -> FloatArray:
        """Figures of the study at the latent parameters of ``task``, unless its second member has them."""
        latent, known = task
        if known is not None:
            return known
        return _simulator(self.payload).simulate(latent, study_seed(self.seed, latent), threads=1)


@lru_cache(maxsize=4)
def _simulator(payload: bytes) -> Simulator:
    found: Simulator = pickle.loads(payload)  # from this program's own parent process
    return found
