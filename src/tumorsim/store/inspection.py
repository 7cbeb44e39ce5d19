"""Look a result file over, in a process of its own: ``python -m tumorsim.store.inspection``.

`tumorsim.verify.verify` starts it. A corrupt file can crash or hang the HDF5
library; here only this process goes down with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tumorsim.store.decoding import Reader
from tumorsim.store.errors import Problem, ResultError, clean
from tumorsim.store.layout import MAX_TEXT, TARGET_COLUMNS, variables_of
from tumorsim.store.sealing import check_seal

_DAMAGED = "Copy the file again from the original, or run the scenario again"


def inspect(path: Path) -> dict[str, Any]:
    """Everything found in one file.

    Returns
    -------
    dict
        ``problems`` (list of `Problem`), ``digest``, ``layout_version`` and ``datasets``
        as far as the inspection came.
    """
    found: dict[str, Any] = {"problems": [], "digest": None, "layout_version": None, "datasets": 0}
    problems: list[Problem] = found["problems"]
    with _noting(problems):
        check_seal(path)
    if not path.is_file():
        return found
    with _noting(problems), h5py.File(path, "r") as file:
        reader = Reader(file, path)
        found["layout_version"] = reader.version
        found["datasets"] = sum(entry is not None for entry in reader.entries.values())
        unreadable = list(_unreadable(reader))
        problems.extend(unreadable)
        if not unreadable:
            found["digest"] = reader.result().digest
            problems.extend(_loose_scales(reader))
            problems.extend(_other_names(reader))
            problems.extend(_other_targets(reader))
    return found


@contextlib.contextmanager
def _noting(problems: list[Problem]) -> Iterator[None]:
    """Turn what is raised inside into problems."""
    try:
        yield
    except ResultError as error:
        problems.append(Problem(error.place, error.rule, error.advice))
    except MemoryError:
        problems.append(Problem("file", "needs more memory than allowed", "Raise the memory limit of verify"))
    except Exception as error:
        problems.append(Problem("file", clean(f"cannot be read ({type(error).__name__}: {error})"), _DAMAGED))


def _unreadable(reader: Reader) -> Iterator[Problem]:
    """Datasets whose stored checksum or structure does not let them be read."""
    for place, entry in reader.entries.items():
        if entry is None or entry.kind == "O":
            continue
        try:
            reader.file[place][...]
        except MemoryError:
            raise
        except Exception as error:
            yield Problem(place, clean(f"cannot be read ({error})"), _DAMAGED)


def _dims(reader: Reader) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every dataset that lies on axes, with their names."""
    for variable in variables_of(reader.version).values():
        yield f"{variable.group}/{variable.name}", variable.dims
    yield "patients/arm_label", ("arm",)
    yield from (("scenario/resolved", ("text",)), ("scenario/source", ("text",)), ("summary/json", ("text",)))
    for place, entry in reader.entries.items():
        parts = place.split("/")
        if parts[0] == "targets" and len(parts) == 2 and parts[1] != "target":
            yield place, ("target",)
        if parts[0] == "statistics" and len(parts) == 3 and parts[2] not in ("arm", "step"):
            yield place, ("arm", "step")[: len(entry.shape) if entry else 0]


def _loose_scales(reader: Reader) -> Iterator[Problem]:
    """Axes that netCDF readers would not find."""
    for place, dims in _dims(reader):
        group = place.rsplit("/", 1)[0]
        for axis, dim in enumerate(dims):
            scale = reader.file[f"{group}/{dim}"].id
            if not h5py.h5ds.is_scale(scale) or not h5py.h5ds.is_attached(reader.file[place].id, scale, axis):
                yield Problem(place, f"its axis {dim} is not attached", _DAMAGED)


def _texts(reader: Reader, place: str) -> list[str]:
    """Texts of any length, one by one: many may point at one and the same long text."""
    dataset, texts, left = reader.file[place], [], MAX_TEXT
    for i in range(dataset.shape[0]):
        raw = dataset[i]
        texts.append(raw.decode() if isinstance(raw, bytes) else str(raw))
        left -= len(texts[-1])
        if left < 0:
            reader.refuse(place, f"holds more than {MAX_TEXT} characters")
    return texts


def _other_names(reader: Reader) -> Iterator[Problem]:
    """Axes and labels, as other tools see them, that differ from the names this package reads."""
    for place, entry in reader.entries.items():
        name = place.rsplit("/", 1)[1] if entry and not place.startswith("targets/") else ""
        expected = {"arm": "arms", "arm_label": "arm_labels"}.get(name)
        if expected and _texts(reader, place) != list(reader.names(expected)):
            yield Problem(place, f"differs from the attribute {expected} of the file", _DAMAGED)


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
            yield Problem(f"targets/{key}", "differs from the summary", _DAMAGED)


def _equal(reader: Reader, place: str, values: list[Any]) -> bool:
    expected = [np.nan if value is None else float(value) for value in values]
    return np.array_equal(reader.array(place, "f", 1), expected, equal_nan=True)


def _limit(memory: int, seconds: int) -> None:
    """Hold this process to its memory and time, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def main(arguments: list[str]) -> None:
    """Inspect one file and print one JSON object."""
    path, memory, seconds = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    _limit(memory, seconds)
    found = inspect(path)
    found["problems"] = [[problem.place, problem.rule, problem.advice] for problem in found["problems"]]
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the HDF5 library may hang while it closes a corrupt file


if __name__ == "__main__":
    main(sys.argv[1:])
