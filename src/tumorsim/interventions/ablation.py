"""Ablation: the lesions that imaging sees are destroyed through the skin."""

from __future__ import annotations

from typing import ClassVar, Literal

from tumorsim.interventions.surgery import Removal


class Ablation(Removal):
    """Radiofrequency (RFA), ethanol (PEI) or microwave (MWA) ablation of the lesions seen."""

    KEY: ClassVar[str] = "ablation"

    ablation: Literal["RFA", "PEI", "MWA"]

    @property
    def modality(self) -> str:
        """Name of the technique."""
        return self.ablation
