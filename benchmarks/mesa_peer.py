"""Our agent step written for Mesa: what somebody would write who wants to read and change it.

A step is an hour. Every living cell divides, dies or does neither, by hazards that hang on the oxygen of its voxel
and on whether it is resistant. A daughter takes one of the free neighbours at random; where two cells want the same
voxel chance decides, and the loser does not divide. The dead lie in their voxel until they are cleared. The hazards
come ready-made from our own laws, which spares Mesa working them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mesa import Model
from mesa.discrete_space import CellAgent, FixedAgent, OrthogonalMooreGrid

from tumorsim.kernels.chance import hazard_to_probability
from tumorsim.kernels.cycle import change_rates, effects_at, event_rates
from tumorsim.kernels.lattice import ANTIGEN_LOW, BY_TURNOVER, RESISTANT, TUMOUR, VESSEL, block_of
from tumorsim.models.spatial import SpatialModel


class Vessel(FixedAgent):
    """Takes up a voxel."""

    def __init__(self, model: Tissue, cell: Any) -> None:
        super().__init__(model)
        self.cell = cell


class TumourCell(CellAgent):
    """A tumour cell, living or dead."""

    def __init__(self, model: Tissue, cell: Any, traits: int) -> None:
        super().__init__(model)
        self.cell, self.traits, self.dead = cell, traits, False
        self.fate = 0
        self.wanted: Any = None
        self.switches = False

    def decide(self) -> None:
        """Draw what happens in this step; nothing is done yet."""
        if self.dead:
            return
        self.fate, self.wanted, self.switches = 0, None, False
        resistant = self.traits & RESISTANT
        draw = self.random.random()
        for event, below in enumerate(self.model.chances[self.cell.coordinate][resistant]):
            if draw < below:
                if event > 0:
                    self.fate = event
                    return
                free = [cell for cell in self.cell.neighborhood if cell.is_empty]
                if free:
                    self.wanted = self.random.choice(free)
                break
        self.switches = self.random.random() < self.model.switching[resistant]

    def divide(self) -> None:
        """Put a daughter into the voxel wanted, unless somebody was first."""
        if not self.wanted.is_empty:
            return
        born, model = self.traits, self.model
        if self.random.random() < model.mutation:
            born |= RESISTANT
        if self.random.random() < model.antigen_loss:
            born |= ANTIGEN_LOW
        TumourCell(model, self.wanted, born)

    def settle(self) -> None:
        """Die, switch, or be cleared."""
        if self.dead:
            if self.random.random() < self.model.clearance:
                self.remove()
        elif self.fate == BY_TURNOVER:
            self.remove()
        elif self.fate:
            self.dead = True
        elif self.switches:
            self.traits ^= RESISTANT
            self.switches = False


class Tissue(Model):
    """The same voxels, cells, oxygen and laws as a lattice of ours at this moment, without lymphocytes or drugs."""

    def __init__(self, ours: SpatialModel, seed: int) -> None:
        super().__init__(rng=seed)
        grid, voxels = ours.state.grid, ours.state.voxels
        shape = (grid.nz, grid.ny, grid.nx)
        self.grid = OrthogonalMooreGrid(shape, torus=False, random=self.random)
        self.chances, self.switching = chances_of(ours)
        laws, dt = ours.rules.patient.traits, ours.plan.dt
        self.mutation = float(laws["resistance"]["mutation_probability"])
        self.antigen_loss = float(laws["resistance"]["antigen_loss_probability"])
        self.clearance = float(hazard_to_probability(float(laws["growth"]["dead_clearance_rate"]), dt))
        for place, kind, traits in zip(np.ndindex(shape), voxels.kind.tolist(), voxels.traits.tolist(), strict=True):
            if kind == TUMOUR:
                TumourCell(self, self.grid[place], traits)
            elif kind == VESSEL:
                Vessel(self, self.grid[place])

    def step(self) -> None:
        """An hour: everybody decides, then daughters in random order, then deaths."""
        cells = self.agents_by_type[TumourCell]
        cells.do("decide")
        mothers = cells.select(lambda cell: cell.wanted is not None)
        mothers.shuffle_do("divide")
        mothers.set("wanted", None)
        self.agents_by_type[TumourCell].do("settle")

    def living(self) -> int:
        """Cells that are not dead."""
        return sum(not cell.dead for cell in self.agents_by_type[TumourCell])


def chances_of(ours: SpatialModel) -> tuple[dict[tuple[int, ...], tuple[Sequence[float], ...]], tuple[float, float]]:
    """For every voxel, and sensitive and resistant cells, the chances of the events one upon another; of switching."""
    state, rules, dt = ours.state, ours.rules, ours.plan.dt
    grid, host, tissue = state.grid, rules.patient.traits, rules.tissue
    chances = {}
    for voxel, place in enumerate(np.ndindex(grid.nz, grid.ny, grid.nx)):
        effects = effects_at(state.fields.effects, block_of(*place, grid))
        oxygen = float(state.fields.oxygen[voxel])
        found = []
        for traits in (0, RESISTANT):
            rates = np.array(event_rates(traits, oxygen, 0.0, effects, host, tissue, rules.depot))
            total = rates.sum()
            found.append((np.cumsum(rates) / total * -np.expm1(-total * dt)).tolist())
        chances[place] = tuple(found)
    switching = [change_rates(traits, 0.0, effects, host, tissue)[0] for traits in (0, RESISTANT)]
    return chances, tuple(float(hazard_to_probability(rate, dt)) for rate in switching)
