"""One patient's course, stop by stop, in Python: what a run does, with every treatment written down on the way.

The loop of `tumorsim.models.patient` with the same compiled phases. It serves where a
course is taken apart: the export to SBML, and comparisons with other integrators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tumorsim.kernels import decay, layout
from tumorsim.kernels.advance import advance
from tumorsim.kernels.derivatives import count_states
from tumorsim.kernels.integrate import lanes_for
from tumorsim.kernels.layout import Floats, Ints, Records
from tumorsim.kernels.treat import salvage
from tumorsim.models import patient as model
from tumorsim.trial import SimulationError

KINDS = ("arrival", "intake", "bolus", "infusion", "tace", "resection", "death")


@dataclass
class Inputs:
    """Patients of one arm, laid out for the kernels.

    Attributes
    ----------
    cohort
        Patients, lesions and events.
    policy : (1,)
        Record `layout.POLICY`.
    visits
        Rows of visits a patient has.
    """

    cohort: layout.Cohort
    policy: Records
    visits: int


@dataclass(frozen=True)
class Deed:
    """Something done to the patient, as it came about.

    Attributes
    ----------
    day
        From randomisation.
    kind
        One of `KINDS`.
    index
        Drug, product, procedure or lesion, by its place.
    value
        mg/day, mg or cells; cause of a death.
    survivors
        Share of the cells that survives, by lesion, of a session of TACE or a resection.
    """

    day: float
    kind: str
    index: int
    value: float = 0.0
    survivors: dict[int, float] = field(default_factory=dict)


@dataclass
class Before:
    """What the next deed is told by."""

    y: Floats
    rates: Floats
    sessions: int
    dead: bool


class Walk:
    """One patient on the way from entry to death or the end.

    Parameters
    ----------
    inputs
        Patients of an arm.
    row
        The patient's row.
    relative_tolerance
        Of the integrator.
    mortal
        Whether cumulative hazards end the course.

    Attributes
    ----------
    patient, work, rows, out
        As the kernels take them.
    t, lesions
        Day, and lesions present.
    deeds
        What was done so far, by day.
    """

    def __init__(self, inputs: Inputs, row: int, relative_tolerance: float, mortal: bool = True) -> None:
        cohort = inputs.cohort
        self.inputs, self.row, self.mortal = inputs, row, mortal
        inputs.policy["relative_tolerance"] = relative_tolerance
        self.policy: Records = inputs.policy[0]
        self.first = int(cohort.lesion_offset[row])
        self.arrivals: Floats = cohort.lesions["arrival"][self.first : int(cohort.lesion_offset[row + 1])]
        self.events: Records = cohort.events[cohort.event_offset[row] : cohort.event_offset[row + 1]]
        slots, drugs, products = max(self.arrivals.size, 1), cohort.drugs.shape[1], cohort.products.shape[1]
        lanes = lanes_for(slots, drugs, products)  # of which the patient takes the first
        numbers, k = lanes.numbers, lanes.numbers[lanes.at_k : lanes.at_atol]
        y, y_new = (
            numbers[at : at + lanes.states * layout.LANES : layout.LANES] for at in (lanes.at_y, lanes.at_y_new)
        )
        # a record does not keep its array alive
        self._memo, self._out = np.zeros(1, layout.MEMO), np.zeros(1, layout.OUTCOME)
        self.rows: Records = np.zeros(inputs.visits, layout.VISIT)
        self.out: Records = self._out[0]
        self.patient = layout.Patient(
            cohort.traits[row], cohort.drugs[row], cohort.products[row], cohort.procedures,
            np.array([(0.0, np.inf)] * drugs, layout.INTAKE), np.zeros(slots, layout.SLOT),
        )  # fmt: skip
        self.work = layout.Work(
            y, y_new, k.reshape(decay.ROWS, lanes.states, layout.LANES)[:, :, 0], lanes,
            self._memo[0], np.zeros(slots, layout.MARK), np.zeros(drugs + products, np.int64),
        )  # fmt: skip
        model.start(self.work, self.patient, self.policy)
        self.limits: Floats = self.work.memo["limits"].copy()
        if self.policy["adjuvant"] == 0:
            self._memo["regrown"] = model.half_the_cells_at_entry(row, cohort)
        if not mortal:
            self._memo["limits"] = np.inf
        model.clear_outcome(self.out, self.rows)
        self.t, self.lesions, self.deeds = 0.0, 0, list[Deed]()
        self._lesion = self._event = 0

    @property
    def died(self) -> bool:
        """Whether the patient is dead, and that matters."""
        return self.mortal and bool(np.isfinite(self.out["death_time"]))

    def state(self) -> Floats:
        """States in use, a copy."""
        return np.array(self.work.y[: self.count()])

    def count(self) -> int:
        """Number of states in use."""
        return int(count_states(self.lesions, self.patient.drugs.size, self.patient.products.size))

    def numbers(self) -> Ints:
        """Number of each lesion present, in the order of the state."""
        return np.array(self.patient.slots["lesion"][: self.lesions])

    def stops(self, until: float, carry: Carry | None = None, looks: Sequence[float] = ()) -> Iterator[float]:
        """Go on to ``until`` or death; yields each day on which something is due, before it is done.

        Parameters
        ----------
        until
            Day to stop at; what is due on it is still done.
        carry
            What integrates between two stops; the product's integrator if None.
        looks
            Further days to stop at, ascending.

        Raises
        ------
        SimulationError
            The integration failed.
        """
        carry = advance_to if carry is None else carry
        looking = iter([*looks, np.inf])
        look = next(looking)
        changed = True
        while True:
            changed = self._do_what_is_due() or changed
            while look <= self.t:
                look = next(looking)
            if self.t >= until or self.died:
                return
            coming = [until, look, float(self.work.memo["due"])]
            if self._lesion < self.arrivals.size:
                coming.append(float(self.arrivals[self._lesion]))
            if self._event < self.events.size:
                coming.append(float(self.events["time"][self._event]))
            self.lesions = carry(self, self.t, min(coming), changed)
            self.t = float(self.out["death_time"]) if self.died else min(coming)
            changed = False
            yield self.t

    def _do_what_is_due(self) -> bool:
        """Arrivals, rows of the event table, salvage. Returns whether the state changed."""
        cohort, before = self.inputs.cohort, self._snapshot()
        changed = False
        while self._lesion < self.arrivals.size and self.arrivals[self._lesion] <= self.t:
            there = self.lesions
            self.lesions = int(model.arrive(self._lesion, there, self.work, self.patient, cohort, self.first))
            self.deeds.append(Deed(self.t, "arrival", self._lesion))
            self._lesion, changed = self._lesion + 1, changed or self.lesions > there
        while self._event < self.events.size and self.events["time"][self._event] <= self.t and not self.died:
            event, before = self.events[self._event], self._snapshot()
            did = model.apply_event(
                self.t, event, self.lesions, self.work, self.patient, self.policy, self.rows, self.out
            )
            if event["kind"] in (layout.EVENT_DRUG_BOLUS, layout.EVENT_INFUSION):
                self._note_dose(event, before)
            else:
                self._note(before, int(event["index"]))
            self._event, changed = self._event + 1, changed or bool(did)
        if float(self.work.memo["due"]) <= self.t and not self.died:
            before = self._snapshot()
            salvage(self.t, self.lesions, self.work, self.patient, self.policy, self.out)
            self._note(before, int(self.policy["tace"]))
            changed = True
        return changed

    def _snapshot(self) -> Before:
        return Before(
            self.state(), self.patient.intake["rate"].copy(), int(self.work.memo["sessions"]),
            bool(np.isfinite(self.out["death_time"])),
        )  # fmt: skip

    def _note_dose(self, event: Records, before: Before) -> None:
        """A bolus or infusion, unless it was stopped."""
        if not np.array_equal(before.y, self.state()):
            kind = "bolus" if event["kind"] == layout.EVENT_DRUG_BOLUS else "infusion"
            self.deeds.append(Deed(self.t, kind, int(event["index"]), float(event["value"])))

    def _note(self, before: Before, procedure: int) -> None:
        """What a visit, a session, a resection or salvage did: read off the state."""
        for drug in np.flatnonzero(before.rates != self.patient.intake["rate"]):
            self.deeds.append(Deed(self.t, "intake", int(drug), float(self.patient.intake["rate"][drug])))
        survivors = self._survivors(before.y)
        if int(self.work.memo["sessions"]) > before.sessions:
            self.deeds.append(Deed(self.t, "tace", procedure, survivors=survivors))
        elif survivors:
            self.deeds.append(Deed(self.t, "resection", 0, survivors=survivors))
        if np.isfinite(self.out["death_time"]) and not before.dead:
            self.deeds.append(Deed(self.t, "death", 0, float(self.out["death_cause"])))

    def _survivors(self, before: Floats) -> dict[int, float]:
        """Cells after against before of every lesion that changed."""
        if self.lesions == 0:
            return {}
        body = int(count_states(0, self.patient.drugs.size, self.patient.products.size))
        old, new = (y[body:].reshape(self.lesions, -1) for y in (before, self.state()))
        changed = np.flatnonzero((old != new).any(axis=1))
        return {
            int(self.numbers()[slot]): float(new[slot, : layout.CLONES].sum() / old[slot, : layout.CLONES].sum())
            for slot in changed
        }


Carry = Callable[[Walk, float, float, bool], int]


def advance_to(walk: Walk, t: float, t_end: float, changed: bool) -> int:
    """The product's integrator from ``t`` to ``t_end`` or death; ``changed`` says that the state jumped.

    Returns the lesions left.

    Raises
    ------
    SimulationError
        The integration failed.
    """
    _reached, left = advance(
        t, t_end, walk.lesions, changed, walk.work, walk.patient, walk.policy, np.zeros(0),
        np.zeros(0, layout.TRACE), walk.out,
    )  # fmt: skip
    if walk.out["status"]:
        number, day = int(walk.patient.traits["number"]), float(walk.out["failure_time"])
        raise SimulationError(
            f"patient {number}: the integration failed at day {day:.4g}. Look for a rate far outside its range "
            "(tumorsim check lists them), or report it with the scenario."
        )
    return int(left)
