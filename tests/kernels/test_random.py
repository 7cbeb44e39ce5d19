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
@settings(max_examples=200, deadline=None)
def test_words_are_those_of_numpy(seed: int, stream: int, patient: int, occasion: int, item: int) -> None:
    key = np.array([seed, stream], dtype=np.uint64)
    counter = np.array([patient, occasion, item, 0], dtype=np.uint64)
    expected = np.random.Philox(key=key, counter=counter).random_raw(4)
    assert random.philox(seed, stream, patient, occasion, item) == tuple(expected)


def test_negative_items_are_their_own() -> None:
    """The session-wide draw of TACE uses item -1; it is no lesion's."""
    assert random.uniform(1, random.STREAM_TACE, 3, 0, -1) != random.uniform(1, random.STREAM_TACE, 3, 0, 1)


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
