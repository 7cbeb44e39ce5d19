"""Treatment after recurrence or progression; the same rule in every arm."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tumorsim.params.base import Block, Duration, Mass, Number, Probability
from tumorsim.params.drug import DrugModel
from tumorsim.params.tace import TaceModel


class Rescue(Block):
    """Drug given when local treatment is exhausted, or at progression."""

    drug: DrugModel
    dose: Mass = Field(gt=0)
    times_per_day: Number = Field(1.0, gt=0, le=6)
    adherence: Probability = 0.9


class Salvage(Block):
    """Treatment after recurrence (adjuvant) or progression (advanced); docs/theory/salvage.md."""

    delay: Duration = Field(28.0, ge=0, le=365, validate_default=False, description="From the visit to the treatment.")
    curative_probability: Probability = Field(0.0, description="Share of recurrences that are resected or ablated.")
    curative_at_most: int = Field(3, ge=0, le=30, description="Lesions seen, at most, for curative re-treatment.")
    residual_fraction: Number = Field(1e-8, ge=0, le=1e-2, description="Cells of a re-treated lesion that survive.")
    tace: TaceModel | None = None
    tace_at_most: int = Field(0, ge=0, le=20)
    tace_interval: Duration = Field(42.0, gt=0, le=365, validate_default=False)
    rescue: Rescue | None = None

    @model_validator(mode="after")
    def _needs_tace(self) -> Self:
        if self.tace_at_most and self.tace is None:
            raise ValueError("tace_at_most needs a procedure, e.g. tace: ctace")
        return self
