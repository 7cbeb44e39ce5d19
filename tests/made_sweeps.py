"""Finished sweeps and sensitivity analyses made by hand, with answers that are known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from tumorsim import sampling
from tumorsim.sampling import Resampling
from tumorsim.sensitivity_data import FactorEnds, Sensitivity
from tumorsim.sweep.sensitivity import indices_of
from tumorsim.sweep_data import FactorColumn, OutputColumn, SweepData

DOSE = ("dose", "Cells of one infusion", "cells", tuple(np.geomspace(1e8, 1e10, 7)), True)
START = ("start", "Start of CIK", "day", tuple(np.linspace(0.0, 180.0, 6)), False)
DRUG = ("drug", "Drug", "", ("sorafenib", "lenvatinib", "none"), False)
MONTH = 365.25 / 12.0
SHARED = np.array([-1.0, 0.2, 0.8, 0.0])  # luck of a replicate, the same at every point


def make_sweep(*factors: Any, replicates: int = 3, design: str = "grid", samples: int = 40) -> SweepData:
    """A sweep whose outputs follow a formula: ``gain`` (day), ``hr`` (ratio), ``deaths``.

    With d the place of the dose between its ends and s that of the start, gain is 2 d (1 - s) - 0.5 months, and the
    hazard ratio exp(0.4 - d (1 - s)); a drug takes 0.1 of either for each place in its list.
    """
    factors = factors or (DOSE, START)
    if design in ("grid", "list"):
        places = list(
            product(*(range(len(one[3])) for one in factors)) if design == "grid"
            else zip(*(range(len(one[3])) for one in factors), strict=True)
        )  # fmt: skip
        share = np.array([[k / max(len(one[3]) - 1, 1) for k, one in zip(row, factors, strict=True)] for row in places])
    else:
        share = np.random.default_rng(3).random((samples, len(factors)))
    columns = [_column(one, share[:, k]) for k, one in enumerate(factors)]
    names = [one[0] for one in factors]
    d, s, w = (share[:, names.index(name)] if name in names else 0.5 * np.ones(len(share)) for name in
               ("dose", "start", "drug"))  # fmt: skip
    if "drug" not in names:
        w = 0.0 * w
    luck = 0.1 * SHARED[:replicates]
    gain = (2.0 * d * (1.0 - s) - 0.5 - 0.2 * w)[:, None] + luck
    ratio = np.exp((0.4 - d * (1.0 - s) + 0.2 * w)[:, None] + luck)
    deaths = (20.0 - 6.0 * d)[:, None] + np.rint(3 * SHARED[:replicates])
    outputs = (
        OutputColumn("gain", "Gain in mean survival", "day", MONTH * gain),
        OutputColumn("hr", "Hazard ratio of death", "1", ratio, ratio=True),
        OutputColumn("deaths", "Deaths from tumour", "1", deaths),
    )
    status = np.zeros(gain.shape, np.int8)
    return SweepData("toy_sweep", "Dose and start of CIK under sorafenib", design, tuple(columns), outputs, status,
                     7 + np.arange(replicates))  # fmt: skip


def _column(one: Any, share: np.ndarray) -> FactorColumn:
    name, title, unit, values, logarithmic = one
    if isinstance(values[0], str):
        return FactorColumn(name, title, "", np.rint(share * (len(values) - 1)), values)
    low, high = values[0], values[-1]
    along = low * (high / low) ** share if logarithmic else low + (high - low) * share
    return FactorColumn(name, title, unit, along, (), logarithmic)


def of_function(values: np.ndarray, method: str, unit: np.ndarray, names: Sequence[str], **changed: Any) -> Sensitivity:
    """The outcome of an analysis whose runs gave ``values``; (point, replicate)."""
    data = SweepData("toy", "A function that is known", f"sensitivity_{method}", (),
                     (OutputColumn("y", "Output", "1", values),), np.zeros(values.shape, np.int8),
                     np.arange(values.shape[1]))  # fmt: skip
    outputs = indices_of(data, unit, method, Resampling(200, 0.95, 5))
    factors = [FactorEnds(name=name, title=name, unit="", low=0.0, high=1.0, logarithmic=False) for name in names]
    size = unit.shape[1] + (1 if method == "morris" else 2)
    told: dict[str, Any] = {
        "name": "toy", "title": "A function that is known", "scenario": "none", "method": method,
        "samples": len(unit) // size, "levels": 6 if method == "morris" else None, "replicates": values.shape[1],
        "resamples": 200, "confidence": 0.95, "seed": 5, "runs": values.size, "failed": 0, "identity": "0" * 64,
        "sweep_sha256": "0" * 64, "factors": factors, "outputs": outputs,
    }  # fmt: skip
    return Sensitivity(**told | changed)


def make_sensitivity(method: str = "morris", **changed: Any) -> Sensitivity:
    """Of y = 10 a - 4 b + 8 (a - 1/2) (c - 1/2) + 0 d, whose answers are in the tests."""
    names = ["alpha", "beta", "gamma", "delta"]
    unit = sampling.trajectories(4, 12, 6, 3) if method == "morris" else sampling.saltelli(4, 256, 3)
    return of_function(interplay(unit)[:, None], method, unit, names, **changed)


def interplay(unit: np.ndarray) -> np.ndarray:
    """The function of `make_sensitivity`."""
    return 10.0 * unit[:, 0] - 4.0 * unit[:, 1] + 8.0 * (unit[:, 0] - 0.5) * (unit[:, 2] - 0.5)
