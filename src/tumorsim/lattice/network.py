"""The vessels at the start: a bed of capillaries, and the territories that embolisation closes.

Equations: docs/theory/lattice-vessels.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from tumorsim.kernels import lattice, random
from tumorsim.kernels.lattice import Grid, State, Vessels
from tumorsim.lattice.state import VESSEL_TYPES, size_of, table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

BEND_RADIUS = 1000.0  # um, smallest radius of curvature
IN_PLANE = 0.01  # of the vessels of one slice; the others cross it
IN_PLANE_LENGTH = 200.0  # um
CANDIDATES = 12  # ways tried for each capillary; the one farthest from the others is taken
STRIDE = 3  # points along a capillary from one to the next that tells others to keep off
CLOSEST = 255  # of a voxel that holds a vessel; falls to 0 at one distance between vessels

# occasions of STREAM_SEEDING (seeding of cells uses 0), and items of the draws of one capillary
_TERRITORIES, _WAYS = 1, 2
_Z, _Y, _X, _COSINE, _AZIMUTH, _BEND_SIDE, _BEND, _FLAT = range(8)


def first_network(
    state: State, spacing: float, spacing_inside: float, within: Mask, seed: int, territory: float
) -> Vessels:
    """Lay capillaries through the stroma and mark their voxels (eq. N9).

    To be called before tumour is seeded: voxels that are not stroma are left alone.

    Parameters
    ----------
    state
        `lattice.State`; its voxels are marked.
    spacing, spacing_inside
        um between vessels outside and inside of ``within``: the share of vessel voxels is that of parallel
        capillaries so far apart. At least two voxels.
    within
        (voxel,) inside of the tumour.
    seed
        Of the replicate.
    territory
        um across the tissue that one arteriole feeds: a segment.

    Returns
    -------
    Vessels
        One row a voxel, in order of voxel, all open; idents and segments count from 0, maturity is 0.
    """
    grid, kind = state.grid, state.voxels.kind
    densest = min(spacing, spacing_inside)
    if densest < 2.0 * grid.spacing:
        raise ValueError(f"vessels must lie at least two voxels ({2.0 * grid.spacing:g} um) apart, not {densest:g} um")
    voxels = _bed(grid, densest, seed)
    # those laid first keep apart from each other as all do
    rank = np.arange(voxels.size) / max(1, voxels.size)
    share = np.where(within[voxels], (densest / spacing_inside) ** 2, (densest / spacing) ** 2)
    kept = np.sort(voxels[(rank < share) & (kind[voxels] == lattice.STROMA)])
    vessels: Vessels = table(Vessels, VESSEL_TYPES, kept.size)
    vessels.ident[:] = np.arange(kept.size)
    vessels.voxel[:] = kept
    vessels.segment[:] = _segments(kept, grid, territory, seed)
    vessels.state[:] = lattice.OPEN
    kind[kept] = lattice.VESSEL
    return vessels


def _draws(seed: int, numbers: Ints, occasion: int, item: int) -> Floats:
    found: Floats = random.uniforms(np.uint64(seed), random.STREAM_SEEDING, numbers, occasion, item)
    return found


def _bed(grid: Grid, spacing: float, seed: int) -> Ints:
    """Voxels of capillaries that keep apart, in the order in which they are laid."""
    shape = (grid.nz, grid.ny, grid.nx)
    wanted = round(size_of(grid) * (grid.spacing / spacing) ** 2)
    offsets, closeness = _ball(spacing / grid.spacing, flat=grid.nz == 1)
    crowd = np.zeros(size_of(grid), np.uint8)
    taken = np.zeros(size_of(grid), np.bool_)
    laid, done, number = [np.zeros(0, np.int64)], 0, 0
    while done < wanted:
        ways = _ways(grid, number, seed)
        path = _thinned(min(ways, key=lambda way: float(crowd[_flat(way, shape)].mean())))
        voxels = _flat(path, shape)
        laid.append(voxels[~taken[voxels]][: wanted - done])
        taken[laid[-1]] = True
        near = path[::STRIDE, None, :] + offsets
        here = np.all((near >= 0) & (near < shape), axis=2)
        np.maximum.at(crowd, _flat(near[here], shape), np.broadcast_to(closeness, here.shape)[here])
        done += laid[-1].size
        number += 1
    return np.concatenate(laid)


def _flat(points: Ints, shape: tuple[int, int, int]) -> Ints:
    """Voxels at points (n, 3)."""
    return np.asarray((points[:, 0] * shape[1] + points[:, 1]) * shape[2] + points[:, 2])


def _ball(reach: float, *, flat: bool) -> tuple[Ints, NDArray[np.uint8]]:
    """Offsets (n, 3) nearer than ``reach`` voxels, and how close they are, 0 to `CLOSEST`."""
    width = np.arange(-math.floor(reach), math.floor(reach) + 1)
    offsets = np.stack(np.meshgrid([0] if flat else width, width, width, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.sqrt((offsets**2).sum(axis=1))
    near = distance < reach
    return offsets[near], (CLOSEST * (1.0 - distance[near] / reach)).astype(np.uint8)


def _ways(grid: Grid, number: int, seed: int) -> list[Ints]:
    """Candidates for one capillary: points (n, 3) along an arc through a random voxel, as far as it stays inside.

    In one slice most capillaries cross it and are single voxels; a few run within it.
    """
    shape = np.array([grid.nz, grid.ny, grid.nx])
    candidate = np.arange(CANDIDATES, dtype=np.int64)
    u = np.stack([_draws(seed, candidate, _WAYS + number, item) for item in range(_FLAT + 1)], axis=1)
    flat = grid.nz == 1
    half = math.ceil(math.hypot(*shape))
    if flat:
        half = round(0.5 * IN_PLANE_LENGTH / grid.spacing) if u[0, _FLAT] < IN_PLANE else 0
    cosine = np.zeros(CANDIDATES) if flat else 2.0 * u[:, _COSINE] - 1.0
    sine, azimuth = np.sqrt(1.0 - cosine**2), 2.0 * math.pi * u[:, _AZIMUTH]
    ahead = np.stack([cosine, sine * np.sin(azimuth), sine * np.cos(azimuth)], axis=1)
    level = np.stack([0.0 * cosine, np.cos(azimuth), -np.sin(azimuth)], axis=1)
    tilt = np.zeros(CANDIDATES) if flat else 2.0 * math.pi * u[:, _BEND_SIDE]
    aside = np.cos(tilt)[:, None] * level + np.sin(tilt)[:, None] * np.cross(ahead, level)
    bend = (np.maximum(u[:, _BEND], 1e-6) * grid.spacing / BEND_RADIUS)[:, None, None]  # 1/voxel
    steps = np.arange(-half, half + 1)[None, :, None]
    start = (u[:, [_Z, _Y, _X]] * shape)[:, None, :]
    along, off = np.sin(bend * steps) / bend, 2.0 * np.sin(0.5 * bend * steps) ** 2 / bend
    points = np.floor(start + along * ahead[:, None, :] + off * aside[:, None, :]).astype(np.int64)
    inside = np.all((points >= 0) & (points < shape), axis=2)
    return [_stretch(points[i], inside[i], half) for i in range(CANDIDATES)]


def _stretch(points: Ints, inside: Mask, middle: int) -> Ints:
    """The points around the middle one, up to where the arc first leaves the lattice."""
    out = np.flatnonzero(~inside)
    return points[max(out[out < middle], default=-1) + 1 : min(out[out > middle], default=inside.size)]


def _thinned(path: Ints) -> Ints:
    """The path without points that its neighbours along it do not need to touch."""
    kept: list[Ints] = []
    for point in path:
        if kept and np.array_equal(point, kept[-1]):
            continue
        if len(kept) > 1 and np.abs(point - kept[-2]).max() <= 1:
            kept.pop()
        kept.append(point)
    return np.array(kept)


def _segments(voxels: Ints, grid: Grid, territory: float, seed: int) -> Ints:
    """Segment of each vessel voxel: that of the nearest arteriole, of which each box of tissue has one (eq. N10)."""
    shape = np.array([grid.nz, grid.ny, grid.nx])
    cubes = np.maximum(1, np.round(shape * grid.spacing / territory)).astype(np.int64)
    cube = np.stack(np.unravel_index(np.arange(cubes.prod()), cubes), axis=1)
    u = np.stack([_draws(seed, np.arange(len(cube), dtype=np.int64), _TERRITORIES, item) for item in range(3)], axis=1)
    centres = (cube + u) / cubes * shape
    points = np.stack(np.unravel_index(voxels, shape), axis=1) + 0.5
    _, nearest = KDTree(centres).query(points)
    return np.asarray(np.unique(nearest, return_inverse=True)[1], dtype=np.int64)
