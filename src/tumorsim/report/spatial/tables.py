"""The tables of a spatial result's page, as rows of text; the template escapes every cell."""

from __future__ import annotations

from typing import Any

from tumorsim.figures.spatial.base import SpatialView
from tumorsim.figures.spatial.looks import labels, titled
from tumorsim.report.spatial.words import with_ends
from tumorsim.report.tables import Table
from tumorsim.report.words import count
from tumorsim.spatial_numbers import QUANTITIES, differences, interval, told


def compared(view: SpatialView) -> list[Table]:
    """Every quantity at the end by arm, and each arm less the first; (mean, interval) in each cell."""
    data, names = view.data, labels(view)
    shown = [one for one in QUANTITIES if told(data, one)]
    arms = tuple(range(1, len(names) + 1))
    values: list[tuple[Any, ...]] = []
    apart: list[tuple[Any, ...]] = []
    for one in shown:
        samples = one.of(data)
        title = titled(one)
        means, away = interval(samples, axis=1), interval(differences(samples), axis=1)
        values.append((title, *(with_ends(one, means, arm) for arm in range(len(names)))))
        apart.append((title, *(with_ends(one, away, arm, signed=True) for arm in range(1, len(names)))))
    note = (
        f"Mean over {count(len(data.replicate), 'replicate')} at the end of the study, or at the last snapshot, with "
        "the 95% interval of Student's t. Quantities that are zero throughout are left out."
    )
    tables = [Table("At the end, by arm", ("Quantity", *names), values, arms, note)]
    if len(names) > 1:
        note = "Mean of the differences, taken replicate by replicate, with the 95% interval of Student's t."
        tables.append(Table(f"Less {names[0]}", ("Quantity", *names[1:]), apart, arms[:-1], note))
    return tables
