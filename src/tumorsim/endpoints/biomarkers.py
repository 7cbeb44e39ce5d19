"""What the simulation knows and no clinic measures, and the treatment received."""

from __future__ import annotations

import numpy as np

from tumorsim.endpoints.survival import COMPETING, EVENT, BoolArray, Censoring, FloatArray, Survival, overall_survival
from tumorsim.variables import TrialData


def time_to_resistance(
    data: TrialData, arm: int, censoring: Censoring = "last_assessment", crossing: str = "resistant_time"
) -> Survival:
    """First time that drug-resistant cells are as many as ``crossing`` says; death before it competes.

    ``resistant_time``: the majority; ``resistant_regrowth_time``: half the cells at entry. Read
    from the state, not from visits, so there is no assessment to censor at.
    """
    alive = overall_survival(data, arm)
    crossed = np.asarray(data[crossing][arm], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        seen = crossed <= alive.time
    event = np.where(seen, EVENT, np.where(alive.event == EVENT, COMPETING, 0))
    return Survival(np.where(seen, np.maximum(crossed, 0.0), alive.time), event, alive.included)


def treatment_received(data: TrialData, arm: int) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Infusions and cells received, and who belongs to the arm. Each of shape (patient,)."""
    included = overall_survival(data, arm).included
    infusions = np.asarray(data["infusions"][arm], dtype=np.float64)
    cells = np.asarray(data["cells_infused"][arm], dtype=np.float64)
    return infusions, cells, included
