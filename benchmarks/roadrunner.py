"""The same patients in libRoadRunner, which compiles the SBML export and solves it with CVODE; extra `peers`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analytic"))

from integrator_table import floors
from roadrunner_peer import Peer

from benchmarks.figure import Figure, Skip
from benchmarks.patient import empty, most_lesions_first, study
from benchmarks.timing import ratio
from tumorsim.course import Inputs
from tumorsim.models.patient import simulate_batch
from tumorsim.sbml.document import sbml_text
from tumorsim.sbml.model import export_patient, names_of, state_ids
from tumorsim.trial import RELATIVE_TOLERANCE, Study, arm_inputs, study_roster

REFERENCE = 1e-11
TRIED = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
DAYS = 5 * 365.25
LOOKS = tuple(np.arange(15.37, DAYS, 91.3125))  # where errors are read
AIM = 10.0, 20.0
CELLS = 1  # place of the arm that is given cells
PATIENTS = {True: 16, False: 48}  # by whether it is the quick tier


@dataclass
class Patient:
    """One patient of both: our largest error, libRoadRunner's by tolerance, and how long it takes to load."""

    peer: Peer
    error: float
    their_error: dict[float, float]
    loading: float

    def seconds(self, tolerance: float) -> float:
        """CPU seconds of libRoadRunner for the whole course."""
        self.peer.set_tolerance(tolerance)
        self.peer.reset()
        return cpu_seconds(lambda: self.peer.runner.simulate(0.0, DAYS, 2))


def roadrunner(quick: bool, repeats: int) -> list[Figure]:
    """Five years of the same patients with the same events, by our compiled loop and by libRoadRunner's.

    Ours takes all patients in one call, on full lanes, as every run does; libRoadRunner takes one after another. Its
    tolerance is the loosest power of ten whose largest error is not above ours, both against libRoadRunner at 1e-11.
    Of its settings the fastest are taken: optimised code. Both run on one thread and are timed in CPU seconds, in turn.
    Ours also reads the images of each visit and decides on treatment; theirs is told.
    """
    if find_spec("roadrunner") is None or find_spec("libsbml") is None:
        raise Skip("it needs libroadrunner and python-libsbml (pip install 'tumorsim[peers]')")
    work = study(PATIENTS[quick])
    made = immortal(work, np.arange(PATIENTS[quick]))
    return figures(made, [compared(work, made, i) for i in range(PATIENTS[quick])], repeats)


def compared(work: Study, made: Inputs, i: int) -> Patient:
    """One patient at every tolerance."""
    roster = study_roster(work)
    names = names_of(roster)
    mine = export_patient(made, work.disease, roster, i, until=DAYS, looks=LOOKS)
    lesions = sum(sid.endswith("_present") for sid in mine.system.quantities)
    ids = state_ids(names, range(lesions))
    text = sbml_text(mine.system, "patient", "patient", [])
    start = time.process_time()
    peer = Peer(text, ids, names, optimised=True)
    loading = time.process_time() - start

    def states(tolerance: float) -> list[np.ndarray]:
        peer.set_tolerance(tolerance)
        found = peer.run(mine.days)
        place = {sid: column for column, sid in enumerate(ids)}
        return [
            row[[place[sid] for sid in state_ids(names, there)]]
            for row, (_, there) in zip(found, mine.states, strict=True)
        ]

    truth = states(REFERENCE)
    drugs, products = len(names.drugs), len(names.products)

    def error(found: list[np.ndarray]) -> float:
        pairs = zip(found, truth, strict=True)
        return max(float(np.max(np.abs(a - b) / np.maximum(np.abs(b), floors(b, drugs, products)))) for a, b in pairs)

    own = error([y for y, _ in mine.states])
    return Patient(peer, own, {tolerance: error(states(tolerance)) for tolerance in TRIED}, loading)


def figures(made: Inputs, patients: list[Patient], repeats: int) -> list[Figure]:
    """Lines of the table: the tolerance is chosen, seconds are summed over patients, ratios are of one round each."""
    error = max(one.error for one in patients)
    errors = {tolerance: max(one.their_error[tolerance] for one in patients) for tolerance in TRIED}
    chosen = next((tolerance for tolerance in TRIED[1:] if errors[tolerance] <= error), TRIED[-1])
    looser = TRIED[TRIED.index(chosen) - 1]
    rows, n = most_lesions_first(made), len(patients)
    ours: list[float] = []
    theirs: dict[float, list[float]] = {chosen: [], looser: []}
    simulate_batch(made.cohort, made.policy, empty(made), rows, np.zeros(1, np.int64))  # warm
    for _ in range(repeats):
        out = empty(made)
        ours.append(
            cpu_seconds(lambda out=out: simulate_batch(made.cohort, made.policy, out, rows, np.zeros(1, np.int64)))
        )
        for tolerance, spent in theirs.items():
            spent.append(sum(one.seconds(tolerance) for one in patients))
    found = []
    for tolerance, spent in theirs.items():  # the one that is as exact as ours, and the next that is not
        name = f"libRoadRunner {version('libroadrunner')}, rtol {tolerance:.0e}"
        times, noise = ratio(spent, ours)
        aim = AIM if tolerance == chosen else (None, None)
        mine, peer = n / statistics.median(ours), n / statistics.median(spent)
        found += [
            Figure("5 years of a patient, compiled loop", mine, "patients/s", error, name, times, *aim, noise=noise),
            Figure(f"the same by {name}", peer, "patients/s", errors[tolerance]),
        ]
    loading = statistics.median(one.loading for one in patients)
    return [*found, Figure("libRoadRunner, loading a patient", loading, "s")]


def immortal(work: Study, numbers: np.ndarray) -> Inputs:
    """Patients by their numbers in the arm with cells, in which nobody dies within the five years."""
    made = Inputs(*arm_inputs(work, CELLS, numbers, RELATIVE_TOLERANCE))
    for cause in ("tumour_rate", "liver_rate", "other_rate"):
        made.cohort.traits["hazards"][cause] = 0.0
    made.cohort.procedures["mortality"] = 0.0
    made.cohort.traits["end"] = DAYS
    return made


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start
