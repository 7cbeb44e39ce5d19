"""Layout of a result file, version 2: groups, axes, columns, and what a trial must be to fit.

The arrays themselves are declared in `tumorsim.variables`; ``docs/result-file.md``
shows the whole tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import RowArray, spans
from tumorsim.variables import VARIABLES, TrialData, Variable

Array = NDArray[Any] | RowArray

FORMAT = "tumorsim result"
SPATIAL_FORMAT = "tumorsim spatial result"
SWEEP_FORMAT = "tumorsim sweep result"
FORMATS = {FORMAT: "trial", SPATIAL_FORMAT: "spatial", SWEEP_FORMAT: "sweep"}
LAYOUT_VERSION = 2

# A variable added later raises LAYOUT_VERSION and is named here with the version
# that brought it, so that files from before stay readable.
SINCE: dict[str, int] = {"resistant_regrowth_time": 2}

# axis: unit, doc
FREE_AXES: dict[str, tuple[str, str]] = {  # of results of every kind
    "arm": ("1", "Name of the arm."),
    "text": ("1", "Always one."),
}
AXES: dict[str, tuple[str, str]] = FREE_AXES | {
    "patient": ("1", "Number of the virtual patient."),
    "visit": ("1", "Number of the visit, from 0."),
    "trace": ("1", "Number of the virtual patient whose trajectory is stored."),
    "time": ("day", "Time from randomisation."),
    "step": ("1", "Number of the curve's step, from 0."),
    "target": ("1", "Number of the reported figure, from 0."),
}
GROUP_AXES: dict[str, tuple[str, ...]] = {
    "patients": ("arm", "patient"),
    "visits": ("arm", "patient", "visit"),
    "trajectories": ("arm", "trace", "time"),
}
# Kaplan-Meier columns with (arm, step); `length` (arm) says how many steps count.
CURVE_COLUMNS: dict[str, tuple[str, str]] = {
    "time": ("month", "Time from randomisation."),
    "survival": ("1", "Kaplan-Meier estimate just after this time."),
    "greenwood": ("1", "Greenwood's sum: variance of the estimate over its square."),
    "lower": ("1", "Lower end of the pointwise 95 % confidence interval."),
    "upper": ("1", "Upper end of the pointwise 95 % confidence interval."),
    "at_risk": ("1", "Patients at risk just before this time."),
    "events": ("1", "Events up to this time since the step before."),
    "censored": ("1", "Patients censored up to this time since the step before."),
}
# Columns of the targets table: key in the summary -> kind.
TARGET_COLUMNS: dict[str, str] = {
    "id": "text",
    "quantity": "text",
    "arm": "text",
    "unit": "text",
    "kind": "text",
    "weight": "text",
    "source": "text",
    "note": "text",
    "reported": "number",
    "reported_ci": "pair",
    "simulated": "number",
    "interval": "pair",
    "within": "flag",
}
SETTINGS = ("adjuvant", "advanced")
ALLOCATIONS = ("twins", "randomised", "observational")
MAX_ARMS = 64
MAX_NAME = 100
MAX_TEXT = 1 << 26

# What an array may be in memory; the name is stored so that it comes back the same.
MEMORY_DTYPES: dict[str, np.dtype[np.generic]] = {
    name: np.dtype(name)
    for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64")
}
MISSING_CODE = -1
FILE_INTEGERS = tuple(np.dtype(name) for name in ("int8", "int16", "int32", "int64"))


def variables_of(version: int) -> dict[str, Variable]:
    """Variables that a file of this layout version holds, by name."""
    return {v.name: v for v in VARIABLES if SINCE.get(v.name, 1) <= version}


def target_columns() -> Iterator[str]:
    """Datasets of the targets table: an interval makes two."""
    for key, kind in TARGET_COLUMNS.items():
        yield from (f"{key}_low", f"{key}_high") if kind == "pair" else (key,)


def to_file(array: NDArray[Any], codes: bool) -> NDArray[Any]:
    """The array as it is on file, from which `from_file` gives back the same bits.

    Floats stay as they are; integers and booleans take the smallest signed integer
    that holds them, and so do codes that are kept as floats, with `MISSING_CODE` for
    NaN. netCDF has no boolean, and readers differ on half floats: neither is written.
    """
    if array.dtype.kind != "f":
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        return array.astype(next(d for d in FILE_INTEGERS if np.iinfo(d).min <= low and high <= np.iinfo(d).max))
    plain = array.astype(array.dtype.newbyteorder("="))
    if codes:
        small = np.where(np.isnan(plain), MISSING_CODE, plain).astype(np.int8)
        if from_file(small, plain.dtype).tobytes() == plain.tobytes():
            return small
    return plain


def file_dtype(array: Array, codes: bool) -> np.dtype[Any]:
    """Type that `to_file` gives the array as a whole: the widest of its pieces, and floats where one needs them."""
    found = [to_file(piece, codes).dtype for piece in pieces(array)]
    return max(found, key=lambda dtype: (dtype.kind == "f", dtype.itemsize))


def from_file(stored: NDArray[Any], memory: np.dtype[Any]) -> NDArray[Any]:
    """The array as it was in memory; the inverse of `to_file`."""
    restored = stored.astype(memory)
    if memory.kind == "f" and stored.dtype.kind != "f":
        restored[stored == MISSING_CODE] = np.nan
    return restored


def axis_sizes(data: TrialData) -> dict[str, int]:
    """Length of each axis of a trial."""
    visits = data.arrays.get("visit_time")
    return {
        "arm": len(data.arms),
        "patient": int(np.size(data.patient)),
        "visit": int(visits.shape[-1]) if visits is not None and visits.ndim else 0,
        "trace": int(np.size(data.trace)),
        "time": int(np.size(data.time)),
    }


def problems(data: TrialData, version: int = LAYOUT_VERSION) -> Iterator[tuple[str, str]]:
    """Everything that keeps a trial out of a result file, as (place, rule)."""
    yield from _axis_problems(data)
    declared = variables_of(version)
    for name in sorted(set(data.arrays) - set(declared)):
        yield name, "is not declared in tumorsim.variables"
    sizes = axis_sizes(data)
    for name, variable in declared.items():
        place = f"{variable.group}/{name}"
        if name not in data.arrays:
            yield place, "is missing"
            continue
        rule = array_problem(data.arrays[name], variable, tuple(sizes[axis] for axis in variable.dims))
        if rule:
            yield place, rule


def pieces(array: Array) -> Iterator[NDArray[Any]]:
    """The array as it is, or what is on disk in runs of patients."""
    if isinstance(array, RowArray):
        yield from (array[:, rows] for rows in spans(array))
    else:
        yield array


def array_problem(array: Array, variable: Variable, shape: tuple[int, ...]) -> str | None:
    """What keeps one array out of a result; None if it fits."""
    if array.dtype.name not in MEMORY_DTYPES:
        return f"has type {array.dtype.name}, which a result cannot hold; allowed: {', '.join(MEMORY_DTYPES)}"
    if array.shape != shape:
        return f"has shape {array.shape}, expected {shape} for dimensions {variable.dims}"
    if not variable.labels or not array.size:
        return None
    for piece in pieces(array):
        codes = piece[~np.isnan(piece)] if piece.dtype.kind == "f" else piece
        if not np.isin(codes, np.arange(len(variable.labels))).all():
            return f"holds a code outside 0..{len(variable.labels) - 1} ({', '.join(variable.labels)})"
    return None


def _axis_problems(data: TrialData) -> Iterator[tuple[str, str]]:
    yield from arm_problems(data.arms, data.labels)
    if data.setting not in SETTINGS:
        yield "setting", f"{data.setting!r} is none of {', '.join(SETTINGS)}"
    if data.allocation not in ALLOCATIONS:
        yield "allocation", f"{data.allocation!r} is none of {', '.join(ALLOCATIONS)}"
    yield from number_problems("patient", data.patient)
    yield from number_problems("trace", data.trace)
    if not np.isin(data.trace, data.patient).all():
        yield "trace", "names a patient that is not in the trial"
    yield from rising_problems("time", data.time, "days")


def arm_problems(arms: tuple[str, ...], labels: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What is wrong with arms and their labels."""
    if not 1 <= len(arms) <= MAX_ARMS or len(set(arms)) != len(arms):
        yield "arm", f"needs 1 to {MAX_ARMS} different names, not {len(arms)}: {arms[:4]}"
    if len(labels) != len(arms):
        yield "arm_label", f"has {len(labels)} labels for {len(arms)} arms"
    for text in (*arms, *labels):
        if not text.isprintable() or not 1 <= len(text) <= MAX_NAME:
            yield "arm", f"{text[:40]!r} is not a name: 1 to {MAX_NAME} printable characters"


def number_problems(name: str, axis: NDArray[Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with an axis that numbers things."""
    if axis.ndim != 1 or axis.dtype.kind not in "iu" or np.unique(axis).size != axis.size:
        yield name, "must be different whole numbers in one dimension"


def rising_problems(name: str, axis: NDArray[Any], unit: str) -> Iterator[tuple[str, str]]:
    """What is wrong with an axis of times or lengths."""
    if axis.ndim != 1 or axis.dtype.kind != "f":
        yield name, f"must be floating-point {unit} in one dimension"
    elif not np.isfinite(axis).all() or (np.diff(axis) <= 0.0).any():
        yield name, "must be finite and rising"
