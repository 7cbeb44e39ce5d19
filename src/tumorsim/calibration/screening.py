"""Morris screening: which free parameter moves which figure, before any is fitted.

Elementary effects over the central nine tenths of every prior, in units of the
figure's sampling error, so that 1 means: as much as the study's own noise.
Source: Morris 1991 Technometrics 33:161; Campolongo 2007 Environ Model Softw 22:1509
(package SALib).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from tumorsim.calibration.config import Screening
from tumorsim.calibration.extras import need
from tumorsim.calibration.simulator import FloatArray

CENTRAL = 0.9  # share of each prior that is screened


def design(count: int, effort: Screening, seed: int) -> FloatArray:
    """Latent points of every trajectory, shape (trajectories * (p + 1), p)."""
    sample: Any = need("SALib.sample.morris")
    unit = sample.sample(_problem(count), effort.trajectories, num_levels=effort.levels, seed=seed)
    return np.asarray(special.ndtri(0.5 + CENTRAL * (np.asarray(unit, float) - 0.5)))


def effects(points: FloatArray, outputs: FloatArray, effort: Screening, seed: int) -> dict[str, Any]:
    """Mean absolute effect with its 95% interval's half-width, and spread, of every parameter on every output.

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
    analyse: Any = need("SALib.analyze.morris")
    unit = 0.5 + (special.ndtr(points) - 0.5) / CENTRAL
    found: dict[str, Any] = {"mu_star": [], "mu_star_ci": [], "sigma": []}
    for column in np.asarray(outputs, float).T:
        one = analyse.analyze(_problem(points.shape[1]), unit, column, num_levels=effort.levels, seed=seed)
        for key, name in (("mu_star", "mu_star"), ("mu_star_ci", "mu_star_conf"), ("sigma", "sigma")):
            found[key].append([float(x) for x in one[name]])
    return found


def _problem(count: int) -> dict[str, Any]:
    return {"num_vars": count, "names": [str(k) for k in range(count)], "bounds": [[0.0, 1.0]] * count}
