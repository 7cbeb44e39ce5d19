"""From an open file back to a spatial study; the inverse of `tumorsim.store.spatial_encoding`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tumorsim.spatial_variables import BOX, LINEAGE, SpatialData
from tumorsim.store.guard import survey
from tumorsim.store.layout import SPATIAL_FORMAT
from tumorsim.store.reading import FileReader, Stored
from tumorsim.store.spatial_identity import spatial_digest
from tumorsim.store.spatial_layout import (
    CELLS,
    GROUP_AXES,
    LAYOUT_VERSION,
    OFFSETS,
    RANK,
    STEPS,
    TABLES,
    VOXEL_TYPES,
    VTK,
    VTK_TYPE,
    middles,
    problems,
    twins,
    voxel_names,
    vtk_attributes,
    vtk_steps,
)


@dataclass(frozen=True)
class StoredSpatial(Stored[SpatialData]):
    """Everything the file of a spatial study holds, see `Stored`."""


class SpatialReader(FileReader):
    """A spatial study being read."""

    FORMAT = SPATIAL_FORMAT
    LAYOUT_VERSION = LAYOUT_VERSION

    def __init__(self, file: h5py.File, path: Path) -> None:
        super().__init__(file, path)
        self.arms = self.names("arms")
        self.twins = twins(self.arms)
        self.entries = survey(file, path, RANK, self.twins, CELLS)
        self.has_voxels = VTK in self.entries
        self._check_tree()

    def result(self) -> StoredSpatial:
        """Read everything, and compare the hash of the data with the stored one."""
        data = self.study()
        return StoredSpatial(data=data, **self.around(partial(spatial_digest, data)))

    def study(self) -> SpatialData:
        """The study, checked like one that is to be written."""
        shape, spacing = self._box()
        data = SpatialData(
            arms=self.arms,
            labels=self.names("arm_labels"),
            products=self.names("products"),
            replicate=self._axis("replicate", "i"),
            time=self._axis("time", "f"),
            shot=self._axis("shot", "f"),
            depth=self._axis("depth", "f"),
            radius=self._axis("radius", "f"),
            shape=shape,
            spacing=spacing,
            arrays={name: self.variable(variable) for name, variable in TABLES.items()},
            snapshots=self._snapshots(),
            lineage={arm: self._lineage(arm) for arm in self.lineage_arms()},
        )
        for place, rule in problems(data):
            self.refuse(place, rule)
        if self.has_voxels:
            self._check_vtk(data)
        return data

    def lineage_arms(self) -> list[str]:
        """Arms that have a table of cells, be it empty."""
        places = [place.split("/") for place in self.entries]
        return [place[1] for place in places if place[0] == "lineage" and len(place) == 2]

    def has_cells(self, arm: str) -> bool:
        """Whether the table of this arm has any column."""
        return f"lineage/{arm}/cell" in self.entries

    def _check_tree(self) -> None:
        inside = {"scenario": {"text", "resolved", "source"}, "provenance": set(), "summary": {"text", "json"}}
        inside |= {group: {*axes, "arm_label"} for group, axes in GROUP_AXES.items()} | {"lineage": set()}
        for variable in TABLES.values():
            inside[variable.group].add(variable.name)
        for arm in self.lineage_arms():
            inside[f"lineage/{arm}"] = {"cell", *(v.name for v in LINEAGE)} if self._holds(f"lineage/{arm}") else set()
        if self.has_voxels:
            voxels = set(voxel_names(self.arms))
            inside |= {VTK: set(BOX), CELLS: voxels, STEPS: {"Values"}, OFFSETS: voxels, "snapshots": {*BOX, *voxels}}
        self.check_places(set(inside), {f"{group}/{name}" for group, names in inside.items() for name in names})

    def _holds(self, group: str) -> bool:
        return any(place.startswith(f"{group}/") for place in self.entries)

    def _box(self) -> tuple[tuple[int, int, int], float]:
        shape, spacing = self.attribute("", "shape"), self.attribute("", "spacing")
        if not isinstance(shape, np.ndarray) or shape.shape != (3,) or shape.dtype.kind != "i":
            self.refuse("file@shape", "is not three whole numbers")
        if not isinstance(spacing, float):
            self.refuse("file@spacing", "is not a number")
        return (int(shape[0]), int(shape[1]), int(shape[2])), spacing

    def _axis(self, name: str, kind: str) -> NDArray[Any]:
        """An axis, the same wherever it stands."""
        places = [f"{group}/{name}" for group, axes in GROUP_AXES.items() if name in axes]
        found = [self.array(place, kind, 1) for place in places]
        for place, axis in zip(places, found, strict=True):
            if axis.tobytes() != found[0].tobytes():
                self.refuse(place, f"differs from {places[0]}")
        return found[0]

    def _snapshots(self) -> dict[str, dict[str, NDArray[Any]]]:
        found: dict[str, dict[str, NDArray[Any]]] = {}
        for name, (arm, variable) in voxel_names(self.arms).items() if self.has_voxels else ():
            place = f"{CELLS}/{name}"
            if self.attribute(place, "memory_dtype") not in VOXEL_TYPES:
                self.refuse(f"{place}@memory_dtype", f"is none of {', '.join(VOXEL_TYPES)}")
            found.setdefault(arm, {})[variable.name] = self.variable(variable, place)
        return found

    def _lineage(self, arm: str) -> dict[str, NDArray[Any]]:
        if not self.has_cells(arm):
            return {}
        found = {v.name: self.variable(v, f"lineage/{arm}/{v.name}") for v in LINEAGE}
        if not np.array_equal(self.array(f"lineage/{arm}/cell", "i", 1), np.arange(found["parent"].size)):
            self.refuse(f"lineage/{arm}/cell", "does not count the cells from 0")
        return found

    def _check_vtk(self, data: SpatialData) -> None:
        """What VTK and xarray show of the voxels must be what is read here."""
        days, rows = vtk_steps(data.shot)
        for place, expected in vtk_attributes(data.shape, data.spacing, days.size).items():
            for name, value in expected.items():
                if not np.array_equal(self.attribute(place, name), value):
                    self.refuse(f"{place}@{name}", f"is not {np.asarray(value).tolist()}")
        if self.attribute(VTK, "Type") != VTK_TYPE.decode():
            self.refuse(f"{VTK}@Type", f"is not {VTK_TYPE.decode()}")
        lengths = zip(("z", "y", "x"), data.shape, strict=True)
        axes: dict[str, NDArray[Any]] = {f"{VTK}/{axis}": middles(voxels, data.spacing) for axis, voxels in lengths}
        axes |= {f"{VTK}/shot": data.shot, f"{STEPS}/Values": days}
        axes |= {f"{OFFSETS}/{name}": rows for name in voxel_names(data.arms)}
        for place, value in axes.items():
            if not np.array_equal(self.array(place, "if", 1), value):
                self.refuse(place, "does not fit the data")
