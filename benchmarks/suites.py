"""What can be measured, by name; each suite is loaded when it is asked for.

A suite is a function ``(quick, repeats) -> list[Figure]``. It raises `Skip` with a sentence where it cannot run.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TextIO

from benchmarks.figure import Figure, Skip

Measure = Callable[[bool, int], list[Figure]]
REPEATS = {True: 3, False: 7}  # by whether it is the quick tier


@dataclass(frozen=True)
class Suite:
    """A group of the table."""

    name: str
    title: str
    place: str  # module:function
    quick: bool = True  # whether the quick tier has it

    def load(self) -> Measure:
        """The function, or `Skip` if what it needs is not installed."""
        module, function = self.place.split(":")
        try:
            found = getattr(import_module(module), function)
        except ModuleNotFoundError as missing:
            if missing.name == module:
                raise Skip(f"{module.replace('.', '/')}.py is not there") from missing
            raise Skip(f"it needs {missing.name} (pip install 'tumorsim[peers]')") from missing
        measure: Measure = found
        return measure


SUITES = (
    Suite("cohort", "A cohort of patients", "benchmarks.patient:cohorts"),
    Suite("lsoda", "Patients beside SciPy's LSODA", "benchmarks.lsoda:against_scipy"),
    Suite("numbalsoda", "Patients beside numbalsoda", "benchmarks.lsoda:against_numbalsoda"),
    Suite("roadrunner", "Patients beside libRoadRunner", "benchmarks.roadrunner:roadrunner", quick=False),
    Suite("amici", "Patients beside AMICI", "benchmarks.amici_peer:against_amici", quick=False),
    Suite("c-patient", "Patients beside plain C", "benchmarks.yardstick:c_patient"),
    Suite("threads", "What two threads can gain", "benchmarks.limits:two_threads"),
    Suite("fields", "Fields", "benchmarks.fields:fields"),
    Suite("c-fields", "Fields beside plain C", "benchmarks.yardstick:c_fields"),
    Suite("agents", "The agent step", "benchmarks.agents:agents"),
    Suite("mesa", "The agent step beside Mesa", "benchmarks.agents:against_mesa"),
    Suite("c-agents", "The agent step beside plain C", "benchmarks.yardstick:c_agents"),
    Suite("lattice", "A day of a lattice", "benchmarks.lattice:days"),
    Suite("start", "Starting", "benchmarks.start:start_up"),
    Suite("jobs", "Whole jobs from the command line", "benchmarks.jobs:jobs"),
    Suite("memory", "Memory", "benchmarks.memory:memory", quick=False),
)


class Told:
    """Lines for people while it goes on, with the seconds since the beginning."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream, self.begun = stream or sys.stderr, time.perf_counter()

    def __call__(self, text: str) -> None:
        """One line."""
        print(f"[{time.perf_counter() - self.begun:5.0f} s] {text}", file=self.stream, flush=True)


@dataclass(frozen=True)
class Measured:
    """Figures of a run, what was left out and why, and what went wrong."""

    figures: list[Figure]
    skipped: dict[str, str]
    failed: dict[str, str]


def chosen_of(suites: Sequence[Suite], only: Sequence[str], quick: bool) -> list[Suite]:
    """Suites to run: those named, or all of the tier.

    Raises
    ------
    Skip
        A name is none of the suites.
    """
    known = {suite.name: suite for suite in suites}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise Skip(f"no suite is called {', '.join(unknown)}; there are {', '.join(known)}")
    if only:
        return [known[name] for name in only]
    return [suite for suite in suites if suite.quick or not quick]


def run(suites: Sequence[Suite], quick: bool, told: Callable[[str], None]) -> Measured:
    """Measure suite after suite; one that fails does not end the others."""
    found = Measured([], {}, {})
    for suite in suites:
        told(f"{suite.name}: {suite.title[0].lower()}{suite.title[1:]}")
        try:
            figures = suite.load()(quick, REPEATS[quick])
        except Skip as why:
            found.skipped[suite.name] = str(why)
            told(f"{suite.name}: left out, {why}")
        except Exception as error:  # whatever a peer raises: the other figures are still worth having
            found.failed[suite.name] = f"{type(error).__name__}: {error}"
            told(traceback.format_exc())
        else:
            found.figures.extend(replace(figure, suite=suite.name) for figure in figures)
    return found
