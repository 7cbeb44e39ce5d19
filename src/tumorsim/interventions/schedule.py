"""When something is given: a small language of schedules.

A schedule is blocks one after the other, separated by a comma, ``then``, or both. A block is

===================================== ===================================================
``q3w``, ``every 3 weeks``, ``qw``    one dose, then a gap of 3 weeks (1 week), and again
``4 x q1w``, ``q1w x 4``              the same, four doses (``×`` is read as ``x``)
``days 1-14 of 21``                   the named days of a cycle of 21 days
``3 consecutive days every 6 weeks``  the first 3 days of a cycle of 6 weeks
``2 weeks on, 1 week off``            the same as ``days 1-14 of 21``
``daily``, ``continuous``             every day
``once``                              a single day; only as the last block
===================================== ===================================================

Units are d, w, mo (365.25/12 d) and y (365.25 d), in letters or words. A block without a
count goes on until stopped, so it must be the last one.

**The interval of a block is the gap that follows each of its doses.** The block
``4 x q2w`` therefore lasts 4 x 2 = 8 weeks, and blocks add up: in
``4 x q1w, 4 x q2w, 4 x q4w, 4 x q8w`` the 16 doses lie at weeks 0, 1, 2, 3, 4, 6, 8, 10, 12, 16,
20, 24, 28, 36, 44 and 52, and the course, the last interval included, is
4·1 + 4·2 + 4·4 + 4·8 = 60 weeks, as its source reports. The rival reading, a gap *before* each
dose with the first dose at once, ends on week 59 and cannot give 60.

Visits are the same intervals read at their ends (`Schedule.visits`): ``q3mo x 8, then q6mo`` is
a visit after 3, 6, …, 24 months and then after 30, 36, …
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from tumorsim.units import MONTH, YEAR

Floats = NDArray[np.float64]

MAX_DOSES = 10_000
MAX_TEXT = 200
LONGEST_CYCLE = 3652.5  # 10 years
_DAYS = {"d": 1.0, "w": 7.0, "mo": MONTH, "y": YEAR}
_EXAMPLES = ("4 x q1w, 4 x q2w", "3 consecutive days every 6 weeks x 8")
# two giving periods closer than this are one; a schedule has whole days, months are 30.4375 d
_TOUCH = 1e-6


@dataclass(frozen=True)
class Cycle:
    """One block: the days of a cycle on which something is given, and how often it comes back.

    Attributes
    ----------
    days
        Days of giving, counted from 0, ascending.
    length
        Length of the cycle in days.
    count
        Number of cycles; None goes on until stopped.
    """

    days: tuple[int, ...]
    length: float
    count: int | None

    @property
    def runs(self) -> tuple[Floats, Floats]:
        """First day and number of days of each unbroken run of giving in the cycle."""
        days = np.asarray(self.days, dtype=np.float64)
        first = np.flatnonzero(np.diff(days, prepend=days[0] - 2.0) > 1.0)
        return days[first], np.diff(first, append=days.size).astype(np.float64)

    def starts(self, origin: float, horizon: float) -> Floats:
        """Starts of the cycles that begin before ``horizon``, in days. Shape (cycles,)."""
        left = math.ceil((horizon - origin) / self.length)
        left = max(left, int(origin < horizon))  # a horizon of 5e-324 days over a length is zero
        count = left if self.count is None else min(self.count, left)
        if count * len(self.days) > MAX_DOSES:
            _refuse(f"gives more than {MAX_DOSES} doses in {horizon:g} days; at most {MAX_DOSES} are allowed")
        return origin + np.arange(count, dtype=np.float64) * self.length


@dataclass(frozen=True)
class Schedule:
    """Blocks of cycles one after the other; equal when their days are equal.

    Attributes
    ----------
    cycles
        The blocks in order.
    text
        What the user wrote; kept for the round trip.
    """

    cycles: tuple[Cycle, ...]
    text: str = field(compare=False)

    @property
    def doses(self) -> int | None:
        """Number of days of giving; None when it goes on until stopped."""
        return None if self.cycles[-1].count is None else sum((c.count or 0) * len(c.days) for c in self.cycles)

    @property
    def length(self) -> float:
        """Days from the start to the end of the last interval; infinite when open-ended."""
        return math.inf if self.doses is None else sum((c.count or 0) * c.length for c in self.cycles)

    @property
    def every_day(self) -> bool:
        """Whether it goes on, every day, until stopped."""
        last = self.cycles[-1]
        return last.count is None and len(last.days) >= last.length

    def _blocks(self, horizon: float) -> Iterator[tuple[Cycle, float]]:
        """Each block that begins before ``horizon``, with its first day."""
        if not math.isfinite(horizon):
            raise ValueError(f"the horizon is {horizon}; it must be a finite number of days, e.g. 3650.0 or 730.5")
        origin = 0.0
        for cycle in self.cycles:
            if origin >= horizon:
                return
            yield cycle, origin
            origin += (cycle.count or 0) * cycle.length

    def days(self, horizon: float) -> Floats:
        """Days of giving from the start, ascending, in [0, horizon).

        Parameters
        ----------
        horizon
            Days from the start of the course.

        Returns
        -------
        ndarray
            Shape (doses,), days.

        Raises
        ------
        ValueError
            More than `MAX_DOSES` doses, or a horizon that is not finite.
        """
        parts = [np.empty(0)]
        for cycle, origin in self._blocks(horizon):
            starts = cycle.starts(origin, horizon)
            parts.append((starts[:, None] + np.asarray(cycle.days, dtype=np.float64)).ravel())
        days = np.concatenate(parts)
        return _bounded(days[days < horizon])

    def intervals(self, horizon: float) -> tuple[Floats, Floats]:
        """Periods of giving [on, off), touching days merged, cut at ``horizon``.

        Returns
        -------
        tuple of ndarray
            Days on which giving begins and ends, each of shape (periods,).

        Raises
        ------
        ValueError
            As `days`.
        """
        on, off = [np.empty(0)], [np.empty(0)]
        for cycle, origin in self._blocks(horizon):
            if len(cycle.days) >= cycle.length:  # every day: one period, however long
                on.append(np.array([origin]))
                off.append(np.array([horizon if cycle.count is None else origin + cycle.count * cycle.length]))
                continue
            first, days = cycle.runs
            begin = (cycle.starts(origin, horizon)[:, None] + first).ravel()
            on.append(begin)
            off.append(begin + np.tile(days, begin.size // days.size))
        begins, ends = np.concatenate(on), np.concatenate(off)
        inside = begins < horizon
        begins, ends = begins[inside], np.minimum(ends[inside], horizon)
        apart = begins[1:] - ends[:-1] > _TOUCH
        return _bounded(begins[np.r_[True, apart][: begins.size]]), ends[np.r_[apart, True][: begins.size]]

    def visits(self, horizon: float) -> Floats:
        """Days of visits: the ends of the intervals, in (0, horizon].

        ``q3mo x 8, then q6mo`` gives months 3, 6, …, 24, 30, 36, …

        Raises
        ------
        ValueError
            A block that is not a plain interval, or more than `MAX_DOSES` visits.
        """
        parts = [np.empty(0)]
        for cycle, origin in self._blocks(horizon):
            if cycle.days != (0,) or cycle.length <= 1.0:
                raise ValueError(
                    f'"{self.text}" does not say how far visits are apart: '
                    'visits need intervals of more than a day, e.g. "q3mo x 8, then q6mo" or "q6w"'
                )
            parts.append(cycle.starts(origin, horizon) + cycle.length)
        days = np.concatenate(parts)
        return _bounded(days[days <= horizon])

    def canonical(self) -> str:
        """The schedule in a standard wording, which `parse_schedule` reads back to an equal one."""
        last = len(self.cycles) - 1
        return ", ".join(_wording(cycle, place == last) for place, cycle in enumerate(self.cycles))


def _bounded(days: Floats) -> Floats:
    if days.size > MAX_DOSES:
        _refuse(f"gives {days.size} doses; at most {MAX_DOSES} are allowed")
    return days


def _span(days: float) -> str:
    """Duration with the largest unit that divides it."""
    for unit in ("mo", "w"):
        number = days / _DAYS[unit]
        if number.is_integer() and number * _DAYS[unit] == days:
            return f"{int(number)}{unit}"
    return f"{int(days)}d" if days.is_integer() else f"{days!r}d"


def _wording(cycle: Cycle, last: bool) -> str:
    """Standard wording of one block."""
    if cycle.days == (0,) and cycle.length == 1.0 and last and cycle.count in (None, 1):
        return "daily" if cycle.count is None else "once"
    count = "" if cycle.count is None else f"{cycle.count} x "
    if cycle.days == (0,):
        return f"{count}q{_span(cycle.length)}"
    number = len(cycle.days)
    if cycle.days == tuple(range(number)):
        return f"{count}{number} consecutive days every {_span(cycle.length)}"
    first, length = cycle.runs
    runs = (f"{int(a) + 1}" if n == 1 else f"{int(a) + 1}-{int(a + n)}" for a, n in zip(first, length, strict=True))
    return f"{count}days {', '.join(runs)} of {_span(cycle.length)}"


# --- reading ---------------------------------------------------------------------
_UNIT = r"(?:days?|d|weeks?|w|months?|mo|years?|y)(?![a-z])"
_NUMBER = r"\d{1,5}(?:\.\d{1,17})?"
_RANGE = r"\d{1,4}(?: ?- ?\d{1,4})?"
_BLOCK = re.compile(
    r"(?:(?P<before>\d{1,6}) ?x ?)?(?:"
    r"(?P<once>once)(?![a-z])"
    r"|(?P<daily>daily|continuously|continuous)(?![a-z])"
    rf"|(?:q|every) ?(?P<gap>{_NUMBER})? ?(?P<gap_unit>{_UNIT})"
    rf"|days? (?P<list>{_RANGE}(?: ?(?:, and|,|and) ?{_RANGE})*) of (?P<of>{_NUMBER})(?: ?(?P<of_unit>{_UNIT}))?"
    rf"|(?P<run>\d{{1,4}}) consecutive days? (?:q|every) ?(?P<every>{_NUMBER})? ?(?P<every_unit>{_UNIT})"
    rf"|(?P<on>{_NUMBER}) ?(?P<on_unit>{_UNIT}) on,? (?:and )?(?P<off>{_NUMBER}) ?(?P<off_unit>{_UNIT})? ?off(?![a-z])"
    r")(?: ?x ?(?P<after>\d{1,6})(?!\d))?"
)
_SEPARATOR = re.compile(r" ?, ?then | ?, ?| then ")


def _refuse(rule: str, text: str | None = None) -> NoReturn:
    shown = "the schedule " if text is None else f'"{text[:60]}" '
    raise ValueError(f'{shown}{rule}, e.g. "{_EXAMPLES[0]}" or "{_EXAMPLES[1]}"')


def _length(number: str | None, unit: str | None) -> float:
    """Days of a number and a unit as written: one when there is no number, days when there is no unit."""
    word = unit or "d"
    return float(number or 1) * _DAYS["mo" if word.startswith("mo") else word[0]]


def _named_days(text: str, shown: str) -> tuple[int, ...]:
    """Days from 0 of a list such as ``1-3, 8``."""
    days: list[int] = []
    for part in re.split(r", and|,|and", text):
        low, _, high = part.partition("-")
        first, last = int(low), int(high or low)
        if first < 1 or last < first or (days and first - 1 <= days[-1]):
            _refuse("must name days of the cycle from 1 on, ascending and each once", shown)
        days.extend(range(first - 1, last))
    return tuple(days)


def _days_and_length(match: re.Match[str], shown: str) -> tuple[tuple[int, ...], float]:
    """Days of giving and length of the cycle of one block."""
    if match["once"] or match["daily"]:
        return (0,), 1.0
    if match["gap_unit"]:
        return (0,), _length(match["gap"], match["gap_unit"])
    if match["list"]:
        return _named_days(match["list"], shown), _length(match["of"], match["of_unit"])
    if match["run"]:
        return tuple(range(int(match["run"]))), _length(match["every"], match["every_unit"])
    on, off = _length(match["on"], match["on_unit"]), _length(match["off"], match["off_unit"] or match["on_unit"])
    if not (on.is_integer() and off.is_integer() and on >= 1 and off >= 1 and on <= LONGEST_CYCLE):
        _refuse("must be on and off for whole days", shown)
    return tuple(range(int(on))), on + off


def _cycle(match: re.Match[str], shown: str) -> Cycle:
    """One block as a cycle, its rules checked."""
    if match["before"] and match["after"]:
        _refuse("counts a block twice; write the number of doses or cycles once", shown)
    days, length = _days_and_length(match, shown)
    written = match["before"] or match["after"]
    if match["once"] and written:
        _refuse("says how often and once", shown)
    count = int(written) if written else (1 if match["once"] else None)
    if count == 0 or not days:
        _refuse("must give at least one dose", shown)
    if not 1.0 <= length <= LONGEST_CYCLE:
        _refuse("must repeat after 1 day to 10 years (several doses on one day: times_per_day)", shown)
    if days[-1] + 1 > length:
        _refuse(f"gives on day {days[-1] + 1} of a cycle of {length:g} days; the days must lie within the cycle", shown)
    return Cycle(days, length, count)


def parse_schedule(raw: object) -> Schedule:
    """Read a schedule.

    Parameters
    ----------
    raw
        Text of the grammar in this module's docstring, or a `Schedule`, which is returned.

    Raises
    ------
    ValueError
        Anything else; the message says the rule and gives two examples.
    """
    if isinstance(raw, Schedule):
        return raw
    if not isinstance(raw, str):
        _refuse("must be a text")
    if len(raw) > MAX_TEXT:
        _refuse(f"has {len(raw)} characters; at most {MAX_TEXT} are allowed", raw)
    text = re.sub(r"\s+", " ", raw.lower().replace("×", " x ").replace("–", "-").replace("‑", "-")).strip()
    cycles: list[Cycle] = []
    place, once = 0, False
    while True:
        match = _BLOCK.match(text, place)
        if match is None:
            _refuse("is not a schedule: it must be blocks such as once, daily, q3w, 4 x q1w or days 1-14 of 21", raw)
        if cycles and cycles[-1].count is None:
            _refuse("goes on after a block without an end; count every block but the last", raw)
        if once:
            _refuse("goes on after `once`, which has no interval after it; write 1 x and an interval instead", raw)
        cycles.append(_cycle(match, raw))
        once, place = bool(match["once"]), match.end()
        if place == len(text):
            break
        separator = _SEPARATOR.match(text, place)
        if separator is None:
            _refuse(f'cannot be read from "{text[place : place + 20]}" on: blocks are separated by commas', raw)
        place = separator.end()
    if sum((c.count or 1) * len(c.days) for c in cycles) > MAX_DOSES:
        _refuse(f"gives more than {MAX_DOSES} doses", raw)
    return Schedule(tuple(cycles), raw)


ScheduleText = Annotated[
    Schedule,
    PlainValidator(parse_schedule, json_schema_input_type=str),
    PlainSerializer(lambda schedule: schedule.text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_TEXT,
            "description": "When it is given, or when visits are: blocks separated by commas.",
            "examples": [*_EXAMPLES, "days 1-14 of 21", "continuous", "q3mo x 8, then q6mo", "once"],
        }
    ),
]
