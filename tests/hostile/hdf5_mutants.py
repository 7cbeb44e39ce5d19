"""Damage copies of a file and read them; run as a script by `supervised`.

    python hdf5_mutants.py KIND FOLDER MODE SEED START STOP

One line a mutant: number, what was done, outcome. The process may crash or hang
on one; who runs it then starts it again behind that one. Mode ``plain`` damages
the file as it is; ``resealed`` gives the damaged bytes a valid seal, so that the
HDF5 library and the layers behind it must see the damage themselves. Files are
results of a trial and of a lattice, the table of a sweep, a checkpoint, the log and
the outcome of a calibration, and the outcome of a sensitivity analysis.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from supervised import leave, limited, ring, say

from made_sweeps import make_sensitivity
from toy_calibration import write_outcome
from toy_result import reseal, write_toy
from toy_spatial import make_spatial, write_toy_spatial
from toy_sweep import write_toy_sweep
from toy_trial import make_trial
from tumorsim.calibration.log import Log
from tumorsim.calibration.outcome import OutcomeError, read_outcome
from tumorsim.journal import JournalError
from tumorsim.sensitivity_data import SensitivityError, read_sensitivity
from tumorsim.store import (
    ResultError,
    StoredResult,
    StoredSpatial,
    compare,
    compare_spatial,
    read,
    read_checkpoint,
    read_spatial,
    read_sweep,
    write_checkpoint,
)
from tumorsim.store.sealing import SEAL_SIZE
from tumorsim.sweep_data import arrays

SECONDS = 20  # beyond this a mutant counts as a hang


def mutate(content: bytes, luck: random.Random) -> tuple[str, bytes]:
    """A flipped bit (six in ten), a cut, a run of zeros, random bytes, or two swapped blocks."""
    kind = luck.choices(["flip", "cut", "zeros", "noise", "swap"], [6, 1, 1, 1, 1])[0]
    at = luck.randrange(len(content))
    if kind == "flip":
        bit = 1 << luck.randrange(8)
        return f"flip {at} {bit}", content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
    if kind == "cut":
        return f"cut {at}", content[:at]
    size = min(luck.choice([1, 8, 64, 512, 4096]), len(content) - at)
    if kind == "swap":
        other = luck.randrange(len(content) - size)
        changed = bytearray(content)
        changed[at : at + size], changed[other : other + size] = content[other : other + size], content[at : at + size]
        return f"swap {at} {other} {size}", bytes(changed[: len(content)])
    piece = bytes(size) if kind == "zeros" else luck.randbytes(size)
    return f"{kind} {at} {size}", content[:at] + piece + content[at + size :]


def same(a: StoredResult | StoredSpatial, b: StoredResult | StoredSpatial) -> bool:
    """Whether two results say the same in everything."""
    spatial = isinstance(a, StoredSpatial)
    if (compare_spatial if spatial else compare)(a.data, b.data) or words(a) != words(b):
        return False
    if spatial:
        return True
    ours, theirs = columns(a), columns(b)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k], equal_nan=True) for k in ours)


def columns(result: StoredResult) -> dict[tuple[str, str, str], np.ndarray]:
    """Every column of every curve."""
    found = {}
    for endpoint, arms in result.curves.items():
        for arm, table in arms.items():
            found |= {(endpoint, arm, name): column for name, column in table.items()}
    return found


def words(stored: Any) -> tuple[Any, ...]:
    """What stands beside the data."""
    return stored.summary, stored.provenance, stored.scenario_text, stored.scenario_source, stored.digest


def same_sweep(a: Any, b: Any) -> bool:
    """Whether two tables say the same."""
    ours, theirs = arrays(a.data), arrays(b.data)
    head = (a.data.name, a.data.title, a.data.design) == (b.data.name, b.data.title, b.data.design)
    return head and words(a) == words(b) and same_arrays(ours, theirs) and np.array_equal(a.data.seeds, b.data.seeds)


def same_arrays(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Whether two sets of arrays hold the same bits."""
    return a.keys() == b.keys() and all(
        (x.dtype, x.shape, x.tobytes()) == (b[name].dtype, b[name].shape, b[name].tobytes()) for name, x in a.items()
    )


def same_checkpoint(a: Any, b: Any) -> bool:
    """Whether two checkpoints hold the same."""
    return a[1] == b[1] and same_arrays(a[0], b[0])


def same_log(a: Log, b: Log) -> bool:
    """Whether every record that was read is one that was written; raises where some were put aside."""
    if not b.records.items() <= a.records.items():
        return False
    if len(b.records) < len(a.records):
        raise JournalError("what is damaged was put aside, and is done again")
    return True


def write_checkpoint_of(path: Path) -> Path:
    """A small checkpoint."""
    luck = np.random.default_rng(3)
    held = {"cells": luck.integers(0, 9, (5, 7)), "oxygen": luck.random((4, 3, 2)), "alive": luck.random(9) < 0.5}
    write_checkpoint(path, held, {"seed": 7, "done": False, "arm": "cik é"})
    return path


def write_log(path: Path) -> Path:
    """A log of twenty simulations."""
    with Log.open(path, "ab" * 32, {"name": "toy"}) as log:
        for k in range(20):
            log.append("optimise", k, {"latent": [k / 7.0, -1.5], "values": [0.1 * k, None, "inf"], "seed": k})
    return path


def write_sensitivity(path: Path) -> Path:
    """A small outcome of a sensitivity analysis."""
    path.write_text(make_sensitivity("morris").text(), encoding="utf-8")
    return path


def write_outcome_of(path: Path) -> Path:
    """A small outcome of a calibration."""
    return (write_outcome(path.parent, particles=12) / "outcome.json").rename(path)


@dataclass(frozen=True)
class Kind:
    """A kind of file: how a small one is written, read, compared and refused."""

    suffix: str
    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    same: Callable[[Any, Any], bool]
    error: type[Exception]


def _spatial(path: Path) -> Path:
    return write_toy_spatial(path, make_spatial(replicates=1, times=4, shots=2, box=(3, 4, 5), cells=6))


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b)


KINDS = {
    "trial": Kind("h5", lambda path: write_toy(path, make_trial(n=4, trace=1)), read, same, ResultError),
    "spatial": Kind("h5", _spatial, read_spatial, same, ResultError),
    "sweep": Kind("h5", write_toy_sweep, read_sweep, same_sweep, ResultError),
    "checkpoint": Kind("checkpoint", write_checkpoint_of, read_checkpoint, same_checkpoint, ResultError),
    "log": Kind("jsonl", write_log, Log.look, same_log, JournalError),
    "outcome": Kind("json", write_outcome_of, read_outcome, _equal, OutcomeError),
    "sensitivity": Kind("json", write_sensitivity, read_sensitivity, _equal, SensitivityError),
}
HDF5 = tuple(name for name, kind in KINDS.items() if kind.suffix == "h5")


def outcome(kind: Kind, original: Any, path: Path) -> str:
    """What comes of reading a file."""
    try:
        return "harmless" if kind.same(original, kind.read(path)) else "WRONG"
    except kind.error:
        return "refused"
    except BaseException as error:
        return f"UNCLEAN {type(error).__name__}"


def main(name: str, folder: Path, mode: str, seed: int, start: int, stop: int) -> None:
    limited()
    kind = KINDS[name]
    source, path = folder / f"original.{kind.suffix}", folder / f"mutant.{kind.suffix}"
    if not source.exists():
        kind.write(source)
    original, content = kind.read(source), source.read_bytes()
    for number in range(start, stop):
        body = content[:-SEAL_SIZE] if mode == "resealed" else content
        what, changed = mutate(body, random.Random(f"{seed} {number}"))
        if changed == body:
            say(number, "nothing", "unchanged")
            continue
        path.write_bytes(changed)
        if mode == "resealed":
            reseal(path)
        ring(SECONDS)
        say(number, what, outcome(kind, original, path))
    path.unlink(missing_ok=True)
    leave()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:7]))
