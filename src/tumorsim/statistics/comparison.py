"""Two arms compared: log-rank, Cox hazard ratio, restricted means, proportional hazards.

Sources: Mantel 1966; Cox 1972; Efron 1977 (ties); Grambsch & Therneau 1994 Biometrika
81:515; Lin & Wei 1989. Formulas and what each interval means: docs/theory/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from tumorsim.endpoints.survival import FloatArray, IntArray, Survival
from tumorsim.statistics.survival import Interval, checked, kaplan_meier, normal_quantile

_REASONS = {
    1: "no events in either arm",
    2: "no event in the arm while the reference was at risk: the hazard ratio has no lower bound",
    3: "no event in the reference while the arm was at risk: the hazard ratio has no upper bound",
    4: "no event while both arms were at risk",
}


def chi_square_p(statistic: float) -> float:
    """Upper tail of the chi-square distribution with one degree of freedom."""
    return math.erfc(math.sqrt(max(statistic, 0.0) / 2.0))


@dataclass(frozen=True)
class LogRank:
    """Log-rank test: observed minus expected events of the arm, variance, P."""

    excess: float
    variance: float
    chi_square: float | None
    p: float | None


@dataclass(frozen=True)
class HazardRatio:
    """Cox hazard ratio of an arm against a reference.

    Attributes
    ----------
    hr, log_hr, se, ci
        None with a ``reason`` when the partial likelihood has no finite maximum.
        ``se`` (of the log) and ``ci`` come from the observed information and hold
        for a trial of independent patients.
    p_wald, p_score, p_likelihood_ratio, p_logrank
        Two-sided.
    events, n
        Of the arm and of the reference.
    mc_se
        Monte-Carlo standard error of ``log_hr`` (`monte_carlo_error`).
    reason
        Why there is no hazard ratio; empty when there is one.
    """

    hr: float | None
    log_hr: float | None
    se: float | None
    ci: Interval
    p_wald: float | None
    p_score: float | None
    p_likelihood_ratio: float | None
    p_logrank: float | None
    events: tuple[int, int]
    n: tuple[int, int]
    mc_se: float | None = None
    reason: str = ""

    def monte_carlo_interval(self, level: float = 0.95) -> Interval:
        """Interval of the hazard ratio from the simulation's own error alone."""
        if self.log_hr is None or self.mc_se is None:
            return None, None
        half = normal_quantile(level) * self.mc_se
        return math.exp(self.log_hr - half), math.exp(self.log_hr + half)


def _stack(arm: Survival, reference: Survival) -> tuple[FloatArray, IntArray, IntArray]:
    """Times, codes and groups of both analysis sets, ascending in time."""
    (t1, e1), (t0, e0) = (checked(*one.analysed) for one in (arm, reference))
    group = np.repeat(np.array([1, 0], np.int64), [e1.size, e0.size])
    time = np.concatenate([t1, t0])
    order = np.argsort(time, kind="stable")
    return time[order], np.concatenate([e1, e0])[order], group[order]


def logrank(arm: Survival, reference: Survival) -> LogRank:
    """Log-rank test with the hypergeometric variance at tied times."""
    from tumorsim.kernels import survival as kernels

    _, at_risk, events = kernels.tabulate_risk(*_stack(arm, reference))
    return _logrank(*kernels.logrank_sums(at_risk, events))


def _logrank(excess: float, variance: float) -> LogRank:
    if variance <= 0.0:
        return LogRank(float(excess), float(variance), None, None)
    statistic = float(excess) ** 2 / float(variance)
    return LogRank(float(excess), float(variance), statistic, chi_square_p(statistic))


def hazard_ratio(arm: Survival, reference: Survival, level: float = 0.95) -> HazardRatio:
    """Hazard ratio by Cox's partial likelihood, Efron's handling of ties.

    Parameters
    ----------
    arm, reference
        The same end point of two arms, on the same patient axis.
    level
        Of the Wald interval.
    """
    from tumorsim.kernels import survival as kernels

    z = normal_quantile(level)
    _, at_risk, events = kernels.tabulate_risk(*_stack(arm, reference))
    log_hr, status = kernels.fit_log_hazard_ratio(at_risk, events)
    p_logrank = _logrank(*kernels.logrank_sums(at_risk, events)).p
    counts: dict[str, Any] = {"events": (arm.events, reference.events), "n": (arm.n, reference.n)}
    if status != kernels.FITTED:
        return HazardRatio(
            None, None, None, (None, None), None, None, None, p_logrank, reason=_REASONS[status], **counts
        )
    at_null = kernels.partial_likelihood(0.0, at_risk, events)
    at_best = kernels.partial_likelihood(log_hr, at_risk, events)
    se = 1.0 / math.sqrt(at_best[2])
    return HazardRatio(
        hr=math.exp(log_hr),
        log_hr=float(log_hr),
        se=se,
        ci=(math.exp(log_hr - z * se), math.exp(log_hr + z * se)),
        p_wald=chi_square_p((log_hr / se) ** 2),
        p_score=chi_square_p(at_null[1] ** 2 / at_null[2]),
        p_likelihood_ratio=chi_square_p(2.0 * (at_best[0] - at_null[0])),
        p_logrank=p_logrank,
        mc_se=_monte_carlo_error(arm, reference, log_hr, at_best[2]),
        **counts,
    )


def monte_carlo_error(arm: Survival, reference: Survival) -> float | None:
    """Standard error of the log hazard ratio over repetitions of the simulation.

    The infinitesimal jackknife (score residual over information), summed within
    each virtual patient before squaring: under twins the two arms of one patient
    share luck and the error is smaller than that of a trial. Virtual patients are
    the places of the patient axis. None when there is no hazard ratio.
    """
    return hazard_ratio(arm, reference).mc_se


def _monte_carlo_error(arm: Survival, reference: Survival, log_hr: float, information: float) -> float | None:
    from tumorsim.kernels import survival as kernels

    if arm.time.size != reference.time.size:
        raise ValueError(f"arm and reference have different patient axes: {arm.time.size} and {reference.time.size}")
    n = arm.time.size
    time, event = (np.concatenate(pair) for pair in zip(arm.coded, reference.coded, strict=True))
    group = np.repeat(np.array([1, 0], np.int64), n)
    order = np.argsort(time, kind="stable")
    pull = np.empty(2 * n)
    pull[order] = kernels.score_residuals(time[order], event[order], group[order], log_hr)
    virtual = int((arm.included | reference.included).sum())
    if virtual < 2:
        return None
    squares = float(((pull[:n] + pull[n:]) ** 2).sum())
    return math.sqrt(squares * virtual / (virtual - 1)) / information


def windowed_hazard_ratios(
    arm: Survival, reference: Survival, edges: Sequence[float], level: float = 0.95
) -> list[tuple[float, float, HazardRatio]]:
    """Hazard ratio within each window of time since randomisation.

    Parameters
    ----------
    edges
        Ascending, e.g. ``[0, 24, 60, inf]`` in the unit of the times.

    Returns
    -------
    list of (start, stop, HazardRatio)
        Beyond the first window the arms are no longer as randomised: only those
        event-free at its start are compared, and the treatment has selected them.
    """
    if any(late <= early for early, late in pairwise(edges)):
        raise ValueError("edges: windows must ascend, e.g. [0, 24, 60, inf]")
    return [(a, b, hazard_ratio(arm.window(a, b), reference.window(a, b), level)) for a, b in pairwise(edges)]


@dataclass(frozen=True)
class MeanDifference:
    """Difference of restricted means, arm minus reference; None where not estimable."""

    horizon: float
    difference: float | None
    se: float | None
    ci: Interval
    p: float | None


def restricted_mean_difference(
    arm: Survival, reference: Survival, horizon: float, level: float = 0.95
) -> MeanDifference:
    """Difference in restricted mean survival time of two independent arms."""
    one, other = (kaplan_meier(*side.analysed).restricted_mean(horizon, level) for side in (arm, reference))
    if one.mean is None or other.mean is None or one.se is None or other.se is None:
        return MeanDifference(horizon, None, None, (None, None), None)
    difference, se = one.mean - other.mean, math.hypot(one.se, other.se)
    half = normal_quantile(level) * se
    p = chi_square_p((difference / se) ** 2) if se > 0.0 else None
    return MeanDifference(horizon, difference, se, (difference - half, difference + half), p)


def proportional_hazards_p(
    arm: Survival, reference: Survival, transform: Literal["rank", "identity"] = "rank"
) -> float | None:
    """P value of a trend of the log hazard ratio over time (Grambsch-Therneau).

    Correlates the Schoenfeld residuals with (the rank of) event time. None with
    fewer than two distinct event times or no hazard ratio.
    """
    from tumorsim.kernels import survival as kernels

    times, at_risk, events = kernels.tabulate_risk(*_stack(arm, reference))
    log_hr, status = kernels.fit_log_hazard_ratio(at_risk, events)
    if status != kernels.FITTED or times.size < 2:
        return None
    # residuals of one time add up, and those of ties share their time
    residual, tied = np.empty(times.size), events.sum(axis=0)
    information = 0.0
    for j in range(times.size):
        _, score, information_j = kernels.partial_likelihood(log_hr, at_risk[:, j : j + 1], events[:, j : j + 1])
        residual[j] = score
        information += information_j
    mark = times if transform == "identity" else np.cumsum(tied) - (tied - 1.0) / 2.0
    centred = mark - float((mark * tied).sum() / tied.sum())
    spread = float((centred**2 * tied).sum())
    return chi_square_p(float((centred * residual).sum()) ** 2 * float(tied.sum()) / (information * spread))
