"""How the trial was made: accrual, follow-up, visits, imaging, allocation, matching."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tumorsim.interventions.schedule import ScheduleText
from tumorsim.params.base import Block, Duration, Length, Number, Probability, Rate

# What an assignment may look at and what may be matched on; the steps are those of `LogOdds`.
Covariate = Literal[
    "multiple_tumours", "diameter", "cirrhosis", "hbv", "platelets", "age", "male", "ablation"
]  # fmt: skip
COVARIATE_LABELS: dict[str, str] = {
    "multiple_tumours": "Multiple tumours",
    "diameter": "Largest tumour, cm",
    "cirrhosis": "Cirrhosis",
    "hbv": "Hepatitis B",
    "platelets": "Platelets, 50 × 10³/µL",
    "age": "Age, decades",
    "male": "Men",
    "ablation": "RFA or PEI",
}


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


class LogOdds(Block):
    """Log odds ratios of being meant for the treated arm, one a covariate (eq. A1); 0 is no influence."""

    multiple_tumours: Number = Field(0.0, ge=-10, le=10, description="More than one tumour, against one.")
    diameter: Number = Field(0.0, ge=-10, le=10, description="Per cm of the largest tumour.")
    cirrhosis: Number = Field(0.0, ge=-10, le=10, description="Cirrhosis, against none.")
    hbv: Number = Field(0.0, ge=-10, le=10, description="Hepatitis B, against none.")
    platelets: Number = Field(0.0, ge=-10, le=10, description="Per 50 x 10^3/uL of platelets.")
    age: Number = Field(0.0, ge=-10, le=10, description="Per 10 years.")
    male: Number = Field(0.0, ge=-10, le=10, description="Men, against women.")
    ablation: Number = Field(0.0, ge=-10, le=10, description="Radiofrequency or ethanol, against resection.")


class Assignment(Block):
    """Who is treated in an observational cohort (docs/theory/observational.md)."""

    arm: str = Field(max_length=64, description="The treated arm.", examples=["cik"])
    share: Probability = Field(gt=0, lt=1, description="Share of all patients who are meant for it (eq. A2).")
    log_odds: LogOdds = Field(default_factory=LogOdds, description="What the choice depends on.")
    membership: Literal["intended", "received"] = Field(
        "received",
        description="Whom the analysis counts as treated: all who were meant for the arm, or those who lived, free of "
        "recurrence and under observation, to receive a first infusion.",
    )


class Matching(Block):
    """1:1 matching on the propensity score (docs/theory/observational.md)."""

    covariates: tuple[Covariate, ...] = Field(
        min_length=1, max_length=8, description="What the propensity score is made of.", examples=["- diameter"]
    )
    caliper: Number = Field(
        0.2, gt=0, le=100, description="Widest pair, in standard deviations of the logit of the score."
    )

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if len(set(self.covariates)) != len(self.covariates):
            raise ValueError("covariates: name each covariate once, e.g. [multiple_tumours, diameter]")
        return self


class Design(Block):
    """Accrual, cut-off, allocation and loss to follow-up."""

    accrual: Duration = Field(gt=0, description="Enrolment period; entry times are uniform in it.")
    cutoff: Duration = Field(gt=0, description="Data cut-off, from the first enrolment.")
    allocation: Literal["twins", "randomised", "observational"] = Field(
        "twins", description="Every patient in every arm, or each in one: by lot, or as patients and doctors chose."
    )
    ratio: list[Number] = Field(default_factory=list, description="Patients per arm when randomised; equal if empty.")
    assignment: Assignment | None = Field(None, description="Who is treated, with allocation observational.")
    matching: Matching | None = Field(None, description="Matched analysis beside the whole one.")
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
