"""Transarterial chemoembolisation: what one session does."""

from __future__ import annotations

from pydantic import Field

from tumorsim.kernels import layout
from tumorsim.params.base import Parameter, Process, quantity


class Depot(Process):
    """Drug that a session leaves in the vessels it closes; only the lattice sees it (docs/theory/lattice-fields.md)."""

    KERNEL = layout.Depot

    concentration: Parameter = quantity(
        "concentration", "C_dep", "Drug in embolised vessels on the day of the session.", ge=0
    )
    fall_rate: Parameter = quantity("rate", "k_fdep", "Its fall in embolised vessels.", ge=0)
    kill_rate: Parameter = quantity(
        "rate", "k_kdep", "Largest rate at which it kills tumour cells, whatever their clone.", ge=0, le=24
    )
    ec50: Parameter = quantity("concentration", "C_kdep", "Concentration at half of that rate.", gt=0)


class TaceModel(Process):
    """One session of TACE (docs/theory/tace.md)."""

    KERNEL = layout.Tace
    DESCRIPTION = frozenset({"name", "label", "depot"})

    name: str
    label: str
    complete_probability: Parameter = quantity(
        "dimensionless", "p_CN", "Probability of (near) complete necrosis of a lesion.", ge=0, le=1
    )
    complete_survival: Parameter = quantity(
        "dimensionless", "f_CN", "Cells that survive near-complete necrosis.", ge=0, le=1e-2
    )
    necrosis_mean: Parameter = quantity("dimensionless", "mu_n", "Mean necrosis otherwise.", gt=0, lt=1)
    necrosis_sd: Parameter = quantity("dimensionless", "sd_n", "Its standard deviation (Beta law).", gt=0, lt=0.5)
    embolised_fraction: Parameter = quantity(
        "dimensionless", "eps", "Share of open vessels that are embolised.", ge=0, le=1
    )
    vegf_pulse: Parameter = quantity(
        "dimensionless", "p_V", "VEGF added, in units of the untreated level.", ge=0, le=20
    )
    liver_cost: Parameter = quantity("dimensionless", "dL", "Liver reserve lost.", ge=0, le=0.5)
    mortality: Parameter = quantity("dimensionless", "p_die", "Probability of death by the procedure.", ge=0, le=0.2)
    depot: Depot | None = Field(None, description="Drug left in closed vessels; none for embolisation alone.")
