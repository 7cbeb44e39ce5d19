"""What the figures were measured on."""

from __future__ import annotations

import os
import resource
from importlib.metadata import version
from typing import Any

from tumorsim.kernels._jit import cpu_name


def machine() -> dict[str, Any]:
    """CPU, cores at hand, load and versions."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ("tumorsim", "numpy", "scipy", "numba", "llvmlite")},
    }


def peak_memory() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
