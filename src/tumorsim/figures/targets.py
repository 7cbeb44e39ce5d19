"""Reported figures against what the simulation predicts, one row a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.base import Figure, FigureError, StudyView
from tumorsim.figures.names import RATIOS, SHARES, Scale, scale_of, shown_with_interval, target_name
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    LINE,
    SMALL,
    VERDICT_COLOURS,
    canvas,
    fit,
    footer,
    key,
    place,
    plain,
    text_width,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW = LINE * 1.15
REPORTED_WIDTH, SIMULATED_WIDTH = 1.02, 1.16
# kinds that no fit may use: consistency notes, settings, qualitative statements
# shape beside colour: filled, open, square
MARKERS: dict[str, dict[str, Any]] = {
    "agrees": {"marker": "o", "markersize": 4.5},
    "disagrees": {"marker": "o", "markersize": 4.5, "markerfacecolor": "white", "markeredgewidth": 1.2},
    "shown only": {"marker": "s", "markersize": 4.0},
}
UNFITTED = ("CON", "IN", "Q")
Target = Mapping[str, Any]


def verdict(target: Target) -> str:
    """``agrees``, ``disagrees`` or ``shown only``.

    A figure agrees when the reported value lies in the predictive interval or, where the
    source gives no size and so no interval, when the simulated value lies within the reported
    range or tolerance. Figures of a kind that no fit may use are shown only.
    """
    inside = target.get("within") if target.get("within") is not None else target.get("within_tolerance")
    if target.get("kind") in UNFITTED or inside is None:
        return "shown only"
    return "agrees" if inside else "disagrees"


def arm_name(target: Target, view: StudyView) -> str:
    """Label of the arm a target is about; empty when it is about all."""
    labels = dict(zip(view.data.arms, view.data.labels, strict=True))
    arm = target.get("arm")
    return plain(labels.get(arm, arm)) if arm else ""


def draw_targets(view: StudyView) -> Drawing:
    """Rows grouped by what shares an axis; see `TARGETS`."""
    groups: dict[Scale, list[Target]] = {}
    for target in view.summary.get("targets", []):
        groups.setdefault(scale_of(target), []).append(target)
    if not groups:
        raise FigureError("targets: this study names no reported figures; list them under `targets:` in the scenario")
    heights = [ROW * len(rows) + 0.64 for rows in groups.values()]
    figure = canvas(7.0, 0.92 + sum(heights))
    top = float(figure.get_size_inches()[1])
    write(figure, 0.1, top - 0.24, "Simulated beside reported", size=HEAD, weight="bold")
    _verdict_key(figure, top - 0.48)
    top -= 0.58
    texts = [_row_name(t, view) for rows in groups.values() for t in rows]
    names = min(max(text_width(figure, text, SMALL) for text in texts), 2.6)
    ids = min(max(text_width(figure, plain(t["id"]), SMALL) for rows in groups.values() for t in rows), 0.7) + 0.14
    for (scale, rows), height in zip(groups.items(), heights, strict=True):
        _group(figure, view, scale, rows, top, (ids, names))
        top -= height
    footer(figure, view)
    return figure


def _verdict_key(figure: Drawing, y: float) -> None:
    from matplotlib.lines import Line2D

    diamond = Line2D([], [], marker="D", color=INK, markerfacecolor="white", markersize=4, linewidth=0.7)
    entries: list[tuple[Any, str]] = [(diamond, "reported (95% CI or range)")]
    texts = {"agrees": "simulated (90%), agrees", "disagrees": "disagrees", "shown only": "shown only"}
    for name, text in texts.items():
        mark = Line2D([], [], color=VERDICT_COLOURS[name], linewidth=1.8, **MARKERS[name])
        entries.append((mark, text))
    key(figure, entries, 0.1, y)


def _row_name(target: Target, view: StudyView) -> str:
    arm = arm_name(target, view)
    return target_name(target) + (f", {arm}" if arm else "")


def _group(
    figure: Drawing, view: StudyView, scale: Scale, rows: Sequence[Target], top: float, widths: tuple[float, float]
) -> None:
    """Heading, names, one axis and the numbers of the targets of one scale."""
    ids, names = widths
    left, right = 0.1 + ids + names + 0.15, 6.95 - REPORTED_WIDTH - SIMULATED_WIDTH - 0.1
    columns = (right + 0.1, right + 0.1 + REPORTED_WIDTH)
    write(figure, 0.1, top - 0.16, scale.name, size=SMALL, weight="bold")
    write(figure, columns[0], top - 0.16, "reported", size=SMALL, color=GREY)
    write(figure, columns[1], top - 0.16, "simulated (90%)", size=SMALL, color=GREY)
    height = ROW * len(rows)
    axes = place(figure, left, top - 0.22 - height, right - left, height)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    limits(axes, scale, rows)
    for row, target in enumerate(rows):
        y = top - 0.22 - ROW * (row + 0.5) - 0.035
        write(figure, 0.1, y, fit(figure, target["id"], ids - 0.05, SMALL), size=SMALL, color=GREY)
        write(figure, 0.1 + ids, y, fit(figure, _row_name(target, view), names, SMALL), size=SMALL)
        _row(axes, row, target, scale.factor)
        texts = (
            shown_with_interval(
                target.get("reported"), target.get("reported_ci") or target.get("reported_range"), scale
            ),
            shown_with_interval(target.get("simulated"), target.get("interval"), scale),
        )
        rooms, colours = (REPORTED_WIDTH, SIMULATED_WIDTH), (INK, VERDICT_COLOURS[verdict(target)])
        for x, text, width, colour in zip(columns, texts, rooms, colours, strict=True):
            write(figure, x, y, fit(figure, text, width - 0.05, SMALL), size=SMALL, color=colour)
    axes.set_xlabel(scale.label, labelpad=1, size=SMALL)


def ends_of(target: Target, key: str, factor: float) -> tuple[float, float] | None:
    """Both ends on the axis; an open end is infinite; None when nothing is known."""
    ends = target.get(key)
    if not ends or (ends[0] is None and ends[1] is None):
        return None
    return (-np.inf if ends[0] is None else ends[0] * factor, np.inf if ends[1] is None else ends[1] * factor)


def _row(axes: Axes, row: int, target: Target, factor: float) -> None:
    colour, above, below = VERDICT_COLOURS[verdict(target)], row - 0.17, row + 0.19
    predicted = ends_of(target, "interval", factor)
    reported = ends_of(target, "reported_ci", factor) or ends_of(target, "reported_range", factor)
    if predicted:
        left, right = np.clip(predicted, *axes.get_xlim())
        axes.plot([left, right], [above] * 2, color=colour, linewidth=1.8, solid_capstyle="butt", gid="predicted")
        for end, x, marker in ((predicted[0], left, "<"), (predicted[1], right, ">")):
            if np.isinf(end):
                axes.plot([x], [above], marker=marker, markersize=4, color=colour, clip_on=False, linestyle="none")
    if target.get("simulated") is not None:
        value = [target["simulated"] * factor]
        axes.plot(value, [above], color=colour, linestyle="none", gid="simulated", **MARKERS[verdict(target)])
    if reported:
        axes.plot(reported, [below] * 2, color=INK, linewidth=0.7, gid="reported-interval")
    if target.get("reported") is not None:
        axes.plot(
            [target["reported"] * factor], [below], marker="D", markersize=3.6, color=INK, markerfacecolor="white",
            markeredgewidth=0.8, linestyle="none", gid="reported",
        )  # fmt: skip


def limits(
    axes: Axes,
    scale: Scale,
    rows: Sequence[Target],
    between: Sequence[str] = ("reported_ci", "reported_range", "interval"),
    points: Sequence[str] = ("reported", "simulated"),
) -> None:
    """Axis of a scale that shows the intervals ``between`` and the numbers ``points`` of every row."""
    factor = scale.factor
    values = [value for t in rows for key in between for value in (ends_of(t, key, factor) or ()) if np.isfinite(value)]
    values += [float(t[key]) * factor for t in rows for key in points if t.get(key) is not None]
    if scale == RATIOS:
        ratio_axis(axes, min([*values, 0.5]), max([*values, 1.25]))
        return
    axes.set_xlim(0.0, 100.0 if scale == SHARES else (float(np.max(values, initial=0.0)) or 1.0) * 1.06)
    axes.locator_params(axis="x", nbins=6)


def ratio_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis of hazard ratios from ``low`` to ``high``, with a line at 1."""
    low, high = max(low / 1.08, 0.02), min(high * 1.08, 50.0)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    halving = tuple(2.0**power for power in range(-6, 7))
    steps = halving if high / low > 6 else (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
    ticks = [tick for tick in steps if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1.0, color=GREY, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)


TARGETS = Figure(
    name="targets",
    title="Simulated beside reported",
    description=(
        "Each reported figure with its 95% interval or range, beside the simulated value and the 90% interval within "
        "which a study of the reported size would fall. It agrees when the reported value lies in that interval or, "
        "where the source gives no size, when the simulated value lies in the reported range. Settings and figures "
        "that contradict others are shown only."
    ),
    render=draw_targets,
)
