"""The command line: each verb parses, calls one library function and prints.

Nothing heavy is imported until a verb runs, so that ``tumorsim --help`` answers
at once. Results go to stdout; progress, warnings and errors to stderr.
"""

from __future__ import annotations

from tumorsim.cli import study, result, reference  # noqa: F401, I001  (importing registers the verbs, in the order of the help)
from tumorsim.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; the entry point ``tumorsim``."""
    app(prog_name="tumorsim")
