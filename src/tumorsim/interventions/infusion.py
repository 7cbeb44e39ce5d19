"""A course of cell infusions."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from tumorsim.interventions.amounts import CourseEnd, InfusedDose, last_day
from tumorsim.interventions.base import Context, Floats, Intervention, Pool, Rows
from tumorsim.interventions.drug import course_text
from tumorsim.interventions.manufacture import Manufacture, Product
from tumorsim.interventions.schedule import ScheduleText
from tumorsim.kernels.layout import EVENT_INFUSION
from tumorsim.params.base import Duration, Number, Probability
from tumorsim.params.cell_product import CellModel


def _lognormal(cv: float, draw: Floats) -> Floats:
    """Lognormal factor of mean 1 and coefficient of variation ``cv`` from standard normal draws."""
    variance = math.log1p(cv**2)
    return np.exp(math.sqrt(variance) * draw - variance / 2)


class CellInfusion(Intervention):
    """Infusions of killer cells on a schedule (docs/theory/interventions.md, eq. I6).

    A reported dose counts all cells. What enters the model is the effectors among the living:
    dose × viability × effector fraction. With ``manufacture`` the schedule begins when
    the product is released, and whoever never gets one is given nothing.
    """

    KEY: ClassVar[str] = "infusion"
    POOL: ClassVar[Pool | None] = "products"

    infusion: CellModel
    dose: InfusedDose = Field(description="All cells of one infusion, as studies report it.")
    cv_between_infusions: Number = Field(0.0, ge=0, le=5, description="Variation of the dose within a patient.")
    cv_between_patients: Number = Field(0.0, ge=0, le=5, description="Variation of a patient's mean dose.")
    viability: Probability = Field(1.0, description="Share of the infused cells that live.")
    effector_fraction: Probability = Field(1.0, description="Share of them that kill, e.g. CD3+CD56+ among CIK.")
    schedule: ScheduleText
    start: Duration = Field(
        0.0, ge=0, le=36525, validate_default=False, description="First infusion, or first collection when made."
    )
    until: CourseEnd = Field("progression", description="What ends the course.")
    manufacture: Manufacture | None = Field(None, description="Left out for a product off the shelf.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.schedule.every_day:
            raise ValueError(
                f'"{self.schedule.text}" gives cells every day without an end; '
                'count the infusions, e.g. "daily x 5" or "3 consecutive days every 6 weeks"'
            )
        if self.dose == "harvest" and (self.manufacture is None or self.manufacture.harvest is None):
            raise ValueError(
                "dose: harvest needs to know the harvest, "
                "e.g. manufacture: {culture: [14 day, 21 day], harvest: {collected: 1e8 cells, expansion: 60}}"
            )
        return self

    @property
    def definition(self) -> CellModel:
        """The product of the library."""
        return self.infusion

    def emit(self, context: Context) -> Rows:
        """Infusions with the number of living effectors."""
        span = last_day(self.start, self.until, context.horizon) - self.start
        patients = context.patients.size
        planned = self.schedule.days(span)
        if self.manufacture is None:
            made = Product(np.full(patients, self.start), np.full(patients, np.inf))
        else:
            made = self.manufacture.make(context, self.start)
        times = context.delays.delay(made.ready[:, None] + planned)
        rows = Rows.of(
            np.arange(patients)[:, None],
            times,
            EVENT_INFUSION,
            context.index,
            self._cells(context, made.cells, planned.size) * (self.viability * self.effector_fraction),
        )
        return rows.where(rows.time < self.start + span)

    def _cells(self, context: Context, available: Floats, infusions: int) -> Floats:
        """All cells of every infusion, at most what was made. Shape (n, infusions)."""
        from tumorsim.kernels.random import STREAM_INFUSION

        if self.dose == "harvest":
            return np.broadcast_to(available[:, None], (available.size, infusions))
        mean = self.dose.for_each(context.patients)
        if self.cv_between_patients > 0:
            mean = mean * _lognormal(self.cv_between_patients, context.normal(STREAM_INFUSION, 0))
        cells = np.repeat(mean[:, None], infusions, axis=1)
        if self.cv_between_infusions > 0:
            for number in range(infusions):
                draw = context.normal(STREAM_INFUSION, number + 1)
                cells[:, number] *= _lognormal(self.cv_between_infusions, draw)
        return np.minimum(cells, available[:, None])

    def describe(self) -> str:
        """One line for people."""
        dose = "all cells made" if self.dose == "harvest" else self.dose.text
        parts = [f"{self.infusion.label or self.infusion.name} {dose}, {course_text(self)}"]
        effective = self.viability * self.effector_fraction
        if effective < 1:
            parts.append(f"{100 * effective:.3g} % of the cells are living effectors")
        if self.manufacture is not None:
            parts.append(self.manufacture.describe())
        return "; ".join(parts)

    def planned(self, horizon: float) -> tuple[int, float]:
        """Number of infusions and all cells of them in the unit of the dose (NaN for `harvest`)."""
        infusions = self.schedule.days(last_day(self.start, self.until, horizon) - self.start).size
        return infusions, math.nan if self.dose == "harvest" else infusions * self.dose.amount
