"""The same bits on the lattice: at any number of threads, with agents in any order, and from every checkpoint."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lattice_examples import busy_task
from tumorsim.experiment import Task
from tumorsim.lattice import crew
from tumorsim.lattice.crew import Crew
from tumorsim.models.spatial import SpatialModel


def bits(model: SpatialModel) -> str:
    """SHA-256 of everything that decides what comes next; tables sorted by id."""
    arrays, numbers = model.checkpoint()
    found = hashlib.sha256(repr(sorted(numbers.items())).encode())
    for table in ("lymphocytes", "vessels"):
        order = np.argsort(arrays[f"{table}.ident"])
        for name in [name for name in arrays if name.startswith(f"{table}.")]:
            arrays[name] = arrays[name][order]
    for name in sorted(arrays):
        found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def run(task: Task, threads: int = 1, shuffle: int | None = None) -> SpatialModel:
    generator = np.random.default_rng(shuffle)
    with Crew(threads) as hands:
        model = SpatialModel(task.plan, task.doses, task.seed, hands)
        while not model.done:
            model.advance()
            if shuffle is not None:
                shuffle_tables(model, generator)
        return model


def shuffle_tables(model: SpatialModel, generator: np.random.Generator) -> None:
    for table in ("lymphocytes", "vessels"):
        order = generator.permutation(model.used[table])
        for array in getattr(model.state, table):
            array[: order.size] = array[order]


@pytest.fixture(scope="module")
def task() -> Task:
    return busy_task()


@pytest.fixture(scope="module")
def plain(task: Task) -> SpatialModel:
    return run(task)


def test_everything_goes_on_in_the_example(plain):
    assert plain.births >= 10
    assert plain.kills.min() > 0, "every product kills, memory too"
    assert plain.sessions == 1
    assert (plain.deaths[1:] > 0).sum() >= 3, "several causes of death occur"
    assert plain.used["lymphocytes"] > 20
    assert plain.state.fields.depot.max() > 0.0
    assert plain.state.fields.interferon.max() > 0.0


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(task, plain, threads, monkeypatch):
    monkeypatch.setattr(crew, "ALONE", 1)
    assert bits(run(task, threads)) == bits(plain)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_agents_in_memory_changes_no_bit(task, plain, seed):
    assert bits(run(task, shuffle=seed)) == bits(plain)


def test_from_every_seventh_checkpoint_the_rest_is_the_same(task, plain):
    kept = []
    with Crew(1) as hands:
        model = SpatialModel(task.plan, task.doses, task.seed, hands)
        while not model.done:
            if model.step % 7 == 0:
                arrays, numbers = model.checkpoint()
                kept.append(({name: array.copy() for name, array in arrays.items()}, dict(numbers)))
            model.advance()
        assert bits(model) == bits(plain)
        for arrays, numbers in kept:
            again = SpatialModel(task.plan, task.doses, task.seed, hands)
            again.restore(arrays, numbers)
            while not again.done:
                again.advance()
            assert bits(again) == bits(plain), f"resumed at step {numbers['step']}"


def test_replicates_and_seeds_differ(task, plain):
    other = busy_task(replicate=1)
    assert bits(run(other)) != bits(plain)
