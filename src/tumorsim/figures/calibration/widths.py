"""How far the posterior of each parameter is narrower than its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import (
    FloatArray,
    Parameter,
    footer_text,
    knowledge,
    label_of,
    on_axis,
    parameters_of,
)
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    LINE,
    RULE,
    SMALL,
    TINY,
    canvas,
    fit,
    key,
    number,
    place,
    plain,
    signature,
    write,
)
from tumorsim.figures.ticks import compact

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW = LINE * 2.1
COLUMNS = {"name": 0.1, "axis": 1.75, "values": 4.55, "shrinkage": 6.02, "known": 6.42}
COLOURS = {"identifiable": "#0072B2", "weakly": "#009E73", "not identifiable": "#D55E00", "–": GREY}
SHORT = {"identifiable": "known", "weakly": "weak", "not identifiable": "open", "–": "–"}


def draw_widths(outcome: Outcome) -> Drawing:
    """One row a parameter; see `WIDTHS`."""
    rows = parameters_of(outcome)
    height = ROW * len(rows)
    figure = canvas(7.0, height + 1.3)
    top = height + 0.5
    write(figure, 0.1, top + 0.56, "What the fit adds to the priors", size=HEAD, weight="bold")
    _key(figure, top + 0.32)
    for column, text in (("values", "fitted (posterior 90%)"), ("shrinkage", "shrink."), ("known", "known?")):
        write(figure, COLUMNS[column], top + 0.08, text, size=SMALL, color=GREY)
    axes = place(figure, COLUMNS["axis"], top - height, COLUMNS["values"] - COLUMNS["axis"] - 0.15, height)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.22, 1.22)
    axes.set_xticks([0.0, 1.0], ["5% of the prior", "95% of the prior"], size=TINY)
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    for row, parameter in enumerate(rows):
        _row(figure, axes, row, parameter, top - ROW * (row + 0.5))
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome), "Intervals: 5% to 95%.")
    return figure


def _key(figure: Drawing, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=RULE, edgecolor=RULE), "prior"),
        (Line2D([], [], color=INK, linewidth=2.2), "posterior"),
        (Line2D([], [], color=INK, marker="|", markersize=6, markeredgewidth=1.2, linestyle="none"), "median"),
        (Line2D([], [], color=INK, marker="D", markersize=3.6, linestyle="none"), "best of the search"),
        (Line2D([], [], color=GREY, marker="x", markersize=3.6, linestyle="none"), "start"),
    ]
    key(figure, entries, 0.1, y)


def _row(figure: Drawing, axes: Axes, row: int, parameter: Parameter, y: float) -> None:
    known = knowledge(parameter["shrinkage"])
    colour = COLOURS[known]
    write(figure, COLUMNS["name"], y - 0.005, fit(figure, label_of(parameter), 1.58, SMALL), size=SMALL)
    unit = plain(parameter["unit"] or "")
    if unit not in ("", "1"):
        write(figure, COLUMNS["name"], y - 0.115, fit(figure, unit, 1.58, TINY), size=TINY, color=GREY)
    axes.plot([0.0, 1.0], [row, row], color=RULE, linewidth=6.0, solid_capstyle="butt", gid="prior", zorder=1)
    spots = _places(parameter)
    low, high = spots["interval"]
    if np.isfinite([low, high]).all():
        ends = np.clip([low, high], *axes.get_xlim())
        axes.plot(ends, [row, row], color=colour, linewidth=2.2, solid_capstyle="butt", gid="posterior", zorder=2)
    for name, marker, size in (("start", "x", 3.6), ("median", "|", 7.0), ("best", "D", 3.6)):
        if np.isfinite(spots[name]).all():
            axes.plot(
                np.clip(spots[name], *axes.get_xlim()), [row], marker=marker, markersize=size, linestyle="none",
                color=GREY if name == "start" else colour, markeredgewidth=1.3 if name == "median" else 0.9, gid=name,
                zorder=3,
            )  # fmt: skip
    best, ends = parameter["best"], parameter["interval"] or [None, None]
    between = f" ({'–'.join('…' if end is None else compact(end) for end in ends)})" if any(ends) else ""
    text = ("–" if best is None else compact(best)) + between
    write(figure, COLUMNS["values"], y - 0.035, fit(figure, text, 1.42, SMALL), size=SMALL)
    shrinkage = parameter["shrinkage"]
    share = "–" if shrinkage is None else f"{number(100.0 * shrinkage, 0)}%"
    write(figure, COLUMNS["shrinkage"], y - 0.035, share, size=SMALL, color=colour, gid="shrinkage")
    write(figure, COLUMNS["known"], y - 0.035, SHORT[known], size=SMALL, color=colour, weight="bold")


def _places(parameter: Parameter) -> dict[str, FloatArray]:
    """Where values stand between the ends of the prior interval, 0 to 1, on the prior's own scale."""
    low, high = on_axis(parameter, parameter["prior_interval"] or [None, None])
    width = high - low if high > low else np.nan
    return {
        name: (on_axis(parameter, parameter[name] if name == "interval" and parameter[name] else values) - low) / width
        for name, values in (
            ("interval", [None, None]),
            ("median", [parameter["median"]]),
            ("best", [parameter["best"]]),
            ("start", [parameter["start"]]),
        )
    }


WIDTHS = CalibrationFigure(
    name="calibration-widths",
    title="What the fit adds to the priors",
    description=(
        "The 90% posterior interval of each parameter inside the 90% interval of its prior, on the prior's own scale "
        "(logarithmic where the prior is). Shrinkage is one less the ratio of both standard deviations: known from "
        "50%, weak from 20%, open below, where the value still is the prior's."
    ),
    render=draw_widths,
)
