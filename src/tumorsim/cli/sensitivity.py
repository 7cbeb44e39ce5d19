"""The verb ``sensitivity``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, clock, complain, guarded, print_json, printable, program, say
from tumorsim.cli.options import AsJson, DryRun, Force, Overrides, Patients, Quiet, Seed, Verbose, out_option
from tumorsim.cli.sweep import (
    Batch,
    Cluster,
    Copies,
    Part,
    Retry,
    SweepPath,
    Workers,
    as_dict,
    progress_of,
    show_failures,
    show_missing,
    show_plan,
)

if TYPE_CHECKING:
    from tumorsim.sensitivity_data import Estimates, OutputIndices, Sensitivity
    from tumorsim.sweep.sensitivity import Analysed


class Method(StrEnum):
    """Methods of ``sensitivity``."""

    morris = "morris"
    sobol = "sobol"


@app.command()
@guarded
def sensitivity(
    file: SweepPath,
    out: Annotated[Path | None, out_option("Output folder; results/NAME-METHOD if not given.")] = None,
    method: Annotated[
        Method | None,
        typer.Option("--method", help="Screening, or shares of variance; the file's.", show_default=False),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", metavar="N", min=2, help="Trajectories of morris; base samples of sobol, a power of 2.",
            show_default=False,
        ),
    ] = None,
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
) -> Code:  # fmt: skip
    """Say which factors of a sweep matter.

    Morris' elementary effects (few runs, for screening) or Sobol' indices (shares of the
    variance, many runs), each with a bootstrap interval. Every factor of the file needs low
    and high. Runs are kept as by `sweep`: after any interruption the same command goes on.

    \b
    Examples:
      tumorsim sensitivity scenarios/small/sweep_dose_timing.yaml --dry-run
      tumorsim sensitivity scenarios/small/sweep_dose_timing.yaml --samples 20
      tumorsim sensitivity big.yaml --method sobol --samples 512 --shard 3/20
    """
    from tumorsim.sweep.config import load_sweep
    from tumorsim.sweep.plan import read_part
    from tumorsim.sweep.sensitivity import chosen, default_folder, points_for
    from tumorsim.sweep.sensitivity import sensitivity as analyse

    made = load_sweep(
        file, seed=seed, patients=patients, replicates=replicates, overrides=overrides or [], sampled=True
    )
    made = chosen(made, method, samples)
    if dry_run:
        show_plan(made, points_for(made), made.sensitivity.method, workers, batch, as_json)
        return Code.DONE
    folder = out or default_folder(made)
    say(f"{made.name}: {printable(made.title)}")
    with progress_of(folder) as progress:
        found = analyse(
            made, folder, workers=workers, cluster=cluster, batch=batch,
            shard=None if shard is None else read_part(shard), retry=retry, force=force, progress=progress,
            notify=progress.note,
        )  # fmt: skip
    say(f"{found.finished.done:,} runs in {clock(found.finished.seconds)}")
    if as_json:
        told = None if found.outcome is None else found.outcome.model_dump(mode="json")
        print_json(as_dict(found.finished) | {"sensitivity": told})
    else:
        _show(found)
    return Code.PARTIAL if found.finished.failed else Code.DONE


def _show(found: Analysed) -> None:
    if found.outcome is None:
        show_missing(found.finished, "the indices")
        return
    from tumorsim.cli.printing import NOT_FOR_CLINIC, stdout
    from tumorsim.sensitivity_data import FILE

    for one in found.outcome.outputs:
        stdout().print(_table(found.outcome, one))
        if one.left_out:
            complain(
                printable(f"{one.title}: {one.left_out} of {one.used + one.left_out} samples left out whole, since a ")
                + "run of theirs failed or gave no number"
            )
    typer.echo(MEANT[found.outcome.method])
    show_failures(found.finished)
    typer.echo(f"Outcome: {found.finished.folder / FILE}")
    typer.echo(f"Next:    {program()} plot tornado {found.finished.folder}")
    typer.echo(NOT_FOR_CLINIC)


SHOWN = {"mu_star": "µ*", "mu": "µ", "sigma": "σ", "S1": "S1", "ST": "ST"}
MEANT = {
    "morris": "µ*: mean size of the effect of the whole range; µ: with its sign; σ: how much it varies with the rest.",
    "sobol": "S1: share of the variance that the factor makes alone; ST: with all interplay it takes part in.",
}


def _table(outcome: Sensitivity, one: OutputIndices) -> Any:
    """The indices of one output, the largest first."""
    from tumorsim.cli.printing import table
    from tumorsim.sensitivity_data import INDICES

    names = INDICES[outcome.method]
    unit = "" if one.unit == "1" else f", {one.unit}"
    made = "" if one.mean is None or one.sd is None else f"; mean {one.mean:.4g}, sd {one.sd:.3g}"
    columns = [part for name in names for part in (SHOWN[name], f"{100 * outcome.confidence:g} %")]
    shown = table(
        "factor", "from", "to", *columns, right=("from", "to", *(SHOWN[name] for name in names)),
        title=printable(f"{one.title}{unit}{made}"),
    )  # fmt: skip
    held = one.indices.get(outcome.leading)
    order = list(range(len(outcome.factors)))
    if held is not None:
        order.sort(key=lambda k: -(held.value[k] or 0.0))
    for k in order:
        factor = outcome.factors[k]
        cells = [part for name in names for part in _cells(one.indices.get(name), k)]
        log = " (log)" if factor.logarithmic else ""
        ends = [f"{end:g} {factor.unit}".strip() for end in (factor.low, factor.high)]
        shown.add_row(printable(factor.title) + log, *map(printable, ends), *cells)
    return shown


def _cells(held: Estimates | None, place: int) -> tuple[str, str]:
    from tumorsim.cli.printing import MISSING

    if held is None or held.value[place] is None:
        return MISSING, ""
    low, high = held.low[place], held.high[place]
    return f"{held.value[place]:.3g}", "" if low is None or high is None else f"{low:.3g} to {high:.3g}"
