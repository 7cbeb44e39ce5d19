"""A model as plain data: what SBML calls parameters, rules and events, formulas as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tumorsim.params.base import Parameter, Process
from tumorsim.units import DIMENSIONS


class SbmlError(ValueError):
    """A model that cannot be written; the message says why and what to do."""


@dataclass(frozen=True)
class Quantity:
    """One SBML parameter: a constant, or a state with its rate of change.

    Attributes
    ----------
    name
        For people.
    unit
        As in `tumorsim.units`.
    value
        At the start of the course.
    rate
        Formula of its change per day; None for what only events change.
    constant
        Whether nothing changes it.
    note
        Where the value comes from.
    """

    name: str
    unit: str
    value: float
    rate: str | None = None
    constant: bool = True
    note: str = ""


@dataclass(frozen=True)
class Law:
    """One assignment rule."""

    name: str
    unit: str
    formula: str


@dataclass(frozen=True)
class Event:
    """One event: when ``trigger`` becomes true every variable takes the value of its formula."""

    name: str
    trigger: str
    changes: Mapping[str, str]


@dataclass
class System:
    """A model under construction; every identifier is used once.

    Attributes
    ----------
    quantities, laws, events
        By identifier, in the order in which they were added.
    """

    quantities: dict[str, Quantity] = field(default_factory=dict)
    laws: dict[str, Law] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)

    def _claim(self, name: str) -> str:
        if name in self.quantities or name in self.laws or name in self.events:
            raise SbmlError(
                f"the identifier {name} would be needed twice; give drug or product another name in the scenario"
            )
        return name

    def constant(self, sid: str, name: str, unit: str, value: float, note: str = "") -> None:
        """Add a constant."""
        self.quantities[self._claim(sid)] = Quantity(name, unit, value, note=note)

    def switch(self, sid: str, name: str, unit: str, value: float) -> None:
        """Add what only events change."""
        self.quantities[self._claim(sid)] = Quantity(name, unit, value, constant=False)

    def state(self, sid: str, name: str, unit: str, value: float, rate: str) -> None:
        """Add a state with its rate of change per day."""
        self.quantities[self._claim(sid)] = Quantity(name, unit, value, rate, constant=False)

    def law(self, sid: str, name: str, unit: str, formula: str) -> None:
        """Add an assignment rule."""
        self.laws[self._claim(sid)] = Law(name, unit, formula)

    def event(self, sid: str, name: str, trigger: str, changes: Mapping[str, str]) -> None:
        """Add an event."""
        self.events[self._claim(sid)] = Event(name, trigger, changes)

    def process(self, prefix: str, declared: Process, values: Mapping[str, float]) -> None:
        """Add the parameters of a process with the patient's ``values``; notes say source and status."""
        for name in declared.names():
            parameter: Parameter = getattr(declared, name)
            doc, symbol, dimension = declared.description(name)
            unit = DIMENSIONS[dimension].internal
            self.constant(
                f"{prefix}_{name}", f"{doc} ({symbol})", unit, float(values[name]), provenance(parameter, unit)
            )


def provenance(parameter: Parameter, unit: str) -> str:
    """Unit, typical value, spread, range, source and status of a parameter, in words."""
    said = [f"Unit {unit}", f"typical value {parameter.value:.6g}"]
    if parameter.cv:
        said.append(f"varies between patients with a coefficient of variation of {parameter.cv:g} (lognormal)")
    if parameter.range is not None:
        said.append(f"plausible {parameter.range[0]:.6g} to {parameter.range[1]:.6g}")
    if parameter.interval is not None:
        said.append(f"90% posterior interval {parameter.interval[0]:.6g} to {parameter.interval[1]:.6g}")
    said += [f"status {parameter.status}", f"source: {parameter.source}"]
    return "; ".join([*said, parameter.note] if parameter.note else said)


def identifier(name: str) -> str:
    """A name of the library as an SBML identifier: letters, digits and _, no digit first."""
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return text if text and not text[0].isdigit() else f"_{text}"


def total(terms: list[str], none: str) -> str:
    """Sum of some terms; ``none`` where there are none."""
    return " + ".join(terms) if terms else none


def product(factors: list[str]) -> str:
    """Product of some factors; one where there are none."""
    return " * ".join(f"({one})" for one in factors) if factors else "1"
