"""A small made-up trial with every declared array plausible; no simulator is involved.

For tests of whatever reads a finished trial: end points, statistics, store,
figures, report. The numbers come from simple event-time laws, so that a test
can know what it should find (``effect`` multiplies the recurrence hazard of
every arm but the first).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorsim.variables import VARIABLES, TrialData

MONTH = 365.25 / 12.0
NAMES = (("control", "No adjuvant treatment"), ("cik", "CIK"), ("cik_high", "CIK, high"), ("cik_low", "CIK, low"))
ADVANCED_NAMES = (("sorafenib", "Sorafenib"), ("combination", "Sorafenib + CIK"), ("high", "High"), ("low", "Low"))


@dataclass(frozen=True)
class Plan:
    """Fixed figures of a setting: times in days, hazards per day."""

    visits: np.ndarray
    accrual: float
    cutoff: float
    progression_hazard: float
    tumour_hazard: float
    other_hazard: float
    liver_hazard: float
    dropout_hazard: float
    horizon: float


ADJUVANT = Plan(
    visits=np.concatenate([np.arange(1, 9) * 91.0, 728.0 + np.arange(1, 27) * 137.0]),
    accrual=910.0, cutoff=4200.0, progression_hazard=6.5e-4, tumour_hazard=2.0e-4, other_hazard=4.0e-5,
    liver_hazard=1.0e-5, dropout_hazard=4.0e-5, horizon=4200.0,
)  # fmt: skip
ADVANCED = Plan(
    visits=np.arange(0, 21) * 56.0,
    accrual=540.0, cutoff=1200.0, progression_hazard=4.5e-3, tumour_hazard=3.0e-3, other_hazard=1.0e-4,
    liver_hazard=3.0e-4, dropout_hazard=3.0e-4, horizon=1200.0,
)  # fmt: skip


def make_trial(
    n: int = 40,
    arms: int = 2,
    setting: str = "adjuvant",
    seed: int = 0,
    allocation: str = "twins",
    effect: float = 0.6,
    trace: int = 4,
) -> TrialData:
    """A finished toy trial.

    Parameters
    ----------
    n
        Virtual patients.
    arms
        Arms, 1 to 4; the first is the reference.
    setting
        ``adjuvant`` or ``advanced``.
    seed
        Seed of `numpy.random.default_rng`.
    allocation
        ``twins`` or ``randomised`` (patients go round the arms in turn).
    effect
        Factor on the recurrence hazard in every arm but the first.
    trace
        Patients with stored trajectories (at most ``n``).

    Returns
    -------
    TrialData
        With every array of `VARIABLES`, of the declared shape.
    """
    plan = ADJUVANT if setting == "adjuvant" else ADVANCED
    names = (NAMES if setting == "adjuvant" else ADVANCED_NAMES)[:arms]
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = _covariates(rng, n, setting, plan)
    arrays["assigned"] = _assigned(n, arms, allocation)
    luck = {name: rng.exponential(size=n) for name in ("progression", "tumour", "other", "liver", "dropout", "viable")}
    noise = rng.normal(0.0, 0.05, (n, plan.visits.size))
    jitter = rng.uniform(-6.0, 6.0, (n, plan.visits.size)) * (plan.visits > 0)
    depth = rng.normal(-0.2, 0.25, n)
    scheduled = plan.visits + jitter
    per_arm = [
        _arm(arm, effect if arm else 1.0, plan, setting, arrays, luck, noise, scheduled, depth) for arm in range(arms)
    ]
    arrays |= {name: np.stack([one[name] for one in per_arm]) for name in per_arm[0]}
    traced = np.arange(min(trace, n), dtype=np.int64)
    time = np.linspace(0.0, plan.horizon, 61)
    arrays |= _trajectories(arms, traced.size, time, setting)
    ordered = {v.name: arrays[v.name] for v in VARIABLES}
    return TrialData(
        arms=tuple(name for name, _ in names),
        labels=tuple(label for _, label in names),
        arrays=ordered,
        patient=np.arange(n, dtype=np.int64),
        trace=traced,
        time=time,
        setting=setting,
        allocation=allocation,
    )


def _assigned(n: int, arms: int, allocation: str) -> np.ndarray:
    if allocation == "twins":
        return np.ones((arms, n), dtype=np.int8)
    return (np.arange(n)[None, :] % arms == np.arange(arms)[:, None]).astype(np.int8)


def _covariates(rng: np.random.Generator, n: int, setting: str, plan: Plan) -> dict[str, Any]:
    adjuvant = setting == "adjuvant"
    cirrhosis = rng.random(n) < 0.6
    return {
        "age": np.clip(rng.normal(55.0, 9.0, n), 25.0, 85.0),
        "male": (rng.random(n) < 0.8).astype(np.int8),
        "weight": np.clip(rng.normal(66.0, 10.0, n), 40.0, 110.0),
        "hbv": (rng.random(n) < 0.81).astype(np.int8),
        "cirrhosis": cirrhosis.astype(np.int8),
        "platelets": np.clip(rng.normal(160.0, 45.0, n) - 35.0 * cirrhosis, 40.0, 400.0),
        "child_pugh": (rng.random(n) < (0.0 if adjuvant else 0.2)).astype(np.int8),
        "modality": (rng.choice([1, 2, 3], n, p=[0.31, 0.585, 0.105]) if adjuvant else np.zeros(n)).astype(np.int8),
        "index_diameter": np.exp(rng.normal(np.log(21.0 if adjuvant else 65.0), 0.35, n)),
        "index_number": rng.choice([1, 2, 3], n, p=[0.8, 0.15, 0.05]).astype(np.int16),
        "enrolment_time": np.sort(rng.uniform(0.0, plan.accrual, n)),
        "lymphocyte_factor": np.clip(rng.lognormal(0.0, 0.25, n), 0.3, 2.0),
        "growth_rate": rng.lognormal(np.log(0.0081), 0.9, n),
    }


def _arm(
    arm: int, effect: float, plan: Plan, setting: str, covariates: dict[str, Any], luck: dict[str, np.ndarray],
    noise: np.ndarray, scheduled: np.ndarray, depth: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Arrays of one arm, without the arm axis."""
    n = depth.size
    onset = luck["progression"] / (plan.progression_hazard * effect)
    viable_onset = 0.8 * onset + 0.2 * luck["viable"] / plan.progression_hazard
    tumour = onset + luck["tumour"] / plan.tumour_hazard
    causes = np.stack([tumour, luck["liver"] / plan.liver_hazard, luck["other"] / plan.other_hazard])
    death = causes.min(axis=0)
    cutoff = plan.cutoff - covariates["enrolment_time"]
    dropout = luck["dropout"] / plan.dropout_hazard
    dropout = np.where(dropout < np.minimum(cutoff, death), dropout, np.nan)
    censor = np.fmin(cutoff, dropout)
    dead = death <= cutoff
    taken = scheduled <= np.minimum(censor, death)[:, None]
    out = _visits(setting, covariates, onset, viable_onset, scheduled, taken, noise, depth - (0.12 if arm else 0.0))
    resistant = 0.7 * onset
    regrown = 0.9 * onset if setting == "advanced" else np.full(n, np.nan)
    infusions = np.zeros(n, dtype=np.int16)
    if arm:
        infusions = np.minimum(16, (np.fmin(death, censor) / 26.0).astype(np.int16) + 1)
    progressed = np.isfinite(out["progression_time"])
    return out | {
        "censor_time": censor,
        "dropout_time": dropout,
        "death_time": np.where(dead, death, np.nan),
        "death_cause": np.where(dead, causes.argmin(axis=0) + 1, 0).astype(np.int8),
        "salvage": np.where(progressed, 1 + (np.arange(n) % 4), 0).astype(np.int8),
        "infusions": infusions,
        "cells_infused": infusions * 6.4e9 * covariates["lymphocyte_factor"],
        "resistant_time": np.where(resistant <= np.minimum(cutoff, death), resistant, np.nan),
        "resistant_regrowth_time": np.where(regrown <= np.minimum(cutoff, death), regrown, np.nan),
        "lesions_extinct": (np.arange(n) % 3).astype(np.int16),
        "steps": np.full(n, 900 + 10 * arm, dtype=np.int64),
        "status": np.zeros(n, dtype=np.int8),
        "failure_time": np.full(n, np.nan),
    }


def _visits(
    setting: str, covariates: dict[str, Any], onset: np.ndarray, viable_onset: np.ndarray, scheduled: np.ndarray,
    taken: np.ndarray, noise: np.ndarray, depth: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    recurred = taken & (scheduled >= onset[:, None])
    viable_recurred = taken & (scheduled >= viable_onset[:, None])
    if setting == "adjuvant":
        size = np.where(recurred, 12.0 * (1.0 + noise) * np.exp(2e-3 * np.fmax(scheduled - onset[:, None], 0.0)), 0.0)
        viable, pd, viable_pd = size, recurred, recurred
        response = np.where(recurred, 4, 1)
        viable_response = response
    else:
        course = np.clip(depth[:, None] * (1.0 - np.exp(-scheduled / 60.0)), -1.0, 0.6)
        grow = np.expm1(np.clip((scheduled - onset[:, None]) * 4e-3, 0.0, 1.5))
        base = covariates["index_diameter"][:, None]
        size = base * np.maximum(1.0 + course + grow + noise * (scheduled > 0), 0.0)
        viable = np.maximum(size - 0.1 * base, 0.0)
        response, viable_response = _respond(size, taken), _respond(viable, taken)
        response = np.where(taken & (scheduled <= 0), 0, response)
        viable_response = np.where(taken & (scheduled <= 0), 0, viable_response)
        pd, viable_pd = recurred | (response == 4), viable_recurred | (viable_response == 4)
        response, viable_response = np.where(pd, 4, response), np.where(viable_pd, 4, viable_response)
    new = recurred & (np.cumsum(recurred, axis=1) == 1)
    return {
        "visit_time": np.where(taken, scheduled, np.nan),
        "sum_diameters": np.where(taken, size, np.nan),
        "sum_viable_diameters": np.where(taken, viable, np.nan),
        "lesions_seen": np.where(taken & (size > 0), covariates["index_number"][:, None], 0).astype(np.int16),
        "new_lesion": new.astype(np.int8),
        "response_recist": np.where(taken, response, 0).astype(np.int8),
        "response_mrecist": np.where(taken, viable_response, 0).astype(np.int8),
        "progression_time": _first(scheduled, pd),
        "mrecist_progression_time": _first(scheduled, viable_pd),
    }


def _respond(size: np.ndarray, taken: np.ndarray) -> np.ndarray:
    base = size[:, :1]
    nadir = np.minimum.accumulate(np.where(taken, size, np.inf), axis=1)
    before = np.concatenate([nadir[:, :1], nadir[:, :-1]], axis=1)
    pd = (size >= 1.2 * before) & (size - before >= 5.0)
    return np.where(pd, 4, np.where(size <= 0.0, 1, np.where(size <= 0.7 * base, 2, 3)))


def _first(time: np.ndarray, hit: np.ndarray) -> np.ndarray:
    return np.where(hit.any(axis=1), np.take_along_axis(time, hit.argmax(axis=1)[:, None], axis=1)[:, 0], np.nan)


def _trajectories(arms: int, traced: int, time: np.ndarray, setting: str) -> dict[str, np.ndarray]:
    shape = (arms, traced, time.size)
    factor = (1.0 + 0.1 * np.arange(traced))[None, :, None] * (1.0 - 0.15 * np.arange(arms))[:, None, None]
    t = np.broadcast_to(time, shape)
    start = 1e6 if setting == "adjuvant" else 5e9
    sensitive = start * factor * np.exp(np.clip(-2e-3 * t, -8.0, 0.0))
    resistant = np.minimum(1e-3 * start * factor * np.exp(np.clip(4e-3 * t, 0.0, 25.0)), 1e11)
    dead = 0.1 * sensitive
    volume = (sensitive + resistant + dead) / 2.06e8
    treated = (np.arange(arms) > 0).astype(float)[:, None, None]
    blood = treated * 1e8 * np.exp(-((t % 28.0) / 7.0)) * (t < 430.0)
    window = t * np.exp(-t / 30.0) / 30.0
    values = {
        "sensitive": sensitive,
        "resistant": resistant,
        "antigen_low": 0.05 * (sensitive + resistant),
        "dead_cells": dead,
        "tumour_volume": volume,
        "largest_diameter": 10.0 * np.cbrt(6.0 * volume / np.pi),
        "lesions": np.ones(shape) + (t > 0.5 * time[-1]),
        "drug_concentration": np.where(setting == "advanced", 44.0 * (1.0 + np.exp(-t / 90.0)), 0.0),
        "effectors_blood": blood,
        "effectors_lung": 0.5 * blood,
        "effectors_liver": 1.5 * blood,
        "effectors_tumour": 1e-3 * blood,
        "effectors_exhausted": 5e-4 * blood,
        "memory": treated * 0.3 * (1.0 - np.exp(-t / 200.0)),
        "liver_reserve": np.exp(-1e-4 * t) * np.ones(shape),
        "capacity": 3.0 * (sensitive + resistant),
        "maturity": 0.4 + 0.4 * window,
        "perfusion": 0.6 + 0.3 * window,
        "vegf": 80.0 + 20.0 * np.log10(1.0 + sensitive + resistant),
    }
    return {name: np.ascontiguousarray(np.broadcast_to(value, shape), dtype=float) for name, value in values.items()}
