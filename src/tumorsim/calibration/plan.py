"""What a calibration would do: parameters, fitted figures, simulations of each stage, time."""

from __future__ import annotations

from typing import Any

from tumorsim.calibration.config import Calibration
from tumorsim.calibration.objective import Objective, study_sizes
from tumorsim.plan import plan as plan_study


def plan(made: Calibration, threads: int | None = None) -> dict[str, Any]:
    """The plan as JSON-able data.

    Parameters
    ----------
    threads
        Kernel threads; every core by default.
    """
    objective = Objective.of(made)
    p = len(objective.parameters)
    each = sum(_seconds(made, k, study.patients, threads) for k, study in enumerate(made.studies))
    published = sum(
        _seconds(made, k, sum(study_sizes(objective.readings, k)), threads) / len(made.scenarios[k].arms)
        for k in range(len(made.studies))
    )
    winner = sum(_seconds(made, k, made.winner.patients, threads) for k in range(len(made.studies)))
    stages: dict[str, tuple[int, float]] = {}
    if made.screening is not None:
        count = made.screening.trajectories * (p + 1)
        share = [made.screening.patients / study.patients for study in made.studies]
        stages["screening"] = (count, count * each * sum(share) / len(share))
    if made.optimise is not None:
        stages["optimise"] = (made.optimise.evaluations, made.optimise.evaluations * each)
    stages["winner"] = (made.winner.seeds + 1, (made.winner.seeds + 1) * winner)
    if made.posterior is not None:
        count = made.posterior.simulations + made.posterior.predictive
        stages["posterior, at most"] = (count, count * published)
    if made.recovery is not None:
        stages["recovery"] = (made.recovery.simulations, made.recovery.simulations * published)
    if made.rivals:
        count = sum(rival.refit for rival in made.rivals)
        fresh = made.winner.seeds * len(made.rivals)
        stages["rivals"] = (count + fresh, count * each + fresh * winner)
    return {
        "name": made.name,
        "title": made.title,
        "studies": [
            {
                "scenario": scenario.name,
                "patients": study.patients,
                "fitted": {k: w for k, w in study.fit.items() if w > 0},
            }
            for study, scenario in zip(made.studies, made.scenarios, strict=True)
        ],
        "parameters": [
            {
                "name": one.name,
                "path": one.declared.path,
                "start": f"{float(one.law.value(one.start)):.4g} {one.unit}",
                "prior": f"{one.declared.prior.law}, {one.declared.prior.low} to {one.declared.prior.high}",
            }
            for one in objective.parameters
        ],
        "stages": {name: {"simulations": count, "seconds": seconds} for name, (count, seconds) in stages.items()},
        "seconds": sum(seconds for _, seconds in stages.values()),
    }


def _seconds(made: Calibration, study: int, patients: int, threads: int | None) -> float:
    scenario = made.scenarios[study]
    planned = plan_study(scenario, threads)
    return float(planned["seconds"]) * patients / scenario.population.patients
