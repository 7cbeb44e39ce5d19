"""What every figure of a spatial result gets, declares and answers for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from tumorsim.figures.base import FigureError, Kind
from tumorsim.figures.spatial.below import below
from tumorsim.figures.spatial.courses import Course, courses
from tumorsim.spatial_variables import SpatialData

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class SpatialView:
    """Everything a figure or the page reads from one finished spatial study.

    Attributes
    ----------
    data
        Arrays and axes.
    summary
        The stored summary; of it ``spatial`` (the name), ``title`` and ``seed`` are shown.
    courses
        What each arm was given and when, by name; empty where it is not known.
    """

    data: SpatialData
    summary: Mapping[str, Any] = field(default_factory=dict)
    courses: Mapping[str, Course] = field(default_factory=dict)


class Stored(Protocol):
    """What a stored result and one just finished have in common."""

    @property
    def data(self) -> SpatialData:
        """Arrays and axes."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """The summary."""

    @property
    def scenario_text(self) -> str:
        """The resolved scenario, JSON."""


def spatial_view(stored: Stored) -> SpatialView:
    """What figures and the page read, from a stored result."""
    data = stored.data
    horizon = float(data.time[-1]) if data.time.size else 0.0
    return SpatialView(data, stored.summary, courses(stored.scenario_text, horizon))


def shown_by(data: SpatialData) -> str:
    """Heading of the sentences beside a figure: how many replicates, and what the intervals are."""
    n = len(data.replicate)
    if n == 1:
        return "What this replicate shows"
    return f"What these {n:,} replicates show (mean, 95% interval of Student's t; differences replicate by replicate)"


# what a figure can need beside the series, and how to say that it is not there
NEEDS = {
    "snapshots": "no snapshot of the lattice",
    "shots": "no moment at which the lattice was measured",
    "motion": "fewer than two snapshots of the lattice",
    "arms": "one arm only",
}


@dataclass(frozen=True)
class SpatialFigure(Kind[SpatialView]):
    """One kind of figure of a spatial result.

    Attributes
    ----------
    needs
        Key of `NEEDS`; empty: the series will do.
    suffixes
        Formats in which it is written; the first is the default.
    shows
        ``shows(view, **options)`` gives what the replicates of this study show in it, in sentences.
    """

    source: ClassVar[str] = "spatial"
    needs: str = ""
    suffixes: tuple[str, ...] = ("png", "svg", "pdf")
    shows: Callable[..., list[str]] | None = field(default=None, repr=False)

    def findings(self, view: SpatialView, **options: Any) -> list[str]:
        """What the replicates show in this figure, in sentences; none where there is nothing to say.

        Raises
        ------
        FigureError
            An unknown option or value.
        """
        chosen = self.read(options)
        return self.shows(view, **chosen) if self.shows and view.data.time.size else []

    def draw(self, view: SpatialView, said: bool = True, **options: Any) -> Drawing:
        """The figure as `Kind.draw` makes it; with ``said``, `findings` stand below it (a page has them as text)."""
        from tumorsim.figures.style import journal

        drawing = super().draw(view, **options)
        if said:
            with journal():
                below(drawing, shown_by(view.data), self.findings(view, **options))
        return drawing

    def check(self, view: SpatialView) -> None:
        """Refuse a study that lacks what the figure needs."""
        if not self.fits(view):
            raise FigureError(
                f"{self.name}: this result has {NEEDS[self.needs]}; figures that fit: {', '.join(fitting(view))}"
            )

    def fits(self, view: SpatialView) -> bool:
        """Whether the study holds what the figure needs."""
        data = view.data
        shots = min((held["content"].shape[0] for held in data.snapshots.values() if "content" in held), default=0)
        shown = len(data.snapshots) == len(data.arms) and shots > 0
        return {
            "": True,
            "snapshots": shown,
            "motion": shown and shots > 1,
            "shots": bool(np.asarray(data.shot).size),
            "arms": len(data.arms) > 1,
        }[self.needs]


def fitting(view: SpatialView) -> tuple[str, ...]:
    """Names of the figures that a spatial result can show."""
    from tumorsim.figures.spatial import FIGURES

    return tuple(figure.name for figure in FIGURES if figure.fits(view))
