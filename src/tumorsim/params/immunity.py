"""Trafficking into lesions, suppression there, and memory CD8 T cells."""

from __future__ import annotations

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class Trafficking(Process):
    """Recruitment of circulating effectors by a lesion (docs/theory/effectors.md)."""

    KERNEL = layout.Trafficking

    recruitment: Parameter = quantity(
        "tissue_rate",
        "q",
        "Fraction of the effectors in blood that one millilitre of normally perfused tumour takes up a day.",
        ge=0,
    )
    maturity_gain: Parameter = quantity(
        "dimensionless", "alpha", "Rise of recruitment per unit of vessel maturity above untreated.", ge=0, le=20
    )
    vegf_adhesion_half: Parameter = quantity(
        "vegf", "V_adh", "VEGF that halves adhesion of effectors to the endothelium.", gt=0
    )
    access_volume: Parameter = quantity(
        "tissue_volume", "v_acc", "Lesion volume at which effectors reach one half of the cells they could kill.", gt=0
    )


class Suppression(Process):
    """Loss of killing in the tumour micro-environment; the three act as independent filters."""

    KERNEL = layout.Suppression

    baseline: Parameter = quantity(
        "dimensionless", "Sup_0", "Suppression by PD-L1, Treg and MDSC in an untreated lesion.", ge=0, lt=1
    )
    hypoxic: Parameter = quantity("dimensionless", "Sup_h", "Further suppression in anoxia.", ge=0, lt=1)
    vegf: Parameter = quantity("dimensionless", "Sup_V", "Further suppression at saturating VEGF.", ge=0, lt=1)


class Memory(Process):
    """Memory CD8 T cells primed by released antigen (docs/theory/memory.md)."""

    KERNEL = layout.Memory

    expansion_rate: Parameter = quantity(
        "rate", "rho_T", "Expansion at saturating antigen without infused help.", ge=0, le=10
    )
    half_antigen: Parameter = quantity(
        "cell_flux", "Ag_50", "Tumour cells dying per day at half-maximal priming.", gt=0
    )
    helper_gain: Parameter = quantity(
        "dimensionless", "beta", "Further priming at saturating numbers of infused effectors.", ge=0, le=100
    )
    helper_half: Parameter = quantity(
        "cells", "E_help", "Infused effectors in liver and spleen at half of that gain.", gt=0
    )
    loss_rate: Parameter = quantity(
        "rate", "1/tau_m", "Loss of memory cells; ln 2 / rate is their half-life.", gt=0, le=1
    )
    kill_rate: Parameter = quantity(
        "rate", "kappa_T", "Killing of MHC-I positive cells at the ceiling of memory.", ge=0, le=5
    )
    mhc_positive_fraction: Parameter = quantity(
        "dimensionless", "f_MHC", "Share of a lesion's cells that show MHC-I.", ge=0, le=1
    )
    de_novo_protection: Parameter = quantity(
        "dimensionless", "eta", "Share of de novo lesions prevented at the ceiling of memory.", ge=0, le=1
    )
