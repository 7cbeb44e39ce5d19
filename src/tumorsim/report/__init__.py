"""One self-contained HTML page from one finished study.

The page loads nothing: style and figures stand in it, there is no script, and a
content security policy forbids requests. Every text of the scenario is escaped.
"""

from __future__ import annotations

from tumorsim.report.page import render, save
from tumorsim.report.resolved import ReportError

__all__ = ["ReportError", "render", "save"]
