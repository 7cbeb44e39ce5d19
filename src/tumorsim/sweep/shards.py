"""What a sweep has done, on disk: shards that are whole or absent, and an index that only grows.

A shard holds the rows of a batch. It is written beside, sealed, flushed and renamed (`tumorsim.store.checkpoint`), and
then named in the index with the SHA-256 of its bytes. On the next call nothing is believed because it exists: seal,
hash, identity and number of rows decide. A shard that fails is put aside and its runs are done again; one that the
index does not know yet, because a kill came between the two, is taken in. Several processes may share a folder, each
with an index of its own: none of them touches what another one writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from tumorsim.journal import HeadlessError, Journal, JournalError
from tumorsim.store import ResultError, read_checkpoint, write_checkpoint
from tumorsim.store.sealing import SEAL_SIZE
from tumorsim.sweep.runs import Row

TABLE: Final = "sweep.h5"
CONFIGURATION: Final = "sweep.yaml"
FOLDER: Final = "shards"
SUFFIX: Final = ".shard"
BAD: Final = ".damaged"
INDEX: Final = "index"
STALE: Final = 3600.0  # seconds; a half-written file of this age has no writer any more
_AGAIN: Final = "Run the sweep again: what it held is done again"


class Index(Journal):
    """The index of a sweep: a line for every shard."""

    FORMAT: ClassVar[str] = "tumorsim sweep index"
    LAYOUT: ClassVar[int] = 1
    WHOSE: ClassVar[str] = "a sweep"
    DECIDED_BY: ClassVar[str] = "the sweep file, its scenario, the library, the seed, the program or the CPU"


@dataclass
class Named:
    """What indexes say of one shard.

    Attributes
    ----------
    hashes
        SHA-256 of its bytes; two where two jobs did the same runs.
    runs
        First and last of every stretch of runs that it holds.
    """

    hashes: set[str]
    runs: list[list[int]]


@dataclass
class Done:
    """Rows that are on disk.

    Attributes
    ----------
    rows
        By number of the run.
    whole
        Shards that could be trusted.
    damaged
        What was found wrong, in words; those runs are done again.
    bad
        Shards that could not be trusted.
    adopted
        Shards that no index named, and their runs.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    whole: int = 0
    damaged: list[str] = field(default_factory=list)
    bad: list[Path] = field(default_factory=list)
    adopted: list[tuple[Path, list[int]]] = field(default_factory=list)

    def take(self, path: Path, rows: Sequence[Row]) -> None:
        """Add the rows of a shard; of a run that was done again after it had failed, what came of it then.

        Raises
        ------
        ResultError
            A run has other values here than in an earlier shard: then nothing is added.
        """
        for row in rows:
            there = self.rows.get(row.number)
            if there is not None and not there.failure and not row.failure and _bits(there) != _bits(row):
                raise ResultError(path, "file", f"gives run {row.number} other values than another shard", _AGAIN)
        for row in rows:
            there = self.rows.get(row.number)
            if there is None or there.failure:
                self.rows[row.number] = row
        self.whole += 1

    def lacks(self, named: Named) -> bool:
        """Whether a run of a shard is nowhere else."""
        return any(run not in self.rows for first, last in named.runs for run in range(first, last + 1))


def _bits(row: Row) -> bytes:
    return np.array(row.values, float).tobytes()


def indexes(folder: Path) -> list[Path]:
    """Every index in the folder of a sweep: of the one process, or of each job of an array."""
    return sorted([*folder.glob(f"{INDEX}.jsonl"), *folder.glob(f"{INDEX}-*-of-*.jsonl")])


def named_in(opened: Iterable[Index]) -> dict[str, Named]:
    """What indexes say of each shard, by its name."""
    known: dict[str, Named] = {}
    for index in opened:
        for record in index.stage("shard"):
            named = known.setdefault(str(record["file"]), Named(set(), record["runs"]))
            named.hashes.add(str(record["sha256"]))
    return known


def read_shard(path: Path, identity: str, named: Named | None, total: int, outputs: int) -> list[Row]:
    """The rows of a shard.

    Parameters
    ----------
    path
        The file.
    identity
        Of the sweep.
    named
        What indexes say of it; None if they do not know it.
    total, outputs
        Runs of the sweep, and numbers of a run.

    Raises
    ------
    ResultError
        It is damaged, of another sweep, or not what it says.
    """
    arrays, header = read_checkpoint(path, {"identity": identity})
    runs, values = arrays.get("run"), arrays.get("value")
    told = header.get("told")
    if runs is None or values is None or not isinstance(told, dict) or runs.dtype != np.int64 or runs.ndim != 1:
        raise ResultError(path, "file", "is no shard of a sweep", _AGAIN)
    if runs.size != header.get("rows") or values.shape != (runs.size, outputs) or runs.size == 0:
        raise ResultError(path, "file", "has other rows than it says", _AGAIN)
    if runs.min() < 0 or runs.max() >= total or np.unique(runs).size != runs.size:
        raise ResultError(path, "file", "has runs that this sweep does not have, or one twice", _AGAIN)
    if named is not None and _sha256(path) not in named.hashes:
        raise ResultError(path, "file", "is not the one that the index names", _AGAIN)
    rows = []
    for number, row in zip(runs.tolist(), values, strict=True):
        failure, remark = told.get(str(number), ["", ""])
        rows.append(Row(number, () if failure else tuple(map(float, row)), failure, remark))
    return rows


def read_folder(folder: Path, identity: str, known: Mapping[str, Named], total: int, outputs: int) -> Done:
    """Everything in a folder that can be trusted, and what cannot; nothing is changed.

    Parameters
    ----------
    folder
        Output folder of a sweep.
    identity, total, outputs
        As of `read_shard`.
    known
        From `named_in`.
    """
    found, left = Done(), dict(known)
    for path in sorted((folder / FOLDER).glob(f"*{SUFFIX}")):
        named = left.pop(path.name, None)
        try:
            rows = read_shard(path, identity, named, total, outputs)
            found.take(path, rows)
        except ResultError as error:
            found.damaged.append(f"{path.name}: {error.rule}")
            found.bad.append(path)
            continue
        if named is None:
            found.adopted.append((path, [row.number for row in rows]))
    found.damaged += [
        f"{name}: is in the index and not on the disk" for name in sorted(left) if found.lacks(left[name])
    ]
    return found


class Shards:
    """The shards of one sweep, written by one process; others may write theirs beside.

    Parameters
    ----------
    folder
        Output folder of the sweep.
    identity
        Of the sweep: shards and indexes of another one are refused.
    head
        Facts for the first line of the index.
    part
        Name of this process's own index, where several share the folder.
    """

    def __init__(self, folder: Path, identity: str, head: Mapping[str, Any], part: str = "") -> None:
        self.folder, self.identity = folder, identity
        self.path = folder / f"{INDEX}{part}.jsonl"
        self.others()  # a folder of another sweep is refused before anything is written
        (folder / FOLDER).mkdir(exist_ok=True)
        self.index = self._open(head)

    def _open(self, head: Mapping[str, Any]) -> Index:
        """The index of this process; one without its first line is put aside, since shards speak for themselves."""
        try:
            return Index.open(self.path, self.identity, head)
        except HeadlessError:
            if not any((self.folder / FOLDER).glob(f"*{SUFFIX}")):
                raise
            self.path.replace(self.path.with_name(self.path.name + BAD))
            return Index.open(self.path, self.identity, head)

    def others(self) -> list[Index]:
        """Indexes that other processes write."""
        found = []
        for path in indexes(self.folder):
            if path != self.path:
                with contextlib.suppress(HeadlessError):  # its shards speak for themselves
                    found.append(Index.look(path, self.identity))
        return found

    def read(self, total: int, outputs: int) -> Done:
        """Everything on disk that can be trusted; what cannot is put aside.

        Parameters
        ----------
        total
            Runs of the sweep.
        outputs
            Numbers of a run.
        """
        found = read_folder(self.folder, self.identity, named_in([self.index, *self.others()]), total, outputs)
        for path in found.bad:
            with contextlib.suppress(FileNotFoundError):  # another process put it aside
                path.replace(path.with_name(path.name + BAD))
        for path, runs in found.adopted:
            self._name(path, runs)
        return found

    def write(self, rows: Sequence[Row], outputs: int) -> Path:
        """Write a shard; it is on the disk, and in the index, when this returns.

        Raises
        ------
        ResultError
            The disk is full, or refuses the write; nothing is left half written.
        """
        rows = sorted(rows, key=lambda row: row.number)
        runs = np.array([row.number for row in rows], np.int64)
        values = np.array([row.values or (np.nan,) * outputs for row in rows], float).reshape(len(rows), outputs)
        told = {str(row.number): [row.failure, row.remark] for row in rows if row.failure or row.remark}
        # only the same runs may take the place of a shard: others that begin and end alike get another name
        which = hashlib.sha256(runs.tobytes()).hexdigest()[:8]
        path = self.folder / FOLDER / f"{runs[0]:09d}-{runs[-1]:09d}-{which}{SUFFIX}"
        header = {"identity": self.identity, "rows": len(rows), "told": told}
        write_checkpoint(path, {"run": runs, "value": values}, header)
        self._name(path, runs.tolist())
        return path

    def _name(self, path: Path, runs: Sequence[int]) -> None:
        sha256 = _sha256(path)
        content = {"file": path.name, "rows": len(runs), "runs": stretches(runs), "sha256": sha256}
        # numbered after what the line says, so that several writers of one index need not agree
        self.index.append("shard", int(sha256[:12], 16), content)

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def stretches(runs: Sequence[int]) -> list[list[int]]:
    """First and last of every stretch of neighbours in rising numbers."""
    if not runs:
        return []
    breaks = [(a, b) for a, b in pairwise(runs) if b != a + 1]
    firsts, lasts = [runs[0], *(b for _, b in breaks)], [*(a for a, _ in breaks), runs[-1]]
    return [list(ends) for ends in zip(firsts, lasts, strict=True)]


def _sha256(path: Path) -> str:
    """SHA-256 of a shard without its seal, which is that of the rest."""
    content = path.read_bytes()
    return hashlib.sha256(content[:-SEAL_SIZE]).hexdigest()


def open_folder(folder: Path, force: bool) -> None:
    """Make the output folder of a sweep if it is not there.

    Parameters
    ----------
    folder
        Of one sweep.
    force
        Delete what an earlier sweep left.

    Raises
    ------
    JournalError
        It holds other files and no sweep; ``force`` does not delete those.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = folder / FOLDER
    if not indexes(folder) and not any(shards.glob(f"*{SUFFIX}")):
        if any(path != shards and not path.name.startswith(".") for path in folder.iterdir()):
            raise JournalError(f"{folder}: holds other files and no sweep; choose another folder with --out")
    elif force:
        mine = [folder / CONFIGURATION, folder / TABLE, *shards.glob(f"*{SUFFIX}*"), *indexes(folder)]
        for path in (*mine, *folder.glob(f"{INDEX}*.jsonl{BAD}")):
            path.unlink(missing_ok=True)
    for stray in (*folder.glob(".*.part"), *shards.glob(".*.part")):  # of a process that was killed while it wrote
        with contextlib.suppress(FileNotFoundError):
            if time.time() - stray.stat().st_mtime > STALE:  # else another job may be writing it
                stray.unlink()


def batches(missing: Sequence[int], size: int) -> Iterator[list[int]]:
    """Runs to be done, in batches of neighbours."""
    for start in range(0, len(missing), size):
        yield list(missing[start : start + size])
