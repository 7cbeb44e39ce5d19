"""Phases of lymphocytes and vessels: what each does by itself is shared out, conflicts are settled by one thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import calls, contact, motility, network
from tumorsim.kernels.lattice import NOBODY, Clock, Rules, State
from tumorsim.kernels.motility import Bids
from tumorsim.kernels.network import Sprouts
from tumorsim.lattice.crew import ONE, Crew

Counts = NDArray[np.int64]
ROW = 4  # voxels that are as much work as one row
AIM = 50  # rows that are as much work as one sprout


def recruit_lymphocytes(
    state: State,
    vessels: int,
    count: int,
    blood: NDArray[np.float64],
    recruited: Counts,
    clock: Clock,
    rules: Rules,
    crew: Crew = ONE,
) -> int:
    """Lymphocytes enter at open vessel voxels, a Poisson number of each product (eq. Y1).

    Parameters
    ----------
    state, clock, rules
        The lattice, which step, parameters.
    vessels, count
        Rows in use of the tables of vessels and of lymphocytes.
    blood
        (product + 1,) cells in the blood of the body; memory CD8 T cells come last.
    recruited
        (product + 1,); those who entered are added. Who finds no room stays in blood.
    crew
        Threads; the result does not depend on them.

    Returns
    -------
    int
        Rows in use now. If the table is too short: ``-1 - needed``, and nothing has changed.
    """
    arriving = np.empty((vessels, blood.size), np.uint8)
    crew.run(motility.draw_arrivals, vessels, arriving, state, blood, clock, rules, voxels=ROW * vessels)
    return int(motility.let_in(state.lymphocytes, state.voxels, state.vessels, count, arriving, recruited, clock.step))


def move_lymphocytes(
    state: State,
    count: int,
    substep: int,
    substeps: int,
    bids: Bids,
    clock: Clock,
    rules: Rules,
    crew: Crew = ONE,
) -> None:
    """One sub-step of motility of all lymphocytes that hold nobody.

    Parameters
    ----------
    state, clock, rules
        The lattice, which step, parameters.
    count
        Rows in use.
    substep, substeps
        Number of this sub-step, from 0, and how many there are in a step (`motility.motility_steps`).
    bids
        Scratch of at least so many rows.
    crew
        Threads; the result does not depend on them.
    """
    arguments = (state, substep, substeps, bids, clock, rules)
    crew.run(motility.propose_moves, count, *arguments, voxels=ROW * count)
    motility.settle_moves(state.lymphocytes, state.voxels, count, bids)


def engage_and_kill(
    state: State,
    count: int,
    killed: NDArray[np.uint8],
    kills: Counts,
    bids: Bids,
    clock: Clock,
    rules: Rules,
    crew: Crew = ONE,
) -> None:
    """Lymphocytes take hold of tumour cells, kill them, let go, exhaust and die.

    In this order: whoever holds a cell that has died is free; free ones engage; everybody's first event
    within the step. Whoever engages can thus kill within the same step, once.

    Parameters
    ----------
    state, clock, rules
        The lattice, which step, parameters. The dead stay in the table as GONE.
    count
        Rows in use.
    killed, kills
        See `contact.settle_fates`.
    bids
        Scratch of at least so many rows.
    crew
        Threads; the result does not depend on them.
    """
    people, voxels = state.lymphocytes, state.voxels
    contact.let_go_of_the_dead(people, voxels, count)
    products, rate = rules.patient.products, float(rules.tissue.contact.engagement_rate)
    crew.run(contact.seek, count, people, voxels, state.grid, bids, clock, rate, products, voxels=ROW * count)
    contact.take_hold(people, voxels, count, bids, products)
    crew.run(contact.meet_fates, count, state, bids, clock, rules, voxels=ROW * count)
    contact.settle_fates(people, voxels, count, killed, kills, bids)


def heard_calls(
    state: State, count: int, cells: NDArray[np.float64], rules: Rules, crew: Crew = ONE
) -> NDArray[np.float64]:
    """What `calls.hear_calls` fills, for all cubes; arguments as in `age_vessels`."""
    found = np.empty_like(cells)
    fed = float(rules.tissue.network.cells_per_vessel)
    crew.run(calls.hear_calls, len(cells), found, cells, state.vessels, count, state.grid, fed, voxels=ROW * count)
    return found


def age_vessels(
    state: State,
    count: int,
    cells: NDArray[np.float64],
    volume: float,
    clock: Clock,
    rules: Rules,
    crew: Crew = ONE,
) -> None:
    """Vessels mature, are pruned, regress, and reopen after embolisation (eqs N1-N5).

    Parameters
    ----------
    state, clock, rules
        The lattice, which step, parameters. Rows of lost vessels become LOST, their voxels STROMA.
    count
        Rows in use.
    cells
        What `calls.count_cells` filled.
    volume
        Volume of the tumour that the lattice stands for, mL.
    crew
        Threads; the result does not depend on them.
    """
    grid, law = state.grid, rules.patient.traits.vessels
    heard = heard_calls(state, count, cells, rules, crew)
    arguments = (state.vessels, state.voxels.kind, state.fields.effects, grid, heard, float(volume), clock, law)
    crew.run(network.age_vessels, count, *arguments, voxels=ROW * count)


def sprout_vessels(
    state: State,
    count: int,
    next_ident: int,
    next_segment: int,
    cells: NDArray[np.float64],
    clock: Clock,
    rules: Rules,
    marks: NDArray[np.int32] | None = None,
    crew: Crew = ONE,
) -> tuple[int, int, int]:
    """Open vessels sprout into free stroma where tumour calls for them (eqs N5-N7).

    Parameters
    ----------
    state, clock, rules
        The lattice, which step, parameters.
    count, next_ident, next_segment, cells
        Rows in use, numbers of the next vessel and of the next segment, what `calls.count_cells` filled.
    marks
        (voxel,) scratch that holds NOBODY before and after; made where none is given.
    crew
        Threads; the result does not depend on them.

    Returns
    -------
    tuple of int
        As `network.settle_sprouts`.
    """
    table, voxels, law = state.vessels, state.voxels, rules.patient.traits.vessels
    heard, begins = heard_calls(state, count, cells, rules, crew), np.empty(count, np.uint8)
    arguments = (begins, table, state.fields.vegf, state.grid, heard, clock, law)
    crew.run(network.draw_sprouts, count, *arguments, voxels=ROW * count)
    rows = np.flatnonzero(begins)
    if rows.size == 0:
        return count, next_ident, next_segment
    if marks is None:
        marks = np.full(voxels.kind.size, NOBODY, np.int32)
    called, new = np.zeros(next_segment, np.uint8), rows.size
    called[table.segment[rows]] = 1
    sprouts = Sprouts(rows, np.empty(new, np.int32), np.empty(new, np.uint64), np.empty(new, np.uint8))
    persistence = float(rules.tissue.network.tip_persistence)
    crew.run(network.mark_segments, count, marks, table, called, True, voxels=ROW * count)
    crew.run(network.aim_sprouts, new, sprouts, state, marks, clock, persistence, voxels=ROW * AIM * new)
    crew.run(network.mark_segments, count, marks, table, called, False, voxels=ROW * count)
    used, ident, segment = network.settle_sprouts(
        table, voxels.kind, count, next_ident, next_segment, sprouts, float(law.baseline_maturity), clock.step
    )
    return int(used), int(ident), int(segment)
