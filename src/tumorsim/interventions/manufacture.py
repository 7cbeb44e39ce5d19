"""Making an autologous cell product: collection, culture, release, failure and another attempt."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from tumorsim.interventions.amounts import CellDose
from tumorsim.interventions.base import Context, Floats, Ints
from tumorsim.params.base import Block, Cells, Duration, Number, Probability

# occasions of one attempt: culture time, failure, expansion
_DRAWS = 3


class Product(NamedTuple):
    """What manufacture gives each patient.

    Attributes
    ----------
    ready
        Day from randomisation of the first infusion; infinite when every attempt failed. Shape (n,).
    cells
        Cells there are for each infusion; infinite where the harvest is not modelled. Shape (n,).
    """

    ready: Floats
    cells: Floats


class Harvest(Block):
    """Cells ready for one infusion: collected × lymphocyte factor × expansion (eq. I7)."""

    collected: Cells = Field(gt=0, le=1e12, description="Cells put into culture when the lymphocyte factor is 1.")
    expansion: Number = Field(gt=0, le=1e5, description="Mean fold expansion in culture.")
    expansion_cv: Number = Field(0.0, ge=0, le=10, description="Its coefficient of variation (lognormal).")
    release_threshold: CellDose | None = Field(None, description="Least number of cells that is released.")


def _read_culture(raw: object) -> object:
    """A single duration is a culture time without spread."""
    return raw if isinstance(raw, list | tuple) else (raw, raw)


class Manufacture(Block):
    """From collection to release; nothing is given before (docs/theory/interventions.md, eq. I8).

    The first collection is on the first day of the course. An attempt takes logistics and a culture
    time, uniform in its range. It fails with a fixed probability, or when the harvest stays
    below the release threshold; then the next attempt begins, as long as there are attempts.
    """

    culture: Annotated[
        tuple[Duration, Duration], BeforeValidator(_read_culture, json_schema_input_type=list[str] | str)
    ] = Field(description="Shortest and longest culture time, e.g. [14 day, 21 day].")
    logistics: Duration = Field(
        0.0, ge=0, le=365, validate_default=False, description="Booking, release tests and transport of an attempt."
    )
    failure_probability: Probability = Field(0.0, description="Attempts without a product, whatever the harvest.")
    attempts: int = Field(1, ge=1, le=10, description="Collections at most.")
    harvest: Harvest | None = Field(None, description="Number of cells made; left out when it never limits the dose.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        shortest, longest = self.culture
        if not 0 < shortest <= longest <= 365:
            raise ValueError("culture must be above 0, at most a year, the shorter first, e.g. [14 day, 21 day]")
        return self

    def make(self, context: Context, start: float) -> Product:
        """Draw the attempts of every patient.

        Parameters
        ----------
        context
            Patients and draws.
        start
            Day of the first collection.
        """
        from tumorsim.kernels.random import STREAM_MANUFACTURE

        patients = context.patients.size
        ready, cells = np.full(patients, np.inf), np.zeros(patients)
        clock = np.full(patients, start)
        waiting = np.arange(patients)
        shortest, longest = self.culture
        for attempt in range(self.attempts):
            culture = context.uniform(STREAM_MANUFACTURE, _DRAWS * attempt, waiting)
            clock[waiting] += self.logistics + shortest + (longest - shortest) * culture
            luck = context.uniform(STREAM_MANUFACTURE, _DRAWS * attempt + 1, waiting)
            yielded, needed = self._yield(context, attempt, waiting)
            released = (luck >= self.failure_probability) & (yielded >= needed)
            done = waiting[released]
            ready[done], cells[done] = clock[done], yielded[released]
            waiting = waiting[~released]
        return Product(ready, cells)

    def _yield(self, context: Context, attempt: int, rows: Ints) -> tuple[Floats, Floats]:
        """Cells made and cells needed for release, for the patients at ``rows``."""
        from tumorsim.kernels.random import STREAM_MANUFACTURE

        if self.harvest is None:
            return np.full(rows.size, np.inf), np.zeros(rows.size)
        harvest = self.harvest
        cells = harvest.collected * harvest.expansion * context.patients.lymphocyte_factor[rows]
        if harvest.expansion_cv > 0:
            spread = math.log1p(harvest.expansion_cv**2)
            draw = context.normal(STREAM_MANUFACTURE, _DRAWS * attempt + 2, rows)
            cells = cells * np.exp(math.sqrt(spread) * draw - spread / 2)
        threshold = harvest.release_threshold
        needed = np.zeros(rows.size) if threshold is None else threshold.for_each(context.patients)[rows]
        return cells, needed

    def describe(self) -> str:
        """Part of a line for people."""
        shortest, longest = (t + self.logistics for t in self.culture)
        parts = [f"made in {shortest:g} d" if shortest == longest else f"made in {shortest:g} to {longest:g} d"]
        if self.failure_probability:
            parts.append(f"{100 * self.failure_probability:g} % of attempts fail")
        if self.attempts > 1:
            parts.append(f"{self.attempts} attempts")
        if self.harvest is not None and self.harvest.release_threshold is not None:
            parts.append(f"released from {self.harvest.release_threshold.text}")
        return ", ".join(parts)
