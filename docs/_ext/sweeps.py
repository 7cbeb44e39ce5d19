"""Draws ``docs/sweeps/NAME-OUTPUT.svg`` from ``docs/sweeps/NAME.h5``, the tables of ``scenarios/sweeps/NAME.yaml``.

Runs whenever the pages are built, so that a figure is what its table says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tumorsim.figures.sweep import save
from tumorsim.store import read_sweep

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def draw(app: Sphinx) -> None:
    """Draw every output of every table."""
    for path in sorted((Path(app.srcdir) / "sweeps").glob("*.h5")):
        data = read_sweep(path).data
        for output in data.outputs:
            figure = path.with_name(f"{path.stem}-{output.name}.svg")
            if not figure.exists() or figure.stat().st_mtime < path.stat().st_mtime:
                save("sweep", data, figure, output=output.name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before pages are read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
