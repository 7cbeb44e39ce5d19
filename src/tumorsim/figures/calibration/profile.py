"""The loss over each parameter: how far it can move while something else makes up for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import (
    FloatArray,
    Parameter,
    footer_text,
    label_of,
    on_axis,
    parameters_of,
    ticks,
)
from tumorsim.figures.calibration.search import Search, search_of
from tumorsim.figures.style import GREY, HEAD, SMALL, TINY, canvas, fit, key, place, plain, signature, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

POINT, ENVELOPE, WINNER = "#56B4E9", "#0072B2", "#D55E00"
ACROSS, PANEL, GAP = 3, 1.15, 0.62
BINS = 14
SHOWN = 0.85


def draw_profile(outcome: Outcome, above: float) -> Drawing:
    """One panel a parameter; see `PROFILE`."""
    if above < 0.0:
        raise FigureError(f"above: {above:g} must not be negative, e.g. above=10")
    parameters, search = parameters_of(outcome), search_of(outcome)
    best = float(np.nanmin(search.loss))
    top = above or search.worst_shown(SHOWN) - best
    rows = -(-len(parameters) // ACROSS)
    figure = canvas(7.0, 0.98 + rows * (PANEL + GAP))
    height = float(figure.get_size_inches()[1])
    write(figure, 0.1, height - 0.24, "Loss over each parameter", size=HEAD, weight="bold")
    _key(figure, height - 0.47, any(parameter["interval"] for parameter in parameters))
    width = (7.0 - 0.6 - 0.15 - 0.3 * (ACROSS - 1)) / ACROSS
    for index, parameter in enumerate(parameters):
        row, column = divmod(index, ACROSS)
        axes = place(figure, 0.6 + column * (width + 0.3), height - 0.78 - row * (PANEL + GAP) - PANEL, width, PANEL)
        _panel(figure, axes, parameter, search, (index, best, top))
        if column == 0:
            axes.set_ylabel("Loss above best")
        else:
            axes.tick_params(labelleft=False)
    failed = int(search.failed.sum())
    note = f"{len(search.loss) - failed:,} evaluations of the search" + (f"; {failed} failed." if failed else ".")
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome), note)
    return figure


def _key(figure: Drawing, y: float, known: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = [
        (Line2D([], [], color=POINT, marker="o", markersize=2.4, linestyle="none"), "evaluation"),
        (Line2D([], [], color=ENVELOPE), "lower envelope"),
        (Line2D([], [], color=WINNER, marker="D", markersize=3.6, linestyle="none"), "best"),
        (Patch(facecolor="#EAEAEA", edgecolor="#EAEAEA"), "posterior 90% interval"),
    ]
    key(figure, entries if known else entries[:-1], 0.1, y)


def _panel(figure: Drawing, axes: Axes, parameter: Parameter, search: Search, what: tuple[int, float, float]) -> None:
    index, best, top = what
    x = on_axis(parameter, search.values[:, index].tolist())
    loss = search.loss - best
    seen = np.isfinite(x) & np.isfinite(loss)
    ends = [*x[seen], *on_axis(parameter, parameter["prior_interval"] or [None])]
    finite = np.array([end for end in ends if np.isfinite(end)])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = 0.03 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-0.05 * top, 1.05 * top)
    posterior = on_axis(parameter, parameter["interval"] or [None, None])
    if np.isfinite(posterior).all():
        axes.axvspan(*posterior, color="#EAEAEA", linewidth=0, zorder=0, gid="posterior")
    shown = seen & (loss <= top)
    axes.plot(
        x[shown], loss[shown], marker="o", markersize=1.8, color=POINT, linestyle="none", alpha=0.7,
        gid="evaluations", rasterized=int(shown.sum()) > 3_000,
    )  # fmt: skip
    where, lowest = envelope(x[seen], loss[seen])
    axes.plot(where, np.minimum(lowest, 1.2 * top), color=ENVELOPE, linewidth=1.1, gid="envelope")
    axes.plot(
        x[[search.best]], [0.0], marker="D", markersize=3.8, color=WINNER, linestyle="none", gid="winner", zorder=4,
        clip_on=False,
    )  # fmt: skip
    places, texts = ticks(parameter, *axes.get_xlim(), most=4)
    axes.set_xticks(places, texts)
    axes.tick_params(labelsize=TINY, pad=2)
    axes.locator_params(axis="y", nbins=4)
    unit = plain(parameter["unit"] or "")
    box = axes.get_position()
    width, height = figure.get_size_inches()
    room = box.width * float(width)
    name = fit(figure, label_of(parameter), room - 0.02, SMALL, "bold")
    write(figure, box.x0 * float(width), box.y1 * float(height) + 0.05, name, size=SMALL, weight="bold")
    axes.set_xlabel(fit(figure, unit if unit not in ("", "1") else " ", room, TINY), size=TINY, color=GREY, labelpad=1)


def envelope(x: FloatArray, loss: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lowest loss of each of several equal parts of the axis, where it was found; empty parts left out.

    `BINS` parts, fewer where there are few evaluations to be the lowest of.
    """
    if not x.size:
        return np.empty(0), np.empty(0)
    parts = int(np.clip(np.sqrt(x.size), 3, BINS))
    edges = np.linspace(x.min(), x.max(), parts + 1)
    part = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, parts - 1)
    lowest = [
        int(members[np.argmin(loss[members])])
        for members in (np.flatnonzero(part == k) for k in range(parts))
        if members.size
    ]
    lowest.sort(key=lambda place_: x[place_])
    return x[lowest], loss[lowest]


PROFILE = CalibrationFigure(
    name="calibration-profile",
    title="Loss over each parameter",
    description=(
        "How far every evaluation of the search lies above the best, over each parameter; the line joins the lowest "
        "of each stretch. A narrow valley means that the figures fix the parameter, a flat floor that others make up "
        "for it. The search looked mostly near the best point, so the envelope is an upper bound of the true profile."
    ),
    render=draw_profile,
    options=(
        Option("above", 0.0, "Height of the axis above the best loss; 0: what holds most evaluations.", kind=float),
    ),
    needs="optimise",
)
