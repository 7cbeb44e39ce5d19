"""The one JIT policy. Nobody else imports ``numba.njit``.

Numba's on-disk cache misses edits to a callee in another file, and a truncated
cache file raises on load. The cache directory is therefore keyed by a hash of
the package's kernel sources, the numba version and the CPU, and is set before
numba is imported.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

KERNEL_FOLDER = Path(__file__).parent


def cpu_name() -> str:
    """Name of the CPU as the operating system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cache_key() -> str:
    """Hash of everything that decides the compiled code."""
    digest = hashlib.sha256()
    for source in sorted((KERNEL_FOLDER.parent).glob("kernels/*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    for source in sorted((KERNEL_FOLDER.parent).glob("models/*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    digest.update(version("numba").encode())
    digest.update(version("llvmlite").encode())
    digest.update(version("numpy").encode())
    digest.update(cpu_name().encode())
    digest.update(sys.version.encode())
    return digest.hexdigest()[:16]


def cache_directory() -> Path:
    """Folder of compiled kernels for this source, numba and CPU (mode 0700)."""
    named = os.environ.get("TUMORSIM_CACHE_DIR")
    root = Path(named) if named else user_cache_path("tumorsim")
    folder = root / "kernels" / cache_key()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


import numba  # noqa: E402

# Set on the module rather than by environment, so that it also holds where numba came first.
if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(cache_directory())

prange = numba.prange


def kernel(function: Callable[..., Any] | None = None, *, parallel: bool = False) -> Any:
    """Compile a kernel: IEEE arithmetic, no bounds checks, cached on disk.

    Parameters
    ----------
    function
        The Python function to compile.
    parallel
        Run ``prange`` loops on the threads of ``set_threads``.

    Returns
    -------
    Dispatcher
        The compiled function; its ``py_func`` is the plain Python original.
    """
    decorate = numba.njit(cache=True, error_model="numpy", parallel=parallel, nogil=not parallel)
    return decorate if function is None else decorate(function)


def set_threads(threads: int) -> int:
    """Number of kernel threads from now on; returns the number in force."""
    count = max(1, min(int(threads), numba.config.NUMBA_NUM_THREADS))
    numba.set_num_threads(count)
    return count
