"""Shapes, units and order of everything the kernels share.

One NamedTuple a process; ``params/`` declares the same fields in the same order
and refuses to import when they differ. Units: day, mg, L, nmol/L, cell, mL of
tissue, pg/mL of VEGF; fractions are dimensionless.
"""

from __future__ import annotations

from typing import NamedTuple


class Growth(NamedTuple):
    growth_rate: float
    hypoxia_half_effect: float
    turnover_rate: float
    cell_density: float
    dead_clearance_rate: float
    extinction_size: float


class Resistance(NamedTuple):
    mutation_probability: float
    switch_on_rate: float
    switch_off_rate: float
    fitness_cost: float
    antigen_loss_probability: float


class Vessels(NamedTuple):
    capacity_growth_rate: float
    vegf_half_effect: float
    capacity_loss_rate: float
    embolised_loss_rate: float
    maturation_rate: float
    pruning_rate: float
    pruning_occupancy: float
    maturity_relaxation_rate: float
    baseline_maturity: float
    maturity_perfusion_gain: float
    half_perfusion: float
    recanalisation_rate: float
    vegf_secretion: float
    hypoxic_vegf_gain: float
    vegf_clearance_rate: float
    vegf_pulse_decay_rate: float


class Trafficking(NamedTuple):
    recruitment: float
    maturity_gain: float
    vegf_adhesion_half: float


class Suppression(NamedTuple):
    baseline: float
    hypoxic: float
    vegf: float


class Memory(NamedTuple):
    expansion_rate: float
    half_antigen: float
    helper_gain: float
    helper_half: float
    loss_rate: float
    kill_rate: float
    mhc_positive_fraction: float
    de_novo_protection: float


class Liver(NamedTuple):
    decline_rate: float
    cirrhosis_decline_rate: float
    tumour_cost: float


class Hazards(NamedTuple):
    other_rate: float
    age_slope: float
    tumour_rate: float
    tumour_half_burden: float
    tumour_exponent: float
    liver_rate: float
    liver_slope: float


class Drug(NamedTuple):
    clearance: float
    volume: float
    intercompartmental_clearance: float
    peripheral_volume: float
    max_elimination: float
    half_elimination: float
    clearance_rise: float
    clearance_rise_time: float
    bioavailability: float
    molar_mass: float
    proliferation_emax: float
    proliferation_ec50: float
    cytotoxic_rate: float
    cytotoxic_ec50: float
    vessel_emax: float
    vessel_ec50: float
    effector_suppression_emax: float
    effector_suppression_ec50: float
    opsonisation_emax: float
    opsonisation_ec50: float
    resistant_sensitivity: float


class CellProduct(NamedTuple):
    lung_release_rate: float
    liver_uptake_rate: float
    rest_uptake_rate: float
    liver_return_rate: float
    rest_return_rate: float
    death_rate: float
    tumour_death_rate: float
    exhaustion_rate: float
    kill_rate: float
    half_e_to_t: float
    resistant_activity: float
    antigen_low_activity: float
    cd16_fraction: float
    adcc_gain: float
    car_gain: float


# --- the state vector of one patient -------------------------------------------
# body: drugs x (central mg, peripheral mg), products x (blood, lung, liver, rest
# cells), memory (0-1), liver reserve (0-1), cumulative hazard by tumour, liver and
# other causes. Then each present lesion, `lesion_width` numbers.
DRUG_STATES = 2
PRODUCT_STATES = 4
BODY_TAIL = 5
# lesion: S, R, A, RA cells, dead cells, capacity, maturity, embolised fraction,
# VEGF pulse, extinction integral, then products x (functional, exhausted).
CLONES = 4
DEAD = 4
CAPACITY = 5
MATURITY = 6
EMBOLISED = 7
VEGF_PULSE = 8
EXTINCTION = 9
LESION_HEAD = 10

# --- event kinds: columns of an event are time, kind, index, value ----------------
EVENT_DRUG_RATE = 1      # index drug, value mg/day from now on (0 = off)
EVENT_DRUG_BOLUS = 2     # index drug, value mg
EVENT_INFUSION = 3       # index product, value cells
EVENT_TACE = 4           # index procedure, value session number
EVENT_RESECTION = 5      # removes the lesions seen
EVENT_VISIT = 6          # index visit number
EVENT_NEW_LESION = 7     # index lesion (arrival of a de novo lesion)
EVENT_STOP = 8           # leaves the study horizon

CAUSE_NONE, CAUSE_TUMOUR, CAUSE_LIVER, CAUSE_OTHER = 0, 1, 2, 3

# responses, ordered from best to worst; NOT_EVALUABLE when nothing was imaged
RESPONSE_NONE, RESPONSE_CR, RESPONSE_PR, RESPONSE_SD, RESPONSE_PD = 0, 1, 2, 3, 4
