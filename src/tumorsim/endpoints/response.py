"""Best overall response and disease control from the categories of the visits.

Sources: RECIST 1.1, Eisenhauer 2009 Eur J Cancer 45:228; mRECIST, Lencioni & Llovet
2010 Semin Liver Dis 30:52. The category of each visit is given; here is what a trial
makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tumorsim.endpoints.survival import BoolArray, FloatArray, IntArray, codes_of, follow_up
from tumorsim.rows import spans
from tumorsim.variables import RESPONSES, TrialData

Criteria = Literal["recist", "mrecist"]
NOT_EVALUABLE, COMPLETE, PARTIAL, STABLE, PROGRESSIVE = range(len(RESPONSES))
SHORT_NAMES = ("NE", "CR", "PR", "SD", "PD")
MINIMUM_STABLE = 35.0  # six weeks less a visit window of one
CONFIRMATION = 28.0


@dataclass(frozen=True)
class Response:
    """Response of one arm, patient by patient; every array of shape (patient,).

    Attributes
    ----------
    best
        Best overall response, a place in `RESPONSES`; not evaluable counts in
        every denominator.
    controlled
        Best response CR, PR or SD: disease control at any assessment.
    confirmed
        Disease control at two assessments at least 28 days apart, no progression between.
    included
        Patients of the arm.
    """

    best: IntArray
    controlled: BoolArray
    confirmed: BoolArray
    included: BoolArray

    @property
    def responded(self) -> BoolArray:
        """CR or PR as best response (unconfirmed)."""
        return np.asarray((self.best == COMPLETE) | (self.best == PARTIAL))

    def has(self, category: int) -> BoolArray:
        """Patients of the arm with this best response."""
        return np.asarray(self.included & (self.best == category))


def response(
    data: TrialData,
    arm: int,
    criteria: Criteria = "recist",
    minimum_stable: float = MINIMUM_STABLE,
    confirmation: float = CONFIRMATION,
) -> Response:
    """Best overall response and disease control of one arm.

    Visits at or before randomisation are baseline. Assessments count up to the
    first progression and to the end of observation.

    Parameters
    ----------
    criteria
        ``recist`` (RECIST 1.1, all target diameters) or ``mrecist`` (viable part).
    minimum_stable
        Days from randomisation before SD may be the best response.
    confirmation
        Days between the two assessments of confirmed disease control.
    """
    if data.setting == "adjuvant":
        raise ValueError("response: an adjuvant trial has no measurable disease to respond; ask for rfs or ttr instead")
    end, included = follow_up(data, arm)
    best, apart = np.empty(end.size, np.int64), np.empty(end.size)
    for rows in spans(data["visit_time"]):
        time = np.asarray(data["visit_time"][arm, rows], dtype=np.float64)
        code = codes_of(data, f"response_{criteria}", arm, rows)
        best[rows], apart[rows] = _best(time, code, end[rows], minimum_stable)
    controlled = included & np.isin(best, (COMPLETE, PARTIAL, STABLE))
    return Response(best, controlled, controlled & (apart >= confirmation), included)


def _best(time: FloatArray, code: IntArray, end: FloatArray, minimum_stable: float) -> tuple[IntArray, FloatArray]:
    """Best response, and days between first and last assessment before progression. Shape (patient,) each."""
    with np.errstate(invalid="ignore"):
        usable = (time > 0.0) & (time <= end[:, None]) & (code != NOT_EVALUABLE)
    progressed_at = np.where(usable & (code == PROGRESSIVE), time, np.inf).min(axis=1, initial=np.inf)
    with np.errstate(invalid="ignore"):
        before = usable & (time < progressed_at[:, None])
    best = np.where(np.isfinite(progressed_at), PROGRESSIVE, NOT_EVALUABLE)
    stable = (before & (time >= minimum_stable)).any(axis=1)
    best = np.where(stable, STABLE, best)
    for category in (PARTIAL, COMPLETE):
        best = np.where((before & (code == category)).any(axis=1), category, best)
    first = np.where(before, time, np.inf).min(axis=1, initial=np.inf)
    last = np.where(before, time, -np.inf).max(axis=1, initial=-np.inf)
    return best, last - first
