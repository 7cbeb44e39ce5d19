"""The search and the screening on functions whose answer is known."""

import numpy as np
import pytest
from scipy import special

from tumorsim.calibration import screening
from tumorsim.calibration.config import Optimisation, Screening
from tumorsim.calibration.optimise import search
from tumorsim.calibration.surface import REACH, Tried, settle


def bowl(latent):
    return float(np.sum((np.asarray(latent) - [0.7, -0.4, 0.1]) ** 2 * [1, 4, 9]))


def test_the_smallest_loss_is_found():
    found = search(lambda k, g, z: bowl(z), np.zeros(3), Optimisation(evaluations=400, population=8), 1)
    np.testing.assert_allclose(found.latent, [0.7, -0.4, 0.1], atol=0.05)
    assert found.loss == bowl(found.latent)


def test_luck_of_a_generation_is_averaged_away():
    """Each generation shifts the bottom of the bowl by a half; its centre is found much closer than that."""
    shifts = np.random.default_rng(4).normal(0.0, 0.5, (500, 3))
    far = []
    for seed in range(10):
        found = search(
            lambda k, g, z, of=seed: bowl(np.asarray(z) - shifts[50 * of + g]),
            np.zeros(3), Optimisation(evaluations=300, population=10), seed,
        )  # fmt: skip
        far.append(found.latent - [0.7, -0.4, 0.1])
    spread = np.sqrt(np.mean(np.square(far), axis=0))
    print("\nroot mean square distance of the centres:", spread.round(2), "; of one seed: 0.5")
    assert spread.max() < 0.35


def test_a_search_repeats_to_the_bit_and_another_seed_walks_elsewhere():
    walked = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        walked[name] = []
        search(
            lambda k, g, z, to=walked[name]: to.append(tuple(z)) or bowl(z),
            np.zeros(3),
            Optimisation(evaluations=40),
            seed,
        )
    assert walked["first"] == walked["again"] != walked["other"]


def test_failed_evaluations_do_not_stop_it():
    """A third of the space fails: its loss is large, and the search goes round it."""
    found = search(
        lambda k, g, z: 1e6 if z[0] < -0.2 else bowl(z), np.zeros(3), Optimisation(evaluations=400, population=8), 3
    )
    np.testing.assert_allclose(found.latent, [0.7, -0.4, 0.1], atol=0.1)


def test_one_parameter_alone():
    found = search(
        lambda k, g, z: float((z[0] - 1.1) ** 2), np.zeros(1), Optimisation(evaluations=120, population=6), 1
    )
    assert found.latent.shape == (1,)
    assert found.latent[0] == pytest.approx(1.1, abs=0.05)


SLOPES = np.array([[1.0, -0.5, 0.2], [0.3, 2.0, 0.0], [-0.4, 0.1, 0.7], [5.0, 5.0, 5.0]])
WEIGHTS = np.array([1.0, 0.5, 1.0, 0.0])


def around(centre, count, noise, luck, seed):
    """Evaluations of figures that are planes, with the luck of each generation of ten and noise of their own."""
    draw = np.random.default_rng(seed)
    offsets = draw.normal(0.0, luck, (count // 10 + 1, 4))
    points = centre + draw.normal(0.0, 0.3, (count, 3))
    return [
        Tried(k // 10, z, SLOPES @ z - 1.0 + offsets[k // 10] + draw.normal(0.0, noise, 4))
        for k, z in enumerate(points)
    ]


def test_planes_settle_where_their_loss_is_smallest():
    """Without noise exactly, written out as normal equations; a figure without weight decides nothing."""
    tried = around(np.array([0.3, 0.2, 0.4]), 90, 0.0, 0.0, 1)
    power = np.diag(WEIGHTS[:3])
    expected = np.linalg.solve(SLOPES[:3].T @ power @ SLOPES[:3] + np.eye(3), SLOPES[:3].T @ power @ np.ones(3))
    np.testing.assert_allclose(settle(np.zeros(3), tried, WEIGHTS), expected, atol=1e-7)


def test_settling_averages_the_luck_of_all_generations():
    power = np.diag(WEIGHTS[:3])
    expected = np.linalg.solve(SLOPES[:3].T @ power @ SLOPES[:3] + np.eye(3), SLOPES[:3].T @ power @ np.ones(3))
    found = [settle(np.zeros(3), around(expected, 150, 0.3, 0.4, seed), WEIGHTS) for seed in range(40)]
    # ten generations of luck are left: 0.4 / sqrt(10), which a slope of 1 and the prior halve
    assert np.sqrt(np.mean((np.array(found) - expected) ** 2, axis=0)).max() < 0.13


def test_a_plane_is_trusted_near_its_points_alone():
    far = around(np.array([3.0, 3.0, 3.0]), 90, 0.0, 0.0, 2)
    later = np.array([one.latent for one in far[30:]])
    found = settle(np.zeros(3), far, WEIGHTS)
    assert np.all(np.abs(found - later.mean(axis=0)) <= REACH * later.std(axis=0) * (1 + 1e-9))


def test_with_too_few_evaluations_the_centre_stays():
    centre = np.array([0.1, 0.2, 0.3])
    tried = around(centre, 12, 0.1, 0.1, 3)
    np.testing.assert_array_equal(settle(centre, tried, WEIGHTS), centre)
    lost = [Tried(one.generation, one.latent, np.full(4, np.nan)) for one in around(centre, 90, 0.1, 0.1, 3)]
    np.testing.assert_array_equal(settle(centre, lost, WEIGHTS), centre)


def test_elementary_effects_of_a_linear_function():
    """mu* of a function linear in the prior's probability is its slope, sigma is 0."""
    effort = Screening(trajectories=6, levels=4)
    points = screening.design(3, effort, 5)
    assert points.shape == (6 * 4, 3)
    unit = 0.5 + (special.ndtr(points) - 0.5) / screening.CENTRAL
    assert unit.min() >= -1e-9
    assert unit.max() <= 1 + 1e-9
    found = screening.effects(points, np.stack([unit @ [1.0, -3.0, 0.0], unit[:, 0] ** 2], axis=1), 5)
    np.testing.assert_allclose(found["mu_star"][0], [1.0, 3.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(found["sigma"][0], 0.0, atol=1e-9)
    assert found["sigma"][1][0] > 0.1
