"""A result as plain tables.

One row an observation, one column a variable, named as in `tumorsim.variables`;
``variables.csv`` gives the unit and the meaning of every column. Missing is an
empty cell, codes are written as their labels, times stay in days. Numbers read
back to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tumorsim.csv_text import cells, json_bytes, safe, write_csv
from tumorsim.store.errors import ResultError
from tumorsim.store.layout import AXES, GROUP_AXES
from tumorsim.store.sealing import Content, check_target, commit
from tumorsim.variables import VARIABLES, Variable

if TYPE_CHECKING:
    from tumorsim.store.decoding import StoredResult

__all__ = ["TABLES", "safe", "to_csv"]

TABLES = ("patients.csv", "visits.csv", "trajectories.csv", "variables.csv", "summary.json")
AT_ONCE = 2_000  # patients whose rows are held as text


def to_csv(result: Path | str, folder: Path | str, force: bool = False) -> list[Path]:
    """Write a result as tables into a folder.

    Of a trial, ``patients.csv`` has a row for every patient in every arm that the
    patient was assigned to, ``visits.csv`` one for every visit that took place,
    ``trajectories.csv`` one for every stored time of the traced patients. Of a
    spatial study the tables are those of `tumorsim.spatial_tables`; voxels are no
    table, and stay in the file. Of a sweep, ``runs.csv`` has a row for every run,
    and ``failures.csv`` one for every run that failed.

    Parameters
    ----------
    result
        A result file.
    folder
        Made if it does not exist; its parent must.
    force
        Replace tables that exist.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ResultError
        The result cannot be read, or a table exists or cannot be written.
    """
    from tumorsim.store import kind_of
    from tumorsim.store.result import read

    kind = kind_of(result)
    if kind == "sweep":
        from tumorsim.export_sweep import sweep_contents
        from tumorsim.store.sweep import read_sweep

        return _write(Path(folder), sweep_contents(read_sweep(result)), force)
    if kind == "spatial":
        from tumorsim.export_spatial import spatial_contents
        from tumorsim.store.spatial import read_spatial

        return _write(Path(folder), spatial_contents(read_spatial(result)), force)
    stored = read(result)
    makers: tuple[Callable[[StoredResult], Iterable[Sequence[str]]], ...] = (
        _patients,
        _visits,
        _trajectories,
        _meanings,
    )
    contents: list[Content] = [partial(_pour, make, stored) for make in makers]
    contents.append(json_bytes(stored.summary))
    return _write(Path(folder), dict(zip(TABLES, contents, strict=True)), force)


def _pour(make: Callable[[StoredResult], Iterable[Sequence[str]]], stored: StoredResult, file: BinaryIO) -> None:
    write_csv(file, make(stored))


def _write(folder: Path, contents: Mapping[str, Content], force: bool) -> list[Path]:
    """Write every table, or none if one of them stands in the way."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        rule = f"cannot be made ({error.strerror or error})"
        raise ResultError(folder, "file", rule, "Choose another folder with --out") from error
    for name in contents:
        check_target(folder / name, force)
    return [commit(folder / name, content, force=force, sealed=False) for name, content in contents.items()]


def _group(stored: StoredResult, name: str) -> list[Variable]:
    """Variables of a group that the file holds; one of an older layout lacks some."""
    return [variable for variable in VARIABLES if variable.group == name and variable.name in stored.data.arrays]


def _columns(variables: Sequence[Variable], stored: StoredResult, arm: int, part: Part) -> list[list[str]]:
    """Columns of some rows within one arm; arrays without an arm axis are taken as they are."""
    out = []
    for variable in variables:
        array = stored.data[variable.name]
        within = array[arm, part.rows] if variable.dims[0] == "arm" else array[part.rows]
        out.append(cells(within[part.take], variable.labels))
    return out


@dataclass(frozen=True)
class Part:
    """Some rows of a table.

    Attributes
    ----------
    rows
        Patients, or traced patients, that they are of.
    take
        Places of the rows within those.
    axes
        Columns of the axes.
    """

    rows: slice
    take: Any
    axes: list[list[str]]


def _rows(
    stored: StoredResult, group: str, axes: Sequence[str], parts: Callable[[int], Iterator[Part]]
) -> Iterator[Sequence[str]]:
    """Header, then arm after arm: arm, axis columns, variables."""
    variables = _group(stored, group)
    yield ["arm", *axes, *(variable.name for variable in variables)]
    for arm, name in enumerate(stored.data.arms):
        for part in parts(arm):
            for row in zip(*part.axes, *_columns(variables, stored, arm, part), strict=True):
                yield (safe(name), *row)


def _runs(size: int) -> Iterator[slice]:
    """Runs of patients whose rows are text at a time."""
    for start in range(0, size, AT_ONCE):
        yield slice(start, start + AT_ONCE)


def _patients(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data

    def parts(arm: int) -> Iterator[Part]:
        for rows in _runs(data.size):
            here = np.flatnonzero(data["assigned"][arm, rows])
            yield Part(rows, here, [cells(data.patient[rows][here])])

    return _rows(stored, "patients", ["patient"], parts)


def _visits(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data

    def parts(arm: int) -> Iterator[Part]:
        for rows in _runs(data.size):
            took_place = ~np.isnan(data["visit_time"][arm, rows].astype(float))
            patient, visit = np.nonzero(took_place & (data["assigned"][arm, rows] != 0)[:, None])
            yield Part(rows, (patient, visit), [cells(data.patient[rows][patient]), cells(visit)])

    return _rows(stored, "visits", ["patient", "visit"], parts)


def _trajectories(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data
    place = {int(number): index for index, number in enumerate(data.patient)}
    traced = np.array([place[int(number)] for number in data.trace], dtype=np.int64)

    def parts(arm: int) -> Iterator[Part]:
        for rows in _runs(data.trace.size):
            here = data["assigned"][arm][traced[rows]] != 0
            trace, time = np.nonzero(np.repeat(here[:, None], data.time.size, axis=1))
            yield Part(rows, (trace, time), [cells(data.trace[rows][trace]), cells(data.time[time])])

    return _rows(stored, "trajectories", ["patient", "time"], parts)


def _meanings(stored: StoredResult) -> Iterator[Sequence[str]]:
    """The sidecar: table, column, unit, type, meaning, labels."""
    yield ["table", "column", "unit", "values", "meaning"]
    for group, axes in GROUP_AXES.items():
        table = f"{group}.csv"
        for axis in axes:
            unit, doc = AXES[axis]
            yield [table, "patient" if axis == "trace" else axis, unit, "", doc]
        for variable in _group(stored, group):
            yield [table, variable.name, variable.unit, " | ".join(variable.labels), variable.doc]
    for name, label in zip(stored.data.arms, stored.data.labels, strict=True):
        yield ["patients.csv", "arm", "1", safe(name), safe(label)]
