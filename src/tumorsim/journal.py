"""An append-only journal: one line of JSON a record, flushed to the disk, each with its own checksum.

After a kill the last line may be torn: it is cut off, and what it held is done again. A
line that does not agree with its checksum is left out in the same way, so that nothing
damaged is ever used.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Self

MAX_BYTES: Final = 1 << 30
Record = dict[str, Any]
Key = tuple[str, int]


class JournalError(ValueError):
    """A journal that cannot be gone on with; the message says what to do."""


class HeadlessError(JournalError):
    """A file without a first line that says what it is."""


@dataclass
class Journal:
    """Records by stage and index.

    A kind of journal is a subclass that says what it is.

    Attributes
    ----------
    path
        The file.
    records
        What it holds.
    dropped
        Lines that were torn or damaged.
    """

    FORMAT: ClassVar[str]
    LAYOUT: ClassVar[int]
    WHOSE: ClassVar[str]
    """What it is a journal of, as messages call it: ``a calibration``."""
    DECIDED_BY: ClassVar[str]
    """What must not change while it grows."""

    path: Path
    records: dict[Key, Record]
    dropped: int = 0
    _stream: BinaryIO | None = field(default=None, repr=False)
    _since: float = field(default_factory=time.perf_counter, repr=False)

    @classmethod
    def open(cls, path: Path, digest: str, head: Mapping[str, Any]) -> Self:
        """Open for appending; a new file begins with ``head``.

        Parameters
        ----------
        path
            The file; made if it is not there.
        digest
            Identifies the configuration: a journal of another one is refused.
        head
            Facts kept in the first line.

        Raises
        ------
        JournalError
            No log, or one of another configuration or layout.
        """
        log = cls(path, {})
        if path.exists():
            log._load(digest, mend=True)
        fresh = ("head", 0) not in log.records
        log._stream = path.open("ab")
        if fresh:
            log.append("head", 0, {"format": cls.FORMAT, "layout": cls.LAYOUT, "configuration": digest, **head})
        return log

    @classmethod
    def look(cls, path: Path, digest: str | None = None) -> Self:
        """Read one that another process may be writing: nothing is cut off and nothing added.

        Parameters
        ----------
        path
            The file.
        digest
            As of `open`; of any configuration if None.

        Raises
        ------
        JournalError
            As `open`.
        """
        log = cls(path, {})
        log._load(digest, mend=False)
        return log

    def _load(self, digest: str | None, mend: bool = True) -> None:
        if self.path.stat().st_size > MAX_BYTES:
            raise JournalError(f"{self.path}: is larger than {MAX_BYTES >> 30} GiB; choose another folder with --out")
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():
            record = _record(line)
            if record is None:
                self.dropped += 1
            else:
                self.records[str(record["stage"]), int(record["index"])] = record
        if len(whole) < len(content):
            self.dropped += 1
            if mend:
                with self.path.open("r+b") as stream:
                    stream.truncate(len(whole))
        head = self.records.get(("head", 0))
        if head is None and whole:
            raise HeadlessError(f"{self.path}: is no log of {self.WHOSE}; choose another folder with --out")
        if head is not None and (head.get("format") != self.FORMAT or head.get("layout") != self.LAYOUT):
            raise JournalError(f"{self.path}: was written by another version; choose another folder with --out")
        if head is not None and digest is not None and head.get("configuration") != digest:
            raise JournalError(
                f"{self.path}: belongs to another configuration ({self.DECIDED_BY} has changed since); choose another "
                "folder with --out, or begin anew with --force"
            )

    def get(self, stage: str, index: int, latent: list[float] | None = None) -> Record | None:
        """A record; None if there is none, or if it was made at another point."""
        found = self.records.get((stage, index))
        return found if found is not None and (latent is None or found.get("latent") == latent) else None

    def append(self, stage: str, index: int, content: Mapping[str, Any]) -> Record:
        """Add a record; it is on the disk when this returns. Its ``seconds`` are those since the last one.

        Raises
        ------
        JournalError
            The disk is full, or refuses the write.
        """
        now = time.perf_counter()
        record: Record = {"stage": stage, "index": index, **content, "seconds": round(now - self._since, 3)}
        self._since = now
        body = _dump(record)
        assert self._stream is not None
        try:
            self._stream.write(f'{{"crc": "{zlib.crc32(body.encode()):08x}", {body[1:]}\n'.encode())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            stream, self._stream = self._stream, None
            with suppress(OSError):  # it tries once more to write what did not go
                stream.close()
            raise JournalError(
                f"{self.path}: cannot be written ({error.strerror}); what was recorded before is kept. Free some "
                "space, and run the same command again"
            ) from error
        # what a later run reads is what this one goes on with
        self.records[stage, index] = json.loads(body)
        return self.records[stage, index]

    def start_clock(self) -> None:
        """What went before is no part of the next record's ``seconds``."""
        self._since = time.perf_counter()

    def seconds(self) -> dict[str, float]:
        """Wall time of each stage, those of earlier processes too."""
        told: dict[str, float] = {}
        for (stage, _), record in self.records.items():
            if stage != "head":
                told[stage] = told.get(stage, 0.0) + float(record["seconds"])
        return told

    def stage(self, name: str) -> list[Record]:
        """The records of a stage in order."""
        return [record for (stage, _), record in sorted(self.records.items()) if stage == name]

    def digest(self) -> str:
        """SHA-256 of what was simulated, without the times it took: equal for equal work in any order."""
        kept = [
            {key: value for key, value in record.items() if key != "seconds"}
            for (stage, _), record in sorted(self.records.items())
            if stage != "head"
        ]
        return hashlib.sha256(_dump(kept).encode()).hexdigest()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(", ", ": "))


def _record(line: bytes) -> Record | None:
    """The record of a line; None if it is torn, foreign or damaged."""
    try:
        found = json.loads(line)
        crc = found.pop("crc")
        if f"{zlib.crc32(_dump(found).encode()):08x}" == crc and {"stage", "index"} <= found.keys():
            return dict(found)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return None
    return None


def written(values: Iterable[float]) -> list[float | str | None]:
    """Numbers as a line holds them: JSON knows no infinity, and None stands for no number."""
    return [float(x) if math.isfinite(x) else None if math.isnan(x) else str(float(x)) for x in values]


def numbers(line: Iterable[float | str | None]) -> list[float]:
    """The inverse of `written`."""
    return [math.nan if x is None else float(x) for x in line]
