"""Cohorts of equal patients for laws with a closed form: what differs between them is their luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from tumorsim.api import study_of
from tumorsim.cohort import draw
from tumorsim.interventions.base import Recipients
from tumorsim.interventions.events import build_events
from tumorsim.kernels import layout
from tumorsim.models.patient import simulate_batch
from tumorsim.scenario import load
from tumorsim.trial import Study, _cohort, _outcomes, _policy, study_roster

ADJUVANT = "scenarios/hcc_adjuvant_cik_rct.yaml"
NO_DEATH = {"other_rate": 0.0, "tumour_rate": 0.0, "liver_rate": 0.0}
Event = tuple[float, int, int, float]


@dataclass
class Made:
    """A finished batch: outcomes, trajectories of all patients (n, times), and the times."""

    event: np.ndarray
    trace: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class Typical:
    """A patient of the adjuvant scenario with typical parameters, its treatments and the protocol."""

    cohort: layout.Cohort
    policy: np.ndarray


@cache
def typical() -> Typical:
    """One patient without any variation between patients, untreated; nobody changes it."""
    study: Study = study_of(load(ADJUVANT, ["population.patients=1"]))
    number = np.zeros(1, np.int64)
    patients = draw(study.disease, study.population, study.design, number, study.seed)
    for process in ("growth", "resistance", "vessels", "trafficking", "suppression", "memory", "liver", "hazards"):
        block = getattr(study.disease, process)
        for name, value in zip(block.names(), block.values(), strict=True):
            patients.traits[process][name] = value
    roster = study_roster(study)
    recipients = Recipients(number, patients.covariates["weight"], patients.body_surface, np.ones(1))
    nothing = build_events((), roster, recipients, study.seed, study.design.horizon)
    return Typical(_cohort(study, study.arms[0], patients, roster, nothing), _policy(study, roster, 1e-6))


def run(
    patients: int,
    end: float,
    *,
    lesions: Sequence[Mapping[str, object]] = (),
    events: Sequence[Event] = (),
    traits: Mapping[str, Mapping[str, float]] | None = None,
    drug: Mapping[str, float] | None = None,
    times: Sequence[float] = (),
    seed: int = 1,
    tolerance: float = 1e-6,
) -> Made:
    """Run equal patients to day ``end`` with the product's kernel.

    Parameters
    ----------
    lesions
        Fields of `layout.LESION` by name; each patient has all of them.
    events
        Rows (day, kind, index, value), the same for all.
    traits, drug
        Parameters to change, by process and name; those of the first drug.
    times
        Days at which every patient's trajectory is kept.
    tolerance
        Relative tolerance of the integrator.
    """
    made = typical()
    cohort = made.cohort
    many = {name: np.repeat(getattr(cohort, name)[:1], patients, axis=0) for name in ("traits", "drugs", "products")}
    many["traits"]["number"], many["traits"]["end"] = np.arange(patients), end
    for process, values in ({"hazards": NO_DEATH} | dict(traits or {})).items():
        for name, value in values.items():
            many["traits"][process][name] = value
    for name, value in (drug or {}).items():
        many["drugs"][name][:, 0] = value
    rows = np.zeros(len(lesions), layout.LESION)
    for row, lesion in zip(rows, lesions, strict=True):
        row["threshold"], row["mark"], row["capacity"] = 1e6, 1.0, 1e12
        for name, value in lesion.items():
            row[name] = value
    table = np.array([tuple(event) for event in events], dtype=layout.EVENT)
    policy = made.policy.copy()
    policy["seed"], policy["relative_tolerance"] = seed, tolerance
    batch = cohort._replace(
        **many, lesion_offset=np.arange(patients + 1, dtype=np.int64) * rows.size, lesions=np.tile(rows, patients),
        event_offset=np.arange(patients + 1, dtype=np.int64) * table.size, events=np.tile(table, patients),
    )  # fmt: skip
    at = np.array(times, dtype=float)
    outcomes = _outcomes(np.arange(patients), np.ones(patients), patients if at.size else 0, 0, at)
    simulate_batch(batch, policy, outcomes, np.arange(patients), np.zeros(1, np.int64))
    assert (outcomes.event["status"] == 0).all(), outcomes.event[outcomes.event["status"] > 0][:3]
    return Made(outcomes.event, outcomes.trace, at)
