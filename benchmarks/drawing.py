"""Two pictures of a run: ratios beside their goals, and every kernel beside what the machine allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.counts import KERNELS
from benchmarks.figure import Figure
from benchmarks.saved import Run
from benchmarks.table import LIMIT_NAMES, number, shares
from tumorsim.figures.style import GREY, INK, RULE, SMALL, TINY, canvas, fit, journal, place, text_width, write

MET, MISSED, STRETCH = "#0072B2", "#D55E00", "#999999"
BAR, ROW = 0.13, 0.36  # inches
MARGIN, RIGHT, TOP, BOTTOM = 0.15, 1.3, 0.7, 0.75
WIDTH, HEIGHT = 7.0, 4.4
LABEL = 0.05  # of the height of the axes: least distance of two labels


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
    peers = ["" if f.peer is None else f"against {f.peer}" for f in found]
    widest = max(max(text_width(figure, f.work, SMALL), text_width(figure, p, TINY)) for f, p in zip(found, peers,
                 strict=True))  # fmt: skip
    left = min(widest + MARGIN + 0.1, 3.6)
    axes = place(figure, left, BOTTOM, WIDTH - left - RIGHT, ROW * len(found))
    values = [min(max(achieved(f), 1e-3), 1e3) for f in found]
    ends = [*values, *(s for f in found if (s := stretch_of(f)) is not None), 1.0]
    low, high = min(*ends, 0.5) / 1.3, max(*ends, 2.0) * 1.3
    for row, (one, value, peer) in enumerate(zip(found, values, peers, strict=True)):
        y = len(found) - 1 - row
        colour = MET if one.met else MISSED
        axes.barh(
            y,
            value - low,
            left=low,
            height=BAR / ROW,
            color=colour,
            lw=0,
            hatch=None if one.met else "////",
            edgecolor="white",
        )
        if one.noise is not None:
            axes.plot([value / (1 + 2 * one.noise), value * (1 + 2 * one.noise)], [y, y], color=INK, lw=0.8)
        if (stretched := stretch_of(one)) is not None:
            axes.plot([stretched] * 2, [y - 0.25, y + 0.25], color=STRETCH, lw=1.0, ls=(0, (2, 1)))
        middle = BOTTOM + (y + 0.5) * ROW
        lift = 0.065 if peer else 0.0
        name = fit(figure, one.work, left - MARGIN - 0.08, SMALL)
        write(figure, left - 0.08, middle + lift, name, ha="right", va="center", size=SMALL)
        write(
            figure,
            left - 0.08,
            middle - lift,
            fit(figure, peer, left - MARGIN - 0.08, TINY),
            ha="right",
            va="center",
            size=TINY,
            color=GREY,
        )
        said = f"{number(one.judged)}{'×' if one.ratio is not None else f' {one.unit}'}"
        write(figure, WIDTH - RIGHT + 0.08, middle + 0.065, said, va="center", size=SMALL, color=colour, weight="bold")
        goal = f"goal {'≤' if one.at_most else '≥'} {one.goal:g}"
        goal += "" if one.stretch is None else f", stretch {one.stretch:g}"
        write(figure, WIDTH - RIGHT + 0.08, middle - 0.065, goal, va="center", size=TINY, color=GREY)
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
    _head(
        figure,
        run,
        "Measured against the goals",
        "Solid bars meet their goal, hatched ones miss it; dashes are stretch goals; lines are two standard errors.",
    )
    return figure


def roofline(run: Run) -> Any:
    """Rates of the kernels over their arithmetic intensity, under the limits measured in the same run."""
    found = shares(run)
    if not found or not run.limits:
        return None
    figure = canvas(WIDTH, HEIGHT)
    axes = place(figure, 0.65, BOTTOM, WIDTH - 0.65 - MARGIN, HEIGHT - TOP - BOTTOM)
    limits = {name: rate / 1e9 for name, rate in run.limits.items()}
    memory = [name for name in ("triad", "L3", "L2", "L1") if name in limits]
    intensities = [KERNELS[one.kernel].intensity for one in found]
    low, high = min(*intensities, 0.1) / 2, max(*intensities, 10.0) * 4
    floor = min(*(one.operations / 1e9 for one in found), limits["triad"] * low) / 1.6
    ceiling = limits["fma"] * 2.5
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(floor, ceiling)
    slant = _slant(low, high, floor, ceiling)
    for turn, name in enumerate(memory):
        axes.plot([low, limits["fma"] / limits[name]], [low * limits[name], limits["fma"]], color=GREY, lw=0.9)
        x = low * (1.15, 2.1)[turn % 2]  # neighbours may be close
        axes.annotate(
            f"{LIMIT_NAMES[name]} {limits[name]:.3g} GB/s", (x, x * limits[name]), xytext=(0, 2.5), fontsize=TINY,
            textcoords="offset points", rotation=slant, rotation_mode="anchor", color=GREY, va="bottom",
        )  # fmt: skip
    axes.plot([limits["fma"] / max(limits[name] for name in memory), high], [limits["fma"]] * 2, color=INK, lw=1.2)
    axes.annotate(f"multiply-adds {limits['fma']:.3g} Gflop/s", (high, limits["fma"]), xytext=(-2, 3),
                  textcoords="offset points", ha="right", va="bottom", fontsize=SMALL)  # fmt: skip
    heights = _apart([math.log10(one.operations / 1e9) for one in found], math.log10(ceiling / floor) * LABEL)
    for one, height in zip(found, heights, strict=True):
        count = KERNELS[one.kernel]
        x, y = count.intensity, one.operations / 1e9
        if not count.whole:
            axes.plot([x, x], [y, one.allowed / 1e9], color=RULE, lw=0.8, zorder=1)
        axes.plot(x, y, "o", ms=6, mec=MET, mfc="white" if count.whole else MET, zorder=3)
        limited = "whole numbers" if count.whole else f"{_percent(one.of_limit)} of {LIMIT_NAMES[one.by]}"
        before = x > low * (high / low) ** 0.6  # no room for words behind it
        axes.annotate(
            f"{one.kernel}, {limited}", (x, y), xytext=(x / 1.18 if before else x * 1.18, 10**height),
            textcoords="data", va="center", ha="right" if before else "left", fontsize=SMALL,
            bbox={"fc": "white", "ec": "none", "pad": 0.6},
        )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_xlabel("operations a byte")
    axes.set_ylabel("10⁹ operations a second")
    _head(figure, run, "Kernels under the machine's limits, one core",
          "Grey lines: what a level of memory allows. From a dot up to the limit it is held against; open dots count "
          "whole-number operations.")  # fmt: skip
    return figure


def _slant(low: float, high: float, floor: float, ceiling: float) -> float:
    """Degrees at which a line of slope one rises on the roofline's axes."""
    across = (WIDTH - 0.65 - MARGIN) / math.log10(high / low)
    up = (HEIGHT - TOP - BOTTOM) / math.log10(ceiling / floor)
    return math.degrees(math.atan2(up, across))


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """The same heights, moved up where two are less than ``least`` apart."""
    moved = list(heights)
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + least)
    return moved


def _percent(share: float) -> str:
    """A share, with one digit after the point where it is small."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


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
