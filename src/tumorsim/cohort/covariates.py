"""Covariates of virtual patients (docs/theory/burden.md, eqs B1-B3)."""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tumorsim.kernels import random
from tumorsim.params.population import Modality, Population, Spread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CIRRHOSIS_PLATELET_RATIO = 0.75  # portal hypertension lowers the count; assumed
MICROMETRES = 1000.0  # in a millimetre

# occasions of STREAM_COVARIATES, one a covariate
AGE, SEX, WEIGHT, HBV, CIRRHOSIS, CHILD_PUGH, PLATELETS, MODALITY, DIAMETER, NUMBER, LYMPHOCYTES, SINGLE = range(12)


def covariates(population: Population, numbers: Ints, seed: int) -> dict[str, Floats]:
    """Covariates by declared name (`tumorsim.variables`), each of shape (n,)."""

    def u(occasion: int) -> Floats:
        return np.asarray(random.uniforms(seed, random.STREAM_COVARIATES, numbers, occasion, 0))

    cirrhosis = (u(CIRRHOSIS) < population.cirrhosis).astype(float)
    weight = Spread(mean=population.weight_mean, sd=population.weight_sd, low=35.0, high=140.0)
    platelets = population.platelets_median * np.exp(population.platelets_spread * special.ndtri(u(PLATELETS)))
    return {
        "age": _truncated_normal(u(AGE), population.age),
        "male": (u(SEX) < population.male).astype(float),
        "weight": _truncated_normal(u(WEIGHT), weight),
        "hbv": (u(HBV) < population.hbv).astype(float),
        "cirrhosis": cirrhosis,
        "platelets": platelets * np.where(cirrhosis > 0, CIRRHOSIS_PLATELET_RATIO, 1.0),
        "child_pugh": (u(CHILD_PUGH) < population.child_pugh_b).astype(float),
        "modality": _modality(population, u(MODALITY)),
        "index_diameter": _index_diameter(population, u(DIAMETER)),
        "index_number": _index_number(population, u(SINGLE), u(NUMBER)),
        "lymphocyte_factor": np.exp(np.sqrt(np.log1p(population.lymphocyte_cv**2)) * special.ndtri(u(LYMPHOCYTES))),
    }


def _truncated_normal(u: Floats, spread: Spread) -> Floats:
    low, high = (special.ndtr((end - spread.mean) / spread.sd) for end in (spread.low, spread.high))
    return np.asarray(spread.mean + spread.sd * special.ndtri(low + u * (high - low)))


def _modality(population: Population, u: Floats) -> Floats:
    if not population.modality:
        return np.zeros(u.size)
    shares = np.array([population.modality.get(name, 0.0) for name in get_args(Modality)])
    return 1.0 + np.searchsorted(np.cumsum(shares / shares.sum()), u, side="right").clip(max=2)


def _index_diameter(population: Population, u: Floats) -> Floats:
    """Truncated lognormal diameter in mm (eq. B1)."""
    law = population.diameter
    low, high = (special.ndtr(np.log(end / law.median) / law.spread) for end in (law.low, law.high))
    return np.asarray(law.median * np.exp(law.spread * special.ndtri(low + u * (high - low)))) / MICROMETRES


def _index_number(population: Population, u_single: Floats, u: Floats) -> Floats:
    """One lesion, or two and a geometric tail (eq. B2)."""
    law = population.number
    share = law.more / (1.0 + law.more)
    extra = np.floor(np.log(u) / np.log(share))
    return np.where(u_single < law.single, 1.0, np.minimum(2.0 + extra, law.at_most))
