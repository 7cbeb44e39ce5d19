"""Parameters of patients side by side: where they stand, and how a law reads them (docs/numerics/lanes.md).

A law takes its parameters as a tuple with names, and does not know whether they come from a record or from a lane.
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels import layout, liver
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.access import first_rows, kind_of, numbered, reader, writer
from tumorsim.kernels.layout import LANES, CellProduct, Drug

# Rows of Lanes.clock: day and length of the step in hand, day of its stage, its error over the tolerance; what the
# controller would take next, error of the last accepted step, accepted steps, where the course ends.
DAY, STEP, STAGE_DAY, ERROR, CONTROL, LAST_ERROR, STEPS, UNTIL = 0, 1, 2, 3, 4, 5, 6, 7
# What to look out for: cumulative hazards (tumour, liver, other) at death, the day of the next point to store,
# resistant cells above a number times the sensitive ones and above a number (eq. R4).
LIMITS, TRACE_DAY, TAKEOVER, REGROWTH = 8, 11, 12, 13
QUIET = 14  # 1 where nothing of this happens in the step in hand
CLOCK_ROWS = 15

# Rows of Lanes.par: traits, then every drug, every product, every slot.
BLOCKS = ("growth", "resistance", "vessels", "trafficking", "suppression", "memory", "liver", "hazards")
SCALARS = ("age", "cirrhosis", "reserve")
# Rows of a drug: fields, intake, and the clearance at which its modes were found; infinite where it has none.
INTAKE_RATE, INTAKE_START, CLEARANCE_FOUND = (len(Drug._fields) + more for more in range(3))
DRUG_ROWS = len(Drug._fields) + 3
PRODUCT_ROWS = len(CellProduct._fields)
RATE, SMALL, DRAW, PRESENT = 0, 1, 2, 3  # rows of a slot
SLOT_ROWS = 4


ROWS = first_rows(BLOCKS, SCALARS)
AGE, CIRRHOSIS, RESERVE = (ROWS[name] for name in SCALARS)
OTHER = ROWS["drugs"]  # hazard of death from other causes, which does not change
DRUGS = OTHER + 1


growth_of = reader("growth_of", layout.Growth, ROWS["growth"])
resistance_of = reader("resistance_of", layout.Resistance, ROWS["resistance"])
vessels_of = reader("vessels_of", layout.Vessels, ROWS["vessels"])
trafficking_of = reader("trafficking_of", layout.Trafficking, ROWS["trafficking"])
suppression_of = reader("suppression_of", layout.Suppression, ROWS["suppression"])
memory_of = reader("memory_of", layout.Memory, ROWS["memory"])
liver_of = reader("liver_of", layout.Liver, ROWS["liver"])
hazards_of = reader("hazards_of", layout.Hazards, ROWS["hazards"])
drug_of = reader("drug_of", Drug)
product_of = reader("product_of", CellProduct)

write_traits = writer(
    "write_traits",
    {path: row for block in BLOCKS for path, row in numbered(kind_of(block), ROWS[block], f"{block}.").items()}
    | {name: ROWS[name] for name in SCALARS},
)
write_drug = writer("write_drug", numbered(Drug))
write_intake = writer("write_intake", {"rate": INTAKE_RATE, "start": INTAKE_START})
write_product = writer("write_product", numbered(CellProduct))
write_slot = writer("write_slot", {"rate": RATE, "small": SMALL, "draw": DRAW})


@kernel
def first_slot(drugs, products):
    """Row of the first slot."""
    return DRUGS + drugs * DRUG_ROWS + products * PRODUCT_ROWS


@kernel(borrows=True)
def write_parameters(par, lesions, patient):
    """Write what the right-hand side needs of a patient to the first lane of ``par``."""
    drugs, products, slots = patient.drugs.shape[0], patient.products.shape[0], patient.slots.shape[0]
    write_traits(par, patient.traits)
    par[OTHER * LANES] = liver.other_hazard(patient.traits.age, patient.traits.hazards)
    for d in range(drugs):
        part = par[(DRUGS + d * DRUG_ROWS) * LANES :]
        write_drug(part, patient.drugs[d])
        write_intake(part, patient.intake[d])
        part[CLEARANCE_FOUND * LANES] = math.inf
    for i in range(products):
        write_product(par[(DRUGS + drugs * DRUG_ROWS + i * PRODUCT_ROWS) * LANES :], patient.products[i])
    first = first_slot(drugs, products)
    for slot in range(slots):
        part = par[(first + slot * SLOT_ROWS) * LANES :]
        write_slot(part, patient.slots[slot])
        part[PRESENT * LANES] = 1.0 if slot < lesions else 0.0


@kernel
def empty_lanes(states, slots, rows, scratch, drugs, products):
    """Lanes in which nobody is: zeros. ``rows`` are those of ``k``."""
    wide = states * LANES
    at_k = 2 * wide
    at_atol = at_k + rows * wide
    at_par = at_atol + wide
    at_clock = at_par + (first_slot(drugs, products) + slots * SLOT_ROWS) * LANES
    at_scratch = at_clock + CLOCK_ROWS * LANES
    return layout.Lanes(
        np.zeros(at_scratch + scratch * LANES), states, drugs, products,
        0, wide, at_k, at_atol, at_par, at_clock, at_scratch,
    )  # fmt: skip
