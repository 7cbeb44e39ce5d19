"""Growth of tumour clones."""

from __future__ import annotations

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class Growth(Process):
    """Birth, turnover and clearance of tumour cells (docs/theory/growth.md)."""

    KERNEL = layout.Growth

    growth_rate: Parameter = quantity(
        "rate",
        "r",
        "Net growth rate at normal perfusion, far below the vascular capacity; ln 2 / r is the doubling time.",
        gt=0,
        le=1,
    )
    hypoxia_half_effect: Parameter = quantity(
        "dimensionless",
        "o_50",
        "Oxygenation (0-1) at which births fall to one half of their unlimited rate.",
        gt=0,
        le=10,
    )
    turnover_rate: Parameter = quantity(
        "rate",
        "tau",
        "Births and deaths that cancel in the mean; they decide whether a small deposit dies out.",
        ge=0,
        le=5,
    )
    cell_density: Parameter = quantity("cell_density", "rho", "Tumour cells per millilitre of lesion.", gt=1e6, le=1e10)
    dead_clearance_rate: Parameter = quantity("rate", "k_clear", "Clearance of dead cells.", gt=0, le=5)
    extinction_size: Parameter = quantity(
        "cells", "N_ext", "Lesions below this size live by the birth-death extinction law.", ge=1, le=1e4
    )
