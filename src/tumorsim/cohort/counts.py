"""Quantiles of counts.

SciPy's `stats` has them too, but takes a second to import: a quarter of a whole trial.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


def poisson_quantile(u: Floats, mean: Floats) -> Floats:
    """Least whole number whose cumulative Poisson probability is at least ``u``.

    Parameters
    ----------
    u
        In (0, 1), of shape (n,).
    mean
        Expected count, at least 0, of shape (n,).

    Returns
    -------
    ndarray
        Whole numbers, of shape (n,).
    """
    above = np.where(mean > 0.0, np.ceil(special.pdtrik(u, np.where(mean > 0.0, mean, 1.0))), 0.0)
    return _least(above, u, lambda count: special.pdtr(count, mean))


def negative_binomial_quantile(u: Floats, dispersion: float, mean: Floats) -> Floats:
    """Least whole number whose cumulative negative binomial probability is at least ``u``.

    Parameters
    ----------
    u
        In (0, 1), of shape (n,).
    dispersion
        Shape k > 0: the variance is mean + mean² / k.
    mean
        Expected count, at least 0, of shape (n,).

    Returns
    -------
    ndarray
        Whole numbers, of shape (n,).
    """
    stay = dispersion / (dispersion + mean)
    above = np.where(stay < 1.0, np.ceil(special.nbdtrik(u, dispersion, np.where(stay < 1.0, stay, 0.5))), 0.0)
    return _least(above, u, lambda count: special.betainc(dispersion, count + 1.0, stay))


def _least(above: Floats, u: Floats, probability: Any) -> Floats:
    """``above``, or one less where that is enough: the inverse of a smooth function ends in rounding."""
    above = np.maximum(above, 0.0)
    below = np.maximum(above - 1.0, 0.0)
    return np.where(probability(below) >= u, below, above)
