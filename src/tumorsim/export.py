"""A result as plain tables.

One row an observation, one column a variable, named as in `tumorsim.variables`;
``variables.csv`` gives the unit and the meaning of every column. Missing is an
empty cell, codes are written as their labels, times stay in days. Numbers read
back to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.csv_text import cells, csv_bytes, json_bytes, safe
from tumorsim.store.errors import ResultError
from tumorsim.store.layout import AXES, GROUP_AXES
from tumorsim.store.sealing import check_target, commit
from tumorsim.variables import VARIABLES, Variable

if TYPE_CHECKING:
    from tumorsim.store.decoding import StoredResult

__all__ = ["TABLES", "safe", "to_csv"]

TABLES = ("patients.csv", "visits.csv", "trajectories.csv", "variables.csv", "summary.json")


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
    contents = [csv_bytes(make(stored)) for make in makers]
    contents.append(json_bytes(stored.summary))
    return _write(Path(folder), dict(zip(TABLES, contents, strict=True)), force)


def _write(folder: Path, contents: Mapping[str, bytes], force: bool) -> list[Path]:
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


def _columns(variables: Sequence[Variable], stored: StoredResult, take: Any) -> list[list[str]]:
    """Columns of the rows ``take`` within one arm; arrays without an arm axis are taken as they are."""
    arm, rows = take
    out = []
    for variable in variables:
        array = stored.data[variable.name]
        within = array[arm] if variable.dims[0] == "arm" else array
        out.append(cells(within[rows], variable.labels))
    return out


def _rows(
    stored: StoredResult, group: str, axes: Sequence[str], rows_of: Callable[[int], tuple[Any, list[list[str]]]]
) -> Iterator[Sequence[str]]:
    """Header, then arm after arm: arm, axis columns, variables."""
    variables = _group(stored, group)
    yield ["arm", *axes, *(variable.name for variable in variables)]
    for arm, name in enumerate(stored.data.arms):
        rows, axis_columns = rows_of(arm)
        columns = [*axis_columns, *_columns(variables, stored, (arm, rows))]
        for row in zip(*columns, strict=True):
            yield (safe(name), *row)


def _patients(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data

    def rows_of(arm: int) -> tuple[Any, list[list[str]]]:
        rows = np.flatnonzero(data["assigned"][arm])
        return rows, [cells(data.patient[rows])]

    return _rows(stored, "patients", ["patient"], rows_of)


def _visits(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data

    def rows_of(arm: int) -> tuple[Any, list[list[str]]]:
        took_place = ~np.isnan(data["visit_time"][arm].astype(float))
        patient, visit = np.nonzero(took_place & (data["assigned"][arm] != 0)[:, None])
        return (patient, visit), [cells(data.patient[patient]), cells(visit)]

    return _rows(stored, "visits", ["patient", "visit"], rows_of)


def _trajectories(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data
    place = {int(number): index for index, number in enumerate(data.patient)}
    traced = np.array([place[int(number)] for number in data.trace], dtype=np.int64)

    def rows_of(arm: int) -> tuple[Any, list[list[str]]]:
        here = data["assigned"][arm][traced] != 0
        trace, time = np.nonzero(np.repeat(here[:, None], data.time.size, axis=1))
        return (trace, time), [cells(data.trace[trace]), cells(data.time[time])]

    return _rows(stored, "trajectories", ["patient", "time"], rows_of)


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
