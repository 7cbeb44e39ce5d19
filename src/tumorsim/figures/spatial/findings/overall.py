"""Growth, depth of effectors, oxygen, and the arms at the end, over all replicates."""

from __future__ import annotations

from typing import Any

import numpy as np

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.findings.chance import ALONE, change, side, small, value
from tumorsim.figures.spatial.findings.session import session
from tumorsim.figures.spatial.looks import labels, shots_with_effectors
from tumorsim.spatial_numbers import FloatArray, Quantity, quantity, share, told, tumour_cells, values
from tumorsim.spatial_variables import SpatialData

AT_END = ("tumour_cells", "hypoxic_fraction", "vegf", "maturity", "perfusion", "open_vessels", "kills")


def growth(view: SpatialView, **_: Any) -> list[str]:
    """Living tumour cells at the end less those at the start, by arm, of all replicates."""
    living = tumour_cells(view.data)
    if living.shape[-1] < 2:
        return []
    parts = [f"{name} {change(living[arm, :, -1] - living[arm, :, 0])}" for arm, name in enumerate(labels(view))]
    start = value(living[0, :, 0])
    return [f"The picture is one replicate. In all of them, living tumour cells, {start} at the start, changed by: "
            f"{'; '.join(parts)}."]  # fmt: skip


def depth(view: SpatialView, **_: Any) -> list[str]:
    """Mean depth of effectors below the margin over snapshots that have them, by arm and against the first."""
    found = _mean(values(view.data, "infiltration_depth")[..., shots_with_effectors(view.data)])
    names = labels(view)
    if not np.isfinite(found).any():
        return ["No snapshot holds an effector, so there is no depth to compare."]
    said = [f"{names[arm]} {value(row, 'µm')}" for arm, row in enumerate(found) if np.isfinite(row).any()]
    said = [
        f"Mean depth of effectors below the margin (negative: outside), snapshots with effectors: {'; '.join(said)}."
    ]
    if np.isfinite(found[0]).any() and len(names) > 1:
        parts = [
            f"{names[arm]} {change(found[arm] - found[0])}"
            for arm in range(1, len(names))
            if np.isfinite(found[arm] - found[0]).any()
        ]
        said += [f"Against {names[0]}: {'; '.join(parts)}."] if parts else []
    return _alone(view) + said


def oxygen(view: SpatialView, **_: Any) -> list[str]:
    """Oxygen of living tumour cells at the end, by arm and against the first, of all replicates."""
    one = quantity("oxygen")
    if not told(view.data, one):
        return []
    found, names = one.of(view.data), labels(view)
    parts = [f"{name} {value(found[arm], 'mmHg')}" for arm, name in enumerate(names) if np.isfinite(found[arm]).any()]
    said = [
        f"The picture is one replicate. In all of them, oxygen of living tumour cells at the end: {'; '.join(parts)}."
    ]
    apart = [
        f"{names[arm]} {change(found[arm] - found[0])}"
        for arm in range(1, len(names))
        if np.isfinite(found[arm] - found[0]).any()
    ]
    return said + ([f"Against {names[0]}: {'; '.join(apart)}."] if apart else [])


def series(view: SpatialView, **_: Any) -> list[str]:
    """What a session of TACE did, where there is one; then each arm at the end against the first."""
    data, names = view.data, labels(view)
    said = _alone(view) + session(view)
    chosen = [one for one in (quantity(name) for name in AT_END) if told(data, one)]
    if len(names) < 2 or len(data.replicate) < 2:
        return said
    looked = ", ".join(_short(one) for one in chosen)
    said.append(f"At the end against {names[0]}, what is beyond chance of {looked}:")
    return [*said, *(f"{names[arm]}: {_beyond(data, chosen, arm)}." for arm in range(1, len(names)))]


def _beyond(data: SpatialData, chosen: list[Quantity], arm: int) -> str:
    """Quantities of an arm whose difference from the first is beyond chance, with the differences."""
    away = {one: found[arm] - found[0] for one in chosen for found in (one.of(data),)}
    told_ = [f"{_short(one)} {change(found).rpartition(', ')[0]}" for one, found in away.items() if side(found)]
    return ", ".join(told_) or "nothing"


def _short(one: Quantity) -> str:
    return small(one.title).removesuffix(", in all")


def _mean(found: FloatArray) -> FloatArray:
    """Mean along the last axis of what is known; NaN where nothing is."""
    kept = np.isfinite(found)
    n = kept.sum(axis=-1)
    return share(np.where(kept, found, 0.0).sum(axis=-1), n)


def _alone(view: SpatialView) -> list[str]:
    return [ALONE] if len(view.data.replicate) == 1 else []
