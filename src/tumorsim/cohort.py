"""Virtual patients: covariates, individual parameters and lesions, the same in every arm."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from tumorsim.kernels import layout, random
from tumorsim.params.base import Process
from tumorsim.params.design import Design
from tumorsim.params.disease import KERNEL_PROCESSES, Burden, Disease
from tumorsim.params.population import Population, Spread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = NDArray[np.void]

MEAN_HEIGHT = 168.0  # cm; height is not a covariate, so body surface follows weight alone
REFERENCE_DIAMETER = 21.0  # mm, centre of the diameter effect on residual deposits
DE_NOVO_KEY = 1_000_000  # de novo lesions are keyed from here, so that deposits do not shift them
DE_NOVO_LOOKBACK = 10.0 * 365.25  # days before entry from which de novo lesions may be present
CIRRHOSIS_PLATELET_RATIO = 0.75  # portal hypertension lowers the count; assumed
LEAST_CAPACITY_RATIO = 1.05  # a lesion at entry is never beyond its capacity
SMALL_COUNT = 50.0  # expected cells below which a clone is drawn as a whole number

# occasions of STREAM_COVARIATES, one a covariate
AGE, SEX, WEIGHT, HBV, CIRRHOSIS, CHILD_PUGH, PLATELETS, MODALITY, DIAMETER, NUMBER, LYMPHOCYTES, SINGLE = range(12)
MODALITIES = ("none", "resection", "RFA", "PEI")


@dataclass(frozen=True)
class VirtualPatients:
    """A cohort before any treatment.

    Attributes
    ----------
    number : (n,) patient numbers, the key of all draws
    covariates : arrays (n,) by name, as declared in `tumorsim.variables`
    traits : (n,) records `layout.TRAITS`: individual parameters of all processes, and the body
    body_surface : (n,) m2
    dropout : (n,) day of loss to follow-up from randomisation, inf if never
    lesion_offset : (n + 1,)
    lesions : (lesion,) records `layout.LESION`, what tumour they carry and will be threatened with
    """

    number: Ints
    covariates: dict[str, Floats]
    traits: Records
    body_surface: Floats
    dropout: Floats
    lesion_offset: Ints
    lesions: Records


def stable_number(text: str) -> int:
    """A number for a name that does not change when other names are added."""
    return zlib.crc32(text.encode())


def individual(process: Process, prefix: str, numbers: Ints, seed: int) -> Floats:
    """Individual values of every parameter of a process; lognormal around the typical value.

    Shape (n, parameters). A draw is keyed by the parameter's name, so changing one
    parameter never moves another. Values are kept inside the declared bounds.
    """
    columns = []
    for name, typical, spread in zip(process.names(), process.values(), process.sd_logs(), strict=True):
        value = np.full(numbers.size, typical)
        if spread > 0.0:
            z = random.normals(seed, random.STREAM_PARAMETERS, numbers, stable_number(f"{prefix}.{name}"), 0)
            value = np.clip(typical * np.exp(spread * z), *process.bounds(name))
        columns.append(value)
    return np.stack(columns, axis=1)


def _truncated_normal(u: Floats, spread: Spread) -> Floats:
    low, high = (special.ndtr((end - spread.mean) / spread.sd) for end in (spread.low, spread.high))
    return np.asarray(spread.mean + spread.sd * special.ndtri(low + u * (high - low)))


def _covariates(population: Population, numbers: Ints, seed: int) -> dict[str, Floats]:
    def u(occasion: int) -> Floats:
        return random.uniforms(seed, random.STREAM_COVARIATES, numbers, occasion, 0)

    cirrhosis = (u(CIRRHOSIS) < population.cirrhosis).astype(float)
    weight = Spread(mean=population.weight_mean, sd=population.weight_sd, low=35.0, high=140.0)
    platelets = population.platelets_median * np.exp(population.platelets_spread * special.ndtri(u(PLATELETS)))
    return {
        "age": _truncated_normal(u(AGE), population.age),
        "male": (u(SEX) < population.male).astype(float),
        "weight": _truncated_normal(u(WEIGHT), weight),
        "hbv": (u(HBV) < population.hbv).astype(float),
        "cirrhosis": cirrhosis,
        "platelets": platelets * np.where(cirrhosis > 0, CIRRHOSIS_PLATELET_RATIO, 1.0),
        "child_pugh": (u(CHILD_PUGH) < population.child_pugh_b).astype(float),
        "modality": _modality(population, u(MODALITY)),
        "index_diameter": _index_diameter(population, u(DIAMETER)),
        "index_number": _index_number(population, u(SINGLE), u(NUMBER)),
        "lymphocyte_factor": np.exp(np.sqrt(np.log1p(population.lymphocyte_cv**2)) * special.ndtri(u(LYMPHOCYTES))),
    }


def _modality(population: Population, u: Floats) -> Floats:
    if not population.modality:
        return np.zeros(u.size)
    shares = np.array([population.modality.get(name, 0.0) for name in ("resection", "RFA", "PEI")])
    return 1.0 + np.searchsorted(np.cumsum(shares / shares.sum()), u, side="right").clip(max=2)


def _index_diameter(population: Population, u: Floats) -> Floats:
    law = population.diameter
    low, high = (special.ndtr(np.log(end / law.median) / law.spread) for end in (law.low, law.high))
    return np.asarray(law.median * np.exp(law.spread * special.ndtri(low + u * (high - low)))) / 1000.0


def _index_number(population: Population, u_single: Floats, u: Floats) -> Floats:
    law = population.number
    share = law.more / (1.0 + law.more)
    extra = np.floor(np.log(u) / np.log(share))
    return np.where(u_single < law.single, 1.0, np.minimum(2.0 + extra, law.at_most))


def _deposit_numbers(burden: Burden, covariates: dict[str, Floats], u: Floats) -> Ints:
    ablated = np.where(covariates["modality"] >= 2, burden.residual_ablation_ratio.value, 1.0)
    size = (covariates["index_diameter"] / REFERENCE_DIAMETER) ** burden.residual_diameter_exponent.value
    mean = burden.residual_deposits.value * np.where(covariates["modality"] > 0, ablated * size, 1.0)
    dispersion = burden.residual_dispersion.value
    return np.asarray(stats.nbinom.ppf(u, dispersion, dispersion / (dispersion + mean)), dtype=np.int64)


def _de_novo_arrivals(burden: Burden, cirrhosis: Floats, numbers: Ints, end: Floats, seed: int) -> tuple[Ints, Floats, Ints]:
    """Poisson arrivals from ten years before entry to the cut-off: (row, day, occasion)."""
    rate = burden.de_novo_rate.value * np.where(cirrhosis > 0, 1.0, burden.de_novo_no_cirrhosis.value)
    rows, days, occasions = [], [], []
    time = np.full(numbers.size, -DE_NOVO_LOOKBACK)
    occasion = 0
    with np.errstate(divide="ignore"):
        while True:
            time = time - np.log(random.uniforms(seed, random.STREAM_DE_NOVO, numbers, occasion, 0)) / rate
            alive = np.flatnonzero(time < end)
            if alive.size == 0:
                break
            rows.append(alive)
            days.append(time[alive])
            occasions.append(np.full(alive.size, occasion))
            occasion += 1
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    return np.concatenate(rows), np.concatenate(days), np.concatenate(occasions)


def _keyed(seed: int, stream: int, numbers: Ints, rows: Ints, keys: Ints, occasion: int) -> Floats:
    """A uniform for each lesion, keyed by patient and lesion."""
    return random.pair_uniforms(seed, stream, numbers[rows], occasion, keys)


def _whole_cells(expected: Floats, u: Floats) -> Floats:
    """Small expected counts become whole cells (Poisson); large ones stay."""
    few = expected < SMALL_COUNT
    out = expected.copy()
    out[few] = stats.poisson.ppf(u[few], expected[few])
    return out


def _clones(cells: Floats, resistant: Floats, antigen_low: float, u_r: Floats, u_a: Floats) -> Floats:
    """Cells of clones S, R, A, RA. Shape (lesion, 4)."""
    r = np.minimum(_whole_cells(cells * resistant, u_r), cells)
    a = np.minimum(_whole_cells((cells - r) * antigen_low, u_a), cells - r)
    ra = r * antigen_low
    return np.stack([cells - r - a, r - ra, a, ra], axis=1)


def _visible_lesions(population: Population, covariates: dict[str, Floats], numbers: Ints, seed: int) -> tuple[Ints, Floats, Ints]:
    """Lesions of the advanced setting at entry: (row, diameter mm, key). The first has the index diameter."""
    if population.setting == "adjuvant":
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    count = covariates["index_number"].astype(np.int64)
    rows = np.repeat(np.arange(numbers.size), count)
    keys = np.arange(rows.size) - np.repeat(np.cumsum(count) - count, count)
    share = random.pair_uniforms(seed, random.STREAM_DEPOSITS, numbers[rows], 3, keys)
    factor = np.where(keys == 0, 1.0, 0.15 + 0.75 * share)
    return rows, covariates["index_diameter"][rows] * factor, keys + 2 * DE_NOVO_KEY


def _steady_capacity_ratio(disease: Disease, volume: Floats) -> Floats:
    """Capacity per cell at which sprouting and regression balance in a lesion of ``volume`` mL at normal perfusion."""
    v = disease.vessels
    oxygen = 1.0 / (1.0 + v.half_perfusion.value)
    vegf = v.vegf_secretion.value * disease.growth.cell_density.value / v.vegf_clearance_rate.value
    vegf *= 1.0 + v.hypoxic_vegf_gain.value * (1.0 - oxygen)
    sprouting = v.capacity_growth_rate.value * vegf / (vegf + v.vegf_half_effect.value)
    with np.errstate(divide="ignore"):
        return np.asarray(sprouting / (v.capacity_loss_rate.value * volume ** (2.0 / 3.0)))


def build_lesions(
    disease: Disease, population: Population, design: Design, covariates: dict[str, Floats],
    numbers: Ints, growth_rate: Floats, end: Floats, seed: int,
) -> tuple[Ints, Records]:  # fmt: skip
    """Every lesion a patient carries at entry or may develop until the cut-off: (offset, records LESION)."""
    burden, density = disease.burden, disease.growth.cell_density.value
    count = _deposit_numbers(burden, covariates, random.uniforms(seed, random.STREAM_DEPOSITS, numbers, 0, 0))
    rows = np.repeat(np.arange(numbers.size), count)
    keys = np.arange(rows.size) - np.repeat(np.cumsum(count) - count, count)
    z = special.ndtri(_keyed(seed, random.STREAM_DEPOSITS, numbers, rows, keys, 1))
    deposit = burden.residual_size.value * 10.0 ** (burden.residual_size_spread.value * z)
    late_rows, late_day, occasion = _de_novo_arrivals(burden, covariates["cirrhosis"], numbers, end, seed)
    seen_rows, seen_diameter, seen_keys = _visible_lesions(population, covariates, numbers, seed)

    row = np.concatenate([seen_rows, rows, late_rows])
    key = np.concatenate([seen_keys, keys, occasion + DE_NOVO_KEY])
    day = np.concatenate([np.zeros(seen_rows.size + rows.size), late_day])
    seen_cells = density * (np.pi / 6.0) * (seen_diameter / 10.0) ** 3
    cells = np.concatenate([seen_cells, np.maximum(deposit, 1.0), np.full(late_rows.size, burden.de_novo_size.value)])
    hidden = np.concatenate([np.zeros(seen_rows.size, bool), np.ones(rows.size + late_rows.size, bool)])

    spread = burden.lesion_growth_spread.value
    rate = growth_rate[row] * np.exp(
        spread * special.ndtri(_keyed(seed, random.STREAM_LESION_BIOLOGY, numbers, row, key, 0))
    )
    u = _keyed(seed, random.STREAM_DETECTABILITY, numbers, row, key, 0)
    imaging = design.imaging
    threshold = imaging.detection_diameter / 1000.0 * (u / (1.0 - u)) ** (1.0 / imaging.detection_steepness)

    # what arrived before entry has grown since; what would have been seen then was treated then
    cells = cells * np.exp(rate * np.maximum(-day, 0.0).clip(max=60.0 / rate))
    largest_hidden = density * (np.pi / 6.0) * (0.95 * threshold / 10.0) ** 3
    treated = hidden & (day < 0.0) & (cells > largest_hidden)
    cells = np.where(hidden & (day >= 0.0), np.minimum(cells, largest_hidden), cells)
    keep = np.flatnonzero(~treated)
    keep = keep[np.lexsort((key[keep], np.maximum(day[keep], 0.0), row[keep]))]
    row, key, day, cells, rate, threshold = (x[keep] for x in (row, key, day, cells, rate, threshold))

    spread_r = burden.initial_resistant_spread.value
    z_r = random.normals(seed, random.STREAM_CLONES, numbers, 0, 0)
    resistant = np.minimum(burden.initial_resistant_fraction.value * 10.0 ** (spread_r * z_r), 0.9)
    clones = _clones(
        cells, resistant[row], burden.initial_antigen_low_fraction.value,
        _keyed(seed, random.STREAM_CLONES, numbers, row, key, 1), _keyed(seed, random.STREAM_CLONES, numbers, row, key, 2),
    )  # fmt: skip
    ratio = np.minimum(_steady_capacity_ratio(disease, cells / density), burden.initial_capacity_ratio.value)
    capacity = np.maximum(cells * np.maximum(ratio, LEAST_CAPACITY_RATIO), burden.initial_capacity_floor.value)
    offset = np.searchsorted(row, np.arange(numbers.size + 1)).astype(np.int64)
    lesions = np.zeros(row.size, layout.LESION)
    lesions["arrival"], lesions["cells"], lesions["capacity"] = np.maximum(day, 0.0), clones, capacity
    lesions["mark"] = np.where(day > 0.0, _keyed(seed, random.STREAM_DE_NOVO, numbers, row, key, 1), 1.0)
    lesions["rate"], lesions["threshold"], lesions["key"] = rate, threshold, key
    return offset, lesions


def draw(disease: Disease, population: Population, design: Design, numbers: Ints, seed: int) -> VirtualPatients:
    """Virtual patients of the given numbers.

    A patient's draws depend on the seed and the patient's number only: not on the
    arm, on how many others there are, or on their order.

    Parameters
    ----------
    disease, population, design
        Blocks of the scenario.
    numbers : (n,)
        Patient numbers.
    seed
        The scenario's seed.
    """
    covariates = _covariates(population, numbers, seed)
    enrolment = design.accrual * random.uniforms(seed, random.STREAM_ENROLMENT, numbers, 0, 0)
    end = design.cutoff - enrolment
    traits = _traits(disease, population, covariates, numbers, end, seed)
    growth_rate = traits["growth"]["growth_rate"].copy()
    covariates |= {"growth_rate": growth_rate, "enrolment_time": enrolment}
    with np.errstate(divide="ignore"):
        dropout = -np.log(random.uniforms(seed, random.STREAM_DROPOUT, numbers, 0, 0)) / np.float64(design.dropout_rate)
    offset, lesions = build_lesions(disease, population, design, covariates, numbers, growth_rate, end, seed)
    body_surface = np.sqrt(MEAN_HEIGHT * covariates["weight"] / 3600.0)
    return VirtualPatients(numbers, covariates, traits, body_surface, dropout, offset, lesions)


def _traits(
    disease: Disease, population: Population, covariates: dict[str, Floats], numbers: Ints, end: Floats, seed: int
) -> Records:
    """Records `layout.TRAITS` of every patient."""
    traits = np.zeros(numbers.size, layout.TRAITS)
    for name in KERNEL_PROCESSES:
        process: Process = getattr(disease, name)
        for column, values in zip(process.names(), individual(process, name, numbers, seed).T, strict=True):
            traits[name][column] = values
    traits["number"], traits["end"] = numbers, end
    traits["age"], traits["cirrhosis"] = covariates["age"], covariates["cirrhosis"]
    traits["reserve"] = np.where(covariates["child_pugh"] > 0, population.reserve_b, population.reserve_a)
    return traits
