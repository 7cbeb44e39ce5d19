"""Arrays too large for memory, read some patients at a time.

A trial of very many patients keeps what was measured at visits on disk. Such an array has shape, type and
indexing like one in memory, so that whoever reads it in `spans` of patients needs not know where it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

AXIS = 1  # of the patients in every array that may lie on disk
SPAN_BYTES = 1 << 24  # of one piece, all arms together


@dataclass(frozen=True, eq=False)
class RowArray:
    """An array (arm, patient, ...) on disk.

    Attributes
    ----------
    shape, dtype
        As of an array in memory.
    fetch
        ``fetch(start, stop)``: those patients, every other axis whole.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fetch: Callable[[int, int], NDArray[Any]] = field(repr=False)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=object))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Elements, as of an array in memory; only the patients asked for by a plain slice are read."""
        arm, *more = key if isinstance(key, tuple) else (key,)
        if isinstance(arm, int | np.integer | slice) and more and isinstance(more[0], slice):
            start, stop, step = more[0].indices(self.shape[AXIS])
            if step == 1:
                return np.asarray(self.fetch(start, max(start, stop))[(arm, slice(None), *more[1:])])
        return np.asarray(np.asarray(self)[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole of it in memory."""
        return np.asarray(self.fetch(0, self.shape[AXIS]), dtype=dtype)


def spans(array: NDArray[Any] | RowArray) -> Iterator[slice]:
    """Patients of an array (arm, patient, ...) in runs that together take at most `SPAN_BYTES`; at least one run."""
    patients = array.shape[AXIS]
    each = max(1, array.dtype.itemsize * int(np.prod(array.shape[:AXIS] + array.shape[AXIS + 1 :], dtype=object)))
    step = max(1, SPAN_BYTES // each)
    for start in range(0, max(patients, 1), step):
        yield slice(start, min(start + step, patients))
