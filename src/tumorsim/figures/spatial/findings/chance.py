"""Means, differences and medians over replicates in words, and when a difference is beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.spatial.looks import shown
from tumorsim.spatial_numbers import FloatArray, interval

ALONE = "One replicate: no interval, so nothing here can be told from chance."


def value(samples: FloatArray, unit: str = "") -> str:
    """``2,399 (2,358 to 2,439)``: mean over replicates with its interval; the mean alone where there is no spread.

    Parameters
    ----------
    samples : (replicate,)
        Missing values are left out.
    unit
        Put after the mean.
    """
    found = interval(samples)
    text = shown(float(found.mean)) + (f" {unit}" if unit and found.n else "")
    return text + (f" ({_ends(samples)})" if _spread(samples) else "")


def change(samples: FloatArray) -> str:
    """``+1,013 (970 to 1,056), beyond chance``: a difference taken replicate by replicate.

    Parameters
    ----------
    samples : (replicate,)
        Differences; a replicate in which one is missing is left out, and then how many are left is said.
    """
    kept = samples[np.isfinite(samples)]
    if not kept.size:
        return "not known in any replicate"
    mean = shown(float(kept.mean()), signed=True) if kept.any() else "0"
    of = "" if kept.size == samples.size else f" of {samples.size}"
    if kept.size == 1:
        return f"{mean} in one{of} replicate{'s' if of else ''}"
    if not _spread(kept):
        return f"{mean} in each of {kept.size}{of} replicates"
    verdict = "beyond chance" if side(kept) else "not beyond chance"
    return f"{mean} ({_ends(kept)}{f'; {kept.size}{of} replicates' if of else ''}), {verdict}"


def side(samples: FloatArray) -> int:
    """1 or -1 where the interval of differences lies above or below zero; 0 otherwise, and without a spread."""
    found = interval(samples)
    if not _spread(samples) or found.low <= 0.0 <= found.high:
        return 0
    return 1 if found.mean > 0 else -1


def _spread(samples: FloatArray) -> bool:
    """Whether replicates differ; equal ones, such as small counts, have an interval of no width that says nothing."""
    kept = samples[np.isfinite(samples)]
    return bool(kept.size > 1 and np.ptp(kept) > 1e-9 * np.abs(kept).max())


def _ends(samples: FloatArray) -> str:
    found = interval(samples)
    return f"{shown(float(found.low))} to {shown(float(found.high))}"


def median(days: Sequence[float] | NDArray[Any]) -> float:
    """Median day, those that never got there counted as later than all others; infinity where it is not reached."""
    return float(np.median(days)) if len(days) else math.inf


def first_days(reached: NDArray[np.bool_], time: FloatArray) -> FloatArray:
    """First recorded day on which each replicate got there; infinity where it never did.

    Parameters
    ----------
    reached : (replicate, time)
        Whether it is there.
    time : (time,)
        Days.
    """
    if not time.size:
        return np.full(reached.shape[0], np.inf)
    return np.asarray(np.where(reached.any(axis=1), time[reached.argmax(axis=1)], np.inf))


def in_replicates(days: FloatArray) -> str:
    """``10 of 10 replicates, median day 33 (days 30 to 36)``; the range is of those that got there."""
    there = days[np.isfinite(days)]
    said = f"{there.size} of {days.size} replicate{'s' if days.size != 1 else ''}"
    if not there.size:
        return said
    half = median(days)
    low, high = (f"{end:.4g}" for end in (there.min(), there.max()))
    span = f"day {low}" if low == high else f"days {low} to {high}"
    if math.isinf(half):
        return f"{said} ({span}; median not reached)"
    return f"{said}, median day {half:.4g}" + (f" ({span})" if low != high else "")


def small(title: str) -> str:
    """A title or a name inside a sentence: ``living tumour cells``, but ``VEGF``."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
