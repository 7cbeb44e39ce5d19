"""A sweep file: a scenario, what changes in it, how the points are laid, and what is read off each run.

Read like a scenario: guarded YAML, every problem at once, each with its place.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from tumorsim.messages import problems_of
from tumorsim.params.base import Block, Number
from tumorsim.study import Name
from tumorsim.sweep.base import Base, Factor, Output, read_base
from tumorsim.sweep.factors import overlap, read_factor
from tumorsim.sweep.outputs import read_output
from tumorsim.sweep_data import CODE, RESERVED
from tumorsim.yamlio import ScenarioError, parse, problem_at, read_file, refuse

LAYOUT: Final = 1
MAX_RUNS: Final = 1_000_000
MAX_VALUES: Final = 10_000
LAWS: Final = ("latin_hypercube", "sobol")
Value = str | int | float | bool
Path_ = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,200}$")]


class FactorChoice(Block):
    """One thing that changes from point to point.

    Either its values, or two ends: a grid takes ``points`` of them, evenly spaced; a Latin
    hypercube or Sobol' design takes any value between.
    """

    name: Name = Field(description="Short name in tables, figures and the result.", examples=["dose"])
    path: Path_ | list[Path_] = Field(
        description="Place in the scenario, as of --set; or drug.NAME.key, infusion.NAME.key, tace.NAME.key for a "
        "value of a library entry wherever it is used. A list changes several places alike.",
        examples=["infusion.cik.kill_rate"],
    )
    label: str = Field("", max_length=80, description="What figures call it; the name if empty.")
    values: list[Value] | None = Field(
        None,
        min_length=1,
        max_length=MAX_VALUES,
        description="Its values, each with unit.",
        examples=["[0 day, 7 day]"],
    )
    low: str | int | float | None = Field(None, description="Lower end, with unit.", examples=["1e9 cells"])
    high: str | int | float | None = Field(None, description="Upper end, with unit.", examples=["1e10 cells"])
    points: int | None = Field(None, ge=2, le=MAX_VALUES, description="Values between the ends in a grid.")
    scale: Literal["linear", "log"] = Field("linear", description="How values lie between the ends.")

    @field_validator("path")
    @classmethod
    def _some(cls, path: str | list[str]) -> str | list[str]:
        if isinstance(path, list) and not 1 <= len(path) <= 100:
            raise ValueError("must be a path or a list of 1 to 100 of them, e.g. infusion.cik.kill_rate")
        return path

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path."""
        return (self.path,) if isinstance(self.path, str) else tuple(self.path)

    @property
    def title(self) -> str:
        """Label, or the name where there is none."""
        return self.label or self.name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        ends = self.low is not None and self.high is not None
        if (self.values is not None) == ends or (self.low is None) != (self.high is None):
            raise ValueError("needs either values or low and high, e.g. values: [0 day, 7 day, 14 day]")
        if self.values is not None and (self.points is not None or self.scale != "linear"):
            raise ValueError("points and scale belong to low and high; with values leave them out")
        return self


class OutputChoice(Block):
    """One number that is read off every run.

    Of a trial: any quantity that a target can name (``os.median``, ``os.hr``, ``response.recist.dcr_best``).
    Of a lattice: any quantity of its summary (``tumour_cells``, ``kills``).
    """

    name: Name = Field(description="Name in the result.", examples=["hr"])
    quantity: str = Field(min_length=1, max_length=120, description="What is read.", examples=["os.hr"])
    arm: str | None = Field(None, max_length=64, description="The arm; in a comparison, the one treated.")
    reference: str | None = Field(None, max_length=64, description="The other arm of a comparison; else the first.")
    label: str = Field("", max_length=80, description="What figures call it; the quantity and its arms if empty.")


class Sensitivity(Block):
    """How `tumorsim sensitivity` samples."""

    method: Literal["morris", "sobol"] = Field("morris", description="Screening, or shares of variance.")
    samples: int = Field(
        16, ge=2, le=1_000_000, description="Trajectories of Morris; base samples of Sobol', a power of 2."
    )
    levels: int = Field(6, ge=4, le=20, multiple_of=2, description="Levels of Morris.")
    resamples: int = Field(1000, ge=100, le=100_000, description="Bootstrap samples of each interval.")
    confidence: Number = Field(0.95, gt=0.5, lt=1, description="Of the intervals.")


class Sweep(Block):
    """Everything that one sweep is. Made by `load_sweep`."""

    model_config = ConfigDict(defer_build=True)
    EXTENDS: ClassVar[bool] = False

    sweep: Literal[1] = Field(LAYOUT, description="Version of this layout.")
    name: Name = Field(description="Names the output folder.", examples=["dose_timing"])
    title: str = Field(min_length=1, max_length=200, examples=["Dose and timing of CIK under sorafenib"])
    description: str = Field("", max_length=4000)
    scenario: str = Field(
        min_length=1, max_length=300, description="Scenario file, relative to this file.",
        examples=["../hcc_sorafenib_cik.yaml"],
    )  # fmt: skip
    set: list[str] = Field(
        default_factory=list, max_length=100, description="Values changed in every run, key=value as of --set."
    )
    patients: int | None = Field(None, ge=1, le=10_000_000, description="Virtual patients of a run; the scenario's.")
    seed: int | None = Field(
        None, ge=0, lt=2**62, description="Of the first replicate, and of the design; the scenario's if absent."
    )
    replicates: int = Field(
        1, ge=1, le=100_000, description="Runs of each point, the same seeds at every point (common random numbers)."
    )
    design: Literal["grid", "list", "latin_hypercube", "sobol"] = Field(
        "grid", description="Every combination of values; the values side by side; or samples between the ends."
    )
    samples: int | None = Field(None, ge=1, le=MAX_RUNS, description="Points of latin_hypercube and sobol.")
    factors: tuple[FactorChoice, ...] = Field(min_length=1, max_length=100, description="What changes.")
    outputs: tuple[OutputChoice, ...] = Field(min_length=1, max_length=100, description="What is read.")
    sensitivity: Sensitivity = Field(default_factory=Sensitivity)

    _text: str = PrivateAttr("")
    _base: Base | None = PrivateAttr(None)
    _factors: tuple[Factor, ...] = PrivateAttr(())
    _outputs: tuple[Output, ...] = PrivateAttr(())

    @property
    def text(self) -> str:
        """The file as it was given."""
        return self._text

    @property
    def base(self) -> Base:
        """The scenario that is swept."""
        assert self._base is not None
        return self._base

    @property
    def read_factors(self) -> tuple[Factor, ...]:
        """The factors, read against the scenario."""
        return self._factors

    @property
    def read_outputs(self) -> tuple[Output, ...]:
        """The outputs, read against the scenario."""
        return self._outputs

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if (self.design in LAWS) != (self.samples is not None):
            raise ValueError("samples: needed by latin_hypercube and sobol, and only by them, e.g. samples: 64")
        return self


def load_sweep(
    source: str | Path, *, seed: int | None = None, patients: int | None = None, replicates: int | None = None,
    overrides: tuple[str, ...] | list[str] = (), sampled: bool = False,
) -> Sweep:  # fmt: skip
    """Read and check a sweep file and the scenario it names.

    Parameters
    ----------
    source
        Path of a YAML file.
    seed, patients, replicates
        Instead of the file's.
    overrides
        Values of the scenario, after those of the file.
    sampled
        Every factor must have two ends, whatever the design (for sensitivity).

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
        raise refuse(root.mark, "a sweep must be a mapping of keys, e.g. name: my_sweep")
    if root.get("sweep") is None and root.get("factors") is None:
        raise refuse(
            root.mark, "is no sweep file, which begins with sweep: 1 and names a scenario and what changes in it"
        )
    plain = root.plain()
    given = {"seed": seed, "patients": patients, "replicates": replicates}
    plain |= {key: value for key, value in given.items() if value is not None}
    try:
        made = Sweep.model_validate(plain)
    except ValidationError as error:
        raise ScenarioError(problems_of(error, root, Sweep)) from None
    made._text = text
    problems = [problem_at(root, route, message) for route, message in _between(made, sampled)]
    try:
        base = read_base(path, root, made.scenario, made.set, overrides, made.patients, made.seed)
    except ScenarioError as error:
        raise ScenarioError([*problems, *error.problems]) from None
    made._base = base
    factors, outputs = [], []
    for k, choice in enumerate(made.factors):
        if any(choice.name == other.name for other in made.factors[:k]):
            continue  # told already, and each factor costs two scenarios
        try:
            factors.append(read_factor(choice, base))
        except ValueError as error:
            problems.append(problem_at(root, ("factors", k), f"{choice.name}: {error}"))
    for k, one in enumerate(made.outputs):
        try:
            outputs.append(read_output(one, base))
        except ValueError as error:
            problems.append(problem_at(root, ("outputs", k), f"{one.name}: {error}"))
    problems += [problem_at(root, ("factors",), message) for message in _overlaps(factors)]
    if problems:
        raise ScenarioError(problems)
    made._factors, made._outputs = tuple(factors), tuple(outputs)
    return made


def _overlaps(factors: list[Factor]) -> list[str]:
    """Places that two factors change: the later one would undo the earlier."""
    return [
        f"{a.name} and {b.name} both change {one}; a place can belong to one factor only"
        for a, b in combinations(factors, 2)
        for one in a.settings
        if any(overlap(one, other) for other in b.settings)
    ]


def _between(made: Sweep, sampled: bool) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong between the parts of a file."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    names: dict[str, tuple[str, int]] = {}
    for key in ("factors", "outputs"):
        for k, item in enumerate(getattr(made, key)):
            if item.name in names:
                other = "{}[{}]".format(*names[item.name])
                rule = f'the name "{item.name}" stands at {other} too; every name must be its own'
                found.append(((key, k, "name"), rule))
            names.setdefault(item.name, (key, k))
            if item.name in RESERVED or item.name.endswith(CODE):
                rule = f'"{item.name}" is a name that the result uses itself; choose another, e.g. {item.name}_1'
                found.append(((key, k, "name"), rule))
    for k, factor in enumerate(made.factors):
        place: tuple[str | int, ...] = ("factors", k)
        if factor.values is not None and (sampled or made.design in LAWS):
            what = "a sensitivity analysis" if sampled else f"a {made.design} design"
            found.append((place, f"{what} takes values between two ends: give low and high, not values"))
        if factor.points is not None and not sampled and made.design in LAWS:
            found.append(((*place, "points"), f"belongs to a grid; a {made.design} design has samples, leave it out"))
        if factor.values is None and not sampled and made.design == "grid" and factor.points is None:
            found.append((place, "a grid needs the number of values between low and high, e.g. points: 5"))
        if factor.values is None and not sampled and made.design == "list":
            found.append((place, "a list needs values, one a point, e.g. values: [0 day, 7 day]"))
    if made.design == "list" and not sampled:
        lengths = {len(factor.values) for factor in made.factors if factor.values is not None}
        if len(lengths) > 1:
            found.append(
                (("factors",), f"in a list every factor needs as many values; here they have {sorted(lengths)}")
            )
    if not found and not sampled:
        points = made.samples or 0
        if made.design == "grid":
            points = 1
            for factor in made.factors:
                points *= len(factor.values) if factor.values is not None else factor.points or 1
        if points * made.replicates > MAX_RUNS:
            found.append(
                (("design",), f"{points:,} points x {made.replicates:,} replicates are more than {MAX_RUNS:,} runs")
            )
    return found


def plain_of(made: Sweep) -> dict[str, Any]:
    """The file's meaning as JSON-able data."""
    return made.model_dump(mode="json")
