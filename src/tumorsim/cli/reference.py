"""Verbs on the package itself: ``library``, ``schema``, ``doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorsim.cli.app import app
from tumorsim.cli.console import Code, guarded, print_json, program, say
from tumorsim.cli.options import AsJson, Force, Quiet, Verbose, out_option

if TYPE_CHECKING:
    from tumorsim.library import LibraryEntry


@app.command()
@guarded
def library(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="An entry, e.g. hcc or tissues/hcc.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the library, or show one entry.

    Of an entry every parameter is shown with unit, range, source and status.

    \b
    Examples:
      tumorsim library
      tumorsim library sorafenib
    """
    from dataclasses import asdict

    from tumorsim import library as shipped

    entries = (
        [shipped.entry(name)]
        if name
        else [shipped.entry(f"{kind}/{n}") for kind in shipped.KINDS for n in shipped.names(kind)]
    )
    if as_json:
        print_json(asdict(entries[0]) if name else {_called(e): {"kind": e.kind, "label": e.label} for e in entries})
        return
    from tumorsim.cli import printing

    if name:
        printing.print_entry(entries[0])
        for kind in shipped.kinds_of(entries[0].name):
            if kind != entries[0].kind:
                say(f"{entries[0].name} also names one of the {kind}: {program()} library {kind}/{entries[0].name}")
    else:
        printing.print_library(entries)


def _called(entry: LibraryEntry) -> str:
    """Name that the verb takes for an entry: with its kind where an earlier kind has the name too."""
    from tumorsim import library as shipped

    return entry.name if shipped.kind_of(entry.name) == entry.kind else f"{entry.kind}/{entry.name}"


@app.command()
@guarded
def schema(
    spatial: Annotated[bool, typer.Option("--spatial", help="Of spatial scenarios, instead of trials.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Of sweep files.")] = False,
    out: Annotated[Path | None, out_option("File; stdout if not given.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print the JSON Schema of a kind of file.

    For completion and checks in an editor.

    \b
    Examples:
      tumorsim schema -o scenario.schema.json
      tumorsim schema --spatial -o spatial.schema.json
      tumorsim schema --sweep -o sweep.schema.json
    """
    from tumorsim.cli.files import UsageError, write_text
    from tumorsim.schema import json_schema, spatial_json_schema

    if spatial and sweep:
        raise UsageError("--spatial and --sweep are two schemas; give one of them")
    if sweep:
        from tumorsim.sweep.schema import sweep_json_schema

        made = sweep_json_schema()
    else:
        made = spatial_json_schema() if spatial else json_schema()
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text, force)
        typer.echo(out)


@app.command()
@guarded
def doctor(as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> Code:
    """Show the installation and test it.

    Versions, threads, the kernel cache, and a self-test of a few seconds.

    \b
    Example:
      tumorsim doctor
    """
    from tumorsim.doctor import examine

    found = examine(notify=say)
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo(found)
    return Code.DONE if found.healthy else Code.FAILED
