"""Time-to-event end points, read from a finished trial as an analyst would.

Only what a trial could know counts: an event after the end of a patient's
follow-up is not seen, and recurrence is known from a visit's image alone.
Definitions and their consequences: docs/theory/endpoints.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import spans
from tumorsim.variables import CAUSES, TrialData

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Censoring = Literal["last_assessment", "follow_up"]

CENSORED, EVENT, COMPETING, LEFT_OUT = 0, 1, 2, -1
SAME_TIME_DECIMALS = 6
"""Of days, to which times of events are taken: twins who die of the same cause in two arms die a rounding error apart,
and which of them goes first would decide what a Cox model makes of the pair. R's survival package has ``timefix``."""
TUMOUR = CAUSES.index("tumour")


@dataclass(frozen=True)
class Survival:
    """One end point of one arm, patient by patient.

    Attributes
    ----------
    time
        Days from randomisation to the event or to censoring. Shape (patient,).
    event
        0 censored, 1 event, 2 competing event (Kaplan-Meier and Cox treat it as
        censored; the cumulative incidence does not). Shape (patient,).
    included
        Whether the patient is in the analysis set of this arm. Shape (patient,).
    """

    time: FloatArray
    event: IntArray
    included: BoolArray

    @property
    def analysed(self) -> tuple[FloatArray, IntArray]:
        """Times and codes of the analysis set."""
        return self.time[self.included], self.event[self.included]

    @property
    def coded(self) -> tuple[FloatArray, IntArray]:
        """Times and codes of every patient, -1 for those outside the analysis set.

        Keeps the patient axis, so that the arms of one virtual patient stay aligned.
        """
        return np.where(self.included, self.time, 0.0), np.where(self.included, self.event, LEFT_OUT)

    @property
    def n(self) -> int:
        """Patients in the analysis set."""
        return int(self.included.sum())

    @property
    def events(self) -> int:
        """Events of interest."""
        return int((self.event[self.included] == EVENT).sum())

    def window(self, start: float, stop: float = np.inf) -> Survival:
        """The same patients between two times: those still under observation after ``start``.

        A window from 0 holds everybody. A later event is censored at ``stop``; times
        stay measured from randomisation.
        """
        return Survival(
            time=np.minimum(self.time, stop),
            event=np.where(self.time <= stop, self.event, CENSORED),
            included=self.included & ((self.time > start) | (start <= 0.0)),
        )


def follow_up(data: TrialData, arm: int) -> tuple[FloatArray, BoolArray]:
    """End of observation (days) and membership of an arm.

    Observation ends at drop-out or data cut-off; where the integration of a
    patient failed it ends there, since nothing is known of later.
    """
    end = np.fmin(_floats(data, "censor_time", arm), _floats(data, "failure_time", arm))
    assigned = (np.asarray(data["assigned"][arm]) == 1) & np.isfinite(end)
    return np.where(assigned, np.maximum(end, 0.0), 0.0), assigned


def last_assessment(data: TrialData, arm: int, until: FloatArray) -> FloatArray:
    """Last visit no later than ``until``; 0 (randomisation) if there was none."""
    array = data["visit_time"]
    found = np.empty(until.size)
    for rows in spans(array):
        visits = np.asarray(array[arm, rows], dtype=np.float64)
        with np.errstate(invalid="ignore"):
            seen = np.where(visits <= until[rows, None], visits, 0.0)
        found[rows] = np.maximum(seen.max(axis=1, initial=0.0), 0.0)
    return found


def overall_survival(data: TrialData, arm: int, censoring: Censoring = "last_assessment") -> Survival:
    """Death from any cause; the survivors censored at the end of observation."""
    end, included = follow_up(data, arm)
    death = _seen(_floats(data, "death_time", arm), end)
    dead = np.isfinite(death)
    return Survival(np.where(dead, _tied(death), end), dead.astype(np.int64), included)


def cancer_specific_survival(data: TrialData, arm: int, censoring: Censoring = "last_assessment") -> Survival:
    """Death from the tumour; liver failure that it did not cause, and other causes, compete."""
    deaths = overall_survival(data, arm)
    of_tumour = codes_of(data, "death_cause", arm) == TUMOUR
    code = np.where(deaths.event == EVENT, np.where(of_tumour, EVENT, COMPETING), CENSORED)
    return Survival(deaths.time, code, deaths.included)


def first_of_progression_and_death(
    data: TrialData, arm: int, censoring: Censoring = "last_assessment", progression: str = "progression_time"
) -> Survival:
    """Recurrence or progression, or death from any cause, whichever is first (RFS, PFS)."""
    time, event, included = _progression(data, arm, censoring, progression)
    return Survival(time, np.minimum(event, EVENT), included)


def time_to_progression(
    data: TrialData, arm: int, censoring: Censoring = "last_assessment", progression: str = "progression_time"
) -> Survival:
    """Recurrence or progression; death without it competes and is censored at death (TTR, TTP)."""
    return Survival(*_progression(data, arm, censoring, progression))


def time_to_recurrence_of_paper(data: TrialData, arm: int, censoring: Censoring = "last_assessment") -> Survival:
    """Time to recurrence, the patients who died without recurrence left out.

    As the adjuvant CIK trial defines it. Who is left out is known only at the end,
    so the analysis set conditions on the future; it is emulated, not recommended.
    """
    whole = time_to_progression(data, arm, censoring)
    return Survival(whole.time, whole.event, whole.included & (whole.event != COMPETING))


def progressions(data: TrialData, arm: int) -> BoolArray:
    """Patients of an arm whose first recurrence or progression was seen."""
    whole = time_to_progression(data, arm)
    return np.asarray(whole.included & (whole.event == EVENT))


def observed_time(data: TrialData, arm: int) -> tuple[FloatArray, BoolArray]:
    """Days under observation: to death or the end of follow-up."""
    alive = overall_survival(data, arm)
    return alive.time, alive.included


def observed_deaths(data: TrialData, arm: int) -> IntArray:
    """Cause of each death seen within follow-up (a place in `CAUSES`), 0 for none."""
    deaths = overall_survival(data, arm)
    return np.where(deaths.included & (deaths.event == EVENT), codes_of(data, "death_cause", arm), 0)


def _progression(
    data: TrialData, arm: int, censoring: Censoring, progression: str
) -> tuple[FloatArray, IntArray, BoolArray]:
    """First of progression (1) and death (2), or censoring (0)."""
    end, included = follow_up(data, arm)
    progressed_at = _seen(_floats(data, progression, arm), end)
    died_at = _seen(_floats(data, "death_time", arm), end)
    event = np.where(np.isfinite(progressed_at) & (progressed_at <= died_at), EVENT, CENSORED)
    event = np.where((event == CENSORED) & np.isfinite(died_at), COMPETING, event)
    free = last_assessment(data, arm, end) if censoring == "last_assessment" else end
    return np.where(event == CENSORED, free, _tied(np.minimum(progressed_at, died_at))), event, included


def _tied(time: FloatArray) -> FloatArray:
    """Times that a rounding error keeps apart made equal."""
    return np.round(time, SAME_TIME_DECIMALS)


def _seen(time: FloatArray, end: FloatArray) -> FloatArray:
    """Event times within observation; inf for the others."""
    with np.errstate(invalid="ignore"):
        return np.where(time <= end, np.maximum(time, 0.0), np.inf)


def codes_of(data: TrialData, name: str, arm: int, rows: slice = slice(None)) -> IntArray:
    """Codes of one arm, of all or some patients, as whole numbers; missing is 0, which all codes keep for none."""
    return np.nan_to_num(np.asarray(data[name][arm, rows], dtype=np.float64), nan=0.0).astype(np.int64)


def _floats(data: TrialData, name: str, arm: int) -> FloatArray:
    return np.asarray(data[name][arm], dtype=np.float64)
