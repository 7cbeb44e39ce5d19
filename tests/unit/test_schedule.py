"""The language of schedules: what it reads, what it refuses, and the days it gives."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example as tried
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tumorsim.interventions.schedule import MAX_DOSES, Cycle, ScheduleText, parse_schedule

MONTH = 365.25 / 12
CIK = "4 x q1w, 4 x q2w, 4 x q4w, 4 x q8w"


def weeks(text, horizon=2000.0):
    return (parse_schedule(text).days(horizon) / 7).tolist()


def test_sixteen_infusions_over_sixty_weeks():
    schedule = parse_schedule(CIK)
    assert weeks(CIK) == [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 36, 44, 52]
    assert schedule.doses == 16
    # the interval follows each dose: 4·1 + 4·2 + 4·4 + 4·8 weeks, the figure of the source
    assert schedule.length / 7 == 60.0
    # the rival reading, a gap before each dose and the first dose at once, ends on week 59
    gaps = np.repeat([1, 2, 4, 8], 4)
    assert np.cumsum(gaps)[-1] - gaps[0] == 59


@pytest.mark.parametrize(
    ("text", "horizon", "days"),
    [
        ("q3w", 70, [0, 21, 42, 63]),
        ("every 3 weeks", 63, [0, 21, 42]),
        ("Q 3 W", 22, [0, 21]),
        ("q6w x 4", 1000, [0, 42, 84, 126]),
        ("4×q1w", 1000, [0, 7, 14, 21]),
        ("4 × q1w", 1000, [0, 7, 14, 21]),
        ("once", 1000, [0]),
        ("daily", 4, [0, 1, 2, 3]),
        ("continuous", 3, [0, 1, 2]),
        ("daily x 2", 100, [0, 1]),
        ("days 1-3 of 21", 40, [0, 1, 2, 21, 22, 23]),
        ("days 1–3 of 21 days", 21, [0, 1, 2]),
        ("days 1, 8, 15 of 28", 40, [0, 7, 14, 28, 35]),
        ("days 1, 8 and 15 of 4 weeks", 28, [0, 7, 14]),
        ("day 1 of 21 x 2", 100, [0, 21]),
        ("3 consecutive days every 6 weeks x 2", 500, [0, 1, 2, 42, 43, 44]),
        ("2 x 3 consecutive days every 6 weeks", 500, [0, 1, 2, 42, 43, 44]),
        ("4 consecutive days every 6 weeks", 44, [0, 1, 2, 3, 42, 43]),
        ("3 days on, 4 days off", 9, [0, 1, 2, 7, 8]),
        ("1 x q3w, then q2w", 50, [0, 21, 35, 49]),
        ("2 x q1w then once", 50, [0, 7, 14]),
        ("2 x days 1, 3 of 7, q1w", 22, [0, 2, 7, 9, 14, 21]),
        ("q3mo x 2", 1000, [0, 3 * MONTH]),
        ("qw x 3", 1000, [0, 7, 14]),
        ("every month x 2", 1000, [0, MONTH]),
        ("2 consecutive days every week x 2", 1000, [0, 1, 7, 8]),
        ("q1.5w", 22, [0, 10.5, 21]),
        ("q1y x 2", 1000, [0, 365.25]),
    ],
)
def test_days(text, horizon, days):
    assert parse_schedule(text).days(horizon).tolist() == days


def test_days_stop_before_the_horizon():
    assert parse_schedule("q1w").days(14.0).tolist() == [0, 7]
    assert parse_schedule("q1w").days(14.0 + 1e-9).tolist() == [0, 7, 14]
    assert parse_schedule("q1w").days(0.0).size == 0
    assert parse_schedule(CIK).days(-3.0).size == 0


@pytest.mark.parametrize(
    ("text", "horizon", "on", "off"),
    [
        ("continuous", 730.5, [0], [730.5]),
        ("days 1-14 of 21", 60, [0, 21, 42], [14, 35, 56]),
        ("2 weeks on, 1 week off", 25, [0, 21], [14, 25]),
        ("2 weeks on, 1 off", 25, [0, 21], [14, 25]),
        ("days 1-3, 5 of 7", 12, [0, 4, 7, 11], [3, 5, 10, 12]),
        ("q3w", 30, [0, 21], [1, 22]),
        ("once", 30, [0], [1]),
        ("daily x 5", 30, [0], [5]),
        ("5 x q1d, then 2 x q2d", 30, [0, 7], [6, 8]),
        ("2 x days 6-7 of 7, daily x 3", 30, [5, 12], [7, 17]),
        ("days 1-14 of 21", 0, [], []),
    ],
)
def test_intervals(text, horizon, on, off):
    begins, ends = parse_schedule(text).intervals(horizon)
    assert begins.tolist() == on
    assert ends.tolist() == off


def test_a_drug_taken_every_day_for_decades_is_one_interval():
    on, off = parse_schedule("continuous").intervals(50 * 365.25)
    assert (on.tolist(), off.tolist()) == ([0.0], [50 * 365.25])


def test_visits_lie_at_the_ends_of_the_intervals():
    months = parse_schedule("q3mo x 8, then q6mo").visits(48 * MONTH) / MONTH
    assert months.tolist() == [3, 6, 9, 12, 15, 18, 21, 24, 30, 36, 42, 48]
    assert parse_schedule("q6w").visits(84.0).tolist() == [42, 84]
    assert parse_schedule("q6w").visits(41.0).size == 0


@pytest.mark.parametrize("text", ["daily", "once", "days 1-14 of 21", "q6w x 2, days 1-2 of 7"])
def test_visits_need_plain_intervals(text):
    with pytest.raises(ValueError, match=r'visits need intervals of more than a day, e.g. "q3mo x 8, then q6mo"'):
        parse_schedule(text).visits(365.0)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is not a schedule"),
        ("weekly-ish", "is not a schedule"),
        ("q12h", "is not a schedule"),
        ("q3w,", "is not a schedule"),
        ("-3 x q1w", "is not a schedule"),
        ("q3w q6w", "blocks are separated by commas"),
        ("4 x q1w; 4 x q2w", "blocks are separated by commas"),
        ("q3weeklong", "is not a schedule"),
        ("q3w, q6w", "count every block but the last"),
        ("continuous, then q3w", "count every block but the last"),
        ("once, q3w", "goes on after `once`"),
        ("3 x once", "says how often and once"),
        ("4 x q1w x 3", "counts a block twice"),
        ("0 x q1w", "must give at least one dose"),
        ("0 consecutive days every 3w", "must give at least one dose"),
        ("q0d", "must repeat after 1 day to 10 years"),
        ("q0.5d", "must repeat after 1 day to 10 years"),
        ("q11y", "must repeat after 1 day to 10 years"),
        ("q99999y", "must repeat after 1 day to 10 years"),
        ("days 1-22 of 21", "gives on day 22 of a cycle of 21 days"),
        ("5 consecutive days every 4 days", "gives on day 5 of a cycle of 4 days"),
        ("days 3-1 of 21", "ascending and each once"),
        ("days 1, 1 of 21", "ascending and each once"),
        ("days 0-3 of 21", "must name days of the cycle from 1 on"),
        ("1.5 days on, 2 days off", "whole days"),
        ("0 days on, 2 days off", "whole days"),
        ("10001 x q1d", "more than 10000 doses"),
        ("999999 x q1w", "more than 10000 doses"),
        ("5001 x q1d, 5000 x q1d", "more than 10000 doses"),
        ("4000 x 3 consecutive days every 1w", "more than 10000 doses"),
        ("q1w, " * 41, "at most 200 are allowed"),
        (21, "must be a text"),
        (None, "must be a text"),
        (["q3w"], "must be a text"),
    ],
)
def test_refusals_say_rule_and_two_examples(text, rule):
    with pytest.raises(ValueError, match=r'e\.g\. "4 x q1w, 4 x q2w" or "3 consecutive days every 6 weeks x 8"') as e:
        parse_schedule(text)
    assert rule in str(e.value)
    assert type(e.value) is ValueError


def test_no_more_than_ten_thousand_doses():
    assert parse_schedule("daily").days(float(MAX_DOSES)).size == MAX_DOSES
    with pytest.raises(ValueError, match="at most 10000"):
        parse_schedule("daily").days(MAX_DOSES + 1.0)
    with pytest.raises(ValueError, match="at most 10000"):
        parse_schedule("days 1-14 of 21").days(1e9)
    with pytest.raises(ValueError, match="at most 10000"):
        parse_schedule("days 1-14 of 21").intervals(1e12)
    with pytest.raises(ValueError, match="at most 10000"):
        parse_schedule("9000 x q1d, q1d").days(15000.0)


@pytest.mark.parametrize("horizon", [math.inf, math.nan])
@pytest.mark.parametrize("method", ["days", "intervals", "visits"])
def test_horizon_must_be_finite(horizon, method):
    with pytest.raises(ValueError, match="must be a finite number of days"):
        getattr(parse_schedule("q3w"), method)(horizon)


@pytest.mark.parametrize(
    "text",
    [
        "days " + "1," * 97,
        "9" * 200,
        "1-" * 100,
        " " * 200,
        "q1w" + " x" * 90,
        "4 x " * 50,
        "days 1" + " and" * 40,
        "q" * 200,
    ],
)
def test_hostile_texts_are_refused_at_once(text):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"e\.g\. "):
        parse_schedule(text)
    assert time.perf_counter() - start < 0.25  # a backtracking pattern would take longer than the universe


def test_equal_when_the_days_are_equal():
    assert parse_schedule("4 x q1w") == parse_schedule("q7d × 4")
    assert parse_schedule("days 1-14 of 21") == parse_schedule("2 weeks on, 1 week off")
    assert parse_schedule("continuous") == parse_schedule("daily")
    assert parse_schedule("4 x q1w") != parse_schedule("5 x q1w")
    assert hash(parse_schedule("4 x q1w")) == hash(parse_schedule("q7d x 4"))


def test_every_day_means_without_end_and_without_pause():
    assert parse_schedule("continuous").every_day
    assert parse_schedule("3 x q1w, then daily").every_day
    assert parse_schedule("7 consecutive days every week").every_day
    assert not parse_schedule("daily x 20").every_day
    assert not parse_schedule("days 1-20 of 21").every_day


def test_pydantic_type_keeps_the_text_and_reads_it_back():
    adapter = TypeAdapter(ScheduleText)
    read = adapter.validate_python("4 × q1w, then q2w")
    assert adapter.dump_python(read) == "4 × q1w, then q2w"
    assert adapter.validate_json(adapter.dump_json(read)) == read
    assert adapter.validate_python(read) is read
    assert adapter.json_schema()["type"] == "string"
    for example in adapter.json_schema()["examples"]:
        adapter.validate_python(example)
    with pytest.raises(ValidationError, match="count every block but the last"):
        adapter.validate_python("q3w, q6w")


def test_every_text_of_the_theory_page_is_read():
    page = (Path(__file__).parents[2] / "docs" / "theory" / "interventions.md").read_text(encoding="utf-8")
    table = page.split("| --- | --- | --- |")[1].split("\n\n")[0]
    texts = [text for row in table.strip().splitlines() for text in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(texts) >= 12
    for text in texts:
        assert parse_schedule(text).days(100.0)[0] == 0.0


# --- properties -------------------------------------------------------------------
units = st.sampled_from(["d", "w", "mo", "day", "weeks", "months"])


@st.composite
def bodies(draw):
    kind = draw(st.sampled_from(["interval", "list", "run", "every day", "on off"]))
    if kind == "interval":
        number = draw(st.one_of(st.integers(1, 20), st.sampled_from([1.5, 2.25, 10.125])))
        return f"{draw(st.sampled_from(['q', 'every ', 'q ']))}{number}{draw(st.sampled_from(['', ' ']))}{draw(units)}"
    if kind == "list":
        days = sorted(draw(st.sets(st.integers(1, 28), min_size=1, max_size=6)))
        return f"days {', '.join(map(str, days))} of {draw(st.integers(28, 60))}"
    if kind == "run":
        every = f"{draw(st.integers(1, 9))} {draw(st.sampled_from(['w', 'mo']))}"
        return f"{draw(st.integers(1, 7))} consecutive days every {every}"
    if kind == "every day":
        return draw(st.sampled_from(["daily", "continuous"]))
    return f"{draw(st.integers(1, 3))} weeks on, {draw(st.integers(1, 3))} weeks off"


@st.composite
def texts(draw):
    counted = draw(st.lists(st.tuples(bodies(), st.integers(1, 30), st.booleans()), max_size=3))
    blocks = [f"{count} x {body}" if before else f"{body} x {count}" for body, count, before in counted]
    if not blocks or draw(st.booleans()):
        blocks.append(draw(st.one_of(bodies(), st.just("once"))))
    return draw(st.sampled_from([", ", ", then ", " then "])).join(blocks)


@given(texts())
def test_text_and_standard_wording_read_back_to_the_same_schedule(text):
    schedule = parse_schedule(text)
    assert schedule.text == text
    assert parse_schedule(schedule.text) == schedule
    assert parse_schedule(schedule.canonical()) == schedule
    assert parse_schedule(schedule.canonical()).canonical() == schedule.canonical()


def listed_days(cycles: tuple[Cycle, ...], horizon):
    """Plain-Python twin: walk through the cycles one after the other."""
    days, origin = [], 0.0
    for cycle in cycles:
        number = 0
        while (cycle.count is None or number < cycle.count) and origin + number * cycle.length < horizon:
            days += [origin + number * cycle.length + day for day in cycle.days]
            number += 1
        if cycle.count is None:
            break
        origin += cycle.count * cycle.length
    return [day for day in days if day < horizon]


@settings(deadline=None)
@given(texts(), st.floats(0.0, 4000.0))
@tried("1 weeks on, 1 weeks off x 1", 5e-324)
def test_days_and_intervals_against_a_walk_through_the_cycles(text, horizon):
    schedule = parse_schedule(text)
    days = schedule.days(horizon)
    assert days.tolist() == listed_days(schedule.cycles, horizon)
    assert np.all(np.diff(days) >= 1.0 - 1e-9)
    assert np.all((days >= 0) & (days < horizon))
    if schedule.doses is not None:
        assert schedule.days(1e6).size == schedule.doses
        assert schedule.days(1e6)[-1] < schedule.length
    on, off = schedule.intervals(horizon)
    assert np.all(on < off)
    assert np.all(on[1:] > off[:-1])
    assert np.all(off <= horizon)
    given_days = np.minimum(days + 1.0, horizon) - days
    assert math.isclose(np.sum(off - on), np.sum(given_days), abs_tol=1e-6)
    period = np.searchsorted(on, days + 1e-9, side="right") - 1
    assert np.all((days >= on[period] - 1e-6) & (days < off[period]))
