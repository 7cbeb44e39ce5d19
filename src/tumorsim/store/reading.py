"""One file being read, whatever it holds: every access names its place when it fails."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from tumorsim.rows import RowArray
from tumorsim.store.errors import ResultError
from tumorsim.store.guard import Entry, attribute
from tumorsim.store.layout import FORMATS, MAX_TEXT, MEMORY_DTYPES, from_file
from tumorsim.variables import Variable

DAMAGED = "Copy it again from the original, or run the scenario again"
REPORT = "Verify the file with `tumorsim verify`, or run the scenario again"


D = TypeVar("D")


@dataclass(frozen=True)
class Stored(Generic[D]):
    """What a result file of any kind holds.

    Attributes
    ----------
    path
        The file.
    data
        The same bits and types that were written.
    summary
        The summary; what was NaN is None.
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
    data: D
    summary: dict[str, Any]
    scenario_text: str = field(repr=False)
    scenario_source: str = field(repr=False)
    provenance: dict[str, Any]
    digest: str
    layout_version: int


class FileReader:
    """What reading a result of any kind has in common.

    Attributes
    ----------
    FORMAT, LAYOUT_VERSION
        Of the kind that a subclass reads.
    entries
        From `tumorsim.store.guard.survey`; a subclass fills it in before it reads an array.
    """

    FORMAT: ClassVar[str]
    LAYOUT_VERSION: ClassVar[int]
    entries: dict[str, Entry | None]

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.file = file
        self.path = path
        self.version = self._version()

    def refuse(self, place: str, rule: str, advice: str = REPORT) -> NoReturn:
        """Raise the `ResultError` of this file."""
        raise ResultError(self.path, place, rule, advice)

    def attribute(self, place: str, name: str) -> Any:
        """One attribute, None if absent."""
        return attribute(self.file[place] if place else self.file, name, self.path)

    def _version(self) -> int:
        found = attribute(self.file, "format", self.path)
        if not isinstance(found, str) or found != self.FORMAT:
            if isinstance(found, str) and found in FORMATS:
                name = {"trial": "read", "spatial": "read_spatial", "sweep": "read_sweep"}[FORMATS[found]]
                self.refuse("file", f"is a {found}, not a {self.FORMAT}", f"Read it with tumorsim.store.{name}")
            self.refuse("file", "is an HDF5 file, but no tumorsim result", "Give the path that `tumorsim run` printed")
        version = attribute(self.file, "layout_version", self.path)
        if not isinstance(version, int) or version < 1:
            self.refuse("file@layout_version", f"is {version!r}, not a number from 1")
        if version > self.LAYOUT_VERSION:
            rule = f"has layout {version}; this tumorsim reads up to {self.LAYOUT_VERSION}"
            self.refuse("file", rule, "Read it with a newer tumorsim: pip install --upgrade tumorsim")
        return version

    def check_places(
        self, groups: set[str], datasets: set[str], optional: Callable[[str], bool] = lambda _: False
    ) -> None:
        """Refuse what is missing, what the layout does not know, and a group for a dataset or the other way round."""
        required = groups | datasets
        for place in sorted(required - set(self.entries)):
            self.refuse(place, "is missing")
        for place in sorted(set(self.entries) - required):
            if not optional(place):
                self.refuse(place, f"is no part of layout {self.version}")
        for place in required:
            if (self.entries[place] is None) != (place in groups):
                self.refuse(place, "is a group where a dataset is due, or the other way round")

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
            raise ResultError(self.path, place, f"cannot be read ({error})", DAMAGED) from error
        return self._restored(place, stored, self._memory_type(place, stored.dtype, codes))

    def rows(self, place: str, kinds: str, rank: int, codes: bool = False) -> RowArray:
        """The same array, left on disk; it is read from the file that is open now, and from no other."""
        entry = self._entry(place, kinds, rank)
        memory = self._memory_type(place, self.file[place].dtype, codes)
        known = _identity(self.path)

        def fetch(start: int, stop: int) -> NDArray[Any]:
            try:
                with h5py.File(self.path, "r") as file:
                    if _identity(self.path) != known:
                        self.refuse("file", "was replaced since it was opened", "Open it again")
                    stored = file[place][:, start:stop]
            except OSError as error:
                raise ResultError(self.path, place, f"cannot be read ({error})", DAMAGED) from error
            return self._restored(place, stored, memory)

        return RowArray(entry.shape, memory, fetch)

    def _memory_type(self, place: str, stored: np.dtype[Any], codes: bool) -> np.dtype[Any]:
        kind = MEMORY_DTYPES.get(self.attribute(place, "memory_dtype"))
        allowed = ("ff", "ii", "iu", "ib", "if") if codes else ("ff", "ii", "iu", "ib")
        if kind is None or stored.kind + kind.kind not in allowed:
            self.refuse(f"{place}@memory_dtype", "is not a type of this array")
        return kind

    def _restored(self, place: str, stored: NDArray[Any], memory: np.dtype[Any]) -> NDArray[Any]:
        restored = from_file(stored, memory)
        if memory.kind != "f" and not np.array_equal(restored.astype(np.int64), stored):
            self.refuse(place, f"holds numbers that do not fit {memory.name}")
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
            self.refuse(place, "is not the text whose hash is stored with it", DAMAGED)
        return raw.decode()

    def variable(self, variable: Variable, place: str | None = None, on_disk: bool = False) -> Any:
        """A declared array, by default where its declaration says, and in memory."""
        place = place or f"{variable.group}/{variable.name}"
        if self.attribute(place, "units") != variable.unit:
            self.refuse(f"{place}@units", f"is {self.attribute(place, 'units')!r}, expected {variable.unit!r}")
        read = self.rows if on_disk else self.array
        return read(place, "if", len(variable.dims), codes=bool(variable.labels))

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

    def around(self, hashed: Callable[[str, int], str]) -> dict[str, Any]:
        """Everything of `Stored` but the data, whose hash is compared with the stored one.

        Parameters
        ----------
        hashed
            Hash of the data, from the resolved scenario and the seed.
        """
        resolved, source = self.text("scenario/resolved"), self.text("scenario/source")
        summary = self.summary()
        digest = hashed(resolved, int(summary["seed"]))
        if digest != self.attribute("", "data_sha256"):
            self.refuse("file@data_sha256", "is not the hash of the data: something was changed", DAMAGED)
        return {
            "path": self.path, "summary": summary, "scenario_text": resolved, "scenario_source": source,
            "provenance": self.provenance(), "digest": digest, "layout_version": self.version,
        }  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Every attribute of the group, nested ones parsed."""
        group = self.file["provenance"]
        found = {name: attribute(group, name, self.path) for name in group.attrs}
        nested = str(found.pop("json", "")).split()
        return {name: json.loads(value) if name in nested else value for name, value in found.items()}


def _identity(path: Path) -> tuple[int, ...]:
    """What tells a file from another of its name."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")
