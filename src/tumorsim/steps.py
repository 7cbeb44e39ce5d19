"""How far each lattice has come, told by worker processes without a word between them.

A small file, mapped into the memory of every process: one 64-bit count a lattice, which only the process that runs
the lattice writes. Nobody waits for anybody, and a process that dies leaves the counts as they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]


def new_steps(path: Path, lattices: int) -> Steps:
    """Make the file: no steps taken."""
    return np.memmap(path, np.int64, "w+", shape=(lattices,))


def open_steps(path: Path) -> Steps:
    """The same counts, in another process."""
    return np.memmap(path, np.int64, "r+")
