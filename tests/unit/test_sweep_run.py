"""What becomes of runs whose worker dies."""

import pytest

import toy_sweep
from tumorsim.executor import DEATHS_AT_MOST, open_executor
from tumorsim.sweep.run import _outcomes
from tumorsim.sweep.runs import Asked


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.medium
def test_runs_that_kill_their_worker_are_recorded_and_all_others_done(size):
    """More of them in a row than an executor would bear by itself."""
    poison = frozenset(range(4, 4 + DEATHS_AT_MOST))
    tasks = [list(range(k, k + size)) for k in range(0, 12, size)]
    with open_executor("processes", 2) as executor:
        rows = [
            row
            for rows in _outcomes(executor, toy_sweep.Poisonous(poison), tasks, lambda number: Asked(number, (), 1))
            for row in rows
        ]
    assert sorted(row.number for row in rows) == list(range(12))
    assert {row.number for row in rows if row.failure} == poison
    assert all("the worker process died on this task, twice" in row.failure for row in rows if row.failure)
    assert all(row.values for row in rows if not row.failure)
