"""Writes the results of ``docs/theory/observational.md``: what each bias of the cohort does to the hazard ratio.

    python docs/_ext/observational.py

takes a few minutes. The text between the two marks of the page is replaced. A test compares the
fingerprint there with the scenario, so the numbers cannot outlive a change of the parameters.

Every patient is simulated twice, treated and with a single cell of each infusion ("inert", which does
nothing but marks who came to be treated). The cohorts differ only in who is counted where, so each
is drawn many times from these courses and the log hazard ratios are averaged.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tumorsim import api, summary
from tumorsim.cohort.assignment import probabilities, terms
from tumorsim.endpoints import outcome
from tumorsim.endpoints.survival import Survival
from tumorsim.scenario import Scenario, load
from tumorsim.statistics import hazard_ratio, kaplan_meier
from tumorsim.statistics.observational import pair_up
from tumorsim.variables import TrialData

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "theory" / "observational.md"
SCENARIO = ROOT / "scenarios" / "hcc_adjuvant_cik_rwd.yaml"
BEGIN, END = "<!-- results: python docs/_ext/observational.py -->", "<!-- end of results -->"
PATIENTS, ALLOCATIONS, MATCHED_ALLOCATIONS, BATCHES = 4000, 100, 20, 10
MONTH = 365.25 / 12.0
INERT = 'arms.cik.treatments.0.dose="1 cells"'
BY_LOT, AS_MEANT = "trial.assignment.log_odds={}", "trial.assignment.membership=intended"
EVERYBODY = (BY_LOT, "trial.assignment.share=0.9999999")
WAITS = ("[14 day, 15 day]", "[14 day, 70 day]", "[14 day, 154 day]")
# what is compared once the baseline is scaled
SHOWN = ("W-5", "W-6", "W-7", "W-8", "W-11", "W-12")
REPORTED_MEDIAN = 64.7  # months, controls before matching (W-5)


@dataclass(frozen=True)
class Courses:
    """Recurrence-free survival of every patient, treated or not, and who would come to be treated."""

    scenario: Scenario
    data: TrialData
    treated: Survival
    untreated: Survival
    received: np.ndarray
    probability: np.ndarray

    def log_hr(self, chosen: np.ndarray, inert: bool, rows: np.ndarray, others: np.ndarray | None = None) -> float:
        """Log hazard ratio of ``chosen`` against ``others`` (the rest) among ``rows``."""
        one = self.untreated if inert else self.treated
        rest = ~chosen if others is None else others
        found = hazard_ratio(
            Survival(one.time, one.event, chosen & rows),
            Survival(self.untreated.time, self.untreated.event, rest & rows),
        ).log_hr
        return np.nan if found is None else found


def merged(data: TrialData) -> Survival:
    """Recurrence-free survival of each patient in whichever arm he is."""
    control, treated = (outcome(data, "rfs", arm) for arm in (0, 1))
    return Survival(
        np.where(treated.included, treated.time, control.time),
        np.where(treated.included, treated.event, control.event),
        treated.included | control.included,
    )


def courses(patients: int, *settings: str, threads: int | None = None) -> Courses:
    """Both courses of the first patients of the shipped cohort."""
    shipped = load(SCENARIO, settings, patients)
    runs = [api.simulate(load(SCENARIO, [*settings, *EVERYBODY, *more], patients), threads=threads)
            for more in ((), (INERT,))]  # fmt: skip
    assignment = shipped.trial.assignment
    assert assignment is not None
    return Courses(
        shipped, runs[0], merged(runs[0]), merged(runs[1]), np.asarray(runs[0]["assigned"][1]) == 1,
        probabilities(shipped.population, assignment, runs[0].arrays),
    )  # fmt: skip


def cohorts(made: Courses, seed: int, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Who is meant for the cells, by lot and as the patients are chosen; the same draw for both."""
    assert made.scenario.trial.assignment is not None
    share = made.scenario.trial.assignment.share
    draws = np.random.default_rng(seed).random((number, made.received.size))
    return [(u < share, u < made.probability) for u in draws]


def matched_log_hr(made: Courses, chosen: np.ndarray, inert: bool, rows: np.ndarray) -> float:
    """The same among pairs by propensity score."""
    matching = made.scenario.trial.matching
    assert matching is not None
    places = np.flatnonzero(rows)
    pairs = places[pair_up(terms(made.data.arrays, matching.covariates)[places], chosen[places], matching.caliper)]
    sides = np.zeros((2, rows.size), dtype=bool)
    sides[0, pairs[:, 0]] = sides[1, pairs[:, 1]] = True
    return made.log_hr(sides[0], inert, rows, sides[1])


LogHr = Callable[[Courses, np.ndarray, bool, np.ndarray], float]
# name -> whether the choice depends on the patient, whether membership needs an infusion, and the analysis
VARIANTS: dict[str, tuple[bool, bool, LogHr]] = {
    "randomised": (False, False, lambda made, chosen, inert, rows: made.log_hr(chosen, inert, rows)),
    "confounded only": (True, False, lambda made, chosen, inert, rows: made.log_hr(chosen, inert, rows)),
    "confounded, matched": (True, False, matched_log_hr),
    "immortal time only": (False, True, lambda made, chosen, inert, rows: made.log_hr(chosen, inert, rows)),
    "both": (True, True, lambda made, chosen, inert, rows: made.log_hr(chosen, inert, rows)),
    "both, matched": (True, True, matched_log_hr),
}


def decomposition(
    made: Courses, seed: int = 1, allocations: int = ALLOCATIONS, matched: int = MATCHED_ALLOCATIONS
) -> dict[str, dict[str, float]]:
    """Mean log hazard ratio of every variant over re-drawn allocations, with the cells and with inert ones.

    ``se`` is the error of the number of patients, from batches of them, of the log hazard ratio with the cells.
    """
    drawn = cohorts(made, seed, max(allocations, matched))
    everybody = np.ones(made.received.size, dtype=bool)
    batch = np.arange(everybody.size) * BATCHES // everybody.size
    found = {}
    for name, (chosen_by_patient, immortal, log_hr) in VARIANTS.items():
        several = drawn[: matched if log_hr is matched_log_hr else allocations]
        groups = [
            (pair[chosen_by_patient] & made.received) if immortal else pair[chosen_by_patient] for pair in several
        ]
        means = {key: float(np.mean([log_hr(made, group, inert, everybody) for group in groups]))
                 for key, inert in (("cells", False), ("inert", True))}  # fmt: skip
        parts = [np.mean([log_hr(made, group, False, batch == b) for group in groups[:10]]) for b in range(BATCHES)]
        found[name] = {**means, "se": float(np.std(parts, ddof=1) / np.sqrt(BATCHES))}
    return found


def waiting(patients: int) -> list[tuple[str, float, dict[str, float]]]:
    """Share not treated, and immortal time alone, for shorter and longer waits."""
    rows = []
    for wait in WAITS:
        made = courses(patients, f"arms.cik.treatments.0.manufacture.culture={wait}")
        rows.append((wait, float(1.0 - made.received.mean()), decomposition(made, matched=1)["immortal time only"]))
    return rows


def control_median(factor: float, patients: int) -> float:
    """Median recurrence-free survival of the controls, months, with recurrence scaled by a factor."""
    data = api.simulate(load(SCENARIO, scaled(factor), patients))
    one = outcome(data, "rfs", 0)
    median = kaplan_meier(one.time[one.included] / MONTH, one.event[one.included]).median
    return np.inf if median is None else median


def scaled(factor: float) -> list[str]:
    """Settings that multiply deposits left behind and new lesions by a factor."""
    burden = load(SCENARIO).disease.burden
    deposits, new = burden.residual_deposits.value * factor, burden.de_novo_rate.value * factor
    return [f"disease.burden.residual_deposits={deposits:.4g}", f'disease.burden.de_novo_rate="{new:.4g} 1/day"']


def baseline_factor(patients: int, steps: int = 9) -> float:
    """Factor on recurrence at which the controls have the reported median, by bisection."""
    low, high = 0.05, 1.0
    for _ in range(steps):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if control_median(middle, patients) > REPORTED_MEDIAN else (low, middle)
    return float(f"{np.sqrt(low * high):.2g}")


def told(scenario: Scenario) -> dict[str, Any]:
    """Summary of a run."""
    data = api.simulate(scenario)
    return summary.build(
        data,
        scenario.name,
        scenario.title,
        scenario.seed,
        scenario.endpoints,
        scenario.targets,
        scenario.trial.matching,
    )


def ratio(log_hr: float) -> str:
    """A hazard ratio from its logarithm."""
    return f"{np.exp(log_hr):.2f}"


def span(ends: Sequence[float | None] | None, digits: int) -> str:
    """Both ends of an interval, an open one in words."""
    return "" if ends is None else "–".join("n.r." if end is None else f"{end:.{digits}f}" for end in ends)


def figures_table(shipped: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Reported figures beside the cohort as shipped and with the scaled baseline."""
    lines = ["| id | quantity | arm | analysis | reported | as shipped | baseline scaled |", "| --- " * 7 + "|"]
    for row, again in zip(shipped["targets"], other["targets"], strict=True):
        if row["id"] not in SHOWN:
            continue
        digits = 1 if row["unit"] == "month" else 2
        analysis = row["subgroup"] or row["analysis"]
        cells = [f"{one['simulated']:.{digits}f} ({span(one['interval'], digits)})" if one["simulated"] is not None
                 else f"n.r. ({span(one['interval'], digits)})" for one in (row, again)]  # fmt: skip
        reported = f"{row['reported']:.{digits}f}"
        if row["reported_ci"]:
            reported += f" ({span(row['reported_ci'], digits)})"
        quantity = f"`{row['quantity']}`" + (", months" if row["unit"] == "month" else "")
        columns = (row["id"], quantity, row["arm"], analysis, reported, *cells)
        lines.append(f"| {' | '.join(columns)} |")
    return lines


def results() -> str:
    """The text between the marks."""
    scenario = load(SCENARIO)
    found = decomposition(courses(PATIENTS))
    lines = [
        f"`scenarios/hcc_adjuvant_cik_rwd.yaml`, fingerprint `{misfit().fingerprint(scenario)[:16]}`, "
        f"{PATIENTS:,} patients.\n",
        "| cohort | RFS hazard ratio | with inert cells |",
        "| --- | --- | --- |",
    ]
    for name, one in found.items():
        lines.append(f"| {name} | {ratio(one['cells'])} (± {100 * one['se']:.0f} %) | {ratio(one['inert'])} |")
    lines += ["", "| culture and wait | never treated | immortal time only | with inert cells |", "| --- " * 4 + "|"]
    for wait, lost, one in waiting(PATIENTS // 2):
        lines.append(f"| {wait} | {100 * lost:.1f} % | {ratio(one['cells'])} | {ratio(one['inert'])} |")
    factor = baseline_factor(1500)
    changed = scaled(factor)
    lines += [
        "",
        f"**Baseline and effect apart.** Deposits and new lesions times {factor:g} give the controls the reported "
        "median of 64.7 months. That is a second population and no fit of the effect:\n",
        "```",
        "tumorsim run scenarios/hcc_adjuvant_cik_rwd.yaml " + " ".join(f"--set {one}" for one in changed),
        "```",
        "",
        *figures_table(told(scenario), told(load(SCENARIO, changed))),
    ]
    return "\n".join(lines)


def misfit() -> Any:
    """The module beside this one, which is on no import path."""
    spec = importlib.util.spec_from_file_location("misfit", Path(__file__).with_name("misfit.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Run and write."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{results()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
