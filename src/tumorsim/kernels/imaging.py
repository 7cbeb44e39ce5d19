"""What imaging sees and how responses are called: scalar laws (docs/theory/imaging.md)."""

from __future__ import annotations

import math

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.layout import RESPONSE_CR, RESPONSE_NONE, RESPONSE_PD, RESPONSE_PR, RESPONSE_SD
from tumorsim.kernels.random import STREAM_MEASUREMENT, normal

# RECIST 1.1 (Eisenhauer 2009, Eur J Cancer 45:228) and mRECIST (Lencioni & Llovet 2010)
PARTIAL_RESPONSE = 0.7  # of the baseline sum
PROGRESSION = 1.2  # of the smallest sum so far
PROGRESSION_LEAST = 5.0  # mm, absolute increase


@kernel
def measured_diameter(diameter, cv, seed, patient, visit, lesion):
    """A diameter (mm) with a reader's error (eq. O2): lognormal, keyed by patient, visit and lesion."""
    return diameter * math.exp(cv * normal(seed, STREAM_MEASUREMENT, patient, visit, lesion))


@kernel
def call_response(total, baseline, nadir, new_lesion, any_seen):
    """Response category of one visit from the sum of target diameters in mm (eq. O3)."""
    grown = total >= PROGRESSION * nadir and total - nadir >= PROGRESSION_LEAST
    if new_lesion or grown:
        return RESPONSE_PD
    if not baseline > 0.0:
        return RESPONSE_NONE  # nothing measured that could respond
    if not any_seen:
        return RESPONSE_CR
    return RESPONSE_PR if total <= PARTIAL_RESPONSE * baseline else RESPONSE_SD
