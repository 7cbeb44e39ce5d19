"""Matched analysis of a finished observational cohort, and studies drawn and matched anew.

The matched analysis is a trial of the pairs alone: whatever reads a trial reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tumorsim.cohort.assignment import terms
from tumorsim.endpoints.survival import BoolArray, FloatArray, IntArray, follow_up
from tumorsim.params.design import Matching
from tumorsim.statistics.matching import Balance, balance, match_pairs, propensity_logit
from tumorsim.statistics.resampling import StudySampler
from tumorsim.variables import TrialData

TREATED, REFERENCE = 1, 0  # places of the arms: rules between the blocks see to it
MATCHED_RESAMPLES = 300  # studies drawn and matched for an interval


@dataclass(frozen=True)
class MatchedCohort:
    """The pairs of a cohort.

    Attributes
    ----------
    data
        The trial with the patients of the pairs alone in its arms.
    pairs
        Places on the patient axis of the treated and his control. Shape (pairs, 2).
    patients
        Treated and controls before matching.
    balance
        One entry a covariate of the score.
    """

    data: TrialData = field(repr=False)
    pairs: IntArray = field(repr=False)
    patients: tuple[int, int]
    balance: tuple[Balance, ...]


def restricted(data: TrialData, chosen: BoolArray) -> TrialData:
    """The same trial with only ``chosen`` patients in its arms. Shape of ``chosen``: (patient,) or (arm, patient)."""
    assigned = np.asarray(data["assigned"])
    kept = np.where(chosen, assigned, np.zeros_like(assigned))
    return replace(data, arrays={**data.arrays, "assigned": kept})


def pair_up(covariates: FloatArray, treated: BoolArray, caliper: float) -> IntArray:
    """Pairs by propensity score; none when the score cannot be fitted. Shape (pairs, 2)."""
    score = propensity_logit(covariates, treated)
    return np.empty((0, 2), np.int64) if score is None else match_pairs(score, treated, caliper)


def matched(data: TrialData, matching: Matching) -> MatchedCohort:
    """Match the whole cohort once.

    Raises
    ------
    ValueError
        Not two arms of different patients.
    """
    members = [follow_up(data, arm)[1] for arm in range(len(data.arms))]
    if len(members) != 2 or (members[TREATED] & members[REFERENCE]).any():
        raise ValueError(f"matching needs two arms of different patients, not allocation {data.allocation}")
    places = np.flatnonzero(members[TREATED] | members[REFERENCE])
    treated = members[TREATED][places]
    values = terms(data.arrays, matching.covariates)[places]
    local = pair_up(values, treated, matching.caliper)
    pairs = places[local]
    chosen = np.zeros((2, data.size), dtype=bool)
    chosen[TREATED, pairs[:, 0]] = chosen[REFERENCE, pairs[:, 1]] = True
    rows = tuple(balance(name, values[:, k], treated, local) for k, name in enumerate(matching.covariates))
    return MatchedCohort(restricted(data, chosen), pairs, (int(treated.sum()), int((~treated).sum())), rows)


@dataclass(kw_only=True)
class MatchedSampler(StudySampler):
    """Draws studies of a given size from a cohort and matches each by a score of its own.

    `draw` still gives a study before matching; `draws` and `everyone` give the patients of the pairs.

    Attributes
    ----------
    data, matching
        The cohort, and how it is matched; the first `MATCHED_RESAMPLES` studies are.
    """

    data: TrialData = field(repr=False)
    matching: Matching
    _matched: dict[tuple[int, int], list[IntArray]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, sampler: StudySampler, data: TrialData, matching: Matching) -> MatchedSampler:
        """The same studies, matched."""
        return cls(
            members=sampler.members, twins=sampler.twins, seed=sampler.seed, resamples=sampler.resamples,
            data=data, matching=matching,
        )  # fmt: skip

    @cached_property
    def cohort(self) -> MatchedCohort:
        """The whole cohort, matched once."""
        return matched(self.data, self.matching)

    def everyone(self, arm: int) -> IntArray:
        """The patients of an arm who have a partner: one study of everybody. Shape (1, pairs)."""
        return self.cohort.pairs[:, 0 if arm == TREATED else 1][None, :]

    def draws(self, arms: Sequence[int], sizes: Sequence[int]) -> list[IntArray]:
        """Places of the matched patients of each study, for each of ``arms``.

        Studies differ in their number of pairs. The places beyond it hold a patient of the other
        arm, whom every estimator leaves out of this one. Shape (studies, smaller size) each.

        Parameters
        ----------
        arms
            One or both.
        sizes
            Patients before matching: of the first of ``arms``, then of the other arm.
        """
        first = arms[0]
        key = (sizes[0], sizes[1]) if first == 0 else (sizes[1], sizes[0])
        if key not in self._matched:
            self._matched[key] = self._match(key)
        return [self._matched[key][arm] for arm in arms]

    def _match(self, sizes: tuple[int, int]) -> list[IntArray]:
        studies = [self.draw(arm, size)[:MATCHED_RESAMPLES] for arm, size in enumerate(sizes)]
        values = terms(self.data.arrays, self.matching.covariates)
        out = [np.full((studies[0].shape[0], min(sizes)), self.members[1 - arm][0]) for arm in (0, 1)]
        treated = np.arange(sum(sizes)) >= sizes[REFERENCE]
        for study, places in enumerate(np.concatenate([studies[REFERENCE], studies[TREATED]], axis=1)):
            pairs = places[pair_up(values[places], treated, self.matching.caliper)]
            out[TREATED][study, : len(pairs)], out[REFERENCE][study, : len(pairs)] = pairs[:, 0], pairs[:, 1]
        return out
