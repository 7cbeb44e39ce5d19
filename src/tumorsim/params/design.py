"""How the trial was made: accrual, follow-up, visits, imaging, allocation."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tumorsim.interventions.schedule import ScheduleText
from tumorsim.params.base import Block, Duration, Length, Number, Rate


class Imaging(Block):
    """What imaging sees and how well it measures (docs/theory/imaging.md)."""

    detection_diameter: Length = Field(gt=0, description="Diameter seen with probability one half.")
    detection_steepness: Number = Field(
        gt=0, le=20, description="Slope of the logistic law in the log of the diameter."
    )
    measurement_cv: Number = Field(0.06, ge=0, le=0.5, description="Coefficient of variation of a measured diameter.")
    measurable_diameter: Length = Field(gt=0, description="Smallest diameter of a target lesion at baseline.")
    target_lesions: int = Field(5, ge=1, le=10)


class Visits(Block):
    """Tumour assessments."""

    schedule: ScheduleText
    jitter: Duration = Field(
        0.0,
        ge=0,
        le=60,
        validate_default=False,
        description="Half-width of the visit window; actual days are uniform in it.",
    )


class Design(Block):
    """Accrual, cut-off, allocation and loss to follow-up."""

    accrual: Duration = Field(gt=0, description="Enrolment period; entry times are uniform in it.")
    cutoff: Duration = Field(gt=0, description="Data cut-off, from the first enrolment.")
    allocation: Literal["twins", "randomised"] = "twins"
    ratio: list[Number] = Field(default_factory=list, description="Patients per arm when randomised; equal if empty.")
    dropout_rate: Rate = Field(0.0, ge=0, le=0.05, validate_default=False, description="Hazard of loss to follow-up.")
    visits: Visits
    imaging: Imaging

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.cutoff <= self.accrual:
            raise ValueError(
                "cutoff must be later than the end of accrual, e.g. {accrual: 30 month, cutoff: 138 month}"
            )
        return self

    @property
    def horizon(self) -> float:
        """Longest possible follow-up in days."""
        return self.cutoff
