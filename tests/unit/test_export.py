"""Tables for spreadsheets, R and pandas."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest

from toy_result import toy_summary, write_toy
from toy_trial import make_trial
from tumorsim.export import TABLES, safe, to_csv
from tumorsim.store import ResultError
from tumorsim.variables import VARIABLES


@pytest.fixture
def data():
    return make_trial(n=9, arms=3, trace=4, allocation="randomised", setting="advanced")


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_value_of_an_assigned_patient_is_there_to_the_bit(data, tmp_path):
    paths = to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(TABLES)
    assert [path.name for path in paths] == list(TABLES)
    table = rows(tmp_path / "out" / "patients.csv")
    assert len(table) == int(data["assigned"].sum()) == 9
    for row in table:
        arm, patient = data.arms.index(row["arm"]), int(row["patient"])
        assert data["assigned"][arm, patient] == 1
        for variable in VARIABLES:
            if variable.group != "patients":
                continue
            value = data[variable.name][(arm, patient) if variable.dims[0] == "arm" else patient]
            cell = row[variable.name]
            if variable.labels:
                assert cell == variable.labels[value]
            elif np.isnan(value):
                assert cell == ""
            else:
                assert float(cell) == value, variable.name


def test_visits_that_took_place_and_only_those(data, tmp_path):
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    table = rows(tmp_path / "out" / "visits.csv")
    took = ~np.isnan(data["visit_time"]) & (data["assigned"] == 1)[:, :, None]
    assert len(table) == int(took.sum()) > 0
    for row in table:
        index = data.arms.index(row["arm"]), int(row["patient"]), int(row["visit"])
        assert took[index]
        assert float(row["sum_diameters"]) == data["sum_diameters"][index]
        assert row["response_recist"] in ("not evaluable", "CR", "PR", "SD", "PD")


def test_trajectories_of_traced_patients_in_their_arm(tmp_path):
    data = make_trial(n=5, trace=3, allocation="randomised")
    data = dataclasses.replace(data, patient=np.arange(100, 105), trace=np.array([104, 100, 101]))
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    table = rows(tmp_path / "out" / "trajectories.csv")
    assert len(table) == 3 * data.time.size  # each traced patient is in one arm
    assert {(row["patient"], row["arm"]) for row in table} == {("104", "control"), ("100", "control"), ("101", "cik")}
    first = [row for row in table if row["patient"] == "101"]
    np.testing.assert_array_equal([float(row["vegf"]) for row in first], data["vegf"][1, 2])
    np.testing.assert_array_equal([float(row["time"]) for row in first], data.time)


def test_the_sidecar_explains_every_column_of_every_table(data, tmp_path):
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    explained = {(row["table"], row["column"]): row for row in rows(tmp_path / "out" / "variables.csv")}
    for name in ("patients.csv", "visits.csv", "trajectories.csv"):
        with open(tmp_path / "out" / name, newline="") as file:
            for column in next(csv.reader(file)):
                assert explained[name, column]["unit"]
                assert explained[name, column]["meaning"]
    assert explained["patients.csv", "age"]["unit"] == "year"
    assert explained["trajectories.csv", "time"]["unit"] == "day"
    assert explained["patients.csv", "death_cause"]["values"] == "alive | tumour | liver | other"


def test_pandas_reads_the_same_numbers(tmp_path):
    pandas = pytest.importorskip("pandas")
    data = make_trial(n=6)
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    frame = pandas.read_csv(tmp_path / "out" / "patients.csv", float_precision="round_trip")
    np.testing.assert_array_equal(frame["death_time"].to_numpy().reshape(2, 6), data["death_time"])


def test_the_summary_goes_along(data, tmp_path):
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8")) == toy_summary()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_text_becomes_a_formula(text, tmp_path):
    assert safe(text) == f"'{text}"
    if not text.isprintable():
        return
    data = dataclasses.replace(make_trial(n=2), arms=("control", text), labels=("Control", text))
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    for name in ("patients.csv", "visits.csv", "trajectories.csv", "variables.csv"):
        with open(tmp_path / "out" / name, newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert not cell.startswith(("=", "+", "@", "\t", "\r")), (name, row)
                    assert not cell.startswith("-") or float(cell) <= 0.0


def test_plain_texts_stay_as_they_are():
    assert [safe(text) for text in ("cik", "4 × q1w", "", "a=b")] == ["cik", "4 × q1w", "", "a=b"]


def test_quotes_commas_and_newlines_are_quoted(tmp_path):
    name = 'a,"b"; c'
    data = dataclasses.replace(make_trial(n=2), arms=("control", name))
    to_csv(write_toy(tmp_path / "a.h5", data), tmp_path / "out")
    assert {row["arm"] for row in rows(tmp_path / "out" / "patients.csv")} == {"control", name}


def test_nothing_is_overwritten_without_force(tmp_path):
    path = write_toy(tmp_path / "a.h5")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "visits.csv").write_text("precious")
    with pytest.raises(ResultError, match=r"visits\.csv: exists already"):
        to_csv(path, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["visits.csv"]
    to_csv(path, tmp_path / "out", force=True)
    assert (tmp_path / "out" / "visits.csv").read_text() != "precious"
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match="cannot be made"):
        to_csv(path, tmp_path / "file")
    with pytest.raises(ResultError, match="cannot be made"):
        to_csv(path, tmp_path / "no" / "out")


def test_codes_kept_as_floats_are_labels_too(tmp_path):
    data = make_trial(n=3)
    codes = {"male": np.array([1.0, 0.0, np.nan]), "assigned": np.ones((2, 3))}
    to_csv(write_toy(tmp_path / "a.h5", dataclasses.replace(data, arrays=data.arrays | codes)), tmp_path / "out")
    assert [row["male"] for row in rows(tmp_path / "out" / "patients.csv")] == ["male", "female", ""] * 2


def test_floats_of_both_widths_read_back(tmp_path):
    data = make_trial(n=3)
    odd = {"age": np.array([0.1, np.inf, 1e-310]), "weight": np.array([0.1, 3.3, 1e-40], "f4")}
    to_csv(write_toy(tmp_path / "a.h5", dataclasses.replace(data, arrays=data.arrays | odd)), tmp_path / "out")
    table = rows(tmp_path / "out" / "patients.csv")[:3]
    np.testing.assert_array_equal([float(row["age"]) for row in table], odd["age"])
    np.testing.assert_array_equal(np.array([row["weight"] for row in table], "f4"), odd["weight"])
