"""One measured number: what it is of, how sure it is, and whether it meets its goal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

LESS_IS_BETTER = ("s", "ms", "us", "ns", "minutes", "MiB", "GiB", "bytes", "mmHg")


class Skip(Exception):  # noqa: N818 - nothing is wrong
    """A suite cannot run here; the message is the sentence that says why."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    ``ratio`` is ours over the peer's on the same work in the same run, above one where we are faster. A goal is
    for the ratio, or for the rate where there is no ratio; ``at_most`` makes it a ceiling.
    """

    work: str
    rate: float
    unit: str
    error: float | None = None  # achieved, in ``error_unit``
    peer: str | None = None
    ratio: float | None = None
    goal: float | None = None
    stretch: float | None = None
    at_most: bool = False
    noise: float | None = None  # relative standard error of what the goal is for
    error_unit: str = ""  # "" = relative
    kernel: str | None = None  # its row in `counts.KERNELS`
    per_second: float | None = None  # items of that row a second, on one thread
    suite: str = ""  # filled in by the frame

    @property
    def judged(self) -> float:
        """What the goal is for."""
        return self.rate if self.ratio is None else self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.judged <= self.goal if self.at_most else self.judged >= self.goal

    @property
    def better(self) -> int:
        """1 if more of what is judged is better, -1 if less is, 0 if neither (a count, a share)."""
        if self.ratio is not None or "/s" in self.unit or "/minute" in self.unit:
            return 1
        return -1 if self.at_most or self.unit.split("/")[0].split(" ")[0] in LESS_IS_BETTER else 0

    def as_dict(self) -> dict[str, Any]:
        """Every field, and whether the goal is met."""
        return asdict(self) | {"met": self.met}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Figure:
        """The inverse of `as_dict`; what another version added is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
