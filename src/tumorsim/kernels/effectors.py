"""Infused effectors in the body and on their way into lesions (docs/theory/effectors.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import half_saturation, positive_part
from tumorsim.kernels.layout import DRUG_STATES, PRODUCT_STATES


@kernel(inline=True)
def recruitment_rate(volume, flow, maturity, vegf, baseline_maturity, p):
    """Fraction of the effectors in blood that a lesion, or one vessel's share of it, takes up per day (eq. E2)."""
    gain = positive_part(1.0 + p.maturity_gain * (maturity - baseline_maturity))
    adhesion = p.vegf_adhesion_half / (p.vegf_adhesion_half + vegf)
    return p.recruitment * volume * flow * gain * adhesion


@kernel(inline=True)
def exit_rates(p):
    """Rates at which effectors leave blood, lung, liver and the rest, 1/day; what lesions take aside."""
    blood = p.liver_uptake_rate + p.rest_uptake_rate + p.death_rate
    lung = p.lung_release_rate + p.death_rate
    return blood, lung, p.liver_return_rate + p.death_rate, p.rest_return_rate + p.death_rate


@kernel(inline=True)
def circulation(blood, lung, liver, rest, p):
    """Change of the effectors in blood, lung, liver and the rest, cells/day (eq. E1); what lesions take aside."""
    inflow = p.lung_release_rate * lung + p.liver_return_rate * liver + p.rest_return_rate * rest
    from_blood, from_lung, from_liver, from_rest = exit_rates(p)
    to_liver, to_rest = p.liver_uptake_rate * blood, p.rest_uptake_rate * blood
    return inflow - from_blood * blood, -from_lung * lung, to_liver - from_liver * liver, to_rest - from_rest * rest


@kernel(borrows=True)
def circulate(y, dy, patient):
    """Phase: effectors between lung, blood, liver and the rest. Writes dy in cells/day."""
    first = DRUG_STATES * patient.drugs.shape[0]
    for i in range(patient.products.shape[0]):
        at = first + PRODUCT_STATES * i
        blood, lung, liver, rest = circulation(y[at], y[at + 1], y[at + 2], y[at + 3], patient.products[i])
        dy[at], dy[at + 1], dy[at + 2], dy[at + 3] = blood, lung, liver, rest


@kernel(borrows=True)
def helpers(y, patient):
    """Infused effectors in liver and spleen/rest, all products: what helps to prime memory. Cells."""
    first = DRUG_STATES * patient.drugs.shape[0]
    total = 0.0
    for i in range(patient.products.shape[0]):
        at = first + PRODUCT_STATES * i
        total += y[at + 2] + y[at + 3]
    return total


@kernel(inline=True)
def memory_change(memory, antigen, helper_cells, p):
    """Change of memory CD8 T cells per day, as a fraction of their ceiling (eq. M1)."""
    help_factor = 1.0 + p.helper_gain * half_saturation(helper_cells, p.helper_half)
    priming = p.expansion_rate * half_saturation(antigen, p.half_antigen) * help_factor
    return priming * (1.0 - memory) - p.loss_rate * memory
