"""Who is meant for treatment in an observational cohort (docs/theory/observational.md, eqs A1-A3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tumorsim.cohort.covariates import Floats, Ints, covariates
from tumorsim.kernels import random
from tumorsim.params.design import Assignment
from tumorsim.params.population import Population

RESECTION = 1  # code of `modality`
# The share holds over the population, not over the patients simulated: it is set on these many
# drawn with a seed of their own, so that nobody's arm depends on who else is simulated.
REFERENCE_PATIENTS, REFERENCE_SEED = 20_000, 0
_STEEPEST = 700.0  # of the intercept: beyond it a probability is 0 or 1 in double precision

# covariate -> its value in the step of `LogOdds`, from arrays by declared name
TERMS: dict[str, Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]] = {
    "multiple_tumours": lambda known: known["index_number"] > 1,
    "diameter": lambda known: known["index_diameter"] / 10.0,
    "cirrhosis": lambda known: known["cirrhosis"],
    "hbv": lambda known: known["hbv"],
    "platelets": lambda known: known["platelets"] / 50.0,
    "age": lambda known: known["age"] / 10.0,
    "male": lambda known: known["male"],
    "ablation": lambda known: known["modality"] > RESECTION,
}


def terms(known: Mapping[str, NDArray[Any]], names: Sequence[str]) -> Floats:
    """Covariates as an assignment or a propensity score sees them. Shape (n, names)."""
    return np.stack([np.asarray(TERMS[name](known), dtype=np.float64) for name in names], axis=1)


def probabilities(population: Population, assignment: Assignment, known: Mapping[str, NDArray[Any]]) -> Floats:
    """Probability that each patient is meant for the treated arm (eq. A1). Shape (n,).

    Parameters
    ----------
    population
        Sets the intercept, with the share of ``assignment`` (eq. A2).
    assignment
        Block of the scenario.
    known
        Covariates by declared name, each (n,).
    """
    odds = {name: value for name, value in assignment.log_odds.model_dump().items() if value != 0.0}
    slopes = np.array(list(odds.values()))

    def slope_part(arrays: Mapping[str, NDArray[Any]]) -> Floats:
        return terms(arrays, list(odds)) @ slopes if odds else np.zeros(np.size(arrays["age"]))

    reference = slope_part(covariates(population, np.arange(REFERENCE_PATIENTS), REFERENCE_SEED))

    def excess(intercept: float) -> float:
        return float(special.expit(intercept + reference).mean()) - assignment.share

    from scipy.optimize import brentq  # only here: it takes longer to import than the rest of a cohort

    intercept = brentq(excess, -_STEEPEST - reference.max(), _STEEPEST - reference.min())
    return np.asarray(special.expit(intercept + slope_part(known)))


def meant_for_treatment(
    population: Population, assignment: Assignment, known: Mapping[str, NDArray[Any]], numbers: Ints, seed: int
) -> NDArray[np.bool_]:
    """Who is meant for the treated arm: one keyed draw a patient (eq. A3). Shape (n,)."""
    u = random.uniforms(seed, random.STREAM_ALLOCATION, numbers, 0, 0)
    return np.asarray(u < probabilities(population, assignment, known))
