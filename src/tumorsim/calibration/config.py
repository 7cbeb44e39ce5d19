"""A calibration file: studies, targets with weights, free parameters with priors, effort of each stage.

Read like a scenario: guarded YAML, every problem at once, each with its place.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from tumorsim.messages import problems_of
from tumorsim.params.base import Block, Number
from tumorsim.scenario import Name, Scenario, load
from tumorsim.yamlio import Mark, Node, Problem, Route, ScenarioError, parse, problem_at, read_file, refuse

LAYOUT: Final = 1
Weight = Number


class Prior(Block):
    """What is held of a parameter before the study is seen; both ends are hard limits.

    ``lognormal`` and ``normal`` have a median and a spread (standard deviation, of the
    natural log in a lognormal), cut at ``low`` and ``high``; ``loguniform`` and
    ``uniform`` have the two ends alone.
    """

    law: Literal["lognormal", "loguniform", "normal", "uniform"] = Field(description="Shape.")
    low: str | float = Field(description="Lower end, with unit.", examples=["0.1 1/day"])
    high: str | float = Field(description="Upper end, with unit.", examples=["10 1/day"])
    median: str | float | None = Field(None, description="Median before the ends are cut, with unit.")
    spread: str | float | None = Field(
        None, description="Standard deviation; of the natural log, without unit, in a lognormal."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        central = self.law in ("lognormal", "normal")
        given = self.median is not None and self.spread is not None
        if central and not given:
            raise ValueError(f"a {self.law} prior needs median and spread, e.g. {_PRIOR_EXAMPLE}")
        if not central and (self.median is not None or self.spread is not None):
            raise ValueError(f"a {self.law} prior has no median or spread; give low and high alone")
        return self


_PRIOR_EXAMPLE = "{law: lognormal, median: 1 1/day, spread: 0.8, low: 0.05 1/day, high: 8 1/day}"


class FreeParameter(Block):
    """One value of the scenarios that may change.

    ``path`` is a path of the scenario (``disease.hazards.other_rate``,
    ``population.cirrhosis``), or ``drug.NAME.key``, ``infusion.NAME.key``,
    ``tace.NAME.key`` for a value of a library entry wherever a study uses it.
    """

    name: Name = Field(description="Short name in tables and figures.", examples=["kill_rate"])
    path: str = Field(
        pattern=r"^[A-Za-z0-9_.-]{3,200}$", description="Where it stands.", examples=["infusion.cik.kill_rate"]
    )
    label: str = Field("", max_length=80, description="What figures call it; the name if empty.")
    prior: Prior = Field(description="Prior with unit.")
    start: str | float | None = Field(None, description="Where the search begins; the prior median if absent.")
    note: str = Field("", max_length=600)


class StudyChoice(Block):
    """One scenario and the figures of it that are fitted."""

    scenario: str = Field(
        min_length=1,
        max_length=300,
        description="Scenario file, relative to this file.",
        examples=["../hcc_adjuvant_cik_rct.yaml"],
    )
    set: list[str] = Field(
        default_factory=list, max_length=100, description="Values changed, key=value as on the command line."
    )
    patients: int = Field(400, ge=20, le=1_000_000, description="Virtual patients of one evaluation.")
    fit: dict[str, Weight] = Field(
        min_length=1,
        description="Weight of each fitted target by its id; others are shown only.",
        examples=["{R-1: 1, R-2: 1}"],
    )


class Screening(Block):
    """Morris screening: which parameter moves what."""

    trajectories: int = Field(8, ge=2, le=1000)
    levels: int = Field(6, ge=2, le=20)
    patients: int = Field(200, ge=20, le=1_000_000)


class Optimisation(Block):
    """CMA-ES on the log posterior, with common random numbers within a generation and new ones in the next."""

    evaluations: int = Field(300, ge=1, le=1_000_000)
    population: int | None = Field(
        None, ge=4, le=1000, description="Evaluations of a generation; CMA's own rule if absent."
    )
    sigma: Number = Field(0.6, gt=0, le=3, description="First step, in prior standard deviations.")


class Winner(Block):
    """The best point again, on seeds that the search has not seen."""

    patients: int = Field(1000, ge=20, le=1_000_000)
    seeds: int = Field(3, ge=1, le=100)


class PosteriorEffort(Block):
    """Approximate Bayesian computation with studies of the published size."""

    particles: int = Field(200, ge=20, le=100_000)
    populations: int = Field(8, ge=1, le=50)
    simulations: int = Field(4000, ge=20, le=10_000_000, description="At most so many simulated studies.")
    least_acceptance: Number = Field(0.03, ge=0, lt=1)
    predictive: int = Field(
        120, ge=20, le=10_000, description="Fresh studies for intervals with parameter uncertainty."
    )


class RecoveryEffort(Block):
    """Known parameters recovered from simulated studies."""

    simulations: int = Field(1000, ge=50, le=10_000_000)
    datasets: int = Field(200, ge=10, le=100_000)


class Rival(Block):
    """The model with one mechanism changed, at the fit or fitted again."""

    name: Name = Field(examples=["memory_off"])
    label: str = Field("", max_length=120)
    set: list[str] = Field(min_length=1, max_length=50, description="key=value as on the command line.")
    refit: int = Field(0, ge=0, le=100_000, description="Evaluations to fit the other parameters again; 0 for none.")


class Calibration(Block):
    """Everything that one calibration is. Made by `load_calibration`."""

    model_config = ConfigDict(defer_build=True)

    calibration: Literal[1] = Field(LAYOUT, description="Version of this layout.")
    name: Name = Field(description="Names the output folder.", examples=["hcc_adjuvant_cik"])
    title: str = Field(min_length=1, max_length=200, examples=["Adjuvant CIK fitted to the nine-year report"])
    description: str = Field("", max_length=4000)
    seed: int = Field(1, ge=0, lt=2**31)
    studies: tuple[StudyChoice, ...] = Field(min_length=1, max_length=20)
    parameters: tuple[FreeParameter, ...] = Field(min_length=1, max_length=50)
    predictions: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Quantities shown and never fitted, as ENDPOINT.hr(from, to).",
        examples=['["rfs.hr(0 month, 24 month)"]'],
    )
    screening: Screening | None = None
    optimise: Optimisation | None = Field(default_factory=Optimisation)
    winner: Winner = Field(default_factory=Winner)
    posterior: PosteriorEffort | None = None
    recovery: RecoveryEffort | None = None
    rivals: tuple[Rival, ...] = Field((), max_length=20)

    _text: str = PrivateAttr("")
    _scenarios: tuple[Scenario, ...] = PrivateAttr(())
    _rivals: tuple[tuple[Scenario, ...], ...] = PrivateAttr(())

    @property
    def text(self) -> str:
        """The file as it was given."""
        return self._text

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The scenario of each study."""
        return self._scenarios

    @property
    def rival_scenarios(self) -> tuple[tuple[Scenario, ...], ...]:
        """The scenarios of each rival."""
        return self._rivals


def load_calibration(source: str | Path, seed: int | None = None) -> Calibration:
    """Read and check a calibration file and the scenarios it names.

    Parameters
    ----------
    source
        Path of a YAML file.
    seed
        Instead of the file's.

    Raises
    ------
    ScenarioError
        Everything that is wrong, each problem with its place.
    """
    path = Path(source)
    shown = path.as_posix()
    text = read_file(path, shown)
    root = parse(text, shown)
    if not root.is_mapping:
        raise refuse(root.mark, "a calibration must be a mapping of keys, e.g. name: my_calibration")
    plain = root.plain()
    if seed is not None:
        plain["seed"] = seed
    try:
        made = Calibration.model_validate(plain)
    except ValidationError as error:
        raise ScenarioError(problems_of(error, root, Calibration)) from None
    made._text = text
    made._scenarios = _scenarios(made, root, path, ())
    made._rivals = tuple(_scenarios(made, root, path, rival.set, ("rivals", k)) for k, rival in enumerate(made.rivals))
    problems = [*_repeated_names(made, root), *_fit_problems(made, root)]
    if problems:
        raise ScenarioError(problems)
    return made


def _scenarios(
    made: Calibration, root: Node, path: Path, more: list[str] | tuple[str, ...], place: Route | None = None
) -> tuple[Scenario, ...]:
    """Scenario of every study, with further settings; each error keeps its own place."""
    found, problems = [], []
    folder = path.resolve().parent
    for k, study in enumerate(made.studies):
        target = folder / study.scenario
        mark = _mark(root, ("studies", k, "scenario"))
        if Path(study.scenario).is_absolute() or not target.resolve().is_relative_to(folder.parent):
            rule = "must be a relative path that stays in the folder of this file or the one above"
            raise refuse(mark, f"{rule}, e.g. ../hcc_adjuvant_cik_rct.yaml", f"studies[{k}].scenario")
        try:
            shown = Path(*_relative(target.resolve()))
            found.append(load(shown, [*study.set, *more], root=folder.parent))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        if place is not None:
            problems.append(
                problem_at(root, place, "this rival changes the scenario so that it cannot be read (above)")
            )
        raise ScenarioError(problems)
    return tuple(found)


def _relative(target: Path) -> tuple[str, ...]:
    """The path as people would write it from here."""
    here = Path.cwd()
    return (target.relative_to(here) if target.is_relative_to(here) else target).parts


def _mark(root: Node, path: Route) -> Mark:
    problem = problem_at(root, path, "")
    return Mark(problem.file, problem.line, problem.column)


def _repeated_names(made: Calibration, root: Node) -> list[Problem]:
    problems = []
    for key in ("parameters", "rivals"):
        names = sorted((item.name, k) for k, item in enumerate(getattr(made, key)))
        problems += [
            problem_at(root, (key, b[1], "name"), f'the name "{b[0]}" stands twice; every name must be its own')
            for a, b in pairwise(names)
            if a[0] == b[0]
        ]
    return problems


def _fit_problems(made: Calibration, root: Node) -> list[Problem]:
    """What is wrong between the weights and the targets of the scenarios."""
    problems = []
    for k, (study, scenario) in enumerate(zip(made.studies, made.scenarios, strict=True)):
        known = {target.id: target for target in scenario.targets}
        for name, weight in study.fit.items():
            place: Route = ("studies", k, "fit", name)
            if name not in known:
                ids = ", ".join(known) or "none"
                problems.append(problem_at(root, place, f'"{name}" is no target of {study.scenario}; it has {ids}'))
                continue
            if weight < 0:
                problems.append(problem_at(root, place, f"a weight must be >= 0, not {weight:g}, e.g. {name}: 1"))
            if known[name].kind == "CON" and weight > 0:
                rule = "is marked CON, contradicted by other figures of its source: it is shown, never fitted"
                problems.append(problem_at(root, place, f"{name} {rule}; leave it out"))
            if known[name].n is None:
                rule = "says no number of patients, so its sampling error is unknown; add n to the target"
                problems.append(problem_at(root, place, f"{name} {rule}, e.g. n: 114"))
        if not any(weight > 0 for weight in study.fit.values()):
            problems.append(problem_at(root, ("studies", k, "fit"), "at least one weight must be > 0, e.g. {R-1: 1}"))
    return problems
