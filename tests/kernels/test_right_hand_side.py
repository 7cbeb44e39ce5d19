"""The compiled right-hand side against its plain twin, and the cost of reducing VEGF."""

from __future__ import annotations

import numpy as np
import pytest
from event_driver import bench
from reference_patient import Case, slopes, slopes_unreduced, steady_vegf
from scipy.integrate import solve_ivp

from tumorsim.api import study_of
from tumorsim.kernels import layout
from tumorsim.kernels.derivatives import derivatives
from tumorsim.params.base import Process
from tumorsim.params.cell_product import CellModel
from tumorsim.params.disease import KERNEL_PROCESSES
from tumorsim.params.drug import DrugModel
from tumorsim.scenario import load

SCENARIOS = {"adjuvant": "scenarios/hcc_adjuvant_cik_rct.yaml", "advanced": "scenarios/hcc_sorafenib_cik.yaml"}
PATIENTS, LESIONS = 12, 3
RNG = np.random.default_rng(20)


def cases(setting: str) -> list[Case]:
    """Patients in whom no two parameters are equal; effects that the library leaves at zero are switched on."""
    study = study_of(load(SCENARIOS[setting], [f"population.patients={PATIENTS}"]))
    cohort = bench(study, 1, np.arange(PATIENTS), []).cohort
    for name, value in {
        "intercompartmental_clearance": 20.0, "peripheral_volume": 50.0,
        "max_elimination": 30.0, "half_elimination": 2.0,
        "cytotoxic_rate": 0.02, "cytotoxic_ec50": 4000.0, "opsonisation_emax": 0.7, "opsonisation_ec50": 3000.0,
        "bioavailability": 0.8,
    }.items():  # fmt: skip
        cohort.drugs[name] = value
    cohort.products["car_gain"] = 0.6
    for process in KERNEL_PROCESSES:
        scatter(cohort.traits[process], getattr(study.disease, process))
    scatter(cohort.drugs, DrugModel)
    scatter(cohort.products, CellModel)
    found = []
    for i in range(PATIENTS):
        slots = np.zeros(LESIONS, layout.SLOT)
        slots["rate"] = RNG.uniform(0.002, 0.03, LESIONS)
        slots["small"] = np.where(RNG.random(LESIONS) < 0.5, 0.0, 50.0)
        intake = np.array([(RNG.uniform(0.0, 900.0), RNG.choice([np.inf, 0.0, 40.0]))], dtype=layout.INTAKE)
        found.append(Case(cohort.traits[i], cohort.drugs[i], cohort.products[i], intake, slots))
    return found


def scatter(records: np.ndarray, block: Process | type[Process]) -> None:
    """Each parameter times a number of its own within its bounds: two that are equal in the library could be exchanged."""
    for name in block.names():
        low, high = block.bounds(name)
        records[name] = np.clip(records[name] * np.exp(RNG.normal(0.0, 0.4, records[name].shape)), low, 0.99 * high)


def random_state(case: Case) -> np.ndarray:
    body = layout.DRUG_STATES * case.drugs.size + layout.PRODUCT_STATES * case.products.size
    head = [
        *RNG.uniform(0, 1500, layout.DRUG_STATES * case.drugs.size),
        *10 ** RNG.uniform(0, 9.5, body - layout.DRUG_STATES),
    ]
    tail = [RNG.random(), RNG.uniform(0.3, 1.0), *RNG.random(3)]
    lesions = []
    for _ in range(LESIONS):
        cells = 10 ** RNG.uniform(1, 10)
        share = RNG.dirichlet(np.ones(4))
        effectors = cells * 10 ** RNG.uniform(-6, 0.5, 2 * case.products.size)
        lesions += [
            *(cells * share), cells * RNG.uniform(0, 2), cells * 10 ** RNG.uniform(0.02, 3), RNG.uniform(0.05, 0.98),
            RNG.uniform(0, 0.9), RNG.uniform(0, 3000), RNG.random(), *effectors,
        ]  # fmt: skip
    return np.array([*head, *tail, *lesions])


def compiled(case: Case, t: float, y: np.ndarray, lesions: int = LESIONS) -> np.ndarray:
    patient = layout.Patient(
        case.traits, case.drugs, case.products, np.zeros(1, layout.PROCEDURE), case.intake, case.slots
    )
    dy = np.full(y.size, np.nan)
    derivatives(t, y, dy, lesions, patient)
    return dy


@pytest.mark.parametrize("setting", SCENARIOS)
def test_the_kernel_is_the_twin(setting: str) -> None:
    for case in cases(setting):
        for _ in range(8):
            y, t = random_state(case), float(RNG.uniform(0, 1000))
            expected = slopes(t, y, case)
            # terms of both signs cancel: compare with the size of the state as well
            np.testing.assert_allclose(compiled(case, t, y), expected, rtol=1e-9, atol=1e-12 * np.abs(y).max())
            error = np.abs(compiled(case, t, y) - expected) / (np.abs(expected) + 1e-3 * np.abs(y) + 1e-30)
            assert error.max() < 1e-11


def test_cells_are_conserved_between_clones_and_the_dead() -> None:
    """Switching and mutation move cells; what dies enters the dead; only births add."""
    case = cases("advanced")[0]
    for name in ("growth_rate",):
        case.traits["growth"][name] = 0.0
    case.slots["rate"] = 0.0
    case.traits["growth"]["dead_clearance_rate"] = 0.0
    y = random_state(case)
    body = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
    change = compiled(case, 5.0, y)[body:].reshape(LESIONS, -1)
    np.testing.assert_allclose(change[:, :5].sum(axis=1), 0.0, atol=1e-9 * np.abs(change[:, :5]).max())


def test_effectors_are_conserved_but_for_their_deaths() -> None:
    case = cases("adjuvant")[0]
    case.products["death_rate"] = case.products["tumour_death_rate"] = 0.0
    y = random_state(case)
    dy = compiled(case, 5.0, y)
    body = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
    circulating = dy[layout.DRUG_STATES : layout.DRUG_STATES + layout.PRODUCT_STATES].sum()
    in_lesions = dy[body:].reshape(LESIONS, -1)[:, layout.LESION_HEAD :].sum()
    assert circulating + in_lesions == pytest.approx(0.0, abs=1e-12 * np.abs(dy).max())


def test_bevacizumab_like_drugs_cause_no_adcc_and_antibodies_need_cd16() -> None:
    case = cases("adjuvant")[0]
    y = random_state(case)
    body = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
    with_antibody = compiled(case, 5.0, y)
    case.products["cd16_fraction"] = 0.0
    without_cd16 = compiled(case, 5.0, y)
    case.drugs["opsonisation_emax"] = 0.0
    soluble = compiled(case, 5.0, y)
    np.testing.assert_array_equal(without_cd16, soluble)
    assert with_antibody[body] < without_cd16[body]  # sensitive cells die faster by ADCC


def test_vegf_in_steady_state_is_close_to_the_full_system(capsys: pytest.CaptureFixture[str]) -> None:
    """One year on sorafenib with CIK: the largest relative difference that the reduction makes is printed."""
    worst = 0.0
    for case in cases("advanced")[:1]:
        case.intake["rate"], case.intake["start"] = 800.0, 0.0
        case.slots["small"] = 0.0
        y = random_state(case)
        body = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
        x = y[body:].reshape(LESIONS, -1)
        x[:, :4] *= 1e9 / x[:, :4].sum(axis=1, keepdims=True)
        x[:, 4], x[:, 5], x[:, 6], x[:, 7], x[:, 8], x[:, 10:] = 1e8, 5e9, 0.3, 0.4, 500.0, 0.0
        cells, dead = x[:, :4].sum(axis=1), x[:, 4]
        perfusion = 2 * x[:, 5] / (x[:, 5] + cells) * (1 - x[:, 7])
        oxygen = perfusion / (perfusion + case.traits["vessels"]["half_perfusion"])
        z = np.concatenate([y, steady_vegf(case, cells, dead, oxygen)])
        settings = {"method": "LSODA", "rtol": 1e-9, "atol": 1e-6}
        reduced = solve_ivp(lambda t, s, c=case: slopes(t, s, c), (0, 365), y, **settings).y[:, -1]
        full = solve_ivp(lambda t, s, c=case: slopes_unreduced(t, s, c, LESIONS), (0, 365), z, **settings).y[
            : y.size, -1
        ]
        here = reduced[body:].reshape(LESIONS, -1)[:, :7], full[body:].reshape(LESIONS, -1)[:, :7]
        worst = max(worst, float(np.max(np.abs(here[0] - here[1]) / np.abs(here[1]))))
    with capsys.disabled():
        print(f"\nVEGF in steady state: largest relative difference of lesion states after a year {worst:.1e}")
    assert worst < 5e-3
