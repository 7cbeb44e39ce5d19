"""Peak memory of `tumorsim run` over the number of patients, and what a million of them would take."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.jobs import TRIAL, tumorsim

SIZES = {True: (100, 600), False: (20_000, 60_000)}  # patients: blocks of 10,000, and less for trying the code alone
MILLION = 1_000_000
AIM = 2.0  # GiB


def memory(quick: bool, repeats: int) -> list[Figure]:
    """Slope between two sizes, carried on to a million."""
    few, many = SIZES[quick]
    with tempfile.TemporaryDirectory() as folder:
        peaks = [
            tumorsim("run", TRIAL, "--patients", str(n), "--threads", "2", "--quiet",
                     "--out", str(Path(folder) / f"{n}.h5")).peak_mib
            for n in (few, many)
        ]  # fmt: skip
    each = max(peaks[1] - peaks[0], 0.0) / (many - few)  # MiB
    return [
        Figure(f"tumorsim run, {few:,} patients: peak", peaks[0], "MiB"),
        Figure(f"tumorsim run, {many:,} patients: peak", peaks[1], "MiB"),
        Figure("a patient more", 1024.0 * each, "KiB"),
        Figure("a million patients, from that slope", (peaks[1] + each * (MILLION - many)) / 1024.0, "GiB",
               goal=AIM, at_most=True),
    ]  # fmt: skip
