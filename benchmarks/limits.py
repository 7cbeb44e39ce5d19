"""What this machine can do at most: multiply-adds, and moving numbers from each level of memory.

One core. These kernels are not the engine's: they compute nothing, and ``fastmath`` lets the compiler fuse a
product and a sum, which the engine's own kernels may not, since its bits are promised. Numba takes vectors of four
doubles where the processor has eight; where there is a C compiler, `benchmarks.yardstick` measures the same in C.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

import numba
import numpy as np

from benchmarks.figure import Figure
from benchmarks.machine import caches
from benchmarks.timing import Work, in_turn, ratio, seconds
from tumorsim.lattice.crew import Crew

LANES = 1024  # doubles in hand at once, 8 KiB
CHAINS = 8  # independent chains of multiply-adds: a unit takes a new one each cycle and needs four to finish
FACTORS = 16  # multiply-adds for each number loaded; the compiler unrolls no more
BIGGEST = 1 << 23  # doubles of each array of the triad at most, 64 MiB
UPDATE_BYTES, TRIAD_BYTES = 16.0, 24.0  # a number: one read and one write; two reads and one write
NAMES = {
    "fma": ("multiply-adds in registers", "Gflop/s"),
    "L1": ("read and write, first-level cache", "GB/s"),
    "L2": ("read and write, second-level cache", "GB/s"),
    "L3": ("read and write, third-level cache", "GB/s"),
    "triad": ("triad a = b + s c, memory", "GB/s"),
}


@numba.njit(fastmath=True, cache=False, nogil=True)
def multiply_add(x, a, b, rounds):
    """Rounds of `FACTORS` multiply-adds on every number of ``x``, in `CHAINS` chains side by side."""
    n = x.size // CHAINS
    for _ in range(rounds):
        for i in range(n):
            s, t, u, v = x[i], x[i + n], x[i + 2 * n], x[i + 3 * n]
            o, p, q, r = x[i + 4 * n], x[i + 5 * n], x[i + 6 * n], x[i + 7 * n]
            for _ in range(FACTORS):
                s, t, u, v = s * a + b, t * a + b, u * a + b, v * a + b
                o, p, q, r = o * a + b, p * a + b, q * a + b, r * a + b
            x[i], x[i + n], x[i + 2 * n], x[i + 3 * n] = s, t, u, v
            x[i + 4 * n], x[i + 5 * n], x[i + 6 * n], x[i + 7 * n] = o, p, q, r


@numba.njit(fastmath=True, cache=False, nogil=True)
def update(x, a, rounds):
    """Read and write every number of ``x`` once a round."""
    for _ in range(rounds):
        for i in range(x.size):
            x[i] = x[i] + a


@numba.njit(fastmath=True, cache=False, nogil=True)
def triad(x, y, z, a):
    """The triad of McCalpin's STREAM."""
    for i in range(x.size):
        x[i] = y[i] + a * z[i]


def measured(quick: bool) -> dict[str, float]:
    """Best of several tries: flop/s under ``fma``, bytes/s under ``L1``, ``L2``, ``L3`` and ``triad``.

    The best and not the median: a limit is what nothing disturbs.
    """
    tries, level = 5 if quick else 20, caches()
    x = np.ones(LANES)
    rounds = 4000
    multiply_add(x, 0.999, 0.001, 1)
    best = min(seconds(lambda: multiply_add(x, 0.999, 0.001, rounds)) for _ in range(tries))
    found = {"fma": 2.0 * FACTORS * LANES * rounds / best}
    update(x, 0.0, 1)
    # a cache half full: all of it is never one process's own. The last level is shared among the cores
    sizes = {"L1": level[1] // 2, "L2": level[2] // 2, "L3": min(level[3] // 4, 8 << 20)}
    for name, size in sizes.items():
        values = np.ones(size // 8)
        passes = max(1, (64 << 20) // size)
        update(values, 0.0, 1)
        best = min(seconds(lambda v=values, p=passes: update(v, 0.0, p)) for _ in range(tries))
        found[name] = UPDATE_BYTES * values.size * passes / best
    arrays = [np.ones(min(BIGGEST, 2 * level[3] // 8)) for _ in range(3)]
    triad(*arrays, 0.5)
    best = min(seconds(lambda: triad(*arrays, 0.5)) for _ in range(tries))
    found["triad"] = TRIAD_BYTES * arrays[0].size / best
    return found


def as_figures(limits: dict[str, float]) -> list[Figure]:
    """Limits as lines of the table."""
    return [Figure(NAMES[name][0], limits[name] / 1e9, NAMES[name][1]) for name in NAMES if name in limits]


TWICE = 4  # passes over what fits into the last cache, for each try


def two_threads(quick: bool, repeats: int) -> list[Figure]:
    """What a second thread gains where there is nothing but arithmetic, the last cache or memory to share.

    The same work in one piece and in two halves, by the clock, handed out as the engine hands out its phases. No
    kernel of ours that waits for the cache or for memory can gain more.
    """
    level = caches()
    x, values = np.ones(2 * LANES), np.ones(min(level[3] // 4, 8 << 20) // 8)
    arrays = [np.ones(min(BIGGEST, 2 * level[3] // 8)) for _ in range(3)]
    rounds, passes = 4000, TWICE * (4 if quick else 16)

    def calculate(first: int, last: int) -> None:
        for half in range(first, last):
            multiply_add(x[half * LANES : (half + 1) * LANES], 0.999, 0.001, rounds)

    def move(first: int, last: int) -> None:
        n = values.size // 2
        update(values[first * n : last * n], 0.0, passes)

    def stream(first: int, last: int) -> None:
        n = arrays[0].size // 2
        triad(*(array[first * n : last * n] for array in arrays), 0.5)

    phases: dict[str, tuple[Any, float]] = {
        "fma": (calculate, 2.0 * FACTORS * x.size * rounds),
        "L3": (move, UPDATE_BYTES * values.size * passes),
        "triad": (stream, TRIAD_BYTES * arrays[0].size),
    }
    figures = []
    with Crew(1) as alone, Crew(2) as pair:
        for name, (phase, amount) in phases.items():
            works: dict[str, Work] = {"one": partial(alone.run, phase, 2), "two": partial(pair.run, phase, 2)}
            for work in works.values():
                work()
            times = in_turn(works, 5 * repeats)
            faster, noise = ratio(times["one"], times["two"])
            rate = amount / statistics.median(times["two"]) / 1e9
            title, unit = NAMES[name]
            figures.append(Figure(f"{title}, 2 threads", rate, unit, None, "1 thread", faster, noise=noise))
    return figures
