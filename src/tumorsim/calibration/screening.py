"""Morris screening: which free parameter moves which figure, before any is fitted.

Elementary effects (`tumorsim.sampling`) over the central nine tenths of every prior, in units of the figure's sampling
error, so that 1 means: as much as the study's own noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from tumorsim.calibration.config import Screening
from tumorsim.calibration.simulator import FloatArray
from tumorsim.sampling import Resampling, elementary_effects, morris, trajectories

CENTRAL = 0.9  # share of each prior that is screened


def design(count: int, effort: Screening, seed: int) -> FloatArray:
    """Latent points of every trajectory, shape (trajectories * (p + 1), p)."""
    unit = trajectories(count, effort.trajectories, effort.levels, seed)
    return np.asarray(special.ndtri(0.5 + CENTRAL * (unit - 0.5)))


def effects(points: FloatArray, outputs: FloatArray, seed: int) -> dict[str, Any]:
    """Mean absolute effect with half the width of its 95% interval, and spread, of every parameter on every output.

    Parameters
    ----------
    points : (n, p)
        As `design` gave them.
    outputs : (n, outputs)
        Without NaN; a trajectory that met a failure is left out by the caller.

    Returns
    -------
    dict
        ``mu_star``, ``mu_star_ci``, ``sigma``: lists of shape (outputs, p).
    """
    unit = 0.5 + (special.ndtr(points) - 0.5) / CENTRAL
    found: dict[str, Any] = {"mu_star": [], "mu_star_ci": [], "sigma": []}
    for column in np.asarray(outputs, float).T:
        one = morris(elementary_effects(unit, column), Resampling(seed=seed))
        found["mu_star"].append(one["mu_star"].value.tolist())
        found["mu_star_ci"].append((0.5 * (one["mu_star"].high - one["mu_star"].low)).tolist())
        found["sigma"].append(one["sigma"].value.tolist())
    return found
