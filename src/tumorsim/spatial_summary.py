"""The summary of a spatial study: what each arm came to, with intervals over replicates, and against the first arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from tumorsim.spatial_numbers import QUANTITIES, Interval, differences, interval, told
from tumorsim.spatial_variables import SpatialData
from tumorsim.variables import NOTICE


def summarise(data: SpatialData, name: str, title: str, seed: int) -> dict[str, Any]:
    """JSON-safe summary.

    Returns
    -------
    dict
        ``rows``: one a quantity and arm, with ``mean`` and ``interval`` (95 %, Student's t) over replicates, and
        ``difference`` from the first arm, replicate by replicate, with its interval.
    """
    rows = [row for one in QUANTITIES if told(data, one) for row in _rows(data, one)]
    return {
        "spatial": name,
        "title": title,
        "seed": seed,
        "notice": NOTICE,
        "arms": [{"name": arm, "label": label} for arm, label in zip(data.arms, data.labels, strict=True)],
        "replicates": int(data.replicate.size),
        "days": float(data.time[-1]),
        "voxels": list(data.shape),
        "spacing_um": data.spacing,
        "rows": rows,
    }


def _rows(data: SpatialData, one: Any) -> list[dict[str, Any]]:
    values = one.of(data)
    means, apart = interval(values, axis=1), interval(differences(values), axis=1)
    rows = []
    for place, arm in enumerate(data.arms):
        row = {"quantity": one.name, "title": one.title, "unit": one.unit, "arm": arm, "n": int(means.n[place])}
        row |= {"mean": _number(means.mean[place]), "interval": _ends(means, place)}
        if place:
            row |= {"difference": _number(apart.mean[place]), "difference_interval": _ends(apart, place)}
        rows.append(row)
    return rows


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _ends(found: Interval, place: int) -> list[float | None]:
    return [_number(found.low[place]), _number(found.high[place])]
