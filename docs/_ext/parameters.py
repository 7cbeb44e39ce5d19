"""Writes ``docs/parameters.md``: every parameter of the library with unit, range, source and status.

Runs whenever the pages are built, so the tables cannot fall behind the library.
``latex`` is also how the theory pages spell the symbol of a parameter; a test compares them.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tumorsim import library
from tumorsim.library import LibraryEntry, Row

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GREEK = ("alpha", "beta", "chi", "gamma", "delta", "eps", "eta", "kappa", "lambda", "mu", "pi", "rho", "sigma", "tau")
TITLES = {
    "diseases": "Diseases",
    "tissues": "Tissues",
    "drugs": "Drugs",
    "cells": "Cell products",
    "procedures": "Procedures",
    "protocols": "Protocols",
}
_INTRODUCTION = """\
# Parameters

Written from the library when these pages are built; `tumorsim library NAME` prints the same.
Values are typical ones; *cv* is the lognormal variation between patients; a range has the unit of its value.
What the status means: [Credibility](credibility/index.md).
An effect that an entry does not have is zero and is left out.
"""


def latex(symbol: str) -> str:
    r"""LaTeX of a symbol as ``params`` declares it: ``k_NB`` gives ``k_\mathrm{NB}``."""
    return "/".join(_one(part) for part in symbol.split("/"))


def _one(symbol: str) -> str:
    if symbol == "Occ_star":
        return r"\mathrm{Occ}^*"
    base, _, index = symbol.partition("_")
    return _letters(base) + (f"_{_letters(index)}" if index else "")


def _letters(text: str) -> str:
    if text in GREEK:
        return r"\varepsilon" if text == "eps" else "\\" + text
    if len(text) == 1:
        return text
    return f"{{{text}}}" if text.isdigit() else rf"\mathrm{{{text}}}"


def page() -> str:
    """The whole page as Markdown."""
    parts = [_INTRODUCTION]
    for kind in library.KINDS:
        names = library.names(kind)
        if names:
            parts.append(f"## {TITLES[kind]}\n")
            parts += [_entry(library.entry(f"{kind}/{name}")) for name in names]
    return "\n".join(parts)


def _entry(entry: LibraryEntry) -> str:
    rows = [row for row in entry.rows if row.source != "default: the effect is absent"]
    lines = [f"### {entry.label} (`{entry.name}`)\n"]
    if entry.note:
        lines.append(f"{entry.note}\n")
    if entry.kind == "protocols":
        lines += ["| key | value |", "| --- | --- |", *(f"| `{row.path}` | {_cell(row.value)} |" for row in rows)]
        return "\n".join([*lines, ""])
    for process, members in groupby(rows, lambda row: row.path.rpartition(".")[0]):
        lines += [f"#### {process}\n"] if process else []
        lines += ["| parameter | | value | range | status | source |", "| --- | --- | --- | --- | --- | --- |"]
        lines += [*map(_line, members), ""]
    return "\n".join(lines)


def _line(row: Row) -> str:
    _, _, unit = row.value.partition(" ")
    ends, known = (
        [end.removesuffix(f" {unit}") if unit else end for end in pair] for pair in (row.range, row.interval)
    )
    cells = (
        f"`{row.path.rpartition('.')[2]}`",
        f"${latex(row.symbol)}$",
        _cell(row.value + (f", cv {row.cv:g}" if row.cv else "")),
        _cell(" – ".join(ends)),
        row.status + (f", 90 %: {_cell(' – '.join(known))}" if known else ""),
        _cell(" ".join(filter(None, (row.source, row.note)))),
    )
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that cannot break a table or start a markup."""
    return re.sub(r"([|*_<`$])", r"\\\1", text)


def write(app: Sphinx) -> None:
    """Write the page, only if it changed."""
    path, text = Path(app.srcdir) / "parameters.md", page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the page before pages are read."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
