"""The compiled right-hand side against its plain twin, and the cost of reducing VEGF."""

from __future__ import annotations

import numpy as np
import pytest
from event_driver import bench
from reference_patient import Case, slopes, slopes_unreduced, steady_vegf
from scipy.integrate import solve_ivp

from tumorsim.api import study_of
from tumorsim.kernels import layout, liver
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
    cohort.products["car_gain"], cohort.products["cytostatic_share"] = 0.6, 0.3
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
    """Each parameter times a number of its own within bounds: two that are equal in the library could be exchanged."""
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


def halted(case: Case, share: float, kill_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of clones and dead cells, (LESIONS, 5), and the state they belong to: far below capacity, no drug."""
    case.products["cytostatic_share"], case.products["kill_rate"] = share, kill_rate
    case.intake["rate"] = 0.0
    for name in ("mutation_probability", "switch_on_rate", "switch_off_rate", "antigen_loss_probability"):
        case.traits["resistance"][name] = 0.0
    case.traits["memory"]["kill_rate"] = case.traits["growth"]["dead_clearance_rate"] = 0.0
    body = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
    y = np.ones(body + LESIONS * (layout.LESION_HEAD + 2))
    y[: layout.DRUG_STATES] = 0.0
    lesions = y[body:].reshape(LESIONS, -1)
    lesions[:, :4], lesions[:, layout.CAPACITY] = (4e6, 3e6, 2e6, 1e6), 1e30
    lesions[:, layout.MATURITY], lesions[:, layout.EMBOLISED], lesions[:, layout.LESION_HEAD] = 0.3, 0.0, 1e7
    return compiled(case, 5.0, y)[body:].reshape(LESIONS, -1)[:, :5], lesions[:, :5]


def test_halting_and_killing_differ_only_once_births_are_used_up() -> None:
    """The net rate of a clone does not know the share while births last; the dead do."""
    case = cases("adjuvant")[0]
    untreated, cells = halted(case, 0.5, 0.0)
    births = (untreated / cells)[:, :4]
    assert (births > 0.0).all()
    slow = 1e-4  # 1/day: far less than the births
    killed, _ = halted(case, 0.0, slow)
    mixed, _ = halted(case, 0.4, slow)
    np.testing.assert_allclose(mixed[:, :4], killed[:, :4], rtol=1e-9)
    np.testing.assert_allclose(mixed[:, 4], 0.6 * killed[:, 4], rtol=1e-9)
    assert (killed[:, :4] < untreated[:, :4]).all()


def test_a_lesion_that_is_only_halted_neither_grows_nor_shrinks() -> None:
    case = cases("adjuvant")[0]
    stopped, cells = halted(case, 1.0, 50.0)
    assert np.abs(stopped).max() < 1e-15 * cells[:, :4].min()  # what is left is crowding, at a vast capacity
    killed, cells = halted(case, 0.5, 50.0)
    assert (killed[:, :4] < -0.1 * cells[:, :4]).all()
    # above births, what is left is the lethal part alone
    harder, _ = halted(case, 0.0, 25.0)
    births = (halted(case, 0.0, 0.0)[0] / cells)[:, :4]
    np.testing.assert_allclose(killed[:, :4] / cells[:, :4], harder[:, :4] / cells[:, :4] - births, rtol=1e-9)


def test_attribution_moves_deaths_between_causes_and_adds_none() -> None:
    """What the liver loses to the tumour is the tumour's; all causes together are what they are without the split."""
    moved = 0
    for case in cases("advanced"):
        y, t = random_state(case), float(RNG.uniform(0, 1000))
        body = y.size - LESIONS * (layout.LESION_HEAD + 2 * case.products.size)
        volume = float(y[body:].reshape(LESIONS, -1)[:, :5].sum()) / case.traits["growth"]["cell_density"]
        of_burden = liver.tumour_hazard(volume, case.traits["hazards"])
        of_liver = liver.liver_hazard(y[body - 4], case.traits["hazards"])
        tumour, failure, _other = compiled(case, t, y)[body - 3 : body]
        assert tumour + failure == pytest.approx(of_burden + of_liver, rel=1e-14)
        assert tumour >= of_burden * (1.0 - 1e-14)
        moved += bool(failure < 0.99 * of_liver)
    assert moved > 5


def test_without_tumour_or_treatment_every_failing_liver_is_the_livers_own() -> None:
    for case in cases("adjuvant"):
        y = random_state(case)[: -LESIONS * (layout.LESION_HEAD + 2 * case.products.size)]
        for t in (0.0, 1000.0, 4000.0):
            y[-4] = liver.background_reserve(t, case.traits["reserve"], case.traits["cirrhosis"], case.traits["liver"])
            tumour, failure, _other = compiled(case, t, y, lesions=0)[-3:]
            assert tumour == 0.0
            assert failure == liver.liver_hazard(y[-4], case.traits["hazards"])
            y[-4] -= 0.02  # a session of TACE
            assert compiled(case, t, y, lesions=0)[-3] > 0.0


@pytest.mark.parametrize(("patients", "days"), [(1, 30), pytest.param(4, 365, marks=pytest.mark.slow)])
def test_vegf_in_steady_state_is_close_to_the_full_system(
    patients: int, days: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """On sorafenib with CIK: the largest relative difference that the reduction makes is printed."""
    worst = 0.0
    for case in cases("advanced")[:patients]:
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
        reduced = solve_ivp(lambda t, s, c=case: slopes(t, s, c), (0, days), y, **settings).y[:, -1]
        full = solve_ivp(lambda t, s, c=case: slopes_unreduced(t, s, c, LESIONS), (0, days), z, **settings).y[:, -1]
        ours, theirs = (end[body : y.size].reshape(LESIONS, -1)[:, :7] for end in (reduced, full))
        worst = max(worst, float(np.max(np.abs(ours - theirs) / np.abs(theirs))))
    with capsys.disabled():
        print(f"\nVEGF in steady state: largest relative difference of lesion states after {days} days {worst:.1e}")
    assert worst < 5e-3
