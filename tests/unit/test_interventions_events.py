"""Event tables: small cases by hand, plain-Python twins, zero means absent, and common random numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorsim.interventions.base import Context, Pauses, Rows
from tumorsim.interventions.events import EventTable, Recipients, Roster, build_events, merge, roster_of, stop_rules
from tumorsim.kernels.layout import (
    EVENT_DRUG_BOLUS,
    EVENT_DRUG_RATE,
    EVENT_INFUSION,
    EVENT_RESECTION,
    EVENT_TACE,
    EVENT_VISIT,
)
from unit.interventions_examples import ANTIBODY, CAPSULE, CIK, CTACE, NK, TABLET, listed, patients, same, treatment

RATE, BOLUS, CELLS = EVENT_DRUG_RATE, EVENT_DRUG_BOLUS, EVENT_INFUSION


def build(*treatments, people=None, seed=1, horizon=365.0, roster=None):
    return build_events(treatments, roster or roster_of([treatments]), people or patients(1), seed, horizon)


# --- by hand ----------------------------------------------------------------------
def test_continuous_tablets_are_one_event():
    course = treatment(drug=TABLET, dose="400 mg", times_per_day=2, adherence=0.9)
    assert listed(build(course)) == [(0.0, RATE, 0, 720.0)]


def test_tablets_on_and_off():
    course = treatment(drug=TABLET, dose="12 mg", schedule="days 1-14 of 21", start="10 day", until="40 day")
    assert listed(build(course)) == [
        (10.0, RATE, 0, 12.0),
        (24.0, RATE, 0, 0.0),
        (31.0, RATE, 0, 12.0),
        (45.0, RATE, 0, 0.0),
    ]


def test_a_course_that_ends_at_the_horizon_is_not_switched_off():
    course = treatment(drug=TABLET, dose="12 mg", until="100 day")
    assert listed(build(course, horizon=100.0)) == [(0.0, RATE, 0, 12.0)]
    assert listed(build(course, horizon=101.0)) == [(0.0, RATE, 0, 12.0), (100.0, RATE, 0, 0.0)]


def test_antibody_by_weight():
    course = treatment(drug=ANTIBODY, dose="15 mg/kg", schedule="q3w x 2")
    table = build(course, people=patients(2, weight=[60.0, 80.0]))
    assert listed(table, 0) == [(0.0, BOLUS, 0, 900.0), (21.0, BOLUS, 0, 900.0)]
    assert listed(table, 1) == [(0.0, BOLUS, 0, 1200.0), (21.0, BOLUS, 0, 1200.0)]


def test_infusions_carry_living_effectors():
    course = treatment(
        infusion=CIK,
        dose="6.4e9 cells",
        schedule="2 x q1w, 1 x q2w",
        viability=0.9,
        effector_fraction="41 %",
        start="3 day",
    )
    effectors = 6.4e9 * (0.9 * 0.41)
    assert listed(build(course)) == [(day, CELLS, 0, effectors) for day in (3.0, 10.0, 17.0)]


def test_cells_by_weight():
    course = treatment(infusion=CIK, dose="4.65e6 cells/kg", schedule="once")
    table = build(course, people=patients(2, weight=[50.0, 100.0]))
    assert [listed(table, i) for i in (0, 1)] == [[(0.0, CELLS, 0, 2.325e8)], [(0.0, CELLS, 0, 4.65e8)]]


def test_tace_on_a_schedule_and_on_demand():
    assert listed(build(treatment(tace=CTACE, schedule="q6w x 2", start="2 day"))) == [
        (2.0, EVENT_TACE, 0, 0.0),
        (44.0, EVENT_TACE, 0, 0.0),
    ]
    on_demand = treatment(tace=CTACE, on_demand=True, min_interval="60 day", max_sessions=3, start="10 day")
    assert listed(build(on_demand, horizon=200.0)) == [(d, EVENT_TACE, 0, 3.0) for d in (10.0, 70.0, 130.0, 190.0)]
    assert [e[0] for e in listed(build(on_demand.model_copy(update={"until": 61.0})))] == [10.0, 70.0]


def test_removal_of_lesions():
    table = build(treatment(resection="curative", start="4 day"), treatment(ablation="PEI", start="9 day"))
    assert listed(table) == [(4.0, EVENT_RESECTION, 1, 1.0), (9.0, EVENT_RESECTION, 3, 1.0)]
    assert build(treatment(resection="curative", start="365 day")).time.size == 0


def test_sorted_by_time_then_kind_then_index():
    arm = [
        treatment(tace=CTACE, schedule="once", start="7 day"),
        treatment(infusion=NK, dose="1e9 cells", schedule="2 x q1w"),
        treatment(infusion=CIK, dose="2e9 cells", schedule="2 x q1w"),
        treatment(drug=TABLET, dose="1 mg", start="7 day"),
    ]
    roster = Roster((TABLET,), (CIK, NK), (CTACE,))
    assert [event[:3] for event in listed(build(*arm, roster=roster))] == [
        (0.0, CELLS, 0),
        (0.0, CELLS, 1),
        (7.0, RATE, 0),
        (7.0, CELLS, 0),
        (7.0, CELLS, 1),
        (7.0, EVENT_TACE, 0),
    ]


def test_two_courses_of_one_tablet_add_up():
    lead_in = treatment(drug=TABLET, dose="100 mg", until="7 day")
    on_top = treatment(drug=TABLET, dose="30 mg", start="3 day", until="20 day")
    assert listed(build(lead_in, on_top)) == [
        (0.0, RATE, 0, 100.0),
        (3.0, RATE, 0, 130.0),
        (7.0, RATE, 0, 30.0),
        (23.0, RATE, 0, 0.0),
    ]


def test_a_course_that_takes_over_changes_the_rate_once():
    first = treatment(drug=TABLET, dose="200 mg", until="14 day")
    then = treatment(drug=TABLET, dose="400 mg", start="14 day")
    assert listed(build(first, then)) == [(0.0, RATE, 0, 200.0), (14.0, RATE, 0, 400.0)]
    same_dose = treatment(drug=TABLET, dose="200 mg", start="14 day")
    assert listed(build(first, same_dose)) == [(0.0, RATE, 0, 200.0)]


def test_a_sum_of_rates_comes_back_to_exactly_zero():
    tenth = treatment(drug=TABLET, dose="0.1 mg", until="5 day")
    fifth = treatment(drug=TABLET, dose="0.2 mg", until="6 day")
    third = treatment(drug=TABLET, dose="0.7 mg", until="7 day")
    assert listed(build(tenth, fifth, third))[-1] == (7.0, RATE, 0, 0.0)


def test_merge_keeps_each_patients_order():
    course = build(treatment(infusion=CIK, dose="1e9 cells", schedule="2 x q2w"), people=patients(2))
    visits = EventTable.of(Rows.of([[0], [1]], [14.0, 21.0], EVENT_VISIT, 0, 0.0), 2)
    merged = merge(visits, course)
    for patient in (0, 1):
        assert [event[:2] for event in listed(merged, patient)] == [
            (0.0, CELLS),
            (14.0, EVENT_VISIT),
            (14.0, CELLS),
            (21.0, EVENT_VISIT),
        ]
    assert same(merge(course), course)
    with pytest.raises(ValueError, match="tables of the same patients"):
        merge(course, build(treatment(resection="curative")))
    with pytest.raises(ValueError, match="cannot be merged"):
        merge()


def test_an_arm_without_treatment_has_an_empty_table():
    table = build_events([], Roster(), patients(3), 1, 365.0)
    assert table.offset.tolist() == [0, 0, 0, 0]
    assert table.time.size == 0
    assert table.kind.dtype == table.index.dtype == table.offset.dtype == np.int64
    assert build(treatment(resection="curative"), people=patients(0)).offset.tolist() == [0]


def test_recipients_must_fit_together():
    with pytest.raises(ValueError, match=r"weight has shape \(2,\), must be \(3,\) like ids"):
        Recipients(np.arange(3), np.ones(2), np.ones(3), np.ones(3))


# --- roster and stop rules --------------------------------------------------------
def test_roster_lists_equal_definitions_once_in_order():
    weaker = CIK.replace(kill_rate=0.0)
    arms = [
        [],
        [treatment(drug=TABLET, dose="1 mg"), treatment(infusion=CIK, dose="1 cells", schedule="once")],
        [
            treatment(infusion=CIK.model_copy(), dose="2 cells", schedule="once"),
            treatment(infusion=weaker, dose="2 cells", schedule="once"),
            treatment(drug=TABLET, dose="2 mg"),
            treatment(resection="curative"),
        ],
    ]
    roster = roster_of(arms, drugs=[CAPSULE, TABLET], procedures=[CTACE])
    assert roster == Roster((TABLET, CAPSULE), (CIK, weaker), (CTACE,))
    assert [roster.index(t) for t in arms[2]] == [0, 1, 0, 0]
    with pytest.raises(ValueError, match="antibody is not in the roster"):
        roster.index(treatment(drug=ANTIBODY, dose="1 mg", schedule="once"))


def test_what_stops_at_progression():
    arm = [
        treatment(drug=TABLET, dose="1 mg"),
        treatment(drug=ANTIBODY, dose="1 mg", schedule="q3w", until="end"),
        treatment(infusion=NK, dose="1 cells", schedule="once", until="9 day"),
        treatment(infusion=CIK, dose="1 cells", schedule="once", until="progression"),
        treatment(tace=CTACE, schedule="once"),
        treatment(resection="curative"),
    ]
    roster = roster_of([arm], drugs=[CAPSULE])
    rules = stop_rules(arm, roster)
    assert rules.drugs.tolist() == [True, False, False]
    assert rules.products.tolist() == [False, True]
    assert stop_rules([], roster).drugs.tolist() == [False, False, False]


def test_one_drug_cannot_both_stop_and_go_on_at_progression():
    arm = [treatment(drug=TABLET, dose="1 mg", until="7 day"), treatment(drug=TABLET, dose="1 mg", start="7 day")]
    with pytest.raises(ValueError, match="tablet is given until progression and also beyond it in one arm"):
        stop_rules(arm, roster_of([arm]))


# --- zero means absent, bit for bit -----------------------------------------------
BASE = (
    treatment(drug=ANTIBODY, dose="15 mg/kg", schedule="q3w", hold={"rate": "0.3 1/month", "duration": "10 day"}),
    treatment(infusion=CIK, dose="6.4e9 cells", schedule="4 x q1w, 4 x q2w", cv_between_infusions=0.3),
)
DELAYS = {"delays_infusions": True}
HOLD = {"rate": "1 1/month", "duration": "20 day"} | DELAYS


@pytest.mark.parametrize(
    "absent",
    [
        treatment(drug=TABLET, dose="0 mg", times_per_day=2),
        treatment(drug=TABLET, dose="0 mg", schedule="days 1-14 of 21", adherence={"mean": 0.8, "sd": 0.1}),
        treatment(drug=TABLET, dose="0 mg", hold=HOLD),
        treatment(drug=TABLET, dose="400 mg", adherence=0.0),
        treatment(drug=ANTIBODY, dose="0 mg/kg", schedule="q2w", hold=HOLD),
        treatment(infusion=NK, dose="0 cells", schedule="q1w", cv_between_infusions=0.5),
        treatment(infusion=NK, dose="1e9 cells", schedule="q1w", effector_fraction=0.0),
        treatment(infusion=NK, dose="1e9 cells", schedule="q1w", viability=0.0),
        treatment(infusion=NK, dose="1e9 cells", schedule="q1w", start="365 day"),
        treatment(
            infusion=NK, dose="1e9 cells", schedule="q1w", manufacture={"culture": "9 day", "failure_probability": 1}
        ),
        treatment(drug=TABLET, dose="1 mg", start="400 day"),
        treatment(tace=CTACE, schedule="once", start="365 day"),
    ],
    ids=lambda t: t.describe(),
)
def test_nothing_given_leaves_the_table_as_it_was(absent):
    roster = roster_of([(*BASE, absent)])
    people = patients(40)
    without = build(*BASE, people=people, roster=roster)
    assert without.time.size > 0
    assert same(build(*BASE, absent, people=people, roster=roster), without)
    assert same(build(absent, *BASE, people=people, roster=roster), without)


def test_a_rate_that_does_not_change_makes_no_event():
    harmless = {"rate": "2 1/month", "duration": "5 day"}
    intermittent = treatment(drug=TABLET, dose="9 mg", schedule="days 1-14 of 21", hold=harmless)
    table = build(intermittent, people=patients(200), horizon=730.0)
    for patient in range(200):
        rates = [0.0] + [event[3] for event in listed(table, patient)]
        assert all(a != b for a, b in pairwise(rates))


def test_no_holds_is_the_same_as_holds_that_never_come():
    plain = treatment(drug=TABLET, dose="400 mg", schedule="days 1-14 of 21")
    never = plain.model_copy(update={"hold": treatment(drug=TABLET, dose="1 mg", hold=HOLD | {"rate": "0 1/day"}).hold})
    assert same(build(plain, people=patients(5)), build(never, people=patients(5)))


# --- common random numbers --------------------------------------------------------
LUCKY = {
    "tablet": treatment(
        drug=TABLET,
        dose="400 mg",
        adherence={"mean": 0.85, "sd": 0.1},
        hold={"rate": "0.3 1/month", "duration": "14 day", "dose_after": 0.5},
    ),
    "capsule": treatment(drug=CAPSULE, dose="10 mg", adherence={"mean": 0.7, "sd": 0.2}),
    "cik": treatment(
        infusion=CIK,
        dose="6.4e9 cells",
        cv_between_infusions=0.3,
        cv_between_patients=0.2,
        schedule="4 x q1w, 4 x q2w",
        manufacture={"culture": ["14 day", "21 day"], "failure_probability": 0.2, "attempts": 2},
    ),
    "nk": treatment(infusion=NK, dose="1e9 cells", cv_between_infusions=0.4, schedule="6 x q3w"),
    "tace": treatment(tace=CTACE, on_demand=True),
}
ALL = tuple(LUCKY.values())
ROSTER = roster_of([ALL])


def columns(table, patient, kind=None, index=None):
    return [e for e in listed(table, patient) if (kind is None or e[1] == kind) and (index is None or e[2] == index)]


@pytest.mark.parametrize("name", LUCKY)
def test_a_patients_luck_does_not_depend_on_the_other_treatments_of_the_arm(name):
    alone = build(LUCKY[name], people=patients(30), roster=ROSTER)
    together = build(*ALL, people=patients(30), roster=ROSTER)
    kind, index = int(alone.kind[0]), int(alone.index[0])
    for patient in range(30):
        assert columns(together, patient, kind, index) == listed(alone, patient)


def test_luck_does_not_depend_on_the_order_of_treatments_or_the_roster():
    table = build(*ALL, people=patients(30), roster=ROSTER)
    assert same(build(*reversed(ALL), people=patients(30), roster=ROSTER), table)
    other = Roster(ROSTER.drugs[::-1], ROSTER.products[::-1], ROSTER.procedures)
    turned = build(*ALL, people=patients(30), roster=other)
    for patient in range(30):
        one, two = columns(table, patient, CELLS, 0), columns(turned, patient, CELLS, 1)
        assert [(t, v) for t, _, _, v in one] == [(t, v) for t, _, _, v in two]


def test_luck_does_not_depend_on_order_or_number_of_patients():
    table = build(*ALL, people=patients(50), roster=ROSTER)
    order = np.random.default_rng(3).permutation(50)
    everybody = patients(50)
    shuffled = Recipients(order, everybody.weight, everybody.body_surface, everybody.lymphocyte_factor)
    mixed = build(*ALL, people=shuffled, roster=ROSTER)
    few = build(*ALL, people=patients(7, first=20), roster=ROSTER)
    for place, patient in enumerate(order):
        assert listed(mixed, place) == listed(table, patient)
    for place in range(7):
        assert listed(few, place) == listed(table, 20 + place)


def test_luck_depends_on_seed_patient_and_what_is_given():
    cik = LUCKY["cik"]
    one, again, other = (build(cik, people=patients(2), roster=ROSTER, seed=seed) for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)
    assert listed(one, 0) != listed(one, 1)
    as_nk = cik.model_copy(update={"infusion": NK})
    assert [e[0] for e in listed(build(as_nk, people=patients(2), roster=ROSTER))] != [e[0] for e in listed(one)]
    assert build(cik, people=patients(2), roster=ROSTER, seed=2**63 - 1).time.size > 0


def test_a_weaker_product_of_the_same_name_meets_the_same_luck():
    weaker = LUCKY["cik"].model_copy(update={"infusion": CIK.replace(kill_rate=0.0)})
    roster = roster_of([ALL, [weaker]])
    full, weak = (build(t, people=patients(9), roster=roster) for t in (LUCKY["cik"], weaker))
    assert full.time.tobytes() == weak.time.tobytes()
    assert full.value.tobytes() == weak.value.tobytes()
    assert set(full.index) == {0}
    assert set(weak.index) == {2}


def test_a_later_course_does_not_shift_the_luck_of_the_first_and_has_its_own():
    later = LUCKY["cik"].model_copy(update={"start": 200.0})
    alone = build(LUCKY["cik"], people=patients(20), roster=ROSTER, horizon=150.0)
    both = build(later, LUCKY["cik"], people=patients(20), roster=ROSTER, horizon=150.0)
    assert same(alone, both)
    table = build(LUCKY["cik"], later, people=patients(20), roster=ROSTER)
    first = [listed(table, i)[0] for i in range(20) if len(listed(table, i)) == 16]
    second = [listed(table, i)[8] for i in range(20) if len(listed(table, i)) == 16]
    assert first
    assert all(b[0] - 200.0 != a[0] and b[3] != a[3] for a, b in zip(first, second, strict=True))


def test_all_courses_of_a_drug_share_the_patients_adherence():
    early = treatment(drug=TABLET, dose="400 mg", until="50 day", adherence={"mean": 0.8, "sd": 0.1})
    late = treatment(drug=TABLET, dose="400 mg", start="50 day", until="50 day", adherence={"mean": 0.8, "sd": 0.1})
    table = build(early, late, people=patients(50))
    for patient in range(50):
        assert [event[0] for event in listed(table, patient)] == [0.0, 100.0]  # one rate all along


# --- holds ------------------------------------------------------------------------
def context(people=None, horizon=3650.0, seed=5, ordinal=0, delays=None, identity="drug:tablet"):
    people = people or patients(1)
    return Context(people, seed, horizon, 0, identity, ordinal, delays or Pauses.none(people.size))


def fixed(starts, ends):
    return Pauses(np.array([starts], float), np.array([ends], float))


def test_dose_in_and_after_holds_by_hand():
    hold = treatment(
        drug=TABLET, dose="1 mg", hold={"rate": "1 1/day", "duration": "5 day", "dose_after": 0.5, "lowest_dose": 0.3}
    ).hold
    holds = fixed([10, 20, 40, np.inf], [15, 25, 45, np.inf])
    times = np.array([[0, 9.9, 10, 14.9, 15, 20, 25, 40, 45, 400]])
    assert hold.dose_fraction(times, holds).tolist() == [[1, 1, 0, 0, 0.5, 0, 0.3, 0, 0.3, 0.3]]


def rate_at(time, courses, holds):
    """Plain-Python twin: rate of intake just after ``time``."""
    total = 0.0
    for course, pauses in zip(courses, holds, strict=True):
        end = course.start + course.until if isinstance(course.until, float) else np.inf
        if not course.start <= time < end:
            continue
        on, off = course.schedule.intervals(min(end, 400.0) - course.start)
        if not any(a <= time - course.start < b for a, b in zip(on, off, strict=True)):
            continue
        level = 1.0
        for start, stop in zip(pauses.start[0], pauses.end[0], strict=True):
            if start <= time < stop:
                level = 0.0
                break
            if stop <= time:
                level = max(level * course.hold.dose_after, course.hold.lowest_dose)
        total += course.dose.amount * level
    return total


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    courses=st.lists(
        st.tuples(
            st.sampled_from(["continuous", "days 1-14 of 21", "5 consecutive days every 3w x 4", "2 x q3w, then q1w"]),
            st.sampled_from([0, 3, 21, 100]),
            st.sampled_from(["end", "14 day", "90 day"]),
            st.sampled_from([1.0, 0.5, 0.0]),
            st.sampled_from([0.0, 0.25]),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_rates_against_a_plain_twin(seed, courses):
    arm = [
        treatment(
            drug=TABLET,
            dose=f"{10 * (number + 1)} mg",
            schedule=schedule,
            start=f"{start} day",
            until=until,
            hold={"rate": "1.5 1/month", "duration": "6 day", "dose_after": after, "lowest_dose": lowest},
        )
        for number, (schedule, start, until, after, lowest) in enumerate(courses)
    ]
    events = listed(build(*arm, seed=seed, horizon=400.0))
    order = sorted(range(len(arm)), key=lambda i: arm[i].start)
    holds = []
    for place, course in enumerate(arm):
        stop = min(400.0, course.start + course.until) if isinstance(course.until, float) else 400.0
        holds.append(course.hold.sample(context(seed=seed, ordinal=order.index(place)), course.start, stop))
    probes = np.random.default_rng(seed).uniform(0, 400, 60)
    for time in [*probes, *(event[0] for event in events)]:
        stepped = [event[3] for event in events if event[0] <= time]
        assert (stepped[-1] if stepped else 0.0) == pytest.approx(rate_at(time, arm, holds), abs=1e-12)


def test_infusions_wait_for_the_end_of_a_hold_and_later_ones_keep_their_distance():
    planned = np.array([[0.0, 7.0, 14.0, 28.0, 42.0]])
    assert fixed([6.0], [10.0]).delay(planned).tolist() == [[0, 10, 17, 31, 45]]
    assert fixed([6.0, 30.0], [10.0, 33.0]).delay(planned).tolist() == [[0, 10, 17, 33, 47]]
    assert fixed([7.0], [8.0]).delay(planned).tolist() == [[0, 8, 15, 29, 43]]
    assert fixed([6.0], [7.0]).delay(planned).tolist() == planned.tolist()
    assert fixed([100.0], [110.0]).delay(planned).tolist() == planned.tolist()


def test_overlapping_holds_of_two_drugs_are_one_pause():
    both = Pauses.union([fixed([5.0, 50.0], [12.0, 60.0]), fixed([10.0, np.inf], [20.0, np.inf])], 1)
    assert both.delay(np.array([[6.0, 30.0]])).tolist() == [[20.0, 44.0]]
    assert both.start.tolist() == [[5.0, 10.0, 50.0, np.inf]]


def delayed(planned, pauses):
    """Plain-Python twin of `Pauses.delay` for one patient."""
    shift, out = 0.0, []
    for day in planned:
        time = day + shift
        moved = True
        while moved:
            moved = False
            for start, end in pauses:
                if start <= time < end:
                    time, moved = end, True
        shift = max(shift, time - day)
        out.append(time)
    return out


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.lists(st.tuples(st.floats(0, 100), st.floats(1, 30)), max_size=5), min_size=1, max_size=3),
    st.integers(0, 99),
)
def test_delays_against_a_plain_twin(causes, seed):
    planned = np.cumsum(np.random.default_rng(seed).uniform(0.5, 20, (2, 9)), axis=1)
    planned[1] = np.inf  # nothing was made for this patient
    parts = []
    for cause in causes:
        ordered = sorted((start, start + length) for start, length in cause)
        starts, ends = ([pair[i] for pair in ordered] for i in (0, 1))
        parts.append(Pauses(np.array([starts, starts]).reshape(2, -1), np.array([ends, ends]).reshape(2, -1)))
    times = Pauses.union(parts, 2).delay(planned)
    every = [(s, s + length) for cause in causes for s, length in cause]
    np.testing.assert_allclose(times[0], delayed(planned[0], every), rtol=0, atol=1e-9)
    assert np.all(np.isinf(times[1]))
    assert np.all(np.diff(times[0]) >= np.diff(planned[0]) - 1e-9)
    assert not any(start < time < end for time in times[0] for start, end in every)


def test_holds_delay_infusions_only_when_they_say_so():
    cik = treatment(infusion=CIK, dose="1e9 cells", schedule="12 x q2w")
    hold = {"rate": "1 1/month", "duration": "20 day"}
    people = patients(60)
    plain = build(cik, people=people)
    quiet = treatment(drug=TABLET, dose="1 mg", hold=hold)
    loud = treatment(drug=TABLET, dose="1 mg", hold=hold | {"delays_infusions": True})
    roster = roster_of([[cik, quiet]])
    for arm, equal in (((cik, quiet), True), ((loud, cik), False)):
        table = build(*arm, people=people, roster=roster)
        cells = table.rows().where(table.kind == CELLS)
        assert (cells.time.tobytes() == plain.time.tobytes()) is equal
    holds = loud.hold.sample(context(people, 365.0, seed=1), 0.0, 365.0)
    inside = (cells.time[:, None] >= holds.start[cells.patient]) & (cells.time[:, None] < holds.end[cells.patient])
    assert not inside.any()


def test_doses_into_a_vein_wait_too_and_are_lowered_afterwards():
    course = treatment(
        drug=ANTIBODY,
        dose="100 mg",
        schedule="q2w",
        hold={"rate": "1 1/month", "duration": "20 day", "dose_after": 0.8},
    )
    people = patients(80)
    table = build(course, people=people, horizon=200.0)
    holds = course.hold.sample(context(people, 200.0, seed=1, identity="drug:antibody"), 0.0, 200.0)
    for patient in range(80):
        events = listed(table, patient)
        pauses = [(s, e) for s, e in zip(holds.start[patient], holds.end[patient], strict=True) if np.isfinite(s)]
        planned = delayed(np.arange(0, 200, 14.0), pauses)
        assert [event[0] for event in events] == pytest.approx([time for time in planned if time < 200.0])
        for time, _, _, value in events:
            assert value == pytest.approx(100 * 0.8 ** sum(end <= time for _, end in pauses))


@pytest.mark.parametrize("what", [{"drug": ANTIBODY, "dose": "1 mg"}, {"infusion": CIK, "dose": "1 cells"}])
def test_a_dose_delayed_beyond_the_end_of_the_course_is_not_given(what):
    loud = treatment(drug=TABLET, dose="1 mg", until="end", hold={"rate": "2 1/month", "duration": "9 day"} | DELAYS)
    own = {"hold": {"rate": "2 1/month", "duration": "9 day"}} if "drug" in what else {}
    course = treatment(**what, schedule="q1w", until="60 day", start="5 day", **own)
    table = build(course, loud, people=patients(50), horizon=365.0)
    times = table.time[(table.kind == BOLUS) | (table.kind == CELLS)]
    assert times.size < 50 * 9  # some were not given
    assert times.max() < 65.0


def test_a_drug_stopped_for_good_is_not_held_again_and_delays_nothing_more():
    hold = {"rate": "3 1/month", "duration": "9 day", "dose_after": 0.0, "delays_infusions": True}
    course = treatment(drug=TABLET, dose="5 mg", hold=hold)
    assert course.hold.sample(context(patients(50)), 0.0, 3650.0).start.shape == (50, 1)
    table = build(course, people=patients(50))
    assert [[event[3] for event in listed(table, i)] for i in range(50)] == [[5.0, 0.0]] * 50
