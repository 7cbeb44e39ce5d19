"""Morris screening: which parameter moves which figure, and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.bars import BAR, SPREAD, effect_bars, spread_marks
from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import FloatArray, footer_text, label_of, numbers, parameters_of
from tumorsim.figures.names import quantity_name
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    SMALL,
    TINY,
    canvas,
    fit,
    key,
    place,
    plain,
    signature,
    text_width,
    wrap,
    write,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

ROW, CELL = 0.21, 0.19


def draw_screening(outcome: Outcome, output: str | None) -> Drawing:
    """Bars above, the table of all outputs below; see `SCREENING`."""
    parameters, found = parameters_of(outcome), outcome["screening"]
    outputs = [plain(text or "–") for text in found["outputs"]]
    chosen = _chosen(outputs, output)
    strength = numbers(found["mu_star"])
    order = np.argsort(-np.nan_to_num(strength[chosen]), kind="stable")
    labels = [label_of(parameters[place_]) for place_ in order]
    others = [row for row in range(len(outputs)) if row != chosen]
    table = CELL * len(others) + (0.55 if others else 0.0)
    bars = ROW * len(order)
    figure = canvas(7.0, bars + table + 1.34)
    names = min(max(text_width(figure, text, SMALL) for text in labels), 1.6)
    top = float(figure.get_size_inches()[1])
    write(figure, 0.1, top - 0.24, "Screening: what moves what", size=HEAD, weight="bold")
    _key(figure, top - 0.47)
    _bars(figure, found, (chosen, outputs[chosen]), order, (labels, names), top - 0.6)
    if others:
        _table(figure, strength[others][:, order], [outputs[row] for row in others], labels)
    made = [f"{found[key_]} {key_}" for key_ in ("trajectories", "levels") if found[key_] is not None]
    note = f"Morris' elementary effects, {', '.join(made)}." if made else "Morris' elementary effects."
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome), note)
    return figure


def _chosen(outputs: list[str], output: str | None) -> int:
    if output is None:
        return 0
    if output not in outputs:
        raise FigureError(f"output: {output!r} was not screened; screened are: {', '.join(outputs)}")
    return outputs.index(output)


def _key(figure: Drawing, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=BAR, edgecolor=BAR), "µ*: mean absolute effect"),
        (Line2D([], [], color=INK, linewidth=0.9), "its 95% interval"),
        (
            Line2D([], [], color=SPREAD, marker="o", markersize=4, markerfacecolor="white", linestyle="none"),
            "σ: how much the effect varies (curvature, interplay)",
        ),
    ]
    key(figure, entries, 0.1, y)


def _bars(
    figure: Drawing,
    found: Any,
    output: tuple[int, str],
    order: Any,
    names: tuple[list[str], float],
    top: float,
) -> None:
    row, text = output
    labels, room = names
    height = ROW * len(order)
    strength = numbers(found["mu_star"])[row][order]
    left = 0.1 + room + 0.12
    axes = place(figure, left, top - height, 6.85 - left, height)
    spots = np.arange(len(order))
    ends = None
    if found["mu_star_ci"]:
        half = numbers(found["mu_star_ci"])[row][order]
        ends = np.maximum(strength - half, 0.0), strength + half
    furthest = effect_bars(axes, spots, strength, "mu-star", ends)
    if found["sigma"]:
        furthest += spread_marks(axes, spots, numbers(found["sigma"])[row][order])
    axes.set_xlim(0.0, 1.05 * max(furthest, default=0.0) or 1.0)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks([])
    for line, label in enumerate(labels):
        write(figure, 0.1, top - ROW * (line + 0.5) - 0.035, fit(figure, label, room, SMALL), size=SMALL)
    unit = f"on the {text}" if text in ("loss", "misfit") else f"on {output_name(text)}, in sampling errors"
    axes.set_xlabel(
        fit(figure, f"Effect {unit}, across the central nine tenths of the prior", 5.0, SMALL), labelpad=1, size=SMALL
    )


def output_name(text: str) -> str:
    """An output in words: ``R-1 RFS median, cik`` for ``R-1 rfs.median, cik``."""
    first, _, rest = text.partition(" ")
    quantity, comma, arm = rest.partition(", ")
    named = quantity_name(quantity) if rest else ""
    return f"{first} {named}{comma}{arm}" if named and named != quantity else text


def _table(figure: Drawing, strength: FloatArray, outputs: list[str], labels: list[str]) -> None:
    """One row an output, one column a parameter; darker is stronger."""
    from matplotlib.colors import LinearSegmentedColormap

    names = min(max(text_width(figure, output_name(text), TINY) for text in outputs), 2.4)
    left, bottom = 0.1 + names + 0.12, 0.42
    body = CELL * len(outputs)
    axes = place(figure, left, bottom, 6.85 - left, body)
    darkest = float(np.nanmax(strength, initial=0.0)) or 1.0
    shades = LinearSegmentedColormap.from_list("strength", ["#FFFFFF", "#56B4E9", "#00436B"])
    axes.imshow(strength, cmap=shades, vmin=0.0, vmax=darkest, aspect="auto", gid="table", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    for (down, across), value in zip(np.ndindex(strength.shape), strength.flat, strict=True):
        text = "–" if np.isnan(value) else f"{value:.1f}" if value < 99.5 else f"{value:.0f}"
        colour = "white" if value > 0.55 * darkest else INK
        axes.text(across, down, text, size=TINY, ha="center", va="center", color=colour, gid="effect")
    for line, text in enumerate(outputs):
        y = bottom + body - CELL * (line + 0.5) - 0.03
        write(figure, 0.1, y, fit(figure, output_name(text), names, TINY), size=TINY)
    width = (6.85 - left) / len(labels)
    for index, label in enumerate(labels):
        for line, part in enumerate(reversed(wrap(figure, label, width - 0.04, TINY, 2))):
            write(
                figure, left + (index + 0.5) * width, bottom + body + 0.04 + 0.09 * line, part, size=TINY, ha="center"
            )
    title = "µ* of each figure, in units of its own sampling error"
    write(figure, 0.1, bottom + body + 0.25, title, size=SMALL, color=GREY)


SCREENING = CalibrationFigure(
    name="calibration-screening",
    title="Screening: what moves what",
    description=(
        "Morris' elementary effects across the priors, before any fit. Bars: the mean absolute effect of each "
        "parameter on the loss; open circles: how much that effect depends on the others and on itself. Below, the "
        "effect on each figure in units of its own sampling error: less than 1 is less than the study's noise."
    ),
    render=draw_screening,
    options=(Option("output", None, "Output of the bars; by default the first, the loss."),),
    needs="screening",
)
