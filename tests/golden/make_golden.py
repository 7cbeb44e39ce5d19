"""Make the golden result of the present layout version: ``python tests/golden/make_golden.py``.

Run it once when a layout version is first released, and commit what it writes.
A golden file is never made again: files of its version are on people's disks, and
`test_golden_result.py` keeps them readable. If that test fails after a change of
`tumorsim.variables`, raise ``LAYOUT_VERSION`` in ``tumorsim/store/layout.py``, name
the new variable in ``SINCE``, and make a golden file of the new version beside the old.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toy_result import write_toy
from toy_spatial import make_spatial, write_toy_spatial
from toy_sweep import make_sweep, write_toy_sweep
from toy_trial import make_trial
from tumorsim.store import LAYOUT_VERSION, read, read_spatial, read_sweep
from tumorsim.store.spatial_layout import LAYOUT_VERSION as SPATIAL_VERSION
from tumorsim.store.sweep import LAYOUT_VERSION as SWEEP_VERSION

HERE = Path(__file__).resolve().parent


def spatial() -> None:
    """The golden result of a spatial study."""
    path = HERE / f"spatial_layout_{SPATIAL_VERSION}.h5"
    write_toy_spatial(path, make_spatial(replicates=1, times=3, shots=2, box=(2, 3, 4), cells=5, seed=11))
    stored = read_spatial(path)
    known = {
        "digest": stored.digest,
        "layout_version": stored.layout_version,
        "arms": stored.data.arms,
        "variables": sorted(stored.data.arrays),
        "oxygen": [float(value).hex() for value in stored.data["oxygen"].ravel()],
        "pictures": {arm: sorted(pictures) for arm, pictures in stored.data.snapshots.items()},
        "content": {arm: pictures["content"].ravel().tolist() for arm, pictures in stored.data.snapshots.items()},
        "parent": {arm: cells["parent"].tolist() for arm, cells in stored.data.lineage.items()},
        "summary": stored.summary,
        "scenario": stored.scenario_text,
        "provenance": stored.provenance,
    }
    write_known(path, known)


def write_known(path: Path, known: dict[str, Any]) -> None:
    """What the file held when it was made."""
    path.with_suffix(".json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def sweep() -> None:
    """The golden table of a sweep."""
    path = HERE / f"sweep_layout_{SWEEP_VERSION}.h5"
    write_toy_sweep(path, make_sweep(seed=11))
    stored = read_sweep(path)
    known = {
        "digest": stored.digest,
        "layout_version": stored.layout_version,
        "columns": [one.name for one in (*stored.data.factors, *stored.data.outputs)],
        "schedule": [stored.data.factor("schedule").text(point) for point in range(stored.data.points)],
        "hr": [value.hex() for value in stored.data.output("hr").values.ravel().tolist()],
        "status": stored.data.status.tolist(),
        "seeds": stored.data.seeds.tolist(),
        "summary": stored.summary,
        "scenario": stored.scenario_text,
        "sweep": stored.scenario_source,
        "provenance": stored.provenance,
    }
    write_known(path, known)


def trial() -> None:
    """The golden result of a trial."""
    path = HERE / f"result_layout_{LAYOUT_VERSION}.h5"
    write_toy(path, make_trial(n=3, trace=1, seed=11))
    stored = read(path)
    known = {
        "digest": stored.digest,
        "layout_version": stored.layout_version,
        "arms": stored.data.arms,
        "variables": sorted(stored.data.arrays),
        "age": [float(value).hex() for value in stored.data["age"]],
        "death_cause": stored.data["death_cause"].tolist(),
        "curves": {endpoint: sorted(arms) for endpoint, arms in stored.curves.items()},
        "summary": stored.summary,
        "scenario": stored.scenario_text,
        "provenance": stored.provenance,
    }
    write_known(path, known)


if __name__ == "__main__":
    if not (HERE / f"result_layout_{LAYOUT_VERSION}.h5").exists():
        trial()
    if not (HERE / f"spatial_layout_{SPATIAL_VERSION}.h5").exists():
        spatial()
    if not (HERE / f"sweep_layout_{SWEEP_VERSION}.h5").exists():
        sweep()
