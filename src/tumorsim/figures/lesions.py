"""Measured lesions by patient: change from baseline, best response, and the panels that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorsim.endpoints import response
from tumorsim.endpoints.response import SHORT_NAMES, Criteria
from tumorsim.figures.base import FigureError, Option, StudyView
from tumorsim.figures.style import (
    GREY,
    HEAD,
    RESPONSE_COLOURS,
    SMALL,
    arm_colour,
    arm_labels,
    canvas,
    fit,
    footer,
    key,
    place,
    write,
)
from tumorsim.rows import spans
from tumorsim.units import MONTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

CRITERIA = Option("criteria", "recist", "Which sum and response: RECIST 1.1 or mRECIST.", ("recist", "mrecist"))
CRITERIA_TITLES = {"recist": "RECIST 1.1", "mrecist": "mRECIST"}
CAP = 100.0
FloatArray = NDArray[np.float64]
# RECIST 1.1 and mRECIST: progression at +20%, partial response at −30%
PROGRESSION, RESPONSE = 20.0, -30.0
_NAMES = {
    "recist": ("sum_diameters", "progression_time"),
    "mrecist": ("sum_viable_diameters", "mrecist_progression_time"),
}


@dataclass(frozen=True)
class Lesions:
    """One arm's measured lesions up to progression.

    Attributes
    ----------
    patient
        Patient numbers, shape ``[n]``: those assigned to the arm.
    months
        Visit times of the first patients, shape ``[some, visit]``; NaN after progression and for visits missed.
    change
        Change of their sum of diameters from baseline in percent, same shape.
    best
        Best overall response as `tumorsim.endpoints.response` gives it, shape ``[n]``.
    best_change
        Lowest change after baseline, shape ``[n]``; NaN when never measured again.
    """

    patient: NDArray[np.int64]
    months: NDArray[np.float64]
    change: NDArray[np.float64]
    best: NDArray[np.int64]
    best_change: NDArray[np.float64]


def lesions(view: StudyView, arm: int, criteria: Criteria, first: int) -> Lesions:
    """Change from baseline and best response of the patients of one arm, and each visit of the ``first`` of them.

    The first visit is the baseline. Assessments after the visit that shows
    progression do not count: what follows is another treatment.
    """
    arrays = view.data.arrays
    sums, progression = (arrays[name] for name in _NAMES[criteria])
    answer = response(view.data, arm, criteria)
    taken, lowest, shown = answer.included, np.full(view.data.size, np.nan), 0
    months, changes = [], []
    for rows in spans(sums):
        chosen = taken[rows]
        when, change = _changes(
            np.asarray(arrays["visit_time"][arm, rows], dtype=float)[chosen],
            np.asarray(sums[arm, rows], dtype=float)[chosen],
            np.asarray(progression[arm, rows], dtype=float)[chosen],
        )
        after = change[:, 1:]
        found = np.min(np.where(np.isfinite(after), after, np.inf), axis=1, initial=np.inf)
        lowest[rows.start + np.flatnonzero(chosen)] = np.where(np.isfinite(found), found, np.nan)
        months.append(when[: max(first - shown, 0)])
        changes.append(change[: max(first - shown, 0)])
        shown += len(when)
    return Lesions(
        view.data.patient[taken], np.concatenate(months), np.concatenate(changes), answer.best[taken], lowest[taken]
    )


def _changes(days: FloatArray, size: FloatArray, progression: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Months and percent change of each visit that counts, NaN elsewhere. Shape (patient, visit) each."""
    counted = np.isfinite(days) & ~(days > progression[:, None] + 1e-9)
    baseline = size[:, :1]
    usable = counted & np.isfinite(size) & (baseline > 0)
    change = np.where(usable, 100.0 * (size / np.where(baseline > 0, baseline, 1.0) - 1.0), np.nan)
    return np.where(usable, days / MONTH, np.nan), change


def all_lesions(view: StudyView, criteria: Criteria, first: int) -> list[Lesions]:
    """`lesions` of every arm.

    Raises
    ------
    FigureError
        No patient of any arm was measured after baseline.
    """
    found = [lesions(view, arm, criteria, first) for arm in range(len(view.data.arms))]
    if not any(np.isfinite(one.best_change).any() for one in found):
        raise FigureError("no patient was measured after baseline; figures that need no measurement: km, swimmer")
    return found


def response_name(code: int) -> str:
    """``CR``, ``PR``, ``SD``, ``PD`` or ``NE``."""
    return SHORT_NAMES[code]


def response_counts(found: Lesions) -> str:
    """``CR 1, PR 20, SD 50, PD 25, NE 4``."""
    counts = np.bincount(found.best, minlength=len(SHORT_NAMES))
    return ", ".join(f"{name} {counts[SHORT_NAMES.index(name)]:,}" for name in RESPONSE_COLOURS)


def arm_panels(view: StudyView, title: str, notes: Sequence[str], below: float) -> tuple[Drawing, list[Axes]]:
    """A figure with a heading, the key of responses and one panel an arm, two to a row.

    Parameters
    ----------
    notes
        One line under each arm's name.
    below
        Inches to keep free under each panel.
    """
    from matplotlib.patches import Patch

    arms, height, left, gap = len(view.data.arms), 2.3, 0.62, 0.22
    columns = min(arms, 2)
    step = height + below + 0.5
    figure = canvas(7.0, 0.72 + -(-arms // columns) * step)
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.24, title, size=HEAD, weight="bold")
    names = (
        "CR complete response",
        "PR partial response",
        "SD stable disease",
        "PD progressive disease",
        "NE not evaluable",
    )
    key(
        figure,
        [(Patch(facecolor=RESPONSE_COLOURS[name[:2]], edgecolor="none"), name) for name in names],
        0.1,
        full - 0.48,
    )
    width = (7.0 - left - 0.15 - gap * (columns - 1)) / columns
    panels = []
    for arm, note in enumerate(notes):
        x = left + (arm % columns) * (width + gap)
        top = full - 0.52 - (arm // columns) * step - 0.42
        panels.append(place(figure, x, top - height, width, height))
        name = fit(figure, arm_labels(view)[arm], width, SMALL + 1, "bold")
        write(figure, x, top + 0.2, name, size=SMALL + 1, weight="bold", color=arm_colour(arm))
        write(figure, x, top + 0.06, fit(figure, note, width, SMALL), size=SMALL, color=GREY)
        change_axis(panels[-1], numbered=arm % columns == 0)
    footer(figure, view)
    return figure, panels


def change_axis(axes: Axes, numbered: bool) -> None:
    """Percent change from −100 to +100, ticked and dashed at the response and progression limits."""
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    for level in (PROGRESSION, RESPONSE):
        axes.axhline(level, color=GREY, linewidth=0.6, linestyle=(0, (3, 2)))
    ticks = [-100, -75, -50, int(RESPONSE), 0, int(PROGRESSION), 50, 75, 100]
    axes.set_ylim(-102.0, CAP + 8.0)
    axes.set_yticks(ticks, [f"{tick:+d}".replace("-", "−") if tick else "0" for tick in ticks] if numbered else [])
