"""Small lattices with everything going on: vessels, clones, two infused products, memory, a drug and TACE."""

from __future__ import annotations

from pathlib import Path

from tumorsim.experiment import Task, tasks_of
from tumorsim.spatial_api import experiment_of
from tumorsim.spatial_scenario import load_spatial

BUSY = Path(__file__).with_name("busy_lattice.yaml")


def busy_task(*more: str, arm: int = 1, replicate: int = 0) -> Task:
    """One lattice of 33 x 13 x 5 voxels on which every phase has something to do within three days."""
    tasks = tasks_of(experiment_of(load_spatial(BUSY, more)))
    return next(task for task in tasks if task.arm == arm and task.replicate == replicate)
