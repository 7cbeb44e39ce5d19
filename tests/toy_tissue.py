"""A made-up spatial study that looks like one: a growing ball of cells, vessels, effectors, a lineage.

For figures, the page and the command line; nothing is simulated. (`toy_spatial` fills every array with noise, for the
store.) The arms share their start and their luck; the second brings effectors in, the third more of them and deeper.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from tumorsim import measures
from tumorsim.spatial_variables import FATES, LINEAGE, MEASURES, SERIES, SNAPSHOTS, SpatialData

ARMS = ("control", "nk_day_3", "nk_day_10")
LABELS = ("Sorafenib alone", "NK cells on day 3", "NK cells on day 10")
PRODUCTS = ("nk", "memory_cd8")
SPACING = 20.0
STEP = 5.0  # days between series
SHOTS = (0.0, 10.0, 20.0, 30.0)
PROVENANCE = {"tumorsim": "9.8.7", "seed": 11, "threads": 2, "numpy": "2.1.0"}
SUMMARY = {"spatial": "toy_tissue", "title": "Infusion day against the window of normalisation", "seed": 11}
SCENARIO = {
    "name": "toy_tissue",
    "description": "Made up for tests.",
    "arms": [{"name": name, "label": label} for name, label in zip(ARMS, LABELS, strict=True)],
    "disease": {
        "growth": {
            "growth_rate": {
                "value": "0.0085 1/day", "source": "Example 2026 J Examples 1:2", "status": "measured",
                "range": ["0.0023 1/day", "0.06 1/day"], "cv": 0.5,
            }
        }
    },
    "lattice": {"shape": [30, 30, 30], "spacing": "20 um"},
}  # fmt: skip


def _ball(shape: tuple[int, int, int]) -> np.ndarray:
    """Distance of each voxel from the middle, voxels."""
    return np.sqrt(sum((i - (s - 1) / 2) ** 2 for i, s in zip(np.indices(shape), shape, strict=True)))


def _content(shape: tuple[int, int, int], arm: int, replicate: int, shot: int) -> tuple[np.ndarray, np.ndarray]:
    """Content and lymphocytes of one moment."""
    draws = np.random.default_rng((replicate, 1))
    place = np.indices(shape)
    r = _ball(shape) + 1.2 * np.sin(0.4 * (place[1] + replicate)) * np.cos(0.35 * place[2])
    size = min(shape[1:])
    radius = size * (0.16 + 0.07 * shot * (1.0 - 0.22 * arm))
    content = np.zeros(shape, dtype=np.int8)
    content[r < radius] = 1
    sector = np.arctan2(place[1] - shape[1] / 2, place[2] - shape[2] / 2)
    content[(r < radius) & (np.abs(sector - 0.6) < 0.1 + 0.14 * shot)] = 2
    content[(r < radius) & (draws.random(shape) < 0.03)] = 3
    content[(r < radius) & (draws.random(shape) < 0.004 * shot)] = 4
    content[r < radius - 0.17 * size] = 5
    content[(r < radius) & (draws.random(shape) < 0.03 * arm * (shot > 0))] = 5
    for _ in range(round(0.7 * size * (1 if shape[0] > 1 else 0.4))):
        axis, at = draws.integers(0 if shape[0] > 1 else 1, 3), [draws.integers(0, s) for s in shape]
        line: list[Any] = list(at)
        start = int(draws.integers(0, shape[axis]))
        line[axis] = slice(start, start + max(3, shape[axis] // 4))
        content[tuple(line)] = np.where(content[tuple(line)] == 5, 5, 6 if draws.random() < 0.85 else 7)
    near = np.exp(-(((r - radius + 0.8 * arm) / 3.0) ** 2)) + 0.05
    mean = 0.25 * arm * (shot > 0) * (1.0 + 0.15 * replicate) * near
    return content, np.minimum(draws.poisson(mean), 8)


def _fields(content: np.ndarray, lymphocytes: np.ndarray) -> dict[str, np.ndarray]:
    from scipy import ndimage

    def spread(source: np.ndarray, by: float) -> np.ndarray:
        return np.asarray(ndimage.gaussian_filter(source.astype(np.float64), by))

    living = (content >= 1) & (content <= 4)
    vessel = spread(content == 6, 2.0)
    oxygen = 60.0 * vessel / (vessel + 0.02) * (1.0 - 0.7 * spread(living, 3.0))
    interferon = spread(lymphocytes * living, 2.0)
    return {
        "oxygen": oxygen,
        "vegf": 300.0 * spread(living * np.exp(-oxygen / 8.0), 4.0),
        "drug": np.clip(spread(content == 6, 3.0) * 18.0, 0.0, 1.0),
        "depot": np.zeros(content.shape),
        "interferon": interferon,
        "chemokine": spread(living, 2.5) * (0.2 + interferon),
        "suppressors": spread(living, 3.5),
    }


def _lineage(arm: int, founders: int = 60, days: float = 30.0) -> dict[str, np.ndarray]:
    """A branching process by days: sensitive cells are born and die, resistant ones die less."""
    draws = np.random.default_rng((arm, 5))
    parent, clone = [-1] * founders, [0] * (founders - 4) + [1] * 3 + [2]
    birth, death, fate = [0.0] * founders, [np.nan] * founders, [0] * founders
    last = list(clone)
    alive = list(range(founders))
    for day in np.arange(0.0, days):
        for cell in list(alive):
            lot = draws.random()
            if lot < 0.12:
                parent.append(cell)
                clone.append(last[cell] | int(draws.random() < 0.004))
                last.append(clone[-1])
                birth.append(day + draws.random())
                death.append(np.nan)
                fate.append(0)
                alive.append(len(parent) - 1)
            elif lot > 1.0 - (0.09 + 0.02 * arm if last[cell] & 1 == 0 else 0.05):
                death[cell], fate[cell] = day + 1.0, 6 if arm else 2
                alive.remove(cell)
    kept = np.argsort(birth, kind="stable")
    place = np.empty_like(kept)
    place[kept] = np.arange(kept.size)
    mother = np.array([-1 if p < 0 else place[p] for p in parent])
    made = {"parent": mother, "clone": clone, "last_clone": last, "birth": birth, "death": death, "fate": fate}
    whole = {name: np.asarray(values)[kept] for name, values in made.items()}
    return {variable.name: whole[variable.name].astype(variable.dtype) for variable in LINEAGE}


def _series(counts: np.ndarray, arrays: dict[str, np.ndarray], time: np.ndarray) -> None:
    """Series that go through the counts of the snapshots; ``counts`` is (arm, replicate, shot, content or load)."""

    def through(values: np.ndarray) -> np.ndarray:
        return np.apply_along_axis(lambda row: np.interp(time, SHOTS, row), -1, values)

    for number, name in ((1, "sensitive"), (2, "resistant"), (3, "antigen_low"), (4, "resistant_antigen_low")):
        arrays[name] = np.rint(through(counts[..., number]))
    for number, name in ((5, "dead_cells"), (6, "open_vessels"), (7, "embolised_vessels")):
        arrays[name] = np.rint(through(counts[..., number]))
    living = through(counts[..., 1:5].sum(axis=-1))
    tissue = through(counts[..., 8])
    arm = np.arange(counts.shape[0])[:, None, None]
    arrays["mhc_low"] = np.rint(0.05 * living)
    arrays["births"] = np.rint(2.0 * living)
    arrays["hypoxic_fraction"] = np.clip(0.15 + 0.4 * living / living.max() - 0.06 * arm, 0.0, 1.0)
    arrays["oxygen"] = 30.0 - 25.0 * arrays["hypoxic_fraction"]
    arrays["vegf"] = 40.0 + 200.0 * arrays["hypoxic_fraction"]
    arrays["perfusion"] = 1.0 - 0.5 * arrays["hypoxic_fraction"]
    arrays["maturity"] = 0.3 + 0.4 * np.exp(-(((time - 9.0 - 2.0 * arm) / 6.0) ** 2)) + 0.0 * living
    arrays["plasma_drug"] = 5e3 * (time > 0) + 0.0 * living
    arrays["memory"] = 0.1 + 0.0 * living
    share = np.array([0.9, 0.1])[:, None]
    arrays["lymphocytes"] = np.rint(share * tissue[:, :, None])
    arrays["engaged"], arrays["exhausted"] = arrays["lymphocytes"] // 3, arrays["lymphocytes"] // 10
    for name, rate in (("recruited", 0.3), ("kills", 0.5)):
        arrays[name] = np.cumsum(np.rint(rate * arrays["lymphocytes"]), axis=-1)
    arrays["blood"] = 1e8 * np.exp(-0.1 * time) * (arm[..., None] > 0) + 0.0 * arrays["lymphocytes"]
    arrays["deaths"] = np.rint(0.1 * living[:, :, None] * np.ones((len(FATES), 1)))


@cache
def make_tissue(
    n: int = 30, arms: int = 3, replicates: int = 3, flat: bool = False, lineage: bool = True, shots: int = 4
) -> SpatialData:
    """A toy study with every declared array.

    Parameters
    ----------
    n
        Voxels along a side.
    arms, replicates, shots
        How many; at most three arms and four snapshots.
    flat
        One slice.
    lineage
        Whether ancestries were asked for.
    """
    shape = (1 if flat else n, n, n)
    at = measures.bins(shape, SPACING)
    time = np.arange(0.0, SHOTS[-1] + 0.1, STEP)
    found: dict[str, list[Any]] = {variable.name: [] for variable in MEASURES}
    counts = np.zeros((arms, replicates, len(SHOTS), 9))
    snapshots: dict[str, dict[str, np.ndarray]] = {}
    for arm in range(arms):
        held: dict[str, list[np.ndarray]] = {variable.name: [] for variable in SNAPSHOTS}
        for replicate in range(replicates):
            for shot in range(len(SHOTS)):
                content, load = _content(shape, arm, replicate, shot)
                kind, clone, open_vessel = measures.of_content(content)
                for name, value in measures.measure(kind, clone, load, open_vessel, SPACING, at).items():
                    found[name].append(value)
                counts[arm, replicate, shot] = [*np.bincount(content.ravel(), minlength=8), load.sum()]
                if replicate == 0:
                    for name, values in {"content": content, "lymphocytes": load, **_fields(content, load)}.items():
                        held[name].append(values)
        snapshots[ARMS[arm]] = {v.name: np.array(held[v.name][:shots]).astype(v.dtype) for v in SNAPSHOTS}
    arrays: dict[str, np.ndarray] = {}
    for variable in MEASURES:
        values = np.array(found[variable.name]).reshape(arms, replicates, len(SHOTS), -1)
        whole = values if variable.dims[-1] in {"depth", "radius"} else values[..., 0]
        arrays[variable.name] = whole[:, :, :shots].astype(variable.dtype)
    _series(counts, arrays, time)
    wide = {"product": len(PRODUCTS), "fate": len(FATES)}
    for variable in SERIES:
        between = [wide[name] for name in variable.dims[2:-1]]
        empty = np.zeros((arms, replicates, *between, time.size))
        arrays[variable.name] = (arrays.get(variable.name, 0.0) + empty).astype(variable.dtype)
    return SpatialData(
        arms=ARMS[:arms], labels=LABELS[:arms], products=PRODUCTS, replicate=np.arange(replicates), time=time,
        shot=np.array(SHOTS[:shots]), depth=at.depths, radius=at.radii, shape=shape, spacing=SPACING, arrays=arrays,
        snapshots=snapshots, lineage={ARMS[arm]: _lineage(arm) if lineage else {} for arm in range(arms)},
    )  # fmt: skip


def scenario_text() -> str:
    """The resolved scenario as a result keeps it."""
    return json.dumps(SCENARIO)
