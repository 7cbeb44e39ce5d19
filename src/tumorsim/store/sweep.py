"""Write and read the table of a sweep: points, what was read at each, and what failed."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from tumorsim.store.access import check_fit, check_words, laid_out, opened
from tumorsim.store.guard import survey
from tumorsim.store.identity import add_array
from tumorsim.store.layout import MAX_NAME, SWEEP_FORMAT
from tumorsim.store.parts import (
    new_group,
    put_attributes,
    put_axis,
    put_names,
    put_provenance,
    put_scenario,
    put_summary,
    put_variable,
)
from tumorsim.store.reading import FileReader, Stored
from tumorsim.store.sealing import check_target, commit
from tumorsim.sweep_data import CODE, RESERVED, RUN, STATUS, FactorColumn, OutputColumn, SweepData, arrays, variables
from tumorsim.variables import NOTICE, Variable

LAYOUT_VERSION: Final = 1
GROUP: Final = "runs"
AXES: Final = {
    "point": ("1", "Number of the point, from 0."),
    "replicate": ("1", "Number of the replicate, from 0; the seeds are the same at every point."),
}


@dataclass(frozen=True)
class StoredSweep(Stored[SweepData]):
    """Everything one table of a sweep holds, see `Stored`; ``scenario_source`` is the sweep file."""


def write_sweep(
    path: Path | str,
    data: SweepData,
    summary: Mapping[str, Any],
    scenario_text: str,
    sweep_text: str,
    provenance: Mapping[str, Any],
    force: bool = False,
) -> Path:
    """Write the table of a sweep, whole or not at all.

    Parameters
    ----------
    path
        Final name; its folder must exist.
    data
        The sweep.
    summary
        Counts and failures; ``seed`` is needed. The columns are added here.
    scenario_text
        The resolved scenario, part of the data's hash.
    sweep_text
        The sweep file as it was given.
    provenance
        From `tumorsim.provenance.collect`.
    force
        Replace an existing file.

    Raises
    ------
    ResultError
        The target exists or cannot be written, the disk is full, or the sweep does not fit the layout.
    """
    path = check_target(path, force)
    check_fit(path, problems(data))
    told = {**summary, "columns": columns(data)}
    seed = check_words(path, told, scenario_text, sweep_text, provenance)
    digest = sweep_digest(data, scenario_text, seed)
    with laid_out(path):
        content = _encode(data, told, (scenario_text, sweep_text), provenance, digest)
    return commit(path, content, force=force)


def read_sweep(path: Path | str) -> StoredSweep:
    """Read the table of a sweep, guarded like `tumorsim.store.read`.

    Raises
    ------
    ResultError
        The file is missing, damaged, of another kind or layout, or not what it claims.
    """
    with opened(path) as file:
        return SweepReader(file, Path(path)).result()


def columns(data: SweepData) -> dict[str, Any]:
    """What the columns are, as JSON-able data."""
    factors = [
        {"name": one.name, "title": one.title, "unit": one.unit, "labels": list(one.labels), "log": one.logarithmic}
        for one in data.factors
    ]
    outputs = [{"name": one.name, "title": one.title, "unit": one.unit, "ratio": one.ratio} for one in data.outputs]
    return {"name": data.name, "title": data.title, "design": data.design, "factors": factors, "outputs": outputs}


def sweep_digest(data: SweepData, scenario_text: str, seed: int) -> str:
    """SHA-256 of the data, 64 hexadecimal digits: columns, arrays, seeds, resolved scenario and seed."""
    hashed = hashlib.sha256(b"tumorsim sweep data, layout of the hash 1\n")
    hashed.update(json.dumps([columns(data), int(seed), scenario_text], ensure_ascii=True, sort_keys=True).encode())
    add_array(hashed, "seed", data.seeds, "i8")
    for name, array in sorted(arrays(data).items()):
        add_array(hashed, name, array, "f8" if array.dtype.kind == "f" else "i8")
    return hashed.hexdigest()


def problems(data: SweepData) -> Iterator[tuple[str, str]]:
    """What does not fit the layout: (place, rule)."""
    names = [*(one.name for one in data.factors), *(one.name for one in data.outputs)]
    names += [one.name + CODE for one in data.factors if one.labels]
    for name in names:
        if names.count(name) > 1 or name in RESERVED or not 0 < len(name) <= MAX_NAME or "/" in name or name[0] == ".":
            yield name, "is no name of its own"
    if data.seeds.shape != (data.replicates,):
        yield "seed", "needs one number a replicate"
    if data.status.size and not 0 <= data.status.min() <= data.status.max() < len(STATUS):
        yield "status", "holds a code without meaning"
    for factor in data.factors:
        if factor.values.shape != (data.points,):
            yield factor.name, "needs one value a point"
        elif factor.labels and not np.isin(factor.values, np.arange(len(factor.labels))).all():
            yield factor.name, "holds a place outside of its texts"
        elif not np.isfinite(factor.values).all():
            yield factor.name, "holds what is no number"
    for output in data.outputs:
        if output.values.shape != data.status.shape:
            yield output.name, "needs one value a point and replicate"


def _encode(
    data: SweepData, summary: Mapping[str, Any], texts: tuple[str, str], provenance: Mapping[str, Any], digest: str
) -> memoryview:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=True) as file:
        head = {"title": data.title, "format": SWEEP_FORMAT, "layout_version": LAYOUT_VERSION, "notice": NOTICE}
        put_attributes(file, head | {"data_sha256": digest})
        put_scenario(file, *texts)
        put_provenance(file, provenance)
        put_summary(file, summary)
        group = new_group(file, GROUP)
        put_axis(group, "point", np.arange(data.points, dtype=np.int64), AXES)
        put_axis(group, "replicate", np.arange(data.replicates, dtype=np.int64), AXES)
        put_variable(group, SEED, data.seeds)
        held = arrays(data)
        for variable in variables(data):
            put_variable(group, variable, held[variable.name])
        for factor in data.factors:
            if factor.labels:
                words = [factor.labels[int(place)] for place in factor.values]
                put_names(group, factor.name, words, ("point",), {"long_name": factor.title})
    return buffer.getbuffer()


SEED: Final = Variable(GROUP, "seed", (RUN[1],), "1", "Seed of the replicate.", count=True)


class SweepReader(FileReader):
    """A table of a sweep being read."""

    FORMAT = SWEEP_FORMAT
    LAYOUT_VERSION = LAYOUT_VERSION

    def __init__(self, file: h5py.File, path: Path) -> None:
        super().__init__(file, path)
        self.entries = survey(file, path, 2)
        self._columns = self._told()
        inside = {"scenario": {"text", "resolved", "source"}, "provenance": set(), "summary": {"text", "json"}}
        names = {*AXES, "seed", "status"}
        for one in self._columns["factors"]:
            names |= {one["name"], one["name"] + CODE} if one["labels"] else {one["name"]}
        inside[GROUP] = names | {one["name"] for one in self._columns["outputs"]}
        self.check_places(set(inside), {f"{group}/{name}" for group, held in inside.items() for name in held})

    def result(self) -> StoredSweep:
        """Read everything, and compare the hash of the data with the stored one."""
        data = self.table()
        return StoredSweep(data=data, **self.around(partial(sweep_digest, data)))

    def table(self) -> SweepData:
        """The sweep, checked like one that is to be written."""
        told = self._columns
        seeds = self.variable(SEED)
        status = self.array(f"{GROUP}/status", "i", 2, codes=True)
        factors = tuple(self._factor(one) for one in told["factors"])
        outputs = tuple(
            OutputColumn(one["name"], one["title"], one["unit"], self._numbers(one, 2), one["ratio"])
            for one in told["outputs"]
        )
        data = SweepData(told["name"], told["title"], told["design"], factors, outputs, status, seeds)
        for place, rule in problems(data):
            self.refuse(f"{GROUP}/{place}", rule)
        return data

    def _factor(self, one: Mapping[str, Any]) -> FactorColumn:
        if one["labels"]:
            values = self.array(f"{GROUP}/{one['name']}{CODE}", "i", 1).astype(np.float64)
        else:
            values = self._numbers(one, 1)
        return FactorColumn(one["name"], one["title"], one["unit"], values, tuple(one["labels"]), one["log"])

    def _numbers(self, one: Mapping[str, Any], rank: int) -> Any:
        return self.array(f"{GROUP}/{one['name']}", "f", rank)

    def _told(self) -> dict[str, Any]:
        """The columns that the summary tells, in the form that `columns` gives."""
        if "summary/json" not in self.entries:
            self.refuse("summary/json", "is missing")
        told = self.summary().get("columns")
        text: dict[str, type] = {"name": str, "title": str, "unit": str}
        forms: dict[str, dict[str, type]] = {
            "factors": text | {"labels": list, "log": bool},
            "outputs": text | {"ratio": bool},
        }
        if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in ("name", "title", "design")):
            self.refuse("summary/json", "does not say what the columns are")
        for key, form in forms.items():
            listed = told.get(key)
            fits = isinstance(listed, list) and all(
                isinstance(one, dict) and all(type(one.get(name)) is kind for name, kind in form.items())
                for one in listed
            )
            if not fits or not all(isinstance(x, str) for one in told[key] for x in one.get("labels", ())):
                self.refuse("summary/json", f"does not say what the {key} are")
        return told
