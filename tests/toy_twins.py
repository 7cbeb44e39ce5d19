"""Event times with a known law, for tests of statistics alone.

Patients differ in frailty; a treated patient's hazard is multiplied by an effect of
their own. Twins share frailty, luck and censoring, as virtual patients do under
common random numbers.
"""

import math
from statistics import NormalDist

import numpy as np

from tumorsim.endpoints import Survival

FAMILY_LEVEL = 1e-3  # chance that a correct program fails a family of comparisons


def critical(comparisons: int, sides: int = 2) -> float:
    """Normal quantile that holds the family at `FAMILY_LEVEL` (Bonferroni)."""
    return NormalDist().inv_cdf(1.0 - FAMILY_LEVEL / (sides * comparisons))


def observe(time, censor, visit=0.0):
    """A survival outcome; events found at visits ``visit`` apart if it is positive."""
    seen = np.ceil(time / visit) * visit if visit else time
    event = seen <= censor
    last = np.floor(censor / visit) * visit if visit else censor
    return Survival(np.where(event, seen, last), event.astype(np.int64), np.ones(time.size, bool))


def twins(rng, n, hr=0.7, spread=0.8, shared=0.9, visit=0.0):
    """Treated and control outcome of the same ``n`` patients.

    ``shared`` of the patients have the same luck in both arms, the others another.
    """
    frailty = np.exp(rng.normal(0.0, 0.7, n))
    effect = hr * np.exp(rng.normal(0.0, spread, n))
    luck = rng.exponential(size=n)
    other = np.where(rng.random(n) < shared, luck, rng.exponential(size=n))
    censor = rng.uniform(20.0, 140.0, n)
    treated = 40.0 * luck / (frailty * effect)
    control = 40.0 * other / frailty
    return observe(treated, censor, visit), observe(control, censor, visit)


def study(rng, n_treated, n_control, **law):
    """A randomised study: different patients in each arm."""
    return twins(rng, n_treated, **law)[0], twins(rng, n_control, **law)[1]


def exponential_arms(rng, n, hr=1.0, median=30.0, visit=0.0):
    """Two independent arms under proportional hazards, without frailty."""
    scale = median / math.log(2.0)
    censor = rng.uniform(10.0, 120.0, (2, n))
    time = rng.exponential(scale, (2, n)) / np.array([[hr], [1.0]])
    return observe(time[0], censor[0], visit), observe(time[1], censor[1], visit)
