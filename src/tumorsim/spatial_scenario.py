"""A spatial scenario: everything that one lattice study is, read from YAML, checked, resolved.

The counterpart of `tumorsim.scenario`; its file begins with ``spatial: 1``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from tumorsim.fields import has, value_at
from tumorsim.params.disease import Disease
from tumorsim.params.host import MEAN_HEIGHT
from tumorsim.params.lattice_design import LatticeDesign, SpatialOutput, Start
from tumorsim.params.tace import Depot
from tumorsim.params.tissue import TissueModel
from tumorsim.spatial_rules import SpatialDraft, findings
from tumorsim.study import Arms, Description, Finding, Name, Seed, Study, load_study, read_text, resolve
from tumorsim.units import UnitError, parse_quantity
from tumorsim.yamlio import Node

__all__ = ["SpatialScenario", "load_spatial", "read_resolved_spatial"]

LAYOUT: Final = 1
OLD_TERRITORY: Final = "300 um"  # what no tissue could say once


class SpatialScenario(Study):
    """A lattice study.

    Made by `load_spatial`, which also checks the rules between the blocks.
    """

    model_config = ConfigDict(defer_build=True)
    ELSEWHERE: ClassVar[dict[str, str]] = dict.fromkeys(
        ("scenario", "population", "trial", "after_progression", "endpoints", "targets"), "a trial (scenario: 1)"
    )

    spatial: Literal[1] = Field(LAYOUT, description="Version of this layout.")
    name: Name = Field(description="Name of the study; names its result file.", examples=["my_lattice"])
    title: str = Field(min_length=1, max_length=200, description="One line for people.", examples=["TACE, then NK"])
    description: Description = ""
    seed: Seed = 1
    disease: Disease = Field(description="A disease of the library, or one changed in place.")
    tissue: TissueModel = Field(description="A tissue of the library, or one changed in place.")
    lattice: LatticeDesign = Field(
        description="Size of the lattice, its voxels and its time.", examples=["{extent: 1 mm, duration: 60 day}"]
    )
    start: Start = Field(description="The tissue on day 0.", examples=["{diameter: 0.6 mm}"])
    arms: Arms
    output: SpatialOutput = Field(default_factory=SpatialOutput, description="What is stored.")

    @property
    def shots(self) -> tuple[float, ...]:
        """Days of the snapshots."""
        return self.output.shots(self.lattice.duration)


def load_spatial(
    source: str | Path,
    overrides: Sequence[str] = (),
    replicates: int | None = None,
    seed: int | None = None,
    *,
    root: str | Path | None = None,
) -> SpatialScenario:
    """Read, check and resolve a spatial scenario file, as `tumorsim.scenario.load` does that of a trial.

    ``replicates`` is the number of lattices in an arm, instead of the file's.
    """
    options = {"--replicates": ("lattice.replicates", replicates), "--seed": ("seed", seed)}
    return load_study(
        source, SpatialScenario, _check, overrides=overrides, options=options, root=root, settle=_with_defaults
    )


def resolve_spatial_tree(node: Node) -> SpatialScenario:
    """Spatial scenario of a tree composed already (`tumorsim.study.read_study`); errors as of `load_spatial`."""
    return resolve(node, SpatialScenario, _check, _with_defaults)


def read_resolved_spatial(text: str, shown: str = "resolved scenario") -> SpatialScenario:
    """Spatial scenario of a resolved text, as `tumorsim.scenario.read_resolved` reads that of a trial."""
    return read_text(text, SpatialScenario, _check, shown, _renewed)


def _renewed(plain: dict[str, Any]) -> dict[str, Any]:
    """A resolved text from before depots belonged to procedures and territories to tissues, as it would read now."""
    old = {name: f"depot_{name}" for name in Depot.names()}
    penetration = value_at(plain, "tissue", "penetration")
    if not all(has(penetration, key) for key in old.values()):
        return plain
    depot = {name: penetration.pop(key) for name, key in old.items()}
    anatomy = value_at(plain, "tissue", "anatomy")
    if isinstance(anatomy, dict):
        anatomy.setdefault("territory", {"value": OLD_TERRITORY, "source": "built in", "status": "assumed"})
    for arm in _items(plain, "arms"):
        for treatment in _items(arm, "treatments"):
            procedure = value_at(treatment, "tace")
            if isinstance(procedure, dict):
                procedure.setdefault("depot", depot)
    return plain


def _items(raw: Any, key: str) -> list[Any]:
    """Items of a list in a tree that may be faulty."""
    found = value_at(raw, key)
    return found if isinstance(found, list) else []


def _check(plain: Any, blocks: dict[str, Any]) -> Iterator[Finding]:
    return findings(SpatialDraft(plain, blocks))


# --- defaults of the start --------------------------------------------------------------


def _with_defaults(root: Node) -> Node:
    """Tree whose start says what it takes from disease, tissue and weight."""
    start = root.get("start")
    if start is None or not start.is_mapping:
        return root
    plain = root.plain()
    given = {key: child for key, child in start.value.items() if child.value is not None}
    spacing = _of_library(plain, "tissue", "anatomy", "vessel_spacing", absent="150 um")
    inside = _of_library(plain, "tissue", "anatomy", "vessel_spacing_inside", absent="150 um")
    defaults = {
        "resistant_fraction": _of_library(plain, "disease", "burden", "initial_resistant_fraction", absent=0.0),
        "antigen_low_fraction": _of_library(plain, "disease", "burden", "initial_antigen_low_fraction", absent=0.0),
        "vessel_spacing": spacing,
        "vessel_spacing_inside": given["vessel_spacing"].value if "vessel_spacing" in given else inside,
        "body_surface": _body_surface(value_at(plain, "start", "body_weight")),
    }
    filled = {key: Node(value, start.mark, start.key) for key, value in defaults.items() if key not in given}
    return Node({**root.value, "start": Node({**start.value, **filled}, start.mark, start.key)}, root.mark, root.key)


def _of_library(plain: Any, *path: str, absent: str | float) -> Any:
    """A value as written; ``absent`` where there is none, which is reported at its own place."""
    raw = value_at(plain, *path)
    raw = value_at(raw, "value") if isinstance(raw, dict) else raw
    return raw if isinstance(raw, str | int | float) and not isinstance(raw, bool) else absent


def _body_surface(weight: Any) -> str:
    """Mosteller's formula for a body of mean height; a faulty weight is reported at its own place."""
    try:
        kg = Start.model_fields["body_weight"].default if weight is None else parse_quantity(weight, "body_weight")
        return f"{math.sqrt(MEAN_HEIGHT * kg / 3600.0):.4g} m**2"
    except (UnitError, ValueError):
        return "1.73 m**2"
