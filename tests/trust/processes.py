"""Processes that the harness starts, hurts and ends. Each leads a group of its own; nothing else is ever touched."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

GONE_SECONDS = 15.0
PR_SET_PDEATHSIG = 1
_alive: set[Started] = set()
_stopped = threading.Event()


class Interrupted(Exception):
    """The harness was told to end."""


def end_all() -> None:
    """End every command under way, and let none begin: for whoever interrupts the harness."""
    _stopped.set()
    for one in list(_alive):
        one.end()


class Started:
    """A command in a process group of its own.

    Parameters
    ----------
    command
        What to run.
    said
        File that takes what it prints.
    """

    def __init__(self, command: Sequence[str], said: Path) -> None:
        self.said_path = said
        with said.open("wb") as stream:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
                preexec_fn=_as_from_a_shell,
            )  # fmt: skip
        self.pid = self.process.pid

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        try:
            self.process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def said(self) -> str:
        """What it printed so far."""
        return self.said_path.read_text(errors="replace")

    def children(self) -> list[int]:
        """Worker processes that it started itself, by the list of processes."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if fields[0] != "Z" and int(fields[1]) == self.pid:
                    command = (entry / "cmdline").read_bytes()
                    if b"spawn_main" in command and b"resource_tracker" not in command:
                        found.append(int(entry.name))
        return sorted(found)

    def outlived(self, seconds: float = GONE_SECONDS) -> bool:
        """Whether something of its group is still alive so long after its end."""
        deadline = time.monotonic() + seconds
        while _group_lives(self.pid):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.02)
        return False

    def end(self) -> None:
        """End its whole group, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def started(command: Sequence[str], said: Path) -> Iterator[Started]:
    """A command that is over, with all its children, when the block is."""
    if _stopped.is_set():
        raise Interrupted
    one = Started(command, said)
    _alive.add(one)
    try:
        yield one
    finally:
        one.end()
        _alive.discard(one)


def _as_from_a_shell() -> None:
    os.nice(5)
    if sys.platform == "linux":  # killed itself, the harness leaves nothing behind
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs this may ignore it, and children inherit


def _group_lives(group: int) -> bool:
    """Whether a process of a group is more than a zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == group and fields[0] not in "ZX":
                    return True
    return False
