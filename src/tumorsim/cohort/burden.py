"""The tumour a virtual patient starts with, and what may arise later (docs/theory/burden.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from tumorsim.cohort.counts import negative_binomial_quantile, poisson_quantile
from tumorsim.cohort.covariates import MICROMETRES, Floats, Ints
from tumorsim.kernels import layout, random
from tumorsim.kernels.layout import Records
from tumorsim.params.design import Imaging
from tumorsim.params.disease import Burden, Disease
from tumorsim.params.population import Population
from tumorsim.units import YEAR

REFERENCE_DIAMETER = 21.0  # mm, centre of the diameter effect on residual deposits
DE_NOVO_KEY = 1_000_000  # de novo lesions are keyed from here, so that deposits do not shift them
VISIBLE_KEY = 2_000_000  # and lesions seen at entry from here
DE_NOVO_LOOKBACK = 10.0 * YEAR  # days before entry from which de novo lesions may be present
LARGEST_EXPONENT = 60.0  # of growth before entry; anything near it was seen and treated
HIDDEN = 0.95  # of its detection threshold: the largest diameter of a lesion not seen at entry
SMALLEST_SATELLITE, SATELLITE_RANGE = 0.15, 0.75  # diameters of further visible lesions against the largest
LEAST_CAPACITY_RATIO = 1.05  # a lesion at entry is never beyond its capacity
SMALL_COUNT = 50.0  # expected cells below which a clone is drawn as a whole number
MOST_RESISTANT = 0.9  # share of resistant cells at entry


@dataclass(frozen=True)
class Seeds:
    """Lesions before their biology is known, one entry each.

    Attributes
    ----------
    row : position of the patient
    key : number of its draws
    day : arrival; negative before entry
    cells : at arrival
    visible : seen at entry
    """

    row: Ints
    key: Ints
    day: Floats
    cells: Floats
    visible: Ints

    def where(self, which: Ints) -> Seeds:
        """The lesions at these places, in this order."""
        return Seeds(self.row[which], self.key[which], self.day[which], self.cells[which], self.visible[which])

    def uniforms(self, seed: int, stream: int, numbers: Ints, occasion: int) -> Floats:
        """A uniform for each lesion, keyed by patient and lesion."""
        return np.asarray(random.pair_uniforms(seed, stream, numbers[self.row], occasion, self.key))


def spherical_cells(diameter: Floats, density: float) -> Floats:
    """Cells in a sphere of ``diameter`` mm at ``density`` cells per mL."""
    return density * (np.pi / 6.0) * (diameter / 10.0) ** 3


def build_lesions(
    disease: Disease,
    population: Population,
    imaging: Imaging,
    covariates: dict[str, Floats],
    traits: Records,
    seed: int,
) -> tuple[Ints, Records]:
    """Every lesion a patient carries at entry or may develop until the cut-off.

    Parameters
    ----------
    disease, population, imaging
        Blocks of the scenario.
    covariates
        By declared name, each (n,).
    traits : (n,)
        Records `layout.TRAITS`.
    seed
        The scenario's seed.

    Returns
    -------
    offset : (n + 1,), lesions : (lesion,) records `layout.LESION` by arrival within a patient
    """
    numbers, density = np.ascontiguousarray(traits["number"]), disease.growth.cell_density.value
    parts = (
        _visible(population, covariates, numbers, density, seed),
        _deposits(disease.burden, covariates, numbers, seed),
        _de_novo(disease.burden, covariates["cirrhosis"], numbers, traits["end"], seed),
    )
    columns = ("row", "key", "day", "cells", "visible")
    seeds = Seeds(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))
    growth_rate = np.asarray(traits["growth"]["growth_rate"])
    rate, threshold = (
        _rates(disease.burden, seeds, growth_rate, numbers, seed),
        _thresholds(imaging, seeds, numbers, seed),
    )
    cells, keep = _at_entry(seeds, rate, threshold, density)
    keep = keep[np.lexsort((seeds.key[keep], np.maximum(seeds.day[keep], 0.0), seeds.row[keep]))]
    seeds, cells = seeds.where(keep), cells[keep]

    lesions = np.zeros(keep.size, layout.LESION)
    lesions["arrival"], lesions["key"] = np.maximum(seeds.day, 0.0), seeds.key
    lesions["rate"], lesions["threshold"] = rate[keep], threshold[keep]
    lesions["cells"] = _clones(disease.burden, seeds, cells, numbers, seed)
    lesions["capacity"] = _capacity(disease, cells)
    lesions["mark"] = np.where(seeds.day > 0.0, seeds.uniforms(seed, random.STREAM_DE_NOVO, numbers, 1), 1.0)
    return np.searchsorted(seeds.row, np.arange(numbers.size + 1)).astype(np.int64), lesions


def _numbered(count: Ints) -> tuple[Ints, Ints]:
    """Row of each of ``count`` lesions a patient, and its number within the patient."""
    rows = np.repeat(np.arange(count.size), count)
    return rows, np.arange(rows.size) - np.repeat(np.cumsum(count) - count, count)


def _visible(population: Population, covariates: dict[str, Floats], numbers: Ints, density: float, seed: int) -> Seeds:
    """Lesions of the advanced setting at entry; the first has the index diameter (eq. B3)."""
    count = covariates["index_number"].astype(np.int64)
    if population.setting == "adjuvant":
        count = np.zeros_like(count)
    rows, places = _numbered(count)
    share = random.pair_uniforms(seed, random.STREAM_DEPOSITS, numbers[rows], 3, places)
    factor = np.where(places == 0, 1.0, SMALLEST_SATELLITE + SATELLITE_RANGE * share)
    cells = spherical_cells(covariates["index_diameter"][rows] * factor, density)
    return Seeds(rows, places + VISIBLE_KEY, np.zeros(rows.size), cells, np.ones(rows.size, np.int64))


def _deposits(burden: Burden, covariates: dict[str, Floats], numbers: Ints, seed: int) -> Seeds:
    """Deposits too small to be seen at entry: negative binomial number, lognormal size (eqs B4, B5)."""
    ablated = np.where(covariates["modality"] >= 2, burden.residual_ablation_ratio.value, 1.0)
    several = np.where(covariates["index_number"] > 1, burden.residual_multiple_ratio.value, 1.0)
    size = (covariates["index_diameter"] / REFERENCE_DIAMETER) ** burden.residual_diameter_exponent.value
    mean = burden.residual_deposits.value * np.where(covariates["modality"] > 0, ablated * several * size, 1.0)
    dispersion = burden.residual_dispersion.value
    u = random.uniforms(seed, random.STREAM_DEPOSITS, numbers, 0, 0)
    count = negative_binomial_quantile(u, dispersion, mean).astype(np.int64)
    rows, places = _numbered(count)
    z = special.ndtri(random.pair_uniforms(seed, random.STREAM_DEPOSITS, numbers[rows], 1, places))
    cells = np.maximum(burden.residual_size.value * 10.0 ** (burden.residual_size_spread.value * z), 1.0)
    return Seeds(rows, places, np.zeros(rows.size), cells, np.zeros(rows.size, np.int64))


def _de_novo(burden: Burden, cirrhosis: Floats, numbers: Ints, end: Floats, seed: int) -> Seeds:
    """Poisson arrivals from ten years before entry to the cut-off (eq. B6)."""
    rate = burden.de_novo_rate.value * np.where(cirrhosis > 0, 1.0, burden.de_novo_no_cirrhosis.value)
    rows, days, occasions = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    time, occasion = np.full(numbers.size, -DE_NOVO_LOOKBACK), 0
    while True:
        with np.errstate(divide="ignore"):
            time = time - np.log(random.uniforms(seed, random.STREAM_DE_NOVO, numbers, occasion, 0)) / rate
        coming = np.flatnonzero(time < end)
        if coming.size == 0:
            break
        rows.append(coming)
        days.append(time[coming])
        occasions.append(np.full(coming.size, occasion))
        occasion += 1
    row = np.concatenate(rows)
    cells = np.full(row.size, burden.de_novo_size.value)
    return Seeds(
        row, np.concatenate(occasions) + DE_NOVO_KEY, np.concatenate(days), cells, np.zeros(row.size, np.int64)
    )


def _rates(burden: Burden, seeds: Seeds, growth_rate: Floats, numbers: Ints, seed: int) -> Floats:
    """Net growth rate of each lesion, lognormal around its patient's (eq. B7)."""
    z = special.ndtri(seeds.uniforms(seed, random.STREAM_LESION_BIOLOGY, numbers, 0))
    return np.asarray(growth_rate[seeds.row] * np.exp(burden.lesion_growth_spread.value * z))


def _thresholds(imaging: Imaging, seeds: Seeds, numbers: Ints, seed: int) -> Floats:
    """Smallest diameter in mm at which each lesion is seen: log-logistic (eq. O1)."""
    u = seeds.uniforms(seed, random.STREAM_DETECTABILITY, numbers, 0)
    odds = (u / (1.0 - u)) ** (1.0 / imaging.detection_steepness)
    return np.asarray(imaging.detection_diameter / MICROMETRES * odds)


def _at_entry(seeds: Seeds, rate: Floats, threshold: Floats, density: float) -> tuple[Floats, Ints]:
    """Cells at entry or arrival, and the lesions to keep (eq. B10).

    What arrived before entry has grown since; what would have been seen then was
    treated then, so it is left out. A deposit cannot be larger than what is hidden.
    """
    grown = np.minimum(rate * np.maximum(-seeds.day, 0.0), LARGEST_EXPONENT)
    cells = seeds.cells * np.exp(grown)
    largest = spherical_cells(HIDDEN * threshold, density)
    hidden = seeds.visible == 0
    treated = hidden & (seeds.day < 0.0) & (cells > largest)
    return np.where(hidden & (seeds.day >= 0.0), np.minimum(cells, largest), cells), np.flatnonzero(~treated)


def _whole_cells(expected: Floats, u: Floats) -> Floats:
    """Small expected counts become whole cells (Poisson); large ones stay."""
    few = expected < SMALL_COUNT
    out = expected.copy()
    out[few] = poisson_quantile(u[few], expected[few])
    return out


def _clones(burden: Burden, seeds: Seeds, cells: Floats, numbers: Ints, seed: int) -> Floats:
    """Cells of clones S, R, A, RA at arrival (eq. B8). Shape (lesion, 4)."""
    z = random.normals(seed, random.STREAM_CLONES, numbers, 0, 0)
    spread = burden.initial_resistant_spread.value
    share = np.minimum(burden.initial_resistant_fraction.value * 10.0 ** (spread * z), MOST_RESISTANT)
    low = burden.initial_antigen_low_fraction.value
    resistant = _whole_cells(cells * share[seeds.row], seeds.uniforms(seed, random.STREAM_CLONES, numbers, 1))
    resistant = np.minimum(resistant, cells)
    rest = cells - resistant
    antigen_low = np.minimum(_whole_cells(rest * low, seeds.uniforms(seed, random.STREAM_CLONES, numbers, 2)), rest)
    both = resistant * low
    return np.stack([rest - antigen_low, resistant - both, antigen_low, both], axis=1)


def _capacity(disease: Disease, cells: Floats) -> Floats:
    """Vascular capacity at arrival: that at which sprouting balances regression, within limits (eq. B9)."""
    v, burden, density = disease.vessels, disease.burden, disease.growth.cell_density.value
    oxygen = 1.0 / (1.0 + v.half_perfusion.value)
    vegf = v.vegf_secretion.value * density / v.vegf_clearance_rate.value
    vegf *= 1.0 + v.hypoxic_vegf_gain.value * (1.0 - oxygen)
    sprouting = v.capacity_growth_rate.value * vegf / (vegf + v.vegf_half_effect.value)
    with np.errstate(divide="ignore"):
        steady = sprouting / (v.capacity_loss_rate.value * (cells / density) ** (2.0 / 3.0))
    ratio = np.maximum(np.minimum(steady, burden.initial_capacity_ratio.value), LEAST_CAPACITY_RATIO)
    return np.maximum(cells * ratio, burden.initial_capacity_floor.value)
