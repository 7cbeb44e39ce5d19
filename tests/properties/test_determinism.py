"""Equal bits: at any number of threads, in any order, in any company; and nothing given is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tumorsim.api import simulate, study_of
from tumorsim.scenario import Scenario, load
from tumorsim.store import digest
from tumorsim.trial import run_trial
from tumorsim.variables import VARIABLES, TrialData

SCENARIOS = ("scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml")
N = 21


def scenario(path: str, *changes: str) -> Scenario:
    return load(path, [*changes, f"population.patients={N}", "output.traced_patients=6"])


def sha256(data: TrialData) -> str:
    return digest(data, "", 0)


def reordered(data: TrialData, order: np.ndarray) -> TrialData:
    """The same trial with its patients in another order."""
    arrays = {
        v.name: data[v.name].take(order, axis=v.dims.index("patient")) if "patient" in v.dims else data[v.name]
        for v in VARIABLES
    }
    return TrialData(
        data.arms, data.labels, arrays, data.patient[order], data.trace, data.time, data.setting, data.allocation
    )


@pytest.fixture(scope="module", params=SCENARIOS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def reference(path: str) -> TrialData:
    return simulate(scenario(path), threads=1)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_no_bit(path: str, reference: TrialData, threads: int) -> None:
    assert sha256(simulate(scenario(path), threads=threads)) == sha256(reference)


def test_the_order_of_patients_changes_no_bit(path: str, reference: TrialData) -> None:
    order = np.random.default_rng(5).permutation(N)
    shuffled = run_trial(study_of(scenario(path)), threads=2, numbers=order.astype(np.int64))
    assert sha256(reordered(shuffled, np.argsort(order))) == sha256(reference)
    assert not np.array_equal(shuffled["age"], reference["age"])  # they did stand in another order


def test_the_company_of_other_patients_changes_no_bit(path: str, reference: TrialData) -> None:
    few = np.array([3, 11, 20], dtype=np.int64)
    alone = run_trial(study_of(scenario(path)), threads=1, numbers=few)
    for v in VARIABLES:
        if "patient" in v.dims:
            expected = reference[v.name].take(few, axis=v.dims.index("patient"))
            np.testing.assert_array_equal(alone[v.name], expected, err_msg=v.name)


def test_looking_at_a_patient_changes_no_bit(path: str, reference: TrialData) -> None:
    """A traced patient has the solution of an untraced one."""
    unseen = simulate(load(path, [f"population.patients={N}", "output.traced_patients=0"]), threads=1)
    for v in VARIABLES:
        if "patient" in v.dims:
            np.testing.assert_array_equal(unseen[v.name], reference[v.name], err_msg=v.name)


def test_another_seed_is_another_trial(path: str, reference: TrialData) -> None:
    other = simulate(scenario(path, "seed=2"), threads=1)
    assert not np.array_equal(other["age"], reference["age"])
    assert not np.array_equal(other["death_time"], reference["death_time"], equal_nan=True)


def arms_equal(data: TrialData, a: int, b: int) -> None:
    for v in VARIABLES:
        if v.dims[0] == "arm":
            np.testing.assert_array_equal(data[v.name][a], data[v.name][b], err_msg=v.name)


def test_no_cells_are_no_infusion_bit_for_bit() -> None:
    none = simulate(scenario(SCENARIOS[0], "arms.cik.treatments.0.dose=0 cells"), threads=2)
    arms_equal(none, 0, 1)
    some = simulate(scenario(SCENARIOS[0], "arms.cik.treatments.0.dose=1e6 cells"), threads=2)
    assert not np.array_equal(some["steps"][0], some["steps"][1])  # the comparison can fail


def test_no_dose_is_no_drug_bit_for_bit() -> None:
    untreated = simulate(scenario(SCENARIOS[1], "arms.sorafenib.treatments=[]"), threads=2)
    zero = simulate(scenario(SCENARIOS[1], "arms.sorafenib.treatments.0.dose=0 mg"), threads=2)
    for v in VARIABLES:
        if v.dims[0] == "arm":
            np.testing.assert_array_equal(untreated[v.name][0], zero[v.name][0], err_msg=v.name)


def test_a_drug_without_effects_changes_nothing_but_its_concentration() -> None:
    """Zero ceilings are absent effects: everything but the drug agrees to the tolerance of the integrator."""
    inert = [
        f"arms.sorafenib.treatments.0.drug.{name}=0"
        for name in ("proliferation_emax", "vessel_emax", "effector_suppression_emax")
    ]
    given = simulate(scenario(SCENARIOS[1], *inert), threads=2)
    none = simulate(scenario(SCENARIOS[1], "arms.sorafenib.treatments=[]"), threads=2)
    np.testing.assert_allclose(given["death_time"][0], none["death_time"][0], rtol=1e-4)
    np.testing.assert_allclose(given["sensitive"][0], none["sensitive"][0], rtol=1e-3)


def test_adding_an_arm_leaves_the_others_alone() -> None:
    """Common random numbers: a third arm, with a drug the others never see, moves nobody's luck."""
    two = simulate(scenario(SCENARIOS[0]), threads=2)
    base = load(SCENARIOS[0], [f"population.patients={N}", "output.traced_patients=6"])
    advanced = load(SCENARIOS[1]).arm("sorafenib")
    treated = advanced.model_copy(update={"name": "third"})
    three = simulate(base.model_copy(update={"arms": (*base.arms, treated)}), threads=2)
    for v in VARIABLES:
        if v.dims[0] == "arm" and v.name != "drug_concentration":
            np.testing.assert_array_equal(three[v.name][:2], two[v.name], err_msg=v.name)
        if "arm" not in v.dims:
            np.testing.assert_array_equal(three[v.name], two[v.name], err_msg=v.name)
