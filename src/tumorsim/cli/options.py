"""Arguments and options that verbs share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ScenarioPath = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (YAML).", show_default=False)]
ResultPath = Annotated[Path, typer.Argument(metavar="RESULT", help="A result file (HDF5).", show_default=False)]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Seed, instead of the scenario's.", show_default=False)
]
Patients = Annotated[
    int | None,
    typer.Option(
        "--patients", metavar="N", min=1, help="Virtual patients, instead of the scenario's.", show_default=False
    ),
]
Replicates = Annotated[
    int | None,
    typer.Option(
        "--replicates",
        metavar="N",
        min=1,
        help="Lattices in each arm of a spatial scenario, instead of the file's.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", min=1, help="Kernel threads; all cores if not given.", show_default=False),
]
Block = Annotated[
    int | None,
    typer.Option(
        "--block",
        metavar="N",
        min=1,
        help="Patients simulated, and kept on disk, at a time; by default as suits the machine.",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one value of the scenario; may be repeated.", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Only show what would be done.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors on stderr.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show the traceback of an error.")]


def out_option(what: str) -> Any:
    """``-o/--out`` with its own help line."""
    return typer.Option("-o", "--out", metavar="PATH", help=what, show_default=False)
