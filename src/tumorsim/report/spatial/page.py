"""Composes the page of a spatial result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim.figures.files import write_whole
from tumorsim.figures.spatial import SpatialView, animation, figure
from tumorsim.figures.spatial.base import shown_by
from tumorsim.figures.spatial.looks import labels
from tumorsim.report.frame import Picture, around, data_uri, fill, picture
from tumorsim.report.resolved import ParameterRow, parameters, read_scenario, settings, tidy, treatments
from tumorsim.report.spatial import tables, words
from tumorsim.report.tables import absent_effects, parameter_tables, settings_table
from tumorsim.report.words import listed

PARTS = ("lattice", "start", "output")  # of a scenario that hold settings, not parameters
# of the disease, what acts on a patient and not on the lattice
PATIENT = ("disease.burden.", "disease.hazards.", "disease.liver.")
PICTURES = ("lattice", "window", "series", "fields", "infiltration", "muller")


def render(
    view: SpatialView,
    provenance: Mapping[str, Any],
    scenario_text: str,
    *,
    digest: str = "",
    result: str = "RESULT.h5",
) -> str:
    """The whole page as HTML; arguments and errors as of `tumorsim.report.render`."""
    scenario = read_scenario(scenario_text)
    rows = [row for row in parameters(scenario) if not row.place.startswith(PATIENT)]
    context = {
        **around(provenance, digest),
        "title": str(view.summary.get("title") or view.summary.get("spatial") or "Spatial study"),
        "name": str(view.summary.get("spatial") or scenario.get("name") or ""),
        "seed": view.summary.get("seed"),
        "replicates": f"{len(view.data.replicate):,}",
        "short": words.in_short(view),
        "description": str(scenario.get("description") or ""),
        "arms": _arms(view, scenario),
        "facts": _facts(view, scenario),
        "pictures": {name: _picture(view, name) for name in PICTURES},
        "clones": _picture(view, "muller", by="clone") if _traced(view) else None,
        "shows": {name: _shows(view, name) for name in PICTURES},
        "shown_by": shown_by(view.data),
        "animation": _animation(view),
        "compared": tables.compared(view),
        "reading": words.READING,
        "sources": words.sources_statement([row for row in rows if _present(row, rows)]),
        "parameters": parameter_tables(rows),
        "absent": absent_effects(rows),
        "settings": settings_table(settings(scenario, PARTS)),
        "limitations": words.LIMITATIONS,
        "replay": f"tumorsim replay {Path(result).name}",
        "scenario_text": scenario_text,
    }
    return fill("spatial/page.html", context)


def save(
    path: str | os.PathLike[str], view: SpatialView, provenance: Mapping[str, Any], scenario_text: str, **more: Any
) -> Path:
    """Write the page; it appears whole or not at all. Arguments as of `render`.

    Raises
    ------
    FigureError
        The folder does not exist.
    """
    return write_whole(Path(path), render(view, provenance, scenario_text, **more).encode())


def _present(row: ParameterRow, rows: list[ParameterRow]) -> bool:
    return row.path not in absent_effects(rows)


def _traced(view: SpatialView) -> bool:
    return any(len(held.get("parent", ())) for held in view.data.lineage.values())


def _arms(view: SpatialView, scenario: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"label": label, "treatments": treatments(scenario, name)}
        for name, label in zip(view.data.arms, labels(view), strict=True)
    ]


def _facts(view: SpatialView, scenario: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the lattice is and what it starts from, as far as the scenario says."""
    lattice, start = (scenario.get(part) or {} for part in ("lattice", "start"))
    facts = [
        ("Lattice", words.size_in_words(view)),
        ("Step", _hours(lattice.get("step"))),
        ("Duration", f"{np.ptp(view.data.time):g} days" if view.data.time.size else ""),
        ("Replicates", f"{len(view.data.replicate):,} an arm; the same start and the same luck in every arm"),
        ("Tumour at the start", _start(start)),
        ("Snapshots", "days " + listed([f"{day:g}" for day in view.data.shot]) if view.data.shot.size else ""),
        ("Disease", str((scenario.get("disease") or {}).get("label") or "")),
        ("Tissue", str((scenario.get("tissue") or {}).get("label") or "")),
    ]
    return [(name, value) for name, value in facts if value]


def _start(start: Mapping[str, Any]) -> str:
    shape, diameter = start.get("tumour"), start.get("diameter")
    if not shape:
        return ""
    return f"{shape}, {tidy(diameter).replace(' um', ' µm')} across" if diameter else str(shape)


def _hours(step: object) -> str:
    """A step of the resolved scenario, ``0.0416 day``, in hours."""
    number, _, unit = str(step or "").partition(" ")
    return f"{24.0 * float(number):.3g} h" if unit == "day" else number and str(step)


def _shows(view: SpatialView, name: str) -> list[str]:
    """What the replicates show in a figure, where it is drawn."""
    declared = figure(name)
    return declared.findings(view) if declared.fits(view) else []


def _picture(view: SpatialView, name: str, **options: Any) -> Picture | None:
    return picture(figure(name), view, said=False, **options)


def _animation(view: SpatialView) -> Picture | None:
    """The slices as a moving picture, playing once; None with fewer than three snapshots."""
    declared = figure("animation")
    if not declared.fits(view) or view.data.shot.size < 3:
        return None
    made = animation.frames(view, fps=2.0, plane="z", dpi=100)
    uri = data_uri(animation.gif(made, fps=2.0, loop=False), "image/gif")
    said = "The slices through the middle of the lattice, one frame a snapshot, in the first replicate; it plays once."
    return Picture(declared.title, said, f"{declared.title}. {said}", uri)
