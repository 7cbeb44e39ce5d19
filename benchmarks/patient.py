"""The patient model: rates, threads, growth with the number of patients, and the kernel alone."""

from __future__ import annotations

import statistics
import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analytic"))

from event_driver import EVALUATIONS, Bench, bench

from benchmarks.figure import Figure
from benchmarks.timing import in_turn, own_seconds, ratio, seconds, spread
from tumorsim.api import study_of
from tumorsim.kernels import layout
from tumorsim.models.patient import simulate_batch
from tumorsim.scenario import load
from tumorsim.threads import most_lesions_first as in_a_trial
from tumorsim.trial import RELATIVE_TOLERANCE, Study, run_trial

SCENARIO = "scenarios/hcc_adjuvant_cik_rct.yaml"
PAPER = 226  # patients of the published trial
ARMS = 2
LARGE = 2_000  # patients; lanes that stand empty at the end no longer count
ONCE = 1_000  # patients above which once is enough
AIM_OF_TWO_THREADS = 1.8, 1.9


def study(patients: int) -> Study:
    """The adjuvant trial with so many virtual patients, nothing traced."""
    return study_of(load(SCENARIO, [f"population.patients={patients}", "output.traced_patients=0"]))


def cohorts(quick: bool, repeats: int) -> list[Figure]:
    """Everything of this suite."""
    sizes = (30, 100) if quick else (100, 1_000, 10_000)
    return (
        cohort(50 if quick else PAPER, repeats)
        + threads(100 if quick else LARGE, repeats)
        + growth(sizes, repeats)
        + kernel(16 if quick else 64, repeats)
    )


def cohort(patients: int, repeats: int) -> list[Figure]:
    """Whole cohort, both arms, on one thread."""
    work = study(patients)
    data = run_trial(work)  # warm
    times = [seconds(partial(run_trial, work)) for _ in range(repeats)]
    best, courses = statistics.median(times), ARMS * patients
    return [
        Figure(f"adjuvant trial, {patients} patients in {ARMS} arms", best, "s", noise=spread(times)),
        Figure("courses of patients, up to 10 years", courses / best, "courses/s", noise=spread(times)),
        Figure("accepted steps", float(data["steps"].sum()) / best, "1/s"),
        two_threads(work, patients, repeats),
    ]


def threads(patients: int, repeats: int) -> list[Figure]:
    """A cohort beside which the last patients, who leave lanes empty on either thread, are few."""
    return [two_threads(study(patients), patients, repeats)]


def two_threads(work: Study, patients: int, repeats: int) -> Figure:
    """A whole trial at one and two threads, in turn."""
    times = in_turn({"one": partial(run_trial, work), "two": partial(run_trial, work, threads=2)}, repeats)
    faster, noise = ratio(times["one"], times["two"])
    rate = ARMS * patients / statistics.median(times["two"])
    goal, stretch = AIM_OF_TWO_THREADS
    return Figure(
        f"cohort of {patients:,}, 2 threads", rate, "courses/s", None, "1 thread", faster, goal, stretch, noise=noise
    )


def growth(sizes: tuple[int, ...], repeats: int) -> list[Figure]:
    """Rate over the number of patients: constant if time grows in proportion."""
    found = []
    for patients in sizes:
        work = study(patients)
        often = repeats if patients <= ONCE else 1
        times = [seconds(partial(run_trial, work)) for _ in range(often)]
        rate = ARMS * patients / statistics.median(times)
        found.append(Figure(f"trial of {patients:,} patients", rate, "courses/s", noise=spread(times)))
    return found


def kernel(patients: int, repeats: int) -> list[Figure]:
    """The kernel alone on the cell arm, where nobody dies: evaluations of the right-hand side, rejected steps."""
    made = bench(study(patients), 1, np.arange(patients), [])
    made.policy["relative_tolerance"] = RELATIVE_TOLERANCE
    for cause in ("tumour_rate", "liver_rate", "other_rate"):
        made.cohort.traits["hazards"][cause] = 0.0
    outcomes, rows = [empty(made) for _ in range(repeats)], most_lesions_first(made)
    times = [
        own_seconds(lambda out=out: simulate_batch(made.cohort, made.policy, out, rows, np.zeros(1, np.int64)))
        for out in outcomes
    ]
    accepted, rejected = float(outcomes[0].event["steps"].sum()), float(outcomes[0].memo["rejected"].sum())
    evaluations = EVALUATIONS * (accepted + rejected) / statistics.median(times)
    return [
        Figure(
            "right-hand side, steps and events included", evaluations, "1/s", noise=spread(times),
            kernel="right-hand side", per_second=evaluations,
        ),
        Figure("rejected steps", 100.0 * rejected / (accepted + rejected), "%"),
    ]  # fmt: skip


def most_lesions_first(made: Bench) -> np.ndarray:
    """Rows of all patients in the order in which a trial hands them to the kernel."""
    return in_a_trial(made.cohort, np.arange(made.cohort.traits.size))


def empty(made: Bench) -> layout.Outcomes:
    """Outputs of the kernel, nobody traced."""
    n = made.cohort.traits.size
    return layout.Outcomes(
        np.zeros(n, layout.OUTCOME), np.zeros((n, made.visits), layout.VISIT), np.zeros((1, 0), layout.TRACE),
        np.zeros(0), np.full(n, -1), np.zeros(n, layout.MEMO),
    )  # fmt: skip
