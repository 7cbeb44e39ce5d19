"""The outcome of a calibration: one JSON file, read as a stranger's."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from tumorsim.calibration.shape import OUTCOME, ShapeError

FORMAT: Final = "tumorsim calibration"
LAYOUT: Final = 1
FILE: Final = "outcome.json"
MAX_BYTES: Final = 64 * 2**20
MAX_DEPTH: Final = 16
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


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
        layout, or holds something where the layout wants something else.
    """
    file = outcome_file(path)
    found = _parse(file, _content(file))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        _refuse(file, "format", f'must be "{FORMAT}"; this JSON file holds something else')
    if found.get("layout") != LAYOUT:
        _refuse(file, "layout", f"must be {LAYOUT}; this file was written by another version of tumorsim")
    try:
        outcome = OUTCOME.read(found, "")
        assert outcome is not None  # a mapping, by the look at its format
        _sizes(outcome)
    except ShapeError as error:
        _refuse(file, error.place, error.rule)
    return outcome


def _content(file: Path) -> bytes:
    if not file.exists():
        inside = file.name == FILE and file.parent.is_dir()
        what = f"{file.parent}: the folder holds no {FILE}" if inside else f"{file}: there is no such file"
        raise OutcomeError(f"{what}; give a calibration's folder, e.g. results/hcc_adjuvant_cik")
    with open(file, "rb", opener=_at_once) as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise OutcomeError(f"{file}: must be a plain file")
        content = handle.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OutcomeError(f"{file}: must not be larger than {MAX_BYTES // 2**20} MB; a calibration has a few")
    return content


def _at_once(path: str, flags: int) -> int:
    """Open without waiting, as a pipe would have us do."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _parse(file: Path, content: bytes) -> Any:
    brackets = np.frombuffer(_STRINGS.sub(b"", content), dtype=np.uint8)
    steps = np.isin(brackets, (0x5B, 0x7B)).astype(np.int32) - np.isin(brackets, (0x5D, 0x7D))
    if np.cumsum(steps).max(initial=0) > MAX_DEPTH:
        raise OutcomeError(f"{file}: must not be nested more than {MAX_DEPTH} deep")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _refuse(file, f"line {error.lineno}, column {error.colno}", f"is not JSON ({error.msg}); the file is damaged")
    except (ValueError, RecursionError) as error:
        raise OutcomeError(f"{file}: is not JSON ({error}); the file is damaged") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON; write null")


def _refuse(file: Path, place: str, rule: str) -> NoReturn:
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in place[:200])
    raise OutcomeError(f"{file}: {shown}: {rule}") from None


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
