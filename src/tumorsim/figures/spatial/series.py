"""Tumour, oxygen, vessels and effectors over time, as small multiples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.spatial import findings
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.looks import footer, replicates
from tumorsim.figures.spatial.panels import arm_key, finish, key_height, lines, what_lines_mean
from tumorsim.figures.style import HEAD, canvas, place, unit_label, write
from tumorsim.spatial_numbers import (
    FloatArray,
    declared,
    over_products,
    resistant_cells,
    share,
    tumour_cells,
    values,
)
from tumorsim.spatial_variables import SpatialData

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

COLUMNS = 4
HEIGHT, STEP = 0.98, 1.42


@dataclass(frozen=True)
class Panel:
    """One series; ``scale`` 100 shows a share in percent, ``whole`` keeps a panel that stays at zero."""

    name: str
    title: str
    scale: float = 1.0
    read: Callable[[SpatialData], FloatArray] | None = None
    whole: bool = False

    def of(self, data: SpatialData) -> FloatArray:
        """Shown values; (arm, replicate, time)."""
        if self.read is not None:
            return self.read(data)
        found = over_products(data, self.name) if "product" in declared(self.name).dims else values(data, self.name)
        return np.asarray(self.scale * found)

    @property
    def unit(self) -> str:
        """Unit as printed."""
        return "%" if self.scale == 100.0 else unit_label(declared(self.name).unit)


def _resistant(data: SpatialData) -> FloatArray:
    return share(100.0 * resistant_cells(data), tumour_cells(data))


PANELS = (
    Panel("sensitive", "Living tumour cells", read=tumour_cells, whole=True),
    Panel("resistant", "Resistant", 100.0, read=_resistant),
    Panel("dead_cells", "Dead, not yet cleared"),
    Panel("hypoxic_fraction", "Below 10 mmHg", 100.0, whole=True),
    Panel("vegf", "VEGF", whole=True),
    Panel("maturity", "Vessel maturity"),
    Panel("perfusion", "Perfusion", whole=True),
    Panel("open_vessels", "Vessel voxels with flow"),
    Panel("embolised_vessels", "Vessel voxels closed"),
    Panel("plasma_drug", "Drug in plasma"),
    Panel("drug_penetration", "Drug at tumour cells"),
    Panel("lymphocytes", "Effectors in the tissue", whole=True),
    Panel("exhausted", "Exhausted effectors"),
    Panel("kills", "Killed by effectors", whole=True),
)


def draw_series(view: SpatialView, until: float | None) -> Drawing:
    """One panel a series, one colour an arm; see `SERIES`."""
    data = view.data
    time = np.asarray(data.time, dtype=np.float64)
    end = float(until) if until is not None else float(time[-1]) if time.size else 0.0
    shown = time <= end + 1e-9
    if shown.sum() < 2:
        span = f"{time[0]:g} to {time[-1]:g}" if time.size else "no time"
        raise FigureError(f"series: fewer than two times up to day {end:g}; this result holds days {span}")
    drawn = [(panel, panel.of(data)[:, :, shown]) for panel in PANELS]
    drawn = [(panel, samples) for panel, samples in drawn if panel.whole or np.nansum(np.abs(samples)) > 0]
    rows = -(-len(drawn) // COLUMNS)
    pitch = (7.0 - 0.08) / COLUMNS
    figure = canvas(7.0, 1.0)
    free = -len(drawn) % COLUMNS  # cells beside the last panel
    notes = [*what_lines_mean(data, broken_=free == 1), replicates(data), "x: days"]
    beside = free > 0 and key_height(figure, view, free * pitch - 0.2, len(notes)) < STEP
    below = 0.0 if beside else key_height(figure, view, 6.7, len(notes)) + 0.15
    figure.set_size_inches(7.0, 0.62 + rows * STEP + below)
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.24, "Over time", size=HEAD, weight="bold")
    for index, (panel, samples) in enumerate(drawn):
        left = 0.5 + (index % COLUMNS) * pitch
        axes = place(figure, left, full - 0.58 - HEIGHT - (index // COLUMNS) * STEP, pitch - 0.6, HEIGHT)
        top = lines(axes, view, time[shown], samples, panel.name)
        finish(axes, min(top, 100.0) if panel.scale == 100.0 else top, panel.unit, panel.title)
        axes.set_xlim(float(time[shown][0]), end)
        axes.locator_params(axis="x", nbins=5)
    cell = len(drawn)
    if beside:
        left, top, room = 0.14 + (cell % COLUMNS) * pitch, full - 0.55 - (cell // COLUMNS) * STEP, free * pitch - 0.2
    else:
        left, top, room = 0.14, below + 0.16, 6.7
    arm_key(figure, view, left, top, room, notes)
    footer(figure, view)
    return figure


SERIES = SpatialFigure(
    name="series",
    title="Over time",
    description=(
        "Tumour cells, oxygen, VEGF, vessels, drug and effectors of the lattice: mean over replicates and the 95% "
        "interval of that mean, or each of two replicates, by arm. Effectors of all products are counted together. "
        "What stays at zero is left out, but for the main series."
    ),
    render=draw_series,
    shows=findings.series,
    options=(Option("until", None, "Last day shown.", kind=float),),
)
