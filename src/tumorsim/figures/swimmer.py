"""Each patient's course as one bar: time to progression, after it, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.base import Figure, FigureError, Option, StudyView
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    SMALL,
    arm_colour,
    arm_labels,
    canvas,
    fit,
    footer,
    key,
    month_ticks,
    place,
    write,
)
from tumorsim.units import MONTH
from tumorsim.variables import CAUSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ENDINGS: dict[str, dict[str, Any]] = {
    "tumour": {"marker": "X", "color": INK, "markersize": 4.0},
    "liver": {"marker": "s", "color": INK, "markersize": 3.2},
    "other": {"marker": "o", "color": INK, "markersize": 3.4, "markerfacecolor": "white"},
    "alive": {"marker": ">", "color": GREY, "markersize": 3.4},
}


def draw_swimmer(view: StudyView, patients: int) -> Drawing:
    """One panel an arm; see `SWIMMER`."""
    if not 1 <= patients <= 200:
        raise FigureError(f"patients: {patients} must lie between 1 and 200, e.g. patients=40")
    arms, left, gap = len(view.data.arms), 0.35, 0.25
    columns = min(arms, 2)
    most = max(min(patients, int((np.asarray(row) == 1).sum())) for row in view.data.arrays["assigned"])
    height = max(0.085 * most, 0.6)
    step = height + 0.95
    figure = canvas(7.0, 0.75 + -(-arms // columns) * step)
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.24, "Course of each patient", size=HEAD, weight="bold")
    _swimmer_key(figure, view, full - 0.48)
    width = (7.0 - left - 0.15 - gap * (columns - 1)) / columns
    last = (
        float(np.nanmax(np.fmin(view.data.arrays["death_time"], view.data.arrays["censor_time"]), initial=1.0)) / MONTH
    )
    for arm in range(arms):
        x, top = left + (arm % columns) * (width + gap), full - 0.52 - (arm // columns) * step - 0.42
        axes = place(figure, x, top - height, width, height)
        count, total = _bars(axes, view, arm, patients)
        axes.set_xlim(0.0, last * 1.03)
        axes.set_xticks(month_ticks(last, 9))
        axes.set_xlabel("Months from randomisation", labelpad=2)
        axes.set_ylim(count, -1.0)
        axes.set_yticks([])
        if arm % columns == 0:
            axes.set_ylabel("Patients, longest first")
        name = fit(figure, arm_labels(view)[arm], width, SMALL + 1, "bold")
        write(figure, x, top + 0.2, name, size=SMALL + 1, weight="bold", color=arm_colour(arm))
        some = f"first {count:,} of {total:,} patients" if count < total else f"{total:,} patients"
        write(figure, x, top + 0.06, some, size=SMALL, color=GREY)
    footer(figure, view)
    return figure


def _swimmer_key(figure: Drawing, view: StudyView, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    event = "recurrence" if view.data.setting == "adjuvant" else "progression"
    names = {"tumour": "death: tumour", "liver": "liver", "other": "other", "alive": "alive at last contact"}
    entries: list[tuple[Any, str]] = [(Patch(facecolor=GREY, edgecolor="none"), f"before {event}")]
    entries.append((Patch(facecolor="#D9D9D9", edgecolor="none"), "after"))
    entries += [(Line2D([], [], linestyle="none", **ENDINGS[name]), text) for name, text in names.items()]
    key(figure, entries, 0.1, y, gap=0.15)


def _bars(axes: Axes, view: StudyView, arm: int, patients: int) -> tuple[int, int]:
    """Draw the bars; returns how many, and how many patients there are."""
    arrays = view.data.arrays
    taken = np.flatnonzero(np.asarray(arrays["assigned"])[arm] == 1)
    first = taken[:patients]
    death, censor = (np.asarray(arrays[name], dtype=float)[arm][first] for name in ("death_time", "censor_time"))
    progression = np.asarray(arrays["progression_time"], dtype=float)[arm][first]
    cause = np.asarray(arrays["death_cause"])[arm][first]
    end = np.fmin(death, censor)
    order = np.argsort(-end, kind="stable")
    free = np.fmin(progression, end)
    y = np.arange(order.size)
    colour = arm_colour(arm)
    axes.barh(
        y, (end - free)[order] / MONTH, left=free[order] / MONTH, height=0.62, color=colour, alpha=0.3, linewidth=0
    )
    axes.barh(y, free[order] / MONTH, height=0.62, color=colour, linewidth=0, gid="free")
    for code, name in enumerate(CAUSES):
        which = cause[order] == code
        axes.plot(
            end[order][which] / MONTH, y[which], linestyle="none", clip_on=False, zorder=4, markeredgewidth=0.6,
            gid=f"ending-{name}", **ENDINGS[name],
        )  # fmt: skip
    return order.size, taken.size


SWIMMER = Figure(
    name="swimmer",
    title="Course of each patient",
    description=(
        "One bar a patient from randomisation to death or last contact: dark before recurrence or progression, pale "
        "after it; the mark at the end says how it ended."
    ),
    render=draw_swimmer,
    options=(Option("patients", 40, "Bars drawn an arm at most.", kind=int),),
)
