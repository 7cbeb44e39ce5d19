"""Damage copies of a result file and read them; run as a script by ``test_hdf5_mutations.py``.

    python hdf5_mutants.py ORIGINAL MODE SEED START STOP

One line a mutant: number, what was done, outcome. The process may crash or hang
on one; who runs it then starts it again behind that one. Mode ``plain`` damages
the file as it is; ``resealed`` gives the damaged bytes a valid seal, so that the
HDF5 library and the layers behind it must see the damage themselves. The file is
of a trial or of a spatial study.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toy_result import reseal
from tumorsim.store import (
    ResultError,
    StoredResult,
    StoredSpatial,
    compare,
    compare_spatial,
    kind_of,
    read,
    read_spatial,
)
from tumorsim.store.sealing import SEAL_SIZE

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
    if (
        (compare_spatial if spatial else compare)(a.data, b.data)
        or a.summary != b.summary
        or a.provenance != b.provenance
    ):
        return False
    if (a.scenario_text, a.scenario_source, a.digest) != (b.scenario_text, b.scenario_source, b.digest):
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


def outcome(original: StoredResult | StoredSpatial, path: Path) -> str:
    reader = read_spatial if isinstance(original, StoredSpatial) else read
    try:
        return "harmless" if same(original, reader(path)) else "WRONG"
    except ResultError:
        return "refused"
    except BaseException as error:
        return f"UNCLEAN {type(error).__name__}"


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(source: Path, mode: str, seed: int, start: int, stop: int) -> None:
    original = read_spatial(source) if kind_of(source) == "spatial" else read(source)
    content = source.read_bytes()
    path = source.with_name("mutant.h5")
    for number in range(start, stop):
        body = content[:-SEAL_SIZE] if mode == "resealed" else content
        what, changed = mutate(body, random.Random(f"{seed} {number}"))
        if changed == body:
            say(number, "nothing", "unchanged")
            continue
        path.write_bytes(changed)
        if mode == "resealed":
            reseal(path)
        if hasattr(signal, "alarm"):
            signal.alarm(SECONDS)  # kills even a loop inside the library
        say(number, what.replace(" ", ":"), outcome(original, path))
    path.unlink(missing_ok=True)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))
