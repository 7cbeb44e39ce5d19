"""Rules that keep compiled code honest, read off the source: each has a planted fault that it must find."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tumorsim

SOURCE = Path(tumorsim.__file__).parent
# the spatial model is an order of phases in Python; its phases are kernels
COMPILED = sorted([*SOURCE.glob("kernels/*.py"), SOURCE / "models" / "patient.py"])
POLICY = {SOURCE / "kernels" / name for name in ("_jit.py", "_once.py", "_eight.py")}
MAY_IMPORT = {"__future__", "math", "numpy", "typing", "tumorsim.kernels"}
DRAWS = {"uniform", "normal", "exponential", "uniforms", "normals", "pair_uniforms", "philox"}
Rule = Callable[[ast.Module], Iterator[int]]


def stores(tree: ast.Module) -> Iterator[ast.expr]:
    """Everything assigned to, tuples taken apart."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            waiting = list(node.targets)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
            waiting = [node.target]
        else:
            continue
        while waiting:
            target = waiting.pop()
            if isinstance(target, ast.Tuple | ast.List):
                waiting += target.elts
            else:
                yield target.value if isinstance(target, ast.Starred) else target


def writes_through_a_tuple(tree: ast.Module) -> Iterator[int]:
    """``cells.alive[i] = …``: inside a parallel loop such a write is lost without a word. Bind the array first."""
    for target in stores(tree):
        place = target
        while isinstance(place, ast.Subscript):
            place = place.value
        if isinstance(target, ast.Subscript) and isinstance(place, ast.Attribute):
            yield target.lineno


def relaxes_arithmetic(tree: ast.Module) -> Iterator[int]:
    """``fastmath`` makes NaN invisible; threads inside a kernel would need block sums and a safe layer."""
    for node in ast.walk(tree):
        named = node.arg if isinstance(node, ast.keyword) else node.id if isinstance(node, ast.Name) else None
        named = node.attr if isinstance(node, ast.Attribute) else named
        if named in ("fastmath", "prange", "parallel"):
            yield node.lineno


def draws_from_an_unkeyed_source(tree: ast.Module) -> Iterator[int]:
    """``np.random`` depends on what was drawn before."""
    for node in ast.walk(tree):
        named = isinstance(node, ast.Attribute) and node.attr == "random" and isinstance(node.value, ast.Name)
        if named and node.value.id in ("np", "numpy"):
            yield node.lineno


def draws_without_a_named_stream(tree: ast.Module) -> Iterator[int]:
    """The second argument of a draw is one of the streams listed in kernels/random.py."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) != 5:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        stream = node.args[1]
        named = stream.attr if isinstance(stream, ast.Attribute) else getattr(stream, "id", "")
        if called in DRAWS and not (named.startswith("STREAM_") or named == "stream"):
            yield node.lineno


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno


def imports_the_compiler(tree: ast.Module) -> Iterator[int]:
    yield from (line for name, line in imports(tree) if name.split(".")[0] == "numba")


def imports_more_than_a_kernel_may(tree: ast.Module) -> Iterator[int]:
    for name, line in imports(tree):
        if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in MAY_IMPORT):
            yield line


def leaves_a_function_uncompiled(tree: ast.Module) -> Iterator[int]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            marks = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
            if not any(isinstance(mark, ast.Name) and mark.id == "kernel" for mark in marks):
                yield node.lineno


MAKES_ARRAYS = {
    "zeros", "empty", "ones", "full", "arange", "copy", "zeros_like", "empty_like", "even_words",
    "all_words", "words_for", "steps_around", "event_limits", "empty_lanes", "lanes_for", "crew_for",
}  # fmt: skip


def borrows_what_it_makes(tree: ast.Module) -> Iterator[int]:
    """A kernel that counts no references would never free an array of its own."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or "borrows" not in " ".join(
            ast.unparse(mark) for mark in node.decorator_list
        ):
            continue
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if called in MAKES_ARRAYS:
                    yield call.lineno


def reaches_beyond_its_turn(tree: ast.Module) -> Iterator[int]:
    """Where turns are said to be apart nobody checks it again: an index is the lane, or rows of lanes and the lane."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or "apart=True" not in " ".join(
            ast.unparse(mark) for mark in node.decorator_list
        ):
            continue
        loops = [found for found in ast.walk(node) if isinstance(found, ast.For)]
        for loop in loops:
            if any(inner is not loop and isinstance(inner, ast.For) for inner in ast.walk(loop)):
                continue
            turn = ast.unparse(loop.target)
            for found in ast.walk(loop):
                of_an_array = isinstance(found, ast.Subscript) and not isinstance(found.value, ast.Call)
                if of_an_array and not of_this_turn(found.slice, turn):
                    yield found.lineno


def of_this_turn(index: ast.expr, turn: str) -> bool:
    """``i``, ``LANES + i`` or ``rows * LANES + i``."""
    if not isinstance(index, ast.BinOp) or not isinstance(index.op, ast.Add):
        return ast.unparse(index) == turn
    rows = index.left.right if isinstance(index.left, ast.BinOp) else index.left
    whole = not isinstance(index.left, ast.BinOp) or isinstance(index.left.op, ast.Mult)
    return ast.unparse(index.right) == turn and ast.unparse(rows) == "LANES" and whole


KERNELS = [path for path in COMPILED if not path.name.startswith("_") or path.name == "__init__.py"]
LAWS = [path for path in KERNELS if path.name not in ("layout.py", "access.py", "tissue.py", "__init__.py")]
RULES: list[tuple[Rule, list[Path], str]] = [
    (writes_through_a_tuple, COMPILED, "a, work.y[3] = 1, 2"),
    (writes_through_a_tuple, COMPILED, "memo.limits[0][1] += 1"),
    (relaxes_arithmetic, sorted(SOURCE.rglob("*.py")), "jit(fastmath=True)"),
    (draws_from_an_unkeyed_source, sorted(SOURCE.rglob("kernels/*.py")), "x = np.random.random()"),
    (draws_without_a_named_stream, sorted(SOURCE.rglob("*.py")), "random.uniform(seed, 12, patient, 0, 0)"),
    (imports_the_compiler, [p for p in sorted(SOURCE.rglob("*.py")) if p not in POLICY], "from numba import njit"),
    (imports_more_than_a_kernel_may, KERNELS, "import scipy.special"),
    (borrows_what_it_makes, KERNELS, "@kernel(borrows=True)\ndef waste():\n    return np.zeros(3)"),
    (
        reaches_beyond_its_turn,
        KERNELS,
        "@kernel(apart=True)\ndef mix(x, n):\n    for i in range(n):\n        x[i] = x[i - 1]",
    ),
    (
        reaches_beyond_its_turn,
        KERNELS,
        "@kernel(apart=True)\ndef sum(x, n):\n    for i in range(n):\n        x[0] += x[i]",
    ),
    (leaves_a_function_uncompiled, LAWS, "def law(x):\n    return x"),
]


@pytest.mark.parametrize(("rule", "paths", "fault"), RULES, ids=[rule.__name__ for rule, _, _ in RULES])
def test_rule(rule: Rule, paths: list[Path], fault: str) -> None:
    assert list(rule(ast.parse(fault))), "the rule does not see the fault planted for it"
    assert paths
    broken = [f"{p.relative_to(SOURCE)}:{line}" for p in paths for line in rule(ast.parse(p.read_text("utf-8")))]
    assert not broken, f"{rule.__name__.replace('_', ' ')}: {rule.__doc__ or ''} {', '.join(broken)}"
