"""What the pages share: their frame, their style, and figures as part of the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from tumorsim.figures.base import FigureError, Kind
from tumorsim.figures.files import image
from tumorsim.report.tables import provenance_table
from tumorsim.report.words import NOTICE

V = TypeVar("V")


@dataclass(frozen=True)
class Picture:
    """One figure in the page.

    Attributes
    ----------
    title, caption
        Above and below it.
    alt
        What it says to those who cannot see it.
    wide, narrow
        Data URIs; ``narrow`` replaces ``wide`` on small screens, and may be empty.
    """

    title: str
    caption: str
    alt: str
    wide: str
    narrow: str = ""


def data_uri(content: bytes, kind: str) -> str:
    """The address of an image that stands in the page itself; ``kind`` is its MIME type, e.g. ``image/gif``."""
    return f"data:{kind};base64," + base64.b64encode(content).decode("ascii")


def _uri(declared: Kind[V], view: V, **options: Any) -> str:
    return data_uri(image(declared.draw(view, **options), "svg"), "image/svg+xml")


def picture(declared: Kind[V], view: V, alt: str = "", **options: Any) -> Picture | None:
    """A figure, or None where ``view`` has nothing to show in it."""
    try:
        wide = _uri(declared, view, **options)
    except FigureError:
        return None
    narrow = any(option.name == "width" for option in declared.options)
    return Picture(
        title=declared.title,
        caption=declared.description,
        alt=alt or f"{declared.title}. {declared.description}",
        wide=wide,
        narrow=_uri(declared, view, **{**options, "width": "single"}) if narrow else "",
    )


def around(provenance: Mapping[str, Any], digest: str = "") -> dict[str, Any]:
    """What every page shows, whatever it is of; ``digest`` is the SHA-256 of the data, if known."""
    return {
        "style": style(),
        "notice": NOTICE,
        "version": str(provenance.get("tumorsim") or ""),
        "provenance": provenance_table(provenance, digest),
    }


def style() -> str:
    """The style sheet of every page."""
    return _read("page.css")


def fill(name: str, context: dict[str, Any]) -> str:
    """A template of this package with its words in place; every text is escaped."""
    return str(_environment().get_template(name).render(context))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _read(name: str) -> str:
    return files("tumorsim.report").joinpath(*name.split("/")).read_text(encoding="utf-8")
