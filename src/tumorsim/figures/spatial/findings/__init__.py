"""What the replicates of one result show, in sentences that stand beside its figures.

Every number is computed from the result. "Beyond chance" is said only where the 95% interval of Student's t, of
differences taken replicate by replicate, leaves out zero; neither intervals nor verdicts are adjusted for their number.
"""

from __future__ import annotations

from tumorsim.figures.spatial.findings.overall import depth, growth, oxygen, series
from tumorsim.figures.spatial.findings.takeover import takeover
from tumorsim.figures.spatial.findings.timing import compared

__all__ = ["compared", "depth", "growth", "oxygen", "series", "takeover"]
