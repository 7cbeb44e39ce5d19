"""The coefficients of the Dormand-Prince pair: the conditions of order that define it, in plain arithmetic."""

import numpy as np
import pytest

from tumorsim.kernels import decay, integrate
from tumorsim.kernels.integrate import NODES, combine, error_norm
from tumorsim.kernels.lanes import ERROR, STEP
from tumorsim.kernels.layout import LANES


def lanes_of(stages):
    """Lanes without drug, product or lesion; ``stages`` are the slopes of the first state, a row a stage."""
    made = integrate.lanes_for(0, 0, 0)
    stages = np.asarray(stages, dtype=float)
    numbers, k = made.numbers, made.numbers[made.at_k : made.at_atol]
    k.reshape(decay.ROWS, made.states, LANES)[:7, 0, : stages.shape[1]] = stages
    numbers[made.at_atol : made.at_par] = 1e-6
    numbers[made.at_clock + STEP * LANES :][:LANES] = 1.0
    return made


def coupling(count):
    """Each row as a stage applies it: where unit slopes, a lane each, take a state of zero in a step of one."""
    made, found = lanes_of(np.eye(7)), np.zeros((7, 7))
    for stage in range(1, 7):
        combine(stage, 1, made, count)
        found[stage] = made.numbers[made.at_y_new :][:7]
    return found


A = coupling(7)
WEIGHTS = A[6]


def test_each_row_adds_up_to_its_node():
    np.testing.assert_allclose(A.sum(axis=1), NODES, rtol=0, atol=1e-14)


def test_all_lanes_at_once_have_the_same_tableau():
    np.testing.assert_array_equal(coupling(LANES), A)


def test_modes_have_the_same_tableau_where_nothing_decays():
    """The weights of a mode at a rate of zero, at every inner stage and at the end."""
    found, none, step = np.zeros(7), np.zeros(7), np.ones(7)
    fallen, per = np.ones(7), -np.ones(7)
    for stage in range(1, 6):
        decay.mode_at_stage(stage, NODES[stage], found, none, none, step, fallen, per, *np.eye(7)[:5], 7)
        np.testing.assert_allclose(found, A[stage], rtol=0, atol=1e-12)


def test_the_last_row_is_of_fifth_order():
    """All conditions on powers of the nodes, and those of order three and four on the couplings (Hairer II.1)."""
    for power in range(5):
        assert WEIGHTS @ NODES**power == pytest.approx(1.0 / (power + 1.0), abs=1e-14)
    assert pytest.approx(1 / 6, abs=1e-14) == WEIGHTS @ A @ NODES
    assert pytest.approx(1 / 8, abs=1e-14) == WEIGHTS @ (NODES * (A @ NODES))
    assert pytest.approx(1 / 12, abs=1e-14) == WEIGHTS @ A @ NODES**2
    assert pytest.approx(1 / 24, abs=1e-14) == WEIGHTS @ A @ A @ NODES
    assert pytest.approx(1 / 20, abs=1e-14) == WEIGHTS @ A @ NODES**3
    assert pytest.approx(1 / 120, abs=1e-14) == WEIGHTS @ A @ A @ A @ NODES


def error_of(stage_values):
    """The norm of one plain state with a tolerance of 1e-6 that does not depend on it."""
    made = lanes_of(np.reshape(stage_values, (7, 1)))
    integrate.estimate_errors(1, made, 1)
    error_norm(0, made, 1, 1e-6)
    return made.numbers[made.at_clock + ERROR * LANES] * 1e-6


def test_the_error_is_that_of_the_fourth_order_pair():
    """No error for slopes that are powers of time up to the third; for the fourth it is the known 1/5 - sum."""
    for power in range(4):
        assert error_of(NODES**power) == pytest.approx(0.0, abs=1e-14)
    fourth = np.array([5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40])
    assert error_of(NODES**4) == pytest.approx(abs((WEIGHTS - fourth) @ NODES**4), rel=1e-9)
    for stage in range(7):
        slopes = np.eye(7)[stage]
        assert error_of(slopes) == pytest.approx(abs(WEIGHTS[stage] - fourth[stage]), abs=1e-16)


def test_no_error_is_none_and_what_is_not_a_number_stays_so():
    assert error_of(np.zeros(7)) == 0.0
    assert np.isnan(error_of([np.nan, *np.zeros(6)]))
