"""Statistics of a virtual trial: one arm, two arms, competing risks, resampling.

Times keep the unit they are given in. What the data cannot give is None.
"""

from __future__ import annotations

from tumorsim.statistics.comparison import (
    HazardRatio,
    LogRank,
    MeanDifference,
    hazard_ratio,
    logrank,
    monte_carlo_error,
    proportional_hazards_p,
    restricted_mean_difference,
    windowed_hazard_ratios,
)
from tumorsim.statistics.competing import CumulativeIncidence, cumulative_incidence
from tumorsim.statistics.proportions import Proportion, crude_survival, proportion
from tumorsim.statistics.resampling import (
    StudySampler,
    median_monte_carlo_error,
    predictive_interval,
    resampled_curve,
    resampled_log_hazard_ratio,
)
from tumorsim.statistics.survival import EventRate, KaplanMeier, RestrictedMean, event_rate, kaplan_meier

__all__ = [
    "CumulativeIncidence",
    "EventRate",
    "HazardRatio",
    "KaplanMeier",
    "LogRank",
    "MeanDifference",
    "Proportion",
    "RestrictedMean",
    "StudySampler",
    "crude_survival",
    "cumulative_incidence",
    "event_rate",
    "hazard_ratio",
    "kaplan_meier",
    "logrank",
    "median_monte_carlo_error",
    "monte_carlo_error",
    "predictive_interval",
    "proportion",
    "proportional_hazards_p",
    "resampled_curve",
    "resampled_log_hazard_ratio",
    "restricted_mean_difference",
    "windowed_hazard_ratios",
]
