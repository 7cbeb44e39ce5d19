"""Verbs on a scenario: ``init``, ``check``, ``run``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, Progress, clock, complain, going_on, guarded, print_json, printable, program, say
from tumorsim.cli.options import (
    AsJson,
    Block,
    DryRun,
    Force,
    Overrides,
    Patients,
    Quiet,
    Replicates,
    ScenarioPath,
    Seed,
    Threads,
    Verbose,
    out_option,
)

if TYPE_CHECKING:
    from tumorsim.api import Result
    from tumorsim.scenario import Scenario


class Setting(StrEnum):
    """Kinds of study that ``init`` can start from."""

    adjuvant = "adjuvant"
    advanced = "advanced"
    spatial = "spatial"
    sweep = "sweep"


@app.command()
@guarded
def init(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="File to write.")] = Path("scenario.yaml"),
    setting: Annotated[Setting, typer.Option("--setting", help="Kind of study.")] = Setting.adjuvant,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a commented starter scenario.

    Of a trial after curative treatment (adjuvant) or in advanced disease, or of a tumour
    on a lattice (spatial); or a sweep file over scenario.yaml.

    \b
    Examples:
      tumorsim init my_trial.yaml
      tumorsim init && tumorsim init --setting sweep my_sweep.yaml
      tumorsim init --setting spatial my_lattice.yaml
    """
    from tumorsim import starter
    from tumorsim.cli.files import UsageError, write_text

    if not name.name:
        raise UsageError(f"{name}: give the name of a file, e.g. my_trial.yaml")
    path = name if name.suffix in {".yaml", ".yml"} else name.with_name(f"{name.name}.yaml")
    write_text(path, starter.text(path.stem, setting.value), force)
    typer.echo(path)
    say(f"Next: {program()} check {path}")


@app.command()
@guarded
def check(
    scenario: ScenarioPath,
    patients: Patients = None,
    replicates: Replicates = None,
    seed: Seed = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Validate a scenario and show its plan.

    The plan says arms, patients or lattices, doses, visits, time and disk; of a sweep or
    a calibration, what would be run. Every error of the file is shown at once, with its
    line, its rule and an example.

    \b
    Examples:
      tumorsim check scenarios/hcc_adjuvant_cik_rct.yaml
      tumorsim check scenarios/spatial_tace_nk.yaml
      tumorsim check scenarios/small/sweep_dose_timing.yaml
    """
    from tumorsim.cli.files import purpose_of
    from tumorsim.overlay import is_spatial

    purpose = purpose_of(scenario)
    if purpose == "sweep":
        from tumorsim.cli.sweep import check_sweep

        check_sweep(scenario, seed, patients, replicates, overrides or (), as_json)
    elif purpose == "calibration":
        from tumorsim.cli.calibration import check_calibration

        for given, option in ((patients, "--patients"), (replicates, "--replicates"), (overrides, "--set")):
            _refuse(given, option, "of a scenario; a calibration says its own")
        check_calibration(scenario, seed, None, as_json)
    elif is_spatial(scenario):
        from tumorsim.cli.spatial import show_plan
        from tumorsim.spatial_scenario import load_spatial

        _refuse(patients, "--patients", "of a trial; a spatial scenario has --replicates")
        show_plan(load_spatial(scenario, overrides or (), replicates, seed), as_json)
    else:
        from tumorsim.scenario import load

        _refuse(replicates, "--replicates", "of a spatial scenario; a trial has --patients")
        _show_plan(load(scenario, overrides or (), patients, seed), as_json)
    say(f"Next: {program()} {_VERBS[purpose]} {scenario}")


_VERBS = {"sweep": "sweep", "calibration": "calibrate", "": "run"}


def _refuse(given: object, option: str, why: str) -> None:
    """Refuse an option that the file at hand has no use for."""
    from tumorsim.cli.files import UsageError

    if given is not None:
        raise UsageError(f"{option} is an option {why}")


@app.command()
@guarded
def run(
    scenario: ScenarioPath,
    out: Annotated[Path | None, out_option("Result file; the next free results/NAME-seedN.h5 if not given.")] = None,
    seed: Seed = None,
    patients: Patients = None,
    replicates: Replicates = None,
    threads: Threads = None,
    block: Block = None,
    overrides: Overrides = None,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Code:
    """Simulate a scenario and write one result.

    Of a trial: end points, hazard ratios with their errors, and the simulated beside the
    reported figures. Of a lattice: what each arm came to, with intervals over replicates.
    After an interruption the same command goes on, from finished lattices or blocks of
    patients. Nothing that exists is overwritten without --force.

    \b
    Examples:
      tumorsim run scenarios/hcc_adjuvant_cik_rct.yaml
      tumorsim run trial.yaml --patients 1000 --seed 2 --set "trial.cutoff=60 month" -o long.h5
      tumorsim run scenarios/small/spatial_tace_nk.yaml --replicates 4
    """
    from tumorsim.cli.files import UsageError, purpose_of
    from tumorsim.overlay import is_spatial

    purpose = purpose_of(scenario)
    if purpose:
        raise UsageError(f"{scenario}: is a {purpose} file; write {program()} {_VERBS[purpose]} {scenario}")
    if is_spatial(scenario):
        from tumorsim.cli.spatial import run_lattices

        _refuse(patients, "--patients", "of a trial; a spatial scenario has --replicates")
        _refuse(block, "--block", "of a trial; a spatial scenario runs lattice by lattice")
        return run_lattices(scenario, out, seed, replicates, threads, overrides or (), dry_run, force, as_json)
    _refuse(replicates, "--replicates", "of a spatial scenario; a trial has --patients")
    return _run_trial(scenario, out, seed, patients, threads, block, overrides or (), dry_run, force, as_json)


def _run_trial(
    scenario: Path, out: Path | None, seed: int | None, patients: int | None, threads: int | None,
    block: int | None, overrides: Sequence[str], dry_run: bool, force: bool, as_json: bool,
) -> Code:  # fmt: skip
    from tumorsim.cli.files import result_name
    from tumorsim.scenario import load

    study = load(scenario, overrides, patients, seed)
    if dry_run:
        _show_plan(study, as_json, threads, block)
        return Code.DONE
    path = result_name(out, f"{study.name}-seed{study.seed}", force)
    from tumorsim import api

    _announce(study, threads or api.default_threads())
    with going_on(path, "nothing was left half written"), Progress("patient courses") as told:
        result = api.run(study, threads=threads, block=block, out=path, force=force, progress=told, notify=told.note)
    say(f"simulated and written in {clock(told.elapsed)}")
    if as_json:
        print_json(result.as_dict | {"result": str(path)})
    else:
        _show_result(result, path)
    return _completeness(result)


def _show_plan(study: Scenario, as_json: bool, threads: int | None = None, block: int | None = None) -> None:
    from tumorsim.plan import plan, plan_text

    planned = plan(study, threads, block)
    if as_json:
        print_json(planned)
    else:
        typer.echo(printable(plan_text(planned)))


def _announce(study: Scenario, threads: int) -> None:
    """Scenario, seed, threads and estimate, before the wait."""
    from tumorsim.plan import plan

    planned = plan(study, threads)
    said = {"twins": "in each of", "randomised": "randomised to", "observational": "in one each of"}
    each = said[study.trial.allocation]
    cores = "1 thread" if threads == 1 else f"{threads} threads"
    say(f"{study.name}: {printable(study.title)}")
    say(
        f"{study.population.patients:,} virtual patients {each} {len(study.arms)} arms, seed {study.seed}, {cores}, "
        f"about {clock(planned['seconds'])} once compiled"
    )


def _show_result(result: Result, path: Path) -> None:
    from tumorsim.cli.printing import NOT_FOR_CLINIC, print_study

    print_study(result.as_dict)
    typer.echo(f"Result: {path}")
    typer.echo(f"Next:   {program()} report {path}")
    typer.echo(f"        {program()} plot km {path}")
    typer.echo(NOT_FOR_CLINIC)


def _completeness(result: Result) -> Code:
    """Partial if the integration of a patient failed: the patient is marked, the rest stands."""
    from tumorsim.trial import failures_text

    trouble = failures_text(result.data)
    if not trouble:
        return Code.DONE
    complain(f"partial result: {trouble}")
    return Code.PARTIAL
