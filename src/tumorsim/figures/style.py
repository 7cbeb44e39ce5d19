"""One look for all figures: palette, type sizes, inches, footer.

Colours are those of Okabe and Ito (2008), told apart under the common forms of
colour blindness. An arm has one colour in every figure, given by its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import StudyView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

ARM_COLOURS = ("#D55E00", "#0072B2", "#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
ARM_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
RESPONSE_COLOURS = {"CR": "#009E73", "PR": "#56B4E9", "SD": "#E69F00", "PD": "#CC79A7", "NE": "#BBBBBB"}
VERDICT_COLOURS = {"agrees": "#0072B2", "disagrees": "#D55E00", "shown only": "#6E6E6E"}
INK, GREY, RULE = "#222222", "#595959", "#CCCCCC"
WIDTHS = {"single": 3.5, "double": 7.0}
BODY, SMALL, TINY, HEAD = 7.5, 7.0, 6.0, 9.0
LINE = 0.155  # inches between lines of BODY text
SIGNATURE = "signature"  # id of the lines along the lower edge
FORMATS = ("png", "svg", "pdf")

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": BODY,
    "text.color": INK,
    # a scenario's "$" is text, never an equation to parse
    "text.parse_math": False,
    "axes.titlesize": HEAD,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": BODY,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    # the same bytes on every run: no random ids, glyphs as outlines or embedded TrueType
    "svg.hashsalt": "tumorsim",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
# keys that speak of windows and sessions, not of looks
_SESSION = (
    "backend",
    "interactive",
    "toolbar",
    "webagg",
    "keymap",
    "figure.hooks",
    "datapath",
    "tk.",
    "macosx",
    "animation",
    "docstring",
)


@contextlib.contextmanager
def journal() -> Iterator[None]:
    """The style of this package inside the block, whatever the user's matplotlibrc; put back after it."""
    import matplotlib

    settings: Any = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(_SESSION)}
    with matplotlib.rc_context(settings | _RC):
        yield


def canvas(width: float, height: float) -> Figure:
    """An empty figure of ``width`` × ``height`` inches with its own Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def place(figure: Figure, left: float, bottom: float, width: float, height: float, **kwargs: Any) -> Axes:
    """Axes at a place in inches from the lower left corner of the figure."""
    full_width, full_height = figure.get_size_inches()
    box = (left / full_width, bottom / full_height, width / full_width, height / full_height)
    return figure.add_axes(box, **kwargs)


def write(figure: Figure, x: float, y: float, text: str, **kwargs: Any) -> Text:
    """Text at inches from the lower left corner of the figure."""
    full_width, full_height = figure.get_size_inches()
    return figure.text(x / full_width, y / full_height, text, **kwargs)


def text_width(figure: Figure, text: str, size: float = BODY, weight: str = "normal") -> float:
    """Width of one line of text in inches."""
    return _pixels(text, size, weight, figure.dpi) / figure.dpi


# A label is measured again at every fit, and the labels of a study stand in every figure of its page.
@lru_cache(maxsize=4096)
def _pixels(text: str, size: float, weight: str, dpi: float) -> float:
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    renderer: Any = RendererAgg
    width, _, _ = renderer(1, 1, dpi).get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def plain(text: object) -> str:
    """Text on one line, without control characters: scenario texts are not ours to trust."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def fit(figure: Figure, text: object, width: float, size: float = BODY, weight: str = "normal") -> str:
    """The text on one line, cut with an ellipsis to ``width`` inches."""
    line = plain(text)
    if text_width(figure, line, size, weight) <= width:
        return line
    shortest, longest = 0, len(line)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        fits = text_width(figure, line[:middle] + "…", size, weight) <= width
        shortest, longest = (middle, longest) if fits else (shortest, middle - 1)
    return line[:shortest].rstrip() + "…"


def wrap(figure: Figure, text: object, width: float, size: float = BODY, lines: int = 2) -> list[str]:
    """The text broken at spaces into at most ``lines`` lines of ``width`` inches; the last one cut if need be."""
    words = plain(text).split(" ")
    done: list[str] = []
    while words and len(done) < lines - 1:
        taken = 1
        while taken < len(words) and text_width(figure, " ".join(words[: taken + 1]), size) <= width:
            taken += 1
        done.append(fit(figure, " ".join(words[:taken]), width, size))
        words = words[taken:]
    if words:
        done.append(fit(figure, " ".join(words), width, size))
    return done


def footer(figure: Figure, view: StudyView, note: str = "") -> None:
    """Scenario, seed, patients and the warning, along the lower edge."""
    each = {"twins": "each in every arm", "observational": "not randomised"}.get(view.data.allocation, "randomised")
    who = f"seed {view.summary.get('seed')} · n = {view.data.size:,} virtual patients, {each}"
    signature(figure, view.summary.get("scenario", ""), who, note)


def signature(figure: Figure, name: object, who: str, note: str = "") -> None:
    """What was simulated, how, a note and the warning, along the lower edge; a long name is cut."""
    width = float(figure.get_size_inches()[0]) - 0.2
    warning = "Simulation; not for clinical use."
    name = fit(figure, name, max(width - text_width(figure, f" · {who}", TINY), 0.5), TINY)
    first, rows = f"{name} · {who}", [warning]
    if text_width(figure, f"{first} · {warning}", TINY) <= width and not note:
        rows = [f"{first} · {warning}"]
    else:
        rows = [first, f"{note} {warning}".strip()]
        if text_width(figure, rows[1], TINY) > width:
            rows = [first, *wrap(figure, rows[1], width, TINY, 3)]
    for index, row in enumerate(reversed(rows)):
        write(figure, 0.1, 0.06 + 0.11 * index, row, size=TINY, color=GREY, va="bottom", gid=SIGNATURE)


def arm_colour(index: int) -> str:
    """Colour of the arm at a place; the same in every figure."""
    return ARM_COLOURS[index % len(ARM_COLOURS)]


def arm_dash(index: int) -> Any:
    """Line style of the arm at a place: dashed once the colours begin again."""
    return ARM_DASHES[index // len(ARM_COLOURS) % len(ARM_DASHES)]


def arm_labels(view: StudyView) -> list[str]:
    """What people call the arms, on one line each."""
    return [plain(label) for label in view.data.labels]


def month_ticks(limit: float, most: int = 9) -> NDArray[np.float64]:
    """Ticks from 0 to ``limit`` months: the smallest of 1, 2, 3, 6, 12, 24 … that gives at most ``most`` ticks."""
    for step in (1, 2, 3, 6, 12, 24, 36, 48, 60, 120, 240, 480):
        if limit / step <= most - 1 + 1e-9:
            break
    return np.arange(0.0, limit + 1e-9, step)


def power_label(value: float, _: int = 0) -> str:
    """10⁶ rather than 1e+06, without mathtext."""
    exponent = round(float(np.log10(value))) if value > 0 else 0
    if value <= 0:
        return "0"
    return f"{value:g}" if exponent in (0, 1) else "10" + superscript(exponent)


def unit_label(unit: str) -> str:
    """A unit of `tumorsim.variables` as printed on an axis."""
    return {
        "1": "",
        "cell": "cells",
        "1e3/uL": "10³/µL",
        "1/day": "per day",
        "um": "µm",
        "day": "days",
        "year": "years",
    }.get(unit, unit)


def number(value: float | None, digits: int = 2) -> str:
    """A number, or an en dash when there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def scientific(value: float, digits: int = 3) -> str:
    """Three significant digits, with a power of ten written out when large or small: ``1.03 × 10¹¹``."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    shown = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{shown} × 10{superscript(int(exponent))}"


def superscript(exponent: int) -> str:
    """A whole number as superscript: ``⁻³``."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def with_interval(value: float | None, ends: Sequence[float | None] | None, digits: int) -> str:
    """``33.0 (28.6–37.4)``; an end, or a value with a known end, that is not reached says ``n.r.``."""
    low, high = ends or (None, None)
    between = f"{'n.r.' if low is None else number(low, digits)}–{'n.r.' if high is None else number(high, digits)}"
    if low is None and high is None:
        return "not reached" if value is None else number(value, digits)
    return f"{'not reached' if value is None else number(value, digits)} ({between})"


def bare_p(p: float | None) -> str:
    """A P value for a column of P values: ``0.033``, ``< 0.001`` or an en dash."""
    if p is None or not np.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_value(p: float | None) -> str:
    """A P value in a sentence: ``p = 0.033``, ``p < 0.001`` or ``p –``."""
    bare = bare_p(p)
    return f"p {bare}" if bare[0] in "<–" else f"p = {bare}"


def key(
    figure: Figure, entries: Sequence[tuple[Any, str]], x: float, y: float, gap: float = 0.22, size: float = SMALL
) -> float:
    """A one-line key of handles and texts starting at inches (x, y); returns where it ends."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch, Rectangle

    full = figure.get_size_inches()
    for handle, text in entries:
        if isinstance(handle, Patch):
            colour, hatch = handle.get_facecolor(), handle.get_hatch()
            figure.add_artist(
                Rectangle(
                    (x / full[0], (y + 0.005) / full[1]), 0.11 / full[0], 0.09 / full[1], facecolor=colour,
                    edgecolor=handle.get_edgecolor(), hatch=hatch, linewidth=0.4,
                )
            )  # fmt: skip
            x += 0.16
        elif isinstance(handle, Line2D):
            mark = Line2D(
                [x / full[0], (x + 0.11) / full[0], (x + 0.22) / full[0]], [(y + 0.05) / full[1]] * 3, markevery=[1]
            )
            mark.update_from(handle)
            mark.set_transform(figure.transFigure)
            figure.add_artist(mark)
            x += 0.28
        write(figure, x, y, text, size=size, va="bottom")
        x += text_width(figure, text, size) + gap
    return x - gap
