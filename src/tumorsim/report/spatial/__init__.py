"""One self-contained HTML page from one spatial result."""

from __future__ import annotations

from tumorsim.report.spatial.page import render, save

__all__ = ["render", "save"]
