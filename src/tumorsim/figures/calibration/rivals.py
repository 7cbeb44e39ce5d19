"""The fit beside rival mechanisms: the figures they were fitted to, and hazard ratios that no fit has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.calibration.base import CalibrationFigure, Outcome
from tumorsim.figures.calibration.reading import (
    NORMAL_90,
    footer_text,
    in_sampling_errors,
    role,
    row_name,
)
from tumorsim.figures.curves import endpoint_title
from tumorsim.figures.style import (
    GREY,
    HEAD,
    INK,
    SMALL,
    TINY,
    canvas,
    fit,
    key,
    number,
    place,
    plain,
    signature,
    text_width,
    with_interval,
    write,
)
from tumorsim.figures.targets import ratio_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# the fit, then its rivals; arms have other colours
COLOURS = ("#000000", "#CC79A7", "#009E73", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "v", "P", "X")
UNFITTED = "#8A5A00"  # names of figures that had no part in the fit
ROW = 0.2
LIMIT = 4.5
BAND, SHADE = "#E4EEF5", "#EFEFEF"


def draw_rivals(outcome: Outcome) -> Drawing:
    """Distances above, windows below; see `RIVALS`."""
    models = _models(outcome)
    targets, windows = outcome["targets"], _window_rows(models)
    step = 0.11 * len(models) + 0.1
    top_height, low_height = ROW * len(targets), step * len(windows)
    figure = canvas(7.0, top_height + (low_height + 0.78 if windows else 0.0) + 1.36)
    top = float(figure.get_size_inches()[1])
    write(figure, 0.1, top - 0.24, "The fit beside its rivals", size=HEAD, weight="bold")
    lines = _key(figure, models, top - 0.47)
    y = top - 0.6 - 0.16 * lines
    _distances(figure, outcome, models, y)
    if windows:
        _windows(figure, models, windows, y - top_height - 0.72, step)
    refitted = [plain(one["label"] or one["name"]) for one in outcome["rivals"] if one["refitted"]]
    note = f"Fitted again: {fit(figure, ', '.join(refitted), 3.4, TINY)}." if refitted else "Rivals stand at the fit."
    note = f"Brown names: no part of the fit. {note}"
    signature(figure, outcome["title"] or outcome["name"], footer_text(outcome), note)
    return figure


def _models(outcome: Outcome) -> list[dict[str, Any]]:
    """The fit first, then each rival, with distances, windows and looks."""
    targets = outcome["targets"]
    fitted = {
        "label": "the fit",
        "z": [in_sampling_errors(one, one["simulated"]) for one in targets],
        "windows": outcome["windows"] or [],
    }
    found = [fitted]
    for rival in outcome["rivals"]:
        values = rival["targets"] or [None] * len(targets)
        z = rival["z"] or [in_sampling_errors(one, value) for one, value in zip(targets, values, strict=True)]
        found.append(
            {
                "label": plain(rival["label"] or rival["name"]),
                "z": [np.nan if x is None else float(x) for x in z],
                "windows": rival["windows"] or [],
            }
        )
    for index, model in enumerate(found):
        model |= {"colour": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}
    return found


def _key(figure: Drawing, models: Sequence[Mapping[str, Any]], y: float) -> int:
    """One entry a model, on as many lines as they need; returns how many more than one."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = [
        (
            Line2D([], [], color=model["colour"], marker=model["marker"], markersize=4, linewidth=0.9),
            fit(figure, model["label"], 2.6, SMALL),
        )
        for model in models
    ]
    entries.append((Patch(facecolor=BAND, edgecolor=BAND), "90% of studies if the model held"))
    rows: list[list[tuple[Any, str]]] = [[]]
    used = 0.0
    for entry in entries:
        width = 0.28 + text_width(figure, entry[1], SMALL) + 0.22
        if rows[-1] and used + width > 6.8:
            rows.append([])
            used = 0.0
        rows[-1].append(entry)
        used += width
    for line, row in enumerate(rows):
        key(figure, row, 0.1, y - 0.16 * line)
    return len(rows) - 1


def _distances(figure: Drawing, outcome: Outcome, models: Sequence[Mapping[str, Any]], top: float) -> None:
    """Each figure's distance from the reported one, in sampling errors."""
    targets = outcome["targets"]
    height = ROW * len(targets)
    texts = [f"{plain(one['id'])}  {row_name(one, outcome)}" for one in targets]
    names = min(max(text_width(figure, text, SMALL) for text in texts), 2.7)
    left = 0.1 + names + 0.12
    axes = place(figure, left, top - height, 6.85 - left, height)
    axes.set_xlim(-LIMIT, LIMIT)
    axes.set_ylim(len(targets) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.axvspan(-NORMAL_90, NORMAL_90, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0.0, color=GREY, linewidth=0.6, zorder=1)
    for row, (target, text) in enumerate(zip(targets, texts, strict=True)):
        colour = INK if role(target) == "fitted" else UNFITTED
        write(figure, 0.1, top - ROW * (row + 0.5) - 0.035, fit(figure, text, names, SMALL), size=SMALL, color=colour)
        axes.axhline(row, color="#DDDDDD", linewidth=0.4, zorder=0.5)
    for place_, model in enumerate(models):
        spread = 0.22 * (place_ - (len(models) - 1) / 2.0)
        for row, value in enumerate(model["z"]):
            _mark(axes, value, row + spread, model)
    axes.set_xlabel("Simulated less reported, in units of the study's sampling error", labelpad=1, size=SMALL)


def _mark(axes: Axes, value: float, y: float, model: Mapping[str, Any]) -> None:
    if not np.isfinite(value):
        return
    outside = abs(value) > LIMIT
    marker = ("<" if value < 0 else ">") if outside else model["marker"]
    axes.plot(
        [float(np.clip(value, -LIMIT, LIMIT))], [y], marker=marker, markersize=4.2 if outside else 3.8,
        color=model["colour"], linestyle="none", clip_on=False, zorder=3, gid="distance",
    )  # fmt: skip


def window_title(window: Mapping[str, Any]) -> str:
    """``Recurrence-free survival, 0–24 months``."""
    start, stop = window["from"], window["to"]
    when = f"after {start:.0f} months" if stop is None else f"{start:.0f}–{stop:.0f} months"
    return f"{endpoint_title(window['endpoint'])}, {when}"


def same_window(window: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two models' windows comparable."""
    return tuple(window[key_] for key_ in ("study", "endpoint", "arm", "reference", "from", "to"))


def _window_rows(models: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return list(dict.fromkeys(same_window(one) for model in models for one in model["windows"]))


def _windows(
    figure: Drawing, models: Sequence[Mapping[str, Any]], rows: Sequence[tuple[Any, ...]], top: float, step: float
) -> None:
    """Hazard ratios by window of time, one line a model."""
    held = [{same_window(one): one for one in model["windows"]} for model in models]
    first = [next(own[row] for own in held if row in own) for row in rows]
    titles = [window_title(one) for one in first]
    names = min(max(text_width(figure, text, SMALL) for text in titles), 2.5)
    left, right = 0.1 + names + 0.12, 5.72
    height = step * len(rows)
    write(figure, 0.1, top + 0.1, "Predicted, never fitted: hazard ratios by window", size=SMALL, weight="bold")
    write(figure, right + 0.12, top + 0.1, "HR (90%)", size=SMALL, color=GREY)
    axes = place(figure, left, top - height, right - left, height)
    ends = [
        end for own in held for one in own.values() for end in (*(one["interval"] or one["ci"] or ()), one["hr"]) if end
    ]
    ratio_axis(axes, max(min([*ends, 0.6]), 0.1), min(max([*ends, 1.5]), 10.0))
    axes.set_ylim(height, 0.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for place_, (row, title) in enumerate(zip(rows, titles, strict=True)):
        write(figure, 0.1, top - step * (place_ + 0.5) - 0.03, fit(figure, title, names, SMALL), size=SMALL)
        if place_ % 2:
            axes.axhspan(step * place_, step * (place_ + 1), color=SHADE, linewidth=0, zorder=0)
        for index, (model, own) in enumerate(zip(models, held, strict=True)):
            y = step * place_ + 0.05 + 0.11 * (index + 0.5)
            if row in own:
                _ratio(figure, axes, own[row], model, (y, top - y - 0.03, right + 0.12))
    axes.set_xlabel("Hazard ratio (log scale)", labelpad=1, size=SMALL)


def _ratio(
    figure: Drawing, axes: Axes, window: Mapping[str, Any], model: Mapping[str, Any], at: tuple[float, float, float]
) -> None:
    y, line, column = at
    low, high = axes.get_xlim()
    ends = window["interval"] or window["ci"]
    known = ends if ends and None not in ends else None
    if known:
        axes.plot(np.clip(known, low, high), [y, y], color=model["colour"], linewidth=0.9, gid="window-interval")
    if window["hr"] is not None:
        axes.plot(
            [float(np.clip(window["hr"], low, high))], [y], marker=model["marker"], markersize=3.6,
            color=model["colour"], linestyle="none", gid="window",
        )  # fmt: skip
    text = "–" if window["hr"] is None else with_interval(window["hr"], known, 2) if known else number(window["hr"])
    write(figure, column, line, fit(figure, text, 1.15, SMALL - 0.5), size=SMALL - 0.5, color=INK)


RIVALS = CalibrationFigure(
    name="calibration-rivals",
    title="The fit beside its rivals",
    description=(
        "How far each figure lies from the reported one under the fit and under rival mechanisms, in units of the "
        "study's own sampling error; marks within the band are what studies of that size show by chance. Below, "
        "hazard ratios by window of time, which no fit has seen, with their 90% intervals."
    ),
    render=draw_rivals,
    needs="rivals",
)
