"""Best change of the sum of diameters, one bar a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.endpoints.response import Criteria
from tumorsim.figures.base import Figure, StudyView
from tumorsim.figures.lesions import (
    CAP,
    CRITERIA,
    CRITERIA_TITLES,
    Lesions,
    all_lesions,
    arm_panels,
    response_counts,
    response_name,
)
from tumorsim.figures.style import GREY, RESPONSE_COLOURS, TINY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MOST_BARS = 600  # of one arm: a panel has fewer points


def draw_waterfall(view: StudyView, criteria: Criteria) -> Drawing:
    """One panel an arm, bars sorted; see `WATERFALL`."""
    found = all_lesions(view, criteria, 0)
    notes = [f"n = {one.best.size:,}: {response_counts(one)}" for one in found]
    figure, panels = arm_panels(view, f"Best change from baseline ({CRITERIA_TITLES[criteria]})", notes, below=0.28)
    viable = "viable diameters" if criteria == "mrecist" else "diameters"
    panels[0].set_ylabel(f"Best change of sum of {viable} (%)")
    for one, axes in zip(found, panels, strict=True):
        _bars(axes, one)
    return figure


def _bars(axes: Axes, found: Lesions) -> None:
    measured = np.flatnonzero(np.isfinite(found.best_change))
    whole = measured[np.argsort(-found.best_change[measured], kind="stable")]
    order = whole[:: max(1, -(-whole.size // MOST_BARS))]
    change = found.best_change[order]
    colours = [RESPONSE_COLOURS[response_name(int(code))] for code in found.best[order]]
    axes.bar(
        np.arange(order.size),
        np.minimum(change, CAP),
        width=0.8 if order.size <= 150 else 1.0,
        color=colours,
        linewidth=0,
    )
    cut = np.flatnonzero(change > CAP)
    axes.plot(
        cut, np.full(cut.size, CAP + 3.5), linestyle="none", marker="^", markersize=2.5, color=GREY, clip_on=False
    )
    if cut.size:
        axes.annotate(
            f"above +{CAP:.0f}%", (cut[-1], CAP + 3.5), xytext=(4, 0), textcoords="offset points", size=TINY,
            color=GREY, va="center",
        )  # fmt: skip
    axes.set_xlim(-1.0, max(order.size, 1))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    some = "" if order.size == whole.size else f", 1 in {-(-whole.size // MOST_BARS)} drawn"
    axes.set_xlabel(f"{whole.size:,} patients measured after baseline{some}", labelpad=4)


WATERFALL = Figure(
    name="waterfall",
    title="Waterfall of best lesion change",
    description=(
        "Best change of the sum of target diameters from baseline, one bar a patient (of thousands, one in so many), "
        "coloured by best response; "
        "dashed lines at +20% and −30%. Bars above +100% are cut and marked."
    ),
    render=draw_waterfall,
    options=(CRITERIA,),
    settings=("advanced",),
)
