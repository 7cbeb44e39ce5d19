"""A scenario: everything that one virtual trial is, read from YAML, checked, resolved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from tumorsim.params.design import Design
from tumorsim.params.disease import Disease
from tumorsim.params.output import Output
from tumorsim.params.population import Population
from tumorsim.params.salvage import Salvage
from tumorsim.params.targets import Target
from tumorsim.rules import Draft, Finding, findings
from tumorsim.study import Arm, Arms, Description, Name, Seed, Study, load_study, read_text, resolve
from tumorsim.yamlio import Node, Problem, ScenarioError

__all__ = ["Arm", "Name", "Problem", "Scenario", "ScenarioError", "load", "read_resolved"]

LAYOUT: Final = 1


class Scenario(Study):
    """A virtual trial.

    Made by `load`, which also checks the rules between the blocks.
    """

    model_config = ConfigDict(defer_build=True)

    scenario: Literal[1] = Field(LAYOUT, description="Version of this layout.")
    name: Name = Field(description="Name of the study; names its result file.", examples=["my_trial"])
    title: str = Field(min_length=1, max_length=200, description="One line for people.", examples=["Adjuvant CIK"])
    description: Description = ""
    seed: Seed = 1
    disease: Disease = Field(description="A disease of the library, or one changed in place.")
    population: Population = Field(description="Who the virtual patients are.")
    trial: Design = Field(description="Accrual, follow-up, visits and imaging.")
    arms: Arms
    after_progression: Salvage = Field(
        default_factory=Salvage, description="Treatment after recurrence or progression."
    )
    endpoints: tuple[str, ...] = Field(
        min_length=1, max_length=32, description="End points to report.", examples=["os"]
    )
    targets: tuple[Target, ...] = Field((), max_length=500, description="Reported figures to compare with.")
    output: Output = Field(default_factory=Output, description="What is stored beside end points.")


def load(
    source: str | Path,
    overrides: Sequence[str] = (),
    patients: int | None = None,
    seed: int | None = None,
    *,
    root: str | Path | None = None,
) -> Scenario:
    """Read, check and resolve a scenario file.

    Parameters
    ----------
    source
        Path of a YAML file.
    overrides
        ``key=value`` as on the command line, applied in order.
    patients, seed
        Number of virtual patients and seed, instead of the file's.
    root
        Folder that ``extends`` may not leave; the folder of ``source`` if None.

    Raises
    ------
    ScenarioError
        Everything that is wrong, each problem with its place.
    """
    options = {"--patients": ("population.patients", patients), "--seed": ("seed", seed)}
    return load_study(source, Scenario, _check, overrides=overrides, options=options, root=root)


def resolve_tree(node: Node) -> Scenario:
    """Scenario of a tree composed already (`tumorsim.study.read_study`); errors as of `load`."""
    return resolve(node, Scenario, _check)


def read_resolved(text: str, shown: str = "resolved scenario") -> Scenario:
    """Scenario of a resolved text, e.g. from a result; reads no file and no library.

    Parameters
    ----------
    text
        What `Scenario.resolved_text` gave.
    shown
        What the text is called in messages.

    Raises
    ------
    ScenarioError
        No JSON, too large, or no valid scenario of this layout.
    """
    return read_text(text, Scenario, _check, shown)


def _check(plain: Any, blocks: dict[str, Any]) -> Iterator[Finding]:
    return findings(Draft(plain, blocks))
