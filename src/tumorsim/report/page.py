"""Composes the page: figures, tables and sentences into the template."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumorsim.figures import StudyView, figure
from tumorsim.figures.curves import endpoint_title, pick_endpoint, study_view
from tumorsim.figures.files import write_whole
from tumorsim.figures.style import with_interval
from tumorsim.report import tables, words
from tumorsim.report.frame import Picture, around, fill, picture
from tumorsim.report.resolved import duration, in_words, parameters, read_scenario, settings, treatments, yearly


def render(
    view: StudyView,
    provenance: Mapping[str, Any],
    scenario_text: str,
    *,
    digest: str = "",
    result: str = "RESULT.h5",
) -> str:
    """The whole page as HTML.

    Parameters
    ----------
    view
        The study.
    provenance
        As `tumorsim.provenance.collect` makes it.
    scenario_text
        The resolved scenario.
    digest
        SHA-256 of the data, if known.
    result
        Name of the result file, for the command that replays it.

    Returns
    -------
    str
        One page that loads nothing from anywhere.

    Raises
    ------
    ReportError
        The resolved scenario is no JSON mapping.
    """
    scenario = read_scenario(scenario_text)
    if not view.infusions:
        view = study_view(view.data, view.summary, view.curves, scenario_text)
    rows = parameters(scenario)
    fitted = sum(row.status == "fitted" for row in rows)
    context = {
        **around(provenance, digest),
        "title": str(view.summary.get("title") or view.summary.get("scenario") or "Virtual trial"),
        "summary": view.summary,
        "short": words.in_short(view),
        "study": _study(view, scenario),
        "targets": _targets(view),
        "survival": _survival(view),
        "ratios": [table for table in (tables.ratios_table(view), tables.windows_table(view)) if table],
        "response": _response(view),
        "deaths": {"table": tables.deaths_table(view), "picture": _picture(view, "cumulative-incidence")},
        "forest": _picture(view, "forest") if len(view.data.arms) > 1 else None,
        "matching": _matching(view),
        "inside": _picture(view, "trajectories"),
        "fitted": words.fitted_statement(fitted),
        "parameters": tables.parameter_tables(rows),
        "absent": tables.absent_effects(rows),
        "settings": tables.settings_table(settings(scenario)),
        "limitations": [*words.LIMITATIONS, words.failures(view)],
        "replay": f"tumorsim replay {Path(result).name}",
        "scenario_text": scenario_text,
    }
    return fill("page.html", context)


def save(
    path: str | os.PathLike[str], view: StudyView, provenance: Mapping[str, Any], scenario_text: str, **more: Any
) -> Path:
    """Write the page; it appears whole or not at all. Arguments as of `render`.

    Raises
    ------
    FigureError
        The folder does not exist.
    """
    return write_whole(Path(path), render(view, provenance, scenario_text, **more).encode())


def _picture(view: StudyView, name: str, alt: str = "", **options: Any) -> Picture | None:
    return picture(figure(name), view, alt, **options)


def _study(view: StudyView, scenario: Mapping[str, Any]) -> dict[str, Any]:
    design = scenario.get("trial") or {}
    facts = [
        ("Setting", {"adjuvant": "after curative treatment", "advanced": "measurable disease"}[view.data.setting]),
        ("Enrolment period", duration(design.get("accrual", ""))),
        ("Data cut-off", f"{duration(design['cutoff'])} after the first enrolment" if design.get("cutoff") else ""),
        ("Visits", in_words(str((design.get("visits") or {}).get("schedule") or ""))),
        ("Loss to follow-up", yearly(design["dropout_rate"]) if design.get("dropout_rate") else ""),
    ]
    arms = [
        {"label": label, "treatments": treatments(scenario, name)}
        for name, label in zip(view.data.arms, view.data.labels, strict=True)
    ]
    return {
        "description": str(scenario.get("description") or ""),
        "arms": arms,
        "facts": [(name, value) for name, value in facts if value],
        "follow_up": words.follow_up(view),
        "patients": tables.patients_table(view),
    }


def _targets(view: StudyView) -> dict[str, Any] | None:
    table = tables.targets_table(view)
    if table is None:
        return None
    return {
        "table": table,
        "agreement": words.agreement(view.summary["targets"]),
        "picture": _picture(view, "targets"),
        "sources": tables.target_sources(view),
        "notes": tables.target_notes(view),
    }


def _survival(view: StudyView) -> dict[str, Any]:
    """The primary end point large with its landmarks, the others small."""
    if not view.curves:
        return {"table": tables.endpoints_table(view), "pictures": [], "landmarks": None}
    primary = pick_endpoint(view, None)
    names = [primary, *(name for name in view.curves if name != primary)]
    pictures = [_picture(view, "km", _km_alt(view, name), endpoint=name) for name in names]
    return {
        "table": tables.endpoints_table(view),
        "pictures": [picture for picture in pictures if picture],
        "landmarks": tables.landmarks_table(view, primary),
    }


def _km_alt(view: StudyView, endpoint: str) -> str:
    said = [f"{endpoint_title(endpoint)}, Kaplan-Meier curves by arm."]
    for arm in view.summary["arms"]:
        found = arm["endpoints"].get(endpoint)
        if found:
            median = with_interval(found.get("median"), found.get("median_ci"), 1)
            said.append(f"{arm['label']}: {found['events']} events, median {median} months.")
    return " ".join(said)


def _matching(view: StudyView) -> dict[str, Any] | None:
    table = tables.matched_table(view)
    if table is None:
        return None
    return {"table": table, "balance": tables.balance_table(view), "picture": _picture(view, "balance")}


def _response(view: StudyView) -> dict[str, Any] | None:
    table = tables.response_table(view)
    return None if table is None else {"table": table, "picture": _picture(view, "waterfall")}
