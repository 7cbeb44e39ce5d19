"""Who the virtual patients are."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tumorsim.params.base import Block, Length, Number, Platelets, Probability, Weight

Modality = Literal["resection", "RFA", "PEI"]


class Spread(Block):
    """A normal covariate, cut to a range."""

    mean: Number
    sd: Number = Field(gt=0)
    low: Number
    high: Number

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.mean < self.high:
            raise ValueError("mean must lie between low and high, e.g. {mean: 55, sd: 10, low: 20, high: 85}")
        return self


class LesionNumber(Block):
    """Number of lesions at index treatment or baseline: 1 + a geometric tail."""

    single: Probability = Field(description="Share of patients with one lesion.")
    more: Number = Field(1.5, gt=0, le=15, description="Mean number beyond two, for the others.")
    at_most: int = Field(8, ge=1, le=30)


class Diameter(Block):
    """Lognormal diameter of the largest lesion."""

    median: Length = Field(gt=0)
    spread: Number = Field(gt=0, le=2, description="Standard deviation of the natural log.")
    low: Length = Field(gt=0)
    high: Length = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.median < self.high:
            raise ValueError(
                "median must lie between low and high, e.g. {median: 21 mm, spread: 0.5, low: 8 mm, high: 60 mm}"
            )
        return self


class Population(Block):
    """Distributions from which virtual patients are drawn; the same in every arm."""

    setting: Literal["adjuvant", "advanced"]
    patients: int = Field(
        500, ge=1, le=10_000_000, description="Virtual patients (each enters every arm with allocation twins)."
    )
    age: Spread
    male: Probability
    weight_mean: Weight = Field(gt=20, le=200)
    weight_sd: Weight = Field(gt=0, le=60)
    hbv: Probability
    cirrhosis: Probability
    child_pugh_b: Probability = Field(description="Share of Child-Pugh class B; the rest is A.")
    platelets_median: Platelets = Field(gt=5, le=1000)
    platelets_spread: Number = Field(gt=0, le=2, description="Standard deviation of the natural log.")
    modality: dict[Modality, Probability] = Field(
        default_factory=dict, description="Index treatment (adjuvant setting)."
    )
    diameter: Diameter
    number: LesionNumber
    reserve_a: Number = Field(0.9, gt=0, le=1, description="Liver reserve at entry, Child-Pugh A.")
    reserve_b: Number = Field(0.65, gt=0, le=1, description="Liver reserve at entry, Child-Pugh B.")
    lymphocyte_cv: Number = Field(0.3, ge=0, le=3, description="Coefficient of variation of the collection yield.")

    @model_validator(mode="after")
    def _modalities(self) -> Self:
        if self.setting == "adjuvant":
            total = sum(self.modality.values())
            if abs(total - 1.0) > 0.005:
                example = "{resection: 0.31, RFA: 0.58, PEI: 0.11}"
                raise ValueError(f"modality shares add up to {total:g} and must add up to 1, e.g. {example}")
        elif self.modality:
            raise ValueError("modality describes curative treatment; leave it out when setting is advanced")
        return self
