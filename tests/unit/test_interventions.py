"""Treatments as a scenario gives them: what is read, what is refused, how they describe themselves."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import TypeAdapter, ValidationError

from tumorsim.interventions.amounts import read_cell_dose, read_drug_dose, read_until
from tumorsim.interventions.base import Intervention
from tumorsim.interventions.treatment import INTERVENTIONS, KEYS, Treatment, treatment_class, treatment_kind
from unit.interventions_examples import ANTIBODY, CIK, CTACE, TABLET, patients, treatment

EXAMPLES = {
    "drug": {"drug": TABLET, "dose": "400 mg"},
    "infusion": {"infusion": CIK, "dose": "6.4e9 cells", "schedule": "4 x q1w"},
    "tace": {"tace": CTACE, "on_demand": True},
    "resection": {"resection": "curative"},
    "ablation": {"ablation": "RFA"},
}


def test_every_intervention_has_an_example_here():
    assert tuple(EXAMPLES) == KEYS
    assert len(set(KEYS)) == len(INTERVENTIONS)


@pytest.mark.parametrize("key", KEYS)
def test_a_mapping_with_the_key_becomes_that_treatment(key):
    read = TypeAdapter(Treatment).validate_python(EXAMPLES[key])
    assert type(read) is treatment_class(EXAMPLES[key])
    assert isinstance(read, Intervention)
    assert read.KEY == treatment_kind(EXAMPLES[key]) == treatment_kind(read) == key
    assert read.describe()
    assert "\n" not in read.describe()
    with pytest.raises(ValidationError, match="frozen"):
        read.start = 5.0


@pytest.mark.parametrize("key", KEYS)
def test_nothing_is_planned_after_the_horizon(key):
    late = treatment(**EXAMPLES[key], start="100 day")
    assert late.planned(100.0)[0] == 0
    assert late.planned(101.0)[0] >= 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"drgu": "sorafenib", "dose": "400 mg"}, "did you mean drug"),
        ({"infusions": "cik"}, "did you mean infusion"),
        ({"dose": "400 mg"}, "must have one of drug, infusion, tace, resection, ablation"),
        ({}, "must have one of drug"),
        ({"drug": "a", "infusion": "b"}, "has both drug and infusion; write one treatment for each"),
        ("sorafenib", "must be a mapping with one of drug"),
        (None, "must be a mapping"),
    ],
)
def test_what_is_no_treatment_is_refused_with_advice(raw, message):
    with pytest.raises(ValueError, match=message):
        treatment_kind(raw)
    with pytest.raises(ValidationError, match=message) as caught:
        TypeAdapter(list[Treatment]).validate_python([raw])
    assert [error["loc"] for error in caught.value.errors()] == [(0,)]


def test_an_error_says_where_and_marks_the_kind_apart_from_the_keys():
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[Treatment]).validate_python([{"drug": TABLET, "dose": "400", "untill": "end"}])
    places = {error["loc"] for error in caught.value.errors()}
    assert places == {(0, "<drug>", "dose"), (0, "<drug>", "untill")}


# --- doses and ends ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("400 mg", 400.0, "mg"),
        ("0.4 g", 400.0, "mg"),
        ("0 mg", 0.0, "mg"),
        ("15 mg/kg", 15.0, "mg/kg"),
        ("50 mg/m2", 50.0, "mg/m2"),
        ("50 mg/m²", 50.0, "mg/m2"),
        ("50 mg / m**2", 50.0, "mg/m2"),
    ],
)
def test_drug_doses(text, amount, unit):
    dose = read_drug_dose(text)
    assert (dose.amount, dose.unit, dose.text) == (pytest.approx(amount, rel=1e-15), unit, text)


def test_doses_by_size():
    people = patients(3, weight=[50.0, 70.0, 90.0], surface=[1.5, 1.8, 2.1])
    assert read_drug_dose("400 mg").for_each(people).tolist() == [400, 400, 400]
    assert read_drug_dose("15 mg/kg").for_each(people).tolist() == [750, 1050, 1350]
    assert read_drug_dose("50 mg/m2").for_each(people).tolist() == [75, 90, 105]
    assert read_cell_dose("4.65e6 cells/kg").for_each(people).tolist() == [4.65e6 * w for w in (50, 70, 90)]


@pytest.mark.parametrize(
    "raw", ["400", "400 mg/h", "-1 mg", "mg", "9**9**9 mg", "200 kg", "6e9 cells", "4 mg/kg/day", 400, None, True]
)
def test_no_drug_dose(raw):
    with pytest.raises(ValueError, match=r'e\.g\. "400 mg" or "15 mg/kg" or "50 mg/m2"'):
        read_drug_dose(raw)


@pytest.mark.parametrize("raw", ["6.4e9", "6.4e9 mg", "1e9 cells/m2", "-1 cells", "1e19 cells", 6.4e9, None])
def test_no_cell_dose(raw):
    with pytest.raises(ValueError, match=r'e\.g\. "6\.4e9 cells" or "4\.65e6 cells/kg"'):
        read_cell_dose(raw)


def test_until():
    assert [read_until(raw) for raw in ("progression", "end", "60 week", 3.5)] == ["progression", "end", 420.0, 3.5]
    for raw in ("never", "0 day", "-3 day", 5, None, math.nan, True):
        with pytest.raises(
            ValueError, match=r'write "progression", "end" or how long from its start, e\.g\. "60 week"'
        ):
            read_until(raw)


def test_doses_ends_and_schedules_come_back_as_they_were_written():
    course = treatment(drug=TABLET, dose="0.4 g", schedule="days 1–14 of 21", until="52 week")
    dumped = course.model_dump(include={"dose", "schedule", "until"})
    assert dumped == {"dose": "0.4 g", "schedule": "days 1–14 of 21", "until": "364.0 day"}
    assert treatment(drug=TABLET, **dumped) == course
    infusion = treatment(infusion=CIK, dose="4.65e6 cells/kg", schedule="once", until="end")
    dumped = infusion.model_dump(include={"dose", "schedule", "until"})
    assert treatment(infusion=CIK, **dumped) == infusion


# --- rules between keys -----------------------------------------------------------
HARVEST = {"collected": "1e8 cells", "expansion": 60}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"drug": ANTIBODY, "dose": "15 mg/kg", "times_per_day": 2}, "given into a vein, once on a day"),
        ({"drug": ANTIBODY, "dose": "15 mg/kg", "adherence": 0.9}, "adherence is for drugs taken by mouth"),
        (
            {"drug": TABLET, "dose": "1 mg", "adherence": {"mean": 0.9, "sd": 0.31}},
            "sd 0.31 is impossible at a mean of 0.9",
        ),
        ({"drug": TABLET, "dose": "1 mg", "adherence": {"mean": 1.0, "sd": 0.1}}, "impossible at a mean of 1"),
        ({"drug": TABLET, "dose": "1 mg", "hold": {"rate": "1 1/month"}}, "duration"),
        ({"drug": TABLET, "dose": "1 mg", "hold": {"rate": "1 1/month", "duration": "1 h"}}, "greater than or equal"),
        ({"drug": TABLET, "dose": "1 mg", "start": "-1 day"}, "greater than or equal to 0"),
        ({"infusion": CIK, "dose": "1e9 cells", "schedule": "daily"}, "gives cells every day without an end"),
        ({"infusion": CIK, "dose": "harvest", "schedule": "once"}, "dose: harvest needs to know the harvest"),
        (
            {"infusion": CIK, "dose": "harvest", "schedule": "once", "manufacture": {"culture": "14 day"}},
            "dose: harvest needs to know the harvest",
        ),
        (
            {"infusion": CIK, "dose": "1 cells", "schedule": "once", "manufacture": {"culture": ["21 day", "14 day"]}},
            "shorter first",
        ),
        (
            {"infusion": CIK, "dose": "1 cells", "schedule": "once", "manufacture": {"culture": "0 day"}},
            "must be above 0",
        ),
        ({"infusion": CIK, "dose": "1 cells", "schedule": "once", "viability": 1.2}, "less than or equal to 1"),
        ({"tace": CTACE}, "needs either a schedule or on_demand"),
        ({"tace": CTACE, "schedule": "once", "on_demand": True}, "needs either a schedule or on_demand"),
        ({"tace": CTACE, "schedule": "once", "max_sessions": 3}, "max_sessions limit sessions on demand"),
        ({"tace": CTACE, "on_demand": True, "until": "progression"}, "TACE ends with its sessions"),
        ({"ablation": "laser"}, "RFA"),
        ({"resection": "partial"}, "curative"),
    ],
)
def test_rules_between_keys(raw, message):
    with pytest.raises(ValidationError, match=message):
        treatment(**raw)


def test_short_forms():
    course = treatment(drug=TABLET, dose="1 mg", adherence="90 %")
    assert (course.adherence.mean, course.adherence.sd) == (0.9, 0.0)
    made = treatment(infusion=CIK, dose="1 cells", schedule="once", manufacture={"culture": "17 day"})
    assert made.manufacture.culture == (17.0, 17.0)


def test_defaults():
    course = treatment(**EXAMPLES["drug"])
    assert (course.schedule.text, course.start, course.until, course.hold) == ("continuous", 0.0, "progression", None)
    assert treatment(**EXAMPLES["infusion"]).until == "progression"


# --- what `check` shows -----------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "doses", "total"),
    [
        ({"drug": TABLET, "dose": "400 mg", "times_per_day": 2}, 730, 730 * 400),
        ({"drug": TABLET, "dose": "12 mg", "schedule": "days 1-14 of 21", "until": "42 day"}, 28, 28 * 12),
        ({"drug": TABLET, "dose": "400 mg", "start": "300 day"}, 65, 65 * 400),
        ({"drug": ANTIBODY, "dose": "15 mg/kg", "schedule": "q3w"}, 18, 18 * 15),
        ({"infusion": CIK, "dose": "6.4e9 cells", "schedule": "4 x q1w, 4 x q2w"}, 8, 8 * 6.4e9),
        ({"infusion": CIK, "dose": "1e6 cells/kg", "schedule": "q4w", "until": "10 week"}, 3, 3e6),
        ({"tace": CTACE, "schedule": "q6w x 2"}, 2, 2),
        ({"tace": CTACE, "on_demand": True, "max_sessions": 4}, 4, 4),
        ({"tace": CTACE, "on_demand": True, "start": "320 day"}, 2, 2),
        ({"resection": "curative"}, 1, 1),
    ],
)
def test_planned_doses_and_totals_in_a_year(raw, doses, total):
    assert treatment(**raw).planned(365.0) == (doses, pytest.approx(total))


def test_a_harvest_has_no_planned_total():
    made = treatment(
        infusion=CIK, dose="harvest", schedule="once", manufacture={"culture": "14 day", "harvest": HARVEST}
    )
    assert made.planned(365.0)[0] == 1
    assert math.isnan(made.planned(365.0)[1])


def test_planning_a_drug_taken_every_day_for_decades():
    assert treatment(**EXAMPLES["drug"]).planned(50 * 365.0)[0] == 50 * 365


def test_descriptions():
    course = treatment(
        drug=TABLET,
        dose="400 mg",
        times_per_day=2,
        adherence={"mean": 0.9, "sd": 0.1},
        hold={"rate": "0.5 1/month", "duration": "14 day"},
    )
    assert course.describe() == (
        "Tablet 400 mg 2 times a day, continuous, from day 0 until progression; "
        "adherence 0.9 (SD 0.1); held for 14 d at 0.5 events a month"
    )
    infusion = treatment(
        infusion=CIK,
        dose="6.4e9 cells",
        schedule="4 x q1w",
        effector_fraction="41 %",
        until="60 week",
        manufacture={"culture": ["14 day", "21 day"], "logistics": "2 day", "failure_probability": 0.2, "attempts": 2},
    )
    assert infusion.describe() == (
        "Cik 6.4e9 cells, 4 x q1w, from day 0 for 420 d; 41 % of the cells are living effectors; "
        "made in 16 to 23 d, 20 % of attempts fail, 2 attempts"
    )
    assert treatment(**EXAMPLES["tace"]).describe() == (
        "Ctace while viable tumour remains, at least 42 d apart, at most 5, from day 0"
    )
    assert treatment(ablation="MWA", start="3 day").describe() == "MWA of the lesions seen on day 3"


# --- the guide to adding one ------------------------------------------------------
def test_the_example_of_the_guide_works(monkeypatch):
    from tumorsim.interventions.events import build_events, roster_of
    from tumorsim.kernels import random

    guide = Path(__file__).parents[2] / "docs" / "how-to" / "add-an-intervention.md"
    code = guide.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    module = ModuleType("transplant")
    monkeypatch.setitem(sys.modules, "transplant", module)
    monkeypatch.setattr(random, "STREAM_WAITING_LIST", 1000, raising=False)
    exec(compile(code, str(guide), "exec"), module.__dict__)
    transplant = module.Transplant(transplant="cadaveric", mean_wait="8 month", start="10 day")
    table = build_events([transplant], roster_of([[transplant]]), patients(4000), 3, 1e5)
    assert table.time.size == 4000
    assert table.time.min() > 10.0
    assert (table.time - 10.0).mean() == pytest.approx(8 * 365.25 / 12, rel=4.5 / math.sqrt(4000))
    assert transplant.describe() == "cadaveric transplantation, listed on day 10, mean wait 243.5 d"
