"""What every figure of a sweep and of a sensitivity analysis declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tumorsim.figures.base import Kind
from tumorsim.sensitivity_data import Sensitivity
from tumorsim.sweep_data import SweepData

Drawn = SweepData | Sensitivity


@dataclass(frozen=True)
class SweepFigure(Kind[Drawn]):
    """One kind of figure of a finished sweep, or of a sensitivity analysis."""

    source: ClassVar[str] = "sweep"


@dataclass(frozen=True)
class SensitivityFigure(SweepFigure):
    """One kind of figure of a sensitivity analysis."""

    source: ClassVar[str] = "sensitivity"
