"""How deep effectors get: their density by depth below the margin, and over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import Option
from tumorsim.figures.spatial import findings
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.looks import MOST, day_label, footer, replicates, shots_with_effectors, spread_out
from tumorsim.figures.spatial.panels import arm_key, finish, key_height, lines, what_lines_mean
from tumorsim.figures.style import GREY, HEAD, SMALL, TINY, canvas, place, write
from tumorsim.spatial_numbers import FloatArray, interval, over_products, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

HEIGHT = 1.3
ROOM = 1.6  # inches of the key
LEAST = 0.02  # of the largest layer; in a smaller one a single effector makes thousands per mm3


def draw_infiltration(view: SpatialView, shots: int) -> Drawing:
    """Profiles above, courses below; see `INFILTRATION`."""
    data = view.data
    chosen = _telling(view, shots)
    notes = [*what_lines_mean(data, broken_=True), "depth 0: the tumour's margin", replicates(data)]
    figure = canvas(7.0, 1.0)
    foot = max(0.0, key_height(figure, view, ROOM, len(notes)) - HEIGHT - 0.3)
    figure.set_size_inches(7.0, 0.6 + 2 * HEIGHT + 1.3 + foot)
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.22, "Infiltration", size=HEAD, weight="bold")
    volume = values(data, "volume")
    small = volume < LEAST * volume.max(axis=-1, keepdims=True, initial=0.0, where=np.isfinite(volume))
    profile = np.where(small, np.nan, values(data, "infiltration"))
    kept = _span(view, profile[:, :, chosen])
    pitch = (7.0 - 0.74) / len(chosen)
    panels = [
        place(figure, 0.74 + k * pitch, full - 0.6 - HEIGHT, min(pitch - 0.14, 3.0), HEIGHT) for k in range(len(chosen))
    ]
    drawn = [
        lines(axes, view, data.depth[kept], profile[:, :, shot][..., kept], f"profile-{shot}")
        for axes, shot in zip(panels, chosen, strict=True)
    ]
    top = max(drawn)
    for number, (axes, shot) in enumerate(zip(panels, chosen, strict=True)):
        _finish_profile(axes, top, data.depth[kept], number == 0)
        axes.set_title(day_label(data.shot[shot]), size=SMALL, weight="normal", pad=3)
    low = full - 0.6 - 2 * HEIGHT - 0.7
    _courses(figure, view, low)
    arm_key(figure, view, 5.3, low + HEIGHT - 0.05, ROOM, notes)
    footer(figure, view)
    return figure


def _telling(view: SpatialView, most: int) -> list[int]:
    """Snapshots with effectors, spread over the study; the last one if there are none."""
    held = shots_with_effectors(view.data) or [len(view.data.shot) - 1]
    return [held[k] for k in spread_out(len(held), most)]


def _span(view: SpatialView, profile: FloatArray) -> slice:
    """Depths that occur in these snapshots."""
    seen = np.flatnonzero(np.isfinite(profile).any(axis=(0, 1, 2)))
    return slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0, view.data.depth.size)


def _finish_profile(axes: Axes, top: float, depth: FloatArray, first: bool) -> None:
    axes.axvline(0.0, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)))
    axes.set_ylim(0.0, top * 1.06 or 1.0)
    axes.set_xlim(float(depth[0]), float(depth[-1]))
    axes.locator_params(axis="x", nbins=4, prune="both")
    axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:g}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}".replace("-", "−"))
    axes.tick_params(labelsize=TINY + 0.5, labelleft=first)
    axes.set_xlabel("Depth below the margin (µm)", size=TINY + 0.5, labelpad=2)
    if first:
        axes.set_ylabel("Effectors (per mm³)", size=SMALL, labelpad=3)


def _courses(figure: Drawing, view: SpatialView, bottom: float) -> None:
    data = view.data
    courses = (
        ("tissue", "Effectors in the tissue (cells)", data.time, over_products(data, "lymphocytes")),
        ("inside", "Inside the margin (cells)", data.shot, values(data, "infiltrating")),
        ("depth", "Mean depth (µm)", data.shot, values(data, "infiltration_depth")),
    )
    for number, (gid, title, at, samples) in enumerate(courses):
        axes = place(figure, 0.55 + number * 1.6, bottom, 1.1, HEIGHT)
        top = lines(axes, view, at, samples, gid, marks=at.size < 12)
        least = 0.0
        if gid == "depth":
            means = interval(samples, axis=1).mean
            least = min(0.0, 1.3 * float(np.nanmin(means, initial=0.0, where=np.isfinite(means))))
            axes.axhline(0.0, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)))
        finish(axes, top, "", title, least)
        axes.set_xlabel("Days", size=TINY + 0.5, labelpad=2)
        axes.locator_params(axis="x", nbins=4)


INFILTRATION = SpatialFigure(
    name="infiltration",
    title="Infiltration",
    description=(
        "Above, effectors per volume by depth below the margin of the tumour (left of 0: outside), at snapshots with "
        "effectors; below, effectors in the whole tissue, those inside the margin, and their mean depth. Lines are "
        "means over replicates, bands the 95% interval of the mean, cut where they are wide; of two replicates each is "
        "drawn instead. Exhausted effectors count too."
    ),
    render=draw_infiltration,
    shows=findings.depth,
    options=(Option("shots", MOST - 2, "Snapshots shown.", kind=int),),
    needs="shots",
)
