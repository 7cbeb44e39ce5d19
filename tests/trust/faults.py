"""Campaigns of faults: kill -9, dead workers, signals, full disks, damaged shards."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from processes import end_all, started
from studies import Study, Sweep

LIFE_SECONDS = 600.0  # no tiny study takes so long
ENDS = (0, 130)


@dataclass
class Measured:
    """What a campaign came to.

    Attributes
    ----------
    figures
        Counts and times, in the order in which they are printed.
    bad
        What must not be, in words; empty if the promise held.
    listed
        Lines for a page of its own, e.g. the faults that no test found.
    """

    figures: dict[str, Any] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    def text(self) -> str:
        """In one line."""
        return ", ".join(f"{name} {value}" for name, value in self.figures.items())


def whole(study: Study, out: Path, folder: Path) -> tuple[str, float]:
    """Digest of the uninterrupted work, and its seconds once kernels are compiled."""
    taken = []
    for _ in range(study.rehearsals):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        begun = time.monotonic()
        with started(study.command(out), folder / f"{out.name}.said") as one:
            if not one.wait(LIFE_SECONDS * 5) or one.process.returncode != 0:
                raise RuntimeError(f"{study.name} does not end well undisturbed:\n{one.said()}")
        taken.append(time.monotonic() - begun)
    digest = study.digest(out)
    assert digest is not None
    return digest, min(taken)


def kills(study: Study, folder: Path, faults: int, seed: int, at_once: int = 2) -> Measured:
    """Kill -9 at moments drawn evenly over the whole life, the same command again, until so many have died.

    Every other time the workers are killed with their parent; else they must end by themselves.
    """
    digest, seconds = whole(study, folder / "whole", folder)
    measured = Measured(
        {"faults": 0, "files read": 0, "openable": 0, "committed lost": 0, "finished": 0, "equal digests": 0}
    )
    share = [faults // at_once + (k < faults % at_once) for k in range(at_once)]
    with ThreadPoolExecutor(at_once) as pool:
        parts = [
            pool.submit(_killed, study, folder / f"lane-{k}", share[k], random.Random(f"{seed}-{k}"), digest, seconds)
            for k in range(at_once)
        ]
        for part in parts:
            try:
                found = part.result()
            except KeyboardInterrupt:  # the lanes would go on until they are done
                end_all()
                raise
            for name, value in found.figures.items():
                measured.figures[name] += value
            measured.bad += found.bad
    return measured


def _killed(
    study: Study, folder: Path, faults: int, draw: random.Random, digest: str, seconds: float
) -> Measured:  # fmt: skip
    """One lane of `kills`: life after life."""
    measured = Measured(Counter())
    figures, life = measured.figures, 0
    while figures["faults"] < faults:
        life += 1
        out = folder / f"life-{life}"
        out.mkdir(parents=True)
        committed: dict[str, Any] = {}
        for attempt in range(1000):
            mercy = figures["faults"] >= faults
            delay = LIFE_SECONDS if mercy else draw.uniform(0.0, 1.25 * seconds)
            with started(study.command(out), folder / "said.txt") as one:
                if not one.wait(delay):
                    if attempt % 2:
                        one.process.kill()
                        one.process.wait()
                        if one.outlived():
                            measured.bad.append(f"{study.name}: a worker outlived its parent")
                    one.end()
                    figures["faults"] += 1
                elif one.process.returncode != 0 and study.digest(out) is None:
                    measured.bad.append(f"{study.name}: the same command ends with {one.said()[-500:]!r}")
                    return measured
            try:
                found, files = study.look(out)
            except Exception as error:
                figures["files read"] += 1
                measured.bad.append(f"{study.name}: {type(error).__name__}: {error}")
                return measured
            figures["files read"] += files
            figures["openable"] += files
            lost = study.lost(committed, found)
            figures["committed lost"] += len(lost)
            measured.bad += [f"{study.name}: lost {name}" for name in lost]
            committed = found
            if study.digest(out) is not None:
                break
        figures["finished"] += 1
        figures["equal digests"] += study.digest(out) == digest
        if study.digest(out) != digest:
            measured.bad.append(f"{study.name}: another digest after kills")
        shutil.rmtree(out)
    return measured


def dead_workers(study: Sweep, folder: Path, lives: int, seed: int, between: tuple[int, int] = (3, 5)) -> Measured:
    """SIGKILL to one worker of a pool whenever so many more shards are there; the parent is left alone.

    Closer together the same run may lose its worker three times; it is then taken for the cause, and recorded as
    failed.
    """
    digest, _ = whole(study, folder / "whole", folder)
    draw = random.Random(seed)
    figures: Counter[str] = Counter()
    measured = Measured(figures)
    planned = study.completed(folder / "whole")
    for life in range(lives):
        out, due = folder / f"life-{life}", 1
        out.mkdir()
        with started(study.command(out), folder / "said.txt") as one:
            deadline = time.monotonic() + LIFE_SECONDS
            while not one.wait(0.05) and time.monotonic() < deadline:
                children = one.children()
                if children and len(list((out / "shards").glob("*.shard"))) >= due:
                    with suppress(ProcessLookupError):
                        os.kill(draw.choice(children), signal.SIGKILL)
                        figures["workers killed"] += 1
                    due = len(list((out / "shards").glob("*.shard"))) + draw.randint(*between)
            code, said = one.process.returncode, one.said()
        figures["runs planned"] += planned
        figures["runs completed"] += study.completed(out)
        figures["finished"] += 1
        figures["equal digests"] += study.digest(out) == digest
        if code != 0 or study.digest(out) != digest:
            measured.bad.append(f"{study.name}: ends with {code} after its workers died: {said[-400:]!r}")
        shutil.rmtree(out)
    return measured


def signals(study: Study, folder: Path, moments: int, seed: int, sign: str) -> Measured:
    """SIGINT to the group, as a terminal sends it, or SIGTERM to the parent; then the same command to its end."""
    digest, seconds = whole(study, folder / "whole", folder)
    draw = random.Random(seed)
    measured, latencies = Measured({"moments": 0, "exit 130": 0, "valid": 0, "equal digests": 0}), []
    figures = measured.figures
    for moment in range(moments):
        out = folder / f"moment-{moment}"
        out.mkdir()
        with started(study.command(out), folder / "said.txt") as one:
            while not one.said() and not one.wait(0.01):  # before its first line it is Python that starts
                pass
            ended = one.wait(draw.uniform(0.0, 0.8 * seconds))
            if ended:
                shutil.rmtree(out)
                continue
            begun = time.monotonic()
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGINT) if sign == "SIGINT" else one.process.send_signal(signal.SIGTERM)
            if not one.wait(60.0):
                measured.bad.append(f"{study.name}: {sign} is not heard within a minute")
            latencies.append(time.monotonic() - begun)
            code, said = one.process.returncode, one.said()
            if one.outlived():
                measured.bad.append(f"{study.name}: a worker outlived {sign}")
        if code != 130 and study.digest(out) is not None:  # it was done, and Python was going down
            shutil.rmtree(out)
            continue
        figures["moments"] += 1
        figures["exit 130"] += code == 130
        if code not in ENDS or "Traceback" in said:
            measured.bad.append(f"{study.name}: {sign} ends with {code}: {said[-400:]!r}")
        study.look(out)
        figures["valid"] += 1
        if study.digest(out) is None:
            with started(study.command(out), folder / "said.txt") as one:
                one.wait(LIFE_SECONDS)
        figures["equal digests"] += study.digest(out) == digest
        if study.digest(out) != digest:
            measured.bad.append(f"{study.name}: another digest after {sign}")
        shutil.rmtree(out)
    figures["latency p95"] = f"{np.quantile(latencies, 0.95):.2f} s" if latencies else "-"
    return measured


def may_mount() -> bool:
    """Whether this user may mount a file system of its own, which a small disk is made of."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and Path("/proc/mounts").exists()


def full_disk(study: Study, folder: Path, points: int) -> Measured:
    """A disk with less room at each point than the work needs; then room is made and the same command called."""
    digest, _ = whole(study, folder / "whole", folder)
    needed = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
    measured = Measured({"points": 0, "full": 0, "clear errors": 0, "valid": 0, "equal digests": 0})
    figures, disk = measured.figures, folder / "disk"
    disk.mkdir()
    for point in range(points):
        room = 4096 * (2 + round((needed / 4096 + 8) * point / points))
        _mount(disk, room)
        try:
            out = disk / "out"
            out.mkdir()
            with started(study.command(out), folder / "said.txt") as one:
                one.wait(LIFE_SECONDS)
                code, said = one.process.returncode, one.said()
            figures["points"] += 1
            study.look(out)
            figures["valid"] += 1
            if code:
                figures["full"] += 1
                clear = code == 2 and "Traceback" not in said and ("no room" in said or "No space" in said)
                figures["clear errors"] += clear
                if not clear:
                    measured.bad.append(f"{study.name}: a full disk ends with {code}: {said[-500:]!r}")
                subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
                with started(study.command(out), folder / "said.txt") as one:
                    one.wait(LIFE_SECONDS)
                    said = one.said()
            figures["equal digests"] += study.digest(out) == digest
            if study.digest(out) != digest:
                measured.bad.append(f"{study.name}: another digest after a full disk: {said[-300:]!r}")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return measured


def _mount(disk: Path, room: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tumorsim-trust", str(disk)], check=True)


Damage = Callable[[random.Random, Sequence[Path]], list[Path]]


def corrupt_shards(folder: Path, planted: int, seed: int) -> Measured:
    """Shards that are there and not what was written: every one must be put aside, and its runs done again."""
    from tumorsim.sweep.runs import Row
    from tumorsim.sweep.shards import Shards

    draw = random.Random(seed)
    measured = Measured({"planted": 0, "detected": 0, "sound ones kept": 0, "sound": 0, "wrong rows": 0})
    figures = measured.figures
    truth = {n: Row(n, (n / 7.0, -1.0 * n)) for n in range(40)}
    kinds: list[Damage] = [_cut, _emptied, _flipped, _swapped, _foreign, _of_another_point]
    turn = 0
    while figures["planted"] < planted:
        here = folder / f"sweep-{turn}"
        here.mkdir(parents=True)
        with Shards(here, "this sweep", {}) as shards:
            paths = [shards.write([truth[n] for n in range(k, k + 4)], 2) for k in range(0, 40, 4)]
        kind = kinds[turn % len(kinds)]
        hurt = kind(draw, paths)
        with Shards(here, "this sweep", {}) as shards:
            found = shards.read(40, 2)
            for path in hurt:
                seen = any(line.startswith(path.name) for line in found.damaged)
                figures["planted"] += 1
                figures["detected"] += seen
                if not seen:
                    measured.bad.append(f"{kind.__name__[1:]}: {path.name} was believed")
            figures["sound"] += len(paths) - len(hurt)
            figures["sound ones kept"] += sum(
                all(n in found.rows for n in range(4 * k, 4 * k + 4))
                for k, path in enumerate(paths)
                if path not in hurt
            )
            wrong = [n for n, row in found.rows.items() if row != truth[n]]
            figures["wrong rows"] += len(wrong)
            missing = sorted(set(truth) - set(found.rows))
            shards.write([truth[n] for n in missing], 2)
        with Shards(here, "this sweep", {}) as shards:
            again = shards.read(40, 2)
        if again.rows != truth or again.damaged or wrong:
            measured.bad.append(f"{kind.__name__[1:]}: after it was done again, {again.damaged}")
        shutil.rmtree(here)
        turn += 1
    return measured


def _cut(draw: random.Random, paths: Sequence[Path]) -> list[Path]:
    path = draw.choice(paths)
    path.write_bytes(path.read_bytes()[: draw.randrange(1, path.stat().st_size)])
    return [path]


def _emptied(draw: random.Random, paths: Sequence[Path]) -> list[Path]:
    path = draw.choice(paths)
    path.write_bytes(b"" if draw.random() < 0.5 else bytes(path.stat().st_size))
    return [path]


def _flipped(draw: random.Random, paths: Sequence[Path]) -> list[Path]:
    path = draw.choice(paths)
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return [path]


def _swapped(draw: random.Random, paths: Sequence[Path]) -> list[Path]:
    one, other = draw.sample(list(paths), 2)
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    return [one, other]


def _foreign(draw: random.Random, paths: Sequence[Path]) -> list[Path]:
    """Whole and sealed, of another sweep."""
    return [_written(draw.choice(paths), "another sweep", 0.5)]


def _of_another_point(draw: random.Random, paths: Sequence[Path]) -> list[Path]:
    """Whole, sealed and of this sweep by its own word, with other numbers than the index names."""
    return [_written(draw.choice(paths), "this sweep", 0.5)]


def _written(path: Path, identity: str, added: float) -> Path:
    from tumorsim.store import read_checkpoint, write_checkpoint

    arrays, header = read_checkpoint(path)
    write_checkpoint(path, arrays | {"value": arrays["value"] + added}, header | {"identity": identity})
    return path
