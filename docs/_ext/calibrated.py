"""Writes docs/credibility/calibrated.md from the outcomes kept beside the calibration files.

    python docs/_ext/calibrated.py

``tumorsim calibrate`` leaves ``short.json`` in its output folder; kept as
``scenarios/calibrations/NAME.outcome.json`` it is what this page and the library's
fitted values are checked against.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOME = ROOT / "scenarios" / "calibrations"
PAGE = ROOT / "docs" / "credibility" / "calibrated.md"
ORDER = ("hcc_adjuvant_cik", "hcc_sorafenib", "hcc_sorafenib_cik")
TOP = """\
# What the calibrations gave

Written by `python docs/_ext/calibrated.py` from the outcomes in `scenarios/calibrations/`; how they were made is told
in [Calibration](../theory/calibration.md) and [Posterior](../theory/posterior.md). Simulated figures are those of the
best point, with many patients, on seeds that no search has seen. The interval is where nine in ten studies of the
published size would fall if the model with these values were right; *with parameters* it also holds what the
posterior leaves open. Distance is in sampling errors of the published study. Figures without a weight were not
fitted.
"""


def outcomes() -> list[dict[str, Any]]:
    """The outcomes that are kept, in the order in which the calibrations build on one another."""
    found = [HOME / f"{name}.outcome.json" for name in ORDER]
    return [json.loads(path.read_text(encoding="utf-8")) for path in found if path.exists()]


def number(value: float | None, unit: str = "") -> str:
    """A figure as people write it."""
    if value is None:
        return "–"
    if unit == "month":
        return f"{value:.1f}"
    return f"{value:.0f}" if unit == "patient" else f"{value:.3g}"


def span(ends: list[float | None] | None, unit: str = "") -> str:
    """Both ends of an interval; an open end is not reached."""
    if ends is None:
        return ""
    return " – ".join("n.r." if end is None else number(end, unit) for end in ends)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "| " + " | ".join(["---"] * len(head)) + " |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def parameters(told: dict[str, Any]) -> str:
    """Prior, fitted value, interval."""
    rows = [
        [
            f"`{p['path']}`", p["unit"], f"{p['prior']['median']:.3g} ({span(p['prior_interval'])})", number(p["best"]),
            number(p["median"]), span(p["interval"]), "" if p["shrinkage"] is None else f"{p['shrinkage']:.0%}",
        ]
        for p in told["parameters"]
    ]  # fmt: skip
    head = [
        "parameter",
        "unit",
        "prior median (90 %)",
        "best point",
        "posterior median",
        "90 % interval",
        "narrowed by",
    ]
    return table(head, rows)


def targets(told: dict[str, Any]) -> str:
    """Reported beside simulated."""
    rows = []
    for t in told["targets"]:
        unit = t["unit"]
        reported = number(t["reported"], unit)
        around = t["reported_ci"] or t["reported_range"]
        rows.append(
            [
                t["id"], f"`{t['quantity']}`" + (", months" if unit == "month" else ""), t["arm"] or "all",
                f"{reported} ({span(around, unit)})" if around else reported,
                f"{t['fit_weight']:g}" if t["fit_weight"] else "shown",
                number(t["simulated"], unit), span(t["interval"], unit), span(t["interval_posterior"], unit),
                "" if t["z"] is None else f"{t['z']:+.1f}",
            ]
        )  # fmt: skip
    head = ["id", "quantity", "arm", "reported", "weight", "simulated", "interval", "with parameters", "distance"]
    return table(head, rows)


def windows(told: dict[str, Any]) -> str:
    """Hazard ratios that no fit has seen, of the fit and of its rivals."""
    columns = [("fit", told["windows"])] + [(r["label"], r["windows"]) for r in told["rivals"] or ()]
    rows = []
    for k, w in enumerate(told["windows"] or ()):
        last = "on" if w["to"] is None else f"{w['to']:.0f}"
        name = f"{w['endpoint'].upper()}, months {w['from']:.0f} to {last}"
        cells = [f"{c[k]['hr']:.2f} ({span(c[k]['interval'])})" if c[k]["hr"] else "–" for _, c in columns]
        rows.append([name, *cells])
    return table(["hazard ratio", *(name for name, _ in columns)], rows) if rows else ""


def rivals(told: dict[str, Any]) -> str:
    """How the rivals meet the fitted figures."""
    if not told["rivals"]:
        return ""
    fitted = [k for k, t in enumerate(told["targets"]) if t["fit_weight"]]
    ones = told["rivals"]
    rows = [
        [told["targets"][k]["id"], f"`{told['targets'][k]['quantity']}`", told["targets"][k]["arm"] or "all",
         _signed(told["targets"][k]["z"]), *(_signed(one["z"][k]) for one in ones)]
        for k in fitted
    ]  # fmt: skip
    heads = [f"{one['label']}{', fitted again' if one['refitted'] else ''}" for one in ones]
    return "Distance in sampling errors of every fitted figure:\n\n" + table(
        ["id", "quantity", "arm", "fit", *heads], rows
    )


def _signed(z: float | None) -> str:
    return "" if z is None else f"{z:+.1f}"


def recovery(told: dict[str, Any]) -> str:
    """Coverage of the intervals on simulated studies."""
    found = told["recovery"]
    if not found:
        return "Not run.\n"
    rows = [
        [p["name"], f"{p['coverage']:.2f} ({span(p['coverage_ci'])})", number(p["rank_p"]), f"{p['shrinkage']:.0%}"]
        for p in found["parameters"]
    ]
    head = [
        "parameter",
        f"share of {found['level']:.0%} intervals that hold the truth",
        "P of uniform ranks",
        "narrowed by",
    ]
    return f"{found['method']}; {found['datasets']} datasets.\n\n" + table(head, rows)


def section(told: dict[str, Any]) -> str:
    """One calibration."""
    seconds = told["seconds"]
    counts = ", ".join(f"{stage} {count:,}" for stage, count in told["evaluations"].items())
    times = ", ".join(f"{stage} {time / 60:.0f} min" for stage, time in seconds.items() if time >= 30)
    lines = [
        f"## {told['title']}\n",
        f"`scenarios/calibrations/{told['name']}.yaml`; configuration `{told['config_digest'][:16]}`, "
        f"log `{told['log_digest'][:16]}`. Simulations: {counts}. Time on {told['provenance'].get('threads', '?')} "
        f"threads of a shared machine: {times}. Failed: {len(told['failures'])}.\n",
        "### Parameters\n", parameters(told),
        "### Figures\n", targets(told),
        "**What remains**\n", *(f"- {line}" for line in told["residuals"]), "",
    ]  # fmt: skip
    if told["windows"]:
        lines += ["### Predictions, and rival mechanisms\n", windows(told), rivals(told)]
    lines += ["### Recovery\n", recovery(told)]
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    return "\n".join([TOP, *map(section, outcomes())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
