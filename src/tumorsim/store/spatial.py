"""Write, read and recognise the result of a spatial study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumorsim.spatial_variables import SpatialData
from tumorsim.store.access import check_fit, check_words, laid_out, opened
from tumorsim.store.errors import ResultError
from tumorsim.store.guard import attribute
from tumorsim.store.layout import FORMATS
from tumorsim.store.sealing import check_target, commit
from tumorsim.store.spatial_decoding import SpatialReader, StoredSpatial
from tumorsim.store.spatial_encoding import encode
from tumorsim.store.spatial_identity import spatial_digest
from tumorsim.store.spatial_layout import problems


def write_spatial(
    path: Path | str,
    data: SpatialData,
    summary: Mapping[str, Any],
    scenario_text: str,
    scenario_source: str,
    provenance: Mapping[str, Any],
    force: bool = False,
) -> Path:
    """Write the result file of a spatial study, whole or not at all.

    Parameters
    ----------
    path
        Final name; its folder must exist.
    data
        The study, with every array of `tumorsim.spatial_variables`. Snapshots are float32 or 8-bit integers; there
        are some of every arm or of none.
    summary
        The summary; ``seed`` is needed. NaN and infinity are written as null.
    scenario_text
        The resolved scenario, part of the data's hash.
    scenario_source
        The scenario file as it was given.
    provenance
        From `tumorsim.provenance.collect`; None values are left out.
    force
        Replace an existing file.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    ResultError
        The target exists or cannot be written, the disk is full, or the study does not fit the layout.
    """
    path = check_target(path, force)
    check_fit(path, problems(data))
    seed = check_words(path, summary, scenario_text, scenario_source, provenance)
    digest = spatial_digest(data, scenario_text, seed)
    with laid_out(path):
        content = encode(data, summary, (scenario_text, scenario_source), provenance, digest)
    return commit(path, content, force=force)


def read_spatial(path: Path | str) -> StoredSpatial:
    """Read the result file of a spatial study, guarded like `tumorsim.store.read`.

    Raises
    ------
    ResultError
        The file is missing, damaged, of another kind or layout, or not what it claims.
    """
    with opened(path) as file:
        return SpatialReader(file, Path(path)).result()


def kind_of(path: Path | str) -> str:
    """Kind of a result file: ``trial``, ``spatial`` or ``sweep``. Checks the seal and reads one attribute.

    Raises
    ------
    ResultError
        The file is missing, damaged, or no result.
    """
    with opened(path) as file:
        found = attribute(file, "format", Path(path))
        if not isinstance(found, str) or found not in FORMATS:
            rule = "is an HDF5 file, but no tumorsim result"
            raise ResultError(path, "file", rule, "Give the path that `tumorsim run` printed")
        return FORMATS[found]
