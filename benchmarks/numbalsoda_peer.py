"""LSODA in C++ (package numbalsoda) on the compiled right-hand side of one patient: no Python between evaluations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from event_driver import Carry, Patient, absolute_tolerances
from numba import types
from numbalsoda import lsoda

from tumorsim.kernels import layout
from tumorsim.kernels.derivatives import slopes_alone
from tumorsim.kernels.lanes import write_parameters

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


def boxed(states: int, lesions: int, lanes: layout.Lanes) -> np.ndarray:
    """Lanes as one array, since the solver hands one pointer to the right-hand side: where things are comes first."""
    head = (lanes.numbers.size, states, lesions, *lanes[1:])
    return np.concatenate([np.array(head, dtype=np.float64), lanes.numbers])


HEAD = 2 + len(layout.Lanes._fields)  # numbers before those of the lanes


@lru_cache
def right_hand_side() -> Any:
    """The right-hand side as a C function over what `boxed` makes."""
    pointer = types.CPointer(types.double)

    @numba.cfunc(types.void(types.double, pointer, pointer, pointer), error_model="numpy")
    def call(t, u, du, data):
        size = int(numba.carray(data, (1,))[0])
        box = numba.carray(data, (HEAD + size,))
        n = int(box[1])
        lanes = layout.Lanes(
            box[HEAD:], int(box[3]), int(box[4]), int(box[5]), int(box[6]), int(box[7]), int(box[8]), int(box[9]),
            int(box[10]), int(box[11]), int(box[12]), int(box[13]),
        )  # fmt: skip
        slopes_alone(t, numba.carray(u, (n,)), numba.carray(du, (n,)), int(box[2]), lanes)

    return call


def carries(tolerance: float) -> Carry:
    """A solver for `event_driver.run_patient`.

    Its absolute tolerance is one number for all states, so it is that of the most exacting one.
    """

    def carry(p: Patient, t: float, t_end: float, changed: bool) -> int:
        lesions, n, lanes = p.lesions, p.count(), p.work.lanes
        write_parameters(lanes.numbers[lanes.at_par :], lesions, p.patient)
        floor, times = absolute_tolerances(p), np.array([t, t_end])
        found, done = lsoda(
            right_hand_side().address, p.work.y[:n].copy(), times, boxed(n, lesions, lanes), tolerance,
            floor.min() * tolerance * 1e6, STEPS_AT_MOST,
        )  # fmt: skip
        assert done, (t, t_end)
        p.work.y[:n] = found[-1]
        return lesions

    return carry
