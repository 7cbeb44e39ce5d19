"""Absent physics is a zero: a law whose parameter is zero leaves the bits as if its cause were not there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from reference_patient import Case
from test_right_hand_side import LESIONS, cases, compiled, random_state

from tumorsim.api import simulate
from tumorsim.kernels import growth, killing, layout, pharmacology, resistance, vessels
from tumorsim.kernels.derivatives import lesion_supply
from tumorsim.scenario import load
from tumorsim.variables import VARIABLES

ADJUVANT, ADVANCED = "scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml"
BODY = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
MEMORY, RESERVE = BODY - layout.BODY_TAIL, BODY - layout.BODY_TAIL + 1
BLOOD = layout.DRUG_STATES


def lesions(y: np.ndarray) -> np.ndarray:
    return y[BODY:].reshape(LESIONS, -1)


def no_effectors(y: np.ndarray) -> None:
    lesions(y)[:, layout.LESION_HEAD :] = 0.0


def no_memory(y: np.ndarray) -> None:
    y[MEMORY] = 0.0


def no_helpers(y: np.ndarray) -> None:
    y[BLOOD + 2 : BLOOD + 4] = 0.0


def no_cells_in_blood(y: np.ndarray) -> None:
    y[BLOOD] = 0.0


def no_drug(y: np.ndarray) -> None:
    y[: layout.DRUG_STATES] = 0.0


def no_embolisation(y: np.ndarray) -> None:
    lesions(y)[:, layout.EMBOLISED] = 0.0


CLONES_AND_DEAD = (slice(None), slice(0, layout.CAPACITY))
EFFECTORS = (slice(None), slice(layout.LESION_HEAD, None))
EFFECTS = (
    "proliferation_emax", "cytotoxic_rate", "vessel_emax", "effector_suppression_emax", "opsonisation_emax",
)  # fmt: skip
# what is set to zero: (group of parameters, names); the cause it silences; the slopes that must not notice the cause
SILENCED: dict[str, tuple[str, tuple[str, ...], Callable[[np.ndarray], None], object]] = {
    "killing": ("products", ("kill_rate",), no_effectors, CLONES_AND_DEAD),
    "memory's killing": ("memory", ("kill_rate",), no_memory, CLONES_AND_DEAD),
    "nobody shows MHC": ("memory", ("mhc_positive_fraction",), no_memory, CLONES_AND_DEAD),
    "help": ("memory", ("helper_gain",), no_helpers, MEMORY),
    "recruitment": ("trafficking", ("recruitment",), no_cells_in_blood, EFFECTORS),
    "every effect of a drug": ("drugs", EFFECTS, no_drug, (slice(None), slice(None))),
    "loss of embolised vessels": ("vessels", ("embolised_loss_rate", "recanalisation_rate"), no_embolisation,
                                  (slice(None), layout.EMBOLISED)),
}  # fmt: skip


def silence(case: Case, group: str, names: tuple[str, ...], value: float = 0.0) -> None:
    records = getattr(case, group) if group in ("drugs", "products") else case.traits[group]
    for name in names:
        records[name] = value


def part(dy: np.ndarray, where: object) -> np.ndarray:
    return np.array(dy[where] if isinstance(where, int) else lesions(dy)[where])


@pytest.mark.parametrize("what", SILENCED)
def test_a_zero_is_an_absence_bit_for_bit(what: str) -> None:
    group, names, remove, where = SILENCED[what]
    noticed = False
    for case in cases("advanced")[:6]:
        y = random_state(case)
        without = y.copy()
        remove(without)
        noticed |= bool((part(compiled(case, 3.0, y), where) != part(compiled(case, 3.0, without), where)).any())
        silence(case, group, names)
        np.testing.assert_array_equal(
            part(compiled(case, 3.0, y), where), part(compiled(case, 3.0, without), where), err_msg=what
        )
    assert noticed, f"{what}: the cause changes nothing even while its parameter is not zero"


def clones_without_halting(case: Case, y: np.ndarray, slot: int) -> list[float]:
    """Slopes of the four clones of a lesion by the law that knows killing alone, from the scalar laws."""
    t, patient = (
        case.traits,
        layout.Patient(case.traits, case.drugs, case.products, np.zeros(1, layout.PROCEDURE), case.intake, case.slots),
    )
    g, r, v = t["growth"], t["resistance"], t["vessels"]
    base = BODY + slot * (layout.LESION_HEAD + 2)
    _flow, oxygen, vegf, volume = lesion_supply(y, base, patient)
    effects = pharmacology.drug_effects(y, 1.0, patient)
    s, res, a, ra = y[base : base + 4]
    cells = s + res + a + ra
    (p,) = case.products
    permitted = killing.permitted(oxygen, vegf, v["vegf_half_effect"], 1.0, t["suppression"])
    permitted *= killing.access(volume, t["trafficking"])
    reached = killing.engagement(y[base + layout.LESION_HEAD], cells, p["half_e_to_t"]) * permitted
    low = p["kill_rate"] * (reached * (1.0 - effects.effectors))
    high = low * killing.antibody_and_receptor_factor(effects.opsonisation, 1.0, p)
    ctl = t["memory"]["kill_rate"] * t["memory"]["mhc_positive_fraction"] * y[MEMORY] * permitted
    kill_s, kill_r = high + ctl, p["resistant_activity"] * high + ctl
    kill_a, kill_ra = p["antigen_low_activity"] * low, p["antigen_low_activity"] * p["resistant_activity"] * low

    normal, rate = vessels.oxygenation(1.0, v), case.slots["rate"][slot]
    factor = growth.hypoxic_birth_factor(oxygen, normal, g["hypoxia_half_effect"])
    birth_s = growth.birth_rate(rate, factor, effects.births_sensitive)
    birth_r = growth.birth_rate(rate * (1.0 - r["fitness_cost"]), factor, effects.births_resistant)
    crowding = growth.crowding_rate(rate, cells, y[base + layout.CAPACITY])
    loss_s, loss_a = (crowding + effects.killing_sensitive + kill for kill in (kill_s, kill_a))
    loss_r, loss_ra = (crowding + effects.killing_resistant + kill for kill in (kill_r, kill_ra))
    divisions_s, divisions_r = birth_s + g["turnover_rate"], birth_r + g["turnover_rate"]
    on, off = resistance.to_resistant_rate(divisions_s, resistance.drug_stress(effects), r), r["switch_off_rate"]
    escape_s, escape_r = r["antigen_loss_probability"] * divisions_s, r["antigen_loss_probability"] * divisions_r
    return [
        (birth_s - loss_s - on - escape_s) * s + off * res,
        (birth_r - loss_r - off - escape_r) * res + on * s,
        (birth_s - loss_a - on) * a + off * ra + escape_s * s,
        (birth_r - loss_ra - off) * ra + on * a + escape_r * res,
    ]


def test_without_a_cytostatic_share_the_law_is_that_without_halting_bit_for_bit() -> None:
    noticed = False
    for case in cases("advanced")[:6]:
        y = random_state(case)
        expected = np.array([clones_without_halting(case, y, slot) for slot in range(LESIONS)])
        noticed |= bool((lesions(compiled(case, 3.0, y))[:, :4] != expected).any())
        silence(case, "products", ("cytostatic_share",))
        np.testing.assert_array_equal(lesions(compiled(case, 3.0, y))[:, :4], expected)
    assert noticed


def test_halting_by_cells_that_do_not_act_is_no_halting_bit_for_bit() -> None:
    for case in cases("advanced")[:6]:
        y = random_state(case)
        silence(case, "products", ("kill_rate",))
        halting = compiled(case, 3.0, y)
        silence(case, "products", ("cytostatic_share",))
        np.testing.assert_array_equal(compiled(case, 3.0, y), halting)


def test_clones_that_nothing_makes_stay_at_exactly_zero() -> None:
    case = cases("advanced")[0]
    y = random_state(case)
    lesions(y)[:, 1:4] = 0.0
    made = lesions(compiled(case, 3.0, y))[:, 1:4]
    assert (made[:, :2] > 0.0).all()
    silence(case, "resistance", ("mutation_probability", "switch_on_rate", "antigen_loss_probability"))
    assert (lesions(compiled(case, 3.0, y))[:, 1:4] == 0.0).all()


@pytest.mark.parametrize("change", ["dose=0 cells", "viability=0", "effector_fraction=0"])
@pytest.mark.parametrize(
    ("path", "infusion"),
    [(ADJUVANT, "arms.cik.treatments.0"), (ADVANCED, "arms.combination.treatments.1")],
    ids=["adjuvant", "advanced"],
)
def test_cells_that_never_come_leave_the_control_arm(path: str, infusion: str, change: str) -> None:
    traced = ["population.patients=12", "output.traced_patients=12"]
    data = simulate(load(path, [*traced, f"{infusion}.{change}"]), threads=1)
    by_arm = [declared.name for declared in VARIABLES if declared.dims[0] == "arm"]
    assert {*layout.OUTCOME_NAMES, *layout.VISIT_NAMES, *layout.TRACE_NAMES} <= set(by_arm)
    for name in by_arm:
        assert data[name][0].tobytes() == data[name][1].tobytes(), name


@pytest.mark.parametrize(
    ("path", "infusion"),
    [(ADJUVANT, "arms.cik.treatments.0"), (ADVANCED, "arms.combination.treatments.1")],
    ids=["adjuvant", "advanced"],
)
def test_cells_that_come_change_the_treated_arm_only(path: str, infusion: str) -> None:
    """The control arm has the same bits whatever the other arm is given."""
    traced = ["population.patients=12", "output.traced_patients=12"]
    usual, none = (simulate(load(path, [*traced, *change]), threads=1) for change in ([], [f"{infusion}.dose=0 cells"]))
    for name in layout.TRACE_NAMES:
        assert usual[name][0].tobytes() == none[name][0].tobytes(), name
    assert (usual["infusions"][1] > 0).any()
    assert usual["tumour_volume"][1].tobytes() != none["tumour_volume"][1].tobytes()


def test_cells_that_do_nothing_leave_the_tumour_to_the_tolerance() -> None:
    """Not bit for bit: what circulates shortens steps. But no further than the integrator's error."""
    idle = ["arms.cik.treatments.0.infusion.kill_rate=0 1/day", "disease.memory.helper_gain=0"]
    data = simulate(load(ADJUVANT, [*idle, "population.patients=20", "output.traced_patients=20"]), threads=2)
    assert (data["steps"][1] > 2 * data["steps"][0]).any()
    volume = data["tumour_volume"]
    here = np.isfinite(volume).all(axis=0) & (volume > 1e-3).all(axis=0)
    difference = np.abs(volume[1] - volume[0])[here] / volume[0][here]
    print(f"\nidle cells: largest relative difference of the tumour volume {difference.max():.1e}")
    assert difference.max() < 1e-5
    np.testing.assert_allclose(data["death_time"][0], data["death_time"][1], rtol=1e-6)
