"""Coarse lattices of the steady solver: half as many voxels along each axis, down to a single one.

A coarse voxel is two fine ones side by side, or the last one alone where their number is odd, so that
any size coarsens. Widths then differ, and couplings are those of finite volumes of these widths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels.multigrid import Hierarchy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """One axis of one level; see the fields of `Hierarchy`."""

    below: Floats
    above: Floats
    own: Floats
    inflow: Floats
    fill: Floats
    other: Ints
    near: Floats
    far: Floats
    widths: Floats
    coarse: Floats  # widths of the next level


def line(widths: Floats, strength: float, conductance: Floats, value: Floats) -> Line:
    """Couplings of voxels of these widths (in fine spacings), and how they lie in the next level (eqs. F10, F14, F15).

    ``strength`` is diffusivity / spacing squared, ``conductance`` and ``value`` are (2,), one a face.
    """
    n = widths.size
    gaps = 0.5 * (widths[1:] + widths[:-1])
    below, above, wall = np.zeros(n), np.zeros(n), np.zeros(n)
    below[1:] = strength / (gaps * widths[1:])
    above[:-1] = strength / (gaps * widths[:-1])
    inflow = np.zeros(n)
    for voxel, face in ((0, 0), (n - 1, 1)):
        # a face lies half a fine voxel away; half a wide voxel adds its own resistance
        flow = strength / widths[voxel] * conductance[face] / (1.0 + 0.5 * conductance[face] * (widths[voxel] - 1.0))
        wall[voxel] += flow
        inflow[voxel] += flow * value[face]
    coarse = np.add.reduceat(widths, np.arange(0, n, 2))
    parent = np.arange(n) // 2
    return Line(below, above, below + above + wall, inflow, widths / coarse[parent],
                *_interpolation(widths, coarse, conductance), widths, coarse)  # fmt: skip


def _interpolation(widths: Floats, coarse: Floats, conductance: Floats) -> tuple[Ints, Floats, Floats]:
    """Second coarse voxel and both weights, linear between centres, and to zero at a face that fixes a value."""
    n = widths.size
    centres = np.cumsum(widths) - 0.5 * widths
    coarse_centres = np.cumsum(coarse) - 0.5 * coarse
    parent = np.arange(n) // 2
    other, near, far = parent.copy(), np.ones(n), np.zeros(n)
    for i in range(n):
        offset = centres[i] - coarse_centres[parent[i]]
        side = int(np.sign(offset))
        if side == 0:
            continue
        beyond = parent[i] + side
        if 0 <= beyond < coarse.size:
            other[i] = beyond
            far[i] = abs(offset) / abs(coarse_centres[beyond] - coarse_centres[parent[i]])
            near[i] = 1.0 - far[i]
        else:
            wall = conductance[0 if side < 0 else 1]
            near[i] = (1.0 + 0.5 * wall * (widths[i] - 1.0)) / (1.0 + 0.5 * wall * (coarse[parent[i]] - 1.0))
    return other, near, far


def widths_of(n: int, last: float) -> Floats:
    """Widths (n,) of the voxels along one axis, of which the last may be narrower."""
    widths = np.ones(n)
    widths[-1] = last
    return widths


def build_hierarchy(
    along: tuple[int, int, int],
    strength: float,
    walls: list[tuple[Floats, Floats]],
    last: tuple[float, float, float] = (1.0, 1.0, 1.0),
    storage: Hierarchy | None = None,
) -> Hierarchy:
    """All levels of a lattice.

    Parameters
    ----------
    along
        Voxels along x, y, z.
    strength
        Diffusivity / spacing squared, 1/day.
    walls
        Conductance and value of the faces of x, y, z, see `Walls.axis`.
    last
        Width of the last voxel along x, y, z against that of the others.
    storage
        Hierarchy whose arrays of voxels serve this one too; nothing in them outlives a solve.

    Returns
    -------
    Hierarchy
        With at least two levels.
    """
    levels = [[line(widths_of(n, last[axis]), strength, *walls[axis]) for axis, n in enumerate(along)]]
    while len(levels) < 2 or any(axis.widths.size > 1 for axis in levels[-1]):
        levels.append([line(axis.coarse, strength, *walls[a]) for a, axis in enumerate(levels[-1])])
    lines = [axis for level in levels for axis in level]
    shape = np.array([[axis.widths.size for axis in level] for level in levels], dtype=np.int64)
    sizes = shape.prod(axis=1)
    offset = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    edge = np.concatenate([[0], np.cumsum(shape.ravel())[:-1]]).reshape(shape.shape).astype(np.int64)
    total, corrections = int(sizes.sum()), int(sizes[1:].sum())
    packed = {
        name: np.concatenate([getattr(axis, name) for axis in lines])
        for name in ("below", "above", "own", "inflow", "fill", "other", "near", "far")
    }
    if storage is None or storage.right.size < total or storage.value.size < corrections:
        voxels = (np.zeros(corrections), np.zeros(total), np.zeros(total), np.zeros(corrections))
    else:
        voxels = (storage.value[:corrections], storage.right[:total],
                  storage.inverse[:total], storage.sink[:corrections])  # fmt: skip
    return Hierarchy(shape, offset, *voxels, edge, **packed)
