"""The verb ``calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, Progress, clock, guarded, print_json, printable, program, say
from tumorsim.cli.options import AsJson, DryRun, Force, Quiet, Seed, Threads, Verbose, out_option

CalibrationPath = Annotated[
    Path, typer.Argument(metavar="CALIBRATION", help="A calibration file (YAML).", show_default=False)
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="ADDRESS", help="Dask for the posterior: tcp://HOST:PORT or local:N.", show_default=False
    ),
]
Stages = Annotated[
    str | None,
    typer.Option(
        "--stages",
        metavar="A,B",
        help="Only these: screening, optimise, winner, posterior, recovery, rivals.",
        show_default=False,
    ),
]


@app.command()
@guarded
def calibrate(
    calibration: CalibrationPath,
    out: Annotated[Path | None, out_option("Output folder; results/NAME if not given.")] = None,
    seed: Seed = None,
    threads: Threads = None,
    cluster: Cluster = None,
    stages: Stages = None,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Code:
    """Fit free parameters of scenarios to reported figures.

    Screening, search (CMA-ES with common random numbers), the winner on fresh seeds, the
    posterior, recovery on synthetic studies, rival mechanisms. Every simulation is logged:
    the same command goes on after any interruption. Needs the extra libraries of
    tumorsim[calibrate].

    \b
    Examples:
      tumorsim calibrate scenarios/calibrations/hcc_adjuvant_cik.yaml --dry-run
      tumorsim calibrate scenarios/calibrations/hcc_adjuvant_cik.yaml -o results/adjuvant
    """
    from tumorsim.calibration import run as stage_run
    from tumorsim.calibration.config import load_calibration

    if dry_run:
        check_calibration(calibration, seed, threads, as_json)
        return Code.DONE
    made = load_calibration(calibration, seed)
    from tumorsim.api import default_threads

    folder = out or Path("results") / made.name
    chosen = _chosen(stages, stage_run.STAGES)
    bars: dict[str, Progress] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            for bar in bars.values():
                bar.close()
            bars[stage] = Progress(f"{stage} simulations")
        bars[stage](done, total)

    say(f"{made.name}: {printable(made.title)}")
    say(f"{len(made.parameters)} free parameters, {len(made.studies)} studies, seed {made.seed}; output in {folder}")
    told = stage_run.calibrate(
        made, folder, threads=threads or default_threads(), cluster=cluster, stages=chosen, force=force,
        progress=progress, notify=lambda text: next(reversed(bars.values())).note(text) if bars else say(text),
    )  # fmt: skip
    say(f"done in {clock(sum(told['seconds'].values()))}")
    if as_json:
        print_json(told)
    else:
        print_outcome(told)
        typer.echo(f"Outcome: {folder / 'outcome.json'}")
        typer.echo(f"Next:    {program()} report {folder}")
    return Code.DONE


def _chosen(stages: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    from tumorsim.cli.files import UsageError

    if stages is None:
        return known
    named = tuple(part.strip() for part in stages.split(",") if part.strip())
    for name in named:
        if name not in known:
            raise UsageError(f"--stages {name}: is no stage; stages are {', '.join(known)}")
    return named


def check_calibration(calibration: Path, seed: int | None, threads: int | None, as_json: bool) -> None:
    """Read and check a calibration file, and print its plan."""
    from tumorsim.calibration.config import load_calibration
    from tumorsim.calibration.plan import plan

    planned = plan(load_calibration(calibration, seed), threads)
    print_json(planned) if as_json else print_plan(planned)


def print_plan(planned: dict[str, Any]) -> None:
    """What a calibration would do, before it is done."""
    from tumorsim.cli.printing import stdout, table

    console = stdout()
    console.print(printable(f"{planned['name']}: {planned['title']}"), highlight=False)
    free = table("free parameter", "path", "start", "prior")
    for one in planned["parameters"]:
        free.add_row(one["name"], one["path"], one["start"], one["prior"])
    console.print(free)
    for one in planned["studies"]:
        weights = ", ".join(f"{name} x {weight:g}" for name, weight in one["fitted"].items())
        typer.echo(f"{one['scenario']}, {one['patients']} virtual patients an evaluation: fitted {weights}")
    work = table("stage", "simulations", "time", right=("simulations", "time"))
    for name, one in planned["stages"].items():
        work.add_row(name, f"{one['simulations']:,}", clock(one["seconds"]))
    console.print(work)
    typer.echo(f"About {clock(planned['seconds'])} on this machine.")


def print_outcome(told: dict[str, Any]) -> None:
    """Fitted values, and the figures beside what the fit gives."""
    from tumorsim.cli.printing import NOT_FOR_CLINIC, stdout, table, targets_table

    console = stdout()
    fitted = table(
        "parameter", "start", "fitted", "90 % interval", "unit", right=("start", "fitted"), title="Fitted values"
    )
    for one in told["parameters"]:
        ends = one["interval"]
        text = "" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"
        fitted.add_row(one["name"], f"{one['start']:.4g}", f"{one['best']:.4g}", text, one["unit"])
    console.print(fitted)
    for study in told["studies"]:
        console.print(targets_table([t for t in told["targets"] if t["study"] == study["name"]]))
    loss = told["loss"]
    fresh = ", ".join(f"{x:.2f}" for x in loss["fresh"] if x is not None)
    typer.echo(f"Loss {loss['best']:.2f} in the search, {fresh} on fresh seeds.")
    for line in told["residuals"]:
        typer.echo(printable(line))
    if told["failures"]:
        typer.echo(f"{len(told['failures'])} simulations failed and are recorded as such.")
    typer.echo(NOT_FOR_CLINIC)
