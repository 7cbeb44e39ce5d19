"""A disease of the library: every process of its tumours and its patients' bodies."""

from __future__ import annotations

from tumorsim.params.base import Block, Parameter, Process, quantity
from tumorsim.params.growth import Growth
from tumorsim.params.host import Hazards, Liver
from tumorsim.params.immunity import Memory, Suppression, Trafficking
from tumorsim.params.resistance import Resistance
from tumorsim.params.vessels import Vessels


class Burden(Process):
    """What tumour a virtual patient starts with and what arises later (docs/theory/burden.md).

    The kernel never sees these: they are the distributions that cohorts sample.
    """

    residual_deposits: Parameter = quantity(
        "dimensionless",
        "m",
        "Mean number of deposits too small to be seen at entry (left behind by curative treatment, or occult).",
        ge=0,
        le=50,
    )
    residual_dispersion: Parameter = quantity(
        "dimensionless",
        "k_NB",
        "Size parameter of their negative binomial number; small means a few patients carry many.",
        gt=0,
        le=100,
    )
    residual_diameter_exponent: Parameter = quantity(
        "dimensionless",
        "b_d",
        "Power of the largest diameter (against 21 mm) in the mean number of deposits.",
        ge=0,
        le=3,
        default=0.0,
    )
    residual_ablation_ratio: Parameter = quantity(
        "dimensionless", "f_abl", "Deposits after ablation or injection against resection.", gt=0, le=5, default=1.0
    )
    residual_multiple_ratio: Parameter = quantity(
        "dimensionless",
        "f_mult",
        "Deposits of a patient with more than one lesion at index treatment against one.",
        ge=1,
        le=5,
        default=1.0,
    )
    residual_size: Parameter = quantity("cells", "N_res", "Median size of a deposit.", ge=1, le=1e9)
    residual_size_spread: Parameter = quantity("dimensionless", "s_res", "Standard deviation of its log10.", ge=0, le=4)
    de_novo_rate: Parameter = quantity(
        "rate", "lambda_dn", "New lesions a patient with cirrhosis establishes without memory.", ge=0, le=0.1
    )
    de_novo_size: Parameter = quantity(
        "cells", "N_dn", "Size at which a de novo lesion enters the model.", ge=1, le=1e9
    )
    de_novo_no_cirrhosis: Parameter = quantity(
        "dimensionless", "f_dn", "De novo rate without cirrhosis against that with it.", ge=0, le=1
    )
    lesion_growth_spread: Parameter = quantity(
        "dimensionless", "s_r", "Standard deviation of ln r between lesions of one patient.", ge=0, le=3
    )
    initial_capacity_ratio: Parameter = quantity(
        "dimensionless", "K/N", "Vascular capacity of a lesion at the start, in units of its cells.", gt=1, le=1e4
    )
    initial_capacity_floor: Parameter = quantity(
        "cells", "K_min", "Capacity that co-opted host vessels give any deposit.", ge=1, le=1e9
    )
    initial_resistant_fraction: Parameter = quantity(
        "dimensionless", "f_R0", "Median share of drug-resistant cells before treatment.", ge=0, le=1
    )
    initial_resistant_spread: Parameter = quantity(
        "dimensionless", "s_R0", "Standard deviation of its log10 between patients.", ge=0, le=4
    )
    initial_antigen_low_fraction: Parameter = quantity(
        "dimensionless", "f_A0", "Share of antigen-low cells before treatment.", ge=0, le=1
    )


class Disease(Block):
    """Parameters of one tumour type."""

    name: str
    label: str
    note: str = ""
    growth: Growth
    resistance: Resistance
    vessels: Vessels
    trafficking: Trafficking
    suppression: Suppression
    memory: Memory
    liver: Liver
    hazards: Hazards
    burden: Burden


# order in which the processes of the kernel are packed into one row a patient
KERNEL_PROCESSES = ("growth", "resistance", "vessels", "trafficking", "suppression", "memory", "liver", "hazards")
