"""Evaluations of the search, as the figures of its progress and its profiles see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import FigureError
from tumorsim.figures.calibration.base import Outcome
from tumorsim.figures.calibration.reading import FloatArray, numbers

FAILED = 1e6  # the loss that a calibration gives to an evaluation it could not make


@dataclass(frozen=True)
class Search:
    """Every evaluation in its order.

    Attributes
    ----------
    values : (n, p)
        Parameters.
    loss : (n,)
        NaN where the evaluation failed.
    """

    values: FloatArray
    loss: FloatArray

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Evaluations without a loss. Shape (n,)."""
        return np.isnan(self.loss)

    @property
    def best(self) -> int:
        """Place of the lowest loss."""
        return int(np.nanargmin(self.loss))

    def worst_shown(self, share: float, least: float = 2.0) -> float:
        """The loss above which ``1 - share`` of the evaluations lie, at least ``least`` above the best."""
        best = float(np.nanmin(self.loss))
        return max(float(np.nanquantile(self.loss, share)), best + least)


def search_of(outcome: Outcome) -> Search:
    """The evaluations of the search.

    Raises
    ------
    FigureError
        None of them has a loss.
    """
    rows = sorted(outcome["optimise"]["evaluations"], key=lambda row: row["index"])
    empty = [None] * len(outcome["parameters"])
    values = numbers([row["values"] or empty for row in rows])
    loss = numbers([None if row["failed"] else row["loss"] for row in rows])
    loss = np.where(loss >= FAILED, np.nan, loss)
    if not np.isfinite(loss).any():
        raise FigureError("the search of this calibration has no evaluation with a loss, so there is nothing to draw")
    return Search(values, loss)
