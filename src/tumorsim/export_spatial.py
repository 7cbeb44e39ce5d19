"""A spatial result as plain tables; what `tumorsim.export` says of a trial holds here too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tumorsim.csv_text import cells, csv_bytes, json_bytes, safe
from tumorsim.spatial_tables import TABLES, Table, columns
from tumorsim.store.spatial_layout import AXES
from tumorsim.variables import Variable

if TYPE_CHECKING:
    from tumorsim.store.spatial_decoding import StoredSpatial


def spatial_contents(stored: StoredSpatial) -> dict[str, bytes]:
    """Every file of the export by its name; a table without rows, such as of a lineage not stored, has its header."""
    found = {f"{one.name}.csv": csv_bytes(_rows(stored, one)) for one in TABLES}
    return found | {"variables.csv": csv_bytes(_meanings(stored)), "summary.json": json_bytes(stored.summary)}


def _rows(stored: StoredSpatial, one: Table) -> Iterator[Sequence[str]]:
    found = columns(stored.data, one)
    declared = {variable.name: variable for variable in one.variables}
    yield list(found)
    yield from zip(*(_column(declared.get(name), values) for name, values in found.items()), strict=True)


def _column(variable: Variable | None, values: NDArray[Any]) -> list[str]:
    """One column as text; missing is an empty cell."""
    if values.dtype == object:
        return [safe(name) for name in values]
    if variable is None or values.dtype.kind == "f":
        return cells(values)
    labels = variable.labels
    return ["" if code < 0 else labels[code] if labels else str(code) for code in values.tolist()]


def _meanings(stored: StoredSpatial) -> Iterator[Sequence[str]]:
    """The sidecar: table, column, unit, values, meaning."""
    yield ["table", "column", "unit", "values", "meaning"]
    for one in TABLES:
        for name in one.axes:
            unit, doc = AXES[name]
            yield [f"{one.name}.csv", name, unit, "", doc]
        for variable in one.variables:
            yield [f"{one.name}.csv", variable.name, variable.unit, " | ".join(variable.labels), variable.doc]
    for name, label in zip(stored.data.arms, stored.data.labels, strict=True):
        yield ["series.csv", "arm", "1", safe(name), safe(label)]
