"""What a weighted sample of latent parameters says: regression adjustment, quantiles, shrinkage, directions.

Plain numpy; every function is tested against a linear Gaussian toy whose posterior is
known. Source: docs/theory/posterior.md; Beaumont, Zhang & Balding 2002 Genetics 162:2025.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumorsim.calibration.simulator import FloatArray

LEVEL = 0.90
_REACH = 0.99  # share of the studies within which the observed figures must lie
_LEAST_PER_COEFFICIENT = 3.0  # effective particles, below which a regression would fit noise


@dataclass(frozen=True)
class Adjusted:
    """A sample after local linear regression.

    Attributes
    ----------
    latent : (n, d)
        Adjusted parameters; as they were where no adjustment was possible.
    weights : (n,)
        Their weights, sum 1.
    reason
        Why there was no adjustment; None when there was.
    reach
        How far towards the observed figures the adjustment went: 1 unless they lie outside of what the studies show.
    """

    latent: FloatArray
    weights: FloatArray
    reason: str | None = None
    reach: float = 1.0


@dataclass(frozen=True)
class Description:
    """Summary of a weighted sample in latent space, where the prior is standard normal.

    Attributes
    ----------
    mean, median, sd : (d,)
        Of each parameter.
    interval : (d, 2)
        Central interval.
    shrinkage : (d,)
        1 - sd (eq. Z6): 0 where the data said nothing, near 1 where they fixed the parameter.
    correlation : (d, d)
        Of the parameters.
    directions : (d, d)
        Unit vectors in rows, best known first; a narrow one that mixes parameters is a product that is known.
    direction_shrinkage : (d,)
        Of each direction.
    effective
        Effective number of particles, 1 / sum of squared weights.
    """

    mean: FloatArray
    median: FloatArray
    sd: FloatArray
    interval: FloatArray
    shrinkage: FloatArray
    correlation: FloatArray
    directions: FloatArray
    direction_shrinkage: FloatArray
    effective: float


def normalised(weights: FloatArray) -> FloatArray:
    """Weights with sum 1."""
    return np.asarray(weights / weights.sum())


def effective_size(weights: FloatArray) -> float:
    """Number of equally weighted particles that would be worth as much."""
    return float(1.0 / (normalised(weights) ** 2).sum())


def weighted_quantiles(values: FloatArray, weights: FloatArray, shares: Sequence[float]) -> FloatArray:
    """Quantiles of each column, between the middles of the steps of the weighted distribution.

    Parameters
    ----------
    values : (n, d)
        Sample.
    weights : (n,)
        Of the rows.
    shares
        Probabilities.

    Returns
    -------
    (d, len(shares))
    """
    out = np.empty((values.shape[1], len(shares)))
    for column in range(values.shape[1]):
        order = np.argsort(values[:, column], kind="stable")
        steps = normalised(weights)[order]
        out[column] = np.interp(shares, np.cumsum(steps) - 0.5 * steps, values[order, column])
    return out


def weighted_covariance(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Covariance of the columns, unbiased for independent weights. Shape (d, d)."""
    w = normalised(weights)
    centred = values - w @ values
    lost = float((w**2).sum())
    return np.asarray((centred * w[:, None]).T @ centred / max(1.0 - lost, 1e-12))


def epanechnikov(distances: FloatArray, bandwidth: float) -> FloatArray:
    """Weights falling from 1 at distance 0 to 0 at the bandwidth and beyond (eq. Z5)."""
    ratio = np.minimum(np.asarray(distances) / bandwidth, 1.0)
    return np.asarray(1.0 - ratio**2)


def adjust(
    latent: FloatArray, shifts: FloatArray, distances: FloatArray, weights: FloatArray, bandwidth: float | None = None
) -> Adjusted:
    """Move each particle to where it would lie had its study shown the observed figures (eq. Z4).

    Parameters
    ----------
    latent : (n, d)
        Latent parameters.
    shifts : (n, t)
        Simulated minus observed figures, in units of their sampling standard deviations.
    distances : (n,)
        Of the studies from the observed one.
    weights : (n,)
        Of the particles.
    bandwidth
        Distance at which a particle counts no more; the largest distance by default.
    """
    design = np.column_stack([np.ones(len(latent)), shifts])
    needed = _LEAST_PER_COEFFICIENT * design.shape[1]
    w = normalised(weights)
    bandwidth = float(np.max(distances)) if bandwidth is None else bandwidth
    near = w * epanechnikov(distances, bandwidth) if bandwidth > 0.0 else w
    if near.sum() > 0.0 and effective_size(near) >= needed:  # else all count alike, lest there be too few
        w = normalised(near)
    size = effective_size(w)
    if size < needed:
        reason = f"{size:.0f} effective particles are too few for a regression on {shifts.shape[1]} figures"
        return Adjusted(latent.copy(), w, reason)
    root = np.sqrt(w)[:, None]
    coefficients, _, rank, _ = np.linalg.lstsq(root * design, root * latent, rcond=1e-8)
    residuals = latent - design @ coefficients
    goal, reach = _goal(shifts, w)
    influence = (np.concatenate([[1.0], goal]) @ np.linalg.pinv(root * design, rcond=1e-8)) * root[:, 0]
    widened = math.sqrt((1.0 + float(influence @ influence)) * size / (size - float(rank)))
    return Adjusted(coefficients[0] + goal @ coefficients[1:] + widened * residuals, w, None, reach)


def _goal(shifts: FloatArray, weights: FloatArray) -> tuple[FloatArray, float]:
    """Where the regression is read: the observed figures, or as far towards them as the studies reach.

    A line drawn through studies says nothing about figures that no such study shows; beyond the
    ellipse of 99 % of them it is not followed.
    """
    from scipy.stats import chi2

    centre = weights @ shifts
    away = float(centre @ np.linalg.pinv(weighted_covariance(shifts, weights), rcond=1e-8) @ centre)
    reach = min(1.0, math.sqrt(float(chi2.ppf(_REACH, shifts.shape[1])) / max(away, 1e-300)))
    return centre * (1.0 - reach), reach


def describe(latent: FloatArray, weights: FloatArray, level: float = LEVEL) -> Description:
    """Summarise a weighted sample of latent parameters.

    Parameters
    ----------
    latent : (n, d)
        Sample.
    weights : (n,)
        Of the rows.
    level
        Of the central intervals.
    """
    covariance = weighted_covariance(latent, weights)
    sd = np.sqrt(np.diag(covariance))
    tail = 0.5 * (1.0 - level)
    quantiles = weighted_quantiles(latent, weights, (tail, 0.5, 1.0 - tail))
    variances, vectors = np.linalg.eigh(covariance)
    rows = vectors.T
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(np.outer(sd, sd) > 0.0, covariance / np.outer(sd, sd), 0.0)
    return Description(
        mean=normalised(weights) @ latent,
        median=quantiles[:, 1],
        sd=sd,
        interval=quantiles[:, [0, 2]],
        shrinkage=1.0 - sd,
        correlation=correlation,
        directions=rows * np.sign(largest)[:, None],
        direction_shrinkage=1.0 - np.sqrt(np.maximum(variances, 0.0)),
        effective=effective_size(weights),
    )
