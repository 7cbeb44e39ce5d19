"""One drug: its disposition and what it does to cells, vessels and effectors."""

from __future__ import annotations

from typing import Literal

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class DrugModel(Process):
    """Two-compartment disposition and Emax effects (docs/theory/pharmacology.md).

    An effect that a drug does not have is zero by default.
    """

    KERNEL = layout.Drug
    DESCRIPTION = frozenset({"name", "label", "route"})

    name: str
    label: str
    route: Literal["oral", "iv"] = "oral"
    clearance: Parameter = quantity("clearance", "CL", "Clearance (apparent, CL/F, for oral drugs).", gt=0)
    volume: Parameter = quantity("volume", "V_1", "Central volume of distribution.", gt=0)
    intercompartmental_clearance: Parameter = quantity(
        "clearance", "Q", "Exchange with the peripheral compartment.", ge=0, default=0.0
    )
    peripheral_volume: Parameter = quantity("volume", "V_2", "Peripheral volume of distribution.", gt=0, default=1.0)
    max_elimination: Parameter = quantity(
        "elimination", "V_max", "Ceiling of target-mediated elimination.", ge=0, default=0.0
    )
    half_elimination: Parameter = quantity(
        "mass_concentration", "K_m", "Concentration at half of that ceiling.", gt=0, default=1.0
    )
    clearance_rise: Parameter = quantity(
        "dimensionless", "delta_CL", "Fractional rise of clearance in the long run.", ge=0, le=10, default=0.0
    )
    clearance_rise_time: Parameter = quantity(
        "duration", "tau_CL", "Time constant of that rise, from the first dose.", gt=0, default=90.0
    )
    bioavailability: Parameter = quantity(
        "dimensionless", "F", "Fraction absorbed; 1 where clearance is apparent.", gt=0, le=1, default=1.0
    )
    molar_mass: Parameter = quantity("molar_mass", "MW", "Molar mass.", gt=0)
    proliferation_emax: Parameter = quantity(
        "dimensionless", "E_D", "Largest fraction of births prevented in sensitive cells.", ge=0, le=1, default=0.0
    )
    proliferation_ec50: Parameter = quantity(
        "concentration", "C_D", "Total plasma concentration at half of that.", gt=0, default=1.0
    )
    cytotoxic_rate: Parameter = quantity(
        "rate", "k_D", "Largest rate of direct killing of sensitive cells.", ge=0, le=10, default=0.0
    )
    cytotoxic_ec50: Parameter = quantity(
        "concentration", "C_k", "Total plasma concentration at half of that.", gt=0, default=1.0
    )
    vessel_emax: Parameter = quantity(
        "dimensionless", "w", "Largest fraction of sprouting prevented.", ge=0, le=1, default=0.0
    )
    vessel_ec50: Parameter = quantity(
        "concentration", "C_v", "Total plasma concentration at half occupancy of the VEGF axis.", gt=0, default=1.0
    )
    effector_suppression_emax: Parameter = quantity(
        "dimensionless", "E_E", "Largest loss of killing by infused effectors.", ge=0, le=1, default=0.0
    )
    effector_suppression_ec50: Parameter = quantity(
        "concentration", "C_E", "Total plasma concentration at half of that.", gt=0, default=1.0
    )
    opsonisation_emax: Parameter = quantity(
        "dimensionless",
        "E_op",
        "Largest occupancy of a membrane antigen by an antibody; 0 for a soluble target.",
        ge=0,
        le=1,
        default=0.0,
    )
    opsonisation_ec50: Parameter = quantity(
        "concentration", "C_op", "Concentration at half of that.", gt=0, default=1.0
    )
    resistant_sensitivity: Parameter = quantity(
        "dimensionless", "f_R", "Share of the drug's effects that resistant cells still feel.", ge=0, le=1, default=0.0
    )
