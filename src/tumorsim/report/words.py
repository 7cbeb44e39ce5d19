"""The sentences of the page: what was done, what came out, how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tumorsim.endpoints import observed_time
from tumorsim.figures.base import StudyView
from tumorsim.figures.curves import endpoint_title, pick_endpoint
from tumorsim.figures.style import number, p_value
from tumorsim.figures.targets import verdict
from tumorsim.units import MONTH

NOTICE = "Hypothesis-generating simulation: not for clinical use."


def count(n: int, one: str, many: str = "") -> str:
    """``1 patient``, ``2,000 patients``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(parts: list[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def in_short(view: StudyView) -> list[str]:
    """The result in two or three sentences, from the summary alone."""
    summary = view.summary
    said = [f"{count(view.data.size, 'virtual patient')}, {_allocation(view)}."]
    if view.curves:
        endpoint = pick_endpoint(view, None)
        medians = [_median(arm, endpoint) for arm in summary["arms"]]
        said.append(f"{endpoint_title(endpoint)}: median {listed(medians)}.")
        said += [_ratio(view, row) for row in summary["comparisons"] if row["endpoint"] == endpoint]
    if summary.get("targets"):
        said.append(agreement(summary["targets"]))
    return said


def _allocation(view: StudyView) -> str:
    if len(view.data.arms) == 1:
        return "in one arm"
    return {
        "twins": "each of whom enters every arm with the same biology and the same luck",
        "observational": "each in one arm and not randomised",
    }.get(view.data.allocation, "randomised between the arms")


def _median(arm: Mapping[str, Any], endpoint: str) -> str:
    found = arm["endpoints"].get(endpoint, {})
    median = found.get("median")
    shown = "not reached" if median is None else f"{median:.1f} months"
    return f"{shown} with {arm['label']}"


def _ratio(view: StudyView, row: Mapping[str, Any]) -> str:
    labels = dict(zip(view.data.arms, view.data.labels, strict=True))
    who = f"{labels[row['arm']]} against {labels[row['reference']]}"
    if row["hr"] is None:
        return f"{who}: no hazard ratio, {row.get('reason') or 'too few events'}."
    ratio = f"hazard ratio {row['hr']:.2f} (95% CI {number(row['ci'][0])}–{number(row['ci'][1])})"
    return (
        f"{who}: {ratio}, Monte-Carlo standard error {number(row['mc_se'], 3)}, log-rank {p_value(row['p_logrank'])}."
    )


def agreement(targets: Any) -> str:
    """How many reported figures the simulation meets."""
    found = [verdict(target) for target in targets]
    agree, disagree = found.count("agrees"), found.count("disagrees")
    compared = f"Of {count(agree + disagree, 'reported figure')} compared, {agree} agree and {disagree} disagree"
    rest = found.count("shown only")
    return compared + (f"; {rest} more are shown only." if rest else ".")


def follow_up(view: StudyView) -> list[str]:
    """Median time under observation by arm, months."""
    said = []
    for arm, label in enumerate(view.data.labels):
        time, included = observed_time(view.data, arm)
        if included.any():
            low, middle, high = np.percentile(time[included] / MONTH, (25.0, 50.0, 75.0))
            said.append(f"{label}: median {middle:.1f} months (interquartile range {low:.1f}–{high:.1f})")
    return said


def failures(view: StudyView) -> str:
    """How many patients could not be integrated to the end."""
    status = np.asarray(view.data.arrays["status"])
    assigned = np.asarray(view.data.arrays["assigned"]) == 1
    failed = int(((status != 0) & assigned).sum())
    total = int(assigned.sum())
    if not failed:
        return f"All {total:,} courses (patients × arms) were integrated to the end."
    return (
        f"{failed:,} of {total:,} courses (patients × arms) could not be integrated to the end and are censored there; "
        "see `status` and `failure_time` in the result file."
    )


def fitted_statement(fitted: int) -> str:
    """What agreement between simulated and reported figures can and cannot mean, given the fitted parameters."""
    if fitted:
        return (
            f"{count(fitted, 'parameter')} of this scenario {'was' if fitted == 1 else 'were'} fitted. Figures of kind "
            "CAL and SOFT may have been used in that fit, so agreement with them is no test; the others are "
            "predictions."
        )
    return (
        "No parameter of this scenario is marked as fitted: every simulated figure follows from measured and assumed "
        "values. Some assumed values were set by hand with figures like these in view, so agreement is not evidence "
        "that the mechanism is right."
    )


KINDS = {
    "CAL": "may be fitted by a calibration",
    "SOFT": "may be fitted, with a wide tolerance",
    "CON": "contradicts other figures of its source: shown, never fitted",
    "IN": "a setting of the study, not an outcome",
    "Q": "a qualitative statement",
}

LIMITATIONS = (
    "Virtual patients are not patients. The page shows what follows from the scenario's assumptions, and a wrong "
    "assumption gives a precise wrong answer.",
    "Confidence intervals describe a trial of this many independent patients. They do not contain the uncertainty of "
    "the parameters or of the model's form, which is larger.",
    "More virtual patients make the Monte-Carlo error smaller; they do not make the answer truer. P values fall with "
    "the number simulated and carry no evidence about people.",
    "Subgroups are exploratory and many; some will differ by chance.",
    "Curves near the end of follow-up rest on few patients; read the numbers at risk below them.",
)
