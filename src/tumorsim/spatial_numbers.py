"""Numbers that summary, figures and page share: quantities of a spatial study, and their means over replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.spatial_variables import SPATIAL_VARIABLES, SpatialData
from tumorsim.variables import Variable

FloatArray = NDArray[np.float64]
CLONES = ("sensitive", "resistant", "antigen_low", "resistant_antigen_low")
_DECLARED = {variable.name: variable for variable in SPATIAL_VARIABLES if variable.group in {"series", "measures"}}


def declared(name: str) -> Variable:
    """The declaration of a series or a measure."""
    return _DECLARED[name]


def values(data: SpatialData, name: str) -> FloatArray:
    """A series or a measure as numbers: what is missing is NaN, counts too."""
    found: FloatArray = np.array(data.arrays[name]).astype(np.float64)
    if declared(name).count:
        found[found < 0] = np.nan
    return found


def over_products(data: SpatialData, name: str) -> FloatArray:
    """A series by product, summed over the products; (arm, replicate, time)."""
    return np.asarray(values(data, name).sum(axis=2))


def tumour_cells(data: SpatialData) -> FloatArray:
    """Living tumour cells; (arm, replicate, time)."""
    return np.asarray(np.sum([values(data, name) for name in CLONES], axis=0))


def resistant_cells(data: SpatialData) -> FloatArray:
    """Living drug-resistant tumour cells, antigen-low ones too; (arm, replicate, time)."""
    return np.asarray(values(data, "resistant") + values(data, "resistant_antigen_low"))


def share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """A part over its whole; NaN where there is no whole."""
    found = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


@dataclass(frozen=True)
class Interval:
    """Mean over replicates with the 95% interval of Student's t; NaN without two replicates."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    n: NDArray[np.int64]


def interval(samples: FloatArray, axis: int = 0) -> Interval:
    """Mean and interval along the axis of the replicates; missing values are left out."""
    from scipy.special import stdtrit

    kept = np.isfinite(samples)
    n = kept.sum(axis=axis)
    total = np.where(kept, samples, 0.0).sum(axis=axis)
    mean = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
    away = np.where(kept, samples - np.expand_dims(mean, axis), 0.0)
    freedom = np.maximum(n - 1, 1)
    error = np.sqrt((away**2).sum(axis=axis) / freedom / np.maximum(n, 1))
    half = np.where(n > 1, stdtrit(freedom, 0.975) * error, np.nan)
    return Interval(mean, mean - half, mean + half, np.asarray(n, dtype=np.int64))


@dataclass(frozen=True)
class Quantity:
    """One number a replicate, to be compared between arms.

    Attributes
    ----------
    name, title
        Name on the command line, and in words.
    unit
        As declared; "%" where ``scale`` is 100.
    read
        ``read(data)``, (arm, replicate).
    scale
        Factor between stored and printed.
    """

    name: str
    title: str
    unit: str
    read: Callable[[SpatialData], FloatArray] = field(repr=False)
    scale: float = 1.0

    def of(self, data: SpatialData) -> FloatArray:
        """Printed values; (arm, replicate)."""
        return self.scale * self.read(data)


def _last(series: FloatArray) -> FloatArray:
    return np.asarray(series[..., -1])


def _at_end(name: str, title: str, scale: float = 1.0) -> Quantity:
    def read(data: SpatialData) -> FloatArray:
        found = over_products(data, name) if "product" in declared(name).dims else values(data, name)
        return _last(found) if found.shape[-1] else np.full(found.shape[:-1], np.nan)

    return Quantity(name, title, "%" if scale == 100.0 else declared(name).unit, read, scale)


def _resistant_share(data: SpatialData) -> FloatArray:
    return share(_last(resistant_cells(data)), _last(tumour_cells(data)))


def _most_infiltrating(data: SpatialData) -> FloatArray:
    found = values(data, "infiltrating")
    return np.asarray(np.where(np.isfinite(found), found, -np.inf).max(axis=-1, initial=-np.inf))


def _known(read: Callable[[SpatialData], FloatArray]) -> Callable[[SpatialData], FloatArray]:
    def finite(data: SpatialData) -> FloatArray:
        found = read(data)
        return np.asarray(np.where(np.isfinite(found), found, np.nan))

    return finite


QUANTITIES = (
    Quantity("tumour_cells", "Living tumour cells", "cell", lambda data: _last(tumour_cells(data))),
    Quantity("resistant_share", "Resistant among living tumour cells", "%", _resistant_share, 100.0),
    _at_end("dead_cells", "Dead tumour cells not yet cleared"),
    _at_end("kills", "Tumour cells killed by effectors, in all"),
    _at_end("recruited", "Effectors that entered, in all"),
    _at_end("lymphocytes", "Effectors in the tissue"),
    Quantity("most_infiltrating", "Most effectors inside the margin", "cell", _known(_most_infiltrating)),
    _at_end("infiltrating", "Effectors inside the margin"),
    _at_end("infiltration_depth", "Mean depth of effectors below the margin"),
    _at_end("hypoxic_fraction", "Living tumour cells below 10 mmHg", 100.0),
    _at_end("oxygen", "Oxygen of living tumour cells"),
    _at_end("vegf", "VEGF"),
    _at_end("open_vessels", "Vessel voxels with flow"),
    _at_end("embolised_vessels", "Vessel voxels closed by TACE"),
    _at_end("maturity", "Maturity of vessels"),
    _at_end("perfusion", "Perfusion"),
    _at_end("rim_distance", "Living tumour cells from the nearest open vessel"),
    _at_end("dead_distance", "Dead tumour cells from the nearest open vessel"),
    _at_end("radius_of_gyration", "Radius of gyration"),
    _at_end("clusters", "Connected groups of living tumour cells"),
    _at_end("largest_cluster", "Share of the largest group", 100.0),
    _at_end("mixing", "Mixing of clones"),
)


def quantity(name: str) -> Quantity:
    """The quantity of a name.

    Raises
    ------
    ValueError
        No such quantity; the message lists the names.
    """
    for one in QUANTITIES:
        if one.name == name:
            return one
    raise ValueError(f"{name!r} is no quantity; quantities are: {', '.join(one.name for one in QUANTITIES)}")


def told(data: SpatialData, one: Quantity) -> bool:
    """Whether the study has anything but zero and gaps to say of a quantity; living tumour cells always tell."""
    return one.name == "tumour_cells" or bool(np.nansum(np.abs(one.of(data))) > 0)


def differences(samples: FloatArray) -> FloatArray:
    """Each arm less the first, replicate by replicate; (arm, replicate).

    Replicates share their start and their luck between arms (common random numbers), so that the spread of the
    differences is smaller than that of the values.
    """
    return np.asarray(samples - samples[:1])


def largest_of(*arrays: Any) -> float:
    """The largest finite value of several arrays; 0 if there is none."""
    return max((float(np.nanmax(array, initial=0.0, where=np.isfinite(array))) for array in arrays), default=0.0)
