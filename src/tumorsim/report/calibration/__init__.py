"""One self-contained HTML page from the outcome of a calibration, in the frame of every report."""

from __future__ import annotations

from tumorsim.report.calibration.page import render, save

__all__ = ["render", "save"]
