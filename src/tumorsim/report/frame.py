"""What the pages share: their frame, their style, and figures as part of the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tumorsim.figures.files import image

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


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


def data_uri(drawing: Drawing) -> str:
    """A figure as the address of an image that stands in the page itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(image(drawing, "svg")).decode("ascii")


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
