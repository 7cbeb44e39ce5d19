"""Loops whose turns are apart: what the compiler is told, and what it makes of it."""

from __future__ import annotations

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from tumorsim.kernels import _jit
from tumorsim.kernels._apart import innermost, turns_apart

NESTED = """
define void @f(i64 %n, double* %x) {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %after ]
  br label %inner
inner:
  %j = phi i64 [ 0, %outer ], [ %j.next, %inner ]
  %at = getelementptr double, double* %x, i64 %j
  %old = load double, double* %at
  store double %old, double* %at
  %j.next = add i64 %j, 1
  %more = icmp slt i64 %j.next, %n
  br i1 %more, label %inner, label %after
after:
  %i.next = add i64 %i, 1
  %again = icmp slt i64 %i.next, %n
  br i1 %again, label %outer, label %end
end:
  ret void
}
"""


def several(a, b, c, d, e, n):
    """More arrays than the compiler cares to compare."""
    for i in range(n):
        a[i] = a[i] + b[i] * c[i]
        b[i] = a[i] - c[i] * d[i]
        c[i] = b[i] + d[i] / e[i]
        d[i] = c[i] * 0.5
        e[i] = d[i] + a[i]


def test_innermost_loops_alone() -> None:
    follows = {"a": ["b"], "b": ["c", "z"], "c": ["d"], "d": ["e", "c2"], "c2": ["c"], "e": ["b"], "z": []}
    assert innermost(follows) == [["c", "c2", "d"]]
    assert innermost({"a": ["b"], "b": []}) == []
    assert innermost({}) == []
    assert innermost({"a": ["a", "b"], "b": ["b", "c"], "c": []}) == [["a"], ["b"]]


def test_only_the_inner_loop_is_marked_and_the_code_stays_whole() -> None:
    found = turns_apart(NESTED)
    llvm.parse_assembly(found).verify()
    marked = [line for line in found.splitlines() if ", !llvm.loop" in line]
    assert len(marked) == 1
    assert "label %inner, label %after" in marked[0]
    assert found.count(", !llvm.access.group") == 2
    without = "define void @g() {\nentry:\n  ret void\n}\n"
    assert turns_apart(without) == without
    assert turns_apart(without, short=True) == without


def test_short_loops_are_kept_whole() -> None:
    assert "unroll" not in turns_apart(NESTED)
    found = turns_apart(NESTED, short=True)
    llvm.parse_assembly(found).verify()
    assert found.count("llvm.loop.unroll.disable") == 1


@pytest.mark.skipif(not _jit.KNOWN or numba.config.DISABLE_JIT, reason="another compiler, or none")
def test_the_compiler_asks_no_more_where_arrays_lie() -> None:
    inner = _jit.kernel(several, borrows=True, apart=True)

    @numba.njit(error_model="numpy")
    def call(a, n):  # type: ignore[no-untyped-def]
        inner(a, a[n:], a[2 * n :], a[3 * n :], a[4 * n :], n)

    start = np.random.default_rng(1).random(5 * 37) + 1.0
    found, expected = start.copy(), start.copy()
    call(found, 37)
    several(*(expected[k * 37 :] for k in range(5)), 37)
    np.testing.assert_array_equal(found, expected)
    code = call.overloads[call.signatures[0]].library.get_llvm_str()
    assert "x double>" in code
    assert "vector.memcheck" not in code
