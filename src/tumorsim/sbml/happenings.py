"""What is done to the patient, as dated events: the schedule as it came about in this patient's course."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tumorsim.course import Deed
from tumorsim.kernels.layout import Records
from tumorsim.sbml.body import Names
from tumorsim.sbml.lesion import CLONES, HEAD
from tumorsim.sbml.system import System
from tumorsim.sbml.units import number


class Changes(dict[str, str]):
    """Assignments of one event; a second change of a variable starts from what the first one gives it."""

    def now(self, sid: str) -> str:
        """What the variable is by now."""
        return f"({self[sid]})" if sid in self else sid


def add_deeds(system: System, deeds: Sequence[Deed], names: Names, lesions: Records, residual: float) -> None:
    """One event for each day on which something is done after day 0; what is done on day 0 is in the start values.

    Parameters
    ----------
    system
        Gets the events.
    deeds
        In order, from `tumorsim.course.Walk`.
    names
        Identifiers of what is given.
    lesions
        Records LESION of the patient.
    residual
        Share of a lesion that curative treatment leaves.
    """
    system.constant("residual_fraction", "Share of a lesion that curative treatment leaves", "1", residual)
    later = [deed for deed in deeds if deed.day > 0.0]
    for count, (day, group) in enumerate(groupby(later, key=lambda deed: deed.day), start=1):
        changes, said = Changes(), []
        for deed in group:
            said.append(_do(deed, changes, names, lesions))
        system.event(f"day{count}", f"Day {day:.6g}: {', '.join(said)}", f"time >= {number(day, 'day')}", changes)


def _do(deed: Deed, changes: Changes, names: Names, lesions: Records) -> str:
    """Write one deed into the changes of its day; returns it in words."""
    if deed.kind == "arrival":
        return _arrive(deed.index, changes, lesions[deed.index])
    if deed.kind == "intake":
        drug = names.drugs[deed.index]
        changes[f"{drug}_intake"] = number(deed.value, "mg/day")
        return f"intake of {drug} {deed.value:.6g} mg/day"
    if deed.kind == "bolus":
        drug = names.drugs[deed.index]
        changes[f"{drug}_central"] = f"{changes.now(f'{drug}_central')} + {number(deed.value, 'mg')}"
        return f"bolus of {deed.value:.6g} mg of {drug}"
    if deed.kind == "infusion":
        product = names.products[deed.index]
        changes[f"{product}_lung"] = f"{changes.now(f'{product}_lung')} + {number(deed.value, 'cell')}"
        return f"infusion of {deed.value:.4g} cells of {product}"
    if deed.kind == "death":
        changes["death_cause"] = f"piecewise({deed.value:.0f}, death_cause < 0.5, death_cause)"
        changes["death_day"] = "piecewise(time, death_cause < 0.5, death_day)"
        return "death by the procedure"
    if deed.kind == "tace":
        return _chemoembolise(deed, changes, names.procedures[deed.index])
    return _resect(deed, changes, names.products)


def _arrive(index: int, changes: Changes, lesion: Records) -> str:
    """A new lesion, unless memory prevents it (eq. M3)."""
    sid = lesion_id(index)
    prevented = f"{sid}_mark < memory_de_novo_protection * memory"
    cells = [float(one) for one in lesion["cells"]]
    for clone, value in zip(CLONES, cells, strict=True):
        changes[f"{sid}_{clone}"] = f"piecewise({number(0.0, 'cell')}, {prevented}, {number(value, 'cell')})"
    changes[f"{sid}_capacity"] = number(lesion["capacity"], "cell")
    changes[f"{sid}_maturity"] = "vessels_baseline_maturity"
    changes[f"{sid}_present"] = f"piecewise(0, {prevented}, 1)"
    return f"{sid} arrives unless memory prevents it"


def _chemoembolise(deed: Deed, changes: Changes, procedure: str) -> str:
    """A session on the lesions that were seen (eqs T1, T3)."""
    for lesion, survivors in deed.survivors.items():
        sid, share = lesion_id(lesion), number(survivors)
        before = {clone: changes.now(f"{sid}_{clone}") for clone in CLONES}
        dead = " + ".join(before.values())
        changes[f"{sid}_dead"] = f"{changes.now(f'{sid}_dead')} + (1 - {share}) * ({dead})"
        for clone, cells in before.items():
            changes[f"{sid}_{clone}"] = f"{share} * {cells}"
        embolised = changes.now(f"{sid}_embolised")
        changes[f"{sid}_embolised"] = f"{embolised} + {procedure}_embolised_fraction * (1 - {embolised})"
        changes[f"{sid}_vegf_pulse"] = (
            f"{changes.now(f'{sid}_vegf_pulse')} + {procedure}_vegf_pulse"
            " * vessels_vegf_secretion * growth_cell_density / vessels_vegf_clearance_rate"
        )
    left = f"{changes.now('liver_reserve')} - {procedure}_liver_cost"
    changes["liver_reserve"] = f"piecewise(0, {left} < 0, {left})"
    treated = ", ".join(f"{1.0 - share:.4g} of {lesion_id(one)}" for one, share in deed.survivors.items())
    return f"session of {procedure}, necrosis {treated}"


def _resect(deed: Deed, changes: Changes, products: Sequence[str]) -> str:
    """Curative treatment of the lesions in sight."""
    for lesion in deed.survivors:
        sid = lesion_id(lesion)
        for name in (*CLONES, *products, *(f"{product}_exhausted" for product in products)):
            changes[f"{sid}_{name}"] = f"residual_fraction * {changes.now(f'{sid}_{name}')}"
        changes[f"{sid}_dead"] = number(0.0, "cell")
    return f"curative treatment of {', '.join(lesion_id(one) for one in deed.survivors)}"


def lesion_id(index: int) -> str:
    """Identifier of a lesion by its place among the patient's lesions."""
    return f"lesion{index + 1}"


def start_of(lesion: Records, maturity: float, products: int) -> list[float]:
    """States of a lesion that has not arrived: no cells, the vessels it will come with."""
    start = dict.fromkeys(HEAD, 0.0) | {"capacity": float(lesion["capacity"]), "maturity": maturity}
    return [*start.values(), *[0.0] * (2 * products)]
