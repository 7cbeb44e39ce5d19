"""Small faults put into the source of a module, one at a time: what may be changed where, and the changed source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.And: ast.Or, ast.Or: ast.And, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
TURNED: dict[type[ast.AST], type[ast.AST]] = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt}
SIGNS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.FloorDiv: "//", ast.BitXor: "^",
    ast.BitAnd: "&", ast.LShift: "<<", ast.RShift: ">>", ast.And: "and", ast.Or: "or", ast.Eq: "==",
    ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
CALLS = {"min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    file
        Name of the module's file.
    number
        Place among the faults of the file.
    line
        Of the source, from 1.
    function
        In which it is; empty outside of any.
    what
        What was changed, e.g. ``< to <=``.
    code
        The line as it was.
    """

    file: str
    number: int
    line: int
    function: str
    what: str
    code: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What stays when lines move."""
        return self.file, self.code, self.what

    def __str__(self) -> str:
        return f"`{self.file}:{self.line}` {self.what} in `{self.code}`"


Fault = tuple[int, str, str, Callable[[], None]]


def _faults(tree: ast.Module) -> Iterator[Fault]:
    """Line, function, words, and what makes the fault in this tree."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for statement in node.body[ast.get_docstring(node) is not None :]:
                yield from ((line, node.name, what, do) for line, what, do in _inside(statement))
            yield from ((line, node.name, what, do) for line, what, do in _removed(node))
        elif isinstance(node, ast.Assign):
            yield from ((line, "", what, do) for line, what, do in _inside(node.value))


def _inside(root: ast.AST) -> Iterator[tuple[int, str, Callable[[], None]]]:
    for node in ast.walk(root):
        if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
            yield _operator(node, SWAPS[type(node.op)])
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            for found in (SWAPS, TURNED):
                if type(node.ops[0]) in found:
                    yield _comparison(node, found[type(node.ops[0])])
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            yield _constant(node)
        elif isinstance(node, ast.Name) and node.id in CALLS:
            yield node.lineno, f"{node.id} to {CALLS[node.id]}", lambda n=node: setattr(n, "id", CALLS[n.id])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
            sign = "-" if isinstance(node.op, ast.USub) else "not"
            yield _unsigned(node, sign)


def _operator(
    node: ast.BinOp | ast.BoolOp | ast.AugAssign, other: type[ast.AST]
) -> tuple[int, str, Callable[[], None]]:
    what = f"{SIGNS[type(node.op)]} to {SIGNS[other]}"
    return node.lineno, what, lambda: setattr(node, "op", other())


def _comparison(node: ast.Compare, other: type[ast.AST]) -> tuple[int, str, Callable[[], None]]:
    what = f"{SIGNS[type(node.ops[0])]} to {SIGNS[other]}"
    return node.lineno, what, lambda: node.ops.__setitem__(0, other())  # type: ignore[call-overload]


def _constant(node: ast.Constant) -> tuple[int, str, Callable[[], None]]:
    old = node.value
    assert isinstance(old, int | float)
    new: bool | int | float = not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else 2.0 * old
    new = 1.0 if isinstance(old, float) and old == 0.0 else new
    return node.lineno, f"{old} to {new}", lambda: setattr(node, "value", new)


def _unsigned(node: ast.UnaryOp, sign: str) -> tuple[int, str, Callable[[], None]]:
    def make() -> None:
        if sign == "-":
            node.op = ast.UAdd()
        else:  # twice is not at all
            node.operand = ast.UnaryOp(ast.Not(), node.operand)

    return node.lineno, f"{sign} removed", make


def _removed(function: ast.FunctionDef) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Statements that can be left out and leave a function: stores, calls, conditions, jumps."""
    for node in ast.walk(function):
        for body in (getattr(node, name, None) for name in ("body", "orelse")):
            for place, one in enumerate(body if isinstance(body, list) else ()):
                store = isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Subscript)
                call = isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)
                alone = isinstance(one, ast.If) and not one.orelse
                if store or call or alone or isinstance(one, ast.AugAssign | ast.Continue | ast.Break):
                    what = "statement removed"
                    yield one.lineno, what, lambda b=body, k=place: b.__setitem__(k, ast.Pass())


def mutants(file: str, source: str) -> list[Mutant]:
    """Every fault that can be put into a module."""
    lines = source.splitlines()
    return [
        Mutant(file, number, line, function, what, lines[line - 1].strip())
        for number, (line, function, what, _) in enumerate(_faults(ast.parse(source)))
    ]


def mutated(source: str, number: int) -> str:
    """The source with one fault."""
    tree = ast.parse(source)
    for place, (_, _, _, make) in enumerate(list(_faults(tree))):
        if place == number:
            make()
            break
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
