"""One line of the table, and how it is timed and printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    ``ratio`` is ours over the peer's on the same work in the same run; ``goal`` is
    what issue E of the project asks for, None where it asks for nothing.
    """

    work: str
    rate: float
    unit: str
    error: float | None = None
    peer: str | None = None
    ratio: float | None = None
    goal: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """With whether the goal is met."""
        met = None if self.goal is None or self.ratio is None else self.ratio >= self.goal
        return asdict(self) | {"met": met}


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(figure: Figure) -> str:
    """One figure for people."""
    text = f"{figure.work:44s} {figure.rate:12,.4g} {figure.unit}"
    if figure.error is not None:
        text += f"   largest relative error {figure.error:.1e}"
    if figure.ratio is not None:
        text += f"   {figure.ratio:.2f} x {figure.peer}"
    if figure.goal is not None:
        met = figure.ratio is not None and figure.ratio >= figure.goal
        text += f"   goal {figure.goal:g}: {'met' if met else 'not met'}"
    return text
