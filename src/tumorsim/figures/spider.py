"""Change of the sum of diameters over time, one line a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.endpoints.response import Criteria
from tumorsim.figures.base import Figure, FigureError, Option, StudyView
from tumorsim.figures.lesions import (
    CAP,
    CRITERIA,
    CRITERIA_TITLES,
    Lesions,
    all_lesions,
    arm_panels,
    response_name,
)
from tumorsim.figures.style import RESPONSE_COLOURS, month_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


def draw_spider(view: StudyView, criteria: Criteria, patients: int) -> Drawing:
    """One panel an arm; see `SPIDER`."""
    if patients < 1:
        raise FigureError(f"patients: {patients} must be at least 1, e.g. patients=60")
    found = all_lesions(view, criteria, patients)
    last = max(float(np.nanmax(one.months[:patients], initial=0.1)) for one in found)
    notes = []
    for one in found:
        some = (
            f"first {patients:,} of {one.best.size:,} patients"
            if one.best.size > patients
            else f"{one.best.size:,} patients"
        )
        notes.append(f"{some}, to progression; ○ last assessment")
    figure, panels = arm_panels(
        view, f"Change from baseline over time ({CRITERIA_TITLES[criteria]})", notes, below=0.42
    )
    panels[0].set_ylabel(f"Change of sum of {'viable ' if criteria == 'mrecist' else ''}diameters (%)")
    for one, axes in zip(found, panels, strict=True):
        _lines(axes, one, patients)
        axes.set_xlim(0.0, last * 1.03)
        axes.set_xticks(month_ticks(last, 9))
        axes.set_xlabel("Months from randomisation", labelpad=2)
    return figure


def _lines(axes: Axes, found: Lesions, patients: int) -> None:
    for index in range(min(patients, found.best.size)):
        seen = np.isfinite(found.months[index])
        if seen.sum() < 2:
            continue
        colour = RESPONSE_COLOURS[response_name(int(found.best[index]))]
        months, change = found.months[index][seen], np.minimum(found.change[index][seen], CAP)
        axes.plot(months, change, color=colour, linewidth=0.8, alpha=0.85, gid="patient")
        axes.plot(
            months[-1:],
            change[-1:],
            marker="o",
            markersize=2.5,
            color=colour,
            markerfacecolor="white",
            linestyle="none",
        )


SPIDER = Figure(
    name="spider",
    title="Lesion change over time",
    description=(
        "Change of the sum of target diameters from baseline at each visit, one line a patient, coloured by best "
        "response and ending at progression. Changes above +100% are drawn at +100%."
    ),
    render=draw_spider,
    options=(CRITERIA, Option("patients", 60, "Lines drawn an arm at most.", kind=int)),
    settings=("advanced",),
)
