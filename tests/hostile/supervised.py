"""A script that may crash or hang on a case: it is started again behind that case, and the case is counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

GOOD = frozenset({"refused", "harmless", "unchanged", "loaded"})
MEMORY = 4 << 30
"""Bytes of address space that a script may take: more is an error, and not the end of the machine."""


def supervised(script: Path, arguments: Sequence[object], count: int) -> tuple[Counter[str], list[str]]:
    """Outcomes of ``count`` cases, and the lines of the bad ones.

    The script gets ``arguments``, the first case and the one behind the last, and prints a line a case: its number,
    what was done (one word), the outcome.
    """
    outcomes: Counter[str] = Counter()
    bad: list[str] = []
    done = 0
    while done < count:
        command = [sys.executable, str(script), *map(str, (*arguments, done, count))]
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
        lines = process.stdout.splitlines()
        for line in lines:
            result = line.split(" ", 2)[2]
            outcomes[result.split(" ")[0]] += 1
            if result not in GOOD:
                bad.append(line)
        done += len(lines)
        if process.returncode:
            if process.returncode > 0:
                raise RuntimeError(f"{script.name} ends at case {done}:\n{process.stderr[-3000:]}")
            result = "hang" if process.returncode == -getattr(signal, "SIGALRM", 0) else "crash"
            outcomes[result] += 1
            bad.append(f"{done} {result} {process.returncode}")
            done += 1
    return outcomes, bad


def limited() -> None:
    """In the script: take no more memory than `MEMORY`."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def ring(seconds: int) -> None:
    """In the script: end this process if the case takes longer, even within a loop of a library."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def say(number: int, what: str, outcome: str) -> None:
    """In the script: the line of a case, out at once."""
    sys.stdout.write(f"{number} {what.replace(' ', ':')} {outcome}\n")
    sys.stdout.flush()


def leave() -> None:
    """In the script: end without taking libraries down that a mutant may have hurt."""
    os._exit(0)
