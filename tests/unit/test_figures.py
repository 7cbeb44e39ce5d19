"""What each figure draws is what the trial holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tumorsim.endpoints import observed_deaths, outcome, response
from tumorsim.endpoints.response import SHORT_NAMES
from tumorsim.figures import FIGURES, FigureError, figure, fitting
from tumorsim.figures.cumulative_incidence import incidence_of_death
from tumorsim.figures.curves import Curve, curve, survival_columns
from tumorsim.figures.km import is_free
from tumorsim.figures.lesions import CAP, lesions
from tumorsim.figures.style import ARM_COLOURS, RESPONSE_COLOURS, VERDICT_COLOURS
from tumorsim.figures.subgroups import heterogeneity_p, subgroup_effects
from tumorsim.figures.targets import verdict
from tumorsim.figures.trajectories import band
from tumorsim.units import MONTH
from unit.figures_examples import artist, fit_to, said, view_of


def product_limit(months: np.ndarray, event: np.ndarray, when: float) -> float:
    """Kaplan-Meier by the book, one factor a distinct event time."""
    survival = 1.0
    for moment in sorted(set(months[event])):
        if moment <= when:
            survival *= 1.0 - ((months == moment) & event).sum() / (months >= moment).sum()
    return survival


def observed(view, endpoint, arm):
    days, code = outcome(view.data, endpoint, arm).analysed
    return days / MONTH, code == 1


# Kaplan-Meier


@pytest.mark.parametrize(("setting", "endpoint"), [("adjuvant", "rfs"), ("adjuvant", "os"), ("advanced", "pfs")])
def test_the_line_of_each_arm_is_the_product_limit_estimate(setting, endpoint):
    view = view_of(setting)
    drawing = figure("km").draw(view, endpoint=endpoint)
    for arm, name in enumerate(view.data.arms):
        (line,) = artist(drawing, f"survival-{name}")
        months, event = observed(view, endpoint, arm)
        assert line.get_drawstyle() == "steps-post"
        x, y = line.get_xdata(), line.get_ydata()
        assert x[0] == 0.0
        assert y[0] == product_limit(months, event, 0.0)
        np.testing.assert_allclose(y, [product_limit(months, event, when) for when in x], rtol=1e-12)
        assert set(months[event]) <= set(x), "a step is missing"


def test_censored_patients_are_marked_on_their_line():
    view = view_of()
    drawing = figure("km").draw(view, endpoint="os")
    for arm, name in enumerate(view.data.arms):
        (marks,) = artist(drawing, f"censored-{name}")
        months, event = observed(view, "os", arm)
        np.testing.assert_allclose(marks.get_xdata(), sorted(set(months[~event])))
        np.testing.assert_allclose(marks.get_ydata(), [product_limit(months, event, x) for x in marks.get_xdata()])


@pytest.mark.parametrize("width", ["single", "double"])
def test_numbers_at_risk_count_those_still_observed_and_stand_under_their_ticks(width):
    view = view_of()
    drawing = figure("km").draw(view, endpoint="rfs", width=width)
    axes = drawing.axes[0]
    ticks = axes.get_xticks()
    numbers = [int(text.get_text()) for text in artist(drawing, "at-risk")]
    expected = [int((observed(view, "rfs", arm)[0] >= tick).sum()) for arm in (0, 1) for tick in ticks]
    assert numbers == expected
    drawing.canvas.draw()
    for text, tick in zip(artist(drawing, "at-risk"), [*ticks, *ticks], strict=True):
        x = drawing.transFigure.transform(text.get_position())[0]
        assert x == pytest.approx(axes.transData.transform((tick, 0.0))[0], abs=0.5)


def test_axes_of_survival_are_honest():
    view = view_of()
    axes = figure("km").draw(view, endpoint="os").axes[0]
    assert axes.get_ylim() == (0.0, 1.0)
    low, high = axes.get_xlim()
    last = max(observed(view, "os", arm)[0].max() for arm in (0, 1))
    assert low == 0.0
    assert last <= high <= last + 12.0
    assert all(tick % 12 == 0 for tick in axes.get_xticks())
    assert figure("km").draw(view, endpoint="os", until=24.0).axes[0].get_xlim() == (0.0, 24.0)


def test_reported_medians_are_drawn_where_they_were_reported():
    view = view_of()
    drawing = figure("km").draw(view, endpoint="rfs")
    assert [list(mark.get_xdata()) for mark in artist(drawing, "reported-cik")] == [[44.0]]
    assert [list(mark.get_xdata()) for mark in artist(drawing, "reported-control")] == [[30.0]]
    assert not artist(figure("km").draw(view, endpoint="os"), "reported-cik")


def test_the_key_gives_the_hazard_ratio_both_errors_and_the_p_value():
    view = view_of()
    (row,) = [c for c in view.summary["comparisons"] if c["endpoint"] == "rfs"]
    words = " ".join(said(figure("km").draw(view, endpoint="rfs")))
    assert f"HR {row['hr']:.2f} (95% CI {row['ci'][0]:.2f}–{row['ci'][1]:.2f})" in words
    assert f"Monte-Carlo SE of HR {row['mc_se']:.3f}" in words
    assert "log-rank p" in words


@pytest.mark.parametrize("endpoint", ["rfs", "os"])
@pytest.mark.parametrize("width", ["single", "double"])
def test_the_key_hides_no_data(endpoint, width):
    view = view_of(n=120)
    drawing = figure("km").draw(view, endpoint=endpoint, width=width)
    drawing.canvas.draw()
    (key,) = artist(drawing, "key")
    box, axes = key.get_window_extent(), drawing.axes[0]
    for arm, name in enumerate(view.data.arms):
        (line,) = artist(drawing, f"survival-{name}")
        months = np.linspace(0.0, line.get_xdata()[-1], 2000)
        found = curve(view, endpoint, arm)
        for edge in ("survival", "lower", "upper"):
            points = axes.transData.transform(np.column_stack([months, np.nan_to_num(found.at(months, edge))]))
            inside = (
                (points[:, 0] > box.x0) & (points[:, 0] < box.x1) & (points[:, 1] > box.y0) & (points[:, 1] < box.y1)
            )
            assert not inside.any(), f"{edge} of {name} runs under the key"


def test_columns_start_at_zero_and_account_for_everyone():
    view = view_of("advanced", 60)
    for columns in survival_columns(view.data, ["ttp"])["ttp"].values():
        assert columns["time"][0] == 0.0
        assert columns["at_risk"][0] == 60 == columns["events"].sum() + columns["censored"].sum()
        left = 60 - np.cumsum(columns["events"] + columns["censored"])
        np.testing.assert_array_equal(columns["at_risk"][1:], left[:-1])


def test_a_curve_of_too_many_times_keeps_some_of_them_and_loses_nobody(monkeypatch):
    view = view_of("advanced", 200)
    (whole,) = (survival_columns(view.data, ["ttp"])["ttp"][arm] for arm in view.data.arms[:1])
    monkeypatch.setattr("tumorsim.figures.curves.MOST_STEPS", 20)
    (some,) = (survival_columns(view.data, ["ttp"])["ttp"][arm] for arm in view.data.arms[:1])
    months = np.arange(np.floor(whole["time"][-1]) + 1.0)
    assert 20 <= some["time"].size <= 20 + months.size < whole["time"].size
    at = np.searchsorted(whole["time"], some["time"])
    for name in ("time", "survival", "lower", "upper", "at_risk"):
        np.testing.assert_array_equal(some[name], whole[name][at], err_msg=name)
    for name in ("events", "censored"):
        np.testing.assert_array_equal(np.cumsum(some[name]), np.cumsum(whole[name])[at], err_msg=name)
    assert (some["time"][0], some["time"][-1]) == (0.0, whole["time"][-1])


def test_a_drawn_curve_has_fewer_steps_and_the_same_numbers_at_risk(monkeypatch):
    view = view_of("advanced", 200)
    whole = curve(view, "ttp", 0)
    monkeypatch.setattr("tumorsim.figures.curves.MOST_DRAWN", 10)
    drawn = curve(view, "ttp", 0)
    months = np.arange(np.floor(whole.time[-1]) + 1.0)
    assert drawn.time.size <= 10 + months.size < whole.time.size
    assert drawn.at_risk_at(months).tolist() == whole.at_risk_at(months).tolist()
    assert drawn.censored.sum() == whole.censored.sum()


def test_deaths_by_cause_of_thousands_are_drawn_at_some_of_their_times(monkeypatch):
    from tumorsim.figures.cumulative_incidence import incidence_of_death

    view = view_of("advanced", 200)
    whole = incidence_of_death(view, 0, "tumour")
    monkeypatch.setattr("tumorsim.figures.cumulative_incidence.MOST_DRAWN", 10)
    drawn = incidence_of_death(view, 0, "tumour")
    assert drawn.months.size < whole.months.size
    at = np.searchsorted(whole.months, drawn.months)
    np.testing.assert_array_equal(drawn.value[1:], whole.value[at][1:])
    assert (drawn.months[-1], drawn.value[-1], drawn.deaths) == (whole.months[-1], whole.value[-1], whole.deaths)


def test_a_curve_changes_at_its_steps_and_counts_just_before_them():
    found = Curve(
        *(
            np.array(x)
            for x in ([0.0, 3.0, 7.0], [1.0, 0.5, 0.2], [1.0, 0.3, 0.1], [1.0, 0.8, 0.6], [9, 8, 4], [0, 1, 0])
        )
    )
    assert found.at(np.array([0.0, 2.9, 3.0, 6.9, 7.0, 99.0])).tolist() == [1.0, 1.0, 0.5, 0.5, 0.2, 0.2]
    assert found.at_risk_at(np.array([0.0, 2.9995, 3.0, 3.0005, 7.0, 7.1])).tolist() == [9, 8, 8, 4, 4, 0]


@pytest.mark.parametrize(("median", "free"), [(10.0, False), (60.0, True)])
def test_the_key_does_not_stand_on_the_drop_line_of_a_reported_median(median, free):
    flat = Curve(*(np.array(x) for x in ([0.0, 100.0], [1.0, 0.9], [1.0, 0.8], [1.0, 1.0], [9, 1], [0, 1])))
    assert is_free([flat], {"a": [(median, None)]}, 100.0, "lower left", np.array([0.4, 0.3])) == free
    assert not is_free([flat], {}, 100.0, "upper right", np.array([0.4, 0.3])), "the band runs there"


# lesions


def test_a_waterfall_has_one_bar_a_patient_measured():
    view = view_of("advanced", 60)
    drawing = figure("waterfall").draw(view)
    for arm, axes in enumerate(drawing.axes):
        sums, days = (np.asarray(view.data[name])[arm] for name in ("sum_diameters", "visit_time"))
        end = np.where(np.isnan(view.data["progression_time"][arm]), np.inf, view.data["progression_time"][arm])
        after = np.where((days <= end[:, None]) & (np.arange(days.shape[1]) > 0), sums, np.nan)
        measured = np.isfinite(after).any(axis=1)
        best = np.sort(100.0 * (np.nanmin(after[measured], axis=1) / sums[measured, 0] - 1.0))[::-1]
        bars = [patch for patch in axes.patches if patch.get_width() > 0]
        assert len(bars) == measured.sum()
        np.testing.assert_allclose([bar.get_height() for bar in bars], np.minimum(best, CAP), atol=1e-9)
        assert axes.get_ylim()[0] <= -100.0


def test_a_waterfall_of_thousands_draws_one_bar_in_so_many_and_says_so(monkeypatch):
    monkeypatch.setattr("tumorsim.figures.waterfall.MOST_BARS", 20)
    for axes in figure("waterfall").draw(view_of("advanced", 60)).axes:
        bars = [patch.get_height() for patch in axes.patches if patch.get_width() > 0]
        assert 10 <= len(bars) <= 20
        assert bars == sorted(bars, reverse=True)
        assert axes.get_xlabel().endswith("measured after baseline, 1 in 3 drawn")


def test_bars_are_coloured_by_best_response():
    from matplotlib.colors import to_hex

    view = view_of("advanced", 60)
    for arm, axes in enumerate(figure("waterfall").draw(view).axes):
        found, best = lesions(view, arm, "recist", 60), response(view.data, arm).best
        expected = Counter(RESPONSE_COLOURS[SHORT_NAMES[code]] for code in best[np.isfinite(found.best_change)])
        assert Counter(to_hex(bar.get_facecolor()).upper() for bar in axes.patches) == expected


def test_mrecist_reads_the_viable_part():
    view = view_of("advanced", 60)
    recist, mrecist = (lesions(view, 0, criteria, 60) for criteria in ("recist", "mrecist"))
    size = np.asarray(view.data["sum_viable_diameters"])[0]
    seen = np.isfinite(mrecist.change[:, 1])
    np.testing.assert_allclose(mrecist.change[seen, 1], 100.0 * (size[seen, 1] / size[seen, 0] - 1.0))
    assert np.nanmean(mrecist.best_change) < np.nanmean(recist.best_change)


def test_a_spider_line_ends_at_progression():
    view = view_of("advanced", 60)
    drawing = figure("spider").draw(view, patients=30)
    for arm, axes in enumerate(drawing.axes):
        lines = [line for line in axes.lines if line.get_gid() == "patient"]
        found = lesions(view, arm, "recist", 60)
        assert len(lines) == (np.isfinite(found.months[:30]).sum(axis=1) >= 2).sum() > 20
        days, ends = (np.asarray(view.data[name])[arm] for name in ("visit_time", "progression_time"))
        drawn = [set(line.get_xdata()) for line in lines]
        for patient in np.flatnonzero(np.isfinite(found.months).sum(axis=1) >= 2)[:20]:
            last = days[patient][days[patient] <= np.nan_to_num(ends[patient], nan=np.inf)].max() / MONTH
            later = days[patient][days[patient] / MONTH > last] / MONTH
            (own,) = [months for months in drawn if last in months]
            assert max(own) == last
            assert not own & set(later)


def test_lesion_figures_refuse_an_adjuvant_study_and_name_those_that_fit():
    for name in ("waterfall", "spider"):
        with pytest.raises(FigureError, match=r"this study is adjuvant; figures that fit: km, .*swimmer"):
            figure(name).draw(view_of())
    assert "waterfall" in fitting("advanced")


# courses, causes, subgroups


def test_a_swimmer_bar_ends_with_the_patient():
    view = view_of("advanced", 40)
    drawing = figure("swimmer").draw(view)
    for arm, axes in enumerate(drawing.axes):
        ends = np.fmin(view.data["death_time"][arm], view.data["censor_time"][arm]) / MONTH
        rights = sorted(patch.get_x() + patch.get_width() for patch in axes.patches)
        np.testing.assert_allclose(rights[-1], ends.max())
        assert len(axes.patches) == 2 * 40
        assert sum(patch.get_width() for patch in axes.patches) == pytest.approx(ends.sum())
        marks = {line.get_gid(): line for line in axes.lines if line.get_gid()}
        bars = {
            patch.get_y() + patch.get_height() / 2: patch.get_x() + patch.get_width() for patch in axes.patches[:40]
        }
        for code, cause in enumerate(("alive", "tumour", "liver", "other")):
            mark, own = marks[f"ending-{cause}"], ends[view.data["death_cause"][arm] == code]
            np.testing.assert_allclose(sorted(mark.get_xdata()), sorted(own))
            for x, y in zip(mark.get_xdata(), mark.get_ydata(), strict=True):
                assert bars[min(bars, key=lambda height, y=y: abs(height - y))] == pytest.approx(x)


def test_causes_of_death_add_up_to_all_deaths():
    view = view_of(n=120)
    for arm in range(2):
        months, event = observed(view, "os", arm)
        last = [incidence_of_death(view, arm, cause) for cause in ("tumour", "liver", "other")]
        total = sum(one.value[-1] for one in last)
        assert total == pytest.approx(1.0 - product_limit(months, event, np.inf), rel=1e-10)
        assert sum(one.deaths for one in last) == (observed_deaths(view.data, arm) > 0).sum()


def test_incidence_panels_share_one_scale_from_zero():
    drawing = figure("cumulative-incidence").draw(view_of(n=120))
    limits = {axes.get_ylim() for axes in drawing.axes}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == 0.0
    highest = max(
        line.get_ydata()[line.get_xdata() <= axes.get_xlim()[1]].max() for axes in drawing.axes for line in axes.lines
    )
    assert highest <= high <= 1.0


def test_subgroups_split_the_whole_and_agree_with_the_summary():
    view = view_of(n=120)
    rows = subgroup_effects(view, "rfs")
    (whole,) = [c for c in view.summary["comparisons"] if c["endpoint"] == "rfs"]
    assert rows[0].ratio.hr == pytest.approx(whole["hr"], rel=1e-9)
    for factor in {row.factor for row in rows[1:]}:
        levels = [row for row in rows if row.factor == factor]
        assert sum(row.n for row in levels) == 120
        assert np.sum([row.ratio.events for row in levels], axis=0).tolist() == list(rows[0].ratio.events)
        assert [row.heterogeneity is not None for row in levels] == [True] + [False] * (len(levels) - 1)
    platelets = [row for row in rows if row.factor == "Platelets"]
    assert platelets[0].n == (np.asarray(view.data["platelets"]) < 150.0).sum()
    assert "Child-Pugh" not in {row.factor for row in rows}, "all are class A: nothing to divide"


def test_heterogeneity_is_cochrans_q():
    rows = [row.ratio for row in subgroup_effects(view_of(n=120), "rfs") if row.factor == "Cirrhosis"]
    difference = rows[0].log_hr - rows[1].log_hr
    z = difference / np.hypot(rows[0].se, rows[1].se)
    from scipy.stats import norm

    assert heterogeneity_p(rows) == pytest.approx(2.0 * norm.sf(abs(z)), rel=1e-9)
    assert heterogeneity_p([rows[0], replace(rows[1], log_hr=None)]) is None


def test_forest_marks_stand_at_their_hazard_ratios():
    view = view_of(n=120)
    drawing = figure("forest").draw(view)
    drawn = [float(mark.get_xdata()[0]) for mark in artist(drawing, "estimate")]
    np.testing.assert_allclose(drawn, [row.ratio.hr for row in subgroup_effects(view, "rfs")])
    assert drawing.axes[0].get_xscale() == "log"


# targets


def test_a_verdict_needs_an_interval_or_a_range_and_a_kind_that_may_be_fitted():
    base = {"kind": "CAL", "within": True, "within_tolerance": None}
    assert verdict(base) == "agrees"
    assert verdict(base | {"within": False, "within_tolerance": True}) == "disagrees"
    assert verdict(base | {"within": None, "within_tolerance": True}) == "agrees"
    assert verdict(base | {"within": None}) == "shown only"
    for kind in ("CON", "IN", "Q"):
        assert verdict(base | {"kind": kind}) == "shown only"


def test_every_target_has_its_row_its_number_and_its_mark():
    from matplotlib.colors import to_hex

    view = view_of()
    drawing = figure("targets").draw(view)
    words = said(drawing)
    for target in view.summary["targets"]:
        assert target["id"] in words
    assert "44.0" in words
    assert "0.72 (0.54–0.97)" in words
    assert "25.4" in words, "a proportion is shown in percent"
    reported = sorted(float(mark.get_xdata()[0]) for mark in artist(drawing, "reported"))
    assert reported == pytest.approx([0.72, 25.4, 30.0, 44.0, 83.0, 99.9])
    colours = Counter(to_hex(mark.get_color()).upper() for mark in artist(drawing, "simulated"))
    assert colours == Counter(VERDICT_COLOURS[verdict(target)] for target in view.summary["targets"])
    shares = [axes for axes in drawing.axes if axes.get_xlabel() == "%"]
    assert [axes.get_xlim() for axes in shares] == [(0.0, 100.0)]


def test_an_open_interval_runs_to_the_edge():
    view = view_of()
    targets = [{**view.summary["targets"][0], "interval": [20.0, None]}]
    drawing = figure("targets").draw(replace(view, summary={**view.summary, "targets": targets}))
    (bar,) = artist(drawing, "predicted")
    assert list(bar.get_xdata()) == [20.0, drawing.axes[0].get_xlim()[1]]


# trajectories


def test_the_band_is_that_of_the_patients_still_alive():
    values = np.array([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan], [5.0, 4.0, 7.0], [7.0, 6.0, np.nan]])
    low, middle, high = band(values)
    np.testing.assert_allclose(middle, [4.0, 4.0, np.nan])
    np.testing.assert_allclose(low[:2], [np.percentile([1, 3, 5, 7], 10), np.percentile([2, 4, 6], 10)])
    assert high[0] > middle[0] > low[0]


def test_trajectories_show_medians_and_leave_out_what_stays_at_zero():
    view = view_of(trace=8)
    drawing = figure("trajectories").draw(view)
    assert "Memory CD8" in said(drawing)
    assert "Drug in plasma (nmol/L)" not in said(drawing), "no drug in this study"
    assert "Drug in plasma (nmol/L)" in said(figure("trajectories").draw(view_of("advanced")))
    lines = artist(drawing, "median-cik")
    median = np.median(np.asarray(view.data["tumour_volume"])[1], axis=0)
    np.testing.assert_allclose(lines[0].get_ydata(), median)
    assert drawing.axes[0].get_ylim()[1] >= np.nanmax(view.data["tumour_volume"])


def test_one_traced_patient_can_be_drawn_and_an_untraced_one_not():
    view = view_of(trace=8)
    drawing = figure("trajectories").draw(view, patient=3)
    np.testing.assert_array_equal(artist(drawing, "patient")[1].get_ydata(), view.data["tumour_volume"][1, 3])
    with pytest.raises(FigureError, match="patient: 39 is not traced; traced are 0, 1, 2"):
        figure("trajectories").draw(view, patient=39)
    with pytest.raises(FigureError, match="nothing stored between 400 and"):
        figure("trajectories").draw(view, start=400.0)


def test_planned_infusions_are_marked_above_the_blood():
    view = replace(view_of(trace=8), infusions={"cik": (0.0, 1.0, 2.5, 300.0)})
    (marks,) = artist(figure("trajectories").draw(view), "infusions-cik")
    assert list(marks.get_xdata()) == [0.0, 1.0, 2.5], "those after the last effectors are out of sight"


# all of them


def test_an_arm_has_one_colour_in_every_figure():
    from matplotlib.colors import to_hex

    view = view_of("advanced", arms=3)
    km = figure("km").draw(view)
    incidence = figure("cumulative-incidence").draw(view)
    inside = figure("trajectories").draw(view)
    swimmer = figure("swimmer").draw(view)
    for arm, name in enumerate(view.data.arms):
        seen = {
            *(to_hex(line.get_color()) for line in artist(km, f"survival-{name}")),
            *(to_hex(line.get_color()) for line in artist(incidence, f"incidence-{arm}")),
            *(to_hex(line.get_color()) for line in artist(inside, f"median-{name}")),
            *(to_hex(patch.get_facecolor()) for patch in swimmer.axes[arm].patches),
        }
        assert {colour.upper() for colour in seen} == {ARM_COLOURS[arm]}


def test_a_love_plot_has_the_differences_of_before_and_after():
    drawing = figure("balance").draw(fit_to(view_of(), "balance"))
    for side, expected in (("before", [0.48, -0.31]), ("after", [0.02, -0.11])):
        marks = artist(drawing, side)
        assert [float(mark.get_xdata()[0]) for mark in marks] == expected
        assert [mark.get_markerfacecolor() == "white" for mark in marks] == [side == "before"] * 2
        assert [float(mark.get_ydata()[0]) for mark in marks] == [0.0, 1.0]  # largest first; no spread, no mark
    assert "251 and 1,326 patients, 154 pairs" in " ".join(said(drawing))
    with pytest.raises(FigureError, match=r"not matched; it needs trial\.matching"):
        figure("balance").draw(view_of())


def test_every_figure_says_that_it_is_a_simulation_and_which():
    for setting in ("adjuvant", "advanced"):
        view = view_of(setting)
        for declared in FIGURES:
            if setting in declared.settings:
                words = " ".join(said(declared.draw(fit_to(view, declared.name))))
                assert "Simulation; not for clinical use." in words, declared.name
                assert f"toy_{setting} · seed 7 · n = 40 virtual patients" in words, declared.name


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("km", {"endpoint": "dfs"}, r"endpoint: 'dfs' is not in this study; it has: os, css, rfs"),
        ("km", {"endpont": "os"}, r"km has no option 'endpont'; it has: endpoint, width, until"),
        ("km", {"width": "triple"}, r"width: 'triple' is none of single, double"),
        ("km", {"until": "soon"}, r"until: 'soon' is not a float, e.g. until=1.0"),
        ("km", {"until": -3}, r"until: -3 months must lie between 0 and 1200, e.g. until=60"),
        ("forest", {"arm": "control"}, r"arm: 'control' is not compared with a reference; compared are: cik"),
        ("swimmer", {"patients": 0}, r"patients: 0 must lie between 1 and 200"),
    ],
)
def test_a_wrong_option_is_told_with_the_choices(name, options, message):
    with pytest.raises(FigureError, match=message):
        figure(name).draw(view_of(), **options)


def test_a_study_without_what_a_figure_needs_says_so():
    alone = view_of(arms=1)
    with pytest.raises(FigureError, match="needs two arms"):
        figure("forest").draw(alone)
    with pytest.raises(FigureError, match="names no reported figures"):
        figure("targets").draw(alone)
    with pytest.raises(FigureError, match="holds no time-to-event end point"):
        figure("km").draw(replace(alone, curves={}))
    with pytest.raises(FigureError, match="'heatmap' is no figure; figures are: km, targets"):
        figure("heatmap")
