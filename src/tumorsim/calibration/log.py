"""The log of a calibration: a journal with one line for every simulation.

Lines hold what was simulated and nothing that follows from it: distances and losses are
worked out anew whenever the log is read, with the weights and errors of that day.
"""

from __future__ import annotations

from typing import ClassVar

from tumorsim.journal import Journal


class Log(Journal):
    """Records by stage and index."""

    FORMAT: ClassVar[str] = "tumorsim calibration log"
    LAYOUT: ClassVar[int] = 2
    WHOSE: ClassVar[str] = "a calibration"
    DECIDED_BY: ClassVar[str] = "the calibration file, a scenario, the library or the seed"
