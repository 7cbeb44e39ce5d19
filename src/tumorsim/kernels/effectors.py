"""Infused effectors in the body and on their way into lesions (docs/theory/effectors.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import half_saturation, positive_part
from tumorsim.kernels.layout import DRUG_STATES, PRODUCT_STATES


@kernel(borrows=True)
def recruitment_rate(volume, flow, maturity, vegf, baseline_maturity, p):
    """Fraction of the effectors in blood that a lesion, or one vessel's share of it, takes up per day (eq. E2)."""
    gain = positive_part(1.0 + p.maturity_gain * (maturity - baseline_maturity))
    adhesion = p.vegf_adhesion_half / (p.vegf_adhesion_half + vegf)
    return p.recruitment * volume * flow * gain * adhesion


@kernel
def exit_rates(p):
    """Rates at which effectors leave blood, lung, liver and the rest, 1/day; what lesions take aside."""
    blood = p.liver_uptake_rate + p.rest_uptake_rate + p.death_rate
    lung = p.lung_release_rate + p.death_rate
    return blood, lung, p.liver_return_rate + p.death_rate, p.rest_return_rate + p.death_rate


@kernel(borrows=True)
def circulate(y, dy, patient):
    """Phase: effectors between lung, blood, liver and the rest (eq. E1). Writes dy in cells/day.

    Lesions draw from blood in `derivatives`, which subtracts what they take.
    """
    first = DRUG_STATES * patient.drugs.shape[0]
    for i in range(patient.products.shape[0]):
        p = patient.products[i]
        at = first + PRODUCT_STATES * i
        blood, lung, liver, rest = y[at], y[at + 1], y[at + 2], y[at + 3]
        inflow = p.lung_release_rate * lung + p.liver_return_rate * liver + p.rest_return_rate * rest
        from_blood, from_lung, from_liver, from_rest = exit_rates(p)
        dy[at] = inflow - from_blood * blood
        dy[at + 1] = -from_lung * lung
        dy[at + 2] = p.liver_uptake_rate * blood - from_liver * liver
        dy[at + 3] = p.rest_uptake_rate * blood - from_rest * rest


@kernel(borrows=True)
def helpers(y, patient):
    """Infused effectors in liver and spleen/rest, all products: what helps to prime memory. Cells."""
    first = DRUG_STATES * patient.drugs.shape[0]
    total = 0.0
    for i in range(patient.products.shape[0]):
        at = first + PRODUCT_STATES * i
        total += y[at + 2] + y[at + 3]
    return total


@kernel(borrows=True)
def memory_change(memory, antigen, helper_cells, p):
    """Change of memory CD8 T cells per day, as a fraction of their ceiling (eq. M1)."""
    help_factor = 1.0 + p.helper_gain * half_saturation(helper_cells, p.helper_half)
    priming = p.expansion_rate * half_saturation(antigen, p.half_antigen) * help_factor
    return priming * (1.0 - memory) - p.loss_rate * memory
