"""How tests read a page: as a tree, section by section, with figures or without."""

from __future__ import annotations

import base64
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from tumorsim.report import frame

VOID = {"meta", "img", "source", "br"}
BLANK = "data:image/svg+xml;base64," + base64.b64encode(b"<svg></svg>").decode()


class Page(HTMLParser):
    """Tags as a tree would have them, and what they ask for."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]


def section(html: str, name: str) -> str:
    """One section, its tags included."""
    (found,) = re.findall(rf'<section id="{name}".*?</section>', html, flags=re.S)
    return str(found)


def leave_figures_out(patch: pytest.MonkeyPatch) -> None:
    """Pages of words alone from now on; whether a figure can be drawn is then not asked."""
    patch.setattr(frame, "_uri", lambda *_, **__: BLANK)


def refuse_to_load(html: str, *images: str) -> None:
    """Fail on a page that asks for anything but its own parts and ``images`` that stand in it, or runs anything."""
    found = Page(html)
    own = tuple(f"data:image/{image};base64," for image in images)
    for name in ("src", "srcset", "href", "poster", "action", "data", "background"):
        for value in found.values(name):
            assert value.startswith((*own, "#")), f"{name}={value[:60]}"
    assert not found.tags.keys() & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert "http:" not in html
    assert "https:" not in html
    assert "default-src 'none'" in html
