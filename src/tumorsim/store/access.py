"""What writing and reading have in common for results of every kind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from tumorsim.store.errors import ResultError
from tumorsim.store.layout import MAX_TEXT
from tumorsim.store.parts import dump_json
from tumorsim.store.sealing import check_seal

OURS = "This is a fault of the program that made the data, not of the disk"


def check_fit(path: Path, problems: Iterable[tuple[str, str]]) -> None:
    """Refuse data that do not fit the layout; ``problems`` are (place, rule)."""
    wrong = [f"{place} {rule}" for place, rule in problems]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ResultError(path, "arrays", "; ".join(wrong[:5]) + more, OURS)


def check_words(
    path: Path, summary: Mapping[str, Any], scenario_text: str, scenario_source: str, provenance: Mapping[str, Any]
) -> int:
    """Check everything beside the arrays.

    Returns
    -------
    int
        The seed.
    """
    seed = summary.get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 64:
        raise ResultError(path, "summary", f"seed is {seed!r}, not a whole number from 0 to 2**64 - 1", OURS)
    if provenance.get("seed", seed) != seed:
        raise ResultError(path, "provenance", f"seed is {provenance['seed']}, but the summary's is {seed}", OURS)
    texts = {
        "scenario/resolved": scenario_text,
        "scenario/source": scenario_source,
        "summary/json": _json(path, summary),
    }
    for place, text in texts.items():
        _check_text(path, place, text)
    _json(path, provenance)
    return seed


def _json(path: Path, value: Mapping[str, Any]) -> str:
    try:
        return dump_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultError(path, "summary", f"cannot be written as JSON ({error})", OURS) from error


def _check_text(path: Path, place: str, text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ResultError(path, place, "is not valid Unicode", OURS) from error
    if "\0" in text or size > MAX_TEXT:
        raise ResultError(path, place, f"holds a NUL or more than {MAX_TEXT} bytes", OURS)


@contextlib.contextmanager
def laid_out(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is laid out in memory into one kind of error."""
    try:
        yield
    except (OSError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise ResultError(path, "file", f"cannot be laid out ({error})", OURS) from error


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[h5py.File]:
    """Open a sealed file for reading; whatever a malformed one makes h5py or numpy raise is a `ResultError`."""
    path = Path(path)
    before = check_seal(path)
    try:
        with h5py.File(path, "r") as file:
            after = os.stat(path)
            if (before.st_dev, before.st_ino, before.st_size) != (after.st_dev, after.st_ino, after.st_size):
                raise ResultError(path, "file", "was replaced while it was read", "Read it again")
            yield file
    except ResultError:
        raise
    except Exception as error:
        rule = f"cannot be read as a result ({type(error).__name__}: {error})"
        raise ResultError(path, "file", rule, "Check it with `tumorsim verify`, or run the scenario again") from error
