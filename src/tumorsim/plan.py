"""What a run will do, before it does it: arms, doses, visits, time and disk."""

from __future__ import annotations

import math
import os
from typing import Any, Final

from tumorsim.scenario import Arm, Scenario
from tumorsim.units import MONTH, YEAR

# Processor time of `run_trial` per patient-year of the longest possible follow-up, measured on
# both shipped scenarios with 100 and 400 patients on one core of a busy server. Advanced patients
# have more lesions and denser visits. Only the estimate that `check` prints rests on these.
SECONDS_PER_PATIENT_YEAR: Final = {"adjuvant": 1.0e-3, "advanced": 3.5e-3}
_ALLOCATED: Final = {"observational": "each in one arm, not randomised"}
# imports, loading of compiled kernels, statistics and writing of the result
SECONDS_BASE: Final = 4.0


def plan(scenario: Scenario, threads: int | None = None) -> dict[str, Any]:
    """Plan of a run as one JSON-able mapping.

    Parameters
    ----------
    scenario
        What to run.
    threads
        Threads of the run; every core if None.

    Returns
    -------
    dict
        Times in months; ``total`` of a treatment in ``unit``, None where the dose is
        what manufacture yields; ``seconds`` and ``bytes`` are estimates.
    """
    trial, population = scenario.trial, scenario.population
    visits = int(trial.visits.schedule.visits(trial.cutoff).size)
    entered = population.patients * (len(scenario.arms) if trial.allocation == "twins" else 1)
    patient_years = entered * (trial.cutoff - trial.accrual / 2.0) / YEAR
    workers = threads or os.cpu_count() or 1
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "digest": scenario.digest,
        "seed": scenario.seed,
        "setting": population.setting,
        "allocation": trial.allocation,
        "patients": population.patients,
        "disease": scenario.disease.label or scenario.disease.name,
        "arms": [arm_plan(arm, trial.cutoff) for arm in scenario.arms],
        "follow_up": {"shortest": (trial.cutoff - trial.accrual) / MONTH, "longest": trial.cutoff / MONTH},
        "visits": visits,
        "endpoints": list(scenario.endpoints),
        "targets": len(scenario.targets),
        "patient_years": patient_years,
        "threads": workers,
        "seconds": SECONDS_BASE + patient_years * SECONDS_PER_PATIENT_YEAR[population.setting] / workers,
        "bytes": _bytes(scenario, visits),
    }


def arm_plan(arm: Arm, cutoff: float) -> dict[str, Any]:
    """Name, label and treatments of an arm, with what is planned for one patient until the cut-off."""
    treatments = []
    for treatment in arm.treatments:
        doses, total = treatment.planned(cutoff)
        dose = getattr(treatment, "dose", None)
        treatments.append(
            {
                "kind": treatment.KEY,
                "name": treatment.name,
                "text": treatment.describe(),
                "doses": doses,
                "total": total if math.isfinite(total) else None,
                "unit": getattr(dose, "unit", "") if dose is not None else "",
            }
        )
    return {"name": arm.name, "label": arm.title, "treatments": treatments}


def _bytes(scenario: Scenario, visits: int) -> int:
    """Size of the result's arrays before compression, in bytes."""
    from tumorsim.variables import VARIABLES

    patients = scenario.population.patients
    sizes = {
        "patient": patients,
        "arm": len(scenario.arms),
        "visit": visits + 1,  # baseline
        "trace": min(scenario.output.traced_patients, patients),
        "time": int(scenario.trial.cutoff / scenario.output.interval) + 1,
    }
    return sum(8 * math.prod(sizes.get(name, 1) for name in variable.dims) for variable in VARIABLES)


def plan_text(planned: dict[str, Any]) -> str:
    """The plan as lines for people; ``planned`` is what `plan` gave."""
    span = planned["follow_up"]
    twins = planned["allocation"] == "twins"
    lines = [
        f"{planned['scenario']}: {planned['title']}",
        f"  disease     {planned['disease']}, setting {planned['setting']}",
        f"  patients    {planned['patients']} virtual patients, "
        + ("each in every arm" if twins else _ALLOCATED.get(planned["allocation"], "randomised to one arm each"))
        + f", seed {planned['seed']}",
        f"  follow-up   {span['shortest']:.4g} to {span['longest']:.4g} months, {planned['visits']} visits at most",
        f"  end points  {', '.join(planned['endpoints'])}; {_figures(planned['targets'])} to compare with",
    ]
    for arm in planned["arms"]:
        lines.append(f"  arm {arm['name']}: {arm['label']}")
        lines += [f"    - {treatment_text(treatment)}" for treatment in arm["treatments"]] or ["    - nothing"]
    lines.append(
        f"  cost        {planned['patient_years']:,.0f} patient-years, about {seconds_text(planned['seconds'])} "
        f"on {planned['threads']} threads; at most {size_text(planned['bytes'])} on disk"
    )
    return "\n".join(lines)


def _figures(number: int) -> str:
    return f"{number or 'no'} reported figure{'' if number == 1 else 's'}"


def treatment_text(treatment: dict[str, Any]) -> str:
    """One treatment of `arm_plan` as a line for people."""
    doses, total, unit = treatment["doses"], treatment["total"], treatment["unit"]
    noun = {"drug": "doses", "infusion": "infusions", "tace": "sessions"}.get(treatment["kind"], "procedures")
    said = f"at most {doses} {noun if doses != 1 else noun[:-1]}"
    return f"{treatment['text']} ({said}" + (f", {total:.3g} {unit}" if unit and total is not None else "") + ")"


def seconds_text(seconds: float) -> str:
    """A time in the unit that suits it: ``45 s``, ``12 min``, ``3.0 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_text(size: float) -> str:
    """A size in the unit that suits it: ``12 MB``."""
    for unit in ("B", "KB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} GB"
