"""The posterior against a linear Gaussian toy with a known one; the same bits wherever it ran, and after a kill."""

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toy_simulator import LinearStudy
from tumorsim.calibration import adjustment
from tumorsim.calibration.adjustment import adjust, describe, epanechnikov, weighted_covariance, weighted_quantiles
from tumorsim.calibration.posterior import DATABASE, PosteriorError, Settings, sample_posterior
from tumorsim.calibration.simulator import Studies, distances, study_seed, weakening
from tumorsim.executor import open_executor

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

TESTS = Path(__file__).parents[1]
QUICK = Settings(population=50, populations=3, simulations=2_000, seed=3)


def sample(folder, simulator=None, settings=QUICK, where="threads", **options):
    folder.mkdir(exist_ok=True)
    with open_executor(where, 2) as executor:
        return sample_posterior(simulator or LinearStudy(), settings, folder, executor, **options)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The posterior that the others are compared with."""
    return sample(tmp_path_factory.mktemp("quick"))


def assert_same(one, other):
    for name in ("particles", "weights", "distances", "summaries", "adjusted", "adjusted_weights"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.populations == other.populations


# --- distance and seeds ----------------------------------------------------------
def test_distance_is_in_sampling_errors_and_undefined_is_infinite():
    observed, scale, weights = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0]), np.array([1.0, 3.0, 0.0])
    studies = np.array([[2.0, 2.0, 99.0], [1.0, 4.0, np.nan], [np.nan, 2.0, 3.0], [1.0, np.inf, 3.0]])
    expected = [np.sqrt(1 * 2.0**2 / 4), np.sqrt(3 * 2.0**2 / 4), np.inf, np.inf]
    np.testing.assert_allclose(distances(studies, observed, scale, weights), expected)


def test_the_seed_of_a_study_is_keyed_by_every_bit_of_its_parameters():
    latent = np.array([0.1, -2.0])
    assert study_seed(5, latent) == study_seed(5, latent.copy())
    others = [(6, latent), (5, np.nextafter(latent, 9.0)), (5, latent[::-1]), (5, -latent)]
    assert len({study_seed(5, latent), *(study_seed(*other) for other in others)}) == 5
    assert all(0 <= study_seed(s, np.array([float(s)])) < 2**62 for s in range(200))


def test_a_known_study_is_not_simulated_again():
    task = Studies.of(LinearStudy(fails_above=-np.inf), 1)
    np.testing.assert_array_equal(task((np.zeros(3), np.arange(5.0))), np.arange(5.0))
    with pytest.raises(ValueError, match="too large"):
        task((np.zeros(3), None))


# --- weighted samples ------------------------------------------------------------
def test_quantiles_and_covariance_count_weights_as_copies():
    generator = np.random.default_rng(1)
    values, copies = generator.normal(size=(4_000, 2)) @ [[1.0, 0.5], [0.0, 1.0]], generator.integers(0, 4, 4_000)
    repeated = np.repeat(values, copies, axis=0)
    shares = (0.05, 0.5, 0.95)
    np.testing.assert_allclose(
        weighted_quantiles(values, copies.astype(float), shares), np.quantile(repeated, shares, axis=0).T, atol=2e-3
    )
    np.testing.assert_allclose(weighted_covariance(values, copies.astype(float)), np.cov(repeated.T), rtol=2e-3)


def test_covariance_of_few_equal_weights_is_the_unbiased_one():
    values = np.random.default_rng(2).normal(size=(7, 3))
    np.testing.assert_allclose(weighted_covariance(values, np.full(7, 0.2)), np.cov(values.T))


def test_kernel_falls_to_zero_at_the_bandwidth():
    np.testing.assert_allclose(epanechnikov(np.array([0.0, 1.0, 2.0, 3.0]), 2.0), [1.0, 0.75, 0.0, 0.0])


def test_description_of_a_known_sample():
    covariance = np.array([[0.25, 0.2], [0.2, 0.5]])
    latent = np.random.default_rng(3).multivariate_normal([1.0, -1.0], covariance, 200_000)
    found = describe(latent, np.ones(len(latent)))
    np.testing.assert_allclose(found.shrinkage, 1 - np.sqrt([0.25, 0.5]), atol=4e-3)
    np.testing.assert_allclose(found.interval[0], [1 - 1.645 * 0.5, 1 + 1.645 * 0.5], atol=0.01)
    np.testing.assert_allclose(found.median, [1.0, -1.0], atol=0.01)
    assert found.correlation[0, 1] == pytest.approx(0.2 / np.sqrt(0.125), abs=0.01)
    assert found.effective == pytest.approx(200_000)
    np.testing.assert_allclose(found.direction_shrinkage, 1 - np.sqrt(np.linalg.eigvalsh(covariance)), atol=5e-3)


def test_what_is_known_only_as_a_product_is_a_narrow_direction():
    """Both parameters act through their sum, a product on the natural scale: it is known, the difference is not."""
    toy = LinearStudy(design=np.array([[1.0, 1.0]] * 5), scale=np.full(5, 0.2))
    _, covariance = toy.exact()
    latent = np.random.default_rng(4).multivariate_normal([0.0, 0.0], covariance, 50_000)
    found = describe(latent, np.ones(len(latent)))
    np.testing.assert_allclose(np.abs(found.directions), np.sqrt(0.5), atol=0.02)
    assert found.directions[0].prod() > 0 > found.directions[1].prod()
    assert found.direction_shrinkage[0] > 0.9
    assert abs(found.direction_shrinkage[1]) < 0.02
    assert found.shrinkage.max() < 0.35  # each alone looks unknown
    assert found.correlation[0, 1] < -0.9


# --- regression adjustment -------------------------------------------------------
def test_adjustment_is_exact_where_figures_decide_the_parameters():
    generator = np.random.default_rng(5)
    latent = generator.normal(size=(300, 2))
    shifts = latent @ np.array([[1.0, 0.3, 0.1], [0.2, -1.0, 0.5]]) - np.array([0.4, 0.2, 0.1])
    answer = np.linalg.lstsq(np.array([[1.0, 0.3, 0.1], [0.2, -1.0, 0.5]]).T[:2], np.array([0.4, 0.2]), rcond=None)[0]
    shifts = shifts[:, :2]
    found = adjust(latent, shifts, np.sqrt((shifts**2).sum(axis=1)), np.ones(300))
    np.testing.assert_allclose(found.latent, np.broadcast_to(answer, found.latent.shape), atol=1e-10)


def accepted(toy, n, share, seed):
    """Rejection sample: the nearest share of studies from the prior."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(n, len(toy.names)))
    figures = toy.many(latent, generator)
    far = distances(figures, toy.observed, toy.scale, toy.weights)
    near = np.argsort(far)[: round(share * n)]
    return latent[near], (figures[near] - toy.observed) / toy.scale, far[near]


def test_adjustment_gives_the_known_mean_and_sd():
    toy = LinearStudy()
    mean, covariance = toy.exact()
    latent, shifts, far = accepted(toy, 400_000, 0.05, 6)
    before = describe(latent, np.ones(len(latent)))
    found = adjust(latent, shifts, far, np.ones(len(latent)))
    after = describe(found.latent, found.weights)
    np.testing.assert_allclose(after.mean, mean, atol=0.02)
    np.testing.assert_allclose(after.sd, np.sqrt(np.diag(covariance)), rtol=0.02)
    assert (before.sd[:2] > 1.2 * after.sd[:2]).all()  # tolerance alone leaves the posterior too wide


def test_adjustment_of_few_particles_keeps_their_spread():
    """The mean variance of many small adjusted samples covers the known one, which plain regression undercuts."""
    toy = LinearStudy()
    mean, covariance = toy.exact()
    found = []
    for seed in range(300):
        latent, shifts, far = accepted(toy, 800, 0.06, 100 + seed)
        sample = adjust(latent, shifts, far, np.ones(len(latent)))
        assert sample.reason is None
        centred = sample.latent - mean  # the error of the centre is part of the spread that is due
        found.append(sample.weights @ centred**2)
    claimed = np.mean(found, axis=0)
    np.testing.assert_allclose(claimed, np.diag(covariance), rtol=0.25)
    assert (claimed > np.diag(covariance)).all()


def test_contradictory_figures_do_not_carry_the_posterior_away():
    """Two readings of one thing that studies hardly tell apart: a line drawn to where they differ by 2 goes far out."""
    generator = np.random.default_rng(11)
    latent = generator.normal(size=(2_000, 2))
    first = latent[:, 0] + 0.3 * generator.normal(size=2_000)
    second = first + 0.05 * latent[:, 1] + 0.01 * generator.normal(size=2_000)
    shifts = np.column_stack([first - 1.0, second + 1.0])  # reported as +1 and as -1
    far = np.sqrt((shifts**2).mean(axis=1))
    near = np.argsort(far)[:300]
    found = adjust(latent[near], shifts[near], far[near], np.ones(300))
    mean = found.weights @ found.latent
    assert found.reach < 0.2
    assert abs(mean[0]) < 0.5
    assert -4.0 < mean[1] < -2.0  # at the edge of what studies show, not at -2 / 0.05
    alone = np.abs(first - 1.0)
    near = np.argsort(alone)[:300]
    assert adjust(latent[near], (first - 1.0)[near, None], alone[near], np.ones(300)).reach == 1.0


def test_weight_makes_a_figure_noisier_for_the_regression_and_the_heaviest_not_at_all():
    latent = np.random.default_rng(12).normal(size=(4_000, 2))
    noise = weakening(latent, np.array([1.0, 0.25, 0.0, 0.5]))
    np.testing.assert_array_equal(noise[:, 0], 0.0)
    np.testing.assert_allclose(noise.std(axis=0), [0.0, np.sqrt(3.0), 1.0], rtol=0.04)
    np.testing.assert_array_equal(noise[5:6], weakening(latent[5:6], np.array([1.0, 0.25, 0.0, 0.5])))
    assert not weakening(latent, np.array([0.5, 0.5])).any()


def test_few_particles_are_adjusted_without_the_kernel_rather_than_not_at_all():
    toy = LinearStudy()
    latent, shifts, far = accepted(toy, 1_000, 0.02, 13)
    assert adjustment.effective_size(epanechnikov(far, far.max())) < 3 * 6 < len(latent)
    found = adjust(latent, shifts, far, np.ones(len(latent)))
    assert found.reason is None
    np.testing.assert_allclose(found.weights, 1 / len(latent))


def test_too_few_particles_are_left_as_they_are():
    latent = np.random.default_rng(7).normal(size=(10, 2))
    found = adjust(latent, np.ones((10, 5)), np.linspace(0.0, 1.0, 10), np.ones(10))
    np.testing.assert_array_equal(found.latent, latent)
    assert "too few for a regression on 5 figures" in found.reason


# --- sequential Monte Carlo ------------------------------------------------------
@pytest.mark.slow
def test_posterior_of_the_toy_is_the_known_one(tmp_path):
    told = []
    found = sample(
        tmp_path, settings=replace(QUICK, population=150, populations=4, simulations=10**5), progress=told.append
    )
    mean, covariance = LinearStudy().exact()
    sd = np.sqrt(np.diag(covariance))
    # 150 particles of unequal weight: errors of mean and sd, three times over
    error = 3.0 / np.sqrt(found.fitted.effective)
    np.testing.assert_array_less(np.abs(found.fitted.mean - mean) / sd, error)
    np.testing.assert_array_less(np.abs(found.fitted.sd / sd - 1.0), error / np.sqrt(2.0) + 0.05)
    assert found.raw.sd[1] > found.fitted.sd[1]
    epsilons = [row["epsilon"] for row in found.populations]
    assert epsilons[0] is None
    assert epsilons[1:] == sorted(epsilons[1:], reverse=True)
    assert found.distances.max() <= epsilons[-1]
    assert (found.reason, found.failures) == (None, [])
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]
    last = told[-1]
    assert (last.accepted, last.wanted, last.eta, last.expected) == (150, 150, 0.0, last.simulations)
    assert last.simulations == sum(row["evaluations"] for row in found.populations) == len(told)
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize("where", ["processes", "local:2"])
@pytest.mark.slow
def test_same_bits_wherever_studies_are_simulated(quick, tmp_path, where):
    assert_same(quick, sample(tmp_path, where=where))


@pytest.mark.medium
def test_another_seed_gives_the_same_within_monte_carlo_error(quick, tmp_path):
    other = sample(tmp_path, settings=replace(QUICK, seed=4))
    assert not np.isin(other.particles, quick.particles).any()
    errors = np.sqrt(sum(one.fitted.sd**2 / one.fitted.effective for one in (quick, other)))
    np.testing.assert_array_less(np.abs(quick.fitted.mean - other.fitted.mean) / errors, 3.5)


@pytest.mark.medium
def test_no_two_proposals_share_their_random_numbers(tmp_path, monkeypatch):
    keys = []
    seed = np.random.seed
    monkeypatch.setattr(np.random, "seed", lambda key: (keys.append(tuple(key)), seed(key)))
    found = sample(tmp_path)
    assert len(keys) >= sum(row["evaluations"] for row in found.populations)
    assert len(set(keys)) == len(keys)


@pytest.mark.medium
def test_local_proposals(tmp_path):
    found = sample(tmp_path, settings=replace(QUICK, local=True))
    assert len(found.populations) == 3
    assert np.isfinite(found.fitted.sd).all()


@pytest.mark.medium
def test_failed_and_undefined_studies_are_recorded_and_never_accepted(tmp_path):
    kept = []
    found = sample(tmp_path, LinearStudy(fails_above=1.5, undefined_above=0.8), record=kept.append)
    failed = [one for one in kept if one.failure is not None]
    undefined = [one for one in kept if one.failure is None and not np.isfinite(one.distance)]
    assert len(failed) == len(found.failures) > 0
    assert found.failures[0] == (0, "ValueError: the first parameter is too large")
    assert len(undefined) > 0
    assert all(one.summaries is None and np.isinf(one.distance) for one in failed)
    assert found.particles[:, 0].max() <= 0.8
    assert len(kept) == sum(row["evaluations"] for row in found.populations)


@pytest.mark.medium
def test_recorded_studies_are_not_simulated_again(quick, tmp_path):
    kept = {}
    sample(tmp_path / "first", record=lambda one: kept.setdefault((one.stage, one.index), one))
    later = []

    def recorded(stage, index, latent):
        np.testing.assert_array_equal(kept[stage, index].latent, latent)
        return kept[stage, index].summaries

    assert len(kept) == sum(row["evaluations"] for row in quick.populations)
    most = max(index for _, index in kept if index < 1_000_000)
    unable = LinearStudy(fails_above=-np.inf)  # whoever simulates, fails
    again = sample(
        tmp_path / "again",
        unable,
        recorded=lambda stage, index, latent: recorded(stage, index, latent) if (stage, index) in kept else None,
        record=later.append,
    )
    assert most == QUICK.population - 1
    np.testing.assert_array_equal(again.particles, quick.particles)
    assert later == []  # nothing new


def test_a_simulator_that_always_fails_ends_soon_with_its_error(tmp_path):
    kept = []
    with pytest.raises(PosteriorError, match="first with: ValueError: the first parameter"):
        sample(tmp_path, LinearStudy(fails_above=-np.inf), record=kept.append)
    assert len(kept) == 100


def test_figures_that_are_never_defined_end_soon_with_advice(tmp_path):
    with pytest.raises(PosteriorError, match="figures with weight that simulated studies leave undefined"):
        sample(tmp_path, LinearStudy(undefined_above=-np.inf))


@pytest.mark.slow
def test_a_limit_keeps_a_population_that_is_half_full(quick, tmp_path):
    full = sum(row["evaluations"] for row in quick.populations)
    kept = sample(tmp_path / "kept", settings=replace(QUICK, simulations=full - 20))
    assert len(kept.populations) == 3
    assert 25 <= len(kept.particles) < 50
    np.testing.assert_array_equal(kept.particles, quick.particles[: len(kept.particles)])
    assert kept.weights.sum() == pytest.approx(1.0)
    dropped = sample(tmp_path / "dropped", settings=replace(QUICK, simulations=full - 100))
    assert dropped.populations == quick.populations[:2]


@pytest.mark.slow
def test_rare_acceptance_ends_sampling(tmp_path):
    found = sample(tmp_path, settings=replace(QUICK, populations=30, acceptance=0.25, simulations=10**6))
    assert found.populations[-1]["acceptance"] < 0.3
    assert len(found.populations) < 10


@pytest.mark.medium
def test_a_finished_posterior_is_read_not_sampled(quick, tmp_path):
    sample(tmp_path)
    told = []
    assert_same(quick, sample(tmp_path, progress=told.append))
    assert told == []


def test_more_populations_go_on_from_the_last(quick, tmp_path):
    sample(tmp_path, settings=replace(QUICK, populations=2))
    assert_same(quick, sample(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        lambda toy, settings: (replace(toy, observed=toy.observed + 0.1), settings, ""),
        lambda toy, settings: (replace(toy, scale=toy.scale * 2), settings, ""),
        lambda toy, settings: (toy, replace(settings, seed=9), ""),
        lambda toy, settings: (toy, settings, "another model"),
    ],
)
def test_a_database_of_another_configuration_is_refused(tmp_path, change):
    sample(tmp_path, settings=replace(QUICK, populations=1))
    toy, settings, identity = change(LinearStudy(), QUICK)
    with pytest.raises(PosteriorError, match=r"another configuration; .*--out.*--force"):
        sample(tmp_path, toy, settings, identity=identity)


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_foreign_or_damaged_database_is_refused_and_kept(tmp_path, content):
    path = tmp_path / DATABASE
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE diary (day)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(PosteriorError, match="damaged, or no database of a posterior"):
        sample(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.medium
@pytest.mark.parametrize("tables", [False, True])
def test_a_database_without_populations_left_by_a_kill_is_begun_anew(quick, tmp_path, tables):
    (tmp_path / DATABASE).touch()
    if tables:  # made, but not yet the version that pyABC writes next
        from sqlalchemy import create_engine

        from tumorsim.calibration.smc import TABLES

        engine = create_engine(f"sqlite:///{tmp_path / DATABASE}")
        TABLES.create_all(engine)
        engine.dispose()
    assert_same(quick, sample(tmp_path))


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [{tests!r}, {unit!r}]
from toy_simulator import LinearStudy
from test_calibration_posterior import sample

def tell(now):
    print(now.population, now.accepted, flush=True)

if __name__ == "__main__":
    sample(Path({folder!r}), LinearStudy(delay=0.002), where="processes", progress=tell)
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_to_the_same_posterior(quick, tmp_path):
    folder, script = tmp_path / "out", tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(TESTS), unit=str(TESTS / "unit"), folder=str(folder)))
    for moment in ((1, 20), (3, 20)):
        with subprocess.Popen(
            [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
        ) as process:
            for line in process.stdout:
                if tuple(map(int, line.split())) >= moment:
                    break
            process.kill()
        with sqlite3.connect(folder / DATABASE) as database:
            complete = database.execute("SELECT count(*) FROM populations WHERE t >= 0").fetchone()[0]
        assert complete == moment[0] - 1
    told = []
    assert_same(quick, sample(folder, progress=told.append))
    assert told[0].population == 3
    assert {path.name for path in tmp_path.iterdir()} == {"out", "script.py"}


@pytest.mark.parametrize("where", ["processes", "local:2"])
@pytest.mark.slow
def test_a_worker_that_dies_changes_nothing(quick, tmp_path, where):
    marker = tmp_path / "died"
    found = sample(tmp_path / "out", LinearStudy(dies_once=str(marker)), where=where)
    assert marker.exists()
    assert_same(quick, found)


def test_without_pyabc_it_says_what_to_install(tmp_path, monkeypatch):
    from tumorsim.extras import MissingLibraryError

    monkeypatch.setitem(sys.modules, "pyabc", None)
    with pytest.raises(MissingLibraryError, match=r"tumorsim\[calibrate\]"):
        sample(tmp_path)


def test_importing_the_stage_imports_nothing_heavy():
    code = (
        "import sys, tumorsim.calibration.posterior, tumorsim.calibration.recovery, tumorsim.executor;"
        "print([m for m in ('pyabc', 'dask', 'distributed', 'pandas', 'sklearn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_pyabc_says_nothing_and_leaves_the_environment_alone(tmp_path, capfd):
    before = os.environ.get("OMP_NUM_THREADS")
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    sample(tmp_path, settings=replace(QUICK, populations=2))
    assert os.environ.get("OMP_NUM_THREADS") == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert capfd.readouterr() == ("", "")


def test_fewer_effective_particles_than_a_regression_needs_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(adjustment, "_LEAST_PER_COEFFICIENT", 1e6)
    found = sample(tmp_path, settings=replace(QUICK, populations=1))
    np.testing.assert_array_equal(found.adjusted, found.particles)
    assert "too few" in found.as_json()["method"]
