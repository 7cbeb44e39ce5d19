"""Outputs: what is read off a finished run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tumorsim.params.targets import ENDPOINT_SETTINGS, read_quantity
from tumorsim.scenario import Scenario
from tumorsim.sweep.base import Base, Output
from tumorsim.units import DIMENSIONS

if TYPE_CHECKING:
    from tumorsim.spatial_variables import SpatialData
    from tumorsim.sweep.config import OutputChoice
    from tumorsim.variables import TrialData


def read_output(choice: OutputChoice, base: Base) -> Output:
    """An output as the scenario can give it.

    Raises
    ------
    ValueError
        No such quantity or arm, or one that the setting cannot show.
    """
    return _of_lattice(choice, base) if base.spatial else _of_trial(choice, base)


def _place(name: str | None, arms: Sequence[str], example: str) -> int:
    if name is None:
        raise ValueError(f"{example} needs an arm, e.g. arm: {arms[-1]}")
    if name not in arms:
        raise ValueError(f'"{name}" is no arm; the arms are {", ".join(arms)}')
    return list(arms).index(name)


def _of_trial(choice: OutputChoice, base: Base) -> Output:
    study = base.study
    assert isinstance(study, Scenario)
    quantity, arms = read_quantity(choice.quantity), study.arm_names
    settings = ENDPOINT_SETTINGS.get(quantity.subject)
    if settings is not None and study.population.setting not in settings:
        raise ValueError(f"{quantity.subject} is no {study.population.setting} end point")
    if quantity.subject.startswith("matching."):
        raise ValueError(f"{choice.quantity} belongs to a matched analysis, which a sweep does not do; use os.hr")
    if quantity.rule.scope == "pooled" and choice.arm is None:
        places = tuple(range(len(arms)))
    else:
        places = (_place(choice.arm, arms, choice.quantity),)
    if quantity.rule.scope == "comparison":
        places = (*places, 0 if choice.reference is None else _place(choice.reference, arms, choice.quantity))
        if places[0] == places[1]:
            raise ValueError(f"{choice.arm} is the reference; compare another arm with it")
    elif choice.reference is not None:
        raise ValueError(f"{choice.quantity} concerns no reference arm; leave `reference` out")
    return Output(choice.name, _title(choice), quantity, places, DIMENSIONS[quantity.rule.dimension].internal)


def _of_lattice(choice: OutputChoice, base: Base) -> Output:
    from tumorsim.spatial_numbers import quantity

    found, arms = quantity(choice.quantity), base.study.arm_names
    places: tuple[int, ...] = (_place(choice.arm, arms, choice.quantity),)
    if choice.reference is not None:
        places = (*places, _place(choice.reference, arms, choice.quantity))
    return Output(choice.name, _title(choice, found.title), found.name, places, found.unit)


def _title(choice: OutputChoice, quantity: str = "") -> str:
    if choice.label:
        return choice.label
    named = quantity or choice.quantity
    if choice.arm is None:
        return named
    return f"{named}, {choice.arm}" + (f" against {choice.reference}" if choice.reference else "")


def of_trial(data: TrialData, outputs: Sequence[Output], seed: int) -> list[float]:
    """Every output of a finished trial; NaN where it cannot be estimated."""
    from tumorsim.params.targets import Quantity
    from tumorsim.targets import Reader, simulate_quantity

    reader = Reader(data, seed)
    found = []
    for one in outputs:
        assert isinstance(one.quantity, Quantity)
        sizes = [int(reader.sampler.members[arm].size) for arm in one.arms]
        found.append(simulate_quantity(one.quantity, one.arms, sizes, reader))
    return [value if math.isfinite(value) else math.nan for value in found]


def of_lattice(data: SpatialData, outputs: Sequence[Output]) -> list[float]:
    """Every output of a finished lattice; NaN where there is none. Of two arms, the first less the second."""
    from tumorsim.spatial_numbers import quantity

    found = []
    for one in outputs:
        assert isinstance(one.quantity, str)
        values = [float(quantity(one.quantity).of(data)[arm, 0]) for arm in one.arms]
        found.append(values[0] - values[1] if len(values) == 2 else values[0])
    return found
