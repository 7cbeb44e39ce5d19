"""Killing of tumour cells by effectors: scalar laws (docs/theory/killing.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.elementary import cube_root
from tumorsim.kernels.growth import half_saturation, positive_part

ONE_CELL = 1.0


@kernel(inline=True)
def engagement(effectors, cells, half_e_to_t):
    """Share of the largest killing hazard reached: saturating in both (eq. K2)."""
    return effectors / (effectors + half_e_to_t * cells + ONE_CELL)


@kernel(inline=True)
def contact(effectors, cells, half_e_to_t):
    """Share of the effectors that are in contact with a tumour cell (eq. K3)."""
    return half_e_to_t * cells / (effectors + half_e_to_t * cells + ONE_CELL)


@kernel(inline=True)
def access(volume, p):
    """Share of a lesion's cells that effectors reach (eq. K6): they stay near margin and vessels.

    One for a small deposit; falls with the radius of a large lesion, so with volume^(1/3).
    """
    return 1.0 / (1.0 + cube_root(volume / p.access_volume))


@kernel(inline=True)
def permitted(oxygen, vegf, vegf_half_effect, suppressors, p):
    """Share of killing that the micro-environment permits (eq. K4): three independent filters.

    ``suppressors`` is the suppressive factor against that of solid tumour; the mean of a lesion has one.
    """
    hypoxic = 1.0 - p.hypoxic * (1.0 - oxygen)
    return (1.0 - p.baseline * suppressors) * hypoxic * (1.0 - p.vegf * half_saturation(vegf, vegf_half_effect))


@kernel(inline=True)
def antibody_and_receptor_factor(opsonisation, antigen, product):
    """Rise of killing through CD16 and through a CAR (eq. K5); both need the antigen."""
    adcc = product.adcc_gain * product.cd16_fraction * opsonisation
    return 1.0 + antigen * (adcc + product.car_gain)


@kernel(inline=True)
def action(reached, opsonisation, product):
    """Hazards of clones S, R, A and RA by one product in 1/day, where ``reached`` of the largest is (eq. K1)."""
    low = product.kill_rate * reached
    high = low * antibody_and_receptor_factor(opsonisation, 1.0, product)
    resistant, antigen_low = product.resistant_activity, product.antigen_low_activity
    return high, resistant * high, antigen_low * low, antigen_low * resistant * low


@kernel(inline=True)
def births_left(birth, halting):
    """Births per cell and day while effectors stop ``halting`` of them (eq. K8); turnover goes on."""
    return positive_part(birth - halting)
