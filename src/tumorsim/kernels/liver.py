"""Liver reserve and competing hazards: scalar laws (docs/theory/liver.md, hazards.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.elementary import exp, power
from tumorsim.kernels.growth import positive_part

HALF_RESERVE = 0.5
REFERENCE_AGE = 55.0


@kernel(inline=True)
def natural_decline(cirrhosis, p):
    """Decline of the reserve per day without tumour, as a fraction of what is left."""
    return p.decline_rate + p.cirrhosis_decline_rate * cirrhosis


@kernel(inline=True)
def reserve_change(reserve, cirrhosis, tumour_volume, p):
    """Change of the liver reserve per day (eq. L1)."""
    return -(natural_decline(cirrhosis, p) + p.tumour_cost * tumour_volume) * reserve


@kernel(inline=True)
def background_reserve(t, entry, cirrhosis, p):
    """Reserve after ``t`` days had there been neither tumour nor its treatment (eq. L2)."""
    return entry * exp(-natural_decline(cirrhosis, p) * t)


@kernel(inline=True)
def age_factor(age, p):
    """Hazard of death from other causes against that at 55 years (eq. H3)."""
    return exp(p.age_slope * (age - REFERENCE_AGE))


@kernel(inline=True)
def other_hazard(age, p):
    """Hazard of death from other causes per day (eq. H3)."""
    return p.other_rate * age_factor(age, p)


@kernel(inline=True)
def tumour_hazard(volume, p):
    """Hazard of death from tumour per day at ``volume`` mL in all lesions (eq. H1)."""
    relative = power(volume / p.tumour_half_burden, p.tumour_exponent)
    return p.tumour_rate * relative / (1.0 + relative)


@kernel(inline=True)
def liver_hazard(reserve, p):
    """Hazard of death from liver failure per day (eq. H2)."""
    return p.liver_rate * exp(p.liver_slope * (HALF_RESERVE - reserve))


@kernel(inline=True)
def excess_hazard(hazard, background, p):
    """Part of the liver ``hazard`` that the reserve ``background`` does not explain (eq. H5): it is the tumour's."""
    return positive_part(hazard - liver_hazard(background, p))
