"""Whole jobs as a user starts them, each in processes of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.timing import in_turn, ratio, spread

ROOT = Path(__file__).parents[1]
TRIAL = "scenarios/hcc_adjuvant_cik_rct.yaml"
SWEEP = "scenarios/small/sweep_dose_timing.yaml"
AIM_OF_TRIAL, AIM_OF_TWO_WORKERS = (4.0, 2.0), (1.8, 1.9)
PATIENTS, REPLICATES, POINTS = 6, 2, 100  # of the sweep


@dataclass(frozen=True)
class Job:
    """What one process and its children came to."""

    seconds: float
    peak_mib: float  # of the process itself, not of its children


def tumorsim(*arguments: str) -> Job:
    """Run the command line and wait for it.

    Raises
    ------
    RuntimeError
        It failed.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        told = Path(folder) / "told.json"
        command = [sys.executable, "-m", "tumorsim", *arguments]
        between = [sys.executable, "-S", str(Path(__file__).with_name("child.py")), str(told)]
        subprocess.run([*between, *command], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, check=True)
        found = json.loads(told.read_text(encoding="utf-8"))
        if found["code"]:
            said.seek(0)
            raise RuntimeError(f"tumorsim {' '.join(arguments)} failed:\n{said.read().decode(errors='replace')}")
    return Job(found["seconds"], found["peak_mib"])


def jobs(quick: bool, repeats: int) -> list[Figure]:
    """Help, a trial, and in the full tier a sweep on one and two workers."""
    with tempfile.TemporaryDirectory() as folder:
        found = asked_for_help(repeats) + trial(Path(folder), repeats)
        return found if quick else found + sweep(Path(folder), repeats)


def asked_for_help(repeats: int) -> list[Figure]:
    """The least a command takes."""
    times = [tumorsim("--help").seconds for _ in range(repeats)]
    return [Figure("tumorsim --help", statistics.median(times), "s", noise=spread(times))]


def trial(folder: Path, repeats: int) -> list[Figure]:
    """`tumorsim run` of the adjuvant trial, end points and file included, with a warm cache."""

    def once() -> Job:
        return tumorsim("run", TRIAL, "--threads", "2", "--out", str(folder / "trial.h5"), "--force", "--quiet")

    once()
    done = [once() for _ in range(max(1, repeats // 2))]
    times = [job.seconds for job in done]
    goal, stretch = AIM_OF_TRIAL
    return [
        Figure("tumorsim run of the adjuvant trial, 2 threads", statistics.median(times), "s", goal=goal,
               stretch=stretch, at_most=True, noise=spread(times)),
        Figure("its peak memory", max(job.peak_mib for job in done), "MiB"),
    ]  # fmt: skip


def sweep(folder: Path, repeats: int) -> list[Figure]:
    """A sweep of 100 points on one worker and on two, in turn."""

    def on(workers: int) -> Job:
        size = ("--patients", str(PATIENTS), "--replicates", str(REPLICATES))
        out = str(folder / f"sweep{workers}")
        return tumorsim("sweep", SWEEP, *size, "--workers", str(workers), "--out", out, "--force", "--quiet")

    times = in_turn({"one": lambda: on(1), "two": lambda: on(2)}, max(1, repeats // 2))
    faster, noise = ratio(times["one"], times["two"])
    runs, goal, stretch = POINTS * REPLICATES, *AIM_OF_TWO_WORKERS
    return [
        Figure(f"sweep of {runs} runs of {PATIENTS} patients, 1 worker", runs / statistics.median(times["one"]),
               "runs/s"),
        Figure("the same sweep, 2 workers", runs / statistics.median(times["two"]), "runs/s", None, "1 worker",
               faster, goal, stretch, noise=noise),
    ]  # fmt: skip
