"""The tumour as a solid with one eighth cut out, by casting rays through the lattice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.spatial.looks import colours, margin

FloatArray = NDArray[np.float64]

PIXELS = 240  # along a side of the picture
FINER = 2  # rays along a side of a pixel
STEP = 0.5  # voxels between samples of a ray
SKIN = 1.0  # voxels outside of the margin in which effectors are drawn
EFFECTOR = (40, 140, 105)  # lighter than the dots of slices, since it is shaded
AMBIENT = 0.42
SMOOTH = 1.3  # voxels over which a surface is smoothed before it is lit


def _frame() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Directions (z, y, x) to the right, up and into the picture, seen from above, before and the right."""
    into = -np.array([0.62, -0.62, 0.55])
    into /= np.linalg.norm(into)
    up = np.array([1.0, 0.0, 0.0])
    # (z, y, x) is left-handed, hence the order
    right = np.cross(up, into)
    right /= np.linalg.norm(right)
    upright = np.cross(into, right)
    return right, upright / np.linalg.norm(upright), into


def centre(content: NDArray[Any]) -> FloatArray:
    """Middle of the tumour, voxels (z, y, x); of the lattice where there is none."""
    places = np.argwhere((content >= 1) & (content <= 5))
    whole = (np.array(content.shape) - 1) / 2.0
    return np.asarray(places.mean(axis=0) if len(places) else whole, dtype=np.float64)


def reach(content: NDArray[Any]) -> float:
    """Distance of the outermost tumour cell from the middle of the tumour, voxels; at least 3."""
    places = np.argwhere((content >= 1) & (content <= 5))
    if not len(places):
        return 3.0
    return max(float(np.sqrt(((places - centre(content)) ** 2).sum(axis=1).max())) + 1.0, 3.0)


def _solid(content: NDArray[Any], lymphocytes: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What is drawn, and where of it effectors are drawn: the tumour with its skin, one eighth cut out."""
    from scipy import ndimage

    body = margin(content)
    skin = ndimage.distance_transform_edt(~body) <= SKIN if body.any() else body
    effector = (lymphocytes > 0) & skin
    # a cleared core is open; vessels and gaps one voxel wide are filled by what they hold
    holds = (content != 0) | effector
    shown = (body & ndimage.binary_closing(holds, border_value=1) | effector) if body.any() else effector
    z, y, x = np.ogrid[: content.shape[0], : content.shape[1], : content.shape[2]]
    cz, cy, cx = centre(content)
    return shown & ~((z > cz) & (y < cy) & (x > cx)), effector


def cut_open(
    content: NDArray[Any], lymphocytes: NDArray[Any], size: float, pixels: int | None = None
) -> NDArray[np.uint8]:
    """A picture of the tumour, lit from the upper left; (pixels, pixels, 3).

    Parameters
    ----------
    content, lymphocytes : (z, y, x)
        One snapshot.
    size
        Distance from the middle of the tumour that the picture shows, voxels: the same for pictures to compare.
    pixels
        Along a side; `PIXELS` if not given.
    """
    from scipy import ndimage

    pixels = PIXELS if pixels is None else pixels
    solid, effector = _solid(content, lymphocytes)
    fine = pixels * FINER
    picture = np.full((fine * fine, 3), 255.0)
    places, ray = _hits(solid, centre(content), size, fine)
    if ray.size:
        paint = colours()[content].astype(np.float64)
        paint[effector] = EFFECTOR
        smooth = ndimage.gaussian_filter(solid.astype(np.float64), SMOOTH)
        index = tuple(places.T)
        slopes: list[FloatArray] = list(np.gradient(smooth))
        normal = -np.stack([slope[index] for slope in slopes], axis=1)
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
        right, up, into = _frame()
        light = up * 0.62 - right * 0.3 - into * 0.72
        lit = np.clip(normal @ (light / np.linalg.norm(light)), 0.0, 1.0)
        picture[ray] = paint[index] * (AMBIENT + (1.0 - AMBIENT) * lit)[:, None]
    coarse = picture.reshape(pixels, FINER, pixels, FINER, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(coarse), dtype=np.uint8)


def _hits(
    solid: NDArray[np.bool_], middle: FloatArray, size: float, fine: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First solid voxel of each ray that meets one, (hit, 3), and the number of the ray."""
    right, up, into = _frame()
    across = ((np.arange(fine) + 0.5) / fine * 2.0 - 1.0) * size
    u, v = (side.ravel() for side in np.meshgrid(across, -across))
    # half of each ray's way through the ball of this size; a ray that misses it meets nothing
    half = np.sqrt(np.maximum(size**2 - u**2 - v**2, 0.0))
    rays = np.flatnonzero(half > 0)
    start = middle + u[:, None] * right + v[:, None] * up - half[:, None] * into
    ends = np.array(solid.shape) - 1
    found: list[NDArray[np.int64]] = []
    which: list[NDArray[np.int64]] = []
    for step in range(int(2.0 * size / STEP) + 2):
        places = np.rint(start[rays] + step * STEP * into).astype(np.int64)
        within = ((places >= 0) & (places <= ends)).all(axis=1)
        hit = np.zeros(rays.size, dtype=bool)
        hit[within] = solid[tuple(places[within].T)]
        found.append(places[hit])
        which.append(rays[hit])
        rays = rays[~hit]
        rays = rays[2.0 * half[rays] >= step * STEP]
    return np.concatenate(found), np.concatenate(which)
