"""The stages of a calibration in order, every simulation logged, everything resumable.

screening → search → winner on fresh seeds → posterior → recovery → rivals → outcome
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim import provenance
from tumorsim.api import prepare, study_of
from tumorsim.calibration import screening as morris
from tumorsim.calibration.assemble import assemble
from tumorsim.calibration.config import Calibration, Optimisation, Rival, load_calibration
from tumorsim.calibration.folder import CONFIGURATION, keep, open_folder, write
from tumorsim.calibration.log import Log
from tumorsim.calibration.objective import Evaluation, Objective
from tumorsim.calibration.optimise import Found, search
from tumorsim.calibration.parameters import digest_of, fixed_by
from tumorsim.calibration.posterior import Posterior, sample_posterior
from tumorsim.calibration.posterior import Progress as PosteriorProgress
from tumorsim.calibration.posterior import Settings as PosteriorSettings
from tumorsim.calibration.published import PublishedStudies
from tumorsim.calibration.recovery import Recovery, recover, simulate_bank
from tumorsim.calibration.recovery import Settings as RecoverySettings
from tumorsim.calibration.simulator import FloatArray, study_seed
from tumorsim.calibration.surface import Tried, settle
from tumorsim.calibration.work import Notify, StageProgress, Work
from tumorsim.executor import Executor, open_executor
from tumorsim.journal import numbers, written

STAGES = ("screening", "optimise", "winner", "posterior", "recovery", "rivals")
FRESH = 1_000_000  # seeds of the winner: the file's seed plus this and more, beyond those of any search
PREDICTIVE = 500_000


class CalibrationError(RuntimeError):
    """A calibration that cannot begin; the message says why and what to do."""


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
    JournalError
        The folder holds the log of another configuration.
    MissingLibraryError
        A stage needs a library that is not installed.
    """
    made = source if isinstance(source, Calibration) else load_calibration(source, seed)
    objective = Objective.of(made)
    folder = Path(out)
    head = {"name": made.name, "tumorsim": provenance.machine().get("tumorsim", "")}
    digest = digest_of(made)
    with Log.open(open_folder(folder, force), digest, head) as log:
        keep(folder / CONFIGURATION, made.text)
        work = Work(made, objective, digest, log, folder, threads, cluster, progress or _silent, notify or _mute)
        if log.dropped:
            work.notify(f"{log.dropped} torn or damaged lines of the log are left out and simulated again")
        return _stages(work, [stage for stage in STAGES if stage in stages])


def _stages(work: Work, stages: Sequence[str]) -> dict[str, Any]:
    """Run the stages; each finds what it needs of the earlier ones in the log."""
    made, objective = work.made, work.objective
    _warm_up(work)
    parts: dict[str, Any] = {}
    start = parts["start"] = work.evaluate("start", 0, objective.start(), made.seed + FRESH, _of_winner(work))
    if start.failure:
        raise CalibrationError(f"the start cannot be simulated or read: {start.failure}; begin elsewhere (start:)")
    objective = work.objective = objective.measured_in(start.measured.sd)
    if made.screening is not None and "screening" in stages:
        parts["screening"] = _screen(work)
    effort = made.optimise if made.optimise is not None and "optimise" in stages else Optimisation(evaluations=1)
    found = _optimise(work, "optimise", objective, effort, objective.start())
    parts["optimise"] = found
    parts["winner"] = _winner(work, found.latent)
    studies = PublishedStudies.at(objective, parts["winner"][0])
    if made.posterior is not None and "posterior" in stages:
        parts["posterior"] = _posterior(work, studies)
        parts["draws"] = equal_draws(parts["posterior"], made.posterior.particles, made.seed)
        parts["predictive"] = _predictive(work, studies, parts["posterior"])
    if made.recovery is not None and "recovery" in stages:
        parts["recovery"] = _recovery(work, studies)
    if "rivals" in stages:
        parts["rivals"] = [_rival(work, k, rival, found.latent) for k, rival in enumerate(made.rivals)]
    origin = provenance.collect(made.seed, work.threads)
    told = assemble(made, objective, work.digest, work.log, parts, origin)
    write(work.folder, told, objective)
    return told


def _screen(work: Work) -> dict[str, Any] | None:
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
        work.notify("screening: fewer than two trajectories without a failed evaluation; no effects are shown")
        return None
    return {
        "trajectories": int(whole.sum()),
        "levels": effort.levels,
        "evaluations": len(points),
        **morris.effects(points[kept], table[kept], work.made.seed),
    }


def _optimise(work: Work, stage: str, objective: Objective, effort: Optimisation, start: FloatArray) -> Found:
    """A search whose generations each have luck of their own, shared by all of the generation (seed + generation)."""
    best, tried = [np.inf], []

    def loss(index: int, generation: int, latent: FloatArray) -> float:
        one = work.evaluate(stage, index, latent, work.made.seed + generation, work.patients, objective)
        tried.append(Tried(generation, np.array(latent), one.z))
        work.progress(stage, index + 1, effort.evaluations)
        if one.loss < best[0] - 0.05 and index:
            work.notify(f"{stage} {index}: misfit {one.misfit:.2f}, loss {one.loss:.2f}")
        best[0] = min(best[0], one.loss)
        return one.loss

    return search(loss, start, effort, work.made.seed, lambda centre: settle(centre, tried, objective.weights))


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


def _predictive(work: Work, studies: PublishedStudies, sampled: Posterior) -> list[list[float]]:
    """Fresh studies of the published size at draws of the posterior: parameter and sampling error together."""
    effort = work.made.posterior
    assert effort is not None
    draws = equal_draws(sampled, effort.predictive, work.made.seed + PREDICTIVE)
    rows = []
    for k, draw in enumerate(draws):
        point = [float(z) for z in draw]
        held = work.log.get("predictive", k, point)
        if held is None:
            seed = study_seed(work.made.seed + PREDICTIVE + k, draw)
            working = written(studies.everything(draw, seed, work.threads))
            held = work.log.append("predictive", k, {"latent": point, "working": working})
        rows.append(numbers(held["working"]))
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
    scenarios = work.made.rival_scenarios[k]
    plains = [json.loads(scenario.resolved_text) for scenario in scenarios]
    frozen = [p.name for p in work.objective.parameters if fixed_by(p.declared.path, rival.set, plains)]
    objective = replace(Objective.of(work.made, scenarios, frozen), errors=work.objective.errors)
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


def _warm_up(work: Work) -> None:
    """Compile, or load from the cache, before anything is timed."""
    values = work.objective.values(work.objective.start())
    prepare(study_of(work.objective.scenario(0, values, 20, 1)), work.notify, work.threads)
    work.log.start_clock()


def _silent(_stage: str, _done: int, _total: int) -> None:
    return None


def _mute(_text: str) -> None:
    return None
