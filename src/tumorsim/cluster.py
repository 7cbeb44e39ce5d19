"""What a worker of a Dask cluster keeps: a function that is sent to it once, and that every task then names.

A task that carried its function would carry its data too: the scenario of a sweep is a hundred kilobytes, a batch of
runs a few hundred bytes.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from distributed import WorkerPlugin

SMALL: Final = 2_000  # bytes of a function that may as well go with every task
_kept: dict[str, Callable[[Any], Any]] = {}


class Keeper(WorkerPlugin):
    """Gives a function to every worker, those that come later too.

    Parameters
    ----------
    content
        The function, pickled.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.token = hashlib.sha256(content).hexdigest()

    def setup(self, worker: Any) -> None:
        """Keep the function; Dask calls this on the worker."""
        _kept[self.token] = pickle.loads(self.content)

    def teardown(self, worker: Any) -> None:
        """Let go of it."""
        _kept.pop(self.token, None)


@dataclass(frozen=True)
class Kept:
    """The function that workers keep under a token."""

    token: str

    def __call__(self, argument: Any) -> Any:
        """Call it."""
        return _kept[self.token](argument)
