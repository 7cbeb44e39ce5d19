"""Write, read and hash one result file."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import RowArray
from tumorsim.store.access import OURS, check_fit, check_words, laid_out, opened
from tumorsim.store.decoding import Reader, StoredResult
from tumorsim.store.encoding import Curves, Sink, encode
from tumorsim.store.errors import ResultError
from tumorsim.store.identity import data_digest
from tumorsim.store.layout import CURVE_COLUMNS, problems
from tumorsim.store.sealing import check_target, commit
from tumorsim.variables import TrialData

_ENDPOINT = re.compile(r"[a-z][a-z0-9_]{0,63}")


def write(
    path: Path | str,
    data: TrialData,
    summary: Mapping[str, Any],
    scenario_text: str,
    scenario_source: str,
    provenance: Mapping[str, Any],
    curves: Curves | None = None,
    force: bool = False,
) -> Path:
    """Write one result file, whole or not at all.

    Parameters
    ----------
    path
        Final name; its folder must exist.
    data
        The trial, with every array of `tumorsim.variables.VARIABLES`.
    summary
        The summary; ``seed`` is needed. NaN and infinity are written as null.
    scenario_text
        The resolved scenario, part of the data's hash.
    scenario_source
        The scenario file as it was given.
    provenance
        From `tumorsim.provenance.collect`; None values are left out.
    curves
        Kaplan-Meier columns ``{endpoint: {arm: {column: values}}}`` with the columns
        of `tumorsim.store.layout.CURVE_COLUMNS`; ``time`` (months) is needed.
    force
        Replace an existing file.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    ResultError
        The target exists or cannot be written, the disk is full, or the trial
        does not fit the layout.
    """
    path = check_target(path, force)
    check_fit(path, problems(data))
    seed = check_words(path, summary, scenario_text, scenario_source, provenance)
    tables = _checked_curves(path, curves or {}, data.arms)
    digest = data_digest(data, scenario_text, seed)
    texts = scenario_text, scenario_source

    def lay_out(file: BinaryIO | Sink) -> None:
        encode(file, data, summary, texts, provenance, tables, digest)

    def lay_out_on_disk(file: BinaryIO) -> None:
        sink = Sink(file)
        try:
            lay_out(sink)
        except Exception as error:
            sink.check()  # what the disk said explains the rest
            raise ResultError(path, "file", f"cannot be laid out ({error})", OURS) from error

    if any(isinstance(array, RowArray) for array in data.arrays.values()):
        return commit(path, lay_out_on_disk, force=force)
    buffer = io.BytesIO()
    with laid_out(path):
        lay_out(buffer)
    return commit(path, buffer.getvalue(), force=force)


def _checked_curves(path: Path, curves: Curves, arms: tuple[str, ...]) -> dict[str, dict[str, dict[str, NDArray[Any]]]]:
    """Curves with every column as float64 or int64 in one dimension."""
    checked: dict[str, dict[str, dict[str, NDArray[Any]]]] = {}
    for endpoint, by_arm in curves.items():
        place = f"statistics/{endpoint}"
        if not _ENDPOINT.fullmatch(endpoint):
            raise ResultError(path, place, "is no end point's name: lower-case letters, digits, _", OURS)
        if set(by_arm) != set(arms):
            raise ResultError(path, place, f"has curves of {sorted(by_arm)}, the arms are {sorted(arms)}", OURS)
        checked[endpoint] = {arm: _columns(by_arm[arm]) for arm in arms}
        shapes = {arm: {c.shape for c in columns.values()} for arm, columns in checked[endpoint].items()}
        names = {frozenset(columns) for columns in checked[endpoint].values()}
        if len(names) != 1 or any(len(s) != 1 or len(next(iter(s))) != 1 for s in shapes.values()):
            raise ResultError(path, place, "needs the same columns in every arm, each of one length", OURS)
        if not {"time"} <= next(iter(names)) <= set(CURVE_COLUMNS):
            raise ResultError(path, place, f"needs `time` and may have {', '.join(CURVE_COLUMNS)}", OURS)
    return checked


def _columns(columns: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    return {
        n: a.astype(np.float64 if a.dtype.kind == "f" else np.int64, casting="same_kind") for n, a in arrays.items()
    }


def read(path: Path | str) -> StoredResult:
    """Read one result file.

    The seal is checked before the HDF5 library opens the file, links, types and
    claimed sizes before anything is read, and the hash of the data afterwards. For
    a file from a stranger call `tumorsim.verify.verify` first: it opens the file in
    a process of its own, with limits.

    Raises
    ------
    ResultError
        The file is missing, damaged, of another layout, or not what it claims.
    """
    with opened(path) as file:
        return Reader(file, Path(path)).result()


def digest(source: Path | str | TrialData, scenario_text: str = "", seed: int = 0) -> str:
    """SHA-256 of the data: arrays, axes, resolved scenario and seed.

    Parameters
    ----------
    source
        A result file, or a trial.
    scenario_text, seed
        Of a trial; a file brings its own.
    """
    if isinstance(source, TrialData):
        return data_digest(source, scenario_text, seed)
    return read(source).digest
