"""Some work for two processes that compile; importable, so that it can be sent to the other."""

from __future__ import annotations

import numpy as np

from tumorsim.kernels import random

NUMBERS = np.arange(3)


def draw() -> None:
    """Two entries."""
    random.uniforms(1, 2, NUMBERS, 0, 0)
    random.normals(1, 2, NUMBERS, 0, 0)


def fail_elsewhere() -> None:
    """What works in one process alone."""
    raise OSError("not here")
