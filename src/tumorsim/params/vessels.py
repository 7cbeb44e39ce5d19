"""Vascular capacity, maturity, embolisation, oxygen and VEGF."""

from __future__ import annotations

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class Vessels(Process):
    """Supply of a lesion and the window of normalised vessels (docs/theory/vessels.md)."""

    KERNEL = layout.Vessels

    capacity_growth_rate: Parameter = quantity(
        "rate",
        "k_g",
        "Vascular capacity recruited per tumour cell and day at saturating VEGF (cells per cell).",
        ge=0,
        le=50,
    )
    vegf_half_effect: Parameter = quantity("vegf", "V_50", "VEGF at half of its effect on sprouting.", gt=0)
    capacity_loss_rate: Parameter = quantity(
        "rate", "k_d", "Loss of vascular capacity in a lesion of one millilitre; scales with volume^(2/3).", ge=0, le=10
    )
    embolised_loss_rate: Parameter = quantity("rate", "k_em", "Loss of capacity of embolised vessels.", ge=0, le=5)
    maturation_rate: Parameter = quantity("rate", "k_m", "Vessel maturation at full VEGF-axis occupancy.", ge=0, le=5)
    pruning_rate: Parameter = quantity("rate", "k_p", "Loss of mature vessels under excess occupancy.", ge=0, le=5)
    pruning_occupancy: Parameter = quantity(
        "dimensionless", "Occ_star", "Occupancy at half of the pruning effect.", gt=0, le=1
    )
    maturity_relaxation_rate: Parameter = quantity(
        "rate", "k_r", "Return of maturity to its untreated level.", gt=0, le=5
    )
    baseline_maturity: Parameter = quantity(
        "dimensionless", "M_0", "Vessel maturity of an untreated tumour (0-1).", ge=0, lt=1
    )
    maturity_perfusion_gain: Parameter = quantity(
        "dimensionless", "a_M", "Rise of perfusion as maturity goes from its untreated level to one.", ge=0, le=5
    )
    half_perfusion: Parameter = quantity(
        "dimensionless", "P_50", "Perfusion at which oxygenation is one half.", gt=0, le=10
    )
    recanalisation_rate: Parameter = quantity("rate", "k_rec", "Reopening of embolised vessels.", ge=0, le=5)
    vegf_secretion: Parameter = quantity("secretion", "s_V", "VEGF secreted by a well-oxygenated tumour cell.", ge=0)
    hypoxic_vegf_gain: Parameter = quantity(
        "dimensionless", "s_h", "Rise of VEGF secretion in anoxia (fold).", ge=0, le=50
    )
    vegf_clearance_rate: Parameter = quantity("rate", "k_V", "Clearance of VEGF from the tumour.", gt=0)
    vegf_pulse_decay_rate: Parameter = quantity("rate", "k_Vp", "Decay of the VEGF pulse that follows TACE.", gt=0)
