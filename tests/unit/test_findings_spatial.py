"""The sentences beside figures of the lattice: on studies made by hand, whose right sentence is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from toy_tissue import make_tissue
from tumorsim.figures import FigureError
from tumorsim.figures.spatial import SpatialView, figure, findings
from tumorsim.figures.spatial.courses import Course, Drug, courses
from tumorsim.figures.spatial.findings import chance
from tumorsim.figures.spatial.findings.session import session
from tumorsim.figures.spatial.looks import shown
from tumorsim.report import frame, spatial
from tumorsim.report.spatial import page
from tumorsim.spatial_variables import FATES, MEASURES, SERIES, SpatialData
from unit.figures_examples import said as texts_of
from unit.figures_examples import ugliness

SORAFENIB = Drug("Sorafenib", 7.0, 800.0, "mg")
ENTRY = {"quantities": "recruited"}


def made(
    arms: dict[str, Course],
    replicates: int = 3,
    time: tuple[float, ...] = (0.0, 10.0),
    shot: tuple[float, ...] = (0.0,),
) -> SpatialView:
    """A study of zeros, arms by label."""
    size = {
        "arm": len(arms), "replicate": replicates, "time": len(time), "shot": len(shot), "product": 1,
        "fate": len(FATES), "depth": 3, "radius": 3,
    }  # fmt: skip
    arrays = {one.name: np.zeros([size[name] for name in one.dims]) for one in (*SERIES, *MEASURES)}
    data = SpatialData(
        arms=tuple(f"arm_{k}" for k in range(len(arms))), labels=tuple(arms), products=("cik",),
        replicate=np.arange(replicates), time=np.array(time), shot=np.array(shot), depth=np.arange(3.0),
        radius=np.arange(3.0), shape=(1, 4, 4), spacing=20.0, arrays=arrays, snapshots={}, lineage={},
    )  # fmt: skip
    return SpatialView(data, {}, dict(zip(data.arms, arms.values(), strict=True)))


def holding(view: SpatialView, **arrays: Any) -> SpatialView:
    """The study with arrays replaced, each broadcast to its shape."""
    data = view.data
    new = {name: np.broadcast_to(value, data.arrays[name].shape).astype(float) for name, value in arrays.items()}
    return replace(view, data=replace(data, arrays={**data.arrays, **new}))


def at_end(values: list[list[float]]) -> np.ndarray:
    """Series by product that are zero and then these values; (arm, replicate, product, time)."""
    return np.stack([np.zeros_like(values), values], axis=-1)[:, :, None, :]


# --- chance -------------------------------------------------------------------------


def test_a_difference_is_beyond_chance_where_students_interval_leaves_out_zero():
    for samples in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [-4.0, -5.0, -6.0]):
        low, high = stats.t.interval(0.95, 2, np.mean(samples), stats.sem(samples))
        said = chance.change(np.array(samples))
        assert said.startswith(f"{shown(np.mean(samples), signed=True)} ({shown(low)} to {shown(high)})")
        beyond = not low <= 0.0 <= high
        assert said.endswith("), beyond chance" if beyond else "), not beyond chance")
        assert chance.side(np.array(samples)) == (np.sign(np.mean(samples)) if beyond else 0)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([3.0], "+3 in one replicate"),
        ([3.0, np.nan], "+3 in one of 2 replicates"),
        ([np.nan, np.nan], "not known in any replicate"),
        ([7.0, 7.0, 7.0], "+7 in each of 3 replicates"),
        ([0.0, 0.0], "0 in each of 2 replicates"),
        ([1.0, np.nan, 3.0], "+2 (−10.7 to 14.7; 2 of 3 replicates), not beyond chance"),
    ],
)
def test_without_a_spread_nothing_is_said_of_chance(samples, said):
    assert chance.change(np.array(samples)) == said
    assert chance.side(np.array(samples)) == 0


def test_those_that_never_get_there_are_later_than_all_others():
    assert chance.median([3.0, 5.0, math.inf]) == 5.0
    assert chance.median([3.0, math.inf]) == math.inf
    reached = np.array([[False, True, True], [False, False, False], [True, False, True]])
    days = chance.first_days(reached, np.array([0.0, 2.0, 4.0]))
    assert days.tolist() == [2.0, math.inf, 0.0]
    assert chance.in_replicates(days) == "2 of 3 replicates, median day 2 (days 0 to 2)"
    assert chance.in_replicates(np.array([4.0, math.inf])) == "1 of 2 replicates (day 4; median not reached)"
    assert chance.in_replicates(np.array([math.inf])) == "0 of 1 replicate"


# --- infusion against a drug --------------------------------------------------------


def window(replicates: int = 3, without: bool = True) -> SpatialView:
    """No drug, days 5, 14 and 28 of the drug, and day 28 at four times the dose."""
    arms = {"no drug": Course(infusions=(35.0,))} if without else {}
    for day in (28.0, 5.0, 14.0):  # not in order
        arms[f"day {day:g}"] = Course((replace(SORAFENIB, first=35.0 - day),), (35.0,))
    arms["high"] = Course((replace(SORAFENIB, daily=3200.0),), (35.0,))
    return made(arms, replicates)


def test_the_peak_is_found_with_its_difference_and_the_fall_after_it():
    luck = np.array([0.0, 10.0, 20.0])
    rows = [100 + luck, 190 + luck, 150 + luck, 200 + luck + [0, 1, 2], 150 + luck + [0, 1, 2]]
    (said,) = findings.compared(holding(window(), recruited=at_end([row.tolist() for row in rows])), **ENTRY)
    assert said.startswith(
        "Effectors that entered, in all: most with infusion 14 days after the start of sorafenib at 800 mg a day, 211 "
        "cells ("
    )
    assert "; against no drug +101 (98.5 to 103), beyond chance; " in said
    assert "; a fall after the peak: 28 days after the start of sorafenib −11 (−13.5 to −8.52), beyond chance; " in said
    assert "5 days after" not in said, "what comes before the peak is no fall"
    assert said.endswith(
        "; 3,200 mg a day, 28 days after the start of sorafenib: against 800 mg a day on that day −39 (−41.5 to "
        "−36.5), beyond chance, against no drug +51 (48.5 to 53.5), beyond chance."
    )


def test_no_fall_beyond_chance_is_said_plainly():
    rows = [[100, 110, 120], [195, 190, 185], [150, 160, 170], [190, 200, 210], [150, 160, 170]]
    (said,) = findings.compared(holding(window(), recruited=at_end(rows)), **ENTRY)
    assert (
        "; no fall after the peak: 28 days after the start of sorafenib −10 (−47.3 to 27.3), not beyond chance" in said
    )


def test_a_peak_at_the_last_day_leaves_the_fall_open():
    rows = [[100, 110, 120], [300, 310, 330], [150, 160, 170], [190, 200, 210], [150, 160, 170]]
    (said,) = findings.compared(holding(window(), recruited=at_end(rows)), **ENTRY)
    assert "that is the latest infusion at this dose, so a fall after it cannot show" in said
    assert "no fall" not in said


def test_without_an_arm_without_the_drug_nothing_is_said_against_it():
    rows = [[190, 191, 192], [150, 160, 170], [200, 210, 220], [150, 160, 170]]
    (said,) = findings.compared(holding(window(without=False), recruited=at_end(rows)), **ENTRY)
    assert "no arm had the infusion without sorafenib to compare with" in said


def test_one_replicate_is_never_beyond_chance():
    rows = [[100], [190], [150], [200], [150]]
    said = findings.compared(holding(window(replicates=1), recruited=at_end(rows)), **ENTRY)
    assert said[0] == chance.ALONE
    assert "against no drug +100 in one replicate; after the peak: 28 days after" in said[1]
    assert not any("beyond chance" in text or "no fall" in text for text in said)


def test_arms_that_time_nothing_are_compared_with_the_first():
    view = made({"A": Course(sessions=(7.0,)), "B": Course(infusions=(3.0,), sessions=(7.0,)), "C": Course()})
    (said,) = findings.compared(holding(view, recruited=at_end([[1, 2, 3], [11, 12, 14], [0, 1, 2]])), **ENTRY)
    assert said.startswith(
        "Effectors that entered, in all: largest with B, 12.3 cells (8.54 to 16.1); against A +10.3 ("
    )
    (said,) = findings.compared(holding(view, recruited=at_end([[9, 9, 9], [1, 2, 3], [9, 8, 7]])), **ENTRY)
    assert said == (
        "Effectors that entered, in all: largest with A, 9 cells; against it: B −7 (−9.48 to −4.52), beyond chance; "
        "C −1 (−3.48 to 1.48), not beyond chance."
    )
    assert findings.compared(view, **ENTRY) == ["Effectors that entered, in all: none in any arm."]


# --- resistance ---------------------------------------------------------------------


def sweep_() -> SpatialView:
    """Control, drug, and drug with cells; two replicates, three days."""
    view = made({"Control": Course(), "Drug": Course((SORAFENIB,)), "Both": Course((SORAFENIB,), (0.0,))}, 2, (0, 2, 4))
    sensitive = [[[9, 9, 9], [9, 9, 9]], [[9, 9, 3], [9, 9, 3]], [[9, 1, 0], [9, 0, 0]]]
    resistant = [[[1, 1, 1], [1, 1, 1]], [[1, 1, 1], [1, 1, 2]], [[1, 3, 0], [1, 0, 0]]]
    return holding(view, sensitive=sensitive, resistant=resistant)


def test_resistant_majorities_are_counted_and_dated():
    said = findings.takeover(sweep_())
    assert said[0] == (
        "Resistant cells became the majority: Both: in 1 of 2 replicates (day 2; median not reached), when 4 tumour "
        "cells lived. In no replicate: Control; Drug."
    )
    low, high = stats.t.interval(0.95, 1, 22.5, stats.sem([15.0, 30.0]))
    assert (
        f"Drug 10, then 32.5 (−62.8 to 128), change +22.5 ({shown(low)} to {shown(high)}), not beyond chance" in said[1]
    )
    assert "Control 10, then 10, change 0 in each of 2 replicates" in said[1]
    assert "Both" not in said[1]
    assert said[2] == "No tumour cell was left: Both: in 2 of 2 replicates, median day 3 (days 2 to 4)."
    assert said[3] == (
        "Resistant share at the end, %, against that of Drug: Both cannot be compared, since in no replicate both have "
        "cells left."
    )


def test_half_is_no_majority_and_without_resistant_cells_there_is_nothing_to_say():
    view = made({"Control": Course()}, 2)
    half = findings.takeover(holding(view, sensitive=5, resistant=4, resistant_antigen_low=1))
    assert half[0] == "Resistant cells became the majority in no replicate of any arm."
    most = findings.takeover(holding(view, sensitive=4, resistant=4, resistant_antigen_low=1))
    assert "Control: in 2 of 2 replicates, median day 0, when 9 tumour cells lived" in most[0]
    assert findings.takeover(holding(view, sensitive=5)) == [
        "No resistant cell lived in any replicate, so there is nothing that could take over."
    ]


# --- TACE ---------------------------------------------------------------------------

DAYS = (0.0, 7.0, 8.0, 10.0, 14.0, 21.0)
TACE = Course(sessions=(7.0,))


def embolised(replicates: int = 3) -> SpatialView:
    """Cells and TACE, then TACE: half of the cells die, VEGF a cell rises and that of the tissue falls."""
    view = made({"with NK": replace(TACE, infusions=(3.0,)), "alone": TACE}, replicates, DAYS, (0.0, 7.0, 14.0))
    spread = np.arange(replicates)[:, None] * 0.02
    deaths = np.zeros((2, replicates, len(FATES), len(DAYS)))
    deaths[:, :, FATES.index("turnover")] = [1, 5, 5, 5, 5, 5]
    deaths[:, :, FATES.index("hypoxia")] = [0, 0, 30, 40, 40, 40]
    deaths[:, :, FATES.index("depot")] = [0, 0, 5, 10, 20, 20]
    closed = np.array([[0, 0, 20, 16, 10, 2], [0, 0, 20, 10, 6, 2], [0, 0, 20, 18, 16, 14]])[:replicates]
    return holding(
        view, sensitive=[100, 100, 70, 50, 40, 40], deaths=deaths, embolised_vessels=closed,
        hypoxic_fraction=np.array([0.6, 0.6, 0.8, 0.7, 0.6, 0.6]) + spread * [0, 0, 1, 1, 2, 1],
        vegf=np.array([400, 400, 350, 230, 160, 160]) * (1 + spread * [0, 0, 1, 0, 0, 0]),
        rim_distance=np.array([40.0, 40, 50]), dead_distance=np.array([np.nan, np.nan, 90.0]) + 100 * spread,
    )  # fmt: skip


def test_a_session_is_told_for_the_arm_without_cells():
    dead, hypoxia, vegf, closed, rim = session(embolised())
    assert dead == (
        "alone: 50 % of the cells living before the session (day 7) died within 3 days, by cause: lack of oxygen 40 %, "
        "drug in closed vessels 10 %."
    )
    assert hypoxia.startswith(
        "alone: living cells below 10 mmHg 60 % before; 82 % (77 to 87) on day 8, +22 (17 to 27), "
    )
    assert "+4 (−5.94 to 13.9), not beyond chance; 62 % (57 to 67) on day 21" in hypoxia
    assert "day 8 +27.5 (21.3 to 33.7), beyond chance; day 14 0 in each of 3 replicates: a rebound." in vegf
    assert "VEGF of the tissue 400 pg/mL before; change by day 8 −43 (−60.4 to −25.6), beyond chance" in vegf
    assert vegf.endswith("day 14 −240 in each of 3 replicates: it falls.")
    assert closed == (
        "alone: vessel voxels closed at most 20; half of them were no longer closed in 2 of 3 replicates, after a "
        "median of 7 days (3 to 7)."
    )
    assert rim.endswith(
        "day 14, living cells 50 µm, dead cells 92 µm (87 to 97), dead less living +42 (37 to 47), beyond chance: a "
        "rim survives at open vessels."
    )


def test_vessels_that_stay_closed_have_no_median():
    view = holding(embolised(), embolised_vessels=[0, 0, 20, 20, 18, 16])
    assert "no longer closed in 0 of 3 replicates." in session(view)[3]
    assert session(holding(embolised(), embolised_vessels=0))[3] == "alone: no vessel was closed."


def test_what_falls_outside_of_the_study_or_of_the_session_is_not_told():
    twice = {"arm_1": Course(sessions=(7.0, 9.0))}
    said = " ".join(session(replace(embolised(), courses=twice)))
    assert "on day 8" in said
    assert not any(f"day {day}" in said for day in (10, 14, 21))
    for courses_ in ({}, {"arm_0": Course((SORAFENIB,), (3.0,))}, {"arm_0": Course(sessions=(21.0,))}):
        assert session(replace(embolised(), courses=courses_)) == []


def test_the_series_of_one_replicate_say_so_and_nothing_beyond_chance():
    said = findings.series(embolised(replicates=1))
    assert said[0] == chance.ALONE
    assert not any("beyond chance" in text.replace("no rebound beyond chance", "").replace("no rim beyond chance", "")
                   for text in said)  # fmt: skip
    assert any("no rim beyond chance" in text for text in said)


# --- the arms at the end ------------------------------------------------------------


def test_what_is_beyond_chance_at_the_end_is_named_with_its_difference():
    view = made({"A": Course(), "B": Course(), "C": Course()})
    end = np.array([[10, 20, 30], [5, 14, 25], [10, 21, 29]])[..., None] * np.ones(2)
    assert findings.series(holding(view, sensitive=end, vegf=7.0)) == [
        "At the end against A, what is beyond chance of living tumour cells, VEGF:",
        "B: living tumour cells −5.33 (−6.77 to −3.9).",
        "C: nothing.",
    ]


def test_growth_depth_and_oxygen_are_of_all_replicates():
    view = made({"A": Course(), "B": Course()}, time=(0, 5), shot=(0.0, 5.0))
    view = holding(
        view, sensitive=[[[9, 10], [9, 11], [9, 12]], [[9, 9], [9, 9], [9, 9]]],
        infiltration_depth=[[[np.nan] * 2] * 3, [[np.nan, -5], [-7, -9], [-10, -16]]],
        infiltration=np.array([100.0, 100.0])[:, None], volume=0.01,
        oxygen=[[[0, 20], [0, 21], [0, 22]], [[0, 25], [0, 26], [0, 28]]],
    )  # fmt: skip
    assert findings.growth(view) == [
        "The picture is one replicate. In all of them, living tumour cells, 9 at the start, changed by: A +2 (−0.484 "
        "to 4.48), not beyond chance; B 0 in each of 3 replicates."
    ]
    (depth,) = findings.depth(view)
    assert depth.endswith("snapshots with effectors: B −8.67 µm (−18.7 to 1.37).")
    # the first snapshot has a fiftieth of the effectors: too few to say where they lie
    few = findings.depth(holding(view, infiltration=np.array([2.0, 100.0])[:, None]))
    assert few[0].endswith("with effectors: B −10 µm (−23.8 to 3.83).")
    assert findings.depth(holding(view, infiltration=0)) == [
        "No snapshot holds an effector, so there is no depth to compare."
    ]
    assert findings.oxygen(view)[1] == "Against A: B +5.33 (3.9 to 6.77), beyond chance."
    assert findings.oxygen(holding(view, oxygen=np.nan)) == []


# --- where they stand ---------------------------------------------------------------


def test_courses_are_read_from_the_scenario():
    from tumorsim.spatial_scenario import load_spatial

    study = load_spatial("scenarios/small/spatial_normalisation_window.yaml")
    found = courses(study.resolved_text, 63.0)
    assert found["no_tki"] == Course(infusions=(35.0,))
    assert found["high_day_28"] == Course((Drug("Sorafenib", 7.0, 3200.0, "mg"),), (35.0,))
    study = load_spatial("scenarios/small/spatial_tace_nk.yaml")
    assert courses(study.resolved_text, 42.0)["nk_before"] == Course((), (4.0,), (7.0,))
    # a treatment of another version, and nonsense
    for text in ("", "no json", "[]", json.dumps({"arms": [{"name": "a", "treatments": [{"magic": 1}, 3]}, 4]})):
        assert all(course == Course() for course in courses(text, 9.0).values())


def test_sentences_stand_below_their_figure_above_its_signature():
    view = window()
    drawing = figure("window").draw(view)
    plain = figure("window").draw(view, said=False)
    assert ugliness(drawing) == []
    texts = {text.get_text(): text.get_window_extent().y0 for text in drawing.texts}
    heading = "What these 3 replicates show (mean, 95% interval of Student's t; differences replicate by replicate)"
    (sentence,) = (text for text in texts if text.startswith("Effectors that entered, in all: none"))
    (signature,) = (text for text in texts if "not for clinical use" in text)
    assert texts["Arms compared"] > texts[heading] > texts[sentence] > texts[signature]
    assert heading not in texts_of(plain)
    # what was drawn keeps its size in inches
    (before, after) = (one.get_size_inches()[1] for one in (plain, drawing))
    assert after > before
    for one, other in zip(plain.axes, drawing.axes, strict=True):
        assert one.get_position().height * before == pytest.approx(other.get_position().height * after)
        assert (1 - one.get_position().y1) * before == pytest.approx((1 - other.get_position().y1) * after)
    for one, other in zip(plain.texts, drawing.texts, strict=False):
        low = before * one.get_position()[1], after * other.get_position()[1]
        room = 0.0 if one.get_gid() == "signature" else after - before
        assert low[1] - low[0] == pytest.approx(room)


def test_keys_move_with_their_figure():
    view = SpatialView(make_tissue(n=24, flat=True), {}, {})
    for name in ("lattice", "series"):
        plain, drawing = (figure(name).draw(view, said=told) for told in (False, True))
        assert ugliness(drawing) == [], name
        before, after = (one.get_size_inches()[1] for one in (plain, drawing))
        assert after > before
        for one, other in zip(plain.artists, drawing.artists, strict=False):
            ends = [np.ptp(artist.get_window_extent().intervaly) for artist in (one, other)]
            tops = [
                full - artist.get_window_extent().y1 / 100.0
                for full, artist in ((before, one), (after, other))
            ]  # fmt: skip
            assert ends[0] == pytest.approx(ends[1])
            assert tops[0] == pytest.approx(tops[1])


def test_the_page_says_it_as_text_and_not_within_the_picture(monkeypatch):
    drawn = []
    monkeypatch.setattr(frame, "image", lambda drawing, _: drawn.append(texts_of(drawing)) or b"")
    monkeypatch.setattr(page, "_animation", lambda *_: None)
    view = window()
    html = spatial.render(view, {}, "")
    assert "What these 3 replicates show" in html
    assert "Effectors that entered, in all: none in any arm." in html
    assert "No resistant cell lived in any replicate" in html
    assert drawn
    assert not any("replicates show" in text for texts in drawn for text in texts)


def test_an_option_decides_what_is_said_and_a_wrong_one_is_told():
    view = holding(window(), kills=at_end([[1.0, 2, 3]] * 5))
    (told,) = figure("window").findings(view, quantities="kills")
    assert told.startswith("Tumour cells killed by effectors, in all: most with infusion 5 days after")
    with pytest.raises(FigureError, match="'cake' is no quantity"):
        figure("window").findings(view, quantities="cake")
    with pytest.raises(FigureError, match="window has no option"):
        figure("window").findings(view, cake=1)
