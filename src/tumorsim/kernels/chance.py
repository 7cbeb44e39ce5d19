"""From rates to what happens within one step of the lattice. Nowhere else does a rate become a probability."""

from __future__ import annotations

import math

from tumorsim.kernels._jit import kernel

POISSON_AT_MOST = 64.0  # mean up to which a Poisson count is drawn by inversion


@kernel
def hazard_to_probability(rate, dt):
    """Probability of at least one event of a constant ``rate`` (1/day) within ``dt`` days (eq. S1)."""
    return -math.expm1(-rate * dt)


@kernel(borrows=True)
def first_event(u, rates, dt):
    """Which of several competing events comes first within a step (eq. S2), by one uniform draw ``u``.

    Parameters
    ----------
    u
        Uniform in (0, 1).
    rates
        Tuple of rates, 1/day; the order decides nothing but which ``u`` belongs to which event.
    dt
        Step, days.

    Returns
    -------
    int
        Number of the event in ``rates``; -1 if there is none.
    """
    total = 0.0
    for rate in rates:
        total += rate
    if u >= total * dt:  # the probability is below this, and most draws are spared the exponential
        return -1
    happens = hazard_to_probability(total, dt)
    if u >= happens:
        return -1
    left = u / happens * total
    last = -1
    for i in range(len(rates)):
        if rates[i] > 0.0:
            last = i
            if left < rates[i]:
                return i
        left -= rates[i]
    return last


@kernel(borrows=True)
def poisson_count(u, mean):
    """Poisson count of this mean by inversion of one uniform draw (eq. S3); a normal approximation from 64 on.

    Source: Devroye 1986, Non-Uniform Random Variate Generation, ch. X.3.2.
    """
    if u <= 1.0 - mean:  # the probability of none is above this, and most draws are spared the exponential
        return 0
    if mean > POISSON_AT_MOST:
        return max(0, math.floor(mean + math.sqrt(mean) * standard_normal_quantile(u) + 0.5))
    probability = math.exp(-mean)
    below, count = probability, 0
    while u > below and below + probability > below:  # a tail too small to add is not walked
        count += 1
        probability *= mean / count
        below += probability
    return count


@kernel(borrows=True)
def standard_normal_quantile(u):
    """Quantile of the standard normal distribution, to 4.5e-4.

    Source: Abramowitz & Stegun 1964, eq. 26.2.23.
    """
    tail = min(u, 1.0 - u)
    t = math.sqrt(-2.0 * math.log(tail))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    z = t - top / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    return -z if u < 0.5 else z
