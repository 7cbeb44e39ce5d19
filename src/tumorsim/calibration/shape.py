"""The shape of `outcome.json`: what stands where, of which kind, and how many.

A file may come from a stranger, so everything that the figures and the page use
is checked before they see it. Every value may be missing, since every stage may
be: `Record.read` puts null where the file has nothing, and leaves out what the
layout does not name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# beyond any quantity here, and far enough from the ends of a double to be squared and drawn
MAX_NUMBER: Final = 1e100


class ShapeError(ValueError):
    """A value that does not fit; ``place`` says where, ``rule`` what is asked."""

    def __init__(self, place: str, rule: str) -> None:
        self.place = place
        self.rule = rule
        super().__init__(f"{place}: {rule}")


@dataclass(frozen=True)
class Text:
    """A text."""

    most: int = 20_000

    def read(self, value: Any, place: str) -> str | None:
        """The text, or None."""
        if value is None or (isinstance(value, str) and len(value) <= self.most):
            return value
        raise ShapeError(place, f'must be a text of at most {self.most} signs, e.g. "R-1"')


@dataclass(frozen=True)
class Number:
    """A finite number; whole and not negative where ``whole``."""

    whole: bool = False

    def read(self, value: Any, place: str) -> float | int | None:
        """The number, or None."""
        if value is None:
            return None
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if real and self.whole and not (isinstance(value, int) and 0 <= value <= 2**53):
            raise ShapeError(place, "must be a whole number, e.g. 40")
        if not real or (isinstance(value, float) and not math.isfinite(value)) or abs(value) > MAX_NUMBER:
            raise ShapeError(place, "must be a finite number or null, e.g. 0.72")
        return value if self.whole else float(value)


@dataclass(frozen=True)
class Truth:
    """True or false."""

    def read(self, value: Any, place: str) -> bool | None:
        """The value, or None."""
        if value is None or isinstance(value, bool):
            return value
        raise ShapeError(place, "must be true, false or null")


@dataclass(frozen=True)
class Rows:
    """A list of one kind of value, ``least`` to ``most`` long."""

    item: Shape
    most: int
    least: int = 0

    def read(self, value: Any, place: str) -> list[Any] | None:
        """The list with every item read, or None."""
        if value is None:
            return None
        if not isinstance(value, list):
            raise ShapeError(place, "must be a list or null")
        if not self.least <= len(value) <= self.most:
            rule = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
            raise ShapeError(place, f"must have {rule} entries, not {len(value)}")
        for index, one in enumerate(value):
            if one is None and isinstance(self.item, Record | Rows):
                what = "mapping" if isinstance(self.item, Record) else "list"
                raise ShapeError(f"{place}[{index}]", f"must be a {what} and not null")
        return [self.item.read(one, f"{place}[{index}]") for index, one in enumerate(value)]


@dataclass(frozen=True)
class Record:
    """A mapping with known keys; ``required`` ones must not be missing."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = field(default=())

    def read(self, value: Any, place: str) -> dict[str, Any] | None:
        """The mapping with every key of the layout, or None."""
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ShapeError(place, "must be a mapping or null")
        inside = f"{place}." if place else ""
        for name in self.required:
            if value.get(name) is None:
                raise ShapeError(f"{inside}{name}", "is missing")
        return {name: shape.read(value.get(name), f"{inside}{name}") for name, shape in self.fields.items()}


@dataclass(frozen=True)
class Table:
    """A mapping with keys of any name and values of one kind."""

    item: Shape
    most: int = 200

    def read(self, value: Any, place: str) -> dict[str, Any] | None:
        """The mapping with every value read, or None."""
        if value is None:
            return None
        if not isinstance(value, dict) or len(value) > self.most:
            raise ShapeError(place, f"must be a mapping of at most {self.most} entries, or null")
        return {str(name): self.item.read(one, f"{place}.{name}") for name, one in value.items()}


@dataclass(frozen=True)
class Plain:
    """Texts, numbers, truths, and mappings of them: what a provenance holds."""

    depth: int = 3

    def read(self, value: Any, place: str) -> Any:
        """The value as it is."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return Text().read(value, place)
        if isinstance(value, int | float):
            return value if isinstance(value, int) and abs(value) < 2**53 else Number().read(value, place)
        if isinstance(value, dict) and self.depth:
            return Table(Plain(self.depth - 1)).read(value, place)
        if isinstance(value, list) and self.depth:
            return Rows(Plain(self.depth - 1), 1_000).read(value, place)
        raise ShapeError(place, "must be a text, a number, or a mapping of them")


Shape = Text | Number | Truth | Rows | Record | Table | Plain

TEXT, NUMBER, WHOLE, TRUTH = Text(), Number(), Number(whole=True), Truth()
NAME = Text(200)
PAIR = Rows(NUMBER, 2, 2)
PARAMETERS, TARGETS, PARTICLES, EVALUATIONS, OUTPUTS = 64, 400, 100_000, 1_000_000, 500
VALUES = Rows(NUMBER, PARAMETERS)

_WINDOW = Record(
    {
        **dict.fromkeys(("study", "endpoint", "arm", "reference"), NAME),
        **dict.fromkeys(("from", "to", "hr", "mc_se"), NUMBER),
        "ci": PAIR,
        "interval": PAIR,
        "events": Rows(NUMBER, 2),
    },
    ("endpoint", "from"),
)
WINDOWS = Rows(_WINDOW, 400)
_STUDY = Record(
    {
        "name": NAME,
        "title": TEXT,
        "setting": NAME,
        "arms": Rows(Record({"name": NAME, "label": TEXT}, ("name",)), 32),
        "patients": WHOLE,
        "resolved_digest": NAME,
    },
    ("name",),
)
_PRIOR = Record(
    {"distribution": NAME, "text": TEXT, **dict.fromkeys(("low", "high", "median", "spread"), NUMBER)},
)
_PARAMETER = Record(
    {
        "name": NAME,
        **dict.fromkeys(("label", "path", "unit", "symbol", "doc"), TEXT),
        "prior": _PRIOR,
        **dict.fromkeys(("start", "best", "median", "shrinkage"), NUMBER),
        "interval": PAIR,
        "prior_interval": PAIR,
    },
    ("name", "prior"),
)
_TARGET = Record(
    {
        **dict.fromkeys(("study", "id", "quantity", "arm", "reference", "unit", "kind", "weight", "analysis"), NAME),
        **dict.fromkeys(("source", "note", "subgroup"), TEXT),
        **dict.fromkeys(("reported", "tolerance", "fit_weight", "start", "simulated", "mc_se", "z"), NUMBER),
        **dict.fromkeys(("reported_ci", "reported_range", "interval", "interval_posterior"), PAIR),
        "n": Rows(WHOLE, 32),
        "within": TRUTH,
        "within_tolerance": TRUTH,
    },
    ("id", "quantity", "kind"),
)
_SCREENING = Record(
    {
        **dict.fromkeys(("trajectories", "levels", "evaluations"), WHOLE),
        "outputs": Rows(TEXT, OUTPUTS, 1),
        **dict.fromkeys(("mu_star", "mu_star_ci", "sigma"), Rows(VALUES, OUTPUTS, 1)),
    },
    ("outputs", "mu_star"),
)
_EVALUATION = Record(
    {"index": WHOLE, "generation": WHOLE, "values": VALUES, "loss": NUMBER, "failed": TRUTH}, ("index",)
)
_OPTIMISE = Record(
    {
        "generations": WHOLE,
        "population": WHOLE,
        "sigma": NUMBER,
        "stop": Plain(),
        "evaluations": Rows(_EVALUATION, EVALUATIONS),
    },
    ("evaluations",),
)
_POPULATION = Record(
    {"t": Number(), "epsilon": NUMBER, "evaluations": WHOLE, "acceptance": NUMBER},
)
_POSTERIOR = Record(
    {
        "method": TEXT,
        "distance": TEXT,
        "particles": Rows(VALUES, PARTICLES, 1),
        "weights": Rows(NUMBER, PARTICLES, 1),
        "distances": Rows(NUMBER, PARTICLES),
        "populations": Rows(_POPULATION, 1_000),
        "adjusted": Rows(VALUES, PARTICLES, 1),
        "draws": Rows(VALUES, PARTICLES),
        "correlation": Rows(VALUES, PARAMETERS),
        "directions": Rows(Record({"shrinkage": NUMBER, "weights": Table(NUMBER)}, ("weights",)), PARAMETERS),
        "summaries": Rows(Rows(NUMBER, TARGETS), PARTICLES),
    },
    ("particles",),
)
_RECOVERED = Record(
    {
        "name": NAME,
        "coverage": NUMBER,
        "coverage_ci": PAIR,
        "rank_p": NUMBER,
        "rank_ks_p": NUMBER,
        "bias": NUMBER,
        "ranks": Rows(NUMBER, PARTICLES),
        "shrinkage": NUMBER,
    },
    ("name",),
)
_RECOVERY = Record(
    {
        "method": TEXT,
        "datasets": WHOLE,
        "draws": WHOLE,
        "level": NUMBER,
        "parameters": Rows(_RECOVERED, PARAMETERS, 1),
    },
    ("parameters",),
)
_RIVAL = Record(
    {
        "name": NAME,
        "label": TEXT,
        "settings": Rows(TEXT, 100),
        "refitted": TRUTH,
        "loss": NUMBER,
        "misfit": NUMBER,
        "values": Table(NUMBER),
        "targets": Rows(NUMBER, TARGETS),
        "z": Rows(NUMBER, TARGETS),
        "windows": WINDOWS,
    },
    ("name",),
)
OUTCOME: Final = Record(
    {
        "format": NAME,
        "layout": WHOLE,
        **dict.fromkeys(("name", "config_digest", "log_digest"), NAME),
        **dict.fromkeys(("title", "description", "notice"), TEXT),
        "config_text": Text(1_000_000),
        "provenance": Plain(),
        "seconds": Table(NUMBER),
        "evaluations": Table(WHOLE),
        "failures": Rows(Record({"stage": NAME, "index": WHOLE, "message": TEXT}), EVALUATIONS),
        "studies": Rows(_STUDY, 32),
        "parameters": Rows(_PARAMETER, PARAMETERS, 1),
        "targets": Rows(_TARGET, TARGETS),
        "loss": Record(
            {"start": NUMBER, "best": NUMBER, "fresh": Rows(NUMBER, 10_000), "misfit": Rows(NUMBER, 10_000)}
        ),
        "screening": _SCREENING,
        "optimise": _OPTIMISE,
        "posterior": _POSTERIOR,
        "recovery": _RECOVERY,
        "rivals": Rows(_RIVAL, 16),
        "windows": WINDOWS,
        "residuals": Rows(TEXT, 400),
    },
    ("format", "layout", "name", "parameters", "targets"),
)
