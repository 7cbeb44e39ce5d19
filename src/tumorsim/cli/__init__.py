"""The command line: each verb parses, calls one library function and prints.

Nothing heavy is imported until a verb runs, so that ``tumorsim --help`` answers
at once. Results go to stdout; progress, warnings and errors to stderr.
"""

from __future__ import annotations

import gc
import os

# Importing a module registers its verbs; the order here is the order of the help.
# isort: off
from tumorsim.cli import study, sweep, sensitivity, calibration, result, reference  # noqa: F401
from tumorsim.cli.app import app
# isort: on

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; the entry point ``tumorsim``."""
    # Loading modules and building classes makes many objects and hardly any rubbish to look for.
    gc.set_threshold(50_000, 20, 20)
    # looking for plugins of pydantic reads the metadata of every installed package
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    app(prog_name="tumorsim")
