"""Toy studies as figures and the report see them, and a measure of what is ugly in a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from toy_trial import make_trial
from tumorsim import summary
from tumorsim.figures import StudyView
from tumorsim.figures.curves import study_view
from tumorsim.params.targets import Target

PAPER = "Example 2026 J Examples 1:2"
PAGE = "an example page without a citation"
# id, quantity, arm, reported, what else
ADJUVANT_TARGETS: tuple[tuple[str, str, str, Any, dict[str, Any]], ...] = (
    ("R-1", "rfs.median", "cik", "44 month", {"n": 114, "kind": "CAL"}),
    ("R-2", "rfs.median", "control", "30 month", {"n": 112, "kind": "CAL"}),
    ("R-3", "rfs.hr", "cik", 0.72, {"reported_ci": [0.54, 0.97], "n": [114, 112], "kind": "CAL"}),
    ("R-4", "rfs.crude_survival(9 y)", "cik", "25.4 %", {"n": 114, "kind": "SOFT"}),
    ("R-9", "recurrences", "cik", 83, {"n": 114, "kind": "CAL"}),
    ("R-14", "os.crude_survival(9 y)", "cik", "99.9 %", {"n": 114, "kind": "CON", "note": "contradicts the deaths"}),
)
ADVANCED_TARGETS: tuple[tuple[str, str, str, Any, dict[str, Any]], ...] = (
    ("S-1", "os.median", "combination", "14.5 month", {"reported_range": ["13 month", "16 month"], "kind": "SOFT"}),
    ("S-3", "os.hr", "combination", 0.7, {"kind": "SOFT"}),
    ("S-4", "response.recist.dcr_best", "combination", "10 %", {"reported_range": ["5 %", "15 %"], "kind": "SOFT"}),
)


@cache
def view_of(setting: str = "adjuvant", n: int = 40, arms: int = 2, targets: bool = True, **trial: Any) -> StudyView:
    """A toy study; with one arm, or on request, without reported figures."""
    data = make_trial(n=n, arms=arms, setting=setting, **trial)
    adjuvant = setting == "adjuvant"
    source = {"source": PAPER if adjuvant else PAGE, "weight": "high" if adjuvant else "low"}
    wanted = (ADJUVANT_TARGETS if adjuvant else ADVANCED_TARGETS) if targets and arms > 1 else ()
    declared = [
        Target.model_validate({"id": name, "quantity": quantity, "arm": arm, "reported": reported, **more, **source})
        for name, quantity, arm, reported, more in wanted
    ]
    title = "Adjuvant CIK after curative treatment" if adjuvant else "Sorafenib with and without CIK"
    return study_view(data, summary.build(data, f"toy_{setting}", title, 7, targets=declared))


def fit_to(view: StudyView, kind: str) -> StudyView:
    """The same study with what a kind of figure needs and a toy study lacks: a matched analysis."""
    if kind != "balance":
        return view
    balance = [
        {"covariate": name, "before": before, "after": after, "means_before": [2.5, 2.0], "means_after": [10.25, 10.5]}
        for name, before, after in (("diameter", 0.48, 0.02), ("platelets", -0.31, -0.11), ("ablation", None, None))
    ]
    arm, reference = view.data.arms[1], view.data.arms[0]
    ends = {"hr": 0.6, "ci": [0.5, 0.8], "mc_se": 0.1, "p_logrank": 0.01, "n": [9, 9], "events": [4, 5], "reason": "",
            "medians": [44.0, None], "median_cis": [[30.0, None], [None, None]]}  # fmt: skip
    told = {"arm": arm, "reference": reference, "caliper": 0.2, "patients": [251, 1326], "pairs": 154,
            "balance": balance, "largest_difference": {"before": 0.48, "after": 0.11},
            "endpoints": [{"endpoint": "rfs", "before": ends, "after": {**ends, "hr": None, "ci": [None, None],
                                                                        "reason": "no events"}}]}  # fmt: skip
    return replace(view, summary={**view.summary, "matching": told})


def relabelled(view: StudyView, labels: Sequence[str], **summarised: Any) -> StudyView:
    """The same study with other labels of the arms, and other entries of the summary."""
    arms = [arm | {"label": label} for arm, label in zip(view.summary["arms"], labels, strict=True)]
    return replace(
        view, data=replace(view.data, labels=tuple(labels)), summary={**view.summary, "arms": arms, **summarised}
    )


def texts_of(drawing: Any) -> list[tuple[str, Any]]:
    """Every text that is drawn, with its box in pixels."""
    from matplotlib.text import Text

    drawing.canvas.draw()
    hidden = {
        id(label)
        for axes in drawing.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
    }
    renderer = drawing.canvas.get_renderer()
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in drawing.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def said(drawing: Any) -> list[str]:
    """Every text of a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in drawing.findobj(Text) if text.get_visible() and text.get_text().strip()]


def ugliness(drawing: Any) -> list[str]:
    """Texts that leave the paper or lie on each other."""
    texts, found = texts_of(drawing), []
    for place, (text, box) in enumerate(texts):
        if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > drawing.bbox.width + 0.5 or box.y1 > drawing.bbox.height + 0.5:
            found.append(f"{text!r} leaves the paper")
        for other, covered in texts[place + 1 :]:
            width = min(box.x1, covered.x1) - max(box.x0, covered.x0)
            height = min(box.y1, covered.y1) - max(box.y0, covered.y0)
            if width > 1.0 and height > 2.0:
                found.append(f"{text!r} lies on {other!r}")
    return found


def artist(drawing: Any, gid: str) -> list[Any]:
    """The artists of a figure that carry an id."""
    return list(drawing.findobj(lambda one: one.get_gid() == gid))
