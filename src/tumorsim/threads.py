"""Courses of patients on several threads: who comes next, how far it is, and how it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import layout
from tumorsim.kernels.layout import Records
from tumorsim.models.patient import simulate_batch

PAUSE = 0.2  # s between two reports of progress
Progress = Callable[[int, int], None]
Ints = NDArray[np.int64]


def most_lesions_first(cohort: layout.Cohort, rows: Ints) -> Ints:
    """Rows in the order in which they are best let in: neighbours then have about as many lesions at a time.

    That is, by lesions on an average day until the end of follow-up, as far as arrivals tell. By lesions in all, which
    does not see when they come, lanes work out a sixth more slots.
    """
    n, end = cohort.traits.size, cohort.traits["end"]
    patient = np.repeat(np.arange(n), np.diff(cohort.lesion_offset))
    days = np.maximum(end[patient] - np.maximum(cohort.lesions["arrival"], 0.0), 0.0)
    present = np.bincount(patient, days, n) / np.maximum(end, 1.0)
    return rows[np.argsort(-present[rows], kind="stable")]


@dataclass(frozen=True)
class Courses:
    """Patients of one arm who are being simulated."""

    rows: Ints  # in the order in which they are let in
    taken: Ints  # (1,) how many were; threads count it up
    tasks: tuple[Future[None], ...]


class Threads:
    """Threads that simulate one arm after another; leave it by ``with``, so that none outlives an error.

    Patients share nothing, so no bit depends on the number of threads. Each thread has the lanes of one batch and lets
    in the next patient of the arm when a lane is empty, so that none waits for a share that happened to be long; a
    thread that finds nobody goes on with the next arm. An interruption lets nobody else in: it waits for those who are
    in the lanes, a fraction of a second.

    Parameters
    ----------
    count
        Threads, at least 1.
    progress
        Called with patients done and in all, now and then and at the end of each `finish`.
    """

    def __init__(self, count: int, progress: Progress | None = None) -> None:
        self._count, self._progress, self._done = max(1, count), progress, 0
        self._pool = ThreadPoolExecutor(self._count)
        self._running: list[Courses] = []

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        for courses in self._running:
            courses.taken[0] = courses.rows.size
        self._pool.shutdown(cancel_futures=True)

    def begin(self, cohort: layout.Cohort, policy: Records, outcomes: layout.Outcomes, rows: Ints) -> None:
        """Simulate these rows of a cohort."""
        rows, taken = most_lesions_first(cohort, rows), np.zeros(1, np.int64)
        tasks = (self._pool.submit(simulate_batch, cohort, policy, outcomes, rows, taken) for _ in range(self._count))
        self._running.append(Courses(rows, taken, tuple(tasks)))

    def finish(self, total: int) -> None:
        """Wait for all that have begun; ``total`` is what there is to do in all, for progress.

        Raises
        ------
        BaseException
            What a thread or ``progress`` raised.
        """
        tasks = [task for courses in self._running for task in courses.tasks]
        while wait(tasks, PAUSE).not_done:
            self._tell(sum(self._past(courses) for courses in self._running), total)
        for task in tasks:
            task.result()
        self._done += sum(courses.rows.size for courses in self._running)
        self._running.clear()
        self._tell(0, total)

    def _past(self, courses: Courses) -> int:
        """Patients of an arm who are through; those in the lanes are not."""
        if all(task.done() for task in courses.tasks):
            return courses.rows.size
        return max(0, min(courses.rows.size, int(courses.taken[0])) - self._count * layout.LANES)

    def _tell(self, more: int, total: int) -> None:
        if self._progress is not None:
            self._progress(self._done + more, total)
