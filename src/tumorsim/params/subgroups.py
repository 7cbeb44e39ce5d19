"""A subgroup of patients by one covariate, written as ``cirrhosis = yes`` or ``platelets < 150 1e3/uL``."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.units import UnitError, parse_quantity
from tumorsim.variables import variable

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
# covariate -> dimension in which a limit is written, and the factor to the unit of its array
_MEASURED: dict[str, tuple[str, float]] = {
    "age": ("dimensionless", 1.0),
    "weight": ("body_weight", 1.0),
    "platelets": ("platelet_count", 1.0),
    "index_diameter": ("length", 1e-3),
    "index_number": ("dimensionless", 1.0),
}
_CODED = ("male", "hbv", "cirrhosis", "child_pugh", "modality")
_TEXT = re.compile(r"^(?P<name>[a-z_]+)\s*(?P<sign><=|>=|<|>|=)\s*(?P<limit>.+)$")
_EXAMPLE = '"cirrhosis = yes" or "platelets < 150 1e3/uL"'


@dataclass(frozen=True)
class Subgroup:
    """Patients whose covariate ``name`` stands in the relation ``sign`` to ``limit`` (unit of the array)."""

    name: str
    sign: str
    limit: float

    def members(self, known: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Who belongs to it. Shape (patient,)."""
        return np.asarray(_SIGNS[self.sign](np.asarray(known[self.name]), self.limit), dtype=bool)


@lru_cache(maxsize=256)
def read_subgroup(text: str) -> Subgroup:
    """Subgroup that ``text`` describes.

    Raises
    ------
    ValueError
        No such covariate, level or relation, or a limit without its unit.
    """
    match = _TEXT.match(text.strip()) if len(text) <= 80 else None
    if match is None:
        raise ValueError(f'"{text[:40]}" is no subgroup, e.g. {_EXAMPLE}')
    name, sign, limit = match["name"], match["sign"], match["limit"].strip()
    if name in _CODED:
        return Subgroup(name, sign, _code(name, sign, limit))
    if name not in _MEASURED:
        known = [*_MEASURED, *_CODED]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f' (did you mean "{close[0]}"?)' if close else ""
        raise ValueError(f'"{name}" is no covariate{hint}; there are {", ".join(known)}, e.g. {_EXAMPLE}')
    dimension, factor = _MEASURED[name]
    try:
        return Subgroup(name, sign, parse_quantity(limit, dimension) * factor)
    except UnitError as error:
        raise ValueError(f"{name}: {error}") from error


def _code(name: str, sign: str, level: str) -> float:
    labels = variable(name).labels
    if sign != "=":
        raise ValueError(f'{name} has levels and no order; write "{name} = {labels[-1]}"')
    if level not in labels:
        raise ValueError(f'{name}: "{level[:20]}" is no level; there are {", ".join(labels)}')
    return float(labels.index(level))
