"""Event-time statistics that calibration and resampling call thousands of times.

Event codes of all kernels: 1 = event of interest, 0 and 2 = censored here (2 is a
competing event), -1 = not in the analysis set. A patient censored at the very time
of an event is still at risk of it. Times may be in any unit.

Sources: Kaplan & Meier 1958 JASA 53:457; Mantel 1966 Cancer Chemother Rep 50:163;
Cox 1972 JRSS B 34:187; Efron 1977 JASA 72:557 (ties); Lin & Wei 1989 JASA 84:1074.
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.random import STREAM_RESAMPLING, uniform

FITTED, NO_EVENTS, NO_EVENT_IN_ARM, NO_EVENT_IN_REFERENCE, NEVER_COMPARED = 0, 1, 2, 3, 4
MEDIAN, LANDMARK, RESTRICTED_MEAN = 0, 1, 2
LEFT_OUT = -1
_TIE = 1e-12  # a product of fractions that should be 1/2 may miss it by rounding


@kernel(entry=True)
def tabulate_risk(time, event, group):
    """Distinct event times with the numbers at risk and with an event, by group.

    Parameters
    ----------
    time, event, group
        Shape (n,), times ascending; groups are 0 and 1.

    Returns
    -------
    times (k,), at_risk (2, k), events (2, k)
    """
    n = time.size
    times, at_risk, events = np.empty(n), np.empty((2, n)), np.empty((2, n))
    risk = np.zeros(2)
    for i in range(n):
        if event[i] != LEFT_OUT:
            risk[group[i]] += 1.0
    died, left = np.zeros(2), np.zeros(2)
    k = 0
    start = 0
    while start < n:
        now = time[start]
        died[:], left[:] = 0.0, 0.0
        stop = start
        while stop == start or (stop < n and time[stop] == now):
            if event[stop] != LEFT_OUT:
                left[group[stop]] += 1.0
            if event[stop] == 1:
                died[group[stop]] += 1.0
            stop += 1
        if died[0] + died[1] > 0.0:
            times[k] = now
            for g in range(2):
                at_risk[g, k], events[g, k] = risk[g], died[g]
            k += 1
        for g in range(2):
            risk[g] -= left[g]
        start = stop
    return times[:k].copy(), at_risk[:, :k].copy(), events[:, :k].copy()


@kernel(entry=True)
def partial_likelihood(log_hr, at_risk, events):
    """Efron's log partial likelihood of two groups, its slope and its curvature.

    Returns
    -------
    log_likelihood, score, information
    """
    ratio = math.exp(log_hr)
    log_likelihood = score = information = 0.0
    for j in range(at_risk.shape[1]):
        d0, d1 = events[0, j], events[1, j]
        tied = int(d0 + d1)
        log_likelihood += log_hr * d1
        score += d1
        for m in range(tied):
            gone = m / tied
            reference = at_risk[0, j] - gone * d0
            treated = (at_risk[1, j] - gone * d1) * ratio
            total = reference + treated
            log_likelihood -= math.log(total)
            score -= treated / total
            information += (treated / total) * (reference / total)
    return log_likelihood, score, information


@kernel
def classify_comparison(at_risk, events):
    """Whether the partial likelihood has a finite maximum, and if not, why not.

    It has one exactly when each group has an event while the other is at risk.
    """
    total = informative_0 = informative_1 = 0.0
    for j in range(at_risk.shape[1]):
        total += events[0, j] + events[1, j]
        if at_risk[1, j] > 0.0:
            informative_0 += events[0, j]
        if at_risk[0, j] > 0.0:
            informative_1 += events[1, j]
    if total == 0.0:
        return NO_EVENTS
    if informative_0 == 0.0 and informative_1 == 0.0:
        return NEVER_COMPARED
    if informative_1 == 0.0:
        return NO_EVENT_IN_ARM
    if informative_0 == 0.0:
        return NO_EVENT_IN_REFERENCE
    return FITTED


@kernel(entry=True)
def fit_log_hazard_ratio(at_risk, events):
    """Maximum of Efron's partial likelihood for group 1 against group 0.

    Newton's steps, at most 2 long. The curvature changes by at most a factor e per
    unit of the log ratio, so that such steps cannot overshoot into a cycle.

    Returns
    -------
    log_hr, status
        ``-inf`` or ``inf`` when the likelihood is monotone, NaN when there is
        nothing to compare; the status says which.
    """
    status = classify_comparison(at_risk, events)
    if status == NO_EVENT_IN_ARM:
        return -np.inf, status
    if status == NO_EVENT_IN_REFERENCE:
        return np.inf, status
    if status != FITTED:
        return np.nan, status
    log_hr = 0.0
    for _ in range(200):
        _, score, information = partial_likelihood(log_hr, at_risk, events)
        step = min(max(score / information, -2.0), 2.0) if information > 0.0 else math.copysign(2.0, score)
        log_hr += step
        if abs(step) <= 1e-13 * (1.0 + abs(log_hr)):
            break
    return log_hr, status


@kernel(entry=True)
def logrank_sums(at_risk, events):
    """Observed minus expected events of group 1, and its variance with ties.

    The variance is that of the hypergeometric distribution at each event time.
    """
    excess = variance = 0.0
    for j in range(at_risk.shape[1]):
        r0, r1 = at_risk[0, j], at_risk[1, j]
        d = events[0, j] + events[1, j]
        r = r0 + r1
        excess += events[1, j] - d * r1 / r
        if r > 1.0:
            variance += d * (r0 / r) * (r1 / r) * (r - d) / (r - 1.0)
    return excess, variance


@kernel(entry=True)
def score_residuals(time, event, group, log_hr):
    """Score residual of each patient under Efron's handling of ties. Shape (n,).

    Times ascending. Divided by the information they are the infinitesimal jackknife (dfbeta) of
    the log hazard ratio. They sum to the score, which is zero at the maximum.
    """
    times, at_risk, events = tabulate_risk(time, event, group)
    k = times.size
    passed, dying, mean = np.zeros((2, k + 1)), np.zeros((2, k)), np.zeros(k)
    weight = np.array([1.0, math.exp(log_hr)])
    for j in range(k):
        d0, d1 = events[0, j], events[1, j]
        tied = int(d0 + d1)
        for g in range(2):
            passed[g, j + 1] = passed[g, j]
        for m in range(tied):
            gone = m / tied
            treated = (at_risk[1, j] - gone * d1) * weight[1]
            total = at_risk[0, j] - gone * d0 + treated
            mean[j] += treated / total / tied
            for g in range(2):
                pull = weight[g] * (g - treated / total) / total
                passed[g, j + 1] += pull
                dying[g, j] += (1.0 - gone) * pull
    out = np.zeros(time.size)
    for i in range(time.size):
        if event[i] == LEFT_OUT:
            continue
        j = np.searchsorted(times, time[i], side="right")
        if event[i] == 1:
            out[i] = group[i] - mean[j - 1] - passed[group[i], j - 1] - dying[group[i], j - 1]
        else:
            out[i] = -passed[group[i], j]
    return out


@kernel(entry=True)
def product_limit(at_risk, events):
    """Kaplan-Meier estimate after each event time, and Greenwood's sum.

    Parameters
    ----------
    at_risk, events
        One group, shape (k,).

    Returns
    -------
    survival (k,), greenwood (k,)
        ``Var S = S^2 greenwood``; the sum is infinite once nobody is left.
    """
    survival, greenwood = np.empty(at_risk.size), np.empty(at_risk.size)
    alive, total = 1.0, 0.0
    for j in range(at_risk.size):
        r, d = at_risk[j], events[j]
        alive *= (r - d) / r
        total += d / (r * (r - d)) if r > d else np.inf
        survival[j], greenwood[j] = alive, total
    return survival, greenwood


@kernel
def quantile_time(times, survival, level):
    """First event time at which survival is at or below ``level``; inf if none."""
    for j in range(times.size):
        if survival[j] <= level + _TIE:
            return times[j]
    return np.inf


@kernel
def survival_at(times, survival, last, when):
    """Survival at ``when``; NaN beyond the last observation while some survive."""
    value = 1.0
    for j in range(times.size):
        if times[j] > when:
            break
        value = survival[j]
    return np.nan if when > last and value > 0.0 else value


@kernel
def restricted_mean(times, survival, last, horizon):
    """Area under the survival curve up to ``horizon``; NaN where `survival_at` is."""
    area, alive, since = 0.0, 1.0, 0.0
    for j in range(times.size):
        if times[j] > horizon:
            break
        area += alive * (times[j] - since)
        alive, since = survival[j], times[j]
    return np.nan if horizon > last and alive > 0.0 else area + alive * (horizon - since)


@kernel(entry=True)
def draw_patients(seed, item, first, resamples, population, size):
    """Keyed draws with replacement of ``size`` of ``population`` patients, from resample ``first`` on.

    Returns
    -------
    ndarray of int64, shape (resamples, size)
    """
    out = np.empty((resamples, size), np.int64)
    for r in range(resamples):
        for k in range(size):
            u = uniform(seed, STREAM_RESAMPLING, k, first + r, item)
            out[r, k] = min(int(u * population), population - 1)
    return out


@kernel(entry=True)
def redraw_patients(seed, item, draws, population):
    """The same draws from a population that was itself redrawn with replacement.

    Place ``j`` of the redrawn population of resample ``r`` holds a patient keyed by
    (r, j) and ``item`` alone: equal items mean the same redrawn population.
    """
    out = np.empty_like(draws)
    for r in range(draws.shape[0]):
        for k in range(draws.shape[1]):
            u = uniform(seed, STREAM_RESAMPLING, draws[r, k], r, item)
            out[r, k] = min(int(u * population), population - 1)
    return out


@kernel
def fill_drawn(counts, values, out):
    """Each value as often as it was drawn, in order, into ``out``."""
    k = 0
    for i in range(counts.size):
        for _ in range(counts[i]):
            out[k] = values[i]
            k += 1


@kernel
def count_draws(places, population):
    """How often each place was drawn: it orders a draw without sorting it."""
    counts = np.zeros(population, np.int64)
    for k in range(places.size):
        counts[places[k]] += 1
    return counts


@kernel(entry=True)
def resample_log_hazard_ratio(time, event, group, draws):
    """Log hazard ratio (group 1 against 0) of each resampled trial. Shape (resamples,).

    Parameters
    ----------
    time, event, group
        Both populations pooled, ascending in time.
    draws
        Places in the pool, shape (resamples, patients of both arms).
    """
    resamples, n = draws.shape
    out = np.empty(resamples)
    drawn_time, drawn_event, drawn_group = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    for r in range(resamples):
        counts = count_draws(draws[r], time.size)
        fill_drawn(counts, time, drawn_time)
        fill_drawn(counts, event, drawn_event)
        fill_drawn(counts, group, drawn_group)
        _, at_risk, events = tabulate_risk(drawn_time, drawn_event, drawn_group)
        out[r], _ = fit_log_hazard_ratio(at_risk, events)
    return out


@kernel(entry=True)
def resample_curve(time, event, draws, statistic, argument):
    """One number read off the Kaplan-Meier curve of each resampled arm.

    Parameters
    ----------
    time, event
        Of the population, ascending in time; the draws are places in it.
    statistic
        ``MEDIAN`` (inf when not reached), ``LANDMARK`` survival at ``argument``
        or ``RESTRICTED_MEAN`` up to it (NaN when not estimable).
    """
    resamples, n = draws.shape
    out = np.empty(resamples)
    drawn_time, drawn_event, group = np.empty(n), np.empty(n, np.int64), np.zeros(n, np.int64)
    for r in range(resamples):
        counts = count_draws(draws[r], time.size)
        fill_drawn(counts, time, drawn_time)
        fill_drawn(counts, event, drawn_event)
        last = -np.inf
        for k in range(n):
            if drawn_event[k] != LEFT_OUT:
                last = drawn_time[k]
        times, at_risk, events = tabulate_risk(drawn_time, drawn_event, group)
        survival, _ = product_limit(at_risk[0], events[0])
        if statistic == MEDIAN:
            out[r] = quantile_time(times, survival, 0.5)
        elif statistic == LANDMARK:
            out[r] = survival_at(times, survival, last, argument)
        else:
            out[r] = restricted_mean(times, survival, last, argument)
    return out
