"""Where work runs: threads of this process, local processes, or a Dask cluster, behind one interface.

A task is a picklable function and one argument. A task that raises is a recorded
failure, not an end of the run. When a worker process dies, the tasks it may have taken
with it are run again one at a time, so that a task that kills its worker is found out
and the others do not suffer for it. Results do not depend on where work ran, provided
the function depends on its argument alone.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures import Executor as Pool
from concurrent.futures.process import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

DEATHS_AT_MOST = 4  # see `Executor.patience`
POLL_SECONDS = 1.0
DIED = "the worker process died"  # how the failure of a task begins that took its worker with it
ASK_SECONDS = 5.0  # between looks at the workers of a cluster
LOST_SECONDS = 120.0  # a cluster without any worker for this long is given up
_NO_WORKER = "the Dask cluster has no worker. Start some (`dask worker ADDRESS --nthreads 1`) and run again."

_LOST = "the Dask scheduler was lost. Start it and run again."
_NOT_OURS = "a worker cannot read its task ({}): install the same version of tumorsim on every machine of the cluster."


class ExecutorError(RuntimeError):
    """Work cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of one task.

    Attributes
    ----------
    index
        Number of the task in the order given.
    value
        What the function returned; None when it failed.
    failure
        Error in words; None when the task succeeded.
    """

    index: int
    value: R | None
    failure: str | None = None


@dataclass
class _Job:
    index: int
    argument: Any
    future: Future[tuple[Any, str | None]]


class Executor:
    """Runs tasks on a pool of workers. Made by `open_executor`; a context manager.

    Attributes
    ----------
    workers
        Tasks that run at a time.
    patience
        Times that workers may die in a row, without one task finishing in between.
    """

    patience = DEATHS_AT_MOST

    def __init__(self, workers: int) -> None:
        self.workers = max(1, workers)
        self._pool: Pool | None = None
        self._deaths = 0

    def run(
        self, function: Callable[[T], R], tasks: Iterable[T], meanwhile: Callable[[], None] | None = None
    ) -> Iterator[Outcome[R]]:
        """Outcomes as tasks finish, in any order; tasks are taken from the iterable as workers become free.

        Parameters
        ----------
        function
            Called with each task; picklable unless work runs in threads.
        tasks
            Arguments; may be endless, since closing the iterator ends the work.
        meanwhile
            Called here about every second while tasks run.

        Raises
        ------
        ExecutorError
            Workers die again and again, or the cluster is lost.
        """
        source = enumerate(tasks)
        jobs: dict[Future[tuple[Any, str | None]], _Job] = {}
        try:
            while True:
                while len(jobs) < 2 * self.workers:
                    pulled = next(source, None)
                    if pulled is None:
                        break
                    job = self._start(function, *pulled)
                    jobs[job.future] = job
                if not jobs:
                    return
                broken = []
                finished = self._finished(set(jobs))
                if meanwhile is not None:
                    meanwhile()
                for future in finished:
                    job = jobs.pop(future)
                    outcome = _outcome(job)
                    if outcome is None:
                        broken.append(job)
                    else:
                        self._deaths = 0
                        yield outcome
                if broken:
                    yield from self._one_by_one(function, [*broken, *jobs.values()])
                    jobs.clear()
        finally:
            for future in jobs:
                future.cancel()

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[R]]:
        """Outcomes in the order of the tasks; see `run`."""
        return in_order(self.run(function, tasks))

    def _start(self, function: Callable[[T], R], index: int, argument: T) -> _Job:
        """Hand one task to the pool; a pool found broken gives a broken job."""
        try:
            if self._pool is None:
                self._pool = self._open()
            future = self._pool.submit(_attempt, function, argument)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        return _Job(index, argument, future)

    def _one_by_one(self, function: Callable[[T], R], suspects: list[_Job]) -> Iterator[Outcome[R]]:
        """Run again, singly, the tasks that were under way when a worker died."""
        self._bury()
        for suspect in sorted(suspects, key=lambda job: job.index):
            outcome: Outcome[R] | None = None
            if suspect.future.done() and not suspect.future.cancelled():
                outcome = _outcome(suspect)
            if outcome is None:
                job = self._start(function, suspect.index, suspect.argument)
                while not job.future.done():
                    self._finished({job.future})
                outcome = _outcome(job)
            if outcome is None:
                self._bury()
                outcome = Outcome(suspect.index, None, f"{DIED} on this task, twice")
            else:
                self._deaths = 0
            yield outcome

    def _bury(self) -> None:
        """Put away a broken pool; the next task opens another, a few times at most."""
        self._deaths += 1
        self._close(self._pool)
        self._pool = None
        if self._deaths > self.patience:
            raise ExecutorError(
                f"worker processes died {self._deaths} times in a row. Look for a shortage of memory (fewer workers "
                "need less), or run in this process to see the error itself."
            )

    def _finished(self, futures: set[Future[Any]]) -> set[Future[Any]]:
        """Futures that are done, waiting for the first; empty when nothing happened for a while."""
        return wait(futures, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done

    def _open(self) -> Pool:
        """Open the pool; threads of this process."""
        return ThreadPoolExecutor(self.workers)

    def _close(self, pool: Pool | None) -> None:
        """Close a pool without waiting for what still runs."""
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, at once."""
        self._close(self._pool)
        self._pool = None


class ProcessExecutor(Executor):
    """Local processes, started afresh (spawn): compiled kernels and threads do not survive a fork."""

    def _open(self) -> Pool:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=_prepare_worker)

    def _start(self, function: Callable[[T], R], index: int, argument: T) -> _Job:
        with _without_main(function):
            return super()._start(function, index, argument)

    def _close(self, pool: Pool | None) -> None:
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:  # else a closed pool would first finish what it runs
            process.terminate()
        for process in processes:
            process.join(5.0)


class DaskExecutor(Executor):
    """A cluster of dask.distributed, by address, or a local one of the given number of worker processes."""

    def __init__(self, address: str | None, workers: int = 1) -> None:
        client_class, cluster_class, configuration = _dask()
        self._cluster: Any = None
        self._stack = ExitStack()
        self._names: list[str] = []  # of what workers keep for us
        for name in ("distributed.client", "distributed.utils"):  # a lost scheduler is told once, in our words
            logging.getLogger(name).setLevel(logging.CRITICAL)
        loopback = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
        try:
            if address is None:
                self._stack.enter_context(_without_main(None))  # until the end: a worker that dies is replaced
                # `run` itself tries again, one task at a time
                with _deaf_children(), configuration.set({"distributed.scheduler.allowed-failures": 0}):
                    self._cluster = cluster_class(n_workers=workers, threads_per_worker=1, processes=True, **loopback)
            self._client: Any = client_class(self._cluster if address is None else address, timeout="20s")
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            self._stack.close()
            if address is None:
                raise ExecutorError(f"{workers} worker processes could not be started: {error}") from error
            raise ExecutorError(
                f"no Dask scheduler answers at {address}. Start one with `dask scheduler` and `dask worker ADDRESS "
                "--nthreads 1`, or give --cluster local:N."
            ) from error
        try:
            self._client.wait_for_workers(workers if address is None else 1, timeout=LOST_SECONDS)
        except TimeoutError as error:
            self._shut()
            raise ExecutorError(_NO_WORKER) from error
        super().__init__(self._threads())
        self._asked = self._seen = time.monotonic()
        self._function: Callable[[Any], Any] | None = None  # the last that was given to run
        self._sent: Callable[[Any], Any] | None = None  # what stands for it in a task

    def _open(self) -> Pool:
        pool: Pool = self._client.get_executor(pure=False)
        return pool

    def _start(self, function: Callable[[T], R], index: int, argument: T) -> _Job:
        if function is not self._function:
            self._function, self._sent = function, self._send(function)
        assert self._sent is not None
        return super()._start(self._sent, index, argument)

    def _send(self, function: Callable[[T], R]) -> Callable[[T], R]:
        """Give a large function to the workers once; what a task calls instead of it."""
        from tumorsim.cluster import SMALL, Keeper, Kept

        try:
            content = pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError):  # Dask has means of its own
            return function
        if len(content) < SMALL:
            return function
        keeper = Keeper(content)
        try:
            self._client.register_plugin(keeper, name=keeper.token)
        except OSError as error:
            raise ExecutorError(_LOST) from error
        except Exception as error:  # Dask may give the worker's error back as words alone
            raise ExecutorError(_NOT_OURS.format(error)) from error
        self._names.append(keeper.token)
        return Kept(keeper.token)

    def _finished(self, futures: set[Future[Any]]) -> set[Future[Any]]:
        done, now = super()._finished(futures), time.monotonic()
        if done:
            self._seen = now
        if now - self._asked > ASK_SECONDS and self._client.status == "running":  # workers come and go
            self._asked, threads = now, self._threads()
            if threads > 0:
                self._seen, self.workers = now, threads
        if now - self._seen > LOST_SECONDS:
            raise ExecutorError(_NO_WORKER)
        return done

    def _threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _close(self, pool: Pool | None) -> None:
        if pool is not None:
            pool.shutdown(wait=False)

    def close(self) -> None:
        """End the client, and the cluster if it is ours."""
        super().close()
        self._shut()

    def _shut(self) -> None:
        for name in self._names:
            with suppress(Exception):  # the scheduler may be gone
                self._client.unregister_worker_plugin(name)
        self._names = []
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
        self._stack.close()


def open_executor(where: str = "threads", workers: int = 1) -> Executor:
    """Open the place where work runs.

    Parameters
    ----------
    where
        ``threads`` of this process, ``processes`` on this machine, ``local:N`` for a Dask
        cluster of N processes on this machine, or the address of a Dask scheduler
        (``tcp://host:8786``).
    workers
        Threads or processes; a cluster has its own number.

    Raises
    ------
    ExecutorError
        The place is not known or cannot be reached, or Dask is not installed.
    """
    if where == "threads":
        return Executor(workers)
    if where == "processes":
        return ProcessExecutor(workers)
    kind, _, count = where.partition(":")
    if kind == "local" and count.isdecimal() and int(count) > 0:
        return DaskExecutor(None, int(count))
    if "://" in where:
        return DaskExecutor(where)
    raise ExecutorError(f'"{where}" is no place to run. Write threads, processes, local:4 or tcp://HOST:8786.')


def in_order(outcomes: Iterable[Outcome[R]]) -> Iterator[Outcome[R]]:
    """Outcomes in the order of their tasks, each held back until those before it are there."""
    early: dict[int, Outcome[R]] = {}
    due = 0
    for outcome in outcomes:
        early[outcome.index] = outcome
        while due in early:
            yield early.pop(due)
            due += 1


def _attempt(function: Callable[[T], R], argument: T) -> tuple[R | None, str | None]:
    """Run a task where it runs; an error comes back as words, which always pickle."""
    try:
        return function(argument), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _outcome(job: _Job) -> Outcome[Any] | None:
    """Outcome of a finished job; None when its worker died and it should be tried again."""
    try:
        value, failure = job.future.result()
    except BrokenExecutor:
        return None
    except CancelledError as error:
        raise ExecutorError(_LOST) from error
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # Dask's word for it
            return None
        if isinstance(error, ImportError):  # raised before the task began
            raise ExecutorError(_NOT_OURS.format(error)) from error
        return Outcome(job.index, None, f"{type(error).__name__}: {error}")
    return Outcome(job.index, value, failure)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started meanwhile leave Ctrl-C to this one, since they inherit that it is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _without_main(function: Callable[..., Any] | None) -> Iterator[None]:
    """Processes started meanwhile do not run the caller's script again, which need not be written for that.

    A worker imports what it is asked to run; the script is needed only if the function stands in it.
    """
    main = sys.modules["__main__"]
    if getattr(getattr(function, "func", function), "__module__", None) != "__main__":
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _dask() -> tuple[Any, Any, Any]:
    """Client, local cluster and configuration of Dask."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ExecutorError('running on a cluster needs Dask: pip install "tumorsim[cluster]"') from error
    return Client, LocalCluster, dask.config
