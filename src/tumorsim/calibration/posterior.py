"""The posterior: approximate Bayesian computation by sequential Monte Carlo, then regression adjustment.

Every study is simulated at its published size, so the sampling error of the published
figures is inside the simulator and the distance asks only how near a simulated study
comes to the published one. Source: docs/theory/posterior.md.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim.calibration.adjustment import LEVEL, Adjusted, Description, adjust, describe
from tumorsim.calibration.simulator import FloatArray, Record, Recorded, Simulator, weakening
from tumorsim.executor import Executor
from tumorsim.extras import need

DATABASE = "posterior.db"
_NARROWING = 0.6  # how much rarer acceptance usually becomes from one population to the next; for the ETA alone


class PosteriorError(RuntimeError):
    """No posterior could be sampled; the message says why and what to do."""


@dataclass(frozen=True)
class Settings:
    """How the posterior is sampled and when sampling ends, whichever comes first.

    Attributes
    ----------
    population
        Particles in each population.
    populations
        Most populations; the first is drawn from the prior.
    quantile
        The tolerance of a population is this quantile of the distances of the one before.
    acceptance
        Least share of simulated studies that must be accepted.
    simulations
        Most simulated studies.
    distance
        Tolerance that is good enough.
    local
        Propose with a covariance of each particle's neighbours instead of one for all.
    seed
        Seed of the calibration.
    level
        Of the intervals.
    """

    population: int = 300
    populations: int = 8
    quantile: float = 0.5
    acceptance: float = 0.05
    simulations: int = 5_000
    distance: float = 0.0
    local: bool = False
    seed: int = 1
    level: float = LEVEL


@dataclass(frozen=True)
class Progress:
    """Where sampling stands.

    Attributes
    ----------
    population, populations
        Number of the population under way, from 1, and the most there may be.
    epsilon
        Its tolerance; None for the first, which takes every study that can be read.
    accepted, wanted
        Particles of this population.
    acceptance
        Share accepted in this population.
    simulations, expected
        Studies simulated so far, and by the end if acceptance goes on falling as it usually does.
    eta
        Seconds that are left on the same assumption.
    """

    population: int
    populations: int
    epsilon: float | None
    accepted: int
    wanted: int
    acceptance: float
    simulations: int
    expected: int
    eta: float


@dataclass(frozen=True)
class Posterior:
    """A posterior in latent space, where the prior is standard normal.

    Attributes
    ----------
    names
        Free parameters.
    particles, weights, distances, summaries
        Last population: (n, d), (n,), (n,), (n, t).
    adjusted, adjusted_weights
        After regression adjustment: (n, d), (n,).
    reason
        Why there was no adjustment; None when there was.
    reach
        How far towards the reported figures it went: less than 1 if they lie outside of what accepted studies show.
    populations
        Tolerance, evaluations and share accepted of each.
    raw, fitted
        Description before and after adjustment; ``fitted`` is what to report.
    failures
        (population, message) of studies that failed in this run.
    """

    names: tuple[str, ...]
    particles: FloatArray
    weights: FloatArray
    distances: FloatArray
    summaries: FloatArray
    adjusted: FloatArray
    adjusted_weights: FloatArray
    reason: str | None
    reach: float
    populations: list[dict[str, Any]]
    raw: Description
    fitted: Description
    failures: list[tuple[int, str]]

    def as_json(self) -> dict[str, Any]:
        """The block ``posterior`` of outcome.json, parameters in latent space and in the order of ``names``."""
        fitted = self.fitted
        adjustment = "local linear regression adjustment" if self.reason is None else f"no adjustment, {self.reason}"
        if self.reach < 1.0:
            adjustment += f", {self.reach:.0%} of the way to figures that accepted studies do not reach"
        return {
            "method": f"ABC-SMC (pyABC), {adjustment}",
            "distance": "weighted root mean square of (simulated - reported) / sampling sd",
            "particles": self.particles.tolist(),
            "weights": self.weights.tolist(),
            "distances": self.distances.tolist(),
            "populations": self.populations,
            "adjusted": self.adjusted.tolist(),
            "adjusted_weights": self.adjusted_weights.tolist(),
            "adjustment": {
                "reason": self.reason,
                "reach": self.reach,
                "median": [self.raw.median.tolist(), fitted.median.tolist()],
                "sd": [self.raw.sd.tolist(), fitted.sd.tolist()],
                "effective": [self.raw.effective, fitted.effective],
            },
            "shrinkage": fitted.shrinkage.tolist(),
            "correlation": fitted.correlation.tolist(),
            "directions": [
                {"shrinkage": float(s), "weights": dict(zip(self.names, row.tolist(), strict=True))}
                for s, row in zip(fitted.direction_shrinkage, fitted.directions, strict=True)
            ],
            "summaries": [[x if math.isfinite(x) else None for x in row] for row in self.summaries.tolist()],
        }


def sample_posterior(
    simulator: Simulator,
    settings: Settings,
    folder: Path,
    executor: Executor,
    *,
    identity: str = "",
    recorded: Recorded | None = None,
    record: Record | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Posterior:
    """Sample the posterior, going on from the last complete population in ``folder``.

    The result is the same whatever ran where and in which order; see `smc`.

    Parameters
    ----------
    simulator
        What simulates studies.
    settings
        How to sample and when to stop.
    folder
        Gets ``posterior.db``; nothing is written elsewhere.
    executor
        Where studies are simulated.
    identity
        Digest of what else decides the studies (calibration, scenarios, versions).
    recorded
        Asked before each simulation with stage, index and latent parameters; gives the figures of a
        study simulated before, or None.
    record
        Told of each simulated study at once.
    progress
        Told after each judged study.

    Raises
    ------
    MissingLibraryError
        pyABC is not installed.
    PosteriorError
        Too few studies can be read, or the database belongs to another configuration.
    ExecutorError
        Workers die again and again, or the cluster is lost.
    """
    need("pyabc")
    from tumorsim.calibration import smc

    if "?" in str(folder.resolve()):
        raise PosteriorError(f'{folder}: the path of the database must not contain "?"; choose another folder')
    limits = smc.Limits(settings.simulations, settings.acceptance)
    watch = smc.Watch(recorded, record, None if progress is None else _Eta(settings, progress))
    scheme = smc.Scheme(settings.population, settings.populations, settings.quantile, settings.local, settings.distance)
    try:
        chain = smc.Chain(folder / DATABASE, _identity(simulator, settings, identity))
    except smc.ForeignDatabaseError as error:
        raise PosteriorError(str(error)) from None
    history = chain.sample(scheme, smc.OrderedSampler(executor, simulator, settings.seed, limits, watch))
    if history.n_populations == 0:
        raise PosteriorError(_nothing(settings, watch.failures))
    particles = smc.last_population(history, len(simulator.names))
    return summarise(simulator, *particles, chain.table(history), watch.failures, settings.level)


def summarise(
    simulator: Simulator,
    latent: FloatArray,
    weights: FloatArray,
    far: FloatArray,
    summaries: FloatArray,
    populations: list[dict[str, Any]],
    failures: list[tuple[int, str]],
    level: float = LEVEL,
) -> Posterior:
    """Adjust and describe a population (eqs Z4-Z6)."""
    adjusted = adjusted_sample(simulator, simulator.observed, latent, weights, far, summaries)
    return Posterior(
        simulator.names, latent, weights, far, summaries,
        adjusted.latent, adjusted.weights, adjusted.reason, adjusted.reach,
        populations, describe(latent, weights, level), describe(adjusted.latent, adjusted.weights, level), failures,
    )  # fmt: skip


def adjusted_sample(
    simulator: Simulator,
    observed: FloatArray,
    latent: FloatArray,
    weights: FloatArray,
    far: FloatArray,
    summaries: FloatArray,
) -> Adjusted:
    """Regression on those figures that have weight, in units of their sampling error."""
    used = simulator.weights > 0
    shifts = (summaries[:, used] - observed[used]) / simulator.scale[used]
    return adjust(latent, shifts + weakening(latent, simulator.weights), far, weights)


class _Eta:
    """Turns what the sampler tells into `Progress`."""

    def __init__(self, settings: Settings, progress: Callable[[Progress], None]) -> None:
        self.settings, self.progress = settings, progress
        self.began = time.monotonic()
        self.here = 0

    def __call__(self, t: int, epsilon: float, accepted: int, judged: int, simulations: int) -> None:
        self.here += 1
        s = self.settings
        least = max(s.acceptance, 1e-3)
        rate = max(accepted / judged, least)
        left = (s.population - accepted) / rate
        for _ in range(t + 1, s.populations):
            rate *= s.quantile if t == 0 else _NARROWING
            if rate < least:
                break
            left += s.population / rate
        left = min(left, s.simulations - simulations)
        self.progress(
            Progress(
                population=t + 1,
                populations=s.populations,
                epsilon=epsilon if epsilon < 1e300 else None,
                accepted=accepted,
                wanted=s.population,
                acceptance=accepted / judged,
                simulations=simulations,
                expected=simulations + round(left),
                eta=left * (time.monotonic() - self.began) / self.here,
            )
        )


def _identity(simulator: Simulator, settings: Settings, identity: str) -> str:
    """Digest of all that decides the populations, apart from when to stop."""
    kept = {k: v for k, v in asdict(settings).items() if k in ("population", "quantile", "local", "seed")}
    digest = hashlib.sha256(repr((identity, simulator.names, sorted(kept.items()))).encode())
    for array in (simulator.observed, simulator.scale, simulator.weights):
        digest.update(np.ascontiguousarray(array, dtype=float).tobytes())
    return digest.hexdigest()


def _nothing(settings: Settings, failures: list[tuple[int, str]]) -> str:
    if failures:
        return f"no population could be filled: {len(failures)} studies failed, the first with: {failures[0][1]}"
    return (
        f"no population of {settings.population} could be filled; allow more simulations than {settings.simulations}, "
        "or look for figures with weight that simulated studies leave undefined"
    )
