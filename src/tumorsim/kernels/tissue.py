"""Parameters of a tissue as kernels see them; apart from the lattice, so that reading a file compiles nothing."""

from __future__ import annotations

from typing import NamedTuple

from tumorsim.kernels.layout import record, row_type

# why a tumour cell died, in the order of the codes in `lattice`
FATES = ("alive", "turnover", "drug", "hypoxia", "depot", "memory", "product")


class Oxygen(NamedTuple):
    """Oxygen on voxels, and death for the lack of it."""

    diffusivity: float
    blood_oxygen: float
    normal_oxygen: float
    vessel_exchange: float
    tumour_uptake: float
    stroma_uptake: float
    half_uptake: float
    necrosis_oxygen: float
    necrosis_rate: float


class Signals(NamedTuple):
    """VEGF, IFN-gamma, chemokine and suppressive factor."""

    vegf_diffusivity: float
    interferon_diffusivity: float
    interferon_decay_rate: float
    interferon_half_effect: float
    chemokine_diffusivity: float
    chemokine_decay_rate: float
    chemokine_basal: float
    suppressor_diffusivity: float
    suppressor_decay_rate: float
    mhc_restoration_rate: float


class Penetration(NamedTuple):
    """Systemic drugs and the drug left by TACE, on their way into tissue."""

    drug_diffusivity: float
    drug_exchange: float
    drug_loss_rate: float
    depot_diffusivity: float
    depot_loss_rate: float


class Motility(NamedTuple):
    """How effectors move."""

    coefficient: float
    persistence: float
    chemotaxis: float
    tumour_entry: float


class Contact(NamedTuple):
    """Conjugates of effectors and tumour cells."""

    engagement_rate: float
    release_rate: float
    memory_cells: float
    memory_kill_rate: float
    memory_death_rate: float


class Network(NamedTuple):
    """How vessels supply tissue and find their way."""

    cells_per_vessel: float
    tip_persistence: float


TISSUE = row_type(
    [
        ("oxygen", record(Oxygen)),
        ("signals", record(Signals)),
        ("penetration", record(Penetration)),
        ("motility", record(Motility)),
        ("contact", record(Contact)),
        ("network", record(Network)),
    ]
)
