"""Numbers that count the operations done with them, sent through the laws in plain Python.

    NUMBA_DISABLE_JIT=1 python tests/kernels/counted.py

prints operations of each part of the right-hand side as JSON. Only what involves the state is counted: products of
parameters alone can be worked out once.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "analytic")]


class Counted:
    """A number; ``Counted.done`` counts operations with any of them, and functions as one each."""

    done = 0
    __array_ufunc__ = None  # so that a NumPy number leaves the operation to us

    def __init__(self, value: float) -> None:
        self.value = float(value)

    @staticmethod
    def of(value: Any) -> float:
        return value.value if isinstance(value, Counted) else float(value)

    def _new(self, value: float) -> Counted:
        Counted.done += 1
        return Counted(value)

    def __add__(self, other: Any) -> Counted:
        return self._new(self.value + Counted.of(other))

    def __sub__(self, other: Any) -> Counted:
        return self._new(self.value - Counted.of(other))

    def __rsub__(self, other: Any) -> Counted:
        return self._new(Counted.of(other) - self.value)

    def __mul__(self, other: Any) -> Counted:
        return self._new(self.value * Counted.of(other))

    def __truediv__(self, other: Any) -> Counted:
        return self._new(self.value / Counted.of(other))

    def __rtruediv__(self, other: Any) -> Counted:
        return self._new(Counted.of(other) / self.value)

    def __pow__(self, other: Any) -> Counted:
        return self._new(self.value ** Counted.of(other))

    def __neg__(self) -> Counted:
        return Counted(-self.value)

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> bool:
        return self.value < Counted.of(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= Counted.of(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > Counted.of(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= Counted.of(other)


def counting(plain: Any) -> Any:
    """A function of one number, counting."""

    def call(argument: Any) -> Any:
        if not isinstance(argument, Counted):
            return plain(argument)
        Counted.done += 1
        return Counted(plain(argument.value))

    return call


def tallied(module: Any, name: str) -> list[int]:
    """Operations done within a function of a module from now on, as the only number of a list."""
    plain, spent = getattr(module, name), [0]

    def call(*arguments: Any) -> Any:
        before = Counted.done
        out = plain(*arguments)
        spent[0] += Counted.done - before
        return out

    setattr(module, name, call)
    return spent


def objects(numbers: np.ndarray) -> np.ndarray:
    """Numbers that count, in place of plain ones."""
    return np.array([Counted(v) for v in numbers], dtype=object)


def counts() -> dict[str, int]:
    """Operations of each phase of the right-hand side for one drug, one product and one lesion."""
    from event_driver import Patient, bench

    from tumorsim.api import study_of
    from tumorsim.kernels import (
        derivatives,
        diffusion,
        effectors,
        elementary,
        integrate,
        lanes,
        liver,
        pharmacology,
    )
    from tumorsim.kernels.layout import LANES
    from tumorsim.models import patient as model
    from tumorsim.scenario import load

    for module, name, plain in (
        (elementary, "exp", math.exp), (elementary, "log", math.log), (pharmacology, "exp", math.exp),
        (liver, "exp", math.exp), (elementary, "inverse_cube_root", lambda x: x ** (-1.0 / 3.0)),
    ):  # fmt: skip
        setattr(module, name, counting(plain))
    study = study_of(load("scenarios/hcc_sorafenib_cik.yaml", ["population.patients=1"]))
    made = bench(study, 1, np.arange(1), [])
    p = Patient(made, 0, 1e-6, mortal=False)
    assert p.patient.drugs.size == p.patient.products.size == 1
    p.patient.intake["start"], p.patient.intake["rate"] = 0.0, 800.0
    lesions = model.arrive(0, 0, p.work, p.patient, made.cohort, 0)
    y = np.array([Counted(v) for v in np.maximum(p.work.y, 1e-3)], dtype=object)
    body = derivatives.body_width(p.patient)
    n = body + lesions * derivatives.lesion_width(p.patient)
    y, dy, t = y[:n], np.array([Counted(0.0)] * n, dtype=object), Counted(10.0)
    found = {}

    def counted(name: str, work: Any) -> Any:
        Counted.done = 0
        out = work()
        found[name] = Counted.done
        return out

    counted("dispose", lambda: pharmacology.dispose(t, y, dy, p.patient))
    counted("circulate", lambda: effectors.circulate(y, dy, p.patient))
    empty = integrate.lanes_for(p.patient.slots.size, 1, 1)
    lanes.write_parameters(empty.numbers[empty.at_par :], lesions, p.patient)
    parameters = empty.numbers[empty.at_par : empty.at_clock].astype(object)
    alone = empty._replace(numbers=objects(empty.numbers))
    alone.numbers[empty.at_par : empty.at_clock] = parameters
    state, slope = alone.numbers[empty.at_y :], alone.numbers[empty.at_k :]
    state[: n * LANES : LANES], alone.numbers[empty.at_clock + lanes.STAGE_DAY * LANES] = y, t
    of_drugs = [tallied(pharmacology, name) for name in ("concentration", "with_drug")]
    of_lesions = [tallied(derivatives, name) for name in ("supply", "immunity", "recruit_and_engage", "grow_lesion")]
    counted("all", lambda: derivatives.slopes(state, slope, lesions, alone, 1))
    found["effects"], found["lesion"] = (sum(spent for (spent,) in phases) for phases in (of_drugs, of_lesions))
    found["states"] = n
    row, one = np.array([Counted(1.0)], dtype=object), np.ones(1)
    counted("react", lambda: diffusion.react(row[0], 1.0, Counted(1.0), Counted(1.0)))
    counted("gather", lambda: diffusion.gather(row, one, 1.0, Counted(0.5)))
    counted("settle", lambda: diffusion.settle(row, one, 0.5, Counted(0.5)))
    counted("balance", balance)
    return found


def balance() -> None:
    """What the neighbours give a voxel that lies within."""
    from tumorsim.kernels import multigrid

    value = np.array([Counted(1.0)] * 27, dtype=object)
    at = multigrid.Level(value, np.ones(27), np.ones(27), np.ones(9), np.ones(9), 3, 3, 3, 0, 3, 6)
    multigrid.balance_one(at, multigrid.open_row(at, 1, 1), 1)


if __name__ == "__main__":
    print(json.dumps(counts()))
