"""From an open file back to a trial; the inverse of `tumorsim.store.encoding`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
from numpy.typing import NDArray

from tumorsim.store.errors import ResultError
from tumorsim.store.guard import Entry, attribute, survey
from tumorsim.store.identity import data_digest
from tumorsim.store.layout import (
    CURVE_COLUMNS,
    FORMAT,
    GROUP_AXES,
    LAYOUT_VERSION,
    MAX_TEXT,
    MEMORY_DTYPES,
    from_file,
    problems,
    target_columns,
    variables_of,
)
from tumorsim.variables import TrialData, Variable

_DAMAGED = "Copy it again from the original, or run the scenario again"
_REPORT = "Verify the file with `tumorsim verify`, or run the scenario again"


@dataclass(frozen=True)
class StoredResult:
    """Everything one result file holds.

    Attributes
    ----------
    path
        The file.
    data
        The trial: the same bits and types that were written.
    summary
        The summary; what was NaN is None.
    curves
        Kaplan-Meier columns by end point and arm; times in months.
    scenario_text, scenario_source
        The resolved scenario, and the file as it was given.
    provenance
        As `tumorsim.provenance.collect` made it.
    digest
        SHA-256 of the data.
    layout_version
        Of the file.
    """

    path: Path
    data: TrialData
    summary: dict[str, Any]
    curves: dict[str, dict[str, dict[str, NDArray[Any]]]] = field(repr=False)
    scenario_text: str = field(repr=False)
    scenario_source: str = field(repr=False)
    provenance: dict[str, Any]
    digest: str
    layout_version: int


class Reader:
    """One file being read: every access names its place when it fails."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.file = file
        self.path = path
        self.version = self._version()
        self.entries = survey(file, path)
        self._check_tree()

    def refuse(self, place: str, rule: str, advice: str = _REPORT) -> NoReturn:
        """Raise the `ResultError` of this file."""
        raise ResultError(self.path, place, rule, advice)

    def result(self) -> StoredResult:
        """Read everything, and compare the hash of the data with the stored one."""
        data = self.trial()
        resolved, source = self.text("scenario/resolved"), self.text("scenario/source")
        summary = self.summary()
        digest = data_digest(data, resolved, int(summary["seed"]))
        if digest != self.attribute("", "data_sha256"):
            self.refuse("file@data_sha256", "is not the hash of the data: something was changed", _DAMAGED)
        curves = {e: self.curve(e, data.arms) for e in self._children("statistics")}
        return StoredResult(self.path, data, summary, curves, resolved, source, self.provenance(), digest, self.version)

    def attribute(self, place: str, name: str) -> Any:
        """One attribute, None if absent."""
        return attribute(self.file[place] if place else self.file, name, self.path)

    def _version(self) -> int:
        if attribute(self.file, "format", self.path) != FORMAT:
            self.refuse("file", "is an HDF5 file, but no tumorsim result", "Give the path that `tumorsim run` printed")
        version = attribute(self.file, "layout_version", self.path)
        if not isinstance(version, int) or version < 1:
            self.refuse("file@layout_version", f"is {version!r}, not a number from 1")
        if version > LAYOUT_VERSION:
            rule = f"has layout {version}; this tumorsim reads up to {LAYOUT_VERSION}"
            self.refuse("file", rule, "Read it with a newer tumorsim: pip install --upgrade tumorsim")
        return version

    def _check_tree(self) -> None:
        datasets = {"scenario": {"text", "resolved", "source"}, "provenance": set(), "summary": {"text", "json"}}
        datasets |= {group: set(axes) for group, axes in GROUP_AXES.items()}
        datasets["patients"].add("arm_label")
        for variable in variables_of(self.version).values():
            datasets[variable.group].add(variable.name)
        required = {"statistics", "targets", *datasets}
        required |= {f"{group}/{name}" for group, inside in datasets.items() for name in inside}
        for place in sorted(required - set(self.entries)):
            self.refuse(place, "is missing")
        for place in sorted(set(self.entries) - required):
            if not self._optional(place):
                self.refuse(place, f"is no part of layout {self.version}")
        for place in required:
            if (self.entries[place] is None) != ("/" not in place):
                self.refuse(place, "is a group where a dataset is due, or the other way round")

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

    def _entry(self, place: str, kinds: str, rank: int) -> Entry:
        entry = self.entries.get(place)
        if entry is None:
            self.refuse(place, "is missing")
        if entry.kind not in kinds or len(entry.shape) != rank:
            self.refuse(place, f"has kind {entry.kind} and shape {entry.shape}, expected {kinds} in {rank} dimensions")
        return entry

    def array(self, place: str, kinds: str, rank: int, codes: bool = False) -> NDArray[Any]:
        """One array of numbers, in the type it had in memory; only codes may be floats there and integers here."""
        self._entry(place, kinds, rank)
        try:
            stored: NDArray[Any] = self.file[place][...]
        except OSError as error:
            raise ResultError(self.path, place, f"cannot be read ({error})", _DAMAGED) from error
        kind = MEMORY_DTYPES.get(self.attribute(place, "memory_dtype"))
        allowed = ("ff", "ii", "iu", "ib", "if") if codes else ("ff", "ii", "iu", "ib")
        if kind is None or stored.dtype.kind + kind.kind not in allowed:
            self.refuse(f"{place}@memory_dtype", "is not a type of this array")
        restored = from_file(stored, kind)
        if kind.kind != "f" and not np.array_equal(restored.astype(np.int64), stored):
            self.refuse(place, f"holds numbers that do not fit {kind.name}")
        return restored

    def names(self, name: str) -> tuple[str, ...]:
        """The texts of one attribute of the file."""
        try:
            found = json.loads(str(self.attribute("", name)))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            self.refuse(f"file@{name}", "is no JSON list of texts")
        return tuple(found)

    def text(self, place: str) -> str:
        """One long text, checked against its hash."""
        entry = self._entry(place, "S", 1)
        if entry.shape != (1,) or entry.itemsize > MAX_TEXT:
            self.refuse(place, f"is not one text of at most {MAX_TEXT} bytes")
        raw = bytes(self.file[place][0])
        if hashlib.sha256(raw).hexdigest() != self.attribute(place, "sha256"):
            self.refuse(place, "is not the text whose hash is stored with it", _DAMAGED)
        return raw.decode()

    def trial(self) -> TrialData:
        """The trial, checked like one that is to be written."""
        patient = self.array("patients/patient", "i", 1)
        if not np.array_equal(self.array("visits/patient", "i", 1), patient):
            self.refuse("visits/patient", "names other patients than patients/patient")
        visit = self.array("visits/visit", "i", 1)
        declared = variables_of(self.version)
        data = TrialData(
            arms=self.names("arms"),
            labels=self.names("arm_labels"),
            arrays={name: self._variable(variable) for name, variable in declared.items()},
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

    def _variable(self, variable: Variable) -> NDArray[Any]:
        place = f"{variable.group}/{variable.name}"
        if self.attribute(place, "units") != variable.unit:
            self.refuse(f"{place}@units", f"is {self.attribute(place, 'units')!r}, expected {variable.unit!r}")
        return self.array(place, "if", len(variable.dims), codes=bool(variable.labels))

    def summary(self) -> dict[str, Any]:
        """The summary, with a seed."""
        try:
            found = json.loads(self.text("summary/json"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            if isinstance(error, ResultError):
                raise
            self.refuse("summary/json", f"is not JSON ({error})")
        if not isinstance(found, dict) or type(found.get("seed")) is not int:
            self.refuse("summary/json", "has no whole number `seed`")
        return found

    def provenance(self) -> dict[str, Any]:
        """Every attribute of the group, nested ones parsed."""
        group = self.file["provenance"]
        found = {name: attribute(group, name, self.path) for name in group.attrs}
        nested = str(found.pop("json", "")).split()
        return {name: json.loads(value) if name in nested else value for name, value in found.items()}

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


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")
