"""The body around the tumour: liver reserve and the hazards of death."""

from __future__ import annotations

from typing import Final

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity

MEAN_HEIGHT: Final = 168.0  # cm; height is not a covariate, so body surface follows weight alone


class Liver(Process):
    """Liver reserve between 1 (healthy) and 0 (docs/theory/liver.md)."""

    KERNEL = layout.Liver

    decline_rate: Parameter = quantity("rate", "k_L", "Decline of the reserve without cirrhosis.", ge=0, le=1)
    cirrhosis_decline_rate: Parameter = quantity("rate", "k_Lc", "Further decline with cirrhosis.", ge=0, le=1)
    tumour_cost: Parameter = quantity("tissue_rate", "k_LT", "Decline per millilitre of tumour in the liver.", ge=0)


class Hazards(Process):
    """Competing causes of death (docs/theory/hazards.md). No arm enters here."""

    KERNEL = layout.Hazards

    other_rate: Parameter = quantity("rate", "h_O", "Hazard of death from other causes at age 55.", ge=0, le=1)
    age_slope: Parameter = quantity(
        "dimensionless", "b_age", "Rise of the log hazard from other causes per year of age.", ge=0, le=0.3
    )
    tumour_rate: Parameter = quantity("rate", "h_T", "Hazard of death from tumour at saturating burden.", ge=0, le=1)
    tumour_half_burden: Parameter = quantity("tissue_volume", "B_50", "Tumour volume at half of that hazard.", gt=0)
    tumour_exponent: Parameter = quantity(
        "dimensionless", "gamma", "Steepness of the tumour hazard in volume.", gt=0, le=8
    )
    liver_rate: Parameter = quantity(
        "rate", "h_L", "Hazard of death from liver failure at a reserve of one half.", ge=0, le=1
    )
    liver_slope: Parameter = quantity(
        "dimensionless", "b_L", "Rise of the log hazard per unit of lost reserve.", ge=0, le=50
    )
