"""The tables of a calibration's page, as rows of text; the template escapes every cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tumorsim.figures.calibration.base import Outcome
from tumorsim.figures.calibration.reading import (
    NORMAL_90,
    Target,
    compares_logarithms,
    knowledge,
    label_of,
    row_name,
)
from tumorsim.figures.calibration.rivals import same_window, window_title
from tumorsim.figures.calibration.screening import output_name
from tumorsim.figures.names import Scale, scale_of, shown, shown_with_interval
from tumorsim.figures.style import bare_p, number, scientific, superscript, with_interval
from tumorsim.figures.targets import verdict
from tumorsim.report.calibration.words import directions, spent, why
from tumorsim.report.tables import Cell, Table
from tumorsim.report.words import KINDS

MOST_FAILURES = 12
KNOWN = {"identifiable": "agrees", "weakly": "shown-only", "not identifiable": "disagrees", "–": "shown-only"}


def with_unit(text: str, scale: Scale) -> str:
    """A number of a target with its unit: ``44.0 months``, ``25.4%``; a hazard ratio has none."""
    if text == "–" or scale.label.startswith("Hazard"):
        return text
    unit = scale.label.lower()
    return f"{text}{'' if unit == '%' else ' '}{unit}".strip()


def register(outcome: Outcome) -> Table:
    """What was fitted to what: every figure with its sampling error and its part in the fit."""
    sources = source_list(outcome)
    rows = []
    for target in outcome["targets"]:
        scale = scale_of(target)
        ends = target["reported_ci"] or target["reported_range"]
        part = why(target)
        rows.append(
            (
                target["id"],
                row_name(target, outcome),
                with_unit(shown_with_interval(target["reported"], ends, scale), scale),
                " and ".join(f"{n:,}" for n in target["n"] or () if n is not None) or "–",
                sampling_error(target, scale),
                Cell(part, "agrees") if target["fit_weight"] else part,
                target["kind"],
                target["weight"] or "–",
                f"[{sources.index(str(target['source'])) + 1}]" if target["source"] else "–",
            )
        )
    head = ("No.", "Quantity", "Reported (95% CI or range)", "Patients", "Sampling error")
    used = [f"{kind}: {KINDS[kind]}" for kind in KINDS if any(t["kind"] == kind for t in outcome["targets"])]
    note = "Sampling error: one standard deviation over simulated studies of the reported size, at the fit. "
    note += "; ".join(used) + ("." if used else "")
    return Table(
        "Reported figures", (*head, "Part in the fit", "Kind", "Weight of source", "Source"), rows, (2, 3, 4), note
    )


def source_list(outcome: Outcome) -> list[str]:
    """Sources of the reported figures, each once."""
    return list(dict.fromkeys(str(one["source"]) for one in outcome["targets"] if one["source"]))


def target_notes(outcome: Outcome) -> list[tuple[str, str]]:
    """Notes on reported figures, each once."""
    return list(dict.fromkeys((str(one["id"]), str(one["note"])) for one in outcome["targets"] if one["note"]))


def sampling_error(target: Target, scale: Scale) -> str:
    """``±4.6``, or ``×/÷ 1.17`` where logarithms are compared."""
    low, high = target["interval"] or (None, None)
    if low is None or high is None:
        return "–"
    if compares_logarithms(str(target["quantity"])):
        return f"×/÷ {math.exp(math.log(high / low) / (2 * NORMAL_90)):.2f}" if low > 0 < high else "–"
    return f"±{shown((high - low) / (2 * NORMAL_90), Scale(scale.name, scale.label, scale.factor, 1))}"


def fit_table(outcome: Outcome) -> Table:
    """Reported beside the start, the fit, and studies that know the parameters no better than the posterior."""
    rows = []
    for target in outcome["targets"]:
        scale, judged = scale_of(target), verdict(target)
        rows.append(
            (
                target["id"],
                row_name(target, outcome),
                with_unit(shown(target["reported"], scale), scale),
                shown(target["start"], scale),
                shown_with_interval(target["simulated"], target["interval"], scale),
                shown_with_interval(None, target["interval_posterior"], scale),
                number(target["z"], 1).replace("-", "−"),
                Cell(judged, judged.replace(" ", "-")),
                _tolerance(target, scale),
            )
        )
    note = (
        "At the fit: on fresh seeds, with the interval within which 90% of studies of the reported size would fall. "
        "Distance: simulated less reported in sampling errors. A figure agrees when the reported value lies in the "
        "interval at the fit. n.r.: not reached."
    )
    head = ("No.", "Quantity", "Reported", "Start", "At the fit (90%)", "90% with parameter uncertainty")
    return Table(
        "Reported and fitted figures", (*head, "Distance", "Verdict", "Within tolerance"), rows, (2, 3, 4, 5, 6), note
    )


def _tolerance(target: Target, scale: Scale) -> str:
    """``yes (±8.0)``: whether the simulated value comes as close as was asked beforehand."""
    if target["within_tolerance"] is None:
        return "–"
    room = "" if target["tolerance"] is None else f" (±{shown(target['tolerance'], scale)})"
    return ("yes" if target["within_tolerance"] else "no") + room


def parameters_table(outcome: Outcome) -> Table:
    """Fitted value, posterior and prior intervals, and what the figures add."""
    rows = []
    for one in outcome["parameters"]:
        shrinkage, known = one["shrinkage"], knowledge(one["shrinkage"])
        rows.append(
            (
                label_of(one),
                _value(one["best"]),
                f"{_value(one['median'])} ({_between(one['interval'])})" if one["interval"] else "–",
                one["unit"] if one["unit"] not in (None, "", "1") else "–",
                "–" if shrinkage is None else f"{100 * shrinkage:.0f}%",
                Cell(known, KNOWN[known]),
            )
        )
    head = (
        "Parameter",
        "Fitted",
        "Posterior median (90%)",
        "Unit",
        "Shrinkage",
        "Known from the figures?",
    )
    note = "Fitted: the best point of the search. The posterior's median may differ from it."
    return Table("Free parameters", head, rows, (1, 2, 4), note)


def priors_table(outcome: Outcome) -> Table:
    """Where each parameter stands, what was held of it beforehand, and where the search began."""
    rows = [
        (
            label_of(one),
            one["path"] or "–",
            one["prior"]["text"] or one["prior"]["distribution"] or "–",
            _between(one["prior_interval"]) if one["prior_interval"] else "–",
            _value(one["start"]),
        )
        for one in outcome["parameters"]
    ]
    return Table("Priors", ("Parameter", "Where it stands", "Prior", "90% of the prior", "Start"), rows, (3, 4))


def _value(value: float | None) -> str:
    """Three significant digits, with a power of ten from 10⁴ on."""
    if value is None or abs(value) < 1e4:
        return "–" if value is None else scientific(float(f"{value:.3g}"))
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{float(mantissa):g} × 10{superscript(int(exponent))}"


def _between(ends: Sequence[float | None]) -> str:
    return "–".join("…" if end is None else _value(end) for end in ends)


def directions_table(outcome: Outcome) -> Table | None:
    """Combinations of parameters from the best known to the least."""
    rows = [
        (f"{index}", text, "–" if shrinkage is None else f"{100 * shrinkage:.0f}%", says)
        for index, (text, shrinkage, says) in enumerate(directions(outcome), 1)
    ]
    note = (
        "Independent directions of the posterior, in prior standard deviations: the parameters move together as the "
        "arrows say. Those with a small part are left out."
    )
    head = ("", "Moving together", "Shrinkage", "What the figures say")
    return Table("What is known in combination", head, rows, (2,), note) if rows else None


def screening_table(outcome: Outcome) -> Table:
    """Effects on the first output, the strongest first."""
    found = outcome["screening"]
    rows = []
    strength = found["mu_star"][0]
    halves, sigmas = (found[key][0] if found[key] else [None] * len(strength) for key in ("mu_star_ci", "sigma"))
    for parameter, value, half, sigma in sorted(
        zip(outcome["parameters"], strength, halves, sigmas, strict=True), key=lambda row: -(row[1] or 0.0)
    ):
        text = "–" if value is None else f"{value:.2f}" + ("" if half is None else f" ± {half:.2f}")
        rows.append((label_of(parameter), text, number(sigma)))
    output = output_name(str(found["outputs"][0]))
    return Table(f"Screening: effect on the {output}", ("Parameter", "µ* (95% interval)", "σ"), rows, (1, 2))


def populations_table(outcome: Outcome) -> Table | None:
    """The populations of the sequential sampler."""
    rows = [
        (
            "–" if one["t"] is None else f"{one['t']:.0f}",
            number(one["epsilon"]),
            "–" if one["evaluations"] is None else f"{one['evaluations']:,}",
            "–" if one["acceptance"] is None else f"{100 * one['acceptance']:.1f}%",
        )
        for one in outcome["posterior"]["populations"] or ()
    ]
    head = ("Population", "Largest distance accepted", "Simulated studies", "Accepted")
    return Table("Populations of the posterior", head, rows, (1, 2, 3)) if rows else None


def recovery_table(outcome: Outcome) -> Table:
    """Coverage and ranks of every parameter."""
    labels = {one["name"]: label_of(one) for one in outcome["parameters"]}
    found = outcome["recovery"]
    level = 0.9 if found["level"] is None else found["level"]
    rows = []
    for one in found["parameters"]:
        scaled = [None if end is None else 100 * end for end in one["coverage_ci"] or (None, None)]
        covered = "–" if one["coverage"] is None else with_interval(100 * one["coverage"], scaled, 0)
        shrinkage = "–" if one["shrinkage"] is None else f"{100 * one['shrinkage']:.0f}%"
        rows.append((labels.get(one["name"], one["name"]), covered, bare_p(one["rank_p"]), shrinkage))
    head = (
        "Parameter",
        f"Truths inside the {100 * level:.0f}% interval, % (95% CI)",
        "P, ranks spread evenly",
        "Shrinkage",
    )
    return Table("Recovery of known parameters", head, rows, (1, 2, 3))


def rivals_table(outcome: Outcome) -> Table:
    """The fit and its rivals: what was changed, and what it costs."""
    fresh = [one for one in (outcome["loss"] or {}).get("fresh") or () if one is not None]
    own = sum(fresh) / len(fresh) if fresh else (outcome["loss"] or {}).get("best")
    rows: list[tuple[Any, ...]] = [("The fit", "–", "–", number(own), "–")]
    for one in outcome["rivals"]:
        more = "–" if own is None or one["loss"] is None else f"{one['loss'] - own:+.2f}".replace("-", "−")
        changed = "; ".join(one["settings"] or ()) or "–"
        refitted = {True: "yes", False: "no"}.get(one["refitted"], "–")
        rows.append((one["label"] or one["name"], changed, refitted, number(one["loss"]), more))
    note = "Loss on fresh seeds, lower is better; a rival fitted again may use every free parameter it has."
    return Table(
        "The fit and its rivals",
        ("Mechanism", "Changed", "Fitted again", "Loss", "Against the fit"),
        rows,
        (3, 4),
        note,
    )


def windows_table(outcome: Outcome) -> Table | None:
    """Hazard ratios by window: the fit, then every rival; None when nothing was predicted."""
    models = [("The fit", outcome["windows"] or [])]
    models += [(str(one["label"] or one["name"]), one["windows"] or []) for one in outcome["rivals"] or ()]
    held = [(label, {same_window(one): one for one in rows}) for label, rows in models if rows]
    keys = list(dict.fromkeys(key for _, own in held for key in own))
    if not keys:
        return None
    rows = []
    for key in keys:
        first = next(own[key] for _, own in held if key in own)
        rows.append((window_title(first), *(_ratio(own.get(key)) for _, own in held)))
    note = (
        "Monte-Carlo standard error in square brackets. After the first window only those still free of the event are "
        "compared, and the treatments have selected them: these are no longer the arms as randomised."
    )
    return Table(
        "Hazard ratios by window of time (90% interval)",
        ("End point and window", *(label for label, _ in held)),
        rows,
        tuple(range(1, len(held) + 1)),
        note,
    )


def _ratio(window: Mapping[str, Any] | None) -> str:
    if window is None or window["hr"] is None:
        return "–"
    ends = window["interval"] or window["ci"]
    text = with_interval(window["hr"], ends, 2) if ends and None not in ends else number(window["hr"])
    return text + ("" if window["mc_se"] is None else f" [{number(window['mc_se'], 3)}]")


def cost_table(outcome: Outcome) -> Table | None:
    """Evaluations and time of every stage."""
    made, seconds = outcome["evaluations"] or {}, outcome["seconds"] or {}
    rows = []
    for stage in dict.fromkeys([*made, *seconds]):
        count, time = made.get(stage), seconds.get(stage)
        each = "–" if not count or time is None else f"{time / count:.2f} s"
        rows.append((stage, "–" if count is None else f"{count:,}", "–" if time is None else spent(time), each))
    if not rows:
        return None
    times = [time for time in seconds.values() if time is not None]
    counts = [count for count in made.values() if count is not None]
    rows.append(("all", f"{sum(counts):,}", spent(sum(times)) if times else "–", "–"))
    return Table("What it cost", ("Stage", "Evaluations", "Time", "Each"), rows, (1, 2, 3))


def failures_table(outcome: Outcome) -> Table | None:
    """Evaluations that could not be made; each counted as a loss."""
    failures = outcome["failures"] or []
    rows = [
        (one["stage"] or "–", "–" if one["index"] is None else f"{one['index']}", one["message"] or "–")
        for one in failures[:MOST_FAILURES]
    ]
    note = f"The first {MOST_FAILURES} of {len(failures):,}." if len(failures) > MOST_FAILURES else ""
    return (
        Table(f"Failed evaluations: {len(failures):,}", ("Stage", "Number", "Why"), rows, (1,), note) if rows else None
    )
