"""The end of a search: a response surface through everything that was simulated on the way.

Where a search ends, the loss changes by less than the luck of one generation, and the
centre of its last generations wanders along directions that the figures hardly feel.
Every evaluation still says how each figure moves with the parameters. A plane is laid
through each figure (Box & Wilson 1951, J R Stat Soc B 13:1), the luck of a generation
being a constant of its own that all of its evaluations share, and the loss of eq. C4
with these planes has its smallest value in closed form (eq. C5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from tumorsim.calibration.simulator import FloatArray

EARLY = 1.0 / 3.0  # share of the evaluations, the first ones, that lie too far off for a plane
REACH = 2.0  # standard deviations of the points around their mean that a plane is trusted for
_PER_UNKNOWN = 2  # evaluations for every unknown of a plane


@dataclass(frozen=True)
class Tried:
    """One evaluation of a search.

    Attributes
    ----------
    generation
        Evaluations of one generation share their luck.
    latent : (p,)
        Where.
    distances : (t,)
        Distances of the figures from the reported ones, in sampling errors; NaN where there is no number.
    """

    generation: int
    latent: FloatArray
    distances: FloatArray


def settle(centre: FloatArray, tried: list[Tried], weights: FloatArray) -> FloatArray:
    """The smallest loss of planes through the figures (eq. C5); ``centre`` when there are too few evaluations.

    Parameters
    ----------
    centre : (p,)
        Where the search came to rest.
    tried
        Its evaluations in order.
    weights : (t,)
        Weights of the figures; those without are left out.
    """
    used = weights > 0
    later = [one for one in tried[int(EARLY * len(tried)) :] if np.isfinite(one.distances[used]).all()]
    groups, group = np.unique([one.generation for one in later], return_inverse=True)
    if len(later) < _PER_UNKNOWN * (centre.size + groups.size):
        return centre
    points = np.array([one.latent for one in later])
    figures = np.array([one.distances[used] for one in later])
    middle, spread = points.mean(axis=0), points.std(axis=0)
    luck = (group[:, None] == np.arange(groups.size)).astype(float)
    found = np.linalg.lstsq(np.hstack([points - middle, luck]), figures, rcond=None)[0]
    slopes, heights = found[: centre.size], found[centre.size :].mean(axis=0)
    power = np.sqrt(weights[used])
    design = np.vstack([(slopes * power).T, np.eye(centre.size)])
    aim = -np.concatenate([heights * power, middle])
    reach = REACH * np.maximum(spread, 1e-9)
    return np.asarray(middle + lsq_linear(design, aim, bounds=(-reach, reach), tol=1e-12).x)
