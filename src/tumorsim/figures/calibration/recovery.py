"""Simulation-based calibration: whether the intervals hold what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.base import FigureError
from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import MOST_PARAMETERS, FloatArray, footer_text, label_of, numbers
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    SMALL,
    TINY,
    bare_p,
    canvas,
    fit,
    key,
    number,
    place,
    plain,
    signature,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

BAR, BAND, OFF = "#0072B2", "#DDDDDD", "#D55E00"
ACROSS, PANEL, GAP = 3, 0.85, 0.72
BINS = 10
LEVEL = 0.95


def draw_recovery(outcome: Outcome) -> Drawing:
    """One panel a parameter; see `RECOVERY`."""
    found = outcome["recovery"]
    rows = found["parameters"]
    if len(rows) > MOST_PARAMETERS:
        raise FigureError(f"{len(rows)} parameters are more than a figure can show; it shows {MOST_PARAMETERS}")
    labels = {one["name"]: label_of(one) for one in outcome["parameters"]}
    figure = canvas(7.0, 0.98 + -(-len(rows) // ACROSS) * (PANEL + GAP))
    height = float(figure.get_size_inches()[1])
    write(figure, 0.1, height - 0.24, "Recovery of known parameters", size=HEAD, weight="bold")
    _key(figure, height - 0.47)
    width = (7.0 - 0.55 - 0.15 - 0.3 * (ACROSS - 1)) / ACROSS
    draws = most_draws(found)
    for index, row in enumerate(rows):
        down, across = divmod(index, ACROSS)
        left, base = 0.55 + across * (width + 0.3), height - 0.98 - down * (PANEL + GAP) - PANEL
        axes = place(figure, left, base, width, PANEL)
        _panel(axes, rank_shares(row["ranks"] or [], draws))
        axes.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
        axes.tick_params(labelsize=TINY, pad=2)
        if across == 0:
            axes.set_ylabel("Data sets")
        _words(figure, row, labels.get(row["name"], plain(row["name"])), (left, base + PANEL, width), found["level"])
        axes.set_xlabel("Rank of the truth in the posterior", size=TINY, labelpad=1)
    sets = f"{found['datasets']:,} data sets" if found["datasets"] else "Data sets"
    signature(
        figure,
        outcome["title"] or outcome["name"],
        footer_text(outcome),
        f"{sets} simulated from the prior, each refitted.",
    )
    return figure


def _key(figure: Drawing, y: float) -> None:
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=BAR, edgecolor=BAR), "ranks found"),
        (Patch(facecolor=BAND, edgecolor=BAND), "95% band of ranks that are spread evenly, as they should be"),
    ]
    key(figure, entries, 0.1, y)


def most_draws(found: Mapping[str, Any]) -> float:
    """The highest rank there can be: as told, 1 where ranks are shares, else the highest that was found."""
    if found["draws"]:
        return float(found["draws"])
    ranks = [x for row in found["parameters"] for x in row["ranks"] or () if x is not None]
    return max([*(float(x) for x in ranks), 1.0])


def rank_shares(ranks: list[float], draws: float) -> FloatArray:
    """Ranks as shares of the highest there can be, 0 to 1."""
    found = numbers(ranks)
    return np.clip(found[np.isfinite(found)] / draws, 0.0, 1.0) if len(ranks) else np.empty(0)


def band(count: int) -> tuple[float, float]:
    """Ends of the central 95% of a bin's count when ranks are spread evenly."""
    from scipy.stats import binom

    share = (1.0 - LEVEL) / 2.0
    return float(binom.ppf(share, count, 1.0 / BINS)), float(binom.ppf(1.0 - share, count, 1.0 / BINS))


def _panel(axes: Axes, shares: FloatArray) -> None:
    counts, edges = np.histogram(shares, np.linspace(0.0, 1.0, BINS + 1))
    axes.set_xlim(0.0, 1.0)
    if shares.size:
        low, high = band(shares.size)
        axes.axhspan(low, high, color=BAND, linewidth=0, zorder=0, gid="band")
        axes.axhline(shares.size / BINS, color=GREY, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)
    axes.bar(
        edges[:-1], counts, width=0.92 / BINS, align="edge", color=BAR, alpha=0.85, linewidth=0, zorder=2, gid="ranks"
    )
    axes.set_ylim(0.0, 1.15 * max(int(counts.max(initial=0)), 1))
    axes.locator_params(axis="y", nbins=4)


def _words(
    figure: Drawing, row: Mapping[str, Any], label: str, place_: tuple[float, float, float], level: float | None
) -> None:
    """Name, coverage with its interval, and the P value, above a panel."""
    left, top, width = place_
    write(figure, left, top + 0.17, fit(figure, label, width, SMALL, "bold"), size=SMALL, weight="bold")
    wanted = 0.9 if level is None else level
    low, high = row["coverage_ci"] or (None, None)
    if row["coverage"] is None:
        text, off = "coverage –", False
    else:
        between = "" if low is None or high is None else f" ({number(100 * low, 0)}–{number(100 * high, 0)})"
        text = f"{100 * wanted:.0f}% interval holds {number(100 * row['coverage'], 0)}%{between}"
        off = low is not None and high is not None and not low <= wanted <= high
    p = "" if row["rank_p"] is None else f", P {bare_p(row['rank_p'])}"
    write(
        figure,
        left,
        top + 0.05,
        fit(figure, text + p, width, TINY),
        size=TINY,
        color=OFF if off else INK,
        gid="coverage",
    )


RECOVERY = CalibrationFigure(
    name="calibration-recovery",
    title="Recovery of known parameters",
    description=(
        "Synthetic studies with known parameters, fitted in the same way. Where the posterior is right, the rank of "
        "the true value among its draws is spread evenly, and its 90% interval holds the truth nine times in ten. A "
        "hump means intervals that are too wide, a valley too narrow, a slope a bias."
    ),
    render=draw_recovery,
    needs="recovery",
)
