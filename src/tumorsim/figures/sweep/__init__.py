"""Figures drawn from a sweep and from a sensitivity analysis, one file a kind.

`FIGURES` is the list, beside that of `tumorsim.figures` for a trial. A figure gets a
`tumorsim.sweep_data.SweepData`, or a `tumorsim.sensitivity_data.Sensitivity`, and reads no file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tumorsim.figures.base import named
from tumorsim.figures.files import DPI, save_drawing
from tumorsim.figures.sweep.base import Drawn, SensitivityFigure, SweepFigure
from tumorsim.figures.sweep.response import RESPONSE
from tumorsim.figures.sweep.tornado import TORNADO

__all__ = ["FIGURES", "SensitivityFigure", "SweepFigure", "figure", "save"]

FIGURES: tuple[SweepFigure, ...] = (RESPONSE, TORNADO)


def figure(name: str) -> SweepFigure:
    """The figure of a name.

    Raises
    ------
    FigureError
        No such figure; the message lists the names.
    """
    return named(FIGURES, name, " of a sweep")


def save(name: str, data: Drawn, path: str | os.PathLike[str], *, dpi: int = DPI, **options: Any) -> Path:
    """Draw a figure and write it; the suffix of ``path`` says the format.

    Raises
    ------
    FigureError
        An unknown figure, option or format, a sweep that the figure does not fit, or a folder that is not there.
    """
    return save_drawing(path, lambda: figure(name).draw(data, **options), dpi)
