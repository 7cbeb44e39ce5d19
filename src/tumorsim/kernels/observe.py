"""What is seen of a patient: imaging visits and stored trajectories."""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.derivatives import body_width, lesion_supply, lesion_width, viable_cells
from tumorsim.kernels.growth import diameter_mm, volume_ml
from tumorsim.kernels.imaging import call_response, measured_diameter
from tumorsim.kernels.layout import (
    BODY_TAIL,
    CAPACITY,
    DEAD,
    DRUG_STATES,
    LESION_HEAD,
    MATURITY,
    PRODUCT_STATES,
    RESPONSE_NONE,
    RESPONSE_PD,
)
from tumorsim.kernels.pharmacology import concentration


@kernel(borrows=True)
def lesion_diameters(y, base, patient):
    """Total and viable diameter of one lesion in mm."""
    density = patient.traits.growth.cell_density
    viable = viable_cells(y, base)
    return diameter_mm(volume_ml(viable + y[base + DEAD], density)), diameter_mm(volume_ml(viable, density))


@kernel(borrows=True)
def read_lesion(visit, slot, work, patient, policy):
    """Total and viable diameter as read at a visit (eq. O2), in mm; zero for what does not show."""
    place = patient.slots[slot]
    total, viable = lesion_diameters(work.y, body_width(patient) + slot * lesion_width(patient), patient)
    reading = measured_diameter(total, policy.measurement_cv, policy.seed, patient.traits.number, visit, place.key)
    if not reading >= place.threshold:
        return 0.0, 0.0
    viable *= reading / total
    return reading, viable if viable >= place.threshold else 0.0


@kernel(borrows=True)
def choose_targets(visit, lesions, work, patient, policy):
    """Phase: at baseline the largest measurable lesions in sight become targets."""
    for _ in range(policy.target_lesions):
        best, largest = -1, policy.measurable_diameter
        for slot in range(lesions):
            reading, _viable = read_lesion(visit, slot, work, patient, policy)
            if reading >= largest and work.marks[patient.slots[slot].lesion].target == 0:
                best, largest = slot, reading
        if best >= 0:
            chosen = work.marks[patient.slots[best].lesion]
            chosen.target = 1


@kernel(borrows=True)
def image(visit, lesions, work, patient, policy):
    """Phase: read every lesion once. Returns (target sum, viable target sum, lesions seen, new lesion)."""
    total_sum, viable_sum, count, new = 0.0, 0.0, 0, False
    for slot in range(lesions):
        mark = work.marks[patient.slots[slot].lesion]
        reading, viable = read_lesion(visit, slot, work, patient, policy)
        if reading == 0.0:
            continue
        count += 1
        if mark.seen == 0:
            new = True
            mark.seen = 1
        if mark.target == 1:
            total_sum += reading
            viable_sum += viable
    return total_sum, viable_sum, count, new


@kernel(borrows=True)
def assess(t, visit, lesions, work, patient, policy, row, out):
    """Phase: one tumour assessment. Fills the visit's row; returns whether progression is first called now."""
    memo = work.memo
    baseline = policy.adjuvant == 0 and memo.baseline < 0.0
    if baseline:
        choose_targets(visit, lesions, work, patient, policy)
    total, viable, count, new = image(visit, lesions, work, patient, policy)
    row.visit_time, row.lesions_seen = t, count
    if policy.adjuvant == 1:
        row.new_lesion = 1.0 if new else 0.0
        first = count > 0 and np.isnan(out.progression_time)
        if first:
            out.progression_time = t
        return first
    row.sum_diameters, row.sum_viable_diameters = total, viable
    if baseline:
        memo.baseline, memo.nadir = total, total
        memo.viable_baseline, memo.viable_nadir = viable, viable
        row.new_lesion, row.response_recist, row.response_mrecist = 0.0, RESPONSE_NONE, RESPONSE_NONE
        return False
    row.new_lesion = 1.0 if new else 0.0
    recist = call_response(total, memo.baseline, memo.nadir, new, count > 0)
    mrecist = call_response(viable, memo.viable_baseline, memo.viable_nadir, new, viable > 0.0)
    row.response_recist, row.response_mrecist = recist, mrecist
    memo.nadir = min(memo.nadir, total)
    memo.viable_nadir = min(memo.viable_nadir, viable)
    if mrecist == RESPONSE_PD and np.isnan(out.mrecist_progression_time):
        out.mrecist_progression_time = t
    first = recist == RESPONSE_PD and np.isnan(out.progression_time)
    if first:
        out.progression_time = t
    return first


@kernel(borrows=True)
def sum_products(y, patient, compartment):
    """Infused effectors of all products in one body compartment (0 blood, 1 lung, 2 liver). Cells."""
    first = DRUG_STATES * patient.drugs.shape[0]
    total = 0.0
    for i in range(patient.products.shape[0]):
        total += y[first + PRODUCT_STATES * i + compartment]
    return total


@kernel(borrows=True)
def record(y, lesions, patient, row):
    """Phase: one point of a stored trajectory, (record TRACE)."""
    body, width = body_width(patient), lesion_width(patient)
    sensitive, resistant, antigen_low, dead, active, exhausted = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    volume, largest, at = 0.0, 0.0, -1
    for slot in range(lesions):
        base = body + slot * width
        sensitive += y[base] + y[base + 2]
        resistant += y[base + 1] + y[base + 3]
        antigen_low += y[base + 2] + y[base + 3]
        dead += y[base + DEAD]
        total, _viable = lesion_diameters(y, base, patient)
        volume += volume_ml(viable_cells(y, base) + y[base + DEAD], patient.traits.growth.cell_density)
        if at < 0 or total > largest:
            largest, at = total, base
        for i in range(patient.products.shape[0]):
            active += y[base + LESION_HEAD + 2 * i]
            exhausted += y[base + LESION_HEAD + 2 * i + 1]
    row.sensitive, row.resistant, row.antigen_low, row.dead_cells = sensitive, resistant, antigen_low, dead
    row.tumour_volume, row.largest_diameter, row.lesions = volume, largest, lesions
    row.drug_concentration = concentration(y[0], patient.drugs[0]) if patient.drugs.shape[0] > 0 else 0.0
    row.effectors_blood, row.effectors_lung = sum_products(y, patient, 0), sum_products(y, patient, 1)
    row.effectors_liver, row.effectors_tumour, row.effectors_exhausted = sum_products(y, patient, 2), active, exhausted
    row.memory, row.liver_reserve = y[body - BODY_TAIL], y[body - BODY_TAIL + 1]
    row.capacity, row.maturity, row.perfusion, row.vegf = math.nan, math.nan, math.nan, math.nan
    if at >= 0:
        flow, _oxygen, vegf, _volume = lesion_supply(y, at, patient)
        row.capacity, row.maturity, row.perfusion, row.vegf = y[at + CAPACITY], y[at + MATURITY], flow, vegf
