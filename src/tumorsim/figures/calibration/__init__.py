"""Figures drawn from the outcome of a calibration, one file a kind.

`FIGURES` is the list, beside that of `tumorsim.figures` for a study. A figure gets
the outcome as a mapping and reads no file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tumorsim.figures.base import named
from tumorsim.figures.calibration.base import CalibrationFigure, Outcome, fitting
from tumorsim.figures.calibration.posterior import POSTERIOR
from tumorsim.figures.calibration.profile import PROFILE
from tumorsim.figures.calibration.progress import PROGRESS
from tumorsim.figures.calibration.recovery import RECOVERY
from tumorsim.figures.calibration.rivals import RIVALS
from tumorsim.figures.calibration.screening import SCREENING
from tumorsim.figures.calibration.targets import TARGETS
from tumorsim.figures.calibration.widths import WIDTHS
from tumorsim.figures.files import DPI, save_drawing

__all__ = ["FIGURES", "PREFIX", "CalibrationFigure", "Outcome", "figure", "fitting", "save"]

PREFIX = "calibration-"
FIGURES: tuple[CalibrationFigure, ...] = (
    TARGETS,
    WIDTHS,
    POSTERIOR,
    PROFILE,
    PROGRESS,
    SCREENING,
    RECOVERY,
    RIVALS,
)


def figure(name: str) -> CalibrationFigure:
    """The figure of a name.

    Raises
    ------
    FigureError
        No such figure; the message lists the names.
    """
    return named(FIGURES, name, " of a calibration")


def save(name: str, outcome: Outcome, path: str | os.PathLike[str], *, dpi: int = DPI, **options: Any) -> Path:
    """Draw a figure and write it; the suffix of ``path`` says the format.

    Raises
    ------
    FigureError
        An unknown figure, option or format, a stage that was not run, or a folder that is not there.
    """
    return save_drawing(path, lambda: figure(name).draw(outcome, **options), dpi)
