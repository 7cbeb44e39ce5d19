"""Is this installation sound? Versions, threads, the kernel cache, and a short self-test.

The self-test checks what everything else rests on: the random numbers are those of
`numpy.random.Philox`, a small trial of the starter scenario gives the same bits on one
and on several threads, and a result file comes back from the disk with the same bits.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tumorsim.scenario import Scenario
    from tumorsim.variables import TrialData

PACKAGES = (
    "tumorsim",
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "h5py",
    "matplotlib",
    "pydantic",
    "statsmodels",
    "pandas",
)
PATIENTS = 12


@dataclass(frozen=True)
class Check:
    """One part of the self-test.

    Attributes
    ----------
    name
        What was tested.
    passed
        Whether it held.
    detail
        What was found, or what to do.
    seconds
        How long it took.
    """

    name: str
    passed: bool
    detail: str
    seconds: float


@dataclass(frozen=True)
class Diagnosis:
    """What `examine` found."""

    system: dict[str, str]
    versions: dict[str, str]
    threads: int
    cache: dict[str, Any]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return asdict(self) | {"healthy": self.healthy}

    def __str__(self) -> str:
        cache = self.cache
        state = f"{cache['files']} files, {cache['bytes'] / 1e6:.1f} MB" if cache["writable"] else "NOT WRITABLE"
        lines = [
            *(f"{name:<12} {value}" for name, value in self.system.items()),
            f"{'threads':<12} {self.threads}",
            f"{'cache':<12} {cache['folder']} ({state})",
            *(f"{name:<12} {found}" for name, found in self.versions.items()),
        ]
        for check in self.checks:
            lines.append(
                f"{'ok' if check.passed else 'FAILED':<12} {check.name}: {check.detail} ({check.seconds:.1f} s)"
            )
        lines.append("everything works" if self.healthy else "something does not work: see FAILED above")
        return "\n".join(lines)


def examine(notify: Callable[[str], None] | None = None) -> Diagnosis:
    """Look at the installation and run the self-test.

    Parameters
    ----------
    notify
        Called with a line of text when the kernels must be compiled first.
    """
    from tumorsim.api import default_threads
    from tumorsim.kernels._jit import cpu_name

    system = {"python": platform.python_version(), "system": platform.platform(), "cpu": cpu_name()}
    trials: list[TrialData] = []
    checks = (
        _timed("random numbers", _check_random),
        _timed("threads", lambda: _check_threads(trials, notify)),
        _timed("result file", lambda: _check_file(trials)),
    )
    return Diagnosis(system, _versions(), default_threads(), _cache(), checks)


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _cache() -> dict[str, Any]:
    """Where compiled kernels are kept, and how much is there."""
    from tumorsim.kernels._jit import cache_directory

    folder = cache_directory()
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "folder": str(folder),
        "writable": os.access(folder, os.W_OK),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
    }


def _timed(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    started = time.perf_counter()
    try:
        passed, detail = check()
    except Exception as error:
        # whatever goes wrong in here is the diagnosis
        passed, detail = False, f"{type(error).__name__}: {error}"
    return Check(name, passed, detail, time.perf_counter() - started)


def _check_random() -> tuple[bool, str]:
    import numpy as np

    from tumorsim.kernels.random import philox

    keys = ((0, 0, 0, 0, 0), (1, 7, 41, 3, 2), (2**63 - 1, 21, 10**6, 12, 9))
    for seed, stream, patient, occasion, item in keys:
        ours = philox(*(np.uint64(part) for part in (seed, stream, patient, occasion, item)))
        theirs = np.random.Philox(key=[seed, stream], counter=[patient, occasion, item, 0]).random_raw(4)
        if [int(word) for word in ours] != theirs.tolist():
            return False, f"not those of numpy.random.Philox for key {seed}, {stream}; clear the cache and try again"
    return True, f"equal to numpy.random.Philox for {len(keys)} keys"


def _check_threads(trials: list[TrialData], notify: Callable[[str], None] | None) -> tuple[bool, str]:
    from tumorsim import api, store

    scenario = _starter()
    counts = (1, max(2, api.default_threads()))
    trials += [api.simulate(scenario, threads=count, notify=notify) for count in counts]
    equal = len({store.digest(trial) for trial in trials}) == 1
    what = f"{PATIENTS} patients in {len(scenario.arms)} arms on {counts[0]} and {counts[1]} threads"
    return equal, f"{what}, {'equal bit for bit' if equal else 'the data differ'}"


def _check_file(trials: list[TrialData]) -> tuple[bool, str]:
    from tumorsim import store
    from tumorsim.verify import verify

    if not trials:
        return False, "no trial to write, see above"
    with tempfile.TemporaryDirectory(prefix="tumorsim-doctor-") as folder:
        path = Path(folder) / "self-test.h5"
        store.write(path, trials[0], {"seed": 1, "arms": [], "comparisons": [], "targets": []}, "{}", "", {"seed": 1})
        found = verify(path)
        different = store.compare(trials[0], store.read(path).data)
    if not found.ok:
        return False, f"verify found {found.problems[0]}"
    return not different, "written, verified and read back " + ("with the same bits" if not different else "changed")


def _starter() -> Scenario:
    """The starter scenario with few patients."""
    from tumorsim import starter
    from tumorsim.scenario import load

    with tempfile.TemporaryDirectory(prefix="tumorsim-doctor-") as folder:
        path = Path(folder) / "self_test.yaml"
        path.write_text(starter.text("self_test"), encoding="utf-8")
        return load(path, patients=PATIENTS)
