"""Threads that share out a range: all of it, once, whatever goes wrong."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tumorsim.lattice.crew import Crew


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 3, 64])
def test_every_piece_is_done_once(threads: int, count: int) -> None:
    done = np.zeros(count, int)

    def phase(by: int, first: int, last: int) -> None:
        done[first:last] += by

    with Crew(threads) as crew:
        for _ in range(20):
            crew.run(phase, count, 3)
    assert (done == 60).all()


def test_small_work_stays_with_the_caller() -> None:
    seen = []
    with Crew(3) as crew:
        crew.run(lambda first, last: seen.append(threading.current_thread()), 9, voxels=10)
        crew.run(lambda first, last: seen.append(threading.current_thread()), 9)
    assert seen[0] is threading.current_thread()
    assert len(seen) == 4
    assert len(set(seen)) == 3


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_an_error_waits_until_no_piece_is_writing(wrong: int) -> None:
    ended = []

    def phase(first: int, last: int) -> None:
        if first == wrong:
            raise ValueError(f"piece {first}")
        ended.append(first)

    with Crew(3) as crew:
        for _ in range(5):
            with pytest.raises(ValueError, match=f"piece {wrong}"):
                crew.run(phase, 3)
            assert sorted(ended) == sorted({0, 1, 2} - {wrong})
            ended.clear()
        crew.run(lambda first, last: ended.append(first), 3)
    assert sorted(ended) == [0, 1, 2]


def test_a_crew_that_is_closed_or_forgotten_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with Crew(4) as crew:
        crew.run(lambda first, last: None, 4)
    ended = []
    crew.run(lambda first, last: ended.append((first, last)), 4)
    assert ended == [(0, 4)]
    del crew
    forgotten = Crew(3)
    forgotten.run(lambda first, last: None, 3)
    del forgotten
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(5.0)
    assert not any(thread.is_alive() for thread in left)
