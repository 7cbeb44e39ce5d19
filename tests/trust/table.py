"""``python tests/trust/table.py``: what trust.md promises, measured; writes docs/credibility/trust.md.

Every row is a function that makes faults and counts; the page is made of what they return. With ``--only`` the other
rows of the page are kept as they are.
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cache
import damage
import faults
import mutation
import studies
from faults import Measured
from processes import end_all

from tumorsim.kernels._jit import cpu_name

PAGE = studies.ROOT / "docs" / "credibility" / "trust.md"
COMMAND = "python tests/trust/table.py"
SEED = 20
MUTANTS = 21  # another sample than the one that tests were written after


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    key
        What ``--only`` calls it.
    test
        What is done, for people.
    measure
        Does it in a folder; the second argument is the number of faults.
    count
        Faults, at the full size.
    """

    key: str
    test: str
    measure: Callable[[Path, int], Measured]
    count: int


class Long(studies.Sweep):
    """Two thousand cheap points."""

    text = (
        studies.small_sweep.TEXT.replace("points: 3", "points: 50").replace("points: 4", "points: 40")
        .replace("patients: 4", "patients: 2").replace("replicates: 2", "replicates: 1")
        .replace("7 month", "4 month").replace("(6 month)", "(3 month)")
    )  # fmt: skip
    workers, batch = 2, 10
    rehearsals = 2  # the first may compile, and kills would then come too late


def _kills(study: type[studies.Study]) -> Callable[[Path, int], Measured]:
    return lambda folder, count: faults.kills(study(folder / "files"), folder / "kills", count, SEED)


def _signals(study: type[studies.Study], sign: str) -> Callable[[Path, int], Measured]:
    return lambda folder, count: faults.signals(study(folder / "files"), folder / "signals", count, SEED, sign)


def _full(study: type[studies.Study]) -> Callable[[Path, int], Measured]:
    def measure(folder: Path, count: int) -> Measured:
        if not faults.may_mount():
            return Measured({"not measured": "needs the right to mount a small file system"})
        return faults.full_disk(study(folder / "files"), folder / "full", count)

    return measure


def _pool(folder: Path, count: int) -> Measured:
    return faults.dead_workers(studies.Sweep(folder / "files"), folder / "pool", count, SEED)


def _long(folder: Path, count: int) -> Measured:
    return faults.kills(Long(folder / "files"), folder / "kills", count, SEED, at_once=1)


def _matrix(folder: Path, count: int) -> Measured:
    from matrix import matrix

    return matrix(folder)


def _shards(folder: Path, count: int) -> Measured:
    return faults.corrupt_shards(folder, count, SEED)


def _seeded(campaign: Callable[[Path, int, int], Measured]) -> Callable[[Path, int], Measured]:
    return lambda folder, count: campaign(folder, count, SEED)


def _mutants(folder: Path, count: int) -> Measured:
    return mutation.mutation(folder, count, MUTANTS)


ROWS: list[Row] = [
    Row("matrix", "same bits: {1, 2} threads, {1, 2} processes, another order, resumed", _matrix, 1),
    Row("kill-trial", "kill −9, `run` of a trial", _kills(studies.Trial), 50),
    Row("kill-lattice", "kill −9, `run` of lattices with checkpoints", _kills(studies.Lattice), 40),
    Row("kill-sweep", "kill −9, `sweep` on 2 processes", _kills(studies.Sweep), 60),
    Row("kill-calibrate", "kill −9, `calibrate`", _kills(studies.Calibration), 50),
    Row("kill-2000", "kill −9, a sweep of 2,000 points", _long, 20),
    Row("shards", "present but corrupt shards on resume", _shards, 300),
    Row("pool", "SIGKILL to workers of a pool, `sweep`", _pool, 5),
    Row("sigint-run", "SIGINT, `run` of lattices", _signals(studies.Lattice, "SIGINT"), 10),
    Row("sigterm-run", "SIGTERM, `run` of a trial", _signals(studies.Trial, "SIGTERM"), 10),
    Row("sigint-sweep", "SIGINT, `sweep`", _signals(studies.Sweep, "SIGINT"), 10),
    Row("sigterm-sweep", "SIGTERM, `sweep`", _signals(studies.Sweep, "SIGTERM"), 10),
    Row("full-run", "disk full, `run` of lattices", _full(studies.Lattice), 6),
    Row("full-sweep", "disk full, `sweep`", _full(studies.Sweep), 8),
    Row("full-calibrate", "disk full, `calibrate`", _full(studies.Calibration), 6),
    Row("hdf5-damage", "truncation, bit flips, noise in every kind of file", _seeded(damage.damaged), 6000),
    Row("fuzz-yaml", "generated scenario, sweep, sensitivity and calibration files", _seeded(damage.yaml), 8000),
    Row("fuzz-hdf5", "generated HDF5 results and JSON outcomes, sealed", _seeded(damage.files), 4000),
    Row("mutation", "small faults put into the kernels", _mutants, 200),
    Row("cache", "compiled kernels cut short, edited callees", _seeded(cache.cache), 30),
    Row("golden", "golden results of every layout version", damage.golden, 1),
]
"""Add a row here; nothing else knows them."""

HEAD = f"""\
# Faults made on purpose

What [the engine promises about its files](index.md) is tried by making the faults. This page is written by

    {COMMAND}

which takes some hours on two cores; `--only KEY ...` measures some rows anew and keeps the others, `--count N` makes
N faults a row. Each row says how long it took, on a machine that may have had other work. Seeds are fixed, so damage,
inputs and faults in kernels are the same every time; the moments of kills and signals are those of the machine. A row
that found something wrong says *broken*, and the command ends with 1.

- *files read*: results, checkpoints, shards, tables, logs, outcomes that lay there after a fault; *openable*: those
  that were whole.
- *committed lost*: shards, lines of a log, steps of a lattice or results that lay there after one fault and not after
  a later one.
- *equal digests*: work that was called again until it was done, against the same work undisturbed, bit for bit.
- *mutated*: a small file of every kind (results of a trial and of a lattice, table of a sweep, checkpoint, log and
  outcome of a calibration, outcome of a sensitivity analysis) with a flipped bit, a cut, zeros, noise or blocks
  swapped; HDF5 files also with a valid seal over the damage. *refused*: with the error that is declared for it, or, in
  a log, the line put aside; *harmless*: read, and equal in everything; *silently wrong*: read, and not equal.
- *tried*: generated inputs, read in a process of their own. Of the YAML one in ten is valid and must load, one in five
  is garbage as text, the rest are shipped files with leaves, keys and branches changed. Of the others HDF5 files have
  wrong types, shapes, links, attributes, storage or claims, and JSON files other leaves and branches, all with a valid
  seal. *unclean*: any exception but the declared one, a message that cannot be printed, a valid input refused, or other
  data under the same digest. *over 1 s* counts seconds of the processor, *over 200 MB* what one input took.
- *cut*: compiled code or its index shortened to any length; *whole again*: the run after that finds it whole.
- *mutants*: faults put into the kernels (an operator, a comparison, a constant, `min` and `max`, a statement left out),
  drawn with a fixed seed from those in functions that the tests of `tests/kernels` call without the compiler. *killed*:
  a test fails; *timed out*: it would not end; *equivalent*: nobody could see it, with the reason in
  [the list of those that survived](trust-mutation.md). *score*: found, of those that are not equivalent. Functions that
  these tests reach only compiled are not drawn: the table has their share.

| row | test | figures | held |
| --- | --- | --- | --- |
"""


LISTED = (
    "The faults that no test found when this was measured, by file and line of `src/tumorsim/kernels`; written by",
    "",
    f"    {COMMAND} --only mutation",
    "",
    "Each is a gap in the tests that run without the compiler, unless a reason says that nobody could see it. Tests of",
    "compiled lattices and trials, which are not run here, may find it.",
    "",
)


def line(row: Row, measured: Measured, seconds: float, at: str) -> str:
    """A line of the page."""
    held = "yes" if not measured.bad else "*broken*"
    return f"| {row.key} | {row.test} | {measured.text()} ({seconds:.0f} s, {at}) | {held} |"


def kept(page: Path) -> dict[str, str]:
    """Lines of the page as it is, by key."""
    keys = {row.key for row in ROWS}
    found = {}
    for text in page.read_text(encoding="utf-8").splitlines() if page.exists() else ():
        key = text.split("|")[1].strip() if text.startswith("| ") else ""
        if key in keys:
            found[key] = text
    return found


def main() -> int:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="KEY", choices=[row.key for row in ROWS], help="these rows alone")
    parser.add_argument("--count", type=int, help="faults a row, instead of the full number")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table goes")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    chosen = parser.parse_args()
    if chosen.list:
        for row in ROWS:
            print(f"{row.key:16} {row.test}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return measure(chosen)
    except KeyboardInterrupt:
        end_all()
        return 130


def measure(chosen: argparse.Namespace) -> int:
    """Measure the rows that were chosen."""
    at = f"{cpu_name()}, Python {platform.python_version()}"
    broken = 0
    for row in ROWS:
        if chosen.only and row.key not in chosen.only:
            continue
        with tempfile.TemporaryDirectory(prefix="tumorsim-trust-") as folder:
            begun = time.monotonic()
            measured = row.measure(Path(folder), chosen.count or row.count)
            seconds = time.monotonic() - begun
        print(f"{row.key}: {measured.text()} ({seconds:.0f} s)", flush=True)
        for problem in measured.bad:
            print(f"  broken: {problem}", flush=True)
        broken += bool(measured.bad)
        lines = kept(chosen.page) | {row.key: line(row, measured, seconds, at)}
        shown = [lines[one.key] for one in ROWS if one.key in lines]
        if measured.listed:
            told = "\n".join([f"# {row.test.capitalize()}", "", *LISTED, *measured.listed])
            chosen.page.with_name(f"{chosen.page.stem}-{row.key}.md").write_text(told + "\n", encoding="utf-8")
        chosen.page.write_text(HEAD + "\n".join(shown) + "\n", encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
