"""Compiled code does what the source says: the same bits without the compiler, no index out of bounds, whole caches."""

from __future__ import annotations

import gc
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_trial import tiny_trials

from tumorsim.kernels import _jit

DAYS = 60.0
NUMPY = "import numpy as np; from tumorsim.kernels import random; "
DRAW = NUMPY + "print(random.uniforms(1, 2, np.arange(3), 0, 0)[0].hex())"
BEYOND = NUMPY + "random.pair_uniforms(1, 2, np.arange(9), 0, np.arange(2))"


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Another interpreter in the repository's folder."""
    return subprocess.run(
        [sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True, timeout=1200
    )


def printed(*arguments: str, **environment: str) -> str:
    done = python(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_without_the_compiler_every_bit_is_the_same() -> None:
    """Every phase again as plain Python: what the compiler makes of it changes nothing, not even the last digit."""
    script = str(Path(__file__).with_name("tiny_trial.py"))
    assert printed(script, str(DAYS), NUMBA_DISABLE_JIT="1") == tiny_trials(DAYS)


@pytest.mark.slow
def test_no_index_is_out_of_bounds(tmp_path: Path) -> None:
    checked = {"NUMBA_BOUNDSCHECK": "1", "TUMORSIM_CACHE_DIR": str(tmp_path)}
    assert "IndexError" in python("-c", BEYOND, **checked).stderr  # the check is on
    assert printed(str(Path(__file__).with_name("tiny_trial.py")), str(DAYS), **checked) == tiny_trials(DAYS)


@pytest.mark.medium
def test_an_inner_kernel_is_loaded_as_it_was_compiled(tmp_path: Path) -> None:
    """From the cache too it is code for callers: machine code of it as it lies there would serve them, and be slow."""
    inner = (
        "from tumorsim.kernels.growth import half_saturation as f; print(f(1.0, 3.0).hex(), *f.stats.cache_hits); "
        "print(*{type(c.library).__name__ for c in f.overloads.values()})"
    )
    kind = "InnerLibrary" if _jit.KNOWN else "JITCodeLibrary"
    first = printed("-c", inner, TUMORSIM_CACHE_DIR=str(tmp_path)).splitlines()
    assert first == [(0.25).hex(), kind]
    again = printed("-c", inner, TUMORSIM_CACHE_DIR=str(tmp_path)).splitlines()
    assert again[0].startswith((0.25).hex() + " ")
    assert again[1] == kind


@pytest.mark.parametrize("collects", [True, False])
def test_compiling_leaves_the_collector_as_it_was(collects: bool) -> None:
    from numba.core.errors import TypingError

    @_jit.kernel
    def twice(x):  # type: ignore[no-untyped-def]
        return 2.0 * x

    try:
        if not collects:
            gc.disable()
        assert twice(2.0) == 4.0
        assert gc.isenabled() == collects
        with pytest.raises(TypingError):
            twice("a")
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def busy(x, y, n):  # type: ignore[no-untyped-def]
    """Something of everything that kernels do."""
    total, pair = 0.0, (x[0], n)
    for i in range(n):
        if x[i] > pair[0] and i % 2 == 0:
            y[i] = math.exp(-x[i]) + max(x[i], 1.0)
            total += y[i]
        else:
            y[i] = x[i] / (1.0 + abs(x[i]))
    return total + pair[1] + np.floor(total)


@pytest.mark.skipif(not _jit.KNOWN, reason="the insides of this Numba are not known")
@pytest.mark.parametrize("options", [{}, {"error_model": "numpy", "_nrt": False}])
def test_what_the_compiler_is_asked_once_changes_nothing_that_it_makes(options: dict[str, object]) -> None:
    import numba

    from tumorsim.kernels._once import answered_once

    def made() -> str:
        compiled = numba.njit("float64(float64[::1], float64[::1], int64)", **options)(busy)
        (text,) = compiled.inspect_llvm().values()
        return re.sub(r"\[\d+ x i8\]|(?<=B)\d?v\d+|(?<=\$)\d+", "", text)  # a number of the function, in its name

    plain = made()
    with answered_once():
        first = made()
        again = made()  # from what is known by now
    assert len(plain) > 1000
    assert plain == first == again


@pytest.mark.skipif(not _jit.KNOWN, reason="the insides of this Numba are not known")
def test_numba_is_left_as_it_was() -> None:
    from tumorsim.kernels._once import _REPLACED, answered_once

    before = [getattr(place, name) for place, name, _ in _REPLACED]
    with answered_once():
        with pytest.raises(ZeroDivisionError), answered_once():
            print(1 // 0)
        assert [getattr(place, name) for place, name, _ in _REPLACED] == [ours for _, _, ours in _REPLACED]
    assert [getattr(place, name) for place, name, _ in _REPLACED] == before


@pytest.fixture(scope="module")
def whole_cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache of compiled kernels, and what they print."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, printed("-c", DRAW, TUMORSIM_CACHE_DIR=str(folder))


@pytest.mark.medium
@pytest.mark.parametrize(("pattern", "left"), [("*.nbi", 0), ("*.nbc", 20)])
def test_a_truncated_cache_is_compiled_anew(
    tmp_path: Path, whole_cache: tuple[Path, str], pattern: str, left: int
) -> None:
    """Numba itself raises EOFError or UnpicklingError here."""
    folder, first = whole_cache
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    cache = {"TUMORSIM_CACHE_DIR": str(tmp_path)}
    files = list(tmp_path.rglob(pattern))
    assert files
    for path in files:
        os.truncate(path, left)
    assert printed("-c", DRAW, **cache) == first
    sizes = [path.stat().st_size for path in tmp_path.rglob("*uniforms*.nb*")]
    assert sizes
    assert min(sizes) > left  # and what lies there now is whole


def test_the_cache_is_keyed_by_what_decides_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    key = _jit.cache_key()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert _jit.cache_key() == key
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert _jit.cache_key() != key
    monkeypatch.delenv("NUMBA_BOUNDSCHECK")
    monkeypatch.setattr(_jit, "cpu_name", lambda: "another")
    assert _jit.cache_key() != key


def test_a_kernel_is_compiled_once_for_all_constants_and_widths() -> None:
    from numba.core import types

    @_jit.kernel
    def doubled(number):
        return 2 * number

    for argument in (types.literal(3), types.uint8, types.int32, types.uint32, types.int64):
        doubled.get_call_template((argument,), {})
    assert doubled.signatures == [(types.int64,)]
    doubled.get_call_template((types.uint64,), {})  # random words do not fit
    doubled.get_call_template((types.float64,), {})
    assert len(doubled.signatures) == 3


def test_an_inner_kernel_can_be_called_from_python() -> None:
    from tumorsim.kernels.growth import half_saturation

    assert isinstance(half_saturation, _jit.InnerKernel)
    assert half_saturation(1.0, 3.0) == half_saturation.py_func(1.0, 3.0) == 0.25


@pytest.mark.medium
@pytest.mark.parametrize("variable", ["TUMORSIM_CACHE_DIR", "NUMBA_CACHE_DIR"])
def test_an_edited_callee_in_another_file_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Numba's own cache looks at the caller's file alone, and would go on with the old callee."""
    package = Path(_jit.__file__).parents[1]
    shutil.copytree(package, tmp_path / "tumorsim", ignore=shutil.ignore_patterns("__pycache__"))
    law = tmp_path / "tumorsim" / "kernels" / "growth.py"
    monkeypatch.delenv("TUMORSIM_CACHE_DIR", raising=False)
    environment = {variable: str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    script = "from tumorsim.kernels import pharmacology as p; print(p.emax(3.0, 1.0, 1.0), p.__file__)"

    def told() -> tuple[float, str]:
        value, place = printed("-P", "-c", script, **environment).split()
        return float(value), place

    assert told() == (1.5, str(law.with_name("pharmacology.py")))
    assert told()[0] == 1.5  # from the cache
    source = law.read_text(encoding="utf-8")
    assert source.count("return amount / (amount + half)") == 1
    law.write_text(source.replace("return amount / (amount + half)", "return amount / (amount + 2.0 * half)"))
    assert told()[0] == 1.0
