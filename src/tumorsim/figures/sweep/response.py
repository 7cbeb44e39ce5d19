"""An output of a sweep against what was changed, in the look that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.sweep.base import SweepFigure
from tumorsim.figures.sweep.lines import draw_clouds, draw_dots, draw_lines
from tumorsim.figures.sweep.maps import draw_map
from tumorsim.figures.sweep.reading import measure, table, varying
from tumorsim.sweep_data import FactorColumn, SweepData

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

ORDERED = ("grid", "list")
MAPS = ("heat", "contour")
LOOKS = ("auto", "lines", "dots", "heat", "contour", "scatter")


def draw_response(
    data: SweepData, output: str | None, x: str | None, y: str | None, by: str | None, look: str
) -> Drawing:
    """The output in the look that fits; see `RESPONSE`."""
    if y is not None and by is not None:
        raise FigureError("y: is the second axis of a map, and by a second factor of lines; give one of them")
    changing = varying(data)
    if not changing:
        raise FigureError("nothing changes from point to point in this sweep, so there is nothing to draw it against")
    shown = measure(data, output)
    first, second = _asked(data, changing, "x", x), _asked(data, changing, "y" if by is None else "by", y or by)
    if first is not None and second is not None and first.name == second.name:
        raise FigureError(f"x: {first.name} is given twice; other factors are {_names(changing, first)}")
    if look == "auto" and data.design not in ORDERED:
        look = "scatter"
    if look == "scatter":
        if (first is not None and first.labels) or all(one.labels for one in changing):
            raise FigureError("look: scatter needs a factor of numbers; use look=dots")
        return draw_clouds(data, shown, x)
    if data.design not in ORDERED:
        raise FigureError(f"look: {look} needs a grid or a list of points, and this design is {data.design}; "
                          "use look=scatter")  # fmt: skip
    apart = data.design == "list"
    if first is None:  # in a list factors change together, and the first names the points
        named = apart and look == "auto" and changing[0] is not second
        first = changing[0] if named else _first(changing, second, look)
    if second is None and not apart:
        second = next(
            (one for one in changing if one.name != first.name and (look not in MAPS or not one.labels)), None
        )
    if look == "auto":
        look = _fitting(data, changing, first, second, by)
    if look in MAPS:
        _check_map(data, first, second, look)
        return draw_map(data, shown, table(data, shown, first, second), look)
    if look == "lines" and first.labels:
        raise FigureError(f"look: lines need numbers along x, and {first.name} has texts; use look=dots")
    made = table(data, shown, first, second, apart)
    return draw_lines(data, shown, made) if look == "lines" else draw_dots(data, shown, made)


def _names(factors: list[FactorColumn], but: FactorColumn | None = None) -> str:
    return ", ".join(one.name for one in factors if but is None or one.name != but.name) or "none"


def _asked(data: SweepData, changing: list[FactorColumn], option: str, name: str | None) -> FactorColumn | None:
    """The factor that an option names."""
    if name is None:
        return None
    try:
        found = data.factor(name)
    except KeyError as error:
        raise FigureError(f"{option}: {error.args[0]}") from None
    if all(one.name != name for one in changing):
        raise FigureError(f"{option}: {name} has one value in this sweep; factors that change are {_names(changing)}")
    return found


def _first(changing: list[FactorColumn], second: FactorColumn | None, look: str) -> FactorColumn:
    """The factor along x: the first of numbers, unless rows of dots are wanted."""
    free = [one for one in changing if second is None or one.name != second.name]
    if not free:
        raise FigureError(f"y: {changing[0].name} is the only factor that changes; leave y and by out")
    numeric = [one for one in free if not one.labels]
    return numeric[0] if numeric and look != "dots" else free[0]


def _fitting(
    data: SweepData, changing: list[FactorColumn], first: FactorColumn, second: FactorColumn | None, by: str | None
) -> str:
    if first.labels:
        return "dots"
    mapped = by is None and second is not None and not second.labels and len(changing) == 2
    if mapped and second is not None and data.design == "grid":
        fine = all(np.unique(one.values).size > 2 for one in (first, second))
        return "heat" if fine else "lines"
    return "lines"


def _check_map(data: SweepData, first: FactorColumn, second: FactorColumn | None, look: str) -> None:
    if data.design != "grid" or second is None or first.labels or second.labels:
        raise FigureError(f"look: {look} needs a grid of two factors of numbers; use look=lines, dots or scatter")


RESPONSE = SweepFigure(
    name="sweep",
    title="Sweep",
    description=(
        "An output against what was changed. One factor of numbers: mean over replicates, its 95% interval (Student's "
        "t) and the single runs. Two in a grid: a map with contour lines; of a ratio the colours turn at 1, of what "
        "has both signs at 0, and that contour is thick. Texts: rows of dots. More factors: lines by a second one, the "
        "rest averaged. Random designs: a cloud for each factor."
    ),
    render=draw_response,
    options=(
        Option("output", None, "Name of the output; by default the first."),
        Option("x", None, "Factor along x; by default the first of numbers, in a list the first."),
        Option("y", None, "Factor along y of a map."),
        Option("by", None, "Factor of which each value has a line or a colour."),
        Option("look", "auto", "How it is drawn.", LOOKS),
    ),
)
