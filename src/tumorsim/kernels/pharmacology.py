"""Drug disposition and effect: scalar laws (docs/theory/pharmacology.md)."""

from __future__ import annotations

import math

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.growth import half_saturation
from tumorsim.kernels.layout import DRUG_STATES, DrugEffects

NANOMOLES_PER_MILLIMOLE = 1e6


@kernel(borrows=True)
def concentration(amount, drug):
    """Total plasma concentration in nmol/L of ``amount`` mg in the central volume."""
    return amount / drug.volume / drug.molar_mass * NANOMOLES_PER_MILLIMOLE


@kernel(borrows=True)
def clearance_now(days_on_drug, drug):
    """Clearance in L/day, rising with time on drug (eq. P2); the first dose starts the clock."""
    if days_on_drug <= 0.0:
        return drug.clearance
    return drug.clearance * (1.0 + drug.clearance_rise * (1.0 - math.exp(-days_on_drug / drug.clearance_rise_time)))


@kernel
def exit_rates(days_on_drug, drug):
    """Rates at which a drug leaves the central and the peripheral volume, 1/day; what saturates aside."""
    central = clearance_now(days_on_drug, drug) + drug.intercompartmental_clearance
    return central / drug.volume, drug.intercompartmental_clearance / drug.peripheral_volume


@kernel(borrows=True)
def emax(ceiling, amount, half):
    """Emax law ``ceiling * amount / (amount + half)`` (eq. P3)."""
    return ceiling * half_saturation(amount, half)


@kernel(borrows=True)
def dispose(t, y, dy, patient):
    """Phase: two-compartment disposition of every drug (eq. P1). Writes dy in mg/day."""
    for d in range(patient.drugs.shape[0]):
        drug = patient.drugs[d]
        central = y[DRUG_STATES * d]
        peripheral = y[DRUG_STATES * d + 1]
        level = central / drug.volume
        exchange = drug.intercompartmental_clearance * (level - peripheral / drug.peripheral_volume)
        saturable = drug.max_elimination * half_saturation(level, drug.half_elimination)
        cleared = clearance_now(t - patient.intake[d].start, drug) * level + saturable
        dy[DRUG_STATES * d] = drug.bioavailability * patient.intake[d].rate - cleared - exchange
        dy[DRUG_STATES * d + 1] = exchange


@kernel(borrows=True)
def drug_effects(y, penetration, patient):
    """What all drugs do now; effects of several drugs combine as independent actions (eq. P4).

    ``penetration`` is the concentration here against that in plasma; the patient model takes one.
    """
    births_s, births_r, kill_s, kill_r = 1.0, 1.0, 0.0, 0.0
    sprout_s, sprout_r, killers, bare = 1.0, 1.0, 1.0, 1.0
    for d in range(patient.drugs.shape[0]):
        drug = patient.drugs[d]
        level = penetration * concentration(y[DRUG_STATES * d], drug)
        residual = drug.resistant_sensitivity
        inhibition = emax(drug.proliferation_emax, level, drug.proliferation_ec50)
        cytotoxic = emax(drug.cytotoxic_rate, level, drug.cytotoxic_ec50)
        blocked = emax(drug.vessel_emax, level, drug.vessel_ec50)
        births_s *= 1.0 - inhibition
        births_r *= 1.0 - residual * inhibition
        kill_s += cytotoxic
        kill_r += residual * cytotoxic
        sprout_s *= 1.0 - blocked
        sprout_r *= 1.0 - residual * blocked
        killers *= 1.0 - emax(drug.effector_suppression_emax, level, drug.effector_suppression_ec50)
        bare *= 1.0 - emax(drug.opsonisation_emax, level, drug.opsonisation_ec50)
    return DrugEffects(
        1.0 - births_s, 1.0 - births_r, kill_s, kill_r, 1.0 - sprout_s, 1.0 - sprout_r, 1.0 - killers, 1.0 - bare
    )
