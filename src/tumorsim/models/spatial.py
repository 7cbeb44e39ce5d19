"""The spatial model: one lattice in a body, hour by hour.

Order of a step: doses (and the body) -> fields -> recruit -> move -> engage and kill -> divide, mutate and die
-> vessels -> clear the dead -> observe. Kernels hold the laws; this module holds the order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import calls, contact, cycle, lattice, layout, motility, network
from tumorsim.kernels.body import advance_body
from tumorsim.kernels.lattice import Clock, Rules, State
from tumorsim.kernels.pharmacology import concentration
from tumorsim.lattice import observe, phases
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.network import first_network
from tumorsim.lattice.seeding import Tumour, inside, seed_tumour
from tumorsim.lattice.state import arrays_of, bids_for, blank, callers_for, enlarged, grid_of, size_of, state_from
from tumorsim.lattice.supply import Supply, depot_now
from tumorsim.params.packing import no_depot

BODY_STEPS = 4  # Runge-Kutta steps an hour of the body
_SOON = 1e-9  # of a step: a dose due at the beginning of a step is not put off by rounding
_MOST_CELLS = (1 << 32) - 1  # ids are 32-bit numbers
# what a checkpoint holds beside arrays
_NUMBERS = (
    "step", "next_vessel", "next_segment", "next_dose", "sessions", "depot_of", "depot_day", "reopened", "births",
    "weight",
)  # fmt: skip
Counts = NDArray[np.int64]


class LatticeError(RuntimeError):
    """A lattice cannot go on; the message says which, when, and what to do."""


@dataclass(frozen=True)
class Plan:
    """What one lattice needs, in internal units.

    Attributes
    ----------
    shape, spacing
        Voxels along z, y, x, and um.
    dt, steps, fields_every
        Day; steps to the end; steps between two solves of the fields.
    tissue, traits, drugs, products, procedures
        Records of `lattice.TISSUE`, `layout.TRAITS`, `DRUG`, `PRODUCT` and `PROCEDURE`, each an array.
    tumour
        What is seeded.
    vessel_spacing, vessel_spacing_inside
        um between vessels outside and inside of the tumour.
    territory
        um across the tissue that one arteriole feeds.
    lesion_volume
        mL of the lesion that the lattice is a sample of.
    memory
        Memory CD8 T cells at the start, 0-1.
    """

    shape: tuple[int, int, int]
    spacing: float
    dt: float
    steps: int
    fields_every: int
    tissue: layout.Records = field(repr=False)
    traits: layout.Records = field(repr=False)
    drugs: layout.Records = field(repr=False)
    products: layout.Records = field(repr=False)
    procedures: layout.Records = field(repr=False)
    tumour: Tumour
    vessel_spacing: float
    vessel_spacing_inside: float
    territory: float
    lesion_volume: float
    memory: float


@dataclass(frozen=True)
class Doses:
    """What is given in one arm, sorted by time; columns as in an event table. Each (dose,)."""

    time: NDArray[np.float64]
    kind: Counts
    index: Counts
    value: NDArray[np.float64]


class SpatialModel:
    """One lattice: made from a plan, advanced step by step, observed, taken apart for a checkpoint.

    Parameters
    ----------
    plan
        `Plan`.
    doses
        `Doses` of the arm.
    seed
        Of the replicate.
    crew
        Threads; the result does not depend on them.
    """

    def __init__(self, plan: Plan, doses: Doses, seed: int, crew: Crew) -> None:
        self.plan, self.doses, self.seed, self.crew = plan, doses, seed, crew
        self.step = 0
        self.used = {"lymphocytes": 0, "vessels": 0, "lineage": 0}
        self.next_vessel = self.next_segment = 0
        self.next_dose = self.sessions = 0
        self.depot_of, self.depot_day = -1, 0.0  # procedure that left the drug in embolised vessels, and when
        self.reopened = False
        effectors = plan.products.size + 1
        self.births = 0
        self.deaths = np.zeros(len(lattice.FATES), np.int64)
        self.recruited, self.kills = np.zeros(effectors, np.int64), np.zeros(effectors, np.int64)
        self._make_body()
        self.state = self._first_state()
        self._make_scratch()
        self.weight = self._weight()
        self._update_fields(solve=True)  # before anybody looks

    # --- making -------------------------------------------------------------------

    def _make_body(self) -> None:
        """State vector and constants of the body; the same order as in the patient model."""
        p = self.plan
        drugs, products = p.drugs.size, p.products.size
        self.y = np.zeros(layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * products + layout.BODY_TAIL)
        self.y[-layout.BODY_TAIL] = p.memory
        self.y[-layout.BODY_TAIL + 1] = p.traits[0]["reserve"]
        self.intake = np.zeros(drugs, layout.INTAKE)
        self.intake["start"] = math.inf
        self._slots = np.zeros(1, layout.SLOT)
        patient = layout.Patient(p.traits[0], p.drugs, p.products, p.procedures, self.intake, self._slots)
        self.rules = Rules(p.tissue[0], patient, no_depot()[0])

    def _first_state(self) -> State:
        p = self.plan
        grid = grid_of(p.shape, p.spacing)
        state = blank(grid)
        within = inside(state, p.tumour)
        vessels = first_network(state, p.vessel_spacing, p.vessel_spacing_inside, within, self.seed, p.territory)
        self.used["vessels"] = int(vessels.ident.size)
        self.next_vessel = self.used["vessels"]
        self.next_segment = int(vessels.segment.max(initial=-1)) + 1
        vessels.maturity[:] = p.traits[0]["vessels"]["baseline_maturity"]
        state = seed_tumour(state._replace(vessels=vessels), p.tumour, self.seed)
        self.used["lineage"] = int(np.count_nonzero(state.voxels.kind == lattice.TUMOUR))
        return state

    def _make_scratch(self) -> None:
        grid = self.state.grid
        self.supply = Supply(grid, self.rules, self.crew)
        first, *bytes_each = self.supply.scratch(np.int32, np.uint8, np.uint8, np.uint8)
        self._fates, self._winners, self._killed = bytes_each
        self._counts = np.zeros(grid.nz, np.int64)
        self._substeps = int(motility.motility_steps(self.plan.tissue[0]["motility"], grid, self.plan.dt))
        self._tally = np.zeros((grid.nz, len(lattice.FATES) + 1), np.int64)
        self._bids = bids_for(first, self.state.lymphocytes.ident.size)
        self._callers = callers_for(grid)

    def _weight(self) -> float:
        """Cells of the lesion for each one of the lattice at the start."""
        density = float(self.plan.traits[0]["growth"]["cell_density"])
        return self.plan.lesion_volume * density / max(1, self.used["lineage"])

    # --- one step -----------------------------------------------------------------

    @property
    def day(self) -> float:
        """Days since the start."""
        return self.step * self.plan.dt

    @property
    def clock(self) -> Clock:
        """Key of this step's draws."""
        return Clock(np.uint64(self.seed), self.step, self.plan.dt)

    @property
    def done(self) -> bool:
        """Whether the last step has been taken."""
        return self.step >= self.plan.steps

    def advance(self) -> None:
        """One step, in the order of phases that this module's docstring lists."""
        embolised = self._give_doses()
        self._advance_body()
        self._update_fields(solve=embolised or self.reopened or self.step % self.plan.fields_every == 0)
        self._recruit()
        self._move()
        self._engage()
        self._turn_over()
        self._change_vessels()
        self.step += 1

    def _give_doses(self) -> bool:
        """Phase: what is due by the beginning of this step. Returns whether vessels were closed."""
        closed = False
        doses, drugs = self.doses, self.plan.drugs.size
        while self.next_dose < doses.time.size and doses.time[self.next_dose] <= self.day + _SOON * self.plan.dt:
            kind, index = int(doses.kind[self.next_dose]), int(doses.index[self.next_dose])
            value = float(doses.value[self.next_dose])
            if kind == layout.EVENT_DRUG_RATE:
                self.intake[index]["rate"] = value
            elif kind == layout.EVENT_DRUG_BOLUS:
                self.y[layout.DRUG_STATES * index] += value
            elif kind == layout.EVENT_INFUSION:
                self.y[layout.DRUG_STATES * drugs + layout.PRODUCT_STATES * index + 1] += value
            elif kind == layout.EVENT_TACE:
                closed = self._embolise(index, value) or closed
            if kind in (layout.EVENT_DRUG_RATE, layout.EVENT_DRUG_BOLUS) and value > 0.0:
                self.intake[index]["start"] = min(self.intake[index]["start"], self.day)
            self.next_dose += 1
        return closed

    def _embolise(self, procedure: int, limit: float) -> bool:
        """One session of TACE; on demand (``limit`` above zero) only while tumour is left and sessions are."""
        if limit > 0.0 and (self.sessions >= limit or not (self.state.voxels.kind == lattice.TUMOUR).any()):
            return False
        record = self.plan.procedures[procedure]
        fraction = float(record["embolised_fraction"])
        network.embolise(self.state, self.used["vessels"], self.sessions, fraction, self.clock)
        self.sessions += 1
        if record["depot"]["concentration"] > 0.0:  # a session without a drug takes nothing from an earlier one
            self.depot_of, self.depot_day = procedure, self.day
            self._take_depot()
        return True

    def _take_depot(self) -> None:
        """Let the kernels see the depot of the last session that left a drug."""
        if self.depot_of >= 0:
            self.rules = self.rules._replace(depot=self.plan.procedures[self.depot_of]["depot"])
            self.supply.rules = self.rules

    def _advance_body(self) -> None:
        """Phase: drugs, effectors in blood and organs, memory; antigen comes from the dead of the lesion."""
        dead = int(np.count_nonzero(self.state.voxels.kind == lattice.DEAD))
        antigen = self.weight * dead * float(self.plan.traits[0]["growth"]["dead_clearance_rate"])
        advance_body(self.day, self.plan.dt, BODY_STEPS, self.y, antigen, self.rules.patient)

    def _update_fields(self, *, solve: bool) -> None:
        """Phase: oxygen and signals in balance with the tissue, and what drugs do where."""
        if solve:
            balance = self.supply.solve_oxygen(self.state, self.used["vessels"])
            if not balance.converged:
                raise LatticeError(self._told(f"oxygen did not come into balance (residual {balance.residual:.1g})"))
            self.supply.solve_signals(self.state, self.used["vessels"], self.used["lymphocytes"], self._depot())
            self._bids.first.fill(lattice.NOBODY)  # it lies in the memory of the solver
        else:
            self.supply.fade_depot(self.state, self.plan.dt)
        self.supply.update_effects(self.state, self.y)

    def _depot(self) -> float:
        """Drug in embolised vessels, nmol/L."""
        return depot_now(self.rules, self.day - self.depot_day)

    def _blood(self) -> NDArray[np.float64]:
        """Cells in blood of every product, then memory CD8 T cells."""
        first = layout.DRUG_STATES * self.plan.drugs.size
        products = self.plan.products.size
        blood = self.y[first : first + layout.PRODUCT_STATES * products : layout.PRODUCT_STATES]
        memory = self.y[-layout.BODY_TAIL] * float(self.plan.tissue[0]["contact"]["memory_cells"])
        return np.append(blood, memory)

    def _recruit(self) -> None:
        """Phase: effectors leave blood at open vessels; the whole lesion takes ``weight`` times as many."""
        blood = self._blood()
        before = self.recruited.copy()
        used = self.used["lymphocytes"]
        arguments = (self.used["vessels"], used, blood, self.recruited, self.clock, self.rules, self.crew)
        found = phases.recruit_lymphocytes(self.state, *arguments)
        if found < 0:
            self._enlarge_lymphocytes(-1 - found)
            found = phases.recruit_lymphocytes(self.state, *arguments)
        self.used["lymphocytes"] = found
        taken = self.weight * (self.recruited - before)[:-1]
        first = layout.DRUG_STATES * self.plan.drugs.size
        last = first + layout.PRODUCT_STATES * self.plan.products.size
        self.y[first : last : layout.PRODUCT_STATES] = np.maximum(0.0, blood[:-1] - taken)

    def _enlarge_lymphocytes(self, needed: int) -> None:
        self.state = self.state._replace(lymphocytes=enlarged(self.state.lymphocytes, needed))
        self._bids = bids_for(self._bids.first, self.state.lymphocytes.ident.size)

    def _move(self) -> None:
        """Phase: motility, in as many sub-steps as it needs."""
        if self.used["lymphocytes"] == 0:
            return
        for substep in range(self._substeps):
            phases.move_lymphocytes(self.state, self.used["lymphocytes"], substep, self._substeps, self._bids,
                                    self.clock, self.rules, self.crew)  # fmt: skip

    def _engage(self) -> None:
        """Phase: effectors hold tumour cells, kill, let go, exhaust and die."""
        self._killed[:] = 0
        if self.used["lymphocytes"] == 0:
            return
        phases.engage_and_kill(self.state, self.used["lymphocytes"], self._killed, self.kills, self._bids,
                               self.clock, self.rules, self.crew)  # fmt: skip
        self.used["lymphocytes"] = int(contact.close_up(self.state.lymphocytes, self.used["lymphocytes"]))

    def _turn_over(self) -> None:
        """Phase: tumour cells divide, mutate, switch and die; the dead are cleared."""
        state, crew, planes, clock = self.state, self.crew, self.state.grid.nz, self.clock
        voxels = size_of(state.grid)
        crew.run(cycle.decide_cells, planes, state, clock, self.rules, self._killed, self._fates, voxels=voxels)
        cells, grid, traits = state.voxels, state.grid, self.rules.patient.traits
        crew.run(cycle.place_daughters, planes, cells, grid, clock, self._winners, self._counts, voxels=voxels)
        born = int(self._counts.sum())
        first = self.used["lineage"]
        if first + born >= _MOST_CELLS:
            raise LatticeError(self._told(f"more than {_MOST_CELLS:,} cells were born; shorten the study"))
        state = self.state = state._replace(lineage=enlarged(state.lineage, first + born))
        offsets = first + np.concatenate([[0], np.cumsum(self._counts)[:-1]]).astype(np.int64)
        crew.run(cycle.settle_daughters, planes, cells, state.lineage, grid, clock, traits.resistance, self._winners,
                 offsets, voxels=voxels)  # fmt: skip
        self.used["lineage"] = first + born
        self.births += born
        clearance = float(traits.growth.dead_clearance_rate)
        crew.run(cycle.settle_cells, planes, cells, state.lineage, grid, clock, clearance, self._fates, self._killed,
                 self._tally, voxels=voxels)  # fmt: skip
        died = self._tally[:, : len(lattice.FATES)].sum(axis=0)
        died[lattice.ALIVE] = 0
        self.deaths += died

    def _change_vessels(self) -> None:
        """Phase: vessels mature, are pruned, regress, reopen and sprout."""
        tumour = self._tally[:, lattice.ALIVE].sum()  # of this step
        volume = self.weight * tumour / float(self.plan.traits[0]["growth"]["cell_density"])
        closed = self._embolised()
        cells, effects, grid = self.state.voxels, self.state.fields.effects, self.state.grid
        self.crew.run(calls.count_cells, len(self._callers), self._callers, cells.kind, cells.traits, effects, grid,
                      voxels=size_of(grid))  # fmt: skip
        phases.age_vessels(self.state, self.used["vessels"], self._callers, volume, self.clock, self.rules, self.crew)
        self.reopened = self._embolised() < closed
        used = int(network.close_up_vessels(self.state.vessels, self.used["vessels"]))
        numbers = (self.next_vessel, self.next_segment, self._callers, self.clock, self.rules)
        scratch = (self._bids.first, self.crew)
        found, vessel, segment = phases.sprout_vessels(self.state, used, *numbers, *scratch)
        if found < 0:
            self.state = self.state._replace(vessels=enlarged(self.state.vessels, -found))
            found, vessel, segment = phases.sprout_vessels(self.state, used, *numbers, *scratch)
        self.used["vessels"], self.next_vessel, self.next_segment = found, vessel, segment

    def _embolised(self) -> int:
        """Vessel voxels without flow."""
        return int(np.count_nonzero(self.state.vessels.state[: self.used["vessels"]] == lattice.EMBOLISED))

    def _told(self, what: str) -> str:
        return f"{what} on day {self.day:g} (step {self.step}, seed {self.seed})"

    # --- observing ----------------------------------------------------------------

    def series(self) -> dict[str, Any]:
        """Every number of `spatial_variables.SERIES` at this moment; by product and by fate as arrays."""
        found: dict[str, Any] = observe.tissue_means(self.state, self.used["vessels"], self.plan.traits[0]["vessels"])
        found |= observe.by_product(self.state, self.used["lymphocytes"], self.plan.products.size)
        found |= {"births": self.births, "deaths": self.deaths.copy()}
        found |= {"recruited": self.recruited.copy(), "kills": self.kills.copy(), "blood": self._blood()}
        drugs = self.plan.drugs
        found["plasma_drug"] = float(concentration(self.y[0], drugs[0])) if drugs.size else 0.0
        found["memory"] = float(self.y[-layout.BODY_TAIL])
        return found

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Pictures of `spatial_variables.SNAPSHOTS`, each (nz, ny, nx)."""
        return observe.snapshot(self.state, self.used["vessels"])

    def lineage(self) -> dict[str, NDArray[Any]]:
        """Columns of `spatial_variables.LINEAGE`; a cell's id is its row."""
        rows = self.used["lineage"]
        table = self.state.lineage
        last = table.last_clone[:rows]
        days = {"birth": table.birth[:rows] * self.plan.dt, "death": table.death[:rows] * self.plan.dt}
        days["death"][table.death[:rows] == lattice.NOBODY] = np.nan
        codes: dict[str, NDArray[Any]] = {"clone": table.clone[:rows] & lattice.CLONE_BITS}
        codes |= {"last_clone": last & lattice.CLONE_BITS, "fate": table.fate[:rows]}
        found = {"parent": table.parent[:rows].copy()} | days
        return found | {name: values.astype(np.int8) for name, values in codes.items()}

    # --- checkpoints --------------------------------------------------------------

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that decides what comes next: arrays by name, and numbers."""
        arrays = arrays_of(self.state, self.used)
        arrays |= {"body": self.y.copy(), "intake.rate": self.intake["rate"].copy()}
        arrays |= {"intake.start": self.intake["start"].copy(), "deaths": self.deaths.copy()}
        arrays |= {"recruited": self.recruited.copy(), "kills": self.kills.copy()}
        return arrays, {name: getattr(self, name) for name in _NUMBERS} | {"used": dict(self.used)}

    def restore(self, arrays: dict[str, NDArray[Any]], numbers: dict[str, Any]) -> None:
        """Go back to a checkpoint of the same plan, doses and seed."""
        self.state = state_from(self.state.grid, arrays)
        self.y[:] = arrays["body"]
        self.intake["rate"], self.intake["start"] = arrays["intake.rate"], arrays["intake.start"]
        self.deaths, self.recruited, self.kills = (arrays[n].copy() for n in ("deaths", "recruited", "kills"))
        self.used = dict(numbers["used"])
        for name in _NUMBERS:
            setattr(self, name, numbers[name])
        self._make_scratch()
        self._take_depot()
