"""The loss of the search, evaluation by evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import WIDTH
from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import footer_text
from tumorsim.figures.calibration.search import search_of
from tumorsim.figures.style import GREY, HEAD, INK, SMALL, WIDTHS, canvas, key, place, signature, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

POINT, BEST, FAILURE, FRESH = "#56B4E9", "#0072B2", "#D55E00", "#000000"
SHOWN = 0.97  # share of the evaluations that the axis must hold


def draw_progress(outcome: Outcome, width: str) -> Drawing:
    """Losses, best so far, failures and the winner on fresh seeds; see `PROGRESS`."""
    search = search_of(outcome)
    figure = canvas(WIDTHS[width], 3.3)
    room = WIDTHS[width]
    write(figure, 0.1, 3.06, "Progress of the search", size=HEAD, weight="bold")
    axes = place(figure, 0.55, 0.78, room - 0.75, 1.6 if width == "single" else 1.85)
    count, loss = len(search.loss), search.loss
    best = float(np.nanmin(loss))
    reached = np.minimum.accumulate(np.where(np.isnan(loss), np.inf, loss))
    fresh = [x for x in (outcome["loss"] or {}).get("fresh") or () if x is not None]
    start = (outcome["loss"] or {}).get("start")
    top = max([search.worst_shown(SHOWN), *fresh, *([start] if start is not None else [])])
    bottom = min([best, *fresh])
    axes.set_ylim(bottom - 0.06 * (top - bottom), top + 0.1 * (top - bottom))
    axes.set_xlim(-0.02 * count, 1.08 * count)
    index = np.arange(count)
    high = axes.get_ylim()[1]
    above = loss > high
    kept = np.flatnonzero(~above & ~search.failed)
    axes.plot(index[kept], loss[kept], marker="o", markersize=2.2, color=POINT, linestyle="none", gid="evaluations")
    axes.plot(
        index[above], np.full(above.sum(), high), marker="^", markersize=3.0, color=POINT, linestyle="none",
        clip_on=False, gid="above",
    )  # fmt: skip
    axes.plot(
        index[search.failed], np.full(search.failed.sum(), high), marker="x", markersize=4.5, markeredgewidth=1.2,
        color=FAILURE, linestyle="none", clip_on=False, gid="failed",
    )  # fmt: skip
    drawn = np.isfinite(reached)
    axes.plot(index[drawn], np.minimum(reached[drawn], high), color=BEST, drawstyle="steps-post", gid="best-so-far")
    if start is not None:
        axes.axhline(start, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), gid="start")
    if fresh:
        axes.plot(
            np.full(len(fresh), 1.045 * count), fresh, marker="D", markersize=3.4, color=FRESH, linestyle="none",
            gid="fresh",
        )  # fmt: skip
    _dress(axes, figure, width, bool(fresh))
    share = f"{search.failed.sum()} of {count:,} evaluations failed."
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome, brief=width == "single"), share)
    return figure


def _dress(axes: Axes, figure: Drawing, width: str, fresh: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    axes.set_xlabel("Evaluation", labelpad=2)
    axes.set_ylabel("Loss (lower is better)")
    marks = [
        (Line2D([], [], color=POINT, marker="o", markersize=2.4, linestyle="none"), "evaluation"),
        (Line2D([], [], color=BEST), "best so far"),
        (Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (3, 2))), "start"),
        (Line2D([], [], color=FAILURE, marker="x", markersize=4.5, markeredgewidth=1.2, linestyle="none"), "failed"),
    ]
    if fresh:
        marks.append((Line2D([], [], color=FRESH, marker="D", markersize=3.4, linestyle="none"), "best, fresh seeds"))
    rows = [marks] if width == "double" else [marks[:3], marks[3:]]
    for line, entries in enumerate(rows):
        key(figure, entries, 0.1, 2.82 - 0.16 * line, size=SMALL)
    axes.tick_params(labelcolor=INK)


PROGRESS = CalibrationFigure(
    name="calibration-progress",
    title="Progress of the search",
    description=(
        "The loss of every evaluation of the search in its order, each generation with luck of its own, and the best "
        "so far. Triangles lie above the axis, crosses are evaluations that failed; at the right the fit on seeds "
        "that the search never saw. Higher diamonds would mean that the fit rests on the luck of a few seeds."
    ),
    render=draw_progress,
    options=(WIDTH,),
    needs="optimise",
)
