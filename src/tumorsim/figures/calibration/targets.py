"""Reported figures against the fit: where the search began, where it ended, and what a new study would show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import Target, footer_text, role, row_name
from tumorsim.figures.names import Scale, scale_of, shown, shown_with_interval
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    LINE,
    SMALL,
    VERDICT_COLOURS,
    canvas,
    fit,
    key,
    place,
    plain,
    signature,
    text_width,
    write,
)
from tumorsim.figures.targets import MARKERS, ends_of, limits, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW = LINE * 1.5
ROOMS = {"reported": 1.0, "start": 0.38, "fitted": 1.18}  # inches of the columns of numbers
LEAST_AXIS = 1.24  # inches that names must leave
BAND = "#EFEFEF"
ROLES = ("fitted", "not fitted", "shown only")
INTERVALS = ("reported_ci", "reported_range", "interval", "interval_posterior")


def draw_targets(outcome: Outcome) -> Drawing:
    """Rows grouped by what shares an axis, fitted ones first; see `TARGETS`."""
    groups: dict[Scale, list[Target]] = {}
    for target in sorted(outcome["targets"], key=lambda one: ROLES.index(role(one))):
        groups.setdefault(scale_of(target), []).append(target)
    heights = [ROW * len(rows) + 0.64 for rows in groups.values()]
    figure = canvas(7.0, 1.1 + sum(heights))
    top = float(figure.get_size_inches()[1])
    write(figure, 0.1, top - 0.24, "Fitted beside reported", size=HEAD, weight="bold")
    _key(figure, top - 0.48)
    texts = [row_name(target, outcome) for rows in groups.values() for target in rows]
    ids = min(max(text_width(figure, plain(t["id"]), SMALL) for t in outcome["targets"]), 0.7) + 0.14
    room = 6.6 - sum(ROOMS.values()) - LEAST_AXIS - ids
    names = min(max(text_width(figure, text, SMALL) for text in texts), room)
    top -= 0.76
    for (scale, rows), height in zip(groups.items(), heights, strict=True):
        _group(figure, outcome, scale, rows, top, (ids, names))
        top -= height
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome))
    return figure


def _key(figure: Drawing, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    diamond = Line2D([], [], marker="D", color=INK, markerfacecolor="white", markersize=4, linewidth=0.7)
    start = Line2D([], [], marker="v", color=GREY, markersize=3.2, linestyle="none")
    first: list[tuple[Any, str]] = [(diamond, "reported (95% CI or range)"), (start, "start of the search")]
    marks = [Line2D([], [], color=VERDICT_COLOURS[name], linewidth=2.2, **MARKERS[name]) for name in MARKERS]
    first += zip(marks, ("at the fit (90%), agrees", "disagrees", "never judged"), strict=True)
    key(figure, first, 0.1, y)
    wide = Line2D([], [], color=GREY, linewidth=0.7)
    rest: list[tuple[Any, str]] = [(wide, "90% with parameter uncertainty")]
    key(figure, [*rest, (Patch(facecolor=BAND, edgecolor=GREY), "no part in the fit")], 0.1, y - 0.17)


def _group(
    figure: Drawing, outcome: Outcome, scale: Scale, rows: Sequence[Target], top: float, widths: tuple[float, float]
) -> None:
    """Heading, names, one axis and the numbers of the targets of one scale."""
    ids, names = widths
    left, right = 0.1 + ids + names + 0.15, 6.95 - sum(ROOMS.values()) - 0.1
    columns = dict(zip(ROOMS, right + 0.1 + np.cumsum([0.0, *ROOMS.values()]), strict=False))
    write(figure, 0.1, top - 0.16, scale.name, size=SMALL, weight="bold")
    for name, text in (("reported", "reported"), ("start", "start"), ("fitted", "at the fit (90%)")):
        write(figure, columns[name], top - 0.16, text, size=SMALL, color=GREY)
    height = ROW * len(rows)
    axes = place(figure, left, top - 0.22 - height, right - left, height)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    limits(axes, scale, rows, INTERVALS, ("reported", "simulated", "start"))
    for row, target in enumerate(rows):
        y = top - 0.22 - ROW * (row + 0.5) - 0.035
        fitted = role(target) == "fitted"
        if not fitted:
            _band(figure, top - 0.22 - ROW * (row + 1))
            axes.axhspan(row - 0.5, row + 0.5, color=BAND, linewidth=0, zorder=0, gid="not-fitted")
        write(figure, 0.1, y, fit(figure, target["id"], ids - 0.05, SMALL), size=SMALL, color=GREY)
        name = fit(figure, row_name(target, outcome), names, SMALL)
        write(figure, 0.1 + ids, y, name, size=SMALL, color=INK if fitted else GREY)
        _row(axes, row, target, scale.factor)
        between = target["reported_ci"] or target["reported_range"]
        texts = {
            "reported": shown_with_interval(target["reported"], between, scale),
            "start": shown(target["start"], scale),
            "fitted": shown_with_interval(target["simulated"], target["interval"], scale),
        }
        colours = {"reported": INK, "start": GREY, "fitted": VERDICT_COLOURS[verdict(target)]}
        for column, text in texts.items():
            shortened = fit(figure, text, ROOMS[column] - 0.05, SMALL)
            write(figure, columns[column], y, shortened, size=SMALL, color=colours[column])
    axes.set_xlabel(scale.label, labelpad=1, size=SMALL)


def _band(figure: Drawing, y: float) -> None:
    """Grey behind the words of a row; the axis has its own."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    box = Rectangle(
        (0.05 / width, y / height), (width - 0.1) / width, ROW / height, facecolor=BAND, linewidth=0, zorder=-5,
        transform=figure.transFigure,
    )  # fmt: skip
    figure.add_artist(box)


def _row(axes: Axes, row: int, target: Target, factor: float) -> None:
    colour, above, below = VERDICT_COLOURS[verdict(target)], row - 0.08, row + 0.27
    for key_, width, gid in (("interval_posterior", 0.7, "with-uncertainty"), ("interval", 2.2, "predicted")):
        ends = ends_of(target, key_, factor)
        if ends:
            left, right = np.clip(ends, *axes.get_xlim())
            axes.plot([left, right], [above] * 2, color=colour, linewidth=width, solid_capstyle="butt", gid=gid)
            for end, x, marker in ((ends[0], left, "<"), (ends[1], right, ">")):
                if np.isinf(end):
                    axes.plot([x], [above], marker=marker, markersize=4, color=colour, clip_on=False, linestyle="none")
    if target["start"] is not None:
        axes.plot(
            [target["start"] * factor], [row - 0.36], marker="v", markersize=3.2, color=GREY, linestyle="none",
            gid="start",
        )  # fmt: skip
    if target["simulated"] is not None:
        value = [target["simulated"] * factor]
        axes.plot(value, [above], color=colour, linestyle="none", gid="simulated", **MARKERS[verdict(target)])
    reported = ends_of(target, "reported_ci", factor) or ends_of(target, "reported_range", factor)
    if reported:
        axes.plot(np.clip(reported, *axes.get_xlim()), [below] * 2, color=INK, linewidth=0.7, gid="reported-interval")
    if target["reported"] is not None:
        axes.plot(
            [target["reported"] * factor], [below], marker="D", markersize=3.6, color=INK, markerfacecolor="white",
            markeredgewidth=0.8, linestyle="none", gid="reported",
        )  # fmt: skip


TARGETS = CalibrationFigure(
    name="calibration-targets",
    title="Fitted beside reported",
    description=(
        "Each reported figure with its 95% interval or range, the value where the search began (triangle), the value "
        "at the fit on fresh seeds, and the interval within which 90% of studies of the reported size would fall: at "
        "the fit (thick) and with the uncertainty of the parameters (thin). Rows on grey had no part in the fit."
    ),
    render=draw_targets,
    needs="targets",
)
