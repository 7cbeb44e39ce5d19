"""Designs: which points, in which order, the same for the same seed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from tumorsim.sweep.base import Factor
from tumorsim.sweep.design import of_unit, points_of


def listed(name, *texts):
    return Factor(name, name, (f"x.{name}",), "", tuple(map(float, texts)), texts)


def between(name="dose", low=1.0, high=100.0, **options):
    return Factor(name, name, (f"a.{name}", f"b.{name}"), "mg", (), (), (low, high), **options)


def test_a_grid_is_every_combination_and_the_last_factor_changes_fastest():
    points = points_of([listed("a", "1", "2"), listed("b", "3", "4", "5")], "grid", None, 0)
    assert points.texts == tuple(itertools.product("12", "345"))
    assert points.numbers.tolist() == [[float(x) for x in row] for row in points.texts]
    assert points.settings([listed("a", "1", "2"), listed("b", "3", "4", "5")], 4) == ["x.a=2", "x.b=4"]


def test_a_list_takes_values_side_by_side():
    assert points_of([listed("a", "1", "2"), listed("b", "3", "4")], "list", None, 0).texts == (("1", "3"), ("2", "4"))


def test_a_point_sets_every_place_of_a_factor():
    points = of_unit([between()], np.array([[0.0], [1.0]]))
    assert points.settings([between()], 1) == ["a.dose=100 mg", "b.dose=100 mg"]


@pytest.mark.parametrize("samples", [1, 7, 64])
def test_a_latin_hypercube_has_one_point_in_every_stratum(samples):
    factors = [between("a", 0.0, 1.0), between("b", 0.0, 1.0)]
    points = points_of(factors, "latin_hypercube", samples, 3)
    for column in points.numbers.T:
        assert sorted((column * samples).astype(int)) == list(range(samples))


@pytest.mark.parametrize("samples", [1, 8, 13])
def test_sobol_points_are_those_of_scipy(samples):
    factors = [between("a", 0.0, 1.0), between("b", 0.0, 1.0), between("c", 0.0, 1.0)]
    found = points_of(factors, "sobol", samples, 4).numbers
    expected = qmc.Sobol(3, rng=np.random.default_rng(4)).random_base2(4)[:samples]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_the_seed_decides_and_nothing_else(design):
    factors = [between("a"), between("b")]
    one, again, other = (points_of(factors, design, 8, seed) for seed in (1, 1, 2))
    assert one.texts == again.texts
    assert one.numbers.tobytes() == again.numbers.tobytes()
    assert one.texts != other.texts


def test_a_log_scale_is_even_in_the_logarithm():
    values = between(low=1.0, high=1e4, logarithmic=True).between(np.linspace(0, 1, 5))
    np.testing.assert_allclose(values, [1, 10, 100, 1e3, 1e4], rtol=1e-12)


def test_whole_numbers_stay_whole():
    points = points_of([between(low=3.0, high=9.0, whole=True)], "sobol", 32, 0)
    assert {text for (text,) in points.texts} == {f"{n} mg" for n in range(3, 10)}


ENDS = st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)).filter(lambda ends: ends[0] < ends[1]).map(tuple)


@given(ends=ENDS, share=st.floats(0, 1), logarithmic=st.booleans())
def test_every_value_lies_between_the_ends_and_its_text_says_it_bit_for_bit(ends, share, logarithmic):
    factor = between(low=ends[0], high=ends[1], logarithmic=logarithmic)
    points = of_unit([factor], np.array([[share]]))
    value = points.numbers[0, 0]
    assert ends[0] <= value <= ends[1]
    number, unit = points.texts[0][0].split()
    assert unit == "mg"
    assert float(number) == value
