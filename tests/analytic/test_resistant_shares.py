"""Shares of resistant cells: a hazard that all clones share is not in them; and when the crossings of eq. R4 fall."""

from __future__ import annotations

import numpy as np
import pytest
from test_right_hand_side import LESIONS, Case, cases, compiled, random_state

from tumorsim.api import simulate, study_of
from tumorsim.kernels import layout
from tumorsim.scenario import Scenario, load
from tumorsim.trial import run_trial

BODY = layout.DRUG_STATES + layout.PRODUCT_STATES + layout.BODY_TAIL
PAIRS = ((0, 1), (2, 3))  # sensitive and resistant, with the antigen and without
ADJUVANT, ADVANCED = "scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml"


def relative_slopes(case: Case, y: np.ndarray) -> np.ndarray:
    """d log N / dt of every clone, shape (lesion, clone)."""
    cells, slopes = (values[BODY:].reshape(LESIONS, -1)[:, : layout.CLONES] for values in (y, compiled(case, 3.0, y)))
    return np.asarray(slopes / cells)


def slopes_with_and_without_effectors(case: Case) -> tuple[np.ndarray, np.ndarray]:
    case.products["cytostatic_share"] = 0.0  # all of the action kills
    y = random_state(case)
    y[BODY:].reshape(LESIONS, -1)[:, layout.LESION_HEAD] = 1e6
    without = y.copy()
    without[BODY:].reshape(LESIONS, -1)[:, layout.LESION_HEAD :] = 0.0
    return relative_slopes(case, y), relative_slopes(case, without)


def test_a_common_hazard_leaves_the_ratio_of_resistant_to_sensitive_cells_alone() -> None:
    for case in cases("advanced")[:6]:
        case.products["resistant_activity"] = 1.0
        killed, spared = slopes_with_and_without_effectors(case)
        for sensitive, resistant in PAIRS:
            assert (killed[:, sensitive] < spared[:, sensitive]).all()
            np.testing.assert_allclose(
                killed[:, resistant] - killed[:, sensitive],
                spared[:, resistant] - spared[:, sensitive],
                atol=1e-12,
            )


def test_a_hazard_that_spares_resistant_cells_raises_the_ratio() -> None:
    for case in cases("advanced")[:6]:
        case.products["resistant_activity"] = 0.0
        killed, spared = slopes_with_and_without_effectors(case)
        for sensitive, resistant in PAIRS:
            np.testing.assert_allclose(killed[:, resistant], spared[:, resistant], atol=1e-12)
            assert (killed[:, resistant] - killed[:, sensitive] > spared[:, resistant] - spared[:, sensitive]).all()


def crossing_scenario(patients: int, traced: int) -> Scenario:
    """A drug that selects, so that both crossings happen in many patients."""
    settings = ["disease.burden.initial_resistant_fraction=0.1", "disease.resistance.switch_off_rate=0 1/day"]
    drug = [f"arms.{arm}.treatments.0.drug.proliferation_emax=0.95" for arm in ("sorafenib", "combination")]
    seen = [f"output.traced_patients={traced}", "output.interval=0.25 day", "trial.cutoff=30 month"]
    return load(ADVANCED, [*settings, *drug, *seen], patients)


def test_crossings_fall_where_the_stored_trajectories_cross() -> None:
    data = simulate(crossing_scenario(60, traced=60), threads=2)
    sensitive, resistant = data["sensitive"], data["resistant"]
    half_at_entry = 0.5 * (sensitive + resistant)[:, :, :1]
    levels = {"resistant_time": sensitive, "resistant_regrowth_time": np.broadcast_to(half_at_entry, resistant.shape)}
    for name, level in levels.items():
        crossed = 0
        for place in np.ndindex(data[name].shape):
            with np.errstate(divide="ignore", invalid="ignore"):
                ahead = np.log(resistant[place] / level[place])
            above = np.flatnonzero(ahead > 0.0)
            moment = float(data[name][place])
            if above.size == 0:
                assert not moment <= data.time[np.isfinite(ahead)].max(initial=0.0) - 1.0
            elif above[0] == 0:
                assert moment == pytest.approx(0.0, abs=1e-9)
            else:
                span = slice(above[0] - 1, above[0] + 1)
                before, after = data.time[span]
                assert before <= moment <= after
                assert moment == pytest.approx(np.interp(0.0, ahead[span], data.time[span]), abs=0.05)
                crossed += 1
        assert crossed >= 10, name


@pytest.mark.parametrize("patients", [15, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_crossings_are_as_accurate_as_the_states(patients: int) -> None:
    study = study_of(crossing_scenario(patients, traced=0))
    usual, tight = (run_trial(study, threads=2, relative_tolerance=r) for r in (1e-6, 1e-9))
    for name in ("resistant_time", "resistant_regrowth_time"):
        np.testing.assert_array_equal(np.isnan(usual[name]), np.isnan(tight[name]))
        worst = float(np.nanmax(np.abs(usual[name] - tight[name])))
        print(f"\n{name}: within {worst:.1e} day of a thousand times the accuracy")
        assert np.isfinite(usual[name]).sum() >= 10
        assert worst < 1e-4


def test_regrowth_needs_tumour_at_entry() -> None:
    data = simulate(load(ADJUVANT, [], 40), threads=2)
    assert np.isnan(data["resistant_regrowth_time"]).all()
