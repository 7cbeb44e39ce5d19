"""What ``check`` and ``run`` do with a spatial scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorsim.cli.console import Code, Progress, clock, going_on, print_json, printable, program, say

if TYPE_CHECKING:
    from rich.table import Table

    from tumorsim.spatial_scenario import SpatialScenario


_NOTHING_LEFT = (
    "no lattice was finished, and nothing is left; with output.checkpoint, e.g. 7 day, a scenario can also be "
    "taken up within a lattice"
)


def show_plan(study: SpatialScenario, as_json: bool, threads: int | None = None) -> None:
    """Print what a run would do and cost."""
    from tumorsim.spatial_plan import spatial_plan, spatial_plan_text

    planned = spatial_plan(study, threads)
    if as_json:
        print_json(planned)
    else:
        typer.echo(printable(spatial_plan_text(planned)))


def run_lattices(
    scenario: Path, out: Path | None, seed: int | None, replicates: int | None, threads: int | None,
    overrides: Sequence[str], dry_run: bool, force: bool, as_json: bool,
) -> Code:  # fmt: skip
    """Simulate a spatial scenario, write its result and print what the arms came to."""
    from tumorsim.cli.files import result_name
    from tumorsim.spatial_scenario import load_spatial

    study = load_spatial(scenario, overrides, replicates, seed)
    if dry_run:
        show_plan(study, as_json, threads)
        return Code.DONE
    path = result_name(out, f"{study.name}-seed{study.seed}", force)
    from tumorsim.api import default_threads
    from tumorsim.spatial_api import run_spatial

    cores = threads or default_threads()
    say(f"{study.name}: {printable(study.title)}")
    lattices = len(study.arms) * study.lattice.replicates
    nz, ny, nx = study.lattice.shape
    used = "1 thread" if cores == 1 else f"{cores} threads"
    say(f"{lattices} lattices of {nx} x {ny} x {nz} voxels, {study.lattice.steps:,} steps, seed {study.seed}, {used}")
    with Progress("steps") as progress, going_on(path, _NOTHING_LEFT):
        result = run_spatial(study, threads=threads, out=path, force=force, progress=progress, notify=progress.note)
    say(f"simulated and written in {clock(progress.elapsed)}")
    if as_json:
        print_json(result.as_dict | {"result": str(path)})
    else:
        _show_result(result.as_dict, path)
    return Code.DONE


def _show_result(summary: dict[str, Any], path: Path) -> None:
    from tumorsim.cli.printing import NOT_FOR_CLINIC, stdout

    console = stdout()
    for shown in _tables(summary):
        console.print(shown)
    typer.echo(f"Result: {path}")
    typer.echo(f"Next:   {program()} report {path}")
    typer.echo(f"        {program()} plot lattice {path}")
    typer.echo(NOT_FOR_CLINIC)


def _tables(summary: dict[str, Any]) -> list[Table]:
    """What the arms came to; and how they differ from the first, replicate by replicate."""
    from tumorsim.cli.printing import MISSING, UNITS, table, with_interval

    arms = [arm["name"] for arm in summary["arms"]]
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for row in summary["rows"]:
        rows.setdefault(row["quantity"], {})[row["arm"]] = row
    count = f"{summary['replicates']} replicate{'s' if summary['replicates'] != 1 else ''}"
    means = table("", *arms, title=f"Day {summary['days']:g}, mean of {count} (95% interval)", right=arms)
    for by_arm in rows.values():
        first = by_arm[arms[0]]
        found = [(by_arm[arm]["mean"], by_arm[arm]["interval"]) for arm in arms]
        cells = [MISSING if mean is None else with_interval(mean, ends, None) for mean, ends in found]
        unit = UNITS.get(first["unit"], first["unit"])
        means.add_row(f"{first['title']}, {unit}" if unit else first["title"], *cells)
    others = arms[1:]
    if not others or summary["replicates"] < 2:
        return [means]
    apart = table(
        "", *others, title=f"Less {arms[0]}, replicate by replicate; where the interval leaves out 0", right=others
    )
    for by_arm in rows.values():
        cells = [_difference(by_arm[arm]) for arm in others]
        if any(cells):
            apart.add_row(by_arm[arms[0]]["title"], *cells)
    return [means, apart]


def _difference(row: dict[str, Any]) -> str:
    """Difference from the first arm with its interval; empty where that holds zero, or replicates do not differ."""
    from tumorsim.cli.printing import with_interval

    low, high = row["difference_interval"]
    if low is None or high is None or low <= 0.0 <= high or low == high:
        return ""
    return with_interval(row["difference"], (low, high), None)
