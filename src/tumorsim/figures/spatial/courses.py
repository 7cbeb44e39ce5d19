"""What each arm of a spatial study was given and when, as far as statements beside the figures need it."""

from __future__ import annotations

from dataclasses import dataclass

from tumorsim.figures.planned import infusion_days, planned_treatments


@dataclass(frozen=True)
class Drug:
    """One drug of an arm: its name in words, the first day, and the dose on a day of intake with its unit."""

    name: str
    first: float
    daily: float
    unit: str

    @property
    def dose(self) -> str:
        """``800 mg a day``."""
        return f"{self.daily:,g} {self.unit} a day"


@dataclass(frozen=True)
class Course:
    """One arm: its drugs, and the days of infusions of cells and of sessions of TACE, each in order of time."""

    drugs: tuple[Drug, ...] = ()
    infusions: tuple[float, ...] = ()
    sessions: tuple[float, ...] = ()


def courses(scenario_text: str, horizon: float) -> dict[str, Course]:
    """What each arm was given, by name; empty without a scenario that this version can read.

    Sessions on demand have no planned day and are left out, and so are products made for each patient.

    Parameters
    ----------
    scenario_text
        The resolved scenario, JSON.
    horizon
        Last day of the study.
    """
    from tumorsim.interventions.amounts import last_day
    from tumorsim.interventions.drug import DrugCourse
    from tumorsim.interventions.infusion import CellInfusion
    from tumorsim.interventions.tace import Tace

    found = {}
    for arm, treatments in planned_treatments(scenario_text).items():
        drugs, infusions, sessions = [], list[float](), list[float]()
        for one in treatments:
            if isinstance(one, CellInfusion):
                infusions += infusion_days(one, horizon)
            elif isinstance(one, Tace) and one.schedule is not None:
                span = last_day(one.start, one.until, horizon) - one.start
                sessions += [float(one.start + day) for day in one.schedule.days(span)]
            elif isinstance(one, DrugCourse) and one.start < horizon:
                name = one.drug.label or one.drug.name
                drugs.append(Drug(name, one.start, one.dose.amount * one.times_per_day, one.dose.unit))
        found[arm] = Course(
            tuple(sorted(drugs, key=lambda drug: drug.first)), tuple(sorted(infusions)), tuple(sorted(sessions))
        )
    return found
