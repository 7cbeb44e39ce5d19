"""Times of what is compared, taken in turn, and ratios with their noise."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Work = Callable[[], object]
# of a median against the interquartile range, for a normal law: sqrt(pi / 2) / 1.349
MEDIAN_ERROR = 0.93
# of few values against their range: 1.7 standard deviations of three, whose median is off by 0.67 of one
FEW, RANGE_ERROR = 5, 0.4


def seconds(work: Work) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def own_seconds(work: Work) -> float:
    """Processor time of one call on this thread alone: what the clock shows where nobody else wants the core."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def in_turn(works: Mapping[str, Work], rounds: int, clock: Callable[[Work], float] = seconds) -> dict[str, list[float]]:
    """Seconds of every work in every round; the order is turned round in every other one.

    A clock that wanders and a neighbour who comes and goes then meet all works alike.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds):
        for name in reversed(works) if turn % 2 else works:
            times[name].append(clock(works[name]))
    return times


def spread(values: Sequence[float]) -> float | None:
    """Relative standard error of the median, from the quartiles, or of few from the range; None of one or two."""
    if len(values) < 3:
        return None
    if len(values) <= FEW:
        middle = statistics.median(values)
        return RANGE_ERROR * (max(values) - min(values)) / middle if middle else None
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return MEDIAN_ERROR * (high - low) / math.sqrt(len(values)) / middle if middle else None


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> tuple[float, float | None]:
    """Median over rounds of their time over ours, and its relative standard error."""
    pairs = [a / b for a, b in zip(theirs, ours, strict=True)]
    return statistics.median(pairs), spread(pairs)
