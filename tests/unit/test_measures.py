"""Spatial measures against hand-made cases and against counting pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from tumorsim import measures
from tumorsim.kernels.lattice import DEAD, MHC_LOW, RESISTANT, STROMA, TUMOUR, VESSEL
from tumorsim.spatial_variables import CONTENTS, MEASURES

H = 20.0  # um


def slab(n=20, at=8):
    """Tumour from x = ``at`` on, in a lattice of ``n`` voxels a side."""
    cells = np.zeros((n, n, n), dtype=bool)
    cells[:, :, at:] = True
    return cells


def sphere(n=41, radius=15.0):
    z, y, x = np.indices((n, n, n)) - n // 2
    return z**2 + y**2 + x**2 <= radius**2


def scattered(seed, shape=(5, 6, 4), share=0.6):
    draws = np.random.default_rng(seed)
    return draws.random(shape) < share, draws.integers(0, 4, shape).astype(np.uint8), draws


def pairs_of(living):
    """Every ordered pair of living cells with its distance in voxels, one by one."""
    places = [tuple(p) for p in np.argwhere(living)]
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            if i != j:
                yield a, b, float(np.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True))))


# --- the margin ---------------------------------------------------------------------


def test_depth_of_a_slab_is_the_distance_from_its_face():
    depth = measures.depth_below_margin(slab(), H)
    expected = (np.arange(20) - 8 + 0.5) * H
    assert np.array_equal(depth, np.broadcast_to(expected, depth.shape))


def test_depth_of_a_sphere_is_radius_less_distance_from_the_centre():
    depth = measures.depth_below_margin(sphere(), H)
    r = np.sqrt(((np.indices(depth.shape) - 20) ** 2).sum(axis=0))
    near = (r > 2) & (r < 19)
    assert np.abs(depth / H - (15.5 - 0.5 - r))[near].max() < 1.0
    assert depth[20, 20, 20] == pytest.approx(15.5 * H, abs=H)


def test_vessels_and_cleared_necrosis_inside_the_tumour_are_inside_and_bays_are_not():
    cells = sphere()
    cells[:, 20, 20] = False  # a vessel through the middle, one voxel wide, open at both ends
    cells[sphere(radius=6.0)] = False  # a cleared core
    inside = measures.tumour_region(cells)
    assert inside[sphere(radius=13.0)].all()
    assert not inside[~sphere(radius=16.0)].any()
    bay = sphere()
    bay[:, :, 20:][:, 14:27, :] = False  # 13 voxels wide, open to one side
    assert not measures.tumour_region(bay)[20, 20, 30]
    assert measures.tumour_region(bay)[20, 20, 19]


def test_the_edge_of_the_lattice_is_no_margin():
    region = measures.tumour_region(slab())
    assert np.array_equal(region, slab())
    depth = measures.depth_below_margin(slab(), H)
    assert depth[0, 0, 19] == depth[10, 10, 19] == 11.5 * H


def test_without_a_margin_depth_has_no_meaning():
    none = np.zeros((4, 4, 4), dtype=bool)
    assert np.isnan(measures.depth_below_margin(none, H)).all()
    assert np.isinf(measures.depth_below_margin(~none, H)).all()
    load = np.ones((4, 4, 4))
    for cells in (none, ~none):
        depth = measures.depth_below_margin(cells, H)
        assert np.isnan(measures.mean_depth(depth, load))
        density, volume = measures.infiltration(depth, load, measures.bins((4, 4, 4), H).depth, H)
        assert np.isnan(density).all()
        assert (volume == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_depth_is_the_distance_to_the_nearest_voxel_across_the_margin(seed):
    cells, _, _ = scattered(seed, (6, 7, 5), 0.15)
    inside = measures.tumour_region(cells)
    assert inside[cells].all()
    depth = measures.depth_below_margin(cells, H)
    for place in np.ndindex(cells.shape):
        across = np.argwhere(inside != inside[place])
        nearest = np.sqrt(((across - place) ** 2).sum(axis=1)).min()
        assert depth[place] == pytest.approx((nearest - 0.5) * H * (1 if inside[place] else -1))


# --- lymphocytes by depth -----------------------------------------------------------


def test_infiltration_of_a_slab_by_hand():
    load = np.zeros((20, 20, 20), dtype=np.uint8)
    load[:, :, 8] = 1  # 400 in the first layer, 10 um deep
    load[:, :, 7] = 3  # 1200 just outside
    load[0, 0, 19] = 8  # eight far inside, 230 um deep
    at = measures.bins((20, 20, 20), H)
    depth = measures.depth_below_margin(slab(), H)
    density, volume = measures.infiltration(depth, load, at.depth, H)
    layer = {middle: k for k, middle in enumerate(at.depths)}
    two_planes = 2 * 400 * 8e-6  # mm3
    assert volume[layer[20.0]] == pytest.approx(two_planes)
    assert density[layer[20.0]] == pytest.approx(400 / two_planes)
    assert density[layer[-20.0]] == pytest.approx(1200 / two_planes)
    assert density[layer[60.0]] == 0.0
    assert np.isnan(density[layer[-380.0]])
    assert measures.mean_depth(depth, load) == pytest.approx((400 * 10 - 1200 * 10 + 8 * 230) / 1608)


def test_the_layers_hold_every_lymphocyte_and_the_whole_volume():
    draws = np.random.default_rng(3)
    load = draws.integers(0, 9, (41, 41, 41))
    at = measures.bins((41, 41, 41), H)
    density, volume = measures.infiltration(measures.depth_below_margin(sphere(), H), load, at.depth, H)
    assert np.nansum(density * volume) == pytest.approx(load.sum())
    assert volume.sum() == pytest.approx(41**3 * 8e-6)


# --- resistant around resistant -----------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(5, 6, 4), (1, 9, 8)])
def test_pair_correlation_counts_pairs(seed, shape):
    living, traits, _ = scattered(seed, shape)
    marked = living & (traits & RESISTANT > 0)
    edges = measures.bins(shape, H, shells=4).radius
    everyone, labelled = np.zeros(4), np.zeros(4)
    for a, b, distance in pairs_of(living):
        shell = int(np.floor(distance - 0.5))
        if 0 <= shell < 4:
            everyone[shell] += 1
            labelled[shell] += marked[a] and marked[b]
    n, m = living.sum(), marked.sum()
    assert np.array_equal(measures.pairs_by_distance(living, edges, H), everyone)
    expected = labelled / (m * (m - 1)) / (everyone / (n * (n - 1)))
    assert measures.pair_correlation(living, marked, edges, H) == pytest.approx(expected)


def test_pair_correlation_is_one_where_labels_are_random_whatever_the_shape():
    living = sphere(31, 12.0)
    living[:, 18:, :] = False
    at = measures.bins(living.shape, H)
    draws = np.random.default_rng(11)
    found = []
    for _ in range(40):
        marked = living & (draws.random(living.shape) < 0.1)
        found.append(measures.pair_correlation(living, marked, at.radius, H))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(40)
    z = (mean - 1.0) / error
    print("largest |z| of the pair correlation over 15 shells:", np.abs(z).max())
    assert np.abs(z).max() < 3.6  # family-wise 0.5% over 15 shells
    assert np.abs(mean - 1.0).max() < 0.01


def test_pair_correlation_of_a_clump_is_above_one_and_falls_with_distance():
    living = sphere(31, 12.0)
    marked = sphere(31, 4.0)
    g = measures.pair_correlation(living, marked, measures.bins(living.shape, H).radius, H)
    assert g[0] > 15
    assert (np.diff(g) < 1e-12).all()
    assert g[-1] == 0.0
    assert measures.pair_correlation(living, living, measures.bins(living.shape, H).radius, H) == pytest.approx(1.0)
    assert np.isnan(measures.pair_correlation(living, living & False, np.array([10.0, 30.0]), H)).all()


# --- groups, clones, extent ---------------------------------------------------------


def test_clusters_touch_by_faces_edges_and_corners():
    living = np.zeros((6, 6, 6), dtype=bool)
    living[0, 0, 0] = living[1, 1, 1] = living[1, 2, 1] = True  # one group by a corner
    living[5, 5, 5] = True
    assert measures.clusters_of(living) == (2, 0.75)
    assert measures.clusters_of(living[:1]) == (1, 1.0)
    groups, share = measures.clusters_of(living & False)
    assert groups == 0
    assert np.isnan(share)


@pytest.mark.parametrize("seed", range(5))
def test_mixing_counts_neighbours_one_by_one(seed):
    living, traits, _ = scattered(seed)
    touching = [(a, b) for a, b, distance in pairs_of(living) if distance < 1.8]
    anyone = [(a, b) for a, b, _ in pairs_of(living)]
    observed, chance = (np.mean([traits[a] != traits[b] for a, b in pairs]) for pairs in (touching, anyone))
    assert measures.mixing(living, traits) == pytest.approx(observed / chance)


def test_mixing_of_checkerboard_random_labels_halves_and_one_clone():
    n = 20
    everywhere = np.ones((n, n, n), dtype=bool)
    board = (np.indices((n, n, n)).sum(axis=0) % 2).astype(np.uint8)
    # of 13 kinds of pair, 3 faces and 4 corners join different colours
    faces, edges, corners = 3 * n * n * (n - 1), 6 * n * (n - 1) ** 2, 4 * (n - 1) ** 3
    chance = 0.5 * n**3 / (n**3 - 1)
    assert measures.mixing(everywhere, board) == pytest.approx((faces + corners) / (faces + edges + corners) / chance)
    random = np.random.default_rng(5).integers(0, 4, (n, n, n)).astype(np.uint8)
    assert measures.mixing(everywhere, random) == pytest.approx(1.0, abs=0.01)
    halves = np.zeros((n, n, n), dtype=np.uint8)
    halves[:, :, n // 2 :] = 2
    crossing = n * n + 4 * n * (n - 1) + 4 * (n - 1) ** 2
    assert measures.mixing(everywhere, halves) == pytest.approx(crossing / (faces + edges + corners) / chance)
    assert np.isnan(measures.mixing(everywhere, halves * 0))


def test_one_slice_of_a_checkerboard():
    board = (np.indices((1, 10, 10)).sum(axis=0) % 2).astype(np.uint8)
    pairs = 2 * 10 * 9 + 2 * 9 * 9
    expected = 2 * 10 * 9 / pairs / (0.5 * 100 / 99)
    assert measures.mixing(np.ones((1, 10, 10), dtype=bool), board) == pytest.approx(expected)


def test_radius_of_gyration_of_two_cells_and_of_a_ball():
    two = np.zeros((1, 1, 11), dtype=bool)
    two[0, 0, [0, 10]] = True
    assert measures.radius_of_gyration(two, H) == pytest.approx(5 * H)
    assert measures.radius_of_gyration(sphere(), H) == pytest.approx(np.sqrt(0.6) * 15 * H, rel=0.01)
    assert np.isnan(measures.radius_of_gyration(two & False, H))


def test_distance_from_the_nearest_open_vessel():
    vessel = np.zeros((9, 9, 9), dtype=bool)
    cells = vessel.copy()
    vessel[4, 4, 4] = vessel[0, 0, 0] = True
    cells[4, 4, 6] = cells[1, 1, 1] = True
    assert measures.vessel_distance(vessel, cells, H) == pytest.approx((2 + np.sqrt(3)) / 2 * H)
    assert np.isnan(measures.vessel_distance(vessel & False, cells, H))
    assert np.isnan(measures.vessel_distance(vessel, cells & False, H))


@pytest.mark.parametrize("seed", range(3))
def test_distance_from_vessels_one_by_one(seed):
    cells, _, draws = scattered(seed)
    vessel = ~cells & (draws.random(cells.shape) < 0.3)
    nearest = [min(np.linalg.norm(a - b) for b in np.argwhere(vessel)) for a in np.argwhere(cells)]
    assert measures.vessel_distance(vessel, cells, H) == pytest.approx(np.mean(nearest) * H)


def test_hypoxic_cells_are_those_below_ten_mmhg():
    living = np.array([[[True, True, True, True, False]]])
    oxygen = np.array([[[1.0, 9.99, 10.0, 40.0, 0.0]]])
    assert measures.hypoxic_fraction(living, oxygen) == 0.5
    assert np.isnan(measures.hypoxic_fraction(living & False, oxygen))


# --- all at once --------------------------------------------------------------------


def made(shape=(24, 24, 24), seed=2):
    """Kind, traits, load and open vessels of a plausible lattice."""
    draws = np.random.default_rng(seed)
    r = np.sqrt(sum((i - s / 2) ** 2 for i, s in zip(np.indices(shape), shape, strict=True)))
    kind = np.full(shape, STROMA, dtype=np.uint8)
    kind[r < 8] = TUMOUR
    kind[r < 3] = DEAD
    vessel = draws.random(shape) < 0.02
    kind[vessel] = VESSEL
    traits = draws.integers(0, 8, shape).astype(np.uint8)
    return kind, traits, draws.integers(0, 2, shape).astype(np.uint8), vessel & (draws.random(shape) < 0.5)


@pytest.mark.parametrize("shape", [(24, 24, 24), (1, 24, 24)])
def test_measure_gives_every_declared_name_in_its_shape(shape):
    at = measures.bins(shape, H)
    found = measures.measure(*made(shape), H, at)
    assert list(found) == [variable.name for variable in MEASURES]
    size = {"depth": at.depths.size, "radius": at.radii.size}
    for variable in MEASURES:
        if variable.dims[-1] in size:
            assert found[variable.name].shape == (size[variable.dims[-1]],)
        else:
            assert isinstance(found[variable.name], int if variable.count else float)
            assert np.isfinite(found[variable.name])


def test_measure_ignores_what_is_no_clone_and_what_lies_outside():
    kind, traits, load, vessel = made()
    at = measures.bins(kind.shape, H)
    found = measures.measure(kind, traits, load, vessel, H, at)
    mhc_low = (MHC_LOW * np.random.default_rng(9).integers(0, 2, kind.shape)).astype(np.uint8)
    hidden = np.where(kind == TUMOUR, traits & 3 | mhc_low, 7).astype(np.uint8)
    again = measures.measure(kind, hidden, load, vessel, H, at)
    for name, value in found.items():
        assert np.array_equal(value, again[name], equal_nan=True), name
    living = kind == TUMOUR
    inside = measures.depth_below_margin(living | (kind == DEAD), H) > 0
    assert found["infiltrating"] == load[inside].sum()
    assert found["clusters"] == 1
    resistant = living & (traits % 2 == 1)
    assert np.array_equal(found["pair_correlation"], measures.pair_correlation(living, resistant, at.radius, H))


def test_dead_cells_at_the_rim_are_within_the_margin():
    kind = np.where(sphere(), np.where(sphere(radius=9.0), TUMOUR, DEAD), STROMA).astype(np.uint8)
    nothing, load = np.zeros_like(kind), np.ones_like(kind)
    found = measures.measure(kind, nothing, load, nothing > 0, H, measures.bins(kind.shape, H))
    assert found["infiltrating"] == (kind != STROMA).sum()


def test_an_empty_lattice_has_no_measures_and_raises_nothing():
    empty = np.zeros((4, 4, 4), dtype=np.uint8)
    found = measures.measure(empty, empty, empty, empty > 0, H, measures.bins((4, 4, 4), H))
    assert found["clusters"] == found["infiltrating"] == 0
    assert all(
        np.isnan(value).all() for name, value in found.items() if name not in {"clusters", "infiltrating", "volume"}
    )


def test_content_codes_read_back_as_kinds_and_clones():
    kind, clone, open_vessel = measures.of_content(np.arange(len(CONTENTS)))
    assert [("stroma", "cell", "dead", "vessel")[k] for k in kind] == [
        "dead" if "dead" in name else name.split()[-1] for name in CONTENTS
    ]
    assert [name for name, c in zip(CONTENTS, clone, strict=True) if c & RESISTANT] == [
        "resistant cell", "resistant antigen-low cell",
    ]  # fmt: skip
    assert [name for name, flows in zip(CONTENTS, open_vessel, strict=True) if flows] == ["open vessel"]
