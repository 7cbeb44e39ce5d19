"""A parameter at the edge of its bounds, or beyond, never gives a number that means nothing.

Either the patient runs, or the result says who failed, when and why.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tumorsim import trial
from tumorsim.api import study_of
from tumorsim.kernels import layout
from tumorsim.params.base import Process
from tumorsim.params.disease import KERNEL_PROCESSES
from tumorsim.scenario import load
from tumorsim.trial import SimulationError, Study, failures_text, run_trial
from tumorsim.variables import TrialData

FEW = ["population.patients=4", "output.traced_patients=4", "after_progression.tace=ctace"]
NOISE = -0.01  # cells; the absolute tolerance of effectors, so that a pool that empties may end on either side of zero


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of(load("scenarios/hcc_sorafenib_cik.yaml", FEW))


def disease(study: Study, process: str, **values: float) -> Study:
    changed = getattr(study.disease, process).replace(**values)
    return dataclasses.replace(study, disease=study.disease.model_copy(update={process: changed}))


def given(study: Study, kind: str, **values: float) -> Study:
    """Change what is given (``drug`` or ``infusion``) in every arm."""
    arms = []
    for arm in study.arms:
        treatments = [
            t.model_copy(update={kind: t.definition.replace(**values)}) if kind == t.KEY else t for t in arm.treatments
        ]
        arms.append(arm.model_copy(update={"treatments": tuple(treatments)}))
    return dataclasses.replace(study, arms=arms)


def procedure(study: Study, **values: float) -> Study:
    tace = study.salvage.tace.replace(**values)
    return dataclasses.replace(study, salvage=study.salvage.model_copy(update={"tace": tace}))


def silent_faults(data: TrialData) -> list[str]:
    """Numbers that mean nothing in patients who are said to be done."""
    done = data["status"] == 0
    faults = []
    if not np.array_equal(np.isnan(data["failure_time"]), done):
        faults.append("failure_time does not go with status")
    present = np.isfinite(data["lesions"]) & done[:, :, None]
    assert present.any() or not done.any()
    with_lesion = present & (data["lesions"] > 0)
    for name in layout.TRACE_NAMES:
        here = with_lesion if name in ("capacity", "maturity", "perfusion", "vegf") else present
        if not np.isfinite(data[name][here]).all():
            faults.append(f"{name} is not a number")
        elif (data[name][here] < NOISE).any():
            faults.append(f"{name} falls to {data[name][here].min():.3g}")
    for name in ("sum_diameters", "sum_viable_diameters"):
        if not np.isfinite(data[name][np.isfinite(data["visit_time"]) & done[:, :, None]]).all():
            faults.append(f"{name} is not a number at a visit")
    died = np.isfinite(data["death_time"])
    if not np.array_equal(died, data["death_cause"] > 0):
        faults.append("death_cause does not go with death_time")
    return faults


def test_absurd_values_are_reported_by_patient_and_day(study: Study) -> None:
    with pytest.raises(SimulationError, match=r"8 integrations failed\. patient 0 of arm sorafenib: .* at day 0"):
        run_trial(disease(study, "growth", dead_clearance_rate=1e12))


def test_what_is_not_a_number_is_said_to_be_none(study: Study) -> None:
    """0/0 in the law of perfusion, which the bounds of the parameter exclude."""
    with pytest.raises(SimulationError, match="patient 3 of arm combination: a state is not a number at day 0"):
        run_trial(disease(study, "vessels", baseline_maturity=1.0))


def test_failures_of_some_patients_are_kept_with_their_day(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MAX_STEPS", 600)
    data = run_trial(study)
    failed = data["status"] == layout.STATUS_MANY_STEPS
    assert failed[1].any()
    assert not failed[0].any()
    assert not silent_faults(data)
    text = failures_text(data)
    first = int(np.flatnonzero(failed[1])[0])
    day = data["failure_time"][1, first]
    assert f"patient {data.patient[first]} of arm combination: too many steps at day {day:.3g}" in text
    assert text.startswith(f"{failed.sum()} integrations failed.")


@pytest.mark.parametrize("count", [1, layout.LANES])
def test_not_a_number_in_any_state_rejects_the_step_of_its_lane_alone(count: int) -> None:
    """One is enough, wherever it stands: a maximum would lose all but the last."""
    from tumorsim.kernels import decay, integrate, lanes

    made = integrate.lanes_for(0, 0, 0)
    error = made.numbers[made.at_clock + lanes.ERROR * layout.LANES :][:count]
    k = made.numbers[made.at_k : made.at_atol].reshape(decay.ROWS, made.states, layout.LANES)
    for bad in range(made.states):
        for value in (math.nan, math.inf):
            k[1] = 0.0
            k[1, bad, count - 1] = value
            integrate.error_norm(0, made, count, 1e-6)
            assert not error[-1] <= 1.0
            assert (error[:-1] == 0.0).all()


def edges(block: Process) -> Iterator[tuple[str, float]]:
    """Each parameter at both ends of its bounds; a million times its value where it has none."""
    for name in block.names():
        low, high = block.bounds(name)
        extra = block._extra(name)
        yield name, low if extra.get("ge") is not None else low + 1e-9
        if math.isfinite(high):
            yield name, high if extra.get("le") is not None else high - 1e-9
        else:
            yield name, 1e6 * max(getattr(block, name).value, 1e-3)


def edge_studies(study: Study) -> Iterator[tuple[str, Study]]:
    drug, cells = (treatment.definition for treatment in study.arms[1].treatments)
    places: list[tuple[str, Process, Callable[..., Study]]] = [
        (name, getattr(study.disease, name), lambda name=name, **v: disease(study, name, **v))
        for name in KERNEL_PROCESSES
    ]
    places += [
        ("drug", drug, lambda **v: given(study, "drug", **v)),
        ("infusion", cells, lambda **v: given(study, "infusion", **v)),
        ("tace", study.salvage.tace, lambda **v: procedure(study, **v)),
    ]
    for place, block, change in places:
        for name, value in edges(block):
            if math.isfinite(value):
                yield f"{place}.{name}={value:g}", change(**{name: value})


@pytest.mark.slow
def test_every_parameter_at_the_edge_of_its_bounds(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "MAX_STEPS", 20_000)
    clean, reported, silent = 0, [], []
    for what, changed in edge_studies(study):
        try:
            data = run_trial(changed, threads=2)
        except SimulationError as error:
            reported.append(what)
            silent += [] if " at day " in str(error) else [f"{what}: {error}"]
            continue
        silent += [f"{what}: {fault}" for fault in silent_faults(data)]
        if (data["status"] > 0).any():
            assert " at day " in failures_text(data)
            reported.append(what)
        else:
            clean += 1
    with capsys.disabled():
        print(
            f"\nparameters at the edge: {clean} ran, {len(silent)} silent faults, {len(reported)} reported:", *reported
        )
    assert not silent
    assert clean > 180
