"""What a finished sweep is: points, what was read at each, and what failed. Declared once, like `variables`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.variables import Variable

FloatArray = NDArray[np.float64]
STATUS = ("done", "partial", "failed")
"""Of a run: whole; some of its patients failed and are left out; nothing came of it."""
RUN = ("point", "replicate")


@dataclass(frozen=True)
class FactorColumn:
    """A factor over the points.

    Attributes
    ----------
    name, title, unit
        Short name; what figures call it; unit of the numbers.
    values
        Value at each point; of texts, their places in ``labels``; (point,).
    labels
        The texts that it takes, if they are no numbers.
    logarithmic
        Whether its values lie on a log scale.
    """

    name: str
    title: str
    unit: str
    values: FloatArray
    labels: tuple[str, ...] = ()
    logarithmic: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return not self.labels

    def text(self, point: int) -> str:
        """Its value at a point, for people."""
        value = float(self.values[point])
        if self.labels:
            return self.labels[int(value)]
        return f"{value:g} {self.unit}" if self.unit else f"{value:g}"


@dataclass(frozen=True)
class OutputColumn:
    """An output over points and replicates.

    Attributes
    ----------
    name, title, unit
        Name; what figures call it; unit.
    values
        NaN where it failed or cannot be estimated; (point, replicate).
    ratio
        Whether it is a ratio, for which 1 is no effect.
    """

    name: str
    title: str
    unit: str
    values: FloatArray = field(repr=False)
    ratio: bool = False


@dataclass(frozen=True)
class SweepData:
    """A finished sweep.

    Attributes
    ----------
    name, title
        Of the sweep.
    design
        How the points were laid.
    factors, outputs
        Columns.
    status
        Codes of `STATUS`; (point, replicate).
    seeds
        Of the replicates; (replicate,).
    """

    name: str
    title: str
    design: str
    factors: tuple[FactorColumn, ...]
    outputs: tuple[OutputColumn, ...]
    status: NDArray[np.int8] = field(repr=False)
    seeds: NDArray[np.int64] = field(repr=False)

    @property
    def points(self) -> int:
        """Number of points."""
        return int(self.status.shape[0])

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return int(self.status.shape[1])

    def factor(self, name: str) -> FactorColumn:
        """The factor of a name; KeyError lists the names."""
        for one in self.factors:
            if one.name == name:
                return one
        raise KeyError(f"{name!r} is no factor; factors are {', '.join(one.name for one in self.factors)}")

    def output(self, name: str) -> OutputColumn:
        """The output of a name; KeyError lists the names."""
        for one in self.outputs:
            if one.name == name:
                return one
        raise KeyError(f"{name!r} is no output; outputs are {', '.join(one.name for one in self.outputs)}")


RESERVED = (*RUN, "status", "seed")
"""Names in a result that no factor and no output may have."""
CODE = "_code"
"""Ends the name of the numbers of a factor of texts; its own name is that of the texts."""


def variables(data: SweepData) -> tuple[Variable, ...]:
    """Every array of numbers of a sweep, as results declare theirs."""
    factors = [
        Variable("runs", one.name, ("point",), one.unit or "1", one.title)
        if one.numeric
        else Variable("runs", one.name + CODE, ("point",), "1", f"{one.title}: place in its list of texts.", count=True)
        for one in data.factors
    ]
    outputs = [Variable("runs", one.name, RUN, one.unit, one.title) for one in data.outputs]
    status = Variable("runs", "status", RUN, "1", "What came of the run.", STATUS)
    return (*factors, *outputs, status)


def arrays(data: SweepData) -> dict[str, NDArray[Any]]:
    """The arrays that `variables` declares, by name."""
    factors = {
        one.name if one.numeric else one.name + CODE: one.values if one.numeric else one.values.astype(np.int64)
        for one in data.factors
    }
    return factors | {one.name: one.values for one in data.outputs} | {"status": data.status}


def columns(data: SweepData) -> dict[str, NDArray[Any]]:
    """One row a run, point by point: point, replicate, seed, factors, outputs, status; texts as objects."""
    points, replicates = data.status.shape
    shape = data.status.shape

    def over_points(one: FactorColumn) -> NDArray[Any]:
        values = np.array([one.labels[int(k)] for k in one.values], object) if one.labels else one.values
        return np.repeat(values, replicates)

    return {
        "point": np.repeat(np.arange(points), replicates),
        "replicate": np.tile(np.arange(replicates), points),
        "seed": np.broadcast_to(data.seeds, shape).ravel(),
        **{one.name: over_points(one) for one in data.factors},
        **{one.name: one.values.ravel() for one in data.outputs},
        "status": np.array(STATUS, object)[data.status.ravel()],
    }
