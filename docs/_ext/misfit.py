"""Writes ``docs/credibility/misfit.md``: both scenarios run, simulated beside reported.

    python docs/_ext/misfit.py

takes about a minute. A test compares the fingerprints on the page with the scenario files, so
the page cannot outlive a change of a number.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tumorsim import api, summary
from tumorsim.scenario import Scenario, load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "credibility" / "misfit.md"
SCENARIOS = ("hcc_adjuvant_cik_rct", "hcc_sorafenib_cik")
# figures that were looked at while parameters were set by hand
LOOKED_AT = {
    "hcc_adjuvant_cik_rct": {"R-1", "R-2", "R-3", "R-4", "R-5", "R-7", "R-8", "R-9", "R-12", "R-13"},
    "hcc_sorafenib_cik": {"S-1", "S-2", "S-3", "SHARP-1", "SHARP-2"},
}
REASONS = {
    "R-7": "Medians move in steps of the visits, three to six months; read the interval.",
    "R-12": "Survival after recurrence is too short: treatment is chosen without regard to liver or interval "
    "([Salvage](../theory/salvage.md)), and tumour also wears out the liver ([L1](../theory/liver.md)).",
    "R-13": "Deaths without recurrence and after late recurrences, alike in both arms, dilute it.",
    "R-15": "The effect on recurrence fades after two years, and so does that on the deaths that follow.",
    "R-17": "Survival after recurrence is too short, as R-12.",
    "S-1": "The median of the combination is short of its range although the hazard ratio is near: the gain "
    "comes late, in small burdens.",
    "S-4": "As S-5.",
    "S-5": "SHARP reports more stable disease than this page claims disease control; both cannot be met.",
    "SHARP-3": "No mechanism shrinks a tumour by 30 % under sorafenib alone.",
    "SHARP-4": "Best response counts every stable first visit; SHARP's figure is an independent review's.",
    "R-6": "Never fitted: the reported counts are impossible.",
    "R-14": "Never fitted: the reported proportions contradict the deaths.",
    "R-16": "Never fitted: the reported proportions contradict the hazard ratio.",
}
TOP = """\
# Misfit

Both scenarios as shipped, 500 virtual patients in every arm, simulated beside reported.
Written by `python docs/_ext/misfit.py`; a test fails when a number has changed since.

*Interval*: 90 % predictive interval of a study of the published size.
*Verdict*: whether the reported figure (any of a range) lies inside;
tolerance is the difference that the scenario allows.
*Looked at*: seen while parameters were set by hand; agreement says nothing.
Kinds and contradictions: [Targets](targets.md).
"""
UNTREATED = """\
## Without treatment

The sorafenib scenario with a dose of zero, against the placebo arm of SHARP; both were looked at.

| median, months | reported | simulated |
| --- | --- | --- |
| survival | 7.9 | {os:.1f} |
| time to progression | 2.8 | {ttp:.1f} |
"""


def without_words(tree: Any) -> Any:
    """A resolved scenario without what only people read."""
    if isinstance(tree, dict):
        words = ("source", "status", "note", "range", "interval", "title", "description", "label")
        return {key: without_words(child) for key, child in tree.items() if key not in words}
    return [without_words(child) for child in tree] if isinstance(tree, list) else tree


def fingerprint(scenario: Scenario) -> str:
    """SHA-256 of every number that the simulation and the comparison see."""
    tree = without_words(json.loads(scenario.resolved_text))
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def number(value: float | None, unit: str) -> str:
    """A figure as people write it, months with one decimal."""
    if value is None:
        return "–"
    if unit == "month":
        return f"{value:.1f}"
    return f"{value:.0f}" if unit == "patient" else f"{value:.3g}"


def span(ends: list[float | None] | None, unit: str) -> str:
    """Both ends of an interval."""
    return "" if ends is None else f"{number(ends[0], unit)} – {number(ends[1], unit)}"


def missed(row: dict[str, Any]) -> bool:
    """Whether the simulated figure is outside of what was asked."""
    return row["within"] is False or row["within_tolerance"] is False


def line(row: dict[str, Any], looked_at: set[str]) -> str:
    """One row of a table."""
    unit = row["unit"]
    reported = number(row["reported"], unit)
    around = row["reported_ci"] or row["reported_range"]
    inside = {True: "inside", False: "**outside**", None: ""}[row["within"]]
    cells = (
        row["id"],
        f"`{row['quantity']}`" + (", months" if unit == "month" else ""),
        row["arm"] or "both",
        f"{reported} ({span(around, unit)})" if around else reported,
        number(row["simulated"], unit),
        span(row["interval"], unit),
        inside + {False: ", **beyond tolerance**"}.get(row["within_tolerance"], ""),
        "yes" if row["id"] in looked_at else "no",
    )
    return f"| {' | '.join(cells)} |"


def told(scenario: Scenario) -> dict[str, Any]:
    """Summary of a run."""
    data = api.simulate(scenario, threads=2)
    return summary.build(data, scenario.name, scenario.title, scenario.seed, scenario.endpoints, scenario.targets)


def section(name: str) -> str:
    """Table of one scenario, and what is missed."""
    scenario = load(ROOT / "scenarios" / f"{name}.yaml")
    rows = told(scenario)["targets"]
    head = "| id | quantity | arm | reported | simulated | interval | verdict | looked at |"
    lines = [
        f"## {scenario.title}\n",
        f"`scenarios/{name}.yaml`, fingerprint `{fingerprint(scenario)[:16]}`\n",
        head,
        "| --- " * 8 + "|",
        *(line(row, LOOKED_AT[name]) for row in rows),
        "",
    ]
    gaps = list(dict.fromkeys(row["id"] for row in rows if missed(row)))
    if gaps:
        lines += ["**Missed**\n", *(f"- {gap}: {REASONS.get(gap, 'not explained yet.')}" for gap in gaps), ""]
    return "\n".join(lines)


def untreated() -> str:
    """Medians of the sorafenib arm with a dose of zero."""
    path = ROOT / "scenarios" / "hcc_sorafenib_cik.yaml"
    arms = "arms=[{name: nothing, treatments: []}]"
    endpoints = told(load(path, [arms, "targets=[]"]))["arms"][0]["endpoints"]
    return UNTREATED.format(os=endpoints["os"]["median"], ttp=endpoints["ttp"]["median"])


def main() -> None:
    """Run and write."""
    PAGE.write_text("\n".join([TOP, *map(section, SCENARIOS), untreated()]), encoding="utf-8")


if __name__ == "__main__":
    main()
