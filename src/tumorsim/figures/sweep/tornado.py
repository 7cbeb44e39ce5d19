"""Indices of a sensitivity analysis, the strongest factor on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.bars import BAR, SPREAD, effect_bars, spread_marks
from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    SMALL,
    canvas,
    fit,
    key,
    place,
    plain,
    signature,
    text_width,
    unit_label,
    write,
)
from tumorsim.figures.sweep.base import SensitivityFigure
from tumorsim.figures.sweep.looks import WIDTH, small_ticks
from tumorsim.figures.sweep.reading import FloatArray, labelled, shown_unit, signed
from tumorsim.figures.ticks import compact
from tumorsim.sensitivity_data import Estimates, OutputIndices, Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW = 0.24
TOTAL, ALONE = "#9ECAE9", BAR
RAISES, LOWERS = "▲", "▼"


def draw_tornado(outcome: Sensitivity, output: str | None) -> Drawing:
    """One row a factor; see `TORNADO`."""
    one = _chosen(outcome, output)
    unit, scale = shown_unit(one.unit)
    leading = _numbers(one.indices[outcome.leading].value)
    order = np.argsort(-np.where(np.isfinite(leading), leading, -np.inf), kind="stable")
    body = ROW * len(order) + 0.06
    figure = canvas(WIDTH, body + 1.3)
    names = [plain(outcome.factors[k].title) + (" (log)" if outcome.factors[k].logarithmic else "") for k in order]
    ends = [_ends(outcome, int(k)) for k in order]
    room = min(max(text_width(figure, text, SMALL) for text in names), 2.3)
    beside = min(max(text_width(figure, text, SMALL) for text in ends), 1.6)
    top = body + 0.72
    write(figure, 0.1, top + 0.37, fit(figure, outcome.title, WIDTH - 0.2, HEAD, "bold"), size=HEAD, weight="bold")
    left = 0.1 + room + 0.16 + beside + 0.14
    axes = place(figure, left, top - body, WIDTH - 0.2 - left, body)
    spots = np.arange(len(order))
    morris = outcome.method == "morris"
    reach = (_effects if morris else _shares)(axes, one, order, spots, scale if morris else 1.0)
    low, high = min([*reach, 0.0]), max([*reach, 0.0]) or 1.0
    axes.set_xlim(low - (0.03 * (high - low) if low < 0.0 else 0.0), high + 0.05 * (high - low))
    if low < 0.0:
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        axes.spines["left"].set_visible(False)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks([])
    small_ticks(axes)
    label = labelled(one.title, unit)
    said = f"Effect of the whole range on {label}" if morris else f"Share of the variance of {plain(one.title)}"
    wide = text_width(figure, said, SMALL) > WIDTH - 0.3 - left
    write(
        figure, 0.1 if wide else left, top - body - 0.32, fit(figure, said, WIDTH - 0.2, SMALL), size=SMALL,
    )  # fmt: skip
    for line, (name, end) in enumerate(zip(names, ends, strict=True)):
        y = top - 0.03 - ROW * (line + 0.5) - 0.035
        write(figure, 0.1, y, fit(figure, name, room, SMALL), size=SMALL)
        write(figure, 0.26 + room, y, fit(figure, end, beside, SMALL), size=SMALL, color=GREY)
    key(figure, _marks(morris, outcome.confidence), 0.1, top + 0.14, gap=0.18)
    _footer(figure, outcome, one)
    return figure


def _chosen(outcome: Sensitivity, output: str | None) -> OutputIndices:
    try:
        one = outcome.output(output)
    except KeyError as error:
        raise FigureError(f"output: {error.args[0]}") from None
    if not one.indices:
        able = [other.name for other in outcome.outputs if other.indices]
        raise FigureError(
            f"output: {one.name} has no indices, since only {one.used} of {one.used + one.left_out} samples gave "
            f"numbers; outputs that have some: {', '.join(able) or 'none'}"
        )
    if all(value is None for value in one.indices[outcome.leading].value):
        raise FigureError(f"output: {one.name} is the same at every point, so that no factor has a share in it")
    return one


def _numbers(values: list[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values])


def _ends(outcome: Sensitivity, place_: int) -> str:
    """The range of a factor: ``0 to 180 days``."""
    factor = outcome.factors[place_]
    return signed(f"{compact(factor.low)} to {compact(factor.high)} {plain(unit_label(factor.unit))}".strip())


def _held(one: Estimates, order: Any, scale: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    value, low, high = (scale * _numbers(part)[order] for part in (one.value, one.low, one.high))
    return value, low, high


def _effects(axes: Axes, one: OutputIndices, order: Any, spots: Any, scale: float) -> list[float]:
    """Morris: size of the effect, its spread, and its sign where the interval knows it."""
    value, low, high = _held(one.indices["mu_star"], order, scale)
    reach = effect_bars(axes, spots, value, "mu-star", (low, high))
    reach += spread_marks(axes, spots, _held(one.indices["sigma"], order, scale)[0])
    _, least, most = _held(one.indices["mu"], order, scale)
    for spot in spots:
        sign = RAISES if least[spot] > 0.0 else LOWERS if most[spot] < 0.0 else ""
        if sign:
            axes.text(0.012, 1.0 - (spot + 0.5) / len(spots), sign, transform=axes.transAxes, size=SMALL - 1.5,
                      color="white", va="center", ha="left", gid=f"sign-{spot}")  # fmt: skip
    return reach


def _shares(axes: Axes, one: OutputIndices, order: Any, spots: Any, scale: float) -> list[float]:
    """Sobol': share with all interplay above, alone below."""
    total = _held(one.indices["ST"], order, scale)
    alone = _held(one.indices["S1"], order, scale)
    reach = effect_bars(axes, spots - 0.19, total[0], "total", total[1:], 0.34, TOTAL)
    return reach + effect_bars(axes, spots + 0.19, alone[0], "alone", alone[1:], 0.34, ALONE)


def _marks(morris: bool, confidence: float) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    interval = (Line2D([], [], color=INK, linewidth=0.9), f"{100 * confidence:g}% interval")
    if not morris:
        return [
            (Patch(facecolor=TOTAL, edgecolor=TOTAL), "ST: with all interplay"),
            (Patch(facecolor=ALONE, edgecolor=ALONE), "S1: alone"),
            interval,
        ]
    circle = Line2D([], [], color=SPREAD, marker="o", markersize=4, markerfacecolor="white", linestyle="none")
    return [
        (Patch(facecolor=BAR, edgecolor=BAR), f"µ*: mean size of the effect ({RAISES} raises, {LOWERS} lowers)"),
        interval,
        (circle, "σ: how much it varies with the rest"),
    ]


def _footer(figure: Drawing, outcome: Sensitivity, one: OutputIndices) -> None:
    rows = "trajectories" if outcome.method == "morris" else "base samples"
    levels = "" if outcome.levels is None else f", {outcome.levels} levels"
    runs = f"{outcome.runs:,} runs"
    each = "" if outcome.replicates == 1 else f", {outcome.replicates} a point with the same seeds"
    notes = [f"{'Morris' if outcome.method == 'morris' else 'Sobol’'}: {one.used:,} {rows}{levels}."]
    if one.left_out:
        notes.append(f"{one.left_out:,} left out, with a run that gave no number.")
    notes.append("Percentiles of the bootstrap.")
    signature(figure, outcome.name, f"seed {outcome.seed} · {runs}{each}", " ".join(notes))


TORNADO = SensitivityFigure(
    name="tornado",
    title="Sensitivity",
    description=(
        "Which factor moves an output, the strongest on top. Of Morris: the mean size of the effect of a factor's "
        "whole range, with its sign where the interval leaves no doubt; open circles: how much the effect varies with "
        "the other factors and along its own range. Of Sobol': the share of the variance that a factor makes alone, "
        "and with all interplay it takes part in. Bars whose intervals overlap are not told apart."
    ),
    render=draw_tornado,
    options=(Option("output", None, "Name of the output; by default the first."),),
)
