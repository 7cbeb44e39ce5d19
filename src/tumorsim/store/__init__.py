"""One HDF5 file a result: written whole, read with care, compared by its data.

For a trial ``write``, ``read``, ``digest`` and ``compare`` are all a caller needs,
for a spatial study their namesakes ending in ``_spatial``, for a sweep in ``_sweep``; ``kind_of`` tells a file's
kind. h5py is imported by the first of them that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tumorsim.store.errors import Problem, ResultError
from tumorsim.store.layout import LAYOUT_VERSION
from tumorsim.store.sealing import check_target, commit

if TYPE_CHECKING:
    from tumorsim.store.checkpoint import read_checkpoint, write_checkpoint
    from tumorsim.store.decoding import StoredResult
    from tumorsim.store.identity import Difference, compare, compare_blocks
    from tumorsim.store.reading import Stored
    from tumorsim.store.result import digest, read, write
    from tumorsim.store.spatial import kind_of, read_spatial, write_spatial
    from tumorsim.store.spatial_decoding import StoredSpatial
    from tumorsim.store.spatial_identity import compare_spatial, spatial_digest
    from tumorsim.store.sweep import StoredSweep, read_sweep, sweep_digest, write_sweep

__all__ = [
    "LAYOUT_VERSION",
    "Difference",
    "Problem",
    "ResultError",
    "Stored",
    "StoredResult",
    "StoredSpatial",
    "StoredSweep",
    "check_target",
    "commit",
    "compare",
    "compare_blocks",
    "compare_spatial",
    "digest",
    "kind_of",
    "read",
    "read_checkpoint",
    "read_spatial",
    "read_sweep",
    "spatial_digest",
    "sweep_digest",
    "write",
    "write_checkpoint",
    "write_spatial",
    "write_sweep",
]

_HOMES = {
    "write": "result",
    "read": "result",
    "digest": "result",
    "Stored": "reading",
    "StoredResult": "decoding",
    "compare": "identity",
    "compare_blocks": "identity",
    "Difference": "identity",
    "write_spatial": "spatial",
    "read_spatial": "spatial",
    "kind_of": "spatial",
    "StoredSpatial": "spatial_decoding",
    "spatial_digest": "spatial_identity",
    "compare_spatial": "spatial_identity",
    "write_sweep": "sweep",
    "read_sweep": "sweep",
    "StoredSweep": "sweep",
    "sweep_digest": "sweep",
    "write_checkpoint": "checkpoint",
    "read_checkpoint": "checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
