"""The application that verbs are registered with."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="tumorsim",
    help=(
        "Virtual trials of targeted drugs and infused killer cells.\n\n"
        "Hypothesis-generating simulation: not for clinical use.\n\n"
        "\b\nStart here:\n  tumorsim init trial.yaml\n  tumorsim check trial.yaml\n  tumorsim run trial.yaml\n"
    ),
    epilog="Exit codes: 0 done, 1 failed or differs, 2 bad input, 3 partial result, 130 interrupted.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from tumorsim import __version__

        typer.echo(f"tumorsim {__version__}")
        raise typer.Exit


@app.callback()
def _tumorsim(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
