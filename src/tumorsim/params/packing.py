"""From blocks of parameters to the records that kernels take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tumorsim.kernels import layout
from tumorsim.kernels.layout import Records
from tumorsim.params.base import Process
from tumorsim.params.tace import TaceModel


def records(dtype: np.dtype[np.void], values: NDArray[np.float64]) -> Records:
    """Columns of ``values`` (n, fields) as the first fields of records of ``dtype``."""
    out = np.zeros(values.shape[0], dtype)
    for name, column in zip(dtype.names or (), values.T, strict=False):
        out[name] = column
    return out


def typical(dtype: np.dtype[np.void], definitions: Sequence[Process]) -> Records:
    """One record a definition, with its typical values. Shape (definitions,)."""
    if not definitions:
        return np.zeros(0, dtype)
    return records(dtype, np.array([definition.values() for definition in definitions]))


def no_depot() -> Records:
    """Depot without a drug, which kills nothing. Shape (1,)."""
    return records(layout.DEPOT, np.array([layout.Depot(concentration=0.0, fall_rate=0.0, kill_rate=0.0, ec50=1.0)]))


def procedure(model: TaceModel) -> Records:
    """One procedure with its law of necrosis as quantiles of a Beta law (eq. T2)."""
    out = records(layout.PROCEDURE, np.array([model.values()]))
    mean, sd = model.necrosis_mean.value, model.necrosis_sd.value
    concentration = mean * (1.0 - mean) / sd**2 - 1.0
    share = np.linspace(0.0, 1.0, layout.QUANTILES)
    out["depot"] = no_depot() if model.depot is None else typical(layout.DEPOT, [model.depot])
    out["necrosis_quantiles"] = special.betaincinv(mean * concentration, (1.0 - mean) * concentration, share)
    return out


def procedures(models: Sequence[TaceModel]) -> Records:
    """Records of all procedures; one blank where there is none, since kernels want an array."""
    return np.concatenate([procedure(model) for model in models]) if models else np.zeros(1, layout.PROCEDURE)
