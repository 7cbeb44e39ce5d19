"""The verb ``sweep``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, Progress, clock, complain, guarded, print_json, printable, program, say
from tumorsim.cli.options import (
    AsJson,
    DryRun,
    Force,
    Overrides,
    Patients,
    Quiet,
    Seed,
    Verbose,
    out_option,
)

if TYPE_CHECKING:
    from tumorsim.sweep.config import Sweep
    from tumorsim.sweep.design import Points
    from tumorsim.sweep.run import Finished

SweepPath = Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file (YAML).", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Processes; all cores if not given.", show_default=False),
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="Dask instead: tcp://HOST:PORT, or local:N.", show_default=False),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", metavar="N", min=1, help="Runs of a task; about 2 s of work if not given.", show_default=False
    ),
]
Part = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts, for job arrays.", show_default=False),
]
Retry = Annotated[bool, typer.Option("--retry", help="Do again the runs that failed before.")]
Copies = Annotated[
    int | None,
    typer.Option("--replicates", metavar="N", min=1, help="Runs of each point, instead of the file's.",
                 show_default=False),
]  # fmt: skip
SHOWN = 10  # failures, and points


@app.command()
@guarded
def sweep(
    file: SweepPath,
    out: Annotated[Path | None, out_option("Output folder; results/NAME if not given.")] = None,
    seed: Seed = None,
    patients: Patients = None,
    replicates: Copies = None,
    overrides: Overrides = None,
    workers: Workers = None,
    cluster: Cluster = None,
    batch: Batch = None,
    shard: Part = None,
    retry: Retry = False,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Code:
    """Run a scenario at many points of its values.

    A grid, a list, a Latin hypercube or Sobol' points over any value of a scenario, each
    with the same seeds. Every finished run is on the disk at once: after any interruption
    the same command goes on, to the same numbers, on any number of processes or machines.

    \b
    Examples:
      tumorsim sweep scenarios/small/sweep_dose_timing.yaml --dry-run
      tumorsim sweep scenarios/small/sweep_dose_timing.yaml -o results/dose_timing
      tumorsim sweep big.yaml --shard 3/20          one job of an array of 20
      tumorsim sweep big.yaml --cluster tcp://head:8786
    """
    from tumorsim.sweep.config import load_sweep

    if dry_run:
        check_sweep(file, seed, patients, replicates, overrides or (), as_json, workers, batch)
        return Code.DONE
    from tumorsim.sweep.plan import read_part
    from tumorsim.sweep.run import default_folder
    from tumorsim.sweep.run import sweep as run_sweep

    part = None if shard is None else read_part(shard)  # a slip is told before the scenario is read
    made = load_sweep(file, seed=seed, patients=patients, replicates=replicates, overrides=overrides or [])
    folder = out or default_folder(made)
    say(f"{made.name}: {printable(made.title)}")
    with progress_of(folder) as progress:
        finished = run_sweep(
            made, folder, workers=workers, cluster=cluster, batch=batch, shard=part, retry=retry, force=force,
            progress=progress, notify=progress.note,
        )  # fmt: skip
    say(f"{finished.done:,} runs in {clock(finished.seconds)}")
    if as_json:
        print_json(as_dict(finished))
    else:
        _show(finished)
    return Code.PARTIAL if finished.failed else Code.DONE


@contextmanager
def progress_of(folder: Path) -> Iterator[Progress]:
    """Progress of the runs; an interruption says that they are kept."""
    with Progress("runs") as progress:
        try:
            yield progress
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done lies in {folder}; the same command goes on") from None


def check_sweep(
    file: Path, seed: int | None, patients: int | None, replicates: int | None, overrides: Sequence[str], as_json: bool,
    workers: int | None = None, batch: int | None = None,
) -> None:  # fmt: skip
    """Read and check a sweep file, and print its plan."""
    from tumorsim.sweep.config import load_sweep
    from tumorsim.sweep.design import points_of

    made = load_sweep(file, seed=seed, patients=patients, replicates=replicates, overrides=list(overrides))
    points = points_of(made.read_factors, made.design, made.samples, made.base.seed)
    show_plan(made, points, made.design, workers, batch, as_json)


def show_plan(made: Sweep, points: Points, design: str, workers: int | None, batch: int | None, as_json: bool) -> None:
    """What would be run, and how long it would take."""
    from tumorsim.cli.printing import stdout, table
    from tumorsim.common_api import default_threads
    from tumorsim.sweep.plan import sweep_plan

    planned = sweep_plan(made, points, workers or default_threads(), batch) | {"design": design}
    if as_json:
        print_json(planned)
        return
    console = stdout()
    console.print(printable(f"{planned['name']}: {planned['title']}"), highlight=False)
    factors = table("factor", "place", "values")
    for one in planned["factors"]:
        factors.add_row(one["name"], ", ".join(one["paths"]), printable(one["values"]))
    console.print(factors)
    typer.echo(f"Read off each run: {', '.join(printable(one['title']) for one in planned['outputs'])}")
    typer.echo(
        f"{planned['points']:,} points ({planned['design']}) x {planned['replicates']} seeds = {planned['runs']:,} "
        f"runs of {planned['scenario']}, about {planned['seconds_a_run']:.2g} s each"
    )
    size = planned["bytes"] / 1e6
    typer.echo(
        f"About {clock(planned['seconds'])} on {planned['workers']} processes, {planned['shards']:,} shards of "
        f"{planned['batch']} runs, {size:.2g} MB on disk"
    )


def _show(finished: Finished) -> None:
    """What a call came to, and what to do next."""
    if finished.result is None:
        show_missing(finished, "the table")
        return
    from tumorsim.cli.printing import NOT_FOR_CLINIC, stdout

    stdout().print(_table(finished))
    show_failures(finished)
    typer.echo(f"Result: {finished.result.path}")
    typer.echo(f"Next:   {program()} plot sweep {finished.result.path}")
    typer.echo(NOT_FOR_CLINIC)


def show_missing(finished: Finished, then: str) -> None:
    """How much of a sweep is there, and what does the rest."""
    typer.echo(f"{finished.held + finished.done:,} of {finished.total:,} runs are in {finished.folder}")
    typer.echo(f"Next:   once all parts are done, the same command without --shard does what is missing and {then}")


def show_failures(finished: Finished) -> None:
    """The first failures, each with all that it takes to see it again."""
    assert finished.result is not None
    for one in finished.result.summary["failures"][:SHOWN]:
        settings = ", ".join(one["settings"])
        complain(printable(f"point {one['point']}, seed {one['seed']} failed ({settings}): {one['message']}"))
    if finished.failed:
        first = finished.result.summary["failures"][0]["repeat"]
        complain(printable(f"To see the first alone: {program()} {shlex.join(first)}"))
        complain(f"partial result: {finished.failed} of {finished.total:,} runs failed; --retry does them again")


def _table(finished: Finished) -> Any:
    """Points with the lowest and highest mean of each output."""
    import numpy as np

    from tumorsim.cli.printing import MISSING, table

    assert finished.result is not None
    data = finished.result.data
    names = [one.name for one in data.factors]
    shown = table(
        "output", "", "mean", *names, right=("mean",), title=f"{data.points:,} points, {data.replicates} seeds each"
    )
    for one in data.outputs:
        seen = np.isfinite(one.values)
        sums = np.where(seen, one.values, 0.0).sum(axis=1)
        means = np.divide(sums, seen.sum(axis=1), out=np.full(data.points, np.nan), where=seen.any(axis=1))
        unit = "" if one.unit == "1" else f", {one.unit}"
        if not np.isfinite(means).any():
            shown.add_row(printable(one.title) + unit, "", MISSING, *[""] * len(names))
            continue
        for word, point in (("lowest", int(np.nanargmin(means))), ("highest", int(np.nanargmax(means)))):
            values = [printable(factor.text(point)) for factor in data.factors]
            shown.add_row(printable(one.title) + unit if word == "lowest" else "", word, f"{means[point]:.4g}", *values)
    return shown


def as_dict(finished: Finished) -> dict[str, Any]:
    """What a call came to, as one JSON-able mapping."""
    found: dict[str, Any] = {
        "folder": str(finished.folder), "runs": finished.total, "held": finished.held, "done": finished.done,
        "failed": finished.failed, "damaged": list(finished.damaged), "seconds": finished.seconds, "result": None,
    }  # fmt: skip
    if finished.result is not None:
        found |= {"result": str(finished.result.path), "sha256": finished.result.digest}
        found |= {"failures": finished.result.summary["failures"], "remarks": finished.result.summary["remarks"]}
    return found
