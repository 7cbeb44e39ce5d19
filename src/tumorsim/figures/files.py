"""Figures as bytes and as files: the same study gives the same bytes."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorsim.figures.base import FigureError, StudyView
from tumorsim.figures.style import FORMATS, journal

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

DPI = 300
# dates and versions would make each file differ from the last
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "tumorsim", "Title": "tumorsim figure"},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": "tumorsim", "Producer": None},
}


def image(drawing: Drawing, kind: str, dpi: int = DPI) -> bytes:
    """The bytes of a figure as ``png``, ``svg`` or ``pdf``.

    Raises
    ------
    FigureError
        Another format, or a resolution outside 50 to 1200 dpi.
    """
    if kind not in FORMATS:
        raise FigureError(f'a figure is written as {", ".join(FORMATS)}, not "{kind}", e.g. km.svg')
    if not 50 <= dpi <= 1200:
        raise FigureError(f"dpi: {dpi} must lie between 50 and 1200, e.g. 300")
    buffer = io.BytesIO()
    with journal():
        drawing.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA[kind])
    return buffer.getvalue()


def save(name: str, view: StudyView, path: str | os.PathLike[str], *, dpi: int = DPI, **options: Any) -> Path:
    """Draw a figure and write it; the suffix of ``path`` says the format.

    Parameters
    ----------
    name
        A name of `tumorsim.figures.FIGURES`.
    view
        The study.
    path
        Ends in ``.png``, ``.svg`` or ``.pdf``. The file appears whole or not at all.
    dpi
        Resolution of PNG.
    **options
        Options of the figure.

    Raises
    ------
    FigureError
        An unknown figure, option or format, or a folder that is not there.
    """
    from tumorsim.figures import figure

    return save_drawing(path, lambda: figure(name).draw(view, **options), dpi)


def save_drawing(path: str | os.PathLike[str], draw: Callable[[], Drawing], dpi: int = DPI) -> Path:
    """Write what ``draw`` draws; the suffix of ``path``, looked at before, says the format.

    Raises
    ------
    FigureError
        An unknown format, or a folder that is not there.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise FigureError(f'{target}: a figure file ends in .{", .".join(FORMATS)}, e.g. "{target.stem or "km"}.svg"')
    return write_whole(target, image(draw(), kind, dpi))


def write_whole(target: Path, content: bytes) -> Path:
    """Write a file beside its place and rename it, so that it appears whole or not at all.

    Raises
    ------
    FigureError
        The folder does not exist.
    """
    if not target.parent.is_dir():
        raise FigureError(f"{target}: the folder {target.parent} does not exist; make it first")
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp keeps files private; this one is as readable as any other new file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(partial, 0o666 & ~mask)
        os.replace(partial, target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return target
