"""Which kernels some work calls, and with what types, found out without compiling any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tumorsim.kernels._jit import KERNELS, Kernel, one_type

Call = tuple[Kernel, tuple[Any, ...]]
PATIENCE = 100_000  # calls, half a second: small lattices show all they do with less, most patients nearly all


class EnoughError(Exception):
    """Nothing new was seen for long enough."""


@dataclass
class Walk:
    """What was seen so far.

    Attributes
    ----------
    patience
        After how many calls without a new one it is broken off.
    calls
        Every kernel with the types it was called with; the first is Python.
    inside
        Numbers of the calls that each of them made.
    known
        Number of a call by what is seen of its arguments at a glance.
    path
        Numbers of those that run at the moment.
    idle
        Calls since the last new one.
    """

    patience: int
    calls: list[Call | None] = field(default_factory=lambda: [None])
    inside: list[dict[int, None]] = field(default_factory=lambda: [{}])
    known: dict[Any, int] = field(default_factory=dict)
    path: list[int] = field(default_factory=lambda: [0])
    idle: int = 0

    def number(self, kernel: Kernel, arguments: tuple[Any, ...]) -> int:
        """Number of a call, a new one if there was none like it."""
        known, outside = self.known, len(self.path) == 1
        key = kernel, outside, *map(_glance, arguments)
        if key not in known:
            types = tuple(kernel.typeof_pyval(argument) for argument in arguments)
            call = kernel, types if outside else tuple(one_type(kind) for kind in types)
            if call not in self.calls:
                self.idle = 0
                self.calls.append(call)
                self.inside.append({})
            known[key] = self.calls.index(call)
        return known[key]

    def in_order(self, number: int) -> list[int]:
        """What a call calls, in the order in which the compiler meets it: that of the source."""
        call = self.calls[number]
        if call is None:
            return list(self.inside[0])
        names = {name: place for place, name in enumerate(call[0].py_func.__code__.co_names)}
        return sorted(self.inside[number], key=lambda inner: names.get(self.name(inner), -1))

    def name(self, number: int) -> str:
        """Name of the kernel of a call."""
        call = self.calls[number]
        return "" if call is None else str(call[0].__name__)

    def from_the_end(self, number: int = 0, done: set[int] | None = None) -> Iterator[Call]:
        """All calls, the last ones first, but none before those that it makes itself."""
        done = set() if done is None else done
        done.add(number)
        for inner in reversed(self.in_order(number)):
            if inner not in done:
                yield from self.from_the_end(inner, done)
        call = self.calls[number]
        if call is not None:
            yield call


class Followed(Kernel):
    """A kernel in whose place Python runs, and of whose calls the types of the arguments are noted."""

    walk: Walk

    def __call__(self, *arguments: Any) -> Any:
        """Note the call, and run the Python function."""
        walk = Followed.walk
        walk.idle += 1
        if walk.idle > walk.patience:
            raise EnoughError
        number = walk.number(self, arguments)
        walk.inside[walk.path[-1]].setdefault(number)
        walk.path.append(number)
        try:
            return self.py_func(*arguments)
        finally:
            walk.path.pop()


def _glance(argument: Any) -> Any:
    """What decides most types, at a glance: Numba takes a millisecond for a tuple of thirty arrays."""
    return type(argument), getattr(argument, "dtype", None), getattr(argument, "ndim", None)


def calls_of(work: Callable[[], object], patience: int = PATIENCE) -> list[Call]:
    """Kernels that ``work`` calls, each with the types of its arguments, from the last to the first.

    None comes before those that it calls itself: whoever compiles from the first to the last, as the work does, is
    met in the middle, also where one entry calls nearly all.

    Parameters
    ----------
    work
        Runs as plain Python: a hundred times slower than compiled.
    patience
        Calls without a new one after which it is broken off; what it would have called later is left out.
    """
    classes = [type(kernel) for kernel in KERNELS]
    Followed.walk = Walk(patience)
    try:
        for kernel in KERNELS:
            kernel.__class__ = Followed
        work()
    except (EnoughError, NotImplementedError):
        pass  # or an intrinsic that Python cannot call
    finally:
        for kernel, own in zip(KERNELS, classes, strict=True):
            kernel.__class__ = own
    return list(Followed.walk.from_the_end())
