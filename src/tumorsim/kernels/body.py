"""The body around a lattice: drugs, effectors in blood and organs, memory (docs/theory/lattice.md).

The same laws as in the patient model, without its lesions: the lattice stands for one.
"""

from __future__ import annotations

import numpy as np

from tumorsim.kernels import effectors, pharmacology
from tumorsim.kernels._jit import kernel
from tumorsim.kernels.layout import BODY_TAIL


@kernel(borrows=True)
def body_rates(t, y, dy, antigen, patient):
    """Time derivative of the body's states, per day; ``antigen`` in cells/day comes from the lattice."""
    pharmacology.dispose(t, y, dy, patient)
    effectors.circulate(y, dy, patient)
    tail = y.size - BODY_TAIL
    dy[tail:] = 0.0
    dy[tail] = effectors.memory_change(y[tail], antigen, effectors.helpers(y, patient), patient.traits.memory)


@kernel(entry=True)
def advance_body(t, dt, substeps, y, antigen, patient):
    """Advance the body by ``dt`` days in ``substeps`` Runge-Kutta steps of fourth order. Changes ``y`` in place.

    Parameters
    ----------
    t, dt
        Days from the start, and how far to go.
    substeps
        Steps; with rates up to 7 per day and 4 steps an hour the relative error stays below 1e-9 a day.
    y
        (body,) states in the order of ``kernels/layout.py``.
    antigen
        Tumour cells that die per day in the lesion.
    patient
        `layout.Patient`.
    """
    h = dt / substeps
    k1, k2, k3, k4 = np.zeros(y.size), np.zeros(y.size), np.zeros(y.size), np.zeros(y.size)
    for step in range(substeps):
        now = t + step * h
        body_rates(now, y, k1, antigen, patient)
        body_rates(now + 0.5 * h, y + 0.5 * h * k1, k2, antigen, patient)
        body_rates(now + 0.5 * h, y + 0.5 * h * k2, k3, antigen, patient)
        body_rates(now + h, y + h * k3, k4, antigen, patient)
        y += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
