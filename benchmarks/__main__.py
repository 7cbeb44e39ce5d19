"""``python -m benchmarks [--quick] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.fields import fields
from benchmarks.figure import Figure, line
from benchmarks.machine import machine, peak_memory
from benchmarks.patient import PAPER, against_lsoda, cohort, kernel, start_up


def main() -> None:
    """Measure, print, and save if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer patients and repeats; under two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also save the figures as a list of objects")
    chosen = parser.parse_args()
    repeats = 3 if chosen.quick else 7
    found = machine()
    print(f"{found['cpu']}, {found['cores']} cores at hand, load {found['load']} at the start")
    print(", ".join(f"{name} {number}" for name, number in found["versions"].items()))
    figures = cohort(PAPER, repeats)
    figures += kernel(64, repeats)
    figures += against_lsoda(6 if chosen.quick else 20, repeats)
    figures += start_up()
    figures += fields(chosen.quick)
    figures.append(Figure("peak memory of this process", peak_memory(), "MiB"))
    for figure in figures:
        print(line(figure))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps([figure.as_dict() for figure in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
