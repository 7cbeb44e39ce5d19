"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import resource
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tumorsim.kernels._jit import cpu_name

PACKAGES = ("tumorsim", "numpy", "scipy", "numba", "llvmlite", "mesa", "libroadrunner", "numbalsoda")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
KIB = 1024


def machine() -> dict[str, Any]:
    """CPU, cores at hand, caches, load, date and versions."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "caches_kib": {f"L{level}": size // KIB for level, size in caches().items()},
        "load": round(os.getloadavg()[0], 2),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: number for name in PACKAGES if (number := version_of(name))},
    }


def version_of(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def caches() -> dict[int, int]:
    """Bytes of the data caches by level; those of an ordinary core where the system does not tell."""
    found = {1: 32 * KIB, 2: KIB * KIB, 3: 16 * KIB * KIB}
    for folder in sorted(CACHES.glob("index*")):
        if (folder / "type").read_text().strip() != "Instruction":
            size = (folder / "size").read_text().strip()
            found[int((folder / "level").read_text())] = int(size.rstrip("K")) * KIB
    return found


def peak_memory() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
