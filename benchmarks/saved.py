"""A run as a JSON file, and what got slower since an earlier one."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure

LAYOUT = 1
RATIO_FLOOR = 0.10  # a ratio of one interleaved run: differences below it are noise whatever the quartiles say
RATE_FLOOR = 0.35  # a bare rate: the clock of a shared machine wanders by a third
NOISES = 3.0  # standard errors of the difference
WORSE_ERROR = 2.0  # times the error of before


@dataclass(frozen=True)
class Run:
    """What one call measured."""

    machine: dict[str, Any]
    limits: dict[str, float]
    figures: list[Figure]
    quick: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Save as JSON: a head, and the list of figures."""
        head = {"layout": LAYOUT, "quick": self.quick, "machine": self.machine, "limits": self.limits}
        rest = {"skipped": self.skipped, "failed": self.failed, "figures": [f.as_dict() for f in self.figures]}
        path.write_text(json.dumps(head | rest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Run:
        """Open a saved run.

        Raises
        ------
        ValueError
            It is no saved run, or of another layout.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["layout"] != LAYOUT:
                raise ValueError(f"{path} has layout {found['layout']}, this version reads {LAYOUT}: measure again")
            figures = [Figure.from_dict(values) for values in found["figures"]]
            named = {name: found[name] for name in ("machine", "limits", "quick", "skipped", "failed")}
            return cls(figures=figures, **named)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no run saved by --json ({error!r}): write one with --json FILE") from error


@dataclass(frozen=True)
class Change:
    """One figure then and now."""

    work: str
    what: str
    before: float
    now: float
    times: float  # above one: slower, or less exact
    noise: float  # what `times` may exceed one by

    @property
    def worse(self) -> bool:
        """Beyond noise."""
        return self.times > 1.0 + self.noise

    @property
    def better(self) -> bool:
        """The other way, beyond noise."""
        return self.times < 1.0 / (1.0 + self.noise)


def compare(before: Run, now: Run) -> list[Change]:
    """Every figure that both runs have, and what of it changed; ratios rather than rates where there are any.

    Rates of another processor, or another tier, are not compared.
    """
    old = {(figure.suite, figure.work): figure for figure in before.figures}
    same = before.machine.get("cpu") == now.machine.get("cpu") and before.quick == now.quick
    crowd = max(crowding(before), crowding(now))
    changes = []
    for figure in now.figures:
        then = old.get((figure.suite, figure.work))
        if then is None:
            continue
        both = figure.ratio is not None and then.ratio is not None and figure.peer == then.peer
        if both:
            changes.append(change(figure.work, "ratio", then.ratio, figure.ratio, 1, crowd * RATIO_FLOOR, then, figure))
        elif same and figure.better and figure.unit == then.unit and figure.ratio is None:
            changes.append(
                change(
                    figure.work, figure.unit, then.rate, figure.rate, figure.better, crowd * RATE_FLOOR, then, figure
                )
            )
        if figure.error is not None and then.error is not None and then.error > 0.0 and figure.error > 0.0:
            worse = figure.error / then.error
            changes.append(Change(figure.work, "error", then.error, figure.error, worse, WORSE_ERROR - 1.0))
    return changes


def crowding(run: Run) -> float:
    """How many want each core, one if there are cores enough: floors of noise grow with it."""
    return max(1.0, float(run.machine.get("load", 0.0)) / float(run.machine.get("cores", 1)))


def in_one_alone(before: Run, now: Run) -> list[str]:
    """Works that only one of the runs has: a suite not asked for, or work that changed its name or size."""
    works = [{figure.work for figure in run.figures} for run in (before, now)]
    return sorted(works[0] ^ works[1])


def change(
    work: str, what: str, then: float | None, now: float | None, better: int, floor: float, *figures: Figure
) -> Change:
    """How many times worse, and how much of it may be noise."""
    assert then is not None
    assert now is not None
    old, new = (then, now) if better > 0 else (now, then)
    times = old / new if min(old, new) > 0.0 else 1.0
    noise = NOISES * math.hypot(*(figure.noise or 0.0 for figure in figures))
    return Change(work, what, then, now, times, max(floor, noise))
