"""A spatial study as tidy tables: one row an observation, one column a variable.

Variables of the same axes stand in one table, so that the effectors, say, have a row for each product. The tables
of `tumorsim.spatial_api.SpatialResult.to_frame` and of ``tumorsim export`` are these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.spatial_variables import (
    DEPTH,
    EACH,
    FATE,
    FATES,
    LINEAGE,
    MEASURES,
    PRODUCT,
    RADIUS,
    SERIES,
    SHOT,
    SpatialData,
)
from tumorsim.variables import Variable

if TYPE_CHECKING:
    import pandas as pd

CELLS = ("arm", "cell")


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    name
        As in ``to_frame(name)`` and ``name.csv``.
    axes
        Columns that say which row it is, the first changing slowest.
    doc
        What one row is.
    variables
        The other columns.
    """

    name: str
    axes: tuple[str, ...]
    doc: str
    variables: tuple[Variable, ...] = field(repr=False)


def _of(dims: tuple[str, ...]) -> tuple[Variable, ...]:
    return tuple(variable for variable in (*SERIES, *MEASURES) if variable.dims == dims)


TABLES = (
    Table("series", EACH, "a moment of a lattice", _of(EACH)),
    Table("effectors", PRODUCT, "an effector product at a moment of a lattice", _of(PRODUCT)),
    Table("deaths", FATE, "a cause of death at a moment of a lattice", _of(FATE)),
    Table("measures", SHOT, "a lattice on a day of a snapshot", _of(SHOT)),
    Table("depths", DEPTH, "a depth below the margin, of a lattice on a day of a snapshot", _of(DEPTH)),
    Table("distances", RADIUS, "a distance between cells, of a lattice on a day of a snapshot", _of(RADIUS)),
    Table("lineage", CELLS, "a tumour cell of the first replicate", LINEAGE),
)


def table(name: str) -> Table:
    """The table of a name.

    Raises
    ------
    KeyError
        No such table; the message lists the names.
    """
    for one in TABLES:
        if one.name == name:
            return one
    raise KeyError(f"{name!r} is no table; there are {', '.join(one.name for one in TABLES)}")


def axis(data: SpatialData, name: str) -> NDArray[Any]:
    """Values along an axis of the series or the measures."""
    named = {"arm": data.arms, "product": data.products, "fate": FATES}
    return np.array(named[name], dtype=object) if name in named else np.asarray(getattr(data, name))


def columns(data: SpatialData, one: Table) -> dict[str, NDArray[Any]]:
    """Columns of a table by name, axes first, all of the same length.

    Codes and counts are as stored: -1 where they are missing. Names are Python strings in arrays of objects.
    """
    if one.axes == CELLS:
        return _lineage(data, one)
    axes = [axis(data, name) for name in one.axes]
    shape = tuple(values.size for values in axes)
    found: dict[str, NDArray[Any]] = {}
    for place, (name, values) in enumerate(zip(one.axes, axes, strict=True)):
        along = values.reshape([-1 if other == place else 1 for other in range(len(axes))])
        found[name] = np.broadcast_to(along, shape).reshape(-1)
    return found | {variable.name: np.asarray(data[variable.name]).reshape(-1) for variable in one.variables}


def _lineage(data: SpatialData, one: Table) -> dict[str, NDArray[Any]]:
    """Arm below arm; an arm whose lineage was not asked for has no rows."""
    held: dict[str, Mapping[str, NDArray[Any]]] = {arm: data.lineage[arm] for arm in data.arms if data.lineage.get(arm)}
    sizes = [cells["parent"].size for cells in held.values()]
    found: dict[str, NDArray[Any]] = {
        "arm": np.repeat(np.array(list(held), dtype=object), sizes),
        "cell": np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, np.int64)]),
    }
    for variable in one.variables:
        parts = [cells[variable.name] for cells in held.values()]
        found[variable.name] = np.concatenate(parts or [np.zeros(0, variable.dtype)])
    return found


def frame(data: SpatialData, name: str) -> pd.DataFrame:
    """A table in pandas: missing is NaN or NA, codes are their words.

    Raises
    ------
    KeyError
        No such table; the message lists the names.
    """
    import pandas as pd

    one = table(name)
    declared = {variable.name: variable for variable in one.variables}
    found = columns(data, one)
    return pd.DataFrame({key: _readable(declared.get(key), values) for key, values in found.items()})


def _readable(variable: Variable | None, values: NDArray[Any]) -> Any:
    """A column as people read it."""
    import pandas as pd

    if variable is None:
        return values
    if variable.labels:
        return pd.Categorical.from_codes(values.astype(np.int64), pd.Index(variable.labels))
    if variable.count and bool((values < 0).any()):
        return pd.arrays.IntegerArray(values.astype(np.int64), values < 0)
    return values


def summary_frame(summary: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a summary in pandas, ends of intervals in columns of their own.

    Parameters
    ----------
    summary
        From `tumorsim.spatial_summary.summarise`.
    """
    import pandas as pd

    numbers = ["mean", "low", "high", "difference", "difference_low", "difference_high"]
    rows = [_ends(_ends(row, "interval", ""), "difference_interval", "difference_") for row in summary["rows"]]
    found = pd.DataFrame(rows, columns=["quantity", "title", "unit", "arm", "n", *numbers])
    return found.astype(dict.fromkeys(numbers, "float64"))


def _ends(row: Mapping[str, Any], interval: str, prefix: str) -> dict[str, Any]:
    """The row with the ends of one interval as ``low`` and ``high``."""
    low, high = row.get(interval, (None, None))
    return {**row, f"{prefix}low": low, f"{prefix}high": high}
