"""What every figure of a calibration gets, declares and answers for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tumorsim.figures.base import FigureError, Kind

Outcome = Mapping[str, Any]

STAGES = {
    "targets": "reported figures",
    "screening": "screening",
    "optimise": "search",
    "posterior": "posterior",
    "recovery": "recovery on synthetic studies",
    "rivals": "rival mechanisms",
}


@dataclass(frozen=True)
class CalibrationFigure(Kind[Outcome]):
    """One kind of figure of a calibration.

    Attributes
    ----------
    needs
        Key of the outcome that must hold something, e.g. ``posterior``; empty: the parameters will do.
    """

    source: ClassVar[str] = "calibration"
    needs: str = ""

    def check(self, view: Outcome) -> None:
        """Refuse a calibration that did not run what the figure shows."""
        if not self.fits(view):
            raise FigureError(
                f"{self.name}: this calibration has no {STAGES[self.needs]} (the stage was not run); "
                f"figures that fit: {', '.join(fitting(view))}"
            )

    def fits(self, outcome: Outcome) -> bool:
        """Whether the calibration holds what the figure needs."""
        return not self.needs or bool(outcome[self.needs])


def fitting(outcome: Outcome) -> tuple[str, ...]:
    """Names of the figures that a calibration can show."""
    from tumorsim.figures.calibration import FIGURES

    return tuple(figure.name for figure in FIGURES if figure.fits(outcome))
