"""Files damaged by chance, and inputs made to hurt: what comes of reading each."""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults import Measured

HOSTILE = Path(__file__).parents[1] / "hostile"
GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(HOSTILE))
sys.path.insert(0, str(HOSTILE.parent))

from hdf5_mutants import HDF5, KINDS  # noqa: E402 # where the command is not pytest, the folder must be named first
from supervised import supervised  # noqa: E402

LANES = 2
SHOWN = 5  # bad cases that are told one by one


def damaged(folder: Path, count: int, seed: int) -> Measured:
    """Bits flipped, ends cut, runs of zeros and noise, blocks swapped, in every kind of file.

    HDF5 files are hurt once as they are, and once with a valid seal over the damage.
    """
    parts = [*((kind, "plain") for kind in KINDS), *((kind, "resealed") for kind in HDF5)]
    share = -(-count // len(parts))
    jobs = []
    for kind, mode in parts:
        here = folder / f"{kind}-{mode}"
        here.mkdir(parents=True)
        jobs.append((HOSTILE / "hdf5_mutants.py", (kind, here, mode, seed), share))
    outcomes, bad = _lanes(jobs)
    figures = {"kinds": len(KINDS), "mutated": sum(outcomes.values()) - outcomes["unchanged"]}
    figures |= {name: outcomes[name] for name in ("refused", "harmless")}
    figures |= {"silently wrong": outcomes["WRONG"], "unclean": outcomes["UNCLEAN"]}
    figures |= {name: outcomes[name] for name in ("crash", "hang")}
    if outcomes["refused"] < 0.5 * figures["mutated"]:
        bad.append("fewer than half of the damaged files are refused: the damage is none")
    return Measured(figures, bad)


def yaml(folder: Path, count: int, seed: int) -> Measured:
    """Scenarios, sweeps, calibrations and sensitivity files that nobody wrote."""
    return _fuzzed(HOSTILE / "yaml_inputs.py", folder, count, seed)


def files(folder: Path, count: int, seed: int) -> Measured:
    """Result files and outcomes built wrong, with a valid seal."""
    return _fuzzed(HOSTILE / "file_inputs.py", folder, count, seed)


def _fuzzed(script: Path, folder: Path, count: int, seed: int) -> Measured:
    jobs = []
    for lane in range(LANES):
        here = folder / f"lane-{lane}"
        here.mkdir(parents=True)
        jobs.append((script, (here, seed + 1000 * lane), -(-count // LANES)))
    outcomes, bad = _lanes(jobs)
    figures = {"tried": sum(outcomes.values()), "loaded": outcomes["loaded"], "refused cleanly": outcomes["refused"]}
    unclean = ("UNCLEAN", "UNCLEAR", "UNLOADED", "WRONG")
    figures |= {"unclean": sum(outcomes[name] for name in unclean), "over 1 s": outcomes["SLOW"]}
    figures |= {"over 200 MB": outcomes["LARGE"], "crash": outcomes["crash"], "hang": outcomes["hang"]}
    for name in ("loaded", "refused"):
        if outcomes[name] < 0.05 * figures["tried"]:
            bad.append(f"fewer than one in twenty are {name}: the inputs are no mixture")
    return Measured(figures, bad)


def _lanes(jobs: list[tuple[Path, tuple[object, ...], int]]) -> tuple[Counter[str], list[str]]:
    """All jobs, two at a time."""
    with ThreadPoolExecutor(LANES) as pool:
        done = list(pool.map(lambda job: supervised(*job), jobs))
    outcomes: Counter[str] = Counter()
    for found, _ in done:
        outcomes += found
    bad = [
        f"{arguments[0]}: {line}" for (_, arguments, _), (_, lines) in zip(jobs, done, strict=True) for line in lines
    ]
    return outcomes, [*bad[:SHOWN], *([f"... and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else [])]


def golden(_: Path, __: int) -> Measured:
    """Results of every layout version that there ever was: read, verified, and their data as they were."""
    from tumorsim.store import LAYOUT_VERSION, read, read_spatial, read_sweep
    from tumorsim.store.spatial_layout import LAYOUT_VERSION as SPATIAL_VERSION
    from tumorsim.store.sweep import LAYOUT_VERSION as SWEEP_VERSION
    from tumorsim.verify import verify

    measured = Measured({"layouts": 0, "kept": 0, "read": 0, "same data": 0, "verified": 0})
    figures = measured.figures
    kinds = {"result": (LAYOUT_VERSION, read), "spatial": (SPATIAL_VERSION, read_spatial)}
    for kind, (last, reader) in (kinds | {"sweep": (SWEEP_VERSION, read_sweep)}).items():
        for version in range(1, last + 1):
            path = GOLDEN / f"{kind}_layout_{version}.h5"
            figures["layouts"] += 1
            if not path.exists():
                measured.bad.append(f"{path.name}: is not kept")
                continue
            figures["kept"] += 1
            known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            try:
                stored = reader(path)
            except Exception as error:
                measured.bad.append(f"{path.name}: {type(error).__name__}: {error}")
                continue
            figures["read"] += 1
            same = (stored.digest, stored.layout_version) == (known["digest"], version)
            same &= (stored.summary, stored.provenance) == (known["summary"], known["provenance"])
            whole = verify(path).ok
            figures["same data"] += same
            figures["verified"] += whole
            if not (same and whole):
                measured.bad.append(f"{path.name}: holds something else than it did")
    return measured
