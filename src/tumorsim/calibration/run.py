"""The stages of a calibration in order, every simulation logged, everything resumable.

screening → search → winner on fresh seeds → posterior → recovery → rivals → outcome
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim import provenance
from tumorsim.calibration import assemble
from tumorsim.calibration import screening as morris
from tumorsim.calibration.config import Calibration, Optimisation, Rival, load_calibration
from tumorsim.calibration.log import Log, LogError
from tumorsim.calibration.objective import Evaluation, Objective, PublishedStudies, run_study, seed_of
from tumorsim.calibration.optimise import Found, search
from tumorsim.calibration.parameters import FloatArray, digest_of
from tumorsim.calibration.posterior import Posterior, sample_posterior
from tumorsim.calibration.posterior import Progress as PosteriorProgress
from tumorsim.calibration.posterior import Settings as PosteriorSettings
from tumorsim.calibration.recovery import Recovery, recover, simulate_bank
from tumorsim.calibration.recovery import Settings as RecoverySettings
from tumorsim.calibration.simulator import Simulated
from tumorsim.executor import Executor, open_executor
from tumorsim.store import commit

STAGES = ("screening", "optimise", "winner", "posterior", "recovery", "rivals")
FRESH = 1_000  # seeds of the winner: the file's seed plus this and more
PREDICTIVE = 500_000


class CalibrationError(RuntimeError):
    """A calibration that cannot begin; the message says why and what to do."""


StageProgress = Callable[[str, int, int], None]
Notify = Callable[[str], None]


@dataclass
class Work:
    """What the stages share.

    Attributes
    ----------
    made, objective, digest
        The calibration, its objective, and what identifies both.
    log
        Every simulation so far.
    folder
        Output folder.
    threads
        Kernel threads of an evaluation.
    cluster
        None, ``local:N`` or the address of a Dask scheduler, for the posterior and recovery.
    progress, notify
        Called with (stage, done, total) and with lines for people.
    seconds
        Wall time of each stage in this process.
    """

    made: Calibration
    objective: Objective
    digest: str
    log: Log
    folder: Path
    threads: int
    cluster: str | None
    progress: StageProgress
    notify: Notify
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def patients(self) -> list[int]:
        """Virtual patients of each study in one evaluation of the search."""
        return [study.patients for study in self.made.studies]

    def evaluate(
        self, stage: str, index: int, latent: FloatArray, seed: int, patients: Sequence[int],
        objective: Objective | None = None,
    ) -> Evaluation:  # fmt: skip
        """One evaluation, from the log if it is there."""
        point = [float(z) for z in latent]
        held = self.log.get(stage, index, point)
        if held is None or held["seed"] != seed or held["patients"] != list(patients):
            made = (objective or self.objective).evaluate(np.array(point), seed, patients, self.threads)
            held = self.log.append(
                stage, index, {"latent": point, "seed": seed, "patients": list(patients), **_record(made)}
            )
            if made.failure:
                self.notify(f"{stage} {index}: recorded as failed, {made.failure}")
        return _evaluation(held)

    def recorded(self, stage: str, index: int, latent: FloatArray) -> FloatArray | None:
        """Figures of a study of the published size that was simulated before."""
        held = self.log.get(stage, index, [float(z) for z in latent])
        return None if held is None or held["failure"] else _array(held["working"])

    def record(self, one: Simulated) -> None:
        """Log a study of the published size."""
        working = None if one.summaries is None else _plain(one.summaries)
        latent = [float(z) for z in one.latent]
        self.log.append(one.stage, one.index, {"latent": latent, "working": working, "failure": one.failure or ""})


def calibrate(
    source: str | Path | Calibration,
    out: str | Path,
    *,
    threads: int = 1,
    cluster: str | None = None,
    stages: Sequence[str] = STAGES,
    seed: int | None = None,
    force: bool = False,
    progress: StageProgress | None = None,
    notify: Notify | None = None,
) -> dict[str, Any]:
    """Fit the free parameters of a calibration file; goes on where an earlier call was killed.

    Parameters
    ----------
    source
        A calibration file, or what `tumorsim.calibration.config.load_calibration` gave.
    out
        Folder for log, posterior, outcome and fitted values; made if it is not there.
    threads
        Kernel threads, and worker processes of the posterior. The search does not depend on it.
    cluster
        ``local:N`` or the address of a Dask scheduler for posterior and recovery.
    stages
        Which to run; what others left in the log is used.
    seed
        Instead of the file's.
    force
        Begin anew in a folder that holds another calibration.
    progress, notify
        Called with (stage, done, total), and with lines of text.

    Returns
    -------
    dict
        The outcome (`tumorsim.calibration.outcome`), also in ``out/outcome.json``.

    Raises
    ------
    ScenarioError
        A fault in the calibration file or in a scenario, with its place.
    LogError
        The folder holds the log of another configuration.
    MissingLibraryError
        A stage needs a library that is not installed.
    """
    made = source if isinstance(source, Calibration) else load_calibration(source, seed)
    objective = Objective.of(made)
    folder = _folder(Path(out), force)
    head = {"name": made.name, "tumorsim": provenance.machine().get("tumorsim", "")}
    digest = digest_of(made)
    with Log.open(folder / "log.jsonl", digest, head) as log:
        _write(folder / "calibration.yaml", made.text)
        work = Work(made, objective, digest, log, folder, threads, cluster, progress or _silent, notify or _mute)
        if log.dropped:
            work.notify(f"{log.dropped} torn or damaged lines of the log are left out and simulated again")
        return _stages(work, [stage for stage in STAGES if stage in stages])


def _stages(work: Work, stages: Sequence[str]) -> dict[str, Any]:
    """Run the stages; each finds what it needs of the earlier ones in the log."""
    made, objective = work.made, work.objective
    _warm_up(work)
    parts: dict[str, Any] = {}
    with _Clock(work, "start"):
        start = parts["start"] = work.evaluate("start", 0, objective.start(), made.seed + FRESH, _of_winner(work))
        if start.failure:
            raise CalibrationError(f"the start cannot be simulated or read: {start.failure}; begin elsewhere (start:)")
        objective = work.objective = objective.measured_in(start.sd)
    with _Clock(work, "screening"):
        if made.screening is not None and "screening" in stages:
            parts["screening"] = _screen(work)
    with _Clock(work, "optimise"):
        effort = made.optimise if made.optimise is not None and "optimise" in stages else Optimisation(evaluations=1)
        found = _optimise(work, "optimise", objective, effort, objective.start())
        parts["optimise"] = found
    with _Clock(work, "winner"):
        parts["winner"] = _winner(work, found.latent)
    studies = PublishedStudies.at(objective, parts["winner"][0])
    with _Clock(work, "posterior"):
        if made.posterior is not None and "posterior" in stages:
            parts["posterior"] = _posterior(work, studies)
            parts["draws"] = equal_draws(parts["posterior"], made.posterior.particles, made.seed)
            parts["predictive"] = _predictive(work, studies, parts["posterior"])
    with _Clock(work, "recovery"):
        if made.recovery is not None and "recovery" in stages:
            parts["recovery"] = _recovery(work, studies)
    with _Clock(work, "rivals"):
        if "rivals" in stages:
            parts["rivals"] = [_rival(work, k, rival, found.latent) for k, rival in enumerate(made.rivals)]
    told = assemble.assemble(
        made, objective, work.digest, work.log, parts, work.seconds, provenance.collect(made.seed, work.threads)
    )
    assemble.write(work.folder, told, objective)
    return told


def _screen(work: Work) -> dict[str, Any]:
    """Elementary effects on the loss and on every fitted figure."""
    effort = work.made.screening
    assert effort is not None
    p = len(work.objective.parameters)
    points = morris.design(p, effort, work.made.seed)
    patients = [effort.patients] * len(work.patients)
    outputs = []
    fitted = work.objective.weights > 0
    for k, point in enumerate(points):
        one = work.evaluate("screening", k, point, work.made.seed, patients)
        outputs.append([one.misfit, *one.z[fitted]])
        work.progress("screening", k + 1, len(points))
    table = np.array(outputs)
    whole = np.isfinite(table).all(axis=1).reshape(-1, p + 1).all(axis=1)
    kept = np.repeat(whole, p + 1)
    if whole.sum() < 2:
        return {"failed": "fewer than two trajectories without a failed evaluation"}
    return {
        "trajectories": int(whole.sum()),
        "levels": effort.levels,
        "evaluations": len(points),
        **morris.effects(points[kept], table[kept], effort, work.made.seed),
    }


def _optimise(work: Work, stage: str, objective: Objective, effort: Optimisation, start: FloatArray) -> Found:
    """A search whose generations each have luck of their own, shared by all of the generation (seed + generation)."""
    best = [np.inf]

    def loss(index: int, generation: int, latent: FloatArray) -> float:
        one = work.evaluate(stage, index, latent, work.made.seed + generation, work.patients, objective)
        work.progress(stage, index + 1, effort.evaluations)
        if one.loss < best[0] - 0.05 and index:
            work.notify(f"{stage} {index}: misfit {one.misfit:.2f}, loss {one.loss:.2f}")
        best[0] = min(best[0], one.loss)
        return one.loss

    return search(loss, start, effort, work.made.seed)


def _of_winner(work: Work) -> list[int]:
    return [work.made.winner.patients] * len(work.patients)


def _winner(work: Work, latent: FloatArray) -> list[Evaluation]:
    """The best point on seeds that the search has not seen."""
    found = []
    for k in range(work.made.winner.seeds):
        found.append(work.evaluate("winner", k, latent, work.made.seed + FRESH + k, _of_winner(work)))
        work.progress("winner", k + 1, work.made.winner.seeds)
    return found


def _place(work: Work) -> Executor:
    """Where studies of the published size are simulated."""
    return open_executor(work.cluster or ("processes" if work.threads > 1 else "threads"), work.threads)


def _posterior(work: Work, studies: PublishedStudies) -> Posterior:
    effort = work.made.posterior
    assert effort is not None
    settings = PosteriorSettings(
        population=effort.particles, populations=effort.populations, simulations=effort.simulations,
        acceptance=effort.least_acceptance, seed=work.made.seed,
    )  # fmt: skip

    def told(now: PosteriorProgress) -> None:
        work.progress(f"posterior, population {now.population} of at most {now.populations},", now.accepted, now.wanted)

    with _place(work) as place:
        sampled = sample_posterior(
            studies, settings, work.folder, place, identity=work.digest,
            recorded=work.recorded, record=work.record, progress=told,
        )  # fmt: skip
    for one in sampled.populations:
        work.notify(f"posterior population: {one}")
    return sampled


def _predictive(work: Work, studies: PublishedStudies, sampled: Posterior) -> list[list[float | None]]:
    """Fresh studies of the published size at draws of the posterior: parameter and sampling error together."""
    effort = work.made.posterior
    assert effort is not None
    draws = equal_draws(sampled, effort.predictive, work.made.seed + PREDICTIVE)
    rows = []
    for k, draw in enumerate(draws):
        point = [float(z) for z in draw]
        held = work.log.get("predictive", k, point)
        if held is None:
            seed = seed_of(work.made.seed + PREDICTIVE + k, np.array(point))
            working = _plain(studies.everything(np.array(point), seed, work.threads))
            held = work.log.append("predictive", k, {"latent": point, "working": working})
        rows.append(held["working"])
        work.progress("predictive", k + 1, effort.predictive)
    return rows


def equal_draws(sampled: Posterior, count: int, seed: int) -> FloatArray:
    """Equally weighted draws of the posterior by systematic resampling, in random order. Shape (count, p)."""
    generator = np.random.default_rng(seed)
    steps = np.cumsum(sampled.adjusted_weights / sampled.adjusted_weights.sum())
    places = np.searchsorted(steps, (np.arange(count) + generator.random()) / count)
    return np.asarray(sampled.adjusted[generator.permutation(np.minimum(places, steps.size - 1))])


def _recovery(work: Work, studies: PublishedStudies) -> Recovery:
    effort = work.made.recovery
    assert effort is not None
    settings = RecoverySettings(simulations=effort.simulations, datasets=effort.datasets, seed=work.made.seed)
    with _place(work) as place:
        bank = simulate_bank(
            studies, settings, place, recorded=work.recorded, record=work.record,
            progress=lambda done, total, *_: work.progress("recovery", done, total),
        )  # fmt: skip
    return recover(studies, bank, settings)


def _rival(work: Work, k: int, rival: Rival, latent: FloatArray) -> dict[str, Any]:
    """The rival at the fit, or fitted again, on the winner's fresh seeds."""
    frozen = [p.name for p in work.objective.parameters if _set_by(p.declared.path, rival.set)]
    objective = replace(Objective.of(work.made, work.made.rival_scenarios[k], frozen), errors=work.objective.errors)
    kept = [name not in frozen for name in work.objective.names]
    point, stage = np.asarray(latent)[kept], f"rival {rival.name}"
    if rival.refit:
        effort = Optimisation(evaluations=rival.refit)
        point = _optimise(work, stage, objective, effort, point).latent
    found = []
    for s in range(work.made.winner.seeds):
        found.append(work.evaluate(f"{stage} fresh", s, point, work.made.seed + FRESH + s, _of_winner(work), objective))
        work.progress(stage, s + 1, work.made.winner.seeds)
    return {
        "rival": rival,
        "evaluations": found,
        "refitted": rival.refit > 0,
        "values": objective.values(point),
        "names": objective.names,
    }


def _set_by(path: str, settings: Sequence[str]) -> bool:
    """Whether a rival sets the value that a free parameter moves."""
    key = path.rsplit(".", 1)[-1]
    return any(
        setting.partition("=")[0].strip().removesuffix(".value").rsplit(".", 1)[-1] == key for setting in settings
    )


def _warm_up(work: Work) -> None:
    """Compile, or load from the cache, before anything is timed."""
    values = work.objective.values(work.objective.start())
    run_study(work.objective.scenario(0, values, patients=20, seed=1), 1)


def _folder(folder: Path, force: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if force:
        for name in ("log.jsonl", "posterior.db", "outcome.json", "posterior.csv", "fitted.yaml", "calibration.yaml"):
            (folder / name).unlink(missing_ok=True)
    elif not (folder / "log.jsonl").exists() and any(folder.iterdir()):
        raise LogError(f"{folder}: holds other files and no log of a calibration; choose another folder with --out")
    return folder


def _write(path: Path, text: str) -> None:
    commit(path, text.encode(), force=True, sealed=False)


class _Clock:
    """Adds the wall time of a stage."""

    def __init__(self, work: Work, stage: str) -> None:
        self.work, self.stage = work, stage

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.work.seconds[self.stage] = time.perf_counter() - self.began


def _plain(values: FloatArray) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in values]


def _array(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if x is None else x for x in values], float)


_ARRAYS = ("simulated", "sd", "low", "high", "z")


def _record(one: Evaluation) -> dict[str, Any]:
    arrays = {name: _plain(getattr(one, name)) for name in _ARRAYS}
    return arrays | {"misfit": one.misfit, "loss": one.loss, "seconds": round(one.seconds, 3), "failure": one.failure}


def _evaluation(held: Mapping[str, Any]) -> Evaluation:
    arrays = {name: _array(held[name]) for name in _ARRAYS}
    return Evaluation(
        **arrays, misfit=held["misfit"], loss=held["loss"], seconds=held["seconds"], failure=held["failure"]
    )


def _silent(_stage: str, _done: int, _total: int) -> None:
    return None


def _mute(_text: str) -> None:
    return None
