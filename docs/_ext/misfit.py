"""Writes ``docs/credibility/misfit.md``: the randomised trials run, simulated beside reported.

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
from tumorsim.calibration.config import load_calibration
from tumorsim.scenario import Scenario, load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "credibility" / "misfit.md"
SCENARIOS = ("hcc_adjuvant_cik_rct", "hcc_sorafenib_placebo", "hcc_sorafenib_cik")
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
    "SHARP-2": "Images every twelve weeks here, every six in SHARP, and milder patients.",
    "SHARP-3": "No mechanism shrinks a tumour by 30 % under sorafenib alone.",
    "SHARP-8": "Nothing shrinks an untreated tumour; 1 % is error of measurement, or chance.",
    "SHARP-4": "Hangs on the first image: at six weeks every stable visit counts here, SHARP had reviewers; at twelve "
    "(the combination) fewer are still stable.",
    "R-6": "Never fitted: the reported counts are impossible.",
    "R-14": "Never fitted: the reported proportions contradict the deaths.",
    "R-16": "Never fitted: the reported proportions contradict the hazard ratio.",
}
TOP = """\
# Misfit

The randomised trials as shipped, 500 virtual patients in every arm, simulated beside reported.
Written by `python docs/_ext/misfit.py`; a test fails when a number has changed since.

*Interval*: 90 % predictive interval of a study of the published size.
*Verdict*: whether the reported figure (any of a range) lies inside;
tolerance is the difference that the scenario allows.
*Fitted*: has a weight in a calibration, so that agreement says nothing; the others were seen
while it was made. What many patients on fresh seeds give: [What the calibrations gave](calibrated.md).
Kinds and contradictions: [Targets](targets.md).
"""


def without_words(tree: Any) -> Any:
    """A resolved scenario without what only people or the lattice (the depot of a procedure) read."""
    if isinstance(tree, dict):
        words = ("source", "status", "note", "range", "interval", "title", "description", "label", "depot")
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


def line(row: dict[str, Any], fitted: set[str]) -> str:
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
        "yes" if row["id"] in fitted else "no",
    )
    return f"| {' | '.join(cells)} |"


def fitted(name: str) -> set[str]:
    """Figures of a scenario that have a weight in any calibration."""
    found = [load_calibration(path) for path in (ROOT / "scenarios" / "calibrations").glob("*.yaml")]
    studies = [study for made in found for study in made.studies if Path(study.scenario).stem == name]
    return {target for study in studies for target, weight in study.fit.items() if weight > 0}


def told(scenario: Scenario) -> dict[str, Any]:
    """Summary of a run."""
    data = api.simulate(scenario, threads=2)
    return summary.build(data, scenario.name, scenario.title, scenario.seed, scenario.endpoints, scenario.targets)


def section(name: str) -> str:
    """Table of one scenario, and what is missed."""
    scenario = load(ROOT / "scenarios" / f"{name}.yaml")
    rows = told(scenario)["targets"]
    head = "| id | quantity | arm | reported | simulated | interval | verdict | fitted |"
    lines = [
        f"## {scenario.title}\n",
        f"`scenarios/{name}.yaml`, fingerprint `{fingerprint(scenario)[:16]}`\n",
        head,
        "| --- " * 8 + "|",
        *(line(row, fitted(name)) for row in rows),
        "",
    ]
    gaps = list(dict.fromkeys(row["id"] for row in rows if missed(row)))
    if gaps:
        lines += ["**Missed**\n", *(f"- {gap}: {REASONS.get(gap, 'not explained yet.')}" for gap in gaps), ""]
    return "\n".join(lines)


def main() -> None:
    """Run and write."""
    PAGE.write_text("\n".join([TOP, *map(section, SCENARIOS)]), encoding="utf-8")


if __name__ == "__main__":
    main()
