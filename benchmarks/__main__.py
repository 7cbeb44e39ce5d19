"""``python -m benchmarks``: how fast the engine is, beside its peers and the limits of this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import saved, suites, table
from benchmarks.figure import Skip
from benchmarks.saved import Run


def parser() -> argparse.ArgumentParser:
    """Options."""
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    found.add_argument("--quick", action="store_true", help="smaller and fewer; two minutes with a warm cache")
    found.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these suites alone")
    found.add_argument("--list", action="store_true", help="name the suites and stop")
    found.add_argument("--json", type=Path, metavar="FILE", help="save the run")
    found.add_argument("--figure", type=Path, metavar="FILE", help="draw ratios to goals; FILE-roofline beside it")
    found.add_argument("--page", type=Path, metavar="FILE", help="write the run as a page of the documentation")
    found.add_argument("--against", type=Path, metavar="OLD.json", help="say what got slower since that run")
    found.add_argument("--strict", action="store_true", help="exit 1 if anything got slower (with --against)")
    found.add_argument("--saved", type=Path, metavar="FILE", help="measure nothing: read a run saved by --json")
    return found


def measure(chosen: Sequence[suites.Suite], quick: bool) -> Run:
    """Run the suites, the machine's limits first."""
    from benchmarks.limits import measured
    from benchmarks.machine import machine

    told, head = suites.Told(), machine()
    told("limits: the machine's own")
    try:
        from benchmarks.yardstick import limits
    except ModuleNotFoundError:
        limits = measured
    bounds = limits(quick)
    found = suites.run(chosen, quick, told)
    told("done")
    return Run(head, bounds, found.figures, quick, found.skipped, found.failed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, save; returns the exit code: 1 if a suite failed or, with --strict, got slower, 2 if misused."""
    asked = parser().parse_args(arguments)
    if asked.list:
        for suite in suites.SUITES:
            print(f"{suite.name:12s} {suite.title}{'' if suite.quick else ' (not in --quick)'}")
        return 0
    try:
        old = saved.Run.read(asked.against) if asked.against is not None else None
        if asked.saved is not None:
            run = saved.Run.read(asked.saved)
        else:
            run = measure(suites.chosen_of(suites.SUITES, asked.only, asked.quick), asked.quick)
    except (Skip, ValueError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print(table.text(run))
    if asked.json is not None:
        run.write(asked.json)
    if asked.figure is not None:
        from benchmarks.drawing import save

        for path in save(run, asked.figure):
            print(f"wrote {path}", file=sys.stderr)
    if asked.page is not None:
        asked.page.write_text(table.page(run), encoding="utf-8")
    slower = False
    if old is not None:
        changes = saved.compare(old, run)
        print("\n" + table.comparison(changes, saved.in_one_alone(old, run)))
        slower = any(one.worse for one in changes)
    return 1 if run.failed or (asked.strict and slower) else 0


if __name__ == "__main__":
    sys.exit(main())
