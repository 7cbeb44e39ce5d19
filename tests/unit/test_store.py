"""One result file: what goes in comes out, and other tools read it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from toy_result import PROVENANCE, SCENARIO, SEED, SOURCE, toy_curves, toy_summary, write_toy
from toy_trial import make_trial
from tumorsim import store
from tumorsim.store import ResultError, compare, digest, read, write
from tumorsim.variables import VARIABLES, TrialData


def replaced(data: TrialData, name: str, array: np.ndarray) -> TrialData:
    return dataclasses.replace(data, arrays=data.arrays | {name: array})


def refused(tmp_path: Path, data: TrialData, **changes: object) -> str:
    """The message with which a trial is refused; no file may be left."""
    given = {"summary": toy_summary(), "scenario_text": SCENARIO, "scenario_source": SOURCE, "provenance": PROVENANCE}
    with pytest.raises(ResultError) as caught:
        write(tmp_path / "refused.h5", data, **(given | changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    return str(caught.value)


@pytest.fixture(scope="module")
def data() -> TrialData:
    return make_trial(n=12, trace=3)


@pytest.fixture(scope="module")
def path(data: TrialData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("store") / "toy.h5", data)


# --- round trip ----------------------------------------------------------------


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
@pytest.mark.parametrize("allocation", ["twins", "randomised", "observational"])
def test_a_trial_comes_back_bit_for_bit_and_type_for_type(setting, allocation, tmp_path):
    written = make_trial(n=9, arms=3, setting=setting, allocation=allocation, trace=2)
    back = read(write_toy(tmp_path / "a.h5", written)).data
    assert compare(written, back) == []
    for name, array in written.arrays.items():
        assert back[name].dtype == array.dtype, name
        assert back[name].tobytes() == array.tobytes(), name
    assert (back.arms, back.labels, back.setting, back.allocation) == (
        written.arms,
        written.labels,
        setting,
        allocation,
    )


def test_everything_beside_the_arrays_comes_back(path, data):
    back = read(path)
    assert back.summary == toy_summary()
    assert (back.scenario_text, back.scenario_source) == (SCENARIO, SOURCE)
    assert back.provenance == {key: value for key, value in PROVENANCE.items() if value is not None}
    assert back.layout_version == store.LAYOUT_VERSION
    for endpoint, by_arm in toy_curves(data).items():
        for arm, columns in by_arm.items():
            assert set(back.curves[endpoint][arm]) == set(columns)
            for name, column in columns.items():
                np.testing.assert_array_equal(back.curves[endpoint][arm][name], column, strict=True)


def test_nan_and_infinity_in_the_summary_become_null(tmp_path, data):
    summary = toy_summary() | {
        "nan": math.nan,
        "list": [np.float64("inf"), np.int8(3)],
        "array": np.array([1.0, np.nan]),
    }
    back = read(write(tmp_path / "a.h5", data, summary, SCENARIO, SOURCE, PROVENANCE))
    assert back.summary["nan"] is None
    assert back.summary["list"] == [None, 3]
    assert back.summary["array"] == [1.0, None]
    assert back.curves == {}


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_every_seed_comes_back(seed, tmp_path, data):
    back = read(write(tmp_path / "a.h5", data, toy_summary() | {"seed": seed}, "", "", {"seed": seed}))
    assert back.summary["seed"] == back.provenance["seed"] == seed


def test_a_trial_without_trajectories_visits_or_patients(tmp_path):
    for n, trace in ((5, 0), (0, 0)):
        data = make_trial(n=n, trace=trace)
        empty = {v.name: np.empty((2, n, 0), data[v.name].dtype) for v in VARIABLES if v.group == "visits"}
        data = dataclasses.replace(data, arrays=data.arrays | empty, time=np.empty(0) if not trace else data.time)
        shapes = {v.name: np.empty((2, 0, 0)) for v in VARIABLES if v.group == "trajectories"}
        data = dataclasses.replace(data, arrays=data.arrays | shapes)
        assert compare(data, read(write_toy(tmp_path / f"{n}.h5", data)).data) == []


def test_nan_bits_infinities_and_signed_zeros_survive(tmp_path, data):
    odd = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1.7e308] + [1.0] * 4)
    odd[:1].view(np.uint64)[0] |= 0xBEEF
    written = replaced(data, "age", odd)
    assert read(write_toy(tmp_path / "a.h5", written)).data["age"].tobytes() == odd.tobytes()


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32"])
def test_every_allowed_type_comes_back(dtype, tmp_path, data):
    steps = np.ones((2, 12), dtype=dtype)
    if dtype.startswith(("u", "i")):
        steps[0, 0], steps[1, 1] = np.iinfo(dtype).min, np.iinfo(dtype).max
    back = read(write_toy(tmp_path / "a.h5", replaced(data, "steps", steps))).data["steps"]
    np.testing.assert_array_equal(back, steps, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_codes_kept_as_floats_are_small_on_file_and_the_same_bits_back(dtype, tmp_path, data):
    codes = data["response_recist"].astype(dtype)
    codes[0, :, 3:] = np.nan
    path = write_toy(tmp_path / "a.h5", replaced(data, "response_recist", codes))
    back = read(path).data["response_recist"]
    assert (back.dtype, back.tobytes()) == (codes.dtype, codes.tobytes())
    with h5py.File(path) as file:
        assert file["visits/response_recist"].dtype == np.int8
        assert file["visits/response_recist"].attrs["_FillValue"].tolist() == [-1]
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(path, group="visits", engine="h5netcdf") as opened:
        np.testing.assert_array_equal(opened["response_recist"].values, codes)


def test_codes_with_odd_bits_stay_floats(tmp_path, data):
    codes = np.array([0.0, -0.0, np.nan, -np.nan] * 3)
    path = write_toy(tmp_path / "a.h5", replaced(data, "male", codes))
    assert read(path).data["male"].tobytes() == codes.tobytes()
    with h5py.File(path) as file:
        assert file["patients/male"].dtype == np.float64


def test_views_and_foreign_byte_order_are_written_by_value(tmp_path, data):
    age = data["age"][::-1]
    odd = replaced(data, "age", age.astype(">f8"))
    back = read(write_toy(tmp_path / "a.h5", odd)).data["age"]
    np.testing.assert_array_equal(back, age, strict=True)
    assert digest(odd, SCENARIO, SEED) == read(tmp_path / "a.h5").digest


# --- the file as others see it --------------------------------------------------


def test_every_number_array_is_compressed_and_checksummed_and_integers_are_small(path):
    seen = 0
    with h5py.File(path) as file:

        def look(name, item):
            nonlocal seen
            if not isinstance(item, h5py.Dataset) or item.dtype.kind == "O":
                return
            seen += 1
            assert (item.compression, item.compression_opts, item.shuffle, item.fletcher32) == (
                "gzip",
                1,
                True,
                True,
            ), name
            assert item.dtype.kind in "ifS", name
            assert item.dtype.kind != "f" or item.dtype.itemsize in (4, 8), name

        file.visititems(look)
        assert file["patients/death_cause"].dtype == np.int8
        assert file["patients/steps"].dtype == np.int16  # int64 in memory
    assert seen > len(VARIABLES)


def test_every_declared_variable_says_unit_meaning_and_codes(path):
    with h5py.File(path) as file:
        for variable in VARIABLES:
            item = file[f"{variable.group}/{variable.name}"]
            assert item.attrs["units"].decode() == variable.unit
            assert item.attrs["long_name"].decode() == variable.doc
            assert [dim[0].name.rsplit("/", 1)[1] for dim in item.dims] == list(variable.dims)
            if item.dtype.kind == "f":
                assert math.isnan(item.attrs["_FillValue"][0])
                assert math.isnan(item.fillvalue)
            if variable.labels:
                assert item.attrs["flag_values"].tolist() == list(range(len(variable.labels)))
                assert len(item.attrs["flag_meanings"].split()) == len(variable.labels)


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_every_group_without_us(engine, path, data):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4" if engine == "netcdf4" else "h5netcdf")
    for group in ("patients", "visits", "trajectories"):
        with xarray.open_dataset(path, group=group, engine=engine) as opened:
            for variable in VARIABLES:
                if variable.group == group:
                    assert opened[variable.name].dims == variable.dims
                    np.testing.assert_array_equal(opened[variable.name].values, data[variable.name])
                    assert opened[variable.name].attrs["units"] == variable.unit
            assert opened["arm"].values.tolist() == list(data.arms)
    with xarray.open_dataset(path, group="patients", engine=engine) as opened:
        np.testing.assert_array_equal(opened["death_cause"].sel(arm="cik").values, data["death_cause"][1])
        assert opened["arm_label"].values.tolist() == list(data.labels)
    with xarray.open_dataset(path, group="statistics/rfs", engine=engine) as opened:
        curve = opened.sel(arm="control").isel(step=slice(int(opened["length"].sel(arm="control"))))
        np.testing.assert_array_equal(curve["survival"].values, toy_curves(data)["rfs"]["control"]["survival"])
    with xarray.open_dataset(path, group="targets", engine=engine) as opened:
        assert opened["id"].values.tolist() == ["R-1", "R-2"]
        assert opened["reported_ci_low"].values[0] == 33.7
        assert np.isnan(opened["reported_ci_high"].values[0])
    with xarray.open_dataset(path, engine=engine) as opened:
        assert opened.attrs["title"] == "A toy × é"
        assert opened.attrs["layout_version"] == store.LAYOUT_VERSION
        assert "not for clinical use" in opened.attrs["notice"]
    with xarray.open_dataset(path, group="provenance", engine=engine) as opened:
        assert opened.attrs["cpu"] == "made up"


def test_h5py_alone_reads_scenario_and_summary(path):
    with h5py.File(path) as file:
        assert file["scenario/resolved"][0].decode() == SCENARIO
        assert json.loads(file["summary/json"][0]) == toy_summary()
        # Reading while another reader of this process has the file open must work.
        assert file.attrs["data_sha256"].decode() == read(path).digest


# --- the hash of the data ---------------------------------------------------------


def test_the_hash_is_of_the_data_and_of_nothing_else(tmp_path, data):
    first = write(tmp_path / "a.h5", data, toy_summary(), SCENARIO, SOURCE, {"seed": SEED, "cpu": "one"})
    second = write(
        tmp_path / "b.h5", data, toy_summary() | {"title": "x"}, SCENARIO, "other", {"seed": SEED}, toy_curves(data)
    )
    assert first.read_bytes() != second.read_bytes()
    assert digest(first) == digest(second) == digest(data, SCENARIO, SEED)


def test_the_hash_is_the_one_that_the_docs_describe(data):
    """An independent reading of docs/result-file.md, "When two results are the same"."""
    text = "tumorsim data, layout of the hash 1\n"
    head = [list(data.arms), list(data.labels), data.setting, data.allocation, SEED, SCENARIO]
    content = text.encode() + json.dumps(head).encode("ascii")
    axes = {"axis patient": data.patient, "axis trace": data.trace, "axis time": data.time}
    for name, array in [*axes.items(), *sorted(data.arrays.items())]:
        kind = "f8" if array.dtype.kind == "f" else "i8"
        shape = "[" + ", ".join(str(n) for n in array.shape) + "]"
        content += f"\n{name} {kind} {shape}\n".encode() + array.astype("<" + kind).tobytes("C")
    assert digest(data, SCENARIO, SEED) == hashlib.sha256(content).hexdigest()


def test_the_hash_does_not_depend_on_integer_width_or_memory_layout(data):
    other = dataclasses.replace(
        data,
        arrays={
            name: np.asfortranarray(array.astype("i8") if array.dtype.kind == "i" else array)
            for name, array in reversed(data.arrays.items())
        },
    )
    assert digest(other, SCENARIO, SEED) == digest(data, SCENARIO, SEED)


def test_every_single_change_changes_the_hash(data):
    seen = {digest(data, SCENARIO, SEED), digest(data, SCENARIO + " ", SEED), digest(data, SCENARIO, SEED + 1)}
    changed = [
        dataclasses.replace(data, arms=("control", "cik2")),
        dataclasses.replace(data, labels=("a", "b")),
        dataclasses.replace(data, setting="advanced"),
        dataclasses.replace(data, allocation="randomised"),
        dataclasses.replace(data, patient=data.patient + 1),
        dataclasses.replace(data, trace=data.trace[::-1]),
        dataclasses.replace(data, time=np.nextafter(data.time, 1e9)),
    ]
    for name, array in data.arrays.items():
        bumped = array.copy()
        last = bumped.reshape(-1)[-1:]
        last[:] = (
            np.nextafter(last, 1e300) if array.dtype.kind == "f" and not np.isnan(last[0]) else 1 - np.nan_to_num(last)
        )
        changed.append(replaced(data, name, bumped))
    seen |= {digest(trial, SCENARIO, SEED) for trial in changed}
    assert len(seen) == 3 + len(changed)


def test_swapped_arrays_change_the_hash(data):
    """Same bytes under other names are other data."""
    swapped = data.arrays | {"hbv": data["cirrhosis"], "cirrhosis": data["hbv"]}
    assert digest(dataclasses.replace(data, arrays=swapped)) != digest(data)


# --- where two trials differ -------------------------------------------------------


def test_compare_names_array_index_and_largest_difference(data):
    age = data["age"].copy()
    age[3] += 0.5
    age[5] += 2.0
    (found,) = compare(data, replaced(data, "age", age))
    assert (found.name, found.index, found.count) == ("age", (3,), 2)
    assert found.max_difference == pytest.approx(2.0)
    assert "2 of 12 elements differ, first at [3]" in str(found)


def test_compare_sees_missing_against_present_signed_zero_shape_type_and_axes(data):
    age = data["age"].copy()
    age[0] = np.nan
    (found,) = compare(data, replaced(data, "age", age))
    assert found.max_difference == math.inf
    zeros = replaced(data, "age", np.zeros(12))
    (found,) = compare(zeros, replaced(data, "age", -np.zeros(12)))
    assert (found.max_difference, found.count) == (0.0, 12)
    (found,) = compare(data, replaced(data, "age", age[:3]))
    assert "shape (12,) against (3,)" in found.reason
    (found,) = compare(data, replaced(data, "age", np.ones(12, int)))
    assert "type float64 against int64" in found.reason
    assert [d.name for d in compare(data, dataclasses.replace(data, arms=("x", "y"), time=data.time + 1))] == [
        "arms",
        "axis time",
    ]
    fewer = {name: array for name, array in data.arrays.items() if name != "age"}
    (found,) = compare(dataclasses.replace(data, arrays=fewer), data)
    assert (found.name, found.reason) == ("age", "only in the second")


def test_compare_takes_equal_nan_for_equal_and_any_integer_width(data):
    wide = {
        name: array.astype("i8") if array.dtype.kind == "i" else array.copy() for name, array in data.arrays.items()
    }
    assert np.isnan(data["failure_time"]).all()
    assert compare(data, dataclasses.replace(data, arrays=wide)) == []


# --- what is refused when writing ----------------------------------------------------


def test_a_trial_that_does_not_fit_is_refused_with_every_fault(tmp_path, data):
    arrays = {name: array for name, array in data.arrays.items() if name != "age"}
    arrays |= {"weight": data["weight"][:-1], "nonsense": np.zeros(3), "platelets": data["platelets"].astype("f2")}
    message = refused(tmp_path, dataclasses.replace(data, arrays=arrays))
    assert "patients/age is missing" in message
    assert "patients/weight has shape (11,), expected (12,)" in message
    assert "nonsense is not declared" in message
    assert "platelets has type float16" in message


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 12), 4, np.int8), "code outside 0..3"),
        (np.full((2, 12), -1, np.int8), "code outside 0..3"),
        (np.full((2, 12), 0.5), "code outside 0..3"),
        (np.full((2, 12), np.inf), "code outside 0..3"),
        (np.full((2, 12), "x", object), "has type object"),
    ],
)
def test_codes_must_be_codes(array, message, tmp_path, data):
    assert message in refused(tmp_path, replaced(data, "death_cause", array))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": ("a", "a")}, "different names"),
        ({"arms": ()}, "1 to 64"),
        ({"arms": ("a", "")}, "is not a name"),
        ({"arms": ("a", "b\0")}, "is not a name"),
        ({"arms": ("a", "b\n")}, "is not a name"),
        ({"labels": ("a", "b" * 101)}, "1 to 100 printable characters"),
        ({"labels": ("a",)}, "1 labels for 2 arms"),
        ({"setting": "x"}, "none of adjuvant, advanced"),
        ({"allocation": "x"}, "none of twins, randomised"),
        ({"patient": np.zeros(12, int)}, "patient must be different whole numbers"),
        ({"trace": np.array([0, 1, 99])}, "names a patient that is not in the trial"),
        ({"time": np.array([0.0, np.nan])}, "finite and rising"),
        ({"time": np.array([[0.0]])}, "in one dimension"),
    ],
)
def test_axes_must_make_sense(change, message, tmp_path, data):
    assert message in refused(tmp_path, dataclasses.replace(data, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"summary": {"scenario": "x"}}, "seed is None"),
        ({"summary": {"seed": True}}, "seed is True"),
        ({"summary": {"seed": -1}}, "seed is -1"),
        ({"summary": {"seed": 2**64}}, "not a whole number"),
        ({"summary": {"seed": 7, "x": {1, 2}}}, "cannot be written as JSON"),
        ({"summary": {"seed": 1}}, "provenance: seed is 7, but the summary's is 1"),
        ({"summary": toy_summary() | {"targets": [{"reported": "many"}]}}, "cannot be laid out"),
        ({"scenario_text": "a\0b"}, "scenario/resolved: holds a NUL"),
        ({"scenario_source": "\ud800"}, "scenario/source: is not valid Unicode"),
        ({"curves": {"Rfs/x": {}}}, "is no end point's name"),
        ({"curves": {"rfs": {"cik": {"time": [1.0]}}}}, "the arms are ['cik', 'control']"),
        (
            {"curves": {"rfs": {"cik": {"time": [1.0]}, "control": {"survival": [1.0]}}}},
            "the same columns in every arm",
        ),
        (
            {"curves": {"rfs": {a: {"time": [1.0], "events": [1, 2]} for a in ("cik", "control")}}},
            "each of one length",
        ),
        ({"curves": {"rfs": {a: {"time": [1.0], "x": [1]} for a in ("cik", "control")}}}, "and may have time"),
    ],
)
def test_whatever_cannot_be_stored_is_refused(change, message, tmp_path, data):
    assert message in refused(tmp_path, data, **change)


def test_an_error_says_place_rule_and_advice_and_survives_a_worker():
    error = ResultError("a.h5", "patients/age", "is\x1b[31m red", "Do that")
    assert str(error) == "a.h5: patients/age: is\N{REPLACEMENT CHARACTER}[31m red. Do that."
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.place, again.advice) == (str(error), "patients/age", "Do that")


def test_importing_the_store_does_not_import_h5py():
    import subprocess
    import sys

    code = (
        "import sys, tumorsim.store, tumorsim.verify, tumorsim.export, tumorsim.provenance;"
        "sys.exit(bool({'h5py', 'numba', 'scipy'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
