"""Counter-based draws: numpy's Philox bit for bit, distributions, independence of streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tumorsim.kernels import random

WORD = st.integers(0, 2**63 - 1)
LEVEL = 1e-3 / 8  # family-wise 0.1 % over the tests of distributions here
MANY = np.arange(200_000, dtype=np.int64)


@given(WORD, st.integers(0, 2**31), WORD, WORD, WORD)
@settings(max_examples=300, deadline=None)
def test_words_are_those_of_numpy(seed: int, stream: int, patient: int, occasion: int, item: int) -> None:
    key = np.array([seed, stream], dtype=np.uint64)
    counter = np.array([patient, occasion, item, 0], dtype=np.uint64)
    expected = np.random.Philox(key=key, counter=counter).random_raw(4)
    assert random.philox(seed, stream, patient, occasion, item) == tuple(expected)


@given(WORD, st.integers(0, 2**31), st.lists(WORD, max_size=40), WORD, WORD)
@settings(max_examples=100, deadline=None)
def test_words_drawn_side_by_side_are_the_same(
    seed: int, stream: int, patients: list[int], occasion: int, item: int
) -> None:
    key = np.uint64(seed)
    first, third = random.even_words(key, stream, np.array(patients, np.int64), occasion, item)
    one_by_one = [random.philox(key, stream, patient, occasion, item) for patient in patients]
    assert list(zip(first, third, strict=True)) == [(words[0], words[2]) for words in one_by_one]
    assert (
        list(zip(*random.all_words(key, stream, np.array(patients, np.int64), occasion, item), strict=True))
        == one_by_one
    )


def test_the_draw_of_a_whole_session_is_no_lesions() -> None:
    from tumorsim.cohort.burden import DE_NOVO_KEY, VISIBLE_KEY
    from tumorsim.kernels.treat import WHOLE_SESSION

    assert 1000 * max(DE_NOVO_KEY, VISIBLE_KEY) < WHOLE_SESSION
    whole, first = (random.uniform(1, random.STREAM_TACE, 3, 0, item) for item in (WHOLE_SESSION, 1))
    assert whole != first


@pytest.mark.parametrize("word", [0, 1, 2**12 - 1, 2**12, 2**63, 2**64 - 1])
def test_no_word_becomes_zero_or_one(word: int) -> None:
    assert 0.0 < random.to_unit(np.uint64(word)) < 1.0


def test_draws_follow_their_laws() -> None:
    u = random.uniforms(3, 1, MANY, 0, 0)
    z = random.normals(3, 2, MANY, 0, 0)
    pairs = random.pair_uniforms(3, 4, MANY, 0, MANY[::-1].copy())
    waits = np.array([random.exponential(3, 5, i, 0, 0) for i in range(20_000)])
    assert stats.kstest(u, "uniform").pvalue > LEVEL
    assert stats.kstest(z, "norm").pvalue > LEVEL
    assert stats.kstest(pairs, "uniform").pvalue > LEVEL
    assert stats.kstest(waits, "expon").pvalue > LEVEL


@pytest.mark.parametrize("change", ["seed", "stream", "occasion", "item"])
def test_neighbouring_keys_are_independent(change: str) -> None:
    keys = {"seed": 1, "stream": 2, "occasion": 3, "item": 4}
    moved = keys | {change: keys[change] + 1}
    a = random.uniforms(keys["seed"], keys["stream"], MANY, keys["occasion"], keys["item"])
    b = random.uniforms(moved["seed"], moved["stream"], MANY, moved["occasion"], moved["item"])
    assert stats.pearsonr(a, b).pvalue > LEVEL
    cells = np.histogram2d(a, b, bins=16, range=[[0, 1], [0, 1]])[0].ravel()
    assert stats.chisquare(cells).pvalue > LEVEL


def test_streams_have_numbers_of_their_own() -> None:
    streams = [value for name, value in vars(random).items() if name.startswith("STREAM_")]
    assert len(streams) == len(set(streams)) > 15


def test_every_stream_follows_the_laws() -> None:
    """Uniform along patients, items and occasions; normal; squared normal, where Box-Muller would fail first."""
    patients, still = MANY[:20_000], np.full(20_000, 3)
    found: dict[str, float] = {}
    for name, stream in vars(random).items():
        if not name.startswith("STREAM_"):
            continue
        along = {
            "patients": random.uniforms(17, stream, patients, 1, 2),
            "items": random.pair_uniforms(17, stream, still, 1, patients),
            "occasions": np.concatenate([random.uniforms(17, stream, patients[:100], k, 2) for k in range(200)]),
        }
        found |= {f"{name} along {what}": stats.kstest(u, "uniform").pvalue for what, u in along.items()}
        z = random.normals(17, stream, patients, 1, 2)
        found[f"{name} normal"] = stats.kstest(z, "norm").pvalue
        found[f"{name} normal, squared"] = stats.kstest(z**2, stats.chi2(1).cdf).pvalue
    worst = min(found, key=found.__getitem__)
    print(f"\n{len(found)} KS tests of {patients.size} draws: smallest p {found[worst]:.2g} ({worst})")
    assert found[worst] > LEVEL / len(found)


def test_no_two_streams_move_together() -> None:
    scores = np.stack(
        [random.normals(17, stream, MANY[:20_000], 1, 2) for name, stream in vars(random).items() if "STREAM_" in name]
    )
    z = np.abs(np.corrcoef(scores) * np.sqrt(scores.shape[1]))[np.triu_indices(len(scores), 1)]
    bound = stats.norm.isf(LEVEL / 2 / z.size)
    print(f"\n{z.size} correlations between streams: largest |z| {z.max():.2f}, bound {bound:.2f}")
    assert z.max() < bound


def test_every_door_opens_on_the_same_draw() -> None:
    """Scalars, arrays and pairs; signed and unsigned keys."""
    few = MANY[:50]
    array = random.uniforms(9, 3, few, 2, 5)
    np.testing.assert_array_equal(array, random.pair_uniforms(9, 3, few, 2, np.full(50, 5)))
    assert array[7] == random.uniform(9, 3, 7, 2, 5) == random.uniform(np.uint64(9), np.uint64(3), np.int64(7), 2, 5)
    assert random.normals(9, 3, few, 2, 5)[7] == random.normal(9, 3, 7, 2, 5)
    assert random.exponential(9, 3, 7, 2, 5) == -np.log(array[7])
