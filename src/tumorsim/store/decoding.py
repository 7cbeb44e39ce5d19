"""From an open file back to a trial; the inverse of `tumorsim.store.encoding`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tumorsim.store.guard import survey
from tumorsim.store.identity import data_digest
from tumorsim.store.layout import (
    CURVE_COLUMNS,
    FORMAT,
    GROUP_AXES,
    LAYOUT_VERSION,
    problems,
    target_columns,
    variables_of,
)
from tumorsim.store.reading import FileReader, Stored
from tumorsim.variables import TrialData

VISITS_GROUP = "visits"
MOST_IN_MEMORY = 1 << 26  # bytes of visits: of some ten thousand patients


@dataclass(frozen=True)
class StoredResult(Stored[TrialData]):
    """Everything the file of a trial holds, beside what `Stored` lists.

    Of a trial of very many patients, what visits measured stays in the file (`tumorsim.rows.RowArray`), which must
    stay where it is.

    Attributes
    ----------
    curves
        Kaplan-Meier columns by end point and arm; times in months.
    """

    curves: dict[str, dict[str, dict[str, NDArray[Any]]]] = field(repr=False)


class Reader(FileReader):
    """A trial's result being read."""

    FORMAT = FORMAT
    LAYOUT_VERSION = LAYOUT_VERSION

    def __init__(self, file: h5py.File, path: Path) -> None:
        super().__init__(file, path)
        self.entries = survey(file, path, on_disk=VISITS_GROUP)
        self._check_tree()

    def result(self) -> StoredResult:
        """Read everything, and compare the hash of the data with the stored one."""
        data = self.trial()
        around = self.around(partial(data_digest, data))
        curves = {e: self.curve(e, data.arms) for e in self._children("statistics")}
        return StoredResult(data=data, curves=curves, **around)

    def _check_tree(self) -> None:
        datasets = {"scenario": {"text", "resolved", "source"}, "provenance": set(), "summary": {"text", "json"}}
        datasets |= {group: set(axes) for group, axes in GROUP_AXES.items()}
        datasets["patients"].add("arm_label")
        for variable in variables_of(self.version).values():
            datasets[variable.group].add(variable.name)
        inside = {f"{group}/{name}" for group, names in datasets.items() for name in names}
        self.check_places({"statistics", "targets", *datasets}, inside, self._optional)

    def _optional(self, place: str) -> bool:
        """Curves of an end point, and columns of the targets table."""
        match place.split("/"):
            case ["statistics", _]:
                return self.entries[place] is None
            case ["statistics", _, column]:
                return self.entries[place] is not None and column in {*CURVE_COLUMNS, "arm", "step", "length"}
            case ["targets", column]:
                return self.entries[place] is not None and column in {"target", *target_columns()}
        return False

    def _children(self, group: str) -> list[str]:
        return list(self.file[group])

    def trial(self) -> TrialData:
        """The trial, checked like one that is to be written."""
        patient = self.array("patients/patient", "i", 1)
        if not np.array_equal(self.array("visits/patient", "i", 1), patient):
            self.refuse("visits/patient", "names other patients than patients/patient")
        visit = self.array("visits/visit", "i", 1)
        declared = variables_of(self.version)
        on_disk = self._visits_on_disk()
        data = TrialData(
            arms=self.names("arms"),
            labels=self.names("arm_labels"),
            arrays={
                name: self.variable(variable, on_disk=on_disk and variable.group == VISITS_GROUP)
                for name, variable in declared.items()
            },
            patient=patient,
            trace=self.array("trajectories/trace", "i", 1),
            time=self.array("trajectories/time", "f", 1),
            setting=str(self.attribute("", "setting")),
            allocation=str(self.attribute("", "allocation")),
        )
        for place, rule in problems(data, self.version):
            self.refuse(place, rule)
        if not np.array_equal(visit, np.arange(data.arrays["visit_time"].shape[-1])):
            self.refuse("visits/visit", "does not count the visits from 0")
        return data

    def _visits_on_disk(self) -> bool:
        """Whether what visits measured is left on disk: the largest part of a trial, and the one of least use."""
        places = (entry for place, entry in self.entries.items() if place.startswith(f"{VISITS_GROUP}/"))
        return sum(entry.claimed for entry in places if entry) > MOST_IN_MEMORY

    def curve(self, endpoint: str, arms: tuple[str, ...]) -> dict[str, dict[str, NDArray[Any]]]:
        """Columns of one end point by arm, without the padding."""
        place = f"statistics/{endpoint}"
        length = self.array(f"{place}/length", "i", 1)
        columns = [name for name in self._children(place) if name in CURVE_COLUMNS]
        tables: Mapping[str, NDArray[Any]] = {name: self.array(f"{place}/{name}", "if", 2) for name in columns}
        if length.shape != (len(arms),) or int(length.min()) < 0:
            self.refuse(f"{place}/length", "does not give one length for each arm")
        for name, table in tables.items():
            if table.shape != (len(arms), int(length.max())):
                self.refuse(f"{place}/{name}", f"has shape {table.shape}, which does not fit its lengths")
        return {arm: {name: t[i, : int(length[i])] for name, t in tables.items()} for i, arm in enumerate(arms)}
