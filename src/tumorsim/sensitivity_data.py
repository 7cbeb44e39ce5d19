"""What a sensitivity analysis came to: one JSON file, written and read by the same declaration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tumorsim.json_file import JsonError, read_json, refusal, sealed_text, unsealed

FORMAT: Final = "tumorsim sensitivity"
LAYOUT: Final = 1
FILE: Final = "sensitivity.json"
INDICES: Final = {"morris": ("mu_star", "mu", "sigma"), "sobol": ("S1", "ST")}
"""Names of the indices of each method; the first of `LEADING` sorts the factors."""
LEADING: Final = {"morris": "mu_star", "sobol": "ST"}
# beyond any quantity here, and far enough from the ends of a double to be squared and drawn
_MOST: Final = 1e100
Number = Annotated[float, Field(ge=-_MOST, le=_MOST)]
Text = Annotated[str, Field(max_length=20_000)]


class SensitivityError(ValueError):
    """The outcome of a sensitivity analysis that cannot be read; the message names file, place and rule."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FactorEnds(_Part):
    """A factor and the range over which it was varied.

    Attributes
    ----------
    name, title, unit
        Short name, what figures call it, unit of the ends.
    low, high
        The ends.
    logarithmic
        Whether a step is one of the logarithm.
    """

    name: Text
    title: Text
    unit: Text
    low: Number
    high: Number
    logarithmic: bool


class Estimates(_Part):
    """An index of every factor, with its interval; None where it is not defined.

    Attributes
    ----------
    value, low, high
        Estimate and ends; one entry a factor.
    """

    value: list[Number | None]
    low: list[Number | None]
    high: list[Number | None]


class OutputIndices(_Part):
    """What the factors do to one output.

    Attributes
    ----------
    name, title, unit, ratio
        As in the sweep.
    used, left_out
        Trajectories or base samples that count, and those that met a failure or no number and are left out whole.
    mean, sd
        Of the output over the points that count.
    indices
        By name; empty if too few count.
    """

    name: Text
    title: Text
    unit: Text
    ratio: bool
    used: int = Field(ge=0)
    left_out: int = Field(ge=0)
    mean: Number | None
    sd: Number | None
    indices: dict[str, Estimates]


class Sensitivity(_Part):
    """The outcome of a sensitivity analysis.

    Attributes
    ----------
    name, title, scenario
        Of the sweep file, and of the scenario it names.
    method
        ``morris`` or ``sobol``.
    samples
        Trajectories, or base samples, that were asked for.
    levels
        Of Morris; None for Sobol'.
    replicates
        Runs of each point, over which outputs are averaged before any index.
    resamples, confidence
        Of the intervals.
    seed
        Of the design and of the first replicate.
    runs, failed
        Of the sweep.
    identity, sweep_sha256
        Of the sweep, and of the table of its runs.
    factors, outputs
        In the order of the file.
    provenance
        As `tumorsim.provenance.collect` made it.
    """

    format: Literal["tumorsim sensitivity"] = FORMAT
    layout: Literal[1] = LAYOUT
    name: Text
    title: Text
    scenario: Text
    method: Literal["morris", "sobol"]
    samples: int = Field(ge=2)
    levels: int | None
    replicates: int = Field(ge=1)
    resamples: int = Field(ge=1)
    confidence: float = Field(gt=0.0, lt=1.0)
    seed: int
    runs: int = Field(ge=1)
    failed: int = Field(ge=0)
    identity: Text
    sweep_sha256: Text
    factors: list[FactorEnds] = Field(min_length=1)
    outputs: list[OutputIndices] = Field(min_length=1)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for one in self.outputs:
            if one.indices and set(one.indices) != set(INDICES[self.method]):
                raise ValueError(f"{one.name}: must have the indices {', '.join(INDICES[self.method])}, or none")
            for name, held in one.indices.items():
                if not len(held.value) == len(held.low) == len(held.high) == len(self.factors):
                    raise ValueError(f"{one.name}.{name}: must have one entry for each factor: {len(self.factors)}")
        return self

    @property
    def leading(self) -> str:
        """The index that sorts the factors."""
        return LEADING[self.method]

    def output(self, name: str | None) -> OutputIndices:
        """The output of a name; of None the first; KeyError lists the names."""
        for one in self.outputs:
            if name in (None, one.name):
                return one
        raise KeyError(f"{name!r} is no output; outputs are {', '.join(one.name for one in self.outputs)}")

    def text(self) -> str:
        """The file."""
        return sealed_text(self.model_dump(mode="json"))


def sensitivity_file(path: str | os.PathLike[str]) -> Path:
    """The JSON file of a sensitivity analysis: ``sensitivity.json`` inside a folder, else the path itself."""
    found = Path(path)
    return found / FILE if found.is_dir() else found


def is_sensitivity(path: Path) -> bool:
    """Whether a path is meant as a sensitivity analysis: a folder that holds one, or a JSON file that says so."""
    if path.is_dir():
        return (path / FILE).is_file()
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        found = read_json(path)
    except JsonError:
        return False
    return isinstance(found, dict) and found.get("format") == FORMAT


def read_sensitivity(path: str | os.PathLike[str]) -> Sensitivity:
    """The outcome of a sensitivity analysis.

    Parameters
    ----------
    path
        ``sensitivity.json``, or the folder that holds it.

    Raises
    ------
    SensitivityError
        The file is not there, not JSON, too large or deep, something else, or damaged by its checksum or shape; the
        message names the place.
    """
    file = sensitivity_file(path)
    if not file.exists():
        inside = file.parent.is_dir() and file.name == FILE
        what = f"{file.parent}: the folder holds no {FILE}" if inside else f"{file}: there is no such file"
        raise SensitivityError(f"{what}; give the folder of a sensitivity analysis, e.g. results/my_sweep-morris")
    try:
        found = read_json(file)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise JsonError(refusal(file, "format", f'must be "{FORMAT}"; this JSON file holds something else'))
        if found.get("layout") != LAYOUT:
            rule = f"must be {LAYOUT}; this file was written by another version of tumorsim"
            raise JsonError(refusal(file, "layout", rule))
        return Sensitivity.model_validate(unsealed(file, found))
    except JsonError as error:
        raise SensitivityError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise SensitivityError(refusal(file, place, f"{first['msg']}; the file is damaged")) from None
