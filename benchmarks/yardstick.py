"""Plain C beside our kernels: the same work on the same inputs, in turn, both results compared. See c/README.md."""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_features
from numpy.typing import NDArray
from platformdirs import user_cache_path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analytic"))

from event_driver import Bench, Patient, bench, lsoda, ours, run_patient
from integrator_table import floors

from benchmarks.fields import OXYGEN, SPACING, VEGF_HOUR, hours
from benchmarks.figure import Figure, Skip
from benchmarks.lattice import BIG as BIG_SIDE
from benchmarks.lattice import EFFECTORS, SHARE, bring_in, task_of
from benchmarks.patient import empty, most_lesions_first, study
from benchmarks.timing import in_turn, own_seconds, ratio, spread
from tumorsim.kernels import layout, multigrid
from tumorsim.kernels._jit import cpu_name
from tumorsim.kernels.lattice import TISSUE, TUMOUR, Clock, State
from tumorsim.kernels.motility import Bids
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import Diffusion, Lattice, SteadyField, slabs
from tumorsim.lattice.state import enlarged
from tumorsim.models.patient import simulate_batch
from tumorsim.models.spatial import SpatialModel
from tumorsim.trial import RELATIVE_TOLERANCE

Floats = NDArray[np.float64]

SOURCES = Path(__file__).with_name("c")
# No -ffast-math: the agents agree bit for bit, and lanes.h rounds on purpose.
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math")
FLAGS += ("-mprefer-vector-width=512",)
RECORDS = {
    "Traits": layout.TRAITS, "Drug": layout.DRUG, "Product": layout.PRODUCT, "Intake": layout.INTAKE,
    "Tissue": TISSUE, "Depot": layout.DEPOT,
}  # fmt: skip
C_TYPES = {"f8": "double", "i8": "int64_t", "u8": "uint64_t", "i4": "int32_t", "u4": "uint32_t", "u1": "uint8_t"}
EXACT = "-ffp-contract=off"  # no fused multiply-add: bit for bit what our kernels do
NO_COMPILER = "the plain C yardsticks need gcc: none is on the search path (Debian: apt install gcc)"


# --- compiling -------------------------------------------------------------------------


def compiler() -> str:
    """Path of gcc; `Skip` where there is none."""
    found = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("gcc")
    if found is None:
        raise Skip(NO_COMPILER)
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
    Skip
        There is no gcc.
    subprocess.CalledProcessError
        It does not compile; what gcc says is in ``stderr``.
    """
    program = compiler()
    header = layout_header()
    files = [*sorted(SOURCES.glob("*.h")), SOURCES / source]
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
            command = [
                program,
                *FLAGS,
                *flags,
                f"-I{made}",
                f"-I{SOURCES}",
                str(SOURCES / source),
                "-o",
                str(out),
                "-lm",
            ]
            subprocess.run(command, check=True, capture_output=True, text=True)
            out.replace(library)
    return ctypes.CDLL(str(library))


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """Address of a contiguous array."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


# --- what the machine can do -------------------------------------------------------------

MIB = 1 << 20
SIZES = {"L1": 16 << 10, "L2": 512 << 10, "L3": 8 * MIB}  # bytes, well inside each level of the usual processor
BIG = 64 * MIB  # of each array of the triad
MOVED = 64 * MIB  # at one try, at least


def aligned(doubles: int) -> Floats:
    """So many ones, beginning with a line of the cache."""
    spare = np.ones(doubles + 8)
    first = -(spare.ctypes.data // 8) % 8
    return spare[first : first + doubles]


def limits(quick: bool) -> dict[str, float]:
    """What one core can do in C: operations/s under ``fma``, bytes/s under ``L1``, ``L2``, ``L3`` and ``triad``.

    The best of several tries, by processor time. A fused multiply-add counts as two operations; a cache is read
    and written, both counted. Where there is no gcc, what `benchmarks.limits` finds with Numba.
    """
    try:
        library = built("limits.c")
    except Skip:
        from benchmarks.limits import measured

        return measured(quick)
    for name in ("flops", "update", "triad"):
        getattr(library, name).restype = ctypes.c_double
    big, found = [aligned(BIG // 8) for _ in range(3)], dict.fromkeys(("fma", *SIZES, "triad"), 0.0)
    for _ in range(5 if quick else 20):
        found["fma"] = max(found["fma"], library.flops(ctypes.c_int64(300_000)))
        for level, size in SIZES.items():
            moved = library.update(pointer(big[0]), ctypes.c_int64(size // 8), ctypes.c_int64(MOVED // size))
            found[level] = max(found[level], moved)
        moved = library.triad(*map(pointer, big), ctypes.c_double(0.5), ctypes.c_int64(big[0].size), ctypes.c_int64(1))
        found["triad"] = max(found["triad"], moved)
    return found


# --- comparing ---------------------------------------------------------------------------

AIM = 0.7, 0.9  # of plain C at its best


def beside(
    work: str, unit: str, amounts: dict[str, float], times: dict[str, list[float]], errors: dict[str, float],
    error_unit: str = "",
) -> list[Figure]:  # fmt: skip
    """Rate of every version of a work: ours beside each C, then what C did.

    ``amounts`` are what each version did in the seconds of ``times``, ours first in both; C may need a step more or
    less for the same course.
    """
    mine, *others = times
    rates = {name: amounts[name] / statistics.median(times[name]) for name in times}
    figures = []
    for name in reversed(others):  # the best first
        found, noise = ratio(times[name], times[mine])
        found *= amounts[mine] / amounts[name]
        best = name == others[-1]
        title, aim = (work, AIM) if best else (f"{work}, beside {name}", (None, None))
        figures.append(
            Figure(title, rates[mine], unit, errors[mine], name, found, *aim, noise=noise, error_unit=error_unit)
        )
    return figures + [
        Figure(f"{work}, {name}", rates[name], unit, errors[name], noise=spread(times[name]), error_unit=error_unit)
        for name in others
    ]


# --- the patient integrator ----------------------------------------------------------------

REFERENCE = 1e-11  # relative tolerance of LSODA
YEARS = 5.0
SEGMENT = np.dtype([("begin", "f8"), ("end", "f8"), ("restart", "f8"), ("patient", "i8"), ("lesions", "i8")])
LANES = 8 if get_host_cpu_features().get("avx512dq") else 4  # doubles in the widest registers
# gcc may then put independent work where a result is waited for: a twentieth here
PATIENT_FLAGS = ("-fschedule-insns",)
PATIENT_FAILURES = {1: "a step became too small", 2: "rates of a drug or product coincide, it has no modes"}
AGREE = RELATIVE_TOLERANCE  # relative difference of C from ours at the end of a stretch without events
# where one of them errs by more than the tolerance; the gap comes near it in some stretches of patients with drugs
ELSEWHERE, FAR = 1e-3, 5.0 * AGREE


@dataclass(frozen=True)
class Courses:
    """Stretches without events of some patients' courses, and what C needs to integrate them."""

    made: Bench
    segments: NDArray[Any]  # records SEGMENT
    start: Floats  # (segment, states)
    end: Floats  # (segment, states) by our integrator
    truth: dict[int, Floats]  # by segment, from the same start: LSODA at `REFERENCE`, of the first patients
    rates: Floats  # (segment, lesion)
    intake: NDArray[Any]  # (segment, drug) records INTAKE

    @property
    def patients(self) -> int:
        """How many."""
        return int(self.made.cohort.traits.size)


def courses(patients: int, checked: int) -> Courses:
    """The cell arm of the adjuvant trial, nobody dies; the first ``checked`` patients by LSODA too."""
    made = bench(study(patients), 1, np.arange(patients), [])
    cohort = made.cohort
    cohort.products["kill_rate"] = 0.3  # no lesion dies out: C knows no small ones
    for cause in ("tumour_rate", "liver_rate", "other_rate"):
        cohort.traits["hazards"][cause] = 0.0
    cohort.procedures["mortality"] = 0.0
    cohort.traits["end"] = YEARS * 365.25
    rows: list[Any] = []
    exact = lsoda(REFERENCE)
    for i in range(patients):
        order = len(rows)

        def carry(p: Patient, t: float, t_end: float, changed: bool, i: int = i) -> int:
            n, lesions = p.count(), p.lesions
            before, steps = p.work.y[:n].copy(), float(p.out["steps"])
            given = p.patient.slots["rate"][:lesions].copy(), p.patient.intake.copy()
            truth = None
            if i < checked:
                exact(p, t, t_end, changed)
                truth = p.work.y[:n].copy()
                p.work.y[:n], p.out["steps"] = before, steps
            left = ours(p, t, t_end, changed)
            rows.append(((t, t_end, float(changed), i, lesions), before, p.work.y[:n].copy(), truth, *given))
            return left

        run_patient(made, i, carry, YEARS * 365.25, RELATIVE_TOLERANCE)
        assert len(rows) > order
    # lanes with as many lesions each waste least; patients are taken up in this order
    load = np.bincount([r[0][3] for r in rows], [r[0][4] * (r[0][1] - r[0][0]) for r in rows])
    highest = np.zeros(patients)
    np.maximum.at(highest, [r[0][3] for r in rows], [r[0][4] for r in rows])
    rows.sort(key=lambda r: (-highest[r[0][3]], -load[r[0][3]], r[0][3]))
    most = max(1, *(r[0][4] for r in rows))
    drugs, products = cohort.drugs.shape[1], cohort.products.shape[1]
    states = layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * products + layout.BODY_TAIL
    states += most * (layout.LESION_HEAD + 2 * products)
    return Courses(
        made, np.array([r[0] for r in rows], SEGMENT), padded([r[1] for r in rows], states),
        padded([r[2] for r in rows], states), {k: r[3] for k, r in enumerate(rows) if r[3] is not None},
        padded([r[4] for r in rows], most), np.array([r[5] for r in rows], layout.INTAKE),
    )  # fmt: skip


def padded(rows: Sequence[Floats], width: int) -> Floats:
    """Rows of one width, zeros behind."""
    found = np.zeros((len(rows), width))
    for k, row in enumerate(rows):
        found[k, : row.size] = row
    return found


class PatientC:
    """``patient.c`` for so many patients side by side."""

    def __init__(self, given: Courses, lanes: int) -> None:
        cohort = given.made.cohort
        self.given, self.end, self.counted = given, np.zeros_like(given.start), np.zeros(2, np.int64)
        drugs, products, most = cohort.drugs.shape[1], cohort.products.shape[1], given.rates.shape[1]
        sizes = f"-DLANES={lanes}", f"-DDRUGS={drugs}", f"-DPRODUCTS={products}", f"-DMOST_LESIONS={most}"
        library = built("patient.c", *PATIENT_FLAGS, *sizes)
        arrays = (given.segments, given.start, self.end, given.rates, given.intake, cohort.traits, cohort.drugs)
        pointers = [pointer(array) for array in (*arrays, cohort.products)]
        size, tolerance = ctypes.c_int64(given.segments.size), ctypes.c_double(RELATIVE_TOLERANCE)
        self._call = partial(library.integrate, size, *pointers, tolerance, pointer(self.counted))

    def __call__(self) -> None:
        """Integrate all segments."""
        code = self._call()
        if code:
            raise RuntimeError(f"patient.c: {PATIENT_FAILURES[code]}")

    @property
    def steps(self) -> float:
        """Accepted steps of the last call."""
        return float(self.counted[0])


def differences(given: Courses, end: Floats, truth: Mapping[int, Floats]) -> Floats:
    """Largest relative difference at the end of each of the segments in ``truth``."""
    drugs, products = given.made.cohort.drugs.shape[1], given.made.cohort.products.shape[1]
    found = []
    for k, exact in truth.items():
        scale = np.maximum(np.abs(exact), floors(exact, drugs, products))
        found.append(np.max(np.abs(end[k, : exact.size] - exact) / scale))
    return np.array(found)


def from_ours(given: Courses, end: Floats) -> Floats:
    """`differences` from our integrator, of all segments."""
    drugs, products = given.made.cohort.drugs.shape[1], given.made.cohort.products.shape[1]
    body = layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * products + layout.BODY_TAIL
    widths = body + given.segments["lesions"] * (layout.LESION_HEAD + 2 * products)
    return differences(given, end, {k: given.end[k, :width] for k, width in enumerate(widths)})


def same_states(name: str, given: Courses, end: Floats) -> None:
    """Refuse to time what does not come to our states.

    Raises
    ------
    RuntimeError
        More than one stretch in a thousand ends elsewhere than ours, or one far away.
    """
    gaps = from_ours(given, end)
    many = int(np.count_nonzero(~(gaps <= AGREE)))
    if many > ELSEWHERE * gaps.size or not np.max(gaps) <= FAR:
        raise RuntimeError(
            f"{name}: {many} of {gaps.size} stretches end elsewhere than ours, by {np.max(gaps):.1e} at most; "
            f"allowed are {AGREE:.0e}, and up to {FAR:.0e} in one of a thousand"
        )


def c_patient(quick: bool, repeats: int) -> list[Figure]:
    """Courses of five years by our kernel, events and visits included, and their stretches between events by C.

    Raises
    ------
    RuntimeError
        C and ours do not come to the same states, or ours does not take the same steps every time: what is timed
        would not be the same work.
    """
    compiler()
    given = courses(16 if quick else 256, 1 if quick else 8)
    made, n = given.made, given.patients
    made.policy["relative_tolerance"] = RELATIVE_TOLERANCE
    names = {"ours": 0, "plain C, one by one": 1, f"plain C, {LANES} side by side": LANES}
    programs = {name: PatientC(given, lanes) for name, lanes in names.items() if lanes}
    rows, taken = most_lesions_first(made), set()

    def error_of(end: Floats) -> float:
        return float(np.max(differences(given, end, given.truth)))

    def whole() -> None:
        outcomes = empty(made)  # the kernel's notes in it must be blank, or courses go on where they ended
        simulate_batch(made.cohort, made.policy, outcomes, rows, np.zeros(1, np.int64))
        taken.add(float(outcomes.event["steps"].sum()))

    whole()
    steps, errors = {"ours": max(taken)}, {"ours": error_of(given.end)}
    for name, program in programs.items():
        program()
        steps[name], errors[name] = program.steps, error_of(program.end)
        same_states(name, given, program.end)
    times = in_turn({"ours": whole, **programs}, repeats, own_seconds)
    if len(taken) > 1:
        raise RuntimeError(f"the same courses took ours {sorted(taken)} steps")
    figures = beside("courses of five years", "patients/s", dict.fromkeys(times, float(n)), times, errors)
    for name, spent in times.items():
        rate = steps[name] / statistics.median(spent)
        figures.append(Figure(f"steps of the integrator, {name}", rate, "steps/s", errors[name]))
        figures.append(Figure(f"steps a patient, {name}", steps[name] / n, "steps", errors[name]))
    return figures


# --- fields --------------------------------------------------------------------------------


def difference(a: Floats, b: Floats) -> float:
    """Largest relative difference."""
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), np.finfo(float).tiny)))


def c_fields(quick: bool, repeats: int) -> list[Figure]:
    """Diffusion and steady oxygen, on a lattice that fits the caches of a core and one that does not."""
    compiler()
    figures = []
    for side in (36, 64) if quick else (36, 100):
        figures += diffusion(side, 3 * repeats) + oxygen(side, 3 * repeats)
    return figures


def diffusion(side: int, rounds: int) -> list[Figure]:
    """Implicit step of one field, loss and gain from voxel to voxel."""
    library = built("fields.c")
    lattice, rng = Lattice(side, side, side, SPACING), np.random.default_rng(1)
    n, stepper = lattice.voxels, Diffusion(lattice, VEGF_HOUR * SPACING**2, 1.0)
    mine, loss, gain = rng.random(n), rng.random(n), rng.random(n)
    theirs = mine.copy()
    lines = (ctypes.c_void_p * 9)(*(array.ctypes.data for axis in stepper.axes for array in axis))
    size = (ctypes.c_int64(side),) * 3
    call = partial(library.diffuse, *map(pointer, (theirs, loss, gain)), ctypes.c_double(1.0), *size, lines)
    with Crew(1) as alone:
        works = {"ours": lambda: stepper.step(mine, loss, gain, alone), "plain C": call}
        for work in works.values():
            work()
        error = difference(mine, theirs)
        times = in_turn(works, rounds, own_seconds)
    return compared(f"implicit step, {side}³", n, times, error)


def oxygen(side: int, rounds: int) -> list[Figure]:
    """Steady oxygen among vessels and cells: coefficients, one sweep of the finest level, a whole cycle."""
    lattice = Lattice(side, side, side, SPACING)
    mine, theirs = SteadyField(lattice, OXYGEN), SteadyField(lattice, OXYGEN)
    tissue, later = hours(lattice)
    h, levels = mine.hierarchy, ctypes.c_int64(mine.hierarchy.shape.shape[0])
    library = built("multigrid.c", lattice=f"#include <stdint.h>\n{tuple_declared(h)}")
    library.linearise.restype = ctypes.c_double
    supplied = ctypes.c_double()
    with Crew(1) as alone:
        start = np.zeros(lattice.voxels)
        mine.solve(start, tissue, alone)
        c, d = start.copy(), start.copy()
        packs = ctypes.create_string_buffer(packed(theirs.hierarchy))
        arrays = [pointer(part) for part in (later.loss, later.gain, later.highest)]
        half = ctypes.c_double(later.half)
        works: dict[str, dict[str, Callable[[], object]]] = {
            "coefficients and residual": {
                "ours": lambda: mine._linearise(c, later, alone),
                "plain C": lambda: library.linearise(
                    pointer(d), packs, levels, *arrays, half, ctypes.byref(supplied)
                ),
            },
            "smoothing sweep": {
                "ours": lambda: multigrid.traverse(c, h, 0, multigrid.SWEEP, 0, 0, slabs(side)),
                "plain C": lambda: library.smooth(pointer(d), packs, ctypes.c_int64(0)),
            },
            "cycle": {
                "ours": lambda: mine._cycle(c, alone),
                "plain C": lambda: library.cycle(pointer(d), packs, levels),
            },
        }  # fmt: skip
        figures = []
        for name, pair in works.items():
            found = {who: work() for who, work in pair.items()}
            error = difference(d, c)
            if name == "coefficients and residual":
                left, supply = found["plain C"], supplied.value
                residual = math.sqrt(left / supply if supply > 0.0 else left)
                error = max(
                    difference(theirs.hierarchy.inverse, h.inverse), abs(residual - found["ours"]) / (residual or 1.0)
                )
            times = in_turn(pair, rounds, own_seconds)
            figures += compared(f"oxygen, {name}, {side}³", lattice.voxels, times, error)
    return figures


def compared(work: str, voxels: int, times: dict[str, list[float]], error: float) -> list[Figure]:
    """Millions of voxels a second; the error is the difference between the two, on either line."""
    return beside(work, "M voxels/s", dict.fromkeys(times, voxels / 1e6), times, dict.fromkeys(times, error))


# --- agents --------------------------------------------------------------------------------

ONE_IN = 50  # voxels of a small lattice an effector: the microseconds of a call must not decide
QUICK_SIDE = 48
WARM_STEPS = 3


def lively(side: int, crew: Crew, effectors: int) -> SpatialModel:
    """A lattice with cells, vessels, a drug and effectors, some hours after the start; its tables have room."""
    task = task_of(side, SHARE)
    model = SpatialModel(task.plan, task.doses, task.seed, crew)
    bring_in(model, effectors)
    for _ in range(WARM_STEPS):
        model.advance()
    model.state = model.state._replace(lineage=enlarged(model.state.lineage, model.used["lineage"] + side**3 // 4))
    return model


def copied(values: Any) -> Any:
    """A tuple with its own copies of all arrays."""
    return type(values)(
        *(copied(v) if isinstance(v, tuple) else v.copy() if isinstance(v, np.ndarray) else v for v in values)
    )


class AgentsC:
    """The agents of a model in C, on a copy of its state; a step at a time."""

    def __init__(self, model: SpatialModel) -> None:
        self.state: State = copied(model.state)
        self.bids: Bids = copied(model._bids)
        self.used, self.kills = dict(model.used), model.kills.copy()
        voxels = model._fates.size
        self.fates, self.winners, self.killed = (np.zeros(voxels, np.uint8) for _ in range(3))
        self.tally, self.substeps = np.zeros_like(model._tally), model._substeps
        self.depot = np.array([tuple(model.rules.depot)], layout.DEPOT)
        plan = model.plan
        self.records = plan.traits, plan.tissue, self.depot, plan.products
        self.rules = np.array([*(record.ctypes.data for record in self.records), plan.products.size], np.uint64)
        declarations = "".join(tuple_declared(values) for values in (self.state, model.clock, self.bids))
        self.library = built("agents.c", EXACT, lattice=f"#include <stdint.h>\n{declarations}")
        self.library.turn_over.restype = self.library.engage_and_kill.restype = ctypes.c_int64

    def phases(self, clock: Clock) -> dict[str, Callable[[], None]]:
        """The phases of one step, to be called in this order."""
        lattice, table, when = (
            ctypes.create_string_buffer(packed(values)) for values in (self.state, self.bids, clock)
        )
        rules = pointer(self.rules)

        def move() -> None:
            rows, substeps = ctypes.c_int64(self.used["lymphocytes"]), ctypes.c_int64(self.substeps)
            self.library.move(lattice, rows, substeps, table, when, rules)

        def engage() -> None:
            rows, arrays = ctypes.c_int64(self.used["lymphocytes"]), (pointer(self.killed), pointer(self.kills))
            left = self.library.engage_and_kill(lattice, rows, *arrays, table, when, rules)
            self.used["lymphocytes"] = int(left)

        def turn_over() -> None:
            arrays = (pointer(array) for array in (self.fates, self.winners, self.killed, self.tally))
            first = ctypes.c_int64(self.used["lineage"])
            self.used["lineage"] += int(self.library.turn_over(lattice, when, rules, *arrays, first))

        return {"lymphocytes move": move, "lymphocytes hold and kill": engage, "tumour cells": turn_over}

    def differing(self, model: SpatialModel) -> int:
        """Numbers that are not the same bit for bit: voxels, lymphocytes, lineage, tallies."""
        pairs = [(self.kills, model.kills), (self.tally, model._tally)]
        for part in ("voxels", "lymphocytes", "lineage"):
            rows = slice(self.used.get(part))
            pairs += [
                (a[rows], b[rows]) for a, b in zip(getattr(self.state, part), getattr(model.state, part), strict=True)
            ]
        found = sum(int(np.count_nonzero(a != b)) for a, b in pairs)
        return found + sum(self.used[name] != number for name, number in model.used.items())


def c_agents(quick: bool, repeats: int) -> list[Figure]:
    """Steps of all agents by both, from one state; the error counts the numbers that differ, out of all."""
    compiler()
    side = QUICK_SIDE if quick else BIG_SIDE
    with Crew(1) as alone:
        return agent_steps(lively(side, alone, min(EFFECTORS, side**3 // ONE_IN)), repeats)


def agent_steps(model: SpatialModel, repeats: int) -> list[Figure]:
    """So many steps of a model and of its copy in C, phase by phase in turn."""
    theirs = AgentsC(model)
    names = ("ours", "plain C")
    times: dict[str, dict[str, list[float]]] = {}
    differing = 0
    side, cells = model.state.grid.nx, int(np.count_nonzero(model.state.voxels.kind == TUMOUR))
    people = model.used["lymphocytes"]
    mine = {
        "lymphocytes move": model._move,
        "lymphocytes hold and kill": model._engage,
        "tumour cells": model._turn_over,
    }
    for _ in range(repeats + 1):  # the first compiles
        given = theirs.phases(model.clock)
        for phase, work in mine.items():
            spent = times.setdefault(phase, {name: [] for name in names})
            spent["ours"].append(own_seconds(work))
            spent["plain C"].append(own_seconds(given[phase]))
        model.step += 1
        differing += theirs.differing(model)
    figures = []
    for phase, spent in times.items():
        each, unit = (cells, "M cells/s") if phase == "tumour cells" else (people, "M lymphocytes/s")
        amounts, wrong = dict.fromkeys(names, each / 1e6), dict.fromkeys(names, float(differing))
        later = {name: values[1:] for name, values in spent.items()}
        figures += beside(f"{phase}, {side}³", unit, amounts, later, wrong, "numbers that differ")
    return figures
