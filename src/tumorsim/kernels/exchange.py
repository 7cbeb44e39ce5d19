"""What cells and vessels give to the fields of the lattice and take from them (docs/theory/lattice-fields.md).

Oxygen is exchanged voxel by voxel; `kernels/steady.py` takes it from the kinds of the voxels and a list of
vessels. The other fields are exchanged block by block, with means over the voxels of a block.

Sums are taken in the order of voxels, never in that of the vessel or the lymphocyte table, so that neither
threads nor the order of rows change a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.derivatives import keep_left, left_of
from tumorsim.kernels.growth import half_saturation, positive_part
from tumorsim.kernels.lattice import EMBOLISED, ENGAGED, OPEN, TUMOUR, block_of, place_of
from tumorsim.kernels.layout import DRUG_STATES, LANES, DrugEffects, Floats
from tumorsim.kernels.pharmacology import UNTOUCHED, concentration, effects_of, with_drug
from tumorsim.kernels.steady import first_from
from tumorsim.kernels.vessels import hypoxic_secretion, oxygenation, perfusion

ML_PER_UM3 = 1e-12
EFFECTS = len(DrugEffects._fields)


class VesselList(NamedTuple):
    """Vessels in the order of voxels; all (vessel,)."""

    place: NDArray[np.int32]  # voxel, ascending
    flow: Floats  # perfusion against an untreated open vessel; zero if not open
    closed: Floats  # one if embolised, otherwise zero


class Contents(NamedTuple):
    """Means over the voxels of a block; all (block,)."""

    cells: Floats  # living tumour cells a voxel
    secretion: Floats  # VEGF secreted a voxel, against one well-oxygenated tumour cell in each
    flow: Floats  # perfusion of open vessels a voxel
    closed: Floats  # embolised vessels a voxel
    engaged: Floats  # effectors a voxel that hold a tumour cell


class BlockLaw(NamedTuple):
    """How a field of blocks is exchanged (eq. X3)."""

    decay: float  # 1/day
    secretion: float  # concentration/day where there is one of what secretes in every voxel
    exchange: float  # with vessels, 1/day where every voxel is a vessel
    level: float  # concentration in vessels


# --- laws ---------------------------------------------------------------------------


@kernel(borrows=True)
def vessel_flow(maturity, state, p):
    """Perfusion of one vessel against an untreated open one (eq. X1); none unless it is open."""
    return perfusion(1.0, maturity, 0.0, p) if state == OPEN else 0.0


@kernel
def local_oxygenation(oxygen, normal_oxygen, p):
    """Oxygenation, 0-1, at ``oxygen`` mmHg (eq. X2); against normal it takes the place of relative perfusion."""
    return oxygenation(positive_part(oxygen) / normal_oxygen, p)


@kernel
def secreted_per_voxel(secretion, spacing):
    """Concentration/day from ``secretion`` (amount/cell/day) of one cell in each voxel (eq. X4), per mL."""
    return secretion / (ML_PER_UM3 * spacing * spacing * spacing)


@kernel
def chemokine_secretion(interferon, basal, half_effect):
    """Secretion of chemokine by a tumour cell against the largest (eq. X6)."""
    return basal + (1.0 - basal) * half_saturation(positive_part(interferon), half_effect)


# --- from the tables ------------------------------------------------------------------


@kernel(entry=True, borrows=True)
def list_vessels(found, order, vessels, p):
    """Vessels of the table in the order of voxels.

    Parameters
    ----------
    found
        `VesselList`, filled in place.
    order
        (vessel,) rows of the table by ascending voxel.
    vessels
        `lattice.Vessels`.
    p
        Record of `layout.Vessels`.
    """
    place, flow, closed = found.place, found.flow, found.closed
    for i in range(order.size):
        row = order[i]
        place[i] = vessels.voxel[row]
        flow[i] = vessel_flow(vessels.maturity[row], vessels.state[row], p)
        closed[i] = 1.0 if vessels.state[row] == EMBOLISED else 0.0


@kernel(entry=True, borrows=True)
def count_engaged(engaged, lymphocytes, count, grid):
    """Engaged effectors of each block, a whole number, from the first ``count`` rows of the table."""
    engaged[:] = 0.0
    for row in range(count):
        if lymphocytes.state[row] == ENGAGED:
            z, y, x = place_of(lymphocytes.voxel[row], grid)
            engaged[block_of(z, y, x, grid)] += 1.0


# --- phases ---------------------------------------------------------------------------


@kernel
def voxels_in_block(z, y, x, grid):
    """Voxels of the block at ``z``, ``y``, ``x`` of the blocks; fewer at the far edges."""
    f = grid.factor
    deep, wide, long = min(f, grid.nz - z * f), min(f, grid.ny - y * f), min(f, grid.nx - x * f)
    return deep * wide * long


@kernel(entry=True, borrows=True)
def gather_blocks(contents, kind, oxygen, found, grid, normal_oxygen, p, first, last):
    """Phase: contents of the blocks in the planes of blocks from ``first`` to ``last`` (exclusive).

    Parameters
    ----------
    contents
        `Contents`, filled in place; ``engaged`` holds the counts of `count_engaged` and is divided.
    kind, oxygen
        (voxel,) of `lattice.Voxels`; of `lattice.Fields`, mmHg.
    found
        `VesselList`.
    grid
        `lattice.Grid`.
    normal_oxygen
        mmHg.
    p
        Record of `layout.Vessels`.
    first, last
        Range of planes of blocks.
    """
    cells, secretion, flow, closed = contents.cells, contents.secretion, contents.flow, contents.closed
    engaged, plane = contents.engaged, grid.by * grid.bx
    for summed in (cells, secretion, flow, closed):
        summed[first * plane : last * plane] = 0.0
    z_first, z_last = first * grid.factor, min(last * grid.factor, grid.nz)
    add_cells(cells, secretion, kind, oxygen, grid, normal_oxygen, p, z_first, z_last)
    add_vessels(flow, closed, found, grid, z_first, z_last)
    for z in range(first, last):
        for y in range(grid.by):
            for x in range(grid.bx):
                b, size = (z * grid.by + y) * grid.bx + x, voxels_in_block(z, y, x, grid)
                cells[b] /= size
                secretion[b] /= size
                flow[b] /= size
                closed[b] /= size
                engaged[b] /= size


@kernel(borrows=True)
def add_cells(cells, secretion, kind, oxygen, grid, normal_oxygen, p, first, last):
    """Tumour cells, and the VEGF they secrete, of the planes from ``first`` to ``last`` (exclusive)."""
    factor = grid.factor
    for z in range(first, last):
        for y in range(grid.ny):
            start = (z * grid.ny + y) * grid.nx
            row = block_of(z, y, 0, grid)
            for block in range(grid.bx):
                for voxel in range(start + block * factor, start + min((block + 1) * factor, grid.nx)):
                    if kind[voxel] == TUMOUR:
                        oxygenated = local_oxygenation(oxygen[voxel], normal_oxygen, p)
                        cells[row + block] += 1.0
                        secretion[row + block] += hypoxic_secretion(oxygenated, p)


@kernel(borrows=True)
def add_vessels(flow, closed, found, grid, first, last):
    """Vessels of the planes from ``first`` to ``last`` (exclusive), in the order of voxels."""
    plane = grid.ny * grid.nx
    begin, end = first_from(found.place, first * plane), first_from(found.place, last * plane)
    for i in range(begin, end):
        z, y, x = place_of(found.place[i], grid)
        b = block_of(z, y, x, grid)
        flow[b] += found.flow[i]
        closed[b] += found.closed[i]


@kernel(entry=True, borrows=True)
def fill_blocks(loss, gain, secreting, vessels, law, first, last):
    """Phase: loss and gain of one field in the blocks from ``first`` to ``last`` (exclusive) (eq. X3).

    Parameters
    ----------
    loss, gain
        (block,) 1/day and concentration/day, filled in place.
    secreting
        (block,) of what secretes, a voxel; may be ``gain`` itself.
    vessels
        (block,) of what exchanges, a voxel.
    law
        `BlockLaw`.
    first, last
        Range of blocks.
    """
    for b in range(first, last):
        loss[b] = law.decay + law.exchange * vessels[b]
        gain[b] = law.secretion * secreting[b] + law.exchange * law.level * vessels[b]


@kernel(entry=True, borrows=True)
def fill_chemokine(secreting, cells, interferon, signals, first, last):
    """Phase: tumour cells a voxel times their secretion of chemokine, ``secreting`` (block,) (eq. X6).

    ``signals`` is the record of `lattice.Signals`.
    """
    basal, half = signals.chemokine_basal, signals.interferon_half_effect
    for b in range(first, last):
        secreting[b] = cells[b] * chemokine_secretion(interferon[b], basal, half)


@kernel(borrows=True, apart=True, inline=True)
def begin(left):
    """No drug has acted in any of `LANES` blocks."""
    for i in range(LANES):
        keep_left(left, i, UNTOUCHED)


@kernel(borrows=True, apart=True, inline=True)
def act(left, share, plasma, drug):
    """One drug, of which there is a ``share`` of its concentration in ``plasma``, acts in `LANES` blocks."""
    for i in range(LANES):
        keep_left(left, i, with_drug(left_of(left, i), share[i] * plasma, drug))


@kernel(borrows=True, apart=True, inline=True)
def conclude(left):
    """Effects of all drugs from what they have left."""
    for i in range(LANES):
        keep_left(left, i, effects_of(left_of(left, i)))


@kernel(entry=True)
def fill_effects(effects, drug, y, patient, first, last):
    """Phase: what all drugs do in the blocks from ``first`` to ``last`` (exclusive) (eq. X9).

    Parameters
    ----------
    effects
        (block, 8) `layout.DrugEffects`, filled in place.
    drug
        (block,) concentration against plasma.
    y
        State of the body; amounts of drugs come first.
    patient
        `layout.Patient`.
    first, last
        Range of blocks.
    """
    left, share = np.zeros(EFFECTS * LANES), np.zeros(LANES)
    for block in range(first, last, LANES):
        here = min(LANES, last - block)
        for i in range(here):
            share[i] = positive_part(drug[block + i])
        begin(left)
        for d in range(patient.drugs.shape[0]):
            act(left, share, concentration(y[DRUG_STATES * d], patient.drugs[d]), patient.drugs[d])
        conclude(left)
        for i in range(here):
            for effect in range(EFFECTS):
                effects[block + i, effect] = left[effect * LANES + i]


@kernel(entry=True, borrows=True)
def keep_within(field, highest, first, last):
    """Phase: back to zero or ``highest`` where a solve left them, as it may by its tolerance.

    The exact solution is never beyond them, and the laws have no meaning there. What is no number stays none.
    """
    for i in range(first, last):
        c = positive_part(field[i])
        field[i] = highest if c > highest else c
