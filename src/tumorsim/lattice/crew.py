"""Threads that share out the planes of a lattice.

A phase is a compiled kernel without the interpreter's lock whose last two arguments are a range. The
crew cuts the range into one piece a thread and waits for all of them. Kernels are written so that
pieces share nothing that is written, so neither their number nor their order changes a bit.

A step hands over some twenty phases, some of them a millisecond long: a pool of futures took twice as long
to hand one over.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Self

ALONE = 20_000  # voxels below which handing work over takes longer than doing it
Answers = SimpleQueue[BaseException | None]
Piece = tuple[Callable[..., None], tuple[Any, ...], Answers]
Tasks = SimpleQueue[Piece | None]


def work(tasks: Tasks) -> None:
    """What a thread of a crew does until it is given None."""
    while True:
        piece = tasks.get()
        if piece is None:
            return
        phase, arguments, answers = piece
        try:
            phase(*arguments)
        except BaseException as error:  # whatever it is, whoever waits is told
            answers.put(error)
        else:
            answers.put(None)
        del piece, phase, arguments, answers  # or their arrays would live until the next


def dismiss(inboxes: list[Tasks]) -> None:
    """End the threads that read these."""
    for tasks in inboxes:
        tasks.put(None)


class Crew:
    """Threads for the phases of one engine; a context manager.

    Parameters
    ----------
    threads
        How many; results do not depend on it.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = max(1, threads)
        self._inboxes: list[Tasks] = [SimpleQueue() for _ in range(self.threads - 1)]
        self._end = weakref.finalize(self, dismiss, self._inboxes)
        for tasks in self._inboxes:
            Thread(target=work, args=(tasks,), daemon=True).start()

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
        pieces = 1 if voxels < ALONE or not self._end.alive else max(1, min(self.threads, count))
        bounds = [count * piece // pieces for piece in range(pieces + 1)]
        answers: Answers = SimpleQueue()
        for piece in range(1, pieces):
            task = phase, (*arguments, bounds[piece], bounds[piece + 1]), answers
            self._inboxes[piece - 1].put(task)
        try:
            phase(*arguments, bounds[0], bounds[1])
        finally:  # no piece may still be writing when the caller goes on
            errors = [answers.get() for _ in range(1, pieces)]
        for error in errors:
            if error is not None:
                raise error

    def close(self) -> None:
        """End the threads; whoever is left does it alone."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


ONE = Crew()  # whoever calls a phase does it alone
