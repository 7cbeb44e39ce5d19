"""What every figure of a calibration gets, declares and answers for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tumorsim.figures.base import FigureError, Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

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
class CalibrationFigure(Kind):
    """One kind of figure of a calibration.

    Attributes
    ----------
    needs
        Key of the outcome that must hold something, e.g. ``posterior``; empty: the parameters will do.
    """

    source: ClassVar[str] = "calibration"
    needs: str = ""

    def draw(self, outcome: Outcome, **options: Any) -> Drawing:
        """The figure as a free-standing `matplotlib.figure.Figure`.

        Parameters
        ----------
        outcome
            What ``outcome.json`` holds, every key of its layout present.
        **options
            Any of `options` by name; None means the default.

        Raises
        ------
        FigureError
            An unknown option or value, or a stage that the calibration did not run.
        """
        from tumorsim.figures.style import journal

        if not self.fits(outcome):
            raise FigureError(
                f"{self.name}: this calibration has no {STAGES[self.needs]} (the stage was not run); "
                f"figures that fit: {', '.join(fitting(outcome))}"
            )
        with journal():
            return self.render(outcome, **self.read(options))

    def fits(self, outcome: Outcome) -> bool:
        """Whether the calibration holds what the figure needs."""
        return not self.needs or bool(outcome[self.needs])


def fitting(outcome: Outcome) -> tuple[str, ...]:
    """Names of the figures that a calibration can show."""
    from tumorsim.figures.calibration import FIGURES

    return tuple(figure.name for figure in FIGURES if figure.fits(outcome))
