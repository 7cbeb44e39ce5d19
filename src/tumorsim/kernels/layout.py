"""Shapes, units and order of everything the kernels share.

One NamedTuple a process; ``params/`` declares the same fields in the same order
and refuses to import when they differ. Units: day, mg, L, nmol/L, cell, mL of
tissue, pg/mL of VEGF; fractions are dimensionless.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = Any  # a record, or an array of records, of a type named beside it


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
    access_volume: float


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
    cytostatic_share: float


class Depot(NamedTuple):
    concentration: float
    fall_rate: float
    kill_rate: float
    ec50: float


class Tace(NamedTuple):
    complete_probability: float
    complete_survival: float
    necrosis_mean: float
    necrosis_sd: float
    embolised_fraction: float
    vegf_pulse: float
    liver_cost: float
    mortality: float


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
# Of what is due at the same time the lowest comes first: image, then treat.
EVENT_VISIT = 0  # index visit number
EVENT_DRUG_RATE = 1  # index drug, value mg/day from now on (0 = off)
EVENT_DRUG_BOLUS = 2  # index drug, value mg
EVENT_INFUSION = 3  # index product, value cells
EVENT_TACE = 4  # index procedure, value session number
EVENT_RESECTION = 5  # removes the lesions seen

CAUSE_NONE, CAUSE_TUMOUR, CAUSE_LIVER, CAUSE_OTHER = 0, 1, 2, 3

# responses, ordered from best to worst; NOT_EVALUABLE when nothing was imaged
RESPONSE_NONE, RESPONSE_CR, RESPONSE_PR, RESPONSE_SD, RESPONSE_PD = 0, 1, 2, 3, 4


class DrugEffects(NamedTuple):
    """What all drugs together do at one moment; sensitive and resistant cells apart."""

    births_sensitive: float
    births_resistant: float
    killing_sensitive: float
    killing_resistant: float
    sprouting_sensitive: float
    sprouting_resistant: float
    effectors: float
    opsonisation: float


def row_type(fields: list[Any]) -> np.dtype[np.void]:
    """Record type whose fields are also attributes, as in a kernel, when compilation is off."""
    return np.dtype((np.record, fields))


def record(declared: type, *more: tuple[str, str]) -> np.dtype[np.void]:
    """Record type with the fields of a declared tuple, all float64, and ``more`` after them."""
    # `type` knows no fields, and no protocol that mypy finds in a class of tuples does
    return row_type([(name, "f8") for name in declared._fields] + list(more))  # type: ignore[attr-defined]


# Kernels take parameters and rows as records: one pointer each. The same fields as
# tuples of scalars made every call pass a hundred values and compilation five times longer.
DRUG = record(Drug, ("until_progression", "f8"))
PRODUCT = record(CellProduct, ("until_progression", "f8"))
QUANTILES = 129  # points of the tabulated necrosis law
DEPOT = record(Depot)
# of the Beta law; what a session leaves in the vessels it closes
PROCEDURE = row_type([*record(Tace).descr, ("necrosis_quantiles", "f8", (QUANTILES,)), ("depot", DEPOT)])
TRAITS = row_type(
    [
        ("growth", record(Growth)),
        ("resistance", record(Resistance)),
        ("vessels", record(Vessels)),
        ("trafficking", record(Trafficking)),
        ("suppression", record(Suppression)),
        ("memory", record(Memory)),
        ("liver", record(Liver)),
        ("hazards", record(Hazards)),
        ("number", "i8"),  # patient number, key of every draw
        ("age", "f8"),  # year
        ("cirrhosis", "f8"),  # 0 or 1
        ("reserve", "f8"),  # liver reserve at entry
        ("end", "f8"),  # day of the data cut-off from randomisation
    ]
)
LESION = row_type(
    [
        ("arrival", "f8"),  # day; <= 0 means present at entry
        ("mark", "f8"),  # uniform; a de novo lesion arrives when it exceeds the protection
        ("cells", "f8", (CLONES,)),  # clones S, R, A, RA at arrival
        ("capacity", "f8"),  # cells
        ("rate", "f8"),  # net growth rate, 1/day
        ("threshold", "f8"),  # mm, smallest diameter at which it is seen
        ("key", "i8"),  # key of its draws; does not shift when other lesions come or go
    ]
)
EVENT = row_type([("time", "f8"), ("kind", "i8"), ("index", "i8"), ("value", "f8")])
INTAKE = row_type([("rate", "f8"), ("start", "f8")])  # mg/day now; day of the first dose, inf before it
SLOT = row_type(
    [
        ("lesion", "i8"),  # number within the patient
        ("key", "i8"),
        ("rate", "f8"),  # net growth rate, 1/day
        ("threshold", "f8"),  # mm
        ("small", "f8"),  # cells when the lesion became small; 0 while it is not
        ("draw", "f8"),  # uniform; a small lesion dies out when its chance of being alive falls below it
    ]
)
MARK = row_type([("seen", "i8"), ("target", "i8"), ("entries", "i8")])  # entries: into the small regime
MEMO = row_type(
    [
        ("rejected", "f8"),  # steps rejected so far
        ("due", "f8"),  # day of the next salvage treatment; inf = none planned
        ("line", "i8"),  # LINE code
        ("decisions", "i8"),  # salvage decisions so far
        ("sessions", "i8"),  # TACE sessions so far
        ("baseline", "f8"),  # mm, -1 before the baseline visit
        ("nadir", "f8"),
        ("viable_baseline", "f8"),
        ("viable_nadir", "f8"),
        ("regrown", "f8"),  # resistant cells that are a regrowth; 0 = not watched for
        ("limits", "f8", (3,)),  # cumulative hazards (tumour, liver, other) at which the patient dies
        ("traced", "i8"),  # points of the trajectory stored so far
    ]
)
POLICY = row_type(
    [
        ("seed", "i8"),
        ("adjuvant", "i8"),
        ("measurement_cv", "f8"),
        ("measurable_diameter", "f8"),  # mm
        ("target_lesions", "i8"),
        ("salvage_delay", "f8"),
        ("curative_probability", "f8"),
        ("curative_at_most", "i8"),
        ("residual_fraction", "f8"),
        ("tace", "i8"),  # procedure on demand after progression
        ("tace_at_most", "i8"),
        ("tace_interval", "f8"),
        ("rescue_drug", "i8"),  # -1 = none
        ("rescue_rate", "f8"),  # mg/day
        ("relative_tolerance", "f8"),
        ("max_steps", "i8"),
    ]
)
OUTCOME_NAMES = (
    "death_time", "death_cause", "progression_time", "mrecist_progression_time", "salvage", "infusions",
    "cells_infused", "resistant_time", "resistant_regrowth_time", "lesions_extinct", "steps", "status",
    "failure_time",
)  # fmt: skip
VISIT_NAMES = (
    "visit_time", "sum_diameters", "sum_viable_diameters", "lesions_seen", "new_lesion",
    "response_recist", "response_mrecist",
)  # fmt: skip
TRACE_NAMES = (
    "sensitive", "resistant", "antigen_low", "dead_cells", "tumour_volume", "largest_diameter", "lesions",
    "drug_concentration", "effectors_blood", "effectors_lung", "effectors_liver", "effectors_tumour",
    "effectors_exhausted", "memory", "liver_reserve", "capacity", "maturity", "perfusion", "vegf",
)  # fmt: skip
OUTCOME = row_type([(name, "f8") for name in OUTCOME_NAMES])
VISIT = row_type([(name, "f8") for name in VISIT_NAMES])
TRACE = row_type([(name, "f8") for name in TRACE_NAMES])


class Patient(NamedTuple):
    """What the right-hand side of one patient needs; constant between two events."""

    traits: Records  # record TRAITS
    drugs: Records  # (drug,) records DRUG
    products: Records  # (product,) records PRODUCT
    procedures: Records  # (procedure,) records PROCEDURE, the same for every patient
    intake: Records  # (drug,) records INTAKE
    slots: Records  # (slot,) records SLOT, one a present lesion


LANES = 8  # patients that are integrated side by side (docs/numerics/lanes.md)


class Lanes(NamedTuple):
    """Numbers of `LANES` patients side by side: row r of lane i is at ``r * LANES + i``.

    One flat array, so that a loop over lanes is one over neighbours in memory, and calls hand over little. A lane alone
    is the same array from its first number on. The parts begin where ``at_...`` says.
    """

    numbers: Floats
    states: int
    drugs: int
    products: int
    at_y: int  # states rows
    at_y_new: int  # states rows
    at_k: int  # decay.ROWS times states rows: slopes at the seven stages, and the modes of the body
    at_atol: int  # states rows
    at_par: int  # rows of `lanes`: parameters, intake, slots
    at_clock: int  # rows of `lanes`: days, steps, errors
    at_scratch: int  # rows of `derivatives` and `decay`


class Work(NamedTuple):
    """Mutable state of the patient in hand. Bind an array to a name before writing to it."""

    y: Floats  # (states,) body, then lesions by slot; a view of the lane, like the next two
    y_new: Floats
    k: Floats  # (decay.ROWS, states) slopes at the seven stages, and the modes of the body
    lanes: Lanes  # the lane alone
    memo: Records  # record MEMO
    marks: Records  # (lesion,) records MARK
    stopped: Ints  # (drug + product,) given no more


class Cohort(NamedTuple):
    """Inputs of a batch of patients; lesions and events are ragged, by offset."""

    traits: Records  # (n,) TRAITS
    drugs: Records  # (n, drug) DRUG
    products: Records  # (n, product) PRODUCT
    procedures: Records  # (procedure,) PROCEDURE
    lesion_offset: Ints  # (n + 1,)
    lesions: Records  # (lesion,) LESION, by arrival within a patient
    event_offset: Ints  # (n + 1,)
    events: Records  # (event,) EVENT, by time within a patient


class Outcomes(NamedTuple):
    """Outputs of a batch of one arm; one row a patient."""

    event: Records  # (n,) OUTCOME
    visit: Records  # (n, visit) VISIT
    trace: Records  # (traced, time) TRACE
    trace_time: Floats  # (time,)
    trace_row: Ints  # (n,) row in trace, -1 = not traced
    memo: Records  # (n,) MEMO, zeroed: the kernel's own notes on each patient


LINE_NONE, LINE_TACE, LINE_RESCUE, LINE_SUPPORTIVE = 0, 1, 2, 3
STATUS_DONE, STATUS_SMALL_STEP, STATUS_NOT_FINITE, STATUS_MANY_STEPS = 0, 1, 2, 3
SALVAGE_NONE, SALVAGE_CURATIVE, SALVAGE_TACE, SALVAGE_TKI, SALVAGE_SUPPORTIVE = 0, 1, 2, 3, 4
