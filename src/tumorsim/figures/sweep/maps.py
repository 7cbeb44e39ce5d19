"""An output over two numeric factors: colours with contour lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tumorsim.figures.base import FigureError
from tumorsim.figures.style import GREY, INK, SMALL, TINY, canvas, fit, key, place, scientific, text_width, wrap, write
from tumorsim.figures.sweep.looks import WIDTH, footer, heading, small_ticks
from tumorsim.figures.sweep.reading import FloatArray, Measure, Table, factor_label, signed
from tumorsim.figures.ticks import log_ticks
from tumorsim.sweep_data import SweepData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MISSING = "#DDDDDD"
SHADES = 64
LOG_10 = float(np.log(10.0))


def draw_map(data: SweepData, shown: Measure, drawn: Table, look: str) -> Drawing:
    """A cell a point (``heat``) or shades between them (``contour``), with contour lines."""
    assert drawn.by is not None
    found = drawn.found.mean.T
    if look == "contour" and not np.isfinite(found).all():
        raise FigureError("look: contour needs a number at every point of the grid; use look=heat")
    figure = canvas(WIDTH, 4.2)
    axes = place(figure, 0.78, 0.7, 4.55, 2.86)
    # of a ratio, distances are those of logarithms: 0.5 is as far from 1 as 2
    values = np.log10(found) if shown.ratio else found
    centre = _centre(values, shown.ratio)
    limits = _limits(values, centre)
    shades = "RdBu_r" if centre is not None else "viridis"
    x, y = (_positions(at, one.logarithmic) for at, one in ((drawn.at, drawn.x), (drawn.lines, drawn.by)))
    axes.set_facecolor(MISSING)
    shape: Any = {"cmap": shades, "vmin": limits[0], "vmax": limits[1]}
    if look == "heat":
        painted: Any = axes.pcolormesh(_edges(x), _edges(y), values, gid="cells", linewidth=0, rasterized=True, **shape)
    else:
        painted = axes.contourf(x, y, values, levels=np.linspace(*limits, SHADES + 1), cmap=shades)
        painted.set_gid("shades")
    _contours(axes, (x, y, values), shown.ratio, centre)
    _ticks(axes, "x", x, drawn.x.logarithmic, look == "heat")
    _ticks(axes, "y", y, drawn.by.logarithmic, look == "heat")
    marked = _doubtful(axes, (x, y), drawn, shown, centre)
    small_ticks(axes)
    axes.set_xlabel(fit(figure, factor_label(drawn.x), 4.9, SMALL), labelpad=2, size=SMALL)
    axes.set_ylabel(fit(figure, factor_label(drawn.by), 2.9, SMALL), labelpad=2, size=SMALL)
    bar = figure.colorbar(painted, cax=place(figure, 5.5, 0.7, 0.14, 2.86))
    _bar_ticks(bar, limits, shown.ratio)
    _beside(figure, shown, drawn, marked, centre)
    heading(figure, data, _said(data, shown))
    footer(figure, data, shown, drawn)
    return figure


def _said(data: SweepData, shown: Measure) -> str:
    if data.replicates == 1:
        return f"{shown.label}; one run a point"
    return f"{shown.label}; {'geometric mean' if shown.ratio else 'mean'} of {data.replicates} runs a point"


def _centre(values: FloatArray, ratio: bool) -> float | None:
    """Where no effect is, on the scale of the colours; None if the output has no such place."""
    known = values[np.isfinite(values)]
    return 0.0 if ratio or known.min() < 0.0 < known.max() else None


def _limits(values: FloatArray, centre: float | None) -> tuple[float, float]:
    """Ends of the colours; the same distance on either side of no effect."""
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    if centre is not None:
        furthest = max(abs(low), abs(high)) or 0.01
        return -furthest, furthest
    return (low, high) if low < high else (low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0))


def _positions(at: FloatArray, logarithmic: bool) -> FloatArray:
    return np.log10(at) if logarithmic and (at > 0).all() else at


def _edges(at: FloatArray) -> FloatArray:
    """Edges of cells around ascending positions, half way between them."""
    inner = 0.5 * (at[1:] + at[:-1])
    return np.concatenate([[at[0] - (inner[0] - at[0])], inner, [at[-1] + (at[-1] - inner[-1])]])


def _ticks(axes: Axes, which: Literal["x", "y"], at: FloatArray, logarithmic: bool, cells: bool) -> None:
    ends = _edges(at)[[0, -1]] if cells else at[[0, -1]]
    (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)
    axis = axes.xaxis if which == "x" else axes.yaxis
    if logarithmic:
        axis.set_ticks(*log_ticks(float(ends[0]), float(ends[1]), 6))
    else:
        axes.locator_params(axis=which, nbins=6)
        axis.set_major_formatter(lambda value, _: signed(scientific(float(value), 3)))


def _contours(axes: Axes, where: tuple[FloatArray, FloatArray, FloatArray], ratio: bool, centre: float | None) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    values = where[2]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if min(values.shape) < 2 or not low < high:
        return
    levels = log_ticks(low, high, 6)[0] if ratio else [float(x) for x in MaxNLocator(6).tick_values(low, high)]
    inside = [x for x in levels if low < x < high and x != centre]
    masked = np.ma.masked_invalid(values)
    strong, halo = (INK, "white") if centre is not None else ("white", INK)

    def shown(level: float) -> str:
        return signed(scientific(10.0**level if ratio else level, 3))

    if inside:
        lines = axes.contour(*where[:2], masked, levels=inside, colors=strong, linewidths=0.6, linestyles="-")
        lines.set_gid("contours")
        for text in axes.clabel(lines, fmt=shown, fontsize=TINY):
            text.set_path_effects([withStroke(linewidth=1.4, foreground=halo)])
    if centre is not None and low < centre < high:
        line = axes.contour(*where[:2], masked, levels=[centre], colors=INK, linewidths=1.8)
        line.set_gid("no-effect")


def _doubtful(
    axes: Axes, where: tuple[FloatArray, FloatArray], drawn: Table, shown: Measure, centre: float | None
) -> bool:
    """Dots where the interval holds no effect; says whether such a mark means anything here."""
    if centre is None or drawn.samples.shape[2] < 2:
        return False
    at = 1.0 if shown.ratio else 0.0
    held = (drawn.found.low <= at) & (drawn.found.high >= at)
    across, down = np.nonzero(held)
    axes.plot(
        where[0][across], where[1][down], linestyle="none", marker="o", markersize=1.8, color=INK,
        markeredgewidth=0, gid="doubtful",
    )  # fmt: skip
    return True


def _bar_ticks(bar: Any, limits: tuple[float, float], ratio: bool) -> None:
    if ratio:
        places, texts = log_ticks(*limits, 7)
        bar.set_ticks(places, labels=texts)
    else:
        bar.locator = _steps()
        bar.formatter = lambda value, _: signed(scientific(float(value), 3))
        bar.update_ticks()
    bar.ax.tick_params(labelsize=TINY + 0.5, pad=2)
    bar.outline.set_linewidth(0.4)


def _steps() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(7)


def _beside(figure: Drawing, shown: Measure, drawn: Table, marked: bool, centre: float | None) -> None:
    """What lines, dots and grey cells mean, at the right of the colours."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    at = "1" if shown.ratio else "0"
    entries: list[tuple[Any, str]] = []
    if centre is not None:
        entries.append((Line2D([], [], color=INK, linewidth=1.8), f"{at}: no effect"))
    if marked:
        dot = Line2D([], [], linestyle="none", marker="o", markersize=1.8, color=INK)
        entries.append((dot, f"interval has {at}"))
    if not np.isfinite(drawn.found.mean).all():
        entries.append((Patch(facecolor=MISSING, edgecolor=GREY), "no number"))
    left, y = 6.06, 3.48
    for line in wrap(figure, shown.label, WIDTH - left - 0.06, TINY, 5):
        write(figure, left, y, line, size=TINY)
        y -= 0.11
    y -= 0.08
    for entry in entries:
        scale = min(1.0, (WIDTH - left - 0.34) / text_width(figure, entry[1], TINY))
        key(figure, [entry], left, y, size=TINY * scale)
        y -= 0.15
    width = drawn.found.high - drawn.found.low
    if np.isfinite(width).any() and not shown.ratio:
        half = signed(scientific(0.5 * float(np.nanmedian(width)), 2))
        for line in wrap(figure, f"95% interval of a point: ± {half} (median)", WIDTH - left - 0.06, TINY, 4):
            write(figure, left, y, line, size=TINY)
            y -= 0.11
    elif np.isfinite(width).any():
        times = float(np.nanmedian(np.sqrt(drawn.found.high / drawn.found.low)))
        text = f"95% interval of a point: ×/÷ {scientific(times, 3)} (median)"
        for line in wrap(figure, text, WIDTH - left - 0.06, TINY, 4):
            write(figure, left, y, line, size=TINY)
            y -= 0.11
