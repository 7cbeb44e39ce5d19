"""What a sweep would do: points, runs, time and disk."""

from __future__ import annotations

from typing import Any

from tumorsim.sweep.config import Sweep
from tumorsim.sweep.design import Points
from tumorsim.sweep.run import MAX_BATCH, SweepError, batch_size, seconds_of

SHARD_BYTES = 700  # of a shard beside its rows: header, seal, line of the index
ROW_BYTES = 8  # of a number, twice: in its shard and in the table


def sweep_plan(made: Sweep, points: Points, workers: int, batch: int | None = None) -> dict[str, Any]:
    """The plan as JSON-able data.

    Parameters
    ----------
    made, points
        The sweep and its points.
    workers
        Processes.
    batch
        Runs of a shard, if they were asked for.
    """
    runs = len(points) * made.replicates
    each = seconds_of(made)
    size = min(batch, MAX_BATCH) if batch else batch_size(made, runs, workers)
    numbers = len(made.read_outputs) + len(made.read_factors) + 1
    shards = -(-runs // size)
    return {
        "name": made.name,
        "title": made.title,
        "scenario": made.base.study.name,
        "kind": "lattice" if made.base.spatial else "trial",
        "design": made.design,
        "points": len(points),
        "replicates": made.replicates,
        "runs": runs,
        "seeds": [made.base.seed, made.base.seed + made.replicates - 1],
        "factors": [
            {"name": one.name, "paths": list(one.settings), "values": _values(points, k)}
            for k, one in enumerate(made.read_factors)
        ],
        "outputs": [{"name": one.name, "title": one.title, "unit": one.unit} for one in made.read_outputs],
        "workers": workers,
        "batch": size,
        "shards": shards,
        "seconds_a_run": each,
        "seconds": runs * each / min(workers, runs),
        "bytes": shards * SHARD_BYTES + 2 * ROW_BYTES * numbers * runs,
    }


def _values(points: Points, place: int) -> str:
    """The values of a factor in a few words."""
    texts = list(dict.fromkeys(row[place] for row in points.texts))
    if len(texts) <= 4:
        return ", ".join(texts)
    return f"{texts[0]}, {texts[1]} ... {texts[-1]} ({len(texts)})"


def read_part(text: str) -> tuple[int, int]:
    """``i/N`` of a job array.

    Raises
    ------
    SweepError
        It is no such text.
    """
    i, _, n = text.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise SweepError(f"--shard {text}: must be i/N with 1 <= i <= N, e.g. --shard 3/20")
    return int(i), int(n)
