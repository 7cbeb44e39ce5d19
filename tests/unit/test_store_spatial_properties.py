"""Whatever a spatial study may hold comes back: boxes of any size, numbers of any bits."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumorsim.spatial_variables import FATES, LINEAGE, MEASURES, SERIES, SNAPSHOTS, SpatialData
from tumorsim.store import (
    compare_spatial,
    read_checkpoint,
    read_spatial,
    spatial_digest,
    write_checkpoint,
    write_spatial,
)
from tumorsim.store.layout import MEMORY_DTYPES
from tumorsim.variables import Variable

NAMES = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=30).filter(
    lambda text: text.isprintable() and text == text.strip() and text.strip(".") != ""
)
INTEGERS = [dtype for dtype in MEMORY_DTYPES.values() if dtype.kind in "iu"]


def bits(random: np.random.Generator, kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Any bits: also infinities, subnormal numbers and missing values with a message."""
    if kind.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    raw = random.integers(0, 256, int(np.prod(shape)) * kind.itemsize, dtype=np.uint8)
    return raw.view(kind).reshape(shape)


def table(draw: st.DrawFn, random: np.random.Generator, variable: Variable, shape: tuple[int, ...]) -> np.ndarray:
    """An array of any type that the store keeps."""
    if variable.labels:
        return random.integers(0, len(variable.labels), shape).astype(draw(st.sampled_from(INTEGERS)))
    return bits(random, draw(st.sampled_from(list(MEMORY_DTYPES.values()))), shape)


@st.composite
def studies(draw: st.DrawFn) -> SpatialData:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    arms = tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
    products = tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
    axes = {n: np.array(sorted(draw(st.sets(st.floats(-1e6, 1e6), max_size=3)))) for n in ("time", "depth", "radius")}
    axes = {n: a.astype(float) for n, a in axes.items()}
    axes["shot"] = np.arange(draw(st.integers(0, 3)), dtype=float)
    replicate = np.arange(draw(st.integers(0, 3)))
    box = draw(st.tuples(*[st.integers(1, 4)] * 3))
    sizes = {n: a.size for n, a in axes.items()} | {"arm": len(arms), "product": len(products), "fate": len(FATES)}
    sizes |= {"replicate": replicate.size}
    arrays = {v.name: table(draw, random, v, tuple(sizes[axis] for axis in v.dims)) for v in (*SERIES, *MEASURES)}
    shape = (axes["shot"].size, *box)
    snapshots = {
        arm: {
            v.name: random.integers(0, len(v.labels) or 128, shape).astype(draw(st.sampled_from(["i1", "u1"])))
            if v.labels or v.count
            else bits(random, np.dtype("f4"), shape)
            for v in SNAPSHOTS
        }
        for arm in (arms if axes["shot"].size and draw(st.booleans()) else ())
    }
    lineage = {}
    for arm in draw(st.sets(st.sampled_from(arms))):
        cells = draw(st.integers(0, 4))
        lineage[arm] = {v.name: table(draw, random, v, (cells,)) for v in LINEAGE}
        lineage[arm]["parent"] = np.arange(cells) - 1
    return SpatialData(
        arms=arms,
        labels=tuple("x" for _ in arms),
        products=products,
        replicate=replicate,
        shape=box,
        spacing=draw(st.floats(1e-3, 1e3)),
        arrays=arrays,
        snapshots=snapshots,
        lineage=lineage,
        **axes,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=studies(), seed=st.integers(0, 2**64 - 1))
@pytest.mark.slow
def test_any_study_comes_back(data, seed):
    with tempfile.TemporaryDirectory() as folder:
        path = write_spatial(Path(folder) / "a.h5", data, {"seed": seed}, "s", "", {})
        back = read_spatial(path)
    assert compare_spatial(data, back.data) == []
    assert back.digest == spatial_digest(data, "s", seed)
    for name, array in data.arrays.items():
        assert (back.data[name].dtype, back.data[name].tobytes()) == (array.dtype, array.tobytes()), name
    for kind in ("snapshots", "lineage"):
        ours, theirs = getattr(data, kind), getattr(back.data, kind)
        assert set(ours) == set(theirs)
        for arm, arrays in ours.items():
            for name, array in arrays.items():
                assert (theirs[arm][name].dtype, theirs[arm][name].tobytes()) == (array.dtype, array.tobytes()), name


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    plan=st.dictionaries(
        st.text(max_size=20),
        st.tuples(st.sampled_from([*MEMORY_DTYPES.values(), np.dtype("u8")]), st.lists(st.integers(0, 4), max_size=4)),
    ),
    header=st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none(), st.lists(st.booleans()))),
)
def test_any_checkpoint_comes_back(seed, plan, header):
    random = np.random.default_rng(seed)
    arrays = {name: bits(random, kind, tuple(shape)) for name, (kind, shape) in plan.items()}
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder) / "a", arrays, header)
        back, found = read_checkpoint(Path(folder) / "a", header)
    assert found == header
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape, back[name].tobytes()) == (array.dtype, array.shape, array.tobytes())
