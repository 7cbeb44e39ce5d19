"""Virtual patients: covariates, individual parameters and lesions, the same in every arm."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from tumorsim.cohort.burden import build_lesions
from tumorsim.cohort.covariates import Floats, Ints, covariates
from tumorsim.kernels import layout, random
from tumorsim.kernels.layout import Records
from tumorsim.params.base import Process
from tumorsim.params.design import Design
from tumorsim.params.disease import KERNEL_PROCESSES, Disease
from tumorsim.params.host import MEAN_HEIGHT
from tumorsim.params.population import Population


@dataclass(frozen=True)
class VirtualPatients:
    """A cohort before any treatment.

    Attributes
    ----------
    number : (n,) patient numbers, the key of all draws
    covariates : arrays (n,) by name, as declared in `tumorsim.variables`
    traits : (n,) records `layout.TRAITS`: individual parameters of all processes, and the body
    body_surface : (n,) m2 (Mosteller)
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
    """Individual values of every parameter of a process; lognormal around the typical value (eq. B11).

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
    known = covariates(population, numbers, seed)
    enrolment = design.accrual * random.uniforms(seed, random.STREAM_ENROLMENT, numbers, 0, 0)
    end = design.cutoff - enrolment
    traits = _traits(disease, population, known, numbers, end, seed)
    known |= {"growth_rate": traits["growth"]["growth_rate"].copy(), "enrolment_time": enrolment}
    with np.errstate(divide="ignore"):
        dropout = -np.log(random.uniforms(seed, random.STREAM_DROPOUT, numbers, 0, 0)) / np.float64(design.dropout_rate)
    offset, lesions = build_lesions(disease, population, design.imaging, known, traits, seed)
    body_surface = np.sqrt(MEAN_HEIGHT * known["weight"] / 3600.0)
    return VirtualPatients(numbers, known, traits, body_surface, dropout, offset, lesions)


def _traits(
    disease: Disease, population: Population, known: dict[str, Floats], numbers: Ints, end: Floats, seed: int
) -> Records:
    """Records `layout.TRAITS` of every patient."""
    traits = np.zeros(numbers.size, layout.TRAITS)
    for name in KERNEL_PROCESSES:
        process: Process = getattr(disease, name)
        for column, values in zip(process.names(), individual(process, name, numbers, seed).T, strict=True):
            traits[name][column] = values
    traits["number"], traits["end"] = numbers, end
    traits["age"], traits["cirrhosis"] = known["age"], known["cirrhosis"]
    traits["reserve"] = np.where(known["child_pugh"] > 0, population.reserve_b, population.reserve_a)
    return traits
