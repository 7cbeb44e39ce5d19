"""Shapes, units and order of everything the lattice kernels share (docs/theory/lattice.md).

Voxels are stored flat, x fastest: voxel ``(z * ny + y) * nx + x``. A block is a cube of ``factor`` voxels a side
(one slice stays one slice); signals live on blocks, since they reach tens of voxels. Units: day, um, cell, mmHg
of oxygen, pg/mL of VEGF, nmol/L of drug; IFN-gamma, chemokine and suppressors are relative to solid tissue in
which every voxel secretes.

Every number of a cell, a lymphocyte or a vessel is drawn with its own id and the step as key, and every conflict
is settled by a priority so drawn, so that neither threads nor the order in memory change a bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.layout import Floats, Records
from tumorsim.kernels.tissue import FATES as FATES
from tumorsim.kernels.tissue import TISSUE as TISSUE

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int32]
Idents = NDArray[np.int64]

# --- what a voxel is ---------------------------------------------------------------
STROMA, TUMOUR, DEAD, VESSEL = 0, 1, 2, 3

# --- traits of a tumour cell: the low two bits are its clone S, R, A, RA as in `layout.CLONES` ----
RESISTANT, ANTIGEN_LOW, MHC_LOW = 1, 2, 4
CLONE_BITS = RESISTANT | ANTIGEN_LOW

# --- fates: why a tumour cell died --------------------------------------------------
ALIVE, BY_TURNOVER, BY_DRUG, BY_HYPOXIA, BY_DEPOT, BY_MEMORY, BY_PRODUCT = 0, 1, 2, 3, 4, 5, 6

# --- lymphocytes and vessels --------------------------------------------------------
FREE, ENGAGED, EXHAUSTED, GONE = 0, 1, 2, 3
OPEN, EMBOLISED, LOST = 0, 1, 2

ROOM = 8  # lymphocytes in a voxel without a tumour cell; at most 8 T cells as in the code of spQSP-HCC
ROOM_BESIDE_TUMOUR = 1  # and in one with a tumour cell, living or dead
NOBODY = -1
NO_WAY = 0  # intent and heading: none; otherwise 1 + number of the direction


class Grid(NamedTuple):
    """Size of the lattice."""

    nz: int
    ny: int
    nx: int
    spacing: float  # um
    factor: int  # voxels along a block
    bz: int  # blocks along z, y, x
    by: int
    bx: int


class Clock(NamedTuple):
    """Which step of which replicate: the key of every draw."""

    seed: int | np.uint64  # uint64 of the replicate: no kernel may take it for a signed number
    step: int
    dt: float  # day


class Voxels(NamedTuple):
    """What is where; all (voxel,)."""

    kind: Bytes  # STROMA, TUMOUR, DEAD or VESSEL
    traits: Bytes  # of the tumour cell, living or dead
    ident: NDArray[np.uint32]  # of the tumour cell: its row in the lineage
    intent: Bytes  # direction of the division that a cell tries in this step, or NO_WAY
    load: Bytes  # lymphocytes here
    held: Bytes  # lymphocytes that hold the tumour cell here


class Fields(NamedTuple):
    """Concentrations; oxygen is (voxel,), the others are (block,)."""

    oxygen: Floats  # mmHg
    vegf: Floats  # pg/mL
    drug: Floats  # concentration here against plasma, all systemic drugs alike
    depot: Floats  # nmol/L of the drug that TACE leaves in embolised vessels
    interferon: Floats
    chemokine: Floats
    suppressors: Floats
    effects: Floats  # (block, 8) `layout.DrugEffects` in its order


class Lymphocytes(NamedTuple):
    """Infused effectors and memory CD8 T cells; all (row,), of which the first so many are in use."""

    ident: Idents  # made of vessel, step and number, see `lymphocyte_ident`
    product: Numbers  # number of the product; memory CD8 T cells come after the last one
    voxel: Numbers
    heading: Bytes  # direction of the last move, or NO_WAY
    state: Bytes  # FREE, ENGAGED, EXHAUSTED; GONE until the table is closed up
    target: Numbers  # voxel of the tumour cell held, or NOBODY
    born: Numbers  # step of arrival
    kills: Numbers


class Vessels(NamedTuple):
    """Vessel voxels; all (row,), of which the first so many are in use."""

    ident: Idents  # number in order of formation
    segment: Numbers  # vessels of one segment close and reopen together
    voxel: Numbers
    maturity: Floats  # 0-1
    state: Bytes  # OPEN, EMBOLISED; LOST until the table is closed up
    born: Numbers


class Lineage(NamedTuple):
    """Every tumour cell that ever was; row = id; all (row,)."""

    parent: NDArray[np.int64]  # id, NOBODY for a founder
    clone: Bytes  # traits at birth
    birth: Numbers  # step
    death: Numbers  # step, NOBODY while alive
    fate: Bytes
    last_clone: Bytes  # traits at death, or now


class State(NamedTuple):
    """The whole lattice."""

    grid: Grid
    voxels: Voxels
    fields: Fields
    lymphocytes: Lymphocytes
    vessels: Vessels
    lineage: Lineage


class Rules(NamedTuple):
    """What the laws need; constant but for doses."""

    tissue: Records  # record TISSUE
    patient: Any  # `layout.Patient`: traits, drugs, products, ...
    depot: Records  # record `layout.DEPOT` of the last session that left a drug


# --- directions: the 26 neighbours, faces first, then edges, then corners -----------
# In one slice only those with dz = 0 lie inside the lattice.
_OFFSETS = sorted(
    ((dz, dy, dx) for dz in (-1, 0, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dz, dy, dx) != (0, 0, 0)),
    key=lambda d: (d[0] ** 2 + d[1] ** 2 + d[2] ** 2, d),
)
DIRECTIONS = 26
DZ = np.array([d[0] for d in _OFFSETS], dtype=np.int64)
DY = np.array([d[1] for d in _OFFSETS], dtype=np.int64)
DX = np.array([d[2] for d in _OFFSETS], dtype=np.int64)
LENGTHS = np.sqrt((DZ**2 + DY**2 + DX**2).astype(np.float64))  # voxels


@kernel(borrows=True)
def place_of(voxel, grid):
    """Indices z, y, x of a voxel.

    By division of doubles, which is exact below 2**31 and takes a fifth of the time of whole numbers.
    """
    row = int(voxel / grid.nx)
    z = int(row / grid.ny)
    return z, row - z * grid.ny, voxel - row * grid.nx


@kernel(borrows=True)
def neighbour(z, y, x, direction, grid):
    """Voxel next to (z, y, x) in a direction, or NOBODY outside of the lattice."""
    zz, yy, xx = z + DZ[direction], y + DY[direction], x + DX[direction]
    if zz < 0 or yy < 0 or xx < 0 or zz >= grid.nz or yy >= grid.ny or xx >= grid.nx:
        return NOBODY
    return (zz * grid.ny + yy) * grid.nx + xx


@kernel(borrows=True)
def block_place(z, y, x, grid):
    """Indices z, y, x of the block that holds (z, y, x)."""
    if grid.factor == 2:  # nearly always; three divisions by what the compiler does not know cost 30 ns
        return z >> 1, y >> 1, x >> 1
    return z // grid.factor, y // grid.factor, x // grid.factor


@kernel(borrows=True)
def block_of(z, y, x, grid):
    """Block that holds (z, y, x)."""
    bz, by, bx = block_place(z, y, x, grid)
    return (bz * grid.by + by) * grid.bx + bx


@kernel(borrows=True)
def room(kind):
    """Lymphocytes that a voxel of this kind can hold."""
    return ROOM_BESIDE_TUMOUR if kind in (TUMOUR, DEAD) else ROOM


@kernel
def lymphocyte_ident(vessel, step, number):
    """Id of a lymphocyte from where, when and as which of several it came: 2**27 vessels, 2**20 steps, 2**16 each."""
    return (vessel << 36) | (step << 16) | number
