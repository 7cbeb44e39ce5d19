"""The outcome of a calibration: one JSON file, read as a stranger's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from tumorsim.calibration.shape import OUTCOME, ShapeError
from tumorsim.json_file import JsonError, read_json, refusal, unsealed

FORMAT: Final = "tumorsim calibration"
LAYOUT: Final = 1
FILE: Final = "outcome.json"


class OutcomeError(ValueError):
    """A calibration's outcome that cannot be read; the message names file, place and rule."""


def is_calibration(path: Path) -> bool:
    """Whether a path is meant as a calibration: a folder, or a JSON file."""
    return path.is_dir() or path.suffix.lower() == ".json"


def outcome_file(path: str | os.PathLike[str]) -> Path:
    """The JSON file of a calibration: ``outcome.json`` inside a folder, else the path itself."""
    found = Path(path)
    return found / FILE if found.is_dir() else found


def read_outcome(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The outcome of a calibration, every key of the layout present.

    Parameters
    ----------
    path
        ``outcome.json``, or the folder that holds it.

    Raises
    ------
    OutcomeError
        The file is not there, not JSON, too large or deep, no calibration, of a newer
        layout, does not agree with its checksum, or holds something where the layout wants
        something else.
    """
    file = outcome_file(path)
    if not file.exists():
        inside = file.name == FILE and file.parent.is_dir()
        what = f"{file.parent}: the folder holds no {FILE}" if inside else f"{file}: there is no such file"
        raise OutcomeError(f"{what}; give a calibration's folder, e.g. results/hcc_adjuvant_cik")
    try:
        found = read_json(file)
    except JsonError as error:
        raise OutcomeError(str(error)) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        _refuse(file, "format", f'must be "{FORMAT}"; this JSON file holds something else')
    if found.get("layout") != LAYOUT:
        _refuse(file, "layout", f"must be {LAYOUT}; this file was written by another version of tumorsim")
    try:
        outcome = OUTCOME.read(unsealed(file, found), "")
        assert outcome is not None  # a mapping, by the look at its format
        _sizes(outcome)
    except JsonError as error:
        raise OutcomeError(str(error)) from None
    except ShapeError as error:
        _refuse(file, error.place, error.rule)
    return outcome


def _refuse(file: Path, place: str, rule: str) -> NoReturn:
    raise OutcomeError(refusal(file, place, rule)) from None


def _sizes(outcome: dict[str, Any]) -> None:
    """Lists that go together must have one length."""
    parameters, targets = len(outcome["parameters"]), len(outcome["targets"])
    names = [one["name"] for one in outcome["parameters"]]
    if len(set(names)) != len(names):
        raise ShapeError("parameters", "must have different names")
    screening, posterior = outcome["screening"], outcome["posterior"]
    for index, row in enumerate((outcome["optimise"] or {}).get("evaluations") or ()):
        _same(f"optimise.evaluations[{index}].values", row["values"], parameters, "parameter")
    if screening:
        for key in ("mu_star", "mu_star_ci", "sigma"):
            _same(f"screening.{key}", screening[key], len(screening["outputs"]), "output")
            _each(f"screening.{key}", screening[key], parameters, "parameter")
    if posterior:
        particles = len(posterior["particles"])
        for key in ("weights", "distances", "adjusted", "summaries"):
            _same(f"posterior.{key}", posterior[key], particles, "particle")
        for key in ("particles", "adjusted"):
            _each(f"posterior.{key}", posterior[key], parameters, "parameter")
        _same("posterior.correlation", posterior["correlation"], parameters, "parameter")
        _each("posterior.correlation", posterior["correlation"], parameters, "parameter")
        _each("posterior.summaries", posterior["summaries"], targets, "target")
    for index, rival in enumerate(outcome["rivals"] or ()):
        for key in ("targets", "z"):
            _same(f"rivals[{index}].{key}", rival[key], targets, "target")


def _each(place: str, rows: Sequence[Any] | None, length: int, what: str) -> None:
    for index, row in enumerate(rows or ()):
        _same(f"{place}[{index}]", row, length, what)


def _same(place: str, found: Sequence[Any] | None, length: int, what: str) -> None:
    if found is not None and len(found) != length:
        raise ShapeError(place, f"must have one entry for each {what}: {length}, not {len(found)}")
