"""The table of a sweep as plain tables; what `tumorsim.export` says of a trial holds here too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tumorsim.csv_text import cells, csv_bytes, json_bytes, safe
from tumorsim.store.sweep import AXES, SEED
from tumorsim.sweep_data import STATUS, columns

if TYPE_CHECKING:
    from tumorsim.store.sweep import StoredSweep

TOLD = ("run", "point", "replicate", "seed", "settings", "message")


def sweep_contents(stored: StoredSweep) -> dict[str, bytes]:
    """Every file of the export by its name."""
    return {
        "runs.csv": csv_bytes(_rows(stored)),
        "failures.csv": csv_bytes(_failures(stored)),
        "variables.csv": csv_bytes(_meanings(stored)),
        "summary.json": json_bytes(stored.summary),
    }


def _rows(stored: StoredSweep) -> Iterator[Sequence[str]]:
    found = columns(stored.data)
    yield list(found)
    text = [[safe(one) for one in values] if values.dtype == object else cells(values) for values in found.values()]
    yield from zip(*text, strict=True)


def _failures(stored: StoredSweep) -> Iterator[Sequence[str]]:
    """Runs that failed, and why; settings as ``--set`` takes them, as a JSON list."""
    yield TOLD
    for one in stored.summary["failures"]:
        values = {**one, "settings": json.dumps(one["settings"], ensure_ascii=False)}
        yield [safe(str(values[name])) for name in TOLD]


def _meanings(stored: StoredSweep) -> Iterator[Sequence[str]]:
    """The sidecar: table, column, unit, values, meaning."""
    yield ["table", "column", "unit", "values", "meaning"]
    for name, (unit, doc) in AXES.items():
        yield ["runs.csv", name, unit, "", doc]
    yield ["runs.csv", "seed", "1", "", SEED.doc]
    for factor in stored.data.factors:
        labels = " | ".join(safe(label) for label in factor.labels)
        yield ["runs.csv", factor.name, factor.unit or "1", labels, safe(factor.title)]
    for output in stored.data.outputs:
        yield ["runs.csv", output.name, output.unit, "", safe(output.title)]
    yield ["runs.csv", "status", "1", " | ".join(STATUS), "What came of the run."]
