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

from tumorsim.store.consistency import spatial_problems, trial_problems
from tumorsim.store.decoding import Reader
from tumorsim.store.errors import Problem, ResultError, clean
from tumorsim.store.guard import attribute
from tumorsim.store.layout import FORMATS
from tumorsim.store.reading import FileReader
from tumorsim.store.sealing import check_seal
from tumorsim.store.spatial_decoding import SpatialReader
from tumorsim.store.sweep import SweepReader

_READERS: dict[str, Any] = {"trial": Reader, "spatial": SpatialReader, "sweep": SweepReader}
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
        kind = FORMATS.get(str(attribute(file, "format", path)), "trial")
        reader = _READERS[kind](file, path)
        found["layout_version"] = reader.version
        found["datasets"] = sum(entry is not None and not entry.same_as for entry in reader.entries.values())
        unreadable = list(_unreadable(reader))
        problems.extend(unreadable)
        if not unreadable:
            found["digest"] = reader.result().digest
            problems.extend(_more(reader))
    return found


def _more(reader: FileReader) -> Iterator[Problem]:
    """What only the inspection looks at."""
    if isinstance(reader, SpatialReader):
        yield from spatial_problems(reader)
    elif isinstance(reader, Reader):
        yield from trial_problems(reader)


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


def _unreadable(reader: FileReader) -> Iterator[Problem]:
    """Datasets whose stored checksum or structure does not let them be read."""
    for place, entry in reader.entries.items():
        if entry is None or entry.same_as or entry.kind == "O":
            continue
        try:
            dataset = reader.file[place]
            for chunk in dataset.iter_chunks() if dataset.chunks else [...]:
                dataset[chunk]
        except MemoryError:
            raise
        except Exception as error:
            yield Problem(place, clean(f"cannot be read ({error})"), _DAMAGED)


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
