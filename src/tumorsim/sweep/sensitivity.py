"""Sensitivity analysis: the points of a method, run like any sweep, and the indices of every output.

An output is averaged over the replicates of a point before any index is made; the replicates have the same seeds at
every point (common random numbers), so that two points differ by their factors and by as little luck as possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
from numpy.typing import NDArray

from tumorsim import sampling, store
from tumorsim.sampling import Index, Resampling
from tumorsim.sensitivity_data import FILE, INDICES, Estimates, FactorEnds, OutputIndices, Sensitivity
from tumorsim.sweep.base import FloatArray
from tumorsim.sweep.config import MAX_RUNS, Sweep, load_sweep, plain_of
from tumorsim.sweep.design import Points, of_unit
from tumorsim.sweep.run import Finished, How, SweepError, run_points
from tumorsim.sweep_data import STATUS, OutputColumn, SweepData

LEAST: Final = {"morris": 2, "sobol": 4}
"""Whole trajectories or base samples below which there is no index; an interval needs many more."""
ROWS: Final = {"morris": "trajectories", "sobol": "base samples"}


@dataclass(frozen=True)
class Analysed:
    """What a call of `sensitivity` came to.

    Attributes
    ----------
    finished
        The runs.
    outcome
        The indices; None while runs of other jobs are missing.
    """

    finished: Finished
    outcome: Sensitivity | None


def chosen(made: Sweep, method: str | None = None, samples: int | None = None) -> Sweep:
    """The sweep with another method or number of samples; those of its file are kept where None is given.

    Raises
    ------
    SweepError
        No such method, no power of two for Sobol', or more runs than a sweep may have.
    """
    told = made.sensitivity
    update = {"method": method or told.method, "samples": told.samples if samples is None else samples}
    if update["method"] not in INDICES:
        raise SweepError(f"--method {method}: must be one of {', '.join(INDICES)}")
    found = made.model_copy(update={"sensitivity": told.model_copy(update=update)})
    told = found.sensitivity
    if told.samples < 2:
        raise SweepError(f"samples: {told.samples} must be at least 2, e.g. --samples 16")
    if told.method == "sobol" and told.samples & (told.samples - 1):
        near = 1 << told.samples.bit_length()
        raise SweepError(f"samples: {told.samples} must be a power of 2 for sobol, e.g. --samples {near}")
    runs = told.samples * _size(found) * found.replicates
    if runs > MAX_RUNS:
        raise SweepError(f"samples: {told.samples:,} samples make {runs:,} runs, more than {MAX_RUNS:,}")
    return found


def _size(made: Sweep) -> int:
    """Points of a trajectory or a base sample."""
    return len(made.read_factors) + (1 if made.sensitivity.method == "morris" else 2)


def _unit(made: Sweep) -> FloatArray:
    """The points in the unit cube."""
    told, count = made.sensitivity, len(made.read_factors)
    if told.method == "morris":
        return sampling.trajectories(count, told.samples, told.levels, made.base.seed)
    return sampling.saltelli(count, told.samples, made.base.seed)


def points_for(made: Sweep) -> Points:
    """The points of the method that a sweep has chosen."""
    return of_unit(made.read_factors, _unit(made))


def default_folder(made: Sweep) -> Path:
    """Where an analysis goes if nothing is said: beside the sweep, one folder a method."""
    return Path("results") / f"{made.name}-{made.sensitivity.method}"


def sensitivity(
    source: str | Path | Sweep,
    out: str | Path | None = None,
    *,
    method: str | None = None,
    samples: int | None = None,
    **how: Unpack[How],
) -> Analysed:
    """Run what a method asks for and is not on disk yet, and write the indices.

    Parameters
    ----------
    source
        A sweep file, or what ``load_sweep(..., sampled=True)`` gave. Every factor needs ``low`` and ``high``.
    out
        Output folder, made if it is not there; ``results/NAME-METHOD`` if None. The same call on it goes on after any
        interruption.
    method, samples
        Instead of the file's: ``morris`` with trajectories, or ``sobol`` with base samples, a power of two.
    how
        Keywords of `tumorsim.sweep.run.How`.

    Raises
    ------
    ScenarioError
        A fault in the sweep file or its scenario, with its place.
    SweepError
        A method or number of samples that cannot be, or too few samples without a failure for any output.
    MissingLibraryError
        Morris' design needs SALib, of the extra ``calibrate``.
    JournalError, ResultError, ExecutorError
        As of `tumorsim.sweep.run.sweep`.
    """
    made = source if isinstance(source, Sweep) else load_sweep(source, sampled=True)
    made = chosen(made, method, samples)
    told = made.sensitivity
    folder = default_folder(made) if out is None else Path(out)
    unit = _unit(made)
    # what is drawn decides the numbers; resamples and confidence only what is said of them
    design = f"sensitivity_{told.method}"
    meaning = plain_of(made) | {"design": design, "samples": told.samples}
    meaning |= {"levels": told.levels} if told.method == "morris" else {}
    if how.get("force") and how.get("shard") is None:  # run_points refuses both together
        (folder / FILE).unlink(missing_ok=True)
    finished = run_points(made, of_unit(made.read_factors, unit), folder, meaning, design, **how)
    if finished.result is None:
        return Analysed(finished, None)
    outputs = indices_of(finished.result.data, unit, told.method, _resampling(made))
    outcome = _outcome(made, finished, outputs)
    store.commit(folder / FILE, outcome.text().encode(), force=True, sealed=False)
    if not any(one.indices for one in outputs):
        raise SweepError(_too_few(outcome, folder))
    return Analysed(finished, outcome)


def _resampling(made: Sweep) -> Resampling:
    told = made.sensitivity
    return Resampling(told.resamples, float(told.confidence), made.base.seed)


def _too_few(outcome: Sensitivity, folder: Path) -> str:
    rows, most = ROWS[outcome.method], max(one.used for one in outcome.outputs)
    return (
        f"{folder}: only {most} of {outcome.samples} {rows} are without a failed run or a missing number, and "
        f"{LEAST[outcome.method]} are needed; {outcome.failed} of {outcome.runs} runs failed: look at their messages "
        "with tumorsim sweep, choose outputs that every run can give, or raise --samples"
    )


def indices_of(data: SweepData, unit: FloatArray, method: str, how: Resampling) -> list[OutputIndices]:
    """The indices of every output of a finished sweep.

    A trajectory or base sample with a point at which a run failed, or gave no number, is left out as a whole: what is
    left of it says nothing by itself.

    Parameters
    ----------
    data
        The runs, point by point in the order of the design.
    unit : (points, factors)
        The design in the unit cube.
    method
        ``morris`` or ``sobol``.
    how
        Of the intervals.
    """
    size = unit.shape[1] + (1 if method == "morris" else 2)
    lost = (data.status == STATUS.index("failed")).any(axis=1)
    return [_of_output(one, lost, unit, size, method, how) for one in data.outputs]


def _of_output(
    column: OutputColumn, lost: NDArray[np.bool_], unit: FloatArray, size: int, method: str, how: Resampling
) -> OutputIndices:
    means = np.where(lost, np.nan, column.values.mean(axis=1)).reshape(-1, size)
    whole = np.isfinite(means).all(axis=1)
    kept = means[whole]
    found: dict[str, Index] = {}
    if len(kept) >= LEAST[method]:
        if method == "morris":
            where = unit.reshape(-1, size, unit.shape[1])[whole].reshape(-1, unit.shape[1])
            found = sampling.morris(sampling.elementary_effects(where, kept.ravel()), how)
        else:
            found = sampling.sobol(kept, how)
    return OutputIndices(
        name=column.name,
        title=column.title,
        unit=column.unit,
        ratio=column.ratio,
        used=int(whole.sum()),
        left_out=int((~whole).sum()),
        mean=float(kept.mean()) if kept.size else None,
        sd=float(kept.std(ddof=1)) if kept.size > 1 else None,
        indices={name: _estimates(one) for name, one in found.items()},
    )


def _estimates(one: Index) -> Estimates:
    def listed(values: FloatArray) -> list[float | None]:
        return [float(x) if np.isfinite(x) else None for x in values]

    return Estimates(value=listed(one.value), low=listed(one.low), high=listed(one.high))


def _outcome(made: Sweep, finished: Finished, outputs: list[OutputIndices]) -> Sensitivity:
    told = made.sensitivity
    assert finished.result is not None
    factors = []
    for one in made.read_factors:
        assert one.ends is not None
        low, high = one.ends
        factors.append(
            FactorEnds(
                name=one.name, title=one.title, unit=one.unit, low=low, high=high, logarithmic=one.logarithmic
            )
        )  # fmt: skip
    origin: dict[str, Any] = finished.result.provenance
    return Sensitivity(
        name=made.name,
        title=made.title,
        scenario=made.base.study.name,
        method=told.method,
        samples=told.samples,
        levels=told.levels if told.method == "morris" else None,
        replicates=made.replicates,
        resamples=told.resamples,
        confidence=float(told.confidence),
        seed=made.base.seed,
        runs=finished.total,
        failed=finished.failed,
        identity=str(finished.result.summary["identity"]),
        sweep_sha256=finished.result.digest,
        factors=factors,
        outputs=outputs,
        provenance=origin,
    )
