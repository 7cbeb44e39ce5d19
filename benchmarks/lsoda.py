"""Whole patients by our integrator and by LSODA: the same events and right-hand side, at no smaller error of ours.

Ours is `simulate_batch` on full lanes, as every run uses it. The peers take one patient after another, and since they
are slow some of the same patients, spread evenly over the number of lesions; times are compared per patient. They carry
the state from event to event in the loop of ``tests/analytic/event_driver.py``; what that loop takes in Python is
measured by replaying known states through it, and taken off their time. All times are processor seconds of one thread.
LSODA's own tolerance is the loosest whose error is not larger than ours. Errors are those of the trajectories that the
timed code stores, over the peers' patients, against SciPy's LSODA at 1e-11.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analytic"))

from event_driver import Bench, Carry, Patient, bench, lsoda, run_patient

from benchmarks.figure import Figure, Skip
from benchmarks.patient import most_lesions_first, study
from benchmarks.timing import own_seconds, ratio
from tumorsim.kernels import layout
from tumorsim.kernels.observe import record
from tumorsim.models.patient import simulate_batch
from tumorsim.trial import RELATIVE_TOLERANCE

REFERENCE = 1e-11
YEARS = 5.0
DAY_OF_LOOK, INTERVAL = 11.3, 30.4  # day; no event falls on a look
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
# below these no law can tell an amount from nothing: cells, effectors in the body, nmol/L, fractions
FLOORS = {
    "sensitive": 1.0, "resistant": 1.0, "antigen_low": 1.0, "dead_cells": 1.0, "capacity": 1.0,
    "effectors_blood": 1e4, "effectors_lung": 1e4, "effectors_liver": 1e4, "effectors_tumour": 1.0,
    "drug_concentration": 1.0, "memory": 1e-6, "liver_reserve": 1e-6, "maturity": 1e-6,
}  # fmt: skip
RATIO_FLOOR = 1e-4  # effectors a tumour cell that kill a fortieth of what grows
AIM_OF_SCIPY = 80.0, 150.0
PATIENTS = {True: 16, False: 48}  # of ours, by whether it is the quick tier
PEERS = {True: 2, False: 12}  # of them, the peers'


@dataclass
class Course:
    """Some patients over `YEARS`, nobody of whom dies, and what their trajectories must be."""

    made: Bench
    rows: np.ndarray  # of all patients, in the order in which they are taken up
    compared: np.ndarray  # rows of those whom the peers take too
    looks: np.ndarray
    truth: np.ndarray  # (compared, look) TRACE

    @property
    def patients(self) -> int:
        """How many."""
        return int(self.rows.size)

    @property
    def until(self) -> float:
        """Last day."""
        return YEARS * 365.25


def course(patients: int, compared: int) -> Course:
    """Patients of the cell arm of the adjuvant trial; of those compared the trajectories by LSODA."""
    made = bench(study(patients), 1, np.arange(patients), [])
    made.cohort.products["kill_rate"] = 0.3  # no lesion dies out, so that all solve the same equations
    made.cohort.traits["end"] = YEARS * 365.25
    for cause in ("tumour_rate", "liver_rate", "other_rate"):
        made.cohort.traits["hazards"][cause] = 0.0
    made.policy["relative_tolerance"] = RELATIVE_TOLERANCE
    rows = most_lesions_first(made)
    middle = (2 * np.arange(compared) + 1) * patients // (2 * max(1, compared))  # of parts of one size
    found = Course(made, rows, rows[middle], np.arange(DAY_OF_LOOK, YEARS * 365.25, INTERVAL), np.zeros(0))
    found.truth = looked_at(found, lambda: lsoda(REFERENCE))
    return found


def looked_at(given: Course, solver: Callable[[], Carry]) -> np.ndarray:
    """Trajectories of the compared patients by a solver that stops at every look."""
    found = np.zeros((given.compared.size, given.looks.size), layout.TRACE)
    for place, i in enumerate(given.compared):
        run_patient(given.made, i, looking(solver(), given.looks, found[place]), given.until)
    return found


def looking(carry: Carry, looks: np.ndarray, rows: np.ndarray) -> Carry:
    """The same solver, which also stops at every look and notes the state."""

    def stop(p: Patient, t: float, t_end: float, changed: bool) -> int:
        for k in np.flatnonzero((looks > t) & (looks <= t_end)):
            p.lesions = carry(p, t, float(looks[k]), changed)
            record(p.work.y, p.lesions, p.patient, rows[k])
            t, changed = float(looks[k]), False
        return carry(p, t, t_end, changed) if t < t_end else p.lesions

    return stop


def empty(given: Course, traced: bool) -> layout.Outcomes:
    """Outputs of the batch, those who are compared or nobody traced."""
    n, looks, rows = given.patients, given.looks if traced else np.zeros(0), np.full(given.patients, -1)
    if traced:
        rows[given.compared] = np.arange(given.compared.size)
    return layout.Outcomes(
        np.zeros(n, layout.OUTCOME), np.zeros((n, given.made.visits), layout.VISIT),
        np.zeros((given.compared.size if traced else 1, looks.size), layout.TRACE), looks, rows,
        np.zeros(n, layout.MEMO),
    )  # fmt: skip


def ours(given: Course, traced: bool = False) -> layout.Outcomes:
    """All patients by the engine, in one call."""
    outcomes = empty(given, traced)
    simulate_batch(given.made.cohort, given.made.policy, outcomes, given.rows, np.zeros(1, np.int64))
    return outcomes


def largest(found: np.ndarray, truth: np.ndarray) -> float:
    """Largest relative difference over patients, looks and the quantities of `FLOORS`."""
    cells = truth["sensitive"] + truth["resistant"] + truth["antigen_low"]
    worst = 0.0
    for name, floor in FLOORS.items():
        least = np.maximum(floor, RATIO_FLOOR * cells) if name == "effectors_tumour" else floor
        scale = np.maximum(np.abs(truth[name]), least)
        worst = max(worst, float(np.max(np.abs(found[name] - truth[name]) / scale)))
    return worst


def replayed(states: list[np.ndarray]) -> Carry:
    """A solver that knows what comes out."""
    coming = iter(states)

    def carry(p: Patient, t: float, t_end: float, changed: bool) -> int:
        state = next(coming)
        p.work.y[: state.size] = state
        return p.lesions

    return carry


def replay_seconds(given: Course) -> float:
    """Seconds of the event loop alone: the states it would be given are known and copied in."""
    total = 0.0
    for i in given.compared:
        states = run_patient(given.made, i, lsoda(1e-6), given.until)[1]
        total += own_seconds(lambda i=i, known=states: run_patient(given.made, i, replayed(known), given.until))
    return total


Solver = Callable[[float], Carry]


def beside(given: Course, solver: Solver, name: str, repeats: int, aims: tuple[float, float] | None) -> list[Figure]:
    """Rate, error and ratio against one solver, at the loosest of its tolerances that is not less exact."""
    error = largest(ours(given, traced=True).trace, given.truth)
    chosen, reached = TOLERANCES[-1], float("inf")
    for tolerance in TOLERANCES:
        reached = largest(looked_at(given, lambda t=tolerance: solver(t)), given.truth)
        if reached <= error:
            chosen = tolerance
            break
    carry, loop = solver(chosen), replay_seconds(given)
    theirs: list[float] = []
    mine: list[float] = []
    times = max(1, round(0.02 / max(own_seconds(lambda: ours(given)), 1e-6)))  # too short a time says nothing
    for _ in range(repeats):
        mine.append(own_seconds(lambda: [ours(given) for _ in range(times)]) / times / given.patients)
        whole = own_seconds(lambda: [run_patient(given.made, i, carry, given.until) for i in given.compared])
        theirs.append(max(whole - loop, 0.0) / given.compared.size)
    found, noise = ratio(theirs, mine)
    goal, stretch = aims or (None, None)
    peer = f"{name}, rtol {chosen:.0e}, its error {reached:.1e}; {given.compared.size} of the {given.patients} patients"
    work = f"patient, {YEARS:g} years with events"
    return [
        Figure(work, 1.0 / statistics.median(mine), "patients/s", error, peer, found, goal, stretch, noise=noise),
        Figure(f"{name}: the same patients", 1.0 / statistics.median(theirs), "patients/s", reached),
    ]


def against_scipy(quick: bool, repeats: int) -> list[Figure]:
    """SciPy's `solve_ivp` with LSODA, which calls the compiled right-hand side from Python."""
    return beside(course(PATIENTS[quick], PEERS[quick]), lsoda, "SciPy LSODA", repeats, AIM_OF_SCIPY)


def against_numbalsoda(quick: bool, repeats: int) -> list[Figure]:
    """LSODA in C++, which calls the compiled right-hand side itself."""
    try:
        from benchmarks.numbalsoda_peer import carries, silence
    except ModuleNotFoundError as missing:
        raise Skip(f"it needs {missing.name}, which wants a Fortran compiler") from missing
    with silence():
        return beside(course(PATIENTS[quick], PEERS[quick]), carries, "numbalsoda", repeats, None)
