"""A tissue of the library: what the lattice needs beyond the laws it shares with the patient model."""

from __future__ import annotations

from tumorsim.kernels import tissue
from tumorsim.params.base import Block, Parameter, Process, quantity


class Oxygen(Process):
    """Oxygen on voxels, and death for the lack of it (docs/theory/lattice-fields.md)."""

    KERNEL = tissue.Oxygen

    diffusivity: Parameter = quantity("diffusivity", "D_O2", "Diffusivity of oxygen in tissue.", gt=0)
    blood_oxygen: Parameter = quantity("pressure", "p_b", "Oxygen in the blood of tumour vessels.", gt=0, le=160)
    normal_oxygen: Parameter = quantity(
        "pressure",
        "p_n",
        "Oxygen of normally supplied tissue; against it, local oxygen takes the place of perfusion in the shared laws.",
        gt=0,
        le=160,
    )
    vessel_exchange: Parameter = quantity(
        "rate", "k_x", "Exchange of oxygen between the blood and the voxel of an open vessel.", ge=0, le=1e9
    )
    tumour_uptake: Parameter = quantity(
        "pressure_rate", "q_T", "Largest uptake of oxygen in a voxel that a tumour cell fills.", ge=0
    )
    stroma_uptake: Parameter = quantity("pressure_rate", "q_S", "Largest uptake of oxygen in stroma.", ge=0)
    half_uptake: Parameter = quantity("pressure", "p_m", "Oxygen at half of the largest uptake.", gt=0, le=100)
    necrosis_oxygen: Parameter = quantity("pressure", "p_nec", "Oxygen below which tumour cells die.", ge=0, le=160)
    necrosis_rate: Parameter = quantity("rate", "k_nec", "Death of tumour cells below it.", ge=0, le=24)


class Signals(Process):
    """VEGF, IFN-gamma, chemokine and suppressive factor; all but VEGF against tissue in which every voxel secretes."""

    KERNEL = tissue.Signals

    vegf_diffusivity: Parameter = quantity("diffusivity", "D_V", "Diffusivity of VEGF.", gt=0)
    interferon_diffusivity: Parameter = quantity("diffusivity", "D_I", "Diffusivity of IFN-gamma.", gt=0)
    interferon_decay_rate: Parameter = quantity("rate", "k_I", "Decay and uptake of IFN-gamma.", gt=0)
    interferon_half_effect: Parameter = quantity(
        "dimensionless", "I_50", "IFN-gamma at half of its effect on chemokine and MHC-I.", gt=0, le=1
    )
    chemokine_diffusivity: Parameter = quantity("diffusivity", "D_H", "Diffusivity of the chemokine.", gt=0)
    chemokine_decay_rate: Parameter = quantity("rate", "k_H", "Decay and uptake of the chemokine.", gt=0)
    chemokine_basal: Parameter = quantity(
        "dimensionless", "h_0", "Secretion of chemokine without IFN-gamma against the largest.", ge=0, le=1
    )
    suppressor_diffusivity: Parameter = quantity("diffusivity", "D_U", "Diffusivity of the suppressive factor.", gt=0)
    suppressor_decay_rate: Parameter = quantity("rate", "k_U", "Decay and uptake of the suppressive factor.", gt=0)
    mhc_restoration_rate: Parameter = quantity(
        "rate", "k_MHC", "Return of MHC-I to a cell without it, at saturating IFN-gamma.", ge=0, le=24
    )


class Penetration(Process):
    """Systemic drugs, and the drug that TACE leaves in embolised vessels, on their way into tissue."""

    KERNEL = tissue.Penetration

    drug_diffusivity: Parameter = quantity("diffusivity", "D_D", "Diffusivity of systemic drugs.", gt=0)
    drug_exchange: Parameter = quantity(
        "rate", "k_xD", "Exchange of drug between a vessel and its voxel, at normal perfusion.", ge=0, le=1e9
    )
    drug_loss_rate: Parameter = quantity("rate", "k_lD", "Loss of systemic drug in tissue.", gt=0)
    depot_diffusivity: Parameter = quantity("diffusivity", "D_dep", "Diffusivity of the drug left by TACE.", gt=0)
    depot_loss_rate: Parameter = quantity("rate", "k_ldep", "Loss of that drug in tissue.", gt=0)


class Motility(Process):
    """How effectors move in tissue (docs/theory/lattice-lymphocytes.md)."""

    KERNEL = tissue.Motility

    coefficient: Parameter = quantity(
        "diffusivity", "D", "Diffusion coefficient of free effectors that nothing attracts.", ge=0
    )
    persistence: Parameter = quantity(
        "dimensionless", "pi", "Probability that a move keeps the direction of the last one.", ge=0, le=0.95
    )
    chemotaxis: Parameter = quantity(
        "dimensionless", "chi", "Preference for moves up the chemokine gradient; 0 for none.", ge=0, le=20
    )
    tumour_entry: Parameter = quantity(
        "dimensionless", "eta", "Moves into a voxel with a tumour cell against moves into stroma.", ge=0, le=1
    )


class Contact(Process):
    """Conjugates of effectors and tumour cells, and memory CD8 T cells in the tissue."""

    KERNEL = tissue.Contact

    engagement_rate: Parameter = quantity(
        "rate", "k_eng", "Rate at which a free effector beside a target takes hold of it.", ge=0
    )
    release_rate: Parameter = quantity("rate", "k_off", "Rate at which an effector lets go of a living target.", ge=0)
    memory_cells: Parameter = quantity("cells", "N_mem", "Memory CD8 T cells in blood at the ceiling of memory.", ge=0)
    memory_kill_rate: Parameter = quantity(
        "rate", "kappa_T", "Killing by one memory CD8 T cell that holds its target.", ge=0, le=50
    )
    memory_death_rate: Parameter = quantity("rate", "k_dT", "Death of memory CD8 T cells in the tissue.", ge=0)


class Network(Process):
    """How vessels supply tissue and find their way (docs/theory/lattice-vessels.md)."""

    KERNEL = tissue.Network

    cells_per_vessel: Parameter = quantity(
        "dimensionless", "n_v", "Tumour cells that one vessel voxel supplies in an untreated tumour.", gt=0, le=1e5
    )
    tip_persistence: Parameter = quantity(
        "dimensionless", "p_tip", "Probability that a sprout goes straight on where it can.", ge=0, le=1
    )


class Anatomy(Process):
    """Where vessels are before treatment; the kernel never sees it.

    Distances between vessels are what a start takes unless it says otherwise.
    """

    vessel_spacing: Parameter = quantity(
        "length", "s_v", "Mean distance between vessels outside of the tumour.", gt=0, le=5000
    )
    vessel_spacing_inside: Parameter = quantity(
        "length", "s_vT", "Mean distance between vessels inside of the tumour.", gt=0, le=5000
    )
    territory: Parameter = quantity(
        "length", "s_A", "Width of the tissue whose capillaries one arteriole feeds: they are embolised together.",
        ge=20, le=10000,
    )  # fmt: skip


class TissueModel(Block):
    """Parameters of one tissue, for the lattice."""

    name: str
    label: str
    note: str = ""
    oxygen: Oxygen
    signals: Signals
    penetration: Penetration
    motility: Motility
    contact: Contact
    network: Network
    anatomy: Anatomy


# order in which the processes of the kernel are packed into one record `tissue.TISSUE`
TISSUE_PROCESSES = ("oxygen", "signals", "penetration", "motility", "contact", "network")
