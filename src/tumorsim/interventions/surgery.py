"""Resection: the lesions that imaging sees are taken out."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from tumorsim.interventions.base import Context, Intervention, Rows
from tumorsim.kernels.layout import EVENT_RESECTION
from tumorsim.params.base import Duration

# index of the event: the codes of the variable `modality`, and MWA beyond them
MODALITY_CODES = {"resection": 1, "RFA": 2, "PEI": 3, "MWA": 4}


class Removal(Intervention):
    """Local treatment of the lesions seen, on one day; what is not seen stays."""

    start: Duration = Field(0.0, ge=0, le=36525, validate_default=False, description="Day, from randomisation.")

    @property
    @abstractmethod
    def modality(self) -> str:
        """Name of the technique, a key of `MODALITY_CODES`."""

    def emit(self, context: Context) -> Rows:
        """One event a patient; how many cells survive is the same rule as for re-treatment after recurrence."""
        everybody = np.arange(context.patients.size)
        return Rows.of(everybody, self.start, EVENT_RESECTION, MODALITY_CODES[self.modality], 1.0)

    def describe(self) -> str:
        """One line for people."""
        return f"{self.modality} of the lesions seen on day {self.start:g}"

    def planned(self, horizon: float) -> tuple[int, float]:
        """One procedure, when it lies before the horizon."""
        number = int(self.start < horizon)
        return number, float(number)


class Resection(Removal):
    """Surgical removal of the lesions seen."""

    KEY: ClassVar[str] = "resection"

    resection: Literal["curative"]

    @property
    def modality(self) -> str:
        """Name of the technique."""
        return "resection"
