"""The search: CMA-ES asks for points, every point is one logged evaluation.

A resumed search asks anew from the same seed and finds its answers in the log, so it
walks the same path to the bit. Source: Hansen 2016 arXiv:1604.00772 (package ``cma``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorsim.calibration.config import Optimisation
from tumorsim.calibration.extras import need
from tumorsim.calibration.parameters import FloatArray

Loss = Callable[[int, FloatArray], float]


@dataclass(frozen=True)
class Found:
    """End of a search.

    Attributes
    ----------
    latent : (p,)
        Best point that was evaluated.
    index
        Number of its evaluation.
    loss
        Its loss.
    population, generations, stop
        How the search went.
    """

    latent: FloatArray
    index: int
    loss: float
    population: int
    generations: int
    stop: str


def search(loss: Loss, start: FloatArray, effort: Optimisation, seed: int) -> Found:
    """Smallest loss over latent coordinates.

    Parameters
    ----------
    loss
        Called with the number of the evaluation (from 0) and the point; evaluation 0 is the start.
    start : (p,)
        Where to begin.
    effort
        Evaluations, population, first step.
    seed
        Of the search itself.
    """
    cma = need("cma")
    best = (float(loss(0, start)), 0, start)
    population = effort.population or 4 + int(3 * np.log(max(start.size, 1)))
    if effort.evaluations <= population:
        return Found(best[2], best[1], best[0], population, 0, "evaluations")
    options = {
        "seed": np.nan,  # its draws come from the generator below, not from NumPy's global state
        "randn": _normals(seed),
        "popsize": population,
        "maxfevals": effort.evaluations - 1,
        "bounds": [None, None],
        "tolfun": 1e-3,
        "tolx": 1e-3,
        "verbose": -9,
    }
    # with one coordinate CMA has no covariance to learn; a second, idle one keeps it going
    padded = start if start.size > 1 else np.append(start, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strategy: Any = cma.CMAEvolutionStrategy(padded.tolist(), effort.sigma, options)
        index, generation = 0, 0
        while not strategy.stop() and index + population < effort.evaluations:
            points = strategy.ask()
            answers = []
            for point in points:
                index += 1
                latent = np.asarray(point, float)[: start.size]
                answers.append(float(loss(index, latent)))
                if answers[-1] < best[0]:
                    best = (answers[-1], index, latent)
            strategy.tell(points, answers)
            generation += 1
        reasons = ", ".join(strategy.stop()) or "evaluations"
    return Found(best[2], best[1], best[0], population, generation, reasons)


def _normals(seed: int) -> Callable[..., FloatArray]:
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> FloatArray:
        return generator.standard_normal(shape)

    return draw
