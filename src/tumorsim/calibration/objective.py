"""How far simulated studies lie from the reported figures, in units of the studies' own sampling error.

One evaluation simulates every study with many virtual patients and common random
numbers, reads each figure with the estimator of its source, and draws studies of the
published size from the same patients to know the sampling error. The loss is the
negative log of a working likelihood (independent normals on the working scale, their
errors those at the start of the search, weights as powers) times the prior
(docs/theory/calibration.md, eqs C2-C4).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from tumorsim.api import study_of
from tumorsim.calibration.config import Calibration
from tumorsim.calibration.parameters import Parameter, read_parameters, with_values
from tumorsim.calibration.simulator import FloatArray
from tumorsim.params.targets import Quantity, Target, read_quantity
from tumorsim.scenario import Scenario
from tumorsim.statistics.resampling import LEVEL, predictive_interval
from tumorsim.targets import Reader, arms_of, simulate_quantity
from tumorsim.trial import SimulationError, run_trial
from tumorsim.variables import TrialData

RESAMPLES = 400  # studies drawn for a sampling error
FAILED = 1e6  # loss of an evaluation that could not be made
NORMAL_90 = 1.6448536269514722  # the central 90% of a standard normal end here
LEAST_SD = {"log": 0.01, "count": 0.5, "plain": 0.005}  # no figure is known better than this


@dataclass(frozen=True)
class Reading:
    """One quantity of one study as a calibration reads it.

    Attributes
    ----------
    study
        Place of the study.
    target
        The reported figure; None for a prediction.
    quantity, arms, sizes
        What is read, of which arms, in studies of how many patients an arm.
    weight
        Power of its likelihood; 0 if it is shown only.
    """

    study: int
    target: Target | None
    quantity: Quantity
    arms: tuple[int, ...]
    sizes: tuple[int, ...] | None
    weight: float

    @property
    def scale(self) -> str:
        """``log`` for times, rates and hazard ratios, ``count`` or ``plain``."""
        rule = self.quantity.rule
        if (rule.dimension in ("duration", "rate", "cells") and not rule.signed) or self.quantity.statistic == "hr":
            return "log"
        return "count" if rule.count else "plain"

    def of(self, reader: Reader) -> Reader:
        """The reader of the analysis and subgroup that the figure is of."""
        return reader if self.target is None else reader.view(self.target.analysis, self.target.subgroup)

    def working(self, values: FloatArray | float, horizon: float) -> FloatArray:
        """Values on the working scale (eq. C2); a median beyond the end of follow-up counts as that end."""
        values = np.asarray(values, float)
        if self.scale != "log":
            return values
        top = horizon if self.quantity.rule.dimension == "duration" else np.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.minimum(values, top))
        return np.where(np.isinf(logs), np.nan, logs)


@dataclass(frozen=True)
class Measured:
    """What the simulations of one evaluation gave, before anything is compared.

    Attributes
    ----------
    simulated, sd, low, high : (t,)
        Value over all virtual patients and 90% predictive interval in internal units;
        ``sd`` is the sampling error on the working scale. A median that is never reached
        is infinite; NaN where nothing can be read.
    failure
        Why there are no numbers; empty if there are.
    """

    simulated: FloatArray
    sd: FloatArray
    low: FloatArray
    high: FloatArray
    failure: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Every reading of one evaluation, compared with the reported figures.

    Attributes
    ----------
    measured
        What was simulated.
    z : (t,)
        (simulated - reported) / error on the working scale, with the objective's errors
        if it has any, else the evaluation's own; NaN for predictions.
    misfit
        Weighted sum of squared z.
    loss
        Eq. C4.
    failure
        Why there is no loss; empty if there is one.
    """

    measured: Measured
    z: FloatArray
    misfit: float
    loss: float
    failure: str = ""


@dataclass
class Objective:
    """Studies, readings and free parameters of a calibration; picklable.

    Attributes
    ----------
    parameters
        Free parameters.
    plains
        Resolved scenario of each study.
    readings
        Every target of every study, then the predictions.
    horizons
        End of follow-up of each study, days.
    errors : (t,)
        Sampling errors that distances are measured in; those of each evaluation itself if None.
    """

    parameters: tuple[Parameter, ...]
    plains: tuple[dict[str, Any], ...]
    readings: tuple[Reading, ...]
    horizons: tuple[float, ...]
    errors: FloatArray | None = None

    @classmethod
    def of(
        cls, made: Calibration, scenarios: Sequence[Scenario] | None = None, frozen: Sequence[str] = ()
    ) -> Objective:
        """Objective of a calibration, or of one of its rivals with parameters that the rival sets left out."""
        chosen = tuple(made.scenarios if scenarios is None else scenarios)
        parameters = tuple(p for p in read_parameters(made) if p.name not in frozen)
        readings = [r for k, scenario in enumerate(chosen) for r in _readings(k, scenario, made.studies[k].fit)]
        readings += [r for k, scenario in enumerate(chosen) for r in _predictions(k, scenario, made)]
        plains = tuple(json.loads(scenario.resolved_text) for scenario in chosen)
        return cls(parameters, plains, tuple(readings), tuple(s.trial.horizon for s in chosen))

    def measured_in(self, errors: FloatArray) -> Objective:
        """The same, with distances in these sampling errors."""
        return replace(self, errors=errors)

    def working(self, simulated: FloatArray) -> FloatArray:
        """Every reading on its working scale. Shape (t,)."""
        pairs = zip(self.readings, simulated, strict=True)
        return np.array([float(r.working(x, self.horizons[r.study])) for r, x in pairs])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(p.name for p in self.parameters)

    def values(self, latent: FloatArray) -> FloatArray:
        """Values (internal units) at latent coordinates. Shape (p,)."""
        return np.array([float(p.law.value(z)) for p, z in zip(self.parameters, latent, strict=True)])

    def start(self) -> FloatArray:
        """Latent coordinates of the values that the scenarios have. Shape (p,)."""
        return np.array([p.start for p in self.parameters])

    @property
    def reported(self) -> FloatArray:
        """Reported figures on the working scale, NaN for predictions. Shape (t,)."""
        return np.array(
            [float("nan") if r.target is None else float(r.working(r.target.reported, np.inf)) for r in self.readings]
        )

    @property
    def weights(self) -> FloatArray:
        """Weights of the readings. Shape (t,)."""
        return np.array([r.weight for r in self.readings])

    def scenario(
        self, study: int, values: FloatArray, patients: int, seed: int, ratio: Sequence[int] | None = None
    ) -> Scenario:
        """Scenario of a study with the free parameters set, without targets and traces.

        Parameters
        ----------
        study
            Its place.
        values : (p,)
            Of the free parameters, internal units.
        patients, seed
            In place of the scenario's.
        ratio
            Patients of each arm, if twins shall be allocated to arms as in the published study.
        """
        plain = with_values(self.plains[study], self.parameters, values)
        plain["targets"], plain["output"] = [], {"traced_patients": 0, "interval": "365 day"}
        plain["population"]["patients"] = patients
        plain["seed"] = seed
        if ratio is not None and plain["trial"]["allocation"] == "twins":
            plain["trial"] |= {"allocation": "randomised", "ratio": [float(n) for n in ratio]}
        return Scenario.model_validate(plain)

    def evaluate(
        self, latent: FloatArray, seed: int, patients: Sequence[int], threads: int = 1, resamples: int = RESAMPLES
    ) -> Evaluation:
        """Simulate every study at ``latent`` and compare: `measure`, then `compared`."""
        return self.compared(latent, self.measure(latent, seed, patients, threads, resamples))

    def measure(
        self, latent: FloatArray, seed: int, patients: Sequence[int], threads: int = 1, resamples: int = RESAMPLES
    ) -> Measured:
        """Simulate every study at ``latent``; never raises for what the simulation does.

        Parameters
        ----------
        latent : (p,)
            Free parameters, standard normal a priori.
        seed
            Seed of the studies: evaluations with one seed have common random numbers.
        patients
            Virtual patients of each study.
        threads
            Kernel threads.
        resamples
            Studies drawn for the sampling errors.
        """
        simulated, sd, low, high = (np.full(len(self.readings), np.nan) for _ in range(4))
        values, failure = self.values(latent), ""
        try:
            for k in range(len(self.plains)):
                scenario = self.scenario(k, values, patients[k], seed)
                reader = Reader(run_study(scenario, threads), seed, resamples, scenario.trial.matching)
                for i, reading in enumerate(self.readings):
                    if reading.study == k:
                        simulated[i], sd[i], low[i], high[i] = _read(reading, reader, self.horizons[k])
        except (SimulationError, ValidationError, FloatingPointError) as error:
            failure = f"{type(error).__name__}: {error}"[:500]
        return Measured(simulated, sd, low, high, failure)

    def compared(self, latent: FloatArray, measured: Measured) -> Evaluation:
        """Distances and loss of what was measured at ``latent``."""
        failure = self.failure_of(measured)
        if failure:
            return Evaluation(measured, np.full(len(self.readings), np.nan), FAILED, FAILED, failure)
        z = self._z(measured)
        fitted = self.weights > 0
        misfit = float(np.sum(self.weights[fitted] * z[fitted] ** 2))
        loss = 0.5 * misfit + 0.5 * float(np.sum(np.asarray(latent) ** 2))
        return Evaluation(measured, z, misfit, loss)

    def failure_of(self, measured: Measured) -> str:
        """Why an evaluation has no loss: the simulation's reason, or fitted figures that have no number; else empty."""
        if measured.failure:
            return measured.failure
        lost = [
            _named(r)
            for r, z in zip(self.readings, self._z(measured), strict=True)
            if r.weight > 0 and not np.isfinite(z)
        ]
        return f"no number for {', '.join(lost[:5])}" if lost else ""

    def _z(self, measured: Measured) -> FloatArray:
        errors = measured.sd if self.errors is None else self.errors
        return np.asarray((self.working(measured.simulated) - self.reported) / errors)


def run_study(scenario: Scenario, threads: int) -> TrialData:
    """The finished trial of a scenario."""
    return run_trial(study_of(scenario), threads=threads)


def _named(reading: Reading) -> str:
    return (
        reading.target.id if reading.target is not None else f"{reading.quantity.subject}.{reading.quantity.statistic}"
    )


def _read(reading: Reading, reader: Reader, horizon: float) -> tuple[float, float, float, float]:
    """Value, sampling error on the working scale, and predictive interval (eq. C3)."""
    reader = reading.of(reader)
    value = simulate_quantity(reading.quantity, reading.arms, reading.sizes, reader)
    if reading.sizes is None or (not np.isfinite(value) and reading.scale != "log"):
        return value, np.nan, np.nan, np.nan
    drawn = reader.read(reading.quantity, reading.arms, reader.sampler.draws(reading.arms, reading.sizes))
    ends = predictive_interval(reading.working(drawn, horizon), LEVEL)
    raw = predictive_interval(drawn, LEVEL) or (np.nan, np.nan)
    if ends is None:
        return value, np.nan, *raw
    sd = max((ends[1] - ends[0]) / (2.0 * NORMAL_90), LEAST_SD[reading.scale])
    return value, sd, *raw


def _readings(study: int, scenario: Scenario, fit: dict[str, float]) -> list[Reading]:
    found = []
    for target in scenario.targets:
        arms = tuple(arms_of(target, scenario.arm_names))
        found.append(Reading(study, target, target.parsed, arms, target.n, float(fit.get(target.id, 0.0))))
    return found


def _predictions(study: int, scenario: Scenario, made: Calibration) -> list[Reading]:
    """Hazard ratios of every arm against the first, which no fit has seen."""
    sizes = dict(enumerate(study_sizes(_readings(study, scenario, made.studies[study].fit), study)))
    found = []
    for text in made.predictions:
        quantity = read_quantity(text)
        if quantity.subject in scenario.endpoints:
            for arm in range(1, len(scenario.arms)):
                pair = (arm, 0)
                n = tuple(sizes.get(a, 0) for a in pair)
                found.append(Reading(study, None, quantity, pair, n if all(n) else None, 0.0))
    return found


def study_sizes(readings: Sequence[Reading], study: int) -> list[int]:
    """Patients of each arm in the published study: the largest number that a fitted reading names."""
    sizes: dict[int, int] = {}
    for reading in readings:
        if reading.study == study and reading.weight > 0 and reading.sizes is not None:
            for arm, n in zip(reading.arms, reading.sizes, strict=True):
                sizes[arm] = max(sizes.get(arm, 1), n)
    return [sizes.get(arm, 1) for arm in range(max(sizes) + 1)]
