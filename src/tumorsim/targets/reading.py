"""Quantities read off a finished trial, with the estimators of their sources.

Every quantity is one function of drawn patients. Read once over all virtual
patients it gives the simulated value; read over many drawn studies of the
published size it gives the predictive interval. So both use the estimator of the
source. A matched analysis draws studies and matches each; a subgroup is a trial in
which the other patients belong to no arm. Docs: docs/theory/statistics.md,
"Predictive intervals", and docs/theory/observational.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tumorsim.endpoints import (
    Response,
    Survival,
    observed_deaths,
    observed_time,
    outcome,
    progressions,
    response,
    treatment_received,
)
from tumorsim.endpoints.response import SHORT_NAMES
from tumorsim.endpoints.survival import EVENT, TUMOUR, BoolArray, FloatArray, IntArray, follow_up
from tumorsim.params.design import Matching
from tumorsim.params.subgroups import read_subgroup
from tumorsim.params.targets import Quantity, Target
from tumorsim.statistics import StudySampler, cumulative_incidence
from tumorsim.statistics.resampling import (
    RESAMPLES,
    resampled_curve,
    resampled_log_hazard_ratio,
)
from tumorsim.variables import TrialData

Draws = Sequence[IntArray]


class Reader:
    """Reads quantities off one finished trial; outcomes and draws are made once."""

    def __init__(
        self, data: TrialData, seed: int, resamples: int = RESAMPLES, matching: Matching | None = None
    ) -> None:
        self.data = data
        self.matching = matching
        members = tuple(np.flatnonzero(follow_up(data, arm)[1]) for arm in range(len(data.arms)))
        self.sampler = StudySampler(members, data.allocation == "twins", seed, resamples)
        self._outcomes: dict[tuple[str, int], Survival] = {}
        self._views: dict[tuple[str, str | None], Reader] = {("whole", None): self}

    def view(self, analysis: str, subgroup: str | None) -> Reader:
        """The reader of one analysis of the same studies.

        Parameters
        ----------
        analysis
            ``whole`` or ``matched``.
        subgroup
            As in a target; None for everybody.
        """
        key = (analysis, subgroup)
        if key not in self._views:
            self._views[key] = self._matched() if subgroup is None else self.view(analysis, None)._within(subgroup)
        return self._views[key]

    def _matched(self) -> Reader:
        from tumorsim.statistics.observational import MatchedSampler

        if self.matching is None:
            raise ValueError("a matched analysis needs trial.matching")
        other = Reader(self.data, self.sampler.seed, self.sampler.resamples)
        other.sampler = MatchedSampler.of(self.sampler, self.data, self.matching)
        return other

    def _within(self, subgroup: str) -> Reader:
        from tumorsim.statistics.observational import restricted

        chosen = read_subgroup(subgroup).members(self.data.arrays)
        other = Reader(restricted(self.data, chosen), 0)
        other.sampler = self.sampler
        return other

    def outcome(self, name: str, arm: int) -> Survival:
        """One end point of one arm."""
        if (name, arm) not in self._outcomes:
            self._outcomes[name, arm] = outcome(self.data, name, arm)
        return self._outcomes[name, arm]

    @cached_property
    def responses(self) -> dict[tuple[str, int], Response]:
        """Responses by criteria and arm."""
        arms = range(len(self.data.arms))
        return {(kind, arm): response(self.data, arm, kind) for kind in ("recist", "mrecist") for arm in arms}

    def read(self, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
        """The quantity of each drawn study, internal units. Shape (resamples,).

        Parameters
        ----------
        arms
            The arm; of a comparison, the arm and its reference; or all arms.
        draws
            For each of ``arms``, places on the patient axis, shape (resamples, size).
        """
        if quantity.statistic:
            return _ENDPOINT_READERS[quantity.statistic](self, quantity, arms, draws)
        return _OTHER_READERS[quantity.subject.partition(".")[0]](self, quantity, arms, draws)


def _curve(statistic: str) -> Callable[[Reader, Quantity, Sequence[int], Draws], FloatArray]:
    def read(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
        from tumorsim.kernels import survival as kernels

        argument = quantity.times[0] if quantity.times else 0.0
        one = reader.outcome(quantity.subject, arms[0])
        return resampled_curve(one, draws[0], getattr(kernels, statistic), argument)

    return read


def _hr(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    pair = [reader.outcome(quantity.subject, arm) for arm in arms]
    if quantity.times:
        start, stop = (*quantity.times, np.inf)[:2]
        pair = [one.window(start, stop) for one in pair]
    with np.errstate(over="ignore"):
        return np.exp(resampled_log_hazard_ratio(pair[0], pair[1], draws))


def _rmst_difference(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    read = _curve("RESTRICTED_MEAN")
    one, other = (read(reader, quantity, [arm], [drawn]) for arm, drawn in zip(arms, draws, strict=True))
    return one - other


def _crude_survival(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    one = reader.outcome(quantity.subject, arms[0])
    seen = one.included & (one.event == EVENT) & (one.time <= quantity.times[0])
    return 1.0 - _ratio([seen], [one.included], draws)


def _cumulative_incidence(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    one = reader.outcome(quantity.subject, arms[0])
    out = np.empty(draws[0].shape[0])
    for r, drawn in enumerate(draws[0]):
        kept = drawn[one.included[drawn]]
        value = cumulative_incidence(one.time[kept], one.event[kept]).at(quantity.times[0])
        out[r] = np.nan if value is None else value
    return out


def _events(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    ones = [reader.outcome(quantity.subject, arm) for arm in arms]
    return _sum([one.included & (one.event == EVENT) for one in ones], draws)


def _rate(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    ones = [reader.outcome(quantity.subject, arm) for arm in arms]
    seen = [one.included & (one.event == EVENT) for one in ones]
    return _ratio(seen, [np.where(one.included, one.time, 0.0) for one in ones], draws)


def _deaths(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    causes = [observed_deaths(reader.data, arm) for arm in arms]
    dead = [cause > 0 for cause in causes]
    of_tumour = [cause == TUMOUR for cause in causes]
    other = [a & ~b for a, b in zip(dead, of_tumour, strict=True)]
    if quantity.subject == "deaths.other_fraction":
        return _ratio(other, dead, draws)
    return _sum({"deaths": dead, "deaths.tumour": of_tumour, "deaths.other": other}[quantity.subject], draws)


def _recurrences(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    return _sum([progressions(reader.data, arm) for arm in arms], draws)


def _follow_up(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    return _median([np.where(in_, time, np.nan) for time, in_ in (observed_time(reader.data, a) for a in arms)], draws)


def _diameter(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    diameter = np.asarray(reader.data["index_diameter"], dtype=np.float64) * 1e3  # mm, internal unit um
    return _median([np.where(in_, diameter, np.nan) for in_ in _included(reader, arms)], draws)


def _median(values: Sequence[FloatArray], draws: Draws) -> FloatArray:
    """Median over the arms together; NaN is not in the analysis."""
    drawn = np.concatenate([one[places] for one, places in zip(values, draws, strict=True)], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nobody is in the analysis: the median is NaN
        return np.asarray(np.nanmedian(drawn, axis=1))


def _multiple(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    included = _included(reader, arms)
    return _ratio([one & (np.asarray(reader.data["index_number"]) > 1) for one in included], included, draws)


def _pairs(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    return _sum(_included(reader, arms), draws)


def _included(reader: Reader, arms: Sequence[int]) -> list[BoolArray]:
    return [follow_up(reader.data, arm)[1] for arm in arms]


def _received(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    infusions, cells, included = treatment_received(reader.data, arms[0])
    received = infusions if quantity.subject == "infusions.mean" else cells
    return _ratio([np.where(included, received, 0.0)], [included], draws)


def _response(reader: Reader, quantity: Quantity, arms: Sequence[int], draws: Draws) -> FloatArray:
    _, criteria, name = quantity.subject.split(".")
    found = reader.responses[criteria, arms[0]]
    named = {"orr": found.responded, "dcr_best": found.controlled, "dcr_confirmed": found.confirmed}
    hit = named[name] if name in named else found.has(SHORT_NAMES.index(name.upper()))
    return _ratio([hit], [found.included], draws)


def _sum(indicators: Sequence[Any], draws: Draws) -> FloatArray:
    drawn = [one[places].sum(axis=1) for one, places in zip(indicators, draws, strict=True)]
    return np.asarray(np.sum(drawn, axis=0), dtype=np.float64)


def _ratio(numerators: Sequence[Any], denominators: Sequence[Any], draws: Draws) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_sum(numerators, draws) / _sum(denominators, draws))


_ENDPOINT_READERS: dict[str, Callable[[Reader, Quantity, Sequence[int], Draws], FloatArray]] = {
    "median": _curve("MEDIAN"),
    "rmst": _curve("RESTRICTED_MEAN"),
    "km_survival": _curve("LANDMARK"),
    "crude_survival": _crude_survival,
    "cumulative_incidence": _cumulative_incidence,
    "events": _events,
    "rate": _rate,
    "hr": _hr,
    "rmst_difference": _rmst_difference,
}
_OTHER_READERS: dict[str, Callable[[Reader, Quantity, Sequence[int], Draws], FloatArray]] = {
    "deaths": _deaths,
    "recurrences": _recurrences,
    "follow_up": _follow_up,
    "infusions": _received,
    "cells": _received,
    "multiple": _multiple,
    "diameter": _diameter,
    "matching": _pairs,
    "response": _response,
}


def arms_of(target: Target, arms: Sequence[str]) -> list[int]:
    """Places of the arms a target is about: the arm, the arm and its reference, or all.

    Raises
    ------
    ValueError
        No such arm, or the reference compared with itself.
    """
    if target.arm is None:
        return list(range(len(arms)))
    for name in (target.arm, target.reference):
        if name is not None and name not in arms:
            raise ValueError(f"{target.id}: {name!r} is no arm; the arms are {', '.join(arms)}")
    arm = list(arms).index(target.arm)
    if target.parsed.rule.scope != "comparison":
        return [arm]
    reference = 0 if target.reference is None else list(arms).index(target.reference)
    if arm == reference:
        raise ValueError(f"{target.id}: {target.arm} is the reference and cannot be compared with itself")
    return [arm, reference]


def simulate_quantity(quantity: Quantity, arms: Sequence[int], sizes: Sequence[int] | None, reader: Reader) -> float:
    """The quantity over all virtual patients, internal units; counts scaled to a study of ``sizes`` patients."""
    if any(reader.sampler.members[arm].size == 0 for arm in arms):
        return float("nan")
    whole = [reader.sampler.everyone(arm) for arm in arms]
    if not quantity.rule.count:
        return float(reader.read(quantity, arms, whole)[0])
    assert sizes is not None  # the block demands it of counts
    each = [reader.read(quantity, [arm], [drawn])[0] for arm, drawn in zip(arms, whole, strict=True)]
    scale = [size / reader.sampler.members[arm].size for size, arm in zip(sizes, arms, strict=False)]
    return float(np.dot(each, scale))
