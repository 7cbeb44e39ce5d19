"""The search: CMA-ES asks for points, every point is one logged evaluation.

Within a generation all points meet the same virtual patients with the same luck, so
that ranks compare parameters alone; the next generation meets new ones. A search on
one seed finds the parameters which that seed's luck favours. What is returned is not
the best point that was met, which is lucky too, but where everything that was tried
settles (`tumorsim.calibration.surface`), or else the mean centre of the later half
of the generations, an average over the luck of many (Hansen 2016 arXiv:1604.00772,
package ``cma``; averaging of iterates: Polyak & Juditsky 1992 SIAM J Control Optim 30:838).

A resumed search asks anew from the same seed and finds its answers in the log, so it
walks the same path to the bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorsim.calibration.config import Optimisation
from tumorsim.calibration.simulator import FloatArray
from tumorsim.extras import need

Loss = Callable[[int, int, FloatArray], float]
Settle = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Found:
    """End of a search.

    Attributes
    ----------
    latent : (p,)
        Mean centre of the search's distribution over the later half of its generations, settled.
    loss
        Loss there, on the luck of a generation of its own.
    population, generations, stop
        How the search went.
    """

    latent: FloatArray
    loss: float
    population: int
    generations: int
    stop: str


def search(loss: Loss, start: FloatArray, effort: Optimisation, seed: int, settle: Settle | None = None) -> Found:
    """Smallest expected loss over latent coordinates.

    Parameters
    ----------
    loss
        Called with the number of the evaluation (from 0), of its generation (from 0) and
        the point; evaluation 0 is the start, the last one the end.
    start : (p,)
        Where to begin.
    effort
        Evaluations, population, first step.
    seed
        Of the search itself.
    settle
        From the mean centre to the end; the mean centre is the end if absent.
    """
    cma = need("cma")
    begun = float(loss(0, 0, start))
    population = effort.population or 4 + int(3 * np.log(max(start.size, 1)))
    if effort.evaluations < population + 2:
        return Found(start, begun, population, 0, "evaluations")
    options = {
        "seed": np.nan,  # its draws come from the generator below, not from NumPy's global state
        "randn": _normals(seed),
        "popsize": population,
        "tolfun": 0,
        "tolfunhist": 0,
        "tolx": 1e-3,
        "verbose": -9,
    }
    # with one coordinate CMA has no covariance to learn; a second, idle one keeps it going
    padded = start if start.size > 1 else np.append(start, 0.0)
    index, generation, centres = 0, 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strategy: Any = cma.CMAEvolutionStrategy(padded.tolist(), effort.sigma, options)
        while not strategy.stop() and index + population + 2 <= effort.evaluations:
            points = strategy.ask()
            generation += 1
            answers = []
            for point in points:
                index += 1
                answers.append(float(loss(index, generation, np.asarray(point, float)[: start.size])))
            strategy.tell(points, answers)
            centres.append(np.array(strategy.mean, float)[: start.size])
        reasons = ", ".join(strategy.stop()) or "evaluations"
        end = np.mean(centres[len(centres) // 2 :], axis=0)
    if settle is not None:
        end = settle(end)
    return Found(end, float(loss(index + 1, generation + 1, end)), population, generation, reasons)


def _normals(seed: int) -> Callable[..., FloatArray]:
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> FloatArray:
        return generator.standard_normal(shape)

    return draw
