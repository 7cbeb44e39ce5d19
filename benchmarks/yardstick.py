"""Plain C beside our kernels: the same work on the same inputs, both results compared. See c/README.md.

``python -m benchmarks.yardstick [--quick]``
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from tumorsim.kernels import layout
from tumorsim.kernels._jit import cpu_name
from tumorsim.kernels.lattice import TISSUE

SOURCES = Path(__file__).with_name("c")
# No -ffast-math: the agent step agrees bit for bit, and the polynomials of lanes.h round on purpose.
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math")
FLAGS += ("-mprefer-vector-width=512",)
RECORDS = {
    "Traits": layout.TRAITS, "Drug": layout.DRUG, "Product": layout.PRODUCT, "Intake": layout.INTAKE,
    "Tissue": TISSUE, "Depot": layout.DEPOT,
}  # fmt: skip
C_TYPES = {"f8": "double", "i8": "int64_t", "u8": "uint64_t", "i4": "int32_t", "u4": "uint32_t", "u1": "uint8_t"}
NO_COMPILER = "the plain C yardsticks need gcc: none is on the search path (Debian: apt install gcc)"


class NoCompilerError(RuntimeError):
    """There is no gcc on this machine; the yardsticks are left out."""


# --- compiling -------------------------------------------------------------------------


def compiler() -> str:
    """Path of gcc."""
    found = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("gcc")
    if found is None:
        raise NoCompilerError(NO_COMPILER)
    return found


def declared(name: str, record: np.dtype[Any], known: set[str]) -> str:
    """C structs of a record type and of the records in it, fields in their order."""
    text, fields = "", ""
    for field in record.names or ():
        kind = record[field]
        if kind.names:
            inner = field.capitalize()
            if inner not in known:
                text += declared(inner, kind, known)
            fields += f"    {inner} {field};\n"
        else:
            fields += f"    {C_TYPES[kind.str[1:]]} {field};\n"
    known.add(name)
    return text + f"typedef struct {{\n{fields}}} {name};\n"


@cache
def layout_header() -> str:
    """The records that both languages share, from their one declaration in Python."""
    known: set[str] = set()
    text = "".join(declared(name, record, known) for name, record in RECORDS.items())
    return f"#include <stdint.h>\n{text}"


def tuple_declared(values: Any) -> str:
    """C struct of a tuple of numbers, arrays and such tuples; an array is a pointer."""
    text, fields = "", ""
    for name, value in zip(values._fields, values, strict=True):
        if isinstance(value, tuple):
            text += tuple_declared(value)
            fields += f"    {struct_name(value)} {name};\n"
        elif isinstance(value, np.ndarray):
            fields += f"    {C_TYPES[value.dtype.str[1:]]} *{name};\n"
        else:
            fields += f"    {C_TYPES[np.asarray(value).dtype.str[1:]]} {name};\n"
    return text + f"typedef struct {{\n{fields}}} {struct_name(values)};\n"


def struct_name(values: Any) -> str:
    """Name of a tuple in C; the table of vessels must not be taken for the parameters of that name."""
    name = type(values).__name__
    return f"{name}Table" if f"}} {name};" in layout_header() else name


def packed(values: Any) -> bytes:
    """The bytes of a tuple as `tuple_declared` declares it: all its numbers and pointers are eight bytes long."""
    out = b""
    for value in values:
        if isinstance(value, tuple):
            out += packed(value)
        elif isinstance(value, np.ndarray):
            assert value.flags.c_contiguous
            out += np.uint64(value.ctypes.data).tobytes()
        else:
            out += np.asarray(value).tobytes()
    return out


@cache
def version_of(program: str) -> str:
    """First line of ``gcc --version``."""
    return subprocess.run([program, "--version"], capture_output=True, check=True, text=True).stdout.splitlines()[0]


@cache
def built(source: str, *flags: str, lattice: str = "") -> ctypes.CDLL:
    """A file of `SOURCES` as a library, compiled when it, its headers, the flags, gcc or the CPU are new.

    ``lattice`` is the text of ``lattice.h``; ``layout.h`` has the records of `RECORDS`.

    Raises
    ------
    NoCompilerError
        When there is no gcc.
    subprocess.CalledProcessError
        When it does not compile; the message of the compiler is in ``stderr``.
    """
    program = compiler()
    header = layout_header()
    files = sorted(SOURCES.glob("*.h")) + [SOURCES / source]
    parts = [version_of(program), cpu_name(), header, lattice, *FLAGS, *flags, *(file.read_text() for file in files)]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    named = os.environ.get("TUMORSIM_CACHE_DIR")
    folder = (Path(named) if named else user_cache_path("tumorsim")) / "yardstick"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    library = folder / f"{Path(source).stem}-{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as made:
            (Path(made) / "layout.h").write_text(header)
            (Path(made) / "lattice.h").write_text(lattice)
            out = Path(made) / "library.so"
            command = [program, *FLAGS, *flags, f"-I{made}", f"-I{SOURCES}", str(SOURCES / source), "-o", str(out), "-lm"]
            subprocess.run(command, check=True, capture_output=True, text=True)
            out.replace(library)
    return ctypes.CDLL(str(library))


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """Address of a contiguous array."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


# --- what the machine can do ---------------------------------------------------------------

KIB, MIB = 1 << 10, 1 << 20
SIZES = {"L1": 16 * KIB, "L2": 512 * KIB, "L3": 8 * MIB, "memory": 128 * MIB}  # well inside each level of the usual CPU


def aligned(doubles: int) -> Floats:
    """So many ones, beginning with a line of the cache."""
    room = np.ones(doubles + 8)
    first = -(room.ctypes.data // 8) % 8
    return room[first : first + doubles]


def limits(quick: bool) -> dict[str, float]:
    """What one core can do, for a roofline: the best of some tries each, by CPU seconds.

    Parameters
    ----------
    quick
        A third of the tries.

    Returns
    -------
    dict
        ``fma`` in floating-point operations/s (one fused multiply-add is two), in C, and ``fma numba`` with the
        compiler of our kernels; ``triad`` and, by level, ``read L2``, ``write L2``, ... in bytes/s. The size of an
        array decides its level (`SIZES`).

    Raises
    ------
    NoCompilerError
        When there is no gcc.
    """
    library, tries = built("limits.c"), 3 if quick else 9
    for name in ("flops", "reading", "writing", "triad"):
        getattr(library, name).restype = ctypes.c_double
    found: dict[str, list[float]] = defaultdict(list)
    big = [aligned(SIZES["memory"] // 8) for _ in range(3)]
    chains = np.ones(CHAINS)
    multiply_add(chains, 1)
    for _ in range(tries):
        found["fma"].append(library.flops(ctypes.c_int64(1_000_000)))
        spent = cpu_seconds(lambda: multiply_add(chains, 200_000))
        found["fma numba"].append(2.0 * 200_000 * CHAINS / spent)
        whole = ctypes.c_int64(big[0].size)
        found["triad"].append(library.triad(*map(pointer, big), ctypes.c_double(0.5), whole, ctypes.c_int64(2)))
        for level, size in SIZES.items():
            part, times = big[0][: size // 8], ctypes.c_int64(max(1, 2 * SIZES["memory"] // size))
            for name, call in (("read", library.reading), ("write", library.writing)):
                found[f"{name} {level}"].append(call(pointer(part), ctypes.c_int64(part.size), times))
    return {name: max(values) for name, values in found.items()}


CHAINS = 128  # independent sums: 16 registers of eight


@kernel(entry=True)
def multiply_add(chains, rounds):
    """Products and sums in independent chains; the compiler of our kernels fuses none of them."""
    for _ in range(rounds):
        for i in range(chains.size):
            chains[i] = chains[i] * 0.999999 + 1e-6
