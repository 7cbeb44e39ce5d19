"""Axes of factors and outputs, and what every figure of a sweep says above and below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tumorsim.figures.style import (
    GREY,
    HEAD,
    SMALL,
    TINY,
    fit,
    plain,
    scientific,
    signature,
    text_width,
    write,
)
from tumorsim.figures.sweep.reading import FloatArray, Measure, Table, listed, signed
from tumorsim.figures.ticks import log_ticks
from tumorsim.sweep_data import SweepData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

WIDTH = 7.0
DASHED: Any = (0, (3, 2))


def heading(figure: Drawing, data: SweepData, said: str) -> None:
    """The sweep's title, and a line about what is drawn."""
    top = float(figure.get_size_inches()[1])
    write(figure, 0.1, top - 0.22, fit(figure, data.title, WIDTH - 0.2, HEAD, "bold"), size=HEAD, weight="bold")
    write(figure, 0.1, top - 0.4, fit(figure, said, WIDTH - 0.2, SMALL), size=SMALL, color=GREY)


def over_replicates(data: SweepData, shown: Measure) -> str:
    """What a mark and its interval are."""
    if data.replicates == 1:
        return "one run a point, so no interval"
    mean = "geometric mean" if shown.ratio else "mean"
    return f"{mean} and 95% interval (Student's t) over n = {data.replicates} runs with the same seeds at every point"


def footer(figure: Drawing, data: SweepData, shown: Measure, drawn: Table | None = None, note: str = "") -> None:
    """Sweep, seeds, points, what is averaged and left out, and the warning."""
    first, last = int(data.seeds[0]), int(data.seeds[-1])
    seeds = f"seed {first}" if first == last else f"seeds {first} to {last}"
    runs = f"{data.points:,} points × {data.replicates:,} runs"
    notes = [note] if note else []
    if drawn is not None and drawn.averaged:
        notes.append(f"Averaged over {listed(drawn.averaged)}.")
    if shown.lost:
        notes.append(f"{shown.lost:,} of {shown.samples.size:,} runs gave no number and are left out.")
    signature(figure, data.name, f"{seeds} · {runs}", plain(" ".join(notes)))


def scale_axis(axes: Axes, which: Literal["x", "y"], values: FloatArray, logarithmic: bool, most: int = 6) -> None:
    """Limits and round ticks of one axis around finite values."""
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    axis = axes.xaxis if which == "x" else axes.yaxis
    if logarithmic and low > 0.0:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        ends = np.log10(low), np.log10(high)
        room = 0.04 * max(ends[1] - ends[0], 0.05)
        (axes.set_xlim if which == "x" else axes.set_ylim)(10.0 ** (ends[0] - room), 10.0 ** (ends[1] + room))
        places, texts = log_ticks(ends[0] - room, ends[1] + room, most)
        axis.set_ticks([10.0**place for place in places], texts)
        axis.set_ticks([], minor=True)
        return
    room = 0.04 * (high - low or abs(high) or 1.0)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low - room, high + room)
    axes.locator_params(axis=which, nbins=most)
    axis.set_major_formatter(lambda value, _: signed(scientific(float(value), 3)))


def reference(axes: Axes, shown: Measure, along: str = "y") -> None:
    """A dashed line where there is no effect, if the axis reaches it: 1 of a ratio, 0 of what has both signs."""
    at = 1.0 if shown.ratio else 0.0
    if not shown.ratio and not np.nanmin(shown.samples) < 0.0 < np.nanmax(shown.samples):
        return
    low, high = axes.get_ylim() if along == "y" else axes.get_xlim()
    if low < at < high:
        line = axes.axhline if along == "y" else axes.axvline
        line(at, color=GREY, linewidth=0.7, linestyle=DASHED, zorder=1, gid="reference")


def y_label(axes: Axes, figure: Drawing, text: str) -> None:
    """The output above its axis, where it may be long."""
    box = axes.get_position()
    full = figure.get_size_inches()
    width = float(full[0]) * (1.0 - box.x0) - 0.1
    left = 0.1 if text_width(figure, text, SMALL) > width else box.x0 * full[0] - 0.4
    write(figure, left, box.y1 * full[1] + 0.09, fit(figure, text, WIDTH - left - 0.1, SMALL), size=SMALL)


def small_ticks(axes: Axes) -> None:
    """Ticks as small as a panel needs."""
    axes.tick_params(labelsize=TINY + 0.5, pad=2)
