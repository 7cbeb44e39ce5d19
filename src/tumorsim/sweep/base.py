"""The study that is swept, and what a point makes of it; everything here can be sent to a worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.overlay import apply_settings, is_spatial, set_value
from tumorsim.params.targets import Quantity
from tumorsim.scenario import Scenario, resolve_tree
from tumorsim.spatial_scenario import SpatialScenario, resolve_spatial_tree
from tumorsim.study import read_study
from tumorsim.yamlio import Mark, Node, ScenarioError, problem_at, refuse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Base:
    """The scenario with what is changed in every run.

    Attributes
    ----------
    tree
        Before names of the library are written out, so that a point can change them.
    spatial
        Whether it is a lattice.
    study
        What the tree means.
    seed
        Of the first replicate.
    file
        The scenario file, as messages show it.
    options
        What `tumorsim run` takes to simulate it with what is changed in every run.
    """

    tree: Node = field(repr=False)
    spatial: bool
    study: Scenario | SpatialScenario = field(repr=False)
    seed: int
    file: str = ""
    options: tuple[str, ...] = ()

    def repeat(self, settings: Sequence[str], seed: int) -> list[str]:
        """Arguments of `tumorsim` that do one run again, as a study of its own."""
        changed = [part for setting in settings for part in ("--set", setting)]
        return ["run", self.file, *self.options, *changed, "--seed", str(seed)]

    def at(self, settings: Sequence[str], seed: int | None = None) -> Scenario | SpatialScenario:
        """The study with settings (``key=value``), what no output is read from left out, and another seed.

        Raises
        ------
        ScenarioError
            The settings do not fit the scenario; every problem at once.
        """
        tree, problems = self.tree, []
        for setting in settings:
            try:
                tree = set_value(tree, setting)
            except ScenarioError as error:
                problems += error.problems
        if problems:
            raise ScenarioError(problems)
        return _resolved(_lean(tree, self.spatial, self.seed if seed is None else seed), self.spatial)


def _resolved(tree: Node, spatial: bool) -> Scenario | SpatialScenario:
    return resolve_spatial_tree(tree) if spatial else resolve_tree(tree)


def _lean(tree: Node, spatial: bool, seed: int) -> Node:
    """Without traces, pictures and reported figures; one lattice an arm, since a sweep has its own replicates."""
    mark = Mark("sweep")
    changes = ["lattice.replicates=1", "output.lineage=false"] if spatial else ["output.traced_patients=0"]
    for change in [*changes, f"seed={seed}"]:
        tree = set_value(tree, change, mark)
    return tree if spatial else Node({**tree.value, "targets": Node([], mark, mark)}, tree.mark, tree.key)


def read_base(
    path: Path, root: Node, scenario: str, settings: Sequence[str], overrides: Sequence[str],
    patients: int | None, seed: int | None,
) -> Base:  # fmt: skip
    """The scenario that a sweep file names.

    Parameters
    ----------
    path, root
        Of the sweep file.
    scenario
        As it stands there.
    settings, overrides
        ``key=value`` of the file, and of the command line, in order.
    patients, seed
        Instead of the scenario's.

    Raises
    ------
    ScenarioError
        It leads out of the folder, cannot be read, or is wrong; each problem with its place.
    """
    folder = path.resolve().parent
    target = (folder / scenario).resolve()
    mark = _mark(root, ("scenario",))
    if Path(scenario).is_absolute() or not target.is_relative_to(folder.parent):
        rule = "must be a relative path that stays in the folder of this file or the one above"
        raise refuse(mark, f"{rule}, e.g. ../hcc_sorafenib_cik.yaml", "scenario")
    if not target.is_file():
        raise refuse(mark, f"there is no file {scenario}; the path is relative to this file", "scenario")
    here = Path.cwd()
    shown = target.relative_to(here) if target.is_relative_to(here) else target
    spatial = is_spatial(shown, folder.parent)
    if spatial and patients is not None:
        raise refuse(mark, "is a lattice, which has no patients: leave patients out", "scenario")
    options = {"patients": ("population.patients", patients), "seed": ("seed", seed)}
    tree, _ = read_study(shown, (), {}, folder.parent)
    for k, setting in enumerate(settings):
        tree = set_value(tree, setting, _mark(root, ("set", k)))
    tree = apply_settings(tree, overrides)
    for option, (place, number) in options.items():
        if number is not None:
            tree = set_value(tree, f"{place}={number}", Mark(option))
    study = _resolved(tree, spatial)
    told = [part for setting in (*settings, *overrides) for part in ("--set", setting)]
    told += ["--replicates", "1"] if spatial else ["--patients", str(patients)] if patients is not None else []
    return Base(tree, spatial, study, study.seed, shown.as_posix(), tuple(told))


def _mark(root: Node, route: tuple[str | int, ...]) -> Mark:
    """Where something stands in the sweep file."""
    problem = problem_at(root, route, "")
    return Mark(problem.file, problem.line, problem.column)


@dataclass(frozen=True)
class Factor:
    """A factor, read against the scenario.

    Attributes
    ----------
    name, title
        Short name, and what figures call it.
    settings
        Paths as ``--set`` takes them.
    unit
        Unit in which the numbers are written; empty for plain numbers and for texts.
    numbers
        Values in that unit; NaN for texts; of a range without points, nothing.
    texts
        Values as the scenario takes them.
    ends
        Lower and upper end in that unit; None where values are given.
    logarithmic, whole
        How values lie between the ends; whether they must be whole numbers.
    """

    name: str
    title: str
    settings: tuple[str, ...]
    unit: str
    numbers: tuple[float, ...]
    texts: tuple[str, ...]
    ends: tuple[float, float] | None = None
    logarithmic: bool = False
    whole: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers of one unit."""
        return self.ends is not None or not any(np.isnan(self.numbers))

    def between(self, share: FloatArray) -> FloatArray:
        """Values at shares (0 to 1) of the way between the ends, in the unit of the numbers."""
        assert self.ends is not None
        low, high = self.ends
        along = low * (high / low) ** share if self.logarithmic else low + (high - low) * share
        found = np.clip(along, low, high)
        return np.rint(found) if self.whole else np.asarray(found)

    def text(self, number: float) -> str:
        """A number as the scenario takes it, to the bit: ``20 day``, ``1e9 cells``."""
        short = f"{number:.12g}"
        plain = short if float(short) == number else repr(float(number))
        plain = min(plain, np.format_float_scientific(number, trim="-", exp_digits=1).replace("e+", "e"), key=len)
        return f"{plain} {self.unit}" if self.unit else plain

    def set(self, text: str) -> list[str]:
        """Settings that give it a value."""
        return [f"{path}={text}" for path in self.settings]


@dataclass(frozen=True)
class Output:
    """A number that is read off every run.

    Attributes
    ----------
    name, title
        Name in the result, and what figures call it.
    quantity
        Of a trial, the quantity read; of a lattice, its name.
    arms
        The arm; of a comparison, the arm and its reference; or all arms.
    unit
        Of the number.
    """

    name: str
    title: str
    quantity: Quantity | str
    arms: tuple[int, ...]
    unit: str


def as_dict(one: Any) -> dict[str, Any]:
    """A dataclass as JSON-able data."""
    return dataclasses.asdict(one)
