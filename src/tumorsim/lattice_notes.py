"""What is written down of a lattice on its way through a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.measures import Bins, bins, measure, of_content
from tumorsim.models.spatial import SpatialModel

if TYPE_CHECKING:
    from tumorsim.experiment import Task

Arrays = dict[str, NDArray[Any]]


class Notes:
    """What is written down of one lattice on its way: values by group and name, one a look."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.values: dict[str, list[Any]] = {}
        self.bins: Bins = bins(task.plan.shape, task.plan.spacing)

    def take(self, model: SpatialModel) -> None:
        """Look at the lattice if this step is one to look at."""
        if model.step in self.task.series:
            self._add("series", model.series())
        if model.step in self.task.shots:
            picture = model.snapshot()
            kind, traits, flowing = of_content(picture["content"])
            self._add(
                "measures", measure(kind, traits, picture["lymphocytes"], flowing, self.task.plan.spacing, self.bins)
            )
            if self.task.keep:
                self._add("pictures", picture)

    def _add(self, group: str, found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            self.values.setdefault(f"{group}.{name}", []).append(np.asarray(value))

    def so_far(self) -> Arrays:
        """Everything written down, one look after the other along the first axis."""
        return {name: np.stack(values) for name, values in self.values.items()}

    def restore(self, arrays: Arrays) -> None:
        """The inverse of `so_far`."""
        groups = ("series.", "measures.", "pictures.")
        self.values = {name: list(values) for name, values in arrays.items() if name.startswith(groups)}

    def arrays(self, model: SpatialModel) -> Arrays:
        """Everything, at the end: time last in the series, first in pictures and measures; and the lineage."""
        found = {n: np.moveaxis(v, 0, -1) if n.startswith("series.") else v for n, v in self.so_far().items()}
        if self.task.keep and self.task.lineage:
            found |= {f"lineage.{name}": values for name, values in model.lineage().items()}
        return found
