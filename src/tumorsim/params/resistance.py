"""How resistant and antigen-low cells arise."""

from __future__ import annotations

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class Resistance(Process):
    """Mutation at division and reversible switching (docs/theory/resistance.md)."""

    KERNEL = layout.Resistance

    mutation_probability: Parameter = quantity(
        "dimensionless",
        "u",
        "Probability that a division of a sensitive cell yields a heritably resistant one.",
        ge=0,
        le=0.01,
    )
    switch_on_rate: Parameter = quantity(
        "rate", "sigma_on", "Sensitive cells switching to a resistant phenotype under drug.", ge=0, le=1
    )
    switch_off_rate: Parameter = quantity("rate", "sigma_off", "Resistant cells switching back.", ge=0, le=1)
    fitness_cost: Parameter = quantity(
        "dimensionless", "c_R", "Fraction of the growth rate that resistance costs.", ge=0, lt=1
    )
    antigen_loss_probability: Parameter = quantity(
        "dimensionless", "u_A", "Probability that a division yields an antigen-low cell.", ge=0, le=0.01
    )
