"""Figures drawn from a spatial result, one file a kind.

`FIGURES` is the list, beside that of `tumorsim.figures` for a trial. A figure gets a
`SpatialView` and reads no file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tumorsim.figures.base import named
from tumorsim.figures.files import DPI, save_drawing
from tumorsim.figures.spatial.animation import ANIMATION, save_animation
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView, fitting, spatial_view
from tumorsim.figures.spatial.fields import FIELDS
from tumorsim.figures.spatial.infiltration import INFILTRATION
from tumorsim.figures.spatial.lattice import LATTICE
from tumorsim.figures.spatial.muller import MULLER
from tumorsim.figures.spatial.series import SERIES
from tumorsim.figures.spatial.window import WINDOW

__all__ = ["FIGURES", "SpatialFigure", "SpatialView", "figure", "fitting", "save", "spatial_figure", "spatial_view"]

FIGURES: tuple[SpatialFigure, ...] = (LATTICE, FIELDS, MULLER, INFILTRATION, SERIES, WINDOW, ANIMATION)


def figure(name: str) -> SpatialFigure:
    """The figure of a name.

    Raises
    ------
    FigureError
        No such figure; the message lists the names.
    """
    return named(FIGURES, name, " of a spatial result")


spatial_figure = figure  # its name where that of `tumorsim.figures` is imported too


def save(name: str, view: SpatialView, path: str | os.PathLike[str], *, dpi: int = DPI, **options: Any) -> Path:
    """Draw a figure and write it; the suffix of ``path`` says the format.

    Raises
    ------
    FigureError
        An unknown figure, option or format, a study that lacks what the figure needs, or a folder that is not there.
    """
    declared = figure(name)
    if declared is ANIMATION:
        return save_animation(view, path, **options)
    return save_drawing(path, lambda: declared.draw(view, **options), dpi)
