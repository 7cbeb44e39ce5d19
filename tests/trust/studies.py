"""Tiny studies that faults are made in: how each is called, what of it is on the disk, and what it comes to."""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import small_calibration
import small_sweep
import tumorsim as ts
from tumorsim.store import read_checkpoint
from tumorsim.store.sealing import SEAL_SIZE
from tumorsim.store.sweep import read_sweep
from tumorsim.sweep_data import STATUS

ROOT = Path(__file__).parents[2]
Units = dict[str, Any]
"""What is committed: a name, and something of it that may only grow or stay."""


class Study(ABC):
    """One kind of work.

    Parameters
    ----------
    folder
        Where its files are laid.
    """

    name: str
    rehearsals = 2
    """Undisturbed runs: the first may have to compile, and says nothing of how long a life is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def arguments(self, out: Path) -> list[object]:
        """What follows ``tumorsim`` on the command line."""

    @abstractmethod
    def look(self, out: Path) -> tuple[Units, int]:
        """What is committed, and how many files were read; raises where one is neither whole nor absent."""

    @abstractmethod
    def digest(self, out: Path) -> str | None:
        """Of the finished work; None while there is none."""

    def command(self, out: Path) -> list[str]:
        """The whole command."""
        return [sys.executable, "-m", "tumorsim", *map(str, self.arguments(out))]

    def lost(self, before: Units, after: Units) -> list[str]:
        """Committed before, and not any more."""
        return [name for name, value in before.items() if after.get(name) != value]


def result(path: Path) -> tuple[Units, int]:
    """A result file as what is committed."""
    return ({"result": ts.open_result(path).digest}, 1) if path.exists() else ({}, 0)


class Trial(Study):
    """Both arms of the combination, 40 patients: no state but the result."""

    name = "run, trial"

    def arguments(self, out: Path) -> list[object]:
        """Short enough to be killed often while it computes and writes."""
        scenario = ROOT / "scenarios" / "hcc_sorafenib_cik.yaml"
        return ["run", scenario, "--patients", 40, "--threads", 1, "-o", out / "r.h5"]

    def look(self, out: Path) -> tuple[Units, int]:
        """The result."""
        return result(out / "r.h5")

    def digest(self, out: Path) -> str | None:
        """Of the result."""
        return self.look(out)[0].get("result")


class Lattice(Trial):
    """Four lattices of 36 steps with a checkpoint every other step."""

    name = "run, lattice with checkpoints"

    def arguments(self, out: Path) -> list[object]:
        """On one thread, one lattice after the other."""
        settings = ("lattice.duration=1.5 day", "output.snapshots=[0 day, 1 day]", "output.checkpoint=2 hour")
        given = [word for setting in settings for word in ("--set", setting)]
        return ["run", ROOT / "tests" / "busy_lattice.yaml", *given, "--threads", 1, "-o", out / "r.h5"]

    def look(self, out: Path) -> tuple[Units, int]:
        """The result, or the step of every lattice."""
        units, files = result(out / "r.h5")
        if not units:
            for path in sorted((out / "r.h5.partial").glob("*.checkpoint")):
                _, header = read_checkpoint(path)
                units[path.name] = 10**9 if header["done"] else int(header["numbers"]["step"])
                files += 1
        return units, files

    def lost(self, before: Units, after: Units) -> list[str]:
        """Steps may only grow, until the result is there."""
        if "result" in after:
            return []
        return [name for name, step in before.items() if name == "result" or after.get(name, -1) < step]


class Sweep(Study):
    """Twelve points by two seeds on two processes, two runs a shard."""

    name = "sweep"
    text = small_sweep.TEXT
    workers, batch = 2, 2

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = small_sweep.write(folder, self.text)

    def arguments(self, out: Path) -> list[object]:
        """On two processes."""
        return ["sweep", self.file, "-o", out, "--workers", self.workers, "--batch", self.batch]

    def look(self, out: Path) -> tuple[Units, int]:
        """Every shard with its bytes, every line of the index, and the table."""
        units: Units = {}
        for path in sorted((out / "shards").glob("*.shard")):
            read_checkpoint(path)
            units[path.name] = hashlib.sha256(path.read_bytes()[:-SEAL_SIZE]).hexdigest()
        files = len(units)
        damaged = list((out / "shards").glob("*.damaged"))
        if damaged:
            raise ValueError(f"{damaged[0].name}: was put aside though nothing but a kill happened")
        if (out / "index.jsonl").exists():
            units |= lines(out / "index.jsonl")
            files += 1
        if (out / "sweep.h5").exists():
            units["table"] = read_sweep(out / "sweep.h5").digest
            files += 1
        return units, files

    def digest(self, out: Path) -> str | None:
        """Of the table."""
        return read_sweep(out / "sweep.h5").digest if (out / "sweep.h5").exists() else None

    def completed(self, out: Path) -> int:
        """Runs of which something came."""
        return int((read_sweep(out / "sweep.h5").data.status == STATUS.index("done")).sum())


class Calibration(Study):
    """Two dozen evaluations of a search."""

    name = "calibrate"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = small_calibration.write(folder)

    def arguments(self, out: Path) -> list[object]:
        """On one thread."""
        return ["calibrate", self.file, "-o", out, "--threads", 1]

    def look(self, out: Path) -> tuple[Units, int]:
        """Every line of the log, and the outcome."""
        units: Units = {}
        files = 0
        if (out / "log.jsonl").exists():
            units, files = lines(out / "log.jsonl"), 1
        if (out / "outcome.json").exists():
            units["outcome"] = json.loads((out / "outcome.json").read_text())["log_digest"]
            files += 1
        return units, files

    def digest(self, out: Path) -> str | None:
        """Of all that was simulated, with the fitted values."""
        if not (out / "outcome.json").exists():
            return None
        told = json.loads((out / "outcome.json").read_text())
        return hashlib.sha256(json.dumps([told["log_digest"], told["parameters"]]).encode()).hexdigest()


def lines(path: Path) -> Units:
    """The whole lines of a journal; raises if one of them is damaged. The last may be torn."""
    content = path.read_bytes()
    found: Units = {}
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        record = json.loads(line)
        crc = record.pop("crc")
        body = json.dumps(record, ensure_ascii=True, sort_keys=True, separators=(", ", ": "))
        if f"{zlib.crc32(body.encode()):08x}" != crc:
            raise ValueError(f"{path.name}: a line does not agree with its checksum")
        found[f"{path.name} {record['stage']} {record['index']}"] = crc
    return found
