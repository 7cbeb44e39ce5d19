"""Forest plot: the hazard ratio in all patients and in subgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import Figure, Option, StudyView
from tumorsim.figures.curves import endpoint_title, pick_endpoint
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    LINE,
    SMALL,
    arm_colour,
    arm_labels,
    bare_p,
    canvas,
    fit,
    footer,
    number,
    place,
    wrap,
    write,
)
from tumorsim.figures.subgroups import Subgroup, compared_arms, subgroup_effects
from tumorsim.figures.targets import ratio_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from tumorsim.statistics.comparison import HazardRatio

# inches: names, events of arm, events of reference, axis, ratio, heterogeneity
COLUMNS = {"name": 0.1, "arm": 1.62, "reference": 2.42, "axis": 3.28, "ratio": 5.15, "p": 6.35}
HEAD_WIDTHS = {"arm": 0.76, "reference": 0.82, "ratio": 1.1, "p": 0.6}
LIMITS = (0.1, 10.0)


def draw_forest(view: StudyView, endpoint: str | None, arm: str | None) -> Drawing:
    """One row a subgroup; see `FOREST`."""
    endpoint = pick_endpoint(view, endpoint)
    chosen, reference = compared_arms(view, arm)
    rows = subgroup_effects(view, endpoint, arm)
    lines = _lines(rows)
    height = LINE * len(lines)
    figure = canvas(7.0, height + 1.77)
    top = float(figure.get_size_inches()[1]) - 0.9
    labels = arm_labels(view)
    title = f"{endpoint_title(endpoint)} in subgroups"
    write(figure, 0.1, top + 0.66, title, size=HEAD, weight="bold")
    against = f"{labels[chosen]} against {labels[reference]}; events/patients and hazard ratio (95% CI)"
    write(figure, 0.1, top + 0.48, fit(figure, against, 6.8, SMALL), size=SMALL, color=GREY)
    heads = {"arm": labels[chosen], "reference": labels[reference], "ratio": "HR (95% CI)", "p": "P for difference"}
    colours = {"arm": arm_colour(chosen), "reference": arm_colour(reference)}
    for column, text in heads.items():
        for line, head in enumerate(reversed(wrap(figure, text, HEAD_WIDTHS[column], SMALL))):
            write(figure, COLUMNS[column], top + 0.08 + 0.12 * line, head, size=SMALL, color=colours.get(column, INK))
    axes = place(figure, COLUMNS["axis"], top - height, COLUMNS["ratio"] - COLUMNS["axis"] - 0.12, height)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _scale(axes, rows)
    for index, (text, row) in enumerate(lines):
        _line(figure, axes, index, text, row, top - LINE * (index + 0.5) - 0.035, chosen)
    favours = f"← favours {fit(figure, labels[chosen], 1.2, SMALL)}"
    axes.set_xlabel(f"Hazard ratio (log scale)\n{favours}", size=SMALL, labelpad=1)
    footer(figure, view, "Subgroups are exploratory; P for difference: Cochran's Q.")
    return figure


def _lines(rows: list[Subgroup]) -> list[tuple[str, Subgroup | None]]:
    """Texts from top to bottom: a heading line before the levels of each factor."""
    lines: list[tuple[str, Subgroup | None]] = []
    factor = ""
    for row in rows:
        if row.level and row.factor != factor:
            lines.append((row.factor, None))
        factor = row.factor
        lines.append((f"   {row.level}" if row.level else row.factor, row))
    return lines


def _line(figure: Drawing, axes: Axes, index: int, text: str, row: Subgroup | None, y: float, chosen: int) -> None:
    whole = row is not None and not row.level
    write(
        figure, COLUMNS["name"], y, text, size=SMALL, weight="bold" if whole else "normal", color=INK if row else GREY
    )
    if row is None:
        return
    ratio = row.ratio
    for column, side in (("arm", 0), ("reference", 1)):
        write(figure, COLUMNS[column], y, f"{ratio.events[side]}/{ratio.n[side]}", size=SMALL, gid="events")
    low, high = ratio.ci
    estimate = "not estimable" if ratio.hr is None else f"{number(ratio.hr)} ({number(low)}–{number(high)})"
    write(figure, COLUMNS["ratio"], y, estimate, size=SMALL, color=INK if ratio.hr is not None else GREY)
    if row.heterogeneity is not None:
        write(figure, COLUMNS["p"], y, bare_p(row.heterogeneity), size=SMALL)
    _mark(axes, index, ratio, whole, chosen)


def _mark(axes: Axes, index: int, ratio: HazardRatio, whole: bool, chosen: int) -> None:
    """Interval and estimate; an interval that leaves the axis ends in an arrow."""
    low, high = ratio.ci
    if ratio.hr is None or low is None or high is None:
        return
    left, right = axes.get_xlim()
    axes.plot([max(low, left), min(high, right)], [index, index], color=INK, linewidth=0.9, gid="interval")
    for beyond, x, marker in ((low < left, left, "<"), (high > right, right, ">")):
        if beyond:
            axes.plot([x], [index], marker=marker, markersize=3.5, color=INK, clip_on=False, linestyle="none")
    size = 6.0 if whole else float(np.clip(1.5 + 0.35 * np.sqrt(sum(ratio.events)), 2.0, 6.0))
    axes.plot(
        [min(max(ratio.hr, left), right)], [index], marker="D" if whole else "s", markersize=size,
        color=arm_colour(chosen), linestyle="none", zorder=3, gid="estimate",
    )  # fmt: skip


def _scale(axes: Axes, rows: list[Subgroup]) -> None:
    ends = [end for row in rows for end in row.ratio.ci if end is not None]
    ratio_axis(axes, max(min([*ends, 0.5]), LIMITS[0]), min(max([*ends, 1.5]), LIMITS[1]))
    whole = rows[0].ratio.hr
    if whole is not None:
        axes.axvline(whole, color=GREY, linewidth=0.5, linestyle=(0, (1, 2)), zorder=1)


FOREST = Figure(
    name="forest",
    title="Subgroups",
    description=(
        "Hazard ratio with 95% interval in all patients and by age, hepatitis B, cirrhosis, Child-Pugh class, "
        "platelets, tumour size and number and index treatment; squares grow with the events."
    ),
    render=draw_forest,
    options=(
        Option("endpoint", None, "End point, e.g. rfs or os; by default the primary one of the setting."),
        Option("arm", None, "Arm to compare with its reference; by default the first comparison."),
    ),
)
