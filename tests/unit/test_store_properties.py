"""Whatever a trial may hold comes back: arrays of any bits, texts of any letters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tumorsim.store import compare, digest, read, write
from tumorsim.store.layout import MEMORY_DTYPES
from tumorsim.variables import VARIABLES, TrialData

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60)
NAMES = st.text(st.characters(), min_size=1, max_size=100).filter(str.isprintable)
INTEGERS = [dtype for dtype in MEMORY_DTYPES.values() if dtype.kind in "iu"]


@st.composite
def trials(draw: st.DrawFn) -> TrialData:
    """A trial of any shape; every array of any allowed type and any bits."""
    n = draw(st.integers(0, 4))
    patient = np.array(draw(st.lists(st.integers(0, 10**6), min_size=n, max_size=n, unique=True)), dtype=np.int64)
    trace = patient[: draw(st.integers(0, n))]
    time = np.array(sorted(draw(st.sets(st.floats(-1e9, 1e9), max_size=4))), dtype=float)
    arms = tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
    sizes = {"arm": len(arms), "patient": n, "visit": draw(st.integers(0, 3)), "trace": trace.size, "time": time.size}
    arrays = {}
    for variable in VARIABLES:
        shape = tuple(sizes[axis] for axis in variable.dims)
        if variable.labels:
            kind = draw(st.sampled_from([*INTEGERS, np.dtype("f4"), np.dtype("f8")]))
            codes = st.integers(0, len(variable.labels) - 1)
            missing = [np.nan, -np.nan, -0.0] if kind.kind == "f" else []
            values = draw(hnp.arrays(kind, shape, elements=st.one_of(codes, *map(st.just, missing)), fill=st.just(0)))
        else:
            kind = draw(st.sampled_from(list(MEMORY_DTYPES.values())))
            raw = draw(st.binary(min_size=kind.itemsize, max_size=kind.itemsize * 8))
            values = np.resize(np.frombuffer(raw[: len(raw) // kind.itemsize * kind.itemsize], np.uint8), (2048,))
            values = np.resize((values[:2048] % 2 if kind.kind == "b" else values).view(kind), shape)
        arrays[variable.name] = values
    return TrialData(
        arms=arms,
        labels=tuple(draw(NAMES) for _ in arms),
        arrays=arrays,
        patient=patient,
        trace=trace,
        time=time,
        setting=draw(st.sampled_from(["adjuvant", "advanced"])),
        allocation=draw(st.sampled_from(["twins", "randomised", "observational"])),
    )


ANYTHING = given(
    data=trials(), scenario=TEXTS, source=TEXTS, seed=st.integers(0, 2**64 - 1), words=st.dictionaries(TEXTS, TEXTS)
)
SLOWLY = settings(deadline=None, suppress_health_check=list(HealthCheck))


def check(data: TrialData, scenario: str, source: str, seed: int, words: dict[str, str]) -> None:
    """What is written is what is read, bit for bit and letter for letter."""
    with tempfile.TemporaryDirectory() as folder:
        summary = {"seed": seed, "words": words}
        provenance = {"seed": seed, "text": source, "nested": words}
        path = write(Path(folder) / "a.h5", data, summary, scenario, source, provenance)
        back = read(path)
    assert compare(data, back.data) == []
    for name, array in data.arrays.items():
        assert back.data[name].dtype == array.dtype
        assert back.data[name].tobytes() == array.tobytes()
    assert (back.data.arms, back.data.labels) == (data.arms, data.labels)
    assert (back.scenario_text, back.scenario_source) == (scenario, source)
    assert (back.summary, back.provenance) == (summary, provenance)
    assert back.digest == digest(data, scenario, seed)


@ANYTHING
@settings(SLOWLY, max_examples=4)
def test_any_trial_and_any_text_come_back(data, scenario, source, seed, words):
    check(data, scenario, source, seed, words)


@pytest.mark.slow
@ANYTHING
@settings(SLOWLY, max_examples=100)
def test_a_hundred_trials_and_texts_come_back(data, scenario, source, seed, words):
    check(data, scenario, source, seed, words)
