"""What every parameter carries, and what every block of parameters shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, field_validator, model_serializer
from pydantic_core import CoreSchema, core_schema
from pydantic_core.core_schema import ValidationInfo

from tumorsim.units import DIMENSIONS, Dimension, UnitError, format_quantity, parse_quantity

Status = Literal["measured", "fitted", "assumed"]


class Block(BaseModel):
    """A part of a scenario: frozen, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, raw: object, info: ValidationInfo) -> object:
        # pydantic would read `true` as 1
        if isinstance(raw, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError("must be a number, e.g. 1")
        return raw


@dataclass(frozen=True)
class Unit:
    """Marks a number that is written with a unit: text in YAML and JSON, internal unit in memory."""

    dimension: str

    def read(self, raw: object) -> float:
        """Number in the internal unit; raises `UnitError`."""
        return parse_quantity(raw, self.dimension)

    def write(self, value: float) -> float | str:
        """What `read` reads back to the same bits."""
        return value if self.dimension == "dimensionless" else format_quantity(value, self.dimension)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        writer = core_schema.plain_serializer_function_ser_schema(self.write, when_used="json-unless-none")
        return core_schema.no_info_before_validator_function(self.read, handler(source), serialization=writer)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return quantity_schema(self.dimension)


def quantity_schema(dimension: str) -> dict[str, Any]:
    """JSON Schema of a quantity as it is written."""
    kind = DIMENSIONS[dimension]
    if kind.internal == "1":
        return {"type": ["number", "string"], "examples": [float(kind.example)]}
    # a number, then at least one letter or sign of a unit
    return {"type": "string", "pattern": r"^\s*[+-]?[0-9.].*[A-Za-zµμ%/]", "examples": [kind.example]}


class Parameter(Block):
    """A number with unit, range, source and status.

    In YAML either ``8.13 L/h`` or a mapping with the keys below, where ``value`` and
    both ends of ``range`` (plausible values) and ``interval`` (90% posterior interval of
    a fitted value) carry units and ``cv`` is the coefficient of variation between
    patients (lognormal).
    """

    value: float
    range: tuple[float, float] | None = None
    interval: tuple[float, float] | None = None
    cv: Annotated[float, Unit("dimensionless")] = Field(0.0, ge=0.0, le=20.0)
    source: str = "scenario"
    status: Status = "assumed"
    note: str = ""

    @property
    def sd_log(self) -> float:
        """Standard deviation of the natural logarithm between patients."""
        return math.sqrt(math.log1p(self.cv**2))


def quantity(
    dimension: str,
    symbol: str,
    doc: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    default: float | None = None,
) -> Any:
    """Declare one parameter of a process.

    Bounds are in the internal unit of ``dimension``; ``symbol`` is the one used
    in ``docs/theory``. Without a default the library must give the value.
    """
    extra: dict[str, Any] = {"dimension": dimension, "symbol": symbol, "ge": ge, "gt": gt, "le": le, "lt": lt}
    if default is None:
        return Field(description=doc, json_schema_extra=extra)
    absent = Parameter(value=default, source="default: the effect is absent")
    return Field(absent, description=doc, json_schema_extra=extra)


_BOUNDS = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))


def _within(value: float, bounds: Mapping[str, Any]) -> tuple[str, float] | None:
    """Sign and bound of the first rule that ``value`` breaks; None if it breaks none."""
    for key, sign in _BOUNDS:
        bound = bounds.get(key)
        if bound is None:
            continue
        if not {">": value > bound, ">=": value >= bound, "<": value < bound, "<=": value <= bound}[sign]:
            return sign, float(bound)
    return None


def _magnitude(value: float, kind: Dimension) -> str:
    return f"{value:g}" if kind.internal == "1" else f"{value:g} {kind.internal}"


def example_quantity(dimension: str, bounds: Mapping[str, Any]) -> str:
    """A text that parses and keeps ``bounds`` (``ge``, ``gt``, ``le``, ``lt``; internal units)."""
    kind = DIMENSIONS[dimension]
    if _within(parse_quantity(kind.example, dimension), bounds) is None:
        return kind.example
    low = next((float(bounds[key]) for key in ("gt", "ge") if bounds.get(key) is not None), 0.0)
    high = next((float(bounds[key]) for key in ("lt", "le") if bounds.get(key) is not None), math.inf)
    if high == math.inf:
        middle = 2.0 * low
    elif low > 0.0:
        middle = math.sqrt(low * high)
    else:
        middle = 0.5 * (low + high)
    return _magnitude(float(f"{middle:.1g}"), kind)


def bounds_message(value: float, dimension: str, bounds: Mapping[str, Any]) -> str | None:
    """What is wrong with ``value`` (internal unit), with an example; None if it keeps the bounds."""
    broken = _within(value, bounds)
    if broken is None:
        return None
    kind = DIMENSIONS[dimension]
    sign, bound = broken
    example = example_quantity(dimension, bounds)
    return f'{_magnitude(value, kind)} must be {sign} {_magnitude(bound, kind)}, e.g. "{example}"'


def _read_parameter(raw: dict[Any, Any], bounds: Mapping[str, Any]) -> dict[Any, Any]:
    """Mapping for `Parameter` with the numbers of a mapping read and checked."""
    dimension = str(bounds["dimension"])
    if "value" not in raw:
        example = example_quantity(dimension, bounds)
        raise ValueError(f'a parameter needs a value, e.g. {{value: {example}, source: "...", status: assumed}}')
    read = dict(raw)
    value = read["value"] = parse_quantity(read["value"], dimension)
    message = bounds_message(value, dimension, bounds)
    if message is not None:
        raise ValueError(message)
    for key in ("range", "interval"):
        if read.get(key) is not None:
            read[key] = _read_ends(key, read[key], value, dimension, bounds)
    return read


def _read_ends(key: str, ends: Any, value: float, dimension: str, bounds: Mapping[str, Any]) -> tuple[float, ...]:
    """Both ends of a range or interval that must hold the value, internal units."""
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        example = example_quantity(dimension, bounds)
        raise ValueError(f"{key} must be two quantities, the lower first, e.g. [{example}, {example}]")
    try:
        low, high = (parse_quantity(end, dimension) for end in ends)
    except UnitError as error:
        raise ValueError(f"{key}: {error}") from None
    if not low <= value <= high:
        kind = DIMENSIONS[dimension]
        span = f"{_magnitude(low, kind)} to {_magnitude(high, kind)}"
        raise ValueError(f"{_magnitude(value, kind)} lies outside its {key} {span}; change the {key} or leave it out")
    return low, high


class Process(Block):
    """The parameters of one biological process, in the order of its kernel.

    Every field is a `Parameter` declared with `quantity`. `names` gives the order
    in which `values` packs them; the NamedTuple of the same name in
    ``kernels/layout.py`` has the same fields in the same order.
    """

    KERNEL: ClassVar[type | None] = None
    # fields that are no parameter: what describes the block (name, label, ...), and blocks within it
    DESCRIPTION: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, raw: object, info: ValidationInfo) -> object:
        if isinstance(raw, Parameter) or info.field_name in cls.DESCRIPTION:
            return raw
        extra = cls._extra(str(info.field_name))
        return _read_parameter(raw if isinstance(raw, dict) else {"value": raw}, extra)

    @classmethod
    def _extra(cls, name: str) -> dict[str, Any]:
        extra = cls.model_fields[name].json_schema_extra
        assert isinstance(extra, dict)
        return dict(extra)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.KERNEL is not None and cls.KERNEL._fields != cls.names():  # type: ignore[attr-defined] # as in `layout.record`
            raise TypeError(f"{cls.__name__} and its kernel tuple name different parameters")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Parameter names in packing order."""
        return tuple(name for name in cls.model_fields if name not in cls.DESCRIPTION)

    @classmethod
    def description(cls, name: str) -> tuple[str, str, str]:
        """Sentence, symbol and dimension of a parameter, as declared."""
        extra = cls._extra(name)
        return str(cls.model_fields[name].description), str(extra["symbol"]), str(extra["dimension"])

    @classmethod
    def bounds(cls, name: str) -> tuple[float, float]:
        """Lowest and highest value a parameter may take, internal units."""
        extra = cls._extra(name)
        low = extra["ge"] if extra.get("ge") is not None else extra.get("gt")
        high = extra["le"] if extra.get("le") is not None else extra.get("lt")
        return (-math.inf if low is None else float(low), math.inf if high is None else float(high))

    def values(self) -> list[float]:
        """Typical values in packing order, internal units."""
        return [getattr(self, name).value for name in self.names()]

    def sd_logs(self) -> list[float]:
        """Between-patient standard deviation of the log, in packing order."""
        return [getattr(self, name).sd_log for name in self.names()]

    @model_serializer(mode="plain", when_used="json")
    def dump(self) -> dict[str, Any]:
        """Plain mapping that reads back to the same bits."""
        described = [name for name in type(self).model_fields if name in self.DESCRIPTION]
        # a block that is not there is not written, as in texts older than the block
        out: dict[str, Any] = {name: getattr(self, name) for name in described if getattr(self, name) is not None}
        for name in self.names():
            parameter: Parameter = getattr(self, name)
            dimension = self._extra(name)["dimension"]
            entry: dict[str, Any] = {"value": format_quantity(parameter.value, dimension)}
            for key in ("range", "interval"):
                ends = getattr(parameter, key)
                if ends is not None:
                    entry[key] = [format_quantity(end, dimension) for end in ends]
            if parameter.cv:
                entry["cv"] = parameter.cv
            entry |= {"source": parameter.source, "status": parameter.status}
            if parameter.note:
                entry["note"] = parameter.note
            out[name] = entry
        return out

    def replace(self, **values: float) -> Self:
        """Copy with some values changed (internal units)."""
        origin = {"status": "assumed", "source": "scenario"}
        changed = {
            name: getattr(self, name).model_copy(update={"value": float(value), **origin})
            for name, value in values.items()
        }
        return self.model_copy(update=changed)


Duration = Annotated[float, Unit("duration")]
Rate = Annotated[float, Unit("rate")]
Length = Annotated[float, Unit("length")]
Cells = Annotated[float, Unit("cells")]
Mass = Annotated[float, Unit("mass")]
Weight = Annotated[float, Unit("body_weight")]
Platelets = Annotated[float, Unit("platelet_count")]
Number = Annotated[float, Unit("dimensionless")]
Probability = Annotated[Number, Field(ge=0.0, le=1.0)]
