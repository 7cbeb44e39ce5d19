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

    Returns
    -------
    dict
        Keys ``scenario``, ``title``, ``seed``, ``patients``, ``allocation``,
        ``setting``, ``arms``, ``comparisons``, ``targets``; the members are listed
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
        "targets": evaluate_targets(targets, data, seed),
    }
    return _json_safe(summary)  # type: ignore[no-any-return]


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
