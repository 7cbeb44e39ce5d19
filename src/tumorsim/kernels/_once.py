"""Questions that Numba's compiler asks over and over, answered once (docs/numerics/lattice.md, Compilation).

A kernel multiplies two doubles a hundred times, and each time some forty templates are asked whether the product is
theirs. Nothing here decides anything: what the compiler makes is the same, letter for letter. It is in force while
one of our kernels is compiled, and where Numba is a version whose insides were looked into.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from numba.core import base, event, imputils, ir, itanium_mangler, targetconfig, transforms
from numba.core.base import BaseContext
from numba.core.codegen import CPUCodeLibrary
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.targetconfig import TargetConfig
from numba.core.types.functions import BaseFunction
from numba.core.typing import templates

Answers = dict[Any, tuple[Any, Any]]
_answers: dict[int, tuple[BaseFunction, Answers]] = {}  # the function is kept, so that its number stays its own
_options: list[dict[str, Any]] = []
_refreshed: dict[int, tuple[int, ...]] = {}
_call_type, _refresh, _same = BaseFunction.get_call_type, BaseContext.refresh, TargetConfig.__eq__
_start, _end, _list = event.start_event, event.end_event, ir.Inst._rec_list_vars
_process = PostProcessor.run


def options_number() -> int:
    """Which of the sets of options met so far is that of the kernel which is being compiled."""
    options = targetconfig.ConfigStack.top_or_none()
    values = {} if options is None else options._values
    if values not in _options:
        _options.append(dict(values))
    return _options.index(values)


def call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
    """Signature of a call of a built-in function; it may depend on the options of the kernel around it."""
    known = _answers.setdefault(id(self), (self, {}))[1]
    key = context, tuple(args), tuple(dict(kws).items()), options_number()
    implementations = self._impl_keys
    if key not in known:
        signature: Any = _call_type(self, context, args, kws)
        known[key] = signature, implementations[signature.args]
    signature, implementation = known[key]
    implementations[signature.args] = implementation
    return signature


def declared() -> tuple[int, ...]:
    """How much there is to be known: modules declare when they are imported, intrinsics when they are first called."""
    code, kinds = imputils.builtin_registry, templates.builtin_registry
    lists = code.functions, code.getattrs, code.setattrs, code.casts, code.constants
    return len(sys.modules), *map(len, lists), *map(len, (kinds.functions, kinds.attributes, kinds.globals))


def refresh(self: BaseContext) -> None:
    """Look for what was declared, unless nothing was since the last time."""
    if _refreshed.get(id(self)) != declared():
        _refresh(self)
        _refreshed[id(self)] = declared()


def same(self: TargetConfig, other: Any) -> Any:
    """Whether two sets of options are equal: they are if the same ones were set."""
    if type(self) is type(other) and self._values == other._values:
        return True
    return _same(self, other)


def start_event(kind: str, data: Any = None) -> None:
    """Tell those who listen, if there are any."""
    if event._registered[kind]:
        _start(kind, data)


def end_event(kind: str, data: Any = None, exc_details: Any = None) -> None:
    """Tell those who listen, if there are any."""
    if event._registered[kind]:
        _end(kind, data, exc_details)


@contextmanager
def no_timer(_kind: str, _callback: Callable[[float], None]) -> Iterator[None]:
    """In place of a stopwatch for locks: one a kernel on the way, and all of them started at every call of LLVM."""
    yield


_HOLDS_NONE = frozenset([ir.Loc, str, int, float, bool, type(None)])


def variables_in(self: ir.Inst, value: Any) -> list[ir.Var]:
    """Variables in a part of an instruction; most parts are names, numbers and places in the source."""
    kind = type(value)
    if kind is ir.Var:
        return [value]
    if kind in _HOLDS_NONE:
        return []
    if isinstance(value, ir.Inst):
        found: list[ir.Var] = value.list_vars()
        return found
    parts = value if kind in (list, tuple) else value.values() if kind is dict else None
    if parts is None:
        return list(_list(self, value))
    return [variable for part in parts for variable in variables_in(self, part)]


def process(self: PostProcessor, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
    """Tidy up after a pass; how long variables live is worked out when somebody asks, which is after the last one."""
    if emit_dels or self.func_ir.is_generator:
        _process(self, emit_dels, extend_lifetimes)
        return
    self.func_ir.blocks = transforms.canonicalize_cfg(self.func_ir.blocks)
    self.func_ir.variable_lifetime = VariableLifetime(self.func_ir.blocks)
    self.func_ir.generator_info = None


def optimize_functions(self: CPUCodeLibrary, module: Any) -> None:
    """Optimise the functions of a module; Numba prepares as much for each that is only named in it."""
    module.data_layout = self._codegen._data_layout
    for function in module.functions:
        if not function.is_declaration:
            passes, builder = self._codegen._function_pass_manager()
            passes.run(function, builder)


_REPLACED = (
    (BaseFunction, "get_call_type", call_type),
    (BaseContext, "refresh", refresh),
    (TargetConfig, "__eq__", same),
    (event, "start_event", start_event),
    (event, "end_event", end_event),
    (event, "install_timer", no_timer),
    (ir.Inst, "_rec_list_vars", variables_in),
    (PostProcessor, "run", process),
    (CPUCodeLibrary, "_optimize_functions", optimize_functions),
    (base, "_has_loc", cache(base._has_loc)),
    (itanium_mangler, "_escape_string", cache(itanium_mangler._escape_string)),
)
_depth = 0


@contextmanager
def answered_once() -> Iterator[None]:
    """While it lasts the compiler remembers. Numba's lock on compilation is held."""
    global _depth
    before = [getattr(place, name) for place, name, _ in _REPLACED] if _depth == 0 else []
    _depth += 1
    try:
        if _depth == 1:
            for place, name, ours in _REPLACED:
                setattr(place, name, ours)
        yield
    finally:
        _depth -= 1
        if _depth == 0:
            for (place, name, _), numbas in zip(_REPLACED, before, strict=True):
                setattr(place, name, numbas)
