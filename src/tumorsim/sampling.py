"""Samples of the unit cube for sensitivity analysis, and the indices that outputs at them give.

Morris' elementary effects: Morris 1991 Technometrics 33:161; mean of their absolute values: Campolongo 2007 Environ
Model Softw 22:1509. Shares of variance: sample and first-order index of Saltelli 2010 Comput Phys Commun 181:259, total
index of Jansen 1999 Comput Phys Commun 117:35. Intervals: percentiles of the bootstrap (Efron 1979 Ann Stat 7:1) over
whole trajectories or base samples, which are what is independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.extras import need

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], Mapping[str, FloatArray]]
AT_ONCE = 2_000_000  # numbers of resamples that are held at a time


@dataclass(frozen=True)
class Index:
    """An index of every factor with its interval; NaN where it is not defined.

    Attributes
    ----------
    value, low, high
        Estimate, and the ends of its interval; (factor,).
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Resampling:
    """How intervals are made.

    Attributes
    ----------
    resamples
        Bootstrap samples.
    confidence
        Share of them between the ends.
    seed
        Of their draws.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0


def trajectories(count: int, number: int, levels: int, seed: int) -> FloatArray:
    """Morris' design: every trajectory moves one factor after another, each once.

    Parameters
    ----------
    count
        Factors.
    number
        Trajectories.
    levels
        Values of a factor, 0 to 1; even. A step is ``levels / (2 (levels - 1))``.
    seed
        Of the design.

    Returns
    -------
    array
        (number * (count + 1), count); the points of a trajectory follow each other.

    Raises
    ------
    MissingLibraryError
        SALib, of the extra ``calibrate``, is not installed.
    """
    sample: Any = need("SALib.sample.morris")
    problem = {"num_vars": count, "names": [str(k) for k in range(count)], "bounds": [[0.0, 1.0]] * count}
    return np.asarray(sample.sample(problem, number, num_levels=levels, seed=seed), dtype=np.float64)


def elementary_effects(unit: FloatArray, outputs: FloatArray) -> FloatArray:
    """Change of an output for a step, over the length of the step.

    Parameters
    ----------
    unit : (number * (factors + 1), factors)
        As `trajectories` gave it, or whole trajectories of it.
    outputs : (number * (factors + 1),)
        Without NaN.

    Returns
    -------
    array
        (number, factors), per whole range of the factor.
    """
    count = unit.shape[1]
    steps = np.diff(unit.reshape(-1, count + 1, count), axis=1)
    change = np.diff(outputs.reshape(-1, count + 1), axis=1)
    moved = np.abs(steps).argmax(axis=2)
    found = np.empty(moved.shape)
    rows = np.arange(len(moved))[:, None]
    found[rows, moved] = change / np.take_along_axis(steps, moved[..., None], axis=2)[..., 0]
    return found


def morris(effects: FloatArray, how: Resampling) -> dict[str, Index]:
    """``mu_star``, mean absolute effect; ``mu``, mean effect; ``sigma``, its standard deviation.

    Parameters
    ----------
    effects : (number, factors)
        As `elementary_effects` gave them; at least two.
    how
        Of the intervals.
    """
    return _with_intervals(effects, _of_effects, how)


def _of_effects(effects: FloatArray) -> dict[str, FloatArray]:
    return {
        "mu_star": np.abs(effects).mean(axis=-2),
        "mu": effects.mean(axis=-2),
        "sigma": effects.std(axis=-2, ddof=1),
    }


def saltelli(count: int, number: int, seed: int) -> FloatArray:
    """Saltelli's design on scrambled Sobol' points: A, then A with one factor after another from B, then B.

    Parameters
    ----------
    count
        Factors.
    number
        Base samples, a power of two.
    seed
        Of the scrambling.

    Returns
    -------
    array
        (number * (count + 2), count); the points of a base sample follow each other.
    """
    from scipy.stats import qmc

    both = qmc.Sobol(2 * count, rng=np.random.default_rng(seed)).random_base2(number.bit_length() - 1)
    first, second = both[:, None, :count], both[:, None, count:]
    mixed = np.where(np.eye(count, dtype=bool), second, first)
    return np.asarray(np.concatenate([first, mixed, second], axis=1).reshape(-1, count))


def sobol(outputs: FloatArray, how: Resampling) -> dict[str, Index]:
    """``S1``, share of the variance that a factor makes alone; ``ST``, with all that it takes part in.

    Parameters
    ----------
    outputs : (number, factors + 2)
        One row a base sample of `saltelli`; without NaN.
    how
        Of the intervals.
    """
    return _with_intervals(outputs, _of_variance, how)


def _of_variance(outputs: FloatArray) -> dict[str, FloatArray]:
    first, second = outputs[..., :1], outputs[..., -1:]
    ends = np.concatenate([first, second], axis=-2)
    # with the mean taken off the first-order estimate varies less, and has the same expectation
    mean, variance = ends.mean(axis=-2), ends.var(axis=-2)
    # an output that differs by rounding alone has no variance to share
    variance = np.where(variance > (1e-12 * mean) ** 2, variance, np.nan)
    mixed = outputs[..., 1:-1]
    return {
        "S1": ((second - mean[..., None, :]) * (mixed - first)).mean(axis=-2) / variance,
        "ST": 0.5 * ((first - mixed) ** 2).mean(axis=-2) / variance,
    }


def _with_intervals(rows: FloatArray, statistic: Statistic, how: Resampling) -> dict[str, Index]:
    """``statistic`` of the rows, and of rows drawn from them with replacement; it takes (..., row, column)."""
    found = statistic(rows)
    rng = np.random.default_rng(how.seed)
    share, at_once = 50.0 * (1.0 - how.confidence), max(1, AT_ONCE // rows.size)
    again: dict[str, list[FloatArray]] = {name: [] for name in found}
    for start in range(0, how.resamples, at_once):
        size = (min(at_once, how.resamples - start), len(rows))
        for name, values in statistic(rows[rng.integers(len(rows), size=size)]).items():
            again[name].append(values)
    made = {}
    for name, value in found.items():
        # a resample without any variance has no share of it
        drawn = np.concatenate(again[name])
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        low, high = (
            np.percentile(drawn, [share, 100.0 - share], axis=0)
            if len(drawn) and np.isfinite(value).all()
            else np.full((2, value.size), np.nan)
        )
        made[name] = Index(value, low, high)
    return made
