"""Our trajectories against libRoadRunner's, which reads the SBML export and solves it with CVODE.

    python tests/analytic/sbml_table.py [PATIENTS]

exports so many random patients of each study, integrates both at 1e-10, and prints the
largest relative difference over all states on days a month apart, up to death or the end.
Dated events come from our course: what is compared is what the equations make of them.
Needs the extra `peers`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from integrator_table import floors
from roadrunner_peer import Peer

from tumorsim.api import study_of
from tumorsim.course import Inputs
from tumorsim.kernels import layout
from tumorsim.sbml.document import sbml_text
from tumorsim.sbml.lesion import CLONES
from tumorsim.sbml.model import export_patient, names_of, state_ids
from tumorsim.scenario import load
from tumorsim.trial import arm_inputs, study_roster

TOLERANCE = 1e-10
MONTH = 30.4375
FIRST_LOOK = 15.37  # day; with months after it hardly ever the day of an event
STUDIES = {
    "adjuvant CIK, TACE after recurrence": ("scenarios/hcc_adjuvant_cik_rct.yaml", "cik", []),
    "sorafenib + CIK": ("scenarios/hcc_sorafenib_cik.yaml", "combination", []),
    "sorafenib + CIK, TACE after progression": (
        "scenarios/hcc_sorafenib_cik.yaml",
        "combination",
        ["after_progression.tace=ctace", "after_progression.tace_at_most=4"],
    ),
}


@dataclass
class Found:
    """One patient of ours and of theirs.

    Attributes
    ----------
    worst, state, day
        Largest relative difference, of which state, and when.
    cleared
        Whether that state had been set to none by us, as less than a hundredth of an effector.
    death
        Relative difference of the day of death; NaN if the patient lives.
    extinct, sessions
        Lesions that died out, and sessions of TACE.
    """

    worst: float
    state: str
    day: float
    cleared: bool
    death: float
    extinct: int
    sessions: int


def compare(study_name: str, patients: int, seed: int = 5) -> list[Found]:
    """Random patients of one study."""
    path, arm, changes = STUDIES[study_name]
    scenario = load(path, changes)
    study, place = study_of(scenario), [one.name for one in scenario.arms].index(arm)
    chosen = np.random.default_rng(seed).choice(scenario.population.patients, patients, replace=False)
    return [compare_one(study, place, int(one)) for one in chosen]


def compare_one(study, place: int, patient: int) -> Found:
    made = Inputs(*arm_inputs(study, place, np.array([patient])))
    looks = tuple(np.arange(FIRST_LOOK, study.design.horizon, MONTH))
    roster = study_roster(study)
    mine = export_patient(made, study.disease, roster, relative_tolerance=TOLERANCE, looks=looks)
    names = names_of(roster)
    lesions = sum(sid.endswith("_present") for sid in mine.system.quantities)
    ids = state_ids(names, range(lesions))
    peer = Peer(sbml_text(mine.system, "patient", "patient", []), ids, names)
    peer.set_tolerance(TOLERANCE)
    present = [f"lesion{i + 1}_present" for i in range(lesions)]
    last = mine.walk.t + 1e-6 * max(1.0, mine.walk.t)
    theirs = peer.run([*mine.days, last], [*present, "death_cause", "death_day"])
    found = Found(0.0, "", 0.0, False, np.nan, int(mine.walk.out["lesions_extinct"]), 0)
    found.sessions = sum(deed.kind == "tace" for deed in mine.walk.deeds)
    for day, (y, there), row in zip(mine.days, mine.states, theirs, strict=False):
        seen = dict(zip([*ids, *present], row, strict=False))
        assert [i for i in range(lesions) if seen[present[i]] > 0.5] == sorted(there), (patient, day)
        own = state_ids(names, there)
        scale = np.maximum(np.abs(y), floors(y, len(names.drugs), len(names.products)))
        apart = np.abs(np.array([seen[sid] for sid in own]) - y) / scale
        if apart.max() > found.worst:
            at = int(apart.argmax())
            found.worst, found.state, found.day, found.cleared = float(apart[at]), own[at], day, bool(y[at] == 0.0)
    cause, death = theirs[-1, -2:]
    assert cause == mine.walk.out["death_cause"], (patient, cause, mine.walk.out["death_cause"])
    if cause > 0.0:
        found.death = abs(death / float(mine.walk.out["death_time"]) - 1.0)
    return found


def cells(found: list[Found]) -> str:
    """One row of the table."""
    worst = [one.worst for one in found]
    deaths = [one.death for one in found if np.isfinite(one.death)]
    largest = f"{max(deaths):.1e}" if deaths else "none died"
    return (
        f"{len(found)} | {sum(one.sessions for one in found)} | {sum(one.extinct for one in found)} | "
        f"{max(worst):.1e} | {np.median(worst):.1e} | {len(deaths)} | {largest}"
    )


def main() -> None:
    patients = int(sys.argv[1]) if len(sys.argv) > 1 else 17
    assert len(CLONES) == layout.CLONES
    print("| study | patients | TACE sessions | lesions died out | largest | median | deaths | day of death, largest |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in STUDIES:
        found = compare(name, patients)
        print(f"| {name} | {cells(found)} |", flush=True)
        for one in sorted(found, key=lambda one: -one.worst)[:3]:
            cleared = ", set to none by us" if one.cleared else ""
            print(f"  {one.worst:.1e} in {one.state} on day {one.day:.6g}{cleared}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
