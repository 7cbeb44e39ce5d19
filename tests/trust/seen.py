"""A pytest plug-in: which functions of the kernels each test calls, and how long it takes.

    NUMBA_DISABLE_JIT=1 TRUST_SEEN=seen.json TRUST_SECONDS=5 python -m pytest -p seen tests/kernels

A test that takes longer than it may is ended, and is not in the file; neither is one that fails. Without ``TRUST_SEEN``
nothing is recorded, and tests are only ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

OUT = os.environ.get("TRUST_SEEN")
SECONDS = float(os.environ.get("TRUST_SECONDS", "10"))
KERNELS = f"{os.sep}tumorsim{os.sep}kernels{os.sep}"

_found: dict[str, dict[str, Any]] = {}
_called: set[tuple[str, str]] = set()


class TooLong(BaseException):
    """The test may not take so long; no ``except Exception`` of a test holds it up."""


def _trace(frame: FrameType, event: str, _: object) -> None:
    """Note the function; None, so that its lines are not traced."""
    file = frame.f_code.co_filename
    if event == "call" and KERNELS in file:
        _called.add((Path(file).name, frame.f_code.co_name))


def _ring(*_: object) -> None:
    raise TooLong(f"longer than {SECONDS:g} s of the processor")


@contextmanager
def _watched() -> Iterator[None]:
    """Some of a test that ends in time."""
    if OUT:
        sys.settrace(_trace)  # type: ignore[arg-type]
    try:
        yield
    except TooLong as error:
        pytest.fail(str(error), pytrace=False)
    finally:
        sys.settrace(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Watch one test, its fixtures too."""
    _called.clear()
    before = signal.signal(signal.SIGPROF, _ring)
    begun = time.process_time()
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
        kept = _found.setdefault(item.nodeid, {"passed": False})
        kept |= {"seconds": time.process_time() - begun, "calls": sorted(map(":".join, _called))}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Any:
    """Start the clock."""
    with _watched():
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Any:
    """Stop it."""
    with _watched():
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Only tests that pass can kill."""
    if report.when == "call":
        _found.setdefault(report.nodeid, {})["passed"] = report.passed
    if OUT and report.when == "teardown":
        Path(OUT).write_text(json.dumps(_found, indent=1) + "\n", encoding="utf-8")
