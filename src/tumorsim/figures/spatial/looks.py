"""Colours of what a voxel holds, slices, margins, and what every figure of the lattice says below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.style import (
    INK,
    SMALL,
    TINY,
    fit,
    key,
    plain,
    scientific,
    signature,
    text_width,
    unit_label,
    wrap,
    write,
)
from tumorsim.spatial_numbers import Quantity, quantity, values
from tumorsim.spatial_variables import CONTENTS, SpatialData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# in the order of CONTENTS; apart from each other in lightness as well as in hue
CONTENT_COLOURS = ("#F4F1EA", "#8CC4EC", "#D55E00", "#F0E442", "#CC79A7", "#8C857B", "#9E0B26", "#1A1A1A")
LYMPHOCYTE = "#00563F"
CLONE_COLOURS = CONTENT_COLOURS[1:5]
CLONE_LABELS = ("sensitive", "resistant", "antigen-low", "resistant and antigen-low")
PLANES = ("z", "y", "x")
PLANE = Option("plane", "z", "Axis at right angles to the slice.", PLANES)
KEY_LINE = 0.17
NAME_LINE = 0.115  # inches between lines of one name
MOST = 5  # columns of snapshots


def colours() -> NDArray[np.uint8]:
    """Red, green and blue of each content; (content, 3)."""
    return np.array([[int(text[k : k + 2], 16) for k in (1, 3, 5)] for text in CONTENT_COLOURS], dtype=np.uint8)


def middle(volume: NDArray[Any], plane: str) -> NDArray[Any]:
    """The slice through the middle of a lattice at right angles to an axis."""
    axis = PLANES.index(plane)
    return np.asarray(volume.take(volume.shape[axis] // 2, axis=axis))


def usable_plane(data: SpatialData, plane: str) -> str:
    """The plane asked for; in one slice only z."""
    if data.shape[0] == 1 and plane != "z":
        raise FigureError(f"plane: the lattice is one slice thick, so {plane} shows a line; use plane=z")
    return plane


def spread_out(count: int, most: int) -> list[int]:
    """At most so many of so many places, first and last among them."""
    if most < 1:
        raise FigureError(f"shots: {most} must be at least 1, e.g. shots=4")
    if most == 1:
        return [count - 1]
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


def shots_with_effectors(data: SpatialData) -> list[int]:
    """Snapshots at which some arm has at least a twentieth of the most effectors; of a few cells no depth is known."""
    load = np.nansum(values(data, "infiltration") * values(data, "volume"), axis=-1)  # arm, replicate, shot
    most = load.sum(axis=1).max(axis=0, initial=0.0)
    return [int(shot) for shot in np.flatnonzero((most > 0) & (most >= 0.05 * most.max(initial=0.0)))]


def margin(content: NDArray[Any]) -> NDArray[np.bool_]:
    """The tumour as a body, inside its margin; (z, y, x)."""
    from tumorsim.measures import tumour_region

    return tumour_region((content >= 1) & (content <= 5))


def show_slice(axes: Axes, content: NDArray[Any], lymphocytes: NDArray[Any], inches: float, gid: str = "") -> None:
    """One slice: what the voxels hold in colour, effectors as dots; ``inches`` is the width of the axes."""
    height, width = content.shape
    axes.imshow(colours()[content], interpolation="nearest", origin="lower", gid=f"content-{gid}")
    y, x = np.nonzero(lymphocytes > 0)
    dot = min(max(72.0 * inches / width * 0.95, 0.9), 4.0)
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=dot, color=LYMPHOCYTE, markeredgecolor="white",
        markeredgewidth=0.12 * dot, gid=f"lymphocytes-{gid}",
    )  # fmt: skip
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(-0.5, height - 0.5)
    bare(axes)


def bare(axes: Axes) -> None:
    """A frame without ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.4)


def scale_bar(axes: Axes, data: SpatialData, width: int) -> None:
    """A length at the lower left, about a quarter of the slice of ``width`` voxels."""
    room = width * data.spacing
    length = max(nice for k in range(7) for step in (1, 2, 5) if (nice := step * 10.0**k) <= max(0.3 * room, 1.0))
    left, low = 0.05 * width, 0.05 * width
    for edge, colour in ((2.6, "white"), (1.4, INK)):
        axes.plot([left, left + length / data.spacing], [low, low], color=colour, linewidth=edge, solid_capstyle="butt")
    from matplotlib.patheffects import withStroke

    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    axes.text(
        left, low + 0.025 * width, text, size=TINY, ha="left", va="bottom", color=INK,
        path_effects=[withStroke(linewidth=1.5, foreground="white")],
    )  # fmt: skip


def content_key(figure: Drawing, data: SpatialData, width: float) -> list[list[tuple[Any, str]]]:
    """What the colours mean, for contents that occur, in lines of at most so many inches."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = {int(code) for held in data.snapshots.values() for code in np.unique(held["content"])}
    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=CONTENT_COLOURS[code], edgecolor="#777777"), CONTENTS[code]) for code in sorted(present)
    ]
    if any((held["lymphocytes"] > 0).any() for held in data.snapshots.values()):
        dot = Line2D([], [], linestyle="none", marker="o", markersize=3.2, color=LYMPHOCYTE, markeredgecolor="white")
        entries.append((dot, "effector"))
    lines: list[list[tuple[Any, str]]] = [[]]
    used = 0.0
    for entry in entries:
        taken = text_width(figure, entry[1], SMALL) + 0.42
        if used + taken > width and lines[-1]:
            lines.append([])
            used = 0.0
        lines[-1].append(entry)
        used += taken
    return lines


def write_key(figure: Drawing, lines: list[list[tuple[Any, str]]], x: float, y: float) -> float:
    """The lines of a key, the first one at y; returns where the last one stands."""
    for row, line in enumerate(lines):
        key(figure, line, x, y - KEY_LINE * row, gap=0.18)
    return y - KEY_LINE * (len(lines) - 1)


def day_label(day: float) -> str:
    """``day 30``, ``day 2.5``."""
    return f"day {day:.4g}"


def labels(view: SpatialView) -> list[str]:
    """What people call the arms, on one line each."""
    return [plain(label) for label in view.data.labels]


def arm_heading(figure: Drawing, text: str, x: float, y: float, width: float, colour: str = INK) -> None:
    """An arm's name above its row, cut to the width."""
    write(figure, x, y, fit(figure, text, width, SMALL, "bold"), size=SMALL, weight="bold", color=colour)


def broken(figure: Drawing, names: Sequence[str], width: float, lines: int = 2) -> list[list[str]]:
    """Names on at most so many lines of ``width`` inches each."""
    return [wrap(figure, name, width, SMALL, lines) for name in names]


def write_lines(figure: Drawing, x: float, y: float, lines: Sequence[str], colour: str) -> None:
    """Lines of a name, the last of them at y."""
    for number, line in enumerate(reversed(lines)):
        write(figure, x, y + NAME_LINE * number, line, size=SMALL, color=colour)


def replicates(data: SpatialData) -> str:
    """``n = 10 replicates``."""
    n = len(data.replicate)
    return f"n = {n:,} {'replicate' if n == 1 else 'replicates'}"


def lattice_size(data: SpatialData) -> str:
    """``40 × 40 × 1 voxels of 20 µm``: along x, y and z, as a scenario writes it."""
    return f"{' × '.join(f'{voxels:,}' for voxels in reversed(data.shape))} voxels of {data.spacing:g} µm"


def footer(figure: Drawing, view: SpatialView, note: str = "") -> None:
    """Scenario, seed, replicates, lattice and the warning, along the lower edge."""
    data = view.data
    who = f"seed {plain(view.summary.get('seed'))} · {replicates(data)} · {lattice_size(data)}"
    signature(figure, view.summary.get("title") or view.summary.get("spatial") or "Spatial study", who, note)


def chosen_quantities(names: str) -> list[Quantity]:
    """Quantities by their names, with commas between.

    Raises
    ------
    FigureError
        An unknown name, none, or more than six.
    """
    try:
        chosen = [quantity(name.strip()) for name in names.split(",") if name.strip()]
    except ValueError as error:
        raise FigureError(str(error)) from None
    if not 1 <= len(chosen) <= 6:
        raise FigureError(f"quantities: {len(chosen)} must lie between 1 and 6, e.g. quantities=infiltrating,kills")
    return chosen


def titled(one: Quantity) -> str:
    """A quantity with its unit: ``VEGF (pg/mL)``."""
    unit = unit_of(one)
    return one.title + (f" ({unit})" if unit else "")


def unit_of(one: Quantity) -> str:
    """Unit of a quantity as printed; empty for numbers without one."""
    return unit_label(one.unit)


def shown(value: float, signed: bool = False) -> str:
    """A value as text, three significant digits."""
    if not np.isfinite(value):
        return "–"
    text = scientific(abs(float(value)), 3)
    if not any(digit in text for digit in "123456789"):
        return text
    return ("−" if value < 0 else "+" if signed else "") + text
