"""Tumour, effectors, vessels and liver over time, as small multiples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import Figure, FigureError, Option, StudyView
from tumorsim.figures.style import (
    GREY,
    HEAD,
    SMALL,
    TINY,
    arm_colour,
    arm_dash,
    arm_labels,
    canvas,
    fit,
    footer,
    month_ticks,
    place,
    power_label,
    text_width,
    unit_label,
    write,
)
from tumorsim.units import MONTH
from tumorsim.variables import variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLUMNS = 4
# cells in blood below which an effector panel has nothing left to show
EFFECTORS_SEEN = 1e3


@dataclass(frozen=True)
class Panel:
    """One variable: ``floor`` is where a logarithmic axis turns linear to reach 0; None for a linear axis."""

    name: str
    title: str
    floor: float | None = None
    top: float | None = None


PANELS = (
    # 1e-7 mL is about 20 cells
    Panel("tumour_volume", "Tumour volume", floor=1e-7),
    Panel("sensitive", "Sensitive clones", floor=1.0),
    Panel("resistant", "Resistant clones", floor=1.0),
    Panel("antigen_low", "Antigen-low clones", floor=1.0),
    Panel("effectors_blood", "Effectors in blood", floor=1e3),
    Panel("effectors_lung", "Effectors in lung", floor=1e3),
    Panel("effectors_liver", "Effectors in liver", floor=1e3),
    Panel("effectors_tumour", "Effectors in tumour", floor=1.0),
    Panel("drug_concentration", "Drug in plasma"),
    Panel("maturity", "Vessel maturity", top=1.0),
    Panel("perfusion", "Perfusion"),
    Panel("vegf", "VEGF in the lesion"),
    Panel("memory", "Memory CD8", top=1.0),
    Panel("liver_reserve", "Liver reserve", top=1.0),
)


def draw_trajectories(view: StudyView, start: float, until: float | None, patient: int | None) -> Drawing:
    """One panel a variable, one colour an arm; see `TRAJECTORIES`."""
    months = np.asarray(view.data.time, dtype=float) / MONTH
    end = float(until if until is not None else _last_shown(view, months))
    shown = (months >= start - 1e-9) & (months <= end + 1e-9)
    if view.data.trace.size == 0 or shown.sum() < 2:
        held = f"{view.data.trace.size} traced patients over {months[-1] if months.size else 0:.0f} months"
        raise FigureError(f"trajectories: nothing stored between {start:g} and {end:g} months; this study holds {held}")
    row = _traced_row(view, patient)
    panels = [panel for panel in PANELS if np.nansum(np.abs(view.data.arrays[panel.name][:, :, shown])) > 0]
    rows = -(-(len(panels) + 1) // COLUMNS)
    height, step = 0.98, 1.45
    figure = canvas(7.0, 0.66 + rows * step)
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.24, "Inside the traced patients", size=HEAD, weight="bold")
    pitch = (7.0 - 0.08) / COLUMNS
    present = _last_effectors(view, months, shown, end)
    for index, panel in enumerate(panels):
        last = present if panel.name.startswith("effectors") else end
        left = 0.5 + (index % COLUMNS) * pitch
        bottom = full - 0.58 - height - (index // COLUMNS) * step
        axes = place(figure, left, bottom, pitch - 0.55, height)
        _draw_panel(axes, view, panel, months, shown, row)
        axes.set_xlim(max(start, 0.0), last)
        axes.set_xticks([tick for tick in month_ticks(last, 5) if tick >= start - 1e-9])
        if panel.name == "effectors_blood":
            _mark_infusions(axes, view, last)
    cell = len(panels)
    _key(figure, view, 0.14 + (cell % COLUMNS) * pitch, full - 0.5 - (cell // COLUMNS) * step, 6.9, patient)
    footer(figure, view)
    return figure


def _last_shown(view: StudyView, months: NDArray[np.float64]) -> float:
    """Last month with enough patients for a band in any arm."""
    alive = [band(values)[1] for values in np.asarray(view.data.arrays["liver_reserve"], dtype=float)]
    shown = np.isfinite(alive).any(axis=0) if alive else np.zeros(0, dtype=bool)
    return float(months[np.flatnonzero(shown)[-1]]) if shown.any() else 0.0


def _last_effectors(view: StudyView, months: NDArray[np.float64], shown: NDArray[np.bool_], end: float) -> float:
    """Month until which effectors are worth showing: the last with any, and a tenth more; ``end`` if there are none."""
    blood = np.asarray(view.data.arrays["effectors_blood"], dtype=float)[:, :, shown]
    present = np.nanmax(np.where(np.isfinite(blood), blood, 0.0), axis=(0, 1)) >= EFFECTORS_SEEN
    if not present.any():
        return end
    return float(min(1.1 * months[shown][np.flatnonzero(present)[-1]] + 0.5, end))


def _mark_infusions(axes: Axes, view: StudyView, last: float) -> None:
    for arm, name in enumerate(view.data.arms):
        planned = [month for month in view.infusions.get(name, ()) if month <= last]
        axes.plot(
            planned, np.full(len(planned), 0.96), transform=axes.get_xaxis_transform(), linestyle="none", marker=7,
            markersize=2.5, markeredgewidth=0, color=arm_colour(arm), gid=f"infusions-{name}",
        )  # fmt: skip


def _traced_row(view: StudyView, patient: int | None) -> int | None:
    if patient is None:
        return None
    found = np.flatnonzero(view.data.trace == patient)
    if not found.size:
        raise FigureError(f"patient: {patient} is not traced; traced are {', '.join(map(str, view.data.trace[:20]))}")
    return int(found[0])


def band(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """10th, 50th and 90th percentile over traced patients still observed, shape ``[time]`` each.

    NaN where fewer than a tenth of them, or fewer than three when there are three, remain.
    """
    seen = np.isfinite(values).sum(axis=0)
    enough = seen >= max(min(3, values.shape[0]), 0.1 * values.shape[0])
    out = np.full((3, values.shape[1]), np.nan)
    if enough.any():
        out[:, enough] = np.nanpercentile(values[:, enough], (10.0, 50.0, 90.0), axis=0)
    return tuple(out)


def _draw_panel(
    axes: Axes, view: StudyView, panel: Panel, months: NDArray[np.float64], shown: NDArray[np.bool_], row: int | None
) -> None:
    values = np.asarray(view.data.arrays[panel.name], dtype=float)
    bands = [band(one[:, shown]) for one in values]
    for arm, (low, middle, high) in enumerate(bands):
        colour = arm_colour(arm)
        axes.fill_between(months[shown], low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            months[shown],
            middle,
            color=colour,
            linestyle=arm_dash(arm),
            linewidth=1.0,
            gid=f"median-{view.data.arms[arm]}",
        )
        if row is not None:
            axes.plot(
                months[shown],
                values[arm, row, shown],
                color=colour,
                linewidth=0.8,
                linestyle=(0, (2, 1)),
                gid="patient",
            )
    unit = unit_label(variable(panel.name).unit)
    title = panel.title + (f" ({unit})" if unit else "")
    axes.annotate(title, (0, 1), xycoords="axes fraction", xytext=(-26, 6), textcoords="offset points", size=SMALL)
    axes.tick_params(labelsize=TINY + 0.5, pad=1.5)
    seen = values[:, :, shown]
    highest = float(np.nanmax(seen, initial=0.0))
    if panel.floor is None:
        axes.set_ylim(0.0, max(panel.top or 0.0, highest * 1.08) or 1.0)
        if panel.top:
            axes.set_yticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
        else:
            axes.locator_params(axis="y", nbins=4)
    else:
        lowest = min(float(np.nanmin([*low, np.inf])) for low, _, _ in bands)
        if row is not None:
            lowest = min(lowest, float(np.nanmin([*values[:, row, shown].ravel(), np.inf])))
        _decades(axes, panel.floor, lowest, max(highest, panel.floor * 10.0))


def _decades(axes: Axes, floor: float, lowest: float, highest: float) -> None:
    """A logarithmic axis with at most five labelled powers of ten.

    Where something falls to ``floor`` the axis turns linear there and reaches 0.
    """
    last, falls = int(np.ceil(np.log10(highest))), lowest <= 10.0 * floor
    first = round(np.log10(floor)) if falls else min(int(np.floor(np.log10(lowest))), last - 2)
    step = max(1, -(-(last - first) // 4))
    powers = [10.0**exponent for exponent in range(last, first - (not falls), -step)][::-1]
    if falls:
        axes.set_yscale("symlog", linthresh=floor, linscale=0.5)
        axes.set_ylim(0.0, 10.0**last)
        axes.set_yticks([0.0, *powers], ["0", *(power_label(power) for power in powers)])
    else:
        axes.set_yscale("log")
        axes.set_ylim(10.0**first, 10.0**last)
        axes.set_yticks(powers, [power_label(power) for power in powers])
    axes.minorticks_off()


def _key(figure: Drawing, view: StudyView, left: float, top: float, right: float, patient: int | None) -> None:
    """What the colours mean, in the cell after the last panel."""
    from matplotlib.lines import Line2D

    full = figure.get_size_inches()
    lines: list[tuple[str, Any, str]] = [
        (arm_colour(arm), arm_dash(arm), label) for arm, label in enumerate(arm_labels(view))
    ]
    if patient is not None:
        lines.append((GREY, (0, (2, 1)), f"patient {patient}"))
    room = min(right - left, 1.6)
    for index, (colour, dash, label) in enumerate(lines):
        y = top - 0.12 - 0.16 * index
        swatch = Line2D(
            [left / full[0], (left + 0.22) / full[0]], [(y + 0.035) / full[1]] * 2, color=colour, linestyle=dash
        )
        figure.add_artist(swatch)
        write(figure, left + 0.3, y, fit(figure, label, room - 0.32, SMALL), size=SMALL)
    notes = [
        *(["▾ planned infusion"] if view.infusions else []),
        f"line: median of {view.data.trace.size}",
        "traced patients alive",
        "band: 10th to 90th percentile",
        "x: months from randomisation",
    ]
    size = min(TINY + 0.5, (TINY + 0.5) * room / max(text_width(figure, note, TINY + 0.5) for note in notes))
    for index, note in enumerate(notes):
        write(figure, left, top - 0.16 - 0.16 * len(lines) - 0.12 * index, note, size=max(size, 5.5), color=GREY)


TRAJECTORIES = Figure(
    name="trajectories",
    title="Inside the patients",
    description=(
        "Tumour burden, clones, infused effectors by compartment, drug, vessels, memory and liver reserve of the "
        "traced patients: median and 10–90% band an arm, over those still alive. Variables that stay at zero are "
        "left out."
    ),
    render=draw_trajectories,
    options=(
        Option("start", 0.0, "First month shown.", kind=float),
        Option("until", None, "Last month shown; by default until too few are left.", kind=float),
        Option("patient", None, "Number of one traced patient to draw as well.", kind=int),
    ),
)
