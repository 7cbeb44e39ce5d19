"""Kernels compiled by two processes from either end of their list; each finds in the cache what the other has made."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import IO

from tumorsim.kernels._ahead import calls_of
from tumorsim.kernels._jit import KERNELS, cache_directory

Work = Callable[[], object]
# The path comes first: whoever imports tumorsim may have found it in a place that only this process knows.
START = (
    "import pickle, sys; sys.path[:], work = pickle.load(sys.stdin.buffer); "
    "from tumorsim.compiling import help_out; help_out(work)"
)
_one = threading.Lock()  # held while there is a second process


def is_cold(name: str) -> bool:
    """Whether the kernels of ``name`` were never all compiled, by this version for this processor."""
    return bool(KERNELS) and not (cache_directory() / f"{name}.compiled").exists()


def said(which: str, threads: int) -> str:
    """One line before the wait."""
    how = "in two processes: a quarter of a minute or more" if threads > 1 else "half a minute or more"
    return f"compiling the kernels{which}, once for this version, {how}"


@contextmanager
def helped(name: str, work: Work, threads: int) -> Iterator[None]:
    """While ``work`` runs inside, and compiles on its way, another process compiles from the end of the same way.

    That process walks through ``work`` in plain Python to see which kernels it calls. Nobody waits for it: where it is
    slow, fails or cannot be started, all is compiled here. It ends with this one, also when this one is killed.

    Parameters
    ----------
    name
        Of all the kernels that ``work`` calls. No process is started when they are in the cache.
    work
        Can be sent to another process.
    threads
        With one, no process is started.
    """
    if not is_cold(name):
        yield
        return
    with _second(work) if threads > 1 else nullcontext():
        yield
    (cache_directory() / f"{name}.compiled").touch()


@contextmanager
def _second(work: Work) -> Iterator[None]:
    """The second process, if there is none yet and one can be had."""
    if not _one.acquire(blocking=False):
        yield
        return
    helper = None
    try:
        helper = _started(work)
        yield
    finally:
        if helper is not None:
            helper.kill()
            helper.communicate()
        _one.release()


def _started(work: Work) -> subprocess.Popen[bytes] | None:
    """The other process, if it can be had."""
    with suppress(Exception):  # whatever pickling, or a system without processes, raises: this process goes on alone
        sent = pickle.dumps((sys.path, pickle.dumps(work)))
        helper = subprocess.Popen(
            [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
        with suppress(OSError):
            _pipe(helper).write(sent)
            _pipe(helper).flush()
        return helper
    return None


def _pipe(helper: subprocess.Popen[bytes]) -> IO[bytes]:
    assert helper.stdin is not None
    return helper.stdin


def help_out(work: bytes) -> None:
    """Compile the kernels of some pickled work, the last ones first: what the other process runs."""
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    for kernel, types in calls_of(pickle.loads(work)):
        with suppress(Exception):  # what are arrays in Python are eights to the compiler, and not all fits both
            kernel.compile(types)


def _end_with_the_first() -> None:
    """The pipe stays open as long as the first process lives."""
    sys.stdin.buffer.read()
    os._exit(0)
