"""The tables of the page, as rows of text; the template escapes every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorsim.endpoints.survival import follow_up
from tumorsim.figures.base import StudyView
from tumorsim.figures.curves import endpoint_title
from tumorsim.figures.names import scale_of, shown_with_interval, target_name
from tumorsim.figures.style import bare_p, number, scientific, with_interval
from tumorsim.figures.targets import arm_name, verdict
from tumorsim.params.design import COVARIATE_LABELS
from tumorsim.report.resolved import ABSENT, STATUSES, ParameterRow
from tumorsim.report.words import KINDS
from tumorsim.variables import variable


@dataclass(frozen=True)
class Cell:
    """A cell with a class of its own, e.g. the verdict's colour."""

    text: str
    kind: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """One table: the first column heads its rows; ``numeric`` columns are aligned right."""

    caption: str
    head: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    numeric: tuple[int, ...] = ()
    note: str = ""


def labels_of(view: StudyView) -> dict[str, str]:
    """Label of each arm by name."""
    return dict(zip(view.data.arms, view.data.labels, strict=True))


def targets_table(view: StudyView) -> Table | None:
    """Reported figures beside simulated ones; None when the study names none."""
    targets = view.summary.get("targets") or []
    sources = list(dict.fromkeys(str(t["source"]) for t in targets))
    rows = []
    for target in targets:
        scale, judged = scale_of(target), verdict(target)
        ends = target.get("reported_ci") or target.get("reported_range")
        rows.append(
            (
                target["id"],
                target_name(target),
                arm_name(target, view) or "all",
                shown_with_interval(target.get("reported"), ends, scale),
                shown_with_interval(target.get("simulated"), target.get("interval"), scale),
                {"%": "%", "Months": "months"}.get(
                    scale.label, "" if scale.label.startswith("Hazard") else scale.label.lower()
                ),
                Cell(judged, judged.replace(" ", "-")),
                target["kind"],
                target["weight"],
                f"[{sources.index(str(target['source'])) + 1}]",
            )
        )
    if not rows:
        return None
    used = [f"{kind}: {KINDS[kind]}" for kind in KINDS if any(t["kind"] == kind for t in targets)]
    head = ("No.", "Quantity", "Arm", "Reported (95% CI or range)", "Simulated (90% interval)", "Unit")
    return Table(
        "Reported and simulated figures",
        (*head, "Verdict", "Kind", "Weight of source", "Source"),
        rows,
        (3, 4),
        "; ".join(used) + ". n.r.: not reached.",
    )


def target_sources(view: StudyView) -> list[tuple[str, str]]:
    """Sources of the reported figures with the ids they stand for and their evidential weight."""
    ids: dict[str, list[str]] = {}
    weights: dict[str, list[str]] = {}
    for target in view.summary.get("targets") or []:
        ids.setdefault(str(target["source"]), []).append(str(target["id"]))
        weights.setdefault(str(target["source"]), []).append(str(target["weight"]))
    return [
        (source, f"{', '.join(dict.fromkeys(names))}; weight: {', '.join(dict.fromkeys(weights[source]))}")
        for source, names in ids.items()
    ]


def target_notes(view: StudyView) -> list[tuple[str, str]]:
    """Notes on reported figures, with their ids."""
    return [(str(t["id"]), str(t["note"])) for t in view.summary.get("targets") or [] if t.get("note")]


def patients_table(view: StudyView) -> Table:
    """Covariates at randomisation, by arm when randomised."""
    twins = view.data.allocation == "twins"
    arms = [0] if twins else list(range(len(view.data.arms)))
    members = [follow_up(view.data, arm)[1] for arm in arms]
    head = ["All arms"] if twins else [view.data.labels[arm] for arm in arms]
    head = [f"{name} (n = {int(chosen.sum()):,})" for name, chosen in zip(head, members, strict=True)]
    rows: list[tuple[Any, ...]] = []
    for name in ("age", "weight", "platelets", "index_diameter"):
        unit = variable(name).unit.replace("1e3/uL", "10³/µL").replace("year", "years")
        rows.append((f"{_plain_name(name)}, {unit}: median (IQR)", *(_quartiles(view, name, m) for m in members)))
    for name in ("male", "hbv", "cirrhosis"):
        rows.append((_plain_name(name), *(_share(view, name, lambda x: x == 1, m) for m in members)))
    rows.append(("Child-Pugh class A", *(_share(view, "child_pugh", lambda x: x == 0, m) for m in members)))
    rows.append(("Single tumour", *(_share(view, "index_number", lambda x: x == 1, m) for m in members)))
    codes = np.unique(np.asarray(view.data.arrays["modality"]))
    for code in (int(code) for code in codes if code > 0):
        label = variable("modality").labels[code]
        rows.append((f"Index treatment: {label}", *(_share(view, "modality", _equals(code), m) for m in members)))
    return Table("Virtual patients at randomisation", ("", *head), rows, tuple(range(1, len(head) + 1)))


def _plain_name(name: str) -> str:
    names = {"male": "Men", "hbv": "Chronic hepatitis B", "index_diameter": "Largest tumour"}
    return names.get(name, name.replace("_", " ").capitalize())


def _equals(code: int) -> Callable[[Any], Any]:
    return lambda x: x == code


def _quartiles(view: StudyView, name: str, members: Any) -> str:
    values = np.asarray(view.data.arrays[name], dtype=float)[members]
    if not values.size:
        return "–"
    low, middle, high = np.percentile(values, (25.0, 50.0, 75.0))
    return f"{middle:.0f} ({low:.0f}–{high:.0f})"


def _share(view: StudyView, name: str, holds: Callable[[Any], Any], members: Any) -> str:
    values = np.asarray(view.data.arrays[name])[members]
    hits = int(holds(values).sum())
    return f"{hits:,} ({100.0 * hits / values.size:.0f}%)" if values.size else "–"


def endpoints_table(view: StudyView) -> Table:
    """Events, median and restricted mean of each end point and arm."""
    rows: list[tuple[Any, ...]] = []
    arms = view.summary["arms"]
    for name in dict.fromkeys(key for arm in arms for key in arm["endpoints"]):
        for arm in arms:
            found = arm["endpoints"].get(name)
            if found is None:
                continue
            horizon = found.get("rmst_horizon")
            mean = with_interval(found.get("rmst"), found.get("rmst_ci"), 1) if found.get("rmst") is not None else "–"
            rows.append(
                (
                    endpoint_title(name),
                    arm["label"],
                    f"{found['events']:,}/{found.get('n', arm['n']):,}",
                    with_interval(found.get("median"), found.get("median_ci"), 1),
                    mean + (f" to {horizon:.0f}" if horizon and mean != "–" else ""),
                )
            )
    head = ("End point", "Arm", "Events/patients", "Median, months (95% CI)", "Restricted mean, months (95% CI)")
    return Table("Time to event", head, rows, (2, 3, 4))


def landmarks_table(view: StudyView, endpoint: str) -> Table | None:
    """Kaplan-Meier survival of one end point at the landmarks, with patients at risk."""
    arms = [(arm["label"], arm["endpoints"].get(endpoint, {}).get("landmarks") or []) for arm in view.summary["arms"]]
    if not any(marks for _, marks in arms):
        return None
    months = [mark["time"] for mark in arms[0][1]]
    rows = [(label, *(_landmark(mark) for mark in marks)) for label, marks in arms]
    return Table(
        f"{endpoint_title(endpoint)} at fixed months, % (95% CI) [at risk]",
        ("Arm", *(f"{month:.0f} months" for month in months)),
        rows,
        tuple(range(1, len(months) + 1)),
    )


def _landmark(mark: Mapping[str, Any]) -> str:
    if mark.get("survival") is None:
        return "–"
    low, high = (None if end is None else 100.0 * end for end in mark.get("ci") or (None, None))
    between = f" ({number(low, 0)}–{number(high, 0)})" if low is not None and high is not None else ""
    return f"{100.0 * mark['survival']:.0f}{between} [{mark['at_risk']:,}]"


def ratios_table(view: StudyView) -> Table | None:
    """Hazard ratios with both errors; None with one arm."""
    labels, rows = labels_of(view), []
    for row in view.summary["comparisons"]:
        low, high = row.get("mc_ci") or (None, None)
        rows.append(
            (
                endpoint_title(row["endpoint"]),
                f"{labels[row['arm']]} against {labels[row['reference']]}",
                with_interval(row["hr"], row["ci"], 2) if row["hr"] is not None else row.get("reason") or "–",
                number(row.get("mc_se"), 3) + (f" ({number(low)}–{number(high)})" if low is not None else ""),
                bare_p(row.get("p_logrank")),
                bare_p(row.get("p_proportional_hazards")),
            )
        )
    head = (
        "End point",
        "Comparison",
        "HR (95% CI)",
        "Monte-Carlo SE (95% range)",
        "Log-rank P",
        "P, proportional hazards",
    )
    return Table("Hazard ratios", head, rows, (2, 3, 4, 5)) if rows else None


def windows_table(view: StudyView) -> Table | None:
    """Hazard ratios within windows of time; None when the summary has none."""
    labels, rows = labels_of(view), []
    for row in view.summary["comparisons"]:
        for window in row.get("windows") or []:
            start, stop = window["from"] or 0.0, window["to"]
            when = f"after {start:.0f} months" if stop is None else f"{start:.0f}–{stop:.0f} months"
            events = " and ".join(f"{count:,}" for count in window.get("events") or [])
            ratio = with_interval(window["hr"], window["ci"], 2) if window["hr"] else "–"
            rows.append((endpoint_title(row["endpoint"]), labels[row["arm"]], when, ratio, events))
    note = (
        "After the first window only those still event-free are compared, and the treatments have selected them: "
        "these are no longer the arms as randomised."
    )
    head = ("End point", "Arm", "Window", "HR (95% CI)", "Events, arm and reference")
    return Table("Hazard ratios by time since randomisation", head, rows, (3, 4), note) if rows else None


def balance_table(view: StudyView) -> Table | None:
    """Covariates of both arms before and after matching; None when the study is not matched."""
    told = view.summary.get("matching")
    if not told:
        return None
    labels, rows = labels_of(view), []
    for row in told["balance"]:
        means = [number(mean) for side in ("before", "after") for mean in row[f"means_{side}"]]
        shown = (*means[:2], number(row["before"]), *means[2:], number(row["after"]))
        rows.append((COVARIATE_LABELS.get(row["covariate"], row["covariate"]), *shown))
    one, other = labels[told["arm"]], labels[told["reference"]]
    sides = [f"{text} {side}" for side in ("before", "after") for text in (one, other, "Difference")]
    note = (
        f"Means or shares; the difference is standardised by the spread before matching. {told['patients'][0]:,} and "
        f"{told['patients'][1]:,} patients, {told['pairs']:,} pairs; caliper {told['caliper']:g} standard deviations "
        "of the logit of the propensity score."
    )
    return Table("Balance before and after matching", ("Covariate", *sides), rows, tuple(range(1, 7)), note)


def matched_table(view: StudyView) -> Table | None:
    """Hazard ratios and medians before and after matching; None when the study is not matched."""
    told = view.summary.get("matching")
    if not told:
        return None
    labels, rows = labels_of(view), []
    for row in told["endpoints"]:
        for side in ("before", "after"):
            found = row[side]
            ratio = with_interval(found["hr"], found["ci"], 2) if found["hr"] is not None else found["reason"] or "–"
            counts = [f"{events:,}/{n:,}" for events, n in zip(found["events"], found["n"], strict=True)]
            medians = [with_interval(*pair, 1) for pair in zip(found["medians"], found["median_cis"], strict=True)]
            rows.append((endpoint_title(row["endpoint"]), side, ratio, bare_p(found["p_logrank"]), *counts, *medians))
    one, other = labels[told["arm"]], labels[told["reference"]]
    each = [f"{text}, {name}" for text in ("Events/patients", "Median") for name in (one, other)]
    head = ("End point", "Matching", "HR (95% CI)", "Log-rank P", *each)
    return Table("Before and after matching", head, rows, (2, 3, 4, 5, 6, 7))


def response_table(view: StudyView) -> Table | None:
    """Best responses and disease control; None in an adjuvant study."""
    rows: list[tuple[Any, ...]] = []
    for rule, title in (("recist", "RECIST 1.1"), ("mrecist", "mRECIST")):
        for arm in view.summary["arms"]:
            found = (arm.get("response") or {}).get(rule)
            if found:
                counts = (f"{found[name]:,}" for name in ("CR", "PR", "SD", "PD", "NE"))
                rates = (
                    _percent(found.get(key), found.get(f"{key}_ci")) for key in ("orr", "dcr_best", "dcr_confirmed")
                )
                rows.append((title, arm["label"], *counts, *rates))
    head = ("Criteria", "Arm", "CR", "PR", "SD", "PD", "NE", "ORR, %", "DCR best response, %", "DCR confirmed, %")
    note = (
        "Disease control by best response counts CR, PR or SD at any assessment; confirmed needs it at two assessments "
        "at least 28 days apart. Exact 95% intervals. NE: not evaluable, counted in every denominator."
    )
    return Table("Best response", head, rows, tuple(range(2, 10)), note) if rows else None


def _percent(share: float | None, ends: Sequence[float | None] | None) -> str:
    low, high = ends or (None, None)
    scaled = [None if value is None else 100.0 * value for value in (share, low, high)]
    return "–" if scaled[0] is None else with_interval(scaled[0], scaled[1:], 1)


def deaths_table(view: StudyView) -> Table:
    """Deaths by cause, recurrences and treatment received."""
    event = "Recurrences" if view.data.setting == "adjuvant" else "Progressions"
    rows: list[tuple[Any, ...]] = []
    for arm in view.summary["arms"]:
        deaths = arm["deaths"]
        causes = [deaths.get(cause, 0) for cause in ("tumour", "liver", "other")]
        cells = arm.get("cells_mean")
        rows.append(
            (
                arm["label"],
                *(f"{value:,}" for value in (arm["n"], arm["recurrences"], sum(causes), *causes)),
                number(arm.get("infusions_mean"), 1),
                scientific(cells) if cells else "–",
            )
        )
    head = ("Arm", "Patients", event, "Deaths", "Tumour", "Liver failure", "Other", "Infusions, mean", "Cells, mean")
    return Table("Counts at the data cut-off", head, rows, tuple(range(1, 9)))


def settings_table(rows: Sequence[tuple[str, str]]) -> Table | None:
    """Settings of the study that carry no source or status of their own."""
    return Table(f"Settings of the study: {len(rows)}", ("Setting", "Value"), list(rows)) if rows else None


def absent_effects(rows: Sequence[ParameterRow]) -> list[str]:
    """Names of the effects that the scenario leaves out."""
    return [row.path for row in rows if row.source == ABSENT]


def parameter_tables(rows: Sequence[ParameterRow]) -> list[Table]:
    """Parameters of the scenario, one table a status: fitted, measured, assumed; absent effects left out."""
    tables = []
    rows = [row for row in rows if row.source != ABSENT]
    for status in (*STATUSES, *sorted({row.status for row in rows} - set(STATUSES))):
        chosen = [row for row in rows if row.status == status]
        if chosen:
            known = any(r.interval for r in chosen)
            cells = [
                (r.path, r.value, (r.interval if known else r.range) or "–", r.cv or "–", _source(r)) for r in chosen
            ]
            head = ("Parameter", "Value", "90% interval" if known else "Range", "CV", "Source")
            tables.append(Table(f"{status.capitalize()}: {len(chosen)}", head, cells, (1, 2, 3)))
    return tables


def _source(row: ParameterRow) -> str:
    return f"{row.source} ({row.note})" if row.note else row.source


_PROVENANCE = {
    "tumorsim": "tumorsim",
    "created": "Made",
    "seed": "Seed",
    "threads": "Threads",
    "wall_time": "Seconds taken",
    "source_sha256": "SHA-256 of the program's source",
    "git_commit": "Commit",
    "git_changed": "Source changed since the commit",
    "cpu_class": "CPU class",
}


def provenance_table(provenance: Mapping[str, Any], digest: str) -> Table:
    """What the result was made with; nested mappings line by line."""
    rows: list[tuple[Any, ...]] = [("SHA-256 of the data", digest)] if digest else []
    ordered = [
        *(key for key in _PROVENANCE if key in provenance),
        *(key for key in provenance if key not in _PROVENANCE),
    ]
    for key in ordered:
        value, name = provenance[key], _PROVENANCE.get(key, key.replace("_", " "))
        if isinstance(value, Mapping):
            rows += [(f"{name}: {inner}", str(found)) for inner, found in value.items()]
        elif value not in (None, ""):
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            rows.append((name, f"{shown:.2f}" if isinstance(shown, float) else str(shown)))
    return Table("What this result was made with", ("", "Value"), rows)
