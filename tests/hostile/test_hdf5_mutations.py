"""A damaged result is a clear error or the same result: never another result, a crash or a hang."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from toy_result import write_toy
from toy_spatial import make_spatial, write_toy_spatial
from toy_trial import make_trial

SCRIPT = Path(__file__).with_name("hdf5_mutants.py")


def small(path: Path, kind: str) -> Path:
    """A small result of a trial or of a spatial study."""
    if kind == "trial":
        return write_toy(path, make_trial(n=4, trace=1))
    return write_toy_spatial(path, make_spatial(replicates=1, times=4, shots=2, box=(3, 4, 5), cells=6))


def damage(tmp_path: Path, kind: str, mode: str, seed: int, count: int) -> tuple[Counter[str], list[str]]:
    """Outcomes of ``count`` mutants, and the lines of the bad ones."""
    source = small(tmp_path / "original.h5", kind)
    outcomes: Counter[str] = Counter()
    bad: list[str] = []
    done = 0
    while done < count:
        command = [sys.executable, str(SCRIPT), str(source), mode, *map(str, (seed, done, count))]
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
        lines = process.stdout.splitlines()
        for line in lines:
            result = line.split(" ", 2)[2]
            outcomes[result] += 1
            if result not in ("refused", "harmless", "unchanged"):
                bad.append(line)
        done += len(lines)
        if process.returncode:
            killed = process.returncode < 0
            result = "hang" if process.returncode == -getattr(signal, "SIGALRM", 0) else "crash"
            assert killed, process.stderr
            outcomes[result] += 1
            bad.append(f"{done} {result} {process.returncode}")
            done += 1
    return outcomes, bad


def report(kind: str, mode: str, outcomes: Counter[str]) -> None:
    mutated = sum(outcomes.values()) - outcomes["unchanged"]
    figures = ", ".join(f"{name} {outcomes[name]}" for name in ("refused", "harmless", "WRONG", "crash", "hang"))
    print(f"\n{kind}, {mode}: mutated {mutated}, {figures}")


@pytest.mark.parametrize(
    ("kind", "mode", "count"),
    [("trial", "plain", 40), ("trial", "resealed", 40), ("spatial", "plain", 60), ("spatial", "resealed", 60)],
)
def test_damaged_results(kind, mode, count, tmp_path):
    outcomes, bad = damage(tmp_path, kind, mode, 1, count)
    report(kind, mode, outcomes)
    assert bad == []
    assert outcomes["refused"] > 0.7 * count


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["trial", "spatial"])
@pytest.mark.parametrize(("mode", "count"), [("plain", 600), ("resealed", 1500)])
def test_many_damaged_results(kind, mode, count, tmp_path):
    outcomes, bad = damage(tmp_path, kind, mode, 2, count)
    report(kind, mode, outcomes)
    assert bad == []
    assert outcomes["refused"] > 0.7 * count
