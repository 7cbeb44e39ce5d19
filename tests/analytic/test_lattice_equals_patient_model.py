"""The well-mixed lattice is the patient model: same laws, same parameters, equal means within Monte-Carlo error.

Cells, dead cells and free effectors are put to new places at random before every step, oxygen is the same
everywhere and there is room for all, so that space has nothing to say. What is left must be the right-hand side
of the patient model: births, deaths by drug, switching both ways, antigen loss, killing, clearance of the dead.
All clones are killed alike here: an effector stays longer with a cell that is harder to kill, so where clones
differ, and contacts end by the kill alone, the lattice kills them in proportion to their numbers
(docs/theory/lattice.md).
"""

from __future__ import annotations

import cell_twins
import lymphocyte_twins as twins
import numpy as np
import pytest
from scipy import stats

from tumorsim.kernels import derivatives as model
from tumorsim.kernels import lanes, lattice, layout
from tumorsim.kernels.integrate import lanes_for
from tumorsim.kernels.layout import DrugEffects
from tumorsim.kernels.pharmacology import effects_of
from tumorsim.lattice import phases

DAYS, STEP, SIDE = 15.0, 1.0 / 48.0, 36  # half an hour: in one step an effector kills at most once
CELLS = (4200, 1200, 420, 180)  # clones S, R, A, RA
EFFECTORS = 60  # so few that K2 and one holder a cell mean the same
EFFECTS = DrugEffects(0.5, 0.1, 0.02, 0.004, 0.4, 0.2, 0.1, 0.3)
DENSE = 2.0  # V1 with capacity without end: twice the normal perfusion
LEVEL = 1e-3  # family-wise
NAMES = ("sensitive", "resistant", "antigen-low", "both", "dead")
RATES = {
    "growth": {"growth_rate": 0.06, "turnover_rate": 0.03, "dead_clearance_rate": 0.2},
    "resistance": {"switch_on_rate": 0.02, "switch_off_rate": 0.03, "antigen_loss_probability": 0.05,
                   "mutation_probability": 0.02, "fitness_cost": 0.1},
    "suppression": {"vegf": 0.0},
    "trafficking": {"access_volume": 1e30},
}  # fmt: skip
PRODUCT = {"kill_rate": 0.7, "half_e_to_t": 1.0, "exhaustion_rate": 0.0, "tumour_death_rate": 0.0,
           "resistant_activity": 1.0, "antigen_low_activity": 1.0, "cd16_fraction": 0.0,
           "cytostatic_share": 0.0}  # fmt: skip


def patient_model(who: layout.Patient) -> np.ndarray:
    """Clones and dead cells at the end, by the classical Runge-Kutta method."""
    slots = np.zeros(1, layout.SLOT).view(np.recarray)
    slots[0].rate = RATES["growth"]["growth_rate"]
    made = lanes_for(1, 0, 1)
    par, scratch = made.numbers[made.at_par :], made.numbers[made.at_scratch :]
    lanes.write_parameters(par, 1, who._replace(slots=slots))
    model.keep_left(scratch, 0, effects_of(EFFECTS))  # what they leave
    wide, body = layout.LANES, layout.PRODUCT_STATES + layout.BODY_TAIL
    y = np.zeros(body + layout.LESION_HEAD + 2)
    y[body : body + 4] = CELLS
    y[body + layout.CAPACITY], y[body + layout.MATURITY] = 1e30, who.traits.vessels.baseline_maturity
    y[body + layout.LESION_HEAD] = EFFECTORS
    place, product = par[lanes.first_slot(0, 1) * wide :], par[lanes.DRUGS * wide :]

    def rate(y: np.ndarray) -> np.ndarray:
        state, slopes = np.zeros((2, y.size * wide))
        state[::wide] = y
        lesion, change, held = body * wide, slopes[body * wide :], (body + layout.LESION_HEAD) * wide
        model.supply(state[lesion:], par, scratch, 1)
        model.immunity(par, state[layout.PRODUCT_STATES * wide :], scratch, 1)
        model.recruit_and_engage(state[lesion:], state[held:], slopes[held:], state, slopes, product, place, scratch, 1)
        model.grow_lesion(state[lesion:], change, par, place, scratch, 1)
        return slopes[::wide].copy()

    steps, h = 600, DAYS / 600
    for _ in range(steps):
        a = rate(y)
        b = rate(y + 0.5 * h * a)
        c = rate(y + 0.5 * h * b)
        y = y + h / 6.0 * (a + 2.0 * b + 2.0 * c + rate(y + h * c))
    return np.asarray(y[body : body + 5])


def stir(state: lattice.State, rng: np.random.Generator) -> None:
    """Everything to new places; whoever holds a cell goes on holding it."""
    voxels, people = state.voxels, state.lymphocytes
    filled = np.flatnonzero(voxels.kind != lattice.STROMA)
    moved = rng.permutation(voxels.kind.size)[: filled.size]
    lookup = np.full(voxels.kind.size, lattice.NOBODY, np.int64)
    lookup[filled] = moved
    for array in (voxels.kind, voxels.traits, voxels.ident, voxels.held):
        old = array[filled].copy()
        array[:] = 0
        array[moved] = old
    engaged = people.target != lattice.NOBODY
    people.target[engaged] = lookup[people.target[engaged]]
    people.voxel[:] = rng.integers(0, voxels.kind.size, people.voxel.size)
    voxels.load[:] = np.bincount(people.voxel, minlength=voxels.load.size)


def on_the_lattice(by: lattice.Rules, seed: int) -> np.ndarray:
    """The same by agents: one replicate."""
    rng = np.random.default_rng(seed)
    state = cell_twins.blank_state(SIDE, SIDE, SIDE, 60_000)
    table = lattice.Lymphocytes(*(np.zeros(EFFECTORS, a.dtype) for a in state.lymphocytes))
    table.ident[:], table.target[:] = np.arange(EFFECTORS), lattice.NOBODY
    state = state._replace(lymphocytes=table)
    state.fields.oxygen[:] = DENSE * by.tissue.oxygen.normal_oxygen
    state.fields.suppressors[:] = 1.0
    state.fields.effects[:] = EFFECTS
    founders = sum(CELLS)
    cell_twins.found(state, np.arange(founders), np.repeat(np.arange(4, dtype=np.uint8), CELLS))
    run, bids, kills = cell_twins.Run(state, by, founders), twins.scratch(state), np.zeros(2, np.int64)
    for step in range(round(DAYS / STEP)):
        clock = twins.clock_at(step, 2**63 + seed, STEP)
        stir(state, rng)
        run.killed[:] = 0
        phases.engage_and_kill(state, EFFECTORS, run.killed, kills, bids, clock, by)
        run.step(clock)
    alive = state.voxels.traits[state.voxels.kind == lattice.TUMOUR]
    return np.array([*np.bincount(alive & lattice.CLONE_BITS, minlength=4), (state.voxels.kind == lattice.DEAD).sum()])


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [60])
def test_the_stirred_lattice_equals_the_patient_model(replicates: int) -> None:
    who = twins.patient((PRODUCT,), **RATES)
    contacts = {"engagement_rate": 1e4, "release_rate": 0.0}
    by = twins.rules(who, contact=contacts, signals={"interferon_half_effect": 1.0})
    expected = patient_model(who)
    found = np.array([on_the_lattice(by, seed) for seed in range(replicates)])
    error = found.std(axis=0, ddof=1) / np.sqrt(replicates)
    t = (found.mean(axis=0) - expected) / error
    for name, mean, ode, z in zip(NAMES, found.mean(axis=0), expected, t, strict=True):
        print(f"{name}: lattice {mean:.0f}, patient model {ode:.0f}, t {z:+.2f} on {replicates - 1}")
    limit = stats.t.isf(LEVEL / 2 / len(NAMES), replicates - 1)
    assert np.abs(t).max() < limit
    assert np.abs(found.mean(axis=0) / expected - 1.0).max() < 0.06
