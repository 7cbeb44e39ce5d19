"""Composes the page of a calibration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tumorsim.figures.calibration import Outcome, figure
from tumorsim.figures.calibration.base import STAGES
from tumorsim.figures.files import write_whole
from tumorsim.report.calibration import tables, words
from tumorsim.report.frame import around, fill, picture


def render(outcome: Outcome, *, folder: str = "results/NAME") -> str:
    """The whole page as HTML.

    Parameters
    ----------
    outcome
        What ``outcome.json`` holds, every key of its layout present.
    folder
        Name of the calibration's folder, for the command that repeats it.

    Returns
    -------
    str
        One page that loads nothing from anywhere.
    """
    provenance = outcome["provenance"] if isinstance(outcome["provenance"], dict) else {}
    context = {
        **around(provenance),
        "title": str(outcome["title"] or outcome["name"]),
        "name": str(outcome["name"]),
        "seed": provenance.get("seed"),
        "short": words.in_short(outcome),
        "description": str(outcome["description"] or ""),
        "studies": _studies(outcome),
        "register": tables.register(outcome) if outcome["targets"] else None,
        "sources": tables.source_list(outcome),
        "notes": tables.target_notes(outcome),
        "fit": tables.fit_table(outcome) if outcome["targets"] else None,
        "pictures": {name: picture(figure(f"calibration-{name}"), outcome) for name in _PICTURES},
        "missing": {stage: words.missing(stage) for stage in STAGES if not outcome[stage]},
        "parameters": tables.parameters_table(outcome),
        "priors": tables.priors_table(outcome),
        "rule": words.RULE,
        "identified": words.identified(outcome),
        "together": words.together(outcome),
        "directions": tables.directions_table(outcome),
        **_stages(outcome),
        "windows": tables.windows_table(outcome),
        "residuals": [str(text) for text in outcome["residuals"] or ()],
        "limitations": words.LIMITATIONS,
        "cost": tables.cost_table(outcome),
        "failures": tables.failures_table(outcome),
        "command": f"tumorsim calibrate {outcome['name']}.yaml -o {folder}",
        "digests": [(name, outcome[key]) for name, key in _DIGESTS if outcome[key]],
        "config_text": str(outcome["config_text"] or ""),
    }
    return fill("calibration/page.html", context)


def save(path: str | os.PathLike[str], outcome: Outcome, **more: Any) -> Path:
    """Write the page; it appears whole or not at all. Arguments as of `render`.

    Raises
    ------
    FigureError
        The folder does not exist.
    """
    return write_whole(Path(path), render(outcome, **more).encode())


_PICTURES = ("targets", "widths", "posterior", "profile", "progress", "screening", "recovery", "rivals")
_DIGESTS = (("SHA-256 of the configuration", "config_digest"), ("SHA-256 of the log", "log_digest"))


def _studies(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "title": str(one["title"] or one["name"]),
            "name": str(one["name"]),
            "arms": ", ".join(str(arm["label"] or arm["name"]) for arm in one["arms"] or ()),
            "patients": "" if one["patients"] is None else f"{one['patients']:,}",
            "digest": str(one["resolved_digest"] or ""),
        }
        for one in outcome["studies"] or ()
    ]


def _stages(outcome: Outcome) -> dict[str, Any]:
    """Words and tables of the stages that were run; None for the others."""
    posterior = outcome["posterior"]
    return {
        "method": words.method(outcome) if posterior else "",
        "populations": tables.populations_table(outcome) if posterior else None,
        "screening": tables.screening_table(outcome) if outcome["screening"] else None,
        "search": words.search(outcome) if outcome["optimise"] else "",
        "recovery": tables.recovery_table(outcome) if outcome["recovery"] else None,
        "recovered": words.recovered(outcome) if outcome["recovery"] else "",
        "rivals": tables.rivals_table(outcome) if outcome["rivals"] else None,
        "rival_sentences": words.rival_sentences(outcome),
    }
