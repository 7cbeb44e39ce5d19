"""Propensity score, 1:1 matching within a caliper, and balance (docs/theory/observational.md, eqs A4-A6).

Nothing here is random: equal patients give equal pairs.

Sources: Rosenbaum & Rubin 1983 Biometrika 70:41; Austin 2011 Multivar Behav Res 46:399 (caliper of
0.2 standard deviations of the logit); Austin 2009 Stat Med 28:3083 (standardised differences).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorsim.endpoints.survival import BoolArray, FloatArray, IntArray

CALIPER = 0.2
MOST_CELLS = 2_000_000  # of one table of distances; larger cohorts are matched in runs of like scores
_ITERATIONS = 50  # of Newton's method; it needs about six, and goes on for ever when a covariate tells all apart


@dataclass(frozen=True)
class Balance:
    """One covariate in both arms before and after matching.

    Attributes
    ----------
    covariate
        Its name.
    before, after
        Standardised mean difference, arm minus reference (eq. A6); None where it has no spread.
    means_before, means_after
        Mean in the arm and in the reference.
    """

    covariate: str
    before: float | None
    after: float | None
    means_before: tuple[float, float]
    means_after: tuple[float, float]


def propensity_logit(covariates: FloatArray, treated: BoolArray) -> FloatArray | None:
    """Logit of the fitted probability of treatment (eq. A4). Shape (n,).

    Parameters
    ----------
    covariates
        Shape (n, p); columns without spread are left out.
    treated
        Shape (n,).

    Returns
    -------
    ndarray or None
        None when nobody, or everybody, is treated, or covariates tell the treated from the
        others, so that the likelihood has no maximum.
    """
    from statsmodels.discrete.discrete_model import Logit

    if treated.all() or not treated.any():
        return None
    spread = covariates.std(axis=0)
    used = covariates[:, spread > 0.0]
    scaled = (used - used.mean(axis=0)) / spread[spread > 0.0]
    design = np.column_stack([np.ones(treated.size), scaled])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fitted = Logit(treated.astype(float), design).fit(disp=0, maxiter=_ITERATIONS, warn_convergence=False)
        except np.linalg.LinAlgError:
            return None
    if not fitted.mle_retvals["converged"]:
        return None
    return np.asarray(design @ fitted.params, dtype=np.float64)


def match_pairs(score: FloatArray, treated: BoolArray, caliper: float = CALIPER) -> IntArray:
    """1:1 pairs without replacement: as many as the caliper allows, at the least total distance (eq. A5).

    Parameters
    ----------
    score
        Logit of the propensity score. Shape (n,).
    treated
        Shape (n,).
    caliper
        Widest pair in standard deviations of ``score`` (pooled over both groups).

    Returns
    -------
    ndarray of int64, shape (pairs, 2)
        Places of the treated and of his control, ascending by the treated. Tables beyond
        `MOST_CELLS` are cut into runs of neighbouring scores, each matched by itself.
    """
    ones, others = np.flatnonzero(treated), np.flatnonzero(~treated)
    width = caliper * _pooled_sd(score[ones], score[others])
    runs = max(1, int(np.ceil(np.sqrt(ones.size * others.size / MOST_CELLS))))
    place = np.empty(score.size, np.int64)
    place[np.lexsort((np.arange(score.size), score))] = np.arange(score.size)
    run = place * runs // max(score.size, 1)
    pairs = [_match_run(score, ones[run[ones] == k], others[run[others] == k], width) for k in range(runs)]
    found = np.concatenate(pairs)
    return found[np.argsort(found[:, 0], kind="stable")]


def _match_run(score: FloatArray, ones: IntArray, others: IntArray, width: float) -> IntArray:
    """Optimal pairs of one run: a pair outside the caliper costs more than all pairs inside together."""
    from scipy.optimize import linear_sum_assignment

    distance = np.abs(score[ones][:, None] - score[others][None, :])
    inside = distance <= width
    dear = (1.0 + min(distance.shape)) * (width if width > 0.0 else 1.0)
    rows, columns = linear_sum_assignment(np.where(inside, distance, dear))
    kept = inside[rows, columns]
    return np.stack([ones[rows[kept]], others[columns[kept]]], axis=1).astype(np.int64)


def _pooled_sd(one: FloatArray, other: FloatArray) -> float:
    """Root of the mean of both variances; 0 where a group is too small to have one."""
    if min(one.size, other.size) < 2:
        return 0.0
    return float(np.sqrt(0.5 * (one.var(ddof=1) + other.var(ddof=1))))


def standardised_difference(
    one: NDArray[np.floating], other: NDArray[np.floating], spread: float | None = None
) -> float | None:
    """Difference of means over the pooled standard deviation (eq. A6).

    Parameters
    ----------
    one, other
        A covariate in the arm and in the reference.
    spread
        Standard deviation to divide by instead, as after matching that of before.
    """
    sd = _pooled_sd(np.asarray(one, float), np.asarray(other, float)) if spread is None else spread
    return float((one.mean() - other.mean()) / sd) if sd > 0.0 and one.size and other.size else None


def balance(covariate: str, values: FloatArray, treated: BoolArray, pairs: IntArray) -> Balance:
    """Balance of one covariate; both differences are divided by the spread before matching.

    Parameters
    ----------
    values, treated
        Shape (n,).
    pairs
        From `match_pairs`.
    """
    one, other = values[treated], values[~treated]
    here, there = values[pairs[:, 0]], values[pairs[:, 1]]
    spread = _pooled_sd(one, other)
    return Balance(
        covariate,
        standardised_difference(one, other, spread),
        standardised_difference(here, there, spread),
        (_mean(one), _mean(other)),
        (_mean(here), _mean(there)),
    )


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else float("nan")
