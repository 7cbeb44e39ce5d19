"""Drug disposition and effect: scalar laws (docs/theory/pharmacology.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.elementary import exp
from tumorsim.kernels.growth import half_saturation
from tumorsim.kernels.layout import DRUG_STATES, DrugEffects

NANOMOLES_PER_MILLIMOLE = 1e6


@kernel(inline=True)
def concentration(amount, drug):
    """Total plasma concentration in nmol/L of ``amount`` mg in the central volume."""
    return amount / drug.volume / drug.molar_mass * NANOMOLES_PER_MILLIMOLE


@kernel(inline=True)
def clearance_now(days_on_drug, drug):
    """Clearance in L/day, rising with time on drug (eq. P2); the first dose starts the clock."""
    taken = days_on_drug if days_on_drug > 0.0 else 0.0
    return drug.clearance * (1.0 + drug.clearance_rise * (1.0 - exp(-taken / drug.clearance_rise_time)))


@kernel(inline=True)
def exit_rates(days_on_drug, drug):
    """Rates at which a drug leaves the central and the peripheral volume, 1/day; what saturates aside."""
    central = clearance_now(days_on_drug, drug) + drug.intercompartmental_clearance
    return central / drug.volume, drug.intercompartmental_clearance / drug.peripheral_volume


@kernel(inline=True)
def emax(ceiling, amount, half):
    """Emax law ``ceiling * amount / (amount + half)`` (eq. P3)."""
    return ceiling * half_saturation(amount, half)


@kernel(inline=True)
def disposition(central, peripheral, intake, days_on_drug, drug):
    """Change of the amounts in the central and the peripheral volume, mg/day (eq. P1); ``intake`` in mg/day."""
    level = central / drug.volume
    exchange = drug.intercompartmental_clearance * (level - peripheral / drug.peripheral_volume)
    saturable = drug.max_elimination * half_saturation(level, drug.half_elimination)
    cleared = clearance_now(days_on_drug, drug) * level + saturable
    return drug.bioavailability * intake - cleared - exchange, exchange


@kernel(borrows=True)
def dispose(t, y, dy, patient):
    """Phase: two-compartment disposition of every drug. Writes dy in mg/day."""
    for d in range(patient.drugs.shape[0]):
        at, intake = DRUG_STATES * d, patient.intake[d]
        dy[at], dy[at + 1] = disposition(y[at], y[at + 1], intake.rate, t - intake.start, patient.drugs[d])


UNTOUCHED = DrugEffects(1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0)


@kernel(inline=True)
def with_drug(left, level, drug):
    """What one more drug at ``level`` nmol/L leaves (eq. P4): independent actions multiply, killing adds up.

    ``left`` begins as `UNTOUCHED`; `effects_of` turns what is left into effects.
    """
    residual = drug.resistant_sensitivity
    inhibition = emax(drug.proliferation_emax, level, drug.proliferation_ec50)
    cytotoxic = emax(drug.cytotoxic_rate, level, drug.cytotoxic_ec50)
    blocked = emax(drug.vessel_emax, level, drug.vessel_ec50)
    return DrugEffects(
        left.births_sensitive * (1.0 - inhibition),
        left.births_resistant * (1.0 - residual * inhibition),
        left.killing_sensitive + cytotoxic,
        left.killing_resistant + residual * cytotoxic,
        left.sprouting_sensitive * (1.0 - blocked),
        left.sprouting_resistant * (1.0 - residual * blocked),
        left.effectors * (1.0 - emax(drug.effector_suppression_emax, level, drug.effector_suppression_ec50)),
        left.opsonisation * (1.0 - emax(drug.opsonisation_emax, level, drug.opsonisation_ec50)),
    )


@kernel(inline=True)
def effects_of(left):
    """Effects from what drugs have left."""
    return DrugEffects(
        1.0 - left.births_sensitive,
        1.0 - left.births_resistant,
        left.killing_sensitive,
        left.killing_resistant,
        1.0 - left.sprouting_sensitive,
        1.0 - left.sprouting_resistant,
        1.0 - left.effectors,
        1.0 - left.opsonisation,
    )


@kernel(borrows=True)
def drug_effects(y, penetration, patient):
    """What all drugs do now.

    ``penetration`` is the concentration here against that in plasma; the patient model takes one.
    """
    left = UNTOUCHED
    for d in range(patient.drugs.shape[0]):
        drug = patient.drugs[d]
        left = with_drug(left, penetration * concentration(y[DRUG_STATES * d], drug), drug)
    return effects_of(left)
