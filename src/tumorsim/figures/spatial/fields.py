"""Oxygen, drug and signals in the slice through the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.spatial import findings
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.looks import (
    MOST,
    NAME_LINE,
    PLANE,
    bare,
    broken,
    day_label,
    footer,
    labels,
    margin,
    middle,
    scale_bar,
    spread_out,
    usable_plane,
    write_lines,
)
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    SMALL,
    TINY,
    arm_colour,
    canvas,
    place,
    scientific,
    unit_label,
    write,
)
from tumorsim.spatial_variables import SNAPSHOTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLES = {
    "oxygen": "Oxygen",
    "vegf": "VEGF",
    "drug": "Drug against plasma",
    "depot": "Drug from embolised vessels",
    "interferon": "IFN-γ, relative",
    "chemokine": "Chemokine, relative",
    "suppressors": "Suppressive factor, relative",
}
COLOURS = "viridis"
BAR, GAP, NAME = 0.62, 0.07, 1.12  # inches: colour bar with its numbers, between panels, names at the left
WIDTH = 7.0


@dataclass(frozen=True)
class Column:
    """One column: an arm at a moment."""

    arm: str
    shot: int
    heading: str
    colour: str


def draw_fields(view: SpatialView, day: float | None, arm: str | None, plane: str) -> Drawing:
    """One row a field, one column an arm, or a snapshot of one arm; see `FIELDS`."""
    data = view.data
    plane = usable_plane(data, plane)
    columns = _columns(view, day, arm)
    names = [
        name
        for name in TITLES
        if all(name in data.snapshots[one.arm] for one in columns)
        and any(np.nanmax(np.abs(data.snapshots[one.arm][name][one.shot])) > 0 for one in columns)
    ]
    if not names:
        raise FigureError("fields: every field of these snapshots is zero, so there is nothing to draw")
    rows, across = middle(data.snapshots[columns[0].arm]["content"][0], plane).shape
    room = WIDTH - 0.2 - NAME - BAR
    width = min((room - GAP * (len(columns) - 1)) / len(columns), 1.25)
    height = width * rows / across
    figure = canvas(WIDTH, 1.0)
    headings = broken(figure, [one.heading for one in columns], width, 3)
    head = 0.48 + NAME_LINE * max(len(lines) for lines in headings)
    figure.set_size_inches(WIDTH, 0.38 + head + (height + GAP) * len(names))
    full = float(figure.get_size_inches()[1])
    when = "over time" if arm is not None else f"on {day_label(data.shot[columns[0].shot])}"
    write(figure, 0.1, full - 0.22, f"Fields in the middle of the lattice {when}", size=HEAD, weight="bold")
    inside = [middle(margin(data.snapshots[one.arm]["content"][one.shot]), plane) for one in columns]
    for row, name in enumerate(names):
        bottom = full - head - height - row * (height + GAP)
        _name(figure, name, bottom + height)
        slices = [middle(data.snapshots[one.arm][name][one.shot], plane) for one in columns]
        least, top = _range(slices)
        for number, (one, values) in enumerate(zip(columns, slices, strict=True)):
            left = 0.1 + NAME + number * (width + GAP)
            axes = place(figure, left, bottom, width, height)
            image = _panel(axes, values, inside[number], least, top, f"{name}-{one.arm}-{one.shot}")
            if row == 0:
                write_lines(figure, left, bottom + height + 0.05, headings[number], one.colour)
                if number == 0:
                    scale_bar(axes, data, across)
        bar = place(figure, 0.1 + NAME + len(columns) * (width + GAP), bottom + 0.04, 0.09, height - 0.08)
        _bar(figure, bar, image, least, top)
    footer(figure, view, "First replicate; white: the tumour's margin.")
    return figure


def _columns(view: SpatialView, day: float | None, arm: str | None) -> list[Column]:
    data = view.data
    count = min(held["content"].shape[0] for held in data.snapshots.values())
    if arm is not None:
        if arm not in data.arms:
            raise FigureError(f"arm: {arm!r} is none of {', '.join(data.arms)}")
        if day is not None:
            raise FigureError("day: choose an arm, whose snapshots are shown, or a day, not both")
        return [Column(arm, shot, day_label(data.shot[shot]), INK) for shot in spread_out(count, MOST)]
    shot = count - 1 if day is None else int(np.abs(data.shot[:count] - day).argmin())
    return [
        Column(name, shot, label, arm_colour(number))
        for number, (name, label) in enumerate(zip(data.arms, labels(view), strict=True))
    ]


def _range(slices: list[NDArray[Any]]) -> tuple[float, float]:
    """One scale for a field: from 0 to the 99.8th percentile, so that one voxel does not darken the rest."""
    values = np.concatenate([one[np.isfinite(one)].ravel() for one in slices])
    top = float(np.percentile(values, 99.8)) if values.size else 0.0
    top = top if top > 0 else float(values.max(initial=0.0))
    return 0.0, top if top > 0 else 1.0


def _panel(axes: Axes, values: NDArray[Any], inside: NDArray[np.bool_], least: float, top: float, gid: str) -> Any:
    image = axes.imshow(
        values, cmap=COLOURS, vmin=least, vmax=top, interpolation="nearest", origin="lower", gid=f"field-{gid}"
    )
    if inside.any() and not inside.all():
        axes.contour(inside.astype(float), levels=[0.5], colors="white", linewidths=0.6)
    bare(axes)
    return image


def _name(figure: Drawing, name: str, top: float) -> None:
    unit = unit_label(next(variable.unit for variable in SNAPSHOTS if variable.name == name))
    title = TITLES[name].split(", ")
    lines = [(text, INK) for text in _broken(title[0])] + [(text, GREY) for text in (*title[1:], unit) if text]
    for number, (line, colour) in enumerate(lines):
        write(figure, 0.1, top - 0.14 - 0.13 * number, line, size=SMALL, color=colour)


def _broken(text: str) -> list[str]:
    """A long name on two lines."""
    words = text.split()
    if len(text) <= 18 or len(words) < 2:
        return [text]
    cut = min(range(1, len(words)), key=lambda k: abs(len(" ".join(words[:k])) - len(" ".join(words[k:]))))
    return [" ".join(words[:cut]), " ".join(words[cut:])]


def _bar(figure: Drawing, axes: Axes, image: Any, least: float, top: float) -> None:
    bar = figure.colorbar(image, cax=axes)
    ticks = [least, (least + top) / 2.0, top]
    bar.set_ticks(ticks, labels=[scientific(tick, 2) for tick in ticks])
    axes.tick_params(labelsize=TINY, length=2, pad=1.5)
    bar.outline.set_linewidth(0.4)


FIELDS = SpatialFigure(
    name="fields",
    title="Oxygen, drug and signals",
    description=(
        "Fields in the slice through the middle of the lattice, one column an arm, with the tumour's margin in white. "
        "Each field has one scale for all columns, from 0 to its 99.8th percentile. Relative: 1 is solid tissue in "
        "which every voxel secretes. Fields that are zero everywhere are left out."
    ),
    render=draw_fields,
    shows=findings.oxygen,
    options=(
        Option("day", None, "Day of the nearest snapshot; the last one if not given.", kind=float),
        Option("arm", None, "Name of one arm, to see its snapshots side by side."),
        PLANE,
    ),
    needs="snapshots",
)
