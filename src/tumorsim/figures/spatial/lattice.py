"""The lattice itself: slices through its middle, and the tumour cut open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.spatial import findings
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.looks import (
    KEY_LINE,
    MOST,
    PLANE,
    arm_heading,
    content_key,
    day_label,
    footer,
    labels,
    middle,
    scale_bar,
    show_slice,
    spread_out,
    usable_plane,
    write_key,
)
from tumorsim.figures.spatial.solid import cut_open, reach
from tumorsim.figures.style import HEAD, SMALL, arm_colour, canvas, place, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

GAP = 0.07
MARGIN = 0.1
WIDTH = 7.0


def draw_lattice(view: SpatialView, shots: int | None, plane: str, show: str) -> Drawing:
    """Arms down, snapshots across, the last one in 3-D at the end; see `LATTICE`."""
    data = view.data
    plane = usable_plane(data, plane)
    columns = _columns(view, shots, show)
    solid = [shot for shot, is_solid in columns if is_solid]
    width = min((WIDTH - 2 * MARGIN - GAP * (len(columns) - 1)) / len(columns), 2.4)
    rows, across = middle(data.snapshots[data.arms[0]]["content"][0], plane).shape
    height = max(width * rows / across, width) if solid else width * rows / across
    step = height + 0.27
    figure = canvas(WIDTH, 1.0)
    lines = content_key(figure, data, WIDTH - 2 * MARGIN)
    figure.set_size_inches(WIDTH, 1.12 + KEY_LINE * len(lines) + step * len(data.arms))
    full = float(figure.get_size_inches()[1])
    title = "The tumour cut open" if show == "solid" else "Slices through the middle of the lattice"
    write(figure, MARGIN, full - 0.22, title, size=HEAD, weight="bold")
    top = write_key(figure, lines, MARGIN, full - 0.44) - 0.22
    for column, (shot, is_solid) in enumerate(columns):
        said = day_label(data.shot[shot]) + (", in 3-D" if is_solid and show != "solid" else "")
        write(figure, MARGIN + (column + 0.5) * width + column * GAP, top, said, size=SMALL, ha="center")
    size = max(reach(data.snapshots[arm]["content"][shot]) for arm in data.arms for shot in solid) if solid else 0.0
    for row, (arm, label) in enumerate(zip(data.arms, labels(view), strict=True)):
        bottom = top - 0.28 - step * row - height
        held = data.snapshots[arm]
        arm_heading(figure, label, MARGIN, bottom + height + 0.05, WIDTH - 2 * MARGIN, arm_colour(row))
        for column, (shot, is_solid) in enumerate(columns):
            left = MARGIN + column * (width + GAP)
            axes = place(figure, left, bottom, width, height)
            gid = f"{arm}-{shot}"
            if is_solid:
                image = cut_open(held["content"][shot], held["lymphocytes"][shot], size)
                axes.imshow(image, interpolation="none", gid=f"solid-{gid}")
                axes.set_axis_off()
            else:
                content, dots = (middle(held[name][shot], plane) for name in ("content", "lymphocytes"))
                show_slice(axes, content, dots, width, gid)
                if row == column == 0:
                    scale_bar(axes, data, across)
    footer(figure, view, "First replicate.")
    return figure


def _columns(view: SpatialView, shots: int | None, show: str) -> list[tuple[int, bool]]:
    """Snapshot of each column, and whether it is shown as a solid."""
    data = view.data
    one_slice = data.shape[0] == 1
    if show == "solid" and one_slice:
        raise FigureError("show: the lattice is one slice thick and has no solid to show; use show=slices")
    count = min(held["content"].shape[0] for held in data.snapshots.values())
    chosen = spread_out(count, (MOST if one_slice else MOST - 1) if shots is None else shots)
    solid = [] if show == "slices" or one_slice else chosen if show == "solid" else chosen[-1:]
    return [*((shot, False) for shot in chosen if show != "solid"), *((shot, True) for shot in solid)]


LATTICE = SpatialFigure(
    name="lattice",
    title="The lattice",
    description=(
        "Slices through the middle of the lattice in the first replicate: living tumour cells by clone, dead cells "
        "not yet cleared, vessels with and without flow, and effectors as dots. Where the lattice is thicker than one "
        "slice, a row ends with the tumour in 3-D, one eighth cut out; effectors in its skin are green, vessels "
        "outside of it are not drawn. All panels have one scale."
    ),
    render=draw_lattice,
    shows=findings.growth,
    options=(
        Option("shots", None, "Snapshots across, spread over the study; 4, or 5 of one slice, if not given.", kind=int),
        PLANE,
        Option("show", "both", "Slices, solids or both.", ("both", "slices", "solid")),
    ),
    needs="snapshots",
)
