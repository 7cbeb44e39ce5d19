"""Reported figures beside simulated ones.

`Reader` reads quantities off a finished trial; `evaluate_targets` makes the table.
"""

from __future__ import annotations

from tumorsim.targets.reading import Reader, arms_of, simulate_quantity
from tumorsim.targets.table import evaluate_targets, shown_unit, target_row
from tumorsim.units import MONTH

__all__ = ["MONTH", "Reader", "arms_of", "evaluate_targets", "shown_unit", "simulate_quantity", "target_row"]
