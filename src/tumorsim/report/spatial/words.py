"""The sentences of a spatial result's page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.looks import labels, lattice_size, shown
from tumorsim.report.resolved import ParameterRow
from tumorsim.report.words import count, listed
from tumorsim.spatial_numbers import Quantity, differences, interval, quantity

SHORT = (("tumour_cells", "Living tumour cells at the end"), ("kills", "Tumour cells killed by effectors"))
LIMITATIONS = (
    "The lattice is a model. The page shows what follows from the scenario's assumptions, and a wrong assumption gives "
    "a precise wrong answer.",
    "It is a small piece of tissue, not a lesion and not a patient: what happens beyond its faces is not simulated, "
    "and a tumour that reaches them is cut.",
    "Intervals hold the luck of the replicates alone. They do not contain the uncertainty of the parameters or of the "
    "model's form, which is larger; more replicates make them narrower, not truer.",
    "Arms share their start and their luck, so that differences are more certain than the values beside them suggest. "
    "Many quantities are compared and none of the intervals is adjusted for that.",
    "The arm that has most, and the day of a peak, are picked from the replicates that judge them: this makes a peak "
    "look higher, and a fall after it likelier, than new replicates would.",
    "Pictures, families and the animation are of the first replicate: one course among many.",
    "IFN-γ, the chemokine and the suppressive factor have no absolute unit; 1 is solid tissue in which every voxel "
    "secretes.",
)
READING = (
    "Depth is counted from the margin of the tumour: its living and dead cells with narrow gaps and enclosed holes "
    "filled. Mixing is the chance that neighbours are of different clones, against that of two cells drawn at random. "
    "Distances from vessels run from centre to centre of the voxels."
)


def size_in_words(view: SpatialView) -> str:
    """``40 × 40 × 1 voxels of 20 µm (0.8 × 0.8 × 0.02 mm)``: along x, y and z."""
    data = view.data
    lengths = " × ".join(f"{n * data.spacing / 1000.0:.3g}" for n in reversed(data.shape))
    return f"{lattice_size(data)} ({lengths} mm)"


def in_short(view: SpatialView) -> list[str]:
    """The result in a few sentences."""
    data = view.data
    days = float(data.time[-1] - data.time[0]) if data.time.size else 0.0
    arms, replicates = count(len(data.arms), "arm"), count(len(data.replicate), "replicate")
    each = "each " if len(data.arms) > 1 else ""
    said = [f"{arms}, {each}in {replicates} of a lattice of {size_in_words(view)}, over {days:g} days."]
    for name, title in SHORT:
        one = quantity(name)
        samples = one.of(data)
        if not np.nansum(samples) > 0:
            said.append(f"{title}: none{' in any arm' if len(data.arms) > 1 else ''}.")
            continue
        parts = [f"{_value(one, samples[arm])} with {label}" for arm, label in enumerate(labels(view))]
        said.append(f"{title}: {listed(parts)}.")
    return said + _apart(view)


def _value(one: Quantity, samples: np.ndarray) -> str:
    return with_ends(one, interval(samples[None], axis=1), 0)


def _apart(view: SpatialView) -> list[str]:
    """Living tumour cells of each arm against the first, replicate by replicate."""
    one = quantity("tumour_cells")
    apart = interval(differences(one.of(view.data)), axis=1)
    names = labels(view)
    parts = [
        f"{names[arm]}: {with_ends(one, apart, arm, signed=True)}"
        for arm in range(1, len(names))
        if np.isfinite(apart.mean[arm])
    ]
    if not parts or not np.nansum(one.of(view.data)) > 0:
        return []
    return [f"Living tumour cells less those of {names[0]}, replicate by replicate: {'; '.join(parts)}."]


def with_ends(one: Quantity, found: object, arm: int, signed: bool = False) -> str:
    """``10,900 (10,100 to 11,700)``; the mean alone where replicates are equal, or one."""
    mean, low, high = (float(getattr(found, name)[arm]) for name in ("mean", "low", "high"))
    text = shown(mean, signed)
    if not np.isfinite(low) or low == high:
        return text
    return f"{text} ({shown(low)} to {shown(high)})"


def sources_statement(rows: Sequence[ParameterRow]) -> str:
    """How many parameters are measured, fitted and assumed."""
    if not rows:
        return "The resolved scenario names no parameter."
    held = [row.status for row in rows]
    parts = [f"{held.count(status)} {status}" for status in ("measured", "fitted", "assumed") if status in held]
    return (
        f"Of {count(len(rows), 'parameter')} {listed(parts)}. What is assumed was chosen within the ranges below and "
        "without a measurement that fixes it; a result that depends on such a value is no more certain than the value."
    )
