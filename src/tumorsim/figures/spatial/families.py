"""Families of tumour cells from the lineage: who descends from which founder, and how many live when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Lineage = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Bands:
    """Living cells over time, in bands that add up to the tumour.

    Attributes
    ----------
    cells : (band, time)
        Living cells.
    founder : (band,)
        Id of the founder; -1 for a band of all smaller families.
    clone : (band,)
        Clone of the founder, or of the founders.
    """

    cells: NDArray[np.float64]
    founder: NDArray[np.int64]
    clone: NDArray[np.int64]

    @property
    def total(self) -> NDArray[np.float64]:
        """All living cells; (time,)."""
        return np.asarray(self.cells.sum(axis=0))


def founders_of(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Id of the founder of each cell; (cell,)."""
    root = np.where(parent < 0, np.arange(parent.size), parent)
    while True:
        # each round looks twice as far back
        further = root[root]
        if np.array_equal(further, root):
            return root
        root = further


def living(lineage: Lineage, band: NDArray[np.int64], bands: int, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cells alive at each time in each band: born by then, and not dead; (band, time)."""

    def entering(day: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        place = np.searchsorted(time, day[kept], side="left")
        counts = np.zeros((bands, time.size + 1))
        np.add.at(counts, (band[kept], place), 1.0)
        return np.asarray(np.cumsum(counts[:, :-1], axis=1))

    death = np.asarray(lineage["death"], dtype=np.float64)
    birth = np.asarray(lineage["birth"], dtype=np.float64)
    return entering(birth, np.isfinite(birth)) - entering(death, np.isfinite(death))


def largest(lineage: Lineage, time: NDArray[np.float64], many: int) -> list[int]:
    """Founders of the families that reach the largest shares of the tumour, largest first."""
    parent = np.asarray(lineage["parent"], dtype=np.int64)
    ids = np.flatnonzero(parent < 0)
    band = np.searchsorted(ids, founders_of(parent))
    peak = np.zeros(ids.size)
    for moment in time[:: max(1, time.size // 60)]:
        # a moment at a time: families times moments would not fit in memory
        here = (lineage["birth"] <= moment) & ~(lineage["death"] <= moment)
        sizes = np.bincount(band[here], minlength=ids.size)
        peak = np.maximum(peak, sizes / max(sizes.sum(), 1))
    order = np.lexsort((ids, -peak))
    return [int(ids[k]) for k in order[:many] if peak[k] > 0]


def bands_of(lineage: Lineage, chosen: list[int], time: NDArray[np.float64]) -> Bands:
    """Chosen families, and all others in one band for each clone of their founders; sorted by clone."""
    parent = np.asarray(lineage["parent"], dtype=np.int64)
    clone = np.asarray(lineage["clone"], dtype=np.int64)
    root = founders_of(parent)
    chosen = [one for one in chosen if one < parent.size and parent[one] < 0]
    band = clone[root] & 3
    for number, one in enumerate(chosen):
        band = np.where(root == one, 4 + number, band)
    cells = living(lineage, band, 4 + len(chosen), time)
    founder = np.array([-1] * 4 + chosen, dtype=np.int64)
    kind = np.array([0, 1, 2, 3, *(int(clone[one]) & 3 for one in chosen)], dtype=np.int64)
    kept = np.flatnonzero(cells.sum(axis=1) > 0)
    # by clone; within one the large families below, in their order, and the small ones on top
    order = sorted(kept, key=lambda k: (kind[k], founder[k] < 0, k))
    return Bands(cells[order], founder[order], kind[order])
