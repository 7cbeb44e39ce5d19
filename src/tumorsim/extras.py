"""Libraries that only some verbs need: imported when needed, named when missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name on the package index where it is another than that of the module
PACKAGES = {"libsbml": "python-libsbml"}


class MissingLibraryError(RuntimeError):
    """A library of an extra is not installed."""


def need(module: str, extra: str = "calibrate") -> Any:
    """The module called ``module``, which the extra ``extra`` brings.

    Raises
    ------
    MissingLibraryError
        It is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingLibraryError(
            f"this needs the library {PACKAGES.get(package, package)}: "
            f'install it with  python -m pip install "tumorsim[{extra}]"'
        ) from None
