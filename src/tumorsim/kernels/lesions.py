"""Lesions that come and go: arrival, small numbers, extinction, removal."""

from __future__ import annotations

from tumorsim.kernels import random
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.derivatives import body_width, lesion_width, viable_cells
from tumorsim.kernels.growth import survival_of_small_lesion
from tumorsim.kernels.layout import CAPACITY, CLONES, EXTINCTION, LESION_HEAD, MATURITY
from tumorsim.kernels.quiet import LEAVE_SMALL


@kernel(borrows=True)
def add_lesion(lesion, lesions, work, patient, cohort, first):
    """Append lesion number ``lesion`` (``first`` is the patient's offset); returns the new count."""
    y, slot, source = work.y, patient.slots[lesions], cohort.lesions[first + lesion]
    base = body_width(patient) + lesions * lesion_width(patient)
    y[base : base + lesion_width(patient)] = 0.0
    for clone in range(CLONES):
        y[base + clone] = source.cells[clone]
    y[base + CAPACITY] = source.capacity
    y[base + MATURITY] = patient.traits.vessels.baseline_maturity
    slot.lesion, slot.key = lesion, source.key
    slot.rate, slot.threshold, slot.small, slot.draw = source.rate, source.threshold, 0.0, 1.0
    return lesions + 1


@kernel(borrows=True)
def remove_lesion(slot, lesions, work, patient):
    """Close the gap of ``slot``; returns the new count."""
    y, slots = work.y, patient.slots
    body, width = body_width(patient), lesion_width(patient)
    for i in range(body + slot * width, body + (lesions - 1) * width):
        y[i] = y[i + width]
    for i in range(slot, lesions - 1):
        slots[i] = slots[i + 1]
    return lesions - 1


@kernel(borrows=True)
def enter_small(slot, base, work, patient, seed):
    """Start the extinction clock of a lesion that has become small."""
    y, place = work.y, patient.slots[slot]
    mark = work.marks[place.lesion]
    place.small = viable_cells(y, base)
    y[base + EXTINCTION] = 0.0
    mark.entries += 1
    place.draw = random.uniform(seed, random.STREAM_EXTINCTION, patient.traits.number, mark.entries, place.key)


@kernel(borrows=True)
def leave_small(slot, base, survival, work, patient):
    """Condition a lesion on having survived: from the mean over all fates to that over survivors (eq. G7)."""
    y, place = work.y, patient.slots[slot]
    for clone in range(CLONES):
        y[base + clone] /= survival
    for i in range(base + LESION_HEAD, base + lesion_width(patient)):
        y[i] /= survival
    place.small, place.draw = 0.0, 1.0
    y[base + EXTINCTION] = 0.0


@kernel(borrows=True)
def distance_to_change(cells, integral, slot, patient):
    """How far a lesion is from entering or leaving the small regime or dying out; negative when that is due."""
    place = patient.slots[slot]
    limit = patient.traits.growth.extinction_size
    if place.small == 0.0:
        return cells - limit
    survival = survival_of_small_lesion(integral, place.small)
    return min(survival - place.draw, LEAVE_SMALL * limit * survival - cells)


@kernel(borrows=True)
def settle_small_lesions(lesions, work, patient, seed, out):
    """Phase: lesions enter or leave the small regime, or die out. Returns (count, whether anything changed)."""
    y = work.y
    limit = patient.traits.growth.extinction_size
    body, width = body_width(patient), lesion_width(patient)
    changed = False
    slot = 0
    while slot < lesions:
        base = body + slot * width
        cells = viable_cells(y, base)
        place = patient.slots[slot]
        mark = work.marks[place.lesion]
        if cells > 0.0 and place.small == 0.0:
            if cells < limit:
                enter_small(slot, base, work, patient, seed)
                changed = True
        else:
            survival = survival_of_small_lesion(y[base + EXTINCTION], place.small) if cells > 0.0 else 0.0
            if survival < place.draw:
                mark.seen = 0
                lesions = remove_lesion(slot, lesions, work, patient)
                out.lesions_extinct += 1.0
                changed = True
                continue
            if cells >= LEAVE_SMALL * limit * survival:
                leave_small(slot, base, survival, work, patient)
                changed = True
        slot += 1
    return lesions, changed
