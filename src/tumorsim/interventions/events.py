"""Event tables: what happens to each patient of an arm, and when.

A table is built for all patients of an arm at once. The kernel restarts its integration at every
event, so an event that changes nothing would still change the last digits. Hence two rules, which
make "no drug = zero dose" and "no infusion = zero cells" hold bit for bit:

- a course of dose zero is left out with all it would do, and so are single doses and infusions of
  exactly zero;
- a change of a rate to the value it already has is left out (every rate begins at zero).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tumorsim.interventions.base import Context, Floats, Intervention, Ints, Pauses, Pool, Recipients, Rows
from tumorsim.kernels.layout import EVENT_DRUG_BOLUS, EVENT_DRUG_RATE, EVENT_INFUSION
from tumorsim.params.base import Process
from tumorsim.params.cell_product import CellModel
from tumorsim.params.drug import DrugModel
from tumorsim.params.tace import TaceModel

__all__ = [
    "EventTable",
    "Recipients",
    "Roster",
    "Rows",
    "StopRules",
    "build_events",
    "merge",
    "roster_of",
    "stop_rules",
]


@dataclass(frozen=True)
class EventTable:
    """Events of n patients; those of patient i stand at ``offset[i]:offset[i + 1]``.

    Within a patient they are sorted by time, then kind, then index; what is equal in all keeps
    the order in which it came.

    Attributes
    ----------
    offset
        First event of each patient, and the number of all. Shape (n + 1,).
    time
        Days from randomisation. Shape (events,).
    kind, index, value
        As in ``kernels/layout.py``. Shape (events,).
    """

    offset: Ints = field(repr=False)
    time: Floats = field(repr=False)
    kind: Ints = field(repr=False)
    index: Ints = field(repr=False)
    value: Floats = field(repr=False)

    @classmethod
    def of(cls, rows: Rows, patients: int) -> EventTable:
        """Sort rows into a table of ``patients`` patients."""
        order = np.lexsort((rows.index, rows.kind, rows.time, rows.patient))  # stable
        counts = np.bincount(rows.patient, minlength=patients)
        offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(offset, rows.time[order], rows.kind[order], rows.index[order], rows.value[order])

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.offset.size - 1)

    def rows(self) -> Rows:
        """The events with the position of their patient."""
        patient = np.repeat(np.arange(self.patients, dtype=np.int64), np.diff(self.offset))
        return Rows(patient, self.time, self.kind, self.index, self.value)


def merge(*tables: EventTable) -> EventTable:
    """One table of the events of several tables of the same patients.

    Raises
    ------
    ValueError
        No table, or tables of different numbers of patients.
    """
    sizes = {table.patients for table in tables}
    if len(sizes) != 1:
        raise ValueError(f"tables of {sorted(sizes)} patients cannot be merged; give tables of the same patients")
    return EventTable.of(Rows.concatenate([table.rows() for table in tables]), sizes.pop())


@dataclass(frozen=True)
class Roster:
    """What can be given in a trial; an event's index is a place in one of these.

    Attributes
    ----------
    drugs, products, procedures
        Different definitions in the order in which the arms name them.
    """

    drugs: tuple[DrugModel, ...] = ()
    products: tuple[CellModel, ...] = ()
    procedures: tuple[TaceModel, ...] = ()

    def index(self, treatment: Intervention) -> int:
        """Place of what a treatment gives; 0 if it needs no definition.

        Raises
        ------
        ValueError
            The roster was made from other arms.
        """
        if treatment.POOL is None:
            return 0
        pool: tuple[Process, ...] = getattr(self, treatment.POOL)
        for place, known in enumerate(pool):
            if known == treatment.definition:
                return place
        raise ValueError(f"{treatment.name} is not in the roster; build it from all arms with roster_of(arms)")


def roster_of(
    arms: Iterable[Sequence[Intervention]],
    drugs: Iterable[DrugModel] = (),
    procedures: Iterable[TaceModel] = (),
) -> Roster:
    """Everything that the arms give, equal definitions once.

    Parameters
    ----------
    arms
        Treatments of each arm.
    drugs, procedures
        What else the trial may need, such as treatment after progression; comes last.
    """
    pools: dict[Pool, list[Process]] = {"drugs": [], "products": [], "procedures": []}
    named: list[tuple[Pool, Process | None]] = [(t.POOL, t.definition) for arm in arms for t in arm if t.POOL]
    named += [("drugs", drug) for drug in drugs] + [("procedures", procedure) for procedure in procedures]
    for pool, definition in named:
        if definition is not None and definition not in pools[pool]:
            pools[pool].append(definition)
    # a pool holds models of one class: that is what `POOL` of an intervention says
    return Roster(**{pool: tuple(found) for pool, found in pools.items()})  # type: ignore[arg-type]


@dataclass(frozen=True)
class StopRules:
    """What progression ends in one arm.

    Attributes
    ----------
    drugs, products
        True where giving stops at progression; as long as the tuples of the roster.
    """

    drugs: NDArray[np.bool_]
    products: NDArray[np.bool_]


def stop_rules(treatments: Sequence[Intervention], roster: Roster) -> StopRules:
    """What progression ends in an arm.

    Raises
    ------
    ValueError
        Two courses of one thing in the arm disagree: progression is seen by the thing, not by the course.
    """
    rules: dict[Pool, dict[int, bool]] = {"drugs": {}, "products": {}}
    for treatment in treatments:
        if treatment.POOL not in rules:
            continue
        stops = treatment.stops_at_progression
        if rules[treatment.POOL].setdefault(roster.index(treatment), stops) != stops:
            raise ValueError(
                f"{treatment.name} is given until progression and also beyond it in one arm; "
                'write the same "until: progression" or "until: end" for both'
            )
    masks = {}
    for pool, found in rules.items():
        masks[pool] = np.zeros(len(getattr(roster, pool)), np.bool_)
        masks[pool][[place for place, stops in found.items() if stops]] = True
    return StopRules(**masks)


def build_events(
    treatments: Sequence[Intervention], roster: Roster, patients: Recipients, seed: int, horizon: float
) -> EventTable:
    """Everything planned for the patients of an arm, as if nobody progressed.

    Draws are keyed by seed, stream, patient number, and what is given: a patient's luck depends
    neither on the arm, nor on its other treatments, nor on the other patients.

    Parameters
    ----------
    treatments
        Treatments of the arm.
    roster
        From `roster_of` all arms.
    patients
        Patients of the arm. Shape (n,).
    seed
        Seed of the scenario, in [0, 2**63).
    horizon
        Days from randomisation; events lie in [0, horizon).

    Raises
    ------
    ValueError
        A schedule with too many doses, or a horizon that is not finite.
    """
    given = [treatment for treatment in treatments if treatment.planned(horizon)[1] != 0.0]
    contexts = _contexts(given, roster, patients, seed, horizon)
    parts = [treatment.emit(context) for treatment, context in zip(given, contexts, strict=True)]
    course = np.repeat(np.arange(len(parts)), [part.time.size for part in parts])
    rows = Rows.concatenate(parts)
    inside = (rows.time >= 0.0) & (rows.time < horizon)
    rows, course = rows.where(inside), course[inside]
    rates = rows.kind == EVENT_DRUG_RATE
    doses = (rows.kind == EVENT_DRUG_BOLUS) | (rows.kind == EVENT_INFUSION)
    single = rows.where(~rates & ~(doses & (rows.value == 0.0)))
    return EventTable.of(Rows.concatenate([single, _net_rates(rows.where(rates), course[rates])]), patients.size)


def _contexts(
    treatments: Sequence[Intervention], roster: Roster, patients: Recipients, seed: int, horizon: float
) -> list[Context]:
    """Context of each treatment, pauses of the whole arm included."""
    identities = [f"{t.KEY}:{t.name}" for t in treatments]
    ordinals = [0] * len(treatments)
    seen: dict[str, int] = {}
    for place in sorted(range(len(treatments)), key=lambda i: treatments[i].first_day):
        ordinals[place] = seen.get(identities[place], 0)
        seen[identities[place]] = ordinals[place] + 1
    free = Pauses.none(patients.size)

    def context(place: int, delays: Pauses) -> Context:
        index = roster.index(treatments[place])
        return Context(patients, seed, horizon, index, identities[place], ordinals[place], delays)

    pauses = [treatment.pauses(context(place, free)) for place, treatment in enumerate(treatments)]
    delays = Pauses.union([p for p in pauses if p is not None], patients.size)
    return [context(place, delays) for place in range(len(treatments))]


def _net_rates(rows: Rows, course: Ints) -> Rows:
    """Rates of intake of each drug summed over its courses; what changes nothing is left out.

    Each row says the rate of its own course from then on. The sum is taken anew at every change,
    in the order of the courses: a running sum of differences would not come back to zero.
    """
    if rows.time.size == 0:
        return rows
    order = np.lexsort((course, rows.time, rows.patient, rows.index))
    rows, course = rows.where(order), course[order]
    line = np.arange(rows.time.size)
    new = _first_of_drug(rows)
    first = np.maximum.accumulate(np.where(new, line, 0))
    total = np.zeros(line.size)
    for number in np.unique(course):
        latest = np.maximum.accumulate(np.where(course == number, line, -1))
        total += np.where(latest >= first, rows.value[latest], 0.0)
    # of simultaneous changes the last one sees them all
    keep = np.r_[new[1:] | (np.diff(rows.time) != 0.0), True]
    rows, total = rows.where(keep), total[keep]
    new = _first_of_drug(rows)
    changes = total != np.where(new, 0.0, np.r_[0.0, total[:-1]])
    return Rows(rows.patient, rows.time, rows.kind, rows.index, total).where(changes)


def _first_of_drug(rows: Rows) -> NDArray[np.bool_]:
    """Whether a row is the first of its drug and patient; rows are sorted by drug, then patient."""
    first = np.ones(rows.time.size, np.bool_)
    first[1:] = (np.diff(rows.index) != 0) | (np.diff(rows.patient) != 0)
    return first
