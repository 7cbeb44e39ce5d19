"""What each figure of a spatial result draws is what its study holds."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from toy_tissue import ARMS, LABELS, SHOTS, SUMMARY, make_tissue
from tumorsim.figures import FigureError, image
from tumorsim.figures.spatial import FIGURES, SpatialView, animation, figure, fitting, save, solid
from tumorsim.figures.spatial.families import bands_of, founders_of, largest, living
from tumorsim.figures.spatial.looks import CONTENT_COLOURS, colours, middle, shown, spread_out
from tumorsim.figures.spatial.muller import colour_of
from tumorsim.figures.spatial.solid import EFFECTOR, cut_open, reach
from tumorsim.spatial_numbers import QUANTITIES, differences, interval, quantity, values
from tumorsim.spatial_variables import CONTENTS
from unit.figures_examples import artist, said, ugliness

pytestmark = pytest.mark.medium  # seconds; see CONTRIBUTING.md

HOSTILE = '</text></svg><script>alert("1")</script> $\\frac{1}{$ & \x00\x1b[31m\n' + "W" * 90


def slow(*cases: Any) -> list[Any]:
    """More of the same, each drawing figures for a second or more."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


FITTED = {"lattice", "muller", "window"}  # tiles, a column of axes and many arms: laid out in three ways


def view_of(**made: Any) -> SpatialView:
    return SpatialView(make_tissue(**made), SUMMARY)


def changed(view: SpatialView, **arrays: np.ndarray) -> SpatialView:
    return replace(view, data=replace(view.data, arrays={**view.data.arrays, **arrays}))


@pytest.fixture(scope="module", autouse=True)
def _coarse():
    """Solids of few pixels: quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solid, "PIXELS", 40)
        yield


@pytest.fixture(scope="module")
def view():
    return view_of()


@pytest.fixture(scope="module")
def drawn(view):
    """Every figure as it is drawn without options; nobody changes them."""
    return {declared.name: declared.draw(view) for declared in FIGURES}


# --- all figures --------------------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize("declared", FIGURES, ids=lambda declared: declared.name)
def test_no_text_leaves_the_paper_or_lies_on_another(declared, drawn):
    assert ugliness(drawn[declared.name]) == []


@pytest.mark.parametrize("made", [{"flat": True}, *slow({"replicates": 1}, {"arms": 2, "lineage": False})], ids=str)
@pytest.mark.slow
def test_slices_single_replicates_and_studies_without_lineage(made):
    other = view_of(n=24, **made)
    for declared in FIGURES:
        assert ugliness(declared.draw(other)) == [], declared.name


def test_one_arm_has_nothing_to_compare():
    other = view_of(n=24, arms=1)
    assert fitting(other) == ("lattice", "fields", "muller", "infiltration", "series", "animation")
    for name in ("lattice", "series"):
        assert ugliness(figure(name).draw(other)) == [], name
    with pytest.raises(FigureError, match=r"window: this result has one arm only; figures that fit: lattice, fields"):
        figure("window").draw(other)


@pytest.mark.medium
@pytest.mark.parametrize(
    "declared",
    [*(f for f in FIGURES if f.name in FITTED), *slow(*(f for f in FIGURES if f.name not in FITTED))],
    ids=lambda declared: declared.name,
)
def test_long_and_hostile_texts_stay_inside(declared):
    data = replace(make_tissue(n=24), labels=(HOSTILE,) * 3)
    drawing = declared.draw(SpatialView(data, {"title": HOSTILE, "seed": 7}))
    assert ugliness(drawing) == []
    assert b"<script" not in image(drawing, "svg")


@pytest.mark.slow
def test_seven_arms_stay_inside():
    data = make_tissue(n=24)
    many = [k % 3 for k in range(7)]
    names = tuple(f"arm_{k}" for k in range(7))
    seven = replace(
        data, arms=names, labels=tuple(f"NK cells on day {k}" for k in range(7)),
        arrays={name: values[many] for name, values in data.arrays.items()},
        snapshots={names[k]: data.snapshots[ARMS[many[k]]] for k in range(7)},
        lineage={names[k]: data.lineage[ARMS[many[k]]] for k in range(7)},
    )  # fmt: skip
    for declared in FIGURES:
        assert ugliness(declared.draw(SpatialView(seven, SUMMARY))) == [], declared.name


def test_without_snapshots_the_series_are_left():
    data = replace(make_tissue(n=24), snapshots={arm: {} for arm in ARMS})
    other = SpatialView(data, SUMMARY)
    assert fitting(other) == ("muller", "infiltration", "series", "window")
    with pytest.raises(
        FigureError, match=r"lattice: this result has no snapshot of the lattice; figures that fit: mul"
    ):
        figure("lattice").draw(other)
    with pytest.raises(FigureError, match="fewer than two snapshots"):
        figure("animation").draw(view_of(n=24, shots=1))


@pytest.mark.slow
def test_what_is_missing_leaves_a_gap_and_no_warning(recwarn):
    data = make_tissue(n=24)
    lost = {}
    for name, found in data.arrays.items():
        lost[name] = found.copy()
        lost[name][1, 2] = -1 if found.dtype == np.int64 else np.nan
    other = changed(SpatialView(data, SUMMARY), **lost)
    for declared in FIGURES:
        assert ugliness(declared.draw(other)) == [], declared.name
    assert [str(one.message) for one in recwarn] == []


def test_every_figure_names_seed_replicates_and_warning(drawn):
    for name, drawing in drawn.items():
        text = " ".join(said(drawing))
        assert "seed 11 · n = 3 replicates · 30 × 30 × 30 voxels of 20 µm" in text, name
        assert "not for clinical use" in text, name


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes(tmp_path):
    small = view_of(n=24, arms=2, shots=2)
    for name in ("lattice", "muller"):
        assert image(figure(name).draw(small), "svg") == image(figure(name).draw(small), "svg")
    one, two = (save("animation", small, tmp_path / f"{k}.gif").read_bytes() for k in range(2))
    assert one == two


def test_unknown_names_and_options_are_told(view):
    with pytest.raises(FigureError, match=r"'km' is no figure of a spatial result; those are: lattice, fields"):
        figure("km")
    with pytest.raises(FigureError, match="lattice has no option 'slices'; it has: shots, plane, show"):
        figure("lattice").draw(view, slices=3)
    for name, option, message in (
        ("lattice", {"shots": 0}, "shots: 0 must be at least 1"),
        ("lattice", {"plane": "w"}, "plane: 'w' is none of z, y, x"),
        ("fields", {"arm": "placebo"}, "arm: 'placebo' is none of control"),
        ("fields", {"arm": "control", "day": 3}, "not both"),
        ("muller", {"families": 99}, "families: 99 must lie between"),
        ("series", {"until": -1}, "fewer than two times up to day -1"),
        ("window", {"quantities": "kills,speed"}, "'speed' is no quantity; quantities are: tumour_cells"),
        ("window", {"quantities": ","}, "quantities: 0 must lie between 1 and 6"),
        ("animation", {"fps": 99}, "fps: 99 must lie between"),
    ):
        with pytest.raises(FigureError, match=message):
            figure(name).draw(view, **option)


def test_a_slice_has_no_other_plane_and_no_solid():
    other = view_of(n=24, flat=True)
    with pytest.raises(FigureError, match="plane: the lattice is one slice thick"):
        figure("lattice").draw(other, plane="x")
    with pytest.raises(FigureError, match="show: the lattice is one slice thick"):
        figure("lattice").draw(other, show="solid")
    assert not artist(figure("lattice").draw(other), "solid-control-3")


def test_listing_the_figures_loads_neither_matplotlib_nor_numba():
    code = (
        "import sys, tumorsim.figures.spatial\n"
        "print({'matplotlib', 'scipy', 'numba', 'PIL', 'h5py'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- the lattice --------------------------------------------------------------------


@pytest.mark.parametrize("plane", ["z", "y", "x"])
def test_slices_show_what_the_middle_holds(view, plane):
    drawing = figure("lattice").draw(view, plane=plane, show="slices")
    take = {"z": np.s_[15], "y": np.s_[:, 15], "x": np.s_[:, :, 15]}[plane]
    for arm in ARMS:
        for shot in range(4):
            held = view.data.snapshots[arm]
            (shown,) = artist(drawing, f"content-{arm}-{shot}")
            assert np.array_equal(shown.get_array(), colours()[held["content"][shot][take]])
            (dots,) = artist(drawing, f"lymphocytes-{arm}-{shot}")
            y, x = np.nonzero(held["lymphocytes"][shot][take])
            assert sorted(zip(*dots.get_data(), strict=True)) == sorted(zip(x, y, strict=True))


def test_snapshots_across_hold_the_first_and_the_last():
    assert spread_out(10, 4) == [0, 3, 6, 9]
    assert spread_out(3, 5) == [0, 1, 2]
    assert spread_out(3, 1) == [2]
    texts = said(figure("lattice").draw(view_of(n=24), shots=2))
    assert [text for text in texts if text.startswith("day ")] == ["day 0", "day 30", "day 30, in 3-D"]
    data = make_tissue(n=24, flat=True)
    six = {arm: {name: np.repeat(x, 2, axis=0)[:6] for name, x in held.items()} for arm, held in data.snapshots.items()}
    drawing = figure("lattice").draw(SpatialView(replace(data, snapshots=six, shot=np.arange(6.0)), SUMMARY))
    assert [text for text in said(drawing) if text.startswith("day ")] == [f"day {day}" for day in (0, 1, 2, 4, 5)]


def test_contents_have_a_colour_each_and_those_that_occur_a_key(view, drawn):
    assert len(set(CONTENT_COLOURS)) == len(CONTENT_COLOURS) == len(CONTENTS)
    present = {int(code) for held in view.data.snapshots.values() for code in np.unique(held["content"])}
    texts = said(drawn["lattice"])
    assert {code for code, name in enumerate(CONTENTS) if name in texts} == present


def _lightness(text: str) -> float:
    red, green, blue = (((int(text[k : k + 2], 16)) / 255.0) ** 2.2 for k in (1, 3, 5))
    return float(116.0 * np.cbrt(0.2126 * red + 0.7152 * green + 0.0722 * blue) - 16.0)


def test_clones_differ_in_lightness_from_what_they_are_not_told_from_by_hue():
    """Red and green cells of the eye confused: what is left is lightness and blue."""
    for one in range(len(CONTENT_COLOURS)):
        for other in range(one):
            a, b = CONTENT_COLOURS[one], CONTENT_COLOURS[other]
            blue = abs(int(a[5:7], 16) - int(b[5:7], 16)) / 2.55
            assert max(abs(_lightness(a) - _lightness(b)), blue) > 9.0, (CONTENTS[one], CONTENTS[other])


def ball(n: int = 31, radius: float = 10.0) -> np.ndarray:
    z, y, x = np.indices((n, n, n)) - n // 2
    return np.where(z**2 + y**2 + x**2 <= radius**2, 1, 0).astype(np.int8)


def test_the_solid_has_its_size_a_cut_and_its_core():
    content = ball()
    content[ball(radius=4.0) == 1] = 5
    nothing = np.zeros_like(content)
    assert reach(content) == pytest.approx(11.0)
    picture = cut_open(content, nothing, 2 * reach(content), pixels=100).astype(int)
    painted = (picture < 250).any(axis=2)
    # a disc of half the reach of the picture
    assert painted.sum() == pytest.approx(np.pi * (100 / 4 * 10.5 / 11) ** 2, rel=0.05)
    assert not painted[:20].any()
    assert not painted[:, :20].any()
    core = (picture.max(axis=2) < 180) & (np.ptp(picture, axis=2) < 25)
    assert 30 < core.sum() < 0.3 * painted.sum()
    whole = cut_open(ball(), nothing, 2 * reach(content), pixels=100).astype(int)
    blurred = (whole.max(axis=2) < 180) & (np.ptp(whole, axis=2) < 25)
    assert blurred.sum() < 0.2 * core.sum(), "only edges against the white"


def test_the_solid_looks_from_above_before_and_the_right():
    nothing = np.zeros((31, 31, 31), dtype=np.int8)
    for axis, side, wanted in ((0, 1, (-1, 0)), (0, 0, (1, 0)), (2, 1, (0, 1)), (1, 0, (0, -1))):
        content = ball()
        index = np.indices(content.shape)[axis] - 15
        content[(content == 1) & (index > 6 if side else index < -6)] = 2  # resistant at one end
        picture = cut_open(content, nothing, reach(content), pixels=80).astype(int)
        resistant = picture[..., 0] - picture[..., 2] > 60
        if axis == 0 and side == 0:
            assert resistant.sum() < 200  # from above the underside is hardly seen
            continue
        row, column = np.argwhere(resistant).mean(axis=0) - 39.5
        assert wanted[0] == 0 or np.sign(row) == wanted[0]
        assert wanted[1] == 0 or np.sign(column) == wanted[1]


def test_effectors_are_drawn_in_the_skin_and_not_far_away():
    content, load = ball(), np.zeros((31, 31, 31), dtype=np.int64)
    load[0, 0, 0] = load[30, 30, 30] = 1
    bare = cut_open(content, load * 0, reach(content), pixels=120)
    assert np.array_equal(cut_open(content, load, reach(content), pixels=120), bare)
    load[25, 15, 15] = 1  # on top
    green = cut_open(content, load, reach(content), pixels=120).astype(int)
    assert (np.abs(green - bare).sum(axis=2) > 60).sum() > 10
    assert EFFECTOR[1] > max(EFFECTOR[0], EFFECTOR[2])


def test_an_empty_lattice_is_drawn_as_nothing():
    empty = np.zeros((9, 9, 9), dtype=np.int8)
    assert (cut_open(empty, empty, reach(empty), pixels=20) == 255).all()


# --- fields -------------------------------------------------------------------------


def test_fields_show_the_middle_of_the_chosen_day_on_one_scale(view):
    drawing = figure("fields").draw(view, day=11.0)
    for name in ("oxygen", "vegf", "drug", "interferon", "chemokine", "suppressors"):
        shown = [artist(drawing, f"field-{name}-{arm}-1")[0] for arm in ARMS]
        for arm, one in zip(ARMS, shown, strict=True):
            assert np.array_equal(one.get_array(), middle(view.data.snapshots[arm][name][1], "z"))
        assert len({one.get_clim() for one in shown}) == 1
        top = np.percentile([one.get_array() for one in shown], 99.8)
        assert shown[0].get_clim() == pytest.approx((0.0, top))
    assert not artist(drawing, "field-depot-control-1"), "zero everywhere"
    assert any("on day 10" in text for text in said(drawing))
    assert {"mmHg", "pg/mL", "relative"} <= set(said(drawing))


def test_fields_of_one_arm_go_through_time(view):
    drawing = figure("fields").draw(view, said=False, arm="nk_day_10")
    assert [text for text in said(drawing) if text.startswith("day ")] == [f"day {day:g}" for day in SHOTS]
    assert ugliness(drawing) == []


# --- families -----------------------------------------------------------------------


def tree() -> dict[str, np.ndarray]:
    """Founders 0, 1 (resistant) and 2; cells 3-7 descend from 0, 0, 3, 5, 1."""
    return {
        "parent": np.array([-1, -1, -1, 0, 0, 3, 5, 1]),
        "clone": np.array([0, 1, 0, 0, 0, 1, 1, 1]),
        "birth": np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.5, 4.0, 4.0]),
        "death": np.array([np.nan, np.nan, 1.5, 3.0, np.nan, np.nan, 5.0, np.nan]),
    }


def test_families_by_hand():
    lineage, time = tree(), np.arange(0.0, 6.0)
    assert founders_of(lineage["parent"]).tolist() == [0, 1, 2, 0, 0, 0, 0, 1]
    family = np.array([0, 1, 2, 0, 0, 0, 0, 1])
    assert living(lineage, family, 3, time).tolist() == [
        [1, 2, 3, 3, 4, 3], [1, 1, 1, 1, 2, 2], [1, 1, 0, 0, 0, 0],
    ]  # fmt: skip
    assert largest(lineage, time, 2) == [0, 1]
    bands = bands_of(lineage, [0], time)
    assert bands.founder.tolist() == [0, -1, -1]
    assert bands.clone.tolist() == [0, 0, 1]
    assert bands.cells.tolist() == [[1, 2, 3, 3, 4, 3], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 2, 2]]
    assert bands.total.tolist() == [3, 4, 4, 4, 6, 5]


def test_a_long_line_of_descent_finds_its_founder():
    assert (founders_of(np.arange(-1, 10_000)) == 0).all()


@pytest.mark.parametrize("arm", range(3))
def test_bands_add_up_to_the_living_cells_one_by_one(view, arm):
    lineage, time = view.data.lineage[ARMS[arm]], view.data.time
    bands = bands_of(lineage, largest(lineage, time, 12), time)
    alive = [sum(b <= t and not d <= t for b, d in zip(lineage["birth"], lineage["death"], strict=True)) for t in time]
    assert bands.total.tolist() == alive
    assert (bands.founder >= 0).sum() == 12


def test_muller_draws_the_shares_and_the_same_family_in_the_same_colour(view, drawn):
    lineages = [view.data.lineage[arm] for arm in ARMS]
    shown: dict[str, set[Any]] = {}
    for arm, lineage in zip(ARMS, lineages, strict=True):
        bands = [one for one in drawn["muller"].findobj() if str(one.get_gid()).startswith(f"band-{arm}-")]
        last = []
        for band in bands:
            path = band.get_paths()[0].vertices
            at_end = path[path[:, 0] == view.data.time[-1]][:, 1]
            last.append(np.ptp(at_end))
            shown.setdefault(band.get_gid().split("-", 2)[2], set()).add(tuple(band.get_facecolor()[0]))
        assert sum(last) == pytest.approx(100.0)
        family, time = founders_of(lineage["parent"]), view.data.time[-1]
        alive = (lineage["birth"] <= time) & ~(lineage["death"] <= time)
        for band, share in zip(bands, last, strict=True):
            founder = int(band.get_gid().rsplit("-", 1)[1]) if "--1" not in band.get_gid() else -1
            if founder >= 0:
                assert share == pytest.approx(100.0 * (alive & (family == founder)).sum() / alive.sum())
    named = {gid: found for gid, found in shown.items() if not gid.endswith("--1")}
    assert len(named) == 12


def test_families_of_one_clone_differ_in_shade():
    bands = bands_of(make_tissue().lineage["control"], list(range(8)), np.arange(0.0, 31.0, 5.0))
    found = [colour_of(bands, band) for band in range(len(bands.founder))]
    assert len(set(found)) == len(found)


def test_muller_by_clone_draws_means_over_replicates(view):
    drawing = figure("muller").draw(view, by="clone")
    (resistant,) = artist(drawing, "band-nk_day_3-1--1")
    path = resistant.get_paths()[0].vertices
    share = np.ptp(path[path[:, 0] == view.data.time[-1]][:, 1])
    cells = np.array([values(view.data, name)[1, :, -1].mean() for name in CONTENT_ARRAYS])
    assert share == pytest.approx(100.0 * cells[1] / cells.sum())
    with pytest.raises(FigureError, match="by: this result holds no lineage"):
        figure("muller").draw(view_of(lineage=False), by="family")


CONTENT_ARRAYS = ("sensitive", "resistant", "antigen_low", "resistant_antigen_low")

# --- means over replicates ----------------------------------------------------------


def test_intervals_are_students(view):
    samples = np.random.default_rng(1).normal(size=(7, 5))
    found = interval(samples)
    for column in range(5):
        low, high = stats.t.interval(0.95, 6, samples[:, column].mean(), stats.sem(samples[:, column]))
        assert (found.low[column], found.high[column]) == pytest.approx((low, high))
    samples[2:, 0] = np.nan
    samples[:, 1] = np.nan
    samples[1:, 2] = np.nan
    found = interval(samples)
    assert found.n.tolist() == [2, 0, 1, 7, 7]
    low, high = stats.t.interval(0.95, 1, samples[:2, 0].mean(), stats.sem(samples[:2, 0]))
    assert (found.low[0], found.high[0]) == pytest.approx((low, high))
    assert np.isnan(found.mean[1])
    assert found.mean[2] == samples[0, 2]
    assert np.isnan(found.low[2])


def test_paired_differences_shed_the_luck_that_arms_share():
    luck = np.random.default_rng(2).normal(0.0, 10.0, 20)
    samples = np.stack([luck, luck + 1.0])
    away = interval(differences(samples), axis=1)
    assert away.mean.tolist() == pytest.approx([0.0, 1.0])
    assert away.high[1] - away.low[1] < 1e-12
    assert interval(samples, axis=1).high[1] - interval(samples, axis=1).low[1] > 5.0


@pytest.mark.parametrize("one", QUANTITIES, ids=lambda one: one.name)
def test_quantities_give_a_number_for_each_arm_and_replicate(view, one):
    found = one.of(view.data)
    assert found.shape == (3, 3)
    assert np.isfinite(found[1]).all()
    assert quantity(one.name) is one


def test_quantities_by_hand(view):
    data = view.data
    assert np.array_equal(quantity("kills").of(data), data["kills"].sum(axis=2)[..., -1])
    assert np.array_equal(quantity("most_infiltrating").of(data), data["infiltrating"].max(axis=-1))
    cells = sum(data[name] for name in CONTENT_ARRAYS)[..., -1]
    assert np.array_equal(quantity("tumour_cells").of(data), cells)
    resistant = (data["resistant"] + data["resistant_antigen_low"])[..., -1]
    assert quantity("resistant_share").of(data) == pytest.approx(100.0 * resistant / cells)
    assert quantity("mixing").of(data) == pytest.approx(data["mixing"][..., -1])
    gone = changed(
        view, **{name: data[name] * 0 - 1 for name in CONTENT_ARRAYS}, infiltrating=data["infiltrating"] * 0 - 1
    )
    assert np.isnan(quantity("tumour_cells").of(gone.data)).all()
    assert np.isnan(quantity("resistant_share").of(gone.data)).all()
    assert np.isnan(quantity("most_infiltrating").of(gone.data)).all()


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [(12345.0, "12,345", "+12,345"), (-0.5, "−0.5", "−0.5"), (np.nan, "–", "–"), (0.0, "0", "0")],
)
def test_values_in_words(value, text, signed):
    assert shown(value) == text
    assert shown(value, signed=True) == signed


def test_series_draw_mean_and_interval(view, drawn):
    kills = view.data["kills"].sum(axis=2)
    for arm, name in enumerate(ARMS):
        (line,) = artist(drawn["series"], f"kills-{name}")
        assert line.get_ydata() == pytest.approx(kills[arm].mean(axis=0))
        (hypoxic,) = artist(drawn["series"], f"hypoxic_fraction-{name}")
        assert hypoxic.get_ydata() == pytest.approx(100.0 * view.data["hypoxic_fraction"][arm].mean(axis=0))
    (band,) = artist(drawn["series"], "kills-nk_day_3-interval")
    low, high = stats.t.interval(0.95, 2, kills[1, :, -1].mean(), stats.sem(kills[1, :, -1]))
    at_end = band.get_paths()[0].vertices
    at_end = at_end[at_end[:, 0] == 30.0][:, 1]
    assert (at_end.min(), at_end.max()) == pytest.approx((low, high))


def test_what_stays_at_zero_is_left_out_of_the_series(view, drawn):
    texts = said(drawn["series"])
    assert "VEGF (pg/mL)" in texts
    assert not any("Drug at tumour cells" in text for text in texts)
    still = changed(view, kills=view.data["kills"] * 0)
    assert "Killed by effectors (cells)" in said(figure("series").draw(still))


def test_infiltration_draws_profiles_of_snapshots_with_effectors(view, drawn):
    texts = said(drawn["infiltration"])
    assert [text for text in texts if text.startswith("day ")] == ["day 10", "day 20", "day 30"]
    for arm, name in enumerate(ARMS):
        (line,) = artist(drawn["infiltration"], f"profile-2-{name}")
        x, y = line.get_data()
        place = np.searchsorted(view.data.depth, x)
        expected = view.data["infiltration"][arm, :, 2][:, place]
        volume = view.data["volume"][arm, :, 2]
        thick = (volume >= 0.02 * volume.max(axis=-1, keepdims=True))[:, place].all(axis=0)
        seen = np.isfinite(expected).all(axis=0) & thick
        assert seen.sum() > 5
        assert y[seen] == pytest.approx(expected[:, seen].mean(axis=0))
        assert np.isnan(y[~thick]).all(), "a single effector in a sliver of tissue would set the scale"
        (tissue,) = artist(drawn["infiltration"], f"tissue-{name}")
        assert tissue.get_ydata() == pytest.approx(view.data["lymphocytes"].sum(axis=2)[arm].mean(axis=0))


def test_window_draws_dots_intervals_and_paired_differences(view):
    drawing = figure("window").draw(view, quantities="kills, mixing")
    found = quantity("kills").of(view.data)
    for arm, name in enumerate(ARMS):
        (dot,) = artist(drawing, f"value-kills-{name}")
        assert dot.get_xdata()[0] == pytest.approx(found[arm].mean())
        (bar,) = artist(drawing, f"value-kills-{name}-interval")
        if arm:
            expected = stats.t.interval(0.95, 2, found[arm].mean(), stats.sem(found[arm]))
            assert bar.get_xdata() == pytest.approx(expected)
            away = found[arm] - found[0]
            (dot,) = artist(drawing, f"difference-kills-{name}")
            assert dot.get_xdata()[0] == pytest.approx(away.mean())
            (bar,) = artist(drawing, f"difference-kills-{name}-interval")
            assert bar.get_xdata() == pytest.approx(stats.t.interval(0.95, 2, away.mean(), stats.sem(away)))
    assert not artist(drawing, "difference-kills-control")
    assert "Mixing of clones" in said(drawing)


# --- the moving picture -------------------------------------------------------------


@pytest.mark.medium
def test_the_gif_holds_one_frame_a_snapshot(view, tmp_path):
    from PIL import Image

    path = save("animation", view, tmp_path / "a.gif", fps=5.0)
    with Image.open(path) as found:
        assert found.n_frames == 4
        times, frames = [], []
        for frame in range(4):
            found.seek(frame)
            times.append(found.info["duration"])
            frames.append(np.asarray(found.convert("RGB")).astype(int))
        assert found.info["loop"] == 0
    assert times == [200, 200, 200, 600]
    whole = animation.frames(view, 5.0, "z")
    for got, wanted in zip(frames, whole, strict=True):
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).mean() < 3.0, "the palette keeps the colours"
    assert (np.abs(np.diff(frames, axis=0)).reshape(3, -1).sum(axis=1) > 0).all()
    once = animation.gif(whole, 5.0, loop=False)
    assert "loop" not in Image.open(io.BytesIO(once)).info


def test_an_mp4_without_ffmpeg_names_the_gif(view, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FigureError, match=r"an MP4 needs ffmpeg, which is not installed; write a GIF instead"):
        save("animation", view, tmp_path / "a.mp4")
    with pytest.raises(FigureError, match=r'an animation ends in .gif or .mp4, e.g. "a.gif"'):
        save("animation", view, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def _tool(folder, script):
    path = folder / "ffmpeg"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(folder) + os.pathsep + os.environ["PATH"]


def test_an_mp4_gets_every_pixel_of_every_frame(view, tmp_path, monkeypatch):
    script = (
        "import sys, pathlib\n"
        "said = sys.argv\n"
        "size = said[said.index('-s') + 1]\n"
        "data = sys.stdin.buffer.read()\n"
        "pathlib.Path(said[-1]).write_text(f'{size} {len(data)}')\n"
    )
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", _tool(tmp_path / "bin", script))
    size, length = save("animation", view, tmp_path / "a.mp4").read_text().split()
    width, height = map(int, size.split("x"))
    assert width % 2 == height % 2 == 0
    assert int(length) == (4 + 2) * width * height * 3, "the last one stays three times as long"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_an_mp4_by_a_real_ffmpeg_shows_the_frames(view, tmp_path):
    path = save("animation", view, tmp_path / "a.mp4", fps=5.0)
    frames = animation.frames(view, 5.0, "z")
    height, width = frames[0].shape[:2]
    command = ["ffmpeg", "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    shown = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3).astype(int)
    # 25 pictures a second, each frame for a fifth of one
    assert len(shown) == pytest.approx(25 * (4 + 2) / 5.0, abs=2)
    for number in range(len(frames)):
        apart = [np.abs(shown[5 * number + 2] - other).mean() for other in frames]
        assert int(np.argmin(apart)) == number
        assert apart[number] < 3.0
    assert np.abs(shown[-1] - frames[-1]).mean() < 3.0


def test_a_failing_ffmpeg_is_told(view, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", _tool(tmp_path / "bin", "import sys; sys.exit('no encoder')"))
    with pytest.raises(FigureError, match="ffmpeg failed: no encoder; write a GIF"):
        save("animation", view, tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_labels_of_arms_are_in_every_figure(drawn):
    for name, drawing in drawn.items():
        assert set(LABELS) <= set(said(drawing)), name
