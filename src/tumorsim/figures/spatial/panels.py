"""Panels that several figures share: means over replicates with their interval, by arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.looks import NAME_LINE, broken, labels, write_lines
from tumorsim.figures.style import INK, SMALL, TINY, arm_colour, arm_dash, scientific, text_width, write
from tumorsim.spatial_numbers import FloatArray, interval, largest_of
from tumorsim.spatial_variables import SpatialData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


BEYOND = 1.7  # times the highest mean


def lines(axes: Axes, view: SpatialView, at: FloatArray, samples: FloatArray, gid: str, marks: bool = False) -> float:
    """Mean over replicates of each arm with its 95% interval, or with each of two; how high the panel should reach.

    That is the highest end of an interval, but no more than `BEYOND` times the highest mean: the intervals of three
    replicates would flatten the rest.

    Parameters
    ----------
    axes, view
        Where, and whose arms.
    at : (point,)
        Along the x axis.
    samples : (arm, replicate, point)
        Values.
    gid
        Stem of the artists' ids: ``GID-ARM``.
    marks
        Dots at the points.
    """
    means, ends = [], []
    for arm, name in enumerate(view.data.arms):
        found = interval(samples[arm])
        colour = arm_colour(arm)
        if banded(view.data):
            axes.fill_between(
                at, found.low, found.high, color=colour, alpha=0.18, linewidth=0, gid=f"{gid}-{name}-interval"
            )
            ends.append(found.high)
        else:
            axes.plot(at, samples[arm].T, color=colour, alpha=0.4, linewidth=0.5, gid=f"{gid}-{name}-replicates")
            ends.append(samples[arm])
        axes.plot(
            at, found.mean, color=colour, linestyle=arm_dash(arm), linewidth=1.1, marker="o" if marks else "",
            markersize=2.6, gid=f"{gid}-{name}",
        )  # fmt: skip
        means.append(found.mean)
    return min(max(largest_of(*ends), largest_of(*means)), BEYOND * largest_of(*means))


def banded(data: SpatialData) -> bool:
    """Whether intervals are drawn: those of two replicates, twelve standard errors wide each way, hide the rest."""
    return len(data.replicate) != 2


def what_lines_mean(data: SpatialData, broken_: bool = False) -> list[str]:
    """Notes of a key: what a line is, and what lies around it, on two lines if ``broken_``."""
    if not banded(data):
        return ["line: mean over replicates", "thin lines: the two replicates"]
    band = ["band: 95% interval of the mean,", "cut where wide"]
    return ["line: mean over replicates", *(band if broken_ else [" ".join(band)])]


def finish(axes: Axes, top: float, unit: str, title: str, least: float = 0.0) -> None:
    """Limits, small ticks, and a title with the unit above."""
    axes.set_ylim(least, top * 1.06 if top > least else least + 1.0)
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _: scientific(float(value), 3).replace("-", "−"))
    axes.tick_params(labelsize=TINY + 0.5, pad=1.5)
    said = f"{title} ({unit})" if unit else title
    axes.annotate(said, (0, 1), xycoords="axes fraction", xytext=(-26, 6), textcoords="offset points", size=SMALL)


def arm_key(figure: Drawing, view: SpatialView, left: float, top: float, room: float, notes: list[str]) -> None:
    """What the colours mean, one arm a line, and notes below; ``room`` is the width."""
    from matplotlib.lines import Line2D

    full = figure.get_size_inches()
    y = top + 0.15
    for arm, lines_ in enumerate(broken(figure, labels(view), room - 0.3)):
        y -= 0.15
        swatch = Line2D(
            [left / full[0], (left + 0.22) / full[0]], [(y + 0.035) / full[1]] * 2, color=arm_colour(arm),
            linestyle=arm_dash(arm),
        )  # fmt: skip
        figure.add_artist(swatch)
        y -= NAME_LINE * (len(lines_) - 1)
        write_lines(figure, left + 0.28, y, lines_, INK)
    for number, note in enumerate(notes):
        size = min(TINY + 0.5, (TINY + 0.5) * room / text_width(figure, note, TINY + 0.5))
        write(figure, left, y - 0.19 - 0.12 * number, note, size=max(size, 5.5), color="#595959")


def key_height(figure: Drawing, view: SpatialView, room: float, notes: int) -> float:
    """Inches that `arm_key` takes."""
    taken = sum(0.15 + NAME_LINE * (len(lines_) - 1) for lines_ in broken(figure, labels(view), room - 0.3))
    return taken + 0.12 * notes + 0.1
