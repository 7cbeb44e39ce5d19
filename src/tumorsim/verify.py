"""Check a result file whole, without letting it harm the process that asks."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tumorsim.memory import machine_memory
from tumorsim.store.errors import Problem

_STRANGER = "Do not open this file with any program; take the original, or run the scenario again"
MINIMUM_MEMORY = 2 << 30


@dataclass(frozen=True)
class VerifyReport:
    """What an inspection found.

    Attributes
    ----------
    path
        The file.
    problems
        Everything wrong; empty when the file is whole.
    digest
        SHA-256 of the data, recomputed from the arrays; None if they cannot be read.
    layout_version
        Of the file; None if it cannot be read.
    datasets
        Datasets inspected.
    """

    path: Path
    problems: tuple[Problem, ...]
    digest: str | None = None
    layout_version: int | None = None
    datasets: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        if self.ok:
            what = f"layout {self.layout_version}, {self.datasets} datasets, data SHA-256 {self.digest}"
            return f"{self.path}: whole; {what}"
        lines = [f"{self.path}: {len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"]
        return "\n  ".join([*lines, *map(str, self.problems)])


def verify(path: Path | str, seconds: float | None = None, memory: int | None = None) -> VerifyReport:
    """Inspect a result file in a process with limited time and memory.

    Looked at: the seal (every byte), layout, links, storage and claimed sizes, the
    checksum of every dataset, the hash of the data, scenario and summary, axes,
    and the targets table against the summary.

    Parameters
    ----------
    path
        The file.
    seconds
        Time allowed; by default 60 s and another second for every 500 kB: a large file that shrank well takes long
        to look through on a busy machine, and is not to be taken for one that hangs.
    memory
        Bytes of address space allowed; by default half of the machine's memory, at
        least 2 GiB.

    Returns
    -------
    VerifyReport
        Also for a missing file, and for one that crashes or hangs the inspection.
    """
    path = Path(path)
    size = path.stat().st_size if path.is_file() else 0
    seconds = 60.0 + size / 5e5 if seconds is None else seconds
    if memory is None:
        known = machine_memory()
        memory = max(MINIMUM_MEMORY, int(known / 2.0)) if math.isfinite(known) else MINIMUM_MEMORY
    command = [sys.executable, "-P", "-m", "tumorsim.store.inspection", str(path.absolute())]
    command += [str(memory), str(int(seconds) + 1)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, env=_environment(), check=False)
    except subprocess.TimeoutExpired:
        return VerifyReport(path, (Problem("file", f"the inspection hung for {seconds:g} s", _STRANGER),))
    try:
        found = json.loads(done.stdout)
        problems = tuple(Problem(*map(str, problem)) for problem in found["problems"])
        return VerifyReport(path, problems, found["digest"], found["layout_version"], found["datasets"])
    except (ValueError, KeyError, TypeError):
        return VerifyReport(path, (Problem("file", _death(done.returncode), _STRANGER),))


def _death(code: int) -> str:
    """How the inspecting process ended."""
    if code >= 0:
        return f"the inspection broke off with code {code}"
    try:
        return f"it crashes the HDF5 library ({signal.Signals(-code).name})"
    except ValueError:
        return f"it crashes the HDF5 library (signal {-code})"


def _environment() -> dict[str, str]:
    """Find this package first on the path, load no HDF5 plug-ins, start no pool of threads that eats address space."""
    here = str(Path(__file__).resolve().parent.parent)
    known = os.environ.get("PYTHONPATH")
    return os.environ | {
        "PYTHONPATH": f"{here}{os.pathsep}{known}" if known else here,
        "HDF5_PLUGIN_PRELOAD": "::",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
