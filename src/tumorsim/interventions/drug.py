"""A course of a drug: tablets as a rate of intake, infusions as single doses."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from tumorsim.interventions.amounts import CourseEnd, DrugDose, last_day
from tumorsim.interventions.base import Context, Floats, Intervention, Pauses, Pool, Rows
from tumorsim.interventions.hold import Hold
from tumorsim.interventions.schedule import Schedule, ScheduleText, parse_schedule
from tumorsim.kernels.layout import EVENT_DRUG_BOLUS, EVENT_DRUG_RATE
from tumorsim.params.base import Block, Duration, Number, Probability
from tumorsim.params.drug import DrugModel
from tumorsim.units import MONTH


class Adherence(Block):
    """Share of the prescribed doses that a patient takes, constant in time (eq. I2).

    Beta distributed between patients with this mean and standard deviation.
    """

    mean: Probability = 1.0
    sd: Number = Field(0.0, ge=0, lt=0.5, description="Standard deviation between patients.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sd > 0 and self.sd**2 >= self.mean * (1 - self.mean):
            raise ValueError(
                f"sd {self.sd:g} is impossible at a mean of {self.mean:g}: "
                "sd² must be below mean·(1 − mean), e.g. {mean: 0.9, sd: 0.1}"
            )
        return self

    def sample(self, context: Context) -> Floats:
        """Adherence of each patient. Shape (n,)."""
        from tumorsim.kernels.random import STREAM_ADHERENCE

        if self.sd == 0.0:
            return np.full(context.patients.size, self.mean)
        from scipy.special import betaincinv

        spread = self.mean * (1 - self.mean) / self.sd**2 - 1
        draw = context.trait(STREAM_ADHERENCE)
        return np.asarray(betaincinv(self.mean * spread, (1 - self.mean) * spread, draw))


def _read_adherence(raw: object) -> object:
    """A bare number or percentage is a mean without spread."""
    return raw if isinstance(raw, dict | Adherence) else {"mean": raw}


class DrugCourse(Intervention):
    """A drug given on a schedule (docs/theory/interventions.md, eq. I1).

    A drug taken by mouth enters as a constant rate per day of intake; doses within a day are
    not resolved. A drug given into a vein enters as single doses.
    """

    KEY: ClassVar[str] = "drug"
    POOL: ClassVar[Pool | None] = "drugs"

    drug: DrugModel
    dose: DrugDose = Field(description="One dose.")
    times_per_day: Number = Field(1.0, gt=0, le=6, description="Doses on a day of intake.")
    schedule: ScheduleText = Field(default_factory=lambda: parse_schedule("continuous"), description="Days of intake.")
    start: Duration = Field(0.0, ge=0, le=36525, validate_default=False, description="First day, from randomisation.")
    until: CourseEnd = Field("progression", description="What ends the course.")
    adherence: Annotated[Adherence, BeforeValidator(_read_adherence, json_schema_input_type=Adherence | float)] = Field(
        default_factory=Adherence, description="Share of the doses that is taken; a number or {mean, sd}."
    )
    hold: Hold | None = Field(None, description="Interruptions for toxicity.")

    @model_validator(mode="after")
    def _given_in_hospital(self) -> Self:
        if self.drug.route == "iv" and self.times_per_day != 1:
            raise ValueError(f"{self.drug.name} is given into a vein, once on a day; leave out times_per_day")
        if self.drug.route == "iv" and self.adherence != Adherence():
            raise ValueError(f"{self.drug.name} is given into a vein by staff; adherence is for drugs taken by mouth")
        return self

    @property
    def definition(self) -> DrugModel:
        """The drug of the library."""
        return self.drug

    def _holds(self, context: Context) -> Pauses:
        if self.hold is None:
            return Pauses.none(context.patients.size)
        return self.hold.sample(context, self.start, last_day(self.start, self.until, context.horizon))

    def pauses(self, context: Context) -> Pauses | None:
        """Its holds, when they delay infusions."""
        return self._holds(context) if self.hold is not None and self.hold.delays_infusions else None

    def emit(self, context: Context) -> Rows:
        """Changes of the rate of intake (mg/day), or single doses (mg); bioavailability is not applied."""
        span = last_day(self.start, self.until, context.horizon) - self.start
        dose = self.dose.for_each(context.patients)
        if self.drug.route == "iv":
            return self._boluses(context, dose, span)
        return self._rates(context, dose * self.times_per_day * self.adherence.sample(context), span)

    def _rates(self, context: Context, rate: Floats, span: float) -> Rows:
        on, off = self.schedule.intervals(span)
        everybody = np.arange(context.patients.size)[:, None]
        holds = self._holds(context)
        switches = np.broadcast_to(self.start + np.concatenate([on, off]), (everybody.size, 2 * on.size))
        given = np.repeat([1.0, 0.0], on.size)
        if self.hold is None or holds.start.shape[1] == 0:
            return Rows.of(everybody, switches, EVENT_DRUG_RATE, context.index, rate[:, None] * given)
        value = rate[:, None] * given * self.hold.dose_fraction(switches, holds)
        resumed = rate[:, None] * _given_at(holds.end - self.start, on, off)
        resumed = resumed * self.hold.dose_fraction(holds.end, holds)
        rows = Rows.concatenate(
            [
                Rows.of(everybody, switches, EVENT_DRUG_RATE, context.index, value),
                Rows.of(everybody, holds.start, EVENT_DRUG_RATE, context.index, 0.0),
                Rows.of(everybody, holds.end, EVENT_DRUG_RATE, context.index, resumed),
            ]
        )
        return rows.where(np.isfinite(rows.time))

    def _boluses(self, context: Context, dose: Floats, span: float) -> Rows:
        planned = self.start + self.schedule.days(span)
        holds = self._holds(context)
        times = holds.delay(np.broadcast_to(planned, (dose.size, planned.size)))
        fraction = np.ones(times.shape) if self.hold is None else self.hold.dose_fraction(times, holds)
        everybody = np.arange(dose.size)[:, None]
        rows = Rows.of(everybody, times, EVENT_DRUG_BOLUS, context.index, dose[:, None] * fraction)
        return rows.where(rows.time < self.start + span)

    def describe(self) -> str:
        """One line for people."""
        often = "" if self.times_per_day == 1 else f" {self.times_per_day:g} times a day"
        parts = [f"{self.drug.label or self.drug.name} {self.dose.text}{often}, {course_text(self)}"]
        if self.adherence != Adherence():
            spread = f" (SD {self.adherence.sd:g})" if self.adherence.sd else ""
            parts.append(f"adherence {self.adherence.mean:g}{spread}")
        if self.hold is not None and self.hold.rate > 0:
            parts.append(f"held for {self.hold.duration:g} d at {self.hold.rate * MONTH:g} events a month")
        return "; ".join(parts)

    def planned(self, horizon: float) -> tuple[int, float]:
        """Number of doses and their total in the unit of the dose, adherence and holds apart."""
        span = last_day(self.start, self.until, horizon) - self.start
        if self.drug.route == "iv":
            doses = self.schedule.days(span).size
        else:
            on, off = self.schedule.intervals(span)
            doses = round(float(np.sum(off - on)) * self.times_per_day)
        return doses, doses * self.dose.amount


def _given_at(times: Floats, on: Floats, off: Floats) -> Floats:
    """1 where a period of giving [on, off) holds the time, else 0; same shape as ``times``."""
    if on.size == 0:
        return np.zeros(times.shape)
    period = np.searchsorted(on, times, side="right") - 1
    return ((period >= 0) & (times < off[np.maximum(period, 0)])).astype(np.float64)


def course_text(course: Any) -> str:
    """Schedule, start and end of a course, for people."""
    schedule: Schedule = course.schedule
    until = f"for {course.until:g} d" if isinstance(course.until, float) else f"until {course.until}"
    return f"{schedule.text}, from day {course.start:g} {until}"
