"""Studies of the published size, simulated once each: what the posterior and its check compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumorsim.calibration.objective import Evaluation, Objective, run_study, study_sizes
from tumorsim.calibration.simulator import FloatArray
from tumorsim.targets import Reader, simulate_quantity
from tumorsim.trial import SimulationError


@dataclass
class PublishedStudies:
    """Simulates, once for each call, every study at its published size: what the posterior compares.

    Readings with a weight alone are kept. Satisfies `tumorsim.calibration.simulator.Simulator`.

    Attributes
    ----------
    objective
        Studies and readings.
    scale : (t,)
        Sampling error of each kept reading at the fitted point, working scale.
    """

    objective: Objective
    scale: FloatArray

    @classmethod
    def at(cls, objective: Objective, evaluation: Evaluation) -> PublishedStudies:
        """With the sampling errors of ``evaluation``."""
        return cls(objective, evaluation.measured.sd[objective.weights > 0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return self.objective.names

    @property
    def observed(self) -> FloatArray:
        """Reported figures on the working scale. Shape (t,)."""
        return np.asarray(self.objective.reported[self.objective.weights > 0])

    @property
    def weights(self) -> FloatArray:
        """Weight of each kept reading. Shape (t,)."""
        return np.asarray(self.objective.weights[self.objective.weights > 0])

    def simulate(self, latent: FloatArray, seed: int, threads: int = 1) -> FloatArray:
        """One simulated study of the published size: the kept readings on the working scale. Shape (t,)."""
        return np.asarray(self.everything(latent, seed, threads)[self.objective.weights > 0])

    def everything(self, latent: FloatArray, seed: int, threads: int = 1) -> FloatArray:
        """As `simulate`, with the readings that are shown only; NaN where nothing can be read."""
        objective = self.objective
        out = np.full(len(objective.readings), np.nan)
        values = objective.values(latent)
        for k in range(len(objective.plains)):
            sizes = study_sizes(objective.readings, k)
            scenario = objective.scenario(k, values, sum(sizes), seed, sizes)
            try:
                reader = Reader(run_study(scenario, threads), seed, 1, scenario.trial.matching)
            except SimulationError:
                return out
            for i, reading in enumerate(objective.readings):
                if reading.study == k:
                    view = reading.of(reader)
                    value = simulate_quantity(reading.quantity, reading.arms, reading.sizes, view)
                    out[i] = reading.working(value, objective.horizons[k])
        return out
