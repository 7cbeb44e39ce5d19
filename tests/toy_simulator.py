"""A linear Gaussian study whose posterior is known, and tasks for workers; in a module that workers can import."""

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

DESIGN = np.array([[1.0, 0.5, 0.0], [0.5, -1.0, 0.0], [1.0, 1.0, 0.2], [0.3, 0.2, 0.1], [0.0, 1.0, 0.3]])


@dataclass
class LinearStudy:
    """s = A z + scale e. Parameters a and b are known from the data, c hardly."""

    delay: float = 0.0
    fails_above: float = np.inf  # of the first coordinate
    undefined_above: float = np.inf
    dies_once: str = ""  # a file made by the worker that kills itself
    design: np.ndarray = field(default_factory=lambda: DESIGN)
    observed: np.ndarray = field(default_factory=lambda: np.array([0.5, -0.4, 0.8, 0.2, 0.6]))
    scale: np.ndarray = field(default_factory=lambda: np.array([0.5, 0.4, 0.6, 0.5, 0.5]))
    weights: np.ndarray = field(default_factory=lambda: np.ones(5))

    @property
    def names(self):
        return ("a", "b", "c")[: self.design.shape[1]]

    def simulate(self, latent, seed, threads=1):
        time.sleep(self.delay)
        if latent[0] > self.fails_above:
            raise ValueError("the first parameter is too large")
        if self.dies_once and latent[0] > 0.0 and not Path(self.dies_once).exists():
            Path(self.dies_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        figures = self.design @ latent + self.scale * np.random.default_rng(seed).standard_normal(self.scale.size)
        return np.where(latent[0] > self.undefined_above, np.nan, figures)

    def exact(self):
        """Mean and covariance of the posterior, by conjugacy; every figure counts, whatever its weight."""
        precision = self.design.T / self.scale**2
        covariance = np.linalg.inv(np.eye(self.design.shape[1]) + precision @ self.design)
        return covariance @ precision @ self.observed, covariance

    def many(self, latent, generator):
        """Studies at many parameters at once, shape (n, t)."""
        return latent @ self.design.T + self.scale * generator.standard_normal((len(latent), self.scale.size))


def noisy_square(x):
    """Depends on its argument alone, in every bit."""
    return x * x + np.random.default_rng(x).standard_normal(3)


def fails_on_three(x):
    time.sleep(0.02)
    if x == 3:
        raise ValueError("three is no good")
    return x


def dies_on_three(x):
    time.sleep(0.02)
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def dies_once(task):
    """Kills its worker the first time that it sees 3; ``task`` is (number, marker file)."""
    x, marker = task
    time.sleep(0.02)
    if x == 3 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def writes_its_number(folder):
    """Leaves the number of its process in a folder, then works for a long time."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(60.0)
