"""Look over the folder of a sweep without changing anything: every shard, and the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorsim.journal import JournalError
from tumorsim.sweep.shards import FOLDER, SUFFIX, TABLE, Index, indexes, named_in, read_folder
from tumorsim.verify import verify


@dataclass(frozen=True)
class FolderReport:
    """What was found in the folder of a sweep.

    Attributes
    ----------
    path
        The folder.
    whole
        Shards that can be trusted.
    adopted
        How many of them no index names; the next call takes them in.
    runs, total, failed
        Runs on disk; of the sweep; that failed.
    problems
        What cannot be trusted, in words; the same command does those runs again.
    digest
        SHA-256 of the table's data; None if there is no table, or it is damaged.
    """

    path: Path
    whole: int
    adopted: int
    runs: int
    total: int
    failed: int
    problems: tuple[str, ...]
    digest: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; a sweep that is not finished is whole as far as it is."""
        return not self.problems

    def __str__(self) -> str:
        table = f", table with data SHA-256 {self.digest}" if self.digest else ""
        line = (
            f"{self.path}: {self.whole:,} shards whole, {len(self.problems)} problems; {self.runs:,} of {self.total:,} "
            f"runs, {self.failed:,} of them failed{table}"
        )
        return "\n  ".join([line, *self.problems])


def is_sweep_folder(path: Path) -> bool:
    """Whether a path is the output folder of a sweep."""
    return path.is_dir() and bool(indexes(path) or any((path / FOLDER).glob(f"*{SUFFIX}")))


def inspect_sweep(folder: Path | str) -> FolderReport:
    """Check every shard in the folder of a sweep, and its table; nothing is changed.

    Raises
    ------
    JournalError
        It holds no sweep, or the indexes of two.
    """
    folder = Path(folder)
    if not is_sweep_folder(folder):
        raise JournalError(f"{folder}: holds no sweep; give the folder that `tumorsim sweep` named")
    opened: list[Index] = []
    problems: list[str] = []
    for path in indexes(folder):
        try:
            opened.append(Index.look(path, opened[0].records["head", 0]["configuration"] if opened else None))
        except JournalError as error:
            problems.append(str(error))
    if not opened:
        told = "has no index that can be read; the same command makes it again"
        return FolderReport(folder, 0, 0, 0, 0, 0, (*problems, f"{folder}: {told}"), None)
    head: dict[str, Any] = opened[0].records["head", 0]
    total, outputs = int(head["runs"]), int(head["outputs"])
    found = read_folder(folder, str(head["configuration"]), named_in(opened), total, outputs)
    problems += found.damaged
    digest = None
    if (folder / TABLE).exists():
        report = verify(folder / TABLE)
        digest = report.digest
        problems += map(str, report.problems)
    failed = sum(bool(row.failure) for row in found.rows.values())
    return FolderReport(
        folder, found.whole, len(found.adopted), len(found.rows), total, failed, tuple(problems), digest
    )  # fmt: skip
