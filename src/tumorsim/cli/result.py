"""Verbs on a result: ``replay``, ``verify``, ``report``, ``plot``, ``export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, Progress, complain, guarded, print_json, printable, program, say
from tumorsim.cli.options import AsJson, Force, Quiet, ResultPath, Threads, Verbose, out_option

if TYPE_CHECKING:
    from tumorsim.figures.base import Kind

SOURCE = "A result file (HDF5), or the folder of a calibration."


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
    Example:
      tumorsim replay results/hcc_adjuvant_cik_rct-seed1.h5
    """
    from tumorsim import api

    with Progress("patient courses") as progress:
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

    Of a result: figures, tables, parameters and their sources. Of a calibration: what was
    fitted to what, what the figures can tell, and what not. It loads nothing from anywhere.

    \b
    Examples:
      tumorsim report results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim report results/hcc_adjuvant_cik
    """
    from tumorsim.calibration.outcome import is_calibration
    from tumorsim.cli.files import UsageError, own_or_given

    if out is not None and out.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"{out}: the page's name must end in .html, e.g. {result.stem}.html")
    if is_calibration(result):
        path = own_or_given(out, _beside(result, "report", ".html"), force)
        _report_calibration(result, path)
    else:
        path = own_or_given(out, result.with_suffix(".html"), force)
        _report_study(result, path)
    typer.echo(path)
    say("Open it in a browser; it loads nothing from anywhere.")


def _report_study(result: Path, path: Path) -> None:
    from tumorsim import store
    from tumorsim.figures.curves import study_view
    from tumorsim.report import save

    held = store.read(result)
    view = study_view(held.data, held.summary, held.curves, held.scenario_text)
    save(path, view, held.provenance, held.scenario_text, digest=held.digest, result=result.name)


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
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="km, waterfall, trajectories ...; `list` shows them all.")
    ],
    result: Annotated[Path | None, typer.Argument(metavar="RESULT", help=SOURCE)] = None,
    out: Annotated[
        Path | None, out_option("PNG, SVG or PDF; RESULT-KIND.png, or FOLDER/KIND.png, if not given.")
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

    `tumorsim plot list` shows the kinds and their options.

    \b
    Examples:
      tumorsim plot km results/hcc_adjuvant_cik_rct-seed1.h5
      tumorsim plot km results/hcc_adjuvant_cik_rct-seed1.h5 --set endpoint=os -o os.pdf
      tumorsim plot calibration-posterior results/hcc_adjuvant_cik
    """
    from tumorsim import figures, store
    from tumorsim.calibration.outcome import read_outcome
    from tumorsim.cli.files import UsageError, key_values, own_or_given
    from tumorsim.figures import calibration
    from tumorsim.figures.curves import study_view

    if kind == "list":
        from tumorsim.cli.printing import print_figures

        print_figures((*figures.FIGURES, *calibration.FIGURES))
        return
    fitted = kind.startswith(calibration.PREFIX)
    declared: Kind = calibration.figure(kind) if fitted else figures.figure(kind)
    options = declared.read(key_values(settings))  # a slip is told before the result is read
    if result is None:
        example = "results/my_calibration" if fitted else "results/my_trial-seed1.h5"
        raise UsageError(
            f"give a {'calibration' if fitted else 'result'} as well, e.g. {program()} plot {kind} {example}"
        )
    _check_source(kind, result, fitted)
    if fitted:
        path = own_or_given(out, _beside(result, kind, ".png"), force)
        calibration.save(kind, read_outcome(result), path, **options)
    else:
        path = own_or_given(out, result.with_name(f"{result.stem}-{kind}.png"), force)
        held = store.read(result)
        figures.save(kind, study_view(held.data, held.summary, held.curves, held.scenario_text), path, **options)
    typer.echo(path)


def _check_source(kind: str, result: Path, fitted: bool) -> None:
    """A figure of a study needs a result file, one of a calibration its folder."""
    from tumorsim.calibration.outcome import is_calibration
    from tumorsim.cli.files import UsageError
    from tumorsim.figures import calibration

    if is_calibration(result) == fitted:
        return
    if fitted:
        raise UsageError(
            f"{result}: {kind} is drawn from a calibration; give its folder, e.g. results/hcc_adjuvant_cik"
        )
    names = ", ".join(figure.name for figure in calibration.FIGURES)
    raise UsageError(f"{result}: {kind} is drawn from a result file; a calibration has {names}")


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

    Patients, visits, trajectories, and what each column means.

    \b
    Example:
      tumorsim export results/hcc_adjuvant_cik_rct-seed1.h5 --to csv
    """
    from tumorsim.export import to_csv

    for path in to_csv(result, out or result.with_name(f"{result.stem}-{to.value}"), force):
        typer.echo(path)
