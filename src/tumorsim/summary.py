"""The answer of a run as one JSON-able dictionary, times in months.

Stored in the result file and read by the figures, the report and the command line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tumorsim.endpoints import (
    Survival,
    endpoint,
    endpoints_of,
    observed_deaths,
    outcome,
    progressions,
    response,
    treatment_received,
)
from tumorsim.endpoints.response import SHORT_NAMES, Criteria
from tumorsim.endpoints.survival import COMPETING
from tumorsim.params.design import Matching
from tumorsim.params.targets import Target
from tumorsim.statistics import (
    HazardRatio,
    KaplanMeier,
    cumulative_incidence,
    hazard_ratio,
    kaplan_meier,
    median_monte_carlo_error,
    proportion,
    proportional_hazards_p,
    restricted_mean_difference,
    windowed_hazard_ratios,
)
from tumorsim.statistics.subgroups import subgroup_effects
from tumorsim.targets import MONTH, evaluate_targets
from tumorsim.variables import CAUSES, TrialData

# Months at which survival is read, horizon of the restricted mean, windows of hazard ratios.
LANDMARKS = {"adjuvant": (12, 24, 36, 60, 84, 108), "advanced": (3, 6, 12, 18, 24)}
HORIZONS = {"adjuvant": 108.0, "advanced": 24.0}
WINDOWS = {"adjuvant": (0.0, 24.0, 60.0, math.inf), "advanced": (0.0, 6.0, math.inf)}


def build(
    data: TrialData,
    scenario_name: str,
    title: str,
    seed: int,
    endpoints: Sequence[str] = (),
    targets: Sequence[Target] = (),
    matching: Matching | None = None,
) -> dict[str, Any]:
    """Summary of a finished trial; NaN and what cannot be estimated are None.

    Parameters
    ----------
    data
        The finished trial.
    scenario_name, title, seed
        Of the scenario; the seed also keys every resampling draw.
    endpoints
        Names of end points; all of the trial's setting if empty.
    targets
        Reported figures to set beside the simulated ones.
    matching
        Of an observational cohort: the matched analysis beside the whole one.

    Returns
    -------
    dict
        Keys ``scenario``, ``title``, ``seed``, ``patients``, ``allocation``,
        ``setting``, ``arms``, ``comparisons``, ``subgroups``, ``matching``,
        ``targets``; the members are listed
        in docs/theory/endpoints.md, "The summary".

    Raises
    ------
    KeyError, ValueError
        An end point that does not exist, or that the setting cannot show.
    """
    names = list(dict.fromkeys(endpoints)) or [declared.name for declared in endpoints_of(data.setting)]
    outcomes = {name: [_in_months(outcome(data, name, arm)) for arm in range(len(data.arms))] for name in names}
    horizons = {name: _horizon(data.setting, arms) for name, arms in outcomes.items()}
    summary = {
        "scenario": scenario_name,
        "title": title,
        "seed": int(seed),
        "patients": data.size,
        "allocation": data.allocation,
        "setting": data.setting,
        "arms": [_arm(data, arm, outcomes, horizons, seed) for arm in range(len(data.arms))],
        "comparisons": [
            _comparison(data, name, arm, outcomes[name], horizons[name])
            for name in names
            for arm in range(1, len(data.arms))
        ],
        "subgroups": [row for arm in range(1, len(data.arms)) for row in _subgroups(data, names[0], arm)],
        "matching": None if matching is None else _matching(data, matching, outcomes),
        "targets": evaluate_targets(targets, data, seed, matching=matching),
    }
    return {name: _json_safe(value) for name, value in summary.items()}


def _in_months(one: Survival) -> Survival:
    return Survival(one.time / MONTH, one.event, one.included)


def _horizon(setting: str, arms: Iterable[Survival]) -> float | None:
    """Horizon of the restricted means: the setting's, or as far as every arm was observed."""
    last = [float(one.analysed[0].max(initial=0.0)) for one in arms]
    horizon = min([HORIZONS[setting], *last])
    return horizon if horizon > 0.0 else None


def _arm(
    data: TrialData,
    arm: int,
    outcomes: dict[str, list[Survival]],
    horizons: dict[str, float | None],
    seed: int,
) -> dict[str, Any]:
    infusions, cells, included = treatment_received(data, arm)
    causes = np.bincount(observed_deaths(data, arm), minlength=len(CAUSES))
    return {
        "name": data.arms[arm],
        "label": data.labels[arm],
        "n": int(included.sum()),
        "endpoints": {name: _endpoint(data, ones[arm], horizons[name], seed) for name, ones in outcomes.items()},
        "deaths": {cause: int(causes[code]) for code, cause in enumerate(CAUSES) if code},
        "recurrences": int(progressions(data, arm).sum()),
        "response": {} if data.setting == "adjuvant" else {k: _response(data, arm, k) for k in ("recist", "mrecist")},
        "infusions_mean": float(infusions[included].mean()) if included.any() else None,
        "cells_mean": float(cells[included].mean()) if included.any() else None,
    }


def _endpoint(data: TrialData, one: Survival, horizon: float | None, seed: int) -> dict[str, Any]:
    curve = kaplan_meier(*one.analysed)
    mean = curve.restricted_mean(horizon) if horizon else None
    return {
        "n": one.n,
        "events": one.events,
        "median": curve.median,
        "median_ci": list(curve.median_interval()),
        "median_mc_se": median_monte_carlo_error(one, seed),
        "rmst": mean.mean if mean else None,
        "rmst_ci": list(mean.ci) if mean else [None, None],
        "rmst_horizon": horizon,
        "landmarks": _landmarks(one, curve, LANDMARKS[data.setting]),
    }


def _landmarks(one: Survival, curve: KaplanMeier, months: Iterable[int]) -> list[dict[str, Any]]:
    competing = bool((one.analysed[1] == COMPETING).any())
    incidence = cumulative_incidence(*one.analysed) if competing else None
    rows = []
    for month in months:
        row = {
            "time": float(month),
            "survival": curve.at(month),
            "ci": list(curve.interval(month)),
            "at_risk": curve.number_at_risk(month),
        }
        if incidence is not None:
            row |= {"incidence": incidence.at(month), "incidence_ci": list(incidence.interval(month))}
        rows.append(row)
    return rows


def _response(data: TrialData, arm: int, criteria: Criteria) -> dict[str, Any]:
    found = response(data, arm, criteria)
    n = int(found.included.sum())
    counts = {SHORT_NAMES[code]: int(found.has(code).sum()) for code in (1, 2, 3, 4, 0)}
    rates = {
        "orr": proportion(int((found.included & found.responded).sum()), n),
        "dcr_best": proportion(int(found.controlled.sum()), n),
        "dcr_confirmed": proportion(int(found.confirmed.sum()), n),
    }
    shown = {
        name: value for name, rate in rates.items() for name, value in ((name, rate.value), (f"{name}_ci", rate.ci))
    }
    return counts | shown


def _comparison(
    data: TrialData, name: str, arm: int, outcomes: Sequence[Survival], horizon: float | None
) -> dict[str, Any]:
    one, other = outcomes[arm], outcomes[0]
    whole = hazard_ratio(one, other)
    difference = restricted_mean_difference(one, other, horizon) if horizon else None
    windows = windowed_hazard_ratios(one, other, WINDOWS[data.setting])
    mc = None if whole.hr is None or whole.mc_se is None else whole.hr * whole.mc_se
    return {
        "endpoint": endpoint(name).name,
        "arm": data.arms[arm],
        "reference": data.arms[0],
        "hr": whole.hr,
        "ci": list(whole.ci),
        "mc_se": mc,
        "mc_ci": list(whole.monte_carlo_interval()),
        "mc_se_log_hr": whole.mc_se,
        "p_logrank": whole.p_logrank,
        "p_proportional_hazards": proportional_hazards_p(one, other),
        "events": list(whole.events),
        "reason": whole.reason,
        "rmst_difference": difference.difference if difference else None,
        "rmst_difference_ci": list(difference.ci) if difference else [None, None],
        "windows": [_window(start, stop, ratio) for start, stop, ratio in windows],
    }


def _window(start: float, stop: float, ratio: HazardRatio) -> dict[str, Any]:
    mc = None if ratio.hr is None or ratio.mc_se is None else ratio.hr * ratio.mc_se
    return {"from": start, "to": stop, "hr": ratio.hr, "ci": list(ratio.ci), "mc_se": mc, "events": list(ratio.events)}


def _subgroups(data: TrialData, name: str, arm: int) -> list[dict[str, Any]]:
    """Hazard ratios of the first end point within subgroups."""
    return [
        {
            "endpoint": name,
            "arm": data.arms[arm],
            "reference": data.arms[0],
            "factor": row.factor,
            "level": row.level,
            "n": row.n,
            "events": list(row.ratio.events),
            "hr": row.ratio.hr,
            "ci": list(row.ratio.ci),
            "p_heterogeneity": row.heterogeneity,
        }
        for row in subgroup_effects(data, name, arm, 0)
    ]


def _matching(data: TrialData, matching: Matching, outcomes: dict[str, list[Survival]]) -> dict[str, Any]:
    """Balance, and each end point before and after matching."""
    from tumorsim.statistics.observational import REFERENCE, TREATED, matched

    found = matched(data, matching)
    after = {name: [_in_months(outcome(found.data, name, arm)) for arm in (REFERENCE, TREATED)] for name in outcomes}
    differences = {side: [getattr(row, side) for row in found.balance] for side in ("before", "after")}
    return {
        "arm": data.arms[TREATED],
        "reference": data.arms[REFERENCE],
        "caliper": matching.caliper,
        "patients": list(found.patients),
        "pairs": len(found.pairs),
        "balance": [vars(row) for row in found.balance],
        "largest_difference": {
            side: max((abs(one) for one in ones if one is not None), default=None) for side, ones in differences.items()
        },
        "endpoints": [
            {"endpoint": name, "before": _effect(outcomes[name]), "after": _effect(after[name])} for name in outcomes
        ],
    }


def _effect(arms: Sequence[Survival]) -> dict[str, Any]:
    """Hazard ratio of the second arm against the first, and both medians, the reference's last."""
    one, other = arms[1], arms[0]
    ratio, curves = hazard_ratio(one, other), [kaplan_meier(*side.analysed) for side in (one, other)]
    return {
        "hr": ratio.hr,
        "ci": list(ratio.ci),
        "mc_se": None if ratio.hr is None or ratio.mc_se is None else ratio.hr * ratio.mc_se,
        "p_logrank": ratio.p_logrank,
        "n": list(ratio.n),
        "events": list(ratio.events),
        "medians": [curve.median for curve in curves],
        "median_cis": [list(curve.median_interval()) for curve in curves],
        "reason": ratio.reason,
    }


def _json_safe(value: Any) -> Any:
    """The same, with plain numbers, lists for tuples and None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _json_safe(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(one) for one in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
