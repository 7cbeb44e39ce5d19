"""Two pictures of a run: ratios beside their goals, and every kernel beside what the machine allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.counts import KERNELS
from benchmarks.figure import Figure
from benchmarks.saved import Run
from benchmarks.table import LIMIT_NAMES, number, shares
from tumorsim.figures.style import GREY, INK, RULE, SMALL, TINY, canvas, journal, place, text_width, write

MET, MISSED, STRETCH = "#0072B2", "#D55E00", "#999999"
BAR, ROW = 0.13, 0.36  # inches
MARGIN, RIGHT, TOP, BOTTOM = 0.15, 0.75, 0.75, 0.75
WIDTH = 7.0


def save(run: Run, path: Path) -> list[Path]:
    """Write the pictures: ``path``, and beside it one whose name ends in ``-roofline``; returns what was written."""
    written = []
    for draw, name in ((ratios, path), (roofline, path.with_stem(path.stem + "-roofline"))):
        with journal():
            figure = draw(run)
            if figure is not None:
                figure.savefig(name, dpi=200)
                written.append(name)
    return written


def achieved(figure: Figure) -> float:
    """What is reached of a goal: one is the goal, above one is better, also where less is better."""
    assert figure.goal is not None
    if not figure.at_most:
        return figure.judged / figure.goal
    return figure.goal / figure.judged if figure.judged > 0.0 else math.inf


def stretch_of(figure: Figure) -> float | None:
    """Where the stretch lies, in goals."""
    if figure.stretch is None or figure.goal is None:
        return None
    return figure.goal / figure.stretch if figure.at_most else figure.stretch / figure.goal


def ratios(run: Run) -> Any:
    """A bar for each goal: how much of it is reached, on a logarithmic axis that has the goal in the middle."""
    found = [figure for figure in run.figures if figure.goal is not None]
    if not found:
        return None
    height = TOP + BOTTOM + ROW * len(found)
    figure = canvas(WIDTH, height)
    labels = [f.work if f.ratio is None else f"{f.work} : {f.peer}" for f in found]
    left = min(max(text_width(figure, label, SMALL) for label in labels) + MARGIN + 0.1, 4.2)
    axes = place(figure, left, BOTTOM, WIDTH - left - RIGHT, ROW * len(found))
    values = [min(max(achieved(f), 1e-3), 1e3) for f in found]
    ends = [*values, *(s for f in found if (s := stretch_of(f)) is not None), 1.0]
    low, high = min(*ends, 0.5) / 1.3, max(*ends, 2.0) * 1.3
    for row, (one, value, label) in enumerate(zip(found, values, labels, strict=True)):
        y = len(found) - 1 - row
        colour = MET if one.met else MISSED
        axes.barh(y, value - low, left=low, height=BAR / ROW, color=colour, hatch=None if one.met else "////", lw=0)
        if one.noise is not None:
            axes.plot([value / (1 + 2 * one.noise), value * (1 + 2 * one.noise)], [y, y], color=INK, lw=0.8)
        if (stretched := stretch_of(one)) is not None:
            axes.plot([stretched] * 2, [y - 0.25, y + 0.25], color=STRETCH, lw=1.0, ls=(0, (2, 1)))
        write(figure, left - 0.08, BOTTOM + (y + 0.5) * ROW, label, ha="right", va="center", size=SMALL)
        unit = "×" if one.ratio is not None else f" {one.unit}"
        said = f"{number(one.judged)}{unit}"
        write(figure, WIDTH - RIGHT + 0.06, BOTTOM + (y + 0.5) * ROW, said, va="center", size=SMALL, color=colour)
    axes.axvline(1.0, color=INK, lw=0.8)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(-0.5, len(found) - 0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks([t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high])
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.xaxis.set_minor_locator(_none())
    axes.set_xlabel("reached of the goal (1 = goal; further right is better)")
    _head(figure, run, "Measured against the goals",
          "Solid bars meet their goal, hatched ones miss it; dashes are stretch goals; lines are two standard errors.")
    return figure


def roofline(run: Run) -> Any:
    """Rates of the kernels over their arithmetic intensity, under the limits measured in the same run."""
    found = shares(run)
    if not found or not run.limits:
        return None
    figure = canvas(WIDTH, 4.4)
    axes = place(figure, 0.65, BOTTOM, WIDTH - 0.65 - 1.5, 4.4 - TOP - BOTTOM)
    limits = {name: rate / 1e9 for name, rate in run.limits.items()}
    intensities = [KERNELS[one.kernel].intensity for one in found]
    low, high = min(*intensities, 0.1) / 2, max(*intensities, 10.0) * 3
    rates = [one.operations / 1e9 for one in found]
    floor, ceiling = min(*rates, limits["triad"] * low) / 1.5, limits["fma"] * 3
    for name in ("triad", "L3", "L2", "L1"):
        if name in limits:
            ridge = limits["fma"] / limits[name]
            axes.plot([low, ridge], [low * limits[name], limits["fma"]], color=GREY, lw=0.9)
            _along(axes, name, limits[name], low, floor)
    start = limits["fma"] / max(limits[name] for name in limits if name != "fma")
    axes.plot([start, high], [limits["fma"]] * 2, color=INK, lw=1.2)
    axes.annotate(f"multiply-adds {limits['fma']:.3g} Gflop/s", (high, limits["fma"]), xytext=(-2, 3),
                  textcoords="offset points", ha="right", va="bottom", fontsize=SMALL)
    for place_number, one in enumerate(found):
        count = KERNELS[one.kernel]
        x, y = count.intensity, one.operations / 1e9
        axes.plot([x, x], [y, one.allowed / 1e9], color=RULE, lw=0.8, zorder=1)
        axes.plot(x, y, "o", ms=6, mec=MET, mfc="white" if count.whole else MET, zorder=3)
        write(figure, WIDTH - 1.42, 4.4 - TOP - 0.12 - 0.42 * place_number, one.kernel, size=SMALL, weight="bold")
        write(figure, WIDTH - 1.42, 4.4 - TOP - 0.25 - 0.42 * place_number,
              f"{one.of_limit:.0%} of {LIMIT_NAMES[one.by]}", size=SMALL, color=GREY)
        axes.annotate(one.kernel, (x, y), xytext=(7, -1), textcoords="offset points", va="center", fontsize=SMALL)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(floor, ceiling)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_xlabel("operations a byte")
    axes.set_ylabel("10⁹ operations a second")
    _head(figure, run, "Kernels under the machine's limits, one core",
          "A grey line is what a level of memory allows; open dots count whole-number operations.")
    return figure


def _along(axes: Any, name: str, rate: float, low: float, floor: float) -> None:
    """Name of a level of memory on its line, turned with it, near its lower end."""
    x = max(low, floor / rate) * 1.25
    axes.annotate(f"{LIMIT_NAMES[name]} {rate:.3g} GB/s", (x, x * rate), xytext=(0, 2), textcoords="offset points",
                  rotation=_angle(axes), rotation_mode="anchor", fontsize=TINY, color=GREY, va="bottom")


def _angle(axes: Any) -> float:
    return 0.0


def _none() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _head(figure: Any, run: Run, title: str, below: str) -> None:
    """Title, what the marks mean, and the machine."""
    height = float(figure.get_size_inches()[1])
    write(figure, MARGIN, height - 0.28, title, size=9.0, weight="bold")
    write(figure, MARGIN, height - 0.46, below, size=SMALL, color=GREY)
    found = run.machine
    line = f"{found['cpu']} · {found['cores']} cores at hand · load {found['load']} · {found['date']}"
    write(figure, MARGIN, 0.08, line, size=TINY, color=GREY)
