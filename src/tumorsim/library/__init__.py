"""The shipped library: diseases, tissues, drugs, cell products, procedures and protocols.

One YAML file an entry; a tissue has the name of its disease. A scenario refers to an entry
by name (``disease: hcc``) or changes it in place (``disease: {base: hcc, growth: {growth_rate: 0.01 1/day}}``).
Loading a scenario writes the entries into it, so a resolved scenario needs no library.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tumorsim.yamlio import Node, parse, read_file

KINDS: Final = ("diseases", "tissues", "drugs", "cells", "procedures", "protocols")
SINGULAR: Final = {
    "diseases": "disease",
    "tissues": "tissue",
    "drugs": "drug",
    "cells": "cell product",
    "procedures": "procedure",
    "protocols": "protocol",
}
# the key of a scenario under which an entry of each kind is named
KEY: Final = {
    "diseases": "disease",
    "tissues": "tissue",
    "drugs": "drug",
    "cells": "infusion",
    "procedures": "tace",
    "protocols": "protocol",
}
# the entry of each kind that messages give as an example
EXAMPLE: Final = {
    "diseases": "hcc",
    "tissues": "hcc",
    "drugs": "sorafenib",
    "cells": "cik",
    "procedures": "ctace",
    "protocols": "cik_60_weeks",
}
# keys that tell people about a protocol and are no setting of its treatment
DESCRIPTION: Final = ("name", "label", "note", "source")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FOLDER: Final = Path(__file__).parent


class LibraryError(ValueError):
    """A name that the library does not hold; the message names the nearest one."""


@dataclass(frozen=True)
class Row:
    """One parameter of an entry.

    Attributes
    ----------
    path
        Where it stands in the entry, e.g. ``growth.growth_rate``.
    value
        As written, with unit.
    unit
        Unit of the numbers handed to the models.
    range, interval
        Lower and upper end as written, of what is plausible and of the 90% posterior
        interval of a fitted value; empty if the entry gives none.
    cv
        Coefficient of variation between patients; 0 if it does not vary.
    source, status, note
        Where the value comes from; ``measured``, ``fitted`` or ``assumed``.
    symbol, doc
        Symbol in ``docs/theory`` and what the parameter is.
    """

    path: str
    value: str
    unit: str
    range: tuple[str, ...]
    interval: tuple[str, ...]
    cv: float
    source: str
    status: str
    note: str
    symbol: str
    doc: str


@dataclass(frozen=True)
class LibraryEntry:
    """One entry of the library, for people."""

    kind: str
    name: str
    label: str
    note: str
    rows: tuple[Row, ...]


@cache
def names(kind: str) -> tuple[str, ...]:
    """Names of the entries of one kind, sorted.

    Raises
    ------
    KeyError
        ``kind`` is none of `KINDS`.
    """
    if kind not in KINDS:
        raise KeyError(f"{kind!r} is no kind; kinds are {', '.join(KINDS)}")
    return tuple(sorted(path.stem for path in (_FOLDER / kind).glob("*.yaml") if _NAME.fullmatch(path.stem)))


def suggestion(name: str, known: tuple[str, ...] | list[str], cutoff: float = 0.5) -> str:
    """``(did you mean "x"?)`` with a leading space, or nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f' (did you mean "{close[0]}"?)' if close else ""


def check_name(kind: str, name: object) -> str:
    """``name`` if the library has it under ``kind``.

    Raises
    ------
    LibraryError
        It is no name, no entry, or an entry of another kind.
    """
    singular = SINGULAR[kind]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise LibraryError(f"must be the name of a {singular} of the library (a-z, 0-9, _ and -), e.g. {EXAMPLE[kind]}")
    known = names(kind)
    if name in known:
        return name
    for other in KINDS:
        if name in names(other):
            raise LibraryError(f'"{name}" is a {SINGULAR[other]}, not a {singular}; write {KEY[other]}: {name}')
    held = ", ".join(known) if known else "none"
    raise LibraryError(f'"{name}" is no {singular} of the library{suggestion(name, known)}; it has {held}')


@cache
def tree(kind: str, name: str) -> Node:
    """Tree of an entry; not to be changed.

    Raises
    ------
    LibraryError
        No such entry.
    """
    path = _FOLDER / kind / f"{check_name(kind, name)}.yaml"
    shown = f"library/{kind}/{name}.yaml"
    return parse(read_file(path, shown), shown)


def kind_of(name: str) -> str:
    """Kind of the entry called ``name``; the first one if a tissue has the name of its disease.

    Raises
    ------
    LibraryError
        No kind has it.
    """
    return kinds_of(name)[0]


def kinds_of(name: str) -> tuple[str, ...]:
    """Every kind that has an entry called ``name``, in the order of `KINDS`.

    Raises
    ------
    LibraryError
        No kind has it.
    """
    found = tuple(kind for kind in KINDS if name in names(kind))
    if found:
        return found
    everything = list(dict.fromkeys(known for kind in KINDS for known in names(kind)))
    raise LibraryError(
        f'"{name[:40]}" is not in the library{suggestion(name, everything)}; it has {", ".join(everything)}'
    )


def entry(name: str) -> LibraryEntry:
    """An entry with every parameter, defaults included.

    Parameters
    ----------
    name
        ``hcc``, or with its kind, ``tissues/hcc``, where two kinds have the name.

    Raises
    ------
    LibraryError
        No such entry.
    """
    from tumorsim.fields import LIBRARY, parameters_of
    from tumorsim.units import DIMENSIONS

    kind, _, named = name.rpartition("/")
    if kind in KINDS:
        name = check_name(kind, named)
    else:
        kind = kind_of(name)
    plain = tree(kind, name).plain()
    block = next((cls for cls, folder in LIBRARY.items() if folder == kind), None)
    rows = []
    for path, field in parameters_of(block) if block is not None else ():
        process = path.rpartition(".")[0]
        if process and _at(plain, process) is None:
            continue  # the entry goes without the block
        extra: Any = field.json_schema_extra
        rows.append(_row(path, _at(plain, path), field, DIMENSIONS[extra["dimension"]].internal, extra))
    if block is None:
        source = str(plain.get("source", ""))
        rows = [_setting(key, value, source) for key, value in plain.items() if key not in DESCRIPTION]
    return LibraryEntry(kind, name, str(plain.get("label", name)), str(plain.get("note", "")), tuple(rows))


def _at(plain: Any, path: str) -> Any:
    for part in path.split("."):
        plain = plain.get(part) if isinstance(plain, dict) else None
    return plain


def _row(path: str, raw: Any, field: Any, unit: str, extra: dict[str, Any]) -> Row:
    from tumorsim.units import format_quantity

    if raw is None:
        default = field.default
        raw = {
            "value": format_quantity(default.value, extra["dimension"]),
            "source": default.source,
            "status": default.status,
        }
    elif not isinstance(raw, dict):
        raw = {"value": raw}
    return Row(
        path=path,
        value=str(raw["value"]),
        unit=unit,
        range=tuple(str(end) for end in raw.get("range") or ()),
        interval=tuple(str(end) for end in raw.get("interval") or ()),
        cv=float(raw.get("cv", 0.0)),
        source=str(raw.get("source", "")),
        status=str(raw.get("status", "assumed")),
        note=str(raw.get("note", "")),
        symbol=str(extra["symbol"]),
        doc=field.description or "",
    )


def _setting(key: str, value: Any, source: str) -> Row:
    """A key of a protocol, which holds no parameters of its own."""
    return Row(key, str(value), "", (), (), 0.0, source, "", "", "", "")
