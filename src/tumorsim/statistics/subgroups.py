"""Hazard ratios within subgroups, as the summary, the forest plot and the report show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.endpoints import Survival, outcome
from tumorsim.statistics.comparison import HazardRatio, hazard_ratio
from tumorsim.variables import TrialData

Level = tuple[str, Callable[[NDArray[Any]], NDArray[np.bool_]]]


@dataclass(frozen=True)
class Factor:
    """One covariate and the levels it is divided into."""

    name: str
    column: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Subgroup:
    """One row: the hazard ratio of an arm against the reference within some patients.

    ``heterogeneity`` is the P value of Cochran's Q over the levels of the factor, given on its first row.
    """

    factor: str
    level: str
    n: int
    ratio: HazardRatio
    heterogeneity: float | None = None


def _split(column: str, name: str, cut: float, unit: str) -> Factor:
    return Factor(name, column, ((f"< {cut:g} {unit}", lambda x: x < cut), (f"≥ {cut:g} {unit}", lambda x: x >= cut)))


def _coded(column: str, name: str, *levels: tuple[str, int]) -> Factor:
    def is_code(code: int) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
        return lambda x: x == code

    return Factor(name, column, tuple((level, is_code(code)) for level, code in levels))


def factors(setting: str) -> tuple[Factor, ...]:
    """Covariates shown for a setting; the cut of the tumour size follows what is usual there."""
    return (
        _split("age", "Age", 60.0, "years"),
        _coded("hbv", "Hepatitis B", ("no", 0), ("yes", 1)),
        _coded("cirrhosis", "Cirrhosis", ("no", 0), ("yes", 1)),
        _coded("child_pugh", "Child-Pugh", ("A", 0), ("B", 1)),
        _split("platelets", "Platelets", 150.0, "× 10³/µL"),
        _split("index_diameter", "Largest tumour", 20.0 if setting == "adjuvant" else 50.0, "mm"),
        Factor("Tumours", "index_number", (("single", lambda x: x <= 1), ("multiple", lambda x: x > 1))),
        _coded("modality", "Index treatment", ("resection", 1), ("RFA", 2), ("PEI", 3)),
    )


def subgroup_effects(data: TrialData, endpoint: str, arm: int, reference: int) -> list[Subgroup]:
    """All patients first, then every level of every covariate that has at least two levels in this study."""
    one, other = (outcome(data, endpoint, place) for place in (arm, reference))

    def within(chosen: NDArray[np.bool_]) -> tuple[int, HazardRatio]:
        here, there = (replace(side, included=side.included & chosen) for side in (one, other))
        return int((here.included | there.included).sum()), hazard_ratio(here, there)

    rows = [Subgroup("All patients", "", *within(np.ones(data.size, dtype=bool)))]
    for factor in factors(data.setting):
        column = np.asarray(data.arrays[factor.column])
        members = [(level, belongs(column)) for level, belongs in factor.levels]
        members = [(level, chosen) for level, chosen in members if _any(one, other, chosen)]
        if len(members) < 2:
            continue
        found = [Subgroup(factor.name, level, *within(chosen)) for level, chosen in members]
        rows += [replace(found[0], heterogeneity=heterogeneity_p([row.ratio for row in found])), *found[1:]]
    return rows


def _any(one: Survival, other: Survival, chosen: NDArray[np.bool_]) -> bool:
    return bool(((one.included | other.included) & chosen).any())


def heterogeneity_p(ratios: list[HazardRatio]) -> float | None:
    """P value of Cochran's Q, of hazard ratios that differ between subgroups by chance alone.

    None when a subgroup has no hazard ratio. Source: Cochran 1954 Biometrics 10:101.
    """
    from scipy.special import chdtrc  # the upper tail of chi-squared; `scipy.stats` takes a second to import

    if any(ratio.log_hr is None or ratio.se is None for ratio in ratios):
        return None
    effects = np.array([ratio.log_hr for ratio in ratios], dtype=float)
    weights = np.array([ratio.se for ratio in ratios], dtype=float) ** -2.0
    centre = float((weights * effects).sum() / weights.sum())
    return float(chdtrc(len(ratios) - 1, float((weights * (effects - centre) ** 2).sum())))
