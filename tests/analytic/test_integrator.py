"""The integrator: against LSODA, its order, and where it puts a death."""

from __future__ import annotations

import numpy as np
import pytest
from event_driver import Patient, bench, lsoda, ours, run_patient
from integrator_table import benches, quiet_table, slopes, table, text

from tumorsim.api import simulate, study_of
from tumorsim.kernels import advance, integrate, lanes, layout
from tumorsim.models import patient as model
from tumorsim.scenario import load
from tumorsim.trial import RELATIVE_TOLERANCE

PROMISE = 1e-5


@pytest.mark.slow
def test_a_few_patients_agree_with_lsoda() -> None:
    (row,) = table(2, (RELATIVE_TOLERANCE,))
    assert row.largest <= PROMISE


@pytest.mark.slow
def test_fifty_patients_agree_with_lsoda_and_the_error_falls_with_the_tolerance(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = table(50)
    with capsys.disabled():
        print("\n" + text(rows))
    by_tolerance = {row.tolerance: row for row in rows}
    assert by_tolerance[RELATIVE_TOLERANCE].largest <= PROMISE
    # local error per step is held at the tolerance, so the global error is proportional to it
    strict = [row for row in rows if row.tolerance >= 1e-7]
    slope = np.polyfit(np.log10([r.tolerance for r in strict]), np.log10([r.median for r in strict]), 1)[0]
    assert 0.8 < slope < 1.3


def test_error_over_tolerance_and_over_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """Where only the error limits the steps: it follows the tolerance, and the fifth power of the number of steps."""
    rows = quiet_table(4, (1e-6, 1e-8, 1e-9, 1e-10))
    print("\n" + text(rows))
    assert slopes(rows)[0] == pytest.approx(1.0, abs=0.15)
    assert slopes(rows[1:])[1] == pytest.approx(-integrate.ORDER, abs=0.5)


@pytest.mark.parametrize(("patients", "deaths"), [(4, 2), pytest.param(10, 5, marks=pytest.mark.slow)])
@pytest.mark.medium
def test_deaths_fall_where_lsoda_finds_them(patients: int, deaths: int) -> None:
    """Hazards that follow tumour and liver; LSODA meets the limits as events of its own."""
    study = study_of(load("scenarios/hcc_sorafenib_cik.yaml", [f"population.patients={patients}"]))
    made = bench(study, 1, np.arange(patients), [])
    worst, causes = 0.0, 0
    for i in range(patients):
        days, states, _ = run_patient(made, i, ours, 1000.0, RELATIVE_TOLERANCE, mortal=True)
        expected, truth, _ = run_patient(made, i, lsoda(1e-10), 1000.0, mortal=True)
        assert days[:-1] == expected[:-1]
        if days[-1] < 1000.0:
            worst, causes = max(worst, abs(days[-1] / expected[-1] - 1.0)), causes + 1
            first = layout.DRUG_STATES + layout.PRODUCT_STATES + 2
            np.testing.assert_allclose(states[-1][first : first + 3], truth[-1][first : first + 3], rtol=1e-6)
    print(f"\n{causes} deaths: day of death differs from LSODA by at most {worst:.1e} of itself")
    assert causes >= deaths
    assert worst < 1e-6


def loaded_patient():
    """A patient on sorafenib with effectors in blood and lesions, some days after an infusion."""
    study = study_of(load("scenarios/hcc_sorafenib_cik.yaml", ["population.patients=4"]))
    made = bench(study, 1, np.arange(4), [])
    p = Patient(made, 2, 1e-10, mortal=False)
    lesions = 0
    for lesion in range(int(made.cohort.lesion_offset[3] - made.cohort.lesion_offset[2])):
        if made.cohort.lesions["arrival"][made.cohort.lesion_offset[2] + lesion] <= 0.0:
            lesions = int(
                model.arrive(lesion, lesions, p.work, p.patient, made.cohort, int(made.cohort.lesion_offset[2]))
            )
    for event in ((layout.EVENT_DRUG_RATE, 0, 800.0), (layout.EVENT_INFUSION, 0, 2.5e9)):
        row = np.array([(0.0, *event)], dtype=layout.EVENT)
        model.apply_event(0.0, row[0], lesions, p.work, p.patient, made.policy[0], p.rows, p.out)
    p.lesions = lesions
    lesions = ours(p, 0.0, 4.0, True)
    return p, made, lesions


def fixed_steps(p, y0: np.ndarray, lesions: int, t0: float, span: float, steps: int) -> np.ndarray:
    n, h = y0.size, span / steps
    begin(p, y0, lesions, t0)
    for step in range(steps):
        advance.step_alone(t0 + step * h, h, lesions, p.work)
        advance.swap_in(n, p.work)
    return p.state()


def begin(p, y0: np.ndarray, lesions: int, t0: float) -> None:
    """Slopes and modes at the start of a course."""
    p.work.y[: y0.size] = y0
    integrate.first_slopes(t0, lesions, p.work, p.patient)


def test_fixed_steps_converge_at_order_five() -> None:
    p, _, lesions = loaded_patient()
    y0 = p.work.y[: p.count()].copy()
    truth = fixed_steps(p, y0, lesions, 4.0, 4.0, 2048)
    sizes = np.array([8, 16, 32, 64])
    errors = [np.max(np.abs(fixed_steps(p, y0, lesions, 4.0, 4.0, n) - truth) / (np.abs(truth) + 1e-12)) for n in sizes]
    slope = -np.polyfit(np.log2(sizes), np.log2(errors), 1)[0]
    assert slope == pytest.approx(integrate.ORDER, abs=0.3)


def test_the_interpolant_converges_at_order_four_or_better() -> None:
    p, _, lesions = loaded_patient()
    n, body = p.count(), layout.DRUG_STATES + layout.PRODUCT_STATES
    y0 = p.work.y[:n].copy()
    errors = []
    spans = (0.4, 0.2, 0.1)
    for h in spans:
        truth = fixed_steps(p, y0, lesions, 4.0, 0.37 * h, 64)
        begin(p, y0, lesions, 4.0)
        advance.step_alone(4.0, h, lesions, p.work)
        y_new, k = p.work.y_new, p.work.k
        rows = np.zeros(n * layout.LANES)
        integrate.interpolate_all(0.37, h, n, rows, p.work)
        error = np.abs(rows[:: layout.LANES] - truth) / (np.abs(truth) + 1e-12)
        errors.append((error[body:].max(), error[:body].max()))
        # both ends are met exactly
        assert integrate.interpolate(0.0, h, p.work.y, y_new, k, n - 3) == y0[n - 3]
        assert integrate.interpolate(1.0, h, p.work.y, y_new, k, n - 3) == y_new[n - 3]
    plain, modes = np.polyfit(np.log2(spans), np.log2(errors), 1)[0]
    assert plain > 4.5  # local error of a fourth-order interpolant is of order five
    assert modes > 3.5  # effectors and drugs inside a step are only looked at, at traced points


def test_embedded_error_is_of_order_five() -> None:
    """The estimate is the difference of orders five and four: halving the step divides it by 2**5."""
    p, _, lesions = loaded_patient()
    n = p.count()
    y0 = p.work.y[:n].copy()
    p.work.lanes.numbers[p.work.lanes.at_atol : p.work.lanes.at_par] = 1e-3
    found = []
    for h in (0.2, 0.1, 0.05):
        begin(p, y0, lesions, 4.0)
        advance.step_alone(4.0, h, lesions, p.work)
        p.work.k[1, : n - lesions * (layout.LESION_HEAD + 2)] = 0.0  # the states of the body
        integrate.error_norm(lesions, p.work.lanes, 1, 1e-6)
        found.append(p.work.lanes.numbers[p.work.lanes.at_clock + lanes.ERROR * layout.LANES])
    slope = np.polyfit(np.log2((0.2, 0.1, 0.05)), np.log2(found), 1)[0]
    assert slope == pytest.approx(5.0, abs=0.5)


def test_nan_is_never_an_accepted_error() -> None:
    p, _, lesions = loaded_patient()
    advance.step_alone(4.0, 0.1, lesions, p.work)
    p.work.k[1, 1] = np.nan
    integrate.error_norm(lesions, p.work.lanes, 1, 1e-6)
    assert not p.work.lanes.numbers[p.work.lanes.at_clock + lanes.ERROR * layout.LANES] <= 1.0


def test_death_is_found_where_the_hazard_crosses_its_limit() -> None:
    """With constant hazards alone the day of death is known: limit / rate."""
    overrides = [
        "disease.hazards.age_slope=0", "disease.hazards.liver_slope=0", "disease.hazards.tumour_rate=0 1/day",
        "disease.hazards.other_rate=0.001 1/day", "disease.hazards.liver_rate=0.002 1/day",
    ]  # fmt: skip
    scenario = load("scenarios/hcc_adjuvant_cik_rct.yaml", [*overrides, "population.patients=200"])
    data = simulate(scenario, threads=2)
    from tumorsim.kernels import random

    number = np.arange(200)
    limit = {c: -np.log(random.uniforms(scenario.seed, random.STREAM_DEATH, number, c, 0)) for c in (1, 2)}
    liver, other = limit[1] / 0.002, limit[2] / 0.001
    expected = np.minimum(liver, other)
    died = np.isfinite(data["death_time"])
    procedure = died & (data["death_time"] < expected - 1e-3)  # TACE can kill
    assert procedure.mean() < 0.01
    here = died & ~procedure
    assert here.sum() > 300
    np.testing.assert_allclose(data["death_time"][here], np.broadcast_to(expected, died.shape)[here], rtol=1e-8)
    cause = np.where(liver < other, 2, 3)
    np.testing.assert_array_equal(data["death_cause"][here], np.broadcast_to(cause, died.shape)[here])


def test_benches_hold_every_kind_of_event() -> None:
    kinds = set()
    for made, _, _ in benches(8):
        kinds |= set(made.cohort.events["kind"].tolist())
        assert (made.cohort.lesions["arrival"] > 0).any()
    assert kinds == {
        layout.EVENT_DRUG_RATE, layout.EVENT_DRUG_BOLUS, layout.EVENT_INFUSION,
        layout.EVENT_TACE, layout.EVENT_RESECTION, layout.EVENT_VISIT,
    }  # fmt: skip


def test_lsoda_and_ours_walk_the_same_events() -> None:
    made, _, until = benches(2)[0]
    assert run_patient(made, 0, lsoda(1e-8), until)[0] == run_patient(made, 0, ours, until)[0]
