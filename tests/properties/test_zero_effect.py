"""Absent physics is a zero: a law whose parameter is zero leaves the bits as if its cause were not there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from reference_patient import Case
from test_right_hand_side import LESIONS, cases, compiled, random_state

from tumorsim.api import simulate
from tumorsim.kernels import layout
from tumorsim.scenario import load

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


def test_clones_that_nothing_makes_stay_at_exactly_zero() -> None:
    case = cases("advanced")[0]
    y = random_state(case)
    lesions(y)[:, 1:4] = 0.0
    made = lesions(compiled(case, 3.0, y))[:, 1:4]
    assert (made[:, :2] > 0.0).all()
    silence(case, "resistance", ("mutation_probability", "switch_on_rate", "antigen_loss_probability"))
    assert (lesions(compiled(case, 3.0, y))[:, 1:4] == 0.0).all()


@pytest.mark.parametrize("change", ["dose=0 cells", "viability=0", "effector_fraction=0"])
def test_cells_that_never_come_leave_the_control_arm(change: str) -> None:
    traced = ["population.patients=24", "output.traced_patients=4"]
    scenario = load(ADJUVANT, [*traced, f"arms.cik.treatments.0.{change}"])
    data = simulate(scenario, threads=1)
    for name in (*layout.OUTCOME_NAMES, *layout.VISIT_NAMES, *layout.TRACE_NAMES):
        np.testing.assert_array_equal(data[name][0], data[name][1], err_msg=name)


def test_cells_that_do_nothing_leave_the_tumour_to_the_tolerance() -> None:
    """Not bit for bit: what circulates shortens steps. But no further than the integrator's error."""
    idle = ["arms.cik.treatments.0.infusion.kill_rate=0 1/day", "disease.memory.helper_gain=0"]
    data = simulate(load(ADJUVANT, [*idle, "population.patients=40", "output.traced_patients=40"]), threads=2)
    assert (data["steps"][1] > 2 * data["steps"][0]).any()
    volume = data["tumour_volume"]
    here = np.isfinite(volume).all(axis=0) & (volume > 1e-3).all(axis=0)
    difference = np.abs(volume[1] - volume[0])[here] / volume[0][here]
    print(f"\nidle cells: largest relative difference of the tumour volume {difference.max():.1e}")
    assert difference.max() < 1e-5
    np.testing.assert_allclose(data["death_time"][0], data["death_time"][1], rtol=1e-6)
