"""Verbs on a result: ``replay``, ``verify``, ``report``, ``plot``, ``export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, Progress, complain, guarded, print_json, printable, program, say
from tumorsim.cli.options import AsJson, Force, Overrides, Quiet, ResultPath, Seed, Threads, Verbose, out_option

if TYPE_CHECKING:
    from tumorsim.figures.base import Kind

SOURCE = "A result file (HDF5) of a trial, a spatial study or a sweep, or the folder of a calibration or sensitivity."
EXAMPLES = {
    "trial": "results/my_trial-seed1.h5",
    "spatial": "results/my_lattice-seed1.h5",
    "calibration": "results/my_calibration",
    "sweep": "results/my_sweep/sweep.h5",
    "sensitivity": "results/my_sweep-morris",
}
WORDS = {
    "trial": "the result of a trial",
    "spatial": "the result of a spatial study",
    "sweep": "the table of a sweep",
    "calibration": "a calibration",
    "sensitivity": "a sensitivity analysis",
}


class Format(StrEnum):
    """Formats of ``export``."""

    csv = "csv"
    sbml = "sbml"


@app.command()
@guarded
def replay(
    result: ResultPath,
    threads: Threads = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Code:
    """Run a result again and compare it bit for bit.

    Exit code 1 if anything differs, with the place.

    \b
    Examples:
      tumorsim replay results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim replay results/spatial_tace_nk-seed1.h5
    """
    from tumorsim import api, store

    counted = "steps" if store.kind_of(result) == "spatial" else "patient courses"
    with Progress(counted) as progress:
        differences = [
            printable(found) for found in api.replay(result, threads=threads, progress=progress, notify=progress.note)
        ]
    if as_json:
        print_json({"result": str(result), "equal": not differences, "differences": differences})
        return Code.FAILED if differences else Code.DONE
    if not differences:
        typer.echo(f"{result}: replayed, every array equal bit for bit")
        return Code.DONE
    typer.echo(f"{result}: differs in {len(differences)} place{'s' if len(differences) > 1 else ''}")
    typer.echo("\n".join(f"  {difference}" for difference in differences))
    return Code.FAILED


@app.command()
@guarded
def verify(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A result file, or the folder of a sweep.", show_default=False)
    ],
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Code:
    """Check that a result file is whole.

    Looks at seal, layout, links, claimed sizes and checksums. The file is opened in
    a process of its own, with limited time and memory. Of a sweep's folder, every shard
    and the table.

    \b
    Examples:
      tumorsim verify results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim verify results/sweep_dose_timing
    """
    from tumorsim.verify import verify as inspect

    if result.is_dir():
        return _verify_sweep(result, as_json)
    found = inspect(result)
    if as_json:
        problems = [{"place": p.place, "rule": p.rule, "advice": p.advice} for p in found.problems]
        print_json({"result": str(result), "ok": found.ok, "sha256": found.digest, "problems": problems})
    elif found.ok:
        typer.echo(printable(found))
    else:
        complain(printable(found))
    return Code.DONE if found.ok else Code.BAD_INPUT


def _verify_sweep(folder: Path, as_json: bool) -> Code:
    """Every shard of a sweep, and its table."""
    from tumorsim.sweep.inspection import inspect_sweep

    found = inspect_sweep(folder)
    if as_json:
        counts = {name: getattr(found, name) for name in ("whole", "adopted", "runs", "total", "failed")}
        told = {"result": str(folder), "ok": found.ok, "sha256": found.digest, **counts}
        print_json(told | {"problems": list(found.problems)})
    elif found.ok:
        typer.echo(printable(found))
    else:
        complain(printable(found))
    return Code.DONE if found.ok else Code.BAD_INPUT


@app.command()
@guarded
def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help=SOURCE, show_default=False)],
    out: Annotated[Path | None, out_option("HTML page; RESULT.html, or FOLDER/report.html, if not given.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write one self-contained HTML page.

    Of a trial or a spatial study: figures, tables, parameters and their sources. Of a
    calibration: what was fitted to what, what the figures can tell, and what not. It loads
    nothing from anywhere.

    \b
    Examples:
      tumorsim report results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim report results/spatial_tace_nk-seed1.h5
      tumorsim report results/hcc_adjuvant_cik
    """
    from tumorsim import store
    from tumorsim.calibration.outcome import is_calibration
    from tumorsim.cli.files import UsageError, own_or_given

    if out is not None and out.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"{out}: the page's name must end in .html, e.g. {result.stem}.html")
    _refuse_sweep(result)
    if is_calibration(result):
        path = own_or_given(out, _beside(result, "report", ".html"), force)
        _report_calibration(result, path)
    else:
        path = own_or_given(out, result.with_suffix(".html"), force)
        (_report_spatial if store.kind_of(result) == "spatial" else _report_study)(result, path)
    typer.echo(path)
    say("Open it in a browser; it loads nothing from anywhere.")


def _refuse_sweep(result: Path) -> None:
    """A sweep has figures and no page."""
    from tumorsim.cli.files import UsageError

    found = _kind(result)
    if found in ("sweep", "sensitivity"):
        kind = "tornado" if found == "sensitivity" else "sweep"
        raise UsageError(
            f"{result}: is {WORDS[found]}, which has no page; draw it, e.g. {program()} plot {kind} {result}"
        )


def _kind(result: Path) -> str:
    """What a path holds: a folder or JSON file by its name and format, an HDF5 file by its format."""
    from tumorsim import store
    from tumorsim.calibration.outcome import is_calibration
    from tumorsim.sensitivity_data import is_sensitivity
    from tumorsim.sweep.shards import TABLE

    if is_sensitivity(result):
        return "sensitivity"
    if result.is_dir() and (result / TABLE).is_file():
        return "sweep"
    return "calibration" if is_calibration(result) else store.kind_of(result)


def _report_study(result: Path, path: Path) -> None:
    from tumorsim import store
    from tumorsim.figures.curves import study_view
    from tumorsim.report import save

    held = store.read(result)
    view = study_view(held.data, held.summary, held.curves, held.scenario_text)
    save(path, view, held.provenance, held.scenario_text, digest=held.digest, result=result.name)


def _report_spatial(result: Path, path: Path) -> None:
    from tumorsim import store
    from tumorsim.figures.spatial import spatial_view
    from tumorsim.report.spatial import save

    held = store.read_spatial(result)
    save(path, spatial_view(held), held.provenance, held.scenario_text, digest=held.digest, result=result.name)


def _report_calibration(result: Path, path: Path) -> None:
    from tumorsim.calibration.outcome import outcome_file, read_outcome
    from tumorsim.report.calibration import save

    save(path, read_outcome(result), folder=str(outcome_file(result).parent))


def _beside(result: Path, name: str, suffix: str) -> Path:
    """Output of a folder: inside it, or beside a file of another name than the folder's own."""
    from tumorsim.calibration import outcome
    from tumorsim.sensitivity_data import FILE
    from tumorsim.sweep.shards import TABLE

    file = result / outcome.FILE if result.is_dir() else result
    own = (outcome.FILE, FILE, TABLE)
    return file.with_name(f"{name}{suffix}" if file.name in own else f"{file.stem}-{name}{suffix}")


@app.command()
@guarded
def plot(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="km, waterfall, lattice ...; `list` shows them all.")],
    result: Annotated[Path | None, typer.Argument(metavar="RESULT", help=SOURCE)] = None,
    out: Annotated[
        Path | None,
        out_option("PNG, SVG or PDF (animation: GIF, MP4); RESULT-KIND.png, or FOLDER/KIND.png, if not given."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="An option of the figure, e.g. endpoint=os.", show_default=False
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw one figure of whatever a verb has made.

    `tumorsim plot list` shows the kinds, what each is drawn from, and its options.

    \b
    Examples:
      tumorsim plot km results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim plot km results/hcc_adjuvant_cik_rct-seed1.h5 --set endpoint=os -o os.pdf
      tumorsim plot lattice results/spatial_tace_nk-seed1.h5
      tumorsim plot calibration-posterior results/hcc_adjuvant_cik
      tumorsim plot sweep results/dose_timing/sweep.h5 --set output=tumour_deaths
      tumorsim plot tornado results/dose_timing-morris
    """
    from tumorsim import figures, store
    from tumorsim.calibration.outcome import read_outcome
    from tumorsim.cli.files import UsageError, key_values, own_or_given
    from tumorsim.figures import calibration, spatial, sweep
    from tumorsim.figures.curves import study_view
    from tumorsim.sensitivity_data import read_sensitivity

    if kind == "list":
        from tumorsim.cli.printing import print_figures

        print_figures((*figures.FIGURES, *spatial.FIGURES, *calibration.FIGURES, *sweep.FIGURES))
        return
    declared = _declared(kind)
    options = declared.read(key_values(settings))  # a slip is told before the result is read
    if result is None:
        thing = WORDS[declared.source] if declared.source in ("calibration", "sensitivity") else "a result"
        raise UsageError(f"give {thing} as well, e.g. {program()} plot {kind} {EXAMPLES[declared.source]}")
    _check_source(declared, result)
    if declared.source == "calibration":
        path = own_or_given(out, _beside(result, kind, ".png"), force)
        calibration.save(kind, read_outcome(result), path, **options)
    elif declared.source == "sensitivity":
        path = own_or_given(out, _beside(result, kind, ".png"), force)
        sweep.save(kind, read_sensitivity(result), path, **options)
    elif declared.source == "sweep":
        path = own_or_given(out, _beside(result, kind, ".png"), force)
        sweep.save(kind, store.read_sweep(_table_of(result)).data, path, **options)
    elif declared.source == "spatial":
        suffix = spatial.figure(kind).suffixes[0]
        path = own_or_given(out, result.with_name(f"{result.stem}-{kind}.{suffix}"), force)
        spatial.save(kind, spatial.spatial_view(store.read_spatial(result)), path, **options)
    else:
        path = own_or_given(out, result.with_name(f"{result.stem}-{kind}.png"), force)
        held = store.read(result)
        figures.save(kind, study_view(held.data, held.summary, held.curves, held.scenario_text), path, **options)
    typer.echo(path)


def _declared(kind: str) -> Kind[Any]:
    """The figure of a name, whatever it is drawn from."""
    from tumorsim import figures
    from tumorsim.figures import calibration, spatial, sweep

    if kind.startswith(calibration.PREFIX):
        return calibration.figure(kind)
    if any(one.name == kind for one in spatial.FIGURES):
        return spatial.figure(kind)
    if any(one.name == kind for one in sweep.FIGURES):
        return sweep.figure(kind)
    try:
        return figures.figure(kind)
    except figures.FigureError as error:
        more = ", ".join(one.name for one in spatial.FIGURES)
        swept = ", ".join(one.name for one in sweep.FIGURES)
        raise figures.FigureError(f"{error}; of a spatial study: {more}; of a sweep: {swept}") from None


def _table_of(result: Path) -> Path:
    """The table of a sweep, or that of its folder."""
    from tumorsim.sweep.shards import TABLE

    return result / TABLE if result.is_dir() else result


def _check_source(declared: Kind[Any], result: Path) -> None:
    """A figure of a study needs a result file of its kind, one of a calibration or a sensitivity its folder."""
    from tumorsim import figures
    from tumorsim.calibration.outcome import is_calibration
    from tumorsim.cli.files import UsageError
    from tumorsim.figures import calibration, spatial, sweep

    wanted, beside = declared.source, is_calibration(result)
    if wanted in ("calibration", "sensitivity") and not beside:
        example = "results/hcc_adjuvant_cik" if wanted == "calibration" else EXAMPLES[wanted]
        raise UsageError(f"{result}: {declared.name} is drawn from {WORDS[wanted]}; give its folder, e.g. {example}")
    found = _kind(result)
    # a sensitivity analysis is a sweep as well: its folder holds the table of its runs
    table = wanted == "sweep" and result.is_dir() and _table_of(result).is_file()
    if found == wanted or table:
        return
    kinds: tuple[Kind[Any], ...] = (*figures.FIGURES, *spatial.FIGURES, *calibration.FIGURES, *sweep.FIGURES)
    names = ", ".join(figure.name for figure in kinds if figure.source == found)
    if found == "calibration":
        if wanted == "sensitivity":
            return  # what is wrong with the file is told by whoever reads it
        raise UsageError(f"{result}: {declared.name} is drawn from a result file; a calibration has {names}")
    raise UsageError(
        f"{result}: {declared.name} is drawn from {WORDS[wanted]}, and this is {WORDS[found]}, which has {names}"
    )


@app.command()
@guarded
def export(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT", help="A result file (HDF5); for SBML also a scenario file (YAML).", show_default=False
        ),
    ],
    to: Annotated[Format, typer.Option("--to", help="Format.")] = Format.csv,
    arm: Annotated[
        str | None, typer.Option("--arm", metavar="NAME", help="Of SBML: the arm.", show_default=False)
    ] = None,
    patient: Annotated[
        int | None,
        typer.Option("--patient", metavar="N", min=0, help="Of SBML: the patient; 0 if not given.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, out_option("Folder; RESULT-csv if not given. Of SBML: file; RESULT-ARM-N.xml if not given.")
    ] = None,
    seed: Seed = None,
    settings: Overrides = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a result as plain tables, or a patient as an SBML model.

    Tables of a trial: patients, visits, trajectories. Of a spatial study: series, measures and
    the lineage; voxels stay in the file, which xarray and ParaView open. Of a sweep: one
    row a run, and the failures. And what each column means.

    SBML: the equations, parameters and realised schedule of one virtual patient in one arm,
    for other simulators. Needs the extra sbml.

    \b
    Examples:
      tumorsim export results/hcc_adjuvant_cik_rct-seed1.h5 --to csv
      tumorsim export results/spatial_tace_nk-seed1.h5
      tumorsim export scenarios/hcc_sorafenib_cik.yaml --to sbml --arm combination --patient 3 -o patient3.xml
    """
    from tumorsim.cli.files import UsageError

    if to is Format.sbml:
        typer.echo(_export_sbml(result, arm, patient or 0, out, seed, settings, force))
        return
    if arm is not None or patient is not None or seed is not None or settings:
        raise UsageError("--arm, --patient, --seed and --set belong to --to sbml; tables hold every arm and patient")
    if result.suffix.lower() in {".yaml", ".yml"}:
        raise UsageError(f"{result}: tables are of a result; run it first:  {program()} run {result}")
    from tumorsim import store
    from tumorsim.export import to_csv

    for path in to_csv(result, out or result.with_name(f"{result.stem}-{to.value}"), force):
        typer.echo(path)
    if store.kind_of(result) == "spatial":
        say("Voxels are no table: open the result with xarray (group snapshots) or ParaView; see docs/result-file.md")


def _export_sbml(
    source: Path,
    arm: str | None,
    patient: int,
    out: Path | None,
    seed: int | None,
    settings: list[str] | None,
    force: bool,
) -> Path:
    """One patient as SBML; without ``out`` beside a result, or in the current folder of a scenario."""
    from tumorsim.cli.files import own_or_given, write_text
    from tumorsim.sbml_api import patient_sbml, trial_of

    scenario = trial_of(source, settings or (), seed)
    folder = Path() if source.suffix.lower() in {".yaml", ".yml"} else source.parent
    only = scenario.arms[0].name if arm is None and len(scenario.arms) == 1 else arm
    path = own_or_given(out, folder / f"{source.stem}-{only}-{patient}.xml", force)
    text, exported = patient_sbml(scenario, arm, patient)
    write_text(path, text, force or out is None)
    say(f"{len(exported.system.events)} events; checked by libsbml without an error")
    return path
