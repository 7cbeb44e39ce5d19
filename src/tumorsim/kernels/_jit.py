"""The one JIT policy. Nobody else imports ``numba.njit``.

Numba's on-disk cache misses edits to a callee in another file, and a truncated
cache file raises on load. The cache directory is therefore keyed by a hash of
the package's kernel sources, the numba version and the CPU, and is set before
numba is imported.
"""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

KERNEL_FOLDER = Path(__file__).parent


def cpu_name() -> str:
    """Name of the CPU as the operating system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cache_key() -> str:
    """Hash of everything that decides the compiled code."""
    digest = hashlib.sha256()
    for source in sorted((KERNEL_FOLDER.parent).glob("kernels/*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    for source in sorted((KERNEL_FOLDER.parent).glob("models/*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    digest.update(version("numba").encode())
    digest.update(version("llvmlite").encode())
    digest.update(version("numpy").encode())
    digest.update(cpu_name().encode())
    digest.update(sys.version.encode())
    for name, value in sorted(os.environ.items()):  # bounds checks, optimisation, ...: numba's own key ignores them
        if name.startswith("NUMBA_") and name not in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
            digest.update(f"{name}={value}".encode())
    return digest.hexdigest()[:16]


def cache_directory() -> Path:
    """Folder of compiled kernels for this source, numba and CPU (mode 0700); in NUMBA_CACHE_DIR where that is set."""
    named = os.environ.get("TUMORSIM_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    root = Path(named) if named else user_cache_path("tumorsim")
    folder = root / "kernels" / cache_key()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


import numba  # noqa: E402
from numba.core.codegen import get_host_cpu_features  # noqa: E402

# Set on the module rather than by environment, so that it also holds where numba came first.
numba.config.CACHE_DIR = str(cache_directory())

# On some processors LLVM takes half of the widest vectors, where long ones once slowed the clock; loops over lanes
# gain from the whole (docs/numerics/lanes.md). No bit depends on it.
if platform.machine() in ("x86_64", "AMD64") and numba.config.CPU_NAME is None and numba.config.CPU_FEATURES is None:
    numba.config.CPU_FEATURES = f"{get_host_cpu_features()},-prefer-256-bit"

import numpy as np  # noqa: E402
from llvmlite import binding as llvm  # type: ignore[import-untyped] # noqa: E402
from llvmlite import ir  # noqa: E402
from numba.core import cgutils, types  # noqa: E402
from numba.core.caching import FunctionCache, IndexDataCacheFile  # noqa: E402
from numba.core.codegen import JITCodeLibrary  # noqa: E402
from numba.core.compiler import Compiler  # noqa: E402
from numba.core.compiler_lock import global_compiler_lock  # noqa: E402
from numba.core.registry import CPUDispatcher  # noqa: E402
from numba.core.types.misc import unliteral  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

from tumorsim.kernels._apart import turns_apart  # noqa: E402

KNOWN = version("numba").startswith("0.68.")  # its compiler was looked into; others translate inner kernels as well
if KNOWN:
    from tumorsim.kernels._once import answered_once


def wide_product(a: Any, b: Any) -> Any:
    """Upper and lower 64 bits of the 128-bit product of two uint64; for kernels."""
    return np.uint64((int(a) * int(b)) >> 64), a * b


def intrinsic_of(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of an intrinsic that Python can call as well: then it is ``plain``."""

    def decorate(typing: Callable[..., Any]) -> Any:
        made = intrinsic(typing)
        made.__class__ = type("Intrinsic", (type(made),), {"__call__": staticmethod(plain)})
        return made

    return decorate


if not numba.config.DISABLE_JIT:

    @intrinsic_of(wide_product)
    def wide_product(_typing: Any, _a: Any, _b: Any) -> Any:
        """One instruction of the processor; from 32-bit halves, as Numba alone can state it, it is a dozen."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            wide = ir.IntType(128)
            product = builder.mul(*(builder.zext(word, wide) for word in arguments))
            upper = builder.lshr(product, ir.Constant(wide, 64))
            halves = [builder.trunc(word, ir.IntType(64)) for word in (upper, product)]
            return cgutils.pack_array(builder, halves)

        word = types.uint64
        return types.UniTuple(word, 2)(word, word), emit  # type: ignore[attr-defined] # made at import


def as_bits(x: Any) -> Any:
    """The bits of a double, as int64; for kernels."""
    return np.float64(x).view(np.int64)


def as_double(bits: Any) -> Any:
    """The double with these bits; for kernels."""
    return np.int64(bits).view(np.float64)


if not numba.config.DISABLE_JIT:

    @intrinsic_of(as_bits)
    def as_bits(_typing: Any, _x: Any) -> Any:
        """No instruction at all; Numba's own view of a scalar is not taken side by side."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.IntType(64))

        return types.int64(types.float64), emit

    @intrinsic_of(as_double)
    def as_double(_typing: Any, _bits: Any) -> Any:
        """No instruction at all."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.DoubleType())

        return types.float64(types.int64), emit


def take_one(counter: Any) -> Any:
    """The number in the one-element int64 array ``counter``, which is one more for whoever asks next; for kernels."""
    counter[0] += 1
    return counter[0] - 1


if not numba.config.DISABLE_JIT:

    @intrinsic_of(take_one)
    def take_one(_typing: Any, counter: Any) -> Any:
        """In one instruction, so that threads never get the same number."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            made = context.make_array(signature.args[0])(context, builder, arguments[0])
            return builder.atomic_rmw("add", made.data, ir.Constant(ir.IntType(64), 1), "monotonic")

        return types.int64(counter), emit


SIXTEEN = 16  # bytes that `packed` looks at


def packed_one_by_one(row: Any, low: int, high: int, at: int, found: Any, number: int) -> int:
    """Write which of sixteen bytes of ``row`` from ``at`` on are within ``low`` and ``high``; for kernels.

    Parameters
    ----------
    row
        uint8.
    low, high
        Both inclusive.
    at
        The first of the sixteen.
    found
        int32; the numbers of the bytes follow the ``number`` already there, zeros may follow them, sixteen in all.

    Returns
    -------
    int
        How many numbers are there now.
    """
    for i in range(at, at + SIXTEEN):
        if low <= row[i] <= high:
            found[number] = i
            number += 1
    return number


packed: Any = packed_one_by_one

if not numba.config.DISABLE_JIT and llvm.llvm_version_info[0] >= 20:  # the first with `vector.compress`

    @intrinsic_of(packed_one_by_one)
    def packed(_typing: Any, row: Any, _low: Any, _high: Any, _at: Any, found: Any, _number: Any) -> Any:
        """All sixteen at a time and without a branch, in one instruction where the processor has it."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number = ir.IntType(32)
            byte, numbers, flags = (ir.VectorType(kind, SIXTEEN) for kind in (ir.IntType(8), number, ir.IntType(1)))

            def place(array: int, offset: int, kind: Any) -> Any:
                made = context.make_array(signature.args[array])(context, builder, arguments[array])
                return builder.bitcast(builder.gep(made.data, [arguments[offset]]), kind.as_pointer())

            def in_all(value: Any, kind: Any) -> Any:
                nothing, cut = ir.Constant(kind, ir.Undefined), builder.trunc(value, kind.element)
                one = builder.insert_element(nothing, cut, ir.Constant(number, 0))
                return builder.shuffle_vector(one, nothing, ir.Constant(numbers, [0] * SIXTEEN))

            here = builder.load(place(0, 3, byte), align=1)
            above = builder.icmp_unsigned(">=", here, in_all(arguments[1], byte))
            within = builder.and_(above, builder.icmp_unsigned("<=", here, in_all(arguments[2], byte)))
            whose = builder.add(in_all(arguments[3], numbers), ir.Constant(numbers, list(range(SIXTEEN))))
            kind = ir.FunctionType(numbers, [numbers, flags, numbers])
            compress = cgutils.get_or_insert_function(builder.module, kind, "llvm.experimental.vector.compress.v16i32")
            none = ir.Constant(numbers, [0] * SIXTEEN)  # others might be taken for numbers
            builder.store(builder.call(compress, [whose, within, none]), place(4, 5, numbers), align=4)
            how_many = builder.ctpop(builder.bitcast(within, ir.IntType(SIXTEEN)))
            return builder.add(arguments[5], builder.zext(how_many, ir.IntType(64)))

        whole = types.int64
        return whole(row, whole, whole, whole, found, whole), emit


class KernelCache(FunctionCache):  # type: ignore[misc] # numba has no types
    """Numba's cache, in which a truncated file is no more than a missing one, and every signature has its own files.

    Numba numbers the signatures of a function. Two processes that compile at once may give two of them one number,
    and one would be loaded in place of the other.
    """

    def _look_at(self, signature: Any) -> None:
        """Turn to the files of a signature. Numba's lock on compilation is held."""
        own = hashlib.sha256(str(signature).encode()).hexdigest()[:16]
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{own}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Save compiled code."""
        self._look_at(signature)
        super().save_overload(signature, compiled)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Load compiled code; None, and an empty index, when what lies there cannot be read."""
        self._look_at(signature)
        try:
            return super().load_overload(signature, target)
        except Exception:  # whatever unpickling a broken file raises
            self.flush()
            return None


def one_type(argument: Any) -> Any:
    """Type for which a kernel called by a kernel is compiled: constants, and whole numbers that fit, are int64."""
    plain = unliteral(argument)
    return types.int64 if isinstance(plain, types.Integer) and plain != types.uint64 else plain


class InnerLibrary(JITCodeLibrary):  # type: ignore[misc] # numba has no types
    """Code of an inner kernel: optimised, and ready to be made part of its callers, but never machine code itself.

    Numba translates every function, although its callers hold and translate a copy.
    """

    def _optimize_final_module(self) -> None:
        """Leave that to the entry: each kernel on the way there would optimise again all that it calls."""

    def _finalize_final_module(self) -> None:
        """Leave the module as it is, rather than to hand it to the translator."""
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """No function of this library has an address."""
        self._ensure_finalized()
        return 0

    def serialize_using_object_code(self) -> Any:
        """What lies in the cache: the optimised module, since there is no object code."""
        return self.serialize_using_bitcode()

    @property
    def codegen(self) -> Any:
        """In place of the translator for those who would put a constant at an address: there is none."""
        return NoAddresses(self._codegen)


class NoAddresses:
    """The translator, without the one thing that needs machine code."""

    def __init__(self, codegen: Any) -> None:
        self.codegen = codegen

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing here: `Kernel.add_overload` sets it in the callers."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.codegen, name)


class InnerCompiler(Compiler):  # type: ignore[misc] # numba has no types
    """Numba's compiler, which leaves its result in an `InnerLibrary`."""

    def define_pipelines(self) -> Any:
        """The usual passes, with a library made beforehand."""
        self.state.library = InnerLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.library.enable_object_caching()
        return super().define_pipelines()


class ApartLibrary(InnerLibrary):
    """Code of a kernel in whose innermost loops no turn touches what another does."""

    short = False

    def add_ir_module(self, module: Any) -> None:
        """Take in code as Numba made it."""
        made = llvm.parse_assembly(turns_apart(cgutils.normalize_ir_text(str(module)), self.short))
        made.name = module.name
        made.verify()
        self.add_llvm_module(made)


class ApartCompiler(Compiler):  # type: ignore[misc] # numba has no types
    """Numba's compiler, which leaves its result in a `ApartLibrary`."""

    library = ApartLibrary

    def define_pipelines(self) -> Any:
        """The usual passes, with a library made beforehand."""
        self.state.library = self.library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.library.enable_object_caching()
        return super().define_pipelines()


class ShortLibrary(ApartLibrary):
    """The same of a kernel that becomes part of its callers, which know the few turns of its loops."""

    short = True


class ShortCompiler(ApartCompiler):
    """Numba's compiler, which leaves its result in a `ShortLibrary`."""

    library = ShortLibrary


class InnerCache(KernelCache):
    """The cache of an inner kernel, from which it comes as what it was: made part of callers, never machine code.

    Numba would translate it as it lies there, and its slow code would serve the callers that are loaded after it.
    """

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Load compiled code as an `InnerLibrary`. Numba's lock on compilation is held."""
        codegen = target.codegen()
        codegen._library_class = InnerLibrary
        try:
            return super().load_overload(signature, target)
        finally:
            del codegen._library_class

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Save compiled code, without the source in which every line tells its types."""
        super().save_overload(signature, compiled._replace(type_annotation=""))


INNER: dict[str, Any] = {"no_cpython_wrapper": True} | ({"pipeline_class": InnerCompiler} if KNOWN else {})
"""Options of kernels that only kernels call."""


class Kernel(CPUDispatcher):  # type: ignore[misc] # numba has no types
    """A kernel that is compiled once for all kernels that call it.

    Numba compiles a callee anew for each constant and each width of whole number among its arguments: a random
    generator called with nine streams, nine times.
    """

    def compile(self, signature: Any) -> Any:
        """Compile without the collector, which took a sixth of the time to find that everything was still in use."""
        collects = gc.isenabled()
        gc.disable()
        try:
            with global_compiler_lock, answered_once() if KNOWN else nullcontext():
                return super().compile(signature)
        finally:
            if collects:
                gc.enable()

    def add_overload(self, compiled: Any) -> None:
        """Take in compiled code; its copies of inner kernels get their constants, as numba does on loading."""
        super().add_overload(compiled)
        if KNOWN and compiled.referenced_envs is None and not isinstance(compiled.library, InnerLibrary):
            for environment in compiled._find_referenced_environments():
                compiled.codegen.set_env(environment.env_name, environment)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Signature for a call from another kernel."""
        return super().get_call_template(
            tuple(one_type(a) for a in args), {name: one_type(a) for name, a in dict(kws).items()}
        )


class InnerKernel(Kernel):
    """A kernel for other kernels: no wrapper for Python is compiled with it.

    The wrappers of a hundred scalar laws cost a third of all compilation. Called from
    Python, such a kernel compiles a small function that calls it, then and there.
    """

    _from_python: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the kernel from Python, as tests and benchmarks do."""
        if self._from_python is None:
            inner = self

            def call(*values: Any) -> Any:
                return inner(*values)

            self._from_python = numba.njit(error_model="numpy")(call)
            self._from_python.__class__ = Kernel
        return self._from_python(*arguments)


KERNELS: list[Kernel] = []
"""All that were made, in the order in which their modules were imported."""


def generated(name: str, text: str, **known: Any) -> Any:
    """Compile a small function from its ``text``, which knows the names ``known``; made part of its callers."""
    space = dict(known)
    exec(text, space)
    if numba.config.DISABLE_JIT:
        return space[name]
    compiled = numba.njit(_nrt=False, forceinline=True, error_model="numpy", no_cfunc_wrapper=True, **INNER)(
        space[name]
    )
    compiled.__class__ = InnerKernel
    KERNELS.append(compiled)
    return compiled


def kernel(
    function: Callable[..., Any] | None = None,
    *,
    entry: bool = False,
    borrows: bool = False,
    inline: bool = False,
    apart: bool = False,
) -> Any:
    """Compile a kernel: IEEE arithmetic, no bounds checks, no interpreter lock, cached on disk.

    Parameters
    ----------
    function
        The Python function to compile.
    entry
        Called from Python in earnest; the others are called by kernels.
    borrows
        Makes no array, and returns none to a kernel that counts: it works on those of its caller, and counts no
        references. Counting them took more time than the laws of a lesion, is what two threads fought over, and
        was a fifth of what the compiler had to translate for a lattice.
    inline
        Made part of its caller: worth it where there is one caller, and many arguments to hand over, or where the
        caller knows how many turns a short loop has (docs/numerics/lanes.md).
    apart
        The turns of its innermost loops have nothing to do with one another: none reads or writes what another writes.
        The compiler then takes several at a time without a look at where the arrays lie (`_apart`). Not of an entry.

    Returns
    -------
    Dispatcher
        The compiled function; its ``py_func`` is the plain Python original.
    """
    if function is None:
        return partial(kernel, entry=entry, borrows=borrows, inline=inline, apart=apart)
    options: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    if numba.config.DISABLE_JIT:
        return function
    if not entry:
        options |= INNER
    if apart and KNOWN and not entry:
        options["pipeline_class"] = ShortCompiler if inline else ApartCompiler
    compiled = numba.njit(_nrt=not borrows, forceinline=inline, **options)(function)
    compiled._cache = KernelCache(function) if entry or not KNOWN else InnerCache(function)
    compiled.__class__ = Kernel if entry else InnerKernel
    KERNELS.append(compiled)
    return compiled


if packed is packed_one_by_one:
    packed = kernel(packed_one_by_one)
