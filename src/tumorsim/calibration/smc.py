"""pyABC (eqs Z1 and Z3), made to repeat: proposals drawn here, keyed and in order; studies simulated by the executor.

pyABC's own parallel samplers draw proposals in the workers from unseeded generators.
Here each proposal has a number and a seed of its own, studies come back in any order but
are judged in the order of their numbers, and the population is the first so many that
are accepted. The posterior is then the same whatever ran where, and a run continued
after a kill proposes what it proposed before. Imports pyABC: import this module only
where it is needed.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

_threads = os.environ.get("OMP_NUM_THREADS")
import pyabc  # noqa: E402
from pyabc.inference_util import evaluate_proposal, generate_valid_proposal  # noqa: E402
from pyabc.population import Population, Sample  # noqa: E402
from pyabc.sampler import Sampler  # noqa: E402
from pyabc.storage.db_model import Base  # noqa: E402

from tumorsim.calibration.simulator import (  # noqa: E402
    FloatArray,
    Record,
    Recorded,
    Simulated,
    Simulator,
    Studies,
    distances,
)
from tumorsim.executor import Executor, Outcome, in_order  # noqa: E402

if _threads is None:  # importing pyABC sets it for the whole process
    os.environ.pop("OMP_NUM_THREADS", None)
_logger = logging.getLogger("ABC")
_logger.handlers.clear()
_logger.addHandler(logging.NullHandler())
_logger.propagate = False

TABLES = Base.metadata
EVERYTHING = 1e300  # tolerance of the first population: any study that can be read
HOPELESS = 100  # studies from the prior, not one of which can be read, before sampling is given up
INDEX_STEP = 1_000_000  # number of a proposal in the log: population x this + proposal
_GENERATED = ("t", "m", "p", "model_prior", "parameter_priors", "model_perturbation_kernel", "transitions")
_EVALUATED = (
    "t", "summary_statistics", "distance_function", "eps", "acceptor", "x_0", "weight_function", "proposal_id",
)  # fmt: skip


def keys(dimensions: int) -> list[str]:
    """Names of the latent coordinates in pyABC, which sorts them."""
    return [f"z{i:03d}" for i in range(dimensions)]


def prior(dimensions: int) -> Any:
    """Independent standard normals."""
    return pyabc.Distribution(**{key: pyabc.RV("norm", 0.0, 1.0) for key in keys(dimensions)})


@dataclass(frozen=True)
class Proposal:
    """Parameters proposed for one study; ``known`` if the study was simulated before."""

    model: int
    theta: Any
    latent: FloatArray
    known: bool


@dataclass
class Cut:
    """A population that a limit ended before it was full."""

    population: int
    epsilon: float
    sample: Any
    evaluations: int


@dataclass
class Limits:
    """When to stop within a population."""

    simulations: int
    acceptance: float

    def proposals(self, wanted: int, spent: int) -> int:
        """Most proposals that a population may take."""
        patience = int(np.ceil(wanted / self.acceptance)) if self.acceptance > 0.0 else self.simulations
        return max(0, min(self.simulations - spent, patience))


@dataclass
class Watch:
    """What happens outside of the sampling: what is known already, what is recorded, who is told."""

    recorded: Recorded | None = None
    record: Record | None = None
    tell: Callable[[int, float, int, int, int], None] | None = None
    failures: list[tuple[int, str]] = field(default_factory=list)


class OrderedSampler(Sampler):  # type: ignore[misc] # pyabc has no types
    """Takes the first accepted particles in the order of their numbers."""

    def __init__(self, executor: Executor, simulator: Simulator, seed: int, limits: Limits, watch: Watch) -> None:
        super().__init__()
        self.executor, self.simulator, self.seed, self.limits, self.watch = executor, simulator, seed, limits, watch
        self.studies = Studies.of(simulator, seed)
        self.keys = keys(len(simulator.names))
        self.spent = 0
        self.cut: Cut | None = None

    def sample_until_n_accepted(
        self, n: int, simulate_one: partial[Any], t: int, *,
        max_eval: float = np.inf, all_accepted: bool = False, ana_vars: Any = None,
    ) -> Any:  # fmt: skip
        """Sample one population; a limit leaves it unfinished, kept in ``cut``."""
        settings = simulate_one.keywords
        sample: Sample = self._create_empty_sample()
        proposed: dict[int, Proposal] = {}
        most = self.limits.proposals(n, self.spent)
        tasks = islice(self._proposals(t, {name: settings[name] for name in _GENERATED}, proposed), most)
        outcomes = self.executor.run(self.studies, tasks)
        epsilon = float(settings["eps"](t))
        judged = 0
        try:
            for outcome in self._noted(in_order(outcomes), t, proposed):
                sample.append(self._judged(outcome, proposed.pop(outcome.index), settings))
                judged += 1
                if self.watch.tell is not None:
                    self.watch.tell(t, epsilon, sample.n_accepted, judged, self.spent + judged)
                if sample.n_accepted == n or (judged == HOPELESS and sample.n_accepted == 0 and t == 0):
                    break
        finally:
            outcomes.close()  # type: ignore[attr-defined] # a generator, see `Executor.map`
        self.nr_evaluations_ = judged
        self.spent += judged
        if sample.n_accepted < n:
            sample.ok = False
            self.cut = Cut(t, epsilon, sample, judged)
        return sample

    def _proposals(
        self, t: int, settings: dict[str, Any], proposed: dict[int, Proposal]
    ) -> Iterator[tuple[FloatArray, FloatArray | None]]:
        """Keyed proposals, as tasks; numpy's global generator, which pyABC uses, is left as it was."""
        for index in count():
            before = np.random.get_state()  # noqa: NPY002
            np.random.seed(np.random.SeedSequence((self.seed, t, index)).generate_state(4))  # noqa: NPY002
            model, theta = generate_valid_proposal(**settings)
            np.random.set_state(before)  # noqa: NPY002
            latent = np.array([float(theta[key]) for key in self.keys])
            recorded = self.watch.recorded
            known = None if recorded is None else recorded("posterior", t * INDEX_STEP + index, latent)
            proposed[index] = Proposal(model, theta, latent, known is not None)
            yield latent, known

    def _noted(
        self, outcomes: Iterator[Outcome[FloatArray]], t: int, proposed: dict[int, Proposal]
    ) -> Iterator[Outcome[FloatArray]]:
        """Outcomes in order, recorded as they are judged: so the record does not depend on who was faster."""
        for outcome in outcomes:
            if outcome.failure is not None:
                self.watch.failures.append((t, outcome.failure))
            proposal = proposed[outcome.index]
            if self.watch.record is not None and not proposal.known:
                distance = self._distance(self._summaries(outcome))
                index = t * INDEX_STEP + outcome.index
                self.watch.record(
                    Simulated("posterior", index, proposal.latent, outcome.value, distance, outcome.failure)
                )
            yield outcome

    def _summaries(self, outcome: Outcome[FloatArray]) -> FloatArray:
        if outcome.value is None:
            return np.full(self.simulator.observed.shape, np.nan)
        return np.asarray(outcome.value, dtype=float)

    def _distance(self, summaries: FloatArray) -> float:
        s = self.simulator
        return float(distances(summaries, s.observed, s.scale, s.weights)[0])

    def _judged(self, outcome: Outcome[FloatArray], proposal: Proposal, settings: dict[str, Any]) -> Any:
        """The particle, accepted or not, as pyABC judges it."""
        summaries = self._summaries(outcome)
        known = pyabc.FunctionModel(lambda _: {"summaries": summaries}, name="study")
        judged = {name: settings[name] for name in _EVALUATED}
        return evaluate_proposal(proposal.model, proposal.theta, models=[known], **judged)


@dataclass(frozen=True)
class Scheme:
    """How a posterior is sampled; see `tumorsim.calibration.posterior.Settings`."""

    population: int
    populations: int
    quantile: float
    local: bool
    distance: float


class Chain:
    """Populations in one SQLite file, begun or continued.

    Parameters
    ----------
    path
        The file.
    identity
        What the populations are of; a file of something else is refused.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.url = f"sqlite:///{path.resolve()}"
        self.identity = identity
        self.number: int | None = None
        self.populations = 0
        self.spent = 0
        self.last_rate = 1.0
        self.last_epsilon = np.inf
        if path.exists() and self._begun():
            self._look()

    def _begun(self) -> bool:
        """Whether the file holds a population; one that holds none, as a kill may leave it, is put away."""
        try:
            with closing(sqlite3.connect(self.path)) as database:
                if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                    raise sqlite3.DatabaseError("damaged")
                tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if tables - {table.name for table in TABLES.sorted_tables}:
                    raise sqlite3.DatabaseError("foreign")
                query = "SELECT count(*) FROM populations WHERE t >= 0"
                begun = "populations" in tables and database.execute(query).fetchone()[0] > 0
        except sqlite3.DatabaseError:
            raise ForeignDatabaseError(
                f"{self.path}: is damaged, or no database of a posterior; choose another folder with --out, or begin "
                "anew with --force"
            ) from None
        if not begun:
            self.path.unlink()
        return begun

    def _look(self) -> None:
        """Find the run to go on with."""
        history = pyabc.History(self.url)
        runs = [run for run in history.all_runs() if self.identity in str(run.json_parameters)]
        if not runs:
            raise ForeignDatabaseError(
                f"{self.path}: holds the posterior of another configuration; choose another folder with --out, or "
                "begin anew with --force"
            )
        for run in reversed(runs):
            history.id = run.id
            if history.n_populations > 0:
                self.number = run.id
                self._read(history)
                return

    def _read(self, history: Any) -> None:
        table = self.table(history)
        self.populations, self.spent = len(table), sum(row["evaluations"] for row in table)
        self.last_rate, self.last_epsilon = table[-1]["acceptance"], table[-1]["epsilon"] or np.inf

    def table(self, history: Any) -> list[dict[str, Any]]:
        """Tolerance, evaluations and share accepted of each population."""
        rows = []
        for row in history.get_all_populations().to_dict("records"):
            if row["t"] >= 0:
                epsilon = float(row["epsilon"])
                samples, particles = int(row["samples"]), int(row["particles"])
                rows.append(
                    {
                        "t": int(row["t"]),
                        "epsilon": epsilon if epsilon < EVERYTHING else None,
                        "evaluations": samples,
                        "particles": particles,
                        "acceptance": particles / samples if samples else 0.0,
                    }
                )
        return rows

    def sample(self, scheme: Scheme, sampler: OrderedSampler) -> Any:
        """Sample until a rule says stop; returns pyABC's history."""
        simulator = sampler.simulator
        dimensions = len(simulator.names)
        if self._finished(scheme, sampler.limits):
            return self.history()
        transition = pyabc.LocalTransition() if scheme.local else pyabc.MultivariateNormalTransition()
        initial = EVERYTHING if self.number is None else "from_sample"
        abc = pyabc.ABCSMC(
            models=pyabc.FunctionModel(_never, name="study"),
            parameter_priors=prior(dimensions),
            distance_function=partial(
                _distance, observed=simulator.observed, scale=simulator.scale, weights=simulator.weights
            ),
            population_size=scheme.population,
            transitions=transition,
            eps=pyabc.QuantileEpsilon(initial_epsilon=initial, alpha=scheme.quantile),
            sampler=sampler,
        )
        observed = {"summaries": np.asarray(simulator.observed, dtype=float)}
        if self.number is None:
            self.number = abc.new(self.url, observed, meta_info={"identity": self.identity}).id
        else:
            abc.load(self.url, self.number, observed)
        sampler.spent = self.spent
        history = abc.run(
            minimum_epsilon=scheme.distance,
            max_nr_populations=scheme.populations - self.populations,
            min_acceptance_rate=sampler.limits.acceptance,
            max_total_nr_simulations=sampler.limits.simulations,
        )
        self._keep(sampler.cut, scheme.population, history)
        return history

    def _finished(self, scheme: Scheme, limits: Limits) -> bool:
        """Whether an earlier run went as far as this one would."""
        return self.populations > 0 and (
            self.populations >= scheme.populations
            or self.spent >= limits.simulations
            or self.last_rate < limits.acceptance
            or self.last_epsilon <= scheme.distance
        )

    def _keep(self, cut: Cut | None, wanted: int, history: Any) -> None:
        """Keep a population that a limit ended, if it has half of its particles."""
        if cut is None or 2 * cut.sample.n_accepted < wanted:
            return
        cut.sample.normalize_weights()
        population: Population = cut.sample.get_accepted_population()
        history.append_population(cut.population, cut.epsilon, population, cut.evaluations, ["study"], wall_time=0.0)

    def history(self) -> Any:
        """The history of this run."""
        history = pyabc.History(self.url)
        history.id = self.number
        return history


class ForeignDatabaseError(ValueError):
    """A database that belongs to another configuration; the message says what to do."""


def last_population(history: Any, names: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Latent parameters, weights, distances and figures of the last population."""
    particles = history.get_population().particles
    latent = np.array([[float(particle.parameter[key]) for key in keys(names)] for particle in particles])
    weights = np.array([float(particle.weight) for particle in particles])
    far = np.array([float(particle.distance) for particle in particles])
    return latent, weights / weights.sum(), far, np.array([particle.sum_stat["summaries"] for particle in particles])


def _distance(x: Any, x_0: Any, *, observed: FloatArray, scale: FloatArray, weights: FloatArray) -> float:
    return float(distances(x["summaries"], observed, scale, weights)[0])


def _never(_: Any) -> Any:
    raise AssertionError("studies are simulated by the executor")
