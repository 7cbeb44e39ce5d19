"""What every treatment is: a block that turns itself into rows of an event table.

A treatment sees a `Context`: the patients, the horizon, its place in the roster and its own random
draws, and never the other treatments of the arm. What one treatment does to another, a hold
that delays infusions, comes as `Pauses` in the context.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorsim.params.base import Block, Process

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pool = Literal["drugs", "products", "procedures"]

# Occasions of one course are numbered from `ordinal * OCCASIONS`; a schedule has at most 10,000 doses.
OCCASIONS = 1 << 20


@dataclass(frozen=True)
class Recipients:
    """The patients of an arm, as far as treatments look at them.

    Attributes
    ----------
    ids
        Patient numbers that key the random draws. Shape (n,).
    weight
        Body weight in kg. Shape (n,).
    body_surface
        Body surface in m². Shape (n,).
    lymphocyte_factor
        Collection yield against a healthy donor. Shape (n,).
    """

    ids: Ints = field(repr=False)
    weight: Floats = field(repr=False)
    body_surface: Floats = field(repr=False)
    lymphocyte_factor: Floats = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("weight", "body_surface", "lymphocyte_factor"):
            if getattr(self, name).shape != self.ids.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, must be {self.ids.shape} like ids")

    @property
    def size(self) -> int:
        """Number of patients."""
        return int(self.ids.size)


@dataclass(frozen=True)
class Pauses:
    """Times during which nothing is given, by patient.

    Attributes
    ----------
    start, end
        Days from randomisation; padded with infinity; starts ascend along a row. Shape (n, pauses).
    """

    start: Floats = field(repr=False)
    end: Floats = field(repr=False)

    @classmethod
    def none(cls, patients: int) -> Pauses:
        """No pause for anybody."""
        return cls(np.empty((patients, 0)), np.empty((patients, 0)))

    @classmethod
    def union(cls, pauses: Sequence[Pauses], patients: int) -> Pauses:
        """All pauses of several causes, where overlapping or touching ones end together."""
        if not pauses:
            return cls.none(patients)
        start = np.concatenate([p.start for p in pauses], axis=1)
        order = np.argsort(start, axis=1, kind="stable")
        start = np.take_along_axis(start, order, axis=1)
        end = np.take_along_axis(np.concatenate([p.end for p in pauses], axis=1), order, axis=1)
        end = np.maximum.accumulate(end, axis=1)  # a pause within another one ends with it
        for column in range(start.shape[1] - 2, -1, -1):
            touching = start[:, column + 1] <= end[:, column]
            end[:, column] = np.where(touching, np.maximum(end[:, column], end[:, column + 1]), end[:, column])
        return cls(start, end)

    def delay(self, planned: Floats) -> Floats:
        """Times of giving when a dose due in a pause waits for its end (eq. I5).

        Later doses keep their distance to the one before, as a protocol does that restarts the
        cycle when the patient has recovered; none is left out.

        Parameters
        ----------
        planned
            Ascending along a row; rows of infinity stay so. Shape (n, doses).
        """
        times = planned.copy()
        if planned.shape[1] == 0 or self.start.shape[1] == 0:
            return times
        rows = np.flatnonzero(np.isfinite(self.start[:, 0]) & np.isfinite(planned[:, 0]))
        start, end = (np.pad(a[rows], ((0, 0), (0, 1)), constant_values=np.inf) for a in (self.start, self.end))
        line, next_pause, shift = np.arange(rows.size), np.zeros(rows.size, np.int64), np.zeros(rows.size)
        for dose in range(planned.shape[1]):
            due = planned[rows, dose] + shift
            while (over := end[line, next_pause] <= due).any():
                next_pause += over
            # the end of the pause itself, not its sum of differences: a dose an ulp early would fall into it
            given = np.where(start[line, next_pause] <= due, end[line, next_pause], due)
            shift = np.maximum(shift, given - planned[rows, dose])
            times[rows, dose] = given
        return times


@dataclass(frozen=True)
class Rows:
    """Events in any order.

    Attributes
    ----------
    patient
        Position of the patient in `Recipients`. Shape (events,).
    time, kind, index, value
        Columns of an event (``kernels/layout.py``), each of shape (events,).
    """

    patient: Ints = field(repr=False)
    time: Floats = field(repr=False)
    kind: Ints = field(repr=False)
    index: Ints = field(repr=False)
    value: Floats = field(repr=False)

    @classmethod
    def of(cls, patient: ArrayLike, time: ArrayLike, kind: int, index: int, value: ArrayLike) -> Rows:
        """Rows of one kind and index; the arrays broadcast against each other."""
        who, when, what = np.broadcast_arrays(
            np.asarray(patient, np.int64), np.asarray(time, np.float64), np.asarray(value, np.float64)
        )
        kinds, indices = np.full(who.size, kind, np.int64), np.full(who.size, index, np.int64)
        return cls(who.ravel(), when.ravel(), kinds, indices, what.ravel())

    @classmethod
    def concatenate(cls, parts: Sequence[Rows]) -> Rows:
        """All rows one after the other."""
        if not parts:
            return cls.of([], [], 0, 0, [])
        names = ("patient", "time", "kind", "index", "value")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def where(self, which: NDArray[np.bool_] | Ints) -> Rows:
        """The rows marked, or the rows at these places in this order."""
        return Rows(self.patient[which], self.time[which], self.kind[which], self.index[which], self.value[which])


@dataclass(frozen=True)
class Context:
    """What a treatment knows when it makes its events.

    Attributes
    ----------
    patients, seed, horizon
        Who, the seed of the scenario, and the end of the study in days.
    index
        Number of the drug, product or procedure in the roster.
    identity
        ``drug:sorafenib``; with the patient it keys every draw, so that neither the arm nor the
        other treatments of the arm can change the luck.
    ordinal
        0 for the first course of this identity in the arm, 1 for the next.
    delays
        Times during which infusions wait.
    """

    patients: Recipients
    seed: int
    horizon: float
    index: int
    identity: str
    ordinal: int
    delays: Pauses

    @property
    def item(self) -> int:
        """Number that stands for the identity in the counter of a draw."""
        return zlib.crc32(self.identity.encode())

    def uniform(self, stream: int, occasion: int, rows: Ints | None = None) -> Floats:
        """A uniform draw in (0, 1) for each patient, or for those at ``rows``."""
        from tumorsim.kernels.random import uniforms

        return np.asarray(uniforms(self.seed, stream, self._ids(rows), self._occasion(occasion), self.item))

    def normal(self, stream: int, occasion: int, rows: Ints | None = None) -> Floats:
        """A standard normal draw for each patient, or for those at ``rows``."""
        from tumorsim.kernels.random import normals

        return np.asarray(normals(self.seed, stream, self._ids(rows), self._occasion(occasion), self.item))

    def trait(self, stream: int) -> Floats:
        """A uniform draw in (0, 1) for each patient that all courses of this identity share."""
        from tumorsim.kernels.random import uniforms

        return np.asarray(uniforms(self.seed, stream, self._ids(None), 0, self.item))

    def _ids(self, rows: Ints | None) -> Ints:
        ids = self.patients.ids if rows is None else self.patients.ids[rows]
        return np.ascontiguousarray(ids, dtype=np.int64)

    def _occasion(self, occasion: int) -> int:
        return self.ordinal * OCCASIONS + occasion


class Intervention(Block):
    """A treatment of an arm: a one-key mapping with options.

    A new one overrides `definition`, `emit`, `describe` and `planned`, and its name goes into
    ``INTERVENTIONS`` (docs/how-to/add-an-intervention.md).
    """

    KEY: ClassVar[str]
    """The key that tells it from the other treatments."""
    POOL: ClassVar[Pool | None] = None
    """Tuple of the roster that holds its definition; None if it needs none."""

    @property
    def definition(self) -> Process | None:
        """The drug, product or procedure of the library."""
        return None

    @property
    def name(self) -> str:
        """Name of what is given; keys its random draws."""
        return str(getattr(self.definition, "name", self.KEY))

    @property
    def first_day(self) -> float:
        """Planned start in days from randomisation."""
        return float(getattr(self, "start", 0.0))

    @property
    def stops_at_progression(self) -> bool:
        """Whether progression ends it."""
        return getattr(self, "until", "end") == "progression"

    def pauses(self, context: Context) -> Pauses | None:
        """Times during which it makes the infusions of the arm wait; None if it never does."""
        return None

    @abstractmethod
    def emit(self, context: Context) -> Rows:
        """Its events for every patient, as if nobody progressed."""

    @abstractmethod
    def describe(self) -> str:
        """One line for people."""

    @abstractmethod
    def planned(self, horizon: float) -> tuple[int, float]:
        """Number of doses and their total, as planned for one patient, in ``horizon`` days."""
