"""One HDF5 file a result: written whole, read with care, compared by its data.

``write``, ``read``, ``digest`` and ``compare`` are all a caller needs; h5py is
imported by the first of them that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tumorsim.store.errors import Problem, ResultError
from tumorsim.store.layout import LAYOUT_VERSION
from tumorsim.store.sealing import check_target, commit

if TYPE_CHECKING:
    from tumorsim.store.decoding import StoredResult
    from tumorsim.store.identity import Difference, compare
    from tumorsim.store.result import digest, read, write

__all__ = [
    "LAYOUT_VERSION",
    "Difference",
    "Problem",
    "ResultError",
    "StoredResult",
    "check_target",
    "commit",
    "compare",
    "digest",
    "read",
    "write",
]

_HOMES = {
    "write": "result",
    "read": "result",
    "digest": "result",
    "StoredResult": "decoding",
    "compare": "identity",
    "Difference": "identity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
