"""What every parameter carries, and what every block of parameters shares."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from tumorsim.units import DIMENSIONS, UnitError, format_quantity, parse_quantity

Status = Literal["measured", "fitted", "assumed"]


class Block(BaseModel):
    """A part of a scenario: frozen, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True, allow_inf_nan=False
    )


class Parameter(Block):
    """A number with unit, range, source and status.

    In YAML either ``8.13 L/h`` or a mapping with the keys below, where ``value``
    and both ends of ``range`` carry units and ``cv`` is the coefficient of
    variation between patients (lognormal).
    """

    value: float
    range: tuple[float, float] | None = None
    cv: float = Field(0.0, ge=0.0, le=20.0)
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
    extra = {"dimension": dimension, "symbol": symbol, "ge": ge, "gt": gt, "le": le, "lt": lt}
    if default is None:
        return Field(description=doc, json_schema_extra=extra)
    return Field(Parameter(value=default, source="default: the effect is absent"), description=doc, json_schema_extra=extra)


def _check_bounds(value: float, extra: dict[str, Any]) -> None:
    kind = DIMENSIONS[extra["dimension"]]
    rules = (("gt", ">", value.__gt__), ("ge", ">=", value.__ge__), ("lt", "<", value.__lt__), ("le", "<=", value.__le__))
    for key, sign, holds in rules:
        bound = extra.get(key)
        if bound is not None and not holds(float(bound)):
            shown = f"{bound:g}" if kind.internal == "1" else f"{bound:g} {kind.internal}"
            raise ValueError(f'{value:g} {kind.internal} must be {sign} {shown}, e.g. "{kind.example}"')


class Process(Block):
    """The parameters of one biological process, in the order of its kernel.

    Every field is a `Parameter` declared with `quantity`. `names` gives the order
    in which `values` packs them; the NamedTuple of the same name in
    ``kernels/layout.py`` has the same fields in the same order.
    """

    KERNEL: ClassVar[type | None] = None

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, raw: object, info: ValidationInfo) -> object:
        extra = cls._extra(str(info.field_name))
        if isinstance(raw, Parameter):
            return raw
        if isinstance(raw, dict):
            read = dict(raw)
            if "value" not in read:
                raise ValueError("a parameter needs `value`, e.g. {value: ..., source: ..., status: assumed}")
            read["value"] = parse_quantity(read["value"], extra["dimension"])
            if read.get("range") is not None:
                low, high = read["range"]
                read["range"] = (parse_quantity(low, extra["dimension"]), parse_quantity(high, extra["dimension"]))
            _check_bounds(read["value"], extra)
            return read
        value = parse_quantity(raw, extra["dimension"])
        _check_bounds(value, extra)
        return {"value": value}

    @classmethod
    def _extra(cls, name: str) -> dict[str, Any]:
        extra = cls.model_fields[name].json_schema_extra
        assert isinstance(extra, dict)
        return dict(extra)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.KERNEL is not None and cls.KERNEL._fields != cls.names():  # type: ignore[attr-defined]
            raise TypeError(f"{cls.__name__} and its kernel tuple name different parameters")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Parameter names in packing order."""
        return tuple(cls.model_fields)

    def values(self) -> list[float]:
        """Typical values in packing order, internal units."""
        return [getattr(self, name).value for name in self.names()]

    def sd_logs(self) -> list[float]:
        """Between-patient standard deviation of the log, in packing order."""
        return [getattr(self, name).sd_log for name in self.names()]

    def dump(self) -> dict[str, Any]:
        """Plain mapping that reads back to the same bits."""
        out: dict[str, Any] = {}
        for name in self.names():
            parameter: Parameter = getattr(self, name)
            dimension = self._extra(name)["dimension"]
            entry: dict[str, Any] = {"value": format_quantity(parameter.value, dimension)}
            if parameter.range is not None:
                entry["range"] = [format_quantity(end, dimension) for end in parameter.range]
            if parameter.cv:
                entry["cv"] = parameter.cv
            entry |= {"source": parameter.source, "status": parameter.status}
            if parameter.note:
                entry["note"] = parameter.note
            out[name] = entry
        return out

    def replace(self, **values: float) -> Self:
        """Copy with some values changed (internal units)."""
        changed = {
            name: getattr(self, name).model_copy(update={"value": float(value), "status": "assumed", "source": "scenario"})
            for name, value in values.items()
        }
        return self.model_copy(update=changed)


def _reader(dimension: str) -> BeforeValidator:
    def read(raw: object) -> object:
        try:
            return parse_quantity(raw, dimension)
        except UnitError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


def _plain(dimension: str) -> dict[str, Any]:
    return {"dimension": dimension, "examples": [DIMENSIONS[dimension].example]}


Duration = Annotated[float, _reader("duration"), Field(json_schema_extra=_plain("duration"))]
Rate = Annotated[float, _reader("rate"), Field(json_schema_extra=_plain("rate"))]
Length = Annotated[float, _reader("length"), Field(json_schema_extra=_plain("length"))]
Cells = Annotated[float, _reader("cells"), Field(json_schema_extra=_plain("cells"))]
Mass = Annotated[float, _reader("mass"), Field(json_schema_extra=_plain("mass"))]
Weight = Annotated[float, _reader("body_weight"), Field(json_schema_extra=_plain("body_weight"))]
Platelets = Annotated[float, _reader("platelet_count"), Field(json_schema_extra=_plain("platelet_count"))]
Number = Annotated[float, _reader("dimensionless"), Field(json_schema_extra=_plain("dimensionless"))]
Probability = Annotated[Number, Field(ge=0.0, le=1.0)]
