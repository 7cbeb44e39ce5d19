"""Free parameters: where they stand, what is held of them beforehand, and how they are searched.

The search and the posterior move in latent coordinates in which every prior is a
standard normal (docs/theory/calibration.md, eq. C1), so that a step of one is a prior
standard deviation for every parameter and no limit can be overstepped.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from tumorsim.calibration.config import Calibration, FreeParameter, Prior
from tumorsim.calibration.simulator import FloatArray
from tumorsim.fields import bounds_of, description_of, place_of, unit_of, value_at
from tumorsim.params.base import Process
from tumorsim.places import Route, routes
from tumorsim.scenario import Scenario
from tumorsim.study import canonical_json
from tumorsim.units import DIMENSIONS, UnitError, format_quantity, parse_quantity
from tumorsim.yamlio import Problem, ScenarioError

EDGE = 1e-6  # latent coordinates stay this far, in probability, from the ends of a prior
LARGEST = 5.0  # standard deviations: beyond it the value does not move


@dataclass(frozen=True)
class Law:
    """A prior in internal units."""

    law: str
    low: float
    high: float
    median: float
    spread: float

    @property
    def logarithmic(self) -> bool:
        """Whether the parameter lives on a log scale."""
        return self.law in ("lognormal", "loguniform")

    def value(self, latent: FloatArray | float) -> FloatArray:
        """Value at a latent coordinate: the prior's quantile of its normal probability (eq. C1)."""
        u = np.clip(special.ndtr(np.clip(latent, -LARGEST, LARGEST)), EDGE, 1.0 - EDGE)
        a, b = self._ends
        if self.law in ("uniform", "loguniform"):
            x = a + (b - a) * u
        else:
            centre = math.log(self.median) if self.logarithmic else self.median
            below, above = (float(special.ndtr((end - centre) / self.spread)) for end in (a, b))
            x = centre + self.spread * special.ndtri(below + (above - below) * u)
        x = np.clip(x, a, b)
        return np.asarray(np.exp(x) if self.logarithmic else x)

    def latent(self, value: FloatArray | float) -> FloatArray:
        """The inverse of `value`."""
        a, b = self._ends
        x = np.clip(np.log(value) if self.logarithmic else np.asarray(value, float), a, b)
        if self.law in ("uniform", "loguniform"):
            u = (x - a) / (b - a)
        else:
            centre = math.log(self.median) if self.logarithmic else self.median
            below, above = (float(special.ndtr((end - centre) / self.spread)) for end in (a, b))
            u = (special.ndtr((x - centre) / self.spread) - below) / (above - below)
        return np.asarray(special.ndtri(np.clip(u, EDGE, 1.0 - EDGE)))

    @property
    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.logarithmic else (self.low, self.high)


@dataclass(frozen=True)
class Parameter:
    """A free parameter, read.

    Attributes
    ----------
    declared
        As the file has it.
    dimension
        Its dimension (`tumorsim.units.DIMENSIONS`).
    law
        The prior in internal units.
    start
        Latent coordinate at which the search begins.
    symbol, doc
        From the declaration of the value.
    """

    declared: FreeParameter
    dimension: str
    law: Law
    start: float
    symbol: str
    doc: str

    @property
    def name(self) -> str:
        """Short name."""
        return self.declared.name

    @property
    def unit(self) -> str:
        """Internal unit as text."""
        return DIMENSIONS[self.dimension].internal

    def text(self, value: float) -> str:
        """The value as it is written in YAML."""
        written = format_quantity(float(value), self.dimension)
        return str(written)


def fixed_by(path: str, settings: Sequence[str], plains: Sequence[Any]) -> bool:
    """Whether ``settings`` (key=value) set, or do away with, every place that ``path`` means.

    Parameters
    ----------
    path
        Of a free parameter.
    settings
        As on the command line.
    plains
        Resolved scenarios that have the settings.
    """
    keys = [setting.partition("=")[0].strip().removesuffix(".value") for setting in settings]
    for plain in plains:
        fixed = [route for key in keys for route in routes(plain, key)]
        if any(all(route[: len(one)] != one for one in fixed) for route in routes(plain, path)):
            return False
    return True


def with_values(plain: dict[str, Any], parameters: Sequence[Parameter], values: FloatArray) -> dict[str, Any]:
    """A resolved scenario with the free parameters set; those it does not have are left out."""
    changed: dict[str, Any] = copy.deepcopy(plain)
    for parameter, value in zip(parameters, values, strict=True):
        for route in routes(changed, parameter.declared.path):
            _put(changed, route, parameter.text(value))
    return changed


# how much work each stage may cost
EFFORTS = ("screening", "optimise", "winner", "posterior", "recovery")
# what tells people about a value and decides no number
_WORDS = frozenset({"title", "description", "label", "note", "source", "status", "range", "interval", "weight", "kind"})
# blocks that only the lattice reads: they decide no number of a trial
_LATTICE = frozenset({"depot"})


def digest_of(made: Calibration) -> str:
    """SHA-256 of what decides an evaluation.

    The meaning of the file and of every scenario it uses, without words for people and blocks of the lattice,
    without the present values of the free parameters (shipping the fitted values does not
    make a calibration another one) and without the effort of the stages (a search may go
    on longer than was first asked for).
    """
    parameters = read_parameters(made)
    middle = np.array([float(p.law.value(0.0)) for p in parameters])
    told = made.model_dump(mode="json")
    for stage in EFFORTS:
        told.pop(stage)
    for one in (*told["parameters"], *told["rivals"]):
        one.pop("start", None)
        one.pop("refit", None)
    scenarios = [*made.scenarios, *(s for each in made.rival_scenarios for s in each)]
    meanings = [_meaning(with_values(_plain(scenario), parameters, middle)) for scenario in scenarios]
    return hashlib.sha256(canonical_json([_meaning(told), *meanings]).encode()).hexdigest()


def _meaning(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _meaning(child) for key, child in plain.items() if key not in _WORDS | _LATTICE}
    return [_meaning(child) for child in plain] if isinstance(plain, list) else plain


def _put(plain: Any, route: Route, text: str) -> None:
    node = value_at(plain, *route[:-1])
    old = node[route[-1]]
    if isinstance(old, dict) and "value" in old:
        kept = {key: old[key] for key in ("cv",) if key in old}
        node[route[-1]] = {"value": text, "source": "calibration", "status": "fitted", **kept}
    else:
        node[route[-1]] = text


def read_parameters(made: Calibration) -> tuple[Parameter, ...]:
    """The free parameters, read against the scenarios.

    Raises
    ------
    ScenarioError
        A path that no study has, a value without number, or a prior that does not fit.
    """
    plains = [_plain(scenario) for scenario in made.scenarios]
    problems: list[Problem] = []
    found = []
    for k, declared in enumerate(made.parameters):
        try:
            found.append(_read(declared, plains))
        except (ValueError, UnitError) as error:
            problems.append(Problem("calibration", 0, 0, f"parameters[{k}] {declared.name}", str(error)))
    if problems:
        raise ScenarioError(problems)
    return tuple(found)


def _plain(scenario: Scenario) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(scenario.resolved_text)
    return plain


def _read(declared: FreeParameter, plains: Sequence[dict[str, Any]]) -> Parameter:
    places = [(plain, route) for plain in plains for route in routes(plain, declared.path)]
    if not places:
        raise ValueError(f'no study has "{declared.path}"; e.g. disease.hazards.other_rate, infusion.cik.kill_rate')
    plain, route = places[0]
    place = place_of(Scenario, plain, route)
    dimension = None if place.field is None else unit_of(place.field)
    if place.field is None or dimension is None:
        raise ValueError(f'"{declared.path}" is no number that could be fitted')
    law = _law(declared.prior, dimension)
    bounds = bounds_of(place.field)
    for end in (law.low, law.high):
        _check_bounds(end, bounds, dimension)
    old = value_at(plain, *route)
    start = declared.start if declared.start is not None else old["value"] if isinstance(old, dict) else old
    value = parse_quantity(start, dimension)
    if not law.low <= value <= law.high:
        if declared.start is not None:
            raise ValueError(f"start: {start} lies outside the prior, {declared.prior.low} to {declared.prior.high}")
        value = float(law.value(0.0))
    extra = place.field.json_schema_extra
    symbol = (
        str(extra.get("symbol", "")) if isinstance(extra, dict) and issubclass(place.owner or object, Process) else ""
    )
    return Parameter(declared, dimension, law, float(law.latent(value)), symbol, description_of(place))


def _law(prior: Prior, dimension: str) -> Law:
    low, high = (parse_quantity(end, dimension) for end in (prior.low, prior.high))
    if not low < high:
        raise ValueError(f"prior: low must be below high, not {prior.low} and {prior.high}")
    logarithmic = prior.law in ("lognormal", "loguniform")
    if logarithmic and low <= 0.0:
        raise ValueError(f"prior: a {prior.law} prior needs low > 0, not {prior.low}")
    middle = math.sqrt(low * high) if logarithmic else (low + high) / 2.0
    median = middle if prior.median is None else parse_quantity(prior.median, dimension)
    if not low < median < high:
        raise ValueError(f"prior: the median must lie between low and high, not {prior.median}")
    spread = 1.0
    if prior.spread is not None:
        spread = parse_quantity(prior.spread, "dimensionless" if logarithmic else dimension)
        if not spread > 0.0:
            raise ValueError(f"prior: spread must be > 0, not {prior.spread}")
    return Law(prior.law, low, high, median, spread)


def _check_bounds(value: float, bounds: dict[str, Any], dimension: str) -> None:
    from tumorsim.params.base import bounds_message

    message = bounds_message(value, dimension, {"dimension": dimension, **bounds})
    if message is not None:
        raise ValueError(f"prior: {message}")
