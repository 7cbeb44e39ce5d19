"""Bars of effects with their intervals, one a row: screening of a calibration, and sensitivity of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
BAR, SPREAD = "#0072B2", "#E69F00"


def effect_bars(
    axes: Axes, spots: Sequence[float] | NDArray[np.generic], values: FloatArray, gid: str,
    ends: tuple[FloatArray, FloatArray] | None = None, height: float = 0.6, colour: str = BAR,
) -> list[float]:  # fmt: skip
    """Draw bars from 0, intervals upon them; what is NaN is left out.

    Parameters
    ----------
    axes
        Where.
    spots
        Middle of each bar on the y axis.
    values
        Lengths; (bar,).
    gid
        Id of the bars; the intervals are ``ci``.
    ends
        Of the intervals; (bar,) each.
    height, colour
        Of a bar.

    Returns
    -------
    list
        Every finite end, for the limits of the axis.
    """
    axes.barh(np.asarray(spots, float), np.nan_to_num(values), height=height, color=colour, gid=gid)
    furthest = [float(x) for x in values if np.isfinite(x)]
    for spot, low, high in zip(spots, *ends, strict=True) if ends is not None else ():
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [float(spot)] * 2, color=INK, linewidth=0.9, gid="ci")
            furthest += [float(low), float(high)]
    return furthest


def spread_marks(axes: Axes, spots: Sequence[float] | NDArray[np.generic], spread: FloatArray) -> list[float]:
    """Open circles for the spread of effects; gives the finite ones."""
    axes.plot(
        spread, np.asarray(spots, float), marker="o", markersize=4, color=SPREAD, markerfacecolor="white",
        linestyle="none", clip_on=False, zorder=3, gid="sigma",
    )  # fmt: skip
    return [float(x) for x in spread if np.isfinite(x)]
