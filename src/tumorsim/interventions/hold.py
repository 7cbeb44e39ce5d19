"""Holds: toxicity of grade 3 that interrupts a drug, lowers its dose and may delay infusions."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from tumorsim.interventions.base import Context, Floats, Pauses
from tumorsim.params.base import Block, Duration, Number, Probability, Rate


class Hold(Block):
    """Interruptions of a drug for toxicity (docs/theory/interventions.md, eq. I3 and I4).

    Events come at a constant rate while the course runs and is not held: an alternating renewal
    process with exponential times on the drug and a fixed time off it.
    """

    rate: Rate = Field(ge=0, le=1, description="Rate of grade-3 events while the drug is given.")
    duration: Duration = Field(ge=1, le=365, description="How long the drug is held.")
    dose_after: Number = Field(1.0, ge=0, le=1, description="Dose after a hold, as a fraction of the dose before it.")
    lowest_dose: Probability = Field(0.0, description="The dose is never lowered below this fraction of the first one.")
    delays_infusions: bool = Field(False, description="Cell infusions due during a hold wait for its end.")

    def sample(self, context: Context, start: float, stop: float) -> Pauses:
        """Holds of every patient that begin in [start, stop).

        Parameters
        ----------
        context
            Patients and draws.
        start, stop
            First and last day of the course.
        """
        from tumorsim.kernels.random import STREAM_TOXICITY

        patients = context.patients.size
        if self.rate == 0.0:
            return Pauses.none(patients)
        starts: list[Floats] = []
        ends: list[Floats] = []
        clock = np.full(patients, start)
        on_drug = np.arange(patients)
        # a drug that is not taken up again is not held again
        most = 1 if self.dose_after == 0.0 and self.lowest_dose == 0.0 else math.inf
        while len(starts) < most:
            wait = -np.log(context.uniform(STREAM_TOXICITY, len(starts), on_drug)) / self.rate
            begin = clock[on_drug] + wait
            held = begin < stop
            on_drug, begin = on_drug[held], begin[held]
            if on_drug.size == 0:
                break
            clock[on_drug] = begin + self.duration
            starts.append(np.full(patients, np.inf))
            ends.append(np.full(patients, np.inf))
            starts[-1][on_drug] = begin
            ends[-1][on_drug] = clock[on_drug]
        shape = (patients, len(starts))
        return Pauses(np.array(starts).T.reshape(shape), np.array(ends).T.reshape(shape))

    def dose_fraction(self, times: Floats, holds: Pauses) -> Floats:
        """Dose against the first one: 0 in a hold, lowered after each.

        Parameters
        ----------
        times
            Days from randomisation. Shape (n, times).
        holds
            Holds of the same patients. Shape (n, holds).

        Returns
        -------
        ndarray
            Value just after each time. Shape (n, times).
        """
        passed = np.zeros(times.shape, np.int64)
        held = np.zeros(times.shape, np.bool_)
        for hold in range(holds.start.shape[1]):
            begin, end = holds.start[:, hold, None], holds.end[:, hold, None]
            passed += end <= times
            held |= (begin <= times) & (times < end)
        levels = np.maximum(self.dose_after ** np.arange(holds.start.shape[1] + 1), self.lowest_dose)
        return np.where(held, 0.0, levels[passed])
