"""What each figure of a calibration draws is what its outcome holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toy_calibration import EFFECTS, PARAMETERS, TARGETS, latent_posterior, make_outcome
from tumorsim.calibration.shape import OUTCOME
from tumorsim.figures import FigureError, image
from tumorsim.figures.calibration import FIGURES, figure, fitting, save
from tumorsim.figures.calibration.base import STAGES as STAGES_IN_WORDS
from tumorsim.figures.calibration.profile import BINS, envelope
from tumorsim.figures.calibration.reading import (
    in_sampling_errors,
    is_log,
    knowledge,
    label_of,
    on_axis,
    particles_of,
    prior_density,
    role,
    row_name,
    ticks,
)
from tumorsim.figures.calibration.recovery import band, most_draws, rank_shares
from tumorsim.figures.calibration.rivals import same_window
from tumorsim.figures.calibration.screening import output_name
from tumorsim.figures.style import VERDICT_COLOURS, plain
from tumorsim.figures.ticks import compact
from unit.figures_examples import artist, said, ugliness

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

HOSTILE = '</text></svg><script>alert("1")</script> $\\frac{1}{$ & \x00\x1b[31m\n' + "W" * 90
STAGES = ("screening", "optimise", "posterior", "recovery", "rivals")


def read(**changed: Any) -> dict[str, Any]:
    found = OUTCOME.read(make_outcome(**changed), "")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def outcome():
    return read()


@pytest.fixture(scope="module")
def drawn(outcome):
    """Every figure as it is drawn without options; nobody changes them."""
    return {declared.name: declared.draw(outcome) for declared in FIGURES}


@pytest.mark.medium
@pytest.mark.parametrize("declared", FIGURES, ids=lambda declared: declared.name)
def test_no_text_leaves_the_paper_or_lies_on_another(declared, outcome, drawn):
    assert ugliness(drawn[declared.name]) == []
    if any(option.name == "width" for option in declared.options):
        assert ugliness(declared.draw(outcome, width="single")) == []


@pytest.mark.medium
@pytest.mark.parametrize("declared", FIGURES, ids=lambda declared: declared.name)
def test_long_and_hostile_texts_stay_inside(declared):
    found = read(title=HOSTILE, name=HOSTILE[:200])
    for row in found["parameters"]:
        row |= {"label": HOSTILE, "unit": HOSTILE}
    for row in found["targets"]:
        row |= {"id": HOSTILE[:200], "arm": HOSTILE[:200]}
    for rival in found["rivals"]:
        rival["label"] = HOSTILE
    found["screening"]["outputs"] = [HOSTILE + str(place) for place in range(len(found["screening"]["outputs"]))]
    drawing = declared.draw(found)
    assert ugliness(drawing) == []
    assert b"<script" not in image(drawing, "svg")


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow), 9])
@pytest.mark.slow
def test_figures_take_one_parameter_and_many(count):
    found = make_outcome()
    keep = [place % len(PARAMETERS) for place in range(count)]
    found["parameters"] = [found["parameters"][k] | {"name": f"p{place}"} for place, k in enumerate(keep)]
    for row in found["optimise"]["evaluations"]:
        row["values"] = [row["values"][k] for k in keep]
    posterior = found["posterior"]
    for key in ("particles", "adjusted"):
        posterior[key] = [[row[k] for k in keep] for row in posterior[key]]
    posterior["correlation"] = [[posterior["correlation"][i][j] for j in keep] for i in keep]
    for key in ("mu_star", "mu_star_ci", "sigma"):
        found["screening"][key] = [[row[k] for k in keep] for row in found["screening"][key]]
    whole = OUTCOME.read(found, "")
    for declared in FIGURES:
        assert ugliness(declared.draw(whole)) == [], declared.name


def test_seventeen_parameters_are_refused():
    found = read()
    found["parameters"] = [found["parameters"][0] | {"name": f"p{place}"} for place in range(17)]
    with pytest.raises(FigureError, match="17 parameters are more than a figure can show"):
        figure("calibration-widths").draw(found)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_was_not_run_is_named_with_what_fits(stage):
    found = read(**{stage: None})
    for declared in FIGURES:
        if declared.needs == stage:
            with pytest.raises(FigureError, match=rf"{declared.name}: .* not run.*fit: calibration-targets"):
                declared.draw(found)
            assert declared.name not in fitting(found)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_the_other_figures_do_without_a_stage_that_was_not_run(stage):
    found = read(**{stage: None})
    for declared in FIGURES:
        if declared.needs != stage:
            declared.draw(found)


def test_a_calibration_of_parameters_alone_still_draws_what_it_can():
    bare = dict.fromkeys((*STAGES, "loss", "evaluations", "studies", "windows", "seconds", "provenance"))
    found = read(**bare, log_digest=None)
    for row in found["parameters"]:
        row |= {"interval": None, "median": None, "shrinkage": None, "best": None, "start": None}
    for row in found["targets"]:
        row |= {"simulated": None, "interval": None, "interval_posterior": None, "start": None, "within": None}
    assert fitting(found) == ("calibration-targets", "calibration-widths")
    for name in fitting(found):
        assert ugliness(figure(name).draw(found)) == []


def test_every_figure_says_that_it_is_a_simulation_and_which(drawn):
    for name, drawing in drawn.items():
        words = " ".join(said(drawing))
        assert "Simulation; not for clinical use." in words, name
        assert "5,365 evaluations · seed 11" in words, name


# targets


def test_targets_stand_at_their_values_with_both_intervals(outcome):
    drawing = figure("calibration-targets").draw(outcome)
    groups = [[t for t in outcome["targets"] if key in t["quantity"]] for key in ("median", "hr", "crude")]
    groups.append([t for t in outcome["targets"] if t["unit"] == "patient"])
    for axes, targets in zip(drawing.axes, groups, strict=True):
        factor = 100.0 if "crude" in targets[0]["quantity"] else 1.0
        drawn = {
            gid: [line for line in axes.lines if line.get_gid() == gid] for gid in ("simulated", "start", "reported")
        }
        for gid, lines in drawn.items():
            found = sorted(line.get_xdata()[0] for line in lines)
            np.testing.assert_allclose(found, sorted(t[gid] * factor for t in targets))
        for gid, key in (("predicted", "interval"), ("with-uncertainty", "interval_posterior")):
            ends = sorted(tuple(line.get_xdata()) for line in axes.lines if line.get_gid() == gid)
            np.testing.assert_allclose(ends, sorted(tuple(np.multiply(t[key], factor)) for t in targets))


def test_figures_without_a_part_in_the_fit_stand_on_grey_after_the_others(outcome):
    drawing = figure("calibration-targets").draw(outcome)
    bands = [len(artist_of(axes, "not-fitted")) for axes in drawing.axes]
    assert bands == [0, 1, 1, 0]
    (band_,) = artist_of(drawing.axes[1], "not-fitted")
    assert band_.get_y() == 2.5, "R-8 is the last of the four ratios"
    assert [role(t) for t in outcome["targets"] if t["id"] in ("R-8", "R-14", "R-1")] == [
        "fitted", "not fitted", "shown only",
    ]  # fmt: skip


def artist_of(axes: Any, gid: str) -> list[Any]:
    return [patch for patch in axes.patches if patch.get_gid() == gid]


def test_a_fitted_figure_outside_its_interval_disagrees_in_colour_and_shape():
    found = read()
    found["targets"][0] |= {"interval": [10.0, 20.0], "simulated": 15.0, "within": False}
    lines = [line for line in figure("calibration-targets").draw(found).axes[0].lines if line.get_gid() == "simulated"]
    assert {line.get_color() for line in lines} == {VERDICT_COLOURS["disagrees"], VERDICT_COLOURS["agrees"]}
    assert {line.get_markerfacecolor() for line in lines} == {"white", VERDICT_COLOURS["agrees"]}


def test_an_open_interval_ends_in_an_arrow():
    found = read()
    found["targets"][0]["interval_posterior"] = [30.0, None]
    axes = figure("calibration-targets").draw(found).axes[0]
    assert [line.get_marker() for line in axes.lines].count(">") == 1


def test_two_studies_are_told_apart():
    found = read()
    found["studies"] = [*found["studies"], found["studies"][0] | {"name": "advanced_one", "setting": "advanced"}]
    found["targets"][0]["study"] = "advanced_one"
    assert row_name(found["targets"][0], found).endswith("[advanced]")
    assert row_name(found["targets"][1], found) == "RFS median, No adjuvant treatment [adjuvant]"


# parameters


def test_widths_are_places_within_the_prior(outcome):
    drawing = figure("calibration-widths").draw(outcome)
    mean, covariance = latent_posterior()
    wide = 1.6448536269514722
    bars = {line.get_ydata()[0]: line.get_xdata() for line in artist(drawing, "posterior")}
    for row, (name, *_) in enumerate(PARAMETERS):
        # of a lognormal prior the latent coordinate is linear in the place on the axis
        if outcome["parameters"][row]["prior"]["distribution"] == "lognormal":
            ends = mean[row] + np.array([-wide, wide]) * np.sqrt(covariance[row, row])
            expected = np.clip((ends + wide) / (2.0 * wide), -0.22, 1.22)
            np.testing.assert_allclose(bars[row], expected, err_msg=name)
    shown = [text.get_text() for text in artist(drawing, "shrinkage")]
    assert shown == [f"{100 * p['shrinkage']:.0f}%" for p in outcome["parameters"]]
    assert [knowledge(x) for x in (0.5, 0.49, 0.2, 0.19, -0.1, None)] == [
        "identifiable", "weakly", "weakly", "not identifiable", "not identifiable", "–",
    ]  # fmt: skip


def test_pairs_hold_every_particle_where_it_is(outcome):
    drawing = figure("calibration-posterior").draw(outcome)
    assert len(drawing.axes) == 21
    held = np.array(outcome["posterior"]["adjusted"])
    x = [np.log10(column) if place < 5 else column for place, column in enumerate(held.T)]
    place = 0
    for row in range(6):
        for column in range(row + 1):
            axes = drawing.axes[place]
            place += 1
            points = [line for line in axes.lines if line.get_gid() == "particles"]
            if row == column:
                assert not points
                continue
            drawn = np.concatenate([np.column_stack(line.get_data()) for line in points])
            expected = np.column_stack([x[column], x[row]])
            np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    numbers = [text.get_text() for text in artist(drawing, "correlation")]
    assert len(numbers) == 15
    assert f"{outcome['posterior']['correlation'][3][4]:.2f}".replace("-", "−") in numbers


def test_accepted_particles_can_be_asked_for_and_stand_in(outcome):
    adjusted, weights = particles_of(outcome, "adjusted")
    accepted, _ = particles_of(outcome, "accepted")
    assert weights.sum() == pytest.approx(1.0)
    assert not np.allclose(adjusted, accepted)
    alone = outcome | {"posterior": outcome["posterior"] | {"adjusted": None, "weights": [0.0] * 200}}
    found, even = particles_of(alone, "adjusted")
    np.testing.assert_array_equal(found, accepted)
    assert set(even) == {1 / 200}
    figure("calibration-posterior").draw(alone, particles="accepted")
    with pytest.raises(FigureError, match="none of adjusted, accepted"):
        figure("calibration-posterior").draw(outcome, particles="all")


def test_the_marginal_is_the_weighted_posterior_over_the_prior(outcome):
    (steps, *_) = artist(figure("calibration-posterior").draw(outcome), "posterior")
    heights, edges, _ = steps.get_data()
    column = np.log10(np.array(outcome["posterior"]["adjusted"])[:, 0])
    expected, _ = np.histogram(column, edges, weights=outcome["posterior"]["weights"], density=True)
    np.testing.assert_allclose(heights, expected)


def test_particles_that_no_axis_can_show_are_told():
    found = read()
    found["parameters"][0] |= {"best": None, "prior_interval": None}
    for key in ("particles", "adjusted"):
        found["posterior"][key] = [[-1.0, *row[1:]] for row in found["posterior"][key]]
    with pytest.raises(FigureError, match="deposits: the posterior holds no number that its axis could show"):
        figure("calibration-posterior").draw(found)


def test_prior_densities_are_those_declared(outcome):
    kill, share, deaths = (outcome["parameters"][place] for place in (3, 4, 5))
    x = np.log10([1.2, 1.2 * np.exp(0.9), 1e9])
    np.testing.assert_allclose(prior_density(kill, x), [1.0, np.exp(-0.5), 0.0])
    np.testing.assert_array_equal(prior_density(share, np.log10([5e-5, 1e-3, 2e-2])), [0, 1, 0])
    np.testing.assert_array_equal(prior_density(deaths, np.array([1e-5, 3e-5, 9e-5])), [0, 1, 0])
    assert not is_log(deaths)
    assert prior_density(kill | {"prior": kill["prior"] | {"distribution": "beta"}}, x) is None
    np.testing.assert_allclose(on_axis(kill, [100.0, -1.0, None]), [2.0, np.nan, np.nan])


def test_ticks_are_few_and_round(outcome):
    kill = outcome["parameters"][3]
    for low, high in ((-3.0, 1.0), (0.1, 0.4), (-0.2, 0.9), (-9.0, 9.0)):
        places, texts = ticks(kill, low, high, 3)
        assert 1 <= len(places) <= 5
        assert all(low <= x <= high for x in places)
        assert len(texts) == len(places)
    assert [compact(x) for x in (0.0, 0.02, 1.2e-5, 350.4, 1234.0, 2e5, 1e6, -3e7)] == [
        "0", "0.02", "1.2·10⁻⁵", "350", "1234", "2·10⁵", "10⁶", "-3·10⁷",
    ]  # fmt: skip


# the search


def test_the_best_so_far_is_the_running_minimum_and_failures_are_marked(outcome):
    drawing = figure("calibration-progress").draw(outcome)
    rows = outcome["optimise"]["evaluations"]
    loss = np.array([np.nan if row["failed"] else row["loss"] for row in rows])
    (line,) = artist(drawing, "best-so-far")
    top = drawing.axes[0].get_ylim()[1]
    np.testing.assert_allclose(line.get_ydata(), np.minimum(np.fmin.accumulate(loss), top))
    (failed,) = artist(drawing, "failed")
    assert list(failed.get_xdata()) == [17, 83]
    (points,), (above,) = artist(drawing, "evaluations"), artist(drawing, "above")
    assert len(points.get_xdata()) + len(above.get_xdata()) == 298
    (fresh,) = artist(drawing, "fresh")
    assert list(fresh.get_ydata()) == outcome["loss"]["fresh"]


def test_a_loss_of_failure_is_a_failure():
    found = read()
    found["optimise"]["evaluations"] = [row | {"loss": 1e6, "failed": None} for row in found["optimise"]["evaluations"]]
    for name in ("calibration-progress", "calibration-profile"):
        with pytest.raises(FigureError, match="no evaluation with a loss"):
            figure(name).draw(found)


def test_one_evaluation_is_drawn():
    found = read()
    found["optimise"]["evaluations"] = found["optimise"]["evaluations"][:1]
    for name in ("calibration-progress", "calibration-profile"):
        assert ugliness(figure(name).draw(found)) == []


def test_the_envelope_runs_below_every_evaluation(outcome):
    rng = np.random.default_rng(3)
    x = rng.uniform(-1.0, 1.0, 400)
    loss = 3.0 * x**2 + rng.exponential(1.0, 400)
    where, lowest = envelope(x, loss)
    assert len(where) == BINS
    assert (np.diff(where) > 0).all()
    edges = np.linspace(x.min(), x.max(), BINS + 1)
    for place, value in zip(where, lowest, strict=True):
        part = np.searchsorted(edges, place, side="right") - 1
        inside = (x >= edges[part]) & (x < edges[part + 1])
        assert value == loss[inside].min()
    panel = figure("calibration-profile").draw(outcome, above=4.0).axes[3]
    assert panel.get_ylim() == pytest.approx((-0.2, 4.2))
    (points,) = [line for line in panel.lines if line.get_gid() == "evaluations"]
    rows = [row for row in outcome["optimise"]["evaluations"] if not row["failed"]]
    best = min(row["loss"] for row in rows)
    near = [np.log10(row["values"][3]) for row in rows if row["loss"] - best <= 4.0]
    np.testing.assert_allclose(points.get_xdata(), near)
    with pytest.raises(FigureError, match="above: -1 must not be negative"):
        figure("calibration-profile").draw(outcome, above=-1.0)


# screening, recovery, rivals


def test_bars_are_ordered_and_the_table_holds_the_other_outputs(outcome):
    drawing = figure("calibration-screening").draw(outcome)
    bars = [patch.get_width() for patch in drawing.axes[0].patches]
    strength = np.array(outcome["screening"]["mu_star"])
    order = np.argsort(-strength[0])
    np.testing.assert_allclose(bars, strength[0][order])
    cells = [text.get_text() for text in artist(drawing, "effect")]
    assert cells == [f"{value:.1f}" for value in strength[1:][:, order].ravel()]
    halves = [np.ptp(line.get_xdata()) / 2.0 for line in artist(drawing, "ci")]
    np.testing.assert_allclose(halves, np.array(outcome["screening"]["mu_star_ci"])[0][order])


def test_another_output_can_have_the_bars(outcome):
    chosen = outcome["screening"]["outputs"][3]
    drawing = figure("calibration-screening").draw(outcome, output=chosen)
    bars = [patch.get_width() for patch in drawing.axes[0].patches]
    assert max(bars) == pytest.approx(max(outcome["screening"]["mu_star"][3]))
    assert output_name(chosen) == "R-3 RFS HR, cik"
    with pytest.raises(FigureError, match=r"output: 'R-99' was not screened; screened are: loss, R-1 rfs\.median"):
        figure("calibration-screening").draw(outcome, output="R-99")


def test_ranks_are_counted_against_their_band(outcome):
    drawing = figure("calibration-recovery").draw(outcome)
    for axes, row in zip(drawing.axes, outcome["recovery"]["parameters"], strict=True):
        counts = [patch.get_height() for patch in axes.patches if patch.get_gid() == "ranks"]
        expected, _ = np.histogram(np.array(row["ranks"]) / 99, np.linspace(0.0, 1.0, 11))
        np.testing.assert_array_equal(counts, expected)
        assert sum(counts) == 200
    low, high = band(200)
    simulated = np.random.default_rng(1).binomial(200, 0.1, 20_000)
    assert 0.94 <= ((simulated >= low) & (simulated <= high)).mean() <= 0.98
    words = [text.get_text() for text in artist(drawing, "coverage")]
    assert words[0].startswith("90% interval holds 88% (84–92), P ")


def test_ranks_without_a_known_number_of_draws_are_scaled():
    assert most_draws({"draws": None, "parameters": [{"ranks": [3, 250.0]}, {"ranks": None}]}) == 250.0
    assert most_draws({"draws": None, "parameters": [{"ranks": [0.2, 0.9]}]}) == 1.0
    np.testing.assert_allclose(rank_shares([0, 50, None], 100.0), [0.0, 0.5])


def test_coverage_that_is_off_is_coloured():
    found = read()
    found["recovery"]["parameters"][2] |= {"coverage": 0.7, "coverage_ci": [0.6, 0.8]}
    words = artist(figure("calibration-recovery").draw(found), "coverage")
    assert len({text.get_color() for text in words}) == 2


def test_distances_of_rivals_are_in_sampling_errors(outcome):
    mean, _ = latent_posterior()
    off = mean.copy()
    off[3] -= 0.7
    rival = outcome["rivals"][0]
    for place, target in enumerate(outcome["targets"]):
        moved = in_sampling_errors(target, rival["targets"][place]) - in_sampling_errors(target, target["simulated"])
        assert moved == pytest.approx(EFFECTS[place] @ (off - mean)), target["id"]
        assert in_sampling_errors(target, target["simulated"]) == pytest.approx(target["z"])
    assert len(TARGETS) == len(outcome["targets"])
    assert np.isnan(in_sampling_errors(outcome["targets"][0] | {"interval": [None, 3.0]}, 2.0))


def test_distances_that_were_told_are_drawn_as_told():
    found = read()
    for rival in found["rivals"]:
        rival["z"] = [9.0, *[0.25] * 11]
    drawing = figure("calibration-rivals").draw(found)
    places = [line.get_xdata()[0] for line in artist(drawing, "distance")]
    assert places.count(0.25) == 22
    assert places.count(4.5) == 2
    assert [line.get_marker() for line in artist(drawing, "distance")].count(">") == 2


def test_windows_of_every_model_stand_beside_each_other(outcome):
    drawing = figure("calibration-rivals").draw(outcome)
    ratios = [line.get_xdata()[0] for line in artist(drawing, "window")]
    models = [outcome["windows"], *(rival["windows"] for rival in outcome["rivals"])]
    assert ratios == [models[model][window]["hr"] for window in range(6) for model in range(3)]
    words = said(drawing)
    assert "Recurrence-free survival, after 60 months" in words
    assert "0.93 (0.44–1.95)" in words
    without = read(windows=None, rivals=[outcome["rivals"][0] | {"windows": None}])
    assert not artist(figure("calibration-rivals").draw(without), "window")


def test_windows_are_the_same_only_between_the_same_months_and_arms(outcome):
    one = outcome["windows"][0]
    for key, value in (("from", 12.0), ("to", 36.0), ("arm", "high"), ("endpoint", "os"), ("study", "other")):
        assert same_window(one | {key: value}) != same_window(one)
    assert same_window(one | {"hr": 0.1, "interval": None}) == same_window(one)


# files and registry


def test_names_are_unique_and_every_option_is_described():
    names = [declared.name for declared in FIGURES]
    assert len(set(names)) == len(names)
    for declared in FIGURES:
        assert declared.name.startswith("calibration-")
        assert declared.title
        assert declared.description.endswith(".")
        assert all(option.doc.endswith(".") for option in declared.options)
    with pytest.raises(
        FigureError, match="'calibration-map' is no figure of a calibration; those are: calibration-targets"
    ):
        figure("calibration-map")
    with pytest.raises(FigureError, match="has no option 'hight'"):
        figure("calibration-profile").draw(read(), hight=3)


@pytest.mark.slow
def test_the_same_outcome_gives_the_same_bytes(outcome, tmp_path):
    first = save("calibration-posterior", outcome, tmp_path / "a.svg").read_bytes()
    assert save("calibration-posterior", outcome, tmp_path / "b.svg").read_bytes() == first
    assert len(first) < 900_000, "one outline a particle would make the page heavy"
    with pytest.raises(FigureError, match="a figure file ends in"):
        save("calibration-posterior", outcome, tmp_path / "a.gif")


def test_listing_the_figures_loads_no_matplotlib():
    code = (
        "import sys, tumorsim.figures.calibration\n"
        "assert not {'matplotlib', 'scipy', 'numba', 'pandas', 'tumorsim.calibration'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_docs_list_every_figure_with_its_stage_and_options():
    page = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `calibration-")]
    told = [(kind.strip(" `"), needs.strip(), options.strip()) for kind, needs, _, options in rows]
    assert told == [
        (one.name, STAGES_IN_WORDS.get(one.needs, ""), ", ".join(f"`{option.name}`" for option in one.options))
        for one in FIGURES
    ]


def test_labels_are_on_one_line(outcome):
    assert label_of(outcome["parameters"][0] | {"label": "a\nb"}) == plain("a b")
    assert label_of(outcome["parameters"][0] | {"label": None}) == "deposits"
