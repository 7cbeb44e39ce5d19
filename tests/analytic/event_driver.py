"""The loop of one patient in Python, with the integration between events left open.

`run_patient` is `tumorsim.course.Walk` with the state just before every event kept. What
carries the state from one event to the next is an argument: our integrator, or SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from tumorsim.course import Carry, Inputs, Walk, advance_to
from tumorsim.interventions.base import Rows
from tumorsim.interventions.events import EventTable
from tumorsim.kernels import decay, layout
from tumorsim.kernels.derivatives import count_states, slopes_alone
from tumorsim.kernels.lanes import write_parameters
from tumorsim.scenario import Scenario
from tumorsim.trial import Study, arm_inputs

Bench, Patient, ours = Inputs, Walk, advance_to
EVALUATIONS = decay.STAGES - 1  # of the right-hand side in one step of ours; the last of a step serves the next


def bench(study: Study, arm: int, numbers: np.ndarray, extra: list[tuple[float, int, int, float]]) -> Bench:
    """Inputs of the kernel for some patients; ``extra`` events (day, kind, index, value) are added for all."""
    more = [Rows.of(np.arange(numbers.size), day, kind, index, value) for day, kind, index, value in extra]
    added = EventTable.of(Rows.concatenate(more), numbers.size) if more else None
    made = Bench(*arm_inputs(study, arm, numbers, extra=added))
    # no small regime here: LSODA knows no extinction
    made.cohort.traits["growth"]["extinction_size"] = 0.0
    return made


def absolute_tolerances(p: Patient) -> np.ndarray:
    """Of every state in use, at a relative one of 1e-6."""
    lanes = p.work.lanes
    return np.array(lanes.numbers[lanes.at_atol : lanes.at_par : layout.LANES][: p.count()])


def scipy_solver(method: str, tolerance: float) -> Carry:
    """A solver of SciPy on the same right-hand side; it stops where a cumulative hazard reaches its limit."""

    def carry(p: Patient, t: float, t_end: float, changed: bool) -> int:
        n, lesions = p.count(), p.lesions
        lanes = p.work.lanes._replace(numbers=np.zeros_like(p.work.lanes.numbers))  # ours may go on from its own
        slope = np.zeros(n)
        write_parameters(lanes.numbers[lanes.at_par :], lesions, p.patient)

        def right_hand_side(time: float, y: np.ndarray) -> np.ndarray:
            slopes_alone(time, y, slope, lesions, lanes)
            return slope.copy()

        floor = absolute_tolerances(p)
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
    state = count_states(0, p.patient.drugs.size, p.patient.products.size) - layout.BODY_TAIL + 2 + cause
    limit = min(float(p.work.memo["limits"][cause]), 1e300)

    def excess(time: float, y: np.ndarray) -> float:
        return float(y[state]) - limit

    excess.terminal = True  # type: ignore[attr-defined]
    return excess


def run_patient(
    made: Bench, i: int, carry: Carry, until: float, relative_tolerance: float = 1e-6, mortal: bool = False
) -> tuple[list[float], list[np.ndarray], float]:
    """States before every event of patient row ``i``, and at death if ``mortal``: (days, states, steps).

    Steps are those accepted; of SciPy, evaluations of the right-hand side over those of one step of ours.
    """
    p = Patient(made, i, relative_tolerance, mortal)
    days: list[float] = []
    states: list[np.ndarray] = []
    for day in p.stops(until, carry):
        days.append(day)
        states.append(p.state())
    return days, states, float(p.out["steps"])


def study_for(scenario: Scenario) -> Study:
    """The blocks of a scenario."""
    from tumorsim.api import study_of

    return study_of(scenario)
