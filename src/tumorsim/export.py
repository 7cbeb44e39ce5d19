"""A result as plain tables.

One row an observation, one column a variable, named as in `tumorsim.variables`;
``variables.csv`` gives the unit and the meaning of every column. Missing is an
empty cell, codes are written as their labels, times stay in days. Numbers read
back to the same bits.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.store.errors import ResultError
from tumorsim.store.layout import AXES, GROUP_AXES
from tumorsim.store.sealing import check_target, commit
from tumorsim.variables import VARIABLES, Variable

if TYPE_CHECKING:
    from tumorsim.store.decoding import StoredResult

# A cell that a spreadsheet would take for a formula starts with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
TABLES = ("patients.csv", "visits.csv", "trajectories.csv", "variables.csv", "summary.json")


def to_csv(result: Path | str, folder: Path | str, force: bool = False) -> list[Path]:
    """Write a result as tables into a folder.

    ``patients.csv`` has a row for every patient in every arm that the patient was
    assigned to, ``visits.csv`` one for every visit that took place,
    ``trajectories.csv`` one for every stored time of the traced patients.

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
    from tumorsim.store.encoding import dump_json
    from tumorsim.store.result import read

    stored = read(result)
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        rule = f"cannot be made ({error.strerror or error})"
        raise ResultError(folder, "file", rule, "Choose another folder with --out") from error
    for name in TABLES:
        check_target(folder / name, force)
    makers: tuple[Callable[[StoredResult], Iterable[Sequence[str]]], ...] = (
        _patients,
        _visits,
        _trajectories,
        _meanings,
    )
    contents = [_table(make(stored)) for make in makers]
    contents.append((dump_json(stored.summary) + "\n").encode())
    return [
        commit(folder / name, content, force=force, sealed=False)
        for name, content in zip(TABLES, contents, strict=True)
    ]


def _table(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def safe(text: str) -> str:
    """Text that no spreadsheet runs as a formula: a leading apostrophe where it could."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _group(stored: StoredResult, name: str) -> list[Variable]:
    """Variables of a group that the file holds; one of an older layout lacks some."""
    return [variable for variable in VARIABLES if variable.group == name and variable.name in stored.data.arrays]


def _cells(array: NDArray[Any], labels: Sequence[str] = ()) -> list[str]:
    """One column as text."""
    if labels:
        return ["" if code != code else labels[int(code)] for code in array.tolist()]
    if array.dtype.kind == "f":
        # str of a numpy float is the shortest text that reads back to the same bits of its own width.
        return [
            "" if value != value else str(value) for value in (array if array.dtype.itemsize < 8 else array.tolist())
        ]
    return [str(int(value)) for value in array.tolist()]


def _columns(variables: Sequence[Variable], stored: StoredResult, take: Any) -> list[list[str]]:
    """Columns of the rows ``take`` within one arm; arrays without an arm axis are taken as they are."""
    arm, rows = take
    out = []
    for variable in variables:
        array = stored.data[variable.name]
        within = array[arm] if variable.dims[0] == "arm" else array
        out.append(_cells(within[rows], variable.labels))
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
        return rows, [_cells(data.patient[rows])]

    return _rows(stored, "patients", ["patient"], rows_of)


def _visits(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data

    def rows_of(arm: int) -> tuple[Any, list[list[str]]]:
        took_place = ~np.isnan(data["visit_time"][arm].astype(float))
        patient, visit = np.nonzero(took_place & (data["assigned"][arm] != 0)[:, None])
        return (patient, visit), [_cells(data.patient[patient]), _cells(visit)]

    return _rows(stored, "visits", ["patient", "visit"], rows_of)


def _trajectories(stored: StoredResult) -> Iterator[Sequence[str]]:
    data = stored.data
    place = {int(number): index for index, number in enumerate(data.patient)}
    traced = np.array([place[int(number)] for number in data.trace], dtype=np.int64)

    def rows_of(arm: int) -> tuple[Any, list[list[str]]]:
        here = data["assigned"][arm][traced] != 0
        trace, time = np.nonzero(np.repeat(here[:, None], data.time.size, axis=1))
        return (trace, time), [_cells(data.trace[trace]), _cells(data.time[time])]

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
