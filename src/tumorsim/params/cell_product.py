"""One infused cell product: where it goes, how long it lasts, how it kills."""

from __future__ import annotations

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class CellModel(Process):
    """Distribution, persistence and killing of infused effectors (docs/theory/effectors.md)."""

    KERNEL = layout.CellProduct
    DESCRIPTION = frozenset({"name", "label"})

    name: str
    label: str
    lung_release_rate: Parameter = quantity(
        "rate", "k_lung", "Release from the lung, the first bed met after infusion.", gt=0, le=50
    )
    liver_uptake_rate: Parameter = quantity("rate", "k_BL", "Uptake from blood into the liver.", ge=0, le=50)
    rest_uptake_rate: Parameter = quantity(
        "rate", "k_BR", "Uptake from blood into spleen, marrow and other tissue.", ge=0, le=50
    )
    liver_return_rate: Parameter = quantity("rate", "k_LB", "Return from the liver to blood.", ge=0, le=50)
    rest_return_rate: Parameter = quantity("rate", "k_RB", "Return from the other tissue to blood.", ge=0, le=50)
    death_rate: Parameter = quantity(
        "rate", "k_dE", "Death outside tumour, with the support the protocol gives.", gt=0, le=5
    )
    tumour_death_rate: Parameter = quantity("rate", "k_dT", "Death inside tumour.", gt=0, le=5)
    exhaustion_rate: Parameter = quantity(
        "rate", "k_ex", "Exhaustion of effectors in contact with tumour.", ge=0, le=10
    )
    kill_rate: Parameter = quantity(
        "rate", "kappa", "Largest killing hazard of a tumour cell, at saturating effectors.", ge=0, le=50
    )
    half_e_to_t: Parameter = quantity(
        "dimensionless",
        "h",
        "Effector-to-target ratio at half of that; kappa / h is the kills per effector and day when effectors are few.",
        gt=0,
    )
    resistant_activity: Parameter = quantity(
        "dimensionless", "a_R", "Killing of drug-resistant cells against sensitive ones.", ge=0, le=1
    )
    antigen_low_activity: Parameter = quantity(
        "dimensionless", "a_A", "Killing of NKG2D-ligand- or antigen-low cells.", ge=0, le=1
    )
    cd16_fraction: Parameter = quantity(
        "dimensionless", "f_CD16", "Share of the effectors that bear CD16.", ge=0, le=1, default=0.0
    )
    adcc_gain: Parameter = quantity(
        "dimensionless", "g_ADCC", "Rise of killing at full opsonisation and full CD16.", ge=0, le=50, default=0.0
    )
    car_gain: Parameter = quantity(
        "dimensionless",
        "g_CAR",
        "Rise of killing of antigen-positive cells through the receptor.",
        ge=0,
        le=100,
        default=0.0,
    )
    cytostatic_share: Parameter = quantity(
        "dimensionless",
        "s_cyt",
        "Share of the action on a tumour cell that stops its division instead of killing it.",
        ge=0,
        le=1,
        default=0.0,
    )
