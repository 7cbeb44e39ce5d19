r"""Formulas as MathML: they need no script and no internet.

LaTeX is translated while the pages are built. ``\tag{G1}`` numbers an equation as the
kernels cite it; the number is also the anchor ``#eq-G1``.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_TAG = re.compile(r"\\tag\{(?P<number>[^}]+)\}")
_NOT_IN_BROWSERS = re.compile(r'columnalign="(left|right|center)"')


def mathml(latex: str, display: str) -> str:
    """MathML element of a formula; ``display`` is ``block`` or ``inline``.

    Raises
    ------
    ExtensionError
        A command that is not translated, so that no page shows raw LaTeX.
    """
    text = latex.replace(r"\!", "").replace("{aligned}", "{align*}")
    try:
        element = convert(text, display=display)
    except Exception as error:
        raise ExtensionError(f"the formula cannot be translated ({error!r}): {latex}") from error
    if "\\" in re.sub(r"<[^>]*>", "", element):
        raise ExtensionError(f"the formula has a command that is not translated: {latex}")
    return _NOT_IN_BROWSERS.sub(r'style="text-align: \1"', element)


def numbered(latex: str) -> tuple[str, str]:
    """A formula without its tag, and the tag; empty if it has none."""
    found = _TAG.search(latex)
    return _TAG.sub("", latex), found["number"] if found else ""


def visit_inline(translator: Any, node: nodes.math) -> None:
    """A formula in a line of text."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_display(translator: Any, node: nodes.math_block) -> None:
    """A formula on its own line, its number at the right."""
    formula, number = numbered(node.astext())
    anchor = f' id="eq-{number}"' if number else ""
    label = f'<span class="number">({number})</span>' if number else ""
    translator.body.append(f'<div class="formula"{anchor}>{mathml(formula, "block")}{label}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Make MathML the way formulas are shown."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    app.add_css_file("math.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
