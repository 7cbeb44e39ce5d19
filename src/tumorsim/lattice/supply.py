"""Supply of the lattice: oxygen, signals and drugs in balance with the tissue, and what the drugs do.

Equations: docs/theory/lattice-fields.md; solver: docs/numerics/fields.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import exchange
from tumorsim.kernels.exchange import BlockLaw, Contents, VesselList
from tumorsim.kernels.lattice import DEAD, STROMA, TUMOUR, VESSEL, Grid, Rules, State
from tumorsim.kernels.layout import DRUG_STATES
from tumorsim.kernels.steady import Tissue
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.fields import Balance, Floats, Lattice, SteadyField

PATIENCE = 15  # cycles from where the field is, before it starts again from zero
OXYGEN_TOLERANCE = 1e-3  # at 3e-3: mean error 0.01 mmHg if solved every three hours (docs/numerics/fields.md)
SIGNAL_TOLERANCE = 3e-3
PLASMA = 1.0  # the drug field is relative to plasma
SIGNALS = ("vegf", "interferon", "chemokine", "suppressors", "drug", "depot")
NOTHING_TO_DO = Balance(0, 0.0, True)


class Supply:
    """Brings ``state.fields`` into balance with the tissue, from the fields of before.

    It keeps nothing from one call to the next, so a resumed run needs nothing but the state.

    Parameters
    ----------
    grid
        `Grid`.
    rules
        `Rules`; replace ``rules`` when the patient's records are replaced.
    crew
        Threads; no bit depends on them.
    oxygen_tolerance, signal_tolerance
        Residual against supply at which a solve stops.
    """

    def __init__(
        self,
        grid: Grid,
        rules: Rules,
        crew: Crew,
        oxygen_tolerance: float = OXYGEN_TOLERANCE,
        signal_tolerance: float = SIGNAL_TOLERANCE,
    ) -> None:
        self.grid, self.rules, self.crew = grid, rules, crew
        self.oxygen_tolerance, self.signal_tolerance = oxygen_tolerance, signal_tolerance
        tissue = rules.tissue
        self._slice = grid.nz == 1  # a cycle leaves less surely little of a slice, which costs little to look at
        voxels = Lattice(grid.nz, grid.ny, grid.nx, grid.spacing)
        self._oxygen = SteadyField(voxels, float(tissue.oxygen.diffusivity))
        self.blocks = Lattice(grid.bz, grid.by, grid.bx, grid.spacing * grid.factor)
        diffusivities = {
            "vegf": tissue.signals.vegf_diffusivity,
            "interferon": tissue.signals.interferon_diffusivity,
            "chemokine": tissue.signals.chemokine_diffusivity,
            "suppressors": tissue.signals.suppressor_diffusivity,
            "drug": tissue.penetration.drug_diffusivity,
            "depot": tissue.penetration.depot_diffusivity,
        }
        last = edge_widths(grid)
        self._signals = {
            name: SteadyField(self.blocks, float(d), last=last, storage=self._oxygen)
            for name, d in diffusivities.items()
        }
        arrays = self._room_for(len(Contents._fields) + 2)
        self._contents = Contents(*arrays[:-2])
        self._loss, self._gain = arrays[-2:]

    def _room_for(self, count: int) -> list[Floats]:
        """So many arrays over blocks, in what the fields of blocks leave of the solver of oxygen.

        They are filled anew for each solve of the signals, when oxygen needs its solver no more.
        """
        room, blocks = self._oxygen.hierarchy.right[self._taken() :], self.blocks.voxels
        if room.size < count * blocks:  # a lattice of a few voxels
            room = np.zeros(count * blocks)
        return [room[i * blocks : (i + 1) * blocks] for i in range(count)]

    def _taken(self) -> int:
        """Numbers that the fields of blocks take of each array of the solver of oxygen."""
        return max(solver.hierarchy.inverse.size for solver in self._signals.values())

    def scratch(self, *types: type[np.generic]) -> list[NDArray[Any]]:
        """Arrays over voxels that hold until the next solve of the fields, mostly in the memory of their solver."""
        found: list[NDArray[Any]] = []
        room, voxels = self._oxygen.hierarchy.inverse[self._taken() :].view(np.uint8), self.grid.nz * self.grid.ny
        voxels, begin = voxels * self.grid.nx, 0
        for kind in types:  # the widest first, so that each begins where its numbers may
            end = begin + voxels * np.dtype(kind).itemsize
            found.append(room[begin:end].view(kind) if end <= room.size else np.zeros(voxels, kind))
            begin = end
        return found

    # --- oxygen -----------------------------------------------------------------------

    def solve_oxygen(self, state: State, vessel_count: int) -> Balance:
        """Balance ``state.fields.oxygen`` (eqs. X1, X2).

        Parameters
        ----------
        state
            Kinds of voxels, and the vessel table, of which the first ``vessel_count`` rows are in use.
        vessel_count
            Rows in use.

        Returns
        -------
        Balance
            How the solve ended. Where no vessel is open oxygen is zero.
        """
        oxygen = self.rules.tissue.oxygen
        found = self.list_vessels(state, vessel_count)
        if not found.flow.any():
            state.fields.oxygen.fill(0.0)
            return NOTHING_TO_DO
        uptake = np.zeros(4)
        uptake[TUMOUR], uptake[DEAD] = oxygen.tumour_uptake, 0.0
        uptake[[STROMA, VESSEL]] = oxygen.stroma_uptake
        tissue = Tissue(
            half=float(oxygen.half_uptake),
            kinds=state.voxels.kind,
            uptake=uptake,
            place=found.place,
            exchange=float(oxygen.vessel_exchange) * found.flow,
            source=float(oxygen.blood_oxygen),
        )
        field, solver = state.fields.oxygen, self._oxygen
        ended = solver.solve(field, tissue, self.crew, self.oxygen_tolerance, PATIENCE, last_look=self._slice)
        if not ended.converged:
            # saturated uptake has no slope, so from far above, as after embolisation, cycles can stand still;
            # from below they rise to the solution
            field.fill(0.0)
            ended = solver.solve(field, tissue, self.crew, self.oxygen_tolerance, last_look=self._slice)
        self._keep_within(field, oxygen.blood_oxygen)
        return ended

    def _keep_within(self, field: Floats, highest: float) -> None:
        """Take back what a solve left below zero or above the highest possible."""
        self.crew.run(exchange.keep_within, field.size, field, float(highest), voxels=field.size)

    def list_vessels(self, state: State, vessel_count: int) -> VesselList:
        """Vessels in use in the order of voxels, whatever the order of their table."""
        order = np.argsort(state.vessels.voxel[:vessel_count], kind="stable")
        found = VesselList(np.empty(order.size, dtype=np.int32), np.empty(order.size), np.empty(order.size))
        exchange.list_vessels(found, order, state.vessels, self.rules.patient.traits.vessels)
        return found

    # --- signals and drugs ----------------------------------------------------------------

    def solve_signals(
        self, state: State, vessel_count: int, lymphocyte_count: int, depot_level: float
    ) -> dict[str, Balance]:
        """Balance the fields of blocks (eqs. X3-X8); oxygen must be that of the tissue already.

        Parameters
        ----------
        state
            The lattice.
        vessel_count, lymphocyte_count
            Rows in use of both tables.
        depot_level
            Drug in embolised vessels now, nmol/L (`depot_now`).

        Returns
        -------
        dict of Balance
            By the name of the field.
        """
        found = self.list_vessels(state, vessel_count)
        contents, crew, blocks = self._contents, self.crew, self.blocks.voxels
        exchange.count_engaged(contents.engaged, state.lymphocytes, lymphocyte_count, self.grid)
        tissue, fields, kind = self.rules.tissue, state.fields, state.voxels.kind
        normal, law = float(tissue.oxygen.normal_oxygen), self.rules.patient.traits.vessels
        crew.run(exchange.gather_blocks, self.grid.bz, contents, kind, fields.oxygen, found, self.grid, normal, law,
                 voxels=kind.size)  # fmt: skip
        signals = tissue.signals
        ended = {}
        for name in ("vegf", "interferon"):
            ended[name] = self._solve_block(name, state, depot_level)
        crew.run(exchange.fill_chemokine, blocks, self._gain, contents.cells, fields.interferon, signals,
                 voxels=blocks)  # fmt: skip
        for name in ("chemokine", "suppressors", "drug", "depot"):
            ended[name] = self._solve_block(name, state, depot_level)
        return ended

    def _solve_block(self, name: str, state: State, depot_level: float) -> Balance:
        """Balance one field of blocks; zero where nothing supplies it."""
        field: Floats = getattr(state.fields, name)
        secreting, vessels = self._sides(name)
        blocks = self.blocks.voxels
        self.crew.run(exchange.fill_blocks, blocks, self._loss, self._gain, secreting, vessels,
                      self.block_law(name, depot_level), voxels=blocks)  # fmt: skip
        if not self._gain.any():
            field.fill(0.0)
            return NOTHING_TO_DO
        ended = self._signals[name].solve(
            field, Tissue(self._loss, self._gain), self.crew, self.signal_tolerance, last_look=self._slice
        )
        highest = {"vegf": np.inf, "interferon": np.inf, "depot": depot_level}  # the others are shares
        self._keep_within(field, highest.get(name, 1.0))
        return ended

    def _sides(self, name: str) -> tuple[Floats, Floats]:
        """What secretes a field, and the vessels that exchange it, both a voxel of each block."""
        c = self._contents
        return {
            "vegf": (c.secretion, c.flow),
            "interferon": (c.engaged, c.flow),
            "chemokine": (self._gain, c.flow),  # from `fill_chemokine`
            "suppressors": (c.cells, c.flow),
            "drug": (c.cells, c.flow),
            "depot": (c.cells, c.closed),
        }[name]

    def block_law(self, name: str, depot_level: float) -> BlockLaw:
        """`BlockLaw` of a field."""
        signals, penetration = self.rules.tissue.signals, self.rules.tissue.penetration
        if name == "vegf":
            p = self.rules.patient.traits.vessels
            secretion = exchange.secreted_per_voxel(float(p.vegf_secretion), self.grid.spacing)
            return _law(p.vegf_clearance_rate, secretion, 0.0, 0.0)
        if name == "drug":
            return _law(penetration.drug_loss_rate, 0.0, penetration.drug_exchange, PLASMA)
        if name == "depot":
            return _law(penetration.depot_loss_rate, 0.0, penetration.drug_exchange, depot_level)
        decay = {
            "interferon": signals.interferon_decay_rate,
            "chemokine": signals.chemokine_decay_rate,
            "suppressors": signals.suppressor_decay_rate,
        }[name]
        return _law(decay, decay, 0.0, 0.0)

    def fade_depot(self, state: State, days: float) -> None:
        """Let the depot fade by X8 while vessels stay: its field is in proportion to what they hold (eq. X3).

        Between two solves of the fields lipiodol would otherwise hold its drug for hours that it has not.
        """
        rate = float(self.rules.depot.fall_rate)
        if rate > 0.0:
            state.fields.depot[:] *= np.exp(-rate * days)

    # --- what drugs do --------------------------------------------------------------------

    def update_effects(self, state: State, y: Floats) -> None:
        """Fill ``state.fields.effects`` from the drugs in plasma and their penetration (eq. X9).

        Parameters
        ----------
        state
            The lattice, with its drug field.
        y
            State of the body.
        """
        effects, patient = state.fields.effects, self.rules.patient
        plasma = y[: DRUG_STATES * patient.drugs.shape[0] : DRUG_STATES]
        if not plasma.any():
            effects.fill(0.0)
            return
        blocks = self.blocks.voxels
        self.crew.run(exchange.fill_effects, blocks, effects, state.fields.drug, y, patient, voxels=blocks)

    def beside(self, *arrays: NDArray[Any]) -> int:
        """Bytes of those arrays that do not lie in the memory of the solver."""
        solver = self._oxygen.hierarchy
        return sum(a.nbytes for a in arrays if not any(np.may_share_memory(a, kept) for kept in solver))

    def bytes_kept(self) -> int:
        """Memory held beside the state."""
        small = sum(s.hierarchy.edge.nbytes + s.hierarchy.own.nbytes * 8 for s in self._signals.values())
        return (
            sum(a.nbytes for a in self._oxygen.hierarchy) + self.beside(*self._contents, self._loss, self._gain) + small
        )


def edge_widths(grid: Grid) -> tuple[float, float, float]:
    """Widths along x, y, z of the last block against that of the others."""
    axes = ((grid.nx, grid.bx), (grid.ny, grid.by), (grid.nz, grid.bz))
    x, y, z = ((n - (blocks - 1) * grid.factor) / grid.factor for n, blocks in axes)
    return x, y, z


def depot_now(rules: Rules, days: float) -> float:
    """Drug in embolised vessels so many days after the session that left it, nmol/L (eq. X8)."""
    return float(rules.depot.concentration * np.exp(-rules.depot.fall_rate * days))


def _law(decay: float, secretion: float, rate: float, level: float) -> BlockLaw:
    return BlockLaw(float(decay), float(secretion), float(rate), float(level))
