"""Deaths by cause, each competing with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorsim.endpoints import observed_deaths, observed_time
from tumorsim.figures.base import Figure, FigureError, Option, StudyView
from tumorsim.figures.curves import MOST_DRAWN, kept_steps
from tumorsim.figures.style import (
    GREY,
    HEAD,
    SMALL,
    arm_colour,
    arm_dash,
    arm_labels,
    canvas,
    fit,
    footer,
    key,
    month_ticks,
    place,
    text_width,
    write,
)
from tumorsim.units import MONTH
from tumorsim.variables import CAUSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLES = {"tumour": "Tumour", "liver": "Liver failure", "other": "Other causes"}


@dataclass(frozen=True)
class Incidence:
    """Cumulative incidence of one cause in one arm, shapes ``[step]``; the interval is NaN where there is none."""

    months: NDArray[np.float64]
    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    deaths: int

    def highest(self, limit: float) -> float:
        """Upper end of the interval, or the value, by a given month."""
        seen = self.months <= limit
        return float(np.nanmax([0.0, *self.upper[seen], *self.value[seen]]))


def incidence_of_death(view: StudyView, arm: int, cause: str) -> Incidence:
    """Aalen-Johansen estimate of death from a cause, other deaths competing, with its 95% interval."""
    from tumorsim.statistics.competing import cumulative_incidence

    time, included = observed_time(view.data, arm)
    died = observed_deaths(view.data, arm)[included]
    code = np.where(died == CAUSES.index(cause), 1, np.where(died > 0, 2, 0))
    found = cumulative_incidence(time[included], code)
    kept = kept_steps(found.times / MONTH, MOST_DRAWN)
    times, value = found.times[kept], found.incidence[kept]
    ends = [found.interval(float(when)) for when in times]
    low, high = (np.array([np.nan if pair[side] is None else pair[side] for pair in ends]) for side in (0, 1))
    start, last = np.array([0.0]), np.array([found.last])
    months = np.concatenate([start, times, last]) / MONTH
    final = value[-1:] if value.size else start
    return Incidence(
        months,
        np.concatenate([start, value, final]),
        np.concatenate([start, low, low[-1:] if low.size else start]),
        np.concatenate([start, high, high[-1:] if high.size else start]),
        int((code == 1).sum()),
    )


def _horizon(view: StudyView) -> float:
    """Month until which a twentieth of every arm, and at least three patients, are still observed."""
    ends = []
    for arm in range(len(view.data.arms)):
        time, included = observed_time(view.data, arm)
        longest = np.sort(time[included])[::-1]
        if longest.size:
            ends.append(float(longest[min(max(3, -(-longest.size // 20)), longest.size) - 1]) / MONTH)
    return max(min(ends, default=1.0), 1.0)


def draw_cumulative_incidence(view: StudyView, until: float | None) -> Drawing:
    """One panel a cause, one line an arm; see `CUMULATIVE_INCIDENCE`."""
    arms = range(len(view.data.arms))
    found = {cause: [incidence_of_death(view, arm, cause) for arm in arms] for cause in CAUSES[1:]}
    limit = float(until or _horizon(view))
    if not 0 < limit <= 1200:
        raise FigureError(f"until: {limit:g} months must lie between 0 and 1200, e.g. until=60")
    figure = canvas(7.0, 3.3)
    write(figure, 0.1, 3.06, "Cumulative incidence of death by cause", size=HEAD, weight="bold")
    _arm_key(figure, view)
    highest = max(one.highest(limit) for rows in found.values() for one in rows)
    top = min(1.0, float(np.ceil(highest * 1.05 * 20.0)) / 20.0) or 0.05
    gap, left = 0.28, 0.55
    width = (7.0 - left - 0.2 - 2 * gap) / 3
    for index, (cause, rows) in enumerate(found.items()):
        axes = place(figure, left + index * (width + gap), 0.72, width, 1.75)
        for arm, one in enumerate(rows):
            _line(axes, arm, one)
        axes.set_xlim(0.0, limit)
        axes.set_ylim(0.0, top)
        axes.set_xticks(month_ticks(limit, 6))
        axes.set_xlabel("Months from randomisation", labelpad=2)
        axes.set_title(TITLES[cause], size=SMALL + 0.5, pad=4)
        if index:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("Cumulative incidence (probability)")
        _counts(figure, rows, left + index * (width + gap) + width, 2.53)
    footer(figure, view)
    return figure


def _counts(figure: Drawing, rows: Sequence[Incidence], right: float, y: float) -> None:
    """Deaths an arm in the arms' colours, ending at inches ``right``."""
    for arm in reversed(range(len(rows))):
        text = str(rows[arm].deaths)
        write(figure, right, y, text, size=SMALL, color=arm_colour(arm), ha="right")
        right -= text_width(figure, text, SMALL) + 0.1
    write(figure, right, y, "deaths", size=SMALL, color=GREY, ha="right")


def _arm_key(figure: Drawing, view: StudyView) -> None:
    from matplotlib.lines import Line2D

    labels = arm_labels(view)
    room = 5.6 / len(labels) - 0.5
    entries = [
        (Line2D([], [], color=arm_colour(arm), linestyle=arm_dash(arm)), fit(figure, label, room, SMALL))
        for arm, label in enumerate(labels)
    ]
    end = key(figure, entries, 0.1, 2.82)
    write(figure, end + 0.2, 2.82, "band: 95% CI", size=SMALL, color=GREY, va="bottom")


def _line(axes: Axes, arm: int, found: Incidence) -> None:
    colour = arm_colour(arm)
    axes.fill_between(found.months, found.lower, found.upper, step="post", color=colour, alpha=0.16, linewidth=0)
    axes.plot(
        found.months, found.value, color=colour, linestyle=arm_dash(arm), drawstyle="steps-post", gid=f"incidence-{arm}"
    )


CUMULATIVE_INCIDENCE = Figure(
    name="cumulative-incidence",
    title="Deaths by cause",
    description=(
        "Probability of having died of each cause by a given month (Aalen-Johansen, the other causes competing), with "
        "95% intervals; all panels share one scale."
    ),
    render=draw_cumulative_incidence,
    options=(Option("until", None, "Last month shown; by default until a twentieth of each arm is left.", kind=float),),
)
