"""Figures drawn from a finished study, one file a kind.

`FIGURES` is the list. To add one, write its file and put its name here
(docs/how-to/add-a-figure.md).
"""

from __future__ import annotations

from tumorsim.figures.balance import BALANCE
from tumorsim.figures.base import Figure, FigureError, Option, StudyView, fitting, named
from tumorsim.figures.cumulative_incidence import CUMULATIVE_INCIDENCE
from tumorsim.figures.files import image, save
from tumorsim.figures.forest import FOREST
from tumorsim.figures.km import KM
from tumorsim.figures.spider import SPIDER
from tumorsim.figures.swimmer import SWIMMER
from tumorsim.figures.targets import TARGETS
from tumorsim.figures.trajectories import TRAJECTORIES
from tumorsim.figures.waterfall import WATERFALL

__all__ = ["FIGURES", "Figure", "FigureError", "Option", "StudyView", "figure", "fitting", "image", "save"]

FIGURES: tuple[Figure, ...] = (
    KM,
    TARGETS,
    WATERFALL,
    SPIDER,
    SWIMMER,
    CUMULATIVE_INCIDENCE,
    FOREST,
    BALANCE,
    TRAJECTORIES,
)


def figure(name: str) -> Figure:
    """The figure of a name.

    Raises
    ------
    FigureError
        No such figure; the message lists the names.
    """
    return named(FIGURES, name)
