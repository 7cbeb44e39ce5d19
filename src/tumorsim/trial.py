"""A virtual trial: arms x patients with common random numbers.

Every virtual patient enters every arm with the same biology, the same enrolment date
and the same luck (allocation ``twins``), or exactly one arm: by lot (``randomised``) or
by what is known of the patient (``observational``).
Imports nothing of the scenario: it receives the blocks it needs.
"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tumorsim.cohort import VirtualPatients, draw, individual
from tumorsim.cohort.assignment import meant_for_treatment
from tumorsim.cohort.covariates import Floats, Ints
from tumorsim.compiling import helped
from tumorsim.interventions.base import Intervention, Recipients, Rows
from tumorsim.interventions.events import EventTable, Roster, build_events, merge, roster_of, stop_rules
from tumorsim.kernels import layout, random
from tumorsim.kernels.layout import Records
from tumorsim.params.base import Process
from tumorsim.params.design import Design
from tumorsim.params.disease import Disease
from tumorsim.params.output import Output
from tumorsim.params.packing import procedures, records
from tumorsim.params.population import Population
from tumorsim.params.salvage import Salvage
from tumorsim.threads import Progress, Threads
from tumorsim.variables import VARIABLES, VISITS, TrialData

# keeps every state of 8 patients within 2.4e-6 of the exact solution (docs/numerics/integrator.md)
RELATIVE_TOLERANCE = 3e-7
MAX_STEPS = 200_000
TRIAL = "trial"  # all kernels that simulate patients
MEASURED_AT_VISITS = tuple(v.name for v in VISITS if v.dtype.kind == "f")


class Arm(Protocol):
    """What the trial needs to know of an arm."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def treatments(self) -> Sequence[Intervention]: ...  # noqa: D102


@dataclass(frozen=True)
class Study:
    """The blocks that define a trial."""

    disease: Disease
    population: Population
    design: Design
    arms: Sequence[Arm]
    salvage: Salvage
    output: Output
    seed: int


class SimulationError(RuntimeError):
    """Patients whose integration failed; the message names them, the time and what to do."""


def run_trial(
    study: Study,
    *,
    threads: int = 1,
    numbers: Ints | None = None,
    relative_tolerance: float = RELATIVE_TOLERANCE,
    progress: Progress | None = None,
) -> TrialData:
    """Simulate every arm.

    Parameters
    ----------
    study
        Blocks of the scenario.
    threads
        Threads of the kernel; the result does not depend on it.
    numbers : (n,)
        Patient numbers in the order wanted; all of the population by default. The
        bits of a patient depend on the number alone.
    relative_tolerance
        Of the integrator; absolute tolerances scale with it.
    progress
        Called with (patients done, patients to do).

    Raises
    ------
    SimulationError
        Every patient failed. A few failures are kept in ``status`` and reported by the caller.
    """
    numbers = np.arange(study.population.patients, dtype=np.int64) if numbers is None else numbers
    data = simulate_patients(study, numbers, threads, relative_tolerance, progress)
    check_failures(data)
    return data


def simulate_patients(
    study: Study,
    numbers: Ints,
    threads: int = 1,
    relative_tolerance: float = RELATIVE_TOLERANCE,
    progress: Progress | None = None,
) -> TrialData:
    """Some patients of a trial, in every arm that they belong to; parameters as of `run_trial`.

    Failed integrations, even of all, are kept in ``status``.
    """
    patients = draw(study.disease, study.population, study.design, numbers, study.seed)
    assigned = _assign(study, patients)
    roster = study_roster(study)
    recipients = _recipients(patients)
    visits, visit_count = _visit_events(study, numbers)
    times = np.arange(0.0, study.design.horizon, study.output.interval)
    total = int(assigned.sum())
    arms: dict[int, layout.Outcomes] = {}
    observed = study.design.assignment if study.design.allocation == "observational" else None
    with Threads(threads, progress) as crew:
        for a in _order(study):
            arm = study.arms[a]
            planned = build_events(arm.treatments, roster, recipients, study.seed, study.design.horizon)
            blank = partial(_outcomes, numbers, traced=study.output.traced_patients, visits=visit_count, times=times)
            arms[a] = blank(assigned=assigned[a])
            cohort = _cohort(study, arm, patients, roster, merge(planned, visits))
            policy = _policy(study, roster, relative_tolerance)
            crew.begin(cohort, policy, arms[a], np.flatnonzero(assigned[a] > 0))
            if observed is not None and observed.membership == "received" and arm.name == observed.arm:
                crew.finish(total)
                treated = (assigned[a] > 0) & _received(planned, arms[a], patients)
                total += int(assigned[a].sum()) - int(treated.sum())
                assigned = _members(len(study.arms), a, treated)
                arms[a] = _only(arms[a], blank(assigned=assigned[a]), treated)
        crew.finish(total)
    return _collect(study, patients, assigned, [arms[a] for a in sorted(arms)], times)


def arm_inputs(
    study: Study,
    arm: int,
    numbers: Ints,
    relative_tolerance: float = RELATIVE_TOLERANCE,
    extra: EventTable | None = None,
) -> tuple[layout.Cohort, Records, int]:
    """What the kernel is given for patients of one arm, as in `run_trial`: cohort, protocol, visits a patient has.

    Parameters
    ----------
    study
        Blocks of the scenario.
    arm
        Its place among the arms.
    numbers : (n,)
        Patient numbers.
    relative_tolerance
        Of the integrator.
    extra
        Events added to those planned.
    """
    patients = draw(study.disease, study.population, study.design, numbers, study.seed)
    roster = study_roster(study)
    recipients = _recipients(patients)
    visits, count = _visit_events(study, numbers)
    treatments = study.arms[arm].treatments
    planned = build_events(treatments, roster, recipients, study.seed, study.design.horizon)
    events = merge(planned, visits) if extra is None else merge(planned, visits, extra)
    cohort = _cohort(study, study.arms[arm], patients, roster, events)
    return cohort, _policy(study, roster, relative_tolerance), count


def _recipients(patients: VirtualPatients) -> Recipients:
    """What treatments know of the patients."""
    known = patients.covariates
    return Recipients(patients.number, known["weight"], patients.body_surface, known["lymphocyte_factor"])


def _assign(study: Study, patients: VirtualPatients) -> Floats:
    """Whether a patient belongs to an arm, shape (arm, patient)."""
    arms, numbers, assignment = len(study.arms), patients.number, study.design.assignment
    if study.design.allocation == "twins":
        return np.ones((arms, numbers.size))
    if study.design.allocation == "observational":
        assert assignment is not None  # a rule between the blocks
        treated = [arm.name for arm in study.arms].index(assignment.arm)
        meant = meant_for_treatment(study.population, assignment, patients.covariates, numbers, study.seed)
        return _members(arms, treated, meant)
    shares = np.array(study.design.ratio or [1.0] * arms, dtype=float)
    u = random.uniforms(study.seed, random.STREAM_ALLOCATION, numbers, 0, 0)
    chosen = np.searchsorted(np.cumsum(shares / shares.sum()), u, side="right").clip(max=arms - 1)
    return np.asarray(np.arange(arms)[:, None] == chosen, dtype=float)


def _members(arms: int, treated: int, chosen: NDArray[np.bool_]) -> Floats:
    """Membership when some are in the arm ``treated`` and all others in the other one. Shape (arm, patient)."""
    place = np.where(chosen, treated, 1 - treated)
    return np.asarray(np.arange(arms)[:, None] == place, dtype=float)


def _order(study: Study) -> Sequence[int]:
    """Order in which arms are simulated: in an observational cohort the treated one first.

    Whoever of it never receives an infusion is counted, and simulated, as a control.
    """
    places = range(len(study.arms))
    return places if study.design.allocation != "observational" else places[::-1]


def _received(planned: EventTable, outcomes: layout.Outcomes, patients: VirtualPatients) -> NDArray[np.bool_]:
    """Who was given a first infusion while still under observation (eq. A3). Shape (patient,)."""
    rows = planned.rows()
    infusion = rows.kind == layout.EVENT_INFUSION
    first = np.full(patients.number.size, np.inf)
    np.minimum.at(first, rows.patient[infusion], rows.time[infusion])
    end = np.minimum(patients.traits["end"], patients.dropout)
    return np.asarray((outcomes.event["infusions"] > 0) & (first <= end))


def _only(found: layout.Outcomes, blank: layout.Outcomes, kept: NDArray[np.bool_]) -> layout.Outcomes:
    """Outcomes of an arm that loses patients: ``blank``, filled for those who are ``kept``."""
    blank.event[kept], blank.visit[kept] = found.event[kept], found.visit[kept]
    traced = blank.trace_row >= 0
    blank.trace[blank.trace_row[traced]] = found.trace[found.trace_row[traced]]
    return blank


def study_roster(study: Study) -> Roster:
    """Every drug, product and procedure of the trial, in the order of the records of a cohort."""
    rescue, tace = study.salvage.rescue, study.salvage.tace
    return roster_of(
        [arm.treatments for arm in study.arms],
        [rescue.drug] if rescue is not None else [],
        [tace] if tace is not None else [],
    )


def _visit_events(study: Study, numbers: Ints) -> tuple[EventTable, int]:
    """Tumour assessments of every patient, jittered within their window; the advanced setting adds a baseline."""
    visits = study.design.visits
    planned = visits.schedule.visits(study.design.horizon)
    late = np.stack(
        [random.uniforms(study.seed, random.STREAM_VISIT_JITTER, numbers, k, 0) for k in range(planned.size)], axis=1
    )
    days = planned[None, :] + visits.jitter * (2.0 * late - 1.0)
    first = 0
    if study.population.setting == "advanced":
        days = np.concatenate([np.zeros((numbers.size, 1)), np.maximum(days, 0.0)], axis=1)
        first = 1
    rows = [
        Rows.of(np.arange(numbers.size), days[:, k], layout.EVENT_VISIT, k, 0.0) for k in range(planned.size + first)
    ]
    return EventTable.of(Rows.concatenate(rows), numbers.size), planned.size + first


def _each(definitions: Sequence[Process], dtype: np.dtype[np.void], stops: Floats, numbers: Ints, seed: int) -> Records:
    """Individual parameters of every drug or product, shape (n, definitions)."""
    out = np.zeros((numbers.size, len(definitions)), dtype)
    for i, definition in enumerate(definitions):
        name = str(getattr(definition, "name", ""))
        out[:, i] = records(dtype, individual(definition, name, numbers, seed))
        out[:, i]["until_progression"] = stops[i]
    return out


def _cohort(study: Study, arm: Arm, patients: VirtualPatients, roster: Roster, events: EventTable) -> layout.Cohort:
    """Inputs of the kernel for one arm."""
    stops = stop_rules(arm.treatments, roster)
    table = np.zeros(events.time.size, layout.EVENT)
    table["time"], table["kind"], table["index"], table["value"] = events.time, events.kind, events.index, events.value
    return layout.Cohort(
        patients.traits,
        _each(roster.drugs, layout.DRUG, stops.drugs.astype(float), patients.number, study.seed),
        _each(roster.products, layout.PRODUCT, stops.products.astype(float), patients.number, study.seed),
        procedures(roster.procedures),
        patients.lesion_offset,
        patients.lesions,
        events.offset,
        table,
    )


def _policy(study: Study, roster: Roster, relative_tolerance: float) -> Records:
    """The protocol, as one record `layout.POLICY`."""
    imaging, salvage, rescue = study.design.imaging, study.salvage, study.salvage.rescue
    policy = np.zeros(1, layout.POLICY)
    values: dict[str, float] = {
        "seed": study.seed,
        "adjuvant": study.population.setting == "adjuvant",
        "measurement_cv": imaging.measurement_cv,
        "measurable_diameter": imaging.measurable_diameter / 1000.0,
        "target_lesions": imaging.target_lesions,
        "salvage_delay": salvage.delay,
        "curative_probability": salvage.curative_probability,
        "curative_at_most": salvage.curative_at_most,
        "residual_fraction": salvage.residual_fraction,
        "tace": roster.procedures.index(salvage.tace) if salvage.tace is not None else -1,
        "tace_at_most": salvage.tace_at_most if salvage.tace is not None else 0,
        "tace_interval": salvage.tace_interval,
        "rescue_drug": roster.drugs.index(rescue.drug) if rescue is not None else -1,
        "rescue_rate": rescue.dose * rescue.times_per_day * rescue.adherence if rescue is not None else 0.0,
        "relative_tolerance": relative_tolerance,
        "max_steps": MAX_STEPS,
    }
    for name, value in values.items():
        policy[name] = value
    return policy


def _outcomes(numbers: Ints, assigned: Floats, traced: int, visits: int, times: Floats) -> layout.Outcomes:
    """Empty outputs of one arm; patients numbered below ``traced`` are traced."""
    order = np.sort(numbers[numbers < traced])
    row = np.full(numbers.size, -1, np.int64)
    here = (numbers < traced) & (assigned > 0)
    row[here] = np.searchsorted(order, numbers[here])
    trace = np.zeros((max(order.size, 1), times.size), layout.TRACE)
    visit = np.zeros((numbers.size, visits), layout.VISIT)
    for name in layout.TRACE_NAMES:
        trace[name] = np.nan
    for name in MEASURED_AT_VISITS:
        visit[name] = np.nan  # codes and counts of a visit that did not take place are 0
    event = np.zeros(numbers.size, layout.OUTCOME)
    return layout.Outcomes(event, visit, trace, times, row, np.zeros(numbers.size, layout.MEMO))


def _collect(
    study: Study, patients: VirtualPatients, assigned: Floats, arms: Sequence[layout.Outcomes], times: Floats
) -> TrialData:
    """Arrays by declared name."""
    numbers = patients.number
    shape = (len(arms), numbers.size)
    arrays: dict[str, Floats] = dict(patients.covariates)
    end = np.broadcast_to(patients.traits["end"], shape)
    lost = np.broadcast_to(patients.dropout, shape)
    arrays["assigned"] = assigned
    arrays["censor_time"] = np.minimum(end, lost)
    arrays["dropout_time"] = np.where(lost < end, lost, np.nan)
    absent = assigned == 0.0
    for name in layout.OUTCOME_NAMES:
        column = np.stack([o.event[name] for o in arms])
        arrays[name] = np.where(absent, np.nan if name.endswith("_time") else 0.0, column)
    for name in layout.VISIT_NAMES:
        arrays[name] = np.stack([o.visit[name] for o in arms])
    traced = np.sort(numbers[numbers < study.output.traced_patients])
    for name in layout.TRACE_NAMES:
        arrays[name] = np.stack([o.trace[name][: traced.size] for o in arms])
    return TrialData(
        arms=tuple(arm.name for arm in study.arms),
        labels=tuple(arm.title for arm in study.arms),
        arrays={v.name: np.ascontiguousarray(arrays[v.name], dtype=v.dtype) for v in VARIABLES},
        patient=numbers,
        trace=traced,
        time=times,
        setting=study.population.setting,
        allocation=study.design.allocation,
    )


def check_failures(data: TrialData) -> None:
    """A trial in which every patient failed is no result.

    Raises
    ------
    SimulationError
        The message names the first of them, the time and what to do.
    """
    failed = (data["status"] > 0) & (data["assigned"] > 0)
    if failed.any() and failed.sum() == (data["assigned"] > 0).sum():
        raise SimulationError(failures_text(data))


def failures_text(data: TrialData) -> str:
    """Which patients failed, when and why; empty when none did."""
    reasons = ("", "the step became too small", "a state is not a number", "too many steps")
    lines = []
    for a, i in np.argwhere((data["status"] > 0) & (data["assigned"] > 0))[:10]:
        reason = reasons[int(data["status"][a, i])]
        day = data["failure_time"][a, i]
        lines.append(f"patient {data.patient[i]} of arm {data.arms[a]}: {reason} at day {day:.3g}")
    if not lines:
        return ""
    count = int(((data["status"] > 0) & (data["assigned"] > 0)).sum())
    advice = "Look for a rate far outside its range (tumorsim check lists them), or report it with the scenario."
    return f"{count} integrations failed. " + "; ".join(lines) + f". {advice}"


def warm_up(study: Study, threads: int = 1) -> float:
    """Compile the kernels, or load them from the cache, on one patient; returns the seconds it took.

    With more than one thread a second process compiles half of them.
    """
    start = clock.perf_counter()
    work = partial(run_trial, study, numbers=np.zeros(1, np.int64))
    with helped(TRIAL, work, threads):
        work()
    return clock.perf_counter() - start
