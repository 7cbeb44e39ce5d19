"""The same patients in AMICI, which makes C++ of the SBML export and solves it with CVODES; needs `amici`."""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import libsbml
import numpy as np

from benchmarks.figure import Figure, Skip
from benchmarks.patient import empty, most_lesions_first, study
from benchmarks.roadrunner import DAYS, LOOKS, REFERENCE, cpu_seconds, immortal
from benchmarks.timing import ratio
from tumorsim.models.patient import simulate_batch
from tumorsim.sbml.document import sbml_text
from tumorsim.sbml.model import Exported, export_patient, names_of, state_ids
from tumorsim.trial import Study, study_roster

PATIENT = 0  # two lesions; its code takes a minute and a half to make, that of one with four lesions five
COPIES = 48
TRIED = (1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
ABSOLUTE = 0.01  # the one absolute tolerance of all states over the relative one; with 1 some patients fail
MOST_STEPS = 1_000_000


def without_rules(text: str) -> str:
    """SBML in whose event assignments every name of an assignment rule is replaced by what it stands for.

    AMICI 1.0.1 makes C++ of assignments that read a rule which no compiler takes.
    """
    document = libsbml.readSBMLFromString(text)
    model = document.getModel()
    rules = {rule.getVariable(): rule.getMath() for rule in model.getListOfRules() if rule.isAssignment()}
    for event in model.getListOfEvents():
        for assignment in event.getListOfEventAssignments():
            assignment.setMath(_spelled_out(assignment.getMath(), rules))
    return str(libsbml.writeSBMLToString(document))


def _spelled_out(node: Any, rules: dict[str, Any]) -> Any:
    """A formula without names of rules; rules may name others."""
    if node.isName():
        return _spelled_out(rules[node.getName()], rules) if node.getName() in rules else node.deepCopy()
    found = node.deepCopy()
    for child in range(node.getNumChildren()):
        found.replaceChild(child, _spelled_out(node.getChild(child), rules), True)
    return found


@contextmanager
def tools() -> Iterator[None]:
    """The compiler's helpers that were installed beside Python are found, and AMICI says errors alone."""
    before = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "amici":
            logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        os.environ["PATH"] = before


@dataclass
class Patient:
    """One patient as a compiled model of AMICI."""

    model: Any
    place: dict[str, int]

    def run(self, tolerance: float, days: list[float]) -> np.ndarray:
        """States on some days from the start, NaN where it does not get. Shape (days, states)."""
        from amici.sim.sundials import run_simulation

        solver = self.model.create_solver()
        solver.set_relative_tolerance(tolerance)
        solver.set_absolute_tolerance(ABSOLUTE * tolerance)
        solver.set_max_steps(MOST_STEPS)
        self.model.set_timepoints([0.0, *days])
        return np.array(run_simulation(self.model, solver)["x"])[1:]


def built(text: str, name: str, folder: Path) -> Patient:
    """A patient's model: written as C++, compiled and loaded."""
    import amici.sim.sundials
    from amici.importers.sbml import SbmlImporter

    (folder / f"{name}.xml").write_text(without_rules(text))
    where = folder / name
    with tools():
        SbmlImporter(folder / f"{name}.xml").sbml2amici(
            name, where, generate_sensitivity_code=False, compute_conservation_laws=False, verbose=logging.ERROR
        )
        model = amici.import_model_module(name, where).get_model()
    return Patient(model, {sid: column for column, sid in enumerate(model.get_state_ids())})


def against_amici(quick: bool, repeats: int) -> list[Figure]:
    """Five years of a patient with the same events: copies side by side by ours, and one by AMICI.

    Its tolerance is the loosest power of ten whose largest error is not above ours, both against libRoadRunner at
    1e-11.
    """
    if find_spec("amici") is None:
        raise Skip("it needs AMICI, which comes as source and wants a C++ compiler and minutes (pip install amici)")
    if find_spec("roadrunner") is None:
        raise Skip("what is exact it is told by libRoadRunner (pip install 'tumorsim[peers]')")
    with tempfile.TemporaryDirectory() as folder:
        return beside(study(PATIENT + 1), Path(folder), repeats)


def beside(work: Study, folder: Path, repeats: int) -> list[Figure]:
    """The lines of the table."""
    from integrator_table import floors
    from roadrunner_peer import Peer

    roster = study_roster(work)
    names = names_of(roster)
    copies = immortal(work, np.full(COPIES, PATIENT))
    mine = export_patient(copies, work.disease, roster, 0, until=DAYS, looks=LOOKS)
    text = sbml_text(mine.system, "patient", "patient", [])
    lesions = lesions_of(mine)
    ids = state_ids(names, range(lesions))
    peer = Peer(text, ids, names)
    peer.set_tolerance(REFERENCE)
    exact = peer.run(mine.days)
    theirs = built(text, "patient", folder)

    def error(rows: list[np.ndarray] | np.ndarray, place: dict[str, int] | None) -> float:
        worst = 0.0
        for row, truth, (_, there) in zip(rows, exact, mine.states, strict=True):
            present = state_ids(names, there)
            right = truth[[ids.index(sid) for sid in present]]
            got = row if place is None else row[[place[sid] for sid in present]]
            floor = floors(right, len(names.drugs), len(names.products))
            worst = np.maximum(worst, np.max(np.abs(got - right) / np.maximum(np.abs(right), floor)))
        return float(worst)

    own = error([y for y, _ in mine.states], None)
    errors = {tolerance: error(theirs.run(tolerance, mine.days), theirs.place) for tolerance in TRIED}
    chosen = next((tolerance for tolerance in TRIED if errors[tolerance] <= own), TRIED[-1])
    rows = most_lesions_first(copies)
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    simulate_batch(copies.cohort, copies.policy, empty(copies), rows, np.zeros(1, np.int64))  # warm
    for _ in range(repeats):
        call = partial(simulate_batch, copies.cohort, copies.policy, empty(copies), rows, np.zeros(1, np.int64))
        times["ours"].append(cpu_seconds(call) / COPIES)
        times["theirs"].append(cpu_seconds(partial(theirs.run, chosen, [DAYS])))
    times_faster, noise = ratio(times["theirs"], times["ours"])
    name = f"AMICI {version('amici')}, rtol {chosen:.0e}"
    who = f"5 years of a patient with {lesions} lesions"
    rates = {key: 1.0 / statistics.median(spent) for key, spent in times.items()}
    return [
        Figure(who, rates["ours"], "patients/s", own, name, times_faster, noise=noise),
        Figure(f"{who}, by {name}", rates["theirs"], "patients/s", errors[chosen]),
    ]


def lesions_of(patient: Exported) -> int:
    """Lesions that the patient ever has."""
    return sum(sid.endswith("_present") for sid in patient.system.quantities)
