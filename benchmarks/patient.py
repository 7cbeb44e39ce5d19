"""The patient model: rate, error beside it, threads, start-up, and SciPy's LSODA on the same work."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analytic"))

from event_driver import EVALUATIONS, Bench, bench, lsoda, ours, run_patient
from integrator_table import floors

from benchmarks.figure import Figure, seconds
from tumorsim.api import study_of
from tumorsim.kernels import layout
from tumorsim.models.patient import simulate_batch
from tumorsim.scenario import load
from tumorsim.trial import RELATIVE_TOLERANCE, Study, run_trial

SCENARIO = "scenarios/hcc_adjuvant_cik_rct.yaml"
PAPER = 226  # patients of the published trial
REFERENCE = 1e-11


def study(patients: int) -> Study:
    """The adjuvant trial with so many virtual patients, nothing traced."""
    return study_of(load(SCENARIO, [f"population.patients={patients}", "output.traced_patients=0"]))


def cohort(patients: int, repeats: int) -> list[Figure]:
    """Whole cohort, both arms, at one and two threads, interleaved."""
    work = study(patients)
    data = run_trial(work)  # warm
    one, two = [], []
    for _ in range(repeats):
        one.append(seconds(lambda: run_trial(work, threads=1)))
        two.append(seconds(lambda: run_trial(work, threads=2)))
    steps, best = float(data["steps"].sum()), statistics.median(one)
    ratio = statistics.median(a / b for a, b in zip(one, two, strict=True))
    years = patients * (138.0 - 15.0) / 12.0 * 2
    return [
        Figure(f"{patients} patients, both arms, 1 thread", best, "s"),
        Figure("patient-years", years / best, "1/s"),
        Figure("accepted steps", steps / best, "1/s"),
        Figure("2 threads against 1", patients * 2 / statistics.median(two), "courses/s", None, "1 thread", ratio, 1.8),
    ]


def kernel(patients: int, repeats: int) -> list[Figure]:
    """The kernel alone on the cell arm, where nobody dies: evaluations of the right-hand side, rejected steps."""
    made = bench(study(patients), 1, np.arange(patients), [])
    made.policy["relative_tolerance"] = RELATIVE_TOLERANCE
    for cause in ("tumour_rate", "liver_rate", "other_rate"):
        made.cohort.traits["hazards"][cause] = 0.0
    outcomes = [empty(made) for _ in range(repeats)]
    times = [seconds(lambda out=out: simulate_batch(made.cohort, made.policy, out, 0, patients)) for out in outcomes]
    accepted, rejected = float(outcomes[0].event["steps"].sum()), float(outcomes[0].memo["rejected"].sum())
    evaluations = EVALUATIONS * (accepted + rejected)
    return [
        Figure("right-hand side, steps and events included", evaluations / statistics.median(times), "1/s"),
        Figure("rejected steps", 100.0 * rejected / (accepted + rejected), "%"),
    ]


def empty(made: Bench) -> layout.Outcomes:
    """Outputs of the kernel, nobody traced."""
    n = made.cohort.traits.size
    return layout.Outcomes(
        np.zeros(n, layout.OUTCOME), np.zeros((n, made.visits), layout.VISIT), np.zeros((1, 0), layout.TRACE),
        np.zeros(0), np.full(n, -1), np.zeros(n, layout.MEMO),
    )  # fmt: skip


def against_lsoda(patients: int, repeats: int) -> list[Figure]:
    """The same patients, events and right-hand side by LSODA, at an error no better than ours.

    LSODA's own relative tolerance is set to the loosest power of ten whose error is
    at most ours, so that neither is compared at an accuracy it does not have.
    """
    made = bench(study(patients), 1, np.arange(patients), [])
    made.cohort.products["kill_rate"] = 0.3  # no lesion dies out, so that both solve the same equations
    until = 5 * 365.25
    truth = [run_patient(made, i, lsoda(REFERENCE), until)[1] for i in range(patients)]
    error = worst(made, truth, ours, until)
    peer = next((t for t in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9) if worst(made, truth, lsoda(t), until) <= error), 1e-9)
    ratios = []
    for _ in range(repeats):
        mine = seconds(lambda: [run_patient(made, i, ours, until, RELATIVE_TOLERANCE) for i in range(patients)])
        theirs = seconds(lambda: [run_patient(made, i, lsoda(peer), until) for i in range(patients)])
        ratios.append(theirs / mine)
    ratio = statistics.median(ratios)
    name = f"SciPy LSODA, rtol {peer:.0e}, compiled right-hand side"
    needed, theirs_needed = (evaluations(made, carry, until) for carry in (ours, lsoda(peer)))
    return [
        Figure("5 years of a patient, event loop in Python", patients / mine, "patients/s", error, name, ratio),
        Figure("evaluations for it", needed, "a patient", error, name, theirs_needed / needed),
    ]


def evaluations(made: Bench, carry: Any, until: float) -> float:
    """Evaluations of the right-hand side for one patient, rejected steps of ours left out."""
    patients = made.cohort.traits.size
    return EVALUATIONS * statistics.mean(
        run_patient(made, i, carry, until, RELATIVE_TOLERANCE)[2] for i in range(patients)
    )


def worst(made: Any, truth: list[list[np.ndarray]], carry: Any, until: float) -> float:
    """Largest relative difference from the reference over all states before every event."""
    drugs, products = made.cohort.drugs.shape[1], made.cohort.products.shape[1]
    largest = 0.0
    for i, states in enumerate(truth):
        found = run_patient(made, i, carry, until, RELATIVE_TOLERANCE)[1]
        for a, b in zip(found, states, strict=True):
            largest = max(largest, float(np.max(np.abs(a - b) / np.maximum(np.abs(b), floors(b, drugs, products)))))
    return largest


START = "import time; t = time.perf_counter(); import tumorsim.api as a; from tumorsim.scenario import load; \
from tumorsim.trial import warm_up; warm_up(a.study_of(load('{}'))); print(time.perf_counter() - t)"


def start_up() -> list[Figure]:
    """A fresh process up to the first simulated patient: without and with a cache of compiled kernels."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TUMORSIM_CACHE_DIR": folder}
        times = [
            float(
                subprocess.run(
                    [sys.executable, "-c", START.format(SCENARIO)],
                    env=environment,
                    capture_output=True,
                    check=True,
                    text=True,
                ).stdout
            )
            for _ in range(2)
        ]
    return [Figure("cold start, all compilation", times[0], "s"), Figure("start with a warm cache", times[1], "s")]
