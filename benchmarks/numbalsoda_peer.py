"""LSODA in C++ (package numbalsoda) on the compiled right-hand side of one patient: no Python between evaluations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from event_driver import Carry, Patient
from numba import types
from numbalsoda import lsoda

from tumorsim.kernels import integrate, layout
from tumorsim.kernels.derivatives import derivatives

STEPS_AT_MOST = 1_000_000


@contextmanager
def silence() -> Iterator[None]:
    """Nothing on the standard error of the process: the C++ code tells there of every step that rounding swallows."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def box_type(patient: layout.Patient) -> np.dtype[np.void]:
    """Record that holds all of a patient: the solver hands one pointer to the right-hand side."""
    parts = [("states", "i8"), ("lesions", "i8"), ("traits", layout.TRAITS)]
    kinds = {"drugs": layout.DRUG, "products": layout.PRODUCT, "procedures": layout.PROCEDURE}
    kinds |= {"intake": layout.INTAKE, "slots": layout.SLOT}
    sized = [(name, kind, (getattr(patient, name).size,)) for name, kind in kinds.items()]
    # an empty array has no place in a record
    return np.dtype(parts + [(name, kind, (max(1, n[0]),)) for name, kind, n in sized])


@lru_cache
def right_hand_side(kind: np.dtype[np.void], drugs: int, products: int, procedures: int) -> Any:
    """The right-hand side as a C function over such records."""
    signature = types.void(
        types.double, types.CPointer(types.double), types.CPointer(types.double),
        types.CPointer(numba.from_dtype(kind)),
    )  # fmt: skip

    @numba.cfunc(signature, error_model="numpy")
    def call(t, u, du, data):
        boxes = numba.carray(data, (1,))
        box = boxes[0]
        y, dy = numba.carray(u, (box.states,)), numba.carray(du, (box.states,))
        patient = layout.Patient(
            box.traits, box.drugs[:drugs], box.products[:products], box.procedures[:procedures], box.intake, box.slots
        )
        derivatives(t, y, dy, box.lesions, patient)

    return call


def carries(tolerance: float) -> Carry:
    """A solver for `event_driver.run_patient`.

    Its absolute tolerance is one number for all states, so it is that of the most exacting one.
    """

    def carry(p: Patient, t: float, t_end: float, changed: bool) -> int:
        patient, lesions, n = p.patient, p.lesions, p.count()
        box = np.zeros(1, box_type(patient))
        box["states"], box["lesions"], box["traits"] = n, lesions, patient.traits
        for name in ("drugs", "products", "procedures", "intake", "slots"):
            part = getattr(patient, name)
            box[name][0, : part.size] = part
        floor = np.zeros(n)
        integrate.fill_absolute_tolerances(floor, lesions, patient)
        function = right_hand_side(box.dtype, patient.drugs.size, patient.products.size, patient.procedures.size)
        times = np.array([t, t_end])
        found, done = lsoda(
            function.address, p.work.y[:n].copy(), times, box, tolerance, floor.min() * tolerance * 1e6, STEPS_AT_MOST
        )
        assert done, (t, t_end)
        p.work.y[:n] = found[-1]
        return lesions

    return carry
