"""Figures as files: legible, the same bytes each time, and no trace left in matplotlib."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tumorsim import figures
from tumorsim.figures import FIGURES, FigureError, figure, image, save
from tumorsim.figures.planned import planned_infusions
from tumorsim.figures.style import (
    canvas,
    fit,
    month_ticks,
    p_value,
    plain,
    power_label,
    scientific,
    with_interval,
    wrap,
)
from unit.figures_examples import fit_to, relabelled, ugliness, view_of

HOSTILE = ('</text></svg><script>alert("1")</script>', "$\\frac{1}{$ & \x00\x1b[31m\n" + "W" * 90)


@pytest.mark.parametrize(
    ("setting", "n", "arms"),
    [
        ("adjuvant", 40, 2),
        ("advanced", 30, 1),
        pytest.param("advanced", 200, 2, marks=pytest.mark.slow),
        pytest.param("adjuvant", 40, 4, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_no_text_leaves_the_paper_or_lies_on_another(setting, n, arms):
    view = view_of(setting, n, arms)
    for declared in FIGURES:
        if setting not in declared.settings or (arms == 1 and declared.name in ("forest", "balance", "targets")):
            continue
        widths = ({}, {"width": "single"}) if any(option.name == "width" for option in declared.options) else ({},)
        for options in widths:
            assert ugliness(declared.draw(fit_to(view, declared.name), **options)) == [], f"{declared.name} {options}"


def test_the_measure_of_ugliness_sees_what_is_ugly():
    drawing = canvas(2.0, 1.0)
    drawing.text(0.5, 0.5, "one word")
    drawing.text(0.55, 0.52, "on another")
    drawing.text(0.1, 0.98, "and out of the paper")
    found = ugliness(drawing)
    assert "'one word' lies on 'on another'" in found
    assert "'and out of the paper' leaves the paper" in found


@pytest.mark.slow
def test_long_and_hostile_labels_are_text_and_stay_inside():
    view = relabelled(view_of("advanced"), HOSTILE, scenario=HOSTILE[0] * 3)
    for declared in FIGURES:
        drawing = declared.draw(fit_to(view, declared.name))
        assert ugliness(drawing) == [], declared.name
        if declared.name in ("swimmer", "trajectories"):  # many marks, the same names: the others show the escaping
            continue
        root = ElementTree.fromstring(image(drawing, "svg"))
        assert not [tag for tag in root.iter() if tag.tag.rpartition("}")[2] == "script"]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_study_gives_the_same_bytes(kind, tmp_path):
    view = view_of()
    first = save("km", view, tmp_path / f"a.{kind}", dpi=100).read_bytes()
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])
    assert save("km", view, tmp_path / f"b.{kind}", dpi=100).read_bytes() == first
    assert image(figure("km").draw(view, endpoint="os"), kind, 100) != first


_IN_ANOTHER_PROCESS = """
import hashlib, sys
import tumorsim.figures
for heavy in ("matplotlib", "scipy", "numba", "pandas"):
    assert heavy not in sys.modules, heavy + " is imported too early"
from unit.figures_examples import view_of
from tumorsim.figures import figure, image
print(hashlib.sha256(image(figure("km").draw(view_of()), "svg")).hexdigest())
assert "matplotlib.pyplot" not in sys.modules, "pyplot keeps global state"
"""


@pytest.mark.medium
def test_another_process_gives_the_same_bytes_without_pyplot():
    import hashlib

    import toy_trial

    folder = toy_trial.__file__.rpartition("/")[0]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r})\n{_IN_ANOTHER_PROCESS}"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(image(figure("km").draw(view_of()), "svg")).hexdigest()


def test_the_style_of_the_user_neither_leaks_in_nor_is_changed():
    import matplotlib

    view = view_of()
    own = image(figure("swimmer").draw(view), "png", 60)
    with matplotlib.rc_context(
        {"axes.facecolor": "red", "font.size": 30.0, "svg.hashsalt": None, "text.usetex": False}
    ):
        before = dict(matplotlib.rcParams)
        assert image(figure("swimmer").draw(view), "png", 60) == own
        assert dict(matplotlib.rcParams) == before


def test_a_file_needs_a_known_suffix_and_a_folder(tmp_path):
    view = view_of()
    with pytest.raises(FigureError, match=r'a figure file ends in .png, .svg, .pdf, e.g. "km.svg"'):
        save("km", view, tmp_path / "km.jpeg")
    with pytest.raises(FigureError, match=r"the folder .* does not exist"):
        save("km", view, tmp_path / "none" / "km.png")
    with pytest.raises(FigureError, match="dpi: 5 must lie between 50 and 1200"):
        save("km", view, tmp_path / "km.png", dpi=5)
    with pytest.raises(FigureError, match='written as png, svg, pdf, not "gif"'):
        image(figure("km").draw(view), "gif")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "km.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tumorsim.figures.files.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        save("km", view_of(), path, dpi=50)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_are_unique_and_every_option_is_described():
    names = [declared.name for declared in FIGURES]
    assert len(set(names)) == len(names)
    for declared in FIGURES:
        assert declared.title
        assert declared.description.endswith(".")
        for option in declared.options:
            assert option.doc.endswith("."), f"{declared.name} {option.name}"
    assert set(figures.fitting("adjuvant")) == set(names) - {"waterfall", "spider"}


# words and numbers


def test_numbers_are_written_as_journals_do():
    assert with_interval(33.04, [28.6, 37.42], 1) == "33.0 (28.6–37.4)"
    assert with_interval(33.04, [28.6, None], 1) == "33.0 (28.6–n.r.)"
    assert with_interval(None, [28.6, None], 1) == "not reached (28.6–n.r.)"
    assert with_interval(None, [None, None], 1) == "not reached"
    assert [p_value(p) for p in (0.0004, 0.0333, 0.5, None)] == ["p < 0.001", "p = 0.033", "p = 0.50", "p –"]
    assert [scientific(x) for x in (0.0, 1.024e11, 6.4e9, 0.5, 2.06e-5, 12345.0)] == [
        "0", "1.02 × 10¹¹", "6.4 × 10⁹", "0.5", "2.06 × 10⁻⁵", "12,345",
    ]  # fmt: skip
    assert [power_label(x) for x in (0.0, 1.0, 10.0, 1e6, 1e-3)] == ["0", "1", "10", "10⁶", "10⁻³"]


def test_ticks_of_months_are_few_and_round():
    assert list(month_ticks(138.0, 13)) == list(range(0, 139, 12))
    assert list(month_ticks(30.0, 9)) == [0, 6, 12, 18, 24, 30]
    assert len(month_ticks(1200.0, 6)) <= 6


def test_text_is_cut_and_broken_to_its_room():
    drawing = canvas(3.0, 1.0)
    assert plain("a\x00b\n c\u202e") == "a b c"
    assert fit(drawing, "short", 1.0) == "short"
    assert fit(drawing, "a label much too long for this", 0.8).endswith("…")
    lines = wrap(drawing, "one label on two lines", 0.8)
    assert len(lines) == 2
    assert " ".join(lines) == "one label on two lines"


def test_planned_infusions_come_from_the_resolved_scenario(tmp_path):
    from tumorsim.scenario import load
    from tumorsim.starter import text

    assert planned_infusions("", 4000.0) == {} == planned_infusions("[1]", 4000.0) == planned_infusions("{", 4000.0)
    assert planned_infusions('{"arms": [{"name": "a", "treatments": [{"infusion": "cik"}]}]}', 4000.0) == {}
    path = tmp_path / "starter.yaml"
    path.write_text(text("starter", "adjuvant"))
    resolved = load(path).resolved_text
    weeks = [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 36, 44, 52]
    found = planned_infusions(resolved, 4000.0)
    assert list(found) == ["cik"]
    assert found["cik"] == pytest.approx([7.0 * week / (365.25 / 12.0) for week in weeks])


# the docs


def _page(name):
    from pathlib import Path

    return (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")


def test_the_docs_list_every_figure_with_its_settings_and_options():
    rows = [line.split("|")[1:-1] for line in _page("figures.md").splitlines() if line.startswith("| `")]
    rows = [row for row in rows if len(row) == 4]  # those of a lattice have no settings
    told = [(kind.strip(" `"), where.strip(), options.strip()) for kind, where, _, options in rows]
    names = {declared.name for declared in FIGURES}
    assert [row for row in told if row[0] in names] == [
        (declared.name, ", ".join(declared.settings), ", ".join(f"`{option.name}`" for option in declared.options))
        for declared in FIGURES
    ]


def test_the_example_of_the_how_to_is_a_figure():
    import re
    import types

    (code,) = re.findall(r"```python\n(.*?)```", _page("how-to/add-a-figure.md"), flags=re.S)
    module = types.ModuleType("infusions")
    exec(compile(code, "infusions.py", "exec"), module.__dict__)
    view = view_of()
    drawing = module.INFUSIONS.draw(view, most=10)
    assert ugliness(drawing) == []
    counted = [bar.get_height() for bar in drawing.axes[1].patches]
    assert sum(counted) == 40
    assert counted[-1] == (view.data["infusions"][1] >= 10).sum()
    with pytest.raises(FigureError, match="most: 0 must be at least 1"):
        module.INFUSIONS.draw(view, most=0)
