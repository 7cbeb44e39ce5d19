"""The loss: reported figures and simulated ones on one scale, in units of the study's own error."""

import math
import pickle

import numpy as np
import pytest

import small_calibration
from tumorsim.calibration.config import load_calibration
from tumorsim.calibration.objective import FAILED, Objective, Reading, study_sizes
from tumorsim.calibration.published import PublishedStudies
from tumorsim.calibration.simulator import study_seed
from tumorsim.params.targets import read_quantity


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return load_calibration(small_calibration.write(tmp_path_factory.mktemp("scenarios")))


@pytest.fixture(scope="module")
def objective(made):
    return Objective.of(made)


@pytest.fixture(scope="module")
def evaluation(made, objective):
    return objective.evaluate(objective.start(), made.seed, [60], threads=2)


def test_scales():
    def reading(text):
        return Reading(0, None, read_quantity(text), (1, 0), (114, 112), 1.0)

    assert reading("rfs.median").scale == "log"
    assert reading("rfs.hr").scale == "log"
    assert reading("deaths").scale == "count"
    assert reading("rfs.crude_survival(9 y)").scale == "plain"
    assert reading("rfs.rmst_difference(9 y)").scale == "plain"
    assert reading("rfs.median").working(np.inf, 100.0) == math.log(100.0)
    assert np.isnan(reading("rfs.hr").working(np.inf, 100.0))
    assert np.isnan(reading("rfs.hr").working(0.0, 100.0))


def test_the_loss_is_the_sum_it_is_said_to_be(objective, evaluation):
    """Eq. C4, written out a second time."""
    assert not evaluation.failure
    total = 0.0
    for k, reading in enumerate(objective.readings):
        if reading.weight == 0:
            continue
        values = evaluation.measured.simulated[k], reading.target.reported
        u, y = (math.log(x) if reading.scale == "log" else x for x in values)
        z = (u - y) / evaluation.measured.sd[k]
        assert evaluation.z[k] == pytest.approx(z, rel=1e-12)
        total += reading.weight * 0.5 * z**2
    total += 0.5 * sum(z**2 for z in objective.start())
    assert evaluation.loss == pytest.approx(total, rel=1e-12)


def test_figures_without_weight_do_not_count(made, objective, evaluation):
    shown = [r for r in objective.readings if r.target is not None and r.weight == 0]
    assert {"R-1", "R-6", "R-14", "R-16"} <= {r.target.id for r in shown}
    fewer = Objective(
        objective.parameters, objective.plains, tuple(r for r in objective.readings if r.weight > 0), objective.horizons
    )
    assert fewer.evaluate(objective.start(), made.seed, [60], threads=1).loss == evaluation.loss


def test_an_evaluation_repeats_to_the_bit_at_any_number_of_threads(made, objective, evaluation):
    again = pickle.loads(pickle.dumps(objective)).evaluate(objective.start(), made.seed, [60], threads=1)
    for name in ("simulated", "sd", "low", "high"):
        np.testing.assert_array_equal(getattr(again.measured, name), getattr(evaluation.measured, name))
    np.testing.assert_array_equal(again.z, evaluation.z)
    assert again.loss == evaluation.loss


def test_common_random_numbers_leave_alone_what_a_parameter_cannot_reach(made, objective, evaluation):
    """The kill rate moves no control patient, on any seed."""
    moved = objective.start() + np.array([0.0, -1.0, 0.0])
    other = objective.evaluate(moved, made.seed, [60], threads=2)
    for k, reading in enumerate(objective.readings):
        if reading.target is not None and reading.target.arm == "control":
            np.testing.assert_array_equal(other.measured.simulated[k], evaluation.measured.simulated[k])
    assert any(other.measured.simulated != evaluation.measured.simulated)


def test_what_cannot_be_simulated_is_a_loss_and_no_crash(made, objective):
    broken = Objective(
        objective.parameters,
        ({**objective.plains[0], "population": {**objective.plains[0]["population"], "cirrhosis": "2"}},),
        objective.readings,
        objective.horizons,
    )
    found = broken.evaluate(objective.start(), made.seed, [40])
    assert found.loss == FAILED
    assert "ValidationError" in found.failure
    few = objective.evaluate(np.array([-9.0, 0.0, -9.0]), made.seed, [20])
    assert few.loss == FAILED or np.isfinite(few.loss)


@pytest.mark.slow
def test_a_study_of_the_published_size(made, objective, evaluation):
    studies = PublishedStudies.at(objective, evaluation)
    assert study_sizes(objective.readings, 0) == [112, 114]
    assert studies.observed.shape == studies.scale.shape == studies.weights.shape == (5,)
    seed = study_seed(made.seed, objective.start())
    first, again = (pickle.loads(pickle.dumps(studies)).simulate(objective.start(), seed) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, studies.simulate(objective.start(), seed + 1))


@pytest.mark.slow
def test_the_sampling_error_is_that_of_studies_simulated_one_by_one(made, objective):
    """Eq. C3 draws studies from few virtual patients; here 80 studies are simulated from new patients each.

    The published study lies inside: 80 studies give their standard deviation to 8 %, so a quarter is three errors.
    """
    large = objective.evaluate(objective.start(), made.seed, [800], threads=2)
    studies = PublishedStudies.at(objective, large)
    drawn = np.array([studies.simulate(objective.start(), 10_000 + k, threads=2) for k in range(80)])
    fitted = objective.weights > 0
    ratio = drawn.std(axis=0, ddof=1) / large.measured.sd[fitted]
    middle = (large.z[fitted] * large.measured.sd[fitted] + studies.observed - drawn.mean(axis=0)) / (
        large.measured.sd[fitted] / np.sqrt(40)
    )
    print(
        "\nspread of 80 studies over sampling error:",
        ratio.round(2),
        "; distance of the means in errors:",
        middle.round(2),
    )
    assert np.abs(ratio - 1.0).max() < 0.3
    assert np.abs(middle).max() < 3.5
