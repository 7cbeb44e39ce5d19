"""Transarterial chemoembolisation: sessions on fixed days, or on demand."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from tumorsim.interventions.amounts import CourseEnd, last_day
from tumorsim.interventions.base import Context, Floats, Intervention, Pool, Rows
from tumorsim.interventions.schedule import MAX_DOSES, ScheduleText
from tumorsim.kernels.layout import EVENT_TACE
from tumorsim.params.base import Duration
from tumorsim.params.tace import TaceModel


class Tace(Intervention):
    """Sessions of TACE (docs/theory/interventions.md).

    On a schedule every session takes place. On demand, an event is a day on which a session takes
    place if viable tumour is left and fewer than `max_sessions` were done: the model decides, so
    an event carries the limit as its value, and 0 when it is unconditional.
    """

    KEY: ClassVar[str] = "tace"
    POOL: ClassVar[Pool | None] = "procedures"

    tace: TaceModel
    schedule: ScheduleText | None = Field(None, description="Days of the sessions.")
    on_demand: bool = Field(False, description="Sessions while viable tumour remains.")
    min_interval: Duration = Field(
        42.0, ge=7, le=730, validate_default=False, description="Least time between sessions on demand."
    )
    max_sessions: int = Field(5, ge=1, le=50, description="Sessions on demand at most.")
    start: Duration = Field(0.0, ge=0, le=36525, validate_default=False, description="First possible session.")
    until: CourseEnd = Field("end", description="`end` of the study, or how long from its start.")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.on_demand == (self.schedule is not None):
            raise ValueError('TACE needs either a schedule or on_demand, e.g. "schedule: once" or "on_demand: true"')
        if self.until == "progression":
            raise ValueError(
                "TACE ends with its sessions, not at progression; "
                'limit it with max_sessions, a counted schedule or a time such as "until: 52 week"'
            )
        # against the defaults, not against what was written: a resolved scenario writes everything
        names = ("max_sessions", "min_interval")
        limits = [name for name in names if getattr(self, name) != type(self).model_fields[name].default]
        if limits and not self.on_demand:
            raise ValueError(f'{" and ".join(limits)} limit sessions on demand; write "on_demand: true" too')
        return self

    @property
    def definition(self) -> TaceModel:
        """The procedure of the library."""
        return self.tace

    def _days(self, horizon: float) -> Floats:
        """Days of sessions, or of possible ones on demand, from randomisation."""
        span = last_day(self.start, self.until, horizon) - self.start
        if self.schedule is not None:
            return self.start + self.schedule.days(span)
        days = np.arange(MAX_DOSES, dtype=np.float64) * self.min_interval
        return self.start + days[days < span]

    def emit(self, context: Context) -> Rows:
        """Sessions, or days of possible sessions."""
        limit = float(self.max_sessions) if self.on_demand else 0.0
        everybody = np.arange(context.patients.size)[:, None]
        return Rows.of(everybody, self._days(context.horizon), EVENT_TACE, context.index, limit)

    def describe(self) -> str:
        """One line for people."""
        name = self.tace.label or self.tace.name
        if self.schedule is not None:
            return f"{name}, {self.schedule.text}, from day {self.start:g}"
        return (
            f"{name} while viable tumour remains, at least {self.min_interval:g} d apart, "
            f"at most {self.max_sessions}, from day {self.start:g}"
        )

    def planned(self, horizon: float) -> tuple[int, float]:
        """Number of sessions (at most, on demand), twice."""
        days = self._days(horizon).size
        sessions = min(days, self.max_sessions) if self.on_demand else days
        return sessions, float(sessions)
