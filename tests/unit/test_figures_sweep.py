"""What each figure of a sweep draws is what the sweep holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from scipy import stats

from made_sweeps import DOSE, DRUG, MONTH, SHARED, START, interplay, make_sensitivity, make_sweep, of_function
from tumorsim.figures import FigureError, image
from tumorsim.figures.sweep import FIGURES, figure, save
from tumorsim.figures.sweep.reading import kept, listed, measure, table, varying
from tumorsim.sampling import saltelli
from tumorsim.sweep_data import FactorColumn
from unit.figures_examples import artist, said, ugliness

HOSTILE = '</text></svg><script>alert("1")</script> $\\frac{1}{$ & \x00\x1b[31m\n' + "W" * 90
ONE = ("dose", "Cells of one infusion", "cells", DOSE[3], False)


def drawn(data, **options):
    return figure("sweep").draw(data, **options)


def only(drawing, gid):
    found = artist(drawing, gid)
    assert len(found) == 1, gid
    return found[0]


# tables


def test_a_table_averages_over_the_other_factors_replicate_by_replicate():
    data = make_sweep(DOSE, START, DRUG)
    shown = measure(data, "gain")
    found = table(data, shown, data.factor("dose"), data.factor("drug"))
    d, w = np.linspace(0, 1, 7)[:, None], np.linspace(0, 1, 3)[None]
    np.testing.assert_allclose(found.found.mean, 2 * d * 0.5 - 0.5 - 0.2 * w, atol=1e-12)  # mean of 1 - s is a half
    runs = found.samples[2, 1]
    half = stats.t.ppf(0.975, 2) * stats.sem(runs)
    assert found.found.high[2, 1] - found.found.mean[2, 1] == pytest.approx(half)
    assert found.averaged == ("Start of CIK",)
    assert varying(data) == list(data.factors)


def test_ratios_are_averaged_by_their_logarithm():
    data = make_sweep(DOSE)
    found = table(data, measure(data, "hr"), data.factor("dose"), None)
    logs = np.log(data.output("hr").values)
    np.testing.assert_allclose(found.found.mean[:, 0], np.exp(logs.mean(axis=1)))
    np.testing.assert_allclose(found.samples[:, 0], data.output("hr").values)
    half = stats.t.ppf(0.975, 2) * stats.sem(logs[0])
    assert np.log(found.found.high[0, 0] / found.found.mean[0, 0]) == pytest.approx(half)


def test_a_missing_run_leaves_its_replicate_out_of_the_average():
    data = make_sweep(DOSE, START)
    values = data.output("gain").values.copy()
    values[3, 0] = np.nan  # dose 0, start 3, first replicate
    holed = replace(data, outputs=(replace(data.outputs[0], values=values), *data.outputs[1:]))
    shown = measure(holed, "gain")
    assert shown.lost == 1
    found = table(holed, shown, data.factor("dose"), None)
    assert np.isnan(found.samples[0, 0]).tolist() == [True, False, False]
    whole = table(data, measure(data, "gain"), data.factor("dose"), None)
    assert found.found.mean[0, 0] == pytest.approx(whole.samples[0, 0, 1:].mean())
    np.testing.assert_array_equal(found.found.mean[1:], whole.found.mean[1:])
    drawing = drawn(holed, by="start")
    assert any("1 of 126 runs gave no number and are left out." in text for text in said(drawing))


def test_days_are_shown_as_months():
    data = make_sweep(DOSE)
    assert measure(data, "gain").label == "Gain in mean survival (months)"
    np.testing.assert_allclose(measure(data, "gain").samples, data.output("gain").values / MONTH)
    assert "Gain in mean survival (months)" in said(drawn(data))
    assert "Start of CIK (days)" in said(drawn(make_sweep(START)))


def test_words_of_a_list_and_places_that_are_kept():
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert kept(3, 9) == [0, 1, 2]
    assert kept(20, 3) == [0, 10, 19]


# looks


def test_one_factor_of_numbers_is_a_line_with_its_interval_and_runs():
    drawing = drawn(make_sweep(DOSE))
    line = only(drawing, "mean-0")
    np.testing.assert_allclose(line.get_xdata(), DOSE[3])
    np.testing.assert_allclose(line.get_ydata(), np.linspace(0, 1, 7) - 0.5, atol=1e-12)
    assert drawing.axes[0].get_xscale() == "log"
    assert only(drawing, "runs-0").get_ydata().size == 21
    band = only(drawing, "interval-0").get_paths()[0].vertices[:, 1]
    half = stats.t.ppf(0.975, 2) * stats.sem(0.1 * SHARED[:3])
    assert band.max() == pytest.approx(0.5 + half)
    assert only(drawing, "reference").get_ydata() == [0.0, 0.0]
    assert "n = 3 runs with the same seeds" in " ".join(said(drawing))


def test_two_factors_of_numbers_in_a_grid_are_a_map():
    data = make_sweep()
    drawing = drawn(data, output="hr")
    d, s = np.linspace(0, 1, 7)[None], np.linspace(0, 1, 6)[:, None]
    cells = only(drawing, "cells")
    np.testing.assert_allclose(cells.get_array(), (0.4 - d * (1 - s)) / np.log(10), atol=1e-12)
    low, high = cells.get_clim()
    assert low == -high, "the colours turn at 1"
    assert to_rgb(cells.cmap(0.0))[2] > to_rgb(cells.cmap(0.0))[0], "blue below 1"
    (path,) = (p.vertices for p in only(drawing, "no-effect").get_paths())
    # along the contour of 1, d (1 - s) = 0.4, but for the straight lines between the points of the grid
    at = (path[:, 0] - 8.0) / 2.0 * (1.0 - path[:, 1] / 180.0)
    np.testing.assert_allclose(at, 0.4, atol=0.02)
    assert "1: no effect" in said(drawing)


def test_dots_on_a_map_are_where_the_interval_holds_no_effect():
    drawing = drawn(make_sweep(), output="hr")
    half = stats.t.ppf(0.975, 2) * stats.sem(0.1 * SHARED[:3])
    d, s = np.meshgrid(np.linspace(0, 1, 7), np.linspace(0, 1, 6), indexing="ij")
    expected = np.abs(0.4 - d * (1 - s)) <= half
    assert only(drawing, "doubtful").get_xdata().size == expected.sum() > 0


def test_what_has_one_sign_has_no_middle_and_no_dots():
    drawing = drawn(make_sweep(), output="deaths")
    assert only(drawing, "cells").cmap.name == "viridis"
    assert not artist(drawing, "doubtful") + artist(drawing, "no-effect")


def test_contours_alone_need_every_point():
    data = make_sweep()
    assert only(drawn(data, look="contour"), "shades")
    values = data.output("gain").values.copy()
    values[0] = np.nan
    holed = replace(data, outputs=(replace(data.outputs[0], values=values), *data.outputs[1:]))
    with pytest.raises(FigureError, match="contour needs a number at every point of the grid; use look=heat"):
        drawn(holed, look="contour")
    drawing = drawn(holed)
    assert "no number" in said(drawing)
    assert np.isnan(np.ma.filled(only(drawing, "cells").get_array(), np.nan)).sum() == 1


def test_texts_are_rows_of_dots():
    drawing = drawn(make_sweep(DRUG), output="hr")
    dots = artist(drawing, "mean-0")
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], np.exp(0.15 + 0.2 * np.array([0, 0.5, 1])))
    assert set(DRUG[3]) <= set(said(drawing))
    assert drawing.axes[0].get_xscale() == "log"


def test_a_second_factor_has_a_line_a_value_and_the_rest_is_averaged():
    drawing = drawn(make_sweep(DOSE, START, DRUG), by="drug")
    assert len([one for k in range(9) for one in artist(drawing, f"mean-{k}")]) == 3
    assert any("Averaged over Start of CIK." in text for text in said(drawing))
    assert set(DRUG[3]) <= set(said(drawing))


def test_of_many_lines_some_are_drawn_and_it_is_said():
    many = ("start", "Start of CIK", "day", tuple(np.linspace(0.0, 180.0, 20)), False)
    drawing = drawn(make_sweep(DOSE, many), by="start")
    assert len([one for k in range(20) for one in artist(drawing, f"mean-{k}")]) == 10
    assert any("10 of 20 lines are drawn." in text for text in said(drawing))


def test_intervals_that_would_flatten_the_rest_are_cut_and_it_is_said():
    data = make_sweep(DOSE, replicates=2)
    flat = 100.0 + 0.01 * data.outputs[0].values
    flat[3, 1] += 5.0  # two runs that differ: the interval is twelve standard errors wide each way
    wide = replace(data, outputs=(replace(data.outputs[0], values=flat),))
    drawing = drawn(wide)
    assert any("Wide intervals are cut at the edge." in text for text in said(drawing))
    low, high = drawing.axes[0].get_ylim()
    assert high - low < 4.0 * 5.0 / MONTH
    assert not any("cut at the edge" in text for text in said(drawn(make_sweep(DOSE))))


def test_no_line_of_no_effect_where_an_output_has_one_sign():
    assert not artist(drawn(make_sweep(DOSE), output="deaths"), "reference")
    assert artist(drawn(make_sweep(DOSE), output="gain"), "reference")


def test_a_list_is_drawn_against_one_factor_and_averages_nothing():
    pair = (DOSE[0], DOSE[1], DOSE[2], tuple(np.geomspace(1e8, 1e10, 6)), True), START
    drawing = drawn(make_sweep(*pair, design="list"), x="start")
    np.testing.assert_allclose(only(drawing, "mean-0").get_xdata(), START[3])
    assert not any("Averaged" in text for text in said(drawing))


def test_a_list_is_drawn_against_its_first_factor_also_of_texts():
    """Its factors change together: against a later one, points of other schedules would lie on one another."""
    pair = DRUG, (DOSE[0], DOSE[1], DOSE[2], tuple(np.geomspace(1e8, 1e10, len(DRUG[3]))), True)
    assert set(DRUG[3]) <= set(said(drawn(make_sweep(*pair, design="list"))))


def test_random_designs_are_a_cloud_for_each_factor():
    data = make_sweep(design="latin_hypercube")
    drawing = drawn(data, output="hr")
    for name in ("dose", "start"):
        cloud = only(drawing, f"cloud-{name}")
        np.testing.assert_array_equal(cloud.get_xdata(), data.factor(name).values)
        np.testing.assert_allclose(cloud.get_ydata(), np.exp(np.log(data.output("hr").values).mean(axis=1)))
    assert len(drawn(data, x="start").axes) == 1


def test_one_run_a_point_has_no_interval_and_says_so():
    assert "one run a point, so no interval" in said(drawn(make_sweep(DOSE, replicates=1)))
    assert any("one run a point" in text for text in said(drawn(make_sweep(replicates=1))))


@pytest.mark.parametrize(
    ("factors", "design", "options", "message"),
    [
        ((DOSE, START), "grid", {"output": "death"}, "output: 'death' is no output; outputs are gain, hr, deaths"),
        ((DOSE, START), "grid", {"x": "dos"}, "x: 'dos' is no factor; factors are dose, start"),
        ((DOSE, START), "grid", {"x": "dose", "y": "dose"}, "x: dose is given twice; other factors are start"),
        ((DOSE, START), "grid", {"y": "dose", "by": "start"}, "give one of them"),
        ((DOSE, START), "grid", {"look": "map"}, "look: 'map' is none of auto, lines"),
        ((DOSE, START), "sobol", {"look": "lines"}, "look: lines needs a grid or a list of points.*use look=scatter"),
        ((DOSE, DRUG), "grid", {"look": "heat"}, "look: heat needs a grid of two factors of numbers"),
        ((DRUG,), "grid", {"look": "lines"}, "look: lines need numbers along x, and drug has texts; use look=dots"),
        ((DRUG,), "grid", {"look": "scatter"}, "look: scatter needs a factor of numbers; use look=dots"),
        ((DOSE,), "grid", {"by": "dose"}, "dose is the only factor that changes"),
    ],
)
def test_what_cannot_be_drawn_is_told(factors, design, options, message):
    with pytest.raises(FigureError, match=message):
        drawn(make_sweep(*factors, design=design), **options)


def test_a_factor_of_one_value_and_an_output_without_numbers_are_told():
    data = make_sweep(DOSE)
    fixed = FactorColumn("start", "Start", "day", np.zeros(7))
    both = replace(data, factors=(*data.factors, fixed))
    with pytest.raises(FigureError, match="by: start has one value in this sweep; factors that change are dose"):
        drawn(both, by="start")
    with pytest.raises(FigureError, match="nothing changes from point to point"):
        drawn(replace(data, factors=(fixed,)))
    nothing = replace(data, outputs=(replace(data.outputs[0], values=np.full((7, 3), np.nan)),))
    with pytest.raises(FigureError, match="gain: no run gave a number to draw"):
        drawn(nothing)


# tornado


def test_the_strongest_effect_is_on_top_with_interval_and_spread():
    outcome = make_sensitivity("morris")
    drawing = figure("tornado").draw(outcome)
    held = outcome.outputs[0].indices
    order = np.argsort(-np.array(held["mu_star"].value))
    widths = [bar.get_width() for bar in only_bars(drawing, "mu-star")]
    np.testing.assert_allclose(widths, np.array(held["mu_star"].value)[order])
    first = artist(drawing, "ci")[0]
    np.testing.assert_allclose(first.get_xdata(), [held["mu_star"].low[0], held["mu_star"].high[0]])
    signs = {k: [one.get_text() for one in artist(drawing, f"sign-{k}")] for k in range(4)}
    assert signs == {0: ["▲"], 1: ["▼"], 2: [], 3: []}, "alpha raises, beta lowers, of gamma it is open"
    texts = said(drawing)
    names = [outcome.factors[k].name for k in order]
    assert [text for text in texts if text in names] == names
    assert any("12 trajectories, 6 levels" in text for text in texts)


def only_bars(drawing, gid):
    return [one for one in artist(drawing, gid) if hasattr(one, "get_width")]


def test_shares_of_variance_stand_in_pairs():
    outcome = make_sensitivity("sobol")
    drawing = figure("tornado").draw(outcome)
    held = outcome.outputs[0].indices
    np.testing.assert_allclose([b.get_width() for b in only_bars(drawing, "total")], sorted(held["ST"].value)[::-1])
    assert only_bars(drawing, "alone")[0].get_width() == held["S1"].value[0]
    assert any("256 base samples" in text for text in said(drawing))


def test_effects_on_a_time_are_in_months():
    outcome = make_sensitivity("morris")
    day = outcome.model_copy(update={"outputs": [outcome.outputs[0].model_copy(update={"unit": "day"})]})
    widths = [bar.get_width() for bar in only_bars(figure("tornado").draw(day), "mu-star")]
    assert widths[1] == pytest.approx(4.0 / MONTH)
    assert "Effect of the whole range on Output (months)" in said(figure("tornado").draw(day))


def test_an_output_without_indices_or_variance_is_told():
    with pytest.raises(FigureError, match="output: 'x' is no output; outputs are y"):
        figure("tornado").draw(make_sensitivity(), output="x")
    unit = saltelli(2, 16, 1)
    with pytest.raises(FigureError, match="y is the same at every point"):
        figure("tornado").draw(of_function(np.ones((64, 1)), "sobol", unit, ["a", "b"]))
    lost = np.where(np.arange(64) % 4 == 0, np.nan, interplay(np.tile(unit, (1, 2))))[:, None]
    with pytest.raises(FigureError, match="y has no indices, since only 0 of 16 samples gave numbers"):
        figure("tornado").draw(of_function(lost, "sobol", unit, ["a", "b"]))


# all of them


def cases():
    yield "sweep", make_sweep(), {}
    yield "sweep", make_sweep(), {"output": "hr", "look": "contour"}
    yield "sweep", make_sweep(), {"output": "hr", "by": "start"}
    yield "sweep", make_sweep(ONE), {"output": "deaths"}
    yield "sweep", make_sweep(DRUG), {"output": "hr"}
    yield "sweep", make_sweep(DRUG, START), {"x": "drug", "by": "start"}
    yield "sweep", make_sweep(design="sobol"), {"output": "hr"}
    yield "tornado", make_sensitivity("morris"), {}
    yield "tornado", make_sensitivity("sobol"), {}


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case[0]}-{case[2]}")
def test_nothing_is_clipped_and_nothing_overlaps(case):
    name, data, options = case
    drawing = figure(name).draw(data, **options)
    assert ugliness(drawing) == []
    assert any("not for clinical use" in text for text in said(drawing))


@pytest.mark.parametrize("case", [next(iter(cases())), list(cases())[5], list(cases())[7]], ids=["map", "dots", "bars"])
def test_texts_of_strangers_stay_on_the_paper(case):
    name, data, options = case
    if name == "sweep":
        factors = tuple(
            replace(one, title=HOSTILE, labels=tuple(HOSTILE + text for text in one.labels)) for one in data.factors
        )
        outputs = tuple(replace(one, title=HOSTILE) for one in data.outputs)
        data = replace(data, name=HOSTILE, title=HOSTILE, factors=factors, outputs=outputs)
    else:
        factors = [one.model_copy(update={"title": HOSTILE, "unit": HOSTILE}) for one in data.factors]
        outputs = [data.outputs[0].model_copy(update={"title": HOSTILE, "unit": HOSTILE})]
        data = data.model_copy(update={"name": HOSTILE, "title": HOSTILE, "factors": factors, "outputs": outputs})
    drawing = figure(name).draw(data, **options)
    assert ugliness(drawing) == []
    assert b"<script" not in image(drawing, "svg")


def test_the_same_sweep_gives_the_same_bytes(tmp_path):
    first, second = (save("sweep", make_sweep(), tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    assert [one.source for one in FIGURES] == ["sweep", "sensitivity"]
    with pytest.raises(FigureError, match="'km' is no figure of a sweep; those are: sweep, tornado"):
        figure("km")
