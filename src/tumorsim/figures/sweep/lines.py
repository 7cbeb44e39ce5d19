"""An output over one factor, as lines or as rows of dots, and over every factor as clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.style import (
    INK,
    SMALL,
    TINY,
    arm_colour,
    arm_dash,
    canvas,
    fit,
    place,
    text_width,
    wrap,
    write,
)
from tumorsim.figures.sweep.looks import (
    WIDTH,
    footer,
    heading,
    over_replicates,
    reference,
    scale_axis,
    small_ticks,
    y_label,
)
from tumorsim.figures.sweep.reading import (
    Measure,
    Table,
    factor_label,
    kept,
    value_label,
    varying,
)
from tumorsim.sweep_data import FactorColumn, SweepData

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MOST_LINES = 10
MOST_CLOUDS = 9
FEW = 3  # lines up to which single runs are drawn as well
KEY = 1.75
ROW, STEP = 0.17, 0.13


def line_colour(drawn: Table, line: int, count: int) -> Any:
    """Of a line: along a scale where the second factor is a number, else as arms have theirs."""
    if drawn.by is None or drawn.by.labels or count <= 2:
        return arm_colour(line + 1 if drawn.by is None else line)
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * line / (count - 1))


def draw_lines(data: SweepData, shown: Measure, drawn: Table) -> Drawing:
    """Mean with its interval over one numeric factor, one line a value of a second one."""
    chosen = kept(drawn.lines.size, MOST_LINES)
    room = KEY if drawn.by is not None else 0.0
    figure = canvas(WIDTH, 3.5)
    heading(figure, data, over_replicates(data, shown))
    axes = place(figure, 0.7, 0.78, WIDTH - 0.85 - room, 1.98)
    singles = len(chosen) <= FEW and data.replicates > 1
    for line, column in enumerate(chosen):
        colour, found = line_colour(drawn, line, len(chosen)), drawn.found
        dash: Any = "-" if drawn.by is None or not drawn.by.labels else arm_dash(line)
        ends = found.low[:, column], found.high[:, column]
        axes.fill_between(
            drawn.at, *ends, color=colour, alpha=0.15 if singles else 0.07, linewidth=0, gid=f"interval-{column}"
        )
        axes.plot(
            drawn.at, found.mean[:, column], color=colour, linestyle=dash, marker="o", markersize=3.2,
            gid=f"mean-{column}",
        )  # fmt: skip
        if singles:
            at = np.repeat(drawn.at, data.replicates)
            axes.plot(
                at, drawn.samples[:, column].ravel(), linestyle="none", marker=".", markersize=2.4, color=colour,
                alpha=0.45, gid=f"runs-{column}",
            )  # fmt: skip
    scale_axis(axes, "x", drawn.at, drawn.x.logarithmic)
    scale_axis(axes, "y", _extent(drawn, chosen, singles), shown.ratio)
    reference(axes, shown)
    axes.set_xlabel(fit(figure, factor_label(drawn.x), WIDTH - 0.85 - room, SMALL), labelpad=2, size=SMALL)
    small_ticks(axes)
    y_label(axes, figure, shown.label)
    note = "" if len(chosen) == drawn.lines.size else f"{len(chosen)} of {drawn.lines.size} lines are drawn. "
    bottom, top = axes.get_ylim()
    cut = (drawn.found.low[:, chosen] < bottom) | (drawn.found.high[:, chosen] > top)
    note = f"{note}Wide intervals are cut at the edge.".strip() if cut.any() else note.strip()
    if drawn.by is not None:
        _key(figure, drawn, drawn.by, chosen)
    footer(figure, data, shown, drawn, note)
    return figure


def _extent(drawn: Table, chosen: list[int], singles: bool) -> Any:
    """Numbers that a panel must hold: means and single runs, and intervals as far as they do not dwarf them."""
    means = drawn.found.mean[:, chosen]
    inner = drawn.samples[:, chosen] if singles else means
    low, high = np.nanmin(inner), np.nanmax(inner)
    reach = high - low or abs(high) or 1.0
    ends = np.concatenate([drawn.found.low[:, chosen].ravel(), drawn.found.high[:, chosen].ravel()])
    ends = np.clip(ends[np.isfinite(ends)], low - reach, high + reach)
    if (means[np.isfinite(means)] > 0).all():  # of a ratio the axis is one of logarithms
        ends = ends[ends > 0]
    return np.concatenate([inner.ravel(), ends])


def _key(figure: Drawing, drawn: Table, by: FactorColumn, chosen: list[int]) -> None:
    from matplotlib.lines import Line2D

    full = figure.get_size_inches()
    left, y = WIDTH - KEY + 0.05, 2.68
    for text in wrap(figure, factor_label(by), KEY - 0.15, SMALL, 3):
        write(figure, left, y, text, size=SMALL)
        y -= 0.125
    y -= 0.05
    for line, column in enumerate(chosen):
        colour = line_colour(drawn, line, len(chosen))
        dash: Any = arm_dash(line) if by.labels else "-"
        mark = Line2D(
            [left / full[0], (left + 0.24) / full[0]], [(y + 0.035) / full[1]] * 2, color=colour, linestyle=dash
        )
        figure.add_artist(mark)
        text = value_label(by, float(drawn.lines[column]))
        write(figure, left + 0.32, y, fit(figure, text, KEY - 0.5, SMALL), size=SMALL, color=INK)
        y -= 0.15


def draw_dots(data: SweepData, shown: Measure, drawn: Table) -> Drawing:
    """One row a text, or value, of a factor: mean, interval and single runs; a second factor by colour."""
    chosen = kept(drawn.lines.size, MOST_LINES)
    names = [value_label(drawn.x, value) for value in drawn.at]
    row = max(ROW, STEP * len(chosen) + 0.05)
    body = row * len(names) + 0.06
    key = 0.0 if drawn.by is None else KEY
    least = 1.3 + 0.15 * len(chosen) if drawn.by is not None else 0.0
    figure = canvas(WIDTH, max(1.44 + body, least))
    room = min(max(text_width(figure, name, SMALL) for name in names), 2.2)
    heading(figure, data, over_replicates(data, shown))
    top = float(figure.get_size_inches()[1]) - 0.68
    left = 0.1 + room + 0.14
    axes = place(figure, left, top - body, WIDTH - 0.15 - key - left, body)
    for line, column in enumerate(chosen):
        colour = line_colour(drawn, line, len(chosen))
        offset = STEP * (line - 0.5 * (len(chosen) - 1)) / row
        for spot in range(len(names)):
            ends = [drawn.found.low[spot, column], drawn.found.high[spot, column]]
            axes.plot(ends, [spot + offset] * 2, color=colour, linewidth=1.2, gid=f"interval-{column}")
            if data.replicates > 1:
                runs = drawn.samples[spot, column]
                axes.plot(
                    runs, np.full(runs.size, spot + offset), linestyle="none", marker="|", markersize=4.0, color=colour,
                    alpha=0.55, markeredgewidth=0.7, gid=f"runs-{column}",
                )  # fmt: skip
            axes.plot(
                [drawn.found.mean[spot, column]], [spot + offset], marker="o", markersize=4.0, color=colour,
                gid=f"mean-{column}",
            )  # fmt: skip
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([])
    scale_axis(axes, "x", _extent(drawn, chosen, data.replicates > 1), shown.ratio)
    reference(axes, shown, "x")
    small_ticks(axes)
    axes.set_xlabel(fit(figure, shown.label, WIDTH - 0.3 - key, SMALL), labelpad=2, size=SMALL)
    for spot, name in enumerate(names):
        y = top - 0.03 - row * (spot + 0.5) - 0.035
        write(figure, 0.1, y, fit(figure, name, room, SMALL), size=SMALL)
    write(figure, 0.1, top + 0.07, fit(figure, factor_label(drawn.x), WIDTH - key - 0.2, SMALL), size=SMALL)
    if drawn.by is not None:
        _dots_key(figure, drawn, drawn.by, chosen, top + 0.07)
    footer(figure, data, shown, drawn)
    return figure


def _dots_key(figure: Drawing, drawn: Table, by: FactorColumn, chosen: list[int], y: float) -> None:
    left = WIDTH - KEY + 0.05
    write(figure, left, y, fit(figure, factor_label(by), KEY - 0.15, SMALL), size=SMALL)
    for line, column in enumerate(chosen):
        y -= 0.15
        colour = line_colour(drawn, line, len(chosen))
        text = fit(figure, "● " + value_label(by, float(drawn.lines[column])), KEY - 0.2, SMALL)
        write(figure, left, y, text, size=SMALL, color=colour)


def draw_clouds(data: SweepData, shown: Measure, x: str | None) -> Drawing:
    """Mean of every point over each factor, all others changing as well."""
    factors = [one for one in varying(data) if not one.labels and x in (None, one.name)]
    chosen = factors[:MOST_CLOUDS]
    columns = min(len(chosen), 3)
    rows = -(-len(chosen) // columns)
    figure = canvas(WIDTH, 1.16 + 1.72 * rows)
    logs = np.log(shown.samples) if shown.ratio else shown.samples
    means = np.exp(logs.mean(axis=1)) if shown.ratio else logs.mean(axis=1)
    what = "run" if data.replicates == 1 else f"mean of {data.replicates} runs"
    heading(figure, data, f"one dot a point ({what}); all other factors change too")
    top = float(figure.get_size_inches()[1]) - 0.76
    y_text = fit(figure, shown.label, WIDTH - 0.2, SMALL)
    write(figure, 0.1, top + 0.1, y_text, size=SMALL)
    width = (WIDTH - 0.15 - 0.55 * columns - 0.1) / columns
    for number, one in enumerate(chosen):
        down, across = divmod(number, columns)
        axes = place(figure, 0.55 + across * (width + 0.55), top - 1.72 * down - 1.25, width, 1.25)
        axes.plot(
            one.values, means, linestyle="none", marker="o", markersize=2.6, color=arm_colour(1), alpha=0.55,
            markeredgewidth=0, gid=f"cloud-{one.name}",
        )  # fmt: skip
        scale_axis(axes, "x", one.values, one.logarithmic, 4)
        scale_axis(axes, "y", means, shown.ratio, 4)
        reference(axes, shown)
        small_ticks(axes)
        axes.set_xlabel(fit(figure, factor_label(one), width + 0.4, TINY + 0.5), labelpad=1, size=TINY + 0.5)
    left_out = len(factors) - len(chosen)
    note = f"{left_out} further factors: choose one with x." if left_out else ""
    footer(figure, data, shown, note=note)
    return figure
