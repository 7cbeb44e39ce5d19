"""What a result was made with, and what may have changed since.

Recorded is what can change a bit of the numbers (versions, CPU, compiler
settings, source) and what a reader needs to make them again (seed, inputs'
hashes). Not recorded are the machine's name, the user's, and folders.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "h5py")
# Settings of Numba that change compiled arithmetic.
NUMBA_SETTINGS = (
    "NUMBA_DISABLE_JIT",
    "NUMBA_OPT",
    "NUMBA_LOOP_VECTORIZE",
    "NUMBA_SLP_VECTORIZE",
    "NUMBA_ENABLE_AVX",
    "NUMBA_DISABLE_INTEL_SVML",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_BOUNDSCHECK",
)
# What can change a bit of the numbers; `differences` looks at these.
DECIDING = (
    *("tumorsim", "source_sha256", "python", "numpy", "numba", "llvmlite", "scipy"),
    *("cpu_class", "platform", "libc", "numba_settings"),
)


def collect(
    seed: int,
    threads: int,
    inputs: Mapping[str, Path | str | bytes] | None = None,
    wall_time: float | None = None,
) -> dict[str, Any]:
    """The provenance of a run that is being made now.

    Parameters
    ----------
    seed, threads
        Of the run.
    inputs
        By the name to record: a path (the file is hashed), or its content as text
        or bytes. A path's folders are not recorded.
    wall_time
        Seconds the run took; may be added to the result later.

    Returns
    -------
    dict
        Texts, numbers and one mapping (``inputs``: name to SHA-256), ready for
        `tumorsim.store.write`.

    Raises
    ------
    OSError
        An input that cannot be read.
    """
    found: dict[str, Any] = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "seed": int(seed)}
    found["threads"] = int(threads)
    if wall_time is not None:
        found["wall_time"] = float(wall_time)
    found |= machine()
    commit = _commit()
    if commit:
        found["git_commit"], found["git_changed"] = commit
    found["inputs"] = {Path(name).name: _sha256(content) for name, content in (inputs or {}).items()}
    return found


def machine() -> dict[str, Any]:
    """Versions, source and CPU: what decides the bits apart from the scenario."""
    from tumorsim.kernels._jit import cpu_name

    found: dict[str, Any] = {name: _version(name) for name in ("tumorsim", *LIBRARIES)}
    found["python"] = platform.python_version()
    found["source_sha256"] = source_digest()
    found["cpu"] = cpu_name()
    found["cpu_class"] = _cpu_class()
    found["cores"] = os.cpu_count() or 1
    found["platform"] = f"{platform.system()} {platform.machine()}"
    found["libc"] = " ".join(platform.libc_ver())
    found["numba_settings"] = " ".join(f"{n}={os.environ[n]}" for n in NUMBA_SETTINGS if n in os.environ)
    return found


def differences(recorded: Mapping[str, Any], current: Mapping[str, Any] | None = None) -> list[str]:
    """What differs now of all that can change a bit, one line each.

    Parameters
    ----------
    recorded
        Provenance of a result.
    current
        Provenance to compare with; this machine if not given.
    """
    now = machine() if current is None else current
    return [
        f"{name}: {recorded.get(name, 'not recorded')} then, {now.get(name, 'not recorded')} now"
        for name in DECIDING
        if recorded.get(name) != now.get(name)
    ]


@cache
def source_digest() -> str:
    """SHA-256 of the package's own files: code and library."""
    hashed = hashlib.sha256()
    files = [path for kind in ("*.py", "*.yaml") for path in PACKAGE.rglob(kind)]
    for path in sorted(files, key=lambda path: path.relative_to(PACKAGE).as_posix()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        hashed.update(f"{path.relative_to(PACKAGE).as_posix()}\n{len(content)}\n".encode())
        hashed.update(content)
    return hashed.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _cpu_class() -> str:
    """The processor family that LLVM compiles for, and a hash of the features it may use."""
    from llvmlite import binding  # type: ignore[import-untyped] # llvmlite has no types

    features = ",".join(sorted(name for name, has in binding.get_host_cpu_features().items() if has))
    return f"{binding.get_host_cpu_name()} {hashlib.sha256(features.encode()).hexdigest()[:8]}"


def _commit() -> tuple[str, bool] | None:
    """Commit of the checkout this package runs from, and whether files differ from it; None if it is installed."""
    root = PACKAGE.parent.parent
    if not (root / ".git").exists() or not (root / "pyproject.toml").is_file():
        return None
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", "src/tumorsim")
    return None if head is None else (head, bool(changed) or changed is None)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _sha256(content: Path | str | bytes) -> str:
    if isinstance(content, Path):
        with open(content, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    raw = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()
