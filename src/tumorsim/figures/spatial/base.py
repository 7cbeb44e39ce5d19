"""What every figure of a spatial result gets, declares and answers for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from tumorsim.figures.base import FigureError, Kind
from tumorsim.spatial_variables import SpatialData


@dataclass(frozen=True)
class SpatialView:
    """Everything a figure or the page reads from one finished spatial study.

    Attributes
    ----------
    data
        Arrays and axes.
    summary
        The stored summary; of it ``spatial`` (the name), ``title`` and ``seed`` are shown.
    """

    data: SpatialData
    summary: Mapping[str, Any] = field(default_factory=dict)


class Stored(Protocol):
    """What a stored result and one just finished have in common."""

    @property
    def data(self) -> SpatialData:
        """Arrays and axes."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """The summary."""


def spatial_view(stored: Stored) -> SpatialView:
    """What figures and the page read, from a stored result."""
    return SpatialView(stored.data, stored.summary)


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
    """

    source: ClassVar[str] = "spatial"
    needs: str = ""
    suffixes: tuple[str, ...] = ("png", "svg", "pdf")

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
