"""Fields on a lattice: a step in time, and the steady state. Shared out over the threads of a `Crew`.

Arrays are flat, x fastest: ``field.reshape(nz, ny, nx)`` is a view. Lengths in um, times in days,
concentrations in any unit as long as one field keeps to it. Equations: docs/numerics/fields.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels import diffusion, multigrid, steady
from tumorsim.kernels.diffusion import Axes, Axis
from tumorsim.kernels.multigrid import Hierarchy
from tumorsim.kernels.steady import Tissue
from tumorsim.lattice.coarse import build_hierarchy
from tumorsim.lattice.crew import Crew

Floats = NDArray[np.float64]
Face = float | None

FACE_CONDUCTANCE = 2.0  # half a spacing lies between a voxel's centre and its face
SHARED_LEVEL = 60_000  # voxels of a level from which on threads share it: a pass over fewer takes 0.1 ms
TOLERANCE = 1e-6
CYCLES_AT_MOST = 60
CYCLE_LEAVES = 0.3  # share of the residual that a cycle leaves on a cube with vessels, at most 0.2 to 0.4


class FieldError(RuntimeError):
    """A field could not be solved; the message says why and what to do."""


@dataclass(frozen=True)
class Walls:
    """What holds at the six faces of the lattice: a value at the face itself, or None for no flux."""

    x_low: Face = None
    x_high: Face = None
    y_low: Face = None
    y_high: Face = None
    z_low: Face = None
    z_high: Face = None

    def axis(self, axis: int) -> tuple[Floats, Floats]:
        """Conductance (2,) and value (2,) of the low and the high face of axis x, y or z."""
        faces = ((self.x_low, self.x_high), (self.y_low, self.y_high), (self.z_low, self.z_high))[axis]
        conductance = np.array([0.0 if face is None else FACE_CONDUCTANCE for face in faces])
        return conductance, np.array([0.0 if face is None else float(face) for face in faces])


@dataclass(frozen=True)
class Lattice:
    """Voxels along z, y and x, and their spacing (um). One slice, ``nz = 1``, is two-dimensional."""

    nz: int
    ny: int
    nx: int
    spacing: float

    def __post_init__(self) -> None:
        if min(self.nz, self.ny, self.nx) < 1 or not self.spacing > 0.0:
            raise ValueError(f"a lattice needs at least one voxel along each axis and a spacing above zero, not {self}")

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.nz * self.ny * self.nx

    @property
    def along(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        return self.nx, self.ny, self.nz

    def check(self, **arrays: Floats) -> None:
        """Refuse arrays that are not flat, contiguous float64 of one number a voxel."""
        for name, array in arrays.items():
            if array.shape != (self.voxels,) or array.dtype != np.float64 or not array.flags.c_contiguous:
                raise ValueError(f"{name} is {array.dtype} {array.shape}: flat float64 ({self.voxels},) is needed")


NO_FLUX = Walls()


def shared(voxels: int) -> int:
    """Size of the work as a crew is told it: none where handing it over takes longer than doing it."""
    return voxels if voxels >= SHARED_LEVEL else 0


def slabs(planes: int) -> int:
    """Number of slabs in which a level is shared out; the last may be thinner."""
    return -(-planes // multigrid.SLAB)


class Diffusion:
    """One field in time: backward Euler, one axis after another (eqs. F4-F9).

    Parameters
    ----------
    lattice
        `Lattice`.
    diffusivity
        um2/day.
    time_step
        Day; any is stable. The factors belong to it: another step size is another `Diffusion`.
    walls
        `Walls`.
    """

    def __init__(self, lattice: Lattice, diffusivity: float, time_step: float, walls: Walls = NO_FLUX) -> None:
        if not (diffusivity >= 0.0 and time_step >= 0.0 and math.isfinite(diffusivity * time_step)):
            raise ValueError(f"diffusivity {diffusivity} and time step {time_step} must be numbers from zero on")
        self.lattice, self.time_step = lattice, float(time_step)
        ratio = diffusivity * time_step / lattice.spacing**2
        self.axes = Axes(*(_factored(n, ratio, *walls.axis(axis)) for axis, n in enumerate(lattice.along)))

    def step(self, c: Floats, loss: Floats, gain: Floats, crew: Crew) -> None:
        """Advance ``c`` in place by one time step.

        Parameters
        ----------
        c
            (voxel,) concentration.
        loss, gain
            (voxel,) 1/day from zero on, and concentration/day (`kernels.diffusion.fill_reaction`).
        crew
            Threads; the result does not depend on them.
        """
        lattice = self.lattice
        lattice.check(c=c, loss=loss, gain=gain)
        size = shared(lattice.voxels)
        crew.run(diffusion.sweep_planes, lattice.nz, c, loss, gain, self.time_step, self.axes, voxels=size)
        crew.run(diffusion.sweep_columns, lattice.ny, c, self.axes, voxels=size)


def _factored(n: int, ratio: float, conductance: Floats, value: Floats) -> Axis:
    axis = Axis(np.empty(n), np.empty(n), np.empty(n))
    diffusion.factor_axis(axis, ratio, conductance, value)
    return axis


@dataclass(frozen=True)
class Balance:
    """How a steady solve ended.

    Attributes
    ----------
    cycles
        Multigrid cycles done.
    residual
        Root mean square of what is left of the balance over that of all supply; NaN if it is no number.
    converged
        Whether the residual came down to the tolerance.
    """

    cycles: int
    residual: float
    converged: bool


class SteadyField:
    """Steady state of one field (eqs. F10-F16); keeps 21 bytes a voxel, which several fields may share.

    Parameters
    ----------
    lattice
        `Lattice`.
    diffusivity
        um2/day, above zero.
    walls
        `Walls`.
    sweeps
        Smoothing sweeps before and after each coarse correction.
    last
        Width of the last voxel along x, y, z against that of the others, above zero.
    storage
        Another field, solved at other times, whose arrays serve this one too if they are large enough.
    """

    def __init__(
        self,
        lattice: Lattice,
        diffusivity: float,
        walls: Walls = NO_FLUX,
        sweeps: int = 1,
        last: tuple[float, float, float] = (1.0, 1.0, 1.0),
        storage: SteadyField | None = None,
    ) -> None:
        if not (diffusivity > 0.0 and math.isfinite(diffusivity)):
            raise ValueError(f"the diffusivity of a steady field must be a number above zero, not {diffusivity}")
        self.lattice, self.sweeps = lattice, sweeps
        strength = diffusivity / lattice.spacing**2
        faces = [walls.axis(axis) for axis in range(3)]
        shared = None if storage is None else storage.hierarchy
        self.hierarchy: Hierarchy = build_hierarchy(lattice.along, strength, faces, last, shared)
        self._norms = np.zeros((int(self.hierarchy.shape[1, 2]), 2))
        sizes = self.hierarchy.shape.prod(axis=1)
        self._shared = max(1, min(int(np.count_nonzero(sizes >= SHARED_LEVEL)), sizes.size - 1))

    def solve(
        self,
        c: Floats,
        tissue: Tissue,
        crew: Crew,
        tolerance: float = TOLERANCE,
        cycles_at_most: int = CYCLES_AT_MOST,
        last_look: bool = True,
    ) -> Balance:
        """Bring ``c`` into balance in place, starting from what it holds.

        Parameters
        ----------
        c
            (voxel,) concentration; the closer to the solution the fewer cycles.
        tissue
            `kernels.steady.Tissue`: loss, gain and saturable uptake, none below zero; ``half`` above zero.
        crew
            Threads; the result does not depend on them.
        tolerance
            Residual against supply at which to stop.
        cycles_at_most
            Cycles after which to stop in any case.
        last_look
            Whether to work out the residual after every cycle, at the price of half a cycle. Without it a cycle
            is the last one if what it is expected to leave (`CYCLE_LEAVES`) meets the tolerance, and the residual
            told is this expectation.

        Returns
        -------
        Balance
            Cycles, residual, and whether the tolerance was met.

        Raises
        ------
        FieldError
            When the field is no longer a number.
        """
        parts = {"loss": tissue.loss, "gain": tissue.gain, "highest": tissue.highest}
        self.lattice.check(c=c, **{name: part for name, part in parts.items() if part.size})
        if not tissue.half > 0.0:
            raise ValueError(f"the concentration of half uptake must be above zero, not {tissue.half}")
        tissue = tissue._replace(half=float(tissue.half), source=float(tissue.source))
        residual = self._first_look(c, tissue, crew)
        done = 0
        while residual > tolerance and done < cycles_at_most:
            self._cycle(c, crew)
            done += 1
            expected = CYCLE_LEAVES * residual
            residual = self._linearise(c, tissue, crew) if last_look or expected > tolerance else expected
        if not math.isfinite(residual):
            raise FieldError(
                "the steady field is not a number: check loss, gain, uptake and the start for NaN, infinite and "
                "negative values"
            )
        return Balance(done, residual, residual <= tolerance)

    def _first_look(self, c: Floats, tissue: Tissue, crew: Crew) -> float:
        """Residual at the start. A start that is worse than zero everywhere is dropped.

        Where uptake is saturated, as after most vessels have closed, its tangent is nearly flat, and Newton's
        steps go far beyond the solution and back. From zero they rise to it.
        """
        residual = self._linearise(c, tissue, crew)
        if residual > 1.0 and (tissue.uptake.any() or tissue.highest.any()):
            c.fill(0.0)
            residual = self._linearise(c, tissue, crew)
        return residual

    def _linearise(self, c: Floats, tissue: Tissue, crew: Crew) -> float:
        """Coefficients about ``c`` on every level; what is left of the balance against all supply."""
        h, n = self.hierarchy, self.lattice.voxels
        crew.run(steady.linearise, int(h.shape[1, 2]), c, h, tissue, self._norms, voxels=shared(n))
        for level in range(1, self._shared):
            crew.run(steady.coarsen, int(h.shape[level + 1, 2]), h, level, voxels=n >> 3 * level)
        steady.coarsen_below(h, self._shared)
        rest, supply = (math.fsum(column) for column in self._norms.T)
        return 0.0 if rest == 0.0 else math.sqrt(rest / supply) if supply > 0.0 else math.sqrt(rest)

    def _cycle(self, c: Floats, crew: Crew) -> None:
        """One V-cycle; levels large enough are shared out, the rest is one call."""
        for level in range(self._shared):
            self._sweep(c, level, self.sweeps - 1, crew)
            self._pass(c, level, multigrid.DOWN, crew)
        multigrid.cycle_below(c, self.hierarchy, self._shared, self.sweeps)
        for level in reversed(range(self._shared)):
            self._pass(c, level, multigrid.UP, crew)
            self._sweep(c, level, self.sweeps - 1, crew)

    def _sweep(self, c: Floats, level: int, times: int, crew: Crew) -> None:
        for _ in range(times):
            self._pass(c, level, multigrid.SWEEP, crew)

    def _pass(self, c: Floats, level: int, way: int, crew: Crew) -> None:
        h = self.hierarchy
        pieces, voxels = slabs(int(h.shape[level, 2])), shared(int(h.shape[level].prod()))
        for seam in (0, 1):
            crew.run(multigrid.traverse, pieces, c, h, level, way, seam, voxels=voxels)
