"""Who the tumour descends from: shares of families or clones over time, and its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.spatial import findings
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.families import Bands, bands_of, largest
from tumorsim.figures.spatial.looks import CLONE_COLOURS, CLONE_LABELS, NAME_LINE, broken, footer, labels, write_lines
from tumorsim.figures.style import (
    GREY,
    HEAD,
    SMALL,
    TINY,
    arm_colour,
    canvas,
    fit,
    key,
    place,
    scientific,
    write,
)
from tumorsim.spatial_numbers import CLONES, largest_of, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

WIDTH, LEFT, RIGHT = 7.0, 0.62, 0.12
SIZE, SHARES, BETWEEN = 0.5, 1.5, 0.1  # inches: height of both panels of an arm
PER_ROW = 3


def draw_muller(view: SpatialView, by: str | None, families: int) -> Drawing:
    """One pair of panels an arm: size above, shares below; see `MULLER`."""
    data = view.data
    traced = all(len(data.lineage.get(arm, {}).get("parent", ())) for arm in data.arms)
    if by == "family" and not traced:
        raise FigureError("by: this result holds no lineage; use by=clone, or ask for the lineage in the scenario")
    if not 1 <= families <= 40:
        raise FigureError(f"families: {families} must lie between 1 and 40, e.g. families=12")
    traced = traced and by != "clone"
    bands = _families(view, families) if traced else _clones(view)
    top = largest_of(*(one.total for one in bands))
    columns = 4 if len(bands) == 4 else min(PER_ROW, len(bands))
    rows = -(-len(bands) // columns)
    pitch = (WIDTH - LEFT - RIGHT + 0.14) / columns
    figure = canvas(WIDTH, 1.0)
    headings = broken(figure, labels(view), pitch - 0.14)
    step = SIZE + SHARES + BETWEEN + 0.5 + NAME_LINE * max(len(lines) for lines in headings)
    figure.set_size_inches(WIDTH, 0.92 + step * rows)
    full = float(figure.get_size_inches()[1])
    title = "Families of tumour cells over time" if traced else "Clones over time"
    write(figure, 0.1, full - 0.22, title, size=HEAD, weight="bold")
    _key(figure, bands, full - 0.44, traced)
    head = 0.66 + NAME_LINE * max(len(lines) for lines in headings)
    for number, one in enumerate(bands):
        left = LEFT + (number % columns) * pitch
        upper = full - head - (number // columns) * step - SIZE
        write_lines(figure, left, upper + SIZE + 0.06, headings[number], arm_colour(number))
        first = number % columns == 0
        size = place(figure, left, upper, pitch - 0.14, SIZE)
        _draw_size(size, one, data.time, top, first)
        axes = place(figure, left, upper - BETWEEN - SHARES, pitch - 0.14, SHARES)
        _draw_shares(axes, one, data.time, first, data.arms[number])
    footer(figure, view, "First replicate." if traced else "Mean over replicates.")
    return figure


def _families(view: SpatialView, many: int) -> list[Bands]:
    """Families of each arm; the arms share their founders, and with them the choice and the colours."""
    data = view.data
    ranked = [largest(data.lineage[arm], data.time, many) for arm in data.arms]
    # in turn the largest of each arm, then the second of each ...
    chosen = list(dict.fromkeys(one[k] for k in range(many) for one in ranked if k < len(one)))[:many]
    return [bands_of(data.lineage[arm], chosen, data.time) for arm in data.arms]


def _clones(view: SpatialView) -> list[Bands]:
    cells = np.array([values(view.data, name) for name in CLONES])  # clone, arm, replicate, time
    kept = np.isfinite(cells)
    counted = np.maximum(kept.sum(axis=2), 1)
    mean = np.where(kept, cells, 0.0).sum(axis=2) / counted
    return [Bands(mean[:, arm], np.full(4, -1), np.arange(4)) for arm in range(mean.shape[1])]


def colour_of(bands: Bands, band: int) -> str:
    """Colour of a band: the hue is the founder's clone, the shade tells families apart."""
    from matplotlib.colors import to_hex, to_rgb

    base = np.array(to_rgb(CLONE_COLOURS[int(bands.clone[band])]))
    founder = int(bands.founder[band])
    if founder < 0:
        # small families together are paler than any one
        paler = 0.0 if (bands.founder < 0).all() else 0.55
        return str(to_hex(tuple(base + (1.0 - base) * paler)))
    same = [int(one) for one in bands.founder[(bands.clone == bands.clone[band]) & (bands.founder >= 0)]]
    place = same.index(founder) / max(len(same) - 1, 1)
    shade = (0.95, 0.55, 0.78, 0.42)[same.index(founder) % 4] - 0.12 * place
    return str(to_hex(tuple(np.clip(base * shade, 0.0, 1.0))))


def _draw_size(axes: Axes, bands: Bands, time: np.ndarray, top: float, first: bool) -> None:
    axes.fill_between(time, 0.0, bands.total, color="#BDBDBD", linewidth=0, gid="size")
    axes.set_xlim(*_ends(time))
    axes.set_ylim(0.0, top * 1.05 or 1.0)
    axes.set_yticks([0.0, top], ["0", scientific(top, 2)] if first else ["", ""])
    axes.tick_params(labelsize=TINY, labelbottom=False)
    if first:
        axes.set_ylabel("Cells", size=SMALL, labelpad=2)


def _draw_shares(axes: Axes, bands: Bands, time: np.ndarray, first: bool, arm: str) -> None:
    total = np.where(bands.total > 0, bands.total, np.nan)
    shares = 100.0 * bands.cells / total
    low = np.zeros(time.size)
    for band in range(len(shares)):
        high = low + np.where(np.isfinite(shares[band]), shares[band], 0.0)
        axes.fill_between(
            time, low, high, where=np.isfinite(total).tolist(), color=colour_of(bands, band), linewidth=0.25,
            edgecolor="white", gid=f"band-{arm}-{bands.clone[band]}-{bands.founder[band]}",
        )  # fmt: skip
        low = high
    axes.set_xlim(*_ends(time))
    axes.set_ylim(0.0, 100.0)
    axes.set_yticks([0, 50, 100], ["0", "50", "100"] if first else ["", "", ""])
    axes.tick_params(labelsize=TINY)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Days", size=SMALL, labelpad=2)
    if first:
        axes.set_ylabel("Share of living cells (%)", size=SMALL, labelpad=2)


def _ends(time: np.ndarray) -> tuple[float, float]:
    return (float(time[0]), float(time[-1])) if time.size > 1 and time[-1] > time[0] else (0.0, 1.0)


def _key(figure: Drawing, bands: list[Bands], y: float, traced: bool) -> None:
    from matplotlib.patches import Patch

    clones = sorted({int(clone) for one in bands for clone, row in zip(one.clone, one.cells, strict=True) if row.any()})
    entries = [(Patch(facecolor=CLONE_COLOURS[clone], edgecolor=GREY), CLONE_LABELS[clone]) for clone in clones]
    end = key(figure, entries, 0.1, y)
    if traced:
        text = "founder's clone; a shade for each large family, pale: all others"
        write(figure, end + 0.2, y, fit(figure, text, WIDTH - end - 0.3, SMALL), size=SMALL, color=GREY, va="bottom")


MULLER = SpatialFigure(
    name="muller",
    title="Families and clones over time",
    description=(
        "Above, all living tumour cells; below, whose descendants they are: each band is the family of one cell of "
        "the start, coloured by that cell's clone, and families too small to be told apart are pale. Arms share their "
        "founders, so that a shade is the same family in each. By clone, bands are what cells are now, in the mean "
        "over replicates."
    ),
    render=draw_muller,
    shows=findings.takeover,
    options=(
        Option("by", None, "Families of the founders if there is a lineage, else clones.", ("family", "clone")),
        Option("families", 12, "Families with a shade of their own.", kind=int),
    ),
)
