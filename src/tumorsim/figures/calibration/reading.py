"""What several figures read from an outcome: parameters on their axes, particles, roles of targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import FigureError
from tumorsim.figures.calibration.base import Outcome
from tumorsim.figures.names import target_name
from tumorsim.figures.style import plain
from tumorsim.figures.targets import UNFITTED
from tumorsim.figures.ticks import compact, log_ticks
from tumorsim.params.targets import read_quantity

FloatArray = NDArray[np.float64]
Parameter = Mapping[str, Any]
Target = Mapping[str, Any]

MOST_PARAMETERS = 16
LOGARITHMIC = ("lognormal", "loguniform")
NORMAL_90 = 1.6448536269514722
# shrinkage of the posterior against the prior, from which a parameter counts as known
IDENTIFIABLE, WEAK = 0.5, 0.2


def numbers(values: Any) -> FloatArray:
    """Numbers as an array, NaN for those missing."""
    return np.array(
        [numbers(one) if isinstance(one, list | tuple) else np.nan if one is None else float(one) for one in values]
    )


def parameters_of(outcome: Outcome) -> Sequence[Parameter]:
    """The free parameters.

    Raises
    ------
    FigureError
        More than a figure can show.
    """
    found: Sequence[Parameter] = outcome["parameters"]
    if len(found) > MOST_PARAMETERS:
        raise FigureError(f"{len(found)} parameters are more than a figure can show; it shows {MOST_PARAMETERS}")
    return found


def label_of(parameter: Parameter) -> str:
    """What people call a parameter."""
    return plain(parameter["label"] or parameter["name"])


def with_unit(parameter: Parameter) -> str:
    """Label with the unit: ``CIK kill rate, 1/day``."""
    unit = plain(parameter["unit"] or "")
    return label_of(parameter) + (f", {unit}" if unit not in ("", "1") else "")


def is_log(parameter: Parameter) -> bool:
    """Whether the parameter lives on a logarithmic axis: where its prior does."""
    prior = parameter["prior"]
    low = prior["low"] if prior["low"] is not None else 1.0
    return prior["distribution"] in LOGARITHMIC and low > 0.0


def on_axis(parameter: Parameter, values: Any) -> FloatArray:
    """Values as the axis measures them: log10, or as they are; NaN where a log has none."""
    found = numbers(np.atleast_1d(np.asarray(values, dtype=object)).tolist())
    if not is_log(parameter):
        return found
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(found > 0.0, np.log10(found), np.nan)


def prior_density(parameter: Parameter, x: FloatArray) -> FloatArray | None:
    """Prior density over the axis of `on_axis`, to scale with its largest value; None if it is not known."""
    prior = parameter["prior"]
    low, high = on_axis(parameter, [prior["low"], prior["high"]])
    inside = (x >= low) & (x <= high) if np.isfinite([low, high]).all() else np.ones_like(x, dtype=bool)
    if prior["distribution"] in ("uniform", "loguniform"):
        return inside.astype(float)
    (centre,) = on_axis(parameter, [prior["median"]])
    spread = prior["spread"]
    if (
        prior["distribution"] not in ("normal", "lognormal")
        or spread is None
        or not (np.isfinite(centre) and spread > 0)
    ):
        return None
    if is_log(parameter):
        spread = spread / np.log(10.0)
    return np.where(inside, np.exp(-0.5 * ((x - centre) / spread) ** 2), 0.0)


def particles_of(outcome: Outcome, which: str) -> tuple[FloatArray, FloatArray]:
    """Particles of the posterior, shape (n, p), and their weights, which add up to one.

    ``which`` is ``adjusted`` (the accepted ones where there are no adjusted ones) or ``accepted``.
    """
    posterior = outcome["posterior"]
    chosen = posterior["adjusted"] if which == "adjusted" and posterior["adjusted"] else posterior["particles"]
    values = numbers(chosen)
    weights = np.ones(len(values)) if not posterior["weights"] else np.nan_to_num(numbers(posterior["weights"]))
    weights = np.maximum(weights, 0.0)
    return values, weights / weights.sum() if weights.sum() > 0.0 else np.full(len(values), 1.0 / len(values))


def knowledge(shrinkage: float | None) -> str:
    """``identifiable``, ``weakly``, ``not identifiable``, or an en dash: what the posterior adds to the prior."""
    if shrinkage is None:
        return "–"
    return "identifiable" if shrinkage >= IDENTIFIABLE else "weakly" if shrinkage >= WEAK else "not identifiable"


def ticks(parameter: Parameter, low: float, high: float, most: int = 3) -> tuple[list[float], list[str]]:
    """At most ``most`` round ticks between two ends of `on_axis`, with their texts."""
    from matplotlib.ticker import MaxNLocator

    if is_log(parameter):
        return log_ticks(low, high, most)
    even = [float(x) for x in MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= x <= high]
    return even, [compact(x) for x in even]


def role(target: Target) -> str:
    """``fitted``; ``not fitted`` (could be, and is a prediction); ``shown only`` (no fit may use it)."""
    if target["kind"] in UNFITTED:
        return "shown only"
    return "fitted" if (target["fit_weight"] or 0.0) > 0.0 else "not fitted"


def row_name(target: Target, outcome: Outcome) -> str:
    """Quantity with its analysis, arm and, of several studies, the study: ``RFS median, CIK``."""
    studies = outcome["studies"] or []
    labels = {(one["name"], arm["name"]): arm["label"] or arm["name"] for one in studies for arm in one["arms"] or ()}
    arm = target["arm"]
    name = target_name(target)
    if arm:
        name += f", {plain(labels.get((target['study'], arm), arm))}"
    if len(studies) > 1 and target["study"]:
        titles = {one["name"]: one["setting"] or one["name"] for one in studies}
        settings = [one["setting"] for one in studies]
        known = titles.get(target["study"], target["study"])
        name += f" [{plain(known if settings.count(known) == 1 else target['study'])}]"
    return name


def in_sampling_errors(target: Target, value: float | None) -> float:
    """(value - reported) / sampling error on the working scale, the error from the 90% interval at the fit.

    Times, rates and hazard ratios are compared by their logarithms (docs/theory/calibration.md).
    """
    ends = target["interval"] or (None, None)
    low, high, reported = (np.nan if x is None else float(x) for x in (*ends, target["reported"]))
    found = np.nan if value is None else float(value)
    if compares_logarithms(str(target["quantity"])):
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high, reported, found = (float(x) for x in np.log([low, high, reported, found]))
    sd = (high - low) / (2.0 * NORMAL_90)
    return (found - reported) / sd if np.isfinite(sd) and sd > 0.0 else float("nan")


def compares_logarithms(text: str) -> bool:
    """Whether a quantity is compared by its logarithm: times, rates, numbers of cells, hazard ratios."""
    try:
        quantity = read_quantity(text)
    except ValueError:
        return False
    rule = quantity.rule
    return quantity.statistic == "hr" or (rule.dimension in ("duration", "rate", "cells") and not rule.signed)


def footer_text(outcome: Outcome, brief: bool = False) -> str:
    """Evaluations, seed and, unless ``brief``, the log, for the lower edge."""
    made = sum(count or 0 for count in (outcome["evaluations"] or {}).values())
    seed = (outcome["provenance"] or {}).get("seed")
    parts = [f"{made:,} evaluations"] if made else []
    parts += [f"seed {plain(seed)[:20]}"] if seed is not None else []
    parts += [f"log {plain(outcome['log_digest'])[:12]}"] if outcome["log_digest"] and not brief else []
    return " · ".join(parts)
