"""How a spatial study is made: the lattice, the tissue at the start, what is stored."""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tumorsim.params.base import Block, Duration, Length, Number, Probability, Unit, Weight

MAX_VOXELS: Final = 40_000_000
MAX_SHOTS: Final = 500
# a time or length counts as a whole number of steps or voxels if it misses one by less
WHOLE: Final = 1e-6

TissueVolume = Annotated[float, Unit("tissue_volume")]
BodySurface = Annotated[float, Unit("body_surface")]


def whole(amount: float, unit: float) -> int | None:
    """How many ``unit`` make ``amount``; None if that is no whole number."""
    ratio = amount / unit
    return round(ratio) if abs(ratio - round(ratio)) <= WHOLE * max(1.0, ratio) else None


def _along_axes(raw: object) -> object:
    """A single length is a cube."""
    if not isinstance(raw, list | tuple):
        return (raw, raw, raw)
    if len(raw) != 3:
        raise ValueError("must be one length for a cube, or three, along x, y and z, e.g. [2 mm, 2 mm, 20 um]")
    return raw


class LatticeDesign(Block):
    """Size, spacing and time of a lattice (docs/scenario-files.md)."""

    extent: Annotated[
        tuple[Length, Length, Length], BeforeValidator(_along_axes, json_schema_input_type=list[str] | str)
    ] = Field(
        description="Length along x, y and z; one length for a cube. As deep as one voxel along z is one slice.",
        examples=["[2 mm, 2 mm, 20 um]"],
    )
    spacing: Length = Field(
        20.0, ge=5, le=100, validate_default=False, description="Side of a voxel.", examples=["20 um"]
    )
    step: Duration = Field(
        1 / 24,
        ge=1 / 1440,
        le=0.25,
        validate_default=False,
        description="Time step; a cell divides at most once in it.",
        examples=["1 h"],
    )
    fields_every: Duration = Field(
        0.25,
        gt=0,
        le=7,
        validate_default=False,
        description="Time between two solutions of the fields.",
        examples=["6 h"],
    )
    duration: Duration = Field(gt=0, le=3653, description="Simulated time.", examples=["60 day"])
    replicates: int = Field(10, ge=1, le=10_000, description="Lattices in each arm, alike but for their chances.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        x, y, z = (round(length / self.spacing) for length in self.extent)
        return z, y, x

    @property
    def voxels(self) -> int:
        """Voxels of one lattice."""
        return math.prod(self.shape)

    @property
    def steps(self) -> int:
        """Steps to the end."""
        return round(self.duration / self.step)

    @property
    def fields_stride(self) -> int:
        """Steps between two solutions of the fields."""
        return max(1, round(self.fields_every / self.step))


class Start(Block):
    """The tissue, and the body around it, on day 0.

    What is left out comes from the disease (``burden``) and the tissue (``anatomy``).
    """

    tumour: Literal["sphere", "slab", "filled"] = Field(
        "sphere",
        description="A ball in the middle (a disc in one slice; a lattice less deep holds a section of it), "
        "a slab from the low x face inwards, or the whole lattice.",
    )
    diameter: Length = Field(
        0.0,
        ge=0,
        validate_default=False,
        description="Of the sphere, or thickness of the slab.",
        examples=["1.2 mm"],
    )
    cell_fraction: Probability = Field(
        0.8, gt=0, description="Share of the voxels inside the tumour that hold a cell; the rest is stroma."
    )
    resistant_fraction: Probability = Field(description="Share of the tumour cells that are drug-resistant.")
    resistant_clusters: int = Field(
        1, ge=0, le=10_000, description="Compact groups in which resistant cells lie; 0 scatters them."
    )
    antigen_low_fraction: Probability = Field(description="Share of the tumour cells that are antigen-low.")
    vessel_spacing: Length = Field(gt=0, le=5000, description="Mean distance between vessels.", examples=["150 um"])
    vessel_spacing_inside: Length = Field(
        gt=0,
        le=5000,
        description="The same inside of the tumour; as outside if left out.",
        examples=["150 um"],
    )
    lesion_volume: TissueVolume = Field(
        5.0,
        gt=0,
        le=5000,
        validate_default=False,
        description="Lesion of which the lattice is a sample.",
        examples=["5 mL"],
    )
    memory: Probability = Field(0.0, description="Memory CD8 T cells of the body against their ceiling.")
    body_weight: Weight = Field(65.0, gt=20, le=200, validate_default=False, description="For doses per kg.")
    body_surface: BodySurface = Field(
        gt=0.5,
        le=4,
        description="For doses per m2; from the weight (Mosteller) if left out.",
    )
    lymphocyte_factor: Number = Field(1.0, gt=0, le=20, description="Collection yield against a healthy donor.")


class Snapshots(Block):
    """Days on which the whole lattice of the first replicate is stored and measures are taken."""

    days: tuple[Duration, ...] = Field((), max_length=MAX_SHOTS, validate_default=False, description="These days.")
    every: Duration | None = Field(
        None,
        gt=0,
        validate_default=False,
        description="Day 0 and every so often, to the end.",
        examples=["7 day"],
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.days and self.every is not None:
            raise ValueError("give days or every, not both, e.g. [0 day, 14 day] or {every: 7 day}")
        return self


def _days(raw: object) -> object:
    """A list of days; a mapping as it is."""
    if isinstance(raw, list | tuple):
        return {"days": raw}
    if not isinstance(raw, dict | Snapshots):
        raise ValueError("must be a list of days or a rhythm, e.g. [0 day, 14 day] or {every: 7 day}")
    return raw


class SpatialOutput(Block):
    """What a spatial run stores."""

    interval: Duration = Field(
        1.0, gt=0, validate_default=False, description="Time between points of the series.", examples=["1 day"]
    )
    snapshots: Annotated[Snapshots, BeforeValidator(_days, json_schema_input_type=Snapshots | list[str])] = Field(
        default_factory=lambda: Snapshots.model_validate({"every": "7 day"}),
        description="Days, or {every: 7 day}; [] for none.",
        examples=["[0 day, 14 day]"],
    )
    lineage: bool = Field(True, description="Whether the lineage of the first replicate is stored.")
    checkpoint: Duration | None = Field(
        None,
        gt=0,
        validate_default=False,
        description="Time between checkpoints; none if left out.",
        examples=["5 day"],
    )

    def shots(self, duration: float) -> tuple[float, ...]:
        """Days of the snapshots of a run that takes so many days."""
        every = self.snapshots.every
        if every is None:
            return self.snapshots.days
        return tuple(k * every for k in range(math.floor(duration / every * (1 + WHOLE)) + 1))
