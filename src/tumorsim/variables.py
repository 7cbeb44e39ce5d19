"""Every array a result can hold: declared once, with unit, dimensions and meaning.

HDF5 attributes, axis labels and the docs table come from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOTICE = "Hypothesis-generating simulation; not for clinical use."


@dataclass(frozen=True)
class Variable:
    """One array of a result.

    Attributes
    ----------
    group
        HDF5 group: ``patients``, ``visits`` or ``trajectories``.
    name
        Dataset name.
    dims
        Names of its dimensions, in order.
    unit
        Unit as text; ``"1"`` for fractions and codes.
    doc
        One sentence.
    labels
        For codes: meaning of 0, 1, 2, ...
    count
        A whole number of things.
    """

    group: str
    name: str
    dims: tuple[str, ...]
    unit: str
    doc: str
    labels: tuple[str, ...] = ()
    count: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type in memory: small integers for codes, integers for counts, else double."""
        return np.dtype(np.int8 if self.labels else np.int64 if self.count else np.float64)


ONCE = ("patient",)
EACH = ("arm", "patient")
VISIT = ("arm", "patient", "visit")
TRACE = ("arm", "trace", "time")
RESPONSES = ("not evaluable", "CR", "PR", "SD", "PD")
# tumour: also liver failure in excess of what the patient would have had without it (docs/theory/hazards.md)
CAUSES = ("alive", "tumour", "liver", "other")

PATIENTS = (
    Variable("patients", "age", ONCE, "year", "Age at randomisation."),
    Variable("patients", "male", ONCE, "1", "Sex.", ("female", "male")),
    Variable("patients", "weight", ONCE, "kg", "Body weight."),
    Variable("patients", "hbv", ONCE, "1", "Chronic hepatitis B.", ("no", "yes")),
    Variable("patients", "cirrhosis", ONCE, "1", "Liver cirrhosis.", ("no", "yes")),
    Variable("patients", "platelets", ONCE, "1e3/uL", "Platelet count."),
    Variable("patients", "child_pugh", ONCE, "1", "Child-Pugh class.", ("A", "B")),
    Variable("patients", "modality", ONCE, "1", "Index treatment.", ("none", "resection", "RFA", "PEI")),
    Variable(
        "patients", "index_diameter", ONCE, "mm", "Diameter of the largest lesion at the index treatment or baseline."
    ),
    Variable(
        "patients", "index_number", ONCE, "1", "Number of lesions at the index treatment or baseline.", count=True
    ),
    Variable("patients", "enrolment_time", ONCE, "day", "Randomisation, from the first enrolment."),
    Variable("patients", "lymphocyte_factor", ONCE, "1", "Collection yield against a healthy donor."),
    Variable("patients", "growth_rate", ONCE, "1/day", "Typical net growth rate of this patient's lesions."),
    Variable("patients", "assigned", EACH, "1", "Whether the patient belongs to this arm.", ("no", "yes")),
    Variable(
        "patients", "censor_time", EACH, "day", "End of observation: drop-out or data cut-off, from randomisation."
    ),
    Variable(
        "patients", "dropout_time", EACH, "day", "Loss to follow-up, from randomisation; NaN if none before cut-off."
    ),
    Variable("patients", "death_time", EACH, "day", "Death, from randomisation; NaN if alive at cut-off."),
    Variable(
        "patients",
        "death_cause",
        EACH,
        "1",
        "Cause of death; a liver worn out by the tumour or its treatment counts as tumour.",
        CAUSES,
    ),
    Variable(
        "patients",
        "progression_time",
        EACH,
        "day",
        "First visit with recurrence (adjuvant) or RECIST 1.1 progression; NaN if none.",
    ),
    Variable("patients", "mrecist_progression_time", EACH, "day", "First visit with mRECIST progression; NaN if none."),
    Variable(
        "patients",
        "salvage",
        EACH,
        "1",
        "First treatment after progression.",
        ("none", "curative", "TACE", "TKI", "supportive"),
    ),
    Variable("patients", "infusions", EACH, "1", "Cell infusions received.", count=True),
    Variable("patients", "cells_infused", EACH, "cell", "Effector cells received."),
    Variable(
        "patients",
        "resistant_time",
        EACH,
        "day",
        "First time the drug-resistant fraction exceeds one half; NaN if never.",
    ),
    Variable(
        "patients",
        "resistant_regrowth_time",
        EACH,
        "day",
        "First time the drug-resistant cells exceed half the viable cells at entry; NaN if never, and in the adjuvant"
        " setting.",
    ),
    Variable("patients", "lesions_extinct", EACH, "1", "Lesions that died out.", count=True),
    Variable("patients", "steps", EACH, "1", "Accepted integration steps.", count=True),
    Variable(
        "patients",
        "status",
        EACH,
        "1",
        "Outcome of the integration.",
        ("done", "step too small", "not finite", "too many steps"),
    ),
    Variable("patients", "failure_time", EACH, "day", "Time at which the integration failed; NaN if it did not."),
)

VISITS = (
    Variable(
        "visits", "visit_time", VISIT, "day", "Time of the visit, from randomisation; NaN if it did not take place."
    ),
    Variable("visits", "sum_diameters", VISIT, "mm", "Measured sum of target lesion diameters."),
    Variable("visits", "sum_viable_diameters", VISIT, "mm", "Measured sum of viable (enhancing) target diameters."),
    Variable("visits", "lesions_seen", VISIT, "1", "Lesions seen.", count=True),
    Variable("visits", "new_lesion", VISIT, "1", "A lesion not seen before.", ("no", "yes")),
    Variable("visits", "response_recist", VISIT, "1", "RECIST 1.1 category.", RESPONSES),
    Variable("visits", "response_mrecist", VISIT, "1", "mRECIST category.", RESPONSES),
)

TRAJECTORIES = (
    Variable("trajectories", "sensitive", TRACE, "cell", "Drug-sensitive cells (clones S and A), all lesions."),
    Variable("trajectories", "resistant", TRACE, "cell", "Drug-resistant cells (clones R and RA), all lesions."),
    Variable("trajectories", "antigen_low", TRACE, "cell", "Antigen-low cells (clones A and RA), all lesions."),
    Variable("trajectories", "dead_cells", TRACE, "cell", "Dead cells awaiting clearance, all lesions."),
    Variable("trajectories", "tumour_volume", TRACE, "mL", "Volume of all lesions, dead cells included."),
    Variable("trajectories", "largest_diameter", TRACE, "mm", "Diameter of the largest lesion."),
    Variable("trajectories", "lesions", TRACE, "1", "Lesions present."),
    Variable("trajectories", "drug_concentration", TRACE, "nmol/L", "Plasma concentration of the first drug."),
    Variable("trajectories", "effectors_blood", TRACE, "cell", "Infused effectors in blood."),
    Variable("trajectories", "effectors_lung", TRACE, "cell", "Infused effectors in the lung."),
    Variable("trajectories", "effectors_liver", TRACE, "cell", "Infused effectors in the liver."),
    Variable("trajectories", "effectors_tumour", TRACE, "cell", "Functional infused effectors in lesions."),
    Variable("trajectories", "effectors_exhausted", TRACE, "cell", "Exhausted infused effectors in lesions."),
    Variable("trajectories", "memory", TRACE, "1", "Memory CD8 T cells, fraction of their ceiling."),
    Variable("trajectories", "liver_reserve", TRACE, "1", "Liver reserve (1 = healthy)."),
    Variable("trajectories", "capacity", TRACE, "cell", "Vascular capacity of the largest lesion."),
    Variable("trajectories", "maturity", TRACE, "1", "Vessel maturity of the largest lesion."),
    Variable("trajectories", "perfusion", TRACE, "1", "Perfusion of the largest lesion against normal."),
    Variable("trajectories", "vegf", TRACE, "pg/mL", "VEGF in the largest lesion."),
)

VARIABLES = PATIENTS + VISITS + TRAJECTORIES


def variable(name: str) -> Variable:
    """The declaration of one array.

    Raises
    ------
    KeyError
        No such variable; the message lists the names.
    """
    for declared in VARIABLES:
        if declared.name == name:
            return declared
    raise KeyError(f"{name!r}; known: {', '.join(v.name for v in VARIABLES)}")


@dataclass(frozen=True)
class TrialData:
    """A finished trial in memory: every declared array, and the axes.

    Attributes
    ----------
    arms, labels
        Arm names (axis ``arm``) and what people call them.
    arrays
        Arrays by variable name; shapes follow `Variable.dims`; missing is NaN. Those of visits are `RowArray` where
        all of them would not fit into memory.
    patient
        Patient numbers, axis ``patient``.
    trace
        Numbers of the patients with stored trajectories, axis ``trace``.
    time
        Days from randomisation, axis ``time`` of the trajectories.
    setting
        ``adjuvant`` or ``advanced``.
    allocation
        ``twins``: every virtual patient enters every arm. ``randomised``: one arm each, by lot.
        ``observational``: one arm each, by what is known of the patient.
    """

    arms: tuple[str, ...]
    labels: tuple[str, ...]
    arrays: dict[str, NDArray[Any]] = field(repr=False)
    patient: NDArray[np.int64] = field(repr=False)
    trace: NDArray[np.int64] = field(repr=False)
    time: NDArray[np.float64] = field(repr=False)
    setting: str = "adjuvant"
    allocation: str = "twins"

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.arrays:
            advice = "a result of an older layout lacks what came later: run its scenario again"
            raise KeyError(f"{name!r} is not in this trial; {advice}")
        return self.arrays[name]

    @property
    def size(self) -> int:
        """Number of virtual patients."""
        return int(self.patient.size)
