"""Kaplan-Meier curves with confidence bands, numbers at risk and the hazard ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import WIDTH, Figure, FigureError, Option, StudyView
from tumorsim.figures.curves import Curve, curve, endpoint_title, pick_endpoint, reported_medians
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    LINE,
    SMALL,
    WIDTHS,
    arm_colour,
    arm_dash,
    arm_labels,
    bare_p,
    canvas,
    fit,
    footer,
    month_ticks,
    number,
    p_value,
    place,
    text_width,
    with_interval,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.offsetbox import OffsetBox

PLOT_HEIGHT = {"single": 2.1, "double": 3.1}
Medians = Mapping[str, Sequence[tuple[float, tuple[float, float] | None]]]
# whether a corner lies right, and at the top
CORNERS = {"upper right": (True, True), "lower left": (False, False), "lower right": (True, False)}


def draw_km(view: StudyView, endpoint: str | None, width: str, until: float | None) -> Drawing:
    """Survival against months, one line an arm; see `KM`."""
    endpoint = pick_endpoint(view, endpoint)
    curves = [curve(view, endpoint, arm) for arm in range(len(view.data.arms))]
    limit = float(until or _horizon(curves))
    if not 0 < limit <= 1200:
        raise FigureError(f"until: {limit:g} months must lie between 0 and 1200, e.g. until=60")
    wide, labels, medians = width == "double", arm_labels(view), reported_medians(view, endpoint)
    figure = canvas(WIDTHS[width], 1.0)
    gutter = max(text_width(figure, label, SMALL) for label in [*labels, "Number at risk"]) + 0.32
    left = min(max(gutter, 0.62), 1.6) if wide else 0.62
    plot = np.array([WIDTHS[width] - left - 0.2, PLOT_HEIGHT[width]])
    box = _key_box(figure, view, endpoint, float(plot[0]) * 0.97, wide)
    block = _extent(figure, box)
    corner = _free_corner(curves, medians, limit, block / plot + np.array([0.03, 0.04]))
    bottom = 0.78 + LINE * (len(labels) * (1 if wide else 2) + 1)
    above = 0.34 if corner else 0.42 + float(block[1])
    figure.set_size_inches(WIDTHS[width], bottom + plot[1] + above)
    axes = place(figure, left, bottom, float(plot[0]), float(plot[1]))
    _curves(axes, view.data.arms, curves, medians)
    _frame(figure, axes, endpoint, limit, 13 if wide else 6)
    write(figure, 0.1, bottom + plot[1] + above - 0.2, endpoint_title(endpoint), size=HEAD, weight="bold", va="bottom")
    _at_risk_table(figure, axes, labels, curves, stacked=not wide)
    _put_key(axes, box, corner)
    footer(figure, view)
    return figure


def _horizon(curves: Sequence[Curve]) -> float:
    """Months to show: to the last observation, up to the next year, half year or month."""
    last = max(float(one.time[-1]) for one in curves)
    step = 12.0 if last > 72 else 6.0 if last > 18 else 1.0
    return max(step * float(np.ceil(last / step - 1e-9)), 1.0)


def _curves(axes: Axes, arms: Sequence[str], curves: Sequence[Curve], medians: Medians) -> None:
    for arm, (name, one) in enumerate(zip(arms, curves, strict=True)):
        colour, dash = arm_colour(arm), arm_dash(arm)
        axes.fill_between(one.time, one.lower, one.upper, step="post", color=colour, alpha=0.16, linewidth=0)
        axes.plot(
            one.time,
            one.survival,
            color=colour,
            linestyle=dash,
            drawstyle="steps-post",
            zorder=3,
            gid=f"survival-{name}",
        )
        marks = one.time[one.censored > 0]
        axes.plot(
            marks, one.at(marks), linestyle="none", marker="|", markersize=4.0, markeredgewidth=0.5, color=colour,
            zorder=3, gid=f"censored-{name}",
        )  # fmt: skip
        for median, interval in medians.get(name, []):
            axes.plot([median, median], [0.0, 0.5], color=colour, linewidth=0.7, linestyle=(0, (2, 2)), zorder=2)
            if interval is not None:
                axes.plot(interval, [0.5, 0.5], color=colour, linewidth=0.7, zorder=4)
            axes.plot(
                [median], [0.5], marker="D", markersize=4.5, color=colour, markerfacecolor="white", markeredgewidth=1.0,
                linestyle="none", zorder=5, gid=f"reported-{name}",
            )  # fmt: skip


def _frame(figure: Drawing, axes: Axes, endpoint: str, limit: float, most: int) -> None:
    axes.set_xlim(0.0, limit)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    axes.set_xticks(month_ticks(limit, most))
    axes.grid(axis="y", color="#EBEBEB", linewidth=0.5)
    axes.set_xlabel("Months from randomisation", labelpad=2)
    label = f"{endpoint_title(endpoint)} (probability)"
    height = axes.get_position().height * figure.get_size_inches()[1]
    axes.set_ylabel(label if text_width(figure, label) < height else "Probability")
    axes.spines["left"].set_bounds(0.0, 1.0)


def _at_risk_table(figure: Drawing, axes: Axes, labels: Sequence[str], curves: Sequence[Curve], stacked: bool) -> None:
    """Numbers at risk under the ticks they belong to; names beside them, or above when the column is narrow."""
    size = figure.get_size_inches()
    box = axes.get_position()
    left, right, base = box.x0 * size[0], box.x1 * size[0], box.y0 * size[1]
    ticks = axes.get_xticks()
    top = base - 0.5
    write(figure, 0.1, top, "Number at risk", size=SMALL, color=GREY, va="baseline")
    for arm, label in enumerate(labels):
        y = top - LINE * ((2 * arm + 1) if stacked else arm + 1)
        room = size[0] - 0.2 if stacked else left - 0.32
        write(figure, 0.1, y, fit(figure, label, room, SMALL), size=SMALL, color=arm_colour(arm), va="baseline")
        for tick, count in zip(ticks, curves[arm].at_risk_at(ticks), strict=True):
            x = left + (right - left) * tick / axes.get_xlim()[1]
            write(
                figure,
                x,
                y - (LINE if stacked else 0.0),
                str(count),
                size=SMALL,
                ha="center",
                va="baseline",
                gid="at-risk",
            )


def _median_text(arm: Mapping[str, Any], endpoint: str, wide: bool) -> str:
    """Median and events of an arm as the key says it."""
    found = arm["endpoints"].get(endpoint, {})
    median = with_interval(found.get("median"), found.get("median_ci"), 1)
    if not wide:
        return f": {median.replace('not reached', 'n.r.')}"
    months = median.replace(" (", " months (") if found.get("median") is not None else median
    return f": median {months}, {found.get('events', '–')}/{arm['n']} events"


def _remarks(view: StudyView, endpoint: str, wide: bool) -> list[tuple[str, str]]:
    """Lines about the comparisons: a name that may be shortened, and numbers that may not."""
    found = [c for c in view.summary["comparisons"] if c["endpoint"] == endpoint]
    lines = []
    for comparison in found:
        ratio = with_interval(comparison["hr"], comparison.get("ci"), 2) if comparison["hr"] is not None else "–"
        error, p = number(comparison.get("mc_se"), 3), comparison.get("p_logrank")
        if len(found) > 1:
            lines.append((plain_label(view, comparison["arm"]), f": {ratio}, {error}, {bare_p(p)}"))
            continue
        ratio = f"HR {ratio.replace('(', '(95% CI ')}"
        lines += [("", f"{ratio}, log-rank {p_value(p)}")] if wide else [("", ratio), ("", f"log-rank {p_value(p)}")]
        lines.append(("", f"Monte-Carlo SE of HR {error}"))
    if len(found) > 1:
        against = f"{'Against' if wide else 'vs'} {plain_label(view, found[0]['reference'])}"
        lines.insert(0, (against, ": HR (95% CI), Monte-Carlo SE, log-rank P" if wide else ": HR (95% CI), MC SE, P"))
    return lines


def plain_label(view: StudyView, arm: str) -> str:
    """Label of the arm of a name."""
    return arm_labels(view)[view.data.arms.index(arm)] if arm in view.data.arms else arm


def _key_box(figure: Drawing, view: StudyView, endpoint: str, room: float, wide: bool) -> OffsetBox:
    """Arms, hazard ratio and what the marks mean, stacked in one box."""
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import DrawingArea, HPacker, TextArea, VPacker

    size = SMALL if wide else 6.0

    def words(label: str, numbers: str, indent: float, colour: str = INK) -> OffsetBox:
        short = fit(figure, label, room - indent - text_width(figure, numbers, size), size) if label else ""
        return TextArea(short + numbers, textprops={"size": size, "color": colour})

    rows: list[Any] = []
    for index, arm in enumerate(view.summary["arms"]):
        swatch = DrawingArea(16, 6)
        swatch.add_artist(Line2D([0, 16], [3, 3], color=arm_colour(index), linestyle=arm_dash(index)))
        line = words(arm_labels(view)[index], _median_text(arm, endpoint, wide), 0.35)
        rows.append(HPacker(children=[swatch, line], pad=0, sep=4, align="center"))
    rows += [words(label, numbers, 0.05) for label, numbers in _remarks(view, endpoint, wide)]
    reported = ["◇ reported median"] if reported_medians(view, endpoint) else []
    marks = " · ".join(["| censored", *reported, "band: 95% CI"])
    if not wide:
        rows.insert(0, words("", "Median, months (95% CI)", 0.0, GREY))
    rows.append(words("", marks, 0.0, GREY))
    return VPacker(children=rows, pad=2, sep=2.5, align="left")


def _extent(figure: Drawing, box: OffsetBox) -> NDArray[np.float64]:
    """Width and height of a box in inches."""
    box.set_figure(figure)
    extent = box.get_bbox(figure.canvas.get_renderer())  # type: ignore[attr-defined] # of Agg's canvas
    return np.array([extent.width, extent.height]) / figure.dpi


def _free_corner(curves: Sequence[Curve], medians: Medians, limit: float, share: NDArray[np.float64]) -> str | None:
    """A corner that no curve, band or drop line runs through; None when every one is taken."""
    for corner in CORNERS:
        if np.all(share < 1.0) and is_free(curves, medians, limit, corner, share):
            return corner
    return None


def _put_key(axes: Axes, box: OffsetBox, corner: str | None) -> None:
    """The key in its corner, or above the plot so that it hides no data."""
    from matplotlib.offsetbox import AnchoredOffsetbox

    anchor = (0.0, 0.0, 1.0, 1.0) if corner else (0.0, 1.0, 1.0, 0.0)
    anchored = AnchoredOffsetbox(
        corner or "lower left", child=box, pad=0.15, borderpad=0.25, frameon=True, bbox_to_anchor=anchor,
        bbox_transform=axes.transAxes,
    )  # fmt: skip
    # opaque, so that no grid line runs through the words; no data lie under it
    anchored.patch.set(facecolor="white", edgecolor="none")
    anchored.set_zorder(2.5)
    anchored.set_gid("key")
    axes.add_artist(anchored)


def is_free(curves: Sequence[Curve], medians: Medians, limit: float, corner: str, share: NDArray[np.float64]) -> bool:
    """Whether a block of ``share`` of the axes fits in a corner without touching data."""
    right, top = CORNERS[corner]
    x = np.linspace(0.0, 1.0, 401)
    x = (x[x >= 1.0 - share[0]] if right else x[x <= share[0]]) * limit
    for one in curves:
        seen = x[x <= one.time[-1]]
        for line in ("survival", "lower", "upper"):
            step = one.at(seen, line)
            if np.any(step >= 1.0 - share[1] if top else step <= share[1]):
                return False
    drops = [median / limit for found in medians.values() for median, _ in found]
    return top or not any(drop >= 1.0 - share[0] if right else drop <= share[0] for drop in drops)


KM = Figure(
    name="km",
    title="Kaplan-Meier curves",
    description=(
        "Probability of being free of the event against months from randomisation, with 95% confidence bands, "
        "censoring marks, numbers at risk, the hazard ratio with its Monte-Carlo error, and reported medians."
    ),
    render=draw_km,
    options=(
        Option("endpoint", None, "End point, e.g. rfs or os; by default the primary one of the setting."),
        WIDTH,
        Option("until", None, "Last month shown; by default the last observation.", kind=float),
    ),
)
