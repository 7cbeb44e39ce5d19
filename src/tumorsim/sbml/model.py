"""The whole model of one patient in one arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumorsim.course import Inputs, Walk, advance_to
from tumorsim.interventions.events import Roster
from tumorsim.kernels import layout, random
from tumorsim.kernels.derivatives import count_states
from tumorsim.kernels.layout import Floats, Records
from tumorsim.params.disease import Disease
from tumorsim.sbml.body import (
    CAUSES,
    COMPARTMENTS,
    Names,
    add_drug,
    add_drug_effects,
    add_host,
    add_parameters,
    add_product,
)
from tumorsim.sbml.happenings import add_deeds, lesion_id, start_of
from tumorsim.sbml.lesion import HEAD, Place, add_lesion, add_vessel_laws
from tumorsim.sbml.system import System
from tumorsim.trial import RELATIVE_TOLERANCE

NEVER = 1e9  # limit of a cumulative hazard that is not reached
SPARE_DRAWS = 3  # further entries into the small regime for which a lesion has its own draw of luck


@dataclass
class Exported:
    """One patient's model, and the course whose schedule it holds.

    Attributes
    ----------
    system
        The model.
    walk
        At its end.
    until
        Day of the data cut-off.
    days, states
        Of the looks asked for, with the number of each lesion present.
    """

    system: System
    walk: Walk
    until: float
    days: list[float]
    states: list[tuple[Floats, list[int]]]


def export_patient(
    inputs: Inputs, disease: Disease, roster: Roster, row: int = 0, *,
    relative_tolerance: float = RELATIVE_TOLERANCE, until: float | None = None, looks: tuple[float, ...] = (),
    mortal: bool = True,
) -> Exported:  # fmt: skip
    """Run one patient's course, and state it as a model.

    Parameters
    ----------
    inputs
        Patients of one arm.
    disease, roster
        Definitions behind their records: names, units, sources.
    row
        The patient's row.
    relative_tolerance
        Of the course, whose visits and treatments become dated events.
    until
        Day of the end; the data cut-off if None.
    looks
        Days whose states are kept.
    mortal
        Whether death ends the course; without it the limits are never reached.
    """
    walk = Walk(inputs, row, relative_tolerance, mortal)
    end = float(walk.patient.traits["end"]) if until is None else until
    starts: list[Start] = []

    def carry(walk: Walk, t: float, t_end: float, changed: bool) -> int:
        if not starts:  # day 0 is done, nothing is integrated yet
            starts.append(Start(walk.state(), walk.patient.intake["rate"].copy(), walk.numbers().tolist()))
        return advance_to(walk, t, t_end, changed)

    days, states, wanted = list[float](), list[tuple[Floats, list[int]]](), set(looks)
    for day in walk.stops(end, carry, looks):
        if day in wanted:
            days.append(day)
            states.append((walk.state(), walk.numbers().tolist()))
    return Exported(_system(walk, starts[0], disease, roster), walk, end, days, states)


@dataclass(frozen=True)
class Start:
    """State, intake of each drug and lesions present after what is due on day 0."""

    y: Floats
    rates: Floats
    lesions: list[int]


def state_ids(names: Names, lesions: Sequence[int]) -> list[str]:
    """Identifier of every state, in the order of `tumorsim.kernels.layout`; lesions by their number."""
    found = [f"{drug}_{place}" for drug in names.drugs for place in ("central", "peripheral")]
    found += [f"{product}_{place}" for product in names.products for place in COMPARTMENTS]
    found += ["memory", "liver_reserve", *(f"{cause}_cumulative_hazard" for cause in CAUSES)]
    for lesion in lesions:
        sid = lesion_id(lesion)
        found += [f"{sid}_{name}" for name in HEAD]
        for product in names.products:
            found += [f"{sid}_{product}", f"{sid}_{product}_exhausted"]
    return found


def _system(walk: Walk, start: Start, disease: Disease, roster: Roster) -> System:
    """The model of a course that is over."""
    names, known = names_of(roster), walk.inputs.cohort.lesions
    lesions = known[walk.first : walk.first + walk.arrivals.size]
    lesions = lesions[: int(np.count_nonzero(lesions["arrival"] <= walk.t))]
    places = [_place(walk, start, index, lesion) for index, lesion in enumerate(lesions)]
    limits = [min(float(one), NEVER) for one in walk.work.memo["limits"]]
    system = assemble(walk.patient, disease, roster, start.y, start.rates, limits, places)
    for place, lesion in zip(places, lesions, strict=True):
        if not place.present:
            system.constant(
                f"{place.sid}_mark", f"{place.sid} is prevented where memory protects more than this (eq. M3)", "1",
                float(lesion["mark"]), "Drawn for this lesion",
            )  # fmt: skip
    add_deeds(system, walk.deeds, names, lesions, float(walk.policy["residual_fraction"]))
    return system


def assemble(
    patient: layout.Patient, disease: Disease, roster: Roster, y: Floats, rates: Floats, limits: Sequence[float],
    places: Sequence[Place],
) -> System:  # fmt: skip
    """Parameters, laws and states of a patient; no dated event.

    Parameters
    ----------
    patient
        Records of the patient; days of first doses are read from ``intake``.
    disease, roster
        Definitions behind the records.
    y
        States of the body at the start; what follows them is not read.
    rates : (drugs,)
        Intake at the start, mg/day.
    limits : (3,)
        Cumulative hazards at which the patient dies.
    places
        Lesions.
    """
    system, names = System(), names_of(roster)
    sids = [place.sid for place in places]
    drugs, products = layout.DRUG_STATES * len(names.drugs), layout.PRODUCT_STATES * len(names.products)
    start = y[: drugs + products + layout.BODY_TAIL].tolist()
    add_parameters(
        system, names, disease, (roster.drugs, roster.products, roster.procedures), patient.traits,
        (patient.drugs, patient.products),
    )  # fmt: skip
    for i, sid in enumerate(names.drugs):
        add_drug(system, sid, start[2 * i : 2 * i + 2], float(rates[i]), float(patient.intake["start"][i]))
    add_drug_effects(system, names.drugs)
    for i, sid in enumerate(names.products):
        add_product(system, sid, start[drugs + 4 * i : drugs + 4 * i + 4], sids)
    add_host(system, names.products, sids, start[drugs + products :], limits)
    add_vessel_laws(system)
    for place in places:
        add_lesion(system, place, names.products)
    return system


def names_of(roster: Roster) -> Names:
    """Identifiers of everything that is given in the trial."""
    return Names.of(roster.drugs, roster.products, roster.procedures)


def _place(walk: Walk, start: Start, index: int, lesion: Records) -> Place:
    """A lesion at the start: there already, or still to come."""
    products, traits = walk.patient.products.size, walk.patient.traits
    body = int(count_states(0, walk.patient.drugs.size, products))
    present = index in start.lesions
    states, small = start_of(lesion, float(traits["vessels"]["baseline_maturity"]), products), 0.0
    if present:
        states = start.y[body:].reshape(len(start.lesions), -1)[start.lesions.index(index)].tolist()
        cells = sum(states[: layout.CLONES])
        small = cells if cells < traits["growth"]["extinction_size"] else 0.0
    entries = int(walk.work.marks["entries"][index]) + SPARE_DRAWS
    draws = [
        float(random.uniform(int(walk.policy["seed"]), random.STREAM_EXTINCTION, int(traits["number"]), entry,
                             int(lesion["key"])))
        for entry in range(1, entries + 1)
    ]  # fmt: skip
    return Place(lesion_id(index), float(lesion["rate"]), states, present, small, draws)
