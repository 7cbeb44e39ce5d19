"""The loop of one patient in plain Python, with the integration between events left open.

`run_patient` walks through arrivals and events as `tumorsim.models.patient` does, with
the product's own phases, and keeps the state just before every event. What carries the
state from one event to the next is an argument: our integrator, or SciPy's LSODA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from tumorsim.cohort import draw
from tumorsim.interventions.base import Recipients, Rows
from tumorsim.interventions.events import EventTable, build_events, merge
from tumorsim.kernels import integrate, layout
from tumorsim.kernels.advance import advance
from tumorsim.kernels.derivatives import derivatives
from tumorsim.models import patient as model
from tumorsim.scenario import Scenario
from tumorsim.trial import Study, _cohort, _policy, _roster, _visit_events

NEVER = np.inf
EVALUATIONS = integrate.STAGES - 1  # of the right-hand side in one step of ours; the last of a step serves the next


@dataclass
class Bench:
    """One arm of a scenario laid out for the kernels, with nothing random left between events."""

    cohort: layout.Cohort
    policy: np.ndarray
    visits: int


def bench(study: Study, arm: int, numbers: np.ndarray, extra: list[tuple[float, int, int, float]]) -> Bench:
    """Inputs of the kernel for some patients; ``extra`` events (day, kind, index, value) are added for all."""
    patients = draw(study.disease, study.population, study.design, numbers, study.seed)
    roster = _roster(study)
    known = patients.covariates
    recipients = Recipients(numbers, known["weight"], patients.body_surface, known["lymphocyte_factor"])
    visits, count = _visit_events(study, numbers)
    more = [Rows.of(np.arange(numbers.size), day, kind, index, value) for day, kind, index, value in extra]
    tables = [build_events(study.arms[arm].treatments, roster, recipients, study.seed, study.design.horizon), visits]
    if more:
        tables.append(EventTable.of(Rows.concatenate(more), numbers.size))
    cohort = _cohort(study, study.arms[arm], patients, roster, merge(*tables))
    # no small regime here: LSODA knows no extinction
    cohort.traits["growth"]["extinction_size"] = 0.0
    return Bench(cohort, _policy(study, roster, 1e-6), count)


@dataclass
class Patient:
    """Everything the phases of one patient work on."""

    patient: layout.Patient
    work: layout.Work
    rows: np.ndarray
    out: np.void
    keep: tuple[np.ndarray, ...]


def start_patient(made: Bench, i: int, relative_tolerance: float, mortal: bool = False) -> Patient:
    """Patient row ``i`` at randomisation; deaths are put off for ever unless ``mortal``."""
    cohort, policy = made.cohort, made.policy
    policy["relative_tolerance"] = relative_tolerance
    slots = max(int(cohort.lesion_offset[i + 1] - cohort.lesion_offset[i]), 1)
    drugs, products = cohort.drugs.shape[1], cohort.products.shape[1]
    states = model.count_states(slots, drugs, products)
    memo, out = np.zeros(1, layout.MEMO), np.zeros(1, layout.OUTCOME)
    rows = np.zeros(made.visits, layout.VISIT)
    patient = layout.Patient(
        cohort.traits[i], cohort.drugs[i], cohort.products[i], cohort.procedures,
        model.no_intake(drugs), np.zeros(slots, layout.SLOT),
    )  # fmt: skip
    work = layout.Work(
        np.zeros(states), np.zeros(states), np.zeros((integrate.STAGES, states)), np.zeros(states),
        memo[0], np.zeros(slots, layout.MARK), np.zeros(drugs + products, np.int64),
    )  # fmt: skip
    model.start(work, patient, policy[0])
    if not mortal:
        memo["limits"] = NEVER
    model.clear_outcome(out[0], rows)
    return Patient(patient, work, rows, out[0], (memo, out))


Carry = Callable[[Patient, np.void, float, float, int, bool], int]


def ours(p: Patient, policy: np.void, t: float, t_end: float, lesions: int, changed: bool) -> int:
    """The product's integrator."""
    reached, left = advance(
        t, t_end, lesions, changed, p.work, p.patient, policy, np.zeros(0), np.zeros(0, layout.TRACE), p.out
    )
    assert reached == t_end or reached == p.out["death_time"], (reached, t_end, p.out, p.work.y[: count(p, lesions)])
    return int(left)


def scipy_solver(method: str, tolerance: float) -> Carry:
    """A solver of SciPy on the same right-hand side; it stops where a cumulative hazard reaches its limit."""

    def carry(p: Patient, policy: np.void, t: float, t_end: float, lesions: int, changed: bool) -> int:
        n = count(p, lesions)
        slope = np.zeros(n)

        def right_hand_side(time: float, y: np.ndarray) -> np.ndarray:
            derivatives(time, y, slope, lesions, p.patient)
            return slope.copy()

        floor = np.zeros(n)
        integrate.fill_absolute_tolerances(floor, lesions, p.patient)
        solved = solve_ivp(
            right_hand_side,
            (t, t_end),
            p.work.y[:n].copy(),
            method,
            rtol=tolerance,
            atol=floor * tolerance * 1e3,
            events=[hazard_at_limit(p, cause) for cause in range(3)],
        )
        assert solved.success, solved.message
        p.work.y[:n] = solved.y[:, -1]
        p.out["steps"] += solved.nfev / EVALUATIONS
        if solved.status == 1:
            p.out["death_time"] = solved.t[-1]
            p.out["death_cause"] = 1 + next(cause for cause in range(3) if solved.t_events[cause].size)
        return lesions

    return carry


def lsoda(tolerance: float) -> Carry:
    """SciPy's LSODA."""
    return scipy_solver("LSODA", tolerance)


def hazard_at_limit(p: Patient, cause: int) -> Callable[[float, np.ndarray], float]:
    """Terminal event of `solve_ivp`: the cumulative hazard of a cause less the patient's limit."""
    state = model.count_states(0, p.patient.drugs.size, p.patient.products.size) - layout.BODY_TAIL + 2 + cause
    limit = min(float(p.work.memo["limits"][cause]), 1e300)

    def excess(time: float, y: np.ndarray) -> float:
        return float(y[state]) - limit

    excess.terminal = True  # type: ignore[attr-defined]
    return excess


def count(p: Patient, lesions: int) -> int:
    """States in use."""
    body = model.count_states(0, p.patient.drugs.size, p.patient.products.size)
    return body + lesions * (layout.LESION_HEAD + 2 * p.patient.products.size)


def run_patient(
    made: Bench, i: int, carry: Carry, until: float, relative_tolerance: float = 1e-6, mortal: bool = False
) -> tuple[list[float], list[np.ndarray], float]:
    """States before every event of patient row ``i``, and at death if ``mortal``: (days, states, steps).

    Steps are those accepted; of SciPy, evaluations of the right-hand side over those of one step of ours.
    """
    p, cohort, policy = start_patient(made, i, relative_tolerance, mortal), made.cohort, made.policy[0]
    first, last = int(cohort.lesion_offset[i]), int(cohort.lesion_offset[i + 1])
    events = cohort.events[cohort.event_offset[i] : cohort.event_offset[i + 1]]
    arrivals = cohort.lesions["arrival"][first:last]
    days: list[float] = []
    states: list[np.ndarray] = []
    t, lesions, lesion, event, changed = 0.0, 0, 0, 0, True
    while True:
        while lesion < arrivals.size and arrivals[lesion] <= t:
            lesions = int(model.arrive(lesion, lesions, p.work, p.patient, cohort, first))
            lesion, changed = lesion + 1, True
        while event < events.size and events["time"][event] <= t:
            did = model.apply_event(t, events[event], lesions, p.work, p.patient, policy, p.rows, p.out)
            event, changed = event + 1, changed or bool(did)
        if float(p.work.memo["due"]) <= t:
            model.salvage(t, lesions, p.work, p.patient, policy, p.out)
            changed = True
        if t >= until:
            return days, states, float(p.out["steps"])
        coming = [until, float(p.work.memo["due"])]
        coming += [float(arrivals[lesion])] if lesion < arrivals.size else []
        coming += [float(events["time"][event])] if event < events.size else []
        lesions = carry(p, policy, t, min(coming), lesions, changed)
        t, changed = min(coming), False
        died = mortal and np.isfinite(p.out["death_time"])
        days.append(float(p.out["death_time"]) if died else t)
        states.append(p.work.y[: count(p, lesions)].copy())
        if died:
            return days, states, float(p.out["steps"])


def study_for(scenario: Scenario) -> Study:
    """The blocks of a scenario."""
    from tumorsim.api import study_of

    return study_of(scenario)
