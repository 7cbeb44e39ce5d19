"""Tumour cells on the lattice a second time, in plain Python (docs/theory/lattice-cells.md), and states to try."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tumorsim import library
from tumorsim.kernels import cycle, layout
from tumorsim.kernels.lattice import TISSUE, Clock, Fields, Grid, Lineage, Lymphocytes, Rules, State, Vessels, Voxels
from tumorsim.params.disease import Disease
from tumorsim.params.drug import DrugModel
from tumorsim.params.packing import no_depot

# What stands on the page, in its own numbers.
STROMA, TUMOUR, DEAD = 0, 1, 2
RESISTANT, ANTIGEN_LOW, MHC_LOW = 1, 2, 4
TUMOUR_CELL, MUTATION, CLEARANCE = 24, 25, 27
NOBODY = -1
WAYS = sorted(
    (d for d in itertools.product((-1, 0, 1), repeat=3) if any(d)), key=lambda d: (sum(abs(i) for i in d), d)
)  # faces, edges, corners, each in the order of z, y, x

TISSUE_VALUES = {
    "oxygen": {"normal_oxygen": 40.0, "necrosis_oxygen": 1.0, "necrosis_rate": 0.5},
    "signals": {"interferon_half_effect": 0.05, "mhc_restoration_rate": 0.3},
    "depot": {"kill_rate": 0.4, "ec50": 100.0},
}


# --- states -----------------------------------------------------------------------
def blank_state(nz: int, ny: int, nx: int, capacity: int = 64, factor: int = 2) -> State:
    """Stroma at normal oxygen without cells, drugs, signals, lymphocytes or vessels; ``capacity`` rows of lineage."""
    blocks = [1 if n == 1 else -(-n // factor) for n in (nz, ny, nx)]
    size, many = nz * ny * nx, math.prod(blocks)
    grid = Grid(nz, ny, nx, 20.0, factor, *blocks)

    def zeros(number: int, kind: Any = np.float64) -> Any:
        return np.zeros(number, dtype=kind)

    small = np.uint8
    return State(
        grid,
        Voxels(zeros(size, small), zeros(size, small), zeros(size, np.uint32), *(zeros(size, small) for _ in range(3))),
        Fields(np.full(size, 40.0), *(zeros(many) for _ in range(6)), np.zeros((many, 8))),
        Lymphocytes(zeros(0, np.int64), zeros(0, np.int32), zeros(0, np.int32), zeros(0, small), zeros(0, small),
                    *(zeros(0, np.int32) for _ in range(3))),
        Vessels(zeros(0, np.int64), zeros(0, np.int32), zeros(0, np.int32), zeros(0), zeros(0, small),
                zeros(0, np.int32)),
        Lineage(np.full(capacity, NOBODY), zeros(capacity, small), zeros(capacity, np.int32),
                np.full(capacity, NOBODY, dtype=np.int32), zeros(capacity, small), zeros(capacity, small)),
    )  # fmt: skip


def found(state: State, voxels: Any, traits: Any = 0) -> int:
    """Put founders into these voxels; they take the first rows of the lineage. Returns how many."""
    number = len(voxels)
    state.voxels.kind[voxels] = TUMOUR
    state.voxels.traits[voxels] = traits
    state.voxels.ident[voxels] = np.arange(number)
    state.lineage.clone[:number] = state.lineage.last_clone[:number] = traits
    return number


def make_rules(**changes: dict[str, float]) -> Rules:
    """Rules with the library's HCC, and any process changed, as in ``growth={"turnover_rate": 0.0}``."""
    disease = Disease.model_validate(library.tree("diseases", "hcc").plain())
    drug = DrugModel.model_validate(library.tree("drugs", "sorafenib").plain())
    traits, tissue = np.zeros(1, layout.TRAITS), np.zeros(1, TISSUE)
    drugs, depot = np.zeros(1, layout.DRUG), no_depot()
    for name in ("growth", "resistance", "vessels", "trafficking", "suppression", "memory"):
        traits[name][0] = tuple(getattr(disease, name).values())
    for name, value in zip(drug.KERNEL._fields, drug.values(), strict=True):
        drugs[name] = value
    for process, values in (*TISSUE_VALUES.items(), *changes.items()):
        owner = depot if process == "depot" else (tissue if process in TISSUE.names else traits)[process]
        for name, value in values.items():
            owner[name] = value
    patient = layout.Patient(
        traits[0], drugs, np.zeros(0, layout.PRODUCT), np.zeros(0, layout.PROCEDURE),
        np.zeros(1, layout.INTAKE), np.zeros(0, layout.SLOT),
    )  # fmt: skip
    return Rules(tissue[0], patient, depot[0])


def random_state(shape: tuple[int, int, int], seed: int, cells: int, capacity: int = 4096) -> State:
    """Cells of all clones, dead ones, lymphocytes and fields, all at random; ids do not follow the voxels."""
    rng = np.random.default_rng(seed)
    state = blank_state(*shape, capacity)
    size = math.prod(shape)
    order = rng.permutation(size)
    found(state, order[:cells], rng.integers(0, 8, cells))
    dead = order[cells : cells + size // 10]
    state.voxels.kind[dead] = DEAD
    state.voxels.kind[order[-size // 20 :]] = 3  # vessels
    state.voxels.load[:] = rng.integers(0, 4, size) * (rng.random(size) < 0.3)
    fields = state.fields
    fields.oxygen[:] = rng.uniform(0.0, 60.0, size) * (rng.random(size) < 0.9)
    fields.depot[:] = rng.uniform(0.0, 300.0, fields.depot.size)
    fields.interferon[:] = rng.uniform(0.0, 0.2, fields.depot.size)
    fields.effects[:] = rng.uniform(0.0, 1.0, fields.effects.shape)
    return state


class Run:
    """Compiled phases, one step after another, with the planes cut into ``pieces``."""

    def __init__(self, state: State, rules: Rules, cells: int, pieces: int = 1) -> None:
        self.state, self.rules, self.cells = state, rules, cells
        size, nz = state.voxels.kind.size, state.grid.nz
        self.fates, self.winners, self.killed = (np.zeros(size, np.uint8) for _ in range(3))
        self.counts, self.tally = np.zeros(nz, np.int64), np.zeros((nz, 8), np.int64)
        self.ranges = [(nz * i // pieces, nz * (i + 1) // pieces) for i in range(pieces)]

    def phase(self, kernel: Any, *arguments: Any) -> None:
        for first, last in self.ranges:
            kernel(*arguments, first, last)

    def step(self, clock: Clock) -> None:
        """One step; ``cells`` rows of the lineage are in use."""
        voxels, lineage, grid = self.state.voxels, self.state.lineage, self.state.grid
        host = self.rules.patient.traits
        self.phase(cycle.decide_cells, self.state, clock, self.rules, self.killed, self.fates)
        self.phase(cycle.place_daughters, voxels, grid, clock, self.winners, self.counts)
        offsets = self.cells + np.cumsum(self.counts) - self.counts
        self.cells += int(self.counts.sum())
        assert self.cells <= self.state.lineage.parent.size, "more cells than rows"
        self.phase(cycle.settle_daughters, voxels, lineage, grid, clock, host.resistance, self.winners, offsets)
        clearance = float(host.growth.dead_clearance_rate)
        self.phase(cycle.settle_cells, voxels, lineage, grid, clock, clearance, self.fates, self.killed, self.tally)


# --- twins ------------------------------------------------------------------------
def words(clock: Clock, stream: int, number: int) -> list[float | int]:
    """Four uniform draws, and the last one again as the integer that it came from."""
    generator = np.random.Philox(key=[clock.seed, stream], counter=[int(number), clock.step, 0, 0])
    raw = [int(word) for word in generator.random_raw(4)]
    return [((word >> 12) + 0.5) / 2.0**52 for word in raw] + [raw[3]]


def which_first(u: float, rates: list[float], dt: float) -> int | None:
    """Event whose part of (0, 1 - exp(-total dt)) holds ``u``, parts in proportion to the rates."""
    total = sum(rates)
    happens = 1.0 - math.exp(-total * dt)
    edges = np.cumsum(rates) / total * happens if total > 0.0 else np.zeros(len(rates))
    inside = [number for number, edge in enumerate(edges) if u < edge]
    return inside[0] if inside else None


class Twin:
    """One step of one lattice in plain Python: the phases in their order, on copies."""

    def __init__(self, state: State, clock: Clock, rules: Rules, killed: Any) -> None:
        self.grid, self.clock, self.killed = state.grid, clock, killed
        self.traits_of_patient, self.tissue, self.drug_left = rules.patient.traits, rules.tissue, rules.depot
        self.voxels = Voxels(*(array.copy() for array in state.voxels))
        self.lineage = Lineage(*(array.copy() for array in state.lineage))
        self.fields = state.fields
        self.shape = (self.grid.nz, self.grid.ny, self.grid.nx)

    def places(self, kind: int) -> list[tuple[int, int, int]]:
        return [p for p in itertools.product(*map(range, self.shape)) if self.voxels.kind[self.at(p)] == kind]

    def at(self, place: tuple[int, ...]) -> int:
        return int(np.ravel_multi_index(place, self.shape))

    def block(self, place: tuple[int, ...]) -> int:
        return int(np.ravel_multi_index([i // self.grid.factor for i in place], self.grid[-3:]))

    def next_to(self, place: tuple[int, ...], way: tuple[int, ...]) -> tuple[int, ...] | None:
        there = tuple(i + d for i, d in zip(place, way, strict=True))
        return there if all(0 <= i < n for i, n in zip(there, self.shape, strict=True)) else None

    def free(self, place: tuple[int, ...] | None) -> bool:
        if place is None:
            return False
        return bool(self.voxels.kind[self.at(place)] == STROMA and self.voxels.load[self.at(place)] <= 1)

    def rates(self, place: tuple[int, ...]) -> tuple[list[float], list[float]]:
        """Rates of the events and of the changes of one cell."""
        traits, block = self.voxels.traits[self.at(place)], self.block(place)
        g, r, v = (self.traits_of_patient[name] for name in ("growth", "resistance", "vessels"))
        o2, s, p = self.tissue["oxygen"], self.tissue["signals"], self.drug_left
        births_s, births_r, kill_s, kill_r, sprout_s, _, _, _ = self.fields.effects[block]
        oxygen, depot, interferon = (
            self.fields.oxygen[self.at(place)], self.fields.depot[block], self.fields.interferon[block]
        )  # fmt: skip
        supply = [flow / (flow + v["half_perfusion"]) for flow in (oxygen / o2["normal_oxygen"], 1.0)]
        local, normal = (o / (o + g["hypoxia_half_effect"]) for o in supply)
        resistant = bool(traits & RESISTANT)
        growth = g["growth_rate"] * ((1.0 - r["fitness_cost"]) if resistant else 1.0)
        division = growth * local / normal * (1.0 - (births_r if resistant else births_s)) + g["turnover_rate"]
        starving = o2["necrosis_rate"] * (oxygen < o2["necrosis_oxygen"])
        from_depot = p["kill_rate"] * depot / (depot + p["ec50"])
        events = [division, g["turnover_rate"], kill_r if resistant else kill_s, starving, from_depot]
        stress = births_s + sprout_s - births_s * sprout_s
        switching = r["switch_off_rate"] if resistant else r["switch_on_rate"] * stress
        regain = s["mhc_restoration_rate"] * interferon / (interferon + s["interferon_half_effect"])
        return [float(rate) for rate in events], [switching, regain * bool(traits & MHC_LOW)]

    def decide(self) -> Any:
        fates = np.zeros(self.voxels.kind.size, np.uint8)
        self.voxels.intent[:] = 0
        for place in self.places(TUMOUR):
            here = self.at(place)
            draws = words(self.clock, TUMOUR_CELL, self.voxels.ident[here])
            events, changes = self.rates(place)
            event = which_first(draws[0], events, self.clock.dt)
            if event is not None and event > 0:
                fates[here] = event
                continue
            if event == 0 and not self.killed[here]:
                ways = [1 + i for i, way in enumerate(WAYS) if self.free(self.next_to(place, way))]
                self.voxels.intent[here] = ways[int(draws[1] * len(ways))] if ways else 0
            change = which_first(draws[2], changes, self.clock.dt)
            fates[here] = 0 if change is None else 64 + change
        return fates

    def place_daughters(self) -> tuple[Any, Any]:
        """Every stroma voxel asks all its neighbours."""
        winners = np.zeros(self.voxels.kind.size, np.uint8)
        for place in self.places(STROMA):
            asking = []
            for i, way in enumerate(WAYS):
                mother = self.next_to(place, way)
                back = 1 + WAYS.index(tuple(-d for d in way))
                if mother is not None and self.voxels.intent[self.at(mother)] == back:
                    ident = int(self.voxels.ident[self.at(mother)])
                    asking.append((words(self.clock, TUMOUR_CELL, ident)[4], -ident, 1 + i))
            winners[self.at(place)] = max(asking)[2] if asking else 0
        return winners, np.count_nonzero(winners.reshape(self.grid.nz, -1), axis=1)

    def settle_daughters(self, winners: Any, child: int) -> None:
        r = self.traits_of_patient["resistance"]
        for place in itertools.product(*map(range, self.shape)):
            here = self.at(place)
            if winners[here] == 0:
                continue
            mother = self.at(self.next_to(place, WAYS[winners[here] - 1]))
            draws = words(self.clock, MUTATION, child)
            traits = int(self.voxels.traits[mother])
            traits |= RESISTANT * (draws[0] < r["mutation_probability"])
            traits |= ANTIGEN_LOW * (draws[1] < r["antigen_loss_probability"])
            self.voxels.kind[here], self.voxels.traits[here], self.voxels.ident[here] = TUMOUR, traits, child
            row = (self.voxels.ident[mother], traits, self.clock.step, NOBODY, 0, traits)
            for column, value in zip(self.lineage, row, strict=True):
                column[child] = value
            child += 1

    def settle(self, fates: Any) -> Any:
        tally = np.zeros((self.grid.nz, 8), np.int64)
        chance = 1.0 - math.exp(-self.traits_of_patient["growth"]["dead_clearance_rate"] * self.clock.dt)
        dead = self.places(DEAD)
        for place in self.places(TUMOUR):
            here, cell = self.at(place), self.voxels.ident[self.at(place)]
            end = min(self.killed[here], 6) or (fates[here] if fates[here] < 64 else 0)
            tally[place[0], end] += 1
            if end:
                self.voxels.kind[here] = STROMA if end == 1 else DEAD
                self.lineage.death[cell], self.lineage.fate[cell] = self.clock.step, end
            elif fates[here]:
                self.voxels.traits[here] ^= {64: RESISTANT, 65: MHC_LOW}[int(fates[here])]
            self.lineage.last_clone[cell] = self.voxels.traits[here]
        for place in dead:
            if words(self.clock, CLEARANCE, self.at(place))[0] < chance:
                self.voxels.kind[self.at(place)] = STROMA
                tally[place[0], 7] += 1
        return tally
