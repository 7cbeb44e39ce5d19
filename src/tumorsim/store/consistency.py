"""Whether what other tools see in a file agrees with what this package reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from tumorsim.spatial_variables import BOX, FATES, LINEAGE
from tumorsim.store.decoding import Reader
from tumorsim.store.errors import Problem
from tumorsim.store.layout import MAX_TEXT, TARGET_COLUMNS, variables_of
from tumorsim.store.reading import DAMAGED, FileReader
from tumorsim.store.spatial_decoding import SpatialReader
from tumorsim.store.spatial_layout import CELLS, GROUP_AXES, TABLES, VTK, voxel_names

TEXTS = tuple((f"{place}", ("text",)) for place in ("scenario/resolved", "scenario/source", "summary/json"))


def trial_problems(reader: Reader) -> Iterator[Problem]:
    """Loose axes, names and targets of a trial's result that differ."""
    yield from _loose_scales(reader, _dims(reader))
    yield from _other_names(reader, dict(_names(reader)))
    yield from _other_targets(reader)


def spatial_problems(reader: SpatialReader) -> Iterator[Problem]:
    """Loose axes and names of a spatial study that differ."""
    yield from _loose_scales(reader, _spatial_dims(reader), {CELLS: VTK})
    names = {"arm": "arms", "arm_label": "arm_labels", "product": "products"}
    places = [(group, axis) for group, axes in GROUP_AXES.items() for axis in (*axes, "arm_label")]
    yield from _other_names(reader, {f"{group}/{axis}": names[axis] for group, axis in places if axis in names})
    if _texts(reader, "series/fate") != list(FATES):
        yield Problem("series/fate", f"is not {', '.join(FATES)}", DAMAGED)


def _dims(reader: Reader) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every dataset that lies on axes, with their names."""
    for variable in variables_of(reader.version).values():
        yield f"{variable.group}/{variable.name}", variable.dims
    yield "patients/arm_label", ("arm",)
    yield from TEXTS
    for place, entry in reader.entries.items():
        parts = place.split("/")
        if parts[0] == "targets" and len(parts) == 2 and parts[1] != "target":
            yield place, ("target",)
        if parts[0] == "statistics" and len(parts) == 3 and parts[2] not in ("arm", "step"):
            yield place, ("arm", "step")[: len(entry.shape) if entry else 0]


def _names(reader: Reader) -> Iterator[tuple[str, str]]:
    """Every list of names for other tools, with the attribute that this package reads."""
    for place, entry in reader.entries.items():
        name = place.rsplit("/", 1)[1] if entry and not place.startswith("targets/") else ""
        if name in ("arm", "arm_label"):
            yield place, f"{name}s"


def _spatial_dims(reader: SpatialReader) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every dataset that lies on axes, with their names."""
    for variable in TABLES.values():
        yield f"{variable.group}/{variable.name}", variable.dims
    yield from ((f"{group}/arm_label", ("arm",)) for group in GROUP_AXES)
    yield from TEXTS
    for arm in filter(reader.has_cells, reader.lineage_arms()):
        yield from ((f"lineage/{arm}/{variable.name}", variable.dims) for variable in LINEAGE)
    if reader.has_voxels:
        yield from ((f"{CELLS}/{name}", BOX) for name in voxel_names(reader.arms))


def _loose_scales(
    reader: FileReader, placed: Iterable[tuple[str, tuple[str, ...]]], homes: Mapping[str, str] | None = None
) -> Iterator[Problem]:
    """Axes that netCDF readers would not find; ``homes`` says where those of a group lie if elsewhere."""
    for place, dims in placed:
        group = place.rsplit("/", 1)[0]
        home = (homes or {}).get(group, group)
        for axis, dim in enumerate(dims):
            scale = reader.file[f"{home}/{dim}"].id
            if not h5py.h5ds.is_scale(scale) or not h5py.h5ds.is_attached(reader.file[place].id, scale, axis):
                yield Problem(place, f"its axis {dim} is not attached", DAMAGED)


def _texts(reader: FileReader, place: str) -> list[str]:
    """Texts of any length, one by one: many may point at one and the same long text."""
    dataset, texts, left = reader.file[place], [], MAX_TEXT
    for i in range(dataset.shape[0]):
        raw = dataset[i]
        texts.append(raw.decode() if isinstance(raw, bytes) else str(raw))
        left -= len(texts[-1])
        if left < 0:
            reader.refuse(place, f"holds more than {MAX_TEXT} characters")
    return texts


def _other_names(reader: FileReader, names: Mapping[str, str]) -> Iterator[Problem]:
    """Axes and labels, as other tools see them, that differ from the names this package reads."""
    for place, expected in names.items():
        if _texts(reader, place) != list(reader.names(expected)):
            yield Problem(place, f"differs from the attribute {expected} of the file", DAMAGED)


def _other_targets(reader: Reader) -> Iterator[Problem]:
    """Columns of the targets table that say something else than the summary."""
    targets = reader.summary().get("targets") or []
    for key, kind in TARGET_COLUMNS.items() if targets else ():
        values = [target.get(key) for target in targets]
        if kind == "text":
            same = _texts(reader, f"targets/{key}") == ["" if v is None else str(v) for v in values]
        elif kind == "flag":
            same = reader.array(f"targets/{key}", "i", 1).tolist() == [-1 if v is None else int(v) for v in values]
        elif kind == "number":
            same = _equal(reader, f"targets/{key}", values)
        else:
            pairs = [value or (None, None) for value in values]
            same = all(
                _equal(reader, f"targets/{key}_{e}", [p[i] for p in pairs]) for i, e in enumerate(("low", "high"))
            )
        if not same:
            yield Problem(f"targets/{key}", "differs from the summary", DAMAGED)


def _equal(reader: Reader, place: str, values: list[Any]) -> bool:
    expected = [np.nan if value is None else float(value) for value in values]
    return np.array_equal(reader.array(place, "f", 1), expected, equal_nan=True)
