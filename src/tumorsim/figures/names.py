"""Words for the quantities of reported figures, and which of them share an axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tumorsim.figures.style import plain
from tumorsim.params.targets import read_quantity

_SUBJECTS = {
    "os": "OS",
    "css": "CSS",
    "rfs": "RFS",
    "ttr": "TTR",
    "ttr_paper": "TTR (paper's)",
    "pfs": "PFS",
    "ttp": "TTP",
    "pfs_mrecist": "PFS (mRECIST)",
    "ttp_mrecist": "TTP (mRECIST)",
    "resistance": "resistance",
    "resistant_regrowth": "resistant regrowth",
}
_STATISTICS = {
    "median": "median",
    "rmst": "restricted mean",
    "km_survival": "Kaplan-Meier",
    "crude_survival": "crude rate",
    "cumulative_incidence": "cumulative incidence",
    "events": "events",
    "rate": "rate",
    "hr": "HR",
    "rmst_difference": "restricted mean difference",
}
_OTHERS = {
    "deaths": "deaths",
    "deaths.tumour": "deaths of tumour",
    "deaths.other": "deaths of other causes",
    "deaths.other_fraction": "share of deaths not of tumour",
    "recurrences": "recurrences",
    "follow_up.median": "follow-up, median",
    "infusions.mean": "infusions, mean",
    "cells.mean": "cells infused, mean",
    "multiple.fraction": "multiple tumours",
    "diameter.median": "largest tumour, median",
    "matching.pairs": "matched pairs",
}
_RESPONSES = {
    "orr": "ORR",
    "dcr_best": "DCR, best response",
    "dcr_confirmed": "DCR, confirmed",
    "cr": "CR",
    "pr": "PR",
    "sd": "SD",
    "pd": "PD",
    "ne": "not evaluable",
}


@dataclass(frozen=True)
class Scale:
    """Targets that share one axis.

    Attributes
    ----------
    name
        Heading of the group.
    label
        Label of the axis, with its unit.
    factor
        From the number in the summary to the number shown.
    decimals
        Digits after the point; None: three significant ones.
    """

    name: str
    label: str
    factor: float = 1.0
    decimals: int | None = None


TIMES = Scale("Times", "Months", decimals=1)
RATIOS = Scale("Hazard ratios (below 1 favours the arm named)", "Hazard ratio (log scale)", decimals=2)
SHARES = Scale("Proportions", "%", factor=100.0, decimals=1)
COUNTS = Scale("Counts", "Patients", decimals=0)


def quantity_name(quantity: str) -> str:
    """``RFS crude rate at 9 y`` for ``rfs.crude_survival(9 y)``; the text itself when unknown."""
    name, _, bracket = plain(quantity).partition("(")
    times = [part.strip() for part in bracket.rstrip(")").split(",")] if bracket else []
    when = f", {times[0]} to {times[1]}" if len(times) == 2 else f" at {times[0]}" if times else ""
    if name in _OTHERS:
        return _OTHERS[name] + when
    subject, _, statistic = name.partition(".")
    if subject in _SUBJECTS and statistic in _STATISTICS:
        return f"{_SUBJECTS[subject]} {_STATISTICS[statistic]}{when}"
    criteria, _, response = statistic.partition(".")
    if subject == "response" and response in _RESPONSES:
        return f"{_RESPONSES[response]} ({ {'recist': 'RECIST', 'mrecist': 'mRECIST'}.get(criteria, criteria) })"
    return plain(quantity)


def target_name(target: Mapping[str, Any]) -> str:
    """The quantity of a target with its analysis and subgroup: ``RFS HR, matched, cirrhosis = yes``."""
    parts = [quantity_name(str(target["quantity"]))]
    if target.get("analysis") == "matched" and not str(target["quantity"]).startswith("matching."):
        parts.append("matched")
    if target.get("subgroup"):
        parts.append(plain(target["subgroup"]).replace("1e3/uL", "× 10³/µL"))
    return ", ".join(parts)


def scale_of(target: Mapping[str, Any]) -> Scale:
    """The axis a target belongs on."""
    unit = plain(target.get("unit") or "")
    try:
        quantity = read_quantity(str(target["quantity"]))
    except ValueError:
        return Scale(unit or "Others", unit or "in its own unit")
    rule = quantity.rule
    if rule.dimension == "duration":
        return TIMES
    if rule.scope == "comparison" and rule.dimension == "dimensionless":
        return RATIOS
    if rule.count:
        return COUNTS
    if rule.dimension == "dimensionless" and quantity.subject != "infusions.mean":
        return SHARES
    heading = quantity_name(str(target["quantity"])).capitalize()
    return Scale(heading, "" if unit == "1" else unit)


def shown(value: float | None, scale: Scale) -> str:
    """A number of a target as printed, e.g. ``25.4`` for 0.254 on the axis of percentages."""
    if value is None:
        return "–"
    number = float(value) * scale.factor
    return f"{number:.3g}" if scale.decimals is None else f"{number:,.{scale.decimals}f}"


def shown_with_interval(value: float | None, ends: Any, scale: Scale) -> str:
    """``0.72 (0.54–0.97)``, the interval alone when there is no value, or an en dash; an open end is ``n.r.``."""
    known = bool(ends) and not (ends[0] is None and ends[1] is None)
    low, high = ("n.r." if end is None else shown(end, scale) for end in ends) if known else ("", "")
    if value is None:
        return f"{low}–{high}" if known else "–"
    return shown(value, scale) + (f" ({low}–{high})" if known else "")
