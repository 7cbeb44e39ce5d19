"""Love plot: standardised differences of the covariates before and after matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tumorsim.figures.base import Figure, FigureError, StudyView
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    LINE,
    RULE,
    SMALL,
    arm_colour,
    canvas,
    fit,
    footer,
    key,
    number,
    place,
    plain,
    write,
)
from tumorsim.params.design import COVARIATE_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    Row = Mapping[str, Any]

# inches: names, axis, then the differences and the means of both arms, before and after
COLUMNS = {"name": 0.1, "axis": 1.75, "before": 4.35, "after": 5.75}
BALANCED = (0.1, 0.2)  # limits in common use; the cohort of the report used the second


def draw_balance(view: StudyView) -> Drawing:
    """One row a covariate; see `BALANCE`."""
    told = view.summary.get("matching")
    if not told:
        raise FigureError("balance: this study is not matched; it needs trial.matching in its scenario")
    rows = sorted(told["balance"], key=lambda row: -abs(row["before"] or 0.0))
    height = LINE * 1.25 * len(rows)
    figure = canvas(7.0, height + 1.75)
    top = height + 0.75
    write(figure, 0.1, top + 0.72, "Balance before and after matching", size=HEAD, weight="bold")
    labels = dict(zip(view.data.arms, (plain(label) for label in view.data.labels), strict=True))
    one, other = labels[told["arm"]], labels[told["reference"]]
    said = f"{one} minus {other}; {told['patients'][0]:,} and {told['patients'][1]:,} patients, {told['pairs']:,} pairs"
    write(figure, 0.1, top + 0.54, fit(figure, said, 6.8, SMALL), size=SMALL, color=GREY)
    colour = arm_colour(view.data.arms.index(told["arm"]))
    key(figure, [(_mark(colour, False), "before"), (_mark(colour, True), "after")], COLUMNS["axis"], top + 0.14)
    for side in ("before", "after"):
        write(figure, COLUMNS[side], top + 0.26, f"{side}: difference", size=SMALL)
        write(figure, COLUMNS[side], top + 0.12, "means of the arms", size=SMALL, color=GREY)
    axes = place(figure, COLUMNS["axis"], top - height, COLUMNS["before"] - COLUMNS["axis"] - 0.25, height)
    _axis(axes, rows)
    for index, row in enumerate(rows):
        _row(figure, axes, index, row, top - height * (index + 0.5) / len(rows) - 0.035, colour)
    footer(figure, view, "Balance concerns measured covariates alone; it undoes no immortal time.")
    return figure


def _mark(colour: str, filled: bool) -> Any:
    from matplotlib.lines import Line2D

    inside = colour if filled else "white"
    return Line2D([], [], marker="o", markersize=4.5, linestyle="none", color=colour, markerfacecolor=inside)


def _axis(axes: Axes, rows: Sequence[Row]) -> None:
    largest = max([0.3, *(abs(row[side]) for row in rows for side in ("before", "after") if row[side] is not None)])
    axes.set_xlim(-1.1 * largest, 1.1 * largest)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    for limit in BALANCED:
        for x in (-limit, limit):
            axes.axvline(x, color=RULE, linewidth=0.6, linestyle=(0, (3, 2)), zorder=0)
    axes.set_xlabel("Standardised mean difference (dashed: 0.1 and 0.2)", size=SMALL, labelpad=1)


def _row(figure: Drawing, axes: Axes, index: int, row: Row, y: float, colour: str) -> None:
    name = COVARIATE_LABELS.get(str(row["covariate"]), plain(row["covariate"]))
    write(figure, COLUMNS["name"], y, fit(figure, name, COLUMNS["axis"] - 0.2, SMALL), size=SMALL)
    known = [row[side] for side in ("before", "after") if row[side] is not None]
    axes.plot(known, [index] * len(known), color=RULE, linewidth=0.9, zorder=1)
    for side, filled in (("before", False), ("after", True)):
        difference, means = row[side], row[f"means_{side}"]
        write(figure, COLUMNS[side], y, number(difference).replace("-", "−"), size=SMALL, color=INK)
        between = " and ".join(number(mean) for mean in means)
        write(figure, COLUMNS[side] + 0.4, y, between, size=SMALL, color=GREY)
        if difference is not None:
            axes.plot(
                [difference], [index], marker="o", markersize=4.5, linestyle="none", color=colour,
                markerfacecolor=colour if filled else "white", zorder=3 if filled else 2, gid=side,
            )  # fmt: skip


BALANCE = Figure(
    name="balance",
    title="Balance",
    description=(
        "Standardised mean difference of each covariate of the propensity score between the arms of an observational "
        "cohort, before (open) and after (filled) matching, both divided by the spread before."
    ),
    render=draw_balance,
)
