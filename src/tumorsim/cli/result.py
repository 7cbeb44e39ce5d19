"""Verbs on a result: ``replay``, ``verify``, ``report``, ``plot``, ``export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, Progress, complain, guarded, print_json, printable, program, say
from tumorsim.cli.options import AsJson, Force, Quiet, ResultPath, Threads, Verbose, out_option

if TYPE_CHECKING:
    from tumorsim.figures.base import Kind

SOURCE = "A result file (HDF5) of a trial or a spatial study, or the folder of a calibration."
EXAMPLES = {
    "trial": "results/my_trial-seed1.h5",
    "spatial": "results/my_lattice-seed1.h5",
    "calibration": "results/my_calibration",
}


class Format(StrEnum):
    """Formats of ``export``."""

    csv = "csv"


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

    counted = {"trial": "patient courses", "spatial": "steps"}[store.kind_of(result)]
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
def verify(result: ResultPath, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> Code:
    """Check that a result file is whole.

    Looks at seal, layout, links, claimed sizes and checksums. The file is opened in
    a process of its own, with limited time and memory.

    \b
    Example:
      tumorsim verify results/hcc_adjuvant_cik_rct-seed1.h5
    """
    from tumorsim.verify import verify as inspect

    found = inspect(result)
    if as_json:
        problems = [{"place": p.place, "rule": p.rule, "advice": p.advice} for p in found.problems]
        print_json({"result": str(result), "ok": found.ok, "sha256": found.digest, "problems": problems})
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
    if is_calibration(result):
        path = own_or_given(out, _beside(result, "report", ".html"), force)
        _report_calibration(result, path)
    else:
        path = own_or_given(out, result.with_suffix(".html"), force)
        (_report_spatial if store.kind_of(result) == "spatial" else _report_study)(result, path)
    typer.echo(path)
    say("Open it in a browser; it loads nothing from anywhere.")


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
    """Output of a calibration: inside its folder, or beside a JSON file of another name than ``outcome.json``."""
    from tumorsim.calibration.outcome import FILE, outcome_file

    file = outcome_file(result)
    return file.with_name(f"{name}{suffix}" if file.name == FILE else f"{file.stem}-{name}{suffix}")


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
    """Draw one figure of a result or a calibration.

    `tumorsim plot list` shows the kinds, what each is drawn from, and its options.

    \b
    Examples:
      tumorsim plot km results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim plot km results/hcc_adjuvant_cik_rct-seed1.h5 --set endpoint=os -o os.pdf
      tumorsim plot lattice results/spatial_tace_nk-seed1.h5
      tumorsim plot calibration-posterior results/hcc_adjuvant_cik
    """
    from tumorsim import figures, store
    from tumorsim.calibration.outcome import read_outcome
    from tumorsim.cli.files import UsageError, key_values, own_or_given
    from tumorsim.figures import calibration, spatial
    from tumorsim.figures.curves import study_view

    if kind == "list":
        from tumorsim.cli.printing import print_figures

        print_figures((*figures.FIGURES, *spatial.FIGURES, *calibration.FIGURES))
        return
    declared = _declared(kind)
    options = declared.read(key_values(settings))  # a slip is told before the result is read
    if result is None:
        thing = "calibration" if declared.source == "calibration" else "result"
        raise UsageError(f"give a {thing} as well, e.g. {program()} plot {kind} {EXAMPLES[declared.source]}")
    _check_source(declared, result)
    if declared.source == "calibration":
        path = own_or_given(out, _beside(result, kind, ".png"), force)
        calibration.save(kind, read_outcome(result), path, **options)
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
    from tumorsim.figures import calibration, spatial

    if kind.startswith(calibration.PREFIX):
        return calibration.figure(kind)
    if any(one.name == kind for one in spatial.FIGURES):
        return spatial.figure(kind)
    try:
        return figures.figure(kind)
    except figures.FigureError as error:
        more = ", ".join(one.name for one in spatial.FIGURES)
        raise figures.FigureError(f"{error}; of a spatial study: {more}") from None


def _check_source(declared: Kind[Any], result: Path) -> None:
    """A figure of a study needs a result file of its kind, one of a calibration its folder."""
    from tumorsim import figures, store
    from tumorsim.calibration.outcome import is_calibration
    from tumorsim.cli.files import UsageError
    from tumorsim.figures import calibration, spatial

    if is_calibration(result):
        if declared.source == "calibration":
            return
        names = ", ".join(figure.name for figure in calibration.FIGURES)
        raise UsageError(f"{result}: {declared.name} is drawn from a result file; a calibration has {names}")
    if declared.source == "calibration":
        raise UsageError(
            f"{result}: {declared.name} is drawn from a calibration; give its folder, e.g. results/hcc_adjuvant_cik"
        )
    found = store.kind_of(result)
    if found != declared.source:
        known: tuple[Kind[Any], ...] = spatial.FIGURES if found == "spatial" else figures.FIGURES
        words = {"trial": "the result of a trial", "spatial": "the result of a spatial study"}
        raise UsageError(
            f"{result}: {declared.name} is drawn from {words[declared.source]}, and this is {words[found]}, which has "
            f"{', '.join(one.name for one in known)}"
        )


@app.command()
@guarded
def export(
    result: ResultPath,
    to: Annotated[Format, typer.Option("--to", help="Format.")] = Format.csv,
    out: Annotated[Path | None, out_option("Folder; RESULT-csv if not given.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a result as plain tables.

    Of a trial: patients, visits, trajectories. Of a spatial study: series, measures and
    the lineage; voxels stay in the file, which xarray and ParaView open. And what each
    column means.

    \b
    Examples:
      tumorsim export results/hcc_adjuvant_cik_rct-seed1.h5 --to csv
      tumorsim export results/spatial_tace_nk-seed1.h5
    """
    from tumorsim import store
    from tumorsim.export import to_csv

    for path in to_csv(result, out or result.with_name(f"{result.stem}-{to.value}"), force):
        typer.echo(path)
    if store.kind_of(result) == "spatial":
        say("Voxels are no table: open the result with xarray (group snapshots) or ParaView; see docs/result-file.md")
