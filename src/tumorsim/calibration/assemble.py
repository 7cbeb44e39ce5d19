"""The stages' numbers as one JSON-able outcome.

Times are in months, as everywhere people read; free parameters are in internal units,
with the unit beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumorsim.calibration.config import Calibration
from tumorsim.calibration.log import Log
from tumorsim.calibration.objective import NORMAL_90, Evaluation, Objective, Reading
from tumorsim.calibration.outcome import FORMAT, LAYOUT
from tumorsim.calibration.parameters import Parameter
from tumorsim.calibration.posterior import Posterior
from tumorsim.calibration.simulator import FloatArray
from tumorsim.calibration.work import measured
from tumorsim.statistics import predictive_interval
from tumorsim.targets import MONTH, shown_unit, target_row
from tumorsim.variables import NOTICE

WORTH_SAYING = 1.0  # sampling errors from which a residual is put into words


def assemble(
    made: Calibration,
    objective: Objective,
    digest: str,
    log: Log,
    parts: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The outcome; its shape is in `tumorsim.calibration.shape`.

    Parameters
    ----------
    made, objective, digest, log
        The calibration, its objective, what identifies both, and its log.
    parts
        What each stage gave; stages that were not run are missing.
    provenance
        As `tumorsim.provenance.collect` makes it.
    """
    found, winner = parts["optimise"], parts["winner"]
    posterior = parts.get("posterior")
    targets = _targets(objective, made, parts)
    return {
        "format": FORMAT,
        "layout": LAYOUT,
        "name": made.name,
        "title": made.title,
        "description": made.description,
        "notice": NOTICE,
        "config_text": made.text,
        "config_digest": digest,
        "log_digest": log.digest(),
        "provenance": dict(provenance),
        "seconds": {stage: round(time, 1) for stage, time in log.seconds().items()},
        "evaluations": _counts(log),
        "failures": _failures(log, objective),
        "studies": _studies(made),
        "parameters": _parameters(objective, found.latent, posterior),
        "targets": targets,
        "loss": {
            "start": _number(parts["start"].loss),
            "best": found.loss,
            "fresh": [_number(one.loss) for one in winner],
            "misfit": [_number(one.misfit) for one in winner],
        },
        "screening": _screening(objective, parts.get("screening")),
        "optimise": _optimise(objective, made, found, log),
        "posterior": _posterior(objective, posterior, parts.get("draws")),
        "recovery": recovered.as_json() if (recovered := parts.get("recovery")) is not None else None,
        "rivals": [_rival(objective, made, one) for one in parts["rivals"]] if parts.get("rivals") else None,
        "windows": _windows(objective, made, winner, parts.get("predictive")),
        "residuals": _residuals(targets),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(low: float, high: float, factor: float = 1.0) -> list[float | None] | None:
    ends = [_number(low * factor), _number(high * factor)]
    return None if ends == [None, None] else ends


def _counts(log: Log) -> dict[str, int]:
    counts: dict[str, int] = {}
    for stage, _ in log.records:
        if stage != "head":
            counts[stage] = counts.get(stage, 0) + 1
    return counts


def _failures(log: Log, objective: Objective) -> list[dict[str, Any]]:
    found = []
    for (stage, index), record in sorted(log.records.items()):
        # studies of the published size have no sampling errors and no loss
        evaluated = "simulated" in record
        message = objective.failure_of(measured(record)) if evaluated else record.get("failure")
        if message:
            found.append({"stage": stage, "index": index, "message": message})
    return found


def _studies(made: Calibration) -> list[dict[str, Any]]:
    return [
        {
            "name": scenario.name,
            "title": scenario.title,
            "setting": scenario.population.setting,
            "arms": [{"name": arm.name, "label": arm.title} for arm in scenario.arms],
            "patients": study.patients,
            "resolved_digest": scenario.digest,
        }
        for study, scenario in zip(made.studies, made.scenarios, strict=True)
    ]


def _parameters(objective: Objective, latent: FloatArray, posterior: Posterior | None) -> list[dict[str, Any]]:
    rows = []
    for k, (one, z) in enumerate(zip(objective.parameters, latent, strict=True)):
        median = interval = shrinkage = None
        if posterior is not None:
            known = posterior.fitted
            median, shrinkage = float(one.law.value(known.median[k])), float(known.shrinkage[k])
            interval = [float(one.law.value(end)) for end in known.interval[k]]
        rows.append(
            {
                "name": one.name,
                "label": one.declared.label or one.name.replace("_", " "),
                "path": one.declared.path,
                "unit": one.unit,
                "symbol": one.symbol,
                "doc": one.doc,
                "prior": _prior(one),
                "start": float(one.law.value(one.start)),
                "best": float(one.law.value(z)),
                "median": median,
                "interval": interval,
                "prior_interval": [float(one.law.value(end)) for end in (-NORMAL_90, NORMAL_90)],
                "shrinkage": shrinkage,
            }
        )
    return rows


def _prior(one: Parameter) -> dict[str, Any]:
    law, declared = one.law, one.declared.prior
    ends = f"{declared.low} to {declared.high}"
    central = law.law in ("lognormal", "normal")
    text = f"{law.law}, median {declared.median}, spread {declared.spread}, {ends}" if central else f"{law.law}, {ends}"
    return {
        "distribution": law.law,
        "low": law.low,
        "high": law.high,
        "median": float(law.value(0.0)),
        "spread": law.spread if central else None,
        "text": text,
    }


def _factor(reading: Reading) -> float:
    """From the internal unit to the one in which people read the quantity."""
    return shown_unit(reading.quantity.rule)[1]


def _mean(rows: Sequence[Evaluation], name: str, place: int) -> float:
    values = [float(getattr(one.measured, name)[place]) for one in rows]
    return float(np.mean(values)) if values else float("nan")


def _spread(rows: Sequence[Evaluation], place: int) -> float | None:
    """Monte-Carlo error of the mean over seeds."""
    values = np.array([one.measured.simulated[place] for one in rows])
    return _number(float(values.std(ddof=1) / math.sqrt(values.size))) if values.size > 1 else None


def _unworked(reading: Reading, values: FloatArray) -> FloatArray:
    return np.asarray(np.exp(values) if reading.scale == "log" else values)


def _with_parameters(reading: Reading, place: int, predictive: Sequence[Sequence[float]] | None) -> Any:
    """90% interval of studies of the published size over the posterior."""
    if not predictive:
        return None
    drawn = np.array([row[place] for row in predictive])
    ends = predictive_interval(_unworked(reading, drawn))
    return None if ends is None else _pair(*ends, _factor(reading))


def _targets(objective: Objective, made: Calibration, parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for place, reading in enumerate(objective.readings):
        if reading.target is not None:
            rows.append(_target(reading, place, made, parts, objective.horizons[reading.study]))
    return rows


def _distance(reading: Reading, place: int, rows: Sequence[Evaluation], horizon: float) -> float:
    """(simulated - reported) / sampling error, working scale, mean over seeds; the errors are those of ``rows``."""
    if reading.target is None:
        return float("nan")
    reported = float(reading.working(reading.target.reported, np.inf))
    each = [
        (float(reading.working(one.measured.simulated[place], horizon)) - reported) / one.measured.sd[place]
        for one in rows
    ]
    return float(np.mean(each))


def _target(
    reading: Reading, place: int, made: Calibration, parts: Mapping[str, Any], horizon: float
) -> dict[str, Any]:
    target, winner = reading.target, parts["winner"]
    assert target is not None
    factor = _factor(reading)
    value, low, high = (_mean(winner, name, place) for name in ("simulated", "low", "high"))
    mc = _spread(winner, place)
    return target_row(target, value, None if np.isnan([low, high]).all() else (low, high)) | {
        "study": made.scenarios[reading.study].name,
        "reference": target.reference,
        "fit_weight": reading.weight,
        "start": _number(float(parts["start"].measured.simulated[place]) * factor),
        "mc_se": None if mc is None else mc * factor,
        "interval_posterior": _with_parameters(reading, place, parts.get("predictive")),
        "z": _number(_distance(reading, place, winner, horizon)),
    }


def _screening(objective: Objective, found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**found, "outputs": ["misfit", *(_label(r) for r in objective.readings if r.weight > 0)]}


def _label(reading: Reading) -> str:
    assert reading.target is not None
    arm = f", {reading.target.arm}" if reading.target.arm and reading.quantity.rule.scope == "arm" else ""
    return f"{reading.target.id} {reading.target.quantity}{arm}"


def _optimise(objective: Objective, made: Calibration, found: Any, log: Log) -> dict[str, Any]:
    rows = []
    for record in log.stage("optimise"):
        index, latent = int(record["index"]), np.array(record["latent"])
        one = objective.compared(latent, measured(record))
        rows.append(
            {
                "index": index,
                "generation": record["seed"] - made.seed,
                "values": [float(x) for x in objective.values(latent)],
                "loss": one.loss,
                "failed": bool(one.failure),
            }
        )
    sigma = made.optimise.sigma if made.optimise is not None else None
    return {
        "generations": found.generations,
        "population": found.population,
        "sigma": sigma,
        "stop": found.stop,
        "evaluations": rows,
    }


def _posterior(objective: Objective, found: Posterior | None, draws: FloatArray | None) -> dict[str, Any] | None:
    if found is None or draws is None:
        return None
    kept = [place for place, reading in enumerate(objective.readings) if reading.weight > 0]
    shown = sum(reading.target is not None for reading in objective.readings)
    told = found.as_json()
    summaries = []
    for row in found.summaries:
        whole: list[float | None] = [None] * shown
        for place, value in zip(kept, row, strict=True):
            reading = objective.readings[place]
            whole[place] = _number(float(_unworked(reading, np.array(value))) * _factor(reading))
        summaries.append(whole)

    def values(rows: FloatArray) -> list[list[float]]:
        return [[float(x) for x in objective.values(row)] for row in rows]

    return told | {
        "particles": values(found.particles),
        "adjusted": values(found.adjusted),
        "draws": values(draws),
        "summaries": summaries,
    }


def _rival(objective: Objective, made: Calibration, one: Mapping[str, Any]) -> dict[str, Any]:
    rival, rows = one["rival"], one["evaluations"]
    shown = [(place, r) for place, r in enumerate(objective.readings) if r.target is not None]
    return {
        "name": rival.name,
        "label": rival.label or rival.name.replace("_", " "),
        "settings": list(rival.set),
        "refitted": one["refitted"],
        "values": dict(zip(one["names"], (float(x) for x in one["values"]), strict=True)),
        "loss": _number(float(np.mean([r.loss for r in rows]))),
        "misfit": _number(float(np.mean([r.misfit for r in rows]))),
        "targets": [_number(_mean(rows, "simulated", place) * _factor(r)) for place, r in shown],
        "z": [_number(_distance(r, place, rows, objective.horizons[r.study])) for place, r in shown],
        "windows": _windows(objective, made, rows, None),
    }


def _windows(
    objective: Objective, made: Calibration, rows: Sequence[Evaluation], predictive: Sequence[Any] | None
) -> list[dict[str, Any]]:
    """Predictions: hazard ratios in windows of follow-up, which no fit has seen."""
    found = []
    for place, reading in enumerate(objective.readings):
        if reading.target is not None:
            continue
        scenario = made.scenarios[reading.study]
        start, stop = (*(time / MONTH for time in reading.quantity.times), None, None)[:2]
        last = stop is None or stop * MONTH >= scenario.trial.horizon
        found.append(
            {
                "study": scenario.name,
                "endpoint": reading.quantity.subject,
                "arm": scenario.arm_names[reading.arms[0]],
                "reference": scenario.arm_names[reading.arms[1]],
                "from": round(start or 0.0, 3),
                "to": None if last or stop is None else round(stop, 3),
                "hr": _number(_mean(rows, "simulated", place)),
                "ci": None,
                "mc_se": _spread(rows, place),
                "events": None,
                "interval": _with_parameters(reading, place, predictive)
                or _pair(_mean(rows, "low", place), _mean(rows, "high", place)),
            }
        )
    return found


def _residuals(targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """What still differs, largest first."""
    fitted = [t for t in targets if t["fit_weight"] > 0 and t["z"] is not None]
    said = []
    for t in sorted(fitted, key=lambda one: -abs(one["z"])):
        if abs(t["z"]) < WORTH_SAYING:
            break
        arm = f" ({t['arm']})" if t["arm"] else ""
        side = "above" if t["z"] > 0 else "below"
        unit = {"month": " months", "patient": ""}.get(t["unit"], "")
        said.append(
            f"{t['id']} {t['quantity']}{arm}: simulated {t['simulated']:.3g}{unit} lies {abs(t['z']):.1f} "
            f"sampling errors {side} the reported {t['reported']:.3g}{unit}."
        )
    if not said:
        said = ["Every fitted figure lies within one sampling error of the reported one."]
    return said
