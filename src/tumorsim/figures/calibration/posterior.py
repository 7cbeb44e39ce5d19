"""Pairs of parameters in the posterior, and each against its prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import (
    FloatArray,
    Parameter,
    footer_text,
    on_axis,
    parameters_of,
    particles_of,
    prior_density,
    ticks,
    with_unit,
)
from tumorsim.figures.style import GREY, HEAD, INK, TINY, canvas, key, number, place, signature, text_width, wrap, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

WINNER, CLOUD, PRIOR = "#D55E00", "#0072B2", "#8C8C8C"
LEFT, RIGHT, TOP, BOTTOM, GAP = 1.2, 0.12, 0.62, 0.5, 0.06
BINS = 24
MOST_POINTS = 3_000
EDGE = 0.1  # share of a panel at both ends that has no ticks


def draw_posterior(outcome: Outcome, particles: str) -> Drawing:
    """Lower triangle, diagonal and correlations; see `POSTERIOR`."""
    parameters = parameters_of(outcome)
    values, weights = particles_of(outcome, particles)
    columns = [on_axis(parameter, column.tolist()) for parameter, column in zip(parameters, values.T, strict=True)]
    spans = [_span(parameter, column) for parameter, column in zip(parameters, columns, strict=True)]
    size = min((7.0 - LEFT - RIGHT) / len(parameters), 1.6)
    lines = max(len(wrap(canvas(7.0, 1.0), with_unit(one), size - 0.05, TINY, 4)) for one in parameters)
    figure = canvas(7.0, TOP + BOTTOM + 0.095 * lines + size * len(parameters))
    top = float(figure.get_size_inches()[1])
    write(figure, 0.1, top - 0.24, "Posterior, in pairs", size=HEAD, weight="bold")
    _key(figure, top - 0.47)
    base = top - TOP
    for row, below in enumerate(parameters):
        for column, across in enumerate(parameters):
            at = (LEFT + column * size, base - (row + 1) * size + GAP, size - GAP, size - GAP)
            if column > row:
                _correlation(figure, outcome, row, column, at)
                continue
            axes = place(figure, *at)
            axes.set_xlim(*spans[column])
            if row == column:
                _marginal(axes, across, columns[row], weights)
            else:
                _pair(axes, columns[column], columns[row], weights, (across, below))
                axes.set_ylim(*spans[row])
            sides = (row == len(parameters) - 1, 0 == column != row)
            _dress(figure, axes, (across, spans[column]), (below, spans[row]), sides)
        _names(figure, below, row, (len(parameters), size), base)
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome), _note(outcome, values, weights))
    return figure


def _key(figure: Drawing, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color=PRIOR, linewidth=1.0, linestyle=(0, (3, 1.5))), "prior"),
        (Patch(facecolor=CLOUD, edgecolor=CLOUD), "posterior"),
        (Line2D([], [], color=CLOUD, marker="o", markersize=2.5, linestyle="none"), "particles, by weight"),
        (Line2D([], [], color=WINNER, marker="D", markersize=3.6, linestyle="none"), "best of the search"),
    ]
    key(figure, entries, 0.1, y)


def _span(parameter: Parameter, column: FloatArray) -> tuple[float, float]:
    """Ends of the axis: the prior's interval, and every particle."""
    found = [
        *on_axis(parameter, parameter["prior_interval"] or [None]),
        *on_axis(parameter, [parameter["best"]]),
        *column,
    ]
    finite = np.array([x for x in found if np.isfinite(x)])
    if not finite.size:
        raise FigureError(f"{parameter['name']}: the posterior holds no number that its axis could show")
    low, high = float(finite.min()), float(finite.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _marginal(axes: Axes, parameter: Parameter, column: FloatArray, weights: FloatArray) -> None:
    """Prior and weighted posterior as densities over the axis."""
    low, high = axes.get_xlim()
    edges = np.linspace(low, high, BINS + 1)
    seen = np.isfinite(column)
    density, _ = np.histogram(column[seen], edges, weights=weights[seen])
    density = density / ((density.sum() or 1.0) * (edges[1] - edges[0]))
    axes.stairs(density, edges, fill=True, color=CLOUD, alpha=0.85, linewidth=0, gid="posterior")
    grid = np.linspace(low, high, 200)
    prior = prior_density(parameter, grid)
    tallest = float(density.max(initial=0.0))
    if prior is not None and prior.sum() > 0.0:
        # of the whole prior, which the axis shows nearly all of
        prior = prior / (prior.sum() * (grid[1] - grid[0]))
        axes.plot(grid, prior, color=PRIOR, linewidth=1.0, linestyle=(0, (3, 1.5)), gid="prior")
        tallest = max(tallest, float(prior.max()))
    (best,) = on_axis(parameter, [parameter["best"]])
    if np.isfinite(best):
        axes.axvline(best, color=WINNER, linewidth=0.9, gid="winner")
    axes.set_ylim(0.0, 1.1 * tallest or 1.0)


def _pair(
    axes: Axes, x: FloatArray, y: FloatArray, weights: FloatArray, parameters: tuple[Parameter, Parameter]
) -> None:
    """Particles, darker where they weigh more, and the best of the search."""
    chosen = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if chosen.size > MOST_POINTS:
        chosen = chosen[:: -(-chosen.size // MOST_POINTS)]
    share = weights[chosen] / (weights[chosen].max(initial=0.0) or 1.0)
    dense = float(np.clip(8.0 / np.sqrt(max(chosen.size, 1)), 0.12, 0.7))
    # three sizes of one mark each: a file with one outline a particle would be ten times as large
    for size, least, most in ((1.2, 0.0, 1 / 3), (1.9, 1 / 3, 2 / 3), (2.6, 2 / 3, np.inf)):
        own = chosen[(share >= least) & (share < most)]
        axes.plot(
            x[own], y[own], marker="o", markersize=size, markeredgewidth=0, color=CLOUD, alpha=dense, linestyle="none",
            gid="particles", rasterized=chosen.size > 500,
        )  # fmt: skip
    (across,), (up,) = (on_axis(parameter, [parameter["best"]]) for parameter in parameters)
    if np.isfinite([across, up]).all():
        axes.plot(
            [across], [up], marker="D", markersize=3.4, color=WINNER, markeredgecolor="white", markeredgewidth=0.4,
            linestyle="none", gid="winner",
        )  # fmt: skip


def _dress(
    figure: Drawing,
    axes: Axes,
    across: tuple[Parameter, tuple[float, float]],
    up: tuple[Parameter, tuple[float, float]],
    sides: tuple[bool, bool],
) -> None:
    """Ticks, with their texts below the last row and beside the first column alone."""
    last, first = sides
    axes.tick_params(labelsize=TINY, pad=1.5, length=2.0)
    low, high = across[1]
    places, texts = ticks(across[0], low + EDGE * (high - low), high - EDGE * (high - low), most=2)
    if len(places) > 1:
        inches = axes.get_position().width * float(figure.get_size_inches()[0]) / (high - low)
        if sum(text_width(figure, text, TINY) for text in texts) / 2.0 + 0.1 > inches * (places[-1] - places[0]):
            places, texts = places[:1], texts[:1]
    axes.set_xticks(places, texts if last else [""] * len(places))
    places, texts = ticks(up[0], *up[1], most=3) if first else ([], [])
    axes.set_yticks(places, texts)


def _names(figure: Drawing, parameter: Parameter, row: int, grid: tuple[int, float], base: float) -> None:
    """The name beside its row and below its column."""
    count, size = grid
    lines = wrap(figure, with_unit(parameter), LEFT - (0.45 if row else 0.2), TINY, 3)
    middle = base - (row + 0.5) * size
    for line, text in enumerate(lines):
        write(figure, 0.1, middle + 0.1 * (len(lines) / 2.0 - line) - 0.08, text, size=TINY)
    centre, bottom = LEFT + (row + 0.5) * size - GAP / 2.0, base - count * size
    for line, text in enumerate(wrap(figure, with_unit(parameter), size - 0.05, TINY, 4)):
        write(figure, centre, bottom - 0.19 - 0.095 * line, text, size=TINY, ha="center")


def _correlation(figure: Drawing, outcome: Outcome, row: int, column: int, at: Sequence[float]) -> None:
    """The correlation in latent coordinates, larger where it is stronger."""
    table = outcome["posterior"]["correlation"]
    value = table[row][column] if table else None
    if value is None:
        return
    strength = min(abs(value), 1.0)
    colour = INK if strength >= 0.5 else GREY
    write(
        figure, at[0] + at[2] / 2.0, at[1] + at[3] / 2.0, number(value).replace("-", "−"), size=TINY + 4.0 * strength,
        color=colour, ha="center", va="center", gid="correlation",
    )  # fmt: skip


def _note(outcome: Outcome, values: FloatArray, weights: FloatArray) -> str:
    effective = 1.0 / float((weights**2).sum())
    known = "; numbers: correlations in prior standard deviations" if outcome["posterior"]["correlation"] else ""
    return f"{len(values):,} particles, worth {effective:,.0f} of equal weight{known}."


POSTERIOR = CalibrationFigure(
    name="calibration-posterior",
    title="Posterior, in pairs",
    description=(
        "Below the diagonal the particles of the posterior for each pair of parameters, on it each posterior against "
        "its prior, above it their correlations. A narrow slanting cloud means that both are known together only, as "
        "a product or a ratio. Axes are logarithmic where the prior is."
    ),
    render=draw_posterior,
    options=(
        Option(
            "particles",
            "adjusted",
            "Particles after regression adjustment, where there is one, or as accepted.",
            ("adjusted", "accepted"),
        ),
    ),
    needs="posterior",
)
