"""Columns as text that reads back to the same bits, and tables as bytes of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from numpy.typing import NDArray

# A cell that a spreadsheet would take for a formula starts with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(file: BinaryIO, rows: Iterable[Sequence[str]]) -> None:
    """Rows into a file, as they come."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    text.detach()


def csv_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as a file."""
    file = io.BytesIO()
    write_csv(file, rows)
    return file.getvalue()


def json_bytes(summary: Mapping[str, Any]) -> bytes:
    """A summary as a file."""
    from tumorsim.store.parts import dump_json

    return (dump_json(summary) + "\n").encode()


def safe(text: str) -> str:
    """Text that no spreadsheet runs as a formula: a leading apostrophe where it could."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def cells(array: NDArray[Any], labels: Sequence[str] = ()) -> list[str]:
    """One column as text."""
    if labels:
        return ["" if code != code else labels[int(code)] for code in array.tolist()]
    if array.dtype.kind == "f":
        # str of a numpy float is the shortest text that reads back to the same bits of its own width.
        return [
            "" if value != value else str(value) for value in (array if array.dtype.itemsize < 8 else array.tolist())
        ]
    return [str(int(value)) for value in array.tolist()]
