"""The table of targets: each reported figure beside the simulated one and its predictive interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tumorsim.params.design import Matching
from tumorsim.params.targets import Quantity, Rule, Target
from tumorsim.statistics import predictive_interval
from tumorsim.statistics.resampling import LEVEL, RESAMPLES, rare_count_limit
from tumorsim.targets.reading import Reader, arms_of, simulate_quantity
from tumorsim.units import MONTH, YEAR
from tumorsim.variables import TrialData

_ROUNDING = 1e-9  # months become days and back

# internal unit -> unit of reports, by dimension
_UNITS = {
    "duration": ("month", 1.0 / MONTH),
    "rate": ("1/year", YEAR),
    "cells": ("cell", 1.0),
    "length": ("mm", 1e-3),
}


def _simulate(target: Target, reader: Reader, level: float) -> tuple[float, tuple[float, float] | None]:
    """Simulated value and predictive interval, internal units."""
    reader = reader.view(target.analysis, target.subgroup)
    quantity, arms, sampler, sizes = target.parsed, arms_of(target, reader.data.arms), reader.sampler, target.n
    simulated = simulate_quantity(quantity, arms, sizes, reader)
    if sizes is None or any(sampler.members[arm].size == 0 for arm in arms):
        return simulated, None
    draws = sampler.draws(arms, sizes)
    ends = predictive_interval(reader.read(quantity, arms, draws), level)
    if ends is not None and ends[0] == ends[1] and (quantity.rule.count or quantity.rule.fraction):
        patients = sum(sampler.members[arm].size for arm in arms)
        ends = _none_or_all(simulated, quantity, patients, sum(sizes), level) or ends
    return simulated, ends


def _none_or_all(value: float, quantity: Quantity, n: int, m: int, level: float) -> tuple[float, float] | None:
    """Interval of a count or a share of patients that nobody, or everybody, showed; else None."""
    whole = float(m) if quantity.rule.count else 1.0
    missed = rare_count_limit(n, m, level) * whole / m
    if value == 0.0:
        return 0.0, missed
    return (whole - missed, whole) if value == whole else None


def _json(value: float | None, factor: float) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value) * factor


def _pair(ends: tuple[float, float] | None, factor: float) -> list[float | None] | None:
    return None if ends is None else [_json(end, factor) for end in ends]


def shown_unit(rule: Rule) -> tuple[str, float]:
    """Unit in which people read a quantity, and the factor from the internal one."""
    return _UNITS.get(rule.dimension, ("patient" if rule.count else "1", 1.0))


def target_row(target: Target, simulated: float, ends: tuple[float, float] | None) -> dict[str, Any]:
    """One reported figure beside the simulated one, as `evaluate_targets` tells it; arguments in internal units."""
    rule = target.parsed.rule
    unit, factor = shown_unit(rule)
    low, high = target.reported_range or (target.reported, target.reported)
    slack = _ROUNDING * abs(target.reported)
    within = None if ends is None else bool(ends[0] <= high + slack and low - slack <= ends[1])
    agrees = None
    if np.isfinite(simulated) and target.tolerance is not None:
        agrees = bool(abs(simulated - target.reported) <= target.tolerance + slack)
    elif np.isfinite(simulated) and target.reported_range is not None:
        agrees = bool(low <= simulated <= high)
    return {
        "id": target.id,
        "quantity": target.quantity,
        "arm": target.arm,
        "analysis": target.analysis,
        "subgroup": target.subgroup,
        "reported": _json(target.reported, factor),
        "reported_ci": _pair(target.reported_ci, factor),
        "reported_range": _pair(target.reported_range, factor),
        "simulated": _json(simulated, factor),
        "interval": _pair(ends, factor),
        "within": within,
        "tolerance": _json(target.tolerance, factor),
        "within_tolerance": agrees,
        "n": None if target.n is None else list(target.n),
        "unit": unit,
        "kind": target.kind,
        "weight": target.weight,
        "source": target.source,
        "note": target.note,
    }


def evaluate_targets(
    targets: Sequence[Target],
    data: TrialData,
    seed: int,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    matching: Matching | None = None,
) -> list[dict[str, Any]]:
    """Each reported figure beside the simulated one; JSON-safe, times in months.

    Parameters
    ----------
    targets
        The targets of the scenario.
    data
        The finished trial.
    seed
        Seed of the scenario; keys the draws of the predictive intervals.
    resamples, level
        Studies drawn, and level of the interval.
    matching
        Of the scenario; needed by targets of a matched analysis.

    Returns
    -------
    list of dict
        ``simulated``: over all virtual patients, counts scaled to the study's
        ``n``. ``interval``: where a study of ``n`` patients would fall with
        probability ``level``; None without ``n``; an open end is None. ``within``:
        the reported value (any value of a reported range) lies in the interval.
        ``within_tolerance``: simulated and reported differ by at most
        ``tolerance``, or simulated lies in the reported range.
    """
    reader = Reader(data, seed, resamples, matching)
    return [target_row(target, *_simulate(target, reader, level)) for target in targets]
