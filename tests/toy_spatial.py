"""A small made-up spatial study with every declared array plausible; no simulator is involved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toy_result import PROVENANCE, SCENARIO, SEED, SOURCE
from tumorsim.spatial_variables import FATES, LINEAGE, MEASURES, SERIES, SNAPSHOTS, SpatialData
from tumorsim.store import write_spatial
from tumorsim.variables import Variable

ARMS = (("control", "No treatment"), ("cik", "CIK"), ("cik_tace", "CIK after TACE"))
SUMMARY = {"scenario": "toy", "title": "A toy × é", "seed": SEED, "arms": [], "targets": []}


def made_up(variable: Variable, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Codes, counts or numbers of a variable, some of them missing where they may be."""
    if variable.labels:
        return random.integers(0, len(variable.labels), shape).astype(np.int8)
    if variable.count:
        return random.integers(-1, 10**9, shape)
    values = random.lognormal(size=shape)
    return np.where(random.random(shape) < 0.05, np.nan, values)


def make_snapshots(shots: int, box: tuple[int, int, int], random: np.random.Generator) -> dict[str, np.ndarray]:
    """Pictures of one arm."""
    found: dict[str, np.ndarray] = {}
    for variable in SNAPSHOTS:
        top = len(variable.labels) or 9
        found[variable.name] = (
            random.integers(0, top, (shots, *box)).astype(np.uint8)
            if variable.labels or variable.count
            else random.lognormal(size=(shots, *box)).astype(np.float32)
        )
    return found


def make_lineage(cells: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Tumour cells of one arm; a mother comes before her daughters."""
    found = {v.name: made_up(v, (cells,), random) for v in LINEAGE}
    found["parent"] = np.maximum(np.arange(cells) - random.integers(1, 5, cells), -1)
    return found


def make_spatial(
    arms: int = 2,
    replicates: int = 2,
    times: int = 6,
    shots: int = 3,
    box: tuple[int, int, int] = (4, 5, 6),
    cells: int = 20,
    seed: int = 0,
) -> SpatialData:
    """A finished toy study; with no ``shots`` there are no snapshots, with no ``cells`` no lineage."""
    random = np.random.default_rng(seed)
    names = tuple(name for name, _ in ARMS[:arms])
    products = ("cik", "memory_cd8")
    sizes = {"arm": arms, "replicate": replicates, "time": times, "shot": shots, "depth": 4, "radius": 3}
    sizes |= {"product": len(products), "fate": len(FATES)}
    tables: dict[str, Any] = {
        v.name: made_up(v, tuple(sizes[axis] for axis in v.dims), random) for v in (*SERIES, *MEASURES)
    }
    return SpatialData(
        arms=names,
        labels=tuple(label for _, label in ARMS[:arms]),
        products=products,
        replicate=np.arange(replicates, dtype=np.int64),
        time=np.arange(times) / 24.0,
        shot=np.arange(shots) * 7.0,
        depth=np.linspace(-100.0, 200.0, 4),
        radius=np.linspace(20.0, 60.0, 3),
        shape=box,
        spacing=20.0,
        arrays=tables,
        snapshots={arm: make_snapshots(shots, box, random) for arm in names} if shots else {},
        lineage={arm: make_lineage(cells + i, random) for i, arm in enumerate(names)} if cells else {},
    )


def write_toy_spatial(path: Path, data: SpatialData | None = None, force: bool = False) -> Path:
    """A whole result file of a spatial study."""
    data = make_spatial() if data is None else data
    return write_spatial(path, data, SUMMARY, SCENARIO, SOURCE, PROVENANCE, force=force)
