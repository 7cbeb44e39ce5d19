"""Chosen quantities against the arms, such as days of infusion, and each arm's difference from the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import Option
from tumorsim.figures.spatial import findings
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.looks import (
    NAME_LINE,
    broken,
    chosen_quantities,
    footer,
    labels,
    replicates,
    titled,
    write_lines,
)
from tumorsim.figures.style import GREY, HEAD, RULE, SMALL, TINY, arm_colour, canvas, fit, place, scientific, write
from tumorsim.spatial_numbers import FloatArray, differences, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW = 0.2
NAMES, VALUES, DIFFERENCES = 0.1, 1.75, 4.5  # inches from the left
ACROSS = 2.3


def draw_window(view: SpatialView, quantities: str) -> Drawing:
    """One row of panels a quantity: values at the left, differences at the right; see `WINDOW`."""
    data = view.data
    chosen = chosen_quantities(quantities)
    figure = canvas(7.0, 1.0)
    names = broken(figure, labels(view), VALUES - NAMES - 0.12)
    row = ROW + NAME_LINE * (max(len(lines) for lines in names) - 1) * 0.7
    height = row * len(data.arms) + 0.08
    step = height + 0.66
    figure.set_size_inches(7.0, 0.62 + step * len(chosen))
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.22, "Arms compared", size=HEAD, weight="bold")
    said = f"mean and 95% interval over replicates, {replicates(data)}"
    write(figure, 6.9, full - 0.22, said, size=SMALL, ha="right", color=GREY)
    for number, one in enumerate(chosen):
        top = full - 0.56 - step * number
        title = fit(figure, titled(one), DIFFERENCES - VALUES - 0.1, SMALL, "bold")
        write(figure, VALUES, top + 0.06, title, size=SMALL, weight="bold")
        write(figure, DIFFERENCES, top + 0.06, "less the first arm, replicate by replicate", size=SMALL, color=GREY)
        for arm, name in enumerate(names):
            middle = top - 0.04 - row * (arm + 0.5) - 0.035
            write_lines(figure, NAMES, middle - NAME_LINE * (len(name) - 1) / 2, name, arm_colour(arm))
        samples = one.of(data)
        _dots(place(figure, VALUES, top - height, ACROSS, height), view, samples, f"value-{one.name}")
        axes = place(figure, DIFFERENCES, top - height, ACROSS, height)
        _dots(axes, view, differences(samples), f"difference-{one.name}", first=1)
        axes.axvline(0.0, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    footer(figure, view, "Arms share their start and their luck, replicate by replicate.")
    return figure


def _dots(axes: Axes, view: SpatialView, samples: FloatArray, gid: str, first: int = 0) -> None:
    found = interval(samples, axis=1)
    arms = np.arange(len(view.data.arms))
    axes.plot(found.mean[first:], arms[first:], color=RULE, linewidth=0.9, zorder=1)
    for arm in arms[first:]:
        colour, name = arm_colour(int(arm)), view.data.arms[arm]
        single = samples[arm][np.isfinite(samples[arm])]
        axes.plot(
            single, np.full(single.size, arm + 0.24), linestyle="none", marker="|", markersize=3.0, color=colour,
            alpha=0.55, markeredgewidth=0.7, gid=f"{gid}-{name}-replicates",
        )  # fmt: skip
        axes.plot(
            [found.low[arm], found.high[arm]], [arm, arm], color=colour, linewidth=1.3, gid=f"{gid}-{name}-interval"
        )
        axes.plot([found.mean[arm]], [arm], marker="o", markersize=4.0, color=colour, gid=f"{gid}-{name}")
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.06)
    low, high = axes.get_xlim()
    if first == 0 and low > 0 and low < 0.6 * high:
        axes.set_xlim(0.0, high)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: scientific(float(value), 3).replace("-", "−"))
    axes.tick_params(labelsize=TINY + 0.5)


WINDOW = SpatialFigure(
    name="window",
    title="Arms compared",
    description=(
        "Chosen quantities against the arms, which in a sweep are days of infusion: a dot is the mean over replicates, "
        "the bar its 95% interval (Student's t), small strokes are single replicates. At the right each arm less the "
        "first, replicate by replicate: the luck that arms share falls out of the difference."
    ),
    render=draw_window,
    shows=findings.compared,
    options=(
        Option(
            "quantities", "recruited,most_infiltrating,kills", "Names, with commas, of quantities of the page's table."
        ),
    ),
    needs="arms",
)
