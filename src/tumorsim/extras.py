"""Libraries that only a calibration or a sensitivity analysis needs: imported when needed, named when missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXTRA = "calibrate"


class MissingLibraryError(RuntimeError):
    """A library of the extra ``calibrate`` is not installed."""


def need(module: str) -> Any:
    """The module called ``module``.

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
            f'this stage needs the library {package}: install it with  python -m pip install "tumorsim[{EXTRA}]"'
        ) from None
