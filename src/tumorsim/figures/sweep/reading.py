"""What the figures of a sweep read off its table: shown units, means over replicates, what is averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import FigureError
from tumorsim.figures.style import plain, unit_label
from tumorsim.figures.ticks import compact
from tumorsim.spatial_numbers import Interval, interval
from tumorsim.sweep_data import FactorColumn, OutputColumn, SweepData
from tumorsim.units import MONTH

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """An output as it is shown.

    Attributes
    ----------
    label
        Title with unit.
    samples
        Shown numbers; (point, replicate).
    ratio
        Whether 1 is no effect: means and intervals are then those of the logarithm.
    lost
        Runs that gave no number.
    """

    label: str
    samples: FloatArray = field(repr=False)
    ratio: bool
    lost: int


def shown_unit(unit: str) -> tuple[str, float]:
    """The unit that is printed, and what a stored number is multiplied by: days become months."""
    return ("months", 1.0 / MONTH) if unit == "day" else (unit_label(unit), 1.0)


def labelled(title: str, unit: str) -> str:
    """A title with its unit in brackets, on one line."""
    return f"{plain(title)} ({plain(unit)})" if unit else plain(title)


def measure(data: SweepData, name: str | None) -> Measure:
    """An output in its shown unit; of None the first.

    Raises
    ------
    FigureError
        No such output, or one without any number.
    """
    try:
        column: OutputColumn = data.outputs[0] if name is None else data.output(name)
    except KeyError as error:
        raise FigureError(f"output: {error.args[0]}") from None
    unit, scale = shown_unit(column.unit)
    samples = column.values * scale
    usable = np.isfinite(samples) & ((samples > 0) | (not column.ratio))
    if not usable.any():
        raise FigureError(f"{column.name}: no run gave a number to draw")
    samples = np.where(usable, samples, np.nan)
    return Measure(labelled(column.title, unit), samples, column.ratio, int((~usable).sum()))


def varying(data: SweepData) -> list[FactorColumn]:
    """Factors that take more than one value."""
    return [one for one in data.factors if np.unique(one.values).size > 1]


def factor_label(one: FactorColumn) -> str:
    """A factor with its unit."""
    return labelled(one.title, unit_label(one.unit))


def value_label(one: FactorColumn, value: float) -> str:
    """One value of a factor, for a key."""
    return plain(one.labels[int(value)]) if one.labels else signed(compact(value))


def signed(text: str) -> str:
    """With a minus that is as wide as a plus."""
    return text.replace("-", "−")


@dataclass(frozen=True)
class Table:
    """An output by one or two factors, averaged over all others.

    Attributes
    ----------
    x, by
        The factors; no second one where there is none.
    at, lines
        Their values, ascending; (x,) and (by,).
    samples
        Means over the other factors, of logarithms where the output is a ratio; (x, by, replicate).
    found
        Mean over replicates and interval, in shown numbers; (x, by) each.
    averaged
        Titles of the other factors that change.
    """

    x: FactorColumn
    by: FactorColumn | None
    at: FloatArray
    lines: FloatArray
    samples: FloatArray = field(repr=False)
    found: Interval = field(repr=False)
    averaged: tuple[str, ...]


def table(data: SweepData, shown: Measure, x: FactorColumn, by: FactorColumn | None, apart: bool = False) -> Table:
    """An output by one or two factors.

    Where a run of an average is missing, that replicate is left out there: an average over what happens to be left
    would be one of other points. ``apart`` says that the other factors change along with the first, so that nothing is
    averaged.
    """
    at, across = np.unique(x.values, return_inverse=True)
    lines, down = np.unique(np.zeros(data.points) if by is None else by.values, return_inverse=True)
    cell = across * lines.size + down
    samples = np.log(shown.samples) if shown.ratio else shown.samples
    sums = np.zeros((at.size * lines.size, data.replicates))
    np.add.at(sums, cell, samples)
    counts = np.bincount(cell, minlength=len(sums))[:, None]
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    means = means.reshape(at.size, lines.size, data.replicates)
    found = interval(means, axis=2)
    if shown.ratio:
        means = np.exp(means)
        found = Interval(np.exp(found.mean), np.exp(found.low), np.exp(found.high), found.n)
    others = [one.title for one in varying(data) if one.name not in {x.name, by.name if by else ""}]
    return Table(x, by, at, lines, means, found, () if apart else tuple(map(plain, others)))


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def kept(count: int, most: int) -> list[int]:
    """At most so many of so many places, evenly, first and last among them."""
    return sorted({round(float(place)) for place in np.linspace(0, count - 1, min(count, most))})
