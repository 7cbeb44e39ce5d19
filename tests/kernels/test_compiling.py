"""Two processes compile from either end; each failure of the second one leaves all to the first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from short_walk import draw, fail_elsewhere

from lattice_examples import BUSY
from tumorsim import compiling
from tumorsim.experiment import _first_steps
from tumorsim.kernels import _jit, random
from tumorsim.kernels._ahead import calls_of
from tumorsim.kernels._jit import as_bits, as_double, take_one, wide_product
from tumorsim.spatial_api import experiment_of
from tumorsim.spatial_scenario import load_spatial

FOLDER = Path(__file__).parent


@_jit.kernel
def halved(x):
    return 0.5 * x


@_jit.kernel
def squared(x):
    return x * x


@_jit.kernel(entry=True)
def both(x, early):
    if early:
        return squared(x[0])
    return halved(x[0]) + squared(x[0])


@_jit.kernel(entry=True)
def bits(x):
    return as_double(as_bits(x) + 1)


def test_calls_are_found_without_compiling() -> None:
    found = calls_of(lambda: (bits(1.0), both(np.ones(2), True), both(np.ones(2), False)))
    # the last entry first, and of what it calls the last in its source
    assert [call.__name__ for call, _ in found] == ["halved", "squared", "both", "bits"]
    assert [str(types) for _, types in found[:2]] == ["(float64,)"] * 2
    assert [str(kind) for kind in found[2][1]] == ["array(float64, 1d, C)", "bool"]
    assert not any(kernel.signatures for kernel in (halved, squared, both, bits))


def test_kernels_are_kernels_again_after_a_failure() -> None:
    before = [type(kernel) for kernel in _jit.KERNELS]
    with pytest.raises(ZeroDivisionError):
        calls_of(lambda: halved(1.0) / 0)
    assert [type(kernel) for kernel in _jit.KERNELS] == before


def test_a_walk_is_broken_off_where_nothing_new_is_seen() -> None:
    seen = []

    def work() -> None:
        for _ in range(100):
            seen.append(squared(2.0))

    assert [call.__name__ for call, _ in calls_of(work, 10)] == ["squared"]
    assert len(seen) == 11


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # words of the generator wrap around
def test_the_walk_sees_what_is_compiled() -> None:
    before = {kernel: set(kernel.overloads) for kernel in _jit.KERNELS}
    draw()
    seen = calls_of(draw)
    assert {call.__name__ for call, _ in seen} >= {"uniforms", "normals"}
    for kernel, types in seen:
        assert types in kernel.overloads or kernel.overloads.keys() <= before[kernel], kernel


def test_intrinsics_can_be_called_from_python() -> None:
    assert as_double(as_bits(1.5)) == 1.5
    assert [int(word) for word in wide_product(1 << 63, 2)] == [1, 1 << 64]
    assert take_one(np.array([5])) == 5


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_steps_of_a_lattice_call_all_that_any_step_calls() -> None:
    seen = {call for call, _ in calls_of(partial(_first_steps, experiment_of(load_spatial(BUSY))))}
    modules = {call.py_func.__module__ for call in seen} - {random.__name__}  # which draws for others too
    entries = {call for call in _jit.KERNELS if type(call) is _jit.Kernel and call.py_func.__module__ in modules}
    names = {call.__name__ for call in entries}
    assert names >= {"linearise", "advance_body", "decide_cells", "settle_sprouts", "embolise"}
    assert names <= {call.__name__ for call in seen}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Callable[[], object]]:
    """Work for which a second process was wanted; the cache is empty."""
    found: list[Callable[[], object]] = []
    monkeypatch.setattr(compiling, "_started", found.append)
    monkeypatch.setattr(compiling, "cache_directory", lambda: tmp_path)
    return found


def test_a_second_process_only_where_it_helps(
    started: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with compiling.helped("draw", draw, 1):
        pass
    assert not started  # one thread
    assert not compiling.is_cold("draw")
    with compiling.helped("draw", draw, 2):
        pass
    assert not started  # all is in the cache
    with compiling.helped("more", draw, 2), compiling.helped("still more", draw, 2):
        pass
    assert started == [draw]  # never two
    with pytest.raises(OSError, match="not here"), compiling.helped("others", draw, 2):
        fail_elsewhere()
    assert compiling.is_cold("others")
    monkeypatch.setattr(compiling, "KERNELS", [])  # without the compiler
    with compiling.helped("others", draw, 2):
        pass
    assert len(started) == 2


@pytest.mark.parametrize("work", [lambda: None, fail_elsewhere])
def test_whatever_the_second_process_does_the_first_goes_on(
    work: Callable[[], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Work that cannot be sent, and work that fails there."""
    monkeypatch.setattr(compiling, "cache_directory", lambda: tmp_path)
    with compiling.helped("some", work, 2):
        time.sleep(0.1)
    assert not compiling.is_cold("some")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with compiling.helped("others", draw, 2):
        pass
    assert not compiling.is_cold("others")


WAIT = """
import time
from short_walk import draw
from tumorsim import compiling
from tumorsim.kernels import random

cache = compiling.cache_directory()
with compiling.helped("draw", draw, 2):
    print("waiting", flush=True)
    while {forever} or not all(list(cache.rglob(f"random.{{name}}-*.nbi")) for name in ("uniforms", "normals")):
        time.sleep(0.05)
draw()
print(*random.uniforms.stats.cache_hits.values(), *random.normals.stats.cache_hits.values())
"""


def waiting(tmp_path: Path, forever: bool) -> subprocess.Popen[str]:
    """A process that leaves all compilation to the second one."""
    script = f"import sys; sys.path.insert(0, {str(FOLDER)!r})" + WAIT.format(forever=forever)
    environment = os.environ | {"TUMORSIM_CACHE_DIR": str(tmp_path)}
    return subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.medium
def test_what_the_second_process_compiles_is_loaded_by_the_first(tmp_path: Path) -> None:
    told, _ = waiting(tmp_path, False).communicate(timeout=600)
    assert told.split() == ["waiting", "1", "1"]
    assert list(tmp_path.rglob("draw.compiled"))


@pytest.mark.medium
@pytest.mark.skipif(os.name != "posix", reason="processes are listed by ps")
def test_the_second_process_ends_when_the_first_is_killed(tmp_path: Path) -> None:
    first = waiting(tmp_path, True)
    assert first.stdout is not None
    assert first.stdout.readline() == "waiting\n"
    told = subprocess.run(["ps", "-eo", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    (number,) = [own for parent, own in map(str.split, told.splitlines()) if parent == str(first.pid)]
    first.kill()
    first.communicate()
    for _ in range(200):
        told = subprocess.run(["ps", "-o", "stat=", "-p", number], capture_output=True, text=True, check=False).stdout
        if not told.strip() or told.strip().startswith("Z"):
            return
        time.sleep(0.05)
    pytest.fail("it is still there")


def test_two_signatures_have_files_of_their_own() -> None:
    """Numbered by two processes at once, as Numba would, one could be loaded in place of the other."""
    squared(2.0)
    squared(np.uint64(3))
    names = set()
    for signature in squared.overloads:
        squared._cache._look_at(signature)
        names.add(squared._cache._cache_file._index_name)
    assert len(names) == len(squared.overloads) > 1
