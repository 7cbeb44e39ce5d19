"""Counter-based draws: the words of numpy's Philox, the right laws, and streams that know nothing of each other.

Seeds are fixed, so a run either always passes or never does. Families of tests hold a
family-wise level of 1e-3 by Bonferroni's bound; the smallest p-value is printed with ``-s``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tumorsim.kernels import random

LEVEL = 1e-3  # family-wise
STREAMS = {name: value for name, value in vars(random).items() if name.startswith("STREAM_")}
PATIENTS = np.arange(20_000, dtype=np.int64)
key = st.integers(0, 2**63 - 1)


def test_streams_are_numbered_once() -> None:
    assert len(set(STREAMS.values())) == len(STREAMS)
    assert min(STREAMS.values()) > 0


@settings(max_examples=300, deadline=None)
@given(seed=key, stream=st.sampled_from(sorted(STREAMS.values())), patient=key, occasion=key, item=key)
def test_words_are_those_of_numpy(seed: int, stream: int, patient: int, occasion: int, item: int) -> None:
    ours = random.philox(*(np.uint64(part) for part in (seed, stream, patient, occasion, item)))
    theirs = np.random.Philox(key=[seed, stream], counter=[patient, occasion, item, 0]).random_raw(4)
    assert [int(word) for word in ours] == theirs.tolist()


@pytest.mark.parametrize("word", [0, 1, 2**11, 2**12, 2**63, 2**64 - 2**12, 2**64 - 1])
def test_a_uniform_is_never_zero_and_never_one(word: int) -> None:
    u = random.to_unit(np.uint64(word))
    assert 0.0 < u < 1.0
    assert abs(u - word / 2**64) <= 2.0**-52


def test_every_door_opens_on_the_same_draw() -> None:
    """Scalars, arrays and pairs; signed and unsigned keys."""
    few = PATIENTS[:50]
    array = random.uniforms(9, 3, few, 2, 5)
    np.testing.assert_array_equal(array, random.pair_uniforms(9, 3, few, 2, np.full(50, 5)))
    assert array[7] == random.uniform(9, 3, 7, 2, 5) == random.uniform(np.uint64(9), np.uint64(3), np.int64(7), 2, 5)
    assert random.normals(9, 3, few, 2, 5)[7] == random.normal(9, 3, 7, 2, 5)
    assert random.exponential(9, 3, 7, 2, 5) == -np.log(array[7])


def draws(seed: int, stream: int) -> dict[str, np.ndarray]:
    """Draws along each part of the key in turn."""
    still = np.full(PATIENTS.size, 3, dtype=np.int64)
    return {
        "patients": random.uniforms(seed, stream, PATIENTS, 1, 2),
        "items": random.pair_uniforms(seed, stream, still, 1, PATIENTS),
        "occasions": np.concatenate([random.uniforms(seed, stream, PATIENTS[:100], k, 2) for k in range(200)]),
    }


def test_laws_by_kolmogorov_and_smirnov() -> None:
    found: dict[str, float] = {}
    for name, stream in STREAMS.items():
        for along, u in draws(17, stream).items():
            found[f"{name} uniform along {along}"] = stats.kstest(u, "uniform").pvalue
        normal = random.normals(17, stream, PATIENTS, 1, 2)
        found[f"{name} normal"] = stats.kstest(normal, "norm").pvalue
        found[f"{name} normal, squared"] = stats.kstest(normal**2, stats.chi2(1).cdf).pvalue
        found[f"{name} exponential"] = stats.kstest(-np.log(draws(17, stream)["patients"]), "expon").pvalue
    worst = min(found, key=found.__getitem__)
    print(f"\n{len(found)} KS tests of {PATIENTS.size} draws: smallest p {found[worst]:.2g} ({worst})")
    assert found[worst] > LEVEL / len(found)


def test_streams_seeds_and_neighbours_are_independent() -> None:
    """Correlations of normal scores between all pairs of streams, between seeds, and along the counters."""
    scores = {f"stream {stream}": random.normals(17, stream, PATIENTS, 1, 2) for stream in STREAMS.values()}
    scores |= {f"seed {seed}": random.normals(seed, 1, PATIENTS, 1, 2) for seed in (0, 1, 18, 2**62)}
    scores["next patient"] = random.normals(17, 1, PATIENTS + 1, 1, 2)
    scores["next occasion"] = random.normals(17, 1, PATIENTS, 2, 2)
    scores["next item"] = random.normals(17, 1, PATIENTS, 1, 3)
    table = np.stack(list(scores.values()))
    z = np.abs(np.corrcoef(table) * np.sqrt(PATIENTS.size))[np.triu_indices(len(scores), 1)]
    bound = stats.norm.isf(LEVEL / 2 / z.size)
    print(f"\n{z.size} correlations: largest |z| {z.max():.2f}, bound {bound:.2f}")
    assert z.max() < bound


def test_pairs_of_neighbours_fill_the_square() -> None:
    """A serial test: the pair (draw, next draw) over 20 x 20 cells, along patients and along occasions."""
    for along in (random.uniforms(5, 2, PATIENTS, 0, 0), draws(5, 2)["occasions"]):
        count, _, _ = np.histogram2d(along[:-1:2], along[1::2], bins=20, range=[[0, 1], [0, 1]])
        assert stats.chisquare(count.ravel()).pvalue > LEVEL / 2
