"""When two spatial results are the same; the counterpart of `tumorsim.store.identity`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from tumorsim.spatial_variables import SpatialData
from tumorsim.store.identity import Difference, add_array, differences
from tumorsim.store.spatial_layout import axis_values

_WORDS = ("arms", "labels", "products", "shape", "spacing")


def spatial_digest(data: SpatialData, scenario_text: str, seed: int) -> str:
    """SHA-256 of the data, 64 hexadecimal digits.

    Voxels are hashed in their own 32 or 8 bits, everything else as doubles or 64-bit integers.
    """
    hashed = hashlib.sha256(b"tumorsim spatial data, layout of the hash 1\n")
    head: list[Any] = [list(data.arms), list(data.labels), list(data.products), list(data.shape), float(data.spacing)]
    head += [[arm in table for arm in data.arms] for table in (data.snapshots, data.lineage)]
    hashed.update(json.dumps([*head, int(seed), scenario_text], ensure_ascii=True).encode())
    for name, array in _everything(data):
        floats, voxels = array.dtype.kind == "f", name.startswith("snapshots/")
        add_array(hashed, name, array, ("f4" if floats else "u1") if voxels else ("f8" if floats else "i8"))
    return hashed.hexdigest()


def _everything(data: SpatialData) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, axis in axis_values(data).items():
        yield f"axis {name}", axis
    for name in sorted(data.arrays):
        yield name, data.arrays[name]
    for kind, tables in (("snapshots", data.snapshots), ("lineage", data.lineage)):
        for arm in data.arms:
            for name in sorted(tables.get(arm, {})):
                yield f"{kind}/{arm}/{name}", tables[arm][name]


def compare_spatial(a: SpatialData, b: SpatialData) -> list[Difference]:
    """Arrays and axes in which two studies differ, bit for bit; see `tumorsim.store.compare`."""
    return differences(a, b, _WORDS, dict(_everything(a)), dict(_everything(b)))
