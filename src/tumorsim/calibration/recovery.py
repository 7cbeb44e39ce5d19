"""Are the intervals right? Simulation-based calibration on studies whose parameters are known.

Parameters are drawn from the prior and a study is simulated for each: the bank. Some of
these studies then take the place of the published one. Each gets a posterior from the
rest of the bank (the nearest studies, with the same distance and the same regression
adjustment as the posterior proper), and one sees whether the intervals contain the
parameters it was made with as often as they claim.

Sources: docs/theory/posterior.md; Talts et al. 2018 arXiv:1804.06788; Prangle et al.
2014 Aust N Z J Stat 56:309.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.calibration.adjustment import (
    LEVEL,
    Adjusted,
    Description,
    adjust,
    describe,
    normalised,
    weighted_covariance,
    weighted_quantiles,
)
from tumorsim.calibration.simulator import (
    FloatArray,
    Record,
    Recorded,
    Simulated,
    Simulator,
    Studies,
    distances,
    study_seed,
    weakening,
)
from tumorsim.executor import Executor
from tumorsim.statistics.proportions import proportion

Adjuster = Callable[[FloatArray, FloatArray, FloatArray, FloatArray, float], Adjusted]
Progress = Callable[[int, int], None]

_BANK = 1  # first words of the keys of random draws
_RANKS = 2
_LEAST_EXPECTED = 10  # ranks expected in a bin of the chi-squared test
_BINS = (20, 10, 5, 4, 2)


class RecoveryError(RuntimeError):
    """Too few studies to say anything; the message says how many there are."""


@dataclass(frozen=True)
class Settings:
    """How recovery is checked.

    Attributes
    ----------
    simulations
        Studies in the bank.
    datasets
        Studies of the bank that take the place of the published one.
    share
        Share of the bank, the nearest, that makes up a posterior.
    near
        Datasets are drawn from this share of the bank, the nearest to the published study; 1 is the whole prior.
    draws
        Posterior draws among which the truth is ranked.
    seed
        Seed of the calibration.
    level
        Of the intervals.
    """

    simulations: int = 2_000
    datasets: int = 200
    share: float = 0.1
    near: float = 1.0
    draws: int = 99
    seed: int = 1
    level: float = LEVEL


@dataclass(frozen=True)
class Bank:
    """Studies simulated from the prior.

    Attributes
    ----------
    latent : (n, d)
        Parameters of those studies that can be read.
    summaries : (n, t)
        Their figures.
    weakening : (n, figures with weight)
        What makes figures of lower weight worth less; `simulator.weakening`.
    unread
        Studies in which a figure with weight is undefined.
    failures
        Messages of studies that failed.
    """

    latent: FloatArray
    summaries: FloatArray
    weakening: FloatArray
    unread: int
    failures: list[str]


@dataclass(frozen=True)
class Recovered:
    """Recovery of one parameter.

    Attributes
    ----------
    name
        Of the parameter.
    coverage, coverage_ci
        Share of datasets whose interval contained the truth, with its exact 95 % interval.
    ranks : (datasets,)
        Rank of the truth among the posterior draws, 0 to ``draws``.
    rank_p, rank_ks_p
        P value of uniform ranks: chi-squared over bins, Kolmogorov-Smirnov.
    shrinkage
        Mean over the datasets of 1 - sd.
    bias
        Mean over the datasets of posterior mean - truth, in prior standard deviations.
    """

    name: str
    coverage: float
    coverage_ci: tuple[float, float]
    ranks: NDArray[np.int64]
    rank_p: float
    rank_ks_p: float
    shrinkage: float
    bias: float


@dataclass(frozen=True)
class Recovery:
    """Outcome of simulation-based calibration.

    Attributes
    ----------
    parameters
        One entry a parameter.
    datasets
        Number of datasets.
    settings
        How it was done.
    bank
        What it was done with.
    sample, posterior
        Posterior of the published study from the same bank: a check of the sequential one.
    unadjusted
        Datasets whose posterior got no regression adjustment.
    """

    parameters: list[Recovered]
    datasets: int
    settings: Settings
    bank: Bank
    sample: Adjusted
    posterior: Description
    unadjusted: int

    def as_json(self) -> dict[str, Any]:
        """The block ``recovery`` of outcome.json; the cross-check is in latent space."""
        s = self.settings
        where = "the prior" if s.near >= 1.0 else f"the {s.near:.0%} of prior studies nearest to the published one"
        return {
            "method": f"simulation-based calibration: studies from {where}, nearest {s.share:.0%} of "
            f"{len(self.bank.latent)} others, local linear regression adjustment",
            "datasets": self.datasets,
            "level": s.level,
            "simulations": s.simulations,
            "unread": self.bank.unread,
            "failed": len(self.bank.failures),
            "unadjusted": self.unadjusted,
            "draws": s.draws,
            "parameters": [
                {
                    "name": p.name,
                    "coverage": p.coverage,
                    "coverage_ci": list(p.coverage_ci),
                    "rank_p": p.rank_p,
                    "rank_ks_p": p.rank_ks_p,
                    "ranks": p.ranks.tolist(),
                    "shrinkage": p.shrinkage,
                    "bias": p.bias,
                }
                for p in self.parameters
            ],
            "cross_check": {
                "median": self.posterior.median.tolist(),
                "interval": self.posterior.interval.tolist(),
                "sd": self.posterior.sd.tolist(),
                "reason": self.sample.reason,
                "reach": self.sample.reach,
            },
        }


def simulate_bank(
    simulator: Simulator,
    settings: Settings,
    executor: Executor,
    *,
    recorded: Recorded | None = None,
    record: Record | None = None,
    progress: Progress | None = None,
) -> Bank:
    """Simulate studies from the prior; each is recorded when it is there, so that a kill loses only those under way.

    Parameters
    ----------
    simulator
        What simulates studies.
    settings
        Number and seed.
    executor
        Where studies are simulated.
    recorded
        Asked before each simulation with stage, index and latent parameters; gives known figures, or None.
    record
        Told of each simulated study.
    progress
        Told (done, of).
    """
    total = settings.simulations
    latent = np.stack([prior_draw(settings.seed, i, len(simulator.names)) for i in range(total)])
    known = [None if recorded is None else recorded("recovery", i, latent[i]) for i in range(total)]
    missing = [i for i in range(total) if known[i] is None]
    summaries = np.array([np.full(simulator.observed.shape, np.nan) if k is None else k for k in known])
    failures: list[str] = []
    tasks = ((latent[i], None) for i in missing)
    for done, outcome in enumerate(executor.run(Studies.of(simulator, settings.seed), tasks), 1):
        i = missing[outcome.index]
        if outcome.value is not None:
            summaries[i] = outcome.value
        if outcome.failure is not None:
            failures.append(outcome.failure)
        if record is not None:
            record(Simulated("recovery", i, latent[i], outcome.value, _far(simulator, summaries[i]), outcome.failure))
        if progress is not None:
            progress(total - len(missing) + done, total)
    readable = np.isfinite(summaries[:, simulator.weights > 0]).all(axis=1)
    unread = int((~readable).sum()) - len(failures)
    noise = weakening(latent[readable], simulator.weights)
    return Bank(latent[readable], summaries[readable], noise, unread, failures)


def prior_draw(seed: int, index: int, dimensions: int) -> FloatArray:
    """Latent parameters of one study of the bank, standard normal, keyed by its number. Shape (d,)."""
    return np.random.default_rng((_BANK, study_seed(seed, np.array([float(index)])))).standard_normal(dimensions)


def bank_posterior(
    simulator: Simulator, bank: Bank, share: float, place: int | None = None, adjuster: Adjuster = adjust
) -> Adjusted:
    """Posterior from the nearest share of the bank.

    Parameters
    ----------
    simulator
        Gives the observed figures, scales and weights.
    bank
        Studies from the prior.
    share
        Share of the bank that counts.
    place
        The study of the bank that is taken for the observed one, and then left out of the bank; None for
        the published study.
    adjuster
        Regression adjustment.
    """
    observed = simulator.observed if place is None else bank.summaries[place]
    far = distances(bank.summaries, observed, simulator.scale, simulator.weights)
    if place is not None:
        far[place] = np.inf
    nearest = np.argsort(far, kind="stable")[: max(2, round(share * len(far)))]
    used = simulator.weights > 0
    shifts = (bank.summaries[nearest][:, used] - observed[used]) / simulator.scale[used] + bank.weakening[nearest]
    if place is not None:
        shifts -= bank.weakening[place]
    return adjuster(bank.latent[nearest], shifts, far[nearest], np.ones(len(nearest)), float(far[nearest].max()))


def recover(simulator: Simulator, bank: Bank, settings: Settings, adjuster: Adjuster = adjust) -> Recovery:
    """Check intervals and ranks on studies whose parameters are known (eq. Z7).

    Parameters
    ----------
    simulator
        Gives observed figures, scale and weights.
    bank
        From `simulate_bank`.
    settings
        How many datasets, and of what kind.
    adjuster
        Regression adjustment.

    Raises
    ------
    RecoveryError
        Fewer than twenty studies can be read.
    """
    if len(bank.latent) < 20:
        first = f", the first failure being: {bank.failures[0]}" if bank.failures else ""
        raise RecoveryError(f"only {len(bank.latent)} of {settings.simulations} simulated studies can be read{first}")
    chosen = _datasets(simulator, bank, settings)
    tail = 0.5 * (1.0 - settings.level)
    inside, ranks, sds, bias, unadjusted = [], [], [], [], 0
    for place in chosen:
        truth = bank.latent[place]
        sample = bank_posterior(simulator, bank, settings.share, int(place), adjuster)
        unadjusted += sample.reason is not None
        low, high = weighted_quantiles(sample.latent, sample.weights, (tail, 1.0 - tail)).T
        inside.append((low <= truth) & (truth <= high))
        ranks.append(_ranks(sample, truth, settings, int(place)))
        sds.append(np.sqrt(np.diag(weighted_covariance(sample.latent, sample.weights))))
        bias.append(normalised(sample.weights) @ sample.latent - truth)
    parameters = [
        _recovered(name, np.array(inside)[:, k], np.array(ranks)[:, k], settings.draws, sds, bias, k)
        for k, name in enumerate(simulator.names)
    ]
    sample = bank_posterior(simulator, bank, settings.share, adjuster=adjuster)
    found = describe(sample.latent, sample.weights, settings.level)
    return Recovery(parameters, len(chosen), settings, bank, sample, found, unadjusted)


def _far(simulator: Simulator, summaries: FloatArray) -> float:
    return float(distances(summaries, simulator.observed, simulator.scale, simulator.weights)[0])


def _datasets(simulator: Simulator, bank: Bank, settings: Settings) -> NDArray[np.int64]:
    """Places in the bank of the studies that play the published one.

    Choosing them by their figures is no cheating: a right posterior covers given any figures.
    """
    places = np.arange(len(bank.latent))
    if settings.near < 1.0:
        far = distances(bank.summaries, simulator.observed, simulator.scale, simulator.weights)
        places = np.sort(np.argsort(far, kind="stable")[: max(settings.datasets, round(settings.near * len(far)))])
    return np.asarray(places[: settings.datasets], dtype=np.int64)


def _ranks(sample: Adjusted, truth: FloatArray, settings: Settings, place: int) -> NDArray[np.int64]:
    """Rank of the truth among independent posterior draws, for each parameter."""
    generator = np.random.default_rng((_RANKS, study_seed(settings.seed, np.array([float(place)]))))
    drawn = generator.choice(len(sample.latent), size=settings.draws, p=normalised(sample.weights))
    return np.asarray((sample.latent[drawn] < truth).sum(axis=0), dtype=np.int64)


def _recovered(
    name: str, inside: NDArray[np.bool_], ranks: NDArray[np.int64], draws: int,
    sds: list[FloatArray], bias: list[FloatArray], k: int,
) -> Recovered:  # fmt: skip
    covered = proportion(int(inside.sum()), len(inside), 0.95)
    chi, ks = rank_tests(ranks, draws)
    return Recovered(
        name=name,
        coverage=float(inside.mean()),
        coverage_ci=(covered.ci[0] or 0.0, 1.0 if covered.ci[1] is None else covered.ci[1]),
        ranks=ranks,
        rank_p=chi,
        rank_ks_p=ks,
        shrinkage=float(1.0 - np.mean(sds, axis=0)[k]),
        bias=float(np.mean(bias, axis=0)[k]),
    )


def rank_tests(ranks: NDArray[np.int64], draws: int) -> tuple[float, float]:
    """P values of ranks being uniform on 0..draws: chi-squared over bins of equal width, Kolmogorov-Smirnov.

    Parameters
    ----------
    ranks : (n,)
        Ranks of the truth.
    draws
        Posterior draws among which each was ranked.
    """
    from scipy import stats

    bins = next(
        (b for b in _BINS if (draws + 1) % b == 0 and len(ranks) / b >= _LEAST_EXPECTED), 1 if (draws + 1) % 2 else 2
    )
    counts = np.bincount(ranks * bins // (draws + 1), minlength=bins)
    spread = (ranks + 0.5) / (draws + 1)
    return float(stats.chisquare(counts).pvalue), float(stats.kstest(spread, "uniform").pvalue)
