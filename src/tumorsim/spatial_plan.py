"""What a spatial run will do, before it does it: arms, lattice, cells, doses, memory, disk and time."""

from __future__ import annotations

import math
import os
from typing import Any, Final

from tumorsim.params.lattice_design import LatticeDesign, Start
from tumorsim.plan import arm_plan, seconds_text, size_text, treatment_text
from tumorsim.spatial_rules import tumour_volume
from tumorsim.spatial_scenario import SpatialScenario

# Processor time of a step: of each voxel, fields included, and of calls whatever the size. Measured on one
# core of a busy server with 1,600 to 3,000,000 voxels; only the estimate that `check` prints rests on these.
NS_PER_VOXEL_STEP: Final = 30.0
MS_PER_STEP: Final = 1.0
# imports, loading of compiled kernels, writing of the result
SECONDS_BASE: Final = 3.0

# What a lattice holds, in bytes. A voxel: kind, traits, id, intent, load, held; oxygen, its sources and
# the solver (21); an eighth of a block's six signals, eight effects, their sources and solver.
BYTES_PER_VOXEL: Final = 9 + 8 + 3 * 8 + 21 + (14 * 8 + 3 * 8 + 21) / 8
BYTES_PER_CELL: Final = 19  # of the lineage, for every cell that ever was
# what a snapshot stores of a voxel before compression: two codes and seven fields
SNAPSHOT_BYTES: Final = 2 + 7 * 4


def spatial_plan(scenario: SpatialScenario, threads: int | None = None) -> dict[str, Any]:
    """Plan of a run as one JSON-able mapping.

    Parameters
    ----------
    scenario
        What to run.
    threads
        Threads of the run; every core if None.

    Returns
    -------
    dict
        Lengths in mm, times in days; ``cells`` is what a lattice is expected to hold on day 0;
        ``seconds``, ``bytes`` and ``memory`` (of one lattice) are estimates.
    """
    lattice, start = scenario.lattice, scenario.start
    workers = threads or os.cpu_count() or 1
    lattices = len(scenario.arms) * lattice.replicates
    steps = lattices * lattice.steps
    work = float(steps) * lattice.voxels
    cells = expected_cells(lattice, start)
    return {
        "spatial": scenario.name,
        "title": scenario.title,
        "digest": scenario.digest,
        "seed": scenario.seed,
        "disease": scenario.disease.label or scenario.disease.name,
        "tissue": scenario.tissue.label or scenario.tissue.name,
        "extent": [length / 1000.0 for length in lattice.extent],
        "spacing": lattice.spacing / 1000.0,
        "shape": list(reversed(lattice.shape)),
        "voxels": lattice.voxels,
        "tumour": {
            "shape": start.tumour,
            "diameter": start.diameter / 1000.0,
            "cells": round(cells),
            "resistant": round(cells * start.resistant_fraction),
            "weight": start.lesion_volume * scenario.disease.growth.cell_density.value / max(cells, 1.0),
        },
        "lesion_volume": start.lesion_volume,
        "vessels": round(expected_vessels(lattice, start)),
        "duration": lattice.duration,
        "steps": lattice.steps,
        "replicates": lattice.replicates,
        "lattices": lattices,
        "arms": [arm_plan(arm, lattice.duration) for arm in scenario.arms],
        "shots": list(scenario.shots),
        "voxel_steps": work,
        "threads": workers,
        "seconds": SECONDS_BASE + (1e-9 * NS_PER_VOXEL_STEP * work + 1e-3 * MS_PER_STEP * steps) / workers,
        "memory": round(lattice.voxels * BYTES_PER_VOXEL + _born(scenario, cells) * BYTES_PER_CELL),
        "bytes": _bytes(scenario, cells),
    }


def _vessel_share(lattice: LatticeDesign, distance: float) -> float:
    """Share of voxels that a vessel takes."""
    return min(1.0, (lattice.spacing / distance) ** 2)


def expected_cells(lattice: LatticeDesign, start: Start) -> float:
    """Tumour cells of one lattice on day 0, in the mean."""
    inside = tumour_volume(lattice, start) / lattice.spacing**3
    return inside * (1.0 - _vessel_share(lattice, start.vessel_spacing_inside)) * start.cell_fraction


def expected_vessels(lattice: LatticeDesign, start: Start) -> float:
    """Vessel voxels of one lattice on day 0, in the mean."""
    inside = tumour_volume(lattice, start) / lattice.spacing**3
    outside = lattice.voxels - inside
    return inside * _vessel_share(lattice, start.vessel_spacing_inside) + outside * _vessel_share(
        lattice, start.vessel_spacing
    )


def _born(scenario: SpatialScenario, cells: float) -> float:
    """Cells that ever live on a lattice, at most: free growth up to a full lattice, then turnover."""
    growth, lattice = scenario.disease.growth, scenario.lattice
    rate = growth.growth_rate.value + growth.turnover_rate.value
    grown = cells * math.exp(min(rate * lattice.duration, 50.0))
    return min(grown, lattice.voxels * (1.0 + rate * lattice.duration))


def _bytes(scenario: SpatialScenario, cells: float) -> int:
    """Size of the result's arrays before compression, in bytes."""
    from tumorsim.spatial_variables import MEASURES, SERIES

    lattice, output = scenario.lattice, scenario.output
    shots = len(scenario.shots)
    sizes = {
        "arm": len(scenario.arms),
        "replicate": lattice.replicates,
        "time": int(lattice.duration / output.interval) + 1,
        "product": _products(scenario) + 1,
        "fate": 7,
        "shot": shots,
        "depth": 11 + max(lattice.shape) // 4,  # as `measures.bins` makes them
        "radius": 15,
    }
    numbers = sum(8 * math.prod(sizes[name] for name in variable.dims) for variable in (*SERIES, *MEASURES))
    pictures = len(scenario.arms) * shots * lattice.voxels * SNAPSHOT_BYTES
    lineage = len(scenario.arms) * _born(scenario, cells) * 36 if output.lineage else 0
    return round(numbers + pictures + lineage)


def _products(scenario: SpatialScenario) -> int:
    """Different cell products of all arms."""
    found: list[Any] = []
    for arm in scenario.arms:
        found += [t.definition for t in arm.treatments if t.POOL == "products" and t.definition not in found]
    return len(found)


def spatial_plan_text(planned: dict[str, Any]) -> str:
    """The plan as lines for people; ``planned`` is what `spatial_plan` gave."""
    x, y, z = planned["shape"]
    sides = " x ".join(f"{length:g}" for length in planned["extent"])
    slice_ = ", one slice" if z == 1 else ""
    lines = [
        f"{planned['spatial']}: {planned['title']}",
        f"  tissue      {planned['tissue']}; {planned['disease']}",
        f"  lattice     {sides} mm{slice_}: {x} x {y} x {z} = {planned['voxels']:,} voxels of "
        f"{planned['spacing'] * 1000:g} um",
        f"  start       {_tumour_text(planned)}",
        f"  time        {planned['duration']:g} days in {planned['steps']:,} steps; {_shots_text(planned['shots'])}",
        f"  replicates  {planned['replicates']} in each of {len(planned['arms'])} "
        f"arm{'' if len(planned['arms']) == 1 else 's'}: {planned['lattices']} lattices, seed {planned['seed']}",
    ]
    for arm in planned["arms"]:
        lines.append(f"  arm {arm['name']}: {arm['label']}")
        lines += [f"    - {treatment_text(treatment)}" for treatment in arm["treatments"]] or ["    - nothing"]
    lines.append(
        f"  cost        {planned['voxel_steps']:.2g} voxel-steps, about {seconds_text(planned['seconds'])} on "
        f"{planned['threads']} threads; {size_text(planned['memory'])} of memory a lattice; "
        f"at most {size_text(planned['bytes'])} on disk"
    )
    return "\n".join(lines)


def _tumour_text(planned: dict[str, Any]) -> str:
    tumour = planned["tumour"]
    size = {
        "sphere": f"a tumour of {tumour['diameter']:g} mm",
        "slab": f"a slab of tumour, {tumour['diameter']:g} mm thick",
        "filled": "a lattice full of tumour",
    }[tumour["shape"]]
    return (
        f"{size}, about {tumour['cells']:,} cells ({tumour['resistant']:,} resistant) and "
        f"{planned['vessels']:,} vessel voxels; a sample of a lesion of {planned['lesion_volume']:g} mL"
    )


def _shots_text(shots: list[float]) -> str:
    if not shots:
        return "no snapshots"
    if len(shots) == 1:
        return f"1 snapshot, on day {shots[0]:g}"
    return f"{len(shots)} snapshots, days {shots[0]:g} to {shots[-1]:g}"
