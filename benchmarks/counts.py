"""Arithmetic and traffic of each kernel, counted by hand from its source, for the roofline.

Additions, subtractions, multiplications and divisions count one each; roots, exponentials and logarithms too,
although they cost twenty. Bytes are what must come from and go to the named level at least: every array once a
pass, where a pass does not fit the level above. ``tests/kernels/test_counts.py`` lets numbers that count their own
operations through the laws, and compares.
"""

from __future__ import annotations

from dataclasses import dataclass

from tumorsim.kernels import random
from tumorsim.kernels.integrate import STAGES


@dataclass(frozen=True)
class Count:
    """Work on one item."""

    item: str
    operations: float
    bytes: float
    level: str  # where the bytes come from: a name in `limits.NAMES`
    whole: bool  # whole numbers: no multiply-add limits them
    how: str  # the derivation

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.bytes


# --- one evaluation of the right-hand side: one drug, one product, one lesion; what hangs on parameters alone is not
# counted, since it can be worked out once ---------------------------------------------------------------------------
DISPOSE = 18  # level 1, exchange 3, saturable 3, clearance after the first dose 7 and times the level 1, sums 3
CIRCULATE = 14  # inflow 5, blood 2, lung 1, liver 3, rest 3
EFFECTS = 35  # concentration 3, five Emax laws 3 each, combining them 17
SUPPLY = 26 + 3  # cells 4, density 3, perfusion 7, oxygen 2, VEGF 9, volume 1; cells once more 3
# cells 3, recruiting 9, permitted and access 16, moving and tiring 14, effects of drugs 6, reached 7, clones 25,
# T cells 2
KILLING = 82
# effects of drugs 6, births 13, crowding 2, losses 8, switching and escape 15, clones 26, the dead 9, vessels 34,
# small 4, sums 3
GROWTH = 120
LESION = SUPPLY + KILLING + GROWTH
BODY = 38  # helpers 2, memory 12, reserve 3, hazard of liver 4 and what explains it 8, others 9
LAWS = DISPOSE + CIRCULATE + EFFECTS + LESION + BODY
# --- one step of the integrator, a state: sums over earlier stages, the move to each stage, error and tolerance ---
SUMS = 2 * sum(range(1, STAGES)) + 2 * (STAGES - 1)
ERROR = 16
STATES = 2 + 4 + 5 + 12  # one drug, one product, tail of the body, one lesion
PER_STATE = (SUMS + ERROR) / (STAGES - 1)
# what a stage reads and writes a state: on average (1 + ... + 6) / 6 slopes, y, the step, y_new twice, its own slope
STAGE_BYTES = 8 * (sum(range(1, STAGES)) / (STAGES - 1) + 5)

PHILOX = random.ROUNDS * (2 * 15 + 6)  # two products of 64 by 64 bits, 14 for the upper half and 1; 4 xor, 2 additions
REACT, GATHER, SETTLE = 5, 3, 3  # of a voxel; the last two for each axis
VOXELS_A_CELL = 3  # of the benchmark
SWEEP_COLOUR = 12  # six couplings 6, sums 6

KERNELS = {
    "right-hand side": Count(
        "evaluation",
        LAWS + STATES * PER_STATE,
        STATES * STAGE_BYTES,
        "L1",
        False,
        f"laws {LAWS} (drug {DISPOSE + EFFECTS}, effectors {CIRCULATE}, "
        f"lesion {LESION}, memory and hazards {BODY}); step and error {PER_STATE:.1f} a state, {STATES} states; "
        f"{STAGE_BYTES:.0f} bytes a state between registers and the first-level cache",
    ),
    "diffusion step": Count(
        "voxel",
        REACT + 3 * (GATHER + SETTLE),
        32.0 + 16.0,
        "L3",
        False,
        "reaction 5, each of three axes 3 to gather and 3 to settle; planes read c, loss, gain and write c (32 bytes), "
        "columns read and write c (16)",
    ),
    "smoothing sweep": Count(
        "voxel",
        2 * SWEEP_COLOUR + 1,
        32.0,
        "L3",
        False,
        "both colours work out the balance of every voxel (12 each), one takes it times the reciprocal diagonal; "
        "reads value, right-hand side, reciprocal, writes value; neighbours are in the cache",
    ),
    "cell step": Count(
        "living cell",
        PHILOX + 6,
        3.0 * VOXELS_A_CELL + 4.0,
        "L3",
        True,
        f"a block of Philox 4x64-10 for a living cell ({PHILOX} operations on whole numbers), two draws compared; "
        f"reads the kind and writes fate and intent of {VOXELS_A_CELL:g} voxels, reads one id; what happens to one "
        "cell in fifty, and the passes that settle it, are left out",
    ),
}


@dataclass(frozen=True)
class Share:
    """A kernel beside what the machine allows it."""

    kernel: str
    operations: float  # a second
    allowed: float  # operations a second: the lower of arithmetic and traffic
    by: str  # which of them it is

    @property
    def of_limit(self) -> float:
        """Rate against what is allowed."""
        return self.operations / self.allowed


def share(kernel: str, per_second: float, limits: dict[str, float]) -> Share:
    """How near a kernel comes to the roofline of limits measured in the same run."""
    count = KERNELS[kernel]
    traffic = count.intensity * limits[count.level]
    if count.whole or traffic <= limits["fma"]:
        return Share(kernel, count.operations * per_second, traffic, count.level)
    return Share(kernel, count.operations * per_second, limits["fma"], "fma")
