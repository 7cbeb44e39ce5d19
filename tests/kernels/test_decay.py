"""Modes of the body's compartments, and the integrals that carry them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm

from tumorsim.kernels import decay, integrate, layout

FIELDS = (
    "lung_release_rate", "liver_uptake_rate", "rest_uptake_rate", "liver_return_rate", "rest_return_rate", "death_rate",
)  # fmt: skip
TAKEN = 0.7


def product(*rates: float) -> np.ndarray:
    made = np.zeros(1, layout.PRODUCT)
    for name, value in zip(FIELDS, rates, strict=True):
        made[name] = value
    return made


def exchange_matrix(lung: float, liver: float, rest: float, from_liver: float, from_rest: float, death: float):
    """Blood, lung, liver, rest, as eq. E1 has them, while lesions take up what they take."""
    return np.array(
        [
            [-(liver + rest + death + TAKEN), lung, from_liver, from_rest],
            [0.0, -(lung + death), 0.0, 0.0],
            [liver, 0.0, -(from_liver + death), 0.0],
            [rest, 0.0, 0.0, -(from_rest + death)],
        ]
    )


def modes(rates: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates of decay, and the matrices to and from the modes."""
    k = np.zeros((decay.ROWS, 6))
    integrate.product_modes(2, TAKEN, product(*rates)[0], k)
    to, back = (k[row : row + 4, 2:] for row in (decay.TO_MODES, decay.FROM_MODES))
    return k[decay.RATE, 2:], to, back


@pytest.mark.parametrize(
    "rates",
    [(1.5, 2.0, 4.0, 0.3, 0.3, 0.1), (1.5, 2.0, 4.0, 0.3, 0.05, 0.1), (5.0, 1e-6, 9.0, 0.3, 1.0, 0.0)],
    ids=["library", "unequal", "wide"],
)
def test_modes_are_those_of_the_law(rates: tuple[float, ...]) -> None:
    rate, to, back = modes(rates)
    np.testing.assert_allclose(to @ back, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(back @ np.diag(-rate) @ to, exchange_matrix(*rates), atol=1e-11)
    np.testing.assert_allclose(
        back @ np.diag(np.exp(-3.0 * rate)) @ to, expm(3.0 * exchange_matrix(*rates)), atol=1e-11
    )


@pytest.mark.parametrize(
    "rates",
    [(0.3, 2.0, 4.0, 0.3, 0.3, 0.1), (1.5, 2.0, 4.0, 0.0, 0.3, 0.1), (1.5, 0.0, 0.0, 0.3, 0.3, 0.1)],
    ids=["lung like liver", "nothing returns", "nothing taken up"],
)
def test_what_has_no_modes_is_left_over_and_is_not_singular(rates: tuple[float, ...]) -> None:
    """Rates that coincide, or exchange in one direction: fewer rates are in the modes, the coordinates stay sound."""
    rate, to, back = modes(rates)
    np.testing.assert_allclose(to @ back, np.eye(4), atol=1e-10)
    assert (rate >= 0.0).all()
    assert np.abs(back).max() < 100.0
    quickest = np.abs(back @ np.diag(-rate) @ to - exchange_matrix(*rates)).max()
    assert quickest <= max(rates)  # a flow into a compartment, at most


def test_integrals_of_decay() -> None:
    """Series and differences, against sums and quadrature; the two meet."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    s, weights = 0.5 * (nodes + 1.0), 0.5 * weights
    for w in (0.0, -1e-9, -0.05, -0.0999, -0.1001, -1.0, -20.0):
        found = decay.phi_functions(w, math.exp(w), 1.0 / w if w else 0.0)
        assert found[0] == pytest.approx(math.exp(w), rel=1e-14)
        for j in range(5):
            expected = np.sum(weights * np.exp(w * (1.0 - s)) * s**j) / math.factorial(j)
            assert found[1 + j] == pytest.approx(expected, rel=1e-8 if j == 4 else 1e-9)
