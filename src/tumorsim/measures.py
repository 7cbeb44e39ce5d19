"""Spatial measures of one moment of the lattice (docs/theory/spatial-measures.md).

Plain functions of arrays; nothing is drawn and nothing depends on the order of rows or on threads. Lattices have
the shape (z, y, x), lengths are um. Pairs are counted whole numbers at a time, so that the results of a Fourier
transform are the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels.lattice import CLONE_BITS, DEAD, RESISTANT, STROMA, TUMOUR, VESSEL
from tumorsim.spatial_variables import HYPOXIA

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

# a gap between tumour cells belongs to the tumour if a ball of this radius, voxels, does not fit into it
GAP = 2.0
CUBIC_MM = 1e-9  # mm3 in a um3
# names of `spatial_variables.CONTENTS` in their order: kind and clone
_KINDS = np.array([STROMA, TUMOUR, TUMOUR, TUMOUR, TUMOUR, DEAD, VESSEL, VESSEL], dtype=np.uint8)
_CLONES = np.array([0, 0, 1, 2, 3, 0, 0, 0], dtype=np.uint8)
_OPEN = 6


@dataclass(frozen=True)
class Bins:
    """Layers of depth and shells of distance; edges in um, increasing."""

    depth: Floats
    radius: Floats

    @property
    def depths(self) -> Floats:
        """Middles of the layers, um; outside of the tumour negative."""
        return (self.depth[1:] + self.depth[:-1]) / 2.0

    @property
    def radii(self) -> Floats:
        """Middles of the shells, um."""
        return (self.radius[1:] + self.radius[:-1]) / 2.0


def bins(shape: tuple[int, int, int], spacing: float, shells: int = 15, outside: int = 10) -> Bins:
    """Layers two voxels thick and shells one voxel thick that suit a lattice.

    Parameters
    ----------
    shape, spacing
        Voxels along z, y, x, and um.
    shells
        Number of shells; the first is centred on one voxel.
    outside
        Layers outside of the margin; inside they reach to half of the longest side.
    """
    inside = max(1, -(-max(shape) // 4))
    depth = np.arange(-outside, inside + 1, dtype=np.float64) * (2.0 * spacing)
    radius = (np.arange(min(shells, max(shape)) + 1, dtype=np.float64) + 0.5) * spacing
    return Bins(depth, radius)


def measure(
    kind: NDArray[np.uint8],
    traits: NDArray[np.uint8],
    load: NDArray[Any],
    open_vessel: Mask,
    spacing: float,
    at: Bins,
) -> dict[str, Any]:
    """Every variable of `spatial_variables.MEASURES` at one moment.

    Parameters
    ----------
    kind, traits : (z, y, x)
        `Voxels.kind` and `Voxels.traits`.
    load : (z, y, x)
        Lymphocytes in each voxel, exhausted ones too.
    open_vessel : (z, y, x)
        Voxels of vessels with flow.
    spacing
        Side of a voxel, um.
    at
        Layers and shells.

    Returns
    -------
    dict
        By name, arrays (depth,) and (radius,) among them; NaN where a measure has no meaning (no tumour, no
        margin, no open vessel, one clone).
    """
    living, dead = kind == TUMOUR, kind == DEAD
    depth = depth_below_margin(living | dead, spacing)
    density, volume = infiltration(depth, load, at.depth, spacing)
    clusters, largest = clusters_of(living)
    return {
        "infiltration": density,
        "volume": volume,
        "infiltration_depth": mean_depth(depth, load),
        "infiltrating": int(load[depth > 0.0].sum()),
        "pair_correlation": pair_correlation(living, living & (traits & RESISTANT > 0), at.radius, spacing),
        "clusters": clusters,
        "largest_cluster": largest,
        "mixing": mixing(living, traits & CLONE_BITS),
        "radius_of_gyration": radius_of_gyration(living, spacing),
        "rim_distance": vessel_distance(open_vessel, living, spacing),
        "dead_distance": vessel_distance(open_vessel, dead, spacing),
    }


def of_content(content: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Mask]:
    """Kind, clone and open vessels of a snapshot: codes of `spatial_variables.CONTENTS`."""
    codes = np.asarray(content)
    return _KINDS[codes], _CLONES[codes], codes == _OPEN


def tumour_region(cells: Mask) -> Mask:
    """The tumour as a body: its cells, gaps narrower than `GAP` closed, enclosed holes filled.

    Parameters
    ----------
    cells : (z, y, x)
        Living and dead tumour cells.

    Returns
    -------
    (z, y, x)
        True inside the margin: vessels and cleared necrosis within the tumour are inside. The edge of the
        lattice is no margin: beyond it the tissue is taken to go on.
    """
    from scipy import ndimage

    if not cells.any():
        return np.zeros(cells.shape, dtype=bool)
    widened = ndimage.distance_transform_edt(~cells) <= GAP
    # without any voxel outside there is nothing to measure a distance from
    closed = np.ones_like(cells) if widened.all() else ndimage.distance_transform_edt(widened) > GAP
    if cells.shape[0] == 1:  # one slice: a hole is enclosed if it is within the slice
        return np.asarray(ndimage.binary_fill_holes(closed[0]))[None]
    return np.asarray(ndimage.binary_fill_holes(closed))


def depth_below_margin(cells: Mask, spacing: float) -> Floats:
    """Distance of each voxel's centre from the margin, um (eq. U1): positive inside, negative outside.

    The margin is the face between voxels in and out of `tumour_region`, so that the outermost layer of cells lies
    half a voxel deep. All NaN where there is no margin: no tumour, or nothing else.
    """
    from scipy import ndimage

    inside = tumour_region(cells)
    if inside.all() or not inside.any():
        # what fills the lattice is all inside, however deep; without a tumour nothing is
        return np.full(cells.shape, np.inf if inside.any() else np.nan)
    signed = np.where(
        inside, ndimage.distance_transform_edt(inside) - 0.5, 0.5 - ndimage.distance_transform_edt(~inside)
    )
    return np.asarray(signed * spacing, dtype=np.float64)


def infiltration(depth: Floats, load: NDArray[Any], edges: Floats, spacing: float) -> tuple[Floats, Floats]:
    """Lymphocytes by depth (eq. U2): density, cell/mm3, NaN where a layer is empty; and volume of the layers, mm3."""
    layer = np.searchsorted(edges, depth, side="right") - 1
    held = np.isfinite(depth) & (layer >= 0) & (layer < edges.size - 1)
    voxels = np.bincount(layer[held], minlength=edges.size - 1)
    cells = np.bincount(layer[held], weights=load[held], minlength=edges.size - 1)
    volume = voxels.astype(np.float64) * (spacing**3 * CUBIC_MM)
    density = np.full(volume.size, np.nan)
    np.divide(cells, volume, out=density, where=voxels > 0)
    return density, volume


def mean_depth(depth: Floats, load: NDArray[Any]) -> float:
    """Mean depth of lymphocytes below the margin, um; NaN without lymphocytes or margin."""
    total = int(load.sum())
    if not total or not np.isfinite(depth).all():
        return float("nan")
    return float((depth * load).sum() / total)


def pair_correlation(living: Mask, marked: Mask, edges: Floats, spacing: float) -> Floats:
    """Marked around marked cells against random labels among the living cells, by distance (eq. U3).

    1 is what random labels give on average, whatever the shape of the tumour; above 1 the marked cells sit
    together. NaN where no pair of living cells is that far apart, or fewer than two cells are marked.

    Parameters
    ----------
    living, marked : (z, y, x)
        Living cells, and those of them that carry the label.
    edges : (shell + 1,)
        um.

    Returns
    -------
    (shell,)
        Share of marked pairs over share of all pairs.
    """
    shells = edges.size - 1
    n, m = int(living.sum()), int(marked.sum())
    if m < 2:
        return np.full(shells, np.nan)
    everyone = pairs_by_distance(living, edges, spacing)
    labelled = pairs_by_distance(marked, edges, spacing)
    share = labelled / (float(m) * (m - 1))
    chance = everyone / (float(n) * (n - 1))
    ratio = np.full(shells, np.nan)
    np.divide(share, chance, out=ratio, where=everyone > 0)
    return ratio


def pairs_by_distance(mask: Mask, edges: Floats, spacing: float) -> NDArray[np.int64]:
    """Ordered pairs of different voxels of a mask in each shell of distance, by Fourier transform; (shell,)."""
    from scipy import fft

    box = tuple(slice(a.min(), a.max() + 1) for a in np.nonzero(mask)) if mask.any() else (slice(0, 1),) * 3
    cells = mask[box].astype(np.float64)
    reach = [min(size - 1, int(edges[-1] / spacing)) for size in cells.shape]
    # padding keeps pairs across the edge of a periodic box further away than the last shell
    padded = [fft.next_fast_len(size + most, real=True) for size, most in zip(cells.shape, reach, strict=True)]
    waves = fft.rfftn(cells, padded)
    counts = fft.irfftn(waves * np.conj(waves), padded)
    shifts = [np.arange(-most, most + 1) for most in reach]
    counts = np.rint(counts[np.ix_(*shifts)]).astype(np.int64)
    z, y, x = np.meshgrid(*shifts, indexing="ij")
    shell = np.searchsorted(edges, np.sqrt(z**2 + y**2 + x**2) * spacing, side="right") - 1
    held = (shell >= 0) & (shell < edges.size - 1) & ((z != 0) | (y != 0) | (x != 0))
    found = np.zeros(edges.size - 1, dtype=np.int64)
    np.add.at(found, shell[held], counts[held])
    return found


def clusters_of(living: Mask) -> tuple[int, float]:
    """Connected groups (26 neighbours) and the share of cells in the largest; NaN without cells."""
    from scipy import ndimage

    labels, groups = ndimage.label(living, structure=np.ones((3, 3, 3)))
    if not groups:
        return 0, float("nan")
    sizes = np.bincount(labels.ravel())[1:]
    return int(groups), float(sizes.max() / sizes.sum())


def mixing(living: Mask, clone: NDArray[Any]) -> float:
    """Share of neighbours (26) that are of different clones over that of two cells drawn at random (eq. U4).

    0 where clones never touch, 1 where labels are random; NaN with one clone or without neighbours.
    """
    sizes = np.bincount(clone[living], minlength=CLONE_BITS + 1).astype(np.float64)
    n = sizes.sum()
    if n < 2:
        return float("nan")
    expected = 1.0 - (sizes * (sizes - 1.0)).sum() / (n * (n - 1.0))
    pairs = different = 0
    for step in _half_of_the_neighbours():
        one, other = _shifted(step)
        both = living[one] & living[other]
        pairs += int(both.sum())
        different += int((both & (clone[one] != clone[other])).sum())
    return different / pairs / expected if pairs and expected > 0.0 else float("nan")


def _half_of_the_neighbours() -> list[tuple[int, int, int]]:
    """13 of the 26 directions: each pair of neighbours once."""
    around = (-1, 0, 1)
    return [(dz, dy, dx) for dz in around for dy in around for dx in around if (dz, dy, dx) > (0, 0, 0)]


def _shifted(step: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Views of a lattice in which voxel and neighbour in a direction stand at the same place."""
    one = tuple(slice(max(-d, 0), None if d <= 0 else -d) for d in step)
    other = tuple(slice(max(d, 0), None if d >= 0 else d) for d in step)
    return one, other


def radius_of_gyration(living: Mask, spacing: float) -> float:
    """Root mean square distance of living cells from their centre, um (eq. U5); NaN without cells."""
    places = np.argwhere(living).astype(np.float64)
    if not len(places):
        return float("nan")
    return float(np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1).mean()) * spacing)


def vessel_distance(open_vessel: Mask, cells: Mask, spacing: float) -> float:
    """Mean distance of cells from the nearest open vessel, centre to centre, um; NaN without either."""
    from scipy import ndimage

    if not open_vessel.any() or not cells.any():
        return float("nan")
    return float(ndimage.distance_transform_edt(~open_vessel)[cells].mean() * spacing)


def hypoxic_fraction(living: Mask, oxygen: Floats, below: float = HYPOXIA) -> float:
    """Share of living cells with less oxygen than ``below``, mmHg; NaN without cells."""
    return float((oxygen[living] < below).mean()) if living.any() else float("nan")
