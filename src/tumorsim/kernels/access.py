"""Functions that read and write parameters of lanes, made from the tuples in `layout`, which alone name the fields."""

from __future__ import annotations

from typing import Any

from tumorsim.kernels import layout
from tumorsim.kernels._jit import generated
from tumorsim.kernels.layout import LANES


def kind_of(block: str) -> Any:
    """The tuple of a block of traits."""
    return getattr(layout, block.capitalize())


def first_rows(blocks: tuple[str, ...], scalars: tuple[str, ...]) -> dict[str, int]:
    """First row of each block of traits, of each trait that is one number, and of what comes after them."""
    rows, at = {}, 0
    for block in blocks:
        rows[block], at = at, at + len(kind_of(block)._fields)
    for name in scalars:
        rows[name], at = at, at + 1
    return rows | {"drugs": at}


def reader(name: str, kind: Any, first: int = 0) -> Any:
    """Function ``(par, i)`` that makes the tuple of lane ``i`` from rows ``first`` on."""
    values = ", ".join(f"par[{(first + row) * LANES} + i]" for row in range(len(kind._fields)))
    return generated(name, f"def {name}(par, i):\n    return Kind({values})\n", Kind=kind)


def writer(name: str, rows: dict[str, int], source: str = "source") -> Any:
    """Function ``(par, source)`` that writes fields of a record, by path, to rows of the first lane."""
    lines = [f"    par[{row * LANES}] = {source}.{path}\n" for path, row in rows.items()]
    return generated(name, f"def {name}(par, {source}):\n" + "".join(lines))


def numbered(kind: Any, first: int = 0, path: str = "") -> dict[str, int]:
    """Row of every field."""
    return {f"{path}{field}": first + row for row, field in enumerate(kind._fields)}
