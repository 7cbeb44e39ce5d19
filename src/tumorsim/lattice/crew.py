"""Threads that share out the planes of a lattice.

A phase is a compiled kernel without the interpreter's lock whose last two arguments are a range. The
crew cuts the range into one piece a thread and waits for all of them. Kernels are written so that
pieces share nothing that is written, so neither their number nor their order changes a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

ALONE = 20_000  # voxels below which handing work over takes longer than doing it


class Crew:
    """Threads for the phases of one engine; a context manager.

    Parameters
    ----------
    threads
        How many; results do not depend on it.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None

    def run(self, phase: Callable[..., None], count: int, *arguments: Any, voxels: int = ALONE) -> None:
        """Run one phase over ``range(count)`` and wait for it.

        Parameters
        ----------
        phase
            Kernel called as ``phase(*arguments, first, last)``.
        count
            Length of the range, usually planes.
        arguments
            The same for every piece.
        voxels
            Size of the work; small work is done by one thread.
        """
        pieces = 1 if self._pool is None or voxels < ALONE else min(self.threads, count)
        bounds = [count * piece // pieces for piece in range(pieces + 1)]
        waiting = []
        if self._pool is not None:
            waiting = [self._pool.submit(phase, *arguments, bounds[i], bounds[i + 1]) for i in range(1, pieces)]
        try:
            phase(*arguments, bounds[0], bounds[1])
        finally:  # no piece may still be writing when the caller goes on
            for task in waiting:
                task.exception()
        for task in waiting:
            task.result()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


ONE = Crew()  # whoever calls a phase does it alone
