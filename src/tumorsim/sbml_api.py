"""A virtual patient as an SBML model: what `tumorsim export --to sbml` does, one call away from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tumorsim.sbml.system import SbmlError, identifier
from tumorsim.scenario import Scenario, load, read_resolved
from tumorsim.trial_api import study_of

if TYPE_CHECKING:
    from tumorsim.sbml.model import Exported

__all__ = ["patient_sbml", "to_sbml", "trial_of"]

NOTES = (
    "A mathematical model of one virtual patient, for research and teaching. Nobody may be treated by it.",
    "The file holds the system of ordinary differential equations of this patient, with time in days from "
    "randomisation, and the patient's own parameters; the notes of each parameter give unit, typical value, status "
    "and source. Numbers of equations, such as G1, are those of the documentation of tumorsim (docs/theory).",
    "What the equations decide is part of the model: which small lesions die out, whether memory prevents a new "
    "lesion, the day of death. The draws of luck behind these are constants of the file.",
    "What imaging and people decide is not: doses, infusions, stops at progression and treatment after it are dated "
    "events, on the days and with the effects that they had in this patient's course. Who changes a parameter keeps "
    "the old schedule. What is done on day 0 is in the start values.",
    "Death is an event that sets death_cause and death_day; the equations go on after it as if the patient lived, and "
    "without further treatment.",
    "Left out: readings of images, and the rule that less than a hundredth of an effector, or a millionth of a "
    "milligram of a drug no longer given, is none.",
)


def patient_sbml(scenario: Scenario, arm: str | None = None, patient: int = 0) -> tuple[str, Exported]:
    """The SBML text of one patient in one arm, and the course whose schedule it holds.

    Parameters
    ----------
    scenario
        A trial.
    arm
        Name of the arm; may be left out where there is one.
    patient
        Number of the patient, from 0. Any patient in any arm, whatever the allocation.

    Raises
    ------
    SbmlError
        No such arm or patient.
    tumorsim.extras.MissingLibraryError
        python-libsbml is not installed.
    tumorsim.trial.SimulationError
        The patient could not be integrated.
    """
    import numpy as np

    from tumorsim import __version__
    from tumorsim.course import Inputs
    from tumorsim.extras import need
    from tumorsim.sbml.document import sbml_text
    from tumorsim.sbml.model import export_patient
    from tumorsim.trial import arm_inputs, study_roster

    place = _arm_place(scenario, arm)
    count = scenario.population.patients
    if not 0 <= patient < count:
        raise SbmlError(f"patient {patient}: {scenario.name} has patients 0 to {count - 1}, e.g. --patient 0")
    need("libsbml", "sbml")  # told before the wait
    study = study_of(scenario)
    inputs = Inputs(*arm_inputs(study, place, np.array([patient])))
    exported = export_patient(inputs, scenario.disease, study_roster(study))
    name = scenario.arms[place].name
    about = [
        f"Patient {patient} of the scenario {scenario.name} ({scenario.title}), arm {name} "
        f"({scenario.arms[place].title}), seed {scenario.seed}; written by tumorsim {__version__}.",
        *NOTES,
        _ending(exported),
    ]
    title = f"{scenario.title}: patient {patient}, arm {name}"
    return sbml_text(exported.system, identifier(f"{scenario.name}_{name}_{patient}"), title, about), exported


def to_sbml(
    source: str | Path | Scenario,
    path: str | Path,
    *,
    arm: str | None = None,
    patient: int = 0,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    force: bool = False,
) -> Path:
    """Write one virtual patient in one arm as SBML Level 3 Version 2.

    Parameters
    ----------
    source
        A scenario file of a trial, the result of one, or a loaded scenario.
    path
        File to write.
    arm, patient
        As in `patient_sbml`.
    overrides, seed
        Changes to a scenario file, as in `tumorsim.load`.
    force
        Replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    tumorsim.store.ResultError
        The file exists or cannot be written, or the result cannot be read.
    tumorsim.scenario.ScenarioError
        A fault in the scenario, with its place.
    SbmlError
        No such arm or patient, or the source is no trial.
    """
    from tumorsim.store import check_target, commit

    target = check_target(Path(path), force)
    scenario = source if isinstance(source, Scenario) else trial_of(Path(source), overrides, seed)
    text, _ = patient_sbml(scenario, arm, patient)
    return commit(target, text.encode(), force=force, sealed=False)


def trial_of(source: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """The scenario of a scenario file, or of the result of a trial.

    Raises
    ------
    SbmlError
        The file is of a lattice, a sweep or a calibration, or changes are given to a result.
    """
    from tumorsim import store
    from tumorsim.overlay import is_spatial

    wanted = "SBML describes one patient of a trial"
    if source.suffix.lower() in {".yaml", ".yml"}:
        if is_spatial(source):
            raise SbmlError(f"{source}: {wanted}, and this is a spatial scenario; a lattice is no system of equations")
        return load(source, overrides, None, seed)
    if overrides or seed is not None:
        raise SbmlError(f"{source}: --set and --seed change a scenario; of a result leave them out, or give its file")
    kind = store.kind_of(source)
    if kind != "trial":
        raise SbmlError(f"{source}: {wanted}, and this is a result of the kind {kind}; give a trial or its scenario")
    return read_resolved(store.read(source).scenario_text)


def _arm_place(scenario: Scenario, arm: str | None) -> int:
    names = [one.name for one in scenario.arms]
    if arm is None and len(names) == 1:
        return 0
    if arm not in names:
        said = "no arm given" if arm is None else f"no arm {arm}"
        raise SbmlError(f"{said}: {scenario.name} has {', '.join(names)}, e.g. --arm {names[-1]}")
    return names.index(arm)


def _ending(exported: Exported) -> str:
    """How the course ended, and what was seen on the way."""
    out, words = exported.walk.out, ("", "tumour", "liver failure or its treatment", "other causes")
    seen = float(out["progression_time"])
    told = "No progression was seen." if seen != seen else f"Progression was first seen on day {seen:.6g}."
    if exported.walk.died:
        ending = f"died on day {float(out['death_time']):.6g} ({words[int(out['death_cause'])]})"
    else:
        ending = f"was alive at the data cut-off on day {exported.until:.6g}"
    return f"In the course behind this schedule the patient {ending}. {told}"
